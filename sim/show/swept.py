"""By how much points of a sweep or a range differ from their reference, in words for figures and tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from sim.scenario.changes import in_words
from sim.scenario.endpoints import Key, key_of, label
from sim.scenario.refusals import toml_text
from sim.scenario.registry import parameters, unit_of
from sim.scenario.schema import Scenario
from sim.scenario.study_file import ARM, SAMPLED
from sim.scenario.values import get_value
from sim.show.kit.formats import Row, format_share, rows, with_unit, written
from sim.show.kit.prose import one_sentence, sentences
from sim.show.kit.scenario_words import in_sentence
from sim.study.records import of_endpoint
from sim.study.sweep import spread_keys
from sim.work.results import Results

_FEW_ARMS = 5
"""Beside the first; so many are told one by one, for arms are what is chosen between."""
Placed = tuple[Mapping[str, Any], Row]
"""An endpoint at a point: the values of what is varied, and its figures."""


def key_with_unit(key: str) -> str:
    """Return a key with its unit, as heads of columns and axes have it."""
    return f"{key} ({unit_of(key)})" if unit_of(key) else key


def meaning(key: str) -> str:
    """Return a key with what it means."""
    stem, _, member = key.rpartition(".")
    if key in parameters():
        return f"{key}: {parameters()[key].meaning}"
    return f"{key}: {member} of {parameters()[stem].meaning}" if stem in parameters() else key


def spot(values: Mapping[str, Any], *, short: bool = False) -> str:
    """Name a point by its values, with their units; `short` leaves the keys out if there is one."""
    if short and len(values) == 1:
        return with_units(values)
    return ", ".join(_placed_at(key, value) for key, value in values.items())


def _placed_at(key: str, value: Any) -> str:
    """Write a value of what is varied: an arm by its name, and what is no parameter after its own."""
    if key == ARM:
        return str(value)
    stem = key.rpartition(".")[0]
    return in_words(key, written(value)) if {key, stem} & {*parameters()} else f"{key}: {written(value)}"


def with_units(values: Mapping[str, Any]) -> str:
    """Write values with their units, without their keys."""
    return ", ".join(with_unit(written(value), unit_of(key)) for key, value in values.items())


def placed(points: pd.DataFrame, keys: Sequence[str], endpoint: Key) -> list[Placed]:
    """Return an endpoint at all points."""
    chosen = of_endpoint(points, endpoint)
    return list(zip(chosen[list(keys)].to_dict("records"), rows(chosen), strict=True))


def changes(series: Sequence[Placed], *, short: bool = False) -> list[str]:
    """Say by how much points differ from the reference at most, up and down, or that none is found to."""
    known = [(values, row) for values, row in series if row.difference_text]
    if not known:
        return []
    ends = [pick(known, key=lambda each: each[1].difference) for pick in (max, min)]
    endpoint = known[0][1].endpoint
    unit = "" if endpoint.kind == "mean" and not endpoint.unit else f" {endpoint.unit or 'points'}"
    found = [
        f"{_united(row.difference_text, unit)} at {spot(values, short=short)}"
        for sign, (values, row) in zip((1, -1), ends, strict=True)
        if row.differs and sign * row.difference > 0
    ]
    if any(row.differs for _, row in known):
        every = [f"{spot(values)} {_united(row.difference_text, unit)}" for values, row in known]
        return every if list(known[0][0]) == [ARM] and len(known) <= _FEW_ARMS else found
    open_ = [each for each in known if each[1].sign_is_open]
    if open_:
        values, row = max(open_, key=lambda each: abs(each[1].difference))
        change, place = _united(row.difference_text, unit), spot(values, short=short)
        return [f"{change}, more or less for all that is known, at {place}"]
    widest = max(max(-row.difference_lower, row.difference_upper) for _, row in known)
    return [f"no difference found: less than {_up(known[0][1], widest)}{unit} either way"]


def _united(text: str, unit: str) -> str:
    """Put a unit after a difference, before its interval if it has one."""
    figure, interval, rest = text.partition(" (")
    return f"{figure}{unit}{interval}{rest}"


def _up(row: Row, limit: float) -> str:
    """Write a limit with two digits, rounded up."""
    size = 100 * limit if row.endpoint.kind == "share" else limit
    step = 10.0 ** (math.floor(math.log10(size)) - 1)
    return f"{math.ceil(size / step - 1e-9) * step:.6g}"


def held(scenario: Scenario, keys: Sequence[str]) -> list[str]:
    """Say what is held of distributions whose means are varied."""
    return [
        sentence
        for sd, mean in spread_keys(scenario, keys).items()
        for sentence in sentences(
            "run", "spread", sd, format_share(get_value(scenario, sd) / get_value(scenario, mean))
        )
    ]


def moved(results: Results) -> Key | None:
    """Return what was not asked for and moves most."""
    name = results.manifest["moves_most"]
    return key_of(name) if name else None


def reference_words(results: Results) -> str:
    """Say from what differences are taken."""
    names = results.manifest["vary"].get(ARM)
    if names:
        return str(names[0])
    return "the first point" if results.manifest["reference"]["which"] == "first" else "this scenario"


def design_of(results: Results) -> str:
    """Return the kind of a study's design."""
    return str(results.manifest["study"].get("design", {}).get("kind", "grid"))


