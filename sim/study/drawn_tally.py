"""What is kept of an experiment that was simulated under every draw of a posterior.

An estimate is the mean over draws. Three uncertainties stand beside it and are never mixed: Monte Carlo error
(finitely many draws and replications), the posterior's 95% interval (what the trial leaves open), and the
range of what single trials would report under all of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import sha256
from typing import TypeAlias

import numpy as np
import pandas as pd

from sim.outcomes.courses import Courses
from sim.outcomes.occupancy import Occupancy
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME, Key
from sim.scenario.schema import Scenario
from sim.study.estimates import Z95, Difference, Estimate, trial_range
from sim.study.experiment import Experiment
from sim.study.pairing import Change
from sim.study.tally import ArmTally, PairTally, Tally

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
        tables: list[pd.DataFrame] = []
        for number, arm in enumerate(self._arms):
            table = arm.rows()
            table.insert(0, "draw", number + 1)
            table["replication"] += sum(map(len, tables))
            tables.append(table)
        return pd.concat(tables, ignore_index=True)

    def endpoints(self) -> pd.DataFrame:
        """Return the table of ``endpoints.csv``, with the posterior's limits."""
        tables = [arm.endpoints() for arm in self._arms]
        trials = [arm.trials() for arm in self._arms]
        found = tables[0].copy()
        for row, key in enumerate(self.keys):
            values = np.array([table["estimate"].to_numpy()[row] for table in tables])
            estimate, limits = over_draws(values, share=BY_NAME[key[0]].kind == "share")
            found.loc[row, ["estimate", "mc_se", "mc_lower", "mc_upper"]] = (
                estimate.value, estimate.se, estimate.lower, estimate.upper,
            )  # fmt: skip
            found.loc[row, list(POSTERIOR_COLUMNS)] = limits
            if key in trials[0]:
                reported = np.concatenate([each[key] for each in trials])
                found.loc[row, ["trial_lower", "trial_upper", "trial_undefined"]] = trial_range(reported)
        return found

    def curves(self) -> pd.DataFrame:
        """Return the survival curves: mean over draws, Monte Carlo interval and posterior's limits."""
        tables = [arm.curves() for arm in self._arms]
        values = np.array([table["estimate"].to_numpy() for table in tables])
        found = tables[0].copy()
        rows = [over_draws(values[:, row], share=True) for row in range(values.shape[1])]
        for name in ("value", "lower", "upper"):
            column = "estimate" if name == "value" else f"mc_{name}"
            found[column] = [getattr(estimate, name) for estimate, _ in rows]
        found[list(POSTERIOR_COLUMNS)] = [limits for _, limits in rows]
        return found

    def estimates(self, key: Key) -> Floats:
        """Return the estimate under each draw."""
        row = self.keys.index(key)
        return np.array([arm.endpoints()["estimate"].to_numpy()[row] for arm in self._arms])


class DrawnPair:
    """Two scenarios under every draw; see `PairTally`. The interval of a difference is the posterior's."""

    def __init__(self, pairs: Sequence[PairTally]) -> None:
        self._pairs = pairs
        self.paired, self.keys = pairs[0].paired, pairs[0].keys
        self.changes = None if pairs[0].changes is None else DrawnChanges(pairs)

    def identical(self, key: Key) -> bool:
        """Tell whether an endpoint has been the same in every replication of every draw."""
        return all(pair.identical(key) for pair in self._pairs)

    def difference(self, key: Key) -> Difference:
        """Estimate the difference of an endpoint: mean over draws, and the posterior's limits."""
        found = [pair.difference(key) for pair in self._pairs]
        estimate, limits = over_draws(np.array([each.value for each in found]), share=False)
        reductions = [each.variance_reduction for each in found if not math.isnan(each.variance_reduction)]
        reduction = float(np.median(reductions)) if reductions else math.nan
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
        found = [counts.shares() for counts in self._counts]
        return {
            change: over_draws(np.array([each[change].value for each in found]), share=True)[0]
            for change in found[0]
        }


AnyArm: TypeAlias = ArmTally | DrawnArm
AnyPair: TypeAlias = PairTally | DrawnPair
AnyTally: TypeAlias = Tally | DrawnTally


def over_draws(values: Floats, *, share: bool) -> tuple[Estimate, tuple[float, float]]:
    """Return the mean over draws with its Monte Carlo error, and the 95% limits of the draws.

    Draws in which a figure is undefined are left out.
    """
    known = values[~np.isnan(values)]
    if known.size == 0:
        return Estimate(math.nan, math.nan, math.nan, math.nan), (math.nan, math.nan)
    mean = float(known.mean())
    se = float(known.std(ddof=1) / math.sqrt(known.size)) if known.size > 1 else math.nan
    lower, upper = mean - Z95 * se, mean + Z95 * se
    if share:
        lower, upper = max(lower, 0.0), min(upper, 1.0)
    low, high = np.quantile(known, (0.025, 0.975))
    return Estimate(mean, se, lower, upper), (float(low), float(high))
