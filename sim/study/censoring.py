"""What trials read at their data cut, on average, against what they would read if everybody were followed.

The first comes from the trials' own estimates on censored data (Kaplan-Meier, Aalen-Johansen), where they are
defined; the second is the exact twin's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from sim.outcomes.occupancy import is_limited
from sim.outcomes.twin.expected import expected, expected_from_enrolment
from sim.scenario.endpoints import BY_NAME, OF_TRANSPLANTS, Key, column
from sim.scenario.schema import Scenario

COLUMNS = (
    "endpoint", "time_years", "twin", "trials", "undefined", "mean", "mc_se", "difference", "z",
)  # fmt: skip


def censored_readings(scenario: Scenario, replications: pd.DataFrame) -> pd.DataFrame | None:
    """Return the mean over trials of every estimate on censored data, against the twin.

    Parameters
    ----------
    replications
        The rows of ``replications.parquet``.

    Returns
    -------
    DataFrame or None
        ``undefined`` is the share of trials with nobody at risk at that time, which are left out of ``mean``;
        ``mc_se`` is the standard error of the mean over the others. None where nobody is censored, or a queue
        may bind so that there is no twin.

    Notes
    -----
    Where every trial reports, the mean is unbiased but for Kaplan-Meier's own bias, which is far smaller than
    one standard error here. Where some can't, the mean is over the others: those with patients left at risk,
    in which fewer have had the event, and those in which the last at risk had it, who read 0. Which of the
    two weighs more depends on follow-up. It is the choice of trials that is biased, not the estimator:
    S-hat / S, stopped at the last follow-up, has mean 1.

    Gill RD. Censoring and Stochastic Integrals. Amsterdam, 1980.
    """
    if scenario.follow_up.data_cut_days == "none" or is_limited(scenario):
        return None
    return pd.DataFrame(list(_rows(scenario, replications)), columns=list(COLUMNS))


def _rows(scenario: Scenario, replications: pd.DataFrame) -> Iterator[tuple[str | float, ...]]:
    twin: dict[Key, float] = {**expected(scenario), **expected_from_enrolment(scenario)}
    home = scenario.cohort.enters_at == "home"
    for key, value in twin.items():
        name, time = key
        if BY_NAME[name].trial not in ("kaplan_meier", "incidence") or time is None:
            continue
        if home and name in OF_TRANSPLANTS:
            continue
        read = replications[f"trial_{column(key)}"].to_numpy(dtype=np.float64)
        known = read[~np.isnan(read)]
        mean = float(known.mean()) if known.size else math.nan
        se = float(known.std(ddof=1)) / math.sqrt(known.size) if known.size > 1 else math.nan
        z = (mean - value) / se if se > 0 else math.nan
        yield name, time, value, read.size, 1 - known.size / read.size, mean, se, mean - value, z
