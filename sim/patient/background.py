"""Age at death from other causes: where a budget of hazard is spent along a life table.

The cumulative hazard is a broken line with a corner at each birthday. Finding the year in which a budget is
spent by bisection would cost more than all the rest of a fate, so it is looked up: a table over the logarithm
of the hazard, in which the corners lie nearly evenly, gives the year or one shortly before it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sim.scenario.distributions import Floats
from sim.scenario.life_table import background_hazards
from sim.scenario.schema import Background

# Cells of the table: this many to a doubling of the cumulative hazard, by the leading bits of a float.
_CELL_BITS = 8
_SHIFT = np.int64(52 - _CELL_BITS)


class DeathAges:
    """Ages at death under hazards that are constant between birthdays.

    Parameters
    ----------
    hazards
        Per year, shape (2, ages): row 0 men, row 1 women; the last column holds for all later years. Some are
        above 0.
    """

    def __init__(self, hazards: Floats) -> None:
        sexes, self._ages = hazards.shape
        reached = np.concatenate([np.zeros((sexes, 1)), np.cumsum(hazards, axis=1)], axis=1)
        self._hazard = hazards.reshape(-1)
        self._at_birthday = reached[:, :-1].reshape(-1)
        self._next_birthday = np.column_stack([reached[:, 1:-1], np.full(sexes, np.inf)]).reshape(-1)
        corners = reached[:, 1:-1]
        self._first = int(_cell(corners[corners > 0].min(initial=1.0)))
        self._cells = int(_cell(corners.max(initial=1.0))) - self._first + 1
        # The year in which each cell begins, as a position in the flattened tables; a cell below the first
        # corner begins at birth.
        edges = ((self._first + np.arange(self._cells + 1)) << _SHIFT).view(np.float64)
        edges[0] = 0.0
        years = [np.searchsorted(row[:-1], edges, side="right") - 1 for row in reached]
        self._steps = max(int(np.max(np.diff(row))) for row in years)
        self._begins = np.concatenate([row[:-1] + sex * self._ages for sex, row in enumerate(years)])

    def at(self, age: Floats, female: NDArray[np.bool_], budget: Floats) -> Floats:
        """Return the age at which a budget is spent, if spending begins at an age; arrays of one shape."""
        row = np.multiply(female, self._ages, dtype=np.intp)
        now = np.minimum(age, self._ages - 1).astype(np.intp)  # an age may be beyond whole numbers
        here = row + now
        spent = self._at_birthday.take(here) + self._hazard.take(here) * (age - now) + budget
        cell = _cell(spent) - self._first
        np.clip(cell, 0, self._cells - 1, out=cell)
        cell += np.multiply(female, self._cells, dtype=np.intp)
        year = self._begins.take(cell)
        for _ in range(self._steps):
            year += spent >= self._next_birthday.take(year)
        with np.errstate(divide="ignore", over="ignore"):
            further: Floats = (spent - self._at_birthday.take(year)) / self._hazard.take(year)
        year -= row
        further += year
        return further


def _cell(hazard: Floats) -> NDArray[np.int64]:
    """Return the cell of a cumulative hazard: its exponent and leading bits, which rise with it."""
    return np.asarray(hazard, dtype=np.float64).view(np.int64) >> _SHIFT


@lru_cache(maxsize=64)
def death_ages(background: Background) -> DeathAges | None:
    """Return the ages at death under a background; None where nobody dies of it."""
    hazards = background_hazards(background)
    return DeathAges(hazards) if hazards.any() else None
