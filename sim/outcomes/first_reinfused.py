"""What trials report of their reinfused patients: all of them, or the first so many.

Without a queue patients are independent and alike, so the first n who are reinfused are n of the reinfused,
whatever became of the others: their estimates have the law of a trial's estimates, given that it reinfused n.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sim.clinic.history import History
from sim.outcomes.counting import count
from sim.outcomes.endpoints import View, of_treatment
from sim.outcomes.many_trials import FollowUps, incidences
from sim.patient.fates import NEVER, Booleans
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import Key
from sim.scenario.schema import DAYS_PER_YEAR, Scenario

CURVES = ("overall_survival", "disease_free_survival")


@dataclass(frozen=True, slots=True)
class Reinfused:
    """Figures of many trials, arrays of shape (replications,)."""

    number: Floats
    """Patients reinfused by the data cut, at most as many as asked for."""
    treatment_deaths: Floats
    """Those of them who died of the treatment by the data cut."""
    estimates: dict[Key, Floats]
    """Kaplan-Meier estimates at the data cut, not a number where undefined."""
    event_free: dict[Key, Floats]
    """How many of them have had no event by then, in their whole course."""

    @property
    def defined(self) -> Booleans:
        """Whether every estimate is."""
        return np.asarray(np.logical_and.reduce([each == each for each in self.estimates.values()]))


class NotReinfused(NamedTuple):
    """Those who left before reinfusion, by the data cut; arrays of shape (replications,)."""

    treatment_deaths: Floats
    other_deaths: Floats
    withdrawn: Floats


def read_first_reinfused(
    tiles: Iterable[History], scenario: Scenario, keys: Sequence[Key], most: int, enrolled: int
) -> Reinfused:
    """Read the first reinfused patients, by number, of each replication.

    Parameters
    ----------
    tiles
        Some patients of every replication after others.
    keys
        Overall and disease-free survival at some times.
    most
        How many reinfused patients to read.
    enrolled
        Look for them among the first so many enrolled.
    """
    followed: dict[str, list[FollowUps]] = {name: [] for name in CURVES}
    free = {key: np.zeros(1) for key in keys}
    number = dead = np.zeros(1)
    for history in _first(tiles, enrolled):
        view = View(history, scenario)
        chosen = view.reinfused & (history.aplasia < view.cut)
        chosen &= number + np.cumsum(chosen, axis=0, dtype=np.int32) <= most
        number = number + count(chosen)
        treated = of_treatment(history.cause, history.death, history.aplasia)
        dead = dead + count(chosen & treated & (history.death <= view.cut))
        for name, end in zip(CURVES, (history.death, view.disease_free_end), strict=True):
            followed[name].append(view.follow(history.aplasia, end, [end < NEVER], chosen))
            for key in keys:
                if key[0] == name and key[1] is not None:
                    still = chosen & (end > history.aplasia + key[1] * DAYS_PER_YEAR)
                    free[key] = free[key] + count(still)
    return Reinfused(number, dead, dict(_estimates(followed, keys)), free)


def read_not_reinfused(tiles: Iterable[History], scenario: Scenario, enrolled: int) -> NotReinfused:
    """Count those of the first so many enrolled who died or were withdrawn before reinfusion."""
    parts = []
    for history in _first(tiles, enrolled):
        view = View(history, scenario)
        left = view.enrolled & (history.aplasia == NEVER)
        withdrawn = left & (history.withdrawn <= view.cut)
        died = left & (history.withdrawn == NEVER) & (history.death <= view.cut)
        treated = died & of_treatment(history.cause, history.death, history.aplasia)
        parts.append((count(treated), count(died & ~treated), count(withdrawn)))
    return NotReinfused(*np.sum(parts, axis=0))


def _first(tiles: Iterable[History], enrolled: int) -> Iterator[History]:
    """Yield the first so many patients."""
    for history in tiles:
        if enrolled <= 0:
            return
        yield history.patients(slice(enrolled))
        enrolled -= len(history.death)


def _estimates(followed: dict[str, list[FollowUps]], keys: Sequence[Key]) -> Iterator[tuple[Key, Floats]]:
    for name, parts in followed.items():
        mine = [(key, key[1] * DAYS_PER_YEAR) for key in keys if key[0] == name and key[1] is not None]
        if mine:
            survival = incidences(parts, 1, [days for _, days in mine]).survival
            yield from zip([key for key, _ in mine], survival, strict=True)
