"""Sweeps: one scenario over a grid of values, every point under the same luck."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from sim.scenario.distributions import Floats
from sim.scenario.inherit import set_value
from sim.scenario.problems import RequestError
from sim.scenario.registry import plain
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value, parameters, with_values
from sim.study.budget import Budget, Simulator
from sim.study.experiment import Experiment, Pair
from sim.study.montecarlo import Progress, choose_simulator, simulate
from sim.work.store import ChunkStore

MAX_POINTS = 10_000
_ALLOWED = "key=low:high:points, key=log:low:high:points or key=a,b,c"


Vary: TypeAlias = Mapping[str, Sequence[Any]]
"""What is varied: the values of each key, in the order given."""


def vary_from(asked: Mapping[str, Any] | Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Read what is varied: values by key, or texts as after ``--vary``.

    Raises
    ------
    RequestError
        A text has none of the three forms, a range is empty or reversed, or a key or a value is named twice.
    """
    if not isinstance(asked, Mapping):
        read = [_parse(text) for text in ([asked] if isinstance(asked, str) else asked)]
        names = [key for key, _ in read]
        for name in names:
            if names.count(name) > 1:
                raise RequestError(f"--vary {name}: named twice; give its values in one --vary")
        return dict(read)
    return dict(_given(key, values) for key, values in asked.items())


def _given(key: str, values: Any) -> tuple[str, tuple[Any, ...]]:
    """Read the values of one key: several, or one text that describes them."""
    if isinstance(values, str):
        return _parse(f"{key}={values}")
    if isinstance(values, Mapping) or not isinstance(values, Iterable):
        raise RequestError(
            f"--vary {key}: {values!r} given; allowed: a list of values, or text as {_ALLOWED}"
        )
    return key, _distinct(tuple(plain(value) for value in values), key)


def _distinct(values: tuple[Any, ...], text: str) -> tuple[Any, ...]:
    if not values:
        raise RequestError(f"--vary {text}: no value given; give one at least")
    if len({repr(value) for value in values}) < len(values):
        raise RequestError(f"--vary {text}: a value is given twice; name each once")
    return values


def _parse(text: str) -> tuple[str, tuple[Any, ...]]:
    """Read one ``--vary``."""
    key, equals, values = (part.strip() for part in text.partition("="))
    if not equals or not key or not values:
        raise RequestError(f"--vary {text}: allowed: {_ALLOWED}")
    if ":" not in values:
        return key, _distinct(tuple(set_value(value.strip()) for value in values.split(",")), text)
    parts = values.split(":")
    logarithmic = parts[0].strip() == "log"
    low, high, points = _range(text, parts[1:] if logarithmic else parts)
    if logarithmic and low <= 0:
        raise RequestError(f"--vary {text}: a logarithmic range starts above 0, not at {low:g}")
    spaced: Floats = np.geomspace(low, high, points) if logarithmic else np.linspace(low, high, points)
    # Decimal steps as people write them: 0.3 and not 0.30000000000000004.
    return key, tuple(float(f"{value:.12g}") for value in spaced)


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


def grid(scenario: Scenario, vary: Vary) -> list[tuple[dict[str, Any], Scenario]]:
    """Return every point of the grid with its scenario, all checked before anything runs.

    Raises
    ------
    RequestError
        A key is unknown, a value is not allowed, or the grid is empty or too large.
    """
    if not vary:
        raise RequestError(f"--vary: nothing to vary; give at least one, as {_ALLOWED}")
    if math.prod(map(len, vary.values())) > MAX_POINTS:
        raise RequestError(f"--vary: the grid has more than {MAX_POINTS} points; take fewer on each key")
    axes = [_whole(key, values) for key, values in vary.items()]
    points = [dict(zip(vary, values, strict=True)) for values in itertools.product(*axes)]
    try:
        for name in vary:  # an unknown key is refused before its values are looked at
            get_value(scenario, name)
        return [(point, with_values(scenario, point)) for point in points]
    except RequestError as error:
        raise RequestError(f"--vary {error}") from None


def _whole(key: str, values: Sequence[Any]) -> Sequence[Any]:
    """Read 3.0 as 3 where the key counts things, because a range gives numbers with a point."""
    parameter = parameters().get(key)
    if parameter is None or parameter.numbers is None or not parameter.numbers.whole:
        return values
    return [int(value) if isinstance(value, float) and value.is_integer() else value for value in values]


def range_points(scenario: Scenario) -> list[tuple[dict[str, Any], Scenario]]:
    """Return each value of the scenario's range with the scenario under it; of several, all combinations.

    Empty without a range.
    """
    vary = {shown.key: shown.values for shown in scenario.range}
    try:
        return grid(scenario, vary) if vary else []
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
