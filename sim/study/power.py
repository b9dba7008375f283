"""Whether trials of two arms would notice what lies between them, and how often they point the wrong way.

Under draws of what is not known each trial is one draw's: power is the average over that (assurance), and the
right way is that of its own draw.

O'Hagan A, Stevens JW, Campbell MJ. Pharm Stat 2005;4:187-201. Gelman A, Carlin J. Perspect Psychol Sci
2014;9:641-651: errors of sign.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammaln, ndtri

from sim.outcomes.occupancy import is_limited
from sim.patient.fates import Booleans
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import Key, column
from sim.scenario.values import with_values
from sim.study.budget import Budget
from sim.study.by_draw import ByDraw, each_by_draw
from sim.study.compare import Side
from sim.study.estimates import Z95, moments, over_draws, ratio_estimate
from sim.study.two_arm_trials import TrialReports, virtual_trials
from sim.work.store import Stores
from sim.work.task import Tell

ALPHA, WANTED = 0.05, 0.8
"""The level of a test, two-sided, and the power that is usually asked for."""

TREATMENT_DEATHS, DEATHS, LOG_RANK = "treatment-related deaths", "deaths", "log-rank"
"""Tests: Fisher's exact test of a count, and the log-rank test of survival of all enrolled."""

_NO_DIFFERENCE = 1e-9
_ALIKE = 1e-7  # relative difference up to which two counts are equally probable, as in R's fisher.test


class _Test(NamedTuple):
    """One test in trials of every size; arrays of shape (sizes, trials)."""

    name: str
    endpoint: Key
    noticed: Booleans
    more_deaths: Floats
    """Above 0 where the later arm has more of them; 0 where no trial would see a difference."""


