"""The endpoints, read off histories: as counts on everybody's whole course, and as a trial would report them.

Times are compared as absolute days, never as differences, so that a death exactly at a reading time falls
on the same side everywhere. Sums run from patient to patient, so that nothing depends on how many are read at
a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sim.clinic.history import History
from sim.clinic.states import TREATMENT_CAUSES, Cause
from sim.outcomes.counting import Some, add_up, count, in_order, ratio, total
from sim.outcomes.many_trials import FollowUps, follow_ups, incidences, quantiles
from sim.patient.fates import NEVER, Booleans, last_arrival_day
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME, LONG_WAIT_DAYS, QUEUES, TREATMENT_DAYS, Key, keys, read_times
from sim.scenario.schema import DAYS_PER_YEAR, PoissonArrivals, Scenario

EARLY_DEATH_YEARS = 0.125
EARLY_RELAPSE_YEARS = 0.5

FAILURES = ("relapse_incidence", "no_response", "death_without_relapse")
"""What ends disease-free survival, by the number of the cause."""

BY_CAUSE = tuple(f"death_by_cause_{cause.name.lower()}" for cause in Cause)
"""Deaths of the enrolled, by the number of the cause."""

_QUANTILES = {"median": 0.5, "90_percent": 0.9}

# The curves a trial estimates: the endpoints of each, survival first and then its causes of failure.
_CURVES = {
    "alive": ("overall_survival",),
    "disease_free": ("disease_free_survival", *FAILURES),
    "alive_enrolled": ("overall_survival_enrolled", *BY_CAUSE),
    "disease_free_enrolled": ("disease_free_survival_enrolled",),
}


_Name = TypeVar("_Name")


@dataclass(frozen=True, slots=True)
class EndpointReading:
    """One endpoint in many replications; arrays have shape (replications,).

    ``total / size`` estimates the endpoint from uncensored histories; ``trial`` is the figure as each
    replication would report it at its data cut, not a number where undefined or not reported.
    """

    total: Floats
    size: Floats
    trial: Floats


@dataclass(slots=True)
class Sums:
    """What is read off some patients after others; numbers have shape (replications,).

    Without ``trials`` nothing is read that each replication would report as a trial, which costs as much as
    all the rest.
    """

    trials: bool = True
    total: dict[Key, Floats] = field(default_factory=dict)
    size: dict[str, Floats] = field(default_factory=dict)
    """By denominator."""
    reported: dict[Key, Floats] = field(default_factory=dict)
    """What a trial counts and out of how many, two rows, where that is not what all whole courses give."""
    followed: dict[str, list[FollowUps]] = field(default_factory=lambda: defaultdict(list))

    def add(self, view: View) -> None:
        """Read some patients, at most 255 of each replication."""
        with np.errstate(invalid="ignore"):  # never less never, where the masks look away
            for part in (_mortality, _from_reinfusion, _from_enrolment, _stay, _waits, _follow_up):
                for name, time, number, trial in part(view, self):
                    _grow(self.total, (name, time), number)
                    if trial is not None:
                        _grow(self.reported, (name, time), np.stack(trial))

    def add_up(self, name: str, value: Floats, among: Booleans) -> None:
        """Add a value of some patients, one after the other."""
        key = (name, None)
        self.total[key] = total(value, among, self.total.get(key))

    def out_of(self, denominator: str, number: Floats) -> None:
        """Add to a denominator."""
        _grow(self.size, denominator, number)

    def readings(self, scenario: Scenario) -> dict[Key, EndpointReading]:
        """Return every endpoint, at the end: what was read of follow-up is let go."""
        self._offered_waits()
        opened, closed = open_days(scenario)
        replications = len(next(iter(self.total.values())))
        sizes = {**self.size, "days": np.full(replications, closed - opened)}
        trials = dict(self._trials(scenario)) if self.trials else {}
        unread = np.full(replications, np.nan)
        readings = {}
        for key in keys(scenario.follow_up.horizon_years):
            endpoint = BY_NAME[key[0]]
            number, size = self.total[key], sizes[endpoint.denominator]
            if endpoint.trial == "none" or not self.trials:
                trial = unread
            elif key in trials:
                trial = trials[key]
            else:
                counted, among = self.reported.get(key, (number, size))
                trial = ratio(counted, among)
            readings[key] = EndpointReading(number, size, trial)
        return readings

    def _offered_waits(self) -> None:
        """Read the quantiles of each clinic's waits, of which the mean over clinics is taken."""
        for queue, start in QUEUES.items():
            waits = self.followed.pop(queue, None)
            known = np.where(self.size[f"{start}asked"] > 0, 0.0, np.nan)
            found = [known, known] if waits is None else quantiles(waits, tuple(_QUANTILES.values()))
            for name, days in zip(_QUANTILES, found, strict=True):
                self.size[f"{start}{name}_reached"] = np.isfinite(days).astype(np.float64)
                self.total[f"{queue}_wait_{name}_days", None] = np.nan_to_num(days)

    def _trials(self, scenario: Scenario) -> Iterator[tuple[Key, Floats]]:
        """Yield the estimates of censored follow-up."""
        for curve, names in _CURVES.items():
            times = reading_years(scenario, names[0])
            days = [time * DAYS_PER_YEAR for time in times]
            found = incidences(self.followed.pop(curve), max(len(names) - 1, 1), days)
            for name, values in zip(names, (found.survival, *found.by_cause), strict=False):
                yield from (((name, time), value) for time, value in zip(times, values, strict=True))


