"""What is kept of an experiment: chunk after chunk is added, in order, and memory stays as it is.

Without a posterior there is one draw, and estimates have the error of its replications; with one, everything
is kept by draw, and estimates are over draws.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
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
from sim.scenario.strata import Stratum
from sim.study.chunks import CURVE_POINTS, curve_names, curve_years, reported_keys, shared_keys, stratum_part
from sim.study.estimates import (
    CROSS_MOMENTS,
    MOMENTS,
    POSTERIOR_COLUMNS,
    Difference,
    Estimate,
    differences,
    estimates,
    in_each_draw,
    ratios,
    trial_range,
)
from sim.study.experiment import Experiment, Pair
from sim.study.pairing import FATES_CHANGED
from sim.work.spool import Spool
from sim.work.task import Result

NOBODY = "nobody_at_risk"
"""Note of an endpoint that is nobody's."""

_TRIALS = ("trial_lower", "trial_upper", "trial_undefined")


class Tally:
    """The results of an experiment.

    Parameters
    ----------
    under
        The experiment under each draw of a posterior; as it is without one.
    folder
        Where the rows of patients and events are kept while they grow; None if none are kept.

    Attributes
    ----------
    arms : list of ArmTally
        What is kept of each scenario.
    pairs : list of PairTally
        What is kept of each pair.
    occupancy : Occupancy or None
        How full the clinic is, under the first draw.
    courses : list of Courses
        The counted courses of the first scenario's patients under each draw, if any are kept.
    """

    def __init__(
        self, experiment: Experiment, under: Sequence[Experiment] = (), folder: Path | None = None
    ) -> None:
        self.experiment, self.under = experiment, tuple(under) or (experiment,)
        self._added = [0] * len(self.under)
        self.arms = [ArmTally(scenario, len(self.under), experiment.strata)
                     for scenario in experiment.scenarios]  # fmt: skip
        self.pairs = [PairTally(two, self.arms[two.reference], self.arms[two.scenario])
                      for two in experiment.pairs]  # fmt: skip
        first = self.under[0].scenarios[0]
        self.occupancy = Occupancy(first) if experiment.keep.occupancy and is_limited(first) else None
        self.courses = [Courses(each.scenarios[0]) for each in self.under if each.keep.courses]
        self._spools = (
            {} if folder is None else {name: Spool(folder, name) for name in ("patients", "events")}
        )

    @property
    def replications(self) -> int:
        """How many were added, of all draws."""
        return sum(self._added)

    def add(self, result: Result, replications: range, draw: int = 0) -> None:
        """Add the result of a chunk of one draw, which follows those added before."""
        if replications.start != self._added[draw]:
            raise ValueError(f"replication {self._added[draw]} comes next, not {replications.start}")
        self._added[draw] = replications.stop
        parts: dict[str, Result] = defaultdict(dict)
        for name, values in result.items():
            part, _, own = name.partition(".")
            parts[part][own] = values
        for number, arm in enumerate(self.arms):
            arm.add(parts[str(number)], draw)
        for number, two in enumerate(self.pairs):
            two.add(parts[f"pair{number}"], draw)
        first = parts["0"]
        for table, spool in self._spools.items():
            if rows := _under(first, table):
                spool.add({name: _texts(values) for name, values in rows.items()})
        if self.occupancy is not None and (occupied := _under(first, "occupancy")):
            self.occupancy.join(occupied)
        if courses := _under(first, "courses"):
            self.courses[draw].join(courses)

    def join_tables(self) -> None:
        """Make one file of each table of rows, which are of the first draw."""
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
    """What is kept of one scenario: sums of every endpoint, curves, figures of the first replications.

    Attributes
    ----------
    sums : array of shape (draws, keys, 6)
        The sums of every endpoint; see `MOMENTS`.
    strata : dict of ArmTally
        The same of each stratum, of which there are no curves and no digests.
    """

    def __init__(self, scenario: Scenario, draws: int = 1, strata: Sequence[Stratum] = ()) -> None:
        self.scenario = scenario
        self.keys = keys(scenario.follow_up.horizon_years)
        self.sums = np.zeros((draws, len(self.keys), len(MOMENTS)))
        self._curves = np.zeros((draws, len(curve_names(scenario)), CURVE_POINTS, len(MOMENTS)))
        self._digests = [sha256() for _ in range(draws)]
        self._rows: list[list[Sequence[Floats]]] = [[] for _ in range(draws)]
        # A published figure is of all patients.
        aimless = scenario.model_copy(update={"target": []})
        self.strata = {each: ArmTally(aimless, draws) for each in strata}

    def add(self, result: Result, draw: int) -> None:
        """Add a chunk's part."""
        for sums in result["sums"]:  # one after the other, whatever the chunk
            self.sums[draw] += sums
        if "curves" in result:
            self._curves[draw] += result["curves"]
            self._digests[draw].update(result["digests"].tobytes())
        if "trial" in result:
            self._rows[draw].append([result[name] for name in ("total", "size", "trial") if name in result])
        for number, each in enumerate(self.strata.values()):
            each.add(_under(result, stratum_part(number)), draw)

    @property
    def result_hash(self) -> str:
        """SHA-256 of the digests of every unit's figures, in order; over draws, of that of each."""
        hashes = [digest.hexdigest() for digest in self._digests]
        return hashes[0] if len(hashes) == 1 else sha256("".join(hashes).encode()).hexdigest()

    def estimate(self, key: Key) -> Estimate:
        """Estimate one endpoint."""
        return estimates(self.sums[:, self.keys.index(key)], share=BY_NAME[key[0]].kind == "share")

    def each_draw(self, key: Key) -> Floats:
        """Return one endpoint under each draw."""
        return ratios(self.sums[:, self.keys.index(key)])[0]

    def each_replication(self, key: Key) -> tuple[Floats, Floats]:
        """Return total and size of one endpoint in each of the first replications; see `ROWS`."""
        total, size, _ = self._figures()
        return total[self.keys.index(key)], size[DENOMINATORS.index(BY_NAME[key[0]].denominator)]

    def each_error(self, key: Key) -> Floats:
        """Return the standard error that finitely many trials of each draw leave in one endpoint."""
        return ratios(self.sums[:, self.keys.index(key)])[1]

    def rows(self) -> pd.DataFrame:
        """Return the table of ``replications.parquet``: one row a replication, of the first ones.

        Draws are numbered from 1, if there are several, and the replications of all of them on.
        """
        total, size, trial = self._figures()
        columns: dict[str, NDArray[Any]] = {}
        if len(self._rows) > 1:
            counts = [sum(part[0].shape[1] for part in parts) for parts in self._rows]
            columns["draw"] = np.repeat(np.arange(len(counts)) + 1, counts)
        columns["replication"] = np.arange(total.shape[1]) + 1
        columns.update({f"n_{name}": size[row] for row, name in enumerate(DENOMINATORS)})
        reported = {key: row for row, key in enumerate(reported_keys(self.scenario))}
        for row, key in enumerate(self.keys):
            columns[column(key)] = total[row]
            if key in reported:
                columns[f"trial_{column(key)}"] = trial[reported[key]]
        return pd.DataFrame(columns)

    def _figures(self) -> list[Floats]:
        """Return totals, sizes and what trials report, each a row a figure and a column a replication."""
        parts = [part for parts in self._rows for part in parts]
        return [np.concatenate(each, axis=1) for each in zip(*parts, strict=True)]

    def endpoints(self) -> pd.DataFrame:
        """Return the table of ``endpoints.csv``; a posterior's limits are the last columns."""
        found = estimates(self.sums, share=[BY_NAME[name].kind == "share" for name, _ in self.keys]).columns()
        posterior = {name: found.pop(name) for name in POSTERIOR_COLUMNS if name in found}
        figures = self._figures()
        reported = dict(zip(reported_keys(self.scenario), figures[-1], strict=True)) if figures else {}
        nothing = (math.nan,) * len(_TRIALS)
        trials = [trial_range(reported[key]) if key in reported else nothing for key in self.keys]
        table = pd.DataFrame(
            {
                "endpoint": [name for name, _ in self.keys],
                "time_years": [math.nan if time is None else time for _, time in self.keys],
                **found,
                **dict(zip(_TRIALS, np.transpose(trials), strict=True)),
                **targets_of(self.scenario, self.keys),
                **posterior,
            }
        )
        table.loc[table["estimate"].isna(), "note"] = NOBODY
        if self.scenario.cohort.enters_at == "home":
            of_transplants = table["endpoint"].isin(OF_TRANSPLANTS)
            table.loc[of_transplants, "note"] = NEVER_TRANSPLANTED
            table.loc[of_transplants, [*found, *_TRIALS, *posterior]] = math.nan
        return table

    def curves(self) -> pd.DataFrame:
        """Return the survival curves with their Monte Carlo intervals; a posterior's limits are last."""
        names, years = curve_names(self.scenario), curve_years(self.scenario)
        found = estimates(self._curves, share=True).columns()
        del found["mc_se"]
        return pd.DataFrame(
            {"endpoint": np.repeat(names, len(years)), "time_years": np.tile(years, len(names)), **found}
        )


