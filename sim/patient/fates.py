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
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from sim.patient.background import death_ages
from sim.patient.luck import BLOCK, Luck
from sim.patient.quantiles import Lanes, below, draw, uniforms, unit_exponential
from sim.patient.streams import Stream
from sim.scenario.distributions import Distribution, Floats
from sim.scenario.schema import DAYS_PER_YEAR, PoissonArrivals, Relapse, Scenario, TrialArrivals

Booleans: TypeAlias = NDArray[np.bool_]
Positions: TypeAlias = NDArray[np.intp]
"""Whom something concerns, as positions in a flattened tile."""
NEVER = np.inf
Number = TypeVar("Number")
YesNo = TypeVar("YesNo")

TILE = 128
"""Patients drawn at a time in a block of replications: working arrays that stay in the second-level cache."""
# Poisson arrivals drawn at a time, in all replications at once.
_GAPS = 32


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
    """Enrolment to death of a disease that stays active."""
    delay_days: Number
    """Enrolment to the start of mobilisation, or to the queue for a room of who enters there."""
    extra_budget: Number
    """Unit-exponential budget of the extra background hazard."""
    mobilisation_days: Number
    mobilisation_infection: Number
    """Start of mobilisation to onset."""
    mobilisation_infection_death: Number
    """Start of mobilisation to death of a fatal infection."""
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
    remission_days: Number
    """Relapse to a lasting remission."""


Fates: TypeAlias = Fate[Floats, Booleans]


class _Tile:
    """The luck of consecutive patients in some replications of one block.

    Yes/no decisions and rare times are given as positions in the flattened tile, so that what follows from
    them is worked out for those alone: a quantile costs many times its lane.
    """

    def __init__(self, luck: Luck, patients: range, replications: range) -> None:
        self._luck, self.patients, self.replications = luck, patients, replications
        self.shape = (len(patients), len(replications))

    def lanes(self, stream: Stream, occurrence: int = 0) -> Lanes:
        """Return this tile's lanes of a stream."""
        return self._luck.lanes(stream, self.patients, self.replications, occurrence)

    def value(self, stream: Stream, distribution: Distribution, occurrence: int = 0) -> Floats:
        """Return draws from a distribution by its inverse; a fixed one needs no luck."""
        if distribution.dist == "fixed":
            return self.constant(distribution.value)
        return draw(distribution, self.lanes(stream, occurrence))

    def value_of(
        self, chosen: Positions, stream: Stream, distribution: Distribution, occurrence: int = 0
    ) -> Floats:
        """Return draws of the chosen alone."""
        if distribution.dist == "fixed" or not chosen.size:
            return np.full(chosen.size, distribution.value if distribution.dist == "fixed" else 0.0)
        return draw(distribution, self.lanes(stream, occurrence).take(chosen))

    def yes(self, stream: Stream, probability: float) -> Booleans:
        """Return whether the event happens: its uniform lies below the probability."""
        if probability == 0.0:
            return np.zeros(self.shape, dtype=np.bool_)
        return below(self.lanes(stream), probability)

    def yes_of(self, chosen: Positions, stream: Stream, probability: float) -> Booleans:
        """Return whether the event happens to each of the chosen."""
        if probability == 0.0 or not chosen.size:
            return np.zeros(chosen.size, dtype=np.bool_)
        return below(self.lanes(stream).take(chosen), probability)

    def budget(self, stream: Stream) -> Floats:
        """Return unit-exponential budgets."""
        return unit_exponential(self.lanes(stream))

    def spent(self, stream: Stream, hazard: float) -> Floats:
        """Return when a constant hazard has spent its budget, in the hazard's unit of time."""
        if hazard == 0:
            return self.constant(NEVER)
        with np.errstate(over="ignore"):  # a budget too large for the hazard is never spent
            days = self.budget(stream)
            days /= hazard
            return days

    def spent_within(self, stream: Stream, hazard: float, longest: float) -> tuple[Positions, Floats]:
        """Return who spends the budget of a constant hazard in a time, or hardly later, and when."""
        if hazard == 0:
            return np.zeros(0, dtype=np.intp), np.zeros(0)
        lanes = self.lanes(stream)
        # A little more than the chance, so that rounding leaves nobody out; the caller knows who is in time.
        chosen = np.flatnonzero(below(lanes, float(-np.expm1(-hazard * longest)) * (1 + 1e-9) + 1e-9))
        with np.errstate(over="ignore"):  # as in `spent`
            return chosen, unit_exponential(lanes.take(chosen)) / hazard

    def full(self, value: float) -> Floats:
        """Return the same value for everybody, to begin with."""
        return np.full(self.shape, value)

    def constant(self, value: float) -> Floats:
        """Return the same value for everybody, for good: it takes no room and can't be written."""
        return np.broadcast_to(value, self.shape)


