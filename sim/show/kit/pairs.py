"""Scenarios compared in pairs: their endpoints with the differences, and what their figures share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from sim.show.kit.formats import Row, format_interval, rows
from sim.show.kit.posterior_words import FIRST_DRAW
from sim.study.compare import IDENTICAL
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


class EndpointPair(NamedTuple):
    """One endpoint of the reference and of the scenario, whose row holds their difference."""

    reference: Row
    scenario: Row

    @property
    def text(self) -> str:
        """The difference with its interval; why there is none where there is none."""
        row = self.scenario
        if math.isnan(row.difference):
            return row.note.replace("_", " ")
        figures = (row.difference, row.difference_lower, row.difference_upper, row.difference_half_width)
        text = format_interval(row.endpoint, *figures)
        same = row.note.split("; ")[-1] == IDENTICAL
        return text.replace(" (", " in every trial (", 1) if same else text  # more trials might differ


def pairs(comparison: pd.DataFrame, reference: str, name: str) -> list[EndpointPair]:
    """Return the main endpoints of one scenario that have a figure in it or in the reference.

    Parameters
    ----------
    comparison
        The columns of ``comparison.csv``.
    """
    own, base = (
        {row.key: row for row in rows(comparison[comparison["scenario"] == each])}
        for each in (name, reference)
    )
    last = {key[0]: key for key in own if key in base}
    chosen = [last[endpoint] for endpoint in MAIN_ENDPOINTS if endpoint in last]
    found = [EndpointPair(base[key], own[key]) for key in chosen]
    return [pair for pair in found if _is_read(*pair)]


def _is_read(one: Row, other: Row) -> bool:
    """Tell whether there is a figure in either, and of a queue one in which anybody waits."""
    nobody_waits = other.endpoint.queue and one.estimate == other.estimate == 0
    return not (math.isnan(one.estimate) and math.isnan(other.estimate)) and not nobody_waits


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
