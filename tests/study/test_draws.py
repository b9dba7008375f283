"""Draws of a posterior: written and read back, resampled, and what is told over them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from estimating import write_posterior
from scipy import stats

from sim.scenario.load import load
from sim.scenario.problems import RequestError
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value, with_values
from sim.study.draws import Draws, draws_from
from sim.study.estimates import over_draws
from sim.study.posterior import Posterior, read_posterior

KEYS = ("relapse.scale_years", "active_disease.hazard_per_year", "after_relapse.multiplier")


def chicago(*overrides: str) -> Scenario:
    return load("chicago2006", overrides).scenario


POINT = tuple(get_value(chicago(), key) for key in KEYS)


def posterior(count: int = 50) -> Posterior:
    rng = np.random.default_rng(1)
    return Posterior(KEYS, rng.lognormal(0, 1, (count, len(KEYS))), rng.dirichlet(np.ones(count)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "posterior.csv"
    write_posterior(posterior(), POINT, path)
    return path


def test_what_is_written_is_read_back(file: Path) -> None:
    mine = posterior()
    found, point = read_posterior(file)
    assert found.keys == KEYS
    np.testing.assert_allclose(point, POINT, rtol=1e-9)
    np.testing.assert_allclose(found.values, mine.values, rtol=1e-9)
    np.testing.assert_allclose(found.weights, mine.weights, rtol=1e-9)
    assert found.weights.sum() == pytest.approx(1, abs=1e-12)
    write_posterior(found, point, file.with_name("again.csv"))
    assert file.with_name("again.csv").read_text() == file.read_text()
    # The point that was written is still taken for the calibrated one.
    assert Draws(KEYS, point, ()).replaced(chicago()) == KEYS


def test_the_file_is_a_table_with_the_calibrated_values_first(file: Path) -> None:
    header, first, *rest = file.read_text().splitlines()
    assert header == ",".join(["weight", *KEYS])
    assert first.startswith("0,")
    assert len(rest) == 50


HEAD = "weight,relapse.scale_years\n"

BAD: dict[str, tuple[str | bytes, list[str]]] = {
    "empty": ("", ["is empty"]),
    "no weight": ("relapse.scale_years\n9\n9\n", ["is no posterior: its first line must be weight"]),
    "no parameter": ("weight\n0\n1\n", ["and then the parameters"]),
    "unknown parameter": ("weight,relapse.scale_year\n0,9\n1,9\n", ["did you mean relapse.scale_years"]),
    "a word": ("weight,relapse.dist\n0,9\n1,9\n", ["relapse.dist: is a word"]),
    "a distribution": ("weight,recovery.duration_days\n0,9\n1,9\n", ["is a distribution"]),
    "a whole number": ("weight,cohort.patients\n0,50\n1,50\n", ["is a whole number"]),
    "twice the same": ("weight,relapse.shape,relapse.shape\n0,1,1\n1,1,1\n", ["two columns; keep one"]),
    "no draws": (HEAD + "0,9\n", ["needs a line with the calibrated values and then draws"]),
    "nothing but a header": (HEAD, ["the calibrated values and then draws"]),
    "a short row": (HEAD + "0,9\n1\n", ["line 3: has 1 values; allowed: 2"]),
    "a long row": (HEAD + "0,9\n1,9,9\n", ["line 3: has 3 values; allowed: 2"]),
    "text": (HEAD + "0,9\n1,nine\n", ["line 3: relapse.scale_years = nine: allowed: a finite number"]),
    "nan": (HEAD + "0,9\n1,nan\n", ["= nan: allowed: a finite number"]),
    "infinite weight": (HEAD + "0,9\ninf,9\n", ["weight = inf: allowed: a finite number"]),
    "negative weight": (HEAD + "0,9\n-1,9\n2,9\n", ["must not be negative"]),
    "no weight above 0": (HEAD + "0,9\n0,9\n", ["one at least above 0"]),
    "no calibrated values": (HEAD + "1,9\n1,9\n", ["that of the first line, the calibrated values, 0"]),
    "out of range": (
        "weight,mobilisation.infection.case_fatality\n0,0.1\n1,1.5\n",
        ["line 3: mobilisation.infection.case_fatality = 1.5: allowed: a number from 0 to 1"],
    ),
    "at an open limit": (HEAD + "0,9\n1,0\n", ["relapse.scale_years = 0: allowed: a number above 0"]),
    "another text file": ("{}", ["is no posterior"]),
    "no text": (b"PAR1\xff\xfe", ["is not text but binary data", "posterior.csv"]),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_posterior_is_refused(case: str, tmp_path: Path) -> None:
    text, named = BAD[case]
    path = tmp_path / "mine.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RequestError) as refused:
        read_posterior(path)
    message = str(refused.value)
    assert message.startswith("--posterior ")
    assert "mine.csv" in message
    for words in named:
        assert words in message


def test_no_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"there is no such file; name the posterior\.csv"):
        read_posterior(tmp_path / "none.csv")
    with pytest.raises(RequestError, match="is a folder, not a file; name the posterior"):
        read_posterior(tmp_path)


def test_resampled_draws_are_as_frequent_as_their_weights_say() -> None:
    mine = posterior(200)
    count = 1024
    drawn = mine.resampled(count, 1)
    assert drawn.shape == (count, len(KEYS))
    times = np.array([(drawn[:, 0] == value).sum() for value in mine.values[:, 0]])
    assert times.sum() == count
    # Evenly: one point in each 1/1024 of the cumulated weights, so that only both ends are left to chance.
    assert (np.abs(times - count * mine.weights) < 2).all()
    rows = {tuple(row) for row in mine.values.tolist()}
    assert all(tuple(row) in rows for row in drawn.tolist())  # whole rows: the joint posterior
    # In random order, so that any part of them is a sample too.
    order = [int(np.flatnonzero(mine.values[:, 0] == value)[0]) for value in drawn[:, 0]]
    assert abs(stats.spearmanr(order, np.arange(count)).statistic) < 4 / np.sqrt(count)


def test_over_seeds_each_draw_comes_as_often_as_its_weight() -> None:
    mine = Posterior(("relapse.shape",), np.array([[1.0], [2.0], [3.0]]), np.array([0.07, 0.9, 0.03]))
    seeds = 2000
    times = sum((mine.resampled(1, seed) == mine.values.T).sum(axis=0) for seed in range(seeds))
    assert stats.chisquare(times, seeds * mine.weights).pvalue > 1e-3
    assert (mine.resampled(5, 1) == mine.resampled(5, 1)).all()


def test_a_draw_without_weight_is_never_taken() -> None:
    values = np.arange(1.0, 6.0)[:, None]
    mine = Posterior(("relapse.shape",), values, np.array([0.0, 0.5, 0.0, 0.5, 0.0]))
    for seed in range(20):
        assert set(mine.resampled(7, seed)[:, 0]) <= {2.0, 4.0}


def test_draws_of_a_file_are_the_same_for_the_same_seed(file: Path) -> None:
    one, again, other = (draws_from(file, 20, seed) for seed in (1, 1, 2))
    assert one == again
    assert one.values != other.values
    assert len(one.values) == 20
    np.testing.assert_allclose(one.point, POINT, rtol=1e-9)


@pytest.mark.parametrize(("factor", "same"), [(1 + 1e-9, True), (1 - 1e-9, True), (1 + 1e-5, False)])
def test_calibrated_is_the_value_up_to_the_digits_of_a_file(factor: float, same: bool) -> None:
    scenario = with_values(chicago(), {KEYS[0]: POINT[0] * factor})
    assert (KEYS[0] in Draws(KEYS, POINT, ()).replaced(scenario)) == same


def test_under_a_draw_nothing_but_the_free_parameters_changes() -> None:
    scenario, rows = chicago("cohort.patients=7"), ((5.0, 0.1, 0.5), (12.0, 0.2, 1.5))
    for each, row in zip(Draws(KEYS, POINT, rows).over(scenario), rows, strict=True):
        assert tuple(get_value(each, key) for key in KEYS) == row
        assert with_values(each, dict(zip(KEYS, POINT, strict=True))) == scenario


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_over_draws_the_mean_has_an_error_and_the_draws_have_limits(noise: float) -> None:
    """The error has the simulations' noise in it, the limits have not."""
    rng = np.random.default_rng(2)
    scores, covered, held, limits = [], 0, 0, []
    for _ in range(400):
        figures = rng.normal(0.5, 0.1, 200) + rng.normal(0, noise, 200)
        value, se, lower, upper, *ends, limit_se = over_draws(figures, np.full(200, noise), share=True)
        scores.append((value - 0.5) / se)
        covered += lower <= 0.5 <= upper
        limits.append(ends)
        held += int(np.sum(np.abs(np.array(ends) - (0.304, 0.696)) <= 1.96 * limit_se))
    assert stats.kstest(scores, stats.t(199).cdf).pvalue > 0.001
    assert stats.binomtest(covered, 400, 0.95).pvalue > 0.001
    # Extreme quantiles of 200 draws are skewed: their own 95% hold a little less often.
    assert 0.90 < held / 800 < 0.97
    # A 2.5% quantile of 200 draws lies inside its own by about a tenth of their SD.
    np.testing.assert_allclose(np.mean(limits, axis=0), [0.5 - 0.196, 0.5 + 0.196], atol=0.01)


def test_limits_of_a_share_may_touch_0_and_its_interval_stays_above() -> None:
    value, _, lower, _, *limits, _ = over_draws(np.array([0.0, 0.0, 0.01, np.nan]), np.zeros(4), share=True)
    assert (value, lower) == (pytest.approx(0.01 / 3), 0.0)
    assert limits == pytest.approx([0.0, 0.0095])


def test_where_all_scatter_is_noise_there_is_no_width_left() -> None:
    figures = np.random.default_rng(1).normal(0.5, 0.1, 50)
    value, _, _, _, *limits, _ = over_draws(figures, np.full(50, 0.2), share=True)
    assert limits == [value, value]


def test_over_draws_what_is_undefined_is_left_out() -> None:
    values, errors = np.array([0.2, np.nan, 0.4]), np.array([0.0, np.nan, 0.0])
    assert over_draws(values, errors, share=True)[0] == pytest.approx(0.3)
    assert np.isnan(over_draws(np.full(3, np.nan), np.full(3, np.nan), share=True)).all()
    value, se, _, _, *limits, _ = over_draws(np.array([0.2]), np.array([0.0]), share=True)
    assert (value, limits) == (0.2, [0.2, 0.2])
    assert np.isnan(se)
