"""Every target beside what the simulation makes of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from sim.scenario.schema import Scenario
from sim.show.kit import style
from sim.show.kit.curves import undefined_note
from sim.show.kit.forest import EDGE, RANGE, count_rows, dress_marks, mark, ruled, signed_points, words_axes
from sim.show.kit.formats import Row, format_difference, format_range, rows
from sim.show.kit.prose import one_sentence, sentences
from sim.show.kit.scenario_words import in_sentence
from sim.work.results import Results

# Rows below this get a panel with its own, wider scale: 2% would be a dot beside 84%.
_LOW = 0.15
_ROW, _AXIS, _KEY, _KEY_LINE, _GAP = 0.62, 0.4, 0.42, 0.24, 0.08
_NAMES, _PUBLISHED, _SIMULATED, _VALUES, _BETWEEN, _DIFFERENCES = 2.45, 0.8, 0.95, 3.3, 0.5, 1.55
_POSTERIOR = "#7f9dc0"


def _basis(row: Row) -> str:
    """Say where a published figure comes from."""
    if row.assumed:
        return f"{row.origin}, not published"
    if row.n is None:
        return row.source
    if row.published_interval is not None:
        # Other counts are of those who could be assessed: neither all enrolled nor all reinfused.
        who = "enrolled" if row.endpoint.denominator == "enrolled" else "patients"
        text = f"{row.count} of {row.n} {who}"
    else:
        method = "Kaplan-Meier, " if row.endpoint.trial == "kaplan_meier" else ""
        text = f"{method}{row.n} patients"
    return f"{text}; {row.source}" if "(" in row.source else f"{text} ({row.source})"


def _extent(row: Row) -> float:
    """Return the largest figure drawn in a row."""
    interval = row.published_interval or ()
    drawn = (row.target, row.mc_upper, row.posterior_upper, row.trial_upper, *interval)
    return max((value for value in drawn if not math.isnan(value)), default=0.0)


def aims_of(table: pd.DataFrame, scenario: Scenario) -> list[Row]:
    """Return the targets among the rows of a table of endpoints."""
    return [row for row in rows(table, scenario) if row.has_target]


def is_low(row: Row) -> bool:
    """Tell whether a share would be a dot at the left on the axis of the others."""
    return max(row.target, row.estimate) <= _LOW


def _panels(shares: Sequence[Row]) -> list[list[Row]]:
    """Part the low shares from the others."""
    parts = [row for row in shares if is_low(row)], [row for row in shares if not is_low(row)]
    return [panel for panel in parts if panel]


@style.styled
def calibration_figure(endpoints: pd.DataFrame, scenario: Scenario) -> Figure:
    """Draw each target, published or assumed, beside the simulated figure, and their difference.

    Parameters
    ----------
    endpoints : DataFrame
        The columns of ``endpoints.csv``.
    scenario : Scenario
        Its targets say how many patients stand behind a figure.
    """
    aims = aims_of(endpoints, scenario)
    return _drawing(aims, scenario, _finding(aims), filter(None, [scenario.caution]))


@style.styled
def targets_figure(predictions: pd.DataFrame, scenario: Scenario) -> Figure:
    """Draw each target beside the posterior's prediction, and their difference.

    Parameters
    ----------
    predictions
        The columns of ``predictions.csv``.
    scenario
        Its targets say how many patients stand behind a figure.
    """
    aims = aims_of(predictions, scenario)
    return _drawing(aims, scenario, _targets_finding(aims), ())


def _drawing(aims: Sequence[Row], scenario: Scenario, finding: str, remarks: Iterable[str]) -> Figure:
    """Draw the targets that are shares, each a row; say so where none is."""
    shares = _shares(aims)
    if not shares:
        reason = "No target is a share of patients" if aims else "No targets to compare with"
        return style.empty_figure(reason, scenario.title, *_in_words(aims))
    key = _KEY + (_KEY_LINE if _drawn(shares) else 0.0)
    width = 2 * EDGE + _NAMES + _PUBLISHED + _SIMULATED + _VALUES + _BETWEEN + _DIFFERENCES
    said = [scenario.title, *sentences("figures", "calibration", _drawn(aims))]
    page = style.sheet(finding, said, [*_notes(aims), *remarks], width, key + _height(shares))
    _headings(page, shares)
    reach = _reach(shares)
    for panel, bottom in _stacked(shares, page.height - key):
        _draw_panel(page, panel, bottom, reach)
    return page.figure


def _shares(aims: Sequence[Row]) -> list[Row]:
    return [row for row in aims if row.endpoint.kind == "share"]


def _height(shares: Sequence[Row]) -> float:
    panels = _panels(shares)
    return sum(_ROW * len(panel) + _AXIS for panel in panels) + _GAP * (len(panels) - 1)


def _stacked(shares: Sequence[Row], top: float) -> Iterator[tuple[list[Row], float]]:
    """Yield panels with the height at which each begins, from the top down."""
    for panel in _panels(shares):
        top -= _ROW * len(panel)
        yield panel, top
        top -= _AXIS + _GAP


def _headings(page: style.Sheet, shares: Sequence[Row]) -> None:
    """Write the columns' names and the key of the marks above the panels."""
    up = _KEY_LINE if _drawn(shares) else 0.0  # more marks than fit beside the names
    top = page.height - _KEY - up + 0.09
    words = words_axes(page, EDGE, top, page.width - 2 * EDGE, 0.3)
    left = _NAMES + _PUBLISHED + _SIMULATED
    for x, text in ((_NAMES, "target"), (_NAMES + _PUBLISHED, "simulated")):
        words.text(x, 0, text, color=style.GREY, va="bottom")
    origins = dict.fromkeys(row.origin for row in sorted(shares, key=lambda row: row.assumed))
    filled = {"published": style.INK}
    handles: list[Artist] = [mark("D", filled.get(name, "white"), name) for name in origins]
    handles.append(mark("o", style.BLUE, "simulated"))
    if _drawn(shares):
        handles.append(Patch(color=_POSTERIOR, label="posterior 95%"))
    handles.append(Patch(color=RANGE, label="range of one trial"))
    words.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(left, 0.02 + up / 0.3),
        bbox_transform=words.transData, ncols=len(handles), fontsize=style.NOTE_SIZE + 0.5,
        handletextpad=0.4, borderaxespad=0, borderpad=0, handlelength=0.9, columnspacing=0.8,
    )  # fmt: skip
    x = left + _VALUES + _BETWEEN + _DIFFERENCES / 2
    words.text(x, 0, "difference, points", color=style.GREY, va="bottom", ha="center")


