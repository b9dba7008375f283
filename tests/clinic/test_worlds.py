"""Two worlds that differ in something that does not concern a patient give that patient the same history."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from estimating import read_endpoints

from sim.clinic.history import History, columns_of
from sim.patient.fates import NEVER
from sim.scenario.schema import Scenario

MakeScenario = Callable[..., Scenario]
Play = Callable[..., History]

POISSON = {"arrivals.pattern": "poisson", "arrivals.per_year": 80, "arrivals.years": 0.5}
QUEUES = {"clinic.isolation_rooms": 2, "clinic.apheresis_slots": 1}
# Every stream of luck is in use.
BUSY = {
    "transplant.delay_days": {"dist": "exponential", "mean": 30},
    "immunoablation.duration_days": {"dist": "lognormal", "mean": 5, "sd": 1},
    "clinic.room_turnaround_days": {"dist": "exponential", "mean": 1},
    "response.non_response": 0.1,
    "background.extra_per_year.remission": 0.01,
    "background.extra_per_year.relapsed": 0.02,
    "after_relapse.remission_per_year": 0.1,
}


def assert_same(one: History, other: History, patients: int | None = None) -> None:
    """Compare histories bit by bit, of all patients or of the first ones."""
    for name in columns_of(one):
        np.testing.assert_array_equal(
            getattr(one, name)[:patients], getattr(other, name)[:patients], err_msg=name
        )


def differing(one: History, other: History) -> set[str]:
    return {
        name
        for name in columns_of(one)
        if not np.array_equal(a := getattr(one, name), getattr(other, name), equal_nan=a.dtype.kind == "f")
    }


def test_one_more_patient_changes_nobody_elses_history(scenario_of: MakeScenario, play: Play) -> None:
    fewer, more = (scenario_of(BUSY, {"cohort.patients": n}) for n in (40, 41))
    assert_same(play(fewer, range(20)), play(more, range(20)), patients=40)


def test_one_more_arrival_queues_behind_the_others(scenario_of: MakeScenario, play: Play) -> None:
    # With queues, who came later can't change who came before: here, the last patient by far.
    scenario = {**QUEUES, **BUSY, "arrivals.window_days": 100}
    fewer, more = (play(scenario_of(scenario, {"cohort.patients": n}), range(20)) for n in (40, 41))
    newest = more.enrolled[40]
    for replication in range(20):
        before = fewer.waiting[:, replication] < newest[replication]
        np.testing.assert_array_equal(
            fewer.immunoablation[before, replication], more.immunoablation[:40][before, replication]
        )


@pytest.mark.parametrize("queues", [{}, QUEUES], ids=["unlimited", "queues"])
@pytest.mark.parametrize("arrivals", [{}, POISSON], ids=["trial", "poisson"])
@pytest.mark.parametrize(("alone", "batch"), [(5, range(256)), (300, range(290, 310))])
def test_a_replication_alone_is_the_same_as_in_a_batch(
    scenario_of: MakeScenario, play: Play, queues: Any, arrivals: Any, alone: int, batch: range
) -> None:
    scenario = scenario_of(BUSY, queues, arrivals)
    batch = batch if len(batch) < 100 else range(16)
    single, many = play(scenario, range(alone, alone + 1)), play(scenario, batch)
    column, patients = batch.index(alone), single.death.shape[0]
    for name in columns_of(single):
        array = getattr(many, name)
        np.testing.assert_array_equal(getattr(single, name)[:, 0], array[:patients, column], err_msg=name)
    assert np.all(many.enrolled[patients:, column] == NEVER)

    one, all_of_them = read_endpoints(single, scenario), read_endpoints(many, scenario)
    assert one.keys() == all_of_them.keys()
    for key, reading in one.items():
        for part in ("total", "size", "trial"):
            np.testing.assert_array_equal(
                getattr(reading, part)[0], getattr(all_of_them[key], part)[column], err_msg=f"{key} {part}"
            )


@pytest.mark.parametrize(
    ("change", "touched"),
    [
        ({"recovery.postponement.after_infection": 1.0}, set()),
        ({"after_relapse.multiplier": 1.4}, {"death", "cause"}),
        ({"after_relapse.remission_per_year": 0.2}, {"death", "cause"}),
        ({"clinic.room_turnaround_days": {"dist": "exponential", "mean": 9}}, {"turnaround_days"}),
        ({"background.extra_per_year.remission": 0.02}, {"death", "cause", "relapse", "home"}),
        ({"follow_up.data_cut_days": 2862}, {"follow_up_end", "death", "cause", "relapse"}),
    ],
)
def test_what_changes_is_what_the_change_concerns(
    scenario_of: MakeScenario, play: Play, change: dict[str, Any], touched: set[str]
) -> None:
    before, after = play(scenario_of(BUSY), range(40)), play(scenario_of(BUSY, change), range(40))
    assert differing(before, after) <= touched


def test_an_additional_stream_changes_nobody(scenario_of: MakeScenario, play: Play) -> None:
    # The hazard draws its budget, and is far too small to kill anybody.
    streams = {
        "background.extra_per_year.remission": 1e-12,
        "response.non_response": 1e-12,
        "after_relapse.remission_per_year": 1e-12,
    }
    plain, more = play(scenario_of(), range(40)), play(scenario_of(streams), range(40))
    assert_same(plain, more)


def test_the_seed_changes_everybody(scenario_of: MakeScenario, play: Play) -> None:
    one, other = (play(scenario_of(), range(2), seed=seed) for seed in (1, 2))
    assert not np.any(one.enrolled == other.enrolled)
    assert not np.any(one.age == other.age)


_DIGEST = """
from hashlib import sha256
from sim.clinic.history import columns_of
from sim.clinic.pathway import simulate
from sim.patient.fates import draw_fates
from sim.patient.luck import Luck
from sim.scenario.schema import Scenario
scenario = Scenario.model_validate_json({scenario!r})
history = simulate(scenario, draw_fates(scenario, Luck(1), range(8)))
digest = sha256()
for name in columns_of(history):
    digest.update(getattr(history, name).tobytes())
print(digest.hexdigest())
"""


def test_histories_do_not_depend_on_the_hash_seed(scenario_of: MakeScenario) -> None:
    code = _DIGEST.format(scenario=scenario_of(BUSY, QUEUES, POISSON).model_dump_json(exclude_none=True))
    digests = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed},
            check=True, capture_output=True, text=True, timeout=60,
        ).stdout
        for seed in ("0", "1")
    }  # fmt: skip
    assert len(digests) == 1
    assert len(digests.pop().strip()) == 64
