"""Figures and pages of finished studies, until they are made from folders alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sim.calibrate.calibration import Found
from sim.commands.terminal import Comparison, Validated, key_of
from sim.scenario.schema import Scenario
from sim.study.named_patients import NamedPatients
from sim.study.pairing import FATES_CHANGED
from sim.study.run import Written, read_run
from sim.work.results import Results


def show_run(found: Written, scenario: Scenario, results: Results, formats: Sequence[str]) -> None:
    """Draw a run, and write its page."""
    from sim.show.kit.style import save
    from sim.show.report import FILE, make_report, render
    from sim.show.run_figures import run_figures

    folder = _figures(results)
    run = read_run(folder.parent)
    for name, figure, data in run_figures(found, run, scenario):
        save(figure, folder, name)
        if data is not None:
            data.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    (folder.parent / FILE).write_bytes(render(make_report(run)).encode())


def _figures(results: Results) -> Path:
    if results.folder is None:
        raise ValueError("only a folder has figures")
    figures = results.folder / "figures"
    figures.mkdir(exist_ok=True)
    return figures


def show_sweep(results: Results, formats: Sequence[str]) -> None:
    """Draw a sweep."""
    from sim.show.kit.style import save
    from sim.show.run_figures import varied_figures

    folder = _figures(results)
    shown = [key_of(text) for text in results.manifest["shown"]]
    keys = list(results.manifest["vary"])
    for name, figure in varied_figures(results.scenario, results.points, keys, shown, "sweep"):
        save(figure, folder, name)


def show_validation(results: Results, formats: Sequence[str]) -> None:
    """Draw a validation."""
    from sim.show.figures.validation import figure_data, validation_figure
    from sim.show.kit.style import save

    done, folder = Validated.of(results), _figures(results)
    titles = {name: scenario.title for name, scenario in results.scenarios.items()}
    save(validation_figure(done.table, done.predicted, done.apart, titles, done.drawn), folder, "validation")
    figure_data(done.table).to_csv(folder / "validation.csv", index=False, lineterminator="\n")


def show_calibration(found: Found, results: Results, formats: Sequence[str]) -> None:
    """Draw a calibration, and write its page and its card."""
    from sim.show.calibration_page import write_page
    from sim.show.calibration_shown import Shown

    if results.folder is None:
        raise ValueError("only a folder has a page")
    names = [name for name in results.tables if name not in ("repeats", "priors", "ridge", "no_transplant")]
    tables = {name: results.tables[name] for name in names}
    write_page(Shown.of(found, tables), results.manifest, results.folder)


def show_compare(named: Mapping[str, NamedPatients], results: Results, formats: Sequence[str]) -> None:
    """Draw differences and swimmers; with several scenarios the files carry their names."""
    from sim.show.figures.differences import differences_figure
    from sim.show.figures.swimmer import paired_swimmer_figure
    from sim.show.kit.posterior_words import FIRST_DRAW
    from sim.show.kit.style import save

    done, folder, scenarios = Comparison.of(results), _figures(results), results.scenarios
    for name in done.names:
        ending = (
            "" if len(done.names) == 1 else f"_{name.replace(' ', '_').replace('(', '').replace(')', '')}"
        )
        finding = done.sentences[name][0].partition(";")[0].removesuffix(".")
        said = dict.fromkeys(scenarios[each].caution for each in (done.reference, name))
        cautions = [*filter(None, said)]
        both = (done.reference, name)
        of_one = [FIRST_DRAW, *cautions] if done.draws else cautions
        figure = differences_figure(
            done.comparison, done.ranges, both, finding, cautions, held=done.held[name], draws=done.draws
        )
        save(figure, folder, f"differences{ending}")
        shown = (
            [number - 1 for change in FATES_CHANGED for number in named[name].of(change)]
            if name in named
            else []
        )
        if shown:
            table = named[name].table
            until = float(table.loc[table["change"].isin([*FATES_CHANGED]), "shared_days"].max())
            first, second = named[name].histories
            figure = paired_swimmer_figure(first, second, 0, both, shown, until, notes=of_one)
            save(figure, folder, f"swimmer{ending}")
