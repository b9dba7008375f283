"""The yardsticks of the benchmarks simulate what the project does, and its numbers are counted in full."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sim.patient.fates import draw_fates
from sim.patient.luck import BLOCK, Luck
from sim.patient.streams import Stream
from sim.scenario.load import load

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
REPLICATIONS = {"chicago2006": (600, 6000), "open_clinic": (40, 600)}
"""Of the yardstick, and of the arrays."""


@pytest.fixture(scope="module")
def benchmark() -> Iterator[Any]:
    """Import a module of the benchmarks by name."""
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module
    sys.path.remove(str(BENCHMARKS))


def worst(agreement: Any, trial: Any, name: str, numbers_of: list[str]) -> tuple[float, float]:
    """Return the largest |z| of SimPy by hand under some changed numbers, and its bound."""
    ours, arrays = REPLICATIONS[name]
    numbers = agreement.Numbers(load(name, numbers_of).scenario)
    expected = agreement.reference(load(name).scenario, arrays)
    figures = [trial(numbers, seed).run() for seed in range(ours)]
    found = list(agreement.compare(figures, expected, queues=numbers.rooms is not None))
    assert len(found) == (6 if name == "open_clinic" else 5)
    return max(abs(one.z) for one in found), agreement.bound(len(found))


@pytest.mark.parametrize("name", REPLICATIONS)
def test_simpy_by_hand_agrees_with_the_arrays(benchmark: Any, name: str) -> None:
    trial = benchmark("plain_simpy").Trial
    largest, bound = worst(benchmark("agreement"), trial, name, [])
    assert largest < bound


@pytest.mark.parametrize("name", REPLICATIONS)
def test_what_makes_it_lean_changes_nothing_but_time(benchmark: Any, name: str) -> None:
    largest, bound = worst(benchmark("agreement"), benchmark("plain_simpy").LeanTrial, name, [])
    assert largest < bound


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("chicago2006", "active_disease.hazard_per_year=0.3"),
        ("open_clinic", "clinic.isolation_rooms=5"),
        ("open_clinic", "clinic.room_turnaround_days=3"),
    ],
)
def test_a_yardstick_of_something_else_is_found_out(benchmark: Any, name: str, change: str) -> None:
    trial = benchmark("plain_simpy").Trial
    largest, bound = worst(benchmark("agreement"), trial, name, [change])
    assert largest > bound


@pytest.mark.parametrize("name", REPLICATIONS)
def test_the_bare_numbers_are_those_that_the_fates_draw(benchmark: Any, name: str) -> None:
    scenario = load(name).scenario
    drawn: set[tuple[Stream, int]] = set()

    class Recorder(Luck):
        def words(
            self, stream: Stream, patients: range, block: int, occurrence: int = 0
        ) -> NDArray[np.uint32]:
            drawn.add((stream, occurrence))
            return super().words(stream, patients, block, occurrence)

    draw_fates(scenario, Recorder(1), range(BLOCK))
    assert {(n.stream, n.occurrence) for n in benchmark("bare_numbers").numbers(scenario)} == drawn


def test_a_page_tells_what_is_missing_and_takes_ratios_within_a_round(benchmark: Any) -> None:
    tables = benchmark("tables")
    results = tables.Results(["- A machine"], rounds=2, missing=["Ciw"])
    results.agreement = {"chicago2006": {"SimPy by hand": [benchmark("agreement").Comparison("a", 1, 1, 0)]}}
    results.races = {"chicago2006": {"SimPy by hand": [900.0, 9000.0], "bare numbers": [9.0, 30.0]}}
    results.commands = {
        "--help": [{"processor": 0.1, "seconds": 0.2}],
        "sim.run()": [{"processor": 1.0}],
    }
    page = tables.page(results)
    assert "| `lupus-hsct --help` | 0.1 | 0.2 |" in page
    assert "| `sim.run()` | 1 |  |" in page
    assert "Ciw (`pip install -e '.[bench]'`)" in page
    assert "| bare numbers | 51,282,051 | 19.5 (9 to 30) | 200 (100 to 300) | 1 (1 to 1) |" in page
