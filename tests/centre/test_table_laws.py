"""Laws of reading: what is accepted means one thing, however it is written; what may mean two is refused."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import fields
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_tables import DATED, STYLES, Rows, altered, as_csv, as_parquet, as_workbook, example, restyled

from sim.centre.contradictions import EVENTS
from sim.centre.patients import OwnPatients
from sim.centre.reading import ReadTable, read_patients
from sim.scenario.problems import RequestError

TABLES = 100
NOTHING = ("", "-", "--", ".", "na", "n/a", "none", "null", "nan")
WAYS = (
    *(way.replace("/", mark) for mark in "/-." for way in ("%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y")),
    "%d %b %Y", "%B %d, %Y", "%d-%b-%Y", "%Y-%m-%d %H:%M:%S",
)  # fmt: skip
many = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(path: Path, data: bytes, dates: str | None = None) -> ReadTable:
    path.write_bytes(data)
    return read_patients(path, dates=dates)


def same(one: OwnPatients, other: OwnPatients) -> bool:
    """Whether two tables tell the same, to the bit."""
    pairs = [(getattr(one, each.name), getattr(other, each.name)) for each in fields(OwnPatients)]
    return all(
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f") if isinstance(a, np.ndarray) else a == b
        for a, b in pairs
    )


def meanings(cell: str) -> set[date]:
    """Return every date that a cell may mean to somebody, by the standard library."""
    found = set()
    for way in WAYS:
        try:
            found.add(datetime.strptime(cell.strip(), way).date())
        except ValueError:
            continue
    return found


def rewritten(rows: Rows, table: ReadTable) -> Rows:
    """Return a table with each date as YYYY-MM-DD; it fails if one may mean another day, too."""
    places = [
        rows[0].index(table.mapping[name]) for name in ("enrolled", *EVENTS, "born") if name in table.mapping
    ]
    made = [list(row) for row in rows]
    for row in made[1:]:
        for at in places:
            if row[at].strip().lower() not in NOTHING:
                (only,) = meanings(row[at])
                row[at] = only.isoformat()
    return made


def by_hand(rows: Rows, table: ReadTable, name: str) -> list[float]:
    """Return days from enrolment, or transplantation, of rows that hold something."""
    there = {key: rows[0].index(header) for key, header in table.mapping.items()}
    origin = there["enrolled" if "enrolled" in there else "transplanted"]
    found = []
    for row in rows[1:]:
        cell = row[there[name]].strip() if name in there else ""
        if not any(text.strip() for text in row):
            continue
        if cell.lower() in NOTHING:
            found.append(np.nan)
        elif table.unit == "dates":
            found.append(float((date.fromisoformat(cell) - date.fromisoformat(row[origin])).days))
        else:
            found.append(float(cell.replace(",", ".")) - float(row[origin].replace(",", ".")))
    return found


def test_what_is_accepted_means_one_thing(tmp_path: Path) -> None:
    path, ended, told = tmp_path / "p.csv", Counter[str](), list[str]()
    for seed in range(TABLES):
        rows = altered(random.Random(seed))  # noqa: S311
        try:
            table = read(path, as_csv(rows))
        except RequestError as error:
            ended["refused"] += 1
            told.append(str(error))
            continue
        ended[str(table.unit)] += 1
        plain = rewritten(rows, table) if table.unit == "dates" else rows
        for name in EVENTS[:3]:  # the last contact of the dead is their death
            np.testing.assert_array_equal(getattr(table.patients, name), by_hand(plain, table, name))
        backwards = [list(reversed(row)) for row in plain]
        for data in (
            as_csv(plain),
            as_csv(backwards, ";", "utf-16", "\r\n"),
            as_csv(plain, "\t", "utf-8-sig"),
        ):
            assert same(read(path, data).patients, table.patients), seed
    assert all(len(text.splitlines()) <= 22 for text in told)
    assert ended["refused"] > 20
    assert ended["dates"] > 20
    assert ended["days"] > 3


@pytest.mark.parametrize("style", [*STYLES, "days"])
def test_the_example_is_the_same_in_every_style_and_format(style: str, tmp_path: Path) -> None:
    plain, path = read(tmp_path / "p.csv", as_csv(example())), tmp_path / "p"
    rows = restyled(example(), style)
    order = "month-first" if style.startswith("%m") else "day-first"
    if style in ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y"):
        with pytest.raises(
            RequestError, match=r"can be read in two ways, .*--dates day-first or --dates month-first"
        ):
            read(path, as_csv(rows))
    for data in (as_csv(rows), as_workbook(rows), as_parquet(rows)):
        patients = read(path, data, order).patients
        dated = np.full(23, np.nan) if style == "days" else plain.patients.arrived
        for each in (*EVENTS, "cause", "age", "female"):
            np.testing.assert_array_equal(getattr(patients, each), getattr(plain.patients, each))
        np.testing.assert_array_equal(patients.arrived, dated)


@many
@given(st.dates(date(1950, 1, 1), date(2020, 12, 31)), st.sampled_from("/.-"), st.booleans())
def test_a_date_is_refused_if_and_only_if_it_may_be_two(
    tmp_path: Path, day: date, mark: str, first: bool
) -> None:
    way = f"%d{mark}%m{mark}%Y" if first else f"%m{mark}%d{mark}%Y"
    text, order = day.strftime(way), "day-first" if first else "month-first"
    rows = [["enrolled", "transplanted", "died", "last seen"], ["1950-01-01", text, "", "2021-01-01"]]
    path, days = tmp_path / "p.csv", (day - date(1950, 1, 1)).days
    if len(meanings(text)) > 1:
        with pytest.raises(RequestError, match="1 date can be read in two ways"):
            read(path, as_csv(rows))
    else:
        assert read(path, as_csv(rows)).patients.transplanted[0] == days
    assert read(path, as_csv(rows), order).patients.transplanted[0] == days
    if day.day > 12:
        with pytest.raises(RequestError, match="is no date if it is read"):
            read(path, as_csv(rows), "month-first" if first else "day-first")


@many
@given(st.lists(st.integers(0, 36_000), min_size=1, max_size=6), st.integers(-500, 500), st.data())
def test_days_count_from_the_patients_own_enrolment(
    tmp_path: Path, spans: list[int], shift: int, data: st.DataObject
) -> None:
    shifts = [shift + data.draw(st.integers(0, 90)) for _ in spans]
    rows = [["enrolled", "transplanted", "died", "last_seen"]]
    rows += [
        [str(start), "", "", f"{start + span + 0.5}".replace(".", ",")]
        for start, span in zip(shifts, spans, strict=True)
    ]
    patients = read(tmp_path / "p.csv", as_csv(rows, ";")).patients
    assert patients.last_seen.tolist() == [span + 0.5 for span in spans]
    several = len(set(shifts)) > 1
    assert (
        np.array_equal(patients.arrived, np.array(shifts) - min(shifts))
        if several
        else np.isnan(patients.arrived).all()
    )


@many
@given(st.integers(0, 22), st.sampled_from(DATED), st.integers(-4000, 4000))
def test_a_moved_date_is_refused_or_moves_that_day_alone(
    tmp_path: Path, place: int, at: int, days: int
) -> None:
    rows = example()
    plain = read(tmp_path / "p.csv", as_csv(rows)).patients
    if not rows[place + 1][at]:
        return
    rows[place + 1][at] = (date.fromisoformat(rows[place + 1][at]) + timedelta(days)).isoformat()
    try:
        moved = read(tmp_path / "p.csv", as_csv(rows)).patients
    except RequestError as error:
        told = str(error)
    else:
        told = ""
    if told:
        assert f"row {place + 2}, " in told
        return
    others = np.arange(23) != place
    for name in EVENTS:
        np.testing.assert_array_equal(getattr(moved, name)[others], getattr(plain, name)[others])
    name = ("", "", "transplanted", "engrafted", "discharged", "relapsed", "died", "", "last_seen")[at]
    changed = {
        each
        for each in EVENTS
        if not np.array_equal(getattr(moved, each), getattr(plain, each), equal_nan=True)
    }
    assert at == 1 or not days or name in changed
