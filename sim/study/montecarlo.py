"""Monte Carlo: experiments under many replications of luck, chunk by chunk, by whoever is there to do it.

Results come back in any order and are added up in the order of the replications, so nothing that is shown
depends on how a study was cut up, on the number of workers, or on where a study was broken off and resumed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from sim.clinic import arrays, pathway
from sim.clinic.history import History, joined
from sim.outcomes.endpoints import View
from sim.outcomes.occupancy import is_limited
from sim.patient.fates import draw_fates, mean_patients
from sim.patient.luck import BLOCK, Luck
from sim.scenario.endpoints import Key, label
from sim.scenario.problems import FewReplicationsWarning, PrecisionWarning, UndefinedFigureWarning
from sim.scenario.schema import Scenario
from sim.study.budget import DEFAULT_REPLICATIONS, Budget, Precision, Simulator
from sim.study.chunks import ChunkTask, histories
from sim.study.experiment import Experiment, Keep
from sim.study.tally import Tally
from sim.work.store import ChunkStore, in_order
from sim.work.task import Result, Tell, Workers
from sim.work.workers import workers_for

# Draws whose patients' courses are counted at most.
_READ_DRAWS = 200
MOST_COURSES = 5_000
"""Counted patients of the first replication that are told one by one."""
ENOUGH_REPLICATIONS = 200
"""Below this, the outer 2.5% of single trials are fewer than five of them."""


def choose_simulator(scenarios: Sequence[Scenario], budget: Budget) -> tuple[Simulator, str]:
    """Choose the simulator for a study of some scenarios, and say why in a few words."""
    return budget.simulator(round(sum(map(mean_patients, scenarios)) * budget.replications))


def replicate(
    scenario: Scenario, replications: range, seed: int, simulator: Simulator = "simpy"
) -> Iterator[History]:
    """Simulate replications in memory, some at a time and in order, and yield whole histories."""
    luck = Luck(seed)
    simulate = pathway.simulate if simulator == "simpy" else arrays.simulate
    experiment = Experiment((scenario,), seed, simulator)
    for piece in experiment.pieces(scenario, replications, whole=True):
        yield simulate(scenario, draw_fates(scenario, luck, piece))


def first_replication(scenario: Scenario, seed: int, simulator: Simulator = "simpy") -> History:
    """Return what happened to the patients of the first replication, of very many to the first ones.

    It is simulated as the study is, and no further than needed: where nobody waits for others, those who
    come later are not.
    """
    whole, kept, counted = is_limited(scenario), list[History](), 0
    for history in histories(scenario, Luck(seed), range(1), simulator, whole=whole):
        kept.append(history)
        counted += int(np.sum(View(history, scenario).enrolled))
        if counted >= MOST_COURSES:
            break
    return joined(kept)


def simulate(
    experiments: Sequence[Experiment],
    budget: Budget,
    folder: Path | None = None,
    progress: Tell | None = None,
    store: ChunkStore | None = None,
) -> Iterator[Tally]:
    """Simulate experiments and yield the tally of each, in order.

    With draws of a posterior, every experiment is simulated under each of them.

    Parameters
    ----------
    folder
        Where the rows of the first experiment's patients and events go, if any are kept.
    store
        Where chunks are kept until the study is whole; those that are there are not simulated again.

    Raises
    ------
    RequestError
        The cluster can't be used.
    ChunkCrashError
        Some chunks could not be simulated; all the others are in the store.
    """
    under = [_under(each, budget) for each in experiments]
    tallies = (
        Tally(each, own, folder if number == 0 else None)
        for number, (each, own) in enumerate(zip(experiments, under, strict=True))
    )
    most = budget.replications if budget.precision is None else budget.precision.at_most
    every = [one for own in under for one in own]
    run = _Run(budget, store, progress)
    chunks = sum(len(one.chunks(range(most))) for one in every)
    with workers_for(budget.workers, budget.cluster, chunks) as workers:
        if budget.precision is None:
            yield from run.to_the_end(workers, tallies, every)
        else:
            for number, tally in enumerate(tallies):
                run.until_precise(workers, tally, number, budget.precision)
                yield tally


def _under(experiment: Experiment, budget: Budget) -> list[Experiment]:
    """Return the experiment under each draw of a posterior, each with luck of its own; as it is without one.

    Rows of patients and events are kept of the first draw alone, and courses of a few replications of many
    draws: as many in all as without draws, or a little more.
    """
    draws = budget.draws
    if draws is None:
        return [experiment]
    held = experiment.held or ((),) * len(experiment.scenarios)
    drawn = (
        draws.over(scenario, own) if draws.replaced(scenario, own) else [scenario] * len(draws.values)
        for scenario, own in zip(experiment.scenarios, held, strict=True)
    )
    apart = -(-budget.replications // BLOCK) * BLOCK
    read = -(-experiment.keep.courses // min(len(draws.values), _READ_DRAWS))
    return [
        replace(
            experiment,
            scenarios=some,
            keep=replace(Keep() if number else experiment.keep, courses=read if number < _READ_DRAWS else 0),
            luck_from=experiment.luck_from + number * apart,
        )
        for number, some in enumerate(zip(*drawn, strict=True))
    ]


class _Run:
    """The simulation of some experiments: what was done, and where it is kept."""

    def __init__(self, budget: Budget, store: ChunkStore | None, progress: Tell | None) -> None:
        self._budget, self._store, self._progress = budget, store, progress
        self._done = self._planned = 0

    def to_the_end(
        self, workers: Workers, tallies: Iterator[Tally], every: Sequence[Experiment]
    ) -> Iterator[Tally]:
        """Simulate a number of replications of every experiment, under every draw."""
        replications = range(self._budget.replications)
        results = self._results(workers, list(enumerate(every)), replications)
        for tally in tallies:
            for draw, one in enumerate(tally.under):
                for _ in one.chunks(replications):
                    tally.add(*next(results), draw)
            yield tally

    def until_precise(self, workers: Workers, tally: Tally, number: int, precision: Precision) -> None:
        """Simulate an experiment until its endpoints are known well enough."""
        wanted: int | None = precision.first(self._budget.replications)
        while wanted is not None:
            more = range(tally.replications, wanted)
            for found in self._results(workers, [(number, tally.experiment)], more):
                tally.add(*found)
            widest, key = widest_half_width(tally, precision.endpoints)
            wanted = precision.next(tally.replications, widest)
        if not widest <= precision.half_width:
            of = "" if not tally.pairs else "the difference of "
            PrecisionWarning.say(
                f"{of}{label(key)}: after {tally.replications:,} replications the 95% interval is "
                f"{widest:.3g} percentage points wide on either side, not {precision.half_width:g}: "
                "the cap came first. Raise --at-most, or ask for less --precision"
            )

    def _results(
        self, workers: Workers, numbered: Sequence[tuple[int, Experiment]], replications: range
    ) -> Iterator[tuple[Result, range]]:
        """Yield the results of some replications, chunk after chunk, experiment after experiment."""
        self._planned += sum(len(replications) * len(each.scenarios) for _, each in numbered)
        tasks = [
            (number, ChunkTask(each, chunk))
            for number, each in numbered
            for chunk in each.chunks(replications)
        ]
        for (_, task), result in in_order(workers, tasks, self._store, self._advance):
            yield result, task.chunk

    def _advance(self, task: ChunkTask) -> None:
        self._done += len(task.chunk) * len(task.experiment.scenarios)
        if self._progress is not None:
            self._progress(self._done, self._planned)


def widest_half_width(tally: Tally, endpoints: Sequence[Key]) -> tuple[float, Key]:
    """Return the widest 95% half-width, in percentage points, and whose; infinite where it is not known.

    Of an experiment with pairs it is that of their differences.
    """
    if tally.pairs:
        read = [(two.keys, two.differences()) for two in tally.pairs]
        halves = [(names, 50 * (found.upper - found.lower)) for names, found in read]
        widths = [(half[names.index(key)], key) for key in endpoints for names, half in halves]
    else:
        known = [(each.estimate(key), key) for key in endpoints for each in tally.arms]
        widths = [(50 * (found.upper - found.lower), key) for found, key in known]
    found = [(math.inf if np.isnan(width) else float(width), key) for width, key in widths]
    return max(found, key=lambda each: each[0])


def warn_of_few_replications(replications: int) -> None:
    """Warn of too few replications for ranges of single trials."""
    if replications < ENOUGH_REPLICATIONS:
        FewReplicationsWarning.say(
            f"{replications} replications are too few for the intervals shown; "
            f"run at least {ENOUGH_REPLICATIONS} (--replications {DEFAULT_REPLICATIONS} is the default)"
        )


def warn_of_weak_figures(endpoints: pd.DataFrame, replications: int) -> None:
    """Warn of figures that can't bear their weight, with the remedy."""
    warn_of_few_replications(replications)
    aimed = endpoints[endpoints["target"].notna() & (endpoints["trial_undefined"] > 0)]
    worst = aimed.sort_values("trial_undefined", ascending=False).drop_duplicates(["endpoint", "time_years"])
    for row in worst.sort_index().itertuples():
        name = label((row.endpoint, None if np.isnan(row.time_years) else row.time_years))
        UndefinedFigureWarning.say(
            f"{name}: in {row.trial_undefined:.1%} of the virtual trials nobody is at risk any more "
            f"at the data cut; their range leaves these out. A later follow_up.data_cut_days "
            "would let more of them report it"
        )
