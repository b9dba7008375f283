"""Each numeric parameter, moved alone, moves twin and simulation alike: none is forgotten in either.

The parameters come from the registry, so a new one is tried without being named here; if it acts on nothing
that the twin knows, or too little to be seen, the tests say so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from sim.clinic.arrays import simulate_tiles
from sim.outcomes.endpoints import Sums, View
from sim.outcomes.twin.expected import expected, expected_all
from sim.patient.fates import draw_fates
from sim.patient.luck import Luck
from sim.scenario.endpoints import Key
from sim.scenario.problems import RequestError
from sim.scenario.registry import Parameter, parameters
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value, with_values

REPLICATIONS = 2000
Z = 5.0
"""Of some 4,000 comparisons none is this far off in 99.7 of 100 worlds; moves are seen at twice as much."""

# Much happens to everybody within two years, so that every parameter has something to act on.
EVENTFUL: dict[str, Any] = {
    "title": "eventful",
    "cohort.age_years": {"dist": "lognormal", "median": 60, "sigma": 0.2, "low": 35.5, "high": 75.25},
    "cohort.female": 0.5,
    "arrivals": {"pattern": "trial", "window_days": 200.0, "power": 1.5},
    "follow_up": {"horizon_years": 2.0, "data_cut_days": 400.0},
    "transplant": {"delay_days": 60, "waiting_multiplier": 0.5},
    "mobilisation.duration_days": {"dist": "lognormal", "mean": 11, "sd": 5, "low": 4},
    "mobilisation.infection": {"hazard_per_day": 0.1, "case_fatality": 0.4, "days_to_death": 7.0},
    "harvest.yield_million_per_kg": {"dist": "lognormal", "mean": 3.93, "sd": 4.48, "low": 0.4, "high": 4.5},
    "harvest.marrow": {"days": 20.0, "failure": 0.4},
    "recovery.duration_days": 28,
    "recovery.postponement": {"probability": 0.3, "after_infection": 0.6},
    "active_disease.hazard_per_year": 0.8,
    "immunoablation.duration_days": 10,
    "immunoablation.toxicity_per_day": 0.005,
    "aplasia.duration_days": 15,
    "aplasia.infection": {"hazard_per_day": 0.02, "case_fatality": 0.3, "days_to_death": 7.0},
    "late_infection": {"hazard_per_day": 0.004, "until_day": 93.0},
    "response": {"non_response": 0.2, "assessed_at_days": 120.0},
    "relapse": {"scale_years": 0.7, "shape": 0.8, "start_day": 60.0},
    "after_relapse": {"multiplier": 2.0, "remission_per_year": 1.5},
    "background": {"standardised_mortality_ratio": 10.0},
    "background.extra_per_year": {"remission": 0.2, "relapsed": 0.5},
}
BASES: dict[str, dict[str, Any]] = {
    "trial": EVENTFUL,
    "open clinic": {
        **EVENTFUL,
        "arrivals": {"pattern": "poisson", "per_year": 40.0, "years": 1.0, "warm_up_days": 60.0},
        "transplant": {"delay_days": 0},
        "harvest.duration_days": {"dist": "exponential", "mean": 10, "low": 2, "high": 25},
        "recovery.duration_days": {"dist": "gamma", "mean": 28, "sd": 28, "low": 10, "high": 120},
        "immunoablation.duration_days": {"dist": "weibull", "shape": 1.5, "scale": 15, "low": 3},
        "aplasia.duration_days": {"dist": "lognormal", "mean": 15, "sd": 15, "low": 3, "high": 50},
    },
    "put off": {
        **EVENTFUL,
        "transplant": {"delay_days": {"dist": "gamma", "mean": 60, "sd": 90}, "waiting_multiplier": 3},
    },
}
WITHOUT_EFFECT = {
    "cohort.patients": "more of the same patients",
    "arrivals.per_year": "more of the same patients",
    "arrivals.years": "more of the same patients",
    "arrivals.warm_up_days": "who comes earlier is not counted",
    "clinic.room_turnaround_days.value": "rooms are without limit",
    "aplasia.discharge_delay_days.mean": "rooms are without limit, and the twin knows no stay",
    "aplasia.discharge_delay_days.sd": "rooms are without limit, and the twin knows no stay",
    "aplasia.infection.duration_days.mean": "rooms are without limit, and the twin knows no stay",
    "aplasia.infection.duration_days.sd": "rooms are without limit, and the twin knows no stay",
}
REFUSED = {"clinic.apheresis_slots", "clinic.isolation_rooms"}
"""A queue may bind."""


class Move(NamedTuple):
    """One number of a base, and another in its stead."""

    base: str
    key: str
    value: float


class Simulated(NamedTuple):
    """An endpoint in many replications."""

    ratio: float
    influence: NDArray[np.float64]
    size: float


def scenario_of(base: str) -> Scenario:
    blank = Scenario.model_validate(
        {
            "title": "",
            "mobilisation": {"infection": {"case_fatality": 0.0}},
            "active_disease": {"hazard_per_year": 0.0},
            "aplasia": {"infection": {"case_fatality": 0.0}},
            "relapse": {"scale_years": 1.0},
            "after_relapse": {"multiplier": 1.0},
        }
    )
    return with_values(blank, {key: value for key, value in BASES[base].items() if key != "title"})


def numbers_in(scenario: Scenario, parameter: Parameter) -> Mapping[str, float]:
    """Return the numbers that a parameter is made of in a scenario, by key."""
    try:
        value = get_value(scenario, parameter.key)
    except RequestError:  # the scenario's arrivals are of another kind
        return {}
    if hasattr(value, "model_dump"):
        parts = value.model_dump(exclude_none=True, exclude={"dist"})
        return {f"{parameter.key}.{name}": float(part) for name, part in parts.items()}
    return {} if isinstance(value, str) else {parameter.key: value}


def moved(value: float, parameter: Parameter) -> float:
    """Return another value that the parameter accepts, far enough away."""
    if parameter.numbers is None:  # a number of a distribution
        return value * 2
    if parameter.numbers.whole:
        return value + 1
    return value / 2 if value * 2 not in parameter.numbers else value * 2


def moves() -> list[Move]:
    """Return a move of every number, in the first base where it stands."""
    found: dict[str, Move] = {}
    for base in BASES:
        for parameter in parameters().values():
            for key, value in numbers_in(scenario_of(base), parameter).items():
                found.setdefault(key, Move(base, key, moved(value, parameter)))
    return list(found.values())


MOVES = moves()


def after(move: Move) -> Scenario:
    return with_values(scenario_of(move.base), {move.key: move.value})


@cache
def twins(base: str) -> dict[str, dict[Key, float]]:
    """Return the twin's figures of a base, and of each move there.

    Half the nodes take half the time, and change no figure by more than 5e-5, a quarter of the least that
    simulation can tell; but that of a delay which varies they change by 3e-4.
    """
    scenarios = {base: scenario_of(base)} | {move.key: after(move) for move in MOVES if move.base == base}
    many = expected_all(list(scenarios.values()), 1 if base == "put off" else 0.5)
    return {
        name: {key: values[number] for key, values in many.items() if not math.isnan(values[number])}
        for number, name in enumerate(scenarios)
    }


def simulated(scenario: Scenario) -> dict[Key, Simulated]:
    fates = draw_fates(scenario, Luck(1), range(REPLICATIONS))
    sums = Sums(trials=False)
    for history in simulate_tiles(scenario, fates):
        sums.add(View(history, scenario))
    found = {}
    for key, reading in sums.readings(scenario).items():
        if (size := float(reading.size.sum())) > 0:
            ratio = float(reading.total.sum()) / size
            influence = (reading.total - ratio * reading.size) * REPLICATIONS / size
            found[key] = Simulated(ratio, influence, size)
    return found


@cache
def simulated_base(base: str) -> dict[Key, Simulated]:
    return simulated(scenario_of(base))


@pytest.mark.parametrize("move", MOVES, ids=lambda move: move.key)
def test_twin_and_simulation_move_together(move: Move) -> None:
    assert after(move) != scenario_of(move.base), "0 can't be doubled: give it a value in EVENTFUL"
    before, moved_to = simulated_base(move.base), simulated(after(move))
    exact_before, exact = twins(move.base)[move.base], twins(move.base)[move.key]
    seen = {}
    assert exact.keys() <= moved_to.keys()
    for key in exact.keys() & exact_before.keys():
        difference = exact[key] - exact_before[key]
        paired = moved_to[key].influence - before[key].influence
        # A rare difference may have met nobody: it is then at least as uncertain as a count of it.
        error = max(float(paired.std()) / REPLICATIONS**0.5, (abs(difference) / before[key].size) ** 0.5)
        most = Z * error + 20 / before[key].size
        got = moved_to[key].ratio - before[key].ratio
        assert got == pytest.approx(difference, abs=most), key
        seen[key] = abs(difference) / most
    if move.key not in {*WITHOUT_EFFECT, "follow_up.horizon_years"}:  # which says up to when figures are read
        assert max(seen.values()) > 2, "too small a move to be seen"


def test_what_does_not_move_the_twin_is_known() -> None:
    # In other batches the last bits differ.
    same = {base: pytest.approx(twins(base)[base], rel=1e-13, abs=1e-15) for base in BASES}
    still = {move.key for move in MOVES if twins(move.base)[move.key] == same[move.base]}
    assert still == set(WITHOUT_EFFECT)


def test_every_number_is_moved_or_refused() -> None:
    tried = {move.key for move in MOVES}
    untried = {
        key
        for key, parameter in parameters().items()
        if (parameter.numbers or parameter.distribution)
        and not any(name == key or name.startswith(f"{key}.") for name in tried)
    }
    assert untried == REFUSED
    for key in REFUSED:
        with pytest.raises(RequestError, match=key):
            expected(with_values(scenario_of("trial"), {key: 1}))
