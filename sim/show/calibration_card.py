"""The card of a calibration: what was calibrated, to what, how, and what was left undone.

Vanni T, Karnon J, Madan J, White RG, Edmunds WJ, Foss AM, Legood R. Calibrating models in economic
evaluation: a seven-step approach. PharmacoEconomics 2011;29:35-49. Its seven questions are put in other
words, in a template. What was not done is listed as missing; nothing is made up to fill it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, TypeAlias

from sim.calibrate.coverage import WANTED
from sim.calibrate.importance import FEW_DIMENSIONS, FIRST_POINTS, STAGE_POINTS
from sim.outcomes.binomial import clopper_pearson
from sim.patient.luck import BLOCK
from sim.scenario.endpoints import BY_NAME, label
from sim.scenario.registry import parameters
from sim.scenario.schema import Target
from sim.show.calibration_shown import FEW_KEPT, Shown, records, short_name
from sim.show.calibration_words import directions_text, extrapolation_text, rough_text
from sim.show.kit.formats import counted
from sim.show.kit.prose import Item, items

CARD = "card.json"
REFERENCE = "Vanni T et al. PharmacoEconomics 2011;29:35-49. doi:10.2165/11584600-000000000-00000"
_FORMAT = 1
Manifest: TypeAlias = Mapping[str, Any]
Facts: TypeAlias = dict[str, Any]


def card(shown: Shown, manifest: Manifest) -> list[Item]:
    """Answer the seven questions from the tables and the manifest of a calibration."""
    targets, tables, posterior = shown.scenario.target, shown.tables, manifest["posterior"]
    ways = _records(shown, "alternatives")
    figures = [(label((target.endpoint, target.time_years)), target.fitted) for target in targets]
    return items(
        "card",
        scenario=shown.scenario,
        manifest=manifest,
        posterior=posterior,
        solved=list(manifest["solved"] or ()),
        free=shown.keys,
        fitted=[name for name, is_fitted in figures if is_fitted],
        compared=[name for name, is_fitted in figures if not is_fitted],
        limited=shown.limited,
        block=BLOCK,
        few_dimensions=FEW_DIMENSIONS,
        first_points=FIRST_POINTS,
        stage_points=STAGE_POINTS,
        worst=float(tables["residuals"]["residual"].abs().max()) if "residuals" in tables else math.nan,
        rough=rough_text(manifest),
        directions=directions_text(tables["directions"]) if posterior else "",
        alone=_alone(shown),
        few_kept=FEW_KEPT,
        coverage=_coverage(shown),
        wanted=WANTED,
        reached=_reached(manifest),
        alternatives=[f"{way['title']} {way['posterior_weight']:.0%}" for way in ways],
        extrapolation=extrapolation_text(shown.scenario),
    )


def _alone(shown: Shown) -> Facts | None:
    if "simulation_alone" not in shown.tables:
        return None
    largest = shown.tables["simulation_alone"][["z_mean", "z_sd"]].abs().max().max()
    return {"kept": shown.kept, "largest": float(largest)}


def _coverage(shown: Shown) -> Facts | None:
    rows = _records(shown, "coverage")
    if not rows:
        return None
    control = [row for row in rows if row["method"] == "binomial"]
    simulated = [row for row in rows if row["method"] == "simulated"]
    own = [f"{short_name(row['quantity'])} {row['covered']:.0%}" for row in simulated]
    return {"own": own, "control": len(control), "failed": sum(not row["as_said"] for row in control)}


def _reached(manifest: Manifest) -> bool:
    posterior = manifest["posterior"]
    return posterior is not None and bool(posterior["effective_size"] >= manifest["plan"]["size"])


def _records(shown: Shown, name: str) -> list[dict[str, Any]]:
    return records(shown.tables[name]) if name in shown.tables else []


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
            {**_step(item), **facts_of(shown, manifest)}
            for item, facts_of in zip(card(shown, manifest), _FACTS, strict=True)
        ],
    }
    return json.dumps(_plain(whole), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _step(item: Item) -> Facts:
    said = [each.text for each in item.said]
    return {"step": int(item.number), "question": item.title, "said": said, "missing": list(item.missing)}


def _plain(value: Any) -> Any:
    """Turn figures into those of JSON: not-a-number becomes null."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _inputs(shown: Shown, manifest: Manifest) -> Facts:
    solved, free = manifest["solved"] or {}, shown.keys
    rows = {row["key"]: row for row in _records(shown, "parameters")}
    found = []
    for key in dict.fromkeys([*free, *solved]):
        row = rows.get(key, {"key": key, "unit": parameters()[key].unit, "point": solved.get(key)})
        meaning = parameters()[key].meaning
        found.append({**row, "meaning": meaning, "solved": key in solved, "free": key in free})
    return {"parameters": found}


def _targets(shown: Shown, manifest: Manifest) -> Facts:
    counts = None if manifest["posterior"] is None else manifest["posterior"]["counts"]
    return {"targets": [target_facts(target) for target in shown.scenario.target], "counts": counts}


def target_facts(target: Target) -> Facts:
    """Return a target with its exact interval where it is a count."""
    facts: Facts = {
        "endpoint": target.endpoint, "time_years": target.time_years,
        "label": label((target.endpoint, target.time_years)), "value": target.value, "n": target.n,
        "observed": target.observed, "fitted": target.fitted, "source": target.source,
        "lower": None, "upper": None,
    }  # fmt: skip
    if target.n is not None and BY_NAME[target.endpoint].trial == "count":
        count = counted(target.value, target.n) if target.observed is None else target.observed
        if count is not None:
            facts["lower"], facts["upper"] = clopper_pearson(count, target.n)
    return facts


def _fit(_shown: Shown, manifest: Manifest) -> Facts:
    return {"tolerance": None if manifest["posterior"] is None else manifest["posterior"]["tolerance"]}


def _search(_shown: Shown, manifest: Manifest) -> Facts:
    posterior = manifest["posterior"]
    if posterior is None:
        return {"seed": None}
    facts = {name: posterior[name] for name in ("points", "stages", "virtual_trials")}
    return {"seed": manifest["plan"]["seed"], **facts, "evaluations": manifest["evaluations"]}


def _acceptance(shown: Shown, manifest: Manifest) -> Facts:
    facts: Facts = {name: _records(shown, name) for name in ("directions", "simulation_alone", "coverage")}
    posterior = manifest["posterior"]
    if posterior is not None:
        names = ("effective_size", "largest_weight", "log_evidence", "log_evidence_se")
        facts.update({name: posterior[name] for name in names})
        if facts["coverage"]:
            facts.update({name: posterior[name] for name in ("coverage_trials", "coverage_left_out")})
    return facts


def _stopping(shown: Shown, manifest: Manifest) -> Facts:
    plan, posterior = manifest["plan"], manifest["posterior"]
    if posterior is None:
        return {}
    if shown.limited:
        return {"virtual_trials_asked": plan["trials"]}
    return {
        "effective_size_asked": plan["size"], "most_points": plan["points"], "reached": _reached(manifest)
    }  # fmt: skip


def _answers(shown: Shown, _manifest: Manifest) -> Facts:
    return {name: _records(shown, name) for name in ("answers", "alternatives")}


_FACTS = (_inputs, _targets, _fit, _search, _acceptance, _stopping, _answers)
