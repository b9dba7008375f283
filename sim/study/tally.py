"""What is kept of an experiment: chunk after chunk is added, in order, and memory stays as it is."""

from __future__ import annotations

from collections import defaultdict
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
from sim.study.chunks import Result, curve_names, curve_years, reported_keys, shared_keys
from sim.study.estimates import CrossMoments, Difference, Moments, difference, ratio_estimate, trial_range
from sim.study.experiment import Experiment, Pair
from sim.study.pairing import ChangeCounts
from sim.study.spool import Spool


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

    def moments(self, key: Key) -> Moments:
        """Return the sums of an endpoint."""
        return Moments.of(self._sums[self.keys.index(key)])

    def rows(self) -> pd.DataFrame:
        """Return the table of ``replications.parquet``: one row a replication, of the first ones."""
        total, size, trial = (np.concatenate(parts, axis=1) for parts in self._rows.values())
        columns: dict[str, NDArray[Any]] = {"replication": np.arange(total.shape[1]) + 1}
        columns.update({f"n_{name}": size[row] for row, name in enumerate(DENOMINATORS)})
        reported = {key: row for row, key in enumerate(reported_keys(self.scenario))}
        for row, key in enumerate(self.keys):
            columns[column(key)] = total[row]
            if key in reported:
                columns[f"trial_{column(key)}"] = trial[reported[key]]
        return pd.DataFrame(columns)

    def trials(self) -> dict[Key, Floats]:
        """Return what each of the first replications reports as a trial."""
        trials = np.concatenate(self._rows["trial"], axis=1)
        return dict(zip(reported_keys(self.scenario), trials, strict=True))

    def endpoints(self) -> pd.DataFrame:
        """Return the table of ``endpoints.csv``."""
        targets = {(target.endpoint, target.time_years): target for target in self.scenario.target}
        reported = self.trials()
        rows = []
        for number, key in enumerate(self.keys):
            row = _estimate(key, Moments.of(self._sums[number]), reported.get(key))
            target = targets.get(key)
            row["target"] = target.value if target else np.nan
            row["target_source"] = target.source if target else ""
            row["note"] = "not_fitted" if target and not target.fitted else ""
            if row["estimate"] != row["estimate"]:
                row["note"] = "nobody_at_risk"
            if self.scenario.cohort.enters_at == "home" and key[0] in OF_TRANSPLANTS:
                row["note"] = NEVER_TRANSPLANTED
                if key[0] == "pre_transplant_mortality":
                    row.update(dict.fromkeys(_FIGURES, np.nan))
            rows.append(row)
        return pd.DataFrame(rows)

    def curves(self) -> pd.DataFrame:
        """Return the survival curves with their Monte Carlo intervals."""
        rows = [
            (name, float(time), estimate.value, estimate.lower, estimate.upper)
            for name, sums in zip(curve_names(self.scenario), np.asarray(self._curves), strict=True)
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
        self.keys, _, _ = shared_keys(reference.scenario, scenario.scenario)
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


_FIGURES = ("estimate", "mc_se", "mc_lower", "mc_upper", "trial_lower", "trial_upper", "trial_undefined")


def _estimate(key: Key, sums: Moments, trial: Floats | None) -> dict[str, object]:
    endpoint = BY_NAME[key[0]]
    estimate = ratio_estimate(sums, share=endpoint.kind == "share")
    lower, upper, undefined = (np.nan, np.nan, np.nan) if trial is None else trial_range(trial)
    figures = (estimate.value, estimate.se, estimate.lower, estimate.upper, lower, upper, undefined)
    return {
        "endpoint": endpoint.name,
        "time_years": np.nan if key[1] is None else key[1],
        **dict(zip(_FIGURES, figures, strict=True)),
    }
