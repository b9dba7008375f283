"""Whole studies: simulate, write the tables, draw the figures, and only then give the folder its name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table

from sim.scenario.describe import show_rows, value_text
from sim.scenario.endpoints import BY_NAME, Key, column, label, read_times
from sim.scenario.load import Loaded, load
from sim.scenario.problems import RequestError
from sim.scenario.refusals import cut_short, unknown
from sim.scenario.schema import Scenario
from sim.show.figure_files import write_figures
from sim.show.kit.formats import rows
from sim.show.kit.scenario_words import headlines
from sim.show.report import FILE, make_report, render
from sim.study.budget import DEFAULT_REPLICATIONS, DEFAULT_SEED, Budget
from sim.study.figure_tables import counted, first_clinic, first_courses
from sim.study.montecarlo import Progress
from sim.study.request import posterior_record, precision_text, request_for
from sim.study.run import FORMAT, Run, Written, read_run, write_run
from sim.study.shares import incidence_data, places_data
from sim.study.sweep import Axis, sweep
from sim.work.folder import MANIFEST, NewFolder, software, write_json
from sim.work.results import Results, Tables, read_results


def run_study(
    loaded: Loaded,
    budget: Budget,
    out: Path | None = None,
    *,
    force: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Run a scenario into a folder with tables, manifest and figures.

    Parameters
    ----------
    resume
        Go on with an unfinished run of the same request, if there is one; a finished one is read back.

    Raises
    ------
    RequestError
        The budget is impossible, or `out` may not be written.
    """
    if budget.draws is not None:
        budget.draws.require(loaded)
    new = NewFolder(out, loaded.name, request_for("run", [loaded], budget), force=force, resume=resume)
    if new.complete:
        return read_run(new.path)
    with new as folder:
        written = write_run(loaded, budget, folder.path, progress, folder.store)
        found = read_run(folder.path)
        write_figures(figure_results(written, found))
        (folder.path / FILE).write_bytes(render(make_report(found)).encode())
    return replace(found, folder=folder.path)


def figure_results(written: Written, run: Run) -> Results:
    """Return a run with the tables that only its figures need, which are written into figures/."""
    (run.folder / "figures").mkdir(exist_ok=True)
    own = {"swimmer": first_courses(written.first, written.firsts)}
    if written.courses is not None:
        own |= {"incidence": incidence_data(written.courses), "places": places_data(written.courses)}
    if written.occupancy is not None:
        own["rooms"] = first_clinic(written.occupancy)
    for name, table in own.items():
        table.to_csv(run.folder / "figures" / f"{name}.csv", index=False, lineterminator="\n")
    manifest = {**run.manifest, "counted": counted(written.courses, written.occupancy)}
    return Results(manifest, {**Tables(run.folder), **own}, run.folder)


def run(
    scenario: str | Loaded,
    *,
    replications: int = DEFAULT_REPLICATIONS,
    seed: int = DEFAULT_SEED,
    events: bool = False,
    out: str | Path | None = None,
    force: bool = False,
) -> Run:
    """Run a scenario by name, path or as loaded; see `run_study`, which the command line calls."""
    loaded = load(scenario) if isinstance(scenario, str) else scenario
    budget = Budget(replications, seed, events=events)
    return run_study(loaded, budget, None if out is None else Path(out), force=force)


@dataclass(frozen=True)
class Sweep:
    """A finished sweep: its folder, and the table of ``points.csv``."""

    folder: Path
    points: pd.DataFrame


