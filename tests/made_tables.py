"""Tables of patients as centres hand them over: the shipped example, altered at random, in any format."""

from __future__ import annotations

import csv
import io
import random
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import openpyxl
import pandas as pd

from sim.scenario.shipped import scenarios_folder
from sim.work.spool import write_parquet

Rows = list[list[str]]

EXAMPLE = scenarios_folder() / "patients" / "own_centre.csv"
DATED = (1, 2, 3, 4, 5, 6, 8)
"""Columns of the example that hold dates."""
STYLES = ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%d %b %Y", "%B %d, %Y", "%Y/%m/%d")
CELLS = (
    "", "NA", "-", ".", "none", "yes", "no", "x", "?", "0", "-1", "12,5", "12.5", "1.234", "1,234", "1e3",
    "2019", "20190403", "43558", "2019-04-03", "03/04/2019", "25/04/2019", "04/25/2019", "3.4.2019",
    "2019-02-30", "03/04/19", "3 Apr 2019", "April 3, 2019", "12-Mar-19", "2019-04", "2091-01-01",
    "1850-01-01", "2019-04-03T10:00Z", "2019-04-03 00:00:00", "infection", "SLE", "Rückfall",
    "broken heart", "unknown", "f", "m", "W", "h", "mujer", "1", "34", "34 years", "=1+1", "#N/A", "a\nb",
    'say "no"', "a;b", "a,b", "\u202e", "\x00", "ä" * 200, "9" * 400,
)  # fmt: skip
HEADERS = (
    "died", "death", "Todesdatum", "date of last visit", "fecha de alta", "relapse (yes/no)",
    "age at death", "", "enrolled", "last seen", "status", "time to relapse", "Né le", "date of birth",
    "dead", "last fu date", "comment",
)  # fmt: skip
ASKED = (
    "died=date of death",
    "died=",
    "relapsed=",
    "sex=status",
    "x=y",
    "age",
    "last_seen=date of last visit",
)


def example() -> Rows:
    """Return the rows of the shipped example, its header first."""
    with EXAMPLE.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def restyled(rows: Rows, style: str) -> Rows:
    """Return the example with its dates written in another way, or as days since enrolment."""
    made = [list(rows[0])]
    for row in rows[1:]:
        start = date.fromisoformat(row[1])
        made.append(list(row))
        for at in DATED:
            if row[at]:
                there = date.fromisoformat(row[at])
                made[-1][at] = str((there - start).days) if style == "days" else there.strftime(style)
    return made


def altered(luck: random.Random) -> Rows:
    """Return the example with other dates, cells, headers, columns or rows; some of it stays as it is."""
    rows = restyled(example(), luck.choice((*STYLES, "days")))
    for _ in range(luck.choice((0, 0, 0, 1, 1, 2, 5))):
        way, at, column = luck.randrange(9), luck.randrange(1, len(rows)), luck.randrange(len(rows[0]))
        if way < 3:
            rows[at][column] = luck.choice(CELLS)
        elif way == 3:
            rows[0][column] = luck.choice(HEADERS)
        elif way == 4 and len(rows[0]) > 2:
            rows = [[*row[:column], *row[column + 1 :]] for row in rows]
        elif way == 5:
            rows = [[*row, row[column]] for row in rows]
        elif way == 6:
            rows.insert(at, list(luck.choice(rows)))
        elif way == 7 and len(rows) > 2:
            del rows[at]
        else:
            other = luck.randrange(1, len(rows))
            rows[at][column], rows[other][column] = rows[other][column], rows[at][column]
    if luck.random() < 0.3:
        order = luck.sample(range(len(rows[0])), len(rows[0]))
        rows = [[row[place] for place in order] for row in rows]
    return rows


def as_csv(
    rows: Sequence[Sequence[str]], delimiter: str = ",", encoding: str = "utf-8", end: str = "\n"
) -> bytes:
    """Return a table as text; cells that need it are in quotes."""
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter, lineterminator=end).writerows(rows)
    return written.getvalue().encode(encoding, "replace")


def as_workbook(rows: Rows, *others: str) -> bytes:
    """Return a table as a workbook, its ISO dates as dates, with other sheets that hold a word each."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append([_typed(cell) for cell in row])
    for name in others:
        book.create_sheet(name).append(["word"])
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def _typed(cell: str) -> object:
    clean = "".join(letter for letter in cell if letter >= " " or letter in "\n\t")
    try:
        return (
            date.fromisoformat(clean)
            if len(clean) == 10
            else float(clean)
            if clean.isdigit()
            else clean or None
        )
    except (ValueError, OverflowError):
        return clean


def as_parquet(rows: Rows) -> bytes:
    """Return a table as Parquet, every cell a text; DuckDB gives columns of one name numbers."""
    header, *others = [[cell.replace("\0", "") for cell in row] for row in rows]
    frame = pd.DataFrame(
        others, columns=[f"{name or 'none'}{at * ' '}" for at, name in enumerate(header)], dtype=str
    )
    with tempfile.TemporaryDirectory() as aside:
        write_parquet(frame, Path(aside) / "made.parquet")
        return (Path(aside) / "made.parquet").read_bytes()


def as_bytes(rows: Rows, luck: random.Random) -> bytes:
    """Return a table in a format of any kind."""
    way = luck.randrange(12)
    if way == 0:
        return as_workbook(rows, *luck.choice(((), (), ("more",))))
    if way == 1:
        return as_parquet(rows)
    encoding = luck.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"))
    return as_csv(rows, luck.choice(",,,;;;\t\t|"), encoding, luck.choice(("\n", "\r\n", "\r")))
