"""One study of one scenario: every endpoint with its uncertainty, and the patients of some trials."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Unpack

import numpy as np
import pandas as pd

from sim.commands.asked import AnyScenario, Effort, about, effort_of, facts_of, loaded_from
from sim.commands.study import Made, Study, request_for, write
from sim.outcomes.twin.expected import expected
from sim.scenario.inherit import Overrides
from sim.scenario.load import Loaded
from sim.scenario.problems import RequestError
from sim.scenario.schema import Scenario
from sim.study.budget import DEFAULT_PATIENT_REPLICATIONS, Budget
from sim.study.exact import twin_holds
from sim.study.load import warn_of_scenarios
from sim.study.montecarlo import choose_simulator, warn_of_weak_figures
from sim.study.run import Written, simulate_run
from sim.study.strata import warn_of_small_strata
from sim.study.verification import check_table, verify
from sim.work.results import Results
from sim.work.spool import read_parquet
from sim.work.store import Stores
from sim.work.task import Progress, part


def run(
    scenario: AnyScenario,
    *,
    set: Overrides = (),  # noqa: A002 (the option's name)
    patients: int | Literal["all"] = DEFAULT_PATIENT_REPLICATIONS,
    events: bool = False,
    **how: Unpack[Effort],
) -> Results:
    """Simulate a scenario, patient by patient.

    Parameters
    ----------
    scenario
        A shipped name, a path, or what `load_scenario` and `with_values` return.
    set
        Changes of it: values by key.
    patients
        First replications whose patients are kept; ``"all"`` for all.
    events
        Whether the events of these patients are kept too.
    how
        See `Effort`.

    Returns
    -------
    Results
        With ``endpoints``, ``curves``, ``replications``, ``patients`` and more.

    Raises
    ------
    RequestError
        Something asked for is wrong; the message says what is allowed.
    """
    loaded = loaded_from(scenario, set)
    budget = effort_of(how, loaded.scenario, None if patients == "all" else _count(patients), events=events)
    budget.require_draws(loaded)

    def make(folder: Path, stores: Stores, progress: Progress | None) -> Made:
        found = simulate_run(loaded, budget, folder, part(loaded.name, progress), stores)
        return _made(loaded, budget, found, folder / "patients.parquet")

    def warn(results: Results) -> None:
        budget.warn_of_held(loaded)
        warn_of_weak_figures(results.endpoints, results.manifest["replications"])
        warn_of_small_strata(results.table("strata"))
        warn_of_scenarios([loaded.scenario], budget.seed)

    return write(Study("run", loaded.folder_name, request_for("run", [loaded], budget), make, warn), how)


def _count(patients: int) -> int:
    if isinstance(patients, bool) or not isinstance(patients, int) or patients < 0:
        raise RequestError(f"--patients: {patients!r} given; allowed: all, or a whole number from 0")
    return patients


def _with_point(endpoints: pd.DataFrame | None, scenario: Scenario) -> pd.DataFrame:
    """Return endpoints under draws beside what they are at the calibrated values alone, by the exact twin."""
    table, known = pd.DataFrame(endpoints), expected(scenario)
    times = [None if np.isnan(time) else time for time in table["time_years"]]
    return table.assign(
        at_point=[known.get(key, np.nan) for key in zip(table["endpoint"], times, strict=True)]
    )


def _made(loaded: Loaded, budget: Budget, found: Written, patients: Path) -> Made:
    """Put what a run has found into the form of its folder, and hold it against what is known."""
    _, reason = choose_simulator([loaded.scenario], budget)
    facts = {
        **facts_of(budget, found.replications, loaded),
        "engine": found.simulator,
        "engine_because": reason,
        "replication_rows": len(found.rows),
        "patient_replications": budget.patient_replications,
        "result_hash": found.result_hash,
        "counted": found.counted,
        **about(loaded),
    }
    tables = found.tables
    if budget.draws is None:  # what is known without simulation holds under one set of values
        kept = read_parquet(patients) if patients.is_file() else None
        checks = verify(loaded.scenario, tables["endpoints"], found.rows, kept, tables["littles_law"])
        tables["checks"] = check_table(checks)
    elif twin_holds(loaded.scenario):
        tables["endpoints"] = _with_point(tables["endpoints"], loaded.scenario)
    return Made(facts, tables, rows={"replications": found.rows}, lines=found.lines)
