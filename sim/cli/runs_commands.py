"""``lupus-hsct runs``: list, find, remove."""

from __future__ import annotations

from pathlib import Path

import click

from sim.cli.options import json_option
from sim.cli.output import print_rows
from sim.work.files import RESULTS

_parent = click.argument("parent", metavar="[DIR]", default=RESULTS, type=click.Path(path_type=Path))


@click.group("runs")
def runs_group() -> None:
    """List, find and remove studies, finished ones and those that were left behind."""


@runs_group.command("list")
@_parent
@json_option
def list_command(parent: Path, as_json: bool) -> None:
    """List the studies in DIR (results/): what was changed, when, and what was found."""
    from sim.commands.runs import runs

    print_rows("runs list", runs(parent), as_json=as_json)


@runs_group.command("find")
@click.argument("text")
@_parent
@json_option
def find_command(text: str, parent: Path, as_json: bool) -> None:
    """List the studies in DIR (results/) of which the list says TEXT."""
    from sim.commands.runs import runs

    print_rows("runs find", runs(parent, text), as_json=as_json)


@runs_group.command("remove")
@click.argument("folders", metavar="FOLDER...", nargs=-1, required=True, type=click.Path(path_type=Path))
def remove_command(folders: tuple[Path, ...]) -> None:
    """Remove each FOLDER of a study that is not at work; files in it that no run wrote are left there."""
    from sim.work.shelf import remove

    for folder in folders:
        left = remove(folder)
        click.echo(f"Removed {folder}{' but for what no run wrote: ' if left else ''}{', '.join(left)}")
