"""What an endpoint does while one or two parameters are varied."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from sim.scenario.changes import in_words
from sim.scenario.endpoints import Endpoint, Key, column, label
from sim.scenario.registry import plain, unit_of
from sim.scenario.schema import Scenario
from sim.scenario.study_file import ARM
from sim.scenario.values import get_value
from sim.show.contents import shown_in
from sim.show.kit import style
from sim.show.kit.axis import Axis
from sim.show.kit.forest import signed_points
from sim.show.kit.formats import Row, format_difference, format_value, written
from sim.show.kit.plot import Pictures
from sim.show.kit.prose import one_sentence, sentences
from sim.show.kit.scenario_words import cautions
from sim.show.swept import (
    Placed,
    changes,
    design_of,
    held,
    meaning,
    moved,
    placed,
    reference_words,
    spot,
    with_values_of,
)
from sim.study.estimates import Z95
from sim.work.results import Results

_PANEL_WIDTH, _PANEL_HEIGHT, _STRIP_HEIGHT = 3.55, 2.3, 1.1
_MOST_PANELS = 12


@style.styled
def sweep_curve_figure(
    points: pd.DataFrame, key: str, unit: str, endpoints: Sequence[Key], own: Any = None,
    notes: Sequence[str] = (), lines: Sequence[str] = (), moved: Key | None = None,
) -> Figure:  # fmt: skip
    """Draw endpoints against one varied parameter, a panel each.

    Parameters
    ----------
    points : DataFrame
        The columns of ``endpoints.csv`` preceded by the varied key, and those of the paired difference.
    key : str
        The key varied; its values may be numbers or words.
    unit : str
        Its unit, or an empty text.
    endpoints : Sequence[Key]
        Names and times of the endpoints to draw.
    own : optional
        The scenario's own value, marked where given.
    notes, lines : sequence of str
        Paragraphs at the bottom, and more of them below the title.
    moved : Key, optional
        Which of the endpoints nobody has asked for.
    """
    axis = Axis.of(points, key)
    read = {endpoint: _read(points, axis, endpoint) for endpoint in endpoints}
    drawn = {endpoint: found for endpoint, found in read.items() if found}
    if not drawn:
        return style.empty_figure("Nothing to show: nobody is at risk at any of the points", meaning(key))
    across = min(len(drawn), 2)
    down = math.ceil(len(drawn) / across)
    wide = _PANEL_WIDTH if across == 2 else 1.45 * _PANEL_WIDTH
    below = 0.52 + axis.depth(wide)
    paired = any(row.difference_text for found in drawn.values() for _, row in found)
    strip = _STRIP_HEIGHT if paired else 0.0
    cell, row = wide + 0.95, _PANEL_HEIGHT + 1.1 + below + strip
    first = next(iter(drawn))
    title = f"{label(first)} {_change(axis, [row for _, row in drawn[first]])} {_over(axis, unit)}"
    said = [meaning(key), *lines, *_curve_lines(axis, drawn, paired)]
    page = style.sheet(title, said, notes, 0.45 + across * cell, down * row)
    for number, (endpoint, found) in enumerate(drawn.items()):
        left, up = number % across, down - 1 - number // across
        panel = page.axes(0.9 + left * cell, below + strip + up * row, wide, _PANEL_HEIGHT)
        _draw_curve(panel, axis, found, own)
        axis.dress(panel, unit)
        panel.set_xlim(axis.span(axis.place(own), 0.03))
        if strip:
            panel.set(xlabel="")
            panel.tick_params(labelbottom=False)
            change = page.axes(0.9 + left * cell, below + up * row, wide, strip - 0.18)
            _draw_changes(change, found)
            axis.dress(change, unit)
            change.set_xlim(panel.get_xlim())
        compared = changes(placed(points, [key], endpoint), short=True)
        names = [*(["Not asked for, but moves too:"] if endpoint == moved else []), label(endpoint)]
        _head(panel, names, [_change(axis, [row for _, row in found]), *compared])
    return page.figure


def _read(points: pd.DataFrame, axis: Axis, endpoint: Key) -> list[tuple[float, Row]]:
    """Return an endpoint's rows with their places on the axis, those with an estimate."""
    found = [
        (float(axis.places[axis.values.index(values[axis.key])]), row)
        for values, row in placed(points, [axis.key], endpoint)
        if not math.isnan(row.estimate)
    ]
    return sorted(found, key=lambda each: each[0])


