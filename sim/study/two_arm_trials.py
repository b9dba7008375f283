"""Many virtual trials of two arms or more, each with other people in every arm, as they would be reported.

Real trials have other people in each arm: what is common luck elsewhere is apart here. Where nobody waits for
others, a trial of 50 in each arm is the first 50 of the trial of 400, so that all sizes are simulated at once
and differ by their size alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.clinic.history import History
from sim.outcomes.endpoints import of_treatment
from sim.outcomes.log_rank import two_arm_log_ranks
from sim.outcomes.occupancy import is_limited
from sim.patient.fates import Booleans
from sim.patient.luck import BLOCK, Luck
from sim.patient.memory import keep_freed_memory
from sim.scenario.distributions import Floats
from sim.scenario.schema import DAYS_PER_YEAR, Scenario
from sim.study.budget import Budget
from sim.study.chunks import histories
from sim.study.compare import Side
from sim.study.exact import scenarios_drawn
from sim.study.posterior import derived_seed
from sim.work.store import ChunkStore, in_order
from sim.work.task import Result, Tell
from sim.work.workers import workers_for

# Patients of an arm simulated at once, patients of a task, and blocks of luck of a task at most.
_AT_ONCE, _TASK_PATIENTS, _TASK_BLOCKS = 262_144, 1_310_720, 64


class TrialReports(NamedTuple):
    """What virtual trials report, arm by arm and size by size; arrays of shape (arms, sizes, trials).

    Attributes
    ----------
    enrolled
        Before the data cut.
    deaths, treatment_deaths
        By the data cut; without one, by the horizon since enrolment.
    log_rank
        Of survival since enrolment, each later arm against the first, shape (arms - 1, sizes, trials): above
        0 where the later arm has more deaths; see `two_arm_log_ranks`.
    draw
        Under which draw each trial was simulated, shape (trials,).
    """

    enrolled: Floats
    deaths: Floats
    treatment_deaths: Floats
    log_rank: Floats
    draw: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class _Unit:
    """Some trials of the same scenarios, which have one block of luck to themselves."""

    number: int
    trials: int
    scenarios: tuple[Scenario, ...]


class _People(NamedTuple):
    """Who a trial follows: shape (trials, patients); the time is infinite for who is not in it."""

    days: Floats
    died: Booleans
    of_treatment: Booleans

    def first(self, size: int) -> _People:
        """Return the first ones of each trial."""
        return _People(self.days[:, :size], self.died[:, :size], self.of_treatment[:, :size])


@dataclass(frozen=True)
class _TrialsTask:
    """Units of trials to be simulated and reported."""

    units: tuple[_Unit, ...]
    sizes: tuple[int, ...]
    seed: int

    @property
    def name(self) -> str:
        """First and last unit."""
        return f"{self.units[0].number:012d}-{self.units[-1].number + 1:012d}"

    @property
    def words(self) -> str:
        """The same for people, who count from 1."""
        return f"blocks {self.units[0].number + 1} to {self.units[-1].number + 1} of virtual trials"

    def play(self) -> Result:
        """Simulate the trials, and return what they report."""
        keep_freed_memory()
        arms = range(len(self.units[0].scenarios))
        luck = [Luck(derived_seed(self.seed, f"people of arm {arm + 1} of trials")) for arm in arms]
        parts = [self._reports(unit, luck) for unit in self.units]
        return {name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[0]}

    def _reports(self, unit: _Unit, luck: Sequence[Luck]) -> Result:
        """Report one unit's trials of every size."""
        by_arm = [
            list(_of_sizes(scenario, own, unit, self.sizes))
            for scenario, own in zip(unit.scenarios, luck, strict=True)
        ]
        log_ranks = [
            [two_arm_log_ranks(one[:2], two[:2]) for one, two in zip(by_arm[0], other, strict=True)]
            for other in by_arm[1:]
        ]
        counted = [
            [[np.sum(who, axis=1) for who in (np.isfinite(each.days), *each[1:])] for each in sizes]
            for sizes in by_arm
        ]
        enrolled, deaths, treated = np.moveaxis(np.array(counted, dtype=np.float64), 2, 0)
        return {
            "enrolled": enrolled, "deaths": deaths, "treatment_deaths": treated,
            "log_rank": np.array(log_ranks),
        }  # fmt: skip


