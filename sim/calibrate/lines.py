"""Lines that figures of a calibration draw beside its tables, each a table of its own.

Prior densities, the free directions through the posterior mean, and survival without a transplant over time.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from sim.calibrate.answers import answers
from sim.calibrate.calibration import Told
from sim.calibrate.search import Free, Search
from sim.scenario.endpoints import BY_NAME, read_times
from sim.scenario.values import with_values
from sim.study.posterior import weighted_quantiles

_GRID = 161
_REACH = 3.2  # normal scores: all but a thousandth of the prior
_ALONG = 41


def prior_table(free: Free) -> pd.DataFrame:
    """Return the prior density of each free parameter: ``key, score, value, density``.

    Values are those at a grid of normal scores, so that the density is the normal one by how far values move.
    """
    scores = np.linspace(-_REACH, _REACH, _GRID)
    values = free.values(np.repeat(scores[:, None], len(free.keys), axis=1))
    normal = np.exp(-0.5 * scores**2) / np.sqrt(2 * np.pi)
    tables = []
    for column, key in enumerate(free.keys):
        density = normal / np.gradient(values[:, column], scores)
        tables.append(
            pd.DataFrame({"key": key, "score": scores, "value": values[:, column], "density": density})
        )
    return pd.concat(tables, ignore_index=True)


def ridge_table(search: Search, directions: pd.DataFrame) -> pd.DataFrame:
    """Return the free directions as lines of parameter values through the posterior mean.

    Each runs two posterior SDs to either side: ``direction, sd``, and one column a parameter.
    """
    keys = list(search.free.keys)
    mean = search.sample.weights @ search.sample.z
    sds = np.linspace(-2.0, 2.0, _ALONG)
    tables = [pd.DataFrame(columns=["direction", "sd", *keys])]
    for row in directions[directions["status"] == "free"].to_dict("records"):
        vector = np.array([float(row[key]) for key in keys])
        line = search.free.values(mean + np.outer(sds * np.sqrt(float(row["variance_left"])), vector))
        table = pd.DataFrame(line, columns=keys)
        table.insert(0, "sd", sds)
        table.insert(0, "direction", int(row["direction"]))
        tables.append(table)
    return pd.concat(tables[1:] or tables, ignore_index=True)


def no_transplant_table(told: Told) -> pd.DataFrame:
    """Return survival without a transplant over the years, under either hazard.

    ``answer, time_years, mean, lower, median, upper``: the answers of the same names, had the horizon been
    at each time.
    """
    rows = []
    horizon = told.scenario.follow_up.horizon_years
    weights = told.main.sample.weights
    for years in read_times(BY_NAME["overall_survival_enrolled"], horizon):
        scenario = with_values(told.scenario, {"follow_up.horizon_years": years})
        for each in answers(scenario, told.main):
            if each.kind == "extrapolation":
                low, middle, high = weighted_quantiles(each.values, weights, (0.025, 0.5, 0.975))
                rows.append(
                    {
                        "answer": each.name, "time_years": years, "mean": float(weights @ each.values),
                        "lower": low, "median": middle, "upper": high,
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)
