"""Shares of patients over time, from counted courses: estimates with their Monte Carlo error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sim.outcomes.courses import WHAT, Courses, Of, days_of
from sim.scenario.distributions import Floats
from sim.scenario.schema import DAYS_PER_YEAR, Scenario
from sim.study.estimates import estimates


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of patients over time.

    Attributes
    ----------
    table : DataFrame
        Columns ``of, what, time_days, share, mc_lower, mc_upper``; see `sim.outcomes.courses.WHAT`.
    replications, patients, draws : int
        How many were counted, and under how many draws of a posterior; 0 if there are none.
    """

    table: pd.DataFrame
    replications: int
    patients: int
    draws: int = 0

    def of(self, of: Of) -> pd.DataFrame:
        """Return the rows of one denominator."""
        return self.table[self.table["of"] == of]


def shares(parts: Sequence[Courses], scenario: Scenario) -> Shares:
    """Estimate the shares of a study.

    Parameters
    ----------
    parts
        One, or one for each draw of a posterior: then a draw counts as one replication, and the ratio of
        sums is the mean over draws, whose denominators hardly differ.
    """
    tables = []
    for of, names in WHAT.items():
        days, count = days_of(of, scenario), len(names)
        found = estimates(_sums_of(parts, of)[None], share=True).columns("share")
        del found["mc_se"]
        columns = {"what": np.repeat(names, days.size), "time_days": np.tile(days, count), **found}
        tables.append(pd.DataFrame({"of": of, **columns}))
    replications = sum(part.replications for part in parts)
    patients = int(sum(part.sums["place"][0, 0, 2] for part in parts))
    draws = len(parts) if len(parts) > 1 else 0
    return Shares(pd.concat(tables, ignore_index=True), replications, patients, draws)


def _sums_of(parts: Sequence[Courses], of: Of) -> Floats:
    """Return one study's sums; of several draws, those in which each draw is one replication."""
    if len(parts) == 1:
        return parts[0].sums[of]
    y, x = (np.array([part.sums[of][..., column] for part in parts]) for column in (1, 2))
    products = [np.sum(one * other, axis=0) for one, other in ((y, y), (y, x), (x, x))]
    n = np.full(y.shape[1:], float(len(parts)))
    return np.stack([n, y.sum(axis=0), x.sum(axis=0), *products], axis=-1)


def incidence_data(shares: Shares) -> pd.DataFrame:
    """Return ``figures/incidence.csv``: ``of, what, time_years, share, mc_lower, mc_upper``."""
    table = pd.concat([shares.of("reinfused"), shares.of("enrolled")], ignore_index=True)
    table = table[table["share"].notna()].reset_index(drop=True)
    table["time_days"] /= DAYS_PER_YEAR
    return table.rename(columns={"time_days": "time_years"})


def places_data(shares: Shares) -> pd.DataFrame:
    """Return ``figures/places.csv``: ``of, what, time_days, share, mc_lower, mc_upper``.

    ``way`` is of those reinfused, who is by a day since enrolment.
    """
    parts = [shares.of("place"), shares.of("disease"), shares.of("way")]
    table = pd.concat(parts, ignore_index=True)
    return table[table["share"].notna()].reset_index(drop=True)
