"""Finished studies as their folders tell them: manifest and tables, from which all that is shown is made."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from sim.scenario.problems import RequestError
from sim.scenario.reading import read_text
from sim.scenario.refusals import cut_short
from sim.scenario.schema import Scenario
from sim.work.files import MANIFEST, SEALS, altered, sealed_files
from sim.work.spool import NO_MEMORY, read_csv, read_parquet

FORMAT = 4
"""Version of the folders' layout."""

_MAIN = {
    "run": "endpoints", "study": "points", "compare": "comparison", "validate": "validation",
    "solve": "thresholds", "patients": "figures",
}  # fmt: skip
KINDS = (*_MAIN, "calibrate", "learn")
"""Of studies that this version reads."""
_SHOWN_ROWS = 12
_MOST_BYTES = 2**26  # of a manifest

# Columns of text, which may be empty from first to last and then look like numbers.
_TEXTS = (
    "target_source", "note", "reading", "role", "base", "overlaps", "differs", "source", "varied", "key",
    "unit", "factor", "stratum", "interval",
)  # fmt: skip

# Of a validation: whole numbers, and yes or no, some of which may be missing.
_KINDS = {"n": "Int64", "covered": "boolean"}


class Tables(Mapping[str, pd.DataFrame]):
    """Tables by the names of their files, each read when it is first asked for.

    Parameters
    ----------
    folder
        Whose CSV and Parquet files they are, those of ``figures/`` too.
    sealed
        Paths in it that the manifest has the hashes of; None for all.
    """

    def __init__(self, folder: Path, sealed: Collection[str] | None = None) -> None:
        there = [*folder.glob("*.parquet"), *folder.glob("figures/*.csv"), *folder.glob("*.csv")]
        found = [each for each in there if sealed is None or each.relative_to(folder).as_posix() in sealed]
        self._files = {path.stem: path for path in sorted(found, key=lambda path: path.parent == folder)}
        self._read: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._read:
            self._read[name] = read_table(self._files[name])
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


@dataclass(frozen=True, repr=False)
class Results:
    """A finished study: what was asked, and what was found. Every table is an attribute too.

    Attributes
    ----------
    manifest
        As in ``manifest.json``, but for its hashes of files.
    tables
        By the names of their files, without ending.
    folder
        Where they are; None if they are in memory alone.
    """

    manifest: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]
    folder: Path | None = None

    @property
    def kind(self) -> str:
        """The command that made it: run, study, compare, solve, validate, calibrate, learn or patients."""
        return str(self.manifest["command"])

    @property
    def draws(self) -> int | None:
        """Under how many draws of a posterior; None without one."""
        found = self.manifest.get("draws")
        return None if found is None else int(found)

    @cached_property
    def scenarios(self) -> dict[str, Scenario]:
        """The scenarios by name, as they were simulated; of a comparison the reference first.

        A description of patients has none.
        """
        if self.manifest.get("command") == "patients":
            return {}
        entries = self.manifest.get("scenarios") or self.manifest.get("cohorts") or [self.manifest]
        name = "cohort" if "cohorts" in self.manifest else "scenario"
        title = {each: self.manifest[each] for each in ("title",) if each in self.manifest}
        found = {str(each[name]): Scenario.model_validate(each["resolved"]) for each in entries}
        return (
            found if len(found) > 1 else {each: own.model_copy(update=title) for each, own in found.items()}
        )

    @property
    def scenario(self) -> Scenario:
        """The scenario; of several the first."""
        return next(iter(self.scenarios.values()))

    def pivot(self, endpoint: str, value: str = "estimate") -> pd.DataFrame:
        """Return one endpoint of a study's points: the first of what is varied down, all else across.

        Parameters
        ----------
        endpoint
            ``name`` or ``name@years``.
        value
            Which column of ``points``: ``estimate``, ``difference`` or a limit.

        Raises
        ------
        RequestError
            These results are of no study, or have no such endpoint or column.
        """
        points, varied = self.tables.get("points"), list(self.manifest.get("vary", ()))
        name, _, years = endpoint.partition("@")
        if points is None or not varied or value not in points:
            raise RequestError(
                f"pivot: {value} of {endpoint}: only points of a study have it, by what varies"
            )
        known = points[points["endpoint"] == name]
        if years:
            known = known[known["time_years"].map(lambda time: f"{time:g}") == years]
        if known.empty or known.duplicated(varied).any():
            there = dict.fromkeys(
                text if time != time else f"{text}@{time:g}"
                for text, time in zip(points["endpoint"], points["time_years"], strict=True)
            )
            raise RequestError(
                f"pivot: {cut_short(endpoint)}: no such endpoint; there are {', '.join(there)}"
            )
        index, *columns = varied
        return known.pivot_table(value, index, columns or None, aggfunc="first", sort=False)

    def table(self, name: str) -> pd.DataFrame | None:
        """Return a table; None if there is none."""
        return self.tables.get(name)

    def __getattr__(self, name: str) -> pd.DataFrame:
        if name.startswith("_") or name in ("manifest", "tables"):  # while it is unpickled
            raise AttributeError(name)
        if name not in self.tables:
            raise AttributeError(f"this {self.kind} has no table {name}; it has {', '.join(self.tables)}")
        return self.tables[name]

    def __dir__(self) -> list[str]:
        return sorted([*super().__dir__(), *self.tables])

    @property
    def _about(self) -> str:
        where = "in memory" if self.folder is None else f"in {self.folder.as_posix()}"
        return f"{' of '.join(filter(None, (self.kind, ', '.join(self.scenarios))))}, {where}"

    def __repr__(self) -> str:
        return f"<{self._about}: {', '.join(self.tables)}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the first rows of the main table."""
        main = self.table(_MAIN.get(self.kind, ""))
        shown = "" if main is None else main.head(_SHOWN_ROWS).to_html(index=False, border=0)
        return f"<p>{escape(self._about)}: {escape(', '.join(self.tables))}</p>{shown}"


