"""Scarce places: first come, first served, the lowest free number, and what happens at equal times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from estimating import read_endpoints
from scipy import stats

from sim.clinic.history import History
from sim.patient.fates import NEVER, Fate
from sim.scenario.schema import DAYS_PER_YEAR, Scenario
from sim.study.estimates import moments, ratio_estimate

MakeScenario = Callable[..., Scenario]
MakeFate = Callable[..., "Fate[float, bool]"]
Play = Callable[..., History]
Still = dict[str, Any]
Rooms = Callable[..., tuple[list[float], list[int]]]


@pytest.fixture
def rooms(scenario_of: MakeScenario, still: Still, fate_of: MakeFate, treat: Callable[..., History]) -> Rooms:
    """Send patients straight to some rooms, and return when each got one, and which."""

    def run(count: int, *patients: dict[str, Any]) -> tuple[list[float], list[int]]:
        scenario = scenario_of(still, {"cohort.enters_at": "immunoablation", "clinic.isolation_rooms": count})
        history = treat(scenario, [fate_of(**patient) for patient in patients])
        return history.immunoablation[:, 0].tolist(), history.room[:, 0].tolist()

    return run


def patient(asks: float, stays: float = 0.0, cleaning: float = 0.0, dies: float = NEVER) -> dict[str, float]:
    return {
        "enrolled": asks,
        "stay_days": stays,
        "turnaround_days": cleaning,
        "background_days": dies - asks,
    }


def test_simultaneous_requests_are_granted_in_order_of_number(rooms: Rooms) -> None:
    granted, number = rooms(2, patient(0, 10), patient(0, 7), patient(0, 5), patient(0, 5))
    assert granted == [0, 0, 7, 10]
    assert number == [1, 2, 2, 1]


def test_who_came_first_goes_first_whatever_the_number(rooms: Rooms) -> None:
    granted, _ = rooms(1, patient(0, 10), patient(5, 3), patient(4, 3), patient(5, 3))
    assert granted == [0, 13, 10, 16]


def test_who_is_ready_at_the_same_moment_goes_by_number_whoever_enrolled_first(
    scenario_of: MakeScenario, still: Still, fate_of: MakeFate, treat: Callable[..., History]
) -> None:
    mobilised = [
        fate_of(enrolled=5.0, mobilisation_days=5.0, slot_days=2.0),
        fate_of(mobilisation_days=10.0, slot_days=2.0),
    ]
    history = treat(scenario_of(still, {"clinic.apheresis_slots": 1}), mobilised)
    assert history.harvesting[:, 0].tolist() == [10, 12]
    recovered = [
        fate_of(enrolled=5.0, recovery_days=5.0, stay_days=3.0),
        fate_of(recovery_days=10.0, stay_days=3.0),
    ]
    history = treat(scenario_of(still, {"clinic.isolation_rooms": 1}), recovered)
    assert history.immunoablation[:, 0].tolist() == [10, 13]


def test_a_room_freed_at_a_moment_serves_a_request_of_that_moment(rooms: Rooms) -> None:
    assert rooms(1, patient(10, 5), patient(0, 7, cleaning=3))[0] == [10, 0]


def test_a_room_is_cleaned_before_the_next(rooms: Rooms) -> None:
    assert rooms(1, patient(0, 7, cleaning=3), patient(1, 1))[0] == [0, 10]


def test_a_room_is_cleaned_after_a_death_too(rooms: Rooms) -> None:
    assert rooms(1, patient(0, 7, cleaning=3, dies=2), patient(1, 1))[0] == [0, 5]


def test_the_lowest_free_room_is_granted(rooms: Rooms) -> None:
    granted, number = rooms(3, patient(0, 9), patient(0, 2), patient(0, 1), patient(5, 9), patient(6, 1))
    assert granted == [0, 0, 0, 5, 6]
    assert number == [1, 2, 3, 2, 3]


def test_rooms_freed_at_once_are_granted_from_the_lowest_number_on(rooms: Rooms) -> None:
    # Room 2 is left before room 1 but cleaned until the same moment.
    granted, number = rooms(2, patient(0, 10), patient(0, 5, cleaning=5), patient(1, 1), patient(2, 1))
    assert granted == [0, 0, 10, 10]
    assert number == [1, 2, 1, 2]


def test_a_room_freed_by_death_at_a_moment_serves_a_request_of_that_moment(rooms: Rooms) -> None:
    granted, number = rooms(2, patient(0, 50, dies=10), patient(0, 5), patient(10, 1))
    assert granted == [0, 0, 10]
    assert number == [1, 2, 1]


def test_death_at_the_moment_of_a_grant_takes_no_room(rooms: Rooms) -> None:
    granted, number = rooms(1, patient(0, 10), patient(1, 5, dies=10), patient(2, 5))
    assert granted == [0, NEVER, 10]
    assert number == [1, 0, 1]


def test_death_at_the_moment_of_two_grants_leaves_the_lower_room_to_the_next(rooms: Rooms) -> None:
    granted, number = rooms(2, patient(0, 10), patient(0, 10), patient(1, 5, dies=10), patient(2, 5))
    assert granted == [0, 0, NEVER, 10]
    assert number == [1, 2, 0, 1]


def test_death_at_the_moment_of_the_request_takes_no_room(rooms: Rooms) -> None:
    assert rooms(1, patient(3, 10, dies=3), patient(3, 5)) == ([NEVER, 3], [0, 1])


def test_who_dies_waiting_holds_up_nobody(rooms: Rooms) -> None:
    assert rooms(1, patient(0, 10), patient(1, 90, dies=4), patient(2, 5), patient(3, 5))[0] == [
        0,
        NEVER,
        10,
        15,
    ]


def test_a_stay_of_no_time_passes_the_room_on_at_once(rooms: Rooms) -> None:
    granted, number = rooms(1, *[patient(4)] * 3, patient(0, 4))
    assert granted == [4, 4, 4, 0]
    assert number == [1, 1, 1, 1]


def test_one_slot_serves_all_sessions_of_a_patient(
    scenario_of: MakeScenario, still: Still, fate_of: MakeFate, treat: Callable[..., History]
) -> None:
    fates = [
        fate_of(mobilisation_days=10.0, slot_days=3.0),
        fate_of(mobilisation_days=11.0, slot_days=2.0, background_days=12.0),  # dies in the queue
        fate_of(mobilisation_days=12.0, slot_days=2.0, background_days=13.5),  # dies at the slot
        fate_of(mobilisation_days=12.0, slot_days=2.0),
    ]
    history = treat(scenario_of(still, {"clinic.apheresis_slots": 1}), fates)
    assert history.ready_for_harvest[:, 0].tolist() == [10, 11, 12, 12]
    assert history.harvesting[:, 0].tolist() == [10, NEVER, 13, 13.5]


def test_through_a_slot_in_no_time_patients_queue_for_rooms_in_order(
    scenario_of: MakeScenario, still: Still, fate_of: MakeFate, treat: Callable[..., History]
) -> None:
    # All are ready for a room at the same moment, some of them only just through with the slot.
    fates = [
        fate_of(recovery_days=10.0 * (n % 2), enrolled=10.0 * (1 - n % 2), stay_days=1.0) for n in range(4)
    ]
    scenario = scenario_of(still, {"clinic.apheresis_slots": 1, "clinic.isolation_rooms": 1})
    history = treat(scenario, fates)
    assert history.waiting[:, 0].tolist() == [10] * 4
    assert history.immunoablation[:, 0].tolist() == [10, 11, 12, 13]


def test_a_place_for_everybody_is_like_places_without_limit(scenario_of: MakeScenario, play: Play) -> None:
    counted = {"clinic.isolation_rooms": 60, "clinic.apheresis_slots": 60}
    for name in ("immunoablation", "home", "death", "relapse"):
        limited, free = (getattr(play(scenario_of(c), range(4)), name) for c in (counted, {}))
        np.testing.assert_array_equal(limited, free)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (2, 1.2)])
def test_a_plain_queue_waits_as_long_as_erlang_says(
    scenario_of: MakeScenario, still: Still, play: Play, servers: int, load: float
) -> None:
    """M/M/c with a mean service of one day."""
    scenario = scenario_of(
        {key: value for key, value in still.items() if not key.startswith("arrivals")},
        {"arrivals.pattern": "poisson", "arrivals.per_year": load * DAYS_PER_YEAR, "arrivals.years": 1,
         "arrivals.warm_up_days": 60, "cohort.enters_at": "immunoablation",
         "clinic.isolation_rooms": servers,
         "immunoablation.duration_days": {"dist": "exponential", "mean": 1}},
    )  # fmt: skip
    readings = read_endpoints(play(scenario, range(48)), scenario)
    rho, blocks = load / servers, [load**k / np.prod(np.arange(1, k + 1)) for k in range(servers + 1)]
    erlang_c = blocks[-1] / ((1 - rho) * sum(blocks[:-1]) + blocks[-1])
    expected = {"room_wait_days": erlang_c / (servers - load), "room_occupancy": load}
    bound = stats.norm.isf(1e-4 / 8)  # 1 in 10,000 over 4 comparisons, both sides
    for name, value in expected.items():
        reading = readings[name, None]
        estimate = ratio_estimate(moments(reading.total, reading.size), share=False)
        assert abs(estimate.value - value) < bound * estimate.se, name
        assert estimate.se < 0.1 * value
