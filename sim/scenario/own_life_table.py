"""A life table of one's own country: read from a CSV file where a scenario names one, and kept in it.

A scenario so read holds the table itself, with the file's name and SHA-256: nothing later needs the file.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sim.scenario.merging import Tree, place
from sim.scenario.problems import RequestError
from sim.scenario.reading import read_text
from sim.scenario.refusals import cut_short, sentence, toml_text
from sim.scenario.registry import lookup
from sim.scenario.schema import LAST_AGES

KEY = "background.life_table"
_MOST_ROWS = 600
_WIDE, _LONG = ("age", "male", "female"), ("age", "sex", "q")
_SEXES = {"male": "male", "m": "male", "female": "female", "f": "female"}
WHAT = (
    "a life table is a CSV file with a header, age,male,female or age,sex,q: the probability of death within "
    "the year by completed year of age"
)
_LITERAL = re.compile(r"""(life_table["']?\s*=\s*)("[^"\n]*"|'[^'\n]*')""")


def is_file(value: Any) -> bool:
    """Tell whether a life table is a file, and no word: it has a slash, or ends in .csv."""
    return isinstance(value, str) and ("/" in value or "\\" in value or value.lower().endswith(".csv"))


def with_table(tree: Tree, folder: Path, where: str) -> Tree:
    """Return values in which a life table's file, if there is one, is what it holds.

    Parameters
    ----------
    tree
        Nested, or by dotted keys.
    folder
        That the path counts from.
    where
        What a refusal begins with.
    """
    value = lookup(tree, KEY)
    if is_file(value):
        tree = {**tree, "background": dict(tree["background"])}
        place(tree, KEY, _read(value, folder, where))
    if is_file(tree.get(KEY)):
        return {**tree, KEY: _read(tree[KEY], folder, where)}
    return tree


def _read(value: str, folder: Path, where: str) -> dict[str, Any]:
    return read_life_table(folder / value, sentence(where, f"{KEY} = {toml_text(value)}"))


def refuse_unsourced(tree: Mapping[str, Any], sources: Mapping[str, str], where: str) -> None:
    """Refuse a file's own life table of which nobody says where it was published."""
    value = lookup(tree, KEY)
    if is_file(value) and not sources.get(KEY, "").strip():
        what = f"{KEY} = {toml_text(value)}: a table of your own needs its source; write, in this file,"
        raise RequestError(
            sentence(where, f'{what} [sources] "{KEY}" = "who published it, and for which year"')
        )


def text_with_table(text: str, value: str, folder: Path, where: str) -> str:
    """Return a scenario file's text with the life table in the place of its path."""
    table = toml_text(_read(value, folder, where))
    return _LITERAL.sub(lambda found: found[1] + table if found[2][1:-1] == value else found[0], text)


def read_life_table(path: Path, where: str) -> dict[str, Any]:
    """Read a life table as a plain table of `LifeTable`.

    Raises
    ------
    RequestError
        There is no such file, or something in it is wrong: the first of all, by its line.
    """
    text = read_text(path, where, WHAT)
    first = text.partition("\n")[0]
    separator = max(";", "\t", ",", key=first.count)
    try:
        rows = list(csv.reader(text.splitlines(), delimiter=separator))
    except csv.Error as error:
        raise RequestError(f"{where}: can't be read as CSV: {error}; {WHAT}") from None
    header = [name.strip().lower() for name in rows[0]] if rows else []
    if sorted(header) not in (sorted(_WIDE), sorted(_LONG)):
        lacking = min(([name for name in form if name not in header] for form in (_WIDE, _LONG)), key=len)
        more = "has no column" if lacking else "has more columns than"
        raise RequestError(
            f"{where}: line 1 is {cut_short(toml_text(first.strip()))} and {more} "
            f"{', '.join(lacking or _WIDE)}: give the columns these names, in English; {WHAT}"
        )
    if len(rows) > _MOST_ROWS:
        raise RequestError(f"{where}: has more than {_MOST_ROWS} lines; {WHAT}")
    chances: dict[str, dict[int, float]] = {"male": {}, "female": {}}
    for line, row in enumerate(rows[1:], start=2):
        if any(cell.strip() for cell in row):
            for sex, age, q in _cells(header, row, separator, f"{where}: line {line}"):
                if age in chances[sex]:
                    raise RequestError(f"{where}: line {line}: age {age} of {sex} stands there twice")
                chances[sex][age] = q
    for sex, of_sex in chances.items():
        _refuse_gaps(sex, of_sex, where)
    if max(chances["male"]) != max(chances["female"]):
        raise RequestError(f"{where}: men and women end at different ages; give both to the same one")
    columns = {sex: [of_sex[age] for age in sorted(of_sex)] for sex, of_sex in chances.items()}
    return {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), **columns}


def _cells(header: list[str], row: list[str], separator: str, where: str) -> Iterator[tuple[str, int, float]]:
    """Yield sex, age and probability of a line."""
    if len(row) != len(header):
        raise RequestError(f"{where}: has {len(row)} cells, and the header {len(header)}")
    cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
    if not re.fullmatch(r"\d{1,3}\+?", cells["age"], re.ASCII):
        shown = cut_short(toml_text(cells["age"]), 40)
        raise RequestError(f"{where}: age is {shown}; write single years: 0, 1, 2 ... and the last as 110+")
    age = int(cells["age"].rstrip("+"))
    if "q" not in cells:
        for sex in ("male", "female"):
            yield sex, age, _chance(cells[sex], sex, separator, where)
        return
    sex = cells["sex"].lower()
    if sex not in _SEXES:
        raise RequestError(f"{where}: sex is {cut_short(toml_text(cells['sex']), 40)}; write male or female")
    yield _SEXES[sex], age, _chance(cells["q"], "q", separator, where)


def _chance(text: str, column: str, separator: str, where: str) -> float:
    plain = text.replace(",", ".") if separator != "," else text
    shown = f"{where}: {column} is {cut_short(toml_text(text), 40)}"
    if not re.fullmatch(r"\d*\.?\d+(e-?\d+)?", plain, re.ASCII | re.IGNORECASE):
        raise RequestError(f"{shown}; write a probability, such as 0.0042")
    value = float(plain)
    if not 0 <= value <= 1:
        raise RequestError(f"{shown}; a probability lies from 0 to 1: of deaths per 1,000 write the 1,000th")
    return value


def _refuse_gaps(sex: str, of_sex: Mapping[int, float], where: str) -> None:
    if not of_sex:
        raise RequestError(f"{where}: has no row of {sex}; {WHAT}")
    last = max(of_sex)
    missing = next((age for age in range(last) if age not in of_sex), None)
    if missing is not None:
        raise RequestError(
            f"{where}: age {missing} of {sex} is missing; every year from 0 to the last is needed"
        )
    if last not in LAST_AGES:
        allowed = f"{LAST_AGES[0]} to {LAST_AGES[-1]}"
        raise RequestError(
            f"{where}: the last age of {sex} is {last}; the table must end at an age from {allowed}"
        )
    if not any(of_sex.values()):
        raise RequestError(f'{where}: no {sex} ever dies; without such deaths write {KEY} = "none"')
