"""What a study of capacity tells: the smallest number of places, and what the next one averts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from sim.scenario.endpoints import BY_NAME, key_of, label
from sim.scenario.registry import unit_of
from sim.show.kit.formats import format_interval, format_range, format_value, with_unit, written
from sim.show.kit.grid import Cells, Column, Grid, numbers
from sim.show.kit.prose import sentences
from sim.show.swept import key_with_unit, spot
from sim.study.capacity import MEAN, NINE, OPENING, SETTLED
from sim.work.results import Results

_DEATHS = BY_NAME["infections_per_patient"]  # a plain number


def asked(results: Results) -> Mapping[str, Any]:
    """Return what was asked: endpoint, at_most, by and over."""
    found: Mapping[str, Any] = results.manifest["capacity"]
    return found


def by_demand(results: Results) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """Return the rows of each clinic, with the values that set it apart."""
    over, table = list(asked(results)["over"]), results.tables["capacity"]
    if not over:
        return [({}, table)]
    return [
        (dict(zip(over, values if isinstance(values, tuple) else (values,), strict=True)), own)
        for values, own in table.groupby(over, sort=False)
    ]


def table(results: Results) -> Grid:
    """Return the smallest numbers of places: a row a clinic and phase, a column a criterion."""
    over, rows = list(asked(results)["over"]), results.tables["smallest"]
    found: list[Cells] = []
    for address, own in rows.groupby([*over, "phase"], sort=False):
        status = own.set_index("criterion")["status"]
        found.append((*map(written, address), status[MEAN], status[NINE]))
    places = unit_of(asked(results)["by"])
    heads = (*(Column(key_with_unit(name)) for name in over), Column("clinic"))
    columns = (*heads, *numbers(f"{places}, {MEAN}", f"{places}, {NINE}"))
    return Grid(f"The smallest number of {places}", columns, found, sentences("study", "capacity_notes"))


def every(results: Results) -> Grid:
    """Return every number of places that was looked at."""
    ask = asked(results)
    endpoint, over = BY_NAME[key_of(ask["endpoint"])[0]], list(ask["over"])
    found: list[Cells] = []
    for row in results.tables["capacity"].to_dict("records"):
        half = (row["mc_upper"] - row["mc_lower"]) / 2
        interval = format_range(endpoint, row["mc_lower"], row["mc_upper"])
        figure = f"{format_value(endpoint, row['estimate'], half)} ({interval})"
        clinics = format_range(endpoint, row["clinics_lower"], row["clinics_upper"])
        averted = "" if math.isnan(row["averted"]) else averted_text(row, "all")
        found.append(
            (*(written(row[name]) for name in over), row["phase"], str(row["places"]), f"{row['load']:.2f}",
             figure, clinics, averted)
        )  # fmt: skip
    places = unit_of(ask["by"])
    heads = (*(Column(name, code=True) for name in over), Column("clinic"))
    tail = numbers(
        places, "load", label(key_of(ask["endpoint"])), "8 of 10 clinics", "deaths averted a year by one more"
    )
    return Grid(f"Every number of {places}", (*heads, *tail), found, sentences("study", "capacity_every"))


def averted_text(row: Mapping[Any, Any], kind: str = "averted") -> str:
    """Write how many deaths a year the next place averts, with its paired interval."""
    lower, upper = float(row[f"{kind}_lower"]), float(row[f"{kind}_upper"])
    return format_interval(_DEATHS, float(row["averted"]), lower, upper, (upper - lower) / 2)


def found_sentences(results: Results) -> list[str]:
    """Say how many places each clinic needs, and what one more than that averts."""
    ask, said = asked(results), []
    endpoint = BY_NAME[key_of(ask["endpoint"])[0]]
    smallest = results.tables["smallest"]
    for values, own in by_demand(results):
        rows = smallest
        for name, value in values.items():
            rows = rows[rows[name] == value]
        words = rows.set_index(["phase", "criterion"])["status"].astype(str)  # a file gives numbers back
        status = words.str.replace(": not decided", " (more trials would tell)").to_dict()
        least = rows[(rows["phase"] == OPENING) & (rows["criterion"] == MEAN)]["smallest"].iloc[0]
        next_ = own[(own["phase"] == OPENING) & (own["places"] == least)]
        more = averted_text(next_.iloc[0]) if len(next_) and not math.isnan(next_["averted"].iloc[0]) else ""
        said.append((spot(values), status, "" if math.isnan(least) else f"{least:g}", more))
    target = format_value(endpoint, ask["at_most"])
    places = unit_of(ask["by"])
    return sentences(
        "study", "capacity", said, label(key_of(ask["endpoint"])), target, places,
        (OPENING, SETTLED), (MEAN, NINE),
    )  # fmt: skip


def clinics_of(values: Mapping[str, Any]) -> str:
    """Name a clinic by the values that set it apart."""
    return ", ".join(with_unit(written(value), unit_of(name)) for name, value in values.items())


def phases(own: pd.DataFrame) -> Sequence[tuple[str, pd.DataFrame]]:
    """Return the rows of each phase."""
    return [(phase, own[own["phase"] == phase]) for phase in (OPENING, SETTLED)]
