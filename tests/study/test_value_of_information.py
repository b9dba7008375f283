"""Value of information: a normal case in closed form, noisy draws, few draws, and draws that agree."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtri

import sim
from sim.patient.luck import independent
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import Key
from sim.scenario.shipped import locate_posterior
from sim.scenario.values import with_values
from sim.study.budget import Budget
from sim.study.by_draw import by_draw
from sim.study.compare import Side
from sim.study.draws import draws_from
from sim.study.posterior import derived_seed
from sim.study.regression import cross_fitted
from sim.study.value_of_information import Choice, value_of_information

TRUE = {"": 0.479811, "p1": 0.083315, "p2": 0.395593, "both": 0.479811}
"""Net benefits 0 and p1 - p2, p1 ~ N(1, 1), p2 ~ N(0, sd 2): in closed form."""
GROUPS = {"p1": [0], "p2": [1], "both": [0, 1]}


def normal(seed: int, draws: int, columns: int = 3) -> Floats:
    return np.asarray(ndtri(independent(derived_seed(seed, "o"), columns * draws)).reshape(columns, draws))


def found(seed: int, draws: int, noise_sd: float = 0.0) -> dict[str, dict[str, float]]:
    """Return the answer to the normal case, by group; of all drawn by an empty name."""
    z = normal(seed, draws)
    p1, p2 = 1 + z[0], 2 * z[1]
    gain = p1 - p2 + noise_sd * z[2]
    noise = np.diag([0.0, noise_sd**2]) if noise_sd else None
    choice = Choice.of(np.stack([0 * gain, gain]), noise)
    table, _ = value_of_information(choice, np.stack([p1, p2], axis=1), GROUPS, ["p1", "p2"], seed)
    naive = np.maximum(gain, 0).mean() - max(gain.mean(), 0.0)
    return {**table.set_index("group").to_dict("index"), "naive": {"value": float(naive)}}


def test_the_closed_form_lies_within_the_stated_error() -> None:
    several = [found(seed, 2000) for seed in range(40)]
    for name, true in TRUE.items():
        held = sum(each[name]["lower"] <= true <= each[name]["upper"] for each in several)
        assert held >= 34, name  # of 40 at 95%: fewer in 1 of 70
        values = np.array([each[name]["value"] for each in several])
        errors = np.array([each[name]["se"] for each in several])
        assert values.std() == pytest.approx(errors.mean(), rel=0.4)  # an SD of 40 errs by 11%
    once = found(1, 200_000)
    for name, true in TRUE.items():
        assert once[name]["value"] == pytest.approx(true, abs=3.5 * once[name]["se"])
        assert once[name]["se"] < 0.003


def test_with_few_draws_a_fit_flatters_itself_and_a_cross_fitted_choice_does_not() -> None:
    several = [found(seed, 200)["p1"] for seed in range(80)]
    value, fitted = (np.array([each[name] for each in several]) for name in ("value", "fitted"))
    apart, error = fitted - value, np.array([value.std(), fitted.std()]) / math.sqrt(80)
    assert apart.mean() > 3 * apart.std() / math.sqrt(80)
    assert value.mean() - 2 * error[0] < TRUE["p1"] < fitted.mean() + 2 * error[1]
    assert abs(value.mean() - TRUE["p1"]) < 0.015 + 2 * error[0]


def test_noise_of_single_draws_is_taken_out() -> None:
    several = [found(seed, 2000, noise_sd=2.0) for seed in range(6)]
    values, naive = (np.array([each[name]["value"] for each in several]) for name in ("", "naive"))
    assert naive.mean() > TRUE[""] + 0.2
    assert abs(values.mean() - TRUE[""]) < 4 * values.std(ddof=1) / math.sqrt(6)
    for name in ("p1", "p2"):
        own = np.array([each[name]["value"] for each in several])
        assert abs(own.mean() - TRUE[name]) < 4 * own.std(ddof=1) / math.sqrt(6)


def test_who_knows_more_loses_nothing_and_nobody_gains_more_than_all() -> None:
    for seed in range(30):
        each = found(seed, 60)
        assert 0 <= each["p1"]["value"] <= each["both"]["value"] <= each[""]["value"]
        assert each["p2"]["value"] <= each["both"]["value"]
        for row in (each[name] for name in GROUPS):
            assert row["lower"] <= row["value"] <= row["upper"] <= each[""]["upper"]
            assert row["upper"] > 0  # what was not seen in 60 draws is not nothing


def test_where_all_draws_agree_it_is_told_what_the_difference_hangs_on() -> None:
    z = normal(1, 1000)
    gain = 20 + 2 * z[0] + z[1]
    choice = Choice.of(np.stack([gain, 0 * gain]), None)
    groups = {"a": [0], "b": [1], "c": [2]}
    table, agreed = value_of_information(choice, z.T, groups, ["a", "b", "c"], 1)
    rows = table.set_index("group")
    assert agreed == 1
    assert choice.best == 0
    assert rows.loc["", "value"] == 0
    assert math.isnan(rows.loc["", "upper"])  # no draw tells how much others might be worth
    assert (rows.drop("")["what"] == "variance").all()
    for name, true in (("a", 0.8), ("b", 0.2), ("c", 0.0)):
        assert abs(rows.loc[name, "value"] - true) < 4 * rows.loc[name, "se"] + 1e-9
    assert 0 < rows.loc["a", "se"] < 0.03


def test_errors_of_several_arms_are_those_of_their_differences_from_the_best() -> None:
    base = sim.load_scenario("chicago2006").scenario
    key: Key = ("overall_survival_enrolled", 5.0)
    hazard = "active_disease.hazard_per_year"
    sides = [Side(base), *(Side(with_values(base, {hazard: each}), held=(hazard,)) for each in (0.1, 0.3))]
    draws = draws_from(locate_posterior("chicago2006"), 4, 1)
    read = by_draw(sides, key, Budget(64, draws=draws, engine="arrays"))
    assert read.noise is not None
    assert np.diag(read.noise) == pytest.approx(np.mean(read.errors**2, axis=1))
    assert np.linalg.eigvalsh(read.noise).min() > -1e-12
    again = by_draw([sides[2], sides[0], sides[1]], key, Budget(64, draws=draws, engine="arrays"))
    assert again.noise is not None
    choice = Choice.of(read.changes, read.noise)
    other = Choice.of(again.changes, again.noise)
    assert [choice.best, other.best] == [1, 2]
    assert choice.noise is not None
    assert other.noise is not None
    assert choice.noise == pytest.approx(other.noise[::-1, ::-1], rel=1e-9)


def test_risks_multiply_and_a_regression_on_few_draws_finds_it() -> None:
    z = normal(3, 200, 8)
    inputs = np.exp(0.4 * z[:7]).T
    outcome = inputs[:, 0] * (inputs[:, 1] - 1)
    rest = outcome - cross_fitted(inputs, outcome, 1)
    assert rest.var() < 0.1 * outcome.var()
    nothing = cross_fitted(inputs, z[7], 1)  # what has no inputs: straight lines alone are left
    assert nothing.var() < 3 * 7 / 200
