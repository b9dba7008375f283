"""Histories as tables: one row a patient or an event, and what a study keeps for its figures alone.

Patients and replications are numbered from 1 here, as people name them; never is missing. Courses of single
patients, shares of patients over time and the course of a single clinic are what figures draw.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.clinic.history import PLACES, History
from sim.clinic.states import ALIVE, Cause, Place
from sim.outcomes.courses import WHAT, Courses, Of, days_of, names_of
from sim.outcomes.endpoints import open_days
from sim.outcomes.occupancy import Occupancy
from sim.patient.fates import NEVER
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import Key
from sim.scenario.schema import DAYS_PER_YEAR, Scenario
from sim.study.estimates import estimates

_EVENTS = (
    ("enrolled", "enrolled", ""),
    ("mobilising", "mobilising", ""),
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
    rows["counted"] = (history.enrolled >= open_days(scenario)[0]).T[who]
    rows["age_years"] = history.age.T[who]
    rows["female"] = history.female.T[who]
    if scenario.transplant.delayed:
        rows["enrolled_time"] = _times(history.enrolled, who)
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
    times[1][times[1] == times[0]] = NEVER  # told only where it is not enrolment itself
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


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of patients over time.

    Attributes
    ----------
    table : DataFrame
        Columns ``of, what, time_days, share, mc_lower, mc_upper``; see `sim.outcomes.courses.WHAT`.
    replications, patients, draws : int
        How many were counted, and under how many draws of a posterior; 0 if there are none.
    """

    table: pd.DataFrame
    replications: int
    patients: int
    draws: int = 0

    def of(self, *denominators: Of) -> pd.DataFrame:
        """Return the rows of some denominators, one after the other, in which there is a share."""
        known = self.table[self.table["share"].notna()]
        return pd.concat([known[known["of"] == each] for each in denominators], ignore_index=True)


def shares(parts: Sequence[Courses], scenario: Scenario) -> Shares:
    """Estimate the shares of a study.

    Parameters
    ----------
    parts
        One, or one for each draw of a posterior: then a draw counts as one replication, and the ratio of
        sums is the mean over draws, whose denominators hardly differ.
    """
    tables = []
    for of in WHAT:
        days, names = days_of(of, scenario), names_of(of, scenario)
        found = estimates(_sums_of(parts, of)[None], share=True).columns("share")
        del found["mc_se"]
        columns = {"what": np.repeat(names, days.size), "time_days": np.tile(days, len(names)), **found}
        tables.append(pd.DataFrame({"of": of, **columns}))
    replications = sum(part.replications for part in parts)
    patients = int(sum(part.sums["place"][0, 0, 2] for part in parts))
    draws = len(parts) if len(parts) > 1 else 0
    return Shares(pd.concat(tables, ignore_index=True), replications, patients, draws)


def _sums_of(parts: Sequence[Courses], of: Of) -> Floats:
    """Return one study's sums; of several draws, those in which each draw is one replication."""
    if len(parts) == 1:
        return parts[0].sums[of]
    y, x = (np.array([part.sums[of][..., column] for part in parts]) for column in (1, 2))
    products = [np.sum(one * other, axis=0) for one, other in ((y, y), (y, x), (x, x))]
    n = np.full(y.shape[1:], float(len(parts)))
    return np.stack([n, y.sum(axis=0), x.sum(axis=0), *products], axis=-1)


def incidence_data(shares: Shares) -> pd.DataFrame:
    """Return ``figures/incidence.csv``: ``of, what, time_years, share, mc_lower, mc_upper``."""
    table = shares.of("reinfused", "enrolled")
    table["time_days"] /= DAYS_PER_YEAR
    return table.rename(columns={"time_days": "time_years"})


def places_data(shares: Shares) -> pd.DataFrame:
    """Return ``figures/places.csv``: ``of, what, time_days, share, mc_lower, mc_upper``.

    ``way`` is of those reinfused, who is by a day since enrolment.
    """
    return shares.of("place", "disease", "way")


