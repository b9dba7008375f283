"""A study of cohorts to which the model was not fitted: what was observed beside what it predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Unpack

from sim.commands.asked import Trials, budget_of, facts_of
from sim.commands.own_patients import validate_table
from sim.commands.patients import patients_from
from sim.commands.study import Made, Study, request_for, write
from sim.commands.validated import as_learned, cohort_facts, tallies_of, warn_of_learned
from sim.scenario.cohort import ObservedCohort, load_cohorts
from sim.scenario.inherit import Overrides
from sim.scenario.problems import RequestError
from sim.study.budget import Budget
from sim.study.validate import Validation
from sim.study.validate import validate as validate_cohorts
from sim.work.results import Results
from sim.work.store import Stores
from sim.work.task import Progress, part

TABLES = (".csv", ".parquet", ".xlsx")
"""Endings of tables of patients."""
# What is no cohort file either: the reader of tables says what to do with it.
_TRIED = (*TABLES, ".xls", ".xlsm", ".ods", ".tsv", ".txt", ".sav", ".dta")


def validate(
    *cohorts: str | Path, set: Overrides = (), base: str | Path | None = None,  # noqa: A002
    column: Mapping[str, str] | Sequence[str] = (), dates: str | None = None, sheet: str | None = None,
    **how: Unpack[Trials],
) -> Results:  # fmt: skip
    """Hold the model against cohorts to which it was not fitted, or against patients of one's own.

    Parameters
    ----------
    cohorts
        Shipped names or paths; all that are shipped, if there is none. Or one table of patients.
    set
        Changes of all of them: values by key.
    base
        Of a table: the scenario that predicts its patients; chicago2006, if none is named.
    column, dates, sheet
        Of a table: how it is read; see `sim.commands.patients.patients_from`.
    how
        See `Trials`.

    Returns
    -------
    Results
        With ``validation``: every figure observed, with what 95% of virtual cohorts of its size report. Of a
        table also ``observed_curves``, in the band of such cohorts, and ``calibration``, events expected.

    Raises
    ------
    RequestError
        Something asked for is wrong; the message says what is allowed.
    """
    tables = [each for each in cohorts if Path(each).suffix.lower() in _TRIED]
    if tables:
        if len(cohorts) > 1:
            raise RequestError(
                f"{tables[0]}: a table of patients is held against the model alone; name nothing else"
            )
        table = patients_from(tables[0], column, dates, sheet)
        return validate_table(table, str(base or "chicago2006"), set, how)
    for option, given in {"base": base, "column": column, "dates": dates, "sheet": sheet}.items():
        if given:
            raise RequestError(
                f"--{option}: it is about a table of patients ({', '.join(TABLES)}), and none is named"
            )
    posterior = how.get("posterior")
    known = [as_learned(each, posterior, each.source) for each in load_cohorts(list(map(str, cohorts)), set)]
    loaded = [cohort for cohort, _ in known]
    budget = budget_of(how, patient_replications=0, engine="arrays")

    def make(_folder: Path, stores: Stores, progress: Progress | None) -> Made:
        found = validate_cohorts(loaded, budget, part("validation", progress), stores("validate"))
        return Made(_facts(loaded, budget, found), {"validation": found.table})

    def warn(_results: Results) -> None:
        budget.warn_of_held(*(cohort.loaded for cohort in loaded))
        warn_of_learned([cohort.name for cohort, fitted in known if fitted], posterior)

    observed = {cohort.name: [asdict(figure) for figure in cohort.figures] for cohort in loaded}
    request = request_for("validate", [cohort.loaded for cohort in loaded], budget, observed=observed)
    return write(Study("validate", "validation", request, make, warn), how)


def _facts(cohorts: Sequence[ObservedCohort], budget: Budget, found: Validation) -> dict[str, Any]:
    return {
        **facts_of(budget, found.replications),
        "tallies": tallies_of(found.predicted, found.apart),
        "cohorts": [cohort_facts(each, budget, found.result_hashes[each.name]) for each in cohorts],
    }
