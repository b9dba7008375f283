"""The record that a simulator keeps of every patient, and what follows from it alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.clinic.states import Place
from sim.patient.fates import NEVER, TILE, Booleans, Fates, is_constant
from sim.scenario.distributions import Floats


class Course(NamedTuple):
    """One patient's course through the clinic; days from study opening, infinity for never."""

    mobilising: float
    ready_for_harvest: float
    harvesting: float
    recovering: float
    waiting: float
    immunoablation: float
    aplasia: float
    recovering_in_hospital: float
    home: float
    withdrawn: float
    relapse: float
    death: float
    cause: float
    room: float
    follow_up_end: float


@dataclass(frozen=True, slots=True)
class History:
    """What happened to some patients in some replications.

    Every array has shape (patients, replications); times are days from study opening and infinite where
    the thing had not happened by death or the end of follow-up.
    """

    mobilising: Floats
    ready_for_harvest: Floats
    harvesting: Floats
    recovering: Floats
    waiting: Floats
    immunoablation: Floats
    aplasia: Floats
    """The day of reinfusion."""
    recovering_in_hospital: Floats
    """The day of engraftment."""
    home: Floats
    withdrawn: Floats
    relapse: Floats
    death: Floats
    cause: NDArray[np.int8]
    room: NDArray[np.int32]
    follow_up_end: Floats
    enrolled: Floats
    age: Floats
    female: Booleans
    responds: Booleans
    mobilisation_infection: Floats
    aplasia_infection: Floats
    late_infection: Floats
    sessions: Floats
    """Apheresis sessions held."""
    collected: Floats
    """CD34+ cells from a completed harvest, before selection, million/kg; not a number elsewhere."""
    slot_days: Floats
    """Days at the apheresis slot, for who lives through them."""
    turnaround_days: Floats

    @property
    def present(self) -> Booleans:
        """Who enrolled at all (with Poisson arrivals the arrays are as long as the busiest replication)."""
        return self.enrolled < NEVER

    @property
    def reinfused(self) -> Booleans:
        """Who got the cells back."""
        return self.aplasia < NEVER

    @property
    def infections(self) -> NDArray[np.int64]:
        """Infections of each patient."""
        onsets = (self.mobilisation_infection, self.aplasia_infection, self.late_infection)
        count: NDArray[np.int64] = np.sum([onset < NEVER for onset in onsets], axis=0)
        return count

    def tiles(self) -> Iterator[History]:
        """Yield some patients of every replication after others, as views."""
        for first in range(0, len(self.death), TILE):
            yield self.patients(slice(first, first + TILE))

    def patients(self, which: slice) -> History:
        """Return some patients of every replication, as views."""
        return self._part(which, slice(None))

    def only(self, replications: slice) -> History:
        """Return a copy of some replications, which keeps nothing of the others in memory."""
        part = self._part(slice(None), replications)
        return History(**{name: getattr(part, name).copy() for name in columns_of(part)})

    def _part(self, patients: slice, replications: slice) -> History:
        return History(**{name: getattr(self, name)[patients, replications] for name in columns_of(self)})


PLACES = tuple(place.value for place in Place)
_CUT = (*PLACES, "ready_for_harvest", "withdrawn")
_DRAWN = ("enrolled", "age", "female", "responds", "slot_days", "turnaround_days")


def history_of(fates: Fates, courses: Sequence[Sequence[Course]]) -> History:
    """Join the fates and the courses of the same patients.

    Parameters
    ----------
    courses
        One sequence a replication, one course a patient.
    """
    replications, patients = len(courses), len(fates.enrolled)
    table = np.array(courses, dtype=np.float64).reshape(replications, patients, len(Course._fields))
    columns = {name: np.ascontiguousarray(table[:, :, k].T) for k, name in enumerate(Course._fields)}
    return complete(fates, columns)


def complete(fates: Fates, course: Mapping[str, NDArray[Any]]) -> History:
    """Add to the courses (name: array) what follows from them and the fates.

    Courses are cut where they are, which is faster than in new arrays: they are not the caller's any more.
    """
    last = np.minimum(course["death"], course["follow_up_end"])

    def by_the_end(time: Floats) -> Floats:
        if not is_constant(time):  # never, for everybody
            np.putmask(time, time > last, NEVER)
        return time

    # Stays go on after the end of follow-up, and keep rooms from others; the record does not.
    times: dict[str, Any] = {name: by_the_end(course[name]) for name in _CUT}
    completed = (times["recovering"] < NEVER) | (times["withdrawn"] < NEVER)
    sessions = np.where(completed, fates.sessions, 0.0)
    broken_off = np.flatnonzero((times["harvesting"] < NEVER) & ~completed)
    begun = times["harvesting"].reshape(-1)[broken_off]
    held = np.floor(last.reshape(-1)[broken_off] - begun)
    sessions.reshape(-1)[broken_off] = np.minimum(held, fates.sessions.reshape(-1)[broken_off])
    return History(
        **times,
        **{name: course[name] for name in ("relapse", "death", "follow_up_end")},
        **{name: getattr(fates, name) for name in _DRAWN},
        cause=course["cause"].astype(np.int8, copy=False),
        room=(course["room"] * (times["immunoablation"] < NEVER)).astype(np.int32, copy=False),
        mobilisation_infection=by_the_end(course["mobilising"] + fates.mobilisation_infection),
        aplasia_infection=by_the_end(course["aplasia"] + fates.aplasia_infection),
        late_infection=by_the_end(course["aplasia"] + fates.late_infection),
        sessions=sessions,
        collected=np.where(completed, fates.collected, np.nan),
    )


def joined(tiles: Sequence[History]) -> History:
    """Join the histories of some patients after others into one."""
    if len(tiles) == 1:
        return tiles[0]
    names = columns_of(tiles[0])
    return History(**{name: np.concatenate([getattr(some, name) for some in tiles]) for name in names})


def columns_of(history: History) -> tuple[str, ...]:
    """Return the names of the arrays of a history."""
    return tuple(f.name for f in fields(history))
