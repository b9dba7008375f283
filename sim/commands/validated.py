"""What is said of a validation, of cohorts as of patients of one's own: facts, and who was learned from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from sim.commands.asked import about
from sim.commands.learned_from import learned_from
from sim.scenario.cohort import ObservedCohort
from sim.scenario.problems import FittedTwiceWarning
from sim.scenario.shipped import locate_posterior
from sim.study.budget import Budget
from sim.study.validate import CoveredCount


def cohort_facts(cohort: ObservedCohort, budget: Budget, result_hash: str) -> dict[str, Any]:
    """Return what a manifest says of one cohort."""
    return {
        "cohort": cohort.name, "base": cohort.base, "source": cohort.source,
        **about(cohort.loaded, budget.draws),
        "result_hash": result_hash, "observed": [asdict(figure) for figure in cohort.figures],
    }  # fmt: skip


def as_learned(
    cohort: ObservedCohort, posterior: str | Path | None, table: str
) -> tuple[ObservedCohort, bool]:
    """Return a cohort, whose figures were fitted if a posterior was learned from its table, and whether.

    Parameters
    ----------
    table
        Holds the SHA-256 of the table, if anything does.
    """
    known = frozenset() if posterior is None else learned_from(locate_posterior(str(posterior)))
    if not any(each in table for each in known if each):
        return cohort, False
    fitted = tuple(replace(figure, role="fitted") for figure in cohort.figures)
    return replace(cohort, figures=fitted), True


def warn_of_learned(names: Sequence[str], posterior: object) -> None:
    """Warn of cohorts that a posterior was learned from."""
    if names:
        FittedTwiceWarning.say(
            f"--posterior {posterior} was learned from {' and '.join(names)}: this is no test, since it was "
            "told the answers. Hold later patients against it, or these against a posterior without them"
        )


def tallies_of(predicted: CoveredCount, apart: CoveredCount) -> dict[str, Any]:
    """Return what a manifest says of how many figures are covered."""
    return {"predicted": _stored(predicted), "apart": _stored(apart)}


def _stored(tally: CoveredCount) -> dict[str, Any]:
    stored = asdict(tally)
    if math.isnan(tally.virtual_mean):
        stored.update(virtual_mean=None, virtual=None)
    return stored
