"""What survival curves share: axes, bands, published points, names at their ends, numbers at risk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from sim.show.kit import style
from sim.show.kit.formats import Row, format_share
from sim.show.kit.prose import sentences

CURVES = {"overall_survival": (style.BLUE, "alive"), "disease_free_survival": (style.ORANGE, "disease-free")}
WIDTH, TALL, FOOT = 7.8, 3.55, 0.5
DASHED = (0, (5, 2.5))


def line_of(tall: float) -> float:
    """Return a line of text as a part of the axes' height."""
    return style.TEXT_SIZE * 1.35 / 72 / tall


def dress(axis: Axes, horizon: float, across: str, up: str) -> None:
    """Scale, tick and name the axes: from nobody to everybody."""
    axis.set_xlim(0, horizon)
    axis.set_ylim(0, 1)
    axis.set_yticks(np.linspace(0, 1, 6))
    axis.grid(axis="y")
    style.percent_axis(axis, "y")
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
            fill, edge = ("white", style.INK) if row.assumed else (style.INK, "white")
            style.dot(axis, row.time, row.target, "D", 7, fill, edge, mew=1.2, clip_on=False, zorder=5)


class Name(NamedTuple):
    """What stands beside the end of a curve."""

    name: str
    figures: str
    colour: str
    height: float


def write_beside(axis: Axes, names: Sequence[Name], lines: float, foot: float) -> None:
    """Write names and figures to the right of the axes, `lines` apart and `foot` above their lower end."""
    line = line_of(TALL)
    heights = style.spread([each.height for each in names], lines * line, foot * line, 1 - 1.2 * line)
    for (name, figures, colour, _), y in zip(names, heights, strict=True):
        top = y + 0.9 * line
        style.aside(
            axis, name, (1.0, top), (12, 0), color=style.written_in(colour), weight="bold", va="center"
        )
        style.aside(
            axis, figures, (1.0, top - 0.6 * line), (12, 0), color=style.INK, va="top", linespacing=1.3
        )


def name_end(axis: Axes, y: float, name: str, figure: str, colour: str) -> None:
    """Write a name to the right of the axes and a figure below it."""
    style.aside(axis, name, (1.0, y), (10, 1), color=style.written_in(colour), weight="bold", va="bottom")
    style.aside(axis, figure, (1.0, y), (10, -1), color=style.INK, va="top", size=style.NOTE_SIZE)


def undefined_note(read: Sequence[Row], drawn: str) -> list[str]:
    """Say how many virtual trials can't report a figure; empty where all can.

    Parameters
    ----------
    read
        The figures shown.
    drawn
        What shows their range: band or bar.
    """
    known = [row for row in read if row.undefined > 0 and not math.isnan(row.estimate)]
    shares = [(row.label, format_share(row.undefined, 0.005)) for row in known]
    return sentences("figures", "undefined", shares, drawn) if shares else []


def sources_note(read: Sequence[Row]) -> list[str]:
    """Name the sources of the published figures; empty without any."""
    published = [row for row in read if row.has_target and not row.assumed]
    sources = [*dict.fromkeys(row.source for row in published)]
    return sentences("figures", "unpublished", sources) if published else []


RISK_ROW = 0.19
"""Inches that a row takes; there is one more for the heading."""
_ABOVE = 0.52
"""Inches between the axis and the heading: tick labels and the axis's name."""


def label_times(horizon: float) -> list[float]:
    """Return the years under which numbers at risk stand: whole ones, at most about eight."""
    step = max(1, int(np.ceil(horizon / 8)))
    times = [float(year) for year in range(0, int(horizon) + 1, step)]
    return times if len(times) > 1 else [0.0, horizon]


def draw_at_risk(
    axis: Axes, times: Sequence[float], heading: str, numbers: Sequence[tuple[str, Sequence[str]]],
    colours: Sequence[str],
) -> None:  # fmt: skip
    """Write rows of numbers under an axis, one a curve, each below its time.

    Parameters
    ----------
    numbers
        Name of each curve, and its number at each time.
    """
    height = axis.get_window_extent().height / axis.figure.dpi

    def down(row: int) -> float:
        return -(_ABOVE + RISK_ROW * row) / height

    left = axis.get_yaxis_transform()
    first = max(style.text_width(values[0], style.NOTE_SIZE) for _, values in numbers)
    beside = (-(36 * first + 5), 0.0)  # left of the first numbers, which are centred on the axis
    named: dict[str, Any] = {"ha": "right", "va": "center", "size": style.NOTE_SIZE}
    style.aside(axis, heading, (0, down(0)), beside, left, weight="bold", color=style.INK, **named)
    for row, ((name, values), colour) in enumerate(zip(numbers, colours, strict=False), start=1):
        style.aside(axis, name, (0, down(row)), beside, left, color=style.written_in(colour), **named)
        for time, value in zip(times, values, strict=True):
            axis.text(
                time, down(row), value, transform=axis.get_xaxis_transform(), ha="center", va="center",
                size=style.NOTE_SIZE, color=style.INK, clip_on=False,
            )  # fmt: skip
