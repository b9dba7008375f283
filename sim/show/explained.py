"""Why scenarios differ: what each group of differing parameters has in their gap, for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sim.outcomes.binomial import clopper_pearson
from sim.scenario.differences import COUNTED_FROM, Differing, differing
from sim.scenario.endpoints import BY_NAME, Endpoint, Key, key_of, label
from sim.scenario.evidence import is_assumed
from sim.scenario.schema import Scenario
from sim.show.comparison import published
from sim.show.kit.formats import format_difference, format_interval, format_value, written
from sim.show.kit.grid import Cells, Column, Grid, named, numbers
from sim.show.kit.prose import one_sentence, sentences
from sim.show.kit.scenario_words import in_sentence
from sim.study.estimates import newcombe
from sim.study.explain import NOTABLE
from sim.work.results import Results

_SMALL = 0.005
"""Of the scale of a gap: smaller parts are not told one by one."""
_NOTHING = 1e-12
"""What sums of rounded figures leave of 0."""
_MOST_TOLD = 6
_PATIENT_PART = 0.02
"""Parts of one patient's fate below which they are not told."""


@dataclass(frozen=True)
class Step:
    """What one group has in a gap, with its Monte Carlo interval; by the twin there is none."""

    group: str
    part: float
    lower: float
    upper: float
    first: float
    last: float


@dataclass(frozen=True)
class Gap:
    """The gap between the reference and one arm."""

    arm: str
    key: Key
    start: float
    end: float
    error: float
    exact: bool
    steps: tuple[Step, ...]

    @property
    def endpoint(self) -> Endpoint:
        """What it is a gap of."""
        return BY_NAME[self.key[0]]

    @property
    def size(self) -> float:
        """The arm's figure less the reference's."""
        return self.end - self.start

    @property
    def scale(self) -> float:
        """How large it is, or its largest part where parts cancel: what is told small against this is not."""
        return max(abs(self.size), *(abs(step.part) for step in self.steps), 0.0)

    @property
    def text(self) -> str:
        """It, with its Monte Carlo interval if it has any."""
        return self.change(self.size, self.size - self.error, self.size + self.error)

    def change(self, value: float, lower: float = math.nan, upper: float = math.nan) -> str:
        """Write a part of it, to a hundredth of its scale or as well as it is known."""
        if self.exact or math.isnan(lower):
            text = format_difference(self.endpoint, value, max(self.error, self.scale / 100))
            if abs(value) <= _NOTHING or float(text.replace("\N{MINUS SIGN}", "-")) != 0:
                return "0" if abs(value) <= _NOTHING else text
            return f"under {text[:-1]}1" if "." in text else "under 1"
        return format_interval(self.endpoint, value, lower, upper, (upper - lower) / 2)

    def level(self, value: float) -> str:
        """Write one of its ends."""
        return format_value(self.endpoint, value, max(self.error, self.scale / 100))

    @property
    def told(self) -> list[Step]:
        """The parts that are worth telling, the largest first."""
        large = (step for step in self.steps if abs(step.part) >= _SMALL * self.scale)
        return sorted(large, key=lambda step: (-math.copysign(step.part, step.part * self.size), step.group))


def key_asked(results: Results) -> Key:
    """Return the figure that is explained."""
    return key_of(results.manifest["explain"]["endpoint"])


def gaps(results: Results) -> list[Gap]:
    """Return the gap of every arm."""
    table, key = results.tables["explained"], key_asked(results)
    found = []
    for each in results.manifest["explain"]["arms"]:
        rows = table[table["arm"] == each["arm"]].to_dict("records")
        names = ("part", "mc_lower", "mc_upper", "first", "last")
        steps = tuple(Step(str(row["group"]), *(float(row[name]) for name in names)) for row in rows)
        ends = float(each["from"]), float(each["to"]), float(each["error"])
        found.append(Gap(each["arm"], key, *ends, bool(each["exact"]), steps))
    return found


def reference(results: Results) -> str:
    """Return the name of what the arms are held against."""
    return str(results.manifest["explain"]["reference"])


def _entries(results: Results) -> dict[str, Mapping[str, Any]]:
    """Return what the manifest says of the reference and of the arms explained, by name."""
    known = results.manifest["arms" if results.kind == "study" else "scenarios"]
    own = {str(each.get("arm", each["scenario"])): each for each in known}
    return {name: own[name] for name in (reference(results), *(gap.arm for gap in gaps(results)))}


def published_counts(results: Results, arm: str) -> list[dict[str, Any]]:
    """Return the published counts of the figure in the reference and in an arm, with exact intervals."""
    entries = _entries(results)
    both = [Scenario.model_validate(entries[name]["resolved"]) for name in (reference(results), arm)]
    for each in published(*both):
        if each["key"] == key_asked(results):
            return [{**own, "interval": clopper_pearson(*own["count"])} for own in each["arms"]]
    return []


def _rows(results: Results) -> list[Differing]:
    return list(differing([each["parameters"] for each in _entries(results).values()]))


