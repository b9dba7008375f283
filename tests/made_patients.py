"""Patients of a virtual trial, written as a centre would know them: whole days since each one's enrolment."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

import sim
from sim.centre.patients import OwnPatients
from sim.scenario.load import Loaded

_CAUSES = {"infection": "treatment", "toxicity": "treatment", "lupus": "lupus", "background": "other"}


def patients_of(
    scenario: str | Loaded, *, seed: int = 1, cut_days: float = 3105.0, **changes: Any
) -> OwnPatients:
    """Simulate one trial and return its patients, followed up to a data cut."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of one replication, as is meant
        made = sim.run(
            scenario, set=changes, replications=1, patients=1, out=None, engine="arrays", seed=seed
        )
    return seen_in(made.tables["patients"], cut_days)


def seen_in(table: pd.DataFrame, cut_days: float) -> OwnPatients:
    """Return what is seen of the patients of a table by a data cut."""
    first = table["mobilising_time"].fillna(table["immunoablation_time"]).to_numpy(float)
    end = np.round(cut_days - first)

    def day(name: str) -> np.ndarray:
        days = np.round(table[name].to_numpy(float) - first)
        return np.where(days <= end, days, np.nan)

    died = day("death_time")
    cause = table["death_cause"].map(_CAUSES).fillna("").to_numpy(str)
    return OwnPatients.of(
        np.where(np.isnan(died), end, died),
        transplanted=day("aplasia_time"),
        relapsed=day("relapse_time"),
        died=died,
        cause=np.where(np.isnan(died), "", cause),
        age=table["age_years"].to_numpy(),
        female=table["female"].to_numpy(float),
    )
