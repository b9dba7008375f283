"""Where the patients are over time: day by day along the treatment, then year by year."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, MultipleLocator

from sim.clinic.states import Place
from sim.outcomes.courses import ARRIVED, REMISSION
from sim.scenario.schema import DAYS_PER_YEAR, Scenario
from sim.show.kit.areas import OverTime, ShareLayer, draw_areas
from sim.show.kit.looks import AREAS, look_of
from sim.show.kit.plot import scenario_of
from sim.show.kit.scenario_words import cautions
from sim.show.kit.style import NOTE_SIZE, percent_axis, sheet, styled
from sim.work.results import Results

_WIDTH, _LEFT, _RIGHT = 7.8, 0.8, 1.95
_TALL, _FOOT, _GAP = 2.5, 0.5, 0.75
_MONTH = 30.0


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
    until = _last_day(shares)
    said = [shares.note(scenario, ("place", "disease")), *notes]
    height = _FOOT + _TALL + 0.42 + (0 if until is None else _TALL + _GAP)
    years = shares.times("disease") / DAYS_PER_YEAR
    page = sheet(_finding(shares, years[-1]), [scenario.title], said, _WIDTH, height)
    room = _WIDTH - _LEFT - _RIGHT
    lower = page.axes(_LEFT, _FOOT, room, _TALL)
    _dress(lower, float(years[-1]), "The disease, year by year", "Years since enrolment")
    lower.xaxis.set_major_locator(MaxNLocator(6, integer=years[-1] >= 2))
    draw_areas(lower, years, [
        ShareLayer(look := look_of(AREAS, name), f"{look.label} {shares.last('disease', name)}", share)
        for name, share in shares.by_name("disease").items()
    ])  # fmt: skip
    if until is not None:
        upper = page.axes(_LEFT, _FOOT + _TALL + _GAP, room, _TALL)
        _dress(upper, until, "The treatment, day by day", "Days since enrolment")
        upper.xaxis.set_major_locator(MultipleLocator(30 if until > 90 else 10))
        days = shares.times("place")
        shown = days <= until
        draw_areas(upper, days[shown], [
            ShareLayer(look := look_of(AREAS, name), look.label, share[shown])
            for name, share in shares.by_name("place").items()
        ])  # fmt: skip
    return page.figure


def _dress(axis: Axes, last: float, heading: str, below: str) -> None:
    axis.set_xlim(0, last)
    axis.set_ylim(0, 1)
    axis.set_title(heading, loc="left", fontsize=NOTE_SIZE + 1, weight="bold", pad=5)
    axis.set_xlabel(below)
    percent_axis(axis, "y")


def _finding(shares: OverTime, horizon: float) -> str:
    """Say when half of the patients are reinfused, and how many are in remission at the end."""
    text = f"{shares.last('disease', REMISSION)} are in remission {horizon:g} years after enrolment"
    days, arrived = shares.times("way"), shares.by_name("way").get(ARRIVED)
    if arrived is None:
        return text
    late = arrived[-1] < 0.5
    when = f"after day {days[-1]:.0f}" if late else f"by day {float(np.interp(0.5, arrived, days)):.0f}"
    return f"Half of those reinfused get there {when}; {text}"


def of_run(results: Results) -> Figure:
    """Draw where the patients of a run are."""
    scenario = scenario_of(results)
    shares = OverTime(results.tables["places"], results.manifest["counted"])
    return places_figure(shares, scenario, cautions(scenario))
