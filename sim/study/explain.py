"""Why a scenario differs from a reference: each group of differing parameters has its part of the gap.

A part is a Shapley value: what it changes to put a group's values in the place of the reference's, on average
over all orders in which the groups may be put in. The parts add up to the gap, and no order is preferred.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np
import pandas as pd

from sim.clinic.states import ALIVE
from sim.scenario.differences import begins, differing_keys, stage_of, values_of
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME, NEVER_TRANSPLANTED, OF_TRANSPLANTS, Key, column
from sim.scenario.merging import DECIDING_KEYS, Tree, place
from sim.scenario.problems import RequestError
from sim.scenario.refusals import unknown, validate
from sim.scenario.registry import parameters, tables
from sim.scenario.schema import Scenario
from sim.study.budget import Budget, Simulator
from sim.study.by_draw import figures_of, told_by_twin
from sim.study.estimates import Z95, rule_of_three
from sim.study.experiment import Experiment
from sim.study.montecarlo import choose_simulator, replicate, simulate
from sim.study.pairing import Arm
from sim.study.shapley import shapley
from sim.work.store import ChunkStore
from sim.work.task import Tell

MOST_GROUPS = 12
"""Of which all combinations, 4,096, are looked at."""
ELSE = "everything else"
"""The group of what differs and is in none of the groups asked for."""
NOTABLE = 0.2
"""Of the gap, or of its largest part: pairs of groups whose interaction is larger are told."""

Groups: TypeAlias = Mapping[str, tuple[str, ...]]
"""The differing parameters of each group, by its name; the groups in the order of the pathway."""


def groups_of(one: Scenario, other: Scenario, asked: Mapping[str, Sequence[str]] | None = None) -> Groups:
    """Return the groups of parameters in which two scenarios differ, of which all combinations are possible.

    Parameters
    ----------
    asked
        Parameters or beginnings of their names, by group; what differs and is in none is `ELSE`. Left out,
        groups are the stages of the pathway.

    Raises
    ------
    RequestError
        What is asked for is no parameter or is in two groups, there are too many groups, or the values of
        some can't be put in without those of others.
    """
    _check_asked(asked or {})
    found: dict[str, tuple[str, ...]] = {}
    zeros = one.cohort.enters_at, other.cohort.enters_at
    for key in differing_keys(one, other):
        name = _asked_for(key, asked) if asked else stage_of(key, zeros)
        found[name] = (*found.get(name, ()), key)
    if len(found) > MOST_GROUPS:
        raise RequestError(
            f"groups: {len(found)} groups differ ({', '.join(found)}), of which all 2^{len(found)} "
            f"combinations would be looked at; allowed: {MOST_GROUPS} groups. Put several into one: "
            "groups = { name = [keys] }"
        )
    for name, keys in found.items():  # what excludes each other stands in two keys: one group shows it
        try:
            mixture(one, other, keys)
        except RequestError as error:
            raise RequestError(
                f"groups: {name} can't be taken from one scenario and the rest from the other ({error}); put "
                "what excludes each other into one group: groups = { name = [keys] }"
            ) from None
    return found


def _check_asked(asked: Mapping[str, Sequence[str]]) -> None:
    """Refuse what begins no parameter, and what is in two groups."""
    named = [(start, name) for name, starts in asked.items() for start in starts]
    for at, (start, name) in enumerate(named):
        if start not in parameters() and start not in tables():
            known = [*parameters(), *tables()]
            otherwise = "lupus-hsct scenario schema lists all parameters"
            raise RequestError(unknown(f"groups: {name}: {start}: unknown key", start, known, otherwise))
        for again, elsewhere in named[at + 1 :]:
            if begins(start, again) or begins(again, start):
                raise RequestError(f"groups: {again} in {elsewhere} is in {name} already; keep one of both")


def _asked_for(key: str, asked: Mapping[str, Sequence[str]]) -> str:
    return next((name for name, starts in asked.items() if any(begins(key, each) for each in starts)), ELSE)


def mixture(one: Scenario, other: Scenario, keys: Sequence[str]) -> Scenario:
    """Return a scenario with the values of another under some keys; checked like a scenario file.

    Values are those that hold, whatever file states them; a distribution is one value. Of tables that come in
    variants, such as arrivals, the keys of both must come together.

    Raises
    ------
    RequestError
        Such a scenario can't be.
    """
    tree: Tree = deepcopy(one.model_dump(exclude_none=True))
    theirs = values_of(other)
    deciding = sorted(keys, key=lambda key: key.rpartition(".")[2] not in DECIDING_KEYS)
    for key in deciding:
        if key in theirs:
            place(tree, key, deepcopy(theirs[key]))
            continue
        table = tree
        for name in key.split(".")[:-1]:
            table = table[name]
        table.pop(key.rpartition(".")[2], None)
    return validate(tree, lambda _key: "")


def mixtures(one: Scenario, other: Scenario, groups: Groups) -> list[Scenario]:
    """Return every combination: number m has the other's values of group i where bit i of m is set."""
    members = list(groups.values())
    found = []
    for mask in range(2 ** len(members)):
        keys = [key for at, each in enumerate(members) if mask >> at & 1 for key in each]
        found.append(mixture(one, other, keys))
    return found


