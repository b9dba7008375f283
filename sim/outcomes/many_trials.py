"""Kaplan-Meier and competing incidences of many trials at once, as a trial would report them.

A patient's follow-up is one whole number that sorts by time and, at equal times, events before censorings:
the bits of the time with the last two replaced by what ended it. Two times that agree to one part in 10^15
count as equal by that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sim.scenario.distributions import Floats

FollowUps: TypeAlias = NDArray[np.int64]

MOST_CAUSES = 3
_CENSORED = np.int64(MOST_CAUSES)
_ABSENT = np.int64(np.iinfo(np.int64).max)  # ends in the bits of a censoring

# Day counts are sums of other day counts: a patient followed for exactly t is still at risk at t, and an
# event at exactly t has happened by t, whatever the last bits say.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Incidences:
    """Estimates of many trials; arrays have shape (times, trials), not a number where undefined."""

    survival: Floats
    """Kaplan-Meier estimate of having had no event by each time."""
    by_cause: tuple[Floats, ...]
    """Cumulative incidence of each cause by each time; with the survival they add to 1."""


def follow_ups(
    followed: Floats, events: Sequence[NDArray[np.bool_]], present: NDArray[np.bool_]
) -> FollowUps:
    """Return the follow-up of each patient as one sortable number.

    Parameters
    ----------
    followed
        Time to event or censoring, not negative, shape (patients, trials).
    events
        For each cause, at most three, who had it; of the others it was a censoring.
    present
        Who is in the trial.
    """
    keys: FollowUps = followed.view(np.int64) | _CENSORED
    for cause, had in enumerate(events):
        keys ^= np.multiply(had, _CENSORED ^ cause, dtype=np.int64)
    keys[~present] = _ABSENT
    return keys


def incidences(keys: Sequence[FollowUps], causes: int, times: Sequence[float]) -> Incidences:
    """Estimate survival (Kaplan-Meier) and cumulative incidences (Aalen-Johansen) of many trials.

    An estimate is undefined where nobody is at risk any more, unless everybody left has had the event.
    At equal times events come before censorings; events at one time give the usual tied estimate, because the
    factors telescope.

    Parameters
    ----------
    keys
        Follow-up of some patients after others, each of shape (patients, trials), from `follow_ups`.
    times
        Times at which to read the estimates, in the unit of the follow-up.

    Notes
    -----
    Kaplan EL, Meier P. J Am Stat Assoc 1958;53:457-481. Aalen OO, Johansen S. Scand J Stat 1978;5:141-150.
    """
    trials = np.concatenate([some.T for some in keys], axis=1)
    trials.sort(axis=1)
    size = np.count_nonzero(trials != _ABSENT, axis=1)
    events = _Events(trials, size)
    step = 1.0 / events.at_risk
    survival: Floats = _from(1.0, step)
    np.cumprod(1.0 - step, axis=1, out=survival[:, 1:])
    curves = [survival]
    if causes > 1:
        fails = survival[:, :-1] * step
        for cause in range(causes):
            curves.append(_from(0.0, step))
            np.cumsum(np.where(events.cause == cause, fails, 0.0), axis=1, out=curves[-1][:, 1:])
    last = np.where(size > 0, _time(trials[np.arange(size.size), size - 1]), -np.inf)
    read = np.empty((len(curves), len(times), size.size))
    first = np.arange(size.size) * survival.shape[1]
    for number, time in enumerate(times):
        at = first + np.count_nonzero(events.time <= time * (1 + _ROUNDING), axis=1)
        for values, curve in zip(read[:, number], curves, strict=True):
            np.take(curve.reshape(-1), at, out=values)
        defined = (last >= time * (1 - _ROUNDING)) | ((read[0, number] == 0) & (size > 0))
        read[:, number, ~defined] = np.nan
    by_cause = tuple(read[1:]) if causes > 1 else (1.0 - read[0],)
    return Incidences(read[0], by_cause)


def _from(start: float, step: Floats) -> Floats:
    """Return room for a curve over the events of each trial, with its value before the first."""
    curve = np.empty((step.shape[0], step.shape[1] + 1))
    curve[:, 0] = start
    return curve


class _Events:
    """The events of each trial in order, shape (trials, most events).

    Beyond a trial's own events there are some at no time, with infinitely many at risk: they change nothing.
    """

    def __init__(self, trials: FollowUps, size: NDArray[np.int64]) -> None:
        patients = trials.shape[1]
        where = np.flatnonzero((trials & _CENSORED) != _CENSORED)
        trial = where // max(patients, 1)
        number = np.bincount(trial, minlength=len(size))
        column = np.arange(where.size) - np.repeat(np.cumsum(number) - number, number)
        shape = (len(size), int(number.max(initial=0)))
        keys = trials.reshape(-1)[where]
        self.time, self.at_risk = np.full(shape, np.inf), np.full(shape, np.inf)
        self.cause = np.full(shape, _CENSORED)
        self.time[trial, column] = _time(keys)
        self.at_risk[trial, column] = size[trial] - (where - trial * patients)
        self.cause[trial, column] = keys & _CENSORED


def _time(keys: FollowUps) -> Floats:
    """Return the time of a follow-up, less the bits that say how it ended."""
    return (keys & ~_CENSORED).view(np.float64)
