"""What a tornado tells: how far each parameter moves a figure over its stated range."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from sim.scenario.changes import in_words
from sim.scenario.endpoints import BY_NAME, Endpoint, Key, key_of
from sim.show.kit.formats import format_interval, format_value, with_unit, written
from sim.show.kit.grid import Cells, Column, Grid, numbers
from sim.show.kit.prose import one_sentence, sentences
from sim.show.kit.scenario_words import in_sentence
from sim.work.results import Results

VERSIONS = ("held", "re-solved")
_STILL = "under 0.01"


class Swing(NamedTuple):
    """One parameter in one version."""

    key: str
    version: str
    unit: str
    source: str
    low: float
    high: float
    status: str
    swing: float
    changes: tuple[tuple[float, float, float], tuple[float, float, float]]

    @property
    def found(self) -> bool:
        """Whether either end differs from the scenario by more than its error."""
        return any(lower * upper > 0 for _, lower, upper in self.changes)

    def ends(self) -> tuple[str, str]:
        """Return both ends of the range, with their unit."""
        return with_unit(written(self.low), self.unit), with_unit(written(self.high), self.unit)


def key_asked(results: Results) -> Key:
    """Return the figure that is moved."""
    return key_of(results.manifest["tornado"]["endpoint"])


def swings(results: Results) -> list[Swing]:
    """Return all rows of ``tornado.csv``."""
    return [_swing(row) for row in results.tables["tornado"].to_dict("records")]


def _swing(row: Mapping[Any, Any]) -> Swing:
    low, high = (
        tuple(float(row.get(f"{part}_at_{end}", math.nan)) for part in
              ("difference", "difference_lower", "difference_upper"))
        for end in ("low", "high")
    )  # fmt: skip
    text = {
        name: "" if row[name] != row[name] else str(row[name]) for name in ("unit", "range_source", "status")
    }
    return Swing(
        str(row["parameter"]), str(row["version"]), text["unit"], text["range_source"], float(row["low"]),
        float(row["high"]), text["status"], float(row["swing"]), (low, high),  # type: ignore[arg-type]
    )  # fmt: skip


def change_text(endpoint: Endpoint, change: tuple[float, float, float]) -> str:
    """Write a change with its interval; of the exact twin itself alone."""
    value, lower, upper = change
    if math.isnan(value):
        return ""
    half = (upper - lower) / 2 if upper > lower else math.nan
    if math.isnan(half):
        known = 0.0005 if endpoint.kind == "share" else 0.0
        if abs(value) < known / 10:
            return "0" if value == 0 else _STILL
        return format_interval(endpoint, value, value, value, known).partition(" (")[0]
    return format_interval(endpoint, value, lower, upper, half)


def is_still(endpoint: Endpoint, each: Swing) -> bool:
    """Return whether the exact twin tells that a parameter moves a share by nothing worth a digit."""
    return {change_text(endpoint, change) for change in each.changes} <= {"0", _STILL}


def table(results: Results) -> Grid:
    """Return the tornado as a table, largest swing first."""
    endpoint = BY_NAME[key_asked(results)[0]]
    found: list[Cells] = [
        (each.key, each.version, *each.ends(), *(change_text(endpoint, one) for one in each.changes),
         each.status, each.source)
        for each in swings(results)
    ]  # fmt: skip
    heads = (
        Column("parameter", code=True), Column("others"),
        *numbers("low", "high", "change at low", "change at high"), Column("remark"), Column("range from"),
    )  # fmt: skip
    notes = sentences("study", "tornado_notes", results.manifest["tornado"], len(left_out(results).rows))
    return Grid("What moves it", heads, found, notes)


def left_out(results: Results) -> Grid:
    """Return the parameters without a stated range."""
    rows = results.tables["left_out"]
    found = list(rows[["key", "why"]].itertuples(index=False, name=None))
    return Grid(
        "Left out, because no range is stated", (Column("parameter", code=True), Column("why")), found
    )


def found_sentence(results: Results) -> str:
    """Say what moves the figure most, in each version."""
    key = key_asked(results)
    endpoint = BY_NAME[key[0]]
    said = []
    for version in VERSIONS:
        best = next((each for each in swings(results) if each.version == version and each.swing > 0), None)
        if best is not None:
            low, high = (change_text(endpoint, change) for change in best.changes)
            said.append((version, is_still(endpoint, best), in_words(best.key), low, high, *best.ends()))
    base = results.manifest["tornado"]["base"]
    return one_sentence("study", "tornado", in_sentence(key), format_value(endpoint, base), endpoint, said)
