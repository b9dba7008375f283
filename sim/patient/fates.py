"""Fates: everything that is drawn for a patient, before any clock runs or queue forms.

A fate holds durations, yes/no decisions and the times at which each hazard's budget would be spent. All of it
comes from addressed luck, so a patient's fate is the same whoever else is treated, in whatever order and on
whatever machine share. Every cause of death has one unit-exponential budget for life.

Arrays have shape (patients, replications); times are days; "never" is infinity, which drops out of minima and
comparisons. Transcendental functions are used here and nowhere later, always on arrays, so that every
simulator starts from the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from sim.patient.luck import Luck
from sim.patient.streams import Stream
from sim.scenario.distributions import Distribution, Floats
from sim.scenario.life_table import background_hazards
from sim.scenario.schema import DAYS_PER_YEAR, Relapse, Scenario, TrialArrivals

Booleans: TypeAlias = NDArray[np.bool_]
NEVER = np.inf
Number = TypeVar("Number")
YesNo = TypeVar("YesNo")

# Patients drawn at a time: the working arrays of a tile stay in the second-level cache.
_TILE = 128


class Fate(NamedTuple, Generic[Number, YesNo]):
    """What is drawn for one patient, or for many: the fields hold numbers, or arrays of them.

    The arrays of `Fates` have shape (patients, replications).
    """

    enrolled: Number
    """Day of enrolment, from study opening."""
    age: Number
    """Years at enrolment."""
    female: YesNo
    background_days: Number
    """Enrolment to death from other causes."""
    lupus_days: Number
    """Days of active disease until it would kill."""
    extra_budget: Number
    """Unit-exponential budget of the extra background hazard."""
    mobilisation_days: Number
    mobilisation_infection: Number
    """Enrolment to onset."""
    mobilisation_infection_death: Number
    """Enrolment to death of a fatal infection."""
    sessions: Number
    collected: Number
    """CD34+ cells from apheresis before selection, million/kg; not a number where not counted."""
    slot_days: Number
    """Stay at the apheresis slot."""
    marrow_days: Number
    harvest_fails: YesNo
    recovery_days: Number
    """Harvest to readiness, a postponement included."""
    immunoablation_days: Number
    toxicity_days: Number
    """Start of immunoablation to death from toxicity, if that comes before engraftment."""
    aplasia_days: Number
    """Reinfusion to engraftment."""
    aplasia_infection: Number
    """Reinfusion to onset."""
    late_infection: Number
    """Reinfusion to onset."""
    infection_death: Number
    """Reinfusion to death of the first fatal infection after it."""
    stay_days: Number
    """Reinfusion to discharge."""
    turnaround_days: Number
    responds: YesNo
    relapse_days: Number
    """Reinfusion to relapse; never for a non-responder."""


Fates: TypeAlias = Fate[Floats, Booleans]


class _Tile:
    """The luck of consecutive patients in some replications of one block."""

    def __init__(self, luck: Luck, patients: range, replications: range) -> None:
        self._luck, self._patients, self._replications = luck, patients, replications
        self.shape = (len(patients), len(replications))

    def uniform(self, stream: Stream, occurrence: int = 0) -> Floats:
        """Return this tile's uniforms of a stream."""
        return self._luck.uniforms(stream, self._patients, self._replications, occurrence)

    def value(self, stream: Stream, distribution: Distribution, occurrence: int = 0) -> Floats:
        """Return draws from a distribution by its inverse; a fixed one needs no luck."""
        if distribution.dist == "fixed":
            return np.full(self.shape, distribution.value)
        return distribution.quantile(self.uniform(stream, occurrence))

    def value_of(
        self, chosen: Booleans, stream: Stream, distribution: Distribution, occurrence: int = 0
    ) -> Floats:
        """Return draws of the chosen, 0 for the others: a quantile costs far more than its uniform."""
        values = np.zeros(self.shape)
        if distribution.dist == "fixed":
            values[chosen] = distribution.value
        elif chosen.any():
            values[chosen] = distribution.quantile(self.uniform(stream, occurrence)[chosen])
        return values

    def yes(self, stream: Stream, probability: float | Floats) -> Booleans:
        """Return whether the event happens: its uniform lies below the probability."""
        if isinstance(probability, float) and probability == 0.0:
            return np.zeros(self.shape, dtype=np.bool_)
        return np.asarray(self.uniform(stream) < probability)

    def budget(self, stream: Stream) -> Floats:
        """Return unit-exponential budgets."""
        return -np.log1p(-self.uniform(stream))

    def spent(self, stream: Stream, hazard: float) -> Floats:
        """Return when a constant hazard has spent its budget, in the hazard's unit of time."""
        if hazard == 0:
            return np.full(self.shape, NEVER)
        with np.errstate(over="ignore"):  # a budget too large for the hazard is never spent
            return self.budget(stream) / hazard


