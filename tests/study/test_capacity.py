"""Capacity: the smallest number of rooms against Erlang's formulas, and what one more room can't do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import sim
from sim.outcomes.queue_laws import erlang_c
from sim.scenario.problems import RequestError
from sim.scenario.schema import Scenario
from sim.study.budget import Budget
from sim.study.capacity import MEAN, NINE, OPENING, SETTLED, capacity, decided
from sim.study.estimates import Z95, simultaneous

ROOMS, RATE = "clinic.isolation_rooms", "arrivals.per_year"
STAY_DAYS = 14.0


def plain_queue(**more: Any) -> Scenario:
    """Arrivals that ask for a room at once, and exponential stays in which nothing else happens."""
    nothing = {
        "cohort.enters_at": "immunoablation", "background.life_table": "none",
        "active_disease.hazard_per_year": 0.0, "immunoablation.toxicity_per_day": 0.0,
        "aplasia.infection.hazard_per_day": 0.0, "late_infection.hazard_per_day": 0.0,
        "immunoablation.duration_days": {"dist": "exponential", "mean": STAY_DAYS},
        "aplasia.duration_days": 0.0, "aplasia.discharge_delay_days": 0.0, "clinic.room_turnaround_days": 0.0,
        "recovery.postponement.probability": 0.0,
    }  # fmt: skip
    return sim.load_scenario("open_clinic", {**nothing, **more}).scenario


def test_the_smallest_number_of_rooms_is_erlangs() -> None:
    at_most, places = 0.2, range(5, 9)
    budget = Budget(200, engine="arrays")
    found = capacity(plain_queue(), ("waited", None), at_most, ROOMS, places, budget, {RATE: [80, 120]})
    table, smallest = found
    settled = table[table["phase"] == SETTLED].set_index([RATE, "places"])
    for rate in (80, 120):
        load = rate / 365.25 * STAY_DAYS
        exact = {rooms: erlang_c(rooms, load) for rooms in places if rooms > load}
        assert {rooms for own, rooms in settled.index if own == rate} == {*exact}  # the others never settle
        for rooms, waits in exact.items():
            row = settled.loc[(rate, rooms)]
            error = (row["mc_upper"] - row["mc_lower"]) / 2 / Z95
            assert row["estimate"] == pytest.approx(waits, abs=4 * error)  # of 8 true comparisons
        least = min(rooms for rooms, waits in exact.items() if waits <= at_most)
        said = smallest[(smallest[RATE] == rate) & (smallest["phase"] == SETTLED)].set_index("criterion")
        assert said.loc[MEAN, "smallest"] == least
        assert said.loc[NINE, "smallest"] >= least or math.isnan(said.loc[NINE, "smallest"])


def test_more_rooms_never_cost_lives_and_fewer_arrivals_need_no_more() -> None:
    scenario = sim.load_scenario("open_clinic", {"clinic.apheresis_slots": 6}).scenario
    budget, key = Budget(60, engine="arrays"), ("died_waiting", None)
    table, smallest = capacity(scenario, key, 0.02, ROOMS, range(3, 7), budget, {RATE: [60, 80]})
    opening = table[table["phase"] == OPENING]
    for _, own in opening.groupby(RATE):
        assert (np.diff(own["estimate"]) <= 0).all()
        averted = own["averted"].dropna()
        assert (averted >= 0).all()
        alone, both = (own[f"{kind}_upper"] - own[f"{kind}_lower"] for kind in ("averted", "all"))
        assert (both.dropna() > alone.dropna()).all()
    means = smallest[(smallest["phase"] == OPENING) & (smallest["criterion"] == MEAN)].set_index(RATE)
    assert means.loc[60, "smallest"] <= means.loc[80, "smallest"]


@pytest.mark.parametrize(
    ("yes", "no", "found"),
    [
        ([False, True, True], [True, False, False], (3, "3")),
        ([True, True, True], [False, False, False], (2, "2 or fewer")),
        ([False, False, True], [True, False, False], (math.nan, "3 or 4: not decided")),
        ([False, False, False], [True, True, True], (math.nan, "more than 4")),
        ([False, False, False], [True, True, False], (math.nan, "4 or more: not decided")),
        ([False, False, False], [False, False, False], (math.nan, "2 or more: not decided")),
    ],
)  # fmt: skip
def test_what_is_not_decided_is_said(yes: list[bool], no: list[bool], found: tuple[float, str]) -> None:
    smallest, status = decided([2, 3, 4], yes, no)
    assert status == found[1]
    assert smallest == found[0] or (math.isnan(smallest) and math.isnan(found[0]))


def test_a_trial_has_no_capacity() -> None:
    with pytest.raises(RequestError, match="open clinic"):
        capacity(
            sim.load_scenario("chicago2006").scenario, ("waited", None), 0.1, ROOMS, [2, 3], Budget(), {}
        )


def test_simultaneous_intervals_are_bonferronis() -> None:
    assert simultaneous(0.0, -Z95, Z95, 1) == pytest.approx((-Z95, Z95))
    assert simultaneous(1.0, 1 - Z95, 1 + Z95, 5) == pytest.approx((1 - 2.5758293, 1 + 2.5758293))
