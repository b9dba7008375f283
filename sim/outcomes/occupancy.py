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
from sim.patient.fates import NEVER, last_arrival_day
from sim.scenario.distributions import Floats
from sim.scenario.schema import DAYS_PER_YEAR, PoissonArrivals, Scenario, TrialArrivals

Counts = NDArray[np.int32]

READ_REPLICATIONS = 1000
"""First replications that are read, day by day: more would say no more about a clinic's days."""

_DAYS_READ = 241
_DAYS_COUNTED = 240
"""Days, within the time that the clinic counts as open, on which Little's law is looked at."""


def is_limited(scenario: Scenario) -> bool:
    """Tell whether anybody might queue."""
    clinic = scenario.clinic
    return clinic.apheresis_slots != "unlimited" or clinic.isolation_rooms != "unlimited"


class Stays(NamedTuple):
    """When each patient begins and ends to count, shape (patients, replications); infinite if never."""

    begin: Floats
    end: Floats


class Census(NamedTuple):
    """A number over time: ``number[k]`` holds from ``day[k]`` until the next day."""

    day: Floats
    number: Counts


def stays(history: History) -> dict[str, Stays]:
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
        arrivals = scenario.arrivals
        self._open_from = arrivals.warm_up_days if isinstance(arrivals, PoissonArrivals) else 0.0
        self._open_until = last_arrival_day(scenario)
        open_days = self._open_until - self._open_from
        middles = (np.arange(_DAYS_COUNTED) + 0.5) / _DAYS_COUNTED
        self._counted_days: Floats = self._open_from + open_days * middles
        self.first: dict[str, Census] = {}
        """The first replication's own course, by series."""
        self._used: dict[str, list[Floats]] = {}
        self._counts: dict[str, list[Counts]] = {}
        self._present: dict[str, list[Floats]] = {}
        """Two rows: the mean number counted on some days, and how many patients were ever there."""

    def add(self, history: History) -> None:
        """Add some replications; those after the first `READ_REPLICATIONS` are left out."""
        room = max(READ_REPLICATIONS - self.replications, 0)
        if not room:
            return
        self.replications += min(history.death.shape[1], room)
        for name, whole in stays(history).items():
            stay = Stays(*(time[:, :room] for time in whole))
            self.first.setdefault(name, course(stay, 0))
            opened = np.maximum(np.where(stay.begin < NEVER, stay.begin, self._open_until), self._open_from)
            used = np.maximum(np.minimum(stay.end, self._open_until) - opened, 0.0)
            self._used.setdefault(name, []).append(np.sum(used, axis=0))
            counted = counts(stay, np.concatenate([self.days, self._counted_days]))
            self._counts.setdefault(name, []).append(counted[: self.days.size])
            seen = [np.mean(counted[self.days.size :], axis=0), np.sum(used > 0, axis=0)]
            self._present.setdefault(name, []).append(np.array(seen))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was added, as arrays by name, for `join`."""
        found: dict[str, NDArray[Any]] = {}
        for name, step in self.first.items():
            found[f"{name}.used"] = np.concatenate(self._used[name])
            found[f"{name}.counts"] = np.concatenate(self._counts[name], axis=1)
            found[f"{name}.present"] = np.concatenate(self._present[name], axis=1)
            found[f"{name}.first_day"], found[f"{name}.first_number"] = step
        return found

    def join(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Add what was added elsewhere: the replications that follow those added here."""
        names = [name.removesuffix(".used") for name in arrays if name.endswith(".used")]
        for name in names:
            first = Census(arrays[f"{name}.first_day"], arrays[f"{name}.first_number"])
            self.first.setdefault(name, first)
            self._used.setdefault(name, []).append(arrays[f"{name}.used"])
            self._counts.setdefault(name, []).append(arrays[f"{name}.counts"])
            self._present.setdefault(name, []).append(arrays[f"{name}.present"])
        self.replications += arrays[f"{names[0]}.used"].size

    def average(self, name: str) -> float:
        """Return a series' mean from the end of the warm-up to the last arrival; not a number if that is one.

        For rooms in use it is the endpoint ``room_occupancy``, over the replications read.
        """
        days = self.replications * (self._open_until - self._open_from)
        return float(np.sum(np.concatenate(self._used[name]))) / days if days > 0 else float("nan")

    def half_width(self, name: str) -> float:
        """Return half of the 95% Monte Carlo interval of `average`; not a number if one can't be told."""
        used, open_days = np.concatenate(self._used[name]), self._open_until - self._open_from
        if used.size < 2 or open_days <= 0:
            return float("nan")
        return 1.96 * float(used.std(ddof=1)) / open_days / math.sqrt(used.size)

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
        open_days, rows = self._open_until - self._open_from, []
        for name in self.first if open_days > 0 else ():
            used = np.concatenate(self._used[name])
            counted, present = np.concatenate(self._present[name], axis=1)
            difference = counted - used / open_days
            many = used.size
            row = {
                "series": name,
                "per_day": float(present.mean()) / open_days,
                "days": float(used.sum() / present.sum()) if present.any() else 0.0,
                "expected": float(used.mean()) / open_days,
                "counted": float(counted.mean()),
                "mc_se": float(difference.std(ddof=1)) / many**0.5 if many > 1 else float("nan"),
                "replications": many,
            }
            rows.append(row)
        names = ("series", "per_day", "days", "expected", "counted", "mc_se", "replications")
        return pd.DataFrame(rows, columns=list(names))

    def table(self) -> pd.DataFrame:
        """Return one row a series and day: mean, range over replications, and the first replication.

        The range is that of the 2.5% and 97.5% points.
        """
        parts = []
        for name in self.first:
            table = np.concatenate(self._counts[name], axis=1)
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
