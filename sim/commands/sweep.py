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
from sim.commands.study import Made, Progress, Stores, Study, part, write
from sim.scenario.endpoints import column
from sim.scenario.inherit import Overrides
from sim.scenario.problems import RequestError
from sim.show.kit.scenario_words import headlines
from sim.study.load import warn_of_scenarios
from sim.study.montecarlo import warn_of_weak_figures
from sim.study.request import request_for
from sim.study.sweep import beside, grid, measure_points, moves_most, vary_from
from sim.work.results import Results

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
        time and treatment-related mortality. What moves most is always shown beside them.

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
    shown = [parse_endpoint(text, loaded.scenario) for text in texts_of(how)] or headlines(loaded.scenario)
    budget = effort_of(how, loaded.scenario, shown=True)
    held: tuple[str, ...] = ()
    if budget.draws is not None:
        budget.draws.require(loaded, list(varied))
        held = budget.draws.held_in(loaded)
    points = grid(loaded.scenario, varied)
    if reference not in get_args(Reference):
        raise RequestError(f"--reference: {reference!r} given; allowed: {' or '.join(get_args(Reference))}")
    if reference == "scenario":
        points = beside(loaded.scenario, points)
    base = loaded.scenario if reference == "scenario" else points[0][1]
    own = next(point for point, changed in points if changed is base)
    asked = {
        "vary": {key: list(values) for key, values in varied.items()},
        "shown": [*map(column, shown)],
        "reference": {"which": reference, "point": own},
        "contours": _levels(contour),
    }

    def make(_folder: Path, stores: Stores, progress: Progress | None) -> Made:
        tell = part(loaded.name, progress)
        found, _ = measure_points(points, base, budget, tell, stores("sweep"), held)
        moves = moves_most(found, shown)
        facts = {
            **facts_of(budget, budget.total, loaded, list(varied)),
            **asked,
            "moves_most": None if moves is None else column(moves),
            **about(loaded),
        }
        return Made(facts, {"points": found})

    def warn(results: Results) -> None:
        warn_of_weak_figures(results.points, budget.total)
        warn_of_scenarios((changed for _, changed in points), budget.seed)
        if budget.draws is not None:
            budget.draws.warn_of_held(loaded, list(varied))

    request = request_for("sweep", [loaded], budget, **asked)
    return write(Study("sweep", f"{loaded.name}-sweep", request, make, warn), how)


def _levels(asked: Sequence[float] | str) -> list[float]:
    """Read the levels of contours: numbers, or one text with commas.

    Raises
    ------
    RequestError
        One of them is no finite number.
    """
    given = [each for each in asked.split(",") if each.strip()] if isinstance(asked, str) else asked
    try:
        found = sorted({float(each) for each in given})
    except (TypeError, ValueError):
        found = [math.nan]
    if not all(map(math.isfinite, found)):
        raise RequestError(f"--contour: {asked} given; allowed: numbers, shares as fractions: 0.02,0.13")
    return found
