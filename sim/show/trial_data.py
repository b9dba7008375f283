"""What figures draw of single patients: the rows of the first virtual trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from sim.clinic.states import Place
from sim.outcomes.one_trial import Patients, TrialReport, censored_times, report_trial
from sim.outcomes.survival import counts_of
from sim.scenario.distributions import Floats
from sim.scenario.schema import Scenario, TrialArrivals
from sim.work.results import Results

MOST_TRIALS = 100
"""First virtual trials that are drawn from: enough for medians and means, whatever was kept."""
MOST_ROWS = 500_000


def first_trials(rows: pd.DataFrame | None, scenario: Scenario) -> Patients | None:
    """Return the patients of the first trials that can be drawn from; None if there is no whole one."""
    if rows is None or rows.empty:
        return None
    sizes = rows["replication"].value_counts().sort_index()
    fitting = sizes.index[(sizes.cumsum() <= MOST_ROWS) & (np.arange(len(sizes)) < MOST_TRIALS)]
    chosen = Patients(rows[rows["replication"].isin(fitting)], scenario)
    return chosen if len(chosen) else None


def one_trial(rows: pd.DataFrame | None, scenario: Scenario, most: int = 5000) -> Patients | None:
    """Return the patients of the first trial; None if there are none, or more than a trial has."""
    if rows is None:
        return None
    first = Patients(rows[rows["replication"] == 1], scenario)
    return first if 0 < len(first) <= most else None


def first_report(results: Results) -> TrialReport | None:
    """Report the first trial of a run: an open clinic is none, and who stay at home are none."""
    scenario = results.scenario
    if scenario.cohort.enters_at == "home" or not isinstance(scenario.arrivals, TrialArrivals):
        return None
    first = one_trial(results.table("patients"), scenario)
    return None if first is None else report_trial(first)


def stays(patients: Patients) -> Iterator[tuple[Place, Floats, Floats]]:
    """Yield for each place when each patient enters and leaves it, in days since enrolment."""
    entries = np.array([patients.time(f"{place.value}_time") for place in Place]) - patients.enrolled
    death = patients.death - patients.enrolled
    for k, place in enumerate(Place):
        left = np.min([*entries[k + 1 :], death], axis=0)
        entered = np.isfinite(entries[k])
        yield place, entries[k], np.where(entered, left, np.inf)


def at_risk(patients: Patients, years: Sequence[float]) -> pd.DataFrame:
    """Return how many patients of a trial are at risk at some times: the median over trials, and 95% of them.

    The columns are ``endpoint, time_years, median, lower, upper, trials``.
    """
    trial = patients.rows["replication"].to_numpy()
    numbers = np.unique(trial)
    times, tables = np.array(years, dtype=float), []
    for name, followed in censored_times(patients).items():
        own = trial[followed.who]
        counted = [_at_risk(followed.years[own == number], times) for number in numbers]
        spread = np.quantile(counted, (0.025, 0.5, 0.975), axis=0, method="inverted_cdf")
        lower, middle, upper = spread.astype(int)
        whole = {"median": middle, "lower": lower, "upper": upper, "trials": len(numbers)}
        tables.append(pd.DataFrame({"endpoint": name, "time_years": years, **whole}))
    return pd.concat(tables, ignore_index=True)


def _at_risk(years: Floats, times: Floats) -> Floats:
    if not years.size:
        return np.zeros(len(times))
    return counts_of(years, np.full(len(years), -1), 1).at_risk_at(times)
