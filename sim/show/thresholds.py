"""Thresholds for people: the table, and what is said of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sim.scenario.changes import in_words
from sim.scenario.endpoints import BY_NAME, Key, key_of
from sim.scenario.registry import unit_of
from sim.scenario.values import get_value
from sim.show.kit.formats import format_value, written
from sim.show.kit.grid import Cells, Column, Grid, numbers
from sim.show.kit.prose import sentences
from sim.show.kit.scenario_words import in_sentence
from sim.show.swept import key_with_unit, spot
from sim.work.results import Results

_KINDS = ("posterior", "target")
"""Of what is not known about a threshold."""


def asked(results: Results) -> tuple[Key, float]:
    """Return the figure and what it shall be."""
    return key_of(results.manifest["for"]["endpoint"]), float(results.manifest["for"]["value"])


def table(results: Results) -> Grid:
    """Return the thresholds, each with its kinds of uncertainty, as many as were asked for."""
    over, key = results.manifest["over"], results.manifest["by"]["key"]
    kinds = [kind for kind in _KINDS if f"{kind}_lower" in results.thresholds]
    found: list[Cells] = [
        (
            *(written(row[name]) for name in over),
            _value(results, row),
            *(_between(row, kind) for kind in kinds),
        )
        for row in results.thresholds.to_dict("records")
    ]
    heads = {"posterior": "posterior\n95%", "target": "sampling error of\nthe target, 95%"}
    columns = (
        *(Column(name, code=True) for name in over),
        *numbers(key_with_unit(key), *(heads[kind] for kind in kinds)),
    )
    return Grid("Where the figure is what was asked for", columns, found)


def _value(results: Results, row: Mapping[str, Any]) -> str:
    """Write a threshold, or how far the figure goes."""
    (name, _), target = asked(results)
    if not math.isnan(row["value"]):
        several = "" if row["status"] == "met" else f" ({row['status']})"
        return f"{float(row['value']):.3g}{several}"
    side = "at most" if row["attainable"] < target else "at least"
    return f"out of reach: {side} {format_value(BY_NAME[name], row['attainable'], 0.001)}"


def _between(row: Mapping[str, Any], kind: str) -> str:
    """Write an interval of thresholds; an end that is out of reach is open. Empty without one."""
    low, high = row.get(f"{kind}_lower", math.nan), row.get(f"{kind}_upper", math.nan)
    if math.isnan(low) or math.isnan(high):
        return f"up to {high:.3g}" if high == high else f"{low:.3g} or more" if low == low else "out of reach"
    return f"{low:.3g} to {high:.3g}"


def finding(results: Results) -> str:
    """Say in one sentence where the figure is what was asked for."""
    return _said(results, "finding")[0]


def sentences_of(results: Results) -> list[str]:
    """Say it with every kind of uncertainty, and what the answer rests on."""
    return _said(results, "found")


def _said(results: Results, macro: str) -> list[str]:
    manifest, (key, target) = results.manifest, asked(results)
    by, endpoint = manifest["by"], BY_NAME[key[0]]
    rows = [
        {
            "met": not math.isnan(row["value"]), "found": _value(results, row),
            "spot": spot({name: row[name] for name in manifest["over"]}),
            "missed": float(row.get("posterior_out_of_reach", 0.0)),
            **{kind: _between(row, kind) if f"{kind}_lower" in row else "" for kind in _KINDS},
        }
        for row in results.thresholds.to_dict("records")
    ]  # fmt: skip
    return sentences(
        "solve", macro, rows, in_sentence(key), format_value(endpoint, target), in_words(by["key"]),
        unit_of(by["key"]), written(get_value(results.scenario, by["key"])), manifest["for"]["count"],
        written(by["low"]), written(by["high"]),
    )  # fmt: skip
