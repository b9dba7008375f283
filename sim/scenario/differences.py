"""In what scenarios differ: every parameter that has another value, by stage of the pathway."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sim.scenario.describe import show_rows
from sim.scenario.load import Loaded
from sim.scenario.merging import used_parameters
from sim.scenario.registry import lookup, parameters
from sim.scenario.schema import Scenario

TIME_ZERO = "cohort.enters_at"
COUNTED_FROM = "counted from"
TRANSPLANTED = "whether transplanted"
"""What `TIME_ZERO` is a group of: another day to count from, another treatment, or both at once."""

STAGES: Mapping[str, tuple[str, ...]] = {
    COUNTED_FROM: (TIME_ZERO,),
    "people": ("cohort.age_years", "cohort.female"),
    "accrual and follow-up": ("cohort.patients", "arrivals", "follow_up"),
    "clinic": ("clinic",),
    "mobilisation and harvest": ("mobilisation", "harvest"),
    "recovery and active disease": ("transplant", "recovery", "active_disease"),
    "immunoablation": ("immunoablation",),
    "aplasia and its infections": ("aplasia",),
    "late infection": ("late_infection",),
    "response and relapse": ("response", "relapse"),
    "after relapse": ("after_relapse",),
    "background": ("background",),
}
"""The beginnings of the parameters of each stage, in the order of the pathway."""


def begins(key: str, start: str) -> bool:
    """Tell whether a key is another, or lies under it."""
    return key == start or key.startswith(f"{start}.")


def stage_of(key: str, values: Collection[Any] = ()) -> str:
    """Return the stage of a parameter; never to be transplanted is more than to be counted from another day.

    Parameters
    ----------
    values
        Its values.
    """
    if key == TIME_ZERO and "home" in values:
        return f"{TRANSPLANTED}, and {COUNTED_FROM}" if "immunoablation" in values else TRANSPLANTED
    return next(stage for stage, starts in STAGES.items() if any(begins(key, start) for start in starts))


def values_of(scenario: Scenario) -> dict[str, Any]:
    """Return every value by its key, as plain numbers, words and tables."""
    tree = scenario.model_dump(exclude_none=True)
    return {each.key: lookup(tree, each.key) for each in used_parameters(tree)}


def differing_keys(one: Scenario, other: Scenario) -> list[str]:
    """Return the parameters whose values differ, or that one alone has, in the order of the pathway."""
    ours, theirs = values_of(one), values_of(other)
    keys = [key for key in parameters() if ours.get(key) != theirs.get(key)]
    return sorted(keys, key=_order)


def _order(key: str) -> int:
    return list(STAGES).index(stage_of(key))


class Differing(NamedTuple):
    """One parameter that differs, with its row of each scenario, as `show_rows` gives them; None without."""

    stage: str
    key: str
    unit: str
    rows: tuple[Mapping[str, Any] | None, ...]


def differing(tables: Sequence[Sequence[Mapping[str, Any]]]) -> Iterator[Differing]:
    """Yield the parameters that differ between the rows of some scenarios, stage after stage."""
    named = [{str(row["key"]): row for row in table} for table in tables]
    found = []
    for key in dict.fromkeys(key for table in named for key in table):
        rows = tuple(table.get(key) for table in named)
        first = rows[0] and rows[0]["value"]
        if any((row and row["value"]) != first for row in rows):
            unit = next(str(row["unit"]) for row in rows if row)
            stage = stage_of(key, [row["value"] for row in rows if row])
            found.append(Differing(stage, key, unit, rows))
    yield from sorted(found, key=lambda each: _order(each.key))


def diff_rows(one: Loaded, other: Loaded) -> list[dict[str, Any]]:
    """Return one row a parameter that differs: stage, key, both values, unit, and where each comes from."""
    rows = []
    for each in differing([show_rows(one), show_rows(other)]):
        row: dict[str, Any] = {"stage": each.stage, "key": each.key}
        sides = list(zip("ab", each.rows, strict=True))
        for name in ("value", "status", "source"):
            row |= {f"{name}_{side}": own and own[name] for side, own in sides}
            if name == "value":
                row["unit"] = each.unit
        rows.append(row)
    return rows
