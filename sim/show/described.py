"""Patients of one's own for people: every figure as it is written, and what is found in one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from sim.centre.described import SMALL
from sim.outcomes.survival import FEW_AT_RISK
from sim.scenario.schema import DAYS_PER_YEAR
from sim.show.kit.formats import decimals, interval_texts
from sim.show.kit.grid import Column, Grid, number
from sim.show.kit.prose import declared, one_sentence, sentences
from sim.work.results import Results

_MANY_DAYS = 730
_MARK = "\N{DAGGER}"


class SeenLine:
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
            share = "" if math.isnan(self.estimate) else f" ({self._texts[0]})"
            return f"{self.count:.0f} of {self.n:.0f}{share}"
        return self._texts[0]

    @property
    def interval_text(self) -> str:
        """The 95% interval; a limit that is not reached is told as such."""
        if all(math.isnan(each) for each in self.limits):
            return ""
        low, high = (text or "not reached" for text in self._texts[1:])
        unit = "%" if high.endswith("%") else high[high.index(" ") :]
        return f"{low.removesuffix(unit)} to {high}"

    @property
    def limits_text(self) -> str:
        """The 95% interval, or why there is none, as it stands in brackets behind the estimate."""
        return "; ".join(filter(None, (self.interval_text, self.note)))

    @property
    def count_text(self) -> str:
        """A count out of all, with its share and interval; where causes are open, the range of counts."""
        if math.isnan(self.count):
            counts, _, why = self.note.partition(": ")
            return f"{counts} ({self.interval_text}; {why})"
        small = _MARK if self.small else ""
        return f"{self.count:.0f} of {self.n:.0f}{small} ({self._texts[0]}, {self.limits_text})"

    @property
    def at_risk_text(self) -> str:
        """How many are followed so long."""
        return "" if math.isnan(self.at_risk) else f"{self.at_risk:.0f}"

    @property
    def remarks(self) -> str:
        """Why there is no figure, and whether it is a small cell."""
        return "; ".join(filter(None, (self.note, _MARK if self.small else "")))

    @property
    def _texts(self) -> list[str]:
        """The estimate and the limits with their units; empty where there is none."""
        values = (self.estimate, *self.limits)
        if self.unit == "days":
            long = any(each >= _MANY_DAYS for each in values)
            told = [f"{each / DAYS_PER_YEAR:.1f} years" if long else f"{each:.0f} days" for each in values]
        else:
            low, high = self.limits
            digits = decimals(50 * (high - low)) if high > low else 0
            texts = interval_texts(100 * self.estimate, 100 * low, 100 * high, digits)
            told = [f"{text}%" for text in texts]
        return ["" if math.isnan(each) else text for each, text in zip(values, told, strict=True)]


def _words(table: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = declared("described")[table]
    return found


def told(table: pd.DataFrame) -> list[SeenLine]:
    """Read the rows of ``figures.csv``."""
    return [SeenLine(row) for row in table.itertuples(index=False)]


def read_at(figures: Sequence[SeenLine], name: str) -> SeenLine | None:
    """Return the latest reading of a curve with enough at risk, else the earliest; None with very few."""
    own = [each for each in figures if each.name == name and not math.isnan(each.estimate)]
    enough = [each for each in own if each.at_risk >= FEW_AT_RISK]
    return enough[-1] if enough else next((each for each in own if each.at_risk >= SMALL), None)


def same_time(figures: Sequence[SeenLine], name: str, other: SeenLine | None) -> SeenLine | None:
    """Return the reading of a curve at the time of another's."""
    own = (each for each in figures if other is not None and (each.name, each.time) == (name, other.time))
    return next((each for each in own if not math.isnan(each.estimate)), None)


def finding(results: Results) -> str:
    """Say in one sentence what was seen."""
    figures, manifest = told(results.tables["figures"]), results.manifest
    one = {each.name: each for each in figures if math.isnan(each.time)}
    # Who died before reinfusion is told first: of all enrolled, wherever enrolment is known.
    of_all = not manifest["from_transplant"] and manifest["deaths_recorded"]
    lead = read_at(figures, "overall_survival_enrolled" if of_all else "overall_survival")
    if not manifest["deaths_recorded"]:
        lead = read_at(figures, "disease_free_survival")
    treated = one["treatment_related_mortality" if of_all else "treatment_deaths_day_100"]
    reinfused = same_time(figures, "overall_survival", lead) if of_all else None
    deaths = ("pre_transplant_mortality", "died_reinfused") if of_all else ("died_reinfused",)
    dead = sum(one[name].count for name in deaths)
    return one_sentence(
        "described", "finding", manifest, of_all, lead, treated, reinfused,
        None if math.isnan(dead) else round(dead), SMALL,
    )  # fmt: skip


def title(results: Results) -> str:
    """Return the head line."""
    return one_sentence("described", "title", results.manifest["reconstructed"])


def cautions(manifest: Mapping[str, Any]) -> list[str]:
    """Say of what kind the patients are, if they are no ordinary ones."""
    made = sentences("described", "reconstructed") if manifest["reconstructed"] else []
    return made if manifest["deaths_recorded"] else [*made, *sentences("described", "one_event")]


def privacy(manifest: Mapping[str, Any]) -> list[str]:
    """Say what the folder tells of single patients."""
    return sentences("described", "privacy", manifest["every_days"], manifest["reconstructed"])


def grids(results: Results) -> list[Grid]:
    """Return every figure, table by table."""
    figures = told(results.tables["figures"])
    columns = (
        (Column("figure"), lambda each: each.label),
        (number("seen"), lambda each: each.estimate_text),
        (number("95% interval"), lambda each: each.interval_text),
        (number("at risk"), lambda each: each.at_risk_text),
        (Column("remark", plain=True), lambda each: each.remarks),
    )
    tables = []
    for heading, names in _words("tables").items():
        own = [each for each in figures if each.name in names]
        small = sentences("described", "small", SMALL - 1) if any(each.small for each in own) else []
        more = sentences("described", "followed") if heading == "Since reinfusion" else []
        tables.append(Grid.of(heading, own, columns, [*more, *small]))
    return [grid for grid in tables if grid.rows]
