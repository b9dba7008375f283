"""The posterior in pairs of parameters: what trades off, and which directions stay free."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy import ndimage

from sim.calibrate.tables import ACTIVE, MULTIPLIER
from sim.scenario.distributions import Floats
from sim.show.calibration_shown import (
    Shown,
    correlation,
    is_share,
    log_spread_left,
    lower_name,
    parts_text,
    short_name,
    signed,
    unit_of,
)
from sim.show.figures.parameters import is_long, value_axis
from sim.show.kit.style import BLUE, INK, NOTE_SIZE, ORANGE, Sheet, empty_figure, sheet, styled, wrap
from sim.study.estimates import Z95
from sim.study.posterior import weighted_quantiles
from sim.work.results import Results

_CELLS = 72
_LEVELS = (0.9, 0.5)
_PART, _MOST = 0.3, 0.8  # of a direction, from which it is drawn in a plane
_BEYOND = 0.12  # of the span, that axes go beyond it
_DECADES = 60.0  # ratio from which only powers of ten are ticked
_NONE = 0.1  # correlations nearer to 0 say nothing


@styled
def pairs_figure(shown: Shown) -> Figure:
    """Draw the posterior in pairs, with the free directions and the product of both lupus hazards."""
    draws, keys = shown.draws, shown.keys
    if draws is None or len(keys) < 2:
        return empty_figure("There is no pair of free parameters", shown.scenario.title)
    side, left, foot, head = 1.36, 1.5, 0.62, 0.15
    number = len(keys) - 1
    width = max(left + number * (side + 0.1) + 0.3, 7.8)
    shaded = "Shaded: the densest parts that hold 50 and 90% of the posterior."
    what = "Dots: the draws, by weight." if shown.few_draws else shaded
    page = sheet(
        _pairs_finding(shown),
        [
            shown.scenario.title,
            f"{what} Scales that span more than a factor of 10 are logarithmic.",
        ],
        _pairs_notes(shown),
        width, number * (side + 0.1) + foot + head,
    )  # fmt: skip
    weights = draws["weight"].to_numpy()
    scales = {key: _Scale.of(key, draws[key].to_numpy(), weights, shown.point(key)) for key in keys}
    for column, row in combinations(range(len(keys)), 2):
        bottom = foot + (number - row) * (side + 0.1)
        axis = page.axes(left + column * (side + 0.1), bottom, side, side)
        _draw_pair(axis, shown, keys[column], keys[row], scales)
        _dress_pair(axis, keys[column], keys[row], edge=(column == 0, row == number))
    _pairs_key(page, shown)
    return page.figure


def _pairs_key(page: Sheet, shown: Shown) -> None:
    key = page.axes(page.width - 3.5, page.height - 1.75, 3.3, 1.7)
    key.set_axis_off()
    point = "the point" if shown.solved else "as given"
    handles: list[Line2D | Patch] = [
        Patch(color=BLUE, alpha=0.6, label="densest 50% of the posterior"),
        Patch(color=BLUE, alpha=0.25, label="densest 90%"),
    ]
    if shown.few_draws:
        handles = [Line2D([], [], ls="", marker="o", ms=5, mfc=BLUE, mec="none", alpha=0.6, label="a draw")]
    handles.append(Line2D([], [], ls="", marker="D", ms=6, mfc=ORANGE, mec="white", label=point))
    if not shown.own["ridge"].empty:
        handles.append(
            Line2D([], [], color=INK, lw=1.2, ls=(0, (1, 1.2)), label="free direction, 2 SD each way")
        )
    if {ACTIVE, MULTIPLIER} <= set(shown.keys):
        handles.append(Line2D([], [], color=ORANGE, lw=1.8, label="same product as the point"))
    key.legend(
        handles=handles, loc="upper right", fontsize=NOTE_SIZE + 0.5, borderaxespad=0, borderpad=0,
        handlelength=1.6, handletextpad=0.5, labelspacing=0.45,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Scale:
    """The axis of a parameter in pairs: it holds nearly all of the posterior and the point."""

    low: float
    high: float
    log: bool

    @classmethod
    def of(cls, key: str, values: Floats, weights: Floats, point: float) -> _Scale:
        """Choose the limits, a little beyond both."""
        low, high = weighted_quantiles(values, weights, (0.005, 0.995))
        low, high = min(low, point), max(high, point)
        if is_long(np.array([low, high])):
            beyond = (high / low) ** _BEYOND
            return cls(low / beyond, min(high * beyond, 1.0) if is_share(key) else high * beyond, log=True)
        room = _BEYOND * (high - low) or 0.5 * abs(high) or 1.0
        return cls(max(low - room, 0.0), high + room, log=False)

    @property
    def ticks(self) -> list[float]:
        """Ticks of a short logarithmic axis, none so near an end that it meets a neighbour's."""
        if not self.log:
            return []
        subs = (1.0, 3.0) if self.high / self.low < _DECADES else (1.0,)
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        room = (self.high / self.low) ** 0.1
        ticks = [sub * 10.0**power for power in powers for sub in subs]
        return [tick for tick in ticks if self.low * room < tick < self.high / room]


