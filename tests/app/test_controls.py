"""The controls of the page: of every number of a scenario one, whose every stop may be asked about."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

import pytest

from sim.app.controls import Control, controls, presets
from sim.app.question import Question, question
from sim.app.server import shelf_of
from sim.scenario.changes import in_words
from sim.scenario.differences import STAGES
from sim.scenario.evidence import data_rows
from sim.scenario.load import Loaded
from sim.scenario.merging import used_parameters
from sim.scenario.problems import RequestError
from sim.scenario.registry import parameters
from sim.scenario.shipped import shipped_names
from sim.study.tornado import stated_ranges

ROOT = Path(__file__).parents[2]
DERIVED = {"arrivals.pattern", "relapse.dist"}  # to change them is another scenario
WORDS_ONLY = {"harvest.duration_days"}
PAIRED = {"arrivals.window_days", "follow_up.data_cut_days"}


@pytest.fixture(scope="module")
def shelf() -> dict[str, Loaded]:
    return shelf_of("chicago2006")


def all_of(asked: Question) -> dict[str, Control]:
    return {each.key: each for _, members in controls(asked).stages for each in members}


@pytest.mark.parametrize("name", ["chicago2006", "open_clinic", "no_transplant"])
def test_every_stop_of_every_control_may_be_asked_about(shelf: Mapping[str, Loaded], name: str) -> None:
    found = all_of(question([("of", name)], shelf))
    assert len(found) > 45
    for control in found.values():
        assert len({*control.stops}) == len(control.stops) <= 205
        assert control.stops[control.at] == control.stops[control.now]
        assert min(len(control.label), len(control.tip), len(control.own_source)) > 2
        for stop in {control.stops[0], control.stops[-1]}:
            try:
                asked = question([("of", name), (control.key, stop)], shelf)
            except RequestError as error:  # the one must be longer than the other, and the message says so
                refused = control.key in PAIRED and all(key in str(error) for key in PAIRED)
                assert refused, (control.key, stop)
                continue
            assert (asked.values == {}) == (stop == control.stops[control.at]), (control.key, stop)
            moved = all_of(asked)[control.key]
            assert moved.stops[moved.now] == stop
            assert moved.changed == (control.key in asked.values)


def test_all_parameters_have_one_in_the_order_of_the_pathway(shelf: Mapping[str, Loaded]) -> None:
    asked = question([], shelf)
    stems = [key if key in parameters() else key.rpartition(".")[0] for key in all_of(asked)]
    used = {parameter.key for parameter in used_parameters(asked.base.as_dict())}
    assert {*stems} == used - DERIVED - WORDS_ONLY
    stages = [stage for stage, _ in controls(asked).stages]
    assert stages == [stage for stage in STAGES if stage in stages]
    first = [each.key for each in controls(asked).first]
    assert first == [key for key in all_of(asked) if key in first]


def test_what_matters_first_is_what_the_shipped_tornado_says(shelf: Mapping[str, Loaded]) -> None:
    table = ROOT / "results" / "reference" / "studies" / "what_matters" / "tornado.csv"
    with table.open(encoding="utf-8", newline="") as file:
        held = [row["parameter"] for row in csv.DictReader(file) if row["version"] == "held"]
    named = [row["key"] for row in data_rows("controls") if row["because"] == "moves survival"]
    assert {*named} == {*held[:7]}
    first = [each.key for each in controls(question([("of", "open_clinic")], shelf)).first]
    assert len(first) == 12
    assert {"clinic.isolation_rooms", "arrivals.per_year", "transplant.delay_days.value"} < {*first}


def test_ranges_are_those_that_are_stated_and_say_by_whom(shelf: Mapping[str, Loaded]) -> None:
    found = all_of(question([], shelf))
    shape, ward = found["relapse.shape"], found["aplasia.infection.ward_relative_risk"]
    delay = found["mobilisation.infection.days_to_death"]
    assert (shape.source, shape.stated) == ("posterior 95%", True)
    assert (ward.low, ward.high, ward.stated) == (0.55, 2.0, True)
    assert "I02" in ward.source
    assert (delay.low, delay.high, delay.stated) == (7 / 4, 28, False)
    assert "no range is stated" in delay.source
    stated, _ = stated_ranges(shelf["chicago2006"].scenario)
    for each in stated:
        assert found[each.key].stated
    # Another calibration has no part in Chicago's posterior.
    other = all_of(question([("of", "ebmt2004")], shelf))["after_relapse.multiplier"]
    assert other.source != "posterior 95%"
    assert {each.status for each in found.values()} == {"evidence", "solved", "assumption"}


def test_rooms_and_patients_are_whole_and_rooms_may_be_unlimited(shelf: Mapping[str, Loaded]) -> None:
    found = all_of(question([("of", "open_clinic")], shelf))
    rooms = found["clinic.isolation_rooms"]
    assert rooms.stops == (*map(str, range(1, 21)), "unlimited")
    assert (rooms.own, rooms.scale, rooms.step) == (4, "linear", 1)
    assert "cohort.patients" not in found  # patients arrive there
    patients = all_of(question([], shelf))["cohort.patients"]
    assert {"1", "0"}.isdisjoint(patients.stops)
    assert all(stop.isdecimal() for stop in patients.stops)


def test_a_distribution_is_moved_by_its_mean(shelf: Mapping[str, Loaded]) -> None:
    key = "recovery.duration_days.mean"
    control = all_of(question([(key, "40")], shelf))[key]
    assert (control.label, control.unit, control.own, control.value) == (
        "recovery duration, mean",
        "days",
        28,
        40,
    )
    assert "spread stays" in control.tip
    fixed = all_of(question([("immunoablation.duration_days.value", "6")], shelf))
    assert fixed["immunoablation.duration_days.value"].label == "immunoablation duration"
    # Another family, as a file or an address may state it, is shown by its own middle.
    other = all_of(question([("recovery.duration_days", "33")], shelf))[key]
    assert (other.own, other.value) == (28, 33)


def test_a_control_reaches_a_value_beyond_its_range(shelf: Mapping[str, Loaded]) -> None:
    control = all_of(question([("relapse.shape", "3.25")], shelf))["relapse.shape"]
    assert control.stops[control.now] == "3.25" == control.stops[-1]
    assert control.high == 3.25


def test_labels_are_the_words_of_titles(shelf: Mapping[str, Loaded]) -> None:
    found = all_of(question([], shelf))
    for control in found.values():
        stem = control.key if control.key in parameters() else control.key.rpartition(".")[0]
        assert in_words(stem).startswith(control.label.partition(",")[0])
    labels = [control.label for control in found.values()]
    assert len({*labels}) == len(labels)


def test_presets_are_the_shelf_and_each_is_an_address(shelf: Mapping[str, Loaded], tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('base = "ebmt2004"\ntitle = "Mine"\n', "utf-8")
    listed = presets(shelf_of(str(path)))
    assert [each.name for each in listed] == ["mine", *shipped_names()]
    assert [each.own for each in listed] == [True, *[False] * len(shipped_names())]
    assert listed[1].address == urlencode([("of", listed[1].name)])
    assert next(iter(shelf)) == "chicago2006"
    with pytest.raises(RequestError):
        shelf_of(str(tmp_path / "none.toml"))
