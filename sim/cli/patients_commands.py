"""``lupus-hsct patients``: a table of one's own patients, checked, described and made use of."""

from __future__ import annotations

from typing import Any

import click

from sim.cli import options as shared


@click.group("patients")
def patients_group() -> None:
    """Read the patients of your own centre from a table: CSV, Parquet or a workbook (.xlsx).

    Nothing leaves the machine, and no date, name or row of the table is written anywhere.
    """


@patients_group.command("cohort")
@click.argument("file")
@click.option("--out", required=True, metavar="FILE", help="Cohort file to write.")
@click.option(
    "--base",
    metavar="SCENARIO",
    default="chicago2006",
    show_default=True,
    help="What predicts such patients.",
)
@shared.options(*shared.TABLE, shared.force_option)
def cohort_command(file: str, out: str, **asked: Any) -> None:
    """Write the patients of FILE as a cohort file: counts, estimates, accrual and ages, and no row.

    lupus-hsct validate holds the model against it, here or wherever the file is sent.
    """
    from sim.commands.own_patients import write_cohort

    path = write_cohort(file, out, **asked)
    click.echo(
        f"Written to {path.as_posix()}. Hold the model against it: lupus-hsct validate {path.as_posix()}"
    )
