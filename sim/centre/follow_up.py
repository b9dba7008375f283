"""How long each patient would have been followed, had nobody died: the censoring that virtual patients get.

Of the living it is the time to the last contact. Of the dead it is not observed, and is drawn anew for every
virtual cohort, given that it was longer than their life. With dates it is the time from the own arrival to
the data cut, which is the latest contact in the table, less a delay that is drawn from those of the living;
without dates it is drawn from the reverse Kaplan-Meier estimate of follow-up, beyond the day of death.

Schemper M, Smith TL. Control Clin Trials 1996;17:343-346: the reverse estimate, in which a death censors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.centre.patients import OwnPatients
from sim.outcomes.survival import kaplan_meier
from sim.scenario.distributions import Floats


@dataclass(frozen=True, slots=True)
class PotentialFollowUp:
    """What is known of it; arrays have one value a patient.

    Attributes
    ----------
    last_seen
        Days from the start to the last contact, or to death.
    dead
        Who died.
    arrived
        Days from the first arrival of the table; None if arrivals are not dated.
    """

    last_seen: Floats
    dead: NDArray[np.bool_]
    arrived: Floats | None

    @classmethod
    def of(cls, own: OwnPatients) -> PotentialFollowUp:
        """Return what a table tells of it."""
        dated = not np.isnan(own.arrived).any()
        return cls(own.last_seen, own.dead, own.arrived if dated else None)

    @property
    def data_cut(self) -> float:
        """The latest contact, in days from the first arrival; without dates, the longest follow-up."""
        return float(np.max(self.last_seen if self.arrived is None else self.arrived + self.last_seen))

    @property
    def longest(self) -> float:
        """Days that nobody is followed beyond."""
        cut = self.data_cut
        ends = (
            self.last_seen
            if self.arrived is None
            else np.where(self.dead, cut - self.arrived, self.last_seen)
        )
        return float(np.max(ends))

    @property
    def delay(self) -> float:
        """Median days from the last contact of the living to the data cut; not a number without dates."""
        if self.arrived is None or self.dead.all():
            return math.nan
        return float(np.median((self.data_cut - self.arrived - self.last_seen)[~self.dead]))

    def drawn(self, uniforms: Floats) -> Floats:
        """Draw the follow-up of some cohorts, shape (patients, cohorts).

        Parameters
        ----------
        uniforms
            Of the dead, in the order of the patients, shape (dead, cohorts).
        """
        found = np.tile(self.last_seen[:, None], uniforms.shape[1])
        if self.dead.any():
            arrived = self.arrived
            drawn = self._undated(uniforms) if arrived is None else self._to_the_cut(uniforms, arrived)
            found[self.dead] = np.maximum(drawn, self.last_seen[self.dead, None])
        return found

    def arrivals(self, follow_up: Floats) -> Floats:
        """Return when the patients of some cohorts arrive, in days: longer followed, the earlier."""
        if self.arrived is None:
            return np.asarray(np.max(follow_up, axis=0) - follow_up)
        return np.broadcast_to(self.arrived[:, None], follow_up.shape)

    def _to_the_cut(self, uniforms: Floats, arrived: Floats) -> Floats:
        until = self.data_cut - arrived
        delays = np.sort((until - self.last_seen)[~self.dead])
        most = until[self.dead]
        # The delays with which the patient would still have been seen later than the day of death.
        possible = np.searchsorted(delays, most - self.last_seen[self.dead], side="right")
        chosen = np.floor(uniforms * possible[:, None]).astype(np.intp)
        lost = np.where(possible[:, None] > 0, np.append(delays, 0.0)[chosen], 0.0)
        return np.asarray(most[:, None] - lost)

    def _undated(self, uniforms: Floats) -> Floats:
        reverse = kaplan_meier(self.last_seen, ~self.dead)
        times, left = reverse.counts.times, reverse.survival
        before = np.append(1.0, left)[np.searchsorted(times, self.last_seen[self.dead], side="left")]
        at = np.searchsorted(-left, -before[:, None] * (1.0 - uniforms), side="left")
        return np.asarray(times[np.minimum(at, len(times) - 1)])


def would_be_at_risk(own: OwnPatients, days: float, *, enrolled: bool = False) -> float:
    """Return how many of the reinfused would be followed so long from reinfusion, had nobody died.

    By the reverse Kaplan-Meier estimate, so that the figures that are read do not depend on who died.

    Parameters
    ----------
    enrolled
        Whether it is about all of them, from enrolment.
    """
    who = own.reinfused | enrolled
    since = (own.last_seen - (0.0 if enrolled else own.transplanted))[who]
    if not since.size or since.max() < days:
        return 0.0
    reverse = kaplan_meier(since, ~own.dead[who])
    before = np.searchsorted(reverse.counts.times, days - 1e-9, side="left")
    return float(since.size * np.append(1.0, reverse.survival)[before])
