"""Patients of one's own as a cohort: figures by hand, what is missing, and the file that holds no row."""

from __future__ import annotations

import math
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sim.centre.cohort_file import cohort_text
from sim.centre.own_cohort import SMALL, SOURCE, accrual, observed_figures, own_cohort, own_values
from sim.centre.patients import OwnPatients
from sim.centre.seen import seen_of
from sim.scenario.cohort import load_cohort
from sim.scenario.endpoints import Key
from sim.scenario.load import load
from sim.scenario.problems import RequestError

NAN = math.nan
YEAR = 365.25


def own(**changes: object) -> OwnPatients:
    """Ten patients: eight reinfused, three dead, two of whom never got there."""
    known: dict[str, object] = {
        "transplanted": [70, 80, 60, 65, NAN, NAN, 90, 100, 80, 75],
        "relapsed": [NAN, 500, 300, NAN, NAN, NAN, NAN, 900, NAN, NAN],
        "died": [NAN, NAN, 400, 90, 60, NAN, NAN, NAN, NAN, NAN],
        "cause": ["", "", "lupus", "treatment", "lupus", "", "", "", "", ""],
        "age": [30, 22, 41, 19, 35, 28, 33, 50, 27, NAN],
        "female": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0],
        "arrived": [1300, 700, 300, 250, 900, 1800, 1000, 200, 0, 1500],
    }
    return OwnPatients.of([900, 1500, 400, 90, 60, 20, 1200, 2000, 2300, 700], **{**known, **changes})


def told(patients: OwnPatients, base: str = "chicago2006") -> dict[Key, float]:
    return {figure.key: figure.value for figure in observed_figures(patients, load(base).scenario)}


def test_figures_are_those_counted_by_hand() -> None:
    figures = told(own())
    assert figures["reinfused", None] == 0.8
    assert figures["death_on_the_way", None] == 0.1
    assert figures["treatment_related_mortality", None] == 0.1
    assert figures["deaths_seen", None] == pytest.approx(0.3)
    assert figures["relapses_seen", None] == 3 / 8
    # Of all enrolled 9 and 8 are at risk on days 60 and 90 (one is lost on day 20), and 6 on day 400.
    names = [name for name, _ in figures]
    assert names[5:8] == ["overall_survival_enrolled"] * 3  # at 1, 2 and 3 years; first of what is estimated
    assert figures["overall_survival_enrolled", 1.0] == pytest.approx(7 / 9)
    assert figures["overall_survival_enrolled", 2.0] == pytest.approx(7 / 9 * 6 / 7)
    # Reinfused die 340 and 25 days after reinfusion, when 7 and 8 are at risk.
    assert figures["overall_survival", 1.0] == pytest.approx(7 / 8 * 6 / 7)
    # Relapses after 240, 420 and 800 days: 7, 6 and 4 at risk; the early death does not relapse.
    free = 7 / 8 * 6 / 7 * 5 / 6
    assert figures["disease_free_survival", 2.0] == pytest.approx(free)
    assert figures["relapse_incidence", 2.0] == pytest.approx(1 - free - 1 / 8)
    assert ("overall_survival", 5.0) not in figures  # fewer than five would be followed so long


def test_observed_and_virtual_patients_are_read_alike() -> None:
    figures = told(own())
    read = seen_of(own()).figures(list(figures))
    assert read[:, 0] == pytest.approx(list(figures.values()), abs=1e-12)


def test_what_a_table_does_not_tell_is_left_out() -> None:
    without = {name for name, _ in told(replace(own(), relapse_recorded=False))}
    assert {"deaths_seen", "overall_survival"} <= without
    assert not {"relapse_incidence", "disease_free_survival", "relapses_seen"} & without
    early = own(cause=["", "", "lupus", "unknown", "lupus", "", "", "", "", ""])
    assert ("treatment_related_mortality", None) not in told(early)
    late = own(cause=["", "", "unknown", "treatment", "lupus", "", "", "", "", ""])
    assert (
        told(late)["treatment_related_mortality", None] == 0.1
    )  # 340 days after reinfusion, whatever it was
    since = replace(own().take(own().reinfused), from_transplant=True, transplanted=np.zeros(8))
    assert not {"reinfused", "death_on_the_way", "overall_survival_enrolled"} & {
        name for name, _ in told(since)
    }
    nobody = {name for name, _ in told(own(transplanted=[NAN] * 10, relapsed=[NAN] * 10))}
    assert nobody == {
        "reinfused", "death_on_the_way", "treatment_related_mortality", "deaths_seen",
        "overall_survival_enrolled",
    }  # fmt: skip


def test_a_base_that_begins_in_the_room_predicts_nothing_that_counts_from_enrolment(tmp_path: Path) -> None:
    names = {name for name, _ in told(own(), "ebmt2004")}
    assert names == {"relapses_seen", "overall_survival", "disease_free_survival", "relapse_incidence"}
    since = replace(own().take(own().reinfused), from_transplant=True, transplanted=np.zeros(8))
    assert told(since, "ebmt2004") == told(since)
    path = tmp_path / "ours.toml"
    path.write_text(cohort_text(own(), "ebmt2004", "0" * 64, path))
    assert "because the base begins when the room is entered" in path.read_text()
    found = {figure.key[0] for figure in load_cohort(str(path)).figures}
    assert not {"pre_transplant_mortality", "treatment_related_mortality", "deaths_by_data_cut"} & found


