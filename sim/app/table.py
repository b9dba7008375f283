"""The table of figures: both sides, the change, and the three uncertainties apart."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sim.app.answer import RowShown, SideShown
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME, Endpoint, Key, label, read_times
from sim.show.kit.formats import format_difference, format_interval, format_range, format_value, with_unit

SHOWN = (
    "overall_survival_enrolled", "treatment_related_mortality", "died_waiting", "waited_over_30_days",
    "restricted_mean_survival_enrolled",
    "disease_free_survival_enrolled", "death_by_cause_infection", "death_by_cause_toxicity",
    "death_by_cause_lupus", "death_by_cause_background", "pre_transplant_mortality",
    "transplant_related_mortality", "overall_survival", "disease_free_survival", "relapse_incidence",
    "no_response", "harvest_failure", "infections_per_patient", "waited", "room_wait_days",
    "room_wait_90_percent_days", "room_occupancy", "slot_waited", "slot_wait_days", "slot_died_waiting",
)  # fmt: skip
"""Headline figures first: of all enrolled, at the horizon; what nobody has a figure of is left out."""

_TENTH = 0.001
"""Of a share: its last digit shown, where it has one there."""
_NOTHING, _HARDLY = 1e-9, 1e-5


@dataclass(frozen=True)
class Uncertainties:
    """What is known beside the exact figures, by endpoint: limits of two sides and of their difference.

    ``drawn`` are figures under draws of a posterior, base and changed; ``trials`` the range of one trial of
    the changed scenario. ``means`` says that the mean over draws is told too, because the scenario's values
    may lie far from it. Of simulated figures, ``simulated`` has the limits of their Monte Carlo error on
    both sides, and ``changes`` each change with its limits.
    """

    drawn: tuple[Mapping[Key, Floats], Mapping[Key, Floats]] = field(default_factory=lambda: ({}, {}))
    trials: Mapping[Key, tuple[float, float]] = field(default_factory=dict)
    simulated: Sequence[Mapping[Key, tuple[float, float]]] = ()
    changes: Mapping[Key, tuple[float, float, float]] = field(default_factory=dict)
    means: bool = False


def rows_of(base: SideShown, changed: SideShown, years: float, known: Uncertainties) -> list[RowShown]:
    """Return the table."""
    return [*_rows(base, changed, years, known)]


def _rows(base: SideShown, changed: SideShown, years: float, known: Uncertainties) -> Iterator[RowShown]:
    for name in SHOWN:
        key = (name, read_times(BY_NAME[name], years)[-1])
        before, now = (side.figures.get(key, math.nan) for side in (base, changed))
        if math.isnan(before) and math.isnan(now):
            continue
        endpoint = BY_NAME[name]
        low, high = known.trials.get(key, (math.nan, math.nan))
        if known.simulated:
            texts = _simulated(endpoint, key, known, (before, now))
            yield RowShown(label(key), *texts, "", format_range(endpoint, low, high))
            continue
        yield RowShown(
            label(key), figure_text(endpoint, before), figure_text(endpoint, now),
            "" if changed is base else change_text(endpoint, now - before), "",
            _posterior(endpoint, key, known, same=changed is base), format_range(endpoint, low, high),
        )  # fmt: skip


def figure_text(endpoint: Endpoint, value: float) -> str:
    """Write an exact figure: a share to a tenth of a per cent, or to three digits if that shows none."""
    if math.isnan(value):
        return "no such figure"
    tiny = endpoint.kind != "share" or abs(value) < 10 * _TENTH
    return format_value(endpoint, value, math.nan if tiny else _TENTH)


def change_text(endpoint: Endpoint, change: float) -> str:
    """Write the change of an exact figure with its unit; what is nearly nothing is not written as nothing."""
    if math.isnan(change):
        return "can't be compared"
    unit = "points" if endpoint.kind == "share" else endpoint.unit
    if abs(change) < _NOTHING:
        return "none"
    if abs(change) < _hardly(endpoint):
        return f"less than {with_unit('0.001', unit)}"
    known = 0.0005 if endpoint.kind == "share" and abs(change) > 0.01 else math.nan
    return with_unit(format_difference(endpoint, change, known), unit)


def _hardly(endpoint: Endpoint) -> float:
    """Return what is less than 0.001, of a share a thousandth of a point."""
    return _HARDLY if endpoint.kind == "share" else 100 * _HARDLY


def _simulated(
    endpoint: Endpoint, key: Key, known: Uncertainties, values: tuple[float, float]
) -> tuple[str, str, str, str]:
    """Write both figures, the change, and the 95% Monte Carlo intervals of the latter two."""
    ends = [side[key] for side in known.simulated]
    halves = [(high - low) / 2 for low, high in (ends[0], ends[-1])]
    before, now = (
        "no such figure" if math.isnan(value) else format_value(endpoint, value, half)
        for value, half in zip(values, halves, strict=True)
    )
    own = format_range(endpoint, *ends[-1])
    change, low, high = known.changes.get(key, (math.nan,) * 3)
    if len(ends) == 1:
        return before, now, "", own
    if math.isnan(change):
        return before, now, "can't be compared", own
    unit = "points" if endpoint.kind == "share" else endpoint.unit
    text = format_difference(endpoint, change, (high - low) / 2)
    told = "none seen" if abs(change) < _NOTHING else with_unit(text, unit)
    return before, now, told, f"{own}; change {limits_text(endpoint, low, high)}"


def _posterior(endpoint: Endpoint, key: Key, known: Uncertainties, *, same: bool) -> str:
    """Write the posterior's 95% of the changed figure, and of the change."""
    before, now = (side.get(key) for side in known.drawn)
    if now is None:
        return ""
    low, high = limits(now)
    own = format_range(endpoint, low, high)
    if known.means:
        own = f"mean {format_value(endpoint, float(now.mean()), (high - low) / 20)}, {own}"
    if same or before is None:
        return own
    change = limits(now - before)
    if max(map(abs, change)) < _hardly(endpoint):
        return own
    return f"{own}; change {limits_text(endpoint, *change)}"


def limits_text(endpoint: Endpoint, low: float, high: float) -> str:
    """Write the limits of a change, each with its sign; what is not 0 is not written as 0."""
    text = format_interval(endpoint, (low + high) / 2, low, high, (high - low) / 2)
    return text.partition("(")[2].removesuffix(")")


def limits(values: Floats) -> tuple[float, float]:
    """Return the 95% limits of equally weighted draws."""
    low, high = np.quantile(values, (0.025, 0.975)).tolist()
    return low, high
