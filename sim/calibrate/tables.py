"""A calibration as tables: parameters, answers, search, other ways to see the trial, and lines to draw."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sim.calibrate.calibration import Found, Seen, Told
from sim.calibrate.importance import Sample
from sim.calibrate.point import PointFit
from sim.calibrate.profiles import profiles
from sim.calibrate.search import Free, Search
from sim.outcomes.twin.expected import expected
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME, column, label, read_times
from sim.scenario.priors import AS_IT_IS
from sim.scenario.registry import parameters, unit_of
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value, with_values
from sim.study.estimates import Z95
from sim.study.posterior import posterior_table, weighted_summary
from sim.study.records import addressed

ACTIVE = "active_disease.hazard_per_year"
MULTIPLIER = "after_relapse.multiplier"


@dataclass(frozen=True)
class Answer:
    """One figure at every point of a search.

    ``kind`` says what it is: a figure of the trial, a hazard, or survival without any transplant, which
    extrapolates a hazard.
    """

    name: str
    label: str
    unit: str
    kind: str
    values: Floats


def answers(scenario: Scenario, search: Search) -> list[Answer]:
    """Return the answers at every point: survival, both lupus hazards, survival without a transplant.

    The hazard after relapse, multiplier times the active one, is what the trial's survival tells of; the
    active hazard alone rests on one death and an unreported wait.
    """
    found = [
        Answer(f"{name}_{time:g}y", label((name, time)), "", "trial", search.survival[:, column])
        for column, (name, time) in enumerate(search.published.keys)
    ]
    values = search.free.values(search.sample.z)

    def of(key: str) -> Floats:
        if key in search.free.keys:
            return np.asarray(values[:, search.free.keys.index(key)])
        return np.full(len(values), get_value(scenario, key))

    active = of(ACTIVE)
    relapsed = active * of(MULTIPLIER)
    found.append(Answer("active_hazard", "Lupus death when active", "per year", "hazard", active))
    found.append(Answer("relapsed_hazard", "Lupus death after relapse", "per year", "hazard", relapsed))
    years = scenario.follow_up.horizon_years
    unlimited = dict.fromkeys(("clinic.apheresis_slots", "clinic.isolation_rooms"), "unlimited")
    at_home = with_values(scenario, {"cohort.enters_at": "home", ACTIVE: 0.0, **unlimited})
    alive = expected(at_home)["overall_survival_enrolled", years]  # but for lupus, which multiplies
    for name, words, hazard in (
        ("no_transplant", "when active", active),
        ("no_transplant_relapsed", "after relapse", relapsed),
    ):
        text = f"Alive without a transplant at {years:g} y, with the hazard {words}"
        found.append(Answer(name, text, "", "extrapolation", alive * np.exp(-hazard * years)))
    return found


def answer_table(scenario: Scenario, search: Search) -> pd.DataFrame:
    """Return one row an answer: mean, Monte Carlo error, SD, median and 95% limits of its posterior."""
    weights = search.sample.weights
    return pd.DataFrame(
        [
            {
                "answer": each.name, "label": each.label, "unit": each.unit, "kind": each.kind,
                **weighted_summary(each.values, weights),
            }
            for each in answers(scenario, search)
        ]
    )  # fmt: skip


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
                "key": prior.key, "unit": parameters()[prior.key].unit,
                "point": get_value(told.scenario, prior.key), "prior": prior.text, "prior_lower": before[0],
                "prior_median": before[1], "prior_upper": before[2], **after,
                "variance_left": scores["sd"] ** 2, "source": prior.source,
            }
        )  # fmt: skip
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


def search_table(sample: Sample, keys: Sequence[str]) -> pd.DataFrame:
    """Return one row a stage and parameter: points, effective size, and the mean score with its error."""
    return pd.DataFrame(
        [
            {
                "points": stage.points, "effective_size": stage.effective_size,
                "log_evidence": stage.log_evidence, "key": key, "mean_score": mean, "mc_se": error,
            }
            for stage in sample.history
            for key, mean, error in zip(
                keys, stage.mean.tolist(), stage.mean_se.tolist(), strict=True
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
        tables.append(addressed(pd.DataFrame(line, columns=keys), direction=int(row["direction"]), sd=sds))
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
                rows.append(
                    {"answer": each.name, "time_years": years, **weighted_summary(each.values, weights)}
                )
    return pd.DataFrame(rows, columns=["answer", "time_years", "mean", "lower", "median", "upper"])


def weight_table(seen: Sequence[Seen]) -> pd.DataFrame:
    """Return one row a way to see the trial: posterior weight, equal beforehand, with Monte Carlo error."""
    log = np.array([each.search.sample.log_evidence for each in seen])
    errors = np.array([each.search.sample.log_evidence_se for each in seen])
    weights = np.exp(log - log.max())
    weights /= weights.sum()
    # d w_k = w_k (d l_k - sum_j w_j d l_j)
    spread = [
        weight * math.sqrt((1 - weight) ** 2 * own**2 + sum(weights**2 * errors**2) - (weight * own) ** 2)
        for weight, own in zip(weights, errors, strict=True)
    ]
    return pd.DataFrame(
        {
            "name": [each.name for each in seen], "title": [each.title for each in seen],
            "prior_weight": 1 / len(seen), "posterior_weight": weights, "mc_se": spread,
            "bayes_factor": np.exp(log - log[0]), "log_evidence": log, "log_evidence_se": errors,
            "effective_size": [each.search.sample.effective_size for each in seen],
        }
    )  # fmt: skip


def moved_table(seen: Sequence[Seen]) -> pd.DataFrame:
    """Return how far each alternative moves every answer from that of the trial as it is, in SDs too."""
    tables = [answer_table(each.scenario, each.search) for each in seen]
    rows = []
    for each, table in zip(seen, tables, strict=True):
        by = table["mean"] - tables[0]["mean"]
        error = np.hypot(table["mc_se"], tables[0]["mc_se"]) if each.name != AS_IT_IS else 0.0
        moved = table.assign(moved=by, moved_mc_se=error, moved_sd=by / tables[0]["sd"])
        rows.append(addressed(moved, name=each.name))
    return pd.concat(rows, ignore_index=True)


def tables_of(found: Found) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the tables by the names of their files."""
    if found.fit is not None:
        yield "solved", _solved(found.fit)
        yield "residuals", _residuals(found.fit)
        yield "jacobian", _jacobian(found.fit)
    if found.told is not None:
        yield from _told(found.told)


