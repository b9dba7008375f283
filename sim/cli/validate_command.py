"""``lupus-hsct validate``."""

from __future__ import annotations

from pathlib import Path

import click

from sim.cli.options import (
    cluster_option,
    drawn,
    draws_option,
    force_option,
    json_option,
    out_option,
    posterior_option,
    replications_of,
    replications_option,
    resume_option,
    seed_option,
    set_option,
    workers_option,
)
from sim.cli.output import print_frame, print_told
from sim.cli.progress import figure_warnings, progress_bar
from sim.scenario.problems import RequestError
from sim.study.budget import Budget


@click.command("validate")
@click.argument("cohorts", nargs=-1, metavar="[COHORT]...")
@set_option
@replications_option
@seed_option
@workers_option
@cluster_option
@posterior_option
@draws_option
@out_option
@force_option
@resume_option
@json_option
def validate_command(
    cohorts: tuple[str, ...],
    overrides: tuple[str, ...],
    replications: int | None,
    seed: int,
    workers: int | None,
    cluster: str | None,
    posterior: str | None,
    draws: int | None,
    out: Path | None,
    force: bool,
    resume: bool,
    as_json: bool,
) -> None:
    """Hold the model against cohorts to which it was not fitted; all that are shipped, if none is named.

    COHORT is the path of a cohort file if it has a slash or ends in .toml, else the name of a shipped
    cohort: lupus-hsct scenario list. Every cohort is simulated with its own patients and follow-up, and each
    figure is predicted as its paper read it. Writes validation.csv and a forest plot.
    """
    from sim.commands.validate import validate_study
    from sim.scenario.cohort import load_cohorts
    from sim.show.terminal import told
    from sim.work.results import read_results

    if workers is not None and cluster is not None:
        raise RequestError("--workers and --cluster: give one of them; a cluster has its own workers")
    loaded = load_cohorts(cohorts, overrides)
    budget = Budget(
        replications_of(replications, posterior),
        seed,
        0,
        engine="arrays",
        workers=workers,
        cluster=cluster,
        draws=drawn(posterior, draws, seed),
    )
    with figure_warnings(), progress_bar("validation") as progress:
        done = validate_study(loaded, budget, out, force=force, resume=resume, progress=progress)
    if as_json:
        print_frame("validate", done.table)
        return
    print_told(told(read_results(done.folder)))
    click.echo(f"Written to {done.folder.as_posix()}")
