"""Patients of one's own, read from a table: every mistake is told at once, and nothing is guessed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from sim.centre.columns import Matched, match_columns
from sim.centre.contradictions import AGES, EVENTS, OLDEST_YEARS, contradictions
from sim.centre.files import Cell, RawTable, read_sheet
from sim.centre.mistakes import Mistakes, shown
from sim.centre.notes import notes_on
from sim.centre.patients import CAUSES, OwnPatients
from sim.centre.times import Order, Times, Unit, is_missing, number_of, read_times
from sim.centre.words import fold, meanings
from sim.scenario.distributions import Floats
from sim.scenario.plain import printable
from sim.scenario.problems import RequestError
from sim.scenario.schema import DAYS_PER_YEAR

Meaning = TypeVar("Meaning", float, str)


@dataclass(frozen=True)
class ReadTable:
    """A table that was read.

    Attributes
    ----------
    sha256
        Of the file.
    mapping
        Header in the file of each column that was used, by canonical name.
    filled
        Rows in which each of these columns says something.
    notes
        What to know of it, for the terminal alone: they name rows and words of the table.
    unit
        Whether times were dates or days.
    order
        In which order dates were read, if it mattered.
    """

    patients: OwnPatients
    sha256: str
    mapping: Mapping[str, str]
    filled: Mapping[str, int]
    notes: tuple[str, ...]
    unit: Unit | None
    order: Order | None

    @property
    def record(self) -> dict[str, object]:
        """What a manifest says of it: nothing of any row."""
        return {"sha256": self.sha256, "columns": dict(self.mapping), "times": self.unit, "dates": self.order}


def read_patients(
    path: Path | str,
    *,
    columns: Mapping[str, str] | None = None,
    dates: str | None = None,
    sheet: str | None = None,
    deaths: bool = True,
) -> ReadTable:
    """Read patients from a table: CSV, Parquet or a workbook, one row each.

    Parameters
    ----------
    columns
        Headers by canonical name, where they can't be told from their words.
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
    path, where = Path(path), printable(str(path))
    if dates is not None and dates not in get_args(Order):
        raise RequestError(f"--dates {printable(str(dates))}: must be day-first or month-first")
    order: Order | None = None if dates is None else "day-first" if dates == "day-first" else "month-first"
    sheet_read = read_sheet(path, where, sheet)
    matched = match_columns(sheet_read.header, columns or {}, where)
    table = _Table(sheet_read, matched, where)
    timed = {name: table.cells[name] for name in ("enrolled", *EVENTS, "born") if name in table.cells}
    times = read_times(timed, table.headers, sheet_read.rows, order, table.wrong)
    unread = np.isin(table.rows, list(table.wrong.rows))
    age, female, cause, words = _age(table), _female(table), *_cause(table)
    made = _reconstructed(table)
    for problem in _of_curves(table, deaths):
        table.wrong.add(problem)
    if table.wrong.whole:  # the times mean nothing yet
        table.wrong.refuse()
    patients = replace(_patients(table, times, unread, age, female, cause), reconstructed=made)
    table.wrong.refuse()
    notes = (*sheet_read.notes, *notes_on(sheet_read, matched, patients, words))
    filled = {
        name: sum(count for cell, count in Counter(cells).items() if not is_missing(cell))
        for name, cells in table.cells.items()
    }
    return ReadTable(patients, sheet_read.sha256, table.mapping, filled, notes, times.unit, times.order)


class _Table:
    """A table whose columns are known, and what is wrong with it."""

    def __init__(self, sheet: RawTable, matched: Matched, where: str) -> None:
        self.rows, self.wrong = sheet.rows, Mistakes(where)
        self.cells = {name: sheet.columns[place] for name, place in matched.places.items()}
        self.mapping = {name: sheet.header[place] for name, place in matched.places.items()}
        self.headers = {name: shown(header) for name, header in self.mapping.items()}

    def refuse(self, problem: str, of: NDArray[np.bool_], *names: str) -> None:
        """Note what is wrong with some rows, and what they have in some columns."""
        places = np.flatnonzero(of).tolist()
        named = [name for name in names if name in self.headers]
        told = [
            ", ".join(f"{self.headers[name]} = {shown(self.cells[name][at])}" for name in named)
            for at in places
        ]
        self.wrong.at(problem, [self.rows[at] for at in places], told)

    def read(
        self, name: str, meaning: Callable[[Cell], Meaning | None], problem: str, nothing: Meaning
    ) -> list[Meaning]:
        """Return what each cell of a column means; what has no meaning is refused."""
        cells = self.cells.get(name, ("",) * len(self.rows))
        known = {cell: nothing if is_missing(cell) else meaning(cell) for cell in dict.fromkeys(cells)}
        values = [known[cell] for cell in cells]
        self.refuse(problem, np.array([value is None for value in values]), name)
        return [nothing if value is None else value for value in values]


def _age(table: _Table) -> Floats:
    def years(cell: Cell) -> float | None:
        number = number_of(cell, thousands=False)
        return number if isinstance(number, float) and 0 < number <= OLDEST_YEARS else None

    return np.array(table.read("age", years, f"must be a number {AGES}", math.nan))


