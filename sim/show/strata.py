"""Figures by stratum for people: one table, what is found, and what acts on strata at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

from sim.scenario.cautions import by_construction
from sim.scenario.endpoints import Key, label
from sim.scenario.strata import spoken
from sim.show.comparison import held, held_at, own_values
from sim.show.kit.formats import Row, format_share, rows, written
from sim.show.kit.grid import Column, Grid, Told, named, number
from sim.show.kit.prose import one_sentence, sentences
from sim.show.kit.scenario_words import headlines, in_sentence, replication
from sim.work.results import Results

_UNTOLD = ("point", "reference")


class StratumRows(NamedTuple):
    """Everybody, or a stratum, of one scenario or point: how many they are, and the endpoints shown."""

    address: dict[str, Any]
    """Which scenario or point, by column."""
    name: str
    per_trial: float
    patients: int
    rows: dict[Key, Row]

    @property
    def main(self) -> Row:
        """The first of the endpoints."""
        return next(iter(self.rows.values()))


def told_strata(results: Results) -> list[list[StratumRows]]:
    """Return everybody and then each stratum with the main endpoints, of each scenario or point."""
    table, shown = results.tables["strata"], headlines(results.scenario)[:2]
    columns = list(table.columns)
    address = [name for name in columns[: columns.index("factor")] if name not in _UNTOLD]
    found = []
    for _, part in table.groupby([*address, "factor", "stratum"], sort=False):
        first, by_key = part.iloc[0], {row.key: row for row in rows(part)}
        name = spoken(first["factor"], first["stratum"])
        read = {key: by_key[key] for key in shown if key in by_key}
        sizes = float(first["patients_per_trial"]), int(first["patients"])
        found.append(StratumRows({each: first[each] for each in address}, name, *sizes, read))
    return [list(each) for _, each in groupby(found, lambda each: each.address)]


def grid(results: Results) -> Grid:
    """Return the main endpoints by stratum, each with its paired difference if it has one."""
    read = [each for strata in told_strata(results) for each in strata]
    what = replication(results.scenario).what
    columns: list[Told[StratumRows]] = [
        *((named(name, number=False)[0], lambda each, name=name: written(each.address[name]))
          for name in read[0].address),
        (Column("stratum"), lambda each: each.name),
        (number(f"patients\nof a {what}"), lambda each: f"{each.per_trial:.1f}"),
        (number("of all"), lambda each: f"{each.patients:,}"),
        *((number(label(key).replace(", ", "\n", 1)), lambda each, key=key: _told(each.rows.get(key)))
          for key in read[0].rows),
        (number(f"survival,\nrange of one {what}"), lambda each: each.main.trial_text),
    ]  # fmt: skip
    notes = sentences("strata", "notes", bool(results.draws), results.kind != "run")
    return Grid.of("By stratum", read, columns, notes)


def _told(row: Row | None) -> str:
    return "" if row is None else "\n".join(filter(None, (row.estimate_text, row.difference_text)))


def sentences_of(results: Results) -> list[str]:
    """Say between what the main endpoint lies over strata, what acts on them, and who is in none."""
    said = [] if results.kind == "study" else [finding(results, each) for each in told_strata(results)]
    return [*filter(None, said), *remarks(results)]


def remarks(results: Results) -> list[str]:
    """Say what acts on strata at all, and what share of patients is in no band of age."""
    (everybody, *others), *_ = told_strata(results)
    ages = [each for each in others if each.name.startswith("age ")]
    outside = 1 - sum(each.patients for each in ages) / max(everybody.patients, 1)
    alone = all(own.background.life_table == "none" for own in results.scenarios.values())
    acts = by_construction(["cohort.age_years"])
    return sentences("strata", "acts", acts, alone, ages, outside and format_share(outside, outside / 4))


def finding(results: Results, strata: Sequence[StratumRows]) -> str:
    """Say between what the main endpoint lies over the strata of one scenario; empty without any."""
    everybody, *others = strata
    name = everybody.address.get("scenario")
    figure = "estimate" if name is None else "difference"
    known = [each for each in others if not math.isnan(getattr(each.main, figure))]
    if not known:
        return ""
    known.sort(key=lambda each: float(getattr(each.main, figure)))
    ends = [(each.name, getattr(each.main, f"{figure}_text")) for each in (everybody, known[0], known[-1])]
    said = one_sentence("strata", "finding", in_sentence(everybody.main.key), ends, name)
    at = held(results, name) if name else "" if results.draws else own_values(results.scenarios)
    return held_at(said, at)