def draw_fates(scenario: Scenario, luck: Luck, replications: range) -> Fates:
    """Draw the fates of everybody in some replications.

    Parameters
    ----------
    replications
        Consecutive.

    Returns
    -------
    Fates
        With Poisson arrivals, patients who would come after the last day enrol never.
    """
    arrivals = _arrivals(scenario, luck, replications)
    shape = (arrivals.patients, len(replications))
    whole: list[NDArray[Any]] = []
    for rows in cut(range(arrivals.patients), TILE):
        for block in cut(replications, BLOCK):
            columns = slice(block.start - replications.start, block.stop - replications.start)
            tile = _Tile(luck, rows, block)
            fates = _draw_tile(scenario, tile, arrivals.of(tile))
            if tile.shape == shape:
                return fates
            whole = whole or [_room_for(part, shape) for part in fates]
            # What is drawn goes to its place at once, while it is in the cache.
            for array, part in zip(whole, fates, strict=True):
                if not is_constant(part):
                    array[rows.start : rows.stop, columns] = part
    return Fate._make(whole)


def draw_tiles(scenario: Scenario, luck: Luck, replications: range) -> Iterator[Fates]:
    """Draw the fates of `draw_fates`, some patients after others, in arrays that stay in the cache.

    Parameters
    ----------
    replications
        Consecutive, of one block of luck.
    """
    arrivals = _arrivals(scenario, luck, replications)
    for rows in cut(range(arrivals.patients), TILE):
        tile = _Tile(luck, rows, replications)
        yield _draw_tile(scenario, tile, arrivals.of(tile))


def cut(numbers: range, size: int) -> Iterator[range]:
    """Cut numbers at multiples of a size, wherever the first one lies."""
    first = numbers.start
    while first < numbers.stop:
        last = min(first + size - first % size, numbers.stop)
        yield range(first, last)
        first = last


def is_constant(array: NDArray[Any]) -> bool:
    """Return whether an array was made as one value for everybody."""
    return array.strides == (0, 0)