def _grow(sums: dict[_Name, Floats], name: _Name, number: Floats) -> None:
    sums[name] = sums[name] + number if name in sums else number


def survival_curves(view: View, times: Floats) -> dict[str, tuple[Floats, Floats]]:
    """Return, for overall and disease-free survival, who is event-free at each time, and out of how many.

    A cohort that is never transplanted has overall survival from enrolment alone.

    Parameters
    ----------
    times
        Years from reinfusion, or from enrolment, rising, shape (times,).

    Returns
    -------
    dict
        Endpoint name: totals, shape (times, replications), and sizes, shape (replications,).
    """
    history = view.history
    curves = {
        "overall_survival": (view.reinfused, history.aplasia, history.death),
        "disease_free_survival": (view.reinfused, history.aplasia, view.disease_free_end),
    }
    if view.scenario.cohort.enters_at == "home":
        curves = {"overall_survival_enrolled": (view.enrolled, history.enrolled, history.death)}
    days = times * DAYS_PER_YEAR
    found = {}
    for name, (among, start, end) in curves.items():
        size: Floats = np.sum(among, axis=0, dtype=np.float64)
        found[name] = (size - events_by(among, start, end, days), size)
    return found


def events_by(among: Booleans, start: Floats, end: Floats, days: Floats) -> Floats:
    """Count the ends by each of some rising days from the start, shape (days, replications)."""
    ended = Some(among & (end <= start + days[-1]))
    begun, over = ended.of(start), ended.of(end)
    # The first day by which it has ended: guessed as if days were evenly spaced, and then looked for.
    guess = (over - begun) * ((days.size - 1) / max(days[-1], 1e-9))
    first = np.minimum(guess.astype(np.intp) + 1, days.size - 1)
    before = np.append(-np.inf, days[:-1])
    while True:
        late = over <= begun + before.take(first)
        early = over > begun + days.take(first)
        if not (late.any() or early.any()):
            break
        first -= late
        first += early
    return add_up(ended.numbers(first, days.size))


def of_treatment(cause: NDArray[Any], death: Floats, reinfused: Floats) -> Booleans:
    """Tell which deaths are treatment-related: of infection or toxicity, to day 100 after reinfusion."""
    treatment: Booleans = np.logical_or.reduce([cause == which for which in TREATMENT_CAUSES])
    return treatment & (death <= reinfused + TREATMENT_DAYS)


