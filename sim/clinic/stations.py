"""Scarce places as SimPy resources, and events at absolute times under the stated tie rule.

At equal times: death, then the end of a stay and release, then entry to a queue in order of the patients'
numbers. What a release frees is granted after every release and before anyone enters a queue; who enters
while a place is free gets it at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

import simpy
from simpy.resources.resource import Request

# SimPy uses 0 and 1 for its own events; the order is by priority and then by scheduling.
EXIT = -1.0
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
    capacity
        Number of places; infinity for unlimited ones, which are not numbered.
    """

    def __init__(self, env: simpy.Environment, capacity: float) -> None:
        super().__init__(env, capacity)  # type: ignore[arg-type]
        self._numbered = not math.isinf(capacity)
        self._free = list(range(1, int(capacity) + 1)) if self._numbered else []

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
            At(self._env, self._env.now, GRANT).callbacks.append(lambda _: self._trigger_put(None))

    def leave_at(self, time: float, place: PlaceRequest) -> None:
        """Give a place back at a later time."""
        At(self._env, time, RELEASE).callbacks.append(lambda _: self.leave(place))

    def _do_put(self, event: Request) -> None:
        super()._do_put(event)
        if self._numbered and event.triggered and isinstance(event, PlaceRequest):
            event.number = heappop(self._free)
