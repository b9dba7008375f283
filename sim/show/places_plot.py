"""Where the patients are over time: day by day along the treatment, then year by year."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, MultipleLocator

from sim.clinic.states import Place
from sim.outcomes.one_trial import Patients
from sim.scenario.distributions import Floats
from sim.scenario.schema import DAYS_PER_YEAR
from sim.show.areas import Layer, draw_areas
from sim.show.formats import format_share
from sim.show.lane_drawing import PLACES, STATUSES, Look
from sim.show.lanes import ACTIVE, QUEUEING, RELAPSED, REMISSION
from sim.show.style import INK, NOTE_SIZE, percent_axis, sheet, styled
from sim.show.trial_data import DEAD, Shares, places, statuses, stays, table_of, times_to

_WIDTH, _LEFT, _RIGHT = 7.8, 0.8, 1.95
_TALL, _FOOT, _GAP = 2.5, 0.5, 0.75
_DEAD = Look("Dead", INK, 1.0)
_HOME = Look("Home", "#dfe1e4", 1.0)


def places_data(patients: Patients) -> pd.DataFrame:
    """Return what the figure draws: ``of, what, time_days, share``."""
    days, years = _times(patients)
    all_days = years * DAYS_PER_YEAR
    tables = [table_of(statuses(patients, all_days), all_days, "time_days", "disease")]
    if days is not None:
        tables.insert(0, table_of(places(patients, days), days, "time_days", "place"))
    return pd.concat(tables, ignore_index=True)


def _times(patients: Patients) -> tuple[Floats | None, Floats]:
    years = times_to(patients.scenario.follow_up.horizon_years)
    ways = [entered for place, entered, _ in stays(patients) if place == Place.HOME]
    home = ways[0][np.isfinite(ways[0])]
    if not home.size or home.max() == 0:
        return None, years
    days = float(np.clip(30 * math.ceil(float(np.quantile(home, 0.95)) / 30), 30, 180))
    return times_to(days, 361), years


@styled
def places_figure(patients: Patients, notes: Sequence[str] = ()) -> Figure:
    """Draw the shares of patients in each place by day, and with each disease status by year.

    Parameters
    ----------
    patients : Patients
        Of the first virtual trials.
    notes : sequence of str
        Further paragraphs at the bottom.
    """
    scenario = patients.scenario
    days, years = _times(patients)
    trials = len(np.unique(patients.rows["replication"]))
    of = f"the first {trials:,} virtual trials" if trials > 1 else "one virtual trial"
    size = f"{len(patients):,} patients of {of}"
    said = [f"The whole courses of {size}, nobody censored.", *notes]
    height = _FOOT + _TALL + 0.42 + (0 if days is None else _TALL + _GAP)
    disease = statuses(patients, years * DAYS_PER_YEAR)
    page = sheet(_finding(patients, disease, years[-1]), [scenario.title], said, _WIDTH, height)
    room = _WIDTH - _LEFT - _RIGHT
    lower = page.axes(_LEFT, _FOOT, room, _TALL)
    _dress(lower, float(years[-1]), "The disease, year by year", "Years since enrolment")
    lower.xaxis.set_major_locator(MaxNLocator(6, integer=years[-1] >= 2))
    draw_areas(lower, years, [
        Layer(STATUSES[REMISSION], f"In remission {_end(disease[REMISSION])}", disease[REMISSION]),
        Layer(STATUSES[RELAPSED], f"Relapsed {_end(disease[RELAPSED])}", disease[RELAPSED]),
        Layer(STATUSES[ACTIVE], f"Active {_end(disease[ACTIVE])}", disease[ACTIVE]),
        Layer(_DEAD, f"Dead {_end(disease[DEAD])}", disease[DEAD]),
    ])  # fmt: skip
    if days is not None:
        upper = page.axes(_LEFT, _FOOT + _TALL + _GAP, room, _TALL)
        _dress(upper, float(days[-1]), "The treatment, day by day", "Days since enrolment")
        upper.xaxis.set_major_locator(MultipleLocator(30 if days[-1] > 90 else 10))
        found = places(patients, days)
        draw_areas(upper, days, [_layer(place, found[place.value]) for place in Place] + [
            Layer(_DEAD, "Dead", found[DEAD])])  # fmt: skip
    return page.figure


def _layer(place: Place, share: Floats) -> Layer:
    look = PLACES[QUEUEING if place == Place.WAITING else place.value]
    label = "Waiting for a room" if place == Place.WAITING else look.label.capitalize()
    return Layer(_HOME if place == Place.HOME else look, label, share)


def _dress(axis: Axes, last: float, heading: str, below: str) -> None:
    axis.set_xlim(0, last)
    axis.set_ylim(0, 1)
    axis.set_title(heading, loc="left", fontsize=NOTE_SIZE + 1, weight="bold", pad=5)
    axis.set_xlabel(below)
    percent_axis(axis, "y")


def _end(share: Floats) -> str:
    return format_share(max(float(share[-1]), 0.0), 0.005)


def _finding(patients: Patients, disease: Shares, horizon: float) -> str:
    """Say when half of the patients are reinfused, and how many are in remission at the end."""
    if patients.scenario.cohort.enters_at == "home":
        return f"{_end(disease[ACTIVE])} are alive with active disease {horizon:g} years after enrolment"
    waits = (patients.reinfusion - patients.enrolled)[np.isfinite(patients.reinfusion)]
    text = f"{_end(disease[REMISSION])} are in remission {horizon:g} years after enrolment"
    if not waits.size:
        return text
    return f"Half of those reinfused get there by day {np.median(waits):.0f}; {text}"
