"""What is told of the worth of knowing more before an arm is chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from sim.scenario.changes import in_words
from sim.scenario.endpoints import BY_NAME, Key, key_of
from sim.scenario.registry import parameters
from sim.show.kit.formats import decimals, format_range, format_share, interval_texts
from sim.show.kit.grid import Cells, Column, Grid, numbers
from sim.show.kit.prose import sentences
from sim.show.kit.scenario_words import in_sentence
from sim.study.compare import SURVIVAL
from sim.work.results import Results

Worth = Mapping[Any, Any]
"""A row of ``value.csv``."""
_FEW = 3


def told(results: Results) -> dict[str, Any]:
    """Return what a manifest says of it, and how net benefit is called."""
    found = dict(results.manifest["value_of_information"])
    return {**found, "unit_text": unit_text(key_of(found["endpoint"]), found["unit"])}


def unit_text(key: Key, unit: str) -> str:
    """Name the unit of net benefit."""
    if unit == "per 100":
        return "lives per 100 enrolled" if key[0] == SURVIVAL else f"points of {in_sentence(key)}"
    name = key[0].startswith("restricted_mean") and unit == "days"
    return "days of life per patient" if name else f"{unit} of {in_sentence(key)}".strip()


def worths(results: Results) -> list[Worth]:
    """Return all rows, the largest of each kind first."""
    rows = results.tables["value"].sort_values("value", ascending=False, kind="stable")
    trials = rows[rows["what"] == "trial"].sort_values("patients", kind="stable")
    trials = trials.head(0) if agrees(results) else trials  # what changes no choice has shares alone
    first = rows[rows["what"] == "evpi"]
    rest = rows[~rows["what"].isin(["evpi", "trial"])]
    return list(pd.concat([first, rest, trials]).to_dict("records"))


def agrees(results: Results) -> bool:
    """Tell whether all draws agree on the best arm."""
    return bool((results.tables["value"]["what"] == "variance").any())


def known(row: Worth) -> str:
    """Say what would be known."""
    if row["what"] == "evpi":
        return "all that is drawn"
    if row["what"] == "trial":
        return f"a trial of {row['patients']:,.0f} in each arm"
    stem = str(row["group"]).rpartition(".")[0]
    return in_words(row["group"]) if {row["group"], stem} & {*parameters()} else str(row["group"])


def worth_text(row: Worth, *, interval: bool = True) -> str:
    """Write what knowing is worth, with its interval; what is not told apart from nothing as a bound."""
    value, lower, upper = (float(row[name]) for name in ("value", "lower", "upper"))
    if row["what"] == "variance":
        if lower == 0:
            return f"less than {_rounded_up(100 * upper)}%"
        half = (upper - lower) / 2
        text, ends = format_share(value, half), format_range(BY_NAME[SURVIVAL], lower, min(upper, 1.0))
        return f"{text} ({ends})" if interval and ends else text
    if upper == 0:
        return "changes no choice"
    if lower == 0:
        return f"less than {_rounded_up(upper)}"
    texts = interval_texts(value, lower, upper, decimals((upper - lower) / 2))
    return f"{texts[0]} ({texts[1]} to {texts[2]})" if interval else texts[0]


def _rounded_up(value: float) -> str:
    """Write a bound with two digits, rounded up."""
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return f"{math.ceil(value / step - 1e-9) * step:.6g}"


def found_sentences(results: Results) -> list[str]:
    """Say what deciding now loses, on what it hangs, and what is not in it."""
    asked, read, unit = told(results), worths(results), told(results)["unit_text"]
    evpi, parts = read[0], [row for row in read if row["what"] in ("evppi", "variance")]
    if agrees(results):
        shares = [
            (known(row), worth_text(row, interval=False)) for row in parts[:_FEW] if row["value"] >= 0.01
        ]
        most = f"{_rounded_up(300 / asked['draws'])}%"  # the rule of three
        said = sentences("value_of_information", "agree", asked, shares, most)
    else:
        text = worth_text(evpi)
        whole = text.replace(" (", f" {unit} (", 1) if " (" in text else f"{text} {unit}"
        alone = next((row for row in parts if row["lower"] > 0), None)
        bound = f"{_rounded_up(max(row['upper'] for row in parts))} {unit}" if parts else ""
        most_text = "" if alone is None else worth_text(alone, interval=False)
        name = "" if alone is None else known(alone)
        said = sentences("value_of_information", "found", asked, whole, most_text, name, bound)
    mean, low, high = asked["lead"]
    ends = interval_texts(mean, low, high, decimals((high - low) / 2))
    lead = "{} {unit} ({} to {})".format(*ends, unit=unit).replace("-", "\N{MINUS SIGN}")
    statuses = [row["status"] for row in results.manifest["parameters"] if row["key"] not in asked["drawn"]]
    held = len(statuses), statuses.count("assumption")
    share = asked["agreed"]
    agreed = "" if agrees(results) else format_share(share, 0.01 if 0.02 < share < 0.98 else 0.001)
    return [
        *said,
        *sentences("value_of_information", "chosen", asked, lead, agreed),
        *sentences("value_of_information", "left_out", asked, *held),
    ]


def table(results: Results) -> Grid:
    """Return what knowing each is worth."""
    asked, read = told(results), worths(results)
    agree = agrees(results)
    found: list[Cells] = [
        (known(row), worth_text(row)) for row in read if not (agree and row["what"] == "evpi")
    ]
    head = "share of the variance" if agree else asked["unit_text"]
    notes = sentences("value_of_information", "notes", asked, agree)
    title = "What the difference hangs on" if agree else "What it is worth to know before choosing"
    return Grid(title, (Column("known"), *numbers(f"{head} (95%)")), found, notes)
