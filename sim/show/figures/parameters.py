"""What the trial tells of the parameters: posterior against prior, in pairs, and profile likelihoods."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from sim.calibrate.profiles import CUTOFF
from sim.calibrate.tables import FREE
from sim.scenario.distributions import Floats
from sim.scenario.registry import short
from sim.show.calibration_shown import (
    Shown,
    is_share,
    listed,
    lower_name,
    short_name,
    signed,
    unit_of,
    written,
)
from sim.show.kit.forest import draw_key, panels
from sim.show.kit.style import (
    BLUE,
    GREY,
    INK,
    NOTE_SIZE,
    ORANGE,
    TEXT_SIZE,
    TICK_SIZE,
    Sheet,
    empty_figure,
    percent_axis,
    sheet,
    styled,
)
from sim.study.estimates import Z95
from sim.study.posterior import weighted_quantiles
from sim.work.results import Results

_WIDTH, _LEFT, _RIGHT, _TALL = 10.0, 0.65, 0.25, 1.7
_HEAD, _FOOT, _KEY = 0.52, 0.55, 0.36
_ACROSS = 3
_BINS = 20
_SHORTEST = 10.0  # of a value axis in ratios, from which it is logarithmic
_JOINED = "\N{NO-BREAK SPACE}"


def _panels(page: Sheet, count: int) -> list[Axes]:
    """Return axes row by row below the key."""
    return panels(page, count, page.height - _KEY, _TALL, _HEAD, _FOOT, _LEFT, _RIGHT, _ACROSS)


def _panel_height(count: int) -> float:
    return _KEY + math.ceil(count / _ACROSS) * (_HEAD + _TALL + _FOOT) - 0.15


def _key(page: Sheet, handles: Sequence[Line2D | Patch]) -> None:
    line = {"handlelength": 1.6, "handletextpad": 0.5}
    draw_key(page, handles, _LEFT, page.height - 0.3, page.width - 1, 0.26, **line)


def _head(axis: Axes, key: str, text: str, *, bold: bool = False) -> None:
    """Write a parameter's name over its panel, and below it what is found."""
    over: dict[str, Any] = {"transform": axis.transAxes, "va": "center"}
    axis.text(0, 1 + 0.34 / _TALL, short_name(key), weight="bold", size=TEXT_SIZE, **over)
    weight, colour = ("bold", INK) if bold else ("normal", GREY)
    axis.text(0, 1 + 0.14 / _TALL, text, color=colour, weight=weight, size=NOTE_SIZE, **over)


def value_axis(
    axis: Axes, key: str, which: str = "x", *, log: bool = False, few: list[float] | None = None
) -> None:
    """Tick an axis of a parameter's values; `few` are the ticks of a small logarithmic one."""
    target = axis.xaxis if which == "x" else axis.yaxis
    if log:
        (axis.set_xscale if which == "x" else axis.set_yscale)("log")
        target.set_minor_locator(NullLocator())
        target.set_major_locator(LogLocator(subs=(1, 3), numticks=6) if few is None else FixedLocator(few))
        scale = 100.0 if is_share(key) else 1.0
        unit = "%" if is_share(key) else ""
        target.set_major_formatter(
            FuncFormatter(lambda value, _: f"{short(float(f'{scale * value:.2g}'))}{unit}")
        )
    else:
        target.set_major_locator(MaxNLocator(4 if few is None else 3, prune=None if few is None else "both"))
        if is_share(key):
            percent_axis(axis, which)
    axis.tick_params(labelsize=TICK_SIZE - 0.5)


