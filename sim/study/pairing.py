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
from sim.outcomes.endpoints import open_days
from sim.patient.fates import NEVER, Booleans
from sim.scenario.distributions import Floats
from sim.scenario.schema import Scenario
from sim.study.estimates import moments

# Days from enrolment are differences of absolute days, of which the last bits depend on the day of enrolment:
# a tenth of a second is no other death.
_SAME_DAY = 1e-6

MOVED_DAYS = 90.0
"""A death of the same cause is another fate if it comes so much earlier or later; less is told in sum."""


class Change(StrEnum):
    """What the second of two scenarios does to a patient of the first."""

    LIVES = "lives"
    """Dies in the first and lives in the second."""
    DIES = "dies"
    """Lives in the first and dies in the second."""
    MOVES = "death_moves"
    """Dies in both, of another cause, or at least `MOVED_DAYS` earlier or later."""
    SHIFTS = "death_shifts"
    """Dies in both, of the same cause and less than `MOVED_DAYS` apart."""
    ONLY_REFERENCE = "only_in_reference"
    ONLY_SCENARIO = "only_in_scenario"


FATES_CHANGED = (Change.LIVES, Change.DIES, Change.MOVES)
"""The changes of a patient of both scenarios that are another fate."""


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
        present, (open_from, _) = history.present, open_days(scenario)
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
    apart = np.abs(apart)
    # The tenth of a second at both ends: exactly `MOVED_DAYS` apart is moved, whatever the last bits say.
    moves = (apart > MOVED_DAYS - _SAME_DAY) | (one.cause != other.cause)
    changes = {
        Change.LIVES: both & died & ~dies,
        Change.DIES: both & ~died & dies,
        Change.MOVES: both & died & dies & moves,
        Change.SHIFTS: both & died & dies & ~moves & (apart > _SAME_DAY),
        Change.ONLY_REFERENCE: one.counted & ~other.counted,
        Change.ONLY_SCENARIO: other.counted & ~one.counted,
    }
    return Pairing(one, other, shared, changes)


def count_changes(pairing: Pairing, replications: range) -> tuple[Floats, int | None]:
    """Count how many of the paired patients have another fate.

    Returns
    -------
    array of shape (changes, 6), int or None
        Sums of `MOMENTS` for each of `FATES_CHANGED`: whole numbers, which add up alike in any order. And the
        first replication in which somebody lives or dies instead; None where nobody does.
    """
    decided = np.any(pairing.changes[Change.LIVES] | pairing.changes[Change.DIES], axis=0)
    first = replications[int(np.argmax(decided))] if decided.any() else None
    size = np.sum(pairing.both, axis=0, dtype=np.float64)
    totals = np.array([np.sum(pairing.changes[change], axis=0) for change in FATES_CHANGED], dtype=np.float64)
    return moments(totals, np.broadcast_to(size, totals.shape)), first
