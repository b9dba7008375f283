"""Other ways to see the trial: how probable its figures make each, and how far each moves the answers."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sim.scenario.priors import AS_IT_IS
from sim.scenario.schema import Scenario
from sim.show.figures.posterior_checks import ANSWERS
from sim.show.kit import style
from sim.show.kit.forest import EDGE, RANGE, count_rows, dress_marks, words_axes
from sim.show.kit.prose import one_sentence, sentences
from sim.study.estimates import Z95
from sim.work.results import Results

_NAMES, _WEIGHTS, _ROW, _HEAD, _AXIS, _GAP, _PANEL = 2.5, 1.55, 0.5, 0.62, 0.55, 0.16, 1.02
_LITTLE = 0.5  # posterior SDs: what moves an answer less is within what the trial leaves open


@style.styled
def alternatives_figure(weights: pd.DataFrame, moved: pd.DataFrame, scenario: Scenario) -> Figure:
    """Draw posterior weights of all ways to see the trial, and by how much each moves every answer.

    Parameters
    ----------
    weights, moved
        The columns of ``alternatives.csv`` and ``moved.csv``.
    """
    names = list(dict.fromkeys(moved["answer"]))
    labels = moved.drop_duplicates("answer").set_index("answer")["label"]
    rows = list(weights["name"])
    height = _HEAD + _ROW * len(rows) + _AXIS
    width = 0.44 + _NAMES + _WEIGHTS + 0.3 + len(names) * (_PANEL + _GAP)
    page = style.sheet(
        _finding(weights, moved),
        [scenario.title, *sentences("figures", "alternatives")],
        sentences("figures", "alternatives_notes"),
        width, height,
    )  # fmt: skip
    words = words_axes(page, EDGE, _AXIS, _NAMES, _ROW * len(rows))
    count_rows(len(rows), words)
    for place, title in enumerate(weights["title"]):
        lines = style.wrap(str(title), style.TEXT_SIZE, _NAMES - 0.15)
        weight = "bold" if weights["name"].iloc[place] == AS_IT_IS else "normal"
        words.text(
            0, place, "\n".join(lines[:2]), va="center", size=style.TEXT_SIZE, weight=weight, linespacing=1.15
        )
    axis = page.axes(0.22 + _NAMES, _AXIS, _WEIGHTS, _ROW * len(rows))
    _draw_weights(axis, weights)
    _head(page, 0.22 + _NAMES, "posterior weight", _WEIGHTS)
    reach = 1.12 * max(1.0, float((moved["moved_sd"].abs() + Z95 * moved["moved_mc_se"] / moved["sd"]).max()))
    for number, name in enumerate(names):
        left = 0.22 + _NAMES + _WEIGHTS + 0.3 + number * (_PANEL + _GAP)
        axis = page.axes(left, _AXIS, _PANEL, _ROW * len(rows))
        _draw_moved(axis, moved[moved["answer"] == name].set_index("name"), rows, reach)
        _head(page, left, ANSWERS.get(name, str(labels[name])).replace(" y", "\N{NO-BREAK SPACE}y"), _PANEL)
        if number == len(names) // 2:
            axis.set_xlabel("moved by, posterior SDs", size=style.TEXT_SIZE)
    return page.figure


def _head(page: style.Sheet, left: float, text: str, room: float) -> None:
    """Write a column's name above it."""
    head = page.axes(left, page.height - _HEAD + 0.05, room, _HEAD - 0.1)
    head.set_axis_off()
    lines = style.wrap(text, style.NOTE_SIZE, room)
    head.text(0, 0, "\n".join(lines), color=style.GREY, size=style.NOTE_SIZE, va="bottom", linespacing=1.2)


def _rows(axis: Axes, count: int) -> None:
    count_rows(count, axis)
    dress_marks(axis)
    for place in range(1, count):
        axis.axhline(place - 0.5, color=style.RULE, lw=0.6)


def _draw_weights(axis: Axes, weights: pd.DataFrame) -> None:
    _rows(axis, len(weights))
    axis.axvline(float(weights["prior_weight"].iloc[0]), color=style.INK, lw=1.2, ls=style.DASHES)
    for place, row in enumerate(weights.to_dict("records")):
        share, error = row["posterior_weight"], Z95 * row["mc_se"]
        axis.barh(place, share, 0.34, color=RANGE)
        axis.plot((share - error, share + error), (place, place), color=style.BLUE, lw=2.4)
        axis.plot(share, place, marker="o", ms=5.5, mfc=style.BLUE, mec="white", zorder=3)
    axis.set_xlim(0, 1.15 * float((weights["posterior_weight"] + Z95 * weights["mc_se"]).max()))
    axis.xaxis.set_major_locator(MaxNLocator(3))
    style.percent_axis(axis, "x")


def _draw_moved(axis: Axes, moved: pd.DataFrame, rows: list[str], reach: float) -> None:
    """Draw how far one answer moves under every way to see the trial."""
    _rows(axis, len(rows))
    axis.axvline(0, color=style.GREY, lw=0.8)
    for place, name in enumerate(rows):
        row = moved.loc[name]
        x, error = float(row["moved_sd"]), Z95 * float(row["moved_mc_se"]) / float(moved["sd"].iloc[0])
        axis.plot((x - error, x + error), (place + 0.1, place + 0.1), color=style.BLUE, lw=2)
        look = ("D", 5.5, style.INK) if name == AS_IT_IS else ("o", 5.5, style.BLUE)
        style.dot(axis, x, place + 0.1, *look, "white", zorder=3)
        share = row["kind"] != "hazard"
        text = f"{100 * row['mean']:.0f}%" if share else f"{row['mean']:.3f}"
        axis.text(x, place - 0.2, text, ha="center", va="center", size=style.NOTE_SIZE, bbox=style.OVER_LINES)
    axis.set_xlim(-reach, reach)
    axis.xaxis.set_major_locator(MaxNLocator(3, symmetric=True))


def _finding(weights: pd.DataFrame, moved: pd.DataFrame) -> str:
    """Say whether the figures rule a way to see the trial out, and how far an answer moves at most."""
    shares, others = weights["posterior_weight"], moved[moved["name"] != AS_IT_IS]
    least, most = weights.loc[shares.idxmin()], others.loc[others["moved_sd"].abs().idxmax()]
    name = ANSWERS.get(str(most["answer"]), str(most["label"]))
    ruled_out = least["title"] if shares.min() < 0.05 / len(weights) else ""
    ends = shares.min(), shares.max()
    move = f"{name[0].lower()}{name[1:]}", most["moved_sd"], _LITTLE
    return one_sentence("figures", "alternatives_found", ruled_out, len(weights), *ends, *move)


def alternatives(results: Results) -> Figure:
    """Draw the alternatives of a calibration."""
    tables = results.tables
    return alternatives_figure(tables["alternatives"], tables["moved"], results.scenario)