def _female(table: _Table) -> Floats:
    """Return who is a woman; m is male where somebody is f or w, but may be mujer in a table of its own."""
    known = meanings("sex")
    here = {fold(cell) for cell in set(table.cells.get("sex", ())) if isinstance(cell, str)}
    tells_m = any(known.get(word) == "female" for word in here - {"mujer"})

    def female(cell: Cell) -> float | None:
        word = fold(cell) if isinstance(cell, str) else ""
        sex = "male" if word == "m" and tells_m else known.get(word)
        return None if sex is None else float(sex == "female")

    problem = "must be female or male (f or m), or empty"
    if "m" in here and not tells_m:
        problem += "; m alone may be male or mujer: write the word"
    return np.array(table.read("sex", female, problem, math.nan))


def _cause(table: _Table) -> tuple[NDArray[np.str_], dict[str, str]]:
    """Return causes of death, and which words of the table were taken for which."""
    known = meanings("causes")

    def cause(cell: Cell) -> str | None:
        return known.get(fold(cell)) if isinstance(cell, str) else None

    problem = f"must be {', '.join(CAUSES[:-1])} or {CAUSES[-1]}; infection is treatment, relapse is lupus"
    found = table.read("cause", cause, problem, "")
    pairs = zip(table.cells.get("cause", ()), found, strict=False)
    words = {shown(cell): meaning for cell, meaning in pairs if meaning and fold(str(cell)) != meaning}
    return np.array(found, dtype=np.str_), words


def _reconstructed(table: _Table) -> bool:
    """Tell whether the table says of anybody that he was made from a published curve."""
    known = {"yes": 1.0, "no": 0.0}

    def made(cell: Cell) -> float | None:
        return known.get(fold(cell)) if isinstance(cell, str) else None

    return any(table.read("reconstructed", made, "must be yes or no", 0.0))


def _of_curves(table: _Table, deaths: bool) -> Iterator[str]:
    """Yield why a table of relapse or death can't be read as one of deaths."""
    header = table.headers.get("relapsed_or_died")
    if header is None:
        return
    if beside := [table.headers[name] for name in ("relapsed", "died", "cause") if name in table.headers]:
        yield f"{header} beside {' and '.join(beside)}: it is of curves that don't tell relapse from death"
    elif deaths:
        yield (
            f"{header}: relapse or death, and nobody knows which, so that the table is none of deaths; it "
            "can be described (lupus-hsct patients describe), and all else needs an overall survival curve"
        )


def _patients(
    table: _Table,
    times: Times,
    unread: NDArray[np.bool_],
    age: Floats,
    female: Floats,
    cause: NDArray[np.str_],
) -> OwnPatients:
    """Put the columns together, from the day of each patient's enrolment.

    Parameters
    ----------
    unread
        Rows with times that mean nothing: no more is told of them.
    """
    never = np.full(len(table.rows), np.nan)
    origin = "enrolled" if "enrolled" in times.days else "transplanted"
    start = times.days[origin]
    needed = "is needed of everybody"
    if origin == "transplanted":
        needed += ", as no column is enrolled; if days count from enrolment, add a column enrolled that is 0"
    table.refuse(needed, np.isnan(start) & ~unread, origin)
    unread = unread | np.isnan(start)
    days = {name: times.days.get(name, never) - start for name in EVENTS}
    if "born" in times.days:
        age = _age_by_birth(table, times, start, age, unread)
    for problem, of, names in contradictions(days, cause, age, origin):
        table.refuse(problem, of & ~unread, *names)
    dead = ~np.isnan(days["died"])
    days["last_seen"] = np.where(dead, days["died"], days["last_seen"])
    if not table.wrong.rows and not np.any(days["last_seen"] > 0):
        table.wrong.add("nobody is at risk: no patient was followed for even a day")
    # Days that differ from patient to patient count from the study's beginning; from nobody knows what
    # without a column of enrolments.
    dated = times.unit == "dates" or (origin == "enrolled" and len(np.unique(start)) > 1)
    return OwnPatients(
        **{name: days[name] for name in EVENTS},  # type: ignore[arg-type]
        cause=np.where(dead & (cause == ""), "unknown", cause),
        age=age,
        female=female,
        arrived=start - np.min(start) if dated else never,
        rows=table.rows,
        relapse_recorded="relapsed" in times.days,
        deaths_recorded="relapsed_or_died" not in times.days,
        from_transplant=origin == "transplanted",
    )


def _age_by_birth(
    table: _Table, times: Times, start: Floats, age: Floats, unread: NDArray[np.bool_]
) -> Floats:
    """Return ages, those that are not told by the date of birth."""
    if np.isnan(times.days["born"]).all():
        return age
    if times.unit == "days":
        what = "needs dates of enrolment, and the times of this table are days: give a column age instead"
        table.wrong.add(f"{table.headers['born']} {what}")
        return age
    lived = (start - times.days["born"]) / DAYS_PER_YEAR
    table.refuse("does not fit the date of birth", (np.abs(age - lived) > 1) & ~unread, "age", "born")
    return np.where(np.isnan(age), lived, age)
