"""The twin of many parameter sets in one call says what it says of each alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sim.outcomes.twin import parameter_sets
from sim.outcomes.twin.expected import expected, expected_many
from sim.outcomes.twin.parameter_sets import AS_ARRAYS, ParameterSets, batches
from sim.scenario.problems import RequestError
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value, with_values

REGISTRY = {"cohort.enters_at": "immunoablation"}
TOGETHER: list[dict[str, Any]] = [{key: 0.31} for key in AS_ARRAYS]
APART: list[dict[str, Any]] = [
    {},
    {"relapse.start_day": 20.0},
    {"aplasia.duration_days.mean": 12.0},
    {"recovery.duration_days.mean": 40.0},
    {"background.standardised_mortality_ratio": 4.0},
    {"cohort.age_years": 50.0},
    {"immunoablation.toxicity_per_day": 0.0},
    {"aplasia.infection.hazard_per_day": 0.8},
    {"active_disease.hazard_per_year": 300.0},
    {"follow_up.horizon_years": 2.5, "late_infection.until_day": 1000.0},
    {"follow_up.data_cut_days": "none", "arrivals": {"pattern": "poisson"}},
    {"cohort.enters_at": "home"},
    REGISTRY,
    {**REGISTRY, "arrivals.power": 3.0},
    {**REGISTRY, "relapse.shape": 0.8},
]


@pytest.fixture
def sets(scenario_of: Callable[..., Scenario]) -> list[Scenario]:
    """Sets of every kind, so mixed that no two neighbours are taken together."""
    base = scenario_of()
    changes = TOGETHER + [{"cohort.enters_at": "home", **change} for change in TOGETHER[2:3]] + APART
    mixed = np.random.default_rng(1).permutation(len(changes))
    return [with_values(base, changes[number]) for number in mixed]


def test_equals_single_calls(sets: list[Scenario]) -> None:
    together = expected_many(sets)
    for number, scenario in enumerate(sets):
        alone = expected(scenario)
        assert {key for key, values in together.items() if not np.isnan(values[number])} == set(alone)
        for key, value in alone.items():
            assert together[key][number] == pytest.approx(value, rel=1e-12, abs=1e-15), key


def test_equals_single_calls_across_blocks(
    scenario_of: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parameter_sets, "_BLOCK", 3)
    shapes = np.linspace(0.5, 2.0, 7)
    sets = [scenario_of({"relapse.shape": float(shape)}) for shape in shapes]
    assert [len(numbers) for numbers, _ in batches(sets)] == [3, 3, 1]
    found = expected_many(sets)["disease_free_survival", 1.0]
    assert found == pytest.approx([expected(each)["disease_free_survival", 1.0] for each in sets], rel=1e-12)
    assert np.unique(found).size == len(sets)


def test_alike_but_for_arrays_is_one_batch(scenario_of: Callable[..., Scenario]) -> None:
    base = scenario_of()
    alike = [with_values(base, {key: get_value(base, key) * 0.9}) for key in AS_ARRAYS]
    (whole,) = batches([base, *alike])
    assert whole[0] == list(range(len(AS_ARRAYS) + 1))


def test_no_set_is_no_answer() -> None:
    assert expected_many([]) == {}


def test_refuses_a_queue_in_any_set(scenario_of: Callable[..., Scenario]) -> None:
    with pytest.raises(RequestError, match=r"clinic\.isolation_rooms is 2"):
        expected_many([scenario_of(), scenario_of({"clinic.isolation_rooms": 2})])


def test_what_is_shared_has_no_column(scenario_of: Callable[..., Scenario]) -> None:
    with pytest.raises(KeyError, match=r"relapse\.start_day"):
        ParameterSets([scenario_of()]).column("relapse.start_day")
