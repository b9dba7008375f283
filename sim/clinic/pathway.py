"""The pathway: one patient's way through the protocol, as a SimPy process on fates already drawn.

Times are days from study opening. A stage ends in one event, at its end or at the patient's death if that
comes first; the two at once count as death. After the fates, only sums, differences, products and
comparisons are used, in one written order, so that another simulator can give the same history to the bit.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any

import simpy

from sim.clinic.history import Course, History, history_of
from sim.clinic.states import ALIVE, Cause
from sim.clinic.stations import EXIT, RELEASE, ROOM_QUEUE, SLOT_QUEUE, At, PlaceRequest, Station
from sim.patient.fates import NEVER, Fate, Fates, by_replication
from sim.scenario.capacities import Timetable
from sim.scenario.endpoints import TREATMENT_DAYS, WAY_YEARS
from sim.scenario.schema import DAYS_PER_YEAR, Scenario

Process = Generator[simpy.Event, Any, None]
WAY_DAYS = WAY_YEARS * DAYS_PER_YEAR


@dataclass(frozen=True, slots=True)
class Protocol:
    """The constants of a scenario that the clinic needs once the fates are drawn; days and per day."""

    enters_at: str
    slots: Timetable
    rooms: Timetable
    horizon: float
    data_cut: float
    after_reinfusion: float
    """Days after reinfusion that are followed at least: the horizon, or what the treatment may bring."""
    relapsed_days_per_active_day: float
    """Days after relapse that spend as much of the budget as one day of active disease: 1 / multiplier."""
    extra_remission: float
    extra_relapsed: float

    @classmethod
    def of(cls, scenario: Scenario) -> Protocol:
        """Read the constants off a scenario."""
        clinic, follow_up = scenario.clinic, scenario.follow_up
        multiplier = scenario.after_relapse.multiplier
        extra = scenario.background.extra_per_year
        horizon = follow_up.horizon_years * DAYS_PER_YEAR
        return cls(
            enters_at=scenario.cohort.enters_at,
            slots=Timetable.of(clinic.apheresis_slots),
            rooms=Timetable.of(clinic.isolation_rooms),
            horizon=horizon,
            after_reinfusion=max(horizon, TREATMENT_DAYS, scenario.late_infection.until_day),
            data_cut=0.0 if follow_up.data_cut_days == "none" else follow_up.data_cut_days,
            relapsed_days_per_active_day=1.0 / multiplier if multiplier > 0 else NEVER,
            extra_remission=extra.remission / DAYS_PER_YEAR,
            extra_relapsed=extra.relapsed / DAYS_PER_YEAR,
        )


def simulate(scenario: Scenario, fates: Fates) -> History:
    """Run one clinic a replication and return what happened to everybody."""
    protocol = Protocol.of(scenario)
    return history_of(fates, [Clinic(protocol).treat(patients) for patients in by_replication(fates)])


class Clinic:
    """One clinic in one replication: its clock, its apheresis slots and its isolation rooms."""

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.env = simpy.Environment()
        self.slots = Station(self.env, protocol.slots)
        self.rooms = Station(self.env, protocol.rooms)

    def treat(self, fates: Iterable[Fate[float, bool]]) -> list[Course]:
        """Admit everybody, run to the end, and return their courses in the order of `fates`."""
        patients = [Patient(self, number, fate) for number, fate in enumerate(fates)]
        for patient in patients:
            if patient.fate.enrolled < NEVER:
                self.env.process(patient.journey())
        self.env.run()
        return [patient.course() for patient in patients]


class Patient:
    """One patient: a fate, the earliest death known so far, and the times at which places were entered."""

    __slots__ = (
        "aplasia", "clinic", "death", "engrafted", "env", "fate", "follow_up_end", "harvesting",
        "home", "immunoablation", "latent", "mobilising", "number", "ready_for_harvest", "recovering",
        "relapse", "room", "through", "waiting", "withdrawn",
    )  # fmt: skip

    def __init__(self, clinic: Clinic, number: int, fate: Fate[float, bool]) -> None:
        self.clinic, self.env, self.number, self.fate = clinic, clinic.env, number, fate
        self.latent = [NEVER] * len(Cause)
        self.death, self.room = NEVER, 0
        self.mobilising = self.ready_for_harvest = self.harvesting = self.recovering = self.waiting = NEVER
        self.immunoablation = self.aplasia = self.engrafted = self.home = NEVER
        self.withdrawn = self.relapse = NEVER
        self.follow_up_end = max(fate.enrolled + clinic.protocol.horizon, clinic.protocol.data_cut)
        self.through = clinic.protocol.enters_at == "home"

    def journey(self) -> Process:
        """Go from enrolment to death or the end of follow-up."""
        fate = self.fate
        self.would_die(Cause.LUPUS, fate.enrolled + fate.lupus_days)
        self.would_die(Cause.BACKGROUND, fate.enrolled + fate.background_days)
        enters_at, begins = self.clinic.protocol.enters_at, fate.enrolled + fate.delay_days
        if self.death < begins:
            yield At(self.env, self.death, EXIT)
        elif enters_at == "mobilisation":
            self.mobilising = begins
            yield At(self.env, begins, RELEASE)
            yield from self.mobilisation()
            if self.alive and self.withdrawn == NEVER:
                yield from self.transplant()
        elif enters_at == "immunoablation":
            self.waiting = begins
            yield self.until(begins, ROOM_QUEUE + self.number)
            if self.alive:
                yield from self.transplant()
        else:
            self.home = fate.enrolled
        yield from self.at_home()

    def mobilisation(self) -> Process:
        """Stem cells are driven into the blood, harvested, and the patient recovers until fit for a room."""
        fate, clinic = self.fate, self.clinic
        self.would_die(Cause.INFECTION, self.mobilising + fate.mobilisation_infection_death)
        if fate.mobilisation_infection_death < NEVER:  # too ill to be harvested, and dies of it
            yield self.until(NEVER)
            return
        mobilised = self.mobilising + fate.mobilisation_days
        yield self.until(mobilised, SLOT_QUEUE + self.number)
        if not self.alive:
            return

        self.ready_for_harvest = mobilised
        slot = clinic.slots.ask()
        yield from self.wait_for(slot)
        if not self.alive:
            clinic.slots.leave(slot)
            return

        self.harvesting = self.env.now
        sessions_end = self.harvesting + fate.slot_days
        yield self.until(sessions_end, RELEASE)
        clinic.slots.leave(slot)
        if not self.alive:
            return
        harvested = sessions_end + fate.marrow_days
        if fate.marrow_days > 0:
            yield self.until(harvested)
            if not self.alive:
                return
        if fate.harvest_fails:
            self.withdrawn = self.home = harvested
            return

        self.recovering = harvested
        ready = harvested + fate.recovery_days
        yield self.until(ready, ROOM_QUEUE + self.number)
        if self.alive:
            self.waiting = ready

    def transplant(self) -> Process:
        """Immunoablation, reinfusion, aplasia, engraftment and recovery, all in one isolation room."""
        fate, clinic = self.fate, self.clinic
        room = clinic.rooms.ask()
        yield from self.wait_for(room)
        if not self.alive:
            clinic.rooms.leave(room)
            return

        self.room, self.immunoablation = room.number, self.env.now
        reinfusion = self.immunoablation + fate.immunoablation_days
        engraftment = reinfusion + fate.aplasia_days
        toxicity = self.immunoablation + fate.toxicity_days
        if toxicity <= engraftment:
            self.would_die(Cause.TOXICITY, toxicity)
        yield self.until(reinfusion)
        if self.alive:
            self.reinfused(reinfusion, engraftment)
            yield self.until(engraftment)
        if self.alive:
            self.engrafted = engraftment
            discharge = reinfusion + fate.stay_days
            yield self.until(discharge)
            if self.alive:
                self.home = discharge
        clinic.rooms.leave_at(self.env.now + fate.turnaround_days, room)

    def reinfused(self, reinfusion: float, engraftment: float) -> None:
        """Note the reinfusion, and what it changes: follow-up starts anew, and the disease will remit."""
        fate, protocol = self.fate, self.clinic.protocol
        self.aplasia = reinfusion
        if reinfusion <= fate.enrolled + WAY_DAYS:
            self.follow_up_end = max(
                reinfusion + max(protocol.after_reinfusion, fate.stay_days), protocol.data_cut
            )
            self.through = True
        self.would_die(Cause.INFECTION, reinfusion + fate.infection_death)
        active_death = self.latent[Cause.LUPUS]
        if not fate.responds or active_death <= engraftment:
            return
        # A responder's lupus hazard stops at engraftment and resumes, multiplied, at relapse.
        self.relapse = reinfusion + fate.relapse_days
        left = (active_death - engraftment) * protocol.relapsed_days_per_active_day
        # What is not spent before a lasting remission is never spent.
        self.would_die(Cause.LUPUS, self.relapse + left if left < fate.remission_days else NEVER)
        extra = self.extra_death(engraftment)
        self.would_die(Cause.BACKGROUND, min(self.latent[Cause.BACKGROUND], extra))

    def extra_death(self, engraftment: float) -> float:
        """Return when the extra background hazard kills: one budget, spent in remission and after relapse."""
        protocol, budget = self.clinic.protocol, self.fate.extra_budget
        if budget == NEVER:
            return NEVER
        spent = (
            protocol.extra_remission * (self.relapse - engraftment) if protocol.extra_remission > 0 else 0.0
        )
        if budget <= spent:
            return engraftment + budget / protocol.extra_remission
        if protocol.extra_relapsed == 0 or self.relapse == NEVER:
            return NEVER
        return self.relapse + (budget - spent) / protocol.extra_relapsed

    def at_home(self) -> Process:
        """Live on until relapse, death or the end of follow-up."""
        if self.alive and self.env.now < self.relapse < min(self.death, self.follow_up_end):
            yield At(self.env, self.relapse, RELEASE)
        end = min(self.death, self.follow_up_end)
        if end > self.env.now:
            yield At(self.env, end, EXIT)

    def would_die(self, cause: Cause, time: float) -> None:
        """Set when a cause would kill; the earliest counts, and at equal times the cause listed first."""
        self.latent[cause] = time
        self.death = min(self.latent)

    @property
    def alive(self) -> bool:
        """Whether death still lies ahead."""
        return self.death > self.env.now

    def until(self, time: float, priority: float = RELEASE) -> At:
        """Return the end of a stage: its time, or death if that comes first or at once."""
        if self.death <= time:
            return At(self.env, self.death, EXIT)
        return At(self.env, time, priority)

    def wait_for(self, place: PlaceRequest) -> Process:
        """Queue until the place is granted or death comes."""
        if not place.triggered:
            yield place if self.death == NEVER else place | At(self.env, self.death, EXIT)

    def course(self) -> Course:
        """Return the record, cut at the end of follow-up: of who is not reinfused, not on the way there."""
        end = self.follow_up_end
        if not self.through:
            end = max(end, min(self.death, self.withdrawn, self.fate.enrolled + WAY_DAYS))
        dead = self.death <= end and self.death < NEVER
        return Course(
            mobilising=self.mobilising,
            ready_for_harvest=self.ready_for_harvest,
            harvesting=self.harvesting,
            recovering=self.recovering,
            waiting=self.waiting,
            immunoablation=self.immunoablation,
            aplasia=self.aplasia,
            recovering_in_hospital=self.engrafted,
            home=self.home,
            withdrawn=self.withdrawn,
            relapse=self.relapse if self.relapse <= end and self.relapse < self.death else NEVER,
            death=self.death if dead else NEVER,
            cause=self.latent.index(self.death) if dead else ALIVE,
            room=self.room,
            follow_up_end=end,
        )
