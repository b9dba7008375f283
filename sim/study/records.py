"""Histories as tables for people and other programs: one row a patient, or one row an event.

Patients and replications are numbered from 1 here, as people name them; never is missing.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sim.clinic.history import History
from sim.clinic.states import ALIVE, Cause, Place
from sim.patient.fates import NEVER
from sim.scenario.distributions import Floats
from sim.scenario.schema import Scenario

_EVENTS = (
    ("enrolled", "enrolled", ""),
    ("mobilisation_infection", "mobilisation_infection", ""),
    ("queues_for_apheresis", "ready_for_harvest", ""),
    ("harvesting", "harvesting", "apheresis_slot"),
    ("recovering", "recovering", ""),
    ("queues_for_room", "waiting", ""),
    ("immunoablation", "immunoablation", "isolation_room"),
    ("reinfusion", "aplasia", "isolation_room"),
    ("aplasia_infection", "aplasia_infection", "isolation_room"),
    ("engraftment", "recovering_in_hospital", "isolation_room"),
    ("late_infection", "late_infection", ""),
    ("withdrawn", "withdrawn", ""),
    ("home", "home", ""),
    ("relapse", "relapse", ""),
    ("death", "death", ""),
    ("follow_up_ended", "follow_up_end", ""),
)
"""Event, array of the history that dates it, and the resource in use; in the order of the pathway."""

Columns: TypeAlias = dict[str, NDArray[Any]]
"""Arrays of one length by column name; text that is missing is empty."""


def patient_rows(
    history: History, numbers: NDArray[np.int64], scenario: Scenario, replications: int
) -> Columns:
    """Return the rows of ``patients.parquet`` for some replications.

    Parameters
    ----------
    numbers
        Numbers of the replications, from 1.
    replications
        Replications to keep, from the first of the study; rows of later ones are left out.
    """
    who, rows = _kept(history, numbers, replications)
    rows["age_years"] = history.age.T[who]
    rows["female"] = history.female.T[who]
    for place in Place:
        rows[f"{place.value}_time"] = _times(getattr(history, place.value), who)
    rows["relapse_time"] = _times(history.relapse, who)
    rows["death_time"] = _times(history.death, who)
    causes = np.array([cause.name.lower() for cause in Cause] + [""])
    rows["death_cause"] = causes[history.cause.T[who]]  # ALIVE is -1: the last
    # A patient never reinfused has nothing to respond to.
    rows["responds"] = (history.responds & history.reinfused).T[who]
    rows["withdrawn"] = (history.withdrawn < NEVER).T[who]
    rows["infections"] = history.infections.T[who]
    rows["sessions"] = history.sessions.T[who].astype(np.int32)
    infused = np.where(history.reinfused, history.collected * scenario.harvest.selection_recovery, np.nan)
    rows["cd34_infused"] = infused.T[who]
    room = history.room.T[who]
    rows["room"] = np.where(room > 0, room, np.nan)
    rows["follow_up_end"] = _times(history.follow_up_end, who)
    return rows


def event_rows(history: History, numbers: NDArray[np.int64], replications: int) -> Columns:
    """Return the rows of ``events.parquet`` for some replications, by patient, time and pathway."""
    who, rows = _kept(history, numbers, replications)
    dead = history.death.T[who] < NEVER
    times = np.array([getattr(history, source).T[who] for _, source, _ in _EVENTS])
    times[-1][dead] = NEVER  # a patient leaves by one of the two exits
    order = np.argsort(times, axis=0, kind="stable")
    times = np.take_along_axis(times, order, axis=0)
    happened = (times < NEVER).T
    names = np.array([event for event, _, _ in _EVENTS], dtype=object)[order.T]
    cause = history.cause.T[who]
    causes = np.array([f"death_from_{cause.name.lower()}" for cause in Cause] + ["death"], dtype=object)
    names = np.where(names == "death", causes[np.where(cause == ALIVE, len(Cause), cause)][:, None], names)
    resources = np.array([resource for _, _, resource in _EVENTS], dtype=object)[order.T]
    room = history.room.T[who]
    numbered = np.array([f"isolation_room_{n}" if n else "isolation_room" for n in room], dtype=object)
    resources = np.where(resources == "isolation_room", numbered[:, None], resources)
    return {
        "replication": np.repeat(rows["replication"], happened.sum(axis=1)),
        "patient": np.repeat(rows["patient"], happened.sum(axis=1)),
        "time_days": times.T[happened],
        "event": names[happened].astype(np.str_),
        "resource": resources[happened].astype(np.str_),
    }


def _kept(
    history: History, numbers: NDArray[np.int64], replications: int
) -> tuple[NDArray[np.bool_], Columns]:
    """Return who is kept as (replications, patients), and the two columns that name them."""
    who = history.present.T & (numbers <= replications)[:, None]
    replication, patient = np.nonzero(who)
    return who, {"replication": numbers[replication], "patient": patient + 1}


def _times(days: Floats, who: NDArray[np.bool_]) -> Floats:
    return np.where(days.T[who] < NEVER, days.T[who], np.nan)
