"""What figures draw of single patients, against the run's own endpoints and against counting by hand."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from sim.clinic.states import Cause
from sim.outcomes.one_trial import FAILURES, Patients
from sim.scenario.load import load
from sim.show import trial_data
from sim.study.budget import Budget
from sim.study.run import Run, read_run, write_run

YEARS = np.array([0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0])


@pytest.fixture(scope="module", params=["chicago2006", "ebmt2004", "no_transplant"])
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Patients]:
    """A run of as many trials as figures draw from, and its patients."""
    loaded, folder = load(request.param), tmp_path_factory.mktemp("run")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_run(loaded, Budget(trial_data.MOST_TRIALS, 1), folder)
    run = read_run(folder)
    patients = trial_data.first_trials(run.patients, loaded.scenario)
    assert patients is not None
    return run, patients


def estimate(run: Run, name: str, time: float | None = None) -> float:
    rows = run.endpoints[run.endpoints["endpoint"] == name]
    rows = rows[rows["time_years"].isna() if time is None else rows["time_years"] == time]
    return float(rows["estimate"].iloc[0])


def test_failures_are_those_of_the_endpoints(found: tuple[Run, Patients]) -> None:
    run, patients = found
    if patients.scenario.cohort.enters_at == "home":
        pytest.skip("nobody is reinfused")
    shares = trial_data.failures(patients, YEARS)
    for name in (*FAILURES, "disease_free_survival"):
        for k, time in enumerate(YEARS[1:], start=1):
            assert shares[name][k] == pytest.approx(estimate(run, name, time), abs=1e-12), (name, time)
    assert np.sum(list(shares.values()), axis=0) == pytest.approx(1.0)


def test_deaths_and_statuses_are_those_of_the_endpoints(found: tuple[Run, Patients]) -> None:
    run, patients = found
    deaths = trial_data.deaths_by_cause(patients, YEARS)
    dead = np.sum(list(deaths.values()), axis=0)
    for k, time in enumerate(YEARS[1:], start=1):
        assert 1 - dead[k] == pytest.approx(estimate(run, "overall_survival_enrolled", time), abs=1e-12)
    assert list(deaths) == [cause.name.lower() for cause in Cause]
    shares = trial_data.statuses(patients, YEARS * 365.25)
    assert shares["dead"] == pytest.approx(dead)
    assert np.sum(list(shares.values()), axis=0) == pytest.approx(1.0)
    assert min(np.min(share) for share in shares.values()) > -1e-12


def by_hand(patients: Patients, day: float) -> dict[str, float]:
    """Count where each patient is on a day since enrolment, one by one."""
    counted: dict[str, float] = {}
    times = [name for name in patients.rows.columns if name.endswith("_time")]
    for number, row in enumerate(patients.rows.to_dict("records")):
        at = patients.enrolled[number] + day
        entered: list[tuple[float, str]] = [
            (row[name], name.removesuffix("_time"))
            for name in times
            if name not in ("relapse_time", "death_time") and row[name] <= at
        ]
        latest = max(time for time, _ in entered)
        where = [name for time, name in entered if time == latest][-1]
        where = "dead" if row["death_time"] <= at else where
        counted[where] = counted.get(where, 0) + 1 / len(patients)
    return counted


@pytest.mark.parametrize("day", [0.3, 12.3, 40.7, 55.1, 300.0])
def test_places_are_what_counting_gives(found: tuple[Run, Patients], day: float) -> None:
    _, patients = found
    shares = trial_data.places(patients, np.array([day]))
    expected = by_hand(patients, day)
    for name, share in shares.items():
        assert share[0] == pytest.approx(expected.get(name, 0.0), abs=1e-12), name
    assert sum(float(share[0]) for share in shares.values()) == pytest.approx(1.0)


def test_numbers_at_risk_fall_from_the_reinfused(found: tuple[Run, Patients]) -> None:
    _, patients = found
    table = trial_data.at_risk(patients, [0.0, 1.0, 3.0, 5.0])
    for _, of_curve in table.groupby("endpoint"):
        assert (np.diff(of_curve["median"]) <= 0).all()
        assert (of_curve["lower"] <= of_curve["median"]).all()
        assert (of_curve["median"] <= of_curve["upper"]).all()
        assert of_curve["median"].iloc[0] <= patients.scenario.cohort.patients


def test_only_whole_trials_are_drawn_from(
    found: tuple[Run, Patients], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, patients = found
    assert run.patients is not None
    size: Any = patients.scenario.cohort.patients
    monkeypatch.setattr(trial_data, "MOST_ROWS", 3 * size + 1)
    some = trial_data.first_trials(run.patients, patients.scenario)
    assert some is not None
    assert set(some.rows["replication"]) == {1, 2, 3}
    monkeypatch.setattr(trial_data, "MOST_ROWS", size - 1)
    assert trial_data.first_trials(run.patients, patients.scenario) is None