def draw_fates(scenario: Scenario, luck: Luck, replications: range) -> Fates:
    """Draw the fates of everybody in some replications.

    Parameters
    ----------
    replications
        Consecutive, and all within one block of 256.

    Returns
    -------
    Fates
        With Poisson arrivals, patients who would come after the last day enrol never.
    """
    if isinstance(scenario.arrivals, TrialArrivals):
        return _tiled(scenario, luck, scenario.cohort.patients, replications)
    return _poisson_cohort(scenario, luck, replications)


def expected_patients(scenario: Scenario) -> int:
    """Return how many patients a replication has, or is sure not to exceed by much with Poisson arrivals."""
    arrivals = scenario.arrivals
    if isinstance(arrivals, TrialArrivals):
        return scenario.cohort.patients
    mean = arrivals.per_year * last_arrival_day(scenario) / DAYS_PER_YEAR
    return int(np.ceil(mean + 8 * np.sqrt(mean))) + 30


def last_arrival_day(scenario: Scenario) -> float:
    """Return the day from study opening after which nobody enrols."""
    arrivals = scenario.arrivals
    if isinstance(arrivals, TrialArrivals):
        return arrivals.window_days
    return arrivals.warm_up_days + arrivals.years * DAYS_PER_YEAR


def _tiled(scenario: Scenario, luck: Luck, patients: int, replications: range) -> Fates:
    tiles = [
        _draw_tile(scenario, _Tile(luck, range(first, min(first + _TILE, patients)), replications))
        for first in range(0, patients, _TILE)
    ]
    if len(tiles) == 1:
        return tiles[0]
    return Fate._make(np.concatenate(arrays) for arrays in zip(*tiles, strict=True))


def _poisson_cohort(scenario: Scenario, luck: Luck, replications: range) -> Fates:
    """Draw patients until every replication's arrivals have passed the last day."""
    last = last_arrival_day(scenario)
    patients = expected_patients(scenario)
    while True:
        fates = _tiled(scenario, luck, patients, replications)
        days = np.cumsum(fates.enrolled, axis=0)  # the tiles hold gaps between neighbours
        if np.all(days[-1] > last):
            break
        patients *= 2
    present = int(np.max(np.sum(days <= last, axis=0), initial=1))
    kept: Fates = Fate._make(array[:present] for array in fates)
    return kept._replace(enrolled=np.where(days <= last, days, NEVER)[:present])


