"""How far each parameter moves a figure over its stated range: held, and with the point solved again."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.scenario.changes import in_words
from sim.scenario.endpoints import BY_NAME, label
from sim.scenario.registry import unit_of
from sim.show.kit import style
from sim.show.kit.forest import count_rows, dress_marks, signed_points, words_axes
from sim.show.kit.formats import written
from sim.show.kit.prose import sentences
from sim.show.kit.scenario_words import cautions
from sim.show.swings import VERSIONS, Swing, found_sentence, is_still, key_asked, swings
from sim.work.results import Results

_ROW, _WORDS, _WIDE = 0.52, 2.75, 4.9
_MOST = 16
_SMALL = style.NOTE_SIZE - 1.5
_COLOURS = {"held": style.BLUE, "re-solved": style.ORANGE}


@style.styled
def of_study(results: Results) -> Figure | None:
    """Draw the tornado of a study; None without one."""
    if "tornado" not in results.tables:
        return None
    key, read = key_asked(results), swings(results)
    by_key: dict[str, list[Swing]] = {}
    for each in read:
        by_key.setdefault(each.key, []).append(each)
    shown = sorted(by_key, key=lambda name: max(_size(each) for each in by_key[name]), reverse=True)[:_MOST]
    exact = bool(results.tables["tornado"]["exact"].all())
    more = len(by_key) - len(shown), len(results.tables["left_out"])
    page = style.sheet(
        found_sentence(results), sentences("study", "tornado_lines", exact, {each.version for each in read}),
        [*sentences("study", "tornado_more", *more), results.scenario.title, *cautions(results.scenario)],
        0.3 + _WORDS + _WIDE + 0.5, 0.75 + _ROW * len(shown),
    )  # fmt: skip
    words = words_axes(page, 0.25, 0.55, _WORDS, _ROW * len(shown))
    axis = page.axes(0.25 + _WORDS, 0.55, _WIDE, _ROW * len(shown))
    count_rows(len(shown), words, axis)
    for row, name in enumerate(shown):
        source, unit = by_key[name][0].source.partition(":")[0], unit_of(name)
        named = in_words(name) if not unit or in_words(name).endswith(unit) else f"{in_words(name)} ({unit})"
        right: dict[str, Any] = {"ha": "right", "va": "center"}
        words.text(_WORDS - 0.12, row - 0.16, named, size=style.NOTE_SIZE + 0.5, **right)
        words.text(_WORDS - 0.12, row + 0.22, source, size=_SMALL, color=style.GREY, **right)
        for each in by_key[name]:
            still = "unmoved" if is_still(BY_NAME[key[0]], each) else ""
            _draw(axis, row + 0.19 * (2 * VERSIONS.index(each.version) - 1), each, still)
    axis.axvline(0, color=style.INK, lw=0.9)
    reach = [value for each in read for value, _, _ in each.changes if not math.isnan(value)]
    room = 0.17 * (max(reach) - min(reach))
    axis.set_xlim(min(reach) - room, max(reach) + room)
    dress_marks(axis)
    endpoint = BY_NAME[key[0]]
    if endpoint.kind == "share":
        axis.xaxis.set_major_formatter(signed_points)
    axis.set_xlabel(f"{label(key)}: change, {endpoint.unit or 'points'}")
    return page.figure


def _size(each: Swing) -> float:
    return -1.0 if math.isnan(each.swing) else each.swing


def _draw(axis: Axes, row: float, each: Swing, still: str) -> None:
    """Draw one bar, hollow where no difference is found, with its ends' values beside it."""
    colour = _COLOURS[each.version]
    changes = [value for value, _, _ in each.changes]
    small: dict[str, Any] = {"va": "center", "size": _SMALL}
    if still or all(map(math.isnan, changes)):
        words = still or each.status.partition(":")[0]
        style.aside(axis, words, (0, row), (5, 0), "data", color=style.written_in(colour), **small)
        return
    left, right = np.nanmin([0.0, *changes]), np.nanmax([0.0, *changes])
    fill = colour if each.found else "white"
    axis.barh(row, right - left, left=left, height=0.32, color=fill, edgecolor=colour, lw=1.0)
    one_side = min(changes) > 0 or max(changes) < 0
    for end, value in ((each.low, changes[0]), (each.high, changes[1])):
        if math.isnan(value) or (one_side and abs(value) < max(map(abs, changes))):
            continue  # of two ends on one side the outer one is named
        beyond = value > 0 or (value == 0 and min(changes) < 0)
        where = (3, 0, "left") if beyond else (-3, 0, "right")
        style.aside(axis, written(end), (value, row), where[:2], "data", ha=where[2], **small)
    if each.status == "non-monotone":
        style.aside(axis, "turns in between", (right, row), (34, 0), "data", **small)
