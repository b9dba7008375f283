"""Of finished studies: ``lupus-hsct report``, and ``lupus-hsct runs`` with list, find and remove."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sim.cli.options import force_option, json_option
from sim.cli.output import print_rows
from sim.work.files import RESULTS


@click.command("report")
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@force_option
@click.option("--figures", default="none", metavar="LIST", help="Draw the figures anew: svg, png, pdf.")
@json_option
def report_command(folder: Path, force: bool, figures: str, as_json: bool) -> None:
    """Write report.html into FOLDER, which `lupus-hsct` wrote: one page with all of a study of any kind.

    The page needs no network and runs no script. A report that is there and differs is replaced with --force.
    """
    from sim.commands.report import report

    row = report(folder, force=force, figures=figures)
    if as_json:
        print_rows("report", [row], as_json=True)
        return
    click.echo(row["finding"])
    if "checks" in row:
        checks, items = row["checks"], row["checklist_items"]
        agree, answered = checks - row["checks_failed"], items - len(row["checklist_unanswered"])
        click.echo(
            f"{agree} of {checks} figures agree with what is known; {answered} of {items} items of the "
            "checklist are answered in full"
        )
    click.echo(f"\nWritten to {row['report']}")


_parent = click.argument("parent", metavar="[DIR]", default=RESULTS, type=click.Path(path_type=Path))


@click.group("runs")
def runs_group() -> None:
    """List, find and remove studies, finished ones and those that were left behind."""


@runs_group.command("list")
@_parent
@json_option
def list_command(parent: Path, as_json: bool) -> None:
    """List the studies in DIR (results/): what was changed, when, and what was found."""
    _print("list", as_json, parent)


@runs_group.command("find")
@click.argument("text")
@_parent
@json_option
def find_command(text: str, parent: Path, as_json: bool) -> None:
    """List the studies in DIR (results/) of which the list says TEXT."""
    _print("find", as_json, parent, text)


def _print(command: str, as_json: bool, *of: Any) -> None:
    from sim.show.shelf_rows import shelf_rows

    print_rows(f"runs {command}", shelf_rows(*of), as_json=as_json)


@runs_group.command("remove")
@click.argument("folders", metavar="FOLDER...", nargs=-1, required=True, type=click.Path(path_type=Path))
def remove_command(folders: tuple[Path, ...]) -> None:
    """Remove each FOLDER of a study that is not at work; files in it that no run wrote are left there."""
    from sim.work.shelf import remove

    for folder in folders:
        left = remove(folder)
        click.echo(f"Removed {folder}{' but for what no run wrote: ' if left else ''}{', '.join(left)}")
