"""All scenarios of a comparison in one figure: the deaths that they avert, and survival from the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.scenario.registry import short
from sim.show.comparison import names, ranked_arms, ranking, why_incomparable
from sim.show.figures.differences import ForestRow, sheet_of
from sim.show.kit import curves as kit
from sim.show.kit import style
from sim.show.kit.forest import signed_points
from sim.show.kit.formats import Row, format_share, rows
from sim.show.kit.pairs import cautions_of
from sim.show.kit.prose import one_sentence, sentences
from sim.study.compare import SURVIVAL
from sim.work.results import Results

COLOURS = (style.INK, style.BLUE, style.ORANGE, "#801650", "#28a197", "#a285d1")
_CHANGES = 2.05
"""Inches below survival for the differences."""
STYLES = ("-", style.DASHES, (0, (1, 1.5)), (0, (6, 1.5, 1, 1.5)))


@style.styled
def averted(results: Results) -> Figure | None:
    """Draw the deaths that several scenarios avert, most first; None where there is only one to rank."""
    arms = ranked_arms(results)
    if len(names(results)) < 3 or not arms:
        return None
    lines = []
    for arm in arms:
        value, lower, upper, least, most = (
            each / 100 for each in (arm.averted.value, arm.averted.lower, arm.averted.upper, *arm.span)
        )
        text = f"{arm.averted.text}\nrange {arm.over}" if arm.over else arm.averted.text
        lines.append(ForestRow(arm.name, (), value, lower, upper, text, (least, most)))
    finding, *apart = ranking(results)
    above = sentences("figures", "averted", names(results)[0], results.draws, any(arm.over for arm in arms))
    across = f"deaths averted by {short(arms[0].averted.years)} years, per 100 enrolled"
    below = [*apart, *cautions_of(results, names(results))]
    return sheet_of(lines, (), across, finding.removesuffix("."), above, below)


@style.styled
def survival(results: Results) -> Figure | None:
    """Draw survival of everybody enrolled, from the decision, of all scenarios that are alternatives."""
    shown = [name for name in names(results) if not why_incomparable(results, name)]
    apart = [name for name in names(results) if name not in shown]
    if len(shown) < 2:
        return None
    notes = [*sentences("figures", "from_decision_notes", apart), *cautions_of(results, shown)]
    return from_decision({name: _curve(results, name) for name in shown}, results.draws, notes)


def from_decision(
    found: Mapping[str, pd.DataFrame], draws: int | None, notes: Sequence[str], *, changes: bool = False
) -> Figure:
    """Draw survival of everybody enrolled, a curve for each name, with its rows of one endpoint.

    Parameters
    ----------
    changes
        Whether the paired differences from the first are drawn below.
    """
    years = float(max(curve["time_years"].max() for curve in found.values()))
    said = "; ".join(f"{name} {_end(curve)}" for name, curve in found.items())
    ranged = any("least" in curve for curve in found.values())
    exact = not draws and all(row.exact for curve in found.values() for row in rows(curve))
    above = sentences("figures", "from_decision", draws, ranged, changes, exact)
    below = _CHANGES if changes else 0.0
    title = one_sentence("figures", "from_decision_title", short(years), said)
    page = style.sheet(title, above, notes, kit.WIDTH, 4.25 + below)
    axis = page.axes(0.8, kit.FOOT + below, 4.95, kit.TALL)
    strip = page.axes(0.8, kit.FOOT, 4.95, below - 0.65) if changes else None
    ends = []
    for (name, curve), colour, dashes in zip(found.items(), cycle(COLOURS), cycle(STYLES)):
        times = [0.0, *curve["time_years"]]
        look: dict[str, Any] = {"color": colour, "ls": dashes}
        if "least" in curve:
            edges = [1.0, *curve["least"]], [1.0, *curve["most"]]
            axis.fill_between(times, *edges, color=colour, alpha=0.22, lw=0)
            for edge in edges:
                axis.plot(times, edge, lw=1, **look)
        if draws or "least" not in curve:  # else no line inside is likelier than another
            axis.plot(times, [1.0, *curve["estimate"]], lw=2, marker="o", ms=3.5, clip_on=False, **look)
        if strip is not None and curve["difference"].abs().max() > 0:
            _draw_change(strip, curve, look)
        ends.append(kit.Name(name, _end(curve), colour, float(curve["estimate"].iloc[-1])))
    kit.dress(axis, years, "Years since the decision to transplant", "Alive, of all enrolled")
    kit.write_beside(axis, ends, 2.3, 1.0)
    if strip is not None:
        strip.axhline(0, color=style.GREY, lw=0.8)
        strip.set_xlim(axis.get_xlim())
        strip.yaxis.set_major_formatter(signed_points)
        strip.set(xlabel=axis.get_xlabel(), ylabel="change, points")
        axis.set_xlabel("")
    return page.figure


def _draw_change(strip: Axes, curve: pd.DataFrame, look: Mapping[str, Any]) -> None:
    """Draw how far a curve lies from the first one, with its paired 95%."""
    times = [0.0, *curve["time_years"]]
    lower, change, upper = ([0.0, *curve[f"difference{end}"]] for end in ("_lower", "", "_upper"))
    strip.fill_between(times, lower, upper, color=look["color"], alpha=0.22, lw=0)
    strip.plot(times, change, lw=2, marker="o", ms=3.5, clip_on=False, **look)


def _curve(results: Results, name: str) -> pd.DataFrame:
    """Return survival of the enrolled at the times read; over a range the least and the most too."""
    table, ranges = results.tables["comparison"], results.table("range")
    own = table[(table["scenario"] == name) & (table["endpoint"] == SURVIVAL)]
    own = own.set_index("time_years", drop=False)
    if ranges is None:
        return own
    over = ranges[(ranges["scenario"] == name) & (ranges["endpoint"] == SURVIVAL)]
    over = over[over["varied"].isin((name, "both"))]
    if over.empty:
        return own
    by_time = over.groupby("time_years")["estimate"]
    return own.assign(least=by_time.min(), most=by_time.max())


def _end(curve: pd.DataFrame) -> str:
    """Write how many are alive in the end, over a range between what and what."""
    last = next(curve.tail(1).itertuples(index=False))
    row = Row(last)
    if row.drawn:
        return f"{row.simulated_text} ({row.posterior_text})"
    if "least" not in curve:
        return row.simulated_text
    low, high = (format_share(each, row.half_width) for each in (last.least, last.most))
    return low if low == high else f"{low.removesuffix('%')} to {high}"
