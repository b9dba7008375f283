"""What an endpoint does while one or two parameters are varied."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from sim.scenario.distributions import Floats
from sim.scenario.endpoints import Endpoint, Key, column, label
from sim.scenario.registry import parameters, unit_of
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value
from sim.show.kit import style
from sim.show.kit.axis import Axis
from sim.show.kit.formats import Row, format_difference, format_value, rows, written
from sim.show.kit.plot import Pictures
from sim.show.kit.prose import sentences
from sim.show.kit.scenario_words import cautions
from sim.work.results import Results

_PANEL_WIDTH, _PANEL_HEIGHT = 3.55, 2.75
# With more cells than this, contours are easier to read than numbers.
_MOST_NUMBERS = 42


def meaning(key: str) -> str:
    """Return a key with what it means."""
    parameter = parameters().get(key)
    return key if parameter is None else f"{key}: {parameter.meaning}"


def _select(points: pd.DataFrame, endpoint: Key) -> pd.DataFrame:
    name, time = endpoint
    at = points["time_years"].isna() if time is None else np.isclose(points["time_years"], time)
    return points[(points["endpoint"] == name) & at]


@style.styled
def sweep_curve_figure(
    points: pd.DataFrame, key: str, unit: str, endpoints: Sequence[Key], own: Any = None,
    notes: Sequence[str] = (),
) -> Figure:  # fmt: skip
    """Draw endpoints against one varied parameter, a panel each.

    Parameters
    ----------
    points : DataFrame
        The columns of ``endpoints.csv`` preceded by the varied key.
    key : str
        The key varied; its values may be numbers or words.
    unit : str
        Its unit, or an empty text.
    endpoints : Sequence[Key]
        Names and times of the endpoints to draw.
    own : optional
        The scenario's own value, marked where given.
    notes : sequence of str
        Paragraphs at the bottom.
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
    cell, row = wide + 0.85, _PANEL_HEIGHT + 0.72 + below
    page = style.sheet(
        _curve_title(axis, unit), _curve_lines(axis, drawn), notes, 0.45 + across * cell, down * row
    )
    for number, (endpoint, found) in enumerate(drawn.items()):
        left, up = number % across, down - 1 - number // across
        panel = page.axes(0.8 + left * cell, below + up * row, wide, _PANEL_HEIGHT)
        _draw_curve(panel, axis, found, own)
        axis.dress(panel, "x", unit)
        panel.set_xlim(axis.span(axis.place(own), 0.03))
        _head(panel, label(endpoint), _change(axis, [row for _, row in found]))
    return page.figure


def _read(points: pd.DataFrame, axis: Axis, endpoint: Key) -> list[tuple[float, Row]]:
    """Return an endpoint's rows with their places on the axis, those with an estimate."""
    chosen = _select(points, endpoint)
    placed = [
        (axis.places[axis.values.index(value)], row)
        for value, row in zip(chosen[axis.key].tolist(), rows(chosen), strict=True)
    ]
    return sorted(
        ((float(place), row) for place, row in placed if not math.isnan(row.estimate)),
        key=lambda pair: pair[0],
    )


def _head(panel: Axes, name: str, finding: str) -> None:
    """Write the endpoint's name and what it does above a panel."""
    style.aside(panel, name, (0, 1), (0, 34), weight="bold")
    style.aside(panel, finding, (0, 1), (0, 20))


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


def _curve_title(axis: Axis, unit: str) -> str:
    if not axis.numeric:
        return f"Varying {axis.key}: {', '.join(map(written, axis.values))}"
    low, high = written(axis.values[0]), written(axis.values[-1])
    if low == high:
        return f"{axis.key} at {low} {unit}".rstrip()
    return f"Varying {axis.key} from {low} to {high} {unit}".rstrip()


def _change(axis: Axis, series: list[Row]) -> str:
    """Say what an endpoint does along the axis."""
    low, high = min(series, key=_estimate), max(series, key=_estimate)
    unit = f" {low.endpoint.unit}".rstrip()
    if low.simulated_text == high.simulated_text:
        return f"{low.simulated_text} throughout"
    falls = series == sorted(series, key=_estimate, reverse=True)
    if axis.numeric and low.mc_upper < high.mc_lower and (falls or series == sorted(series, key=_estimate)):
        start, end = series[0].simulated_text, series[-1].simulated_text
        return f"{'falls' if falls else 'rises'} from {start.removesuffix(unit)} to {end}"
    text = f"between {low.simulated_text.removesuffix(unit)} and {high.simulated_text}"
    # Not "within Monte Carlo error": the points share their luck, so a small difference may well be one.
    alike = max(row.mc_lower for row in series) <= min(row.mc_upper for row in series)
    return f"{text}; intervals overlap" if alike else text


def _estimate(row: Row) -> float:
    return row.estimate


