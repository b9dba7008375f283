"""Age at death from other causes, against bisection and against the closed form."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sim.patient.background import DeathAges, death_ages
from sim.scenario.distributions import Floats
from sim.scenario.life_table import background_hazards
from sim.scenario.schema import Background

FAMILIES = {
    "life table": background_hazards(Background(standardised_mortality_ratio=2.4)),
    "tiny": background_hazards(Background(standardised_mortality_ratio=1e-9)),
    "huge": background_hazards(Background(standardised_mortality_ratio=1e6)),
    "years without risk": np.array([[0.0, 0.0, 0.3, 0.0, 0.0, 0.1], [0.2, 0.0, 0.0, 0.0, 5.0, 0.01]]),
    "constant": np.full((2, 40), 0.02),
}


def by_bisection(
    hazards: NDArray[np.float64],
    age: NDArray[np.float64],
    female: NDArray[np.bool_],
    budget: NDArray[np.float64],
) -> NDArray[np.float64]:
    found = np.empty(age.shape)
    for row, sex in enumerate((~female, female)):
        hazard = hazards[row]
        reached = np.concatenate(([0.0], np.cumsum(hazard[:-1])))
        now = np.minimum(age[sex].astype(np.intp), hazard.size - 1)
        spent = reached[now] + hazard[now] * (age[sex] - now) + budget[sex]
        year = np.searchsorted(reached, spent, side="right") - 1
        found[sex] = year + (spent - reached[year]) / hazard[year]
    return found


@pytest.mark.parametrize("hazards", FAMILIES.values(), ids=FAMILIES)
def test_the_look_up_finds_the_year_that_bisection_finds(hazards: Floats) -> None:
    rng = np.random.default_rng(1)
    shape = (300, 256)
    age, female = rng.uniform(0, 130, shape), rng.random(shape) < 0.5
    corners = np.cumsum(hazards, axis=1).reshape(-1)
    budget = rng.exponential(size=shape) * rng.choice([1e-9, 1e-4, 1, 5, float(corners.max())], size=shape)
    age[:10], budget[:10] = 0.0, rng.choice(corners, (10, 256))  # spent exactly at a birthday
    np.testing.assert_array_equal(
        DeathAges(hazards).at(age, female, budget), by_bisection(hazards, age, female, budget)
    )


def test_a_constant_hazard_gives_the_exponential_law() -> None:
    age, budget = np.full((1, 4), 20.5), np.array([[0.001, 0.5, 1.0, 30.0]])
    found = DeathAges(FAMILIES["constant"]).at(age, np.zeros((1, 4), dtype=bool), budget)
    np.testing.assert_allclose(found, 20.5 + budget / 0.02, rtol=1e-12)


def test_nobody_dies_without_a_hazard() -> None:
    assert death_ages(Background(life_table="none")) is None
    assert death_ages(Background(standardised_mortality_ratio=0.0)) is None
