"""Tables that grow on disk come back whole, in order, with nothing changed."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from sim.work.spool import Spool, read_csv, read_parquet, write_csv, write_parquet


def fill(spool: Spool, rows: int, at_once: int) -> None:
    for first in range(0, rows, at_once):
        number = np.arange(first, min(first + at_once, rows))
        spool.add({"number": number, "half": np.where(number % 3 == 0, np.nan, number / 2)})


@pytest.mark.parametrize(("rows", "at_once"), [(1, 1), (1000, 7), (4096, 4096), (20_000, 1500)])
def test_rows_come_back_in_order(tmp_path: Path, rows: int, at_once: int) -> None:
    spool = Spool(tmp_path, "table")
    fill(spool, rows, at_once)
    path = spool.join()
    assert path is not None
    found, number = read_parquet(path), np.arange(rows)
    np.testing.assert_array_equal(found["number"], number)
    np.testing.assert_array_equal(found["half"], np.where(number % 3 == 0, np.nan, number / 2))


@pytest.mark.parametrize("folder", ["plain", "it's", 'quo"te', "a b", "50%", "run[1]", "naïve"])
def test_joining_leaves_one_whole_file_in_any_folder(tmp_path: Path, folder: str) -> None:
    place = tmp_path / folder
    place.mkdir()
    spool = Spool(place, "table")
    fill(spool, 10_000, 1500)
    path = spool.join()
    assert path == place / "table.parquet"
    assert list(place.iterdir()) == [path]
    table = read_parquet(path)
    assert list(table.columns) == ["number", "half"]
    np.testing.assert_array_equal(table["number"], np.arange(10_000))
    assert table["half"].isna().sum() == 3334


def test_how_rows_were_added_does_not_show_in_the_file(tmp_path: Path) -> None:
    files = []
    for at_once in (7, 1000, 3000):
        folder = tmp_path / str(at_once)
        folder.mkdir()
        spool = Spool(folder, "table")
        fill(spool, 3000, at_once)
        path = spool.join()
        assert path is not None
        files.append(path.read_bytes())
    assert len(set(files)) == 1


def test_nothing_added_leaves_no_file(tmp_path: Path) -> None:
    assert Spool(tmp_path, "table").join() is None
    assert list(tmp_path.iterdir()) == []


def test_numbers_and_text_survive_the_file(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "tiny": [5e-324, 0.1, -0.0, np.inf],
            "whole": [2**53 + 1, -1, 0, 1],
            "text": ["", "naïve", "it's", '"'],
            "flag": [True, False, True, True],
        }
    )
    write_parquet(frame, tmp_path / "frame.parquet")
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "frame.parquet"), frame, check_dtype=False)


def test_not_a_number_becomes_null(tmp_path: Path) -> None:
    write_parquet(pd.DataFrame({"x": [1.0, np.nan]}), tmp_path / "frame.parquet")
    assert read_parquet(tmp_path / "frame.parquet")["x"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("failure", "error", "said"),
    [
        (
            duckdb.IOException("Async: No space left on device"),
            OSError,
            "^.Errno 28. No space left on device",
        ),
        (duckdb.IOException("Permission denied"), OSError, "can't write .Permission denied"),
        (duckdb.OutOfMemoryException("Allocation failure"), MemoryError, "no memory to write"),
    ],
)
def test_what_the_database_can_not_do_is_said_in_terms_of_the_system(
    failure: Exception, error: type[Exception], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing:
        def __enter__(self) -> Failing:
            return self

        def __exit__(self, *_: object) -> None: ...

        def register(self, *_: object) -> None: ...

        def execute(self, _: str) -> None:
            raise failure

    monkeypatch.setattr("sim.work.spool.connect", Failing)
    with pytest.raises(error, match=said):
        write_parquet(pd.DataFrame({"a": [1]}), tmp_path / "a.parquet")


def test_missing_text_is_null(tmp_path: Path) -> None:
    # In a process of its own: DuckDB before 1.4 knew what is missing only after it had written other tables.
    code = """if True:
        import pathlib, pandas
        from sim.work.spool import write_parquet
        cause = pandas.array(["infection", None], dtype="string")
        write_parquet(pandas.DataFrame({"cause": cause}), pathlib.Path("table.parquet"))
    """
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=tmp_path, check=True)
    with duckdb.connect() as database:
        rows = database.read_parquet(str(tmp_path / "table.parquet")).fetchall()
    assert rows == [("infection",), (None,)]


def test_numbers_of_a_csv_come_back_to_the_last_bit(tmp_path: Path) -> None:
    written = pd.DataFrame({"number": np.random.default_rng(1).random(1000), "text": "1"})
    written.to_csv(tmp_path / "table.csv", index=False)
    found = read_csv(tmp_path / "table.csv", {"text": str})
    assert found["number"].tolist() == written["number"].tolist()
    assert set(found["text"]) == {"1"}


def test_no_cell_of_a_table_is_run_by_a_spreadsheet_and_each_is_read_back(tmp_path: Path) -> None:
    begins = ("=", "+", "-", "@", "\t", "'=", "''@")
    texts = [*(f'{begin}HYPERLINK("x")' for begin in begins), "-0.25", "+1e3", "a=b", "'", "", None]
    numbers = -1.5 * np.arange(1.0, len(texts) + 1)
    table = pd.DataFrame({"note": texts, "value": numbers, "mixed": [*texts[:-1], -2.5]})
    path = tmp_path / "t.csv"
    write_csv(table, path)
    with path.open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    formulas = [cell for cell in cells if cell[:1] in {*"=+-@\t\r"} and cell]
    assert {float(cell) for cell in formulas} == {-0.25, 1000.0, -2.5, *numbers}
    found = read_csv(path, {"note": str})
    assert found["note"].fillna("").tolist() == [text or "" for text in texts]
    assert found["mixed"].fillna("").tolist()[:-3] == texts[:-3]
    np.testing.assert_array_equal(found["value"], numbers)
