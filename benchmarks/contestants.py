"""What is raced: each contestant does so many units of its work and says how many patients that were."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from bare_numbers import Bare
from plain_simpy import Trial, TrialWithResources
from yardstick import Numbers

from sim.clinic import arrays, pathway
from sim.clinic.history import History
from sim.outcomes.endpoints import read_endpoints
from sim.patient.fates import draw_fates
from sim.patient.luck import BLOCK, Luck
from sim.scenario.schema import Scenario
from sim.study.montecarlo import chunks

Work: TypeAlias = Callable[[int], int]

SIMPY_BY_HAND = "SimPy by hand"
WITH_RESOURCES = "SimPy by hand, unlimited stations as resources"
PATHWAY = "this pathway in SimPy"
HISTORIES = "arrays, histories"
ENDPOINTS = "arrays, histories and every endpoint"
BARE = "bare numbers"
LIBRARIES = {"Ciw": "with_ciw", "salabim": "with_salabim"}
"""Simulation libraries that only the benchmarks need, and the modules that use them."""

INSTALL = "pip install -e '.[bench]'"


@dataclass(frozen=True, slots=True)
class Contestant:
    """A name and its work: units in, patients out; the same units every time."""

    name: str
    work: Work


def missing() -> list[str]:
    """Return the libraries that are not installed."""
    return [name for name, module in LIBRARIES.items() if _module(module) is None]


def libraries() -> dict[str, Any]:
    """Return the trial of each library that is installed."""
    modules = {name: _module(module) for name, module in LIBRARIES.items()}
    return {name: module.Trial for name, module in modules.items() if module is not None}


def contestants(scenario: Scenario) -> list[Contestant]:
    """Return who races on a scenario, the yardstick first."""
    numbers = Numbers(scenario)
    by_hand = {SIMPY_BY_HAND: Trial}
    if numbers.slots is None or numbers.rooms is None:
        by_hand[WITH_RESOURCES] = TrialWithResources
    trials = {**by_hand, **libraries()}
    return [
        *(Contestant(name, _trials(trial, numbers)) for name, trial in trials.items()),
        Contestant(PATHWAY, _pieces(scenario, lambda fates: pathway.simulate(scenario, fates))),
        Contestant(HISTORIES, histories(scenario)),
        Contestant(ENDPOINTS, histories_and_endpoints(scenario)),
        Contestant(BARE, Bare(scenario).tiles),
    ]


def histories(scenario: Scenario) -> Work:
    """Return the array simulator's work, fates included."""
    return _pieces(scenario, lambda fates: arrays.simulate(scenario, fates))


def histories_and_endpoints(scenario: Scenario) -> Work:
    """Return the array simulator's work, fates and endpoints included."""

    def simulate(fates: Any) -> History:
        history = arrays.simulate(scenario, fates)
        read_endpoints(history, scenario)
        return history

    return _pieces(scenario, simulate)


def _pieces(scenario: Scenario, simulate: Callable[[Any], History]) -> Work:
    """Return work of which a unit is one piece of a study, in the size that studies take."""

    def work(units: int) -> int:
        luck, patients = Luck(1), 0
        for piece in itertools.islice(_study(scenario), units):
            history = simulate(draw_fates(scenario, luck, piece))
            patients += int(np.count_nonzero(np.isfinite(history.enrolled)))
        return patients

    return work


def _study(scenario: Scenario) -> Iterator[range]:
    for block in itertools.count():
        yield from chunks(scenario, range(BLOCK * block, BLOCK * (block + 1)))


def _trials(trial: Any, numbers: Numbers) -> Work:
    return lambda units: sum(trial(numbers, seed).run().patients for seed in range(units))


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name in {library.lower() for library in LIBRARIES}:
            return None
        raise
