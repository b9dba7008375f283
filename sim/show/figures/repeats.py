"""What was published beside what the posterior predicts, and what a repeat of the trial would report."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME, Endpoint, column, label
from sim.scenario.schema import Scenario, Target
from sim.show.calibration_shown import Shown, in_sentence
from sim.show.figures.targets import Aim
from sim.show.kit.formats import Row, format_range, format_share, format_value, rows, undefined_note
from sim.show.kit.plot import scenario_of
from sim.show.kit.style import (
    BLUE,
    GREY,
    INK,
    NOTE_SIZE,
    ORANGE,
    RULE,
    TEXT_SIZE,
    Sheet,
    empty_figure,
    percent_axis,
    sheet,
    styled,
    wrap,
)
from sim.study.estimates import Z95
from sim.work.results import Results

LIGHT = "#bccbdc"
_LOW = 0.15  # targets below it get a panel with a wider scale
_ROW, _AXIS, _KEY, _GAP = 0.62, 0.4, 0.42, 0.08
_NAMES, _PUBLISHED, _POSTERIOR, _VALUES = 2.7, 0.8, 1.0, 4.75
_JOINED = "\N{NO-BREAK SPACE}"
_WIDTH, _LEFT, _RIGHT, _BETWEEN, _TALL, _FOOT, _HEAD = 10.0, 0.6, 0.25, 0.7, 1.65, 0.35, 0.62


@styled
def targets_figure(predictions: pd.DataFrame, scenario: Scenario) -> Figure:
    """Draw each target beside the posterior's prediction, with both of its intervals.

    Parameters
    ----------
    predictions
        The columns of ``predictions.csv``.
    scenario
        Its targets say how many patients stand behind a figure.
    """
    counts = {(target.endpoint, target.time_years): target.n for target in scenario.target}
    aims = [Aim(row, counts.get(row.key)) for row in rows(predictions) if row.has_target]
    shares = [aim for aim in aims if aim.row.endpoint.kind == "share"]
    others = [f"{_mean_text(aim.row)}." for aim in aims if aim.row.endpoint.kind != "share"]
    if not shares:
        return empty_figure("No target is a share of patients", scenario.title, *others)
    low = [aim for aim in shares if max(aim.row.target, aim.row.estimate) <= _LOW]
    panels = [panel for panel in (low, [aim for aim in shares if aim not in low]) if panel]
    height = _KEY + sum(_ROW * len(panel) + _AXIS for panel in panels) + _GAP * (len(panels) - 1)
    width = 0.44 + _NAMES + _PUBLISHED + _POSTERIOR + _VALUES
    said = [
        scenario.title,
        "Posterior: mean and 95% of the figure itself, as far as the trial's figures leave it open. Range of "
        "one trial: what 95% of virtual trials of this size report, over the posterior.",
    ]
    page = sheet(_targets_finding(aims), said, [*others, *_target_notes(shares)], width, height)
    _key(page, shares)
    bottom = height - _KEY
    for panel in panels:
        bottom -= _ROW * len(panel)
        _draw_panel(page, panel, bottom, low=panel is low)
        bottom -= _AXIS + _GAP
    return page.figure


def _targets_finding(aims: Sequence[Aim]) -> str:
    """Count the published shares within the posterior's interval, and name the widest."""
    known = [
        aim.row for aim in aims if not aim.row.assumed and aim.row.endpoint.kind == "share" and aim.row.drawn
    ]
    if not known:
        return "No published share to compare with the posterior"
    inside = [row for row in known if row.posterior_lower <= row.target <= row.posterior_upper]
    if len(inside) == len(known):
        text = f"All {len(known)} published shares lie" if len(known) > 1 else "The published share lies"
    else:
        text = f"{len(inside)} of {len(known)} published shares lie"
    widest = max(known, key=lambda row: row.posterior_upper - row.posterior_lower)
    name = in_sentence(widest.key)
    return f"{text} in the posterior's 95%, which leaves {name} between {_between(widest)}"


def _between(row: Row) -> str:
    return f"{100 * row.posterior_lower:.0f} and {100 * row.posterior_upper:.0f}%"


def _mean_text(row: Row) -> str:
    """Write a target that has no place on an axis of per cent."""
    details = [
        f"{name} {text}"
        for name, text in (
            ("posterior 95%", row.posterior_text),
            ("one trial", format_range(row.endpoint, row.trial_lower, row.trial_upper)),
        )
        if text
    ]
    use = "" if row.fitted else ", not fitted"
    predicted = f"predicted {row.simulated_text} ({'; '.join(details)})"
    return f"{row.label}: {row.origin} {row.target_text}{use}, {predicted}"


