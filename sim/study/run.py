"""One study of one scenario, written into a run folder and read back from it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sim.clinic.history import History
from sim.outcomes.occupancy import Occupancy, is_limited
from sim.scenario.describe import show_rows
from sim.scenario.load import Loaded
from sim.scenario.problems import RequestError
from sim.study.budget import Budget
from sim.study.folder import MANIFEST, software, write_json
from sim.study.load import warn_of_scenarios
from sim.study.montecarlo import (
    Progress,
    Tally,
    choose_simulator,
    first_replication,
    replicate,
    warn_of_weak_figures,
)
from sim.study.records import event_rows, patient_rows
from sim.study.spool import Spool, read_parquet
from sim.study.sweep import measure_points, range_points

FORMAT = 1
"""Version of the run folder's layout."""

_OPTIONAL = ("occupancy", "range")


@dataclass(frozen=True)
class Run:
    """A run read back from its folder; tables have the columns of the files.

    ``patients``, ``events``, ``occupancy`` and ``points`` (of ``range.csv``) are None where the folder has
    none.
    """

    folder: Path
    manifest: dict[str, Any]
    endpoints: pd.DataFrame
    curves: pd.DataFrame
    replications: pd.DataFrame
    patients: pd.DataFrame | None
    events: pd.DataFrame | None
    occupancy: pd.DataFrame | None
    points: pd.DataFrame | None


@dataclass(frozen=True)
class Written:
    """What a run has found, for its figures; tables as in the files.

    ``occupancy`` is None where nothing is limited, ``points`` and ``point_curves`` where the scenario has no
    range.
    """

    endpoints: pd.DataFrame
    curves: pd.DataFrame
    first: History
    """The first replication alone."""
    firsts: list[History]
    """The same at each value of the range."""
    occupancy: Occupancy | None
    points: pd.DataFrame | None
    point_curves: pd.DataFrame | None


def write_run(loaded: Loaded, budget: Budget, folder: Path, progress: Progress | None = None) -> Written:
    """Simulate a scenario, also at each value of its ranges, and write tables and manifest into a folder."""
    scenario = loaded.scenario
    own = budget.replications
    over_range = range_points(scenario)
    total = own * (1 + len(over_range))
    tally, patients, events = Tally(scenario, folder), Spool(folder, "patients"), Spool(folder, "events")
    keep = own if budget.patient_replications is None else budget.patient_replications
    occupancy = Occupancy(scenario) if is_limited(scenario) else None
    firsts: list[History] = []
    simulator, _ = choose_simulator(scenario, budget)
    for chunk in replicate(scenario, range(own), budget.seed, _from(progress, 0, total), simulator):
        tally.add(chunk)
        if not firsts:
            firsts.append(chunk.history.alone(0))
        if occupancy is not None:
            occupancy.add(chunk.history)
        if chunk.replications.start < keep:
            patients.add(patient_rows(chunk, scenario, keep))
            if budget.events:
                events.add(event_rows(chunk, keep))
    points, curves = None, None
    if over_range:
        points, curves = measure_points(over_range, budget, _from(progress, own, total))
        firsts += [first_replication(changed, budget.seed) for _, changed in over_range]
    written = Written(tally.endpoints(), tally.curves(), firsts[0], firsts[1:], occupancy, points, curves)
    _write_tables(written, folder)
    for spool in (tally.rows, patients, events):
        spool.join()
    write_json(folder / MANIFEST, _manifest(loaded, budget, tally.result_hash))
    warn_of_weak_figures(written.endpoints, own)
    warn_of_scenarios([scenario], budget.seed)
    return written


def _from(progress: Progress | None, before: int, total: int) -> Progress | None:
    """Return the progress of a part that comes after some replications, of a total."""
    return None if progress is None else lambda done, _part: progress(before + done, total)


def _write_tables(written: Written, folder: Path) -> None:
    tables = {
        "endpoints": written.endpoints,
        "curves": written.curves,
        "occupancy": None if written.occupancy is None else written.occupancy.table(),
        "range": written.points,
        "range_curves": written.point_curves,
    }
    for name, table in tables.items():
        if table is not None:
            table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")


def _manifest(loaded: Loaded, budget: Budget, result_hash: str) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "command": "run",
        "scenario": loaded.name,
        "chain": list(loaded.chain),
        "scenario_hash": loaded.scenario_hash,
        "seed": budget.seed,
        "replications": budget.replications,
        "patient_replications": budget.patient_replications,
        "engine": choose_simulator(loaded.scenario, budget)[0],
        "result_hash": result_hash,
        "software": software(),
        "resolved": loaded.as_dict(),
        "parameters": show_rows(loaded),
    }


def read_run(folder: str | Path) -> Run:
    """Read a run folder.

    Raises
    ------
    RequestError
        The folder is missing, is no run folder, is incomplete, or was written in another format.
    """
    path = Path(folder)
    manifest = read_manifest(path)

    def table(name: str) -> pd.DataFrame | None:
        file = path / f"{name}.parquet"
        return read_parquet(file) if file.is_file() else None

    def csv(name: str) -> pd.DataFrame:
        texts = {"target_source": str, "note": str}
        return pd.read_csv(path / f"{name}.csv", dtype=texts).fillna(dict.fromkeys(texts, ""))

    replications = table("replications")
    try:
        endpoints, curves = csv("endpoints"), csv("curves")
    except FileNotFoundError as error:
        raise RequestError(f"{path} is incomplete: {error.filename} is missing; run it again") from error
    if replications is None:
        raise RequestError(f"{path} is incomplete: replications.parquet is missing; run it again")
    occupancy, points = (csv(name) if (path / f"{name}.csv").is_file() else None for name in _OPTIONAL)
    return Run(
        path, manifest, endpoints, curves, replications, table("patients"), table("events"), occupancy, points
    )


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a run folder; refusals as in `read_run`."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    except FileNotFoundError as error:
        raise RequestError(
            f"{folder} is no run folder: it has no {MANIFEST}; name one that `lupus-hsct run` wrote"
        ) from error
    except (ValueError, OSError) as error:
        raise RequestError(f"{folder}: {MANIFEST} can't be read ({error}); run the scenario again") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or manifest.get("command") != "run":
        raise RequestError(f"{folder}: {MANIFEST} is not of a run in format {FORMAT}; run the scenario again")
    return manifest
