"""Which column of a table is what: by the words of its header, or as the user has said."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from sim.centre.files import header_text
from sim.centre.mistakes import Mistakes, shown
from sim.centre.words import fold, vocabulary
from sim.scenario.plain import printable
from sim.scenario.refusals import unknown

COLUMNS: Mapping[str, str] = {
    "enrolled": "enrolment in the study or programme; without it times count from the transplantation",
    "transplanted": "reinfusion of the stem cells; empty if it has not happened",
    "relapsed": "first relapse after it; empty if none was seen",
    "died": "death; empty of the living",
    "cause": "of death: treatment (infection or toxicity), lupus, other or unknown; empty of the living",
    "last_seen": "until when all of this is known; needed of the living",
    "age": "years at enrolment",
    "born": "date of birth, instead of age; it is turned into the age and forgotten",
    "sex": "female or male",
    "engrafted": "engraftment after the transplantation",
    "discharged": "discharge from hospital after the transplantation",
    "relapsed_or_died": "relapse or death, whichever was first, of a published curve that can't tell which",
    "reconstructed": "yes of patients whom patients reconstruct has made",
}
"""What a table may tell: dates, or days since enrolment, but for cause, age, sex and reconstructed."""
NEEDED = ("transplanted", "died", "last_seen")
OF_CURVES = ("relapsed_or_died", "reconstructed")
"""What no table of patients of one's own has."""
_IN_ONE_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")
_UNIT = re.compile(r"\s*[(\[]([^)\]]*)[)\]]\s*$")


@dataclass(frozen=True)
class Matched:
    """Columns of a table by what they are.

    Attributes
    ----------
    places
        Of each canonical name in the header.
    ignored
        Places of the other columns that have a header.
    open
        Canonical names that no column has, and of which the user has said nothing.
    """

    places: Mapping[str, int]
    ignored: tuple[int, ...]
    open: frozenset[str]


def _key(header: str) -> frozenset[str]:
    """Return the words that matter of a header: no unit in brackets, no article, no "date of"."""
    unit = _UNIT.search(header)
    if unit and fold(unit.group(1)) in _folded("units"):
        header = header[: unit.start()]
    return frozenset(fold(_IN_ONE_WORD.sub(" ", header)).split()) - _folded("fillers")


@cache
def _folded(table: str) -> frozenset[str]:
    return frozenset(fold(word) for word in vocabulary()[table].split())


@cache
def _synonyms() -> Mapping[frozenset[str], str]:
    listed = vocabulary()["columns"].items()
    return {_key(word): name for name, words in listed for word in (name, *words)}


def match_columns(header: Sequence[str], asked: Mapping[str, str], where: str) -> Matched:
    """Find what each column is.

    Parameters
    ----------
    asked
        Headers by canonical name, as given with ``--column``; an empty one says that the table tells none.
    where
        The file, as messages name it.

    Raises
    ------
    RequestError
        A name or header is unknown, two columns are the same, or one that is needed is missing.
    """
    wrong = Mistakes(where)
    places = {name: _place(name, text, header, wrong) for name, text in asked.items()}
    taken = [place for place in places.values() if place is not None]
    for place in {place for place in taken if taken.count(place) > 1}:
        names = " and ".join(name for name, other in places.items() if other == place)
        wrong.add(f"--column: {names} can't both be the column {shown(header[place])}")
    found: dict[str, list[int]] = {}
    for place, text in enumerate(header):
        name = _synonyms().get(_key(text))
        if name is not None and name not in asked and place not in taken:
            found.setdefault(name, []).append(place)
    for name, several in found.items():
        if len(several) > 1:
            listed = " and ".join(f'"{shown(header[place])}"' for place in several)
            example = f'say which, as in --column {name}="{shown(header[several[0]])}"'
            remedy = (
                example if len({header[place] for place in several}) > 1 else "rename or remove one of them"
            )
            wrong.add(f"{listed} may each be {name}: {remedy}")
    matched = {name: place for name, place in places.items() if place is not None}
    matched |= {name: several[0] for name, several in found.items()}
    matched = {name: matched[name] for name in COLUMNS if name in matched}
    ignored = tuple(at for at, text in enumerate(header) if text and at not in matched.values())
    told = matched.keys() | {name for name, text in asked.items() if text.strip()}
    if problems := _missing(told, [header[at] for at in ignored]):
        for problem in problems:
            wrong.add(problem)
        example = 'name a column as in --column died="date of death"'
        wrong.add(f"the headers are {header_text(header)}; {example}", 0)
    wrong.refuse()
    return Matched(matched, ignored, frozenset(COLUMNS) - matched.keys() - asked.keys())


def _place(name: str, text: str, header: Sequence[str], wrong: Mistakes) -> int | None:
    """Return where the header that was asked for stands."""
    if name not in COLUMNS:
        what = f"--column {printable(name)}"
        if text in COLUMNS:
            wrong.add(f'{what}: the name comes first: --column {text}="{printable(name)}"')
        else:
            wrong.add(unknown(f"{what}: no such column", name, COLUMNS, f"there are {', '.join(COLUMNS)}"))
        return None
    if not text.strip():
        return None
    same = [at for at, other in enumerate(header) if other == " ".join(text.split())]
    same = same or [at for at, other in enumerate(header) if fold(text) and fold(other) == fold(text)]
    if len(same) != 1:
        what = f'--column {name}="{shown(text)}"'
        if same:
            wrong.add(f"{what}: {len(same)} columns are called so; rename all but one")
        else:
            wrong.add(unknown(f"{what}: no such header", text, header, f"there are {header_text(header)}"))
        return None
    return same[0]


def _missing(told: Collection[str], ignored: Sequence[str]) -> list[str]:
    """Say which columns are needed and not there."""
    needed = [name for name in NEEDED if name not in told]
    if "relapsed_or_died" in told:
        needed = [name for name in needed if name != "died"]
    problems = []
    for name in needed:
        near = next((text for text in ignored if likely(text) == name), None)
        meant = f'did you mean --column {name}="{shown(near)}"?' if near else f"{COLUMNS[name]}"
        otherwise = (
            "" if near or name == "last_seen" else f"; if it is so of nobody, add an empty column {name}"
        )
        problems.append(f"no column is {name}: {meant}{otherwise}")
    return problems


def likely(header: str) -> str | None:
    """Return which column a header may have been meant for, by a word of it or nearly by its letters."""
    own = {name for words, name in _synonyms().items() if words and words <= _key(header)}
    if len(own) == 1:
        return own.pop()
    names = {" ".join(sorted(words)): name for words, name in _synonyms().items()}
    near = get_close_matches(" ".join(sorted(_key(header)))[:80], names, n=1, cutoff=0.8)
    return names[near[0]] if near else None
