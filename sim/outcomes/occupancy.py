"""How full the clinic is: rooms and slots in use, and who queues for them, from day to day.

A place is in use from its grant up to, and not including, the moment at which it is free again; so is a
queue. As in the endpoints, stays count up to the end of a patient's follow-up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.clinic.history import History
from sim.outcomes.endpoints import open_days
from sim.patient.fates import NEVER, last_arrival_day
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import Endpoint
from sim.scenario.schema import DAYS_PER_YEAR, Scenario, TrialArrivals

Counts = NDArray[np.int32]

READ_REPLICATIONS = 1000
"""First replications that are read, day by day: more would say no more about a clinic's days."""

_DAYS_READ = 241
_KEPT = ("used", "counts", "present")
"""Time used while open; the number on each day; the mean number on some days, and how many are ever there."""
_DAYS_COUNTED = 240
"""Days, within the time that the clinic counts as open, on which Little's law is looked at."""


def is_limited(scenario: Scenario) -> bool:
    """Tell whether anybody might queue."""
    return any(_scarce(scenario).values())


def _scarce(scenario: Scenario) -> dict[str, bool]:
    clinic = scenario.clinic
    places = {"room": clinic.isolation_rooms, "slot": clinic.apheresis_slots}
    return {queue: number != "unlimited" for queue, number in places.items()}


def tells(endpoint: Endpoint, scenario: Scenario) -> bool:
    """Tell whether an endpoint has anything to tell of a clinic: waits do only where places are limited."""
    queue = endpoint.queue
    return not queue or _scarce(scenario).get(queue, is_limited(scenario))


class Stays(NamedTuple):
    """When each patient begins and ends to count, shape (patients, replications); infinite if never."""

    begin: Floats
    end: Floats


class Census(NamedTuple):
    """A number over time: ``number[k]`` holds from ``day[k]`` until the next day."""

    day: Floats
    number: Counts


def stays_by_series(history: History) -> dict[str, Stays]:
    """Return who is where: the keys are the names of the series, in the order of the pathway."""
    last = np.minimum(history.death, history.follow_up_end)
    slot_free = np.minimum(history.harvesting + history.slot_days, last)
    room_free = np.minimum(history.home, last) + history.turnaround_days
    spans = {
        "slot_queue": (history.ready_for_harvest, np.minimum(history.harvesting, last)),
        "slots_in_use": (history.harvesting, slot_free),
        "room_queue": (history.waiting, np.minimum(history.immunoablation, last)),
        "rooms_in_use": (history.immunoablation, room_free),
    }
    return {name: Stays(begin, np.where(begin < NEVER, end, NEVER)) for name, (begin, end) in spans.items()}


def counts(stay: Stays, days: Floats) -> Counts:
    """Return how many count on each day, shape (days, replications)."""
    table = np.empty((days.size, stay.begin.shape[1]), dtype=np.int32)
    for replication in range(table.shape[1]):
        begun = np.searchsorted(np.sort(stay.begin[:, replication]), days, side="right")
        ended = np.searchsorted(np.sort(stay.end[:, replication]), days, side="right")
        table[:, replication] = begun - ended
    return table


def course(stay: Stays, replication: int) -> Census:
    """Return one replication's count at every moment at which it changes, from day 0."""
    moments = np.concatenate([[0.0], stay.begin[:, replication], stay.end[:, replication]])
    days = np.unique(moments[moments < NEVER])
    return Census(days, counts(Stays(*(time[:, replication, None] for time in stay)), days)[:, 0])


def last_day(scenario: Scenario) -> float:
    """Return the day up to which occupancy is read: the last arrival, or for a trial its data cut.

    An open clinic goes on; how it would empty after the last arrival says nothing about it. A trial without
    a data cut is read for a year after its enrolment window.
    """
    last, cut = last_arrival_day(scenario), scenario.follow_up.data_cut_days
    if not isinstance(scenario.arrivals, TrialArrivals):
        return last
    return last + DAYS_PER_YEAR if cut == "none" else cut


