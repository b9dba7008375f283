"""What patients of one's own add to what is known: a posterior from the histories of single patients.

Beforehand there are the scenario's priors, or the draws of another posterior, which are then weighed by how
likely the model finds these patients under each. No figure of a trial has to be met: no point is solved for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from sim.calibrate.importance import NoLikelihoodError, PriorProposal, Sample, sample
from sim.calibrate.search import ENOUGH, FEWEST, Free, warn_of_size
from sim.calibrate.tables import search_table
from sim.calibrate.virtual_trials import at_point
from sim.centre.likelihood import HistoryLikelihood
from sim.centre.patients import OwnPatients
from sim.scenario.distributions import Floats
from sim.scenario.problems import EffectiveSizeWarning, OverlapWarning, RequestError
from sim.scenario.registry import parameters
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value
from sim.study.posterior import (
    Posterior,
    derived_seed,
    posterior_table,
    weighted_quantiles,
    weighted_summary,
)
from sim.work.task import Tell

BEFORE_POINTS = 4096
"""Points of the priors, for what was known beforehand."""
LITTLE = 0.02
"""Nats below which next to nothing is learned of a parameter."""
_FEW_LEFT = 0.02
"""Share of a posterior's effective size below which new patients and its draws hardly overlap."""
_BLOCK = 256  # points between two reports of progress
_GRID = 161
_TINY = float(np.finfo(np.float64).tiny)
_REACH = 3.2  # normal scores: all but a thousandth


@dataclass(frozen=True)
class Learned:
    """What was known before the patients, and is with them.

    Attributes
    ----------
    before, after
        Weighted draws of the free parameters.
    priors
        What was believed of each beforehand, in words, and its source.
    evidence
        Logarithm of the mean likelihood of the patients beforehand, and its standard error.
    sample
        How the draws were found; None where those of another posterior were weighed.
    """

    before: Posterior
    after: Posterior
    priors: tuple[tuple[str, str], ...]
    evidence: tuple[float, float]
    sample: Sample | None = None


def learn(
    scenario: Scenario,
    patients: OwnPatients,
    *,
    seed: int,
    wanted_size: float,
    most_points: int,
    prior: tuple[str, Posterior] | None = None,
    tell: Tell | None = None,
) -> Learned:
    """Find the posterior of a scenario's free parameters from the histories of patients.

    Parameters
    ----------
    prior
        Name and draws of a posterior to begin with, in the place of the scenario's priors.
    tell
        Told of the points looked at, and of how many there are at most.

    Raises
    ------
    RequestError
        Nothing is free, the scenario can't tell of such patients, or no draw gives them.
    """
    likelihood = HistoryLikelihood(patients, scenario)
    likelihood.refuse_impossible(scenario)
    tell = tell or (lambda _done, _total: None)
    if prior is not None:
        return _weighed(scenario, likelihood, *prior, tell)
    free = Free.of(scenario)
    looked = 0

    def evaluate(z: Floats) -> Floats:
        nonlocal looked
        found = _log(scenario, likelihood, free.keys, free.values(z), lambda n: tell(looked + n, most_points))
        looked += len(z)
        return found

    try:
        found = sample(evaluate, len(free.keys), seed, wanted_size=wanted_size, most_points=most_points)
    except NoLikelihoodError:
        raise RequestError(_nothing(scenario, "the priors")) from None
    if found.effective_size < FEWEST:
        raise RequestError(_nothing(scenario, "the priors"))
    warn_of_size(found, min(ENOUGH, wanted_size))
    z = PriorProposal(len(free.keys)).draw(BEFORE_POINTS, derived_seed(seed, "before"))
    before = Posterior(free.keys, free.values(z), np.full(len(z), 1 / len(z)))
    priors = tuple((each.text, each.source) for each in free.priors)
    return Learned(before, free.posterior(found), priors, (found.log_evidence, found.log_evidence_se), found)


def _log(
    scenario: Scenario,
    likelihood: HistoryLikelihood,
    keys: Sequence[str],
    values: Floats,
    tell: Callable[[int], None],
) -> Floats:
    found = []
    for first in range(0, len(values), _BLOCK):
        block = values[first : first + _BLOCK]
        found.append(likelihood.log([at_point(scenario, keys, row) for row in block]))
        tell(first + len(block))
    return np.concatenate(found)


