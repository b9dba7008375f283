"""Rooms and apheresis slots in use, and who queues for them, over the life of a clinic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from sim.outcomes.endpoints import open_days
from sim.outcomes.occupancy import READ_REPLICATIONS
from sim.scenario.capacities import LAST_DAY, Timetable
from sim.scenario.schema import DAYS_PER_YEAR, Scenario
from sim.show.kit.forest import draw_key
from sim.show.kit.formats import format_share
from sim.show.kit.prose import one_sentence, sentences
from sim.show.kit.scenario_words import single_notes
from sim.show.kit.style import BLUE, GREY, INK, NOTE_SIZE, ORANGE, Sheet, empty_figure, sheet, styled
from sim.work.results import Results

_WIDTH, _LEFT, _RIGHT = 7.8, 0.72, 0.3
_KEY, _FOOT, _GAP = 0.3, 0.5, 0.42
_WARM_UP = "#ececef"
_SMOOTHED = 9
"""Days read whose median is drawn as the range."""
_PANELS = {
    "rooms_in_use": ("Isolation rooms in use, cleaning included", 1.45, BLUE),
    "room_queue": ("Patients queueing for a room", 1.45, ORANGE),
    "slots_in_use": ("Apheresis slots in use", 0.95, BLUE),
    "slot_queue": ("Patients queueing for apheresis", 0.95, ORANGE),
}


@styled
def occupancy_figure(
    table: pd.DataFrame, first: pd.DataFrame, counted: Mapping[str, Any], scenario: Scenario,
    notes: Sequence[str] = (),
) -> Figure:  # fmt: skip
    """Draw what is limited, over time: mean, range over virtual clinics, and one clinic's own course.

    Parameters
    ----------
    table, first : DataFrame
        ``occupancy.csv`` and ``figures/rooms.csv``: all clinics, and the first of them.
    counted : Mapping
        From `sim.study.records.counted`: the averages, and how many clinics they are of.
    scenario : Scenario
        Its capacities are drawn, and its warm-up is shaded.
    notes : sequence of str
        Further paragraphs at the bottom.
    """
    capacities = _capacities(scenario)
    shown = {name: panel for name, panel in _PANELS.items() if name in capacities}
    if not shown:
        return empty_figure("Nobody queues: rooms and slots are unlimited", scenario.title)
    height = _KEY + sum(tall for _, tall, _ in shown.values()) + _GAP * len(shown) + _FOOT - 0.1
    (opened, _), scarcest = open_days(scenario), _scarcest(scenario)
    page = sheet(
        _finding(counted["mean"], scarcest), [scenario.title],
        [*_notes(counted, opened, scarcest), *notes], _WIDTH, height,
    )  # fmt: skip
    bottom = height - _KEY
    for name, (heading, tall, colour) in shown.items():
        bottom -= tall + _GAP
        axis = page.axes(_LEFT, bottom + 0.1, _WIDTH - _LEFT - _RIGHT, tall)
        series = table[table["series"] == name]
        _draw(axis, series, first[first["series"] == name], colour, opened)
        _dress(axis, heading, capacities[name], top=max(series["trial_upper"].max(), 1.0))
        axis.tick_params(labelbottom=name == list(shown)[-1])
    axis.set_xlabel("Years since opening")
    _key(page, warm_up=opened > 0)
    return page.figure


def _capacities(scenario: Scenario) -> dict[str, Timetable | None]:
    """Return the series of limited stations, with how many places there are where there are any."""
    clinic = scenario.clinic
    found: dict[str, Timetable | None] = {}
    if clinic.isolation_rooms != "unlimited":
        found.update(rooms_in_use=Timetable.of(clinic.isolation_rooms), room_queue=None)
    if clinic.apheresis_slots != "unlimited":
        found.update(slots_in_use=Timetable.of(clinic.apheresis_slots), slot_queue=None)
    return found


def _draw(axis: Axes, series: pd.DataFrame, first: pd.DataFrame, colour: str, opened: float) -> None:
    years = series["time_days"] / DAYS_PER_YEAR
    if opened > 0:
        axis.axvspan(0, opened / DAYS_PER_YEAR, color=_WARM_UP, lw=0, zorder=0)
    # The range is of whole numbers, which flicker between two of them from day to day.
    lower, upper = (
        series[name].rolling(_SMOOTHED, center=True, min_periods=1).median()
        for name in ("trial_lower", "trial_upper")
    )
    axis.fill_between(years, lower, upper, step="post", color=colour, alpha=0.22, lw=0)
    axis.step(first["time_days"] / DAYS_PER_YEAR, first["number"], where="post", color=INK, lw=0.4, alpha=0.7)
    axis.plot(years, series["mean"], color="white", lw=3.6)
    axis.plot(years, series["mean"], color=colour, lw=2.2)
    axis.set_xlim(0, float(years.iloc[-1]))


def _dress(axis: Axes, heading: str, places: Timetable | None, top: float) -> None:
    axis.set_title(heading, loc="left", fontsize=NOTE_SIZE + 1, weight="bold", pad=4)
    if places is not None:
        look: Any = {"color": INK, "lw": 1.2, "ls": (0, (5, 3)), "zorder": 4}
        if places.changes:
            years = [day / DAYS_PER_YEAR for day in (*places.days, places.days[-1] + LAST_DAY)]
            axis.step(years, (*places.counts, places.counts[-1]), where="post", **look)
        else:
            axis.axhline(places.most, **look)
    axis.set_ylim(0, 1.12 * max(top, places.most if places else 0, axis.dataLim.y1))
    axis.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axis.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    axis.grid(axis="y")


def _key(page: Sheet, *, warm_up: bool) -> None:
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=GREY, lw=2.2, label="mean"),
        Patch(color=GREY, alpha=0.25, lw=0, label="95% of virtual clinics"),
        Line2D([], [], color=INK, lw=0.7, label="one of them"),
        Line2D([], [], color=INK, lw=1.2, ls=(0, (5, 3)), label="capacity"),
    ]
    handles += [Patch(color=_WARM_UP, lw=0, label="warm-up, not counted")] if warm_up else []
    place = (_LEFT, page.height - _KEY + 0.02, _WIDTH - _LEFT - _RIGHT, 0.22)
    draw_key(page, handles, *place, fontsize=NOTE_SIZE, handlelength=1.6, columnspacing=1.2)


class _Scarcest(NamedTuple):
    """The series of the rooms and their queue, or of the slots where rooms are unlimited; how many there are.

    ``number`` is the mean while the clinic counts as open.
    """

    used: str
    queue: str
    places: Timetable
    number: float


def _scarcest(scenario: Scenario) -> _Scarcest:
    clinic = scenario.clinic
    rooms = clinic.isolation_rooms != "unlimited"
    places = Timetable.of(clinic.isolation_rooms if rooms else clinic.apheresis_slots)
    names = ("rooms_in_use", "room_queue") if rooms else ("slots_in_use", "slot_queue")
    return _Scarcest(*names, places, places.mean(*open_days(scenario)) or math.nan)


def _finding(mean: Mapping[str, Any], scarcest: _Scarcest) -> str:
    """Say how full the scarcest place is, and how many queue for it."""
    used, queue, places, number = scarcest
    (held, _), (waiting, _) = mean[used], mean[queue]
    use = None if held is None else format_share(held / number, 0.005)
    many = "" if waiting is None else f"{waiting:.2g}" if waiting < 10 else f"{waiting:.0f}"
    return one_sentence("figures", "occupancy_found", used == "rooms_in_use", places.text, use, many)


def _notes(counted: Mapping[str, Any], opened: float, scarcest: _Scarcest) -> list[str]:
    total, (used, queue, _, number) = counted["clinics"], scarcest
    errors = [counted["mean"][name][1] for name in (used, queue)]
    known = None not in errors
    use, queueing = (f"{100 * errors[0] / number:.1g}", f"{errors[1]:.1g}") if known else ("", "")
    first = total == READ_REPLICATIONS
    return sentences("figures", "occupancy", total, first, opened > 0, use, queueing, _SMOOTHED)


def of_run(results: Results) -> Figure:
    """Draw how full the clinic of a run is."""
    scenario, tables = results.scenario, results.tables
    counted, notes = results.manifest["counted"], single_notes(scenario, drawn=bool(results.draws))
    return occupancy_figure(tables["occupancy"], tables["rooms"], counted, scenario, notes)
