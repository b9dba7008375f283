"""One trial as its report gives it: survival (Kaplan-Meier), competing incidences (Aalen-Johansen), medians.

Many trials at once, at given times and without intervals, are `sim.outcomes.many_trials`. Conventions are
those of R's package survival, with one exception: what is read later than the last patient was followed is
undefined, not carried forward, unless everybody had the event. Intervals are R's "log-log" ones.

Nearly equal times are one time, by the rule of `timefix` there: sorted distinct times whose gap is at most
1.5e-8 (the square root of the machine's precision), or at most 1.5e-8 of the mean of the distinct times, are
tied, and the earliest of them stands for all. Day counts are sums of other day counts, so that times which
are equal on paper differ in their last bits. Times at which a figure is read follow the same tolerance. At
equal times events come before censorings: who is censored at t was at risk at t.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from sim.scenario.distributions import Floats
from sim.scenario.problems import BeyondFollowUpWarning, FewAtRiskWarning

FEW_AT_RISK = 10
"""With fewer patients at risk an estimate moves by more than a tenth with the next event."""

# Times this near are one, and survival this close to a half is a half, as in R.
_PRECISION = float(np.sqrt(np.finfo(float).eps))
_ROUNDING = 1e-12
_Z95 = float(ndtri(0.975))
# The error of an incidence takes a table of times by times; so many of its cells are held at once.
_CELLS = 1_000_000


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


@dataclass(frozen=True, slots=True)
class CurveReading:
    """An estimate at given times; not a number where undefined."""

    times: Floats
    at_risk: Floats
    """Patients followed that long or longer."""
    estimate: Floats
    std_error: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True, slots=True)
class Median:
    """Median time to the event with its interval; not a number where not reached."""

    estimate: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class KaplanMeier:
    """Survival curve of one sample: arrays have one value for each distinct observed time."""

    counts: Counts
    survival: Floats
    """Estimate from each time until the next one; 1 before the first."""
    std_error: Floats
    """Greenwood's; not a number where survival is 0."""

    def intervals(self) -> tuple[Floats, Floats]:
        """Return the pointwise lower and upper limits at the distinct times."""
        return _confidence_limits(self.survival, self.std_error)

    def read(self, times: ArrayLike) -> CurveReading:
        """Read survival at given times, warning where few or none are at risk."""
        wanted = np.atleast_1d(np.asarray(times, dtype=float))
        _warn_if_weak(self.counts, self.survival, wanted, "survival")
        curves = (self.survival, self.std_error, *self.intervals())
        return _reading(self.counts, self.survival, wanted, curves, before=1.0)

    def median(self) -> Median:
        """Return the median by R's rule, with the interval that inverts the pointwise one.

        It is the first time with survival below a half. Where survival is exactly a half for a while, it is
        the middle of that while, if survival falls further, else its beginning (as R prints it; R's
        quantile takes the middle there too). The limits are the same rule applied to the limits of
        survival (Brookmeyer R, Crowley J. Biometrics 1982;38:29-41).
        """
        curves = (self.survival, *self.intervals())
        median, lower, upper = (_half_time(self.counts.times, curve) for curve in curves)
        if not np.isnan(median):
            _warn_if_weak(self.counts, self.survival, np.array([median]), "the median")
        return Median(median, lower, upper)


@dataclass(frozen=True, slots=True)
class CumulativeIncidences:
    """Incidence curves of one sample; arrays have one value for each distinct observed time."""

    counts: Counts
    survival: Floats
    """Estimate of having had no event; with the incidences it adds to 1."""
    incidence: Floats
    """Estimates from each time until the next one, shape (causes, times); 0 before the first."""
    std_error: Floats
    """Standard errors of the incidences, shape (causes, times)."""

    def intervals(self, cause: int) -> tuple[Floats, Floats]:
        """Return the pointwise lower and upper limits of one cause at the distinct times."""
        return _confidence_limits(self.incidence[cause], self.std_error[cause])

    def read(self, cause: int, times: ArrayLike) -> CurveReading:
        """Read the incidence of one cause at given times, warning where few or none are at risk."""
        wanted = np.atleast_1d(np.asarray(times, dtype=float))
        _warn_if_weak(self.counts, self.survival, wanted, f"the incidence of cause {cause}")
        curves = (self.incidence[cause], self.std_error[cause], *self.intervals(cause))
        return _reading(self.counts, self.survival, wanted, curves, before=0.0)