def _head(panel: Axes, names: Sequence[str], findings: Sequence[str]) -> None:
    """Write the endpoint's name, what it does and by how much above a panel."""
    for above, text in enumerate(reversed([*names, *findings])):
        bold = {"weight": "bold"} if above >= len(findings) else {}
        style.aside(panel, text, (0, 1), (0, 18 + 13 * above), **bold)


def _draw_curve(panel: Axes, axis: Axis, found: list[tuple[float, Row]], own: Any) -> None:
    x = [place for place, _ in found]
    series = [row for _, row in found]
    mc = [row.mc_lower for row in series], [row.mc_upper for row in series]
    trial = [row.trial_lower for row in series], [row.trial_upper for row in series]
    posterior = [row.posterior_lower for row in series], [row.posterior_upper for row in series]
    drawn = any(row.drawn for row in series)
    estimates = [row.estimate for row in series]
    if axis.numeric and len(found) > 1:
        panel.fill_between(x, *trial, color=style.BLUE, alpha=0.13, lw=0)
        if drawn:
            panel.fill_between(x, *posterior, color=style.BLUE, alpha=0.2, lw=0)
            for edge in posterior:
                panel.plot(x, edge, color=style.BLUE, lw=1.0, ls=(0, (5, 2.5)))
        panel.fill_between(x, *mc, color=style.BLUE, alpha=0.45, lw=0)
        panel.plot(x, estimates, color=style.BLUE, lw=1.8, marker="o", ms=4.5, mec="white", mew=0.7)
    else:
        panel.vlines(x, *trial, color=style.BLUE, alpha=0.2, lw=9)
        if drawn:
            panel.vlines(x, *posterior, color=style.BLUE, alpha=0.5, lw=5)
        panel.vlines(x, *mc, color=style.BLUE, lw=2.4)
        panel.plot(x, estimates, color=style.BLUE, ls="", marker="o", ms=6.5, mec="white", mew=0.8)
    first = series[0]
    if first.has_target:
        panel.axhline(first.target, color=style.INK, lw=1.1, ls=(0, (5, 3)))
        _tag(panel, first, below=estimates[-1] > first.target)
    place = axis.place(own)
    if place is not None:
        panel.axvline(place, color=style.GREY, lw=1.0, ls=(0, (1, 2)))
        centred = {"ha": "center", "size": style.NOTE_SIZE, "color": style.GREY}
        where = panel.get_xaxis_transform()
        style.aside(panel, f"this scenario: {written(own)}", (place, 1.0), (0, 3), where, **centred)
    _scale(panel, first.endpoint, [*estimates, *mc[1], *posterior[1], *trial[1], first.target])


def _draw_changes(panel: Axes, found: list[tuple[float, Row]]) -> None:
    """Draw by how much each point differs from the reference, with its paired interval."""
    endpoint = found[0][1].endpoint
    compared = [(place, row) for place, row in found if not math.isnan(row.difference)]
    x = [place for place, _ in compared]
    lower, upper = ([getattr(row, f"difference_{end}") for _, row in compared] for end in ("lower", "upper"))
    panel.axhline(0, color=style.GREY, lw=0.8)
    panel.vlines(x, lower, upper, color=style.BLUE, lw=2)
    differences = [row.difference for _, row in compared]
    panel.plot(x, differences, ls="", marker="o", ms=4.5, color=style.BLUE, mec="white", mew=0.7)
    panel.margins(y=0.15)
    panel.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    if endpoint.kind == "share":
        panel.yaxis.set_major_formatter(signed_points)
    unit = endpoint.unit or "points"
    panel.set_ylabel(f"change,\n{unit}", size=style.NOTE_SIZE)


