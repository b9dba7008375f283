"""Tables for the terminal, until they are made where pages are made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from sim.scenario.describe import value_text
from sim.scenario.endpoints import Key, label
from sim.show.comparison_words import (
    Averted,
    averted_sentence,
    changed_sentence,
    held_at,
    named_sentences,
    number_needed,
    own_values,
    range_sentence,
)
from sim.show.figures.differences import pairs
from sim.show.kit.axis import written
from sim.show.kit.formats import rows
from sim.show.validation_words import ROLES, Drawn, lines, misses, scope, tally_sentences
from sim.study.estimates import Z95
from sim.study.named_patients import NamedPatients
from sim.study.pairing import Change
from sim.study.validate import CoveredCount
from sim.work.results import Results

_MOST_ROWS = 40
_POINTS = "Differences of per cent are percentage points."
_NOTE = (
    f"{_POINTS} Their intervals are Monte Carlo error, which more "
    "replications narrow; what is not known about the parameters is not in them."
)
_PAIRED_NOTE = (
    "Variance reduction: how many times as many replications independent luck would need for the same error."
)
_UNPAIRED_NOTE = "Not the same patients: the intervals are those of independent runs."
_NO_BREAK = "\N{NO-BREAK SPACE}"
_CHANGE_TEXTS = {
    Change.LIVES: "lives instead",
    Change.DIES: "dies instead",
    Change.MOVES: "dies otherwise",
    Change.ONLY_REFERENCE: "only here",
    Change.ONLY_SCENARIO: "only here",
}


@dataclass(frozen=True)
class Comparison:
    """A comparison as it is told."""

    replications: int
    reference: str
    names: tuple[str, ...]
    comparison: pd.DataFrame
    ranges: pd.DataFrame
    averted: pd.DataFrame
    changed: pd.DataFrame
    named: pd.DataFrame
    held: Mapping[str, str]
    sentences: Mapping[str, tuple[str, ...]]
    draws: int | None = None

    @classmethod
    def of(cls, results: Results) -> Comparison:
        """Read a comparison."""
        manifest = results.manifest
        reference, *names = scenarios = results.scenarios
        entries = {each["scenario"]: each for each in manifest["scenarios"]}
        free = None if results.draws is None else {name: each["free"] for name, each in entries.items()}
        averted = results.tables["deaths_averted"]
        changed = results.tables.get("changed_fates", pd.DataFrame(columns=["scenario"]))
        named = results.tables.get("named_patients", pd.DataFrame(columns=["scenario"]))
        held = {
            name: own_values({each: scenarios[each] for each in (reference, name)}, free) for name in names
        }
        sentences, drawn = {}, results.draws is not None
        for name in names:
            own = averted[averted["scenario"] == name]
            over = own[own["key"] != ""]
            said = [range_sentence(rows, reference, name) for _, rows in over.groupby("key", sort=False)]
            (row,) = own[own["key"] == ""].to_dict("records")
            said.append(held_at(averted_sentence(Averted.of(row, drawn=drawn), reference, name), held[name]))
            if not entries[name]["unpaired_because"]:
                listed = NamedPatients(manifest["trial"], named[named["scenario"] == name], ())
                first = entries[name]["first_decided"]
                said += named_sentences(listed, first, reference, name, drawn=drawn)
                as_it_is = changed[(changed["scenario"] == name) & (changed["key"] == "")]
                said.append(changed_sentence(as_it_is, reference, name))
            sentences[name] = tuple(filter(None, said))
        ranges = results.tables.get("range", results.comparison.head(0).assign(varied="", key="", value=0.0))
        return cls(
            manifest["replications"], reference, tuple(names), results.comparison, ranges, averted, changed,
            named, held, sentences, results.draws,
        )  # fmt: skip


def _table(*headings: str) -> Table:
    """Start a table of which no cell is ever cut short."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place else "left", overflow="fold")
    return table


