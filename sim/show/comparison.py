"""A comparison for people: deaths averted, the number needed to treat, and who lives or dies instead."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from sim.outcomes.binomial import clopper_pearson
from sim.scenario.endpoints import BY_NAME, label
from sim.scenario.evidence import all_evidence, ids_in, origin
from sim.scenario.registry import short
from sim.scenario.schema import Scenario, Target
from sim.scenario.values import get_value
from sim.show.kit.formats import Row, decimals, format_parameter, format_share, interval_texts, written
from sim.show.kit.grid import Cells, Column, Grid, named, number, numbers
from sim.show.kit.pairs import EndpointPair, pairs
from sim.show.kit.prose import one_sentence, sentences
from sim.study.estimates import Z95, fisher_exact
from sim.study.pairing import MOVED_DAYS, Change
from sim.work.results import Results

_MOST_ROWS = 40
_INFINITY = "infinity"
_MOST_NEEDED = 10_000
"""Patients: beyond, a number needed says no more than that it is large."""
_RANKED = ("overall_survival_enrolled", "treatment_related_mortality")
_CHANGES = {
    Change.LIVES: "lives instead",
    Change.DIES: "dies instead",
    Change.MOVES: "dies otherwise",
    Change.ONLY_REFERENCE: "only here",
    Change.ONLY_SCENARIO: "only here",
}


@dataclass(frozen=True, slots=True)
class Averted:
    """Deaths averted per 100 enrolled, by some years, with the interval of their difference."""

    years: float
    value: float
    lower: float
    upper: float
    drawn: bool = False
    """Whether the interval is a posterior's, and not Monte Carlo error."""

    @classmethod
    def of(cls, row: Mapping[Any, Any], *, drawn: bool = False) -> Averted:
        """Read a row of ``deaths_averted.csv``."""
        names = ("time_years", "averted_per_100", "averted_lower", "averted_upper")
        years, value, lower, upper = (float(row[name]) for name in names)
        return cls(years, value, lower, upper, drawn)

    @property
    def undecided(self) -> bool:
        """Whether the interval holds 0: more replications would tell, or with a posterior more evidence."""
        return self.lower <= 0 <= self.upper

    @property
    def digits(self) -> int:
        """The decimals that the interval supports, and one that it half supports."""
        third = (self.upper - self.lower) / 6  # a third of the half width: 0.26 (0.16 to 0.36), and not 0.3
        return decimals(third) if third > 0 else 2

    @property
    def _texts(self) -> list[str]:
        return interval_texts(self.value, self.lower, self.upper, self.digits)

    @property
    def text(self) -> str:
        """The figure with its interval; negative is deaths caused."""
        if math.isnan(self.value):
            return "unknown"
        value, lower, upper = self._texts
        shown = value if math.isnan(self.lower) else f"{value} ({lower} to {upper})"
        return shown.replace("-", "\N{MINUS SIGN}")

    @property
    def size(self) -> str:
        """How many deaths or lives, without sign."""
        return self._texts[0].removeprefix("-")

    @property
    def limits(self) -> tuple[str, str] | None:
        """The limits of `size`, the lower first, where they are known and on its side of 0; else None."""
        if math.isnan(self.lower) or self.undecided:
            return None
        _, *limits = (text.removeprefix("-") for text in self._texts)
        return (limits[0], limits[1]) if self.value >= 0 else (limits[1], limits[0])


def number_needed(averted: Averted) -> str:
    """Return the number needed to treat, or to harm, in words, with its interval.

    It is 100 over the deaths averted per 100, and its limits are the limits inverted. Where the interval of
    the deaths averted holds 0, that of the number needed runs through infinity, and says so.

    Notes
    -----
    Altman DG. Confidence intervals for the number needed to treat. BMJ 1998;317:1309-1312.
    """
    if math.isnan(averted.value):
        return ""
    if averted.value == 0:
        most = max(averted.upper, -averted.lower)
        return (
            f"nobody's death averted{f'; at least {_inverse(most)} to treat or to harm' if most > 0 else ''}"
        )
    what = "treat" if averted.value >= 0 else "harm"
    text = f"number needed to {what} {_inverse(averted.value)}"
    # Seen from the side of the figure itself: near is its limit far from 0, beyond the one towards 0.
    near, beyond = (averted.upper, averted.lower) if averted.value >= 0 else (-averted.lower, -averted.upper)
    if math.isnan(near):
        return text
    if beyond > 0:
        return f"{text} ({_inverse(near)} to {_inverse(beyond)})"
    if beyond == 0:
        return f"{text} ({_inverse(near)} to {_INFINITY})" if near > 0 else text
    other = "harm" if averted.value >= 0 else "treat"
    return f"{text} ({_inverse(near)} to {_INFINITY}, or {other} {_inverse(beyond)})"


