"""A whole validation: simulate the cohorts, write table and figure, and say what holds and what fails."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from sim.scenario.cohort import Cohort, load_cohorts
from sim.scenario.describe import show_rows
from sim.show.figure_files import write_figures
from sim.show.page import write_page
from sim.show.validation import Drawn, drawn, lines, misses, tallies, tally_sentences
from sim.study.budget import DEFAULT_REPLICATIONS, DEFAULT_SEED, Budget
from sim.study.montecarlo import Progress
from sim.study.request import posterior_record, request_for
from sim.study.run import FORMAT
from sim.study.validate import Tally, Validation
from sim.study.validate import validate as validate_cohorts
from sim.work.folder import MANIFEST, NewFolder, software, write_json
from sim.work.results import read_results

_TABLE = "validation.csv"
_TEXTS = ("reading", "role", "base", "overlaps", "differs", "note", "source")


@dataclass(frozen=True)
class Validated:
    """A finished validation: its folder, and what was found.

    Attributes
    ----------
    table
        ``validation.csv``.
    predicted, apart
        The tallies of all figures that were not fitted, and of those that share nothing with what was.
    sentences
        What was found, in words: what is missed and why it may be, and the tally.
    drawn
        Of which posterior the predictions are, None if of none.
    """

    folder: Path
    table: pd.DataFrame
    predicted: Tally
    apart: Tally
    sentences: tuple[str, ...]
    drawn: Drawn | None = None


def validate_study(
    cohorts: Sequence[Cohort],
    budget: Budget,
    out: Path | None = None,
    *,
    force: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> Validated:
    """Validate some cohorts into a folder with table, figure and manifest.

    Parameters
    ----------
    resume
        Go on with an unfinished validation of the same request, if there is one; a finished one is read back.

    Raises
    ------
    RequestError
        The budget is impossible, or `out` may not be written.
    """
    request = request_for(
        "validate",
        [cohort.loaded for cohort in cohorts],
        budget,
        observed={cohort.name: [asdict(figure) for figure in cohort.figures] for cohort in cohorts},
    )
    new = NewFolder(out, "validation", request, force=force, resume=resume)
    if new.complete:
        return _read_back(new.path)
    with new as folder:
        found = validate_cohorts(cohorts, budget, progress, folder.store("validate"))
        found.table.to_csv(folder.path / _TABLE, index=False, lineterminator="\n")
        manifest = {**_manifest(cohorts, budget, found), "request": request}
        write_json(folder.path / MANIFEST, manifest)
        write_figures(read_results(folder.path))
        write_page(read_results(folder.path), folder.path)
        done = _validated(folder.path, found.table, found.predicted, found.apart, drawn(manifest))
        if budget.draws is not None:
            for cohort in cohorts:
                budget.draws.warn_of_held(cohort.loaded)
    return replace(done, folder=folder.path)


def validate(
    *cohorts: str | Cohort,
    replications: int = DEFAULT_REPLICATIONS,
    seed: int = DEFAULT_SEED,
    out: str | Path | None = None,
    force: bool = False,
) -> Validated:
    """Validate cohorts by name, path or as loaded, all that are shipped if none; see `validate_study`."""
    loaded = [each if isinstance(each, Cohort) else load_cohorts([each])[0] for each in cohorts]
    budget = Budget(replications, seed, 0, engine="arrays")
    folder = None if out is None else Path(out)
    return validate_study(loaded or load_cohorts(()), budget, folder, force=force)


def _validated(
    folder: Path, table: pd.DataFrame, predicted: Tally, apart: Tally, drawn: Drawn | None
) -> Validated:
    sentences = (*misses(lines(table)), *tally_sentences(predicted, apart))
    return Validated(folder, table, predicted, apart, sentences, drawn)


def _read_back(folder: Path) -> Validated:
    """Read a finished validation."""
    results = read_results(folder)
    return _validated(
        folder, results.tables["validation"], *tallies(results.manifest), drawn(results.manifest)
    )


def _stored(tally: Tally) -> dict[str, Any]:
    stored = asdict(tally)
    if math.isnan(tally.virtual_mean):
        stored.update(virtual_mean=None, virtual=None)
    return stored


def _manifest(cohorts: Sequence[Cohort], budget: Budget, found: Validation) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "command": "validate",
        "seed": budget.seed,
        "replications": found.replications,
        **(posterior_record(budget) if budget.draws else {}),
        "engine": budget.engine,
        "tallies": {"predicted": _stored(found.predicted), "apart": _stored(found.apart)},
        "cohorts": [
            {
                "cohort": cohort.name,
                "base": cohort.base,
                "source": cohort.source,
                "chain": list(cohort.loaded.chain),
                "scenario_hash": cohort.loaded.scenario_hash,
                "result_hash": found.result_hashes[cohort.name],
                **(budget.draws.record_of(cohort.loaded) if budget.draws else {}),
                "resolved": cohort.loaded.as_dict(),
                "parameters": show_rows(cohort.loaded),
                "observed": [asdict(figure) for figure in cohort.figures],
            }
            for cohort in cohorts
        ],
        "software": software(),
    }