@styled
def parameters_figure(shown: Shown) -> Figure:
    """Draw the posterior of every free parameter against its prior, with the point marked."""
    table, draws = shown.tables["parameters"], shown.draws
    if draws is None:
        return empty_figure("No posterior was asked for", shown.scenario.title)
    page = sheet(
        _parameters_finding(table, shown.few_draws),
        [
            shown.scenario.title,
            "Densities. What is left: the share of the prior's variance, on the scale of normal scores, that "
            "the posterior keeps; near 100% the trial's figures tell nothing.",
        ],
        ["Bars at the posterior: 95% Monte Carlo error of the weighted draws. Priors and their sources "
         "are in parameters.csv; each axis holds 99% of both."],
        _WIDTH, _panel_height(len(shown.keys)),
    )  # fmt: skip
    _key(page, (
        Patch(color=BLUE, alpha=0.35, label="posterior"),
        Line2D([], [], color=INK, lw=1.4, ls=(0, (4, 2)), label="prior"),
        Line2D([], [], color=ORANGE, lw=2, label="the point" if shown.solved else "as given"),
    ))  # fmt: skip
    left = table.set_index("key")["variance_left"]
    for axis, key in zip(_panels(page, len(shown.keys)), shown.keys, strict=True):
        prior = shown.own["priors"][shown.own["priors"]["key"] == key]
        _draw_density(axis, draws[key].to_numpy(), draws["weight"].to_numpy(), prior)
        axis.axvline(shown.point(key), color=ORANGE, lw=2, zorder=3)
        value_axis(axis, key)
        axis.set_xlabel(unit_of(key), size=NOTE_SIZE)
        _head(axis, key, f"{left[key]:.0%} of the variance left", bold=left[key] < FREE)
    return page.figure


def _draw_density(axis: Axes, values: Floats, weights: Floats, prior: pd.DataFrame) -> None:
    """Draw a weighted histogram with its errors, and the prior's density."""
    known = np.cumsum(np.exp(-0.5 * prior["score"].to_numpy() ** 2))
    below, above = np.interp((0.005, 0.99), known / known[-1], prior["value"])
    low, high = weighted_quantiles(values, weights, (0.005, 0.995))
    edges = np.linspace(min(low, below), max(high, above), _BINS + 1)
    width = edges[1] - edges[0]
    share = np.histogram(values, edges, weights=weights)[0]
    squares = np.histogram(values, edges, weights=weights**2)[0]
    # Of a share p of weight: sum of w^2 (1{in} - p)^2.
    error = np.sqrt(np.maximum(squares * (1 - 2 * share) + share**2 * float(weights @ weights), 0.0))
    axis.stairs(share / width, edges, fill=True, color=BLUE, alpha=0.35, lw=0)
    middles = (edges[1:] + edges[:-1]) / 2
    seen = share > 0
    axis.errorbar(
        middles[seen],
        share[seen] / width,
        Z95 * error[seen] / width,
        fmt="none",
        ecolor=BLUE,
        elinewidth=0.9,
    )
    axis.plot(prior["value"], prior["density"], color=INK, lw=1.4, ls=(0, (4, 2)))
    axis.set_xlim(0.0 if 0 <= edges[0] < 0.1 * edges[-1] else edges[0], edges[-1])
    # A prior that is steepest at its end is cut off rather than the posterior pressed flat.
    top = float((share + Z95 * error).max()) / width
    axis.set_ylim(0, 1.05 * max(top, min(float(prior["density"].max()), 1.3 * top)))
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)


def _parameters_finding(table: pd.DataFrame, few: str) -> str:
    """Say of how many parameters the figures tell something, and of which nearly nothing."""
    if few:
        return f"{few} how much the trial's figures say of {len(table)} parameters"
    free = table[table["variance_left"] >= FREE]
    known = len(table) - len(free)
    text = f"The trial's figures tell something of {known} of {len(table)} parameters"
    if free.empty:
        return text
    names = listed([lower_name(str(key)) for key in free["key"]])
    return f"{text}, and next to nothing of {len(free)}: {names}"


