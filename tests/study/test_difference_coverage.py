"""How often 95% intervals of paired differences hold the truth, of rare and of common endpoints."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from sim.outcomes.twin.expected import expected, expected_from_enrolment
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME, Key, column
from sim.scenario.schema import Scenario
from sim.study.budget import Budget
from sim.study.estimates import Z95, cross_moments, differences, moments
from sim.study.experiment import Experiment
from sim.study.montecarlo import simulate

REPLICATIONS = 6000
CHANGES = {"aplasia.infection.ward_relative_risk": 1.1, "active_disease.hazard_per_year": 0.2}
# By how many of 1,000 patients they differ: 0.3, 8, 39, 35.
RARE, FEW = ("treatment_related_mortality", None), ("pre_transplant_mortality", None)
COMMON: list[Key] = [("overall_survival_enrolled", 5.0), ("overall_survival", 5.0)]


@pytest.fixture(scope="module")
def arms(scenario_of: Callable[..., Scenario]) -> tuple[list[pd.DataFrame], dict[Key, float]]:
    """Return every replication of both scenarios, and the true differences."""
    both = [scenario_of(), scenario_of(CHANGES)]
    (tally,) = simulate([Experiment(tuple(both), 11, "arrays")], Budget(REPLICATIONS))
    one, other = ({**expected(each), **expected_from_enrolment(each)} for each in both)
    return [arm.rows() for arm in tally.arms], {key: other[key] - one[key] for key in one.keys() & other}


def studies(arms: list[pd.DataFrame], key: Key, replications: int) -> tuple[Floats, Floats, Floats]:
    """Return difference, half of its interval and standard error of every study of so many replications."""
    count = len(arms[0]) // replications
    sides = [
        (
            arm[column(key)].to_numpy().reshape(count, -1),
            arm[f"n_{BY_NAME[key[0]].denominator}"].to_numpy().reshape(count, -1),
        )
        for arm in arms
    ]
    same = np.all([np.all(one == other, axis=1) for one, other in zip(*sides, strict=True)], axis=0)
    sums = (moments(*side)[None] for side in sides)
    found = differences(*sums, cross_moments(*sides)[None], same[None], [True] * count)
    return found.value, (found.upper - found.lower) / 2, found.se


@pytest.mark.parametrize("replications", [20, 50, 200])
@pytest.mark.parametrize("key", [RARE, FEW, *COMMON], ids=column)
def test_intervals_hold_the_truth_as_often_as_they_say(
    arms: tuple[list[pd.DataFrame], dict[Key, float]], key: Key, replications: int
) -> None:
    tables, truth = arms
    value, half, _ = studies(tables, key, replications)
    # Of 300, 120 and 30 studies: two standard errors of a share of 95% below it are 92.5, 91 and 87%.
    least = 0.93 if replications == 20 else 0.95 - 2 * np.sqrt(0.95 * 0.05 / len(value))
    assert np.mean(np.abs(value - truth[key]) <= half) >= least


def test_without_the_rule_of_three_hardly_any_holds_a_rare_one(
    arms: tuple[list[pd.DataFrame], dict[Key, float]],
) -> None:
    tables, truth = arms
    value, half, se = studies(tables, RARE, 20)
    assert np.mean(np.abs(value - truth[RARE]) <= Z95 * se) < 0.5
    assert half.min() == pytest.approx(3 / (20 * 50))
