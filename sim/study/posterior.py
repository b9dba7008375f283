"""A posterior: weighted joint draws of a scenario's free parameters, and the file that they are kept in.

Points that fill a space evenly, and seeds that follow from a seed, are here too: draws are made of them.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from sim.scenario.distributions import Floats
from sim.scenario.problems import RequestError
from sim.scenario.reading import read_text
from sim.scenario.refusals import cut_short, unknown_key
from sim.scenario.registry import parameters, short


def sobol(dimensions: int, count: int, seed: int) -> Floats:
    """Return scrambled Sobol points strictly between 0 and 1, shape (count, dimensions)."""
    from scipy.stats import qmc  # most of a second, and most studies need none

    whole = int(np.ceil(np.log2(count)))  # the points are balanced in powers of two
    points: Floats = qmc.Sobol(dimensions, scramble=True, rng=seed).random_base2(whole)
    return np.clip(points[:count], 1e-12, 1 - 1e-12)


def derived_seed(seed: int, part: object) -> int:
    """Return a seed for a part of a study, unlike those of its other parts."""
    return int.from_bytes(blake2b(f"{seed} {part}".encode(), digest_size=8).digest(), "little")


WEIGHT = "weight"
MOST_BYTES = 2**27
"""Of a posterior file; the one that ships has 279 kB and 2,960 draws."""


@dataclass(frozen=True)
class Posterior:
    """Weighted joint draws of a scenario's free parameters.

    Attributes
    ----------
    keys
        The free parameters.
    values, weights
        Shapes (draws, keys) and (draws,); weights add to 1.
    """

    keys: tuple[str, ...]
    values: Floats
    weights: Floats

    @property
    def effective_size(self) -> float:
        """Independent draws that would tell as much."""
        return effective_size(self.weights)

    def resampled(self, count: int, seed: int) -> Floats:
        """Return equally weighted draws, shape (count, keys).

        They stand where scrambled Sobol points cut the cumulated weights: evenly, and in no order.
        """
        at = sobol(1, count, derived_seed(seed, "resampled"))[:, 0]
        chosen = np.searchsorted(np.cumsum(self.weights), at).clip(max=self.weights.size - 1)
        return np.asarray(self.values[chosen])


def weighted_summary(values: Floats, weights: Floats) -> dict[str, float]:
    """Return mean, its Monte Carlo error, SD with its error, median and 95% limits of weighted values."""
    if values.min() == values.max():  # sums would leave errors of rounding, which look like Monte Carlo ones
        weights, values = np.ones(1), values[:1]
    mean = float(weights @ values)
    variance = float(weights @ (values - mean) ** 2)
    mean_se = float(np.sqrt((weights**2) @ (values - mean) ** 2))
    sd = float(np.sqrt(variance))
    sd_se = (
        float(np.sqrt((weights**2) @ ((values - mean) ** 2 - variance) ** 2)) / (2 * sd) if sd > 0 else 0.0
    )
    low, median, high = weighted_quantiles(values, weights, (0.025, 0.5, 0.975))
    return {
        "mean": mean, "mc_se": mean_se, "sd": sd, "sd_mc_se": sd_se,
        "lower": low, "median": median, "upper": high,
    }  # fmt: skip


def weighted_quantiles(values: Floats, weights: Floats, shares: Sequence[float]) -> tuple[float, ...]:
    """Return the values below which some shares of the weight lie."""
    order = np.argsort(values, kind="stable")
    cumulated = np.cumsum(weights[order]) - 0.5 * weights[order]
    return tuple(np.interp(shares, cumulated / weights.sum(), values[order]).tolist())


def effective_size(weights: Floats) -> float:
    """Return Kish's effective sample size, ``(sum w)^2 / sum w^2``; 0 without any weight."""
    return float(weights.sum() ** 2 / max((weights**2).sum(), np.finfo(np.float64).tiny))


def posterior_table(posterior: Posterior, point: Sequence[float]) -> pd.DataFrame:
    """Return a posterior as it is kept: the calibrated values with weight 0, and then the draws."""
    table = pd.DataFrame(np.vstack([point, posterior.values]), columns=list(posterior.keys))
    table.insert(0, WEIGHT, np.append(0.0, posterior.weights))
    return table


def read_posterior(path: Path) -> tuple[Posterior, tuple[float, ...]]:
    """Read a posterior as `posterior_table` keeps it, with the calibrated values.

    Raises
    ------
    RequestError
        The file can't be read, or is no posterior.
    """
    where = f"--posterior {path.as_posix()}"
    header, rows = _lines(path, where)
    keys = tuple(header[1:])
    if not keys or header[0] != WEIGHT:
        raise RequestError(
            f"{where}: is no posterior: its first line must be {WEIGHT} and then the parameters, as in the "
            "posterior.csv in a folder that `lupus-hsct calibrate` wrote"
        )
    _check_keys(keys, where)
    table = np.array([_numbers(header, *line, where) for line in rows])
    if len(table) < 2:
        raise RequestError(f"{where}: needs a line with the calibrated values and then draws, one a line")
    weights = table[1:, 0]
    if weights.min() < 0 or weights.sum() <= 0 or table[0, 0] != 0:
        raise RequestError(
            f"{where}: weights must not be negative, one at least above 0, and that of the first line, the "
            "calibrated values, 0"
        )
    return Posterior(keys, table[1:, 1:], weights / weights.sum()), tuple(table[0, 1:].tolist())


def _lines(path: Path, where: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the head of a CSV file, and its other lines with their numbers; empty ones are left out."""
    what = "name the posterior.csv in a folder that `lupus-hsct calibrate` wrote"
    text = read_text(path, where, what, MOST_BYTES, f"; {what}")
    try:
        lines = [(number, line) for number, line in enumerate(csv.reader(StringIO(text)), start=1) if line]
    except csv.Error as error:
        raise RequestError(f"{where}: can't be read as CSV: {error}") from None
    if not lines:
        raise RequestError(f"{where}: is empty; run `lupus-hsct calibrate` again for a whole one")
    (_, header), *rows = lines
    return header, rows


def _check_keys(keys: Sequence[str], where: str) -> None:
    for key in keys:
        if key not in parameters():
            raise RequestError(f"{where}: {unknown_key(key)}")
        if not parameters()[key].is_number:
            raise RequestError(
                f"{where}: {key}: is a {parameters()[key].type_text}; a posterior is of parameters that are "
                "one continuous number each"
            )
        if keys.count(key) > 1:
            raise RequestError(f"{where}: {key}: has two columns; keep one")


def _numbers(header: Sequence[str], line: int, texts: Sequence[str], where: str) -> list[float]:
    """Read one line: a weight, and values that their parameters accept."""
    if len(texts) != len(header):
        raise RequestError(
            f"{where}, line {line}: has {len(texts)} values; allowed: {len(header)}, one for each name in "
            "the first line"
        )
    numbers = []
    for name, text in zip(header, texts, strict=True):
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        limits = None if name == WEIGHT else parameters()[name].numbers
        if not math.isfinite(number):
            raise RequestError(f"{where}, line {line}: {name} = {cut_short(text)}: allowed: a finite number")
        if limits is not None and number not in limits:
            raise RequestError(f"{where}, line {line}: {name} = {short(number)}: allowed: {limits.text}")
        numbers.append(number)
    return numbers
