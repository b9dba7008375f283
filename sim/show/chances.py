"""What is told of the probability that an arm is better than the first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from sim.scenario.changes import in_words
from sim.scenario.endpoints import BY_NAME, Key, key_of
from sim.show.kit.formats import decimals, format_share, written
from sim.show.kit.grid import Cells, Column, Grid, numbers
from sim.show.kit.prose import one_sentence, sentences
from sim.show.kit.scenario_words import in_sentence
from sim.study.compare import SURVIVAL
from sim.study.pilot import RELIABLE
from sim.study.probability import Scatter
from sim.work.results import Results

_SOME, _DIGITS = 0.1, 3


def told(results: Results) -> Mapping[str, Any]:
    """Return what a manifest says of it: endpoint, arms, draws, what is drawn."""
    found: Mapping[str, Any] = results.manifest["probability"]
    return found


def key_asked(results: Results) -> Key:
    """Return the figure that is better or worse."""
    return key_of(told(results)["endpoint"])


def by_arm(results: Results, table: str = "probability") -> list[tuple[str, pd.DataFrame]]:
    """Return the rows of each arm, by rising margins."""
    rows = results.tables[table].sort_values("margin", kind="stable")
    names = results.tables[table]["arm"].drop_duplicates().tolist()
    return [(name, rows[rows["arm"] == name]) for name in names]


def probability_text(row: Mapping[Any, Any], *, interval: bool = True) -> str:
    """Write a probability with its interval: of none or all draws the limit alone."""
    value, lower, upper = (float(row[f"probability{end}"]) for end in ("", "_lower", "_upper"))
    if math.isnan(value):
        return "not known"
    digits = decimals(50 * (upper - lower))
    if round(100 * value, digits) == 0:
        return f"less than {_limit(upper)}"
    if round(100 * value, digits) == 100:
        return f"more than {_limit(lower)}"
    while digits < _DIGITS and any(round(100 * each, digits) in (0, 100) for each in (lower, upper)):
        digits += 1  # a limit that is neither nobody nor everybody is not written so
    text, low, high = (f"{100 * each:.{digits}f}" for each in (value, lower, upper))
    return f"{text}% ({low} to {high}%)" if interval else f"{text}%"


def _limit(share: float) -> str:
    """Write a limit, rounded outwards: what is not 0 stays so, and what is not 100% too."""
    out = math.ceil if share < 0.5 else math.floor
    rest = min(share, 1 - share)
    step = 10.0 ** (math.floor(math.log10(rest)) if rest > 0 else 0)
    return f"{100 * out(share / step) * step:.6g}%"


def margin_text(key: Key, margin: float, *, lives: bool = False) -> str:
    """Write a margin with its unit; empty for none."""
    endpoint = BY_NAME[key[0]]
    if margin == 0:
        return ""
    if endpoint.kind == "mean":
        return f"{written(margin)} {endpoint.unit}".rstrip()
    points = written(100 * margin)
    if lives:
        return f"{points} death{'' if points == '1' else 's'} per 100"
    return f"{points} point{'' if points == '1' else 's'}"


def found_sentences(results: Results) -> list[str]:
    """Say how probable it is that each arm is better, by each margin."""
    asked, key, said = told(results), key_asked(results), []
    for name, rows in by_arm(results):
        apart = name in asked["apart"]
        lives = key[0] == SURVIVAL and not apart
        parts = [
            (margin_text(key, row["margin"], lives=lives), probability_text(row))
            for row in rows.to_dict("records")
        ]
        reference = asked["arms"][0]
        said.append(
            one_sentence(
                "probability", "found", name, reference, in_sentence(key), asked["better"], lives, parts
            )
        )
    if asked["apart"]:
        said += sentences("probability", "apart", asked["apart"], asked["arms"][0])
    return said


def given_sentences(results: Results) -> list[str]:
    """Say given what it is a probability."""
    asked = told(results)
    assumed = [row["key"] for row in results.manifest["parameters"] if row["status"] == "assumption"]
    rest = len({*assumed} - {*asked["drawn"]})
    return sentences("probability", "given", asked, [*map(in_words, asked["uncertain"])], rest)


def scatter_sentences(results: Results) -> list[str]:
    """Say what more draws or trials would do, where draws have Monte Carlo error."""
    asked, said = told(results), list[str]()
    for name, rows in by_arm(results) if asked["trials"] else ():
        own = rows.iloc[0]
        scatter = Scatter(own["between"], own["within"], asked["draws"], asked["trials"])
        needed = scatter.trials_needed
        text = "none" if math.isinf(needed) else f"{needed:,.0f}" if scatter.reliability < RELIABLE else ""
        part = format_share(scatter.reliability, 0.05)
        near = (
            format_share(own["unresolved"], 0.01) if own["unresolved"] > _SOME and own["margin"] == 0 else ""
        )
        facts = (name, part, asked["trials"], text, format_share(RELIABLE), near)
        said += sentences("probability", "scatter", *facts)
    return said


def table(results: Results) -> Grid:
    """Return the probabilities as a table: a row an arm and margin."""
    asked, key = told(results), key_asked(results)
    found: list[Cells] = []
    for name, rows in by_arm(results):
        for row in rows.to_dict("records"):
            cells = (name, margin_text(key, row["margin"]) or "any", probability_text(row))
            counts = [format_share(row[each], 0.01) for each in ("counted", "tied", "unresolved")]
            found.append((*cells, *counts) if asked["trials"] else cells)
    heads = (Column("arm"), *numbers("better by at least", "probability (95%)"))
    more = numbers("counted", "tied", "within error") if asked["trials"] else ()
    title = f"How probable it is that an arm is better than {asked['arms'][0]}"
    return Grid(title, (*heads, *more), found, sentences("probability", "notes", asked["trials"]))
