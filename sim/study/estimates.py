"""Estimates from replications, with both kinds of uncertainty.

Monte Carlo error says how far more replications could move an estimate; the trial range says how far one
trial of this size may lie from it. They are never mixed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sim.scenario.distributions import Floats

Z95 = float(stats.norm.ppf(0.975))

# A variance this much smaller than those it is the difference of is rounding.
_CANCELLED = 1e-12


class Moments(NamedTuple):
    """Sums over replications of totals y and sizes x."""

    n: float
    y: float
    x: float
    yy: float
    xy: float
    xx: float

    @classmethod
    def of(cls, sums: Floats) -> Moments:
        """Read one row of `moments`."""
        return cls(*sums.tolist())


def moments(total: Floats, size: Floats, which: NDArray[np.intp] | None = None) -> Floats:
    """Return the sums of `Moments` of several endpoints at once.

    Parameters
    ----------
    total, size
        Shape (..., replications).
    which
        The row of `size` that belongs to each row of `total`, where several share one.

    Returns
    -------
    array, shape (..., 6)
    """
    n = np.full(total.shape[:-1], float(total.shape[-1]))
    x, xx = np.sum(size, axis=-1), _products(size, size)
    if which is not None:
        x, xx, size = x[which], xx[which], size[which]
    y, yy, xy = np.sum(total, axis=-1), _products(total, total), _products(total, size)
    return np.stack([n, y, x, yy, xy, xx], axis=-1)


def _products(one: Floats, other: Floats) -> Floats:
    """Return sums of products over replications."""
    return np.asarray(np.einsum("...r,...r->...", one, other))


class CrossMoments(NamedTuple):
    """Sums over replications of products of a reference's total y and size x (first) with a scenario's."""

    yy: float
    yx: float
    xy: float
    xx: float

    @classmethod
    def of(cls, sums: Floats) -> CrossMoments:
        """Read one row of `cross_moments`."""
        return cls(*sums.tolist())


def cross_moments(reference: tuple[Floats, Floats], scenario: tuple[Floats, Floats]) -> Floats:
    """Return the sums of `CrossMoments` of several endpoints at once, shape (..., 4).

    Parameters
    ----------
    reference, scenario
        Totals and sizes, shape (..., replications).
    """
    return np.stack([_products(one, other) for one in reference for other in scenario], axis=-1)


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
    values, errors = ratios(np.array(moments))
    value, se = float(values), float(errors)
    if math.isnan(value):
        return Estimate(value, value, value, value)
    if not share:
        return Estimate(value, se, value - Z95 * se, value + Z95 * se)
    spread = value * (1 - value)
    effective = spread / se**2 if se > 0 and spread > 0 else moments.x
    return Estimate(value, se, *wilson(value, effective))


def ratios(sums: Floats) -> tuple[Floats, Floats]:
    """Return y / x and its standard error over replications, not a number where undefined or unknown.

    Parameters
    ----------
    sums
        Sums of `Moments`, shape (..., 6).
    """
    n, x = sums[..., 0], sums[..., 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(x > 0, sums[..., 1] / x, np.nan)
        error = np.sqrt(_squares(sums, value) / (n * (n - 1))) / (x / n)
    return value, np.where(n > 1, error, np.nan)


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


@dataclass(frozen=True, slots=True)
class Difference:
    """An endpoint of a scenario less that of the reference; not a number where undefined.

    ``variance_reduction`` is the variance of the difference under independent luck over that under the same
    luck; not a number where the difference has no error, or no pairs.
    """

    value: float
    se: float
    variance_reduction: float
    limits: tuple[float, float] | None = None

    @property
    def lower(self) -> float:
        """Lower limit of the 95% interval."""
        return self.value - Z95 * self.se if self.limits is None else self.limits[0]

    @property
    def upper(self) -> float:
        """Upper limit of the 95% interval."""
        return self.value + Z95 * self.se if self.limits is None else self.limits[1]


def difference(
    reference: Moments, scenario: Moments, cross: CrossMoments | None, *, identical: bool = False
) -> Difference:
    """Estimate R_B - R_A, each a ratio of sums over the same replications.

    Parameters
    ----------
    reference, scenario
        Sums of A and of B.
    cross
        Sums of their products; None if A and B are to be taken as independent.
    identical
        Whether both are the same in every replication, which sums can't tell from nearly so.

    Notes
    -----
    Each ratio is linearised, (y - R x) / mean(x) per replication, so that the error of the difference is that
    of a mean of differences: Cochran WG. Sampling Techniques, 3rd ed, 1977, sections 6.3 and 2.11. Common
    random numbers: Law AM. Simulation Modeling and Analysis, 5th ed, 2015, section 11.2.
    """
    sides = np.array(reference), np.array(scenario)
    value, se, reduction = differences(
        *sides, None if cross is None else np.array(cross), np.array(identical)
    )
    return Difference(float(value), float(se), float(reduction))


def differences(
    reference: Floats, scenario: Floats, cross: Floats | None, identical: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats]:
    """Estimate some differences with their errors and variance reductions; see `difference`.

    Parameters
    ----------
    reference, scenario
        Sums of `Moments`, shape (..., 6).
    cross
        Sums of `CrossMoments`, shape (..., 4).
    identical
        Shape (...).
    """
    n = reference[..., 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio_a, ratio_b = (
            np.where(side[..., 2] > 0, side[..., 1] / side[..., 2], np.nan) for side in (reference, scenario)
        )
        value, mean_a, mean_b = ratio_b - ratio_a, reference[..., 2] / n, scenario[..., 2] / n
        one, other = _squares(reference, ratio_a), _squares(scenario, ratio_b)
        apart = one / (mean_a * mean_a) + other / (mean_b * mean_b)
        together, reduction = apart, np.full(n.shape, np.nan)
        if cross is not None:
            yy, yx, xy, xx = np.moveaxis(cross, -1, 0)
            products = yy - ratio_b * yx - ratio_a * xy + ratio_a * ratio_b * xx
            together = np.maximum(apart - 2 * products / (mean_a * mean_b), 0.0)
            reduction = np.where(together > _CANCELLED * apart, apart / together, np.nan)
        error = np.sqrt(together / (n * (n - 1)))
    settled = n > 1
    error, reduction = np.where(settled, error, np.nan), np.where(settled, reduction, np.nan)
    if cross is not None:
        same = identical & settled & ~np.isnan(value)
        value, error = np.where(same, 0.0, value), np.where(same, 0.0, error)
        reduction = np.where(same, np.nan, reduction)
    return value, error, reduction


def _squares(sums: Floats, ratio: Floats) -> Floats:
    """Return the sums over replications of (y - R x)^2."""
    _, _, _, yy, xy, xx = np.moveaxis(sums, -1, 0)
    return np.asarray(np.maximum(yy - 2 * ratio * xy + ratio * ratio * xx, 0.0))
