"""Tables written to disk in parts while they grow, so that memory stays flat, and joined at the end."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

NO_MEMORY = (duckdb.OutOfMemoryException, duckdb.InternalException, duckdb.FatalException)
"""How DuckDB says that it got no memory: by assertions of its own, too."""
_ROWS = 4096
# Beginnings of a formula, but for those of a number.
_FORMULA = r"'*[=+\-@\t\r＝＋－＠]"
_NUMBER = r"[+-](?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
_LITTLE_SPACE = 2**20  # bytes


def connect() -> duckdb.DuckDBPyConnection:
    """Open a DuckDB without files whose results do not depend on the number of threads."""
    return duckdb.connect(":memory:", config={"threads": 1})


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet; not-a-number becomes null."""
    with connect() as database:
        database.register("frame", frame)
        _copy(database, "SELECT * FROM frame", path)


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet table."""
    with connect() as database:
        return database.read_parquet(str(path)).df()


def read_csv(path: Path, kinds: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Read a CSV table; every number is the one that was written, to the last bit.

    Parameters
    ----------
    kinds
        Types of columns by name; of the others it is found out.
    """
    # pandas before 3.1 rounds every third number unless told not to; later ones deprecate being told.
    older = tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1)
    table = pd.read_csv(path, dtype=kinds, **({"float_precision": "round_trip"} if older else {}))
    return _rewritten(table, f"^'({_FORMULA})", r"\1")


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, with no cell that a spreadsheet would run as a formula: `read_csv` undoes it."""
    held = _rewritten(table, f"^(?!{_NUMBER})({_FORMULA})", r"'\1")
    held.to_csv(path, index=False, lineterminator="\n")


def _rewritten(table: pd.DataFrame, pattern: str, by: str) -> pd.DataFrame:
    """Return a table with what its texts have of a pattern written in another way."""
    texts = table.select_dtypes(include=["object", "string"])
    some = [str(name) for name in texts if texts[name].astype(str).str.match(pattern).any()]
    return table.assign(**{name: texts[name].replace(pattern, by, regex=True) for name in some})


def _copy(database: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    target = str(path).replace("'", "''")
    options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROWS}"  # a group is held in memory whole
    try:
        database.execute(f"COPY ({query}) TO '{target}' ({options})")
    except duckdb.IOException as error:
        full = "No space left" in str(error)  # it may have freed what it wrote
        if full or shutil.disk_usage(path.parent).free < _LITTLE_SPACE:
            raise OSError(errno.ENOSPC, "No space left on device", str(path.parent)) from error
        raise OSError(errno.EIO, f"can't write ({error})", str(path)) from error
    except NO_MEMORY as error:
        raise MemoryError(f"no memory to write {path}") from error


class Spool:
    """One growing table in a folder.

    Parameters
    ----------
    folder
        Where the parts are kept; it exists.
    name
        Name of the table, and of the joined file without its ending.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._parts: list[Path] = []
        self._buffer: list[pd.DataFrame] = []
        self._rows = 0

    def add(self, columns: Mapping[str, Any]) -> None:
        """Append rows; every call names the same columns."""
        frame = pd.DataFrame(dict(columns))
        self._buffer.append(frame)
        self._rows += len(frame)
        if self._rows >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        if not self._buffer:
            return
        path = self._folder / f"{self._name}.part{len(self._parts):06d}.parquet"
        write_parquet(pd.concat(self._buffer, ignore_index=True), path)
        self._parts.append(path)
        self._buffer, self._rows = [], 0

    def join(self) -> Path | None:
        """Join the parts into one file, remove them, and return its path; nothing was added: None."""
        self._flush()
        if not self._parts:
            return None
        path = self._folder / f"{self._name}.parquet"
        if len(self._parts) == 1:
            self._parts[0].replace(path)
        else:
            with connect() as database:
                database.execute("SET preserve_insertion_order = true")
                listed = ", ".join("'" + str(part).replace("'", "''") + "'" for part in self._parts)
                _copy(database, f"SELECT * FROM read_parquet([{listed}])", path)  # noqa: S608
            for part in self._parts:
                part.unlink()
        self._parts = []
        return path