def differences(results: Results) -> Grid:
    """Return every parameter in which an arm differs from the reference, by stage of the pathway."""
    found: list[Cells] = []
    for each in _rows(results):
        values = ["" if row is None else written(row["value"]) for row in each.rows]
        told = [row for row in each.rows if row is not None]
        sources = dict.fromkeys("solved" if r["status"] == "solved" else str(r["source"]) for r in told)
        found.append((each.stage, each.key, *values, each.unit, "; ".join(sources)))
    own = named(*_entries(results), number=False)
    columns = (Column("stage"), Column("parameter", code=True), *own, Column("unit"), Column("from"))
    return Grid("In what the files differ", columns, found)


def table(results: Results) -> Grid:
    """Return the parts of every gap, the largest first."""
    several = len(gaps(results)) > 1
    found: list[Cells] = []
    ends = set()
    for gap in gaps(results):
        order = sorted(gap.steps, key=lambda step: -abs(step.part))
        for step in order:
            texts = (gap.change(step.part, step.lower, step.upper), gap.change(step.first))
            found.append((*([gap.arm] if several else []), step.group, *texts, gap.change(step.last)))
        if order:
            found.append((*([gap.arm] if several else []), "all", gap.text, "", ""))
        ends.add(len(found) - 1)
    unit = BY_NAME[key_asked(results)[0]].unit or "points"
    heads = numbers(f"part of the gap\n({unit})", "put in\nfirst", "taken out\nlast")
    columns = (*([Column("arm", name=True)] if several else []), Column("group"), *heads)
    notes = sentences("explain", "notes", all(gap.exact for gap in gaps(results)), bool(results.draws))
    return Grid("What the gap comes with", columns, found, notes, ends=frozenset(ends))


def _notable(results: Results, gap: Gap) -> pd.DataFrame:
    """Return the pairs of groups that interact by more than a fifth of a gap's scale, beyond its error."""
    table = results.tables["interactions"]
    own = table[table["arm"] == gap.arm]
    large = own["interaction"].abs() > NOTABLE * gap.scale
    return own[large & ~((own["mc_lower"] < 0) & (own["mc_upper"] > 0))]


def interactions(results: Results) -> Grid:
    """Return the pairs of groups that change much more, or less, together than each alone."""
    found: list[Cells] = []
    for gap in gaps(results):
        for row in _notable(results, gap).to_dict("records"):
            text = gap.change(row["interaction"], row["mc_lower"], row["mc_upper"])
            found.append((gap.arm, str(row["group"]), str(row["with"]), text))
    columns = (Column("arm", name=True), Column("group"), Column("with"), *numbers("more than each alone"))
    return Grid("Pairs that change more, or less, together than each alone", columns, found)


def patients(results: Results) -> Grid:
    """Return who of one trial lives or dies instead, and what it comes with."""
    found: list[Cells] = []
    for arm, patient, change, parts in _fates(results):
        found.append((arm, str(patient), f"{change} instead", ", ".join(parts)))
    columns = (Column("arm", name=True), Column("patient"), Column("fate"), Column("because of"))
    return Grid(f"Patients of trial {results.manifest['explain']['trial']}", columns, found)


def grids(results: Results) -> list[Grid]:
    """Return the tables of parts, of pairs and of patients, as far as there are rows."""
    return [each for each in (table(results), interactions(results), patients(results)) if each.rows]


def _fates(results: Results) -> list[tuple[str, int, str, list[str]]]:
    """Return the arm, number, change and parts in words of each patient whose fate changes."""
    table, found = results.table("explained_patients"), []
    if table is None:
        return []
    for (arm, patient, change), rows in table.groupby(["arm", "patient", "change"], sort=False):
        sign = 1 if change == "dies" else -1
        parts = sorted(zip(rows["part"] * sign, rows["group"], strict=True), reverse=True)
        told = [f"{_of_one(part)} {group}" for part, group in parts if abs(part) >= _PATIENT_PART]
        found.append((str(arm), int(str(patient)), str(change), told))
    return found


def _of_one(part: float) -> str:
    """Write a share of one fate: all of it, or so many of a hundred."""
    return "all of it" if part > 1 - _PATIENT_PART else f"{100 * part:.0f}%".replace("-", "\N{MINUS SIGN}")


def finding(results: Results, *, errors: bool = True) -> str:
    """Say in one sentence what the gap comes with; of several arms what of it comes with one group.

    Parameters
    ----------
    errors
        Whether Monte Carlo intervals are said, and not drawn beside it.
    """
    every = [gap for gap in gaps(results) if gap.steps]
    if len(every) < 2:
        return _gap_sentence(results, (every or gaps(results))[0], errors=errors)
    shared = [name for name in _group_names(every) if all(name in _group_names([gap]) for gap in every)]
    sizes = {
        name: sum(abs(step.part) for gap in every for step in gap.steps if step.group == name)
        for name in shared
    }
    common = max(sizes, key=lambda name: sizes[name], default="")
    said = []
    for gap in every:
        own = [step for step in gap.steps if step.group == common] or gap.steps
        step = max(own, key=lambda step: abs(step.part))
        said.append((gap.arm, step.group, gap.change(step.part), gap.change(gap.size)))
    unit, figure = every[0].endpoint.unit or "points", in_sentence(key_asked(results))
    return one_sentence("explain", "finding", figure, reference(results), common, unit, said)


