"""First come, first served over arrays: scarce places without a clock.

Requests are served in the order of their time, then of the patients' numbers, and every place is known by the
time at which it is next free. One row of the sorted requests is the next patient of every replication.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sim.patient.fates import NEVER, Booleans, Positions, is_constant
from sim.scenario.capacities import Timetable
from sim.scenario.distributions import Floats

# Up to this many, looking at one place after another is faster than at all at once.
_FEW_PLACES = 16
# Numbers of 64 bits in a line of the cache.
_LINE = 8


class Served(NamedTuple):
    """When each patient got a place, never for who got none, and its number: 0 where it has none."""

    start: Floats
    number: NDArray[np.int32]

    @classmethod
    def at_once(cls, request: Floats) -> Served:
        """Serve everybody at once, as where places are unlimited."""
        return cls(request, np.broadcast_to(np.int32(0), request.shape))


class Turns(Protocol):
    """The stays of some patients in the order of their requests, one row a turn."""

    @property
    def death(self) -> Floats:
        """When each would die without a place."""

    def free_again(self, turn: int, start: Floats) -> Floats:
        """Return when a place that is granted at a time would be free again."""


def serve(
    request: Floats, places: Timetable, turns: Callable[[Positions], Turns], *, numbered: bool = True
) -> Served:
    """Serve requests first come, first served; who dies first takes no place.

    Parameters
    ----------
    request
        When each patient starts to queue, not before study opening; never for who does not. Shape (patients,
        replications).
    places
        How many there are, and from when on: never unlimited ones.
    turns
        Returns the stays of those whose positions in the flattened arrays are given.
    numbered
        Whether it matters which place somebody gets: the lowest one that is free.
    """
    queue, asked = _queue(request)
    stays = turns(queue)
    held = _places(places, request.shape[1], len(queue), numbered=numbered)
    place = np.zeros(queue.shape, dtype=held.numbers)
    unserved = np.empty(queue.shape, dtype=np.bool_)
    begun = asked
    for turn, (now, death) in enumerate(zip(begun, stays.death, strict=True)):
        held.begin(now)
        np.less_equal(death, now, out=unserved[turn])  # true for who does not ask: nobody's death is later
        held.take(now, stays.free_again(turn, now), unserved[turn], out=place[turn])
    np.putmask(begun, unserved, NEVER)
    start = np.full(request.shape, NEVER)
    start.reshape(-1)[queue] = begun
    if not numbered:
        return Served(start, np.broadcast_to(np.int32(0), request.shape))
    number = np.zeros(request.shape, dtype=np.int32)
    number.reshape(-1)[queue] = place
    return Served(start, number)


def _places(
    places: Timetable, replications: int, longest: int, *, numbered: bool
) -> _Alike | _Numbered | _Changing:
    """Return the places for a queue of so many patients at most."""
    if places.changes:
        return _Changing(places, replications, longest)
    capacity = int(places.most)
    alike = not numbered and capacity <= _FEW_PLACES
    return (_Alike if alike else _Numbered)(capacity, replications)


class _Alike:
    """When places that nobody tells apart are next free in each replication: the first, the second ..."""

    numbers = np.dtype(np.uint8)

    def __init__(self, capacity: int, replications: int) -> None:
        self._free = [np.full(replications, -NEVER) for _ in range(capacity)]

    def begin(self, now: Floats) -> None:
        """Turn the times of requests into those at which a place is free."""
        np.maximum(now, self._free[0], out=now)

    def take(self, begun: Floats, again: Floats, unserved: Booleans, out: NDArray[Any]) -> None:  # noqa: ARG002
        """Give the place that is free first to those who are served."""
        free = self._free
        carried = np.where(unserved, free[0], again)
        for place in range(1, len(free)):
            np.minimum(carried, free[place], out=free[place - 1])
            np.maximum(carried, free[place], out=carried)
        free[-1] = carried


class _Numbered:
    """When each place of each replication is next free, shape (places, replications)."""

    def __init__(self, capacity: int, replications: int) -> None:
        # Row 0 is no place and takes those who get none: else every time would have to be chosen.
        self._flat = np.full((capacity + 1) * replications, -NEVER)
        self._free = self._flat.reshape(-1, replications)[1:]
        self._columns = np.arange(replications)
        self.numbers = np.dtype(np.uint8 if capacity <= _FEW_PLACES else np.intp)

    def begin(self, now: Floats) -> None:
        """Turn the times of requests into those at which a place is free."""
        np.maximum(now, np.minimum.reduce(self._free, axis=0), out=now)

    def take(self, begun: Floats, again: Floats, unserved: Booleans, out: NDArray[Any]) -> None:
        """Give the lowest free place to those who are served, and tell its number, from 1; 0 is none."""
        if len(self._free) <= _FEW_PLACES:
            self._count(begun, out)
        else:
            np.argmax(self._free <= begun, axis=0, out=out)
            out += 1
        np.putmask(out, unserved, 0)
        at = np.multiply(out, len(begun), dtype=np.intp)
        at += self._columns
        self._flat[at] = again

    def _count(self, begun: Floats, out: NDArray[Any]) -> None:
        """Count up to the first free place; that one is free is sure, so the last need not be looked at."""
        out.fill(1)
        taken = np.ones(begun.shape, dtype=np.bool_)
        for place in self._free[:-1]:
            taken &= place > begun
            out += taken.view(np.uint8)


class _Changing(_Numbered):
    """The same where the number of places changes on stated days: a place is granted when fewer are in use.

    A stay that goes on when places become fewer is not cut short, and counts as long as it lasts.
    """

    def __init__(self, places: Timetable, replications: int, longest: int) -> None:
        counts = [min(int(count), longest) for count in places.counts]  # so many never queue
        super().__init__(max(counts), replications)
        # With n places one is granted when the n-th last of all is free again; without any, never.
        lasts = [len(self._free) - count if count else None for count in counts]
        self._steps = list(zip(places.days, (*places.days[1:], NEVER), lasts, strict=True))
        self._wanted = sorted({last for last in lasts if last is not None})

    def begin(self, now: Floats) -> None:
        """Turn the times of requests into those at which fewer places are in use than there are."""
        free = np.partition(self._free, self._wanted, axis=0)
        start = np.full(now.shape, NEVER)
        for day, until, last in reversed(self._steps):
            if last is not None:
                found = np.maximum(np.maximum(now, day), free[last])
                np.copyto(start, found, where=found < until)
        now[:] = start


def at(who: Positions, array: NDArray[Any]) -> NDArray[Any]:
    """Return some patients' entries."""
    if is_constant(array):
        return np.broadcast_to(array[0, 0], who.shape)
    # A copy comes into the cache in one go; waiting for entry after entry takes three times as long.
    return array.copy().take(who)


