"""The pathway in Ciw: a network of queues, where a patient is an individual and each stage a service.

Who would die during a service leaves it at death. Who would die in a queue reneges.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ciw
from yardstick import NEVER, Draws, Figures, Numbers, Tally

MOBILISATION, SLOT, RECOVERY, ROOM, HOME, RELAPSED = range(1, 7)


class Sampler(ciw.dists.Distribution):
    """A distribution that is a function of the time and the individual."""

    def __init__(self, sample: Callable[..., float]) -> None:
        self.sample = sample


class Onward(ciw.routing.NodeRouting):
    """Sends who is still followed to the next node, and counts who died in the queue."""

    def __init__(self, to: int, tally: Tally) -> None:
        self.to, self.tally = to, tally

    def next_node(self, ind: Any) -> Any:
        return self.simulation.nodes[-1 if ind.gone else self.to]

    def next_node_for_jockeying(self, ind: Any) -> Any:
        self.tally.before += ind.patient.counted
        return self.simulation.nodes[-1]


class Trial:
    """One replication: the network, and what a patient is given at each of its nodes."""

    def __init__(self, numbers: Numbers, seed: int) -> None:
        self.numbers, self.draws, self.tally = numbers, Draws(numbers, seed), Tally(numbers)
        self.gaps = self.draws.gaps()
        services = (self.mobilisation, self.slot, self.recovery, self.room, self.home, self.relapsed)
        onward = [Onward(to, self.tally) for to in (SLOT, RECOVERY, ROOM, HOME, RELAPSED)]
        leaves = Sampler(lambda t, ind: ind.death - t)
        places = [NEVER, numbers.slots or NEVER, NEVER, numbers.rooms or NEVER, NEVER, NEVER]
        self.network = ciw.create_network(
            arrival_distributions=[Sampler(lambda **_: next(self.gaps, NEVER)), *[None] * 5],
            service_distributions=[Sampler(_function(service)) for service in services],
            reneging_time_distributions=[leaves if limit < NEVER else None for limit in places],
            number_of_servers=places,
            routing=ciw.routing.NetworkRouting([*onward, ciw.routing.Leave()]),
        )

    def run(self) -> Figures:
        """Treat everybody and return the counts."""
        ciw.Simulation(self.network).simulate_until_max_time(NEVER)
        return self.tally.figures()

    def mobilisation(self, t: float, ind: Any) -> float:
        ind.patient = patient = self.draws.patient(t)
        self.tally.admit(patient.counted)
        ind.death = min(patient.lupus, patient.other)
        days, ind.infected, fatal = self.draws.mobilisation()
        ind.gone = fatal < NEVER or ind.death <= t + days
        if not ind.gone:
            return days
        self.tally.before += patient.counted
        self.tally.treatment += patient.counted and t + fatal < ind.death
        return min(ind.death - t, fatal)

    def slot(self, t: float, ind: Any) -> float:
        sessions, ind.short = self.draws.harvest()
        return min(float(sessions), ind.death - t)

    def recovery(self, t: float, ind: Any) -> float:
        days = self.draws.recovery(ind.infected)
        if ind.short:
            fails = self.draws.random.random() < self.numbers.marrow_failure
            if fails and t + self.numbers.marrow < ind.death:
                ind.gone = True  # withdrawn
                return self.numbers.marrow
            days += self.numbers.marrow
        if ind.death > t + days:
            return days
        ind.gone = True
        self.tally.before += ind.patient.counted
        return max(ind.death - t, 0.0)

    def room(self, t: float, ind: Any) -> float:
        ind.stay = stay = self.draws.stay(t, ind.patient.lupus, ind.patient.other)
        ind.gone = stay.reinfusion == NEVER
        ind.end = min(stay.death, stay.reinfusion + self.numbers.horizon)
        if ind.patient.counted:
            self.tally.grant(t - ind.arrival_date, stay)
        return stay.leaves - t + (self.numbers.turnaround if self.numbers.rooms else 0.0)

    def home(self, t: float, ind: Any) -> float:
        ind.gone = ind.stay.relapse >= ind.end
        return max(min(ind.stay.relapse, ind.end) - t, 0.0)

    def relapsed(self, t: float, ind: Any) -> float:
        return max(ind.end - t, 0.0)


def _function(method: Callable[[float, Any], float]) -> Callable[..., float]:
    """Return a function that calls a method: Ciw copies what it is given, and with a method its object."""

    def sample(t: float, ind: Any) -> float:
        return method(t, ind)

    return sample
