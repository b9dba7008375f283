"""Sweeps: one scenario over a grid of values, every point under the same luck."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from sim.scenario.distributions import Floats
from sim.scenario.inherit import set_value
from sim.scenario.problems import RequestError
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value, parameters, with_values
from sim.study.budget import Budget, Simulator
from sim.study.experiment import Experiment, Pair
from sim.study.load import warn_of_scenarios
from sim.study.montecarlo import Progress, choose_simulator, simulate, warn_of_weak_figures
from sim.work.store import ChunkStore

MAX_POINTS = 10_000
_ALLOWED = "key=low:high:points, key=log:low:high:points or key=a,b,c"


@dataclass(frozen=True, slots=True)
class Axis:
    """One varied key and its values, in the order given."""

    key: str
    points: tuple[Any, ...]
    logarithmic: bool = False

    @property
    def numeric(self) -> bool:
        """Whether every value is a number."""
        return all(isinstance(value, (int, float)) for value in self.points)


def parse_axis(text: str) -> Axis:
    """Read one ``--vary``.

    Raises
    ------
    RequestError
        It has none of the three forms, or its range is empty or reversed.
    """
    key, equals, values = text.partition("=")
    key, values = key.strip(), values.strip()
    if not equals or not key or not values:
        raise RequestError(f"--vary {text}: allowed: {_ALLOWED}")
    if ":" not in values:
        read = tuple(set_value(value.strip()) for value in values.split(","))
        if len({repr(value) for value in read}) < len(read):
            raise RequestError(f"--vary {text}: a value is given twice; name each once")
        return Axis(key, read)
    parts = values.split(":")
    logarithmic = parts[0].strip() == "log"
    low, high, points = _range(text, parts[1:] if logarithmic else parts)
    if logarithmic and low <= 0:
        raise RequestError(f"--vary {text}: a logarithmic range starts above 0, not at {low:g}")
    spaced: Floats = np.geomspace(low, high, points) if logarithmic else np.linspace(low, high, points)
    # Decimal steps as people write them: 0.3 and not 0.30000000000000004.
    return Axis(key, tuple(float(f"{value:.12g}") for value in spaced), logarithmic)


def _range(text: str, parts: Sequence[str]) -> tuple[float, float, int]:
    try:
        low, high, points = float(parts[0]), float(parts[1]), int(parts[2])
        if len(parts) != 3 or not math.isfinite(low) or not math.isfinite(high):
            raise ValueError
    except (ValueError, IndexError):
        raise RequestError(f"--vary {text}: allowed: {_ALLOWED}; points is a whole number") from None
    if low >= high:
        reason = "is empty" if low == high else "runs backwards"
        raise RequestError(
            f"--vary {text}: the range from {low:g} to {high:g} {reason}; give the lower end first, "
            f"or a single value as {text.partition('=')[0]}={low:g}"
        )
    if not 2 <= points <= MAX_POINTS:
        raise RequestError(f"--vary {text}: {points} points; allowed: 2 to {MAX_POINTS}")
    return low, high, points


def grid(scenario: Scenario, axes: Sequence[Axis]) -> list[tuple[dict[str, Any], Scenario]]:
    """Return every point of the grid with its scenario, all checked before anything runs.

    Raises
    ------
    RequestError
        A key is unknown or named twice, a value is not allowed, or the grid is too large.
    """
    if not axes:
        raise RequestError(f"--vary: nothing to vary; give at least one, as {_ALLOWED}")
    names = [axis.key for axis in axes]
    for name in names:
        if names.count(name) > 1:
            raise RequestError(f"--vary {name}: named twice; give its values in one --vary")
    axes = [_whole(axis) for axis in axes]
    if math.prod(len(axis.points) for axis in axes) > MAX_POINTS:
        raise RequestError(f"--vary: the grid has more than {MAX_POINTS} points; take fewer on each key")
    points = [
        dict(zip(names, values, strict=True)) for values in itertools.product(*(axis.points for axis in axes))
    ]
    try:
        for name in names:  # an unknown key is refused before its values are looked at
            get_value(scenario, name)
        return [(point, with_values(scenario, point)) for point in points]
    except RequestError as error:
        raise RequestError(f"--vary {error}") from None


def _whole(axis: Axis) -> Axis:
    """Read 3.0 as 3 where the key counts things, because a range gives numbers with a point."""
    parameter = parameters().get(axis.key)
    if parameter is None or parameter.numbers is None or not parameter.numbers.whole:
        return axis
    points = tuple(
        int(value) if isinstance(value, float) and value.is_integer() else value for value in axis.points
    )
    return replace(axis, points=points)


def sweep(
    scenario: Scenario,
    axes: Sequence[Axis],
    budget: Budget,
    progress: Progress | None = None,
    store: ChunkStore | None = None,
    held: Sequence[str] = (),
) -> pd.DataFrame:
    """Estimate every endpoint at every point of the grid.

    The luck is the same at every point, so curves are smooth and differences between points have less
    error than the intervals of the points themselves suggest. With a precision, the differences from the
    first point are in the table too, and their half-widths are what counts.

    Parameters
    ----------
    held
        Parameters that draws of a posterior must not replace, besides those varied.

    Returns
    -------
    pandas.DataFrame
        The varied keys, then the columns of ``endpoints.csv``; one row a point and endpoint.

    Raises
    ------
    RequestError
        As `grid`.
    """
    points = grid(scenario, axes)
    swept, _ = measure_points(points, budget, progress, store, held)
    warn_of_weak_figures(swept, budget.total)
    warn_of_scenarios((changed for _, changed in points), budget.seed)
    return swept


def range_points(scenario: Scenario) -> list[tuple[dict[str, Any], Scenario]]:
    """Return each value of the scenario's range with the scenario under it; of several, all combinations.

    Empty without a range.
    """
    axes = [Axis(shown.key, tuple(shown.values)) for shown in scenario.range]
    try:
        return grid(scenario, axes) if axes else []
    except RequestError as error:
        raise RequestError(f"[[range]] {str(error).removeprefix('--vary ')}") from None


def measure_points(
    points: Sequence[tuple[dict[str, Any], Scenario]],
    budget: Budget,
    progress: Progress | None = None,
    store: ChunkStore | None = None,
    held: Sequence[str] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Estimate endpoints and survival curves at some points, all under the same luck.

    Parameters
    ----------
    held
        Parameters that draws of a posterior must not replace; those of the points are held anyway.

    Returns
    -------
    points, curves : pandas.DataFrame
        The varied keys, then the columns of ``endpoints.csv`` and of ``curves.csv``.
    """
    simulator, _ = choose_simulator([points[0][1]], budget)
    held = (*held, *points[0][0])
    experiments = [_experiment(points[0][1], changed, budget, simulator, held) for _, changed in points]
    measured = []
    tallies = simulate(experiments, budget, progress=progress, store=store)
    for (point, _), tally in zip(points, tallies, strict=True):
        arm = tally.arms[-1]
        endpoints = arm.endpoints()
        if tally.pairs:
            found = tally.pairs[0].differences()
            endpoints["difference"] = found.value
            endpoints["difference_lower"] = found.lower
            endpoints["difference_upper"] = found.upper
            endpoints["replications"] = tally.replications
        tables = endpoints, arm.curves()
        for table in tables:
            for column, (key, value) in enumerate(point.items()):
                table.insert(column, key, [value] * len(table))
        measured.append(tables)
    endpoints, curves = (pd.concat(tables, ignore_index=True) for tables in zip(*measured, strict=True))
    return endpoints, curves


def _experiment(
    first: Scenario, changed: Scenario, budget: Budget, simulator: Simulator, held: tuple[str, ...]
) -> Experiment:
    """Return the experiment of one point; with a precision, beside the first point."""
    if budget.precision is None:
        return Experiment((changed,), budget.seed, simulator, held=(held,))
    beside = Pair(0, 1, paired=True, fates=False)
    return Experiment((first, changed), budget.seed, simulator, (beside,))
