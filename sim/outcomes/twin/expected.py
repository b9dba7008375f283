"""The exact twin: expectations of the endpoints without simulation, where no queue binds.

Durations are independent, deaths are latent times of which the earliest wins, and hazards are constant in
pieces, so every endpoint is an integral over the time to reinfusion, the length of aplasia and the
time since. Age and sex enter only through background survival B, a smooth function of the time since
enrolment (`sim.outcomes.twin.background_survival`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.outcomes.endpoints import EARLY_RELAPSE_YEARS, TREATMENT_DAYS
from sim.outcomes.twin.after_reinfusion import Hazards
from sim.outcomes.twin.background_survival import MAX_YEARS, background_survival
from sim.outcomes.twin.follow_up import AplasiaLength, mean_follow_up
from sim.outcomes.twin.interpolation import Piecewise, panel_points
from sim.outcomes.twin.quadrature import (
    Law,
    compress_between,
    double_exponential,
    fixed_value,
    law_of,
    on_panels,
)
from sim.outcomes.twin.time_to_reinfusion import (
    Branches,
    Pathway,
    apheresis,
    harvest_law,
    mobilisation_law,
    reinfusion_law,
    reinfusion_law_without_harvest,
    request_law,
)
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME, Key, read_times
from sim.scenario.problems import RequestError
from sim.scenario.schema import DAYS_PER_YEAR, Scenario, TrialArrivals

_APLASIA_ORDER = 10
_BACKGROUND_ORDER = 15
_TIME_ORDER = 31
_CUT_ORDER = 41
_RELAPSE_ORDER = 51


def expected(scenario: Scenario, refinement: int = 1) -> dict[Key, float]:
    """Return what the endpoints are on average, without Monte Carlo error.

    Left out are the endpoints that need a queue or the end of follow-up, and those whose denominator is
    empty. A cohort that is never transplanted has only survival from enrolment.

    Shares are exact to about 1e-9 and mean follow-up to 1e-8 years. Where all patients have the same age,
    birthdays are kinks, and the error is up to 1e-5 for the very old.

    Parameters
    ----------
    scenario
        Rooms and slots must be unlimited.
    refinement
        Multiplies the nodes of every quadrature, to show that there are enough.

    Raises
    ------
    RequestError
        A capacity is limited: then only simulation can tell.
    """
    _refuse_queues(scenario)
    if scenario.cohort.enters_at == "home":
        return dict(_never_transplanted(scenario, refinement))
    before = _BeforeReinfusion(scenario, refinement)
    after = _AfterReinfusion(scenario, before, refinement)
    values: dict[Key, float] = dict(before.endpoints())
    values.update(after.endpoints())
    values["treatment_related_mortality", None] = (
        before.treatment_deaths + values["transplant_related_mortality", None]
    )
    return values


class Before(NamedTuple):
    """Where the enrolled are at reinfusion, as shares; they add to 1."""

    treatment_deaths: float
    other_deaths: float
    withdrawn: float
    reinfused: float


def expected_before_reinfusion(scenario: Scenario) -> Before:
    """Return what becomes of the enrolled by reinfusion; refusals are those of `expected`."""
    _refuse_queues(scenario)
    before = _BeforeReinfusion(scenario, 1)
    others = 1 - before.treatment_deaths - before.withdrawn - before.reinfused
    return Before(before.treatment_deaths, others, before.withdrawn, before.reinfused)


def expected_from_enrolment(scenario: Scenario, refinement: int = 1) -> dict[Key, float]:
    """Return overall and disease-free survival from enrolment; apart because they take longer.

    Parameters and refusals are those of `expected`. Exact to about 1e-7 with stages like the trial's, but
    only to 1e-4 where aplasia often outlasts the start of relapse.
    """
    _refuse_queues(scenario)
    if scenario.cohort.enters_at == "home":
        return dict(_never_transplanted(scenario, refinement))
    before = _BeforeReinfusion(scenario, refinement)
    return dict(_FromEnrolment(before, _AfterReinfusion(scenario, before, refinement)).endpoints())


def _refuse_queues(scenario: Scenario) -> None:
    for key in ("apheresis_slots", "isolation_rooms"):
        capacity = getattr(scenario.clinic, key)
        if capacity != "unlimited":
            raise RequestError(
                f"clinic.{key} is {capacity}: the exact twin holds only without a queue; "
                f'write clinic.{key} = "unlimited", or simulate'
            )


def _read_days(scenario: Scenario, name: str) -> list[tuple[float, float]]:
    """Return the times at which an endpoint is read, in years and in days."""
    times = read_times(BY_NAME[name], scenario.follow_up.horizon_years)
    return [(time, time * DAYS_PER_YEAR) for time in times if time is not None]


def _background(scenario: Scenario, days: float, refinement: int) -> Piecewise:
    """Return background survival by years since enrolment, long enough for some days."""
    years = min(5 * int(np.ceil(days / DAYS_PER_YEAR / 5)) + 5, MAX_YEARS)
    cohort, order = scenario.cohort, _BACKGROUND_ORDER * refinement
    return background_survival(cohort.age_years, cohort.female, scenario.background, years, order)


def _never_transplanted(scenario: Scenario, refinement: int) -> Iterator[tuple[Key, float]]:
    """Yield survival of a cohort at home, with active disease for life."""
    hazard, horizon = scenario.active_disease.hazard_per_year, scenario.follow_up.horizon_years
    background = _background(scenario, horizon * DAYS_PER_YEAR, refinement)
    for years, _ in _read_days(scenario, "overall_survival_enrolled"):
        alive = float(np.exp(-hazard * years) * background(np.array([years]))[0])
        yield ("overall_survival_enrolled", years), alive
        yield ("disease_free_survival_enrolled", years), alive  # by definition: nothing but death ends it
    edges = np.unique(np.append(background.edges[background.edges < horizon], horizon))
    t, weights = on_panels(edges, double_exponential(_TIME_ORDER * refinement))
    lived = float(weights @ (np.exp(-hazard * t) * background(t)))
    yield ("restricted_mean_survival_enrolled", None), lived


class _BeforeReinfusion:
    """From enrolment to reinfusion."""

    def __init__(self, scenario: Scenario, refinement: int) -> None:
        self.scenario, self.refinement = scenario, refinement
        self.path = Pathway.of(scenario, refinement)
        self.hazard = scenario.active_disease.hazard_per_year / DAYS_PER_YEAR
        self.fatal = scenario.mobilisation.infection.case_fatality
        self.mobilised = scenario.cohort.enters_at == "mobilisation"

    @cached_property
    def background(self) -> Piecewise:
        """Background survival by years since enrolment, over the whole of follow-up."""
        longest = float(reinfusion_law(self.path).times.max(initial=0.0))
        return _background(self.scenario, longest + self.follow_up, self.refinement)

    @property
    def follow_up(self) -> float:
        """Days after reinfusion over which something is asked."""
        horizon, cut = self.scenario.follow_up.horizon_years * DAYS_PER_YEAR, 0.0
        if not self.mobilised and self.scenario.follow_up.data_cut_days != "none":
            cut = self.scenario.follow_up.data_cut_days
        return max(horizon, TREATMENT_DAYS, cut)

    def survival(self, days: Floats) -> Floats:
        """Return the chance to survive active lupus and background mortality for some days."""
        return np.exp(-self.hazard * days) * self.background(days / DAYS_PER_YEAR)

    def share_alive(self, law: Branches, shift: float = 0.0) -> float:
        """Return the share of a law's patients who live to its time, later by `shift`."""
        return float(law.weights(self.fatal) @ self.survival(law.times + shift))

    @cached_property
    def reinfusion(self) -> Law:
        """The law of the time to reinfusion, everything but background mortality survived."""
        law = reinfusion_law(self.path)
        return Law(law.times, law.weights(self.fatal) * np.exp(-self.hazard * law.times))

    @cached_property
    def withdrawn(self) -> float:
        """Share of the enrolled whose harvest failed for good."""
        sessions = apheresis(self.path)
        failure = self.scenario.harvest.marrow.failure
        if sessions is None or sessions.short * failure == 0:
            return 0.0
        days = float(harvest_law(self.path).values[-1])
        return sessions.short * failure * self.share_alive(mobilisation_law(self.path), days)

    @cached_property
    def infections(self) -> float:
        """Infections in mobilisation per patient enrolled."""
        return self._infections(fatal=False)

    @cached_property
    def treatment_deaths(self) -> float:
        """Share of the enrolled who die of infection or toxicity before reinfusion."""
        return self._infections(fatal=True) + self.toxicity_deaths

    def _infections(self, *, fatal: bool) -> float:
        """Return the infections in mobilisation per patient, or the deaths from them."""
        infection = self.scenario.mobilisation.infection
        if not self.mobilised or infection.hazard_per_day == 0:
            return 0.0
        law = mobilisation_law(self.path)
        window = np.minimum(law.times, infection.window_days)
        waited, weights = self._within(window, infection.hazard_per_day)
        onset = (law.times - window)[:, None] + waited
        alive = self.survival(onset + infection.days_to_death if fatal else onset)
        per_patient = float((law.clean + law.infected) @ (weights * alive).sum(axis=1))
        return self.fatal * per_patient if fatal else per_patient

    def _within(self, length: Floats, hazard: float) -> tuple[Floats, Floats]:
        """Return times and weights of a first event at a hazard within each length, shape (lengths, nodes).

        The nodes lie in the chance of the event, so no hazard is too large for them.
        """
        rule = double_exponential(_TIME_ORDER * self.refinement)
        chance = -np.expm1(-hazard * length)[:, None]
        return -np.log1p(-chance * rule.nodes) / hazard, chance * rule.weights

    @cached_property
    def toxicity_deaths(self) -> float:
        """Share who die of toxicity in immunoablation: a double integral, if it is not zero."""
        hazard = self.scenario.immunoablation.toxicity_per_day
        if hazard == 0:
            return 0.0
        law = request_law(self.path)
        order = 16 * self.refinement
        length = compress_between(law_of(self.path.immunoablation, order), (), order)
        since, weights = self._within(length.values, hazard)
        weights = (length.weights[:, None] * weights).ravel()
        alive = self.survival(law.times[:, None] + since.ravel())
        return float(law.weights(self.fatal) @ alive @ weights)

    @cached_property
    def reinfused(self) -> float:
        """Share of the enrolled who are reinfused."""
        law = self.reinfusion
        return float(law.weights @ self.background(law.values / DAYS_PER_YEAR))

    def endpoints(self) -> Iterator[tuple[Key, float]]:
        """Yield what is known at reinfusion."""
        yield ("pre_transplant_mortality", None), 1 - self.reinfused - self.withdrawn
        yield ("harvest_failure", None), self.withdrawn
        sessions = apheresis(self.path)
        if sessions is None:
            return
        days = np.arange(1.0, sessions.share.size + 1)
        last = harvest_law(self.path).values[-1]
        law = mobilisation_law(self.path)
        done = np.array([self.share_alive(law, day) for day in (*days, last)])
        done *= np.append(sessions.share, sessions.short)
        if done.sum() > 0:
            yield ("apheresis_sessions", None), float(np.append(days, days[-1]) @ done / done.sum())
        law = reinfusion_law_without_harvest(self.path)
        reached = np.array([self.share_alive(law, day) for day in (*days, last)])
        given = 1 - self.scenario.harvest.marrow.failure
        size = float(np.append(sessions.share, given * sessions.short) @ reached)
        if size > 0:
            cells = float(np.append(sessions.cells, given * sessions.short_cells) @ reached)
            yield ("cd34_infused", None), self.scenario.harvest.selection_recovery * cells / size


