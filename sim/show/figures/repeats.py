"""What a repeat of a calibrated trial would report."""

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
from sim.scenario.evidence import origin
from sim.scenario.schema import Scenario, Target
from sim.show.calibration_shown import Shown
from sim.show.kit import style
from sim.show.kit.forest import draw_key, head_of, panels
from sim.show.kit.formats import format_range, format_value
from sim.show.kit.prose import sentences
from sim.show.kit.scenario_words import in_sentence
from sim.study.estimates import Z95
from sim.work.results import Results

_WIDTH, _LEFT, _RIGHT, _TALL, _FOOT, _HEAD = 10.0, 0.6, 0.25, 1.65, 0.35, 0.62


@style.styled
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
        return style.empty_figure("A trial reports none of the targets", scenario.title)
    numbers = len(repeats), repeats["draw"].nunique(), len(at_point)
    down = math.ceil(len(targets) / 3)
    height = 0.32 + down * (_HEAD + _TALL + _FOOT)
    page = style.sheet(
        _repeats_finding(repeats, at_point, targets),
        [scenario.title, *sentences("figures", "repeats", *numbers, solved)],
        _repeat_notes(repeats, at_point, targets),
        _WIDTH, height,
    )  # fmt: skip
    _repeats_key(page, solved=solved)
    axes = panels(page, len(targets), page.height - 0.32, _TALL, _HEAD, _FOOT, _LEFT, _RIGHT)
    for axis, target in zip(axes, targets, strict=True):
        _draw_repeats(axis, repeats[_name(target)], at_point[_name(target)], target)
    return page.figure


def _name(target: Target) -> str:
    return f"trial_{column((target.endpoint, target.time_years))}"


def _repeats_key(page: style.Sheet, *, solved: bool) -> None:
    marks: list[Artist] = [
        Patch(color=style.BLUE, alpha=0.35, label="over the posterior"),
        Line2D([], [], color=style.ORANGE, lw=1.8, label="at the point" if solved else "as given"),
        Line2D([], [], color=style.INK, lw=1.6, ls=style.DASHES, label="published or observed"),
    ]
    draw_key(page, marks, _LEFT, page.height - 0.3, page.width - 1, 0.26, handlelength=1.6)


def _seen(target: Target) -> tuple[float, str]:
    """Return what the trial saw of a target, and what that is: a count comes before an assumed share."""
    if target.observed is not None and target.n:
        return target.observed / target.n, "observed"
    return target.value, origin(target.source)


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
    return sentences("figures", "repeats_notes", f"{100 * filled:.1g}", f"{100 * outline:.1g}", gone)


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
    axis.stairs(heights[0], edges, fill=True, color=style.BLUE, alpha=0.35, lw=0)
    axis.stairs(heights[1], edges, color=style.ORANGE, lw=1.8)
    seen, what = _seen(target)
    axis.axvline(
        seen, color=style.GREY if what in ("assumed", "targeted") else style.INK, lw=1.6, ls=style.DASHES,
        zorder=3,
    )  # fmt: skip
    name = label((target.endpoint, target.time_years))
    equal = np.isclose(a, seen, rtol=0, atol=1e-9)
    rank = float(np.mean((a < seen) & ~equal) + 0.5 * np.mean(equal)) if a.size else math.nan
    said = format_value(endpoint, seen)
    head_of(axis, _TALL, name, f"{what} {said}; {rank:.0%} report less", 0.36)
    axis.set_xlim(edges[0], edges[-1])
    axis.set_ylim(0, 1.06 * max(float(heights[0].max()), float(heights[1].max())))
    axis.grid(axis="y")
    style.percent_axis(axis, "y")
    if endpoint.kind == "share":
        style.percent_axis(axis, "x")
    else:
        axis.set_xlabel(endpoint.unit, size=style.NOTE_SIZE)


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


def repeats(results: Results) -> Figure:
    """Draw what repeats of a calibrated trial would report."""
    shown = Shown.of(results)
    at_point = results.tables["at_point"]
    return repeats_figure(shown.reported, at_point, shown.scenario, solved=shown.solved)
