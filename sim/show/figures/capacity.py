"""A figure of a clinic against the number of its rooms, or slots: a panel for each rate of arrivals."""

from __future__ import annotations

import math

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sim.scenario.endpoints import BY_NAME, key_of, label
from sim.scenario.registry import unit_of
from sim.show.capacities import asked, by_demand, clinics_of, found_sentences, phases
from sim.show.kit import style
from sim.show.kit.formats import format_value
from sim.show.kit.prose import sentences
from sim.show.kit.scenario_words import cautions
from sim.study.capacity import OPENING, SETTLED
from sim.work.results import Results

_WIDE, _ALONE, _TALL = 3.1, 5.2, 2.2
"""Inches of a panel; one alone is wider, so that the sentence above it is not a column."""
_LOOK = {OPENING: (style.BLUE, "o", -0.13), SETTLED: (style.ORANGE, "s", 0.13)}


@style.styled
def of_study(results: Results) -> Figure | None:
    """Draw the figure asked for against the number of places; None without such an answer."""
    if "capacity" not in results.tables:
        return None
    ask, demands = asked(results), by_demand(results)
    key = key_of(ask["endpoint"])
    endpoint = BY_NAME[key[0]]
    across = min(len(demands), 3)
    down = math.ceil(len(demands) / across)
    wide = _WIDE if across > 1 else _ALONE
    finding, *more = found_sentences(results)
    page = style.sheet(
        finding, [*more, *sentences("study", "capacity_lines", OPENING, SETTLED)],
        [results.scenario.title, *cautions(results.scenario)],
        0.75 + across * (wide + 0.35), down * (_TALL + 0.95),
    )  # fmt: skip
    for number, (values, own) in enumerate(demands):
        left, up = number % across, down - 1 - number // across
        panel = page.axes(0.75 + left * (wide + 0.35), 0.55 + up * (_TALL + 0.95), wide, _TALL)
        for phase, rows in phases(own):
            colour, marker, aside = _LOOK[phase]
            x = rows["places"] + aside
            panel.vlines(x, rows["clinics_lower"], rows["clinics_upper"], color=colour, alpha=0.25, lw=6)
            panel.vlines(x, rows["mc_lower"], rows["mc_upper"], color=colour, lw=2)
            panel.plot(x, rows["estimate"], ls="", marker=marker, ms=4.5, color=colour, mec="white", mew=0.6)
        panel.axhline(ask["at_most"], color=style.INK, lw=1, ls=style.DASHES)
        panel.set_xlim(own["places"].min() - 0.6, own["places"].max() + 0.6)
        panel.set_ylim(bottom=0)
        panel.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        panel.grid(axis="y")
        if endpoint.kind == "share":
            style.percent_axis(panel, "y")
        panel.set_xlabel(unit_of(ask["by"]))
        style.aside(panel, clinics_of(values), (0, 1), (0, 6), weight="bold")
        if number == 0:
            words = f"at most {format_value(endpoint, ask['at_most'])}"
            where = panel.get_yaxis_transform()
            style.aside(panel, words, (1.0, ask["at_most"]), (-2, 3), where, ha="right", size=style.NOTE_SIZE)
        if left == 0:
            panel.set_ylabel(label(key) if endpoint.kind == "share" else f"{label(key)} ({endpoint.unit})")
    return page.figure