def _draw_tile(scenario: Scenario, tile: _Tile) -> Fates:
    age = tile.value(Stream.AGE, scenario.cohort.age_years)
    female = tile.yes(Stream.SEX, scenario.cohort.female)
    mobilisation_days, infection, infection_death = _mobilisation(scenario, tile)
    sessions, collected, slot_days, short = _harvest(scenario, tile)
    marrow = scenario.harvest.marrow
    aplasia_days = tile.value(Stream.APLASIA_DURATION, scenario.aplasia.duration_days)
    aplasia_infection, late_infection, death, stay_days = _after_reinfusion(scenario, tile, aplasia_days)
    responds = ~tile.yes(Stream.RESPONSE, scenario.response.non_response)
    extra = scenario.background.extra_per_year
    return Fate(
        enrolled=_enrolment(scenario, tile),
        age=age,
        female=female,
        background_days=_background(scenario, tile, age, female),
        lupus_days=tile.spent(Stream.LUPUS, scenario.active_disease.hazard_per_year / DAYS_PER_YEAR),
        extra_budget=(
            tile.budget(Stream.BACKGROUND_EXTRA)
            if extra.remission > 0 or extra.relapsed > 0
            else np.full(tile.shape, NEVER)
        ),
        mobilisation_days=mobilisation_days,
        mobilisation_infection=infection,
        mobilisation_infection_death=infection_death,
        sessions=sessions,
        collected=collected,
        slot_days=slot_days,
        marrow_days=np.where(short, marrow.days, 0.0),
        harvest_fails=short & tile.yes(Stream.MARROW_FAILURE, marrow.failure),
        recovery_days=_recovery(scenario, tile, infected=infection < NEVER),
        immunoablation_days=tile.value(Stream.IMMUNOABLATION_DURATION, scenario.immunoablation.duration_days),
        toxicity_days=tile.spent(Stream.TOXICITY, scenario.immunoablation.toxicity_per_day),
        aplasia_days=aplasia_days,
        aplasia_infection=aplasia_infection,
        late_infection=late_infection,
        infection_death=death,
        stay_days=stay_days,
        turnaround_days=tile.value(Stream.ROOM_TURNAROUND, scenario.clinic.room_turnaround_days),
        responds=responds,
        relapse_days=np.where(responds, _relapse(scenario.relapse, tile, aplasia_days), NEVER),
    )


def _enrolment(scenario: Scenario, tile: _Tile) -> Floats:
    """Return days of enrolment (trial) or gaps between neighbours (Poisson)."""
    arrivals = scenario.arrivals
    u = tile.uniform(Stream.ARRIVAL)
    if isinstance(arrivals, TrialArrivals):
        return arrivals.window_days * u ** (1.0 / arrivals.power)
    return -np.log1p(-u) * (DAYS_PER_YEAR / arrivals.per_year)


def _background(scenario: Scenario, tile: _Tile, age: Floats, female: Booleans) -> Floats:
    """Return enrolment to background death: the hazard is constant between birthdays."""
    hazards = background_hazards(scenario.background)
    if not hazards.any():
        return np.full(tile.shape, NEVER)
    budget = tile.budget(Stream.BACKGROUND)
    death_age = np.empty(tile.shape)
    for row, sex in enumerate((~female, female)):
        hazard = hazards[row]
        at_birthday = np.concatenate(([0.0], np.cumsum(hazard[:-1])))
        now = np.minimum(age[sex], hazard.size - 1).astype(np.intp)  # an age may be beyond whole numbers
        spent = at_birthday[now] + hazard[now] * (age[sex] - now) + budget[sex]
        year = np.searchsorted(at_birthday, spent, side="right") - 1
        with np.errstate(divide="ignore", over="ignore"):
            death_age[sex] = year + (spent - at_birthday[year]) / hazard[year]
    with np.errstate(over="ignore"):
        return np.maximum(death_age - age, 0.0) * DAYS_PER_YEAR


def _mobilisation(scenario: Scenario, tile: _Tile) -> tuple[Floats, Floats, Floats]:
    """Return duration, infection's onset and its death, from enrolment; the last days are at risk."""
    infection = scenario.mobilisation.infection
    days = tile.value(Stream.MOBILISATION_DURATION, scenario.mobilisation.duration_days)
    opens = days - np.minimum(infection.window_days, days)
    onset = opens + tile.spent(Stream.MOBILISATION_INFECTION, infection.hazard_per_day)
    onset = np.where(onset < days, onset, NEVER)
    fatal = tile.yes(Stream.MOBILISATION_INFECTION_FATAL, infection.case_fatality)
    return days, onset, np.where(fatal, onset + infection.days_to_death, NEVER)