def kaplan_meier(time: ArrayLike, event: ArrayLike) -> KaplanMeier:
    """Estimate survival with Greenwood's standard error.

    Parameters
    ----------
    time
        Time to event or censoring, one for each patient.
    event
        True or 1 for an event, false or 0 for a censoring.

    Raises
    ------
    ValueError
        An array is empty, too long or too short, or holds a value that means nothing.

    Notes
    -----
    Kaplan EL, Meier P. J Am Stat Assoc 1958;53:457-481. Greenwood M. The natural duration of cancer. HMSO
    1926.
    """
    counts = counts_of(time, np.where(np.asarray(event, dtype=bool), 0, -1), 1)
    events, at_risk = counts.events[0], counts.at_risk
    survival = np.cumprod(1.0 - events / at_risk)
    left = np.where(at_risk > events, at_risk - events, np.nan)
    return KaplanMeier(counts, survival, survival * np.sqrt(np.cumsum(events / (at_risk * left))))


def aalen_johansen(time: ArrayLike, cause: ArrayLike, causes: int) -> CumulativeIncidences:
    """Estimate the cumulative incidence of each cause; several causes may strike at one time.

    Parameters
    ----------
    time
        Time to event or censoring, one for each patient.
    cause
        Cause of the event, 0 to causes - 1, or -1 for a censoring.

    Raises
    ------
    ValueError
        An array is empty, too long or too short, or holds a value that means nothing.

    Notes
    -----
    Aalen OO, Johansen S. Scand J Stat 1978;5:141-150. The variance is the infinitesimal jackknife, the sum
    over patients of their squared influence on the estimate, which R's survfit gives for competing risks
    (version 3 of survival; Jaeckel LA. The infinitesimal jackknife. Bell Laboratories 1972). For patients
    without weights who all start free of the event, it is the same as the Greenwood-type (delta-method)
    variance with multinomial ties (Andersen PK et al. Statistical Models Based on Counting Processes.
    Springer 1993, section IV.4): influences at different times are uncorrelated, so one sum gives both.
    """
    counts = counts_of(time, cause, causes)
    hazard = counts.events / counts.at_risk
    survival = np.cumprod(1.0 - counts.events.sum(axis=0) / counts.at_risk)
    survival_before = np.append(1.0, survival[:-1])
    incidence = np.cumsum(survival_before * hazard, axis=1)
    errors = [_std_error(counts, survival, incidence[k], k) for k in range(causes)]
    return CumulativeIncidences(counts, survival, incidence, np.array(errors))


