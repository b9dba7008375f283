"""What figures draw of single patients."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from sim.commands.run import run
from sim.outcomes.one_trial import Patients
from sim.show import trial_data
from sim.work.results import Results


@pytest.fixture(scope="module", params=["chicago2006", "ebmt2004", "no_transplant"])
def found(request: pytest.FixtureRequest) -> tuple[Results, Patients]:
    """A run of as many trials as figures draw from, and its patients."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = run(request.param, replications=trial_data.MOST_TRIALS)
    patients = trial_data.first_trials(results.patients, results.scenario)
    assert patients is not None
    return results, patients


def test_numbers_at_risk_fall_from_the_reinfused(found: tuple[Results, Patients]) -> None:
    _, patients = found
    table = trial_data.at_risk(patients, [0.0, 1.0, 3.0, 5.0])
    for _, of_curve in table.groupby("endpoint"):
        assert (np.diff(of_curve["median"]) <= 0).all()
        assert (of_curve["lower"] <= of_curve["median"]).all()
        assert (of_curve["median"] <= of_curve["upper"]).all()
        assert of_curve["median"].iloc[0] <= patients.scenario.cohort.patients


def test_only_whole_trials_are_drawn_from(
    found: tuple[Results, Patients], monkeypatch: pytest.MonkeyPatch
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
