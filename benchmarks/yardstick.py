"""What the yardsticks share: a scenario's numbers, a patient's draws from Python's generator, the figures.

The yardsticks are the pathway as one would write it by hand in SimPy, Ciw and salabim: no addressed luck, no
records beyond a few figures, no parts of a scenario that the reference scenarios don't use. Numbers are read
off the scenario once, before any clock runs, so that the yardsticks follow the scenario files.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from sim.patient.fates import last_arrival_day
from sim.scenario.distributions import Distribution, Lognormal
from sim.scenario.life_table import background_hazards
from sim.scenario.schema import DAYS_PER_YEAR, Scenario, TrialArrivals

NEVER = math.inf


class Figures(NamedTuple):
    """What a yardstick counts in one replication, or in several."""

    patients: int = 0
    """All who arrived."""
    enrolled: int = 0
    """Those who arrived after the warm-up; the rest counts only these."""
    treatment: int = 0
    before: int = 0
    reinfused: int = 0
    alive: int = 0
    disease_free: int = 0
    granted: int = 0
    waited: float = 0.0
    """Days that those who were granted a room waited for it."""


def add(figures: list[Figures]) -> Figures:
    """Add up the figures of replications."""
    return Figures._make(sum(column) for column in zip(*figures, strict=True))


class Numbers:
    """The numbers of a scenario; days and per day.

    Raises
    ------
    ValueError
        The scenario has a part that the yardsticks don't simulate.
    """

    def __init__(self, scenario: Scenario) -> None:
        _refuse_other_pathways(scenario)
        arrivals, clinic = scenario.arrivals, scenario.clinic
        self.trial = isinstance(arrivals, TrialArrivals)
        self.patients = scenario.cohort.patients
        self.last_arrival = last_arrival_day(scenario)
        if isinstance(arrivals, TrialArrivals):
            self.warm_up, self.inverse_power = 0.0, 1 / arrivals.power
        else:
            self.warm_up, self.arrivals_per_day = arrivals.warm_up_days, arrivals.per_year / DAYS_PER_YEAR
        self.slots = None if clinic.apheresis_slots == "unlimited" else clinic.apheresis_slots
        self.rooms = None if clinic.isolation_rooms == "unlimited" else clinic.isolation_rooms
        self.turnaround = _fixed(clinic.room_turnaround_days)
        self.horizon = scenario.follow_up.horizon_years * DAYS_PER_YEAR
        self.age, self.female = _lognormal(scenario.cohort.age_years), scenario.cohort.female
        self.hazards = [row.tolist() for row in background_hazards(scenario.background) / DAYS_PER_YEAR]
        self.spent = [[0.0, *accumulate(h * DAYS_PER_YEAR for h in row[:-1])] for row in self.hazards]
        self.lupus = scenario.active_disease.hazard_per_year / DAYS_PER_YEAR
        self.lupus_after_relapse = self.lupus * scenario.after_relapse.multiplier
        self._before_the_room(scenario)
        self._in_the_room(scenario)

    def _before_the_room(self, scenario: Scenario) -> None:
        mobilisation, harvest, recovery = scenario.mobilisation, scenario.harvest, scenario.recovery
        self.mobilisation = _lognormal(mobilisation.duration_days)
        self.mobilisation_window = mobilisation.infection.window_days
        self.mobilisation_infection = mobilisation.infection.hazard_per_day
        self.mobilisation_fatality = mobilisation.infection.case_fatality
        self.mobilisation_dying = mobilisation.infection.days_to_death
        self.cells = _lognormal(harvest.yield_million_per_kg)
        self.target, self.sessions = harvest.target_million_per_kg, harvest.max_sessions
        self.marrow, self.marrow_failure = harvest.marrow.days, harvest.marrow.failure
        self.recovery = _lognormal(recovery.duration_days)
        self.postponement = _lognormal(recovery.postponement.duration_days)
        self.postponed = recovery.postponement.probability
        self.postponed_after_infection = recovery.postponement.after_infection

    def _in_the_room(self, scenario: Scenario) -> None:
        aplasia, relapse = scenario.aplasia, scenario.relapse
        self.immunoablation = _fixed(scenario.immunoablation.duration_days)
        self.toxicity = scenario.immunoablation.toxicity_per_day
        self.aplasia = _lognormal(aplasia.duration_days)
        self.discharge = _lognormal(aplasia.discharge_delay_days)
        self.infection = aplasia.infection.hazard_per_day * aplasia.infection.ward_relative_risk
        self.fatality, self.dying = aplasia.infection.case_fatality, aplasia.infection.days_to_death
        self.illness = _lognormal(aplasia.infection.duration_days)
        self.late, self.late_until = scenario.late_infection.hazard_per_day, scenario.late_infection.until_day
        self.relapse_start = relapse.start_day
        self.relapse_scale = relapse.scale_years * DAYS_PER_YEAR
        self.relapse_power = 1 / relapse.shape


class Patient(NamedTuple):
    """Who has enrolled: whether counted, and the days on which active lupus and other causes would kill."""

    counted: bool
    lupus: float
    other: float


class Stay(NamedTuple):
    """A stay in an isolation room, and what comes after it; days from study opening."""

    reinfusion: float
    """Never for who dies before."""
    leaves: float
    """Discharge, or death if that comes first."""
    relapse: float
    death: float
    treatment: bool
    """Whether the treatment is what kills."""


class Draws:
    """What befalls patients, drawn one number at a time, when it is needed."""

    def __init__(self, numbers: Numbers, seed: int) -> None:
        self.numbers = numbers
        self.random = random.Random(seed)  # noqa: S311 (a simulation, no secret)

    def lognormal(self, mu_and_sigma: tuple[float, float]) -> float:
        """Draw from a lognormal; `random.lognormvariate` takes longer for the same."""
        return math.exp(self.random.gauss(*mu_and_sigma))

    def gaps(self) -> Iterator[float]:
        """Yield the days between arrivals until the last one."""
        n, draw = self.numbers, self.random
        now = 0.0
        if n.trial:
            days = sorted(n.last_arrival * draw.random() ** n.inverse_power for _ in range(n.patients))
            for day in days:
                yield day - now
                now = day
            return
        while True:
            gap = draw.expovariate(n.arrivals_per_day)
            now += gap
            if now > n.last_arrival:
                return
            yield gap

    def patient(self, enrolled: float) -> Patient:
        """Draw who enrols: how long background mortality and active lupus let live."""
        n, draw = self.numbers, self.random
        age = self.lognormal(n.age)
        sex = draw.random() < n.female
        other = self.background_days(age, n.hazards[sex])
        return Patient(enrolled >= n.warm_up, enrolled + draw.expovariate(n.lupus), enrolled + other)

    def background_days(self, age: float, hazards: list[float]) -> float:
        """Draw how long background mortality lets live: where a budget is spent along the life table."""
        spent = self.numbers.spent[hazards is self.numbers.hazards[1]]
        birthday = min(int(age), len(hazards) - 1)
        budget = (
            spent[birthday]
            + hazards[birthday] * DAYS_PER_YEAR * (age - birthday)
            + self.random.expovariate(1.0)
        )
        year = bisect_right(spent, budget) - 1
        return (year - age) * DAYS_PER_YEAR + (budget - spent[year]) / hazards[year]

    def mobilisation(self) -> tuple[float, bool, float]:
        """Draw the duration, whether there is an infection, and how long it lets live."""
        n, draw = self.numbers, self.random
        days = self.lognormal(n.mobilisation)
        onset = days - min(n.mobilisation_window, days) + draw.expovariate(n.mobilisation_infection)
        infected = onset < days
        fatal = infected and draw.random() < n.mobilisation_fatality
        return days, infected, onset + n.mobilisation_dying if fatal else NEVER

    def harvest(self) -> tuple[int, bool]:
        """Draw the sessions, and whether they gave too few cells."""
        n = self.numbers
        cells, sessions = 0.0, 0
        while cells < n.target and sessions < n.sessions:
            cells += self.lognormal(n.cells)
            sessions += 1
        return sessions, cells < n.target

    def recovery(self, infected: bool) -> float:
        """Draw the days from harvest to readiness."""
        n = self.numbers
        days = self.lognormal(n.recovery)
        if self.random.random() < (n.postponed_after_infection if infected else n.postponed):
            days += self.lognormal(n.postponement)
        return days

    def stay(self, start: float, lupus: float, other: float) -> Stay:
        """Draw a stay that starts now, and the life after it."""
        n, draw = self.numbers, self.random
        reinfusion = start + n.immunoablation
        aplasia = self.lognormal(n.aplasia)
        engraftment = reinfusion + aplasia
        toxic = start + draw.expovariate(n.toxicity)
        if toxic > engraftment:
            toxic = NEVER
        death = min(lupus, other, toxic)
        if death <= reinfusion:
            return Stay(NEVER, death, NEVER, death, death == toxic)

        days = aplasia + self.lognormal(n.discharge)
        fatal = toxic
        onset = draw.expovariate(n.infection)
        if onset < aplasia:
            ill = n.dying
            if draw.random() < n.fatality:
                fatal = min(fatal, reinfusion + onset + ill)
            else:
                ill = self.lognormal(n.illness)
            days = max(days, onset + ill)
        onset = aplasia + draw.expovariate(n.late)
        if onset < n.late_until and draw.random() < n.fatality:
            fatal = min(fatal, reinfusion + onset + n.dying)
        relapse = NEVER
        if (
            lupus > engraftment
        ):  # in remission lupus does not kill; after a relapse it does, at its own hazard
            relapse = n.relapse_start + n.relapse_scale * draw.expovariate(1.0) ** n.relapse_power
            relapse = reinfusion + max(relapse, aplasia)
            lupus = relapse + draw.expovariate(n.lupus_after_relapse)
        death = min(lupus, other, fatal)
        return Stay(reinfusion, min(reinfusion + days, death), relapse, death, death == fatal)


class Tally:
    """The counts of one replication, as they grow."""

    def __init__(self, numbers: Numbers) -> None:
        self.horizon = numbers.horizon
        self.patients = self.enrolled = self.treatment = self.before = 0
        self.reinfused = self.alive = self.disease_free = self.granted = 0
        self.waited = 0.0

    def admit(self, counted: bool) -> None:
        """Count an arrival."""
        self.patients += 1
        self.enrolled += counted

    def grant(self, waited: float, stay: Stay) -> None:
        """Count a stay of a patient who counts, and how it turns out."""
        self.granted += 1
        self.waited += waited
        self.treatment += stay.treatment
        if stay.reinfusion == NEVER:
            self.before += 1
            return
        self.reinfused += 1
        end = stay.reinfusion + self.horizon
        self.alive += stay.death > end
        self.disease_free += min(stay.death, stay.relapse) > end

    def figures(self) -> Figures:
        """Return the counts."""
        return Figures._make(getattr(self, name) for name in Figures._fields)


def _lognormal(distribution: Distribution) -> tuple[float, float]:
    if not isinstance(distribution, Lognormal):
        raise ValueError(f"the yardsticks draw this from a lognormal, not from {distribution}")
    return distribution.log_mean_and_sigma


def _fixed(distribution: Distribution) -> float:
    if distribution.dist != "fixed":
        raise ValueError(f"the yardsticks take this as fixed, not as {distribution}")
    return distribution.value


def _refuse_other_pathways(scenario: Scenario) -> None:
    extra = scenario.background.extra_per_year
    if (
        scenario.cohort.enters_at != "mobilisation"
        or scenario.harvest.duration_days != "by_sessions"
        or scenario.response.non_response > 0
        or scenario.relapse.dist != "weibull"
        or extra.remission > 0
        or extra.relapsed > 0
        or scenario.background.life_table == "none"
    ):
        raise ValueError("the yardsticks simulate the pathway of chicago2006 and open_clinic, not this one")
