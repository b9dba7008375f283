"""Every distribution that a file may state can be drawn."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import TypeAdapter

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
