"""What is seen of patients by their last contact, real ones or virtual ones, and what is read off it.

Both are read by the same functions, so that an observed figure and its prediction are the same estimate. A
table does not tell of a response: a patient whose disease never went away has not relapsed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sim.centre.patients import OwnPatients
from sim.clinic.history import History
from sim.outcomes.counting import ratio
from sim.outcomes.endpoints import of_treatment
from sim.outcomes.many_trials import FollowUps, follow_ups, incidences
from sim.patient.fates import NEVER, Booleans
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import Key
from sim.scenario.schema import DAYS_PER_YEAR

COUNTED = ("reinfused", "death_on_the_way", "treatment_related_mortality", "deaths_seen", "relapses_seen")
CURVES = ("overall_survival", "disease_free_survival")
ESTIMATED = (*CURVES, "relapse_incidence")
"""From reinfusion, of the reinfused."""
ENROLLED = "overall_survival_enrolled"
"""From enrolment, of all."""


class SeenPatients(NamedTuple):
    """Days from enrolment of patients of some cohorts, shape (patients, cohorts); infinite for not seen."""

    transplanted: Floats
    relapsed: Floats
    died: Floats
    last: Floats
    """Of the dead the day of death."""
    treatment: Booleans
    """Who died of the treatment, to day 100 after reinfusion."""
    present: Booleans

    @property
    def reinfused(self) -> Booleans:
        """Who was seen to get the cells back."""
        return self.present & (self.transplanted < NEVER)

    def number(self, name: str) -> Floats:
        """Count the patients of whom something of `COUNTED` is told, in each cohort."""
        dead, reinfused = self.present & (self.died < NEVER), self.reinfused
        who = {
            "reinfused": reinfused,
            "death_on_the_way": dead & ~reinfused,
            "treatment_related_mortality": self.treatment & dead,
            "deaths_seen": dead,
            "relapses_seen": reinfused & (self.relapsed < NEVER),
        }[name]
        return np.asarray(np.sum(who, axis=0, dtype=np.float64))

    def out_of(self, name: str) -> Floats:
        """Return how many patients such a number is out of."""
        whole = self.reinfused if name in ("relapses_seen", *ESTIMATED) else self.present
        return np.asarray(np.sum(whole, axis=0, dtype=np.float64))

    def median_wait(self) -> Floats:
        """Return the median of the days from enrolment to reinfusion; not a number where nobody was."""
        days = np.sort(np.where(self.reinfused, self.transplanted, np.nan), axis=0)
        size = self.out_of("relapses_seen").astype(np.intp)
        middle = [np.maximum(size - 1, 0) // 2, size // 2]
        columns = np.arange(size.size)
        both = [days[np.minimum(at, len(days) - 1), columns] for at in middle]
        return np.asarray(np.where(size > 0, (both[0] + both[1]) / 2, np.nan))

    def figures(self, keys: Sequence[Key]) -> Floats:
        """Read some figures of every cohort, shape (keys, cohorts); not a number where undefined."""
        found: dict[Key, Floats] = {}
        for name in COUNTED:
            if (name, None) in keys:
                found[name, None] = ratio(self.number(name), self.out_of(name))
        days = {time: time * DAYS_PER_YEAR for name, time in keys if name == ENROLLED and time is not None}
        if days:
            alive = incidences([self.followed(ENROLLED)], 1, tuple(days.values())).survival
            found.update({(ENROLLED, time): row for time, row in zip(days, alive, strict=True)})
        years = sorted({time for name, time in keys if name in ESTIMATED and time is not None})
        if years:
            for name, values in zip(ESTIMATED, self.estimates(years), strict=True):
                found.update({(name, time): row for time, row in zip(years, values, strict=True)})
        return np.array([found[key] for key in keys]).reshape(len(keys), self.last.shape[1])

    def estimates(self, years: Sequence[float]) -> tuple[Floats, Floats, Floats]:
        """Estimate what `ESTIMATED` names at some times from reinfusion, each of shape (times, cohorts)."""
        days = [time * DAYS_PER_YEAR for time in years]
        alive = incidences([self.followed(CURVES[0])], 1, days).survival
        free = incidences([self.followed(CURVES[1])], 2, days)
        return alive, free.survival, free.by_cause[0]

    def followed(self, curve: str) -> FollowUps:
        """Return the follow-up of all to death, or of the reinfused to death, or to relapse or death."""
        if curve == ENROLLED:
            return follow_ups(
                np.where(self.present, self.last, 0.0), [self.present & (self.died < NEVER)], self.present
            )
        who = self.reinfused
        start, dead = np.where(who, self.transplanted, 0.0), who & (self.died < NEVER)
        if curve == CURVES[0]:
            return follow_ups(np.where(who, self.last - start, 0.0), [dead], who)
        relapsed = who & (self.relapsed < NEVER)
        end = np.minimum(self.relapsed, self.last)
        return follow_ups(np.where(who, end - start, 0.0), [relapsed, dead & ~relapsed], who)


def seen_of(own: OwnPatients) -> SeenPatients:
    """Return what a table tells, as the one cohort that it is."""
    transplanted, relapsed, died = (
        np.where(np.isnan(days), NEVER, days)[:, None] for days in (own.transplanted, own.relapsed, own.died)
    )
    present = np.ones(transplanted.shape, dtype=np.bool_)
    treatment = ((own.cause == "treatment") & ~own.past_treatment)[:, None]
    return SeenPatients(transplanted, relapsed, died, own.last_seen[:, None].copy(), treatment, present)


def unknown_treatment_deaths(own: OwnPatients) -> int:
    """Count deaths that may have been of the treatment, for all that is told of their cause."""
    return int(np.sum((own.cause == "unknown") & ~own.past_treatment))


def seen_in(history: History, follow_up: Floats, *, from_transplant: bool) -> SeenPatients:
    """Return what would be seen of virtual patients, each followed for so long as nobody dies.

    Parameters
    ----------
    history
        To a horizon beyond all follow-up; where times count from reinfusion, of more patients than are
        followed: the first reinfused are taken.
    follow_up
        Days from the start, shape (patients, cohorts).
    """
    names = ("enrolled", "aplasia", "relapse", "death", "cause")
    columns = {name: getattr(history, name) for name in names}
    present = np.ones(follow_up.shape, dtype=np.bool_)
    start = columns["enrolled"]
    if from_transplant:
        first = np.argsort(~history.reinfused, axis=0, kind="stable")[: len(follow_up)]
        columns = {name: np.take_along_axis(each, first, axis=0) for name, each in columns.items()}
        present = columns["aplasia"] < NEVER
        start = np.where(present, columns["aplasia"], 0.0)
    aplasia, relapse, death = (columns[name] - start for name in ("aplasia", "relapse", "death"))
    treatment = of_treatment(columns["cause"], columns["death"], columns["aplasia"])
    transplanted, relapsed, died = (
        np.where(days <= follow_up, days, NEVER) for days in (aplasia, relapse, death)
    )
    last = np.minimum(died, follow_up)
    return SeenPatients(transplanted, relapsed, died, last, treatment & (died < NEVER), present)
