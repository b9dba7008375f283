"""Profile likelihoods against likelihoods without simulation, over the whole of a prior."""

from __future__ import annotations

import numpy as np
from scipy import optimize

from sim.calibrate.profiles import profiles
from sim.calibrate.published import Published
from sim.calibrate.search import find_posterior
from sim.calibrate.virtual_trials import Bench
from sim.outcomes.twin.expected import expected, expected_before_reinfusion
from sim.scenario.load import load
from sim.scenario.priors import Prior
from sim.scenario.schema import Scenario, Target
from sim.scenario.values import with_values
from sim.work.workers import InProcess

FATAL = "aplasia.infection.case_fatality"
ACTIVE = "active_disease.hazard_per_year"
N = 30


def trial() -> Scenario:
    """Return a trial in which nobody of 29 reinfused dies of the treatment, all followed for half a year."""
    scenario = load("chicago2006").scenario
    counts = {
        "treatment_related_mortality": 0,
        "transplant_related_mortality": 0,
        "pre_transplant_mortality": 1,
    }
    target = [Target(endpoint=name, value=n / N, n=N, source="assumption") for name, n in counts.items()]
    target.append(
        Target(endpoint="overall_survival", time_years=0.5, value=0.6, n=N - 1, source="assumption")
    )
    prior = [
        Prior(key=FATAL, dist="beta", a=1.0, b=150.0, scale=11.3, source="assumption"),
        Prior(key=ACTIVE, dist="lognormal", median=0.10, sigma=0.7, source="assumption"),
    ]
    calibration = scenario.calibration.model_copy(update={"tolerance": 0.49})
    changes = {"cohort.patients": N, "follow_up.data_cut_days": "none"}
    update = {"target": target, "prior": prior, "alternative": [], "calibration": calibration}
    return with_values(scenario, changes).model_copy(update=update)


def exact(scenario: Scenario, published: Published, fatal: float, active: float) -> float:
    """Return the log-likelihood of the counts; the estimate may be anything."""
    point = with_values(scenario, {FATAL: fatal, ACTIVE: active})
    shares = expected_before_reinfusion(point)
    treated = expected(point)["transplant_related_mortality", None] / shares.reinfused
    return float(published.log_counts(shares) + published.log_treated(np.array(treated)))


def test_a_case_fatalitys_profile_is_that_of_the_counts_however_steep() -> None:
    """The fall from nothing to everybody is bent: any polynomial of the scores misses it at both ends."""
    scenario = trial()
    published = Published.of(scenario)
    search = find_posterior(scenario, Bench(1, InProcess()), wanted_size=np.inf, most_points=512)
    table = profiles(search)
    table = table[table["key"] == FATAL]
    best = optimize.minimize_scalar(
        lambda log: -exact(scenario, published, 0.01, float(np.exp(log))), bounds=(-5, 1), method="bounded"
    )
    active = float(np.exp(best.x))
    expectation = np.array([exact(scenario, published, value, active) for value in table["value"]])
    expectation -= expectation.max()
    # 29 ln(1 - p): from -0.001 to -1.3. The share who die is fitted to 512 x 256 x 30 virtual patients.
    assert expectation.min() < -1
    np.testing.assert_allclose(table["log_likelihood"], expectation, atol=0.02, rtol=0.06)
