"""Files that hold a table: their bytes become a header and rows of cells, whatever wrote them."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from glob import escape
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from sim.centre.mistakes import Mistakes, plain, shown
from sim.centre.workbook import MOST_ROWS, read_workbook
from sim.scenario.plain import printable
from sim.scenario.problems import RequestError
from sim.scenario.reading import read_bytes
from sim.scenario.refusals import sentence

Cell: TypeAlias = str | float
"""Text without blanks around it, empty if there is none; a number where the file holds one and no text."""

MOST_BYTES = 64 * 2**20
"""Of a table; one of 100,000 patients has some 10 MB."""
MOST_COLUMNS = 1000
_MOST_CELLS = 20_000_000
_MOST_LETTERS = 400
_SAVE_AS = "save it as CSV or .xlsx in the program that wrote it"
_A_TABLE = "patients are read from a table: CSV, Parquet or .xlsx"
_BINARY = {
    b"\x1f\x8b": "is packed (gzip); unpack it first",
    b"\xd0\xcf\x11\xe0": f"is an old workbook (.xls), or one with a password; {_SAVE_AS}, without a password",
    b"$FL": f"is a file of SPSS; {_SAVE_AS}",
    b"<stata": f"is a file of Stata; {_SAVE_AS}",
    b"%PDF": f"is a PDF; {_A_TABLE}",
    b"SQLite": f"is a data base; {_SAVE_AS}",
}
"""By the first bytes: what people hand over that is no table which can be read."""
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
_NUMBERS = re.compile(r"U?(?:TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\(.*\)")
_SEP = re.compile(r"sep=([,;\t])\r?\n?$", re.IGNORECASE)


@dataclass(frozen=True)
class RawTable:
    """A table as it was written, one column after the other.

    Attributes
    ----------
    rows
        Number of each row as a spreadsheet shows it: the header usually is row 1.
    sha256
        Of the file.
    notes
        What to know of how it was read.
    """

    header: tuple[str, ...]
    columns: tuple[Sequence[Cell], ...]
    rows: tuple[int, ...]
    sha256: str
    notes: tuple[str, ...] = ()


def read_sheet(path: Path, where: str, sheet: str | None = None) -> RawTable:
    """Read the table in a file; what it is, its first bytes tell and not its name.

    Parameters
    ----------
    where
        What a refusal begins with.
    sheet
        Name of a workbook's sheet; needed if several hold something.

    Raises
    ------
    RequestError
        There is no file, it is no table, or it is too large; rows are longer than the header, or, in text,
        shorter.
    """
    data = read_bytes(path, where, _A_TABLE, MOST_BYTES)
    notes: list[str] = []
    is_workbook = data.startswith(b"PK\x03\x04")
    if is_workbook:
        rows: Iterable[Sequence[Cell]] = read_workbook(data, where, sheet)
    elif sheet is not None:
        raise RequestError(
            f"--sheet {printable(sheet)}: only a workbook (.xlsx) has sheets, {where} has none"
        )
    elif data.startswith(b"PAR1"):
        rows = _read_parquet(path, where)
    else:
        text, notes = _decoded(data, where)
        rows = _read_csv(text, where)
    header, columns, lines = _in_columns(rows, where, in_cells=is_workbook)
    return RawTable(header, columns, lines, sha256(data).hexdigest(), tuple(notes))


def _in_columns(
    rows: Iterable[Sequence[Cell]], where: str, *, in_cells: bool
) -> tuple[tuple[str, ...], tuple[Sequence[Cell], ...], tuple[int, ...]]:
    """Take the first row that is not empty as header, leave empty rows out, and see that all are as long.

    Parameters
    ----------
    in_cells
        Whether rows come from a sheet, where nothing parts the cells and those after the last that is filled
        are not told: a short row ends in empty ones.
    """
    header: tuple[str, ...] | None = None
    kept: list[Sequence[Cell]] = []
    lines: list[int] = []
    wrong, width = Mistakes(where), 0
    for line, row in enumerate(rows, 1):
        if not any(cell != "" for cell in row):
            continue
        if header is None:
            header = tuple(plain(cell)[:_MOST_LETTERS] for cell in _without_end(row))
            width = len(header)
            if width > MOST_COLUMNS:
                raise RequestError(
                    sentence(where, f"has {width:,} columns; the most allowed: {MOST_COLUMNS}")
                )
            continue
        if len(kept) >= MOST_ROWS or len(kept) * width > _MOST_CELLS:
            raise RequestError(sentence(where, f"has more than {len(kept):,} rows, too many to be read"))
        cells = _without_end(row) if len(row) > width else row
        if in_cells and len(cells) < width:
            cells = [*cells, *[""] * (width - len(cells))]
        if len(cells) != width:
            cause = _why_uneven(len(cells), width, in_cells=in_cells)
            wrong.at(f"the header has {width}; {cause}", [line], [f"{len(cells)} cells"])
            continue
        kept.append(cells)
        lines.append(line)
    wrong.refuse()
    if header is None:
        raise RequestError(sentence(where, "is empty; lupus-hsct patients new writes a table to fill in"))
    if not kept:
        raise RequestError(sentence(where, f"has a header and no patients under it: {header_text(header)}"))
    return header, tuple(zip(*kept, strict=True)), tuple(lines)


def _why_uneven(cells: int, width: int, *, in_cells: bool) -> str:
    """Ask what may be wrong with a row that is not as long as the header."""
    if width == 1:
        return "is there a title above the header?"
    if cells < width:
        return "is one left out? An empty cell, too, needs the mark that parts it from the next"
    if in_cells:
        return "is something written right of the table?"
    return "is there a comma or semicolon in a cell?"


def header_text(header: Sequence[str]) -> str:
    """List headers for a message."""
    named = [shown(name) for name in header if name]
    return ", ".join(named[:20]) + (f" and {len(named) - 20} more" if len(named) > 20 else "")


def _without_end(row: Sequence[Cell]) -> Sequence[Cell]:
    """Leave empty cells at the end of a row out."""
    end = len(row)
    while end and row[end - 1] == "":
        end -= 1
    return row[:end]


def _decoded(data: bytes, where: str) -> tuple[str, list[str]]:
    """Return the text of a file, and a note if its letters had to be taken for Windows ones."""
    notes: list[str] = []
    for first, what in _BINARY.items():
        if data.startswith(first):
            raise RequestError(sentence(where, what))
    try:
        wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
        text = "\0" if wide or "\ufffd" in text else text
        notes = ["the file is no UTF-8: its letters were read as Windows-1252; look at those with accents"]
    if "\0" in text:
        raise RequestError(sentence(where, f"is neither text nor a table that can be read; {_A_TABLE}"))
    return text, notes


def _read_csv(text: str, where: str) -> Iterator[Sequence[Cell]]:
    """Yield the rows of comma-, semicolon- or tab-separated text, as lists of stripped cells."""
    first = text[:20].splitlines(keepends=True)
    told = _SEP.match(first[0]) if first else None  # a spreadsheet's own first line, which it never shows
    text = text[told.end() :] if told else text
    delimiter = told.group(1) if told else _delimiter(text, where)
    try:
        for row in _records(text, delimiter):
            yield [cell.strip() for cell in row]
    except csv.Error:
        raise RequestError(
            sentence(
                where, "quotes do not close: a cell in quotes ends with one, and one within it is doubled"
            )
        ) from None


def _records(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)


def _delimiter(text: str, where: str) -> str:
    """Return what parts the header's columns; of several, the one under which all rows are as long."""
    widths = {mark: _widths(text, mark, 1) for mark in _DELIMITERS}
    parting = [mark for mark, found in widths.items() if max(found, default=0) > 1]
    if len(parting) > 1:
        every = {mark: _widths(text, mark) for mark in parting}
        even = [mark for mark, found in every.items() if len(found) == 1 and max(found) > 1]
        if len(even) != 1:
            names = " or ".join(_DELIMITERS[mark] for mark in parting)
            what = f"can't tell whether {names} parts the columns; put cells that have one in quotes"
            raise RequestError(sentence(where, what))
        parting = even
    return parting[0] if parting else ","


