"""Estimates from replications, with both kinds of uncertainty.

Monte Carlo error says how far more replications could move an estimate; the trial range says how far one
trial of this size may lie from it. They are never mixed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from sim.scenario.distributions import Floats

Z95 = float(stats.norm.ppf(0.975))


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over replications of totals y and sizes x, in the order in which they were added."""

    n: int = 0
    y: float = 0.0
    x: float = 0.0
    yy: float = 0.0
    xy: float = 0.0
    xx: float = 0.0

    def plus(self, total: Floats, size: Floats) -> Moments:
        """Add replications; both arrays have shape (replications,)."""
        return Moments(
            self.n + total.size,
            self.y + float(np.sum(total)),
            self.x + float(np.sum(size)),
            self.yy + float(np.sum(total * total)),
            self.xy + float(np.sum(total * size)),
            self.xx + float(np.sum(size * size)),
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """A ratio of sums over replications with its Monte Carlo error; not a number where undefined."""

    value: float
    se: float
    lower: float
    upper: float


def ratio_estimate(moments: Moments, *, share: bool) -> Estimate:
    """Estimate y / x with the ratio estimator's standard error over replications.

    A share gets Wilson's interval with the effective number that the standard error implies; where the
    error vanishes (nobody, or everybody) or is unknown (one replication), with the number of patients.
    A mean gets the normal interval.

    Notes
    -----
    Cochran WG. Sampling Techniques, 3rd ed, 1977, section 6.3. Wilson EB. J Am Stat Assoc 1927;22:209-212.
    """
    m, nan = moments, float("nan")
    if m.x <= 0:
        return Estimate(nan, nan, nan, nan)
    value, se = m.y / m.x, nan
    if m.n > 1:
        squares = max(m.yy - 2 * value * m.xy + value * value * m.xx, 0.0)
        se = float(np.sqrt(squares / (m.n * (m.n - 1)))) / (m.x / m.n)
    if not share:
        return Estimate(value, se, value - Z95 * se, value + Z95 * se)
    spread = value * (1 - value)
    effective = spread / se**2 if se > 0 and spread > 0 else m.x
    return Estimate(value, se, *wilson(value, effective))


def wilson(share: float, n: float) -> tuple[float, float]:
    """Return Wilson's 95% interval of a share of n."""
    scale = 1 + Z95**2 / n
    middle = (share + Z95**2 / (2 * n)) / scale
    half = Z95 * float(np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n * n))) / scale
    return max(middle - half, 0.0), min(middle + half, 1.0)


def clopper_pearson(events: int, n: int) -> tuple[float, float]:
    """Return the exact 95% interval of a published count: events of n.

    Notes
    -----
    Clopper CJ, Pearson ES. Biometrika 1934;26:404-413.
    """
    lower = float(stats.beta.ppf(0.025, events, n - events + 1)) if events > 0 else 0.0
    upper = float(stats.beta.ppf(0.975, events + 1, n - events)) if events < n else 1.0
    return lower, upper


def trial_range(trials: Floats) -> tuple[float, float, float]:
    """Return the 2.5% and 97.5% points of what single trials report, and the share that can't report it.

    The points are figures that a trial did report; they are not interpolated between two.
    """
    reported = trials[~np.isnan(trials)]
    undefined = 1.0 - reported.size / trials.size
    if reported.size == 0:
        return float("nan"), float("nan"), undefined
    lower, upper = np.quantile(reported, (0.025, 0.975), method="inverted_cdf")
    return float(lower), float(upper), undefined
