"""Priors: their values at standard normal scores, cut off at a parameter's limit, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sim.scenario.load import load
from sim.scenario.priors import Prior
from sim.scenario.problems import RequestError
from sim.scenario.registry import parameters
from sim.scenario.shipped import shipped_names
from sim.scenario.values import get_value

Z = np.array([-6.0, -3.0, -1.0, -0.1, 0.0, 0.5, 2.0, 3.0, 5.0])


def prior(dist: str, **numbers: float) -> Prior:
    return Prior(key="active_disease.hazard_per_year", dist=dist, source="assumption", **numbers)


FAMILIES: dict[str, tuple[Prior, Any]] = {
    "lognormal": (prior("lognormal", median=0.1, sigma=0.7), stats.lognorm(0.7, scale=0.1)),
    "beta": (prior("beta", a=1.0, b=50.0), stats.beta(1, 50)),
    "scaled beta": (prior("beta", a=2.5, b=4.0, scale=3.0), stats.beta(2.5, 4, scale=3)),
    "uniform": (prior("uniform", low=0.2, high=1.7), stats.uniform(0.2, 1.5)),
}
LIMITS = [np.inf, 1.0, 0.3]


@pytest.mark.parametrize("most", LIMITS)
@pytest.mark.parametrize("name", FAMILIES)
def test_values_are_quantiles_of_the_part_up_to_the_limit(name: str, most: float) -> None:
    mine, theirs = FAMILIES[name]
    share = theirs.cdf(most)
    assert mine.share_below(most) == pytest.approx(share, rel=1e-12)
    np.testing.assert_allclose(mine.of_normal(Z, most), theirs.ppf(stats.norm.cdf(Z) * share), rtol=1e-9)


def test_what_is_drawn_has_the_law_of_the_prior_below_the_limit() -> None:
    mine, theirs = FAMILIES["scaled beta"]
    z = np.random.default_rng(1).normal(size=4000)
    cut = stats.uniform(0, theirs.cdf(0.9))
    found = theirs.cdf(mine.of_normal(z, 0.9))
    assert stats.kstest(found, cut.cdf).pvalue > 0.01
    assert stats.kstest(found, stats.uniform().cdf).pvalue < 1e-9


@pytest.mark.parametrize("most", LIMITS)
@pytest.mark.parametrize("name", FAMILIES)
def test_scores_are_the_inverse_of_values(name: str, most: float) -> None:
    mine, _ = FAMILIES[name]
    if name == "uniform":  # its low end is far from 0, and takes the digits of what lies next to it
        np.testing.assert_allclose(mine.to_normal(mine.of_normal(Z, most), most), Z, atol=1e-5)
        return
    np.testing.assert_allclose(mine.to_normal(mine.of_normal(Z, most), most), Z, atol=1e-7)
    values = np.geomspace(1e-3, 0.25, 20)
    np.testing.assert_allclose(mine.of_normal(mine.to_normal(values, most), most), values, rtol=1e-9)


numbers = st.floats(0.05, 20)
made = st.one_of(
    st.builds(lambda m, s: prior("lognormal", median=m, sigma=s), numbers, st.floats(0.05, 3)),
    st.builds(lambda a, b, s: prior("beta", a=a, b=b, scale=s), numbers, st.floats(0.5, 200), numbers),
    st.builds(lambda low, width: prior("uniform", low=low, high=low + width), st.floats(0, 0.9), numbers),
)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(made, st.sampled_from([1.0, np.inf]))
def test_values_are_finite_rising_and_never_above_the_limit(mine: Prior, most: float) -> None:
    if mine.share_below(most) < 1e-12:
        return
    z = np.array([-40, -9, -8, -7, -3, 0, 3, 7, 7.5, 8, 8.5, 40.0])
    values = mine.of_normal(z, most)
    assert np.isfinite(values).all()
    assert (values <= most).all()
    assert (values >= (mine.low or 0.0)).all()
    assert (np.diff(values[:7]) >= 0).all()
    # Beyond 7, shares differ in their last digits alone.
    assert (np.diff(values) >= -1e-6 * values[1:]).all()


def test_a_beta_has_a_quantile_where_the_library_has_none() -> None:
    mine = prior("beta", a=1.03125, b=0.75)
    low, known = mine.of_normal(np.array([-9.0, -7.0]))
    # The cumulated share is x^a / (a B(a, b)) near 0, so that quantiles are powers of shares.
    assert low == pytest.approx(known * (stats.norm.cdf(-9) / stats.norm.cdf(-7)) ** (1 / 1.03125), rel=1e-9)


def test_the_shipped_priors_stay_within_the_parameters_limits() -> None:
    """Case fatalities: with the rounding of a quantile they were 1 + 4e-13 from a score of 7.3 on."""
    z = np.linspace(-40, 40, 8001)
    for shipped in load("chicago2006").scenario.prior:
        limits = parameters()[shipped.key].numbers
        assert limits is not None
        values = shipped.of_normal(z, limits.upper)
        assert all(value in limits for value in values.tolist())


def test_scores_of_what_lies_outside_are_infinite() -> None:
    uniform, beta = FAMILIES["uniform"][0], FAMILIES["beta"][0]
    np.testing.assert_array_equal(uniform.to_normal(np.array([0.1, 2.0])), [-np.inf, np.inf])
    np.testing.assert_array_equal(beta.to_normal(np.array([0.0, 1.0, 1.5])), [-np.inf, np.inf, np.inf])
    np.testing.assert_array_equal(FAMILIES["lognormal"][0].to_normal(np.array([0.0])), [-np.inf])


def test_a_prior_says_what_it_is() -> None:
    assert FAMILIES["lognormal"][0].text == "lognormal (median 0.1, sigma 0.7)"
    assert FAMILIES["scaled beta"][0].text == "beta (a 2.5, b 4, scale 3)"


KEY = 'key = "relapse.scale_years"\n'
PRIOR = f"[[prior]]\n{KEY}"
SOURCE = 'source = "assumption"\n'
LOGNORMAL = 'dist = "lognormal"\nmedian = 9\nsigma = 0.6\n' + SOURCE
COUNT = '[[target]]\nendpoint = "pre_transplant_mortality"\nvalue = 0.04\nsource = "B03"\n'

# What the file says besides its base, and what the message must name besides the file.
BAD: dict[str, tuple[str, list[str]]] = {
    "number missing": (
        PRIOR + 'dist = "lognormal"\nmedian = 9\n' + SOURCE,
        ["[[prior]] number 1", "relapse.scale_years", "needs median and sigma (given: median)"],
    ),
    "no numbers": (PRIOR + 'dist = "beta"\n' + SOURCE, ["beta prior needs a and b (given: none)"]),
    "numbers of another family": (
        PRIOR + 'dist = "uniform"\nlow = 1\nhigh = 9\nmedian = 9\n' + SOURCE,
        ["uniform prior needs low and high (given: high, low, median)"],
    ),
    "scale of a lognormal": (
        PRIOR + 'dist = "lognormal"\nmedian = 9\nsigma = 0.6\nscale = 2\n' + SOURCE,
        ["needs median and sigma (given: median, scale, sigma)"],
    ),
    "unknown family": (
        PRIOR + 'dist = "normal"\nmedian = 9\n' + SOURCE,
        ['dist = "normal"', "lognormal, beta, uniform"],
    ),
    "low above high": (
        PRIOR + 'dist = "uniform"\nlow = 9\nhigh = 1\n' + SOURCE,
        ["low = 9 is not below high = 1"],
    ),
    "low equals high": (PRIOR + 'dist = "uniform"\nlow = 1\nhigh = 1\n' + SOURCE, ["low = 1 is not below"]),
    "sigma of 0": (
        PRIOR + 'dist = "lognormal"\nmedian = 9\nsigma = 0\n' + SOURCE,
        ["[[prior]] number 1: sigma = 0", "a number above 0, at most 10"],
    ),
    "nan": (PRIOR + 'dist = "lognormal"\nmedian = nan\nsigma = 1\n' + SOURCE, ["median = nan"]),
    "text for a number": (
        PRIOR + 'dist = "beta"\na = "1"\nb = 50\n' + SOURCE, ['a = "1"', "Write the number plainly: 1"]
    ),
    "no source": (PRIOR + 'dist = "beta"\na = 1\nb = 50\n', ["number 1: source is missing"]),
    "no family": (PRIOR + "median = 9\nsigma = 0.6\n" + SOURCE, ["number 1: dist is missing"]),
    "unknown member": (PRIOR + LOGNORMAL + "sigmaa = 1\n", ["sigmaa = 1: unknown key", "did you mean sigma"]),
    "unknown key": (
        '[[prior]]\nkey = "relapse.scale_year"\n' + LOGNORMAL,
        ["relapse.scale_year", "did you mean relapse.scale_years"],
    ),
    "of a word": (
        '[[prior]]\nkey = "relapse.dist"\n' + LOGNORMAL,
        ["relapse.dist: a prior needs a parameter that is a number; it is a word"],
    ),
    "of a whole number": ('[[prior]]\nkey = "cohort.patients"\n' + LOGNORMAL, ["it is a whole number"]),
    "of a word or number": ('[[prior]]\nkey = "follow_up.data_cut_days"\n' + LOGNORMAL, ["word or number"]),
    "of a distribution": ('[[prior]]\nkey = "recovery.duration_days"\n' + LOGNORMAL, ["a distribution"]),
    "two of a key": (2 * (PRIOR + LOGNORMAL), ["number 2: relapse.scale_years: has another prior; keep one"]),
    "single brackets": ("[prior]\n" + KEY + LOGNORMAL, ["write each in double brackets: [[prior]]"]),
    "fixes what has no prior": (
        PRIOR + LOGNORMAL + '[[alternative]]\nname = "x"\ntitle = "y"\nfixed = ["relapse.scale"]\n',
        ['x: fixed has "relapse.scale", which has no prior', "did you mean relapse.scale_years"],
    ),
    "alternatives of one name": (
        PRIOR + LOGNORMAL + 2 * '[[alternative]]\nname = "x"\ntitle = "y"\n',
        ["number 2: x: there is another of this name"],
    ),
    "alternative without a title": ('[[alternative]]\nname = "x"\n', ["number 1: title is missing"]),
    "alternative's values no table": (
        '[[alternative]]\nname = "x"\ntitle = "y"\nvalues = 3\n', ["values = 3", "a table of values"]
    ),
    "more observed than patients": (COUNT + "n = 50\nobserved = 51\n", ["observed = 51", "more than n = 50"]),
    "observed of nobody": (COUNT + "observed = 2\n", ["observed = 2", "state n too"]),
    "negative observed": (COUNT + "n = 50\nobserved = -1\n", ["observed = -1", "a whole number"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_said_in_words(case: str, tmp_path: Path) -> None:
    text, named = BAD[case]
    file = tmp_path / "mine.toml"
    file.write_text('base = "chicago2006"\n' + text, encoding="utf-8")
    with pytest.raises(RequestError) as refused:
        load(str(file))
    message = str(refused.value)
    assert "mine.toml" in message
    for words in named:
        assert words in message


def test_a_file_with_other_priors_than_its_base_needs_other_alternatives(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('base = "chicago2006"\n' + PRIOR + LOGNORMAL, encoding="utf-8")
    with pytest.raises(RequestError, match=r'fixed has "after_relapse.multiplier".* or alternative = \[\]'):
        load(str(file))


def test_a_files_priors_take_the_place_of_those_of_its_base(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('base = "chicago2006"\nalternative = []\n' + PRIOR + LOGNORMAL, encoding="utf-8")
    (mine,) = load(str(file)).scenario.prior
    assert (mine.key, mine.median, mine.sigma) == ("relapse.scale_years", 9, 0.6)


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_priors_hold_the_calibrated_values(name: str) -> None:
    """Within their 99.9%: a prior in other units than its parameter's would not."""
    scenario = load(name).scenario
    for shipped in scenario.prior:
        limits = parameters()[shipped.key].numbers
        assert limits is not None
        score = shipped.to_normal(np.array([get_value(scenario, shipped.key)]), limits.upper)
        assert np.abs(score) < 3.3
