"""Monte Carlo: the same scenario under many replications of luck, chunk by chunk.

Chunks are fixed by the scenario alone, so nothing that is shown depends on how a study was cut up.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.clinic import arrays, pathway
from sim.clinic.history import History
from sim.outcomes.endpoints import Reading, read_endpoints, survival_curves
from sim.patient.fates import draw_fates, expected_patients
from sim.patient.luck import BLOCK, Luck
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME, Key, column, keys, label
from sim.scenario.problems import FewReplicationsWarning, UndefinedFigureWarning
from sim.scenario.schema import Scenario
from sim.study.budget import DEFAULT_REPLICATIONS, DEFAULT_SEED, Budget, Engine, Simulator
from sim.study.estimates import Moments, ratio_estimate, trial_range
from sim.study.spool import Spool

ENOUGH_REPLICATIONS = 200
"""Below this, the outer 2.5% of single trials are fewer than five of them."""

# Patients in memory at once: small enough to stay flat, large enough that NumPy's calls cost nothing.
_PATIENTS_AT_ONCE = 20_000
_NUMBERS_AT_ONCE = 10_000_000
_CURVE_POINTS = 61

Progress: TypeAlias = Callable[[int, int], None]
"""Called with replications done and replications in all."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some consecutive replications: what happened, and the endpoints read off it."""

    replications: range
    history: History
    readings: dict[Key, Reading]


