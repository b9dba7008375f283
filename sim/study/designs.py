"""Points that fill a space evenly, and seeds that follow from a seed."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from sim.scenario.distributions import Floats


def sobol(dimensions: int, count: int, seed: int) -> Floats:
    """Return scrambled Sobol points strictly between 0 and 1, shape (count, dimensions)."""
    from scipy.stats import qmc  # most of a second, and most studies need none

    whole = int(np.ceil(np.log2(count)))  # the points are balanced in powers of two
    points: Floats = qmc.Sobol(dimensions, scramble=True, rng=seed).random_base2(whole)
    return np.clip(points[:count], 1e-12, 1 - 1e-12)


def derived_seed(seed: int, part: object) -> int:
    """Return a seed for a part of a study, unlike those of its other parts."""
    return int.from_bytes(blake2b(f"{seed} {part}".encode(), digest_size=8).digest(), "little")
