"""Numbers at risk under a survival curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from sim.show.kit.style import INK, NOTE_SIZE, aside, text_width, written_in

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
    first = max(text_width(values[0], NOTE_SIZE) for _, values in numbers)
    beside = (-(36 * first + 5), 0.0)  # left of the first numbers, which are centred on the axis
    named: dict[str, Any] = {"ha": "right", "va": "center", "size": NOTE_SIZE}
    aside(axis, heading, (0, down(0)), beside, left, weight="bold", color=INK, **named)
    for row, ((name, values), colour) in enumerate(zip(numbers, colours, strict=False), start=1):
        aside(axis, name, (0, down(row)), beside, left, color=written_in(colour), **named)
        for time, value in zip(times, values, strict=True):
            axis.text(
                time, down(row), value, transform=axis.get_xaxis_transform(), ha="center", va="center",
                size=NOTE_SIZE, color=INK, clip_on=False,
            )  # fmt: skip
