"""The controls of the page, made from the parameters' declarations: ranges, steps, words and sources.

A control is a row of stops, texts as they stand in the page's address: so that a slider over hazards is
logarithmic, rooms come whole, and "unlimited" is one stop more, without a word about it on the page.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeAlias
from urllib.parse import urlencode

from sim.app.question import OF, Question, is_shipped
from sim.scenario.changes import in_words
from sim.scenario.describe import source_and_status, value_text
from sim.scenario.differences import STAGES, stage_of
from sim.scenario.evidence import data_rows
from sim.scenario.load import Loaded
from sim.scenario.merging import DECIDING_KEYS, used_parameters
from sim.scenario.registry import Parameter, Range, lookup, parameters, plain
from sim.scenario.schema import Scenario
from sim.scenario.shipped import locate_posterior, shipped_posteriors
from sim.scenario.values import get_value
from sim.study.draws import number_of
from sim.study.posterior import Posterior, read_posterior
from sim.study.tornado import Stated, stated_ranges

Scale: TypeAlias = Literal["linear", "log", "words"]
NO_RANGE = "no range is stated: from a quarter of the value to four times it"
NO_RANGE_OF_ZERO = "no range is stated, and the value is 0: up to a round number"
NO_RANGE_OF_ROOMS = "no range is stated: whole numbers from 1"
_STOPS = 100
_WIDE = 10.0
"""High over low from which a scale is logarithmic."""
_FEW = 20
"""Rooms up to which a control goes at least."""
_FROM_ZERO = {"days": 365.0, "per year": 0.2, "per day": 0.01}
"""How far a control goes whose own value is 0, by its unit; a share up to 1."""
_MEMBERS = ("value", "mean", "median", "scale")
"""What a distribution is moved by; its spread stays."""


@dataclass(frozen=True)
class Control:
    """One control.

    Attributes
    ----------
    key, label, unit, tip
        The parameter, or the mean (median, scale) of a distribution, and what it means.
    own, value
        Its value in the scenario as it is, and in the question.
    stops, at, now
        What it can be set to as texts of the address, and which of them are `own` and `value`.
    low, high, step, scale
        The same as numbers, without stops that are words; no step where the scale is logarithmic.
    source, stated
        By whom the range is stated; or that none is.
    status, own_source
        Whether the scenario's own value is evidence, solved or an assumption, and where it comes from.
    """

    key: str
    label: str
    unit: str
    tip: str
    own: Any
    value: Any
    stops: tuple[str, ...]
    at: int
    now: int
    low: float
    high: float
    step: float
    scale: Scale
    source: str
    stated: bool
    status: str
    own_source: str

    @property
    def changed(self) -> bool:
        """Whether the question changes it."""
        return self.now != self.at


@dataclass(frozen=True)
class Controls:
    """All controls by stage of the pathway, those that matter first, and those that are moved."""

    first: Sequence[Control]
    stages: Sequence[tuple[str, Sequence[Control]]]
    changed: Sequence[Control]


@dataclass(frozen=True)
class Preset:
    """A scenario that can be asked about; `own` is the user's own file."""

    name: str
    title: str
    purpose: str
    own: bool
    address: str


def presets(shelf: Mapping[str, Loaded]) -> list[Preset]:
    """Return the scenarios of the shelf, in its order."""
    return [
        Preset(name, each.scenario.title, each.scenario.purpose, not is_shipped(each), urlencode({OF: name}))
        for name, each in shelf.items()
    ]


def controls(question: Question) -> Controls:
    """Return the controls of a question, in the order of the pathway."""
    base = question.base
    ranges, values = _ranges(base), question.changed.as_dict()
    matter = {row["key"] for row in data_rows("controls")}
    stages: dict[str, list[Control]] = {stage: [] for stage in STAGES}
    for parameter in used_parameters(base.as_dict()):
        control = _control(parameter, question, ranges, values)
        if control is not None:
            stages.setdefault(stage_of(parameter.key), []).append(control)
    ordered = [control for stage in stages.values() for control in stage]
    return Controls(
        [each for each in ordered if {each.key, each.key.rpartition(".")[0]} & matter],
        [(stage, told) for stage, told in stages.items() if told],
        [each for each in ordered if each.changed],
    )


@cache
def _posterior(name: str) -> tuple[Posterior, tuple[float, ...]]:
    return read_posterior(locate_posterior(name))


_KNOWN: dict[tuple[str, str], dict[str, Stated]] = {}
"""Ranges of the scenarios of the shelf by name and hash."""


def _ranges(loaded: Loaded) -> dict[str, Stated]:
    """Return the ranges that are stated: by the posterior only where the values are those it is about."""
    known = _KNOWN.get((loaded.name, loaded.scenario_hash))
    if known is not None:
        return known
    posterior = None
    for name in loaded.chain:
        if name in shipped_posteriors():
            posterior, point = _posterior(name)
            if [number_of(loaded.scenario, key) for key in posterior.keys] != [*point]:
                posterior = None
            break
    found = {each.key: each for each in stated_ranges(loaded.scenario, posterior)[0]}
    return _KNOWN.setdefault((loaded.name, loaded.scenario_hash), found)


