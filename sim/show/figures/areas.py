"""Stacked areas over time: what ends remission, what kills, and where the patients are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, MultipleLocator

from sim.clinic.states import Place
from sim.outcomes.courses import ARRIVED, REMISSION, Of
from sim.scenario.distributions import Floats
from sim.scenario.schema import DAYS_PER_YEAR, Scenario
from sim.show.kit.formats import format_share, rows
from sim.show.kit.looks import AREAS, CAUSES, FAILURES, Look, look_of
from sim.show.kit.prose import one_sentence
from sim.show.kit.scenario_words import cautions, replication
from sim.show.kit.style import INK, NOTE_SIZE, aside, empty_figure, percent_axis, sheet, spread, styled
from sim.work.results import Results

_WIDTH, _LEFT, _RIGHT = 7.8, 0.8, 1.95
_FOOT, _GAP, _HEAD = 0.5, 0.75, 0.42
_DEATHS_TALL, _FAILURES_TALL, _PLACES_TALL = 1.9, 2.7, 2.5
_ROOM = _WIDTH - _LEFT - _RIGHT
_MONTH = 30.0
_SHOWN = 5e-4
"""Shares that stay below are not drawn."""
_SWATCH = 0.1
"""Inches."""


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
    looks = {name: cause.area for name, cause in CAUSES.items()}
    draw_areas(axis, years, _layers(looks, dead, {name: shares.last("enrolled", name) for name in dead}))


def _layers(
    looks: Mapping[str, Look], found: Mapping[str, Floats], told: Mapping[str, str]
) -> list[ShareLayer]:
    """Return areas with what is told of each at its end."""
    named = {name: look_of(looks, name) for name in found}
    return [
        ShareLayer(look, f"{look.label} {told.get(name, '')}".rstrip(), found[name])
        for name, look in named.items()
    ]


def draw_failures(axis: Axes, shares: OverTime, endpoints: pd.DataFrame) -> None:
    """Draw how remission ends into axes, of ``figures/incidence.csv``, with the figures of all trials."""
    years, told = shares.times("reinfused"), _told(shares, endpoints)
    _dress(axis, years[-1], 1.0, "How remission ends, of the reinfused", "Years since reinfusion")
    draw_areas(axis, years, _layers(FAILURES, shares.by_name("reinfused"), told))


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
    found = shares.by_name("disease")
    draw_areas(axis, years, _layers(AREAS, found, {name: shares.last("disease", name) for name in found}))


def draw_treatment(axis: Axes, shares: OverTime) -> None:
    """Draw the treatment day by day into axes, of ``figures/places.csv``; nothing where all are at home."""
    until, days = _last_day(shares), shares.times("place")
    if until is None:
        return
    _dress(axis, until, 1.0, "The treatment, day by day", "Days since enrolment")
    axis.xaxis.set_major_locator(MultipleLocator(30 if until > 90 else 10))
    shown = days <= until
    found = {name: share[shown] for name, share in shares.by_name("place").items()}
    draw_areas(axis, days[shown], _layers(AREAS, found, {}))


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
    killer = look_of(CAUSES, worst).words if dead[worst] > 0 else ""
    of_reinfused = told.get("relapse_incidence"), told.get("death_without_relapse")
    share = shares.last("enrolled", worst)
    return one_sentence("figures", "incidence_found", f"{horizon:g}", *of_reinfused, killer, share)


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
    share = shares.last("disease", REMISSION)
    days, arrived = shares.times("way"), shares.by_name("way").get(ARRIVED)
    day, late = None, False
    if arrived is not None:
        late = arrived[-1] < 0.5
        day = days[-1] if late else float(np.interp(0.5, arrived, days))
    return one_sentence("figures", "places_found", share, f"{horizon:g}", day, late)


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


@dataclass(frozen=True, slots=True)
class ShareLayer:
    """One area: how it looks, what it is called at its end, and its share at each time."""

    look: Look
    label: str
    share: Floats

    @property
    def visible(self) -> bool:
        """Whether it is ever large enough to be drawn."""
        return bool(np.max(self.share, initial=0.0) > _SHOWN)


def draw_areas(axis: Axes, times: Floats, layers: Sequence[ShareLayer]) -> None:
    """Stack the layers from the bottom, parted by white lines, and name them at the right.

    The axis has its limits already. A layer that is there no more at the right end is named there too, for
    it was there before.
    """
    shown = [layer for layer in layers if layer.visible]
    below = np.zeros(len(times))
    for layer in shown:
        above = below + np.maximum(layer.share, 0.0)
        hatched: dict[str, Any] = (
            {"hatch": layer.look.hatch, "edgecolor": INK} if layer.look.hatch else {"edgecolor": "none"}
        )
        axis.fill_between(times, below, above, facecolor=layer.look.colour, lw=0.0, **hatched)
        axis.plot(times, above, color="white", lw=0.6)
        below = above
    _name(axis, shown)


def _name(axis: Axes, shown: Sequence[ShareLayer]) -> None:
    """Write the names beside the axis, each with a swatch, near the areas' right ends."""
    low, high = axis.get_ylim()
    ends = np.cumsum([0.0, *(max(float(layer.share[-1]), 0.0) for layer in shown)])
    middles = [((a + b) / 2 - low) / (high - low) for a, b in pairwise(ends)]
    box = axis.get_window_extent()
    width, height = (length / axis.figure.dpi for length in (box.width, box.height))
    lines = [label.count("\n") + 1 for label in (layer.label for layer in shown)]
    line = 1.3 * NOTE_SIZE / 72 / height
    gap = line * max(lines, default=1) + 0.25 * line
    for layer, y in zip(shown, spread(middles, gap, 0.4 * gap, 1 - 0.4 * gap), strict=True):
        side = _SWATCH / width, _SWATCH / height
        edge: dict[str, Any] = (
            {"edgecolor": INK, "hatch": layer.look.hatch} if layer.look.hatch else {"edgecolor": "#8a8d92"}
        )
        swatch = Rectangle((1 + 0.08 / width, y - side[1] / 2), *side, facecolor=layer.look.colour, lw=0.5,
                           transform=axis.transAxes, clip_on=False, **edge)  # fmt: skip
        axis.add_patch(swatch)
        aside(axis, layer.label, (1, y), (17, 0), size=NOTE_SIZE, linespacing=1.25, va="center")


