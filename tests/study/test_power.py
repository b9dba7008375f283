"""Virtual trials of two arms: read as their paper would, and noticing as often as closed forms say."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, fisher_exact, norm

import sim
from sim.outcomes.log_rank import log_rank, two_arm_log_ranks
from sim.outcomes.one_trial import Patients, report_trial
from sim.outcomes.twin.expected import expected_figure
from sim.patient.luck import independent
from sim.scenario.endpoints import Key
from sim.scenario.problems import RequestError
from sim.scenario.schema import Scenario
from sim.scenario.values import with_values
from sim.study import two_arm_trials
from sim.study.budget import Budget
from sim.study.compare import Side
from sim.study.draws import Draws
from sim.study.posterior import derived_seed
from sim.study.power import DEATHS, LOG_RANK, TREATMENT_DEATHS, fisher_p, patients_needed, power
from sim.study.two_arm_trials import histories_of_trials, virtual_trials

TRM: Key = ("treatment_related_mortality", None)
WARD, FATALITY, ACTIVE = (
    "aplasia.infection.ward_relative_risk", "mobilisation.infection.case_fatality",
    "active_disease.hazard_per_year",
)  # fmt: skip
TRIALS = 4000
STUDY = """
kind = "study"
title = "Would anybody have noticed?"
base = "{base}"
[[arm]]
name = "ward"
set = {{ "aplasia.infection.ward_relative_risk" = 1.67 }}
[[arm]]
name = "isolation"
[[answer]]
kind = "power"
{more}
"""


def chicago(**changes: object) -> Scenario:
    return with_values(
        sim.load_scenario("chicago2006").scenario, {k.replace("__", "."): v for k, v in changes.items()}
    )


def found(one: Scenario, other: Scenario, sizes: list[int], trials: int, **how: object) -> pd.DataFrame:
    sides = {"one": Side(one), "other": Side(other)}
    table = power(sides, sizes, trials, Budget(**how), lambda _part: None)  # type: ignore[arg-type]
    return table.set_index(["test", "patients"])


def within(value: float, truth: float, n: int) -> bool:
    """Tell whether a share of n lies within 4 standard errors, and one count, of the truth."""
    return abs(value - truth) < 4 * math.sqrt(truth * (1 - truth) / n) + 1 / n


@pytest.mark.parametrize("step", [1e-9, 1.0], ids=["no ties", "ties"])
def test_log_ranks_of_many_trials_are_those_of_each(step: float) -> None:
    luck = independent(3, 6 * 40 * 60).reshape(3, 2, 40, 60)
    time, event, there = np.ceil(-8 * np.log(luck[0]) / step) * step, luck[1] < 0.5, luck[2] < 0.9
    event[:, 0] = False  # in the first trial nothing happens
    days = np.where(there, time, np.inf)
    found = two_arm_log_ranks((days[0], event[0] & there[0]), (days[1, :, :7], (event & there)[1, :, :7]))
    assert math.isnan(found[0])
    for trial in range(1, 40):
        who = [there[0, trial], there[1, trial, :7]]
        parts = [(each[arm, trial][: len(who[arm])][who[arm]]) for each in (time, event) for arm in (0, 1)]
        times, events = np.concatenate(parts[:2]), np.concatenate(parts[2:])
        group = np.repeat([0, 1], [who[0].sum(), who[1].sum()])
        one = log_rank(times, events, group)
        assert found[trial] ** 2 == pytest.approx(one.statistic, abs=1e-10)
        assert found[trial] * (one.observed[1] - one.expected[1]) >= 0


def test_fishers_p_is_scipys() -> None:
    pairs = np.array(
        [
            (0, 50, 0, 40),
            (0, 50, 3, 40),
            (5, 50, 0, 40),
            (7, 50, 2, 40),
            (50, 50, 40, 40),
            (130, 400, 90, 400),
        ]
    )
    events, n, others, m = pairs.T.astype(np.float64)
    exact = [fisher_exact([[a, n - a], [b, m - b]])[1] for a, n, b, m in pairs.tolist()]
    assert fisher_p(events, n, others, m) == pytest.approx(exact, abs=1e-10)


@pytest.mark.filterwarnings("ignore")
def test_a_trial_is_read_as_its_paper_would() -> None:
    seed, arms = 5, ({}, {"aplasia.infection.case_fatality": 0.9})
    rooms = {"clinic.isolation_rooms": 40}  # never all in use, but a number of them
    sides = [with_values(chicago(), {**rooms, **each}) for each in arms]
    trials = virtual_trials([Side(each) for each in sides], [30], 8, Budget(seed=seed))
    rows = list[pd.DataFrame]()
    for number, each in enumerate(arms, start=1):
        own = sim.run(
            "chicago2006", set={"cohort.patients": 30, **rooms, **each}, replications=8,
            seed=derived_seed(seed, f"people of arm {number} of trials"), patients="all",
        )  # fmt: skip
        assert own.patients is not None
        rows.append(own.patients)
    for trial in range(8):
        read = [Patients(each[each["replication"] == trial + 1], sides[0]) for each in rows]
        for arm, patients in enumerate(read):
            report = report_trial(patients)
            counted = (report.enrolled, report.deaths, report.treatment_deaths)
            assert counted == tuple(each[arm, 0, trial] for each in trials[:3])
        days, died = (
            np.concatenate([np.minimum(each.death, each.cut) - each.enrolled for each in read]),
            np.concatenate([each.death <= each.cut for each in read]),
        )
        statistic = log_rank(days, died, np.repeat([0, 1], 30)).statistic
        assert trials.log_rank[0, 0, trial] ** 2 == pytest.approx(statistic, abs=1e-10)
    assert len({*map(tuple, trials.deaths[:, 0])}) == 2  # other people


def exactly(n: int, one: float, other: float) -> tuple[float, float, float]:
    """Return power of Fisher's test, and shares with the wrong sign and with none, summed over all counts."""
    a, b = np.meshgrid(np.arange(n + 1.0), np.arange(n + 1.0), indexing="ij")
    likely = np.outer(binom.pmf(a[:, 0], n, one), binom.pmf(b[0], n, other))
    p = fisher_p(a, np.full(a.shape, n), b, np.full(a.shape, n))
    wrong = (b - a) * (other - one) < 0
    return tuple(float(likely[who].sum()) for who in (p < 0.05, wrong, a == b))  # type: ignore[return-value]