def refuse_unread(one: Scenario, other: Scenario, key: Key) -> None:
    """Refuse a figure that not every combination of two scenarios has."""
    if key[0] in OF_TRANSPLANTS and "home" in (one.cohort.enters_at, other.cohort.enters_at):
        why = NEVER_TRANSPLANTED.replace("_", " ")
        raise RequestError(
            f"{column(key)}: {why} in one of both; explain overall_survival_enrolled, which both have"
        )


@dataclass(frozen=True)
class Explained:
    """A gap and the parts that groups of parameters have in it.

    Attributes
    ----------
    groups
        The groups; none where the scenarios do not differ.
    figures
        What was looked at of every combination: the reference first, the other scenario last.
    parts, first, last
        The Shapley value of each group; what it changes put in alone, and taken out alone of the other.
    errors
        Half widths of the 95% Monte Carlo intervals of gap and parts; 0 by the twin.
    pairs
        The columns of ``interactions.csv``, without the arm.
    exact
        Whether the exact twin tells.
    """

    groups: Groups
    figures: Floats
    parts: Floats
    first: Floats
    last: Floats
    errors: Floats
    pairs: pd.DataFrame
    exact: bool

    @property
    def gap(self) -> float:
        """The other's figure less the reference's."""
        return float(self.figures[-1] - self.figures[0])

    def table(self) -> pd.DataFrame:
        """Return the rows of ``explained.csv``, without the arm; groups in the order of the pathway."""
        half = self.errors[1:]
        return pd.DataFrame(
            {
                "group": list(self.groups), "part": self.parts, "mc_lower": self.parts - half,
                "mc_upper": self.parts + half, "first": self.first, "last": self.last,
                "keys": [" ".join(keys) for keys in self.groups.values()],
            }
        )  # fmt: skip


def explain(
    scenarios: Sequence[Scenario], groups: Groups, key: Key, budget: Budget, store: ChunkStore | None = None,
    tell: Tell | None = None,
) -> Explained:  # fmt: skip
    """Divide the gap between a reference and another scenario among groups of parameters.

    By the exact twin where it tells the figure of every combination; else simulated, all with the same luck.

    Parameters
    ----------
    scenarios
        As `mixtures` returns them.

    Raises
    ------
    RequestError
        The figure is nobody's in one of the combinations.
    """
    # The figure may be known of one end alone, and then only of some combinations.
    exact = all(told_by_twin(each, key, budget) for each in (scenarios, scenarios[-1:]))
    if exact:
        figures, _ = figures_of(scenarios, key, budget, tell=tell)
        apart, replications, least = np.zeros((len(figures), 1)), 1, 0.0
    else:
        figures, apart, replications, least = _simulated(scenarios, key, budget, store, tell)
    if np.isnan(figures).any():
        raise RequestError(f"{column(key)}: is nobody's figure in one combination of both; explain another")
    single = 1 << np.arange(len(groups), dtype=np.intp)
    everybody = len(scenarios) - 1

    def half(off: Floats) -> Floats:
        """Return the half width of what is linear in the figures, from its deviation in each replication."""
        if exact:
            return np.zeros(off.shape[:-1])
        count = off.shape[-1]
        if count < 2:
            return np.full(off.shape[:-1], math.nan)
        spread = np.sqrt(np.sum(off * off, axis=-1) / ((count - 1) * replications))
        return np.asarray(np.hypot(Z95 * spread, least))

    pairs = []
    for one, other in combinations(range(len(groups)), 2):
        rows = [single[one] | single[other], single[one], single[other], 0]
        signs = np.array([1.0, -1.0, -1.0, 1.0])
        value, error = float(signs @ figures[rows]), float(half(signs @ apart[rows]))
        names = list(groups)
        pairs.append((names[one], names[other], value, value - error, value + error))
    return Explained(
        groups, figures, shapley(figures), figures[single] - figures[0],
        figures[everybody] - figures[everybody ^ single],
        half(np.concatenate([apart[-1:] - apart[:1], shapley(apart)])),
        pd.DataFrame(pairs, columns=["group", "with", "interaction", "mc_lower", "mc_upper"]), exact,
    )  # fmt: skip


