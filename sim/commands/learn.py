"""A calibration to patients of one's own: what their histories add to what is known."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sim.calibrate.calibration import Plan, draws_of, simulated_trial
from sim.calibrate.histories import Learned, before_table, learn, learned_tables
from sim.centre.described import Described
from sim.centre.patients import CAUSES, OwnPatients
from sim.centre.reading import ReadTable
from sim.commands.asked import about
from sim.commands.learned_from import learned_from
from sim.commands.patients import patients_from
from sim.commands.study import Made, Study, Work, request_of
from sim.outcomes.binomial import clopper_pearson
from sim.scenario.load import Loaded
from sim.scenario.problems import RequestError, UnlikeModelWarning
from sim.scenario.shipped import locate_posterior
from sim.show.learned import FIRST, all_figures
from sim.study.budget import DEFAULT_DRAW_REPLICATIONS
from sim.study.posterior import read_posterior
from sim.work.results import Results
from sim.work.store import Stores
from sim.work.task import Progress, part

_ABOUT_FIGURES = {"simulation": "trials", "coverage": "coverage"}


class Learning(Work, total=False):
    """How a calibration is done that may learn from patients of one's own, in the place of the targets.

    ``patients`` is their table; ``column``, ``dates`` and ``sheet`` say how it is read: see
    `sim.commands.patients.patients_from`. Learning begins at ``prior_posterior``, the file of a calibration
    or the name of a shipped posterior; at the scenario's priors if that is left out.
    """

    patients: str | Path | None
    column: Mapping[str, str] | Sequence[str]
    dates: str | None
    sheet: str | None
    prior_posterior: str | Path | None


_ABOUT_TABLES = ("column", "dates", "sheet", "prior_posterior")


def table_of(how: Learning) -> ReadTable | None:
    """Read the table of patients; None if none is given.

    Raises
    ------
    RequestError
        Something is wrong in it, or something is asked for that is about a table, and none is given.
    """
    file = how.get("patients")
    if file is not None:
        return patients_from(file, how.get("column", ()), how.get("dates"), how.get("sheet"))
    for name in _ABOUT_TABLES:
        if how.get(name):
            option = f"--{name.replace('_', '-')}"
            raise RequestError(f"{option}: it is about --patients, which is missing; give both, or neither")
    return None


def learning(loaded: Loaded, table: ReadTable, plan: Plan, how: Learning, *, point: bool) -> Study:
    """Return the study that learns from patients.

    Parameters
    ----------
    point
        Whether only a point was asked for, which patients have not.

    Raises
    ------
    RequestError
        Something is asked for that is about a trial's figures, or the posterior can't be read.
    """
    wrong = [f"--{name}" for name, own in _ABOUT_FIGURES.items() if getattr(plan, own)]
    if point or wrong:
        names = ", ".join(["--point"] * point + wrong)
        raise RequestError(
            f"{names}: about the figures of a trial, and --patients learns from histories; leave it out"
        )
    known, reference, behind = None, how.get("prior_posterior"), frozenset[str]()
    if reference is not None:
        path = locate_posterior(str(reference))
        known, behind = (str(reference), read_posterior(path)[0]), learned_from(path)
    if table.sha256 in behind:
        raise RequestError(
            f"--prior-posterior {reference}: was learned from this very table, whose patients would count "
            "twice; begin with another posterior, or give only patients who are not in it yet"
        )

    def make(_folder: Path, stores: Stores, progress: Progress | None) -> Made:
        learned = learn(
            loaded.scenario,
            table.patients,
            seed=plan.seed,
            wanted_size=plan.size,
            most_points=plan.points,
            prior=known,
            tell=part("posterior", progress),
        )
        tables = learned_tables(learned, loaded.scenario)
        for name, posterior in (("predictions_before", learned.before), ("predictions", learned.after)):
            drawn = draws_of(posterior, loaded.scenario, plan.seed)
            arm = simulated_trial(
                loaded.scenario, drawn, DEFAULT_DRAW_REPLICATIONS, plan, stores(name), part(name, progress)
            )
            tables[name] = arm.endpoints()
        tables["curves"] = arm.curves()
        tables["seen"] = _seen_figures(table.patients)
        facts = _facts(loaded, table, plan, learned, known and known[0])
        facts["posterior"]["learned_from"] = sorted(behind)
        return Made(facts, tables, lines={"priors": before_table(learned)})

    record = {"patients": table.record, "prior_posterior": known and known[0]}
    request = request_of("learn", [loaded], **plan.asked, **record)
    return Study("learn", f"{loaded.folder_name}-own-patients", request, make, _warn)


def _warn(results: Results) -> None:
    """Warn of figures that the model can't bring together with the patients it has learned from."""
    apart = [figure for figure in all_figures(results) if figure.apart]
    if apart:
        worst = max(apart, key=lambda figure: abs(figure.seen[0] - figure.after[0]))
        UnlikeModelWarning.say(
            f"{worst.label}: {worst.seen_text} in your patients, and {worst.text(worst.after)} with them: "
            f"intervals without anything in common ({len(apart)} such figures). The model does not bring "
            "forth such patients, and its figures are not theirs. Hold them against it with `lupus-hsct "
            "validate`, and look for what differs"
        )


