"""Figures before patients of one's own and with them: two intervals a row."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from sim.scenario.endpoints import BY_NAME
from sim.show import learned as told
from sim.show.kit import style
from sim.show.kit.forest import EDGE, RANGE, count_rows, draw_key, dress_marks, mark, ruled, words_axes
from sim.show.kit.prose import sentences
from sim.work.results import Results

_ROW, _NAMES, _BARS, _TEXTS, _AXIS, _KEY = 0.5, 2.7, 3.7, 2.0, 0.4, 0.4
_APART, _THICK = 0.19, 0.2


@style.styled
def learned(results: Results) -> Figure:
    """Draw what was known of every share before the patients, and is with them."""
    shown = [each for each in told.figures(results) if BY_NAME[each.key[0]].kind == "share"]
    finding, *more = told.found_sentences(results)
    width = 2 * EDGE + _NAMES + _BARS + _TEXTS
    height = _KEY + _ROW * len(shown) + _AXIS
    notes = [*sentences("learned", "figures_notes"), told.caution(results.scenario)]
    page = style.sheet(finding.removesuffix("."), more, notes, width, height)
    draw_key(page, (
        Patch(color=RANGE, label="95% before your patients"),
        Patch(color=style.BLUE, label="95% with them"),
        mark("o", "white", "mean", size=5),
    ), EDGE, page.height - 0.28, width - 2 * EDGE, 0.24)  # fmt: skip
    words = words_axes(page, EDGE, _AXIS, width - 2 * EDGE, _ROW * len(shown))
    bars = page.axes(EDGE + _NAMES, _AXIS, _BARS, _ROW * len(shown))
    dress_marks(bars)
    count_rows(len(shown), words, bars)
    for y, each in ruled(shown, words, bars):
        words.text(0, y, each.label, va="center", size=style.TEXT_SIZE)
        for up, (mean, low, high), colour in (
            (-_APART, each.before, RANGE),
            (_APART, each.after, style.BLUE),
        ):
            bars.barh(y + up, high - low, _THICK, low, color=colour)
            style.dot(bars, mean, y + up, "o", 5, "white", style.INK, zorder=4, clip_on=False)
            look: dict[str, Any] = {
                "color": style.GREY if up < 0 else style.INK,
                "size": style.NOTE_SIZE,
                "va": "center",
            }
            text = each.text(each.before if up < 0 else each.after)
            words.text(_NAMES + _BARS + 0.12, y + up, text, **look)
    bars.set_xlim(0, 1)
    style.percent_axis(bars, "x")
    return page.figure
