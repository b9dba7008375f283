"""What the twin expects from enrolment to reinfusion; arrays have one value a set, or shape (sets, times)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sim.outcomes.counting import ratio
from sim.outcomes.twin import time_to_reinfusion
from sim.outcomes.twin.background_survival import MAX_YEARS, background_survival
from sim.outcomes.twin.parameter_sets import ParameterSets
from sim.outcomes.twin.quadrature import (
    Law,
    Piecewise,
    compress_between,
    dot,
    double_exponential,
    law_of,
    refined,
)
from sim.outcomes.twin.time_to_reinfusion import Branches, Pathway
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import TREATMENT_DAYS, WAY_YEARS, Key
from sim.scenario.schema import DAYS_PER_YEAR, Scenario

_BACKGROUND_ORDER = 15
_TIME_ORDER = 31
_DELAY_ORDER = 8
_WAY_DAYS = WAY_YEARS * DAYS_PER_YEAR


def background_of(scenario: Scenario, days: float, refinement: float) -> Piecewise:
    """Return background survival by years since enrolment, long enough for some days."""
    years = min(5 * int(np.ceil(days / DAYS_PER_YEAR / 5)) + 5, MAX_YEARS)
    cohort, order = scenario.cohort, refined(_BACKGROUND_ORDER, refinement)
    return background_survival(cohort.age_years, cohort.female, scenario.background, years, order)


class BeforeReinfusion:
    """From enrolment to reinfusion."""

    def __init__(self, sets: ParameterSets, refinement: float) -> None:
        self.sets, self.scenario, self.refinement = sets, sets.shared, refinement
        self.path = Pathway.of(self.scenario, refinement)
        self.hazard = sets.column("active_disease.hazard_per_year") / DAYS_PER_YEAR
        self.fatal = sets.column("mobilisation.infection.case_fatality")
        self.waiting_hazard = self.hazard * sets.column("transplant.waiting_multiplier")
        self.mobilised = self.scenario.cohort.enters_at == "mobilisation"

    @cached_property
    def background(self) -> Piecewise:
        """Background survival by years since enrolment, over the whole of follow-up."""
        longest = float(time_to_reinfusion.reinfusion_law(self.path).times.max(initial=0.0))
        return background_of(self.scenario, longest + self.follow_up, self.refinement)

    @property
    def follow_up(self) -> float:
        """Days after reinfusion over which something is asked."""
        horizon, cut = self.scenario.follow_up.horizon_years * DAYS_PER_YEAR, 0.0
        if not self.mobilised and self.scenario.follow_up.data_cut_days != "none":
            cut = self.scenario.follow_up.data_cut_days
        return max(horizon, TREATMENT_DAYS, self.scenario.late_infection.until_day, cut)

    def survival(self, days: Floats) -> Floats:
        """Return the chance to survive active lupus and background mortality for days, (sets, *days)."""
        hazard = self.hazard.reshape(-1, *(1,) * days.ndim)
        return np.exp(-hazard * days) * self.background(days / DAYS_PER_YEAR)

    def survival_begun(self, days: Floats) -> Floats:
        """Return the chance to survive the delay, and then `survival` for days more."""
        if self.path.delay is None:
            return self.survival(days)
        hazard = self.hazard.reshape(-1, *(1,) * days.ndim)
        delay = law_of(self.path.delay, refined(_DELAY_ORDER, self.refinement))
        waited = delay.weights * np.exp(-self.waiting_hazard * delay.values)
        background = self.background((days[..., None] + delay.values) / DAYS_PER_YEAR)
        return np.exp(-hazard * days) * np.tensordot(waited, background, axes=(-1, -1))

    def thinned(self, day: float) -> Floats:
        """Return the chance to survive by a day what a fixed delay adds to the hazard of lupus, (sets, 1)."""
        return np.exp((self.hazard - self.waiting_hazard) * min(self.path.fixed_delay or 0.0, day))

    def share_alive(self, law: Branches, later: Floats) -> Floats:
        """Return the share of a law's patients who live to some days later than its time, (sets, days)."""
        days = law.times + later[:, None]
        alive = self.survival_begun(days)
        return dot(law.weights(self.fatal)[:, None, :], alive)

    @cached_property
    def _way(self) -> tuple[Branches, NDArray[np.bool_]]:
        """The law of the time to reinfusion, and which times come before nobody is followed any more."""
        law = time_to_reinfusion.reinfusion_law(self.path)
        if law.times.max(initial=0.0) > _WAY_DAYS:
            law = time_to_reinfusion.reinfusion_law(self.path, (_WAY_DAYS,))
        return law, law.times <= _WAY_DAYS

    @cached_property
    def reinfusion(self) -> Law:
        """The law of the time to reinfusion, everything but background mortality survived."""
        law, in_time = self._way
        alive = np.exp(-self.hazard * law.times) * self.thinned(_WAY_DAYS)
        return Law(law.times, law.weights(self.fatal) * alive * in_time)

    @cached_property
    def still_waiting(self) -> Floats:
        """Share of the enrolled who live on the way for as long as anybody is followed there."""
        law, in_time = self._way
        if in_time.all():
            return np.zeros(1)
        late = np.compress(~in_time, law.weights(self.fatal), axis=-1).sum(axis=-1)
        alive = np.exp(-self.hazard * _WAY_DAYS) * self.thinned(_WAY_DAYS)
        return np.asarray(late * alive[:, 0] * self.background(np.array([WAY_YEARS])))

    @cached_property
    def withdrawn(self) -> Floats:
        """Share of the enrolled whose harvest failed for good."""
        sessions = time_to_reinfusion.apheresis(self.path)
        failure = self.scenario.harvest.marrow.failure
        if sessions is None or sessions.short * failure == 0:
            return np.zeros(1)
        given_up = time_to_reinfusion.harvest_law(self.path).values[-1:]
        alive = self.share_alive(time_to_reinfusion.mobilisation_law(self.path), given_up)[:, 0]
        return sessions.short * failure * alive

    @cached_property
    def treatment_deaths(self) -> Floats:
        """Share of the enrolled who die of infection or toxicity before reinfusion."""
        return self.infections(fatal=True) + self.toxicity_deaths

    def infections(self, *, fatal: bool = False) -> Floats:
        """Return the infections in mobilisation per patient, or the deaths from them."""
        infection = self.scenario.mobilisation.infection
        if not self.mobilised or infection.hazard_per_day == 0:
            return np.zeros(1)
        law = time_to_reinfusion.mobilisation_law(self.path)
        window = np.minimum(law.times, infection.window_days)
        waited, weights = self.within(window, infection.hazard_per_day)
        onset = (law.times - window)[:, None] + waited
        alive = self.survival_begun(onset + infection.days_to_death if fatal else onset)
        by_length = (weights * alive).sum(axis=-1)
        per_patient = dot(law.clean + law.infected, by_length)
        return self.fatal[:, 0] * per_patient if fatal else per_patient

    def within(self, length: Floats, hazard: float) -> tuple[Floats, Floats]:
        """Return times and weights of a first event at a hazard within each length, shape (lengths, nodes).

        The nodes lie in the chance of the event, so no hazard is too large for them.
        """
        rule = double_exponential(refined(_TIME_ORDER, self.refinement))
        chance = -np.expm1(-hazard * length)[:, None]
        return -np.log1p(-chance * rule.nodes) / hazard, chance * rule.weights

    @cached_property
    def toxicity_deaths(self) -> Floats:
        """Share who die of toxicity in immunoablation: a double integral, if it is not zero."""
        hazard = self.scenario.immunoablation.toxicity_per_day
        if hazard == 0:
            return np.zeros(1)
        law = time_to_reinfusion.request_law(self.path.prompt)
        order = refined(16, self.refinement)
        length = compress_between(law_of(self.path.immunoablation, order), (), order)
        since, weights = self.within(length.values, hazard)
        weights = (length.weights[:, None] * weights).ravel()
        alive = self.survival_begun(law.times[:, None] + since.ravel())
        return dot((law.weights(self.fatal)[:, None, :] @ alive)[:, 0], weights)

    @cached_property
    def reinfused(self) -> Floats:
        """Share of the enrolled who are reinfused."""
        law = self.reinfusion
        return dot(law.weights, self.background(law.values / DAYS_PER_YEAR))

    def endpoints(self) -> Iterator[tuple[Key, Floats]]:
        """Yield what is known at reinfusion."""
        yield from self.ways_out()
        yield from self._harvests()

    def ways_out(self) -> Iterator[tuple[Key, Floats]]:
        """Yield the shares of who is not reinfused."""
        yield ("pre_transplant_mortality", None), 1 - self.reinfused - self.withdrawn - self.still_waiting
        yield ("still_waiting", None), self.still_waiting
        yield ("harvest_failure", None), self.withdrawn

    def _harvests(self) -> Iterator[tuple[Key, Floats]]:
        """Yield sessions and cells, where cells are collected session by session."""
        sessions = time_to_reinfusion.apheresis(self.path)
        if sessions is None:
            return
        days = np.arange(1.0, sessions.share.size + 1)
        harvested = np.append(days, time_to_reinfusion.harvest_law(self.path).values[-1])
        done = self.share_alive(time_to_reinfusion.mobilisation_law(self.path), harvested)
        done *= np.append(sessions.share, sessions.short)
        yield ("apheresis_sessions", None), ratio(dot(np.append(days, days[-1]), done), done.sum(axis=-1))
        reached = self.share_alive(
            time_to_reinfusion.reinfusion_law_without_harvest(self.path.prompt), harvested
        )
        given = 1 - self.scenario.harvest.marrow.failure
        size = dot(np.append(sessions.share, given * sessions.short), reached)
        cells = dot(np.append(sessions.cells, given * sessions.short_cells), reached)
        recovered = self.sets.column("harvest.selection_recovery")[:, 0] * cells
        yield ("cd34_infused", None), ratio(recovered, size)
