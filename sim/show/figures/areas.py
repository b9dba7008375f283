"""Stacked areas over time: what ends remission, what kills, and where the patients are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, MultipleLocator

from sim.clinic.states import Place
from sim.outcomes.courses import ARRIVED, REMISSION
from sim.scenario.schema import DAYS_PER_YEAR, Scenario
from sim.show.kit.areas import OverTime, ShareLayer, draw_areas
from sim.show.kit.formats import rows
from sim.show.kit.looks import AREAS, CAUSES, FAILURES, look_of
from sim.show.kit.scenario_words import cautions
from sim.show.kit.style import NOTE_SIZE, empty_figure, percent_axis, sheet, styled
from sim.work.results import Results

_WIDTH, _LEFT, _RIGHT = 7.8, 0.8, 1.95
_FOOT, _GAP, _HEAD = 0.5, 0.75, 0.42
_DEATHS_TALL, _FAILURES_TALL, _PLACES_TALL = 1.9, 2.7, 2.5
_ROOM = _WIDTH - _LEFT - _RIGHT
_MONTH = 30.0


def _dress(axis: Axes, last: float, top: float, heading: str, below: str) -> None:
    axis.set_xlim(0, last)
    axis.set_ylim(0, top)
    axis.set_title(heading, loc="left", fontsize=NOTE_SIZE + 1, weight="bold", pad=5)
    axis.set_xlabel(below)
    percent_axis(axis, "y")


def draw_deaths(axis: Axes, shares: OverTime) -> None:
    """Draw deaths by cause into axes, of ``figures/incidence.csv``."""
    years, dead = shares.times("enrolled"), shares.by_name("enrolled")
    top = max(1.15 * float(sum(share[-1] for share in dead.values())), 0.01)
    _dress(axis, years[-1], top, "Deaths by cause, of the enrolled", "Years since enrolment")
    draw_areas(axis, years, [
        ShareLayer(area := look_of(CAUSES, name).area, f"{area.label} {shares.last('enrolled', name)}", share)
        for name, share in dead.items()
    ])  # fmt: skip


def draw_failures(axis: Axes, shares: OverTime, endpoints: pd.DataFrame) -> None:
    """Draw how remission ends into axes, of ``figures/incidence.csv``, with the figures of all trials."""
    years, told = shares.times("reinfused"), _told(shares, endpoints)
    _dress(axis, years[-1], 1.0, "How remission ends, of the reinfused", "Years since reinfusion")
    draw_areas(axis, years, [
        ShareLayer(look := look_of(FAILURES, name), f"{look.label} {told[name]}", share)
        for name, share in shares.by_name("reinfused").items()
    ])  # fmt: skip


def _told(shares: OverTime, endpoints: pd.DataFrame) -> dict[str, str]:
    """Write how remission ends by the horizon: in all trials, else in those drawn."""
    horizon = float(shares.times("enrolled")[-1])
    read = [row for row in rows(endpoints) if row.time is not None and not math.isnan(row.estimate)]
    known = [row for row in read if math.isclose(row.time or 0.0, horizon)]
    at_end = {row.endpoint.name: row.simulated_text for row in known}
    return {name: at_end.get(name) or shares.last("reinfused", name) for name in shares.by_name("reinfused")}


def draw_disease(axis: Axes, shares: OverTime) -> None:
    """Draw the disease year by year into axes, of ``figures/places.csv``."""
    years = shares.times("disease") / DAYS_PER_YEAR
    _dress(axis, float(years[-1]), 1.0, "The disease, year by year", "Years since enrolment")
    axis.xaxis.set_major_locator(MaxNLocator(6, integer=years[-1] >= 2))
    draw_areas(axis, years, [
        ShareLayer(look := look_of(AREAS, name), f"{look.label} {shares.last('disease', name)}", share)
        for name, share in shares.by_name("disease").items()
    ])  # fmt: skip


def draw_treatment(axis: Axes, shares: OverTime) -> None:
    """Draw the treatment day by day into axes, of ``figures/places.csv``; nothing where all are at home."""
    until, days = _last_day(shares), shares.times("place")
    if until is None:
        return
    _dress(axis, until, 1.0, "The treatment, day by day", "Days since enrolment")
    axis.xaxis.set_major_locator(MultipleLocator(30 if until > 90 else 10))
    shown = days <= until
    draw_areas(axis, days[shown], [
        ShareLayer(look := look_of(AREAS, name), look.label, share[shown])
        for name, share in shares.by_name("place").items()
    ])  # fmt: skip


def _last_day(shares: OverTime) -> float | None:
    """Return up to which day treatment is drawn: most are home by then; None where all begin there."""
    days, home = shares.times("place"), shares.by_name("place").get(Place.HOME.value)
    if home is None or home[0] == 1:
        return None
    ends = np.arange(_MONTH, days[-1], _MONTH)
    at_home = np.interp(ends, days, home)
    # Those who will be home half a year after enrolment, less one in twenty.
    late = ends[at_home >= 0.95 * home[-1]]
    return float(late[0]) if late.size else float(days[-1])


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
    years, told = shares.times("enrolled"), _told(shares, endpoints)
    height = _FOOT + _DEATHS_TALL + _HEAD + (_FAILURES_TALL + _GAP if failed else 0)
    said = [shares.note(scenario, ("reinfused", "enrolled")), *notes]
    page = sheet(_incidence_finding(told, shares, years[-1]), [scenario.title], said, _WIDTH, height)
    draw_deaths(page.axes(_LEFT, _FOOT, _ROOM, _DEATHS_TALL), shares)
    if failed:
        upper = page.axes(_LEFT, _FOOT + _DEATHS_TALL + _GAP, _ROOM, _FAILURES_TALL)
        draw_failures(upper, shares, endpoints)
    return page.figure


def _incidence_finding(told: dict[str, str], shares: OverTime, horizon: float) -> str:
    dead = {name: share[-1] for name, share in shares.by_name("enrolled").items()}
    worst = max(dead, key=lambda name: float(dead[name]))
    killer = f"most deaths are of {look_of(CAUSES, worst).words}" if dead[worst] > 0 else "nobody dies"
    if not told:
        return f"Over {horizon:g} years, {killer}: {shares.last('enrolled', worst)} of the enrolled"
    relapse, death = told["relapse_incidence"], told["death_without_relapse"]
    return f"By {horizon:g} years {relapse} relapse and {death} die without relapse; {killer}"


@styled
def places_figure(shares: OverTime, scenario: Scenario, notes: Sequence[str] = ()) -> Figure:
    """Draw the shares of patients in each place by day, and with each disease status by year.

    Parameters
    ----------
    shares : OverTime
        ``figures/places.csv``, of the first virtual trials.
    scenario : Scenario
        Its title, and what its replications are called.
    notes : sequence of str
        Further paragraphs at the bottom.
    """
    treated = _last_day(shares) is not None
    said = [shares.note(scenario, ("place", "disease")), *notes]
    height = _FOOT + _PLACES_TALL + _HEAD + (_PLACES_TALL + _GAP if treated else 0)
    years = float(shares.times("disease")[-1] / DAYS_PER_YEAR)
    page = sheet(_places_finding(shares, years), [scenario.title], said, _WIDTH, height)
    draw_disease(page.axes(_LEFT, _FOOT, _ROOM, _PLACES_TALL), shares)
    if treated:
        draw_treatment(page.axes(_LEFT, _FOOT + _PLACES_TALL + _GAP, _ROOM, _PLACES_TALL), shares)
    return page.figure


def _places_finding(shares: OverTime, horizon: float) -> str:
    """Say when half of the patients are reinfused, and how many are in remission at the end."""
    text = f"{shares.last('disease', REMISSION)} are in remission {horizon:g} years after enrolment"
    days, arrived = shares.times("way"), shares.by_name("way").get(ARRIVED)
    if arrived is None:
        return text
    late = arrived[-1] < 0.5
    when = f"after day {days[-1]:.0f}" if late else f"by day {float(np.interp(0.5, arrived, days)):.0f}"
    return f"Half of those reinfused get there {when}; {text}"


def over_time(results: Results, name: str) -> OverTime:
    """Return one of a run's tables of shares over time."""
    return OverTime(results.tables[name], results.manifest["counted"])


def incidence(results: Results) -> Figure:
    """Draw the incidences of a run."""
    scenario, shares = results.scenario, over_time(results, "incidence")
    return incidence_figure(shares, results.tables["endpoints"], scenario, cautions(scenario))


def places(results: Results) -> Figure:
    """Draw where the patients of a run are."""
    scenario = results.scenario
    return places_figure(over_time(results, "places"), scenario, cautions(scenario))
