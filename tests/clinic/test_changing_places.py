"""Numbers of rooms and slots that change on stated days."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sim.clinic import arrays, pathway
from sim.clinic.history import History, columns_of
from sim.outcomes.occupancy import counts, is_limited, stays_by_series
from sim.patient.fates import NEVER, draw_fates
from sim.patient.luck import Luck
from sim.scenario.capacities import Timetable, capacity_text
from sim.scenario.load import load
from sim.study.load import offered_loads

ROOMS, SLOTS = "clinic.isolation_rooms", "clinic.apheresis_slots"
STEPS = [[0, 4], [300, 1], [420.5, 0], [450, 6], [800, 3]]
simulators = pytest.mark.parametrize(
    "simulate", [pathway.simulate, arrays.simulate], ids=["events", "arrays"]
)
Simulate = Callable[..., History]


def clinic(simulate: Simulate, replications: int = 3, **changes: Any) -> History:
    values = {key.replace("__", "."): value for key, value in changes.items()}
    scenario = load("open_clinic", values).scenario
    return simulate(scenario, draw_fates(scenario, Luck(7), range(replications)))


def assert_same(one: History, other: History) -> None:
    for name in columns_of(one):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@simulators
@pytest.mark.parametrize("steps", [[[0, 3]], [[0, 3], [500, 3]], [[0, 3], [2e5, 1]]])
def test_a_change_that_is_none_changes_nobody(simulate: Simulate, steps: list[list[float]]) -> None:
    """The same number again, and another one when everybody has left."""
    changing = clinic(simulate, clinic__isolation_rooms=steps, clinic__apheresis_slots=steps)
    assert_same(changing, clinic(simulate, clinic__isolation_rooms=3, clinic__apheresis_slots=3))


@simulators
def test_nothing_changes_before_the_day(simulate: Simulate) -> None:
    before = clinic(simulate, clinic__isolation_rooms=4)
    after = clinic(simulate, clinic__isolation_rooms=[[0, 4], [500, 1]])
    served = before.immunoablation < 500
    assert 50 < np.count_nonzero(served) < 0.9 * np.count_nonzero(before.immunoablation < NEVER)
    np.testing.assert_array_equal(before.immunoablation[served], after.immunoablation[served])
    np.testing.assert_array_equal(before.room[served], after.room[served])
    np.testing.assert_array_equal(before.home[served], after.home[served])  # no stay is interrupted
    assert np.count_nonzero(after.immunoablation < 500) == np.count_nonzero(served)


def test_both_simulators_agree_to_the_bit() -> None:
    queued = {"clinic__isolation_rooms": STEPS, "clinic__apheresis_slots": [[0, 1], [365, 2]]}
    assert_same(clinic(pathway.simulate, **queued), clinic(arrays.simulate, **queued))


def test_no_grant_brings_more_into_use_than_there_are() -> None:
    history = clinic(arrays.simulate, 16, clinic__isolation_rooms=STEPS)
    stay, steps = stays_by_series(history)["rooms_in_use"], Timetable.of(STEPS)
    for replication in range(16):
        granted = np.unique(stay.begin[:, replication][stay.begin[:, replication] < NEVER])
        one = type(stay)(*(time[:, replication, None] for time in stay))
        there_are = [steps.counts[np.searchsorted(steps.days, day, side="right") - 1] for day in granted]
        assert np.all(counts(one, granted)[:, 0] <= there_are)
    shut = (stay.begin >= 420.5) & (stay.begin < 450)
    assert not shut.any()
    # Who is in a room when places become fewer stays there.
    over = counts(stay, np.array([301.0]))
    assert over.max() > 1
    assert history.room.max() == 6


def test_everybody_who_asks_is_served_or_dies_in_the_queue() -> None:
    history = clinic(arrays.simulate, 16, clinic__isolation_rooms=STEPS)
    asked, got = history.waiting < NEVER, history.immunoablation < NEVER
    died = asked & ~got & (history.death < NEVER)
    assert died.any()
    np.testing.assert_array_equal(asked, got | died)


def test_more_rooms_from_a_day_on_delay_nobody() -> None:
    """Where nobody dies in the queue: else who is saved takes a room from others."""
    alive = {"active_disease__hazard_per_year": 0, "background__life_table": "none"}
    fewer = clinic(arrays.simulate, 16, clinic__isolation_rooms=[[0, 3], [700, 3]], **alive)
    more = clinic(arrays.simulate, 16, clinic__isolation_rooms=[[0, 3], [400, 5], [700, 3]], **alive)
    assert np.all(more.immunoablation <= fewer.immunoablation)
    assert np.any(more.immunoablation < fewer.immunoablation)


def test_the_load_is_held_against_the_mean_number() -> None:
    scenario = load("open_clinic", {ROOMS: [[0, 2], [639.1875, 4]]}).scenario  # halfway to the last arrival
    assert is_limited(scenario)
    rooms = next(each for each in offered_loads(scenario, 1) if each.key == ROOMS)
    assert rooms.capacity == pytest.approx(3.0)
    assert "there are 3 rooms" in rooms.warning


def test_the_number_is_told_in_words() -> None:
    assert capacity_text(((0.0, 4), (365.0, 6))) == "4, 6 from day 365"
    loaded = load("open_clinic", {ROOMS: [[0, 4], [365, 6]]})
    assert loaded.scenario.changed == ["isolation rooms 4, 6 from day 365"]
    assert Timetable.of([[0, 4], [10, 0]]).mean(5, 15) == 2
    assert Timetable.of([[0, 4], [10, 1]]).mean(20, 20) == 1
