"""The load that patients offer to slots and rooms, against what the clinic has.

Offered load is arrivals times the mean time that a place is held. It is measured on patients who never wait,
so that nobody dies in a queue: the load of a clinic that keeps up. Reached or exceeded, the queue has no
steady level but for deaths.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sim.clinic.pathway import simulate
from sim.outcomes.occupancy import stays_by_series
from sim.patient.fates import draw_fates, expected_patients, last_arrival_day
from sim.patient.luck import BLOCK, Luck
from sim.scenario.capacities import Timetable
from sim.scenario.cautions import doubts
from sim.scenario.problems import CautionWarning, OverloadWarning
from sim.scenario.schema import DAYS_PER_YEAR, PoissonArrivals, Scenario
from sim.scenario.values import get_value, with_values

# Stays vary by half of their mean at most in shipped scenarios: the load is known to better than 1%.
_PATIENTS = 5000
_STATIONS = {
    "clinic.apheresis_slots": ("slot", "slots_in_use", "shorten the harvest"),
    "clinic.isolation_rooms": ("room", "rooms_in_use", "shorten stays"),
}


@dataclass(frozen=True, slots=True)
class Load:
    """What is offered to one station, in places, and how many it has: the mean where they change."""

    key: str
    offered: float
    capacity: float

    @property
    def use(self) -> float:
        """The offered load as a multiple of the capacity."""
        return self.offered / self.capacity

    @property
    def warning(self) -> str:
        """What it means that the load reaches or exceeds the capacity, and what to do."""
        place, _, remedy = _STATIONS[self.key]
        are = f"is 1 {place}" if self.capacity == 1 else f"are {self.capacity:.6g} {place}s"
        are += "" if self.capacity.is_integer() else " on average"
        return (
            f"{self.key}: patients arrive for {self.offered:.3g} {place}s' worth of work and there {are}: "
            "without deaths the queue would grow without end; waits depend on how long the clinic has been "
            f"open. Add {place}s, {remedy} or lower arrivals.per_year"
        )


def offered_loads(scenario: Scenario, seed: int) -> list[Load]:
    """Return the load of every limited station of an open clinic; none for a trial.

    Parameters
    ----------
    seed
        Of the luck: the first patients of a study with this seed are asked.
    """
    if not isinstance(scenario.arrivals, PoissonArrivals):
        return []
    limited = {key: size for key in _STATIONS if (size := get_value(scenario, key)) != "unlimited"}
    if not limited:
        return []
    # The record ends with follow-up, a stay does not: follow everybody for long.
    changes = {**dict.fromkeys(limited, "unlimited"), "follow_up.horizon_years": 100.0}
    unhindered = with_values(scenario, changes)
    replications = range(min(BLOCK, max(1, _PATIENTS // expected_patients(scenario))))
    history = simulate(unhindered, draw_fates(unhindered, Luck(seed), replications))
    held = stays_by_series(history)
    per_day = scenario.arrivals.per_year / DAYS_PER_YEAR
    patients = max(int(np.sum(history.present)), 1)
    loads = []
    for key, size in limited.items():
        begin, end = held[_STATIONS[key][1]]
        came = np.isfinite(begin)
        days = float(np.sum(end[came] - begin[came])) / patients
        loads.append(Load(key, per_day * days, Timetable.of(size).mean(0.0, last_arrival_day(scenario))))
    return loads


def warn_of_scenarios(scenarios: Iterable[Scenario], seed: int) -> None:
    """Give the cautions and doubts of scenarios, each once, and warn of each station's worst overload."""
    scenarios = list(scenarios)
    for caution in dict.fromkeys(scenario.caution for scenario in scenarios if scenario.caution):
        CautionWarning.say(caution)
    for kind, text in dict.fromkeys(doubt for scenario in scenarios for doubt in doubts(scenario)):
        kind.say(text)
    loads = [load for scenario in scenarios for load in offered_loads(scenario, seed)]
    for station in _STATIONS:
        worst = max((load for load in loads if load.key == station), key=lambda load: load.use, default=None)
        if worst is not None and worst.use >= 1:
            OverloadWarning.say(worst.warning)