def open_days(scenario: Scenario) -> tuple[float, float]:
    """Return the days from which and up to which the clinic counts as open."""
    arrivals = scenario.arrivals
    opened = arrivals.warm_up_days if isinstance(arrivals, PoissonArrivals) else 0.0
    return opened, last_arrival_day(scenario)


class View:
    """Some patients with what several endpoints need; masks and times of shape (patients, replications)."""

    def __init__(self, history: History, scenario: Scenario) -> None:
        self.history, self.scenario = history, scenario
        self.open_from, self.open_until = open_days(scenario)
        self.enrolled = history.present
        if self.open_from > 0:
            self.enrolled = self.enrolled & (history.enrolled >= self.open_from)
        self.reinfused = self.enrolled & history.reinfused
        self.stayed = history.immunoablation < NEVER
        cut = scenario.follow_up.data_cut_days
        self.seen: Floats = np.array(NEVER if cut == "none" else cut)
        """By when a trial has seen what happens in the clinic, which no horizon cuts."""
        self.cut = self.seen
        if cut == "none":
            start = np.where(history.reinfused, history.aplasia, history.enrolled)
            self.cut = start + scenario.follow_up.horizon_years * DAYS_PER_YEAR
        self.unanswered: Booleans | None = None
        self.disease_free_end = np.minimum(history.relapse, np.minimum(history.death, history.withdrawn))
        if not history.responds.all():
            assessed = history.aplasia + scenario.response.assessed_at_days
            self.unanswered = self.reinfused & ~history.responds & (history.death > assessed)
            # A non-responder never relapses.
            earlier = np.minimum(assessed, self.disease_free_end)
            self.disease_free_end = np.where(self.unanswered, earlier, self.disease_free_end)

    def among(self, which: Booleans) -> View:
        """Return what is seen of some of the patients alone."""
        part = copy(self)
        for name in ("enrolled", "reinfused", "stayed"):
            setattr(part, name, getattr(self, name) & which)
        return part

    def failed(self) -> list[Booleans]:
        """Return, among the reinfused, who first relapses, has no response, or dies."""
        history, end = self.history, self.disease_free_end
        ended = self.reinfused & (end < NEVER)
        relapsed = ended & (history.relapse == end)
        nobody = np.zeros(ended.shape, dtype=np.bool_)
        unanswered = nobody if self.unanswered is None else ended & self.unanswered & ~relapsed
        return [relapsed, unanswered, ended & ~(relapsed | unanswered)]

    def follow(self, start: Floats, end: Floats, events: Sequence[Booleans], among: Booleans) -> FollowUps:
        """Follow as trials do: who started before the data cut, until the event or the cut."""
        by_cut = end <= self.cut
        followed = np.minimum(end, self.cut) - start
        return follow_ups(followed, [had & by_cut for had in events], among & (start < self.cut))


Row = tuple[str, float | None, Floats, tuple[Floats, Floats] | None]
"""An endpoint, its time, a number, and what a trial counts if that is something else."""


