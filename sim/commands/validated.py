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
    cohorts: Sequence[ObservedCohort], posterior: str | Path | None, table: str = ""
) -> tuple[list[ObservedCohort], list[str]]:
    """Return cohorts, with figures that count as fitted where a posterior was learned from them, and which.

    Parameters
    ----------
    table
        SHA-256 of their table; a cohort file made of one names it as its source.
    """
    known = frozenset() if posterior is None else learned_from(locate_posterior(str(posterior)))
    found, names = list(cohorts), []
    for at, cohort in enumerate(cohorts):
        if table in known or any(each and each in cohort.source for each in known):
            figures = tuple(replace(figure, role="fitted") for figure in cohort.figures)
            found[at] = replace(cohort, figures=figures)
            names.append(cohort.name)
    return found, names


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
