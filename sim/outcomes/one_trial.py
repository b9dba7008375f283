"""One virtual trial as its paper would report it: read at the data cut, off the rows of its patients.

The rows are those of ``patients.parquet``: days from study opening, missing for never.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.clinic.states import ENTRANCES, TREATMENT_CAUSES
from sim.outcomes.endpoints import FAILURES, reading_years
from sim.outcomes.survival import CurveReading, KaplanMeier, Median, aalen_johansen, kaplan_meier
from sim.patient.fates import Booleans
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME, TREATMENT_DAYS
from sim.scenario.problems import TypedWarning
from sim.scenario.schema import DAYS_PER_YEAR, Scenario


class Patients:
    """The counted patients of some virtual trials: who enrolled during a warm-up is left out.

    Parameters
    ----------
    rows
        Rows of ``patients.parquet``.
    scenario
        Whose patients they are.
    """

    def __init__(self, rows: pd.DataFrame, scenario: Scenario) -> None:
        entrance = "enrolled" if scenario.transplant.delayed else ENTRANCES[scenario.cohort.enters_at].value
        self.rows = rows[rows["counted"]].reset_index(drop=True)
        self.scenario = scenario
        self.enrolled = self.time(f"{entrance}_time")
        self.reinfusion = self.time("aplasia_time")
        self.death = self.time("death_time")
        self.relapse = self.time("relapse_time")
        cut = scenario.follow_up.data_cut_days
        last = self.time("follow_up_end")
        self.cut: Floats = last if cut == "none" else np.full_like(last, cut)
        responds = self.rows["responds"].to_numpy(dtype=np.bool_)
        assessed = self.reinfusion + scenario.response.assessed_at_days
        unanswered = np.isfinite(self.reinfusion) & ~responds & (self.death > assessed)
        endings = np.array([self.relapse, np.where(unanswered, assessed, np.inf), self.death])
        self.disease_free_end: Floats = endings.min(axis=0)
        """The day of the first relapse, established non-response or death."""
        self.failure: NDArray[np.int_] = endings.argmin(axis=0)
        """Which of them it is, as a place in `FAILURES`."""

    def __len__(self) -> int:
        return len(self.rows)

    def time(self, column: str) -> Floats:
        """Return a column of days, infinite for never."""
        days = self.rows[column].to_numpy(dtype=np.float64)
        return np.where(np.isnan(days), np.inf, days)


@dataclass(frozen=True, slots=True)
class CensoredTimes:
    """What a trial knows of who started before its data cut; arrays have one value for each of them."""

    who: Booleans
    """Of all patients, those followed."""
    years: Floats
    """From the start to the event or the data cut."""
    cause: NDArray[np.int_]
    """What ended the time; -1 for a censoring."""


def censored_times(patients: Patients) -> dict[str, CensoredTimes]:
    """Return what is known for each survival curve: until the event, or the data cut if that comes first.

    A cohort that is never transplanted has survival from enrolment alone.
    """
    died = np.zeros(len(patients), dtype=np.int_)
    if patients.scenario.cohort.enters_at == "home":
        return {"overall_survival_enrolled": _follow(patients, patients.enrolled, patients.death, died)}
    start = patients.reinfusion
    return {
        "overall_survival": _follow(patients, start, patients.death, died),
        "disease_free_survival": _follow(patients, start, patients.disease_free_end, patients.failure),
    }


def _follow(patients: Patients, start: Floats, end: Floats, cause: NDArray[np.int_]) -> CensoredTimes:
    who = start < patients.cut
    years = (np.minimum(end, patients.cut)[who] - start[who]) / DAYS_PER_YEAR
    return CensoredTimes(who, years, np.where(end <= patients.cut, cause, -1)[who])


@dataclass(frozen=True, slots=True)
class Curve:
    """One survival curve of a trial, and what is read off it."""

    name: str
    """The endpoint."""
    estimate: KaplanMeier
    readings: CurveReading
    median: Median
    last_years: float
    """The longest follow-up."""


@dataclass(frozen=True, slots=True)
class TrialReport:
    """What one trial reports at its data cut."""

    enrolled: int
    reinfused: int
    """Reinfused before the data cut."""
    treatment_deaths: int
    early_deaths: int
    """Deaths before reinfusion, not after withdrawal."""
    deaths: int
    """By the data cut; without one, by the horizon since enrolment."""
    curves: tuple[Curve, ...]
    incidence_readings: Mapping[str, CurveReading]
    notes: tuple[tuple[str, str], ...]
    """The warnings of the estimators: type and text."""


def report_trial(patients: Patients) -> TrialReport:
    """Report one trial: survival with log-log intervals, competing incidences, counts of deaths."""
    scenario = patients.scenario
    notes: dict[tuple[str, str], None] = {}
    curves: list[Curve] = []
    readings: dict[str, CurveReading] = {}
    followed = censored_times(patients)
    for name, found in followed.items():
        if found.years.size:
            with _noting(notes, BY_NAME[name].label):
                curves.append(_curve(name, found, scenario))
    disease_free = followed.get("disease_free_survival")
    if disease_free is not None and disease_free.years.size:
        incidences = aalen_johansen(disease_free.years, disease_free.cause, len(FAILURES))
        with _noting({}, ""):  # the same patients at risk as for disease-free survival, noted there
            for cause, name in enumerate(FAILURES):
                readings[name] = incidences.read(cause, reading_years(scenario, name))
    return TrialReport(*_counts(patients), tuple(curves), readings, tuple(notes))


def _curve(name: str, followed: CensoredTimes, scenario: Scenario) -> Curve:
    estimate = kaplan_meier(followed.years, followed.cause >= 0)
    readings = estimate.read(reading_years(scenario, name))
    return Curve(name, estimate, readings, estimate.median(), float(followed.years.max()))


@contextmanager
def _noting(notes: dict[tuple[str, str], None], about: str) -> Iterator[None]:
    """Note each typed warning once, with what it is about."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TypedWarning)
        yield
    for warning in caught:
        notes[warning.category.__name__, f"{about}: {warning.message}"] = None


def _counts(patients: Patients) -> tuple[int, int, int, int, int]:
    """Count the enrolled, the reinfused, and deaths due to treatment, before reinfusion, and all."""
    by_cut = patients.death <= patients.cut
    follow_up = patients.scenario.follow_up
    horizon = patients.enrolled + follow_up.horizon_years * DAYS_PER_YEAR
    counted = patients.death <= horizon if follow_up.data_cut_days == "none" else by_cut
    reinfused = patients.reinfusion < np.inf
    causes = [cause.name.lower() for cause in TREATMENT_CAUSES]
    treatment = patients.rows["death_cause"].isin(causes).to_numpy()
    in_time = ~reinfused | (patients.death <= patients.reinfusion + TREATMENT_DAYS)
    withdrawn = patients.rows["withdrawn"].to_numpy(dtype=np.bool_)
    return (
        int(np.sum(patients.enrolled <= patients.cut)),
        int(np.sum(patients.reinfusion < patients.cut)),
        int(np.sum(by_cut & treatment & in_time)),
        int(np.sum(by_cut & ~reinfused & ~withdrawn)),
        int(np.sum(counted)),
    )
