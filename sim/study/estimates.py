"""Estimates from replications, with Monte Carlo error and the range of one trial.

Monte Carlo error says how far more replications could move an estimate; the trial range says how far one
trial of this size may lie from it. They are never mixed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sim.scenario.distributions import Floats

Z95 = float(special.ndtri(0.975))

if TYPE_CHECKING:
    import pandas as pd

EXACT = "exact"
"""Note of a figure that the exact twin gives."""

Number = TypeVar("Number", float, "pd.Series[float]")

POSTERIOR_COLUMNS = ("posterior_lower", "posterior_upper", "posterior_se")

# A variance this much smaller than those it is the difference of is rounding.
_CANCELLED = 1e-12


MOMENTS = ("n", "y", "x", "yy", "xy", "xx")
"""Sums over replications: their number, and sums of totals y and sizes x, of their squares and products."""

CROSS_MOMENTS = ("yy", "yx", "xy", "xx")
"""Sums over replications of products of a reference's total y and size x (first) with a scenario's."""


def moments(total: Floats, size: Floats, which: NDArray[np.intp] | None = None) -> Floats:
    """Return the sums of `MOMENTS` of several endpoints at once.

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


def cross_moments(reference: tuple[Floats, Floats], scenario: tuple[Floats, Floats]) -> Floats:
    """Return the sums of `CROSS_MOMENTS` of several endpoints at once, shape (..., 4).

    Parameters
    ----------
    reference, scenario
        Totals and sizes, shape (..., replications).
    """
    return np.stack([_products(one, other) for one in reference for other in scenario], axis=-1)


class Estimate(NamedTuple):
    """Ratios of sums over replications, as arrays of one shape; not numbers where undefined.

    Attributes
    ----------
    value, se
        The ratios and their Monte Carlo errors: over replications, or over draws of a posterior.
    lower, upper
        Their 95% Monte Carlo intervals.
    posterior_lower, posterior_upper
        The posterior's 95% limits; None without one.
    posterior_se
        The Monte Carlo error of these limits, the larger of both.
    """

    value: Floats
    se: Floats
    lower: Floats
    upper: Floats
    posterior_lower: Floats | None = None
    posterior_upper: Floats | None = None
    posterior_se: Floats | None = None

    def columns(self, value: str = "estimate") -> dict[str, Floats]:
        """Return the columns of a table, of which that of the estimates has a name to choose."""
        names = (value, "mc_se", "mc_lower", "mc_upper", *POSTERIOR_COLUMNS)
        return {name: np.ravel(each) for name, each in zip(names, self, strict=True) if each is not None}


def ratio_estimate(sums: Floats, *, share: bool) -> Estimate:
    """Estimate ratios without a posterior, from sums of shape (..., 6); see `estimates`."""
    return estimates(sums[None], share=share)