def _widths(text: str, delimiter: str, most: int | None = None) -> set[int]:
    """Return the numbers of cells of the rows that are not empty; none if quotes are wrong."""
    try:
        return {len(row) for row in islice((row for row in _records(text, delimiter) if any(row)), most)}
    except csv.Error:
        return set()


def _read_parquet(path: Path, where: str) -> Iterator[Sequence[Cell]]:
    """Yield header and rows of a Parquet file: numbers as numbers, all else as text."""
    import duckdb

    # What does not fit into memory is given up: nothing of it is spilled to disk.
    quiet: dict[str, str | bool | int | float | list[str]] = {"threads": 1, "memory_limit": "2GB"}
    quiet |= {"temp_directory": "", "autoinstall_known_extensions": False}
    name = escape(str(path.absolute()))
    try:
        with duckdb.connect(":memory:", config=quiet) as database:
            counted = database.execute("SELECT num_rows FROM parquet_file_metadata(?)", [name]).fetchall()
            table = database.read_parquet(name)
            count, width = sum(rows for (rows,) in counted), len(table.columns)
            if count > MOST_ROWS or width > MOST_COLUMNS or count * width > _MOST_CELLS:
                raise RequestError(sentence(where, f"has {count:,} rows and {width:,} columns, too many"))
            yield list(table.columns)
            picked = [_in_sql(str(kind), at) for at, kind in enumerate(table.types)]
            marks = ", ".join(f"c{at}" for at in range(width))
            query = f"SELECT {', '.join(picked)} FROM table_of_patients AS t({marks})"  # noqa: S608 (no names)
            for row in table.query("table_of_patients", query).fetchall():  # type: ignore[union-attr]
                yield ["" if cell is None or cell != cell else cell for cell in row]
    except (RequestError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 (names that are no text raise others than DuckDB's own)
        what = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise RequestError(sentence(where, f"is a damaged Parquet file ({printable(what)})")) from None


def _in_sql(kind: str, at: int) -> str:
    """Return the expression of one column's cells."""
    if _NUMBERS.fullmatch(kind):
        return f"CAST(c{at} AS DOUBLE)"
    return f"trim(left(CAST(c{at} AS VARCHAR), {_MOST_LETTERS}))"
