"""Thresholds: at which value of a parameter a figure is what is asked for, by the exact twin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sim.outcomes.twin.expected import expected_figure
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import Key
from sim.scenario.schema import Scenario
from sim.scenario.values import with_values

GRID = 13
"""Values at which a figure is looked at before it is solved for."""

_ROUNDS = 60
_CLOSE = 1e-9  # of the range, or of its logarithm: to there values are solved for
_EXACT = 1e-12
_LONG = 20.0  # ends further apart than this ratio have a logarithmic scale between them

Rows: TypeAlias = NDArray[np.intp]
Figure: TypeAlias = Callable[[Rows, Floats], Floats]
"""Gives the figure of each row (of scenarios, say) at a value of its own."""


class Reach(NamedTuple):
    """The values between which a threshold is looked for.

    Attributes
    ----------
    low, high
        The ends of the range.
    """

    low: float
    high: float

    @property
    def log(self) -> bool:
        """Whether ratios count, and not differences."""
        return self.low > 0 and self.high / self.low > _LONG

    def at(self, part: Floats) -> Floats:
        """Return the values at parts of the way from one end to the other."""
        if self.log:
            return np.asarray(self.low * (self.high / self.low) ** part)
        return np.asarray(self.low + (self.high - self.low) * part)

    @property
    def grid(self) -> Floats:
        """Evenly spaced values, the ends among them."""
        return self.at(np.linspace(0.0, 1.0, GRID))


class Crossings(NamedTuple):
    """Where figures are what is asked for, one value a row.

    Attributes
    ----------
    value
        The first value in the range; infinite where the figure comes nearest at an end of it, with the sign
        of that end.
    times
        How often the figure passes what is asked for, as far as the grid can tell.
    """

    value: Floats
    times: NDArray[np.int64]


def figure_of(scenarios: Sequence[Scenario], key: Key, by: str) -> Figure:
    """Return a figure of scenarios as a function of one of their parameters."""

    def figure(which: Rows, values: Floats) -> Floats:
        pairs = zip(which.tolist(), values.tolist(), strict=True)
        return expected_figure([with_values(scenarios[row], {by: value}) for row, value in pairs], key)

    return figure


def on_grid(figure: Figure, rows: int, reach: Reach) -> Floats:
    """Return the figure of each row at each value of the grid, shape (rows, GRID)."""
    which = np.repeat(np.arange(rows), GRID)
    return figure(which, np.tile(reach.grid, rows)).reshape(rows, GRID)


def crossings(figure: Figure, known: Floats, reach: Reach, target: float) -> Crossings:
    """Solve for the value at which a figure is a target.

    Parameters
    ----------
    known
        What the figure is on the grid, shape (rows, GRID).

    Notes
    -----
    Regula falsi with the Illinois rule: Dowell M, Jarratt P. BIT 1971;11:168-174. All rows go on together.
    """
    left, parts = known - target, np.linspace(0.0, 1.0, GRID)
    passes = (left[:, :-1] > 0) != (left[:, 1:] > 0)
    times, rows = passes.sum(axis=1), np.arange(len(known))
    first = passes.argmax(axis=1)
    a, b = parts[first], parts[first + 1]
    fa, fb = left[rows, first], left[rows, first + 1]
    going = times > 0
    for _ in range(_ROUNDS):
        going &= (np.abs(b - a) > _CLOSE) & (np.abs(fb) > _EXACT)
        if not going.any():
            break
        at = rows[going]
        c = b[at] - fb[at] * (b[at] - a[at]) / (fb[at] - fa[at])
        fc = figure(at, reach.at(c)) - target
        turned = (fc > 0) != (fb[at] > 0)
        a[at], fa[at] = np.where(turned, b[at], a[at]), np.where(turned, fb[at], fa[at] / 2)
        b[at], fb[at] = c, fc
    nearest_end = np.where(np.abs(left[:, -1]) < np.abs(left[:, 0]), np.inf, -np.inf)
    return Crossings(np.where(times > 0, reach.at(b), nearest_end), times)


def limits(values: Floats) -> tuple[float, float]:
    """Return the 2.5% and 97.5% points of thresholds, not numbers where these are out of reach."""
    ends = np.quantile(values, (0.025, 0.975), method="inverted_cdf")
    low, high = np.where(np.isfinite(ends), ends, np.nan).tolist()
    return low, high
