"""The dictionary of endpoints: name, label, unit and definition of each, once.

How they are computed is in `sim.outcomes`; here they are named, so that scenario files can aim at them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Key: TypeAlias = tuple[str, float | None]
"""An endpoint's name, and the time in years at which it is read."""

Trial: TypeAlias = Literal["count", "kaplan_meier", "incidence", "mean", "clinic", "none"]
"""How a trial would report an endpoint; ``clinic`` is what a clinic knows of itself and no trial reports."""

UNREPORTED: tuple[Trial, ...] = ("clinic", "none")
"""What no paper on a trial tells."""

TREATMENT_DAYS = 100.0
"""Days after reinfusion up to which a death counts as treatment-related."""

WAY_YEARS = 100.0
"""Years from enrolment up to which the way through the clinic is followed, whatever horizon and data cut are.

A lifetime: who is still waiting then never gets through, and the exact twin has the same limit.
"""

LONG_WAIT_DAYS = 30.0

TIMES_YEARS = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint.

    ``kind`` is ``share`` for a fraction of patients and ``mean`` for an average; ``timed`` ones are read at
    `read_times`. ``trial`` says how a trial would report it: counted by the data cut, estimated by
    Kaplan-Meier or as a competing incidence, or not at all. ``queue`` is the place without whose scarcity
    an endpoint has nothing to tell: one of `QUEUES`, or empty.
    """

    name: str
    label: str
    unit: str
    kind: Literal["share", "mean"]
    timed: bool
    denominator: str
    trial: Trial
    definition: str
    queue: str = ""


def _share(name: str, label: str, denominator: str, definition: str) -> Endpoint:
    """Declare a share that is counted."""
    return Endpoint(name, label, "", "share", False, denominator, "count", definition)


def _over_time(
    name: str, label: str, denominator: str, definition: str, trial: Trial = "kaplan_meier"
) -> Endpoint:
    """Declare a share that is read at certain times."""
    return Endpoint(name, label, "", "share", True, denominator, trial, definition)


def _mean(
    name: str, label: str, unit: str, denominator: str, definition: str, trial: Trial = "none"
) -> Endpoint:
    """Declare an average."""
    return Endpoint(name, label, unit, "mean", False, denominator, trial, definition)


QUEUES = {"room": "", "slot": "slot_"}
"""How the names of what is told of each queue start; rooms are what patients wait for."""


def _waits(queue: str, place: str) -> tuple[Endpoint, ...]:
    """Declare what is told of a queue; those who did not have to wait are counted with a wait of none."""
    start, asked, granted = QUEUES[queue], f"{QUEUES[queue]}asked", f"{QUEUES[queue]}granted"
    who = f"among those who asked for {place}"
    over, offered = f"{LONG_WAIT_DAYS:g}", f"offered wait for {place} by Kaplan-Meier, a death in the queue"

    def share(name: str, label: str, denominator: str, definition: str) -> Endpoint:
        return Endpoint(start + name, label, "", "share", False, denominator, "clinic", definition, queue)

    def days(name: str, label: str, denominator: str, definition: str) -> Endpoint:
        name = f"{queue}_wait_{name}"
        return Endpoint(name, label, "days", "mean", False, denominator, "clinic", definition, queue)

    return (
        share("waited", f"Waited for {place}", asked, f"did not get {place} at once, {who}"),
        share(f"waited_over_{over}_days", f"Waited over {over} days for {place}", asked,
              f"still in the queue after {over} days, {who}"),
        share("died_waiting", f"Died waiting for {place}", "enrolled", f"died in the queue for {place}"),
        share("died_waiting_of_asked", f"Died waiting for {place}, of who asked", asked,
              f"died in the queue, {who}"),
        days("days", f"Wait for {place}", granted,
             f"from asking for {place} to getting it, mean of those who got one"),
        days("median_days", f"Wait for {place}, median", f"{start}median_reached",
             f"median of the {offered} censoring; mean of clinics in which half got {place}"),
        days("90_percent_days", f"Wait for {place}, 9 of 10 within", f"{start}90_percent_reached",
             f"90% quantile of the {offered} censoring; mean of clinics in which it was reached"),
    )  # fmt: skip


CAUSE_LABELS = {
    "infection": "Death from infection",
    "toxicity": "Death from toxicity",
    "lupus": "Death from lupus",
    "background": "Death from other causes",
}

ENDPOINTS: tuple[Endpoint, ...] = (
    _share("treatment_related_mortality", "Treatment-related mortality", "enrolled",
           f"deaths from infection or toxicity, mobilisation to day {TREATMENT_DAYS:g} after reinfusion"),
    _share("transplant_related_mortality", "Transplant-related mortality", "enrolled",
           f"deaths from infection or toxicity, reinfusion to day {TREATMENT_DAYS:g}"),
    _share("pre_transplant_mortality", "Death before reinfusion", "enrolled",
           "deaths before reinfusion from any cause, not after withdrawal"),
    Endpoint("still_waiting", "Still waiting", "", "share", False, "enrolled", "clinic",
             f"neither reinfused, dead nor withdrawn {WAY_YEARS:g} years after enrolment", "any"),
    _over_time("overall_survival", "Overall survival, reinfused", "reinfused", "alive, time from reinfusion"),
    _over_time("disease_free_survival", "Disease-free survival", "reinfused",
               "alive without relapse or established non-response, time from reinfusion"),
    _over_time("relapse_incidence", "Relapse", "reinfused",
               "relapsed, death and non-response competing, time from reinfusion", "incidence"),
    _over_time("no_response", "No response", "reinfused",
               "alive and still active when response is assessed, time from reinfusion", "incidence"),
    _over_time("death_without_relapse", "Death without relapse", "reinfused",
               "died before relapse or established non-response, time from reinfusion", "incidence"),
    _over_time("in_remission", "In remission", "reinfused",
               "responders alive and not relapsed, time from reinfusion", "count"),
    _over_time("overall_survival_enrolled", "Overall survival, all enrolled", "enrolled",
               "alive, time from enrolment"),
    _over_time("disease_free_survival_enrolled", "Disease-free survival, all enrolled", "enrolled",
               "alive, not withdrawn, no relapse or established non-response, time from enrolment"),
    Endpoint("restricted_mean_survival", "Years lived, reinfused", "years", "mean", True, "reinfused", "none",
             "mean of years lived up to a time from reinfusion"),
    Endpoint("restricted_mean_survival_enrolled", "Years lived, all enrolled", "years", "mean", True,
             "enrolled", "none", "mean of years lived up to a time from enrolment"),
    *(_over_time(f"death_by_cause_{cause}", label, "enrolled",
                 f"died from {'other causes' if cause == 'background' else cause}, other deaths competing, "
                 "time from enrolment", "incidence")
      for cause, label in CAUSE_LABELS.items()),
    _share("deaths_by_data_cut", "Deaths by the data cut", "enrolled",
           "deaths from any cause by the data cut (by the horizon without one)"),
    _share("early_deaths", "Deaths within 1.5 months", "died",
           "deaths within 1.5 months of enrolment, among the deaths by the data cut"),
    _share("relapses_by_data_cut", "Relapses by the data cut", "responded",
           "relapses by the data cut, among those who reached remission by then"),
    _share("early_relapses", "Relapses within 6 months", "relapsed",
           "relapses within 6 months of reinfusion, among the relapses by the data cut; "
           "half where the median time to relapse is 6 months"),
    _share("harvest_failure", "Harvest failure", "enrolled", "withdrawn after a failed harvest"),
    _mean("infections_per_patient", "Infections per patient", "", "enrolled",
          "infections in mobilisation, in aplasia and until day 93, per patient enrolled"),
    _mean("length_of_stay_days", "Stay in the isolation room", "days", "granted",
          "start of immunoablation to discharge or death, among those who got a room"),
    *_waits("room", "a room"),
    *_waits("slot", "an apheresis slot"),
    _mean("room_occupancy", "Rooms in use", "rooms", "days",
          "mean number of rooms in use, turnaround included, "
          "from the end of the warm-up to the last arrival", "clinic"),
    _mean("apheresis_sessions", "Apheresis sessions", "sessions", "harvested",
          "sessions per patient whose harvest was completed"),
    _mean("cd34_infused", "CD34+ cells infused", "million/kg", "infused",
          "CD34+ cells from apheresis left by the selection, among the reinfused"),
    _mean("mean_follow_up", "Mean follow-up", "years", "followed",
          "mean of min(death, data cut) from reinfusion, among those reinfused before the data cut", "mean"),
)  # fmt: skip

BY_NAME = {endpoint.name: endpoint for endpoint in ENDPOINTS}

NEVER_TRANSPLANTED = "never_transplanted"
"""Why a figure says nothing about patients who are never to be transplanted."""

OF_TRANSPLANTS = (
    "pre_transplant_mortality", "still_waiting", "died_waiting", "slot_died_waiting",
    "disease_free_survival_enrolled",
)  # fmt: skip
"""What says nothing of a cohort at home: nobody there awaits a reinfusion, and who has never been in
remission is not free of disease, however long he lives."""

DENOMINATORS = tuple(dict.fromkeys(endpoint.denominator for endpoint in ENDPOINTS))
"""What endpoints are out of, each once."""


def read_times(endpoint: Endpoint, horizon_years: float) -> tuple[float | None, ...]:
    """Return the times in years at which an endpoint is read: those up to the horizon, and the horizon."""
    if not endpoint.timed:
        return (None,)
    times = [time for time in TIMES_YEARS if time <= horizon_years]
    return tuple(times) if horizon_years in times else (*times, horizon_years)


def keys(horizon_years: float) -> list[Key]:
    """Return every endpoint with every time at which it is read."""
    return [(endpoint.name, time) for endpoint in ENDPOINTS for time in read_times(endpoint, horizon_years)]


def column(key: Key) -> str:
    """Return how a key is written in one word: ``name`` or ``name@years``."""
    name, time = key
    return name if time is None else f"{name}@{time:g}"


def key_of(text: str) -> Key:
    """Return the key that `column` wrote."""
    name, at, years = text.partition("@")
    return name, float(years) if at else None


def label(key: Key) -> str:
    """Return how a key is written for people."""
    name, time = key
    text = BY_NAME[name].label
    return text if time is None else f"{text}, {time:g} y"