@dataclass(frozen=True)
class _Grid:
    """Times since reinfusion for each length of aplasia, with no kink between panels."""

    times: Floats
    weights: Floats
    aplasia: Floats

    def integral(self, values: Floats, chosen: NDArray[np.bool_]) -> float:
        """Return the integral of values over the chosen times and the law of aplasia."""
        return float(self.weights[chosen] @ values[chosen])


class _AfterReinfusion:
    """From reinfusion on."""

    def __init__(self, scenario: Scenario, before: _BeforeReinfusion, refinement: int) -> None:
        self.scenario, self.before, self.refinement = scenario, before, refinement
        self.course = Hazards.of(scenario, refinement)
        self.horizon = scenario.follow_up.horizon_years * DAYS_PER_YEAR
        self.assessed = scenario.response.assessed_at_days
        self.end = before.follow_up

    @cached_property
    def kinks(self) -> list[float]:
        """Times since reinfusion at which some hazard changes, whatever the length of aplasia."""
        course = self.course
        late = (course.late_until, course.late_until + course.days_to_death)
        return [course.days_to_death, course.relapse.start, *late, TREATMENT_DAYS, self.horizon]

    @cached_property
    def length(self) -> AplasiaLength:
        """The length of aplasia and what it is compared with."""
        read = [day for _, day in _read_days(self.scenario, "overall_survival")]
        delay = self.course.days_to_death
        marks = {mark - shift for mark in (*self.kinks, self.assessed, *read) for shift in (0.0, delay)}
        duration = self.scenario.aplasia.duration_days
        return AplasiaLength(duration, tuple(sorted(marks)), delay, _APLASIA_ORDER * self.refinement)

    @cached_property
    def aplasia(self) -> Law:
        """The law of the length of aplasia."""
        return self.length.law()

    @cached_property
    def background(self) -> Piecewise:
        """Share of the enrolled reinfused, times background survival by days since reinfusion."""
        law, survival = self.before.reinfusion, self.before.background
        age = fixed_value(self.scenario.cohort.age_years) or 0.0
        first = 1 - (age + float(law.values.min(initial=MAX_YEARS)) / DAYS_PER_YEAR) % 1
        years = np.concatenate([[0.0], np.arange(first, self.end / DAYS_PER_YEAR + 1)])
        points = panel_points(years, _BACKGROUND_ORDER * self.refinement)
        values = survival(points[..., None] + law.values / DAYS_PER_YEAR) @ law.weights
        return Piecewise.through(years * DAYS_PER_YEAR, values)

    @cached_property
    def grid(self) -> _Grid:
        """Times at which hazards and survival are integrated."""
        a, delay = self.aplasia.values[:, None], self.course.days_to_death
        layers = np.concatenate([[0.0], self.course.layers()])
        common = np.concatenate([self.background.edges, self.kinks, layers, delay + layers])
        common = np.broadcast_to(common, (a.size, common.size))
        edges = np.concatenate([common, a + layers, a + delay + layers], axis=1)
        edges = np.sort(np.clip(edges, 0.0, self.end), axis=1)
        times, weights = on_panels(edges, double_exponential(_TIME_ORDER * self.refinement))
        weights = weights * self.aplasia.weights[:, None]
        used = weights > 0
        lengths = np.broadcast_to(a, times.shape)
        return _Grid(times[used], weights[used], lengths[used])

    def endpoints(self) -> Iterator[tuple[Key, float]]:
        """Yield what is known after reinfusion."""
        yield ("transplant_related_mortality", None), self._treatment_deaths()
        yield ("death_by_cause_toxicity", None), self.before.toxicity_deaths + self._toxicity_deaths()
        if self.course.late_until <= self.horizon:
            yield ("infections_per_patient", None), self._infections()
        size = self.before.reinfused
        if size <= 0:
            return
        for key, share in self._shares():
            yield key, share / size
        yield ("restricted_mean_survival", None), self._days_lived() / DAYS_PER_YEAR / size
        yield from self._follow_up()

    @cached_property
    def _others(self) -> Floats:
        """Chance to survive lupus and background mortality to each time of the grid."""
        return self.course.escapes_lupus(self.grid.times, self.grid.aplasia) * self.background(
            self.grid.times
        )

    @cached_property
    def _alive(self) -> Floats:
        """Chance to be alive at each time of the grid, as a share of the enrolled."""
        return self.course.escapes_treatment(self.grid.times, self.grid.aplasia) * self._others

    def _treatment_deaths(self) -> float:
        t, a = self.grid.times, self.grid.aplasia
        infection = self.course.infection_death_density(t, a) * self._others
        toxicity = self.course.toxicity * self._alive
        treated = t < TREATMENT_DAYS
        return self.grid.integral(infection, treated) + self.grid.integral(toxicity, treated & (t < a))

    def _toxicity_deaths(self) -> float:
        return self.grid.integral(self.course.toxicity * self._alive, self.grid.times < self.grid.aplasia)

    def _infections(self) -> float:
        course, t, a = self.course, self.grid.times, self.grid.aplasia
        tolerated = np.exp(-course.toxicity * np.minimum(t, a)) * self._others
        early = course.aplasia_infection * np.exp(-course.aplasia_infection * t) * tolerated
        waited = np.maximum(t - a, 0.0)
        late = course.late_infection * np.exp(-course.late_infection * waited) * tolerated
        late *= course.escapes_aplasia_infection(t, a)
        in_aplasia = self.grid.integral(early, t < a)
        later = self.grid.integral(late, (t > a) & (t < course.late_until))
        return self.before.infections + in_aplasia + later

    def _days_lived(self) -> float:
        return self.grid.integral(self._alive, self.grid.times < self.horizon)

    def _shares(self) -> Iterator[tuple[Key, float]]:
        """Yield the shares at each reading time, as shares of the enrolled."""
        a, weights, course = self.aplasia.values, self.aplasia.weights, self.course
        relapsed = self._relapsed([day for _, day in _read_days(self.scenario, "relapse_incidence")])
        for number, (years, day) in enumerate(_read_days(self.scenario, "overall_survival")):
            t = np.full_like(a, day)
            background = float(self.background(np.array([day]))[0])
            treated = weights * course.escapes_treatment(t, a) * background
            alive = self._alive_on(day)
            well = treated * course.without_relapse(t, a)
            unanswered = course.non_response * float(treated @ np.exp(-course.lupus * t))
            established = self._no_response() if day >= self.assessed else 0.0
            free = float(well.sum()) + (unanswered if day < self.assessed else 0.0)
            yield ("overall_survival", years), alive
            yield ("disease_free_survival", years), free
            yield ("relapse_incidence", years), relapsed[number]
            yield ("no_response", years), established
            died = self.before.reinfused - free - relapsed[number] - established
            yield ("death_without_relapse", years), died
            yield ("in_remission", years), float(well[a <= day].sum())

    def _alive_on(self, day: float) -> float:
        """Return the share alive some days after reinfusion."""
        a, course = self.aplasia.values, self.course
        t = np.full_like(a, day)
        alive = course.escapes_treatment(t, a) * course.escapes_lupus(t, a)
        return float(self.aplasia.weights @ alive) * float(self.background(np.array([day]))[0])

    def _no_response(self) -> float:
        """Return the share alive and still active when response is assessed."""
        a, course = self.aplasia.values, self.course
        t = np.full_like(a, self.assessed)
        alive = course.escapes_treatment(t, a) @ self.aplasia.weights
        alive *= np.exp(-course.lupus * self.assessed) * self.background(np.array([self.assessed]))[0]
        return course.non_response * float(alive)

    def _relapsed(self, read: Sequence[float]) -> list[float]:
        """Return the share who have relapsed by each of some days.

        Integrated over the cumulative hazard z of relapse, whose density ``exp(-z)`` is bounded; a latent
        relapse before engraftment shows at engraftment.
        """
        course, relapse = self.course, self.course.relapse
        a = self.aplasia.values[:, None]
        first = np.maximum(a, relapse.start)
        common = np.array([*self.kinks, *self.background.edges, *read])
        common = np.broadcast_to(common, (a.size, common.size))
        ends = np.concatenate([common, a + course.days_to_death], axis=1)
        ends = np.sort(np.maximum(ends, first), axis=1)
        edges = np.concatenate([first, ends], axis=1)
        rule = double_exponential(_RELAPSE_ORDER * self.refinement)
        z, weights = on_panels(relapse.hazard(edges), rule)
        nodes = rule.nodes.size
        t = np.clip(relapse.time(z), np.repeat(edges[:, :-1], nodes, 1), np.repeat(edges[:, 1:], nodes, 1))
        density = weights * np.exp(-z) * self._well(t, a)
        by_panel = density.reshape(a.size, -1, nodes).sum(axis=2)
        at_once = -np.expm1(-relapse.hazard(first)) * self._well(first, a)
        by_panel = np.concatenate([at_once, by_panel], axis=1) * self.aplasia.weights[:, None]
        return [float(by_panel[edges <= day].sum()) for day in read]

    def _well(self, t: Floats, a: Floats) -> Floats:
        """Return the chance of a response, and of life in remission to t had relapse not come before."""
        course = self.course
        lupus = np.exp(-course.lupus * a - course.remission * (t - a))
        return (1 - course.non_response) * lupus * course.escapes_treatment(t, a) * self.background(t)

    def _follow_up(self) -> Iterator[tuple[Key, float]]:
        arrivals, cut = self.scenario.arrivals, self.scenario.follow_up.data_cut_days
        if cut == "none" or not isinstance(arrivals, TrialArrivals):
            return
        survival = _background(self.scenario, cut, self.refinement)
        mean = mean_follow_up(self.course, self.length, self.before.reinfusion, survival, arrivals, cut)
        if mean is not None:
            yield ("mean_follow_up", None), mean
        yield from self._at_data_cut(arrivals, cut)

    def _at_data_cut(self, arrivals: TrialArrivals, cut: float) -> Iterator[tuple[Key, float]]:
        """Yield what a registry of transplants has seen at its data cut.

        Only where everybody enters at a fixed time before reinfusion and is reinfused by the cut: then the
        days of follow-up are those of arrival, and the averages over arrivals are one integral.
        """
        days = fixed_value(self.scenario.immunoablation.duration_days)
        if self.before.mobilised or days is None or cut - arrivals.window_days - days < TREATMENT_DAYS:
            return
        rule = double_exponential(_CUT_ORDER * self.refinement)
        followed = np.maximum(cut - arrivals.window_days * rule.nodes ** (1 / arrivals.power) - days, 0.0)
        alive = rule.weights @ np.array([self._alive_on(day) for day in followed])
        yield ("deaths_by_data_cut", None), 1.0 - float(alive)
        read = np.append(followed, EARLY_RELAPSE_YEARS * DAYS_PER_YEAR)
        *relapsed, early = self._relapsed(read.tolist())
        seen = float(rule.weights @ relapsed)
        a = self.aplasia.values
        responded = float(self.aplasia.weights @ self._well(a, a))
        if responded > 0 and seen > 0 and followed.min() >= read[-1]:
            yield ("relapses_by_data_cut", None), seen / responded
            yield ("early_relapses", None), early / seen


