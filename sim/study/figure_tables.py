"""Tables that a study keeps for its figures alone: courses of single patients, and of a single clinic."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sim.clinic.history import PLACES, History
from sim.clinic.states import ALIVE, Cause
from sim.outcomes.occupancy import Occupancy
from sim.patient.fates import NEVER
from sim.study.shares import Shares

MOMENTS = (
    *PLACES,
    *("enrolled", "ready_for_harvest", "withdrawn", "relapse", "death", "follow_up_end"),
    *("mobilisation_infection", "aplasia_infection", "late_infection"),
)
"""What is told of a patient's course: the day from study opening of each, missing for never."""


def course_rows(history: History, patients: Iterable[int] | None = None) -> pd.DataFrame:
    """Return a row for each patient of the first replication: ``patient, responds, cause``, and `MOMENTS`.

    Parameters
    ----------
    patients
        Rows of the history's arrays; those that are not there are left out. By default, who enrolled.
    """
    enrolled = history.enrolled[:, 0]
    asked = range(len(enrolled)) if patients is None else patients
    who = np.array([each for each in asked if each < len(enrolled) and enrolled[each] < NEVER], dtype=int)
    cause = history.cause[who, 0]
    columns = {
        "patient": who + 1,
        "responds": history.responds[who, 0],
        "cause": ["" if code == ALIVE else Cause(code).name.lower() for code in cause.tolist()],
    }
    for name in MOMENTS:
        days = getattr(history, name)[who, 0]
        columns[name] = np.where(days < NEVER, days, np.nan)
    return pd.DataFrame(columns)


def first_courses(first: History, over_range: Sequence[History]) -> pd.DataFrame:
    """Return ``figures/swimmer.csv`` of a run: `course_rows` of its first replication, after ``point``.

    Point 0 is the scenario itself; the others are the values of its range, in order.
    """
    tables = [course_rows(each).assign(point=point) for point, each in enumerate((first, *over_range))]
    return _leading(pd.concat(tables, ignore_index=True), "point")


def paired_courses(pair: str, arms: Sequence[tuple[str, History]], patients: Sequence[int]) -> pd.DataFrame:
    """Return rows of ``figures/swimmer.csv`` of a comparison: `course_rows` after ``pair`` and ``scenario``.

    Parameters
    ----------
    pair
        Name of what is compared with the reference.
    arms
        Name and history of the reference and of that scenario.
    patients
        Whose fates differ, in the order in which they are shown; rows of the history's arrays.
    """
    tables = [course_rows(each, patients).assign(pair=pair, scenario=name) for name, each in arms]
    return _leading(pd.concat(tables, ignore_index=True), "pair", "scenario")


def first_clinic(occupancy: Occupancy) -> pd.DataFrame:
    """Return ``figures/rooms.csv``: ``series, time_days, number``, as the first clinic goes."""
    tables = [
        pd.DataFrame({"series": name, "time_days": census.day, "number": census.number})
        for name, census in occupancy.first.items()
    ]
    return pd.concat(tables, ignore_index=True)


def counted(shares: Shares | None, occupancy: Occupancy | None) -> dict[str, Any]:
    """Return what a manifest says, as ``counted``, of how many stand behind shares over time and queues.

    ``mean`` has for each series of ``occupancy.csv`` its average while the clinic is open, and half of its
    95% Monte Carlo interval; null where there is none.
    """
    found: dict[str, Any] = {}
    if shares is not None:
        found |= {"replications": shares.replications, "patients": shares.patients, "draws": shares.draws}
    if occupancy is not None:
        both = {name: (occupancy.average(name), occupancy.half_width(name)) for name in occupancy.first}
        found["clinics"] = occupancy.replications
        found["mean"] = {
            name: [None if math.isnan(value) else value for value in pair] for name, pair in both.items()
        }
    return found


def _leading(table: pd.DataFrame, *names: str) -> pd.DataFrame:
    return table[[*names, *(name for name in table.columns if name not in names)]]
