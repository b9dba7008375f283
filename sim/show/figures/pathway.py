"""The pathway as a diagram, drawn from the registry of places."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from sim.clinic.states import ENTRANCES, MOVES, RESOURCES, Place
from sim.outcomes.one_trial import Patients
from sim.scenario.capacities import capacity_text
from sim.scenario.schema import Scenario
from sim.show.kit.formats import format_share
from sim.show.kit.posterior_words import FIRST_DRAW
from sim.show.kit.prose import one_sentence, sentences
from sim.show.kit.scenario_words import replication
from sim.show.kit.style import BLUE, GREY, INK, NOTE_SIZE, ORANGE, sheet, styled
from sim.show.trial_data import first_trials, stays
from sim.study.estimates import moments, ratio_estimate
from sim.work.results import Results

_WIDTH, _MARGIN = 7.8, 0.28
_BOX, _TALL, _GAP = 1.42, 0.66, 0.52
_ROW = 1.75
_PER_ROW = 4
_HELD = "#e3ecf5"
_ARROW: dict[str, Any] = {
    "arrowstyle": "-|>", "color": INK, "lw": 1.1, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 9,
}  # fmt: skip


def counted(patients: Patients) -> str:
    """Say on how many patients the stays rest, how well the shares are known, and where a slot is awaited."""
    numbers, trial = np.unique(patients.rows["replication"].to_numpy(), return_inverse=True)
    size = np.bincount(trial).astype(np.float64)
    widths = []
    for _, entered, _ in stays(patients):
        there = np.bincount(trial[np.isfinite(entered)], minlength=size.size).astype(np.float64)
        found = ratio_estimate(moments(there, size), share=True)
        widths.append((found.upper - found.lower) / 2)
    scenario = patients.scenario
    limited = scenario.clinic.apheresis_slots != "unlimited"
    slots = limited and scenario.cohort.enters_at == "mobilisation"
    facts = len(patients), len(numbers), replication(scenario), 100 * max(widths), slots
    return one_sentence("figures", "stays_of", *facts)


def pathway_data(patients: Patients) -> pd.DataFrame:
    """Return what the diagram tells: ``place, next, resource, reached, mean_days, entered_on_day``.

    ``reached`` is of the enrolled; the others are means, of the days in a place, where follow-up ends the
    last stay, and of the day of entry since enrolment.
    """
    rows = []
    end = np.minimum(patients.death, patients.time("follow_up_end")) - patients.enrolled
    for place, entered, left in stays(patients):
        there = np.isfinite(entered)
        days = (np.minimum(left, end) - np.where(there, entered, 0.0))[there]
        following = " ".join(there.value for there in MOVES[place])
        resource = " ".join(name for name, places in RESOURCES.items() if place in places)
        means = [float(each.mean()) if days.size else math.nan for each in (days, entered[there])]
        rows.append((place.value, following, resource, float(there.mean()), *means))
    names = ["place", "next", "resource", "reached", "mean_days", "entered_on_day"]
    return pd.DataFrame(rows, columns=names)


@styled
def pathway_figure(scenario: Scenario, data: pd.DataFrame | None, notes: Sequence[str] = ()) -> Figure:
    """Draw places as boxes and moves as arrows.

    Parameters
    ----------
    scenario : Scenario
        Where its patients enter, and its capacities.
    data : DataFrame, optional
        From `pathway_data`; boxes without it only have names.
    notes : sequence of str
        Further paragraphs at the bottom.
    """
    found = None if data is None else {Place(row.place): row for row in data.itertuples()}
    start = ENTRANCES[scenario.cohort.enters_at]
    shown = _reachable(start)
    spots = {place: divmod(number, _PER_ROW) for number, place in enumerate(shown)}
    rows = 1 + max(row for row, _ in spots.values())
    height = rows * _ROW + 0.3
    said = [*sentences("figures", "pathway", found is not None), *notes]
    page = sheet(_finding(shown, found), [scenario.title], said, _WIDTH, height)
    axis = page.axes(0, 0, _WIDTH, height)
    axis.set_xlim(0, _WIDTH)
    axis.set_ylim(0, height)
    axis.set_axis_off()
    left, top = _MARGIN + 0.12 + _BOX / 2, height - 0.95
    centres = {
        place: (left + column * (_BOX + _GAP), top - row * _ROW) for place, (row, column) in spots.items()
    }
    _frames(axis, scenario, centres)
    for place in shown:
        _box(axis, place, centres[place], None if found is None else found.get(place))
        for there in MOVES[place]:
            _arrow(axis, place, there, centres)
    _ends(axis, start, centres, scenario.transplant.delayed)
    return page.figure


def _reachable(start: Place) -> list[Place]:
    """Return the places that can be reached, in the order of the pathway."""
    reached, front = {start}, [start]
    while front:
        for there in MOVES[front.pop()]:
            if there not in reached:
                reached.add(there)
                front.append(there)
    return [place for place in Place if place in reached]


def _box(axis: Axes, place: Place, centre: tuple[float, float], stay: Any) -> None:
    x, y = centre
    held = any(place in places for places in RESOURCES.values())
    axis.add_patch(
        FancyBboxPatch(
            (x - _BOX / 2, y - _TALL / 2), _BOX, _TALL, boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=_HELD if held else "white", edgecolor=INK, lw=1.1, zorder=3,
        )
    )  # fmt: skip
    name = place.value.replace("_", " ").capitalize().replace(" in hospital", "\nin hospital")
    told = "" if stay is None else _told(stay)
    lift = 0.12 if told else 0.0
    axis.text(x, y + lift, name, ha="center", va="center", size=NOTE_SIZE + 0.5, weight="bold", zorder=4,
              linespacing=1.1)  # fmt: skip
    if told:
        axis.text(x, y - 0.2, told, ha="center", va="center", size=NOTE_SIZE - 0.5, color=INK, zorder=4)


def _told(stay: Any) -> str:
    days = stay.mean_days
    if math.isnan(days):
        return "nobody"
    length = f"{days:.1f} d" if days < 365 else f"{days / 365.25:.1f} y"
    return f"{format_share(stay.reached, 0.005)}, {length}"


def _arrow(axis: Axes, here: Place, there: Place, centres: Mapping[Place, tuple[float, float]]) -> None:
    """Draw a move: along the row, to the next row, or around (a withdrawal)."""
    (x, y), (u, v) = centres[here], centres[there]
    neighbours = list(centres)
    if neighbours.index(there) - neighbours.index(here) > 1:
        _around(axis, (x, y), (u, v))
        return
    reinfusion = here == Place.IMMUNOABLATION and there == Place.APLASIA
    if y == v:
        axis.annotate("", (u - _BOX / 2, v), (x + _BOX / 2, y), arrowprops=_ARROW, zorder=2)
    else:
        _turn(axis, (x - 0.3, y), (u, v), (y + v) / 2 - 0.12, color=INK, zorder=2)
    if reinfusion:
        axis.text((x + u) / 2, y - 0.17, "reinfu-\nsion", ha="center", va="top", size=NOTE_SIZE - 1,
                  color=BLUE, linespacing=1.0)  # fmt: skip


def _turn(axis: Axes, here: tuple[float, float], there: tuple[float, float], turn: float, **how: Any) -> None:
    """Draw a way down from one box, along at a height, and down to another."""
    (x, y), (u, v) = here, there
    axis.plot([x, x, u], [y - _TALL / 2, turn, turn], lw=1.1, **how)
    arrow = {**_ARROW, "color": how["color"]}
    axis.annotate("", (u, v + _TALL / 2), (u, turn), arrowprops=arrow, zorder=2)


def _around(axis: Axes, here: tuple[float, float], there: tuple[float, float]) -> None:
    """Draw the way of those withdrawn: between the rows to the last place."""
    (x, y), (u, v) = here, there
    turn = (y + v) / 2 + 0.12
    _turn(axis, (x, y), (u + 0.3, v), turn, color=ORANGE, zorder=1, ls=(0, (4, 2)))
    axis.text(x + 0.08, turn + 0.03, "withdrawn: the harvest failed", size=NOTE_SIZE - 0.5, va="bottom")


def _frames(axis: Axes, scenario: Scenario, centres: Mapping[Place, tuple[float, float]]) -> None:
    """Say over each run of places what they hold, and how many there are."""
    clinic = scenario.clinic
    capacities = {"apheresis slot": clinic.apheresis_slots, "isolation room": clinic.isolation_rooms}
    for name, places in RESOURCES.items():
        here = [centres[place] for place in places if place in centres]
        if not here:
            continue
        capacity = capacities[name]
        many = f"{capacity_text(capacity)} of them, first come, first served"
        count = "without limit" if capacity == "unlimited" else many
        left, right = min(x for x, _ in here) - _BOX / 2, max(x for x, _ in here) + _BOX / 2
        first_row = here[0][1] == max(y for _, y in centres.values())
        # Between the rows run arrows: there a frame stands below its places.
        up = 1 if first_row else -1
        edge = here[0][1] + up * (_TALL / 2 + 0.1)
        axis.plot(
            [left, left, right, right], [edge, edge + up * 0.07, edge + up * 0.07, edge], color=BLUE, lw=1.1
        )
        axis.text((left + right) / 2, edge + up * 0.11, f"{name}: {count}", ha="center", size=NOTE_SIZE - 0.5,
                  va="bottom" if first_row else "top", color=BLUE)  # fmt: skip


def _ends(axis: Axes, start: Place, centres: Mapping[Place, tuple[float, float]], delayed: bool) -> None:
    """Mark where patients come in, and the two ways out."""
    x, y = centres[start]
    entry = "enrolment, and the delay" if delayed else "enrolment"
    axis.annotate("", (x - _BOX / 2, y), (x - _BOX / 2 - 0.3, y), arrowprops=_ARROW)
    axis.text(x - _BOX / 2, y + _TALL / 2 + 0.05, entry, size=NOTE_SIZE - 0.5, color=GREY, va="bottom")
    last_x, last_y = list(centres.values())[-1]
    bottom = last_y - _TALL / 2
    for shift, name in ((-0.35, "death"), (0.35, "end of\nfollow-up")):
        axis.annotate("", (last_x + shift, bottom - 0.22), (last_x + shift, bottom), arrowprops=_ARROW)
        axis.text(last_x + shift, bottom - 0.25, name, ha="center", va="top", size=NOTE_SIZE - 0.5, color=INK,
                  linespacing=1.05)  # fmt: skip


def _finding(shown: Sequence[Place], found: Mapping[Place, Any] | None) -> str:
    stay = None if found is None else found.get(Place.APLASIA)
    told = ("", None) if stay is None else (format_share(stay.reached, 0.005), stay.entered_on_day)
    return one_sentence("figures", "pathway_found", len(shown), *told)


def run_table(results: Results) -> pd.DataFrame | None:
    """Return the stays of the first patients of a run; None where none were kept."""
    patients = first_trials(results.table("patients"), results.scenario)
    return None if patients is None else pathway_data(patients)


def of_run(results: Results, stays: pd.DataFrame | None) -> Figure:
    """Draw the pathway of a run's scenario, and how its first patients went along it."""
    scenario = results.scenario
    patients = first_trials(results.table("patients"), scenario)
    about = [] if patients is None else [counted(patients)]
    return pathway_figure(scenario, stays, [*about, FIRST_DRAW] if results.draws else about)
