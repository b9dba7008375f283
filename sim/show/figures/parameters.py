"""What the trial tells of the parameters: posterior against prior, in pairs, and profile likelihoods."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator
from scipy import ndimage

from sim.calibrate.histories import LITTLE
from sim.calibrate.profiles import CUTOFF
from sim.calibrate.tables import ACTIVE, FREE, MULTIPLIER
from sim.scenario.distributions import Floats
from sim.scenario.registry import short, unit_of
from sim.show import calibration_shown as cal
from sim.show.kit import style
from sim.show.kit.forest import draw_key, head_of, panels
from sim.show.kit.prose import one_sentence, sentences
from sim.study.estimates import Z95
from sim.study.posterior import weighted_quantiles
from sim.work.results import Results

_WIDTH, _LEFT, _RIGHT, _TALL = 10.0, 0.65, 0.25, 1.7
_HEAD, _FOOT, _KEY = 0.52, 0.55, 0.36
_ACROSS = 3
_BINS = 20
_SHORTEST = 10.0  # of a value axis in ratios, from which it is logarithmic
_CELLS = 72
_LEVELS = (0.9, 0.5)
_PART, _MOST = 0.3, 0.8  # of a direction, from which it is drawn in a plane
_BEYOND = 0.12  # of the span, that axes go beyond it
_DECADES = 60.0  # ratio from which only powers of ten are ticked
_NO_LIMIT = "no limit within the prior"
_NONE = 0.1  # correlations nearer to 0 say nothing


def _panels(page: style.Sheet, count: int) -> list[Axes]:
    """Return axes row by row below the key."""
    return panels(page, count, page.height - _KEY, _TALL, _HEAD, _FOOT, _LEFT, _RIGHT, _ACROSS)


def _panel_height(count: int) -> float:
    return _KEY + math.ceil(count / _ACROSS) * (_HEAD + _TALL + _FOOT) - 0.15


def _key(page: style.Sheet, handles: Sequence[Line2D | Patch]) -> None:
    line = {"handlelength": 1.6, "handletextpad": 0.5}
    draw_key(page, handles, _LEFT, page.height - 0.3, page.width - 1, 0.26, **line)


def _head(axis: Axes, key: str, text: str, *, bold: bool = False) -> None:
    head_of(axis, _TALL, cal.short_name(key), text, 0.34, bold=bold)


def value_axis(
    axis: Axes, key: str, which: str = "x", *, log: bool = False, few: list[float] | None = None
) -> None:
    """Tick an axis of a parameter's values; `few` are the ticks of a small logarithmic one."""
    target = axis.xaxis if which == "x" else axis.yaxis
    if log:
        (axis.set_xscale if which == "x" else axis.set_yscale)("log")
        target.set_minor_locator(NullLocator())
        target.set_major_locator(LogLocator(subs=(1, 3), numticks=6) if few is None else FixedLocator(few))
        scale = 100.0 if cal.is_share(key) else 1.0
        unit = "%" if cal.is_share(key) else ""
        target.set_major_formatter(
            FuncFormatter(lambda value, _: f"{short(float(f'{scale * value:.2g}'))}{unit}")
        )
    else:
        target.set_major_locator(MaxNLocator(4 if few is None else 3, prune=None if few is None else "both"))
        if cal.is_share(key):
            style.percent_axis(axis, which)
    axis.tick_params(labelsize=style.TICK_SIZE - 0.5)


