"""Fates: what is drawn has the stated law, and depends on nothing but the patient's own luck."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sim.patient.fates import NEVER, Fate, Fates, by_replication, draw_fates, expected_patients
from sim.patient.luck import Luck
from sim.patient.quantiles import draw as by_inverse
from sim.patient.quantiles import uniforms
from sim.patient.streams import Stream
from sim.scenario.life_table import background_hazards
from sim.scenario.schema import DAYS_PER_YEAR, Scenario

MakeScenario = Callable[..., Scenario]

POISSON = {"arrivals.pattern": "poisson", "arrivals.per_year": 60, "arrivals.years": 1}


def draw(scenario: Scenario, replications: range = range(256), seed: int = 1) -> Fates:
    return draw_fates(scenario, Luck(seed), replications)


def differing(one: Fates, other: Fates) -> set[str]:
    """Return the fields in which two cohorts differ."""
    return {
        name
        for name, a, b in zip(Fate._fields, one, other, strict=True)
        if not np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    }


def uniform(stream: Stream, scenario: Scenario) -> NDArray[np.float64]:
    return uniforms(Luck(1).lanes(stream, range(scenario.cohort.patients), range(256)))


def test_no_number_is_read_for_two_purposes(
    scenario_of: MakeScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A yes/no and its how-long on one number would give lengths from a part of their law alone."""
    read: list[tuple[Stream, int, int]] = []
    words = Luck.words

    def noted(
        luck: Luck, stream: Stream, patients: range, block: int, occurrence: int = 0
    ) -> NDArray[np.uint32]:
        read.append((stream, patients.start, occurrence))
        return words(luck, stream, patients, block, occurrence)

    monkeypatch.setattr(Luck, "words", noted)
    drawn = {"dist": "exponential", "mean": 5}
    everything = {
        "transplant.delay_days": drawn,
        "response.non_response": 0.1,
        "immunoablation.duration_days": drawn,
        "clinic.room_turnaround_days": drawn,
        "background.extra_per_year.remission": 0.01,
        "after_relapse.remission_per_year": 0.1,
    }
    draw(scenario_of(everything))
    assert len(read) == len(set(read))
    assert {stream for stream, _, _ in read} == set(Stream) - {Stream.HARVEST_DURATION}
    assert sorted(k for stream, _, k in read if stream is Stream.HARVEST_YIELD) == [0, 1, 2, 3]
    draw(scenario_of({"harvest.duration_days": drawn}))
    assert Stream.HARVEST_DURATION in {stream for stream, _, _ in read}


# Two worlds


@pytest.mark.parametrize("more", [1, 77, 78, 206, 300])  # around the edges of the tiles of 128
def test_more_patients_change_nobody(scenario_of: MakeScenario, more: int) -> None:
    few = draw(scenario_of({"cohort.patients": 50}))
    many = draw(scenario_of({"cohort.patients": 50 + more}))
    assert len(many.enrolled) == 50 + more
    assert not differing(few, Fate._make(array[:50] for array in many))


@pytest.mark.parametrize("extra", [{}, POISSON])
def test_a_replication_alone_is_the_same_as_in_a_batch(scenario_of: MakeScenario, extra: Any) -> None:
    scenario = scenario_of(extra)
    for first, batch in ((5, range(256)), (300, range(256, 512))):
        alone, together = draw(scenario, range(first, first + 1)), draw(scenario, batch)
        column = batch.index(first)
        own = len(alone.enrolled)  # with Poisson arrivals a batch is as long as its busiest replication
        cut: Fates = Fate._make(array[:own, column : column + 1] for array in together)
        assert not differing(alone, cut)
        assert np.all(together.enrolled[own:, column] == NEVER)


@pytest.mark.parametrize("extra", [{"cohort.patients": 130}, POISSON])
def test_replications_of_several_blocks_are_the_blocks_beside_each_other(
    scenario_of: MakeScenario, extra: Any
) -> None:
    scenario, batch = scenario_of(extra), range(250, 520)
    together = draw(scenario, batch)
    for block in (range(250, 256), range(256, 512), range(512, 520)):
        alone = draw(scenario, block)
        own, columns = len(alone.enrolled), slice(batch.index(block[0]), batch.index(block[-1]) + 1)
        assert not differing(alone, Fate._make(array[:own, columns] for array in together))
        assert np.all(together.enrolled[own:, columns] == NEVER)