def _weighed(
    scenario: Scenario,
    likelihood: HistoryLikelihood,
    name: str,
    known: Posterior,
    tell: Tell,
) -> Learned:
    """Weigh the draws of a posterior by the likelihood of the patients under each."""
    count = len(known.values)
    log = _log(scenario, likelihood, known.keys, known.values, lambda done: tell(done, count))
    largest = float(log.max())
    if not np.isfinite(largest):
        raise RequestError(_nothing(scenario, f"the draws of {name}"))
    likely = np.exp(log - largest)
    weights = known.weights * likely
    total = float(weights.sum())
    after = Posterior(known.keys, known.values, weights / total)
    error = float(np.sqrt(known.weights**2 @ (likely - total) ** 2)) / total
    size, left = after.effective_size, after.effective_size / known.effective_size
    if size < FEWEST or left < _FEW_LEFT:
        OverlapWarning.say(
            f"--prior-posterior {name}: your patients and its draws hardly overlap: of "
            f"{known.effective_size:.0f} effective draws {size:.0f} are left, so that the result rests on "
            "few of them and its limits are too narrow. Look with `lupus-hsct validate` at what differs, or "
            "leave --prior-posterior out: the scenario's priors are wider, and draws are then looked for "
            "where your patients are"
        )
    elif size < ENOUGH:
        EffectiveSizeWarning.say(
            f"--prior-posterior {name}: of {known.effective_size:.0f} effective draws {size:.0f} are left: "
            "limits are rough. Find more draws of it first (calibrate its scenario with --effective-size "
            "20000, and give that posterior.csv), or leave --prior-posterior out"
        )
    believed = tuple((f"posterior of {name}", name) for _ in known.keys)
    return Learned(known, after, believed, (largest + float(np.log(total)), error))


def _nothing(scenario: Scenario, where: str) -> str:
    return (
        f"[[prior]]: {where} of {scenario.title or 'the scenario'} give next to no chance of such patients: "
        "look with `lupus-hsct validate` at what differs, or widen the priors"
    )


def parameter_table(learned: Learned, scenario: Scenario) -> pd.DataFrame:
    """Return one row a free parameter: what was known before and is after.

    ``variance_left`` and ``moved`` are of the logarithm, on which priors are nearly normal: see `learned_of`.
    """
    before, after = learned.before, learned.after
    rows = []
    for at, (key, (text, source)) in enumerate(zip(after.keys, learned.priors, strict=True)):
        low, median, high = weighted_quantiles(before.values[:, at], before.weights, (0.025, 0.5, 0.975))
        left, moved, gain = learned_of(
            before.values[:, at], after.values[:, at], (before.weights, after.weights)
        )
        rows.append(
            {
                "key": key, "unit": parameters()[key].unit, "point": float(get_value(scenario, key)),
                "prior": text, "prior_lower": low, "prior_median": median, "prior_upper": high,
                **weighted_summary(after.values[:, at], after.weights),
                "variance_left": left, "moved": moved, "gain": gain, "source": source,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def learned_of(before: Floats, after: Floats, weights: tuple[Floats, Floats]) -> tuple[float, float, float]:
    """Return what is learned of one parameter, on the scale of its logarithm.

    Returns
    -------
    tuple of float
        The share of variance left; the shift of the mean in SDs before; and the divergence of the two laws,
        if they were normal, in nats (Kullback S, Leibler RA. Ann Math Stat 1951;22:79-86).
    """
    was, now = (
        weighted_summary(np.log(np.maximum(values, _TINY)), own)
        for values, own in zip((before, after), weights, strict=True)
    )
    left, moved = (now["sd"] / was["sd"]) ** 2, (now["mean"] - was["mean"]) / was["sd"]
    return left, moved, 0.5 * (left + moved**2 - 1 - float(np.log(left)))


def before_table(learned: Learned) -> pd.DataFrame:
    """Return the density of what was known of each parameter: ``key, score, value, density``.

    By a kernel on the logarithm (Silverman BW. Density estimation. Chapman and Hall 1986), at the values that
    lie at a grid of normal scores.
    """
    from scipy.stats import gaussian_kde

    scores = np.linspace(-_REACH, _REACH, _GRID)
    tables = []
    for at, key in enumerate(learned.before.keys):
        logs = np.log(np.maximum(learned.before.values[:, at], _TINY))
        shares = special.ndtr(scores).tolist()
        grid = np.asarray(weighted_quantiles(logs, learned.before.weights, shares))
        density = gaussian_kde(logs, weights=learned.before.weights)(grid) / np.exp(grid)
        tables.append(pd.DataFrame({"key": key, "score": scores, "value": np.exp(grid), "density": density}))
    return pd.concat(tables, ignore_index=True)


def learned_tables(learned: Learned, scenario: Scenario) -> dict[str, pd.DataFrame]:
    """Return the tables by the names of their files, but for what is simulated under the draws."""
    point = [float(get_value(scenario, key)) for key in learned.after.keys]
    tables = {
        "posterior": posterior_table(learned.after, point),
        "parameters": parameter_table(learned, scenario),
    }
    if learned.sample is not None:
        tables["search"] = search_table(learned.sample, learned.after.keys)
    return tables
