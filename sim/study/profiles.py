"""Profile likelihoods: how well the figures can be met at each value of a parameter, others at their best.

The simulated part of the likelihood is noisy, so a smooth surface is fitted to it: the logarithm of the share
of virtual trials that are alike is a cubic polynomial of the standard normal scores (Poisson regression on
the counts). The multinomial part is smoothed in the same way, without noise to smooth.
"""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pandas as pd
from scipy import optimize, stats

from sim.scenario.distributions import Floats
from sim.study.posterior import Search

GRID = 25
_DEGREE = 3
_REACH = 2.5  # normal scores; the likelihood is known where points were drawn
_STEPS = 30
RIDGE = 1e-3
CUTOFF = float(stats.chi2.ppf(0.95, 1)) / 2
"""Fall of the log-likelihood at the ends of a 95% interval."""


def profiles(search: Search) -> pd.DataFrame:
    """Return the profile of every free parameter over most of its prior.

    Returns
    -------
    pandas.DataFrame
        ``key, value, log_likelihood`` less its maximum, ``flat``: whether it nowhere falls by `CUTOFF`.
    """
    surface = _Surface(search)
    d = len(search.free.keys)
    rows = []
    for column, key in enumerate(search.free.keys):
        grid = np.linspace(-_REACH, _REACH, GRID)
        heights, others = np.empty(GRID), np.zeros(d)
        for number in np.argsort(np.abs(grid), kind="stable"):
            heights[number], best = surface.highest(column, grid[number], others)
            others = best if number == GRID // 2 else others
        z = np.zeros((GRID, d))
        z[:, column] = grid
        values = search.free.values(z)[:, column]
        fall = heights - heights.max()
        flat = bool(fall.min() > -CUTOFF)
        rows += [
            {"key": key, "value": value, "log_likelihood": height, "flat": flat}
            for value, height in zip(values, fall, strict=True)
        ]
    return pd.DataFrame(rows)


class _Surface:
    """The smoothed log-likelihood."""

    def __init__(self, search: Search) -> None:
        near = np.abs(search.sample.z).max(axis=1) < _REACH + 1
        z = search.sample.z[near]
        self._powers = _powers(z.shape[1])
        features = self._features(z)
        counts = search.log_counts[near]
        finite = np.isfinite(counts)
        self._counts = _least_squares(features[finite], counts[finite])
        self._alike = _poisson(features, search.alike[near])

    def _features(self, z: Floats) -> Floats:
        return np.column_stack([np.prod(z[:, list(power)], axis=1) for power in self._powers])

    def height(self, z: Floats) -> float:
        """Return the log-likelihood at one point."""
        features = self._features(z[None, :])[0]
        return float(features @ self._counts + min(features @ self._alike, 0.0))

    def highest(self, column: int, value: float, start: Floats) -> tuple[float, Floats]:
        """Return the highest log-likelihood with one coordinate fixed, and where it is."""
        free = [at for at in range(start.size) if at != column]

        def whole(others: Floats) -> Floats:
            z = np.empty(start.size)
            z[column], z[free] = value, others
            return z

        found = optimize.minimize(
            lambda others: -self.height(whole(others)),
            start[free],
            method="L-BFGS-B",
            bounds=[(-_REACH, _REACH)] * len(free),
        )
        return -float(found.fun), whole(found.x)


def _powers(dimensions: int) -> list[tuple[int, ...]]:
    return [
        power
        for degree in range(_DEGREE + 1)
        for power in combinations_with_replacement(range(dimensions), degree)
    ]


def _least_squares(features: Floats, values: Floats) -> Floats:
    return np.asarray(np.linalg.lstsq(features, values, rcond=None)[0], dtype=np.float64)


def _poisson(features: Floats, share: Floats) -> Floats:
    """Regress the logarithm of a mean count on features, by Newton's method with a little ridge."""
    weights = np.zeros(features.shape[1])
    weights[0] = np.log(max(share.mean(), 1e-12))
    ridge = RIDGE * np.eye(weights.size)
    for _ in range(_STEPS):
        mean = np.exp(np.clip(features @ weights, -30, 0.5))
        gradient = features.T @ (share - mean) - ridge @ weights
        curvature = (features * mean[:, None]).T @ features + ridge
        step = np.linalg.solve(curvature, gradient)
        weights = weights + step * min(1.0, 2.0 / max(float(np.abs(features @ step).max()), 1e-12))
        if np.abs(step).max() < 1e-8:
            break
    return weights
