"""A trial as large as anybody will ask for; and scenarios pushed so far that the answer is certain."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from estimating import estimate, read_endpoints

from sim.outcomes.occupancy import is_limited
from sim.outcomes.twin.expected import expected, expected_from_enrolment
from sim.scenario.endpoints import Key
from sim.scenario.load import load
from sim.scenario.schema import PoissonArrivals, Scenario
from sim.scenario.values import with_values
from sim.study.montecarlo import replicate

NEVER_DAYS = 1e6
MANY_PLACES = 10_000
REPLICATIONS = 20
SHIPPED = ("chicago2006", "chicago2006_reading_b", "ebmt2004", "no_isolation", "no_transplant", "open_clinic")
SAFE: dict[str, Any] = {
    "active_disease.hazard_per_year": 0.0,
    "mobilisation.infection.case_fatality": 0.0,
    "aplasia.infection.case_fatality": 0.0,
    "immunoablation.toxicity_per_day": 0.0,
    "background.life_table": "none",
    "background.extra_per_year.remission": 0.0,
    "background.extra_per_year.relapsed": 0.0,
}
AT_ONCE: dict[str, Any] = {
    "immunoablation.duration_days": 0.0,
    "aplasia.duration_days": 0.0,
    "aplasia.discharge_delay_days": 0.0,
    "aplasia.infection.hazard_per_day": 0.0,
    "clinic.room_turnaround_days": 0.0,
}
WAIT: Key = ("room_wait_days", None)


def test_one_trial_of_100_000_patients() -> None:
    """Patients are independent without a queue, so the binomial standard error holds."""
    scenario = load("chicago2006").scenario  # and not by another value, with which it would answer to nothing
    cohort = scenario.cohort.model_copy(update={"patients": 100_000})
    table = estimate(scenario.model_copy(update={"cohort": cohort}), replications=1)
    fitted = table[(table["note"] != "not_fitted") & table["target"].between(0, 1)]
    assert len(fitted) == 5
    error = (fitted["target"] * (1 - fitted["target"]) / 90_000) ** 0.5
    assert ((fitted["estimate"] - fitted["target"]).abs() < 4.5 * error).all()


def small(name: str) -> Scenario:
    """Return a shipped scenario with few patients, which is all that a certain answer needs."""
    scenario = load(name).scenario
    if isinstance(scenario.arrivals, PoissonArrivals):
        years = min(scenario.arrivals.years, 50 / scenario.arrivals.per_year)
        return with_values(scenario, {"arrivals.years": years, "arrivals.warm_up_days": 0.0})
    return with_values(scenario, {"cohort.patients": min(scenario.cohort.patients, 50)})


def estimated(scenario: Scenario, key: Key) -> float:
    total = size = 0.0
    for history in replicate(scenario, range(REPLICATIONS), 1):
        reading = read_endpoints(history, scenario)[key]
        total, size = total + float(np.sum(reading.total)), size + float(np.sum(reading.size))
    return total / size if size > 0 else math.nan


def certain(scenario: Scenario) -> Iterator[tuple[str, dict[str, Any], Key, float]]:
    """Yield what is pushed how far, and the figure that must come of it."""
    horizon = scenario.follow_up.horizon_years
    first = min(0.5, horizon)
    # Aplasia takes its time, so that what acts in it acts.
    deadly = {"active_disease.hazard_per_year": 1e9, "aplasia.duration_days": 30.0}
    yield "no hazard of death", SAFE, ("overall_survival_enrolled", horizon), 1.0
    yield "lupus kills at once", deadly, ("overall_survival_enrolled", first), 0.0
    if scenario.cohort.enters_at == "home":
        return
    infected = {
        **SAFE,
        "aplasia.infection.hazard_per_day": 1e6,
        "aplasia.infection.case_fatality": 1.0,
        "aplasia.infection.days_to_death": 0.0,
        "aplasia.duration_days": 30.0,
    }
    late = {"relapse.start_day": NEVER_DAYS}
    yield "every transplant ends in a fatal infection", infected, ("overall_survival", first), 0.0
    yield "no relapse before the horizon", late, ("relapse_incidence", horizon), 0.0
    yield "rooms without limit", {"clinic.isolation_rooms": "unlimited"}, WAIT, 0.0
    if is_limited(scenario):
        yield "stays that take no time", AT_ONCE, WAIT, 0.0
    if scenario.cohort.enters_at == "mobilisation":
        failing = {
            **SAFE,
            "harvest.duration_days": "by_sessions",
            "harvest.target_million_per_kg": 1e6,
            "harvest.marrow.failure": 1.0,
        }
        yield "every harvest fails", failing, ("harvest_failure", None), 1.0


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_certain_happens(name: str) -> None:
    scenario = small(name)
    found = {
        what: (estimated(with_values(scenario, changes), key), answer)
        for what, changes, key, answer in certain(scenario)
    }
    # Only of the cohort that is mobilised with nobody reinfused there may be nobody to ask.
    asked = {what: figures for what, figures in found.items() if not math.isnan(figures[0])}
    assert len(asked) >= min(len(found), 2)
    for what, (got, answer) in asked.items():
        assert got == pytest.approx(answer, abs=1e-9), what


def test_very_many_places_are_as_good_as_no_limit() -> None:
    """Patient by patient the same, so that the figure is too, to rounding."""
    scenario = small("open_clinic")
    key: Key = ("restricted_mean_survival_enrolled", 5.0)
    without, many = (
        estimated(
            with_values(scenario, {"clinic.apheresis_slots": size, "clinic.isolation_rooms": size}), key
        )
        for size in ("unlimited", MANY_PLACES)
    )
    assert many == pytest.approx(without, abs=1e-9)
    assert without > 4


def test_with_places_for_everybody_an_open_clinic_is_what_the_twin_says() -> None:
    free = with_values(
        small("open_clinic"), {"clinic.apheresis_slots": "unlimited", "clinic.isolation_rooms": "unlimited"}
    )
    known = {**expected(free), **expected_from_enrolment(free)}
    far = []
    for row in estimate(free, 256, 1, "arrays").itertuples():
        key = (str(row.endpoint), None if math.isnan(row.time_years) else float(row.time_years))
        if key in known and row.mc_se > 0:
            far.append(abs(row.estimate - known[key]) / row.mc_se)
    assert len(far) > 40
    # The largest of so many: 4.5 standard errors are exceeded once in 3000 such tests.
    assert max(far) < 4.5
