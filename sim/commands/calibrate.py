"""A calibration: the point, what its figures leave open, and whether that can be trusted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Unpack

import pandas as pd

from sim.calibrate.calibration import Found, Plan, Told
from sim.calibrate.calibration import calibrate as find
from sim.calibrate.point import PointFit
from sim.calibrate.profiles import profiles
from sim.calibrate.tables import (
    alone_table,
    answer_table,
    directions,
    estimate_table,
    moved_table,
    no_transplant_table,
    parameter_table,
    prior_table,
    ridge_table,
    search_table,
    weight_table,
)
from sim.commands.asked import AnyScenario, about, loaded_from, refuse_both
from sim.commands.study import Made, Study, Work, request_of, write
from sim.scenario.endpoints import label
from sim.scenario.inherit import Overrides
from sim.scenario.load import Loaded
from sim.scenario.registry import unit_of
from sim.scenario.values import get_value
from sim.scenario.write import solved_text
from sim.study.budget import DEFAULT_EFFECTIVE_SIZE, DEFAULT_POINTS, DEFAULT_SEED
from sim.study.posterior import posterior_table
from sim.work.results import Results
from sim.work.store import Stores
from sim.work.task import Progress

SOLVED = "solved.toml"
_OF_SAMPLE = ("effective_size", "largest_weight", "log_evidence", "log_evidence_se")


def calibrate(
    scenario: AnyScenario,
    *,
    set: Overrides = (),  # noqa: A002 (the option's name)
    point: bool = False,
    effective_size: int = DEFAULT_EFFECTIVE_SIZE,
    points: int = DEFAULT_POINTS,
    alternatives: bool = True,
    simulation: int | None = None,
    coverage: int | None = None,
    **how: Unpack[Work],
) -> Results:
    """Calibrate a scenario: solve for the point, and say what its figures leave open.

    Parameters
    ----------
    scenario
        A shipped name, a path, or what `load_scenario` and `with_values` return.
    set
        Changes of it: values by key.
    point
        Whether the point is enough, without a posterior.
    effective_size, points
        Independent draws that the posterior should be worth, and the most points to look at for it.
    alternatives
        Whether the scenario's alternatives are looked at too.
    simulation, coverage
        Virtual trials for the posterior by simulation alone, and those whose posteriors are checked.
    how
        See `Work`.

    Returns
    -------
    Results
        With ``solved``, and with a posterior ``parameters``, ``answers``, ``posterior`` and more.

    Raises
    ------
    RequestError
        The targets can't be met, do not identify the parameters or contradict the priors; or something else
        asked for is wrong.
    """
    loaded = loaded_from(scenario, set)
    refuse_both(how)
    plan = Plan(
        seed=how.get("seed", DEFAULT_SEED),
        size=effective_size,
        points=points,
        trials=simulation or 0,
        coverage=coverage or 0,
        posterior=bool(loaded.scenario.prior) and not point,
        alternatives=alternatives,
        workers=how.get("workers", 1),
        cluster=how.get("cluster"),
    )
    return write(_study(loaded, plan), how)


def _study(loaded: Loaded, plan: Plan) -> Study:
    def make(folder: Path, stores: Stores, progress: Progress | None) -> Made:
        found = find(loaded, plan, stores, progress)
        tables = dict(_tables(found))
        told = found.told
        return Made(
            _facts(loaded, plan, found),
            tables,
            rows={} if told is None else {"repeats": told.repeats},
            lines={} if told is None else _lines(told, tables["directions"]),
            texts={} if found.fit is None else {SOLVED: solved_text(loaded, found.fit.values, folder)},
        )

    request = request_of("calibrate", [loaded], **plan.asked)
    return Study("calibrate", f"{loaded.folder_name}-calibration", request, make, lambda _results: None)


def _tables(found: Found) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the tables by the names of their files."""
    if found.fit is not None:
        yield "solved", _solved(found.fit)
        yield "residuals", _residuals(found.fit)
        yield "jacobian", _jacobian(found.fit)
    if found.told is not None:
        yield from _told(found.told)


def _told(told: Told) -> Iterator[tuple[str, pd.DataFrame]]:
    posterior = told.main.posterior
    point = [float(get_value(told.scenario, key)) for key in posterior.keys]
    yield "posterior", posterior_table(posterior, point)
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


def _lines(told: Told, known: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return what only figures draw: priors, free directions, and survival without a transplant."""
    ridge = ridge_table(told.main, known)
    return {"priors": prior_table(told.main.free), "ridge": ridge, "no_transplant": no_transplant_table(told)}


def _solved(fit: PointFit) -> pd.DataFrame:
    rows = [(key, value, fit.before[key], unit_of(key)) for key, value in fit.values.items()]
    return pd.DataFrame(rows, columns=["key", "value", "before", "unit"])


def _residuals(fit: PointFit) -> pd.DataFrame:
    met = zip(fit.targets, fit.residuals, fit.scenario.fitted_targets, strict=True)
    rows = [(*key, label(key), target.value, float(left), target.source) for key, left, target in met]
    return pd.DataFrame(rows, columns=["endpoint", "time_years", "label", "target", "residual", "source"])


def _jacobian(fit: PointFit) -> pd.DataFrame:
    """Return how every figure moves with the logarithm (the logit of a share) of every parameter."""
    table = pd.DataFrame(fit.jacobian, columns=list(fit.values))
    table.insert(0, "figure", [label(key) for key in fit.targets])
    return table


def _facts(loaded: Loaded, plan: Plan, found: Found) -> dict[str, Any]:
    fit, told = found.fit, found.told
    # What is solved answers to its targets again, whatever was changed before.
    again = {"what_if": False, "purpose": ""} if loaded.scenario.what_if else {}
    return {
        "seed": plan.seed,
        "solved": None if fit is None else fit.values,
        **{name: getattr(fit, name, None) for name in ("rank", "condition", "evaluations")},
        "plan": plan.asked,
        "posterior": None if told is None else _search(told),
        **about(loaded),
        "resolved": found.scenario.model_dump(exclude_none=True) | again,
    }


def _search(told: Told) -> dict[str, Any]:
    main, published = told.main, told.main.published
    return {
        "free": list(main.free.keys),
        "points": len(main.sample.z),
        "stages": list(main.sample.stages),
        "virtual_trials": main.trials,
        **{name: getattr(main.sample, name) for name in _OF_SAMPLE},
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
        **{f"coverage_{name}": getattr(told.coverage, name, None) for name in ("trials", "left_out")},
    }
