"""What a trial printed: counts of the enrolled, estimates of the reinfused, and what contradicts itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats

from sim.calibrate.published import Published
from sim.outcomes.twin.expected import Before, expected_before_reinfusion
from sim.scenario.load import load
from sim.scenario.problems import RequestError
from sim.scenario.schema import Scenario, Target


def chicago(*overrides: str) -> Scenario:
    return load("chicago2006", overrides).scenario


def with_targets(changes: dict[str, dict[str, Any] | None], *overrides: str) -> Scenario:
    """Return the Chicago trial with other members of its targets, None to leave one out."""
    scenario = chicago(*overrides)
    targets: list[Target] = []
    for target in scenario.target:
        change = changes.get(target.endpoint, {})
        if change is not None:
            targets.append(target.model_copy(update=change))
    return scenario.model_copy(update={"target": targets})


def test_both_readings_of_the_trial() -> None:
    published = Published.of(chicago())
    assert published.cells == (1, 1, 0, 48)
    assert (published.treatment_after, published.enrolled, published.tolerance) == (0, 50, 0.02)
    assert published.keys == (("overall_survival", 5.0), ("disease_free_survival", 5.0))
    assert [value for _, value in published.estimates] == [0.84, 0.50]
    reading_b = Published.of(load("chicago2006_reading_b").scenario)
    assert reading_b.cells == (1, 1, 0, 48)
    assert reading_b.treatment_after == 1
    assert Published.of(chicago("calibration.tolerance=0.04")).tolerance == 0.04


def test_who_is_neither_dead_nor_reinfused_went_home() -> None:
    fewer: dict[str, dict[str, Any] | None] = {
        "overall_survival": {"n": 45}, "disease_free_survival": {"n": 45}
    }  # fmt: skip
    assert Published.of(with_targets(fewer)).cells == (1, 1, 3, 45)


def test_a_count_is_what_was_observed_or_else_the_share_of_n() -> None:
    rounded = {"treatment_related_mortality": {"value": 0.018}}  # 0.9 patients: printed in whole per cent
    assert Published.of(with_targets(rounded)).cells == (1, 1, 0, 48)
    observed = {"pre_transplant_mortality": {"value": 0.9, "observed": 1}}
    assert Published.of(with_targets(observed)).cells == (1, 0, 1, 48)


def test_one_estimate_is_enough_and_times_are_free() -> None:
    alone = Published.of(with_targets({"disease_free_survival": None}))
    assert alone.estimates == ((("overall_survival", 5.0), 0.84),)
    sooner = with_targets({"overall_survival": {"time_years": 3.0}})
    assert Published.of(sooner).keys == (("overall_survival", 3.0), ("disease_free_survival", 5.0))


REFUSED: dict[str, tuple[dict[str, dict[str, Any] | None], Sequence[str], list[str]]] = {
    "missing count": (
        {"pre_transplant_mortality": None}, [], ["pre_transplant_mortality: needed for a posterior"]
    ),
    "count without n": (
        {"pre_transplant_mortality": {"n": None}}, [], ["pre_transplant_mortality: needed", "with n"]
    ),
    "count that is not fitted": (
        {"treatment_related_mortality": {"fitted": False}}, [], ["treatment_related_mortality: needed"]
    ),
    "no estimate": (
        {"overall_survival": None, "disease_free_survival": {"n": None}}, [],
        ["overall_survival or disease_free_survival with n", "missing"],
    ),
    "no whole number": (
        {"treatment_related_mortality": {"value": 0.03}}, [],
        ["treatment_related_mortality: value = 0.03 of n = 50 is 1.5 patients", "write observed = 2"],
    ),
    "more after reinfusion than in all": (
        {"transplant_related_mortality": {"observed": 2}}, [],
        ["treatment_related_mortality: of 50 enrolled", "contradict each other"],
    ),
    "more of the treatment than in all": (
        {"treatment_related_mortality": {"observed": 4}}, [],
        ["pre_transplant_mortality: of 50 enrolled, 2 died", "4 of them of the treatment"],
    ),
    "more reinfused than enrolled": (
        {"overall_survival": {"n": 49}, "disease_free_survival": {"n": 49}}, [],
        ["overall_survival: of 50 enrolled, 2 died before reinfusion", "49 were reinfused"],
    ),
    "counts of other patients": (
        {}, ["cohort.patients=60"],
        ["treatment_related_mortality: n = 50, but cohort.patients = 60", "correct one of the two"],
    ),
    "estimates of other patients": (
        {"disease_free_survival": {"n": 40}}, [],
        ["disease_free_survival@5: n = 40, but overall_survival@5 has n = 48"],
    ),
    "beyond the horizon": (
        {}, ["follow_up.horizon_years=3"],
        ["overall_survival@5: lies beyond follow_up.horizon_years = 3", "longer horizon"],
    ),
    "an open clinic": (
        {}, ["arrivals.pattern=poisson"], ['arrivals.pattern = "poisson"', 'write arrivals.pattern = "trial"']
    ),
    "never transplanted": ({}, ["cohort.enters_at=home"], ['enters_at = "home"', "nobody is reinfused"]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_trial_or_contradicts_itself_is_said_in_one_message(case: str) -> None:
    changes, overrides, named = REFUSED[case]
    with pytest.raises(RequestError) as refused:
        Published.of(with_targets(changes, *overrides))
    message = str(refused.value)
    assert "\n" not in message
    for words in named:
        assert words in message


@pytest.mark.parametrize(
    ("cells", "shares"),
    [
        ((1, 1, 0, 48), Before(0.015, 0.025, 0.007, 0.953)),
        ((3, 0, 7, 40), Before(0.1, 0.001, 0.2, 0.699)),
        ((0, 0, 0, 50), Before(0.0, 0.0, 0.0, 1.0)),
        ((0, 2, 0, 48), Before(0.0, 0.5, 0.0, 0.5)),
    ],
)
def test_counts_are_multinomial(cells: tuple[int, int, int, int], shares: Before) -> None:
    died_of_treatment, others, withdrawn, reinfused = cells
    published = Published(50, died_of_treatment, others, withdrawn, reinfused, 0, (), 0.02)
    assert published.log_counts(shares) == pytest.approx(
        stats.multinomial.logpmf(cells, 50, shares), abs=1e-10
    )


def test_what_cannot_be_is_impossible_and_not_undefined() -> None:
    published = Published.of(chicago())
    for shares in (Before(0.0, 0.02, 0.0, 0.98), Before(1.0, 0.0, 0.0, 0.0), Before(0.02, -1e-17, 0.0, 0.98)):
        assert published.log_counts(shares) == -np.inf
    assert np.isfinite(published.log_counts(Before(1e-300, 0.02, 0.0, 0.98)))


def test_shares_by_reinfusion_add_to_1_and_are_the_twins() -> None:
    shares = expected_before_reinfusion(chicago())
    assert sum(shares) == pytest.approx(1, abs=1e-12)
    # The calibrated trial: 2% of the treatment with a quarter of it after reinfusion, and 4% of anything.
    assert shares.treatment_deaths == pytest.approx(0.015, abs=1e-8)
    assert shares.treatment_deaths + shares.other_deaths == pytest.approx(0.04, abs=1e-8)
    registry = expected_before_reinfusion(chicago("cohort.enters_at=immunoablation"))
    assert registry.withdrawn == 0
    assert registry.treatment_deaths == pytest.approx(5 * 3.571e-5, rel=0.01)
