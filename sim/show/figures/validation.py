"""Observed figures of cohorts beside what was predicted of them, as a forest plot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from sim.show.kit import style
from sim.show.kit.forest import EDGE, RANGE, draw_key, dress_marks, mark, words_axes
from sim.show.kit.prose import sentences
from sim.show.own_patients import finding as own_finding
from sim.show.validation import (
    Line,
    UnderDraws,
    draws_of,
    finding,
    lines,
    misses,
    scope,
    tallies,
    tally_sentences,
)
from sim.study.validate import CoveredCount
from sim.work.results import Results

_ROW, _HEAD, _AXIS, _KEY = 0.34, 0.36, 0.4, 0.62
_NAMES, _OBSERVED, _PREDICTED, _FOREST, _VERDICT = 2.75, 1.35, 1.0, 3.5, 1.2
# Marker, fill, edge and words of what a figure is to the model.
_MARKS = {
    "held_out": ("D", style.INK, style.INK, "observed, shares nothing with the fit"),
    "overlaps": ("D", "white", style.INK, "observed, overlaps with what was fitted"),
    "fitted": ("s", style.GREY, style.GREY, "fitted, counts for nothing"),
}


@style.styled
def validation_figure(
    table: pd.DataFrame, predicted: CoveredCount, apart: CoveredCount, titles: Mapping[str, str],
    drawn: UnderDraws | None = None, found: str = "",
) -> Figure:  # fmt: skip
    """Draw every observed share with its interval, and the range that virtual cohorts would report.

    Parameters
    ----------
    table
        The columns of ``validation.csv``.
    predicted, apart
        The tallies of `sim.study.validate.Validation`.
    titles
        Title of each cohort by name.
    drawn
        Of which posterior the predictions are, if of any.
    found
        The finding; left out, how many figures hold.
    """
    read = lines(table)
    shown = [line for line in read if line.endpoint.kind == "share"]
    others = sentences("figures", "validation_others", [line for line in read if line not in shown])
    if not shown:
        return style.empty_figure(finding(predicted, apart), *others)
    cohorts = list(dict.fromkeys(line.cohort for line in shown))
    height = _KEY + _HEAD * len(cohorts) + _ROW * len(shown) + _AXIS
    width = 0.44 + _NAMES + _OBSERVED + _PREDICTED + _FOREST + _VERDICT
    own = read[0].own
    told = {"fitted": read[0].role == "fitted"}
    counted = sentences("own", "tally_of", predicted, told) if own else tally_sentences(predicted, apart)
    said = [*sentences("figures", "validation", own), *counted]
    notes = [*misses(read), *scope(drawn), *others, *_notes(shown)]
    page = style.sheet(found or _title(predicted, apart, read, titles), said, notes, width, height)
    _key(page, shown)
    _draw(page, shown, cohorts, titles)
    return page.figure


def figure_data(table: pd.DataFrame) -> pd.DataFrame:
    """Return what the figure draws: one row a share, in its order."""
    names = [line.endpoint.kind == "share" for line in lines(table)]
    columns = ["cohort", "endpoint", "time_years", "observed", "observed_lower", "observed_upper",
               "predicted", "lower", "upper", "covered", "z", "role"]  # fmt: skip
    return table.loc[names, columns].reset_index(drop=True)


def _title(
    predicted: CoveredCount, apart: CoveredCount, read: Sequence[Line], titles: Mapping[str, str]
) -> str:
    """Count what holds, and name the cohorts in which something is missed."""
    missed = list(dict.fromkeys(titles[line.cohort].partition(":")[0] for line in read if line.missed))
    text = finding(predicted, apart)
    return f"{text}; missed: {', '.join(missed)}" if missed and predicted.figures > 1 else text


def _key(page: style.Sheet, drawn: Sequence[Line]) -> None:
    """Write the key of the marks and the columns' names above the rows."""
    words = words_axes(page, EDGE, page.height - _KEY + 0.06, page.width - 2 * EDGE, 0.3)
    for x, text in (
        (_NAMES, "observed"),
        (_NAMES + _OBSERVED, "predicted"),
        (_NAMES + _OBSERVED + _PREDICTED + _FOREST + 0.12, "z"),
    ):
        words.text(x, 0, text, color=style.GREY, va="bottom")
    roles = [role for role in _MARKS if any(line.role == role for line in drawn)]
    handles: list[Artist] = [
        mark(shape, fill, "observed in your patients" if drawn[0].own else text, edge, 6)
        for shape, fill, edge, text in (_MARKS[role] for role in roles)
    ]
    handles.append(mark("o", style.BLUE, "predicted", "white", 6))
    handles.append(Patch(color=RANGE, label="predictive interval"))
    line = {"handlelength": 0.9, "handletextpad": 0.4, "columnspacing": 1.0}
    draw_key(page, handles, EDGE, page.height - 0.26, page.width - 2 * EDGE, 0.24, **line)


