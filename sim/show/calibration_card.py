"""The card of a calibration: what was calibrated, to what, how, and what was left undone.

Vanni T, Karnon J, Madan J, White RG, Edmunds WJ, Foss AM, Legood R. Calibrating models in economic
evaluation: a seven-step approach. PharmacoEconomics 2011;29:35-49. Its seven questions are put in other
words here. What was not done is listed as missing; nothing is made up to fill it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import pandas as pd

from sim.calibrate.coverage import WANTED
from sim.calibrate.importance import FEW_DIMENSIONS, FIRST_POINTS, STAGE_POINTS
from sim.calibrate.search import ENOUGH
from sim.patient.luck import BLOCK
from sim.scenario.endpoints import BY_NAME, label
from sim.scenario.registry import parameters
from sim.scenario.schema import Scenario, Target
from sim.show.calibration_shown import Shown, listed, short_name
from sim.show.calibration_words import extrapolation_text
from sim.show.figures.posterior_checks import FEW
from sim.study.estimates import clopper_pearson

CARD = "card.json"
REFERENCE = "Vanni T et al. PharmacoEconomics 2011;29:35-49. doi:10.2165/11584600-000000000-00000"
_FORMAT = 1
Manifest: TypeAlias = Mapping[str, Any]
Facts: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One of the seven questions, with what is said to it, what is missing, and the figures behind it."""

    number: int
    question: str
    said: tuple[str, ...]
    missing: tuple[str, ...]
    facts: Facts


def card(shown: Shown, manifest: Manifest) -> list[Step]:
    """Answer the seven questions from the tables and the manifest of a calibration."""
    steps = []
    for number, (question, answer) in enumerate(_QUESTIONS, start=1):
        said, missing, facts = answer(shown, manifest)
        steps.append(Step(number, question, tuple(said), tuple(missing), facts))
    return steps


