"""A question as the page's address holds it: a scenario of the shelf, what is changed, what is looked at.

The address is the only state: whoever opens it sees the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from sim.scenario.inherit import set_value
from sim.scenario.load import Loaded, changed
from sim.scenario.problems import RequestError
from sim.scenario.refusals import bad_value, cut_short, toml_text, unknown, unknown_key
from sim.scenario.registry import parameters, plain
from sim.scenario.shipped import scenarios_folder
from sim.scenario.values import get_value

OF, TRIAL, DECIMALS, OWN = "of", "trial", "decimals", ("of", "trial", "decimals")
"""Names in the address that are no parameters: the scenario, the number of a virtual trial, decimals."""
_ABOUT = ("kind", "base", "title")
MOST_TRIALS = 10_000
MOST_CHANGES = 40


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes
    ----------
    of
        The scenario's name on the shelf.
    base
        It, as it is.
    values
        What is changed, by key; nothing that has the base's own value.
    trial
        Which virtual trial's patients are told one by one, from 1.
    decimals
        Whether counts are shown with decimals.
    """

    of: str
    base: Loaded
    values: Mapping[str, Any]
    trial: int = 1
    decimals: bool = False

    @cached_property
    def changed(self) -> Loaded:
        """The scenario with the changes."""
        return changed(self.base, self.values) if self.values else self.base

    @property
    def address(self) -> str:
        """The query that asks this, in one order whatever order it came in."""
        pairs = [(OF, self.of), *((key, _text(value)) for key, value in sorted(self.values.items()))]
        if self.trial != 1:
            pairs.append((TRIAL, str(self.trial)))
        if self.decimals:
            pairs.append((DECIMALS, "yes"))
        return urlencode(pairs)

    @property
    def toml(self) -> str:
        """A scenario file that says the same."""
        title = self.changed.scenario.title
        base = self.of if is_shipped(self.base) else str(self.base.path.resolve())
        stated = {"kind": "scenario", "base": base, "title": title, **self.values}
        return "".join(f"{key} = {toml_text(plain(value))}\n" for key, value in stated.items())


def is_shipped(loaded: Loaded) -> bool:
    """Tell whether a scenario ships, so that its name alone says what it is."""
    return loaded.path.parent == scenarios_folder()


def asked_by(own: Loaded, shelf: Mapping[str, Loaded]) -> Question | None:
    """Return the question that a file asks, if it is one that `Question.toml` wrote about a scenario here.

    Any other file is a scenario in its own right.
    """
    base = own.chain[1] if len(own.chain) > 1 else ""
    if base not in shelf:
        return None
    stated = [(key, _text(value)) for key, value in _flat(own.layers[-1].tree) if key not in _ABOUT]
    try:
        found = question([(OF, base), *stated], shelf)
    except RequestError:
        return None
    same = found.changed.scenario_hash == own.scenario_hash
    return found if same and found.changed.scenario.title == own.scenario.title else None


def _flat(tree: Mapping[str, Any], stem: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value of nested tables by its dotted key."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{stem}{name}.")
        else:
            yield f"{stem}{name}", value


def question(pairs: Sequence[tuple[str, str]], shelf: Mapping[str, Loaded]) -> Question:
    """Read a question off an address.

    Parameters
    ----------
    pairs
        Names and values of the query, as they came.
    shelf
        The scenarios that may be asked about, by name; the first is asked about if none is named.

    Raises
    ------
    RequestError
        A name is unknown or stands there twice, or a value is none that its parameter accepts.
    """
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise RequestError(f"{cut_short(twice)}: stands there twice; keep one")
    asked = dict(pairs)
    of = asked.get(OF, next(iter(shelf)))
    if of not in shelf:
        raise RequestError(
            unknown(
                f'{OF} = "{cut_short(of)}": no such scenario', of, [*shelf], f"there are {', '.join(shelf)}"
            )
        )
    keys = [name for name in names if name not in OWN]
    base, values = shelf[of], {}
    for key in keys:
        if key not in parameters() and key.rpartition(".")[0] not in parameters():
            raise RequestError(unknown_key(key))
        value = set_value(asked[key])
        if plain(get_value(base.scenario, key)) != value:
            values[key] = value
    if len(values) > MOST_CHANGES:  # not what is named alone: a form without script sends every control
        raise RequestError(f"{len(values)} changes; allowed: up to {MOST_CHANGES}")
    found = Question(of, base, values, _trial(asked.get(TRIAL, "1")), asked.get(DECIMALS, "") == "yes")
    try:
        _ = found.changed  # refused now, and not when it is answered
    except RequestError as error:  # nobody wrote an option of the command line
        raise RequestError(str(error).replace("--set: ", "")) from error
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else toml_text(plain(value))


def _trial(text: str) -> int:
    number = int(text) if text.isdecimal() and len(text) < 9 else 0
    if not 1 <= number <= MOST_TRIALS:
        raise RequestError(bad_value("", TRIAL, text, f"a whole number from 1 to {MOST_TRIALS}"))
    return number
