"""A whole validation: simulate the cohorts, write table and figure, and say what holds and what fails."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from sim.scenario.cohort import ObservedCohort, load_cohorts
from sim.scenario.describe import show_rows
from sim.show.figures.validation import figure_data, validation_figure
from sim.show.kit.style import save
from sim.show.validation_words import ROLES, Drawn, lines, misses, scope, tally_sentences
from sim.study.budget import DEFAULT_REPLICATIONS, DEFAULT_SEED, Budget
from sim.study.montecarlo import Progress
from sim.study.request import posterior_record, request_for
from sim.study.run import FORMAT
from sim.study.validate import CoveredCount, Validation
from sim.study.validate import validate as validate_cohorts
from sim.work.folder import MANIFEST, NewFolder, read_json, software, write_json
from sim.work.spool import read_csv

_TABLE = "validation.csv"
_TEXTS = ("reading", "role", "base", "overlaps", "differs", "note", "source")
_PREDICTIVE = (
    "Predictive interval: what 95% of virtual cohorts of this size report at their data cut, each read as "
    "its paper reads it. z: the observed figure's mid-rank among them, as a normal score."
)
_USE = (
    "Use: fitted, the model was solved for it, and it counts for nothing; overlaps, it shares something with "
    "what was fitted; held out, it shares nothing."
)


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
    predicted: CoveredCount
    apart: CoveredCount
    sentences: tuple[str, ...]
    drawn: Drawn | None = None


def validate_study(
    cohorts: Sequence[ObservedCohort],
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
        figures = folder.path / "figures"
        figures.mkdir()
        titles = {cohort.name: cohort.scenario.title for cohort in cohorts}
        drawn = _drawn(manifest)
        figure = validation_figure(found.table, found.predicted, found.apart, titles, drawn)
        save(figure, figures, "validation")
        figure_data(found.table).to_csv(figures / _TABLE, index=False, lineterminator="\n")
        done = _validated(folder.path, found.table, found.predicted, found.apart, drawn)
        if budget.draws is not None:
            for cohort in cohorts:
                budget.draws.warn_of_held(cohort.loaded)
    return replace(done, folder=folder.path)


def validate(
    *cohorts: str | ObservedCohort,
    replications: int = DEFAULT_REPLICATIONS,
    seed: int = DEFAULT_SEED,
    out: str | Path | None = None,
    force: bool = False,
) -> Validated:
    """Validate cohorts by name, path or as loaded, all that are shipped if none; see `validate_study`."""
    loaded = [each if isinstance(each, ObservedCohort) else load_cohorts([each])[0] for each in cohorts]
    budget = Budget(replications, seed, 0, engine="arrays")
    folder = None if out is None else Path(out)
    return validate_study(loaded or load_cohorts(()), budget, folder, force=force)


def validation_table(done: Validated) -> Table:
    """Return every figure beside its prediction, cohort by cohort; no cell is ever cut short."""
    table = Table(
        caption=Text("\n".join(["", _PREDICTIVE, *scope(done.drawn), _USE])),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("cohort", overflow="fold")
    table.add_column("", overflow="fold")
    for heading in ("observed", "predicted", "predictive\ninterval", "covered", "z", "use"):
        table.add_column(heading, justify="right", overflow="fold")
    read = lines(done.table)
    for place, line in enumerate(read):
        first = place == 0 or read[place - 1].cohort != line.cohort
        last = place + 1 < len(read) and read[place + 1].cohort != line.cohort
        interval = line.interval_text
        if line.undefined >= 0.005:
            interval = f"{interval}\n{line.undefined:.0%} undefined".strip()
        table.add_row(
            line.cohort if first else "",
            line.label,
            line.observed_text,
            line.predicted_text,
            interval,
            line.verdict,
            line.z_text,
            ROLES[line.role],
            end_section=last,
        )
    return table


def _validated(
    folder: Path, table: pd.DataFrame, predicted: CoveredCount, apart: CoveredCount, drawn: Drawn | None
) -> Validated:
    sentences = (*misses(lines(table)), *tally_sentences(predicted, apart))
    return Validated(folder, table, predicted, apart, sentences, drawn)


def _drawn(manifest: dict[str, Any]) -> Drawn | None:
    """Read off a manifest of which posterior the predictions are."""
    if manifest.get("posterior") is None:
        return None
    held = {each["cohort"]: each["held"] for each in manifest["cohorts"] if each["held"] and each["free"]}
    own = tuple(each["cohort"] for each in manifest["cohorts"] if not each["free"])
    return Drawn(manifest["draws"], manifest["replications"], own, held)


def _read_back(folder: Path) -> Validated:
    """Read a finished validation."""
    kinds = {"covered": "boolean", "n": "Int64", **dict.fromkeys(_TEXTS, "str")}
    table = read_csv(folder / _TABLE, kinds)
    table[list(_TEXTS)] = table[list(_TEXTS)].fillna("")
    manifest = read_json(folder / MANIFEST) or {}
    tallies = manifest["tallies"]
    drawn = _drawn(manifest)
    return _validated(folder, table, _tally(tallies["predicted"]), _tally(tallies["apart"]), drawn)


def _tally(stored: dict[str, Any]) -> CoveredCount:
    low, high = stored["binomial"]
    mean, (least, most) = stored["virtual_mean"], stored["virtual"] or (math.nan, math.nan)
    known = math.nan if mean is None else mean
    return CoveredCount(stored["figures"], stored["covered"], (low, high), known, (least, most))


def _stored(tally: CoveredCount) -> dict[str, Any]:
    stored = asdict(tally)
    if math.isnan(tally.virtual_mean):
        stored.update(virtual_mean=None, virtual=None)
    return stored


def _manifest(cohorts: Sequence[ObservedCohort], budget: Budget, found: Validation) -> dict[str, Any]:
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
