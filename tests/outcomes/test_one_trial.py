"""One trial read off its patients' rows, against what the study computed from whole histories."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from sim.commands.run import run as simulated
from sim.outcomes.endpoints import FAILURES
from sim.outcomes.one_trial import Patients, report_trial
from sim.work.results import Results

REPLICATIONS = 60
SCENARIOS = ("chicago2006", "ebmt2004", "open_clinic", "no_transplant")


def run_of(name: str, *changes: str) -> tuple[Results, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = simulated(name, set=changes, replications=REPLICATIONS)
    return results, results.scenario


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_trial_reports_what_the_study_says_it_does(name: str) -> None:
    changes = ("arrivals.years=0.5",) if name == "open_clinic" else ()
    run, scenario = run_of(name, *changes)
    assert run.patients is not None
    compared = 0
    for number, rows in run.patients.groupby("replication"):
        report = report_trial(Patients(rows, scenario))
        said = run.replications.iloc[int(number) - 1]
        assert report.enrolled == said["n_enrolled"]
        for count, endpoint in (
            (report.treatment_deaths, "treatment_related_mortality"),
            (report.early_deaths, "pre_transplant_mortality"),
        ):
            if scenario.cohort.enters_at != "home":
                assert count / report.enrolled == pytest.approx(said[f"trial_{endpoint}"], abs=1e-12)
        readings = {curve.name: curve.readings for curve in report.curves} | dict(report.incidence_readings)
        for endpoint, reading in readings.items():
            for time, estimate in zip(reading.times, reading.estimate, strict=True):
                expected = said[f"trial_{endpoint}@{time:g}"]
                np.testing.assert_allclose(estimate, expected, rtol=0, atol=1e-12)
                compared += 1
    each = 6 * (1 if name == "no_transplant" else 2 + len(FAILURES))
    assert compared == REPLICATIONS * each


def test_few_at_risk_and_the_end_of_follow_up_are_noted() -> None:
    run, scenario = run_of("chicago2006", "follow_up.data_cut_days=2900")
    assert run.patients is not None
    report = report_trial(Patients(run.patients[run.patients["replication"] == 1], scenario))
    said = {category for category, _ in report.notes}
    assert said == {"FewAtRiskWarning", "BeyondFollowUpWarning"} or said == {"FewAtRiskWarning"}
    assert all(
        text.startswith(("Overall survival, reinfused: ", "Disease-free survival: "))
        for _, text in report.notes
    )


def test_without_a_data_cut_deaths_are_counted_until_the_horizon() -> None:
    changes = ("follow_up.data_cut_days=none", "follow_up.horizon_years=0.1")
    run, scenario = run_of("chicago2006", *changes)
    assert run.patients is not None
    estimate = run.endpoints.set_index(["endpoint", "time_years"])["estimate"]
    patients = Patients(run.patients, scenario)
    report = report_trial(patients)
    assert 1 - report.deaths / report.enrolled == pytest.approx(estimate["overall_survival_enrolled", 0.1])
    assert report.deaths < np.isfinite(patients.death).sum()  # who dies later is on record too


def test_a_trial_cut_before_anybody_is_reinfused_reports_no_curve() -> None:
    changes = ("arrivals.window_days=0", "follow_up.data_cut_days=5")
    run, scenario = run_of("chicago2006", *changes)
    assert run.patients is not None
    report = report_trial(Patients(run.patients[run.patients["replication"] == 1], scenario))
    assert (report.reinfused, report.curves, report.incidence_readings) == (0, (), {})
    assert report.enrolled == scenario.cohort.patients
