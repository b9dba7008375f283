"""What of a figure follows from some inputs: regression on cubic splines, cross-fitted."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from sim.patient.luck import independent
from sim.scenario.distributions import Floats
from sim.study.posterior import derived_seed

FOLDS = 10
# Rows that a column of the design has at least, and knots of one input's spline at most; penalties of a row.
_ROWS_PER_COLUMN, _MOST_KNOTS = 2, 5
_PENALTIES = tuple(10.0 ** (half / 2) for half in range(-16, 5))
_NOTHING = 1e-9


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
    even, and then of the inputs themselves too, since hazards and risks multiply.
    Cross-fitting: Chernozhukov V et al. Econom J 2018;21:C1-C68.
    """
    columns, free, rows = _design(inputs), 1 + inputs.shape[1], len(outcome)
    found = np.empty((rows, *outcome.shape[1:]))
    values = outcome.reshape(rows, -1)
    fold = np.argsort(independent(derived_seed(seed, "folds"), rows), kind="stable") % folds
    for each in range(folds):
        out = fold == each
        kept = ~out if folds > 1 else out
        fit = columns[out] @ _fit(columns[kept], free, values[kept])
        found[out] = fit.reshape(-1, *outcome.shape[1:])
    return found


def _fit(columns: Floats, free: int, outcome: Floats) -> Floats:
    """Return coefficients by ridge regression, whose penalty generalised cross-validation chooses.

    Parameters
    ----------
    free
        The first columns, which are not penalised: straight lines.

    Notes
    -----
    Golub GH, Heath M, Wahba G. Technometrics 1979;21:215-223.
    """
    straight, bent = columns[:, :free], columns[:, free:]
    lines = np.linalg.lstsq(straight, np.column_stack([bent, outcome]), rcond=None)[0]
    z, y = bent - straight @ lines[:, : bent.shape[1]], outcome - straight @ lines[:, bent.shape[1] :]
    spread = np.where(z.std(axis=0) > _NOTHING, z.std(axis=0), np.inf)
    sizes, axes = np.linalg.eigh((z / spread).T @ (z / spread))
    sizes, turned = np.maximum(sizes, 0.0), axes.T @ ((z / spread).T @ y)
    total, rows = np.maximum(np.sum(y**2, axis=0), np.finfo(np.float64).tiny), len(y)

    def score(penalty: float) -> float:
        explained = ((sizes + 2 * penalty) / (sizes + penalty) ** 2) @ turned**2
        left = 1 - (free + float(np.sum(sizes / (sizes + penalty)))) / rows
        return float(np.mean(np.maximum(1 - explained / total, 0.0))) / max(left, 1 / rows) ** 2

    best = min((rows * each for each in _PENALTIES), key=score)
    slopes = (axes @ (turned / (sizes + best)[:, None])) / spread[:, None]
    return np.concatenate([lines[:, bent.shape[1] :] - lines[:, : bent.shape[1]] @ slopes, slopes])


def _design(inputs: Floats) -> Floats:
    """Return a constant, each input, the rest of a spline of each, and products of each two as rows allow."""
    rows, count = inputs.shape
    skewed = _skewed(inputs)
    scores, plain = _scores(inputs, skewed), _scores(inputs, np.zeros_like(skewed))
    products = [
        (each[:, one] * each[:, two])[:, None] for one, two in combinations(range(count), 2)
        for each in ((scores, plain) if skewed[one] or skewed[two] else (scores,))
    ]  # fmt: skip
    room = max(rows // _ROWS_PER_COLUMN, 1 + count) - 1
    if len(products) + count > room:
        products = []
    knots = min(_MOST_KNOTS, (room - len(products)) // max(count, 1))
    splines = [_natural_spline(column, knots)[:, 1:] for column in scores.T]
    return np.concatenate([np.ones((rows, 1)), scores, *splines, *products], axis=1)


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
