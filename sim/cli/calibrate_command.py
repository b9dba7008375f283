"""``lupus-hsct calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sim.cli.options import (
    WholeNumber,
    cluster_option,
    force_option,
    json_option,
    out_option,
    resume_option,
    scenario_argument,
    seed_option,
    set_option,
    workers_option,
)
from sim.cli.output import print_frame, print_told
from sim.cli.progress import figure_warnings, progress_parts
from sim.scenario.problems import RequestError
from sim.study.budget import DEFAULT_EFFECTIVE_SIZE, DEFAULT_POINTS, MOST_REPLICATIONS

if TYPE_CHECKING:
    from sim.calibrate.calibration import Calibrated


@click.command("calibrate")
@scenario_argument
@set_option
@seed_option
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
@click.option("--no-alternatives", is_flag=True, help="Leave the scenario's [[alternative]]s out.")
@click.option(
    "--simulation",
    "trials",
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
@workers_option
@cluster_option
@out_option
@force_option
@resume_option
@json_option
def calibrate_command(
    scenario: str,
    overrides: tuple[str, ...],
    seed: int,
    point: bool,
    effective_size: int,
    points: int,
    no_alternatives: bool,
    trials: int | None,
    coverage: int | None,
    workers: int | None,
    cluster: str | None,
    out: Path | None,
    force: bool,
    resume: bool,
    as_json: bool,
) -> None:
    """Calibrate SCENARIO: solve for the point, and say what its figures leave open.

    The point is where the exact twin meets every [[target]]. With [[prior]]s there is also the joint
    posterior of the free parameters. Writes solved.toml, a scenario file that can be run; posterior.csv, for
    --posterior of the other commands; tables of both, of what they predict, and of other ways to see the
    trial.
    """
    from sim.calibrate.calibration import Plan
    from sim.commands.calibrate import calibrate_study
    from sim.scenario.load import load
    from sim.show.terminal import told
    from sim.work.results import read_results

    if workers is not None and cluster is not None:
        raise RequestError("--workers and --cluster: give one of them; a cluster has its own workers")
    loaded = load(scenario, overrides)
    plan = Plan(
        seed=seed,
        size=effective_size,
        points=points,
        trials=trials or 0,
        coverage=coverage or 0,
        posterior=bool(loaded.scenario.prior) and not point,
        alternatives=not no_alternatives,
        workers=workers,
        cluster=cluster,
    )
    with figure_warnings(), progress_parts() as progress:
        done = calibrate_study(loaded, plan, out, force=force, resume=resume, progress=progress)
    if as_json:
        print_frame("calibrate", done.tables["solved" if "solved" in done.tables else "parameters"])
        return
    print_told(told(read_results(done.folder)))
    _say_where(done)


def _say_where(done: Calibrated) -> None:
    """Say where it is, and what it is good for."""
    if not done.found.scenario.prior:
        click.echo("No posterior: the scenario has no [[prior]]; docs/calibration.md tells how to state one.")
    click.echo(f"Written to {done.folder.as_posix()}")
    if done.found.fit is not None:
        click.echo(f"Run it: lupus-hsct run {(done.folder / 'solved.toml').as_posix()}")
    if done.found.told is not None:
        click.echo(f"With its posterior: add --posterior {(done.folder / 'posterior.csv').as_posix()}")
