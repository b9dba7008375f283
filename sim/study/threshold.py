"""Thresholds: at which value of a parameter a figure is what is asked for.

The exact twin tells where it can; else simulation, all values under the same luck.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.interpolate import PchipInterpolator

from sim.outcomes.binomial import clopper_pearson
from sim.outcomes.twin.expected import expected_all, expected_figure
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import Key, column
from sim.scenario.problems import RequestError
from sim.scenario.registry import parameters
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value, with_values
from sim.study.budget import DEFAULT_REPLICATIONS, Budget
from sim.study.crossing import GRID, Figure, Reach, Rows, alike, crossings, limits, on_grid
from sim.study.estimates import EXACT, Z95, over_draws, ratios
from sim.study.exact import twin_holds
from sim.study.experiment import Experiment, Pair
from sim.study.montecarlo import simulate
from sim.study.sweep import combinations
from sim.work.store import Stores
from sim.work.task import Tell

MET, OUT_OF_REACH, FLAT = "met", "out of reach", "flat"
"""What may be said of a threshold."""
MOST_WHOLE = 32
"""Whole numbers that are looked at."""

_NAMES = ("value", "mc_lower", "mc_upper")
_FOLD, _FOLD_SIMULATED = 30.0, 4.0  # times its own value a parameter is looked at up and down
_COARSE = 9  # values that are simulated together
_STEEP = 3.0  # standard errors of a change, below which a curve counts as flat


def is_exact(scenario: Scenario, key: Key) -> bool:
    """Tell whether the twin knows a figure."""
    return twin_holds(scenario) and not np.isnan(expected_all([scenario]).get(key, np.nan)).all()


def reach_of(
    scenario: Scenario, key: Key, by: str, low: float | None = None, high: float | None = None
) -> Reach:
    """Return the range to look in; left out, all of a share's, or a factor of the scenario's own value.

    Raises
    ------
    RequestError
        The parameter is no number, or has no value to start from; the range is empty, has too many whole
        numbers, or some that are not allowed.
    """
    own, limit = get_value(scenario, by), parameters()[by].numbers if by in parameters() else None
    whole, said = limit is not None and limit.whole, low is not None and high is not None
    if isinstance(own, bool) or not (isinstance(own, int | float) or (whole and said)):
        remedy = f"say where to look, as in --by {by}=2:10" if whole else "name one that is"
        raise RequestError(f"--by {by}: is no number in this scenario; {remedy}")
    if low is not None and high is not None:
        if not low < high or not np.isfinite([low, high]).all():
            raise RequestError(
                f"--by {by}={low:g}:{high:g}: allowed: {by}, or {by}=low:high with low below high"
            )
    elif limit is not None and limit.upper <= 1:
        low, high = 0.0, float(limit.upper)
    elif own <= 0:
        raise RequestError(f"--by {by}: is 0 here; say where to look, as in --by {by}=0.001:1")
    elif whole and limit is not None:
        low, high = max(limit.lower, own // 2), max(2 * own, own + 4)
    else:
        fold = _FOLD if is_exact(scenario, key) else _FOLD_SIMULATED
        low, high = own / fold, own * fold
    for end in (low, high):
        with_values(scenario, {by: int(end) if whole and float(end).is_integer() else end})
    reach = Reach(float(low), float(high), whole)
    if whole and reach.size > MOST_WHOLE:
        raise RequestError(
            f"--by {by}: {reach.size} whole numbers from {low:g} to {high:g}; allowed: {MOST_WHOLE}; "
            "narrow the range"
        )
    return reach


def thresholds(
    scenario: Scenario,
    key: Key,
    target: float,
    by: str,
    reach: Reach,
    budget: Budget,
    over: Mapping[str, Sequence[Any]] | None = None,
    count: tuple[int, int] | None = None,
    held: Sequence[str] = (),
    stores: Stores | None = None,
    tell: Tell | None = None,
    *,
    exact: bool = True,
    less: Scenario | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Solve for the value of a parameter at which a figure is a target, at each combination of others.

    Parameters
    ----------
    over
        Values of other parameters.
    count
        Events and patients of a published target, for its sampling error.
    held
        What draws of a posterior must not replace, beside what is solved for and what is varied.
    exact
        Whether the twin may tell.
    less
        A scenario whose figure is taken away, in each draw that of the draw.

    Returns
    -------
    thresholds, line : pandas.DataFrame
        One row a combination, and the figure over the range; the columns are told in docs/results.md.

    Notes
    -----
    A simulated threshold has the standard error of y over the slope of y, under the same luck at every value.
    Under a posterior it is solved for in each draw, and the limits are quantiles of these values.
    """
    over, rows, lines = over or {}, [], []
    points = combinations(over)
    asked = (*held, by, *over)
    solver = _Solver(key, target, by, reach, budget, asked, count, stores, None if over else tell, not over)
    for number, point in enumerate(points, start=1):
        own = with_values(scenario, point)
        at_first = with_values(own, {by: reach.listed(solver.grid(2))[0]})
        told = exact and is_exact(at_first, key) and (less is None or is_exact(less, key))
        if less is not None and not told:
            raise RequestError("as_in: only the exact twin tells where arms are alike: no queue may bind")
        row, line = solver.exactly(own, less) if told else solver.by_simulation(own)
        rows.append({**point, **row})
        lines.append(line.assign(**{name: [value] * len(line) for name, value in point.items()}))
        if tell is not None and over:
            tell(number, len(points))
    found = pd.DataFrame(rows)
    return found[[*(name for name in found if name != "note"), "note"]], pd.concat(lines, ignore_index=True)


