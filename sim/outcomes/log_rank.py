"""The log-rank test of whether two or more groups have the same survival."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

from sim.outcomes.survival import checked_times
from sim.patient.fates import Booleans
from sim.scenario.distributions import Floats


@dataclass(frozen=True, slots=True)
class LogRank:
    """Result of a log-rank test; statistic and p are not a number where the groups can't be compared."""

    groups: NDArray[np.generic]
    """Labels, sorted."""
    observed: Floats
    """Events in each group."""
    expected: Floats
    """Events in each group if all had the same hazard."""
    statistic: float
    degrees_of_freedom: int
    p: float


def log_rank(
    time: ArrayLike, event: ArrayLike, group: ArrayLike, stratum: ArrayLike | None = None
) -> LogRank:
    """Test whether groups have the same hazard, within strata if given.

    A group that nobody is at risk in at any event takes no part. Nothing can be compared where fewer than
    two take part or the variance is singular.

    Parameters
    ----------
    time
        Time to event or censoring, one for each patient.
    event
        True or 1 for an event, false or 0 for a censoring.
    group, stratum
        Label of the group, and of the stratum, of each patient.

    Raises
    ------
    ValueError
        There is nobody, a time that means nothing, or one group.

    Notes
    -----
    Mantel N. Cancer Chemother Rep 1966;50:163-170. Peto R, Peto J. J R Stat Soc A 1972;135:185-207. The
    variance is the hypergeometric one, exact with ties, as in R's survdiff.
    """
    follow_up, _ = checked_times(time)
    happened = np.asarray(event, dtype=bool)
    groups, member = np.unique(np.asarray(group), return_inverse=True)
    if len(groups) < 2:
        raise ValueError(f"group has one label, {groups[0]}: give two or more groups to compare.")
    strata = np.zeros(len(follow_up)) if stratum is None else stratum
    labels, layer = np.unique(np.asarray(strata), return_inverse=True)
    observed = np.bincount(member[happened], minlength=len(groups)).astype(float)
    expected, variance = np.zeros(len(groups)), np.zeros((len(groups), len(groups)))
    for number in range(len(labels)):
        inside = layer == number
        mean, spread = _under_equality(follow_up[inside], happened[inside], member[inside], len(groups))
        expected += mean
        variance += spread
    takes_part = expected > 0
    freedom = max(int(takes_part.sum()) - 1, 0)
    excess = (observed - expected)[takes_part][1:]
    statistic = _quadratic_form(excess, variance[np.ix_(takes_part, takes_part)][1:, 1:])
    return LogRank(groups, observed, expected, statistic, freedom, float(chdtrc(freedom, statistic)))


def _under_equality(
    time: Floats, happened: NDArray[np.bool_], member: NDArray[np.intp], groups: int
) -> tuple[Floats, Floats]:
    """Return mean and covariance of the events in each group, given all events and who was at risk."""
    times = np.unique(time[happened])
    sorted_by_group = [np.sort(time[member == g]) for g in range(groups)]
    at_risk = np.array([len(own) - np.searchsorted(own, times) for own in sorted_by_group], float)
    total = at_risk.sum(axis=0)
    events = np.bincount(np.searchsorted(times, time[happened]), minlength=len(times))
    share = at_risk / total
    # One patient at risk has no variance; the denominator is then 0 too.
    spread = events * (total - events) / np.maximum(total - 1, 1)
    covariance = -(share * spread) @ share.T
    # Written so that it is exactly 0 where one group is alone.
    np.fill_diagonal(covariance, (share * (1 - share)) @ spread)
    return share @ events, covariance


def _quadratic_form(excess: Floats, variance: Floats) -> float:
    if len(excess) == 0 or np.linalg.matrix_rank(variance, hermitian=True) < len(excess):
        return float(np.nan)
    return float(excess @ np.linalg.solve(variance, excess))


def two_arm_log_ranks(one: tuple[Floats, Booleans], other: tuple[Floats, Booleans]) -> Floats:
    """Return the log-rank statistic of many trials of two arms, shape (trials,): its square is `log_rank`'s.

    Above 0 where the other arm has more events than it would have if both had the same hazard; not a number
    where nothing can be compared.

    Parameters
    ----------
    one, other
        Of the patients of each arm, shape (trials, patients): times to event or censoring, infinite for who
        is not in the trial, and whether it was an event. Times that agree to one part in 10^15 are equal.

    Notes
    -----
    Each event adds its own share of what its time adds to mean and variance, so that ties need no sums apart.
    """
    # Whole numbers that sort by time, with arm and event in their last bits.
    keys = np.concatenate(
        [
            np.where(np.isfinite(time), time, np.inf).view(np.int64) & ~3 | 2 * arm | happened
            for arm, (time, happened) in enumerate((one, other))
        ],
        axis=1,
    )
    keys.sort(axis=1)
    second = (keys >> 1) & 1
    trial, place = np.nonzero(keys & 1)
    times = keys >> 2
    tied = np.zeros(keys.shape, dtype=np.bool_)
    tied[:, 1:] = times[:, 1:] == times[:, :-1]
    first = np.maximum.accumulate(np.where(tied, 0, np.arange(keys.shape[1])), axis=1)[trial, place]
    sizes = [np.isfinite(time).sum(axis=1) for time, _ in (one, other)]
    at_risk = (sizes[0] + sizes[1])[trial] - first
    share = (sizes[1][trial] - (np.cumsum(second, axis=1) - second)[trial, first]) / at_risk
    _, which, events = np.unique(trial * keys.shape[1] + first, return_inverse=True, return_counts=True)
    spread = share * (1 - share) * (at_risk - events[which]) / np.maximum(at_risk - 1, 1)
    excess, variance = (
        np.bincount(trial, weights, minlength=len(keys)) for weights in (second[trial, place] - share, spread)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > 0, excess / np.sqrt(variance), np.nan)