def _queue(request: Floats) -> tuple[Positions, Floats]:
    """Return who asks and when, in order: positions in the flattened array, one row a place in the queue.

    Sorting numbers is twice as fast as sorting their indices. So a request and its patient become one whole
    number: the leading bits of the time, which rise with it as it is not negative, then the patient. The few
    replications where requests differ in the bits left out alone are sorted once more.
    """
    patients, replications = request.shape
    last_bits = (1 << max(patients - 1, 1).bit_length()) - 1
    keys = np.empty((replications, patients), dtype=np.int64)
    for first in range(0, patients, _LINE):
        # So many rows become columns at once, as a line of the cache has room for: else it would be fetched
        # for each of them.
        some = slice(first, first + _LINE)
        keys[:, some] = request[some].view(np.int64).T
    keys &= ~last_bits
    keys |= np.arange(patients)
    keys.sort(axis=1)
    longest = int(np.count_nonzero(np.min(keys, axis=0) < np.float64(NEVER).view(np.int64)))
    who = np.empty((longest, replications), dtype=np.intp)
    np.bitwise_and(keys.T[:longest], last_bits, out=who)
    who *= replications
    who += np.arange(replications)
    asked = request.take(who)
    for column in np.flatnonzero(np.any(asked[1:] < asked[:-1], axis=0)):
        order = np.argsort(request[:, column], kind="stable")[:longest]
        who[:, column], asked[:, column] = order * replications + column, request[order, column]
    return who, asked
