"""Queues over arrays against a plain loop over one request after another."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from sim.clinic.queues import Served, at, serve
from sim.patient.fates import NEVER
from sim.scenario.capacities import Timetable

Floats = NDArray[np.float64]
PATIENTS, REPLICATIONS = 60, 40
FALLING, RISING, SHUT = [[0, 4], [9, 1], [14.5, 3]], [[0, 1], [12, 4]], [[0, 2], [6, 0], [20, 3]]
"""Numbers of places that change on days: whole ones, so that a change meets requests and releases."""


class Turns(NamedTuple):
    """Stays of a given length that death ends."""

    days: Floats
    death: Floats

    def free_again(self, turn: int, start: Floats) -> Floats:
        free: Floats = np.minimum(start + self.days[turn], self.death[turn])
        return free


def by_the_rule(request: Floats, capacity: Any, days: Floats, death: Floats) -> Served:
    """Serve each replication by itself, request by request."""
    steps = [[0, capacity]] if isinstance(capacity, int) else capacity

    def places(day: float) -> int:
        return next((count for since, count in reversed(steps) if since <= day), 0)

    start, number = np.full(request.shape, NEVER), np.zeros(request.shape, dtype=np.int32)
    for column in range(request.shape[1]):
        free = [-NEVER] * max(count for _, count in steps)
        for patient in sorted(range(len(request)), key=lambda one: (request[one, column], one)):
            asked = float(request[patient, column])
            moments = {asked, *(since for since, _ in steps), *free}
            now = min(
                (day for day in moments if day >= asked and sum(t > day for t in free) < places(day)),
                default=NEVER,
            )
            if death[patient, column] <= now:
                continue
            place = next(k for k, since in enumerate(free) if since <= now)
            start[patient, column], number[patient, column] = now, place + 1
            free[place] = min(now + days[patient, column], death[patient, column])
    return Served(start, number)


def requests(kind: str, rng: np.random.Generator) -> Floats:
    """Return requests, of which one in ten is never made."""
    shape = (PATIENTS, REPLICATIONS)
    drawn = {
        "spread": rng.uniform(0, 50, shape),
        "equal": rng.integers(0, 12, shape).astype(float),
        # In numbers of 64 bits these differ by less than there are patients, and later patients come first.
        "almost equal": 12 + rng.integers(0, 3, shape) * np.spacing(12.0) + rng.integers(0, 5, shape),
    }[kind]
    return np.where(rng.random(shape) < 0.1, NEVER, drawn)


@pytest.mark.parametrize("kind", ["spread", "equal", "almost equal"])
@pytest.mark.parametrize("capacity", [1, 2, 4, 17, FALLING, RISING, SHUT, [[0, 3], [5, 17], [30, 2]]])
@pytest.mark.parametrize("numbered", [False, True])
def test_places_go_to_who_asked_first(kind: str, capacity: Any, numbered: bool) -> None:
    rng = np.random.default_rng(1)
    request = requests(kind, rng)
    days = rng.choice([0.0, 0.5, 2.0, 9.3], request.shape) * (capacity if isinstance(capacity, int) else 3)
    death = np.where(request < NEVER, request + rng.exponential(40, request.shape), rng.choice([0.0, NEVER]))
    told = by_the_rule(request, capacity, days, death)
    turns = Turns(days, death)
    found = serve(
        request,
        Timetable.of(capacity),
        lambda who: Turns(*(at(who, each) for each in turns)),
        numbered=numbered,
    )
    # A queue in which nothing happens would prove little.
    assert np.any((told.start > request) & (told.start < NEVER))
    assert np.any((told.start == NEVER) & (request < NEVER))
    np.testing.assert_array_equal(found.start, told.start)
    np.testing.assert_array_equal(found.number, told.number if numbered else 0)


@pytest.mark.parametrize("capacity", [2, FALLING])
def test_nobody_asks(capacity: Any) -> None:
    nobody = np.full((3, 4), NEVER)
    found = serve(nobody, Timetable.of(capacity), lambda who: Turns(at(who, nobody), at(who, nobody)))
    np.testing.assert_array_equal(found.start, nobody)
    np.testing.assert_array_equal(found.number, 0)
