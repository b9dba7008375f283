"""Quadrature: rules on (0, 1), discrete laws of durations, Gauss rules made from them, and interpolation.

A `Law` is a finite measure: values in days and their weights. Laws of durations are sums over the normal
score z, with ``x = quantile(Phi(z))``, because every family is smooth there, down to shapes below one.
A `Piecewise` is a smooth function of time, cheap to evaluate: Chebyshev interpolation between edges.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, special

from sim.scenario.distributions import Distribution, Empirical, Fixed, Floats, Lognormal

_SCORE_LIMIT = 8.0  # beyond it lie 1.2e-15 of a distribution, which doubles cannot tell from nothing
_SCORE_EDGES = np.linspace(-_SCORE_LIMIT, _SCORE_LIMIT, 9)
_LEAST_MASS = 1e-18  # between two breaks, below which nothing is kept there
_NEGLIGIBLE = 1e-20  # of a law's mass
_NOTHING_LEFT = 1e-13  # of a vector of length one, orthogonalised
_NO_COEFFICIENT = 2e-16  # of the largest of an interpolation
_DOUBLE_EXPONENTIAL_LIMIT = 3.1  # there 1 - x is 8e-16


class Law(NamedTuple):
    """A discrete measure: values, and the weight of each."""

    values: Floats
    weights: Floats


class UnitRule(NamedTuple):
    """A quadrature rule on (0, 1): nodes, and weights that add to one."""

    nodes: Floats
    weights: Floats


def refined(order: int, refinement: float) -> int:
    """Return how many nodes a quadrature has whose nodes are multiplied, as whole ones and at least three."""
    return max(3, round(order * refinement))


@lru_cache(maxsize=32)
def legendre(order: int) -> UnitRule:
    """Return Gauss-Legendre's rule on (0, 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    return UnitRule((nodes + 1) / 2, weights / 2)


@lru_cache(maxsize=32)
def double_exponential(order: int) -> UnitRule:
    """Return the tanh-sinh rule on (0, 1), which bears singularities and thin layers at both ends.

    ``x = (1 + tanh(pi/2 sinh(tau))) / 2`` with the trapezoidal rule in tau (Takahasi and Mori 1974).
    """
    tau = np.linspace(-_DOUBLE_EXPONENTIAL_LIMIT, _DOUBLE_EXPONENTIAL_LIMIT, order)
    x = special.expit(np.pi * np.sinh(tau))
    weights = x * special.expit(-np.pi * np.sinh(tau)) * np.pi * np.cosh(tau) * (tau[1] - tau[0])
    return UnitRule(x, weights / weights.sum())


def on_panels(edges: Floats, rule: UnitRule) -> tuple[Floats, Floats]:
    """Return nodes and weights of a rule repeated between ascending edges (along the last axis)."""
    left, width = edges[..., :-1, None], np.diff(edges)[..., None]
    shape = (*edges.shape[:-1], -1)
    return (left + width * rule.nodes).reshape(shape), (width * rule.weights).reshape(shape)


def dot(first: Floats, second: Floats) -> Floats:
    """Return the sums of products along the last axis; other axes broadcast."""
    return np.asarray(np.matmul(first[..., None, :], second[..., :, None])[..., 0, 0])


def fixed_value(distribution: Distribution) -> float | None:
    """Return the only value of a distribution without spread, else None."""
    if isinstance(distribution, Fixed):
        return distribution.value
    if isinstance(distribution, Lognormal) and distribution.log_mean_and_sigma[1] == 0:
        return float(distribution.quantile(np.array([0.5]))[0])
    atoms = atoms_of(distribution)
    return float(atoms.values[0]) if atoms is not None and atoms.values.size == 1 else None


def atoms_of(distribution: Distribution) -> Law | None:
    """Return the law of what was observed: each value by how often it occurs; None of other families."""
    if not isinstance(distribution, Empirical):
        return None
    values, times = np.unique(distribution.kept_values, return_counts=True)
    return Law(values, times / distribution.kept_values.size)


def corners_of(duration: Distribution) -> Floats:
    """Return the lengths at which the distribution function jumps, or bends where it is cut off."""
    atoms = atoms_of(duration)
    return np.array(duration.bounds) if atoms is None else atoms.values


def spread_of(duration: Distribution) -> Floats:
    """Return lengths between which what depends on a duration is smooth enough for one panel."""
    atoms = atoms_of(duration)
    return _quantiles_of(duration) if atoms is None else atoms.values


def median_of(duration: Distribution) -> float:
    """Return the median of a duration."""
    return float(_quantiles_of(duration)[3])


def _quantiles_of(duration: Distribution) -> Floats:
    return duration.quantile(special.ndtr(np.array([-7.0, -4.0, -2.0, 0.0, 2.0, 4.0, 7.0])))


