"""What is raced: each contestant does so many units of its work and says how many patients that were."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from bare_numbers import Bare
from plain_simpy import LeanTrial, Trial
from yardstick import Numbers

from sim.clinic import pathway
from sim.clinic.history import History
from sim.outcomes.endpoints import Sums, View
from sim.outcomes.occupancy import is_limited
from sim.patient.fates import draw_fates
from sim.patient.luck import BLOCK, Luck
from sim.patient.memory import keep_freed_memory
from sim.scenario.endpoints import keys
from sim.scenario.schema import DAYS_PER_YEAR, Scenario, TrialArrivals
from sim.study.chunks import histories as simulated
from sim.study.chunks import play
from sim.study.experiment import ROWS, Experiment

Work: TypeAlias = Callable[[int], int]

SIMPY_BY_HAND = "SimPy by hand"
LEAN = "SimPy by hand, lean"
PATHWAY = "this pathway in SimPy"
HISTORIES = "arrays, histories"
ENDPOINTS = "arrays, histories and every endpoint"
STUDY = "arrays, a whole study"
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
    trials = {SIMPY_BY_HAND: Trial, LEAN: LeanTrial, **libraries()}
    return [
        *(Contestant(name, _trials(trial, numbers)) for name, trial in trials.items()),
        Contestant(PATHWAY, _pieces(scenario, lambda fates: pathway.simulate(scenario, fates))),
        Contestant(HISTORIES, histories(scenario)),
        Contestant(ENDPOINTS, histories_and_endpoints(scenario)),
        Contestant(STUDY, study(scenario)),
        Contestant(BARE, Bare(scenario).tiles),
    ]


def histories(scenario: Scenario) -> Work:
    """Return the array simulator's work, fates included."""
    return _tiles(scenario, endpoints=False)


def histories_and_endpoints(scenario: Scenario) -> Work:
    """Return the array simulator's work, fates and endpoints included."""

    return _tiles(scenario, endpoints=True)


def study(scenario: Scenario) -> Work:
    """Return the work of a study beyond its first replications: sums, curves and hashes included."""
    experiment = Experiment((scenario,), 1, "arrays")
    first = -(-ROWS // BLOCK) * BLOCK

    def work(units: int) -> int:
        chunk = range(first, first + 4 * BLOCK * units)
        result = play(experiment, chunk)
        row = [name for name, _ in keys(scenario.follow_up.horizon_years)].index("overall_survival_enrolled")
        return round(float(result["0.sums"][:, row, 2].sum() * _arrivals_per_enrolled(scenario)))

    return work


def _arrivals_per_enrolled(scenario: Scenario) -> float:
    """Return how many arrive for each who does after the warm-up."""
    arrivals = scenario.arrivals
    if isinstance(arrivals, TrialArrivals):
        return 1.0
    return 1 + arrivals.warm_up_days / (arrivals.years * DAYS_PER_YEAR)


def _tiles(scenario: Scenario, *, endpoints: bool) -> Work:
    """Return work of which a unit is one piece of a study, as studies go through it."""
    whole = is_limited(scenario)

    def work(units: int) -> int:
        keep_freed_memory()
        luck, patients = Luck(1), 0
        for piece in itertools.islice(_study(scenario), units):
            sums = Sums()
            for history in simulated(scenario, luck, piece, "arrays", whole=whole):
                patients += int(np.count_nonzero(history.present))
                if endpoints:
                    sums.add(View(history, scenario))
            if endpoints:
                sums.readings(scenario)
        return patients

    return work


def _pieces(scenario: Scenario, simulate: Callable[[Any], History]) -> Work:
    """Return work of which a unit is one piece of a study, in the size that studies take."""

    def work(units: int) -> int:
        keep_freed_memory()
        luck, patients = Luck(1), 0
        for piece in itertools.islice(_study(scenario), units):
            history = simulate(draw_fates(scenario, luck, piece))
            patients += int(np.count_nonzero(np.isfinite(history.enrolled)))
        return patients

    return work


def _study(scenario: Scenario) -> Iterator[range]:
    experiment = Experiment((scenario,), 1, "arrays")
    for chunk in itertools.count():
        replications = range(4 * BLOCK * chunk, 4 * BLOCK * (chunk + 1))
        yield from experiment.pieces(scenario, replications, whole=is_limited(scenario))


def _trials(trial: Any, numbers: Numbers) -> Work:
    return lambda units: sum(trial(numbers, seed).run().patients for seed in range(units))


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name in {library.lower() for library in LIBRARIES}:
            return None
        raise