@pytest.mark.parametrize(
    ("change", "touched"),
    [
        ({"background.extra_per_year.remission": 0.1}, {"extra_budget"}),
        ({"response.non_response": 0.3}, {"responds", "relapse_days"}),
        ({"after_relapse.remission_per_year": 0.3}, {"remission_days"}),
        ({"recovery.postponement.probability": 0.5}, {"recovery_days"}),
        ({"clinic.room_turnaround_days": {"dist": "exponential", "mean": 2}}, {"turnaround_days"}),
        ({"harvest.duration_days": {"dist": "exponential", "mean": 2}},
         {"slot_days", "sessions", "collected", "marrow_days", "harvest_fails"}),
        ({"immunoablation.toxicity_per_day": 0}, {"toxicity_days"}),
        ({"aplasia.infection.case_fatality": 0.9}, {"infection_death", "stay_days"}),
        ({"late_infection.hazard_per_day": 0.01}, {"late_infection", "infection_death"}),
        ({"mobilisation.infection.case_fatality": 1}, {"mobilisation_infection_death"}),
        ({"active_disease.hazard_per_year": 1}, {"lupus_days"}),
        ({"background.life_table": "none"}, {"background_days"}),
        ({"cohort.female": 0.1}, {"female", "background_days"}),
        ({"clinic.isolation_rooms": 1, "clinic.apheresis_slots": 1}, set()),
        ({"cohort.enters_at": "home"}, set()),
    ],
)  # fmt: skip
def test_a_changed_parameter_touches_its_own_draws_alone(
    scenario_of: MakeScenario, change: dict[str, Any], touched: set[str]
) -> None:
    plain = draw(scenario_of({"cohort.patients": 60}))
    assert differing(plain, draw(scenario_of({"cohort.patients": 60}, change))) == touched


def test_a_longer_enrolment_adds_patients_and_changes_nobody(scenario_of: MakeScenario) -> None:
    short = draw(scenario_of(POISSON), range(8))
    long = draw(scenario_of(POISSON, {"arrivals.years": 3}), range(8))
    here = short.enrolled < NEVER
    for name, a, b in zip(Fate._fields, short, long, strict=True):
        np.testing.assert_array_equal(a[here], b[: len(a)][here], err_msg=name)


def test_python_numbers_are_the_arrays(scenario_of: MakeScenario) -> None:
    fates = draw(scenario_of({"cohort.patients": 3}), range(4))
    rows = list(by_replication(fates))
    assert [len(row) for row in rows] == [3] * 4
    for name, array in zip(Fate._fields, fates, strict=True):
        np.testing.assert_array_equal([[getattr(f, name) for f in row] for row in rows], array.T)


# Laws of what is drawn


@pytest.mark.parametrize(
    ("distribution", "mean", "sd"),
    [
        ({"dist": "exponential", "mean": 4}, 4, 4),
        ({"dist": "lognormal", "mean": 11, "sd": 3}, 11, 3),
        ({"dist": "lognormal", "median": 1, "sigma": 0.5}, np.e**0.125, np.sqrt(np.e**0.5 - np.e**0.25)),
        ({"dist": "gamma", "mean": 5, "sd": 10}, 5, 10),
        ({"dist": "weibull", "shape": 2, "scale": 3}, 3 * np.sqrt(np.pi) / 2, 3 * np.sqrt(1 - np.pi / 4)),
        (7, 7, 0),
    ],
)  # fmt: skip
def test_durations_have_the_stated_moments(
    scenario_of: MakeScenario, distribution: Any, mean: float, sd: float
) -> None:
    days = draw(scenario_of({"aplasia.duration_days": distribution, "cohort.patients": 400})).aplasia_days
    assert abs(days.mean() - mean) <= 4.5 * sd / np.sqrt(days.size)
    assert days.std() == pytest.approx(sd, rel=0.05)


def test_trial_arrivals_fill_the_window_by_the_power_law(scenario_of: MakeScenario) -> None:
    scenario = scenario_of({"arrivals.window_days": 1000, "arrivals.power": 3})
    enrolled = draw(scenario).enrolled
    np.testing.assert_allclose((enrolled / 1000) ** 3, uniform(Stream.ARRIVAL, scenario), rtol=1e-12)


