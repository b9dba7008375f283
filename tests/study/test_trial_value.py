"""Expected value of sample information against closed forms, and of trials of the model."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import beta, betabinom, binom, norm

import sim
from sim.commands.answers import histories_of
from sim.commands.plan import plan_of
from sim.patient.luck import independent
from sim.scenario.distributions import Floats
from sim.scenario.problems import RequestError
from sim.scenario.study_file import load_study
from sim.scenario.values import with_values
from sim.show import studied
from sim.study.budget import Budget
from sim.study.by_draw import by_draw
from sim.study.compare import Side
from sim.study.draws import Draws
from sim.study.estimates import Z95
from sim.study.trial_value import Gain, evsi, trial_value

DRAWS, REPEATS, FEW = 2000, 100, 40
"""Of a study, and studies: few where many counts are drawn."""


def enough(held: int, repeats: int) -> bool:
    """Tell whether intervals that hold the truth in 95% of studies would do so less often once in 1,000."""
    return held >= float(binom.ppf(0.001, repeats, 0.95))


def gain_of(difference: Floats, summaries: Floats, seed: int) -> Gain:
    """Return the worth of summaries, of an option that is better by a difference under each draw."""
    gains = np.where(difference.mean() > 0, -1, 1) * difference
    best = np.maximum(gains, 0)
    limit = best.mean() + Z95 * best.std() / math.sqrt(len(best))
    return evsi(gains[None], summaries, seed, (float(best.mean()), float(limit)))


@pytest.mark.parametrize(("mean", "patients"), [(-0.3, 5), (-0.3, 50), (-1.0, 500)])
def test_of_a_normal_mean_it_is_the_closed_form(mean: float, patients: int) -> None:
    # True difference N(mean, 1); the trial's is normal around it with standard error 10 / sqrt(patients).
    error = 10 / math.sqrt(patients)
    spread = 1 / math.sqrt(1 + error**2)  # of the expectation that the trial leaves
    truth = spread * norm.pdf(mean / spread) + mean * norm.cdf(mean / spread)
    luck = norm.ppf(independent(1, REPEATS * DRAWS * 2)).reshape(REPEATS, 2, DRAWS)
    held = 0
    for repeat, (one, other) in enumerate(luck):
        found = gain_of(mean + one, (mean + one + error * other)[:, None], repeat)
        held += found.lower <= truth <= found.upper
    assert enough(held, REPEATS)


def test_of_deaths_in_two_arms_it_is_the_beta_binomials_and_grows_with_the_trial() -> None:
    a, b = ((5, 45), (4, 46))
    luck = independent(2, FEW * DRAWS * 4).reshape(FEW, 4, DRAWS)
    before, held = 0.0, {20: 0, 200: 0}
    for patients in held:
        count = np.arange(patients + 1)
        likely = np.outer(*(betabinom.pmf(count, patients, *prior) for prior in (a, b)))
        after = [(prior[0] + count) / (sum(prior) + patients) for prior in (a, b)]
        gained = np.maximum(100 * (after[0][:, None] - after[1][None, :]), 0)
        truth = float((likely * gained).sum()) - 100 * max(a[0] / sum(a) - b[0] / sum(b), 0)
        values = []
        for repeat, (one, other, died, also) in enumerate(luck):
            risks = beta.ppf(one, *a), beta.ppf(other, *b)
            deaths = [binom.ppf(u, patients, risk) for u, risk in zip((died, also), risks, strict=True)]
            found = gain_of(100 * (risks[0] - risks[1]), np.stack(deaths, axis=1), repeat)
            held[patients] += found.lower <= truth <= found.upper
            values.append(found.value)
        assert np.mean(values) > before
        before = float(np.mean(values))
    assert enough(min(held.values()), FEW)


def test_what_nobody_chooses_otherwise_for_has_still_a_limit() -> None:
    gains = -1 - independent(1, 500)[None]
    found = evsi(gains, independent(2, 500)[:, None], 1, (0.0, 0.01))
    assert found.value == found.lower == 0
    assert 0 < found.upper <= 0.01


def test_a_large_trial_of_the_model_tells_what_is_not_known_and_a_small_one_less() -> None:
    key = "mobilisation.infection.case_fatality"
    chicago = sim.load_scenario("chicago2006").scenario
    # As likely better by 6 or worse by 12 points, which 400 patients tell and 5 do not.
    draws = Draws((key,), (math.nan,), ((0.0,), (0.9,)) * 60, uncertain=(key,))
    sides = [Side(with_values(chicago, {key: 0.3}), (key,)), Side(chicago)]
    budget = Budget(draws=draws)
    changes = 100 * by_draw(sides, ("overall_survival_enrolled", 5.0), budget).changes[1]
    assert changes.mean() < 0 < changes.max()
    most = float(np.maximum(changes, 0).mean())
    rows = trial_value(sides, changes[None], (most, most), [400, 5], budget)
    assert rows["patients"].tolist() == [5, 400]
    small, large = rows["value"]
    assert small < 0.5 * most
    assert 0.9 * most < large <= most


@pytest.mark.filterwarnings("ignore")
def test_a_study_tells_trials_beside_all_that_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = {"kind": "value_of_information", "trial": [300, 10]}
    changes = {"effort.draws": 60, "effort.posterior": "", "answer": [answer]}
    results = sim.study("worth_isolating", set=changes)
    table = results.tables["value"].set_index("what")
    assert table.loc["trial", "patients"].tolist() == [10, 300]
    assert table.loc["trial", "value"].max() <= table.loc["evpi", "value"]
    said = studied.answers(results)[0].sentences
    assert any(
        each.startswith("To decide after a further trial of 300 patients in each arm") for each in said
    )
    plan = plan_of(load_study("worth_isolating", changes), {})
    assert histories_of(plan) == 60 * 2 * 300
    with pytest.raises(RequestError, match="ordinary ward: is an open clinic"):
        sim.study("worth_isolating", set={**changes, "base": "open_clinic"})