def _draw_pair(axis: Axes, shown: Shown, across: str, up: str, scales: dict[str, _Scale]) -> None:
    """Draw one pair: density, point, free directions that lie in it, and the product where it is one."""
    draws = shown.draws
    if draws is None:
        return
    if shown.few_draws:  # their density would be noise, so they are shown themselves
        sizes = 40 * draws["weight"] / draws["weight"].max()
        axis.scatter(draws[across], draws[up], s=sizes, color=BLUE, alpha=0.6, lw=0)
    else:
        _shade(axis, draws, (across, up), (scales[across], scales[up]))
    for which, key in (("x", across), ("y", up)):
        value_axis(axis, key, which, log=scales[key].log, few=scales[key].ticks)
    axis.set_xlim(scales[across].low, scales[across].high)
    axis.set_ylim(scales[up].low, scales[up].high)
    if {across, up} == {ACTIVE, MULTIPLIER}:
        _draw_product(axis, shown, scales[across])
    _draw_ridge(axis, shown, across, up)
    axis.plot(
        shown.point(across), shown.point(up), marker="D", ms=5.5, mfc=ORANGE, mec="white", mew=0.8, zorder=5
    )


def _shade(axis: Axes, draws: pd.DataFrame, keys: tuple[str, str], scales: tuple[_Scale, _Scale]) -> None:
    """Shade the densest parts that hold half and nine tenths of the posterior."""
    x, y, height = _density(draws, keys, scales)
    total = np.sort(height.ravel())[::-1]
    held = np.cumsum(total)
    levels = [float(total[np.searchsorted(held, share * held[-1])]) for share in _LEVELS]
    for level, alpha in zip(levels, (0.25, 0.45), strict=True):
        if level < total[0]:
            axis.contourf(x, y, height.T, [level, 1.01 * float(total[0])], colors=[BLUE], alpha=alpha)


def _density(
    draws: pd.DataFrame, keys: tuple[str, str], scales: tuple[_Scale, _Scale]
) -> tuple[Floats, Floats, Floats]:
    """Return a smoothed density of weighted points on a grid, in the coordinates of the axes."""
    weights = draws["weight"].to_numpy()
    size = 1.0 / float(weights @ weights)
    points, edges, widths = [], [], []
    for key, scale in zip(keys, scales, strict=True):
        values = np.log(draws[key].to_numpy()) if scale.log else draws[key].to_numpy()
        ends = np.array([scale.low, scale.high])
        ends = np.log(ends) if scale.log else ends
        mean = weights @ values
        spread = math.sqrt(weights @ (values - mean) ** 2)
        points.append(values)
        edges.append(np.linspace(ends[0], ends[1], _CELLS + 1))
        widths.append(spread * size ** (-1 / 6) / (edges[-1][1] - edges[-1][0]))  # Scott's rule
    counts = np.histogram2d(points[0], points[1], bins=(edges[0], edges[1]), weights=weights)[0]
    height: Floats = ndimage.gaussian_filter(counts, widths, mode="reflect")
    middles = [(each[1:] + each[:-1]) / 2 for each in edges]
    x, y = (np.exp(each) if scale.log else each for each, scale in zip(middles, scales, strict=True))
    return x, y, height


