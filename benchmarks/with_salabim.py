"""The pathway in salabim: one component a patient, its process a generator, all monitors off.

Components find the trial at their environment: handing it over as a parameter would take longer, because
salabim inspects signatures.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import salabim
from yardstick import NEVER, Draws, Figures, Numbers, Patient, Tally


class Trial:
    """One replication: an environment, the scarce stations, and the counts."""

    def __init__(self, numbers: Numbers, seed: int) -> None:
        self.env = salabim.Environment(random_seed="", set_numpy_random_seed=False, yieldless=False)
        self.slots = self.station(numbers.slots)
        self.rooms = self.station(numbers.rooms)
        self.env.trial = self
        self.numbers, self.draws, self.tally = numbers, Draws(numbers, seed), Tally(numbers)

    def station(self, places: int | None) -> salabim.Resource | None:
        """Return a resource that records nothing, or none where places are unlimited."""
        return None if places is None else salabim.Resource(capacity=places, monitor=False, env=self.env)

    def run(self) -> Figures:
        """Treat everybody and return the counts."""
        Arrivals(env=self.env)
        self.env.run()
        return self.tally.figures()


class Arrivals(salabim.Component):
    """Admits one patient after the other."""

    def process(self) -> Generator[Any, Any, None]:
        for gap in self.env.trial.draws.gaps():
            yield self.hold(gap)
            Course(env=self.env)


class Course(salabim.Component):
    """One patient, from enrolment to death, withdrawal or the end of follow-up."""

    def setup(self) -> None:
        self.status.monitor(False)
        self.mode.monitor(False)

    def process(self) -> Generator[Any, Any, None]:
        trial, now = self.env.trial, self.env.now
        draws, tally = trial.draws, trial.tally
        patient = draws.patient(now())
        tally.admit(patient.counted)
        death = min(patient.lupus, patient.other)

        days, infected, fatal = draws.mobilisation()
        if fatal < NEVER:  # too ill to be harvested
            fatal += now()
            tally.treatment += patient.counted and fatal < death
            death = min(fatal, death)
        if fatal < NEVER or death <= now() + days:
            yield self.hold(till=death)
            tally.before += patient.counted
            return
        yield self.hold(days)

        sessions, short = draws.harvest()
        if trial.slots is None:
            yield self.hold(min(sessions, death - now()))
        else:
            yield self.request(trial.slots, fail_at=death)
            if not self.failed():
                yield self.hold(min(sessions, death - now()))
                self.release()

        days = draws.recovery(infected)
        if short:
            if draws.random.random() < trial.numbers.marrow_failure and now() + trial.numbers.marrow < death:
                yield self.hold(trial.numbers.marrow)
                return  # withdrawn
            days += trial.numbers.marrow
        if death <= now() + days:
            yield self.hold(till=max(death, now()))
            tally.before += patient.counted
            return
        yield self.hold(days)
        yield from self.transplant(patient, death)

    def transplant(self, patient: Patient, death: float) -> Generator[Any, Any, None]:
        """Go from the queue for a room to the end."""
        trial, now = self.env.trial, self.env.now
        ready = now()
        if trial.rooms is not None:
            yield self.request(trial.rooms, fail_at=death)
            if self.failed():
                trial.tally.before += patient.counted
                return
        stay = trial.draws.stay(now(), patient.lupus, patient.other)
        if patient.counted:
            trial.tally.grant(now() - ready, stay)
        if stay.reinfusion < NEVER:
            yield self.hold(till=stay.reinfusion)
        yield self.hold(till=stay.leaves)
        if trial.rooms is not None:
            yield self.hold(trial.numbers.turnaround)
            self.release()
        end = min(stay.death, stay.reinfusion + trial.numbers.horizon)
        if now() < stay.relapse < end:
            yield self.hold(till=stay.relapse)
        if now() < end:
            yield self.hold(till=end)
