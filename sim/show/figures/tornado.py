"""How far each parameter moves a figure over its stated range: held, and with the point solved again."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.scenario.changes import in_words
from sim.scenario.endpoints import BY_NAME, label
from sim.scenario.registry import unit_of
from sim.show.kit import style
from sim.show.kit.forest import count_rows, dress_marks, signed_points, words_axes
from sim.show.kit.prose import sentences
from sim.show.kit.scenario_words import cautions
from sim.show.swings import VERSIONS, Swing, found_sentence, key_asked, swings
from sim.work.results import Results

_ROW, _WORDS, _WIDE = 0.52, 2.75, 4.9
_MOST = 16
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
        words.text(
            _WORDS - 0.12, row - 0.16, in_words(name), ha="right", va="center", size=style.NOTE_SIZE + 0.5
        )
        words.text(_WORDS - 0.12, row + 0.22, by_key[name][0].source, ha="right", va="center",
                   size=style.NOTE_SIZE - 1.5, color=style.GREY)  # fmt: skip
        for each in by_key[name]:
            _draw(axis, row + 0.19 * (2 * VERSIONS.index(each.version) - 1), each)
    axis.axvline(0, color=style.INK, lw=0.9)
    axis.margins(x=0.16)
    dress_marks(axis)
    endpoint = BY_NAME[key[0]]
    if endpoint.kind == "share":
        axis.xaxis.set_major_formatter(signed_points)
    axis.set_xlabel(f"{label(key)}: change, {endpoint.unit or 'points'}")
    return page.figure


def _size(each: Swing) -> float:
    return -1.0 if math.isnan(each.swing) else each.swing


def _draw(axis: Axes, row: float, each: Swing) -> None:
    """Draw one bar, hollow where no difference is found, with its ends' values beside it."""
    colour = _COLOURS[each.version]
    known = [(end, value) for end, (value, _, _) in zip(("low", "high"), each.changes, strict=True)
             if not math.isnan(value)]  # fmt: skip
    if not known:
        style.aside(axis, each.status.partition(":")[0], (0, row), (5, 0), "data", va="center",
                    size=style.NOTE_SIZE - 1.5, color=style.written_in(colour))  # fmt: skip
        return
    values = [value for _, value in known]
    left, right = min(0.0, *values), max(0.0, *values)
    fill = colour if each.found else "white"
    axis.barh(row, right - left, left=left, height=0.32, color=fill, edgecolor=colour, lw=1.0)
    for at, (end, value) in enumerate(known):
        text = _short(each, end)
        beyond = value > 0 or (value == 0 and at == 1)
        if len(known) == 2 and (values[0] > 0) == (values[1] > 0) and abs(value) != max(map(abs, values)):
            continue  # both ends on one side: the outer one is named
        style.aside(axis, text, (value, row), (3 if beyond else -3, 0), "data", ha="left" if beyond else "right",
                    va="center", size=style.NOTE_SIZE - 1.5)  # fmt: skip
    if each.status == "non-monotone":
        where: dict[str, Any] = {"va": "center", "size": style.NOTE_SIZE - 1.5}
        style.aside(axis, "turns in between", (right, row), (34, 0), "data", **where)


def _short(each: Swing, end: str) -> str:
    text = each.ends()[0 if end == "low" else 1]
    return text.removesuffix(unit_of(each.key)).rstrip() if len(text) > 14 else text
