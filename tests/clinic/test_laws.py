"""What holds in every history of every scenario."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from estimating import read_endpoints
from hypothesis import given, settings
from hypothesis import strategies as st
from made_scenarios import Overrides, anything, law, layered, without_queues
from numpy.typing import NDArray

from sim.clinic.history import PLACES, History
from sim.clinic.pathway import simulate
from sim.clinic.states import ALIVE, Cause
from sim.patient.fates import NEVER, Fates, draw_fates
from sim.patient.luck import Luck
from sim.scenario.capacities import Timetable
from sim.scenario.endpoints import ENDPOINTS
from sim.scenario.schema import DAYS_PER_YEAR, Scenario

MakeScenario = Callable[..., Scenario]
Floats = NDArray[np.float64]

REPLICATIONS = range(3)


def play(scenario: Scenario, seed: int) -> tuple[Fates, History]:
    fates = draw_fates(scenario, Luck(seed), REPLICATIONS)
    return fates, simulate(scenario, fates)


def left_room(history: History) -> Floats:
    return np.minimum(np.minimum(history.home, history.death), history.follow_up_end)


# The course of every patient


@law(anything)
def test_everybody_is_dead_or_alive_at_the_end(
    scenario_of: MakeScenario, overrides: Overrides, seed: int
) -> None:
    fates, history = play(scenario_of(overrides), seed)
    np.testing.assert_array_equal(history.present, fates.enrolled < NEVER)
    dead = history.death < NEVER
    np.testing.assert_array_equal(dead, history.cause != ALIVE)
    by_cause = sum((history.cause == cause).sum(axis=0) for cause in Cause)
    np.testing.assert_array_equal(by_cause, dead.sum(axis=0))
    assert not dead[~history.present].any()
    assert np.all(history.death[dead] <= history.follow_up_end[dead])
    withdrawn = history.withdrawn < NEVER
    np.testing.assert_array_equal(history.home[withdrawn], history.withdrawn[withdrawn])
    assert not np.any(withdrawn & history.reinfused)


@law(anything)
def test_places_follow_one_another_and_none_is_entered_after_the_end(
    scenario_of: MakeScenario, overrides: Overrides, seed: int
) -> None:
    fates, history = play(scenario_of(overrides), seed)
    route = ["mobilising", "ready_for_harvest", "harvesting", "recovering", "waiting", "immunoablation",
             "aplasia", "recovering_in_hospital", "home"]  # fmt: skip
    assert set(PLACES) < set(route)
    times = np.array([getattr(history, place) for place in route])
    entered = times < NEVER
    latest = np.maximum.accumulate(np.where(entered, times, -NEVER), axis=0)
    assert np.all(times[entered] >= latest[entered])
    assert np.all(times[0, entered[0]] == (fates.enrolled + fates.delay_days)[entered[0]])
    last = np.minimum(history.death, history.follow_up_end)
    assert np.all(times[entered] <= np.broadcast_to(last, times.shape)[entered])
    # Where only one way leads on, nobody has skipped a place.
    for place, before in (
        ("ready_for_harvest", "mobilising"), ("harvesting", "ready_for_harvest"),
        ("recovering", "harvesting"), ("immunoablation", "waiting"), ("aplasia", "immunoablation"),
        ("recovering_in_hospital", "aplasia"),
    ):  # fmt: skip
        assert not np.any((getattr(history, place) < NEVER) & (getattr(history, before) == NEVER)), place


@law(anything)
def test_relapse_comes_in_remission_and_before_death(
    scenario_of: MakeScenario, overrides: Overrides, seed: int
) -> None:
    _, history = play(scenario_of(overrides), seed)
    relapsed = history.relapse < NEVER
    assert np.all(history.relapse[relapsed] < history.death[relapsed])
    assert np.all(history.relapse[relapsed] >= history.recovering_in_hospital[relapsed])
    assert np.all(history.responds[relapsed])


@law(anything)
def test_infections_happen_to_patients_at_risk(
    scenario_of: MakeScenario, overrides: Overrides, seed: int
) -> None:
    _, history = play(scenario_of(overrides), seed)
    last = np.minimum(history.death, history.follow_up_end)
    for onset, start in (
        (history.mobilisation_infection, history.mobilising),
        (history.aplasia_infection, history.aplasia),
        (history.late_infection, history.aplasia),
    ):
        ill = onset < NEVER
        assert np.all(start[ill] <= onset[ill])
        assert np.all(onset[ill] <= last[ill])
    by_infection = history.cause == Cause.INFECTION
    assert np.all(history.infections[by_infection] >= 1)


# The endpoints


@law(anything)
def test_outcomes_after_reinfusion_add_up(scenario_of: MakeScenario, overrides: Overrides, seed: int) -> None:
    scenario = scenario_of(overrides)
    readings = read_endpoints(play(scenario, seed)[1], scenario)
    parts = ("disease_free_survival", "relapse_incidence", "no_response", "death_without_relapse")
    for name, time in readings:
        if name != "disease_free_survival":
            continue
        whole = readings[name, time].size
        np.testing.assert_array_equal(sum(readings[part, time].total for part in parts), whole)
        trials = sum(readings[part, time].trial for part in parts)
        np.testing.assert_allclose(trials[~np.isnan(trials)], 1, atol=1e-12)
        free, alive = readings[name, time], readings["overall_survival", time]
        assert np.all(free.total <= alive.total)
        assert np.all(readings["in_remission", time].total <= free.total)


@law(anything)
def test_survival_never_rises_and_estimates_are_shares(
    scenario_of: MakeScenario, overrides: Overrides, seed: int
) -> None:
    scenario = scenario_of(overrides)
    readings = read_endpoints(play(scenario, seed)[1], scenario)
    falling = ("overall_survival", "disease_free_survival")
    for name in (*falling, *(f"{name}_enrolled" for name in falling)):
        curve = [reading for (endpoint, _), reading in readings.items() if endpoint == name]
        for earlier, later in pairwise(curve):
            assert np.all(later.total <= earlier.total)
            np.testing.assert_array_equal(later.size, earlier.size)
            both = ~np.isnan(later.trial)
            assert not np.isnan(earlier.trial[both]).any()
            assert np.all(later.trial[both] <= earlier.trial[both])
        for reading in curve:
            reported = reading.trial[~np.isnan(reading.trial)]
            assert np.all((reported >= 0) & (reported <= 1))


@law(anything)
def test_deaths_add_up(scenario_of: MakeScenario, overrides: Overrides, seed: int) -> None:
    scenario = scenario_of(overrides)
    history = play(scenario, seed)[1]
    readings = read_endpoints(history, scenario)
    by_cause = [f"death_by_cause_{cause.name.lower()}" for cause in Cause]
    for _, time in [key for key in readings if key[0] == by_cause[0]]:
        alive = readings["overall_survival_enrolled", time]
        deaths = [readings[name, time] for name in by_cause]
        np.testing.assert_array_equal(sum(each.total for each in deaths), alive.size - alive.total)
        trials = sum((each.trial for each in deaths), alive.trial)
        np.testing.assert_allclose(trials[~np.isnan(trials)], 1, atol=1e-12)
    total, after = (readings[f"{kind}_related_mortality", None].total for kind in ("treatment", "transplant"))
    assert np.all(after <= total)


@law(anything)
def test_everybody_gets_through_or_is_still_waiting(
    scenario_of: MakeScenario, overrides: Overrides, seed: int
) -> None:
    """Whatever the queue, the horizon and the data cut."""
    scenario = scenario_of(overrides)
    readings = read_endpoints(play(scenario, seed)[1], scenario)
    reinfused, enrolled = (readings[name, 0.02 if scenario.follow_up.horizon_years == 0.02 else 1.0].size
                           for name in ("overall_survival", "overall_survival_enrolled"))  # fmt: skip
    before = ("pre_transplant_mortality", "harvest_failure", "still_waiting")
    if scenario.cohort.enters_at != "home":
        np.testing.assert_array_equal(
            reinfused + sum(readings[name, None].total for name in before), enrolled
        )
    for start in ("", "slot_"):
        waited, died, asked = (
            readings[start + name, None].total for name in ("waited", "died_waiting", "died_waiting_of_asked")
        )
        np.testing.assert_array_equal(died, asked)
        assert np.all(died <= waited)
        assert np.all(readings[f"{start}waited_over_30_days", None].total <= waited)
        assert np.all(waited <= readings[f"{start}waited", None].size)
    assert np.all(readings["died_waiting", None].total <= readings["pre_transplant_mortality", None].total)


OF_THE_WAY = {
    "treatment_related_mortality", "transplant_related_mortality", "pre_transplant_mortality",
    "still_waiting", "harvest_failure", "infections_per_patient", "length_of_stay_days", "room_occupancy",
    "apheresis_sessions", "cd34_infused",
    *(each.name for each in ENDPOINTS if each.queue),
}  # fmt: skip


@law(anything)
def test_neither_horizon_nor_data_cut_touches_the_way_through_the_clinic(
    scenario_of: MakeScenario, overrides: Overrides, seed: int
) -> None:
    found = []
    for years, cut in ((0.02, "none"), (1, 2000), (5, 4000)):
        scenario = scenario_of(overrides, {"follow_up.horizon_years": years, "follow_up.data_cut_days": cut})
        found.append(read_endpoints(play(scenario, seed)[1], scenario))
    for key in found[0]:
        if key[0] in OF_THE_WAY and overrides["cohort.enters_at"] != "home":
            for other in found[1:]:
                np.testing.assert_array_equal(found[0][key].total, other[key].total, err_msg=key[0])
                np.testing.assert_array_equal(found[0][key].size, other[key].size, err_msg=key[0])
        elif key[0].startswith("death_by_cause") and key in found[2]:
            later = found[2][key].total
            np.testing.assert_array_equal(found[0][key].total, later, err_msg=key[0])


@law(anything)
def test_estimates_are_finite_and_undefined_only_without_patients(
    scenario_of: MakeScenario, overrides: Overrides, seed: int
) -> None:
    scenario = scenario_of(overrides)
    for key, reading in read_endpoints(play(scenario, seed)[1], scenario).items():
        assert np.all(np.isfinite(reading.total)), key
        assert np.all(np.isfinite(reading.size)), key
        assert np.all(reading.total >= 0), key
        assert np.all(reading.total[reading.size == 0] == 0), key


# Queues. The horizon of a century records every stay.

long_followed = layered(anything, st.just({"follow_up.horizon_years": 100}))


@law(long_followed, examples=80)
def test_rooms_are_granted_as_a_plain_list_of_rooms_would(
    scenario_of: MakeScenario, overrides: Overrides, seed: int
) -> None:
    """First come, first served; the lower number first; the lowest free room; cleaned between two stays."""
    scenario = scenario_of(overrides)
    fates, history = play(scenario, seed)
    rooms = scenario.clinic.isolation_rooms
    places = Timetable.of(len(fates.enrolled) if rooms == "unlimited" else rooms)
    exits = np.minimum(fates.enrolled + fates.lupus_days, fates.enrolled + fates.background_days)
    free_again = left_room(history) + fates.turnaround_days
    granted, number = expected_grants(history.waiting, exits, free_again, places)
    np.testing.assert_array_equal(history.immunoablation, granted)
    np.testing.assert_array_equal(history.room, 0 if rooms == "unlimited" else number)


@law(long_followed, examples=80)
def test_slots_are_granted_as_a_plain_list_of_slots_would(
    scenario_of: MakeScenario, overrides: Overrides, seed: int
) -> None:
    scenario = scenario_of(overrides)
    fates, history = play(scenario, seed)
    slots = scenario.clinic.apheresis_slots
    places = Timetable.of(len(fates.enrolled) if slots == "unlimited" else slots)
    exits = np.minimum(fates.enrolled + fates.lupus_days, fates.enrolled + fates.background_days)
    free_again = np.minimum(history.harvesting + fates.slot_days, exits)
    granted, _ = expected_grants(history.ready_for_harvest, exits, free_again, places)
    np.testing.assert_array_equal(history.harvesting, granted)


def at(places: Timetable, day: float) -> float:
    """Return how many places there are on a day."""
    return next(count for since, count in reversed(list(zip(*places, strict=True))) if since <= day)


def expected_grants(
    asked: Floats, exits: Floats, free_again: Floats, places: Timetable
) -> tuple[Floats, NDArray[np.int64]]:
    """Grant places one patient after the other, in order of request and number."""
    granted, number = np.full(asked.shape, NEVER), np.zeros(asked.shape, dtype=np.int64)
    for replication in range(asked.shape[1]):
        free = [0.0] * int(places.most)
        for patient in np.argsort(asked[:, replication], kind="stable"):
            where = patient, replication
            moments = sorted(day for day in {asked[where], *free, *places.days} if day >= asked[where])
            enough = (day for day in moments if sum(t > day for t in free) < at(places, day))
            start = next(enough, NEVER)
            if asked[where] == NEVER or exits[where] <= start:
                continue
            place = next(k for k, since in enumerate(free) if since <= start)
            granted[where], number[where], free[place] = start, place + 1, free_again[where]
    return granted, number


@law(long_followed)
def test_no_two_stays_in_one_room_overlap(scenario_of: MakeScenario, overrides: Overrides, seed: int) -> None:
    scenario = scenario_of(overrides)
    fates, history = play(scenario, seed)
    if scenario.clinic.isolation_rooms == "unlimited":
        return
    most = int(Timetable.of(scenario.clinic.isolation_rooms).most)
    assert history.room.max() <= most
    ends = left_room(history) + fates.turnaround_days
    for replication in REPLICATIONS:
        for room in range(1, most + 1):
            own = history.room[:, replication] == room
            stays = sorted(zip(history.immunoablation[own, replication], ends[own, replication], strict=True))
            assert all(end <= start for (_, end), (start, _) in pairwise(stays))


# Risks


RISKS: dict[str, tuple[float, float]] = {
    "active_disease.hazard_per_year": (0.3, 2),
    "immunoablation.toxicity_per_day": (0.002, 0.05),
    "background.standardised_mortality_ratio": (1, 40),
    "after_relapse.multiplier": (0.4, 5),
    "aplasia.infection.hazard_per_day": (0.01, 0.2),
    "aplasia.infection.ward_relative_risk": (0.5, 3),
    "aplasia.infection.case_fatality": (0.2, 0.9),
    "late_infection.hazard_per_day": (0.001, 0.02),
    "background.extra_per_year.remission": (0, 0.5),
    "background.extra_per_year.relapsed": (0, 0.5),
    "mobilisation.infection.case_fatality": (0.2, 0.9),
}
# Enough of everything for each risk to matter.
RISKY: Overrides = {
    "follow_up.horizon_years": 20,
    "active_disease.hazard_per_year": 0.3,
    "aplasia.infection.hazard_per_day": 0.05,
    "aplasia.infection.case_fatality": 0.5,
    "late_infection.hazard_per_day": 0.002,
    "mobilisation.infection.hazard_per_day": 0.06,
    "relapse.scale_years": 3,
    "background.life_table": "us_2013",
    "background.standardised_mortality_ratio": 2.4,
    "response.non_response": 0.2,
    # A fatal infection in mobilisation spares the dangers of the transplant: it must kill before they could.
    "recovery.duration_days": {"dist": "lognormal", "mean": 28, "sd": 2},
}


def lived(scenario: Scenario, seed: int) -> Floats:
    """Return days lived from enrolment, up to a horizon that does not depend on what happens."""
    history = play(scenario, seed)[1]
    horizon = scenario.follow_up.horizon_years * DAYS_PER_YEAR
    return np.minimum(history.death - history.enrolled, horizon)


@pytest.mark.parametrize("key", RISKS)
@settings(deadline=None, max_examples=8, derandomize=True)
@given(overrides=without_queues, seed=st.integers(0, 2**32))
def test_a_higher_risk_prolongs_no_life(
    scenario_of: MakeScenario, key: str, overrides: Overrides, seed: int
) -> None:
    """The same luck, without queues; a nanoday is rounding.

    The hazard of infection in mobilisation is no such risk: an infection survived postpones the transplant
    and its dangers. Nor is one for a patient who is spared a queue.
    """
    recovery = {"recovery.duration_days": RISKY["recovery.duration_days"], "follow_up.horizon_years": 20}
    low, high = ({**overrides, **recovery, key: value} for value in RISKS[key])
    assert np.all(lived(scenario_of(high), seed) <= lived(scenario_of(low), seed) + 1e-9)


@pytest.mark.parametrize("key", RISKS)
def test_a_higher_risk_shortens_some_lives(scenario_of: MakeScenario, key: str) -> None:
    low, high = ({"cohort.patients": 200, **RISKY, key: value} for value in RISKS[key])
    before, after = lived(scenario_of(low), 1), lived(scenario_of(high), 1)
    assert np.all(after <= before + 1e-9)
    assert np.sum(after < before) > 5
