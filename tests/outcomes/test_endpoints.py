"""Endpoints: against histories made by hand, and against closed forms where there are any."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from estimating import read_endpoints
from scipy import stats

from sim.clinic.history import History
from sim.clinic.states import Cause
from sim.outcomes.endpoints import EndpointReading, View, survival_curves
from sim.patient.fates import NEVER, Fate
from sim.scenario.endpoints import BY_NAME, Key, keys
from sim.scenario.schema import DAYS_PER_YEAR, Scenario
from sim.study.estimates import moments, ratio_estimate

MakeScenario = Callable[..., Scenario]
MakeFate = Callable[..., "Fate[float, bool]"]
Play = Callable[..., History]
Treat = Callable[..., History]
Still = dict[str, Any]
Readings = dict[Key, EndpointReading]
Read = Callable[..., Readings]

YEAR = DAYS_PER_YEAR


@pytest.fixture
def read(scenario_of: MakeScenario, still: Still, fate_of: MakeFate, treat: Treat) -> Read:
    """Read the endpoints of patients whose fates are made by hand, after overrides."""

    def run(overrides: dict[str, Any], *fates: dict[str, Any]) -> Readings:
        scenario = scenario_of(still, overrides)
        return read_endpoints(treat(scenario, [fate_of(**fate) for fate in fates]), scenario)

    return run


def numbers(reading: EndpointReading) -> tuple[float, float, float]:
    return float(reading.total[0]), float(reading.size[0]), float(reading.trial[0])


# Made by hand


def test_every_endpoint_is_read_in_order(read: Read) -> None:
    assert list(read({}, {})) == keys(5.0)


def test_treatment_related_deaths_are_counted_from_mobilisation_to_day_100(read: Read) -> None:
    readings = read(
        {},
        {"mobilisation_infection": 1.0, "mobilisation_infection_death": 8.0, "mobilisation_days": 2.0},
        {"aplasia_days": 9.0, "toxicity_days": 5.0},
        {"infection_death": 100.0},
        {"infection_death": 100.5},
        {"aplasia_days": 200.0, "toxicity_days": 150.0},
        {"lupus_days": 5.0, "aplasia_days": 9.0},
        {"background_days": 50.0},
        {},
    )
    assert numbers(readings["treatment_related_mortality", None]) == (3, 8, 3 / 8)
    assert numbers(readings["transplant_related_mortality", None]) == (2, 8, 2 / 8)
    by_cause = {cause.name: readings[f"death_by_cause_{cause.name.lower()}", 5.0].total[0] for cause in Cause}
    assert by_cause == {"INFECTION": 3, "TOXICITY": 2, "LUPUS": 1, "BACKGROUND": 1}


def test_deaths_before_reinfusion_have_any_cause_but_leave_out_the_withdrawn(read: Read) -> None:
    readings = read(
        {},
        {"mobilisation_infection": 1.0, "mobilisation_infection_death": 8.0, "mobilisation_days": 2.0},
        {"recovery_days": 30.0, "lupus_days": 20.0},
        {"recovery_days": 30.0, "background_days": 20.0},
        {"immunoablation_days": 5.0, "toxicity_days": 3.0},
        {"immunoablation_days": 5.0, "toxicity_days": 5.0},  # death at the moment of reinfusion comes first
        {"aplasia_days": 9.0, "toxicity_days": 3.0},
        {"harvest_fails": True, "lupus_days": 20.0},
        {"harvest_fails": True},
    )
    assert numbers(readings["pre_transplant_mortality", None]) == (5, 8, 5 / 8)
    assert numbers(readings["harvest_failure", None]) == (2, 8, 2 / 8)


# Counts are exact to the bit; a trial's follow-up is read to one part in 10^9, as its days are differences.
@pytest.mark.parametrize(
    ("dies", "alive", "reported"),
    [(YEAR, 0, 0), (np.nextafter(YEAR, 1e9), 1, 0), (YEAR * (1 + 2e-9), 1, 1)],
)
def test_surviving_a_time_means_dying_after_it(
    scenario_of: MakeScenario,
    still: Still,
    fate_of: MakeFate,
    treat: Treat,
    dies: float,
    alive: int,
    reported: int,
) -> None:
    scenario = scenario_of(still)
    history = treat(scenario, [fate_of(background_days=dies)])
    readings = read_endpoints(history, scenario)
    for name in ("overall_survival", "disease_free_survival"):
        assert numbers(readings[name, 1.0]) == (alive, 1, reported)
        assert numbers(readings[f"{name}_enrolled", 1.0]) == (alive, 1, reported)
        assert survival_curves(View(history, scenario), np.array([1.0]))[name][0] == alive


def test_how_disease_free_survival_ends(read: Read) -> None:
    readings = read(
        {"follow_up.horizon_years": 1},
        {"relapse_days": 100.0},
        {"responds": False},
        {"responds": False, "lupus_days": 200.0},  # established as a non-responder before
        {"responds": False, "lupus_days": 100.0},
        {"background_days": 100.0},
        {"relapse_days": 100.0, "background_days": 200.0},
        {},
        {"harvest_fails": True},
    )
    assert {name: readings[name, 1.0].total[0] for name in (
        "relapse_incidence", "no_response", "death_without_relapse", "disease_free_survival",
        "overall_survival", "in_remission",
    )} == {"relapse_incidence": 2, "no_response": 2, "death_without_relapse": 2, "disease_free_survival": 1,
           "overall_survival": 3, "in_remission": 1}  # fmt: skip
    assert readings["disease_free_survival", 1.0].size[0] == 7
    # Among everybody, withdrawal ends it at once.
    assert numbers(readings["disease_free_survival_enrolled", 1.0])[:2] == (1, 8)
    assert numbers(readings["overall_survival_enrolled", 1.0])[:2] == (4, 8)
    # Before six months nobody is a non-responder yet, but not in remission either.
    assert readings["disease_free_survival", 0.5].total[0] == readings["in_remission", 0.5].total[0] == 1


def test_death_at_the_moment_of_the_assessment_comes_first(read: Read) -> None:
    readings = read({}, {"responds": False, "lupus_days": 182.625})
    assert readings["death_without_relapse", 1.0].total[0] == 1
    assert readings["no_response", 1.0].total[0] == 0


def test_before_the_assessment_a_non_responder_is_disease_free_but_not_in_remission(read: Read) -> None:
    late = read({"response.assessed_at_days": 300}, {"responds": False})
    assert late["disease_free_survival", 0.5].total[0] == 1
    assert late["in_remission", 0.5].total[0] == late["no_response", 0.5].total[0] == 0
    assert late["no_response", 1.0].total[0] == 1


def test_remission_begins_at_engraftment(read: Read) -> None:
    readings = read({}, {"aplasia_days": 200.0, "stay_days": 200.0}, {})
    assert numbers(readings["in_remission", 0.5])[:2] == (1, 2)
    assert numbers(readings["in_remission", 1.0])[:2] == (2, 2)


def test_remission_is_reported_of_those_followed_so_far(read: Read) -> None:
    readings = read(
        {"arrivals.window_days": 1000, "follow_up.data_cut_days": 1000},
        {"enrolled": 0.0},
        {"enrolled": 100.0, "relapse_days": 100.0},
        {"enrolled": 900.0},  # 100 days of follow-up are no half year
    )
    assert numbers(readings["in_remission", 0.5]) == (2, 3, 1 / 2)


def test_years_lived_end_at_the_time_read(read: Read) -> None:
    readings = read({}, {"recovery_days": YEAR, "background_days": 3 * YEAR}, {}, {"background_days": YEAR})
    assert numbers(readings["restricted_mean_survival", 5.0])[:2] == (2 + 5 + 1, 3)
    assert numbers(readings["restricted_mean_survival_enrolled", 5.0])[:2] == (3 + 5 + 1, 3)
    assert numbers(readings["restricted_mean_survival", 2.0])[:2] == (2 + 2 + 1, 3)
    assert numbers(readings["restricted_mean_survival_enrolled", 0.5])[:2] == (1.5, 3)


def test_the_stay_the_wait_and_the_rooms(read: Read) -> None:
    readings = read(
        {"cohort.enters_at": "immunoablation", "clinic.isolation_rooms": 1, "arrivals.window_days": 40},
        {"stay_days": 12.0, "turnaround_days": 1.0, "aplasia_infection": 3.0, "aplasia_days": 9.0},
        {"enrolled": 3.0, "stay_days": 12.0, "turnaround_days": 1.0, "background_days": 20.0},
        {"enrolled": 4.0, "stay_days": 30.0, "turnaround_days": 1.0},
        {"enrolled": 5.0, "background_days": 2.0},
    )
    # Granted on days 0, 13 and 24; left on days 12, 23 (by death) and 54; cleaned for a day each.
    assert numbers(readings["length_of_stay_days", None])[:2] == (12 + 10 + 30, 3)
    assert numbers(readings["room_wait_days", None])[:2] == (0 + 10 + 20, 3)
    assert numbers(readings["room_occupancy", None])[:2] == (13 + 11 + 16, 40)
    assert numbers(readings["infections_per_patient", None])[:2] == (1, 4)


def test_waits_are_told_with_their_deaths(read: Read) -> None:
    """Six ask for the one room: one gets it at once, three wait 10, 20 and 35 days, two die in the queue."""
    room = {"cohort.enters_at": "immunoablation", "clinic.isolation_rooms": 1, "arrivals.window_days": 40}
    readings = read(
        room,
        {"stay_days": 10.0},
        {"stay_days": 10.0},
        {"stay_days": 15.0},
        {"stay_days": 5.0},
        {"background_days": 12.0},
        {"background_days": 32.0},
    )
    for name, value in (("waited", 5 / 6), ("waited_over_30_days", 2 / 6), ("died_waiting_of_asked", 2 / 6),
                        ("died_waiting", 2 / 6), ("still_waiting", 0)):  # fmt: skip
        total, size, clinic = numbers(readings[name, None])
        assert total / size == clinic == pytest.approx(value), name
    assert numbers(readings["room_wait_days", None]) == (65, 4, 65 / 4)
    # By Kaplan-Meier 5/6 wait at first, 4/6 after day 10, 4/9 after day 20 (3 at risk: one died on day 12).
    assert numbers(readings["room_wait_median_days", None]) == (20, 1, 20)
    assert numbers(readings["room_wait_90_percent_days", None]) == (35, 1, 35)
    nobody = read(room, {"stay_days": 10.0}, {"background_days": 2.0}, {"background_days": 2.0})
    total, size, clinic = numbers(nobody["room_wait_median_days", None])
    assert (total, size) == (0, 0)  # most die before a room is offered
    assert np.isnan(clinic)


def test_the_harvest_counts_where_it_was_completed(read: Read) -> None:
    harvest = {"mobilisation_days": 1.0, "slot_days": 2.0, "sessions": 2.0}
    readings = read(
        {},
        {**harvest, "collected": 6.0},
        {**harvest, "collected": 8.0, "recovery_days": 9.0, "background_days": 8.0},  # dies before reinfusion
        {**harvest, "collected": 3.0, "slot_days": 4.0, "sessions": 4.0, "harvest_fails": True},
        {**harvest, "collected": 9.0, "background_days": 2.5},  # dies at the slot
    )
    assert numbers(readings["apheresis_sessions", None])[:2] == (8, 3)
    total, size, _ = numbers(readings["cd34_infused", None])
    assert (total, size) == (pytest.approx(6 * 0.612), 1)


def test_the_trial_reports_what_its_data_cut_has_seen(read: Read) -> None:
    readings = read(
        {"arrivals.window_days": 1000, "follow_up.data_cut_days": 1000},
        {"background_days": 200.0},
        {"enrolled": 500.0, "background_days": 600.0},  # after the cut: censored on day 500 of follow-up
        {"enrolled": 600.0},  # censored after 400 days
        {"enrolled": 0.0},
        {"enrolled": 990.0, "recovery_days": 20.0},  # enrolled but not reinfused by the cut
    )
    # One of three who enrolled on day 0 and two later died, on day 200 of five at risk but one enrolled late.
    assert numbers(readings["death_by_cause_background", 1.0])[:2] == (1, 5)
    assert numbers(readings["death_by_cause_background", 2.0])[:2] == (2, 5)
    total, size, trial = numbers(readings["overall_survival", 2.0])
    assert (total, size) == (3, 5)
    assert trial == pytest.approx(3 / 4)  # one of four at risk died on day 200; the cut sees no other
    assert np.isnan(readings["overall_survival", 3.0].trial[0])  # nobody is followed for three years
    days, followed, mean = numbers(readings["mean_follow_up", None])
    assert (days, followed) == (pytest.approx((200 + 500 + 400 + 1000) / YEAR), 4)
    assert mean == pytest.approx(days / 4)


def test_who_is_reinfused_at_the_cut_is_not_followed(read: Read) -> None:
    readings = read(
        {"arrivals.window_days": 600, "follow_up.data_cut_days": 600}, {"enrolled": 600.0}, {"enrolled": 0.0}
    )
    assert numbers(readings["mean_follow_up", None]) == (
        pytest.approx(600 / YEAR),
        1,
        pytest.approx(600 / YEAR),
    )


def test_a_share_is_reported_of_those_enrolled_by_the_cut(read: Read) -> None:
    readings = read(
        {"arrivals.pattern": "poisson", "arrivals.per_year": 10, "arrivals.years": 3,
         "follow_up.data_cut_days": 600},
        {"enrolled": 100.0, "background_days": 200.0},
        {"enrolled": 600.0},
        {"enrolled": 700.0},  # comes after the cut: the report knows nothing of this patient
        {"enrolled": 550.0, "mobilisation_days": 200.0, "infection_death": 1.0},  # and not of this death
    )  # fmt: skip
    assert numbers(readings["deaths_by_data_cut", None])[:2] == (1, 4)
    assert numbers(readings["treatment_related_mortality", None]) == (1, 4, 0)


def test_an_event_at_the_cut_is_seen(read: Read) -> None:
    readings = read(
        {"arrivals.window_days": 600, "follow_up.data_cut_days": 600},
        {"background_days": 600.0},
        {"enrolled": 100.0},
    )
    assert numbers(readings["deaths_by_data_cut", None])[2] == 1 / 2
    assert numbers(readings["overall_survival", 2.0])[2] == 0  # the last one at risk dies


def test_who_arrives_in_the_warm_up_is_not_counted_but_uses_rooms(
    scenario_of: MakeScenario, still: Still, play: Play
) -> None:
    scenario = scenario_of(
        {key: value for key, value in still.items() if not key.startswith("arrivals")},
        {"arrivals.pattern": "poisson", "arrivals.per_year": 40, "arrivals.years": 1,
         "arrivals.warm_up_days": 200, "immunoablation.duration_days": 30},
    )  # fmt: skip
    history = play(scenario, range(4))
    readings = read_endpoints(history, scenario)
    came = history.enrolled
    np.testing.assert_array_equal(
        readings["overall_survival_enrolled", 5.0].size, np.sum((came >= 200) & (came < NEVER), axis=0)
    )
    until = 200 + YEAR
    used = np.clip(np.minimum(came + 30, until) - np.maximum(came, 200), 0, None)
    np.testing.assert_allclose(
        readings["room_occupancy", None].total, np.where(came < NEVER, used, 0).sum(axis=0)
    )


def test_endpoints_of_one_denominator_share_it(scenario_of: MakeScenario, play: Play) -> None:
    scenario = scenario_of({"active_disease.hazard_per_year": 1})
    sizes: dict[str, Any] = {}
    for (name, time), reading in read_endpoints(play(scenario, range(10)), scenario).items():
        first = sizes.setdefault(BY_NAME[name].denominator, reading.size)
        np.testing.assert_array_equal(first, reading.size, err_msg=f"{name} {time}")


def test_curves_pass_through_the_endpoints(scenario_of: MakeScenario, play: Play) -> None:
    scenario = scenario_of({"response.non_response": 0.2})
    history = play(scenario, range(10))
    readings = read_endpoints(history, scenario)
    for name, (totals, size) in survival_curves(View(history, scenario), np.array([0.0, 1.0, 5.0])).items():
        np.testing.assert_array_equal(size, readings[name, 1.0].size)
        np.testing.assert_array_equal(totals[1:], [readings[name, 1.0].total, readings[name, 5.0].total])
        assert np.all(totals[0] <= size)


def test_who_is_never_transplanted_has_one_curve_from_enrolment(
    scenario_of: MakeScenario, play: Play
) -> None:
    scenario = scenario_of({"cohort.enters_at": "home"})
    history = play(scenario, range(10))
    curves = survival_curves(View(history, scenario), np.array([0.0, 1.0, 5.0]))
    assert list(curves) == ["overall_survival_enrolled"]
    totals, size = curves["overall_survival_enrolled"]
    readings = read_endpoints(history, scenario)
    np.testing.assert_array_equal(size, np.full(10, 50.0))
    np.testing.assert_array_equal(totals[0], size)
    for row, years in ((1, 1.0), (2, 5.0)):
        np.testing.assert_array_equal(totals[row], readings["overall_survival_enrolled", years].total)


def test_a_censored_figure_does_not_move_the_estimate(scenario_of: MakeScenario, play: Play) -> None:
    early, never = {"follow_up.data_cut_days": 2861}, {"follow_up.data_cut_days": "none"}
    readings = [read_endpoints(play(scenario_of(cut), range(30)), scenario_of(cut)) for cut in (early, never)]
    for key in keys(5.0):
        if key[0].startswith(("early", "mean_follow_up")) or "data_cut" in key[0]:
            continue  # by the cut, or by the end of follow-up, which the cut prolongs
        np.testing.assert_array_equal(readings[0][key].total, readings[1][key].total, err_msg=str(key))
    survival = readings[1]["overall_survival", 5.0]
    np.testing.assert_allclose(survival.trial, survival.total / survival.size, atol=1e-12)
    assert np.any(readings[0]["overall_survival", 5.0].trial != survival.trial)


# Closed forms: exponential times, everything else in no time


def assert_shares(readings: Readings, expected: dict[Key, float], comparisons: int) -> None:
    """Compare shares with known probabilities: 1 chance in 10,000 that any of all comparisons fails."""
    bound = stats.norm.isf(1e-4 / comparisons / 2)
    for key, share in expected.items():
        total, size = readings[key].total.sum(), readings[key].size.sum()
        assert abs(total / size - share) <= bound * np.sqrt(share * (1 - share) / size) + 1e-12, key


CLOSED_FORMS = 2 * 32 + 7 + 5 + 7
"""How many shares the tests below compare, at most."""

LARGE = {"cohort.patients": 200}
MANY = range(128)


@pytest.mark.parametrize(
    ("relapse", "lupus", "remission", "relapsed"), [(0.2, 0.15, 0.0, 0.0), (0.3, 0.2, 0.05, 0.1)]
)
def test_competing_risks_after_reinfusion(
    scenario_of: MakeScenario, still: Still, play: Play,
    relapse: float, lupus: float, remission: float, relapsed: float,
) -> None:  # fmt: skip
    scenario = scenario_of(still, LARGE, {
        "relapse.scale_years": 1 / relapse, "active_disease.hazard_per_year": lupus / 0.7,
        "background.extra_per_year.remission": remission, "background.extra_per_year.relapsed": relapsed,
    })  # fmt: skip
    leave, die = relapse + remission, lupus + relapsed
    expected = {}
    for t in (0.5, 1.0, 2.0, 3.0, 4.0, 5.0):
        free = np.exp(-leave * t)
        ill = relapse * (free - np.exp(-die * t)) / (die - leave)
        expected["disease_free_survival", t] = expected["in_remission", t] = free
        expected["overall_survival", t] = free + ill
        expected["relapse_incidence", t] = relapse / leave * (1 - free)
        expected["death_without_relapse", t] = remission / leave * (1 - free)
    dead = 1 - expected["overall_survival", 5.0]
    of_background = remission / leave * (1 - np.exp(-leave * 5))
    ill_years = relapse / (die - leave) * ((1 - np.exp(-leave * 5)) / leave - (1 - np.exp(-die * 5)) / die)
    expected["death_by_cause_background", 5.0] = of_background + relapsed * ill_years
    expected["death_by_cause_lupus", 5.0] = dead - of_background - relapsed * ill_years
    assert_shares(read_endpoints(play(scenario, MANY), scenario), expected, CLOSED_FORMS)


def test_competing_risks_before_reinfusion(scenario_of: MakeScenario, still: Still, play: Play) -> None:
    """Infection in the window, recovery against lupus, immunoablation against toxicity, failed harvests."""
    day = DAYS_PER_YEAR
    scenario = scenario_of(still, LARGE, {
        "mobilisation.duration_days": 4, "mobilisation.infection.hazard_per_day": 0.1,
        "mobilisation.infection.case_fatality": 0.3, "recovery.postponement.after_infection": 0,
        "recovery.duration_days": {"dist": "exponential", "mean": 100},
        "immunoablation.duration_days": {"dist": "exponential", "mean": 5},
        "immunoablation.toxicity_per_day": 0.02, "active_disease.hazard_per_year": 0.001 * day,
        "after_relapse.multiplier": 0,
    })  # fmt: skip
    lupus, infected = 0.001, 1 - np.exp(-0.4)
    # Of the fatally infected, who dies 7 days after onset, lupus takes some before.
    fatal = 0.3 * 0.1 * np.exp(-lupus * 7) * (1 - np.exp(-(0.1 + lupus) * 4)) / (0.1 + lupus)
    ready = (1 - 0.3 * infected) * np.exp(-lupus * 4) * 0.01 / (0.01 + lupus)
    toxic = ready * 0.02 / (0.02 + lupus + 0.2)
    reinfused = ready * 0.2 / (0.02 + lupus + 0.2)
    expected: dict[Key, float] = {
        ("treatment_related_mortality", None): fatal + toxic,
        ("transplant_related_mortality", None): 0.0,
        ("pre_transplant_mortality", None): 1 - reinfused,
        ("death_by_cause_infection", 5.0): fatal,
        ("death_by_cause_toxicity", 5.0): toxic,
        ("death_by_cause_lupus", 5.0): 1 - reinfused - fatal - toxic,
        ("overall_survival_enrolled", 5.0): reinfused,
    }
    readings = read_endpoints(play(scenario, MANY), scenario)
    # Nearly all who die before reinfusion do so within five years.
    assert_shares(readings, expected, CLOSED_FORMS)
    sizes = readings["overall_survival", 5.0]
    assert np.all(sizes.total == sizes.size)


def test_infection_in_aplasia_and_after(scenario_of: MakeScenario, still: Still, play: Play) -> None:
    scenario = scenario_of(still, LARGE, {
        "aplasia.duration_days": 10, "aplasia.infection.hazard_per_day": 0.02,
        "aplasia.infection.ward_relative_risk": 1.5, "aplasia.infection.case_fatality": 0.4,
        "late_infection.hazard_per_day": 0.005,
    })  # fmt: skip
    in_aplasia, late = 1 - np.exp(-0.3), 1 - np.exp(-0.005 * 83)
    survive = (1 - 0.4 * in_aplasia) * (1 - 0.4 * late)
    readings = read_endpoints(play(scenario, MANY), scenario)
    assert_shares(readings, {
        ("treatment_related_mortality", None): 1 - survive,
        ("transplant_related_mortality", None): 1 - survive,
        ("overall_survival", 0.5): survive,
        ("overall_survival", 5.0): survive,
        ("death_without_relapse", 1.0): 1 - survive,
    }, CLOSED_FORMS)  # fmt: skip


def test_the_stay_with_infections(scenario_of: MakeScenario, still: Still, play: Play) -> None:
    scenario = scenario_of(still, LARGE, {
        "aplasia.duration_days": 10, "aplasia.infection.hazard_per_day": 0.03,
        "aplasia.infection.case_fatality": 0.4,
        "aplasia.infection.duration_days": {"dist": "exponential", "mean": 6},
    })  # fmt: skip
    # An infection on day x lasts until x + 7 if fatal, else to its end or to engraftment if that is later.
    x = np.linspace(0, 10, 20_001)
    days = 0.4 * (x + 7) + 0.6 * (10 + 6 * np.exp(-(10 - x) / 6))
    mean = np.trapezoid(0.03 * np.exp(-0.03 * x) * days, x) + 10 * np.exp(-0.3)
    stay = read_endpoints(play(scenario, MANY), scenario)["length_of_stay_days", None]
    estimate = ratio_estimate(moments(stay.total, stay.size), share=False)
    assert abs(estimate.value - mean) < stats.norm.isf(1e-4 / 2) * estimate.se


def test_non_response(scenario_of: MakeScenario, still: Still, play: Play) -> None:
    scenario = scenario_of(still, LARGE, {
        "response.non_response": 0.3, "active_disease.hazard_per_year": 0.4, "after_relapse.multiplier": 0,
    })  # fmt: skip
    alive = np.exp(-0.4 * np.array([0.5, 1.0, 5.0]))
    assert_shares(read_endpoints(play(scenario, MANY), scenario), {
        ("no_response", 1.0): 0.3 * alive[0],
        ("death_without_relapse", 1.0): 0.3 * (1 - alive[0]),
        ("disease_free_survival", 5.0): 0.7,
        ("overall_survival", 1.0): 0.7 + 0.3 * alive[1],
        ("overall_survival", 5.0): 0.7 + 0.3 * alive[2],
        ("in_remission", 0.5): 0.7,
        ("death_by_cause_lupus", 5.0): 0.3 * (1 - alive[2]),
    }, CLOSED_FORMS)  # fmt: skip


def test_kaplan_meier_at_the_cut_is_nearly_unbiased(scenario_of: MakeScenario, play: Play) -> None:
    scenario = scenario_of({"arrivals.power": 1.0, "cohort.patients": 200, "follow_up.data_cut_days": 3105})
    reading = read_endpoints(play(scenario, range(100)), scenario)["overall_survival", 3.0]
    truth = reading.total.sum() / reading.size.sum()
    assert reading.trial.mean() == pytest.approx(truth, abs=4.5 * (reading.trial - truth).std() / 10)
