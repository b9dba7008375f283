"""The exact twin: expectations of the endpoints without simulation, where no queue binds.

Durations are independent, deaths are latent times of which the earliest wins, and hazards are constant in
pieces, so every endpoint is an integral over the time to reinfusion, the length of aplasia and the
time since. Age and sex enter only through background survival B, a smooth function of the time since
enrolment (`sim.outcomes.twin.background_survival`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from sim.outcomes.twin.after_reinfusion import AfterReinfusion
from sim.outcomes.twin.before_reinfusion import BeforeReinfusion, background_of
from sim.outcomes.twin.from_enrolment import FROM_ENROLMENT, Enrolled, FromEnrolment
from sim.outcomes.twin.observed import beyond_twin
from sim.outcomes.twin.parameter_sets import ParameterSets, batches
from sim.outcomes.twin.quadrature import Piecewise, dot, double_exponential, on_panels, refined
from sim.patient.memory import keep_freed_memory
from sim.scenario.capacities import capacity_text
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import Key, column
from sim.scenario.problems import RequestError
from sim.scenario.schema import DAYS_PER_YEAR, Scenario

_TIME_ORDER = 31

_Endpoints: TypeAlias = Iterator[tuple[Key, Floats]]


def expected(scenario: Scenario, refinement: float = 1) -> dict[Key, float]:
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
    return _of_one(expected_many([scenario], refinement))


def expected_many(scenarios: Sequence[Scenario], refinement: float = 1) -> dict[Key, Floats]:
    """Return what `expected` says of each scenario, one value for each; not a number where it says nothing.

    Scenarios alike but for hazards after reinfusion, case fatalities, relapse and accrual
    (`sim.outcomes.twin.parameter_sets.AS_ARRAYS`) are taken together, some 3 ms each; any others may be
    mixed and cost what single calls cost. Parameters and refusals are those of `expected`.
    """
    return _many(scenarios, refinement, _endpoints)


def expected_all(scenarios: Sequence[Scenario], refinement: float = 1) -> dict[Key, Floats]:
    """Return all that the twin knows of each scenario, from enrolment too; see `expected_many`."""
    return _many(scenarios, refinement, _all)


class AtHorizon(NamedTuple):
    """What is known at the horizon of some scenarios, and their survival curves from enrolment.

    `alive` has shape (scenarios, years), all others one value a scenario.

    Attributes
    ----------
    remission, waiting
        Shares of the enrolled who are alive at the horizon: responders who have not relapsed, and those who
        are still on the way to reinfusion.
    """

    figures: dict[Key, Floats]
    remission: Floats
    waiting: Floats
    alive: Floats


def expected_at_horizon(scenarios: Sequence[Scenario], years: Floats, refinement: float = 1) -> AtHorizon:
    """Return figures at the horizon, and what the twin knows without a time, several times as fast as all.

    Left out are cells, sessions and what a trial has seen at its data cut. Refusals are those of `expected`.

    Parameters
    ----------
    years
        When survival from enrolment is read, up to the horizon.
    refinement
        Below 1 it is rougher, and faster still: 0.5 changes no figure by 1e-5.
    """
    remission, waiting = np.zeros(len(scenarios)), np.zeros(len(scenarios))
    alive = np.full((len(scenarios), years.size), np.nan)

    def told(sets: ParameterSets, numbers: Sequence[int]) -> _Endpoints:
        if sets.shared.cohort.enters_at == "home":
            alive[numbers] = _alive_at_home(sets, refinement)(years)
            return _never_transplanted(sets, refinement)
        before, after = _parts(sets, refinement)
        enrolled = FromEnrolment(before, after)
        alive[numbers] = enrolled.alive(years * DAYS_PER_YEAR)
        found = enrolled.at(*sets.years)
        remission[numbers], waiting[numbers] = found.remission, found.waiting
        return _shares_of(before, after, found)

    figures = _collected(scenarios, told, at_horizon=True)
    return AtHorizon(figures, remission, waiting, alive)


class Before(NamedTuple):
    """Where the enrolled are at reinfusion, as shares; they add to 1."""

    treatment_deaths: float
    other_deaths: float
    withdrawn: float
    reinfused: float


def expected_before_reinfusion(scenario: Scenario) -> Before:
    """Return what becomes of the enrolled by reinfusion; refusals are those of `expected`."""
    _refuse_untold(scenario)
    before = BeforeReinfusion(ParameterSets([scenario]), 1)
    treatment, withdrawn = float(before.treatment_deaths[0]), float(before.withdrawn[0])
    reinfused = float(before.reinfused[0])
    return Before(treatment, 1 - treatment - withdrawn - reinfused, withdrawn, reinfused)


def expected_from_enrolment(scenario: Scenario, refinement: float = 1) -> dict[Key, float]:
    """Return `FROM_ENROLMENT`: survival, deaths by cause and years lived; apart because they take longer.

    Parameters and refusals are those of `expected`. Exact to about 1e-7 with stages like the trial's, but
    only to 1e-4 where aplasia often outlasts the start of relapse. Deaths by cause add up to the dead.
    """
    return _of_one(_many([scenario], refinement, _from_enrolment))


def expected_figure(scenarios: Sequence[Scenario], key: Key) -> Floats:
    """Return one figure of each scenario, by the one way of both that tells it.

    Raises
    ------
    RequestError
        The twin does not know it, or a capacity is limited.
    """
    found = _many(scenarios, 1, _from_enrolment if key[0] in FROM_ENROLMENT else _endpoints).get(key)
    if found is None:
        raise RequestError(
            f"{column(key)} has no exact figure; only simulation can tell: sweep the parameter instead"
        )
    return found


def _of_one(values: dict[Key, Floats]) -> dict[Key, float]:
    return {key: float(value) for key, (value,) in values.items() if not np.isnan(value)}


def _many(
    scenarios: Sequence[Scenario], refinement: float, endpoints: Callable[[ParameterSets, float], _Endpoints]
) -> dict[Key, Floats]:
    def told(sets: ParameterSets, _numbers: Sequence[int]) -> _Endpoints:
        at_home = sets.shared.cohort.enters_at == "home"
        return (_never_transplanted if at_home else endpoints)(sets, refinement)

    return _collected(scenarios, told)


def _collected(
    scenarios: Sequence[Scenario], told: Callable[[ParameterSets, Sequence[int]], _Endpoints],
    *, at_horizon: bool = False,
) -> dict[Key, Floats]:  # fmt: skip
    """Return what is told of each batch of scenarios, one value a scenario."""
    for scenario in scenarios:
        _refuse_untold(scenario)
    keep_freed_memory()
    values: dict[Key, Floats] = {}
    for numbers, sets in batches(scenarios, at_horizon=at_horizon):
        for key, found in told(sets, numbers):
            values.setdefault(key, np.full(len(scenarios), np.nan))[numbers] = found
    return values


def _refuse_untold(scenario: Scenario) -> None:
    for key in ("apheresis_slots", "isolation_rooms"):
        capacity = getattr(scenario.clinic, key)
        if capacity != "unlimited":
            raise RequestError(
                f"clinic.{key} is {capacity_text(capacity)}: the exact twin holds only without a queue; "
                f'write clinic.{key} = "unlimited", or simulate'
            )
    if too_many := beyond_twin(scenario):
        raise RequestError(f"{too_many}, or simulate")


def _endpoints(sets: ParameterSets, refinement: float) -> _Endpoints:
    return _of_trials(*_parts(sets, refinement))


def _from_enrolment(sets: ParameterSets, refinement: float) -> _Endpoints:
    return FromEnrolment(*_parts(sets, refinement)).endpoints()


def _all(sets: ParameterSets, refinement: float) -> _Endpoints:
    parts = _parts(sets, refinement)
    yield from _of_trials(*parts)
    yield from FromEnrolment(*parts).endpoints()


def _shares_of(before: BeforeReinfusion, after: AfterReinfusion, found: Enrolled) -> _Endpoints:
    """Yield shares and means of whole courses: nothing of harvests and data cuts."""
    yield from before.ways_out()
    ((key, transplant_related),) = after.treatment_deaths()
    yield key, transplant_related
    yield ("treatment_related_mortality", None), before.treatment_deaths + transplant_related
    yield from after.of_reinfused()
    (years,) = before.sets.years
    yield from (((name, years), share) for name, share in zip(FROM_ENROLMENT, found.figures, strict=True))


def _parts(sets: ParameterSets, refinement: float) -> tuple[BeforeReinfusion, AfterReinfusion]:
    before = BeforeReinfusion(sets, refinement)
    return before, AfterReinfusion(sets, before, refinement)


def _of_trials(before: BeforeReinfusion, after: AfterReinfusion) -> _Endpoints:
    yield from before.endpoints()
    found = dict(after.endpoints())
    yield from found.items()
    transplant_related = found["transplant_related_mortality", None]
    yield ("treatment_related_mortality", None), before.treatment_deaths + transplant_related


def _never_transplanted(sets: ParameterSets, refinement: float) -> _Endpoints:
    """Yield survival and deaths of a cohort at home, with active disease for life."""
    hazard, background = _hazard_at_home(sets), _background_at_home(sets, refinement)
    rule, alive = double_exponential(refined(_TIME_ORDER, refinement)), _alive_at_home(sets, refinement)
    for years in sets.years:
        share = alive(np.array([years]))[:, 0]
        t, weights = on_panels(np.append(background.edges[background.edges < years], years), rule)
        lived = dot(weights, alive(t))
        of_lupus = hazard[:, 0] * lived
        yield ("overall_survival_enrolled", years), share
        yield ("restricted_mean_survival_enrolled", years), lived
        yield ("death_by_cause_lupus", years), of_lupus
        for cause in ("infection", "toxicity"):
            yield (f"death_by_cause_{cause}", years), np.zeros(1)
        yield ("death_by_cause_background", years), 1 - share - of_lupus


def _hazard_at_home(sets: ParameterSets) -> Floats:
    return sets.column("active_disease.hazard_per_year") * sets.column("transplant.waiting_multiplier")


def _background_at_home(sets: ParameterSets, refinement: float) -> Piecewise:
    return background_of(sets.shared, sets.shared.follow_up.horizon_years * DAYS_PER_YEAR, refinement)


def _alive_at_home(sets: ParameterSets, refinement: float) -> Callable[[Floats], Floats]:
    """Return how to tell survival at home by some years, shape (sets, years)."""
    hazard, background = _hazard_at_home(sets), _background_at_home(sets, refinement)
    return lambda years: np.exp(-hazard * years) * background(years)
