from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from matplotlib.figure import Figure

from sim.clinic.history import History
from sim.outcomes.occupancy import Occupancy
from sim.scenario.schema import Scenario
from sim.show.figures.occupancy import occupancy_figure
from sim.study.records import counted, first_clinic

MakeScenario: TypeAlias = Callable[..., Scenario]
Draw: TypeAlias = Callable[..., tuple[Figure, Occupancy]]
CLINIC: dict[str, Any] = {
    "arrivals.pattern": "poisson",
    "arrivals.years": 1,
    "arrivals.warm_up_days": 100.0,
    "clinic.isolation_rooms": 3,
    "follow_up.data_cut_days": "none",
    "title": "A clinic",
}


@pytest.fixture
def draw(scenario_of: MakeScenario, play: Callable[..., History]) -> Draw:
    def make(changes: dict[str, Any], **more: Any) -> tuple[Figure, Occupancy]:
        scenario = scenario_of(changes)
        occupancy = Occupancy(scenario)
        occupancy.add(play(scenario, range(3)))
        tables = occupancy.table(), first_clinic(occupancy)
        return occupancy_figure(*tables, counted(None, occupancy), scenario, **more), occupancy

    return make


def finding(figure: Figure) -> str:
    return " ".join(figure.get_suptitle().split())


def test_the_title_and_the_capacity_line_are_the_clinics(
    draw: Draw, words: Callable[[Figure], str], fits: Callable[[Figure], bool]
) -> None:
    figure, occupancy = draw(CLINIC, notes=["A caution."])
    used = 100 * occupancy.average("rooms_in_use") / 3
    assert finding(figure).startswith(f"The 3 isolation rooms are in use {used:.1f}% of the time, and ")
    rooms, queue = figure.axes[:2]
    dashed = [line for line in rooms.lines if line.get_linestyle() == "--"]
    assert [set(line.get_ydata()) for line in dashed] == [{3}]
    assert not [line for line in queue.lines if line.get_linestyle() == "--"]
    for said in (
        "Isolation rooms in use",
        "Patients queueing for a room",
        "A clinic",
        "A caution.",
        "warm-up",
    ):
        assert said in words(figure)
    assert "Apheresis" not in words(figure)
    assert fits(figure)


def test_the_lines_are_the_table_and_the_first_replication(draw: Draw) -> None:
    figure, occupancy = draw({**CLINIC, "clinic.apheresis_slots": 1})
    assert len(figure.axes) == 5
    table = occupancy.table()
    for axis, name in zip(
        figure.axes, ("rooms_in_use", "room_queue", "slots_in_use", "slot_queue"), strict=False
    ):
        drawn = [np.asarray(line.get_ydata(), dtype=float) for line in axis.lines]
        mean = table[table["series"] == name]["mean"].to_numpy()
        assert any(np.array_equal(line, mean) for line in drawn)
        assert any(np.array_equal(line, occupancy.first[name].number) for line in drawn)


def test_one_room_is_written_as_one(draw: Draw) -> None:
    figure, _ = draw({"clinic.isolation_rooms": 1})
    assert finding(figure).startswith("The one isolation room is in use ")


def test_slots_alone_are_shown_when_rooms_are_unlimited(draw: Draw, words: Callable[[Figure], str]) -> None:
    figure, _ = draw({"clinic.apheresis_slots": 2})
    assert finding(figure).startswith("The 2 apheresis slots are in use ")
    assert "Isolation rooms" not in words(figure)


def test_nothing_limited_is_said_in_words(draw: Draw) -> None:
    figure, _ = draw({})
    assert finding(figure) == "Nobody queues: rooms and slots are unlimited"


def test_all_at_once_has_no_average(draw: Draw) -> None:
    figure, _ = draw({"clinic.isolation_rooms": 2, "arrivals.window_days": 0.0})
    assert finding(figure) == "All patients come at once, to 2 isolation rooms"


def test_it_says_that_only_the_first_replications_are_read(
    draw: Draw, words: Callable[[Figure], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("sim.outcomes.occupancy", "sim.show.figures.occupancy"):
        monkeypatch.setattr(f"{module}.READ_REPLICATIONS", 2)
    figure, _ = draw(CLINIC)
    assert "Over the first 2 virtual clinics" in words(figure)
