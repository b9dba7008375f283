"""A whole calibration: solve, find the posterior, check it, and write tables, a scenario file and figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from sim.calibrate.alternatives import moved_table, weight_table
from sim.calibrate.answers import answer_table
from sim.calibrate.calibration import Calibrated, Found, Plan, Progress, Told, calibrate
from sim.calibrate.identification import directions
from sim.calibrate.point import PointFit
from sim.calibrate.profiles import profiles
from sim.calibrate.tables import alone_table, estimate_table, parameter_table, search_table
from sim.scenario.describe import show_rows
from sim.scenario.endpoints import label
from sim.scenario.load import Loaded
from sim.scenario.problems import RequestError
from sim.scenario.registry import parameters
from sim.scenario.values import get_value
from sim.scenario.write import solved_text
from sim.show.calibration_page import write_page
from sim.show.calibration_shown import Shown
from sim.show.figure_files import write_figures
from sim.study.posterior import write_posterior
from sim.study.request import request_of
from sim.study.run import FORMAT
from sim.work.folder import MANIFEST, NewFolder, software, write_json
from sim.work.results import Results
from sim.work.spool import write_parquet

POSTERIOR = "posterior.csv"
SOLVED = "solved.toml"


def calibrate_study(
    loaded: Loaded,
    plan: Plan,
    out: Path | None = None,
    *,
    force: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> Calibrated:
    """Calibrate a scenario into a folder: tables, manifest, solution as a scenario file, figures, and a page.

    Raises
    ------
    RequestError
        The targets can't be met, do not identify the parameters or contradict the priors, or `out` may not
        be written.
    """
    request = request_of("calibrate", [loaded], **plan.asked)
    new = NewFolder(out, f"{loaded.name}-calibration", request, force=force, resume=resume)
    if new.complete:
        raise RequestError(
            f"--resume: {new.path} holds this calibration, finished; look into its files, or make it again "
            "with --force instead of --resume"
        )
    with new as folder:
        found = calibrate(loaded, plan, folder.store, progress)
        tables = dict(_tables(found))
        for name, table in tables.items():
            table.to_csv(folder.path / f"{name}.csv", index=False, lineterminator="\n", float_format="%.10g")
        if found.fit is not None:
            text = solved_text(loaded, found.fit.values, folder.path)
            (folder.path / SOLVED).write_text(text, "utf-8")
        if found.told is not None:
            posterior = found.told.main.posterior
            point = [float(get_value(found.scenario, key)) for key in posterior.keys]
            write_posterior(posterior, point, folder.path / POSTERIOR)
            write_parquet(found.told.repeats, folder.path / "repeats.parquet")
        manifest = {**_manifest(loaded, plan, found), "request": request}
        write_json(folder.path / MANIFEST, manifest)
        shown = Shown.of(found, tables)
        if shown.draws is not None:
            write_figures(figure_results(shown, manifest, folder.path))
        write_page(shown, manifest, folder.path)
    return Calibrated(folder.path, found, tables)


def figure_results(shown: Shown, manifest: dict[str, Any], folder: Path) -> Results:
    """Return a calibration with the tables that only its figures need, which are written into figures/."""
    figures = folder / "figures"
    figures.mkdir(exist_ok=True)
    for name, table in shown.own.items():
        table.to_csv(figures / f"{name}.csv", index=False, lineterminator="\n", float_format="%.10g")
    drawn = shown.draws if shown.draws is not None else pd.DataFrame()
    posterior = pd.concat([drawn.head(1), drawn], ignore_index=True)  # the file begins with the point
    tables = {**shown.tables, **shown.own, "posterior": posterior, "repeats": shown.reported}
    return Results(manifest, tables, folder)


def _tables(found: Found) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the tables by the names of their files."""
    if found.fit is not None:
        yield "solved", _solved(found.fit)
        yield "residuals", _residuals(found.fit)
        yield "jacobian", _jacobian(found.fit)
    if found.told is not None:
        yield from _told(found.told)


def _told(told: Told) -> Iterator[tuple[str, pd.DataFrame]]:
    yield "parameters", parameter_table(told)
    yield "answers", answer_table(told.scenario, told.main)
    yield "estimates", estimate_table(told)
    yield "predictions", told.predictions
    yield "curves", told.curves
    yield "at_point", told.at_point
    yield "directions", directions(told.main)
    if told.main.sample.history:
        yield "search", search_table(told)
        yield "profiles", profiles(told.main)
    if len(told.seen) > 1:
        yield "alternatives", weight_table(told.seen)
        yield "moved", moved_table(told.seen)
    if told.alone is not None:
        yield "simulation_alone", alone_table(told, told.alone)
    if told.coverage is not None:
        yield "coverage", told.coverage.table
        yield "ranks", told.coverage.ranks


def _solved(fit: PointFit) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "key": key,
                "value": value,
                "before": fit.before[key],
                "unit": parameters()[key].unit if key in parameters() else "",
            }
            for key, value in fit.values.items()
        ]
    )


def _residuals(fit: PointFit) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "endpoint": key[0],
                "time_years": key[1],
                "label": label(key),
                "target": target.value,
                "residual": float(residual),
                "source": target.source,
            }
            for key, residual, target in zip(
                fit.targets, fit.residuals, fit.scenario.fitted_targets, strict=True
            )
        ]
    )


def _jacobian(fit: PointFit) -> pd.DataFrame:
    """Return how every figure moves with the logarithm (the logit of a share) of every parameter."""
    table = pd.DataFrame(fit.jacobian, columns=list(fit.values))
    table.insert(0, "figure", [label(key) for key in fit.targets])
    return table


def _manifest(loaded: Loaded, plan: Plan, found: Found) -> dict[str, Any]:
    fit, told = found.fit, found.told
    return {
        "format": FORMAT,
        "command": "calibrate",
        "scenario": loaded.name,
        "scenario_hash": loaded.scenario_hash,
        "solved": None if fit is None else fit.values,
        "rank": None if fit is None else fit.rank,
        "condition": None if fit is None else fit.condition,
        "evaluations": None if fit is None else fit.evaluations,
        "plan": plan.asked,
        "posterior": None if told is None else _search(told),
        "software": software(),
        "resolved": found.scenario.model_dump(exclude_none=True),
        "parameters": show_rows(loaded),
    }


def _search(told: Told) -> dict[str, Any]:
    main, published = told.main, told.main.published
    return {
        "free": list(main.free.keys),
        "points": len(main.sample.z),
        "stages": list(main.sample.stages),
        "virtual_trials": main.trials,
        "effective_size": main.sample.effective_size,
        "largest_weight": main.sample.largest_weight,
        "log_evidence": main.sample.log_evidence,
        "log_evidence_se": main.sample.log_evidence_se,
        "counts": {
            "enrolled": published.enrolled,
            "treatment_deaths_before_reinfusion": published.treatment_before,
            "other_deaths_before_reinfusion": published.others_before,
            "withdrawn": published.withdrawn,
            "reinfused": published.reinfused,
            "treatment_deaths_after_reinfusion": published.treatment_after,
        },
        "tolerance": published.tolerance,
        "kept_by_simulation_alone": told.kept,
        "coverage_trials": None if told.coverage is None else told.coverage.trials,
        "coverage_left_out": None if told.coverage is None else told.coverage.left_out,
    }
