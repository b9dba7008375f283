"""Studies that no grid shows: arms by themselves or along one factor, and points drawn at random."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.scenario.endpoints import Key, label
from sim.scenario.registry import unit_of
from sim.scenario.study_file import ARM
from sim.show.contents import shown_in
from sim.show.figures.arms import COLOURS, STYLES, from_decision
from sim.show.kit import style
from sim.show.kit.axis import Axis
from sim.show.kit.formats import Row, rows
from sim.show.kit.plot import Pictures
from sim.show.kit.prose import one_sentence, sentences
from sim.show.kit.scenario_words import cautions
from sim.show.swept import (
    correlation_text,
    design_of,
    key_with_unit,
    meaning,
    rank_correlation,
    with_values_of,
)
from sim.study.compare import SURVIVAL
from sim.study.records import of_endpoint
from sim.work.results import Results

_WIDE, _TALL = 3.3, 2.1
_MOST = 12
"""Panels of a scatter."""


def _notes(results: Results) -> list[str]:
    return [results.scenario.title, *cautions(results.scenario)]


@style.styled
def arms(results: Results) -> Figure | None:
    """Draw survival from the decision in every arm, where nothing else is varied."""
    points = results.tables["points"]
    if list(results.manifest["vary"]) != [ARM]:
        return None
    known = points[points["endpoint"] == SURVIVAL]
    curves = {name: known[known[ARM] == name] for name in results.manifest["vary"][ARM]}
    notes = [*sentences("study", "apart", results.manifest["apart"]), *_notes(results)]
    return from_decision(curves, results.draws, notes, changes=True)


@style.styled
def lines(results: Results) -> Pictures:
    """Draw each endpoint along one factor, a line for each arm."""
    keys = list(results.manifest["vary"])
    if len(keys) != 2 or ARM not in keys or _sampled(results):
        return None
    (key,) = (name for name in keys if name != ARM)
    points, names = with_values_of(results), results.manifest["vary"][ARM]
    axis = Axis.of(points, key)
    if not axis.numeric or len(axis.values) < 3:
        return None
    shown = shown_in(results.manifest)
    page = style.sheet(
        one_sentence("study", "lines_title", label(shown[0]), _ends(points, names, shown[0], key)),
        [meaning(key), *sentences("study", "lines", results.draws, _exact(points, shown))],
        _notes(results), 7.8, len(shown) * (_TALL + 0.95),
    )  # fmt: skip
    for down, endpoint in enumerate(reversed(shown)):
        panel = page.axes(0.8, 0.55 + down * (_TALL + 0.95), 4.9, _TALL)
        for name, colour, dashes in zip(names, cycle(COLOURS), cycle(STYLES)):
            _draw_line(panel, points[points[ARM] == name], key, endpoint, {"color": colour, "ls": dashes})
            last = points[(points[ARM] == name)].sort_values(key)
            _name(panel, name, colour, of_endpoint(last, endpoint))
        axis.dress(panel, unit_of(key))
        if rows(of_endpoint(points, endpoint))[0].endpoint.kind == "share":
            style.percent_axis(panel, "y")
        style.aside(panel, label(endpoint), (0, 1), (0, 6), weight="bold")
    return page.figure


def _exact(points: pd.DataFrame, shown: Sequence[Key]) -> bool:
    return all(row.exact for key in shown for row in rows(of_endpoint(points, key)))


def _draw_line(panel: Axes, points: pd.DataFrame, key: str, endpoint: Key, look: Mapping[str, Any]) -> None:
    own = of_endpoint(points, endpoint).sort_values(key)
    kind = "posterior" if "posterior_lower" in own else "mc"
    panel.fill_between(
        own[key], own[f"{kind}_lower"], own[f"{kind}_upper"], color=look["color"], alpha=0.2, lw=0
    )
    panel.plot(own[key], own["estimate"], lw=1.8, marker="o", ms=3.5, **look)


def _name(panel: Axes, name: str, colour: str, own: pd.DataFrame) -> None:
    height = float(own["estimate"].iloc[-1])
    where = panel.get_yaxis_transform()
    style.aside(
        panel, name, (1.0, height), (8, 0), where, color=style.written_in(colour), weight="bold", va="center"
    )


def _ends(points: pd.DataFrame, names: Sequence[str], endpoint: Key, key: str) -> list[tuple[str, str, str]]:
    """Return what each arm has at both ends of the factor."""
    found = []
    for name in names:
        own = rows(of_endpoint(points[points[ARM] == name], endpoint).sort_values(key))
        found.append((name, own[0].simulated_text, own[-1].simulated_text))
    return found


def _sampled(results: Results) -> bool:
    return design_of(results) != "grid"


@style.styled
def scatter(results: Results) -> Figure | None:
    """Draw the first endpoint of points drawn at random against each factor."""
    if not _sampled(results):
        return None
    points, endpoint = results.tables["points"], shown_in(results.manifest)[0]
    own = of_endpoint(points, endpoint)
    every = [name for name in results.manifest["vary"] if name != ARM]
    keys = every[:_MOST]
    across = min(len(keys), 2)
    down = math.ceil(len(keys) / across)
    read = [row for row in rows(own) if not math.isnan(row.estimate)]
    one_at_a_time = design_of(results) == "one_at_a_time"
    room = 0.06 * (max(map(_estimate, read)) - min(map(_estimate, read)))
    ends = [pick(read, key=_estimate).simulated_text for pick in (min, max)]
    page = style.sheet(
        one_sentence("study", "scatter_title", label(endpoint), ends, len(own)),
        [*sentences("study", "scatter", len(every) - len(keys), ARM in own, one_at_a_time)],
        _notes(results), 0.4 + across * (_WIDE + 0.7), down * (_TALL + 0.95),
    )  # fmt: skip
    arm_names = results.manifest["vary"].get(ARM, [""])
    for number, key in enumerate(keys):
        left, up = number % across, down - 1 - number // across
        panel = page.axes(0.75 + left * (_WIDE + 0.7), 0.55 + up * (_TALL + 0.95), _WIDE, _TALL)
        alone = _alone(results, own, key)
        for name, colour in zip(arm_names, cycle(COLOURS[1:])):
            part = alone[alone[ARM] == name] if name else alone
            joined = "-" if len(alone) < len(own) else ""
            look: dict[str, Any] = {"marker": "o", "ms": 3, "alpha": 0.7, "color": colour, "label": name}
            panel.plot(part[key], part["estimate"], ls=joined, **look)
        if read[0].endpoint.kind == "share":
            style.percent_axis(panel, "y")
        panel.set_ylim(min(map(_estimate, read)) - room, max(map(_estimate, read)) + room)
        panel.set_xlabel(key_with_unit(key))
        rank = rank_correlation(own, key)
        if not math.isnan(rank) and not one_at_a_time:
            style.aside(panel, correlation_text(rank), (0, 1), (0, 6))
        if name and number == 0:
            panel.legend(frameon=False, fontsize=style.NOTE_SIZE)
    return page.figure


def _alone(results: Results, own: pd.DataFrame, key: str) -> pd.DataFrame:
    """Return the points at which one factor alone is moved, in order, where a design has such points."""
    if design_of(results) != "one_at_a_time":
        return own
    values = results.manifest["reference"]["point"]
    for name in own.columns.intersection([each for each in values if each not in (key, ARM)]):
        own = own[own[name] == values[name]]
    return own.sort_values(key)


def _estimate(row: Row) -> float:
    return row.estimate
