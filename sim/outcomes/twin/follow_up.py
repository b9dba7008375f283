"""The expected mean follow-up of a trial: reinfusion to death or data cut, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sim.outcomes.twin.after_reinfusion import Hazards
from sim.outcomes.twin.interpolation import Piecewise, panel_points
from sim.outcomes.twin.quadrature import Law, compress_between, double_exponential, join, law_of
from sim.scenario.distributions import Distribution, Floats
from sim.scenario.schema import DAYS_PER_YEAR, TrialArrivals

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

    def law(self, *more: float) -> Law:
        """Return the law, as Gauss rules between the lengths that matter."""
        breaks = sorted({*self.marks, *more})
        return compress_between(law_of(self.duration, 2 * self.order, breaks), breaks, self.order)

    def spread(self) -> Floats:
        """Return lengths between which survival is smooth enough for one panel."""
        return self.duration.quantile(special.ndtr(np.array([-7.0, -4.0, -2.0, 0.0, 2.0, 4.0, 7.0])))


@lru_cache(maxsize=16)
def _lengths_at(aplasia: AplasiaLength, times: tuple[float, ...]) -> tuple[NDArray[np.intp], Law]:
    """Return for each time the law of aplasia that suits it: number of the time, and one long law."""
    usual = aplasia.law()
    laws = []
    for t in times:
        over = aplasia.duration.cdf(np.array([t - aplasia.days_to_death]))[0] == 1
        laws.append(usual if over else aplasia.law(t, t - aplasia.days_to_death))
    return np.repeat(np.arange(len(times)), [law.values.size for law in laws]), join(laws)


def mean_follow_up(
    course: Hazards,
    aplasia: AplasiaLength,
    reinfusion: Law,
    background: Piecewise,
    arrivals: TrialArrivals,
    cut: float,
) -> float | None:
    """Return the mean follow-up in years among those reinfused before the cut; None if nobody is.

    With X the day of arrival and T the time to reinfusion it is
    ``E[(min(death, cut - X) - T); X + T < cut] / P(X + T < cut)``. Survival after reinfusion is integrated
    once up to every possible cut, then averaged over arrivals and the times to reinfusion.

    Parameters
    ----------
    course, aplasia
        What follows reinfusion.
    reinfusion
        The law of T in days, everything but background mortality survived.
    background
        Background survival by years since enrolment.
    arrivals, cut
        How patients arrive; the data cut in days from study opening.
    """
    early = reinfusion.values < cut
    times, weights = reinfusion.values[early], reinfusion.weights[early]
    enrolled_in_time = _arrived(arrivals, cut - times)
    reinfused = float(weights @ (enrolled_in_time * background(times / DAYS_PER_YEAR)))
    if reinfused <= 0:
        return None
    birthdays = background.edges[1:] * DAYS_PER_YEAR - times.min()
    edges = _edges(course, aplasia, birthdays, cut)
    points = panel_points(edges, _ORDER * course.refinement)
    number, law = _lengths_at(aplasia, tuple(points.ravel().tolist()))
    t, a = points.ravel()[number], law.values
    share = law.weights * course.escapes_treatment(t, a) * course.escapes_lupus(t, a)
    alive = np.asarray(np.bincount(number, share).reshape(points.shape))
    with_background = alive[..., None] * background((points[..., None] + times) / DAYS_PER_YEAR)
    lived = Piecewise.through(edges, with_background).antiderivative()
    rule = double_exponential(_ARRIVAL_ORDER * course.refinement)
    u = enrolled_in_time[:, None] * rule.nodes
    left = np.maximum(cut - arrivals.window_days * u ** (1 / arrivals.power) - times[:, None], 0.0)
    total = float(weights @ (enrolled_in_time * (lived.paired(left) @ rule.weights)))
    return total / reinfused / DAYS_PER_YEAR


def _edges(course: Hazards, aplasia: AplasiaLength, birthdays: Floats, cut: float) -> Floats:
    """Return panels on which survival after reinfusion is smooth."""
    delay, start = course.days_to_death, course.relapse.start
    lengths = aplasia.spread()
    kinks = [0.0, delay, start, start + 1, start + 8, course.late_until, course.late_until + delay, cut]
    edges = np.unique(np.concatenate([birthdays, lengths, lengths + delay, kinks]))
    return np.asarray(edges[(edges >= 0) & (edges <= cut)])


def _arrived(arrivals: TrialArrivals, day: Floats) -> Floats:
    """Return the share of patients who have arrived by each day."""
    if arrivals.window_days == 0:
        return np.ones_like(day)
    return np.asarray(np.clip(day / arrivals.window_days, 0.0, 1.0) ** arrivals.power)
