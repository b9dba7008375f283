"""Comparisons: paired differences, their errors, what can't be paired, and ranges."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from estimating import estimate, read_endpoints

from sim.outcomes.twin.expected import expected, expected_from_enrolment
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import Key
from sim.scenario.load import changed, load
from sim.scenario.problems import IncomparableWarning, RequestError, UnpairedWarning
from sim.scenario.schema import Scenario
from sim.scenario.values import with_values
from sim.study import experiment
from sim.study.budget import Budget
from sim.study.compare import (
    Compared,
    Side,
    compare,
    incomparable,
    obstacles,
    settings,
    solved_otherwise,
    warn_of_unpaired,
)
from sim.study.estimates import Difference, cross_moments, differences, moments, over_draws
from sim.study.montecarlo import replicate

MakeScenario = Callable[..., Scenario]

SMALL = {"cohort.patients": 20}
WARD = "aplasia.infection.ward_relative_risk"
RISKY: dict[str, Any] = {**SMALL, WARD: 8.0}
TRM: Key = ("treatment_related_mortality", None)
SURVIVAL: Key = ("overall_survival", 5.0)


def row(table: pd.DataFrame, name: str, key: Key) -> Any:
    """Return the one row of a scenario and endpoint."""
    time = table["time_years"].isna() if key[1] is None else table["time_years"] == key[1]
    chosen = table[(table["scenario"] == name) & (table["endpoint"] == key[0]) & time]
    (found,) = chosen.itertuples()
    return found


def against(reference: Scenario, scenario: Scenario, replications: int, seed: int = 1) -> Compared:
    return compare({"a": Side(reference), "b": Side(scenario)}, Budget(replications, seed))


@pytest.fixture(scope="module")
def risky(scenario_of: MakeScenario) -> Compared:
    """Return the comparison of a ward with eight times the risk with isolation."""
    return against(scenario_of(SMALL), scenario_of(RISKY), 1500)


def difference(
    reference: tuple[Floats, Floats], scenario: tuple[Floats, Floats], *, paired: bool = True
) -> Difference:
    """Estimate a difference from totals and sizes, one entry a replication."""
    one, other = (moments(*arm)[None, None] for arm in (reference, scenario))
    same = all(np.array_equal(*both) for both in zip(reference, scenario, strict=True))
    cross = cross_moments(reference, scenario)[None, None] if paired else None
    return Difference(*(each[0] for each in differences(one, other, cross, np.array([[same]]), [True])))


def test_a_difference_by_hand() -> None:
    size = np.array([2.0, 4.0])
    found = difference((np.array([1.0, 1.0]), size), (np.array([2.0, 1.0]), size))
    # R_A = 2/6, R_B = 3/6, mean size 3. Linearised: A (1/9, -1/9), B (1/3, -1/3); the difference (2/9, -2/9)
    # has variance 8/81, the mean of two of it 4/81; apart they have 1/81 + 1/9.
    assert found.value == pytest.approx(1 / 6)
    assert found.se == pytest.approx(2 / 9)
    assert found.variance_reduction == pytest.approx((1 / 81 + 1 / 9) / (4 / 81))
    half = math.hypot(1.959964 * 2 / 9, 3 / 6)
    assert (found.lower, found.upper) == pytest.approx((1 / 6 - half, 1 / 6 + half))


def test_the_same_deaths_among_more_patients_are_not_identical(scenario_of: MakeScenario) -> None:
    more = scenario_of(RISKY, {"cohort.patients": 21})
    one, other = (row(against(scenario_of(RISKY), more, 1).comparison, name, TRM) for name in "ab")
    assert round(20 * one.estimate) == round(21 * other.estimate) >= 1
    assert other.difference == pytest.approx(other.estimate - one.estimate) != 0
    assert "identical" not in other.note


def test_without_pairs_the_errors_add_up() -> None:
    size = np.array([2.0, 4.0])
    found = difference((np.array([1.0, 1.0]), size), (np.array([2.0, 1.0]), size), paired=False)
    assert found.se == pytest.approx(math.sqrt(1 / 81 + 1 / 9))
    assert math.isnan(found.variance_reduction)


def test_over_draws_a_difference_has_the_error_and_the_limits_of_that_of_each_draw() -> None:
    rng, shape = np.random.default_rng(1), (30, 1, 40)  # draws, endpoints, replications
    shares = rng.uniform(0.2, 0.6, (30, 1, 1))
    one, other = (
        moments(rng.binomial(50, share, shape).astype(float), np.full(shape, 50.0)) for share in (0.2, shares)
    )
    same = np.zeros((30, 1), dtype=np.bool_)
    each = [differences(one[[d]], other[[d]], None, same[[d]], [True]) for d in range(30)]
    values, errors = (np.array([getattr(found, name)[0] for found in each]) for name in ("value", "se"))
    assert (errors > 0).all()
    value, se, _, _, lower, upper, _ = over_draws(values, errors, share=False)
    found = differences(one, other, None, same, [True])
    assert (found.value[0], found.se[0], found.lower[0], found.upper[0]) == (value, se, lower, upper)


def test_draws_of_pure_noise_leave_the_error_of_their_mean() -> None:
    rng, shape = np.random.default_rng(2), (40, 1, 30)
    sides = [moments(rng.binomial(50, 0.3, shape).astype(float), np.full(shape, 50.0)) for _ in range(2)]
    found = differences(*sides, None, np.zeros((40, 1), dtype=np.bool_), [True])
    assert found.upper[0] - found.lower[0] >= 2 * 1.959964 * found.se[0] > 0


def test_what_never_differs_has_no_error_but_limits_and_no_factor() -> None:
    arm = (np.array([1.0, 0.0, 2.0]), np.array([5.0, 6.0, 7.0]))
    found = difference(arm, arm)
    assert (found.value, found.se) == (0, 0)
    assert (found.lower, found.upper) == (-3 / 18, 3 / 18)  # the rule of three
    assert math.isnan(found.variance_reduction)


def test_one_replication_has_a_difference_but_no_error() -> None:
    found = difference((np.array([1.0]), np.array([2.0])), (np.array([2.0]), np.array([2.0])))
    assert found.value == 0.5
    assert math.isnan(found.se)


@pytest.mark.parametrize("key", [TRM, SURVIVAL, ("length_of_stay_days", None)])
def test_the_standard_error_is_that_of_batches(scenario_of: MakeScenario, key: Key) -> None:
    batches, replications = 50, 750
    sums: list[list[Floats]] = []
    for scenario in (scenario_of(SMALL), scenario_of(RISKY)):
        readings = [
            read_endpoints(each, scenario)[key] for each in replicate(scenario, range(replications), 2)
        ]
        sums.append([np.concatenate([getattr(r, name) for r in readings]) for name in ("total", "size")])
    (y_a, x_a), (y_b, x_b) = sums
    found = difference((y_a, x_a), (y_b, x_b))
    cut = [np.array_split(values, batches) for values in (y_a, x_a, y_b, x_b)]
    each = [b.sum() / xb.sum() - a.sum() / xa.sum() for a, xa, b, xb in zip(*cut, strict=True)]
    brute = float(np.std(each, ddof=1)) / math.sqrt(batches)
    # The SD of 50 numbers has a relative error of about 1 / sqrt(2 x 49) = 0.10; four of those.
    assert found.se == pytest.approx(brute, rel=0.4)
    assert found.value == pytest.approx(float(np.mean(each)), abs=brute)


def test_the_differences_are_the_twins(scenario_of: MakeScenario, risky: Compared) -> None:
    one, other = (
        {**expected(scenario), **expected_from_enrolment(scenario)}
        for scenario in (scenario_of(SMALL), scenario_of(RISKY))
    )
    judged = 0
    for key in sorted(set(one) & set(other), key=str):
        found = row(risky.comparison, "b", key)
        if math.isnan(found.variance_reduction):
            # Nobody of 30,000 patients differs: of a true share of 8 / 30,000 that has a chance of exp(-8).
            assert other[key] == pytest.approx(one[key], abs=8 / 30_000), key
            continue
        se = (found.difference_upper - found.difference_lower) / 2 / 1.959964
        assert abs(found.difference - (other[key] - one[key])) < 4 * se, key
        judged += 1
    assert judged > 20


def test_the_same_luck_narrows_differences(risky: Compared) -> None:
    for key in (TRM, SURVIVAL, ("overall_survival_enrolled", 5.0)):
        found, base = row(risky.comparison, "b", key), row(risky.comparison, "a", key)
        half = (found.difference_upper - found.difference_lower) / 2
        se = math.sqrt(half**2 - (3 / 30_000) ** 2) / 1.959964
        apart = math.hypot(found.mc_se, base.mc_se)
        assert found.variance_reduction == pytest.approx((apart / se) ** 2, rel=1e-3)
        assert found.variance_reduction > 1.5
        assert found.difference == pytest.approx(found.estimate - base.estimate, rel=1e-9)


def test_each_estimate_is_that_of_a_run(scenario_of: MakeScenario) -> None:
    one, other = scenario_of(SMALL), scenario_of(RISKY, {"cohort.patients": 30})
    table = against(one, other, 40).comparison
    for name, scenario in (("a", one), ("b", other)):
        alone = estimate(scenario, 40).drop(columns="note")
        own = table[table["scenario"] == name].reset_index(drop=True)
        pd.testing.assert_frame_equal(own[alone.columns], alone, check_exact=True)


@pytest.mark.parametrize("changes", [{}, {"clinic.isolation_rooms": 10_000}])
def test_what_changes_nothing_differs_for_nobody(scenario_of: MakeScenario, changes: dict[str, Any]) -> None:
    found = against(scenario_of(SMALL), scenario_of(SMALL, changes), 60)
    own = found.comparison[found.comparison["scenario"] == "b"]
    there = own["estimate"].notna()
    assert there.sum() > 40
    assert (own.loc[there, "difference"] == 0).all()
    assert (own.loc[there, "difference_upper"] == -own.loc[there, "difference_lower"]).all()
    deaths = row(own, "b", TRM)
    assert deaths.difference_upper == pytest.approx(3 / (60 * 20))
    assert set(own.loc[there, "note"]) == {"identical"}
    assert own["variance_reduction"].isna().all()
    assert (found.changed["share"] == 0).all()
    assert found.result_hashes["a"] == found.result_hashes["b"]
    assert found.averted["averted_per_100"].tolist() == [0.0]


def test_fewer_survivors_are_deaths_that_are_not_averted(risky: Compared) -> None:
    (averted,) = risky.averted.itertuples()
    survival = row(risky.comparison, "b", ("overall_survival_enrolled", 5.0))
    assert averted.time_years == 5
    assert averted.averted_per_100 == round(100 * survival.difference, 9)
    assert averted.averted_lower == round(100 * survival.difference_lower, 9)
    assert averted.averted_upper < 0
    shares = risky.changed.set_index("change")["share"]
    assert shares["dies"] > 0.01
    assert shares["lives"] == 0


def test_deaths_are_averted_by_the_last_time_that_both_read(scenario_of: MakeScenario) -> None:
    shorter = scenario_of(SMALL, {"follow_up.horizon_years": 2.5, WARD: 8.0})
    found = against(scenario_of(SMALL), shorter, 40)
    assert found.averted["time_years"].tolist() == [2.0]
    unread = row(found.comparison, "b", ("overall_survival", 2.5))
    assert unread.estimate > 0
    assert math.isnan(unread.difference)
    assert unread.note == "not_read_in_reference"
    # What has a time, or none because no follow-up touches it, is compared.
    assert not math.isnan(row(found.comparison, "b", ("death_by_cause_lupus", 2.0)).difference)
    assert not math.isnan(row(found.comparison, "b", TRM).difference)


def test_an_earlier_data_cut_leaves_years_lived_comparable(scenario_of: MakeScenario) -> None:
    found = against(scenario_of(SMALL), scenario_of(SMALL, {"follow_up.data_cut_days": 2900.0}), 40)
    assert row(found.comparison, "b", ("restricted_mean_survival", 5.0)).note == "identical"
    for name in (
        "mean_follow_up",
        "early_deaths",
        "early_relapses",
        "deaths_by_data_cut",
        "relapses_by_data_cut",
    ):
        assert row(found.comparison, "b", (name, None)).note == "follow_up_differs", name


@pytest.mark.parametrize("at_home", ["a", "b"])
def test_what_only_one_has_is_blank_and_says_why(scenario_of: MakeScenario, at_home: str) -> None:
    arms = {
        name: scenario_of(SMALL, {"cohort.enters_at": "home"} if name == at_home else {}) for name in "ab"
    }
    table = against(arms["a"], arms["b"], 40).comparison
    why = "nobody_at_risk_in_reference" if at_home == "a" else "nobody_at_risk"
    for key in (SURVIVAL, ("length_of_stay_days", None)):
        found = row(table, "b", key)
        assert found.note == why
        assert math.isnan(found.difference)
    for name, time in (("pre_transplant_mortality", None), ("disease_free_survival_enrolled", 5.0)):
        assert row(table, "b", (name, time)).note == "never_transplanted"
        assert math.isnan(row(table, "b", (name, time)).difference)
    assert not math.isnan(row(table, "b", ("overall_survival_enrolled", 5.0)).difference)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"arrivals.pattern": "poisson", "arrivals.years": 0.3}, "arrivals.pattern"),
        ({"cohort.female": 0.5}, "cohort.female"),
        ({"cohort.age_years": {"dist": "fixed", "value": 40.0}}, "cohort.age_years"),
    ],
)
def test_other_people_are_not_paired_and_it_says_why(
    scenario_of: MakeScenario, changes: dict[str, Any], key: str
) -> None:
    one, other = scenario_of(SMALL), scenario_of(SMALL, changes)
    (reason,) = obstacles(one, other)
    assert reason.startswith(key)
    with pytest.warns(UnpairedWarning, match=key):
        warn_of_unpaired({"a": Side(one), "b": Side(other)})
    found = against(one, other, 40)
    assert found.changed.empty
    assert found.comparison["variance_reduction"].isna().all()
    survival, base = (row(found.comparison, name, ("overall_survival_enrolled", 5.0)) for name in "ba")
    half = (survival.difference_upper - survival.difference_lower) / 2
    apart = 1.959964 * math.hypot(survival.mc_se, base.mc_se)
    assert half == pytest.approx(math.hypot(apart, 3 / (40 * 20)), rel=1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {"clinic.isolation_rooms": 1, "clinic.apheresis_slots": 1},
        {"aplasia.duration_days": {"dist": "fixed", "value": 12.0}},
        {"active_disease.hazard_per_year": 0.3},
        {"cohort.enters_at": "home"},
        {"cohort.patients": 10},
        {"arrivals.window_days": 1000.0},
        {"arrivals.power": 3.0},
    ],
)
def test_the_same_people_are_paired(scenario_of: MakeScenario, changes: dict[str, Any]) -> None:
    assert obstacles(scenario_of(), scenario_of(changes)) == []


@pytest.mark.parametrize(
    ("changes", "solved", "why"),
    [
        ({"cohort.enters_at": "immunoablation"}, (), "cohort.enters_at is mobilisation"),
        ({"cohort.age_years": {"dist": "fixed", "value": 40.0}}, (), "cohort.age_years"),
        ({"cohort.female": 0.5}, (), "cohort.female"),
        ({}, ("relapse.scale_years", "arrivals.power"), "relapse.scale_years and 1 more"),
    ],
)
def test_what_is_no_alternative_costs_no_lives_and_names_nobody(
    scenario_of: MakeScenario, changes: dict[str, Any], solved: tuple[str, ...], why: str
) -> None:
    one, other = scenario_of(SMALL), scenario_of(RISKY, ranged(8.0, 20.0), changes)
    sides = {"a": Side(one), "b": Side(other, solved=solved)}
    (reason,) = incomparable(one, other, solved)
    assert why in reason
    with pytest.warns(IncomparableWarning, match="as its base"):
        warn_of_unpaired(sides)
    found = compare(sides, Budget(40))
    assert found.averted["averted_per_100"].isna().all()
    assert len(found.averted) == 3
    assert found.changed.empty
    survival, base = (row(found.comparison, name, ("overall_survival_enrolled", 5.0)) for name in "ba")
    half = (survival.difference_upper - survival.difference_lower) / 2
    assert half == pytest.approx(1.959964 * math.hypot(survival.mc_se, base.mc_se), rel=0.05)


def test_an_open_clinic_averts_lives_though_nobody_can_be_paired(scenario_of: MakeScenario) -> None:
    opened = scenario_of(RISKY, {"arrivals.pattern": "poisson", "arrivals.years": 0.3})
    assert not incomparable(scenario_of(SMALL), opened)
    assert against(scenario_of(SMALL), opened, 40).averted["averted_per_100"].notna().all()


@pytest.mark.parametrize(
    ("reference", "other", "anew"),
    [
        ("chicago2006", "ebmt2004", True),
        ("ebmt2004", "chicago2006", True),
        ("chicago2006", "chicago2006_reading_b", True),
        ("no_isolation", "chicago2006_reading_b", True),  # it rests on the other calibration
        ("open_clinic", "ebmt2004", True),
        ("chicago2006", "no_isolation", False),
        ("no_transplant", "open_clinic", False),
    ],
)
def test_a_calibration_of_its_own_is_told_from_a_what_if(reference: str, other: str, anew: bool) -> None:
    one, two = load(reference), load(other)
    assert bool(solved_otherwise(one, two)) == anew
    over = changed(one, {"active_disease.hazard_per_year": 0.3})  # solved, and written over
    assert "active_disease.hazard_per_year" not in solved_otherwise(one, over)


def test_nothing_depends_on_how_a_comparison_was_cut_up(
    scenario_of: MakeScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = scenario_of(SMALL), scenario_of(RISKY, {"cohort.patients": 30})
    tables = []
    for at_once in (20_480, 70, 10**7):
        monkeypatch.setattr(experiment, "CHUNK_PATIENTS", {"simpy": at_once, "arrays": at_once})
        monkeypatch.setattr(experiment, "_WHOLE_PATIENTS", {"simpy": at_once, "arrays": at_once})
        tables.append(against(one, other, 600))
    for again in tables[1:]:
        pd.testing.assert_frame_equal(again.comparison, tables[0].comparison, check_exact=True)
        pd.testing.assert_frame_equal(again.changed, tables[0].changed, check_exact=True)
        assert again.result_hashes == tables[0].result_hashes


def ranged(*values: float) -> dict[str, Any]:
    return {"range": [{"key": WARD, "values": list(values), "source": "assumption"}]}


def test_a_range_shows_every_endpoint_at_each_value(scenario_of: MakeScenario) -> None:
    found = against(scenario_of(SMALL), scenario_of(RISKY, ranged(1.0, 8.0, 20.0)), 60)
    assert found.ranges["value"].unique().tolist() == [1.0, 8.0, 20.0]
    assert set(found.ranges["varied"]) == {"b"}
    by_value = dict(iter(found.ranges.groupby("value")))
    own = found.comparison[found.comparison["scenario"] == "b"].reset_index(drop=True)
    pd.testing.assert_frame_equal(by_value[8.0].reset_index(drop=True)[own.columns], own, check_exact=True)
    there = by_value[1.0]["estimate"].notna()
    assert (by_value[1.0].loc[there, "difference"] == 0).all()
    mortality = [row(by_value[value], "b", TRM).difference for value in (1.0, 8.0, 20.0)]
    assert mortality == sorted(set(mortality))
    assert found.averted["value"].tolist()[1:] == [1.0, 8.0, 20.0]
    assert len(found.changed) == 4 * 3


def test_a_range_of_the_reference_is_shown_too(scenario_of: MakeScenario) -> None:
    forth = against(scenario_of(SMALL), scenario_of(RISKY, ranged(1.0, 8.0)), 40)
    back = against(scenario_of(RISKY, ranged(1.0, 8.0)), scenario_of(SMALL), 40)
    assert set(back.ranges["varied"]) == {"a"}
    assert back.averted["averted_per_100"].tolist() == (-forth.averted["averted_per_100"]).tolist()


def test_a_range_of_both_is_one_unknown(scenario_of: MakeScenario) -> None:
    one, other = scenario_of(SMALL, ranged(1.0, 3.0)), scenario_of(SMALL, ranged(3.0, 9.0))
    found = [setting for setting in settings({"a": Side(one), "b": Side(other)}) if setting.key]
    assert [setting.value for setting in found] == [1.0, 3.0, 9.0]
    for setting in found:
        assert setting.varied == "both"
        sides = setting.reference.scenario, setting.other.scenario
        risks = [each.aplasia.infection.ward_relative_risk for each in sides]
        assert risks == [setting.value] * 2


def test_several_scenarios_share_one_reference(scenario_of: MakeScenario) -> None:
    one, others = scenario_of(SMALL), {"b": scenario_of(RISKY), "c": scenario_of(SMALL)}
    sides = {name: Side(each) for name, each in {"a": one, **others}.items()}
    found = compare(sides, Budget(30))
    assert found.comparison["scenario"].unique().tolist() == ["a", "b", "c"]
    alone = against(one, others["b"], 30).comparison
    both = found.comparison[found.comparison["scenario"] != "c"].reset_index(drop=True)
    pd.testing.assert_frame_equal(both, alone, check_exact=True)


def test_progress_counts_every_replication_of_every_arm(scenario_of: MakeScenario) -> None:
    seen: list[tuple[int, int]] = []
    sides = {"a": Side(scenario_of(SMALL)), "b": Side(scenario_of(RISKY))}
    compare(sides, Budget(10), lambda *at: seen.append(at))
    assert seen == [(20, 20)]


def test_nothing_to_compare_with_is_refused(scenario_of: MakeScenario) -> None:
    with pytest.raises(RequestError, match="one scenario given"):
        compare({"a": Side(scenario_of())}, Budget(10))


def test_people_of_other_ages_are_told_in_words() -> None:
    one = load("chicago2006").scenario
    older = with_values(one, {"cohort.age_years.median": 45.0})
    (told,) = incomparable(one, older)
    assert "lognormal (median 29, sigma 0.3" in told
    assert "lognormal (median 45, sigma 0.3" in told
    assert "{" not in told
