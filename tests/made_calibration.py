"""A calibration made by hand: all that one finds, without a search, for the figures and pages under test."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from sim.calibrate.calibration import Found, Seen, Told
from sim.calibrate.coverage import Coverage
from sim.calibrate.importance import Sample, Stage
from sim.calibrate.point import PointFit
from sim.calibrate.published import Published
from sim.calibrate.search import Free, Search
from sim.outcomes.binomial import clopper_pearson
from sim.scenario.endpoints import column, keys, label
from sim.scenario.schema import Scenario
from sim.scenario.values import with_values

POINTS = 512
LEFT = (0.5, 0.55, 0.86, 0.5, 0.97, 0.87)
"""Share of the prior's variance that each parameter keeps, but for the trade-off."""


def search_of(scenario: Scenario, seed: int = 1, *, trade_off: float = -0.3, shift: float = 0.0) -> Search:
    """Make a posterior: normal in normal scores, in which the second and the last parameter trade off."""
    free, published = Free.of(scenario), Published.of(scenario)
    rng = np.random.default_rng(seed)
    d = len(free.keys)
    covariance = np.diag(np.array(LEFT[:d]))
    covariance[1, d - 1] = covariance[d - 1, 1] = trade_off
    z = shift + rng.multivariate_normal(np.zeros(d), covariance, POINTS)
    weights = rng.uniform(0.5, 1.5, POINTS)
    weights /= weights.sum()
    history = tuple(
        Stage(points, points * 0.45, -7.8, weights @ z, np.full(d, 1 / math.sqrt(points)))
        for points in (POINTS // 2, POINTS)
    )
    sample = Sample(z, weights, (POINTS // 2, POINTS // 2), -7.8 + shift, 0.02, history)
    survival = np.clip(np.array([0.84, 0.5]) + 0.07 * rng.standard_normal((POINTS, 2)), 0.01, 0.99)
    return Search(free, published, sample, POINTS * 256, survival, np.full((POINTS, 5), 0.2), weights)


def predictions_of(scenario: Scenario) -> pd.DataFrame:
    """Make the table of endpoints over the posterior; every target is its own prediction."""
    targets = {(target.endpoint, target.time_years): target for target in scenario.target}
    rows = []
    for key in keys(scenario.follow_up.horizon_years):
        target = targets.get(key)
        value = 0.9 if target is None else target.value
        rows.append(
            {
                "endpoint": key[0], "time_years": math.nan if key[1] is None else key[1],
                "estimate": value, "mc_se": 0.002, "mc_lower": value - 0.004, "mc_upper": value + 0.004,
                "trial_lower": 0.6 * value, "trial_upper": min(1.3 * value, 1.0 if value <= 1 else np.inf),
                "trial_undefined": 0.02, "target": math.nan if target is None else target.value,
                "target_source": "" if target is None else target.source,
                "note": "" if target is None or target.fitted else "not_fitted",
                "posterior_lower": 0.8 * value, "posterior_upper": 1.1 * value,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def curves_of(scenario: Scenario) -> pd.DataFrame:
    """Make two straight survival curves with a posterior band."""
    years = np.linspace(0.0, scenario.follow_up.horizon_years, 11)
    parts = []
    for name, end in (("overall_survival", 0.84), ("disease_free_survival", 0.5)):
        middle = 1 - (1 - end) * years / years[-1]
        band = 0.15 * years / years[-1]
        columns = {
            "time_years": years, "estimate": middle, "mc_lower": middle - 0.004, "mc_upper": middle + 0.004,
            "posterior_lower": middle - band, "posterior_upper": np.minimum(middle + band, 1.0),
        }  # fmt: skip
        parts.append(pd.DataFrame({"endpoint": name, **columns}))
    return pd.concat(parts, ignore_index=True)


def reports_of(scenario: Scenario, trials: int, spread: float, seed: int) -> pd.DataFrame:
    """Make what virtual trials report: counts, estimates of which some are undefined, a mean."""
    rng = np.random.default_rng(seed)
    found: dict[str, object] = {
        "draw": np.arange(trials) // 10 + 1,
        "replication": np.arange(trials) % 10 + 1,
    }
    for target in scenario.target:
        if not target.fitted:
            continue
        key = (target.endpoint, target.time_years)
        if target.value < 0.1:
            values = rng.binomial(50, target.value, trials) / 50
        elif target.value < 1:
            values = np.clip(target.value + spread * rng.standard_normal(trials), 0, 1)
            values[rng.random(trials) < 0.05] = math.nan
        else:
            values = target.value + spread * rng.standard_normal(trials)
        found[f"trial_{column(key)}"] = values
    return pd.DataFrame(found)


def coverage_of(search: Search, trials: int = 60, *, control: float = 0.7) -> Coverage:
    """Make a coverage in which this method holds 90% and the control a share of its own."""
    names = [*search.free.keys, *(label(key) for key in search.published.keys)]
    rows, ranks = [], []
    for method, share in (("simulated", 0.9), ("binomial", control)):
        for name in names:
            covered = round(share * trials)
            lower, upper = clopper_pearson(covered, trials)
            rows.append(
                {
                    "quantity": name, "method": method, "trials": trials, "covered": covered / trials,
                    "lower": lower, "upper": upper, "as_said": lower <= 0.9 <= upper, "uniform_p": share / 2,
                }
            )  # fmt: skip
            ranks += [
                {
                    "trial": trial + 1, "quantity": name, "method": method, "truth": 0.1,
                    "rank": (trial + 0.5) / trials, "covered": True, "effective_size": 100.0,
                }
                for trial in range(trials)
            ]  # fmt: skip
    return Coverage(pd.DataFrame(ranks), pd.DataFrame(rows), trials + 1, 1)


def found_of(fit: PointFit, *, checked: bool = True, limited: bool = False) -> Found:
    """Make all that a calibration finds.

    Parameters
    ----------
    checked
        With simulation alone, coverage and an alternative.
    limited
        As where a queue may bind: no point, no history of a search.
    """
    scenario = fit.scenario
    main = search_of(scenario)
    if limited:
        scenario = with_values(scenario, {"clinic.isolation_rooms": 2})
        sample = main.sample
        bare = Sample(sample.z, sample.weights, (POINTS,), sample.log_evidence, sample.log_evidence_se)
        none = np.full((POINTS, 5), math.nan)
        main = Search(main.free, main.published, bare, main.trials, main.survival, none, main.alike)
    seen = [Seen("as_it_is", "as it is", scenario, main)]
    if checked:
        other = search_of(scenario, 2, shift=0.5)
        seen.append(Seen("slow", "recovery <i>slower</i>", scenario, other))
    told = Told(
        scenario,
        tuple(seen),
        predictions_of(scenario),
        curves_of(scenario),
        reports_of(scenario, 2000, 0.13, 3),
        reports_of(scenario, 500, 0.11, 4).drop(columns="draw"),
        search_of(scenario, 5) if checked else None,
        150 if checked or limited else 0,
        coverage_of(main) if checked else None,
    )
    return Found(scenario, None if limited else fit, told)


def profiles_of(search: Search) -> pd.DataFrame:
    """Make profile likelihoods: the first parameter's falls on both sides, the others' are flat."""
    grid = np.linspace(-2.5, 2.5, 25)
    values = search.free.values(np.repeat(grid[:, None], len(search.free.keys), axis=1))
    return pd.DataFrame(
        [
            {"key": key, "value": value, "log_likelihood": -fall * z**2, "flat": fall < 0.3}
            for at, key in enumerate(search.free.keys)
            for fall in [1.0 if at == 0 else 0.1]
            for z, value in zip(grid, values[:, at], strict=True)
        ]
    )
