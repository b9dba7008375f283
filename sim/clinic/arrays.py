"""The same pathway over arrays: no event loop, one operation for the patients of many replications.

It gives the histories of `sim.clinic.pathway` to the bit: after the fates both use only sums, differences,
products and comparisons, in the same written order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sim.clinic.history import History, complete, joined
from sim.clinic.pathway import WAY_DAYS, Protocol
from sim.clinic.queues import Served, Turns, at, serve
from sim.clinic.states import ALIVE, Cause
from sim.patient.fates import NEVER, TILE, Booleans, Fate, Fates, Positions, is_constant
from sim.patient.luck import BLOCK
from sim.scenario.distributions import Floats
from sim.scenario.schema import Scenario

Columns: TypeAlias = dict[str, NDArray[Any]]
Latent: TypeAlias = list[Floats]
"""When each cause would kill, in the order of `Cause`."""


def simulate(scenario: Scenario, fates: Fates) -> History:
    """Treat everybody in every replication and return what happened: `pathway.simulate`, to the bit."""
    return joined(list(simulate_tiles(scenario, fates)))


def simulate_tiles(scenario: Scenario, fates: Fates) -> Iterator[History]:
    """Treat everybody, and yield what happened to some patients after others.

    What follows a grant concerns each patient alone, and is worked out in arrays that stay in the cache.
    """
    protocol = Protocol.of(scenario)
    shape = fates.enrolled.shape
    course: Columns = {}
    latent = [np.broadcast_to(NEVER, shape) for _ in Cause]
    latent[Cause.LUPUS] = fates.enrolled + fates.lupus_days
    latent[Cause.BACKGROUND] = fates.enrolled + fates.background_days
    with np.errstate(invalid="ignore"):  # never less never, where the masks look away
        if protocol.enters_at == "mobilisation":
            _mobilisation(protocol, fates, latent, course)
        else:
            _no_mobilisation(protocol, fates, course)
        served = _rooms(protocol, fates, latent, course)
    course["immunoablation"], course["room"] = served.start, served.number
    at_once = max(TILE * BLOCK // max(shape[1], BLOCK), 1)
    for first in range(0, shape[0], at_once):
        some = slice(first, first + at_once)
        own: Fates = Fate._make(array[some] for array in fates)
        part = {name: array[some] for name, array in course.items()}
        threats = [array[some] for array in latent]
        with np.errstate(invalid="ignore"):
            _transplant(protocol, own, threats, part)
            _end(protocol, own, threats, part)
            history = complete(own, part)
        yield history


def _mobilisation(protocol: Protocol, fates: Fates, latent: Latent, course: Columns) -> None:
    """Fill in the way to the queue for a room."""
    begins = fates.enrolled + fates.delay_days
    latent[Cause.INFECTION] = begins + fates.mobilisation_infection_death
    death = _earliest(latent)
    mobilised = begins + fates.mobilisation_days
    asks = (fates.mobilisation_infection_death == NEVER) & (death > mobilised)
    request = _where(asks, mobilised)
    served = Served.at_once(request)
    if not math.isinf(protocol.slots.most):
        served = serve(
            request,
            protocol.slots,
            lambda who: _SlotTurns(at(who, fates.slot_days), at(who, death)),
            numbered=False,
        )
    harvested = served.start + fates.slot_days + fates.marrow_days
    alive = death > harvested
    fails = np.flatnonzero(alive & fates.harvest_fails)
    withdrawn = np.full(death.shape, NEVER)
    withdrawn.reshape(-1)[fails] = harvested.reshape(-1)[fails]
    alive.reshape(-1)[fails] = False
    recovering = _where(alive, harvested)
    ready = recovering + fates.recovery_days
    course.update(
        mobilising=begins,
        ready_for_harvest=request,
        harvesting=served.start,
        recovering=recovering,
        withdrawn=withdrawn,
        home=withdrawn.copy(),
        waiting=_where(death > ready, ready),
    )


def _no_mobilisation(protocol: Protocol, fates: Fates, course: Columns) -> None:
    """Fill in for who enters at the queue for a room, or stays at home."""
    for name in ("mobilising", "ready_for_harvest", "harvesting", "recovering", "withdrawn"):
        course[name] = np.broadcast_to(NEVER, fates.enrolled.shape)
    nowhere = np.full(fates.enrolled.shape, NEVER)
    at_home = protocol.enters_at == "home"
    course["home"] = fates.enrolled.copy() if at_home else nowhere
    course["waiting"] = nowhere if at_home else fates.enrolled + fates.delay_days


def _rooms(protocol: Protocol, fates: Fates, latent: Latent, course: Columns) -> Served:
    """Return who gets an isolation room, when, and which."""
    request = _where(_earliest(latent) > course["waiting"], course["waiting"])
    if math.isinf(protocol.rooms.most):
        return Served.at_once(request)
    return serve(request, protocol.rooms, lambda who: _room_turns(protocol, fates, latent, who))


def _transplant(protocol: Protocol, fates: Fates, latent: Latent, course: Columns) -> None:
    """Fill in the stay in the isolation room, and what it changes about the deaths to come."""
    own = RoomFate(*(getattr(fates, name) for name in _ROOM_FATES))
    stay = RoomStay(protocol, course["immunoablation"], own, latent)
    engrafted = stay.reinfused & (stay.death > stay.engraftment)
    course["aplasia"] = _where(stay.reinfused, stay.reinfusion)
    course["recovering_in_hospital"] = _where(engrafted, stay.engraftment)
    left = np.flatnonzero(engrafted & (stay.death > stay.discharge))
    course["home"].reshape(-1)[left] = stay.discharge.reshape(-1)[left]
    course["relapse"] = stay.relapse
    latent[:] = stay.latent


class RoomFate(NamedTuple):
    """What of the fates decides about a stay in the isolation room."""

    immunoablation_days: Floats
    toxicity_days: Floats
    aplasia_days: Floats
    infection_death: Floats
    stay_days: Floats
    responds: Booleans
    relapse_days: Floats
    remission_days: Floats
    extra_budget: Floats
    turnaround_days: Floats


_ROOM_FATES = RoomFate._fields


class RoomStay:
    """What a stay in the room that starts at a time would be like; no times for who gets none."""

    def __init__(self, protocol: Protocol, start: Floats, fates: RoomFate, latent: Latent) -> None:
        self.reinfusion = start + fates.immunoablation_days
        self.engraftment = self.reinfusion + fates.aplasia_days
        self.discharge = self.reinfusion + fates.stay_days
        self.latent = list(latent)
        toxicity = start + fates.toxicity_days
        killed = (toxicity <= self.engraftment) & (start < NEVER)
        self.latent[Cause.TOXICITY] = _where(killed, toxicity)
        self.reinfused = _earliest(self.latent) > self.reinfusion
        self._after_reinfusion(protocol, fates)
        self.death = _earliest(self.latent)

    def _after_reinfusion(self, protocol: Protocol, fates: RoomFate) -> None:
        infection = self.reinfusion + fates.infection_death
        self.latent[Cause.INFECTION] = np.where(self.reinfused, infection, self.latent[Cause.INFECTION])
        active = self.latent[Cause.LUPUS]
        remits = self.reinfused & fates.responds & (active > self.engraftment)
        self.relapse = _where(remits, self.reinfusion + fates.relapse_days)
        left = (active - self.engraftment) * protocol.relapsed_days_per_active_day
        again = self.relapse + left
        if not is_constant(fates.remission_days):
            again = _where(left < fates.remission_days, again)
        self.latent[Cause.LUPUS] = np.where(remits, again, active)
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


class _SlotTurns(NamedTuple):
    """Stays at the apheresis slot, in the order of the requests."""

    days: Floats
    death: Floats

    def free_again(self, turn: int, start: Floats) -> Floats:
        """Return when a slot that is granted at a time is free again."""
        free: Floats = np.minimum(start + self.days[turn], self.death[turn])
        return free


def _room_turns(protocol: Protocol, fates: Fates, latent: Latent, who: Positions) -> Turns:
    """Return some patients' stays in an isolation room, turnaround included."""
    lupus, background = (at(who, latent[cause]) for cause in (Cause.LUPUS, Cause.BACKGROUND))
    own = RoomFate(*(getattr(fates, name) for name in _ROOM_FATES))
    leaves = np.minimum(own.infection_death, own.stay_days)
    extra = protocol.extra_remission > 0 or protocol.extra_relapsed > 0
    if extra or np.any(own.relapse_days < leaves):
        return _RoomTurns(protocol, RoomFate(*(at(who, array) for array in own)), lupus, background)
    toxicity = at(who, own.toxicity_days)
    return _ShortRoomTurns(
        death=np.minimum(lupus, background),
        background=background,
        remits_before=np.where(at(who, own.responds), lupus, -NEVER),
        immunoablation_days=at(who, own.immunoablation_days),
        aplasia_days=at(who, own.aplasia_days),
        leaves_after=at(who, leaves),
        turnaround_days=at(who, own.turnaround_days),
        toxicity_days=toxicity,
        anybody_poisoned=(np.min(toxicity, axis=1) < NEVER).tolist(),
    )


