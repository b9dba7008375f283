"""The answer about sensitivity: what is drawn for it, what that takes, and what is held."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from sim.commands.asked import parse_endpoint
from sim.commands.plan import StudyPlan
from sim.outcomes.twin.parameter_sets import AS_ARRAYS
from sim.patient.fates import mean_patients
from sim.scenario.describe import show_rows
from sim.scenario.distributions import Distribution
from sim.scenario.endpoints import Key, column
from sim.scenario.inherit import SET
from sim.scenario.load import Loaded
from sim.scenario.problems import RequestError, SlowStudyWarning
from sim.scenario.study_answers import Sensitivity
from sim.study.by_draw import told_by_twin
from sim.study.compare import Side
from sim.study.draws import Draws
from sim.study.sensitivity import (
    FEWEST_DRAWS,
    Factors,
    Input,
    at_values,
    factors_of,
    inputs_of,
    of_draws,
    of_independent,
)
from sim.study.shapley_effects import MOST_GROUPS, PERMUTED
from sim.work.store import Stores
from sim.work.task import Progress, part

_ENDS = np.array([1e-6, 1 - 1e-6])
_BATCHED = 0.15
"""What an evaluation of the twin in a batch takes, of what one alone takes."""
_MANY = 2000
_FITTED = 1000
"""Draws whose regression on one subset of groups takes as long as the twin takes alone; about."""


@dataclass(frozen=True)
class _Asked:
    """What is asked of one arm.

    Attributes
    ----------
    side
        The arm, with what is held in every draw.
    inputs
        What is drawn independently; empty under a posterior.
    """

    loaded: Loaded
    key: Key
    side: Side
    uncertain: dict[str, Distribution]
    inputs: list[Input]
    factors: Factors
    draws: Draws | None

    @classmethod
    def of(cls, answer: Sensitivity, plan: StudyPlan) -> _Asked:
        name = answer.arm or next(iter(plan.arms))
        loaded, budget = plan.arms[name], plan.budget
        key = parse_endpoint(answer.endpoint, loaded.scenario)
        here = {each.key: each.value for each in plan.study.uncertain if each.arm in ("", name)}
        elsewhere = [each.key for each in plan.study.uncertain if each.key not in here]
        varied = [] if plan.study.design.kind == "posterior" else plan.keys  # its points are draws
        held = (*varied, *elsewhere)
        if plan.posterior and budget.draws is not None:
            side = Side(loaded.scenario, (*budget.held_in(loaded), *held))
            drawn = list(budget.draws.replaced(side.scenario, side.held))
            why = (
                "a posterior's parameters are, as far as nothing sets or varies them, and each [[uncertain]]"
            )
            factors = factors_of(drawn, answer.keys, answer.groups, why)
            return cls(loaded, key, side, here, [], factors, budget.draws)
        given = [each for each, origin in loaded.origins.items() if origin == SET]
        side = Side(loaded.scenario, (*given, *held))
        inputs = [each for each in inputs_of(side.scenario, here, side.held) if each.key not in varied]
        why = (
            "parameters with a [[prior]] in the scenario are, as far as nothing sets or varies them, and "
            "each [[uncertain]]; state one for it, with a source"
        )
        factors = factors_of([each.key for each in inputs], answer.keys, answer.groups, why)
        members = {each for some in factors.values() for each in some}
        used = [each for each in inputs if each.key in members]
        return cls(loaded, key, side, here, used, factors, None)

    @property
    def keys(self) -> list[str]:
        """All that is drawn."""
        if self.draws is not None:
            return list(self.draws.replaced(self.side.scenario, self.side.held))
        return [each.key for each in self.inputs]

    def evaluations(self, points: int) -> int:
        """How often the figure is computed."""
        return points * (len(self.factors) + 2) if self.draws is None else len(self.draws.values)

    def held(self) -> list[dict[str, str]]:
        """Return what no evidence of its own stands behind, and is held all the same."""
        return [
            {"key": row["key"], "status": row["status"], "source": row["source"]}
            for row in show_rows(self.loaded)
            if row["status"] != "evidence"
            and not any(key == row["key"] or key.startswith(f"{row['key']}.") for key in self.keys)
        ]


def check(answer: Sensitivity, plan: StudyPlan) -> None:
    """Refuse what can't be answered, before anything is simulated.

    Raises
    ------
    RequestError
        Nothing is drawn, a key is not, or points, draws or groups are too many, too few or uneven.
    """
    asked = _Asked.of(answer, plan)
    if asked.draws is not None:
        if "points" in answer.model_fields_set:
            raise RequestError("points: a posterior has its draws; leave it out, and give effort.draws")
        if len(asked.draws.values) < FEWEST_DRAWS:
            raise RequestError(
                f"effort.draws = {len(asked.draws.values)}: too few to tell what explains a figure; allowed: "
                f"{FEWEST_DRAWS} or more"
            )
        if len(asked.factors) > MOST_GROUPS:
            raise RequestError(
                f"{len(asked.factors)} parameters have {2 ** len(asked.factors):,} subsets; allowed: "
                f"{MOST_GROUPS}, or as many groups of parameters that are taken together: groups = "
                '{ "relapse" = ["relapse.shape", "relapse.scale_years"] }'
            )
        return
    if answer.points & (answer.points - 1):
        below = 1 << (answer.points.bit_length() - 1)
        raise RequestError(
            f"points = {answer.points}: allowed: a power of two, such as {below} or {2 * below}"
        )
    for each in asked.inputs:
        for end in each.quantile(_ENDS).tolist():
            at_values(asked.loaded.scenario, [each.key], np.array([end]), each.drawn_from)
    slow = [each.key for each in asked.inputs if each.key not in AS_ARRAYS]
    count = asked.evaluations(answer.points)
    if slow and count > _MANY and _by_twin(asked, plan):
        SlowStudyWarning.say(
            f"{plan.where}: sensitivity: {count:,} evaluations, of which the exact twin can't take many at "
            f"once because {slow[0]} is drawn; lupus-hsct study check says how long that takes. Fewer points "
            "take less, and so does leaving it out of keys"
        )


def give(
    answer: Sensitivity, plan: StudyPlan, stores: Stores, progress: Progress | None
) -> tuple[dict[str, pd.DataFrame | None], dict[str, Any]]:
    """Return the indices, what is held, and what a manifest says of them."""
    asked = _Asked.of(answer, plan)
    store, tell = stores("sensitivity"), part("sensitivity", progress)
    if asked.draws is not None:
        table, told = of_draws(
            asked.side, asked.key, asked.draws, asked.uncertain, asked.factors, plan.budget, store, tell
        )
    else:
        one = replace(plan.budget, draws=None, precision=None)
        table, told = of_independent(
            asked.side.scenario, asked.key, asked.inputs, asked.factors, answer.points, one, store, tell
        )
    about = {"endpoint": column(asked.key), "arm": answer.arm, "drawn": asked.keys, **told}
    held = pd.DataFrame(asked.held(), columns=["key", "status", "source"])
    return {"indices": table, "held": held}, {"sensitivity": about}


def histories_of(answer: Sensitivity, plan: StudyPlan) -> float:
    """Return how many histories are simulated for it."""
    asked = _Asked.of(answer, plan)
    each = plan.budget.replications * mean_patients(asked.loaded.scenario)
    return 0.0 if _by_twin(asked, plan) else asked.evaluations(answer.points) * each


def evaluations_of(answer: Sensitivity, plan: StudyPlan) -> int:
    """Return how often the exact twin is asked for a whole scenario, as if it took each alone."""
    asked = _Asked.of(answer, plan)
    if not _by_twin(asked, plan):
        return 0
    count = asked.evaluations(answer.points)
    fits = 0 if asked.draws is None else 2 ** len(asked.factors) + PERMUTED
    return round(count * (_BATCHED if {*asked.keys} <= {*AS_ARRAYS} else 1.0) + fits * count / _FITTED)


def _by_twin(asked: _Asked, plan: StudyPlan) -> bool:
    return told_by_twin([asked.loaded.scenario], asked.key, plan.budget)