def sweep_study(
    loaded: Loaded,
    axes: Sequence[Axis],
    budget: Budget,
    endpoints: Sequence[Key] = (),
    out: Path | None = None,
    *,
    force: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> Sweep:
    """Sweep a scenario into a folder: ``points.csv``, manifest, and a curve (one key) or maps (two keys).

    Parameters
    ----------
    endpoints
        What the figures show; left out, treatment-related mortality and survival at the last time.

    Raises
    ------
    RequestError
        The grid or the budget is impossible, or `out` may not be written.
    """
    shown = list(endpoints) or headlines(loaded.scenario)
    keys = [axis.key for axis in axes]
    held: tuple[str, ...] = ()
    if budget.draws is not None:
        budget.draws.require(loaded, keys)
        held = budget.draws.held_in(loaded)
    request = request_for(
        "sweep",
        [loaded],
        budget,
        vary={axis.key: list(axis.points) for axis in axes},
        shown=[column(key) for key in shown],
    )
    new = NewFolder(out, f"{loaded.name}-sweep", request, force=force, resume=resume)
    if new.complete:
        return Sweep(new.path, pd.read_csv(new.path / "points.csv"))
    with new as folder:
        points = sweep(loaded.scenario, axes, budget, progress, folder.store("sweep"), held)
        points.to_csv(folder.path / "points.csv", index=False, lineterminator="\n")
        write_json(folder.path / MANIFEST, {**_sweep_manifest(loaded, axes, budget), "request": request})
        write_figures(read_results(folder.path))
        if budget.draws is not None:
            budget.draws.warn_of_held(loaded, keys)
    return Sweep(folder.path, points)


def swept_rows(done: Sweep, scenario: Scenario, axes: Sequence[Axis], endpoints: Sequence[Key]) -> Table:
    """Return what the figures show as a table: one row a point, one column an endpoint."""
    shown = list(endpoints) or headlines(scenario)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for axis in axes:
        table.add_column(axis.key, overflow="fold")
    drawn = any(row.drawn for row in rows(done.points))
    interval = "Monte Carlo 95%; posterior 95%" if drawn else "Monte Carlo 95% interval"
    for endpoint in shown:
        table.add_column(f"{label(endpoint)}\n({interval})")
    keys = [axis.key for axis in axes]
    for point, table_of_point in done.points.groupby(keys, sort=False):
        found = {row.key: row for row in rows(table_of_point)}
        table.add_row(*map(value_text, point), *(found[endpoint].estimate_text for endpoint in shown))
    return table


def _sweep_manifest(loaded: Loaded, axes: Sequence[Axis], budget: Budget) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "command": "sweep",
        "scenario": loaded.name,
        "scenario_hash": loaded.scenario_hash,
        "vary": {axis.key: list(axis.points) for axis in axes},
        "seed": budget.seed,
        "replications": budget.replications,
        "precision": precision_text(budget),
        **(posterior_record(budget, loaded, [axis.key for axis in axes]) if budget.draws else {}),
        "engine": budget.engine,
        "software": software(),
        "resolved": loaded.as_dict(),
        "parameters": show_rows(loaded),
    }


def parse_endpoint(text: str, scenario: Scenario) -> Key:
    """Read ``NAME`` or ``NAME@YEARS``.

    Raises
    ------
    RequestError
        There is no such endpoint, or it is not read at that time.
    """
    name, at, years = text.partition("@")
    if name not in BY_NAME:
        what, otherwise = f'unknown endpoint "{cut_short(name)}"', f"endpoints are {', '.join(BY_NAME)}"
        raise RequestError(f"--endpoint {cut_short(text)}: {unknown(what, name, BY_NAME, otherwise)}")
    times = read_times(BY_NAME[name], scenario.follow_up.horizon_years)
    try:
        time = float(years) if at else None
    except ValueError:
        time = math.nan
    if time not in times:
        allowed = ", ".join(column((name, choice)) for choice in times)
        raise RequestError(f"--endpoint {text}: {BY_NAME[name].label} is read as {allowed}")
    return name, time


def precise_endpoints(texts: Sequence[str], scenario: Scenario) -> tuple[Key, ...]:
    """Read the endpoints whose precision is asked for; left out, the shares that the scenario aims at.

    Raises
    ------
    RequestError
        An endpoint is unknown, or no share, of which percentage points mean nothing.
    """
    asked = [parse_endpoint(text, scenario) for text in texts]
    for key in asked:
        if BY_NAME[key[0]].kind != "share":
            raise RequestError(
                f"--endpoint {column(key)}: --precision is in percentage points, and {label(key)} is no "
                "share; name a share, as in --endpoint overall_survival@5"
            )
    aimed = [(target.endpoint, target.time_years) for target in scenario.fitted_targets]
    shares = [key for key in [*aimed, *headlines(scenario)] if BY_NAME[key[0]].kind == "share"]
    horizon = scenario.follow_up.horizon_years
    readable = [key for key in shares if key[1] in read_times(BY_NAME[key[0]], horizon)]
    return tuple(dict.fromkeys(asked or readable))
