"""``lupus-hsct run``, ``sweep``, ``compare``, ``validate`` and ``calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sim.cli.options import (
    EFFORT,
    LUCK,
    WORK,
    WholeNumber,
    options,
    patients_option,
    scenario_argument,
    seed_option,
    set_option,
)
from sim.cli.output import print_frame, print_frames, print_table
from sim.cli.progress import studying
from sim.study.budget import DEFAULT_EFFECTIVE_SIZE, DEFAULT_POINTS, MOST_REPLICATIONS

if TYPE_CHECKING:
    from sim.work.results import Results


@click.command("run")
@click.argument("scenarios", metavar="SCENARIO...", nargs=-1, required=True)
@options(set_option, *EFFORT)
@patients_option
@click.option("--events", is_flag=True, help="Keep the events of these patients too, in events.parquet.")
@click.option("--all", "full", is_flag=True, help="Print every endpoint, not just those with a target.")
@options(*WORK)
def run_command(scenarios: tuple[str, ...], full: bool, as_json: bool, **asked: Any) -> None:
    """Simulate SCENARIO, patient by patient, and show it beside the published figures.

    Writes a run folder: endpoints.csv, curves.csv, replications.parquet, patients.parquet, figures and a
    manifest with the source of every value. Several scenarios get a folder each and one table of all the
    figures that were printed.
    """
    from sim.commands.asked import effort_of, loaded_from
    from sim.commands.run import run
    from sim.show.kit.posterior_words import under_draws
    from sim.show.kit.table import published_table, range_table, targets_table

    if len(scenarios) > 1 and (isinstance(asked["out"], Path) or full):
        raise click.UsageError("--out and --all take one SCENARIO; several get a numbered folder each")
    overrides = asked.pop("set")
    all_loaded = [loaded_from(scenario, overrides) for scenario in scenarios]
    for loaded in all_loaded:  # nothing is simulated if one of them is wrong
        effort_of(asked, loaded.scenario)  # type: ignore[arg-type]
    runs = []
    with studying() as progress:
        for loaded in all_loaded:
            runs.append(run(loaded, progress=progress, **asked))
            engine, because = (runs[-1].manifest[name] for name in ("engine", "engine_because"))
            click.echo(f"{loaded.name}: simulated with {engine}, {because}", err=True)
    if as_json:
        print_frames("run", {each.manifest["scenario"]: each.endpoints for each in runs})
        return
    counts = sorted({each.manifest["replications"] for each in runs})
    count = f"{counts[0]:,} to {counts[-1]:,}" if len(counts) > 1 else f"{counts[0]:,}"
    size = f"{count} replications{under_draws(runs[0].draws)}, seed {asked['seed']}"
    if len(runs) > 1:
        found_in = [(each.manifest["scenario"], each.endpoints, each.scenario) for each in runs]
        print_table(targets_table(found_in), f"Every printed figure: {size}")
    for each in runs:
        points = each.table("range")
        if len(runs) == 1:
            free = (each.manifest["posterior"] or {}).get("free", ())
            table = published_table(each.endpoints, each.scenario, points, full=full, free=free)
            print_table(table, f"{each.scenario.title}: {size}")
        if points is not None:
            print_table(range_table(points, each.scenario), f"\n{each.manifest['scenario']}, over the range:")
        _say_where(each, "\n")


@click.command("sweep")
@scenario_argument
@click.option(
    "--vary",
    multiple=True,
    metavar="KEY=...",
    help="Key and values: key=low:high:points, key=log:low:high:points or key=a,b,c. Repeat for a grid.",
)
@options(set_option, *EFFORT, *WORK)
def sweep_command(scenario: str, vary: tuple[str, ...], as_json: bool, **asked: Any) -> None:
    """Simulate SCENARIO over a grid of values, every point under the same luck.

    Writes points.csv with every endpoint at every point, and a curve (one key) or maps (two keys).
    """
    from sim.commands.sweep import sweep
    from sim.commands.terminal import swept_rows
    from sim.show.kit.posterior_words import sized

    with studying() as progress:
        done = sweep(scenario, vary, progress=progress, **asked)
    if as_json:
        print_frame("sweep", done.points)
        return
    title = done.scenario.title
    if done.draws is not None:
        title += f": each point {sized(done.manifest['replications'], done.draws)}, seed {asked['seed']}"
    print_table(swept_rows(done), title)
    _say_where(done, "\n")


@click.command("compare")
@click.argument("scenarios", nargs=-1, required=True, metavar="SCENARIO SCENARIO...")
@options(set_option, *EFFORT)
@click.option(
    "--trial",
    type=WholeNumber(1),
    default=1,
    show_default=True,
    help="Virtual trial whose patients are named.",
)
@options(*WORK)
def compare_command(scenarios: tuple[str, ...], as_json: bool, **asked: Any) -> None:
    """Compare scenarios with the first one, the reference, patient by patient under the same luck.

    Writes comparison.csv with the difference of every endpoint, deaths_averted.csv, changed_fates.csv,
    named_patients.csv, range.csv where a scenario has a range, and figures. --set goes over all of them.
    """
    from sim.commands.compare import compare
    from sim.commands.terminal import Comparison, differences_table, named_table, range_tables
    from sim.show.kit.posterior_words import sized

    with studying() as progress:
        results = compare(*scenarios, progress=progress, **asked)
    if as_json:
        print_frame("compare", results.comparison)
        return
    done = Comparison.of(results)
    for name in done.names:
        size = f"{sized(done.replications, done.draws)}, seed {asked['seed']}"
        print_table(differences_table(done, name), f"{name} compared with {done.reference}: {size}")
        for title, table in range_tables(done, name):
            click.echo()
            print_table(table, title)
        click.echo()
        for sentence in done.sentences[name]:
            click.echo(sentence)
        named = named_table(done, name)
        if named is not None:
            click.echo()
            under = " under the first draw" if done.draws else ""
            print_table(named, f"Patients of trial {asked['trial']}{under} whose fates differ")
        click.echo()
    _say_where(results)


@click.command("validate")
@click.argument("cohorts", nargs=-1, metavar="[COHORT]...")
@options(set_option, *LUCK, *WORK)
def validate_command(cohorts: tuple[str, ...], as_json: bool, **asked: Any) -> None:
    """Hold the model against cohorts to which it was not fitted; all that are shipped, if none is named.

    COHORT is the path of a cohort file if it has a slash or ends in .toml, else the name of a shipped
    cohort: lupus-hsct scenario list. Every cohort is simulated with its own patients and follow-up, and each
    figure is predicted as its paper read it. Writes validation.csv and a forest plot.
    """
    from sim.commands.terminal import Validated, validation_table
    from sim.commands.validate import validate
    from sim.show.kit.posterior_words import under_draws

    with studying() as progress:
        results = validate(*cohorts, progress=progress, **asked)
    if as_json:
        print_frame("validate", results.validation)
        return
    size = f"{results.manifest['replications']:,} virtual cohorts each{under_draws(results.draws)}"
    done = Validated.of(results)
    print_table(validation_table(done), f"Observed and predicted: {size}, seed {asked['seed']}")
    for sentence in done.sentences:
        click.echo(f"\n{sentence}")
    _say_where(results, "\n")


@click.command("calibrate")
@scenario_argument
@options(set_option, seed_option)
@click.option("--point", is_flag=True, help="Solve for the point alone, without a posterior.")
@click.option(
    "--effective-size",
    type=WholeNumber(10, 1_000_000),
    default=DEFAULT_EFFECTIVE_SIZE,
    show_default=True,
    help="Independent draws of the posterior that its weighted ones should be worth.",
)
@click.option(
    "--points",
    type=WholeNumber(256, 10_000_000),
    default=DEFAULT_POINTS,
    show_default=True,
    help="Parameter points to look at, at most; each gets 256 virtual trials.",
)
@click.option(
    "--no-alternatives",
    "alternatives",
    flag_value=False,
    default=True,
    help="Leave the scenario's [[alternative]]s out.",
)
@click.option(
    "--simulation",
    type=WholeNumber(1, MOST_REPLICATIONS),
    metavar="N",
    help="Find the posterior by N virtual trials alone too (1000000 or more), without the exact twin.",
)
@click.option(
    "--coverage",
    type=WholeNumber(20, 100_000),
    metavar="N",
    help="Check on N virtual trials (200 or more) that posteriors hold the truth as often as they say.",
)
@options(*WORK)
def calibrate_command(scenario: str, as_json: bool, **asked: Any) -> None:
    """Calibrate SCENARIO: solve for the point, and say what its figures leave open.

    The point is where the exact twin meets every [[target]]. With [[prior]]s there is also the joint
    posterior of the free parameters. Writes solved.toml, a scenario file that can be run; posterior.csv, for
    --posterior of the other commands; tables of both, of what they predict, and of other ways to see the
    trial.
    """
    from sim.commands.calibrate import SOLVED, calibrate
    from sim.show.calibration_words import calibration_tables

    with studying("done") as progress:
        done = calibrate(scenario, progress=progress, **asked)
    if as_json:
        print_frame("calibrate", done.tables["solved" if "solved" in done.tables else "parameters"])
        return
    click.echo(f"{done.scenario.title}\n")
    for title, table in calibration_tables(done):
        print_table(table, title)
        click.echo()
    if not done.scenario.prior:
        click.echo("No posterior: the scenario has no [[prior]]; docs/calibration.md tells how to state one.")
    folder = _say_where(done)
    if "solved" in done.tables:
        click.echo(f"Run it: lupus-hsct run {folder}/{SOLVED}")
    if "posterior" in done.tables:
        click.echo(f"With its posterior: add --posterior {folder}/posterior.csv")


def _say_where(results: Results, before: str = "") -> str:
    folder = "" if results.folder is None else results.folder.as_posix()
    click.echo(f"{before}Written to {folder}")
    return folder