def _std_error(counts: Counts, survival: Floats, incidence: Floats, cause: int) -> Floats:
    """Return the standard error at each distinct time from the influence of those who left at each."""
    happens = np.flatnonzero(counts.events.sum(axis=0) > 0)
    at_risk, events = counts.at_risk[happens], counts.events[:, happens].sum(axis=0)
    own = counts.events[cause, happens]
    weight = (np.append(1.0, survival)[happens] / at_risk) ** 2
    rest = survival[happens]
    variance = np.empty(len(incidence))
    blocks = max(1, len(incidence) * len(happens) // _CELLS)
    for rows in np.array_split(np.arange(len(incidence)), blocks):
        # The chance that this cause is still to come for who survived the earlier time: what another
        # event there takes away from the incidence.
        to_come = np.maximum(incidence[rows, None] - incidence[happens], 0.0)
        lost = np.divide(to_come, rest, out=np.zeros_like(to_come), where=rest > 0)
        mean = (own - lost * events) / at_risk
        squares = own * (1 - lost - mean) ** 2 + (events - own) * (lost + mean) ** 2
        squares += (at_risk - events) * mean**2
        earlier = happens <= rows[:, None]
        variance[rows] = np.sum(np.where(earlier, weight * squares, 0.0), axis=1)
    return np.sqrt(variance)


def counts_of(time: ArrayLike, cause: ArrayLike, causes: int) -> Counts:
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
    why = np.asarray(cause)
    if why.shape != follow_up.shape:
        raise ValueError(f"event or cause has shape {why.shape}, time {follow_up.shape}: give as many.")
    _refuse(why, ~np.isin(why, np.arange(-1, causes)), "cause", "is no cause: give -1 for a censoring")
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


def _refuse(values: NDArray[np.generic], wrong: NDArray[np.bool_], name: str, because: str) -> None:
    places: Sequence[int] = np.flatnonzero(wrong).tolist()
    if places:
        more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
        raise ValueError(f"{name}[{places[0]}] = {values[places[0]]}{more} {because}.")


def _confidence_limits(estimate: Floats, std_error: Floats) -> tuple[Floats, Floats]:
    """Return the 95% limits of probabilities, symmetric in log(-log); undefined at 0 and 1."""
    inside = np.where((estimate > 0) & (estimate < 1), estimate, np.nan)
    power = np.exp(-_Z95 * std_error / (inside * np.log(inside)))
    return inside**power, inside ** (1 / power)


def _reading(
    counts: Counts, survival: Floats, times: Floats, curves: Sequence[Floats], before: float
) -> CurveReading:
    """Read estimate, error and limits; undefined after the last observed time, unless all had the event."""
    at_risk, passed = counts.at_risk_at(times), counts.passed(times)
    defined = (at_risk > 0) | (survival[-1] == 0)
    firsts = (before, 0.0, before, before)
    read = [np.append(first, curve)[passed] for first, curve in zip(firsts, curves, strict=True)]
    return CurveReading(times, at_risk, *(np.where(defined, values, np.nan) for values in read))


def _warn_if_weak(counts: Counts, survival: Floats, times: Floats, what: str) -> None:
    """Warn of figures that are read beyond follow-up or with few at risk; say where they can be read."""
    at_risk, last = counts.at_risk_at(times), counts.times[-1]
    beyond = (at_risk == 0) & (survival[-1] > 0)
    if beyond.any():
        warnings.warn(
            f"{what} is read at {_listed(times[beyond])}, but the longest follow-up is {_below(last)}: it is"
            f" undefined there. Read it at {_below(last)} or earlier, or follow the patients longer.",
            BeyondFollowUpWarning,
            stacklevel=3,
        )
    few = (at_risk < FEW_AT_RISK) & ~beyond
    if few.any():
        enough = counts.times[counts.at_risk >= FEW_AT_RISK]
        earlier = f"Read it at {_below(enough[-1])} or earlier" if len(enough) else "Enrol more patients"
        warnings.warn(
            f"{what} is read at {_listed(times[few])} with {_listed(at_risk[few])} patients at risk, fewer"
            f" than {FEW_AT_RISK}. {earlier}, or give the number at risk and the interval with it.",
            FewAtRiskWarning,
            stacklevel=3,
        )


def _half_time(times: Floats, curve: Floats) -> float:
    low = curve < 0.5 + _PRECISION
    if not low.any():
        return float(np.nan)
    times, curve = times[low], curve[low]
    further = curve < curve[0]
    if abs(curve[0] - 0.5) < _PRECISION and further.any():
        return float((times[0] + times[further][0]) / 2)
    return float(times[0])


def _listed(numbers: Iterable[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)


def _below(time: float) -> str:
    """Write a time with three digits, or all before the point: rounded down, so that it is still followed."""
    if time <= 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(time)))
    return f"{math.floor(time * 10**decimals * (1 + _ROUNDING)) / 10**decimals:.15g}"