def differences_table(done: Comparison, name: str) -> Table:
    """Return the main endpoints of a scenario beside those of the reference."""
    difference = f"difference\n({'95% posterior' if done.draws else f'95% Monte{_NO_BREAK}Carlo'})"
    table = _table("", done.reference, name, difference, "variance\nreduction")
    for pair in pairs(done.comparison, done.reference, name):
        reduction = pair.variance_reduction
        table.add_row(
            pair.scenario.label,
            pair.reference.simulated_text,
            pair.scenario.simulated_text,
            pair.text,
            f"{reduction:.3g}" if reduction == reduction else "",
        )
    paired = (done.changed["scenario"] == name).any()
    notes = [_posterior_note(done, name) if done.draws else _NOTE, _PAIRED_NOTE if paired else _UNPAIRED_NOTE]
    if done.held[name]:
        notes.append(f"All here holds with {done.held[name]}: read it over the range, below.")
    table.caption, table.caption_justify = Text("\n".join(["", *notes])), "left"
    return table


def _posterior_note(done: Comparison, name: str) -> str:
    """Say what the intervals of differences under draws are, and how large their Monte Carlo error is."""
    shown = pairs(done.comparison, done.reference, name)
    errors = [Z95 * pair.error for pair in shown if pair.scenario.endpoint.kind == "share"]
    most = max((error for error in errors if error == error), default=0.0)
    return (
        f"{_POINTS} They are means over {done.draws:,} draws of the posterior. Their intervals are the "
        "posterior's 95%: what the calibrated trial leaves open about the parameters, which only more "
        f"evidence narrows. Their Monte Carlo error (95%) is at most {100 * most:.2g} points."
    )


def range_tables(done: Comparison, name: str) -> list[tuple[str, Table]]:
    """Return a title and a table for each range over which a scenario's comparison is shown."""
    own = done.averted[(done.averted["scenario"] == name) & (done.averted["key"] != "")]
    found = []
    for (varied, key), over in own.groupby(["varied", "key"], sort=False):
        where = "both" if varied == "both" else str(varied)
        kind = " (95% posterior)" if done.draws else ""
        table = _table(
            str(key),
            f"treatment-related mortality,\ndifference{kind}",
            f"deaths averted\nper 100 enrolled{kind}",
            "",
        )
        for row in over.to_dict("records"):
            at = done.ranges[(done.ranges["key"] == key) & (done.ranges["value"] == row["value"])]
            both = pd.concat([done.comparison[done.comparison["scenario"] == done.reference], at])
            (mortality,) = (
                pair.text
                for pair in pairs(both, done.reference, name)
                if pair.scenario.endpoint.name == "treatment_related_mortality"
            )
            averted = Averted.of(row)
            table.add_row(written(row["value"]), mortality, averted.text, number_needed(averted))
        found.append((f"{name} less {done.reference}, over the range of {where}", table))
    return found


def named_table(done: Comparison, name: str) -> Table | None:
    """Return the patients of one trial whose fates differ, None where there are none."""
    rows = done.named[done.named["scenario"] == name]
    if rows.empty:
        return None
    table = _table("patient", "age, sex", done.reference, name, "")
    for row in rows.head(_MOST_ROWS).to_dict("records"):
        change = Change(row["change"])
        deaths = (
            (row["reference_death_days"], row["reference_death_cause"], Change.ONLY_SCENARIO),
            (row["death_days"], row["death_cause"], Change.ONLY_REFERENCE),
        )
        fates = ["" if change == absent else _fate(day, cause) for day, cause, absent in deaths]
        who = f"{row['age_years']:.0f}, {'woman' if row['female'] else 'man'}"
        table.add_row(str(row["patient"]), who, *fates, _CHANGE_TEXTS[change])
    if len(rows) > _MOST_ROWS:
        table.add_row("…", f"{len(rows) - _MOST_ROWS} more", "", "", "named_patients.csv")
    return table