def _drawn(aims: Sequence[Row]) -> bool:
    """Tell whether the figures are means over draws of a posterior."""
    return any(row.drawn for row in aims)


def _draw_panel(page: style.Sheet, panel: Sequence[Row], bottom: float, reach: float) -> None:
    """Draw some rows on one scale, with their differences beside them."""
    height = _ROW * len(panel)
    left = EDGE + _NAMES + _PUBLISHED + _SIMULATED
    values = page.axes(left, bottom, _VALUES, height)
    differences = page.axes(left + _VALUES + _BETWEEN, bottom, _DIFFERENCES, height)
    _scale(values, panel)
    differences.set_xlim(-reach, reach)
    differences.axvline(0, color=style.GREY, lw=0.8)
    differences.xaxis.set_major_locator(MaxNLocator(4, symmetric=True, steps=[1, 2, 5, 10]))
    differences.xaxis.set_major_formatter(signed_points)
    dress_marks(differences)
    words = words_axes(page, EDGE, bottom, _NAMES + _PUBLISHED + _SIMULATED, height)
    count_rows(len(panel), words, values, differences)
    for y, row in ruled(panel, words, values, differences):
        _write_row(words, row, y)
        _draw_values(values, row, y)
        _draw_difference(differences, row, y)


def _scale(values: Axes, panel: Sequence[Row]) -> None:
    """Scale the axis of a panel: to everybody, or to a little beyond low figures."""
    low = is_low(panel[0])
    values.set_xlim(0, min(1.0, 1.06 * max(_extent(row) for row in panel)) if low else 1.0)
    style.percent_axis(values, "x")
    values.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    dress_marks(values)


def _write_row(words: Axes, row: Row, y: int) -> None:
    basis = style.wrap(_basis(row), style.NOTE_SIZE, _NAMES - 0.1)
    basis = [basis[0], f"{basis[1]} …"] if len(basis) > 2 else basis
    up = 0.1 if len(basis) > 1 else 0.0  # two lines would touch the rule below
    words.text(0, y - 0.16 - up, row.label, va="center", weight="bold", size=style.TEXT_SIZE)
    words.text(0, y + 0.06 - up, "\n".join(basis), va="top", color=style.GREY, size=style.NOTE_SIZE)
    words.text(_NAMES, y - 0.16, row.target_text, va="center", color=style.GREY if row.assumed else style.INK)
    x = _NAMES + _PUBLISHED
    if math.isnan(row.estimate):
        lines = style.wrap(row.simulated_text, style.NOTE_SIZE, _SIMULATED - 0.1)
        words.text(x, y - 0.28, "\n".join(lines), va="top", color=style.GREY, size=style.NOTE_SIZE)
    else:
        words.text(x, y - 0.16, row.simulated_text, va="center", color=style.BLUE, weight="bold")
        words.text(x, y + 0.16, row.posterior_text, va="center", color=style.BLUE, size=style.NOTE_SIZE)


