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
from sim.cli.output import print_frame, print_frames, print_table
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
    from sim.show.kit.posterior_words import under_draws
    from sim.show.kit.table import published_table, range_table, targets_table
    from sim.study.montecarlo import choose_simulator

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
    counts = sorted({run.manifest["replications"] for run in runs})
    count = f"{counts[0]:,} to {counts[-1]:,}" if len(counts) > 1 else f"{counts[0]:,}"
    draws = None if budgets[0].draws is None else len(budgets[0].draws.values)
    size = f"{count} replications{under_draws(draws)}, seed {effort.seed}"
    if len(runs) > 1:
        found = [(one.name, run.endpoints, one.scenario) for one, run in zip(all_loaded, runs, strict=True)]
        print_table(targets_table(found), f"Every printed figure: {size}")
    for loaded, run in zip(all_loaded, runs, strict=True):
        if len(runs) == 1:
            free = (run.manifest["posterior"] or {}).get("free", ())
            table = published_table(run.endpoints, loaded.scenario, run.points, full=full, free=free)
            print_table(table, f"{loaded.scenario.title}: {size}")
        if run.points is not None:
            print_table(range_table(run.points, loaded.scenario), f"\n{loaded.name}, over the range:")
        _say_where(run.folder)


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
    from sim.commands.run import parse_endpoint, sweep_study, swept_rows
    from sim.scenario.load import load
    from sim.show.kit.posterior_words import sized
    from sim.study.sweep import parse_axis

    loaded = load(scenario, overrides)
    axes = [parse_axis(text) for text in vary]
    shown = [parse_endpoint(text, loaded.scenario) for text in effort.endpoints]
    budget = effort.budget(loaded.scenario, shown=True)
    with figure_warnings(), progress_bar(loaded.name) as progress:
        done = sweep_study(loaded, axes, budget, shown, out, force=force, resume=resume, progress=progress)
    if as_json:
        print_frame("sweep", done.points)
        return
    title = loaded.scenario.title
    if budget.draws is not None:
        title += f": each point {sized(budget.total, len(budget.draws.values))}, seed {effort.seed}"
    print_table(swept_rows(done, loaded.scenario, axes, shown), title)
    _say_where(done.folder)


def _say_where(folder: Path) -> None:
    click.echo(f"\nWritten to {folder.as_posix()}")
