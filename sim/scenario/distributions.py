"""Distributions of durations, ages and yields: quantile and distribution functions, always over arrays.

One array code turns uniforms into values for every simulator, because scalar and array transcendental
functions differ in their last bits.

Any family may be cut off at ``low`` and ``high``. What lies between them keeps its shape: u stands for the
share F(low) + u (F(high) - F(low)) of the whole. Mean, sd or median remain those of the whole. Of observed
values those between the bounds are drawn from.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import lru_cache
from typing import Annotated, Any, Literal, Self, TypeAlias

import numpy as np
import scipy
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator


class Table(BaseModel):
    """One table of a scenario file: strict types, no unknown keys, no NaN or infinity."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


Floats: TypeAlias = NDArray[np.float64]

_Positive = Annotated[float, Field(gt=0, le=1e9)]
_NonNegative = Annotated[float, Field(ge=0, le=1e9)]
_Sigma = Annotated[float, Field(ge=0, le=10)]
_WeibullShape = Annotated[float, Field(ge=0.01, le=1000)]
_Bound = _NonNegative | None

MOST_VALUES = 10_000
"""Observed values that a distribution may be made of."""
_LARGEST = 1e9

# Beyond these, quantiles leave the range of numbers.
_WIDEST = {"lognormal": 1e6, "gamma": 1e3}
_NARROWEST_GAMMA = 1e-9
_LEAST_SHARE = 1e-9  # between low and high; of less the quantiles can't be told apart
_BELOW_ONE = np.nextafter(1.0, 0.0)


def _too_wide(family: str, mean: float, sd: float) -> ValueError | None:
    """Return an error if the spread is beyond what can be drawn."""
    if sd <= _WIDEST[family] * mean:
        return None
    return ValueError(
        f"sd is more than {_WIDEST[family]:g} times the mean; a {family} so wide can't be drawn"
    )


