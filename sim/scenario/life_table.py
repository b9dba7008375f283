"""The life table: hazard of death from other causes by sex and completed year of age."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np

from sim.scenario.distributions import Floats
from sim.scenario.evidence import data_rows
from sim.scenario.schema import Background, LifeTable

_SURE = 1 - 1e-9
"""Probability of death that stands for 1, of which the hazard would be infinite."""


@cache
def _population_hazards() -> Floats:
    """Return -ln(1 - q) for US 2013, shape (2, ages): row 0 men, row 1 women, per year (NCHS)."""
    rows = data_rows("us_life_table_2013")
    q = np.array([[float(row[sex]) for row in rows] for sex in ("male", "female")])
    hazards: Floats = -np.log1p(-q)
    hazards.setflags(write=False)
    return hazards


@lru_cache(maxsize=16)
def _own_hazards(table: LifeTable) -> Floats:
    """Return the same for a table of one's own; who is sure to die within the year does so early in it."""
    q = np.minimum(np.array([table.male, table.female]), _SURE)
    hazards: Floats = -np.log1p(-q)
    hazards.setflags(write=False)
    return hazards


def background_hazards(background: Background) -> Floats:
    """Return the background hazard per year, shape (2, ages): row 0 men, row 1 women.

    Column k holds for the year between birthdays k and k + 1; the last column holds for all later years.
    """
    table = background.life_table
    hazards = _own_hazards(table) if isinstance(table, LifeTable) else _population_hazards()
    if table == "none":
        return np.zeros_like(hazards)
    return hazards * background.standardised_mortality_ratio