def _tag(panel: Axes, row: Row, *, below: bool) -> None:
    """Name the target's line at its right end, on the side where the estimates are not."""
    points, va = ((-2, -3), "top") if below else ((-2, 3), "bottom")
    outline, where = [withStroke(linewidth=2.5, foreground="white")], panel.get_yaxis_transform()
    how = {"ha": "right", "va": va, "size": style.NOTE_SIZE, "path_effects": outline}
    style.aside(panel, f"{row.origin} {row.target_text}", (1.0, row.target), points, where, **how)


def _scale(panel: Axes, endpoint: Endpoint, drawn: Sequence[float]) -> None:
    """Scale the vertical axis from 0: to everybody, or to a little above what is drawn."""
    top = max((value for value in drawn if not math.isnan(value)), default=1.0)
    if endpoint.kind == "share":
        panel.set_ylim(0, 1.0 if top > 0.5 else 1.12 * top or 0.01)
        style.percent_axis(panel, "y")
    else:
        panel.set_ylim(0, 1.12 * top or 1.0)
        panel.set_ylabel(endpoint.unit)
    panel.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    panel.grid(axis="y")


def _over(axis: Axis, unit: str) -> str:
    values, name = [written(value) for value in axis.values], in_words(axis.key)
    said = f"from {values[0]} to {values[-1]}" if len(values) > 1 and axis.numeric else ", ".join(values)
    return f"({name} {said} {'' if name.endswith(unit) else unit}".rstrip() + ")"


def _change(axis: Axis, series: list[Row]) -> str:
    """Say what an endpoint does along the axis."""
    estimate = attrgetter("estimate")
    low, high = min(series, key=estimate), max(series, key=estimate)
    orders = {"falls": sorted(series, key=estimate, reverse=True), "rises": sorted(series, key=estimate)}
    order = next((name for name, ordered in orders.items() if series == ordered), "")
    ends = {"low": low, "high": high, "first": series[0], "last": series[-1]}
    texts, unit = {name: row.simulated_text for name, row in ends.items()}, f" {low.endpoint.unit}".rstrip()
    differs = any(row.differs for row in series)
    return one_sentence("figures", "along", axis.numeric, differs, order, texts, unit)


def _curve_lines(axis: Axis, drawn: Mapping[Key, list[tuple[float, Row]]], paired: bool) -> list[str]:
    drawn_rows = any(row.drawn for found in drawn.values() for _, row in found)
    middle = "Dashed" if axis.numeric and len(axis.values) > 1 else "Middle"
    without = [label(key) for key in drawn if all(math.isnan(row.trial_lower) for _, row in drawn[key])]
    exact = all(row.exact for found in drawn.values() for _, row in found)
    return sentences("figures", "curve", drawn_rows, middle, without, paired, exact)


@style.styled
def sweep_map_figure(
    points: pd.DataFrame, keys: Sequence[str], endpoint: Key, own: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (), contours: Sequence[float] = (), lines: Sequence[str] = (),
) -> Figure:  # fmt: skip
    """Draw an endpoint over varied parameters: a map over the first two for each value of the others.

    Parameters
    ----------
    points : DataFrame
        The columns of ``endpoints.csv`` preceded by the varied keys, and those of the paired difference.
    keys : sequence of str
        The key along the horizontal axis, that along the vertical one, and others; values may be words.
    endpoint : Key
        Name and time of the endpoint.
    own : mapping
        The scenario's own values, marked where they have a place on a map.
    notes, lines : sequence of str
        Paragraphs at the bottom, and more of them below the title.
    contours : sequence of float
        Levels to draw lines at; left out, the target, and round figures on a fine map.
    """
    series = placed(points, keys, endpoint)
    known = [each for each in series if not math.isnan(each[1].estimate)]
    if not known:
        return style.empty_figure(f"{label(endpoint)}: nobody is at risk at any point", *map(meaning, keys))
    across, up = Axis.of(points, keys[0]), Axis.of(points, keys[1])
    others = list(dict.fromkeys(tuple(values[key] for key in keys[2:]) for values, _ in series))
    panels = [
        _Panel(across, up, [each for each in series if tuple(each[0][key] for key in keys[2:]) == other],
               dict(zip(keys[2:], other, strict=True)), contours, own or {})
        for other in others[:_MOST_PANELS]
    ]  # fmt: skip
    wide, tall = (4.7, 3.9) if len(panels) == 1 else (3.1, 2.6)
    left, below = 0.6 + up.label_width, 0.62 + across.depth(wide)
    columns = min(len(panels), 3)
    cell, row = wide + left + 0.2, tall + below + 0.4
    down = math.ceil(len(panels) / columns)
    said = [*map(meaning, keys), *lines, *_map_lines(panels, series)]
    more = len(others) - len(panels)
    notes = [*([f"{more} more maps: points.csv has them."] if more else []), *_map_note(known), *notes]
    page = style.sheet(_map_title(known), said, notes, columns * cell + 1.3, down * row)
    norm = _norm([row.estimate for _, row in known])
    for number, each in enumerate(panels):
        at, over = number % columns, down - 1 - number // columns
        axes = page.axes(left + at * cell, below + over * row, wide, tall)
        mesh = each.draw(axes, norm)
    levels = {level for each in panels for level in each.chosen}
    where = columns * cell + 0.1, below + (down - 1) * row, 0.18, tall
    _colour_bar(page, where, mesh, known[0][1].endpoint, levels)
    return page.figure


