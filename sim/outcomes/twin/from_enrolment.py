"""What the twin expects from enrolment on; arrays have one value a set, or shape (sets, times)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np

from sim.outcomes.counting import ratio
from sim.outcomes.endpoints import BY_CAUSE, reading_years
from sim.outcomes.twin.after_reinfusion import AfterReinfusion
from sim.outcomes.twin.before_reinfusion import BeforeReinfusion
from sim.outcomes.twin.follow_up import Panels, panels_of
from sim.outcomes.twin.hazards import TimePoints
from sim.outcomes.twin.quadrature import Piecewise, dot, law_of, panel_points, spread_of
from sim.outcomes.twin.time_to_reinfusion import (
    Branches,
    apheresis,
    harvest_law,
    reinfusion_law,
    request_law,
)
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import Key
from sim.scenario.schema import DAYS_PER_YEAR

FROM_ENROLMENT = (
    "overall_survival_enrolled", "disease_free_survival_enrolled", "restricted_mean_survival_enrolled",
    "restricted_mean_survival", *BY_CAUSE,
)  # fmt: skip
"""The figures that take longer than all others, and are found apart."""

_ORDER = 15
_SOON = (0.25, 1.0, 4.0, 16.0, 64.0, 256.0)  # days, because a great hazard does its work early


class _Mobilised(NamedTuple):
    """Who has a fatal infection but lives, is withdrawn, and will be, lupus left out; and what came before.

    The dead of infection are a share of the enrolled, and the days those doomed have lived are days a patient.
    """

    doomed: Floats
    withdrawn: Floats
    to_withdraw: Floats
    dead: Floats
    days: Floats


class FromEnrolment:
    """From enrolment on: background survival at a given time is a factor, and so is any time to reinfusion."""

    def __init__(self, before: BeforeReinfusion, after: AfterReinfusion) -> None:
        self.before, self.after, self.scenario = before, after, before.scenario
        self.years = reading_years(self.scenario, "overall_survival_enrolled")
        self.days = [years * DAYS_PER_YEAR for years in self.years]

    def endpoints(self) -> Iterator[tuple[Key, Floats]]:
        """Yield the shares of the enrolled at each reading time, and the years lived up to it."""
        active_hazard = self.before.hazard[:, 0]
        for years, day in zip(self.years, self.days, strict=True):
            background = self.before.background(np.array([years]))
            active = np.exp(-active_hazard * day)
            early = self._in_mobilisation(day)
            unharmed = active * (early.doomed + self._waiting(day) + early.to_withdraw)
            alive, free = self._reinfused(day)
            overall = background * (unharmed + active * early.withdrawn + alive)
            lived, infection, toxicity, lupus = self._since_reinfusion(day - self.law.times)
            stay = self._in_immunoablation(day)
            given_up = (early.withdrawn + early.to_withdraw) * self._lived_active(np.array([day]))[:, 0]
            request = self._request.weights(self.before.fatal)
            waited = dot(request, self._lived_active(np.minimum(self._request.times, day)))
            ill = waited + stay + early.days + given_up
            infection = infection + early.dead
            toxicity = toxicity + self.before.path.toxicity * stay
            lupus = lupus + active_hazard * ill
            after = self._since_reinfusion(np.full(self.law.times.size, day))[0]
            others = 1 - overall - infection - toxicity - lupus
            means = (ill + lived) / DAYS_PER_YEAR, ratio(after / DAYS_PER_YEAR, self.before.reinfused)
            shares = (overall, background * (unharmed + free), *means, infection, toxicity, lupus, others)
            yield from (((name, years), share) for name, share in zip(FROM_ENROLMENT, shares, strict=True))

    def _before_reading(self, lags: Iterable[float]) -> tuple[float, ...]:
        """Return the days some lags before each reading time, at which laws of earlier events have kinks."""
        return tuple(sorted({day - lag for day in self.days for lag in lags if day > lag}))

    @cached_property
    def _lived_active(self) -> Callable[[Floats], Floats]:
        """Return how to tell the days lived with active disease by some days from enrolment, by set."""
        background, hazard = self.before.background, self.before.hazard[:, 0]
        edges = np.unique([*background.edges * DAYS_PER_YEAR, *_SOON, *self.before.sets.layers])
        points = panel_points(edges, _ORDER * self.before.refinement)[..., None]
        alive = np.exp(-hazard * points) * background(points / DAYS_PER_YEAR)
        return Piecewise.through(edges, alive).antiderivative().paired

    @cached_property
    def _request(self) -> Branches:
        """The law of the time to immunoablation."""
        stay = self.before.path.immunoablation
        typical = float(stay.quantile(np.array([0.5]))[0])
        return request_law(self.before.path, self._before_reading({0.0, typical, *stay.bounds}))

    @cached_property
    def law(self) -> Branches:
        """The law of the time to reinfusion."""
        hazards = self.after.hazards
        late = min(hazards.late_until + hazards.days_to_death, self.after.horizon)
        kinks = {0.0, float(spread_of(self.after.length.duration)[3]), hazards.relapse.start, late}
        kinks |= {self.after.assessed} if (hazards.non_response > 0).any() else set()
        return reinfusion_law(self.before.path, self._before_reading(kinks))

    @cached_property
    def _reinfused_weights(self) -> Floats:
        """Weights of the times to reinfusion, everything but background mortality survived."""
        return self.law.weights(self.before.fatal) * np.exp(-self.before.hazard * self.law.times)

    @cached_property
    def _stay(self) -> tuple[Panels, Floats]:
        """Panels of immunoablation, and who is in it and has survived toxicity and lupus, (sets, points)."""
        path, hazard = self.before.path, self.before.hazard
        edges = np.unique([0.0, *spread_of(path.immunoablation), *self.before.sets.layers])
        days = panel_points(edges, _ORDER * self.before.refinement)
        since = days.ravel()
        others = self.before.background((days[..., None] + self._request.times) / DAYS_PER_YEAR)
        panels = Panels(edges, TimePoints.of(since, np.ones(1)), np.ones(1), others)
        return panels, np.exp(-(path.toxicity + hazard) * since) * (1 - path.immunoablation.cdf(since))

    def _in_immunoablation(self, day: float) -> Floats:
        """Return the days lived in immunoablation by a day from enrolment."""
        panels, inside = self._stay
        weights = self._request.weights(self.before.fatal) * np.exp(-self.before.hazard * self._request.times)
        return dot(inside @ panels.lived(day - self._request.times), weights)

    @cached_property
    def _states(self) -> tuple[Panels, Floats]:
        """Panels since reinfusion, and who lives, and deaths of infection, toxicity and lupus a day.

        Background mortality is left out; shape (4, sets, points).
        """
        after, hazards = self.after, self.after.hazards
        days = (hazards.relapse.start, hazards.late_until, after.horizon)
        times, layers = tuple(self.law.times.tolist()), tuple(self.before.sets.layers)
        order = _ORDER * self.before.refinement
        panels = panels_of(after.length, self.before.background, times, days, order, layers)
        t, a = panels.at.times, panels.at.aplasia
        treated = hazards.escapes_treatment(t, a)
        escapes, dying = hazards.lupus_deaths(panels.at)
        alive = treated * escapes
        infection = hazards.infection_death_density(t, a) * escapes
        states = (alive, infection, hazards.toxicity * alive * (t < a), treated * dying)
        sets = len(self.before.sets)
        return panels, np.stack(
            [np.broadcast_to(panels.averaged(each), (sets, panels.at.distinct.size)) for each in states]
        )

    def _since_reinfusion(self, until: Floats) -> Floats:
        """Return days lived and deaths of infection, toxicity and lupus up to some days after reinfusion."""
        panels, states = self._states
        return dot(states @ panels.lived(until), self._reinfused_weights)

    def _in_mobilisation(self, day: float) -> _Mobilised:
        """Return what infections in mobilisation and failed harvests have done by a day."""
        before, path, none = self.before, self.before.path, np.zeros(1)
        if not before.mobilised:
            return _Mobilised(none, none, none, none, none)
        infection = self.scenario.mobilisation.infection
        sessions = apheresis(path)
        harvest = 0.0 if sessions is None else float(harvest_law(path).values[-1])
        safe = day - infection.days_to_death  # who falls ill later lives
        breaks = (path.infection_window, safe, safe + path.infection_window, day - harvest)
        law = law_of(path.mobilisation, 16 * before.refinement, breaks)
        window = np.minimum(law.values, infection.window_days)
        exposed = np.clip(safe - (law.values - window), 0.0, window)
        free = path.infection_free(law.values)
        doomed = before.fatal[:, 0] * dot(law.weights, np.exp(-infection.hazard_per_day * exposed) - free)
        days = doomed * self._lived_active(np.array([day]))[:, 0]
        dead = none
        if infection.hazard_per_day > 0:
            since, weights = before.within(exposed, infection.hazard_per_day)
            weights = before.fatal * (law.weights[:, None] * weights).ravel()
            died = ((law.values - window)[:, None] + since + infection.days_to_death).ravel()
            dead, days = dot(weights, before.survival(died)), days + dot(weights, self._lived_active(died))
        if sessions is None:
            return _Mobilised(doomed, none, none, dead, days)
        chance = sessions.short * self.scenario.harvest.marrow.failure
        failed = chance * law.weights * (free + (1 - before.fatal) * (1 - free))
        over = law.values + harvest <= day
        withdrawn, waiting = (np.compress(who, failed, axis=-1).sum(axis=-1) for who in (over, ~over))
        return _Mobilised(doomed, withdrawn, waiting, dead, days)

    def _waiting(self, day: float) -> Floats:
        """Return who will be reinfused but is not yet, and has survived toxicity."""
        since = day - self._request.times
        inside = np.exp(-self.before.path.toxicity * np.maximum(since, 0.0))
        inside *= 1 - self.before.path.immunoablation.cdf(since)
        return dot(self._request.weights(self.before.fatal), np.where(since < 0, 1.0, inside))

    def _reinfused(self, day: float) -> tuple[Floats, Floats]:
        """Return who has been reinfused and lives, and of them who is disease-free."""
        hazards, aplasia, assessed = self.after.hazards, self.after.aplasia, self.after.assessed
        past = self.law.times <= day
        since = day - self.law.times[past]
        weights = np.compress(past, self._reinfused_weights, axis=-1)
        at = TimePoints.of(since, aplasia.values)
        treated = hazards.escapes_treatment(at.times, at.aplasia) * np.tile(aplasia.weights, since.size)
        unassessed = hazards.non_response * np.exp(-hazards.lupus * at.times) * (at.times < assessed)
        free = treated * (hazards.without_relapse(at.times, at.aplasia) + unassessed)
        free = free.reshape(len(free), since.size, aplasia.values.size).sum(axis=-1)
        return dot(weights, self._alive.paired(since)), dot(weights, free)

    @cached_property
    def _alive(self) -> Piecewise:
        """Who lives by days since reinfusion, background mortality left out; by set."""
        panels, states = self._states
        return Piecewise.through(panels.edges, np.moveaxis(states[0].reshape(len(states[0]), *panels.others.shape[:2]), 0, -1))
