"""A study of one scenario over a grid of values, as a command line describes it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, Unpack, get_args

from sim.commands.asked import AnyScenario, Effort, effort_of, loaded_from, parse_endpoint, texts_of
from sim.commands.plan import StudyPlan
from sim.commands.studies import carry_out
from sim.scenario.changes import in_words, retitled
from sim.scenario.endpoints import BY_NAME, Key, column
from sim.scenario.inherit import SET, Overrides
from sim.scenario.load import Loaded, cautioned
from sim.scenario.problems import RequestError
from sim.scenario.registry import plain
from sim.scenario.schema import Scenario
from sim.scenario.shipped import scenarios_folder
from sim.scenario.study_file import POINT, Factor, Measure, StudyEffort, StudyFile
from sim.scenario.values import get_value
from sim.show.kit.scenario_words import headlines
from sim.study.budget import Budget
from sim.study.compare import Side
from sim.study.sweep import Point, Spot, Vary, beside, grid, vary_from
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
        time, treatment-related mortality and, where rooms are limited, the wait for one. What moves most
        is always shown beside them.

    Returns
    -------
    Results
        A study, with ``points``: the number of the point, the varied keys, ``reference`` (whether it is that
        point), the columns of ``endpoints.csv`` and those of the paired difference; one row a point and
        endpoint.

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
    levels = _levels(contour, shown, varied)
    points = grid(loaded.scenario, varied)
    first = points[0][1] if reference == "first" else loaded.scenario
    points = points if reference == "first" else beside(first, points)
    file = _as_file(loaded, varied, budget, str(how.get("posterior") or ""))
    plan = _plan(file, loaded, points, first, shown, budget, levels, reference, texts_of(how, "by"))
    own, keys = loaded.scenario, list(map(in_words, varied))
    title = retitled(own.title, keys, "varied", whole=bool(own.changed))
    return carry_out(plan, how, f"{loaded.folder_name}-sweep", title)


def _plan(
    file: StudyFile, loaded: Loaded, points: Sequence[Point], first: Scenario, shown: Sequence[Key],
    budget: Budget, levels: Sequence[float], reference: Reference, by: list[str],
) -> StudyPlan:  # fmt: skip
    """Return the points of a sweep as a study has them."""
    keys = list(points[0][0])
    held = (*budget.held_in(loaded), *keys)
    other = Side(first, held)
    contours = {column(key): list(levels) for key in shown if levels}
    own = next(point for point, changed in points if changed is first)
    measure = Measure(endpoints=[*map(column, shown)], reference=reference, contours=contours, by=by)
    return StudyPlan(
        file.model_copy(update={"measure": measure}), loaded.name, {"": loaded},
        [Spot({POINT: number, **point}, other if changed is first else Side(changed, held), other)
         for number, (point, changed) in enumerate(points, start=1)],
        own, shown, contours, budget, keys, file.effort.posterior,
    )  # fmt: skip


def _as_file(loaded: Loaded, varied: Vary, budget: Budget, posterior: str) -> StudyFile:
    """Return the study file that asks the same, but for what is measured."""
    scenario, precision = loaded.scenario, budget.precision
    by_hand = {key: get_value(scenario, key) for key, origin in loaded.origins.items() if origin == SET}
    return StudyFile(
        title=loaded.scenario.title,
        base=loaded.name if loaded.path.parent == scenarios_folder() else "./base.toml",
        set={key: plain(value) for key, value in by_hand.items()},
        factor=[Factor(key=name, values=list(values)) for name, values in varied.items()],
        effort=StudyEffort(
            engine="simulated" if budget.engine == "auto" else budget.engine,
            replications=budget.replications, precision=None if precision is None else precision.half_width,
            at_most=None if precision is None else precision.at_most, seed=budget.seed,
            posterior=posterior,
            draws=None if budget.draws is None else len(budget.draws.values),
        ),
    )  # fmt: skip


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
