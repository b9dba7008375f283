"""Reading a published curve that was read off, and its numbers at risk, from two short tables."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from sim.centre.reconstruct import PublishedCurve, published_curve
from sim.scenario.plain import plain_number
from sim.scenario.problems import RequestError
from sim.scenario.reading import read_text
from sim.scenario.refusals import cut_short, refuse
from sim.scenario.schema import DAYS_PER_YEAR

UNITS = {"days": 1.0, "months": DAYS_PER_YEAR / 12, "years": DAYS_PER_YEAR}
"""Days of each unit of time."""

_SURVIVAL = {"survival": 1.0, "survival_percent": 100.0}
"""What 1 is called in each column."""
_WHAT = "a curve and its numbers at risk are CSV files"


def read_curve(
    curve: str | Path, at_risk: str | Path, unit: str | None = None, *, spread: bool = False
) -> PublishedCurve:
    """Read both tables: ``time_months,survival`` and ``time_months,at_risk``, in one unit or in two.

    Parameters
    ----------
    unit
        days, months or years, where the columns are headed ``time`` alone.
    spread
        Whether points are at times of the reader's choice, and not where the curve falls.

    Raises
    ------
    RequestError
        There is no such file, a column is missing, a value is no number, or no curve can look like this.
    """
    if unit is not None and unit not in UNITS:
        raise RequestError(f"--unit: {cut_short(unit)} given; allowed: {', '.join(UNITS)}")
    problems: list[str] = []
    days, survival, scale = _table(Path(curve), tuple(_SURVIVAL), unit, problems)
    risk_days, numbers, _ = _table(Path(at_risk), ("at_risk",), unit, problems)
    if problems:
        raise refuse(problems)
    try:
        return published_curve(days, survival, risk_days, numbers, scale, spread=spread)
    except RequestError as error:
        raise RequestError("\n".join(f"{curve}: {line}" for line in str(error).splitlines())) from None


def _table(
    path: Path, allowed: Sequence[str], unit: str | None, problems: list[str]
) -> tuple[list[float], list[float], float]:
    """Return times in days, values, and the days of the unit; add what is wrong to the problems."""
    lines = read_text(path, str(path), _WHAT).splitlines()
    split = ";" if lines and ";" in lines[0] else ","
    rows = list(csv.reader(lines, delimiter=split))
    heads = [name.strip().lower() for name in rows[0]] if rows else []
    times = {"time": unit} if unit else {}
    times |= {f"time_{name}": name for name in UNITS}
    at, of = ([name for name in heads if name in names] for names in (times, allowed))
    if len(at) != 1 or len(of) != 1:
        given, or_unit = cut_short(", ".join(heads)) or "none", "" if unit else ", or time with --unit"
        problems.append(
            f"{path}: its columns are {given}; allowed: one of {', '.join(times)}{or_unit}, and one of "
            f"{', '.join(allowed)}"
        )
        return [], [], 1.0
    scale, whole = UNITS[str(times[at[0]])], _SURVIVAL.get(of[0], 0.0)
    chosen = at[0], of[0]
    places = [heads.index(name) for name in chosen]
    found: list[list[float]] = []
    for number, row in enumerate(rows[1:], start=2):
        if any(cell.strip() for cell in row):
            where = f"{path}, line {number}"
            cells = [row[place].strip() if place < len(row) else "" for place in places]
            both = zip(cells, chosen, strict=True)
            read = [_number(cell, f"{where}, {name}", split, problems) for cell, name in both]
            problems += _out_of_range(read, whole, where, chosen)
            found.append(read)
    return [scale * each for each, _ in found], [each / (whole or 1.0) for _, each in found], scale


def _number(cell: str, where: str, split: str, problems: list[str]) -> float:
    """Return the number in a cell; a decimal comma is one only where semicolons part the cells."""
    text = cell.replace(",", ".") if split == ";" else cell
    try:
        return float("" if "_" in text else text)
    except ValueError:
        problems.append(
            f"{where}: {cut_short(cell) or 'nothing'} given; allowed: a number. {plain_number(cell)}".rstrip(
                ". "
            )
        )
        return 0.0


def _out_of_range(read: Sequence[float], whole: float, where: str, heads: Sequence[str]) -> list[str]:
    time, value = read
    wrong = []
    if not 0 <= time < float("inf"):
        wrong.append(f"{where}, {heads[0]}: {time:g} given; allowed: a time from 0")
    if whole and not 0 <= value <= whole:
        percent = "; a percentage? Name the column survival_percent" if 1 < value <= 100 else ""
        wrong.append(f"{where}, {heads[1]}: {value:g} given; allowed: 0 to {whole:g}{percent}")
    if not whole and not 0 <= value < float("inf"):
        wrong.append(f"{where}, {heads[1]}: {value:g} given; allowed: a number of patients")
    return wrong
