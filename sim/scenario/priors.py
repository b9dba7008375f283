"""What is believed of a parameter before the trial is looked at, and other ways to see the trial.

A prior gives values at standard normal scores, so that every calibration works in coordinates in
which the prior is standard normal, whatever its family.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import scipy
from pydantic import Field, model_validator

from sim.scenario.distributions import Floats, Table

_Positive = Annotated[float, Field(gt=0, le=1e9)]
_SHARES = (1e-30, 1 - 2**-53)  # the ends have infinite quantiles, and a beta's go astray before
FAMILIES = {"lognormal": ("median", "sigma"), "beta": ("a", "b"), "uniform": ("low", "high")}
"""The families of priors and what each needs; a beta may have a scale too."""


class Prior(Table):
    """The prior of one free parameter, cut off at the parameter's own limits."""

    key: str = Field(description="the parameter")
    dist: str = Field(description="lognormal (median, sigma), beta (a, b, and scale) or uniform (low, high)")
    median: _Positive | None = Field(None, description="of a lognormal")
    sigma: Annotated[float, Field(gt=0, le=10)] | None = Field(None, description="sd of the logarithm")
    a: _Positive | None = Field(None, description="of a beta")
    b: _Positive | None = Field(None, description="of a beta")
    scale: _Positive | None = Field(None, description="multiplies a beta: 1 if left out")
    low: Annotated[float, Field(ge=0, le=1e9)] | None = Field(None, description="of a uniform")
    high: _Positive | None = Field(None, description="of a uniform")
    source: str = Field(description="evidence ids, or assumption")

    @property
    def given(self) -> dict[str, float]:
        """The numbers that are given, by name."""
        names = ("median", "sigma", "a", "b", "scale", "low", "high")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    @property
    def text(self) -> str:
        """The prior in a few words."""
        numbers = ", ".join(f"{name} {value:g}" for name, value in self.given.items())
        return f"{self.dist} ({numbers})"

    def of_normal(self, z: Floats, most: float = np.inf) -> Floats:
        """Return the values at standard normal scores, of the part of the prior up to a limit."""
        share = np.clip(scipy.special.ndtr(z) * self.share_below(most), *_SHARES)
        return np.asarray(np.minimum(self._quantile(share), most))  # rounding could lift it over the limit

    def _quantile(self, share: Floats) -> Floats:
        given = self.given
        if self.dist == "lognormal":
            return np.asarray(given["median"] * np.exp(given["sigma"] * scipy.special.ndtri(share)))
        if self.dist == "beta":
            a, b = given["a"], given["b"]
            unit = scipy.special.betaincinv(a, b, share)
            # Where it gives up, for shares of 1e-18 and the like, the first term of the series is exact.
            first = np.exp((np.log(share * a) + scipy.special.betaln(a, b)) / a)
            return np.asarray(np.where(np.isnan(unit), first, unit) * (self.scale or 1.0))
        return np.asarray(given["low"] + (given["high"] - given["low"]) * share)

    def to_normal(self, values: Floats, most: float = np.inf) -> Floats:
        """Return the standard normal scores of values: the inverse of `of_normal`."""
        return np.asarray(scipy.special.ndtri(np.clip(self._cdf(values) / self.share_below(most), 0.0, 1.0)))

    def share_below(self, most: float) -> float:
        """Return the share of the prior's mass up to a limit."""
        return float(self._cdf(np.array([most]))[0]) if np.isfinite(most) else 1.0

    def _cdf(self, x: Floats) -> Floats:
        given = self.given
        if self.dist == "lognormal":
            with np.errstate(divide="ignore"):
                return np.asarray(scipy.special.ndtr(np.log(x / given["median"]) / given["sigma"]))
        if self.dist == "beta":
            unit = np.clip(x / (self.scale or 1.0), 0.0, 1.0)
            return np.asarray(scipy.special.betainc(given["a"], given["b"], unit))
        low, high = given["low"], given["high"]
        return np.asarray(np.clip((x - low) / (high - low), 0.0, 1.0))

    @model_validator(mode="after")
    def _numbers_of_its_family(self) -> Prior:
        if self.dist not in FAMILIES:
            raise ValueError(f'{self.key}: dist = "{self.dist}": allowed: {", ".join(FAMILIES)}')
        needed, optional = FAMILIES[self.dist], {"scale"} if self.dist == "beta" else set()
        if set(self.given) - optional != set(needed):
            have = ", ".join(sorted(self.given)) or "none"
            raise ValueError(f"{self.key}: a {self.dist} prior needs {' and '.join(needed)} (given: {have})")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"{self.key}: low = {self.low:g} is not below high = {self.high:g}")
        return self


AS_IT_IS = "as_it_is"
"""Name of the scenario itself beside its alternatives."""


class Alternative(Table):
    """Another way to see the same trial, whose posterior weight is asked for."""

    name: str = Field(description="one word, for tables")
    title: str = Field(description="what is seen otherwise, in a few words")
    scenario: str | None = Field(None, description="shipped scenario whose targets are taken instead")
    values: dict[str, Any] = Field(default_factory=dict, description='other values: { "key" = value, ... }')
    fixed: list[str] = Field(default_factory=list, description="free parameters that are fixed here")
