"""Patients of one's own against the model: its own are covered as often as it says, others are not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from sim.centre.own_cohort import own_cohort
from sim.centre.patients import OwnPatients
from sim.clinic.history import History
from sim.clinic.states import TREATMENT_CAUSES, Cause
from sim.outcomes.twin.expected import expected, expected_from_enrolment
from sim.scenario.load import load
from sim.scenario.problems import RequestError
from sim.scenario.schema import DAYS_PER_YEAR, Scenario
from sim.scenario.values import get_value, with_values
from sim.study.budget import Budget
from sim.study.draws import Draws
from sim.study.montecarlo import replicate
from sim.study.own_patients import OwnValidation, validate_own

NAN = math.nan
MOST = 4.0
"""Standard errors."""
CUT = 3105.0


def budget(replications: int = 500, seed: int = 11) -> Budget:
    return Budget(replications, seed, 0, engine="arrays")


def tables(scenario: Scenario, number: int, seed: int) -> Iterator[OwnPatients]:
    """Yield virtual trials as the tables that their centres would write, in whole days."""
    plain = with_values(scenario, {"follow_up.data_cut_days": "none", "follow_up.horizon_years": 9.0})
    (history,) = replicate(plain, range(number), seed, "arrays")
    for trial in range(number):
        yield table(history, trial)


def table(history: History, trial: int) -> OwnPatients:
    """Return one trial's patients as they are known at the data cut."""
    enrolled = history.enrolled[:, trial]
    end = np.round(CUT - enrolled)
    days = {}
    for name, column in (("transplanted", "aplasia"), ("relapsed", "relapse"), ("died", "death")):
        since = np.round(getattr(history, column)[:, trial] - enrolled)
        days[name] = np.where(since <= end, since, NAN)
    dead = ~np.isnan(days["died"])
    soon = ~(days["died"] > days["transplanted"] + 100)
    cause = history.cause[:, trial]
    treated = np.isin(cause, [each.value for each in TREATMENT_CAUSES]) & soon
    words = np.where(treated, "treatment", np.where(cause == Cause.LUPUS.value, "lupus", "other"))
    return OwnPatients.of(
        np.where(dead, days["died"], end), **days, cause=np.where(dead, words, ""), age=history.age[:, trial],
        female=history.female[:, trial], arrived=np.round(enrolled - enrolled.min()),
    )  # fmt: skip


def held_against(own: OwnPatients, how: Budget, base: str = "chicago2006") -> OwnValidation:
    return validate_own(own, own_cohort(own, base), how)


def small() -> Scenario:
    return with_values(load("chicago2006").scenario, {"cohort.patients": 23})


def test_virtual_trials_written_as_tables_are_covered_as_often_as_virtual_cohorts_are() -> None:
    number, gaps, scores, together = 40, [], [], []
    for own in tables(small(), number, seed=5):
        found = held_against(own, budget(300))
        # Counts are discrete: more than 95% of virtual cohorts lie inside, and the mean tells how many.
        gaps.append((found.covered.covered - found.covered.virtual_mean) / found.covered.figures)
        together.append(found.together)
        scores.append(found.table.set_index(["endpoint", "time_years"])["z"])
    error = np.std(gaps, ddof=1) / math.sqrt(number)
    assert error < 0.02
    assert abs(np.mean(gaps)) < MOST * error
    assert abs(np.mean(together) - 0.5) < MOST * math.sqrt(1 / 12 / number)
    for name, years in (("deaths_seen", NAN), ("disease_free_survival", 2.0), ("overall_survival", 1.0)):
        own = np.array([each.xs(name).loc[[years]].iloc[0] for each in scores])
        assert abs(own.mean()) < MOST / math.sqrt(number)
        assert own.var() < 1 + MOST * math.sqrt(2 / number)  # mid-ranks of ties spread less


def test_patients_of_another_hazard_are_told_from_the_model() -> None:
    worse = with_values(small(), {"active_disease.hazard_per_year": 0.9, "cohort.patients": 60})
    found = [held_against(own, budget(300)) for own in tables(worse, 12, seed=6)]
    assert sum(each.together < 0.05 for each in found) >= 10  # of the model's own tables 1 in 20 is
    for each in found:
        (deaths,) = each.calibration[each.calibration["endpoint"] == "deaths_seen"].itertuples()
        assert deaths.ratio > 1


def followed(size: int, days: float, **more: object) -> OwnPatients:
    """Return patients who all were reinfused and lived so long."""
    return OwnPatients.of([days] * size, transplanted=[40.0] * size, **more)