def _draw_product(axis: Axes, shown: Shown, scale: _Scale) -> None:
    """Draw where hazard times multiplier is that of the point."""
    product = shown.point(ACTIVE) * shown.point(MULTIPLIER)
    x = np.geomspace(max(scale.low, 1e-9), scale.high, 60)
    axis.plot(x, product / x, color=ORANGE, lw=1.8, zorder=3)


def _draw_ridge(axis: Axes, shown: Shown, across: str, up: str) -> None:
    """Draw the free directions that lie in this plane for the most part."""
    ridge, parts = shown.own["ridge"], shown.tables["directions"].set_index("direction")
    for direction, line in ridge.groupby("direction"):
        vector = parts.loc[direction]
        if (
            min(abs(vector[across]), abs(vector[up])) >= _PART
            and math.hypot(vector[across], vector[up]) >= _MOST
        ):
            axis.plot(line[across], line[up], color=INK, lw=1.2, ls=(0, (1, 1.2)), zorder=4)


def _dress_pair(axis: Axes, across: str, up: str, edge: tuple[bool, bool]) -> None:
    """Name the axes at the left and at the bottom alone."""
    first, last = edge
    if last:
        axis.set_xlabel(_wrapped(across), size=NOTE_SIZE)
        for tick in axis.get_xticklabels():
            tick.set_rotation(0)
    else:
        axis.set_xticklabels([])
    if first:
        axis.set_ylabel(_wrapped(up), size=NOTE_SIZE)
    else:
        axis.set_yticklabels([])
    axis.tick_params(labelsize=NOTE_SIZE - 0.5)
    for side in ("top", "right"):
        axis.spines[side].set_visible(True)


def _wrapped(key: str) -> str:
    unit = unit_of(key)
    text = f"{short_name(key)} ({unit})" if unit else short_name(key)
    return "\n".join(wrap(text, NOTE_SIZE, 1.3))


def _pairs_finding(shown: Shown) -> str:
    """Say whether the two lupus hazards trade off, and what is known of their product."""
    if shown.few_draws:
        return f"{shown.few_draws} which parameters trade off"
    if not {ACTIVE, MULTIPLIER} <= set(shown.keys):
        pairs = [(correlation(shown, *pair), pair) for pair in combinations(shown.keys, 2)]
        strongest, (one, other) = max(pairs, key=lambda each: abs(each[0]))
        names = f"{lower_name(one)} and {lower_name(other)}"
        return f"The strongest correlation, {signed(strongest)}, is of {names}"
    left = log_spread_left(shown).set_index("name")["left"]
    found = correlation(shown, ACTIVE, MULTIPLIER)
    how = "trade off" if found < -_NONE else "do not trade off" if found < _NONE else "go together"
    return (
        f"Lupus hazard and multiplier {how} (correlation {signed(found)}): {left['product']:.0%} of the "
        f"prior's variance is left of their product, {left[ACTIVE]:.0%} and {left[MULTIPLIER]:.0%} of "
        "each"
    )


def _pairs_notes(shown: Shown) -> list[str]:
    """Say how much of the prior's variance is left, of the hazards and in every free direction."""
    notes = []
    left = log_spread_left(shown)
    if not left.empty:
        named = (
            ("product", "product (the hazard after relapse)"),
            (ACTIVE, "hazard"),
            (MULTIPLIER, "multiplier"),
        )
        rows = left.set_index("name")
        parts = [
            f"{name} {rows.loc[key, 'posterior_sd']:.2f} of {rows.loc[key, 'prior_sd']:.2f} beforehand"
            for key, name in named
        ]
        error = 100 * Z95 * float(left["mc_se"].max())
        notes.append(
            f"SD of the logarithm: {', '.join(parts)}. Monte Carlo error of the shares left (95%): at most "
            f"{error:.0f} points either way."
        )
    table = shown.tables["directions"]
    for row in table[table["status"] == "free"].to_dict("records"):
        text = parts_text(row, shown.keys)
        notes.append(
            f"Free direction {row['direction']} ({row['variance_left']:.0%} of the variance left): {text}."
        )
    return notes


def pairs(results: Results) -> Figure:
    """Draw the posterior of a calibration in pairs."""
    return pairs_figure(Shown.of(results))
