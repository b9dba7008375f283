"""How far each parameter, over the range that is stated for it, moves a figure: held, or solved again.

Ranges are those of a posterior, of a prior, or published ones in the parameters' declarations; a parameter
without one is left out, and listed as left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from sim.outcomes.twin.expected import expected_figure
from sim.scenario.endpoints import Key
from sim.scenario.merging import used_parameters
from sim.scenario.priors import Prior
from sim.scenario.problems import RequestError
from sim.scenario.refusals import unknown
from sim.scenario.registry import parameters, unit_of
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value
from sim.study.budget import Budget
from sim.study.compare import Side
from sim.study.draws import number_of
from sim.study.estimates import Z95
from sim.study.exact import twin_holds
from sim.study.posterior import Posterior, weighted_summary
from sim.study.records import of_endpoint
from sim.study.sweep import Spot, measure, under
from sim.work.store import ChunkStore
from sim.work.task import Tell

BETWEEN = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Parts of the way from the low end to the high one at which the figure is looked at."""

Solve = Callable[[Scenario], Scenario]
"""Gives a scenario in which the calibrated values are solved again; raises `RequestError` if none are."""


@dataclass(frozen=True)
class Stated:
    """The range that is stated for a parameter, and by whom."""

    key: str
    low: float
    high: float
    source: str


def stated_ranges(
    scenario: Scenario, posterior: Posterior | None = None, keys: Sequence[str] = ()
) -> tuple[list[Stated], pd.DataFrame]:
    """Return the parameters with a stated range, and those left out with the reason.

    Parameters
    ----------
    posterior
        Whose 95% limits are ranges.
    keys
        The parameters that are looked at; left out, all that the scenario has.

    Raises
    ------
    RequestError
        A key is unknown, or the stated range of one that is asked for does not hold its value.
    """
    known = [parameter.key for parameter in used_parameters(scenario.model_dump(exclude_none=True))]
    for key in keys:
        if key not in known:
            raise RequestError(
                unknown(f"keys: {key}: unknown key", key, known, "see lupus-hsct scenario show")
            )
    found, left = [], []
    priors = {prior.key: prior for prior in scenario.prior}
    for key in keys or known:
        own = number_of(scenario, key)
        stated = None if own is None else stated_range(key, posterior, priors)
        if stated is None or own is None:
            why = "no number" if own is None else "no range was published, and none is in the posterior"
            left.append({"key": key, "why": why})
            continue
        if not stated.low <= own <= stated.high:
            outside = f"outside of its stated range {stated.low:g} to {stated.high:g} ({stated.source})"
            if keys:
                remedy = "leave it out of keys, or take a scenario within it"
                raise RequestError(f"{key} is {own:.6g}, {outside}; {remedy}")
            left.append({"key": key, "why": f"is {own:.6g} here, {outside}"})
            continue
        found.append(stated)
    return found, pd.DataFrame(left, columns=["key", "why"])


def stated_range(key: str, posterior: Posterior | None, priors: Mapping[str, Prior]) -> Stated | None:
    """Return the range of a posterior, of a prior, or the published one; None without any."""
    if posterior is not None and key in posterior.keys:
        told = weighted_summary(posterior.values[:, posterior.keys.index(key)], posterior.weights)
        return Stated(key, told["lower"], told["upper"], "posterior 95%")
    if key in priors:
        low, high = priors[key].of_normal(np.array([-Z95, Z95])).tolist()
        return Stated(key, low, high, "prior 95%")
    plausible = parameters()[key].plausible
    return None if plausible is None else Stated(key, *plausible)


