"""Importance sampling against Gaussian posteriors in closed form, also where the likelihood is noisy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from sim.calibrate.importance import (
    FIRST_POINTS,
    STAGE_POINTS,
    NoLikelihoodError,
    PriorProposal,
    Sample,
    StudentProposal,
    sample,
)
from sim.study.posterior import effective_size, weighted_summary

Floats = NDArray[np.float64]
REPETITIONS = 40


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian likelihood of z, whose prior is standard normal: conjugate."""

    data: Floats
    error: Floats

    @classmethod
    def of(cls, dimensions: int) -> Gaussian:
        rng = np.random.default_rng((3, dimensions))
        factor = rng.normal(size=(dimensions, dimensions))
        error = 0.25 * (factor @ factor.T / dimensions + 0.3 * np.eye(dimensions))
        return cls(rng.normal(size=dimensions), error)

    def __call__(self, z: Floats) -> Floats:
        whitened = np.linalg.solve(np.linalg.cholesky(self.error), (z - self.data).T)
        scale = np.linalg.slogdet(2 * np.pi * self.error)[1]
        return np.asarray(-0.5 * (whitened**2).sum(axis=0) - 0.5 * scale)

    def estimated(self, noise: float, seed: int) -> Callable[[Floats], Floats]:
        """The likelihood times lognormal noise of mean 1."""
        rng = np.random.default_rng((seed, 99))
        return lambda z: self(z) + noise * rng.normal(size=len(z)) - noise**2 / 2

    @property
    def covariance(self) -> Floats:
        return np.asarray(np.linalg.inv(np.eye(self.data.size) + np.linalg.inv(self.error)))

    @property
    def mean(self) -> Floats:
        return np.asarray(self.covariance @ np.linalg.solve(self.error, self.data))

    @property
    def log_evidence(self) -> float:
        spread = np.eye(self.data.size) + self.error
        return float(stats.multivariate_normal(np.zeros(self.data.size), spread).logpdf(self.data))


@pytest.fixture(scope="module", params=[(2, 0.0), (2, 0.7), (4, 0.0), (6, 0.0), (6, 0.7)], ids=str)
def repeated(request: pytest.FixtureRequest) -> tuple[Gaussian, float, list[Sample]]:
    dimensions, noise = request.param
    problem = Gaussian.of(dimensions)
    return problem, noise, [
        sample(problem.estimated(noise, seed), dimensions, seed, wanted_size=400, most_points=10_000)
        for seed in range(REPETITIONS)
    ]  # fmt: skip


def assert_honest(scores: Floats, *, noisy: bool) -> None:
    """Errors in units of their stated standard errors, one row a repetition: no larger than stated.

    Sobol points make them smaller, and so does the noise only in part: hence the wide lower limit.
    """
    squares = (scores**2).sum(axis=0)
    assert (squares < stats.chi2.ppf(1 - 1e-4, len(scores))).all()
    if noisy:
        assert (squares > 0.2 * len(scores)).all()


def test_means_and_spreads_are_those_in_closed_form_within_stated_errors(
    repeated: tuple[Gaussian, float, list[Sample]],
) -> None:
    problem, noise, samples = repeated
    means, spreads = [], []
    for each in samples:
        rows = [weighted_summary(column, each.weights) for column in each.z.T]
        sd = np.sqrt(np.diag(problem.covariance))
        means.append([(row["mean"] - m) / row["mc_se"] for row, m in zip(rows, problem.mean, strict=True)])
        spreads.append([(row["sd"] - s) / row["sd_mc_se"] for row, s in zip(rows, sd, strict=True)])
    assert_honest(np.array(means), noisy=noise > 0)
    assert_honest(np.array(spreads), noisy=noise > 0)


def test_evidence_is_that_in_closed_form_within_its_stated_error(
    repeated: tuple[Gaussian, float, list[Sample]],
) -> None:
    problem, noise, samples = repeated
    scores = [[(each.log_evidence - problem.log_evidence) / each.log_evidence_se] for each in samples]
    assert_honest(np.array(scores), noisy=noise > 0)


