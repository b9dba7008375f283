"""Swimmer plots: one lane a patient, place by place in hospital and then year by year."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

import pandas as pd
from matplotlib.figure import Figure

from sim.outcomes.courses import ACTIVE, RELAPSED, REMISSION
from sim.scenario.schema import DAYS_PER_YEAR, PoissonArrivals
from sim.scenario.values import get_value
from sim.show.kit import lane_drawing as kit
from sim.show.kit.lanes import REINFUSION, Lane, diverge, lane_of
from sim.show.kit.looks import CAUSES, look_of
from sim.show.kit.pairs import endings, pair_notes
from sim.show.kit.prose import sentences
from sim.show.kit.scenario_words import single_notes
from sim.show.kit.style import GREY, INK, NOTE_SIZE, empty_figure, sheet, styled, text_width
from sim.study.pairing import FATES_CHANGED
from sim.work.results import Results

MOST_LANES = 60
MOST_PAIRS = 25
_HEADING_SIZE = NOTE_SIZE + 0.5


@styled
def swimmer_figure(
    courses: pd.DataFrame, title: str, horizon_days: float, data_cut: float | None, *, opened: float = 0.0,
    notes: Sequence[str] = (),
) -> Figure:  # fmt: skip
    """Draw the patients of one virtual trial, those who died first.

    Parameters
    ----------
    courses : DataFrame
        From `sim.study.records.first_courses`; over a range, who dies at some values only is
        told apart.
    title : str
        The line below the finding.
    horizon_days : float
        Days since enrolment up to which lanes go.
    data_cut : float or None
        Day from study opening after which a trial would see nothing.
    opened : float
        Day from study opening from which patients are shown: the end of a warm-up.
    notes : sequence of str
        Further paragraphs at the bottom.
    """
    present = courses[(courses["point"] == 0) & (courses["enrolled"] >= opened)]
    lanes = [*_by_patient(present.head(MOST_LANES), horizon_days, data_cut).values()]
    if not lanes:
        return empty_figure("No patients to show: nobody enrolled", title)
    shown = courses[courses["patient"].isin(present["patient"].head(MOST_LANES))]
    others = [
        _by_patient(rows, horizon_days, data_cut) for point, rows in shown.groupby("point") if point != 0
    ]
    moot = _moot(lanes, others)
    groups = [(f"{name}: {len(group)}", group) for name, group in _by_end(lanes, moot, bool(others))]
    rows = len(lanes) + 1.1 * len(groups)
    which = "" if len(present) == len(lanes) else "first "
    deaths = [sum(lane.dead for lane in other.values()) for other in others]
    finding = _finding(lanes, horizon_days, which, deaths)
    said = [*_swimmer_notes(lanes, len(present), opened), *notes]
    keys = kit.Keys.of(lanes, with_cut=data_cut is not None)
    page = sheet(
        finding, [title], said, kit.WIDTH,
        keys.height + rows * kit.pitch_of(rows) + kit.FOOT,
    )  # fmt: skip
    panels = kit.lay_out(
        page, lanes, rows, horizon_days, left=0.62, right=0.2 + _widest(map(kit.death_words, lanes))
    )
    keys.draw(panels)
    _draw_groups(panels, groups)
    return page.figure


def _by_patient(courses: pd.DataFrame, horizon_days: float, data_cut: float | None) -> dict[int, Lane]:
    lanes = (lane_of(row, horizon_days, data_cut) for row in courses.to_dict("records"))
    return {lane.patient: lane for lane in lanes}


def _draw_groups(panels: kit.Panels, groups: Sequence[tuple[str, list[Lane]]]) -> None:
    """Draw the lanes one below the other, each group under its heading."""
    row = 0.0
    for name, group in groups:
        kit.write_beside(panels, name, row + 0.62, -22, weight="bold", size=_HEADING_SIZE)
        row += 1.1
        for lane in group:
            kit.draw_lane(panels, lane, row + 0.5)
            kit.write_beside(panels, f"{lane.patient + 1}", row + 0.5, -5, ha="right", size=kit.SMALL)
            kit.write_at(panels.years, kit.death_words(lane), lane.end / DAYS_PER_YEAR, row + 0.5)
            row += 1
    panels.draw_bars()


def _widest(texts: Iterable[str]) -> float:
    """Return the inches that the widest of some small texts takes."""
    return max(text_width(text, kit.SMALL, weight="bold") for text in texts)


def _moot(lanes: Sequence[Lane], others: Sequence[Mapping[int, Lane]]) -> set[int]:
    """Return who dies at some values of the range and lives at others."""
    return {
        lane.patient
        for lane in lanes
        for other in others
        if (found := other.get(lane.patient)) is not None and found.dead != lane.dead
    }


def _by_end(lanes: Sequence[Lane], moot: set[int], over_range: bool) -> Iterator[tuple[str, list[Lane]]]:
    """Yield the patients by how they end, each group in an order that tells something."""
    by_end, by_number = attrgetter("end"), attrgetter("patient")
    died = "Died over the whole range" if over_range else "Died"
    ends: tuple[tuple[str, Callable[[Lane], bool], Callable[[Lane], float]], ...] = (
        ("Died, but not over the whole range", lambda lane: lane.dead and lane.patient in moot, by_end),
        ("Alive, but not over the whole range", lambda lane: lane.patient in moot, by_number),
        (died, lambda lane: lane.dead, by_end),
        ("Alive after a relapse", lambda lane: lane.status == RELAPSED, attrgetter("relapse")),
        ("Alive with active disease", lambda lane: lane.status == ACTIVE, by_number),
        ("Alive in remission", lambda lane: lane.status == REMISSION, attrgetter("hospital_days")),
    )
    left = list(lanes)
    for name, belongs, order in ends:
        group = sorted(filter(belongs, left), key=order)
        left = [lane for lane in left if not belongs(lane)]
        if group:
            yield name, group


def _finding(lanes: Sequence[Lane], horizon_days: float, which: str, over_range: Sequence[int]) -> str:
    """Say who dies, of what, and who relapses; over a range, between which numbers."""
    causes = Counter(lane.cause for lane in lanes if lane.dead)
    dead = sum(causes.values())
    years = f"{horizon_days / DAYS_PER_YEAR:.2g}\N{NO-BREAK SPACE}years"
    low, high = min((dead, *over_range)), max((dead, *over_range))
    if low < high:
        return f"Between {low} and {high} of the {which}{len(lanes)} patients die in {years}, over the range"
    parts = [f"{count} of {look_of(CAUSES, cause).words}" for cause, count in causes.most_common()]
    text = f"{dead or 'None'} of the {which}{len(lanes)} patients {'dies' if dead == 1 else 'die'} in {years}"
    text = f"{text}: {', '.join(parts)}" if parts else text
    relapses = sum(math.isfinite(lane.relapse) for lane in lanes)
    treated = any(mark.kind == REINFUSION for lane in lanes for mark in lane.marks)
    return f"{text}; {relapses or 'none'} relapse{'s' if relapses == 1 else ''}" if treated else text


def _swimmer_notes(lanes: Sequence[Lane], present: int, opened: float) -> list[str]:
    unseen = sum(lane.dead and lane.end > lane.cut for lane in lanes)
    cut = any(lane.cut < lane.end for lane in lanes)
    return sentences("figures", "swimmer", len(lanes), present, opened > 0, cut, unseen)


@styled
def paired_swimmer_figure(
    courses: pd.DataFrame, names: tuple[str, str], horizon_days: float, notes: Sequence[str] = ()
) -> Figure:
    """Draw the same patients in two scenarios, one above the other, striped up to where their courses part.

    Parameters
    ----------
    courses : DataFrame
        Rows from `sim.study.records.paired_courses`, of one pair; a patient who exists in one scenario
        only has one lane. The first `MOST_PAIRS` are drawn; the title and the headings count all.
    names : tuple[str, str]
        What the scenarios are called.
    horizon_days : float
        Days since enrolment up to which lanes go.
    notes : sequence of str
        Further paragraphs at the bottom.
    """
    first, second = (_by_patient(courses[courses["scenario"] == name], horizon_days, None) for name in names)
    pairs = [
        _Pair(who, first.get(who), second.get(who)) for who in (courses["patient"] - 1).unique().tolist()
    ]
    drawn = sorted(pairs[:MOST_PAIRS], key=lambda pair: pair.patient)
    counts = {heading: len(group) for heading, group in _by_difference(pairs, names)}
    groups = [
        (f"{heading}: {_shown(len(group), counts[heading])}", group)
        for heading, group in _by_difference(drawn, names)
        if group
    ]
    lanes = [lane for pair in drawn for lane in pair.lanes if lane is not None]
    if not lanes:
        return empty_figure(f"No patient differs between {names[0]} and {names[1]}")
    rows = sum(2.6 * len(group) + 1.4 for _, group in groups)
    keys = kit.Keys.of(lanes, with_cut=False)
    page = sheet(
        _difference(pairs, names, horizon_days),
        [f"Of each patient the course with {names[0]} above that with {names[1]}."],
        [*_paired_notes(pairs, drawn), *notes],
        kit.WIDTH,
        keys.height + rows * kit.pitch_of(rows) + kit.FOOT,
    )
    left, right = _widest(names), 0.2 + _widest(map(_outcome, lanes))
    panels = kit.lay_out(page, lanes, rows, horizon_days, 0.62 + left, right)
    keys.draw(panels)
    _draw_pairs(panels, groups, names, beside=-72 * left - 12)
    return page.figure


def _paired_notes(pairs: Sequence[_Pair], drawn: Sequence[_Pair]) -> list[str]:
    notes = ["Both have the same luck."]
    if any(diverge(pair.first, pair.second) > 0 for pair in drawn):
        notes[0] += " Striped: the course is the same in both up to there."
    if len(drawn) < len(pairs):
        notes.append(f"{len(drawn)} of the {len(pairs)} patients whose fates differ are shown.")
    return notes


def _shown(drawn: int, counted: int) -> str:
    return f"{counted}" if drawn == counted else f"{counted}, of whom {drawn} shown"


def _draw_pairs(
    panels: kit.Panels, groups: Sequence[tuple[str, list[_Pair]]], names: tuple[str, str], beside: float
) -> None:
    """Draw the pairs one below the other, each group under its heading; numbers stand at `beside` points."""
    row = 0.0
    for heading, group in groups:
        kit.write_beside(panels, heading, row + 0.76, beside - 20, weight="bold", size=_HEADING_SIZE)
        row += 1.4
        for pair in group:
            number = {"ha": "right", "weight": "bold", "size": NOTE_SIZE}
            kit.write_beside(panels, f"{pair.patient + 1}", row + 1.2, beside, **number)
            _draw_pair(panels, pair, names, row)
            row += 2.6
    panels.draw_bars()


@dataclass(frozen=True, slots=True)
class _Pair:
    """One patient in two scenarios; None where the patient does not exist."""

    patient: int
    first: Lane | None
    second: Lane | None

    @property
    def lanes(self) -> tuple[Lane | None, Lane | None]:
        """Both lanes, in the order of the scenarios."""
        return self.first, self.second

    def dies(self) -> tuple[bool, bool] | None:
        """Tell in which scenarios the patient dies; None for who exists in one only."""
        if self.first is None or self.second is None:
            return None
        return self.first.dead, self.second.dead


def _by_difference(pairs: Sequence[_Pair], names: tuple[str, str]) -> list[tuple[str, list[_Pair]]]:
    """Group patients by what differs, with a heading each; a group may be empty."""
    a, b = names
    headings = {
        (True, False): f"Dies with {a}, lives with {b}",
        (False, True): f"Lives with {a}, dies with {b}",
        (True, True): "Dies with both",
        (False, False): "Lives with both",
    }
    groups = [(text, [pair for pair in pairs if pair.dies() == ends]) for ends, text in headings.items()]
    for name, other in ((a, 1), (b, 0)):
        alone = [pair for pair in pairs if pair.lanes[other] is None and any(pair.lanes)]
        groups.append((f"Enrolled with {name} only", alone))
    return groups


def _difference(pairs: Sequence[_Pair], names: tuple[str, str], horizon_days: float) -> str:
    """Say who dies in one scenario and lives in the other."""
    ends = Counter(pair.dies() for pair in pairs)
    years = f"in up to {horizon_days / DAYS_PER_YEAR:.2g}\N{NO-BREAK SPACE}years"
    # The larger number first, whichever scenario it speaks for.
    more, less = sorted(((True, False), (False, True)), key=lambda key: -ends[key])
    dies, lives = names if more == (True, False) else names[::-1]
    if not ends[more]:
        text = f"Nobody dies with one of {names[0]} and {names[1]} and lives with the other"
    else:
        many = ends[more] > 1
        who = f"{ends[more]} patients die" if many else "1 patient dies"
        text = f"{who} with {dies} and {'live' if many else 'lives'} with {lives}"
        text += f", {ends[less]} the other way round" if ends[less] else ""
    moved = sum(pair.dies() == (True, True) and _end(pair.first) != _end(pair.second) for pair in pairs)
    if moved:
        text += f"; {moved} die{'s' if moved == 1 else ''} with both, but at another time or of another cause"
    return f"{text}, {years}"


def _end(lane: Lane | None) -> tuple[str, float] | None:
    return None if lane is None else (lane.cause, round(lane.end, 3))


def _draw_pair(panels: kit.Panels, pair: _Pair, names: tuple[str, str], row: float) -> None:
    """Draw a patient's two lanes, with the scenarios' names at the left and the ends at the right."""
    parted = diverge(pair.first, pair.second)
    right = panels.years.get_xlim()[1]
    for lane, name, y in zip(pair.lanes, names, (row + 0.72, row + 1.68), strict=True):
        kit.write_beside(panels, name, y, -6, ha="right", size=kit.SMALL, color=GREY)
        dead = lane is not None and lane.dead
        style = {"weight": "bold", "color": INK} if dead else {"color": GREY}
        kit.write_at(panels.years, "not enrolled" if lane is None else _outcome(lane), right, y, **style)
        if lane is not None:
            kit.draw_lane(panels, lane, y, shared_until=parted)


def _outcome(lane: Lane) -> str:
    """Say how a lane ends."""
    if lane.dead:
        return f"dies: {kit.death_words(lane)}"
    words = {ACTIVE: "alive, active disease", REMISSION: "alive, in remission", RELAPSED: "alive, relapsed"}
    return words[lane.status]


def of_run(results: Results) -> Figure:
    """Draw the patients of the first trial of a run."""
    scenario = results.scenario
    cut, arrivals = scenario.follow_up.data_cut_days, scenario.arrivals
    free = (results.manifest["posterior"] or {}).get("free", ())
    at = ", ".join(
        f"the first draw of {shown.key}"
        if shown.key in free
        else f"{shown.key} = {get_value(scenario, shown.key):.3g}"
        for shown in scenario.range
    )
    return swimmer_figure(
        results.tables["swimmer"],
        f"{scenario.title}. Virtual trial 1{f', drawn at {at}' if at else ''}",
        scenario.follow_up.horizon_years * DAYS_PER_YEAR,
        None if cut == "none" else cut,
        opened=arrivals.warm_up_days if isinstance(arrivals, PoissonArrivals) else 0.0,
        notes=single_notes(scenario, drawn=bool(results.draws)),
    )


def of_comparison(results: Results) -> dict[str, Figure]:
    """Draw the patients of one trial whose fates differ, a figure for each scenario that changes any."""
    courses, named = results.tables["swimmer"], results.tables["named_patients"]
    decided = named[named["change"].isin([*FATES_CHANGED])]
    reference, found = str(results.manifest["reference"]), {}
    for name, ending in endings(results).items():
        own = courses[courses["pair"] == name]
        if not own.empty:
            until = float(decided.loc[decided["scenario"] == name, "shared_days"].max())
            notes = pair_notes(results, name, single=True)
            found[ending] = paired_swimmer_figure(own, (reference, name), until, notes)
    return found
