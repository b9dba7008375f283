"""What all survival curves share: axes, bands, published points, and names beside their ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from sim.show.kit.formats import Row
from sim.show.kit.style import BLUE, INK, ORANGE, TEXT_SIZE, aside, percent_axis, spread, written_in

JOINED = "\N{NO-BREAK SPACE}"
CURVES = {"overall_survival": (BLUE, "alive"), "disease_free_survival": (ORANGE, "disease-free")}
WIDTH, TALL, FOOT = 7.8, 3.55, 0.5
DASHED = (0, (5, 2.5))


def line_of(tall: float) -> float:
    """Return a line of text as a part of the axes' height."""
    return TEXT_SIZE * 1.35 / 72 / tall


def dress(axis: Axes, horizon: float, across: str, up: str) -> None:
    """Scale, tick and name the axes: from nobody to everybody."""
    axis.set_xlim(0, horizon)
    axis.set_ylim(0, 1)
    axis.set_yticks(np.linspace(0, 1, 6))
    axis.grid(axis="y")
    percent_axis(axis, "y")
    axis.set_xlabel(across)
    axis.set_ylabel(up)


def draw_band(axis: Axes, curve: pd.DataFrame, kind: str, colour: str, alpha: float) -> None:
    """Shade between the limits of a curve of one kind: mc or posterior."""
    limits = curve[f"{kind}_lower"], curve[f"{kind}_upper"]
    axis.fill_between(curve["time_years"], *limits, color=colour, alpha=alpha, lw=0)


def draw_trial_range(axis: Axes, read: Sequence[Row], name: str, alpha: float) -> None:
    """Draw the range of one trial through the times read, from everybody at reinfusion."""
    shown = [row for row in read if row.endpoint.name == name and not math.isnan(row.trial_lower)]
    times = [0.0, *(row.time or 0.0 for row in shown)]
    lower, upper = [1.0, *(row.trial_lower for row in shown)], [1.0, *(row.trial_upper for row in shown)]
    if lower == upper:  # one replication: no range
        return
    colour, _ = CURVES[name]
    axis.fill_between(times, lower, upper, color=colour, alpha=alpha, lw=0)
    for edge in (lower, upper):
        axis.plot(times, edge, color=colour, alpha=0.55, lw=0.8)


def mark_published(axis: Axes, read: Sequence[Row]) -> None:
    """Mark the targets where they were published, hollow where they were assumed."""
    for row in read:
        if row.has_target and row.time is not None:
            fill, edge = ("white", INK) if row.assumed else (INK, "white")
            axis.plot(row.time, row.target, marker="D", ms=7, mfc=fill, mec=edge, mew=1.2, clip_on=False,
                      zorder=5)  # fmt: skip


class Name(NamedTuple):
    """What stands beside the end of a curve."""

    name: str
    figures: str
    colour: str
    height: float


def write_beside(axis: Axes, names: Sequence[Name], lines: float, foot: float) -> None:
    """Write names and figures to the right of the axes, `lines` apart and `foot` above their lower end."""
    line = line_of(TALL)
    heights = spread([each.height for each in names], lines * line)
    for (name, figures, colour, _), y in zip(names, heights, strict=True):
        top = min(max(y, foot * line), 1 - 1.2 * line) + 0.9 * line
        aside(axis, name, (1.0, top), (12, 0), color=written_in(colour), weight="bold", va="center")
        aside(axis, figures, (1.0, top - 0.6 * line), (12, 0), color=INK, va="top", linespacing=1.3)


def sources_note(read: Sequence[Row]) -> list[str]:
    """Name the sources of the published figures; empty without any."""
    published = [row for row in read if row.has_target and not row.assumed]
    sources = ", ".join(dict.fromkeys(row.source for row in published))
    said = f"Published figures ({sources}) are Kaplan-Meier estimates; interval not published."
    return [said] if published else []
