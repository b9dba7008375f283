"""Tables are read as they are, or refused with all that is wrong by row and column."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import openpyxl
import pytest
from made_tables import EXAMPLE, as_csv, as_workbook, example

from sim.centre import workbook
from sim.centre.columns import COLUMNS
from sim.centre.reading import ReadTable, read_patients
from sim.centre.words import fold, meanings, months, vocabulary
from sim.commands.patients import new_table
from sim.scenario.problems import RequestError

HEADER = "enrolled,transplanted,relapsed,died,cause,last_seen,age,sex"
GOOD = "2001-03-04,2001-05-20,,,,2004-01-01,34.5,f"


def read(tmp_path: Path, *lines: str, data: bytes | None = None, **asked: str) -> ReadTable:
    path = tmp_path / "p.csv"
    path.write_bytes("\n".join(lines).encode() if data is None else data)
    return read_patients(path, **asked)  # type: ignore[arg-type]


def refusal(tmp_path: Path, *lines: str, data: bytes | None = None, **asked: str) -> str:
    with pytest.raises(RequestError) as caught:
        read(tmp_path, *lines, data=data, **asked)
    return str(caught.value).replace(str(tmp_path / "p.csv"), "p.csv")


def test_the_shipped_example_is_what_it_says() -> None:
    table = read_patients(EXAMPLE)
    patients = table.patients
    assert (len(patients), patients.reinfused.sum(), patients.has_relapsed.sum()) == (23, 22, 9)
    assert [int((patients.cause == each).sum()) for each in ("treatment", "lupus", "other", "unknown")] == [
        1,
        5,
        0,
        0,
    ]
    fifteenth = [
        getattr(patients, each)[14] for each in ("transplanted", "died", "last_seen", "age", "arrived")
    ]
    assert np.isnan(fifteenth[0])
    assert fifteenth[1:] == [15, 15, 33, (date(2015, 10, 15) - date(2011, 12, 31)).days]
    assert patients.rows == tuple(range(2, 25))
    assert table.mapping["died"] == "date of death"
    assert table.notes[0] == "not used: patient no"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (
            "2001-06-04,2001-08-20,2001-07-09,,,2003-01-01,22,m",
            "relapsed = 2001-07-09, transplanted = 2001-08-20: relapse before the transplantation",
        ),
        (
            "2001-06-04,,,2003-01-01,lupus,2002-01-01,22,m",
            "died = 2003-01-01, last_seen = 2002-01-01: death after last seen",
        ),
        (
            "2001-06-04,,,2003-01-01,lupus,2004-01-01,22,m",
            "last_seen = 2004-01-01, died = 2003-01-01: seen after death",
        ),
        ("2001-06-04,,,,sepsis,2003-01-01,22,m", "cause = sepsis, died = (empty): cause without a death"),
        (
            "2001-06-04,2001-05-04,,,,2003-01-01,22,m",
            "transplanted = 2001-05-04, enrolled = 2001-06-04: is before enrolment",
        ),
        ("2001-06-04,,,,,,22,m", "last_seen = (empty): is needed: the patient lives"),
        (",,,,,2003-01-01,22,m", "enrolled = (empty): is needed of everybody"),
        ("2001-06-04,,2002-01-01,,,2003-01-01,22,m", "relapse without a transplantation"),
        (
            "2001-06-04,2004-01-01,,,,2003-01-01,22,m",
            "transplanted = 2004-01-01, last_seen = 2003-01-01: is after last seen",
        ),
        (
            "2001-06-04,2001-07-01,2003-02-01,2003-01-01,SLE,,22,m",
            "relapsed = 2003-02-01, died = 2003-01-01: is after death",
        ),
        ("2001-06-04,,,yes,,2003-01-01,22,m", "died = yes: must be a date (2019-04-03) or days"),
        ("2001-06-04,,,2002-02-30,,,22,m", "died = 2002-02-30: there is no such day"),
        ("2001-06-04,,,04.03.02,,,22,m", "died = 04.03.02: the year needs four digits"),
        (
            "2001-06-04,,,2002,,,22,m",
            "died = 2002: is a number, and the other times of the table are dates; a year alone",
        ),
        ("2001-06-04,,,37987,,,22,m", "a spreadsheet counts dates so: format the column as dates"),
        (
            "2001-06-04,,,20020304,,,22,m",
            "died = 20020304: is no number of days; a date is written 2019-04-03",
        ),
        ("2001-06-04,,,,,2101-01-01,22,m", "last_seen = 2101-01-01: lies in the future"),
        ("1801-06-04,,,,,2001-01-01,22,m", "enrolled = 1801-06-04: lies before 1900"),
        ("1901-06-04,,,,,2011-01-01,22,m", "is more than 100 years after enrolment"),
        (
            "2001-06-04,,,2002-01-01,broken heart,,22,m",
            "cause = broken heart: must be treatment, lupus, other or unknown",
        ),
        ("2001-06-04,,,,,2002-01-01,122,m", "age = 122: must be a number above 0 and at most 110 years"),
        ("2001-06-04,,,,,2002-01-01,22 y,m", "age = 22 y: must be a number above 0"),
        ("2001-06-04,,,,,2002-01-01,22,1", "sex = 1: must be female or male"),
        ("2001-06-04,,,,,2002-01-01,22", "row 3, 7 cells: the header has 8"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_by_row_and_column(row: str, told: str, tmp_path: Path) -> None:
    said = refusal(tmp_path, HEADER, GOOD, row)
    assert said.startswith("1 mistake in p.csv; nothing was read\nrow 3, ")
    assert told in said


def test_every_mistake_is_in_one_list_and_a_long_list_is_cut_by_kind(tmp_path: Path) -> None:
    bad = "2001-06-04,,2002-01-01,yes,tea,,222,z"
    lines = refusal(tmp_path, HEADER, "", GOOD, bad, *[GOOD.replace("34.5", "x")] * 30).splitlines()
    assert lines[0] == "34 mistakes in p.csv; nothing was read"
    assert [line.split(" = ")[0] for line in lines[1:5]] == [
        f"row 4, {each}" for each in ("age", "cause", "died", "sex")
    ]
    assert lines[-1].startswith("the same in 28 more rows (7, 8, 9, ")


def test_what_may_mean_two_things_is_refused(tmp_path: Path) -> None:
    rows = ["2001-03-04,03/04/2001,,,,2004-01-01,34.5,f", "2001-03-04,25/04/2001,,,,2004-01-01,34.5,f"]
    said = refusal(tmp_path, HEADER, *rows)
    assert (
        "1 date can be read in two ways, as in row 2, transplanted = 03/04/2001: 3 Apr 2001 (day-first)"
        in said
    )
    assert "--dates day-first or --dates month-first" in said
    assert "row 3, transplanted = 25/04/2001, can only be day-first" in said
    assert read(tmp_path, HEADER, *rows, dates="day-first").patients.transplanted.tolist() == [30, 52]
    assert "transplanted = 25/04/2001: is no date if it is read month-first" in refusal(
        tmp_path, HEADER, *rows, dates="month-first"
    )
    both = [GOOD, rows[1], rows[1].replace("25/04", "04/25")]
    assert "dates are written in two orders: row 3" in refusal(tmp_path, HEADER, *both)
    assert refusal(tmp_path, HEADER, GOOD, dates="ymd") == "--dates ymd: must be day-first or month-first"
    days = "0,77,,,,1.234,34.5,f"
    assert "last_seen = 1.234: may be 1234 or 1.2340" in refusal(tmp_path, HEADER, days)
    assert "m alone may be male or mujer" in refusal(tmp_path, HEADER, GOOD.replace(",f", ",m"))
    assert "all times are years (row 2, enrolled = 2001)" in refusal(
        tmp_path, HEADER, "2001,2002,,,,2005,30,f"
    )
    codes = refusal(tmp_path, HEADER, "0,77,,0,,400,30,f", "0,80,,1,,500,30,f")
    assert "died holds nothing but 0, 1 or 2: is that yes and no?" in codes
    mixed = refusal(tmp_path, HEADER, GOOD, "2001-03-04,77,,,,400,30,f")
    assert mixed.count("is a number, and the other times of the table are dates") == 2


def test_the_last_columns_of_a_workbook_may_be_empty(tmp_path: Path) -> None:
    path = new_table(tmp_path / "mine.xlsx")
    book = openpyxl.load_workbook(path)
    for row in example()[1:]:  # engraftment and discharge, columns 3 and 4, come last in the template
        book.active.append([cell or None for cell in (*row[1:3], *row[5:])])
    book.save(path)
    table = read_patients(path)
    assert np.array_equal(table.patients.last_seen, read_patients(EXAMPLE).patients.last_seen)
    assert np.isnan(table.patients.engrafted).all()


def test_columns_are_found_by_their_words_or_as_the_user_says(tmp_path: Path) -> None:
    german = "Einschluss;Datum der Transplantation;Rückfall;Todesdatum;Todesursache;Letzter Kontakt"
    german += ";Alter (Jahre);Geschlecht"
    row = "04.03.2001;20.05.2001;;;;01.01.2004;34,5;w"
    table = read(tmp_path, german, row, dates="day-first")
    assert [*table.mapping] == HEADER.split(",")
    assert (table.patients.age[0], table.patients.female[0], table.patients.transplanted[0]) == (34.5, 1, 77)
    other = HEADER.replace("died", "end of life").replace("last_seen", "last sen")
    said = refusal(tmp_path, other, GOOD)
    assert 'no column is last_seen: did you mean --column last_seen="last sen"?' in said
    assert "no column is died: death; empty of the living" in said
    assert said.startswith("2 mistakes in p.csv; nothing was read\n")  # the list of headers is none
    asked = {"died": "End of Life", "last_seen": "last sen"}
    assert read_patients(tmp_path / "p.csv", columns=asked).mapping["died"] == "end of life"
    twice = refusal(tmp_path, HEADER + ",date of death", GOOD + ",")
    assert '"died" and "date of death" may each be died: say which, as in --column died="died"' in twice
    table = read_patients(tmp_path / "p.csv", columns={"died": "died", "relapsed": ""})
    assert not table.patients.relapse_recorded
    assert any(note.startswith("not used: relapsed, date of death") for note in table.notes)
    assert any("no column is relapsed" in note for note in table.notes)
    for name, header, told in (
        ("dead", "gone", "--column dead: no such column"),
        ("sexe", "sex", '--column sexe: the name comes first: --column sex="sexe"'),
        ("died", "dyed", '--column died="dyed": no such header; did you mean died?'),
        ("cause", "died", "died and cause can't both be the column died"),
    ):
        with pytest.raises(RequestError, match=told):
            read_patients(tmp_path / "p.csv", columns={"died": "died", "relapsed": "", name: header})
    assert '"died" and "died" may each be died: rename or remove one' in refusal(
        tmp_path, HEADER + ",died", GOOD + ","
    )


@pytest.mark.parametrize("header", ["Tx-Datum", "TX", "HSCT date"])
def test_short_words_of_clinics_are_known(header: str, tmp_path: Path) -> None:
    row = GOOD.replace(",f", ",H")  # homme, hombre
    table = read(tmp_path, HEADER.replace("transplanted", header), row)
    assert (table.mapping["transplanted"], table.patients.female[0]) == (header, 0)


def test_words_have_one_meaning_each() -> None:
    assert [*vocabulary()["columns"]] == [*COLUMNS]
    for table in ("causes", "sex"):
        words = [(fold(word), meaning) for meaning, listed in vocabulary()[table].items() for word in listed]
        assert len({word for word, _ in set(words)}) == len(set(words))
        assert dict(words) == meanings(table)
    assert (months()["marz"], months()["juin"], months()["ago"], months()["dic"]) == (3, 6, 8, 12)
    assert "jui" not in months()


def test_without_enrolment_times_count_from_transplantation(tmp_path: Path) -> None:
    header = "transplant,relapse,death,cause of death,last seen,date of birth"
    table = read(
        tmp_path,
        header,
        "2001-05-20,,,,2004-01-01,1970-05-20",
        "2001-06-20,2002-01-01,2003-01-01,,,1980-01-01",
    )
    patients = table.patients
    assert patients.from_transplant
    assert patients.transplanted.tolist() == [0, 0]
    assert patients.last_seen.tolist() == [956, 560]
    assert patients.arrived.tolist() == [0, 31]
    assert patients.cause.tolist() == ["", "unknown"]
    assert patients.age[0] == pytest.approx(31, abs=0.01)
    said = refusal(tmp_path, header, "2001-05-20,,,,2004-01-01,", ",,,,2004-01-01,")
    assert "row 3, transplant = (empty): is needed of everybody, as no column is enrolled" in said
    days = read(tmp_path, header, "70,,,,400,", "90,200,300,lupus,,").patients
    assert days.last_seen.tolist() == [330, 210]
    assert np.isnan(days.arrived).all()  # nobody knows from when these days count


def test_notes_say_what_a_model_takes_otherwise(tmp_path: Path) -> None:
    late, sudden = (
        "2001-03-04,2001-05-20,,2001-09-20,sepsis,,34,f",
        "2001-03-04,2001-05-20,,2001-09-20,SLE,,34,f",
    )
    notes = read(tmp_path, HEADER, GOOD, late, sudden, GOOD, GOOD.replace("34.5,f", ",")).notes
    assert notes == (
        "cause of death read as treatment: sepsis",
        "cause of death read as lupus: SLE",
        "the column of relapses is empty: nobody relapsed",
        "age is not known of 1 of 5",
        "sex is not known of 1 of 5",
        "deaths of the treatment later than day 100 after transplantation (row 3): the model counts "
        "treatment deaths to that day, and later ones as other",
        "deaths of lupus after transplantation without a relapse: row 4",
        "identical rows, which may be one patient twice: rows 2 and 5",
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_of_any_kind_is_read(delimiter: str, encoding: str, tmp_path: Path) -> None:
    rows = [[*example()[0], "größe"], *([*row, "a,b;c\td\ne"] for row in example()[1:])]
    table = read(tmp_path, data=as_csv(rows, delimiter, encoding, "\r\n"))
    assert np.array_equal(table.patients.last_seen, read_patients(EXAMPLE).patients.last_seen)
    assert table.patients.rows == tuple(range(2, 25))
    assert any("größe" in note for note in table.notes)
    assert any("Windows-1252" in note for note in table.notes) == (encoding == "cp1252")


def test_a_spreadsheets_own_first_line_and_decimal_commas(tmp_path: Path) -> None:
    table = read(
        tmp_path, "sep=;", HEADER.replace(",", ";"), "0;77,5;;;;1000;34,5;f", ";;;;;;;;;", "0;;;;;9;1;F"
    )
    assert table.patients.transplanted[0] == 77.5
    assert table.patients.rows == (2, 4)
    said = refusal(tmp_path, "a, b;c,d", "1,2;3,4", "1,2;3,4")
    assert "can't tell whether comma or semicolon parts the columns" in said
    assert "3 cells: the header has 1; is there a title above" in refusal(
        tmp_path, "My patients", "a,b,c", "1,2,3"
    )
    assert "quotes do not close" in refusal(tmp_path, HEADER, GOOD + '"x', '"' + GOOD)


def test_workbooks_give_values_of_one_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = openpyxl.Workbook()
    book.active.append([])
    book.active.append(HEADER.split(","))
    book.active.append([datetime(2001, 3, 4), date(2001, 5, 20), None, None, None, "2004-01-01", 34.567, "f"])
    book.create_sheet("empty")
    path = tmp_path / "p.xlsx"
    book.save(path)
    table = read_patients(path)
    assert (table.patients.age[0], table.patients.transplanted[0], table.patients.rows) == (34.567, 77, (3,))
    book["Sheet"]["J3"] = "of 1"
    book.save(path)
    with pytest.raises(
        RequestError, match="row 3, 10 cells: the header has 8; is something written right of"
    ):
        read_patients(path)
    book["Sheet"]["J3"] = None
    book["Sheet"]["D3"] = "=TODAY()"
    book.save(path)
    with pytest.raises(RequestError, match=r"row 3: the formula =TODAY\(\) has no value"):
        read_patients(path)
    path.write_bytes(as_workbook(example(), "notes"))
    with pytest.raises(RequestError, match='2 sheets hold something; say which is meant: --sheet "Sheet"'):
        read_patients(path)
    assert len(read_patients(path, sheet="Sheet").patients) == 23
    with pytest.raises(RequestError, match='no sheet "sheet"; did you mean Sheet'):
        read_patients(path, sheet="sheet")
    with pytest.raises(RequestError, match="only a workbook"):
        read_patients(EXAMPLE, sheet="Sheet")
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(RequestError, match=r"pip install 'lupus-hsct\[excel\]'"):
        read_patients(path, sheet="Sheet")


def _zipped(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "/").replace("_xml", ".xml"), data)
    return packed.getvalue()


HOSTILE: Sequence[tuple[bytes, str]] = (
    (b"", "is empty"),
    (b"\n\n ,,\n", "is empty"),
    (HEADER.encode(), "has a header and no patients under it"),
    (b"a\0b", "is neither text nor a table"),
    (b"\xff\xfea", "is neither text nor a table"),
    (b",".join(b"%d" % at for at in range(10**6)) + b"\n", "has 1,000,000 columns"),
    (b"\xd0\xcf\x11\xe0" + b"x" * 600, "is an old workbook"),
    (b"\x1f\x8bxx", "is packed"),
    (b"PAR1xxxx", "is a damaged Parquet file"),
    (b"PK\x03\x04" + b"x" * 100, "is a workbook with a password, or damaged"),
    (_zipped(content_xml=b""), "is an OpenDocument table"),
    (_zipped(word__document_xml=b""), "is a zip file and no workbook"),
    (_zipped(xl__workbook_xml=b"<!DOCTYPE x>"), "entities"),
    (_zipped(xl__workbook_xml=b"<workbook/>"), "is a workbook with a password, or damaged"),
)


@pytest.mark.parametrize(("data", "told"), HOSTILE)
def test_what_is_no_table_is_one_message(data: bytes, told: str, tmp_path: Path) -> None:
    said = refusal(tmp_path, data=data)
    assert told in said
    assert "\n" not in said


def test_what_unpacks_without_end_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb = _zipped(xl__workbook_xml=b"", xl__worksheets__sheet1_xml=bytes(2**20 + workbook._MOST_UNPACKED))
    assert len(bomb) < 2**20
    assert "unpacks to more than 256 MiB" in refusal(tmp_path, data=bomb)


def test_folders_devices_and_globs_are_files_or_refused(tmp_path: Path) -> None:
    for path, told in (
        (tmp_path, "is a folder"),
        (Path("/dev/zero"), "is a device"),
        (tmp_path / "no", "no such file"),
    ):
        with pytest.raises(RequestError, match=told):
            read_patients(path)
    rows = "SELECT DATE '2001-01-01' enrolled, NULL::DATE transplanted, NULL died, "
    rows += "TIMESTAMP '2002-01-01' last_seen, {} age"
    for name, age in (("a*.parquet", 30), ("ab.parquet", 40)):
        duckdb.sql(f"COPY ({rows.format(age)}) TO '{tmp_path / name}' (FORMAT parquet)")
    assert read_patients(tmp_path / "a*.parquet").patients.age.tolist() == [30]  # and not the other file, too


def test_nobody_at_risk_is_refused(tmp_path: Path) -> None:
    said = refusal(tmp_path, HEADER, "2001-03-04,,,,,2001-03-04,30,f", "2001-03-05,,,2001-03-05,,,30,f")
    assert "nobody is at risk: no patient was followed for even a day" in said


def test_a_table_of_many_patients_takes_seconds(tmp_path: Path) -> None:
    count, first = 20_000, date(2000, 1, 1)
    days = [(first + timedelta(days=at % 6000)).isoformat() for at in range(count + 400)]
    lines = [
        f"{days[at]},{days[at + 60] if days[at + 60] > days[at] else ''},,,,2019-01-01,30,f"
        for at in range(count)
    ]
    assert len(read(tmp_path, HEADER, *lines).patients) == count
