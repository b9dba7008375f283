"""What is kept of an experiment: chunk after chunk is added, in order, and memory stays as it is."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.outcomes.courses import Courses
from sim.outcomes.occupancy import Occupancy, is_limited
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import (
    BY_NAME,
    DENOMINATORS,
    NEVER_TRANSPLANTED,
    OF_TRANSPLANTS,
    Key,
    column,
    keys,
)
from sim.scenario.schema import Scenario
from sim.study.chunks import curve_names, curve_years, reported_keys, shared_keys
from sim.study.estimates import (
    CrossMoments,
    Difference,
    Moments,
    difference,
    differences,
    ratio_estimate,
    trial_range,
)
from sim.study.experiment import Experiment, Pair
from sim.study.pairing import ChangeCounts
from sim.work.spool import Spool
from sim.work.task import Result


class Tally:
    """The results of an experiment.

    Parameters
    ----------
    folder
        Where the rows of patients and events are kept while they grow; None if none are kept.

    Attributes
    ----------
    replications : int
        How many were added.
    arms : list of ArmTally
        What is kept of each scenario.
    pairs : list of PairTally
        What is kept of each pair.
    """

    def __init__(self, experiment: Experiment, folder: Path | None = None) -> None:
        self.experiment = experiment
        self.replications = 0
        self.arms = [ArmTally(scenario) for scenario in experiment.scenarios]
        self.pairs = [PairTally(two, self.arms[two.reference], self.arms[two.scenario])
                      for two in experiment.pairs]  # fmt: skip
        self.occupancy: Occupancy | None = None
        if experiment.keep.occupancy and is_limited(experiment.scenarios[0]):
            self.occupancy = Occupancy(experiment.scenarios[0])
        self._courses = Courses(experiment.scenarios[0]) if experiment.keep.courses else None
        self._spools = (
            {} if folder is None else {name: Spool(folder, name) for name in ("patients", "events")}
        )

    def add(self, result: Result, replications: range) -> None:
        """Add the result of a chunk, which follows those added before."""
        if replications.start != self.replications:
            raise ValueError(f"replication {self.replications} comes next, not {replications.start}")
        self.replications = replications.stop
        parts: dict[str, Result] = defaultdict(dict)
        for name, values in result.items():
            part, _, own = name.partition(".")
            parts[part][own] = values
        for number, arm in enumerate(self.arms):
            arm.add(parts[str(number)])
        for number, two in enumerate(self.pairs):
            two.add(parts[f"pair{number}"])
        first = parts["0"]
        for table, spool in self._spools.items():
            rows = _under(first, table)
            if rows:
                spool.add({name: _texts(values) for name, values in rows.items()})
        occupied = _under(first, "occupancy")
        if self.occupancy is not None and occupied:
            self.occupancy.join(occupied)
        courses = _under(first, "courses")
        if self._courses is not None and courses:
            self._courses.join(courses)

    @property
    def courses(self) -> list[Courses]:
        """The counted courses of the first scenario's patients, if any were kept."""
        return [] if self._courses is None else [self._courses]

    def join_tables(self) -> None:
        """Make one file of each table of rows."""
        for spool in self._spools.values():
            spool.join()


def _under(result: Result, name: str) -> Result:
    """Return the arrays whose names start with a name and a point, without it."""
    start = f"{name}."
    return {key.removeprefix(start): values for key, values in result.items() if key.startswith(start)}


def _texts(values: NDArray[Any]) -> Any:
    """Return a column of text such that it stays text even where all of it is missing."""
    return (
        pd.array([text or None for text in values.tolist()], dtype="string")
        if values.dtype.kind == "U"
        else values
    )


class ArmTally:
    """What is kept of one scenario: sums of every endpoint, curves, figures of the first replications."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.keys = keys(scenario.follow_up.horizon_years)
        self._sums = np.zeros((len(self.keys), len(Moments._fields)))
        self._curves: Floats | int = 0
        self._digest = sha256()
        self._rows: dict[str, list[Floats]] = {"total": [], "size": [], "trial": []}

    def add(self, result: Result) -> None:
        """Add a chunk's part."""
        for sums in result["sums"]:  # one after the other, whatever the chunk
            self._sums += sums
        self._curves = self._curves + result["curves"]
        self._digest.update(result["digests"].tobytes())
        for name, rows in self._rows.items():
            if name in result:
                rows.append(result[name])

    @property
    def result_hash(self) -> str:
        """SHA-256 of the digests of every unit's figures, in order."""
        return self._digest.hexdigest()

    @property
    def sums(self) -> Floats:
        """The sums of every endpoint, shape (keys, 6); see `Moments`."""
        return self._sums

    @property
    def curve_sums(self) -> Floats:
        """The sums of every curve, shape (curves, times, 6)."""
        return np.asarray(self._curves)

    def moments(self, key: Key) -> Moments:
        """Return the sums of an endpoint."""
        return Moments.of(self._sums[self.keys.index(key)])

    def rows(self) -> pd.DataFrame:
        """Return the table of ``replications.parquet``: one row a replication, of the first ones."""
        return rows_table(self.scenario, *self.figures())

    def figures(self) -> tuple[Floats, Floats, Floats]:
        """Return totals, sizes and what trials report, each a row a figure and a column a replication."""
        total, size, trial = (np.concatenate(parts, axis=1) for parts in self._rows.values())
        return total, size, trial

    def trials(self) -> dict[Key, Floats]:
        """Return what each of the first replications reports as a trial."""
        trials = np.concatenate(self._rows["trial"], axis=1)
        return dict(zip(reported_keys(self.scenario), trials, strict=True))

    def endpoints(self) -> pd.DataFrame:
        """Return the table of ``endpoints.csv``."""
        reported = self.trials()
        return endpoints_table(
            self.scenario,
            {
                key: _figures(key, Moments.of(sums), reported.get(key))
                for key, sums in zip(self.keys, self._sums, strict=True)
            },
        )

    def curves(self) -> pd.DataFrame:
        """Return the survival curves with their Monte Carlo intervals."""
        rows = [
            (name, float(time), estimate.value, estimate.lower, estimate.upper)
            for name, sums in zip(curve_names(self.scenario), self.curve_sums, strict=True)
            for time, estimate in zip(
                curve_years(self.scenario),
                (ratio_estimate(Moments.of(each), share=True) for each in sums),
                strict=True,
            )
        ]
        return pd.DataFrame(rows, columns=["endpoint", "time_years", "estimate", "mc_lower", "mc_upper"])


