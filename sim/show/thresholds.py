"""Thresholds for people: the table, and what is said of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sim.scenario.changes import in_words
from sim.scenario.endpoints import BY_NAME, Key, key_of
from sim.scenario.evidence import published_values
from sim.scenario.registry import unit_of
from sim.scenario.values import get_value
from sim.show.kit.formats import format_difference, format_value, written
from sim.show.kit.grid import Cells, Column, Grid, numbers
from sim.show.kit.prose import sentences
from sim.show.kit.scenario_words import in_sentence
from sim.show.swept import key_with_unit, spot
from sim.study.estimates import EXACT
from sim.study.threshold import MET, OUT_OF_REACH
from sim.work.results import Results

_HEADS = {
    "mc": "Monte Carlo\n95%",
    "posterior": "posterior\n95%",
    "target": "sampling error of\nthe target, 95%",
}
"""Of what is not known about a threshold, how columns are headed."""


def question(results: Results) -> Mapping[str, Any]:
    """Return what was asked: of a study that answers more, the part of its manifest about thresholds."""
    found: Mapping[str, Any] = results.manifest.get("threshold", results.manifest)
    return found


def asked(results: Results) -> tuple[Key, float]:
    """Return the figure and what it shall be."""
    target = question(results)["for"]
    return key_of(target["endpoint"]), float(target["value"])


def arms_of(results: Results) -> tuple[str, str] | None:
    """Return the two arms whose figures are to be alike, if that was asked."""
    arms = question(results).get("arms")
    return None if arms is None else (str(arms[0]), str(arms[1]))


def figure_text(results: Results, value: float, half_width: float = math.nan) -> str:
    """Write a figure that was asked for: of two arms their difference, in points or its unit."""
    endpoint = BY_NAME[asked(results)[0][0]]
    if arms_of(results) is None:
        return format_value(endpoint, value, half_width)
    return f"{format_difference(endpoint, value, half_width)} {endpoint.unit or 'points'}"


def kinds_of(results: Results) -> list[str]:
    """Return what kinds of uncertainty the thresholds have; the exact twin leaves no Monte Carlo error."""
    found = results.thresholds
    exact = bool((found["note"] == EXACT).all())
    return [kind for kind in _HEADS if f"{kind}_lower" in found and not (exact and kind == "mc")]


def table(results: Results) -> Grid:
    """Return the thresholds, each with its kinds of uncertainty, as many as were asked for."""
    over, key, kinds = question(results)["over"], question(results)["by"]["key"], kinds_of(results)
    found: list[Cells] = [
        (
            *(written(row[name]) for name in over),
            _value(results, row),
            *(_between(row, kind) for kind in kinds),
        )
        for row in results.thresholds.to_dict("records")
    ]
    columns = (
        *(Column(name, code=True) for name in over),
        *numbers(key_with_unit(key), *(_HEADS[kind] for kind in kinds)),
    )
    return Grid("Where the figure is what was asked for", columns, found)


def _value(results: Results, row: Mapping[str, Any]) -> str:
    """Write a threshold, or how far the figure goes."""
    _, target = asked(results)
    if row["status"] != OUT_OF_REACH:
        value = "" if math.isnan(row["value"]) or "decided" in row["status"] else f"{row['value']:.3g}"
        several = "" if row["status"] == MET else f"({row['status']})" if value else row["status"]
        return f"{value} {several}".strip()
    side = "at most" if row["attainable"] < target else "at least"
    return f"out of reach: {side} {figure_text(results, row['attainable'], 0.001)}"


def _between(row: Mapping[str, Any], kind: str) -> str:
    """Write an interval of thresholds; an end that is out of reach is open. Empty without one."""
    low, high = row.get(f"{kind}_lower", math.nan), row.get(f"{kind}_upper", math.nan)
    if kind == "mc" and row["note"] == EXACT:
        return "none: exact"
    if kind == "mc" and math.isnan(row["value"]):
        return ""
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
    asks, (key, target), kinds = question(results), asked(results), kinds_of(results)
    by, arms = asks["by"], arms_of(results)
    rows = [
        {
            "met": not math.isnan(row["value"]), "status": row["status"], "found": _value(results, row),
            "spot": spot({name: row[name] for name in asks["over"]}), "exact": row["note"] == EXACT,
            "missed": float(row.get("posterior_out_of_reach", 0.0)),
            **{kind: _between(row, kind) if kind in kinds else "" for kind in _HEADS},
        }
        for row in results.thresholds.to_dict("records")
    ]  # fmt: skip
    about = {
        "name": in_words(by["key"]), "unit": unit_of(by["key"]), "whole": by["whole"],
        "own": written(get_value(results.scenario, by["key"])), "low": written(by["low"]),
        "high": written(by["high"]), "published": published_values(by["key"]),
    }  # fmt: skip
    figure = in_sentence(key)
    if arms is not None and macro == "finding":
        return sentences("solve", "alike", rows, figure, arms, about)
    if arms is not None:
        figure = f"{figure} {arms[0]} less that {arms[1]}"
    return sentences("solve", macro, rows, figure, figure_text(results, target), about, asks["for"]["count"])