def _draw(
    page: style.Sheet, drawn: Sequence[Line], cohorts: Sequence[str], titles: Mapping[str, str]
) -> None:
    """Draw the rows, cohort after cohort, in one pair of axes measured in inches from the top."""
    height = page.height - _KEY - _AXIS
    words = words_axes(page, EDGE, _AXIS, page.width - 2 * EDGE, height)
    left = EDGE + _NAMES + _OBSERVED + _PREDICTED
    forest = page.axes(left, _AXIS, _FOREST, height)
    forest.set_xlim(0, 1)
    style.percent_axis(forest, "x")
    dress_marks(forest)
    for axis in (words, forest):
        axis.set_ylim(height, 0)
    at = 0.0
    for name in cohorts:
        own = [line for line in drawn if line.cohort == name]
        if at:
            for axis in (words, forest):
                axis.axhline(at, color=style.RULE, lw=0.6)
        _heading(words, forest, own[0], titles[name], at + _HEAD / 2)
        at += _HEAD
        for line in own:
            middle = at + _ROW / 2 - 0.04
            _write_row(words, line, middle)
            _draw_row(forest, line, middle)
            at += _ROW


def _heading(words: Axes, forest: Axes, line: Line, title: str, y: float) -> None:
    """Write what the cohort is, and over the forest how large it is and what predicts it."""
    room = _NAMES + _OBSERVED + _PREDICTED - 0.1
    first, *more = style.wrap(title, style.TEXT_SIZE, room, weight="bold")
    words.text(0, y, f"{first} …" if more else first, va="center", weight="bold", size=style.TEXT_SIZE)
    base = f", predicted by {line.base}" if line.base else ""
    over_lines = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    text = f"{line.patients} patient{'' if line.patients == 1 else 's'}{base}"
    forest.text(0.01, y, text, va="center", color=style.GREY, size=style.NOTE_SIZE, bbox=over_lines)


def _write_row(words: Axes, line: Line, y: float) -> None:
    words.text(0.12, y, line.label, va="center", size=style.TEXT_SIZE)
    words.text(_NAMES, y, line.observed_text, va="center", size=style.TEXT_SIZE)
    words.text(
        _NAMES + _OBSERVED, y, line.predicted_text, va="center", color=style.BLUE, size=style.TEXT_SIZE
    )
    x = _NAMES + _OBSERVED + _PREDICTED + _FOREST + 0.12
    if line.missed:
        words.text(
            x, y, f"{line.z_text}  {line.verdict.upper()}", va="center", weight="bold", size=style.TEXT_SIZE
        )
    else:
        text = line.z_text if line.covered is not None else "nobody at risk"
        words.text(x, y, text, va="center", color=style.GREY, size=style.TEXT_SIZE)


def _draw_row(forest: Axes, line: Line, y: float) -> None:
    """Draw a row's marks: the observed figure above, the prediction below it."""
    above, below = y - 0.07, y + 0.07
    lower, upper = line.interval
    if not math.isnan(lower):
        forest.barh(below, upper - lower, 0.1, lower, color=RANGE)
        style.dot(forest, line.predicted, below, "o", 5, style.BLUE, "white", clip_on=False, zorder=4)
    shape, fill, edge, _ = _MARKS[line.role]
    if not math.isnan(line.limits[0]):
        forest.plot(line.limits, (above, above), color=edge, lw=1.2)
    style.dot(forest, line.observed, above, shape, 5.5, fill, edge, mew=1.2, clip_on=False, zorder=5)
    if line.missed:  # a ring that grey prints and every kind of colour vision shows
        ring = {"mew": 1.4, "clip_on": False, "zorder": 5}
        style.dot(forest, line.observed, above, "o", 12, "none", style.INK, **ring)


def _notes(drawn: Sequence[Line]) -> list[str]:
    """Say what the marks rest on, and what each cohort shares with the fit."""
    unread = [line for line in drawn if line.undefined >= 0.005]
    undefined = [f"{line.cohort}, {line.label} in {line.undefined:.0%}" for line in unread]
    overlapping = [line for line in drawn if line.role == "overlaps" and line.overlaps]
    shared = dict.fromkeys(f"{line.cohort}: {line.overlaps}" for line in overlapping)
    small = sentences("own", "small") if any(line.small for line in drawn) else []
    return [*sentences("figures", "validation_notes", undefined, [*shared], drawn[0].own), *small]


def shares_table(results: Results) -> pd.DataFrame:
    """Return what the figure of a validation draws."""
    return figure_data(results.tables["validation"])


def of_validation(results: Results, _data: pd.DataFrame) -> Figure:
    """Draw a validation."""
    manifest = results.manifest
    titles = {each["cohort"]: str(each["resolved"]["title"]) for each in manifest["cohorts"]}
    found = own_finding(results) if "own" in manifest else ""
    table = results.tables["validation"]
    return validation_figure(table, *tallies(manifest), titles, draws_of(manifest), found)
