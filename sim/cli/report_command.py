"""``lupus-hsct report``."""

from __future__ import annotations

from pathlib import Path

import click

from sim.cli.options import force_option, json_option
from sim.cli.output import print_rows


@click.command("report")
@click.argument("folder", metavar="RUN_DIR", type=click.Path(path_type=Path))
@force_option
@json_option
def report_command(folder: Path, force: bool, as_json: bool) -> None:
    """Write report.html into RUN_DIR, a folder that `lupus-hsct run` wrote: one page with all of the run.

    The page needs no network and runs no script. A report that is there and differs is replaced with --force.
    """
    from sim.show.report import report_study, summary

    path, report = report_study(folder, force=force)
    if as_json:
        print_rows("report", summary(path, report), as_json=True)
        return
    (row,) = summary(path, report)
    click.echo(report.finding)
    click.echo(
        f"{row['checks'] - row['checks_failed']} of {row['checks']} figures agree with what is known; "
        f"{row['checklist_items'] - len(row['checklist_unanswered'])} of {row['checklist_items']} items of "
        "the checklist are answered in full"
    )
    click.echo(f"\nWritten to {path.as_posix()}")