def estimates(sums: Floats, *, share: bool | Sequence[bool]) -> Estimate:
    """Estimate y / x of some figures.

    Without a posterior there is one draw, and the error is the ratio estimator's over replications: a share
    gets Wilson's interval with the effective number that the error implies, or with the number of patients
    where the error vanishes (nobody, or everybody) or is unknown (one replication); a mean gets the normal
    interval. With several draws see `over_draws`.

    Parameters
    ----------
    sums
        Sums of `MOMENTS`, shape (draws, ..., 6).
    share
        Which of the figures, shape (...), are shares.

    Notes
    -----
    Cochran WG. Sampling Techniques, 3rd ed, 1977, section 6.3. Wilson EB. J Am Stat Assoc 1927;22:209-212.
    """
    values, errors = ratios(sums)
    shares = np.broadcast_to(share, values.shape[1:])
    if len(sums) > 1:
        return Estimate(*_each_over_draws(values, errors, shares))
    value, se = values[0], errors[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = value * (1 - value)
        # The square of an array may differ from that of a number in the last bit.
        squares = np.reshape([each**2 for each in se.ravel().tolist()], se.shape)
        effective = np.where((se > 0) & (spread > 0), spread / squares, sums[0, ..., 2])
        lower, upper = wilson(value, effective)
    return Estimate(
        value, se, np.where(shares, lower, value - Z95 * se), np.where(shares, upper, value + Z95 * se)
    )


def over_draws(values: Floats, errors: Floats, *, share: bool) -> tuple[float, ...]:
    """Return the mean over draws, its error and interval, and the posterior's 95% limits with theirs.

    Three uncertainties are never mixed: Monte Carlo error (finitely many draws and replications), the
    posterior's interval (what the trial leaves open), and the range of what single trials would report.
    Draws in which a figure is undefined are left out.

    Parameters
    ----------
    values, errors
        The estimate under each draw and its standard error, shape (draws,).

    Returns
    -------
    tuple of seven floats
        Value, standard error, lower and upper end; lower and upper limit of the posterior, and the standard
        error of these limits.

    Notes
    -----
    Estimates under single draws scatter more than what they estimate, by their own Monte Carlo error. They
    are drawn towards their mean until their variance is less by that of the error, so that the limits are
    the posterior's alone: Louis TA. J Am Stat Assoc 1984;79:393-398.
    """
    known = ~np.isnan(values)
    count = int(np.sum(known))
    if count == 0:
        return (math.nan,) * 7
    found, noise = values[known], errors[known & ~np.isnan(errors)]
    mean = float(found.mean())
    variance = float(found.var(ddof=1)) if count > 1 else math.nan
    se = math.sqrt(variance / count)
    lower, upper = mean - Z95 * se, mean + Z95 * se
    if share:
        lower, upper = max(lower, 0.0), min(upper, 1.0)
    left, left_se = 1.0, 0.0
    if noise.size and variance > 0:
        part = float(np.mean(noise * noise)) / variance
        left = math.sqrt(max(1 - part, 0.0))
        left_se = part / math.sqrt(2 * count) / left if left else 0.0  # a variance errs by its sqrt(2 / n)
    ends = np.quantile(found, (0.025, 0.975)) - mean
    limit_se = left * error_of_limits(lambda shares: np.quantile(found, shares).tolist(), count)
    limit_se = math.hypot(limit_se, left_se * float(np.abs(ends).max()))
    return mean, se, lower, upper, mean + left * float(ends[0]), mean + left * float(ends[1]), limit_se


def error_of_limits(quantiles: Callable[[Sequence[float]], Sequence[float]], size: float) -> float:
    """Return the standard error of the 2.5% and 97.5% points of some draws, the larger of both.

    The share of draws below a limit has a binomial error, which quantiles turn into one of the limit.

    Parameters
    ----------
    quantiles
        Gives the draws' quantiles at some shares.
    size
        How many draws there are, or as how many weighted ones count.

    Notes
    -----
    Woodruff RS. J Am Stat Assoc 1952;47:635-646.
    """
    reach = math.sqrt(0.025 * 0.975 / size)
    shares = np.clip([0.025 - reach, 0.025 + reach, 0.975 - reach, 0.975 + reach], 0.0, 1.0).tolist()
    low, low_end, high, high_end = quantiles(shares)
    return max(low_end - low, high_end - high) / 2


def _each_over_draws(values: Floats, errors: Floats, shares: NDArray[np.bool_]) -> Iterator[Floats]:
    """Yield what `over_draws` returns, each of some figures."""
    found = np.empty((7, *shares.shape))
    for at in np.ndindex(shares.shape):
        found[:, *at] = over_draws(values[:, *at], errors[:, *at], share=bool(shares[at]))
    yield from found


def ratios(sums: Floats) -> tuple[Floats, Floats]:
    """Return y / x and its standard error over replications, not a number where undefined or unknown.

    Parameters
    ----------
    sums
        Sums of `MOMENTS`, shape (..., 6).
    """
    n, x = sums[..., 0], sums[..., 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(x > 0, sums[..., 1] / x, np.nan)
        error = np.sqrt(_squares(sums, value) / (n * (n - 1))) / (x / n)
    return value, np.where(n > 1, error, np.nan)


def wilson(share: Floats | float, n: Floats | float) -> tuple[Floats, Floats]:
    """Return Wilson's 95% intervals of shares of n."""
    scale = 1 + Z95**2 / n
    middle = (share + Z95**2 / (2 * n)) / scale
    half = Z95 * np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n * n)) / scale
    # Rounding must not put nobody, or everybody, outside.
    return np.clip(middle - half, 0.0, share), np.clip(middle + half, share, 1.0)


def simultaneous(value: Number, lower: Number, upper: Number, comparisons: int) -> tuple[Number, Number]:
    """Widen a 95% interval so that several of them hold at once in 95% of studies.

    Notes
    -----
    Bonferroni's inequality: Dunn OJ. J Am Stat Assoc 1961;56:52-64. It errs on the side of width.
    """
    times = float(special.ndtri(1 - 0.025 / max(comparisons, 1))) / Z95
    return value - times * (value - lower), value + times * (upper - value)


