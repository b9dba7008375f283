"""When something happened: dates or days, and nothing that can be read in two ways is guessed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from sim.centre.files import Cell
from sim.centre.mistakes import Mistakes, shown
from sim.centre.words import fold, missing, months
from sim.scenario.distributions import Floats

Order: TypeAlias = Literal["day-first", "month-first"]
Unit: TypeAlias = Literal["dates", "days"]

_FIRST_YEAR = 1900
_CLOCK = r"(?:[T ][0-2]?\d:[0-5]\d(?::[0-5]\d(?:\.\d+)?)?)?"
_YEAR_FIRST = re.compile(rf"(\d{{4}})([-/.])(\d{{1,2}})\2(\d{{1,2}}){_CLOCK}", re.ASCII)
_YEAR_LAST = re.compile(rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2(\d{{4}}){_CLOCK}", re.ASCII)
_SHORT_YEAR = re.compile(r"\d{1,2}[-/. ]+(?:\d{1,2}|[^\W\d]+)[-/. ]+'?\d{2}")
_IN_WORDS = re.compile(
    r"(\d{1,2}) ?(?:st|nd|rd|th|er)? (?:of |de )?([a-z]{3,}) (?:de |del )?(\d{4})", re.ASCII
)
_MONTH_FIRST_WORDS = re.compile(r"([a-z]{3,}) (\d{1,2})(?:st|nd|rd|th)? (\d{4})", re.ASCII)
_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)?", re.ASCII)
_TWO_WAYS = re.compile(r"-?[1-9]\d{0,2}[.,]\d{3}", re.ASCII)
_SERIAL = range(20_000, 60_000)  # days since 1900: 1954 to 2064
_MOST_DAYS = 1_000_000
_CODES = {0, 1, 2}
_HAPPENING = ("transplanted", "relapsed", "died", "engrafted", "discharged")
_YEARS = range(1900, 2101)
_ENGLISH = "JanFebMarAprMayJunJulAugSepOctNovDec"

NO_TIME = "must be a date (2019-04-03) or days since enrolment (412), and empty if it has not happened"
NO_SEPARATORS = "is no number of days; a date is written 2019-04-03"
NO_DAY = "there is no such day"
NO_BIRTH = "is no date of birth; if only the age or the year is known, give a column age"


class Moment(NamedTuple):
    """What one cell may mean; at most one of the four is told.

    Attributes
    ----------
    days
        A number.
    day_first, month_first
        The date's number, read in either order; equal where the order does not matter.
    problem
        Why it means nothing.
    """

    days: float | None = None
    day_first: int | None = None
    month_first: int | None = None
    problem: str = ""


def is_missing(cell: Cell) -> bool:
    """Tell whether a cell stands for nothing."""
    return isinstance(cell, str) and cell.lower() in missing()


def number_of(cell: Cell, *, thousands: bool = True) -> float | str:
    """Return the number in a cell, or why there is none.

    Parameters
    ----------
    thousands
        Whether it may be so large that 1.234 could be meant as 1234.
    """
    if isinstance(cell, float):
        return cell if np.isfinite(cell) else "is no number"
    if not _NUMBER.fullmatch(cell) or len(cell) > 20:
        return "is no number"
    if thousands and _TWO_WAYS.fullmatch(cell):
        whole = re.sub(r"[.,]", "", cell)
        return f"may be {whole} or {cell.replace(',', '.')}0; write it in one of these ways"
    return float(cell.replace(",", "."))


def moment_of(cell: Cell) -> Moment:
    """Read one cell."""
    number = number_of(cell)
    if isinstance(number, float):
        return Moment(days=number) if abs(number) < _MOST_DAYS else Moment(problem=NO_SEPARATORS)
    if number != "is no number":
        return Moment(problem=number)
    text = str(cell)
    if found := _YEAR_FIRST.fullmatch(text):
        year, _, month, day = found.groups()
        return _dated(_day(year, month, day), _day(year, month, day))
    if found := _YEAR_LAST.fullmatch(text):
        one, _, other, year = found.groups()
        return _dated(_day(year, other, one), _day(year, one, other))
    plain = fold(text)
    if found := _IN_WORDS.fullmatch(plain):
        day, name, year = found.groups()
    elif found := _MONTH_FIRST_WORDS.fullmatch(plain):
        name, day, year = found.groups()
    else:
        if _SHORT_YEAR.fullmatch(text):
            return Moment(problem="the year needs four digits, and the clearest is 2019-04-03")
        return Moment(problem=NO_TIME)
    if name not in months():
        return Moment(problem=NO_TIME)
    there = _day(year, str(months()[name]), day)
    return _dated(there, there)


def _dated(day_first: int | None, month_first: int | None) -> Moment:
    problem = NO_DAY if day_first is None and month_first is None else ""
    return Moment(day_first=day_first, month_first=month_first, problem=problem)


def _day(year: str, month: str, day: str) -> int | None:
    try:
        return date(int(year), int(month), int(day)).toordinal()
    except ValueError:
        return None


@dataclass(frozen=True)
class Times:
    """Columns of times in days of one calendar; not numbers where there is none.

    Attributes
    ----------
    unit
        Whether they were dates; nothing is told if no cell holds a time.
    order
        In which order dates were read, if it mattered.
    """

    days: Mapping[str, Floats]
    unit: Unit | None
    order: Order | None


class _Column:
    """One column of times: what each different cell of it may mean."""

    def __init__(self, name: str, header: str, cells: Sequence[Cell], rows: Sequence[int]) -> None:
        self.name, self.header, self._cells, self._rows = name, header, cells, rows
        self.counts = {cell: count for cell, count in Counter(cells).items() if not is_missing(cell)}
        self.moments = {cell: moment_of(cell) for cell in self.counts}

    def refuse(self, problem_of: Callable[[Moment], str], wrong: Mistakes) -> None:
        """Take the cells out of which a problem can be told."""
        problems = {cell: text for cell, moment in self.moments.items() if (text := problem_of(moment))}
        for text in dict.fromkeys(problems.values()):
            places = [at for at, cell in enumerate(self._cells) if problems.get(cell) == text]
            told = [f"{self.header} = {shown(self._cells[at])}" for at in places]
            wrong.at(text, [self._rows[at] for at in places], told)
        self.moments = {cell: moment for cell, moment in self.moments.items() if cell not in problems}

    def where(self, cell: Cell) -> str:
        """Return the first place of a cell, for a message."""
        return f"row {self._rows[list(self._cells).index(cell)]}, {self.header} = {shown(cell)}"

    def days(self, order: Order | None) -> Floats:
        """Return the days, in an order in which every date can be read."""
        known = {cell: _value(moment, order) for cell, moment in self.moments.items()}
        return np.array([known.get(cell, np.nan) for cell in self._cells], dtype=np.float64)


def _value(moment: Moment, order: Order | None) -> float | None:
    if moment.days is not None:
        return moment.days
    return moment.month_first if order == "month-first" else moment.day_first


def read_times(
    columns: Mapping[str, Sequence[Cell]],
    headers: Mapping[str, str],
    rows: Sequence[int],
    order: Order | None,
    wrong: Mistakes,
) -> Times:
    """Read columns of times together: all are dates, or all are days.

    Parameters
    ----------
    columns
        Cells by canonical name; `born` holds dates alone.
    headers
        How messages call each column.
    order
        As given with ``--dates``.
    wrong
        Gets what can't be read.
    """
    listed = [_Column(name, headers[name], cells, rows) for name, cells in columns.items()]
    latest = date.today().toordinal()
    for each in listed:
        each.refuse(lambda moment: moment.problem, wrong)
        if each.name == "born":
            each.refuse(lambda moment: NO_BIRTH if moment.days is not None else "", wrong)
    unit = _unit([each for each in listed if each.name != "born"], wrong)
    order = order or _order(listed, wrong)
    if not wrong.whole:
        for each in listed:
            each.refuse(lambda moment: _implausible(moment, latest, order), wrong)
    return Times({each.name: each.days(order) for each in listed}, unit, order)


def _implausible(moment: Moment, latest: int, order: Order | None) -> str:
    """Return why a date can't be meant."""
    if moment.days is not None:
        return ""
    value = _value(moment, order)
    if value is None:
        return f"is no date if it is read {order}"
    if value > latest:
        return "lies in the future"
    return f"lies before {_FIRST_YEAR}" if value < date(_FIRST_YEAR, 1, 1).toordinal() else ""


