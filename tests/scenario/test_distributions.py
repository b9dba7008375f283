"""Every distribution that a file may state can be drawn."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from sim.scenario.distributions import Distribution

# The lowest and the highest uniform that luck gives, and the middle.
UNIFORMS = np.array([2.0**-33, 0.5, 1 - 2.0**-33])
EXTREMES = [
    *({"dist": "exponential", "mean": mean} for mean in (1e-300, 1e9)),
    *(
        {"dist": "lognormal", "mean": mean, "sd": sd}
        for mean, sd in ((1e-300, 1e-294), (1e3, 1e9), (1e9, 0.0))
    ),
    *({"dist": "lognormal", "median": median, "sigma": 10.0} for median in (1e-300, 1e9)),
    *({"dist": "gamma", "mean": mean, "sd": sd} for mean, sd in ((1e-300, 1e-297), (1e6, 1e9), (1e9, 1.0))),
    *(
        {"dist": "weibull", "shape": shape, "scale": scale}
        for shape in (0.01, 1000.0)
        for scale in (1e-300, 1e9)
    ),
]


@pytest.mark.parametrize("stated", EXTREMES, ids=lambda stated: " ".join(map(str, stated.values())))
def test_extremes_are_drawn_without_a_warning(stated: dict[str, object]) -> None:
    distribution = TypeAdapter(Distribution).validate_python(stated)
    values = distribution.quantile(UNIFORMS)
    assert np.all(np.isfinite(values))
    assert np.all(np.diff(values) >= 0)
    shares = distribution.cdf(np.array([0.0, *values, 1e30]))
    assert np.all((shares >= 0) & (shares <= 1))


FAMILIES: dict[str, dict[str, object]] = {
    "lognormal": {"dist": "lognormal", "mean": 28.0, "sd": 14.0},
    "gamma": {"dist": "gamma", "mean": 28.0, "sd": 40.0},
    "weibull": {"dist": "weibull", "shape": 0.7, "scale": 28.0},
    "exponential": {"dist": "exponential", "mean": 28.0},
}


@pytest.mark.parametrize("bounds", [{"low": 12.0}, {"high": 33.0}, {"low": 12.0, "high": 33.0}], ids=str)
@pytest.mark.parametrize("stated", FAMILIES.values(), ids=FAMILIES)
def test_a_bounded_distribution_is_the_whole_given_that_it_lies_between(
    stated: dict[str, object], bounds: dict[str, float]
) -> None:
    whole, cut = (TypeAdapter(Distribution).validate_python(law) for law in (stated, stated | bounds))
    x = np.linspace(0.0, 200.0, 401)
    low, high = bounds.get("low", 0.0), bounds.get("high", np.inf)
    below, kept = whole.cdf(np.array(low)), whole.cdf(np.array(high)) - whole.cdf(np.array(low))
    given_inside = (whole.cdf(np.clip(x, low, high)) - below) / kept
    np.testing.assert_allclose(cut.cdf(x), given_inside, atol=1e-14)
    u = np.linspace(0.001, 0.999, 999)
    np.testing.assert_allclose(cut.cdf(cut.quantile(u)), u, atol=1e-12)
    ends = cut.quantile(UNIFORMS[[0, 2]])
    assert low <= ends[0] < ends[1] <= high
    # And a distribution without bounds stays what it was, to the bit.
    np.testing.assert_array_equal(whole.quantile(u), whole._whole_quantile(u))


@pytest.mark.parametrize(
    ("bounds", "wrong"),
    [
        ({"low": 9.0, "high": 9.0}, "low is 9 and high 9: low must lie below high"),
        ({"low": 60.0, "high": 5.0}, "low must lie below high"),
        ({"low": 4000.0}, "none of the distribution lies between low and high"),
        ({"high": 1e-9}, "none of the distribution lies between low and high"),
    ],
)
def test_bounds_between_which_nothing_can_be_drawn_are_refused(bounds: dict[str, float], wrong: str) -> None:
    for stated in ({"dist": "lognormal", "mean": 28.0, "sd": 14.0}, {"dist": "fixed", "value": 7.0}):
        with pytest.raises(ValidationError, match=wrong):
            TypeAdapter(Distribution).validate_python(stated | bounds)
    edge = TypeAdapter(Distribution).validate_python({"dist": "fixed", "value": 7.0, "low": 7.0, "high": 8.0})
    np.testing.assert_array_equal(edge.quantile(UNIFORMS), 7.0)
