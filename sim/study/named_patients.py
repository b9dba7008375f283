"""Named patients: those of one virtual trial whose fate differs between two scenarios."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.clinic.history import History
from sim.clinic.states import ALIVE, Cause
from sim.patient.fates import NEVER
from sim.scenario.distributions import Floats
from sim.scenario.schema import Scenario
from sim.study.budget import Simulator
from sim.study.montecarlo import replicate
from sim.study.pairing import FATES_CHANGED, Arm, Change, Pairing, pair
from sim.study.records import MOMENTS


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


def name_patients(
    reference: Scenario, scenario: Scenario, trial: int, seed: int, simulator: Simulator = "simpy"
) -> NamedPatients:
    """Play one virtual trial under two scenarios and name the patients whose fates differ.

    Parameters
    ----------
    trial
        Number of the replication, from 1.
    """
    alone = range(trial - 1, trial)
    first, second = (
        history for each in (reference, scenario) for history in replicate(each, alone, seed, simulator)
    )
    pairing = pair(Arm.of(first, reference), Arm.of(second, scenario))
    tables = [_changed(pairing, trial, change) for change in pairing.changes]
    table = pd.concat(tables, ignore_index=True).sort_values("patient", kind="stable", ignore_index=True)
    cut = (_cut(first, pairing.reference, pairing), _cut(second, pairing.scenario, pairing))
    return NamedPatients(trial, table, cut)


def _cut(history: History, arm: Arm, pairing: Pairing) -> History:
    """End a history where the follow-up that both share ends; who is in one only keeps it all."""
    days = np.where(pairing.both, pairing.shared_days, arm.followed)[: len(history.death)]
    end = np.minimum(history.follow_up_end, history.enrolled + days)
    times = {name: getattr(history, name) for name in MOMENTS if name not in ("enrolled", "follow_up_end")}
    cut = {name: np.where(time <= end, time, NEVER) for name, time in times.items()}
    dead = cut["death"] < NEVER
    return replace(history, **cut, cause=np.where(dead, history.cause, ALIVE), follow_up_end=end)


def _changed(pairing: Pairing, trial: int, change: Change) -> pd.DataFrame:
    """Return a row for each patient with some change."""
    at = np.flatnonzero(pairing.changes[change][:, 0])
    who = pairing.scenario if change == Change.ONLY_SCENARIO else pairing.reference
    both = change in (*FATES_CHANGED, Change.SHIFTS)
    # Who is in one arm only has no follow-up to share: that arm's own counts.
    followed = (pairing.shared_days if both else who.followed)[at, 0]
    (reference_day, reference_cause), (day, cause) = (
        _deaths(arm, at, followed) for arm in (pairing.reference, pairing.scenario)
    )
    return pd.DataFrame(
        {
            "trial": np.full(at.size, trial), "patient": at + 1,
            "change": np.full(at.size, change.value, dtype=object), "age_years": who.age[at, 0],
            "female": who.female[at, 0], "reference_death_days": reference_day,
            "reference_death_cause": reference_cause, "death_days": day, "death_cause": cause,
            "shared_days": followed if both else np.full(at.size, np.nan),
        }
    )  # fmt: skip


def _deaths(arm: Arm, at: NDArray[np.intp], until: Floats) -> tuple[Floats, NDArray[np.object_]]:
    """Return day and cause of deaths by some days; not a number and no text where there is none."""
    days, causes = arm.days[at, 0], arm.cause[at, 0]
    dead = arm.counted[at, 0] & (days <= until) & (causes != ALIVE)
    names = np.array([*(cause.name.lower() for cause in Cause), ""], dtype=object)
    return np.where(dead, days, np.nan), names[np.where(dead, causes, len(Cause))]
