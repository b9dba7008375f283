"""Patients' courses as lanes, in days since enrolment: what a swimmer plot and the app draw."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sim.clinic.states import Place
from sim.outcomes.courses import ACTIVE, DELAY, RELAPSED, REMISSION
from sim.scenario.schema import DAYS_PER_YEAR
from sim.study.records import MOMENTS

QUEUEING = "queueing"
INFECTION, REINFUSION, RELAPSE = "infection", "reinfusion", "relapse"
WITHDRAWN, DEATH = "withdrawn", "death"

# Days since enrolment are differences of days since opening: the same wait, later, differs in the last bits.
_SAME = 6


class Span(NamedTuple):
    """A stretch of a lane."""

    kind: str
    begin: float
    end: float


class Mark(NamedTuple):
    """A moment of a lane."""

    kind: str
    day: float


@dataclass(frozen=True, slots=True)
class Lane:
    """One patient's course up to the horizon or death; `patient` counts from 0."""

    patient: int
    places: tuple[Span, ...]
    statuses: tuple[Span, ...]
    marks: tuple[Mark, ...]
    end: float
    cause: str
    """Of death; empty for who lives."""
    cut: float
    """The data cut; infinite without one."""

    @property
    def dead(self) -> bool:
        """Whether the lane ends in death."""
        return self.cause != ""

    @property
    def relapse(self) -> float:
        """The day of relapse, infinite without one."""
        return min((mark.day for mark in self.marks if mark.kind == RELAPSE), default=math.inf)

    @property
    def status(self) -> str:
        """The disease status at the end."""
        return self.statuses[-1].kind if self.statuses else ACTIVE

    @property
    def hospital_days(self) -> float:
        """Days from enrolment until the patient is home; 0 for who never was on the pathway."""
        return max((span.end for span in self.places if span.kind != Place.HOME), default=0.0)

    def moments(self) -> set[tuple[str, float]]:
        """Return everything that happens, each with its day, so that two courses can be compared."""
        begun = [(span.kind, span.begin) for span in (*self.places, *self.statuses)]
        ends = [(f"{DEATH} {self.cause}", self.end)] if self.dead else []
        happened = [*begun, *((mark.kind, mark.day) for mark in self.marks), *ends]
        return {(kind, round(day, _SAME)) for kind, day in happened}


def lane_of(row: Mapping[str, Any], horizon_days: float, data_cut: float | None) -> Lane:
    """Return a patient's lane.

    Parameters
    ----------
    row
        As `sim.study.records.course_rows` has it: days from study opening, missing for never.
    horizon_days
        Days after enrolment at which every lane ends, if follow-up does not end before.
    data_cut
        Day from study opening.
    """
    values = {name: math.inf if math.isnan(row[name]) else float(row[name]) for name in MOMENTS}
    enrolled = values["enrolled"]
    since = {name: day - enrolled for name, day in values.items()}
    end = min(since["death"], since["follow_up_end"], horizon_days)
    died = isinstance(row["cause"], str) and row["cause"] != "" and since["death"] <= end
    begun = [(DELAY, 0.0), *((place.value, since[place.value]) for place in Place)]
    begun.insert(2, (QUEUEING, since["ready_for_harvest"]))
    begun = [(QUEUEING if kind == Place.WAITING else kind, day) for kind, day in begun]
    disease = [(ACTIVE, 0.0)]
    if bool(row["responds"]):
        disease += [(REMISSION, since["recovering_in_hospital"]), (RELAPSED, since["relapse"])]
    single = {REINFUSION: "aplasia", RELAPSE: "relapse", WITHDRAWN: "withdrawn"}
    marks = [Mark(kind, since[name]) for kind, name in single.items()]
    marks += [Mark(INFECTION, since[f"{which}_infection"]) for which in ("mobilisation", "aplasia", "late")]
    return Lane(
        int(row["patient"]) - 1, _spans(begun, end), _spans(disease, end),
        tuple(mark for mark in marks if mark.day <= end), end, row["cause"] if died else "",
        math.inf if data_cut is None else data_cut - enrolled,
    )  # fmt: skip


def _spans(begun: Sequence[tuple[str, float]], end: float) -> tuple[Span, ...]:
    """Return what lasts from each beginning to the next, without what takes no time."""
    happened = [(kind, day) for kind, day in begun if day < end]
    ends = [*(day for _, day in happened), end][1:]  # none for who dies on the day of enrolment, at once
    return tuple(
        Span(kind, day, until) for (kind, day), until in zip(happened, ends, strict=True) if until > day
    )


def diverge(first: Lane | None, second: Lane | None) -> float:
    """Return the first day since enrolment on which two courses differ; infinite if on none."""
    if first is None or second is None:
        return 0.0
    return min((day for _, day in first.moments() ^ second.moments()), default=math.inf)


def detail_days(lanes: Sequence[Lane]) -> float:
    """Return days that show nine in ten ways to discharge, as whole months; 0 without a pathway."""
    stays = [lane.hospital_days for lane in lanes if lane.hospital_days > 0]
    if not stays:
        return 0.0
    return float(np.clip(30 * math.ceil(np.quantile(stays, 0.9) / 30), 30, 180))


def when(day: float) -> str:
    """Write a time since enrolment: days up to half a year, then years."""
    return f"day {day:.0f}" if day < DAYS_PER_YEAR / 2 else f"{day / DAYS_PER_YEAR:.1f} y"
