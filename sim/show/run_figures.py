"""The figures of one run, and of a sweep or a range."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from sim.scenario.endpoints import Key, column
from sim.scenario.registry import parameters
from sim.scenario.schema import DAYS_PER_YEAR, PoissonArrivals, Scenario
from sim.scenario.values import get_value
from sim.show import plots
from sim.study.run import Written

Named = tuple[str, Figure]
"""A figure and the name of its files."""


def run_figures(written: Written, scenario: Scenario) -> Iterator[Named]:
    """Yield the figures of a run; a scenario's caution stands under each."""
    endpoints, notes = written.endpoints, cautions(scenario)
    if not endpoints[endpoints["endpoint"] == "overall_survival"]["estimate"].isna().all():
        yield "survival", plots.survival_figure(written.curves, endpoints, scenario.title, notes)
    if scenario.target:
        yield "calibration", plots.calibration_figure(endpoints, scenario)
    yield "swimmer", _swimmer(written, scenario)
    if written.occupancy is not None:
        yield "rooms", plots.occupancy_figure(written.occupancy, scenario, notes)
    if written.points is not None and written.point_curves is not None:
        keys = [shown.key for shown in scenario.range]
        if scenario.cohort.enters_at == "home":
            yield "range", plots.survival_band_figure(written.point_curves, keys, scenario.title, notes)
        else:
            yield from varied_figures(scenario, written.points, keys, headlines(scenario), "range")


def varied_figures(
    scenario: Scenario, points: pd.DataFrame, keys: Sequence[str], shown: Sequence[Key], name: str
) -> Iterator[Named]:
    """Yield what a page can show of points: a curve over one key, maps over two; the table holds the rest."""
    own = [_plain(get_value(scenario, key)) for key in keys]
    notes = [scenario.title, *cautions(scenario)]
    if len(keys) == 1:
        unit = parameters()[keys[0]].unit if keys[0] in parameters() else ""
        yield name, plots.sweep_curve_figure(points, keys[0], unit, shown, own=own[0], notes=notes)
    elif len(keys) == 2:
        for endpoint in shown:
            pair = (keys[0], keys[1])
            figure = plots.sweep_map_figure(points, pair, endpoint, own=(own[0], own[1]), notes=notes)
            yield f"{'map' if name == 'sweep' else name}_{column(endpoint).replace('@', '_')}", figure


def headlines(scenario: Scenario) -> list[Key]:
    """Return the endpoints that figures show where none were asked for."""
    horizon = scenario.follow_up.horizon_years
    if scenario.cohort.enters_at == "home":
        return [("overall_survival_enrolled", horizon), ("restricted_mean_survival_enrolled", None)]
    return [("treatment_related_mortality", None), ("overall_survival", horizon)]


def cautions(scenario: Scenario) -> list[str]:
    """Return the scenario's own caution as a note, if it has one."""
    return [scenario.caution] if scenario.caution else []


def _plain(value: Any) -> float | str | None:
    """Return a value that an axis can mark; a distribution has no one place on it."""
    return value if isinstance(value, (int, float, str)) else None


def _swimmer(written: Written, scenario: Scenario) -> Figure:
    cut, arrivals = scenario.follow_up.data_cut_days, scenario.arrivals
    at = ", ".join(f"{shown.key} = {get_value(scenario, shown.key):.3g}" for shown in scenario.range)
    return plots.swimmer_figure(
        written.first,
        0,
        f"{scenario.title}. Virtual trial 1{f', drawn at {at}' if at else ''}",
        scenario.follow_up.horizon_years * DAYS_PER_YEAR,
        None if cut == "none" else cut,
        opened=arrivals.warm_up_days if isinstance(arrivals, PoissonArrivals) else 0.0,
        over_range=written.firsts,
        notes=cautions(scenario),
    )
