"""What becomes of everybody enrolled, as shares and as whole people of one denominator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from sim.app.answer import DEATHS, SideShown
from sim.outcomes.twin.expected import AtHorizon

Number = TypeVar("Number", int, float)

FEW, MANY = 100, 1000
_RARE = 0.01
"""A rate below which people of 100 do not tell it, nor a change."""
LEAST = 0.5 / MANY
"""What 1,000 people do not tell either."""
_NOBODY = 1e-6
_HALF = 0.5
"""Of a person, and less of a change than an icon tells."""


def shares_of(found: AtHorizon, years: float) -> dict[str, float]:
    """Return each fate's share of the enrolled, of one scenario at its horizon; they add up to 1."""
    figures = {name: float(value[0]) for (name, time), value in found.figures.items() if time == years}
    infection, toxicity, lupus = (
        figures[f"death_by_cause_{cause}"] for cause in ("infection", "toxicity", "lupus")
    )
    remission, waiting = float(found.remission[0]), float(found.waiting[0])
    alive = figures["overall_survival_enrolled"]
    shares = {
        "remission": remission, "active": alive - remission - waiting, "treatment": infection + toxicity,
        "lupus": lupus, "background": 1 - alive - infection - toxicity - lupus, "waiting": waiting,
    }  # fmt: skip
    kept = {fate: max(share, 0.0) for fate, share in shares.items()}  # rounding leaves less than nothing
    for fate, instead in (("waiting", "active"), ("remission", "active")):
        if kept[fate] < _NOBODY:
            kept[instead] += kept.pop(fate)
    total = sum(kept.values())
    return {fate: share / total for fate, share in kept.items()}


def died(values: Mapping[str, Number]) -> Number:
    """Return how many, or what share, are dead of whatever cause."""
    return sum(values.get(cause, 0) for cause in DEATHS)


def denominator(base: Mapping[str, float], changed: Mapping[str, float]) -> int:
    """Return of how many people both sides are told: 1,000 where 100 would hide a rate, or the change.

    That is where a cause of death takes less than 1 of 100 on either side, or no cause changes by as much.
    """
    rates = [side.get(cause, 0.0) for side in (base, changed) for cause in DEATHS]
    change = max(abs(changed.get(cause, 0.0) - base.get(cause, 0.0)) for cause in DEATHS)
    hidden = any(LEAST <= each < _RARE for each in (*rates, change))
    return MANY if hidden else FEW


def counts_of(shares: Mapping[str, float], per: int, base: SideShown | None = None) -> dict[str, int]:
    """Return the shares as whole people of `per`: they add up, and each is within 1 of its share.

    The dead are rounded first, because their number is the headline; then the fates of the dead and of the
    living by largest remainders. Of a changed scenario what changes by less than half a person stays as it is
    in the base, as far as that allows, so that no icon moves which need not.
    """
    dead, living = ({fate: per * shares[fate] for fate in shares if (fate in DEATHS) == dies}
                    for dies in (True, False))  # fmt: skip
    counted, before = ({}, {}) if base is None else (dict(base.counts), dict(base.shares))
    kept = None if base is None else (died(counted), per * died(before))
    total = _whole(sum(dead.values()), kept)
    counts: dict[str, int] = {}
    for group, size in ((dead, total), (living, per - total)):
        found = {
            fate: _whole(value, (counted[fate], per * before[fate]) if fate in counted else None)
            for fate, value in group.items()
        }
        while left := size - sum(found.values()):
            step = 1 if left > 0 else -1
            free = [fate for fate in group if abs(found[fate] + step - group[fate]) < 1]
            fate = max(free, key=lambda each: step * (group[each] - found[each]))
            found[fate] += step
        counts |= found
    return {fate: counts[fate] for fate in shares}


def _whole(value: float, kept: tuple[int, float] | None) -> int:
    """Round to the nearest; or keep what a value was rounded to from which this one hardly differs."""
    if kept is not None and abs(value - kept[1]) < _HALF and abs(value - kept[0]) < 1:
        return kept[0]
    return round(value)
