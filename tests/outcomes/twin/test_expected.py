"""The exact twin against closed forms, against itself with more nodes, and at extreme parameters."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, expm1
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from sim.outcomes.twin.expected import expected, expected_at_horizon, expected_from_enrolment
from sim.scenario.endpoints import BY_NAME, ENDPOINTS, TIMES_YEARS, WAY_YEARS, Key
from sim.scenario.life_table import background_hazards
from sim.scenario.problems import RequestError
from sim.scenario.schema import DAYS_PER_YEAR, Scenario
from sim.scenario.values import with_values

CHICAGO = Scenario.model_validate(
    {
        "title": "the Chicago trial, roughly",
        "mobilisation": {"infection": {"case_fatality": 0.067}},
        "active_disease": {"hazard_per_year": 0.15},
        "aplasia": {"infection": {"case_fatality": 0.055}},
        "relapse": {"scale_years": 9.5},
        "after_relapse": {"multiplier": 0.7},
        "arrivals": {"pattern": "trial", "power": 2.8},
    }
)
NO_TIME = {
    "mobilisation.duration_days": 0,
    "harvest.duration_days": 0,
    "recovery.duration_days": 0,
    "recovery.postponement": {"probability": 0.0, "after_infection": 0.0},
    "immunoablation.duration_days": 0,
    "aplasia.duration_days": 0,
}
NO_HAZARD = {
    "mobilisation.infection.hazard_per_day": 0.0,
    "active_disease.hazard_per_year": 0.0,
    "immunoablation.toxicity_per_day": 0.0,
    "aplasia.infection.hazard_per_day": 0.0,
    "late_infection.hazard_per_day": 0.0,
    "background.life_table": "none",
}
BLANK = with_values(CHICAGO, {**NO_TIME, **NO_HAZARD})


LEFT_OUT = {
    "early_deaths": "out of the deaths by the data cut",
    "deaths_by_data_cut": "of registries alone",
    "relapses_by_data_cut": "of registries alone",
    "early_relapses": "of registries alone",
    "length_of_stay_days": "needs the days of discharge",
    "room_occupancy": "needs a queue",
    **{each.name: "needs a queue" for each in ENDPOINTS if each.queue and each.name != "still_waiting"},
}
"""What the twin doesn't say of a trial, and why."""


def twin(changes: Mapping[str, Any], scenario: Scenario = BLANK) -> dict[Key, float]:
    return expected(with_values(scenario, changes))


def close(value: float) -> Any:
    return pytest.approx(value, abs=1e-12, rel=1e-9)


def test_what_the_twin_leaves_out_is_known() -> None:
    told = {name for name, _ in expected(CHICAGO) | expected_from_enrolment(CHICAGO)}
    assert BY_NAME.keys() - told == LEFT_OUT.keys(), "let the twin yield a new endpoint, or say why not"


def test_waiting_with_active_lupus() -> None:
    values = twin(
        {
            "active_disease.hazard_per_year": 2.0,
            "recovery.duration_days": {"dist": "exponential", "mean": 100},
            "immunoablation.duration_days": {"dist": "gamma", "mean": 20, "sd": 30},
        }
    )
    h, shape = 2 / DAYS_PER_YEAR, 4 / 9
    assert values["pre_transplant_mortality", None] == close(
        1 - (1 + h * 20 / shape) ** -shape / (1 + 100 * h)
    )


def test_toxicity_competes_with_lupus_in_immunoablation() -> None:
    values = twin(
        {
            "active_disease.hazard_per_year": 2.0,
            "immunoablation": {"duration_days": 30, "toxicity_per_day": 0.01},
            "aplasia.duration_days": 20,
        }
    )
    h, tox = 2 / DAYS_PER_YEAR, 0.01
    share = tox / (h + tox)
    assert values["pre_transplant_mortality", None] == close(-expm1(-30 * (h + tox)))
    assert values["treatment_related_mortality", None] == close(-share * expm1(-50 * (h + tox)))
    assert values["transplant_related_mortality", None] == close(
        -share * exp(-30 * (h + tox)) * expm1(-20 * (h + tox))
    )