def test_predictions_are_those_of_the_exact_twin_where_all_are_followed_alike() -> None:
    own = followed(50, 5.5 * DAYS_PER_YEAR, age=[29.0, 22.0, 38.0, 31.0, 26.0] * 10)
    found = held_against(own, budget(2000)).table.set_index(["endpoint", "time_years"])
    scenario = own_cohort(own, "chicago2006").scenario
    exact = expected(scenario)
    for key in (("overall_survival", 2.0), ("overall_survival", 5.0), ("disease_free_survival", 2.0)):
        twin = exact[key]
        error = math.sqrt(twin * (1 - twin) / 48 / 2000)  # 48 reinfused, none of them censored by then
        assert abs(found.loc[key, "predicted"] - twin) < MOST * error
    enrolled = expected_from_enrolment(scenario)["overall_survival_enrolled", 2.0]
    error = math.sqrt(enrolled * (1 - enrolled) / 50 / 2000)
    assert abs(found.loc[("overall_survival_enrolled", 2.0), "predicted"] - enrolled) < MOST * error
    trm = exact["treatment_related_mortality", None]
    (predicted,) = found.xs("treatment_related_mortality")["predicted"]
    assert abs(predicted - trm) < MOST * math.sqrt(trm / 50 / 2000)


def test_times_from_reinfusion_are_predicted_of_the_reinfused() -> None:
    own = followed(30, 4 * DAYS_PER_YEAR)
    since = replace(own, transplanted=np.zeros(30), last_seen=own.last_seen - 40, from_transplant=True)
    whole, part = (held_against(each, budget(2000)).table for each in (own, since))
    assert "reinfused" not in set(part["endpoint"])
    both = whole.merge(part, on=["endpoint", "time_years"])
    both = both[both["endpoint"].isin(["overall_survival", "disease_free_survival", "relapse_incidence"])]
    assert len(both) == 9
    error = np.sqrt(both["predicted_x"] * (1 - both["predicted_x"]) * 2 / 28 / 2000)
    assert np.all(np.abs(both["predicted_x"] - both["predicted_y"]) < MOST * error)


def test_a_shorter_follow_up_finds_fewer_deaths() -> None:
    short, long = (held_against(followed(30, years * DAYS_PER_YEAR), budget()) for years in (1, 5))
    deaths = [each.calibration.set_index("endpoint").loc["deaths_seen"] for each in (short, long)]
    assert deaths[0]["expected"] < 0.7 * deaths[1]["expected"]
    assert list(deaths[0][["observed", "ratio", "ratio_lower"]]) == [0, 0, 0]
    # Of 30 nobody died: at a chance of 1 - 0.025^(1/30) that happens in 2.5%.
    assert deaths[0]["ratio_upper"] == pytest.approx(30 * (1 - 0.025 ** (1 / 30)) / deaths[0]["expected"])


def test_deaths_alone_tell_what_many_figures_drown() -> None:
    often = {
        f"{stage}.infection.case_fatality": 5 * get_value(small(), f"{stage}.infection.case_fatality")
        for stage in ("mobilisation", "aplasia")
    }
    worse = with_values(small(), {**often, "cohort.patients": 60})
    found = [held_against(own, budget(300)) for own in tables(worse, 20, seed=78)]
    # Of 100 other tables 79 were told by deaths and 48 by all figures: fewer than 10 of 20 come in 1 of 500.
    assert sum(each.deaths < 0.05 for each in found) >= 10
    assert np.mean([each.deaths for each in found]) < np.mean([each.together for each in found])
    late = held_against(followed(30, 400.0), budget(50), "ebmt2004")
    assert math.isnan(late.deaths)
    assert set(late.calibration["endpoint"]) == {"relapses_seen"}


def test_draws_of_a_posterior_widen_the_ranges() -> None:
    own = followed(100, 4 * DAYS_PER_YEAR)
    hazard = load("chicago2006").scenario.relapse.scale_years
    draws = Draws(("relapse.scale_years",), (hazard,), tuple((hazard * times,) for times in (0.4, 1.0, 2.5)))
    alone, drawn = (
        held_against(own, how).table.set_index(["endpoint", "time_years"]).loc["disease_free_survival", 3.0]
        for how in (budget(600), replace(budget(200), draws=draws))
    )
    assert drawn["upper"] - drawn["lower"] > 1.2 * (alone["upper"] - alone["lower"])
    other = replace(draws, point=(2 * hazard,))
    with pytest.raises(RequestError, match="so the posterior is not about it"):
        held_against(own, replace(budget(200), draws=other))


def test_the_band_is_that_of_the_figures_and_numbers_at_risk_stand_at_whole_years_alone() -> None:
    found = held_against(followed(30, 4 * DAYS_PER_YEAR), budget())
    band = found.curves[found.curves["endpoint"] == "overall_survival"].set_index("time_years")
    figure = found.table.set_index(["endpoint", "time_years"]).loc["overall_survival", 3.0]
    assert band.loc[3.0, ["lower", "upper"]].tolist() == figure[["lower", "upper"]].tolist()
    assert band.index[band["at_risk"].notna()].tolist() == [0, 1, 2, 3]
    assert band.loc[3.0, "at_risk"] == 30


def test_the_same_request_gives_the_same_bits_whoever_works() -> None:
    own = next(tables(small(), 1, seed=9))
    one, two = (held_against(own, replace(budget(600), workers=workers)) for workers in (1, 2))
    assert one.result_hash == two.result_hash
    assert held_against(own, budget(600, seed=12)).result_hash != one.result_hash
