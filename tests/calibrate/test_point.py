"""The point calibration: both readings of the Chicago trial, recovery of known values, and refusals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp
from typing import Any

import numpy as np
import pytest

from sim.calibrate import point
from sim.calibrate.point import PointFit, solve_point
from sim.outcomes.twin.expected import expected
from sim.scenario.endpoints import Key
from sim.scenario.load import load
from sim.scenario.problems import RequestError
from sim.scenario.schema import Scenario, Target
from sim.scenario.values import get_value, with_values

KEYS = [
    "mobilisation.infection.case_fatality",
    "active_disease.hazard_per_year",
    "aplasia.infection.case_fatality",
    "relapse.scale_years",
    "after_relapse.multiplier",
    "arrivals.power",
]
PUBLISHED = {
    ("treatment_related_mortality", None): 0.02,
    ("transplant_related_mortality", None): 0.005,
    ("pre_transplant_mortality", None): 0.04,
    ("overall_survival", 5.0): 0.84,
    ("disease_free_survival", 5.0): 0.50,
    ("mean_follow_up", None): 29 / 12,
}
READING_B = {
    **PUBLISHED,
    ("treatment_related_mortality", None): 0.04,
    ("transplant_related_mortality", None): 0.02,
}
START = Scenario.model_validate(
    {
        "title": "a rough start",
        "mobilisation": {"infection": {"case_fatality": 0.05}},
        "active_disease": {"hazard_per_year": 0.1},
        "aplasia": {"infection": {"case_fatality": 0.05}},
        "relapse": {"scale_years": 8.0},
        "after_relapse": {"multiplier": 1.0},
    }
)


def aiming(
    targets: Mapping[Key, float], keys: Sequence[str], changes: Mapping[str, Any] | None = None
) -> Scenario:
    aims = [
        Target(endpoint=name, time_years=time, value=value, source="assumption")
        for (name, time), value in targets.items()
    ]
    calibration = START.calibration.model_copy(update={"solve": list(keys)})
    scenario = with_values(START, changes or {})
    return scenario.model_copy(update={"target": aims, "calibration": calibration})


@pytest.fixture(scope="module", params=[PUBLISHED, READING_B], ids=["reading A", "reading B"])
def reading(request: pytest.FixtureRequest) -> tuple[Mapping[Key, float], PointFit]:
    return request.param, solve_point(aiming(request.param, KEYS))


def test_meets_the_published_figures(reading: tuple[Mapping[Key, float], PointFit]) -> None:
    targets, fit = reading
    assert fit.targets == tuple(targets)
    assert np.abs(fit.residuals).max() < 1e-12
    figures = expected(fit.scenario)
    for key, value in targets.items():
        assert figures[key] == pytest.approx(value, abs=1e-12)


def test_is_determined(reading: tuple[Mapping[Key, float], PointFit]) -> None:
    _, fit = reading
    assert fit.rank == len(KEYS)
    assert 1 < fit.condition < 1e4
    assert fit.jacobian.shape == (6, 6)


def test_solved_scenario_holds_the_solved_values(reading: tuple[Mapping[Key, float], PointFit]) -> None:
    _, fit = reading
    assert list(fit.values) == KEYS
    for key, value in fit.values.items():
        assert get_value(fit.scenario, key) == value


def test_hazard_after_relapse_is_what_the_figures_identify(
    reading: tuple[Mapping[Key, float], PointFit],
) -> None:
    """Waiting longer moves the active hazard by a lot and the hazard after relapse by little."""
    targets, fit = reading
    sooner = {"recovery.postponement.duration_days": {"dist": "lognormal", "mean": 30, "sd": 30}}
    other = solve_point(aiming(targets, KEYS, sooner))
    active = [f.values["active_disease.hazard_per_year"] for f in (fit, other)]
    relapsed = [a * f.values["after_relapse.multiplier"] for a, f in zip(active, (fit, other), strict=True)]
    assert active[1] / active[0] > 1.1
    assert relapsed[1] == pytest.approx(relapsed[0], rel=0.02)
    assert 0.09 < relapsed[0] < 0.11


def test_does_not_depend_on_the_start() -> None:
    near = solve_point(aiming(PUBLISHED, KEYS))
    far = solve_point(
        aiming(
            PUBLISHED,
            KEYS,
            {
                "mobilisation.infection.case_fatality": 0.0,
                "aplasia.infection.case_fatality": 0.5,
                "active_disease.hazard_per_year": 1.0,
                "relapse.scale_years": 1.0,
                "after_relapse.multiplier": 0.1,
                "arrivals.power": 0.5,
            },
        )
    )
    assert far.values == pytest.approx(near.values, rel=1e-9)


def test_one_equation_in_closed_form() -> None:
    still = {
        "cohort.enters_at": "immunoablation",
        "immunoablation": {"duration_days": 20, "toxicity_per_day": 0.0},
        "background.life_table": "none",
    }
    fit = solve_point(
        aiming({("pre_transplant_mortality", None): 0.1}, ["active_disease.hazard_per_year"], still)
    )
    spent = fit.values["active_disease.hazard_per_year"] * 20 / 365.25
    assert exp(-spent) == pytest.approx(0.9, abs=1e-14)
    # The derivative of 1 - exp(-spent) by the logarithm of the hazard.
    assert fit.jacobian[0, 0] == pytest.approx(spent * exp(-spent), rel=1e-6)


def test_values_inside_a_distribution_need_no_solving() -> None:
    with pytest.raises(RequestError, match=r"recovery\.duration_days\.mean"):
        solve_point(aiming({("pre_transplant_mortality", None): 0.04}, ["recovery.duration_days.mean"]))


@pytest.mark.parametrize(
    ("targets", "keys", "message"),
    [
        (PUBLISHED, KEYS[:5], "names 5 parameters and there are 6 targets"),
        ({}, [], r"no \[\[target\]\]"),
        ({("overall_survival", 5.0): 0.8}, ["after_relapse.multiplyer"], "after_relapse.multiplier"),
        ({("overall_survival", 5.0): 0.8}, ["clinic.isolation_rooms"], "clinic.isolation_rooms"),
        ({("overall_survival", 5.0): 1.0}, [KEYS[4]], "strictly between 0 and 1"),
        ({("room_wait_days", None): 3.0}, [KEYS[4]], "room_wait_days has no exact figure"),
        ({("overall_survival", 7.0): 0.8}, [KEYS[4]], "overall_survival@7"),
        (
            {("overall_survival", 5.0): 0.6, ("disease_free_survival", 5.0): 0.7},
            KEYS[3:5],
            "the first are among the second",
        ),
    ],
)
def test_refuses_what_is_no_system_of_equations(
    targets: Mapping[Key, float], keys: Sequence[str], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        solve_point(aiming(targets, keys))


def test_says_which_target_is_out_of_reach_and_how_near_one_gets() -> None:
    with pytest.raises(RequestError, match=r"overall_survival@5 should be 0.9999, the nearest .* is 0\.\d+"):
        solve_point(aiming({("overall_survival", 5.0): 0.9999}, ["after_relapse.multiplier"]))


def test_what_is_not_solved_to_the_last_digits_is_no_solution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(point, "TOLERANCE", 0.0)
    with pytest.raises(RequestError, match="meet all targets"):
        solve_point(aiming({("overall_survival", 5.0): 0.8}, ["after_relapse.multiplier"]))


def test_refuses_a_queue() -> None:
    with pytest.raises(RequestError, match=r"clinic\.isolation_rooms is 4"):
        solve_point(aiming(PUBLISHED, KEYS, {"clinic.isolation_rooms": 4}))


def test_what_lasting_remission_after_relapse_would_make_of_ten_years() -> None:
    """The figures of docs/cohorts.md."""
    ten = {"follow_up.horizon_years": 10.0, "follow_up.data_cut_days": "none"}
    ten["cohort.enters_at"] = "immunoablation"

    def survival(scenario: Scenario, years: float) -> float:
        return round(expected(with_values(scenario, ten))["overall_survival", years], 3)

    chicago = load("chicago2006").scenario
    assert (survival(chicago, 5.0), survival(chicago, 10.0)) == (0.84, 0.65)
    alone = with_values(chicago, {"after_relapse.remission_per_year": 0.5})
    assert (survival(alone, 5.0), survival(alone, 10.0)) == (0.911, 0.86)
    for rate, multiplier, at_ten in ((0.14, 0.94, 0.711), (0.5, 1.71, 0.762)):
        anew = solve_point(with_values(chicago, {"after_relapse.remission_per_year": rate})).scenario
        assert anew.after_relapse.multiplier == pytest.approx(multiplier, abs=0.005)
        assert (survival(anew, 5.0), survival(anew, 10.0)) == (0.84, at_ten)