def chunks(scenario: Scenario, replications: range) -> Iterator[range]:
    """Cut consecutive replications into pieces that lie within one block of luck and fit in memory."""
    size = max(1, min(BLOCK, _PATIENTS_AT_ONCE // expected_patients(scenario)))
    first = replications.start
    while first < replications.stop:
        # Cut at multiples of the size within the block, wherever the first replication lies.
        within = first % BLOCK
        last = min(first + size - within % size, first + BLOCK - within, replications.stop)
        yield range(first, last)
        first = last


def choose_simulator(scenario: Scenario, budget: Budget) -> tuple[Simulator, str]:
    """Choose the simulator for a study of one scenario, and say why in a few words."""
    return budget.simulator(expected_patients(scenario) * budget.replications)


def replicate(
    scenario: Scenario,
    replications: range,
    seed: int,
    progress: Progress | None = None,
    simulator: Simulator = "simpy",
) -> Iterator[Chunk]:
    """Simulate replications, a chunk at a time and in order."""
    luck = Luck(seed)
    simulate = pathway.simulate if simulator == "simpy" else arrays.simulate
    for piece in chunks(scenario, replications):
        history = simulate(scenario, draw_fates(scenario, luck, piece))
        yield Chunk(piece, history, read_endpoints(history, scenario))
        if progress is not None:
            progress(piece.stop - replications.start, len(replications))


def first_replication(scenario: Scenario, seed: int) -> History:
    """Return what happened in the first replication."""
    (chunk,) = replicate(scenario, range(1), seed)
    return chunk.history


class Tally:
    """What is kept of a study: one row a replication on disk, and the sums behind the curves.

    Parameters
    ----------
    folder
        Where the rows are kept while they grow.
    """

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self._scenario = scenario
        self._keys = keys(scenario.follow_up.horizon_years)
        self.rows = Spool(folder, "replications")
        self._curve_years = np.linspace(0.0, scenario.follow_up.horizon_years, _CURVE_POINTS)
        self._curves: dict[str, list[Moments]] = {}
        self._digest = sha256()

    @property
    def result_hash(self) -> str:
        """SHA-256 of every replication's figures, in order."""
        return self._digest.hexdigest()

    def add(self, chunk: Chunk) -> None:
        """Keep a chunk."""
        columns: dict[str, NDArray[Any]] = {"replication": np.array(chunk.replications) + 1}
        for key in self._keys:
            columns[f"n_{BY_NAME[key[0]].denominator}"] = chunk.readings[key].size
        for key in self._keys:
            columns[column(key)] = chunk.readings[key].total
            if BY_NAME[key[0]].trial != "none":
                columns[f"trial_{column(key)}"] = chunk.readings[key].trial
        self.rows.add(columns)
        # Row by row, so that the digest does not depend on where chunks begin.
        table = np.column_stack([values.astype("<f8") for values in columns.values()])
        self._digest.update(np.where(np.isnan(table), np.nan, table).tobytes())
        for name, (totals, size) in survival_curves(chunk.history, self._scenario, self._curve_years).items():
            sums = self._curves.setdefault(name, [Moments()] * _CURVE_POINTS)
            self._curves[name] = [m.plus(total, size) for m, total in zip(sums, totals, strict=True)]

    def endpoints(self) -> pd.DataFrame:
        """Return the table of ``endpoints.csv``."""
        targets = {(target.endpoint, target.time_years): target for target in self._scenario.target}
        at_once = max(1, _NUMBERS_AT_ONCE // (3 * max(self.rows.length, 1)))
        rows = []
        for first in range(0, len(self._keys), at_once):
            batch = self._keys[first : first + at_once]
            columns = self.rows.columns(name for key in batch for name in _columns_of(key))
            for key in batch:
                row = _estimate(key, *(columns[name] for name in _columns_of(key)))
                target = targets.get(key)
                row["target"] = target.value if target else np.nan
                row["target_source"] = target.source if target else ""
                row["note"] = "not_fitted" if target and not target.fitted else ""
                if row["estimate"] != row["estimate"]:
                    row["note"] = "nobody_at_risk"
                rows.append(row)
        return pd.DataFrame(rows)

    def curves(self) -> pd.DataFrame:
        """Return the survival curves with their Monte Carlo intervals."""
        rows = [
            (name, float(time), estimate.value, estimate.lower, estimate.upper)
            for name, sums in self._curves.items()
            for time, estimate in zip(
                self._curve_years, (ratio_estimate(m, share=True) for m in sums), strict=True
            )
        ]
        return pd.DataFrame(rows, columns=["endpoint", "time_years", "estimate", "mc_lower", "mc_upper"])


def _columns_of(key: Key) -> list[str]:
    """Return a key's columns among the rows: total, size and, where one is reported, the trial's figure."""
    endpoint, name = BY_NAME[key[0]], column(key)
    return [name, f"n_{endpoint.denominator}", *([f"trial_{name}"] if endpoint.trial != "none" else [])]


def _estimate(key: Key, total: Floats, size: Floats, trial: Floats | None = None) -> dict[str, object]:
    endpoint = BY_NAME[key[0]]
    estimate = ratio_estimate(Moments().plus(total, size), share=endpoint.kind == "share")
    lower, upper, undefined = (np.nan, np.nan, np.nan) if trial is None else trial_range(trial)
    return {
        "endpoint": endpoint.name,
        "time_years": np.nan if key[1] is None else key[1],
        "estimate": estimate.value,
        "mc_se": estimate.se,
        "mc_lower": estimate.lower,
        "mc_upper": estimate.upper,
        "trial_lower": lower,
        "trial_upper": upper,
        "trial_undefined": undefined,
    }


def warn_of_weak_figures(endpoints: pd.DataFrame, replications: int) -> None:
    """Warn of figures that can't bear their weight, with the remedy."""
    if replications < ENOUGH_REPLICATIONS:
        warnings.warn(
            f"{replications} replications are too few for the intervals shown; "
            f"run at least {ENOUGH_REPLICATIONS} (--replications {DEFAULT_REPLICATIONS} is the default)",
            FewReplicationsWarning,
            stacklevel=2,
        )
    aimed = endpoints[endpoints["target"].notna() & (endpoints["trial_undefined"] > 0)]
    worst = aimed.sort_values("trial_undefined", ascending=False).drop_duplicates(["endpoint", "time_years"])
    for row in worst.sort_index().itertuples():
        name = label((row.endpoint, None if np.isnan(row.time_years) else row.time_years))
        warnings.warn(
            f"{name}: in {row.trial_undefined:.1%} of the virtual trials nobody is at risk any more "
            f"at the data cut; their range leaves these out. A later follow_up.data_cut_days "
            "would let more of them report it",
            UndefinedFigureWarning,
            stacklevel=2,
        )


def measure(
    scenario: Scenario,
    replications: int = DEFAULT_REPLICATIONS,
    seed: int = DEFAULT_SEED,
    progress: Progress | None = None,
    engine: Engine = "auto",
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run a scenario in memory and return its endpoints and its survival curves.

    Whether the figures can bear their weight is for `warn_of_weak_figures` to say.

    Returns
    -------
    endpoints, curves : pandas.DataFrame
        The columns of ``endpoints.csv`` and of ``curves.csv``.

    Raises
    ------
    RequestError
        Fewer than one replication, or a seed out of range.
    """
    budget = Budget(replications, seed, engine=engine)
    simulator, _ = choose_simulator(scenario, budget)
    with TemporaryDirectory(prefix="lupus-hsct-") as folder:
        tally = Tally(scenario, Path(folder))
        for chunk in replicate(scenario, range(replications), seed, progress, simulator):
            tally.add(chunk)
        return tally.endpoints(), tally.curves()


def estimate(
    scenario: Scenario,
    replications: int = DEFAULT_REPLICATIONS,
    seed: int = DEFAULT_SEED,
    progress: Progress | None = None,
    engine: Engine = "auto",
) -> pd.DataFrame:
    """Return the endpoints alone; see `measure`."""
    return measure(scenario, replications, seed, progress, engine)[0]
