"""Figures by stratum for people: one table, what is found, and what acts on strata at all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sim.scenario.cautions import by_construction
from sim.scenario.endpoints import Key, label
from sim.show.comparison import held, held_at, own_values
from sim.show.kit.formats import Row, format_share, rows, written
from sim.show.kit.grid import Cells, Column, Grid, named, numbers
from sim.show.kit.prose import one_sentence, sentences
from sim.show.kit.scenario_words import headlines, in_sentence, replication
from sim.work.results import Results

_NO_ADDRESS = ("point", "reference")


class StratumRows(NamedTuple):
    """Everybody, or a stratum, of one scenario or point: how many they are, and the endpoints shown."""

    address: tuple[Any, ...]
    """Which scenario or point."""
    factor: str
    stratum: str
    per_trial: float
    patients: int
    rows: dict[Key, Row]

    @property
    def name(self) -> str:
        """What it is called among strata of several factors."""
        return f"{self.factor} {self.stratum}" if self.factor == "age" else self.stratum

    @property
    def main(self) -> Row:
        """The first of the endpoints."""
        return next(iter(self.rows.values()))


def told_strata(results: Results) -> Iterator[StratumRows]:
    """Yield everybody and each stratum of each scenario or point, with the main endpoints."""
    table, address = results.tables["strata"], _address(results)
    shown = headlines(results.scenario)[:2]
    for (*own, factor, stratum), part in table.groupby([*address, "factor", "stratum"], sort=False):
        found = {row.key: row for row in rows(part[part["endpoint"].isin([name for name, _ in shown])])}
        first = part.iloc[0]
        yield StratumRows(
            tuple(own), factor, stratum, float(first["patients_per_trial"]), int(first["patients"]),
            {key: found[key] for key in shown if key in found},
        )  # fmt: skip


def _address(results: Results) -> list[str]:
    """Return the columns that say which scenario or point a row of the table is of."""
    columns = list(results.tables["strata"].columns)
    return [name for name in columns[: columns.index("factor")] if name not in _NO_ADDRESS]


def grid(results: Results) -> Grid:
    """Return the main endpoints by stratum, each with its paired difference if it has one."""
    found: list[Cells] = []
    ends, read = set(), list(told_strata(results))
    for at, each in enumerate(read):
        same = at and read[at - 1].address == each.address
        if at and not same:
            ends.add(at - 1)
        told = (
            "\n".join(filter(None, (row.estimate_text, row.difference_text))) for row in each.rows.values()
        )
        one = each.main.trial_text
        address = ("" if same else written(value) for value in each.address)
        found.append((*address, each.name, f"{each.per_trial:.1f}", f"{each.patients:,}", *told, one))
    what = replication(results.scenario).what
    heads = [label(key).replace(", ", "\n", 1) for key in read[0].rows]
    columns = (
        *named(*_address(results), number=False), Column("stratum"),
        *numbers(f"patients\nof a {what}", "of all", *heads, f"survival,\nrange of one {what}"),
    )  # fmt: skip
    return Grid("By stratum", columns, found, ends=frozenset(ends))


def sentences_of(results: Results) -> list[str]:
    """Say between what the main endpoint lies over strata, what acts on them, and who is in none."""
    by_address: dict[tuple[Any, ...], list[StratumRows]] = {}
    for each in told_strata(results):
        by_address.setdefault(each.address, []).append(each)
    said = [] if results.kind == "study" else [finding(results, each) for each in by_address.values()]
    return [*filter(None, said), *remarks(results)]


def remarks(results: Results) -> list[str]:
    """Say what acts on strata at all, and what share of patients is in no band of age."""
    everybody, *others = told_strata(results)
    ages = [each for each in others if each.factor == "age" and each.address == everybody.address]
    outside = 1 - sum(each.patients for each in ages) / max(everybody.patients, 1) if ages else 0.0
    acts = by_construction(["cohort.age_years"])
    alone = all(own.background.life_table == "none" for own in results.scenarios.values())
    return sentences("strata", "acts", acts, alone, outside and format_share(outside, 0.005), ages)


def finding(results: Results, strata: Sequence[StratumRows]) -> str:
    """Say between what the main endpoint lies over the strata of one scenario; empty without any."""
    everybody, *others = strata
    compared = not math.isnan(everybody.main.difference)
    figure, text = ("difference", "difference_text") if compared else ("estimate", "estimate_text")
    known = [each for each in others if not math.isnan(getattr(each.main, figure))]
    if not known or (everybody.address and not compared):  # a reference differs from nothing
        return ""
    known.sort(key=lambda each: float(getattr(each.main, figure)))
    ends = [(each.name, getattr(each.main, text)) for each in (everybody, known[0], known[-1])]
    free = (results.manifest.get("posterior") or {}).get("free", ())
    at = own_values(results.scenarios, dict.fromkeys(results.scenarios, free))
    at = held(results, everybody.address[0]) if compared else at
    said = one_sentence("strata", "finding", in_sentence(everybody.main.key), ends, everybody.address)
    return held_at(said, at)
