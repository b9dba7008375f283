"""One study of one scenario, written into a run folder and read back from it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sim.scenario.describe import show_rows
from sim.scenario.load import Loaded
from sim.scenario.problems import RequestError
from sim.study.budget import Budget
from sim.study.folder import MANIFEST, software, write_json
from sim.study.montecarlo import Progress, Tally, replicate, warn_of_weak_figures
from sim.study.records import event_rows, patient_rows
from sim.study.spool import Spool, read_parquet

FORMAT = 1
"""Version of the run folder's layout."""


@dataclass(frozen=True)
class Run:
    """A run read back from its folder; tables have the columns of the files.

    ``patients`` and ``events`` are None where the folder has none.
    """

    folder: Path
    manifest: dict[str, Any]
    endpoints: pd.DataFrame
    curves: pd.DataFrame
    replications: pd.DataFrame
    patients: pd.DataFrame | None
    events: pd.DataFrame | None


def write_run(
    loaded: Loaded, budget: Budget, folder: Path, progress: Progress | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Simulate a scenario and write its tables and manifest into a folder.

    Returns
    -------
    endpoints, curves : pandas.DataFrame
        As in ``endpoints.csv`` and ``curves.csv``.
    """
    scenario = loaded.scenario
    tally, patients, events = Tally(scenario, folder), Spool(folder, "patients"), Spool(folder, "events")
    keep = budget.replications if budget.patient_replications is None else budget.patient_replications
    for chunk in replicate(scenario, range(budget.replications), budget.seed, progress):
        tally.add(chunk)
        if chunk.replications.start < keep:
            patients.add(patient_rows(chunk, scenario, keep))
            if budget.events:
                events.add(event_rows(chunk, keep))
    endpoints, curves = tally.endpoints(), tally.curves()
    endpoints.to_csv(folder / "endpoints.csv", index=False, lineterminator="\n")
    curves.to_csv(folder / "curves.csv", index=False, lineterminator="\n")
    for spool in (tally.rows, patients, events):
        spool.join()
    write_json(folder / MANIFEST, _manifest(loaded, budget, tally.result_hash))
    warn_of_weak_figures(endpoints, budget.replications)
    return endpoints, curves


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
        "engine": "simpy",
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

    replications = table("replications")
    texts = {"target_source": str, "note": str}
    try:
        endpoints = pd.read_csv(path / "endpoints.csv", dtype=texts).fillna(dict.fromkeys(texts, ""))
        curves = pd.read_csv(path / "curves.csv")
    except FileNotFoundError as error:
        raise RequestError(f"{path} is incomplete: {error.filename} is missing; run it again") from error
    if replications is None:
        raise RequestError(f"{path} is incomplete: replications.parquet is missing; run it again")
    return Run(path, manifest, endpoints, curves, replications, table("patients"), table("events"))


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
