"""Virtual trials at many parameter values: how often they report what a trial reported."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sim.calibrate.published import Published
from sim.clinic.history import History
from sim.outcomes.first_reinfused import Reinfused, read_first_reinfused, read_not_reinfused
from sim.outcomes.occupancy import is_limited
from sim.outcomes.twin.expected import expected_before_reinfusion
from sim.patient.fates import Booleans
from sim.patient.luck import BLOCK, Luck
from sim.scenario.distributions import Floats
from sim.scenario.schema import Scenario
from sim.scenario.values import with_values
from sim.study.chunks import histories, keep_freed_memory
from sim.work.task import Result

_SPARE = 0.15  # enrolled above the trial's number, so that enough are reinfused
POINTS = 32
"""Parameter points of one task: some tenths of a second."""


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

    @property
    def name(self) -> str:
        """First and last point."""
        return f"{self.first:012d}-{self.first + len(self.values):012d}"

    @property
    def words(self) -> str:
        """The same for people, who count from 1."""
        return f"parameter points {self.first + 1} to {self.first + len(self.values)}"

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


@dataclass(frozen=True)
class PointsTask(ABC):
    """Something to find out at every one of some points."""

    points: Points

    @property
    def name(self) -> str:
        """First and last point."""
        return self.points.name

    @property
    def words(self) -> str:
        """The same for people."""
        return self.points.words

    def play(self) -> Result:
        """Simulate every point, and return arrays with one row a point."""
        keep_freed_memory()
        found = [self._point(number) for number in range(len(self.points.values))]
        return {name: np.array([each[name] for each in found]) for name in found[0]}

    @abstractmethod
    def _point(self, number: int) -> Mapping[str, Floats]:
        """Simulate one point."""


@dataclass(frozen=True)
class EstimatesTask(PointsTask):
    """The chance of trials' estimates at some points, given the counts by reinfusion; without a queue.

    Several trials may be asked about, which all enrolled equally many and estimated the same.

    Its arrays have one column a trial: ``log_counts`` (see `Published.log_counts`), ``alike`` and ``enough``,
    numbers of replications that report the same after reinfusion, and that have enough reinfused patients.
    ``defined``: replications (with the trial's own number of enrolled) whose estimates are all defined.
    ``survival``: share of the reinfused who are event-free in their whole course, one column an estimate.
    ``shares``: see `Before`.
    """

    published: tuple[Published, ...]

    def _point(self, number: int) -> Mapping[str, Floats]:
        scenario = self.points.scenario_at(number)
        some = self.published[0]
        simulated = some.enrolled + int(np.ceil(_SPARE * some.enrolled))
        tiles = self.points.histories(number, scenario, simulated)
        read = {
            size: read_first_reinfused(tiles, scenario, some.keys, size, simulated)
            for size in {trial.reinfused for trial in self.published}
        }
        whole = read_first_reinfused(tiles, scenario, some.keys, some.enrolled, some.enrolled)
        shares = expected_before_reinfusion(scenario)
        return {
            "log_counts": np.array([trial.log_counts(shares) for trial in self.published]),
            "alike": np.array([alike(read[trial.reinfused], trial).sum() for trial in self.published]),
            "enough": np.array([(read[t.reinfused].number == t.reinfused).sum() for t in self.published]),
            "defined": np.array(whole.defined.sum()),
            "survival": survival_shares(whole, some),
            "shares": np.array(shares),
        }


@dataclass(frozen=True)
class WholeTrialsTask(PointsTask):
    """How many whole virtual trials report all that a trial reported, at some points; queues may bind.

    Its arrays: ``alike`` and ``defined``, numbers of replications that report the same, and whose estimates
    are all defined; ``survival`` as in `EstimatesTask`.
    """

    published: Published

    def _point(self, number: int) -> Mapping[str, Floats]:
        scenario, trial = self.points.scenario_at(number), self.published
        tiles = self.points.histories(number, scenario, trial.enrolled)
        read = read_first_reinfused(tiles, scenario, trial.keys, trial.enrolled, trial.enrolled)
        left = read_not_reinfused(tiles, scenario, trial.enrolled)
        same = alike(read, trial)
        for counted, wanted in (
            (left.treatment_deaths, trial.treatment_before),
            (left.other_deaths, trial.others_before),
            (left.withdrawn, trial.withdrawn),
        ):
            same &= counted == wanted
        return {
            "alike": np.array(same.sum()),
            "defined": np.array(read.defined.sum()),
            "survival": survival_shares(read, trial),
        }


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
