"""What queueing theory says of a clinic that is nothing but a queue for rooms.

Such a clinic has Poisson arrivals that ask for a room at once, and nothing happens in it but a stay, and
perhaps death from active lupus at a constant hazard. Formulas hold in the steady state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sim.outcomes.twin.quadrature import law_of
from sim.scenario.distributions import Distribution, Exponential, Floats
from sim.scenario.endpoints import LONG_WAIT_DAYS
from sim.scenario.schema import DAYS_PER_YEAR, PoissonArrivals, Scenario

_LONGEST_QUEUE = 20_000
_NEGLIGIBLE = 1e-16
_ORDER = 64  # nodes to two standard deviations, for moments


@dataclass(frozen=True, slots=True)
class PlainQueue:
    """A queue for rooms; times in days.

    ``exponential`` says whether stays are, ``hazard`` is that of death, in the queue and in the room.
    """

    rooms: int
    per_day: float
    stay: float
    variance: float
    exponential: bool
    hazard: float

    @property
    def load(self) -> float:
        """Arrivals times mean stay: rooms' worth of work."""
        return self.per_day * self.stay

    @property
    def name(self) -> str:
        """How queueing theory calls it."""
        if self.hazard > 0:
            return f"M/M/{self.rooms}+M (Erlang A)"
        if self.exponential:
            return f"M/M/{self.rooms} (Erlang C)"
        return f"M/G/{self.rooms}" + (" (Pollaczek and Khinchine)" if self.rooms == 1 else "")

    @property
    def relaxation_days(self) -> float:
        """In about how many days the queue forgets that it began empty, by a factor e."""
        if self.hazard > 0:
            return max(self.stay, 1 / self.hazard)
        spare = 1 - math.sqrt(self.load / self.rooms)
        return self.stay * max(1.0, (1 + self.variance / self.stay**2) / 2 / self.rooms / spare**2)

    def laws(self) -> dict[str, float]:
        """Return endpoints in the steady state, by name; none of a queue that has no steady state."""
        if self.hazard > 0:
            return _erlang_a(self)
        if self.load >= self.rooms:
            return {}
        found = {"room_occupancy": self.load}
        if self.exponential:
            waits = erlang_c(self.rooms, self.load)
            served = (self.rooms - self.load) / self.stay
            long = waits * math.exp(-served * LONG_WAIT_DAYS)
            found |= {"waited": waits, "room_wait_days": waits / served, "waited_over_30_days": long}
        elif self.rooms == 1:
            square = self.variance + self.stay**2
            found |= {"waited": self.load, "room_wait_days": self.per_day * square / (2 * (1 - self.load))}
        return found


def plain_queue(scenario: Scenario) -> PlainQueue | None:
    """Return the queue that a scenario is; None if it is anything else."""
    arrivals, rooms = scenario.arrivals, scenario.clinic.isolation_rooms
    if not isinstance(arrivals, PoissonArrivals) or not isinstance(rooms, int):
        return None
    if scenario.transplant.delayed or scenario.cohort.enters_at != "immunoablation":
        return None
    if not _nothing_else_happens(scenario):
        return None
    aplasia, turnaround = scenario.aplasia, scenario.clinic.room_turnaround_days
    parts = [scenario.immunoablation.duration_days, aplasia.duration_days]
    parts += [aplasia.discharge_delay_days, turnaround]
    moments = [mean_and_variance(part) for part in parts]
    lasting = [part for part, (mean, _) in zip(parts, moments, strict=True) if mean > 0]
    if not lasting:
        return None
    mean, variance = (sum(each) for each in zip(*moments, strict=True))
    exponential = len(lasting) == 1 and isinstance(lasting[0], Exponential) and not lasting[0].bounds
    hazard = scenario.active_disease.hazard_per_year / DAYS_PER_YEAR
    # The hazard ends with aplasia, and death with the stay: only the whole stay in immunoablation is plain.
    if hazard > 0 and not (exponential and lasting[0] is parts[0]):
        return None
    return PlainQueue(rooms, arrivals.per_year / DAYS_PER_YEAR, mean, variance, exponential, hazard)


def _nothing_else_happens(scenario: Scenario) -> bool:
    infection, extra = scenario.aplasia.infection, scenario.background.extra_per_year
    early = infection.hazard_per_day * infection.ward_relative_risk
    late = scenario.late_infection.hazard_per_day * infection.case_fatality
    deadly = (scenario.immunoablation.toxicity_per_day, early, late, extra.remission, extra.relapsed)
    return scenario.background.life_table == "none" and not any(deadly)


def mean_and_variance(law: Distribution) -> tuple[float, float]:
    """Return mean and variance of a duration, of what can be drawn: luck goes no further than this rule."""
    if isinstance(law, Exponential) and not law.bounds:
        return law.mean, law.mean**2
    values, weights = law_of(law, _ORDER)
    mean = float(weights @ values)
    return mean, float(weights @ (values - mean) ** 2)


def erlang_c(rooms: int, load: float) -> float:
    """Return the probability of waiting in M/M/c.

    Notes
    -----
    Erlang AK. Elektroteknikeren 1917;13:5-13. By the recursion of the loss formula, which can't overflow.
    """
    blocked = 1.0
    for room in range(1, rooms + 1):
        blocked = load * blocked / (room + load * blocked)
    return blocked / (1 - load / rooms * (1 - blocked))


def _erlang_a(queue: PlainQueue) -> dict[str, float]:
    """Return what M/M/c+M gives, a birth-death chain, where who dies in a room leaves it.

    Notes
    -----
    Palm C. Tele 1957;2:1-107. Mandelbaum A, Zeltyn S. In: Advances in Services Innovations, 2007:17-45.
    """
    leave = 1 / queue.stay + queue.hazard
    chances, n = [1.0], 0
    while n < _LONGEST_QUEUE and chances[-1] > _NEGLIGIBLE * max(chances):
        n += 1
        down = min(n, queue.rooms) * leave + max(n - queue.rooms, 0) * queue.hazard
        chances.append(chances[-1] * queue.per_day / down)
    chance = np.array(chances) / math.fsum(chances)
    busy = float(np.minimum(np.arange(chance.size), queue.rooms) @ chance)
    waiting = float(np.maximum(np.arange(chance.size) - queue.rooms, 0) @ chance)
    # Flows: who gets a room leaves it at the rate `leave`, who waits dies at the hazard.
    granted, dies_waiting = busy * leave, waiting * queue.hazard
    dies_inside, asks = busy * queue.hazard, granted + dies_waiting
    return {
        "room_occupancy": busy,
        "waited": float(chance[queue.rooms :].sum()),
        "died_waiting": dies_waiting / asks,
        "died_waiting_of_asked": dies_waiting / asks,
        "pre_transplant_mortality": (dies_waiting + dies_inside) / asks,
        "room_wait_days": _wait_of_the_served(queue, chance),
    }


def _wait_of_the_served(queue: PlainQueue, chance: Floats) -> float:
    """Return the mean wait of those who live to get a room: who finds k before him steps up k + 1 times."""
    ahead = np.arange(max(chance.size - queue.rooms, 1))
    step = queue.rooms * (1 / queue.stay + queue.hazard) + ahead * queue.hazard
    served = np.cumprod(step / (step + queue.hazard))
    waits = np.cumsum(1 / (step + queue.hazard))
    full = chance[queue.rooms :]
    gets_in = float(chance[: queue.rooms].sum() + full @ served)
    return float(full @ (served * waits)) / gets_in
