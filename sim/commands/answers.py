"""Answers of a study beside its points: thresholds, tornadoes, capacities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import pandas as pd

from sim.commands.plan import StudyPlan
from sim.commands.solve import AskedThreshold
from sim.scenario.problems import RequestError
from sim.scenario.study_file import Threshold
from sim.work.task import Progress, part

_Made: TypeAlias = tuple[dict[str, pd.DataFrame | None], dict[str, Any]]


def answered(answer: Any, plan: StudyPlan, progress: Progress | None) -> _Made:
    """Return the tables of an answer, and what a manifest says of it.

    Raises
    ------
    RequestError
        It can't be given for this scenario.
    """
    if answer.kind in _MADE:
        return _MADE[answer.kind](answer, plan, progress)
    raise RequestError(f'[[answer]]: kind = "{answer.kind}" is not there yet')


def _threshold(answer: Threshold, plan: StudyPlan, progress: Progress | None) -> _Made:
    """Solve for a threshold in the first scenario."""
    between = "" if answer.low is None or answer.high is None else f"={answer.low!r}:{answer.high!r}"
    asked = AskedThreshold.of(
        plan.loaded, {answer.endpoint: answer.equals}, f"{answer.by}{between}", answer.over,
        answer.count or None,
    )  # fmt: skip
    thresholds, line = asked.answer(plan.budget, None, part("solving", progress))
    return {"thresholds": thresholds, "line": line}, {"threshold": asked.stored}


_MADE: Mapping[str, Callable[[Any, StudyPlan, Progress | None], _Made]] = {"threshold": _threshold}
