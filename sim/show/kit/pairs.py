"""Scenarios compared in pairs: their endpoints with the differences, and what their figures share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sim.scenario.endpoints import Key
from sim.show.kit.formats import Row, format_interval
from sim.show.kit.posterior_words import FIRST_DRAW
from sim.study.compare import DIFFERENCE_ERROR, IDENTICAL
from sim.study.estimates import Z95
from sim.work.results import Results

MAIN_ENDPOINTS = (
    "treatment_related_mortality",
    "transplant_related_mortality",
    "pre_transplant_mortality",
    "overall_survival",
    "disease_free_survival",
    "overall_survival_enrolled",
    "disease_free_survival_enrolled",
    "restricted_mean_survival_enrolled",
    "infections_per_patient",
    "length_of_stay_days",
    "waited",
    "room_wait_days",
    "died_waiting",
    "still_waiting",
    "room_occupancy",
)
"""What a comparison shows of its table, each at the latest time at which it is read."""


@dataclass(frozen=True, slots=True)
class EndpointPair:
    """One endpoint of the reference and of the scenario, and their difference; not a number where blank."""

    reference: Row
    scenario: Row
    value: float
    lower: float
    upper: float
    variance_reduction: float
    error: float
    """Standard error of the difference, where its limits are a posterior's; else not a number."""

    @property
    def identical(self) -> bool:
        """Whether the endpoint is the same in every replication."""
        return self.scenario.note.split("; ")[-1] == IDENTICAL

    @property
    def _half_width(self) -> float:
        """Half of the interval, or of that of Monte Carlo error where a posterior leaves less open."""
        error = 0.0 if math.isnan(self.error) else Z95 * self.error
        return max((self.upper - self.lower) / 2, error)

    @property
    def text(self) -> str:
        """The difference with its interval; why there is none where there is none."""
        if math.isnan(self.value):
            return self.scenario.note.replace("_", " ")
        if self.identical:
            return "0, in every trial"
        figures = (self.value, self.lower, self.upper, self._half_width)
        return format_interval(self.scenario.endpoint, *figures)


def pairs(comparison: pd.DataFrame, reference: str, name: str) -> list[EndpointPair]:
    """Return the main endpoints of one scenario that have a figure in it or in the reference.

    Parameters
    ----------
    comparison
        The columns of ``comparison.csv``.
    """
    own, base = (_by_key(comparison[comparison["scenario"] == each]) for each in (name, reference))
    last = {key[0]: key for key in own if key in base}
    chosen = [last[endpoint] for endpoint in MAIN_ENDPOINTS if endpoint in last]
    found = []
    for key in chosen:
        fields = own[key]
        one, other = Row(base[key]), Row(fields)
        nobody_waits = other.endpoint.queue and one.estimate == other.estimate == 0
        if not (math.isnan(one.estimate) and math.isnan(other.estimate)) and not nobody_waits:
            lower, upper = float(fields.difference_lower), float(fields.difference_upper)
            reduction = float(fields.variance_reduction)
            error = float(getattr(fields, DIFFERENCE_ERROR, math.nan))
            found.append(EndpointPair(one, other, float(fields.difference), lower, upper, reduction, error))
    return found


def _by_key(table: pd.DataFrame) -> dict[Key, Any]:
    read = table.itertuples(index=False)
    return {
        (str(fields.endpoint), None if math.isnan(fields.time_years) else float(fields.time_years)): fields
        for fields in read
    }


def endings(results: Results) -> dict[str, str]:
    """Return how the names of figures end, by the scenario compared; of a single one they have no ending."""
    names = [str(each["scenario"]) for each in results.manifest["scenarios"]][1:]
    plain = str.maketrans({" ": "_", "(": "", ")": ""})
    return {name: "" if len(names) == 1 else name.translate(plain) for name in names}


def pair_notes(results: Results, name: str, *, single: bool = False) -> list[str]:
    """Return what is noted under a figure of the reference and a scenario: cautions, and the draw."""
    said = cautions_of(results, (str(results.manifest["reference"]), name))
    return [FIRST_DRAW, *said] if single and results.draws else said


def cautions_of(results: Results, names: Sequence[str]) -> list[str]:
    """Return the cautions of some scenarios, each once."""
    scenarios = results.scenarios
    return [*dict.fromkeys(filter(None, (scenarios[each].caution for each in names)))]