MOMENTS = (
    *PLACES,
    *("enrolled", "ready_for_harvest", "withdrawn", "relapse", "death", "follow_up_end"),
    *("mobilisation_infection", "aplasia_infection", "late_infection"),
)
"""What is told of a patient's course: the day from study opening of each, missing for never."""


def course_rows(history: History, patients: Iterable[int] | None = None) -> pd.DataFrame:
    """Return a row for each patient of the first replication: ``patient, responds, cause``, and `MOMENTS`.

    Parameters
    ----------
    patients
        Rows of the history's arrays; those that are not there are left out. By default, who enrolled.
    """
    enrolled = history.enrolled[:, 0]
    asked = range(len(enrolled)) if patients is None else patients
    who = np.array([each for each in asked if each < len(enrolled) and enrolled[each] < NEVER], dtype=int)
    cause = history.cause[who, 0]
    columns = {
        "patient": who + 1,
        "responds": history.responds[who, 0],
        "cause": ["" if code == ALIVE else Cause(code).name.lower() for code in cause.tolist()],
    }
    for name in MOMENTS:
        days = getattr(history, name)[who, 0]
        columns[name] = np.where(days < NEVER, days, np.nan)
    return pd.DataFrame(columns)


def first_courses(first: History, over_range: Sequence[History]) -> pd.DataFrame:
    """Return ``figures/swimmer.csv`` of a run: `course_rows` of its first replication, after ``point``.

    Point 0 is the scenario itself; the others are the values of its range, in order.
    """
    numbered = enumerate((first, *over_range))
    return pd.concat([addressed(course_rows(each), point=at) for at, each in numbered], ignore_index=True)


def paired_courses(pair: str, arms: Sequence[tuple[str, History]], patients: Sequence[int]) -> pd.DataFrame:
    """Return rows of ``figures/swimmer.csv`` of a comparison: `course_rows` after ``pair`` and ``scenario``.

    Parameters
    ----------
    pair
        Name of what is compared with the reference.
    arms
        Name and history of the reference and of that scenario.
    patients
        Whose fates differ, in the order in which they are shown; rows of the history's arrays.
    """
    tables = [addressed(course_rows(each, patients), pair=pair, scenario=name) for name, each in arms]
    return pd.concat(tables, ignore_index=True)


def first_clinic(occupancy: Occupancy) -> pd.DataFrame:
    """Return ``figures/rooms.csv``: ``series, time_days, number``, as the first clinic goes."""
    tables = [
        pd.DataFrame({"series": name, "time_days": census.day, "number": census.number})
        for name, census in occupancy.first.items()
    ]
    return pd.concat(tables, ignore_index=True)


def counted(shares: Shares | None, occupancy: Occupancy | None) -> dict[str, Any]:
    """Return what a manifest says, as ``counted``, of how many stand behind shares over time and queues.

    ``mean`` has for each series of ``occupancy.csv`` its average while the clinic is open, and half of its
    95% Monte Carlo interval; null where there is none.
    """
    found: dict[str, Any] = {}
    if shares is not None:
        found |= {"replications": shares.replications, "patients": shares.patients, "draws": shares.draws}
    if occupancy is not None:
        both = {name: (occupancy.average(name), occupancy.half_width(name)) for name in occupancy.first}
        found["clinics"] = occupancy.replications
        found["mean"] = {
            name: [None if math.isnan(value) else value for value in pair] for name, pair in both.items()
        }
    return found


def of_endpoint(table: pd.DataFrame, key: Key) -> pd.DataFrame:
    """Return the rows of one endpoint at the time at which it is read."""
    name, time = key
    same_time = table["time_years"].isna() if time is None else (table["time_years"] - time).abs() < 1e-9
    return table[(table["endpoint"] == name) & same_time]


def addressed(table: pd.DataFrame, **address: Any) -> pd.DataFrame:
    """Return a table with first columns that say what it is of."""
    return table.assign(**address)[[*address, *table.columns]]
