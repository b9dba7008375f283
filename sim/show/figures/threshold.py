"""Where a figure is what is asked for: its curve over one parameter, or the threshold over another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sim.outcomes.binomial import clopper_pearson
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME, label
from sim.scenario.evidence import published_values
from sim.scenario.registry import unit_of
from sim.scenario.values import get_value
from sim.show.kit import style
from sim.show.kit.axis import Axis
from sim.show.kit.forest import signed_points
from sim.show.kit.formats import written
from sim.show.kit.scenario_words import cautions
from sim.show.swept import key_with_unit, meaning
from sim.show.thresholds import arms_of, asked, figure_text, finding, kinds_of, question, sentences_of
from sim.study.crossing import Reach
from sim.work.results import Results

_WIDTH, _HEIGHT, _FOOT = 5.4, 3.2, 0.75


_LOOKS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "target": ({"color": style.GREY, "lw": 9, "alpha": 0.35}, "sampling error of the target"),
    "posterior": ({"color": style.BLUE, "lw": 3.5}, "posterior 95%"),
    "mc": ({"color": style.ORANGE, "lw": 1.5}, "Monte Carlo 95%"),
}
"""What is not known about a threshold: a wide pale bar, a dark one, and a thin one with ends."""


@style.styled
def of_solve(results: Results) -> Figure:
    """Draw a study of thresholds from its tables."""
    asks = question(results)
    key, over = asks["by"]["key"], list(asks["over"])
    notes = [*sentences_of(results), *cautions(results.scenario)]
    page = style.sheet(
        finding(results).rstrip("."), [meaning(key)], notes, _WIDTH + 2.2, _HEIGHT + _FOOT + 0.45
    )
    panel = page.axes(1.1, _FOOT, _WIDTH, _HEIGHT)
    if len(over) == 1:
        _over(panel, results, over[0])
    else:
        _curve(panel, results)
    return page.figure


def _curve(panel: Axes, results: Results) -> None:
    """Draw the figure over the parameter, with the level asked for and what is not known."""
    asks, line = question(results), results.line
    (name, time), target = asked(results)
    by, count, endpoint = asks["by"], asks["for"]["count"], BY_NAME[name]
    for kind, color in (("posterior", style.BLUE), ("mc", style.ORANGE)):
        if f"{kind}_lower" in line:
            edges = line[f"{kind}_lower"], line[f"{kind}_upper"]
            panel.fill_between(line["x"], *edges, color=color, alpha=0.2, lw=0)
    panel.plot(line["x"], line["figure"], "o-" if by["whole"] else "-", color=style.BLUE, lw=2)
    panel.axhline(target, color=style.INK, lw=1.1, ls=style.DASHES)
    if count:
        panel.axhspan(*clopper_pearson(*count), color=style.GREY, alpha=0.15, lw=0)
    own = get_value(results.scenario, by["key"])
    if isinstance(own, int | float):
        panel.axvline(own, color=style.GREY, lw=1.0, ls=(0, (1, 2)))
        style.aside(panel, f"this scenario: {written(own)}", (own, 1.0), (0, 3), panel.get_xaxis_transform(),
                    ha="center", size=style.NOTE_SIZE, color=style.GREY)  # fmt: skip
    first = results.thresholds.iloc[:1]
    panel.plot(first["value"], [target], "o", color=style.ORANGE, ms=8, mec="white", zorder=5)
    _bars(panel, results, first, np.array([target]), "x")
    style.aside(panel, figure_text(results, target), (1.0, target), (4, 0), panel.get_yaxis_transform(),
                va="center", size=style.NOTE_SIZE)  # fmt: skip
    _dress(panel, by, "x")
    arms = arms_of(results)
    panel.set_ylabel(label((name, time)) if arms is None else f"{label((name, time))}:\nchange, {arms[0]}")
    if endpoint.kind == "share" and arms is None:
        style.percent_axis(panel, "y")
    elif endpoint.kind == "share":
        panel.yaxis.set_major_formatter(signed_points)
    if arms is None:
        panel.set_ylim(0, None)
    panel.grid(axis="y")


def _over(panel: Axes, results: Results, name: str) -> None:
    """Draw the threshold over another parameter, with every kind of error apart."""
    by, found = question(results)["by"], results.thresholds
    axis = Axis.of(found, name)
    x = np.array([axis.place(value) for value in found[name]], dtype=float)
    panel.plot(x, found["value"], "o-", color=style.ORANGE, ms=7, mec="white", lw=1.5, zorder=5)
    _bars(panel, results, found, x, "y")
    axis.dress(panel, unit_of(name))
    _dress(panel, by, "y")
    panel.grid(axis="y")


def _bars(panel: Axes, results: Results, found: pd.DataFrame, at: Floats, along: str) -> None:
    """Draw what is not known about thresholds along the axis of the parameter that is solved for."""
    by, kinds, handles = question(results)["by"], kinds_of(results), []
    draw = panel.hlines if along == "x" else panel.vlines
    for kind, (look, words) in _LOOKS.items():
        if kind in kinds:
            lower, upper = found[f"{kind}_lower"], found[f"{kind}_upper"]
            some = (lower.notna() | upper.notna()).to_numpy()
            ends = lower.fillna(by["low"])[some], upper.fillna(by["high"])[some]
            draw(at[some], *ends, **look, zorder=4)
            if kind == "mc":
                for end in ends:
                    place, mark = ((end, at[some]), "|") if along == "x" else ((at[some], end), "_")
                    panel.plot(*place, mark, ms=9, color=look["color"], zorder=4)
            handles.append(Line2D([], [], label=words, **look))
    if handles:
        panel.legend(handles=handles, loc="best", frameon=False, fontsize=style.NOTE_SIZE)


def _dress(panel: Axes, by: Mapping[str, Any], along: str) -> None:
    """Scale, tick and name the axis of the parameter that is solved for, and mark what is published of it."""
    axis = panel.xaxis if along == "x" else panel.yaxis
    panel.set(**{f"{along}scale": "log" if by["log"] else "linear", f"{along}lim": (by["low"], by["high"])})
    if by["log"]:
        axis.set_major_formatter(FuncFormatter(lambda value, _: written(value)))
    if by["whole"]:
        axis.set_major_locator(MaxNLocator(integer=True))
    axis.set_label_text(key_with_unit(by["key"]))
    inside = [each for each in published_values(by["key"]) if by["low"] <= each.value <= by["high"]]
    reach = Reach(by["low"], by["high"], by["whole"])
    places = [float(reach.part(np.array(each.value))) for each in inside]
    for each, place, apart in zip(inside, places, style.spread(places, 0.045, 0.0, 1.0), strict=True):
        x, y, mark = (place, 0.0, "^") if along == "x" else (1.0, place, "<")
        panel.plot(x, y, mark, transform=panel.transAxes, color=style.INK, ms=6, clip_on=False)
        upright = {"rotation": 90, "ha": "center", "va": "bottom"}
        at, away, how = (
            ((apart, 0.0), (0, 5), upright) if along == "x" else ((1.0, apart), (6, 0), {"va": "center"})
        )
        style.aside(panel, each.evidence, at, away, size=style.NOTE_SIZE, color=style.INK, **how)