def test_mobilisation_infection_over_the_last_days() -> None:
    infection = {"hazard_per_day": 0.1, "window_days": 4.0, "case_fatality": 0.3, "days_to_death": 2.0}
    values = twin(
        {
            "mobilisation": {"duration_days": 10, "infection": infection},
            "active_disease.hazard_per_year": DAYS_PER_YEAR * 0.05,
        }
    )
    deaths = 0.3 * 0.1 / 0.15 * exp(-0.05 * 8) * -expm1(-4 * 0.15)
    assert values["treatment_related_mortality", None] == close(deaths)
    assert values["transplant_related_mortality", None] == 0
    reinfused = exp(-0.5) * (1 - 0.3 * -expm1(-0.4))
    assert values["pre_transplant_mortality", None] == close(1 - reinfused)


def test_an_infection_in_mobilisation_has_its_own_chance_of_postponement() -> None:
    values = twin(
        {
            "mobilisation": {
                "duration_days": 4,
                "infection": {"hazard_per_day": 0.1, "window_days": 4.0, "case_fatality": 0.0},
            },
            "recovery.postponement": {"probability": 0.1, "after_infection": 0.6, "duration_days": 100},
            "active_disease.hazard_per_year": 1.0,
        }
    )
    infected = -expm1(-0.4)
    postponed = 0.6 * infected + 0.1 * (1 - infected)
    reinfused = exp(-4 / DAYS_PER_YEAR) * (1 + postponed * expm1(-100 / DAYS_PER_YEAR))
    assert values["pre_transplant_mortality", None] == close(1 - reinfused)


def test_deaths_of_infection_after_day_100_are_not_of_the_treatment() -> None:
    values = twin(
        {
            "aplasia": {"duration_days": 10, "infection": {"hazard_per_day": 0.0, "case_fatality": 0.2}},
            "late_infection": {"hazard_per_day": 0.01, "until_day": 150.0},
        }
    )
    assert values["transplant_related_mortality", None] == close(0.2 * -expm1(-0.01 * (100 - 7 - 10)))
    assert values["overall_survival", 0.5] == close(1 - 0.2 * -expm1(-0.01 * (150 - 10)))


def test_infections_after_reinfusion() -> None:
    values = twin(
        {
            "aplasia": {"duration_days": 10, "infection": {"hazard_per_day": 0.05, "case_fatality": 0.2}},
            "late_infection": {"hazard_per_day": 0.01, "until_day": 60.0},
        }
    )
    early, late = -expm1(-0.5), -expm1(-0.5)
    deaths = 1 - (1 - 0.2 * early) * (1 - 0.2 * late)
    assert values["transplant_related_mortality", None] == close(deaths)
    assert values["overall_survival", 0.5] == close(1 - deaths)
    # A fatal infection in aplasia leaves a week for a late one.
    dead = integrate.quad(
        lambda t: 0.01 * exp(-0.01 * (t - 10)) * 0.2 * -expm1(-0.05 * min(t - 7, 10)), 10, 60, points=[17]
    )[0]
    assert values["infections_per_patient", None] == pytest.approx(early + late - dead, abs=1e-9)