def _of_sizes(scenario: Scenario, luck: Luck, unit: _Unit, sizes: Sequence[int]) -> Iterator[_People]:
    """Yield an arm's people of trials of every size: where there is a queue, others make one wait."""
    if is_limited(scenario):
        yield from (_people(scenario, luck, unit, size) for size in sizes)
        return
    largest = _people(scenario, luck, unit, max(sizes))
    yield from (largest.first(size) for size in sizes)


def _people(scenario: Scenario, luck: Luck, unit: _Unit, size: int) -> _People:
    """Simulate one arm of a unit's trials.

    Where nobody waits for others it makes no difference who are of one replication: all of a block are
    used, whether of few trials or of many.
    """
    waits, block = is_limited(scenario), unit.number * BLOCK
    patients = size if waits else -(-size * unit.trials // BLOCK)
    cohort = scenario.cohort.model_copy(update={"patients": patients})
    enlarged = scenario.model_copy(update={"cohort": cohort})
    replications = range(block, block + (unit.trials if waits else BLOCK))
    tiles = [
        _followed(tile, enlarged) for tile in histories(enlarged, luck, replications, "arrays", whole=waits)
    ]
    every = (np.concatenate(parts) for parts in zip(*tiles, strict=True))
    if waits:
        return _People(*(np.ascontiguousarray(each.T) for each in every))
    used = unit.trials * size
    return _People(*(each.reshape(-1)[:used].reshape(unit.trials, size) for each in every))


def _followed(history: History, scenario: Scenario) -> _People:
    """Follow patients from enrolment to death or the data cut; without one, to the horizon."""
    cut = scenario.follow_up.data_cut_days
    start = history.enrolled
    end = start + scenario.follow_up.horizon_years * DAYS_PER_YEAR if cut == "none" else np.float64(cut)
    enrolled = history.present & (start < end)
    died = enrolled & (history.death <= end)
    days = np.where(enrolled, np.minimum(history.death, end) - start, np.inf)
    return _People(days, died, died & of_treatment(history.cause, history.death, history.aplasia))


def virtual_trials(
    sides: Sequence[Side], sizes: Sequence[int], trials: int, budget: Budget,
    store: ChunkStore | None = None, tell: Tell | None = None,
) -> TrialReports:  # fmt: skip
    """Simulate trials of some sizes, each with other people in every arm.

    Parameters
    ----------
    sides
        The arms, the first to compare with; of a fixed number of patients, which the sizes replace.
    sizes
        Patients of each arm.
    trials
        How many of each size; with draws they are spread over them evenly.
    """
    drawn = list(zip(*(scenarios_drawn(side, budget.draws) for side in sides), strict=True))
    draw = np.arange(trials) * len(drawn) // trials
    most = min(max(_AT_ONCE // max(sizes), 1), BLOCK)
    parts = [
        (scenarios, min(most, number - at))
        for scenarios, number in zip(drawn, np.bincount(draw, minlength=len(drawn)).tolist(), strict=True)
        for at in range(0, number, most)
    ]
    units = [_Unit(at, number, scenarios) for at, (scenarios, number) in enumerate(parts)]
    patients = max(unit.trials for unit in units) * max(sizes) * len(sides)
    together = min(max(_TASK_PATIENTS // patients, 1), _TASK_BLOCKS)
    tasks = [
        (0, _TrialsTask(tuple(units[at : at + together]), tuple(sizes), budget.seed))
        for at in range(0, len(units), together)
    ]
    done = 0

    def advance(task: _TrialsTask) -> None:
        nonlocal done
        done += sum(unit.trials for unit in task.units)
        if tell is not None:
            tell(done, trials)

    with workers_for(budget.workers, budget.cluster, len(tasks)) as workers:
        found = [result for _, result in in_order(workers, tasks, store, advance)]
    joined = {name: np.concatenate([each[name] for each in found], axis=-1) for name in found[0]}
    return TrialReports(**joined, draw=draw)


def histories_of_trials(scenarios: Sequence[Scenario], sizes: Sequence[int], trials: int) -> int:
    """Return how many histories virtual trials take: where there is no queue, those of the largest."""
    return trials * sum(sum(sizes) if is_limited(scenario) else max(sizes) for scenario in scenarios)
