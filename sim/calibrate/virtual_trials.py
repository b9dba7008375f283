"""Virtual trials at many parameter values: how often they report what a trial reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from sim.calibrate.published import Published
from sim.clinic.history import History
from sim.outcomes.first_reinfused import Reinfused, read_first_reinfused, read_not_reinfused
from sim.outcomes.occupancy import is_limited
from sim.outcomes.twin.expected import expected_before_reinfusion
from sim.patient.fates import Booleans
from sim.patient.luck import BLOCK, Luck
from sim.patient.memory import keep_freed_memory
from sim.scenario.distributions import Floats
from sim.scenario.schema import Scenario
from sim.scenario.values import with_values
from sim.study.chunks import histories
from sim.work.store import ChunkStore, in_order
from sim.work.task import Result, Tell, Workers

_SPARE = 0.15  # enrolled above the trial's number, so that enough are reinfused
POINTS = 32
"""Parameter points of one task: some tenths of a second."""


@dataclass(frozen=True)
class Bench:
    """With which luck points are simulated, by whom, where results are kept, and who is told of points."""

    seed: int
    workers: Workers
    store: ChunkStore | None = None
    tell: Tell | None = None


@dataclass(frozen=True)
class Points:
    """Parameter points of a scenario, each with a block of replications of its own.

    Attributes
    ----------
    keys, values
        Parameters and their values, shape (points, keys).
    first
        Number of the first point among all of the study.
    """

    scenario: Scenario
    keys: tuple[str, ...]
    values: Floats
    seed: int
    first: int

    def parts(self) -> list[Points]:
        """Cut them into what one task does."""
        return [
            replace(self, values=self.values[at : at + POINTS], first=self.first + at)
            for at in range(0, len(self.values), POINTS)
        ]

    def scenario_at(self, number: int) -> Scenario:
        """Return the scenario at a point."""
        return at_point(self.scenario, self.keys, self.values[number])

    def histories(self, number: int, scenario: Scenario, enrolled: int) -> list[History]:
        """Simulate a point's replications with a number of enrolled patients."""
        cohort = scenario.cohort.model_copy(update={"patients": enrolled})
        block = (self.first + number) * BLOCK
        return list(
            histories(
                scenario.model_copy(update={"cohort": cohort}),
                Luck(self.seed),
                range(block, block + BLOCK),
                "arrays",
                whole=is_limited(scenario),
            )
        )


def at_point(scenario: Scenario, keys: Sequence[str], values: Floats) -> Scenario:
    """Return the scenario with some values."""
    return with_values(scenario, dict(zip(keys, values.tolist(), strict=True)))


Reading: TypeAlias = Callable[[Points, int, Sequence[Published]], Mapping[str, Floats]]
"""Simulates the point with a number, of some points, and finds something out about published trials."""


@dataclass(frozen=True)
class PointsTask:
    """Something to find out at every one of some points."""

    read: Reading
    points: Points
    published: tuple[Published, ...]

    @property
    def name(self) -> str:
        """First and last point."""
        first = self.points.first
        return f"{first:012d}-{first + len(self.points.values):012d}"

    @property
    def words(self) -> str:
        """The same for people, who count from 1."""
        first = self.points.first
        return f"parameter points {first + 1} to {first + len(self.points.values)}"

    def play(self) -> Result:
        """Simulate every point, and return arrays with one row a point."""
        keep_freed_memory()
        found = [self.read(self.points, number, self.published) for number in range(len(self.points.values))]
        return {name: np.array([each[name] for each in found]) for name in found[0]}


