"""What is kept of an experiment that was simulated under every draw of a posterior.

An estimate is the mean over draws. Three uncertainties stand beside it and are never mixed: Monte Carlo error
(finitely many draws and replications), the posterior's 95% interval (what the trial leaves open), and the
range of what single trials would report under all of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple
from functools import cached_property
from hashlib import sha256
from typing import TypeAlias

import numpy as np
import pandas as pd

from sim.outcomes.courses import Courses
from sim.outcomes.occupancy import Occupancy
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME, Key
from sim.scenario.schema import Scenario
from sim.study.chunks import curve_names, curve_years
from sim.study.estimates import Z95, Difference, Estimate, ratios, trial_range
from sim.study.experiment import Experiment
from sim.study.pairing import FATES_CHANGED, Change
from sim.study.tally import ArmTally, PairTally, Tally, endpoints_table, rows_table

POSTERIOR_COLUMNS = ("posterior_lower", "posterior_upper")


class DrawnTally:
    """The results of an experiment under every draw; see `Tally`."""

    def __init__(self, experiment: Experiment, tallies: Sequence[Tally]) -> None:
        self.experiment, self._tallies = experiment, tallies
        self.arms = [
            DrawnArm(scenario, [tally.arms[number] for tally in tallies])
            for number, scenario in enumerate(experiment.scenarios)
        ]
        self.pairs = [
            DrawnPair([tally.pairs[number] for tally in tallies]) for number in range(len(experiment.pairs))
        ]

    @property
    def replications(self) -> int:
        """Replications of all draws."""
        return sum(tally.replications for tally in self._tallies)

    @property
    def occupancy(self) -> Occupancy | None:
        """Occupancy under the first draw."""
        return self._tallies[0].occupancy

    @property
    def courses(self) -> list[Courses]:
        """The counted courses under each draw, if any were kept."""
        return [courses for tally in self._tallies for courses in tally.courses]

    def join_tables(self) -> None:
        """Make one file of each table of rows, which are of the first draw."""
        self._tallies[0].join_tables()


class DrawnArm:
    """One scenario under every draw; see `ArmTally`."""

    def __init__(self, scenario: Scenario, arms: Sequence[ArmTally]) -> None:
        self.scenario, self._arms = scenario, arms
        self.keys = arms[0].keys

    @property
    def result_hash(self) -> str:
        """SHA-256 of the hashes of every draw, in order."""
        return sha256("".join(arm.result_hash for arm in self._arms).encode()).hexdigest()

    def rows(self) -> pd.DataFrame:
        """Return the rows of every draw, numbered from 1; replications are numbered on."""
        figures = [arm.figures() for arm in self._arms]
        table = rows_table(
            self.scenario, *(np.concatenate(each, axis=1) for each in zip(*figures, strict=True))
        )
        numbers = np.arange(len(figures)) + 1
        table.insert(0, "draw", np.repeat(numbers, [total.shape[1] for total, _, _ in figures]))
        return table

    def endpoints(self) -> pd.DataFrame:
        """Return the table of ``endpoints.csv``, with the posterior's limits as last columns."""
        values, errors = ratios(np.array([arm.sums for arm in self._arms]))
        trials = [arm.trials() for arm in self._arms]
        figures = {}
        for row, key in enumerate(self.keys):
            share = BY_NAME[key[0]].kind == "share"
            estimate, limits = over_draws(values[:, row], errors[:, row], share=share)
            trial = (np.nan, np.nan, np.nan)
            if key in trials[0]:
                trial = trial_range(np.concatenate([each[key] for each in trials]))
            figures[key] = (*astuple(estimate), *trial, *limits)
        return endpoints_table(self.scenario, figures, POSTERIOR_COLUMNS)

    def curves(self) -> pd.DataFrame:
        """Return the survival curves: mean over draws, Monte Carlo interval and posterior's limits."""
        values, errors = ratios(np.array([arm.curve_sums for arm in self._arms]))
        rows = []
        for curve, name in enumerate(curve_names(self.scenario)):
            for point, time in enumerate(curve_years(self.scenario)):
                estimate, limits = over_draws(values[:, curve, point], errors[:, curve, point], share=True)
                rows.append((name, float(time), estimate.value, estimate.lower, estimate.upper, *limits))
        return pd.DataFrame(
            rows,
            columns=["endpoint", "time_years", "estimate", "mc_lower", "mc_upper", *POSTERIOR_COLUMNS],
        )


