"""A calibration: the point, what its figures leave open, and whether that can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Unpack

from sim.calibrate.calibration import Found, Plan, Told
from sim.calibrate.calibration import calibrate as find
from sim.calibrate.tables import lines_of, tables_of
from sim.commands.asked import AnyScenario, about, loaded_from, refuse_both
from sim.commands.learn import Learning, learning, table_of
from sim.commands.study import Made, Study, request_of, write
from sim.scenario.inherit import Overrides
from sim.scenario.load import Loaded
from sim.scenario.write import solved_text
from sim.study.budget import DEFAULT_EFFECTIVE_SIZE, DEFAULT_POINTS, DEFAULT_SEED
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
    **how: Unpack[Learning],
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
        See `Learning`.

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
        posterior=(bool(loaded.scenario.prior) and not point) or how.get("patients") is not None,
        alternatives=alternatives,
        workers=how.get("workers", 1),
        cluster=how.get("cluster"),
    )
    table = table_of(how)
    if table is None:
        return write(_study(loaded, plan), how)
    return write(learning(loaded, table, plan, how, point=point), how)


def _study(loaded: Loaded, plan: Plan) -> Study:
    def make(folder: Path, stores: Stores, progress: Progress | None) -> Made:
        found = find(loaded, plan, stores, progress)
        tables = dict(tables_of(found))
        told = found.told
        return Made(
            _facts(loaded, plan, found),
            tables,
            rows={} if told is None else {"repeats": told.repeats},
            lines={} if told is None else lines_of(told, tables["directions"]),
            texts={} if found.fit is None else {SOLVED: solved_text(loaded, found.fit.values, folder)},
        )

    request = request_of("calibrate", [loaded], **plan.asked)
    return Study("calibrate", f"{loaded.folder_name}-calibration", request, make, lambda _results: None)


def _facts(loaded: Loaded, plan: Plan, found: Found) -> dict[str, Any]:
    fit, told = found.fit, found.told
    # What is solved answers to its targets again, whatever was changed before.
    again = {"what_if": False, "purpose": ""} if loaded.scenario.what_if else {}
    return {
        "seed": plan.seed,
        "solved": None if fit is None else fit.values,
        "unmet": found.unmet,
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
