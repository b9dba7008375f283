"""Where a figure is what is asked for: its curve over one parameter, or the threshold over another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from sim.scenario.endpoints import BY_NAME, label
from sim.scenario.registry import unit_of
from sim.scenario.values import get_value
from sim.show.kit import style
from sim.show.kit.axis import Axis
from sim.show.kit.formats import format_value, written
from sim.show.kit.scenario_words import cautions
from sim.show.swept import key_with_unit, meaning
from sim.show.thresholds import asked, finding, sentences_of
from sim.study.estimates import clopper_pearson
from sim.work.results import Results

_WIDTH, _HEIGHT, _FOOT = 5.4, 3.2, 0.75


@style.styled
def of_solve(results: Results) -> Figure:
    """Draw a study of thresholds from its tables."""
    key, over = results.manifest["by"]["key"], list(results.manifest["over"])
    notes = [*sentences_of(results), *cautions(results.scenario)]
    page = style.sheet(
        finding(results).rstrip("."), [meaning(key)], notes, _WIDTH + 2.2, _HEIGHT + _FOOT + 0.3
    )
    panel = page.axes(1.1, _FOOT, _WIDTH, _HEIGHT)
    if len(over) == 1:
        _over(panel, results, over[0])
    else:
        _curve(panel, results)
    return page.figure


def _curve(panel: Axes, results: Results) -> None:
    """Draw the figure over the parameter, with the level asked for and what is not known."""
    manifest, line, row = results.manifest, results.line, results.thresholds.iloc[0]
    (name, time), target = asked(results)
    endpoint, key = BY_NAME[name], manifest["by"]["key"]
    if "posterior_lower" in line:
        edges = line["posterior_lower"], line["posterior_upper"]
        panel.fill_between(line["x"], *edges, color=style.BLUE, alpha=0.2, lw=0)
    panel.plot(line["x"], line["figure"], color=style.BLUE, lw=2)
    panel.axhline(target, color=style.INK, lw=1.1, ls=style.DASHES)
    if manifest["for"]["count"]:
        panel.axhspan(*clopper_pearson(*manifest["for"]["count"]), color=style.GREY, alpha=0.15, lw=0)
    own = get_value(results.scenario, key)
    panel.axvline(own, color=style.GREY, lw=1.0, ls=(0, (1, 2)))
    style.aside(panel, f"this scenario: {written(own)}", (own, 1.0), (0, 3), panel.get_xaxis_transform(),
                ha="center", size=style.NOTE_SIZE, color=style.GREY)  # fmt: skip
    if row["value"] == row["value"]:
        panel.plot([row["value"]], [target], "o", color=style.ORANGE, ms=8, mec="white", zorder=5)
    style.aside(panel, format_value(endpoint, target), (1.0, target), (4, 0), panel.get_yaxis_transform(),
                va="center", size=style.NOTE_SIZE)  # fmt: skip
    panel.set_xscale("log" if manifest["by"]["log"] else "linear")
    panel.set_xlim(manifest["by"]["low"], manifest["by"]["high"])
    _dress(panel.xaxis, manifest["by"])
    panel.set_ylabel(label((name, time)))
    if endpoint.kind == "share":
        style.percent_axis(panel, "y")
    panel.set_ylim(0, None)
    panel.grid(axis="y")


def _over(panel: Axes, results: Results, name: str) -> None:
    """Draw the threshold over another parameter, with the posterior's and the target's error apart."""
    manifest, found = results.manifest, results.thresholds
    axis = Axis.of(found, name)
    x = np.array([axis.place(value) for value in found[name]], dtype=float)
    handles: list[Any] = []
    looks: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("target", {"color": style.GREY, "lw": 7, "alpha": 0.35}, "sampling error of the target"),
        ("posterior", {"color": style.BLUE, "lw": 3}, "posterior 95%"),
    )
    for kind, look, words in looks:
        if f"{kind}_lower" in found:
            lower, upper = found[f"{kind}_lower"], found[f"{kind}_upper"]
            some = (lower.notna() | upper.notna()).to_numpy()
            low, high = lower.fillna(manifest["by"]["low"]), upper.fillna(manifest["by"]["high"])
            panel.vlines(x[some], low[some], high[some], **look)
            handles.append(Line2D([], [], label=words, **look))
    panel.plot(x, found["value"], "o-", color=style.ORANGE, ms=7, mec="white", lw=1.5)
    panel.set_yscale("log" if manifest["by"]["log"] else "linear")
    panel.set_ylim(manifest["by"]["low"], manifest["by"]["high"])
    axis.dress(panel, unit_of(name))
    _dress(panel.yaxis, manifest["by"])
    panel.grid(axis="y")
    if handles:
        panel.legend(handles=handles, loc="best", frameon=False, fontsize=style.NOTE_SIZE)


def _dress(axis: XAxis | YAxis, by: Mapping[str, Any]) -> None:
    """Tick and name the axis of the parameter that is solved for."""
    if by["log"]:
        axis.set_major_formatter(FuncFormatter(lambda value, _: written(value)))
    axis.set_label_text(key_with_unit(by["key"]))