def figure_of(
    scenarios: Sequence[Scenario], key: Key, by: str, reach: Reach, less: Sequence[Scenario] = ()
) -> Figure:
    """Return a figure of scenarios as a function of one of their parameters, less that of others if any."""
    away = expected_figure(less, key) if less else np.zeros(len(scenarios))

    def figure(which: Rows, values: Floats) -> Floats:
        pairs = zip(which.tolist(), reach.listed(values), strict=True)
        moved = [with_values(scenarios[row], {by: value}) for row, value in pairs]
        return expected_figure(moved, key) - away[which]

    return figure


class _Simulated(NamedTuple):
    """A figure at some values: estimates and their standard errors under each draw, shape (draws, values).

    ``steep`` is by how many standard errors the figure changes around each step from value to value.
    """

    value: Floats
    error: Floats
    steep: Floats


@dataclass
class _Solver:
    """What is solved for, in whatever scenario.

    ``band`` says whether the line under a posterior is wanted; ``studies`` counts simulations.
    """

    key: Key
    target: float
    by: str
    reach: Reach
    budget: Budget
    held: tuple[str, ...]
    count: tuple[int, int] | None
    stores: Stores | None
    tell: Tell | None
    band: bool
    studies: int = 0

    def grid(self, size: int) -> Floats:
        """Return the values that are looked at: of whole numbers all."""
        return self.reach.grid(self.reach.size if self.reach.whole else size)

    def exactly(self, own: Scenario, less: Scenario | None = None) -> tuple[dict[str, Any], pd.DataFrame]:
        """Return the row and the line of one scenario by the twin: there is no Monte Carlo error."""
        grid = self.grid(GRID)
        others = [] if less is None else [less]
        alone = figure_of([own], self.key, self.by, self.reach, others)
        known = on_grid(alone, 1, self.reach, len(grid))
        line = pd.DataFrame({"x": grid, "figure": known[0]})
        if self.reach.whole:
            row, alone = self._smallest(known[0], 0 * grid), _between(self.reach, grid, known)
        else:
            found = crossings(alone, known, self.reach, self.target)
            row = self._row(found.value[0], int(found.times[0]), known[0])
            row["mc_lower"] = row["mc_upper"] = row["value"]
        if self.budget.draws is not None:
            drawn = self.budget.draws.over(own, self.held)
            others = [] if less is None else self.budget.draws.over(less, self.held)
            figure = figure_of(drawn, self.key, self.by, self.reach, others)
            steps = np.diff(known[0])
            one_way = row["status"] == MET and bool((steps > 0).all() or (steps < 0).all())
            if one_way and not (self.reach.whole or self.band):
                values = alike(figure, len(drawn), self.reach, self.target, known[0], row["value"])
            else:
                each = on_grid(figure, len(drawn), self.reach, len(grid))
                line["posterior_lower"], line["posterior_upper"] = np.quantile(each, (0.025, 0.975), axis=0)
                figure = _between(self.reach, grid, each) if self.reach.whole else figure
                values = self._crossed(figure, each, self.target)
            row |= _of_draws(values, *limits(values))
        return {**row, **self._of_target(alone, known), "note": EXACT}, line

    def by_simulation(self, own: Scenario) -> tuple[dict[str, Any], pd.DataFrame]:
        """Return the row and the line of one scenario by simulation, all values under the same luck."""
        draws, grid = self.budget.draws, self.grid(_COARSE)
        least = 0 if draws is None else DEFAULT_REPLICATIONS
        alone = replace(
            self.budget, draws=None, precision=None, replications=max(self.budget.replications, least)
        )
        found = self._measured(own, grid, alone)
        x, value, error = grid, found.value[0], found.error[0]
        if self.reach.whole:
            row = self._smallest(value, error)
        else:
            passes = (value[:-1] > self.target) != (value[1:] > self.target)
            steps = np.flatnonzero(passes & (found.steep >= _STEEP))
            row = self._row(np.nan, len(steps), value)
            if len(steps):
                x, value, error = self._finer(own, alone, steps[0], found)
                row |= self._refined(float(steps[0]) / (_COARSE - 1), value[steps[0] :], error[steps[0] :])
            elif passes.any():
                row |= {"status": FLAT, "attainable": np.nan}
        half = Z95 * error
        line = pd.DataFrame({"x": x, "figure": value, "mc_lower": value - half, "mc_upper": value + half})
        if draws is not None:
            each = self._measured(own, grid, self.budget)
            row |= self._drawn(grid, each)
            edges = np.quantile(each.value, (0.025, 0.975), axis=0)
            for name, edge in zip(("posterior_lower", "posterior_upper"), edges, strict=True):
                line[name] = np.interp(x, grid, edge)
        between = _between(self.reach, x, value[None])
        return {**row, **self._of_target(between, found.value), "note": ""}, line

    def _measured(self, own: Scenario, values: Floats, budget: Budget) -> _Simulated:
        """Simulate a figure at some values under the same luck."""
        scenarios = tuple(with_values(own, {self.by: value}) for value in self.reach.listed(values))
        last = len(scenarios) - 1
        around = [Pair(max(at - 1, 0), min(at + 2, last), paired=True, fates=False) for at in range(last)]
        experiment = Experiment(
            scenarios, budget.seed, "arrays", tuple(around), held=(self.held,) * len(scenarios)
        )
        self.studies += 1
        store = None if self.stores is None else self.stores(f"threshold-{self.studies}")
        (tally,) = simulate([experiment], budget, progress=self.tell, store=store)
        value, error = ratios(np.stack([arm.sums[:, arm.keys.index(self.key)] for arm in tally.arms], axis=1))
        if np.isnan(value).any():
            raise RequestError(
                f"--for {column(self.key)}: at {self.by}={values[np.isnan(value).any(axis=0)][0]:g} there is "
                "nobody of whom it tells; narrow the range, as in --by KEY=low:high, or take another figure"
            )
        changes = [(two.differences(), two.keys.index(self.key)) for two in tally.pairs]
        with np.errstate(divide="ignore", invalid="ignore"):
            steep = [abs(change.value[at]) / change.se[at] for change, at in changes]
        return _Simulated(value, error, np.nan_to_num(np.array(steep)))

    def _finer(self, own: Scenario, budget: Budget, step: int, found: _Simulated) -> tuple[Floats, ...]:
        """Return values, figures and errors of the grid with more of them within one step."""
        between = self.reach.at((step + np.linspace(0.0, 1.0, _COARSE)[1:-1]) / (_COARSE - 1))
        more = self._measured(own, between, budget)
        old, new = ((self.grid(_COARSE), found.value[0], found.error[0]),
                    (between, more.value[0], more.error[0]))  # fmt: skip
        return tuple(np.insert(row, step + 1, inner) for row, inner in zip(old, new, strict=True))

    def _refined(self, start: float, value: Floats, error: Floats) -> dict[str, float]:
        """Return the threshold within a step, with the interval of its error.

        Parameters
        ----------
        start
            Where the step begins, as a part of the range.
        value, error
            The figure at evenly spaced values from there on, and its error.
        """
        inside, u = Reach(0.0, 1.0), np.linspace(0.0, 1.0, _COARSE)
        value, error = value[:_COARSE], error[:_COARSE]
        at = float(crossings(_between(inside, u, value[None]), value[None], inside, self.target).value[0])
        slope = np.polyval(np.polyder(np.polyfit(u, value, 2)), at)
        half = Z95 * np.interp(at, u, error) / abs(slope)
        part = start + np.array([at, at - half, at + half]) / (_COARSE - 1)
        known = np.where((part >= 0) & (part <= 1), self.reach.at(part), np.nan)
        return dict(zip(_NAMES, known.tolist(), strict=True))

    def _smallest(self, value: Floats, error: Floats) -> dict[str, Any]:
        """Return the row of the smallest whole number that is past the target, seen from the lowest."""
        past = (value - self.target) * (1 if value[0] < self.target else -1)
        half, numbers = Z95 * error, self.grid(0)
        row = self._row(np.nan, 0, value)
        seen = [numbers[which] for which in (past >= 0, past + half >= 0, past - half >= 0)]
        if not len(seen[1]):
            return row
        row |= {
            name: float(each[0]) if len(each) else np.nan for name, each in zip(_NAMES, seen, strict=True)
        }
        low, high = row["mc_lower"], row["mc_upper"]
        word = "or" if high == low + 1 else "to"
        between = f"{low:g} or more" if np.isnan(high) else f"{low:g} {word} {high:g}"
        return row | {"status": MET if low == high else f"{between}: not decided", "attainable": np.nan}

    def _row(self, value: float, times: int, known: Floats) -> dict[str, Any]:
        """Return the row of a threshold that is passed so often."""
        low, high = float(known.min()), float(known.max())
        end = high if self.target > high else low if self.target < low else np.nan
        status = OUT_OF_REACH if times == 0 else MET if times == 1 else f"first of {times}"
        return {
            **dict.fromkeys(_NAMES, np.nan), "value": _known(value), "status": status, "attainable": end,
        }  # fmt: skip

    def _drawn(self, grid: Floats, each: _Simulated) -> dict[str, float]:
        """Return the posterior's limits of thresholds that are simulated under each draw.

        Their own Monte Carlo error is taken out; see `sim.study.estimates.over_draws`.
        """
        figure = _between(self.reach, grid, each.value)
        values = self._crossed(figure, each.value, self.target)
        if self.reach.whole or not np.isfinite(values).all():
            return _of_draws(values, *limits(values))
        part, every, h = self.reach.part(values), np.arange(len(values)), 0.5 / (_COARSE - 1)
        ends = [np.clip(part + side, 0, 1) for side in (-h, h)]
        down, up = (figure(every, self.reach.at(end)) for end in ends)
        error = each.error.mean(axis=1) * (ends[1] - ends[0]) / np.abs(up - down)
        low, high = over_draws(part, error, share=False)[4:6]
        return _of_draws(values, *self.reach.at(np.array([low, high])).tolist())

    def _crossed(self, figure: Figure, known: Floats, target: float) -> Floats:
        """Return where curves first cross a target; of whole numbers the first that is past it."""
        values = crossings(figure, known, self.reach, target).value
        return np.ceil(values - 1e-6) if self.reach.whole else values

    def _of_target(self, figure: Figure, known: Floats) -> dict[str, float]:
        """Return the thresholds at the ends of the interval of a published count."""
        if self.count is None:
            return {}
        ends = sorted(self._crossed(figure, known, end)[0] for end in clopper_pearson(*self.count))
        return dict(zip(("target_lower", "target_upper"), map(_known, ends), strict=True))


def _between(reach: Reach, x: Floats, known: Floats) -> Figure:
    """Return curves through figures that are known at some values, a row each, that never overshoot."""
    curves = PchipInterpolator(reach.part(x), known, axis=1)

    def figure(which: Rows, values: Floats) -> Floats:
        parts, back = np.unique(reach.part(values), return_inverse=True)
        return np.asarray(curves(parts)[which, back])

    return figure


def _of_draws(values: Floats, low: float, high: float) -> dict[str, float]:
    """Return the columns of thresholds that were solved for in each draw."""
    missed = float(np.mean(~np.isfinite(values)))
    return {"posterior_lower": low, "posterior_upper": high, "posterior_out_of_reach": missed}


def _known(value: float) -> float:
    """Return a threshold; not a number where it is out of reach."""
    return float(value) if np.isfinite(value) else math.nan
