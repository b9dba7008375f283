"""The law of the time from enrolment to reinfusion, when no queue binds.

The time is a sum of independent stages. Nothing here depends on how deadly infection or lupus are, so a
calibration pays for it once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations_with_replacement
from typing import Literal, NamedTuple

import numpy as np

from sim.outcomes.twin.quadrature import (
    Law,
    Piecewise,
    add,
    atoms_of,
    compress_between,
    double_exponential,
    fixed_value,
    join,
    law_of,
    on_panels,
    panel_points,
    refined,
)
from sim.scenario.distributions import Distribution, Floats
from sim.scenario.endpoints import WAY_YEARS
from sim.scenario.schema import DAYS_PER_YEAR, Harvest, Recovery, Scenario, TrialArrivals

_STAGE_ORDER = 16  # nodes a panel of a stage's law, before it is compressed
_GAUSS_ORDER = 14  # nodes of a compressed law between two breaks
_LEAST_WEIGHT = 1e-17  # of a value of the earlier stages
_GRADING = 12  # panels that halve towards no cells, where distribution functions are least smooth
_KINKED_SESSIONS = 4  # the sum of more yields is smooth enough, wherever yields are cut off
ROUGH_BREAKS = (90.0, DAYS_PER_YEAR, 10 * DAYS_PER_YEAR)  # Gauss rules are poor over long tails


@dataclass(frozen=True, eq=False)
class Branches:
    """A law split by mobilisation infection: weights of the uninfected and the infected at common times.

    The weights of the infected are before anybody has died of the infection.
    """

    times: Floats
    clean: Floats
    infected: Floats

    def weights(self, case_fatality: Floats) -> Floats:
        """Return the weights of those whose infection, if any, is not fatal; case fatalities (sets, 1)."""
        return self.clean + (1 - case_fatality) * self.infected

    @classmethod
    def of(cls, clean: Law, infected: Law) -> Branches:
        """Put the two laws on common times."""
        return cls(
            np.concatenate([clean.values, infected.values]),
            np.concatenate([clean.weights, np.zeros_like(infected.weights)]),
            np.concatenate([np.zeros_like(clean.weights), infected.weights]),
        )


@dataclass(frozen=True)
class Pathway:
    """What decides the time to reinfusion; days."""

    enters_at: Literal["mobilisation", "immunoablation"]
    mobilisation: Distribution
    infection_hazard: float
    infection_window: float
    harvest: Harvest
    recovery: Recovery
    immunoablation: Distribution
    toxicity: float
    breaks: tuple[float, ...]
    refinement: float
    delay: Distribution | None = None
    """Enrolment to the start of all the other stages; None for none."""
    tilt: float = 0.0
    """What the hazard of lupus is higher by in a delay that varies: laws weigh those who survive that."""
    tilted_until: float = WAY_YEARS * DAYS_PER_YEAR
    """Days from enrolment after which nothing of the delay counts any more."""

    @classmethod
    def of(cls, scenario: Scenario, refinement: float) -> Pathway:
        """Read the pathway from a scenario."""
        if scenario.cohort.enters_at == "home":
            raise ValueError("a cohort at home has no pathway")
        infection = scenario.mobilisation.infection
        return cls(
            scenario.cohort.enters_at,
            scenario.mobilisation.duration_days,
            infection.hazard_per_day,
            infection.window_days,
            scenario.harvest,
            scenario.recovery,
            scenario.immunoablation.duration_days,
            scenario.immunoablation.toxicity_per_day,
            _follow_up_breaks(scenario),
            refinement,
            scenario.transplant.delay_days if scenario.transplant.delayed else None,
            delay_tilt(scenario),
        )

    @property
    def prompt(self) -> Pathway:
        """The pathway from the end of the delay on."""
        return replace(self, delay=None, tilt=0.0)

    @property
    def fixed_delay(self) -> float | None:
        """The delay of everybody, 0 for none; None if it varies."""
        return 0.0 if self.delay is None else fixed_value(self.delay)

    def delay_law(self, breaks: Sequence[float]) -> Law:
        """Return the law of the delay, where there is one."""
        return self.delays[0].law(refined(_STAGE_ORDER, self.refinement), breaks)

    @property
    def delays(self) -> list[_Stage]:
        """The delay as a stage, weighted by the chance to survive what it adds to the hazard of lupus."""
        if self.delay is None:
            return []
        until = self.tilted_until
        return [_Stage(self.delay, lambda days: np.exp(-self.tilt * np.minimum(days, until)), (until,))]

    def infection_free(self, duration: Floats) -> Floats:
        """Return the chance of no infection in a mobilisation of given lengths."""
        return np.exp(-self.infection_hazard * np.minimum(self.infection_window, duration))


def delay_tilt(scenario: Scenario) -> float:
    """Return what the hazard of lupus is higher by in a delay that varies, per day; 0 without one."""
    higher = scenario.active_disease.hazard_per_year * (scenario.transplant.waiting_multiplier - 1)
    return 0.0 if fixed_value(scenario.transplant.delay_days) is not None else higher / DAYS_PER_YEAR


def _follow_up_breaks(scenario: Scenario) -> tuple[float, ...]:
    """Return the times to reinfusion at which follow-up to the data cut has kinks, or some rough scale."""
    cut = scenario.follow_up.data_cut_days
    if cut == "none" or not isinstance(scenario.arrivals, TrialArrivals):
        return ROUGH_BREAKS
    return (cut - scenario.arrivals.window_days, cut)


@dataclass(frozen=True)
class _Stage:
    """One stage: how long it lasts, and a weight that depends on how long."""

    duration: Distribution
    weight: Callable[[Floats], Floats] = np.ones_like
    breaks: tuple[float, ...] = ()

    def law(self, order: int, breaks: Sequence[float] = ()) -> Law:
        law = law_of(self.duration, order, (*self.breaks, *breaks))
        return Law(law.values, law.weights * self.weight(law.values))

    @property
    def is_smooth(self) -> bool:
        """Whether the length is spread over all that lies between its least and its greatest."""
        return atoms_of(self.duration) is None and fixed_value(self.duration) is None

    @property
    def spread(self) -> float:
        low, high = self.duration.quantile(np.array([0.001, 0.999]))
        return float(high - low)


def _sum_of(path: Pathway, stages: Sequence[_Stage], known: Law, breaks: Sequence[float]) -> Law:
    """Return the law of a sum of stages and a known law, as Gauss rules between breaks.

    The widest stage comes last and is integrated anew for each value of the rest, so that no panel of it
    crosses a break: to a narrow rest that makes the sum as good as smooth. What was observed has no panels:
    where it is wider than all others, these are integrated anew for each of its values.
    """
    order, gauss = refined(_STAGE_ORDER, path.refinement), refined(_GAUSS_ORDER, path.refinement)
    if not stages:
        return compress_between(known, breaks, gauss)
    stages = sorted(stages, key=lambda stage: stage.spread)
    smooth = [number for number, stage in enumerate(stages) if stage.is_smooth]
    observed = any(atoms_of(stage.duration) is not None for stage in stages)
    if observed and (not smooth or smooth[-1] < len(stages) - 1):
        last = smooth[-1] + 1 if smooth else 0
        return compress_between(
            _spread_over(path, stages[:last], known, stages[last:], breaks), breaks, gauss
        )
    *narrow, widest = stages
    # A delay may begin at once, and then most of all.
    ends = (0.0, *widest.duration.bounds) if widest.duration is path.delay else widest.duration.bounds
    rest, kinks = known, (*path.breaks, *(b - end for b in breaks for end in ends))
    for stage in narrow:
        rest = compress_between(add(rest, stage.law(order, kinks)), kinks, 2 * gauss)
    laws = []
    for value, weight in zip(rest.values, rest.weights, strict=True):
        if weight > _LEAST_WEIGHT:
            last_law = widest.law(order, [b - value for b in breaks])
            laws.append(Law(value + last_law.values, weight * last_law.weights))
    return compress_between(join(laws), breaks, gauss)


def _merged(law: Law) -> Law:
    """Return a law in which each value stands once."""
    values, number = np.unique(law.values, return_inverse=True)
    weights = np.zeros(values.size)
    np.add.at(weights, number, law.weights)
    return Law(values, weights)


def _spread_over(
    path: Pathway, narrow: Sequence[_Stage], known: Law, wide: Sequence[_Stage], breaks: Sequence[float]
) -> Law:
    """Return the law of a sum in which the wide stages have single values, not compressed."""
    steps = _AT_ONCE if narrow else known
    for stage in wide:
        steps = _merged(add(steps, stage.law(1)))
    if not narrow:
        return steps
    whole = _sum_of(path, narrow, known, ROUGH_BREAKS)
    low, high = whole.values.min(), whole.values.max()
    beyond = (high - low) / 4  # the last nodes of a rule are not the ends of the law
    laws = []
    for step, weight in zip(steps.values, steps.weights, strict=True):
        within = [b - step for b in breaks if low - beyond < b - step < high + beyond]
        law = _sum_of(path, narrow, known, [*ROUGH_BREAKS, *within]) if within else whole
        laws.append(Law(step + law.values, weight * law.weights))
    return join(laws)


_AT_ONCE = Law(np.zeros(1), np.ones(1))


@lru_cache(maxsize=64)
def mobilisation_law(path: Pathway) -> Branches:
    """Return the law of the length of mobilisation, by infection."""
    law = law_of(path.mobilisation, refined(_STAGE_ORDER, path.refinement), (path.infection_window,))
    law = compress_between(law, (path.infection_window,), refined(_GAUSS_ORDER, path.refinement))
    free = path.infection_free(law.values)
    return Branches(law.values, law.weights * free, law.weights * (1 - free))


@lru_cache(maxsize=64)
def apheresis(path: Pathway) -> Sessions | None:
    """Return the law of the sessions; None if there are none."""
    harvest = path.harvest
    if path.enters_at != "mobilisation" or harvest.duration_days != "by_sessions":
        return None
    order = refined(16, path.refinement)
    yields, target = harvest.yield_million_per_kg, harvest.target_million_per_kg
    return sessions_law(yields, target, harvest.max_sessions, order)


def harvest_law(path: Pathway) -> Law:
    """Return the days of harvests that gave enough, by number of sessions and then with marrow."""
    sessions = apheresis(path)
    if sessions is None:
        raise ValueError("this pathway has no apheresis sessions")
    days = np.arange(1.0, sessions.share.size + 1)
    marrow = path.harvest.marrow
    return Law(
        np.append(days, days[-1] + marrow.days),
        np.append(sessions.share, sessions.short * (1 - marrow.failure)),
    )


def _by_infection(path: Pathway, known: Law, later: Sequence[_Stage], breaks: tuple[float, ...]) -> Branches:
    """Return the law of mobilisation, a known law, recovery, a possible postponement and later stages."""
    window = (path.infection_window,)
    before = [_Stage(path.recovery.duration_days), *path.delays, *later]
    if path.harvest.duration_days != "by_sessions":
        before.append(_Stage(path.harvest.duration_days))
    postponement = path.recovery.postponement
    put_off = [*before, _Stage(postponement.duration_days)]
    clean = _Stage(path.mobilisation, path.infection_free, window)
    infected = _Stage(path.mobilisation, lambda days: 1 - path.infection_free(days), window)
    laws = []
    for first, chance in ((clean, postponement.probability), (infected, postponement.after_infection)):
        parts = [
            Law(law.values, law.weights * share)
            for stages, share in ((before, 1 - chance), (put_off, chance))
            if share > 0
            for law in [_sum_of(path, [first, *stages], known, breaks)]
        ]
        laws.append(compress_between(join(parts), breaks, refined(_GAUSS_ORDER, path.refinement)))
    return Branches.of(*laws)


def _harvest(path: Pathway) -> Law:
    """Return the days of sessions; at once where the harvest is a stage like others."""
    return _AT_ONCE if apheresis(path) is None else harvest_law(path)


def _survived(path: Pathway) -> _Stage:
    """Return immunoablation, weighted by the chance to survive its toxicity."""
    return _Stage(path.immunoablation, lambda days: np.exp(-path.toxicity * days))


@lru_cache(maxsize=64)
def request_law(path: Pathway, breaks: tuple[float, ...] = ()) -> Branches:
    """Return the law of the time from enrolment to the start of immunoablation, kinks allowed at breaks."""
    if path.enters_at == "immunoablation":
        law = _sum_of(path, path.delays, _AT_ONCE, (*ROUGH_BREAKS, *breaks))
        return Branches(law.values, law.weights, np.zeros_like(law.weights))
    return _by_infection(path, _harvest(path), (), (*ROUGH_BREAKS, *breaks))


@lru_cache(maxsize=64)
def reinfusion_law(path: Pathway, breaks: tuple[float, ...] = ()) -> Branches:
    """Return the law of the time from enrolment to reinfusion, toxicity survived, kinks allowed at breaks."""
    breaks = (*path.breaks, *breaks)
    if path.enters_at == "immunoablation":
        law = _sum_of(path, [_survived(path), *path.delays], _AT_ONCE, breaks)
        return Branches(law.values, law.weights, np.zeros_like(law.weights))
    return _by_infection(path, _harvest(path), (_survived(path),), breaks)


@lru_cache(maxsize=64)
def reinfusion_law_without_harvest(path: Pathway) -> Branches:
    """Return the law of the time to reinfusion less the days of harvest, toxicity survived."""
    return _by_infection(path, _AT_ONCE, (_survived(path),), ROUGH_BREAKS)


class Sessions(NamedTuple):
    """Harvest from blood with S_n the cells after n sessions and N the first n with S_n >= target.

    Row n - 1 of `share` is P(N = n) and of `cells` is E[S_n; N = n]; `short` is P(S_max < target) and
    `short_cells` is E[S_max; S_max < target].
    """

    share: Floats
    cells: Floats
    short: float
    short_cells: float


@lru_cache(maxsize=64)
def sessions_law(yields: Distribution, target: float, most: int, order: int) -> Sessions:
    """Return the law of the sessions, by convolution on an interpolation grid.

    As yields are positive, N > n exactly if S_n < target. With F_n(x) = P(S_n < x) and
    M_n(x) = E[S_n; S_n < x], both are integrals over the last yield y:
    F_n(x) = E[F_{n-1}(x - y); y < x] and M_n(x) = E[M_{n-1}(x - y) + y F_{n-1}(x - y); y < x].
    """
    only = fixed_value(yields)
    if only is not None or target <= 0:
        return _certain_sessions(yields, only, target, most)
    if (each := atoms_of(yields)) is not None:
        return _observed_sessions(each, target, most)
    edges = np.concatenate([[0.0], target * 0.5 ** np.arange(_GRADING, -1.0, -1.0)])
    few = range(1, min(most, _KINKED_SESSIONS) + 1)
    sums = [sum(some) for n in few for some in combinations_with_replacement(yields.bounds, n)]
    kinks = np.unique([total for total in sums if 0 < total < target])
    edges = np.union1d(edges, kinks)
    points = panel_points(edges, order).ravel()
    x = np.append(points, target)
    last = np.sort(np.maximum(x[:, None] - np.concatenate([x[-1:], kinks, [0.0]]), 0.0))
    u, weights = on_panels(yields.cdf(last), double_exponential(4 * order))
    y = np.minimum(yields.quantile(np.maximum(u, np.finfo(np.float64).tiny)), x[:, None])
    below, cells = yields.cdf(x), (weights * y).sum(axis=1)
    mean = _mean(yields, order)
    shares, totals = [1 - below[-1]], [mean - cells[-1]]
    for _ in range(most - 1):
        shape = (edges.size - 1, order)
        earlier = Piecewise.through(edges, below[:-1].reshape(shape))(x[:, None] - y)
        earlier_cells = Piecewise.through(edges, cells[:-1].reshape(shape))(x[:, None] - y)
        carried = cells[-1] + mean * below[-1]  # E[S_n; S_{n-1} < target]
        was_below = below[-1]
        below = (weights * earlier).sum(axis=1)
        cells = (weights * (earlier_cells + y * earlier)).sum(axis=1)
        shares.append(was_below - below[-1])
        totals.append(carried - cells[-1])
    return Sessions(np.array(shares), np.array(totals), float(below[-1]), float(cells[-1]))


def _observed_sessions(yields: Law, target: float, most: int) -> Sessions:
    """Return the law of the sessions by every sum of yields below the target, added in their order."""
    below, shares, totals = _AT_ONCE, list[float](), list[float]()
    for _ in range(most):
        reached = add(below, yields)
        enough = reached.values >= target
        shares.append(float(reached.weights[enough].sum()))
        totals.append(float(reached.values[enough] @ reached.weights[enough]))
        below = _merged(Law(reached.values[~enough], reached.weights[~enough]))
    short = float(below.weights.sum()), float(below.values @ below.weights)
    return Sessions(np.array(shares), np.array(totals), *short)


def _certain_sessions(yields: Distribution, only: float | None, target: float, most: int) -> Sessions:
    """Return the law when the number of sessions is certain: the same yield each time, or no target."""
    each = _mean(yields, 16) if only is None else only
    collected = np.cumsum(np.full(most, each))
    enough = np.flatnonzero(collected >= target) if only is not None else np.array([0])
    share, cells = np.zeros(most), np.zeros(most)
    if enough.size == 0:
        return Sessions(share, cells, 1.0, float(collected[-1]))
    share[enough[0]] = 1.0
    cells[enough[0]] = collected[enough[0]]
    return Sessions(share, cells, 0.0, 0.0)


def _mean(distribution: Distribution, order: int) -> float:
    law = law_of(distribution, order)
    return float(law.values @ law.weights)