@pytest.mark.parametrize("relapsed", [0.6, 30.0])
def test_relapse_at_a_constant_hazard(relapsed: float) -> None:
    scenario = with_values(
        BLANK,
        {
            "relapse": {"shape": 1.0, "scale_years": 4.0, "start_day": 0.0},
            "active_disease.hazard_per_year": 0.1,
            "after_relapse.multiplier": relapsed / 0.1,
            "background.extra_per_year.remission": 0.05,
        },
    )
    values = expected(scenario) | expected_from_enrolment(scenario)
    rate, leave = 0.25, 0.25 + 0.05
    for time in TIMES_YEARS:
        well = exp(-(rate + 0.05) * time)
        ill = rate / (relapsed - rate - 0.05) * (well - exp(-relapsed * time))
        assert values["disease_free_survival", time] == close(well)
        assert values["in_remission", time] == close(well)
        assert values["overall_survival", time] == close(well + ill)
        assert values["relapse_incidence", time] == close(rate / (rate + 0.05) * (1 - well))
        years_well = -expm1(-time * leave) / leave
        years_ill = rate / (relapsed - leave) * (years_well + expm1(-time * relapsed) / relapsed)
        assert values["overall_survival_enrolled", time] == close(well + ill)
        assert values["restricted_mean_survival", time] == close(years_well + years_ill)
        assert values["restricted_mean_survival_enrolled", time] == close(years_well + years_ill)
        assert values["death_by_cause_lupus", time] == close(relapsed * years_ill)
        assert values["death_by_cause_background", time] == close(0.05 * years_well)


@pytest.mark.parametrize("remission", [0.0, 0.3, 12.0])
@pytest.mark.parametrize("death", [0.0, 0.5])
def test_a_lasting_remission_after_relapse(death: float, remission: float) -> None:
    values = twin(
        {
            "relapse": {"shape": 1.0, "scale_years": 1e-9, "start_day": 0.0},  # everybody, at once
            "active_disease.hazard_per_year": 0.1,
            "after_relapse": {"multiplier": death / 0.1, "remission_per_year": remission},
            "background.extra_per_year.relapsed": 0.2,  # which no remission ends
        }
    )
    both = death + remission
    for time in TIMES_YEARS:
        ill = exp(-both * time)
        well_again = remission / both * (1 - ill) if both else 0.0
        assert values["overall_survival", time] == close(exp(-0.2 * time) * (ill + well_again))
        assert values["disease_free_survival", time] == close(0.0)  # the relapse stays one
        assert values["in_remission", time] == close(0.0)


def test_log_logistic_relapse_after_its_start() -> None:
    values = twin({"relapse": {"dist": "log_logistic", "shape": 1.7, "scale_years": 3.0, "start_day": 100.0}})
    since = 2 - 100 / DAYS_PER_YEAR
    assert values["disease_free_survival", 2.0] == close(1 / (1 + (since / 3) ** 1.7))


def test_relapse_before_engraftment_shows_at_engraftment() -> None:
    values = twin(
        {
            "relapse": {"shape": 1.0, "scale_years": 1.0, "start_day": 0.0},
            "aplasia.duration_days": 0.75 * DAYS_PER_YEAR,
        }
    )
    assert values["relapse_incidence", 0.5] == 0
    assert values["disease_free_survival", 0.5] == close(1)
    assert values["in_remission", 0.5] == 0
    assert values["relapse_incidence", 1.0] == close(1 - exp(-1))
    assert values["in_remission", 1.0] == close(exp(-1))


def test_non_response_counts_when_it_is_assessed() -> None:
    values = twin({"response.non_response": 1.0, "active_disease.hazard_per_year": 0.4})
    assert values["no_response", 0.5] == close(exp(-0.2))
    assert values["no_response", 5.0] == close(exp(-0.2))
    assert values["death_without_relapse", 5.0] == close(1 - exp(-0.2))
    assert values["overall_survival", 5.0] == close(exp(-2))
    assert values["in_remission", 0.5] == 0


@pytest.mark.parametrize("age", [29.0, 80.25, 108.5])
def test_background_mortality_of_one_age(age: float) -> None:
    scenario = with_values(BLANK, {"background.life_table": "us_2013", "cohort.age_years": age})
    values = expected(with_values(scenario, {"cohort.female": 0.83}))
    hazards = background_hazards(scenario.background)
    alive = 0.0
    for share, row in ((0.17, hazards[0]), (0.83, hazards[1])):
        cells = np.arange(hazards.shape[1] + 10)
        spent = np.clip(age + 3 - cells, 0, 1) - np.clip(age - cells, 0, 1)
        alive += share * exp(-float(spent @ row[np.minimum(cells, hazards.shape[1] - 1)]))
    assert values["overall_survival", 3.0] == close(alive)