def _control(
    parameter: Parameter, question: Question, ranges: Mapping[str, Stated], values: Mapping[str, Any]
) -> Control | None:
    """Return the control of a parameter; None for what is no number and no choice by itself."""
    key, scenario = parameter.key, question.base.scenario
    own, now = plain(get_value(scenario, key)), lookup(values, key)
    decides = key.rpartition(".")[2] in DECIDING_KEYS
    if decides or _is_idle(key, scenario) or (parameter.distribution and isinstance(own, str)):
        return None
    if isinstance(own, (list, tuple)) or (isinstance(own, Mapping) and not {*own} & {*_MEMBERS}):
        return None  # numbers from days on, what was observed, a table of one's own
    numbers, label, tip = parameter.numbers, label_of(key), parameter.meaning
    if parameter.distribution:
        member = next(each for each in _MEMBERS if each in own)
        numbers = Range(own.get("low", 0.0), own.get("high", 1e9), member != "value", whole=False)
        key = f"{key}.{member}"
        if member != "value":
            label, tip = f"{label}, {member}", f"{tip}; its spread stays"
        own, now = (_moved(each, member) for each in (own, now))
    value = own if now is None else now
    marks, source = _marks(parameter, numbers, own, value, ranges.get(parameter.key))
    stops = tuple(map(value_text, (*marks, *parameter.choices)))
    low, high = (marks[0], marks[-1]) if marks else (0.0, 0.0)
    far = numbers is not None and not numbers.whole and _is_far(low, high)
    step = 1.0 if numbers and numbers.whole else 0.0 if far else _step(low, high)
    own_source, status = source_and_status(question.base, parameter.key)
    return Control(
        key, label, parameter.unit, tip, own, value, stops, stops.index(value_text(own)),
        stops.index(value_text(value)), low, high, step,
        "log" if far else "linear" if marks else "words", source,
        parameter.key in ranges, status, own_source,
    )  # fmt: skip


def _is_idle(key: str, scenario: Scenario) -> bool:
    """Tell whether a parameter does nothing: patients where they arrive, a delay of what never happens."""
    if key == "transplant.delay_days":
        return scenario.cohort.enters_at == "home"
    return key == "cohort.patients" and scenario.arrivals.pattern == "poisson"


def label_of(key: str) -> str:
    """Name a parameter, or a member of a distribution, in words: without the unit that its name ends in."""
    if key not in parameters():
        stem, _, member = key.rpartition(".")
        return label_of(stem) if member == "value" else f"{label_of(stem)}, {member}"
    words, last, unit = in_words(key), key.rpartition(".")[2].replace("_", " "), parameters()[key].unit
    is_said = last != unit and (unit in ("days", "years") or unit.startswith("per "))
    return words.removesuffix(unit).rstrip() if is_said else words


def _moved(distribution: Any, member: str) -> Any:
    """Return by what a distribution is moved, if it is one: the member that is asked for, if it has that."""
    if not isinstance(distribution, Mapping):
        return distribution
    return next(distribution[each] for each in (member, *_MEMBERS) if each in distribution)


def _marks(
    parameter: Parameter, numbers: Range | None, own: Any, value: Any, stated: Stated | None
) -> tuple[list[float], str]:
    """Return the numbers that a control stops at, and by whom their range is stated."""
    if numbers is None:
        return [], ""
    held = [each for each in (own, value) if not isinstance(each, str)]
    middle = held[0] if held and not isinstance(own, str) else parameter.default
    if stated is not None:
        low, high, source = stated.low, stated.high, stated.source
    elif parameter.unit in ("rooms", "slots"):
        low, high, source = 1.0, max(_FEW, 2.0 * max(held, default=0)), NO_RANGE_OF_ROOMS
    elif middle == 0:
        low, high, source = 0.0, _FROM_ZERO.get(parameter.unit, 1.0), NO_RANGE_OF_ZERO
    else:
        low, high, source = middle / 4, middle * 4, NO_RANGE
    low, high = max(low, numbers.lower), min(high, numbers.upper)
    if held:
        low, high = min(low, *held), max(high, *held)
    return sorted({*_between(low, high, numbers), *held}), source


def _between(low: float, high: float, numbers: Range) -> Iterator[float]:
    """Yield both ends, and round numbers between them: in equal steps, or in equal factors if it is far."""
    if numbers.whole and high - low <= 2 * _STOPS:
        yield from range(math.ceil(low), math.floor(high) + 1)
        return
    far, step = _is_far(low, high), _step(low, high)
    ends = [float(f"{end:.3g}") for end in (low, high)]
    steps = (math.ceil(low / step) * step + part * step for part in range(_STOPS + 1))
    factors = (float(f"{low * (high / low) ** (part / _STOPS):.2g}") for part in range(_STOPS + 1) if far)
    for mark in (*ends, *(factors if far else (float(f"{each:.6g}") for each in steps))):
        if mark in numbers and (ends[0] <= mark <= ends[1]):
            yield round(mark) if numbers.whole else mark


def _is_far(low: float, high: float) -> bool:
    return low > 0 and high / low > _WIDE


def _step(low: float, high: float) -> float:
    """Return the round step that cuts a range in 50 to 100 parts."""
    least = (high - low) / _STOPS or 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(each * power for each in (1, 2, 5, 10) if each * power >= least * 0.999)