def read_table(path: Path) -> pd.DataFrame:
    """Read a table as it was written, every number to the last bit and an empty text as such.

    Raises
    ------
    RequestError
        It can't be read.
    """
    try:
        if path.suffix == ".parquet":
            return read_parquet(path)
        head = pd.read_csv(path, nrows=0).columns
        texts = {name: str for name in _TEXTS if name in head}
        kinds = _KINDS if path.stem == "validation" else {}
        table = read_csv(path, {**texts, **kinds})
    except NO_MEMORY as error:
        raise MemoryError(f"no memory to read {path}") from error
    except (duckdb.Error, pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise RequestError(f"{path.parent} is damaged: {path.name} is no table; run it again") from error
    return table.fillna(dict.fromkeys(texts, ""))


def read_results(folder: Path, *, just_written: bool = False) -> Results:
    """Read the folder of a finished study of any kind.

    Parameters
    ----------
    just_written
        Whether this process has written it a moment ago, so that its files need not be hashed again.

    Raises
    ------
    RequestError
        It is missing, is no folder of a study, was written in another format, was altered since, or has
        links in it.
    """
    _refuse_links(folder)
    path = folder / MANIFEST
    missing = f", so {folder} is no folder of a study; name one that `lupus-hsct` wrote"
    text = read_text(path, str(path), "a manifest is JSON; run the study again", _MOST_BYTES, missing)
    try:
        manifest = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{folder}: {MANIFEST} can't be read ({error}); run the study again") from error
    written = manifest.get("format") if isinstance(manifest, dict) else None
    if written != FORMAT:
        raise RequestError(
            f"{folder} is in format {cut_short(str(written))}, and this version reads format {FORMAT}; run "
            "it again"
        )
    other = None if just_written else altered(manifest, folder)
    if other is not None:
        raise RequestError(
            f"{folder}: {other} is missing, or not as the study wrote it, so that nothing here can be "
            "trusted; put the file back, or run the study again"
        )
    if manifest.get("command") not in KINDS:
        kind = cut_short(str(manifest.get("command")))
        raise RequestError(f"{folder} holds a {kind}, as another version made it; run it again")
    told = {name: value for name, value in manifest.items() if name not in SEALS}
    return Results(told, Tables(folder, sealed_files(manifest)), folder)


def _refuse_links(folder: Path) -> None:
    """Refuse a folder in which something else than files may be read, or written, in the place of files."""
    for place in (folder, folder / "figures"):
        for path in place.iterdir() if place.is_dir() else ():
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise RequestError(
                    f"{path} is a link, or no regular file, and a study is read and written in its own "
                    "folder alone; put the file itself there, or remove it"
                )