def read_points(
    read: Reading,
    points: Points,
    published: Sequence[Published],
    bench: Bench,
    before: int = 0,
    total: int = 0,
) -> Result:
    """Simulate points, whoever does it, and return arrays with one row a point.

    Parameters
    ----------
    before, total
        Points that were done before these, and that there are in all, for whoever is told.
    """
    done = before

    def advance(task: PointsTask) -> None:
        nonlocal done
        done += len(task.points.values)
        if bench.tell is not None:
            bench.tell(done, total)

    tasks = [(0, PointsTask(read, part, tuple(published))) for part in points.parts()]
    parts = [result for _, result in in_order(bench.workers, tasks, bench.store, advance)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def read_chances(points: Points, number: int, published: Sequence[Published]) -> Mapping[str, Floats]:
    """Return what the likelihood of trials' reports rests on at a point; without a queue.

    The trials all enrolled equally many and estimated the same.

    Returns
    -------
    mapping
        One column a trial: ``log_counts`` (see `Published.log_counts`), ``alike`` and ``enough``, numbers of
        replications that report the same after reinfusion, and that have enough reinfused patients.
        ``defined``: replications (with the trial's own number of enrolled) whose estimates are all defined.
        ``survival``: share of the reinfused who are event-free in their whole course, one column an
        estimate; ``treated``: share of them who die of the treatment by the data cut.
        ``shares``: see `Before`.
    """
    scenario, some = points.scenario_at(number), published[0]
    simulated = some.enrolled + int(np.ceil(_SPARE * some.enrolled))
    tiles = points.histories(number, scenario, simulated)
    read = {
        size: read_first_reinfused(tiles, scenario, some.keys, size, simulated)
        for size in {trial.reinfused for trial in published}
    }
    whole = read_first_reinfused(tiles, scenario, some.keys, some.enrolled, some.enrolled)
    shares = expected_before_reinfusion(scenario)
    return {
        "log_counts": np.array([trial.log_counts(shares) for trial in published]),
        "alike": np.array([alike(read[trial.reinfused], trial).sum() for trial in published]),
        "enough": np.array([(read[t.reinfused].number == t.reinfused).sum() for t in published]),
        "defined": np.array(whole.defined.sum()),
        "survival": survival_shares(whole, some),
        "treated": np.array(whole.treatment_deaths.sum() / max(float(whole.number.sum()), 1.0)),
        "shares": np.array(shares),
    }


def read_whole_trials(points: Points, number: int, published: Sequence[Published]) -> Mapping[str, Floats]:
    """Count the whole virtual trials that report all that a trial reported at a point; queues may bind.

    Returns
    -------
    mapping
        ``alike`` and ``defined``, numbers of replications that report the same, and whose estimates are all
        defined; ``survival`` as in `read_chances`.
    """
    (trial,) = published
    read, counts = whole_trials(points, number, trial)
    same = alike(read, trial) & (counts[:3] == np.array(trial.cells[:3])[:, None]).all(axis=0)
    return {
        "alike": np.array(same.sum()),
        "defined": np.array(read.defined.sum()),
        "survival": survival_shares(read, trial),
    }


def whole_trials(points: Points, number: int, trial: Published) -> tuple[Reinfused, Floats]:
    """Return what whole virtual trials report at a point: of the reinfused, and all counts.

    Returns
    -------
    Reinfused, array of shape (5, replications)
        The counts: treatment deaths, other deaths and withdrawals before reinfusion, the reinfused, and
        treatment deaths among them.
    """
    scenario = points.scenario_at(number)
    tiles = points.histories(number, scenario, trial.enrolled)
    read = read_first_reinfused(tiles, scenario, trial.keys, trial.enrolled, trial.enrolled)
    left = read_not_reinfused(tiles, scenario, trial.enrolled)
    counts = (*left, read.number, read.treatment_deaths)
    return read, np.array(counts, dtype=np.float64)


def alike(read: Reinfused, trial: Published) -> Booleans:
    """Tell which replications report of their reinfused what a trial reported."""
    same = (read.number == trial.reinfused) & (read.treatment_deaths == trial.treatment_after)
    for key, value in trial.estimates:
        same &= np.abs(read.estimates[key] - value) <= trial.tolerance
    return np.asarray(same)


def survival_shares(read: Reinfused, trial: Published) -> Floats:
    """Return the share of all reinfused patients who are event-free, for each estimate."""
    reinfused = max(float(read.number.sum()), 1.0)
    return np.array([read.event_free[key].sum() / reinfused for key in trial.keys])