class _Distribution(BaseModel):
    """What every distribution answers; values are in the unit of the key that holds it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    low: _Bound = None
    high: _Bound = None

    @abstractmethod
    def _whole_quantile(self, u: Floats) -> Floats:
        """Return the quantiles of the family, without bounds."""

    @abstractmethod
    def _whole_cdf(self, x: Floats) -> Floats:
        """Return the distribution function of the family, without bounds."""

    def _own_error(self) -> ValueError | None:
        """Return what is wrong with the numbers of the family."""
        return None

    @model_validator(mode="after")
    def _can_be_drawn(self) -> Self:
        if error := self._own_error():
            raise error
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low is {self.low:g} and high {self.high:g}: low must lie below high")
        if self.bounds and self.kept < _LEAST_SHARE:
            raise ValueError("none of the distribution lies between low and high; widen them, or move it")
        return self

    @property
    def bounds(self) -> tuple[float, ...]:
        """Where it is cut off, if it is."""
        return tuple(bound for bound in (self.low, self.high) if bound is not None)

    @property
    def _shares(self) -> tuple[float, float]:
        """Shares of the whole below low, and up to high."""
        ends = np.array([np.nextafter(self.low or 0.0, -np.inf), np.inf if self.high is None else self.high])
        first, last = self._whole_cdf(ends).tolist()
        return first, last

    @property
    def kept(self) -> float:
        """Share of the whole that lies between the bounds."""
        return float(np.diff(self._shares)[0])

    def quantile(self, u: Floats) -> Floats:
        """Return the values below which the shares `u` (strictly between 0 and 1) lie."""
        if not self.bounds:
            return self._whole_quantile(u)
        first, last = self._shares
        share = np.minimum(first + u * (last - first), _BELOW_ONE)
        return np.asarray(np.clip(self._whole_quantile(share), self.low, self.high))

    def cdf(self, x: Floats) -> Floats:
        """Return the share of values at or below `x`."""
        if not self.bounds:
            return self._whole_cdf(x)
        first, last = self._shares
        return np.asarray(np.clip((self._whole_cdf(x) - first) / (last - first), 0.0, 1.0))


class Fixed(_Distribution):
    """Always the same value."""

    dist: Literal["fixed"] = "fixed"
    value: _NonNegative

    def _whole_quantile(self, u: Floats) -> Floats:
        """Return the value for each of `u`."""
        return np.full(np.shape(u), self.value)

    def _whole_cdf(self, x: Floats) -> Floats:
        """Return 0 below the value and 1 from it on."""
        return np.asarray(x >= self.value, dtype=np.float64)


class Exponential(_Distribution):
    """Exponential with a mean."""

    dist: Literal["exponential"]
    mean: _Positive

    def _whole_quantile(self, u: Floats) -> Floats:
        """Return ``-mean log(1 - u)``."""
        return -self.mean * np.log1p(-u)

    def _whole_cdf(self, x: Floats) -> Floats:
        """Return ``1 - exp(-x / mean)``."""
        with np.errstate(over="ignore"):
            return -np.expm1(-np.maximum(x, 0.0) / self.mean)


class Lognormal(_Distribution):
    """Lognormal, given by mean and sd, or by median and sigma (the sd of the logarithm)."""

    dist: Literal["lognormal"]
    mean: _Positive | None = None
    sd: _NonNegative | None = None
    median: _Positive | None = None
    sigma: _Sigma | None = None

    def _own_error(self) -> ValueError | None:
        given = {name for name in ("mean", "sd", "median", "sigma") if getattr(self, name) is not None}
        if given not in ({"mean", "sd"}, {"median", "sigma"}):
            have = ", ".join(sorted(given)) or "neither"
            return ValueError(f"a lognormal needs mean and sd, or median and sigma (given: {have})")
        if self.mean is not None and self.sd is not None:
            return _too_wide(self.dist, self.mean, self.sd)
        return None

    @property
    def log_mean_and_sigma(self) -> tuple[float, float]:
        """Mean and standard deviation of the logarithm."""
        if self.median is not None and self.sigma is not None:
            return float(np.log(self.median)), self.sigma
        if self.mean is None or self.sd is None:  # the validator has made sure of one pair
            raise TypeError("lognormal without parameters")
        variance = float(np.log1p((self.sd / self.mean) ** 2))
        return float(np.log(self.mean)) - variance / 2, float(np.sqrt(variance))

    def _whole_quantile(self, u: Floats) -> Floats:
        """Return ``exp(mu + sigma z(u))`` with z the standard normal quantile."""
        return self.of_normal(scipy.special.ndtri(u))

    def of_normal(self, z: Floats) -> Floats:
        """Return ``exp(mu + sigma z)``: the value where a standard normal one would be `z`."""
        mu, sigma = self.log_mean_and_sigma
        value = np.asarray(sigma * z)
        value += mu
        return np.exp(value, out=value)

    def _whole_cdf(self, x: Floats) -> Floats:
        """Return the normal distribution function of the standardised logarithm."""
        mu, sigma = self.log_mean_and_sigma
        if sigma == 0:
            return np.asarray(x >= np.exp(mu), dtype=np.float64)
        with np.errstate(divide="ignore"):
            return np.asarray(scipy.special.ndtr((np.log(np.maximum(x, 0.0)) - mu) / sigma))


class Gamma(_Distribution):
    """Gamma, given by mean and sd."""

    dist: Literal["gamma"]
    mean: _Positive
    sd: _Positive

    def _own_error(self) -> ValueError | None:
        if self.sd < _NARROWEST_GAMMA * self.mean:
            return ValueError(
                f"sd is less than {_NARROWEST_GAMMA:g} times the mean; write the mean as a number"
            )
        return _too_wide(self.dist, self.mean, self.sd)

    @property
    def shape_and_scale(self) -> tuple[float, float]:
        """Shape and scale with this mean and sd."""
        shape = (self.mean / self.sd) ** 2
        return shape, self.mean / shape

    def _whole_quantile(self, u: Floats) -> Floats:
        """Invert the regularised incomplete gamma function."""
        shape, scale = self.shape_and_scale
        return np.asarray(scale * scipy.special.gammaincinv(shape, u))

    def _whole_cdf(self, x: Floats) -> Floats:
        """Return the regularised incomplete gamma function."""
        shape, scale = self.shape_and_scale
        with np.errstate(over="ignore"):
            return np.asarray(scipy.special.gammainc(shape, np.maximum(x, 0.0) / scale))


class Weibull(_Distribution):
    """Weibull with shape and scale."""

    dist: Literal["weibull"]
    shape: _WeibullShape
    scale: _Positive

    def _whole_quantile(self, u: Floats) -> Floats:
        """Return ``scale (-log(1 - u)) ** (1 / shape)``."""
        return self.scale * (-np.log1p(-u)) ** (1.0 / self.shape)

    def _whole_cdf(self, x: Floats) -> Floats:
        """Return ``1 - exp(-(x / scale) ** shape)``."""
        with np.errstate(over="ignore"):
            return -np.expm1(-((np.maximum(x, 0.0) / self.scale) ** self.shape))


def _observed(values: Any) -> tuple[float, ...]:
    """Return observed values in ascending order, so that nothing is told of the order in which they came."""
    if not isinstance(values, (list, tuple)):
        raise ValueError("write the values as a list of numbers: [9, 10, 12]")
    if not 1 <= len(values) <= MOST_VALUES:
        raise ValueError(f"there are {len(values):,} values; allowed are 1 to {MOST_VALUES:,}")
    for number, value in enumerate(values, start=1):
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= _LARGEST:  # not a number is neither
            shown = repr(value) if is_number else f'"{str(value)[:40]}"'
            raise ValueError(f"number {number} of the values is {shown}: each must be a number from 0 to 1e9")
    return tuple(sorted(float(value) for value in values))


_Observed = Annotated[
    tuple[float, ...],
    BeforeValidator(_observed, json_schema_input_type=list[float]),
    PlainSerializer(list, return_type=list[float]),
]


@lru_cache(maxsize=64)
def _between(values: tuple[float, ...], low: float, high: float) -> Floats:
    every = np.array(values)
    kept: Floats = every[(every >= low) & (every <= high)]
    kept.setflags(write=False)
    return kept


class Empirical(_Distribution):
    """Values that were observed, each as likely as any other; one that occurs twice is twice as likely."""

    dist: Literal["empirical"]
    values: _Observed = Field(
        description=f"a list of 1 to {MOST_VALUES:,} numbers from 0 to 1e9, in any order"
    )

    def _own_error(self) -> ValueError | None:
        if self.kept_values.size:
            return None
        return ValueError("none of the values lies between low and high; widen them, or leave them out")

    @property
    def bounds(self) -> tuple[float, ...]:
        """None: the values outside low and high are left out, and those left need no rescaling."""
        return ()

    @property
    def kept_values(self) -> Floats:
        """The values that lie between the bounds, in ascending order."""
        return _between(self.values, self.low or 0.0, np.inf if self.high is None else self.high)

    def _whole_quantile(self, u: Floats) -> Floats:
        """Return the k-th smallest of n values, from 0, for u from k / n up to (k + 1) / n: a step function.

        With u = (w + 1/2) / 2^32 the product below is exact, so that u on a step is above it.
        """
        kept = self.kept_values
        return kept.take(np.minimum((u * kept.size).astype(np.intp), kept.size - 1))

    def _whole_cdf(self, x: Floats) -> Floats:
        """Return the share of values at or below each of `x`."""
        kept = self.kept_values
        return np.searchsorted(kept, x, side="right") / kept.size


def _number_is_fixed(value: Any) -> Any:
    """Read a bare number as the fixed distribution; everything else is left for the validators."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return {"dist": "fixed", "value": value}
    return value


_Family: TypeAlias = Fixed | Exponential | Lognormal | Gamma | Weibull | Empirical

Distribution: TypeAlias = Annotated[
    Annotated[_Family, Field(discriminator="dist")],
    BeforeValidator(_number_is_fixed, json_schema_input_type=float | _Family),
]
