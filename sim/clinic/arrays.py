"""The same pathway over arrays: no event loop, one operation for the patients of many replications.

It gives the histories of `sim.clinic.pathway` to the bit: after the fates both use only sums, differences,
products and comparisons, in the same written order. A station needs no clock: requests are served in the
order of their time, then of the patients' numbers, and every place is known by the time it is next free.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from sim.clinic.history import Course, History, complete
from sim.clinic.pathway import Protocol
from sim.clinic.states import ALIVE, Cause
from sim.patient.fates import NEVER, Booleans, Fate, Fates
from sim.scenario.distributions import Floats
from sim.scenario.schema import Scenario

Columns: TypeAlias = dict[str, Floats]
Latent: TypeAlias = list[Floats]
"""When each cause would kill, in the order of `Cause`."""
Stay: TypeAlias = Callable[[Floats, Fates, Latent], Floats]
"""When a place granted at a time is free again, for some patients with their fates and latent deaths."""


def simulate(scenario: Scenario, fates: Fates) -> History:
    """Treat everybody in every replication and return what happened: `pathway.simulate`, to the bit."""
    protocol = Protocol.of(scenario)
    shape = fates.enrolled.shape
    course = {name: np.full(shape, NEVER) for name in Course._fields}
    course["room"] = np.zeros(shape)
    latent = [np.full(shape, NEVER) for _ in Cause]
    latent[Cause.LUPUS] = fates.enrolled + fates.lupus_days
    latent[Cause.BACKGROUND] = fates.enrolled + fates.background_days
    with np.errstate(invalid="ignore"):  # never less never, where the masks look away
        if protocol.enters_at == "mobilisation":
            course["mobilising"] = fates.enrolled
            _mobilisation(protocol, fates, latent, course)
        elif protocol.enters_at == "immunoablation":
            course["waiting"] = fates.enrolled
        else:
            course["home"] = fates.enrolled
        _transplant(protocol, fates, latent, course)
        _end(protocol, fates, latent, course)
    return complete(fates, course)


def _mobilisation(protocol: Protocol, fates: Fates, latent: Latent, course: Columns) -> None:
    """Fill in the way to the queue for a room."""
    latent[Cause.INFECTION] = fates.enrolled + fates.mobilisation_infection_death
    death = _earliest(latent)
    mobilised = fates.enrolled + fates.mobilisation_days
    harvestable = fates.mobilisation_infection_death == NEVER
    course["ready_for_harvest"] = _where(harvestable & (death > mobilised), mobilised)
    begun, _ = _serve(course["ready_for_harvest"], fates, latent, protocol.slots, _slot_free)
    course["harvesting"] = begun
    harvested = begun + fates.slot_days + fates.marrow_days
    alive = death > harvested
    course["withdrawn"] = _where(alive & fates.harvest_fails, harvested)
    course["home"] = course["withdrawn"].copy()
    recovering = alive & ~fates.harvest_fails
    course["recovering"] = _where(recovering, harvested)
    ready = harvested + fates.recovery_days
    course["waiting"] = _where(recovering & (death > ready), ready)


def _slot_free(start: Floats, fates: Fates, latent: Latent) -> Floats:
    return np.minimum(start + fates.slot_days, _earliest(latent))


def _transplant(protocol: Protocol, fates: Fates, latent: Latent, course: Columns) -> None:
    """Fill in the stay in the isolation room, and what it changes about the deaths to come."""

    def room_free(start: Floats, some: Fates, threats: Latent) -> Floats:
        stay = _Stay(protocol, start, some, threats)
        return np.minimum(stay.discharge, stay.death) + some.turnaround_days

    request = _where(_earliest(latent) > course["waiting"], course["waiting"])
    start, course["room"] = _serve(request, fates, latent, protocol.rooms, room_free)
    course["immunoablation"] = start
    stay = _Stay(protocol, start, fates, latent)
    course["aplasia"] = _where(stay.reinfused, stay.reinfusion)
    course["recovering_in_hospital"] = _where(
        stay.reinfused & (stay.death > stay.engraftment), stay.engraftment
    )
    left = stay.reinfused & (stay.death > stay.engraftment) & (stay.death > stay.discharge)
    course["home"] = np.where(left, stay.discharge, course["home"])
    course["relapse"] = stay.relapse
    granted = start < NEVER
    for cause in Cause:
        latent[cause] = np.where(granted, stay.latent[cause], latent[cause])


class _Stay:
    """What a stay in the room that starts at a time would be like, whoever gets it."""

    def __init__(self, protocol: Protocol, start: Floats, fates: Fates, latent: Latent) -> None:
        self.reinfusion = start + fates.immunoablation_days
        self.engraftment = self.reinfusion + fates.aplasia_days
        self.discharge = self.reinfusion + fates.stay_days
        self.latent = list(latent)
        toxicity = start + fates.toxicity_days
        self.latent[Cause.TOXICITY] = _where(toxicity <= self.engraftment, toxicity)
        self.reinfused = (_earliest(self.latent) > self.reinfusion) & (start < NEVER)
        self._after_reinfusion(protocol, fates)
        self.death = _earliest(self.latent)

    def _after_reinfusion(self, protocol: Protocol, fates: Fates) -> None:
        infection = self.reinfusion + fates.infection_death
        self.latent[Cause.INFECTION] = np.where(self.reinfused, infection, self.latent[Cause.INFECTION])
        active = self.latent[Cause.LUPUS]
        remits = self.reinfused & fates.responds & (active > self.engraftment)
        self.relapse = _where(remits, self.reinfusion + fates.relapse_days)
        left = (active - self.engraftment) * protocol.relapsed_days_per_active_day
        self.latent[Cause.LUPUS] = np.where(remits, self.relapse + left, active)
        if protocol.extra_remission > 0 or protocol.extra_relapsed > 0:
            background = self.latent[Cause.BACKGROUND]
            extra = np.minimum(background, self._extra_death(protocol, fates.extra_budget))
            self.latent[Cause.BACKGROUND] = np.where(remits, extra, background)

    def _extra_death(self, protocol: Protocol, budget: Floats) -> Floats:
        """Return when the extra background hazard kills, as `Patient.extra_death`."""
        spent = np.zeros(budget.shape)
        after = np.full(budget.shape, NEVER)
        if protocol.extra_remission > 0:
            spent = protocol.extra_remission * (self.relapse - self.engraftment)
        if protocol.extra_relapsed > 0:
            relapsed = self.relapse + (budget - spent) / protocol.extra_relapsed
            after = np.where(self.relapse < NEVER, relapsed, NEVER)
        if protocol.extra_remission > 0:
            after = np.where(budget <= spent, self.engraftment + budget / protocol.extra_remission, after)
        return after


def _end(protocol: Protocol, fates: Fates, latent: Latent, course: Columns) -> None:
    """Fill in the end: death and its cause, or the end of follow-up."""
    anchor = np.where(course["aplasia"] < NEVER, course["aplasia"], fates.enrolled)
    end = np.maximum(anchor + protocol.horizon, protocol.data_cut)
    death = _earliest(latent)
    dead = (death <= end) & (death < NEVER)
    cause = np.full(death.shape, float(ALIVE))
    for which in reversed(Cause):  # at equal times the first one listed
        cause[latent[which] == death] = which
    course["follow_up_end"] = end
    course["relapse"] = _where((course["relapse"] <= end) & (course["relapse"] < death), course["relapse"])
    course["death"] = _where(dead, death)
    course["cause"] = np.where(dead, cause, ALIVE)


def _serve(
    request: Floats, fates: Fates, latent: Latent, capacity: float, free_again: Stay
) -> tuple[Floats, Floats]:
    """Serve requests first come, first served, in numbered places; who dies first takes none.

    Parameters
    ----------
    request
        When each patient starts to queue; never for who does not. Shape (patients, replications).
    free_again
        When a place granted at a time is free for the next patient.

    Returns
    -------
    start, number
        When each got a place, and which: from 1, or 0 where places are unlimited or none was got.
    """
    if math.isinf(capacity):
        return request, np.zeros(request.shape)
    order = np.argsort(request, axis=0, kind="stable")  # at equal times the lower number first
    queue = min(int(np.max(np.sum(request < NEVER, axis=0), initial=0)), len(request))
    columns = np.arange(request.shape[1])
    free = np.full((int(capacity), request.shape[1]), -NEVER)
    start, number = np.full(request.shape, NEVER), np.zeros(request.shape)
    for place in range(queue):
        who = order[place]
        some: Fates = Fate._make(array[who, columns] for array in fates)
        threats = [array[who, columns] for array in latent]
        asked = request[who, columns]
        begun = np.maximum(asked, free.min(axis=0))
        served = (_earliest(threats) > begun) & (asked < NEVER)
        lowest = np.argmax(free <= begun, axis=0)
        again = free_again(begun, some, threats)
        free[lowest, columns] = np.where(served, again, free[lowest, columns])
        start[who, columns] = np.where(served, begun, NEVER)
        number[who, columns] = np.where(served, lowest + 1.0, 0.0)
    return start, number


def _earliest(latent: Latent) -> Floats:
    death = latent[0]
    for other in latent[1:]:
        death = np.minimum(death, other)
    return death


def _where(chosen: Booleans, time: Floats) -> Floats:
    """Return the times of some, and never for the others."""
    return np.where(chosen, time, NEVER)
