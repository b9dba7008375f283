"""Cumulative incidences of competing causes in one trial, with standard errors (Aalen-Johansen)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sim.outcomes.observations import Counts, checked_reading_times, count
from sim.outcomes.survival import ConfType, CurveReading, at_times, confidence_limits, warn_if_weak
from sim.scenario.distributions import Floats

# The error takes a table of times by times; so many of its cells are held at once.
_CELLS = 1_000_000


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

    def intervals(
        self, cause: int, conf_type: ConfType = "log-log", conf_level: float = 0.95
    ) -> tuple[Floats, Floats]:
        """Return the pointwise lower and upper limits of one cause at the distinct times."""
        return confidence_limits(self.incidence[cause], self.std_error[cause], conf_type, conf_level)

    def read(
        self, cause: int, times: ArrayLike, conf_type: ConfType = "log-log", conf_level: float = 0.95
    ) -> CurveReading:
        """Read the incidence of one cause at given times, warning where few or none are at risk."""
        wanted = checked_reading_times(times)
        warn_if_weak(self.counts, self.survival, wanted, f"the incidence of cause {cause}")
        incidence = at_times(self.counts, self.incidence[cause], wanted, before=0.0, ending=self.survival)
        error = at_times(self.counts, self.std_error[cause], wanted, before=0.0, ending=self.survival)
        lower, upper = (
            at_times(self.counts, limit, wanted, before=0.0, ending=self.survival)
            for limit in self.intervals(cause, conf_type, conf_level)
        )
        return CurveReading(wanted, self.counts.at_risk_at(wanted), incidence, error, lower, upper)


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
    counts = count(time, cause, causes)
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
