"""Kaplan-Meier and competing incidences of many trials at once, as a trial would report them.

A patient's follow-up is one whole number that sorts by time and, at equal times, events before censorings:
the bits of the time with the last three replaced by what ended it. Two times that agree to one part in 10^15
count as equal by that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sim.outcomes.counting import add_up
from sim.scenario.distributions import Floats

FollowUps: TypeAlias = NDArray[np.int64]

MOST_CAUSES = 7
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
        For each cause, at most seven, who had it; of the others it was a censoring.
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
    trials, size = _sorted(keys)
    events = _Events(trials, size)
    curves = [_running_product(events.step)]
    if causes > 1:
        fails = curves[0][:-1] * events.step
        for cause in range(causes):
            rises = np.zeros_like(curves[0])
            rises[1:] = np.where(events.cause == cause, fails, 0.0)
            curves.append(add_up(rises))
    last = np.where(size > 0, _time(trials[np.arange(size.size), size - 1]), -np.inf)
    read = np.empty((len(curves), len(times), size.size))
    columns = np.arange(size.size)
    for number, time in enumerate(times):
        at = np.add.reduce(events.time <= time * (1 + _ROUNDING), axis=0, dtype=np.intp)
        at *= size.size
        at += columns
        for values, curve in zip(read[:, number], curves, strict=True):
            np.take(curve.reshape(-1), at, out=values)
        defined = (last >= time * (1 - _ROUNDING)) | ((read[0, number] == 0) & (size > 0))
        read[:, number, ~defined] = np.nan
    by_cause = tuple(read[1:]) if causes > 1 else (1.0 - read[0],)
    return Incidences(read[0], by_cause)


def quantiles(keys: Sequence[FollowUps], shares: Sequence[float]) -> Floats:
    """Return by when, by Kaplan-Meier, some shares have had the event, shape (shares, trials).

    Not a number where the estimate never gets there.

    Parameters
    ----------
    keys
        Follow-up of some patients after others, from `follow_ups`, with one cause.
    """
    events = _Events(*_sorted(keys))
    left = _running_product(events.step)[1:]
    found = np.full((len(shares), left.shape[1]), np.nan)
    for row, share in zip(found, shares, strict=True):
        reached = left <= 1 - share + _ROUNDING
        at = np.flatnonzero(reached.any(axis=0))
        if at.size:
            row[at] = events.time[np.argmax(reached[:, at], axis=0), at]
    return found


def _sorted(keys: Sequence[FollowUps]) -> tuple[FollowUps, NDArray[np.intp]]:
    """Return follow-ups in order, one row a trial, and how many patients are in each."""
    trials = np.empty((keys[0].shape[1], sum(len(some) for some in keys)), dtype=np.int64)
    size = np.zeros(len(trials), dtype=np.intp)
    first = 0
    for some in keys:
        trials[:, first : first + len(some)] = some.T
        size += np.add.reduce(some != _ABSENT, axis=0, dtype=np.intp)
        first += len(some)
    trials.sort(axis=1)
    return trials, size


def _running_product(step: Floats) -> Floats:
    """Return survival before and after each event of each trial, one row more than there are events."""
    survival: Floats = np.ones((step.shape[0] + 1, step.shape[1]))
    stays = 1.0 - step
    for event, survives in enumerate(stays):  # row by row, which is faster than NumPy's own along columns
        np.multiply(survival[event], survives, out=survival[event + 1])
    return survival


class _Events:
    """The events of each trial in order, shape (most events, trials).

    Beyond a trial's own events there are some at no time, of which nobody of those at risk has one.
    """

    def __init__(self, trials: FollowUps, size: NDArray[np.intp]) -> None:
        patients = trials.shape[1]
        had = (trials & _CENSORED) != _CENSORED
        number = np.add.reduce(had, axis=1, dtype=np.intp)
        where = np.flatnonzero(had)
        trial = np.repeat(np.arange(size.size), number)
        # Position among the events: row by row, as they are found.
        row = np.arange(where.size) - np.repeat(np.cumsum(number) - number, number)
        keys = np.take(trials.reshape(-1), where)
        place = row * size.size + trial
        shape = (int(number.max(initial=0)), size.size)
        self.time, self.step = np.full(shape, np.inf), np.zeros(shape)
        self.cause = np.full(shape, _CENSORED)
        self.time.reshape(-1)[place] = _time(keys)
        self.step.reshape(-1)[place] = 1.0 / (np.repeat(size, number) - (where - trial * patients))
        self.cause.reshape(-1)[place] = keys & _CENSORED


def _time(keys: FollowUps) -> Floats:
    """Return the time of a follow-up, less the bits that say how it ended."""
    return (keys & ~_CENSORED).view(np.float64)
