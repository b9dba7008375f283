"""``lupus-hsct patients``: a table of one's own patients, checked, described and made use of."""

from __future__ import annotations

from typing import Any

import click

from sim.cli.options import force_option, json_option, table_options
from sim.cli.output import print_rows


@click.group("patients")
def patients_group() -> None:
    """Read the patients of your own centre from a table: CSV, Parquet or a workbook (.xlsx).

    Nothing leaves the machine, and no date, name or row of the table is written anywhere.
    """


@patients_group.command("check")
@table_options
@json_option
def check_command(file: str, as_json: bool, **asked: Any) -> None:
    """Check the table FILE: what was taken for what, and how many patients; or every mistake in it.

    One row a patient; its columns are enrolled, transplanted, relapsed, died, cause, last_seen, age or born,
    sex, engrafted and discharged, or words for them in English, German, French, Spanish or Italian. Times
    are dates, or days since enrolment. The living need last_seen; of the dead the cause is treatment, lupus,
    other or unknown.
    """
    from sim.commands.patients import checked, column_rows, in_words, patients_from

    table = patients_from(file, **asked)
    row = checked(table)
    if as_json:
        print_rows("patients check", [{"file": file, **row}], as_json=True)
        return
    print_rows(
        "patients check", column_rows(table), as_json=False, title=f"{file}: {row['patients']:,} patients"
    )
    click.echo()
    for line in in_words(row):
        click.echo(line)
    for note in table.notes:
        click.echo(f"Note: {note}")


@patients_group.command("new")
@click.argument("file")
@click.option("--example", is_flag=True, help="Write the 23 invented patients that ship, to try things out.")
@force_option
def new_command(file: str, example: bool, force: bool) -> None:
    """Write a table to fill in: FILE ends in .csv or .xlsx, and gets a header alone."""
    from sim.centre.columns import COLUMNS
    from sim.commands.patients import new_table

    path = new_table(file, example=example, force=force)
    if not example:
        for name, meaning in COLUMNS.items():
            click.echo(f"{name:<14}{meaning}")
        click.echo(
            "\nTimes are dates (2019-04-03), or days since enrolment (then enrolled is 0); never both."
        )
    done = "Look at it" if example else "Fill it in, one row a patient"
    click.echo(f"Wrote {path}. {done}, then: lupus-hsct patients check {path}")


@patients_group.command("cohort")
@table_options
@click.option("--out", required=True, metavar="FILE", help="Cohort file to write.")
@click.option(
    "--base",
    metavar="SCENARIO",
    default="chicago2006",
    show_default=True,
    help="What predicts such patients.",
)
@force_option
def cohort_command(file: str, out: str, **asked: Any) -> None:
    """Write the patients of FILE as a cohort file: counts, estimates, accrual and ages, and no row.

    lupus-hsct validate holds the model against it, here or wherever the file is sent.
    """
    from sim.commands.own_patients import write_cohort

    path = write_cohort(file, out, **asked)
    click.echo(
        f"Written to {path.as_posix()}. Hold the model against it: lupus-hsct validate {path.as_posix()}"
    )
