"""A study of one scenario over a grid of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

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
from sim.commands.study import Made, Progress, Stores, Study, part, write
from sim.scenario.endpoints import column
from sim.scenario.inherit import Overrides
from sim.scenario.load import cautioned
from sim.show.kit.scenario_words import headlines
from sim.study.load import warn_of_scenarios
from sim.study.montecarlo import warn_of_weak_figures
from sim.study.request import request_for
from sim.study.sweep import grid, measure_points, vary_from
from sim.work.results import Results


def sweep(
    scenario: AnyScenario,
    vary: Mapping[str, Any] | Sequence[str],
    *,
    set: Overrides = (),  # noqa: A002 (the option's name)
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
    how
        See `Effort`. ``endpoint`` is what figures show too; left out, treatment-related mortality and
        survival at the last time.

    Returns
    -------
    Results
        With ``points``: the varied keys, then the columns of ``endpoints.csv``; one row a point and endpoint.

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
    held: tuple[str, ...] = ()
    if budget.draws is not None:
        budget.draws.require(loaded, list(varied))
        held = budget.draws.held_in(loaded)
    points = grid(loaded.scenario, varied)
    asked = {"vary": {key: list(values) for key, values in varied.items()}, "shown": [*map(column, shown)]}

    def make(_folder: Path, stores: Stores, progress: Progress | None) -> Made:
        tell = part(loaded.name, progress)
        found, _ = measure_points(points, budget, tell, stores("sweep"), held)
        facts = {**facts_of(budget, budget.total, loaded, list(varied)), **asked, **about(loaded)}
        return Made(facts, {"points": found})

    def warn(results: Results) -> None:
        warn_of_weak_figures(results.points, budget.total)
        warn_of_scenarios((changed for _, changed in points), budget.seed)
        if budget.draws is not None:
            budget.draws.warn_of_held(loaded, list(varied))

    request = request_for("sweep", [loaded], budget, **asked)
    return write(Study("sweep", f"{loaded.name}-sweep", request, make, warn), how)
