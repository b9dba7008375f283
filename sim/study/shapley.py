"""Shapley values: a fair division of what a set of players brings about together."""

from __future__ import annotations

from math import factorial

import numpy as np

from sim.scenario.distributions import Floats


def shapley(values: Floats) -> Floats:
    """Return each player's Shapley value; together they are what all players change.

    Parameters
    ----------
    values
        What each subset of G players brings about, shape (2^G,) or (2^G, outcomes): the subset at row m
        holds player i where bit i of m is set, so row 0 is nobody and the last row everybody.

    Returns
    -------
    array, shape (G,) or (G, outcomes)

    Notes
    -----
    phi_i = sum over S without i of |S|! (G - |S| - 1)! / G! (v(S + i) - v(S)). Shapley LS. A value for
    n-person games. Contributions to the Theory of Games II, 1953:307-317.
    """
    players = len(values).bit_length() - 1
    if len(values) != 2**players:
        raise ValueError(f"a table of all subsets has a power of two of rows, not {len(values)}")
    masks = np.arange(2**players)
    sizes = sum((masks >> each & 1 for each in range(players)), np.zeros_like(masks))
    weights = np.array(
        [factorial(size) * factorial(players - size - 1) / factorial(players) for size in range(players)]
    )
    found = np.empty((players, *values.shape[1:]))
    for each in range(players):
        without = masks[masks >> each & 1 == 0]
        gained = values[without | 1 << each] - values[without]
        found[each] = np.tensordot(weights[sizes[without]], gained, axes=1)
    return found
