"""The first reinfused patients of many trials, against the endpoints' own readings and written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from estimating import read_endpoints

from sim.clinic import arrays
from sim.clinic.history import History
from sim.clinic.states import TREATMENT_CAUSES
from sim.outcomes.first_reinfused import Reinfused, read_first_reinfused, read_not_reinfused
from sim.patient.fates import draw_fates
from sim.patient.luck import Luck
from sim.scenario.schema import DAYS_PER_YEAR, Scenario

MakeScenario = Callable[..., Scenario]

KEYS = (
    ("overall_survival", 5.0),
    ("disease_free_survival", 5.0),
    ("disease_free_survival", 1.0),
    ("overall_survival", 3.0),
)
PATIENTS = 60
REPLICATIONS = 64

SCENARIOS: dict[str, dict[str, Any]] = {
    "trial": {},
    "no cut": {"follow_up.data_cut_days": "none"},
    "cut at the end of accrual": {"follow_up.data_cut_days": 2861.0, "arrivals.power": 3.0},
    "many deaths and withdrawals": {
        "mobilisation.infection.case_fatality": 0.6,
        "aplasia.infection.hazard_per_day": 0.05,
        "aplasia.infection.case_fatality": 0.8,
        "active_disease.hazard_per_year": 1.5,
        "harvest.target_million_per_kg": 20.0,
        "harvest.marrow.failure": 0.9,
    },
    "registry": {
        "cohort.enters_at": "immunoablation",
        "immunoablation.toxicity_per_day": 0.01,
        "response.non_response": 0.3,
    },
    "a queue": {"clinic.isolation_rooms": 1, "arrivals.window_days": 400.0},
}


@pytest.fixture(params=SCENARIOS)
def scenario(request: pytest.FixtureRequest, scenario_of: MakeScenario) -> Scenario:
    return scenario_of({"cohort.patients": PATIENTS}, SCENARIOS[request.param])


def simulated(scenario: Scenario, seed: int, patients: int | None = None) -> History:
    if patients is not None:
        cohort = scenario.cohort.model_copy(update={"patients": patients})
        scenario = scenario.model_copy(update={"cohort": cohort})
    return arrays.simulate(scenario, draw_fates(scenario, Luck(seed), range(REPLICATIONS)))


def assert_same(one: Reinfused, other: Reinfused) -> None:
    np.testing.assert_array_equal(one.number, other.number)
    np.testing.assert_array_equal(one.treatment_deaths, other.treatment_deaths)
    for key in KEYS:
        np.testing.assert_array_equal(one.estimates[key], other.estimates[key])
        np.testing.assert_array_equal(one.event_free[key], other.event_free[key])


@pytest.mark.parametrize("seed", [1, 2])
def test_of_a_whole_trial_it_reads_what_the_endpoints_read(scenario: Scenario, seed: int) -> None:
    history = simulated(scenario, seed)
    readings = read_endpoints(history, scenario)
    read = read_first_reinfused(history.tiles(), scenario, KEYS, PATIENTS, PATIENTS)
    left = read_not_reinfused(history.tiles(), scenario, PATIENTS)
    for key in KEYS:
        np.testing.assert_allclose(read.estimates[key], readings[key].trial, rtol=0, atol=1e-12)
    assert (read.defined == ~np.isnan([readings[key].trial for key in KEYS]).any(axis=0)).all()
    after = readings["transplant_related_mortality", None].trial * PATIENTS
    np.testing.assert_allclose(read.treatment_deaths, after, rtol=0, atol=1e-12)
    both = readings["treatment_related_mortality", None].trial * PATIENTS
    np.testing.assert_allclose(left.treatment_deaths, both - after, rtol=0, atol=1e-12)
    died = readings["pre_transplant_mortality", None].trial * PATIENTS
    np.testing.assert_allclose(left.treatment_deaths + left.other_deaths, died, rtol=0, atol=1e-12)
    withdrawn = readings["harvest_failure", None].trial * PATIENTS
    np.testing.assert_allclose(left.withdrawn, withdrawn, rtol=0, atol=1e-12)
    # Everybody is reinfused, has left, or is on the way at the cut.
    cut = scenario.follow_up.data_cut_days
    end = history.follow_up_end if cut == "none" else cut
    on_the_way = np.minimum(np.minimum(history.death, history.withdrawn), history.aplasia) > end
    number = read.number + left.treatment_deaths + left.other_deaths + left.withdrawn + on_the_way.sum(axis=0)
    np.testing.assert_array_equal(number, PATIENTS)
    if cut == "none":  # then they are all followed to the horizon, and nobody is left out
        for key in KEYS:
            np.testing.assert_array_equal(read.event_free[key], readings[key].total)
        np.testing.assert_array_equal(read.number, readings[KEYS[0]].size)


def test_how_the_patients_are_cut_into_tiles_does_not_matter(scenario: Scenario) -> None:
    history = simulated(scenario, 3)
    for most, enrolled in ((PATIENTS, PATIENTS), (20, PATIENTS), (20, 25)):
        whole = read_first_reinfused([history], scenario, KEYS, most, enrolled)
        assert whole.number.max() <= most
        for size in (1, 7, 25):
            tiles = [history.patients(slice(at, at + size)) for at in range(0, PATIENTS, size)]
            assert_same(read_first_reinfused(iter(tiles), scenario, KEYS, most, enrolled), whole)
            in_parts, at_once = (
                read_not_reinfused(some, scenario, enrolled) for some in (iter(tiles), [history])
            )
            np.testing.assert_array_equal(in_parts.treatment_deaths, at_once.treatment_deaths)
            np.testing.assert_array_equal(in_parts.other_deaths, at_once.other_deaths)
            np.testing.assert_array_equal(in_parts.withdrawn, at_once.withdrawn)


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name != "a queue"], indirect=True)
def test_without_a_queue_the_first_enrolled_of_many_are_a_smaller_trial(scenario: Scenario) -> None:
    few, many = simulated(scenario, 4, 35), simulated(scenario, 4)
    assert_same(
        read_first_reinfused([many], scenario, KEYS, 35, 35),
        read_first_reinfused([few], scenario, KEYS, 35, 35),
    )


def literal(history: History, scenario: Scenario, replication: int, most: int) -> dict[str, Any]:
    """One replication's first reinfused, one patient after another."""
    cut = scenario.follow_up.data_cut_days
    number, treated, free = 0, 0, dict.fromkeys(KEYS, 0)
    followed: dict[str, list[tuple[float, bool]]] = {"overall_survival": [], "disease_free_survival": []}
    for patient in range(PATIENTS):
        at = (patient, replication)
        start, death = history.aplasia[at], history.death[at]
        end = history.follow_up_end[at] if cut == "none" else cut
        if not start < end or number == most:
            continue
        number += 1
        treated += history.cause[at] in TREATMENT_CAUSES and death <= min(end, start + 100)
        failed = min(death, history.relapse[at])
        assessed = start + scenario.response.assessed_at_days
        if not history.responds[at] and death > assessed:
            failed = min(failed, assessed)
        for name, event in (("overall_survival", death), ("disease_free_survival", failed)):
            followed[name].append((min(event, end) - start, event <= end))
            for key in KEYS:
                free[key] += key[0] == name and event > start + key[1] * DAYS_PER_YEAR
    return {
        "number": number,
        "treated": treated,
        "free": free,
        "estimates": {(name, years): kaplan_meier(followed[name], years) for name, years in KEYS},
    }


