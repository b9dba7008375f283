"""Where patients are, how remission ends and of what they die, over time: counts of the first replications.

Everybody's whole course counts, nobody is censored. Counts are summed up over replications as they come, so
that memory does not grow with their number; the sums are of whole numbers, and therefore exact in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sim.clinic.history import History
from sim.clinic.states import Cause, Place
from sim.outcomes.endpoints import FAILURES, View, events_by
from sim.outcomes.occupancy import READ_REPLICATIONS
from sim.patient.fates import NEVER, expected_patients
from sim.scenario.distributions import Floats
from sim.scenario.schema import DAYS_PER_YEAR, Scenario

Of: TypeAlias = Literal["reinfused", "enrolled", "disease", "place", "way"]

DEAD = "dead"
QUEUE = "queueing_for_apheresis"
DELAY = "waiting_for_the_day"
ACTIVE, REMISSION, RELAPSED = "active", "remission", "relapsed"
ARRIVED = "reinfused_by"
FREE = "disease_free_survival"

WHAT: Mapping[Of, tuple[str, ...]] = {
    "reinfused": (*FAILURES, FREE),
    "enrolled": tuple(cause.name.lower() for cause in Cause),
    "disease": (REMISSION, RELAPSED, ACTIVE, DEAD),
    "place": (Place.MOBILISING.value, QUEUE, *(place.value for place in list(Place)[1:]), DEAD),
    "way": (ARRIVED,),
}
"""What is counted: how remission ends, of the reinfused; causes of death, disease and place, of the enrolled;
of the reinfused again, who is reinfused by a day since enrolment."""

_OF_REINFUSED = ("reinfused", "way")


def names_of(of: Of, scenario: Scenario) -> tuple[str, ...]:
    """Return what is counted in a scenario: `WHAT`, and the delay before treatment where there is one."""
    return (DELAY, *WHAT[of]) if of == "place" and scenario.transplant.delayed else WHAT[of]


MOST_PATIENTS = 500_000
"""Patients that are read at most, for they are in memory at once."""

_YEAR_POINTS = 241
_LAST_DAY, _DAY_POINTS = 180.0, 361


def read_replications(scenario: Scenario) -> int:
    """Return how many of the first replications are read."""
    return max(1, min(READ_REPLICATIONS, MOST_PATIENTS // expected_patients(scenario)))


def days_of(of: Of, scenario: Scenario) -> Floats:
    """Return the days, since reinfusion or enrolment, on which patients are counted."""
    if of in ("place", "way"):
        delay = float(scenario.transplant.delay_days.quantile(np.array([0.5]))[0])
        return np.linspace(0.0, delay + _LAST_DAY, _DAY_POINTS)
    return np.linspace(0.0, scenario.follow_up.horizon_years, _YEAR_POINTS) * DAYS_PER_YEAR


class Courses:
    """Sums over replications of how many patients are what, by day.

    Attributes
    ----------
    replications : int
        How many were added.
    sums : dict
        By what the shares are of, shape (what, days, 6): the replications, and sums of the count, of its
        denominator, and of their squares and product, as `sim.study.estimates.MOMENTS` has them.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self.replications = 0
        self.sums: dict[Of, Floats] = {
            of: np.zeros((len(names_of(of, scenario)), days_of(of, scenario).size, 6)) for of in WHAT
        }

    def add(self, history: History) -> None:
        """Add some replications."""
        self.replications += history.death.shape[1]
        view = View(history, self._scenario)
        for of, counts in _COUNTS.items():
            among = view.reinfused if of in _OF_REINFUSED else view.enrolled
            size: Floats = np.sum(among, axis=0, dtype=np.float64)
            for number, counted in enumerate(counts(view, days_of(of, self._scenario))):
                self.sums[of][number] += _sums(counted, size)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was added, as arrays by name, for `join`."""
        sums: dict[str, NDArray[Any]] = {str(of): each for of, each in self.sums.items()}
        return {"replications": np.array(self.replications), **sums}

    def join(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Add what was added elsewhere."""
        self.replications += int(arrays["replications"])
        for of in self.sums:
            self.sums[of] += arrays[of]