@style.styled
def parameters_figure(shown: cal.Shown) -> Figure:
    """Draw the posterior of every free parameter against its prior, with the point marked."""
    table, draws = shown.tables["parameters"], shown.draws
    if draws is None:
        return style.empty_figure("No posterior was asked for", shown.scenario.title)
    page = style.sheet(
        _parameters_finding(table, shown.few_draws, learned=shown.learned),
        [shown.scenario.title, *sentences("figures", "parameters", shown.learned)],
        sentences("figures", "parameters_notes"),
        _WIDTH, _panel_height(len(shown.keys)),
    )  # fmt: skip
    before = "before them" if shown.learned else "prior"
    _key(page, (
        Patch(color=style.BLUE, alpha=0.35, label="with your patients" if shown.learned else "posterior"),
        Line2D([], [], color=style.INK, lw=1.4, ls=style.DASHES, label=before),
        Line2D([], [], color=style.ORANGE, lw=2, label="the point" if shown.solved else "as given"),
    ))  # fmt: skip
    left = table.set_index("key")["variance_left"]
    for axis, key in zip(_panels(page, len(shown.keys)), shown.keys, strict=True):
        prior = shown.own["priors"][shown.own["priors"]["key"] == key]
        _draw_density(axis, draws[key].to_numpy(), draws["weight"].to_numpy(), prior)
        axis.axvline(shown.point(key), color=style.ORANGE, lw=2, zorder=3)
        value_axis(axis, key)
        axis.set_xlabel(unit_of(key), size=style.NOTE_SIZE)
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
    axis.stairs(share / width, edges, fill=True, color=style.BLUE, alpha=0.35, lw=0)
    middles = (edges[1:] + edges[:-1]) / 2
    seen = share > 0
    axis.errorbar(
        middles[seen], share[seen] / width, Z95 * error[seen] / width, fmt="none", ecolor=style.BLUE,
        elinewidth=0.9,
    )  # fmt: skip
    axis.plot(prior["value"], prior["density"], color=style.INK, lw=1.4, ls=style.DASHES)
    axis.set_xlim(0.0 if 0 <= edges[0] < 0.1 * edges[-1] else edges[0], edges[-1])
    # A prior that is steepest at its end is cut off rather than the posterior pressed flat.
    top = float((share + Z95 * error).max()) / width
    axis.set_ylim(0, 1.05 * max(top, min(float(prior["density"].max()), 1.3 * top)))
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)


def _parameters_finding(table: pd.DataFrame, few: str, *, learned: bool) -> str:
    """Say of how many parameters the figures tell something, and of which nearly nothing."""
    nothing = table["gain"] < LITTLE if learned else table["variance_left"] >= FREE
    free = [cal.lower_name(str(key)) for key in table.loc[nothing, "key"]]
    return one_sentence("figures", "parameters_found", few, len(table), free, learned)


@style.styled
def profiles_figure(shown: cal.Shown) -> Figure:
    """Draw the profile likelihood of every free parameter, with the cut-off, the flat ones named."""
    profiles = shown.tables["profiles"]
    keys = list(dict.fromkeys(profiles["key"]))
    page = style.sheet(
        _profiles_finding(profiles),
        [shown.scenario.title, *sentences("figures", "profiles", cal.signed(-CUTOFF))],
        sentences("figures", "profiles_notes"),
        _WIDTH, _panel_height(len(keys)),
    )  # fmt: skip
    _key(page, (
        Line2D([], [], color=style.BLUE, lw=2, label="profile log-likelihood"),
        Line2D([], [], color=style.INK, lw=1.2, ls=style.DASHES, label="cut-off of a 95% interval"),
        Line2D([], [], color=style.ORANGE, lw=2, label="the point"),
    ))  # fmt: skip
    for axis, key in zip(_panels(page, len(keys)), keys, strict=True):
        own = profiles[profiles["key"] == key]
        _draw_profile(axis, own, shown.point(key))
        value_axis(axis, key, log=is_long(own["value"].to_numpy()))
        axis.set_xlabel(unit_of(key), size=style.NOTE_SIZE)
        flat = bool(own["flat"].iloc[0])
        _head(axis, key, _NO_LIMIT if flat else _limit_text(own), bold=flat)
    return page.figure


def is_long(values: Floats) -> bool:
    """Tell whether values span so much that their axis is logarithmic."""
    return bool(values.min() > 0 and values.max() / values.min() > _SHORTEST)


def _draw_profile(axis: Axes, profile: pd.DataFrame, point: float) -> None:
    value, height = profile["value"].to_numpy(), profile["log_likelihood"].to_numpy()
    axis.fill_between(value, height, -CUTOFF, where=height >= -CUTOFF, color=style.BLUE, alpha=0.15, lw=0)
    axis.plot(value, height, color=style.BLUE, lw=2)
    axis.axhline(-CUTOFF, color=style.INK, lw=1.2, ls=style.DASHES)
    axis.axvline(point, color=style.ORANGE, lw=2)
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
    low = "" if first == 0 else cal.written(key, _crossing(value, height, first - 1))
    high = "" if last == value.size - 1 else cal.written(key, _crossing(value, height, last))
    if low and high:
        return f"{low} to {high}"
    return f"above {low}" if low else f"below {high}" if high else _NO_LIMIT


