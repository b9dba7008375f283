"""What a trial observed, counted at the distinct times: the common ground of the survival estimators.

Nearly equal times are one time, by the rule of `timefix` in R's package survival: sorted distinct times
whose gap is at most 1.5e-8 (the square root of the machine's precision), or at most 1.5e-8 of the mean of
the distinct times, are tied, and the earliest of them stands for all. Day counts are sums of other day
counts, so that times which are equal on paper differ in their last bits. Times at which a figure is read
follow the same tolerance. At equal times events come before censorings: who is censored at t was at risk
at t.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.scenario.distributions import Floats

_PRECISION = float(np.sqrt(np.finfo(float).eps))


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of patients at each distinct observed time; arrays are as long as `times`."""

    times: Floats
    """Distinct times of events and censorings, rising."""
    at_risk: Floats
    """Patients followed at least that long."""
    events: Floats
    """Events by cause, shape (causes, times)."""
    tolerance: float
    """Times no further apart are one time."""

    def passed(self, times: Floats) -> NDArray[np.intp]:
        """Return how many distinct times are at or before each time."""
        return np.searchsorted(self.times, times + self.tolerance, side="right")

    def at_risk_at(self, times: Floats) -> Floats:
        """Return how many patients are still at risk at each time: followed that long or longer."""
        next_one = np.searchsorted(self.times, times - self.tolerance, side="left")
        return np.append(self.at_risk, 0.0)[next_one]


def count(time: ArrayLike, cause: ArrayLike, causes: int) -> Counts:
    """Count patients at risk and events at the distinct times.

    Parameters
    ----------
    time
        Time to event or censoring, one for each patient; 0 or later.
    cause
        Cause of the event, 0 to causes - 1, or -1 for a censoring.

    Raises
    ------
    ValueError
        An array is empty, too long or too short, or holds a value that means nothing.
    """
    follow_up, tolerance = checked_times(time)
    why = checked_causes(cause, causes, len(follow_up))
    times, place = np.unique(follow_up, return_inverse=True)
    leaving = np.bincount(place, minlength=len(times))
    at_risk = np.cumsum(leaving[::-1])[::-1].astype(float)
    events = np.array([np.bincount(place[why == k], minlength=len(times)) for k in range(causes)], float)
    return Counts(times, at_risk, events, tolerance)


def checked_times(time: ArrayLike) -> tuple[Floats, float]:
    """Return the times with near ties made equal, and the tolerance; refuse what is no time."""
    times = np.asarray(time, dtype=float)
    if times.ndim != 1 or len(times) == 0:
        raise ValueError(f"time has shape {times.shape}: give one time for each of one or more patients.")
    _refuse(times, ~np.isfinite(times), "time", "is not a finite number: leave out who was not followed")
    _refuse(times, times < 0, "time", "is negative: count time from the start of follow-up")
    distinct = np.unique(times)
    tolerance = _PRECISION * max(1.0, float(np.mean(distinct)))
    firsts = distinct[np.append(True, np.diff(distinct) > tolerance)]
    return firsts[np.searchsorted(firsts, times, side="right") - 1], tolerance


def checked_events(event: ArrayLike) -> NDArray[np.int_]:
    """Return events, given as true and false or 1 and 0, as causes 0 and -1."""
    happened = np.asarray(event)
    if happened.dtype != bool:
        numbers = np.asarray(happened, dtype=float)
        _refuse(numbers, ~np.isin(numbers, (0, 1)), "event", "is neither 1 (event) nor 0 (censoring)")
        happened = numbers == 1
    return np.where(happened, 0, -1)


def checked_causes(cause: ArrayLike, causes: int, patients: int) -> NDArray[np.int_]:
    """Return the causes as whole numbers; refuse unknown ones and another number of patients."""
    if causes < 1:
        raise ValueError(f"causes is {causes}: there is at least one cause.")
    numbers = np.asarray(cause, dtype=float)
    same_length(numbers, patients, "event or cause")
    unknown = ~np.isin(numbers, np.arange(-1, causes))
    _refuse(numbers, unknown, "cause", f"is no cause: give 0 to {causes - 1}, or -1 for a censoring")
    return numbers.astype(int)


def checked_labels(
    labels: ArrayLike, patients: int, name: str
) -> tuple[NDArray[np.generic], NDArray[np.intp]]:
    """Return the distinct labels of a grouping, sorted, and for each patient the place of its own."""
    given = np.asarray(labels)
    same_length(given, patients, name)
    if np.issubdtype(given.dtype, np.floating):
        _refuse(given, np.isnan(given), name, "is not a number: give every patient a label")
    distinct, place = np.unique(given, return_inverse=True)
    return distinct, place


def checked_reading_times(times: ArrayLike) -> Floats:
    """Return the times at which to read a figure; refuse what is no time."""
    wanted = np.atleast_1d(np.asarray(times, dtype=float))
    if wanted.ndim != 1:
        raise ValueError(f"times has shape {wanted.shape}: give one time or a list of times.")
    _refuse(wanted, ~(np.isfinite(wanted) & (wanted >= 0)), "times", "can't be read at: give 0 or later")
    return wanted


def same_length(array: NDArray[np.generic], patients: int, name: str) -> None:
    """Refuse an array that does not have one value for each patient."""
    if array.shape != (patients,):
        raise ValueError(f"{name} has shape {array.shape}, time has {patients} patients: give as many.")


def _refuse(values: NDArray[np.generic], wrong: NDArray[np.bool_], name: str, because: str) -> None:
    places: Sequence[int] = np.flatnonzero(wrong).tolist()
    if places:
        more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
        raise ValueError(f"{name}[{places[0]}] = {values[places[0]]}{more} {because}.")
