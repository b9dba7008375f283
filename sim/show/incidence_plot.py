"""What ends remission and what kills, as stacked incidences."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.clinic.states import Cause
from sim.outcomes.one_trial import FAILURES, Patients
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME
from sim.show.areas import Layer, draw_areas
from sim.show.formats import Row, format_share, rows
from sim.show.lane_drawing import Look
from sim.show.lanes import CAUSE_WORDS
from sim.show.style import BLUE, NOTE_SIZE, ORANGE, empty_figure, percent_axis, sheet, styled
from sim.show.trial_data import Shares, deaths_by_cause, failures, table_of, times_to

_WIDTH, _LEFT, _RIGHT = 7.8, 0.8, 1.95
_TALL, _LOW, _FOOT, _GAP = 2.7, 1.9, 0.5, 0.75
_FREE = "disease_free_survival"
_FAILURES = {
    "relapse_incidence": Look("Relapse", ORANGE, 1.0),
    "no_response": Look("No response", "#c9ccd1", 1.0, "////"),
    "death_without_relapse": Look("Death without relapse", BLUE, 1.0),
    _FREE: Look("Alive, disease-free", "#e3ecf5", 1.0),
}
_CAUSES = {
    Cause.INFECTION: Look("infection", BLUE, 1.0),
    Cause.TOXICITY: Look("toxicity", "#c9ccd1", 1.0, "////"),
    Cause.LUPUS: Look("lupus", ORANGE, 1.0),
    Cause.BACKGROUND: Look("other causes", "#9dbfdf", 1.0),
}


def incidence_data(patients: Patients) -> pd.DataFrame:
    """Return what the figure draws: ``of, what, time_years, share``."""
    years, failed, dead = _shares(patients)
    tables = [table_of(dead, years, "time_years", "enrolled")]
    if failed is not None:
        tables.insert(0, table_of(failed, years, "time_years", "reinfused"))
    return pd.concat(tables, ignore_index=True)


def _shares(patients: Patients) -> tuple[Floats, Shares | None, Shares]:
    years = times_to(patients.scenario.follow_up.horizon_years)
    failed = failures(patients, years) if np.isfinite(patients.reinfusion).any() else None
    return years, failed, deaths_by_cause(patients, years)


@styled
def incidence_figure(patients: Patients, endpoints: pd.DataFrame, notes: Sequence[str] = ()) -> Figure:
    """Draw how remission ends, since reinfusion, and of what patients die, since enrolment.

    Parameters
    ----------
    patients : Patients
        Of the first virtual trials, whose courses the areas show.
    endpoints : DataFrame
        The columns of ``endpoints.csv``: the figures of all trials at the horizon, which the names give.
    notes : sequence of str
        Further paragraphs at the bottom.
    """
    scenario = patients.scenario
    years, failed, dead = _shares(patients)
    if failed is None and not any(np.max(share) > 0 for share in dead.values()):
        return empty_figure("No incidences to show: nobody is reinfused and nobody dies", scenario.title)
    at_end = {row.endpoint.name: row for row in rows(endpoints) if row.time == years[-1]}
    height = _FOOT + _LOW + 0.42 + (0 if failed is None else _TALL + _GAP)
    trials = len(np.unique(patients.rows["replication"]))
    said = [_note(patients, trials), *notes]
    page = sheet(_finding(failed, dead, at_end, years[-1]), [scenario.title], said, _WIDTH, height)
    room = _WIDTH - _LEFT - _RIGHT
    lower = page.axes(_LEFT, _FOOT, room, _LOW)
    top = max(1.15 * float(sum(share[-1] for share in dead.values())), 0.01)
    _dress(lower, years[-1], top, "Deaths by cause, of the enrolled", "Years since enrolment")
    layers = []
    for cause, look in _CAUSES.items():
        share = dead[cause.name.lower()]
        layers.append(Layer(look, f"{CAUSE_WORDS[cause].capitalize()} {_end(share)}", share))
    draw_areas(lower, years, layers)
    if failed is not None:
        upper = page.axes(_LEFT, _FOOT + _LOW + _GAP, room, _TALL)
        _dress(upper, years[-1], 1.0, "How remission ends, of the reinfused", "Years since reinfusion")
        draw_areas(
            upper,
            years,
            [Layer(look, f"{look.label} {_told(at_end.get(name), failed[name])}", failed[name])
             for name, look in _FAILURES.items()],
        )  # fmt: skip
    return page.figure


def _dress(axis: Axes, horizon: float, top: float, heading: str, below: str) -> None:
    axis.set_xlim(0, horizon)
    axis.set_ylim(0, top)
    axis.set_title(heading, loc="left", fontsize=NOTE_SIZE + 1, weight="bold", pad=5)
    axis.set_xlabel(below)
    percent_axis(axis, "y")


def _end(share: Floats) -> str:
    """Write the last share with the digits that so many patients allow."""
    return format_share(float(share[-1]), 0.005)


def _told(row: Row | None, share: Floats) -> str:
    """Write the figure of all trials; that of those drawn where there is none."""
    return _end(share) if row is None or math.isnan(row.estimate) else row.simulated_text


def _finding(failed: Shares | None, dead: Shares, at_end: dict[str, Row], horizon: float) -> str:
    worst = max(dead, key=lambda name: float(dead[name][-1]))
    cause = CAUSE_WORDS[Cause[worst.upper()]]
    killer = f"most deaths are of {cause}"
    if not any(share[-1] > 0 for share in dead.values()):
        killer = "nobody dies"
    if failed is None:
        return f"Over {horizon:g} years, {killer}: {_end(dead[worst])} of the enrolled"
    parts = [
        f"{_told(at_end.get(name), failed[name])} "
        f"{BY_NAME[name].label.lower() if name != FAILURES[0] else 'relapse'}"
        for name in (FAILURES[0], FAILURES[2])
    ]
    relapse, death = parts[0], parts[1].replace("death", "die")
    return f"By {horizon:g} years {relapse} and {death}; {killer}"


def _note(patients: Patients, trials: int) -> str:
    size = (
        f"{len(patients):,} patients of the first {trials:,} virtual trials"
        if trials > 1
        else "one virtual trial"
    )
    return (
        f"Areas: the whole courses of the {size}, nobody censored. The shares named beside the upper panel "
        "are those of all trials."
    )
