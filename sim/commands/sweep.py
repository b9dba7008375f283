"""A study of one scenario over a grid of values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, Unpack, get_args

from sim.commands.asked import (
    AnyScenario,
    Effort,
    about,
    effort_of,
    facts_of,
    loaded_from,
    parse_endpoint,
    texts_of,
)
from sim.commands.study import Made, Study, request_for, write
from sim.scenario.changes import in_words, retitled
from sim.scenario.endpoints import BY_NAME, Key, column
from sim.scenario.inherit import Overrides
from sim.scenario.load import Loaded, cautioned
from sim.scenario.problems import IncomparableWarning, RequestError
from sim.show.kit.scenario_words import headlines
from sim.study.budget import Budget
from sim.study.compare import incomparable
from sim.study.load import warn_of_scenarios
from sim.study.montecarlo import warn_of_weak_figures
from sim.study.sweep import Vary, beside, grid, measure_points, moves_most, vary_from
from sim.work.results import Results
from sim.work.store import Stores
from sim.work.task import Progress, part

Reference: TypeAlias = Literal["scenario", "first"]


def sweep(
    scenario: AnyScenario,
    vary: Mapping[str, Any] | Sequence[str],
    *,
    set: Overrides = (),  # noqa: A002 (the option's name)
    reference: Reference = "scenario",
    contour: Sequence[float] | str = (),
    **how: Unpack[Effort],
) -> Results:
    """Simulate a scenario over a grid of values, every point under the same luck.

    Parameters
    ----------
    scenario
        A shipped name, a path, or what `load_scenario` and `with_values` return.
    vary
        Values by key: a list, or text as after ``--vary key=``.
    set
        Changes of the scenario at all points: values by key.
    reference
        From what differences are taken: ``"scenario"`` as it is, which is a point too even where no value
        of `vary` is its own, or the ``"first"`` point.
    contour
        Levels of the lines on maps, shares as fractions.
    how
        See `Effort`. ``endpoint`` is what figures show too; left out, survival of all enrolled at the last
        time, treatment-related mortality and, where rooms are limited, the wait for one. What moves most
        is always shown beside them.

    Returns
    -------
    Results
        With ``points``: the varied keys, ``reference`` (whether it is that point), the columns of
        ``endpoints.csv`` and those of the paired difference; one row a point and endpoint.

    Raises
    ------
    RequestError
        Something asked for is wrong; the message says what is allowed.
    """
    loaded = loaded_from(scenario, set)
    varied = vary_from(vary)
    loaded = cautioned(loaded, varied)
    shown = [parse_endpoint(text, loaded.scenario) for text in texts_of(how)] or headlines(loaded.scenario)
    budget = effort_of(how, loaded.scenario, shown=True)
    budget.require_draws(loaded, swept=list(varied))
    if reference not in get_args(Reference):
        raise RequestError(f"--reference: {reference!r} given; allowed: {' or '.join(get_args(Reference))}")
    swept = _Sweep(loaded, varied, shown, budget, reference, _levels(contour, shown, varied))
    request = request_for("sweep", [loaded], budget, **swept.asked)
    return write(Study("sweep", f"{loaded.folder_name}-sweep", request, swept.make, swept.warn), how)


class _Sweep:
    """One sweep: its points, of which one may be the scenario itself."""

    def __init__(
        self, loaded: Loaded, varied: Vary, shown: Sequence[Key], budget: Budget,
        reference: Reference, contours: Sequence[float],
    ) -> None:  # fmt: skip
        self._loaded, self._shown, self._budget = loaded, shown, budget
        self._keys, self._points = list(varied), grid(loaded.scenario, varied)
        self._reference = self._points[0][1]
        if reference == "scenario":
            self._reference, self._points = loaded.scenario, beside(loaded.scenario, self._points)
        own = next(point for point, changed in self._points if changed is self._reference)
        self.asked = {
            "vary": {key: list(values) for key, values in varied.items()},
            "shown": [*map(column, shown)],
            "reference": {"which": reference, "point": own},
            "contours": contours,
        }

    def make(self, _folder: Path, stores: Stores, progress: Progress | None) -> Made:
        """Simulate every point, and find what moves most."""
        budget, loaded = self._budget, self._loaded
        tell, held = part(loaded.name, progress), budget.held_in(loaded)
        found, _ = measure_points(self._points, self._reference, budget, tell, stores("sweep"), held)
        moves = moves_most(found, self._shown)
        facts = {
            **facts_of(budget, budget.total, loaded, self._keys),
            **self.asked,
            "moves_most": None if moves is None else column(moves),
            **about(loaded),
        }
        own, keys = loaded.scenario, list(map(in_words, self._keys))
        facts["resolved"]["title"] = retitled(own.title, keys, "varied", whole=bool(own.changed))
        return Made(facts, {"points": found})

    def warn(self, results: Results) -> None:
        """Warn of weak figures, of scenarios, of points that are no alternatives, of what draws leave."""
        warn_of_weak_figures(results.points, self._budget.total)
        warn_of_scenarios((changed for _, changed in self._points), self._budget.seed)
        apart = [reason for _, changed in self._points for reason in incomparable(self._reference, changed)]
        if apart:
            IncomparableWarning.say(
                f"{self._loaded.name}: not every point is an alternative to the reference: {apart[0]}. "
                "Other people, or another day to count from, make a difference that no treatment has made"
            )
        self._budget.warn_of_held(self._loaded, swept=self._keys)


def _levels(asked: Sequence[float] | str, shown: Sequence[Key], varied: Mapping[str, Any]) -> list[float]:
    """Read the levels of contours: numbers, or one text with commas.

    Raises
    ------
    RequestError
        One of them is no finite number or no figure of what is shown, or nothing is drawn as a map.
    """
    if len(varied) < 2 and len(asked):
        raise RequestError("--contour: a line is drawn on a map, which needs two keys to --vary")
    given = [each for each in asked.split(",") if each.strip()] if isinstance(asked, str) else asked
    try:
        found = sorted({float(each) for each in given})
        most = 1.0 if all(BY_NAME[name].kind == "share" for name, _ in shown) else math.inf
        if all(math.isfinite(level) and 0 <= level <= most for level in found):
            return found
    except (TypeError, ValueError):
        pass
    raise RequestError(f"--contour: {asked} given; allowed: numbers, shares as fractions: 0.02,0.13")
