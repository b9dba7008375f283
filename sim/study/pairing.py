"""Patients paired under the same luck: whose death one scenario averts, causes or moves.

A patient of both scenarios is the same person with the same luck, so that a death in one history and none in
the other is an effect of the scenario and of nothing else. Deaths are compared in days from enrolment, up to
the end of follow-up that both histories share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from sim.clinic.history import History
from sim.patient.fates import NEVER, Booleans
from sim.scenario.distributions import Floats
from sim.scenario.schema import PoissonArrivals, Scenario
from sim.study.estimates import Estimate, Moments, moments, ratio_estimate

# Days from enrolment are differences of absolute days, of which the last bits depend on the day of enrolment:
# a tenth of a second is no other death.
_SAME_DAY = 1e-6


class Change(StrEnum):
    """What the second of two scenarios does to a patient of the first."""

    LIVES = "lives"
    """Dies in the first and lives in the second."""
    DIES = "dies"
    """Lives in the first and dies in the second."""
    MOVES = "death_moves"
    """Dies in both, at another time or of another cause."""
    ONLY_REFERENCE = "only_in_reference"
    ONLY_SCENARIO = "only_in_scenario"


FATES_CHANGED = (Change.LIVES, Change.DIES, Change.MOVES)
"""The changes that a patient of both scenarios can undergo."""


@dataclass(frozen=True, slots=True)
class Arm:
    """Deaths in one of two histories; arrays have shape (patients, replications)."""

    counted: Booleans
    """Who enrolled, and not during the warm-up of an open clinic."""
    days: Floats
    """Enrolment to death, never for who survives."""
    cause: NDArray[np.int8]
    followed: Floats
    """Enrolment to the end of follow-up."""
    age: Floats
    female: Booleans

    @classmethod
    def of(cls, history: History, scenario: Scenario) -> Arm:
        """Read a history."""
        arrivals = scenario.arrivals
        open_from = arrivals.warm_up_days if isinstance(arrivals, PoissonArrivals) else 0.0
        present = history.present
        start = np.where(present, history.enrolled, 0.0)
        return cls(
            counted=present & (history.enrolled >= open_from),
            days=np.where(present, history.death - start, NEVER),
            cause=history.cause,
            followed=np.where(present, history.follow_up_end - start, 0.0),
            age=history.age,
            female=history.female,
        )

    @classmethod
    def joined(cls, arms: Sequence[Arm]) -> Arm:
        """Join some patients after others."""
        return cls(*(np.concatenate([getattr(arm, f.name) for arm in arms]) for f in fields(cls)))

    @classmethod
    def beside(cls, arms: Sequence[Arm]) -> Arm:
        """Put replications beside others; the shorter are filled up with absent patients."""
        if len(arms) == 1:
            return arms[0]
        most = max(len(arm.days) for arm in arms)
        padded = [arm.padded(most) for arm in arms]
        return cls(*(np.concatenate([getattr(arm, f.name) for arm in padded], axis=1) for f in fields(cls)))

    def padded(self, patients: int) -> Arm:
        """Add absent patients until there are as many as in another arm."""
        if patients == len(self.days):
            return self
        more = ((0, patients - len(self.days)), (0, 0))
        return Arm(*(np.pad(getattr(self, f.name), more) for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Pairing:
    """Two histories of the same luck, patient by patient; arrays have shape (patients, replications)."""

    reference: Arm
    scenario: Arm
    shared_days: Floats
    """Enrolment to the end of the shorter follow-up."""
    changes: dict[Change, Booleans]

    @property
    def both(self) -> Booleans:
        """Who is counted in both."""
        return self.reference.counted & self.scenario.counted


def pair(reference: Arm, scenario: Arm) -> Pairing:
    """Compare the deaths of two histories of the same replications, of which the patients can be paired."""
    patients = max(len(reference.days), len(scenario.days))
    one, other = reference.padded(patients), scenario.padded(patients)
    shared = np.minimum(one.followed, other.followed)
    both = one.counted & other.counted
    died, dies = one.days <= shared, other.days <= shared
    apart = np.zeros(shared.shape)
    np.subtract(one.days, other.days, out=apart, where=died & dies)
    changes = {
        Change.LIVES: both & died & ~dies,
        Change.DIES: both & ~died & dies,
        Change.MOVES: both & died & dies & ((np.abs(apart) > _SAME_DAY) | (one.cause != other.cause)),
        Change.ONLY_REFERENCE: one.counted & ~other.counted,
        Change.ONLY_SCENARIO: other.counted & ~one.counted,
    }
    return Pairing(one, other, shared, changes)


class ChangeCounts:
    """How many of the paired patients have another fate, over all replications.

    Attributes
    ----------
    first_decided : int or None
        The first replication, from 0, in which somebody lives or dies instead; None where nobody does.
    """

    def __init__(self) -> None:
        # Sums of whole numbers, which are the same in any order.
        self.sums = np.zeros((len(FATES_CHANGED), len(Moments._fields)))
        self.first_decided: int | None = None

    def add(self, pairing: Pairing, replications: range) -> None:
        """Count some replications, which come after those counted before."""
        decided = np.any(pairing.changes[Change.LIVES] | pairing.changes[Change.DIES], axis=0)
        if self.first_decided is None and decided.any():
            self.first_decided = replications[int(np.argmax(decided))]
        size = np.sum(pairing.both, axis=0, dtype=np.float64)
        totals = [np.sum(pairing.changes[change], axis=0, dtype=np.float64) for change in FATES_CHANGED]
        self.sums += moments(np.array(totals), np.broadcast_to(size, (len(totals), size.size)))

    def join(self, sums: Floats, first_decided: int | None) -> None:
        """Add what was counted elsewhere: the replications that follow those counted here."""
        self.sums += sums
        if self.first_decided is None:
            self.first_decided = first_decided

    def shares(self) -> dict[Change, Estimate]:
        """Return the share of paired patients with each change, with Monte Carlo error."""
        return {
            change: ratio_estimate(Moments.of(sums), share=True)
            for change, sums in zip(FATES_CHANGED, self.sums, strict=True)
        }