def test_covariance_is_that_in_closed_form(repeated: tuple[Gaussian, float, list[Sample]]) -> None:
    problem, _, samples = repeated
    found = []
    for each in samples:
        centred = each.z - each.weights @ each.z
        found.append((each.weights[:, None] * centred).T @ centred)
    # The mean over repetitions, within five of its standard errors and the bias of a variance, 1 / size.
    size = np.mean([each.effective_size for each in samples])
    allowed = 5 * np.std(found, axis=0, ddof=1) / np.sqrt(len(found)) + np.abs(problem.covariance) / size
    assert (np.abs(np.mean(found, axis=0) - problem.covariance) < allowed).all()


def test_the_proposals_density_is_that_of_its_draws() -> None:
    """With a likelihood of 1 the posterior is the prior and the evidence 1, whatever is drawn from."""
    covariance = np.array([[0.5, 0.3, 0.0], [0.3, 0.6, -0.1], [0.0, -0.1, 0.4]])
    start = StudentProposal(np.array([0.5, -0.5, 1.0]), covariance)
    found = sample(lambda z: np.zeros(len(z)), 3, 1, wanted_size=np.inf, most_points=8192, start=start)
    assert abs(found.log_evidence) < 4 * found.log_evidence_se < 0.1
    for column in found.z.T:
        row = weighted_summary(column, found.weights)
        assert abs(row["mean"]) < 4 * row["mc_se"] < 0.2
        assert abs(row["sd"] - 1) < 4 * row["sd_mc_se"] < 0.2


def test_stages_count_by_how_many_points_they_have() -> None:
    """A last stage cut short by the budget, far from the first."""
    start = StudentProposal(np.full(6, 0.7), 0.7 * np.eye(6))
    scores = []
    for seed in range(20):
        found = sample(lambda z: np.zeros(len(z)), 6, seed, wanted_size=np.inf, most_points=1124, start=start)
        assert found.stages == (1024, 100)
        rows = [weighted_summary(column, found.weights) for column in found.z.T]
        scores.append([found.log_evidence / found.log_evidence_se, *(r["mean"] / r["mc_se"] for r in rows)])
    assert_honest(np.array(scores), noisy=False)


@pytest.mark.parametrize("dimensions", [2, 6])
def test_a_start_that_misses_the_posterior_is_made_good_by_the_share_of_the_prior(dimensions: int) -> None:
    problem = Gaussian.of(dimensions)
    start = StudentProposal(np.full(dimensions, 6.0), 0.02 * np.eye(dimensions))
    scores = []
    for seed in range(10):
        found = sample(problem, dimensions, seed, wanted_size=200, most_points=20_000, start=start)
        assert found.effective_size >= 200
        rows = [weighted_summary(column, found.weights) for column in found.z.T]
        errors = [(row["mean"] - m) / row["mc_se"] for row, m in zip(rows, problem.mean, strict=True)]
        scores.append([*errors, (found.log_evidence - problem.log_evidence) / found.log_evidence_se])
    assert_honest(np.array(scores), noisy=False)


def test_it_stops_when_the_size_is_reached_and_after_the_budget_exactly() -> None:
    problem = Gaussian.of(6)
    asked: list[int] = []

    def evaluate(z: Floats) -> Floats:
        asked.append(len(z))
        return problem(z)

    enough = sample(evaluate, 6, 1, wanted_size=300, most_points=100_000)
    assert enough.stages == tuple(asked) == (FIRST_POINTS, *[STAGE_POINTS] * (len(asked) - 1))
    before = sample(problem, 6, 1, wanted_size=np.inf, most_points=sum(asked[:-1]))
    assert before.effective_size < 300 <= enough.effective_size
    np.testing.assert_array_equal(before.z, enough.z[: len(before.z)])

    whole = sample(problem, 6, 1, wanted_size=np.inf, most_points=5120)
    assert whole.stages == (1024, 1024, 1024, 1024, 1024)
    budgets = {1: (1,), 700: (700,), 1024: (1024,), 1025: (1024, 1), 3001: (1024, 1024, 953)}
    for budget, stages in budgets.items():
        spent = sample(problem, 6, 1, wanted_size=np.inf, most_points=budget)
        assert spent.stages == stages
        assert spent.z.shape == (budget, 6)
        np.testing.assert_allclose(spent.z, whole.z[:budget], rtol=1e-13, atol=1e-13)


