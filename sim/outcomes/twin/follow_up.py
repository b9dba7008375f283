"""The expected mean follow-up of a trial: reinfusion to death or data cut, exactly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sim.outcomes.counting import ratio
from sim.outcomes.twin import quadrature
from sim.outcomes.twin.hazards import Hazards, TimePoints
from sim.outcomes.twin.parameter_sets import sets_of
from sim.outcomes.twin.quadrature import Law, Piecewise
from sim.scenario.distributions import Distribution, Floats
from sim.scenario.schema import DAYS_PER_YEAR

_ORDER = 15
_ARRIVAL_ORDER = 41


@dataclass(frozen=True)
class AplasiaLength:
    """The length of aplasia, for integrals over it at given times since reinfusion.

    ``marks`` are the lengths that matter at all times; at time t so do t and t less the days from the onset
    of a fatal infection to death.
    """

    duration: Distribution
    marks: tuple[float, ...]
    days_to_death: float
    order: int

    def laws(self, cuts: Iterable[tuple[float, ...]]) -> list[Law]:
        """Return the law for each of some cuts, as Gauss rules between what matters and the cut."""
        breaks = [sorted({*self.marks, *cut}) for cut in cuts]
        pieces = [(quadrature.law_of(self.duration, 2 * self.order, ends), ends) for ends in breaks]
        return quadrature.compress_each_between(pieces, self.order)


@lru_cache(maxsize=64)
def usual_law(aplasia: AplasiaLength) -> Law:
    """Return the law of the length of aplasia that suits most times."""
    return aplasia.laws([()])[0]


@lru_cache(maxsize=16)
def _laws_at(aplasia: AplasiaLength, times: tuple[float, ...]) -> list[Law]:
    """Return the laws of aplasia that suit some times: dear, and the same wherever later times are."""
    return aplasia.laws((time, time - aplasia.days_to_death) for time in times)


@lru_cache(maxsize=16)
def _lengths_at(aplasia: AplasiaLength, times: tuple[float, ...]) -> tuple[NDArray[np.intp], Law]:
    """Return for each time the law of aplasia that suits it: number of the time, and one long law."""
    since = np.array(times) - aplasia.days_to_death
    over = aplasia.duration.cdf(since) == 1
    laws = [usual_law(aplasia)] * len(times)
    early = np.flatnonzero(~over)
    for number, law in zip(early, _laws_at(aplasia, tuple(times[k] for k in early)), strict=True):
        laws[number] = law
    return np.repeat(np.arange(len(times)), [law.values.size for law in laws]), quadrature.join(laws)


@dataclass(frozen=True, eq=False)
class DayPanels:
    """Days since some event between whose edges all is smooth, and what no hazard changes there."""

    edges: Floats
    at: TimePoints
    weights: Floats
    others: Floats
    """Background survival, shape (panels, points, times of the event)."""

    def averaged(self, values: Floats) -> Floats:
        """Return values at `at` averaged over the length of aplasia, shape (sets, points)."""
        starts = np.searchsorted(self.at.number, np.arange(self.at.distinct.size))
        return np.asarray(np.add.reduceat(values * self.weights, starts, axis=-1))

    def integrals(self, until: Floats) -> Floats:
        """Return by what values at the points are multiplied to integrate them from 0 to some days.

        The functions integrated are those that interpolate between the points of a panel; the integral up to
        a day below 0 is none, and shape is (points, days).
        """
        width = np.diff(self.edges)[:, None]
        share = np.clip((until - self.edges[:-1, None]) / width, 0.0, 1.0)
        unit = self._cardinals.antiderivative().coefficients[:, 0]
        integrals = np.polynomial.chebyshev.chebvander(2 * share - 1, len(unit) - 1) @ unit
        integrals = np.moveaxis(integrals * width[..., None], -1, 1)
        return integrals.reshape(self.at.distinct.size, until.size)

    def between(self, values: Floats, days: Floats) -> Floats:
        """Interpolate values at the points, shape (sets, points), to some days."""
        panel = np.clip(np.searchsorted(self.edges, days, side="right") - 1, 0, self.edges.size - 2)
        share = (days - self.edges[panel]) / np.diff(self.edges)[panel]
        unit = self._cardinals.coefficients[:, 0]
        cardinals = np.polynomial.chebyshev.chebvander(2 * share - 1, len(unit) - 1) @ unit
        return quadrature.dot(values.reshape(len(values), self.edges.size - 1, -1)[:, panel], cardinals)

    @property
    def _cardinals(self) -> Piecewise:
        """The functions on (0, 1) that are 1 at one of the points of a panel, and 0 at the others."""
        return Piecewise.through(np.array([0.0, 1.0]), np.eye(self.others.shape[1])[None])


@lru_cache(maxsize=8)
def panels_of(
    aplasia: AplasiaLength,
    background: Piecewise,
    times: tuple[float, ...],
    days: tuple[float, ...],
    order: int,
    layers: tuple[float, ...] = (),
) -> DayPanels:
    """Return panels: days are the start of relapse, the end of late infections, and that of the panels."""
    (start, late_until, cut), delay, lengths = (
        days,
        aplasia.days_to_death,
        quadrature.spread_of(aplasia.duration),
    )
    birthdays = background.edges[1:] * DAYS_PER_YEAR - min(times)
    ends = [0.0, delay, start, start + 1, start + 8, late_until, late_until + delay, cut]
    sudden = np.add.outer([*ends, *lengths, *(lengths + delay)], layers).ravel()
    edges = np.unique(np.concatenate([birthdays, lengths, lengths + delay, ends, sudden]))
    edges = edges[(edges >= 0) & (edges <= cut)]
    points = quadrature.panel_points(edges, order)
    number, law = _lengths_at(aplasia, tuple(points.ravel().tolist()))
    others = background((points[..., None] + np.array(times)) / DAYS_PER_YEAR)
    return DayPanels(edges, TimePoints(points.ravel(), number, law.values), law.weights, others)


@dataclass(frozen=True)
class Accrual:
    """Patients enrol at ``window u^(1 / power)`` with u uniform; powers have shape (sets, 1).

    ``cut`` is the data cut in days from study opening.
    """

    window: float
    power: Floats
    cut: float

    def arrived(self, day: Floats) -> Floats:
        """Return the share of patients who have arrived by each day, shape (sets, days)."""
        if self.window == 0:
            return np.ones((1, day.size))
        return np.asarray(np.clip(day / self.window, 0.0, 1.0) ** self.power)


def mean_follow_up(
    hazards: Hazards, aplasia: AplasiaLength, reinfusion: Law, background: Piecewise, accrual: Accrual
) -> Floats:
    """Return the mean follow-up in years among those reinfused before the cut; not a number if nobody is.

    With X the day of arrival and T the time to reinfusion it is
    ``E[(min(death, cut - X) - T); X + T < cut] / P(X + T < cut)``. Survival after reinfusion is integrated
    once up to every possible cut, then averaged over arrivals and the times to reinfusion.

    Parameters
    ----------
    hazards, aplasia
        What follows reinfusion.
    reinfusion
        The law of T in days, everything but background mortality survived; weights of shape (sets, times).
    background
        Background survival by years since enrolment.
    accrual
        How patients arrive, and the data cut.
    """
    cut = accrual.cut
    early = reinfusion.values < cut
    times, weights = reinfusion.values[early], np.compress(early, reinfusion.weights, axis=-1)
    if times.size == 0:
        return np.full(1, np.nan)
    enrolled_in_time = accrual.arrived(cut - times)
    reinfused = quadrature.dot(weights, enrolled_in_time * background(times / DAYS_PER_YEAR))
    days = (hazards.relapse.start, hazards.late_until, cut)
    panels = panels_of(
        aplasia, background, tuple(times.tolist()), days, quadrature.refined(_ORDER, hazards.refinement)
    )
    at, treated = panels.at, hazards.escapes_treatment(panels.at.times, panels.at.aplasia)
    share = panels.weights * treated * hazards.escapes_lupus(at)
    rule = quadrature.double_exponential(quadrature.refined(_ARRIVAL_ORDER, hazards.refinement))
    total = []
    for one, weight, arrived, power in sets_of(share, weights, enrolled_in_time, accrual.power):
        alive = np.bincount(at.number, one).reshape(*panels.others.shape[:2], 1)
        lived = Piecewise.through(panels.edges, alive * panels.others).antiderivative()
        u = arrived[:, None] * rule.nodes
        left = np.maximum(cut - accrual.window * u ** (1 / power) - times[:, None], 0.0)
        total.append(weight @ (arrived * (lived.paired(left) @ rule.weights)))
    return ratio(np.array(total), reinfused) / DAYS_PER_YEAR