def _fate(day: float, cause: str) -> str:
    return f"dies of {cause}, day {day:.0f}" if day == day else "lives"


_PREDICTIVE = (
    "Predictive interval: what 95% of virtual cohorts of this size report at their data cut, each read as "
    "its paper reads it. z: the observed figure's mid-rank among them, as a normal score."
)
_USE = (
    "Use: fitted, the model was solved for it, and it counts for nothing; overlaps, it shares something with "
    "what was fitted; held out, it shares nothing."
)


@dataclass(frozen=True)
class Validated:
    """A validation as it is told."""

    table: pd.DataFrame
    predicted: CoveredCount
    apart: CoveredCount
    sentences: tuple[str, ...]
    drawn: Drawn | None = None

    @classmethod
    def of(cls, results: Results) -> Validated:
        """Read a validation."""
        table, tallies = results.validation, results.manifest["tallies"]
        predicted, apart = _tally(tallies["predicted"]), _tally(tallies["apart"])
        sentences = (*misses(lines(table)), *tally_sentences(predicted, apart))
        return cls(table, predicted, apart, sentences, _drawn(results.manifest))


def validation_table(done: Validated) -> Table:
    """Return every figure beside its prediction, cohort by cohort; no cell is ever cut short."""
    table = Table(
        caption=Text("\n".join(["", _PREDICTIVE, *scope(done.drawn), _USE])),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("cohort", overflow="fold")
    table.add_column("", overflow="fold")
    for heading in ("observed", "predicted", "predictive\ninterval", "covered", "z", "use"):
        table.add_column(heading, justify="right", overflow="fold")
    read = lines(done.table)
    for place, line in enumerate(read):
        first = place == 0 or read[place - 1].cohort != line.cohort
        last = place + 1 < len(read) and read[place + 1].cohort != line.cohort
        interval = line.interval_text
        if line.undefined >= 0.005:
            interval = f"{interval}\n{line.undefined:.0%} undefined".strip()
        table.add_row(
            line.cohort if first else "",
            line.label,
            line.observed_text,
            line.predicted_text,
            interval,
            line.verdict,
            line.z_text,
            ROLES[line.role],
            end_section=last,
        )
    return table


def _drawn(manifest: Mapping[str, Any]) -> Drawn | None:
    """Read off a manifest of which posterior the predictions are."""
    if manifest.get("posterior") is None:
        return None
    held = {each["cohort"]: each["held"] for each in manifest["cohorts"] if each["held"] and each["free"]}
    own = tuple(each["cohort"] for each in manifest["cohorts"] if not each["free"])
    return Drawn(manifest["draws"], manifest["replications"], own, held)


def _tally(stored: dict[str, Any]) -> CoveredCount:
    low, high = stored["binomial"]
    mean, (least, most) = stored["virtual_mean"], stored["virtual"] or (math.nan, math.nan)
    known = math.nan if mean is None else mean
    return CoveredCount(stored["figures"], stored["covered"], (low, high), known, (least, most))


def swept_rows(results: Results) -> Table:
    """Return what the figures show as a table: one row a point, one column an endpoint."""
    points, keys = results.points, list(results.manifest["vary"])
    shown = [key_of(text) for text in results.manifest["shown"]]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for key in keys:
        table.add_column(key, overflow="fold")
    drawn = any(row.drawn for row in rows(points))
    interval = "Monte Carlo 95%; posterior 95%" if drawn else "Monte Carlo 95% interval"
    for endpoint in shown:
        table.add_column(f"{label(endpoint)}\n({interval})")
    for point, table_of_point in points.groupby(keys, sort=False):
        found = {row.key: row for row in rows(table_of_point)}
        table.add_row(*map(value_text, point), *(found[endpoint].estimate_text for endpoint in shown))
    return table


def key_of(text: str) -> Key:
    """Read an endpoint as manifests write it."""
    name, at, years = text.partition("@")
    return name, float(years) if at else None
