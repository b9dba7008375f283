"""Patients of one's own for people: every figure as it is written, and what is found in one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from sim.centre.described import SMALL
from sim.outcomes.survival import FEW_AT_RISK
from sim.scenario.schema import DAYS_PER_YEAR
from sim.show.kit.formats import format_share
from sim.show.kit.grid import Column, Grid, number
from sim.show.kit.prose import declared, one_sentence, sentences
from sim.work.results import Results

_MANY_DAYS = 730
_POINT = 0.01
_MARK = "\N{DAGGER}"


class Told:
    """One row of ``figures.csv``, with its figures as they are written for people.

    Parameters
    ----------
    row
        As `DataFrame.itertuples` gives it.
    """

    def __init__(self, row: Any) -> None:
        self.name, self.note, self.small = str(row.figure), str(row.note), bool(row.small_cell)
        self.time, self.unit = float(row.time_years), str(row.unit)
        self.estimate, self.limits = float(row.estimate), (float(row.lower), float(row.upper))
        self.count, self.n, self.at_risk = float(row.count), float(row.n), float(row.at_risk)

    @property
    def when(self) -> str:
        """The time at which it is read, in words."""
        if self.time < 1:
            return f"{12 * self.time:g} months"
        return f"{self.time:g} year{'' if self.time == 1 else 's'}"

    @property
    def label(self) -> str:
        """The figure and its time in words."""
        name = str(_words("figures")[self.name])
        return name if math.isnan(self.time) else f"{name}, {self.when}"

    @property
    def estimate_text(self) -> str:
        """The estimate with its unit; a count with what it is out of; empty where there is none."""
        if self.unit == "patients":
            return f"{self.estimate:.0f}"
        if not math.isnan(self.count):
            share = "" if math.isnan(self.estimate) else f" ({self._written(self.estimate)})"
            return f"{self.count:.0f} of {self.n:.0f}{share}"
        return self._written(self.estimate)

    @property
    def interval_text(self) -> str:
        """The 95% interval; a limit that is not reached is told as such."""
        if all(math.isnan(each) for each in self.limits):
            return ""
        low, high = (self._written(each) or "not reached" for each in self.limits)
        if "not reached" in (low, high):
            return f"{low} to {high}"
        unit = "%" if low.endswith("%") else low[low.index(" ") :]
        return f"{low.removesuffix(unit)} to {high}" if high.endswith(unit) else f"{low} to {high}"

    @property
    def at_risk_text(self) -> str:
        """How many are followed so long."""
        return "" if math.isnan(self.at_risk) else f"{self.at_risk:.0f}"

    @property
    def remarks(self) -> str:
        """Why there is no figure, and whether it is a small cell."""
        return "; ".join(filter(None, (self.note, _MARK if self.small else "")))

    def _written(self, value: float) -> str:
        if math.isnan(value):
            return ""
        if self.unit != "days":
            low, high = self.limits
            return format_share(value, (high - low) / 2 if high > low else _POINT)
        long = max(self.estimate, *(each for each in self.limits if each == each), 0.0) >= _MANY_DAYS
        return f"{value / DAYS_PER_YEAR:.1f} years" if long else f"{value:.0f} days"


def _words(table: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = declared("described")[table]
    return found


def told(table: pd.DataFrame) -> list[Told]:
    """Read the rows of ``figures.csv``."""
    return [Told(row) for row in table.itertuples(index=False)]


def read_at(figures: Sequence[Told], name: str) -> Told | None:
    """Return the latest reading of a curve with enough at risk, else the earliest; None without any."""
    own = [each for each in figures if each.name == name and not math.isnan(each.estimate)]
    enough = [each for each in own if each.at_risk >= FEW_AT_RISK]
    return enough[-1] if enough else next(iter(own), None)


def same_time(figures: Sequence[Told], name: str, other: Told | None) -> Told | None:
    """Return the reading of a curve at the time of another's."""
    own = (each for each in figures if other is not None and (each.name, each.time) == (name, other.time))
    return next((each for each in own if not math.isnan(each.estimate)), None)


def finding(results: Results) -> str:
    """Say in one sentence what was seen."""
    figures, manifest = told(results.tables["figures"]), results.manifest
    alive = read_at(figures, "overall_survival")
    survival = alive or read_at(figures, "disease_free_survival")
    treated = next(each for each in figures if each.name == "treatment_deaths_day_100")
    early = treated.estimate_text
    words = "alive" if alive else "disease-free"
    return one_sentence(
        "described",
        "finding",
        manifest["patients"]["patients"],
        manifest["patients"]["reinfused"],
        survival,
        early,
        words,
    )


def title(results: Results) -> str:
    """Return the head line."""
    return one_sentence("described", "title", results.manifest["reconstructed"])


def cautions(manifest: Mapping[str, Any]) -> list[str]:
    """Say of what kind the patients are, if they are no ordinary ones."""
    made = sentences("described", "reconstructed") if manifest["reconstructed"] else []
    return made if manifest["deaths_recorded"] else [*made, *sentences("described", "one_event")]


def privacy(manifest: Mapping[str, Any]) -> list[str]:
    """Say what the folder tells of single patients."""
    return sentences("described", "privacy", manifest["every_days"])


def grids(results: Results) -> list[Grid]:
    """Return every figure, table by table."""
    figures = told(results.tables["figures"])
    columns = (
        (Column("figure"), lambda each: each.label),
        (number("seen"), lambda each: each.estimate_text),
        (number("95% interval"), lambda each: each.interval_text),
        (number("at risk"), lambda each: each.at_risk_text),
        (Column(""), lambda each: each.remarks),
    )
    tables = []
    for heading, names in _words("tables").items():
        own = [each for each in figures if each.name in names]
        small = sentences("described", "small", SMALL - 1) if any(each.small for each in own) else []
        more = sentences("described", "followed") if heading == "Since reinfusion" else []
        tables.append(Grid.of(heading, own, columns, [*more, *small]))
    return [grid for grid in tables if grid.rows]
