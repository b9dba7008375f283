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

from sim.outcomes.endpoints import reading_years
from sim.outcomes.twin.after_reinfusion import AfterReinfusion
from sim.outcomes.twin.before_reinfusion import BeforeReinfusion, background_of
from sim.outcomes.twin.from_enrolment import FROM_ENROLMENT, FromEnrolment
from sim.outcomes.twin.parameter_sets import ParameterSets, batches
from sim.outcomes.twin.quadrature import dot, double_exponential, on_panels
from sim.patient.memory import keep_freed_memory
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import Key, column
from sim.scenario.problems import RequestError
from sim.scenario.schema import DAYS_PER_YEAR, Scenario

_TIME_ORDER = 31

_Endpoints: TypeAlias = Iterator[tuple[Key, Floats]]


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
    return _of_one(expected_many([scenario], refinement))


def expected_many(scenarios: Sequence[Scenario], refinement: int = 1) -> dict[Key, Floats]:
    """Return what `expected` says of each scenario, one value for each; not a number where it says nothing.

    Scenarios alike but for hazards after reinfusion, case fatalities, relapse and accrual
    (`sim.outcomes.twin.parameter_sets.AS_ARRAYS`) are taken together, some 3 ms each; any others may be
    mixed and cost what single calls cost. Parameters and refusals are those of `expected`.
    """
    return _many(scenarios, refinement, _endpoints)


def expected_all(scenarios: Sequence[Scenario]) -> dict[Key, Floats]:
    """Return all that the twin knows of each scenario, from enrolment too; see `expected_many`."""
    return _many(scenarios, 1, _all)


class Before(NamedTuple):
    """Where the enrolled are at reinfusion, as shares; they add to 1."""

    treatment_deaths: float
    other_deaths: float
    withdrawn: float
    reinfused: float


def expected_before_reinfusion(scenario: Scenario) -> Before:
    """Return what becomes of the enrolled by reinfusion; refusals are those of `expected`."""
    _refuse_queues(scenario)
    before = BeforeReinfusion(ParameterSets([scenario]), 1)
    treatment, withdrawn = float(before.treatment_deaths[0]), float(before.withdrawn[0])
    reinfused = float(before.reinfused[0])
    return Before(treatment, 1 - treatment - withdrawn - reinfused, withdrawn, reinfused)


def expected_from_enrolment(scenario: Scenario, refinement: int = 1) -> dict[Key, float]:
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
    scenarios: Sequence[Scenario], refinement: int, endpoints: Callable[[ParameterSets, int], _Endpoints]
) -> dict[Key, Floats]:
    for scenario in scenarios:
        _refuse_queues(scenario)
    keep_freed_memory()
    values: dict[Key, Floats] = {}
    for numbers, sets in batches(scenarios):
        at_home = sets.shared.cohort.enters_at == "home"
        for key, found in (_never_transplanted if at_home else endpoints)(sets, refinement):
            values.setdefault(key, np.full(len(scenarios), np.nan))[numbers] = found
    return values


def _refuse_queues(scenario: Scenario) -> None:
    for key in ("apheresis_slots", "isolation_rooms"):
        capacity = getattr(scenario.clinic, key)
        if capacity != "unlimited":
            raise RequestError(
                f"clinic.{key} is {capacity}: the exact twin holds only without a queue; "
                f'write clinic.{key} = "unlimited", or simulate'
            )


def _endpoints(sets: ParameterSets, refinement: int) -> _Endpoints:
    return _of_trials(*_parts(sets, refinement))


def _from_enrolment(sets: ParameterSets, refinement: int) -> _Endpoints:
    return FromEnrolment(*_parts(sets, refinement)).endpoints()


def _all(sets: ParameterSets, refinement: int) -> _Endpoints:
    parts = _parts(sets, refinement)
    yield from _of_trials(*parts)
    yield from FromEnrolment(*parts).endpoints()


def _parts(sets: ParameterSets, refinement: int) -> tuple[BeforeReinfusion, AfterReinfusion]:
    before = BeforeReinfusion(sets, refinement)
    return before, AfterReinfusion(sets, before, refinement)


def _of_trials(before: BeforeReinfusion, after: AfterReinfusion) -> _Endpoints:
    yield from before.endpoints()
    found = dict(after.endpoints())
    yield from found.items()
    transplant_related = found["transplant_related_mortality", None]
    yield ("treatment_related_mortality", None), before.treatment_deaths + transplant_related


def _never_transplanted(sets: ParameterSets, refinement: int) -> _Endpoints:
    """Yield survival and deaths of a cohort at home, with active disease for life."""
    hazard = sets.column("active_disease.hazard_per_year") * sets.column("transplant.waiting_multiplier")
    horizon = sets.shared.follow_up.horizon_years
    background = background_of(sets.shared, horizon * DAYS_PER_YEAR, refinement)
    rule = double_exponential(_TIME_ORDER * refinement)

    def alive(years: Floats) -> Floats:
        return np.exp(-hazard * years) * background(years)

    for years in reading_years(sets.shared, "overall_survival_enrolled"):
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
