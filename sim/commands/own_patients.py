"""A table of patients of one's own: held against the model, or written as a cohort file without its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sim.centre.cohort_file import cohort_text
from sim.centre.follow_up import PotentialFollowUp
from sim.centre.own_cohort import begins_later, own_cohort
from sim.centre.patients import OwnPatients
from sim.centre.reading import ReadTable
from sim.centre.seen import unknown_treatment_deaths
from sim.commands.asked import Trials, budget_of, facts_of
from sim.commands.patients import patients_from
from sim.commands.study import Made, Study, request_for, write
from sim.commands.validated import as_learned, cohort_facts, tallies_of, warn_of_learned
from sim.scenario.inherit import Overrides
from sim.scenario.load import load
from sim.scenario.problems import RequestError
from sim.scenario.write import base_from, file_to_write
from sim.study.own_patients import OwnValidation, validate_own
from sim.work.results import Results
from sim.work.store import Stores
from sim.work.task import Progress, part


def validate_table(read: ReadTable, base: str, overrides: Overrides, how: Trials) -> Results:
    """Hold the model against the patients of a table; see `sim.commands.validate.validate`."""
    if how.get("cluster") is not None:
        raise RequestError(
            "--cluster: how long each of your patients was followed would be sent to it, and nothing of a "
            "table leaves this machine; leave it out, or give --workers"
        )
    own = read.patients
    posterior = how.get("posterior")
    cohort, fitted = as_learned(own_cohort(own, base, overrides), posterior, read.sha256)
    budget = budget_of(how, patient_replications=0, engine="arrays")
    known = load(base, overrides)
    budget.require_draws(known)

    def make(_folder: Path, stores: Stores, progress: Progress | None) -> Made:
        found = validate_own(own, cohort, budget, part("validation", progress), stores("own-patients"))
        facts = {
            **facts_of(budget, found.replications),
            "tallies": tallies_of(found.covered, found.covered),
            "cohorts": [cohort_facts(cohort, budget, found.result_hash)],
            "own": {
                **_own_facts(read, found),
                "fitted": fitted,
                "begins_later": begins_later(own, cohort.scenario),
                "reference": base_from(base, Path()),
            },
            "table": read.record,
        }
        tables = {
            "validation": found.table,
            "observed_curves": found.curves,
            "calibration": found.calibration,
        }
        return Made(facts, {name: None if each.empty else each for name, each in tables.items()})

    def warn(_results: Results) -> None:
        budget.warn_of_held(known)
        warn_of_learned(["these patients"] if fitted else [], posterior)

    observed = {cohort.name: [asdict(figure) for figure in cohort.figures]}
    request = request_for("validate", [cohort.loaded], budget, observed=observed, table=read.record)
    return write(Study("validate", "validation", request, make, warn), how)


def _own_facts(read: ReadTable, found: OwnValidation) -> dict[str, Any]:
    """Return what is told of the table beside its figures: what it holds, and what it does not."""
    own: OwnPatients = read.patients
    delay = PotentialFollowUp.of(own).delay
    observed, predicted, lower, upper = (None if np.isnan(each) else each for each in found.wait)
    return {
        "patients": len(own),
        "reinfused": int(own.reinfused.sum()),
        "dead": int(own.dead.sum()),
        "unknown_treatment_deaths": unknown_treatment_deaths(own),
        "relapse_recorded": own.relapse_recorded,
        "from_transplant": own.from_transplant,
        "reconstructed": own.reconstructed,
        "dated": not bool(np.isnan(own.arrived).any()),
        "ages": int(np.sum(~np.isnan(own.age))),
        "sexes": int(np.sum(~np.isnan(own.female))),
        "delay_days": None if np.isnan(delay) else delay,
        "together": None if np.isnan(found.together) else found.together,
        "deaths_together": None if np.isnan(found.deaths) else found.deaths,
        "wait": {"observed": observed, "predicted": predicted, "lower": lower, "upper": upper},
    }


def write_cohort(
    file: str | Path,
    out: str | Path,
    *,
    base: str | Path = "chicago2006",
    column: Mapping[str, str] | Sequence[str] = (),
    dates: str | None = None,
    sheet: str | None = None,
    force: bool = False,
) -> Path:
    """Write the cohort file of a table: figures with their limits, accrual, data cut and ages, and no row.

    Parameters
    ----------
    file
        CSV, Parquet or .xlsx, one row a patient.
    out
        The file to write.
    base
        The scenario that predicts such patients.
    column, dates, sheet
        How the table is read; see `sim.commands.patients.patients_from`.
    force
        Write over an existing file.

    Raises
    ------
    RequestError
        Something asked for, or in the table, is wrong; the message says what is allowed.
    """
    path = file_to_write(str(out), force=force)
    read = patients_from(file, column, dates, sheet)
    path.write_text(cohort_text(read.patients, str(base), read.sha256, path), "utf-8", newline="\n")
    return path
