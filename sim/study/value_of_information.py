"""What it is worth to know what is not known before an arm is chosen: all of it, or some parameters.

Gains are net benefits less that of the arm that is best on average: whoever decides now gains 0. Who knew all
would take the best arm of each draw; who knew some parameters the one that their regression shows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from sim.scenario.distributions import Floats
from sim.study.estimates import Z95
from sim.study.posterior import derived_seed, sobol
from sim.study.regression import cross_fitted
from sim.study.shrinkage import jackknife_error, shrunken

COLUMNS = ("what", "group", "keys", "patients", "value", "se", "lower", "upper", "fitted")
"""Of ``value.csv``; ``what`` is evpi, evppi, trial or variance."""
_NORMALS, _ROUNDING = 256, 1e-9


@dataclass(frozen=True)
class Choice:
    """Arms to choose between, under each draw.

    Attributes
    ----------
    best
        The arm that is best on average.
    gains
        Of the other arms, shape (arms - 1, draws).
    noise
        Covariance of their Monte Carlo errors in one draw; None by the twin.
    """

    best: int
    gains: Floats
    noise: Floats | None

    @classmethod
    def of(cls, benefits: Floats, noise: Floats | None) -> Choice:
        """Read it off net benefits, shape (arms, draws), or off what they lie above the first arm's."""
        best = int(benefits.mean(axis=1).argmax())
        others = np.arange(len(benefits)) != best
        if noise is not None:
            noise = (noise - noise[best] - noise[:, best, None] + noise[best, best])[others][:, others]
        return cls(best, (benefits - benefits[best])[others], noise)

    def kept(self, which: NDArray[np.bool_]) -> Choice:
        """Return it over some of the draws."""
        return Choice(self.best, self.gains[:, which], self.noise)


def perfect(choice: Choice, inputs: Floats, seed: int) -> tuple[Floats, Floats]:
    """Return what who knew all would gain under each draw, and how likely he would choose as now.

    Notes
    -----
    Under each draw an expectation over what finitely many trials leave open, by scrambled Sobol points: the
    best of noisy figures would be too good (the optimiser's curse: Smith JE, Winkler RL. Manag Sci
    2006;52:311-322).
    """
    known = shrunken(choice.gains, choice.noise, inputs, seed)
    if not known.covariance.any():
        top = known.means.max(axis=0)
        return np.maximum(top, 0.0), np.asarray(top <= _ROUNDING, dtype=np.float64)
    normal = special.ndtri(sobol(len(choice.gains), _NORMALS, derived_seed(seed, "normals")))
    sizes, axes = np.linalg.eigh(known.covariance)
    spread = (normal * np.sqrt(np.maximum(sizes, 0.0))) @ axes.T
    top = np.full((_NORMALS, known.means.shape[1]), -np.inf)
    for mean, own in zip(known.means, spread.T, strict=True):
        top = np.maximum(top, mean + own[:, None])
    return np.maximum(top, 0.0).mean(axis=0), (top <= 0).mean(axis=0)


def partial(choice: Choice, inputs: Floats, seed: int) -> tuple[Floats, float]:
    """Return what is gained under each draw by a choice that knows some inputs.

    Returns
    -------
    gains : array, shape (draws,)
        Under the choice that a fit to the other folds makes. Their mean is too low by what a bad fit chooses
        amiss, and never too high.
    fitted : float
        The mean of the best fitted gain, of a fit to all draws: too high by what it takes from their noise.

    Notes
    -----
    EVPPI by regression: Strong M, Oakley JE, Brennan A. Med Decis Making 2014;34:311-326. Errors of the fit
    enter the cross-fitted gain in second order alone: Chernozhukov V et al. Econom J 2018;21:C1-C68.
    """
    fit = cross_fitted(inputs, choice.gains.T, seed).T
    chosen = fit.argmax(axis=0)
    gains = np.where(fit.max(axis=0) > 0, choice.gains[chosen, np.arange(fit.shape[1])], 0.0)
    whole = cross_fitted(inputs, choice.gains.T, seed, folds=1)
    return gains, float(np.maximum(whole.max(axis=1), 0.0).mean())


