"""Learning from single patients: laws of the weights, agreement with the figures' posterior, and refusals."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from made_patients import patients_of

from sim.calibrate.histories import Learned, before_table, learn, parameter_table
from sim.calibrate.importance import PriorProposal
from sim.calibrate.search import Free, find_posterior
from sim.calibrate.virtual_trials import Bench
from sim.centre.likelihood import HistoryLikelihood
from sim.centre.patients import OwnPatients
from sim.outcomes.survival import kaplan_meier
from sim.scenario.load import load
from sim.scenario.problems import OverlapWarning, RequestError
from sim.scenario.schema import Scenario
from sim.scenario.values import with_values
from sim.study.posterior import Posterior, weighted_summary
from sim.work.workers import InProcess

KEYS = ("active_disease.hazard_per_year", "relapse.scale_years")


def chicago(*keys: str) -> Scenario:
    """Return Chicago's scenario with only some of its priors."""
    scenario = load("chicago2006").scenario
    kept = [prior for prior in scenario.prior if prior.key in keys or not keys]
    return scenario.model_copy(update={"prior": kept})


def learned(scenario: Scenario, patients: OwnPatients, points: int = 1024, seed: int = 3) -> Learned:
    return learn(scenario, patients, seed=seed, wanted_size=100, most_points=points)


def own(count: int, seed: int = 11) -> OwnPatients:
    return patients_of("chicago2006", seed=seed, **{"cohort.patients": count})


def test_two_halves_one_after_the_other_are_the_whole_at_once() -> None:
    """Draws weighed by one half and then by the other are those weighed by all: to rounding."""
    scenario, whole = chicago(*KEYS), own(40)
    first, second = whole.take(np.arange(40) < 20), whole.take(np.arange(40) >= 20)
    start = learned(scenario, first).after
    then = learn(scenario, second, seed=3, wanted_size=1, most_points=1, prior=("first", start)).after
    free = Free.of(scenario)
    sets = [with_values(scenario, dict(zip(free.keys, row, strict=True))) for row in start.values.tolist()]
    log = HistoryLikelihood(whole, scenario).log(sets) - HistoryLikelihood(first, scenario).log(sets)
    weights = start.weights * np.exp(log - log.max())
    assert then.weights == pytest.approx(weights / weights.sum(), rel=1e-9, abs=1e-15)


def test_nobody_teaches_nothing() -> None:
    """A patient who was last seen on the day of enrolment leaves what was believed, draw by draw."""
    scenario = chicago(*KEYS)
    z = PriorProposal(2).draw(512, 1)
    known = Posterior(KEYS, Free.of(scenario).values(z), np.full(512, 1 / 512))
    nobody = OwnPatients.of([0.0], age=[30.0], female=[1.0])
    after = learn(scenario, nobody, seed=1, wanted_size=1, most_points=1, prior=("known", known)).after
    assert after.weights == pytest.approx(known.weights, rel=1e-12)


def test_more_patients_leave_less_open() -> None:
    """The SD of the logarithm of the relapse scale falls by about the root of how many relapses there are."""
    scenario, all_of_them = chicago(*KEYS), own(200)
    spread = []
    for count in (25, 200):
        table = parameter_table(learned(scenario, all_of_them.take(np.arange(200) < count)), scenario)
        spread.append(table.set_index("key")["variance_left"]["relapse.scale_years"])
    assert spread[1] < 0.3 * spread[0] < 0.3


def test_histories_tell_no_less_than_the_figures_of_the_same_trial() -> None:
    """One trial of 50, learned from as a paper prints it and patient by patient.

    A posterior that knows more is narrower on average, and not in every trial; of the relapse scale the
    whole curve tells so much more than one point of it that its SD is smaller here by more than both errors.
    """
    scenario, patients = chicago(), own(50)
    since = patients.take(patients.reinfused)
    end = since.last_seen - since.transplanted
    failed = np.where(since.has_relapsed, since.relapsed - since.transplanted, end)
    curves = {
        "overall_survival": kaplan_meier(end, since.dead),
        "disease_free_survival": kaplan_meier(failed, since.dead | since.has_relapsed),
    }
    treated = since.dead & (since.cause == "treatment") & (end <= 100)
    before = patients.dead & ~patients.reinfused
    counts = {
        "treatment_related_mortality": treated.sum() + (before & (patients.cause == "treatment")).sum(),
        "transplant_related_mortality": treated.sum(),
        "pre_transplant_mortality": before.sum(),
    }
    targets = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few at risk, as in the paper
        for target in scenario.target:
            if target.endpoint in counts:
                value = float(counts[target.endpoint]) / 50
                targets.append(target.model_copy(update={"value": value, "observed": round(50 * value)}))
            elif target.endpoint in curves:
                value = float(curves[target.endpoint].read([5 * 365.25]).estimate[0])
                targets.append(target.model_copy(update={"value": value, "n": len(since)}))
        assert all(np.isfinite(target.value) for target in targets)
        figures = find_posterior(
            scenario.model_copy(update={"target": targets}),
            Bench(3, InProcess()),
            wanted_size=50,
            most_points=512,
        ).posterior
        histories = learned(scenario, patients).after
    for key in ("relapse.scale_years", "active_disease.hazard_per_year"):
        sds = []
        for posterior in (histories, figures):
            values = np.log(posterior.values[:, posterior.keys.index(key)])
            found = weighted_summary(values, posterior.weights)
            sds.append((found["sd"], found["sd_mc_se"]))
        (own_sd, own_se), (figure_sd, figure_se) = sds
        assert own_sd < figure_sd + 3 * np.hypot(own_se, figure_se), key


def test_patients_far_from_a_posterior_are_told_of() -> None:
    """Draws that all relapse late, and patients of whom nearly all relapse at once."""
    scenario = chicago(*KEYS)
    rng = np.random.default_rng(0)
    values = np.column_stack([rng.uniform(0.05, 0.3, 500), rng.lognormal(np.log(60.0), 0.4, 500)])
    known = Posterior(KEYS, values, np.full(500, 1 / 500))
    early = np.full(40, 70.0)
    patients = OwnPatients.of(
        early + 800, transplanted=early, relapsed=early + np.linspace(65, 200, 40), age=np.full(40, 30.0),
        female=np.ones(40),
    )  # fmt: skip
    with pytest.warns(OverlapWarning, match=r"hardly overlap: of 500 effective draws \d+ are left"):
        learn(scenario, patients, seed=1, wanted_size=1, most_points=1, prior=("late", known))


def test_impossible_histories_are_refused_before_anything_is_looked_for() -> None:
    patients = own(20)
    wrong = replace(patients, relapsed=np.where(np.arange(20) == 3, patients.transplanted + 5, np.nan))
    with pytest.raises(RequestError, match="row 5: relapse 5 days after transplant"):
        learned(chicago(*KEYS), wrong)


def test_what_was_known_is_drawn_as_its_density() -> None:
    """A lognormal prior's density comes out within what the kernel smooths away: a tenth of its height."""
    scenario = chicago("relapse.shape")
    table = before_table(learned(scenario, own(20)))
    (prior,) = scenario.prior
    assert prior.sigma is not None
    assert prior.median is not None
    value = table["value"].to_numpy()
    z = np.log(value / prior.median) / prior.sigma
    density = np.exp(-0.5 * z**2) / (value * prior.sigma * np.sqrt(2 * np.pi))
    assert np.abs(table["density"] - density).max() < 0.1 * density.max()
