"""Why scenarios differ from a reference, in a study of arms or beside a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from sim.commands.asked import parse_endpoint
from sim.commands.plan import StudyPlan
from sim.patient.fates import mean_patients
from sim.scenario.endpoints import Key, column
from sim.scenario.load import Loaded
from sim.scenario.problems import RequestError
from sim.scenario.study_answers import Explain
from sim.study.budget import Budget, Simulator
from sim.study.by_draw import told_by_twin
from sim.study.compare import obstacles, solved_otherwise
from sim.study.explain import explain, groups_of, mixtures, refuse_unread, who_dies
from sim.study.records import addressed
from sim.work.store import Stores
from sim.work.task import Progress, part

ENDPOINT = "treatment_related_mortality"
"""What is explained where nothing is named."""

_TABLES = ("explained", "interactions", "explained_patients")


def check(answer: Explain, plan: StudyPlan) -> None:
    """Refuse what can't be explained before anything is simulated."""
    checked(_sides(answer, plan), answer.endpoint, answer.groups)


def give(
    answer: Explain, plan: StudyPlan, stores: Stores, progress: Progress | None
) -> tuple[dict[str, pd.DataFrame | None], dict[str, Any]]:
    """Explain each arm's gap to the first."""
    sides = _sides(answer, plan)
    return explained(sides, answer.endpoint, answer.groups, plan.budget, stores, progress)


def combinations(answer: Explain, plan: StudyPlan) -> int:
    """Return how many scenarios it looks at."""
    first, *others = (each.scenario for each in _sides(answer, plan).values())
    return sum(2 ** len(groups_of(first, other, answer.groups)) for other in others)


def histories(answer: Explain, plan: StudyPlan) -> float:
    """Return how many histories it simulates; none where the exact twin tells."""
    scenarios = [each.scenario for each in _sides(answer, plan).values()]
    key = parse_endpoint(answer.endpoint, scenarios[0])
    if told_by_twin(scenarios, key, plan.budget):
        return 0.0
    return combinations(answer, plan) * plan.budget.replications * mean_patients(scenarios[0])


def _sides(answer: Explain, plan: StudyPlan) -> dict[str, Loaded]:
    """Return the arms, the first before the others that are asked for."""
    first = next(iter(plan.arms))
    return {name: each for name, each in plan.arms.items() if name == first or answer.arm in ("", name)}


def checked(sides: Mapping[str, Loaded], endpoint: str, groups: Mapping[str, Sequence[str]]) -> Key:
    """Return what is explained of some scenarios, the reference first.

    Raises
    ------
    RequestError
        Not all have the figure, or their parameters can't be parted so.
    """
    first, *others = (each.scenario for each in sides.values())
    key = parse_endpoint(endpoint, first)
    for name, other in zip([*sides][1:], others, strict=True):
        try:
            parse_endpoint(endpoint, other)
            refuse_unread(first, other, key)
            groups_of(first, other, groups)
        except RequestError as error:
            raise RequestError(f"{name}: {error}") from None
    return key


def explained(
    sides: Mapping[str, Loaded], endpoint: str, groups: Mapping[str, Sequence[str]], budget: Budget,
    stores: Stores, progress: Progress | None, trial: int = 1,
) -> tuple[dict[str, pd.DataFrame | None], dict[str, Any]]:  # fmt: skip
    """Explain the gap of each scenario to the first, at the values that they state: nothing is drawn.

    Parameters
    ----------
    trial
        Number of the virtual trial whose patients are named, where they can be paired.

    Returns
    -------
    tuple
        Tables, and what a manifest says of them.
    """
    key = checked(sides, endpoint, groups)
    (reference, base), *others = sides.items()
    budget = replace(budget, draws=None, precision=None, by=())
    found: dict[str, list[pd.DataFrame]] = {name: [] for name in _TABLES}
    told = []
    for number, (name, each) in enumerate(others, start=1):
        own = groups_of(base.scenario, each.scenario, groups)
        scenarios = mixtures(base.scenario, each.scenario, own)
        tell = part(f"explain {name}", progress)
        gap = explain(scenarios, own, key, budget, stores(f"explain-{number}"), tell)
        found["explained"].append(addressed(gap.table(), arm=name))
        found["interactions"].append(addressed(gap.pairs, arm=name))
        apart = obstacles(base.scenario, each.scenario, solved_otherwise(base, each))
        if own and not apart:
            engine: Simulator = (
                "simpy" if budget.engine == "simpy" else "arrays"
            )  # both give the same histories
            named = who_dies(scenarios, own, trial, budget.seed, engine)
            found["explained_patients"].append(addressed(named, arm=name))
        told.append(
            {"arm": name, "from": float(gap.figures[0]), "to": float(gap.figures[-1]), "gap": gap.gap,
             "error": float(gap.errors[0]), "exact": gap.exact, "unpaired_because": apart}
        )  # fmt: skip
    facts = {"endpoint": column(key), "reference": reference, "trial": trial, "arms": told}
    tables = {name: pd.concat(each, ignore_index=True) if each else None for name, each in found.items()}
    return {**tables}, {"explain": facts}