def _sums(counted: Floats, size: Floats) -> Floats:
    """Return the sums of one series, shape (days, 6), from counts of shape (days, replications)."""
    sums = np.empty((len(counted), 6))
    sums[:, 0], sums[:, 2], sums[:, 5] = size.size, np.sum(size), size @ size
    sums[:, 1], sums[:, 3], sums[:, 4] = counted.sum(axis=1), (counted**2).sum(axis=1), counted @ size
    return sums


def alive_enrolled(view: View, years: Floats) -> Floats:
    """Count who of the enrolled is alive at some rising years since enrolment, in each replication.

    Returns
    -------
    array of shape (years + 3, replications)
        Then who is in remission at the last of them, who is on the way to reinfusion, and who enrolled.
    """
    history, days = view.history, years * DAYS_PER_YEAR
    size: Floats = np.sum(view.enrolled, axis=0, dtype=np.float64)
    left = np.minimum(np.minimum(history.aplasia, history.withdrawn), history.death)
    remission = next(_diseases(view, days[-1:]))
    dead, gone = (events_by(view.enrolled, history.enrolled, end, at)
                  for end, at in ((history.death, days), (left, days[-1:])))  # fmt: skip
    return np.concatenate([size - dead, remission, size - gone, size[None]])


def _failures(view: View, days: Floats) -> Iterator[Floats]:
    start, end = view.history.aplasia, view.disease_free_end
    free: Floats = np.sum(view.reinfused, axis=0, dtype=np.float64)
    for cause in view.failed():
        failed = events_by(cause, start, end, days)
        free = free - failed
        yield failed
    yield free


def _deaths(view: View, days: Floats) -> Iterator[Floats]:
    history = view.history
    for cause in Cause:
        died = view.enrolled & (history.cause == cause)
        yield events_by(died, history.enrolled, history.death, days)


def _diseases(view: View, days: Floats) -> Iterator[Floats]:
    history = view.history
    relapses = np.minimum(history.relapse, history.death)
    remits = np.where(history.responds, history.recovering_in_hospital, NEVER)
    in_remission = _between(view, remits, relapses, days)
    relapsed = _between(view, history.relapse, history.death, days)
    dead = events_by(view.enrolled, history.enrolled, history.death, days)
    yield in_remission
    yield relapsed
    yield np.sum(view.enrolled, axis=0, dtype=np.float64) - in_remission - relapsed - dead
    yield dead


def _places(view: View, days: Floats) -> Iterator[Floats]:
    history = view.history
    delay = [history.enrolled] if view.scenario.transplant.delayed else []
    entries = [*delay, history.mobilising, history.ready_for_harvest]
    entries += [getattr(history, place.value) for place in list(Place)[1:]]
    left = history.death
    counted = []
    for entered in reversed(entries):
        counted.append(_between(view, entered, left, days))
        left = np.minimum(left, entered)
    yield from reversed(counted)
    yield events_by(view.enrolled, history.enrolled, history.death, days)


def _way(view: View, days: Floats) -> Iterator[Floats]:
    yield events_by(view.reinfused, view.history.enrolled, view.history.aplasia, days)


def _between(view: View, begin: Floats, end: Floats, days: Floats) -> Floats:
    """Count who has begun and not ended by each day since enrolment."""
    enrolled, who = view.history.enrolled, view.enrolled & (begin < NEVER)
    return events_by(who, enrolled, begin, days) - events_by(who, enrolled, end, days)


_COUNTS: Mapping[Of, Callable[[View, Floats], Iterator[Floats]]] = {
    "reinfused": _failures,
    "enrolled": _deaths,
    "disease": _diseases,
    "place": _places,
    "way": _way,
}
