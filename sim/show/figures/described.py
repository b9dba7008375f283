"""Patients of one's own: survival, competing incidences and waits in steps, with bands and who is at risk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.centre.described import SMALL, WAITS
from sim.outcomes.survival import FEW_AT_RISK
from sim.scenario.schema import DAYS_PER_YEAR
from sim.show.described import SeenLine, cautions, read_at, same_time, told
from sim.show.kit import style
from sim.show.kit.curves import FOOT, RISK_ROW, WIDTH, draw_at_risk, dress, line_of, name_end
from sim.show.kit.prose import declared, one_sentence, sentences
from sim.work.results import Results

_LEFT, _RIGHT, _TALL, _OVER = 1.35, 2.0, 3.1, 0.3
_COLOURS = (style.BLUE, style.ORANGE)
_SHORT_DAYS = 730
_NOT_REINFUSED = ("pre_transplant_mortality", "waiting_at_last_contact")


@style.styled
def _draw(results: Results, names: Sequence[str], title: str, since: str, *, rising: bool) -> Figure | None:
    """Draw curves of these names that there are; None if there are none."""
    curves, at_risk = results.tables["curves"], results.tables["at_risk"]
    shown = [name for name in names if (curves["curve"] == name).any()]
    if not shown:
        return None
    own = curves[curves["curve"].isin(shown)]
    rows = at_risk[at_risk["curve"].isin(shown)]
    counted = list(dict.fromkeys(rows["curve"]))
    below = RISK_ROW * (len(counted) + 1)
    said = sentences("described", "curves", "incidence" if rising else "survival", since == "enrolment")
    page = style.sheet(title, cautions(results.manifest), said, WIDTH, _TALL + FOOT + below + _OVER)
    axis = page.axes(_LEFT, FOOT + below, WIDTH - _LEFT - _RIGHT, _TALL)
    last = float(own["time_days"].max())
    unit, scale = ("Days", 1.0) if last < _SHORT_DAYS else ("Years", DAYS_PER_YEAR)
    dress(
        axis,
        1.01 * max(last, 1.0) / scale,
        f"{unit} since {since}",
        "Patients" if rising else "Kaplan-Meier estimate",
    )
    if names != WAITS:  # there few are left because they were reinfused
        _few_at_risk(axis, pd.concat([own, rows]), scale)
    colours = dict(zip(names, _COLOURS if "relapse_incidence" not in names else _COLOURS[::-1], strict=False))
    for name in shown:
        _steps(axis, own[own["curve"] == name], colours[name], scale, 0.0 if rising else 1.0)
    _name(axis, own, told(results.tables["figures"]), shown, colours)
    days = sorted(set(rows["time_days"]))
    axis.set_xticks([day / scale for day in days])
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:.4g}")
    words = declared("described")["short"]
    numbers = [
        ("Patients" if rising else words[name], [f"{n}" for n in rows[rows["curve"] == name]["at_risk"]])
        for name in counted
    ]
    drawn = [style.INK if rising else colours[name] for name in counted]
    draw_at_risk(axis, [day / scale for day in days], "At risk", numbers, drawn)
    return page.figure


def _steps(axis: Axes, curve: pd.DataFrame, colour: str, scale: float, start: float) -> None:
    """Draw one curve; its band begins where the first event has been."""
    years = curve["time_days"] / scale
    lower, upper = (curve[side].ffill().fillna(start) for side in ("lower", "upper"))
    axis.fill_between(years, lower, upper, step="post", color=colour, alpha=0.16, lw=0)
    axis.step(years, curve["estimate"].ffill(), where="post", color=colour, lw=2.0)


def _few_at_risk(axis: Axes, curves: pd.DataFrame, scale: float) -> None:
    """Shade from when on fewer than ten are known to be at risk for one of the curves."""
    few = curves[curves["at_risk"] < FEW_AT_RISK]["time_days"]
    if len(few):
        first = float(few.min()) / scale
        axis.axvspan(first, axis.get_xlim()[1], color=style.GREY, alpha=0.08, lw=0)
        over = {"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.8}
        text = f"fewer than {FEW_AT_RISK} at risk"
        axis.text(
            axis.get_xlim()[1], 1.02, text, transform=axis.get_xaxis_transform(), ha="right", va="bottom",
            size=style.NOTE_SIZE, color=style.GREY, bbox=over,
        )  # fmt: skip


def _name(
    axis: Axes,
    curves: pd.DataFrame,
    figures: Sequence[SeenLine],
    shown: Sequence[str],
    colours: dict[str, str],
) -> None:
    """Name each curve at its end, with what is read where enough are at risk."""
    line = line_of(_TALL)
    ends = [float(curves[curves["curve"] == name]["estimate"].ffill().iloc[-1]) for name in shown]
    heights = style.spread(ends, 3.4 * line, 1.5 * line, 1 - 1.5 * line)
    main = read_at(figures, shown[0])
    for name, y in zip(shown, heights, strict=True):
        read = same_time(figures, name, main)
        text = f"{read.estimate_text} ({read.interval_text})\nat {read.when}" if read else ""
        name_end(axis, y, str(declared("described")["figures"][name]), text, colours[name])


def survival(results: Results) -> Figure | None:
    """Draw overall and disease-free survival from reinfusion."""
    figures = told(results.tables["figures"])
    alive, free = (read_at(figures, name) for name in ("overall_survival", "disease_free_survival"))
    first, words = (alive, "alive") if alive else (free, "disease-free")
    other = same_time(figures, "disease_free_survival", alive)
    n = results.manifest["patients"]["reinfused"]
    # Beside a curve of all enrolled it must be seen that this one begins later, without the early deaths.
    whom = "" if results.manifest["from_transplant"] else f"the {n} reinfused"
    title = one_sentence("described", "survival_title", first, words, other, whom, "reinfusion", SMALL)
    return _draw(results, ("overall_survival", "disease_free_survival"), title, "reinfusion", rising=False)


def survival_enrolled(results: Results) -> Figure | None:
    """Draw overall survival from enrolment."""
    read = read_at(told(results.tables["figures"]), "overall_survival_enrolled")
    whom = f"all {results.manifest['patients']['patients']} enrolled"
    title = one_sentence("described", "survival_title", read, "alive", None, whom, "enrolment", SMALL)
    return _draw(results, ("overall_survival_enrolled",), title, "enrolment", rising=False)


def incidences(results: Results) -> Figure | None:
    """Draw relapse and death without relapse, which compete."""
    figures = told(results.tables["figures"])
    relapse = read_at(figures, "relapse_incidence")
    death = same_time(figures, "death_without_relapse", relapse)
    title = one_sentence("described", "incidences_title", relapse, death, SMALL)
    names = ("relapse_incidence", "death_without_relapse")
    return _draw(results, names, title, "reinfusion", rising=True)


def waits(results: Results) -> Figure | None:
    """Draw how many are reinfused, and how many die before, since enrolment."""
    figures = {each.name: each for each in told(results.tables["figures"])}
    median = figures.get("wait_median")
    seen = median if median and not np.isnan(median.estimate) else None
    own = results.manifest["patients"]
    left = [figures[name].count if name in figures else 0 for name in _NOT_REINFUSED]
    title = one_sentence(
        "described", "waits_title", seen, own["patients"], own["reinfused"], *map(round, left)
    )
    return _draw(results, WAITS, title, "enrolment", rising=True)
