"""A study of some scenarios against a reference, patient by patient under the same luck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import pandas as pd

from sim.commands.asked import AnyScenario, Effort, about, effort_of, facts_of, loaded_from
from sim.commands.study import Made, Progress, Stores, Study, part, write
from sim.scenario.inherit import Overrides
from sim.scenario.load import Loaded
from sim.scenario.problems import RequestError
from sim.show.comparison import Averted, number_needed
from sim.study.budget import Budget
from sim.study.compare import Compared, obstacles, warn_of_unpaired
from sim.study.compare import compare as compare_scenarios
from sim.study.load import warn_of_scenarios
from sim.study.montecarlo import choose_simulator, warn_of_few_replications
from sim.study.named_patients import NamedPatients, name_patients
from sim.study.pairing import FATES_CHANGED
from sim.study.records import paired_courses
from sim.study.request import request_for
from sim.work.results import Results


def compare(
    reference: AnyScenario,
    *others: AnyScenario,
    set: Overrides = (),  # noqa: A002 (the option's name)
    trial: int = 1,
    **how: Unpack[Effort],
) -> Results:
    """Compare scenarios with a reference, each endpoint and each patient, under the same luck.

    Parameters
    ----------
    reference, others
        Shipped names, paths, or what `load_scenario` and `with_values` return.
    set
        Changes of all of them: values by key.
    trial
        Number of the virtual trial whose patients are named, from 1.
    how
        See `Effort`.

    Returns
    -------
    Results
        With ``comparison``, ``deaths_averted``, and where patients can be paired ``changed_fates`` and
        ``named_patients``.

    Raises
    ------
    RequestError
        Something asked for is wrong; the message says what is allowed.
    """
    loaded = _named_apart([loaded_from(each, set) for each in (reference, *others)])
    first = next(iter(loaded.values()))
    budget = effort_of(how, first.scenario)
    if not 1 <= trial <= budget.replications:
        raise RequestError(
            f"--trial: {trial} given; allowed: one of the {budget.replications} replications, counted from 1"
        )
    if budget.draws is not None:
        for each in loaded.values():
            budget.draws.require(each)
    pair = _Compared(loaded, budget, trial)
    request = request_for("compare", list(loaded.values()), budget, trial=trial)
    return write(Study("compare", f"{first.name}-compare", request, pair.make, pair.warn), how)


def _named_apart(loaded: Sequence[Loaded]) -> dict[str, Loaded]:
    """Name the scenarios; the second of one name is numbered, so that rows can be told apart."""
    named: dict[str, Loaded] = {}
    for each in loaded:
        name, number = each.name, 1
        while name in named:
            number += 1
            name = f"{each.name} ({number})"
        named[name] = each
    return named


class _Compared:
    """One comparison: the scenarios by name, the reference first."""

    def __init__(self, loaded: Mapping[str, Loaded], budget: Budget, trial: int) -> None:
        self._loaded, self._budget, self._trial = loaded, budget, trial
        self._scenarios = {name: each.scenario for name, each in loaded.items()}
        self._reference, *self._others = loaded

    def make(self, _folder: Path, stores: Stores, progress: Progress | None) -> Made:
        """Simulate, and name the patients of one trial."""
        draws, name = self._budget.draws, self._reference
        held = {} if draws is None else {key: draws.held_in(each) for key, each in self._loaded.items()}
        found = compare_scenarios(
            (name, self._scenarios[name]),
            {other: self._scenarios[other] for other in self._others},
            self._budget,
            part(name, progress),
            stores("compare"),
            held,
        )
        named = self._named(held)
        return Made(self._facts(found), _tables(found, named), lines=self._courses(named))

    def _named(self, held: Mapping[str, Sequence[str]]) -> dict[str, NamedPatients]:
        """Name the patients of one trial as it was simulated: under draws of a posterior, under the first."""
        draws = self._budget.draws
        played = {
            name: each if draws is None else draws.first(each, held[name])
            for name, each in self._scenarios.items()
        }
        simulator, _ = choose_simulator([*self._scenarios.values()], self._budget)
        return {
            name: name_patients(
                played[self._reference], played[name], self._trial, self._budget.seed, simulator
            )
            for name in self._others
            if not self._obstacles(name)
        }

    def _obstacles(self, name: str) -> list[str]:
        return obstacles(self._scenarios[self._reference], self._scenarios[name])

    def _courses(self, named: Mapping[str, NamedPatients]) -> dict[str, pd.DataFrame]:
        """Return the courses of those whose fates change, who lives or dies instead first."""
        tables = []
        for name, each in named.items():
            whose = [number - 1 for change in FATES_CHANGED for number in each.of(change)]
            arms = list(zip((self._reference, name), each.histories, strict=True))
            if whose:
                tables.append(paired_courses(name, arms, whose))
        return {"swimmer": pd.concat(tables, ignore_index=True)} if tables else {}

    def _facts(self, found: Compared) -> dict[str, Any]:
        budget = self._budget
        return {
            "reference": self._reference,
            "trial": self._trial,
            **facts_of(budget, found.replications),
            "scenarios": [
                {
                    **about(each, budget.draws),
                    "scenario": name,
                    "unpaired_because": self._obstacles(name),
                    "first_decided": found.first_decided.get(name),
                    "result_hash": found.result_hashes[name],
                }
                for name, each in self._loaded.items()
            ],
        }

    def warn(self, _results: Results) -> None:
        """Warn of few replications, of scenarios, and of what draws do not replace."""
        # Of what single trials can't report nothing is shown here.
        warn_of_few_replications(self._budget.total)
        warn_of_scenarios(self._scenarios.values(), self._budget.seed)
        first, *others = self._scenarios.items()
        warn_of_unpaired(first, dict(others))
        if self._budget.draws is not None:
            for each in self._loaded.values():
                self._budget.draws.warn_of_held(each)


def _tables(found: Compared, named: Mapping[str, NamedPatients]) -> dict[str, pd.DataFrame | None]:
    """Return the tables; a range, or names, only where there are any."""
    averted = found.averted.copy()
    averted["number_needed"] = [number_needed(Averted.of(row)) for row in averted.to_dict("records")]
    listed = [each.table.assign(scenario=name) for name, each in named.items()]
    patients = pd.concat(listed, ignore_index=True) if listed else None
    if patients is not None:
        patients.insert(0, "scenario", patients.pop("scenario"))
    return {
        "comparison": found.comparison,
        "deaths_averted": averted,
        "range": found.ranges if len(found.ranges) else None,
        "changed_fates": found.changed if len(found.changed) else None,
        "named_patients": patients,
    }
