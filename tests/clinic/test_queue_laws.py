"""What queues can and can't do to patients: more rooms, deaths in the queue, places without limit.

That rooms are granted in order, never to two at once and cleaned in between is tested in test_laws.py.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from estimating import read_endpoints
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from sim.clinic import arrays
from sim.clinic.history import History
from sim.clinic.pathway import Clinic, Protocol, simulate
from sim.patient.fates import NEVER, Fate, Fates, by_replication, draw_fates
from sim.patient.luck import Luck
from sim.scenario.load import load
from sim.scenario.schema import Scenario
from sim.study.estimates import moments, ratio_estimate

MakeScenario = Callable[..., Scenario]
MakeFate = Callable[..., "Fate[float, bool]"]
Treat = Callable[..., History]
Overrides = dict[str, Any]
Floats = NDArray[np.float64]

# Everybody lives for ever, infections are survived, and nobody leaves a queue.
NO_DEATHS = {
    "active_disease.hazard_per_year": 0,
    "mobilisation.infection.case_fatality": 0,
    "aplasia.infection.case_fatality": 0,
    "immunoablation.toxicity_per_day": 0,
    "background.life_table": "none",
}


def open_clinic(replications: int, **changes: float | str) -> tuple[Fates, History]:
    """Play the shipped open clinic, with changes to its tables: clinic__isolation_rooms=4."""
    overrides = [f"{key.replace('__', '.')}={value}" for key, value in changes.items()]
    scenario = load("open_clinic", overrides).scenario
    fates = draw_fates(scenario, Luck(1), range(replications))
    return fates, simulate(scenario, fates)


def most_at_once(start: Floats, end: Floats) -> int:
    """Return the largest number of stays at one moment; one that ends then makes way for one that begins."""
    begun = start < NEVER
    moments = [(time, +1) for time in start[begun]] + [(time, -1) for time in end[begun]]
    # A stay of no time begins and ends at one moment, so the count may dip below what it is.
    return int(np.cumsum([step for _, step in sorted(moments)]).max())


# Capacity


@pytest.mark.parametrize(("slots", "rooms"), [(1, 1), (1, 3), (2, 4)])
def test_never_are_there_more_patients_than_places(slots: int, rooms: int) -> None:
    """Whoever is admitted or dies, the turnaround of a room included; and in a busy clinic all are used."""
    fates, history = open_clinic(
        6, arrivals__per_year=160, clinic__apheresis_slots=slots, clinic__isolation_rooms=rooms,
        active_disease__hazard_per_year=1, immunoablation__toxicity_per_day=0.01,
    )  # fmt: skip
    left_slot = np.minimum(history.harvesting + fates.slot_days, history.death)
    left_room = np.minimum(history.home, history.death) + fates.turnaround_days
    for replication in range(6):
        column = slice(None), replication
        assert most_at_once(history.harvesting[column], left_slot[column]) == slots
        assert most_at_once(history.immunoablation[column], left_room[column]) == rooms


def test_nobody_waits_for_places_without_limit() -> None:
    _, history = open_clinic(
        6, arrivals__per_year=1000, arrivals__years=0.5, active_disease__hazard_per_year=1,
        clinic__apheresis_slots="unlimited", clinic__isolation_rooms="unlimited",
    )  # fmt: skip
    np.testing.assert_array_equal(history.harvesting, history.ready_for_harvest)
    np.testing.assert_array_equal(history.immunoablation, history.waiting)
    assert np.sum(history.waiting < NEVER) > 2000
    assert not history.room.any()


# More rooms


days = st.one_of(
    st.integers(0, 5),
    st.builds(lambda mean: {"dist": "exponential", "mean": mean}, st.floats(0.1, 10)),
    st.builds(lambda mean: {"dist": "lognormal", "mean": mean, "sd": mean}, st.floats(0.1, 10)),
)
clinics = st.fixed_dictionaries(
    {
        "cohort.patients": st.integers(2, 40),
        "cohort.enters_at": st.sampled_from(["mobilisation", "immunoablation"]),
        "arrivals.window_days": st.sampled_from([0, 10, 100]),
        "clinic.apheresis_slots": st.sampled_from([1, 2, "unlimited"]),
        "clinic.room_turnaround_days": days,
        "mobilisation.duration_days": days,
        "recovery.duration_days": days,
        "immunoablation.duration_days": days,
        "aplasia.duration_days": days,
        "aplasia.discharge_delay_days": days,
        "aplasia.infection.hazard_per_day": st.sampled_from([0, 0.1]),
    }
)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(overrides=clinics, rooms=st.integers(1, 4), more=st.integers(1, 3), seed=st.integers(0, 2**32))
def test_without_deaths_more_rooms_lengthen_nobodys_wait(
    scenario_of: MakeScenario, overrides: Overrides, rooms: int, more: int, seed: int
) -> None:
    """To the bit: a sum never falls when a term rises, rounded or not (Kiefer J, Wolfowitz J. 1955)."""
    few, many = (
        simulate(scenario, draw_fates(scenario, Luck(seed), range(2)))
        for scenario in (
            scenario_of(overrides, NO_DEATHS, {"clinic.isolation_rooms": count})
            for count in (rooms, rooms + more)
        )
    )
    np.testing.assert_array_equal(few.waiting, many.waiting)
    assert np.all(many.immunoablation <= few.immunoablation)


def test_more_rooms_shorten_many_waits() -> None:
    starts = [
        open_clinic(3, clinic__isolation_rooms=rooms, active_disease__hazard_per_year=0)[1].immunoablation
        for rooms in (3, 4, 5)
    ]
    for fewer, more in pairwise(starts):
        assert np.mean(more[fewer < NEVER] < fewer[fewer < NEVER]) > 0.4


def test_more_rooms_leave_fewer_to_die_waiting() -> None:
    """In all, under the same luck; not each patient, nor each clinic: see the next test."""
    replications = 60
    dead = []
    for rooms in (2, 3, 4, 5, "unlimited"):
        _, history = open_clinic(
            replications, clinic__isolation_rooms=rooms, arrivals__years=1, active_disease__hazard_per_year=1
        )
        waited_in_vain = (history.waiting < NEVER) & (history.immunoablation == NEVER)
        dead.append(waited_in_vain.sum(axis=0))
    assert not dead[-1].any()
    for fewer, more in pairwise(dead):
        spared = fewer - more
        standard_error = spared.std(ddof=1) / np.sqrt(replications)
        assert spared.mean() > stats.t.isf(1e-4 / 4, replications - 1) * standard_error


def test_a_further_room_can_cost_the_lives_of_those_who_come_later(
    scenario_of: MakeScenario, still: Overrides, fate_of: MakeFate, treat: Treat
) -> None:
    """Who is saved from the queue takes a room for long, which else had gone to others."""
    stays = [(0, 5, NEVER), (0, 15, NEVER), (1, 100, 10), (2, 100, 16), (3, 1, 25), (3, 1, 25), (3, 1, 25)]
    fates = [
        fate_of(enrolled=float(asks), stay_days=float(stay), lupus_days=float(dies - asks))
        for asks, stay, dies in stays
    ]
    died = []
    for rooms in (1, 2):
        scenario = scenario_of(still, {"cohort.enters_at": "immunoablation", "clinic.isolation_rooms": rooms})
        died.append(np.flatnonzero(treat(scenario, fates).death[:, 0] < NEVER).tolist())
    assert died == [[2, 3], [4, 5, 6]]


# Deaths in the queue


def test_a_death_in_the_queue_frees_nothing_and_helps_only_those_behind() -> None:
    """To all others it is as if the patient had never come to the queue."""
    scenario = load(
        "open_clinic", ["clinic.isolation_rooms=3", *(f"{key}={value}" for key, value in NO_DEATHS.items())]
    ).scenario
    protocol = Protocol.of(scenario)
    fates = next(by_replication(draw_fates(scenario, Luck(1), range(1))))
    usual = Clinic(protocol).treat(fates)
    waiting = [n for n, course in enumerate(usual) if course.waiting < course.immunoablation < NEVER]
    assert len(waiting) > 100
    for n in waiting[::12]:
        mine = usual[n]
        half_way = (mine.waiting + mine.immunoablation) / 2
        dies = fates[n]._replace(lupus_days=half_way - fates[n].enrolled)
        stays_away = fates[n]._replace(harvest_fails=True)
        with_death, without = (
            Clinic(protocol).treat([*fates[:n], fate, *fates[n + 1 :]]) for fate in (dies, stays_away)
        )
        assert mine.waiting < with_death[n].death < mine.immunoablation
        assert with_death[n].immunoablation == NEVER
        for other in (k for k in range(len(fates)) if k != n):
            before, after = usual[other], with_death[other]
            assert after == without[other]
            if (before.waiting, other) < (mine.waiting, n):
                assert after == before
            else:
                assert after.immunoablation <= before.immunoablation
        assert sum(a.immunoablation < b.immunoablation for a, b in zip(with_death, usual, strict=True)) > 0


def test_patients_of_the_open_clinic_wait_about_three_weeks() -> None:
    """22.0 days over the three years counted, with a standard error of 0.13 (docs/queues.md); 0.4 here."""
    scenario, sums = load("open_clinic").scenario, np.zeros(6)
    for first in range(0, 1280, 64):
        fates = draw_fates(scenario, Luck(1), range(first, first + 64))
        wait = read_endpoints(arrays.simulate(scenario, fates), scenario)["room_wait_days", None]
        sums += moments(wait.total, wait.size)
    estimate = ratio_estimate(sums, share=False)
    assert estimate.se < 0.5
    assert 20 < estimate.value < 24


def test_the_wait_that_is_reported_is_that_of_patients_who_got_a_room(
    scenario_of: MakeScenario, still: Overrides, fate_of: MakeFate, treat: Treat
) -> None:
    scenario = scenario_of(still, {"cohort.enters_at": "immunoablation", "clinic.isolation_rooms": 1})
    fates = [
        fate_of(stay_days=10.0, turnaround_days=2.0),
        fate_of(enrolled=1.0, lupus_days=4.0),
        fate_of(enrolled=2.0, stay_days=1.0),
    ]
    reading = read_endpoints(treat(scenario, fates), scenario)["room_wait_days", None]
    assert (reading.total.tolist(), reading.size.tolist()) == ([10], [2])
