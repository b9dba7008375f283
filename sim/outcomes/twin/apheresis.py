"""The law of the number of apheresis sessions, and of the cells that they give."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from sim.outcomes.twin.interpolation import Piecewise, panel_points
from sim.outcomes.twin.quadrature import double_exponential, fixed_value, law_of, on_panels
from sim.scenario.distributions import Distribution, Floats

_GRADING = 12  # panels that halve towards no cells, where distribution functions are least smooth


class Sessions(NamedTuple):
    """Harvest from blood with S_n the cells after n sessions and N the first n with S_n >= target.

    Row n - 1 of `share` is P(N = n) and of `cells` is E[S_n; N = n]; `short` is P(S_max < target) and
    `short_cells` is E[S_max; S_max < target].
    """

    share: Floats
    cells: Floats
    short: float
    short_cells: float


@lru_cache(maxsize=64)
def sessions_law(yields: Distribution, target: float, most: int, order: int) -> Sessions:
    """Return the law of the sessions, by convolution on an interpolation grid.

    As yields are positive, N > n exactly if S_n < target. With F_n(x) = P(S_n < x) and
    M_n(x) = E[S_n; S_n < x], both are integrals over the last yield y:
    F_n(x) = E[F_{n-1}(x - y); y < x] and M_n(x) = E[M_{n-1}(x - y) + y F_{n-1}(x - y); y < x].
    """
    only = fixed_value(yields)
    if only is not None or target <= 0:
        return _certain_sessions(yields, only, target, most)
    edges = np.concatenate([[0.0], target * 0.5 ** np.arange(_GRADING, -1.0, -1.0)])
    points = panel_points(edges, order).ravel()
    x = np.append(points, target)
    u, weights = on_panels(np.stack([np.zeros_like(x), yields.cdf(x)], axis=1), double_exponential(4 * order))
    y = np.minimum(yields.quantile(np.maximum(u, np.finfo(np.float64).tiny)), x[:, None])
    below, cells = yields.cdf(x), (weights * y).sum(axis=1)
    mean = _mean(yields, order)
    shares, totals = [1 - below[-1]], [mean - cells[-1]]
    for _ in range(most - 1):
        shape = (edges.size - 1, order)
        earlier = Piecewise.through(edges, below[:-1].reshape(shape))(x[:, None] - y)
        earlier_cells = Piecewise.through(edges, cells[:-1].reshape(shape))(x[:, None] - y)
        carried = cells[-1] + mean * below[-1]  # E[S_n; S_{n-1} < target]
        was_below = below[-1]
        below = (weights * earlier).sum(axis=1)
        cells = (weights * (earlier_cells + y * earlier)).sum(axis=1)
        shares.append(was_below - below[-1])
        totals.append(carried - cells[-1])
    return Sessions(np.array(shares), np.array(totals), float(below[-1]), float(cells[-1]))


def _certain_sessions(yields: Distribution, only: float | None, target: float, most: int) -> Sessions:
    """Return the law when the number of sessions is certain: the same yield each time, or no target."""
    each = _mean(yields, 16) if only is None else only
    collected = np.cumsum(np.full(most, each))
    enough = np.flatnonzero(collected >= target) if only is not None else np.array([0])
    share, cells = np.zeros(most), np.zeros(most)
    if enough.size == 0:
        return Sessions(share, cells, 1.0, float(collected[-1]))
    share[enough[0]] = 1.0
    cells[enough[0]] = collected[enough[0]]
    return Sessions(share, cells, 0.0, 0.0)


def _mean(distribution: Distribution, order: int) -> float:
    law = law_of(distribution, order)
    return float(law.values @ law.weights)
