"""Observed values as a distribution: a step function of luck, whatever the order in the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.patient.fates import draw_fates
from sim.patient.luck import Luck
from sim.patient.quantiles import draw, uniforms
from sim.patient.streams import Stream
from sim.scenario.describe import show_rows
from sim.scenario.distributions import MOST_VALUES, Empirical
from sim.scenario.load import load
from sim.scenario.problems import RequestError

KEY = "recovery.duration_days"


def empirical(*values: float, **bounds: float) -> Empirical:
    return Empirical(dist="empirical", values=values, **bounds)


def test_each_value_has_its_step() -> None:
    law = empirical(7, 3, 9, 3)
    edges = np.array([0, 1, 2, 3]) / 4
    np.testing.assert_array_equal(law.quantile(edges), [3, 3, 7, 9])
    np.testing.assert_array_equal(law.quantile(np.nextafter(edges[1:], 0)), [3, 3, 7])
    np.testing.assert_array_equal(law.cdf(np.array([2.9, 3, 7, 8.9, 9])), [0, 0.5, 0.75, 0.75, 1])


def test_the_last_lane_draws_the_greatest() -> None:
    values = tuple(range(MOST_VALUES))
    ends = np.array([0, 2**32 - 1], dtype=np.uint32)
    np.testing.assert_array_equal(draw(empirical(*values), ends), [0, MOST_VALUES - 1])


def test_one_uniform_of_its_stream_decides() -> None:
    law = {"dist": "empirical", "values": [20, 25, 31, 31, 40]}
    scenario = load("chicago2006", {KEY: law, "recovery.postponement.probability": 0,
                                    "recovery.postponement.after_infection": 0}).scenario  # fmt: skip
    luck, some = Luck(3), range(256)
    lanes = luck.lanes(Stream.RECOVERY_DURATION, range(50), some, 0)
    told = np.array(law["values"])[(uniforms(lanes) * 5).astype(int)]
    np.testing.assert_array_equal(draw_fates(scenario, luck, some).recovery_days, told)


def test_between_bounds_the_others_are_left_out() -> None:
    u = (np.arange(60) + 0.5) / 60
    bounded = empirical(1, 4, 4, 6, 30, low=2, high=6)
    np.testing.assert_array_equal(bounded.quantile(u), empirical(4, 4, 6).quantile(u))
    assert bounded.bounds == ()


def test_the_order_in_the_file_changes_nothing() -> None:
    orders = [1, 2, 2], [2, 1, 2]
    one, other = (load("chicago2006", {KEY: {"dist": "empirical", "values": each}}) for each in orders)
    assert one.scenario_hash == other.scenario_hash


@pytest.mark.parametrize(
    ("law", "told"),
    [
        ("values = []", "there are 0 values"),
        ('values = [1, "two"]', 'number 2 of the values is "two"'),
        ("values = [1, -2]", "number 2 of the values is -2"),
        ("values = [1, nan]", "number 2 of the values is nan"),
        ("values = [1, 2e9]", "number 2 of the values is 2000000000"),
        ("values = [true]", "number 1 of the values"),
        ("values = 3", "a list of numbers"),
        ("mean = 3", "values is missing"),
        ("values = [1, 2], low = 3", "none of the values lies between"),
        (f"values = {[1] * (MOST_VALUES + 1)}", "10,001"),
    ],
)
def test_one_message_says_what_is_wrong(law: str, told: str) -> None:
    with pytest.raises(RequestError, match=r"recovery\.duration_days|a table or list") as error:
        load("chicago2006", [f'{KEY} = {{ dist = "empirical", {law} }}'])
    assert told in str(error.value)


def test_many_lines_of_values_are_read(tmp_path: Path) -> None:
    lines = ",\n".join(", ".join(map(str, range(at, at + 20))) for at in range(MOST_VALUES - 20, -1, -20))
    path = tmp_path / "own.toml"
    path.write_text(f'kind = "scenario"\nbase = "chicago2006"\ntitle = "t"\n{KEY} = '
                    f'{{ dist = "empirical", values = [\n{lines}\n] }}\n')  # fmt: skip
    loaded = load(str(path))
    assert not loaded.scenario.changed
    row: dict[str, Any] = next(row for row in show_rows(loaded) if row["key"] == KEY)
    assert len(row["value"]["values"]) == MOST_VALUES
