"""Simulated survival from reinfusion, against the published points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.scenario.endpoints import BY_NAME
from sim.show.kit.formats import Row, format_difference, rows, undefined_note
from sim.show.kit.plot import scenario_of
from sim.show.kit.posterior_words import AT_RISK_FIRST_DRAW
from sim.show.kit.risk_rows import RISK_ROW, draw_at_risk, label_times
from sim.show.kit.scenario_words import TRIAL, Replication, cautions, replication
from sim.show.kit.style import (
    BLUE,
    INK,
    NOTE_SIZE,
    ORANGE,
    TEXT_SIZE,
    empty_figure,
    percent_axis,
    sheet,
    spread,
    styled,
    text_width,
    written_in,
)
from sim.show.trial_data import at_risk as numbers_at_risk
from sim.show.trial_data import first_trials
from sim.work.results import Results

_JOINED = "\N{NO-BREAK SPACE}"
_CURVES = {
    "overall_survival": (BLUE, "alive"),
    "disease_free_survival": (ORANGE, "disease-free"),
}


@styled
def survival_figure(
    curves: pd.DataFrame,
    endpoints: pd.DataFrame,
    title: str,
    notes: Sequence[str] = (),
    at_risk: pd.DataFrame | None = None,
    words: Replication = TRIAL,
) -> Figure:
    """Draw overall and disease-free survival from reinfusion.

    Parameters
    ----------
    curves : DataFrame
        Columns ``endpoint, time_years, estimate, mc_lower, mc_upper``, and the posterior's limits over draws.
    endpoints : DataFrame
        The columns of ``endpoints.csv``: the published points, and the range of one trial.
    title : str
        The scenario's title; the figure's own title states the finding.
    notes : sequence of str
        Further paragraphs at the bottom.
    at_risk : DataFrame, optional
        Numbers at risk in a trial, from `sim.show.trial_data.at_risk`; they stand under the axis.
    words : Replication
        What a replication is called.
    """
    read = [row for row in rows(endpoints) if row.endpoint.name in _CURVES]
    drawn = curves[curves["endpoint"].isin(list(_CURVES)) & curves["estimate"].notna()]
    if drawn.empty:
        return empty_figure("No survival curves to show: nobody was reinfused", title)
    left, across = (0.8, 4.95) if at_risk is None else (1.5, 4.25)
    ranges = at_risk is not None and _ranges_fit(at_risk, across)
    said = [*_notes(read), *_risk_notes(at_risk, words, ranges=ranges), *notes]
    rows_below = 0.0 if at_risk is None else RISK_ROW * (1 + len(_CURVES))
    page = sheet(_finding(read), _lines(read, title, words), said, width=7.8, height=4.15 + rows_below)
    axis = page.axes(left, 0.5 + rows_below, across, 3.55)
    for name, (colour, _) in _CURVES.items():
        _draw_trial_range(axis, [row for row in read if row.endpoint.name == name], colour)
    for name, (colour, _) in _CURVES.items():
        curve = drawn[drawn["endpoint"] == name]
        _draw_posterior(axis, curve, colour)
        axis.fill_between(
            curve["time_years"], curve["mc_lower"], curve["mc_upper"], color=colour, alpha=0.45, lw=0
        )
        axis.plot(curve["time_years"], curve["estimate"], color=colour, lw=2.2)
    _mark_published(axis, read)
    _dress(axis, float(drawn["time_years"].max()))
    _label_curves(axis, drawn, read)
    if at_risk is not None:
        _write_at_risk(axis, at_risk, ranges=ranges)
    return page.figure


def _mark_published(axis: Axes, read: list[Row]) -> None:
    for row in read:
        if row.has_target and row.time is not None:
            axis.plot(
                row.time,
                row.target,
                marker="D",
                markersize=7,
                markerfacecolor="white" if row.assumed else INK,
                markeredgecolor=INK if row.assumed else "white",
                markeredgewidth=1.2,
                clip_on=False,
                zorder=5,
            )


def _write_at_risk(axis: Axes, at_risk: pd.DataFrame, *, ranges: bool) -> None:
    times = sorted(set(at_risk["time_years"]))
    numbers = []
    for name, (_, word) in _CURVES.items():
        of_curve = at_risk[at_risk["endpoint"] == name].sort_values("time_years")
        texts = [_risk_text(row, ranges=ranges) for row in of_curve.itertuples()]
        numbers.append((word.capitalize(), texts))
    draw_at_risk(axis, times, "At risk", numbers, [colour for colour, _ in _CURVES.values()])


def _risk_text(row: Any, *, ranges: bool) -> str:
    return f"{row.median} ({row.lower}-{row.upper})" if ranges else f"{row.median}"


def _ranges_fit(at_risk: pd.DataFrame, width: float) -> bool:
    """Tell whether ranges beside the medians leave a gap between the columns."""
    times = len(set(at_risk["time_years"]))
    widest = max(text_width(_risk_text(row, ranges=True), NOTE_SIZE) for row in at_risk.itertuples())
    return widest < 0.97 * width / max(times - 1, 1)


def _risk_notes(at_risk: pd.DataFrame | None, words: Replication, *, ranges: bool) -> list[str]:
    if at_risk is None:
        return []
    trials = int(at_risk["trials"].iloc[0])
    spread_text = " (95% of them)" if ranges else ""
    return [
        f"At risk: patients that a {words.what} still follows then, event-free: median over {trials:,} "
        f"{words.virtual}{spread_text}."
    ]


def _draw_trial_range(axis: Axes, read: list[Row], colour: str) -> None:
    """Draw the range of one trial through the reading times, from everybody at reinfusion."""
    shown = [row for row in read if not math.isnan(row.trial_lower)]
    times = [0.0, *(row.time or 0.0 for row in shown)]
    lower, upper = [1.0, *(row.trial_lower for row in shown)], [1.0, *(row.trial_upper for row in shown)]
    if lower == upper:  # one replication: no range
        return
    axis.fill_between(times, lower, upper, color=colour, alpha=0.13, lw=0)
    for edge in (lower, upper):
        axis.plot(times, edge, color=colour, alpha=0.55, lw=0.8)


def _draw_posterior(axis: Axes, curve: pd.DataFrame, colour: str) -> None:
    """Draw the posterior's band, where the curve has one, with dashed edges."""
    if "posterior_lower" not in curve:
        return
    edges = curve["posterior_lower"], curve["posterior_upper"]
    axis.fill_between(curve["time_years"], *edges, color=colour, alpha=0.2, lw=0)
    for edge in edges:
        axis.plot(curve["time_years"], edge, color=colour, lw=1.1, ls=(0, (5, 2.5)))


