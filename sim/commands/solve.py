"""A study of where a figure is what is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
from sim.scenario.schema import Scenario
from sim.study.budget import Budget
from sim.study.crossing import Reach
from sim.study.estimates import EXACT
from sim.study.load import warn_of_scenarios
from sim.study.sweep import grid, vary_from
from sim.study.threshold import reach_of, thresholds
from sim.work.results import Results
from sim.work.store import Stores
from sim.work.task import Progress, Tell, part


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
    """Find the value of a parameter at which a figure is what is asked for.

    The exact twin tells where it can; else simulation, all values under the same luck.

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
        See `Trials`; ``replications``, ``seed`` and ``workers`` matter where it is simulated.

    Returns
    -------
    Results
        With ``thresholds`` and ``line``.

    Raises
    ------
    RequestError
        Something asked for is wrong.
    """
    loaded = loaded_from(scenario, set)
    asked = AskedThreshold.of(loaded, target, by, vary_from(over) if over else {}, count)
    budget = budget_of(how, engine="arrays")
    budget.require_draws(loaded, swept=[asked.by, *asked.over])

    def make(_folder: Path, stores: Stores, progress: Progress | None) -> Made:
        found, line = asked.answer(budget, stores, part("solving", progress))
        trials = 0 if (found["note"] == EXACT).all() else budget.replications
        facts = {**facts_of(budget, trials, loaded, [asked.by, *asked.over]), **asked.stored, **about(loaded)}
        return Made(facts, {"thresholds": found, "line": line})

    def warn(_results: Results) -> None:
        warn_of_scenarios([loaded.scenario], budget.seed)
        budget.warn_of_held(loaded, swept=[asked.by, *asked.over])

    request = request_for("solve", [loaded], budget, **asked.stored)
    return write(Study("solve", f"{loaded.folder_name}-solve", request, make, warn), how)


@dataclass(frozen=True)
class AskedThreshold:
    """What is to be solved for, and by what."""

    loaded: Loaded
    key: Key
    target: float
    by: str
    reach: Reach
    over: Mapping[str, Sequence[Any]]
    count: tuple[int, int] | None
    less: Loaded | None = None
    arms: tuple[str, str] | None = None

    @classmethod
    def of(
        cls, loaded: Loaded, target: Mapping[str, float] | str, by: str, over: Mapping[str, Sequence[Any]],
        count: str | None,
    ) -> AskedThreshold:  # fmt: skip
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
        return cls(loaded, key, value, by, _reach(loaded.scenario, key, by, between), over, _count(count))

    @property
    def stored(self) -> dict[str, Any]:
        """As a manifest and a request tell it."""
        return {
            "for": {"endpoint": column(self.key), "value": self.target, "count": self.count},
            "by": {
                "key": self.by,
                "low": self.reach.low,
                "high": self.reach.high,
                "log": self.reach.log,
                "whole": self.reach.whole,
            },
            "over": {key: list(values) for key, values in self.over.items()},
            "arms": self.arms,
        }

    def as_in(self, other: Loaded, arms: tuple[str, str]) -> AskedThreshold:
        """Return it with the figure that another arm has as its target, the difference being none."""
        return replace(self, target=0.0, less=other, arms=arms)

    def answer(
        self, budget: Budget, stores: Stores | None, tell: Tell | None
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return ``thresholds.csv`` and ``line.csv``."""
        return thresholds(
            self.loaded.scenario, self.key, self.target, self.by, self.reach, budget, self.over, self.count,
            budget.held_in(self.loaded), stores, tell,
            less=None if self.less is None else self.less.scenario,
        )  # fmt: skip


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


def _reach(scenario: Scenario, key: Key, by: str, between: str) -> Reach:
    """Read the range to look in."""
    if not between:
        return reach_of(scenario, key, by)
    try:
        low, high = map(float, between.split(":"))
    except ValueError:
        low = high = np.nan
    return reach_of(scenario, key, by, low, high)


def _count(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    events, _, n = text.partition("/")
    if not (events.isdecimal() and n.isdecimal() and 0 <= int(events) <= int(n) and int(n) > 0):
        raise RequestError(f"--target-count {text}: allowed: patients of all, as in 7/53")
    return int(events), int(n)
