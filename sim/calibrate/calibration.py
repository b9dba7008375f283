"""A whole calibration: the point, the posterior, other ways to see the trial, and the checks of it all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from sim.calibrate.coverage import POOL, Coverage, check_coverage
from sim.calibrate.importance import FEWEST_POINTS, StudentProposal
from sim.calibrate.point import PointFit, solve_point
from sim.calibrate.published import Published
from sim.calibrate.search import ENOUGH, Free, Search, find_posterior, simulate_posterior
from sim.calibrate.virtual_trials import Bench, Points, whole_trials
from sim.outcomes.occupancy import is_limited
from sim.outcomes.twin.expected import expected_before_reinfusion
from sim.scenario.aims import check_aims
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import column, label
from sim.scenario.load import Loaded, load
from sim.scenario.priors import AS_IT_IS, Alternative
from sim.scenario.problems import RequestError, UnmetPointWarning
from sim.scenario.schema import DAYS_PER_YEAR, Scenario
from sim.scenario.values import get_value, with_values
from sim.study.budget import (
    DEFAULT_DRAW_REPLICATIONS,
    DEFAULT_DRAWS,
    DEFAULT_EFFECTIVE_SIZE,
    DEFAULT_POINTS,
    DEFAULT_SEED,
    Budget,
)
from sim.study.draws import Draws
from sim.study.estimates import POSTERIOR_COLUMNS, error_of_limits
from sim.study.experiment import Experiment
from sim.study.montecarlo import simulate
from sim.study.posterior import Posterior, effective_size, weighted_quantiles, weighted_summary
from sim.study.tally import ArmTally
from sim.work.store import ChunkStore, Stores
from sim.work.task import Progress, Tell, part
from sim.work.workers import workers_for

MOST_POINTS = 4096


@dataclass(frozen=True)
class Seen:
    """The trial seen in one way."""

    name: str
    title: str
    scenario: Scenario
    search: Search


def seen_as(scenario: Scenario, alternative: Alternative) -> Scenario:
    """Return the scenario as an alternative sees it.

    Raises
    ------
    RequestError
        A value does not fit, or its targets' scenario is unknown.
    """
    try:
        seen = with_values(scenario, alternative.values)
        if alternative.scenario is None:
            return seen
        return seen.model_copy(update={"target": load(alternative.scenario).scenario.target})
    except RequestError as error:
        raise RequestError(f"[[alternative]] {alternative.name}: {error}") from None


def check_alternatives(scenario: Scenario) -> None:
    """Refuse alternatives that can't be looked at, before there is any work to lose.

    Raises
    ------
    RequestError
        A value does not fit, or its targets are not those of such a trial.
    """
    for alternative in scenario.alternative:
        seen = seen_as(scenario, alternative)
        try:
            Free.of(seen, alternative.fixed)
            Published.of(seen)
            expected_before_reinfusion(seen)
        except RequestError as error:
            raise RequestError(
                f"[[alternative]] {alternative.name}: {error} (in a file that inherits alternatives "
                "alternative = [] takes them all away)"
            ) from None


def find_alternatives(scenario: Scenario, main: Search, bench: Bench, stores: Stores) -> Iterator[Seen]:
    """Yield the trial as it is, and as every alternative sees it, each with its posterior.

    Alternatives are looked for where the trial as it is has its posterior, so that few points are enough.
    """
    yield Seen(AS_IT_IS, "as it is", scenario, main)
    for alternative in scenario.alternative:
        seen = seen_as(scenario, alternative)
        kept = [at for at, key in enumerate(main.free.keys) if key not in alternative.fixed]
        start = StudentProposal.fitted(main.sample.z[:, kept], main.sample.weights)
        search = find_posterior(
            seen,
            replace(bench, store=stores(f"alternative-{alternative.name}")),
            wanted_size=ENOUGH,
            most_points=MOST_POINTS,
            fixed=alternative.fixed,
            start=start,
        )
        yield Seen(alternative.name, alternative.title, seen, search)


_SCORE = 1.6  # from the 5% to the 95% point of a prior


def refuse_late_targets(scenario: Scenario) -> None:
    """Refuse targets at times that no patient of the trial can be followed to.

    Raises
    ------
    RequestError
        Naming each such target and the longest follow-up.
    """
    horizon, cut = scenario.follow_up.horizon_years, scenario.follow_up.data_cut_days
    for target in scenario.fitted_targets:
        key, time = (target.endpoint, target.time_years), target.time_years
        if time is None:
            continue
        if time > horizon:
            raise RequestError(
                f"[[target]] {label(key)}: lies beyond follow_up.horizon_years = {horizon:g}, so nothing is "
                f"simulated up to it; write follow_up.horizon_years = {time:g}, or an earlier time_years"
            )
        if cut != "none" and time * DAYS_PER_YEAR > cut:
            raise RequestError(
                f"[[target]] {label(key)}: nobody is followed so long: the first patient can be followed to "
                f"follow_up.data_cut_days = {cut:g}, {cut / DAYS_PER_YEAR:.1f} years; take an earlier "
                "time_years or a later data cut"
            )


def refuse_untouched(scenario: Scenario, seed: int) -> None:
    """Refuse free parameters that move nothing of what the trial reported.

    A block of virtual trials is read at both ends of each prior, under the same luck: where a parameter has
    any part in a figure, some trial of the block reports another.

    Raises
    ------
    RequestError
        Naming each, and the targets.
    """
    free, published = Free.of(scenario), Published.of(scenario)
    untouched = []
    for at, key in enumerate(free.keys):
        scores = np.zeros((2, len(free.keys)))
        scores[:, at] = -_SCORE, _SCORE
        low, high = (_read(scenario, free, row, published, seed) for row in free.values(scores))
        if np.array_equal(low, high, equal_nan=True):
            untouched.append(key)
    if untouched:
        targets = ", ".join(label(key) for key in published.keys)
        raise RequestError(
            f"[[prior]] {', '.join(untouched)}: no target touches it: the counts by reinfusion and {targets} "
            "are the same at both ends of its prior, so its posterior would be its prior. Take its [[prior]] "
            "away, or add a target that it moves"
        )


def _read(scenario: Scenario, free: Free, values: Floats, published: Published, seed: int) -> Floats:
    read, counts = whole_trials(Points(scenario, free.keys, values[None, :], seed, 0), 0, published)
    return np.array([*counts, *read.estimates.values()])


_AT_POINT = 2048
_ENOUGH_TASKS = 1000  # for all processors to be worth it


@dataclass(frozen=True, slots=True)
class Plan:
    """What to calibrate, and how carefully.

    ``size`` is the effective sample size wanted, ``points`` the most points to look at; ``trials`` are
    virtual trials for the posterior by simulation alone, ``coverage`` trials whose posteriors are checked; 0
    leaves either out. ``posterior`` and ``alternatives`` say whether these are wanted.
    """

    seed: int = DEFAULT_SEED
    size: int = DEFAULT_EFFECTIVE_SIZE
    points: int = DEFAULT_POINTS
    trials: int = 0
    coverage: int = 0
    posterior: bool = True
    alternatives: bool = True
    workers: int | None = None
    cluster: str | None = None

    @property
    def asked(self) -> dict[str, Any]:
        """All that decides about the results."""
        return {name: value for name, value in asdict(self).items() if name not in ("workers", "cluster")}

    def __post_init__(self) -> None:
        if self.points < FEWEST_POINTS:
            raise RequestError(
                f"--points: {self.points} given; allowed: at least {FEWEST_POINTS}, or all rests on luck"
            )


@dataclass(frozen=True)
class Told:
    """What the posterior tells.

    Attributes
    ----------
    scenario
        At the point solution; where there is none, as it was given.
    seen
        The trial as it is, and then as every alternative sees it.
    predictions, curves
        Under draws of the posterior: the tables of ``endpoints.csv`` and ``curves.csv``.
    repeats
        What virtual trials report under these draws: ``draw``, ``replication`` and one column a target.
    at_point
        What they report at the point solution, one column a target.
    alone, kept
        The posterior by simulation alone, if asked for, and how many virtual trials it keeps.
    coverage
        Whether posteriors keep their word, if asked for.
    """

    scenario: Scenario
    seen: tuple[Seen, ...]
    predictions: pd.DataFrame
    curves: pd.DataFrame
    repeats: pd.DataFrame
    at_point: pd.DataFrame
    alone: Search | None = None
    kept: int = 0
    coverage: Coverage | None = None

    @property
    def main(self) -> Search:
        """The search of the trial as it is."""
        return self.seen[0].search


@dataclass(frozen=True)
class Found:
    """What a calibration found.

    ``fit`` is None where a queue may bind, because only the exact twin can solve for the point, and where no
    values meet the targets exactly; ``unmet`` says why then. ``told`` is None if no posterior was asked for.
    """

    scenario: Scenario
    fit: PointFit | None
    told: Told | None
    unmet: str = ""


def draws_of(posterior: Posterior, scenario: Scenario, seed: int) -> Draws:
    """Return equally weighted draws of a posterior, whose calibrated values are those of a scenario.

    There are no more than its effective size is worth.
    """
    values = posterior.resampled(min(DEFAULT_DRAWS, max(2, int(posterior.effective_size))), seed)
    point = tuple(float(get_value(scenario, key)) for key in posterior.keys)
    return Draws(posterior.keys, point, tuple(map(tuple, values.tolist())))


def calibrate(
    loaded: Loaded, plan: Plan, stores: Stores = lambda _part: None, progress: Progress | None = None
) -> Found:
    """Solve for the point, find the posterior, and check it, as far as the plan goes.

    Raises
    ------
    RequestError
        The targets can't be met, do not identify the parameters, or contradict the priors.
    """
    _refuse_idle(loaded.scenario, plan)
    try:
        return _calibrate(loaded.scenario, plan, stores, progress)
    except RequestError as error:
        raise RequestError(f"{loaded.path.name}: {error}") from None


def _refuse_idle(scenario: Scenario, plan: Plan) -> None:
    """Refuse checks that there is nothing to check for."""
    checks = [name for name, n in (("--simulation", plan.trials), ("--coverage", plan.coverage)) if n]
    if checks and not plan.posterior:
        why = "--point asks for none" if scenario.prior else "the scenario states no [[prior]]"
        raise RequestError(
            f"{', '.join(checks)}: there is no posterior to check: {why}; leave one of them out"
        )
    if plan.coverage and is_limited(scenario):
        raise RequestError(
            "--coverage: rests on the exact twin, which can't follow a queue, and clinic limits a place; "
            'leave --coverage out, or write "unlimited"'
        )


def _calibrate(scenario: Scenario, plan: Plan, stores: Stores, progress: Progress | None) -> Found:
    fit, unmet, limited = None, "", is_limited(scenario)
    refuse_late_targets(scenario)
    if not limited:
        fit, unmet = _point(scenario, plan)
        scenario = scenario if fit is None else fit.scenario
    elif not plan.trials or not plan.posterior:
        raise RequestError(
            "clinic.isolation_rooms or clinic.apheresis_slots is limited, so a queue may bind, and the exact "
            "twin can't solve for the point: simulation alone can tell. Ask for it with --simulation 1000000 "
            '(virtual trials), or write "unlimited"'
        )
    if not plan.posterior:
        return Found(scenario, fit, None)
    try:
        if plan.alternatives and not limited:
            check_alternatives(scenario)
        refuse_untouched(scenario, plan.seed)
    except RequestError as error:
        raise RequestError("\n".join(filter(None, (unmet, str(error))))) from None
    if unmet:
        UnmetPointWarning.say(f"there is no point, but a posterior: {unmet}")
    return Found(scenario, fit, _told(scenario, plan, stores, progress, limited=limited), unmet)


def _point(scenario: Scenario, plan: Plan) -> tuple[PointFit | None, str]:
    """Return the point, or why there is none: a posterior needs none."""
    check_aims(scenario, lambda _key: "")
    try:
        return solve_point(scenario), ""
    except RequestError as error:
        if not plan.posterior:
            raise
        return None, str(error)


def with_own_limits(predictions: pd.DataFrame, search: Search) -> pd.DataFrame:
    """Return predictions in which the trial's own estimates have the limits of all weighted draws.

    The few draws that everything else is simulated under tell the same less exactly.
    """
    known = predictions.copy()
    for key, survival in zip(search.published.keys, search.survival.T, strict=True):
        weights = search.sample.weights
        found = weighted_summary(survival, weights)
        error = error_of_limits(partial(weighted_quantiles, survival, weights), effective_size(weights))
        row = (known["endpoint"] == key[0]) & (known["time_years"] == key[1])
        known.loc[row, list(POSTERIOR_COLUMNS)] = found["lower"], found["upper"], error
    return known


def simulated_trial(
    scenario: Scenario,
    draws: Draws | None,
    replications: int,
    plan: Plan,
    store: ChunkStore | None,
    tell: Tell | None,
) -> ArmTally:
    """Simulate a scenario as it is, or so often under each of some draws."""
    budget = Budget(
        replications, plan.seed, engine="arrays", workers=plan.workers, cluster=plan.cluster, draws=draws
    )
    (tally,) = simulate([Experiment((scenario,), plan.seed, "arrays")], budget, None, tell, store)
    return tally.arms[0]


def _told(
    scenario: Scenario, plan: Plan, stores: Stores, progress: Progress | None, *, limited: bool
) -> Told:
    """Find one posterior and all that hangs on it; where places are limited, by simulation alone."""

    def bench(what: str, store: ChunkStore | None = None) -> Bench:
        return Bench(plan.seed, workers, store, part(what, progress))

    def simulated(what: str, replications: int, draws: Draws | None) -> ArmTally:
        return simulated_trial(scenario, draws, replications, plan, stores(what), part(what, progress))

    alone, kept, coverage = None, 0, None
    with workers_for(plan.workers, plan.cluster, _ENOUGH_TASKS) as workers:
        if plan.trials:
            alone, kept = simulate_posterior(
                scenario, plan.trials, bench("simulation alone", stores("alone"))
            )
        if limited and alone is not None:
            seen, alone = [Seen(AS_IT_IS, "as it is", scenario, alone)], None
        else:
            main = find_posterior(
                scenario,
                bench("posterior", stores("posterior")),
                wanted_size=plan.size,
                most_points=plan.points,
            )
            others = find_alternatives(scenario, main, bench("alternatives"), stores)
            seen = list(others if plan.alternatives else islice(others, 1))
        if plan.coverage and not limited:
            pool = min(POOL, plan.points)
            coverage = check_coverage(scenario, plan.coverage, bench("coverage"), stores, pool)
    drawn = draws_of(seen[0].search.posterior, scenario, plan.seed)
    posterior = simulated("predictions", DEFAULT_DRAW_REPLICATIONS, drawn)
    point = simulated("point", _AT_POINT, None)
    return Told(
        scenario,
        tuple(seen),
        with_own_limits(posterior.endpoints(), seen[0].search),
        posterior.curves(),
        _reported(posterior, "draw", "replication"),
        _reported(point, "replication"),
        alone,
        kept,
        coverage,
    )


def _reported(arm: ArmTally, *address: str) -> pd.DataFrame:
    """Return what trials report of the targets."""
    rows = arm.rows()
    keys = [(target.endpoint, target.time_years) for target in arm.scenario.target]
    names = [f"trial_{column(key)}" for key in keys]
    return rows[[*address, *(name for name in names if name in rows)]]
