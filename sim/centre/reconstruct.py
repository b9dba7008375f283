"""Patients out of a published Kaplan-Meier curve: times and events that reproduce the curve as it was read.

Guyot P, Ades AE, Ouwens MJNM, Welton NJ. BMC Med Res Methodol 2012;12:9, written from the paper's
description. Censoring is taken to be even between the times of which numbers at risk are published; how much
there was in each interval is what makes the number at risk come out at its end.

The paper takes points from where the curve falls. Of points at other times an event would be dated at the
first that shows it, and be counted as censored where a number at risk lies between: such points are told
apart, and events between two of them are spread evenly.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sim.outcomes.survival import KaplanMeier, kaplan_meier
from sim.scenario.distributions import Floats
from sim.scenario.refusals import refuse

READING_ERROR = 0.05
"""Of survival: points that rise by more are no misreading of a curve that never rises."""
_SLACK = 0.02
"""Of survival: what reading a curve to the pixel, and its printed line's width, leave open."""
_TRIES = 60
_NEIGHBOURS = 5
MOST_PATIENTS = 100_000
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class PublishedCurve:
    """A curve as it was read off, and its numbers at risk; times are days.

    Attributes
    ----------
    days, survival
        Points of the curve, from 1 at day 0, times rising and survival never.
    risk_days, at_risk
        When numbers at risk are published, from day 0, and how many they are.
    repairs
        What was changed of what was read, in words.
    spread
        Whether points are at times of the reader's choice, and not where the curve falls.
    """

    days: Floats
    survival: Floats
    risk_days: Floats
    at_risk: Floats
    repairs: tuple[str, ...] = ()
    spread: bool = False


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """Patients in the order of their times; arrays have one value each.

    Attributes
    ----------
    days
        Of the event or of the last contact.
    event
        Whether it is an event.
    published
        What they reproduce.
    """

    days: Floats
    event: NDArray[np.bool_]
    published: PublishedCurve

    @property
    def estimate(self) -> KaplanMeier:
        """Their own Kaplan-Meier curve."""
        return kaplan_meier(self.days, self.event)

    @property
    def largest_difference(self) -> float:
        """How far their curve is from the points at most."""
        own, points = self.estimate, self.published
        survival = np.append(1.0, own.survival)[own.counts.passed(points.days)]
        return float(np.max(np.abs(survival - points.survival)))


def published_curve(
    days: Sequence[float] | Floats, survival: Sequence[float] | Floats,
    risk_days: Sequence[float] | Floats, at_risk: Sequence[float] | Floats, unit_days: float = 1.0,
    *, spread: bool = False,
) -> PublishedCurve:  # fmt: skip
    """Return a curve made fit to be reconstructed; what is repaired for it is told, with its size.

    Points are put in the order of their times; of several at one time the lowest stands; survival that rises
    is replaced by the nearest curve that does not (least squares; Barlow RE et al. Statistical Inference
    under Order Restrictions. Wiley 1972).

    Parameters
    ----------
    unit_days
        Days of the unit in which times are told.
    spread
        Whether points are at times of the reader's choice; where numbers at risk lie between two, the curve
        is taken to fall evenly.

    Raises
    ------
    RequestError
        No Kaplan-Meier curve of so many patients can look like this; all that is wrong is in one list.
    """
    told: list[str] = []
    read, level = _in_order(np.asarray(days, dtype=float), np.asarray(survival, dtype=float), told)
    first, level = level[0], np.append(1.0, level[1:])
    falling = _falling(level, told)
    if first < 1:
        told.append(f"survival at time 0 was {first:g}, and is 1 there: moved by {1 - first:.2g}")
    risk, numbers = np.asarray(risk_days, dtype=float), np.asarray(at_risk, dtype=float)
    read, level, falling = _to_last_number(read, level, falling, risk, numbers, unit_days, spread, told)
    beyond = (numbers == 0) & (risk >= read[-1])  # nobody is left when the curve ends
    risk, numbers = risk[~beyond], numbers[~beyond]
    problems = [*_wrong_points(read, level, first, unit_days), *_wrong_numbers(risk, numbers, unit_days)]
    if not problems:
        problems = list(_wrong_together(read, falling, risk, numbers, unit_days))
    if problems:
        raise refuse(problems)
    if spread:
        every = np.union1d(read, risk)
        read, falling = every, np.interp(every, read, falling)
    return PublishedCurve(read, falling, risk, numbers, tuple(told), spread)


