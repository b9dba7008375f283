"""Workbooks (.xlsx): values and not formulas, one sheet, and nothing that unpacks without end."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from typing import Any
from zipfile import ZipFile

from sim.centre.mistakes import shown
from sim.scenario.plain import printable
from sim.scenario.problems import RequestError
from sim.scenario.refusals import sentence, unknown

MOST_ROWS = 2**20
"""Of a table: as many as a sheet has."""
_MOST_UNPACKED = 256 * 2**20
_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml")
_FORMULA, _ENTITY = re.compile(rb"<(\w+:)?f[ />]"), re.compile(rb"<!(DOCTYPE|ENTITY)")
_NO_TABLE = "is a zip file and no workbook (.xlsx); save the table as .xlsx or CSV"


def openpyxl_or_refusal(where: str) -> Any:
    """Import what reads and writes workbooks.

    Raises
    ------
    RequestError
        It is not installed.
    """
    try:
        import openpyxl
    except ImportError:
        what = "a workbook needs openpyxl: pip install 'lupus-hsct[excel]'; or save the sheet as CSV"
        raise RequestError(sentence(where, what)) from None
    return openpyxl


def read_workbook(data: bytes, where: str, sheet: str | None) -> Iterator[Sequence[str | float]]:
    """Yield the rows of a sheet: numbers as numbers, dates as YYYY-MM-DD, all else as text.

    Parameters
    ----------
    where
        What a refusal begins with.
    sheet
        Its name; needed if several hold something.

    Raises
    ------
    RequestError
        It can't be read, has no such sheet, or a formula whose value was never computed.
    """
    openpyxl = openpyxl_or_refusal(where)
    try:
        has_formulas = _looked_over(data, where)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of drawings and styles that it leaves out
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            name = _chosen(book, where, sheet)
            formulas = (
                _rows(openpyxl.load_workbook(io.BytesIO(data), read_only=True)[name])
                if has_formulas
                else None
            )
            for line, row in enumerate(_rows(book[name]), 1):
                beneath = next(formulas, ()) if formulas is not None else ()
                if line > MOST_ROWS:
                    raise RequestError(
                        sentence(where, f"has more than {MOST_ROWS:,} rows, too many to be read")
                    )
                _refuse_uncomputed(row, beneath, line, where)
                yield [_cell(value) for value in row]
    except (RequestError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 (whatever a damaged file leads the library to)
        what = "is a workbook with a password, or damaged; save it anew in a spreadsheet, or as CSV"
        raise RequestError(sentence(where, what)) from None


def _rows(sheet: Any) -> Iterator[Sequence[Any]]:
    sheet.reset_dimensions()  # what a file says of its size may be wrong
    return iter(sheet.iter_rows(values_only=True))


def _looked_over(data: bytes, where: str) -> bool:
    """Refuse what is no workbook or unpacks to too much; return whether it has formulas."""
    with ZipFile(io.BytesIO(data)) as packed:
        members = packed.infolist()
        names = {member.filename for member in members}
        if "xl/workbook.xml" not in names:
            is_ods = "content.xml" in names
            what = "is an OpenDocument table (.ods); save it as .xlsx or CSV" if is_ods else _NO_TABLE
            raise RequestError(sentence(where, what))
        if sum(member.file_size for member in members) > _MOST_UNPACKED or len(members) > 10_000:
            most = _MOST_UNPACKED // 2**20
            raise RequestError(sentence(where, f"unpacks to more than {most} MiB, the most allowed"))
        formulas = False
        for member in members:
            if member.filename.endswith((".xml", ".rels")):
                content = packed.read(member)
                if _ENTITY.search(content):
                    raise RequestError(sentence(where, "is no workbook that a spreadsheet wrote (entities)"))
                formulas |= bool(_SHEET.fullmatch(member.filename) and _FORMULA.search(content))
        return formulas


def _chosen(book: Any, where: str, sheet: str | None) -> str:
    """Return the name of the sheet to read."""
    sheets: dict[str, Any] = {each.title: each for each in book.worksheets}
    if sheet is not None:
        if sheet not in sheets:
            what = unknown(
                f'{where}: no sheet "{printable(sheet)}"', sheet, sheets, f"it has {', '.join(sheets)}"
            )
            raise RequestError(what)
        return sheet
    full = [name for name, each in sheets.items() if _holds_something(each)]
    if len(full) > 1:
        listed = ", ".join(f'--sheet "{printable(name)}"' for name in full[:10])
        raise RequestError(
            sentence(where, f"{len(full)} sheets hold something; say which is meant: {listed}")
        )
    if not full:
        raise RequestError(sentence(where, "is empty; lupus-hsct patients new writes a table to fill in"))
    return full[0]


def _holds_something(sheet: Any) -> bool:
    rows = zip(range(MOST_ROWS), _rows(sheet), strict=False)
    return any(value not in (None, "") for _, row in rows for value in row)


def _refuse_uncomputed(row: Sequence[Any], beneath: Sequence[Any], line: int, where: str) -> None:
    """Refuse a formula that has no value, which would read as an empty cell."""
    for value, formula in zip(row, beneath, strict=False):
        if value is None and formula is not None:
            what = f"row {line}: the formula {shown(str(formula))} has no value; save it in a spreadsheet"
            raise RequestError(sentence(where, what))


def _cell(value: Any) -> str | float:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return float(value) if abs(value) < 1e300 else str(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "seconds")
    return value.isoformat() if isinstance(value, date) else str(value).strip()