def _dress(axis: Axes, horizon: float) -> None:
    axis.set_xlim(0, horizon)
    axis.set_ylim(0, 1)
    axis.set_yticks(np.linspace(0, 1, 6))
    axis.grid(axis="y")
    percent_axis(axis, "y")
    axis.set_xlabel("Years since reinfusion")
    axis.set_ylabel("Patients reinfused")


def _label_curves(axis: Axes, drawn: pd.DataFrame, read: list[Row]) -> None:
    """Name each curve at its end, with the figures read there."""
    texts, heights = [], []
    for name, (colour, _) in _CURVES.items():
        curve = drawn[drawn["endpoint"] == name]
        if curve.empty:
            continue
        last = _last(read, name)
        lines = [BY_NAME[name].label]
        if last is not None and last.time == float(curve["time_years"].iloc[-1]):
            lines.append(f"{last.simulated_text} simulated")
            lines += [f"posterior {last.posterior_text}"] if last.drawn else []
            lines += [f"{last.target_text} {last.origin}"] if last.has_target else []
        texts.append(("\n".join(lines[1:]), lines[0], colour))
        heights.append(float(curve["estimate"].iloc[-1]))
    line = TEXT_SIZE * 1.35 / 72 / 3.55  # of the axes' height
    most = 4.4 if any(row.drawn for row in read) else 3.4
    for (figures, name, colour), y in zip(texts, spread(heights, most * line), strict=True):
        beside: dict[str, Any] = {
            "xycoords": "axes fraction",
            "textcoords": "offset points",
            "annotation_clip": False,
        }
        at = (1.0, min(max(y, 1.2 * line), 1 - 1.2 * line) + 0.9 * line)
        axis.annotate(name, at, (12, 0), color=written_in(colour), weight="bold", va="center", **beside)
        below = (1.0, at[1] - 0.6 * line)
        axis.annotate(figures, below, (12, 0), color=INK, va="top", linespacing=1.3, **beside)


def _last(read: list[Row], name: str) -> Row | None:
    """Return the latest reading of an endpoint, of those with a target where there are any."""
    mine = [row for row in read if row.endpoint.name == name and not math.isnan(row.estimate)]
    aimed = [row for row in mine if row.has_target]
    return max(aimed or mine, key=lambda row: row.time or 0.0, default=None)


