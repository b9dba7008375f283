"""What ends remission and what kills, as stacked incidences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.clinic.states import Cause
from sim.outcomes.courses import FREE
from sim.outcomes.one_trial import FAILURES
from sim.scenario.distributions import Floats
from sim.scenario.schema import Scenario
from sim.show.kit.areas import Layer, OverTime, draw_areas
from sim.show.kit.formats import Row, rows
from sim.show.kit.lane_drawing import Look
from sim.show.kit.lanes import CAUSE_WORDS
from sim.show.kit.plot import scenario_of
from sim.show.kit.scenario_words import cautions
from sim.show.kit.style import BLUE, NOTE_SIZE, ORANGE, empty_figure, percent_axis, sheet, styled
from sim.work.results import Results

_WIDTH, _LEFT, _RIGHT = 7.8, 0.8, 1.95
_TALL, _LOW, _FOOT, _GAP = 2.7, 1.9, 0.5, 0.75
_FAILURES = {
    "relapse_incidence": Look("Relapse", ORANGE, 1.0),
    "no_response": Look("No response", "#c9ccd1", 1.0, "////"),
    "death_without_relapse": Look("Death without relapse", BLUE, 1.0),
    FREE: Look("Alive, disease-free", "#e3ecf5", 1.0),
}
_CAUSES = {
    Cause.INFECTION: Look("infection", BLUE, 1.0),
    Cause.TOXICITY: Look("toxicity", "#c9ccd1", 1.0, "////"),
    Cause.LUPUS: Look("lupus", ORANGE, 1.0),
    Cause.BACKGROUND: Look("other causes", "#9dbfdf", 1.0),
}


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
    draw_areas(lower, years, [_cause(cause, shares, dead) for cause in _CAUSES])
    if failed:
        upper = page.axes(_LEFT, _FOOT + _LOW + _GAP, room, _TALL)
        _dress(upper, years[-1], 1.0, "How remission ends, of the reinfused", "Years since reinfusion")
        draw_areas(
            upper,
            years,
            [Layer(look, f"{look.label} {told[name]}", failed[name]) for name, look in _FAILURES.items()],
        )
    return page.figure


def _cause(cause: Cause, shares: OverTime, dead: Mapping[str, Floats]) -> Layer:
    name = cause.name.lower()
    label = f"{CAUSE_WORDS[cause].capitalize()} {shares.last('enrolled', name)}"
    return Layer(_CAUSES[cause], label, dead[name])


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
    killer = f"most deaths are of {CAUSE_WORDS[Cause[worst.upper()]]}" if dead[worst] > 0 else "nobody dies"
    if not told:
        return f"Over {horizon:g} years, {killer}: {shares.last('enrolled', worst)} of the enrolled"
    relapse, death = told[FAILURES[0]], told[FAILURES[2]]
    return f"By {horizon:g} years {relapse} relapse and {death} die without relapse; {killer}"


def of_run(results: Results) -> Figure:
    """Draw the incidences of a run."""
    scenario, tables = scenario_of(results), results.tables
    shares = OverTime(tables["incidence"], results.manifest["counted"])
    return incidence_figure(shares, tables["endpoints"], scenario, cautions(scenario))
