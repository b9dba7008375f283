"""What figures draw of single patients: the rows of the first virtual trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sim.clinic.states import Place
from sim.outcomes.observations import Counts, count
from sim.outcomes.one_trial import CensoredTimes, Patients, disease_free_follow_up, survival_follow_up
from sim.scenario.distributions import Floats
from sim.scenario.schema import Scenario

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


def stays(patients: Patients) -> Iterator[tuple[Place, Floats, Floats]]:
    """Yield for each place when each patient enters and leaves it, in days since enrolment."""
    entries = np.array([patients.time(f"{place.value}_time") for place in Place]) - patients.enrolled
    death = patients.death - patients.enrolled
    for k, place in enumerate(Place):
        left = np.min([*entries[k + 1 :], death], axis=0)
        entered = np.isfinite(entries[k])
        yield place, entries[k], np.where(entered, left, np.inf)


def follow_ups(patients: Patients) -> dict[str, CensoredTimes]:
    """Return what trials know of each survival curve at their data cut."""
    if patients.scenario.cohort.enters_at == "home":
        return {"overall_survival_enrolled": survival_follow_up(patients, patients.enrolled)}
    return {
        "overall_survival": survival_follow_up(patients, patients.reinfusion),
        "disease_free_survival": disease_free_follow_up(patients),
    }


def at_risk(patients: Patients, years: Sequence[float]) -> pd.DataFrame:
    """Return how many patients of a trial are at risk at some times: the median over trials, and 95% of them.

    The columns are ``endpoint, time_years, median, lower, upper, trials``.
    """
    trial = patients.rows["replication"].to_numpy()
    numbers = np.unique(trial)
    rows: list[tuple[Any, ...]] = []
    for name, followed in follow_ups(patients).items():
        own, times = trial[followed.who], np.array(years, dtype=float)
        counted = np.array([_at_risk(followed.years[own == number], times) for number in numbers])
        lower, middle, upper = np.quantile(counted, (0.025, 0.5, 0.975), axis=0, method="inverted_cdf")
        found = zip(years, *(ends.astype(int) for ends in (middle, lower, upper)), strict=True)
        rows += [(name, *at_time, len(numbers)) for at_time in found]
    return pd.DataFrame(rows, columns=["endpoint", "time_years", "median", "lower", "upper", "trials"])


def _at_risk(years: Floats, times: Floats) -> Floats:
    if not years.size:
        return np.zeros(len(times))
    counts: Counts = count(years, np.full(len(years), -1), 1)
    return counts.at_risk_at(times)
