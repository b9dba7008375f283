"""A study of cohorts to which the model was not fitted: what was observed beside what it predicts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Unpack

from sim.commands.asked import Trials, about, budget_of, facts_of
from sim.commands.study import Made, Study, request_for, write
from sim.scenario.cohort import ObservedCohort, load_cohorts
from sim.scenario.inherit import Overrides
from sim.study.budget import Budget
from sim.study.validate import CoveredCount, Validation
from sim.study.validate import validate as validate_cohorts
from sim.work.results import Results
from sim.work.store import Stores
from sim.work.task import Progress, part


def validate(*cohorts: str | Path, set: Overrides = (), **how: Unpack[Trials]) -> Results:  # noqa: A002
    """Hold the model against cohorts to which it was not fitted.

    Parameters
    ----------
    cohorts
        Shipped names or paths; all that are shipped, if there is none.
    set
        Changes of all of them: values by key.
    how
        See `Trials`.

    Returns
    -------
    Results
        With ``validation``: every figure observed, with what 95% of virtual cohorts of its size report.

    Raises
    ------
    RequestError
        Something asked for is wrong; the message says what is allowed.
    """
    loaded = load_cohorts([str(each) for each in cohorts], set)
    budget = budget_of(how, patient_replications=0, engine="arrays")

    def make(_folder: Path, stores: Stores, progress: Progress | None) -> Made:
        found = validate_cohorts(loaded, budget, part("validation", progress), stores("validate"))
        return Made(_facts(loaded, budget, found), {"validation": found.table})

    def warn(_results: Results) -> None:
        budget.warn_of_held(*(cohort.loaded for cohort in loaded))

    observed = {cohort.name: [asdict(figure) for figure in cohort.figures] for cohort in loaded}
    request = request_for("validate", [cohort.loaded for cohort in loaded], budget, observed=observed)
    return write(Study("validate", "validation", request, make, warn), how)


def _facts(cohorts: Sequence[ObservedCohort], budget: Budget, found: Validation) -> dict[str, Any]:
    return {
        **facts_of(budget, found.replications),
        "tallies": {"predicted": _stored(found.predicted), "apart": _stored(found.apart)},
        "cohorts": [
            {
                "cohort": cohort.name,
                "base": cohort.base,
                "source": cohort.source,
                **about(cohort.loaded, budget.draws),
                "result_hash": found.result_hashes[cohort.name],
                "observed": [asdict(figure) for figure in cohort.figures],
            }
            for cohort in cohorts
        ],
    }


def _stored(tally: CoveredCount) -> dict[str, Any]:
    stored = asdict(tally)
    if math.isnan(tally.virtual_mean):
        stored.update(virtual_mean=None, virtual=None)
    return stored