class PairTally:
    """What is kept of two scenarios: the sums behind every difference, and whose fates change."""

    def __init__(self, two: Pair, reference: ArmTally, scenario: ArmTally) -> None:
        self.paired = two.paired
        self._reference, self._scenario = reference, scenario
        self.keys, self._ours, self._theirs = shared_keys(reference.scenario, scenario.scenario)
        self._cross = np.zeros((len(self.keys), len(CrossMoments._fields)))
        self._identical = np.ones(len(self.keys), dtype=np.bool_)
        self.changes = ChangeCounts() if two.fates else None

    def add(self, result: Result) -> None:
        """Add a chunk's part."""
        for sums in result["cross"]:
            self._cross += sums
        self._identical &= result["identical"]
        if self.changes is not None:
            decided = int(result["decided"])
            self.changes.join(result["changes"], None if decided < 0 else decided)

    @property
    def differences(self) -> tuple[Floats, Floats, Floats]:
        """Every difference with its standard error and its variance reduction, each of shape (keys,)."""
        sides = self._reference.sums[self._ours], self._scenario.sums[self._theirs]
        return differences(*sides, self._cross if self.paired else None, self._identical)

    def identical(self, key: Key) -> bool:
        """Tell whether an endpoint has been the same in every replication."""
        return bool(self._identical[self.keys.index(key)])

    def difference(self, key: Key) -> Difference:
        """Estimate the difference of an endpoint: the scenario's less the reference's."""
        cross = None
        if self.paired:
            cross = CrossMoments.of(self._cross[self.keys.index(key)])
        sides = self._reference.moments(key), self._scenario.moments(key)
        return difference(*sides, cross, identical=self.identical(key))


def rows_table(scenario: Scenario, total: Floats, size: Floats, trial: Floats) -> pd.DataFrame:
    """Return the table of ``replications.parquet``; see `ArmTally.figures`."""
    columns: dict[str, NDArray[Any]] = {"replication": np.arange(total.shape[1]) + 1}
    columns.update({f"n_{name}": size[row] for row, name in enumerate(DENOMINATORS)})
    reported = {key: row for row, key in enumerate(reported_keys(scenario))}
    for row, key in enumerate(keys(scenario.follow_up.horizon_years)):
        columns[column(key)] = total[row]
        if key in reported:
            columns[f"trial_{column(key)}"] = trial[reported[key]]
    return pd.DataFrame(columns)


FIGURES = ("estimate", "mc_se", "mc_lower", "mc_upper", "trial_lower", "trial_upper", "trial_undefined")
"""Columns of an endpoint's figures."""


def _figures(key: Key, sums: Moments, trial: Floats | None) -> tuple[float, ...]:
    estimate = ratio_estimate(sums, share=BY_NAME[key[0]].kind == "share")
    undefined = (np.nan, np.nan, np.nan)
    return (*astuple(estimate), *(undefined if trial is None else trial_range(trial)))


def endpoints_table(
    scenario: Scenario, figures: Mapping[Key, Sequence[float]], more: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the table of ``endpoints.csv``.

    Parameters
    ----------
    figures
        By endpoint, in the order of `FIGURES`.
    more
        Names of figures that follow these; they are the last columns.
    """
    targets = {(target.endpoint, target.time_years): target for target in scenario.target}
    rows = []
    for key, found in figures.items():
        name, time = key
        known, target, note = found, targets.get(key), ""
        if target and not target.fitted:
            note = "not_fitted"
        if math.isnan(known[0]):
            note = "nobody_at_risk"
        if scenario.cohort.enters_at == "home" and name in OF_TRANSPLANTS:
            note = NEVER_TRANSPLANTED
            if name == "pre_transplant_mortality":
                known = [math.nan] * len(known)
        rows.append(
            {
                "endpoint": name,
                "time_years": math.nan if time is None else time,
                **dict(zip(FIGURES, known, strict=False)),
                "target": target.value if target else math.nan,
                "target_source": target.source if target else "",
                "note": note,
                **dict(zip(more, known[len(FIGURES) :], strict=True)),
            }
        )
    return pd.DataFrame(rows)
