"""The two simulators give the same histories, to the bit; and the check finds the smallest difference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from made_scenarios import TRIED, Overrides, anything, law, ties

from sim.clinic import arrays, pathway
from sim.clinic.history import History, columns_of
from sim.patient.fates import draw_fates
from sim.patient.luck import Luck
from sim.scenario.load import load
from sim.scenario.registry import parameters
from sim.scenario.schema import Scenario
from sim.scenario.shipped import shipped_names

MakeScenario = Callable[..., Scenario]


OUTSIDE_THE_CLINIC = {
    "cohort.age_years",
    "cohort.female",
    "mobilisation.infection.window_days",
    "mobilisation.infection.days_to_death",
    "harvest.yield_million_per_kg",
    "harvest.max_sessions",
    "harvest.selection_recovery",
    "harvest.marrow.days",
    "recovery.postponement.after_infection",
    "aplasia.infection.days_to_death",
    "late_infection.until_day",
    "response.assessed_at_days",
}
"""They act in fates or in outcomes alone, which both simulators share."""


def first_difference(one: History, other: History) -> str | None:
    """Name the first patient, in order of replication, and the first record that differ."""
    found = []
    for order, name in enumerate(columns_of(one)):
        a, b = getattr(one, name), getattr(other, name)
        differs = (a != b) & ~((a != a) & (b != b))
        if differs.any():
            replication, patient = np.argwhere(differs.T)[0]
            values = f"{a[patient, replication]!r} and {b[patient, replication]!r}"
            found.append((replication, patient, order, name, values))
    if not found:
        return None
    replication, patient, _, name, values = min(found)
    return f"replication {replication + 1}, patient {patient + 1}, {name}: {values}"


def compare(scenario: Scenario, seed: int, replications: range) -> str | None:
    fates = draw_fates(scenario, Luck(seed), replications)
    return first_difference(pathway.simulate(scenario, fates), arrays.simulate(scenario, fates))


@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_scenario_is_the_same_to_the_bit(name: str) -> None:
    assert compare(load(name).scenario, 1, range(64)) is None


def test_every_parameter_is_tried_or_acts_outside_the_clinic() -> None:
    """A new one is drawn in `made_scenarios`, and in `FULL` if it acts in the room, or is named above."""
    assert parameters().keys() - TRIED == OUTSIDE_THE_CLINIC


@law(anything, examples=200)
def test_scenarios_of_all_kinds_are_the_same_to_the_bit(
    scenario_of: MakeScenario, overrides: Overrides, seed: int
) -> None:
    assert compare(scenario_of(overrides), seed, range(20)) is None


@law(ties, examples=200)
def test_ties_are_the_same_to_the_bit(scenario_of: MakeScenario, overrides: Overrides, seed: int) -> None:
    assert compare(scenario_of(overrides), seed, range(20)) is None


# Two rooms that are full all the time, and many deaths in them: before engraftment and after, of everything.
FULL = {
    "cohort.patients": 40,
    "arrivals.window_days": 200,
    "clinic.isolation_rooms": 2,
    "active_disease.hazard_per_year": 2,
    "immunoablation.toxicity_per_day": 0.02,
    "aplasia.infection.case_fatality": 0.5,
    "aplasia.discharge_delay_days": {"dist": "exponential", "mean": 8},
    "background.standardised_mortality_ratio": 50,
    "response.non_response": 0.5,
}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"relapse.start_day": 0, "relapse.scale_years": 0.05, "after_relapse.multiplier": 50},
        {"background.extra_per_year.remission": 5},
        {"background.extra_per_year.relapsed": 5, "relapse.start_day": 0, "relapse.scale_years": 0.05},
    ],
    ids=["deaths", "relapses", "extra in remission", "extra after relapse"],
)
def test_what_happens_in_the_room_decides_when_it_is_free(
    scenario_of: MakeScenario, change: Overrides
) -> None:
    assert compare(scenario_of(FULL, change), 1, range(60)) is None


def test_many_patients_are_the_same_to_the_bit() -> None:
    scenario = load("open_clinic", ["clinic.isolation_rooms=3"]).scenario
    patients = sum(
        int(np.sum(draw_fates(scenario, Luck(7), block).enrolled < np.inf))
        for block in (range(256), range(256, 400))
    )
    assert patients > 100_000
    for block in (range(256), range(256, 400)):
        assert compare(scenario, 7, block) is None


def test_one_addition_in_another_order_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    original = arrays.RoomStay.__init__

    def reordered(stay: Any, protocol: Any, start: Any, fates: Any, latent: Any) -> None:
        original(stay, protocol, start, fates, latent)
        stay.discharge = start + (fates.immunoablation_days + fates.stay_days)

    monkeypatch.setattr(arrays.RoomStay, "__init__", reordered)
    difference = compare(load("chicago2006").scenario, 1, range(20))
    assert difference is not None
    assert "home" in difference