def _mortality(view: View, sums: Sums) -> Iterator[Row]:
    history = view.history
    sums.out_of("enrolled", count(view.enrolled))
    seen = count(view.enrolled & (history.enrolled <= view.seen)) if sums.trials else None
    dead = Some(view.enrolled & (history.death < NEVER))
    death, aplasia, cause = dead.of(history.death), dead.of(history.aplasia), dead.of(history.cause)
    by_cut, on_way = death <= dead.of(view.cut), aplasia == NEVER
    treatment = of_treatment(cause, death, aplasia)
    for name, who in (
        ("treatment_related_mortality", treatment),
        ("transplant_related_mortality", treatment & (aplasia < NEVER)),
        ("pre_transplant_mortality", on_way & (dead.of(history.withdrawn) == NEVER)),
    ):
        trial = None if seen is None else (dead.number(who & (death <= view.seen)), seen)
        yield name, None, dead.number(who), trial
    enrolled, times = dead.of(history.enrolled), reading_years(view.scenario, BY_CAUSE[0])
    # In one go: after how many of the times each dies, and of what.
    kind = cause.astype(np.intp) * (len(times) + 1)
    for time in times:
        kind += death > enrolled + time * DAYS_PER_YEAR
    died_by = dead.numbers(kind, len(Cause) * (len(times) + 1)).reshape(len(Cause), len(times) + 1, -1)
    for name, by_time in zip(BY_CAUSE, np.cumsum(died_by, axis=1), strict=True):
        yield from ((name, time, number, None) for time, number in zip(times, by_time, strict=False))
    soon = by_cut & (death <= enrolled + EARLY_DEATH_YEARS * DAYS_PER_YEAR)
    died = dead.number(by_cut)
    sums.out_of("died", died)
    yield "deaths_by_data_cut", None, died, None
    yield "early_deaths", None, dead.number(soon), None
    withdrawn = Some(view.enrolled & (history.withdrawn < NEVER))
    known = withdrawn.of(history.withdrawn) <= view.seen
    trial = None if seen is None else (withdrawn.number(known), seen)
    yield "harvest_failure", None, withdrawn.number(), trial
    left = Some(view.enrolled & ~view.reinfused)
    waiting = (left.of(history.withdrawn) == NEVER) & (left.of(history.death) == NEVER)
    yield "still_waiting", None, left.number(waiting), None


def _from_reinfusion(view: View, sums: Sums) -> Iterator[Row]:
    history, end, failed = view.history, view.disease_free_end, view.failed()
    sums.out_of("reinfused", count(view.reinfused))
    if sums.trials:
        death, whom = history.death, view.reinfused
        sums.followed["alive"].append(view.follow(history.aplasia, death, [death < NEVER], whom))
        sums.followed["disease_free"].append(view.follow(history.aplasia, end, failed, whom))
    well = view.reinfused & history.responds
    for time in reading_years(view.scenario, "overall_survival"):
        day = history.aplasia + time * DAYS_PER_YEAR
        event_free = end > day
        ended = ~event_free
        yield "overall_survival", time, count(view.reinfused & (history.death > day)), None
        yield "disease_free_survival", time, count(view.reinfused & event_free), None
        for name, cause in zip(FAILURES, failed, strict=True):
            yield name, time, count(cause & ended), None
        in_remission = well & event_free & (history.recovering_in_hospital <= day)
        trial = None
        if sums.trials:
            evaluable = view.reinfused & (day <= view.cut)
            trial = count(in_remission & evaluable), count(evaluable)
        yield "in_remission", time, count(in_remission), trial
    _add_years("restricted_mean_survival", view, sums, history.aplasia, view.reinfused)


def _from_enrolment(view: View, sums: Sums) -> Iterator[Row]:
    history = view.history
    by_cause = [history.cause == cause for cause in Cause] if sums.trials else []
    well = view.disease_free_end
    for name, curve, end, events in (
        ("overall_survival_enrolled", "alive_enrolled", history.death, by_cause),
        ("disease_free_survival_enrolled", "disease_free_enrolled", well, [well < NEVER]),
    ):
        if sums.trials:
            followed = view.follow(history.enrolled, end, events, view.enrolled)
            sums.followed[curve].append(followed)
        for time in reading_years(view.scenario, name):
            free = view.enrolled & (end > history.enrolled + time * DAYS_PER_YEAR)
            yield name, time, count(free), None
    _add_years("restricted_mean_survival_enrolled", view, sums, history.enrolled, view.enrolled)