@styled
def profiles_figure(shown: Shown) -> Figure:
    """Draw the profile likelihood of every free parameter, with the cut-off, the flat ones named."""
    profiles = shown.tables["profiles"]
    keys = list(dict.fromkeys(profiles["key"]))
    page = sheet(
        _profiles_finding(profiles),
        [
            shown.scenario.title,
            "How far the log-likelihood falls when a parameter is held and all others are at their "
            f"best, over most of its prior. Above the dashed line at {signed(-CUTOFF)} lies the 95% "
            "interval.",
        ],
        ["Smoothed: a polynomial surface, fitted to simulated likelihoods, whose own error "
         "is not shown. Flat: it nowhere falls as far as the line, so that the figures alone set no "
         "limit."],
        _WIDTH, _panel_height(len(keys)),
    )  # fmt: skip
    _key(page, (
        Line2D([], [], color=BLUE, lw=2, label="profile log-likelihood"),
        Line2D([], [], color=INK, lw=1.2, ls=(0, (4, 2)), label="cut-off of a 95% interval"),
        Line2D([], [], color=ORANGE, lw=2, label="the point"),
    ))  # fmt: skip
    for axis, key in zip(_panels(page, len(keys)), keys, strict=True):
        _draw_profile(axis, profiles[profiles["key"] == key], shown.point(key))
        value_axis(axis, key, log=is_long(profiles.loc[profiles["key"] == key, "value"].to_numpy()))
        axis.set_xlabel(unit_of(key), size=NOTE_SIZE)
        flat = bool(profiles.loc[profiles["key"] == key, "flat"].iloc[0])
        _head(
            axis, key, "flat: no limit" if flat else _limit_text(profiles[profiles["key"] == key]), bold=flat
        )
    return page.figure


def is_long(values: Floats) -> bool:
    """Tell whether values span so much that their axis is logarithmic."""
    return bool(values.min() > 0 and values.max() / values.min() > _SHORTEST)


def _draw_profile(axis: Axes, profile: pd.DataFrame, point: float) -> None:
    value, height = profile["value"].to_numpy(), profile["log_likelihood"].to_numpy()
    axis.fill_between(value, height, -CUTOFF, where=height >= -CUTOFF, color=BLUE, alpha=0.15, lw=0)
    axis.plot(value, height, color=BLUE, lw=2)
    axis.axhline(-CUTOFF, color=INK, lw=1.2, ls=(0, (4, 2)))
    axis.axvline(point, color=ORANGE, lw=2)
    axis.set_ylim(min(-4.2, 1.05 * float(height.min())) if height.min() > -9 else -9.0, 0.3)
    axis.set_xlim(value.min(), value.max())
    axis.set_yticks([-4, -2, 0])
    axis.grid(axis="y")


def _limit_text(profile: pd.DataFrame) -> str:
    """Say between which values the profile lies above the cut-off; open ends are said to be."""
    key = str(profile["key"].iloc[0])
    value, height = profile["value"].to_numpy(), profile["log_likelihood"].to_numpy() + CUTOFF
    above = np.flatnonzero(height >= 0)
    first, last = int(above[0]), int(above[-1])
    low = None if first == 0 else _crossing(value, height, first - 1)
    high = None if last == value.size - 1 else _crossing(value, height, last)
    if low is None:
        return f"below {written(key, high)}" if high is not None else "no limit"
    return f"above {written(key, low)}" if high is None else f"{written(key, low)} to {written(key, high)}"


def _crossing(value: Floats, height: Floats, at: int) -> float:
    part = height[at] / (height[at] - height[at + 1])
    return float(value[at] + part * (value[at + 1] - value[at]))


def _profiles_finding(profiles: pd.DataFrame) -> str:
    by_key = profiles.groupby("key", sort=False)["flat"].first()
    flat = [lower_name(str(key)) for key, is_flat in by_key.items() if is_flat]
    if not flat:
        return f"The trial's figures limit all {len(by_key)} parameters"
    rest = len(by_key) - len(flat)
    return f"The figures alone limit {rest} of {len(by_key)} parameters; flat: {listed(flat)}"


def parameters(results: Results) -> Figure:
    """Draw the free parameters of a calibration."""
    return parameters_figure(Shown.of(results))


def profiles(results: Results) -> Figure:
    """Draw the profile likelihoods of a calibration."""
    return profiles_figure(Shown.of(results))
