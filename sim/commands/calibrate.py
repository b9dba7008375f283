"""A calibration: the point, what its figures leave open, and whether that can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from sim.calibrate.calibration import Found, Plan, Told
from sim.calibrate.calibration import calibrate as find
from sim.calibrate.tables import lines_of, tables_of
from sim.commands.asked import AnyScenario, about, loaded_from, refuse_both
from sim.commands.learn import learning
from sim.commands.patients import patients_from
from sim.commands.study import Made, Study, Work, request_of, write
from sim.scenario.inherit import Overrides
from sim.scenario.load import Loaded
from sim.scenario.problems import RequestError
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
    patients: str | Path | None = None,
    prior_posterior: str | Path | None = None,
    column: Mapping[str, str] | Sequence[str] = (),
    dates: str | None = None,
    sheet: str | None = None,
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
    patients, column, dates, sheet
        A table of patients of one's own, whose histories are learned from in the place of the targets, and
        how it is read: see `sim.commands.patients.patients_from`.
    prior_posterior
        Where learning from patients begins: the file of a calibration, or the name of a shipped posterior;
        the scenario's priors if left out.
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
        posterior=(bool(loaded.scenario.prior) and not point) or patients is not None,
        alternatives=alternatives,
        workers=how.get("workers", 1),
        cluster=how.get("cluster"),
    )
    if patients is None:
        _refuse_alone(prior_posterior=prior_posterior, column=column, dates=dates, sheet=sheet)
        return write(_study(loaded, plan), how)
    table = patients_from(patients, column, dates, sheet)
    return write(learning(loaded, table, plan, prior_posterior, point=point), how)


def _refuse_alone(**about: object) -> None:
    """Refuse what only patients of one's own give a sense to."""
    for name in (name for name, value in about.items() if value):
        option = name.replace("_", "-")
        raise RequestError(f"--{option}: it is about --patients, which is missing; give both, or neither")


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