class _RoomTurns:
    """Stays in an isolation room, in the order of the requests."""

    def __init__(self, protocol: Protocol, fates: RoomFate, lupus: Floats, background: Floats) -> None:
        self._protocol, self._fates, self._lupus, self._background = protocol, fates, lupus, background
        # Nobody who waits has a fatal infection or toxicity yet.
        self._never = np.full(lupus.shape[1], NEVER)
        self.death = np.minimum(lupus, background)

    def free_again(self, turn: int, start: Floats) -> Floats:
        """Return when a room that is granted at a time is free again."""
        fates = RoomFate(*(array[turn] for array in self._fates))
        latent = [self._never, self._never, self._lupus[turn], self._background[turn]]
        stay = RoomStay(self._protocol, start, fates, latent)
        return np.minimum(stay.discharge, stay.death) + fates.turnaround_days


class _ShortRoomTurns(NamedTuple):
    """The same where nobody relapses before discharge or death from infection, and no hazard is extra.

    When a room is free depends on no death after discharge, so far less than a `RoomStay` has to be known.
    Lupus kills a responder in the room before engraftment or not at all. Whether there was a reinfusion does
    not matter: without one, another death came before all that it could have brought.
    """

    death: Floats
    background: Floats
    remits_before: Floats
    """Latest engraftment with remission, not included; before all time for a non-responder."""
    immunoablation_days: Floats
    aplasia_days: Floats
    leaves_after: Floats
    """Reinfusion to discharge, or to death from infection before it."""
    turnaround_days: Floats
    toxicity_days: Floats
    anybody_poisoned: list[bool]
    """Whether toxicity may kill anybody, by turn: mostly not."""

    def free_again(self, turn: int, start: Floats) -> Floats:
        """Return when a room that is granted at a time is free again."""
        reinfusion = start + self.immunoablation_days[turn]
        engraftment = reinfusion + self.aplasia_days[turn]
        free: Floats = reinfusion + self.leaves_after[turn]
        remits = engraftment < self.remits_before[turn]
        np.minimum(free, np.where(remits, self.background[turn], self.death[turn]), out=free)
        if self.anybody_poisoned[turn]:
            toxicity = start + self.toxicity_days[turn]
            np.minimum(free, _where(toxicity <= engraftment, toxicity), out=free)
        free += self.turnaround_days[turn]
        return free