def power(
    sides: Mapping[str, Side], sizes: Sequence[int], trials: int, budget: Budget, stores: Stores,
    tell: Tell | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Return how often trials of each size notice that an arm differs from the first.

    Parameters
    ----------
    sides
        The arms by name, the first to compare with.
    sizes
        Patients of each arm.
    trials
        Virtual trials of each size.

    Returns
    -------
    pandas.DataFrame
        A row for each arm, test and size: shares of trials with p below 0.05 (``power``), with the wrong
        sign, with none (``tied``), and with p below 0.05 and the wrong sign, each with its 95% interval; the
        true difference with its 95% over the draws; ``needed``, patients of each arm for a power of 80% by
        the normal approximation, if all were followed and the difference were as it is on average.
    """
    (reference, first), *others = sides.items()
    limited = [is_limited(side.scenario) for side in sides.values()]
    found = virtual_trials([*sides.values()], sizes, trials, budget, stores("virtual-trials"), tell)
    rows = []
    for arm, (name, side) in enumerate(others, start=1):
        pair, keys = (first, side), endpoints_told(first, side)
        # How many others make one wait depends on the size of a trial, and then so does the difference.
        waits = limited[0] or limited[arm]
        truths = [
            each_by_draw([_of_size(each, size) for each in pair] if waits else pair, keys, budget,
                         stores(f"true-differences-{arm}-{size}"))
            for size in (sizes if waits else sizes[:1])
        ]  # fmt: skip
        for test in _tests(found, arm, keys):
            for at, size in enumerate(sizes):
                truth = truths[at if waits else 0][test.endpoint]
                row = {"arm": name, "reference": reference, "test": test.name, "patients": size}
                row |= {"endpoint": column(test.endpoint), **_row(test, at, found, truth, budget)}
                rows.append(row | ({"needed": math.nan} if waits else {}))
    return pd.DataFrame(rows)


def endpoints_told(one: Side, other: Side) -> list[Key]:
    """Return on which endpoints two arms are held to differ: of treatment if both are treated."""
    treated = all(each.scenario.cohort.enters_at != "home" for each in (one, other))
    alive: Key = ("overall_survival_enrolled", one.scenario.follow_up.horizon_years)
    return [alive, ("treatment_related_mortality", None)] if treated else [alive]


def _of_size(side: Side, size: int) -> Side:
    return replace(side, scenario=with_values(side.scenario, {"cohort.patients": size}))


def _tests(found: TrialReports, arm: int, keys: Sequence[Key]) -> list[_Test]:
    """Return the tests of one arm."""
    one, other = found.enrolled[0], found.enrolled[arm]
    z = found.log_rank[arm - 1]
    tests = [_Test(LOG_RANK, keys[0], np.abs(z) > Z95, np.nan_to_num(z))]
    counts = ((DEATHS, found.deaths), (TREATMENT_DEATHS, found.treatment_deaths))
    for (name, count), key in zip(counts, keys, strict=False):
        p = fisher_p(count[arm], other, count[0], one)
        tests.append(_Test(name, key, p < ALPHA, count[arm] * one - count[0] * other))
    return tests


def _row(test: _Test, at: int, found: TrialReports, truth: ByDraw, budget: Budget) -> dict[str, Any]:
    """Return what trials of one size find."""
    (first, other), change, error = truth.values, truth.changes[1], truth.errors[1]
    more_deaths = change if test.name == TREATMENT_DEATHS else -change  # or fewer alive
    worse = more_deaths[found.draw]
    differs = np.abs(worse) > _NO_DIFFERENCE
    noticed, seen = test.noticed[at], test.more_deaths[at]
    wrong, everyone = differs & (seen * worse < 0), np.ones(len(worse), dtype=np.bool_)
    # TrialReports of one draw are alike: then draws, and not trials, are what is sampled.
    cluster = found.draw if budget.draws is not None else np.arange(len(worse))
    row: dict[str, Any] = {}
    for name, who, among in (
        ("power", noticed, everyone), ("wrong_sign", wrong, differs), ("tied", seen == 0, everyone),
        ("wrong_significant", wrong & noticed, differs),
    ):  # fmt: skip
        row |= dict(zip((name, f"{name}_lower", f"{name}_upper"), _share(who, among, cluster), strict=True))
    row |= {"trials": len(worse), "true_difference": float(change.mean()), "true_error": float(error[0])}
    if len(change) > 1:
        _, mean_error, _, _, lower, upper, _ = over_draws(change, error, share=False)
        row |= {"true_error": mean_error, "true_lower": lower, "true_upper": upper}
    needed = patients_needed(float(first.mean()), float(other.mean()))
    return {**row, "exact": truth.exact, "needed": needed}


def _share(who: Booleans, among: Booleans, cluster: NDArray[np.intp]) -> tuple[float, float, float]:
    """Return the share of some trials with its 95% interval; not numbers of none."""
    if not among.any():
        return (math.nan,) * 3
    counted, size = (np.bincount(cluster, each).astype(np.float64) for each in (who & among, among))
    found = ratio_estimate(moments(counted[size > 0], size[size > 0]), share=True)
    return float(found.value), float(found.lower), float(found.upper)


def fisher_p(events: Floats, n: Floats, others: Floats, m: Floats) -> Floats:
    """Return Fisher's exact two-sided p of many pairs of counts: events of n, and others of m."""
    asked = np.stack([events + others, n, m], axis=-1).reshape(-1, 3).astype(np.int64)
    each, which = np.unique(asked, axis=0, return_inverse=True)
    p, counted = np.empty(len(asked)), np.ravel(events).astype(np.int64)
    for number, (both, first, second) in enumerate(each.tolist()):
        own = which == number
        p[own] = _fisher_by_count(both, first, second)[counted[own]]
    return p.reshape(events.shape)


def _fisher_by_count(both: int, n: int, m: int) -> Floats:
    """Return Fisher's two-sided p for every number of events of n, out of those of n and m together."""
    k = np.arange(both + 1)
    with np.errstate(divide="ignore"):
        ways = -np.sum([gammaln(part + 1.0) for part in (k, n - k, both - k, m - both + k)], axis=0)
    chance = np.exp(ways - ways.max())
    rising = np.sort(chance)
    upto = np.searchsorted(rising, chance * (1 + _ALIKE), side="right")
    return np.asarray(np.minimum(np.cumsum(rising)[upto - 1] / rising.sum(), 1.0))


def patients_needed(one: float, other: float) -> float:
    """Return how many patients of each arm tell two shares apart with a power of 80%; infinite if equal.

    Notes
    -----
    The normal approximation: Fleiss JL, Levin B, Paik MC. Statistical Methods for Rates and Proportions,
    3rd ed, 2003, section 4.3, without correction for continuity.
    """
    if abs(other - one) < _NO_DIFFERENCE:
        return math.inf
    spread = one * (1 - one) + other * (1 - other)
    return math.ceil(float(Z95 + ndtri(WANTED)) ** 2 * spread / (other - one) ** 2)
