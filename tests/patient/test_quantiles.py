"""Quantiles of lanes: exact at the ends, near enough in the middle, and yes/no to the last lane."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import TypeAdapter
from scipy import special, stats

from sim.patient.quantiles import Interpolated, below, draw, uniforms, unit_exponential
from sim.scenario.distributions import Distribution

OUTER = 2**24


def lanes_of_all_kinds() -> NDArray[np.uint32]:
    """Return lanes all over, at both ends, and on both sides of every corner of the table."""
    corners = np.arange(0, 2**32, 2**18, dtype=np.uint64)
    ends = [0, 1, 2, 2**32 - 2, 2**32 - 1]
    spread = np.random.default_rng(1).integers(0, 2**32, 200_000, dtype=np.uint64)
    return np.concatenate([corners, corners[1:] - 1, ends, spread]).astype(np.uint32)


def test_uniforms_lie_strictly_between_0_and_1_and_are_exact() -> None:
    lanes = np.array([0, 1, 2**31, 2**32 - 1], dtype=np.uint32)
    assert uniforms(lanes).tolist() == [(w + 0.5) / 2**32 for w in (0, 1, 2**31, 2**32 - 1)]


def test_a_normal_quantile_is_off_by_less_than_1e_5_and_exact_at_the_ends() -> None:
    lanes = lanes_of_all_kinds()
    found, exact = Interpolated(special.ndtri)(lanes), special.ndtri(uniforms(lanes))
    assert np.max(np.abs(found - exact)) < 1e-5
    outer = (lanes < OUTER) | (lanes >= 2**32 - OUTER)
    assert np.count_nonzero(outer) > 1000
    np.testing.assert_array_equal(found[outer], exact[outer])
    inner = np.max(np.abs(found - exact)[~outer])
    assert inner > 1e-7  # the table is used


def test_quantiles_rise_with_the_lane() -> None:
    lanes = np.sort(lanes_of_all_kinds())
    assert np.all(np.diff(Interpolated(special.ndtri)(lanes)) >= -1e-13)


@pytest.mark.parametrize(
    "distribution",
    [
        {"dist": "lognormal", "mean": 28, "sd": 14},
        {"dist": "gamma", "mean": 5, "sd": 10},
        {"dist": "gamma", "mean": 5, "sd": 1},
        {"dist": "weibull", "shape": 0.6, "scale": 3},
        {"dist": "exponential", "mean": 4},
        {"dist": "lognormal", "median": 29, "sigma": 0.3, "low": 9, "high": 52},
        {"dist": "lognormal", "mean": 28, "sd": 14, "low": 60},
        {"dist": "gamma", "mean": 5, "sd": 10, "low": 0.5, "high": 6},
        {"dist": "weibull", "shape": 0.6, "scale": 3, "high": 4},
        {"dist": "exponential", "mean": 4, "low": 20, "high": 21},
        7,
    ],
)
def test_draws_are_the_distribution_s_own_quantiles(distribution: Any) -> None:
    law = TypeAdapter(Distribution).validate_python(distribution)
    lanes = lanes_of_all_kinds()
    exact = law.quantile(uniforms(lanes))
    np.testing.assert_allclose(draw(law, lanes), exact, rtol=2e-5, atol=1e-6 * exact.max())
    if distribution != 7:
        # A million draws can't be told from the law.
        many = draw(law, np.random.default_rng(2).integers(0, 2**32, 10**6, dtype=np.uint32))
        assert stats.kstest(many, law.cdf).pvalue > 1e-4
        assert all(low <= many.min() for low in [distribution.get("low", 0)])
        assert all(many.max() <= high for high in [distribution.get("high", np.inf)])


@settings(derandomize=True)
@given(st.floats(0, 1), st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20))
@example(0.0, [0])
@example(1.0, [2**32 - 1])
@example(2.0**-33, [0])
@example(float(np.nextafter(2.0**-33, 1)), [0, 1])
@example(0.5, [2**31 - 1, 2**31])
def test_yes_or_no_without_uniforms_is_the_same(probability: float, words: list[int]) -> None:
    near = int(probability * 2**32)
    lanes = np.array([*words, *(w for w in (near - 1, near, near + 1) if 0 <= w < 2**32)], dtype=np.uint32)
    np.testing.assert_array_equal(below(lanes, probability), uniforms(lanes) < probability)


def test_unit_exponentials_are_minus_log_of_one_less_u() -> None:
    lanes = lanes_of_all_kinds()
    np.testing.assert_array_equal(unit_exponential(lanes), -np.log1p(-uniforms(lanes)))
