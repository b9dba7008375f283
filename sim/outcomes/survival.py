"""Survival of one trial as its report gives it: Kaplan-Meier, median, restricted mean, numbers at risk.

Many trials at once, at given times and without intervals, are `sim.outcomes.many_trials`. Names of the
intervals and all conventions are those of R's package survival, with one exception: what is read later than
the last patient was followed is undefined, not carried forward, unless everybody had the event.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from sim.outcomes.observations import Counts, checked_events, checked_reading_times, count
from sim.scenario.distributions import Floats
from sim.scenario.problems import BeyondFollowUpWarning, FewAtRiskWarning

ConfType: TypeAlias = Literal["plain", "log", "log-log"]
"""On which scale the interval is symmetric: that of survival, its logarithm, or log(-log(survival))."""

FEW_AT_RISK = 10
"""With fewer patients at risk an estimate moves by more than a tenth with the next event."""

# Survival this close to a half is a half, as in R.
_HALF = float(np.sqrt(np.finfo(float).eps))
_ROUNDING = 1e-12


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
class RestrictedMean:
    """Mean time without event up to a horizon; not a number where follow-up ends before it."""

    horizon: float
    estimate: float
    std_error: float


@dataclass(frozen=True, slots=True)
class KaplanMeier:
    """Survival curve of one sample: arrays have one value for each distinct observed time."""

    counts: Counts
    survival: Floats
    """Estimate from each time until the next one; 1 before the first."""
    std_error: Floats
    """Greenwood's; not a number where survival is 0."""

    def intervals(self, conf_type: ConfType = "log-log", conf_level: float = 0.95) -> tuple[Floats, Floats]:
        """Return the pointwise lower and upper limits at the distinct times."""
        return confidence_limits(self.survival, self.std_error, conf_type, conf_level)

    def read(
        self, times: ArrayLike, conf_type: ConfType = "log-log", conf_level: float = 0.95
    ) -> CurveReading:
        """Read survival at given times, warning where few or none are at risk."""
        wanted = checked_reading_times(times)
        warn_if_weak(self.counts, self.survival, wanted, "survival")
        survival = at_times(self.counts, self.survival, wanted, before=1.0, ending=self.survival)
        error = at_times(self.counts, self.std_error, wanted, before=0.0, ending=self.survival)
        lower, upper = (
            at_times(self.counts, limit, wanted, before=1.0, ending=self.survival)
            for limit in self.intervals(conf_type, conf_level)
        )
        return CurveReading(wanted, self.counts.at_risk_at(wanted), survival, error, lower, upper)

    def median(self, conf_type: ConfType = "log-log", conf_level: float = 0.95) -> Median:
        """Return the median by R's rule, with the interval that inverts the pointwise one.

        It is the first time with survival below a half. Where survival is exactly a half for a while, it is
        the middle of that while, if survival falls further, else its beginning (as R prints it; R's
        quantile takes the middle there too). The limits are the same rule applied to the limits of
        survival (Brookmeyer R, Crowley J. Biometrics 1982;38:29-41).
        """
        lower, upper = self.intervals(conf_type, conf_level)
        median = _half_time(self.counts.times, self.survival)
        if not np.isnan(median):
            warn_if_weak(self.counts, self.survival, np.array([median]), "the median")
        return Median(median, _half_time(self.counts.times, lower), _half_time(self.counts.times, upper))

    def restricted_mean(self, horizon: float) -> RestrictedMean:
        """Return the area below the curve up to a horizon, with its standard error.

        The error adds the squared areas that are left after each event, weighted by Greenwood's terms (Klein
        JP, Moeschberger ML. Survival Analysis. 2nd ed. Springer 2003, section 4.5), as R does.
        """
        if not (np.isfinite(horizon) and horizon > 0):
            raise ValueError(f"horizon is {horizon}: give a time later than 0.")
        at_horizon = np.array([horizon])
        warn_if_weak(self.counts, self.survival, at_horizon, "the restricted mean")
        if np.isnan(at_times(self.counts, self.survival, at_horizon, before=1.0, ending=self.survival)[0]):
            return RestrictedMean(horizon, np.nan, np.nan)
        times = np.minimum(self.counts.times, horizon)
        steps = np.append(1.0, self.survival) * np.diff(np.concatenate([[0.0], times, [horizon]]))
        left = np.cumsum(steps[::-1])[::-1]
        # Where all had the event, Greenwood's term is infinite but no area is left.
        variance = np.sum(left[1:] ** 2 * np.nan_to_num(_greenwood_terms(self.counts)))
        return RestrictedMean(horizon, float(left[0]), float(np.sqrt(variance)))


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
    counts = count(time, checked_events(event), 1)
    survival = np.cumprod(1.0 - counts.events[0] / counts.at_risk)
    return KaplanMeier(counts, survival, survival * np.sqrt(np.cumsum(_greenwood_terms(counts))))


def confidence_limits(
    estimate: Floats, std_error: Floats, conf_type: ConfType, conf_level: float
) -> tuple[Floats, Floats]:
    """Return the limits of probabilities; undefined at 0 (log) and at 0 and 1 (log-log).

    The plain and log limits are cut at 0 and 1.
    """
    if not 0 < conf_level < 1:
        raise ValueError(f"conf_level is {conf_level}: give a share between 0 and 1, such as 0.95.")
    quantile = float(ndtri(0.5 + conf_level / 2))
    if conf_type == "plain":
        return np.maximum(estimate - quantile * std_error, 0), np.minimum(estimate + quantile * std_error, 1)
    if conf_type == "log":
        inside = np.where(estimate > 0, estimate, np.nan)
        factor = np.exp(quantile * std_error / inside)
        return inside / factor, np.minimum(inside * factor, 1)
    if conf_type == "log-log":
        inside = np.where((estimate > 0) & (estimate < 1), estimate, np.nan)
        power = np.exp(-quantile * std_error / (inside * np.log(inside)))
        return inside**power, inside ** (1 / power)
    raise ValueError(f"conf_type is {conf_type!r}: give one of {', '.join(get_args(ConfType))}.")


def at_times(counts: Counts, curve: Floats, times: Floats, before: float, ending: Floats) -> Floats:
    """Read a step function; undefined after the last observed time, unless `ending` is 0 by then."""
    values = np.append(before, curve)[counts.passed(times)]
    defined = (counts.at_risk_at(times) > 0) | (ending[-1] == 0)
    return np.where(defined, values, np.nan)


def warn_if_weak(counts: Counts, survival: Floats, times: Floats, what: str) -> None:
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


def _greenwood_terms(counts: Counts) -> Floats:
    events, at_risk = counts.events.sum(axis=0), counts.at_risk
    left = np.where(at_risk > events, at_risk - events, np.nan)
    terms: Floats = events / (at_risk * left)
    return terms


def _half_time(times: Floats, curve: Floats) -> float:
    low = curve < 0.5 + _HALF
    if not low.any():
        return float(np.nan)
    times, curve = times[low], curve[low]
    further = curve < curve[0]
    if abs(curve[0] - 0.5) < _HALF and further.any():
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
