"""One study of one scenario, also over its ranges."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from sim.outcomes.courses import read_replications
from sim.outcomes.occupancy import is_limited
from sim.scenario.load import Loaded
from sim.scenario.schema import Scenario
from sim.study import records
from sim.study.budget import MOST_REPLICATIONS, Budget, Simulator
from sim.study.experiment import Experiment, Keep
from sim.study.montecarlo import choose_simulator, first_replication, simulate
from sim.study.strata import strata_table
from sim.study.sweep import measure_points, range_points
from sim.study.tally import Tally
from sim.study.verification import censored_readings
from sim.work.store import Stores
from sim.work.task import Tell


@dataclass(frozen=True)
class Written:
    """What a run has found, but for the rows of its patients and their events.

    Attributes
    ----------
    tables
        All that people and other programs read, by name; None where there is nothing to tell.
    rows
        The first replications, one a row.
    lines
        What only figures draw, by name.
    courses
        None where nobody is transplanted.
    counted
        What a manifest says of how many stand behind shares over time and queues.
    """

    tables: dict[str, pd.DataFrame | None]
    rows: pd.DataFrame
    lines: dict[str, pd.DataFrame]
    courses: records.Shares | None
    counted: dict[str, Any]
    simulator: Simulator
    replications: int
    result_hash: str


def simulate_run(
    loaded: Loaded,
    budget: Budget,
    folder: Path,
    progress: Tell | None = None,
    stores: Stores = lambda _part: None,
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
    held = budget.held_in(loaded)
    experiment = Experiment((scenario,), budget.seed, simulator, keep=keep, held=(held,), strata=budget.by)

    def tell(done: int, total: int) -> None:
        """Tell of the study and then of its ranges as of one."""
        if progress is not None:
            progress(done, total * (1 + len(over_range)))

    (tally,) = simulate([experiment], budget, folder, tell, stores("run"))
    tally.join_tables()
    points, curves = None, None
    if over_range:
        fixed, size = replace(budget, by=()), tally.replications
        if budget.precision is not None:
            fixed = replace(fixed, precision=None, replications=size)
        points, curves = measure_points(
            over_range,
            scenario,
            fixed,
            lambda done, planned: tell(size + done * size * len(over_range) // planned, size),
            stores("range"),
            held,
        )
    first, *firsts = (
        first_replication(budget.first_of(changed, (*held, *point)), budget.seed, simulator)
        for point, changed in (({}, scenario), *over_range)
    )
    swimmer = records.first_courses(first, firsts)
    strata = strata_table(tally.arms[0], lambda arm, _: arm.endpoints()) if budget.by else None
    more = {"range": points, "range_curves": curves, "strata": strata}
    return _written(scenario, budget, tally, simulator, more, swimmer)


def _written(
    scenario: Scenario,
    budget: Budget,
    tally: Tally,
    simulator: Simulator,
    more: dict[str, pd.DataFrame | None],
    swimmer: pd.DataFrame,
) -> Written:
    """Put what was counted into tables."""
    (arm,), occupancy = tally.arms, tally.occupancy
    rows, courses = arm.rows(), records.shares(tally.courses, scenario) if tally.courses else None
    tables = {
        "endpoints": arm.endpoints(),
        "curves": arm.curves(),
        "occupancy": None if occupancy is None else occupancy.table(),
        "littles_law": None if occupancy is None else occupancy.littles_law(),
        **more,
        "censored_readings": censored_readings(scenario, rows) if budget.draws is None else None,
    }
    lines = {"swimmer": swimmer}
    if courses is not None:
        lines |= {
            "incidence": records.incidence_data(courses),
            "places": records.places_data(courses),
        }
    if occupancy is not None:
        lines["rooms"] = records.first_clinic(occupancy)
    counts = records.counted(courses, occupancy)
    return Written(tables, rows, lines, courses, counts, simulator, tally.replications, arm.result_hash)
