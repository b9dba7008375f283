"""What the gap between scenarios comes with: a waterfall from the reference's figure to each arm's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.scenario.differences import COUNTED_FROM
from sim.scenario.endpoints import BY_NAME, label
from sim.show import explained
from sim.show.explained import Gap
from sim.show.kit import style
from sim.show.kit.forest import RANGE, count_rows, dress_marks, head_of, words_axes
from sim.show.kit.prose import sentences
from sim.work.results import Results

_ACROSS = 3
_ROW, _HEAD, _FOOT = 0.36, 0.62, 0.6
_LINE = 0.18
_WORDS, _PANEL, _BETWEEN = 1.95, 2.05, 0.2
_WIDEST = 4.6


@style.styled
def of_results(results: Results) -> Figure | None:
    """Draw the waterfalls of a study or a comparison; None where nothing differs."""
    every = [gap for gap in explained.gaps(results) if gap.steps]
    if not every:
        return None
    names = list(dict.fromkeys(step.group for gap in every for step in gap.steps))
    large = {step.group for gap in every for step in gap.told}
    shown = [name for name in names if name in large]
    counts = {gap.arm: explained.published_counts(results, gap.arm) for gap in every}
    counted = COUNTED_FROM in names
    lines = sentences("explain", "lines", all(gap.exact for gap in every), any(counts.values()))
    small = [name for name in names if name not in shown]
    notes = sentences("explain", "figure_notes", counted, small, explained.assumed_aims(results))
    notes += explained.count_sentences(results)
    lanes, across = -(-len(every) // _ACROSS), min(len(every), _ACROSS)
    panel = min(_WIDEST, (_PANEL + _BETWEEN) * _ACROSS / across - _BETWEEN)
    tall = _ROW * (len(shown) + 2)
    heads = {gap.arm: style.wrap(gap.arm, style.TEXT_SIZE, panel, "bold") for gap in every}
    head = _HEAD + _LINE * (max(map(len, heads.values())) - 1)
    width = 0.25 + _WORDS + across * (panel + _BETWEEN) + 0.15
    page = style.sheet(
        explained.finding(results, errors=False).removesuffix("."), lines, notes, width,
        lanes * (head + tall + _FOOT),
    )  # fmt: skip
    for lane in range(lanes):
        bottom = (lanes - 1 - lane) * (head + tall + _FOOT) + _FOOT
        own = every[lane * _ACROSS : (lane + 1) * _ACROSS]
        words = words_axes(page, 0.25, bottom, _WORDS, tall)
        count_rows(len(shown) + 2, words)
        end = own[0].arm if len(every) == 1 else "the arm"
        for row, name in enumerate([explained.reference(results), *shown, end]):
            bold = "bold" if row in (0, len(shown) + 1) else "normal"
            text = "\n".join(style.wrap(name, style.TEXT_SIZE, _WORDS - 0.15, bold))
            words.text(_WORDS - 0.12, row, text, ha="right", va="center", size=style.TEXT_SIZE, weight=bold)
        for at, gap in enumerate(own):
            axis = page.axes(0.25 + _WORDS + at * (panel + _BETWEEN), bottom, panel, tall)
            _draw(axis, gap, shown, counts[gap.arm], _limits(every, counts))
            _dress(axis, gap, heads[gap.arm], tall)
    return page.figure


def _limits(every: Sequence[Gap], counts: Any) -> tuple[float, float]:
    """Return the ends of the axis that all panels share: with room for a number on the right."""
    steps = [np.cumsum([gap.start, *(step.part for step in gap.steps)]).tolist() for gap in every]
    reach = [end for levels in steps for end in levels]
    reach += [end for both in counts.values() for each in both for end in each["interval"]]
    room = float(np.ptp(reach)) or 1.0
    low = min(reach) - 0.04 * room
    return (max(low, 0.0) if min(reach) >= 0 else low), max(reach) + 0.3 * room


def _draw(
    axis: Axes, gap: Gap, shown: Sequence[str], counts: Sequence[Any], limits: tuple[float, float]
) -> None:
    """Draw one gap: its ends, and a bar for each group that is shown."""
    last = len(shown) + 1
    count_rows(last + 1, axis)
    axis.set_xlim(*limits)
    small: dict[str, Any] = {"va": "center", "size": style.NOTE_SIZE + 0.5}
    for row, value, published in ((0, gap.start, counts[:1]), (last, gap.end, counts[1:])):
        right = value
        for each in published:
            low, right = each["interval"]
            axis.barh(row, right - low, left=low, height=0.3, color=RANGE, lw=0)
        style.dot(axis, value, row, "o", 6, style.INK, style.INK, zorder=3)
        text = gap.level(value)
        if published:
            text += f"\n{published[0]['count'][0]} of {published[0]['count'][1]}"
        style.aside(axis, text, (max(right, value), row), (6, 0), "data", linespacing=1.0, **small)
    at, row = gap.start, 0
    for step in gap.steps:
        end = at + step.part
        if step.group in shown:
            before, row = row, shown.index(step.group) + 1
            axis.plot([at, at], [before, row], color=style.GREY, lw=0.7, zorder=1)
            more = step.part * gap.size >= 0
            colour = style.BLUE if more else style.ORANGE
            axis.barh(row, step.part, left=at, height=0.52, color=colour, lw=0, zorder=2)
            if not gap.exact and not math.isnan(step.lower):
                ends = [at + step.lower, at + step.upper]
                axis.plot(ends, [row, row], color=style.INK, lw=1.2, zorder=3)
            text, to = gap.change(step.part), max(at, end)
            style.aside(axis, text, (to, row), (5, 0), "data", color=style.written_in(colour), **small)
        at = end
    axis.plot([at, at], [row, last], color=style.GREY, lw=0.7, zorder=1)


def _dress(axis: Axes, gap: Gap, head: Sequence[str], tall: float) -> None:
    dress_marks(axis)
    if gap.endpoint.kind == "share":
        style.percent_axis(axis, "x")
    unit = BY_NAME[gap.key[0]].unit
    axis.set_xlabel(f"{label(gap.key)}{f' ({unit})' if unit else ''}", size=style.NOTE_SIZE + 0.5)
    *above, name = head
    head_of(axis, tall, name, f"{gap.change(gap.size)} {unit or 'points'}", 0.4, bold=True)
    at: dict[str, Any] = {"va": "center", "transform": axis.transAxes}
    for up, line in enumerate(reversed(above), start=1):
        axis.text(0, 1 + (0.4 + up * _LINE) / tall, line, weight="bold", size=style.TEXT_SIZE, **at)