def _end(protocol: Protocol, fates: Fates, latent: Latent, course: Columns) -> None:
    """Fill in the end: death and its cause, or the end of follow-up."""
    death, limit = _earliest(latent), fates.enrolled + WAY_DAYS
    end = fates.enrolled + protocol.horizon
    if protocol.enters_at != "home":
        on_the_way = np.minimum(np.minimum(death, course["withdrawn"]), limit)
        treated = course["aplasia"] + np.maximum(protocol.after_reinfusion, fates.stay_days)
        end = np.where(course["aplasia"] <= limit, treated, np.maximum(end, on_the_way))
    end = np.maximum(end, protocol.data_cut)
    dead = (death <= end) & (death < NEVER)
    who = np.flatnonzero(dead)
    day = death.reshape(-1)[who]
    which = np.full(who.shape, ALIVE, dtype=np.int8)
    for cause in reversed(Cause):  # at equal times the first one listed
        which[latent[cause].reshape(-1)[who] == day] = cause
    causes = np.full(death.shape, ALIVE, dtype=np.int8)
    causes.reshape(-1)[who] = which
    course["cause"] = causes
    course["follow_up_end"] = end
    course["relapse"] = _where((course["relapse"] <= end) & (course["relapse"] < death), course["relapse"])
    course["death"] = _where(dead, death)


def _earliest(latent: Latent) -> Floats:
    death = np.minimum(latent[0], latent[1])
    for other in latent[2:]:
        np.minimum(death, other, out=death)
    return death


def _where(chosen: Booleans, time: Floats) -> Floats:
    """Return the times of some, and never for the others."""
    return np.where(chosen, time, NEVER)
