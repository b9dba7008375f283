"""What every page tells of a study's sources: parameters, evidence, and the files of the folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sim.scenario.evidence import all_evidence
from sim.show.checklist import sets_it
from sim.show.kit.formats import format_parameter
from sim.show.kit.grid import Cells, Column, Grid
from sim.show.kit.prose import declared
from sim.work.files import TIMINGS
from sim.work.results import Results


def all_values(rows: Sequence[Mapping[str, Any]], title: str = "All values") -> Grid:
    """Return every parameter with its source; those that the scenario itself sets are set off."""
    found = [(*_told(row), str(row["source"]), _origin(row)) for row in rows]
    columns = (*_columns("parameter", "value", "unit", "status"), Column("source"), Column("from"))
    own = frozenset(at for at, row in enumerate(rows) if sets_it(row))
    return Grid(title, columns, found, shaded=own)


def set_values(rows: Sequence[Mapping[str, Any]], name: str) -> Grid:
    """Return the parameters that a scenario itself sets, and what was there before."""
    found: list[Cells] = []
    for row in filter(sets_it, rows):
        key, value, unit, status = _told(row)
        found.append((key, value, unit, _origin(row), status, str(row["source"])))
    columns = (*_columns("parameter", "value", "unit", "before", "status"), Column("source"))
    return Grid(f"What {name} sets itself, and what was there before", columns, found)


def _columns(key: str, *headings: str) -> tuple[Column, ...]:
    return Column(key, code=True), *map(Column, headings)


def _told(row: Mapping[str, Any]) -> Cells:
    return str(row["key"]), format_parameter(row["value"]), str(row["unit"]), str(row["status"])


def _origin(row: Mapping[str, Any]) -> str:
    return str(row["inherited_from"]) or "set here"


def evidence_grid(names: Iterable[str]) -> Grid:
    """Return published figures as they were printed."""
    found: list[Cells] = []
    for name in names:
        row = all_evidence()[name]
        limits = f" ({row.lower} to {row.upper})" if row.lower and row.upper else ""
        value = f"{row.value}{limits} {row.unit}".strip()
        at = f"{row.population}{f', {row.time}' if row.time else ''}"
        found.append((row.id, row.quantity, at, value, row.n, row.status, row.reference))
    columns = (
        *map(Column, ("id", "quantity", "population", "value")), Column("n", number=True),
        Column("status"), Column("reference"),
    )  # fmt: skip
    return Grid("Evidence in use, as it was printed", columns, found)


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
