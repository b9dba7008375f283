"""Piecewise Chebyshev interpolation: smooth functions of time, evaluated cheaply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sim.scenario.distributions import Floats

_NEGLIGIBLE = 2e-16  # of the largest coefficient


@lru_cache(maxsize=32)
def _chebyshev(order: int) -> tuple[Floats, Floats]:
    """Return Chebyshev's points on (0, 1), ascending, and the matrix from values there to coefficients."""
    angles = np.pi * (np.arange(order) + 0.5) / order
    to_coefficients = 2 / order * np.cos(np.outer(np.arange(order), angles))
    to_coefficients[0] /= 2
    return (1 - np.cos(angles)) / 2, np.ascontiguousarray(to_coefficients[:, ::-1])


def panel_points(edges: Floats, order: int) -> Floats:
    """Return the interpolation points of each panel between ascending edges, shape (panels, order)."""
    return edges[:-1, None] + np.diff(edges)[:, None] * _chebyshev(order)[0]


@dataclass(frozen=True, eq=False)
class Piecewise:
    """A function on panels: `coefficients` has shape (order, panels, ...), further axes are functions."""

    edges: Floats
    coefficients: Floats

    @classmethod
    def through(cls, edges: Floats, values: Floats) -> Piecewise:
        """Return the function with `values`, shape (panels, order, ...), at `panel_points`.

        Coefficients too small to change a double are dropped.
        """
        transform = _chebyshev(values.shape[1])[1]
        coefficients = np.tensordot(transform, values, axes=(1, 1))
        sizes = np.abs(coefficients).reshape(len(transform), -1).max(axis=1)
        used = np.flatnonzero(sizes > _NEGLIGIBLE * sizes.max(initial=0.0))
        return cls(edges, coefficients[: used[-1] + 1 if used.size else 1])

    def antiderivative(self) -> Piecewise:
        """Return the integral from the first edge on."""
        widths = np.diff(self.edges).reshape((-1,) + (1,) * (self.coefficients.ndim - 2))
        integral = np.zeros((len(self.coefficients) + 1, *self.coefficients.shape[1:]))
        twice = 2.0 * np.arange(1, len(integral)).reshape((-1,) + (1,) * (integral.ndim - 1))
        integral[1] = self.coefficients[0]
        integral[2:] = self.coefficients[1:] / twice[1:]
        integral[1:-2] -= self.coefficients[2:] / twice[:-2]
        integral[0] = -np.polynomial.chebyshev.chebval(-1.0, integral)
        raised = integral * widths / 2
        ends = raised.sum(axis=0)  # every Chebyshev polynomial is 1 at the right end
        raised[0] += np.cumsum(ends, axis=0) - ends
        return Piecewise(self.edges, raised)

    def __call__(self, x: Floats) -> Floats:
        """Evaluate the only function at each of `x`; beyond the last edge the value there holds."""
        return self._evaluate(x, 0)

    @classmethod
    def together(cls, functions: Sequence[Piecewise]) -> Piecewise:
        """Return functions on the same panels as one, their coefficients side by side."""
        order = max(len(function.coefficients) for function in functions)
        coefficients = np.zeros((order, functions[0].edges.size - 1, len(functions)))
        for number, function in enumerate(functions):
            coefficients[: len(function.coefficients), :, number] = function.coefficients
        return cls(functions[0].edges, coefficients)

    def paired(self, x: Floats) -> Floats:
        """Evaluate function number i at row i of `x`, or each at all of `x` if it has one axis."""
        return self._evaluate(x, np.arange(self.coefficients.shape[2])[:, None])

    def _evaluate(self, x: Floats, function: NDArray[np.intp] | int) -> Floats:
        x = np.minimum(np.maximum(x, self.edges[0]), self.edges[-1])
        panel = np.clip(np.searchsorted(self.edges, x, side="right") - 1, 0, self.edges.size - 2)
        left, right = self.edges[panel], self.edges[panel + 1]
        local = (2 * x - left - right) / (right - left)
        rows = self.coefficients.reshape(len(self.coefficients), -1)
        place = panel * (rows.shape[1] // (self.edges.size - 1)) + function
        twice, last, before = 2 * local, np.zeros(place.shape), np.zeros(place.shape)
        for row in rows[:0:-1]:  # Clenshaw's recurrence
            now = twice * last
            now -= before
            now += row.take(place)
            last, before = now, last
        result: Floats = local * last - before + rows[0].take(place)
        return result