def _simulated(
    scenarios: Sequence[Scenario], key: Key, budget: Budget, store: ChunkStore | None, tell: Tell | None
) -> tuple[Floats, Floats, int, float]:
    """Return every figure, its linearised deviation in each of the first replications, and how many all are.

    The last is by how much a figure may differ though nobody is seen to; see `rule_of_three`.

    Notes
    -----
    Of a ratio R = y / x the deviation is (y - R x) / mean(x): Cochran WG. Sampling Techniques, 3rd ed, 1977,
    section 6.3. What is linear in the figures is linear in the deviations too.
    """
    simulator, _ = choose_simulator(scenarios, budget)
    experiments = [Experiment((each,), budget.seed, simulator) for each in scenarios]
    figures, apart, sums = [], [], []
    for tally in simulate(experiments, budget, progress=tell, store=store):
        arm = tally.arms[0]
        total, size = arm.each_replication(key)
        value = float(arm.estimate(key).value)
        figures.append(value)
        apart.append((total - value * size) / max(float(size.mean()), 1e-300))
        sums.append(arm.sums[:, arm.keys.index(key)])
    least = rule_of_three(sums[0][:, None], sums[-1][:, None], [BY_NAME[key[0]].kind == "share"])
    return np.array(figures), np.array(apart), budget.replications, float(least[0])


def who_dies(
    scenarios: Sequence[Scenario], groups: Groups, trial: int, seed: int, simulator: Simulator
) -> pd.DataFrame:
    """Divide the changed fate of each patient of one trial among groups of parameters.

    The patients of all combinations are the same people with the same luck. Dead is who dies within the
    follow-up that all combinations share; whoever is dead or alive in both scenarios alike is left out.

    Parameters
    ----------
    trial
        Its number, from 1.

    Returns
    -------
    pandas.DataFrame
        ``trial, patient, change, group, part``; parts of a patient add up to 1 who dies instead, to -1 who
        lives.
    """
    arms = []
    for scenario in scenarios:
        (history,) = replicate(scenario, range(trial - 1, trial), seed, simulator)
        arms.append(Arm.of(history, scenario))
    most = max(len(arm.days) for arm in arms)
    arms = [arm.padded(most) for arm in arms]
    counted = np.all([arm.counted[:, 0] for arm in arms], axis=0)
    until = np.min([arm.followed[:, 0] for arm in arms], axis=0)
    dead = [counted & (arm.cause[:, 0] != ALIVE) & (arm.days[:, 0] <= until) for arm in arms]
    changed = np.flatnonzero(dead[0] != dead[-1])
    parts = shapley(np.array([each[changed] for each in dead], dtype=np.float64))
    rows = [
        (trial, int(who) + 1, "dies" if dead[-1][who] else "lives", group, float(part))
        for at, who in enumerate(changed)
        for group, part in zip(groups, parts[:, at], strict=True)
    ]
    return pd.DataFrame(rows, columns=["trial", "patient", "change", "group", "part"])
