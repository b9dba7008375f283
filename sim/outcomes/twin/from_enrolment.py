"""What the twin expects from enrolment on; arrays have one value a set, or shape (sets, times)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np

from sim.outcomes.counting import ratio
from sim.outcomes.endpoints import BY_CAUSE
from sim.outcomes.twin.after_reinfusion import AfterReinfusion
from sim.outcomes.twin.before_reinfusion import BeforeReinfusion
from sim.outcomes.twin.follow_up import DayPanels, panels_of
from sim.outcomes.twin.hazards import TimePoints
from sim.outcomes.twin.quadrature import (
    Law,
    Piecewise,
    atoms_of,
    compress_between,
    compress_each_between,
    corners_of,
    dot,
    join,
    law_of,
    median_of,
    panel_points,
    refined,
    spread_of,
)
from sim.outcomes.twin.time_to_reinfusion import (
    ROUGH_BREAKS,
    Branches,
    Pathway,
    apheresis,
    harvest_law,
    reinfusion_law,
    request_law,
)
from sim.scenario.distributions import Distribution, Floats
from sim.scenario.endpoints import Key
from sim.scenario.schema import DAYS_PER_YEAR

FROM_ENROLMENT = (
    "overall_survival_enrolled", "disease_free_survival_enrolled", "restricted_mean_survival_enrolled",
    "restricted_mean_survival", *BY_CAUSE,
)  # fmt: skip
"""The figures that take longer than all others, and are found apart."""

_ORDER = 15
_SOON = (0.25, 1.0, 4.0, 16.0, 64.0, 256.0)  # days, because a great hazard does its work early


_LawWith: TypeAlias = Callable[[Pathway, tuple[float, ...]], Branches]


class _Way(NamedTuple):
    """The law of the time to some event, and integrals over the days since then up to a reading time.

    ``integrals`` has shape (points of panels, times): by what values at the points are multiplied, background
    survival included.
    """

    law: Branches
    integrals: Floats


@lru_cache(maxsize=16)
def _ways(
    law_with: _LawWith,
    path: Pathway,
    days: tuple[float, ...],
    lags: tuple[float, ...],
    panels: DayPanels,
    background: Piecewise,
) -> dict[float, _Way]:
    """Return the way by each of some days, where what follows the event has kinks some lags after it.

    The law is found once for all days, and then taken with as few values as each of them needs.
    """
    found = law_with(path, tuple(sorted({day - lag for day in days for lag in lags if day > lag})))
    parts = [Law(found.times, weights) for weights in (found.clean, found.infected)]
    thinned = compress_each_between(
        [(part, (*ROUGH_BREAKS, *(day - lag for lag in lags))) for day in days for part in parts],
        panels.others.shape[1],
    )
    ways = {}
    for day, clean, infected in zip(days, thinned[::2], thinned[1::2], strict=True):
        law = Branches.of(clean, infected)
        alive = background((panels.at.distinct[:, None] + law.times) / DAYS_PER_YEAR)
        ways[day] = _Way(law, panels.integrals(day - law.times) * alive)
    return ways


@lru_cache(maxsize=16)
def _stay_panels(stay: Distribution, layers: tuple[float, ...], order: int) -> DayPanels:
    """Return panels since the start of immunoablation."""
    edges = np.unique([0.0, *spread_of(stay), *layers])
    points = panel_points(edges, order)
    return DayPanels(edges, TimePoints.of(points.ravel(), np.ones(1)), np.ones(1), points[..., None])


class _Mobilised(NamedTuple):
    """Who has a fatal infection but lives, is withdrawn, and will be, lupus left out; and what came before.

    Of the doomed: who has died of the infection by now, as a share, and the days that all of them have lived.
    """

    doomed: Floats
    withdrawn: Floats
    to_withdraw: Floats
    dead: Floats
    days: Floats


class Enrolled(NamedTuple):
    """What has become of the enrolled: `FROM_ENROLMENT`, and shares alive in remission and on the way."""

    figures: tuple[Floats, ...]
    remission: Floats
    waiting: Floats


class FromEnrolment:
    """From enrolment on: each share is one integral over the way and, where it takes one, the time since."""

    def __init__(self, before: BeforeReinfusion, after: AfterReinfusion) -> None:
        self.before, self.after, self.scenario = before, after, before.scenario
        self.years = before.sets.years
        self.days = [years * DAYS_PER_YEAR for years in self.years]

    def endpoints(self) -> Iterator[tuple[Key, Floats]]:
        """Yield the shares of the enrolled at each reading time, and the years lived up to it."""
        for years in self.years:
            found = self.at(years).figures
            yield from (((name, years), share) for name, share in zip(FROM_ENROLMENT, found, strict=True))

    def at(self, years: float) -> Enrolled:
        """Return what has become of the enrolled by a reading time."""
        hazard, day = self.before.hazard[:, 0], years * DAYS_PER_YEAR
        whole = self._states[0] * self.after.background.paired(self._panels.at.distinct)
        background = self.before.background(np.array([years]))
        active, thinned = np.exp(-hazard * day), self.before.thinned(day)[:, 0]
        early = _Mobilised(*(thinned * part for part in self._in_mobilisation(day)))
        waiting, stay, waited = (thinned * part for part in self._waiting(day))
        unharmed = active * (early.doomed + waiting + early.to_withdraw)
        given_up = (early.withdrawn + early.to_withdraw) * self._lived_active(np.array([day]))[:, 0]
        delayed, less = self._in_delay(day)
        ill = waited + stay + early.days + given_up + delayed - thinned * less
        (alive, free, well), (lived, infection, toxicity, lupus) = self._reinfused(day)
        overall = background * (unharmed + active * early.withdrawn + alive)
        lupus = lupus + hazard * ill + (self.before.waiting_hazard[:, 0] - hazard) * delayed
        deaths = infection + early.dead, toxicity + self.before.path.toxicity * stay, lupus
        from_reinfusion = dot(whole, self._panels.integrals(np.array([day]))[:, 0]) / DAYS_PER_YEAR
        means = (ill + lived) / DAYS_PER_YEAR, ratio(from_reinfusion, self.before.reinfused)
        shares = (overall, background * (unharmed + free), *means, *deaths, 1 - overall - sum(deaths))
        return Enrolled(shares, background * well, background * unharmed)

    def alive(self, days: Floats) -> Floats:
        """Return overall survival by some days, all up to the horizon, shape (sets, days).

        For curves: nothing depends on the days but what is read there, so that many cost little, and kinks
        within a law's nodes leave errors of some 1e-4 while patients are on their way.
        """
        before, hazard = self.before, self.before.hazard
        active = np.exp(-hazard * days)
        # Who has not yet reached anything fatal but lupus, who gave up, and who is in the delay still.
        unharmed = self._doomed_or_withdrawn(days) + self._less_tilted(days)
        law, stay = request_law(before.path), self._stay
        times, weights = law.times[:, None], law.weights(before.fatal)[:, :, None] * stay.weights
        since = days[:, None, None] - times
        inside = np.exp(-before.path.toxicity * np.clip(since, 0.0, stay.values))
        later = np.maximum(since - stay.values, 0.0)
        reinfused = self._panels.between(self._states[0], later.ravel()).reshape(-1, *later.shape)
        way = (times + np.zeros_like(stay.values)).ravel()
        weights, past = weights.reshape(len(weights), -1), (since >= stay.values).reshape(days.size, -1)
        ended = np.exp(
            -hazard[:, None] * np.minimum(way + np.tile(stay.values, law.times.size), days[:, None])
        )
        alive = np.where(past, reinfused.reshape(len(reinfused), days.size, -1), 1.0) * ended
        alive = dot(alive * inside.reshape(days.size, -1), weights[:, None])
        thinned = np.exp((hazard - before.waiting_hazard) * np.minimum(before.path.fixed_delay or 0.0, days))
        return np.asarray(before.background(days / DAYS_PER_YEAR) * thinned * (active * unharmed + alive))

    @property
    def _stay(self) -> Law:
        """The law of the stay in immunoablation, on few values."""
        order = refined(8, self.before.refinement)
        return compress_between(law_of(self.before.path.immunoablation, 2 * order), (), order)

    def _doomed_or_withdrawn(self, days: Floats) -> Floats:
        """Return who is to die of an infection in mobilisation but lives, or is or will be withdrawn."""
        before, path = self.before, self.before.path
        if not before.mobilised:
            return np.zeros((1, 1))
        infection, sessions = self.scenario.mobilisation.infection, apheresis(path)
        law, delay = self._mobilising(path)
        window = np.minimum(law.values, infection.window_days)
        exposed = days[:, None] - infection.days_to_death - delay - (law.values - window)
        free = path.infection_free(law.values)
        falling = np.exp(-infection.hazard_per_day * np.clip(exposed, 0.0, window)) - free
        doomed: Floats = before.fatal * dot(falling, law.weights)
        failing = 0.0 if sessions is None else sessions.short * self.scenario.harvest.marrow.failure
        spared = (law.weights * (free + (1 - before.fatal) * (1 - free))).sum(axis=-1, keepdims=True)
        return np.asarray(doomed + failing * spared)

    def _less_tilted(self, days: Floats) -> Floats:
        """Return who is in a delay that varies, less how many of these the laws count, as if it were over."""
        path = self.before.path
        if not path.tilt:
            return np.zeros((1, 1))
        law = replace(path, tilt=0.0).delay_law(())
        lasting = np.maximum(law.values, days[:, None])
        return dot(np.exp(-path.tilt * days)[:, None] - np.exp(-path.tilt * lasting), law.weights)[None]

    @cached_property
    def _lived_active(self) -> Callable[[Floats], Floats]:
        """How to tell the days lived with active disease by some days from enrolment, by set."""
        return self._lived(self.before.hazard[:, 0])

    def _lived(self, hazard: Floats) -> Callable[[Floats], Floats]:
        """Return the same at any hazard of lupus from enrolment on."""
        background = self.before.background
        edges = np.unique(
            [*background.edges * DAYS_PER_YEAR, *_SOON, *self.before.sets.layers, self.days[-1]]
        )
        edges = edges[edges <= self.days[-1]]
        points = panel_points(edges, refined(_ORDER, self.before.refinement))[..., None]
        alive = np.exp(-hazard * points) * background(points / DAYS_PER_YEAR)
        return Piecewise.through(edges, alive).antiderivative().paired

    def _path_at(self, day: float) -> Pathway:
        """Return the pathway with what the delay has added to the hazard of lupus by a day."""
        path = self.before.path
        return replace(path, tilted_until=day) if path.tilt else path

    def _in_delay(self, day: float) -> tuple[Floats, Floats]:
        """Return the days lived in the delay by a day, and those that are counted for it with later events.

        These take the delay for active disease, and who dies of more than that for dead from the start.
        """
        path, none = self._path_at(day), np.zeros(1)
        if path.delay is None:
            return none, none
        thinned, law = path.delay_law((day,)), replace(path, tilt=0.0).delay_law((day,))
        until = np.minimum(law.values, day)
        waiting = self._lived(self.before.waiting_hazard[:, 0])
        return dot(law.weights, waiting(until)), dot(thinned.weights, self._lived_active(until))

    def _way(
        self, law_with: _LawWith, path: Pathway, day: float, lags: Iterable[float], panels: DayPanels
    ) -> _Way:
        days = tuple(self.days) if path is self.before.path else (day,)
        return _ways(law_with, path, days, tuple(lags), panels, self.before.background)[day]

    @cached_property
    def _panels(self) -> DayPanels:
        """DayPanels since reinfusion."""
        after, hazards = self.after, self.after.hazards
        days = (hazards.relapse.start, hazards.late_until, after.horizon)
        layers, order = tuple(self.before.sets.layers), refined(_ORDER, self.before.refinement)
        first = float(reinfusion_law(self.before.path).times.min(initial=0.0))
        return panels_of(after.length, self.before.background, (first,), days, order, layers)

    @cached_property
    def _states(self) -> Floats:
        """Who lives after reinfusion, and the deaths of infection, toxicity and lupus a day.

        Background mortality is left out; shape (4, sets, points).
        """
        panels, hazards = self._panels, self.after.hazards
        t, a = panels.at.times, panels.at.aplasia
        treated = hazards.escapes_treatment(t, a)
        escapes, dying = hazards.lupus_deaths(panels.at)
        alive, infection = treated * escapes, hazards.infection_death_density(t, a) * escapes
        states = (alive, infection, hazards.toxicity * alive * (t < a), treated * dying)
        return np.stack(np.broadcast_arrays(*map(panels.averaged, states)))

    def _in_mobilisation(self, day: float) -> _Mobilised:
        """Return what infections in mobilisation and failed harvests have done by a day."""
        before, path, none = self.before, self.before.path, np.zeros(1)
        if not before.mobilised:
            return _Mobilised(none, none, none, none, none)
        infection = self.scenario.mobilisation.infection
        sessions = apheresis(path)
        harvest = 0.0 if sessions is None else float(harvest_law(path).values[-1])
        safe = day - infection.days_to_death  # who falls ill later lives
        law, delay = self._mobilising(self._path_at(day), (safe, safe + path.infection_window, day - harvest))
        window = np.minimum(law.values, infection.window_days)
        exposed = np.clip(safe - delay - (law.values - window), 0.0, window)
        free = path.infection_free(law.values)
        doomed = before.fatal[:, 0] * dot(law.weights, np.exp(-infection.hazard_per_day * exposed) - free)
        days = doomed * self._lived_active(np.array([day]))[:, 0]
        dead = none
        if infection.hazard_per_day > 0:
            since, weights = before.within(exposed, infection.hazard_per_day)
            died = (delay + law.values - window)[:, None] + since + infection.days_to_death
            dying = Law(died.ravel(), (law.weights[:, None] * weights).ravel())
            dying = compress_between(dying, ROUGH_BREAKS, refined(_ORDER, before.refinement))
            dead = before.fatal[:, 0] * dot(before.survival(dying.values), dying.weights)
            days = days + before.fatal[:, 0] * dot(self._lived_active(dying.values), dying.weights)
        if sessions is None:
            return _Mobilised(doomed, none, none, dead, days)
        chance = sessions.short * self.scenario.harvest.marrow.failure
        failed = chance * law.weights * (free + (1 - before.fatal) * (1 - free))
        over = law.values + harvest <= day - delay
        withdrawn, waiting = (np.compress(who, failed, axis=-1).sum(axis=-1) for who in (over, ~over))
        return _Mobilised(doomed, withdrawn, waiting, dead, days)

    def _mobilising(self, path: Pathway, breaks: tuple[float, ...] = ()) -> tuple[Law, Floats]:
        """Return the law of the length of mobilisation, and the delay before each, kinks at breaks."""
        order = refined(16, self.before.refinement)
        window = (path.infection_window,)
        if (fixed := path.fixed_delay) is not None:
            law = law_of(path.mobilisation, order, (*window, *(end - fixed for end in breaks)))
            return law, np.full(law.values.size, fixed)
        law = compress_between(law_of(path.mobilisation, order, window), window, order)
        waits = [path.delay_law([*breaks, *(end - length for end in breaks)]) for length in law.values]
        number = np.repeat(np.arange(law.values.size), [wait.values.size for wait in waits])
        delay = join(waits)
        return Law(law.values[number], law.weights[number] * delay.weights), delay.values

    def _waiting(self, day: float) -> tuple[Floats, Floats, Floats]:
        """Return who will be reinfused but is not yet, toxicity survived and lupus left out, and days lived.

        The days are those in immunoablation, and before it by those whom no infection kills and who go there.
        """
        path, hazard = self.before.path, self.before.hazard
        stay, layers = path.immunoablation, tuple(self.before.sets.layers)
        lags = {0.0, median_of(stay), *corners_of(stay).tolist()}
        panels = _stay_panels(stay, layers, refined(_ORDER, self.before.refinement))
        law, integrals = self._way(request_law, self._path_at(day), day, lags, panels)
        weights, since = law.weights(self.before.fatal), day - law.times
        inside = np.exp(-path.toxicity * np.maximum(since, 0.0)) * (1 - stay.cdf(since))
        waiting = dot(weights, np.where(since < 0, 1.0, inside))
        since = panels.at.times
        staying = np.exp(-(path.toxicity + hazard) * since) * (1 - stay.cdf(since))
        stayed = dot(staying @ integrals, weights * np.exp(-hazard * law.times))
        return waiting, stayed, dot(weights, self._lived_active(np.minimum(law.times, day)))

    def _reinfused(self, day: float) -> tuple[tuple[Floats, Floats, Floats], Floats]:
        """Return who has been reinfused and lives, is disease-free, in remission; integrals of `_states`."""
        hazards, aplasia, assessed = self.after.hazards, self.after.aplasia, self.after.assessed
        late = min(hazards.late_until + hazards.days_to_death, self.after.horizon)
        length = self.after.length.duration
        sudden = () if atoms_of(length) is None else spread_of(length).tolist()
        lags = {0.0, median_of(length), *sudden, hazards.relapse.start, late, assessed}
        law, integrals = self._way(reinfusion_law, self.before.path, day, lags, self._panels)
        weights = law.weights(self.before.fatal) * np.exp(-self.before.hazard * law.times)
        weights = weights * self.before.thinned(day)
        lived = dot(self._states @ integrals, weights)
        past = law.times <= day
        since, weights = day - law.times[past], np.compress(past, weights, axis=-1)
        at = TimePoints.of(since, aplasia.values)
        treated = hazards.escapes_treatment(at.times, at.aplasia) * np.tile(aplasia.weights, since.size)
        unassessed = hazards.non_response * np.exp(-hazards.lupus * at.times) * (at.times < assessed)
        well = hazards.without_relapse(at.times, at.aplasia)
        well, free = (
            part.reshape(len(part), since.size, aplasia.values.size).sum(axis=-1)
            for part in (treated * well, treated * (well + unassessed))
        )
        alive = self._panels.between(self._states[0], since)
        return (dot(weights, alive), dot(weights, free), dot(weights, well)), lived
