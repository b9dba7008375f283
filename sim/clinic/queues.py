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

# Up to this many, looking at one place after another is faster than at all at once.
_FEW_PLACES = 16


class Served(NamedTuple):
    """When each patient got a place, never for who got none, and its number: 0 where it has none."""

    start: Floats
    number: Floats

    @classmethod
    def at_once(cls, request: Floats) -> Served:
        """Serve everybody at once, as where places are unlimited."""
        return cls(request, np.broadcast_to(0.0, request.shape))


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
    asked = np.take(request.reshape(-1), who)
    columns = [np.take(array.reshape(-1), who) for array in stay.columns]
    places = _Places(int(capacity), replications)
    begun, number = np.empty(who.shape), np.empty(who.shape)
    served = np.empty(who.shape, dtype=np.bool_)
    for turn in range(queue):
        np.maximum(asked[turn], places.free.min(axis=0), out=begun[turn])
        death, again = stay.free_again(begun[turn], [column[turn] for column in columns])
        np.greater(death, begun[turn], out=served[turn])
        served[turn] &= asked[turn] < NEVER
        number[turn] = places.take(begun[turn], again, served[turn])
    start, place = np.full(request.shape, NEVER), np.zeros(request.shape)
    start.reshape(-1)[who] = np.where(served, begun, NEVER)
    place.reshape(-1)[who] = np.where(served, number, 0.0)
    return Served(start, place)


class _Places:
    """When each place of each replication is next free, shape (places, replications)."""

    def __init__(self, capacity: int, replications: int) -> None:
        self.free = np.full((capacity, replications), -NEVER)
        self._columns = np.arange(replications)

    def take(self, begun: Floats, again: Floats, served: NDArray[np.bool_]) -> NDArray[Any]:
        """Give the lowest free place to those who are served, and return its number, from 1."""
        if len(self.free) > _FEW_PLACES:
            lowest = np.argmax(self.free <= begun, axis=0)
            self.free[lowest, self._columns] = np.where(served, again, self.free[lowest, self._columns])
            number: NDArray[Any] = lowest + 1
            return number
        number = np.ones(begun.shape, dtype=np.intp)
        looking = served
        for place in self.free:
            found = looking & (place <= begun)
            np.copyto(place, again, where=found)
            looking = looking & ~found
            number += looking
        return number


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
