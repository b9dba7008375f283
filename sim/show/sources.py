"""What every page tells of a study's sources: parameters, evidence, and the files of the folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sim.scenario.evidence import Evidence, all_evidence
from sim.show.checklist import sets_it
from sim.show.kit.formats import format_parameter
from sim.show.kit.grid import Column, Grid, number
from sim.show.kit.prose import declared
from sim.work.files import TIMINGS
from sim.work.results import Results

_PARAMETER = (Column("parameter", code=True), "key")
_VALUE = (Column("value"), lambda row: format_parameter(row["value"]))
_UNIT, _STATUS, _SOURCE = ((Column(name), name) for name in ("unit", "status", "source"))


def all_values(rows: Sequence[Mapping[str, Any]], title: str = "All values") -> Grid:
    """Return every parameter with its source; those that the scenario itself sets are set off."""
    columns = (_PARAMETER, _VALUE, _UNIT, _STATUS, _SOURCE, (Column("from"), _origin))
    own = frozenset(at for at, row in enumerate(rows) if sets_it(row))
    return Grid.of(title, rows, columns, shaded=own)


def set_values(rows: Sequence[Mapping[str, Any]], name: str) -> Grid:
    """Return the parameters that a scenario itself sets, and what was there before."""
    columns = (_PARAMETER, _VALUE, _UNIT, (Column("before"), _origin), _STATUS, _SOURCE)
    title = f"What {name} sets itself, and what was there before"
    return Grid.of(title, filter(sets_it, rows), columns)


def _origin(row: Mapping[str, Any]) -> str:
    return str(row["inherited_from"]) or "set here"


def evidence_grid(names: Iterable[str]) -> Grid:
    """Return published figures as they were printed."""
    return Grid.of("Evidence in use, as it was printed", [all_evidence()[name] for name in names], (
        (Column("id"), lambda row: row.id),
        (Column("quantity"), lambda row: row.quantity),
        (Column("population"), lambda row: f"{row.population}{f', {row.time}' if row.time else ''}"),
        (Column("value"), _printed),
        (number("n"), lambda row: row.n),
        (Column("status"), lambda row: row.status),
        (Column("reference"), lambda row: row.reference),
    ))  # fmt: skip


def _printed(row: Evidence) -> str:
    limits = f" ({row.lower} to {row.upper})" if row.lower and row.upper else ""
    return f"{row.value}{limits} {row.unit}".strip()


def files(results: Results) -> Grid:
    """Return the files of a folder and what they hold; some hold more under draws of a posterior."""
    known = declared("files")
    held = {**known[results.kind], **(known.get(f"{results.kind}-drawn", {}) if results.draws else {})}
    folder = results.folder
    found = [
        (name, what)
        for name, what in {**held, **known["every"]}.items()
        if name == TIMINGS or (folder is not None and (folder / name).is_file())
    ]
    return Grid("Files of the folder", (Column("file"), Column("holds")), found, wide=False)
