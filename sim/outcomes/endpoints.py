"""The endpoints, read off histories: as counts on everybody's whole course, and as a trial would report them.

Times are compared as absolute days, never as differences, so that a death exactly at a reading time falls
on the same side everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.clinic.history import History
from sim.clinic.states import TREATMENT_CAUSES, Cause
from sim.outcomes.many_trials import Incidences, incidences
from sim.patient.fates import NEVER, Booleans, last_arrival_day
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME, Key, keys, read_times
from sim.scenario.schema import DAYS_PER_YEAR, PoissonArrivals, Scenario

EARLY_DEATH_YEARS = 0.125
EARLY_RELAPSE_YEARS = 0.5
TREATMENT_DAYS = 100.0
"""Days after reinfusion up to which a death counts as treatment-related."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One endpoint in many replications; arrays have shape (replications,).

    ``total / size`` estimates the endpoint from uncensored histories; ``trial`` is the figure as each
    replication would report it at its data cut, not a number where undefined or not reported.
    """

    total: Floats
    size: Floats
    trial: Floats


def read_endpoints(history: History, scenario: Scenario) -> dict[Key, Reading]:
    """Read every endpoint off the histories of some replications.

    Raises
    ------
    KeyError
        An endpoint was computed that the dictionary of endpoints does not name.
    """
    view = _View(history, scenario)
    readings = dict(_read_all(view))
    return {key: readings[key] for key in keys(scenario.follow_up.horizon_years)}


def survival_curves(history: History, scenario: Scenario, times: Floats) -> dict[str, tuple[Floats, Floats]]:
    """Return, for overall and disease-free survival, who is event-free at each time, and out of how many.

    A cohort that is never transplanted has overall survival from enrolment alone.

    Parameters
    ----------
    times
        Years from reinfusion, or from enrolment, shape (times,).

    Returns
    -------
    dict
        Endpoint name: totals, shape (times, replications), and sizes, shape (replications,).
    """
    view = _View(history, scenario)
    curves = {
        "overall_survival": (view.reinfused, history.aplasia, history.death),
        "disease_free_survival": (view.reinfused, history.aplasia, view.disease_free_end),
    }
    if scenario.cohort.enters_at == "home":
        curves = {"overall_survival_enrolled": (view.enrolled, history.enrolled, history.death)}
    return {
        name: (
            np.array([_count(among & (end > start + time * DAYS_PER_YEAR)) for time in times]),
            _count(among),
        )
        for name, (among, start, end) in curves.items()
    }


class _View:
    """A history with what several endpoints need; masks and times of shape (patients, replications)."""

    def __init__(self, history: History, scenario: Scenario) -> None:
        self.history, self.scenario = history, scenario
        arrivals = scenario.arrivals
        self.open_from = arrivals.warm_up_days if isinstance(arrivals, PoissonArrivals) else 0.0
        self.open_until = last_arrival_day(scenario)
        self.enrolled = history.present & (history.enrolled >= self.open_from)
        self.reinfused = self.enrolled & history.reinfused
        cut = scenario.follow_up.data_cut_days
        self.cut: Floats = history.follow_up_end if cut == "none" else np.full_like(history.death, cut)
        assessed = history.aplasia + scenario.response.assessed_at_days
        unanswered = self.reinfused & ~history.responds & (history.death > assessed)
        self.no_response = np.where(unanswered, assessed, NEVER)
        # A non-responder never relapses, so one of the first two is infinite.
        self.disease_free_end = np.minimum(
            np.minimum(history.relapse, self.no_response), np.minimum(history.death, history.withdrawn)
        )

    def after(self, years: float) -> Floats:
        """Return the day that lies some years after reinfusion."""
        return self.history.aplasia + years * DAYS_PER_YEAR

    def died_of(self, causes: tuple[Cause, ...]) -> Booleans:
        """Return who died of one of the causes."""
        return self.enrolled & np.isin(self.history.cause, causes)

    def counted(self, who: Booleans, when: Floats, among: Booleans) -> Reading:
        """Count an event among some patients; a trial counts those that its data cut has seen."""
        size, seen = _count(among), _count(among & (self.history.enrolled <= self.cut))
        return Reading(_count(who), size, _ratio(_count(who & (when <= self.cut)), seen))

    def seen(self, who: Booleans, among: Booleans) -> Reading:
        """Count what the data cut has seen, which is what a trial reports."""
        total, size = _count(who), _count(among)
        return Reading(total, size, _ratio(total, size))

    def averaged(self, value: Floats, among: Booleans) -> Reading:
        """Average a value that no trial reports."""
        size = _count(among)
        return Reading(_sum(value, among), size, np.full(size.shape, np.nan))


def _read_all(view: _View) -> Iterator[tuple[Key, Reading]]:
    yield from _mortality(view)
    yield from _from_reinfusion(view)
    yield from _from_enrolment(view)
    yield from _stay(view)
    yield from _follow_up(view)


def _mortality(view: _View) -> Iterator[tuple[Key, Reading]]:
    history = view.history
    treatment = view.died_of(TREATMENT_CAUSES) & (history.death <= history.aplasia + TREATMENT_DAYS)
    before = view.enrolled & (history.death < NEVER) & ~history.reinfused & ~(history.withdrawn < NEVER)
    for name, who in (
        ("treatment_related_mortality", treatment),
        ("transplant_related_mortality", treatment & history.reinfused),
        ("pre_transplant_mortality", before),
        *((f"death_by_cause_{cause.name.lower()}", view.died_of((cause,))) for cause in Cause),
    ):
        yield (name, None), view.counted(who, history.death, view.enrolled)
    dead = view.enrolled & (history.death <= view.cut)
    soon = dead & (history.death <= history.enrolled + EARLY_DEATH_YEARS * DAYS_PER_YEAR)
    yield ("deaths_by_data_cut", None), view.seen(dead, view.enrolled)
    yield ("early_deaths", None), view.seen(soon, dead)
    withdrawn = view.enrolled & (history.withdrawn < NEVER)
    yield ("harvest_failure", None), view.counted(withdrawn, history.withdrawn, view.enrolled)


def _from_reinfusion(view: _View) -> Iterator[tuple[Key, Reading]]:
    history, size = view.history, _count(view.reinfused)
    times = _times(view.scenario, "overall_survival")
    kinds = (history.relapse, view.no_response, history.death)
    cause = _first(kinds, view.disease_free_end)
    free = _as_trials(view, history.aplasia, view.disease_free_end, cause, len(kinds), view.reinfused, times)
    death = _first((history.death,), history.death)
    alive = _as_trials(view, history.aplasia, history.death, death, 1, view.reinfused, times)
    for k, time in enumerate(times):
        day = view.after(time)
        event_free = view.reinfused & (view.disease_free_end > day)
        well = event_free & history.responds & (history.recovering_in_hospital <= day)
        had = view.reinfused & (view.disease_free_end <= day)
        survivors = _count(view.reinfused & (history.death > day))
        yield ("overall_survival", time), Reading(survivors, size, alive.survival[k])
        yield ("disease_free_survival", time), Reading(_count(event_free), size, free.survival[k])
        names = ("relapse_incidence", "no_response", "death_without_relapse")
        for number, name in enumerate(names):
            yield (name, time), Reading(_count(had & (cause == number)), size, free.by_cause[number][k])
        evaluable = view.reinfused & (day <= view.cut)
        reported = _ratio(_count(well & evaluable), _count(evaluable))
        yield ("in_remission", time), Reading(_count(well), size, reported)
    years = _years_lived(history.death, history.aplasia, view.scenario)
    yield ("restricted_mean_survival", None), view.averaged(years, view.reinfused)


def _from_enrolment(view: _View) -> Iterator[tuple[Key, Reading]]:
    history, size = view.history, _count(view.enrolled)
    for name, end in (
        ("overall_survival_enrolled", history.death),
        ("disease_free_survival_enrolled", view.disease_free_end),
    ):
        times = _times(view.scenario, name)
        cause = _first((end,), end)
        trials = _as_trials(view, history.enrolled, end, cause, 1, view.enrolled, times)
        for k, time in enumerate(times):
            free = view.enrolled & (end > history.enrolled + time * DAYS_PER_YEAR)
            yield (name, time), Reading(_count(free), size, trials.survival[k])
    years = _years_lived(history.death, history.enrolled, view.scenario)
    yield ("restricted_mean_survival_enrolled", None), view.averaged(years, view.enrolled)


def _stay(view: _View) -> Iterator[tuple[Key, Reading]]:
    history = view.history
    granted = view.enrolled & (history.immunoablation < NEVER)
    left = np.minimum(np.minimum(history.home, history.death), history.follow_up_end)
    stay = _difference(left, history.immunoablation)
    wait = _difference(history.immunoablation, history.waiting)
    infections = history.infections.astype(np.float64)
    yield ("infections_per_patient", None), view.averaged(infections, view.enrolled)
    yield ("length_of_stay_days", None), view.averaged(stay, granted)
    yield ("room_wait_days", None), view.averaged(wait, granted)
    free_again = left + history.turnaround_days
    used = np.minimum(free_again, view.open_until) - np.maximum(history.immunoablation, view.open_from)
    open_days = np.full(stay.shape[1], view.open_until - view.open_from)
    in_use = _sum(np.maximum(used, 0.0), history.immunoablation < NEVER)
    yield ("room_occupancy", None), Reading(in_use, open_days, np.full(open_days.shape, np.nan))
    harvested = view.enrolled & np.isfinite(history.collected)
    yield ("apheresis_sessions", None), view.averaged(history.sessions, harvested)
    infused = history.collected * view.scenario.harvest.selection_recovery
    yield ("cd34_infused", None), view.averaged(infused, harvested & view.reinfused)


def _follow_up(view: _View) -> Iterator[tuple[Key, Reading]]:
    history = view.history
    followed = view.reinfused & (history.aplasia < view.cut)
    years = _difference(np.minimum(history.death, view.cut), history.aplasia) / DAYS_PER_YEAR
    total, size = _sum(years, followed), _count(followed)
    yield ("mean_follow_up", None), Reading(total, size, _ratio(total, size))
    answered = view.reinfused & history.responds & (history.recovering_in_hospital <= view.cut)
    relapsed = answered & (history.relapse <= view.cut)
    early = relapsed & (history.relapse <= view.after(EARLY_RELAPSE_YEARS))
    yield ("relapses_by_data_cut", None), view.seen(relapsed, answered)
    yield ("early_relapses", None), view.seen(early, relapsed)


def _times(scenario: Scenario, name: str) -> list[float]:
    times = read_times(BY_NAME[name], scenario.follow_up.horizon_years)
    return [time for time in times if time is not None]


def _as_trials(
    view: _View, start: Floats, end: Floats, cause: NDArray[np.int64], causes: int, among: Booleans,
    times: list[float],
) -> Incidences:  # fmt: skip
    """Estimate as trials do: who started before the data cut is followed until the event or the cut."""
    cut = view.cut
    followed = np.where(among & (start < cut), _difference(np.minimum(end, cut), start), np.nan)
    seen = np.where(end <= cut, cause, -1)
    return incidences(followed, seen, causes, [time * DAYS_PER_YEAR for time in times])


def _first(times: tuple[Floats, ...], earliest: Floats) -> NDArray[np.int64]:
    """Return which of `times` is the earliest (the last of them if none is), -1 where that is never."""
    which = np.full(earliest.shape, len(times) - 1)
    for number in reversed(range(len(times) - 1)):
        which[times[number] == earliest] = number
    which[earliest == NEVER] = -1
    return which


def _years_lived(death: Floats, start: Floats, scenario: Scenario) -> Floats:
    horizon = scenario.follow_up.horizon_years * DAYS_PER_YEAR
    return np.minimum(_difference(death, start), horizon) / DAYS_PER_YEAR


def _difference(later: Floats, earlier: Floats) -> Floats:
    """Subtract days where the earlier one came; elsewhere 0, which the masks leave out."""
    days: Floats = np.subtract(later, earlier, out=np.zeros_like(later), where=earlier < NEVER)
    return days


def _count(who: Booleans) -> Floats:
    count: Floats = np.sum(who, axis=0, dtype=np.float64)
    return count


def _sum(value: Floats, among: Booleans) -> Floats:
    # One after the other, in the order of the patients: NumPy's sum picks an order by the array's shape, and
    # a replication computed alone must give the same bits as in a batch.
    total: Floats = np.cumsum(np.where(among, value, 0.0), axis=0)[-1]
    return total


def _ratio(total: Floats, size: Floats) -> Floats:
    ratio: Floats = np.divide(total, size, out=np.full(size.shape, np.nan), where=size > 0)
    return ratio
