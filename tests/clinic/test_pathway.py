"""The pathway on fates made by hand: one patient, one idea."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from estimating import read_endpoints

from sim.clinic.history import PLACES, History, columns_of
from sim.clinic.pathway import WAY_DAYS
from sim.clinic.states import ALIVE, Cause
from sim.patient.fates import NEVER, Fate
from sim.scenario.schema import DAYS_PER_YEAR, Scenario

MakeScenario = Callable[..., Scenario]
MakeFate = Callable[..., "Fate[float, bool]"]
Treat = Callable[..., History]
Play = Callable[..., History]
Still = dict[str, Any]

FIVE_YEARS = 5 * DAYS_PER_YEAR


@pytest.fixture
def one(scenario_of: MakeScenario, still: Still, fate_of: MakeFate, treat: Treat) -> Callable[..., Any]:
    """Treat one patient of a given fate, and return the record as plain numbers."""

    def run(overrides: dict[str, Any] | None = None, **fate: float | bool) -> dict[str, Any]:
        history = treat(scenario_of(still, overrides or {}), [fate_of(**fate)])
        return {name: getattr(history, name)[0, 0].item() for name in columns_of(history)}

    return run


def test_a_whole_course(one: Callable[..., Any]) -> None:
    patient = one(
        {"clinic.isolation_rooms": 3},
        enrolled=100.0, mobilisation_days=11.0, sessions=2.0, slot_days=2.0, marrow_days=1.0, collected=6.0,
        recovery_days=28.0, immunoablation_days=5.0, aplasia_days=9.0, stay_days=12.0, relapse_days=400.0,
    )  # fmt: skip
    assert [patient[place] for place in PLACES] == [100, 111, 114, 142, 142, 147, 156, 159]
    assert patient["ready_for_harvest"] == 111
    assert patient["relapse"] == 547
    assert (patient["death"], patient["cause"], patient["withdrawn"]) == (NEVER, ALIVE, NEVER)
    assert (patient["sessions"], patient["collected"], patient["room"]) == (2, 6, 1)
    assert patient["follow_up_end"] == 147 + FIVE_YEARS


def test_a_fatal_mobilisation_infection_ends_the_course_before_harvest(one: Callable[..., Any]) -> None:
    patient = one(mobilisation_days=11.0, mobilisation_infection=9.0, mobilisation_infection_death=16.0)
    assert (patient["death"], patient["cause"]) == (16, Cause.INFECTION)
    assert patient["mobilisation_infection"] == 9
    assert patient["ready_for_harvest"] == patient["harvesting"] == patient["recovering"] == NEVER
    assert patient["follow_up_end"] == FIVE_YEARS


def test_a_survived_mobilisation_infection_is_harvested_on_time(one: Callable[..., Any]) -> None:
    patient = one(mobilisation_days=11.0, mobilisation_infection=9.0, slot_days=2.0)
    assert (patient["harvesting"], patient["recovering"]) == (11, 13)


def test_a_failed_harvest_sends_home_with_active_disease(one: Callable[..., Any]) -> None:
    patient = one(slot_days=4.0, marrow_days=1.0, harvest_fails=True, lupus_days=500.0, relapse_days=70.0)
    assert patient["withdrawn"] == patient["home"] == 5
    assert patient["recovering"] == patient["aplasia"] == patient["relapse"] == NEVER
    assert (patient["death"], patient["cause"]) == (500, Cause.LUPUS)


def test_marrow_is_harvested_off_the_apheresis_slot(
    scenario_of: MakeScenario, still: Still, fate_of: MakeFate, treat: Treat
) -> None:
    fates = [fate_of(slot_days=4.0, marrow_days=1.0), fate_of(slot_days=1.0)]
    history = treat(scenario_of(still, {"clinic.apheresis_slots": 1}), fates)
    assert history.recovering[0, 0] == 5
    assert history.harvesting[1, 0] == 4


@pytest.mark.parametrize(
    ("dies", "enters_last"),
    [(5, "mobilising"), (11, "mobilising"), (12, "harvesting"), (13, "harvesting"), (13.5, "harvesting"),
     (14, "harvesting"), (20, "recovering"), (42, "recovering"), (45, "immunoablation"),
     (47, "immunoablation"), (50, "aplasia"), (56, "aplasia"), (58, "recovering_in_hospital"),
     (59, "recovering_in_hospital"), (60, "home")],
)  # fmt: skip
def test_death_ends_the_course_wherever_it_finds_the_patient(
    one: Callable[..., Any], dies: float, enters_last: str
) -> None:
    # The end of a stage and death at once count as death.
    patient = one(
        background_days=float(dies), mobilisation_days=11.0, slot_days=2.0, sessions=2.0, marrow_days=1.0,
        recovery_days=28.0, immunoablation_days=5.0, aplasia_days=9.0, stay_days=12.0,
    )  # fmt: skip
    entered = [place for place in PLACES if patient[place] < NEVER]
    assert entered == list(PLACES[: PLACES.index(enters_last) + 1])
    assert (patient["death"], patient["cause"]) == (dies, Cause.BACKGROUND)


@pytest.mark.parametrize(("dies", "held"), [(11.5, 0), (12, 1), (12.5, 1), (13, 2), (13.5, 2), (20, 2)])
def test_sessions_are_counted_as_held(one: Callable[..., Any], dies: float, held: int) -> None:
    patient = one(
        background_days=dies, mobilisation_days=11.0, slot_days=2.0, sessions=2.0, marrow_days=1.0,
        collected=6.0, recovery_days=28.0,
    )  # fmt: skip
    assert patient["sessions"] == held
    assert np.isnan(patient["collected"]) == (dies < 14)


@pytest.mark.parametrize(("toxicity", "death"), [(3.0, 3), (5.0, 5), (13.0, 13), (14.0, 14), (14.5, NEVER)])
def test_toxicity_kills_from_the_start_of_immunoablation_to_engraftment(
    one: Callable[..., Any], toxicity: float, death: float
) -> None:
    patient = one(immunoablation_days=5.0, aplasia_days=9.0, stay_days=12.0, toxicity_days=toxicity)
    assert patient["death"] == death
    assert patient["cause"] == (Cause.TOXICITY if death < NEVER else ALIVE)


def test_lupus_kills_an_active_patient_at_the_end_of_the_budget(one: Callable[..., Any]) -> None:
    patient = one(
        recovery_days=30.0, immunoablation_days=5.0, aplasia_days=9.0, stay_days=9.0, lupus_days=44.0
    )
    assert (patient["death"], patient["cause"]) == (44, Cause.LUPUS)
    assert patient["aplasia"] == 35


def test_remission_spends_no_lupus_budget_and_relapse_spends_it_multiplied(one: Callable[..., Any]) -> None:
    # 44 active days to engraftment leave 56; at a multiplier of 0.5 they last 112 days from relapse.
    patient = one(
        {"after_relapse.multiplier": 0.5},
        recovery_days=30.0, immunoablation_days=5.0, aplasia_days=9.0, stay_days=9.0,
        lupus_days=100.0, relapse_days=300.0,
    )  # fmt: skip
    assert patient["relapse"] == 335
    assert (patient["death"], patient["cause"]) == (335 + 112, Cause.LUPUS)


@pytest.mark.parametrize(("remission", "death"), [(111.0, NEVER), (112.0, NEVER), (113.0, 335.0 + 112)])
def test_lupus_kills_only_who_has_not_gone_into_a_lasting_remission_before(
    one: Callable[..., Any], remission: float, death: float
) -> None:
    patient = one(
        {"after_relapse.multiplier": 0.5},
        recovery_days=30.0, immunoablation_days=5.0, aplasia_days=9.0, stay_days=9.0,
        lupus_days=100.0, relapse_days=300.0, remission_days=remission,
    )  # fmt: skip
    assert patient["relapse"] == 335  # it stays the end of disease-free survival
    assert patient["death"] == death


@pytest.mark.parametrize(("multiplier", "relapse"), [(0, 300.0), (0.5, NEVER)])
def test_no_relapse_or_a_multiplier_of_zero_means_no_death_from_lupus(
    one: Callable[..., Any], multiplier: float, relapse: float
) -> None:
    patient = one({"after_relapse.multiplier": multiplier}, lupus_days=1.0, relapse_days=relapse)
    assert patient["death"] == NEVER


def test_a_non_responder_stays_active_for_life(one: Callable[..., Any]) -> None:
    patient = one(aplasia_days=9.0, lupus_days=1000.0, responds=False)
    assert (patient["death"], patient["cause"]) == (1000, Cause.LUPUS)
    assert patient["relapse"] == NEVER


@pytest.mark.parametrize("dies", [300.0, 299.0])
def test_death_at_relapse_or_before_comes_without_it(one: Callable[..., Any], dies: float) -> None:
    assert one(background_days=dies, relapse_days=300.0)["relapse"] == NEVER


@pytest.mark.parametrize(
    ("remission", "relapsed", "death"),
    [
        (0.5, 0.0, 20 + 200),  # spent in remission, before the relapse on day 320
        (0.25, 0.5, 320 + (100 - 75) / 0.5),
        (0.25, 0.0, NEVER),
        (0.0, 0.5, 320 + 200),
    ],
)
def test_extra_hazards_share_one_budget(
    one: Callable[..., Any], remission: float, relapsed: float, death: float
) -> None:
    hazards = {
        "background.extra_per_year.remission": remission * DAYS_PER_YEAR,
        "background.extra_per_year.relapsed": relapsed * DAYS_PER_YEAR,
    }
    patient = one(hazards, recovery_days=10.0, aplasia_days=10.0, relapse_days=310.0, extra_budget=100.0)
    assert patient["death"] == pytest.approx(death)
    assert patient["cause"] == (Cause.BACKGROUND if death < NEVER else ALIVE)


def test_at_the_same_moment_the_cause_listed_first_counts(one: Callable[..., Any]) -> None:
    at_once = {"aplasia_days": 9.0, "stay_days": 9.0, "lupus_days": 5.0, "background_days": 5.0}
    assert one(**at_once)["cause"] == Cause.LUPUS
    assert one(**at_once, toxicity_days=5.0)["cause"] == Cause.TOXICITY
    assert one(**at_once, toxicity_days=5.0, infection_death=5.0)["cause"] == Cause.INFECTION


def test_who_enters_at_immunoablation_has_no_earlier_history(one: Callable[..., Any]) -> None:
    patient = one(
        {"cohort.enters_at": "immunoablation"},
        enrolled=7.0, mobilisation_days=11.0, mobilisation_infection=9.0, mobilisation_infection_death=16.0,
        slot_days=3.0, sessions=3.0, collected=5.0, recovery_days=30.0, harvest_fails=True,
    )  # fmt: skip
    assert patient["waiting"] == patient["immunoablation"] == patient["home"] == 7
    assert patient["mobilising"] == patient["harvesting"] == patient["recovering"] == NEVER
    assert patient["mobilisation_infection"] == patient["death"] == patient["withdrawn"] == NEVER
    assert patient["sessions"] == 0
    assert np.isnan(patient["collected"])


def test_who_enters_at_home_stays_active_there(one: Callable[..., Any]) -> None:
    patient = one(
        {"cohort.enters_at": "home"},
        enrolled=7.0, mobilisation_infection=1.0, mobilisation_infection_death=2.0, relapse_days=5.0,
        lupus_days=1000.0, extra_budget=1.0,
    )  # fmt: skip
    assert patient["home"] == 7
    assert (patient["death"], patient["cause"]) == (1007, Cause.LUPUS)
    assert patient["mobilisation_infection"] == patient["relapse"] == patient["aplasia"] == NEVER
    assert patient["follow_up_end"] == 7 + FIVE_YEARS


def test_an_infection_that_kills_at_once_is_still_an_infection(one: Callable[..., Any]) -> None:
    patient = one(mobilisation_days=11.0, mobilisation_infection=9.0, mobilisation_infection_death=9.0)
    assert patient["mobilisation_infection"] == patient["death"] == 9


# The end of follow-up


@pytest.mark.parametrize(("dies", "seen"), [(9 + FIVE_YEARS, True), (10 + FIVE_YEARS, False)])
def test_the_record_ends_at_the_horizon_after_reinfusion(
    one: Callable[..., Any], dies: float, seen: bool
) -> None:
    patient = one(recovery_days=9.0, background_days=dies, relapse_days=dies - 9 - 1e-6)
    assert (patient["death"] < NEVER) == seen
    assert (patient["cause"] != ALIVE) == seen
    assert (patient["relapse"] < NEVER) == seen


def test_a_later_data_cut_prolongs_the_record(one: Callable[..., Any]) -> None:
    cut = {"follow_up.data_cut_days": 3000}
    assert one(cut, background_days=2999.0)["death"] == 2999
    assert one(cut, background_days=3001.0)["death"] == NEVER
    assert one(cut, enrolled=2500.0)["follow_up_end"] == 2500 + FIVE_YEARS


SHORT = {"follow_up.horizon_years": 5 / DAYS_PER_YEAR, "late_infection.until_day": 93}


def test_the_treatment_is_followed_to_day_100_and_to_discharge(one: Callable[..., Any]) -> None:
    patient = one(SHORT, aplasia_days=9.0, stay_days=12.0, background_days=99.0, aplasia_infection=6.0)
    assert (patient["home"], patient["death"], patient["follow_up_end"]) == (12, 99, 100)
    assert one(SHORT, background_days=101.0)["death"] == NEVER
    assert one(SHORT, aplasia_days=9.0, stay_days=120.0)["home"] == 120


def test_the_way_to_reinfusion_is_followed_to_its_end(one: Callable[..., Any]) -> None:
    dies = one(SHORT, recovery_days=600.0, background_days=500.0)
    assert (dies["death"], dies["follow_up_end"]) == (500, 500)
    withdrawn = one(SHORT, mobilisation_days=400.0, harvest_fails=True, background_days=500.0)
    assert (withdrawn["withdrawn"], withdrawn["death"], withdrawn["follow_up_end"]) == (400, NEVER, 400)


@pytest.mark.parametrize("recovery", [WAY_DAYS - 1, WAY_DAYS + 1])
def test_after_a_lifetime_nobody_is_awaited_any_more(one: Callable[..., Any], recovery: float) -> None:
    patient = one(SHORT, recovery_days=recovery)
    assert patient["aplasia"] == (recovery if recovery < WAY_DAYS else NEVER)
    assert patient["follow_up_end"] == (recovery + 100 if recovery < WAY_DAYS else WAY_DAYS)


@pytest.mark.parametrize("horizon_years", [1e-9, 0.01, 0.02, 0.05])
def test_endpoints_stay_finite_with_a_horizon_shorter_than_the_stay(
    scenario_of: MakeScenario, play: Play, horizon_years: float
) -> None:
    scenario = scenario_of(
        {"follow_up.horizon_years": horizon_years, "follow_up.data_cut_days": "none",
         "active_disease.hazard_per_year": 5, "cohort.patients": 200}
    )  # fmt: skip
    readings = read_endpoints(play(scenario, range(3)), scenario)
    for key, reading in readings.items():
        assert np.all(np.isfinite(reading.total)), key
        assert np.all(reading.total >= 0), key


# Extremes


def test_certain_death(scenario_of: MakeScenario, play: Play) -> None:
    history = play(scenario_of({"mobilisation.infection.hazard_per_day": 1e6,
                                "mobilisation.infection.case_fatality": 1}))  # fmt: skip
    assert np.all(history.cause == Cause.INFECTION)
    np.testing.assert_allclose(history.death, history.mobilisation_infection + 7)


@pytest.mark.parametrize(
    ("key", "cause"),
    [
        ("active_disease.hazard_per_year", Cause.LUPUS),
        ("background.standardised_mortality_ratio", Cause.BACKGROUND),
    ],
)
def test_a_huge_hazard_kills_everybody_at_once(
    scenario_of: MakeScenario, play: Play, key: str, cause: Cause
) -> None:
    history = play(scenario_of({key: 1e6}))
    assert np.all(history.cause == cause)
    assert np.all(history.death - history.enrolled < 20)


@pytest.mark.parametrize("enters_at", ["mobilisation", "immunoablation", "home"])
def test_without_risk_nobody_dies(
    scenario_of: MakeScenario, still: Still, play: Play, enters_at: str
) -> None:
    scenario = scenario_of(still, {"cohort.enters_at": enters_at})
    history = play(scenario, range(3))
    assert np.all(history.death == NEVER)
    assert np.all(history.cause == ALIVE)
    assert np.all(history.home == history.enrolled)
    survival = read_endpoints(history, scenario)["overall_survival_enrolled", 5.0]
    np.testing.assert_array_equal(survival.total, survival.size)


def test_one_patient(scenario_of: MakeScenario, play: Play) -> None:
    scenario = scenario_of({"cohort.patients": 1})
    history = play(scenario, range(200))
    assert history.death.shape == (1, 200)
    survival = read_endpoints(history, scenario)["overall_survival_enrolled", 5.0]
    assert set(survival.total) == {0, 1}


def test_twenty_thousand_patients_in_one_clinic(scenario_of: MakeScenario, play: Play) -> None:
    few, many = scenario_of(), scenario_of({"cohort.patients": 20_000})
    history, first = play(many), play(few)
    assert history.death.shape == (20_000, 1)
    for name in columns_of(first):
        np.testing.assert_array_equal(getattr(history, name)[:50], getattr(first, name), err_msg=name)


def test_a_replication_in_which_nobody_arrives(scenario_of: MakeScenario, play: Play) -> None:
    scenario = scenario_of({"arrivals.pattern": "poisson", "arrivals.per_year": 1, "arrivals.years": 1})
    history = play(scenario, range(20))
    empty = ~history.present.any(axis=0)
    assert empty.any()
    assert not empty.all()
    for key, reading in read_endpoints(history, scenario).items():
        if key[0] != "room_occupancy":
            assert np.all(reading.size[empty] == 0), key
        assert np.all(reading.total[empty] == 0), key
