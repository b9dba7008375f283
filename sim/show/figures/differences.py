"""The difference of each main endpoint between a scenario and the reference, as a forest plot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sim.scenario.endpoints import Key
from sim.show.comparison import found_sentences, held
from sim.show.kit import style
from sim.show.kit.forest import EDGE, RANGE, count_rows, dress_marks, ruled, signed_points, words_axes
from sim.show.kit.formats import Row, by_key, rows
from sim.show.kit.pairs import EndpointPair, endings, pair_notes, pairs
from sim.show.kit.prose import sentences
from sim.work.results import Results

_ROW, _AXIS, _HEAD = 0.4, 0.45, 0.34
_NAMES, _VALUE, _FOREST, _TEXT = 3.0, 1.05, 3.1, 1.85


@style.styled
def differences_figure(
    comparison: pd.DataFrame, ranges: pd.DataFrame, names: tuple[str, str], finding: str,
    remarks: Sequence[str] = (), held: str = "", draws: int | None = None,
) -> Figure:  # fmt: skip
    """Draw the difference of each main share of patients, with its interval and over the ranges.

    Parameters
    ----------
    comparison, ranges
        The columns of ``comparison.csv`` and ``range.csv``.
    names
        Of the reference and of the scenario.
    finding
        The title.
    remarks
        Paragraphs below, such as cautions.
    held
        The values of the ranges at which all but the pale bars hold.
    draws
        Under how many draws of a posterior, whose the intervals then are.
    """
    reference, name = names
    found = pairs(comparison, reference, name)
    shown = [pair for pair in found if _is_drawn(pair.scenario)]
    rest = _notes([pair for pair in found if pair not in shown])
    over = ranges[ranges["scenario"] == name]
    if not shown:
        return style.empty_figure("No share of patients can be compared", f"{name} and {reference}", *rest)
    spans = _spans(over)
    lines = [
        ForestRow(
            row.label, (pair.reference.simulated_text, row.simulated_text),
            row.difference, row.difference_lower, row.difference_upper, pair.text, spans.get(row.key),
        )
        for pair in shown
        for row in [pair.scenario]
    ]  # fmt: skip
    above = _lines(names, over, held, draws)
    return sheet_of(lines, names, "difference, percentage points", finding, above, [*rest, *remarks])


def _is_drawn(row: Row) -> bool:
    return row.endpoint.kind == "share" and not math.isnan(row.difference)


def _lines(names: tuple[str, str], over: pd.DataFrame, held: str, draws: int | None) -> list[str]:
    groups = over.groupby(["varied", "key"], sort=False)["value"]
    ranges = [(*names_, table.unique().tolist()) for names_, table in groups]
    said = sentences("figures", "differences", names[1], names[0], draws)
    return said + sentences("figures", "pale_bars", ranges, held)


def _notes(rest: Sequence[EndpointPair]) -> list[str]:
    """Write the pairs that have no place on an axis of percentage points, and those without a difference."""
    missing: dict[str, list[EndpointPair]] = {}
    for pair in rest:
        if math.isnan(pair.scenario.difference):
            missing.setdefault(pair.text, []).append(pair)
    apart = [pair for pair in rest if not math.isnan(pair.scenario.difference)]
    return sentences("figures", "not_drawn", apart, missing.items())


class ForestRow(NamedTuple):
    """A row of the plot: a name, figures beside it, a difference as a fraction, and what is written of it."""

    label: str
    figures: tuple[str, ...]
    value: float
    lower: float
    upper: float
    text: str
    span: tuple[float, float] | None = None
    """Over what a range spreads the difference."""


def sheet_of(
    lines: Sequence[ForestRow],
    heads: Sequence[str],
    across: str,
    title: str,
    above: Sequence[str],
    below: Sequence[str],
    *,
    signed: bool = True,
) -> Figure:
    """Draw figures on one axis, a row each, between their names and their texts.

    Parameters
    ----------
    heads
        What stands over the figures.
    across
        The name of the axis.
    title, above, below
        The words of the page.
    signed
        Whether they are differences, around 0; else they are shares.
    """
    height, left = _ROW * len(lines), _NAMES + len(heads) * _VALUE
    page = style.sheet(title, above, below, 0.44 + left + _FOREST + _TEXT, _HEAD + height + _AXIS)
    words = words_axes(page, EDGE, _AXIS, left, height)
    forest = page.axes(EDGE + left, _AXIS, _FOREST, height)
    texts = words_axes(page, EDGE + left + _FOREST, _AXIS, _TEXT, height)
    count_rows(len(lines), words, forest, texts)
    for y, line in ruled(lines, words, forest, texts):
        words.text(0, y, line.label, va="center", weight="bold", size=style.TEXT_SIZE)
        for place, text in enumerate(line.figures):
            words.text(_NAMES + place * _VALUE, y, text, va="center")
        if line.span is not None:
            forest.barh(y, line.span[1] - line.span[0], 0.5, line.span[0], color=RANGE)
        if not math.isnan(line.lower):
            forest.plot((line.lower, line.upper), (y, y), color=style.BLUE, lw=2.4)
        forest.plot(line.value, y, marker="o", ms=6.5, mfc=style.BLUE, mec="white", zorder=4)
        texts.text(0.15, y, line.text, va="center", size=style.NOTE_SIZE + 0.5)
    dress_marks(forest)
    forest.margins(x=0.08)
    forest.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    if signed:
        forest.axvline(0, color=style.GREY, lw=0.8)
        forest.xaxis.set_major_formatter(signed_points)
    else:
        style.percent_axis(forest, "x")
    forest.set_xlabel(across, color=style.GREY, size=style.NOTE_SIZE)
    head = words_axes(page, EDGE, _AXIS + height, page.width - 2 * EDGE, _HEAD)
    for place, name in enumerate(heads):
        text = "\n".join(style.wrap(name, style.NOTE_SIZE, _VALUE - 0.1)[:2])
        head.text(_NAMES + place * _VALUE, 0.1, text, color=style.GREY, size=style.NOTE_SIZE, va="bottom")
    return page.figure


def _spans(over: pd.DataFrame) -> dict[Key, tuple[float, float]]:
    """Return, for each endpoint, the smallest and the largest difference over the ranges."""
    known = by_key(row for row in rows(over) if not math.isnan(row.difference))
    found = {key: [row.difference for row in of_key] for key, of_key in known.items()}
    return {key: (min(of_key), max(of_key)) for key, of_key in found.items()}


def of_comparison(results: Results) -> dict[str, Figure]:
    """Draw the differences of each scenario from the reference."""
    comparison, over = results.tables["comparison"], results.table("range")
    ranges = comparison.head(0).assign(varied="", key="", value=math.nan) if over is None else over
    reference, found = str(results.manifest["reference"]), {}
    for name, ending in endings(results).items():
        finding = found_sentences(results, name)[0].partition(";")[0].removesuffix(".")
        found[ending] = differences_figure(
            comparison, ranges, (reference, name), finding, pair_notes(results, name),
            held=held(results, name), draws=results.draws,
        )  # fmt: skip
    return found
