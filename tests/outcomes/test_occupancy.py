"""Rooms, slots and queues over time: against counting patient by patient, and against the endpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from estimating import read_endpoints

from sim.clinic.history import History
from sim.outcomes.occupancy import Occupancy, counts, course, last_day, stays_by_series
from sim.patient.fates import NEVER
from sim.scenario.schema import Scenario

MakeScenario: TypeAlias = Callable[..., Scenario]
Play: TypeAlias = Callable[..., History]
SERIES = ("slot_queue", "slots_in_use", "room_queue", "rooms_in_use")

# Two queues, deaths in both, stays that end in death, and a warm-up.
CROWDED: dict[str, Any] = {
    "arrivals.pattern": "poisson",
    "arrivals.per_year": 90,
    "arrivals.years": 1,
    "arrivals.warm_up_days": 90,
    "clinic.apheresis_slots": 1,
    "clinic.isolation_rooms": 3,
    "follow_up.data_cut_days": "none",
    "active_disease.hazard_per_year": 2.0,
    "aplasia.infection.case_fatality": 0.5,
    "immunoablation.toxicity_per_day": 0.005,
}


@pytest.fixture
def crowded(scenario_of: MakeScenario) -> Scenario:
    return scenario_of(CROWDED)


def counted_by_hand(history: History, replication: int, day: float) -> dict[str, int]:
    """Ask every patient where they are, as the rules have it."""
    found = dict.fromkeys(SERIES, 0)
    for patient in range(history.death.shape[0]):
        at = {name: float(getattr(history, name)[patient, replication]) for name in (
            "ready_for_harvest", "harvesting", "waiting", "immunoablation", "home", "death", "slot_days",
            "turnaround_days")}  # fmt: skip
        alive = day < at["death"]
        found["slot_queue"] += alive and at["ready_for_harvest"] <= day < at["harvesting"]
        found["slots_in_use"] += alive and at["harvesting"] <= day < at["harvesting"] + at["slot_days"]
        found["room_queue"] += alive and at["waiting"] <= day < at["immunoablation"]
        left = min(at["home"], at["death"])
        found["rooms_in_use"] += at["immunoablation"] <= day < left + at["turnaround_days"]
    return found


def test_counts_are_those_of_asking_every_patient(crowded: Scenario, play: Play) -> None:
    history = play(crowded, range(3))
    days = np.linspace(0, 500, 40)
    tables = {name: counts(stay, days) for name, stay in stays_by_series(history).items()}
    assert tuple(tables) == SERIES
    assert all(table.max() > 0 for table in tables.values())
    for replication in range(3):
        for row, day in enumerate(days):
            expected = counted_by_hand(history, replication, float(day))
            assert {name: table[row, replication] for name, table in tables.items()} == expected


def test_no_horizon_cuts_a_stay_short(scenario_of: MakeScenario, play: Play) -> None:
    short, long = (
        stays_by_series(play(scenario_of(CROWDED, {"follow_up.horizon_years": years}), range(3)))
        for years in (0.02, 5)
    )
    for name, stay in long.items():
        assert np.sum(stay.end < NEVER) > 0, name
        np.testing.assert_array_equal(short[name].begin, stay.begin, err_msg=name)
        np.testing.assert_array_equal(short[name].end, stay.end, err_msg=name)


def test_use_is_never_above_capacity_at_any_moment(crowded: Scenario, play: Play) -> None:
    history = play(crowded, range(40))
    found = stays_by_series(history)
    for name, capacity in (("slots_in_use", 1), ("rooms_in_use", 3)):
        numbers = [course(found[name], replication).number for replication in range(40)]
        assert min(each.min() for each in numbers) == 0
        assert max(each.max() for each in numbers) == capacity


def test_nobody_queues_while_a_place_is_free(crowded: Scenario, play: Play) -> None:
    found = stays_by_series(play(crowded, range(20)))
    for queue, used, capacity in (("slot_queue", "slots_in_use", 1), ("room_queue", "rooms_in_use", 3)):
        queued = 0
        for replication in range(20):
            steps = course(found[queue], replication), course(found[used], replication)
            days = np.unique(np.concatenate([step.day for step in steps]))
            waiting, busy = (step.number[np.searchsorted(step.day, days, "right") - 1] for step in steps)
            assert np.all(busy[waiting > 0] == capacity)
            queued += int(np.sum(waiting > 0))
        assert queued > 20


def test_a_course_is_its_counts_at_its_own_days(crowded: Scenario, play: Play) -> None:
    history = play(crowded, range(2))
    for stay in stays_by_series(history).values():
        step = course(stay, 1)
        assert step.day[0] == 0
        assert step.number[-1] == 0  # everybody has left by the end
        np.testing.assert_array_equal(step.number, counts(stay, step.day)[:, 1])
        between = (step.day[1:] + step.day[:-1]) / 2
        np.testing.assert_array_equal(step.number[:-1], counts(stay, between)[:, 1])


def test_the_average_of_rooms_in_use_is_the_endpoint(
    crowded: Scenario, scenario_of: MakeScenario, play: Play
) -> None:
    for scenario in (crowded, scenario_of({"clinic.isolation_rooms": 1})):
        history = play(scenario, range(5))
        occupancy = Occupancy(scenario)
        occupancy.add(history)
        reading = read_endpoints(history, scenario)["room_occupancy", None]
        expected = reading.total.sum() / reading.size.sum()
        assert occupancy.average("rooms_in_use") == pytest.approx(expected, rel=1e-12)


def test_the_average_is_the_area_under_the_courses(crowded: Scenario, play: Play) -> None:
    history = play(crowded, range(6))
    occupancy = Occupancy(crowded)
    occupancy.add(history)
    opened, until = 90.0, last_day(crowded)
    for name, stay in stays_by_series(history).items():
        area = 0.0
        for replication in range(6):
            step = course(stay, replication)
            edges = np.clip(np.append(step.day, NEVER), opened, until)
            area += float(np.diff(edges) @ step.number)
        assert occupancy.average(name) == pytest.approx(area / (6 * (until - opened)), rel=1e-9)


def test_nothing_depends_on_chunks(crowded: Scenario, play: Play) -> None:
    whole, parts = Occupancy(crowded), Occupancy(crowded)
    whole.add(play(crowded, range(12)))
    for piece in (range(5), range(5, 6), range(6, 12)):
        parts.add(play(crowded, piece))
    assert whole.table().equals(parts.table())
    for name in SERIES:
        np.testing.assert_array_equal(whole.first[name].number, parts.first[name].number)
        assert whole.average(name) == pytest.approx(parts.average(name), rel=1e-12)


def test_the_table_has_mean_range_and_the_first_replication(crowded: Scenario, play: Play) -> None:
    history = play(crowded, range(50))
    occupancy = Occupancy(crowded)
    occupancy.add(history)
    table = occupancy.table()
    queue = table[table["series"] == "room_queue"]
    found = counts(stays_by_series(history)["room_queue"], occupancy.days)
    np.testing.assert_array_equal(queue["time_days"], occupancy.days)
    np.testing.assert_allclose(queue["mean"], found.mean(axis=1))
    np.testing.assert_array_equal(queue["first_replication"], found[:, 0])
    ordered = np.sort(found, axis=1)
    np.testing.assert_array_equal(queue["trial_lower"], ordered[:, 1])  # 2 of 50: the first to reach 2.5%
    np.testing.assert_array_equal(queue["trial_upper"], ordered[:, 48])


def test_the_first_replications_are_read_and_no_more(
    crowded: Scenario, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.outcomes.occupancy.READ_REPLICATIONS", 4)
    few, many = Occupancy(crowded), Occupancy(crowded)
    few.add(play(crowded, range(4)))
    many.add(play(crowded, range(3)))
    many.add(play(crowded, range(3, 10)))
    many.add(play(crowded, range(10, 12)))
    assert many.replications == 4
    assert few.table().equals(many.table())
    assert few.average("rooms_in_use") == many.average("rooms_in_use")


def test_what_was_added_elsewhere_can_be_joined(crowded: Scenario, play: Play) -> None:
    whole, joined = Occupancy(crowded), Occupancy(crowded)
    for piece in (range(5), range(5, 12)):
        whole.add(play(crowded, piece))
        elsewhere = Occupancy(crowded)
        elsewhere.add(play(crowded, piece))
        joined.join(elsewhere.arrays())
    assert whole.table().equals(joined.table())
    for name in SERIES:
        np.testing.assert_array_equal(whole.first[name].day, joined.first[name].day)
        assert whole.average(name) == joined.average(name)


def test_a_room_freed_at_the_moment_of_the_next_grant_counts_once(
    scenario_of: MakeScenario,
    still: dict[str, Any],
    fate_of: Callable[..., Any],
    treat: Callable[..., History],
) -> None:
    scenario = scenario_of(still, {"cohort.enters_at": "immunoablation", "clinic.isolation_rooms": 1})
    stay = {"immunoablation_days": 5.0, "turnaround_days": 1.0}
    found = stays_by_series(treat(scenario, [fate_of(**stay), fate_of(**stay)]))
    rooms, queue = course(found["rooms_in_use"], 0), course(found["room_queue"], 0)
    assert (rooms.day.tolist(), rooms.number.tolist()) == ([0.0, 6.0, 12.0], [1, 1, 0])
    assert (queue.day.tolist(), queue.number.tolist()) == ([0.0, 6.0], [1, 0])


@pytest.mark.parametrize(
    ("changes", "day"),
    [
        ({"arrivals.pattern": "poisson", "arrivals.years": 2, "arrivals.warm_up_days": 10}, 740.5),
        ({"follow_up.data_cut_days": 3000.0, "arrivals.window_days": 1000.0}, 3000.0),
        ({"follow_up.data_cut_days": "none", "arrivals.window_days": 1000.0}, 1365.25),
    ],
)
def test_a_clinic_is_read_to_its_last_arrival_and_a_trial_to_its_cut(
    scenario_of: MakeScenario, changes: dict[str, Any], day: float
) -> None:
    assert last_day(scenario_of(changes)) == day
