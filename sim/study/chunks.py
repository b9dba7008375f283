"""One chunk of an experiment: simulated wherever there is room, and the same to the bit everywhere.

A chunk's result is a set of arrays by name, which can be sent, stored and checked without knowing what they
are; `sim.study.tally` puts results together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.clinic import arrays, pathway
from sim.clinic.history import History, joined
from sim.outcomes.courses import MOST_PATIENTS, Courses, alive_enrolled
from sim.outcomes.endpoints import Sums, View, survival_curves
from sim.outcomes.occupancy import READ_REPLICATIONS, Occupancy, is_limited
from sim.patient.fates import TILE, draw_fates, draw_tiles
from sim.patient.luck import Luck
from sim.patient.memory import keep_freed_memory
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME, DENOMINATORS, Key, keys
from sim.scenario.schema import Scenario
from sim.study.budget import Simulator
from sim.study.estimates import cross_moments, moments
from sim.study.experiment import ROWS, Experiment, units
from sim.study.pairing import Arm, count_changes, pair
from sim.study.records import event_rows, patient_rows
from sim.work.task import Result

CURVE_POINTS = 61


def curve_years(scenario: Scenario) -> Floats:
    """Return the times at which survival curves are read."""
    return np.linspace(0.0, scenario.follow_up.horizon_years, CURVE_POINTS)


def curve_names(scenario: Scenario) -> tuple[str, ...]:
    """Return the endpoints of which there are curves."""
    at_home = scenario.cohort.enters_at == "home"
    return ("overall_survival_enrolled",) if at_home else ("overall_survival", "disease_free_survival")


def reported_keys(scenario: Scenario) -> list[Key]:
    """Return the endpoints that a trial reports."""
    return [key for key in keys(scenario.follow_up.horizon_years) if BY_NAME[key[0]].trial != "none"]


def histories(
    scenario: Scenario, luck: Luck, piece: range, simulator: Simulator, *, whole: bool
) -> Iterator[History]:
    """Yield the histories of some patients after others, at most 128 of each replication.

    Parameters
    ----------
    whole
        Whether everybody must be simulated at once, as where places are scarce.
    """
    if simulator == "simpy":
        yield from pathway.simulate(scenario, draw_fates(scenario, luck, piece)).tiles()
    elif whole:
        yield from arrays.simulate_tiles(scenario, draw_fates(scenario, luck, piece))
    else:
        for fates in draw_tiles(scenario, luck, piece):
            yield arrays.simulate(scenario, fates)


def play(experiment: Experiment, chunk: range) -> Result:
    """Simulate a chunk of replications under every scenario of an experiment."""
    keep_freed_memory()
    luck = Luck(experiment.seed)
    named = {each for two in experiment.pairs if two.fates for each in (two.reference, two.scenario)}
    parts = [
        _Part(experiment, number, chunk, luck, with_arms=number in named)
        for number in range(len(experiment.scenarios))
    ]
    result: Result = {}
    for number, part in enumerate(parts):
        result.update({f"{number}.{name}": values for name, values in part.result().items()})
    for number, two in enumerate(experiment.pairs):
        found = _compared(parts[two.reference], parts[two.scenario], chunk, fates=two.fates)
        result.update({f"pair{number}.{name}": values for name, values in found.items()})
    return result


class _Figures(NamedTuple):
    """What was read of everybody, or of a stratum, one column a replication.

    ``total`` has one row an endpoint, ``size`` one a denominator, and ``trial`` one an endpoint that a trial
    reports; it may have fewer columns, or none.
    """

    total: Floats
    size: Floats
    trial: Floats


class _Part:
    """One scenario's part of a chunk; its ``figures`` are those of everybody, and then of each stratum."""

    def __init__(
        self, experiment: Experiment, number: int, chunk: range, luck: Luck, *, with_arms: bool
    ) -> None:
        self.scenario, self._experiment, self._chunk = experiment.scenarios[number], experiment, chunk
        self._keep = experiment.keep if number == 0 else None
        self.out_of = size_rows(self.scenario)
        self._curves = np.zeros((len(curve_names(self.scenario)), CURVE_POINTS, 6))
        self._pieces: list[list[_Figures]] = []
        self._records: list[Mapping[str, Any]] = []
        self._events: list[Mapping[str, Any]] = []
        self._occupancy, self._courses = Occupancy(self.scenario), Courses(self.scenario)
        self.arms: list[Arm] = []
        self._alive: list[Floats] = []
        whole = experiment.simulator == "simpy" or is_limited(self.scenario)
        for piece in experiment.pieces(self.scenario, chunk, whole=whole):
            lucky = range(piece.start + experiment.luck_from, piece.stop + experiment.luck_from)
            tiles = histories(self.scenario, luck, lucky, experiment.simulator, whole=whole)
            self._add(piece, tiles, with_arms=with_arms)
        self.figures = [
            _Figures(*(np.concatenate(each, axis=1) for each in zip(*of_one, strict=True)))
            for of_one in zip(*self._pieces, strict=True)
        ]
        self._rows = min(max(ROWS - chunk.start, 0), len(chunk))

    def _add(self, piece: range, tiles: Iterator[History], *, with_arms: bool) -> None:
        """Read one piece, tile by tile."""
        strata, trials = self._experiment.strata, piece.start < ROWS
        by_stratum = trials and self._experiment.reads_trials(self.scenario)
        sums = [Sums(trials=trials), *(Sums(trials=by_stratum) for _ in strata)]
        arms: list[Arm] = []
        kept: list[History] = []
        curves: dict[str, tuple[Floats, Floats]] = {}
        years = curve_years(self.scenario)
        first = self._first_kept(piece)
        # Of the patients of one huge replication the first ones tell where patients are; queues need all.
        rows = first and (self._keep is None or self._keep.occupancy or piece.start < self._keep.patients)
        for history in tiles:
            view = View(history, self.scenario)
            sums[0].add(view)
            for own, stratum in zip(sums[1:], strata, strict=True):
                own.add(view.among(stratum.holds(history.age, history.female)))
            for name, (alive, size) in survival_curves(view, years).items():
                before = curves.get(name)
                curves[name] = (alive, size) if before is None else (before[0] + alive, before[1] + size)
            if with_arms:
                arms.append(Arm.of(history, self.scenario))
            if self._keep is not None and self._keep.alive:
                self._alive.append(alive_enrolled(view, np.array(self._keep.alive)).sum(axis=1))
            if first and (rows or first * len(kept) * TILE < MOST_PATIENTS):
                kept.append(history.only(slice(first)))
        self._pieces.append([_matrices(own, self.scenario) for own in sums])
        for row, name in enumerate(curve_names(self.scenario)):
            alive, size = curves[name]
            self._curves[row] += moments(alive, size[None], np.zeros(len(alive), dtype=np.intp))
        if with_arms:
            self.arms.append(Arm.joined(arms))
        if first:
            self._record(joined(kept), piece)

    def _first_kept(self, piece: range) -> int:
        """Return of how many of the first replications of a piece the histories are needed."""
        if self._keep is None:
            return 0
        until = max(self._keep.patients, READ_REPLICATIONS if self._keep.occupancy else 0, self._keep.courses)
        return min(max(until - piece.start, 0), len(piece))

    def _record(self, history: History, piece: range) -> None:
        """Keep patients, events, occupancy and courses of some first replications."""
        if self._keep is None:
            return
        numbers = np.array(piece[: history.death.shape[1]]) + 1
        if numbers[0] <= self._keep.patients:
            self._records.append(patient_rows(history, numbers, self.scenario, self._keep.patients))
            if self._keep.events:
                self._events.append(event_rows(history, numbers, self._keep.patients))
        if self._keep.occupancy and numbers[0] <= READ_REPLICATIONS:
            self._occupancy.add(history.only(slice(READ_REPLICATIONS - piece.start)))
        if numbers[0] <= self._keep.courses:
            self._courses.add(history.only(slice(self._keep.courses - piece.start)))

    def result(self) -> Result:
        """Return sums by unit, curves, digests, and what is kept of the first replications."""
        cut, (whole, *strata) = self.units, self.figures
        sums = self._sums(whole)
        result: Result = {
            "sums": sums,
            "curves": self._curves,
            "digests": np.array([self._digest(*each) for each in zip(cut, sums, strict=True)]),
        }
        if self._alive:
            result["alive"] = np.sum(self._alive, axis=0)
        if self._rows:
            result.update({name: values[:, : self._rows] for name, values in whole._asdict().items()})
        for number, each in enumerate(strata):
            result[f"{stratum_part(number)}.sums"] = self._sums(each)
            if self._rows and each.trial.size:
                result[f"{stratum_part(number)}.trial"] = each.trial[:, : self._rows]
        for table, parts in (("patients", self._records), ("events", self._events)):
            for name in parts[0] if parts else ():
                result[f"{table}.{name}"] = np.concatenate([part[name] for part in parts])
        for name, kept in (("occupancy", self._occupancy), ("courses", self._courses)):
            if kept.replications:
                result.update({f"{name}.{key}": values for key, values in kept.arrays().items()})
        return result

    def _sums(self, of: _Figures) -> Floats:
        return np.array([moments(of.total[:, at], of.size[:, at], self.out_of) for at in self.units])

    @property
    def units(self) -> list[slice]:
        """Where the units of this chunk lie in it."""
        start = self._chunk.start
        return [slice(unit.start - start, unit.stop - start) for unit in units(self.scenario, self._chunk)]

    def _digest(self, at: slice, sums: Floats) -> NDArray[np.uint8]:
        """Return the SHA-256 of a unit's sums and, of the first replications, of every figure."""
        digest = sha256(sums.astype("<f8").tobytes())
        kept = slice(at.start, min(at.stop, self._rows))
        if kept.start < kept.stop:
            for figures in self.figures[0]:
                digest.update(np.ascontiguousarray(figures[:, kept], dtype="<f8").tobytes())
        return np.frombuffer(digest.digest(), dtype=np.uint8)


