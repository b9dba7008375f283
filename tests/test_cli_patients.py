"""``lupus-hsct patients``: a table is checked or begun, and nothing of it is written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import openpyxl
import pytest
from made_tables import EXAMPLE

import sim
from sim.cli import run as command_line

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_check_says_what_was_read_and_writes_nothing(capsys: Captured) -> None:
    shutil.copy(EXAMPLE, "p.csv")
    assert command_line(["patients", "check", "p.csv"]) == 0
    said = capsys.readouterr().out
    assert "transplanted  date of transplant  22" in said
    assert "22 transplanted, 9 relapsed, 6 died (cause: 1 treatment, 5 lupus)." in said
    assert "Living: 17, followed for 201 to 2,378 days from enrolment; median 1,041." in said
    assert "2014-02-23" not in said
    assert [path.name for path in Path().iterdir()] == ["p.csv"]
    assert command_line(["patients", "check", "p.csv", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (row,) = told["rows"]
    assert told["command"] == "patients check"
    assert (row["patients"], row["died"], row["died_by_cause"]["lupus"]) == (23, 6, 5)
    assert row["columns"]["died"] == "date of death"
    assert row["sha256"] == sim.patients_from("p.csv").sha256
    assert row["living_followed_days"] == {"shortest": 201, "median": 1041, "longest": 2378}


def test_check_refuses_in_one_message(capsys: Captured) -> None:
    text = EXAMPLE.read_text("utf-8").replace("2018-07-05", "05/07/2018").replace("lupus", "tea", 1)
    Path("p.csv").write_text(text, "utf-8")
    assert command_line(["patients", "check", "p.csv", "--column", "cause=cause of death"]) == 2
    caught = capsys.readouterr()
    assert not caught.out
    assert caught.err.startswith(
        "Error: 2 mistakes in p.csv; nothing was read\n1 date can be read in two ways"
    )
    assert command_line(["patients", "check", "p.csv", "--dates", "day-first", "--column", "cause="]) == 0
    assert "Times are dates, read day-first; only days from enrolment are kept." in capsys.readouterr().out
    assert command_line(["patients", "check", "p.csv", "--dates", "iso"]) == 2
    for wrong in (["cause"], ["cause=x", "--column", "cause=y"]):
        assert command_line(["patients", "check", "p.csv", "--column", *wrong]) == 2
    assert "--column cause=y: is given twice" in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_new_writes_a_table_to_fill_in(ending: str, capsys: Captured) -> None:
    file = f"mine.{ending}"
    assert command_line(["patients", "new", file]) == 0
    assert f"lupus-hsct patients check {file}" in capsys.readouterr().out
    assert command_line(["patients", "check", file]) == 2  # it has nobody yet
    assert "has a header and no patients under it" in capsys.readouterr().err
    row = ["2001-03-04", "2001-05-20", "", "", "", "2004-01-01", "34", "f", "", ""]
    if ending == "csv":
        with Path(file).open("a", encoding="utf-8") as written:
            written.write(",".join(row))
    else:
        book = openpyxl.load_workbook(file)
        book.active.append(row)
        book.save(file)
    assert sim.patients_from(file).patients.last_seen.tolist() == [1033]
    before = Path(file).read_bytes()
    assert command_line(["patients", "new", file]) == 2
    assert "exists; choose another name, or --force to write over it" in capsys.readouterr().err
    assert Path(file).read_bytes() == before
    assert command_line(["patients", "new", file, "--force", "--example"]) == 0
    assert len(sim.patients_from(file).patients) == 23


@pytest.mark.parametrize("file", ["mine.ods", "mine", "none/mine.csv", ""])
def test_new_refuses_other_names(file: str, capsys: Captured) -> None:
    assert command_line(["patients", "new", file]) == 2
    assert "Error: " in capsys.readouterr().err


def test_the_library_speaks_of_keywords(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("enrolled,gone,died,last_seen\n2001-03-04,,,03/04/2004\n")
    with pytest.raises(sim.RequestError, match="say which with `dates` day-first"):
        sim.patients_from(path, column={"transplanted": "gone"})
    with pytest.raises(sim.RequestError, match="`column`: 3 given; allowed: a dictionary"):
        sim.patients_from(path, column=3)
    table = sim.patients_from(path, column="transplanted=gone", dates="month-first")
    assert table.patients.last_seen.tolist() == [1096]
