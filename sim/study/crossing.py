"""Where curves cross a level: values of a parameter at which figures are what is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sim.scenario.distributions import Floats

GRID = 13
"""Values at which a figure is looked at before it is solved for."""

_ROUNDS = 60
_SECANT_ROUNDS = 9
_CLOSE = 1e-9  # of the range, or of its logarithm: to there values are solved for
_EXACT = 1e-12
_SETTLED = 1e-10  # product of the last two steps: of this order is what is left
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
    whole
        Whether only whole numbers count.
    """

    low: float
    high: float
    whole: bool = False

    @property
    def log(self) -> bool:
        """Whether ratios count, and not differences."""
        return not self.whole and self.low > 0 and self.high / self.low > _LONG

    @property
    def size(self) -> int:
        """How many whole numbers there are."""
        return round(self.high - self.low) + 1

    def at(self, part: Floats) -> Floats:
        """Return the values at parts of the way from one end to the other."""
        if self.log:
            return np.asarray(self.low * (self.high / self.low) ** part)
        return np.asarray(self.low + (self.high - self.low) * part)

    def part(self, value: Floats) -> Floats:
        """Return how far on the way values are, as `at` takes it."""
        if self.log:
            return np.asarray(np.log(value / self.low) / np.log(self.high / self.low))
        return np.asarray((value - self.low) / (self.high - self.low))

    def listed(self, values: Floats) -> list[float]:
        """Return values as a scenario takes them."""
        return list(map(round, values.tolist())) if self.whole else values.tolist()

    def grid(self, size: int = GRID) -> Floats:
        """Return evenly spaced values, the ends among them."""
        return self.at(np.linspace(0.0, 1.0, size))


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


def on_grid(figure: Figure, rows: int, reach: Reach, size: int = GRID) -> Floats:
    """Return the figure of each row at each value of the grid, shape (rows, size)."""
    which = np.repeat(np.arange(rows), size)
    return figure(which, np.tile(reach.grid(size), rows)).reshape(rows, size)


def crossings(figure: Figure, known: Floats, reach: Reach, target: float) -> Crossings:
    """Solve for the value at which a figure is a target.

    Parameters
    ----------
    known
        What the figure is on an evenly spaced grid, shape (rows, values).

    Notes
    -----
    Regula falsi with the Illinois rule: Dowell M, Jarratt P. BIT 1971;11:168-174. All rows go on together.
    """
    left, parts = known - target, np.linspace(0.0, 1.0, known.shape[1])
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


def alike(figure: Figure, rows: int, reach: Reach, target: float, like: Floats, value: float) -> Floats:
    """Solve for the values of curves that are like one that is known: it rises or falls throughout.

    Parameters
    ----------
    like
        What the known curve is on an evenly spaced grid.
    value
        Where it crosses the target: there its neighbours are begun with.

    Returns
    -------
    array
        As `Crossings.value`, for curves that cross once or never.

    Notes
    -----
    Inverse interpolation through the last three values, as in Brent's method but without a bracket: Brent RP.
    Algorithms for minimization without derivatives, 1973, chapter 4. A curve that leads out of the range is
    solved for from its ends, which also tell whether the target is in reach.
    """
    p = [np.full(rows, float(reach.part(np.array(value))))]
    slope = np.interp(p[0], np.linspace(0.0, 1.0, len(like)), np.gradient(like) * (len(like) - 1))
    every = np.arange(rows)
    f = [figure(every, reach.at(p[0])) - target]
    found, going = np.full(rows, np.nan), np.ones(rows, dtype=np.bool_)
    with np.errstate(all="ignore"):
        for _ in range(_SECANT_ROUNDS):
            new = p[-1] - f[-1] / slope if len(p) == 1 else _inverse(p[-3:], f[-3:])
            step, before = np.abs(new - p[-1]), np.inf if len(p) == 1 else np.abs(p[-1] - p[-2])
            going &= (new >= 0) & (new <= 1)
            done = going & ((step * before < _SETTLED) | (np.abs(f[-1]) < _EXACT))
            found[done] = reach.at(new[done])
            going &= ~done
            if not going.any():
                break
            fresh = np.full(rows, np.nan)
            fresh[going] = figure(every[going], reach.at(new[going])) - target
            p.append(new)
            f.append(fresh)
    if (rest := every[np.isnan(found)]).size:

        def theirs(which: Rows, values: Floats) -> Floats:
            return figure(rest[which], values)

        found[rest] = crossings(theirs, on_grid(theirs, rest.size, reach, 2), reach, target).value
    return found


def _inverse(p: list[Floats], f: list[Floats]) -> Floats:
    """Return where the curve through some points, as a function of the figure, is 0."""
    new = np.zeros_like(p[0])
    for at, own in enumerate(p):
        weight = np.ones_like(own)
        for other in (each for number, each in enumerate(f) if number != at):
            weight = weight * other / (other - f[at])
        new = new + weight * own
    return new


def limits(values: Floats) -> tuple[float, float]:
    """Return the 2.5% and 97.5% points of thresholds, not numbers where these are out of reach."""
    ends = np.quantile(values, (0.025, 0.975), method="inverted_cdf")
    low, high = np.where(np.isfinite(ends), ends, np.nan).tolist()
    return low, high