def test_counts_of_few_are_marked_as_small_cells() -> None:
    told_of = observed_figures(own(), load("chicago2006").scenario)
    marked = {figure.key[0]: figure.source for figure in told_of}
    assert marked["deaths_seen"] == SMALL
    assert marked["reinfused"] == SOURCE


def test_the_scenario_has_their_number_and_ages_and_all_else_of_its_base() -> None:
    cohort = own_cohort(own(), "chicago2006")
    scenario = cohort.scenario
    assert (scenario.cohort.patients, scenario.cohort.female) == (10, 0.9)
    ages = scenario.cohort.age_years
    assert ages.dist == "lognormal"
    assert ages.median == pytest.approx(
        np.exp(np.mean(np.log([30, 22, 41, 19, 35, 28, 33, 50, 27]))), abs=0.05
    )
    assert (ages.low, ages.high) == (15, 55)  # nobody's own age
    assert scenario.follow_up.data_cut_days == "none"
    assert scenario.follow_up.horizon_years == 7
    assert not scenario.target
    assert scenario.active_disease.hazard_per_year == pytest.approx(0.1518, abs=1e-4)
    assert "cohort.age_years" not in own_cohort(own(age=[NAN] * 10), "chicago2006").loaded.replaced


@pytest.mark.parametrize(
    ("base", "why"),
    [("open_clinic", "without a number of patients"), ("no_transplant", "never transplanted")],
)
def test_a_base_that_predicts_no_cohort_of_transplanted_patients_is_refused(base: str, why: str) -> None:
    with pytest.raises(RequestError, match=why):
        own_cohort(own(), base)


def test_accrual_is_fitted_by_moments() -> None:
    # Days k / (n + 1) of a window as an even accrual has them: power 1.
    even = OwnPatients.of([3000.0 - day for day in range(0, 2001, 100)], arrived=list(range(0, 2001, 100)))
    assert (accrual(even).window_days, accrual(even).power, accrual(even).data_cut_days) == (2000, 1.0, 3000)
    undated = accrual(replace(even, arrived=np.full(21, NAN)))
    assert undated.window_days == 2000
    assert undated.power == pytest.approx(1.0, abs=0.01)
    # Between the first and the last one patients come on average after power / (power + 1) of the window.
    late = np.array([0.0, 900, 1200, 1400, 1500, 1700, 1800, 2000])
    fitted = accrual(OwnPatients.of(2500.0 - late, arrived=late))
    assert fitted.power / (fitted.power + 1) == pytest.approx(8500 / 6 / 2000, abs=1e-3)


@pytest.mark.parametrize("since", ["enrolment", "reinfusion"])
def test_the_cohort_file_holds_the_figures_and_no_row(since: str, tmp_path: Path) -> None:
    patients = own()
    if since == "reinfusion":
        patients = replace(own().take(own().reinfused), from_transplant=True, transplanted=np.zeros(8))
        patients = replace(patients, arrived=np.full(8, NAN), relapse_recorded=False)
    path = tmp_path / "ours.toml"
    path.write_text(cohort_text(patients, "chicago2006", "0" * 64, path))
    cohort = load_cohort(str(path))
    names = {"death_on_the_way": "pre_transplant_mortality", "deaths_seen": "deaths_by_data_cut",
             "relapses_seen": "relapses_by_data_cut"}  # fmt: skip
    expected = {(names.get(name, name), time): value for (name, time), value in told(patients).items()}
    expected.pop(("reinfused", None), None)
    found = {figure.key: figure.value for figure in cohort.figures}
    assert found == pytest.approx(expected, abs=0.0005)
    assert cohort.scenario.cohort.patients == len(patients)
    assert cohort.scenario.cohort.enters_at == ("mobilisation" if since == "enrolment" else "immunoablation")
    text = path.read_text()
    assert "# a small cell" in text
    if since == "enrolment":
        assert tomllib.loads(text)["arrivals"] == own_values(patients)["arrivals"]
    else:
        assert "Left out: relapse and disease-free survival" in text


def test_estimates_of_few_that_cross_make_a_file_that_loads(tmp_path: Path) -> None:
    # The first of 37 relapses on day 30 and dies when 7 are left: survival then lies below disease-free
    # survival, which no cohort file may say.
    last = np.array([0.98 * YEAR] + [1.5 * YEAR] * 6 + [0.9 * YEAR] * 30)
    crossing = OwnPatients.of(
        last, transplanted=[0] * 37, relapsed=[30] + [NAN] * 36, died=[0.98 * YEAR] + [NAN] * 36,
        cause=["lupus"] + [""] * 36,
    )  # fmt: skip
    figures = told(crossing)
    assert figures["overall_survival", 1.0] == pytest.approx(6 / 7)
    assert figures["disease_free_survival", 1.0] == pytest.approx(36 / 37)
    path = tmp_path / "ours.toml"
    path.write_text(cohort_text(crossing, "chicago2006", "0" * 64, path))
    found = {figure.key[0] for figure in load_cohort(str(path)).figures}
    assert "overall_survival" in found
    assert "disease_free_survival" not in found