def tornado(
    scenario: Scenario,
    key: Key,
    ranges: Sequence[Stated],
    budget: Budget,
    solve: Solve | None = None,
    store: ChunkStore | None = None,
    tell: Tell | None = None,
) -> pd.DataFrame:
    """Return how far each parameter moves a figure, one row a parameter, the largest swing first.

    Parameters
    ----------
    solve
        Solves the point again at each value; then the version is ``re-solved``. A parameter that is solved
        for can't be moved so: it is solved back.

    Returns
    -------
    pandas.DataFrame
        The columns of ``tornado.csv``.
    """
    version = "held" if solve is None else "re-solved"
    free = [each for each in ranges if solve is None or each.key not in scenario.calibration.solve]
    tell = tell or (lambda _done, _total: None)
    points = [_points(scenario, each, solve) for each in _counted(free, tell)]
    asked = [point for each in points for point, _ in each if point is not None]
    exact = all(map(twin_holds, [scenario, *asked]))
    figures = _exactly if exact else _simulated
    values = iter(figures(scenario, asked, key, budget, store))
    base = next(values)
    rows = []
    for stated, each in zip(free, points, strict=True):
        own = [next(values) if point is not None else None for point, _ in each]
        why = next((text for _, text in each if text), "")
        rows.append(_row(scenario, stated, base, own, why, version))
    rows += [
        {"parameter": each.key, "version": version, "range_source": each.source, "low": each.low,
         "high": each.high, "own": number_of(scenario, each.key), "unit": unit_of(each.key),
         "swing": math.nan, "status": "solved for: at any other value it is solved back"}
        for each in ranges if each not in free
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    order = table["swing"].fillna(-1.0).argsort(kind="stable")[::-1]
    return table.iloc[order].reset_index(drop=True).assign(exact=exact)


def _counted(ranges: Sequence[Stated], tell: Tell) -> Iterator[Stated]:
    for number, each in enumerate(ranges, start=1):
        yield each
        tell(number, len(ranges))


def _points(scenario: Scenario, stated: Stated, solve: Solve | None) -> list[tuple[Scenario | None, str]]:
    """Return the scenario at each value looked at, or why there is none."""
    found: list[tuple[Scenario | None, str]] = []
    for part in BETWEEN if solve is None else (0.0, 1.0):
        moved = under(scenario, {stated.key: stated.low + part * (stated.high - stated.low)})
        try:
            found.append((moved if solve is None else solve(moved), ""))
        except RequestError as error:
            found.append((None, str(error)))
    return found


def _exactly(
    scenario: Scenario, points: Sequence[Scenario], key: Key, _budget: Budget, _store: ChunkStore | None
) -> Iterator[tuple[float, float, float, float]]:
    """Yield the figure and its difference from the scenario's, of the scenario first."""
    own, *others = expected_figure([scenario, *points], key).tolist()
    yield own, 0.0, 0.0, 0.0
    for value in others:
        yield (value, *(value - own,) * 3)


def _simulated(
    scenario: Scenario, points: Sequence[Scenario], key: Key, budget: Budget, store: ChunkStore | None
) -> Iterator[tuple[float, float, float, float]]:
    reference = Side(scenario)
    sides = [reference, *map(Side, points)]
    spots = [Spot({"point": number}, side, reference) for number, side in enumerate(sides)]
    table = measure(spots, budget, store=store)[0]
    rows = of_endpoint(table, key).sort_values("point")
    columns = ["estimate", "difference", "difference_lower", "difference_upper"]
    yield from rows[columns].itertuples(index=False, name=None)


def _row(
    scenario: Scenario, stated: Stated, base: tuple[float, ...], own: Sequence[tuple[float, ...] | None],
    why: str, version: str,
) -> dict[str, Any]:  # fmt: skip
    """Return one parameter's row."""
    ends = [own[0], own[-1]]
    row: dict[str, Any] = {
        "parameter": stated.key, "version": version, "unit": unit_of(stated.key),
        "range_source": stated.source, "low": stated.low, "high": stated.high,
        "own": get_value(scenario, stated.key), "base": base[0],
    }  # fmt: skip
    for name, end in zip(("low", "high"), ends, strict=True):
        figures = (math.nan,) * 4 if end is None else end
        parts = ("figure", "difference", "difference_lower", "difference_upper")
        row.update({f"{part}_at_{name}": value for part, value in zip(parts, figures, strict=True)})
    row["swing"] = abs(row["difference_at_high"] - row["difference_at_low"])
    row["status"] = f"infeasible: {why}" if why else "non-monotone" if _bends(own) else _within(row)
    return row


def _bends(own: Sequence[tuple[float, ...] | None]) -> bool:
    """Tell whether a figure turns between the ends, by more than its error."""
    read = [each for each in own if each is not None]
    steps = [(b[1] - a[1], (b[3] - b[2] + a[3] - a[2]) / 2) for a, b in pairwise(read)]
    signs = {step > 0 for step, error in steps if abs(step) > max(error, 1e-12)}
    return len(signs) > 1


def _within(row: dict[str, Any]) -> str:
    """Say whether both paired intervals hold 0."""
    held = [
        row[f"difference_lower_at_{end}"] <= 0 <= row[f"difference_upper_at_{end}"] for end in ("low", "high")
    ]
    return "no difference found" if all(held) else ""