class Occupancy:
    """The counts of the first replications, in memory that does not grow with their number."""

    def __init__(self, scenario: Scenario) -> None:
        self.days: Floats = np.linspace(0.0, last_day(scenario), _DAYS_READ)
        self.replications = 0
        self._open_from, self._open_until = open_days(scenario)
        self._days_open = self._open_until - self._open_from
        middles = (np.arange(_DAYS_COUNTED) + 0.5) / _DAYS_COUNTED
        self._counted_days: Floats = self._open_from + self._days_open * middles
        self.first: dict[str, Census] = {}
        """The first replication's own course, by series."""
        self._parts: dict[str, list[dict[str, NDArray[Any]]]] = {}
        """What is kept of some replications after others (`_KEPT`), by series; replications come last."""

    def add(self, history: History) -> None:
        """Add some replications; those after the first `READ_REPLICATIONS` are left out."""
        room = max(READ_REPLICATIONS - self.replications, 0)
        if not room:
            return
        self.replications += min(history.death.shape[1], room)
        for name, whole in stays_by_series(history).items():
            stay = Stays(*(time[:, :room] for time in whole))
            self.first.setdefault(name, course(stay, 0))
            opened = np.maximum(np.where(stay.begin < NEVER, stay.begin, self._open_until), self._open_from)
            used = np.maximum(np.minimum(stay.end, self._open_until) - opened, 0.0)
            counted = counts(stay, np.concatenate([self.days, self._counted_days]))
            days, seen = counted[: self.days.size], np.mean(counted[self.days.size :], axis=0)
            present = np.array([seen, np.sum(used > 0, axis=0)])
            kept = (np.sum(used, axis=0), days, present)
            self._parts.setdefault(name, []).append(dict(zip(_KEPT, kept, strict=True)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was added, as arrays by name, for `join`."""
        found: dict[str, NDArray[Any]] = {}
        for name, step in self.first.items():
            found |= {f"{name}.{what}": self._all(name, what) for what in _KEPT}
            found[f"{name}.first_day"], found[f"{name}.first_number"] = step
        return found

    def join(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Add what was added elsewhere: the replications that follow those added here."""
        names = [name.removesuffix(".used") for name in arrays if name.endswith(".used")]
        for name in names:
            first = Census(arrays[f"{name}.first_day"], arrays[f"{name}.first_number"])
            self.first.setdefault(name, first)
            self._parts.setdefault(name, []).append({what: arrays[f"{name}.{what}"] for what in _KEPT})
        self.replications += arrays[f"{names[0]}.used"].size

    def _all(self, name: str, what: str) -> NDArray[Any]:
        return np.concatenate([part[what] for part in self._parts[name]], axis=-1)

    def average(self, name: str) -> float:
        """Return a series' mean from the end of the warm-up to the last arrival; not a number if that is one.

        For rooms in use it is the endpoint ``room_occupancy``, over the replications read.
        """
        days = self.replications * self._days_open
        return float(np.sum(self._all(name, "used"))) / days if days > 0 else math.nan

    def half_width(self, name: str) -> float:
        """Return half of the 95% Monte Carlo interval of `average`; not a number if one can't be told."""
        used = self._all(name, "used")
        if used.size < 2 or self._days_open <= 0:
            return math.nan
        return 1.96 * float(used.std(ddof=1)) / self._days_open / math.sqrt(used.size)

    def littles_law(self) -> pd.DataFrame:
        """Return one row a series: how many were counted day by day, against rate times mean time.

        ``counted`` is the mean number on some days from the end of the warm-up to the last arrival;
        ``per_day`` is how many patients a day are ever there in that time, ``days`` how long each is there
        within it, and ``expected`` their product. The first comes from counting who is there, the others from
        adding up stays. ``mc_se`` is the standard error of the difference over replications.

        Notes
        -----
        Little JDC. Oper Res 1961;9:383-387; over a finite time: Oper Res 2011;59:536-549.
        """
        days, rows = self._days_open, []
        for name in self.first if days > 0 else ():
            used, (counted, present) = self._all(name, "used"), self._all(name, "present")
            difference, many = counted - used / days, used.size
            each = float(used.sum() / present.sum()) if present.any() else 0.0
            error = float(difference.std(ddof=1)) / many**0.5 if many > 1 else math.nan
            means = float(present.mean()) / days, each, float(used.mean()) / days, float(counted.mean())
            rows.append((name, *means, error, many))
        columns = ["series", "per_day", "days", "expected", "counted", "mc_se", "replications"]
        return pd.DataFrame(rows, columns=columns)

    def table(self) -> pd.DataFrame:
        """Return one row a series and day: mean, range over replications, and the first replication.

        The range is that of the 2.5% and 97.5% points.
        """
        parts = []
        for name in self.first:
            table = self._all(name, "counts")
            lower, upper = np.quantile(table, (0.025, 0.975), axis=1, method="inverted_cdf")
            columns = {
                "series": name,
                "time_days": self.days,
                "mean": np.sum(table, axis=1, dtype=np.int64) / self.replications,
                "trial_lower": lower,
                "trial_upper": upper,
                "first_replication": table[:, 0],
            }
            parts.append(pd.DataFrame(columns))
        return pd.concat(parts, ignore_index=True)
