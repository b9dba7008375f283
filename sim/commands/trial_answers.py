"""Whether a trial of two arms would have noticed: checked before anything is simulated, and answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from sim.commands.plan import StudyPlan
from sim.scenario.problems import RequestError
from sim.scenario.schema import Scenario, TrialArrivals
from sim.scenario.study_answers import Power
from sim.scenario.study_file import ARM
from sim.study.compare import Side, incomparable
from sim.study.power import power
from sim.study.two_arm_trials import histories_of_trials
from sim.work.store import Stores
from sim.work.task import Progress, part

_MOST_HISTORIES = 10**10
"""Hours of work for one processor."""


def arms_at_own_values(plan: StudyPlan, arm: str = "") -> dict[str, Side]:
    """Return the first arm and the others, or one of them, as they are where nothing is varied.

    Parameters
    ----------
    arm
        The other one; empty for all.
    """
    sides = {str(each.values[ARM]): each.side for each in plan.spots}
    first = next(iter(plan.arms))
    return {
        name: replace(sides[name], scenario=loaded.scenario)
        for name, loaded in plan.arms.items()
        if name in (first, arm or name)
    }


def check_trials(sides: dict[str, Side], sizes: Sequence[int], trials: int) -> None:
    """Refuse arms that no trial can have, and far too many patients.

    Raises
    ------
    RequestError
        An arm is an open clinic, or the work would take hours.
    """
    for name, side in sides.items():
        if not isinstance(side.scenario.arrivals, TrialArrivals):
            raise RequestError(
                f"{name}: is an open clinic, and a trial enrols a number of patients; take a scenario with "
                'arrivals.pattern = "trial", such as chicago2006'
            )
    histories = histories_of_trials([side.scenario for side in sides.values()], sizes, trials)
    if histories > _MOST_HISTORIES:
        raise RequestError(
            f"{trials:,} trials of up to {max(sizes):,} patients in each of {len(sides)} arms: {histories:,} "
            f"histories; allowed: {_MOST_HISTORIES:,}; take fewer trials, or smaller ones"
        )


def check_power(answer: Power, plan: StudyPlan) -> None:
    """Refuse what can't be answered."""
    check_trials(arms_at_own_values(plan, answer.arm), answer.patients, answer.trials)


def histories_of_power(answer: Power, plan: StudyPlan) -> int:
    """Return how many histories the answer simulates, those of the true differences included."""
    scenarios: list[Scenario] = [side.scenario for side in arms_at_own_values(plan, answer.arm).values()]
    trials = histories_of_trials(scenarios, answer.patients, answer.trials)
    if plan.by_twin:
        return trials
    patients = plan.patients if plan.no_queue else sum(answer.patients)
    return trials + 2 * (len(scenarios) - 1) * plan.budget.total * patients


def evaluations_of_power(_answer: Power, plan: StudyPlan) -> int:
    """Return how often the exact twin tells a true difference."""
    return 2 * (len(plan.arms) - 1) * max(plan.draws, 1)


def give_power(
    answer: Power, plan: StudyPlan, stores: Stores, progress: Progress | None
) -> tuple[dict[str, pd.DataFrame | None], dict[str, Any]]:
    """Simulate the trials, and tell how many would notice."""
    sizes = sorted({*answer.patients})
    sides = arms_at_own_values(plan, answer.arm)
    table = power(sides, sizes, answer.trials, plan.budget, stores, part("virtual trials", progress))
    first = next(iter(sides.values())).scenario
    apart = {name: incomparable(first, side.scenario, side.solved)[:1] for name, side in sides.items()}
    told = {
        "cut_days": first.follow_up.data_cut_days, "horizon_years": first.follow_up.horizon_years,
        "apart": {name: why[0] for name, why in apart.items() if why},
    }  # fmt: skip
    return {"power": table}, {"power": told}