def _unit(listed: Sequence[_Column], wrong: Mistakes) -> Unit | None:
    """Tell dates from days: a table has one of them, and what is fewer is refused."""
    found: Counter[Unit] = Counter()
    for each in listed:
        for cell, moment in each.moments.items():
            found["dates" if moment.days is None else "days"] += each.counts[cell]
    if not found:
        return None
    unit: Unit = "days" if found["days"] > found["dates"] else "dates"
    for each in listed if len(found) > 1 else ():
        each.refuse(lambda moment: _other_unit(moment, unit), wrong)
    times = [(each, cell, moment.days) for each in listed for cell, moment in each.moments.items()]
    if unit == "days" and all(days in _YEARS for _, _, days in times):
        each, cell, _ = times[0]
        wrong.add(f"all times are years ({each.where(cell)}): write dates, or days since enrolment")
    for each in listed if unit == "days" else ():
        found_days = {moment.days for moment in each.moments.values()}
        at_start = each.name == "transplanted" and found_days == {0}
        if each.name in _HAPPENING and found_days and found_days <= _CODES and not at_start:
            wrong.add(
                f"{each.header} holds nothing but 0, 1 or 2: is that yes and no? Write the day, or nothing"
            )
    return unit


def _other_unit(moment: Moment, unit: Unit) -> str:
    """Return why a time is none in a table of dates, or of days."""
    if unit == "days":
        return "" if moment.days is not None else "is a date, and the other times of the table are days"
    if moment.days is None:
        return ""
    hint = "; a year alone is none" if moment.days in _YEARS else ""
    if moment.days in _SERIAL:
        hint = "; a spreadsheet counts dates so: format the column as dates"
    return f"is a number, and the other times of the table are dates{hint}"


