"""A transplant put off: nothing changes without a delay, and with one all three simulators agree."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_scenarios import Overrides, law, without_queues

from sim.clinic import arrays, pathway
from sim.clinic.history import History, columns_of
from sim.outcomes.courses import DELAY, WHAT, Courses, names_of
from sim.outcomes.endpoints import BY_CAUSE, Sums, View
from sim.outcomes.one_trial import Patients
from sim.outcomes.twin.expected import expected_all
from sim.patient.fates import NEVER, Fate, draw_fates
from sim.patient.luck import Luck
from sim.scenario.load import load
from sim.scenario.problems import RequestError
from sim.scenario.schema import DAYS_PER_YEAR, Scenario
from sim.show.kit.lanes import lane_of
from sim.study.records import course_rows, event_rows, patient_rows, shares

MakeScenario = Callable[..., Scenario]
LAWS: dict[str, Any] = {
    "fixed": 200,
    "exponential": {"dist": "exponential", "mean": 200},
    "lognormal": {"dist": "lognormal", "mean": 200, "sd": 150},
}

OFTEN = {"immunoablation.toxicity_per_day": 0.004, "mobilisation.infection.hazard_per_day": 0.02}


def put_off(delay: Any, multiplier: float = 1.0, **more: Any) -> dict[str, Any]:
    return {"transplant.delay_days": delay, "transplant.waiting_multiplier": multiplier, **more}


def played(scenario: Scenario, replications: int = 20) -> History:
    return arrays.simulate(scenario, draw_fates(scenario, Luck(1), range(replications)))


@pytest.mark.parametrize("enters_at", ["mobilisation", "immunoablation"])
def test_a_delay_of_nothing_is_the_pathway_without_one_to_the_bit(
    scenario_of: MakeScenario, enters_at: str
) -> None:
    queues = {"cohort.enters_at": enters_at, "clinic.isolation_rooms": 1, "clinic.apheresis_slots": 1}
    at_once = {"dist": "exponential", "mean": 1e-30}  # drawn, but no day is later for it
    with_one, without = (
        played(scenario_of(queues, more)) for more in (put_off(at_once, 0.5), put_off(0, 0.5))
    )
    for name in columns_of(without):
        np.testing.assert_array_equal(getattr(with_one, name), getattr(without, name), err_msg=name)


def test_a_delay_changes_nobodys_other_luck(scenario_of: MakeScenario) -> None:
    now, later = (draw_fates(scenario_of(put_off(d)), Luck(1), range(9)) for d in (0, LAWS["exponential"]))
    for name in set(Fate._fields) - {"delay_days"}:
        np.testing.assert_array_equal(getattr(now, name), getattr(later, name), err_msg=name)
    assert np.all(later.delay_days > 0)


@pytest.mark.parametrize("multiplier", [0.0, 0.5, 1.0, 3.0])
def test_one_budget_is_spent_at_two_rates(scenario_of: MakeScenario, multiplier: float) -> None:
    now, later = (draw_fates(scenario_of(put_off(d, multiplier)), Luck(1), range(9)) for d in (0, 200))
    spent = multiplier * np.minimum(later.lupus_days, 200) + np.maximum(later.lupus_days - 200, 0)
    np.testing.assert_allclose(spent, now.lupus_days, rtol=1e-12)
    home = scenario_of({"cohort.enters_at": "home"}, put_off(0, multiplier))
    for_life = draw_fates(home, Luck(1), range(9)).lupus_days
    np.testing.assert_allclose(
        multiplier * for_life if multiplier else 0, now.lupus_days if multiplier else 0
    )
    assert multiplier > 0 or np.all(for_life == NEVER)


@pytest.mark.parametrize("delay", LAWS.values(), ids=LAWS)
def test_both_simulators_agree_to_the_bit(scenario_of: MakeScenario, delay: Any) -> None:
    queues = {"clinic.isolation_rooms": 2, "clinic.apheresis_slots": 1, "arrivals.window_days": 200}
    scenario = scenario_of(queues, put_off(delay, 0.5), {"active_disease.hazard_per_year": 2})
    fates = draw_fates(scenario, Luck(3), range(20))
    one, other = pathway.simulate(scenario, fates), arrays.simulate(scenario, fates)
    for name in columns_of(one):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert np.any(one.death < one.enrolled + fates.delay_days)


@law(without_queues, examples=12)
def test_who_waits_longer_is_never_reinfused_earlier(
    scenario_of: MakeScenario, overrides: Overrides, seed: int
) -> None:
    if overrides["cohort.enters_at"] == "home":
        return
    sooner, later = (
        arrays.simulate(scenario, draw_fates(scenario, Luck(seed), range(5))).aplasia
        for scenario in (scenario_of(overrides, put_off(days)) for days in (30, 400))
    )
    reinfused = later < NEVER
    np.testing.assert_allclose(later[reinfused], sooner[reinfused] + 370, rtol=1e-9)


@pytest.mark.parametrize("multiplier", [0.5, 1.0, 3.0])
def test_an_exponential_delay_has_a_closed_form(still: dict[str, Any], scenario_of: MakeScenario,
                                                multiplier: float) -> None:  # fmt: skip
    """Treatment takes no time and cures for good: only the wait is deadly."""
    wait = put_off({"dist": "exponential", "mean": DAYS_PER_YEAR}, multiplier)
    more = {"active_disease.hazard_per_year": 0.4, "cohort.patients": 200}
    scenario = scenario_of(still, wait, more)
    lost, rate = multiplier * 0.4 / (multiplier * 0.4 + 1), multiplier * 0.4 + 1
    twin = expected_all([scenario])
    assert float(twin["pre_transplant_mortality", None][0]) == pytest.approx(lost, abs=1e-9)
    for years in (0.5, 1.0, 2.0, 5.0):
        ended = -math.expm1(-rate * years)
        figures = {
            "overall_survival_enrolled": 1 - lost * ended,
            "death_by_cause_lupus": lost * ended,
            "death_by_cause_background": 0.0,
            "restricted_mean_survival_enrolled": (1 - lost) * years + lost * ended / rate,
        }
        for name, value in figures.items():
            assert float(twin[name, years][0]) == pytest.approx(value, abs=1e-8), (name, years)
    missed = played(scenario, 256).mobilising == NEVER
    error = math.sqrt(lost * (1 - lost) / missed.size)
    assert float(missed.mean()) == pytest.approx(lost, abs=4 * error)


@pytest.mark.parametrize(
    ("law_of_delay", "multiplier", "enters_at"),
    [("fixed", 3, "mobilisation"), ("exponential", 3, "immunoablation"), ("lognormal", 0.5, "mobilisation")],
)
def test_the_twin_tells_what_simulation_gives(
    scenario_of: MakeScenario, law_of_delay: str, multiplier: float, enters_at: str
) -> None:
    """Every figure it knows, deaths by each cause and years lived among them."""
    more = {"cohort.patients": 100, "cohort.enters_at": enters_at, **OFTEN}
    scenario = scenario_of(put_off(LAWS[law_of_delay], multiplier), more)
    sums = Sums(trials=False)
    for history in arrays.simulate_tiles(scenario, draw_fates(scenario, Luck(2), range(250))):
        sums.add(View(history, scenario))
    readings = sums.readings(scenario)
    twin = {key: float(value) for key, (value,) in expected_all([scenario]).items() if np.isfinite(value)}
    assert {name for name, _ in twin} > {*BY_CAUSE, "restricted_mean_survival_enrolled"}
    for key, value in twin.items():
        total, size = readings[key].total.ravel(), readings[key].size.ravel()
        got = total.sum() / size.sum()
        error = math.sqrt(float(np.sum((total - got * size) ** 2))) / size.sum()
        assert got == pytest.approx(value, abs=4 * error + 1e-9), key


def test_a_delay_that_hardly_spreads_is_a_fixed_one(scenario_of: MakeScenario) -> None:
    narrow = {"dist": "lognormal", "mean": 200, "sd": 0.01}
    fixed, spread = (scenario_of(put_off(delay, 0.5)) for delay in (200, narrow))
    found = expected_all([spread, fixed])
    for key, (one, other) in found.items():
        assert one == pytest.approx(other, abs=1e-6, nan_ok=True), key


def test_who_waits_is_somewhere(scenario_of: MakeScenario) -> None:
    scenario = scenario_of(put_off(200, 3), {"follow_up.data_cut_days": "none"})
    history, now = played(scenario, 1), scenario_of()
    rows = patient_rows(history, np.array([1]), scenario, 1)
    assert "enrolled_time" not in patient_rows(history, np.array([1]), now, 1)
    np.testing.assert_array_equal(rows["enrolled_time"], history.enrolled[:, 0])
    missed = np.isnan(rows["mobilising_time"])
    assert 0 < missed.sum() < missed.size
    patients = Patients(pd.DataFrame(rows), scenario)
    np.testing.assert_array_equal(patients.enrolled, rows["enrolled_time"])
    courses = Courses(scenario)
    courses.add(history)
    table = shares([courses], scenario).of("place")
    assert tuple(table["what"].unique()) == names_of("place", scenario) == (DELAY, *WHAT["place"])
    assert names_of("place", now) == WHAT["place"]
    np.testing.assert_allclose(table.groupby("time_days")["share"].sum(), 1)
    first = table[table["time_days"] == 0].set_index("what")["share"]
    assert first[DELAY] == 1
    events = pd.DataFrame(event_rows(history, np.array([1]), 1))
    assert (events["event"] == "mobilising").sum() == (~missed).sum()
    lane = lane_of(course_rows(history).iloc[int(np.argmin(missed))].to_dict(), 5 * DAYS_PER_YEAR, None)
    assert lane.places[0].kind == DELAY
    assert lane.places[0].end == pytest.approx(200)


def test_who_is_never_transplanted_waits_for_no_day() -> None:
    with pytest.raises(RequestError, match="is a delay, but"):
        load("chicago2006", ["transplant.delay_days=30", "cohort.enters_at=home"])
