"""Thresholds: against another solver, where there is none, where there are several, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize

import sim
from sim.outcomes.twin.expected import expected, expected_from_enrolment
from sim.scenario.load import load
from sim.scenario.values import with_values
from sim.study.estimates import clopper_pearson
from sim.study.threshold import GRID, Reach, crossings, figure_of, limits, on_grid

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
    figure = figure_of(sets, key, HAZARD)
    together = crossings(figure, on_grid(figure, 3, reach), reach, 0.13)
    for one, value in zip(sets, together.value, strict=True):
        alone = figure_of([one], key, HAZARD)
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
        (f"{TRM}=0.13", "cohort.patients", {}, "is no continuous number"),
        (f"{TRM}=0.13", f"{FATAL}=0.5:0.1", {}, "low below high"),
        (f"{TRM}=0.13", f"{FATAL}=0:2", {}, FATAL),
        (f"{TRM}=0.13", FATAL, {"over": {FATAL: [0.1]}}, "name another parameter"),
        (f"{TRM}=0.13", FATAL, {"count": "7 of 53"}, "as in 7/53"),
        ("room_wait_days=3", FATAL, {}, "has no exact figure"),
    ],
)
def test_what_can_not_be_solved_for_is_refused(
    target: str, by: str, more: dict[str, object], said: str
) -> None:
    with pytest.raises(sim.RequestError, match=said):
        sim.solve("chicago2006", target, by, **more)


def test_a_queue_is_refused() -> None:
    with pytest.raises(sim.RequestError, match="exact twin holds only without a queue"):
        sim.solve("open_clinic", {TRM: 0.13}, FATAL)