@pytest.mark.parametrize("changes", [{}, {WARD: 1.67}, {FATALITY: 0.5}], ids=["alike", "ward", "far worse"])
def test_fishers_power_is_the_binomials(changes: dict[str, float]) -> None:
    one, other = chicago(), with_values(chicago(), changes)
    rows = found(one, other, [50, 100], TRIALS)
    shares = expected_figure([one, other], TRM)
    for size in (50, 100):
        row, truth = rows.loc[(TREATMENT_DEATHS, size)], exactly(size, *shares)
        assert row["true_difference"] == shares[1] - shares[0]
        assert within(row["power"], truth[0], TRIALS)
        assert within(row["tied"], truth[2], TRIALS)
        assert within(row["wrong_sign"], truth[1], TRIALS) if changes else math.isnan(row["wrong_sign"])
    if not changes:  # Fisher's test is conservative, the log-rank test is not
        assert rows.loc[DEATHS, "power"].max() < 0.05 + 4 * math.sqrt(0.05 * 0.95 / TRIALS)
        assert within(rows.loc[(LOG_RANK, 100), "power"], 0.05, TRIALS)


def test_the_log_rank_tests_power_is_schoenfelds() -> None:
    # Constant hazards, everybody followed for five years: nobody is transplanted, and nothing else kills.
    home = {"cohort.enters_at": "home", "background.life_table": "none", "follow_up.data_cut_days": "none",
            "transplant.waiting_multiplier": 1.0}  # fmt: skip
    one, other = (with_values(chicago(), {**home, ACTIVE: each}) for each in (0.1, 0.15))
    rows = found(one, other, [100, 300], TRIALS)
    assert [*dict.fromkeys(rows.index.get_level_values("test"))] == [LOG_RANK, DEATHS]  # nobody is treated
    for size in (100, 300):
        deaths = size * sum(-math.expm1(-5 * each) for each in (0.1, 0.15))
        formula = norm.cdf(math.sqrt(deaths) / 2 * math.log(1.5) - norm.ppf(0.975))
        # It is an approximation: by 0.01 at most where it was compared with trials (Lakatos 1992).
        assert rows.loc[(LOG_RANK, size), "power"] == pytest.approx(
            formula, abs=0.01 + 4 * math.sqrt(formula * (1 - formula) / TRIALS)
        )
        wrong = norm.cdf(-math.sqrt(deaths) / 2 * math.log(1.5))
        assert rows.loc[(LOG_RANK, size), "wrong_sign"] == pytest.approx(
            wrong, abs=0.01 + 4 * math.sqrt(wrong * (1 - wrong) / TRIALS)
        )


