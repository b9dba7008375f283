"""What single draws differ by, without the Monte Carlo error that finitely many trials leave in each.

Estimates of single draws scatter more than what they estimate. How much is noise is known, so that it can be
taken out: each is drawn towards what its inputs let expect, by as much as it is noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.patient.luck import independent
from sim.scenario.distributions import Floats
from sim.study.posterior import derived_seed
from sim.study.regression import cross_fitted

_GROUPS = 20


@dataclass(frozen=True)
class Shrunken:
    """What is known of some quantities under each draw: normal, with these means and one covariance.

    Attributes
    ----------
    means
        Shape (quantities, draws).
    covariance
        What finitely many trials leave open in each draw, shape (quantities, quantities); 0 without noise.
    """

    means: Floats
    covariance: Floats


def shrunken(found: Floats, noise: Floats | None, inputs: Floats, seed: int) -> Shrunken:
    """Return what is known of some quantities under each draw, of estimates with Monte Carlo error.

    Parameters
    ----------
    found
        Estimates, shape (quantities, draws).
    noise
        Covariance of their errors in one draw; None if there are none.
    inputs
        What is drawn, shape (draws, inputs).

    Notes
    -----
    An area's estimate, drawn towards its regression: Fay RE, Herriot RA. J Am Stat Assoc 1979;74:269-277. The
    error is pooled over draws: one in which nobody happens to differ has no error of its own to be estimated.
    """
    if noise is None or not noise.any():
        return Shrunken(found, np.zeros((len(found), len(found))))
    expected = cross_fitted(inputs, found.T, seed).T
    rest = found - expected
    left = _positive(rest @ rest.T / rest.shape[1] - noise)
    part = left @ np.linalg.pinv(left + noise, hermitian=True)
    return Shrunken(expected + part @ rest, _positive(left - part @ left))


def _positive(matrix: Floats) -> Floats:
    """Return the nearest covariance: differences of two estimated ones may be none."""
    sizes, axes = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((axes * np.maximum(sizes, 0.0)) @ axes.T)


def jackknife_error(estimate: Callable[[NDArray[np.bool_]], Floats], draws: int, seed: int) -> Floats:
    """Return the standard error of what is estimated of draws, by leaving out a twentieth at a time.

    Parameters
    ----------
    estimate
        Gives it for the draws that are kept.

    Notes
    -----
    The delete-a-group jackknife: Kott PS. J Off Stat 2001;17:521-526.
    """
    groups = min(_GROUPS, draws)
    group = np.argsort(independent(derived_seed(seed, "jackknife"), draws), kind="stable") % groups
    each = np.stack([estimate(group != left) for left in range(groups)])
    return np.asarray(math.sqrt(groups - 1) * each.std(axis=0))
