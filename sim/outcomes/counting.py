"""Counting and adding up patients, replication by replication; arrays have shape (patients, replications)."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sim.patient.fates import Booleans
from sim.scenario.distributions import Floats

_NARROW = 32

Scalar = TypeVar("Scalar", bound=np.generic)


def count(who: Booleans) -> Floats:
    """Return how many there are in each replication, of at most 255 patients."""
    number: Floats = np.add.reduce(who.view(np.uint8), axis=0, dtype=np.uint8).astype(np.float64)
    return number


def total(value: Floats, among: Booleans, before: Floats | None = None) -> Floats:
    """Return the sum of a value over some patients in each replication, one after the other.

    ``before`` is the sum over the patients before these.
    """
    return in_order(np.where(among, value, 0.0), before)


def in_order(summed: Floats, before: Floats | None = None) -> Floats:
    """Return the sum over patients in each replication, one after the other; what is summed is used up.

    NumPy picks the order of a sum by the array's shape, and a replication computed alone must give the same
    bits as in a batch: along the rows of several columns it goes in order, along a single column it does not.
    """
    if before is not None:
        summed[0] += before
    if summed.shape[1] == 1:
        summed = np.cumsum(summed, axis=0)[-1:]
    return np.asarray(np.add.reduce(summed, axis=0))


def add_up(rows: Floats) -> Floats:
    """Add to each row those before it, in place: wide ones row by row, which is faster than NumPy's way."""
    if rows.shape[1] <= _NARROW:
        return np.add.accumulate(rows, axis=0, out=rows)
    for number in range(1, len(rows)):
        np.add(rows[number - 1], rows[number], out=rows[number])
    return rows


def ratio(number: Floats, size: Floats) -> Floats:
    """Return number / size, not a number where the denominator is empty."""
    undefined = np.full(np.broadcast(number, size).shape, np.nan)
    return np.asarray(np.divide(number, size, out=undefined, where=size > 0))


class Some:
    """A few patients of many, for what is worked out for those alone."""

    def __init__(self, who: Booleans) -> None:
        self._at = np.flatnonzero(who)
        self._replications = who.shape[1]
        self._column = self._at - self._at // max(self._replications, 1) * self._replications

    def of(self, values: NDArray[Scalar]) -> NDArray[Scalar]:
        """Return their values; one that holds for all is returned as it is."""
        return values if values.ndim == 0 else values.reshape(-1).take(self._at)

    def number(self, who: NDArray[np.bool_] | None = None) -> Floats:
        """Return how many of them there are in each replication; of them, for how many something holds."""
        column: NDArray[Any] = self._column if who is None else self._column[who]
        return np.bincount(column, minlength=self._replications).astype(np.float64)

    def numbers(self, kind: NDArray[np.intp], kinds: int) -> Floats:
        """Return how many of them there are of each kind, shape (kinds, replications)."""
        cell = kind * self._replications + self._column
        counted = np.bincount(cell, minlength=kinds * self._replications)
        return counted.astype(np.float64).reshape(kinds, self._replications)
