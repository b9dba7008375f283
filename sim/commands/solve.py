"""A study of where a figure is what is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pandas as pd

from sim.commands.asked import AnyScenario, Trials, about, budget_of, facts_of, loaded_from, parse_endpoint
from sim.commands.study import Made, Study, request_for, write
from sim.scenario.endpoints import BY_NAME, Key, column
from sim.scenario.inherit import Overrides
from sim.scenario.load import Loaded
from sim.scenario.problems import RequestError
from sim.scenario.registry import parameters
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value, with_values
from sim.study.budget import Budget
from sim.study.estimates import clopper_pearson
from sim.study.load import warn_of_scenarios
from sim.study.sweep import grid, vary_from
from sim.study.threshold import Reach, crossings, figure_of, limits, on_grid
from sim.work.results import Results
from sim.work.store import Stores
from sim.work.task import Progress, part

_FOLD = 30.0
"""How many times a parameter's own value a threshold is looked for, up and down, unless it is said."""


def solve(
    scenario: AnyScenario,
    target: Mapping[str, float] | str,
    by: str,
    *,
    over: Mapping[str, Any] | Sequence[str] = (),
    count: str | None = None,
    set: Overrides = (),  # noqa: A002 (the option's name)
    **how: Unpack[Trials],
) -> Results:
    """Find the value of a parameter at which a figure is what is asked for, by the exact twin.

    Parameters
    ----------
    scenario
        A shipped name, a path, or what `load_scenario` and `with_values` return.
    target
        One figure and its value: ``{"treatment_related_mortality": 0.13}``, or text with ``=``.
    by
        The parameter to solve for, or with the range to look in: ``key=low:high``.
    over
        Values of other parameters at each of which it is solved for, as in `sweep`.
    count
        Patients of whom the target is a published count, as ``"7/53"``: then it has a sampling error.
    set
        Changes of the scenario: values by key.
    how
        See `Trials`; of these, ``posterior`` and ``draws`` say what is not known about the parameters.

    Returns
    -------
    Results
        With ``thresholds`` and ``line``.

    Raises
    ------
    RequestError
        A queue may bind, the figure has no exact value, or something asked for is wrong.
    """
    loaded = loaded_from(scenario, set)
    asked = _Asked.of(loaded, target, by, vary_from(over) if over else {}, count)
    budget = budget_of(how, engine="arrays")
    budget.require_draws(loaded, swept=[asked.by, *asked.over])

    def make(_folder: Path, _stores: Stores, progress: Progress | None) -> Made:
        thresholds, line = asked.answer(budget, part("solving", progress))
        facts = {**facts_of(budget, 0, loaded, [asked.by, *asked.over]), **asked.stored, **about(loaded)}
        return Made(facts, {"thresholds": thresholds, "line": line})

    def warn(_results: Results) -> None:
        warn_of_scenarios([loaded.scenario], budget.seed)
        budget.warn_of_held(loaded, swept=[asked.by, *asked.over])

    request = request_for("solve", [loaded], budget, **asked.stored)
    return write(Study("solve", f"{loaded.folder_name}-solve", request, make, warn), how)