def stratum_part(number: int) -> str:
    """Return what stands before the names of a stratum's arrays."""
    return f"stratum{number}"


def _matrices(sums: Sums, scenario: Scenario) -> _Figures:
    """Put what was read of some replications into rows."""
    readings = sums.readings(scenario)
    sizes = {BY_NAME[name].denominator: reading.size for (name, _), reading in readings.items()}
    trial = np.zeros((len(reported_keys(scenario)), 0))
    if sums.trials:
        trial = np.array([readings[key].trial for key in reported_keys(scenario)])
        trial[np.isnan(trial)] = np.nan  # one kind of not-a-number, for the digest
    total = np.array([reading.total for reading in readings.values()])
    return _Figures(total, np.array([sizes[name] for name in DENOMINATORS]), trial)


def size_rows(scenario: Scenario) -> NDArray[np.intp]:
    """Return, for each endpoint, the row of the sizes that it is out of."""
    read = keys(scenario.follow_up.horizon_years)
    return np.array([DENOMINATORS.index(BY_NAME[name].denominator) for name, _ in read])


def shared_keys(
    reference: Scenario, scenario: Scenario
) -> tuple[list[Key], NDArray[np.intp], NDArray[np.intp]]:
    """Return the endpoints that two scenarios both read, and where they stand in the rows of each."""
    ours, theirs = (keys(each.follow_up.horizon_years) for each in (reference, scenario))
    common = [key for key in theirs if key in ours]
    return common, np.array([ours.index(k) for k in common]), np.array([theirs.index(k) for k in common])


