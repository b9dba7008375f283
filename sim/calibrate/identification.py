"""Which combinations of parameters the figures tell something of, and which stay as free as before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sim.calibrate.search import Search
from sim.scenario.distributions import Floats

FREE = 0.8
"""Share of the prior's variance that a direction keeps from which it counts as free."""


def directions(search: Search) -> pd.DataFrame:
    """Return the directions of the parameter space, from the best known to the least.

    Coordinates are standard normal scores of the priors, so that every direction had variance 1 beforehand;
    what it has left is an eigenvalue of the posterior covariance.

    Returns
    -------
    pandas.DataFrame
        ``direction, variance_left, status`` (identified, in part, free), and the part of each parameter.
    """
    z, weights = search.sample.z, search.sample.weights
    centred = z - weights @ z
    left, vectors = np.linalg.eigh((weights[:, None] * centred).T @ centred)
    rows = []
    for number, (variance, vector) in enumerate(zip(left, vectors.T, strict=True), start=1):
        signed = vector * np.sign(vector[np.argmax(np.abs(vector))])
        status = "free" if variance >= FREE else "identified" if variance < 0.25 else "in part"
        parts = dict(zip(search.free.keys, signed.tolist(), strict=True))
        rows.append({"direction": number, "variance_left": variance, "status": status, **parts})
    return pd.DataFrame(rows)


def free_combination(jacobian: Floats, keys: Sequence[str]) -> str | None:
    """Say in which combination the parameters can move without moving a figure; None if in none.

    Parameters
    ----------
    jacobian
        Derivatives of figures (rows) by logarithms (logits for shares) of the parameters.
    """
    _, sizes, rows = np.linalg.svd(jacobian)
    if sizes.size == len(keys) and sizes.min() > 1e-9 * max(sizes.max(), 1e-300):
        return None
    vector = rows[-1] / np.abs(rows[-1]).max()
    parts = [f"{part:+.2g} x {key}" for part, key in zip(vector, keys, strict=True) if abs(part) > 0.01]
    return " ".join(parts)
