"""One study of one scenario, also over its ranges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from sim.clinic.history import History
from sim.outcomes.courses import read_replications
from sim.outcomes.occupancy import Occupancy, is_limited
from sim.scenario.load import Loaded
from sim.scenario.schema import Scenario
from sim.study.budget import MOST_REPLICATIONS, Budget, Simulator
from sim.study.experiment import Experiment, Keep
from sim.study.figure_tables import first_clinic, first_courses
from sim.study.montecarlo import Progress, choose_simulator, first_replication, simulate
from sim.study.shares import Shares, incidence_data, places_data, shares
from sim.study.sweep import measure_points, range_points
from sim.study.verification import censored_readings
from sim.work.store import ChunkStore


@dataclass(frozen=True)
class Written:
    """What a run has found, but for the rows of its patients and their events; tables as in the files.

    ``occupancy`` is None where nothing is limited, ``courses`` where nobody is transplanted, ``points`` and
    ``point_curves`` where the scenario has no range, ``censored`` where the twin can't tell what trials read.
    """

    endpoints: pd.DataFrame
    curves: pd.DataFrame
    rows: pd.DataFrame
    """The first replications, one a row."""
    first: History
    """The first replication alone."""
    firsts: list[History]
    """The same at each value of the range."""
    occupancy: Occupancy | None
    courses: Shares | None
    points: pd.DataFrame | None
    point_curves: pd.DataFrame | None
    censored: pd.DataFrame | None
    simulator: Simulator
    replications: int
    result_hash: str

    @property
    def tables(self) -> dict[str, pd.DataFrame | None]:
        """All that people and other programs read, by name."""
        occupancy = self.occupancy
        return {
            "endpoints": self.endpoints,
            "curves": self.curves,
            "occupancy": None if occupancy is None else occupancy.table(),
            "littles_law": None if occupancy is None else occupancy.littles_law(),
            "range": self.points,
            "range_curves": self.point_curves,
            "censored_readings": self.censored,
        }

    @property
    def lines(self) -> dict[str, pd.DataFrame]:
        """What only figures draw, by name."""
        found = {"swimmer": first_courses(self.first, self.firsts)}
        if self.courses is not None:
            found |= {"incidence": incidence_data(self.courses), "places": places_data(self.courses)}
        if self.occupancy is not None:
            found["rooms"] = first_clinic(self.occupancy)
        return found


def simulate_run(
    loaded: Loaded,
    budget: Budget,
    folder: Path,
    progress: Progress | None = None,
    stores: Callable[[str], ChunkStore | None] = lambda _part: None,
) -> Written:
    """Simulate a scenario, also at each value of its ranges.

    Parameters
    ----------
    folder
        Where rows of patients and events are left, which may be too many for memory.
    stores
        Where chunks of a part of the study are kept until it is whole.
    """
    scenario = loaded.scenario
    over_range = range_points(scenario)
    simulator, _ = choose_simulator([scenario], budget)
    patients = MOST_REPLICATIONS if budget.patient_replications is None else budget.patient_replications
    read = 0 if scenario.cohort.enters_at == "home" else read_replications(scenario)
    keep = Keep(patients, budget.events, is_limited(scenario), read)
    held = () if budget.draws is None else budget.draws.held_in(loaded)
    experiment = Experiment((scenario,), budget.seed, simulator, keep=keep, held=(held,))
    parts = Parts(progress, budget.replications, len(over_range))
    (tally,) = simulate([experiment], budget, folder, parts.first, stores("run"))
    points, curves = None, None
    if over_range:
        fixed = budget
        if budget.precision is not None:
            fixed = replace(budget, precision=None, replications=tally.replications)
        points, curves = measure_points(over_range, fixed, parts.rest, stores("range"), held)
    first, *firsts = (
        first_replication(_first_drawn(changed, budget, (*held, *point)), budget.seed)
        for point, changed in (({}, scenario), *over_range)
    )
    tally.join_tables()
    (arm,) = tally.arms
    rows = arm.rows()
    return Written(
        arm.endpoints(),
        arm.curves(),
        rows,
        first,
        firsts,
        tally.occupancy,
        shares(tally.courses, scenario) if tally.courses else None,
        points,
        curves,
        censored_readings(scenario, rows) if budget.draws is None else None,
        simulator,
        tally.replications,
        arm.result_hash,
    )


def _first_drawn(scenario: Scenario, budget: Budget, held: Sequence[str]) -> Scenario:
    """Return the scenario of the first replication: under the first draw if there are draws."""
    return scenario if budget.draws is None else budget.draws.first(scenario, held)


class Parts:
    """One progress for a study and then its ranges."""

    def __init__(self, progress: Progress | None, replications: int, ranges: int) -> None:
        self._progress, self._ranges, self._total = progress, ranges, replications

    def first(self, done: int, total: int) -> None:
        """Tell of the study itself, of which the number of replications may grow."""
        self._total = total
        self._tell(done)

    def rest(self, done: int, _total: int) -> None:
        """Tell of the ranges."""
        self._tell(self._total + done)

    def _tell(self, done: int) -> None:
        if self._progress is not None:
            self._progress(done, self._total * (1 + self._ranges))
