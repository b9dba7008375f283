"""How much of a figure's variance each of some inputs explains, which may depend on each other.

Ordinary Sobol indices have no meaning there. What an input explains *alone* is Var(E[Y | X]) / Var Y; inputs
that say the same in part both explain that part, so these do not add up. *Shapley effects* divide what all of
them explain fairly, and do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.patient.luck import independent
from sim.scenario.distributions import Floats
from sim.study.estimates import Z95
from sim.study.posterior import derived_seed
from sim.study.regression import cross_fitted
from sim.study.shapley import shapley
from sim.study.sobol_indices import Interval

MOST_GROUPS = 10
"""Of which every subset is looked at."""
PERMUTED = 100
"""Shuffled groups, of which the floor is made."""
_DUMMY_BELOW = 0.95


class Effects(NamedTuple):
    """What each group of inputs explains of the variance that is not Monte Carlo error.

    Attributes
    ----------
    alone
        What each explains if nothing else is known.
    shapley
        Its part of what all explain together.
    together
        What all explain; the rest is what regression does not find.
    dummy
        What a group explains that was shuffled: noise.
    floor
        Below which a group is not told from a shuffled one.
    noise
        Share of the draws' scatter that is Monte Carlo error of each.
    """

    alone: Interval
    shapley: Interval
    together: Interval
    dummy: float
    floor: float
    noise: float


def shapley_effects(groups: Sequence[Floats], outcome: Floats, errors: Floats, seed: int) -> Effects:
    """Return what groups of inputs explain of an outcome over its draws, with 95% intervals.

    Parameters
    ----------
    groups
        The draws of each, shape (draws, inputs).
    outcome
        Shape (draws,).
    errors
        Standard error of each outcome under its draw. Each draw has luck of its own, so that the scatter of
        outcomes has the mean square of these in it; it is subtracted.

    Notes
    -----
    Song E, Nelson BL, Staum J. SIAM/ASA J Uncertain Quantif 2016;4:1060-1083, with the variance explained as
    the value of a subset. That is 1 - E(Y - m(X))^2 / Var Y, m by regression; the error in the fit's own rows
    is too small by as much as that in rows left out is too large, and both are averaged. Intervals: normal,
    from the influence function (Williamson BD et al. Biometrics 2021;77:9-22); Shapley values are linear in
    it. Equal draws count as one.
    """
    squares, weight = (outcome - outcome.mean()) ** 2, _repeats(np.concatenate(groups, axis=1))
    known = float(squares.mean() - np.mean(errors**2))
    left = np.stack([_left(_chosen(groups, mask), outcome, seed) for mask in range(2 ** len(groups))])
    left[0] = squares
    explained = (squares.mean() - left.mean(axis=1)) / known
    # Of each draw on what is explained; of a ratio: of the numerator, less the ratio's of the denominator.
    influence = (squares - left - explained[:, None] * (squares - errors**2)) / known
    ones = [2**each for each in range(len(groups))]
    widest = max(groups, key=lambda each: each.shape[1])
    shuffled = np.array([
        (squares.mean() - _left(widest[_order(seed, number, len(outcome))], outcome, seed).mean()) / known
        for number in range(PERMUTED)
    ]) * weight  # fmt: skip
    return Effects(
        _interval(explained[ones], influence[ones], weight),
        _interval(shapley(explained), shapley(influence), weight),
        _interval(explained[-1], influence[-1], weight),
        float(shuffled[0]), float(np.quantile(shuffled, _DUMMY_BELOW)),
        float(np.mean(errors**2) / squares.mean()),
    )  # fmt: skip


def _chosen(groups: Sequence[Floats], mask: int) -> Floats:
    """Return the inputs of the groups in a subset, side by side."""
    some = [each for number, each in enumerate(groups) if mask >> number & 1]
    return np.concatenate(some, axis=1) if some else np.empty((len(groups[0]), 0))


def _left(inputs: Floats, outcome: Floats, seed: int) -> Floats:
    """Return the square of what inputs leave of an outcome, a mean of inside and outside of the fit."""
    found = [outcome - cross_fitted(inputs, outcome, seed, *folds) for folds in ((), (1,))]
    return np.asarray((found[0] ** 2 + found[1] ** 2) / 2)


def _repeats(inputs: Floats) -> float:
    """Return how often a draw stands there, on average over the draws."""
    counts = np.unique(inputs, axis=0, return_counts=True)[1]
    return float((counts**2).sum() / counts.sum())


def _order(seed: int, number: int, rows: int) -> NDArray[np.intp]:
    return np.argsort(independent(derived_seed(seed, f"shuffled {number}"), rows), kind="stable")


def _interval(value: Floats, influence: Floats, weight: float) -> Interval:
    half = Z95 * influence.std(axis=-1) * np.sqrt(weight / influence.shape[-1])
    return Interval(np.asarray(value), value - half, value + half)
