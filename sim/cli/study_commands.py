"""``lupus-hsct run``, ``sweep`` and ``calibrate``."""

from __future__ import annotations

from pathlib import Path

import click

from sim.cli.options import (
    Effort,
    effort_options,
    force_option,
    json_option,
    out_option,
    resume_option,
    scenario_argument,
    set_option,
)
from sim.cli.output import print_frame, print_frames, print_told
from sim.cli.progress import figure_warnings, progress_bar
from sim.study.budget import DEFAULT_PATIENT_REPLICATIONS

_ALL = "all"


@click.command("run")
@click.argument("scenarios", metavar="SCENARIO...", nargs=-1, required=True)
@set_option
@effort_options
@click.option(
    "--patients",
    metavar="all|N",
    default=str(DEFAULT_PATIENT_REPLICATIONS),
    show_default=True,
    help="First replications whose patients are kept in patients.parquet.",
)
@click.option("--events", is_flag=True, help="Keep the events of these patients too, in events.parquet.")
@click.option("--all", "full", is_flag=True, help="Print every endpoint, not just those with a target.")
@out_option
@force_option
@resume_option
@json_option
def run_command(
    scenarios: tuple[str, ...],
    overrides: tuple[str, ...],
    effort: Effort,
    patients: str,
    events: bool,
    full: bool,
    out: Path | None,
    force: bool,
    resume: bool,
    as_json: bool,
) -> None:
    """Simulate SCENARIO, patient by patient, and show it beside the published figures.

    Writes a run folder: endpoints.csv, curves.csv, replications.parquet, patients.parquet, figures and a
    manifest with the source of every value. Several scenarios get a folder each and one table of all the
    figures that were printed.
    """
    from sim.commands.run import run_study
    from sim.scenario.load import load
    from sim.show.terminal import over_range, told, told_of_several
    from sim.study.montecarlo import choose_simulator
    from sim.work.results import read_results

    kept = _patient_replications(patients)
    all_loaded = [load(scenario, overrides) for scenario in scenarios]
    if len(all_loaded) > 1 and (out is not None or full):
        raise click.UsageError("--out and --all take one SCENARIO; several get a numbered folder each")
    budgets = [effort.budget(loaded.scenario, kept, events=events) for loaded in all_loaded]
    runs = []
    with figure_warnings():
        for loaded, budget in zip(all_loaded, budgets, strict=True):
            with progress_bar(loaded.name) as progress:
                run = run_study(loaded, budget, out, force=force, resume=resume, progress=progress)
            runs.append(run)
            simulator, reason = choose_simulator([loaded.scenario], budget)
            click.echo(f"{loaded.name}: simulated with {simulator}, {reason}", err=True)
    if as_json:
        print_frames(
            "run", {loaded.name: run.endpoints for loaded, run in zip(all_loaded, runs, strict=True)}
        )
        return
    results = [read_results(run.folder) for run in runs]
    if len(results) > 1:
        print_told(told_of_several(results))
    for number, found in enumerate(results):
        if number:
            click.echo()
        print_told(told(found, full=full) if len(results) == 1 else over_range(found))
        _say_where(found.folder)


def _patient_replications(text: str) -> int | None:
    if text == _ALL:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= 20:
        return int(text)
    raise click.BadParameter(
        f"{text!r} given; allowed: all, or a whole number from 0", param_hint="--patients"
    )


@click.command("sweep")
@scenario_argument
@click.option(
    "--vary",
    multiple=True,
    metavar="KEY=...",
    help="Key and values: key=low:high:points, key=log:low:high:points or key=a,b,c. Repeat for a grid.",
)
@set_option
@effort_options
@out_option
@force_option
@resume_option
@json_option
def sweep_command(
    scenario: str,
    vary: tuple[str, ...],
    overrides: tuple[str, ...],
    effort: Effort,
    out: Path | None,
    force: bool,
    resume: bool,
    as_json: bool,
) -> None:
    """Simulate SCENARIO over a grid of values, every point under the same luck.

    Writes points.csv with every endpoint at every point, and a curve (one key) or maps (two keys).
    """
    from sim.commands.run import parse_endpoint, sweep_study
    from sim.scenario.load import load
    from sim.show.terminal import told
    from sim.study.sweep import parse_axis
    from sim.work.results import read_results

    loaded = load(scenario, overrides)
    axes = [parse_axis(text) for text in vary]
    shown = [parse_endpoint(text, loaded.scenario) for text in effort.endpoints]
    budget = effort.budget(loaded.scenario, shown=True)
    with figure_warnings(), progress_bar(loaded.name) as progress:
        done = sweep_study(loaded, axes, budget, shown, out, force=force, resume=resume, progress=progress)
    if as_json:
        print_frame("sweep", done.points)
        return
    print_told(told(read_results(done.folder)))
    _say_where(done.folder)


def _say_where(folder: Path | None) -> None:
    if folder is not None:
        click.echo(f"Written to {folder.as_posix()}")
