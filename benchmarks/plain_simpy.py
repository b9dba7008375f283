"""The pathway as one would write it by hand in SimPy: one process a patient, numbers drawn as it goes.

`Trial` is the yardstick for speed: every station is a resource, as one writes it who wants to try limits, and
numbers come from the standard library as it offers them. `LeanTrial` is what is left when everything is
taken away that this scenario does not need: resources that never fill, functions of the standard library that
have a faster equal, the walk through the life table.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeAlias

import simpy
from yardstick import DAYS_PER_YEAR, NEVER, Draws, Figures, Numbers, Patient, Stay, Tally

Process: TypeAlias = Generator[simpy.Event, Any, None]


ENOUGH = 10**9
"""Places of a station that never fills."""

_OLDEST = 150


class LeanTrial:
    """One replication: a clock, the scarce stations, and the counts."""

    unlimited: int | None = None
    """Places of a station without a limit; with None there is no such station."""
    draws_from: type[Draws] = Draws

    def __init__(self, numbers: Numbers, seed: int) -> None:
        self.env = simpy.Environment()
        slots, rooms = numbers.slots or self.unlimited, numbers.rooms or self.unlimited
        self.slots = simpy.Resource(self.env, slots) if slots else None
        self.rooms = simpy.Resource(self.env, rooms) if rooms else None
        self.numbers, self.draws, self.tally = numbers, self.draws_from(numbers, seed), Tally(numbers)

    def run(self) -> Figures:
        """Treat everybody and return the counts."""
        self.env.process(self.arrivals())
        self.env.run()
        return self.tally.figures()

    def arrivals(self) -> Process:
        """Admit one patient after the other."""
        env = self.env
        for gap in self.draws.gaps():
            yield env.timeout(gap)
            env.process(self.patient())

    def patient(self) -> Process:
        """Follow one patient from enrolment to death, withdrawal or the end of follow-up."""
        env, draws = self.env, self.draws
        patient = draws.patient(env.now)
        self.tally.admit(patient.counted)
        death = min(patient.lupus, patient.other)

        days, infected, fatal = draws.mobilisation()
        if fatal < NEVER:  # too ill to be harvested
            fatal += env.now
            self.tally.treatment += patient.counted and fatal < death
            yield from self.dies(patient, min(fatal, death))
            return
        if death <= env.now + days:
            yield from self.dies(patient, death)
            return
        yield env.timeout(days)

        sessions, short = draws.harvest()
        if self.slots is None:
            yield env.timeout(min(sessions, death - env.now))
        else:
            with self.slots.request() as slot:
                if not slot.triggered:
                    yield slot | env.timeout(death - env.now)
                if slot.triggered:
                    yield env.timeout(min(sessions, death - env.now))

        days = draws.recovery(infected)
        if short:
            fails = draws.random.random() < self.numbers.marrow_failure
            if fails and env.now + self.numbers.marrow < death:
                yield env.timeout(self.numbers.marrow)
                return  # withdrawn
            days += self.numbers.marrow
        if death <= env.now + days:
            yield from self.dies(patient, death)
            return
        yield env.timeout(days)
        yield from self.transplant(patient, death)

    def dies(self, patient: Patient, death: float) -> Process:
        """Live on until death before reinfusion."""
        yield self.env.timeout(max(death - self.env.now, 0.0))
        self.tally.before += patient.counted

    def transplant(self, patient: Patient, death: float) -> Process:
        """Follow one patient from the queue for a room on."""
        env = self.env
        if self.rooms is None:
            stay = self.draws.stay(env.now, patient.lupus, patient.other)
            yield from self.in_the_room(patient, stay, 0.0)
        else:
            ready = env.now
            with self.rooms.request() as room:
                if not room.triggered:
                    yield room | env.timeout(death - ready)
                if not room.triggered:
                    self.tally.before += patient.counted
                    return
                stay = self.draws.stay(env.now, patient.lupus, patient.other)
                yield from self.in_the_room(patient, stay, env.now - ready)
                yield env.timeout(self.numbers.turnaround)
        end = min(stay.death, stay.reinfusion + self.numbers.horizon)
        if env.now < stay.relapse < end:
            yield env.timeout(stay.relapse - env.now)
        if env.now < end:
            yield env.timeout(end - env.now)

    def in_the_room(self, patient: Patient, stay: Stay, waited: float) -> Process:
        """Give the cells back, and let the patient recover."""
        env = self.env
        if patient.counted:
            self.tally.grant(waited, stay)
        if stay.reinfusion < NEVER:
            yield env.timeout(stay.reinfusion - env.now)
        yield env.timeout(stay.leaves - env.now)


class PlainDraws(Draws):
    """Draws as the standard library offers them, and background mortality birthday by birthday."""

    def lognormal(self, mu_and_sigma: tuple[float, float]) -> float:
        """Draw from a lognormal."""
        return self.random.lognormvariate(*mu_and_sigma)

    def background_days(self, age: float, hazards: list[float]) -> float:
        """Draw how long background mortality lets live, year after year."""
        left, now = self.random.expovariate(1.0), age
        while True:
            year = min(int(now), len(hazards) - 1)
            days = (int(now) + 1 - now) * DAYS_PER_YEAR
            if left < hazards[year] * days or now > _OLDEST:
                return (now - age) * DAYS_PER_YEAR + left / hazards[year]
            left -= hazards[year] * days
            now = int(now) + 1


class Trial(LeanTrial):
    """The yardstick: every station is a resource, and numbers are drawn the plain way."""

    unlimited = ENOUGH
    draws_from = PlainDraws
