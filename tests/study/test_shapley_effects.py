"""What dependent inputs explain, against a linear model of correlated normal ones in closed form."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from sim.scenario.distributions import Floats
from sim.study.shapley import shapley
from sim.study.shapley_effects import shapley_effects

SLOPES = np.array([1.0, 0.5, 0.8, 0.0])
TOGETHER = np.array([[1, 0.6, 0, 0.3], [0.6, 1, -0.4, 0], [0, -0.4, 1, 0.2], [0.3, 0, 0.2, 1]])
REST, NOISE = 0.3, 0.5
"""Variance that no input explains; and Monte Carlo error of each draw."""
DRAWS, REPEATS = 300, 12


def known() -> tuple[Floats, Floats]:
    """Return the share of the variance that every subset explains, and the Shapley effects."""
    explained = np.zeros(2 ** len(SLOPES))
    for mask in range(1, len(explained)):
        chosen = [at for at in range(len(SLOPES)) if mask >> at & 1]
        with_all = TOGETHER[:, chosen]
        explained[mask] = (
            SLOPES @ with_all @ np.linalg.solve(TOGETHER[np.ix_(chosen, chosen)], with_all.T) @ SLOPES
        )
    explained /= SLOPES @ TOGETHER @ SLOPES + REST
    return explained, shapley(explained)


def made(seed: int, noise: float = NOISE) -> tuple[list[Floats], Floats, Floats]:
    """Return inputs, each a group, an outcome, and the Monte Carlo error that is in it."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(DRAWS, len(SLOPES))) @ np.linalg.cholesky(TOGETHER).T
    errors = noise * np.exp(0.3 * rng.normal(size=DRAWS))
    rest, luck = rng.normal(size=(2, DRAWS))
    outcome = inputs @ SLOPES + np.sqrt(REST) * rest + errors * luck
    return [inputs[:, [at]] for at in range(len(SLOPES))], outcome, errors


def test_shares_of_a_linear_model_lie_in_their_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sys.modules[shapley_effects.__module__], "PERMUTED", 1
    )  # of which nothing is read here
    explained, effects = known()
    truth = {"alone": explained[[1, 2, 4, 8]], "shapley": effects, "together": explained[-1]}
    found = [shapley_effects(*made(seed), seed) for seed in range(REPEATS)]
    for name, own in truth.items():
        read = [getattr(each, name) for each in found]
        values = np.stack([each.value for each in read])
        inside = np.stack([(each.lower <= own) & (own <= each.upper) for each in read])
        # Intervals of 95%: 4 binomial errors, as if the shares of one study were independent.
        assert inside.mean() > 0.95 - 4 * np.sqrt(0.95 * 0.05 / inside.size)
        slack = 4 * values.std(axis=0, ddof=1) / np.sqrt(REPEATS)
        assert (np.abs(values.mean(axis=0) - own) < slack + 1 / DRAWS).all()  # of a ratio of two means


def test_they_add_up_and_what_noise_there_is_is_told() -> None:
    groups, outcome, errors = made(1)
    told = shapley_effects(groups, outcome, errors, 1)
    assert told.shapley.value.sum() == pytest.approx(float(told.together.value), abs=1e-12)
    assert told.noise == pytest.approx(np.mean(errors**2) / outcome.var(), abs=1e-12)
    # Taken for what is not known, the noise makes every share smaller, by as much.
    naive = shapley_effects(groups, outcome, np.zeros(DRAWS), 1)
    assert naive.alone.value == pytest.approx(told.alone.value * (1 - told.noise), abs=1e-12)


def test_a_dummy_explains_nothing_that_is_told_from_noise() -> None:
    repeats, below = 8, []
    for seed in range(repeats):
        groups, outcome, errors = made(seed)
        dummy = np.random.default_rng(1000 + seed).normal(size=(DRAWS, 1))
        told = shapley_effects([groups[0], dummy], outcome, errors, seed)
        below += [told.alone.value[1] < told.floor, told.shapley.value[1] < told.floor]
    assert np.mean(below) > 0.95 - 4 * np.sqrt(0.95 * 0.05 / repeats)


def test_draws_that_stand_there_twice_tell_no_more() -> None:
    groups, outcome, errors = made(2, noise=0.0)
    once = shapley_effects(groups, outcome, errors, 2)
    twice = shapley_effects(
        [np.concatenate([each, each]) for each in groups], np.tile(outcome, 2), np.tile(errors, 2), 2
    )
    width, other = (float(each.together.upper - each.together.lower) for each in (once, twice))
    assert other == pytest.approx(width, rel=0.15)  # with more rows there are more columns