def test_poisson_arrivals_are_ordered_and_as_many_as_expected(scenario_of: MakeScenario) -> None:
    scenario = scenario_of(POISSON, {"arrivals.warm_up_days": 100})
    enrolled = draw(scenario).enrolled
    present = enrolled < NEVER
    assert np.all(enrolled[present] <= 100 + DAYS_PER_YEAR)
    assert np.all(np.diff(np.where(present, enrolled, 1e9), axis=0)[present[1:]] > 0)
    assert not np.any(present[1:] & ~present[:-1])
    counts, mean = present.sum(axis=0), 60 * (1 + 100 / DAYS_PER_YEAR)
    assert abs(counts.mean() - mean) < 4.5 * np.sqrt(mean / 256)
    assert counts.var() == pytest.approx(mean, rel=0.4)
    assert counts.max() <= expected_patients(scenario)


def test_poisson_arrivals_go_on_when_more_come_than_expected(
    scenario_of: MakeScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = scenario_of(POISSON)
    whole = draw(scenario)
    monkeypatch.setattr("sim.patient.fates.expected_patients", lambda _: 3)
    assert not differing(whole, draw(scenario))


def test_the_default_harvest_is_the_trials(scenario_of: MakeScenario) -> None:
    scenario = scenario_of({"cohort.patients": 400})
    fates, harvest = draw(scenario), scenario.harvest
    short = fates.marrow_days > 0
    assert abs(fates.sessions.mean() - 2.4) <= 0.06  # P01
    # 3.4% need marrow; published were 5 of 128, 3.9%, with an exact interval from 1.3 to 8.9% (P04).
    assert short.mean() == pytest.approx(0.0343, abs=0.0025)
    # Wald: the sum at the stopping time is sessions x the mean yield.
    infused = fates.collected.mean() * harvest.selection_recovery
    assert infused == pytest.approx(fates.sessions.mean() * 3.93 * 0.612, abs=0.06)
    assert infused == pytest.approx(5.78, abs=0.15)
    assert fates.harvest_fails[short].mean() == pytest.approx(0.2, abs=0.03)


def test_a_harvest_goes_on_until_the_target_or_the_last_session(scenario_of: MakeScenario) -> None:
    scenario = scenario_of()
    fates, harvest = draw(scenario), scenario.harvest
    yields = [
        by_inverse(harvest.yield_million_per_kg, Luck(1).words(Stream.HARVEST_YIELD, range(50), 0, k))
        for k in range(harvest.max_sessions)
    ]
    collected = np.cumsum(yields, axis=0)
    last = np.minimum(np.sum(collected < harvest.target_million_per_kg, axis=0), harvest.max_sessions - 1)
    np.testing.assert_array_equal(fates.sessions, last + 1)
    np.testing.assert_array_equal(fates.slot_days, last + 1)
    np.testing.assert_array_equal(fates.collected, np.take_along_axis(collected, last[None], axis=0)[0])
    np.testing.assert_array_equal(fates.marrow_days, collected[-1] < harvest.target_million_per_kg)  # one day
    assert not np.any(fates.harvest_fails & (fates.marrow_days == 0))


def test_a_harvest_by_duration_counts_no_sessions(scenario_of: MakeScenario) -> None:
    fates = draw(scenario_of({"harvest.duration_days": 3, "harvest.target_million_per_kg": 1e6}))
    assert np.all(fates.slot_days == 3)
    assert np.all(fates.sessions == 0)
    assert np.all(np.isnan(fates.collected))
    assert not fates.harvest_fails.any()


def test_mobilisation_infections_come_in_the_last_days_alone(scenario_of: MakeScenario) -> None:
    fates = draw(scenario_of({"cohort.patients": 400}))
    infected = fates.mobilisation_infection < NEVER
    assert infected.mean() == pytest.approx(0.2222, abs=0.006)  # 2 of 9 (B30)
    before_harvest = (fates.mobilisation_days - fates.mobilisation_infection)[infected]
    assert before_harvest.min() > 0
    assert before_harvest.max() <= 4
    fatal = fates.mobilisation_infection_death < NEVER
    assert fatal[infected].mean() == pytest.approx(0.067, abs=0.01)
    assert not fatal[~infected].any()
    ill = fates.mobilisation_infection_death[fatal] - fates.mobilisation_infection[fatal]
    np.testing.assert_allclose(ill, 7)


def test_the_window_at_risk_is_never_longer_than_mobilisation(scenario_of: MakeScenario) -> None:
    short = scenario_of({"mobilisation.duration_days": 1, "mobilisation.infection.hazard_per_day": 1})
    onset = draw(short).mobilisation_infection
    assert onset.min() > 0
    assert (onset < NEVER).mean() == pytest.approx(1 - np.exp(-1), abs=0.02)


def test_a_survived_mobilisation_infection_always_postpones(scenario_of: MakeScenario) -> None:
    fates = draw(scenario_of({"recovery.duration_days": 28, "recovery.postponement.duration_days": 60}))
    infected = fates.mobilisation_infection < NEVER
    assert np.all(fates.recovery_days[infected] == 88)
    assert np.isin(fates.recovery_days, (28, 88)).all()
    assert (fates.recovery_days[~infected] == 88).mean() == pytest.approx(0.05, abs=0.01)


def test_infections_after_reinfusion_keep_their_windows(scenario_of: MakeScenario) -> None:
    busy = {"aplasia.infection.hazard_per_day": 0.2, "late_infection.hazard_per_day": 0.05}
    fates = draw(scenario_of(busy, {"aplasia.infection.case_fatality": 0.5}))
    aplasia, late = fates.aplasia_infection < NEVER, fates.late_infection < NEVER
    assert np.all(fates.aplasia_infection[aplasia] < fates.aplasia_days[aplasia])
    assert np.all(fates.late_infection[late] >= fates.aplasia_days[late])
    assert np.all(fates.late_infection[late] < 93)
    dead = fates.infection_death < NEVER
    assert np.all(fates.infection_death[dead] <= 100)
    onset = fates.infection_death - 7
    of_aplasia = dead & np.isclose(onset, fates.aplasia_infection)
    of_late = dead & np.isclose(onset, fates.late_infection)
    np.testing.assert_array_equal(of_aplasia | of_late, dead)
    assert 0.4 < of_aplasia[aplasia].mean() < 0.6
    # Who lives through an infection stays until it is over, who does not until death.
    assert np.all(fates.stay_days >= fates.aplasia_days)
    assert np.all(fates.stay_days[of_aplasia] >= fates.infection_death[of_aplasia])


def test_the_ward_multiplies_the_hazard_of_infection(scenario_of: MakeScenario) -> None:
    change = {"aplasia.infection.ward_relative_risk": 2}
    single, double = draw(scenario_of()).aplasia_infection, draw(scenario_of(change)).aplasia_infection
    both = (single < NEVER) & (double < NEVER)
    assert both.any()
    np.testing.assert_allclose(double[both], single[both] / 2, rtol=1e-12)
    assert np.all(double <= single)


@pytest.mark.parametrize("table", ["us_2013"])
@pytest.mark.parametrize("age", [0, 0.5, 29.3, 108.7, 109, 130])
def test_background_death_spends_its_budget_from_birthday_to_birthday(
    scenario_of: MakeScenario, table: str, age: float
) -> None:
    scenario = scenario_of({"cohort.age_years": age, "cohort.patients": 2, "background.life_table": table})
    fates = draw(scenario)
    budget = -np.log1p(-uniform(Stream.BACKGROUND, scenario))
    hazards = background_hazards(scenario.background)
    for patient, replication in np.ndindex(2, 20):
        left = budget[patient, replication]
        hazard = hazards[int(fates.female[patient, replication])]
        now = age
        while True:  # literally: year of life by year of life
            rate, birthday = hazard[min(int(now), hazard.size - 1)], np.floor(now) + 1
            if left <= rate * (birthday - now):
                break
            left, now = left - rate * (birthday - now), birthday
        days = (now + left / rate - age) * DAYS_PER_YEAR
        assert fates.background_days[patient, replication] == pytest.approx(days, abs=1e-7)


@pytest.mark.parametrize("shape", [0.6, 1.0, 3.0])
@pytest.mark.parametrize("family", ["weibull", "log_logistic"])
def test_relapse_comes_when_its_cumulative_hazard_reaches_the_budget(
    scenario_of: MakeScenario, family: str, shape: float
) -> None:
    change = {"relapse.dist": family, "relapse.shape": shape, "aplasia.duration_days": 9}
    scenario = scenario_of(change)
    relapse, budget = draw(scenario).relapse_days, -np.log1p(-uniform(Stream.RELAPSE, scenario))
    spent = ((relapse - 60) / (9.5 * DAYS_PER_YEAR)) ** shape
    if family == "log_logistic":
        spent = np.log1p(spent)
    later = relapse > 61
    assert later.mean() > 0.9
    np.testing.assert_allclose(spent[later], budget[later], rtol=1e-9)
    assert relapse.min() >= 60


def test_nobody_relapses_before_engraftment_or_without_response(scenario_of: MakeScenario) -> None:
    change = {"relapse.start_day": 0, "relapse.scale_years": 0.01, "response.non_response": 0.3}
    fates = draw(scenario_of(change))
    assert np.all(fates.relapse_days >= fates.aplasia_days)
    assert np.any(fates.relapse_days == fates.aplasia_days)
    np.testing.assert_array_equal(fates.relapse_days == NEVER, ~fates.responds)
    assert fates.responds.mean() == pytest.approx(0.7, abs=0.02)


@pytest.mark.parametrize(
    ("key", "field"),
    [
        ("cohort.female", "female"),
        ("harvest.marrow.failure", "harvest_fails"),
    ],
)
def test_a_higher_chance_only_adds(scenario_of: MakeScenario, key: str, field: str) -> None:
    none, low, high, sure = (getattr(draw(scenario_of({key: p})), field) for p in (0, 0.3, 0.6, 1))
    assert not none.any()
    assert np.all(low <= high)
    assert np.all(high <= sure)
    assert low.sum() < high.sum()
    if field == "female":
        assert sure.all()


EXTREMES: tuple[dict[str, Any], ...] = (
    {"arrivals.power": 1000},
    {"arrivals.power": 5e-324},
    {"active_disease.hazard_per_year": 1e-306},
    {"active_disease.hazard_per_year": 1e9},
    {"aplasia.infection.hazard_per_day": 5e-324},
    {"mobilisation.infection.hazard_per_day": 1e9},
    {"background.standardised_mortality_ratio": 1e-308},
    {"background.standardised_mortality_ratio": 1e6},
    {"relapse.shape": 1e-3},
    {"relapse.shape": 100},
    {"relapse.scale_years": 5e-324},
    {"relapse.scale_years": 1e9},
    {"relapse.dist": "log_logistic", "relapse.shape": 1e-3},
    {"harvest.target_million_per_kg": 0},
    {"harvest.target_million_per_kg": 1e6, "harvest.max_sessions": 1},
    {"cohort.age_years": 0},
    {"cohort.age_years": 1e9},
    {"cohort.age_years": {"dist": "lognormal", "median": 1e9, "sigma": 10}},
    {**POISSON, "arrivals.per_year": 5e-324},
)


@pytest.mark.parametrize("extreme", EXTREMES, ids=str)
def test_extremes_are_drawn_without_a_warning(scenario_of: MakeScenario, extreme: dict[str, Any]) -> None:
    fates = draw(scenario_of(extreme), range(3))
    for name, array in zip(Fate._fields, fates, strict=True):
        assert not np.isnan(array).any() or name == "collected"
        if array.dtype.kind == "f":
            assert np.nanmin(array) >= 0, name


@pytest.mark.parametrize(
    "aplasia", [{"dist": "fixed", "value": 9}, {"dist": "lognormal", "mean": 9, "sd": 5}]
)
def test_toxicity_is_told_of_whom_it_may_kill(scenario_of: MakeScenario, aplasia: Any) -> None:
    hazard = 0.02
    scenario = scenario_of({"immunoablation.toxicity_per_day": hazard, "aplasia.duration_days": aplasia})
    fates = draw(scenario)
    everybody = -np.log1p(-uniform(Stream.TOXICITY, scenario)) / hazard
    engraftment = fates.immunoablation_days + fates.aplasia_days
    may, told = everybody <= engraftment, fates.toxicity_days < NEVER
    assert 0.1 < may.mean() < told.mean() < 0.5
    np.testing.assert_array_equal(fates.toxicity_days[may], everybody[may])
    np.testing.assert_array_equal(fates.toxicity_days[told], everybody[told])
    assert np.all(fates.toxicity_days[told] <= engraftment[told] + 1)