class _FromEnrolment:
    """From enrolment on: at a given time background survival is a factor, so only the rest is integrated."""

    def __init__(self, before: _BeforeReinfusion, after: _AfterReinfusion) -> None:
        self.before, self.after, self.scenario = before, after, before.scenario
        self.days = [day for _, day in _read_days(self.scenario, "overall_survival_enrolled")]

    def endpoints(self) -> Iterator[tuple[Key, float]]:
        """Yield the shares of the enrolled at each reading time."""
        for years, day in _read_days(self.scenario, "overall_survival_enrolled"):
            background = float(self.before.background(np.array([years]))[0])
            active = float(np.exp(-self.before.hazard * day))
            doomed, withdrawn, to_withdraw = self._in_mobilisation(day)
            unharmed = active * (doomed + self._waiting(day) + to_withdraw)
            alive, free = self._reinfused(day)
            yield (
                ("overall_survival_enrolled", years),
                background * (unharmed + active * withdrawn + alive),
            )
            yield ("disease_free_survival_enrolled", years), background * (unharmed + free)

    def _before_reading(self, lags: Iterable[float]) -> tuple[float, ...]:
        """Return the days some lags before each reading time, at which laws of earlier events have kinks."""
        return tuple(sorted({day - lag for day in self.days for lag in lags if day > lag}))

    def _in_mobilisation(self, day: float) -> tuple[float, float, float]:
        """Return who has a fatal infection but lives, who is withdrawn, and who will be, lupus left out."""
        before, path = self.before, self.before.path
        if not before.mobilised:
            return 0.0, 0.0, 0.0
        infection = self.scenario.mobilisation.infection
        sessions = apheresis(path)
        harvest = 0.0 if sessions is None else float(harvest_law(path).values[-1])
        safe = day - infection.days_to_death  # who falls ill later lives
        breaks = (path.infection_window, safe, safe + path.infection_window, day - harvest)
        law = law_of(path.mobilisation, 16 * before.refinement, breaks)
        window = np.minimum(law.values, infection.window_days)
        exposed = np.clip(safe - (law.values - window), 0.0, window)
        free = path.infection_free(law.values)
        doomed = before.fatal * float(law.weights @ (np.exp(-infection.hazard_per_day * exposed) - free))
        if sessions is None:
            return doomed, 0.0, 0.0
        chance = sessions.short * self.scenario.harvest.marrow.failure
        failed = chance * law.weights * (free + (1 - before.fatal) * (1 - free))
        over = law.values + harvest <= day
        return doomed, float(failed[over].sum()), float(failed[~over].sum())

    def _waiting(self, day: float) -> float:
        """Return who will be reinfused but is not yet, and has survived toxicity."""
        stay = self.before.path.immunoablation
        typical = float(stay.quantile(np.array([0.5]))[0])
        law = request_law(self.before.path, self._before_reading({0.0, typical}))
        since = day - law.times
        inside = np.exp(-self.before.path.toxicity * np.maximum(since, 0.0)) * (1 - stay.cdf(since))
        return float(law.weights(self.before.fatal) @ np.where(since < 0, 1.0, inside))

    def _reinfused(self, day: float) -> tuple[float, float]:
        """Return who has been reinfused and lives, and of them who is disease-free."""
        course, aplasia = self.after.course, self.after.aplasia
        late = min(course.late_until + course.days_to_death, self.after.horizon)
        kinks = {0.0, float(self.after.length.spread()[3]), course.relapse.start, late}
        kinks |= {self.after.assessed} if course.non_response > 0 else set()
        law = reinfusion_law(self.before.path, self._before_reading(kinks))
        past = law.times <= day
        weights = law.weights(self.before.fatal)[past] * np.exp(-self.before.hazard * law.times[past])
        t, a = day - law.times[past][:, None], aplasia.values
        treated = course.escapes_treatment(t, a) * aplasia.weights
        alive = (treated * course.escapes_lupus(t, a)).sum(axis=1)
        unassessed = course.non_response * np.exp(-course.lupus * t) * (t < self.after.assessed)
        free = (treated * (course.without_relapse(t, a) + unassessed)).sum(axis=1)
        return float(weights @ alive), float(weights @ free)
