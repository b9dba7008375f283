"""Equally weighted draws of a posterior, under each of which a study is simulated.

A draw replaces a scenario's value of a free parameter only where that value is the calibrated one: what a
scenario, ``--set`` or a sweep states otherwise is its question, and stays.
"""

from __future__ import annotations

import csv
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from sim.scenario.problems import HeldValueWarning, RequestError
from sim.scenario.refusals import unknown_key
from sim.scenario.registry import parameters
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value, with_values
from sim.study.posterior import Posterior

WEIGHT = "weight"
_SAME = 1e-6


@dataclass(frozen=True, slots=True)
class Draws:
    """Equally weighted joint draws of some parameters.

    Attributes
    ----------
    keys
        The parameters.
    point
        Their calibrated values.
    values
        One row a draw.
    """

    keys: tuple[str, ...]
    point: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]

    def replaced(self, scenario: Scenario) -> tuple[str, ...]:
        """Return the parameters of which the scenario has the calibrated value."""
        return tuple(
            key for key, value in zip(self.keys, self.point, strict=True)
            if math.isclose(get_value(scenario, key), value, rel_tol=_SAME)
        )  # fmt: skip

    def over(self, scenario: Scenario) -> list[Scenario]:
        """Return the scenario under each draw.

        Raises
        ------
        RequestError
            Nothing of the posterior is about this scenario.
        """
        replaced = self.replaced(scenario)
        if not replaced:
            raise RequestError(
                f"--posterior: {scenario.title}: has none of the calibrated values of "
                f"{', '.join(self.keys)}, so the posterior is not about it; take a scenario "
                "based on the calibrated one, or calibrate this one"
            )
        chosen = [self.keys.index(key) for key in replaced]
        return [
            with_values(scenario, dict(zip(replaced, (row[at] for at in chosen), strict=True)))
            for row in self.values
        ]

    def warn_of_held(self, scenario: Scenario, meant: Sequence[str] = ()) -> None:
        """Warn of parameters that keep the scenario's own value, but for those meant to."""
        held = [key for key in self.keys if key not in (*self.replaced(scenario), *meant)]
        if held:
            warnings.warn(
                f"{scenario.title}: {', '.join(held)} not as calibrated, so the scenario's own value is "
                "kept in every draw, and what is not known about it is not in the intervals",
                HeldValueWarning,
                stacklevel=2,
            )


def write_posterior(posterior: Posterior, point: Sequence[float], path: Path) -> None:
    """Write a posterior: the calibrated values with weight 0, and then the draws."""
    table = pd.DataFrame(np.vstack([point, posterior.values]), columns=list(posterior.keys))
    table.insert(0, WEIGHT, np.append(0.0, posterior.weights))
    table.to_csv(path, index=False, lineterminator="\n", float_format="%.10g")


def read_posterior(path: Path) -> tuple[Posterior, tuple[float, ...]]:
    """Read a posterior that `write_posterior` wrote, with the calibrated values.

    Raises
    ------
    RequestError
        The file can't be read, or is no posterior.
    """
    where = f"--posterior {path.as_posix()}"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = list(csv.reader(file))
    except FileNotFoundError:
        raise RequestError(
            f"{where}: there is no such file; name the posterior.csv in a folder that "
            "`lupus-hsct calibrate` wrote"
        ) from None
    except (OSError, UnicodeDecodeError, ValueError, csv.Error) as error:
        raise RequestError(f"{where}: can't be read as CSV: {error}") from None
    keys = tuple(header[1:])
    if not header or header[0] != WEIGHT or not keys:
        raise RequestError(f"{where}: is no posterior: its first column must be {WEIGHT}, then parameters")
    for key in keys:
        if key not in parameters():
            raise RequestError(f"{where}: {unknown_key(key)}")
    try:
        table = np.array([[float(text) for text in row] for row in rows])
    except ValueError as error:
        raise RequestError(f"{where}: every value must be a number: {error}") from None
    if table.ndim != 2 or len(table) < 2 or table.shape[1] != len(header):
        raise RequestError(
            f"{where}: needs {len(header)} numbers a row, the calibrated values and then draws"
        )
    weights = table[1:, 0]
    if not np.isfinite(table).all() or weights.min() < 0 or weights.sum() <= 0 or table[0, 0] != 0:
        raise RequestError(
            f"{where}: weights must not be negative, one at least above 0, and that of the first row, the "
            "calibrated values, 0; no value may be NaN or infinite"
        )
    return Posterior(keys, table[1:, 1:], weights / weights.sum()), tuple(table[0, 1:].tolist())


def draws_from(path: Path, count: int, seed: int) -> Draws:
    """Return equally weighted draws of a posterior file; refusals as in `read_posterior`."""
    posterior, point = read_posterior(path)
    values = posterior.resampled(count, seed)
    return Draws(posterior.keys, point, tuple(map(tuple, values.tolist())))
