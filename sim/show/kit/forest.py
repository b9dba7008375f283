"""Rows of words beside marks, and panels in rows: how figures of many small parts are laid out, in inches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from sim.show.kit.style import GREY, INK, NOTE_SIZE, RULE, TEXT_SIZE, Sheet

T = TypeVar("T")

RANGE = "#bccbdc"
"""Of bars for what single trials report."""
EDGE = 0.22
"""Of the page."""


def words_axes(page: Sheet, left: float, bottom: float, width: float, height: float) -> Axes:
    """Add axes to write in: no frame, and inches from left to right."""
    axis = page.axes(left, bottom, width, height)
    axis.set_axis_off()
    axis.set_xlim(0, width)
    return axis


def dress_marks(axis: Axes) -> None:
    """Leave axes of marks only the lines of their values."""
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    axis.grid(axis="x")


def count_rows(count: int, *axes: Axes) -> None:
    """Let row 0 be the uppermost of so many."""
    for axis in axes:
        axis.set_ylim(count - 0.5, -0.5)


def ruled(rows: Iterable[T], *axes: Axes) -> Iterator[tuple[int, T]]:
    """Yield rows with their numbers, and part each from the one above by a rule once it is drawn."""
    for y, row in enumerate(rows):
        yield y, row
        if y:
            for axis in axes:
                axis.axhline(y - 0.5, color=RULE, lw=0.6)


def draw_key(
    page: Sheet, handles: Sequence[Artist], left: float, bottom: float, width: float, height: float,
    **how: Any,
) -> None:  # fmt: skip
    """Write the key of the marks in one line, in a box of its own."""
    key = page.axes(left, bottom, width, height)
    key.set_axis_off()
    placed = {"loc": "center left", "bbox_to_anchor": (0, 0.5), "ncols": len(handles)}
    tight = {"fontsize": NOTE_SIZE + 0.5, "borderaxespad": 0, "borderpad": 0}
    key.legend(handles=list(handles), **{**placed, **tight, **how})


def mark(marker: str, fill: str, text: str, edge: str | None = None, size: float = 6.5) -> Line2D:
    """Return a mark for a key; a white one has a dark edge."""
    rim = edge or (INK if fill == "white" else fill)
    return Line2D([], [], ls="", marker=marker, ms=size, mfc=fill, mec=rim, label=text)


def head_of(axis: Axes, tall: float, name: str, below: str, up: float, *, bold: bool = False) -> None:
    """Write a name over a panel, and what is found below it.

    Parameters
    ----------
    tall
        Height of the panel, in inches.
    up
        How far the name stands above it, in inches.
    bold
        Whether what is found is to be seen first.
    """
    over: dict[str, Any] = {"transform": axis.transAxes, "va": "center"}
    axis.text(0, 1 + up / tall, name, weight="bold", size=TEXT_SIZE, **over)
    weight, colour = ("bold", INK) if bold else ("normal", GREY)
    axis.text(0, 1 + (up - 0.2) / tall, below, color=colour, weight=weight, size=NOTE_SIZE, **over)


def signed_points(difference: float, _: float = 0.0) -> str:
    """Write a difference of shares as percentage points with their sign."""
    points = round(100 * difference, 6)
    return f"{points:+g}".replace("-", "\N{MINUS SIGN}") if points else "0"


def panels(
    page: Sheet, count: int, top: float, tall: float, head: float, foot: float, left: float, right: float,
    across: int = 3, between: float = 0.7,
) -> list[Axes]:  # fmt: skip
    """Return axes row by row, downwards from `top` inches."""
    room = (page.width - left - right - (across - 1) * between) / across
    found = []
    for number in range(count):
        bottom = top - (number // across) * (head + tall + foot) - head - tall
        found.append(page.axes(left + (number % across) * (room + between), bottom, room, tall))
    return found
