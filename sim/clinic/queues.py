"""First come, first served over arrays: scarce places without a clock.

Requests are served in the order of their time, then of the patients' numbers, and every place is known by the
time at which it is next free. One row of the sorted requests is the next patient of every replication.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sim.patient.fates import NEVER
from sim.scenario.distributions import Floats


class Served(NamedTuple):
    """When each patient got a place, never for who got none, and its number: 0 where it has none."""

    start: Floats
    number: Floats

    @classmethod
    def at_once(cls, request: Floats) -> Served:
        """Serve everybody at once, as where places are unlimited."""
        return cls(request, np.zeros(request.shape))


class Occupation(Protocol):
    """What the stay of the next patient of every replication would be like."""

    @property
    def columns(self) -> Sequence[NDArray[Any]]:
        """What decides about stays, each of shape (patients, replications)."""

    def free_again(self, start: Floats, row: Sequence[NDArray[Any]]) -> tuple[Floats, Floats]:
        """Return when each would die before a place is granted, and when one granted now is free again."""


def serve(request: Floats, capacity: float, stay: Occupation) -> Served:
    """Serve requests first come, first served, in numbered places; who dies first takes none.

    Parameters
    ----------
    request
        When each patient starts to queue; never for who does not. Shape (patients, replications).
    """
    replications = request.shape[1]
    order = _order(request)
    queue = int(np.max(np.sum(request < NEVER, axis=0), initial=0))
    # Positions in the flattened arrays, one row a place in the queue.
    who = np.ascontiguousarray(order.T[:queue]) * replications + np.arange(replications)
    asked = request.reshape(-1)[who]
    columns = [array.reshape(-1)[who] for array in stay.columns]
    free = np.full((int(capacity), replications), -NEVER)
    starts, numbers = np.full((queue, replications), NEVER), np.zeros((queue, replications))
    first_place = np.arange(replications)
    for turn in range(queue):
        begun = np.maximum(asked[turn], free.min(axis=0))
        death, again = stay.free_again(begun, [column[turn] for column in columns])
        served = (death > begun) & (asked[turn] < NEVER)
        lowest = np.argmax(free <= begun, axis=0)
        at = lowest * replications + first_place
        places = free.reshape(-1)
        places[at] = np.where(served, again, places[at])
        starts[turn] = np.where(served, begun, NEVER)
        numbers[turn] = np.where(served, lowest + 1.0, 0.0)
    start, number = np.full(request.shape, NEVER), np.zeros(request.shape)
    start.reshape(-1)[who], number.reshape(-1)[who] = starts, numbers
    return Served(start, number)


def _order(request: Floats) -> NDArray[np.intp]:
    """Return the patients of each replication in order of their requests, then of their numbers.

    A stable sort costs several times more, so only the replications that have equal times get one.
    """
    rows = np.ascontiguousarray(request.T)
    order = np.argsort(rows, axis=1)
    asked = np.take_along_axis(rows, order, axis=1)
    tied = np.any((asked[:, 1:] == asked[:, :-1]) & (asked[:, 1:] < NEVER), axis=1)
    order[tied] = np.argsort(rows[tied], axis=1, kind="stable")
    return order
