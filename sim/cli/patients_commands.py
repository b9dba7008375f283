"""``lupus-hsct patients``: a table of one's own patients, checked, described and made use of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sim.cli import options as shared
from sim.cli.output import print_results, print_rows


@click.group("patients")
def patients_group() -> None:
    """Read the patients of your own centre from a table: CSV, Parquet or a workbook (.xlsx).

    Nothing leaves the machine, and no date, name or row of the table is written anywhere.
    """


_column_option = click.option(
    "--column", "columns", multiple=True, metavar='NAME="HEADING"',
    help='Column of the table under another heading, as in --column died="date of death"; repeat for more.',
)  # fmt: skip
_dates_option = click.option(
    "--dates", type=click.Choice(["day-first", "month-first"]), help="How dates such as 03/04/2019 are read."
)


def _mapping(pairs: tuple[str, ...]) -> dict[str, str]:
    return dict(pair.partition("=")[::2] for pair in pairs)


@patients_group.command("describe")
@click.argument("file", type=click.Path(path_type=Path))
@shared.options(
    _column_option, _dates_option,
    shared.whole(
        "--every", 1, 366, metavar="DAYS",
        help="Write curves every so many days, and not at the days of events: for tables that go to others.",
    ),
    *shared.FOLDER,
)  # fmt: skip
def describe_command(file: Path, columns: tuple[str, ...], as_json: bool, **asked: Any) -> None:
    """Describe the patients in FILE: survival with numbers at risk, relapse, waits, treatment deaths.

    Kaplan-Meier with log-log intervals, competing incidences by Aalen and Johansen, follow-up by reverse
    Kaplan-Meier, counts with exact intervals. Writes a folder: figures.csv, curves.csv, at_risk.csv, figures
    and a page. Nothing in it is a date or a row of the table; counts of 1 to 4 are marked.
    """
    from sim.commands.describe import describe_patients

    done = describe_patients(file, columns=_mapping(columns), **asked)
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
    shared.force_option, shared.json_option,
)  # fmt: skip
def reconstruct_command(curve: Path, as_json: bool, **asked: Any) -> None:
    """Make patients who reproduce a published Kaplan-Meier curve, as read off into CURVE (Guyot 2012).

    CURVE is a CSV file with columns time_months (or time_days, time_years) and survival (or
    survival_percent). The table that is written is marked as reconstructed, and everything made of it says so.
    """
    from sim.commands.reconstruct import reconstruct_patients
    from sim.show.kit.prose import sentences

    row = reconstruct_patients(curve, **asked)
    if as_json:
        print_rows("patients reconstruct", [row], as_json=True)
        return
    for line in sentences("described", "reconstructed_patients", row):
        click.echo(line)