def _told(told: Told) -> Iterator[tuple[str, pd.DataFrame]]:
    posterior = told.main.posterior
    point = [float(get_value(told.scenario, key)) for key in posterior.keys]
    yield "posterior", posterior_table(posterior, point)
    yield "parameters", parameter_table(told)
    yield "answers", answer_table(told.scenario, told.main)
    yield "estimates", estimate_table(told)
    yield "predictions", told.predictions
    yield "curves", told.curves
    yield "at_point", told.at_point
    yield "directions", directions(told.main)
    if told.main.sample.history:
        yield "search", search_table(told.main.sample, told.main.free.keys)
        yield "profiles", profiles(told.main)
    if len(told.seen) > 1:
        yield "alternatives", weight_table(told.seen)
        yield "moved", moved_table(told.seen)
    if told.alone is not None:
        yield "simulation_alone", alone_table(told, told.alone)
    if told.coverage is not None:
        yield "coverage", told.coverage.table
        yield "ranks", told.coverage.ranks


def lines_of(told: Told, known: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return what only figures draw: priors, free directions, and survival without a transplant."""
    ridge = ridge_table(told.main, known)
    return {"priors": prior_table(told.main.free), "ridge": ridge, "no_transplant": no_transplant_table(told)}


def _solved(fit: PointFit) -> pd.DataFrame:
    rows = [(key, value, fit.before[key], unit_of(key)) for key, value in fit.values.items()]
    return pd.DataFrame(rows, columns=["key", "value", "before", "unit"])


def _residuals(fit: PointFit) -> pd.DataFrame:
    met = zip(fit.targets, fit.residuals, fit.scenario.fitted_targets, strict=True)
    rows = [(*key, label(key), target.value, float(left), target.source) for key, left, target in met]
    return pd.DataFrame(rows, columns=["endpoint", "time_years", "label", "target", "residual", "source"])


def _jacobian(fit: PointFit) -> pd.DataFrame:
    """Return how every figure moves with the logarithm (the logit of a share) of every parameter."""
    table = pd.DataFrame(fit.jacobian, columns=list(fit.values))
    table.insert(0, "figure", [label(key) for key in fit.targets])
    return table
