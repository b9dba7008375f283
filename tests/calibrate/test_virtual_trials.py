"""The likelihood in two factors against the plain frequency of whole virtual trials."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from sim.calibrate.published import Published
from sim.calibrate.search import log_likelihood
from sim.calibrate.virtual_trials import Points, PointsTask, alike, read_chances, read_whole_trials
from sim.outcomes.first_reinfused import Reinfused, read_first_reinfused, read_not_reinfused
from sim.patient.luck import BLOCK
from sim.scenario.load import load
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value, with_values
from sim.work.task import Result

KEYS = (
    "mobilisation.infection.case_fatality",
    "active_disease.hazard_per_year",
    "aplasia.infection.case_fatality",
    "relapse.scale_years",
    "relapse.shape",
    "after_relapse.multiplier",
)
FIVE = (("overall_survival", 5.0), ("disease_free_survival", 5.0))


@dataclass(frozen=True)
class Case:
    """A point, and a trial that is not too rare there; ``cells`` in the order of `Before`."""

    cells: tuple[int, int, int, int]
    treatment_after: int = 0
    estimates: tuple[float, float] = (0.84, 0.50)
    tolerance: float = 0.12
    years: float = 5.0
    overrides: dict[str, Any] = field(default_factory=dict)

    @property
    def scenario(self) -> Scenario:
        patients = {"cohort.patients": sum(self.cells)}
        return with_values(load("chicago2006").scenario, {**patients, **self.overrides})

    @property
    def published(self) -> Published:
        names = ("overall_survival", "disease_free_survival")
        keys = [(name, self.years) for name in names]
        estimates = tuple(zip(keys, self.estimates, strict=True))
        return Published(sum(self.cells), *self.cells, self.treatment_after, estimates, self.tolerance)

    def points(self, count: int, seed: int) -> Points:
        """The scenario's own values many times over, each time with other luck."""
        scenario = self.scenario
        values = np.tile([get_value(scenario, key) for key in KEYS], (count, 1))
        return Points(scenario, KEYS, values, seed, 0)


CASES = {
    "the trial": Case((1, 1, 0, 48)),
    "reading B": Case(
        (1, 1, 0, 48), treatment_after=1, overrides={"aplasia.infection.case_fatality": 0.25}
    ),
    "many harvests that fail": Case(
        (0, 1, 3, 16), tolerance=0.2,
        overrides={"harvest.target_million_per_kg": 10.0, "harvest.marrow.failure": 0.9},
    ),
    "lupus that kills": Case(
        (1, 5, 0, 44), estimates=(0.64, 0.5), tolerance=0.15,
        overrides={"active_disease.hazard_per_year": 0.6},
    ),
    "accrual up to the cut": Case(
        (0, 1, 0, 19), tolerance=0.2,
        overrides={"follow_up.data_cut_days": 2861.0, "arrivals.power": 1.0},
    ),
    "three years and no cut": Case(
        (0, 1, 0, 19), estimates=(0.9, 0.6), years=3.0, overrides={"follow_up.data_cut_days": "none"}
    ),
    "a registry of transplants": Case(
        (1, 0, 0, 29), treatment_after=1,
        overrides={
            "cohort.enters_at": "immunoablation", "immunoablation.toxicity_per_day": 0.005,
            "response.non_response": 0.2, "relapse.scale_years": 20.0,
        },
    ),
}  # fmt: skip
ESTIMATES, WHOLE = 40, 160


def settled(case: Case, points: Points, blocks: int) -> float:
    """Return the share of trials in which nobody is on the way to reinfusion at the data cut."""
    trial, found = case.published, []
    for number in range(blocks):
        tiles = points.histories(number, case.scenario, trial.enrolled)
        read = read_first_reinfused(tiles, case.scenario, trial.keys, trial.enrolled, trial.enrolled)
        left = read_not_reinfused(tiles, case.scenario, trial.enrolled)
        known = read.number + left.treatment_deaths + left.other_deaths + left.withdrawn
        found.append((known == trial.enrolled).mean())
    return float(np.mean(found))


