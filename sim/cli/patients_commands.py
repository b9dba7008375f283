"""``lupus-hsct patients``: a table of one's own patients, checked, described and made use of."""

from __future__ import annotations

import click


@click.group("patients")
def patients_group() -> None:
    """Read the patients of your own centre from a table: CSV, Parquet or a workbook (.xlsx).

    Nothing leaves the machine, and no date, name or row of the table is written anywhere.
    """
