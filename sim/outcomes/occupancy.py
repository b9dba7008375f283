"""How full the clinic is: rooms and slots in use, and who queues for them, from day to day.

A place is in use from its grant up to, and not including, the moment at which it is free again; so is a
queue. As in the endpoints, stays count up to the end of a patient's follow-up.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.clinic.history import History
from sim.patient.fates import NEVER, last_arrival_day
from sim.scenario.distributions import Floats
from sim.scenario.schema import DAYS_PER_YEAR, PoissonArrivals, Scenario, TrialArrivals

Counts = NDArray[np.int32]

RANGED_REPLICATIONS = 1000
"""First replications whose counts are kept, day by day, for the range over replications."""

_DAYS_READ = 241


def is_limited(scenario: Scenario) -> bool:
    """Tell whether anybody might queue."""
    clinic = scenario.clinic
    return clinic.apheresis_slots != "unlimited" or clinic.isolation_rooms != "unlimited"


class Stays(NamedTuple):
    """When each patient begins and ends to count, shape (patients, replications); infinite if never."""

    begin: Floats
    end: Floats


class Step(NamedTuple):
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


def course(stay: Stays, replication: int) -> Step:
    """Return one replication's count at every moment at which it changes, from day 0."""
    moments = np.concatenate([[0.0], stay.begin[:, replication], stay.end[:, replication]])
    days = np.unique(moments[moments < NEVER])
    return Step(days, counts(Stays(*(time[:, replication, None] for time in stay)), days)[:, 0])


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
    """The counts of many replications, chunk by chunk, in memory that does not grow with them."""

    def __init__(self, scenario: Scenario) -> None:
        self.days: Floats = np.linspace(0.0, last_day(scenario), _DAYS_READ)
        self.replications = 0
        arrivals = scenario.arrivals
        self._open_from = arrivals.warm_up_days if isinstance(arrivals, PoissonArrivals) else 0.0
        self._open_until = last_arrival_day(scenario)
        self._used: dict[str, float] = {}
        self.first: dict[str, Step] = {}
        """The first replication's own course, by series."""
        self._sums: dict[str, NDArray[np.int64]] = {}
        self._kept: dict[str, list[Counts]] = {}

    def add(self, history: History) -> None:
        """Add some replications."""
        room = max(RANGED_REPLICATIONS - self.replications, 0)
        self.replications += history.death.shape[1]
        for name, stay in stays(history).items():
            table = counts(stay, self.days)
            self.first.setdefault(name, course(stay, 0))
            opened = np.maximum(np.where(stay.begin < NEVER, stay.begin, self._open_until), self._open_from)
            used = float(np.sum(np.maximum(np.minimum(stay.end, self._open_until) - opened, 0.0)))
            self._used[name] = self._used.get(name, 0.0) + used
            total: NDArray[np.int64] = np.sum(table, axis=1, dtype=np.int64)
            self._sums[name] = self._sums[name] + total if name in self._sums else total
            if room:
                self._kept.setdefault(name, []).append(table[:, :room].copy())

    def average(self, name: str) -> float:
        """Return a series' mean from the end of the warm-up to the last arrival; not a number if that is one.

        For rooms in use it is the endpoint ``room_occupancy``.
        """
        days = self.replications * (self._open_until - self._open_from)
        return self._used[name] / days if days > 0 else float("nan")

    def table(self) -> pd.DataFrame:
        """Return one row a series and day: mean, range over replications, and the first replication.

        The range is that of the 2.5% and 97.5% points over the first `RANGED_REPLICATIONS`.
        """
        parts = []
        for name, total in self._sums.items():
            ranged = np.concatenate(self._kept[name], axis=1)
            lower, upper = np.quantile(ranged, (0.025, 0.975), axis=1, method="inverted_cdf")
            columns = {
                "series": name,
                "time_days": self.days,
                "mean": total / self.replications,
                "trial_lower": lower,
                "trial_upper": upper,
                "first_replication": ranged[:, 0],
            }
            parts.append(pd.DataFrame(columns))
        return pd.concat(parts, ignore_index=True)