def explained(difference: Floats, noise: float, inputs: Floats, seed: int) -> tuple[float, float]:
    """Return which part of the variance of a difference some inputs explain, and its standard error."""
    squares = (difference - difference.mean()) ** 2
    rest = (difference - cross_fitted(inputs, difference, seed)) ** 2
    whole = float(squares.mean()) - noise
    if whole <= 0:
        return math.nan, math.nan
    part = float(np.mean(squares - rest)) / whole
    error = np.std(squares - rest - part * (squares - noise)) / whole / math.sqrt(len(squares))
    return min(max(part, 0.0), 1.0), float(error)


def value_of_information(
    choice: Choice, inputs: Floats, groups: Mapping[str, Sequence[int]], keys: Sequence[str], seed: int
) -> tuple[pd.DataFrame, float]:
    """Return what knowing all, and each group of inputs, is worth; and the share of draws that agree.

    Parameters
    ----------
    inputs
        What is drawn, shape (draws, inputs).
    groups
        Columns of `inputs` by the name of what is known together.
    keys
        Names of the columns.

    Returns
    -------
    table : pandas.DataFrame
        `COLUMNS`. Where all draws agree on the best arm knowing more is worth nothing: then there is, in
        the place of each group's worth, the part of the variance of the difference that it explains.
    agreed : float
        In which share of draws the arm that is best on average is the best.
    """
    draws = choice.gains.shape[1]
    gains, same = perfect(choice, inputs, seed)
    agreed = float(same.mean())
    evpi = _row("evpi", "", (), gains)
    if choice.noise is not None:
        error = jackknife_error(lambda kept: _worth(choice.kept(kept), inputs[kept], seed), draws, seed)
        evpi |= _limits(evpi["value"], float(error))
    if agreed > 1 - 0.5 / draws:
        evpi |= {"value": 0.0, "lower": 0.0, "upper": math.nan}
        rows = [_explained(name, groups[name], choice, inputs, keys, seed) for name in groups]
    else:
        # The rule of three: up to so many draws may differ where none did, by as much as those that do.
        least = 3 / draws * evpi["value"] / (1 - agreed)
        rows = _partly(choice, inputs, groups, keys, seed, evpi, least)
    return pd.DataFrame([evpi, *rows], columns=list(COLUMNS)), agreed


def _worth(choice: Choice, inputs: Floats, seed: int) -> Floats:
    return np.asarray(perfect(choice, inputs, seed)[0].mean())


def _explained(
    name: str, columns: Sequence[int], choice: Choice, inputs: Floats, keys: Sequence[str], seed: int
) -> dict[str, Any]:
    """Return which part of the variance of the difference between the two best arms a group explains."""
    second = int(choice.gains.mean(axis=1).argmax())
    noise = 0.0 if choice.noise is None else float(choice.noise[second, second])
    part, error = explained(choice.gains[second], noise, inputs[:, columns], seed)
    about = {"what": "variance", "group": name, "keys": " ".join(keys[each] for each in columns)}
    return {**about, **_limits(part, error)}


def _partly(
    choice: Choice, inputs: Floats, groups: Mapping[str, Sequence[int]], keys: Sequence[str], seed: int,
    evpi: Mapping[str, Any], least: float,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return what knowing each group is worth: no more than all, and no less than a part of it."""
    found: dict[str, dict[str, Any]] = {}
    for name in sorted(groups, key=lambda each: len(groups[each])):
        columns = groups[name]
        gained, fitted = partial(choice, inputs[:, columns], seed)
        own = _row("evppi", name, [keys[each] for each in columns], gained)
        inner = [found[each] for each in found if {*groups[each]} < {*columns}]
        best = max([own, *inner], key=lambda row: row["value"])  # who knows more may leave it unused
        value = min(best["value"], evpi["value"])
        upper = min(max(best["upper"], value + least), evpi["upper"])
        limits = {"lower": min(best["lower"], value), "upper": max(upper, value)}
        found[name] = {**own, "value": value, "se": best["se"], **limits, "fitted": fitted}
    return [found[name] for name in groups]


def _row(what: str, group: str, keys: Sequence[str], gains: Floats) -> dict[str, Any]:
    """Return a row of what is gained on average; who knows more can't lose by it."""
    told = {"what": what, "group": group, "keys": " ".join(keys)}
    return {**told, **_limits(float(gains.mean()), float(gains.std(ddof=1)) / math.sqrt(len(gains)))}


def _limits(value: float, error: float) -> dict[str, float]:
    lower, upper = max(value - Z95 * error, 0.0), max(value + Z95 * error, 0.0)
    return {"value": max(value, 0.0), "se": error, "lower": lower, "upper": upper}