def _order(listed: Sequence[_Column], wrong: Mistakes) -> Order | None:
    """Return the order in which dates of the table can be read; none if it does not matter.

    Not even a date that can be read in one order alone settles it for those that can be read in both.
    """
    either: list[tuple[_Column, Cell]] = []
    day_first: list[tuple[_Column, Cell]] = []
    month_first: list[tuple[_Column, Cell]] = []
    for each in listed:
        for cell, (days, one, other, _) in each.moments.items():
            if days is None and one != other:
                kind = month_first if one is None else day_first if other is None else either
                kind.append((each, cell))
    only = [
        f"{found[0][0].where(found[0][1])}, can only be {order}"
        for order, found in (("day-first", day_first), ("month-first", month_first)) if found
    ]  # fmt: skip
    if either:
        count = sum(each.counts[cell] for each, cell in either)
        column, cell = either[0]
        moment = column.moments[cell]
        ways = [
            f"{_in_words(moment.day_first)} (day-first)",
            f"{_in_words(moment.month_first)} (month-first)",
        ]
        many = "1 date" if count == 1 else f"{count:,} dates"
        settled = f"; but {' and '.join(only)}" if only else ""
        wrong.add(
            f"{many} can be read in two ways, as in {column.where(cell)}: {' or '.join(ways)}; "
            f"say which with --dates day-first or --dates month-first, or write 2019-04-03{settled}",
            count,
        )
    elif len(only) == 2:
        wrong.add(
            f"dates are written in two orders: {'; '.join(only)}; write all in one order, or as 2019-04-03"
        )
    return "day-first" if day_first else "month-first" if month_first else None


def _in_words(day: int | None) -> str:
    there = date.fromordinal(day or 1)
    return f"{there.day} {_ENGLISH[3 * there.month - 3 :][:3]} {there.year}"