def card_text(shown: Shown, manifest: Manifest) -> str:
    """Return the card as it stands in ``card.json``; the same calibration gives the same bytes."""
    whole = {
        "card": "calibration",
        "format": _FORMAT,
        "reference": REFERENCE,
        "title": shown.scenario.title,
        **{name: manifest[name] for name in ("scenario", "scenario_hash")},
        "seed": manifest["plan"]["seed"],
        "software": manifest["software"],
        "steps": [
            {
                "step": step.number, "question": step.question, "said": list(step.said),
                "missing": list(step.missing), **step.facts,
            }
            for step in card(shown, manifest)
        ],
    }  # fmt: skip
    return json.dumps(_plain(whole), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Turn figures into those of JSON: not-a-number becomes null."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


_Answer: TypeAlias = tuple[list[str], list[str], Facts]


def _inputs(shown: Shown, manifest: Manifest) -> _Answer:
    solved, free = manifest["solved"] or {}, shown.keys
    said, missing = [], []
    if solved:
        said.append(f"Solved for at the point: {', '.join(solved)}.")
    else:
        missing.append(
            "a point solution: a place is limited, so a queue may bind, and the exact twin can't solve"
        )
    if free:
        said.append(
            "Free in the posterior, each with a prior that names its source: "
            f"{', '.join(free)}. All other parameters are fixed, at the values that the manifest lists."
        )
    else:
        missing.append(f"a posterior: {_why_no_posterior(shown.scenario)}")
    table = shown.tables.get("parameters", pd.DataFrame())
    rows = {row["key"]: row for row in _records(table)}
    found = []
    for key in dict.fromkeys([*free, *solved]):
        row = rows.get(key, {"key": key, "unit": parameters()[key].unit, "point": solved.get(key)})
        found.append(
            {**row, "meaning": parameters()[key].meaning, "solved": key in solved, "free": key in free}
        )
    return said, missing, {"parameters": found}


def _why_no_posterior(scenario: Scenario) -> str:
    return "it was not asked for (--point)" if scenario.prior else "the scenario states no [[prior]]"


def _targets(shown: Shown, manifest: Manifest) -> _Answer:
    targets = shown.scenario.target
    fitted = [target for target in targets if target.fitted]
    held = [target for target in targets if not target.fitted]
    said = [f"Fitted: {len(fitted)} figures, {_names(fitted)}."]
    if held:
        said.append(f"Compared with, and never fitted: {_names(held)}.")
    said.append("Other cohorts are predicted, never fitted, by lupus-hsct validate.")
    posterior = manifest["posterior"]
    counts = None if posterior is None else posterior["counts"]
    if counts is not None:
        said.append(
            f"The posterior is conditioned on counts: of {counts['enrolled']} enrolled, "
            f"{counts['treatment_deaths_before_reinfusion']} died of the treatment and "
            f"{counts['other_deaths_before_reinfusion']} of something else before reinfusion, "
            f"{counts['withdrawn']} were withdrawn, {counts['reinfused']} reinfused, of whom "
            f"{counts['treatment_deaths_after_reinfusion']} died of the treatment; and on its survival "
            "estimates."
        )
    missing = [] if held else ["a figure of the trial that is held out"]
    return said, missing, {"targets": [target_facts(target) for target in targets], "counts": counts}


def _names(targets: list[Target]) -> str:
    return "; ".join(label((target.endpoint, target.time_years)) for target in targets)


def target_facts(target: Target) -> Facts:
    """Return a target with its exact interval where it is a count."""
    facts: Facts = {
        "endpoint": target.endpoint, "time_years": target.time_years,
        "label": label((target.endpoint, target.time_years)), "value": target.value, "n": target.n,
        "observed": target.observed, "fitted": target.fitted, "source": target.source,
        "lower": None, "upper": None,
    }  # fmt: skip
    if target.n is not None and BY_NAME[target.endpoint].trial == "count":
        counted = round(target.value * target.n) if target.observed is None else target.observed
        facts["lower"], facts["upper"] = clopper_pearson(counted, target.n)
    return facts


def _fit_measure(shown: Shown, manifest: Manifest) -> _Answer:
    said = []
    if manifest["solved"] is not None:
        said.append("The point: figures of the exact twin less published ones, which must vanish.")
    posterior = manifest["posterior"]
    if posterior is None:
        return said, [f"a likelihood: {_why_no_posterior(shown.scenario)}"], {"tolerance": None}
    tolerance = posterior["tolerance"]
    if shown.limited:
        said.append(
            "The posterior: a virtual trial counts if it reports the same counts and every survival estimate "
            f"within {100 * tolerance:g} percentage points; other trials do not count at all."
        )
    else:
        said.append(
            "The likelihood of a parameter point is the probability that a trial reports the figures: a "
            "multinomial for what became of the enrolled by reinfusion, from the exact twin, times the "
            f"share of {BLOCK} virtual trials, with the trial's own accrual and data cut, whose "
            f"Kaplan-Meier estimates all come within {100 * tolerance:g} percentage points and whose "
            "treatment deaths after reinfusion are as many, given as many reinfused. It is divided by "
            "the probability that the estimates are defined, as undefined ones are never printed."
        )
    said.append(
        "Survival estimates are not taken for shares of all reinfused patients: with this follow-up "
        "they tell less than so many fully followed patients would."
    )
    return said, [], {"tolerance": tolerance}


def _strategy(shown: Shown, manifest: Manifest) -> _Answer:
    said = []
    if manifest["solved"] is not None:
        said.append(
            "The point: bounded least squares on logarithms (logits of shares), finished by Newton steps; "
            f"{manifest['evaluations']} evaluations of the exact twin."
        )
    posterior = manifest["posterior"]
    if posterior is None:
        return said, [f"a search for a posterior: {_why_no_posterior(shown.scenario)}"], {"seed": None}
    budget = f"{posterior['points']:,} points, {posterior['virtual_trials']:,} virtual trials in all"
    if shown.limited:
        said.append(
            f"The posterior: {budget}. Scrambled Sobol points of the priors, each with {BLOCK} virtual "
            f"trials, of which {posterior['kept_by_simulation_alone']:,} are kept."
        )
    else:
        first = f"The posterior: importance sampling over scrambled Sobol points; {budget}, {BLOCK} for each."
        if len(posterior["free"]) > FEW_DIMENSIONS and posterior["points"] > FIRST_POINTS:
            first += (
                f" The first {FIRST_POINTS:,} points are the prior's, stages of {STAGE_POINTS:,} follow "
                "from a multivariate t fitted to what was seen, with a tenth of the prior in it; every "
                "point is weighted by the mixture of all stages (the balance heuristic)."
            )
        said.append(first)
    said.append(f"Seed {manifest['plan']['seed']}; every point has luck of its own, addressed by its number.")
    facts = {name: posterior[name] for name in ("points", "stages", "virtual_trials")}
    return said, [], {"seed": manifest["plan"]["seed"], **facts, "evaluations": manifest["evaluations"]}


def _acceptance(shown: Shown, manifest: Manifest) -> _Answer:
    said: list[str] = []
    missing: list[str] = []
    if manifest["solved"] is not None:
        worst = float(shown.tables["residuals"]["residual"].abs().max())
        said.append(
            f"The point meets every target to {worst:.1g}; the Jacobian has rank {manifest['rank']} of "
            f"{len(manifest['solved'])}, condition number {manifest['condition']:.3g}."
        )
    posterior = manifest["posterior"]
    facts: Facts = {"directions": [], "simulation_alone": [], "coverage": []}
    if posterior is None:
        return said, [f"checks of a posterior: {_why_no_posterior(shown.scenario)}"], facts
    said.append(
        f"Effective sample size {posterior['effective_size']:,.0f}, largest weight "
        f"{posterior['largest_weight']:.2%}, log evidence {posterior['log_evidence']:.3f} (standard error "
        f"{posterior['log_evidence_se']:.3f})."
    )
    rough = rough_text(manifest)
    if rough:
        said.append(rough)
    names = ("effective_size", "largest_weight", "log_evidence", "log_evidence_se")
    facts.update({name: posterior[name] for name in names})
    facts["directions"] = _records(shown.tables["directions"])
    said.append(directions_text(shown.tables["directions"]))
    for text, is_missing in (_alone_text(shown, facts), _coverage_text(shown, manifest, facts)):
        (missing if is_missing else said).append(text)
    return said, missing, facts


def directions_text(directions: pd.DataFrame) -> str:
    """Say how many directions of the parameter space the figures identify."""
    counts = directions["status"].value_counts()
    words = {"identified": "identified", "in part": "identified in part", "free": "free"}
    parts = [f"{counts.get(status, 0) or 'none'} {text}" for status, text in words.items()]
    return (
        f"Of {len(directions)} directions of the parameter space {listed(parts)} (less than 25%, less than "
        "80%, and 80% or more of the prior's variance left)."
    )


def rough_text(manifest: Manifest) -> str:
    """Warn of a posterior that rests on few draws; empty if it does not."""
    posterior = manifest["posterior"]
    if posterior is None or posterior["effective_size"] >= ENOUGH:
        return ""
    return (
        f"The posterior rests on an effective sample size of {posterior['effective_size']:,.0f}; below "
        f"{ENOUGH:.0f} fewer than ten draws lie beyond either 95% limit, so that the limits are rough."
    )


def _alone_text(shown: Shown, facts: Facts) -> tuple[str, bool]:
    if shown.limited:
        return "a second way to the posterior: where a queue may bind, simulation alone is the only one", True
    if "simulation_alone" not in shown.tables:
        return "the posterior by simulation alone, as a check: it was not asked for (--simulation N)", True
    table = shown.tables["simulation_alone"]
    facts["simulation_alone"] = _records(table)
    largest = float(table[["z_mean", "z_sd"]].abs().max().max())
    rough = f" With fewer than {FEW} kept, standard errors are themselves rough." if shown.kept < FEW else ""
    return (
        f"By simulation alone {shown.kept:,} virtual trials are kept; means and SDs differ by at most "
        f"{largest:.1f} standard errors.{rough}",
        False,
    )


def _coverage_text(shown: Shown, manifest: Manifest, facts: Facts) -> tuple[str, bool]:
    if shown.limited:
        return "coverage: where a queue may bind it is not checked", True
    if "coverage" not in shown.tables:
        return "coverage, whether posteriors keep their word: it was not asked for (--coverage N)", True
    table = shown.tables["coverage"]
    facts["coverage"] = _records(table)
    posterior = manifest["posterior"]
    facts["coverage_trials"], facts["coverage_left_out"] = (
        posterior["coverage_trials"], posterior["coverage_left_out"]
    )  # fmt: skip
    own, control = (table[table["method"] == method] for method in ("simulated", "binomial"))
    covered = "; ".join(f"{short_name(row['quantity'])} {row['covered']:.0%}" for row in _records(own))
    failed = int((~control["as_said"].astype(bool)).sum())
    return (
        f"Coverage of {WANTED:.0%} intervals in {posterior['coverage_trials']} virtual trials "
        f"({posterior['coverage_left_out']} left out): {covered}. The negative control, which takes survival "
        f"estimates for shares, fails for {failed} of {len(control)}.",
        False,
    )


def _stopping(shown: Shown, manifest: Manifest) -> _Answer:
    plan, posterior = manifest["plan"], manifest["posterior"]
    said = []
    if manifest["solved"] is not None:
        said.append(
            "The point: the largest residual must fall below 1e-8; otherwise the calibration is refused."
        )
    if posterior is None:
        return said, [f"a stopping rule of a posterior: {_why_no_posterior(shown.scenario)}"], {}
    if shown.limited:
        said.append(f"The posterior: after {posterior['virtual_trials']:,} virtual trials, as asked for.")
        return said, [], {"virtual_trials_asked": plan["trials"]}
    reached = posterior["effective_size"] >= plan["size"]
    said.append(
        f"The posterior: at an effective sample size of {plan['size']:,}, or after {plan['points']:,} "
        f"points; {'the size was reached' if reached else 'the points ran out first'}."
    )
    facts = {"effective_size_asked": plan["size"], "most_points": plan["points"], "reached": reached}
    return said, [], facts


def _integration(shown: Shown, manifest: Manifest) -> _Answer:
    said, missing = [], []
    if manifest["solved"] is not None:
        said.append("solved.toml is a scenario file at the point: lupus-hsct run solved.toml.")
    facts: Facts = {"answers": [], "alternatives": []}
    if shown.draws is None:
        return said, [f"uncertainty of the answers: {_why_no_posterior(shown.scenario)}"], facts
    said.append(
        "posterior.csv holds the joint draws, so that correlations are kept; run, sweep, compare and "
        "validate take them with --posterior, and give every answer with its posterior interval."
    )
    facts["answers"] = _records(shown.tables["answers"])
    if "alternatives" in shown.tables:
        table = shown.tables["alternatives"]
        facts["alternatives"] = _records(table)
        weights = "; ".join(f"{row['title']} {row['posterior_weight']:.0%}" for row in _records(table))
        said.append(f"Other ways to see the trial, with their posterior weights: {weights}.")
    elif not shown.scenario.alternative:
        missing.append("other ways to see the trial: the scenario states no [[alternative]]")
    elif shown.limited:
        missing.append("other ways to see the trial: where a queue may bind they are not looked at")
    else:
        missing.append("other ways to see the trial: they were left out (--no-alternatives)")
    said.append(extrapolation_text(shown.scenario))
    return said, missing, facts


_QUESTIONS: tuple[tuple[str, Callable[[Shown, Manifest], _Answer]], ...] = (
    ("Which inputs are calibrated?", _inputs),
    ("To which targets?", _targets),
    ("How is goodness of fit measured?", _fit_measure),
    ("How are parameters searched?", _strategy),
    ("What makes a result acceptable?", _acceptance),
    ("When does the search stop?", _stopping),
    ("How are the results used and presented?", _integration),
)
