"""A whole comparison: simulate, name the patients, write tables and figures, and say what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from sim.scenario.describe import show_rows
from sim.scenario.load import Loaded, load
from sim.scenario.problems import RequestError
from sim.scenario.schema import Scenario
from sim.show.comparison import Averted, number_needed
from sim.show.figure_files import write_figures
from sim.show.page import write_page
from sim.study.budget import DEFAULT_REPLICATIONS, DEFAULT_SEED, Budget
from sim.study.compare import Compared, obstacles, warn_of_unpaired
from sim.study.compare import compare as compare_scenarios
from sim.study.figure_tables import paired_courses
from sim.study.load import warn_of_scenarios
from sim.study.montecarlo import Progress, warn_of_weak_figures
from sim.study.named_patients import NamedPatients, name_patients
from sim.study.pairing import FATES_CHANGED
from sim.study.request import posterior_record, precision_text, request_for
from sim.study.run import FORMAT
from sim.work.folder import MANIFEST, NewFolder, software, write_json
from sim.work.results import read_results


@dataclass(frozen=True)
class Comparison:
    """A finished comparison: its folder, and the tables of its files.

    Attributes
    ----------
    replications
        How many were simulated.
    reference, names
        The reference, and what is compared with it; a name given twice is numbered.
    comparison, ranges, averted, changed
        ``comparison.csv``, ``range.csv``, ``deaths_averted.csv``, ``changed_fates.csv``.
    named
        ``named_patients.csv``: the patients of one trial whose fates differ.
    draws
        Under how many draws of a posterior, whose the intervals then are; None without one.
    """

    folder: Path
    replications: int
    reference: str
    names: tuple[str, ...]
    comparison: pd.DataFrame
    ranges: pd.DataFrame
    averted: pd.DataFrame
    changed: pd.DataFrame
    named: pd.DataFrame
    draws: int | None = None


def compare_study(
    loaded: Sequence[Loaded],
    budget: Budget,
    trial: int = 1,
    out: Path | None = None,
    *,
    force: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> Comparison:
    """Compare scenarios into a folder with tables, manifest and figures.

    Parameters
    ----------
    loaded
        The reference first.
    trial
        Number of the virtual trial whose patients are named, from 1.

    Raises
    ------
    RequestError
        There is nothing to compare with, the trial is not among the replications, the budget is
        impossible, or `out` may not be written.
    """
    if not 1 <= trial <= budget.replications:
        raise RequestError(
            f"--trial: {trial} given; allowed: one of the {budget.replications} replications, counted from 1"
        )
    names = _names(loaded)
    scenarios = {name: each.scenario for name, each in zip(names, loaded, strict=True)}
    reference, others = (names[0], scenarios[names[0]]), {name: scenarios[name] for name in names[1:]}
    held = _held(loaded, names, budget)
    request = request_for("compare", loaded, budget, trial=trial)
    new = NewFolder(out, f"{loaded[0].name}-compare", request, force=force, resume=resume)
    if new.complete:
        raise RequestError(
            f"--resume: {new.path} holds this comparison, finished; look into its files, or make it again "
            "with --force instead of --resume"
        )
    with new as folder:
        found = compare_scenarios(reference, others, budget, progress, folder.store("compare"), held)
        named = _named(scenarios, names, budget, trial, held)
        done = _comparison(found, named, names, budget, folder.path)
        _write(done, folder.path)
        write_json(folder.path / MANIFEST, _manifest(loaded, names, budget, trial, found))
        _draw(named, done, folder.path)
        write_page(read_results(folder.path), folder.path)
        _warn(reference, others, done, budget)
        if budget.draws is not None:
            for each in loaded:
                budget.draws.warn_of_held(each)
    return replace(done, folder=folder.path)


def _held(loaded: Sequence[Loaded], names: Sequence[str], budget: Budget) -> dict[str, tuple[str, ...]]:
    """Return what draws of a posterior must not replace in each scenario; they must be about all of them."""
    if budget.draws is None:
        return {}
    for each in loaded:
        budget.draws.require(each)
    return {name: budget.draws.held_in(each) for name, each in zip(names, loaded, strict=True)}


def _named(
    scenarios: Mapping[str, Scenario],
    names: Sequence[str],
    budget: Budget,
    trial: int,
    held: Mapping[str, Sequence[str]],
) -> dict[str, NamedPatients]:
    """Name the patients of one trial as it was simulated: under draws of a posterior, under the first."""
    played = {name: _first_drawn(each, budget, held.get(name, ())) for name, each in scenarios.items()}
    return {
        name: name_patients(played[names[0]], played[name], trial, budget.seed)
        for name in names[1:]
        if not obstacles(scenarios[names[0]], scenarios[name])
    }


def _first_drawn(scenario: Scenario, budget: Budget, held: Sequence[str]) -> Scenario:
    return scenario if budget.draws is None else budget.draws.first(scenario, held)


def compare(
    reference: str | Loaded,
    *others: str | Loaded,
    replications: int = DEFAULT_REPLICATIONS,
    seed: int = DEFAULT_SEED,
    trial: int = 1,
    out: str | Path | None = None,
    force: bool = False,
) -> Comparison:
    """Compare scenarios by name, path or as loaded; see `compare_study`, which the command line calls."""
    loaded = [load(each) if isinstance(each, str) else each for each in (reference, *others)]
    return compare_study(
        loaded, Budget(replications, seed), trial, None if out is None else Path(out), force=force
    )


def _names(loaded: Sequence[Loaded]) -> tuple[str, ...]:
    """Return the scenarios' names; the second of one name is numbered, so that rows can be told apart."""
    names: list[str] = []
    for each in loaded:
        name, number = each.name, 1
        while name in names:
            number += 1
            name = f"{each.name} ({number})"
        names.append(name)
    return tuple(names)


