"""What a sensitivity tells: how much of what is not known hangs on each parameter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from sim.scenario.changes import in_words
from sim.scenario.endpoints import BY_NAME, key_of
from sim.scenario.registry import parameters
from sim.show.kit.formats import decimals, format_value, interval_texts
from sim.show.kit.grid import Cells, Column, Grid, numbers
from sim.show.kit.prose import one_sentence, sentences
from sim.show.kit.scenario_words import in_sentence
from sim.study.sensitivity import BELOW, DUMMY, UNEXPLAINED
from sim.work.results import Results

Interval = tuple[float, float, float]
_NAMED = 2


class Share(NamedTuple):
    """One row of ``indices.csv``: of a parameter, a group, or of neither.

    ``alone`` is what it explains itself; ``whole`` its total index, or its Shapley effect.
    """

    name: str
    keys: str
    drawn_from: str
    alone: Interval
    whole: Interval
    status: str

    @property
    def words(self) -> str:
        """How people call it."""
        return in_words(self.name) if self.name.rpartition(".")[0] and self.keys == self.name else self.name


def asked(results: Results) -> Mapping[str, Any]:
    """Return what a manifest says of it."""
    found: Mapping[str, Any] = results.manifest["sensitivity"]
    return found


def shares(results: Results) -> list[Share]:
    """Return all rows of ``indices.csv``."""
    whole = "total" if asked(results)["method"] == "sobol" else "shapley"
    found = []
    for row in results.tables["indices"].to_dict("records"):
        text = {name: "" if row[name] != row[name] else str(row[name])
                for name in ("parameter", "keys", "drawn_from", "status")}  # fmt: skip
        alone, other = (
            (float(row[name]), float(row[f"{name}_lower"]), float(row[f"{name}_upper"]))
            for name in ("first", whole)
        )
        found.append(Share(text["parameter"], text["keys"], text["drawn_from"], alone, other, text["status"]))
    return found


def of_parameters(results: Results) -> list[Share]:
    """Return the rows of parameters and groups, the one that matters most first."""
    return [each for each in shares(results) if each.keys]


def share_text(share: Interval, floor: float = 0.0) -> str:
    """Write a share of the variance with its interval; below the floor only that it is there."""
    value, lower, upper = share
    if math.isnan(value):
        return ""
    if value < floor:
        return f"< {floor_text(floor)}"
    low, high = max(lower, 0.0), min(upper, 1.0)  # neither less than nothing nor more than all
    digits = decimals(100 * (high - low) / 2)
    text, *ends = interval_texts(100 * value, 100 * low, 100 * high, digits)
    return f"{text}% ({ends[0]} to {ends[1]}%)"


def floor_text(floor: float) -> str:
    """Write the floor, rounded up: to whole per cents, or to the first digit of less."""
    unit = 10.0 ** min(math.floor(math.log10(100 * floor)), 0) if floor > 0 else 1.0
    return f"{math.ceil(100 * floor / unit - 1e-9) * unit:g}%"


def found_sentence(results: Results) -> str:
    """Say on what it hangs."""
    ask, named = asked(results), _named(results)
    sobol = ask["method"] == "sobol"
    most = [(each.words, share_text(each.alone if sobol else each.whole)) for each in named]
    facts = (ask, in_sentence(key_of(ask["endpoint"])), most, floor_text(ask["floor"]))
    return one_sentence("sensitivity", "found", *facts)


def _named(results: Results) -> list[Share]:
    """Return the few that matter most, of those that are told from noise."""
    told = [each for each in of_parameters(results) if each.status != BELOW]
    sobol = asked(results)["method"] == "sobol"
    return sorted(told, key=lambda each: -(each.alone if sobol else each.whole)[0])[:_NAMED]


def more_sentences(results: Results) -> list[str]:
    """Say how far the figure reaches, what is drawn, and what is held."""
    ask, rows, named = asked(results), of_parameters(results), _named(results)
    endpoint = BY_NAME[key_of(ask["endpoint"])[0]]
    reach = [
        format_value(endpoint, ask[end], (ask["upper"] - ask["lower"]) / 20) for end in ("lower", "upper")
    ]
    best, other = "", ""
    if named:
        best, first = named[0].words, named[0]
        other = share_text(first.whole) if ask["method"] == "sobol" else share_text(first.alone, ask["floor"])
    noise = [each.words for each in rows if each.status == BELOW]
    assumed = sum(each.drawn_from.count("assumed: ") for each in rows)
    priors = any("prior: " in each.drawn_from for each in rows)
    return [
        *sentences("sensitivity", "more", ask, *reach, best, other, noise, floor_text(ask["floor"])),
        *sentences("sensitivity", "scope", ask, len(results.tables["held"]), priors, assumed),
    ]


def error_sentences(results: Results) -> list[str]:
    """Say to what shares are known."""
    noise = asked(results)["noise"]
    return sentences("sensitivity", "error", asked(results), f"{100 * noise:.2g}%")


def table(results: Results) -> Grid:
    """Return what hangs on each parameter, and what on none."""
    ask = asked(results)
    floor, sobol = ask["floor"], ask["method"] == "sobol"
    remarks = {DUMMY: "95% of dummies lie below", UNEXPLAINED: "what regression does not find"}
    found: list[Cells] = []
    for each in shares(results):
        name = each.name if each.keys in ("", each.name) else f"{each.name} ({each.keys})"
        alone = f"< {floor_text(floor)}" if each.name == DUMMY else share_text(each.alone, floor)
        whole = share_text(each.whole, 0.0 if sobol or not each.keys else floor)
        found.append((name, alone, whole, remarks.get(each.name, each.status), each.drawn_from))
    heads = numbers("alone", "with interactions" if sobol else "fair part (Shapley)")
    columns = (Column("parameter", code=True), *heads, Column("remark"), Column("drawn from"))
    return Grid("On what it hangs", columns, found, error_sentences(results))


def held(results: Results) -> Grid:
    """Return what is held though no evidence of its own stands behind it."""
    rows = results.tables["held"]
    columns = (Column("parameter", code=True), Column("status"), Column("source"), Column("what it is"))
    found = [
        (row["key"], row["status"], row["source"], parameters()[row["key"]].meaning)
        for row in rows.to_dict("records")
    ]
    return Grid("Held, and in none of these shares", columns, found)
