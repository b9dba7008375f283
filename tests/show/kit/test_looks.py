"""Every cause, place, status and way to fail is drawn wherever such are shown, or refused; never left out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from sim.clinic.states import Cause, Place
from sim.outcomes.courses import WHAT, days_of
from sim.scenario.schema import Scenario
from sim.show.figures.areas import OverTime, incidence_figure, places_figure
from sim.show.figures.pathway import pathway_figure
from sim.show.figures.swimmer import swimmer_figure
from sim.show.kit.lanes import QUEUEING
from sim.show.kit.looks import AREAS, CAUSES, DELAY, FAILURES, PLACES, STATUSES, look_of
from sim.study.records import MOMENTS

COUNTED = {"replications": 10, "patients": 500, "draws": 0}
Words = Callable[[Figure], str]
Build = Callable[..., Scenario]


def shares(scenario: Scenario, time: str, **more: str) -> OverTime:
    """Give everything that is counted an equal share, and what is named besides."""
    tables = []
    for of, names in WHAT.items():
        shown = [*names, *([more[of]] if of in more else [])]
        for what in shown:
            days = days_of(of, scenario)
            share = np.full(days.size, 1 / len(shown))
            if what == Place.HOME:  # most come home
                share = np.linspace(0.0, 1.0, days.size)
            limits = {"mc_lower": share - 0.01, "mc_upper": share + 0.01}
            tables.append(pd.DataFrame({"of": of, "what": what, time: days, "share": share, **limits}))
    return OverTime(pd.concat(tables, ignore_index=True), COUNTED)


def courses(cause: str) -> pd.DataFrame:
    days = {name: 10.0 * number for number, name in enumerate(MOMENTS)}
    row = {"point": 0, "patient": 1, "responds": True, "cause": cause, **days}
    return pd.DataFrame([{**row, "enrolled": 0.0, "death": 400.0, "follow_up_end": 500.0}])


def test_all_that_the_simulation_knows_has_a_look() -> None:
    assert list(CAUSES) == [cause.name.lower() for cause in Cause]
    assert list(FAILURES) == list(WHAT["reinfused"])
    assert {*AREAS} >= {*WHAT["place"], *WHAT["disease"]}
    assert {*PLACES} == {*Place} - {Place.WAITING} | {QUEUEING, DELAY}
    assert {*STATUSES} | {"dead"} == {*WHAT["disease"]}


def test_all_are_named_where_they_are_drawn(endpoints: pd.DataFrame, scenario: Build, words: Words) -> None:
    one = scenario()
    said = words(incidence_figure(shares(one, "time_years"), endpoints, one))
    for look in (*(cause.area for cause in CAUSES.values()), *FAILURES.values()):
        assert look.label in said
    said = words(places_figure(shares(one, "time_days"), one))
    for name in (*WHAT["place"], *WHAT["disease"]):
        assert AREAS[name].label in said
    for cause, look in CAUSES.items():
        assert f"died: {look.words}" in words(swimmer_figure(courses(cause), "", 1000.0, None))


@pytest.mark.parametrize("of", ["enrolled", "reinfused", "place", "disease"])
def test_a_new_one_without_a_look_is_refused(of: str, endpoints: pd.DataFrame, scenario: Build) -> None:
    one = scenario()
    if of in ("enrolled", "reinfused"):
        found = shares(one, "time_years", **{of: "sepsis"})
        with pytest.raises(LookupError, match="sepsis: nothing says how it is drawn"):
            incidence_figure(found, endpoints, one)
    else:
        found = shares(one, "time_days", **{of: "sepsis"})
        with pytest.raises(LookupError, match="sepsis: nothing says how it is drawn"):
            places_figure(found, one)


def test_a_new_cause_or_place_of_a_single_patient_is_refused(scenario: Build) -> None:
    with pytest.raises(LookupError, match="sepsis"):
        swimmer_figure(courses("sepsis"), "", 1000.0, None)
    told = pd.DataFrame({"place": ["ward"], "reached": [1.0], "mean_days": [1.0], "entered_on_day": [0.0]})
    with pytest.raises(ValueError, match="ward"):
        pathway_figure(scenario(), told)
    with pytest.raises(LookupError, match=r"looks\.py"):
        look_of(PLACES, "ward")
