"""A trial as large as anybody will ask for."""

from __future__ import annotations

from sim.scenario.load import load
from sim.study.montecarlo import estimate


def test_one_trial_of_100_000_patients() -> None:
    """Patients are independent without a queue, so the binomial standard error holds."""
    table = estimate(load("chicago2006", ["cohort.patients=100000"]).scenario, replications=1)
    fitted = table[(table["note"] != "not_fitted") & table["target"].between(0, 1)]
    assert len(fitted) == 5
    error = (fitted["target"] * (1 - fitted["target"]) / 90_000) ** 0.5
    assert ((fitted["estimate"] - fitted["target"]).abs() < 4.5 * error).all()
