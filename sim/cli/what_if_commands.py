"""``lupus-hsct study``: run, check, new and again; and ``lupus-hsct pack``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sim.cli import options as shared
from sim.cli.output import print_results, print_rows
from sim.cli.progress import studying

_file = click.argument("file", metavar="FILE")
_set = click.option(
    "--set", multiple=True, metavar="KEY=VALUE", help="Change the file: effort.replications=100, say."
)
_posterior = click.option(
    "--posterior", metavar="FILE",
    help="Under draws of this posterior: a posterior.csv, or a shipped name; effort.posterior of the file.",
)  # fmt: skip
_folder = click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))


@click.group("study")
def study_group() -> None:
    """Answer what-if questions: a study file is one question, and its folder the answer.

    FILE is the path of a study file if it has a slash or ends in .toml, else the name of a shipped study:
    lupus-hsct scenario list.
    """


@study_group.command("run")
@_file
@click.option("--dry-run", is_flag=True, help="Say what it would take, and do nothing.")
@click.option("--yes", is_flag=True, help="Agree to more than 10^9 histories.")
@shared.options(_set, _posterior, *shared.WORK)
def study_run_command(
    file: str, dry_run: bool, yes: bool, as_json: bool, posterior: str | None, **asked: Any
) -> None:
    """Answer the question of FILE: points, answers, figures, a page, and all it takes to do it again."""
    from sim.commands.studies import MOST_HISTORIES, study

    asked["set"] = _with_posterior(asked["set"], posterior)
    if dry_run:
        _say_check(file, asked["set"], as_json=as_json)
        return
    with studying() as progress:
        done = study(file, progress=progress, most_histories=None if yes else MOST_HISTORIES, **asked)
    print_results(done, "points", as_json=as_json)


@study_group.command("check")
@_file
@shared.options(_set, _posterior, shared.json_option)
def study_check_command(file: str, as_json: bool, posterior: str | None, **asked: Any) -> None:
    """Check FILE, and say how many points and histories it has, how large it gets and how long it takes."""
    _say_check(file, _with_posterior(asked["set"], posterior), as_json=as_json)


def _with_posterior(changes: tuple[str, ...], posterior: str | None) -> tuple[str, ...]:
    """Return changes of a study file with the posterior that is asked for."""
    return changes if posterior is None else (*changes, f"effort.posterior={posterior}")


def _say_check(file: str, changes: tuple[str, ...], *, as_json: bool) -> None:
    from sim.commands.study_tools import check
    from sim.show import studied
    from sim.show.kit.prose import sentences

    row = check(file, changes)
    if as_json:
        print_rows("study check", [row], as_json=True)
        return
    for line in [*sentences("study", "check", row), *studied.effort(row["effort"], row)]:
        click.echo(line)


@study_group.command("new")
@click.argument("kind", metavar="KIND")
@click.argument("name", metavar="[NAME]", default="")
@shared.force_option
def study_new_command(kind: str, name: str, force: bool) -> None:
    """Write a commented study file to start from: KIND is the name of a shipped study that it is like."""
    from sim.commands.study_tools import write_new_study

    path = write_new_study(kind, name or f"my_{kind}", force=force)
    click.echo(f"Written to {path}. Next: lupus-hsct study check ./{path}")


@study_group.command("again")
@_folder
@shared.whole("--workers", 1, 1024, metavar="N", help="Processes.", default=1)
def study_again_command(folder: Path, workers: int) -> None:
    """Do the study of FOLDER again from its own study.toml, and say "equal", or what differs."""
    from sim.commands.study_tools import again

    with studying() as progress:
        different = again(folder, workers=workers, progress=progress)
    for line in different or ["equal: every table is the same to the bit"]:
        click.echo(line)
    if different:
        raise click.exceptions.Exit(1)


@click.command("pack")
@_folder
@click.argument("to", metavar="[ZIP]", default=None, required=False, type=click.Path(path_type=Path))
@shared.force_option
def pack_command(folder: Path, to: Path | None, force: bool) -> None:
    """Put page, figures as PDF, tables and study file of FOLDER into one zip file, to be shared."""
    from sim.commands.study_tools import pack

    click.echo(f"Written to {pack(folder, to, force=force)}")


WHAT_IF_COMMANDS = (study_group, pack_command)
