"""Estimates and their errors, against published numbers and against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sim.outcomes.binomial import clopper_pearson
from sim.study.estimates import fisher_exact, moments, ratio_estimate, trial_range, wilson


@pytest.mark.parametrize(
    ("events", "n", "lower", "upper"),
    [(1, 50, 0.1, 10.6), (2, 50, 0.5, 13.7), (7, 53, 5.5, 25.3)],  # D01, D02, D04
)
def test_published_counts_have_the_stated_exact_intervals(
    events: int, n: int, lower: float, upper: float
) -> None:
    found = [round(100 * limit, 1) for limit in clopper_pearson(events, n)]
    assert found == [lower, upper]


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.integers(1, 60), st.data())
def test_exact_intervals_leave_two_and_a_half_percent_on_each_side(n: int, data: st.DataObject) -> None:
    events = data.draw(st.integers(0, n))
    lower, upper = clopper_pearson(events, n)
    assert 0 <= lower <= events / n <= upper <= 1
    if events > 0:
        assert stats.binom.sf(events - 1, n, lower) == pytest.approx(0.025)
    if events < n:
        assert stats.binom.cdf(events, n, upper) == pytest.approx(0.025)
    assert (lower == 0) == (events == 0)
    assert (upper == 1) == (events == n)


@pytest.mark.parametrize(
    ("events", "n", "lower", "upper"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_the_published_one(events: int, n: int, lower: float, upper: float) -> None:
    """Newcombe RG. Stat Med 1998;17:857-872, table I, method 3."""
    assert wilson(events / n, n) == pytest.approx((lower, upper), abs=0.00005)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.floats(0, 1), st.floats(0.1, 1e9))
def test_wilsons_interval_holds_the_share(share: float, n: float) -> None:
    lower, upper = wilson(share, n)
    assert 0 <= lower <= share + 1e-12
    assert share - 1e-12 <= upper <= 1


def clustered(rng: np.random.Generator, replications: int) -> tuple[np.ndarray, np.ndarray]:
    """Replications of unequal size, each with its own probability: patients of one are alike."""
    size = rng.poisson(30, replications).astype(float) + 1
    return rng.binomial(size.astype(int), rng.beta(2, 6, replications)).astype(float), size


def test_the_ratio_estimators_error_is_the_spread_between_studies() -> None:
    rng = np.random.default_rng(1)
    studies = [ratio_estimate(moments(*clustered(rng, 60)), share=True) for _ in range(1500)]
    values, errors = np.array([(s.value, s.se) for s in studies]).T
    assert errors.mean() == pytest.approx(values.std(), rel=0.06)
    # Patients of one replication are alike: counting them one by one would be far too sure.
    assert errors.mean() > 2 * np.sqrt(0.25 * 0.75 / (60 * 31))
    covered = np.mean([s.lower <= 0.25 <= s.upper for s in studies])
    assert 0.92 < covered < 0.97


def test_a_ratio_of_sums_is_not_a_mean_of_ratios() -> None:
    estimate = ratio_estimate(moments(np.array([1.0, 0.0]), np.array([1.0, 9.0])), share=True)
    assert estimate.value == 0.1


def test_the_standard_error_written_out() -> None:
    total, size = np.array([3.0, 5.0, 4.0, 9.0]), np.array([10.0, 12.0, 9.0, 20.0])
    estimate = ratio_estimate(moments(total, size), share=False)
    ratio = total.sum() / size.sum()
    expected = np.sqrt(np.sum((total - ratio * size) ** 2) / 3 / 4) / size.mean()
    assert estimate.se == pytest.approx(expected, rel=1e-12)
    assert estimate.upper - estimate.value == pytest.approx(1.959964 * expected, rel=1e-6)


def test_moments_in_pieces_are_moments_at_once() -> None:
    total, size = clustered(np.random.default_rng(1), 100)
    pieces = moments(total[:7], size[:7]) + moments(total[7:], size[7:])
    np.testing.assert_array_equal(pieces, moments(total, size))  # counts are whole numbers: no rounding


@pytest.mark.parametrize("share", [True, False])
def test_nobody_at_risk_has_no_estimate(share: bool) -> None:
    estimate = ratio_estimate(moments(np.zeros(5), np.zeros(5)), share=share)
    assert np.isnan([estimate.value, estimate.se, estimate.lower, estimate.upper]).all()


@pytest.mark.parametrize(("events", "share"), [(0.0, 0.0), (50.0, 1.0)])
def test_never_and_always_get_the_interval_of_all_patients(events: float, share: float) -> None:
    estimate = ratio_estimate(moments(np.full(20, events), np.full(20, 50.0)), share=True)
    assert (estimate.value, estimate.se) == (share, 0)
    assert (estimate.lower, estimate.upper) == wilson(share, 1000)
    assert estimate.upper - estimate.lower == pytest.approx(0.00383, abs=0.00001)


def test_one_replication_has_no_known_error() -> None:
    estimate = ratio_estimate(moments(np.array([10.0]), np.array([50.0])), share=True)
    assert estimate.value == 0.2
    assert np.isnan(estimate.se)
    assert (estimate.lower, estimate.upper) == wilson(0.2, 50)


def test_the_range_of_trials_holds_figures_that_were_reported() -> None:
    trials = np.arange(1000.0)
    np.random.default_rng(1).shuffle(trials)
    assert trial_range(trials) == (24, 974, 0)
    assert trial_range(np.append(trials, np.full(1000, np.nan))) == (24, 974, 0.5)
    lower, upper, undefined = trial_range(np.full(3, np.nan))
    assert np.isnan([lower, upper]).all()
    assert undefined == 1


@pytest.mark.parametrize(
    "counts", [(1, 50, 7, 53), (7, 53, 1, 50), (0, 10, 0, 12), (0, 10, 12, 12), (3, 8, 4, 9)]
)
def test_chance_parts_counts_as_fishers_test_says(counts: tuple[int, int, int, int]) -> None:
    events, n, others, m = counts
    expected = stats.fisher_exact([[events, n - events], [others, m - others]]).pvalue
    assert fisher_exact(*counts) == pytest.approx(expected, rel=1e-9)
