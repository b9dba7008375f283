"""One figure of some scenarios: of each as it is, or of arms under each draw of what is not known.

By the exact twin where no queue binds; else simulated, and then all that is compared has the same luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from sim.outcomes.twin.expected import expected_figure
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import Key
from sim.scenario.problems import RequestError
from sim.scenario.schema import Scenario
from sim.study.budget import Budget
from sim.study.compare import Side
from sim.study.draws import Draws
from sim.study.estimates import Estimate
from sim.study.exact import scenarios_drawn, twin_holds
from sim.study.experiment import Experiment, Pair
from sim.study.montecarlo import choose_simulator, simulate
from sim.work.store import ChunkStore
from sim.work.task import Tell

_AT_ONCE = 256


def told_by_twin(scenarios: Sequence[Scenario], key: Key, budget: Budget) -> bool:
    """Tell whether the exact twin gives a figure of some scenarios, and nobody has asked to simulate."""
    if budget.engine != "auto" or not all(map(twin_holds, scenarios)):
        return False
    try:
        return not np.isnan(expected_figure(scenarios[:1], key)).any()
    except RequestError:
        return False


def figures_of(
    scenarios: Sequence[Scenario], key: Key, budget: Budget, store: ChunkStore | None = None,
    tell: Tell | None = None,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Return a figure of each scenario and its Monte Carlo error, which is 0 by the twin.

    Simulated ones have the same luck, so that their differences are known better than each alone.
    """
    if told_by_twin(scenarios, key, budget):
        values = _expected(scenarios, key, tell)
        return values, np.zeros_like(values)
    simulator, _ = choose_simulator(scenarios, budget)
    experiments = [Experiment((each,), budget.seed, simulator) for each in scenarios]
    found: list[Estimate] = [
        tally.arms[0].estimate(key) for tally in simulate(experiments, budget, progress=tell, store=store)
    ]
    return np.array([float(each.value) for each in found]), np.array([float(each.se) for each in found])


def _expected(scenarios: Sequence[Scenario], key: Key, tell: Tell | None) -> Floats:
    parts = []
    for at in range(0, len(scenarios), _AT_ONCE):
        parts.append(expected_figure(scenarios[at : at + _AT_ONCE], key))
        if tell is not None:
            tell(min(at + _AT_ONCE, len(scenarios)), len(scenarios))
    return np.concatenate(parts)


@dataclass(frozen=True)
class ByDraw:
    """One figure of some arms under each draw, shape (arms, draws); without draws there is one.

    Attributes
    ----------
    values
        The figure.
    changes, errors
        Its difference from the first arm's, and the standard error that finitely many trials of that draw
        leave in it; 0 by the twin.
    trials
        Virtual trials of each draw; 0 by the twin.
    own_errors
        The standard error that these leave in the figure itself.
    noise
        Covariance of the errors of changes in a single draw, on average over draws, shape (arms, arms); None
        by the twin.
    """

    values: Floats
    changes: Floats
    errors: Floats
    trials: int
    own_errors: Floats
    noise: Floats | None = None

    @property
    def exact(self) -> bool:
        """Whether there is no Monte Carlo error in a single draw."""
        return self.trials == 0


def by_draw(
    sides: Sequence[Side], key: Key, budget: Budget, store: ChunkStore | None = None, tell: Tell | None = None
) -> ByDraw:
    """Return a figure of some arms, the reference first, under each draw; see `each_by_draw`."""
    return each_by_draw(sides, [key], budget, store, tell)[key]


def each_by_draw(
    sides: Sequence[Side], keys: Sequence[Key], budget: Budget, store: ChunkStore | None = None,
    tell: Tell | None = None,
) -> dict[Key, ByDraw]:  # fmt: skip
    """Return figures of some arms, the reference first, under each draw of the budget.

    Under one draw all arms have the same luck; each draw has luck of its own.
    """
    scenarios, found = [side.scenario for side in sides], dict[Key, ByDraw]()
    for key in keys:
        if told_by_twin(scenarios, key, budget):
            flat = [each for side in sides for each in scenarios_drawn(side, budget.draws)]
            values = _expected(flat, key, tell).reshape(len(sides), -1)
            nothing = np.zeros_like(values)
            found[key] = ByDraw(values, values - values[0], nothing, 0, nothing)
    if len(found) == len(keys):
        return found
    simulator, _ = choose_simulator(scenarios, budget)
    both = list(combinations(range(len(sides)), 2))
    experiment = Experiment(
        tuple(scenarios), budget.seed, simulator,
        tuple(Pair(one, other, paired=True, fates=False) for one, other in both),
        held=tuple(side.held for side in sides),
    )  # fmt: skip
    (tally,) = simulate([experiment], budget, progress=tell, store=store)
    for key in (each for each in keys if each not in found):
        values = np.stack([arm.each_draw(key) for arm in tally.arms])
        own_errors = np.stack([arm.each_error(key) for arm in tally.arms])
        changes, errors = np.zeros_like(values), np.zeros_like(values)
        apart = np.zeros((len(sides), len(sides)))
        for (one, other), pair in zip(both, tally.pairs, strict=True):
            change, error = pair.each_draw(key)
            apart[one, other] = apart[other, one] = np.mean(error**2)
            if one == 0:
                changes[other], errors[other] = change, error
        noise = (apart[0] + apart[0][:, None] - apart) / 2
        found[key] = ByDraw(values, changes, errors, budget.replications, own_errors, noise)
    return found


def drawn_inputs(draws: Draws, sides: Sequence[Side]) -> tuple[list[str], Floats]:
    """Return what is drawn in any of some arms, and its values, shape (draws, keys)."""
    replaced = {key for side in sides for key in draws.replaced(side.scenario, side.held)}
    chosen = [at for at, key in enumerate(draws.keys) if key in replaced]
    return [draws.keys[at] for at in chosen], np.array(draws.values)[:, chosen]