def test_the_seed_alone_decides() -> None:
    problem = Gaussian.of(6)
    one, again, other = (sample(problem, 6, seed, wanted_size=300, most_points=5000) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.z, again.z)
    np.testing.assert_array_equal(one.weights, again.weights)
    assert not np.isin(other.z[:, 0], one.z[:, 0]).any()
    stage_one, stage_two = one.z[:1024], one.z[1024:2048]
    assert not np.isin(stage_one[:, 0], stage_two[:, 0]).any()


def test_effective_size_is_kishs() -> None:
    assert effective_size(np.full(8, 0.125)) == pytest.approx(8)
    assert effective_size(np.array([2.0, 0.0, 0.0])) == pytest.approx(1)
    assert effective_size(np.array([0.5, 0.25, 0.25])) == pytest.approx(1 / 0.375)
    found = sample(Gaussian.of(2), 2, 1, wanted_size=100, most_points=1024)
    assert found.weights.sum() == pytest.approx(1)
    assert found.effective_size == pytest.approx(1 / (found.weights**2).sum())
    assert found.largest_weight == found.weights.max()


def test_what_no_early_point_can_give_is_looked_for_until_the_budget_is_spent() -> None:
    seen: list[Floats] = []

    def far_out(z: Floats) -> Floats:
        seen.append(z)
        return np.where(z[:, 0] > 3.5, 0.0, -np.inf)  # 1 of 4,300 points of the prior

    found = sample(far_out, 6, 4, wanted_size=200, most_points=40_000)
    assert not (seen[0][:, 0] > 3.5).any()
    assert abs(found.log_evidence - stats.norm.logsf(3.5)) < 4 * found.log_evidence_se < 1

    asked: list[int] = []

    def never(z: Floats) -> Floats:
        asked.append(len(z))
        return np.full(len(z), -np.inf)

    for dimensions in (1, 6):
        asked.clear()
        with pytest.raises(NoLikelihoodError, match="none of 5000 points has any likelihood"):
            sample(never, dimensions, 1, wanted_size=10, most_points=5000)
        assert sum(asked) == 5000
    assert issubclass(NoLikelihoodError, ValueError)


def test_far_out_in_the_tail_nothing_overflows() -> None:
    proposal = StudentProposal(np.zeros(3), np.diag([1e-4, 1.0, 1e2]))
    z = np.array([[0.0, 0.0, 0.0], [1e3, 0.0, 0.0], [1e8, -1e8, 1e8]])
    density = proposal.log_density(z)
    assert np.isfinite(density).all()
    assert (np.diff(density) < 0).all()
    # That far out the tail is the t's, polynomial of degree freedom + dimensions = 9.
    further = proposal.log_density(10 * z[2:])
    assert density[2] - further[0] == pytest.approx(9 * np.log(10), rel=1e-6)
    assert np.isneginf(PriorProposal(3).log_density(z)[2:] + 1e300).sum() == 0
    drawn = proposal.draw(4096, 1)
    assert np.isfinite(drawn).all()


def test_a_fit_to_one_point_alone_keeps_the_priors_spread() -> None:
    z = np.array([[1.0, -2.0], [0.0, 0.0]])
    fitted = StudentProposal.fitted(z, np.array([1.0, 0.0]))
    np.testing.assert_allclose(fitted.mean, [1.0, -2.0])
    np.testing.assert_allclose(fitted.covariance, 1.2 * 0.75 * np.eye(2))  # trust 1 / (1 + 2 + 1)
