"""Validation: cohorts that the model itself makes are covered as often as they should, others are not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sim.scenario.cohort import ObservedCohort, ObservedFigure, load_cohort, load_cohorts
from sim.scenario.problems import FewReplicationsWarning, RequestError, UndefinedFigureWarning
from sim.scenario.schema import Scenario
from sim.scenario.values import with_values
from sim.study import validate as validating
from sim.study.budget import Budget
from sim.study.experiment import ROWS, Experiment
from sim.study.montecarlo import simulate
from sim.study.validate import COLUMNS, Prediction, _covered_at_once, validate, virtual_cohorts

VIRTUAL = validating, "virtual_cohorts"
MOST = 4.0
"""Standard errors that one of 16,000 true comparisons exceeds."""


def budget(replications: int = 2000, seed: int = 1, workers: int | None = 1) -> Budget:
    return Budget(replications, seed, 0, engine="arrays", workers=workers)


def figure_of(draws: Sequence[float] | np.ndarray, value: float, slack: float = 0.0) -> Prediction:
    """A prediction whose draws are made up."""
    (figure,) = load_cohort("burt2018_all").figures
    return Prediction(replace(figure, value=value, slack=slack), np.array(draws, dtype=float))


def with_figures(cohort: ObservedCohort, *figures: ObservedFigure) -> ObservedCohort:
    return replace(cohort, figures=figures)


def made_up(rows: pd.DataFrame) -> Callable[..., Iterator[tuple[pd.DataFrame, str]]]:
    """Give the same virtual cohorts for every scenario."""
    return lambda scenarios, *_: ((rows, "") for _ in scenarios)


@pytest.mark.parametrize("name", ["alchi2013", "burt2018", "jayne2004", "leng2017"])
def test_cohorts_that_the_model_makes_are_covered_at_the_nominal_rate(name: str) -> None:
    cohort = load_cohort(name)
    size = 300
    ((observed, _),) = virtual_cohorts([cohort.scenario], budget(size, seed=2))
    ((rows, _),) = virtual_cohorts([cohort.scenario], budget())
    checked = 0
    for figure in cohort.figures:
        column = f"trial_{figure.key[0]}" + (f"@{figure.key[1]:g}" if figure.key[1] else "")
        prediction = Prediction(replace(figure, slack=0.0), rows[column].to_numpy())
        made = observed[column].dropna().to_numpy()
        each = [replace(prediction, figure=replace(prediction.figure, value=value)) for value in made]
        lower, upper = prediction.limits
        read = prediction.draws[~np.isnan(prediction.draws)]
        nominal = np.mean((read >= lower) & (read <= upper))
        assert nominal >= 0.95  # counts are discrete: more than 95%, and known exactly
        covered = np.mean([lower <= one.figure.value <= upper for one in each])
        error = math.sqrt(nominal * (1 - nominal) * (1 / len(made) + 1 / len(rows)))
        assert abs(covered - nominal) <= MOST * error + 1e-12, figure.label
        assert np.mean([one.covered for one in each[:40]]) == np.mean(
            [lower <= one.figure.value <= upper for one in each[:40]]
        )
        scores = np.array([one.z for one in each])
        assert abs(scores.mean()) <= MOST * math.sqrt(1 / len(made) + 1 / len(rows)), figure.label
        # Mid-ranks of ties spread less than normal scores; nothing spreads more.
        assert scores.var() <= 1 + MOST * math.sqrt(2 / len(made)), figure.label
        checked += 1
    assert checked == len(cohort.figures)


def test_a_wrong_cohort_fails_and_what_was_fitted_does_not_count() -> None:
    cohort = load_cohort("burt2006")
    survival, free = (each for each in cohort.figures if each.reading == "kaplan_meier")
    # Nearly everybody disease-free: no virtual cohort is.
    wrong = replace(free, value=0.95, role="held_out")
    alike = replace(survival, role="overlaps")
    fitted = replace(free, value=0.99)
    found = validate([with_figures(cohort, wrong, alike, fitted)], budget())
    rows = found.table
    assert rows["covered"].tolist() == [False, True, False]
    assert rows["note"].tolist() == ["above", "", "above"]
    assert rows["z"][0] > 3
    assert rows["role"].tolist() == ["held_out", "overlaps", "fitted"]
    assert (found.predicted.figures, found.predicted.covered) == (2, 1)
    assert (found.apart.figures, found.apart.covered) == (1, 0)
    other = validate([with_figures(cohort, replace(wrong, value=0.05))], budget())
    assert other.table["note"].tolist() == ["below"]
    assert other.table["z"][0] < -1.96


def test_figures_of_the_wrong_scenario_are_missed() -> None:
    cohort = load_cohort("burt2018")
    deadly = with_values(cohort.scenario, {"relapse.scale_years": 0.5})
    replaced = replace(cohort, loaded=replace(cohort.loaded, scenario=deadly))
    found = validate([replaced], budget(500))
    assert found.predicted.figures == 6
    assert found.predicted.covered <= 1
    assert found.predicted.covered < found.predicted.binomial[0]


def test_the_number_of_workers_changes_nothing() -> None:
    cohorts = [load_cohort(name) for name in ("leng2017", "cibmtr2012")]
    one, two = (validate(cohorts, budget(600, workers=workers)) for workers in (1, 2))
    pd.testing.assert_frame_equal(one.table, two.table, check_exact=True)
    assert one.result_hashes == two.result_hashes
    assert one.predicted == two.predicted


def test_the_table_has_the_columns_of_the_contract() -> None:
    table = validate([load_cohort("berlin2005")], budget(300)).table
    assert tuple(table.columns) == COLUMNS
    first = ["cohort", "endpoint", "time_years", "observed", "lower", "upper", "covered", "z"]
    assert list(table.columns[:8]) == first
    row = table.iloc[0]
    assert (row["n"], row["patients"], row["base"]) == (6, 6, "chicago2006")
    limits = stats.binomtest(1, 6).proportion_ci(0.95, "exact")
    assert (row["observed_lower"], row["observed_upper"]) == pytest.approx((limits.low, limits.high))


def test_a_prediction_is_a_range_of_figures_that_were_read() -> None:
    draws = np.arange(1, 201) / 200
    prediction = figure_of(draws, 0.5)
    assert prediction.limits == (5 / 200, 195 / 200)
    assert prediction.mean == pytest.approx(np.mean(draws))
    assert prediction.z == pytest.approx(stats.norm.ppf(100 / 201))


@pytest.mark.parametrize(
    ("value", "slack", "covered"),
    [(0.975, 0, True), (0.976, 0, False), (0.979, 0.005, True), (0.981, 0.005, False), (0.02, 0.005, True)],
)
def test_an_end_is_inside_and_so_is_what_would_be_printed_alike(
    value: float, slack: float, covered: bool
) -> None:
    assert figure_of(np.arange(1, 201) / 200, value, slack).covered is covered


def test_z_is_the_normal_score_of_the_mid_rank() -> None:
    # 3 below, 4 that print the same and itself: (3 + 5 / 2) / 11.
    draws = [0.1, 0.2, 0.3, 0.5, 0.5, 0.5, 0.5, 0.6, 0.7, 0.8]
    assert figure_of(draws, 0.5).z == pytest.approx(stats.norm.ppf(5.5 / 11))
    assert figure_of(draws, 0.5, 0.1).z == pytest.approx(stats.norm.ppf((3 + 6 / 2) / 11))
    assert figure_of(draws, 0.9).z == pytest.approx(stats.norm.ppf((10 + 1 / 2) / 11))
    assert figure_of(draws, 0.5).z == pytest.approx(-figure_of([1 - each for each in draws], 0.5).z)


def test_what_virtual_cohorts_cannot_read_is_left_out_and_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = load_cohort("berlin2005")
    (figure,) = cohort.figures
    draws = np.where(np.arange(400) < 100, np.nan, (np.arange(400) % 7) / 6)
    rows = pd.DataFrame({"trial_relapses_by_data_cut": draws})
    monkeypatch.setattr(*VIRTUAL, made_up(rows))
    with pytest.warns(UndefinedFigureWarning, match="berlin2005.*25% of the virtual cohorts"):
        found = validate([cohort], budget(400))
    assert found.table["undefined"][0] == 0.25
    assert found.table["predicted"][0] == pytest.approx(np.nanmean(draws))
    nobody = pd.DataFrame({"trial_relapses_by_data_cut": np.full(400, np.nan)})
    monkeypatch.setattr(*VIRTUAL, made_up(nobody))
    with pytest.warns(UndefinedFigureWarning):
        found = validate([with_figures(cohort, figure)], budget(400))
    assert found.table["covered"].isna().tolist() == [True]
    assert found.table["note"].tolist() == ["nobody_at_risk"]
    assert found.predicted.figures == 0


def test_few_virtual_cohorts_are_warned_of_and_too_many_refused() -> None:
    with pytest.warns(FewReplicationsWarning):
        validate([load_cohort("berlin2005")], budget(50))
    with pytest.raises(RequestError, match=f"--replications: {ROWS + 1} given"):
        validate([load_cohort("berlin2005")], budget(ROWS + 1))


def test_any_time_up_to_the_horizon_can_be_read_and_of_the_same_patients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cohort = load_cohort("alchi2013")
    survival = replace(cohort.figures[0], role="held_out")
    figures = [replace(survival, key=("overall_survival", time)) for time in (1.0, 1.5, 2.0, 4.25, 5.0)]
    kept: list[tuple[Scenario, pd.DataFrame]] = []

    def simulated(scenarios, *rest):  # type: ignore[no-untyped-def]
        for scenario, found in zip(scenarios, virtual_cohorts(scenarios, *rest), strict=True):
            kept.append((scenario, found[0]))
            yield found

    monkeypatch.setattr(*VIRTUAL, simulated)
    table = validate([with_figures(cohort, *figures)], budget(300)).table
    assert sorted(scenario.follow_up.horizon_years for scenario, _ in kept) == [1.5, 4.25, 5.0]
    assert table["predicted"].is_monotonic_decreasing
    at = {}
    for scenario, rows in kept:
        horizon = scenario.follow_up.horizon_years
        for time in {1.0, 1.5, 2.0, horizon}:
            if f"trial_overall_survival@{time:g}" in rows:
                at[time] = rows[f"trial_overall_survival@{time:g}"]
    assert (at[1.0] >= at[1.5]).all()
    assert (at[1.5] >= at[2.0]).all()


def test_a_survival_counted_where_nobody_was_lost_is_the_share_alive() -> None:
    cohort = load_cohort("alchi2013")
    (survival, *_) = cohort.figures
    counted = replace(survival, reading="count", events=23, n=28, value=23 / 28, slack=0.0, limits=None)
    table = validate([with_figures(cohort, survival, counted)], budget(500)).table
    draws, lower = table["predicted"], table["lower"]
    assert abs(draws[0] - draws[1]) < 0.02  # Kaplan-Meier is nearly unbiased for it
    assert lower[1] > lower[0]  # and nobody's being lost tells more
    assert (lower[1] * 28) % 1 == pytest.approx(0, abs=1e-9)
    assert table["observed_lower"][1] == pytest.approx(stats.beta.ppf(0.025, 23, 6))


def test_figures_of_one_cohort_hang_together_in_the_tally() -> None:
    draws = np.arange(1, 201) / 200
    twice = [figure_of(draws, 0.5), figure_of(draws, 0.5)]
    inside = 191 / 200  # from the 5th to the 195th
    assert _covered_at_once(twice, 1)[0] == pytest.approx([1 - inside, 0, inside])
    against = [figure_of(draws, 0.5), figure_of(np.roll(draws, 100), 0.5)]
    both = 1 - 2 * (1 - inside)
    assert _covered_at_once(against, 1)[0] == pytest.approx([0, 1 - both, both])


def test_the_tally_expects_what_virtual_cohorts_show() -> None:
    cohorts = load_cohorts(["alchi2013", "leng2017"])
    found = validate(cohorts, budget(1000))
    assert found.predicted.figures == 8
    assert found.predicted.expected == pytest.approx(7.6)
    assert found.predicted.binomial == tuple(stats.binom.ppf([0.025, 0.975], 8, 0.95))
    assert 7.6 <= found.predicted.virtual_mean <= 8
    low, high = found.predicted.virtual
    assert low <= found.predicted.virtual_mean <= high == 8
    # Independent figures would be rarer all covered at once than these.
    assert low <= found.predicted.binomial[0]


def test_virtual_cohorts_are_those_of_a_run() -> None:
    cohort = load_cohort("berlin2005")
    ((rows, digest),) = virtual_cohorts([cohort.scenario], budget(40))
    (tally,) = simulate([Experiment((cohort.scenario,), 1, "simpy")], budget(40))
    assert tally.arms[0].result_hash == digest
    pd.testing.assert_frame_equal(rows, tally.arms[0].rows(), check_exact=True)
