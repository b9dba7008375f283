"""Profile likelihoods: how well the figures can be met at each value of a parameter, others at their best.

The simulated part of the likelihood is noisy, so a smooth surface is fitted to it. What becomes of the
enrolled by reinfusion, and of the reinfused by treatment, has chances whose logarithms are all but linear in
those of the parameters: these are fitted, and the counts follow exactly, however flat or steep they are.
The share of virtual trials whose estimates are alike hangs on the parameters almost only through survival:
its log is a cubic polynomial of the logits of survival, and linear in the normal scores for what is left
(Poisson regression). The logits are polynomials of the scores.
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, special

from sim.calibrate.search import Search
from sim.scenario.distributions import Floats

Powers: TypeAlias = NDArray[np.intp]

GRID = 19
CUTOFF = float(special.gammaincinv(0.5, 0.95))
"""Fall of the log-likelihood at the ends of a 95% interval."""

_CUBIC = 3
_ENOUGH = 10  # points for each term of a polynomial; with fewer it is quadratic
_REACH = 3.0  # normal scores: all but 3 in 1,000 of the prior
_STEPS = 30
_STARTS = 512
_RIDGE = 1e-3
_TINY = 1e-300


def profiles(search: Search) -> pd.DataFrame:
    """Return the profile of every free parameter over most of its prior.

    Returns
    -------
    pandas.DataFrame
        ``key, value, log_likelihood`` less its maximum, ``flat``: whether it nowhere falls by `CUTOFF`.
    """
    surface = _Surface(search)
    d = len(search.free.keys)
    grid = np.linspace(-_REACH, _REACH, GRID)
    rows = []
    for column, key in enumerate(search.free.keys):
        heights = np.empty(GRID)
        for number, score in enumerate(grid):
            heights[number] = surface.highest(column, score)
        z = np.zeros((GRID, d))
        z[:, column] = grid
        values = search.free.values(z)[:, column]
        fall = heights - heights.max()
        rows += [
            {"key": key, "value": value, "log_likelihood": height, "flat": bool(fall.min() > -CUTOFF)}
            for value, height in zip(values, fall, strict=True)
        ]
    return pd.DataFrame(rows)


class _Surface:
    """The smoothed log-likelihood."""

    def __init__(self, search: Search) -> None:
        near = np.abs(search.sample.z).max(axis=1) < _REACH + 1
        z, shares = search.sample.z[near], search.shares[near]
        self._free, self._published = search.free, search.published
        d = z.shape[1]
        cubic = powers(d, _CUBIC)
        self._powers = cubic if len(z) >= _ENOUGH * len(cubic) else powers(d, _CUBIC - 1)
        self._survival_powers, self._share_powers = powers(len(search.published.keys), _CUBIC), powers(d, 2)
        logits = special.logit(np.clip(search.survival[near], 1e-3, 1 - 1e-3))
        self._logits = np.linalg.lstsq(monomials(z, self._powers), logits, rcond=None)[0]
        logs = np.log(search.free.values(z))
        self._middle, self._spread = logs.mean(axis=0), logs.std(axis=0)
        terms, left = self._share_terms(z), np.log(np.maximum(shares[:, :3], _TINY))
        self._left = np.linalg.lstsq(terms, left, rcond=None)[0]
        self._treated = _poisson(terms, shares[:, 4], np.zeros(len(z)))
        self._alike = _poisson(self._features(z), search.alike[near], self._counted_after(z))
        self._starts = np.clip(z[:_STARTS], -_REACH, _REACH)

    def _share_terms(self, z: Floats) -> Floats:
        logs = np.log(self._free.values(z))
        return monomials((logs - self._middle) / self._spread, self._share_powers)

    def _features(self, z: Floats) -> Floats:
        logits = monomials(z, self._powers) @ self._logits
        return np.column_stack([monomials(logits, self._survival_powers), z])

    def _counted_before(self, z: Floats) -> Floats:
        left = np.exp(self._share_terms(z) @ self._left)
        return self._published.log_counts(np.column_stack([left, 1 - left.sum(axis=1)]))

    def _counted_after(self, z: Floats) -> Floats:
        return self._published.log_treated(np.exp(np.minimum(self._share_terms(z) @ self._treated, 0.0)))

    def height(self, z: Floats) -> Floats:
        """Return the log-likelihood of some points."""
        after = self._counted_after(z) + self._features(z) @ self._alike
        return np.asarray(self._counted_before(z) + np.minimum(after, 0.0))

    def highest(self, column: int, value: float) -> float:
        """Return the highest log-likelihood with one coordinate fixed."""
        starts = self._starts.copy()
        starts[:, column] = value
        start = starts[np.argmax(self.height(starts))]  # the likelihood may have more than one top
        free = np.array([at for at in range(start.size) if at != column])
        steps = np.vstack([np.zeros(start.size), 1e-4 * np.eye(start.size)[free]])

        def whole(others: Floats) -> Floats:
            z = np.empty(start.size)
            z[column], z[free] = value, others
            return z

        def depth(others: Floats) -> tuple[float, Floats]:
            heights = self.height(whole(others) + steps)  # all at once
            return -float(heights[0]), -(heights[1:] - heights[0]) / 1e-4

        found = optimize.minimize(
            depth,
            start[free],
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": _STEPS, "ftol": 1e-6},
            bounds=[(-_REACH, _REACH)] * free.size,
        )
        return -float(found.fun)


def powers(dimensions: int, degree: int) -> Powers:
    """Return the exponents of every monomial up to a degree, shape (monomials, dimensions)."""
    return np.array(
        [
            np.bincount(np.array(chosen, dtype=np.intp), minlength=dimensions)
            for total in range(degree + 1)
            for chosen in combinations_with_replacement(range(dimensions), total)
        ]
    )


def monomials(z: Floats, exponents: Powers) -> Floats:
    """Return every monomial at some points, shape (points, monomials)."""
    raised = z[:, :, None] ** np.arange(exponents.max() + 1)
    found = np.ones((len(z), len(exponents)))
    for at in range(z.shape[1]):
        found *= raised[:, at, exponents[:, at]]
    return found


def _poisson(features: Floats, share: Floats, offset: Floats) -> Floats:
    """Regress the logarithm of a mean share on features, by Newton's method with a little ridge.

    Parameters
    ----------
    offset
        A part of the logarithm that is known.
    """
    weights = np.zeros(features.shape[1])
    weights[0] = np.log(max(share.mean() / np.exp(offset).mean(), 1e-12))
    ridge = _RIDGE * np.eye(weights.size)
    for _ in range(_STEPS):
        mean = np.exp(np.clip(offset + features @ weights, -30, 0.5))
        gradient = features.T @ (share - mean) - ridge @ weights
        curvature = (features * mean[:, None]).T @ features + ridge
        step = np.linalg.solve(curvature, gradient)
        weights = weights + step * min(1.0, 2.0 / max(float(np.abs(features @ step).max()), 1e-12))
        if np.abs(step).max() < 1e-8:
            break
    return weights
