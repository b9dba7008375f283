"""Answers of a study beside its points: thresholds, tornadoes, capacities."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sim.commands.plan import StudyPlan
from sim.scenario.problems import RequestError
from sim.work.task import Progress


def answered(
    answer: Any, plan: StudyPlan, progress: Progress | None
) -> tuple[dict[str, pd.DataFrame | None], dict[str, Any]]:
    """Return the tables of an answer, and what a manifest says of it.

    Raises
    ------
    RequestError
        It can't be given for this scenario.
    """
    raise RequestError(f'[[answer]]: kind = "{answer.kind}" is not there yet')
