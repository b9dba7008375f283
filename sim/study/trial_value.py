"""What a further trial is worth before an option is chosen: the expected value of sample information.

Under each draw of what is not known one trial is simulated and reported; what its report lets expect of the
options' net benefits is found by regression over the draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from sim.scenario.distributions import Floats
from sim.study.budget import Budget
from sim.study.compare import Side
from sim.study.estimates import Z95
from sim.study.posterior import derived_seed
from sim.study.regression import cross_fitted
from sim.study.two_arm_trials import TrialReports, virtual_trials
from sim.work.store import ChunkStore
from sim.work.task import Tell

TRIAL = "trial"
"""What is learnt, as a table of the value of information calls it."""


class Gain(NamedTuple):
    """What knowing more is expected to be worth: with its standard error, and 95% limits."""

    value: float
    se: float
    lower: float
    upper: float


def trial_value(
    sides: Sequence[Side], gains: Floats, perfect: tuple[float, float], sizes: Sequence[int], budget: Budget,
    store: ChunkStore | None = None, tell: Tell | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Return what a further trial of the first two options would be worth, for some sizes.

    Parameters
    ----------
    sides
        The options, which a trial can have as arms.
    gains
        Net benefit of the other options less that of the one that is best on average, under each draw of the
        budget, shape (options - 1, draws).
    perfect
        What it would be worth to know all that is drawn, and the upper 95% limit of that.
    sizes
        Patients of each arm.

    Returns
    -------
    pandas.DataFrame
        Rows by size, with columns ``what, patients, value, se, lower, upper``.
    """
    sizes = sorted({*sizes})
    trials = virtual_trials(sides[:2], sizes, gains.shape[1], budget, store, tell)
    rows = []
    for at, size in enumerate(sizes):
        seed = derived_seed(budget.seed, f"trial of {size}")
        found = evsi(gains, summaries_of(trials, at), seed, perfect)
        rows.append({"what": TRIAL, "patients": size, **found._asdict()})
    return pd.DataFrame(rows)


def summaries_of(trials: TrialReports, size: int) -> Floats:
    """Return what trials of one size tell, by its place: both arms' deaths, and those of the treatment."""
    counts = np.concatenate([trials.deaths[:, size], trials.treatment_deaths[:, size]]).T
    return counts[:, counts.std(axis=0) > 0]


def evsi(
    gains: Floats, summaries: Floats, seed: int, perfect: tuple[float, float] = (math.inf, math.inf)
) -> Gain:
    """Return the expected value of what some summaries tell.

    Parameters
    ----------
    gains
        As `trial_value` takes them.
    summaries
        What a trial under each draw reports, shape (draws, summaries).
    perfect
        As `trial_value` takes it: no trial is worth more.

    Notes
    -----
    Regression on summaries: Strong M, Oakley JE, Brennan A, Breeze P. Med Decis Making 2015;35:570-583. The
    value is what choices bring that rest on a fit to the other draws: too low by what a bad fit chooses
    amiss, and never too high for its overfitting. Where few draws choose otherwise, the error is estimated
    from those few and grows with the value as a count's does: the upper limit is a score limit, as Wilson's,
    and holds room for the rule of three.
    """
    fit = cross_fitted(summaries, gains.T, seed).T
    draws = gains.shape[1]
    chosen = gains[fit.argmax(axis=0), np.arange(draws)]
    gained = np.where(fit.max(axis=0) > 0, chosen, 0.0)
    value, se = float(gained.mean()), float(gained.std(ddof=1)) / math.sqrt(draws)
    score = Z95**2 * se * (se / max(value, se)) if se > 0 else 0.0
    above = score / 2 + math.sqrt(score * max(value, 0.0) + score**2 / 4)
    unseen = 3 / draws * math.sqrt(float(np.mean(gains**2)))
    lower, upper = max(value - Z95 * se, 0.0), max(value, 0.0) + math.hypot(above, unseen)
    value = min(max(value, 0.0), perfect[0])
    return Gain(value, se, min(lower, value), max(min(upper, perfect[1]), value))