def _finding(read: list[Row]) -> str:
    """Say what the figure shows, from its figures."""
    last = [row for row in (_last(read, name) for name in _CURVES) if row is not None]
    if not last:
        return "Survival from reinfusion"
    same_time = len({row.time for row in last}) == 1
    verdicts = {_verdict(row) for row in last}
    if verdicts == {"equal", "agrees"}:
        verdicts = {"agrees"}
    if same_time and len(verdicts) == 1:
        shares = " and ".join(f"{row.simulated_text} {_CURVES[row.endpoint.name][1]}" for row in last)
        finding = f"{shares} at {last[0].time:g}{_JOINED}years"
        targets = " and ".join(row.target_text for row in last)
        origin = _origin(last)
        if verdicts == {"equal"}:
            return f"{finding}, as {origin}"
        return {
            "agrees": f"{finding}, in agreement with the {origin} {targets}",
            "differs": f"{finding}, missing the {origin} {targets}",
            "none": finding,
        }[verdicts.pop()]
    return "; ".join(_clause(row, timed=not same_time or row is last[-1]) for row in last)


def _origin(read: list[Row]) -> str:
    origins = {row.origin for row in read}
    return origins.pop() if len(origins) == 1 else "targeted"


def _verdict(row: Row) -> str:
    """Tell whether an estimate is its target, agrees within Monte Carlo error, or differs from it."""
    if not row.has_target:
        return "none"
    if not row.agrees:
        return "differs"
    return "equal" if row.simulated_text == row.target_text else "agrees"


def _clause(row: Row, *, timed: bool) -> str:
    text = f"{row.simulated_text} {_CURVES[row.endpoint.name][1]}"
    text = f"{text} at {row.time:g}{_JOINED}years" if timed else text
    return {
        "equal": f"{text}, as {row.origin}",
        "agrees": f"{text}, in agreement with the {row.origin} {row.target_text}",
        "differs": f"{text}, missing the {row.origin} {row.target_text}",
        "none": text,
    }[_verdict(row)]


def _lines(read: list[Row], title: str, words: Replication) -> list[str]:
    lines = [title]
    differing = [row for row in read if _verdict(row) == "differs"]
    if differing:
        parts = "; ".join(map(_difference, differing))
        lines.append(f"Simulated minus {_origin(differing)}, points with Monte Carlo error: {parts}.")
    one = (
        f"Light bands: the range of one {words.what} of this size, 95% of {words.virtual} as each would "
        f"report it {words.when}"
    )
    if any(row.drawn for row in read):
        lines.append(
            "Lines: the mean over draws of the posterior, with dark 95% Monte Carlo bands. Dashed bands: the "
            "posterior's 95%, what the calibrated trial leaves open about the parameters. "
            f"{one}, which holds the posterior too."
        )
    else:
        lines.append(f"Lines: simulated, with 95% Monte Carlo bands. {one}.")
    if any(row.has_target for row in read):
        lines[-1] += " Diamonds: published (hollow: assumed)."
    return lines


def _difference(row: Row) -> str:
    """Write a difference beside its error, with digits enough to compare the two."""
    difference = format_difference(row.endpoint, row.estimate - row.target, row.half_width / 10)
    return f"{row.endpoint.label.lower()} {difference} ± {100 * row.half_width:.2g}"


def _notes(read: list[Row]) -> list[str]:
    last = [row for row in (_last(read, name) for name in _CURVES) if row is not None]
    notes = undefined_note(last, "band")
    published = [row for row in read if row.has_target and not row.assumed]
    if published:
        sources = ", ".join(dict.fromkeys(row.source for row in published))
        notes.append(f"Published figures ({sources}) are Kaplan-Meier estimates; interval not published.")
    return notes


def risk_table(results: Results) -> pd.DataFrame | None:
    """Return the numbers at risk in the first trials of a run; None where no patients were kept."""
    scenario = scenario_of(results)
    patients = first_trials(results.table("patients"), scenario)
    if patients is None or _is_blank(results):
        return None
    return numbers_at_risk(patients, label_times(scenario.follow_up.horizon_years))


def of_run(results: Results, at_risk: pd.DataFrame | None) -> Figure | None:
    """Draw survival of a run; None where nobody is reinfused."""
    if _is_blank(results):
        return None
    scenario, tables = scenario_of(results), results.tables
    notes = cautions(scenario)
    if results.draws and at_risk is not None:
        notes = [AT_RISK_FIRST_DRAW, *notes]
    words = replication(scenario)
    return survival_figure(tables["curves"], tables["endpoints"], scenario.title, notes, at_risk, words)


def _is_blank(results: Results) -> bool:
    endpoints = results.tables["endpoints"]
    return bool(endpoints.loc[endpoints["endpoint"] == "overall_survival", "estimate"].isna().all())
