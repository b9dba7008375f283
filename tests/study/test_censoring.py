"""What trials read on average at their data cut: right where all can report, and why not where some can't."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from sim.clinic import arrays
from sim.commands.run import run
from sim.outcomes.survival import kaplan_meier
from sim.patient.fates import draw_fates
from sim.patient.luck import Luck
from sim.scenario.load import load
from sim.show.run_tables import censored, censored_finding
from sim.study.verification import censored_readings

SHORT = ("cohort.patients=20", "follow_up.data_cut_days=2600", "arrivals.window_days=2300")


def test_the_mean_over_trials_is_the_twin_where_all_report_and_off_where_some_can_not() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = run("chicago2006", set=SHORT, replications=4000, patients=0).censored_readings
    read = table[table["mc_se"] > 0].set_index(["endpoint", "time_years"])
    whole = read[read["undefined"] == 0]
    assert len(whole) > 10
    assert whole["z"].abs().max() < 4
    late = read.loc[("disease_free_survival", 5.0)]
    assert late["undefined"] > 0.3
    assert abs(late["z"]) > 3
    assert late["difference"] == pytest.approx(late["mean"] - late["twin"])
    assert "not the estimator" in censored_finding(table)
    assert len(censored(table).rows) == len(read)


def test_it_is_the_choice_of_trials_that_is_biased() -> None:
    """With S known, a trial that ends early is completed by S(5) / S(end), and then the mean is right."""
    hazard, horizon = 0.2, 5.0
    changes = (f"active_disease.hazard_per_year={hazard}", "background.life_table=none", *SHORT)
    scenario = load("no_transplant", list(changes)).scenario
    cut = scenario.follow_up.data_cut_days
    assert isinstance(cut, float)
    history = arrays.simulate(scenario, draw_fates(scenario, Luck(1), range(2000)))
    followed = (np.minimum(history.death, cut) - history.enrolled) / 365.25
    died, started = history.death <= cut, history.enrolled < cut
    defined, completed = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for trial in range(followed.shape[1]):
            years = followed[started[:, trial], trial]
            curve = kaplan_meier(years, died[started[:, trial], trial])
            read = float(curve.read(horizon).estimate[0])
            if math.isnan(read):
                end = float(years.max())
                completed.append(float(curve.survival[-1]) * math.exp(-hazard * (horizon - end)))
            else:
                defined.append(read)
                completed.append(read)
    truth = math.exp(-hazard * horizon)
    some, every = (np.array(each) for each in (defined, completed))
    assert 0.1 < 1 - some.size / every.size < 0.6
    assert abs(some.mean() - truth) / (some.std(ddof=1) / some.size**0.5) > 4
    assert abs(every.mean() - truth) / (every.std(ddof=1) / every.size**0.5) < 3.5


@pytest.mark.parametrize(
    ("name", "change"), [("chicago2006", "follow_up.data_cut_days=none"), ("open_clinic", "arrivals.years=1")]
)
def test_nobody_censored_or_no_twin_no_table(name: str, change: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = run(name, set=[change], replications=5)
    assert results.table("censored_readings") is None
    assert censored_readings(results.scenario, results.replications) is None