def with_values_of(results: Results) -> pd.DataFrame:
    """Return the points of a sweep with the values varied as given: a file tells no word from a number."""
    points = results.tables["points"].copy()
    for key, own in results.manifest["reference"]["point"].items():
        read: dict[Any, Any] = {}
        for value in (*results.manifest["vary"][key], own):
            is_table = isinstance(value, (Mapping, list, tuple))
            read[toml_text(value) if is_table else str(value)] = written(value) if is_table else value
            read.update({} if is_table else {value: value})
        points[key] = points[key].map(read)
    return points


def _spanned(series: Sequence[Placed], key: Key) -> str:
    """Say between which figures an endpoint lies where no point is one that anybody chose."""
    read = [row for _, row in series if not math.isnan(row.estimate)]
    ends = [pick(read, key=lambda row: row.estimate).simulated_text for pick in (min, max)]
    table = pd.DataFrame([{**values, "estimate": row.estimate} for values, row in series])
    found = {name: rank_correlation(table, name) for name in series[0][0]}
    most = max(found.items(), key=lambda each: abs(each[1]) if each[1] == each[1] else -1.0)
    strongest = (in_words(most[0]), correlation_text(most[1])) if not math.isnan(most[1]) else None
    return f"{one_sentence('study', 'scatter_title', label(key), ends, len(read), strongest)}."


def rank_correlation(own: pd.DataFrame, key: str) -> float:
    """Return Spearman's rank correlation of an endpoint with what is varied; NaN where ranks say little."""
    numeric = pd.to_numeric(own[key], errors="coerce")
    if numeric.isna().any() or numeric.nunique() < 3 or own["estimate"].nunique() < 3:
        return math.nan
    return float(numeric.rank().corr(own["estimate"].rank()))


def correlation_text(rank: float) -> str:
    """Write a rank correlation."""
    return f"rank correlation {rank:+.2f}".replace("-", "\N{MINUS SIGN}")


def found_sentences(results: Results, shown: Sequence[Key]) -> list[str]:
    """Say what a sweep has found: of each endpoint shown, how far it lies from the reference at most."""
    points, keys = with_values_of(results), list(results.manifest["vary"])
    if design_of(results) in SAMPLED:
        return [_spanned(placed(points, keys, key), key) for key in shown]
    said = [
        (in_sentence(key), label(key), changes(placed(points, keys, key)), key == moved(results))
        for key in shown
    ]
    return [
        *sentences("run", "found", said, reference_words(results)),
        *held(results.scenario, results.manifest["keys"]),
    ]