def _to_last_number(
    days: Floats, level: Floats, falling: Floats, risk: Floats, numbers: Floats, unit: float, spread: bool,
    told: list[str],
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """Return a curve that was read off to its last fall, flat to the last number at risk.

    It ends in print where it is flat. Points at times of the reader's choice end where he stopped, and a
    curve that has fallen to 0 has nobody left at risk: these are not extended.
    """
    last = float(risk[numbers >= 1].max(initial=0.0))
    if spread or len(days) < 2 or last <= days[-1] or falling[-1] <= 0:
        return days, level, falling
    told.append(
        f"the curve was read off to {days[-1] / unit:.6g} and is taken to be flat from there to "
        f"{last / unit:.6g}, the last number at risk; if it falls between, read it off to its end"
    )
    return np.append(days, last), np.append(level, level[-1]), np.append(falling, falling[-1])


def _in_order(days: Floats, level: Floats, told: list[str]) -> tuple[Floats, Floats]:
    """Return points from day 0 in the order of their times, of several at one time the lowest."""
    if (np.diff(days) < 0).any():
        told.append("points were not in the order of their times, and were sorted")
    order = np.lexsort((-level, days))
    days, level = days[order], level[order]
    lowest = np.append(np.diff(days) > 0, True)
    days, level = days[lowest], level[lowest]
    if not len(days) or days[0] > 0:
        days, level = np.append(0.0, days), np.append(1.0, level)
    return days, level


def _falling(level: Floats, told: list[str]) -> Floats:
    """Return the nearest curve that never rises."""
    from scipy.optimize import isotonic_regression

    nearest = np.asarray(isotonic_regression(level, increasing=False).x)
    moved = np.abs(nearest - level)
    if moved.max() <= _ROUNDING:
        return level
    points = int((moved > _ROUNDING).sum())
    told.append(f"survival rose between points: {points} moved, by {moved.max():.2g} at most")
    return np.where(moved > _ROUNDING, nearest, level)


def _wrong_points(days: Floats, level: Floats, first: float, unit: float) -> Iterator[str]:
    if len(days) < 2:
        yield "the curve has no points after time 0; read off more"
    if first < 1 - READING_ERROR:
        yield f"survival at time 0 is {first:g}; a Kaplan-Meier curve begins at 1"
    lowest = np.minimum.accumulate(level)
    for at in np.flatnonzero(level - lowest > READING_ERROR)[:3]:
        yield (
            f"survival rises to {level[at]:.3g} at {days[at] / unit:g} after {lowest[at]:.3g} before; "
            f"allowed: {READING_ERROR:g} at most, a reading error; are there points of another curve?"
        )


def _wrong_numbers(risk: Floats, numbers: Floats, unit: float) -> Iterator[str]:
    if not len(risk) or risk[0] != 0:
        first = "there is none" if not len(risk) else f"the first is at {risk[0] / unit:g}"
        yield f"numbers at risk: {first}; allowed: the first at time 0, of all patients"
    for day, number in zip(risk, numbers, strict=True):
        if not 1 <= number <= MOST_PATIENTS or number != int(number):
            allowed = f"a whole number from 1 to {MOST_PATIENTS:,} until the curve ends"
            yield f"at_risk {number:g} at {day / unit:g}; allowed: {allowed}"
    for (before, n), (day, following) in pairwise(zip(risk, numbers, strict=True)):
        if day <= before:
            yield f"numbers at risk: {day / unit:g} follows {before / unit:g}; allowed: rising times"
        if following > n:
            rise = f"from {n:g} at {before / unit:g} to {following:g} at {day / unit:g}"
            yield f"at_risk rises {rise}; it never does"


def _wrong_together(days: Floats, level: Floats, risk: Floats, numbers: Floats, unit: float) -> Iterator[str]:
    if risk[-1] > days[-1]:
        yield (
            f"numbers at risk go to {risk[-1] / unit:g}, and the curve was read off to {days[-1] / unit:g}; "
            "read it off to its end"
        )
        return
    before = level[np.maximum(np.searchsorted(days, risk, side="left") - 1, 0)]
    for (start, n, high), (end, left, low) in pairwise(zip(risk, numbers, before, strict=True)):
        fewest = n * (1 - low / high) if high > 0 else 0.0
        if fewest > n - left + 1 + _SLACK * n:
            falls = days[1:][(np.diff(level) < 0) & (days[1:] >= start) & (days[1:] < end)] / unit
            when = f"at {falls[0]:.6g}" if len(falls) == 1 else f"between {falls[0]:.6g} and {falls[-1]:.6g}"
            yield (
                f"{when} the curve falls from {high:.3g} to {low:.3g}, "
                f"which takes {fewest:.0f} events or more of {n:g} at risk at {start / unit:.6g}, and at "
                f"{end / unit:.6g} only {n - left:g} have left; are the numbers of another arm?"
            )


def reconstruct(published: PublishedCurve, events: int | None = None) -> Reconstruction:
    """Return patients that reproduce a curve and its numbers at risk.

    Parameters
    ----------
    events
        How many there were in all, where that is published: it tells how many were censored after the last
        number at risk. Without it they are taken to be as frequent as before.
    """
    risk, numbers = published.risk_days, published.at_risk.astype(int)
    left: list[float] = []
    times: list[float] = []
    km = 1.0
    for (start, n), (end, target) in pairwise(zip(risk, numbers, strict=True)):
        part = _Interval.of(published, int(n), km, float(start), float(end))
        leaving = int(n - target)
        censored = part.fitted(leaving)
        happened, km = part.play(part.spaced(censored), leaving)
        times += part.dated(happened)
        late = leaving - censored - sum(happened)
        left += [*part.spaced(censored), *[part.after] * late]
    last = _Interval.of(published, int(numbers[-1]), km, float(risk[-1]), np.inf)
    rate = len(left) / risk[-1] if risk[-1] > 0 else 0.0
    usual = min(round(rate * (last.end - last.start)), last.n)
    wanted = None if events is None else max(events - len(times), 0)
    censored = usual if wanted is None else last.with_events(wanted, usual)
    happened, _ = last.play(last.spaced(censored), last.n if wanted is None else wanted)
    times += last.dated(happened)
    censored = min(censored, last.n - sum(happened))
    left += [*last.spaced(censored), *[last.end] * (last.n - sum(happened) - censored)]
    exits = np.array([*times, *left])
    event = np.arange(len(exits)) < len(times)
    order = np.lexsort((~event, exits))
    return Reconstruction(exits[order], event[order], published)


@dataclass(frozen=True, slots=True)
class _Interval:
    """Points of the curve between two numbers at risk.

    Attributes
    ----------
    n
        At risk at its start.
    km
        The reconstructed survival there: rounding of events is not carried along.
    """

    n: int
    km: float
    days: Floats
    survival: Floats
    start: float
    end: float
    spread: bool

    @classmethod
    def of(cls, published: PublishedCurve, n: int, km: float, start: float, end: float) -> _Interval:
        """Return the part of a curve; a point at a number at risk shows what was before it, or is after."""
        days = published.days[1:]
        side: Literal["left", "right"] = "right" if published.spread else "left"
        first, last = np.searchsorted(days, np.array([start, end]), side=side)
        inside = slice(first, last)
        to = min(end, float(published.days[-1]))
        return cls(n, km, days[inside], published.survival[1:][inside], start, to, published.spread)

    @property
    def after(self) -> float:
        """A day after its last point, and before its end."""
        last = self.days[-1] if len(self.days) and self.days[-1] < self.end else self.start
        return float(last + self.end) / 2

    @property
    def _before(self) -> Floats:
        """The point before each, or the interval's start."""
        return np.append(self.start, self.days)[: len(self.days)]

    def dated(self, happened: Sequence[int]) -> list[float]:
        """Return the days of the events at each point, or spread evenly from the point before."""
        if not self.spread:
            return [day for day, n in zip(self.days.tolist(), happened, strict=True) for _ in range(n)]
        each = zip(self._before.tolist(), self.days.tolist(), happened, strict=True)
        return [a + (b - a) * (k + 0.5) / n for a, b, n in each for k in range(n)]

    def spaced(self, censored: int) -> list[float]:
        """Return the days of so many censorings, evenly apart."""
        apart = (self.end - self.start) / (censored + 1)
        return [self.start + apart * (k + 1) for k in range(censored)]

    def play(self, censored: Sequence[float], most: int) -> tuple[list[int], float]:
        """Return the events at each point that come nearest to the curve, and survival after the last.

        Parameters
        ----------
        most
            Events that there may be.
        """
        km, so_far, happened = self.km, 0, []
        days = (self._before + self.days) / 2 if self.spread else self.days
        gone = np.searchsorted(np.array(censored, dtype=float), days, side="left").tolist()
        for level, lost in zip(self.survival.tolist(), gone, strict=True):
            at_risk = self.n - so_far - lost
            events = 0
            if at_risk > 0 and km > 0:
                events = min(max(int(at_risk * (1 - level / km) + 0.5), 0), at_risk, most - so_far)
                km *= 1 - events / at_risk
            so_far += events
            happened.append(events)
        return happened, km

    def fitted(self, leaving: int) -> int:
        """Return how many were censored, so that with the events as many as are known leave.

        Where rounding lets no number give just that, the largest that lets too few leave: the rest are
        censored at the end.
        """
        drop = self.survival[-1] / self.km if len(self.survival) and self.km > 0 else 1.0
        censored = min(max(round(self.n * drop - (self.n - leaving)), 0), leaving)
        best, tried = (0, -1), set[int]()
        while censored not in tried and len(tried) < _TRIES:
            tried.add(censored)
            gone = censored + sum(self.play(self.spaced(censored), self.n)[0])
            if gone <= leaving:
                best = max(best, (gone, censored))
            censored = min(max(censored + leaving - gone, 0), leaving)
        return max(best[1], 0)

    def with_events(self, wanted: int, usual: int) -> int:
        """Return how many were censored that so many events come out, or the nearest to it.

        The more are censored, the fewer events there are, but for rounding: neighbours are looked at too.
        """

        def events(censored: int) -> int:
            return sum(self.play(self.spaced(censored), self.n)[0])

        found = bisect_left(range(self.n), -wanted, key=lambda each: -events(each))
        near = range(max(found - _NEIGHBOURS, 0), min(found + _NEIGHBOURS, self.n) + 1)
        return min(near, key=lambda each: (abs(events(each) - wanted), abs(each - usual)))
