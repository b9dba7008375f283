"""What the terminal tells of a finished study: its tables and sentences, in their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from sim.show import run_tables, strata
from sim.show.contents import shown_in
from sim.show.kit.grid import Grid
from sim.show.kit.posterior_words import scope, sized, under_draws
from sim.show.kit.scenario_words import head
from sim.show.swept import found_sentences
from sim.work.results import Results

_MOST_POINTS = 24

Block: TypeAlias = Grid | list[str]
"""A table under its title, or lines."""


def told(results: Results, *, full: bool = False) -> Iterator[Block]:
    """Yield what is told of a study, to be set apart by empty lines.

    Parameters
    ----------
    full
        Whether every endpoint of a run is told, and not just those with a target.
    """
    if len(results.scenarios) > 1 and (changed := head(results)):
        yield [changed]
    yield from _TOLD[results.kind](results, full)
    if results.table("strata") is not None:
        yield strata.grid(results)
        yield strata.sentences_of(results)
    if results.kind != "run" and (drawn := scope(results.manifest)):  # a run's stands beneath its table
        yield drawn


def _size(results: Results) -> str:
    manifest = results.manifest
    return f"{sized(int(manifest['replications']), results.draws)}, seed {manifest['seed']}"


def _run(results: Results, full: bool) -> Iterator[Block]:
    scenario, points = results.scenario, results.table("range")
    grid = run_tables.published(
        results.tables["endpoints"], scenario, points, full=full, manifest=results.manifest
    )
    yield replace(grid, title=f"{scenario.title}: {_size(results)}")
    yield from told_over_range(results)


def told_over_range(results: Results) -> Iterator[Grid]:
    """Yield the table of a run over its range, if it has one."""
    points = results.table("range")
    if points is not None:
        title = f"{results.manifest['scenario']}, over the range:"
        yield replace(run_tables.over_range(points, results.scenario), title=title)


def told_of_several(named: Mapping[str, Results]) -> Iterator[Block]:
    """Yield what is told of several runs: one table of all the figures that were printed."""
    runs = list(named.values())
    counts = sorted({int(run.manifest["replications"]) for run in runs})
    count = f"{counts[0]:,} to {counts[-1]:,}" if len(counts) > 1 else f"{counts[0]:,}"
    size = f"{count} replications{under_draws(runs[0].draws)}, seed {runs[0].manifest['seed']}"
    found = [(name, run.tables["endpoints"], run.scenario) for name, run in named.items()]
    yield [f"{name}: {run.scenario.title}" for name, run in named.items()]
    yield replace(run_tables.targets(found), title=f"Every printed figure: {size}")
    if drawn := scope(runs[0].manifest):
        yield drawn


def _study(results: Results, _full: bool) -> Iterator[Block]:
    manifest = results.manifest
    keys, shown = list(manifest["vary"]), shown_in(manifest)
    from sim.show import studied

    title = results.scenario.title + (
        f": each point {_size(results)}" if results.draws and manifest["simulated"] else ""
    )
    for each in studied.answers(results):
        yield each.sentences
        yield from (grid for grid in (*each.before, *each.grids) if grid.rows)
    if not manifest["vary"]:
        yield studied.how(results)
        return
    grid = replace(run_tables.swept(results.tables["points"], keys, shown), title=title)
    if len(grid.rows) > _MOST_POINTS:
        rest = len(grid.rows) - _MOST_POINTS
        more = f"{rest:,} more points stand in points.csv and, for a spreadsheet, in wide.csv."
        grid = replace(grid, rows=grid.rows[:_MOST_POINTS], notes=[more, *grid.notes])
    yield grid
    yield [*found_sentences(results, shown), *studied.how(results)]


def _compare(results: Results, _full: bool) -> Iterator[Block]:
    from sim.show import comparison

    yield from _why(results)
    others = comparison.names(results)[1:]
    if len(others) > 1:  # one closing table; the page has them all
        yield comparison.ranking(results)[:1]
        grid = comparison.ranked(results)
        yield replace(grid, title=f"{grid.title}: {_size(results)}")
        yield [comparison.found_sentences(results, name)[0] for name in others]
        return
    for name in others:
        said, grid = comparison.found_sentences(results, name), comparison.compared(results, name)
        apart = bool(comparison.why_incomparable(results, name))
        yield from [said] if apart else []  # before any figure
        yield replace(grid, title=f"{grid.title}: {_size(results)}")
        yield from comparison.over_ranges(results, name)
        yield from [] if apart else [said]
        named = comparison.named_patients(results, name)
        if named.rows:
            yield named


def _why(results: Results) -> Iterator[Block]:
    """Yield what the gap comes with, where that was asked."""
    if "explain" in results.manifest:
        from sim.show import studied

        why = studied.explanation(results)
        yield from (grid for grid in (*why.before, *why.grids) if grid.rows)
        yield why.sentences


def _solve(results: Results, _full: bool) -> Iterator[Block]:
    from sim.show import thresholds

    yield replace(thresholds.table(results), title=results.scenario.title)
    yield [thresholds.finding(results)]
    yield thresholds.sentences_of(results)


def _validate(results: Results, _full: bool) -> Iterator[Block]:
    from sim.show import own_patients, validation

    manifest = results.manifest
    own = "own" in manifest
    grid = own_patients.predictions(results) if own else validation.predictions(results)
    cohorts = (
        f"{manifest['replications']:,} virtual cohorts{'' if own else ' each'}{under_draws(results.draws)}"
    )
    yield replace(grid, title=f"{grid.title}: {cohorts}, seed {manifest['seed']}")
    for sentence in own_patients.answer(results) if own else validation.found_sentences(results):
        yield [sentence]


def _calibrate(results: Results, _full: bool) -> Iterator[Block]:
    from sim.show.calibration_tables import for_terminal

    yield [results.scenario.title]
    yield from for_terminal(results)


def _patients(results: Results, _full: bool) -> Iterator[Block]:
    from sim.show import described

    yield [described.title(results), *described.cautions(results.manifest), f"{described.finding(results)}."]
    yield from described.grids(results)


def _learn(results: Results, _full: bool) -> Iterator[Block]:
    from sim.show import learned

    yield [results.scenario.title]
    yield learned.seen_sentences(results)
    yield from learned.grids(results)
    yield learned.found_sentences(results)
    yield [*learned.rests_on(results), learned.caution(results.scenario)]


_TOLD = {
    "run": _run, "study": _study, "compare": _compare, "validate": _validate, "calibrate": _calibrate,
    "solve": _solve, "learn": _learn, "patients": _patients,
}  # fmt: skip
