"""The registry of places against what both simulators do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from sim.clinic import arrays, pathway
from sim.clinic.history import History
from sim.clinic.states import ENTRANCES, MOVES, RESOURCES, Place
from sim.patient.fates import NEVER, draw_fates
from sim.patient.luck import Luck
from sim.scenario.schema import Scenario

Simulate = Callable[..., History]


def courses(history: History) -> Iterator[list[Place]]:
    """Yield the places of each patient in the order in which they were entered."""
    times = np.array([getattr(history, place.value) for place in Place]).reshape(len(Place), -1)
    for patient in times.T:
        yield [place for place, time in zip(Place, patient, strict=True) if time < NEVER]


@pytest.mark.parametrize("simulate", [pathway.simulate, arrays.simulate])
@pytest.mark.parametrize("enters_at", sorted(ENTRANCES))
def test_patients_move_as_the_registry_says_and_every_move_happens(
    simulate: Simulate, enters_at: str, scenario_of: Callable[..., Scenario]
) -> None:
    changes: dict[str, Any] = {
        "cohort.enters_at": enters_at,
        "harvest.target_million_per_kg": 12.0,  # half of the harvests fall short
        "harvest.marrow.failure": 0.5,
        "aplasia.infection.case_fatality": 0.5,
    }
    scenario = scenario_of(changes)
    moves, entered = set(), set()
    for course in courses(simulate(scenario, draw_fates(scenario, Luck(1), range(40)))):
        entered.add(course[0])
        moves |= set(pairwise(course))
    assert entered == {ENTRANCES[enters_at]}
    reached, front = set(), [ENTRANCES[enters_at]]
    while front:
        here = front.pop()
        reached |= {(here, there) for there in MOVES[here]}
        front += MOVES[here]
    assert moves == reached


def test_every_place_has_its_moves_and_resources_are_held_in_neighbouring_places() -> None:
    assert list(MOVES) == list(Place)
    for places in RESOURCES.values():
        for here, there in pairwise(places):
            assert there in MOVES[here]
