"""Named patients: those of one virtual trial whose fate differs between two scenarios."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from sim.clinic.history import PLACES, History
from sim.clinic.states import ALIVE, Cause
from sim.patient.fates import NEVER
from sim.scenario.distributions import Floats
from sim.scenario.schema import Scenario
from sim.study.montecarlo import replicate
from sim.study.pairing import FATES_CHANGED, Arm, Change, Pairing, pair


@dataclass(frozen=True)
class NamedPatients:
    """The patients of one virtual trial whose fates differ.

    Attributes
    ----------
    trial
        Its number, from 1.
    table
        One row a patient: ``trial, patient, change, age_years, female``, then day (from enrolment) and cause
        of death in the reference and in the scenario, missing for who lives, and ``shared_days``.
    histories
        Of the whole trial, in the reference and in the scenario, each patient as far as both were followed;
        arrays of shape (patients, 1).
    """

    trial: int
    table: pd.DataFrame
    histories: tuple[History, ...]

    def of(self, change: Change) -> list[int]:
        """Return the numbers of the patients with some change, from 1."""
        chosen = self.table["change"] == change.value
        return [int(number) for number in self.table.loc[chosen, "patient"]]


def name_patients(reference: Scenario, scenario: Scenario, trial: int, seed: int) -> NamedPatients:
    """Play one virtual trial under two scenarios and name the patients whose fates differ.

    Parameters
    ----------
    trial
        Number of the replication, from 1.
    """
    alone = range(trial - 1, trial)
    histories = tuple(
        chunk.history for each in (reference, scenario) for chunk in replicate(each, alone, seed)
    )
    first, second = histories
    pairing = pair(Arm.of(first, reference), Arm.of(second, scenario))
    rows = [
        _row(pairing, trial, number, change)
        for number in range(len(pairing.shared_days))
        for change, who in pairing.changes.items()
        if who[number, 0]
    ]
    cut = (_cut(first, pairing.reference, pairing), _cut(second, pairing.scenario, pairing))
    return NamedPatients(trial, pd.DataFrame(rows, columns=_COLUMNS), cut)


def _cut(history: History, arm: Arm, pairing: Pairing) -> History:
    """End a history where the follow-up that both share ends; who is in one only keeps it all."""
    days = np.where(pairing.both, pairing.shared_days, arm.followed)[: len(history.death)]
    end = np.minimum(history.follow_up_end, history.enrolled + days)
    times = {name: getattr(history, name) for name in (*PLACES, *_EVENTS)}
    cut = {name: np.where(time <= end, time, NEVER) for name, time in times.items()}
    dead = cut["death"] < NEVER
    return replace(history, **cut, cause=np.where(dead, history.cause, ALIVE), follow_up_end=end)


_EVENTS = (
    "ready_for_harvest",
    "withdrawn",
    "relapse",
    "death",
    "mobilisation_infection",
    "aplasia_infection",
    "late_infection",
)
_COLUMNS = [
    "trial",
    "patient",
    "change",
    "age_years",
    "female",
    "reference_death_days",
    "reference_death_cause",
    "death_days",
    "death_cause",
    "shared_days",
]


def _row(pairing: Pairing, trial: int, number: int, change: Change) -> dict[str, object]:
    one, other = pairing.reference, pairing.scenario
    who = one if change != Change.ONLY_SCENARIO else other
    # Who is in one arm only has no follow-up to share: that arm's own counts.
    shared = pairing.shared_days if change in FATES_CHANGED else who.followed
    day, cause = _death(one, shared, number)
    other_day, other_cause = _death(other, shared, number)
    return {
        "trial": trial,
        "patient": number + 1,
        "change": change.value,
        "age_years": float(who.age[number, 0]),
        "female": bool(who.female[number, 0]),
        "reference_death_days": day,
        "reference_death_cause": cause,
        "death_days": other_day,
        "death_cause": other_cause,
        "shared_days": float(shared[number, 0]) if change in FATES_CHANGED else np.nan,
    }


def _death(arm: Arm, until: Floats, number: int) -> tuple[float, str]:
    """Return day and cause of a death by some day; not a number and no text where there is none."""
    day, cause = float(arm.days[number, 0]), int(arm.cause[number, 0])
    if not arm.counted[number, 0] or day > until[number, 0] or cause == ALIVE:
        return np.nan, ""
    return day, Cause(cause).name.lower()
