"""The joint posterior: against sums over a grid without simulation, and against another sampler."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product

import emcee
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from sim.calibrate import virtual_trials
from sim.calibrate.published import Published
from sim.calibrate.search import Evaluation, Free, Search, find_posterior
from sim.calibrate.virtual_trials import Bench, at_point
from sim.outcomes.twin.expected import expected, expected_before_reinfusion, expected_many
from sim.scenario.endpoints import Key
from sim.scenario.load import load
from sim.scenario.priors import Prior
from sim.scenario.problems import EffectiveSizeWarning, RequestError
from sim.scenario.schema import Scenario, Target
from sim.scenario.values import with_values
from sim.study.posterior import weighted_summary
from sim.work.workers import InProcess

Floats = NDArray[np.float64]

PRIORS = [
    Prior(
        key="active_disease.hazard_per_year", dist="lognormal", median=0.10, sigma=0.7, source="assumption"
    ),
    Prior(key="relapse.scale_years", dist="lognormal", median=9.0, sigma=0.6, source="assumption"),
]
COUNTS = ("treatment_related_mortality", "transplant_related_mortality", "pre_transplant_mortality")


def small_trial(cut: float | str, tolerance: float) -> Scenario:
    """Return a trial of 20 patients: one dies of lupus before reinfusion, none of the treatment."""
    targets = [
        Target(endpoint=name, value=number / 20, n=20, source="assumption")
        for name, number in zip(COUNTS, (0, 0, 1), strict=True)
    ]
    targets += [
        Target(endpoint=name, time_years=5.0, value=value, n=19, source="assumption")
        for name, value in (("overall_survival", 0.84), ("disease_free_survival", 0.50))
    ]
    scenario = load("chicago2006").scenario
    calibration = scenario.calibration.model_copy(update={"tolerance": tolerance})
    changes = {"cohort.patients": 20, "follow_up.data_cut_days": cut}
    update = {"target": targets, "prior": PRIORS, "alternative": [], "calibration": calibration}
    return with_values(scenario, changes).model_copy(update=update)


@dataclass(frozen=True)
class Exact:
    """Moments of the free parameters, and the evidence."""

    means: Floats
    sds: Floats
    log_evidence: float


def exact_likelihood(scenario: Scenario, figures: dict[Key, float], published: Published) -> float:
    """Return the chance of the figures where everybody is followed to five years: from the twin alone.

    Then an estimate is the share who are event-free, and what becomes of the reinfused is multinomial.
    """
    shares = expected_before_reinfusion(scenario)
    alive, well = figures["overall_survival", 5.0], figures["disease_free_survival", 5.0]
    treated = figures["transplant_related_mortality", None] / shares.reinfused
    n = published.reinfused
    near = [
        [k for k in range(n + 1) if abs(k / n - value) <= published.tolerance]
        for _, value in published.estimates
    ]
    cells = [(w, a - w, 0, n - a) for a, w in product(*near) if w <= a]
    law = stats.multinomial(n, [well, alive - well, treated, 1 - alive - treated])
    before = stats.multinomial.pmf(published.cells, published.enrolled, shares)
    return float(before * sum(law.pmf(each) for each in cells))


def on_a_grid(scenario: Scenario, order: int) -> Exact:
    """Sum over the nodes of Gauss and Hermite, whose weight is the prior."""
    free, published = Free.of(scenario), Published.of(scenario)
    nodes, weights = np.polynomial.hermite_e.hermegauss(order)
    weights = weights / weights.sum()
    z = np.array(list(product(nodes, nodes)))
    values = free.values(z)
    scenarios = [at_point(scenario, free.keys, each) for each in values]
    figures = expected_many(scenarios)
    likelihood = [
        exact_likelihood(each, {key: float(found[number]) for key, found in figures.items()}, published)
        for number, each in enumerate(scenarios)
    ]
    mass = np.outer(weights, weights).ravel() * likelihood
    evidence = mass.sum()
    means = mass @ values / evidence
    return Exact(means, np.sqrt(mass @ (values - means) ** 2 / evidence), float(np.log(evidence)))


@cache
def found(cut: float | str, tolerance: float) -> Search:
    scenario = small_trial(cut, tolerance)
    return find_posterior(scenario, Bench(1, InProcess()), wanted_size=np.inf, most_points=1024)


def test_without_censoring_it_is_the_sum_over_a_grid() -> None:
    search, exact = found("none", 0.08), on_a_grid(small_trial("none", 0.08), 12)
    posterior = search.posterior
    for values, mean, sd in zip(posterior.values.T, exact.means, exact.sds, strict=True):
        row = weighted_summary(values, posterior.weights)
        # Sobol points are better than their stated error; the grid is exact to 0.2% of an SD.
        assert abs(row["mean"] - mean) < 3 * row["mc_se"] < 0.15 * sd
        assert abs(row["sd"] - sd) < 3 * row["sd_mc_se"] < 0.15 * sd
    assert abs(search.sample.log_evidence - exact.log_evidence) < 3 * search.sample.log_evidence_se < 0.1
    # The data tell more than that: the priors' own SDs are 0.10 and 7.1.
    assert exact.sds[0] < 0.08
    assert exact.sds[1] < 5


def test_with_censoring_it_is_what_an_ensemble_sampler_finds() -> None:
    """Pseudo-marginal: a walker keeps the estimate of its likelihood, and every point has luck of its own.

    Half of the walkers are proposed from where the others are: of so few parameters nearly independently.
    Goodman J, Weare J. Commun Appl Math Comput Sci 2010;5:65-80. Andrieu C, Roberts GO. Ann Stat
    2009;37:697-725.
    """
    walkers, steps = 32, 32
    search = found(3105.0, 0.12)
    free, published, scenario = search.free, search.published, small_trial(3105.0, 0.12)
    evaluate = Evaluation(scenario, free, published, Bench(77, InProcess()))
    sampler = emcee.EnsembleSampler(
        walkers, 2, lambda z: evaluate(z) - 0.5 * (z**2).sum(axis=1), vectorize=True,
        moves=emcee.moves.KDEMove(),
    )  # fmt: skip
    sampler.random_state = np.random.RandomState(5).get_state()
    sampler.run_mcmc(free.scores(search.posterior.resampled(walkers, 5)), steps)
    chain = sampler.get_chain()
    assert 0.3 < sampler.acceptance_fraction.mean() < 0.9
    values = free.values(chain.reshape(-1, 2)).reshape(chain.shape)
    rows = [weighted_summary(column, search.posterior.weights) for column in search.posterior.values.T]
    times = emcee.autocorr.integrated_time(values, quiet=True)
    for row, drawn, time in zip(rows, np.moveaxis(values, 2, 0), times, strict=True):
        centre = drawn.mean()
        for mine, error, each in (
            (row["mean"], row["mc_se"], drawn),
            (row["sd"] ** 2, 2 * row["sd"] * row["sd_mc_se"], (drawn - centre) ** 2),
        ):
            # By the autocorrelation time, or between walkers, whichever is more.
            theirs = max(each.std() * np.sqrt(time / each.size), each.mean(axis=0).std(ddof=1) / walkers**0.5)
            assert abs(mine - each.mean()) < 3.5 * np.hypot(error, theirs)
        assert drawn.std() * np.sqrt(time / drawn.size) < 0.1 * row["sd"]


def test_the_same_seed_gives_the_same_posterior_however_the_work_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scenario = small_trial(3105.0, 0.12)

    def search(seed: int) -> Search:
        with pytest.warns(EffectiveSizeWarning):
            return find_posterior(scenario, Bench(seed, InProcess()), wanted_size=390, most_points=96)

    one, other = search(1), search(2)
    monkeypatch.setattr(virtual_trials, "POINTS", 7)
    again = search(1)
    np.testing.assert_array_equal(one.sample.weights, again.sample.weights)
    np.testing.assert_array_equal(one.posterior.values, again.posterior.values)
    assert not np.isin(other.sample.z, one.sample.z).any()
    assert one.trials == 96 * 256


def test_every_point_has_luck_of_its_own() -> None:
    scenario = small_trial(3105.0, 0.12)
    evaluate = Evaluation(scenario, Free.of(scenario), Published.of(scenario), Bench(1, InProcess()))
    same = np.zeros((20, 2))
    both = np.concatenate([evaluate(same), evaluate(same)])
    # The estimates alone differ: 256 trials each, of which a share of 0.3 or so is alike.
    assert np.unique(both).size > 25
    assert 0.02 < np.exp(both).std() / np.exp(both).mean() < 0.3


def test_a_search_keeps_what_it_found_of_every_point() -> None:
    search = found(3105.0, 0.12)
    points = len(search.sample.z)
    assert search.survival.shape == (points, 2)
    assert search.shares.shape == (points, 5)
    assert search.alike.shape == (points,)
    assert ((search.alike > 0) == (search.sample.weights > 0)).all()
    assert search.posterior.weights.sum() == pytest.approx(1)
    for at in (0, 17, 500):
        scenario = at_point(
            small_trial(3105.0, 0.12), search.free.keys, search.free.values(search.sample.z)[at]
        )
        assert search.shares[at, :4].tolist() == list(expected_before_reinfusion(scenario))
        survival = expected(scenario)["overall_survival", 5.0]
        error = np.sqrt(survival * (1 - survival) / (256 * 19))
        assert abs(search.survival[at, 0] - survival) < 5 * error


def test_summaries_are_those_of_weighted_values() -> None:
    values = np.array([3.0, 1.0, 2.0, 10.0])
    weights = np.array([0.25, 0.5, 0.25, 0.0])
    row = weighted_summary(values, weights)
    assert row["mean"] == pytest.approx(1.75)
    assert row["sd"] == pytest.approx(np.sqrt(0.5 * 0.75**2 + 0.25 * 0.25**2 + 0.25 * 1.25**2))
    assert row["mc_se"] == pytest.approx(np.sqrt(0.25 * 0.75**2 + 0.0625 * 0.25**2 + 0.0625 * 1.25**2))
    assert weighted_summary(np.ones(3), np.full(3, 1 / 3))["sd_mc_se"] == 0
    # Of many alike it is what statistics says of a sample.
    many = np.random.default_rng(1).gamma(2.0, size=20_000)
    row = weighted_summary(many, np.full(20_000, 1 / 20_000))
    assert row["mc_se"] == pytest.approx(many.std() / np.sqrt(20_000), rel=1e-9)
    np.testing.assert_allclose(
        [row["lower"], row["median"], row["upper"]], np.quantile(many, [0.025, 0.5, 0.975]), rtol=1e-3
    )
    kurtosis = stats.kurtosis(many, fisher=False)
    assert row["sd_mc_se"] == pytest.approx(many.std() * np.sqrt((kurtosis - 1) / 4 / 20_000), rel=1e-6)
    assert weighted_summary(-values, weights)["mean"] == -1.75


def test_scores_and_values_of_free_parameters_are_inverse() -> None:
    free = Free.of(load("chicago2006").scenario)
    assert len(free.keys) == 6
    z = np.random.default_rng(1).normal(size=(50, 6))
    np.testing.assert_allclose(free.scores(free.values(z)), z, atol=1e-7)
    fixed = Free.of(load("chicago2006").scenario, fixed=["relapse.shape", "relapse.scale_years"])
    assert set(free.keys) - set(fixed.keys) == {"relapse.shape", "relapse.scale_years"}


def with_prior(**changes: float | str) -> Scenario:
    scenario = load("chicago2006").scenario
    prior = Prior.model_validate({"source": "assumption", **changes})
    return scenario.model_copy(update={"prior": [prior]})


REFUSED: dict[str, tuple[dict[str, float | str], list[str]]] = {
    "no mass within the limits": (
        {"key": "aplasia.infection.case_fatality", "dist": "uniform", "low": 1.5, "high": 2.0},
        ["aplasia.infection.case_fatality: uniform (low 1.5, high 2) has no mass", "a number from 0 to 1"],
    ),
    "at an open limit": (
        {"key": "relapse.scale_years", "dist": "beta", "a": 0.01, "b": 1.0},
        ["relapse.scale_years: reaches 0, which this scenario can't have"],
    ),
    "beyond another parameter": (
        {"key": "arrivals.window_days", "dist": "uniform", "low": 2000.0, "high": 4000.0},
        ["arrivals.window_days: reaches 4000", "follow_up.data_cut_days is 3105, before enrolment ends"],
    ),
    "not in this scenario": (
        {"key": "arrivals.per_year", "dist": "uniform", "low": 20.0, "high": 40.0},
        ["arrivals.per_year", 'arrivals.pattern = "poisson"'],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_prior_that_the_scenario_cannot_have_is_refused_before_anything_is_simulated(case: str) -> None:
    changes, named = REFUSED[case]
    with pytest.raises(RequestError) as refused:
        find_posterior(with_prior(**changes), Bench(1, _Nobody()), wanted_size=10, most_points=10)
    for words in ("[[prior]]", *named):
        assert words in str(refused.value)


class _Nobody(InProcess):
    """Nobody who works: a refusal must come first."""

    def submit(self, task: object) -> None:  # type: ignore[override]
        raise AssertionError(task)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        (
            "clinic.isolation_rooms=2",
            "clinic.isolation_rooms is 2: the exact twin holds only without a queue",
        ),
        ("clinic.apheresis_slots=1", "clinic.apheresis_slots is 1"),
        ("cohort.enters_at=home", "nobody is reinfused"),
        ("follow_up.horizon_years=3", "beyond follow_up.horizon_years = 3"),
    ],
)
def test_what_has_no_such_likelihood_is_refused_before_anything_is_simulated(
    override: str, words: str
) -> None:
    with pytest.raises(RequestError, match=words):
        find_posterior(
            load("chicago2006", [override]).scenario, Bench(1, _Nobody()), wanted_size=10, most_points=10
        )


def test_a_posterior_needs_priors() -> None:
    scenario = load("chicago2006").scenario
    with pytest.raises(RequestError, match=r"\[\[prior\]\]: there is none.*state one for each"):
        Free.of(scenario.model_copy(update={"prior": []}))


def test_figures_that_no_point_can_give_are_told_with_what_the_priors_give() -> None:
    priors = [PRIORS[1].model_copy(update={"median": 500.0, "sigma": 0.1})]
    scenario = small_trial(3105.0, 0.02).model_copy(update={"prior": priors})
    with pytest.raises(RequestError) as refused:
        find_posterior(scenario, Bench(1, InProcess()), wanted_size=100, most_points=64)
    message = str(refused.value)
    assert "disease_free_survival at 5 years is 0.5, under the priors 0.9" in message
    assert "relapse.scale_years" in message
    assert "follow_up.data_cut_days" not in message
    short = with_values(scenario, {"arrivals.window_days": 1500.0, "follow_up.data_cut_days": 1500.0})
    with pytest.raises(RequestError, match=r"only 0\.\d% of virtual trials follow anybody for so long"):
        find_posterior(short, Bench(1, InProcess()), wanted_size=100, most_points=64)
