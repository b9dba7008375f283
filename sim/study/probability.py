"""How probable it is, over all that is drawn, that an arm is better than the first by more than a margin.

By the exact twin it is a share of draws. Simulated, draws are never counted: with few trials of rare events
many draws tie, and a count is drawn towards one half; the error of each draw is taken out first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from sim.scenario.distributions import Floats
from sim.study.estimates import Z95, wilson
from sim.study.pilot import RELIABLE
from sim.study.shrinkage import jackknife_error, shrunken

FEW_DRAWS, NOISY = 100, 0.5
"""Draws below which, and reliability below which a probability can't bear its weight."""
_TIE, _GRID = 1e-12, 121


@dataclass(frozen=True)
class Scatter:
    """What the changes of single draws scatter by.

    Attributes
    ----------
    between, within
        Variance between draws, and that which finitely many trials add to each.
    trials
        Of each draw; 0 by the twin.
    """

    between: float
    within: float
    draws: int
    trials: int

    @classmethod
    def of(cls, changes: Floats, noise: float, trials: int) -> Scatter:
        """Read it off the changes under each draw, and the variance of their errors."""
        return cls(max(float(changes.var(ddof=1)) - noise, 0.0), noise, len(changes), trials)

    @property
    def reliability(self) -> float:
        """Which part of the scatter is not Monte Carlo error; 0 where nothing rises above it."""
        both = self.between + self.within
        return self.between / both if both > 0 else float(self.within == 0)

    @property
    def trials_needed(self) -> float:
        """Trials of each draw that make it reliable; infinite where nothing rises above noise."""
        if self.between == 0:
            return math.inf if self.within else 0.0
        return math.ceil(RELIABLE / (1 - RELIABLE) * self.within * self.trials / self.between)


def probabilities(
    changes: Floats, noise: float, inputs: Floats, margins: Sequence[float], seed: int
) -> pd.DataFrame:
    """Return the probability that a change exceeds each margin.

    Parameters
    ----------
    changes
        For the better under each draw, shape (draws,).
    noise
        Variance of the Monte Carlo error in each; 0 by the twin.
    inputs
        What is drawn, shape (draws, inputs).

    Returns
    -------
    pandas.DataFrame
        ``margin, probability, probability_lower, probability_upper, counted, tied, unresolved``: the interval
        is that of finitely many draws, and ``counted`` and ``tied`` are shares of the draws as they were
        found; ``unresolved`` is the share that lie within Monte Carlo error of the margin, of which what is
        told rests on a normal distribution. Not numbers where nothing between draws rises above noise.

    Notes
    -----
    Wilson EB. J Am Stat Assoc 1927;22:209-212. Of deconvolved draws it has the number of draws that the
    jackknife's error implies, and never more than there are.
    """
    at, draws = np.array(margins, dtype=np.float64), len(changes)
    counted = np.array([np.mean(changes > each + _TIE) for each in at])
    tied = np.array([np.mean(np.abs(changes - each) <= _TIE) for each in at])
    size = np.full(len(at), float(draws))
    share = counted + tied / 2
    if noise > 0:
        every = np.ones(draws, dtype=np.bool_)

        def estimate(kept: NDArray[np.bool_]) -> Floats:
            return _beyond(changes[kept], noise, inputs[kept], at, seed)

        share, error = estimate(every), jackknife_error(estimate, draws, seed)
        middle = (draws * share + 2) / (draws + 4)  # of a share near 0 the error alone would imply too few
        size = np.minimum(middle * (1 - middle) / np.maximum(error**2, 1e-300), draws)
    lower, upper = wilson(share, size)
    if noise > 0 and not Scatter.of(changes, noise, 1).between:
        share, lower, upper = (np.full(len(at), math.nan) for _ in range(3))
    reach = Z95 * math.sqrt(noise)
    near = [float(np.mean(np.abs(changes - each) <= reach)) if noise > 0 else 0.0 for each in at]
    return pd.DataFrame(
        {"margin": at, "probability": share, "probability_lower": lower, "probability_upper": upper,
         "counted": counted, "tied": tied, "unresolved": near}
    )  # fmt: skip


def _beyond(changes: Floats, noise: float, inputs: Floats, margins: Floats, seed: int) -> Floats:
    """Return the mean over draws of the probability that a change exceeds each margin."""
    known = shrunken(changes[None], np.array([[noise]]), inputs, seed)
    (means,), spread = known.means, math.sqrt(float(known.covariance[0, 0]))
    if spread == 0:
        return np.array([np.mean(means > each) for each in margins])
    return np.array([special.ndtr((means - each) / spread).mean() for each in margins])


def margins_between(changes: Floats, margins: Sequence[float]) -> list[float]:
    """Return margins for a curve over almost all changes and all that is asked for, 0 among them."""
    low, high = np.quantile(changes, (0.005, 0.995))
    grid = np.linspace(min(float(low), 0.0), max(float(high), *margins, 0.0), _GRID)
    return sorted({*grid.tolist(), 0.0, *margins})
