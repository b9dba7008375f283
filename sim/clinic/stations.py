"""Scarce places as SimPy resources, and events at absolute times under the stated tie rule.

At equal times: death, then a change of the number of places, then the end of a stay and release, then entry
to a queue in order of the patients' numbers. What a release frees is granted after every release and before
anyone enters a queue; who enters while a place is free gets it at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from typing import Any

import simpy
from simpy.resources.resource import Request

from sim.scenario.capacities import Timetable

# SimPy uses 0 and 1 for its own events; the order is by priority and then by scheduling.
EXIT = -1.0
CHANGE = 0.5
RELEASE = 1.0
GRANT = 1.5
SLOT_QUEUE = 2.0
ROOM_QUEUE = 2.0**40  # after every slot queue: a patient may pass through a slot in no time


class At(simpy.Event):
    """An event at an absolute time.

    SimPy's timeout adds a delay to the present, which rounds; histories must not depend on when an event
    was scheduled.
    """

    def __init__(self, env: simpy.Environment, time: float, priority: float) -> None:
        self.env = env
        self.callbacks: list[Callable[[simpy.Event], None]] = []
        self._value: Any = None
        self._ok = True
        self._defused = False
        entry: tuple[float, Any, int, simpy.Event] = (time, priority, next(env._eid), self)
        heappush(env._queue, entry)


class PlaceRequest(Request):
    """A request for a place at a station; `number` is set with the grant, 0 where places are unlimited."""

    number = 0


class Station(simpy.Resource):
    """Numbered places served first come, first served; the lowest free number is granted.

    Parameters
    ----------
    places
        How many there are, and from when on; infinity for unlimited ones, which are not numbered.

    Notes
    -----
    Where there are fewer from a day on than are in use, nobody has to leave: places are granted again when
    fewer are in use than there are then.
    """

    def __init__(self, env: simpy.Environment, places: Timetable) -> None:
        super().__init__(env, places.most)  # type: ignore[arg-type]
        self._numbered = not math.isinf(places.most)
        self._free = list(range(1, int(places.most) + 1)) if self._numbered else []
        self._capacity = places.counts[0]
        for day, count in zip(places.days[1:], places.counts[1:], strict=True):
            At(env, day, CHANGE).callbacks.append(partial(self._change, count))

    def _change(self, count: float, _event: simpy.Event) -> None:
        """Have another number of places from now on; new ones are granted as if they were just released."""
        added, self._capacity = count - self._capacity, count
        # One after the other: a stay of no time ends before the next grant.
        for _ in range(min(max(int(added), 0), len(self.put_queue))):
            self._grant_soon()

    def ask(self) -> PlaceRequest:
        """Queue for a place."""
        return PlaceRequest(self)

    def leave(self, place: PlaceRequest) -> None:
        """Give a place back, or leave the queue."""
        if not place.triggered:
            place.cancel()
            return
        # What SimPy's release does, without an event of its own that nobody waits for.
        self.users.remove(place)
        if self._numbered:
            heappush(self._free, place.number)
        if self.put_queue:
            self._grant_soon()

    def _grant_soon(self) -> None:
        """Grant a free place, if any, to who is first in the queue, after every release of this moment."""
        At(self._env, self._env.now, GRANT).callbacks.append(lambda _: self._trigger_put(None))

    def leave_at(self, time: float, place: PlaceRequest) -> None:
        """Give a place back at a later time."""
        At(self._env, time, RELEASE).callbacks.append(lambda _: self.leave(place))

    def _do_put(self, event: Request) -> None:
        super()._do_put(event)
        if self._numbered and event.triggered and isinstance(event, PlaceRequest):
            event.number = heappop(self._free)