@pytest.mark.parametrize("name", CASES)
def test_the_likelihood_in_factors_is_the_frequency_of_whole_trials(name: str) -> None:
    """It is that of a trial that finds nobody still on the way to reinfusion at its data cut."""
    case = CASES[name]
    one = PointsTask(read_chances, case.points(ESTIMATES, 1), (case.published,)).play()
    points = case.points(WHOLE, 2)
    whole = PointsTask(read_whole_trials, points, (case.published,)).play()

    with np.errstate(divide="ignore"):
        likelihood = np.exp(log_likelihood(one)[:, 0]) * one["defined"] / BLOCK
    mean, error = likelihood.mean(), likelihood.std(ddof=1) / np.sqrt(ESTIMATES)
    trials, seen = WHOLE * BLOCK, whole["alike"].sum()
    chance = mean * settled(case, points, 30)
    spread = np.sqrt(trials * chance * (1 - chance) + (trials * error) ** 2)
    assert spread / (trials * chance) < 0.06  # else a wrong factor could hide
    assert abs(seen - trials * chance) < 3.5 * spread
    print(f"{name}: {seen} seen, {trials * chance:.0f} +- {spread:.0f} expected")

    # The other factor: how often the estimates are defined at all.
    share = one["defined"].sum() / (ESTIMATES * BLOCK)
    spread = np.sqrt(share * (1 - share) * (1 / (ESTIMATES * BLOCK) + 1 / trials))
    assert abs(share - whole["defined"].sum() / trials) <= 4 * spread


def test_with_too_few_reinfused_it_rests_on_those_trials_that_have_enough() -> None:
    """As it did in one of the cases above."""
    case = CASES["many harvests that fail"]
    found = PointsTask(read_chances, case.points(10, 1), (case.published,)).play()
    assert 0.3 * BLOCK < found["enough"].mean() < 0.8 * BLOCK


def test_both_tasks_read_the_same_trials() -> None:
    case = CASES["the trial"]
    points = case.points(3, 5)
    one = PointsTask(read_chances, points, (case.published,)).play()
    whole = PointsTask(read_whole_trials, points, (case.published,)).play()
    np.testing.assert_array_equal(one["defined"], whole["defined"])
    np.testing.assert_array_equal(one["survival"], whole["survival"])
    # Nearly all have 48 reinfused, as more are simulated than enrolled: of 50 alone, 7 in 10 would.
    assert (one["enough"] > 0.97 * BLOCK).all()


def test_a_points_result_does_not_depend_on_the_points_beside_it() -> None:
    case = CASES["the trial"]
    points = case.points(3, 5)
    values = points.values * np.array([[1.0], [1.1], [0.9]])
    trials = (case.published,)
    for read in (read_chances, read_whole_trials):
        together = PointsTask(read, replace(points, values=values, first=7), trials).play()
        for number in range(3):
            one = replace(points, values=values[number : number + 1], first=7 + number)
            alone = PointsTask(read, one, trials).play()
            for name, found in alone.items():
                np.testing.assert_array_equal(found[0], together[name][number])
        elsewhere = PointsTask(read, replace(points, values=values, first=8), trials).play()
        assert (elsewhere["defined"] != together["defined"]).any()


def test_several_trials_at_once_are_as_each_alone() -> None:
    case = CASES["the trial"]
    trials = (
        case.published,
        replace(case.published, reinfused=40, withdrawn=8),
        replace(case.published, treatment_after=1),
        replace(case.published, estimates=((FIVE[0], 0.9), (FIVE[1], 0.6))),
    )
    points = case.points(2, 6)
    together = PointsTask(read_chances, points, trials).play()
    for column, trial in enumerate(trials):
        alone = PointsTask(read_chances, points, (trial,)).play()
        for name in ("log_counts", "alike", "enough"):
            np.testing.assert_array_equal(alone[name][:, 0], together[name][:, column])
        np.testing.assert_array_equal(alone["defined"], together["defined"])
    assert len(np.unique(together["alike"][0])) == len(trials)


