"""Thresholds: against another solver and simulation, out of reach, of whole numbers, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

import sim
from sim.outcomes.binomial import clopper_pearson
from sim.outcomes.twin.expected import expected, expected_from_enrolment
from sim.scenario.evidence import all_evidence, data_rows, ids_in, published_values
from sim.scenario.load import load
from sim.scenario.registry import parameters
from sim.scenario.shipped import locate_posterior
from sim.scenario.values import with_values
from sim.study.budget import Budget
from sim.study.crossing import GRID, Reach, alike, crossings, limits, on_grid
from sim.study.draws import draws_from
from sim.study.threshold import figure_of, thresholds

Floats = NDArray[np.float64]
CHICAGO = load("chicago2006").scenario
TRM = "treatment_related_mortality"
FATAL, HAZARD = "mobilisation.infection.case_fatality", "aplasia.infection.hazard_per_day"


def test_it_is_what_another_solver_finds() -> None:
    found = sim.solve("chicago2006", {TRM: 0.13}, FATAL).thresholds.iloc[0]
    other = optimize.brentq(
        lambda x: expected(with_values(CHICAGO, {FATAL: x}))[TRM, None] - 0.13, 0.01, 1.0, xtol=1e-10
    )
    assert found["value"] == pytest.approx(other, abs=1e-8)
    assert found["status"] == "met"
    assert np.isnan(found["attainable"])


def test_a_figure_of_all_enrolled_is_solved_for_too() -> None:
    by = "active_disease.hazard_per_year"
    found = sim.solve("chicago2006", "overall_survival_enrolled@5=0.7", f"{by}=0.05:1").thresholds.iloc[0]
    there = expected_from_enrolment(with_values(CHICAGO, {by: float(found["value"])}))
    assert there["overall_survival_enrolled", 5.0] == pytest.approx(0.7, abs=1e-8)


def test_out_of_reach_says_how_far_it_goes() -> None:
    """Chicago's infections kill too few: however many there are, mortality stays below Europe's."""
    found = sim.solve("chicago2006", {TRM: 0.13}, f"{HAZARD}=0.0001:1", count="7/53").thresholds.iloc[0]
    assert np.isnan(found["value"])
    assert found["status"] == "out of reach"
    most = expected(with_values(CHICAGO, {HAZARD: 1.0}))[TRM, None]
    assert found["attainable"] == pytest.approx(most, abs=1e-9)
    assert found["attainable"] == pytest.approx(0.069, abs=0.001)
    assert found["target_lower"] == pytest.approx(
        sim.solve("chicago2006", {TRM: clopper_pearson(7, 53)[0]}, f"{HAZARD}=0.0001:1").thresholds["value"][
            0
        ]
    )
    assert np.isnan(found["target_upper"])


def test_the_first_of_several_is_taken_and_an_end_out_of_reach_has_a_sign() -> None:
    reach = Reach(0.0, 4.0)

    def waves(which: NDArray[np.intp], x: Floats) -> Floats:
        return np.asarray(np.cos(np.pi * x) + np.array([0.0, 5.0, -5.0])[which] + 0.1 * x)

    known = on_grid(waves, 3, reach)
    assert known.shape == (3, GRID)
    found = crossings(waves, known, reach, 0.0)
    assert found.times.tolist() == [4, 0, 0]
    assert found.value[0] == pytest.approx(optimize.brentq(lambda x: np.cos(np.pi * x) + 0.1 * x, 0, 1))
    assert np.isinf(found.value[1:]).all()
    low, high = limits(np.array([-np.inf, *np.linspace(1, 2, 98), np.inf]))
    assert (low, high) == (pytest.approx(1.0103, abs=1e-3), pytest.approx(1.9897, abs=1e-3))
    assert np.isnan(limits(np.array([1.0, *[np.inf] * 9]))[1])


def test_many_scenarios_are_solved_as_each_alone() -> None:
    sets = [with_values(CHICAGO, {"aplasia.infection.case_fatality": x}) for x in (0.2, 0.25, 0.36)]
    reach, key = Reach(1e-3, 1.0), (TRM, None)
    figure = figure_of(sets, key, HAZARD, reach)
    together = crossings(figure, on_grid(figure, 3, reach), reach, 0.13)
    for one, value in zip(sets, together.value, strict=True):
        alone = figure_of([one], key, HAZARD, reach)
        (found,) = crossings(alone, on_grid(alone, 1, reach), reach, 0.13).value
        assert found == pytest.approx(float(value), rel=1e-9)
        assert expected(with_values(one, {HAZARD: float(value)}))[key] == pytest.approx(0.13, abs=1e-9)


def test_the_posteriors_limits_are_those_of_the_values_solved_for() -> None:
    """And not the values at which the mean figure, or a limit of the figure, is the target."""
    found = sim.solve("chicago2006", {TRM: 0.13}, FATAL, posterior="chicago2006", draws=12)
    row = found.thresholds.iloc[0]
    assert row["posterior_lower"] < row["value"] < row["posterior_upper"]
    assert row["posterior_out_of_reach"] == 0
    assert found.manifest["posterior"]["held"] == [FATAL]


@pytest.mark.parametrize(
    ("target", "by", "more", "said"),
    [
        (f"{TRM}=13", FATAL, {}, "a share above 0 and below 1"),
        (TRM, FATAL, {}, "allowed: one figure and its value"),
        (f"{TRM}=0.13", "cohort.enters_at", {}, "is no number"),
        (f"{TRM}=0.13", "clinic.isolation_rooms", {}, "say where to look"),
        ("died_waiting=0.01", "clinic.isolation_rooms=2:200", {}, "199 whole numbers"),
        (f"{TRM}=0.13", "clinic.isolation_rooms=2:3.5", {}, "whole number"),
        (f"{TRM}=0.13", f"{FATAL}=0.5:0.1", {}, "low below high"),
        (f"{TRM}=0.13", f"{FATAL}=0:2", {}, FATAL),
        (f"{TRM}=0.13", FATAL, {"over": {FATAL: [0.1]}}, "name another parameter"),
        (f"{TRM}=0.13", FATAL, {"count": "7 of 53"}, "as in 7/53"),
    ],
)
def test_what_can_not_be_solved_for_is_refused(
    target: str, by: str, more: dict[str, object], said: str
) -> None:
    with pytest.raises(sim.RequestError, match=said):
        sim.solve("chicago2006", target, by, **more)


def _repeats(reach: Reach, by: str, key: tuple[str, float | None], target: float, n: int) -> Floats:
    """Return value, lower and upper end of thresholds that are simulated, each with luck of its own."""
    budgets = (Budget(replications=64, seed=seed) for seed in range(n))
    found = (thresholds(CHICAGO, key, target, by, reach, each, exact=False)[0].iloc[0] for each in budgets)
    return np.array([row[["value", "mc_lower", "mc_upper"]].to_numpy(dtype=float) for row in found])


def test_the_stated_error_covers_what_the_twin_knows() -> None:
    """In all but 5% of repeats; and what is simulated scatters around the exact value as it says."""
    by, key, reach, repeats = (
        "active_disease.hazard_per_year",
        ("overall_survival_enrolled", 5.0),
        Reach(0.02, 2),
        24,
    )
    exact = float(thresholds(CHICAGO, key, 0.75, by, reach, Budget())[0]["value"][0])
    value, lower, upper = _repeats(reach, by, key, 0.75, repeats).T
    missed = int(np.sum((exact < lower) | (exact > upper)))
    assert stats.binom.sf(missed - 1, repeats, 0.05) > 1e-3
    stated = np.mean(upper - lower) / 3.92
    assert abs(np.mean(value) - exact) < 4 * stated / np.sqrt(repeats)
    low, high = np.sqrt(stats.chi2.ppf([1e-4, 1 - 1e-4], repeats - 1) / (repeats - 1))
    assert low < np.std(value, ddof=1) / stated < high


@pytest.mark.filterwarnings("ignore::sim.scenario.problems.OverloadWarning")
def test_of_a_queue_the_threshold_is_simulated() -> None:
    """More arrivals, fewer survive: at the threshold a study of its own finds the target."""
    by, key = "arrivals.per_year", ("overall_survival_enrolled", 5.0)
    clinic = {"arrivals.years": 1.0, "arrivals.per_year": 30, "clinic.isolation_rooms": 2}
    done = sim.solve(
        "open_clinic", "overall_survival_enrolled@5=0.78", f"{by}=20:90", set=clinic, replications=200
    )
    row = done.thresholds.iloc[0]
    assert (row["status"], row["note"], done.manifest["replications"]) == ("met", "", 200)
    assert row["mc_lower"] < row["value"] < row["mc_upper"]
    assert done.line["x"].is_monotonic_increasing
    there = sim.sweep("open_clinic", {by: [float(row["value"])]}, set=clinic, replications=200, seed=1).points
    found = there[(there["endpoint"] == key[0]) & (there["time_years"] == 5) & ~there["reference"]].iloc[0]
    assert found["estimate"] == pytest.approx(0.78, abs=0.2 * found["mc_se"])


def test_of_whole_numbers_the_smallest_is_found_if_luck_lets_it() -> None:
    asked = {"set": {"arrivals.years": 1.0}, "replications": 64}
    by = "clinic.isolation_rooms=1:5"
    far = sim.solve("open_clinic", "died_waiting=0.05", by, **asked)
    row, line = far.thresholds.iloc[0], far.line.set_index("x")
    k = row["value"]
    assert row["status"] == "met"
    assert row["mc_lower"] == k == row["mc_upper"]
    assert line["mc_upper"][k] <= 0.05 < line["mc_lower"][k - 1]
    near = float(line["figure"][k]) - 0.3 * float(line["mc_upper"][k] - line["figure"][k])
    row = sim.solve("open_clinic", f"died_waiting={near}", by, **asked).thresholds.iloc[0]
    assert row["status"] == f"{k:g} or {k + 1:g}: not decided"
    assert (row["mc_lower"], row["mc_upper"]) == (k, k + 1)


def test_of_whole_numbers_the_twin_finds_the_smallest() -> None:
    by, key = "harvest.max_sessions", "overall_survival_enrolled@5"
    every = {
        k: expected_from_enrolment(with_values(CHICAGO, {by: k}))["overall_survival_enrolled", 5.0]
        for k in range(1, 7)
    }
    target = (every[2] + every[3]) / 2
    row = sim.solve("chicago2006", f"{key}={target}", f"{by}=1:6").thresholds.iloc[0]
    assert (row["value"], row["status"], row["note"]) == (3, "met", "exact")


def test_a_flat_figure_is_refused() -> None:
    asked = {
        "by": "late_infection.hazard_per_day=0.0001:0.0005",
        "set": {"clinic.isolation_rooms": 50},
        "replications": 64,
    }
    line = sim.solve("chicago2006", "overall_survival@5=0.5", **asked).line
    between = float(line["figure"].iloc[[0, -1]].mean())
    row = sim.solve("chicago2006", f"overall_survival@5={between}", **asked).thresholds.iloc[0]
    assert row["status"] == "flat"
    assert np.isnan(row["value"])


def test_draws_are_solved_for_from_the_point_as_from_a_grid() -> None:
    """Those out of reach too."""
    draws, reach, key = draws_from(locate_posterior("chicago2006"), 12, 1), Reach(0.001, 1.0), (TRM, None)
    over = draws.over(CHICAGO, [HAZARD])
    figure, known = figure_of(over, key, HAZARD, reach), figure_of([CHICAGO], key, HAZARD, reach)
    like = on_grid(known, 1, reach)
    slow = crossings(figure, on_grid(figure, 12, reach), reach, 0.05).value
    assert 0 < np.mean(np.isinf(slow)) < 1
    quick = alike(figure, 12, reach, 0.05, like[0], float(crossings(known, like, reach, 0.05).value[0]))
    assert quick == pytest.approx(slow, rel=1e-8)


def test_what_is_published_is_of_a_parameter_and_in_the_evidence() -> None:
    for row in data_rows("published"):
        assert float(row["value"]) in parameters()[row["key"]].numbers
        assert {*ids_in(row["evidence"])} <= {*all_evidence()}
    per_1000, found = all_evidence()["P24"].value, published_values(HAZARD)[0]
    assert found.value == pytest.approx(float(per_1000) / 1000)
    assert found.evidence == "P24"