def _comparison(
    found: Compared,
    named: Mapping[str, NamedPatients],
    names: tuple[str, ...],
    budget: Budget,
    folder: Path,
) -> Comparison:
    """Add to the tables what they say in words."""
    averted = found.averted.copy()
    averted["number_needed"] = [number_needed(Averted.of(row)) for row in averted.to_dict("records")]
    tables = [each.table.assign(scenario=name) for name, each in named.items()]
    listed = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["scenario"])
    listed.insert(0, "scenario", listed.pop("scenario"))
    return Comparison(
        folder,
        found.replications,
        names[0],
        names[1:],
        found.comparison,
        found.ranges,
        averted,
        found.changed,
        listed,
        None if budget.draws is None else len(budget.draws.values),
    )


def _write(done: Comparison, folder: Path) -> None:
    """Write the tables; a range, or names, only where there are any."""
    tables = {
        "comparison": done.comparison,
        "deaths_averted": done.averted,
        "range": done.ranges if len(done.ranges) else None,
        "changed_fates": done.changed if len(done.changed) else None,
        "named_patients": done.named if len(done.changed) else None,
    }
    for name, table in tables.items():
        if table is not None:
            table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")


def _draw(named: Mapping[str, NamedPatients], done: Comparison, folder: Path) -> None:
    """Draw differences and swimmers; with several scenarios the files carry their names."""
    figures = folder / "figures"
    figures.mkdir(exist_ok=True)
    tables = [
        paired_courses(name, list(zip((done.reference, name), each.histories, strict=True)), shown)
        for name, each in named.items()
        if (shown := _swimmers(each))
    ]
    if tables:
        courses = pd.concat(tables, ignore_index=True)
        courses.to_csv(figures / "swimmer.csv", index=False, lineterminator="\n")
    write_figures(read_results(folder))


def _swimmers(named: NamedPatients) -> list[int]:
    """Return whose fate changes, by number from 0: first who lives or dies instead."""
    return [number - 1 for change in FATES_CHANGED for number in named.of(change)]


def _manifest(
    loaded: Sequence[Loaded], names: Sequence[str], budget: Budget, trial: int, found: Compared
) -> dict[str, Any]:
    scenarios = [
        {
            "scenario": name,
            "chain": list(each.chain),
            "scenario_hash": each.scenario_hash,
            "unpaired_because": obstacles(loaded[0].scenario, each.scenario),
            "result_hash": found.result_hashes[name],
            "first_decided": found.first_decided.get(name),
            **(budget.draws.record_of(each) if budget.draws else {}),
            "resolved": each.as_dict(),
            "parameters": show_rows(each),
        }
        for name, each in zip(names, loaded, strict=True)
    ]
    return {
        "format": FORMAT,
        "command": "compare",
        "reference": names[0],
        "trial": trial,
        "seed": budget.seed,
        "replications": found.replications,
        "precision": precision_text(budget),
        **(posterior_record(budget) if budget.draws else {}),
        "engine": budget.engine,
        "software": software(),
        "scenarios": scenarios,
    }


def _warn(
    reference: tuple[str, Scenario], others: Mapping[str, Scenario], done: Comparison, budget: Budget
) -> None:
    # Of what single trials can't report nothing is shown here: only too few replications are warned of.
    warn_of_weak_figures(done.comparison.head(0), budget.total)
    warn_of_scenarios([reference[1], *others.values()], budget.seed)
    warn_of_unpaired(reference, others)