@dataclass(frozen=True)
class _Asked:
    """What is to be solved for, and by what."""

    loaded: Loaded
    key: Key
    target: float
    by: str
    reach: Reach
    over: Mapping[str, Sequence[Any]]
    count: tuple[int, int] | None

    @classmethod
    def of(
        cls, loaded: Loaded, target: Mapping[str, float] | str, by: str, over: Mapping[str, Sequence[Any]],
        count: str | None,
    ) -> _Asked:  # fmt: skip
        """Read what is asked for; refusals are those of `solve`."""
        name, value = _target(target)
        key = parse_endpoint(name, loaded.scenario)
        if BY_NAME[key[0]].kind == "share" and not 0 < value < 1:
            raise RequestError(f"--for {name}={value:g}: allowed: a share above 0 and below 1, as in 0.13")
        by, _, between = by.partition("=")
        if by in over:
            raise RequestError(f"--over {by}: it is what is solved for; name another parameter")
        if over:
            grid(loaded.scenario, over)
        return cls(loaded, key, value, by, _reach(loaded.scenario, by, between), over, _count(count))

    @property
    def stored(self) -> dict[str, Any]:
        """As a manifest and a request tell it."""
        return {
            "for": {"endpoint": column(self.key), "value": self.target, "count": self.count},
            "by": {"key": self.by, "low": self.reach.low, "high": self.reach.high, "log": self.reach.log},
            "over": {key: list(values) for key, values in self.over.items()},
        }

    def answer(
        self, budget: Budget, tell: Callable[[int, int], None] | None
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return ``thresholds.csv`` and ``line.csv``."""
        rows, lines = [], []
        points = [dict(zip(self.over, values, strict=True)) for values in product(*self.over.values())]
        for number, point in enumerate(points, start=1):
            row, line = self._solved(point, budget)
            rows.append({**point, **row})
            lines.append(line.assign(**{key: [value] * len(line) for key, value in point.items()}))
            if tell is not None:
                tell(number, len(points))
        return pd.DataFrame(rows), pd.concat(lines, ignore_index=True)

    def _solved(self, point: Mapping[str, Any], budget: Budget) -> tuple[dict[str, Any], pd.DataFrame]:
        own = with_values(self.loaded.scenario, point)
        alone = figure_of([own], self.key, self.by)
        known = on_grid(alone, 1, self.reach)
        found = crossings(alone, known, self.reach, self.target)
        value, lowest, highest = _known(found.value[0]), float(known.min()), float(known.max())
        # The twin has no Monte Carlo error.
        row: dict[str, Any] = dict.fromkeys(("value", "mc_lower", "mc_upper"), value)
        line = pd.DataFrame({"x": self.reach.grid, "figure": known[0]})
        if budget.draws is not None:
            held = (*budget.draws.held_in(self.loaded), self.by, *point)
            drawn = budget.draws.over(own, held)
            figure = figure_of(drawn, self.key, self.by)
            each = on_grid(figure, len(drawn), self.reach)
            line["posterior_lower"], line["posterior_upper"] = np.quantile(each, (0.025, 0.975), axis=0)
            values = crossings(figure, each, self.reach, self.target).value
            row["posterior_lower"], row["posterior_upper"] = limits(values)
            row["posterior_out_of_reach"] = float(np.mean(~np.isfinite(values)))
        if self.count is not None:
            ends = [crossings(alone, known, self.reach, end).value[0] for end in clopper_pearson(*self.count)]
            row["target_lower"], row["target_upper"] = (_known(end) for end in sorted(ends))
        times = int(found.times[0])
        row["status"] = "out of reach" if times == 0 else "met" if times == 1 else f"first of {times}"
        row["attainable"] = highest if self.target > highest else lowest if self.target < lowest else np.nan
        return row, line


def _known(value: float) -> float:
    """Return a threshold; not a number where it is out of reach."""
    return float(value) if np.isfinite(value) else math.nan


def _target(target: Mapping[str, float] | str) -> tuple[str, float]:
    """Read the figure and its value."""
    try:
        if isinstance(target, str):
            name, _, text = target.partition("=")
            return name.strip(), float(text)
        ((name, value),) = target.items()
        return name, float(value)
    except (TypeError, ValueError):
        raise RequestError(
            f"--for {target}: allowed: one figure and its value, as in treatment_related_mortality=0.13 or "
            "overall_survival_enrolled@5=0.8"
        ) from None


def _reach(scenario: Scenario, by: str, between: str) -> Reach:
    """Read the range to look in; left out, all of a share's, or a factor of the scenario's own value."""
    own = get_value(scenario, by)
    if isinstance(own, bool) or not isinstance(own, float):
        raise RequestError(f"--by {by}: is no continuous number in this scenario; name one that is")
    if not between:
        limit = parameters()[by].numbers if by in parameters() else None
        if limit is not None and limit.upper <= 1:
            return Reach(0.0, float(limit.upper))
        if own <= 0:
            raise RequestError(f"--by {by}: is 0 here; say where to look, as in --by {by}=0.001:1")
        return Reach(own / _FOLD, own * _FOLD)
    try:
        low, high = map(float, between.split(":"))
    except ValueError:
        low = high = np.nan
    if not low < high or not np.isfinite([low, high]).all():
        raise RequestError(f"--by {by}={between}: allowed: {by}, or {by}=low:high with low below high")
    for end in (low, high):
        with_values(scenario, {by: end})
    return Reach(low, high)


def _count(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    events, _, n = text.partition("/")
    if not (events.isdecimal() and n.isdecimal() and 0 <= int(events) <= int(n) and int(n) > 0):
        raise RequestError(f"--target-count {text}: allowed: patients of all, as in 7/53")
    return int(events), int(n)
