"""The patients of one virtual trial who live or die instead, as lanes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim.app.answer import LaneShown
from sim.clinic.states import Place
from sim.scenario.schema import DAYS_PER_YEAR, Scenario
from sim.show.kit.lanes import Lane, lane_of, when
from sim.show.kit.prose import one_sentence
from sim.study.named_patients import name_patients
from sim.study.pairing import Change
from sim.study.records import course_rows

MOST_PATIENTS = 2_000
"""Of a trial whose patients are told one by one while somebody waits."""


def lanes_of(base: Scenario, changed: Scenario, trial: int, seed: int) -> list[LaneShown]:
    """Return who is dead by the horizon in only one of two scenarios, of one virtual trial."""
    named = name_patients(base, changed, trial, seed, "arrays")
    alone = (Change.ONLY_REFERENCE.value, Change.ONLY_SCENARIO.value)
    rows = [row for row in named.table.to_dict("records") if row["change"] not in alone]
    patients = [int(row["patient"]) - 1 for row in rows]
    days = changed.follow_up.horizon_years * DAYS_PER_YEAR
    sides = [
        {lane.patient: lane for row in course_rows(history, patients).to_dict("records")
         for lane in [lane_of(row, days, None)]}
        for history in named.histories
    ]  # fmt: skip
    pairs = ((row, *(side[who] for side in sides)) for who, row in zip(patients, rows, strict=True))
    return [_shown(row, before, after) for row, before, after in pairs if before.dead != after.dead]


def _shown(row: dict[Any, Any], before: Lane, after: Lane) -> LaneShown:
    dead, who = before if before.dead else after, before.patient + 1
    facts = (who, row["age_years"], row["female"], dead.cause, when(dead.end), after.dead)
    return LaneShown(who, [*_stretches(before)], [*_stretches(after)], one_sentence("app", "lane", *facts))


def _stretches(lane: Lane) -> Iterator[tuple[float, float, str]]:
    """Yield the way through the clinic and then the disease; and the death."""
    way = [span for span in lane.places if span.kind != Place.HOME]
    home = way[-1].end if way else 0.0
    yield from ((span.begin, span.end, str(span.kind)) for span in way)
    yield from (
        (max(span.begin, home), span.end, str(span.kind)) for span in lane.statuses if span.end > home
    )
    if lane.dead:
        yield lane.end, lane.end, lane.cause
