"""Tables of one's own patients as commands take them: read, told in short, and begun."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from sim.centre.columns import COLUMNS, OF_CURVES
from sim.centre.patients import CAUSES
from sim.centre.reading import ReadTable, read_patients
from sim.centre.workbook import openpyxl_or_refusal
from sim.scenario.plain import printable
from sim.scenario.problems import ReconstructedWarning, RequestError
from sim.scenario.shipped import scenarios_folder

_ENDINGS = (".csv", ".xlsx")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")


def patients_from(
    file: str | Path,
    column: Mapping[str, str] | Sequence[str] = (),
    dates: str | None = None,
    sheet: str | None = None,
    *,
    deaths: bool = True,
) -> ReadTable:
    """Read the patients of your own centre from a table.

    Parameters
    ----------
    file
        CSV, Parquet or a workbook (.xlsx), one row a patient.
    column
        Headers by what they are, or texts as after ``--column``: died=date of death.
    dates
        How dates as 03/04/2019 are written: day-first or month-first.
    sheet
        Of a workbook, if several hold something.
    deaths
        Whether the table has to tell of deaths: one of a disease-free survival curve does not.

    Raises
    ------
    RequestError
        The file can't be read, or something in it is wrong: all of it is told by row and column.
    """
    asked: dict[str, str] = {}
    if isinstance(column, Mapping):
        asked = dict(column)
        column = ()
    for text in [column] if isinstance(column, str) else column:
        name, equals, header = text.partition("=")
        if not equals or name.strip() in asked:
            what = "is given twice" if equals else 'must be NAME=HEADER, as in died="date of death"'
            raise RequestError(f"--column {printable(text)}: {what}")
        asked[name.strip()] = header
    table = read_patients(file, columns=asked, dates=dates, sheet=sheet, deaths=deaths)
    if table.patients.reconstructed:
        ReconstructedWarning.say(
            "These patients were reconstructed from a published curve: they are nobody's data. Name the "
            "curve's source with every figure, and don't pool them with patients of that trial."
        )
    return table


def checked(table: ReadTable) -> dict[str, Any]:
    """Return what a table tells, in numbers."""
    patients = table.patients
    followed = patients.last_seen[~patients.dead]
    return {
        "sha256": table.sha256,
        "columns": dict(table.mapping),
        "times": table.unit,
        "dates": table.order,
        "patients": len(patients),
        "transplanted": int(patients.reinfused.sum()),
        "reconstructed": patients.reconstructed,
        "relapsed": int(patients.has_relapsed.sum()) if patients.relapse_recorded else None,
        "died": int(patients.dead.sum()) if patients.deaths_recorded else None,
        "died_by_cause": {cause: int((patients.cause == cause).sum()) for cause in CAUSES},
        "counted_from": "transplantation" if patients.from_transplant else "enrolment",
        "living_followed_days": _range(followed),
        "notes": list(table.notes),
    }


def column_rows(table: ReadTable) -> list[dict[str, Any]]:
    """Return which header was taken for which column, and of how many patients it tells something."""
    return [
        {"column": name, "header": header, "patients": table.filled[name]}
        for name, header in table.mapping.items()
    ]


def in_words(row: Mapping[str, Any]) -> list[str]:
    """Return in sentences what a table tells."""
    causes = ", ".join(f"{count} {cause}" for cause, count in row["died_by_cause"].items() if count)
    relapsed = "relapses not recorded" if row["relapsed"] is None else f"{row['relapsed']:,} relapsed"
    written = f", read {row['dates']}" if row["dates"] else ""
    times = {"dates": f"Times are dates{written}; only days from {row['counted_from']} are kept.",
             "days": f"Times are days, counted from {row['counted_from']}."}  # fmt: skip
    if row["died"] is None:
        return [times[row["times"]], f"{row['transplanted']:,} transplanted, deaths not recorded."]
    dead = f"{row['died']:,} died" + (f" (cause: {causes})" if causes else "")
    lines = [times[row["times"]], f"{row['transplanted']:,} transplanted, {relapsed}, {dead}."]
    if followed := row["living_followed_days"]:
        lines.append(
            f"Living: {row['patients'] - row['died']:,}, followed for {followed['shortest']:,.0f} to "
            f"{followed['longest']:,.0f} days from {row['counted_from']}; median {followed['median']:,.0f}."
        )
    return lines


def _range(days: np.ndarray[Any, Any]) -> dict[str, float] | None:
    """Return the shortest, the median and the longest follow-up; none of nobody."""
    if not len(days):
        return None
    return {"shortest": float(days.min()), "median": float(np.median(days)), "longest": float(days.max())}


def new_table(file: str | Path, *, example: bool = False, force: bool = False) -> Path:
    """Write a table to fill in: a header and no rows; or the example of invented patients.

    Parameters
    ----------
    file
        Ends in .csv or .xlsx.
    example
        Whether to write the 23 invented patients that ship with the package.
    force
        Write over an existing file.

    Raises
    ------
    RequestError
        The file exists, its folder does not, or its ending is another.
    """
    path = Path(file)
    where = printable(str(path))
    if path.suffix.lower() not in _ENDINGS:
        raise RequestError(
            f"{where}: must end in {' or '.join(_ENDINGS)}, as in {path.stem or 'patients'}.csv"
        )
    if not path.parent.is_dir():
        raise RequestError(f"{where}: there is no folder {printable(str(path.parent))}; make it first")
    if path.is_dir() or (path.exists() and not force):
        raise RequestError(f"{where}: exists; choose another name, or --force to write over it")
    rows = [[name for name in COLUMNS if name not in ("born", *OF_CURVES)]]
    if example:
        with (scenarios_folder() / "patients" / "own_centre.csv").open(
            encoding="utf-8", newline=""
        ) as shipped:
            rows = list(csv.reader(shipped))
    if path.suffix.lower() == ".xlsx":
        _write_workbook(rows, path, where)
    else:
        with path.open("w", encoding="utf-8", newline="") as written:
            csv.writer(written, lineterminator="\n").writerows(rows)
    return path


def _write_workbook(rows: Sequence[Sequence[str]], path: Path, where: str) -> None:
    """Write rows as a workbook, with dates as dates and numbers as numbers."""
    book = openpyxl_or_refusal(where).Workbook()
    sheet = book.active
    sheet.title = "patients"
    for row in rows:
        sheet.append([_in_cell(text) for text in row])
    for at, name in enumerate(rows[0], 1):
        sheet.column_dimensions[sheet.cell(1, at).column_letter].width = max(12, len(name) + 2)
    book.save(path)


def _in_cell(text: str) -> object:
    if _ISO.fullmatch(text):
        return date.fromisoformat(text)
    return float(text) if text.replace(".", "", 1).isdecimal() else text or None