def test_background_mortality_of_a_mixture_of_ages() -> None:
    law = {"dist": "lognormal", "median": 50, "sigma": 0.1}
    scenario = with_values(BLANK, {"background.life_table": "us_2013", "cohort.age_years": law})
    u = (np.arange(200_000) + 0.5) / 200_000
    ages = scenario.cohort.age_years.quantile(u)
    hazards = background_hazards(scenario.background)
    spent = [
        np.interp(ages + 5, np.arange(row.size + 1), np.append(0, np.cumsum(row)))
        - np.interp(ages, np.arange(row.size + 1), np.append(0, np.cumsum(row)))
        for row in hazards
    ]
    alive = 0.17 * np.exp(-spent[0]).mean() + 0.83 * np.exp(-spent[1]).mean()
    assert expected(scenario)["overall_survival", 5.0] == pytest.approx(alive, abs=1e-6)


def test_exponential_yields_make_a_poisson_number_of_sessions() -> None:
    values = twin(
        {
            "harvest": {
                "duration_days": "by_sessions",
                "yield_million_per_kg": {"dist": "exponential", "mean": 2.0},
                "target_million_per_kg": 5.0,
                "max_sessions": 4,
                "selection_recovery": 0.5,
            },
            "harvest.marrow.failure": 0.25,
        }
    )
    before = stats.poisson(2.5)  # yields that end short of the target
    assert values["harvest_failure", None] == close(0.25 * before.sf(3))
    assert values["pre_transplant_mortality", None] == pytest.approx(0, abs=1e-12)
    sessions = sum(n * before.pmf(n - 1) for n in range(1, 5)) + 4 * before.sf(3)
    assert values["apheresis_sessions", None] == close(sessions)
    short = sum(before.pmf(k) * 5 * 4 / (k + 1) for k in range(4, 60))  # 4 of k + 1 even gaps
    cells = 2.0 * sessions - 0.25 * short  # Wald, less the cells of those withdrawn
    assert values["cd34_infused", None] == close(0.5 * cells / (1 - 0.25 * before.sf(3)))


def test_equal_yields_need_a_certain_number_of_sessions() -> None:
    harvest = {"duration_days": "by_sessions", "yield_million_per_kg": 2, "target_million_per_kg": 6.0}
    values = twin({"harvest": harvest})
    assert values["apheresis_sessions", None] == 3
    assert values["cd34_infused", None] == close(6 * 0.612)


def test_mean_follow_up_without_deaths() -> None:
    values = twin(
        {
            "arrivals": {"window_days": 1000.0, "power": 3.0},
            "follow_up.data_cut_days": 1500.0,
            "recovery.duration_days": 50,
        }
    )
    assert values["mean_follow_up", None] == close((1500 - 750 - 50) / DAYS_PER_YEAR)


def test_mean_follow_up_counts_only_those_reinfused_before_the_cut() -> None:
    values = twin(
        {
            "arrivals": {"window_days": 1000.0, "power": 1.0},
            "follow_up.data_cut_days": 1000.0,
            "recovery.duration_days": {"dist": "exponential", "mean": 400},
        }
    )
    early = 1 - 0.4 * -expm1(-2.5)  # P(T < cut - X)
    total = 500 - 400 * early  # E[cut - X - T; T < cut - X]
    assert values["mean_follow_up", None] == pytest.approx(total / early / DAYS_PER_YEAR, abs=1e-8)


@pytest.mark.parametrize("changes", [{}, {"response.non_response": 0.2}])
def test_disease_free_and_the_three_incidences_add_to_one(changes: Mapping[str, Any]) -> None:
    values = twin(changes, CHICAGO)
    parts = ("disease_free_survival", "relapse_incidence", "no_response", "death_without_relapse")
    for time in TIMES_YEARS:
        assert sum(values[name, time] for name in parts) == close(1)
        assert min(values[name, time] for name in parts) >= 0


