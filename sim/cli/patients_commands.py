"""``lupus-hsct patients``: a table of one's own patients, checked, described and made use of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sim.cli import options as shared
from sim.cli.options import force_option, json_option, table_options
from sim.cli.output import print_results, print_rows
from sim.cli.progress import figure_warnings, studying


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

    with figure_warnings():
        table = patients_from(file, **asked, deaths=False)
    row = checked(table)
    if as_json:
        print_rows("patients check", [{"file": file, **row}], as_json=True)
        return
    title = f"{file}: {row['patients']:,} patient{'s' * (row['patients'] != 1)}"
    print_rows("patients check", column_rows(table), as_json=False, title=title)
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
    from sim.centre.columns import COLUMNS, OF_CURVES
    from sim.commands.patients import new_table

    path = new_table(file, example=example, force=force)
    if not example:
        for name, meaning in COLUMNS.items():
            if name in OF_CURVES:
                continue
            click.echo(f"{name:<14}{meaning}")
        click.echo(
            "\nTimes are dates (2019-04-03), or days since enrolment (then enrolled is 0); never both."
        )
    done = "Look at it" if example else "Fill it in, one row a patient"
    click.echo(f"Wrote {path}. {done}, then: lupus-hsct patients check {path}")


@patients_group.command("describe")
@table_options
@shared.options(
    shared.whole(
        "--every", 1, 366, metavar="DAYS",
        help="Write curves every so many days, and not at the days of events: for tables that go to others.",
    ),
    *shared.FOLDER,
)  # fmt: skip
def describe_command(file: str, as_json: bool, **asked: Any) -> None:
    """Describe the patients in FILE: survival with numbers at risk, relapse, waits, treatment deaths.

    Kaplan-Meier with log-log intervals, competing incidences by Aalen and Johansen, follow-up by reverse
    Kaplan-Meier, counts with exact intervals. Writes a folder: figures.csv, curves.csv, at_risk.csv, figures
    and a page. Nothing in it is a date or a row of the table; counts of 1 to 4 are marked.
    """
    from sim.commands.describe import describe_patients

    with studying() as progress:
        done = describe_patients(file, progress=progress, **asked)
    print_results(done, "figures", as_json=as_json)


@patients_group.command("reconstruct")
@click.argument("curve", type=click.Path(path_type=Path))
@click.option(
    "--at-risk", required=True, type=click.Path(path_type=Path), metavar="TABLE",
    help="CSV of the numbers at risk: time_months,at_risk (or time_days, time_years), the first at 0.",
)  # fmt: skip
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Table of patients to write.",
)
@shared.options(
    shared.whole("--events", 0, metavar="N", help="Events in all, if they are published."),
    click.option(
        "--endpoint", type=click.Choice(["overall_survival", "disease_free_survival"]),
        default="overall_survival", show_default=True, help="Whose curve it is.",
    ),
    click.option(
        "--points", type=click.Choice(["falls", "times"]), default="falls", show_default=True,
        help="Where points were read: where the curve falls, or at times of your choice.",
    ),
    click.option(
        "--unit", type=click.Choice(["days", "months", "years"]), help="Of columns headed time alone."
    ),
    force_option, json_option,
)  # fmt: skip
def reconstruct_command(curve: Path, as_json: bool, **asked: Any) -> None:
    """Make patients who reproduce a published Kaplan-Meier curve, as read off into CURVE (Guyot 2012).

    CURVE is a CSV file with columns time_months (or time_days, time_years) and survival (or
    survival_percent). The table that is written is marked as reconstructed, and all that is made of it says
    so.
    """
    from sim.commands.reconstruct import reconstruct_patients
    from sim.show.kit.prose import sentences

    row = reconstruct_patients(curve, **asked)
    if as_json:
        print_rows("patients reconstruct", [row], as_json=True)
        return
    for line in sentences("described", "reconstructed_patients", row):
        click.echo(line)


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


@patients_group.command("durations")
@table_options
@click.option(
    "--base",
    default="chicago2006",
    show_default=True,
    metavar="SCENARIO",
    help="The scenario that the file changes.",
)
@click.option(
    "--way",
    is_flag=True,
    help="Replace the way from enrolment to reinfusion too, mobilisation and harvest included.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Scenario file to write, as in own_stays.toml; without it the text is printed.",
)
@force_option
def durations_command(file: str, out: Path | None, **asked: Any) -> None:
    """Make a scenario file of your own stays in FILE: observed values in the place of distributions.

    Reinfusion to engraftment becomes aplasia.duration_days and engraftment to discharge
    aplasia.discharge_delay_days, one value a patient in ascending order; a stage known of fewer than five
    patients is left as the base has it. With --way patients enter at immunoablation, after as many days as
    yours took.
    """
    from sim.commands.durations import patient_durations

    text = patient_durations(file, out=out, **asked)
    if out is None:
        click.echo(text, nl=False)
    else:
        click.echo(f"Wrote {out}. Use it as any scenario: lupus-hsct run {out}")