def test_a_trial_is_alike_within_the_tolerance_and_never_where_undefined() -> None:
    trial = replace(CASES["the trial"].published, tolerance=0.125, estimates=((FIVE[0], 0.5),))
    estimate = np.array([0.375, 0.374, 0.625, 0.626, 0.5, np.nan, 0.5, 0.5])
    number = np.array([48.0] * 6 + [47.0, 48.0])
    deaths = np.array([0.0] * 7 + [1.0])
    read = Reinfused(number, deaths, {FIVE[0]: estimate}, {FIVE[0]: number})
    assert alike(read, trial).tolist() == [True, False, True, False, True, False, False, False]


def found(alike: int, enough: int, defined: int, log_counts: float = -2.0) -> Result:
    return {
        "alike": np.array([[alike]]), "enough": np.array([[enough]]), "defined": np.array([defined]),
        "log_counts": np.array([[log_counts]]),
    }  # fmt: skip


def test_the_log_likelihood_is_counts_times_estimates_over_defined() -> None:
    assert log_likelihood(found(8, 128, 64))[0] == pytest.approx(-2 + np.log(8 / 128) - np.log(64 / BLOCK))
    assert log_likelihood(found(0, 128, 64))[0] == -np.inf
    assert log_likelihood(found(0, 0, 0))[0] == -np.inf
    assert log_likelihood(found(3, 256, 256, -np.inf))[0] == -np.inf
    assert np.isfinite(log_likelihood(found(1, 256, 0))[0])  # rare, where hardly any trial is defined


LIMITS: list[dict[str, float]] = [
    {"mobilisation.infection.case_fatality": 1.0},
    {"mobilisation.infection.case_fatality": 0.0},
    {"aplasia.infection.case_fatality": 1.0},
    {"active_disease.hazard_per_year": 0.0},
    {"active_disease.hazard_per_year": 50.0},
    {"active_disease.hazard_per_year": 1e9},
    {"relapse.scale_years": 1e-300},
    {"relapse.scale_years": 1e9},
    {"relapse.shape": 1e-9},
    {"relapse.shape": 100.0},
    {"after_relapse.multiplier": 0.0},
    {"after_relapse.multiplier": 1e6},
]


@pytest.mark.parametrize("changes", LIMITS, ids=str)
def test_at_the_limits_of_the_parameters_nothing_is_undefined(changes: dict[str, float]) -> None:
    case = CASES["the trial"]
    points = case.points(1, 1)
    values = np.array([[changes.get(key, value) for key, value in zip(KEYS, points.values[0], strict=True)]])
    points = replace(points, values=values)
    one = PointsTask(read_chances, points, (case.published,)).play()
    assert not np.isnan(log_likelihood(one)).any()
    assert not (log_likelihood(one) > 0).any()
    assert not any(np.isnan(values).any() for values in one.values())
    assert one["shares"].sum() == pytest.approx(1)
    assert not any(
        np.isnan(values).any()
        for values in PointsTask(read_whole_trials, points, (case.published,)).play().values()
    )


def test_whole_trials_may_queue() -> None:
    """A room that binds keeps some from reinfusion by the cut; an idle one changes nothing."""
    case = Case((1, 1, 0, 48), overrides={"clinic.isolation_rooms": 40})
    free = Case((1, 1, 0, 48))
    idle = PointsTask(read_whole_trials, case.points(2, 1), (case.published,)).play()
    np.testing.assert_equal(idle, PointsTask(read_whole_trials, free.points(2, 1), (free.published,)).play())
    scarce = Case((1, 1, 0, 48), overrides={"clinic.isolation_rooms": 1, "clinic.room_turnaround_days": 60.0})
    bound = PointsTask(read_whole_trials, scarce.points(2, 1), (scarce.published,)).play()
    assert (bound["defined"] < idle["defined"]).all()