@dataclass(frozen=True, slots=True)
class OverTime:
    """Shares of patients over time, as the tables of a folder have them.

    Attributes
    ----------
    table : DataFrame
        ``of, what``, a time, ``share, mc_lower, mc_upper``.
    counted : Mapping
        From `sim.study.records.counted`: how many stand behind them.
    """

    table: pd.DataFrame
    counted: Mapping[str, Any]

    def of(self, of: Of) -> pd.DataFrame:
        """Return the rows of one denominator."""
        return self.table[self.table["of"] == of]

    def by_name(self, of: Of) -> dict[str, Floats]:
        """Return the shares of one denominator over time; none where there is nobody."""
        found = self.of(of).groupby("what", sort=False)["share"]
        return {str(what): share.to_numpy() for what, share in found if share.notna().all()}

    def times(self, of: Of) -> Floats:
        """Return the times of one denominator's shares, in the table's unit."""
        name = "time_years" if "time_years" in self.table else "time_days"
        return np.unique(self.of(of)[name].to_numpy())

    def last(self, of: Of, what: str) -> str:
        """Write the last share with the digits that its Monte Carlo error allows."""
        rows = self.of(of)
        row = rows[rows["what"] == what].iloc[-1]
        return format_share(float(row["share"]), float(row["mc_upper"] - row["mc_lower"]) / 2)

    def note(self, scenario: Scenario, drawn: Sequence[Of]) -> str:
        """Say how many stand behind areas, and how large their Monte Carlo error is."""
        counted = self.counted
        widths = [(rows["mc_upper"] - rows["mc_lower"]).max() / 2 for rows in map(self.of, drawn)]
        return one_sentence(
            "figures", "areas_of", counted["patients"], counted["replications"], replication(scenario),
            counted["draws"], 100 * max(widths),
        )  # fmt: skip