class DrawnPair:
    """Two scenarios under every draw; see `PairTally`. The interval of a difference is the posterior's."""

    def __init__(self, pairs: Sequence[PairTally]) -> None:
        self._pairs = pairs
        self.paired, self.keys = pairs[0].paired, pairs[0].keys
        self.changes = None if pairs[0].changes is None else DrawnChanges(pairs)

    @cached_property
    def _differences(self) -> tuple[Floats, Floats, Floats]:
        """What `PairTally.differences` has, each of shape (draws, keys)."""
        value, error, reduction = (
            np.array(each) for each in zip(*(pair.differences for pair in self._pairs), strict=True)
        )
        return value, error, reduction

    def identical(self, key: Key) -> bool:
        """Tell whether an endpoint has been the same in every replication of every draw."""
        return all(pair.identical(key) for pair in self._pairs)

    def difference(self, key: Key) -> Difference:
        """Estimate the difference of an endpoint: mean over draws, and the posterior's limits."""
        row = self.keys.index(key)
        values, errors, reductions = (each[:, row] for each in self._differences)
        estimate, limits = over_draws(values, errors, share=False)
        known = reductions[~np.isnan(reductions)]
        reduction = float(np.median(known)) if known.size else math.nan
        return Difference(estimate.value, estimate.se, reduction, limits)


class DrawnChanges:
    """How many of the paired patients have another fate, over all draws; see `ChangeCounts`."""

    def __init__(self, pairs: Sequence[PairTally]) -> None:
        self._counts = [pair.changes for pair in pairs if pair.changes is not None]

    @property
    def first_decided(self) -> int | None:
        """The first replication of the first draw in which somebody lives or dies instead."""
        return self._counts[0].first_decided

    def shares(self) -> dict[Change, Estimate]:
        """Return the share of paired patients with each change: mean over draws, with Monte Carlo error."""
        return {change: estimate for change, (estimate, _) in self._over_draws().items()}

    def limits(self) -> dict[Change, tuple[float, float]]:
        """Return the posterior's limits of the same shares."""
        return {change: limits for change, (_, limits) in self._over_draws().items()}

    def _over_draws(self) -> dict[Change, tuple[Estimate, tuple[float, float]]]:
        values, errors = ratios(np.array([counts.sums for counts in self._counts]))
        return {
            change: over_draws(values[:, row], errors[:, row], share=True)
            for row, change in enumerate(FATES_CHANGED)
        }


AnyArm: TypeAlias = ArmTally | DrawnArm
AnyPair: TypeAlias = PairTally | DrawnPair
AnyTally: TypeAlias = Tally | DrawnTally


def over_draws(values: Floats, errors: Floats, *, share: bool) -> tuple[Estimate, tuple[float, float]]:
    """Return the mean over draws with its Monte Carlo error, and the posterior's 95% limits.

    Draws in which a figure is undefined are left out.

    Parameters
    ----------
    values, errors
        The estimate under each draw and its standard error, shape (draws,).

    Notes
    -----
    Estimates under single draws scatter more than what they estimate, by their own Monte Carlo error. They
    are drawn towards their mean until their variance is less by that of the error, so that the limits are
    the posterior's alone: Louis TA. J Am Stat Assoc 1984;79:393-398.
    """
    known = ~np.isnan(values)
    count = int(np.sum(known))
    if count == 0:
        return Estimate(math.nan, math.nan, math.nan, math.nan), (math.nan, math.nan)
    found, noise = values[known], errors[known & ~np.isnan(errors)]
    mean = float(found.mean())
    variance = float(found.var(ddof=1)) if count > 1 else math.nan
    se = math.sqrt(variance / count)
    lower, upper = mean - Z95 * se, mean + Z95 * se
    if share:
        lower, upper = max(lower, 0.0), min(upper, 1.0)
    left = 1.0
    if noise.size and variance > 0:
        left = math.sqrt(max(1 - float(np.mean(noise * noise)) / variance, 0.0))
    low, high = (mean + left * (float(limit) - mean) for limit in np.quantile(found, (0.025, 0.975)))
    return Estimate(mean, se, lower, upper), (low, high)
