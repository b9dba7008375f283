"""``lupus-hsct run``, ``sweep``, ``compare``, ``validate`` and ``calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sim.cli import options as shared
from sim.cli.output import print_frames, print_results, print_told, say_where
from sim.cli.progress import studying
from sim.study.budget import DEFAULT_EFFECTIVE_SIZE, DEFAULT_POINTS, MOST_REPLICATIONS


@click.command("run")
@click.argument("scenarios", metavar="SCENARIO...", nargs=-1, required=True)
@shared.options(shared.set_option, *shared.EFFORT)
@shared.patients_option
@click.option("--events", is_flag=True, help="Keep the events of these patients too, in events.parquet.")
@click.option("--all", "full", is_flag=True, help="Print every endpoint, not just those with a target.")
@shared.options(*shared.WORK)
def run_command(scenarios: tuple[str, ...], full: bool, as_json: bool, **asked: Any) -> None:
    """Simulate SCENARIO, patient by patient, and show it beside the published figures.

    Writes a run folder: endpoints.csv, curves.csv, replications.parquet, patients.parquet, figures and a
    manifest with the source of every value. Several scenarios get a folder each and one table of all the
    figures that were printed.
    """
    from sim.commands.asked import effort_of, loaded_from, named_apart
    from sim.commands.run import run
    from sim.show.terminal import told, told_of_several, told_over_range

    if len(scenarios) > 1 and (isinstance(asked["out"], Path) or full):
        raise click.UsageError("--out and --all take one SCENARIO; several get a numbered folder each")
    overrides = asked.pop("set")
    named = named_apart([loaded_from(scenario, overrides) for scenario in scenarios])
    for loaded in named.values():  # nothing is simulated if one of them is wrong
        effort_of(asked, loaded.scenario)  # type: ignore[arg-type]
    runs = {}
    with studying() as progress:
        for name, loaded in named.items():
            runs[name] = run(loaded, progress=progress, **asked)
            engine, because = (runs[name].manifest[each] for each in ("engine", "engine_because"))
            click.echo(f"{name}: simulated with {engine}, {because}", err=True)
    if as_json:
        print_frames("run", {name: each.endpoints for name, each in runs.items()})
        return
    if len(runs) > 1:
        print_told(told_of_several(runs))
    for each in runs.values():
        print_told(told(each, full=full) if len(runs) == 1 else told_over_range(each))
        say_where(each)


@click.command("sweep")
@shared.scenario_argument
@click.option(
    "--vary",
    multiple=True,
    metavar="KEY=...",
    help="Key and values: key=low:high:points, key=log:low:high:points or key=a,b,c. Repeat for a grid.",
)
@click.option(
    "--reference", default="scenario", show_default=True, metavar="scenario|first",
    help="From what differences are taken: the scenario as it is, or the first point.",
)  # fmt: skip
@click.option("--contour", default="", metavar="LEVELS", help="Lines on maps, as in --contour 0.02,0.13.")
@shared.options(shared.set_option, *shared.EFFORT, *shared.WORK)
def sweep_command(scenario: str, vary: tuple[str, ...], as_json: bool, **asked: Any) -> None:
    """Simulate SCENARIO over a grid of values, every point under the same luck.

    Writes points.csv with every endpoint at every point and its paired difference from the scenario as it is,
    and a curve (one key) or maps (more).
    """
    from sim.commands.sweep import sweep

    with studying() as progress:
        done = sweep(scenario, vary, progress=progress, **asked)
    print_results(done, "points", as_json=as_json)


@click.command("solve")
@shared.scenario_argument
@click.option("--for", "target", required=True, metavar="FIGURE=VALUE", help="Figure, and what it shall be.")
@click.option(
    "--by", required=True, metavar="KEY[=low:high]", help="Parameter to solve for, and where to look."
)
@click.option(
    "--over", multiple=True, metavar="KEY=...", help="Values of another parameter, as in sweep --vary."
)
@click.option(
    "--target-count", "count", metavar="7/53", help="Patients of whom the value is a published count."
)
@shared.options(shared.set_option, *shared.LUCK, *shared.WORK)
def solve_command(scenario: str, as_json: bool, **asked: Any) -> None:
    """Find the value of a parameter of SCENARIO at which a figure is what is asked for.

    The exact twin tells where it can; where a queue may bind it is simulated, with Monte Carlo error. Of
    whole numbers, such as rooms, the smallest is found. Writes thresholds.csv, a page and a figure;
    --posterior adds what the calibration leaves open, --target-count the sampling error of a published
    figure.
    """
    from sim.commands.solve import solve

    with studying() as progress:
        done = solve(scenario, progress=progress, **asked)
    print_results(done, "thresholds", as_json=as_json)


@click.command("compare")
@click.argument("scenarios", nargs=-1, required=True, metavar="SCENARIO SCENARIO...")
@shared.options(shared.set_option, *shared.EFFORT)
@shared.options(
    shared.whole("--trial", 1, help="Virtual trial whose patients are named.", default=1),
    click.option(
        "--explain", is_flag=False, flag_value="treatment_related_mortality", default="",
        metavar="[NAME[@YEARS]]",
        help="Say what the gap in a figure comes with; alone, in treatment-related mortality.",
    ),
    *shared.WORK,
)  # fmt: skip
def compare_command(scenarios: tuple[str, ...], as_json: bool, **asked: Any) -> None:
    """Compare scenarios with the first one, the reference, patient by patient under the same luck.

    Writes comparison.csv with the difference of every endpoint, deaths_averted.csv, changed_fates.csv,
    named_patients.csv, range.csv where a scenario has a range, and figures. --set goes over all of them.
    Folders of finished runs can be named too: they are compared under their own seed and replications.
    """
    from sim.commands.compare import compare

    with studying() as progress:
        done = compare(*scenarios, progress=progress, **asked)
    print_results(done, "comparison", as_json=as_json)


@click.command("validate")
@click.argument("cohorts", nargs=-1, metavar="[COHORT]...")
@shared.options(shared.set_option, *shared.LUCK)
@click.option("--base", metavar="SCENARIO", help="Of a table: what predicts it.  [default: chicago2006]")
@shared.options(*shared.TABLE, *shared.WORK)
def validate_command(cohorts: tuple[str, ...], as_json: bool, **asked: Any) -> None:
    """Hold the model against cohorts to which it was not fitted; all that are shipped, if none is named.

    COHORT is the path of a cohort file if it has a slash or ends in .toml, else the name of a shipped
    cohort: lupus-hsct scenario list. Every cohort is simulated with its own patients and follow-up, and each
    figure is predicted as its paper read it. Writes validation.csv and a forest plot.

    A table of your own patients (.csv, .parquet, .xlsx) can stand in its place: virtual cohorts have as many,
    of their ages, and each is followed as long. Writes observed_curves.csv and calibration.csv too, and
    nothing of any row.
    """
    from sim.commands.validate import validate

    with studying() as progress:
        done = validate(*cohorts, progress=progress, **asked)
    print_results(done, "validation", as_json=as_json)


@click.command("calibrate")
@shared.scenario_argument
@shared.options(shared.set_option, shared.seed_option)
@click.option("--point", is_flag=True, help="Solve for the point alone, without a posterior.")
@shared.options(
    shared.whole(
        "--effective-size", 10, 1_000_000, default=DEFAULT_EFFECTIVE_SIZE,
        help="Independent draws of the posterior that its weighted ones should be worth.",
    ),
    shared.whole(
        "--points", 256, 10_000_000, default=DEFAULT_POINTS,
        help="Parameter points to look at, at most; each gets 256 virtual trials.",
    ),
)  # fmt: skip
@click.option(
    "--no-alternatives",
    "alternatives",
    flag_value=False,
    default=True,
    help="Leave the scenario's [[alternative]]s out.",
)
@shared.options(
    shared.whole(
        "--simulation", 1, MOST_REPLICATIONS, metavar="N",
        help="Find the posterior by N virtual trials alone too (1000000 or more), without the exact twin.",
    ),
    shared.whole(
        "--coverage", 20, 100_000, metavar="N",
        help="Check on N virtual trials (200 or more) that posteriors hold the truth as often as they say.",
    ),
)  # fmt: skip
@click.option(
    "--patients", metavar="FILE",
    help="Learn from the histories of your own patients, in a table, in the place of the targets.",
)  # fmt: skip
@click.option(
    "--prior-posterior", metavar="FILE",
    help="Where learning from --patients begins: a posterior.csv, or a shipped name; else the priors.",
)  # fmt: skip
@shared.options(*shared.TABLE, *shared.WORK)
def calibrate_command(scenario: str, as_json: bool, **asked: Any) -> None:
    """Calibrate SCENARIO: solve for the point, and say what its figures leave open.

    The point is where the exact twin meets every [[target]]. With [[prior]]s there is also the joint
    posterior of the free parameters. Writes solved.toml, a scenario file that can be run; posterior.csv, for
    --posterior of the other commands; tables of both, of what they predict, and of other ways to see the
    trial.
    """
    from sim.commands.calibrate import SOLVED, calibrate

    with studying("done") as progress:
        done = calibrate(scenario, progress=progress, **asked)
    print_results(done, "solved" if "solved" in done.tables else "parameters", as_json=as_json)
    if as_json or done.folder is None:
        return
    if not done.scenario.prior:
        click.echo("No posterior: the scenario has no [[prior]]; docs/calibration.md tells how to state one.")
    if "solved" in done.tables:
        click.echo(f"Run it: lupus-hsct run {(done.folder / SOLVED).as_posix()}")
    if "posterior" in done.tables:
        click.echo(f"With its posterior: add --posterior {(done.folder / 'posterior.csv').as_posix()}")


STUDY_COMMANDS = (
    run_command, sweep_command, solve_command, compare_command, calibrate_command, validate_command,
)  # fmt: skip