def _target_notes(shares: Sequence[Aim]) -> list[str]:
    notes = []
    if any(aim.published_interval is not None for aim in shares):
        notes.append("Published counts of patients carry their exact 95% interval (Clopper-Pearson).")
    without = [aim.row.label for aim in shares if not aim.row.assumed and aim.published_interval is None]
    if without:
        notes.append(f"{'; '.join(without)}: interval not published.")
    largest = max((aim.row.half_width for aim in shares if aim.row.half_width > 0), default=math.nan)
    notes.append(f"Monte Carlo error of the means (95%): at most {100 * largest:.1g} points either way.")
    return notes + undefined_note([aim.row for aim in shares], "light bar")


def _key(page: Sheet, shares: Sequence[Aim]) -> None:
    """Write the columns' names and the key of the marks above the panels."""
    words = page.axes(0.22, page.height - _KEY + 0.09, page.width - 0.44, 0.3)
    words.set_axis_off()
    words.set_xlim(0, page.width - 0.44)
    for x, text in ((_NAMES, "target"), (_NAMES + _PUBLISHED, "posterior")):
        words.text(x, 0, text, color=GREY, va="bottom")
    marks: list[Artist] = []
    if any(not aim.row.assumed for aim in shares):
        marks.append(mark("D", INK, "published"))
    if any(aim.row.assumed for aim in shares):
        marks.append(mark("D", "white", "assumed"))
    marks += [
        Line2D([], [], color=BLUE, lw=3, marker="o", ms=7, mec="white", label="posterior mean, 95%"),
        Patch(color=LIGHT, label="range of one trial"),
    ]
    words.legend(
        handles=marks, loc="lower left", bbox_to_anchor=(_NAMES + _PUBLISHED + _POSTERIOR, 0.02),
        bbox_transform=words.transData, ncols=len(marks), fontsize=NOTE_SIZE + 0.5, handlelength=1.5,
        handletextpad=0.4, columnspacing=0.7, borderaxespad=0, borderpad=0,
    )  # fmt: skip


def mark(marker: str, fill: str, text: str) -> Line2D:
    """Return a mark for a key."""
    edge = INK if fill == "white" else fill
    return Line2D([], [], ls="", marker=marker, ms=6.5, mfc=fill, mec=edge, label=text)


def _draw_panel(page: Sheet, panel: Sequence[Aim], bottom: float, *, low: bool) -> None:
    """Draw some rows on one scale."""
    height = _ROW * len(panel)
    left = _NAMES + _PUBLISHED + _POSTERIOR
    values = page.axes(0.22 + left, bottom, _VALUES, height)
    words = page.axes(0.22, bottom, left, height)
    words.set_axis_off()
    words.set_xlim(0, left)
    most = max(max(aim.extent, aim.row.posterior_upper) for aim in panel)
    values.set_xlim(0, min(1.0, 1.06 * most) if low else 1.0)
    percent_axis(values, "x")
    values.grid(axis="x")
    values.set_yticks([])
    values.spines["left"].set_visible(False)
    for axis in (words, values):
        axis.set_ylim(len(panel) - 0.5, -0.5)
    for y, aim in enumerate(panel):
        _write_row(words, aim, y)
        _draw_row(values, aim, y)
        if y:
            words.axhline(y - 0.5, color=RULE, lw=0.6)
            values.axhline(y - 0.5, color=RULE, lw=0.6)


def _write_row(words: Axes, aim: Aim, y: int) -> None:
    row = aim.row
    words.text(0, y - 0.12, row.label, va="center", weight="bold")
    basis = wrap(aim.basis, NOTE_SIZE, _NAMES - 0.1)
    text = f"{basis[0]} …" if len(basis) > 1 else basis[0]
    words.text(0, y + 0.22, text, va="center", color=GREY, size=NOTE_SIZE)
    words.text(_NAMES, y - 0.12, row.target_text, va="center", color=GREY if row.assumed else INK)
    text = format_share(row.estimate, row.half_width)
    words.text(_NAMES + _PUBLISHED, y - 0.12, text, va="center", color=BLUE, weight="bold")
    text = row.posterior_text
    words.text(_NAMES + _PUBLISHED, y + 0.22, text, va="center", color=BLUE, size=NOTE_SIZE)