def law_of(distribution: Distribution, order: int, breaks: Iterable[float] = ()) -> Law:
    """Return a distribution as a law: composite Gauss-Legendre in the normal score, or what was observed.

    Parameters
    ----------
    distribution
        Any distribution.
    order
        Nodes a panel; a panel is two standard normal deviations.
    breaks
        Values at which what will be integrated has a kink: no panel crosses one.
    """
    value = fixed_value(distribution)
    if value is not None:
        return Law(np.array([value]), np.ones(1))
    if (atoms := atoms_of(distribution)) is not None:
        return atoms
    kinks = special.ndtri(distribution.cdf(np.array([b for b in breaks if b > 0], dtype=np.float64)))
    kinks = kinks[np.abs(kinks) < _SCORE_LIMIT]
    edges = np.union1d(_SCORE_EDGES, kinks) if kinks.size else _SCORE_EDGES
    score, weights = on_panels(edges, legendre(order))
    density = np.exp(-(score**2) / 2) / np.sqrt(2 * np.pi)
    return Law(distribution.quantile(special.ndtr(score)), weights * density)


def add(first: Law, second: Law) -> Law:
    """Return the law of the sum of two independent quantities."""
    values = first.values[:, None] + second.values
    return Law(values.ravel(), (first.weights[:, None] * second.weights).ravel())


def join(laws: Sequence[Law]) -> Law:
    """Return the measure that is the sum of measures."""
    if not laws:
        return Law(np.zeros(0), np.zeros(0))
    return Law(np.concatenate([law.values for law in laws]), np.concatenate([law.weights for law in laws]))


def _gauss_rules(laws: Sequence[Law], order: int) -> list[Law]:
    """Return the Gauss rule of each law: the same first ``2 order`` moments on at most `order` nodes.

    Laws of as many values are taken together, because most are short and there are hundreds.
    """
    rules: list[Law] = []
    alike: dict[int, list[int]] = {}
    for number, law in enumerate(laws):
        keep = law.weights > _NEGLIGIBLE * law.weights.sum()
        values, weights = law.values[keep], law.weights[keep]
        if values.size > 1:
            mass, low, high = float(weights.sum()), float(values.min()), float(values.max())
            if high - low <= 1e-14 * high:
                values, weights = np.array([float(weights @ values) / mass]), np.array([mass])
            else:
                alike.setdefault(values.size, []).append(number)
        rules.append(Law(values, weights))
    for numbers in alike.values():
        values, weights = (np.stack(part) for part in zip(*(rules[k] for k in numbers), strict=True))
        for number, rule in zip(numbers, _lanczos(values, weights, order), strict=True):
            rules[number] = rule
    return rules


def _lanczos(values: Floats, weights: Floats, order: int) -> Iterator[Law]:
    """Yield the Gauss rules of some laws, one a row: Lanczos with full reorthogonalisation.

    Nodes and weights then follow from a tridiagonal matrix (Golub and Welsch 1969).
    """
    mass, low, high = (part[:, None] for part in (weights.sum(-1), values.min(-1), values.max(-1)))
    x = (2 * values - low - high) / (high - low)
    laws, steps = len(values), min(order, values.shape[1])
    basis = np.zeros((laws, steps + 1, values.shape[1]))
    basis[:, 0] = np.sqrt(weights / mass)
    diagonal, beside = np.zeros((laws, steps)), np.zeros((laws, steps))
    for step in range(steps):
        residual = x * basis[:, step]
        diagonal[:, step] = dot(residual, basis[:, step])
        for _ in range(2):  # twice is enough; einsum, because threads cost more than they give here
            along = np.einsum("lkn,ln->lk", basis[:, : step + 1], residual)
            residual -= np.einsum("lk,lkn->ln", along, basis[:, : step + 1])
        norm = np.sqrt(dot(residual, residual))
        beside[:, step] = np.where(norm < _NOTHING_LEFT, 0.0, norm)
        basis[:, step + 1] = residual / np.where(norm < _NOTHING_LEFT, np.inf, norm)[:, None]
    for row in range(laws):
        size = min([*np.flatnonzero(beside[row] == 0) + 1, steps])
        nodes, vectors = linalg.eigh_tridiagonal(diagonal[row, :size], beside[row, : size - 1])
        middle = (low[row] + high[row] + nodes * (high[row] - low[row])) / 2
        yield Law(middle, mass[row] * vectors[0] ** 2)


def compress_between(law: Law, breaks: Iterable[float], order: int) -> Law:
    """Return a law as one Gauss rule between each two neighbouring breaks."""
    return compress_each_between([(law, breaks)], order)[0]


def compress_each_between(laws: Sequence[tuple[Law, Iterable[float]]], order: int) -> list[Law]:
    """Return each law as one Gauss rule between each two neighbouring breaks of its own."""
    pieces: list[Law] = []
    ends = [0]
    for law, breaks in laws:
        edges = np.array(sorted(breaks), dtype=np.float64)
        segment = np.searchsorted(edges, law.values)
        for number in np.unique(segment):
            inside = segment == number
            if law.weights[inside].sum() > _LEAST_MASS:
                pieces.append(Law(law.values[inside], law.weights[inside]))
        ends.append(len(pieces))
    rules = _gauss_rules(pieces, order)
    return [join(rules[begin:end]) for begin, end in pairwise(ends)]


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
        used = np.flatnonzero(sizes > _NO_COEFFICIENT * sizes.max(initial=0.0))
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