def test_patients_needed_are_the_formulas() -> None:
    assert patients_needed(0.02, 0.02) == math.inf
    assert patients_needed(0.2, 0.4) == 79  # (1.960 + 0.842)^2 x (0.16 + 0.24) / 0.04 = 78.5


def test_under_draws_the_right_way_is_that_of_each_draw() -> None:
    draws = Draws((FATALITY,), (math.nan,), ((0.0,), (0.9,)), uncertain=(FATALITY,))
    sides = {
        "one": Side(chicago(mobilisation__infection__case_fatality=0.3), (FATALITY,)),
        "other": Side(chicago()),
    }
    rows = power(sides, [400], 400, Budget(draws=draws), lambda _part: None).set_index("test")
    assert rows.loc[TREATMENT_DEATHS, "wrong_sign"] < 0.01  # better in one draw, worse in the other
    assert rows.loc[TREATMENT_DEATHS, "power"] > 0.9
    assert rows.loc[TREATMENT_DEATHS, "true_lower"] < 0 < rows.loc[TREATMENT_DEATHS, "true_upper"]


def test_where_places_are_scarce_each_size_has_its_own_queue_and_its_own_truth() -> None:
    scarce = {"clinic.isolation_rooms": 1, "arrivals.window_days": 400.0}
    one, other = (with_values(chicago(), {**scarce, "clinic.isolation_rooms": each}) for each in (1, 2))
    rows = found(one, other, [10, 60], 100, replications=100)
    small, large = (rows.loc[(LOG_RANK, size), "true_difference"] for size in (10, 60))
    assert 0 <= small < large / 2
    assert rows["needed"].isna().all()
    assert histories_of_trials([one, chicago()], [10, 60], 100) == 100 * (70 + 60)


def test_it_is_the_same_however_the_work_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    sides = [Side(chicago()), Side(chicago(aplasia__infection__case_fatality=0.9))]
    whole = virtual_trials(sides, [20, 40], 600, Budget())
    monkeypatch.setattr(two_arm_trials, "_TASK_BLOCKS", 1)
    told = list[tuple[int, int]]()
    again = virtual_trials(sides, [20, 40], 600, Budget(), tell=lambda *done: told.append(done))
    for one, other in zip(whole, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert told == [(256, 600), (512, 600), (600, 600)]


@pytest.mark.parametrize(
    ("base", "more", "said"),
    [
        ("open_clinic", "", "ward: is an open clinic, and a trial enrols a number of patients"),
        ("chicago2006", "trials = 100_000\npatients = [100_000]", "allowed: 10,000,000,000; take fewer"),
        ("chicago2006", 'arm = "ward"', "is the first, which the others are held against"),
    ],
)
def test_what_no_trial_can_be_is_refused(
    base: str, more: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.toml").write_text(STUDY.format(base=base, more=more), "utf-8")
    with pytest.raises(RequestError, match=said):
        sim.study("./s.toml")