def _curve_lines(axis: Axis, drawn: dict[Key, list[tuple[float, Row]]]) -> list[str]:
    drawn_rows = any(row.drawn for found in drawn.values() for _, row in found)
    middle = "Dashed" if axis.numeric and len(axis.values) > 1 else "Middle"
    without = [label(key) for key in drawn if all(math.isnan(row.trial_lower) for _, row in drawn[key])]
    said = sentences("figures", "curve", drawn_rows, middle, without, len(axis.values) > 1)
    return [meaning(axis.key), *said]


@style.styled
def sweep_map_figure(
    points: pd.DataFrame, keys: tuple[str, str], endpoint: Key, own: tuple[Any, Any] = (None, None),
    notes: Sequence[str] = (),
) -> Figure:  # fmt: skip
    """Draw an endpoint over two varied parameters, as a map.

    Parameters
    ----------
    points : DataFrame
        The columns of ``endpoints.csv`` preceded by the varied keys.
    keys : tuple[str, str]
        The key along the horizontal axis and that along the vertical one; values may be numbers or words.
    endpoint : Key
        Name and time of the endpoint.
    own : tuple
        The scenario's own two values, marked where both have a place on the map.
    notes : sequence of str
        Further paragraphs at the bottom.
    """
    chosen = _select(points, endpoint)
    across, up = Axis.of(chosen, keys[0]), Axis.of(chosen, keys[1])
    grid = _grid(chosen, across, up)
    known = [row for row in rows(chosen) if not math.isnan(row.estimate)]
    if not known:
        return style.empty_figure(f"{label(endpoint)}: nobody is at risk at any point", *map(meaning, keys))
    numbers = grid.size <= _MOST_NUMBERS or not (across.numeric and up.numeric)
    left, below = 0.6 + up.label_width, 0.55 + across.depth(4.7)
    lines = _map_lines(across, up, known[0], grid, own)
    page = style.sheet(_map_title(known), lines, [*_map_note(known), *notes], left + 6.1, below + 4.05)
    panel = page.axes(left, below, 4.7, 3.9)
    mesh = panel.pcolormesh(across.edges, up.edges, grid, cmap="cividis")
    panel.set_facecolor("#e3e3e6")
    if numbers:
        _write_cells(panel, across, up, chosen)
    elif np.nanmin(grid) < np.nanmax(grid):
        _draw_contours(panel, across, up, grid, known[0].endpoint)
    if _target_inside(across, up, known[0], grid):
        _draw_target(panel, across, up, grid, known[0])
    for axis, which in ((across, "x"), (up, "y")):
        axis.dress(panel, which, unit_of(axis.key))
    _limit(panel, across, up, _own_place(across, up, own))
    _colour_bar(page, (left, below), mesh, known[0].endpoint)
    return page.figure


def _map_note(known: Sequence[Row]) -> list[str]:
    """Say how far Monte Carlo error could move a value, for which a map has no room."""
    endpoint = known[0].endpoint
    width = max(row.half_width for row in known)
    error = format_difference(endpoint, width, width).removeprefix("+")
    unit = "points" if endpoint.kind == "share" else endpoint.unit
    widest = max(known, key=_posterior_width)
    return sentences("figures", "map", error, unit, widest.posterior_text)


def _posterior_width(row: Row) -> float:
    return row.posterior_upper - row.posterior_lower if row.drawn else -math.inf


def _grid(chosen: pd.DataFrame, across: Axis, up: Axis) -> Floats:
    """Return the estimates as rows (upwards) and columns; not a number where a point is missing."""
    grid = np.full((len(up.values), len(across.values)), np.nan)
    for x, y, row in _cells(chosen, across, up):
        grid[y, x] = row.estimate
    return grid


def _cells(chosen: pd.DataFrame, across: Axis, up: Axis) -> list[tuple[int, int, Row]]:
    places = zip(chosen[across.key].tolist(), chosen[up.key].tolist(), rows(chosen), strict=True)
    return [(across.values.index(x), up.values.index(y), row) for x, y, row in places]


def _write_cells(panel: Axes, across: Axis, up: Axis, chosen: pd.DataFrame) -> None:
    cells = [cell for cell in _cells(chosen, across, up) if not math.isnan(cell[2].estimate)]
    middle = (min(row.estimate for *_, row in cells) + max(row.estimate for *_, row in cells)) / 2
    for x, y, row in cells:
        colour = style.INK if row.estimate > middle else "white"
        at = across.places[x], up.places[y]
        panel.text(
            *at, row.simulated_text, color=colour, ha="center", va="center", size=style.NOTE_SIZE, zorder=7
        )


def _draw_contours(panel: Axes, across: Axis, up: Axis, grid: Floats, endpoint: Endpoint) -> None:
    """Draw and label lines of equal estimate, readable on light and on dark."""
    low, high = float(np.nanmin(grid)), float(np.nanmax(grid))
    ticks = MaxNLocator(7, steps=[1, 2, 5, 10]).tick_values(low, high)
    levels = [float(tick) for tick in ticks if low < tick < high]
    masked = np.ma.masked_invalid(grid)
    lines = panel.contour(across.places, up.places, masked, levels=levels, colors="white", linewidths=1.0)
    lines.set(path_effects=[withStroke(linewidth=2.4, foreground=style.INK)])
    names = {level: format_value(endpoint, level) for level in levels}
    for text in panel.clabel(lines, fmt=names, fontsize=style.NOTE_SIZE, colors=style.INK):
        text.set(path_effects=[withStroke(linewidth=2.6, foreground="white")])


