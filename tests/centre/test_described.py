"""What was seen in patients of one's own: against R, by hand, and where the table does not tell."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import cache
from math import isnan, nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.centre.described import NO_ENROLMENT, NO_RELAPSES, ONE_EVENT, Described, SeenFigure, risk_days
from sim.centre.patients import OwnPatients

REFERENCE = Path(__file__).parents[1] / "reference" / "survival"


def number(text: str) -> float:
    return nan if text in ("", "NA") else float(text)


def rows(file: str) -> list[dict[str, str]]:
    with (REFERENCE / file).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@cache
def own(**flags: bool) -> OwnPatients:
    """Return the 23 patients that R describes too."""
    table = rows("own_patients.csv")
    days = {
        name: [number(row[name]) for row in table]
        for name in ("transplanted", "relapsed", "died", "last_seen")
    }
    return OwnPatients.of(**days, cause=[row["cause"] for row in table], **flags)


def figure(described: Described, name: str, years: float = nan) -> SeenFigure:
    found = [each for each in described.figures if each.figure == name]
    (one,) = (each for each in found if str(each.time_years) == str(years))
    return one


def test_every_figure_is_rs(record_property: Callable[[str, object], None]) -> None:
    described, worst, compared = Described(own()), 0.0, 0
    for row in rows("own_figures.csv"):
        found = figure(described, row["figure"], number(row["time_years"]))
        for name in ("estimate", "lower", "upper", "at_risk"):
            expected, value = number(row[name]), getattr(found, name)
            if found.interval == "exact, no event" and name in ("lower", "upper"):
                assert isnan(expected)  # log-log limits do not exist there
                continue
            if name == "at_risk" and isnan(expected):  # of medians R prints none
                continue
            assert isnan(value) == isnan(expected), (row, name)
            if not isnan(value):
                worst = max(worst, abs(value - expected) / max(1.0, abs(expected)))
            compared += 1
    record_property("worst difference", f"23 patients against R: {worst:.1e} in {compared} numbers")
    assert worst < 1e-10
    assert compared > 140


def test_treatment_deaths_with_a_cause_that_is_not_known_are_a_range() -> None:
    """Dead by day 100 of treatment: at 44 and 92 days after reinfusion; of unknown cause one, at 97."""
    found = figure(Described(own()), "treatment_deaths_day_100")
    assert isnan(found.estimate)
    assert found.n == 19  # of 20, one was last seen 82 days after reinfusion
    assert found.note == "2 to 3 of 19: cause of 1 not known; 1 not followed to day 100 left out"
    # Clopper-Pearson limits of 2 and of 3 of 19, from R's binom.test.
    assert found.lower == pytest.approx(0.013012164372, abs=1e-12)
    assert found.upper == pytest.approx(0.395784551267, abs=1e-12)
    of_all = figure(Described(own()), "treatment_related_mortality")
    assert of_all.n == 21
    assert of_all.note.startswith("3 to 4 of 21")


def test_a_cause_that_is_known_gives_a_share() -> None:
    patients = OwnPatients.of(
        [130.0, 400, 500, 60], transplanted=[30.0, 30, 30, nan], died=[130.0, nan, nan, 60],
        cause=["treatment", "", "", "treatment"],
    )  # fmt: skip
    described = Described(patients)
    after, of_all = (
        figure(described, name) for name in ("treatment_deaths_day_100", "treatment_related_mortality")
    )
    assert (after.count, after.n, after.estimate) == (1, 3, pytest.approx(1 / 3))
    assert (of_all.count, of_all.n) == (2, 4)


def test_what_the_table_does_not_tell_is_missing_and_says_why() -> None:
    no_relapses = Described(own(relapse_recorded=False))
    for name in ("disease_free_survival", "relapse_incidence", "death_without_relapse", "relapsed"):
        found = figure(no_relapses, name)
        assert isnan(found.estimate)
        assert found.note == NO_RELAPSES
    some = own().take(own().reinfused)
    from_transplant = Described(
        OwnPatients.of(
            some.last_seen - some.transplanted, died=some.died - some.transplanted, from_transplant=True,
            transplanted=np.zeros(len(some)), cause=some.cause,
        )
    )  # fmt: skip
    for name in ("enrolled", "treatment_related_mortality", "overall_survival_enrolled", "wait_median"):
        assert figure(from_transplant, name).note == NO_ENROLMENT
    same = figure(from_transplant, "overall_survival", 3.0)
    assert same.estimate == figure(Described(own()), "overall_survival", 3.0).estimate


def test_a_table_of_relapse_or_death_is_no_table_of_deaths() -> None:
    days = np.array([100.0, 200, 300, 400, 500])
    patients = OwnPatients.of(
        days, transplanted=np.zeros(5), relapsed_or_died=[100.0, nan, 300, nan, nan], relapse_recorded=False,
        deaths_recorded=False, from_transplant=True, reconstructed=True,
    )  # fmt: skip
    described = Described(patients)
    assert figure(described, "overall_survival").note == ONE_EVENT
    assert figure(described, "treatment_deaths_day_100").note == ONE_EVENT
    assert figure(described, "disease_free_survival", 1.0).estimate == pytest.approx(0.8 * 2 / 3)
    assert figure(described, "follow_up_median").estimate == 400


def test_where_nobody_had_an_event_limits_are_exact_of_those_followed_so_long() -> None:
    """Clopper-Pearson of 0 of n: 1 - 0.025^(1/n)."""
    n, last = 12, 400.0 + 100 * np.arange(12)
    alive = Described(OwnPatients.of(last, transplanted=np.zeros(n), relapsed=np.full(n, nan)))
    for years, followed in ((1.0, 12), (2.0, 8), (4.0, 1)):
        for name in ("overall_survival", "disease_free_survival", "overall_survival_enrolled"):
            found = figure(alive, name, years)
            assert (found.estimate, found.upper, found.at_risk) == (1, 1, followed)
            assert found.lower == pytest.approx(0.025 ** (1 / followed), abs=1e-12)
            assert (found.interval, found.note) == (
                "exact, no event", f"exact, of the {followed} followed so long",
            )  # fmt: skip
        found = figure(alive, "relapse_incidence", years)
        assert (found.estimate, found.lower) == (0, 0)
        assert found.upper == pytest.approx(1 - 0.025 ** (1 / followed), abs=1e-12)
    # Two who died at 100 days can't relapse any more: of both it is known that they have not.
    died = np.where(np.arange(n) < 2, 100.0, nan)
    some = Described(OwnPatients.of(np.fmin(last, np.where(died > 0, died, np.inf)), died=died,
                                    transplanted=np.zeros(n), cause=["other"] * 2 + [""] * 10))  # fmt: skip
    assert figure(some, "relapse_incidence", 2.0).note == "exact, of the 10 followed so long"
    gone = figure(Described(OwnPatients.of([50.0, 60], transplanted=[0.0, 0], died=[50.0, 60])),
                  "overall_survival", 0.5)  # fmt: skip
    assert (gone.estimate, isnan(gone.lower), isnan(gone.upper)) == (0, True, True)
    assert "no interval can be told" in gone.note


def test_treatment_deaths_after_day_100_have_a_row() -> None:
    patients = OwnPatients.of(
        [230.0, 900, 900], transplanted=[30.0, 30, 30], died=[230.0, nan, nan], cause=["treatment", "", ""]
    )
    late = figure(Described(patients), "treatment_deaths_later")
    assert (late.count, late.n, late.small_cell) == (1, 3, True)
    assert late.note == "the model counts them as deaths of another cause"
    assert not [each for each in Described(own()).figures if each.figure == "treatment_deaths_later"]


def test_nobody_reinfused_and_nobody_followed_long_are_described() -> None:
    waiting = Described(OwnPatients.of([10.0, 20.0], died=[nan, 20.0]))
    assert figure(waiting, "reinfused").count == 0
    assert figure(waiting, "overall_survival").note == "nobody was reinfused"
    short = Described(OwnPatients.of([40.0, 50.0], transplanted=[30.0, 30.0]))
    assert figure(short, "overall_survival").note == "nobody was followed so long"
    assert figure(short, "deaths_day_100").n == 0


def test_counts_of_one_to_four_are_small_cells_and_their_rest_too() -> None:
    small = {each.figure: each.small_cell for each in Described(own()).figures if not isnan(each.count)}
    assert small == {
        "enrolled": False, "reinfused": True, "pre_transplant_mortality": True,
        "dead_before_treatment": True, "dead_before_lupus": True, "dead_before_other": False,
        "dead_before_unknown": False, "waiting_at_last_contact": True, "deaths_day_100": True,
        "died_reinfused": False, "relapsed": False,
    }  # fmt: skip


def test_with_every_so_many_days_no_event_keeps_its_day() -> None:
    described = Described(own(), every=30)
    for name in ("overall_survival", "disease_free_survival", "reinfused_incidence"):
        curve = described.curves[name]
        days = curve.days(30)
        assert (days % 30 == 0).all()
        exact = Described(own()).curves[name]
        np.testing.assert_array_equal(curve.read(days).estimate, exact.read(days).estimate)
    medians = [each for each in described.figures if each.unit == "days"]
    told = [value for each in medians for value in (each.estimate, each.lower, each.upper)]
    assert len(medians) >= 6
    assert all(isnan(day) or day % 30 == 0 for day in told)


def test_a_curve_is_written_at_days_of_events_and_not_of_last_contact() -> None:
    curve = Described(own()).curves["overall_survival"]
    alive = Described(own()).since_transplant
    last = set(alive.last_seen[~alive.dead]) - set(alive.last_seen[alive.dead])
    assert not last & set(curve.days(None))
    assert set(alive.last_seen[alive.dead]) < set(curve.days(None))


days = st.integers(0, 900).map(float)
histories = st.lists(
    st.tuples(days, days, days, st.sampled_from(["", "treatment", "lupus"]), st.booleans()),
    min_size=1,
    max_size=12,
)


@settings(deadline=None, max_examples=80, derandomize=True)
@given(histories)
def test_figures_hang_together(drawn: list[tuple[float, float, float, str, bool]]) -> None:
    """Survival is above disease-free survival; with both incidences it adds to 1; counts add up."""
    wait, relapse, rest, cause, got = (np.array(column) for column in zip(*drawn, strict=True))
    transplanted = np.where(got, wait, nan)
    last = np.where(got, wait, 0) + relapse + rest
    relapsed = np.where(got & (rest > 450), wait + relapse, nan)
    patients = OwnPatients.of(
        last, transplanted=transplanted, relapsed=relapsed, died=np.where(cause == "", nan, last), cause=cause
    )
    described = Described(patients)
    counts = {each.figure: each.count for each in described.figures}
    shares = ("reinfused", "pre_transplant_mortality", "waiting_at_last_contact")
    assert sum(counts[name] for name in shares) == len(drawn)
    assert (
        sum(counts.get(f"dead_before_{each}", 0) for each in ("treatment", "lupus", "other", "unknown"))
        == counts["pre_transplant_mortality"]
    )
    if not got.any():
        return
    curves = described.curves
    at = np.union1d(curves["overall_survival"].days(None), curves["disease_free_survival"].days(None))
    at = at[at <= curves["disease_free_survival"].counts.times[-1]]
    free, relapses, deaths = (
        curves[name].read(at).estimate
        for name in ("disease_free_survival", "relapse_incidence", "death_without_relapse")
    )
    np.testing.assert_allclose(free + relapses + deaths, 1, atol=1e-12)
    for each in described.figures:
        if not isnan(each.lower) and not isnan(each.estimate) and not isnan(each.upper):
            assert each.lower - 1e-12 <= each.estimate <= each.upper + 1e-12


@pytest.mark.parametrize("last", [0.0, 20.0, 200.0, 729.0, 2000.0, 9000.0, 40000.0])
def test_numbers_at_risk_stand_under_at_most_about_eight_days(last: float) -> None:
    found = risk_days(last)
    assert found[0] == 0
    assert len(found) <= 11
    assert found[-1] <= last
