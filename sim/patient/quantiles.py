"""Quantiles of lanes of luck, by tables where the exact function would cost most of the simulation.

A lane is a 32-bit word w and stands for the uniform u = (w + 1/2) / 2^32. The middle of a slow quantile
function is read off a table of 2^14 cells, linearly in u; the outer 1/256 on either side, where it bends
most, is exact. A normal quantile so found is off by less than 1e-5, which moves no figure that a simulation
could show.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sim.scenario.distributions import Distribution, Floats

Lanes = NDArray[np.uint32]

_CELL_BITS = 14
_LANES_A_CELL = 2 ** (32 - _CELL_BITS)
_OUTER = 2 ** (32 - 8)  # lanes on either side that are not read off the table


def uniforms(lanes: Lanes) -> Floats:
    """Return (w + 1/2) / 2^32: strictly between 0 and 1, and exact."""
    u: Floats = np.multiply(lanes, 2.0**-32)
    u += 2.0**-33
    return u


def unit_exponential(lanes: Lanes) -> Floats:
    """Return -log(1 - u)."""
    budget: Floats = np.multiply(lanes, -(2.0**-32))
    budget -= 2.0**-33
    np.log1p(budget, out=budget)
    return np.negative(budget, out=budget)


def below(lanes: Lanes, probability: float) -> NDArray[np.bool_]:
    """Return where the uniform lies below a probability, without making the uniforms."""
    first_above = int(np.ceil(probability * 2.0**32 - 0.5))
    if first_above >= 2**32:
        return np.ones(lanes.shape, dtype=np.bool_)
    return np.asarray(lanes < np.uint32(max(first_above, 0)))


class Interpolated:
    """A quantile function of lanes, read off a table made from the exact one.

    Parameters
    ----------
    quantile
        The exact function of uniforms, finite between 0 and 1.
    """

    def __init__(self, quantile: Callable[[Floats], Floats]) -> None:
        self._quantile = quantile
        outer = _OUTER // _LANES_A_CELL
        cells = np.arange(outer, 2**_CELL_BITS - outer)
        nodes = quantile(np.append(cells, cells[-1] + 1) / 2**_CELL_BITS)
        # One line a cell, as a function of the whole lane: value = start + slope w.
        self._slope, self._start = np.zeros(2**_CELL_BITS), np.zeros(2**_CELL_BITS)
        self._slope[cells] = np.diff(nodes) / _LANES_A_CELL
        self._start[cells] = nodes[:-1] + self._slope[cells] * (0.5 - cells * float(_LANES_A_CELL))

    def __call__(self, lanes: Lanes) -> Floats:
        """Return the quantiles of lanes, in their shape."""
        cell = (lanes >> np.uint32(32 - _CELL_BITS)).astype(np.intp)
        value: Floats = np.multiply(lanes, self._slope.take(cell))
        value += self._start.take(cell)
        # Unsigned: lanes below the first cell wrap around and count as far above the last.
        outer = np.flatnonzero(lanes - np.uint32(_OUTER) >= np.uint32(2**32 - 2 * _OUTER))
        value.reshape(-1)[outer] = self._quantile(uniforms(lanes.take(outer)))
        return value


@cache
def _normal() -> Interpolated:
    return Interpolated(special.ndtri)


@lru_cache(maxsize=64)
def _table(distribution: Distribution) -> Interpolated:
    return Interpolated(distribution.quantile)


def draw(distribution: Distribution, lanes: Lanes) -> Floats:
    """Return draws from a distribution by its inverse, one a lane."""
    if distribution.dist == "lognormal" and not distribution.bounds:
        return distribution.of_normal(_normal()(lanes))
    if distribution.dist in ("gamma", "lognormal"):
        return _table(distribution)(lanes)
    return distribution.quantile(uniforms(lanes))