def _room_for(part: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Return an array for parts of a kind; a value that holds for everybody stays one."""
    return np.broadcast_to(part[0, 0], shape) if is_constant(part) else np.empty(shape, dtype=part.dtype)


def expected_patients(scenario: Scenario) -> int:
    """Return how many patients a replication has, or is sure not to exceed by much with Poisson arrivals."""
    mean = mean_patients(scenario)
    if isinstance(scenario.arrivals, TrialArrivals):
        return int(mean)
    return int(np.ceil(mean + 8 * np.sqrt(mean))) + 30


def mean_patients(scenario: Scenario) -> float:
    """Return how many patients a replication has on average."""
    arrivals = scenario.arrivals
    if isinstance(arrivals, TrialArrivals):
        return scenario.cohort.patients
    return arrivals.per_year * last_arrival_day(scenario) / DAYS_PER_YEAR


def last_arrival_day(scenario: Scenario) -> float:
    """Return the day from study opening after which nobody enrols."""
    arrivals = scenario.arrivals
    if isinstance(arrivals, TrialArrivals):
        return arrivals.window_days
    return arrivals.warm_up_days + arrivals.years * DAYS_PER_YEAR


@dataclass(frozen=True, slots=True)
class _TrialDays:
    """A trial's days of enrolment, which are drawn when they are needed."""

    arrivals: TrialArrivals
    patients: int

    def of(self, tile: _Tile) -> Floats:
        """Return the days of a tile."""
        share = uniforms(tile.lanes(Stream.ARRIVAL)) ** (1.0 / self.arrivals.power)
        return np.asarray(self.arrivals.window_days * share)


class _PoissonDays:
    """Poisson arrivals' days of enrolment: sums of gaps, so all are drawn before anything else is.

    After the last day they are never, and there are as many as the busiest replication has.
    """

    def __init__(self, arrivals: PoissonArrivals, luck: Luck, replications: range, last: float) -> None:
        self._first = replications.start
        parts: list[Floats] = []
        day = np.zeros(len(replications))
        while np.any(day <= last):
            some = range(_GAPS * len(parts), _GAPS * (len(parts) + 1))
            days = _Tile(luck, some, replications).budget(Stream.ARRIVAL)
            days *= DAYS_PER_YEAR / arrivals.per_year
            # Row by row: NumPy takes seven times as long to sum down columns.
            for row in days:
                day = np.add(row, day, out=row)
            parts.append(days)
        drawn = np.concatenate(parts)
        self.patients = max(int(np.count_nonzero(np.min(drawn, axis=1) <= last)), 1)
        came = drawn[: self.patients]
        self._days = np.where(came <= last, came, NEVER)

    def of(self, tile: _Tile) -> Floats:
        """Return the days of a tile."""
        patients, replications = tile.patients, tile.replications
        columns = slice(replications.start - self._first, replications.stop - self._first)
        return self._days[patients.start : patients.stop, columns]


def _arrivals(scenario: Scenario, luck: Luck, replications: range) -> _TrialDays | _PoissonDays:
    if isinstance(scenario.arrivals, TrialArrivals):
        return _TrialDays(scenario.arrivals, scenario.cohort.patients)
    return _PoissonDays(scenario.arrivals, luck, replications, last_arrival_day(scenario))


def _draw_tile(scenario: Scenario, tile: _Tile, enrolled: Floats) -> Fates:
    age = tile.value(Stream.AGE, scenario.cohort.age_years)
    female = tile.yes(Stream.SEX, scenario.cohort.female)
    mobilisation_days, infected, infection, infection_death = _mobilisation(scenario, tile)
    sessions, collected, slot_days, marrow_days, harvest_fails = _harvest(scenario, tile)
    aplasia_days = tile.value(Stream.APLASIA_DURATION, scenario.aplasia.duration_days)
    aplasia_infection, late_infection, death, stay_days = _after_reinfusion(scenario, tile, aplasia_days)
    responds, relapse_days = _response(scenario, tile, aplasia_days)
    delay_days = tile.value(Stream.TRANSPLANT_DELAY, scenario.transplant.delay_days)
    immunoablation_days = tile.value(Stream.IMMUNOABLATION_DURATION, scenario.immunoablation.duration_days)
    again = scenario.after_relapse.remission_per_year / DAYS_PER_YEAR
    extra = scenario.background.extra_per_year
    with_extra = extra.remission > 0 or extra.relapsed > 0
    return Fate(
        enrolled=enrolled, age=age, female=female,
        background_days=_background(scenario, tile, age, female),
        lupus_days=_lupus(scenario, tile, delay_days), delay_days=delay_days,
        extra_budget=tile.budget(Stream.BACKGROUND_EXTRA) if with_extra else tile.constant(NEVER),
        mobilisation_days=mobilisation_days,
        mobilisation_infection=infection, mobilisation_infection_death=infection_death,
        sessions=sessions, collected=collected, slot_days=slot_days,
        marrow_days=marrow_days, harvest_fails=harvest_fails,
        recovery_days=_recovery(scenario, tile, infected),
        immunoablation_days=immunoablation_days,
        toxicity_days=_toxicity(scenario, tile, immunoablation_days + aplasia_days),
        aplasia_days=aplasia_days, aplasia_infection=aplasia_infection,
        late_infection=late_infection, infection_death=death, stay_days=stay_days,
        turnaround_days=tile.value(Stream.ROOM_TURNAROUND, scenario.clinic.room_turnaround_days),
        responds=responds, relapse_days=relapse_days,
        remission_days=tile.spent(Stream.REMISSION_AGAIN, again),
    )  # fmt: skip


def _lupus(scenario: Scenario, tile: _Tile, delay_days: Floats) -> Floats:
    """Return enrolment to lupus death: one budget, spent at another rate in the delay, or at home."""
    hazard, multiplier = scenario.active_disease.hazard_per_year, scenario.transplant.waiting_multiplier
    if scenario.cohort.enters_at == "home":
        hazard *= multiplier
    days = tile.spent(Stream.LUPUS, hazard / DAYS_PER_YEAR)
    if not scenario.transplant.delayed or multiplier == 1:
        return days
    in_delay = multiplier * delay_days
    with np.errstate(divide="ignore", over="ignore"):  # without a hazard in the delay only later
        return np.where(days < in_delay, days / multiplier, delay_days + (days - in_delay))


def _background(scenario: Scenario, tile: _Tile, age: Floats, female: Booleans) -> Floats:
    """Return enrolment to background death: the hazard is constant between birthdays."""
    ages = death_ages(scenario.background)
    if ages is None:
        return tile.constant(NEVER)
    death_age = ages.at(age, female, tile.budget(Stream.BACKGROUND))
    with np.errstate(over="ignore"):
        return np.maximum(death_age - age, 0.0) * DAYS_PER_YEAR


def _mobilisation(scenario: Scenario, tile: _Tile) -> tuple[Floats, Positions, Floats, Floats]:
    """Return duration, who is infected, and onset and death from enrolment; the last days are at risk."""
    infection = scenario.mobilisation.infection
    days = tile.value(Stream.MOBILISATION_DURATION, scenario.mobilisation.duration_days)
    onset, death = tile.full(NEVER), tile.full(NEVER)
    who, after = tile.spent_within(
        Stream.MOBILISATION_INFECTION, infection.hazard_per_day, infection.window_days
    )
    lasts = days.take(who)
    at = (lasts - np.minimum(infection.window_days, lasts)) + after
    in_time = at < lasts
    who, at = who.compress(in_time), at.compress(in_time)
    fatal = tile.yes_of(who, Stream.MOBILISATION_INFECTION_FATAL, infection.case_fatality)
    onset.reshape(-1)[who] = at
    death.reshape(-1)[who[fatal]] = at[fatal] + infection.days_to_death
    return days, who, onset, death


def _harvest(scenario: Scenario, tile: _Tile) -> tuple[Floats, Floats, Floats, Floats, Booleans]:
    """Return sessions, cells collected, days at the slot, days for marrow, and whose harvest fails."""
    harvest = scenario.harvest
    marrow_days, fails = tile.full(0.0), np.zeros(tile.shape, dtype=np.bool_)
    if harvest.duration_days != "by_sessions":
        days = tile.value(Stream.HARVEST_DURATION, harvest.duration_days)
        return tile.constant(0.0), tile.constant(np.nan), days, marrow_days, fails
    target, yields = harvest.target_million_per_kg, harvest.yield_million_per_kg
    collected, sessions = tile.value(Stream.HARVEST_YIELD, yields).copy(), tile.full(1.0)
    got, held = collected.reshape(-1), sessions.reshape(-1)
    short = np.flatnonzero(got < target)
    for session in range(1, harvest.max_sessions):
        if not short.size:
            break
        so_far = got.take(short) + tile.value_of(short, Stream.HARVEST_YIELD, yields, session)
        got[short], held[short] = so_far, session + 1.0
        short = short.compress(so_far < target)
    marrow_days.reshape(-1)[short] = harvest.marrow.days
    fails.reshape(-1)[short] = tile.yes_of(short, Stream.MARROW_FAILURE, harvest.marrow.failure)
    return sessions, collected, sessions, marrow_days, fails


def _recovery(scenario: Scenario, tile: _Tile, infected: Positions) -> Floats:
    """Return harvest to readiness; an infection in mobilisation sets its own chance of postponement."""
    postponement = scenario.recovery.postponement
    days = tile.value(Stream.RECOVERY_DURATION, scenario.recovery.duration_days).copy()
    lanes = tile.lanes(Stream.POSTPONEMENT).reshape(-1)
    postponed = below(lanes, postponement.probability)
    postponed[infected] = below(lanes[infected], postponement.after_infection)
    who = np.flatnonzero(postponed)
    days.reshape(-1)[who] += tile.value_of(who, Stream.POSTPONEMENT_DURATION, postponement.duration_days)
    return days


def _after_reinfusion(
    scenario: Scenario, tile: _Tile, aplasia_days: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return onset in aplasia, late onset, first infection death and discharge, from reinfusion."""
    infection, late = scenario.aplasia.infection, scenario.late_infection
    fatality = infection.case_fatality
    onset, late_onset, death = (tile.full(NEVER) for _ in range(3))
    stay = aplasia_days + tile.value(Stream.DISCHARGE_DELAY, scenario.aplasia.discharge_delay_days)

    hazard = infection.hazard_per_day * infection.ward_relative_risk
    who, at = tile.spent_within(Stream.APLASIA_INFECTION, hazard, float(aplasia_days.max(initial=0.0)))
    in_time = at < aplasia_days.take(who)
    who, at = who.compress(in_time), at.compress(in_time)
    fatal = tile.yes_of(who, Stream.APLASIA_INFECTION_FATAL, fatality)
    ill_days = np.full(who.size, infection.days_to_death)
    ill_days[~fatal] = tile.value_of(who[~fatal], Stream.APLASIA_INFECTION_DURATION, infection.duration_days)
    onset.reshape(-1)[who] = at
    death.reshape(-1)[who[fatal]] = at[fatal] + infection.days_to_death
    stay.reshape(-1)[who] = np.maximum(stay.take(who), at + ill_days)

    who, after = tile.spent_within(Stream.LATE_INFECTION, late.hazard_per_day, late.until_day)
    at = aplasia_days.take(who) + after
    in_time = at < late.until_day
    who, at = who.compress(in_time), at.compress(in_time)
    fatal = tile.yes_of(who, Stream.LATE_INFECTION_FATAL, fatality)
    late_onset.reshape(-1)[who] = at
    late_death = at[fatal] + infection.days_to_death
    death.reshape(-1)[who[fatal]] = np.minimum(death.reshape(-1)[who[fatal]], late_death)
    return onset, late_onset, death, stay


def _toxicity(scenario: Scenario, tile: _Tile, engraftment: Floats) -> Floats:
    """Return the start of immunoablation to death from toxicity, for whom it may come before engraftment."""
    hazard, toxicity = scenario.immunoablation.toxicity_per_day, tile.full(NEVER)
    who, at = tile.spent_within(Stream.TOXICITY, hazard, float(engraftment.max(initial=0.0)) + 1.0)
    # A day more than enough, so that rounding of the clinic's days decides as if it were there for everybody.
    in_time = at <= engraftment.take(who) + 1.0
    toxicity.reshape(-1)[who.compress(in_time)] = at.compress(in_time)
    return toxicity


def _response(scenario: Scenario, tile: _Tile, aplasia_days: Floats) -> tuple[Booleans, Floats]:
    """Return who responds, and reinfusion to relapse."""
    relapse, non_response = _relapse(scenario.relapse, tile, aplasia_days), scenario.response.non_response
    if non_response == 0:
        return np.broadcast_to(np.True_, tile.shape), relapse
    responds = ~tile.yes(Stream.RESPONSE, non_response)
    return responds, np.where(responds, relapse, NEVER)


def _relapse(relapse: Relapse, tile: _Tile, aplasia_days: Floats) -> Floats:
    """Return reinfusion to relapse: the inverse cumulative hazard, and never before remission begins."""
    budget = tile.budget(Stream.RELAPSE)
    if relapse.dist == "log_logistic":  # H(x) = log(1 + (x / scale)^shape)
        budget = np.expm1(budget)
    with np.errstate(over="ignore"):
        latent = budget ** (1.0 / relapse.shape)
        latent *= DAYS_PER_YEAR * relapse.scale_years
    latent += relapse.start_day
    return np.maximum(latent, aplasia_days, out=latent)


def by_replication(fates: Fates) -> Iterator[list[Fate[float, bool]]]:
    """Yield, for each replication, the fates of its patients as Python numbers.

    One transpose serves all: reading NumPy's scalars one by one would cost several times more.
    """
    columns = [array.T.tolist() for array in fates]
    for replication in range(fates.enrolled.shape[1]):
        yield [Fate._make(row) for row in zip(*(column[replication] for column in columns), strict=True)]