class _Panel:
    """One map: an endpoint over two parameters, where the others have one value each."""

    def __init__(
        self, across: Axis, up: Axis, series: Sequence[Placed], others: Mapping[str, Any],
        contours: Sequence[float], own: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self.across, self.up, self.others = across, up, others
        self.cells = {
            (across.values.index(values[across.key]), up.values.index(values[up.key])): row
            for values, row in series
        }
        grids = np.full((2, len(up.values), len(across.values)), np.nan)
        for (at, over), row in self.cells.items():
            half = max(row.half_width, (row.posterior_upper - row.posterior_lower) / 2 if row.drawn else 0.0)
            grids[:, over, at] = row.estimate, half / Z95
        self.grid, self.error = grids
        self.row = next(iter(self.cells.values()))
        self.chosen = [level for level in contours if self._is_crossed(level)]
        self.target = self.row.has_target and not contours and self._is_crossed(self.row.target)
        here = all(own.get(key) == value for key, value in others.items())
        x, y = (axis.cell(own.get(axis.key)) for axis in (across, up))
        self.own = (x, y) if here and x is not None and y is not None else None

    def _is_crossed(self, level: float) -> bool:
        """Whether a level is met along a line on the map."""
        lines_exist = self.across.numeric and self.up.numeric and min(self.grid.shape) > 1
        return lines_exist and float(np.nanmin(self.grid)) < level < float(np.nanmax(self.grid))

    def draw(self, axes: Axes, norm: Normalize) -> Any:
        """Draw the map, and return what its colours are of."""
        edges = (np.arange(size + 1) - 0.5 for size in reversed(self.grid.shape))
        mesh = axes.pcolormesh(*edges, self.grid, cmap="cividis", norm=norm)
        axes.set_facecolor("#e3e3e6")
        written_in = self._write_cells(axes, mesh)
        ends = float(np.nanmin(self.grid)), float(np.nanmax(self.grid))
        ticks = MaxNLocator(7, steps=[1, 2, 5, 10]).tick_values(*ends)
        levels = self.chosen or ([] if written_in else [tick for tick in ticks if self._is_crossed(tick)])
        self._lines(axes, levels, "solid", named=not written_in)
        if self.target:
            self._lines(axes, [self.row.target], "dashed", named=False)
        for axis, which in ((self.across, "x"), (self.up, "y")):
            axis.dress(axes, unit_of(axis.key), which, cells=True)
        if self.others:
            axes.set_title(spot(self.others), loc="left", size=style.NOTE_SIZE)
        x, y = self.own or (0.0, 0.0)  # beyond the map there is room for the scenario
        down, along = self.grid.shape
        axes.set_xlim(min(-0.5, x - 0.3), max(along - 0.5, x + 0.3))
        axes.set_ylim(min(-0.5, y - 0.3), max(down - 0.5, y + 0.3))
        if self.own:
            outline: Any = {"path_effects": [withStroke(linewidth=3.6, foreground=style.INK)], "zorder": 6}
            axes.plot(x, y, marker="o", ms=9, mfc="none", mec="white", mew=1.8, **outline)
        return mesh

    def _write_cells(self, axes: Axes, mesh: Any) -> bool:
        """Write the figures into the cells, clear of the scenario's mark, if there is room for them."""
        known = {place: row for place, row in self.cells.items() if not math.isnan(row.estimate)}
        texts = {place: row.simulated_text for place, row in known.items()}
        box, (down, along) = axes.get_window_extent(), self.grid.shape
        dpi = axes.figure.dpi
        widest = max((style.text_width(text, style.NOTE_SIZE) for text in texts.values()), default=0.0)
        if widest > 0.8 * box.width / dpi / along or box.height / dpi / down < 0.15:
            return False
        aside = (0, 11) if box.height / dpi / down > 0.38 else (18, 0)
        for (x, y), text in texts.items():
            value = self.cells[x, y].estimate
            colour = style.INK if mesh.norm(value) > 0.5 else "white"
            clear = [withStroke(linewidth=2.6, foreground=mesh.cmap(mesh.norm(value)))]  # of lines behind
            near = self.own and abs(self.own[0] - x) < 0.5 and abs(self.own[1] - y) < 0.5
            how: Any = {"color": colour, "ha": "center", "va": "center", "path_effects": clear, "zorder": 7}
            style.aside(axes, text, (x, y), aside if near else (0, 0), "data", size=style.NOTE_SIZE, **how)
        return True

    def _lines(self, axes: Axes, levels: Sequence[float], dashes: str, *, named: bool) -> None:
        """Draw lines of equal estimate, each in the band in which it may as well lie."""
        # The scenario's own values are a row and a column with one cell: lines go on across them.
        there = [np.flatnonzero(np.isfinite(self.grid).sum(axis=axis) > 1) for axis in (1, 0)]
        grid, error = (whole[np.ix_(*there)] for whole in (self.grid, self.error))
        for level in levels:
            with np.errstate(divide="ignore", invalid="ignore"):
                apart: Any = np.ma.masked_invalid((grid - level) / (2 * error))
            axes.contourf(*there[::-1], apart, levels=[-1, 1], colors=["white"], alpha=0.4)
            colours = (style.INK, "white") if dashes == "dashed" else ("white", style.INK)
            known: Any = np.ma.masked_invalid(grid)
            line = axes.contour(
                *there[::-1], known, levels=[level], colors=colours[0], linewidths=1.4, linestyles=dashes
            )
            line.set(path_effects=[withStroke(linewidth=2.8, foreground=colours[1])])
            how: Any = {"fmt": {level: format_value(self.row.endpoint, level)}, "colors": style.INK}
            for text in axes.clabel(line, fontsize=style.NOTE_SIZE, **how) if named else ():
                text.set(path_effects=[withStroke(linewidth=2.6, foreground="white")])


def _norm(estimates: Sequence[float]) -> Normalize:
    """Return even colours; of what is rare at most points, half of them for half of the points."""
    low, middle, high = np.quantile(estimates, (0.0, 0.5, 1.0))
    if not 0 <= low < middle < high / 4:
        return Normalize(low, high)
    return PowerNorm(math.log(0.5) / math.log(max((middle - low) / (high - low), 0.06)), low, high)


def _map_note(known: Sequence[Placed]) -> list[str]:
    """Say how far Monte Carlo error could move a value, for which a map has no room."""
    read = [row for _, row in known]
    endpoint = read[0].endpoint
    width = max(row.half_width for row in read)
    error = format_difference(endpoint, width, width).removeprefix("+")
    unit = "points" if endpoint.kind == "share" else endpoint.unit
    drawn = [row for row in read if row.drawn]
    widest = max(drawn, key=lambda row: row.posterior_upper - row.posterior_lower, default=read[0])
    return sentences("figures", "map", error, unit, widest.posterior_text, all(row.exact for row in read))


def _colour_bar(
    page: style.Sheet, place: Sequence[float], mesh: Any, endpoint: Endpoint, levels: Iterable[float]
) -> None:
    beside = page.axes(*place)
    page.figure.colorbar(mesh, cax=beside).outline.set_visible(False)
    outline = [withStroke(linewidth=2.8, foreground=style.INK)]
    for level in levels:
        beside.axhline(level, color="white", lw=1.4, path_effects=outline)
    if endpoint.kind == "share":
        style.percent_axis(beside, "y")
    beside.set_ylabel(endpoint.label if endpoint.kind == "share" else f"{endpoint.label} ({endpoint.unit})")


def _map_title(known: Sequence[Placed]) -> str:
    (lowest, low), (highest, high) = (pick(known, key=lambda each: each[1].estimate) for pick in (min, max))
    ends = low.simulated_text, spot(lowest), high.simulated_text, spot(highest)
    return one_sentence("figures", "over_map", low.label, *ends)


def _map_lines(panels: Sequence[_Panel], series: Sequence[Placed]) -> list[str]:
    first = panels[0].row
    levels = sorted({level for panel in panels for level in panel.chosen})
    targets = any(panel.target for panel in panels)
    return sentences(
        "figures", "on_map", changes(series), [format_value(first.endpoint, level) for level in levels],
        f"{first.origin} {first.target_text}" if targets else "", any(panel.own for panel in panels),
        any(bool(np.isnan(panel.grid).any()) for panel in panels),
        bool(levels or targets) and (first.drawn or not first.exact), first.drawn,
    )  # fmt: skip


def varied(
    scenario: Scenario, points: pd.DataFrame, keys: Sequence[str], shown: Sequence[Key],
    moved: Key | None = None, contours: Mapping[str, Sequence[float]] | None = None,
    reference: str = "this scenario", own: Mapping[str, Any] | None = None, changed: Sequence[str] = (),
) -> Pictures:  # fmt: skip
    """Draw what a page can show of points: a curve over one key, maps over more.

    Parameters
    ----------
    own, changed
        The scenario's values, and the parameters that are varied, where `keys` are no parameters.
    """
    values = own or {key: plain(get_value(scenario, key)) for key in keys}
    own = {key: _plain(value) for key, value in values.items()}
    notes = [scenario.title, *cautions(scenario)]
    lines = [*held(scenario, changed or keys), f"Changes are from {reference}."]
    if len(keys) == 1:
        (key,) = keys
        return sweep_curve_figure(points, key, unit_of(key), shown, own[key], notes, lines, moved)
    unasked = {moved: ["Not asked for, but moves too."]}
    return {
        column(key).replace("@", "_"): sweep_map_figure(
            points, keys, key, own, notes, (contours or {}).get(column(key), ()),
            [*unasked.get(key, []), *lines],
        )
        for key in shown
    }  # fmt: skip


def _plain(value: Any) -> float | str | None:
    """Return a value that an axis can mark; a distribution has no one place on it."""
    return value if isinstance(value, (int, float, str)) else None


def _swept(results: Results) -> Pictures:
    manifest, points = results.manifest, with_values_of(results)
    own = manifest["reference"]["point"]
    on_grid = all(own[key] in values for key, values in manifest["vary"].items())
    if not on_grid and (len(own) > 1 or not isinstance(next(iter(own.values())), int | float)):
        points = points[~points["reference"]]  # beside the grid it has no place on a map, nor between words
    keys = sorted(own, key=lambda name: name == ARM)  # of arms each has a map
    how = moved(results), manifest["contours"], reference_words(results), own, manifest["keys"]
    return varied(results.scenario, points, keys, shown_in(manifest), *how)


def curve(results: Results) -> Pictures:
    """Draw the endpoints of a sweep over one key; None over several."""
    return _swept(results) if _on_grid(results) and list(results.manifest["vary"]) != [ARM] else None


def maps(results: Results) -> Pictures:
    """Draw a map for each endpoint of a sweep over two keys or more."""
    return _swept(results) if _on_grid(results, 2) else None


def _on_grid(results: Results, least: int = 1) -> bool:
    """Tell whether a study has a grid, over so many keys; over one key the endpoints are curves."""
    keys = len(results.manifest["vary"])
    return design_of(results) == "grid" and (keys == 1 if least == 1 else keys >= least)
