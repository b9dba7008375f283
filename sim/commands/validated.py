"""What a manifest says of a validation, of cohorts as of patients of one's own."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from sim.commands.asked import about
from sim.scenario.cohort import ObservedCohort
from sim.study.budget import Budget
from sim.study.validate import CoveredCount


def cohort_facts(cohort: ObservedCohort, budget: Budget, result_hash: str) -> dict[str, Any]:
    """Return what a manifest says of one cohort."""
    return {
        "cohort": cohort.name, "base": cohort.base, "source": cohort.source,
        **about(cohort.loaded, budget.draws),
        "result_hash": result_hash, "observed": [asdict(figure) for figure in cohort.figures],
    }  # fmt: skip


def tallies_of(predicted: CoveredCount, apart: CoveredCount) -> dict[str, Any]:
    """Return what a manifest says of how many figures are covered."""
    return {"predicted": _stored(predicted), "apart": _stored(apart)}


def _stored(tally: CoveredCount) -> dict[str, Any]:
    stored = asdict(tally)
    if math.isnan(tally.virtual_mean):
        stored.update(virtual_mean=None, virtual=None)
    return stored
