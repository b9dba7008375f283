"""Figures at the horizon and survival curves, which the app asks for: what all the others say, faster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from sim.outcomes.twin.expected import expected, expected_all, expected_at_horizon, expected_from_enrolment
from sim.scenario.load import load
from sim.scenario.values import with_values

CHICAGO = load("chicago2006").scenario
CASES: dict[str, Mapping[str, Any]] = {
    "as it is": {},
    "home": {"cohort.enters_at": "home"},
    "registry": {"cohort.enters_at": "immunoablation", "immunoablation.toxicity_per_day": 0.003},
    "long stay": {"immunoablation.duration_days": {"dist": "gamma", "mean": 9, "sd": 3}},
    "delay": {"transplant.delay_days": 200.0, "transplant.waiting_multiplier": 0.5},
    "delays that vary": {
        "transplant.delay_days": {"dist": "gamma", "mean": 200.0, "sd": 80.0},
        "transplant.waiting_multiplier": 0.5,
    },
    "horizon between reading times": {"follow_up.horizon_years": 3.5},
}
READ = np.array([0.0, 0.5, 1.0, 2.0, 3.0])


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES.keys())
def test_the_horizon_alone_says_what_all_times_say(changes: Mapping[str, Any]) -> None:
    scenario = with_values(CHICAGO, changes)
    exact = expected(scenario) | expected_from_enrolment(scenario)
    fine, rough = (expected_at_horizon([scenario], READ, order) for order in (1, 0.5))
    horizon = scenario.follow_up.horizon_years
    assert {time for _, time in fine.figures} <= {None, horizon}
    for key, (value,) in fine.figures.items():
        assert value == pytest.approx(exact[key], abs=1e-8), key
        assert rough.figures[key] == pytest.approx(exact[key], abs=1e-5), key
    curve = [exact["overall_survival_enrolled", time] for time in READ[1:]]
    assert fine.alive[0] == pytest.approx([1.0, *curve], abs=3e-4)
    assert rough.alive[0] == pytest.approx([1.0, *curve], abs=1e-3)
    assert (np.diff(fine.alive[0]) < 0).all()


def test_on_the_way_and_in_remission_are_apart() -> None:
    """At five years nobody is disease-free but who is in remission; and long before, who has not begun is."""
    alone = expected_at_horizon([CHICAGO], READ)
    free = alone.figures["disease_free_survival_enrolled", 5.0]
    assert alone.remission + alone.waiting == pytest.approx(free, abs=1e-8)
    assert alone.waiting < 1e-6
    late = expected_at_horizon([with_values(CHICAGO, {"transplant.delay_days": 3000.0})], READ)
    assert late.remission == 0
    assert late.waiting == pytest.approx(late.figures["overall_survival_enrolled", 5.0], abs=1e-12)


def test_many_scenarios_are_told_as_each_alone() -> None:
    several = [with_values(CHICAGO, {"relapse.shape": shape}) for shape in (0.5, 0.7)]
    several.append(with_values(CHICAGO, {"cohort.enters_at": "home"}))
    together = expected_at_horizon(several, READ)
    for number, scenario in enumerate(several):
        alone = expected_at_horizon([scenario], READ)
        assert together.alive[number] == pytest.approx(alone.alive[0], abs=1e-12)
        assert together.remission[number] == pytest.approx(alone.remission[0], abs=1e-12)


def test_a_whole_refinement_is_the_same_as_a_fraction_that_says_so() -> None:
    assert expected(CHICAGO, 1) == expected(CHICAGO, 1.0)
    assert (
        expected_all([CHICAGO])["overall_survival_enrolled", 5.0]
        == expected_from_enrolment(CHICAGO, 1.0)["overall_survival_enrolled", 5.0]
    )