def targets_of(scenario: Scenario, read: Sequence[Key]) -> dict[str, list[Any]]:
    """Return the columns that say what a scenario aims at, one value an endpoint."""
    aims = {(target.endpoint, target.time_years): target for target in scenario.shown_targets}
    targets = [aims.get(key) for key in read]
    solved = scenario.calibration.solve
    fitted = [each is None or (each.fitted and solved) for each in targets]
    return {
        "target": [target.value if target else math.nan for target in targets],
        "target_source": [target.source if target else "" for target in targets],
        "note": ["" if each else "not_fitted" for each in fitted],
    }


class PairTally:
    """What is kept of two scenarios: the sums behind every difference, and whose fates change.

    Attributes
    ----------
    keys : list of Key
        The scenario's endpoints.
    first_decided : int or None
        The first replication, from 0, of the first draw in which somebody lives or dies instead.
    strata : dict of PairTally
        The same of each stratum, without fates.
    """

    def __init__(self, two: Pair, reference: ArmTally, scenario: ArmTally) -> None:
        self.paired, self.keys = two.paired, scenario.keys
        self._reference, self._scenario = reference, scenario
        _, self._ours, self._theirs = shared_keys(reference.scenario, scenario.scenario)
        shape = len(scenario.sums), len(self._theirs)
        self._cross = np.zeros((*shape, len(CROSS_MOMENTS)))
        self._identical = np.ones(shape, dtype=np.bool_)
        self._changes = np.zeros((shape[0], len(FATES_CHANGED), len(MOMENTS))) if two.fates else None
        self.first_decided: int | None = None
        unnamed = replace(two, fates=False)
        self.strata = {each: PairTally(unnamed, reference.strata[each], scenario.strata[each])
                       for each in reference.strata}  # fmt: skip

    def add(self, result: Result, draw: int) -> None:
        """Add a chunk's part."""
        for sums in result["cross"]:
            self._cross[draw] += sums
        self._identical[draw] &= result["identical"]
        for number, each in enumerate(self.strata.values()):
            each.add(_under(result, stratum_part(number)), draw)
        if self._changes is not None:
            self._changes[draw] += result["changes"]
            decided = int(result["decided"])
            if draw == 0 and self.first_decided is None and decided >= 0:
                self.first_decided = decided

    def changes(self) -> Estimate | None:
        """Return the share of paired patients with each of `FATES_CHANGED`; None if nobody is paired."""
        return None if self._changes is None else estimates(self._changes, share=True)

    def differences(self) -> Difference:
        """Estimate every endpoint's difference; not a number where the reference does not read it."""
        sides = self._reference.sums[:, self._ours], self._scenario.sums[:, self._theirs]
        share = [BY_NAME[self.keys[at][0]].kind == "share" for at in self._theirs]
        found = differences(*sides, self._cross if self.paired else None, self._identical, share)
        return Difference(*(self._spread(each, math.nan) for each in found))

    def each_draw(self, key: Key) -> tuple[Floats, Floats]:
        """Return one endpoint's difference under each draw, and its Monte Carlo error there."""
        at = int(np.flatnonzero(self._theirs == self.keys.index(key))[0])
        sides = self._reference.sums[:, self._ours], self._scenario.sums[:, self._theirs]
        values, errors, _ = in_each_draw(*sides, self._cross if self.paired else None, self._identical)
        return values[:, at], errors[:, at]

    def read_in_both(self) -> NDArray[np.bool_]:
        """Tell which endpoints of the scenario the reference has too."""
        return self._spread(np.ones(len(self._theirs), dtype=np.bool_), False)

    def identical(self) -> NDArray[np.bool_]:
        """Tell which endpoints of the scenario have been the same in every replication of every draw."""
        return self._spread(np.all(self._identical, axis=0), False)

    def _spread(self, values: NDArray[Any], missing: float | bool) -> NDArray[Any]:
        """Return values of the endpoints that both read as a row of all of the scenario's."""
        whole = np.full(len(self.keys), missing, dtype=values.dtype)
        whole[self._theirs] = values
        return whole
