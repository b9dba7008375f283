"""``lupus-hsct report``."""

from __future__ import annotations

from pathlib import Path

import click

from sim.cli.options import force_option, json_option
from sim.cli.output import print_rows


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
