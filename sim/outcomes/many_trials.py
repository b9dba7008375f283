"""Kaplan-Meier and competing incidences of many trials at once, as a trial would report them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.scenario.distributions import Floats

# Day counts are sums of other day counts: a patient followed for exactly t is still at risk at t.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Incidences:
    """Estimates of many trials; arrays have shape (times, trials), not a number where undefined."""

    survival: Floats
    """Kaplan-Meier estimate of having had no event by each time."""
    by_cause: tuple[Floats, ...]
    """Cumulative incidence of each cause by each time; with the survival they add to 1."""


def incidences(followed: Floats, cause: Floats, causes: int, times: Sequence[float]) -> Incidences:
    """Estimate survival (Kaplan-Meier) and cumulative incidences (Aalen-Johansen) of many trials.

    An estimate is undefined where nobody is at risk any more, unless everybody left has had the event.
    At equal times events come before censorings; events of one cause at one time give the usual tied
    estimate, because the factors telescope.

    Parameters
    ----------
    followed
        Time to event or censoring, shape (patients, trials); not a number for who is not in the trial.
    cause
        Cause of the event, 0 to causes - 1, or -1 for a censoring; same shape.
    times
        Times at which to read the estimates, in the unit of `followed`.

    Notes
    -----
    Kaplan EL, Meier P. J Am Stat Assoc 1958;53:457-481. Aalen OO, Johansen S. Scand J Stat 1978;5:141-150.
    """
    patients, trials = followed.shape
    absent = np.isnan(followed)
    # One sort does: at equal times a censoring is moved behind the events, by the least there is.
    key = np.where(absent, np.inf, np.where(cause < 0, np.nextafter(followed, np.inf), followed))
    order = np.argsort(key, axis=0, kind="stable")
    key = np.take_along_axis(key, order, axis=0)
    cause = np.where(np.isinf(key), -1, np.take_along_axis(cause, order, axis=0))

    size = np.sum(~absent, axis=0)
    at_risk = size - np.arange(patients)[:, None]
    step = np.where(cause >= 0, 1.0 / np.maximum(at_risk, 1), 0.0)
    survival = np.vstack([np.ones(trials), np.cumprod(1.0 - step, axis=0)])
    rising = [
        np.vstack([np.zeros(trials), np.cumsum(np.where(cause == k, survival[:-1] * step, 0.0), axis=0)])
        for k in range(causes)
    ]

    columns = np.arange(trials)
    passed = [np.sum(key <= time, axis=0) for time in times]
    defined = [
        (np.sum(key >= time * (1 - _ROUNDING), axis=0) > np.sum(absent, axis=0))
        | ((survival[count, columns] == 0) & (size > 0))
        for time, count in zip(times, passed, strict=True)
    ]

    def at_times(curve: Floats) -> Floats:
        read = [curve[count, columns] for count in passed]
        return np.where(defined, read, np.nan).reshape(len(times), trials)

    return Incidences(at_times(survival), tuple(at_times(curve) for curve in rising))
