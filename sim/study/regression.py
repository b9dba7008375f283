"""What of a figure follows from some inputs: regression on cubic splines, cross-fitted."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from sim.patient.luck import independent
from sim.scenario.distributions import Floats
from sim.study.posterior import derived_seed

FOLDS = 10
# Rows that a column of the design has at least, and knots of one input's spline at most.
_ROWS_PER_COLUMN, _MOST_KNOTS = 10, 5
_RIDGE = 1e-8


def cross_fitted(inputs: Floats, outcome: Floats, seed: int, folds: int = FOLDS) -> Floats:
    """Return what inputs let expect of an outcome, each row from a fit to the other folds.

    A row that is not in its own fit can't flatter it; with one fold all rows are.

    Parameters
    ----------
    inputs
        Shape (rows, inputs); of no inputs the mean is expected.
    outcome
        Shape (rows,) or (rows, outcomes).
    folds
        1 for a fit that is not cross-fitted.

    Returns
    -------
    array, shape of `outcome`

    Notes
    -----
    Natural cubic splines of each input, with products of each two: of their logarithms where these are more
    even, and then of the inputs themselves too, since hazards and risks multiply; least squares.
    Cross-fitting: Chernozhukov V et al. Econom J 2018;21:C1-C68.
    """
    columns = _design(inputs)
    found = np.empty_like(outcome, dtype=np.float64)
    rows = len(outcome)
    fold = np.argsort(independent(derived_seed(seed, "folds"), rows), kind="stable") % folds
    for each in range(folds):
        out = fold == each
        kept = ~out if folds > 1 else out
        found[out] = columns[out] @ _fit(columns[kept], outcome[kept])
    return found


def _fit(columns: Floats, outcome: Floats) -> Floats:
    """Return coefficients by least squares; a trace of ridge keeps columns that say the same apart."""
    gram = columns.T @ columns
    gram += _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    return np.asarray(np.linalg.solve(gram, columns.T @ outcome))


def _design(inputs: Floats) -> Floats:
    """Return a constant, a spline of each input, and products of each two as rows allow."""
    rows, count = inputs.shape
    skewed = _skewed(inputs)
    scores, plain = _scores(inputs, skewed), _scores(inputs, np.zeros_like(skewed))
    allowed = max(rows // _ROWS_PER_COLUMN, 1 + count)
    knots = min(_MOST_KNOTS, max((allowed - 1) // max(count, 1), 1))
    parts = [np.ones((rows, 1)), *(_natural_spline(column, knots) for column in scores.T)]
    products = [
        (each[:, one] * each[:, two])[:, None] for one, two in combinations(range(count), 2)
        for each in ((scores, plain) if skewed[one] or skewed[two] else (scores,))
    ]  # fmt: skip
    if sum(part.shape[1] for part in parts) + len(products) <= allowed:
        parts += products
    return np.concatenate(parts, axis=1)


def _skewed(inputs: Floats) -> NDArray[np.bool_]:
    """Tell which inputs are positive and far from even."""
    low = inputs.min(axis=0, initial=np.inf)
    return np.asarray((low > 0) & (np.median(inputs, axis=0) < 0.9 * inputs.mean(axis=0)))


def _scores(inputs: Floats, logged: NDArray[np.bool_]) -> Floats:
    """Return inputs with mean 0 and SD 1, some of them on a log scale."""
    with np.errstate(divide="ignore", invalid="ignore"):
        read = np.where(logged, np.log(inputs), inputs)
    spread = read.std(axis=0)
    return np.asarray((read - read.mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def _natural_spline(x: Floats, knots: int) -> Floats:
    """Return the basis of a natural cubic spline without its constant, shape (rows, columns).

    Notes
    -----
    Hastie T, Tibshirani R, Friedman J. The Elements of Statistical Learning, 2nd ed, 2009, equation 5.4.
    """
    at = np.unique(np.quantile(x, np.linspace(0.02, 0.98, knots + 1)))
    if knots < 2 or len(at) < 3:
        return x[:, None]

    def d(knot: int) -> Floats:
        upper = np.maximum(x - at[-1], 0) ** 3
        return np.asarray((np.maximum(x - at[knot], 0) ** 3 - upper) / (at[-1] - at[knot]))

    return np.stack([x, *(d(knot) - d(len(at) - 2) for knot in range(len(at) - 2))], axis=1)
