"""Probability that an arm is better: a share of exact draws; of noisy ones without their noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

import sim
from sim.patient.luck import independent
from sim.scenario.distributions import Floats, Lognormal
from sim.scenario.endpoints import Key
from sim.scenario.shipped import locate_posterior
from sim.study.budget import Budget
from sim.study.by_draw import by_draw, drawn_inputs
from sim.study.compare import Side
from sim.study.draws import draws_from, with_uncertain
from sim.study.pilot import RELIABLE
from sim.study.posterior import derived_seed
from sim.study.probability import Scatter, margins_between, probabilities

ALIVE: Key = ("overall_survival_enrolled", 5.0)
WARD = "aplasia.infection.ward_relative_risk"
TRUE = float(special.ndtr(0.12 / 0.35))
"""That a lognormal relative risk with median exp(0.12) and sigma 0.35 exceeds 1."""


def test_of_exact_draws_it_is_the_share_with_ties_counted_half() -> None:
    changes = np.array([-0.02, 0.0, 0.0, 0.01, 0.02, 0.03, 0.04, 0.05])
    found = probabilities(changes, 0.0, np.zeros((8, 1)), [0.0, 0.04, 0.2], 1)
    assert found["probability"].tolist() == [(5 + 1) / 8, (1 + 0.5) / 8, 0.0]
    assert found["counted"].tolist() == [5 / 8, 1 / 8, 0.0]
    assert found["tied"].tolist() == [2 / 8, 1 / 8, 0.0]
    assert found["unresolved"].tolist() == [0.0, 0.0, 0.0]
    # Of none of eight Wilson's upper limit: z^2 / (n + z^2).
    assert found["probability_upper"].iloc[2] == pytest.approx(1.959964**2 / (8 + 1.959964**2), abs=1e-6)


def rare(seed: int, draws: int, patients: int) -> tuple[Floats, float, Floats, Floats]:
    """Return noisy changes of rare deaths, the variance of their errors, inputs, and the true changes."""
    one, two, luck, more = independent(derived_seed(seed, "rare"), 4 * draws).reshape(4, draws)
    risk, fatality = np.exp(0.12 + 0.35 * special.ndtri(one)), 0.05 * np.exp(0.4 * special.ndtri(two))
    true = 0.15 * (risk - 1) * fatality
    counts = stats.poisson.ppf(luck, np.abs(true) * patients)
    error = np.mean(counts) / patients**2
    inputs = np.stack([risk, fatality, more], axis=1)
    return counts / patients * np.sign(true), float(error), inputs, true


def test_its_interval_holds_the_truth_though_a_third_of_draws_tie() -> None:
    margins, repeats = [0.0, 0.005], 20
    many = np.concatenate([rare(1000 + seed, 1000, 1)[3] for seed in range(200)])
    truth = [TRUE, float(np.mean(many > 0.005))]
    found = [probabilities(*rare(seed, 200, 800)[:3], margins, seed) for seed in range(repeats)]
    for at, true in enumerate(truth):
        rows = [each.iloc[at] for each in found]
        held = sum(row["probability_lower"] <= true <= row["probability_upper"] for row in rows)
        assert held >= 16  # of 20 at 95%: fewer in 1 of 390
        values = np.array([row["probability"] for row in rows])
        assert abs(values.mean() - true) < 4 * values.std(ddof=1) / math.sqrt(repeats)
    assert min(each["tied"].iloc[0] for each in found) > 0.2


def test_isolation_saves_lives_if_the_ward_is_riskier_and_ties_pull_a_count_to_one_half() -> None:
    base = sim.load_scenario("chicago2006").scenario
    draws = with_uncertain(
        draws_from(locate_posterior("chicago2006"), 200, 1),
        {WARD: Lognormal(dist="lognormal", median=math.exp(0.12), sigma=0.35)}, 200, 1,
    )  # fmt: skip
    sides = [Side(base), Side(base, held=(WARD,))]
    _, inputs = drawn_inputs(draws, sides)
    exact = by_draw(sides, ALIVE, Budget(draws=draws))
    told = probabilities(exact.changes[1], 0.0, inputs, [0.0], 1).iloc[0]
    assert exact.noise is None
    assert told["probability"] == pytest.approx(TRUE, abs=0.03)
    assert told["tied"] == 0
    drawn = by_draw(sides, ALIVE, Budget(16, draws=draws, engine="arrays"))
    assert drawn.noise is not None
    noise = float(drawn.noise[1, 1])
    assert noise == pytest.approx(np.mean(drawn.errors[1] ** 2))
    found = probabilities(drawn.changes[1], noise, inputs, [0.0], 1).iloc[0]
    assert found["probability"] == pytest.approx(TRUE, abs=0.03)
    assert found["tied"] > 0.4
    assert found["counted"] < 0.4  # whoever counts draws would say that it more often harms
    assert abs(found["counted"] + found["tied"] / 2 - 0.5) < abs(found["probability"] - 0.5)


def test_trials_that_are_said_to_be_enough_make_draws_reliable() -> None:
    changes = np.linspace(-1, 1, 101)
    scatter = Scatter.of(changes, 0.2, 10)
    enough = scatter.trials_needed
    within = scatter.within * scatter.trials
    assert scatter.between / (scatter.between + within / enough) >= RELIABLE
    assert scatter.between / (scatter.between + within / (enough - 1)) < RELIABLE
    assert Scatter.of(changes, 0.0, 0).reliability == 1


def test_where_nothing_rises_above_noise_there_is_no_probability() -> None:
    changes = np.linspace(-1, 1, 101)
    found = probabilities(changes, 1.0, changes[:, None], [0.0], 1)
    assert found["probability"].isna().all()
    assert Scatter.of(changes, 1.0, 10).reliability == 0
    assert math.isinf(Scatter.of(changes, 1.0, 10).trials_needed)


def test_a_curve_has_all_margins_that_are_asked_for() -> None:
    grid = margins_between(np.linspace(0.001, 0.01, 50), [0.0, 0.004, 0.3])
    assert {0.0, 0.004, 0.3} <= {*grid}
    assert grid == sorted(grid)
    assert (grid[0], grid[-1]) == (0.0, 0.3)
