"""What ends remission and what kills, as stacked incidences."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.scenario.schema import Scenario
from sim.show.kit.areas import OverTime, ShareLayer, draw_areas
from sim.show.kit.formats import Row, rows
from sim.show.kit.looks import CAUSES, FAILURES, look_of
from sim.show.kit.plot import scenario_of
from sim.show.kit.scenario_words import cautions
from sim.show.kit.style import NOTE_SIZE, empty_figure, percent_axis, sheet, styled
from sim.work.results import Results

_WIDTH, _LEFT, _RIGHT = 7.8, 0.8, 1.95
_TALL, _LOW, _FOOT, _GAP = 2.7, 1.9, 0.5, 0.75


@styled
def incidence_figure(
    shares: OverTime, endpoints: pd.DataFrame, scenario: Scenario, notes: Sequence[str] = ()
) -> Figure:
    """Draw how remission ends, since reinfusion, and of what patients die, since enrolment.

    Parameters
    ----------
    shares : OverTime
        ``figures/incidence.csv``, of the first virtual trials, whose courses the areas show.
    endpoints : DataFrame
        The columns of ``endpoints.csv``: the figures of all trials at the horizon, which the names give.
    scenario : Scenario
        Its title, and what its replications are called.
    notes : sequence of str
        Further paragraphs at the bottom.
    """
    failed, dead = shares.by_name("reinfused"), shares.by_name("enrolled")
    if not failed and not any(np.max(share) > 0 for share in dead.values()):
        return empty_figure("No incidences to show: nobody is reinfused and nobody dies", scenario.title)
    years = shares.times("enrolled")
    horizon = scenario.follow_up.horizon_years
    at_end = {row.endpoint.name: row for row in rows(endpoints) if row.time == horizon}
    told = {name: _told(at_end.get(name), shares, name) for name in failed}
    height = _FOOT + _LOW + 0.42 + (_TALL + _GAP if failed else 0)
    said = [shares.note(scenario, ("reinfused", "enrolled")), *notes]
    page = sheet(_finding(told, shares, years[-1]), [scenario.title], said, _WIDTH, height)
    room = _WIDTH - _LEFT - _RIGHT
    lower = page.axes(_LEFT, _FOOT, room, _LOW)
    top = max(1.15 * float(sum(share[-1] for share in dead.values())), 0.01)
    _dress(lower, years[-1], top, "Deaths by cause, of the enrolled", "Years since enrolment")
    draw_areas(lower, years, [
        ShareLayer(area := look_of(CAUSES, name).area, f"{area.label} {shares.last('enrolled', name)}", share)
        for name, share in dead.items()
    ])  # fmt: skip
    if failed:
        upper = page.axes(_LEFT, _FOOT + _LOW + _GAP, room, _TALL)
        _dress(upper, years[-1], 1.0, "How remission ends, of the reinfused", "Years since reinfusion")
        draw_areas(upper, years, [
            ShareLayer(look := look_of(FAILURES, name), f"{look.label} {told[name]}", share)
            for name, share in failed.items()
        ])  # fmt: skip
    return page.figure


def _dress(axis: Axes, horizon: float, top: float, heading: str, below: str) -> None:
    axis.set_xlim(0, horizon)
    axis.set_ylim(0, top)
    axis.set_title(heading, loc="left", fontsize=NOTE_SIZE + 1, weight="bold", pad=5)
    axis.set_xlabel(below)
    percent_axis(axis, "y")


def _told(row: Row | None, shares: OverTime, name: str) -> str:
    """Write the figure of all trials; that of those drawn where there is none."""
    if row is None or math.isnan(row.estimate):
        return shares.last("reinfused", name)
    return row.simulated_text


def _finding(told: dict[str, str], shares: OverTime, horizon: float) -> str:
    dead = {name: share[-1] for name, share in shares.by_name("enrolled").items()}
    worst = max(dead, key=lambda name: float(dead[name]))
    killer = f"most deaths are of {look_of(CAUSES, worst).words}" if dead[worst] > 0 else "nobody dies"
    if not told:
        return f"Over {horizon:g} years, {killer}: {shares.last('enrolled', worst)} of the enrolled"
    relapse, death = told["relapse_incidence"], told["death_without_relapse"]
    return f"By {horizon:g} years {relapse} relapse and {death} die without relapse; {killer}"


def of_run(results: Results) -> Figure:
    """Draw the incidences of a run."""
    scenario, tables = scenario_of(results), results.tables
    shares = OverTime(tables["incidence"], results.manifest["counted"])
    return incidence_figure(shares, tables["endpoints"], scenario, cautions(scenario))