CONVERGED = {
    "chicago": {},
    "log-logistic": {
        "relapse.dist": "log_logistic",
        "relapse.scale_years": 9.0,
        "response.non_response": 0.2,
    },
    "steep": {"active_disease.hazard_per_year": 30.0, "after_relapse.multiplier": 20.0},
    "long immunoablation": {
        "immunoablation": {"duration_days": {"dist": "exponential", "mean": 30}, "toxicity_per_day": 0.05},
        "recovery.duration_days": {"dist": "weibull", "shape": 0.7, "scale": 40},
    },
    "registry": {
        "cohort.enters_at": "immunoablation",
        "cohort.age_years": {"dist": "exponential", "mean": 40},
    },
    "late relapse": {"relapse.shape": 3.0, "relapse.scale_years": 4.0},
    "remission after relapse": {"after_relapse": {"multiplier": 3.0, "remission_per_year": 2.0}},
    "cut off": {
        "cohort.age_years": {"dist": "gamma", "mean": 60, "sd": 20, "low": 20.5, "high": 70},
        "mobilisation.duration_days": {"dist": "lognormal", "mean": 11, "sd": 5, "low": 3, "high": 12},
        "harvest.yield_million_per_kg": {"dist": "gamma", "mean": 3, "sd": 2, "low": 1, "high": 2.5},
        "recovery.duration_days": {"dist": "weibull", "shape": 1.5, "scale": 28, "low": 14, "high": 60},
        "aplasia.duration_days": {"dist": "lognormal", "mean": 9, "sd": 3, "low": 7, "high": 14},
    },
    "nothing lasts": NO_TIME,
    "nothing threatens": NO_HAZARD,
}


@pytest.mark.parametrize("changes", CONVERGED.values(), ids=CONVERGED.keys())
def test_more_nodes_change_nothing(changes: Mapping[str, Any]) -> None:
    scenario = with_values(CHICAGO, changes)
    coarse, fine = expected(scenario), expected(scenario, refinement=2)
    assert coarse.keys() == fine.keys()
    for key, value in coarse.items():
        averaged_over_arrivals = key[0] in ("mean_follow_up", "deaths_by_data_cut")
        assert value == pytest.approx(fine[key], abs=3e-8 if averaged_over_arrivals else 1e-9), key


EXTREMES = {
    "huge hazards": {
        "mobilisation.infection.hazard_per_day": 1e9,
        "aplasia.infection.hazard_per_day": 1e9,
        "late_infection.hazard_per_day": 1e9,
    },
    "death at once": {"active_disease.hazard_per_year": 1e9},
    "nobody survives immunoablation": {"immunoablation.toxicity_per_day": 1e9},
    "death at relapse": {"after_relapse.multiplier": 1e6, "relapse.scale_years": 1e-9},
    "sharp relapse": {"relapse.shape": 100.0},
    "no relapse": {"relapse.scale_years": 1e9, "relapse.start_day": 1e6},
    "endless aplasia": {"aplasia.duration_days": {"dist": "exponential", "mean": 1e6}},
    "endless recovery": {"recovery.duration_days": {"dist": "exponential", "mean": 1e6}},
    "late cut": {"follow_up.horizon_years": 100.0, "follow_up.data_cut_days": "none"},
    "early horizon": {"follow_up.horizon_years": 0.1},
    "early cut": {"arrivals.window_days": 0.0, "follow_up.data_cut_days": 1.0},
    "no yield": {"harvest.yield_million_per_kg": 0},
    "no target": {"harvest.target_million_per_kg": 0.0},
    "newborn": {"cohort.age_years": 0},
    "very old": {"cohort.age_years": 150},
}