def _draw_row(axis: Axes, aim: Aim, y: int) -> None:
    """Draw a row's marks: what was published above, the posterior and the range of one trial below."""
    row, above, below = aim.row, y - 0.19, y + 0.13
    if aim.published_interval is not None:
        axis.plot(aim.published_interval, (above, above), color=INK, lw=1.6)
    fill = "white" if row.assumed else INK
    axis.plot(row.target, above, marker="D", ms=7, mfc=fill, mec=INK, clip_on=False, zorder=4)
    if math.isnan(row.estimate):
        return
    if not math.isnan(row.trial_lower):
        axis.barh(below, row.trial_upper - row.trial_lower, 0.28, row.trial_lower, color=LIGHT)
    if row.drawn:
        axis.plot((row.posterior_lower, row.posterior_upper), (below, below), color=BLUE, lw=3)
    axis.plot(row.estimate, below, marker="o", ms=7, mfc=BLUE, mec="white", clip_on=False, zorder=4)


@styled
def repeats_figure(
    repeats: pd.DataFrame, at_point: pd.DataFrame, scenario: Scenario, *, solved: bool = True
) -> Figure:
    """Draw what repeats of the trial would report of each target, under the posterior and at the point.

    Parameters
    ----------
    repeats
        What trials report under draws of the posterior: one column a target.
    at_point
        The same at the point solution.
    solved
        Whether there is a point solution; without one it is the scenario as it was given.
    """
    targets = [target for target in scenario.target if _name(target) in repeats]
    if not targets:
        return empty_figure("A trial reports none of the targets", scenario.title)
    where = "at the point solution" if solved else "with the values as given"
    across = 3
    down = math.ceil(len(targets) / across)
    height = 0.32 + down * (_HEAD + _TALL + _FOOT)
    page = sheet(
        _repeats_finding(repeats, at_point, targets),
        [
            scenario.title,
            f"Filled: {len(repeats):,} virtual trials of this size under {repeats['draw'].nunique():,} "
            f"draws of the posterior. Outline: {len(at_point):,} {where}, where chance alone "
            "makes them differ.",
        ],
        _repeat_notes(repeats, at_point, targets),
        _WIDTH, height,
    )  # fmt: skip
    _repeats_key(page, solved=solved)
    room = (_WIDTH - _LEFT - _RIGHT - (across - 1) * _BETWEEN) / across
    for number, target in enumerate(targets):
        bottom = height - 0.32 - (number // across) * (_HEAD + _TALL + _FOOT) - _HEAD - _TALL
        axis = page.axes(_LEFT + (number % across) * (room + _BETWEEN), bottom, room, _TALL)
        _draw_repeats(axis, repeats[_name(target)], at_point[_name(target)], target)
    return page.figure


def _name(target: Target) -> str:
    return f"trial_{column((target.endpoint, target.time_years))}"


def _repeats_key(page: Sheet, *, solved: bool) -> None:
    key = page.axes(_LEFT, page.height - 0.3, page.width - 1, 0.26)
    key.set_axis_off()
    marks: list[Artist] = [
        Patch(color=BLUE, alpha=0.35, label="over the posterior"),
        Line2D([], [], color=ORANGE, lw=1.8, label="at the point" if solved else "as given"),
        Line2D([], [], color=INK, lw=1.6, ls=(0, (4, 2)), label="published or observed"),
    ]
    key.legend(
        handles=marks, loc="center left", bbox_to_anchor=(0, 0.5), ncols=3, fontsize=NOTE_SIZE + 0.5,
        borderaxespad=0, borderpad=0, handlelength=1.6,
    )  # fmt: skip


def _seen(target: Target) -> tuple[float, str]:
    """Return what the trial saw of a target, and what that is: a count comes before an assumed share."""
    if target.observed is not None and target.n:
        return target.observed / target.n, "observed"
    assumed = target.source.strip().lower().startswith("assumption")
    return target.value, "assumed" if assumed else "published"


def _repeats_finding(repeats: pd.DataFrame, at_point: pd.DataFrame, targets: Sequence[Target]) -> str:
    """Say what a repeat would report of the last survival figure, and how much of that is the posterior's."""
    timed = [target for target in targets if BY_NAME[target.endpoint].timed] or list(targets)
    target = timed[0]
    low, high = _limits(repeats[_name(target)])
    below, above = _limits(at_point[_name(target)])
    name = in_sentence((target.endpoint, target.time_years))
    wide, narrow = (_whole(BY_NAME[target.endpoint], *ends) for ends in ((low, high), (below, above)))
    return f"A repeat of the trial would report {name} of {wide} (95%); by chance alone, {narrow}"


def _whole(endpoint: Endpoint, low: float, high: float) -> str:
    """Write an interval, a share's in whole per cent."""
    if endpoint.kind != "share" or math.isnan(low):
        return f"{format_range(endpoint, low, high) or 'undefined'} {endpoint.unit}".rstrip()
    return f"{100 * low:.0f} to {100 * high:.0f}%"


def _limits(values: pd.Series[float]) -> tuple[float, float]:
    known = values.dropna().to_numpy()
    if not known.size:
        return math.nan, math.nan
    low, high = np.quantile(known, (0.025, 0.975))
    return float(low), float(high)


def _repeat_notes(repeats: pd.DataFrame, at_point: pd.DataFrame, targets: Sequence[Target]) -> list[str]:
    filled = max(_bar_error(repeats[_name(target)], repeats["draw"], target) for target in targets)
    outline = Z95 * math.sqrt(0.25 / max(len(at_point), 1))
    gone = []
    for target in targets:
        shares = repeats[_name(target)].isna().mean(), at_point[_name(target)].isna().mean()
        if max(shares) > 0:
            name = label((target.endpoint, target.time_years))
            gone.append(f"{name} in {shares[0]:.1%} over the posterior and {shares[1]:.1%} at the point")
    notes = [
        "Under each name: the share of trials over the posterior that report less, half of the equal "
        f"ones counted. Monte Carlo error of a bar (95%): at most {100 * filled:.1g} points either way, "
        f"of the outline {100 * outline:.1g}."
    ]
    if gone:
        notes.append(f"Undefined, as nobody is at risk any more, and left out: {'; '.join(gone)}.")
    return notes


def _bar_error(values: pd.Series[float], draws: pd.Series[int], target: Target) -> float:
    """Return the half width of the 95% Monte Carlo interval of the worst known bar.

    Trials under one draw are alike, so that draws are what there are many of.
    """
    known = values.notna()
    bins = np.digitize(values[known], _edges(target, values[known].to_numpy()))
    shares = pd.crosstab(draws[known], bins, normalize="index")
    if len(shares) < 2:
        return math.nan
    return float(Z95 * shares.std(ddof=1).max() / math.sqrt(len(shares)))


def _draw_repeats(axis: Axes, posterior: pd.Series[float], point: pd.Series[float], target: Target) -> None:
    """Draw both distributions of one target."""
    endpoint = BY_NAME[target.endpoint]
    a, b = (values.dropna().to_numpy() for values in (posterior, point))
    edges = _edges(target, np.concatenate([a, b]))
    heights = [np.histogram(each, edges)[0] / max(each.size, 1) for each in (a, b)]
    axis.stairs(heights[0], edges, fill=True, color=BLUE, alpha=0.35, lw=0)
    axis.stairs(heights[1], edges, color=ORANGE, lw=1.8)
    seen, what = _seen(target)
    axis.axvline(seen, color=GREY if what == "assumed" else INK, lw=1.6, ls=(0, (4, 2)), zorder=3)
    name = label((target.endpoint, target.time_years))
    equal = np.isclose(a, seen, rtol=0, atol=1e-9)
    rank = float(np.mean((a < seen) & ~equal) + 0.5 * np.mean(equal)) if a.size else math.nan
    said = format_value(endpoint, seen)
    axis.text(0, 1 + 0.36 / _TALL, name, transform=axis.transAxes, va="center", weight="bold", size=TEXT_SIZE)
    below = f"{what} {said}; {rank:.0%} report less"
    axis.text(0, 1 + 0.16 / _TALL, below, transform=axis.transAxes, va="center", color=GREY, size=NOTE_SIZE)
    axis.set_xlim(edges[0], edges[-1])
    axis.set_ylim(0, 1.06 * max(float(heights[0].max()), float(heights[1].max())))
    axis.grid(axis="y")
    percent_axis(axis, "y")
    if endpoint.kind == "share":
        percent_axis(axis, "x")
    else:
        axis.set_xlabel(endpoint.unit, size=NOTE_SIZE)


def _edges(target: Target, values: Floats) -> Floats:
    """Return bins: one a patient for a count, equal steps otherwise."""
    endpoint = BY_NAME[target.endpoint]
    if endpoint.trial == "count" and target.n:
        seen, _ = _seen(target)
        most = max(float(np.quantile(values, 0.999)), seen) if values.size else seen
        return np.asarray((np.arange(round(most * target.n) + 2) - 0.5) / target.n)
    if endpoint.kind == "share":
        return np.linspace(0.0, 1.0, 26)
    low, high = np.quantile(values, (0.001, 0.999)) if values.size else (target.value - 1, target.value + 1)
    return np.linspace(min(low, target.value), max(high, target.value), 26)


def targets(results: Results) -> Figure:
    """Draw the targets of a calibration."""
    return targets_figure(results.tables["predictions"], scenario_of(results))


def repeats(results: Results) -> Figure:
    """Draw what repeats of a calibrated trial would report."""
    shown = Shown.of(results)
    at_point = results.tables["at_point"]
    return repeats_figure(shown.reported, at_point, shown.scenario, solved=shown.solved)
