"""``lupus-hsct report``."""

from __future__ import annotations

from pathlib import Path

import click

from sim.cli.options import force_option, json_option
from sim.cli.output import print_rows


@click.command("report")
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@force_option
@json_option
def report_command(folder: Path, force: bool, as_json: bool) -> None:
    """Write report.html into FOLDER, which `lupus-hsct` wrote: one page with all of a study of any kind.

    The page needs no network and runs no script. A report that is there and differs is replaced with --force.
    """
    from sim.show.page import report_study, summary

    path, page = report_study(folder, force=force)
    row = summary(path, page)
    if as_json:
        print_rows("report", [row], as_json=True)
        return
    click.echo(page.finding)
    if "checks" in row:
        checks, items = row["checks"], row["checklist_items"]
        click.echo(
            f"{checks - row['checks_failed']} of {checks} figures agree with what is known; "
            f"{items - len(row['checklist_unanswered'])} of {items} items of the checklist are answered "
            "in full"
        )
    click.echo(f"\nWritten to {path.as_posix()}")
