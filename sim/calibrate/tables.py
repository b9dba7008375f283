"""A calibration as tables: parameters, estimates, search, and how two ways to the posterior agree."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from sim.calibrate.answers import answers
from sim.calibrate.calibration import Told
from sim.calibrate.search import Free, Search
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME, column, label, read_times
from sim.scenario.registry import parameters
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value, with_values
from sim.study.estimates import Z95
from sim.study.posterior import weighted_quantiles, weighted_summary


def parameter_table(told: Told) -> pd.DataFrame:
    """Return one row a free parameter: its point, its prior and its posterior."""
    search = told.main
    values, weights = search.free.values(search.sample.z), search.sample.weights
    scores_of_limits = np.outer([-Z95, 0.0, Z95], np.ones(len(search.free.keys)))
    rows = []
    for at, prior in enumerate(search.free.priors):
        before = search.free.values(scores_of_limits)[:, at]
        after = weighted_summary(values[:, at], weights)
        scores = weighted_summary(search.sample.z[:, at], weights)
        rows.append(
            {
                "key": prior.key,
                "unit": parameters()[prior.key].unit,
                "point": get_value(told.scenario, prior.key),
                "prior": prior.text,
                "prior_lower": before[0],
                "prior_median": before[1],
                "prior_upper": before[2],
                **after,
                "variance_left": scores["sd"] ** 2,
                "source": prior.source,
            }
        )
    return pd.DataFrame(rows)


def estimate_table(told: Told) -> pd.DataFrame:
    """Return one row an estimate of the trial: what it tells, and of how many patients that would be a share.

    ``trial_sd`` is the SD of what such trials report at the point solution, ``as_if_n`` the number of fully
    followed patients of whom a share has that SD, ``undefined`` the share of trials that can't report it.
    """
    search, at_point = told.main, told.at_point
    rows = []
    for number, (key, value) in enumerate(search.published.estimates):
        reported = at_point[f"trial_{column(key)}"].to_numpy()
        known = reported[~np.isnan(reported)]
        sd = float(known.std(ddof=1))
        after = weighted_summary(search.survival[:, number], search.sample.weights)
        mean = float(known.mean())
        rows.append(
            {
                "endpoint": key[0], "time_years": key[1], "label": label(key), "target": value,
                "n": search.published.reinfused,
                "trial_sd": sd, "trial_sd_mc_se": sd / np.sqrt(2 * known.size),
                "as_if_n": mean * (1 - mean) / sd**2, "undefined": 1 - known.size / reported.size,
                **{f"posterior_{name}": figure for name, figure in after.items()},
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def search_table(told: Told) -> pd.DataFrame:
    """Return one row a stage and parameter: points, effective size, and the mean score with its error."""
    search = told.main
    return pd.DataFrame(
        [
            {
                "points": stage.points, "effective_size": stage.effective_size,
                "log_evidence": stage.log_evidence, "key": key, "mean_score": mean, "mc_se": error,
            }
            for stage in search.sample.history
            for key, mean, error in zip(
                search.free.keys, stage.mean.tolist(), stage.mean_se.tolist(), strict=True
            )
        ]
    )  # fmt: skip


def alone_table(told: Told, alone: Search) -> pd.DataFrame:
    """Compare the posterior by simulation alone with the other: mean and SD of parameters and answers."""
    main = told.main
    rows = []
    for name, words, one, other in _compared(told.scenario, main, alone):
        a, b = weighted_summary(one, main.sample.weights), weighted_summary(other, alone.sample.weights)
        rows.append(
            {
                "figure": name, "label": words, "mean": a["mean"], "mc_se": a["mc_se"], "sd": a["sd"],
                "sd_mc_se": a["sd_mc_se"], "alone_mean": b["mean"], "alone_mc_se": b["mc_se"],
                "alone_sd": b["sd"], "alone_sd_mc_se": b["sd_mc_se"],
                "z_mean": (b["mean"] - a["mean"]) / np.hypot(a["mc_se"], b["mc_se"]),
                "z_sd": (b["sd"] - a["sd"]) / np.hypot(a["sd_mc_se"], b["sd_mc_se"]),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def _compared(scenario: Scenario, main: Search, alone: Search) -> Iterator[tuple[str, str, Floats, Floats]]:
    one, other = (search.free.values(search.sample.z) for search in (main, alone))
    for at, key in enumerate(main.free.keys):
        yield key, parameters()[key].meaning, one[:, at], other[:, at]
    for a, b in zip(answers(scenario, main), answers(scenario, alone), strict=True):
        yield a.name, a.label, a.values, b.values


FREE = 0.8
"""Share of the prior's variance that a direction keeps from which it counts as free."""

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
    for at, key in enumerate(free.keys):
        density = normal / np.gradient(values[:, at], scores)
        tables.append(pd.DataFrame({"key": key, "score": scores, "value": values[:, at], "density": density}))
    return pd.concat(tables, ignore_index=True)


def directions(search: Search) -> pd.DataFrame:
    """Return the directions of the parameter space, from the best known to the least.

    Coordinates are standard normal scores of the priors, so that every direction had variance 1 beforehand;
    what it has left is an eigenvalue of the posterior covariance.

    Returns
    -------
    pandas.DataFrame
        ``direction, variance_left, status`` (identified, in part, free), and the part of each parameter.
    """
    z, weights = search.sample.z, search.sample.weights
    centred = z - weights @ z
    left, vectors = np.linalg.eigh((weights[:, None] * centred).T @ centred)
    rows = []
    for number, (variance, vector) in enumerate(zip(left, vectors.T, strict=True), start=1):
        signed = vector * np.sign(vector[np.argmax(np.abs(vector))])
        status = "free" if variance >= FREE else "identified" if variance < 0.25 else "in part"
        parts = dict(zip(search.free.keys, signed.tolist(), strict=True))
        rows.append({"direction": number, "variance_left": variance, "status": status, **parts})
    return pd.DataFrame(rows)


def ridge_table(search: Search, known: pd.DataFrame) -> pd.DataFrame:
    """Return the free directions as lines of parameter values through the posterior mean.

    Each runs two posterior SDs to either side: ``direction, sd``, and one column a parameter.
    """
    keys = list(search.free.keys)
    mean = search.sample.weights @ search.sample.z
    sds = np.linspace(-2.0, 2.0, _ALONG)
    tables = [pd.DataFrame(columns=["direction", "sd", *keys])]
    for row in known[known["status"] == "free"].to_dict("records"):
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