def _group_names(every: Sequence[Gap]) -> list[str]:
    return list(dict.fromkeys(step.group for gap in every for step in gap.steps))


def assumed_aims(results: Results) -> dict[str, list[str]]:
    """Return the figures for which a scenario was solved though nobody has published them, by its name."""
    every = {name: Scenario.model_validate(each["resolved"]) for name, each in _entries(results).items()}
    found: dict[str, list[str]] = {}
    for name, each in every.items():
        others = [aim for own in every.values() if own is not each for aim in own.fitted_targets]
        for aim in each.fitted_targets if others else ():  # a what-if is solved for nothing of its own
            if is_assumed(aim.source) and aim not in others:
                value = format_value(BY_NAME[aim.endpoint], aim.value)
                text = f"{in_sentence((aim.endpoint, aim.time_years))} of {value} ({aim.source})"
                found.setdefault(name, []).append(text)
    return found


def _gap_sentence(results: Results, gap: Gap, *, errors: bool = True) -> str:
    told = [
        (gap.change(step.part, *((step.lower, step.upper) if errors else ())), step.group)
        for step in gap.told
    ]
    rest, ends = len(gap.steps) - len(told), (gap.level(gap.start), gap.level(gap.end))
    unit, size = gap.endpoint.unit or "points", gap.text if errors else gap.change(gap.size)
    small = gap.change(_SMALL * gap.scale).removeprefix("+").removeprefix("under ")
    facts = (
        label(gap.key),
        reference(results),
        gap.arm,
        ends,
        size,
        unit,
        told,
        rest,
        small,
        abs(gap.size) < 0.1 * gap.scale,
    )
    return one_sentence("explain", "gap", *facts)


def found_sentences(results: Results) -> list[str]:
    """Say what was found, what it is about, and what it leaves out."""
    every = gaps(results)
    said = [finding(results)]
    said += [text for gap in every if (text := _gap_sentence(results, gap)) not in said]
    rows = _rows(results)
    by_status: dict[str, list[str]] = {"assumption": [], "solved": []}
    for each in rows:
        stated = {str(row["status"]) for row in each.rows if row is not None}
        status = next((name for name in by_status if name in stated), None)
        if status is not None:
            by_status[status].append(each.key)
    said += sentences("explain", "about", len(rows), by_status["assumption"], by_status["solved"])
    entries = _entries(results)
    said += sentences("explain", "assumed", assumed_aims(results))
    if any(step.group == COUNTED_FROM for gap in every for step in gap.steps):
        zeros = {name: each["resolved"]["cohort"]["enters_at"] for name, each in entries.items()}
        late = [name for name, zero in zeros.items() if zero == "immunoablation"]
        said += sentences("explain", "counted", late, [name for name in zeros if name not in late])
    said += count_sentences(results)
    for gap in every:
        pairs = _notable(results, gap).to_dict("records")
        told = [(row["group"], row["with"], gap.change(row["interaction"])) for row in pairs]
        if gap.steps:
            said += sentences("explain", "pairs", gap.arm, told, len(every) > 1)
    fates = _fates(results)
    for arm in dict.fromkeys(each[0] for each in fates):
        alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for _, patient, change, parts in [each for each in fates if each[0] == arm]:
            alike.setdefault((change, tuple(parts)), []).append(str(patient))
        who_and_why = [(how[0], who, how[1]) for how, who in alike.items()]
        more = sum(len(who) for _, who, _ in who_and_why[_MOST_TOLD:])
        trial = results.manifest["explain"]["trial"]
        said += sentences("explain", "patients", arm, trial, who_and_why[:_MOST_TOLD], more)
    return said


def count_sentences(results: Results) -> list[str]:
    """Say what published counts leave open of the ends of a gap, and of the gap itself."""
    said = []
    for counts, arms in _counted_alike(results):
        (events, n), (others, m) = (each["count"] for each in counts)
        low, high = newcombe(events, n, others, m)
        endpoint = BY_NAME[key_asked(results)[0]]
        text = format_interval(endpoint, others / m - events / n, low, high, (high - low) / 200)
        said += sentences("explain", "counts", reference(results), arms, counts, text)
    return said


def _counted_alike(results: Results) -> list[tuple[list[dict[str, Any]], list[str]]]:
    """Return the published counts with the arms that they are of: splits of one registry have one count."""
    found: list[tuple[list[dict[str, Any]], list[str]]] = []
    for gap in gaps(results):
        counts = published_counts(results, gap.arm)
        same = next((each for each in found if counts and each[0][1]["count"] == counts[1]["count"]), None)
        if same:
            same[1].append(gap.arm)
        elif counts:
            found.append((counts, [gap.arm]))
    return found