@pytest.mark.parametrize("changes", EXTREMES.values(), ids=EXTREMES.keys())
def test_extremes_give_finite_figures(changes: Mapping[str, Any]) -> None:
    for (name, _), value in twin(changes, CHICAGO).items():
        assert np.isfinite(value), name
        assert value >= -1e-12, name


def test_nobody_reinfused_yet_waits_with_active_lupus() -> None:
    scenario = with_values(
        BLANK,
        {"active_disease.hazard_per_year": 0.4, "recovery.duration_days": 300.0, "relapse.start_day": 0.0},
    )
    values = expected_from_enrolment(scenario)
    assert values["overall_survival_enrolled", 0.5] == close(exp(-0.2))
    assert values["disease_free_survival_enrolled", 0.5] == close(exp(-0.2))


def test_toxicity_and_lupus_by_a_time_within_immunoablation() -> None:
    h, tox = 0.4 / DAYS_PER_YEAR, 0.003
    stay = {"immunoablation": {"duration_days": 400.0, "toxicity_per_day": tox}}
    values = expected_from_enrolment(with_values(BLANK, {"active_disease.hazard_per_year": 0.4, **stay}))
    for time in (0.5, 1.0):
        days = -expm1(-time * DAYS_PER_YEAR * (h + tox)) / (h + tox)
        assert values["death_by_cause_toxicity", time] == close(tox * days)
        assert values["death_by_cause_lupus", time] == close(h * days)
        assert values["restricted_mean_survival_enrolled", time] == close(days / DAYS_PER_YEAR)
        assert values["death_by_cause_infection", time] == 0


def test_infections_and_lupus_by_cause() -> None:
    """All at once but for 10 days of mobilisation and 20 of aplasia; 5 days from infection to death."""
    h, early, late = 0.5 / DAYS_PER_YEAR, 0.03, 0.02
    changes = {
        "mobilisation": {"duration_days": 10.0},
        "mobilisation.infection": {
            "hazard_per_day": early, "window_days": 10.0, "days_to_death": 5.0, "case_fatality": 0.4
        },
        "aplasia": {"duration_days": 20.0},
        "aplasia.infection": {"hazard_per_day": late, "case_fatality": 0.3, "days_to_death": 5.0},
        "recovery.postponement": {"probability": 0.0, "after_infection": 0.0},
        "active_disease.hazard_per_year": 0.5,
        "response.non_response": 1.0,
    }  # fmt: skip
    values = expected_from_enrolment(with_values(BLANK, changes))
    first = 0.4 * early / (early + h) * -expm1(-10 * (early + h)) * exp(-5 * h)
    lives = 1 - 0.4 * -expm1(-10 * early)
    then = lives * 0.3 * late / (late + h) * -expm1(-20 * (late + h)) * exp(-15 * h)
    assert values["death_by_cause_infection", 5.0] == close(first + then)
    assert values["death_by_cause_infection", 0.5] == close(first + then)
    alive = lives * (1 - 0.3 * -expm1(-20 * late)) * exp(-2.5)
    assert values["overall_survival_enrolled", 5.0] == close(alive)
    assert values["death_by_cause_lupus", 5.0] == close(1 - alive - first - then)
    lived = (1 - alive - first - then) / 0.5  # whoever lives has active disease
    assert values["restricted_mean_survival_enrolled", 5.0] == close(lived)


@pytest.mark.parametrize("changes", EXTREMES.values(), ids=EXTREMES.keys())
def test_deaths_by_cause_add_up(changes: Mapping[str, Any]) -> None:
    values = expected_from_enrolment(with_values(CHICAGO, changes))
    for time in [time for name, time in values if name == "overall_survival_enrolled"]:
        causes = [values[name, time] for name in BY_NAME if name.startswith("death_by_cause_")]
        assert sum(causes) == close(1 - values["overall_survival_enrolled", time])
        assert min(causes) > -1e-6
        assert 0 <= values["restricted_mean_survival_enrolled", time] <= (time or 0)