def _crossing(value: Floats, height: Floats, at: int) -> float:
    part = height[at] / (height[at] - height[at + 1])
    return float(value[at] + part * (value[at + 1] - value[at]))


def _profiles_finding(profiles: pd.DataFrame) -> str:
    by_key = profiles.groupby("key", sort=False)["flat"].first()
    flat = [cal.lower_name(str(key)) for key, is_flat in by_key.items() if is_flat]
    return one_sentence("figures", "profiles_found", len(by_key), flat)


def parameters(results: Results) -> Figure:
    """Draw the free parameters of a calibration."""
    return parameters_figure(cal.Shown.of(results))


def profiles(results: Results) -> Figure:
    """Draw the profile likelihoods of a calibration."""
    return profiles_figure(cal.Shown.of(results))


@style.styled
def pairs_figure(shown: cal.Shown) -> Figure:
    """Draw the posterior in pairs, with the free directions and the product of both lupus hazards."""
    draws, keys = shown.draws, shown.keys
    if draws is None or len(keys) < 2:
        return style.empty_figure("There is no pair of free parameters", shown.scenario.title)
    side, left, foot, head = 1.36, 1.5, 0.62, 0.15
    number = len(keys) - 1
    width = max(left + number * (side + 0.1) + 0.3, 7.8)
    page = style.sheet(
        _pairs_finding(shown),
        [shown.scenario.title, *sentences("figures", "pairs", shown.few_draws)],
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


def _pairs_key(page: style.Sheet, shown: cal.Shown) -> None:
    key = page.axes(page.width - 3.5, page.height - 1.75, 3.3, 1.7)
    key.set_axis_off()
    point = "the point" if shown.solved else "as given"
    handles: list[Line2D | Patch] = [
        Patch(color=style.BLUE, alpha=0.6, label="densest 50% of the posterior"),
        Patch(color=style.BLUE, alpha=0.25, label="densest 90%"),
    ]
    if shown.few_draws:
        handles = [
            Line2D([], [], ls="", marker="o", ms=5, mfc=style.BLUE, mec="none", alpha=0.6, label="a draw")
        ]
    handles.append(Line2D([], [], ls="", marker="D", ms=6, mfc=style.ORANGE, mec="white", label=point))
    if not shown.own["ridge"].empty:
        handles.append(
            Line2D([], [], color=style.INK, lw=1.2, ls=(0, (1, 1.2)), label="free direction, 2 SD each way")
        )
    if {ACTIVE, MULTIPLIER} <= set(shown.keys):
        handles.append(Line2D([], [], color=style.ORANGE, lw=1.8, label="same product as the point"))
    key.legend(
        handles=handles, loc="upper right", fontsize=style.NOTE_SIZE + 0.5, borderaxespad=0, borderpad=0,
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
            return cls(
                low / beyond, min(high * beyond, 1.0) if cal.is_share(key) else high * beyond, log=True
            )
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


def _draw_pair(axis: Axes, shown: cal.Shown, across: str, up: str, scales: dict[str, _Scale]) -> None:
    """Draw one pair: density, point, free directions that lie in it, and the product where it is one."""
    draws = shown.draws
    if draws is None:
        return
    if shown.few_draws:  # their density would be noise, so they are shown themselves
        sizes = 40 * draws["weight"] / draws["weight"].max()
        axis.scatter(draws[across], draws[up], s=sizes, color=style.BLUE, alpha=0.6, lw=0)
    else:
        _shade(axis, draws, (across, up), (scales[across], scales[up]))
    for which, key in (("x", across), ("y", up)):
        value_axis(axis, key, which, log=scales[key].log, few=scales[key].ticks)
    axis.set_xlim(scales[across].low, scales[across].high)
    axis.set_ylim(scales[up].low, scales[up].high)
    if {across, up} == {ACTIVE, MULTIPLIER}:
        _draw_product(axis, shown, scales[across])
    _draw_ridge(axis, shown, across, up)
    point = shown.point(across), shown.point(up)
    style.dot(axis, *point, "D", 5.5, style.ORANGE, "white", mew=0.8, zorder=5)


def _shade(axis: Axes, draws: pd.DataFrame, keys: tuple[str, str], scales: tuple[_Scale, _Scale]) -> None:
    """Shade the densest parts that hold half and nine tenths of the posterior."""
    x, y, height = _density(draws, keys, scales)
    total = np.sort(height.ravel())[::-1]
    held = np.cumsum(total)
    levels = [float(total[np.searchsorted(held, share * held[-1])]) for share in _LEVELS]
    for level, alpha in zip(levels, (0.25, 0.45), strict=True):
        if level < total[0]:
            axis.contourf(x, y, height.T, [level, 1.01 * float(total[0])], colors=[style.BLUE], alpha=alpha)


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


def _draw_product(axis: Axes, shown: cal.Shown, scale: _Scale) -> None:
    """Draw where hazard times multiplier is that of the point."""
    product = shown.point(ACTIVE) * shown.point(MULTIPLIER)
    x = np.geomspace(max(scale.low, 1e-9), scale.high, 60)
    axis.plot(x, product / x, color=style.ORANGE, lw=1.8, zorder=3)


def _draw_ridge(axis: Axes, shown: cal.Shown, across: str, up: str) -> None:
    """Draw the free directions that lie in this plane for the most part."""
    ridge, parts = shown.own["ridge"], shown.tables["directions"].set_index("direction")
    for direction, line in ridge.groupby("direction"):
        vector = parts.loc[direction]
        if (
            min(abs(vector[across]), abs(vector[up])) >= _PART
            and math.hypot(vector[across], vector[up]) >= _MOST
        ):
            axis.plot(line[across], line[up], color=style.INK, lw=1.2, ls=(0, (1, 1.2)), zorder=4)


def _dress_pair(axis: Axes, across: str, up: str, edge: tuple[bool, bool]) -> None:
    """Name the axes at the left and at the bottom alone."""
    first, last = edge
    if last:
        axis.set_xlabel(_wrapped(across), size=style.NOTE_SIZE)
        for tick in axis.get_xticklabels():
            tick.set_rotation(0)
    else:
        axis.set_xticklabels([])
    if first:
        axis.set_ylabel(_wrapped(up), size=style.NOTE_SIZE)
    else:
        axis.set_yticklabels([])
    axis.tick_params(labelsize=style.NOTE_SIZE - 0.5)
    for side in ("top", "right"):
        axis.spines[side].set_visible(True)


def _wrapped(key: str) -> str:
    unit = unit_of(key)
    text = f"{cal.short_name(key)} ({unit})" if unit else cal.short_name(key)
    return "\n".join(style.wrap(text, style.NOTE_SIZE, 1.3))


def _pairs_finding(shown: cal.Shown) -> str:
    """Say whether the two lupus hazards trade off, and what is known of their product."""
    if shown.few_draws:
        return f"{shown.few_draws} which parameters trade off"
    if not {ACTIVE, MULTIPLIER} <= set(shown.keys):
        pairs = [(cal.correlation(shown, *pair), pair) for pair in combinations(shown.keys, 2)]
        strongest, (one, other) = max(pairs, key=lambda each: abs(each[0]))
        names = f"{cal.lower_name(one)} and {cal.lower_name(other)}"
        return f"The strongest correlation, {cal.signed(strongest)}, is of {names}"
    left = cal.log_spread_left(shown).set_index("name")["left"]
    found = cal.correlation(shown, ACTIVE, MULTIPLIER)
    shares = left[["product", ACTIVE, MULTIPLIER]].tolist()
    return one_sentence("figures", "hazards_found", found, _NONE, cal.signed(found), shares)


def _pairs_notes(shown: cal.Shown) -> list[str]:
    """Say how much of the prior's variance is left, of the hazards and in every free direction."""
    left, hazards = cal.log_spread_left(shown), []
    if not left.empty:
        named = {"product": "product (the hazard after relapse)", ACTIVE: "hazard", MULTIPLIER: "multiplier"}
        rows = left.set_index("name")
        hazards = [(name, *rows.loc[key, ["posterior_sd", "prior_sd"]]) for key, name in named.items()]
    table = shown.tables["directions"]
    free = table[table["status"] == "free"].to_dict("records")
    parts = [(row, cal.parts_text(row, shown.keys)) for row in free]
    error = 0.0 if left.empty else 100 * Z95 * float(left["mc_se"].max())
    return sentences("figures", "pairs_notes", hazards, error, parts)


def pairs(results: Results) -> Figure:
    """Draw the posterior of a calibration in pairs."""
    return pairs_figure(cal.Shown.of(results))
