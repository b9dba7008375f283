"""What the twin expects from reinfusion on; arrays have one value a set, or shape (sets, times)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from sim.outcomes.counting import ratio
from sim.outcomes.endpoints import EARLY_RELAPSE_YEARS
from sim.outcomes.twin import quadrature
from sim.outcomes.twin.background_survival import MAX_YEARS, ages_by_birthday
from sim.outcomes.twin.before_reinfusion import BeforeReinfusion, background_of
from sim.outcomes.twin.follow_up import Accrual, AplasiaLength, mean_follow_up, usual_law
from sim.outcomes.twin.hazards import Hazards, TimePoints
from sim.outcomes.twin.parameter_sets import ParameterSets
from sim.outcomes.twin.quadrature import Law, Piecewise
from sim.outcomes.twin.time_to_reinfusion import Pathway, reinfusion_law
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import TREATMENT_DAYS, Key
from sim.scenario.schema import DAYS_PER_YEAR, TrialArrivals

_APLASIA_ORDER = 10
_BACKGROUND_ORDER = 15
_TIME_ORDER = 31
_CUT_ORDER = 41
_NEGLIGIBLE = 1e-9
_RELAPSE_ORDER = 51


@dataclass(frozen=True)
class _Grid(TimePoints):
    """Times since reinfusion for each length of aplasia, with no kink between panels, and their weights."""

    weights: Floats

    def integral(self, values: Floats, chosen: NDArray[np.bool_]) -> Floats:
        """Return the integrals of values over the chosen times and the law of aplasia."""
        return quadrature.dot(np.compress(chosen, values, axis=-1), self.weights[chosen])


@lru_cache(maxsize=16)
def _grid_of(
    length: AplasiaLength, common: tuple[float, ...], layers: tuple[float, ...], order: int
) -> _Grid:
    """Return panels between common edges, of which the last is the end, and those that go with aplasia."""
    law, delay = usual_law(length), length.days_to_death
    a, thin = law.values[:, None], np.array([0.0, *layers])
    fixed = np.broadcast_to([*common, *thin, *(delay + thin)], (a.size, len(common) + 2 * thin.size))
    edges = np.concatenate([fixed, a + thin, a + delay + thin], axis=1)
    edges = np.sort(np.clip(edges, 0.0, common[-1]), axis=1)
    times, weights = quadrature.on_panels(edges, quadrature.double_exponential(order))
    weights = weights * law.weights[:, None]
    used = weights > 0
    distinct, number = np.unique(times[used], return_inverse=True)
    return _Grid(distinct, number, np.broadcast_to(a, times.shape)[used], weights[used])


class AfterReinfusion:
    """From reinfusion on."""

    def __init__(self, sets: ParameterSets, before: BeforeReinfusion, refinement: float) -> None:
        self.sets, self.scenario, self.before, self.refinement = sets, sets.shared, before, refinement
        self.hazards = Hazards(sets, refinement)
        self.horizon = self.scenario.follow_up.horizon_years * DAYS_PER_YEAR
        self.assessed = self.scenario.response.assessed_at_days
        self.end = before.follow_up
        self.years = sets.years
        self.read = np.array(self.years) * DAYS_PER_YEAR

    @cached_property
    def kinks(self) -> list[float]:
        """Times since reinfusion at which some hazard changes, whatever the length of aplasia."""
        hazards = self.hazards
        late = (hazards.late_until, hazards.late_until + hazards.days_to_death)
        return [hazards.days_to_death, hazards.relapse.start, *late, TREATMENT_DAYS, self.horizon]

    @cached_property
    def length(self) -> AplasiaLength:
        """The length of aplasia and what it is compared with."""
        delay = self.hazards.days_to_death
        marks = {day - shift for day in (*self.kinks, self.assessed, *self.read) for shift in (0.0, delay)}
        duration = self.scenario.aplasia.duration_days
        return AplasiaLength(
            duration, tuple(sorted(marks)), delay, quadrature.refined(_APLASIA_ORDER, self.refinement)
        )

    @cached_property
    def aplasia(self) -> Law:
        """The law of the length of aplasia."""
        return usual_law(self.length)

    @cached_property
    def background(self) -> Piecewise:
        """Share of the enrolled reinfused, times background survival by days since reinfusion; by set."""
        law, survival = self.before.reinfusion, self.before.background
        soonest = float(law.values.min(initial=MAX_YEARS)) / DAYS_PER_YEAR
        ages, last = ages_by_birthday(self.scenario.cohort.age_years) or [0.0], self.end / DAYS_PER_YEAR + 1
        birthdays = [np.arange(1 - (age + soonest) % 1, last) for age in ages]
        years = np.unique(np.concatenate([[0.0], *birthdays]))
        points = quadrature.panel_points(years, quadrature.refined(_BACKGROUND_ORDER, self.refinement))
        alive = survival(points[..., None] + law.values / DAYS_PER_YEAR)
        days = years * DAYS_PER_YEAR
        return Piecewise.together([Piecewise.through(days, alive @ weights) for weights in law.weights])

    @cached_property
    def grid(self) -> _Grid:
        """TimePoints at which hazards and survival are integrated."""
        edges = (*self.background.edges.tolist(), *self.kinks, self.end)
        return _grid_of(
            self.length, edges, tuple(self.sets.layers), quadrature.refined(_TIME_ORDER, self.refinement)
        )

    def endpoints(self) -> Iterator[tuple[Key, Floats]]:
        """Yield what is known after reinfusion."""
        yield from self.treatment_deaths()
        yield from self._poisoned()
        yield from self.of_reinfused()
        for key, value in self._follow_up():
            yield key, np.where(self.before.reinfused > 0, value, np.nan)

    def _poisoned(self) -> Iterator[tuple[Key, Floats]]:
        """Yield deaths from toxicity, where they are over by the time of reading."""
        toxicity, in_aplasia = self.hazards.toxicity * self._alive, self.grid.times < self.grid.aplasia
        poisoned = self.before.toxicity_deaths + self.grid.integral(toxicity, in_aplasia)
        # By the same nodes however many there are, so that what can be told does not depend on them.
        law, longest = reinfusion_law(Pathway.of(self.scenario, 1)), self.aplasia.values.max()
        weights = law.weights(self.before.fatal)
        for years, day in zip(self.years, self.read, strict=True):
            late = np.compress(law.times > day - longest, weights, axis=-1).sum(axis=-1)
            if np.all(late * poisoned < _NEGLIGIBLE):  # all have left the room: toxicity kills nowhere else
                yield ("death_by_cause_toxicity", years), poisoned

    def of_reinfused(self) -> Iterator[tuple[Key, Floats]]:
        """Yield what becomes of the reinfused, and how many infections there are."""
        yield ("infections_per_patient", None), self._infections()
        for key, share in self._shares():
            yield key, ratio(share, self.before.reinfused)

    @cached_property
    def _others(self) -> Floats:
        """Chance to survive lupus and background mortality to each time of the grid."""
        background = self.grid.spread(self.background.paired(self.grid.distinct))
        return self.hazards.escapes_lupus(self.grid) * background

    @cached_property
    def _alive(self) -> Floats:
        """Chance to be alive at each time of the grid, as a share of the enrolled."""
        return self.hazards.escapes_treatment(self.grid.times, self.grid.aplasia) * self._others

    def treatment_deaths(self) -> Iterator[tuple[Key, Floats]]:
        """Yield the deaths of the transplant."""
        yield ("transplant_related_mortality", None), self._treatment_deaths()

    def _treatment_deaths(self) -> Floats:
        t, a = self.grid.times, self.grid.aplasia
        infection = self.hazards.infection_death_density(t, a) * self._others
        toxicity = self.hazards.toxicity * self._alive
        treated = t < TREATMENT_DAYS
        return self.grid.integral(infection, treated) + self.grid.integral(toxicity, treated & (t < a))

    def _infections(self) -> Floats:
        hazards, t, a = self.hazards, self.grid.times, self.grid.aplasia
        tolerated = np.exp(-hazards.toxicity * np.minimum(t, a)) * self._others
        early = hazards.aplasia_infection * np.exp(-hazards.aplasia_infection * t) * tolerated
        waited = np.maximum(t - a, 0.0)
        late = hazards.late_infection * np.exp(-hazards.late_infection * waited) * tolerated
        late = late * hazards.escapes_aplasia_infection(t, a)
        in_aplasia = self.grid.integral(early, t < a)
        later = self.grid.integral(late, (t > a) & (t < hazards.late_until))
        return self.before.infections() + in_aplasia + later

    def _shares(self) -> Iterator[tuple[Key, Floats]]:
        """Yield the shares at each reading time, as shares of the enrolled."""
        a, weights, hazards = self.aplasia.values, self.aplasia.weights, self.hazards
        relapsed, alive = self._relapsed(self.read), self._alive_on(self.read)
        background = self.background.paired(self.read)
        for number, (years, day) in enumerate(zip(self.years, self.read, strict=True)):
            t = np.full_like(a, day)
            treated = weights * hazards.escapes_treatment(t, a) * background[:, number, None]
            well = treated * hazards.without_relapse(t, a)
            unanswered = hazards.non_response[:, 0] * quadrature.dot(treated, np.exp(-hazards.lupus * t))
            established = self._no_response() if day >= self.assessed else np.zeros(1)
            free = well.sum(axis=-1) + (unanswered if day < self.assessed else 0.0)
            yield ("overall_survival", years), alive[:, number]
            yield ("disease_free_survival", years), free
            yield ("relapse_incidence", years), relapsed[:, number]
            yield ("no_response", years), established
            died = self.before.reinfused - free - relapsed[:, number] - established
            yield ("death_without_relapse", years), died
            yield ("in_remission", years), np.compress(a <= day, well, axis=-1).sum(axis=-1)

    def _alive_on(self, days: Floats) -> Floats:
        """Return the share alive some days after reinfusion, shape (sets, days)."""
        at = TimePoints.of(days, self.aplasia.values)
        alive = self.hazards.escapes_treatment(at.times, at.aplasia) * self.hazards.escapes_lupus(at)
        by_day = alive.reshape(len(alive), days.size, -1)
        return quadrature.dot(self.aplasia.weights, by_day) * self.background.paired(days)

    def _no_response(self) -> Floats:
        """Return the share alive and still active when response is assessed."""
        a, hazards = self.aplasia.values, self.hazards
        t = np.full_like(a, self.assessed)
        alive = quadrature.dot(hazards.escapes_treatment(t, a), self.aplasia.weights)
        background = self.background.paired(np.array([self.assessed]))
        alive = alive * (np.exp(-hazards.lupus * self.assessed) * background)[:, 0]
        return np.asarray(hazards.non_response[:, 0] * alive)

    def _relapsed(self, read: Floats) -> Floats:
        """Return the share who have relapsed by each of some days, shape (sets, days).

        Integrated over the cumulative hazard z of relapse, whose density ``exp(-z)`` is bounded; a latent
        relapse before engraftment shows at engraftment.
        """
        hazards, relapse = self.hazards, self.hazards.relapse
        a = self.aplasia.values[:, None]
        first = np.maximum(a, relapse.start)
        common = np.array([*self.kinks, *self.background.edges, *read])
        common = np.broadcast_to(common, (a.size, common.size))
        ends = np.concatenate([common, a + hazards.days_to_death], axis=1)
        ends = np.sort(np.maximum(ends, first), axis=1)
        edges = np.concatenate([first, ends], axis=1)
        by_panel = np.zeros((len(self.sets), *edges.shape))
        at_once = -np.expm1(-relapse.hazard(first[:, 0]))
        engrafted = TimePoints(first[:, 0], np.arange(a.size), a[:, 0])
        by_panel[..., 0] = at_once * self._well(engrafted)
        wide = (np.diff(edges, axis=1) > 0).any(axis=0)
        if wide.any():
            by_panel[..., 1:][..., wide] = self._relapsing(edges[:, :-1][:, wide], edges[:, 1:][:, wide])
        by_panel *= self.aplasia.weights[:, None]
        flat = by_panel.reshape(len(self.sets), -1)
        seen = [np.compress((edges <= day).ravel(), flat, axis=-1).sum(axis=-1) for day in read]
        return np.stack(seen, axis=-1)

    def _relapsing(self, begin: Floats, end: Floats) -> Floats:
        """Return who relapses between some days, one row a length of aplasia, shape (sets, lengths, days).

        Rows are alike unless aplasia outlasts the start of relapse.
        """
        lengths, panels = begin.shape
        relapse, rule = (
            self.hazards.relapse,
            quadrature.double_exponential(quadrature.refined(_RELAPSE_ORDER, self.refinement)),
        )
        nodes = panels * rule.nodes.size
        both = np.concatenate([begin, end], axis=1)
        _, row, back = np.unique(both, axis=0, return_index=True, return_inverse=True)
        since, until = begin[row].ravel(), end[row].ravel()
        edges = np.stack([relapse.hazard(since), relapse.hazard(until)], axis=-1)
        z, weights = (part.reshape(len(part), -1) for part in quadrature.on_panels(edges, rule))
        since, until = np.repeat(since, rule.nodes.size), np.repeat(until, rule.nodes.size)
        t = np.clip(relapse.time(z), since, until)
        number = (back.reshape(-1, 1) * nodes + np.arange(nodes)).ravel()
        at = TimePoints(t, number, np.repeat(self.aplasia.values, nodes))
        density = at.spread(weights * np.exp(-z)) * self._well(at)
        return np.asarray(density.reshape(len(density), lengths, panels, -1).sum(axis=-1))

    def _well(self, at: TimePoints) -> Floats:
        """Return the chance of a response, and of life in remission to t had relapse not come before."""
        hazards, t, a = self.hazards, at.times, at.aplasia
        lupus = np.exp(-hazards.lupus * a - hazards.remission * (t - a))
        well = (1 - hazards.non_response) * lupus * hazards.escapes_treatment(t, a)
        return np.asarray(well * at.spread(self.background.paired(at.distinct)))

    def _follow_up(self) -> Iterator[tuple[Key, Floats]]:
        arrivals, cut = self.scenario.arrivals, self.scenario.follow_up.data_cut_days
        if cut == "none" or not isinstance(arrivals, TrialArrivals):
            return
        survival = background_of(self.scenario, cut, self.refinement)
        accrual = Accrual(arrivals.window_days, self.sets.column("arrivals.power"), cut)
        mean = mean_follow_up(self.hazards, self.length, self.before.reinfusion, survival, accrual)
        yield ("mean_follow_up", None), mean
        yield from self._at_data_cut(arrivals, cut)

    def _at_data_cut(self, arrivals: TrialArrivals, cut: float) -> Iterator[tuple[Key, Floats]]:
        """Yield what a registry of transplants has seen at its data cut.

        Only where everybody enters at a fixed time before reinfusion and is reinfused by the cut: then the
        days of follow-up are those of arrival, and the averages over arrivals are one integral.
        """
        stay, delay = self.scenario.immunoablation.duration_days, self.before.path.delay
        days = quadrature.fixed_value(stay) if delay is None else None
        if self.before.mobilised or days is None or cut - arrivals.window_days - days < TREATMENT_DAYS:
            return
        rule = quadrature.double_exponential(quadrature.refined(_CUT_ORDER, self.refinement))
        followed = np.maximum(cut - arrivals.window_days * rule.nodes ** (1 / arrivals.power) - days, 0.0)
        yield ("deaths_by_data_cut", None), 1.0 - quadrature.dot(rule.weights, self._alive_on(followed))
        early = EARLY_RELAPSE_YEARS * DAYS_PER_YEAR
        if followed.min() < early:
            return
        relapsed = self._relapsed(np.append(followed, early))
        seen = quadrature.dot(rule.weights, relapsed[:, :-1])
        a = self.aplasia.values
        responded = quadrature.dot(self.aplasia.weights, self._well(TimePoints(a, np.arange(a.size), a)))
        yield ("relapses_by_data_cut", None), np.where(seen > 0, ratio(seen, responded), np.nan)
        yield ("early_relapses", None), np.where(responded > 0, ratio(relapsed[:, -1], seen), np.nan)
