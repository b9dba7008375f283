"""Shapley values against games whose division is known."""

from itertools import permutations

import numpy as np
import pytest

from sim.patient.luck import independent
from sim.study.shapley import shapley


def test_gloves():
    # One left glove (player 0), two right ones; a pair is worth 1: Shapley values 2/3, 1/6, 1/6.
    worth = np.array([0, 0, 0, 1, 0, 1, 0, 1], dtype=float)
    assert shapley(worth) == pytest.approx([2 / 3, 1 / 6, 1 / 6], abs=1e-15)


def test_equals_the_mean_over_all_orders_and_adds_up():
    players, outcomes = 5, 3
    values = independent(1, 2**players * outcomes).reshape(2**players, outcomes)
    gained = np.zeros((players, outcomes))
    orders = list(permutations(range(players)))
    for order in orders:
        mask = 0
        for each in order:
            gained[each] += values[mask | 1 << each] - values[mask]
            mask |= 1 << each
    found = shapley(values)
    assert found == pytest.approx(gained / len(orders), abs=1e-12)
    assert found.sum(axis=0) == pytest.approx(values[-1] - values[0], abs=1e-12)


def test_nobody_divides_nothing_and_a_table_must_be_whole():
    assert shapley(np.array([3.0])).shape == (0,)
    with pytest.raises(ValueError, match="power of two"):
        shapley(np.zeros(6))
