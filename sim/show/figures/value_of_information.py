"""What it is worth to know each parameter, or a trial, before choosing: bars, and a line for knowing all."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from sim.scenario.endpoints import key_of, label
from sim.show import worth
from sim.show.kit import style
from sim.show.kit.forest import count_rows, dress_marks, words_axes
from sim.show.kit.prose import sentences
from sim.show.kit.scenario_words import cautions
from sim.work.results import Results

_ROW, _WORDS, _WIDE, _FIGURES = 0.36, 2.7, 3.7, 1.6
_MOST = 16
_KNOWN, _TRIAL = "#86b6dd", style.ORANGE


@style.styled
def of_study(results: Results) -> Figure | None:
    """Draw what knowing is worth; None without such an answer."""
    if "value" not in results.tables:
        return None
    read, agree, asked = worth.worths(results), worth.agrees(results), worth.told(results)
    evpi, bars = read[0], read[1:][:_MOST]
    trial = any(row["what"] == "trial" for row in bars)
    finding, *more = worth.found_sentences(results)
    page = style.sheet(
        finding, sentences("value_of_information", "lines", agree, trial),
        [*more, results.scenario.title, *cautions(results.scenario)],
        0.25 + _WORDS + _WIDE + _FIGURES, 0.85 + _ROW * len(bars),
    )  # fmt: skip
    tall = _ROW * len(bars)
    words = words_axes(page, 0.25, 0.55, _WORDS, tall)
    axis = page.axes(0.25 + _WORDS, 0.55, _WIDE, tall)
    count_rows(len(bars), words, axis)
    size: dict[str, Any] = {"size": style.NOTE_SIZE + 0.5, "va": "center"}
    for at, row in enumerate(bars):
        colour = _TRIAL if row["what"] == "trial" else _KNOWN
        told = row["lower"] > 0
        axis.barh(at, row["value"], height=0.5, color=colour if told else "white", edgecolor=colour, lw=1)
        axis.plot([row["lower"], row["upper"]], [at, at], color=style.INK, lw=1.5, solid_capstyle="butt")
        words.text(_WORDS - 0.12, at, worth.known(row), ha="right", **size)
        where = axis.get_yaxis_transform()
        style.aside(axis, worth.worth_text(row), (1, at), (8, 0), where, **size)
    reach = max([row["upper"] for row in bars] + ([] if agree else [evpi["upper"]]), default=0.0)
    if agree:
        style.percent_axis(axis, "x")
        axis.set_xlabel("share of the variance of the difference")
    else:
        axis.axvline(evpi["value"], color=style.INK, lw=1.2, ls=style.DASHES)
        top = axis.get_xaxis_transform()
        text = f"all: {worth.worth_text(evpi)}"
        style.aside(axis, text, (evpi["value"], 1), (0, 4), top, ha="center", size=style.NOTE_SIZE + 0.5)
        axis.set_xlabel(f"{asked['unit_text']} ({label(key_of(asked['endpoint'])).lower()})")
    axis.set_xlim(0, min(1.08 * reach, 1.0) if agree else 1.08 * reach or 1.0)
    dress_marks(axis)
    return page.figure
