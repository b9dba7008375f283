"""Answers of a study beside its points: some here, and each of the others in a module of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import pandas as pd

from sim.calibrate.point import solve_point
from sim.commands import explain, sensitivity
from sim.commands.asked import parse_endpoint, refuse_percent
from sim.commands.choices import (
    check_probability,
    check_value,
    give_probability,
    give_value,
    histories_of_further_trials,
)
from sim.commands.plan import StudyPlan
from sim.commands.solve import AskedThreshold
from sim.commands.trial_answers import check_power, evaluations_of_power, give_power, histories_of_power
from sim.patient.fates import mean_patients
from sim.scenario.endpoints import column
from sim.scenario.problems import RequestError
from sim.scenario.schema import Scenario
from sim.scenario.shipped import locate_posterior
from sim.scenario.study_answers import Capacity, Threshold, Tornado, ValueOfInformation
from sim.study.capacity import capacity, patients_in, refuse_no_clinic
from sim.study.crossing import GRID
from sim.study.posterior import read_posterior
from sim.study.sweep import grid
from sim.study.tornado import BETWEEN, Stated, stated_ranges, tornado
from sim.work.store import Stores
from sim.work.task import Progress, part

_STEPS, _SOLVED_IN = 4, 30
"""Evaluations in which a threshold is found in a draw, and a point solved again; about."""
MOST_VALUES = 16
"""At which a threshold is looked at by simulation."""

Found: TypeAlias = tuple[dict[str, pd.DataFrame | None], dict[str, Any]]
"""The tables of an answer, and what a manifest says of it."""


def _none(_answer: Any, _plan: StudyPlan) -> float:
    return 0.0


class Answerer(NamedTuple):
    """How one kind of answer is given.

    Attributes
    ----------
    check
        Refuses it before anything is simulated.
    give
        Finds it.
    histories
        How many histories it simulates, about or at most.
    evaluations
        About how often it asks the exact twin for a whole scenario, where no queue binds.
    """

    check: Callable[[Any, StudyPlan], object]
    give: Callable[[Any, StudyPlan, Stores, Progress | None], Found]
    histories: Callable[[Any, StudyPlan], float] = _none
    evaluations: Callable[[Any, StudyPlan], float] = _none


def with_answers(plan: StudyPlan) -> StudyPlan:
    """Return a plan as it is, if its answers can be given: refused before anything is simulated.

    Raises
    ------
    RequestError
        An answer names what there is not, or asks for what can't be.
    """
    for answer in plan.study.answer:
        try:
            _ANSWERS[answer.kind].check(answer, plan)
        except RequestError as error:
            said = str(error).removeprefix("--vary ").removeprefix("--")
            raise RequestError(f"{plan.where}: [[answer]] {answer.kind}: {said}") from None
    return plan


def histories_of(plan: StudyPlan) -> int:
    """Return how many histories the answers simulate, beside those of the points; of some at most."""
    return round(sum(_ANSWERS[answer.kind].histories(answer, plan) for answer in plan.study.answer))


def evaluations_of(plan: StudyPlan) -> float:
    """Return about how often the answers ask the exact twin for a whole scenario."""
    asked = plan.study.answer if plan.no_queue else ()
    return sum(_ANSWERS[answer.kind].evaluations(answer, plan) for answer in asked)


def answered(answer: Any, plan: StudyPlan, stores: Stores, progress: Progress | None) -> Found:
    """Answer one question of a study.

    Raises
    ------
    RequestError
        It can't be answered for this scenario.
    """
    return _ANSWERS[answer.kind].give(answer, plan, stores, progress)


def _check_tornado(answer: Tornado, plan: StudyPlan) -> None:
    parse_endpoint(answer.endpoint, plan.loaded.scenario)
    if answer.keys:
        _ranges(answer, plan)


def _tornado(answer: Tornado, plan: StudyPlan, stores: Stores, progress: Progress | None) -> Found:
    scenario = plan.loaded.scenario
    key = parse_endpoint(answer.endpoint, scenario)
    ranges, left = _ranges(answer, plan)
    one = replace(plan.budget, draws=None)
    tables = [
        tornado(scenario, key, ranges, one, _solved if version == "re-solved" else None,
                stores(f"tornado-{version}"), part(f"tornado, {version}", progress))
        for version in answer.versions
    ]  # fmt: skip
    table = pd.concat(tables, ignore_index=True)
    base = float(table["base"].dropna().iloc[0])
    told = {"tornado": {"endpoint": column(key), "base": base, "versions": list(answer.versions)}}
    return {"tornado": table, "left_out": left}, told


def _ranges(answer: Tornado, plan: StudyPlan) -> tuple[list[Stated], pd.DataFrame]:
    """Return the ranges of a tornado, and what is left out."""
    posterior = read_posterior(locate_posterior(plan.posterior))[0] if plan.posterior else None
    ranges, left = stated_ranges(plan.loaded.scenario, posterior, answer.keys)
    if not ranges:
        raise RequestError(
            "keys: no range is stated for any of them; lupus-hsct scenario schema tells which have"
        )
    return ranges, left


def _places(answer: Capacity) -> range:
    """Return the numbers of places that are looked at."""
    if answer.low >= answer.high:
        raise RequestError(f"low = {answer.low}, high = {answer.high}: low must lie below high")
    return range(answer.low, answer.high + 1)


def _check_capacity(answer: Capacity, plan: StudyPlan) -> None:
    key = parse_endpoint(answer.endpoint, plan.loaded.scenario)
    refuse_no_clinic(plan.loaded.scenario)
    refuse_percent(key, [answer.at_most], "at_most")
    _places(answer)
    if answer.over:
        grid(plan.loaded.scenario, answer.over)


def _capacity(answer: Capacity, plan: StudyPlan, stores: Stores, progress: Progress | None) -> Found:
    scenario = plan.loaded.scenario
    key = parse_endpoint(answer.endpoint, scenario)
    places = _places(answer)
    found, smallest = capacity(
        scenario, key, answer.at_most, answer.by, places, replace(plan.budget, draws=None), answer.over,
        stores("capacity"), part("capacity", progress),
    )  # fmt: skip
    told = {"endpoint": column(key), "at_most": answer.at_most, "by": answer.by, "over": answer.over}
    return {"capacity": found, "smallest": smallest}, {"capacity": told}


def _asked(answer: Threshold, plan: StudyPlan) -> AskedThreshold:
    between = "" if answer.low is None or answer.high is None else f"={answer.low!r}:{answer.high!r}"
    arm = answer.arm or next(iter(plan.arms))
    asked = AskedThreshold.of(
        plan.arms[arm], {answer.endpoint: 0.5 if answer.equals is None else answer.equals},
        f"{answer.by}{between}", answer.over, answer.count or None,
    )  # fmt: skip
    return asked.as_in(plan.arms[answer.as_in], (arm, answer.as_in)) if answer.as_in else asked


def _threshold(answer: Threshold, plan: StudyPlan, stores: Stores, progress: Progress | None) -> Found:
    asked = _asked(answer, plan)
    found, line = asked.answer(plan.budget, stores, part("threshold", progress))
    return {"thresholds": found, "line": line}, {"threshold": asked.stored}


def _solved(scenario: Scenario) -> Scenario:
    """Return a scenario in which its targets are met again."""
    return solve_point(scenario).scenario


def _tornado_histories(_answer: Tornado, plan: StudyPlan) -> float:
    return 0.0 if plan.no_queue else _tornado_points(plan) * _a_point(plan)


def _tornado_evaluations(answer: Tornado, plan: StudyPlan) -> float:
    again = 2 * _SOLVED_IN * len(stated_ranges(plan.loaded.scenario)[0]) * ("re-solved" in answer.versions)
    return _tornado_points(plan) + again


def _tornado_points(plan: StudyPlan) -> int:
    return len(BETWEEN) * len(stated_ranges(plan.loaded.scenario)[0])


def _capacity_histories(answer: Capacity, plan: StudyPlan) -> float:
    places = range(answer.low, answer.high + 1)
    clinics = patients_in(plan.loaded.scenario, answer.by, places, answer.over, plan.budget.seed)
    return plan.budget.replications * clinics


def _threshold_histories(answer: Threshold, plan: StudyPlan) -> float:
    values = MOST_VALUES * math.prod(map(len, answer.over.values()))
    return 0.0 if plan.no_queue else values * _a_point(plan)


def _threshold_evaluations(answer: Threshold, plan: StudyPlan) -> float:
    each = GRID + _STEPS * (plan.draws + 1)
    return each * math.prod(map(len, answer.over.values()))


def _a_point(plan: StudyPlan) -> float:
    """Return how many histories one point of an answer without draws has."""
    return plan.budget.replications * mean_patients(plan.loaded.scenario)


def _choice_histories(_answer: Any, plan: StudyPlan) -> float:
    return 0.0 if plan.by_twin else plan.draws * len(plan.arms) * _a_point(plan)


def _value_histories(answer: ValueOfInformation, plan: StudyPlan) -> float:
    return _choice_histories(answer, plan) + histories_of_further_trials(answer, plan)


def _choice_evaluations(_answer: Any, plan: StudyPlan) -> float:
    return len(plan.arms) * plan.draws if plan.by_twin else 0.0


_ANSWERS: Mapping[str, Answerer] = {
    "threshold": Answerer(_asked, _threshold, _threshold_histories, _threshold_evaluations),
    "tornado": Answerer(_check_tornado, _tornado, _tornado_histories, _tornado_evaluations),
    "capacity": Answerer(_check_capacity, _capacity, _capacity_histories),
    "sensitivity": Answerer(
        sensitivity.check, sensitivity.give, sensitivity.histories_of, sensitivity.evaluations_of
    ),
    "explain": Answerer(explain.check, explain.give, explain.histories, explain.combinations),
    "probability": Answerer(check_probability, give_probability, _choice_histories, _choice_evaluations),
    "value_of_information": Answerer(check_value, give_value, _value_histories, _choice_evaluations),
    "power": Answerer(check_power, give_power, histories_of_power, evaluations_of_power),
}