def _harvest(scenario: Scenario, tile: _Tile) -> tuple[Floats, Floats, Floats, Booleans]:
    """Return sessions, cells collected, days at the slot, and who fell short of the target."""
    harvest = scenario.harvest
    nobody = np.zeros(tile.shape, dtype=np.bool_)
    if harvest.duration_days != "by_sessions":
        days = tile.value(Stream.HARVEST_DURATION, harvest.duration_days)
        return np.zeros(tile.shape), np.full(tile.shape, np.nan), days, nobody
    collected, sessions, short = np.zeros(tile.shape), np.zeros(tile.shape), ~nobody
    for session in range(harvest.max_sessions):
        collected += tile.value_of(short, Stream.HARVEST_YIELD, harvest.yield_million_per_kg, session)
        sessions = np.where(short, session + 1.0, sessions)
        short = short & (collected < harvest.target_million_per_kg)
        if not short.any():
            break
    return sessions, collected, sessions, short


def _recovery(scenario: Scenario, tile: _Tile, infected: Booleans) -> Floats:
    """Return harvest to readiness; an infection in mobilisation sets its own chance of postponement."""
    postponement = scenario.recovery.postponement
    days = tile.value(Stream.RECOVERY_DURATION, scenario.recovery.duration_days)
    chance = np.where(infected, postponement.after_infection, postponement.probability)
    postponed = tile.yes(Stream.POSTPONEMENT, chance)
    return days + tile.value_of(postponed, Stream.POSTPONEMENT_DURATION, postponement.duration_days)


def _after_reinfusion(
    scenario: Scenario, tile: _Tile, aplasia_days: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return onset in aplasia, late onset, first infection death and discharge, from reinfusion."""
    infection, late = scenario.aplasia.infection, scenario.late_infection
    onset = tile.spent(Stream.APLASIA_INFECTION, infection.hazard_per_day * infection.ward_relative_risk)
    onset = np.where(onset < aplasia_days, onset, NEVER)
    fatal = tile.yes(Stream.APLASIA_INFECTION_FATAL, infection.case_fatality)
    late_onset = aplasia_days + tile.spent(Stream.LATE_INFECTION, late.hazard_per_day)
    late_onset = np.where(late_onset < late.until_day, late_onset, NEVER)
    late_fatal = tile.yes(Stream.LATE_INFECTION_FATAL, infection.case_fatality)
    death = np.where(fatal, onset, NEVER)
    death = np.minimum(death, np.where(late_fatal, late_onset, NEVER)) + infection.days_to_death

    ready = aplasia_days + tile.value(Stream.DISCHARGE_DELAY, scenario.aplasia.discharge_delay_days)
    infected = onset < NEVER
    ill_days = tile.value_of(infected & ~fatal, Stream.APLASIA_INFECTION_DURATION, infection.duration_days)
    over = onset + np.where(fatal, infection.days_to_death, ill_days)
    return onset, late_onset, death, np.where(infected, np.maximum(ready, over), ready)


def _relapse(relapse: Relapse, tile: _Tile, aplasia_days: Floats) -> Floats:
    """Return reinfusion to relapse: the inverse cumulative hazard, and never before remission begins."""
    budget = tile.budget(Stream.RELAPSE)
    if relapse.dist == "log_logistic":  # H(x) = log(1 + (x / scale)^shape)
        budget = np.expm1(budget)
    with np.errstate(over="ignore"):
        latent = relapse.start_day + DAYS_PER_YEAR * relapse.scale_years * budget ** (1.0 / relapse.shape)
    return np.maximum(latent, aplasia_days)


def by_replication(fates: Fates) -> Iterator[list[Fate[float, bool]]]:
    """Yield, for each replication, the fates of its patients as Python numbers.

    One transpose serves all: reading NumPy's scalars one by one would cost several times more.
    """
    columns = [array.T.tolist() for array in fates]
    for replication in range(fates.enrolled.shape[1]):
        yield [Fate._make(row) for row in zip(*(column[replication] for column in columns), strict=True)]