@pytest.mark.parametrize("changes", [{}, {"cohort.enters_at": "immunoablation"}], ids=["trial", "registry"])
def test_finer_quadrature_changes_nothing_from_enrolment(changes: Mapping[str, Any]) -> None:
    scenario = with_values(CHICAGO, {**changes, "immunoablation.toxicity_per_day": 0.001})
    coarse, fine = (expected_from_enrolment(scenario, refinement) for refinement in (1, 2))
    assert coarse.keys() == fine.keys()
    for key, value in coarse.items():
        assert value == pytest.approx(fine[key], abs=1e-7), key


@pytest.mark.parametrize("name", ["huge hazards", "death at once", "death at relapse", "endless aplasia"])
def test_the_horizon_alone_says_the_same_at_extremes(name: str) -> None:
    changes = EXTREMES[name]
    exact = expected_from_enrolment(with_values(CHICAGO, changes))
    times = np.array([1.0, 2.0, 5.0])
    found = expected_at_horizon([with_values(CHICAGO, changes)], times)
    curve = [exact["overall_survival_enrolled", time] for time in times]
    assert found.alive[0] == pytest.approx(curve, abs=2e-3)  # kinks within the law's nodes
    for key in found.figures.keys() & exact.keys():
        assert found.figures[key][0] == pytest.approx(exact[key], abs=1e-5), key


def test_nobody_reinfused_leaves_no_figures_from_reinfusion() -> None:
    values = twin({"immunoablation.toxicity_per_day": 1e9}, CHICAGO)
    assert ("overall_survival", 5.0) not in values
    assert values["transplant_related_mortality", None] == 0
    assert values["treatment_related_mortality", None] > 0.9


def test_never_transplanted() -> None:
    values = twin({"cohort.enters_at": "home", "active_disease.hazard_per_year": 0.2})
    assert values["overall_survival_enrolled", 5.0] == close(exp(-1))
    assert values["restricted_mean_survival_enrolled", 5.0] == close(5 * (1 - exp(-1)))
    assert values["death_by_cause_lupus", 2.0] == close(1 - exp(-0.4))
    assert values["death_by_cause_background", 2.0] == pytest.approx(0, abs=1e-12)
    assert ("overall_survival", 5.0) not in values
    assert ("disease_free_survival_enrolled", 5.0) not in values, "who is ill is not free of disease"


def test_deaths_at_home_add_up() -> None:
    home = {"cohort.enters_at": "home", "active_disease.hazard_per_year": 0.2}
    values = twin({**home, "background.life_table": "us_2013"})
    for time in TIMES_YEARS:
        dead = values["death_by_cause_lupus", time] + values["death_by_cause_background", time]
        assert dead == close(1 - values["overall_survival_enrolled", time])
        assert values["death_by_cause_background", time] > 0


def test_the_way_through_is_followed_for_a_lifetime_whatever_the_horizon() -> None:
    short, long = (expected(with_values(CHICAGO, {"follow_up.horizon_years": y})) for y in (0.1, 5.0))
    for name in ("pre_transplant_mortality", "treatment_related_mortality", "infections_per_patient"):
        assert short[name, None] == pytest.approx(long[name, None], abs=1e-8), name
    slow = {"recovery.duration_days": {"dist": "exponential", "mean": 50 * DAYS_PER_YEAR}}
    late = twin({**slow, "active_disease.hazard_per_year": 0.01})
    still = exp(-WAY_YEARS * (1 / 50 + 0.01))
    assert late["still_waiting", None] == pytest.approx(still, abs=2e-3)
    dead = 0.01 / 0.03 * (1 - still)
    assert late["pre_transplant_mortality", None] == pytest.approx(dead, abs=2e-3)


@pytest.mark.parametrize("key", ["clinic.isolation_rooms", "clinic.apheresis_slots"])
def test_refuses_a_queue(key: str) -> None:
    with pytest.raises(RequestError, match=rf"{key} is 3: .*unlimited"):
        twin({key: 3}, CHICAGO)