def kaplan_meier(followed: list[tuple[float, bool]], years: float) -> float:
    day = years * DAYS_PER_YEAR
    followed = [(round(time, 6), event) for time, event in followed]  # response is assessed on one day
    survival = 1.0
    for moment in sorted({time for time, event in followed if event and time <= day}):
        events = followed.count((moment, True))
        survival *= 1 - events / sum(time >= moment for time, _ in followed)
    reached = any(time >= day for time, _ in followed) or survival < 1e-12
    return survival if followed and reached else np.nan


@pytest.mark.parametrize("most", [5, 30, 48])
def test_the_chosen_are_those_of_lowest_number(scenario: Scenario, most: int) -> None:
    history = simulated(scenario, 5)
    read = read_first_reinfused(history.tiles(), scenario, KEYS, most, PATIENTS)
    for replication in range(0, REPLICATIONS, 4):
        mine = literal(history, scenario, replication, most)
        assert read.number[replication] == mine["number"]
        assert read.treatment_deaths[replication] == mine["treated"]
        for key in KEYS:
            assert read.event_free[key][replication] == mine["free"][key]
            np.testing.assert_allclose(
                read.estimates[key][replication], mine["estimates"][key], rtol=0, atol=1e-12
            )


def test_without_anybody_reinfused_nothing_is_defined(scenario_of: MakeScenario) -> None:
    scenario = scenario_of(
        {"cohort.patients": PATIENTS, "arrivals.window_days": 0, "follow_up.data_cut_days": 5.0}
    )
    read = read_first_reinfused(simulated(scenario, 1).tiles(), scenario, KEYS, 10, PATIENTS)
    assert read.number.max() == read.treatment_deaths.max() == 0
    assert not read.defined.any()
    assert all(np.isnan(estimate).all() for estimate in read.estimates.values())
