"""What patients of one's own add to what is known, for people: before them, and with them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sim.calibrate.histories import LITTLE
from sim.centre.described import SMALL
from sim.scenario.endpoints import BY_NAME, Key, label
from sim.scenario.schema import DAYS_PER_YEAR, Scenario
from sim.show.calibration_shown import records, short_name, signed, written
from sim.show.kit.formats import format_range, format_value, rows
from sim.show.kit.grid import Column, Grid, number
from sim.show.kit.prose import one_sentence, sentences
from sim.show.kit.scenario_words import headlines
from sim.work.results import Results

FIRST = (
    "treatment_related_mortality", "pre_transplant_mortality", "overall_survival_enrolled",
    "overall_survival", "disease_free_survival", "relapse_incidence",
)  # fmt: skip
"""Endpoints that are told, of the enrolled first."""


@dataclass(frozen=True)
class BeforeAndAfter:
    """One figure before and with the patients: mean and 95%, and the larger Monte Carlo half-width.

    ``seen`` is what these showed, with its interval; not numbers where that can't be told.
    """

    key: Key
    before: tuple[float, float, float]
    after: tuple[float, float, float]
    half_width: float
    seen: tuple[float, float, float] = (math.nan, math.nan, math.nan)
    at_risk: float = math.nan

    @property
    def apart(self) -> bool:
        """Whether the interval of what was seen and the 95% with the patients have nothing in common."""
        return self.seen[1] > self.after[2] or self.seen[2] < self.after[1]

    @property
    def seen_text(self) -> str:
        """What was seen, with its interval; few at risk are told."""
        if math.isnan(self.seen[0]):
            return ""
        low, high = self.seen[1:]
        known = 0.0 if math.isnan(low) else (high - low) / 20
        value = format_value(BY_NAME[self.key[0]], self.seen[0], known)
        span = "" if math.isnan(low) else f" ({format_range(BY_NAME[self.key[0]], low, high)})"
        risk = "" if math.isnan(self.at_risk) else f", {self.at_risk:.0f} at risk"
        return value + span + risk

    @property
    def label(self) -> str:
        """The endpoint in words."""
        return label(self.key)

    def text(self, when: tuple[float, float, float]) -> str:
        """Write a figure with its interval."""
        endpoint = BY_NAME[self.key[0]]
        value = format_value(endpoint, when[0], self.half_width)
        return f"{value} ({format_range(endpoint, when[1], when[2], self.half_width)})"

    @property
    def narrower(self) -> float:
        """Width of the interval with the patients, of that before."""
        was = self.before[2] - self.before[1]
        return (self.after[2] - self.after[1]) / was if was else 1.0


def figures(results: Results) -> list[BeforeAndAfter]:
    """Return the figures that are told first: what becomes of the enrolled, and then of the reinfused."""
    horizon = results.scenario.follow_up.horizon_years
    wanted = [(name, horizon if BY_NAME[name].timed else None) for name in FIRST]
    found = {each.key: each for each in all_figures(results)}
    return [found[key] for key in dict.fromkeys([*wanted, *headlines(results.scenario)]) if key in found]


def all_figures(results: Results) -> Iterator[BeforeAndAfter]:
    """Yield every figure that both predictions have, at all times."""
    before, after = (
        {row.key: row for row in rows(results.tables[name]) if not math.isnan(row.estimate)}
        for name in ("predictions_before", "predictions")
    )
    seen = dict(_seen(results.tables["seen"]))
    for key in (key for key in before if key in after):
        both = before[key], after[key]
        was, now = ((row.estimate, row.posterior_lower, row.posterior_upper) for row in both)
        yield BeforeAndAfter(key, was, now, max(row.half_width for row in both), *seen.get(key, ()))


def _seen(table: pd.DataFrame) -> Iterator[tuple[Key, tuple[tuple[float, float, float], float]]]:
    """Yield what was seen of each endpoint, and how many were at risk then."""
    for row in records(table):
        time = None if pd.isna(row["time_years"]) else float(row["time_years"])
        if not pd.isna(row["estimate"]):
            yield (row["figure"], time), ((row["estimate"], row["lower"], row["upper"]), row["at_risk"])


def count_text(count: int) -> str:
    """Write a count; a small one is marked."""
    return f"{count}*" if 0 < count < SMALL else str(count)


def seen_sentences(results: Results) -> list[str]:
    """Say who was learned from."""
    own = results.manifest["patients"]
    days = own["median_follow_up_days"]
    causes = {cause: count_text(count) for cause, count in own["dead_by_cause"].items() if count}
    counts = {name: count_text(own[name]) for name in ("reinfused", "dead_before_reinfusion", "dead")}
    relapsed = None if own["relapsed"] is None else count_text(own["relapsed"])
    years = None if days is None else days / DAYS_PER_YEAR
    small = any("*" in text for text in (*causes.values(), *counts.values(), relapsed or ""))
    return sentences("learned", "seen", own, counts, relapsed, causes, years, small, SMALL)


def found_sentences(results: Results) -> list[str]:
    """Say what the patients add: of all enrolled first."""
    told = figures(results)
    posterior = results.manifest["posterior"]
    parameters = records(results.tables["parameters"])
    most = max(parameters, key=lambda row: float(row["gain"]))
    little = [short_name(row["key"]) for row in parameters if row["gain"] < LITTLE]
    lead = next((each for each in told if each.key[0] == "overall_survival_enrolled"), told[0])
    return sentences(
        "learned", "found", lead, lead.text(lead.before), lead.text(lead.after), posterior,
        short_name(most["key"]), most["variance_left"], most["moved"], little,
        results.manifest["patients"]["patients"],
    )  # fmt: skip


def rests_on(results: Results) -> list[str]:
    """Say how the posterior was found, and what to know of it."""
    return sentences("learned", "rests", results.manifest["posterior"], results.manifest["plan"])


def grids(results: Results) -> Iterator[Grid]:
    """Yield the tables: figures before and with the patients, and parameters."""
    told = figures(results)
    columns = (
        (Column("figure"), lambda each: each.label),
        (number("seen in your patients (95%)"), lambda each: each.seen_text or "not known"),
        (number("before, mean (95%)"), lambda each: each.text(each.before)),
        (number("with your patients, mean (95%)"), lambda each: each.text(each.after)),
        (number("width of the 95% left"), lambda each: f"{100 * each.narrower:.0f}%"),
    )
    yield Grid.of("What your patients add", told, columns, sentences("learned", "figures_notes"))
    parameters = (
        (Column("parameter"), lambda row: short_name(row["key"])),
        (number("as in the scenario"), lambda row: written(row["key"], row["point"])),
        (number("before, 95%"), lambda row: _between(row, "prior_lower", "prior_upper")),
        (number("with your patients, 95%"), lambda row: _between(row, "lower", "upper")),
        (number("variance left"), lambda row: f"{100 * row['variance_left']:.0f}%"),
        (number("moved by"), lambda row: f"{signed(row['moved'], 1)} SD"),
    )
    notes = sentences("learned", "parameter_notes")
    yield Grid.of("What is known of the parameters", records(results.tables["parameters"]), parameters, notes)


def _between(row: dict[str, Any], low: str, high: str) -> str:
    return f"{written(row['key'], row[low])} to {written(row['key'], row[high])}"


def caution(scenario: Scenario) -> str:
    """Say of whom the figures are."""
    return one_sentence("learned", "of_whom", scenario.title)
