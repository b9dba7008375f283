"""Whether posteriors keep their word: simulation-based calibration.

Parameters are drawn from the priors and a virtual trial under each; its posterior must then contain the
parameters that made it as often as it says, and their ranks in it are uniform. Trials that could not have
printed their estimates are drawn again, as the likelihood is that of a trial that could. Beside it stands,
as a negative control, the likelihood that takes survival estimates for shares of all reinfused patients: it
claims more than censored data tell, and must be seen to fail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats

from sim.calibrate.importance import PriorProposal
from sim.calibrate.published import Published
from sim.calibrate.search import Free, log_likelihood
from sim.calibrate.virtual_trials import Bench, Points, Reading, read_chances, read_points, whole_trials
from sim.outcomes.binomial import clopper_pearson
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import label
from sim.scenario.schema import Scenario
from sim.study.posterior import derived_seed, effective_size
from sim.work.store import Stores
from sim.work.task import Result

POOL = 4096
"""Points of the priors that all posteriors share; each trial weights them anew."""

WANTED = 0.9
"""Share of the intervals that should hold the truth."""

_APART = 1 << 41  # numbers of points, so that no search has the luck of another
_BINS = 10
_FEW = 20.0  # effective draws below which a trial's rank means little


def read_first_trial(points: Points, number: int, published: Sequence[Published]) -> Mapping[str, Floats]:
    """Return one virtual trial at a point: the first of its block whose estimates are all defined.

    Returns
    -------
    mapping
        ``counts`` of `whole_trials`, and last whether there is such a trial; ``estimates``, one an estimate.
    """
    (trial,) = published
    read, counts = whole_trials(points, number, trial)
    first = int(np.argmax(read.defined))
    return {
        "counts": np.array([*counts[:, first], read.defined[first]]),
        "estimates": np.array([float(read.estimates[key][first]) for key in trial.keys]),
    }


@dataclass(frozen=True)
class Coverage:
    """What was found.

    Attributes
    ----------
    ranks
        One row a trial and quantity: ``trial, quantity, label, method, truth, rank`` (share of the posterior
        below the truth), ``covered`` (by the 90% interval), ``effective_size``.
    table
        One row a quantity and method: share covered with its exact 95% interval, whether 90% lies in it, and
        the p-value of a chi-squared test that ranks are uniform.
    trials, left_out
        Trials looked at, and those left out because too few points of the pool are alike.
    """

    ranks: pd.DataFrame
    table: pd.DataFrame
    trials: int
    left_out: int


def check_coverage(
    scenario: Scenario, trials: int, bench: Bench, stores: Stores, pool: int = POOL
) -> Coverage:
    """Draw parameters and trials from the priors, and look where they lie in the trials' posteriors.

    Parameters
    ----------
    trials
        Virtual trials with a posterior each.
    pool
        Points of the priors that all posteriors share.
    """
    free, published = Free.of(scenario), Published.of(scenario)
    prior = PriorProposal(len(free.keys))

    def run(read: Reading, part: str, z: Floats, asked: Sequence[Published], first: int) -> Result:
        points = Points(scenario, free.keys, free.values(z), bench.seed, _APART + first)
        kept = replace(bench, store=stores(part))
        return read_points(read, points, asked, kept, first, 2 * trials + pool)

    truth, z = prior.draw(trials, derived_seed(bench.seed, "truths")), prior.draw(pool, bench.seed)
    made = run(read_first_trial, "trials", truth, (published,), 0)
    virtual = [
        _as_published(published, counts, estimates)
        for counts, estimates in zip(made["counts"], made["estimates"], strict=True)
    ]
    found = run(read_chances, "pool", z, virtual, trials)
    survival = run(read_chances, "truths", truth, (published,), trials + pool)["survival"]
    binomial = found["log_counts"] + _binomial(found["survival"], virtual)
    methods = {"simulated": log_likelihood(found), "binomial": binomial}
    quantities = (
        _quantities(free, published, z, found["survival"]),
        _quantities(free, published, truth, survival),
    )
    ranks = _ranks(methods, *quantities, np.flatnonzero(made["counts"][:, -1]))
    return Coverage(ranks, _table(ranks), trials, trials - ranks["trial"].nunique())


def _as_published(trial: Published, counts: Floats, estimates: Floats) -> Published:
    treated, others, withdrawn, reinfused, after, _ = (int(count) for count in counts)
    values = tuple(zip(trial.keys, estimates.tolist(), strict=True))
    return replace(
        trial, treatment_before=treated, others_before=others, withdrawn=withdrawn, reinfused=reinfused,
        treatment_after=after, estimates=values,
    )  # fmt: skip


def _binomial(survival: Floats, trials: Sequence[Published]) -> Floats:
    """Return the log-likelihood that takes estimates for shares of all reinfused, shape (points, trials)."""
    total = np.zeros((len(survival), len(trials)))
    for column, trial in enumerate(trials):
        for row, (_, value) in enumerate(trial.estimates):
            p = np.clip(survival[:, row], 1e-9, 1 - 1e-9)
            alive = value * trial.reinfused
            total[:, column] += special.xlogy(alive, p) + special.xlog1py(trial.reinfused - alive, -p)
    return total


def _quantities(free: Free, published: Published, z: Floats, survival: Floats) -> dict[str, Floats]:
    """Return what is ranked: every parameter, and every survival figure."""
    values = free.values(z)
    found = {key: values[:, column] for column, key in enumerate(free.keys)}
    found.update({label(key): survival[:, column] for column, key in enumerate(published.keys)})
    return found


def _ranks(
    methods: dict[str, Floats], pool: dict[str, Floats], truth: dict[str, Floats], made: NDArray[np.intp]
) -> pd.DataFrame:
    """Return the ranks of the truths among the pool, as each trial that was made weights it."""
    rows = []
    for trial in made.tolist():
        weights = {method: _weights(log[:, trial]) for method, log in methods.items()}
        if effective_size(weights["simulated"]) < _FEW:
            continue
        for method, own in weights.items():
            for name, values in pool.items():
                true = float(truth[name][trial])
                rank = float(own[values < true].sum() + 0.5 * own[values == true].sum())
                rows.append(
                    {
                        "trial": trial + 1, "quantity": name, "method": method, "truth": true,
                        "rank": rank, "covered": abs(rank - 0.5) <= WANTED / 2,
                        "effective_size": effective_size(own),
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


def _weights(log: Floats) -> Floats:
    """Return weights that add to 1 from log-likelihoods; all on no point where there is no likelihood."""
    largest = log.max()
    weights = np.exp(log - largest) if np.isfinite(largest) else np.zeros(log.size)
    return np.asarray(weights / max(weights.sum(), 1.0))


def _table(ranks: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (method, quantity), own in ranks.groupby(["method", "quantity"], sort=False):
        covered, n = int(own["covered"].sum()), len(own)
        lower, upper = clopper_pearson(covered, n)
        counts = np.histogram(own["rank"], bins=_BINS, range=(0.0, 1.0))[0]
        rows.append(
            {
                "quantity": quantity, "method": method, "trials": n, "covered": covered / n, "lower": lower,
                "upper": upper, "as_said": lower <= WANTED <= upper,
                "uniform_p": float(stats.chisquare(counts).pvalue),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)
