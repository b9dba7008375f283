"""How much of what is not known hangs on each parameter: bars in bars."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.scenario.endpoints import key_of
from sim.show.kit import style
from sim.show.kit.forest import RANGE, count_rows, dress_marks, words_axes
from sim.show.kit.prose import sentences
from sim.show.kit.scenario_words import cautions, in_sentence
from sim.show.sensitivities import (
    Interval,
    asked,
    error_sentences,
    floor_text,
    found_sentence,
    more_sentences,
    share_text,
    shares,
)
from sim.study.sensitivity import DUMMY
from sim.work.results import Results

_ROW, _WORDS, _WIDE, _FIGURES = 0.5, 3.0, 4.0, 1.35
_MOST = 16
_SMALL = style.NOTE_SIZE - 0.5


@style.styled
def of_study(results: Results) -> Figure | None:
    """Draw the indices of a study; None without any."""
    if "indices" not in results.tables:
        return None
    ask, rows = asked(results), [each for each in shares(results) if each.name != DUMMY]
    more, rows = len(rows) - _MOST, rows[:_MOST]
    notes = [
        *more_sentences(results),
        *error_sentences(results),
        results.scenario.title,
        *cautions(results.scenario),
    ]
    if more > 0:
        notes = [f"{more} more rows: indices.csv has them.", *notes]
    tall = _ROW * len(rows)
    page = style.sheet(
        found_sentence(results), sentences("sensitivity", "lines", ask, floor_text(ask["floor"])), notes,
        0.3 + _WORDS + _WIDE + _FIGURES + 0.2, 0.75 + tall,
    )  # fmt: skip
    words = words_axes(page, 0.25, 0.55, _WORDS, tall)
    axis = page.axes(0.25 + _WORDS, 0.55, _WIDE, tall)
    figures = words_axes(page, 0.25 + _WORDS + _WIDE, 0.55, _FIGURES, tall)
    count_rows(len(rows), words, axis, figures)
    for at, each in enumerate(rows):
        below = each.drawn_from if each.keys in ("", each.name) else each.keys
        up = 0.14 if below else 0.0
        words.text(_WORDS - 0.12, at - up, each.words, size=style.NOTE_SIZE + 0.5, ha="right", va="center")
        for line in style.wrap(below, _SMALL - 1, _WORDS - 0.2)[:1]:
            words.text(_WORDS - 0.12, at + 0.22, line, size=_SMALL - 1, color=style.GREY, ha="right",
                       va="center")  # fmt: skip
        _bar(axis, at, each.whole, 0.62, RANGE, style.GREY, -0.22)
        _bar(axis, at, each.alone, 0.3, style.BLUE, style.INK, 0.0)
        leading = each.alone if ask["method"] == "sobol" else each.whole
        floor = ask["floor"] if each.keys else 0.0
        figures.text(0.1, at, share_text(leading, floor), size=_SMALL, va="center")
    head = "alone" if ask["method"] == "sobol" else "its part"
    style.aside(figures, head, (0.1, 1.0), (0, 4), ("data", "axes fraction"), size=_SMALL, weight="bold")
    axis.axvline(ask["floor"], color=style.INK, lw=0.9, ls=style.DASHES)
    ends = [end for each in rows for _, _, end in (each.whole, each.alone) if end == end]
    axis.set_xlim(0, min(1.0, 1.04 * max(ends)))
    dress_marks(axis)
    style.percent_axis(axis, "x")
    axis.set_xlabel(f"share of what is not known about {in_sentence(key_of(ask['endpoint']))} (variance)")
    return page.figure


def _bar(axis: Axes, at: int, share: Interval, height: float, colour: str, whisker: str, off: float) -> None:
    """Draw one bar with its interval; nothing of a share that there is not."""
    value, lower, upper = share
    if value != value:
        return
    axis.barh(at, max(value, 0.0), height=height, color=colour, lw=0)
    axis.plot([max(lower, 0.0), upper], [at + off] * 2, color=whisker, lw=1.1, solid_capstyle="butt")
