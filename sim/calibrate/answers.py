"""What a posterior answers: figures that follow from each draw of the free parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sim.calibrate.search import Search
from sim.outcomes.twin.expected import expected
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import label
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value, with_values
from sim.study.posterior import weighted_summary

ACTIVE = "active_disease.hazard_per_year"
MULTIPLIER = "after_relapse.multiplier"


@dataclass(frozen=True)
class Answer:
    """One figure at every point of a search.

    ``kind`` says what it is: a figure of the trial, a hazard, or survival without any transplant, which
    extrapolates a hazard.
    """

    name: str
    label: str
    unit: str
    kind: str
    values: Floats


def answers(scenario: Scenario, search: Search) -> list[Answer]:
    """Return the answers at every point: survival, both lupus hazards, survival without a transplant.

    The hazard after relapse, multiplier times the active one, is what the trial's survival tells of; the
    active hazard alone rests on one death and an unreported wait.
    """
    found = [
        Answer(f"{name}_{time:g}y", label((name, time)), "", "trial", search.survival[:, column])
        for column, (name, time) in enumerate(search.published.keys)
    ]
    values = search.free.values(search.sample.z)

    def of(key: str) -> Floats:
        if key in search.free.keys:
            return np.asarray(values[:, search.free.keys.index(key)])
        return np.full(len(values), get_value(scenario, key))

    active = of(ACTIVE)
    relapsed = active * of(MULTIPLIER)
    found.append(Answer("active_hazard", "Lupus death when active", "per year", "hazard", active))
    found.append(Answer("relapsed_hazard", "Lupus death after relapse", "per year", "hazard", relapsed))
    years = scenario.follow_up.horizon_years
    unlimited = dict.fromkeys(("clinic.apheresis_slots", "clinic.isolation_rooms"), "unlimited")
    at_home = with_values(scenario, {"cohort.enters_at": "home", ACTIVE: 0.0, **unlimited})
    alive = expected(at_home)["overall_survival_enrolled", years]  # but for lupus, which multiplies
    for name, words, hazard in (
        ("no_transplant", "when active", active),
        ("no_transplant_relapsed", "after relapse", relapsed),
    ):
        text = f"Alive without a transplant at {years:g} y, with the hazard {words}"
        found.append(Answer(name, text, "", "extrapolation", alive * np.exp(-hazard * years)))
    return found


def answer_table(scenario: Scenario, search: Search) -> pd.DataFrame:
    """Return one row an answer: mean, Monte Carlo error, SD, median and 95% limits of its posterior."""
    weights = search.sample.weights
    return pd.DataFrame(
        [
            {
                "answer": each.name, "label": each.label, "unit": each.unit, "kind": each.kind,
                **weighted_summary(each.values, weights),
            }
            for each in answers(scenario, search)
        ]
    )  # fmt: skip