def _draw_values(axis: Axes, row: Row, y: int) -> None:
    """Draw a row's marks: the target above, the simulation and the range of one trial below it."""
    above, below = y - 0.16, y + 0.16
    if not math.isnan(row.trial_lower):
        axis.barh(below, row.trial_upper - row.trial_lower, 0.26, row.trial_lower, color=RANGE)
    _draw_posterior(axis, row, below, 0.0)
    if row.published_interval is not None:
        axis.plot(row.published_interval, (above, above), color=style.INK, lw=1.4)
    fill = "white" if row.assumed else style.INK
    style.dot(axis, row.target, above, "D", 6.5, fill, style.INK, clip_on=False, zorder=4)
    axis.plot((row.mc_lower, row.mc_upper), (below, below), color=style.BLUE, lw=2.4)
    style.dot(axis, row.estimate, below, "o", 6.5, style.BLUE, "white", clip_on=False, zorder=4)


def _draw_posterior(axis: Axes, row: Row, y: float, less: float) -> None:
    if row.drawn:
        width = row.posterior_upper - row.posterior_lower
        axis.barh(y, width, 0.13, row.posterior_lower - less, color=_POSTERIOR)


def _draw_difference(axis: Axes, row: Row, y: int) -> None:
    if math.isnan(row.estimate):
        return
    difference = row.estimate - row.target
    _draw_posterior(axis, row, y, row.target)
    axis.plot((row.mc_lower - row.target, row.mc_upper - row.target), (y, y), color=style.BLUE, lw=2.4)
    axis.plot(difference, y, marker="o", ms=6.5, mfc=style.BLUE, mec="white", zorder=4)
    at = {"ha": "center", "va": "bottom", "size": style.NOTE_SIZE, "bbox": style.OVER_LINES}
    style.aside(axis, _difference(row), (difference, y), (0, 6), "data", **at)


def _reach(shares: Sequence[Row]) -> float:
    """Return the half width of the panel of differences: a little beyond the farthest interval."""
    ends = [
        end - row.target
        for row in shares
        for end in (row.mc_lower, row.mc_upper, row.posterior_lower, row.posterior_upper)
    ]
    return 1.15 * max((abs(end) for end in ends if not math.isnan(end)), default=0.01)


def _finding(aims: Sequence[Row]) -> str:
    """Count the targets that are met, and name the share that lies farthest off, or else what is missed."""
    known = [row for row in aims if not math.isnan(row.estimate)]
    if not known:
        return "No target can be compared: nobody is at risk"
    solved = [row for row in known if row.fitted and row.origin != "targeted"]
    asked = solved or known  # what was never fitted is told apart, below
    missed = [row for row in asked if not row.agrees]
    far = [row for row in missed if row.endpoint.kind == "share"]
    worst = max(far, key=lambda row: abs(row.estimate - row.target), default=None)
    farthest = () if worst is None else (in_sentence(worst.key), _difference(worst))
    drawn, names = any(row.drawn for row in known), [row.label for row in missed]
    met = len(asked) - len(missed)
    return one_sentence("figures", "calibration_found", met, names, bool(solved), drawn, farthest)


def _difference(row: Row) -> str:
    return format_difference(row.endpoint, row.estimate - row.target, row.half_width)


def _in_words(aims: Sequence[Row]) -> list[str]:
    """Write the targets that have no place on an axis of per cent."""
    return [f"{_mean_text(row)}." for row in aims if row.endpoint.kind != "share"]


def _mean_text(row: Row) -> str:
    use = "" if row.fitted else ", never fitted"
    error = format_range(row.endpoint, row.mc_lower, row.mc_upper)
    details = [("Monte Carlo", error), ("posterior", row.posterior_text), ("one trial", row.trial_text)]
    return one_sentence("figures", "in_words", row, f", simulated {row.simulated_text}{use}", details)


def _notes(aims: Sequence[Row]) -> list[str]:
    shares = _shares(aims)
    published = [row for row in shares if not row.assumed]
    without = [row.label for row in published if row.published_interval is None]
    intervals = sentences("figures", "interval_notes", len(published) > len(without), without)
    return [*_in_words(aims), *intervals, *undefined_note(aims, "bar")]


def _targets_finding(aims: Sequence[Row]) -> str:
    """Count the published shares within the posterior's interval, and name the widest."""
    known = [row for row in aims if not row.assumed and row.endpoint.kind == "share" and row.drawn]
    inside = [row for row in known if row.posterior_lower <= row.target <= row.posterior_upper]
    widest = max(known, key=lambda row: row.posterior_upper - row.posterior_lower, default=None)
    ends = () if widest is None else (in_sentence(widest.key), widest.posterior_lower, widest.posterior_upper)
    return one_sentence("figures", "targets_found", len(inside), len(known), *ends)


def of_run(results: Results) -> Figure | None:
    """Draw the targets of a run's scenario; None without any."""
    scenario = results.scenario
    return calibration_figure(results.tables["endpoints"], scenario) if scenario.shown_targets else None


def of_calibration(results: Results) -> Figure:
    """Draw the targets of a calibration."""
    return targets_figure(results.tables["predictions"], results.scenario)