def _stay(view: View, sums: Sums) -> Iterator[Row]:
    history = view.history
    onsets = (history.mobilisation_infection, history.aplasia_infection, history.late_infection)
    infections = [count(view.enrolled & (onset < NEVER)) for onset in onsets]
    yield "infections_per_patient", None, infections[0] + infections[1] + infections[2], None
    granted = view.enrolled & view.stayed
    left = np.minimum(np.minimum(history.home, history.death), history.follow_up_end)
    sums.add_up("length_of_stay_days", left - history.immunoablation, granted)
    free_again = np.minimum(left + history.turnaround_days, view.open_until)
    used = np.maximum(free_again - np.maximum(history.immunoablation, view.open_from), 0.0)
    sums.add_up("room_occupancy", used, view.stayed)
    harvested = view.enrolled & np.isfinite(history.collected)
    infused = harvested & view.reinfused
    sums.out_of("harvested", count(harvested))
    sums.out_of("infused", count(infused))
    sums.add_up("apheresis_sessions", history.sessions, harvested)
    selected = history.collected * view.scenario.harvest.selection_recovery
    sums.add_up("cd34_infused", selected, infused)


def _waits(view: View, sums: Sums) -> Iterator[Row]:
    history, clinic = view.history, view.scenario.clinic
    for queue, places, asked, got in (
        ("room", clinic.isolation_rooms, history.waiting, history.immunoablation),
        ("slot", clinic.apheresis_slots, history.ready_for_harvest, history.harvesting),
    ):
        start = QUEUES[queue]
        asking = view.enrolled & (asked < NEVER)
        size = granted = count(asking)
        waited = long = died = np.zeros(asking.shape[1])
        if places == "unlimited":
            yield f"{queue}_wait_days", None, waited, None
        else:
            served = view.enrolled & (got < NEVER)
            granted = count(served)
            left = np.minimum(np.minimum(got, history.death), history.follow_up_end)
            waited, long = count(asking & (got > asked)), count(asking & (left > asked + LONG_WAIT_DAYS))
            died = count(asking & ~served & (history.death < NEVER))
            days = left - asked
            sums.add_up(f"{queue}_wait_days", days, served)
            sums.followed[queue].append(follow_ups(days, [served], asking))
        sums.out_of(f"{start}granted", granted)
        sums.out_of(f"{start}asked", size)
        yield f"{start}waited", None, waited, None
        yield f"{start}waited_over_{LONG_WAIT_DAYS:g}_days", None, long, None
        yield f"{start}died_waiting", None, died, None
        yield f"{start}died_waiting_of_asked", None, died, None


def _follow_up(view: View, sums: Sums) -> Iterator[Row]:
    history = view.history
    followed = view.reinfused & (history.aplasia < view.cut)
    sums.out_of("followed", count(followed))
    years = (np.minimum(history.death, view.cut) - history.aplasia) / DAYS_PER_YEAR
    sums.add_up("mean_follow_up", years, followed)
    answered = view.reinfused & history.responds & (history.recovering_in_hospital <= view.cut)
    sums.out_of("responded", count(answered))
    relapsed = answered & (history.relapse <= view.cut)
    number = count(relapsed)
    sums.out_of("relapsed", number)
    yield "relapses_by_data_cut", None, number, None
    early = history.relapse <= history.aplasia + EARLY_RELAPSE_YEARS * DAYS_PER_YEAR
    yield "early_relapses", None, count(relapsed & early), None


def reading_years(scenario: Scenario, name: str) -> list[float]:
    """Return the times in years at which an endpoint that has some is read."""
    times = read_times(BY_NAME[name], scenario.follow_up.horizon_years)
    return [time for time in times if time is not None]


def _add_years(name: str, view: View, sums: Sums, start: Floats, among: Booleans) -> None:
    """Add up the years lived by each reading time."""
    years = np.where(among, (view.history.death - start) / DAYS_PER_YEAR, 0.0)
    for time in reading_years(view.scenario, name):
        sums.total[name, time] = in_order(np.minimum(years, time), sums.total.get((name, time)))