def _seen_figures(patients: OwnPatients) -> pd.DataFrame:
    """Return what was seen of the figures that are told first, with exact or log-log intervals."""
    kept = ("figure", "time_years", "estimate", "lower", "upper", "n", "at_risk", "interval", "small_cell")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few at risk: they stand beside the interval
        found = [each for each in Described(patients).figures if each.figure in FIRST]
    table = pd.DataFrame([{name: getattr(each, name) for name in kept} for each in found], columns=kept)
    # An estimate of 0 has no log-log limits: so many died of so many, which has an exact one.
    none, size = table["estimate"].eq(0) & table["upper"].isna(), max(int(patients.reinfused.sum()), 1)
    table.loc[none, ["lower", "upper", "interval"]] = 0.0, clopper_pearson(0, size)[1], "Clopper-Pearson"
    return table


def _facts(
    loaded: Loaded, table: ReadTable, plan: Plan, learned: Learned, begun_with: str | None
) -> dict[str, Any]:
    after, found = learned.after, learned.sample
    return {
        "seed": plan.seed,
        "solved": None,
        "plan": plan.asked,
        "patients": {**table.record, **seen(table.patients)},
        "posterior": {
            "free": list(after.keys),
            "prior_posterior": begun_with,
            "points": len(after.values) if found is None else len(found.z),
            "stages": None if found is None else list(found.stages),
            "effective_size": after.effective_size,
            "effective_size_before": None if found is not None else learned.before.effective_size,
            "largest_weight": float(after.weights.max()),
            "log_evidence": learned.evidence[0],
            "log_evidence_se": learned.evidence[1],
        },
        **about(loaded),
    }


def seen(patients: OwnPatients) -> dict[str, Any]:
    """Return how many there are, and what was seen of them: counts, and days that belong to nobody."""
    own, since = patients, np.where(patients.reinfused, patients.transplanted, np.nan)
    late = (own.cause == "treatment") & own.past_treatment
    followed = (own.last_seen - since)[own.reinfused & ~own.dead]
    return {
        "patients": len(own),
        "reinfused": int(own.reinfused.sum()),
        "relapsed": int(own.has_relapsed.sum()) if own.relapse_recorded else None,
        "dead_before_reinfusion": int((own.dead & ~own.reinfused).sum()),
        "dead": int(own.dead.sum()),
        "late_treatment_deaths": int(late.sum()),
        "dead_by_cause": {cause: int((own.cause == cause).sum()) for cause in CAUSES},
        "median_follow_up_days": float(np.median(followed)) if followed.size else None,
        "from_transplant": own.from_transplant,
        "reconstructed": own.reconstructed,
    }
