"""The difference of each main endpoint between a scenario and the reference, as a forest plot."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sim.scenario.endpoints import Key
from sim.show.comparison import Averted, averted_sentence, held_at, own_values, range_sentence
from sim.show.kit import style
from sim.show.kit.forest import EDGE, RANGE, count_rows, dress_marks, ruled, signed_points, words_axes
from sim.show.kit.formats import written
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
    shown = [pair for pair in found if pair.scenario.endpoint.kind == "share" and not math.isnan(pair.value)]
    rest = _notes([pair for pair in found if pair not in shown])
    over = ranges[ranges["scenario"] == name]
    if not shown:
        return style.empty_figure("No share of patients can be compared", f"{name} and {reference}", *rest)
    width = 0.44 + _NAMES + 2 * _VALUE + _FOREST + _TEXT
    height = _HEAD + _ROW * len(shown) + _AXIS
    page = style.sheet(finding, _lines(names, over, held, draws), [*rest, *remarks], width, height)
    _draw(page, shown, names, over)
    return page.figure


def _lines(names: tuple[str, str], over: pd.DataFrame, held: str, draws: int | None) -> list[str]:
    lines = sentences("figures", "differences", names[1], names[0], draws)
    for (varied, key), table in over.groupby(["varied", "key"], sort=False):
        values = ", ".join(written(value) for value in table["value"].unique())
        where = "both" if varied == "both" else f"{varied}"
        lines.append(f"Pale bars: the difference where {key} of {where} is {values}.")
    return [*lines, f"All else: with {held}."] if held else lines


def _notes(rest: Sequence[EndpointPair]) -> list[str]:
    """Write the pairs that have no place on an axis of percentage points, and those without a difference."""
    notes, missing = [], defaultdict(list)
    for pair in rest:
        label = pair.scenario.label
        if math.isnan(pair.value):
            missing[pair.text].append(label)
        else:
            both = f"{pair.reference.simulated_text} and {pair.scenario.simulated_text}"
            notes.append(f"{label}: {both}, difference {pair.text}.")
    return notes + [f"Not compared ({why}): {'; '.join(labels)}." for why, labels in missing.items()]


def _draw(
    page: style.Sheet, shown: Sequence[EndpointPair], names: tuple[str, str], over: pd.DataFrame
) -> None:
    height = _ROW * len(shown)
    words = words_axes(page, EDGE, _AXIS, _NAMES + 2 * _VALUE, height)
    forest = page.axes(EDGE + _NAMES + 2 * _VALUE, _AXIS, _FOREST, height)
    texts = words_axes(page, EDGE + _NAMES + 2 * _VALUE + _FOREST, _AXIS, _TEXT, height)
    count_rows(len(shown), words, forest, texts)
    spans = _spans(over)
    for y, pair in ruled(shown, words, forest, texts):
        _draw_row(words, forest, texts, pair, y, spans.get(pair.scenario.key))
    forest.axvline(0, color=style.GREY, lw=0.8)
    dress_marks(forest)
    forest.margins(x=0.08)
    forest.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    forest.xaxis.set_major_formatter(signed_points)
    forest.set_xlabel("difference, percentage points", color=style.GREY, size=style.NOTE_SIZE)
    head = words_axes(page, EDGE, _AXIS + height, page.width - 2 * EDGE, _HEAD)
    for place, name in enumerate(names):
        text = "\n".join(style.wrap(name, style.NOTE_SIZE, _VALUE - 0.1)[:2])
        head.text(_NAMES + place * _VALUE, 0.1, text, color=style.GREY, size=style.NOTE_SIZE, va="bottom")


def _draw_row(
    words: Axes, forest: Axes, texts: Axes, pair: EndpointPair, y: int, span: tuple[float, float] | None
) -> None:
    words.text(0, y, pair.scenario.label, va="center", weight="bold", size=style.TEXT_SIZE)
    for place, row in enumerate((pair.reference, pair.scenario)):
        words.text(_NAMES + place * _VALUE, y, row.simulated_text, va="center")
    if span is not None:
        forest.barh(y, span[1] - span[0], 0.5, span[0], color=RANGE)
    if not math.isnan(pair.lower):
        forest.plot((pair.lower, pair.upper), (y, y), color=style.BLUE, lw=2.4)
    forest.plot(pair.value, y, marker="o", ms=6.5, mfc=style.BLUE, mec="white", zorder=4)
    texts.text(0.15, y, pair.text, va="center", size=style.NOTE_SIZE + 0.5)


def _spans(over: pd.DataFrame) -> dict[Key, tuple[float, float]]:
    """Return, for each endpoint, the smallest and the largest difference over the ranges."""
    found: dict[Key, tuple[float, float]] = {}
    for fields in over[over["difference"].notna()].itertuples(index=False):
        key = (str(fields.endpoint), None if math.isnan(fields.time_years) else float(fields.time_years))
        low, high = found.get(key, (math.inf, -math.inf))
        found[key] = (min(low, fields.difference), max(high, fields.difference))
    return found


def of_comparison(results: Results) -> dict[str, Figure]:
    """Draw the differences of each scenario from the reference."""
    comparison, over = results.tables["comparison"], results.table("range")
    ranges = comparison.head(0).assign(varied="", key="", value=math.nan) if over is None else over
    reference, found = str(results.manifest["reference"]), {}
    for name, ending in endings(results).items():
        held = held_in(results, name)
        found[ending] = differences_figure(
            comparison, ranges, (reference, name), _finding(results, name, held),
            pair_notes(results, name), held=held, draws=results.draws,
        )  # fmt: skip
    return found


def held_in(results: Results, name: str) -> str:
    """Say at which values of their ranges a scenario and the reference are compared."""
    both = (str(results.manifest["reference"]), name)
    scenarios = results.scenarios
    free = None
    if results.draws:
        free = {each["scenario"]: each["free"] for each in results.manifest["scenarios"]}
    return own_values({each: scenarios[each] for each in both}, free)


def _finding(results: Results, name: str, held: str) -> str:
    """Say how many deaths are averted, over a range if there is one."""
    reference, averted = str(results.manifest["reference"]), results.tables["deaths_averted"]
    own = averted[averted["scenario"] == name]
    over = own[own["key"] != ""]
    said = [range_sentence(rows, reference, name) for _, rows in over.groupby("key", sort=False)]
    (main,) = own[own["key"] == ""].to_dict("records")
    as_it_is = averted_sentence(Averted.of(main, drawn=bool(results.draws)), reference, name)
    first = next(filter(None, [*said, held_at(as_it_is, held)]))
    return first.partition(";")[0].removesuffix(".")
