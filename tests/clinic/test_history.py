"""The record of what happened, apart from how it came about."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sim.clinic.history import History, columns_of
from sim.scenario.schema import Scenario


def test_a_replication_alone_is_its_column(
    scenario_of: Callable[..., Scenario], play: Callable[..., History]
) -> None:
    history = play(scenario_of({"cohort.patients": 7}), range(3))
    alone = history.only(slice(2, 3))
    for name in columns_of(history):
        column = getattr(history, name)[:, 2:]
        np.testing.assert_array_equal(getattr(alone, name), column)
        assert not np.shares_memory(getattr(alone, name), getattr(history, name))
    assert np.any(history.enrolled[:, 2] != history.enrolled[:, 0])
