"""What figures draw of single patients: the rows of the first virtual trials, counted over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd

from sim.clinic.states import Cause, Place
from sim.outcomes.observations import Counts, count
from sim.outcomes.one_trial import (
    FAILURES,
    FollowUp,
    Patients,
    disease_free_follow_up,
    survival_follow_up,
)
from sim.scenario.distributions import Floats
from sim.scenario.schema import DAYS_PER_YEAR, Scenario

MOST_TRIALS = 100
"""First virtual trials that are drawn from: enough for any curve, whatever was kept."""
MOST_ROWS = 500_000
_ROUNDING = 1e-9

Shares: TypeAlias = Mapping[str, Floats]
"""Shares of patients by what they are, over some times."""


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


def times_to(horizon: float, points: int = 241) -> Floats:
    """Return even times from 0 to a horizon."""
    return np.linspace(0.0, horizon, points)


def ended_by(span: Floats, times: Floats) -> Floats:
    """Count the spans that are over at each time."""
    # Spans are differences of days: one of exactly a time may be longer by a rounding.
    return np.searchsorted(np.sort(span), times * (1 + _ROUNDING), side="right").astype(np.float64)


def failures(patients: Patients, years: Floats) -> Shares:
    """Return the shares of the reinfused that failed in each way by each time, and that are disease-free."""
    reinfused = np.isfinite(patients.reinfusion)
    span = (patients.disease_free_end[reinfused] - patients.reinfusion[reinfused]) / DAYS_PER_YEAR
    cause, size = patients.failure[reinfused], max(int(reinfused.sum()), 1)
    found = {name: ended_by(span[cause == k], years) / size for k, name in enumerate(FAILURES)}
    return {**found, "disease_free_survival": 1 - np.sum(list(found.values()), axis=0)}


def deaths_by_cause(patients: Patients, years: Floats) -> Shares:
    """Return the shares of the enrolled that are dead of each cause by each time since enrolment."""
    span = (patients.death - patients.enrolled) / DAYS_PER_YEAR
    return {
        name: ended_by(span[patients.died_of([name])], years) / len(patients)
        for name in (cause.name.lower() for cause in Cause)
    }


DEAD = "dead"
ACTIVE, REMISSION, RELAPSED = "active", "remission", "relapsed"


def stays(patients: Patients) -> Iterator[tuple[Place, Floats, Floats]]:
    """Yield for each place when each patient enters and leaves it, in days since enrolment."""
    entries = np.array([patients.time(f"{place.value}_time") for place in Place]) - patients.enrolled
    death = patients.death - patients.enrolled
    for k, place in enumerate(Place):
        left = np.min([*entries[k + 1 :], death], axis=0)
        entered = np.isfinite(entries[k])
        yield place, entries[k], np.where(entered, left, np.inf)


def places(patients: Patients, days: Floats) -> Shares:
    """Return the shares of the enrolled in each place, and dead, on each day since enrolment."""
    found = {
        place.value: (ended_by(entered, days) - ended_by(left, days)) / len(patients)
        for place, entered, left in stays(patients)
    }
    return {**found, DEAD: ended_by(patients.death - patients.enrolled, days) / len(patients)}


def statuses(patients: Patients, days: Floats) -> Shares:
    """Return the shares of the enrolled with each disease status, and dead, on each day since enrolment."""
    death = patients.death - patients.enrolled
    engrafted = patients.time("recovering_in_hospital_time") - patients.enrolled
    remits = np.where(patients.rows["responds"].to_numpy(dtype=np.bool_), engrafted, np.inf)
    relapses = patients.relapse - patients.enrolled
    size = len(patients)
    dead = ended_by(death, days) / size
    in_remission = (ended_by(remits, days) - ended_by(_within(remits, relapses, death), days)) / size
    relapsed = (ended_by(relapses, days) - ended_by(_within(relapses, death), days)) / size
    return {
        RELAPSED: relapsed,
        REMISSION: in_remission,
        ACTIVE: 1 - dead - in_remission - relapsed,
        DEAD: dead,
    }


def _within(begin: Floats, *ends: Floats) -> Floats:
    """Return the first of some ends, never for what never begins."""
    return np.where(np.isfinite(begin), np.min(ends, axis=0), np.inf)


def follow_ups(patients: Patients) -> dict[str, FollowUp]:
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
    rows = []
    for name, followed in follow_ups(patients).items():
        own = trial[followed.who]
        counted = [
            _at_risk(followed.years[own == number], np.array(years, dtype=float)) for number in numbers
        ]
        table = np.array(counted)
        lower, middle, upper = np.quantile(table, (0.025, 0.5, 0.975), axis=0, method="inverted_cdf")
        rows += [
            {
                "endpoint": name,
                "time_years": time,
                "median": int(middle[k]),
                "lower": int(lower[k]),
                "upper": int(upper[k]),
                "trials": len(numbers),
            }
            for k, time in enumerate(years)
        ]
    return pd.DataFrame(rows)


def _at_risk(years: Floats, times: Floats) -> Floats:
    if not years.size:
        return np.zeros(len(times))
    counts: Counts = count(years, np.full(len(years), -1), 1)
    return counts.at_risk_at(times)


def table_of(shares: Shares, times: Floats, time_name: str, of: str) -> pd.DataFrame:
    """Return shares as rows: ``of, what, <time_name>, share``."""
    return pd.concat(
        [
            pd.DataFrame({"of": of, "what": name, time_name: times, "share": share})
            for name, share in shares.items()
        ],
        ignore_index=True,
    )
