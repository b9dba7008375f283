"""What a pilot tells of the effort that a question needs: trials, and draws of what is not known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from sim.scenario.endpoints import BY_NAME, Key
from sim.study.budget import Budget
from sim.study.by_draw import ByDraw, each_by_draw
from sim.study.estimates import Z95
from sim.study.sweep import Spot

PILOT_TRIALS, PILOT_DRAWS = 256, 16
# Half-width of a change that is wanted where the study asks for none: a twentieth of it; or a tenth of a
# percentage point, and of a mean a hundredth of the figure, if that is wider.
_GOAL_PART, _GOAL_OF_SHARE, _GOAL_OF_MEAN = 0.05, 0.001, 0.01
RELIABLE = 0.9
"""Part of the scatter of single draws that shall be what is not known, and no Monte Carlo error."""
_LOOKED_AT = 3


class EffortNeeded(NamedTuple):
    """What one endpoint's change at one point takes; changes of shares are fractions.

    Attributes
    ----------
    values
        Of what is varied, at the point that takes most.
    change, half_width
        The change in the pilot; and to what its 95% Monte Carlo interval comes with the effort as planned.
    goal
        The half-width that is wanted.
    trials, draws
        About so many reach it: trials without draws; with draws, draws of as many trials as planned.
    to_tell
        About so many of them tell the change from none.
    reliability
        Which part of the scatter of draws is what is not known; not a number without draws.
    reliable_trials
        Trials of each draw that make it `RELIABLE`.
    """

    key: Key
    values: Mapping[str, Any]
    change: float
    half_width: float
    goal: float
    trials: float
    draws: float
    to_tell: float
    reliability: float
    reliable_trials: float


def pilot(spots: Sequence[Spot], shown: Sequence[Key], budget: Budget) -> list[EffortNeeded]:
    """Return what each endpoint's change takes where it takes most; empty if nothing is compared.

    Notes
    -----
    The variance of a mean over K draws of n trials is s_b^2 / K + s_w^2 / (K n): between draws, and within.
    """
    others = [each for each in spots if not each.is_reference]
    at = np.unique(np.linspace(0, len(others) - 1, min(_LOOKED_AT, len(others))).round().astype(int))
    few = None if budget.draws is None else replace(budget.draws, values=budget.draws.values[:PILOT_DRAWS])
    small = replace(budget, draws=few, replications=PILOT_TRIALS, precision=None, workers=1, by=())
    found: dict[Key, EffortNeeded] = {}
    for spot in (others[number] for number in at):
        read = each_by_draw([spot.reference, spot.side], list(shown), small)
        for key, each in read.items():
            effort = _effort(key, spot, each, budget)
            if not found.get(key, effort).half_width > effort.half_width:
                found[key] = effort
    return [each for each in found.values() if each.half_width > 0]


def _effort(key: Key, spot: Spot, read: ByDraw, budget: Budget) -> EffortNeeded:
    changes, errors = read.changes[1], read.errors[1]
    change, draws = float(changes.mean()), 1 if budget.draws is None else len(budget.draws.values)
    within = float(np.mean(errors**2)) * read.trials
    noise = within / read.trials if read.trials else 0.0
    between = max(float(changes.var(ddof=1)) - noise, 0.0) if len(changes) > 1 else 0.0
    trials = budget.replications
    each_draw = between + (within / trials if read.trials else 0.0)
    share = BY_NAME[key[0]].kind == "share"
    least = _GOAL_OF_SHARE if share else _GOAL_OF_MEAN * abs(float(read.values[0].mean()))
    goal = max(least, _GOAL_PART * abs(change))
    if share and budget.precision is not None:
        goal = budget.precision.half_width / 100
    several = len(changes) > 1
    for_one = (Z95**2) * (each_draw if several else within)

    def needed(half_width: float) -> float:
        return math.ceil(for_one / half_width**2) if half_width > 0 else math.nan

    return EffortNeeded(
        key, spot.values, change, Z95 * math.sqrt(each_draw / draws), goal,
        math.nan if several else needed(goal), needed(goal) if several else math.nan, needed(abs(change)),
        between / each_draw if several and each_draw > 0 else math.nan,
        math.ceil(RELIABLE / (1 - RELIABLE) * within / between) if several and between > 0 else math.nan,
    )  # fmt: skip