def fisher_exact(events: int, n: int, others: int, m: int) -> float:
    """Return Fisher's exact two-sided p that counts of n and of m differ so much or more by chance."""
    both = events + others
    ways = [math.comb(n, k) * math.comb(m, both - k) for k in range(both + 1)]
    return sum(each for each in ways if each <= ways[events]) / sum(ways)


def newcombe(events: int, n: int, others: int, m: int) -> tuple[float, float]:
    """Return the 95% interval of the difference between two published counts: others of m less events of n.

    Notes
    -----
    Newcombe RG. Stat Med 1998;17:873-890, method 10: from Wilson's intervals of both.
    """
    one, other = events / n, others / m
    (low, high), (lower, upper) = (map(float, wilson(np.float64(p), k)) for p, k in ((one, n), (other, m)))
    change = other - one
    return change - math.hypot(other - lower, high - one), change + math.hypot(upper - other, one - low)


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


class Difference(NamedTuple):
    """Endpoints of a scenario less those of the reference, as arrays; not numbers where undefined.

    ``lower`` and ``upper`` are the ends of the 95% interval: of Monte Carlo error, or the posterior's.
    ``variance_reduction`` is the variance of the difference under independent luck over that under the same
    luck; not a number where the difference has no error, or no pairs.
    """

    value: Floats
    se: Floats
    lower: Floats
    upper: Floats
    variance_reduction: Floats


def differences(
    reference: Floats,
    scenario: Floats,
    cross: Floats | None,
    identical: NDArray[np.bool_],
    share: Sequence[bool],
) -> Difference:
    """Estimate R_B - R_A of some endpoints, each a ratio of sums over the same replications.

    No interval is narrower than the rule of three allows: where nobody of N patients differs, up to 3 of N
    may, either way. With few who differ, an error estimated from them alone says too little; the rule's limit
    is added to it, as errors are, and fades where many differ. A mean's limit is that of patients who change
    by as much as one patient's figure is, root mean square.

    Parameters
    ----------
    reference, scenario
        Sums of `MOMENTS` of A and of B, shape (draws, endpoints, 6); without a posterior there is one draw.
    cross
        Sums of `CROSS_MOMENTS`, shape (draws, endpoints, 4); None if A and B are to be taken as independent.
    identical
        Whether both are the same in every replication, which sums can't tell from nearly so; shape (draws,
        endpoints).
    share
        Which of the endpoints are shares.

    Notes
    -----
    The rule of three: Hanley JA, Lippman-Hand A. JAMA 1983;249:1743-1745.

    Each ratio is linearised, (y - R x) / mean(x) per replication, so that the error of the difference is that
    of a mean of differences: Cochran WG. Sampling Techniques, 3rd ed, 1977, sections 6.3 and 2.11. Common
    random numbers: Law AM. Simulation Modeling and Analysis, 5th ed, 2015, section 11.2.
    """
    values, errors, reductions = in_each_draw(reference, scenario, cross, identical)
    least = rule_of_three(reference, scenario, share)
    if len(values) == 1:
        value, se = values[0], errors[0]
        half = np.hypot(Z95 * se, least)
        return Difference(value, se, value - half, value + half, reductions[0])
    value, se, _, _, low, high, _ = _each_over_draws(
        values, errors, np.zeros(values.shape[1:], dtype=np.bool_)
    )
    known = [each[~np.isnan(each)] for each in reductions.T]
    reduction = np.array([np.median(each) if each.size else np.nan for each in known])
    # Where single draws are all noise a posterior seems to leave nothing open; the error of the mean remains.
    half = np.hypot(Z95 * se, least)
    return Difference(value, se, np.fmin(low, value - half), np.fmax(high, value + half), reduction)


def rule_of_three(reference: Floats, scenario: Floats, share: Sequence[bool]) -> Floats:
    """Return by how much endpoints may differ if nobody has been seen to; sums over all draws."""
    one, other = reference.sum(axis=0), scenario.sum(axis=0)
    patients = np.minimum(one[..., 2], other[..., 2])
    with np.errstate(divide="ignore", invalid="ignore"):
        value, error = ratios(one)
        figure = np.where(np.isnan(error), value, np.hypot(value, error * np.sqrt(one[..., 2])))
        return np.asarray(3 * np.where(share, 1.0, figure) / patients)


def in_each_draw(
    reference: Floats, scenario: Floats, cross: Floats | None, identical: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats]:
    """Return each draw's differences with their errors and variance reductions."""
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
