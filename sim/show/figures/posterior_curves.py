"""Survival over the years under the posterior: with the transplant, and extrapolated without one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.scenario.endpoints import BY_NAME
from sim.scenario.schema import Scenario
from sim.show.calibration_words import extrapolation_text
from sim.show.kit.formats import Row, rows, undefined_note
from sim.show.kit.plot import scenario_of
from sim.show.kit.style import (
    BLUE,
    INK,
    ORANGE,
    TEXT_SIZE,
    empty_figure,
    percent_axis,
    sheet,
    spread,
    styled,
)
from sim.work.results import Results

_JOINED = "\N{NO-BREAK SPACE}"
_CURVES = {"overall_survival": (BLUE, "alive"), "disease_free_survival": (ORANGE, "disease-free")}
_HAZARDS = {
    "no_transplant": (BLUE, "hazard when active", "//"),
    "no_transplant_relapsed": (ORANGE, "hazard after relapse", "\\\\"),
}
_WIDTH, _HEIGHT, _TALL, _ACROSS = 7.8, 4.25, 3.55, 4.95
_LINE = TEXT_SIZE * 1.35 / 72 / _TALL  # of the axes' height


@styled
def survival_figure(curves: pd.DataFrame, predictions: pd.DataFrame, scenario: Scenario) -> Figure:
    """Draw predicted survival from reinfusion: posterior mean and band, and the band of single trials.

    Parameters
    ----------
    curves
        ``curves.csv``: with ``posterior_lower`` and ``posterior_upper``.
    predictions
        ``predictions.csv``: the published points, and the range of one trial at the times read.
    """
    read = [row for row in rows(predictions) if row.endpoint.name in _CURVES]
    drawn = curves[curves["endpoint"].isin(list(_CURVES)) & curves["estimate"].notna()]
    if drawn.empty:
        return empty_figure("No survival curves to show: nobody was reinfused", scenario.title)
    said = [
        scenario.title,
        "Lines: posterior mean. Dark bands: 95% of the posterior, what the trial leaves open of the "
        "curve itself. Light bands: 95% of single trials of this size, as each would report it. "
        "Diamonds: published.",
    ]
    page = sheet(_finding(read), said, _survival_notes(read), _WIDTH, _HEIGHT)
    axis = page.axes(0.8, 0.5, _ACROSS, _TALL)
    for name, (colour, _) in _CURVES.items():
        _draw_trials(axis, [row for row in read if row.endpoint.name == name], colour)
        curve = drawn[drawn["endpoint"] == name]
        years, lower, upper = (curve[each] for each in ("time_years", "posterior_lower", "posterior_upper"))
        axis.fill_between(years, lower, upper, color=colour, alpha=0.32, lw=0)
        axis.plot(years, curve["estimate"], color=colour, lw=2.2)
    for row in read:
        if row.has_target and row.time is not None:
            fill, edge = ("white", INK) if row.assumed else (INK, "white")
            axis.plot(row.time, row.target, marker="D", ms=7, mfc=fill, mec=edge, mew=1.2, clip_on=False,
                      zorder=5)  # fmt: skip
    _dress(axis, float(drawn["time_years"].max()), "Years since reinfusion", "Patients reinfused")
    _label_curves(axis, drawn, read)
    return page.figure


def _draw_trials(axis: Axes, read: list[Row], colour: str) -> None:
    """Draw the range of one trial through the times read, from everybody at reinfusion."""
    shown = [row for row in read if not math.isnan(row.trial_lower)]
    times = [0.0, *(row.time or 0.0 for row in shown)]
    lower, upper = [1.0, *(row.trial_lower for row in shown)], [1.0, *(row.trial_upper for row in shown)]
    axis.fill_between(times, lower, upper, color=colour, alpha=0.12, lw=0)
    for edge in (lower, upper):
        axis.plot(times, edge, color=colour, alpha=0.55, lw=0.8)


def _dress(axis: Axes, horizon: float, across: str, up: str) -> None:
    axis.set_xlim(0, horizon)
    axis.set_ylim(0, 1)
    axis.set_yticks(np.linspace(0, 1, 6))
    axis.grid(axis="y")
    percent_axis(axis, "y")
    axis.set_xlabel(across)
    axis.set_ylabel(up)


def _finding(read: list[Row]) -> str:
    """Say what the posterior leaves open at the last time read, as the table of answers does."""
    known = [row for row in read if row.drawn and row.time is not None]
    years = max((row.time for row in known if row.time is not None), default=0.0)
    parts = [
        f"{_between(row.posterior_lower, row.posterior_upper)} {_CURVES[row.endpoint.name][1]}"
        for row in known
        if row.time == years
    ]
    return f"The posterior leaves {' and '.join(parts)} at {years:g}{_JOINED}years"


def _between(lower: float, upper: float) -> str:
    low, high = (f"{100 * each:.0f}" for each in (lower, upper))
    return f"{low}% " if low == high else f"{low} to {high}%"


def _survival_notes(read: list[Row]) -> list[str]:
    aimed = [row for row in read if row.has_target]
    notes = undefined_note(aimed, "light band")
    published = [row for row in aimed if not row.assumed]
    if published:
        sources = ", ".join(dict.fromkeys(row.source for row in published))
        notes.append(f"Published figures ({sources}) are Kaplan-Meier estimates; interval not published.")
    widths = [row.half_width for row in aimed if row.half_width > 0]
    if widths:
        notes.append(
            f"Monte Carlo error of the means (95%): at most {100 * max(widths):.1g} points either way."
        )
    return notes


def _label_curves(axis: Axes, drawn: pd.DataFrame, read: list[Row]) -> None:
    """Name each curve at its end, with the figures there."""
    texts, heights = [], []
    for name, (colour, _) in _CURVES.items():
        curve = drawn[drawn["endpoint"] == name]
        if curve.empty:
            continue
        last = curve.iloc[-1]
        ends = [row for row in read if row.endpoint.name == name and row.time == last["time_years"]]
        lines = [
            f"{100 * row.estimate:.0f}% ({_between(row.posterior_lower, row.posterior_upper).strip()})"
            for row in ends
        ]
        lines += [f"{row.target_text} {row.origin}" for row in ends if row.has_target]
        texts.append((BY_NAME[name].label, "\n".join(lines), colour))
        heights.append(float(last["estimate"]))
    _write_beside(axis, texts, heights)


def _write_beside(axis: Axes, texts: list[tuple[str, str, str]], heights: list[float]) -> None:
    """Write names and figures to the right of the axes, near some heights."""
    for (name, figures, colour), y in zip(texts, spread(heights, 3.6 * _LINE), strict=True):
        beside: dict[str, Any] = {
            "xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False
        }  # fmt: skip
        top = min(max(y, 1.4 * _LINE), 1 - 1.2 * _LINE) + 0.9 * _LINE
        axis.annotate(name, (1.0, top), (12, 0), color=colour, weight="bold", va="center", **beside)
        axis.annotate(
            figures, (1.0, top - 0.6 * _LINE), (12, 0), color=INK, va="top", linespacing=1.3, **beside
        )


@styled
def no_transplant_figure(band: pd.DataFrame, scenario: Scenario, warning: str) -> Figure:
    """Draw survival without a transplant as a band that holds what either hazard leaves open.

    Parameters
    ----------
    band
        ``answer, time_years, mean, lower, median, upper``.
    warning
        What the figures rest on; it stands below the title, not among the notes.
    """
    if band.empty:
        return empty_figure("Survival without a transplant can't be told", scenario.title)
    years = [0.0, *sorted(set(band["time_years"]))]
    page = sheet(_band_finding(band), [scenario.title, warning], _band_notes(), _WIDTH, _HEIGHT)
    axis = page.axes(0.8, 0.5, _ACROSS, _TALL)
    ends = band.groupby("time_years")
    outer = [1.0, *ends["lower"].min()], [1.0, *ends["upper"].max()]
    axis.fill_between(years, *outer, color=BLUE, alpha=0.14, lw=0)
    texts, heights = [], []
    for name, (colour, words, hatch) in _HAZARDS.items():
        own = band[band["answer"] == name].sort_values("time_years")
        lower, upper = [1.0, *own["lower"]], [1.0, *own["upper"]]
        axis.fill_between(
            years, lower, upper, facecolor="none", edgecolor=colour, hatch=hatch, alpha=0.35, lw=0
        )
        for edge in (lower, upper):
            axis.plot(years, edge, color=colour, lw=1.2)
        last = own.iloc[-1]
        texts.append(
            (
                words.capitalize(),
                f"{_between(last['lower'], last['upper']).strip()}\n{_hatched(name)}",
                colour,
            )
        )
        heights.append(float(last["median"]))
    _dress(axis, years[-1], "Years since enrolment", "Alive, never transplanted")
    _write_beside(axis, texts, heights)
    return page.figure


def _hatched(name: str) -> str:
    return "hatched /" if name == "no_transplant" else "hatched \\"


def _band_finding(band: pd.DataFrame) -> str:
    last = band[band["time_years"] == band["time_years"].max()]
    low, high = 100 * last["lower"].min(), 100 * last["upper"].max()
    years = float(last["time_years"].iloc[0])
    return (
        f"Without a transplant the trial leaves anything from {low:.0f} to {high:.0f}% alive at "
        f"{years:g}{_JOINED}years: an extrapolation"
    )


def _band_notes() -> list[str]:
    return [
        "Shaded: from the lowest to the highest limit of both, which is the answer. Hatched: 95% of the "
        "posterior under each hazard. No line inside is likelier than another, and none is drawn. Deaths of "
        "other causes by life table."
    ]


def of_calibration(results: Results) -> Figure:
    """Draw survival as a calibration predicts it."""
    tables = results.tables
    return survival_figure(tables["curves"], tables["predictions"], scenario_of(results))


def no_transplant(results: Results) -> Figure:
    """Draw survival without a transplant as a calibration leaves it open."""
    scenario = scenario_of(results)
    return no_transplant_figure(results.tables["no_transplant"], scenario, extrapolation_text(scenario))