def cross(
    scenarios: tuple[Scenario, Scenario], figures: Sequence[tuple[Floats, Floats]], cut: Sequence[slice]
) -> Result:
    """Return what joins the figures of two scenarios under the same luck: sums by unit, and what is the same.

    Parameters
    ----------
    figures
        Totals and sizes of each, a column a replication, as a chunk's result has them.
    cut
        Where the units of the second lie.
    """
    _, *shared = shared_keys(*scenarios)
    sides = [
        (total[at], size[size_rows(each)[at]])
        for each, (total, size), at in zip(scenarios, figures, shared, strict=True)
    ]
    sums = [cross_moments(*[(y[:, at], x[:, at]) for y, x in sides]) for at in cut]
    same = [np.all(one == other, axis=1) for one, other in zip(*sides, strict=True)]
    return {"cross": np.array(sums), "identical": same[0] & same[1]}


def _compared(reference: _Part, scenario: _Part, chunk: range, *, fates: bool) -> Result:
    """Return what the difference of two scenarios needs besides their own sums."""
    scenarios, found = (reference.scenario, scenario.scenario), Result()
    for number, both in enumerate(zip(reference.figures, scenario.figures, strict=True)):
        of = f"{stratum_part(number - 1)}." if number else ""
        crossed = cross(scenarios, [(each.total, each.size) for each in both], scenario.units)
        found |= {f"{of}{name}": values for name, values in crossed.items()}
    if fates:
        pairing = pair(Arm.beside(reference.arms), Arm.beside(scenario.arms))
        changes, decided = count_changes(pairing, chunk)
        found.update(changes=changes, decided=np.array(-1 if decided is None else decided))
    return found


class ChunkTask(NamedTuple):
    """One chunk of an experiment."""

    experiment: Experiment
    chunk: range

    @property
    def name(self) -> str:
        """First and last replication."""
        return f"{self.chunk.start:012d}-{self.chunk.stop:012d}"

    @property
    def words(self) -> str:
        """The same for people, who count from 1."""
        return f"replications {self.chunk.start + 1} to {self.chunk.stop}"

    def play(self) -> Result:
        """Simulate the chunk."""
        return play(self.experiment, self.chunk)