def _target_inside(across: Axis, up: Axis, row: Row, grid: Floats) -> bool:
    """Whether the target is met along a line on the map."""
    lines_exist = across.numeric and up.numeric and min(grid.shape) > 1
    return lines_exist and float(np.nanmin(grid)) < row.target < float(np.nanmax(grid))


def _draw_target(panel: Axes, across: Axis, up: Axis, grid: Floats, row: Row) -> None:
    masked = np.ma.masked_invalid(grid)
    dashed: Any = {"linewidths": 1.8, "linestyles": "dashed"}
    line = panel.contour(across.places, up.places, masked, levels=[row.target], colors=style.INK, **dashed)
    line.set(path_effects=[withStroke(linewidth=3.4, foreground="white")])


def _own_place(across: Axis, up: Axis, own: tuple[Any, Any]) -> tuple[float, float] | None:
    x, y = across.place(own[0]), up.place(own[1])
    return None if x is None or y is None else (x, y)


def _limit(panel: Axes, across: Axis, up: Axis, own: tuple[float, float] | None) -> None:
    """Show the whole map, and the scenario's own values where they lie beyond it."""
    x, y = own or (None, None)
    panel.set_xlim(across.map_span(x))
    panel.set_ylim(up.map_span(y))
    if x is not None and y is not None:
        outline = [withStroke(linewidth=4.2, foreground=style.INK)]
        panel.plot(x, y, marker="o", ms=27, mfc="none", mec="white", mew=2, path_effects=outline, zorder=6)


def _colour_bar(page: style.Sheet, corner: tuple[float, float], mesh: Any, endpoint: Endpoint) -> None:
    beside = page.axes(corner[0] + 4.9, corner[1], 0.18, 3.9)
    bar = page.figure.colorbar(mesh, cax=beside)
    bar.outline.set_visible(False)
    if endpoint.kind == "share":
        style.percent_axis(beside, "y")
    beside.set_ylabel(endpoint.label if endpoint.kind == "share" else f"{endpoint.label} ({endpoint.unit})")


def _map_title(known: Sequence[Row]) -> str:
    low, high = min(known, key=lambda row: row.estimate), max(known, key=lambda row: row.estimate)
    if low.simulated_text == high.simulated_text:
        return f"{low.label}: {low.simulated_text} everywhere"
    return f"{low.label}: between {low.simulated_text} and {high.simulated_text}"


def _map_lines(across: Axis, up: Axis, row: Row, grid: Floats, own: tuple[Any, Any]) -> list[str]:
    what = []
    if _target_inside(across, up, row, grid):
        what.append(f"Dashed: the {row.origin} {row.target_text}.")
    if _own_place(across, up, own) is not None:
        what.append(f"Circle: this scenario ({written(own[0])} and {written(own[1])}).")
    if bool(np.isnan(grid).any()):
        what.append("Grey: no estimate.")
    return [meaning(across.key), meaning(up.key), " ".join(what)]


def varied(scenario: Scenario, points: pd.DataFrame, keys: Sequence[str], shown: Sequence[Key]) -> Pictures:
    """Draw what a page can show of points: a curve over one key, maps over two; the table holds the rest."""
    own = [_plain(get_value(scenario, key)) for key in keys]
    notes = [scenario.title, *cautions(scenario)]
    if len(keys) == 1:
        return sweep_curve_figure(points, keys[0], unit_of(keys[0]), shown, own=own[0], notes=notes)
    if len(keys) > 2:
        return {}
    return {
        column(key).replace("@", "_"): sweep_map_figure(
            points, (keys[0], keys[1]), key, own=(own[0], own[1]), notes=notes
        )
        for key in shown
    }


def _plain(value: Any) -> float | str | None:
    """Return a value that an axis can mark; a distribution has no one place on it."""
    return value if isinstance(value, (int, float, str)) else None


def _swept(results: Results) -> Pictures:
    scenario, vary = results.scenario, results.manifest["vary"]
    points = results.tables["points"].copy()
    for key, values in vary.items():  # a file does not tell a number among words from a word
        points[key] = points[key].map({str(value): value for value in values} | {v: v for v in values})
    shown = [_key(name) for name in results.manifest["shown"]]
    return varied(scenario, points, list(vary), shown)


def _key(name: str) -> Key:
    endpoint, _, years = name.partition("@")
    return endpoint, float(years) if years else None


def curve(results: Results) -> Pictures:
    """Draw the endpoints of a sweep over one key; None over several."""
    return _swept(results) if len(results.manifest["vary"]) == 1 else None


def maps(results: Results) -> Pictures:
    """Draw a map for each endpoint of a sweep over two keys."""
    return _swept(results) if len(results.manifest["vary"]) == 2 else None