def _inverse(per_100: float) -> str:
    if per_100 == 0:
        return _INFINITY
    patients = float(f"{abs(100 / per_100):.2g}")  # no more is known of it
    if patients > _MOST_NEEDED:
        return f"more than {_MOST_NEEDED:,}"
    return f"{patients:.1f}" if patients < 10 else f"{patients:,.0f}"


def names(results: Results) -> tuple[str, ...]:
    """Return the names of the scenarios, the reference first."""
    return tuple(results.scenarios)


def _own(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the rows of a comparison with one scenario, as it is or at values of a range."""
    return table[table["scenario"] == name]


def _as_it_is(table: pd.DataFrame, name: str) -> pd.DataFrame:
    own = _own(table, name)
    return own[own["key"] == ""]


def held(results: Results, name: str) -> str:
    """Say at which values of their ranges a scenario and the reference are compared as they are."""
    both = {each: results.scenarios[each] for each in (names(results)[0], name)}
    free = {str(each["scenario"]): each.get("free", ()) for each in results.manifest["scenarios"]}
    return own_values(both, free)


def own_values(scenarios: Mapping[str, Scenario], free: Mapping[str, Sequence[str]] | None = None) -> str:
    """Say at which values of their ranges scenarios stand as they are; empty where none has a range.

    Parameters
    ----------
    free
        By scenario, the parameters that are drawn from a posterior.
    """
    shown = [
        (each.key, name, get_value(scenario, each.key), each.key in (free or {}).get(name, ()))
        for name, scenario in scenarios.items()
        for each in scenario.range
    ]
    return one_sentence("comparison", "own_values", shown)


def held_at(sentence: str, held: str) -> str:
    """Put in front of a sentence the values of a range at which alone it holds."""
    return f"With {held}, {sentence[:1].lower()}{sentence[1:]}" if held else sentence


def averted_sentence(averted: Averted, reference: str, name: str) -> str:
    """Say how many deaths a scenario averts or costs compared with the reference."""
    unknown, by, needed = math.isnan(averted.value), short(averted.years), number_needed(averted)
    return one_sentence("comparison", "averted", averted, reference, name, by, unknown, needed)


def range_sentence(over: pd.DataFrame, reference: str, name: str, *, drawn: bool = False) -> str:
    """Say between what and what the deaths averted lie over one range.

    Parameters
    ----------
    over
        The rows of ``deaths_averted.csv`` of one scenario and one key of a range.
    drawn
        Whether they are means over draws of a posterior.
    """
    found = [Averted.of(row) for row in over.to_dict("records")]
    known = sorted((each for each in found if not math.isnan(each.value)), key=lambda each: each.value)
    if not known:
        return ""
    low, high = known[0], known[-1]
    digits = min(low.digits, high.digits)  # two ends of one range, written alike
    key, values = (
        over["key"].iloc[0],
        [written(value) for value in (over["value"].min(), over["value"].max())],
    )
    sign = 1 if low.value >= 0 else -1 if high.value <= 0 else 0
    ends = [f"{abs(end.value):.{digits}f}" for end in (low, high)]
    return one_sentence(
        "comparison", "over_range", short(low.years), name, reference, key, values, sign, *ends, drawn
    )


def named_sentences(results: Results, name: str) -> list[str]:
    """Name the patients of a trial who live instead, who die instead and of what, and whose death moves."""
    manifest = results.manifest
    under = " under the first draw" if results.draws else ""
    rows = _named(results, name).to_dict("records")
    who = {change.name: [row for row in rows if row["change"] == change.value] for change in Change}
    first = _entry(results, name)["first_decided"]
    start = f"In trial {manifest['trial']}{under}"
    return sentences("comparison", "named", start, under, who, first, names(results)[0], name, MOVED_DAYS)


def _entry(results: Results, name: str) -> Mapping[str, Any]:
    """Return what the manifest says of a scenario."""
    return next(each for each in results.manifest["scenarios"] if each["scenario"] == name)


def _named(results: Results, name: str) -> pd.DataFrame:
    table = results.table("named_patients")
    return pd.DataFrame(columns=["change", "patient"]) if table is None else _own(table, name)


def changed_sentence(changed: pd.DataFrame, reference: str, name: str) -> str:
    """Say how many of 100 patients have another fate, on average over all trials.

    Parameters
    ----------
    changed
        The rows of ``changed_fates.csv`` of one comparison.
    """
    rows = {Change(row.change): row for row in changed.itertuples()}
    shares = [_per_100(rows[change]) for change in (Change.DIES, Change.LIVES, Change.MOVES)]
    drawn = "posterior_lower" in changed
    return one_sentence("comparison", "changed", shares, reference, name, drawn, MOVED_DAYS)


def _per_100(row: Any) -> str:
    if math.isnan(row.share):
        return "an unknown number"
    kind = "posterior" if hasattr(row, "posterior_lower") else "mc"
    low, high = (100 * getattr(row, f"{kind}_{side}") for side in ("lower", "upper"))
    share, lower, upper = interval_texts(100 * row.share, low, high, decimals((high - low) / 2))
    return f"{share} ({lower} to {upper})"


def found_sentences(results: Results, name: str) -> list[str]:
    """Say what was found of a scenario compared with the reference, the finding first.

    Without a posterior that is the range, of which no value alone is the answer; with one, the posterior.
    """
    if why_incomparable(results, name):
        return apart_sentences(results, name)
    reference, averted, drawn = names(results)[0], results.tables["deaths_averted"], bool(results.draws)
    own = _own(averted, name)
    over = own[own["key"] != ""].groupby("key", sort=False)
    said = [range_sentence(rows, reference, name, drawn=drawn) for _, rows in over]
    main = averted_sentence(averted_by(results, name), reference, name)
    said.insert(0 if drawn else len(said), held_at(main, held(results, name)))
    if is_paired(results, name):
        said += named_sentences(results, name)
        said.append(changed_sentence(_as_it_is(results.tables["changed_fates"], name), reference, name))
    return [each for each in said if each]


def averted_by(results: Results, name: str) -> Averted:
    """Return the deaths that a scenario averts as it is; not numbers where it is no alternative."""
    (row,) = _as_it_is(results.tables["deaths_averted"], name).to_dict("records")
    return Averted.of(row, drawn=bool(results.draws))


def why_incomparable(results: Results, name: str) -> Sequence[str]:
    """Return why a scenario and the reference are no treatment and alternative; nothing where they are."""
    return tuple(_entry(results, name).get("incomparable_because", ()))


def apart_sentences(results: Results, name: str) -> list[str]:
    """Say what can and what can't be said of two scenarios that are no treatment and alternative."""
    both = (names(results)[0], name)
    scenarios = [results.scenarios[each] for each in both]
    counts = list(published(*scenarios))
    found = {pair.scenario.key: pair for pair in pairs(results.tables["comparison"], *both)}
    main = next((found[each["key"]] for each in counts if each["key"] in found), None)
    zeros = [each.cohort.enters_at for each in scenarios]
    return sentences("comparison", "apart", both, why_incomparable(results, name), counts, main, zeros)


def published(*scenarios: Scenario) -> Iterator[dict[str, Any]]:
    """Yield the counts of a figure that papers on other patients print, with how far chance may part them."""
    one, other = (
        {(each.endpoint, each.time_years): arm for each in own.shown_targets if (arm := _counted(each))}
        for own in scenarios
    )
    for key in filter(other.__contains__, one):
        arms = (one[key], other[key])
        if arms[0]["population"] != arms[1]["population"]:
            p = fisher_exact(*(number for arm in arms for number in arm["count"]))
            yield {"key": key, "label": label(key), "arms": arms, "p": p}


def _counted(target: Target) -> dict[str, Any] | None:
    """Return what a paper has counted of a target, in its words; None if none has."""
    known = [all_evidence()[each] for each in ids_in(target.source) if each in all_evidence()]
    n = target.n or 0
    count = target.value * n if target.observed is None else target.observed
    is_count = BY_NAME[target.endpoint].kind == "share" and abs(count - round(count)) < 1e-6
    if not (known and n and is_count) or origin(target.source) != "published":
        return None
    low, high = clopper_pearson(round(count), n)
    return {
        "count": (round(count), n), "share": format_share(count / n, (high - low) / 2),
        "limits": f"{100 * low:.1f} to {100 * high:.1f}%", "population": known[0].population,
        "paper": f"{known[0].quantity}, {known[0].population} ({known[0].id})", "fitted": target.fitted,
    }  # fmt: skip


def is_paired(results: Results, name: str) -> bool:
    """Tell whether the patients of a scenario are those of the reference."""
    changed = results.table("changed_fates")
    return changed is not None and bool((changed["scenario"] == name).any())


def compared(results: Results, name: str) -> Grid:
    """Return the main endpoints of a scenario beside those of the reference."""
    reference, draws = names(results)[0], results.draws
    shown = pairs(results.tables["comparison"], reference, name)
    kind = "95% posterior" if draws else "95% Monte\N{NO-BREAK SPACE}Carlo"
    own, base = (named(each)[0] for each in (name, reference))
    columns = (
        (Column("endpoint", plain=True), lambda pair: pair.scenario.label),
        (base, lambda pair: pair.reference.simulated_text),
        (own, lambda pair: pair.scenario.simulated_text),
        (number(f"difference\n({kind})"), lambda pair: pair.text),
        (number("variance\nreduction"), _gain),
    )
    errors = (Z95 * row.difference_error for _, row in shown if row.endpoint.kind == "share")
    most = 100 * max((error for error in errors if error == error), default=0.0)
    notes = sentences(
        "comparison", "notes", draws, most, is_paired(results, name), held(results, name), _runs(results)
    )
    return Grid.of(f"{name} compared with {reference}", shown, columns, notes)


def _gain(pair: EndpointPair) -> str:
    reduction = pair.scenario.variance_reduction
    return "" if math.isnan(reduction) else f"{reduction:.3g}"


class RankedArm(NamedTuple):
    """One of several scenarios: the deaths that it averts as it is, and over its ranges.

    As it is alone, a scenario with a range is no answer: `over` says between what and what it lies (empty
    without a range), `span` where, and `low` and `high` hold the intervals at all values.
    """

    name: str
    averted: Averted
    over: str
    span: tuple[float, float]
    low: float
    high: float


def ranked_arms(results: Results) -> list[RankedArm]:
    """Return the scenarios that are alternatives to the reference, most deaths averted first."""
    found = []
    for name in names(results)[1:]:
        rows, averted = _own(results.tables["deaths_averted"], name), averted_by(results, name)
        if not math.isnan(averted.value):
            span = rows["averted_per_100"].min(), rows["averted_per_100"].max()
            ends = " to ".join(f"{each:.{averted.digits}f}" for each in span).replace("-", "\N{MINUS SIGN}")
            limits = rows["averted_lower"].min(), rows["averted_upper"].max()
            found.append(RankedArm(name, averted, ends if len(rows) > 1 else "", span, *limits))
    return sorted(found, key=lambda each: -each.averted.value)


def ranked(results: Results) -> Grid:
    """Return all scenarios in one table: deaths averted, most first, the reference in its place."""
    reference, *others = names(results)
    deaths: dict[str, Cells] = dict.fromkeys(others, ("no alternative", "", ""))
    places = {reference: 0.0}
    for arm in ranked_arms(results):
        places[arm.name] = arm.averted.value
        needed = number_needed(arm.averted).removeprefix("number needed to ")
        deaths[arm.name] = (arm.averted.text, arm.over, needed)
    deaths[reference] = ("the reference", "", "")
    found = [
        (name, *(_last(results, name, each).simulated_text for each in _RANKED), *deaths[name])
        for name in sorted(names(results), key=lambda name: -places.get(name, -math.inf))
    ]
    labels = [_last(results, reference, each).label.replace(", ", "\n", 1) for each in _RANKED]
    heads = (*labels, "deaths averted\nper 100 enrolled", "over\nits range", "number needed\nto")
    notes = sentences("comparison", "ranked_notes", bool(results.draws), ranking(results)[1:])
    columns = (*named("scenario", number=False), *numbers(*heads))
    return Grid(f"{len(others)} scenarios compared with {reference}", columns, found, notes)


def _last(results: Results, name: str, endpoint: str) -> Row:
    """Return a scenario's figure of an endpoint, at the latest time at which it is read."""
    own = _own(results.tables["comparison"], name)
    return Row(next(own[own["endpoint"] == endpoint].tail(1).itertuples(index=False)))


def ranking(results: Results) -> list[str]:
    """Say which scenario averts most deaths and which costs most lives; then, which is not ranked."""
    reference, *others = names(results)
    apart = {name: why for name in others if (why := why_incomparable(results, name))}
    return sentences("comparison", "ranking", ranked_arms(results), reference, apart)


def _runs(results: Results) -> list[str]:
    """Return the scenarios that are finished runs, whose figures came out again."""
    entries = results.manifest["scenarios"]
    return [each["scenario"] for each in entries if each.get("run_hash") == each["result_hash"]]


def over_ranges(results: Results, name: str) -> Iterator[Grid]:
    """Yield a table for each range over which a scenario's comparison is shown."""
    reference, comparison = names(results)[0], results.tables["comparison"]
    own = _own(results.tables["deaths_averted"], name)
    kind = " (95% posterior)" if results.draws else ""
    for (varied, key), rows in own[own["key"] != ""].groupby(["varied", "key"], sort=False):
        found: list[Cells] = []
        ranges = results.tables["range"]
        for row in rows.to_dict("records"):
            at = ranges[(ranges["key"] == key) & (ranges["value"] == row["value"])]
            both = pd.concat([_own(comparison, reference), at])
            (mortality,) = (
                pair.text
                for pair in pairs(both, reference, name)
                if pair.scenario.endpoint.name == "treatment_related_mortality"
            )
            averted = Averted.of(row)
            found.append((written(row["value"]), mortality, averted.text, number_needed(averted)))
        deaths = f"treatment-related mortality,\ndifference{kind}"
        heads = numbers(deaths, f"deaths averted\nper 100 enrolled{kind}")
        columns = (*named(str(key), number=False), *heads, Column("number needed", number=True, plain=True))
        yield Grid(f"{name} less {reference}, over the range of {varied}", columns, found)


def named_patients(results: Results, name: str) -> Grid:
    """Return the patients of one trial whose fates differ; without rows where there are none."""
    reference, rows = names(results)[0], _named(results, name)
    rows = rows[rows["change"] != Change.SHIFTS]
    found: list[Cells] = []
    for row in rows.head(_MOST_ROWS).to_dict("records"):
        changed = Change(row["change"])
        deaths = (
            (row["reference_death_days"], row["reference_death_cause"], Change.ONLY_SCENARIO),
            (row["death_days"], row["death_cause"], Change.ONLY_REFERENCE),
        )
        fates = ("" if changed == absent else _fate(day, cause) for day, cause, absent in deaths)
        who = f"{row['age_years']:.0f}, {'woman' if row['female'] else 'man'}"
        found.append((str(row["patient"]), who, *fates, _CHANGES[changed]))
    if len(rows) > _MOST_ROWS:
        found.append(("…", f"{len(rows) - _MOST_ROWS} more", "", "", "named_patients.csv"))
    under = " under the first draw" if results.draws else ""
    change = Column("change", number=True, plain=True)
    columns = (Column("patient"), *numbers("age, sex"), *named(reference, name), change)
    return Grid(f"Patients of trial {results.manifest['trial']}{under} whose fates differ", columns, found)


def _fate(day: float, cause: str) -> str:
    return f"dies of {cause}, day {day:.0f}" if day == day else "lives"


def differing(results: Results) -> Grid:
    """Return the parameters in which a scenario differs from the reference, with their sources."""
    tables = [{str(row["key"]): row for row in each["parameters"]} for each in results.manifest["scenarios"]]
    found: list[Cells] = []
    for key in dict.fromkeys(key for table in tables for key in table):
        rows = [table.get(key) for table in tables]
        values = ["" if row is None else format_parameter(row["value"]) for row in rows]
        if len(set(values)) > 1:
            told = [row for row in rows if row is not None]
            sources = dict.fromkeys(str(row["source"]) for row in told)
            found.append((key, *values, str(told[0]["unit"]), "; ".join(filter(None, sources))))
    own = named(*names(results), number=False)
    columns = (Column("parameter", code=True), *own, Column("unit"), Column("sources"))
    return Grid("In what the scenarios differ", columns, found)
