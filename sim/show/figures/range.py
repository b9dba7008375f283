"""Survival from enrolment as a band between the values of a range, never as one curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.scenario.registry import parameters
from sim.show.figures.sweep import varied
from sim.show.kit import style
from sim.show.kit.curves import DASHED, FOOT, WIDTH, dress, line_of
from sim.show.kit.formats import format_share, written
from sim.show.kit.plot import Pictures
from sim.show.kit.prose import sentences
from sim.show.kit.scenario_words import cautions, headlines
from sim.work.results import Results

_SURVIVAL = "overall_survival_enrolled"
_TALL = 3.5


@style.styled
def survival_band_figure(
    curves: pd.DataFrame, keys: Sequence[str], title: str, notes: Sequence[str] = (),
    free: pd.DataFrame | None = None,
) -> Figure:  # fmt: skip
    """Draw survival from enrolment over a range as a band.

    Parameters
    ----------
    curves : DataFrame
        The keys of the range, then the columns of ``curves.csv``.
    keys : sequence of str
        The keys varied.
    title : str
        The scenario's title; the figure's own title states the finding.
    notes : sequence of str
        Paragraphs at the bottom.
    free : DataFrame, optional
        The columns of ``curves.csv``, of draws of a posterior in which no key of the range is held.
    """
    drawn = curves[(curves["endpoint"] == _SURVIVAL) & curves["estimate"].notna()]
    if drawn.empty:
        return style.empty_figure("No survival to show: nobody enrolled", title)
    by_time = drawn.groupby("time_years")
    years = by_time["estimate"].min().index.to_numpy()
    posterior = "posterior_lower" in drawn
    page = style.sheet(_finding(drawn), [title, *_lines(keys, drawn, free)], notes, WIDTH, 4.15)
    axis = page.axes(0.8, FOOT, 5.4, _TALL)
    inner = by_time["estimate"].min(), by_time["estimate"].max()
    axis.fill_between(years, *inner, color=style.BLUE, alpha=0.3, lw=0)
    kind = "posterior" if posterior else "mc"
    outer = by_time[f"{kind}_lower"].min(), by_time[f"{kind}_upper"].max()
    axis.fill_between(years, *outer, color=style.BLUE, alpha=0.14, lw=0)
    if free is not None:
        whole = free[free["endpoint"] == _SURVIVAL]
        for edge in ("posterior_lower", "posterior_upper"):
            axis.plot(whole["time_years"], whole[edge], color=style.BLUE, lw=1.1, ls=DASHED)
    for _, curve in drawn.groupby(list(keys), sort=False):
        axis.plot(curve["time_years"], curve["estimate"], color=style.BLUE, lw=1.3)
    dress(axis, float(years[-1]), "Years since enrolment", "Alive, of all patients")
    _label_ends(axis, keys, drawn[drawn["time_years"] == years[-1]])
    return page.figure


def _finding(drawn: pd.DataFrame) -> str:
    """Say between which shares the answer lies."""
    years = drawn["time_years"].max()
    last = drawn[drawn["time_years"] == years]
    low, high = _share(last.loc[last["estimate"].idxmin()]), _share(last.loc[last["estimate"].idxmax()])
    shares = low if low == high else f"Between {low} and {high}"
    return f"{shares} alive at {years:g}\N{NO-BREAK SPACE}years, over the range"


def _share(row: pd.Series[Any]) -> str:
    return format_share(row["estimate"], (row["mc_upper"] - row["mc_lower"]) / 2)


def _lines(keys: Sequence[str], drawn: pd.DataFrame, free: pd.DataFrame | None) -> list[str]:
    meanings = [f"{key}: {parameters()[key].meaning}" if key in parameters() else key for key in keys]
    error = None
    if "posterior_lower" in drawn:
        error = f"{50 * float((drawn['mc_upper'] - drawn['mc_lower']).max()):.2g}"
    return [*meanings, *sentences("figures", "over_range", keys, error, free is not None)]


def _label_ends(axis: Axes, keys: Sequence[str], last: pd.DataFrame) -> None:
    """Write beside each line's end the share alive, and the values under which it holds."""
    line = line_of(_TALL)
    heights = style.spread(last["estimate"].tolist(), 2.3 * line)
    for (_, row), y in zip(last.iterrows(), heights, strict=True):
        at = (1.0, min(max(y, 1.1 * line), 1 - 1.1 * line))
        style.aside(axis, _share(row), at, (10, 1), color=style.BLUE, weight="bold", va="bottom")
        under = ", ".join(f"{written(row[key])} {_unit(key)}".rstrip() for key in keys)
        style.aside(axis, f"at {under}", at, (10, -1), color=style.INK, va="top", size=style.NOTE_SIZE)


def _unit(key: str) -> str:
    return parameters()[key].unit if key in parameters() else ""


def of_run(results: Results) -> Pictures:
    """Draw what a run finds over its range: survival as a band, else its main endpoints."""
    scenario = results.scenario
    keys = [shown.key for shown in scenario.range]
    if scenario.cohort.enters_at != "home":
        return varied(scenario, results.tables["range"], keys, headlines(scenario))
    free = (results.manifest["posterior"] or {}).get("free", ())
    whole = results.tables["curves"] if free and {*keys} <= {*free} else None
    return survival_band_figure(
        results.tables["range_curves"], keys, scenario.title, cautions(scenario), whole
    )
