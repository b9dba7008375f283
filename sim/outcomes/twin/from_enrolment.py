"""What the twin expects from enrolment on; arrays have one value a set, or shape (sets, times)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from sim.outcomes.endpoints import reading_years
from sim.outcomes.twin.after_reinfusion import AfterReinfusion
from sim.outcomes.twin.before_reinfusion import BeforeReinfusion
from sim.outcomes.twin.hazards import TimePoints
from sim.outcomes.twin.quadrature import Law, dot, fixed_value, join, law_of
from sim.outcomes.twin.time_to_reinfusion import (
    Pathway,
    apheresis,
    harvest_law,
    reinfusion_law,
    request_law,
)
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import Key
from sim.scenario.schema import DAYS_PER_YEAR

FROM_ENROLMENT = ("overall_survival_enrolled", "disease_free_survival_enrolled")
"""The figures that take longer than all others, and are found apart."""


class FromEnrolment:
    """From enrolment on: at a given time background survival is a factor, so only the rest is integrated."""

    def __init__(self, before: BeforeReinfusion, after: AfterReinfusion) -> None:
        self.before, self.after, self.scenario = before, after, before.scenario
        self.years = reading_years(self.scenario, "overall_survival_enrolled")
        self.days = [years * DAYS_PER_YEAR for years in self.years]

    def endpoints(self) -> Iterator[tuple[Key, Floats]]:
        """Yield the shares of the enrolled at each reading time."""
        for years, day in zip(self.years, self.days, strict=True):
            background = self.before.background(np.array([years]))
            active = np.exp(-self.before.hazard[:, 0] * day)
            doomed, withdrawn, to_withdraw = self._in_mobilisation(day)
            unharmed = active * (doomed + self._waiting(day) + to_withdraw)
            alive, free = self._reinfused(day)
            overall = background * (unharmed + active * withdrawn + alive)
            for name, share in zip(FROM_ENROLMENT, (overall, background * (unharmed + free)), strict=True):
                yield (name, years), share

    def _before_reading(self, lags: Iterable[float]) -> tuple[float, ...]:
        """Return the days some lags before each reading time, at which laws of earlier events have kinks."""
        return tuple(sorted({day - lag for day in self.days for lag in lags if day > lag}))

    def _in_mobilisation(self, day: float) -> tuple[Floats, Floats, Floats]:
        """Return who has a fatal infection but lives, who is withdrawn, and who will be, lupus left out."""
        before, path, none = self.before, self.before.path, np.zeros(1)
        if not before.mobilised:
            return none, none, none
        infection = self.scenario.mobilisation.infection
        sessions = apheresis(path)
        harvest = 0.0 if sessions is None else float(harvest_law(path).values[-1])
        safe = day - infection.days_to_death  # who falls ill later lives
        breaks = (safe, safe + path.infection_window, day - harvest)
        law, delay = self._mobilising(day, breaks)
        window = np.minimum(law.values, infection.window_days)
        exposed = np.clip(safe - delay - (law.values - window), 0.0, window)
        free = path.infection_free(law.values)
        doomed = before.fatal[:, 0] * dot(law.weights, np.exp(-infection.hazard_per_day * exposed) - free)
        if sessions is None:
            return doomed, none, none
        chance = sessions.short * self.scenario.harvest.marrow.failure
        failed = chance * law.weights * (free + (1 - before.fatal) * (1 - free))
        over = law.values + harvest <= day - delay
        withdrawn, waiting = (np.compress(who, failed, axis=-1).sum(axis=-1) for who in (over, ~over))
        return doomed, withdrawn, waiting

    def _path_at(self, day: float) -> Pathway:
        """Return the pathway with what the delay has added to the hazard of lupus by a day."""
        path = self.before.path
        return replace(path, tilted_until=day) if path.tilt else path

    def _mobilising(self, day: float, breaks: tuple[float, ...]) -> tuple[Law, Floats]:
        """Return the law of the length of mobilisation, and the delay before each, kinks at breaks."""
        path, order = self._path_at(day), 16 * self.before.refinement
        window = path.infection_window
        if path.delay is None or fixed_value(path.delay) is not None:
            wait = path.delay_law()
            ends = [end - wait.values[0] for end in breaks]
            law = law_of(path.mobilisation, order, (window, *ends))
            return Law(law.values, wait.weights * law.weights), np.full(law.values.size, wait.values[0])
        law = law_of(path.mobilisation, order, (window,))
        waits = [path.delay_law([end - length for end in breaks]) for length in law.values]
        number = np.repeat(np.arange(law.values.size), [wait.values.size for wait in waits])
        delay = join(waits)
        return Law(law.values[number], law.weights[number] * delay.weights), delay.values

    def _waiting(self, day: float) -> Floats:
        """Return who will be reinfused but is not yet, and has survived toxicity."""
        stay = self.before.path.immunoablation
        typical = float(stay.quantile(np.array([0.5]))[0])
        law = request_law(self._path_at(day), self._before_reading({0.0, typical, *stay.bounds}))
        since = day - law.times
        inside = np.exp(-self.before.path.toxicity * np.maximum(since, 0.0)) * (1 - stay.cdf(since))
        return dot(law.weights(self.before.fatal), np.where(since < 0, 1.0, inside))

    def _reinfused(self, day: float) -> tuple[Floats, Floats]:
        """Return who has been reinfused and lives, and of them who is disease-free."""
        hazards, aplasia, assessed = self.after.hazards, self.after.aplasia, self.after.assessed
        late = min(hazards.late_until + hazards.days_to_death, self.after.horizon)
        kinks = {0.0, float(self.after.length.spread()[3]), hazards.relapse.start, late}
        kinks |= {assessed} if (hazards.non_response > 0).any() else set()
        law = reinfusion_law(self.before.path, self._before_reading(kinks))
        past = law.times <= day
        times = law.times[past]
        weights = np.compress(past, law.weights(self.before.fatal), axis=-1)
        weights = weights * np.exp(-self.before.hazard * times)
        at = TimePoints.of(day - times, aplasia.values)
        treated = hazards.escapes_treatment(at.times, at.aplasia) * np.tile(aplasia.weights, times.size)
        unassessed = hazards.non_response * np.exp(-hazards.lupus * at.times) * (at.times < assessed)
        free = treated * (hazards.without_relapse(at.times, at.aplasia) + unassessed)
        alive, free = (
            share.reshape(len(share), times.size, aplasia.values.size).sum(axis=-1)
            for share in (treated * hazards.escapes_lupus(at), free)
        )
        return dot(weights, alive), dot(weights, free)
