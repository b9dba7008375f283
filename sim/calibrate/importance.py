"""Adaptive importance sampling over scrambled Sobol points, in coordinates whose prior is standard normal.

The likelihood may be an unbiased estimate instead of a value: then weights are noisier, and right in the long
run. As stages are fitted to the estimates of stages before them, the evidence is a little low, by less than
its standard error: by 2% after 15,000 points whose likelihood rests on three virtual trials at best.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from scipy import special, stats

from sim.scenario.distributions import Floats
from sim.study.posterior import derived_seed, effective_size, sobol

Evaluate: TypeAlias = Callable[[Floats], Floats]
"""Gives the log-likelihood of some points, shape (points, dimensions); minus infinity for none."""

FEW_DIMENSIONS = 4
"""Up to so many the prior's own points will do, and nothing is adapted."""

FEWEST_POINTS = 256
FIRST_POINTS = 1024
STAGE_POINTS = 1024
_FREEDOM = 6.0  # of the t distribution that points are drawn from: its tails must lie outside the posterior's
_WIDER = 1.2  # than the spread seen so far
_FROM_PRIOR = 0.1  # of every stage, so that no place is forgotten


class NoLikelihoodError(ValueError):
    """No point has any likelihood."""


@dataclass(frozen=True)
class PriorProposal:
    """The prior itself: standard normal."""

    dimensions: int

    def draw(self, count: int, seed: int) -> Floats:
        """Return scrambled Sobol points of the prior."""
        return np.asarray(special.ndtri(sobol(self.dimensions, count, seed)))

    def log_density(self, z: Floats) -> Floats:
        """Return the logarithm of the standard normal density."""
        return np.asarray(-0.5 * (z**2).sum(axis=1) - 0.5 * z.shape[1] * np.log(2 * np.pi))


@dataclass(frozen=True)
class StudentProposal:
    """A multivariate t distribution fitted to what was seen before, with a share of the prior in it."""

    mean: Floats
    covariance: Floats

    @classmethod
    def fitted(cls, z: Floats, weights: Floats) -> StudentProposal:
        """Fit mean and covariance of weighted points, drawn to the prior's covariance where they are few."""
        mean = weights @ z
        centred = z - mean
        seen = (weights[:, None] * centred).T @ centred
        trust = effective_size(weights) / (effective_size(weights) + z.shape[1] + 1)
        return cls(mean, _WIDER * (trust * seen + (1 - trust) * np.eye(z.shape[1])))

    def draw(self, count: int, seed: int) -> Floats:
        """Return scrambled Sobol points; two more coordinates choose the tail and the share of the prior."""
        d = self.mean.size
        u = sobol(d + 2, count, seed)
        normal = special.ndtri(u[:, :d])
        chi = stats.chi2.ppf(u[:, d], _FREEDOM)[:, None]
        spread = np.linalg.cholesky(self.covariance).T
        student = self.mean + normal @ spread * np.sqrt(_FREEDOM / chi)
        return np.asarray(np.where(u[:, d + 1 :] < _FROM_PRIOR, normal, student))

    def log_density(self, z: Floats) -> Floats:
        """Return the logarithm of the density of the mixture."""
        student = stats.multivariate_t(self.mean, self.covariance, _FREEDOM).logpdf(z)
        prior = PriorProposal(z.shape[1]).log_density(z)
        return np.asarray(np.logaddexp(np.log(_FROM_PRIOR) + prior, np.log1p(-_FROM_PRIOR) + student))


Proposal: TypeAlias = PriorProposal | StudentProposal
"""A distribution that points are drawn from."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What is known after so many points: effective size, and mean of the points with its error."""

    points: int
    effective_size: float
    log_evidence: float
    mean: Floats
    mean_se: Floats


@dataclass(frozen=True)
class Sample:
    """Weighted points of a posterior.

    Attributes
    ----------
    z
        Points, shape (points, dimensions), in coordinates whose prior is standard normal.
    weights
        They add to 1, shape (points,).
    stages
        How many points each stage drew.
    log_evidence, log_evidence_se
        Logarithm of the mean likelihood under the prior, and its standard error.
    history
        What was known after each stage.
    """

    z: Floats
    weights: Floats
    stages: tuple[int, ...]
    log_evidence: float
    log_evidence_se: float
    history: tuple[Stage, ...] = ()

    @property
    def effective_size(self) -> float:
        """Independent draws of the posterior that would tell as much."""
        return effective_size(self.weights)

    @property
    def stage(self) -> Stage:
        """What is known with all points so far."""
        mean = self.weights @ self.z
        error = np.sqrt(self.weights**2 @ (self.z - mean) ** 2)
        return Stage(len(self.z), self.effective_size, self.log_evidence, mean, error)

    @property
    def largest_weight(self) -> float:
        """The weight of the point that has most."""
        return float(self.weights.max())


def sample(
    evaluate: Evaluate,
    dimensions: int,
    seed: int,
    *,
    wanted_size: float,
    most_points: int,
    start: Proposal | None = None,
) -> Sample:
    """Draw points stage by stage until their effective size is reached, or the budget is spent.

    Every point is weighted by the mixture of all stages (the balance heuristic), so that none is lost.

    Parameters
    ----------
    evaluate
        The log-likelihood.
    seed
        Stage s scrambles its points by ``(seed, s)``.
    start
        Where points are drawn from at first; the prior if left out.

    Raises
    ------
    NoLikelihoodError
        No point of the whole budget has any likelihood.

    Notes
    -----
    Veach E, Guibas LJ. SIGGRAPH 1995: the balance heuristic. Cappe O et al. J Comput Graph Stat
    2004;13:907-929: population Monte Carlo. Tran MN et al. arXiv:1309.3339: estimated likelihoods.
    """
    proposals: list[tuple[Proposal, int]] = []
    points: list[Floats] = []
    likelihoods: list[Floats] = []
    history: list[Stage] = []
    proposal: Proposal = start or PriorProposal(dimensions)
    while True:
        left = most_points - sum(count for _, count in proposals)
        count = min(STAGE_POINTS if proposals else FIRST_POINTS, left)
        z = proposal.draw(count, derived_seed(seed, len(proposals)))
        proposals.append((proposal, count))
        points.append(z)
        likelihoods.append(evaluate(z))
        if count < left and all(np.isneginf(some).all() for some in likelihoods):
            continue
        found = _weighed(np.concatenate(points), np.concatenate(likelihoods), proposals)
        history.append(found.stage)
        if found.effective_size >= wanted_size or left <= count:
            return replace(found, history=tuple(history))
        if dimensions > FEW_DIMENSIONS:
            proposal = StudentProposal.fitted(found.z, found.weights)


def _weighed(z: Floats, log_likelihood: Floats, proposals: Sequence[tuple[Proposal, int]]) -> Sample:
    counts = np.array([count for _, count in proposals])
    densities = np.array([proposal.log_density(z) for proposal, _ in proposals])
    mixture = special.logsumexp(densities + np.log(counts / counts.sum())[:, None], axis=0)
    log_weights = log_likelihood + PriorProposal(z.shape[1]).log_density(z) - mixture
    largest = float(log_weights.max())
    if not np.isfinite(largest):
        raise NoLikelihoodError(f"none of {len(z)} points has any likelihood")
    weights = np.exp(log_weights - largest)
    mean = float(weights.mean())
    spread = float(weights.std()) / mean / np.sqrt(weights.size)
    return Sample(z, weights / weights.sum(), tuple(counts.tolist()), largest + float(np.log(mean)), spread)
