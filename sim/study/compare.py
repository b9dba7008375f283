"""Comparisons: every endpoint of some scenarios against a reference, under the same luck.

Replications of two scenarios share their luck, so the difference of an endpoint is estimated from pairs of
replications: what luck does to both drops out, and what is left is the scenario's doing.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from sim.scenario.describe import value_text
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME, Key, column, keys
from sim.scenario.load import scenario_hash
from sim.scenario.problems import RequestError, UnpairedWarning
from sim.scenario.registry import plain
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value, with_values
from sim.study.budget import Budget
from sim.study.estimates import Z95
from sim.study.montecarlo import Progress, Tally, choose_simulator, chunks, replicate
from sim.study.named_patients import ChangeCounts, pair

SURVIVAL = "overall_survival_enrolled"
"""The endpoint from which deaths averted are counted: everybody enrolled, from enrolment."""

NOBODY = "nobody_at_risk"
IDENTICAL = "identical"
"""Note of an endpoint that is the same in every replication."""

DIFFERENCE_COLUMNS = ("difference", "difference_lower", "difference_upper", "variance_reduction")

# Endpoints that by definition count up to the horizon, or up to the data cut or the end of follow-up.
_TO_HORIZON = ("restricted_mean_survival",)
_TO_CUT = ("death_by_cause_", "deaths_by_data_cut", "early_", "relapses_by_data_cut", "mean_follow_up")
# A patient never transplanted dies "before reinfusion" whenever it is, and has no remission to lose.
_OF_TRANSPLANTS = ("pre_transplant_mortality", "disease_free_survival_enrolled")
_NUMBERS_AT_ONCE = 10_000_000


@dataclass(frozen=True, slots=True)
class Difference:
    """An endpoint of a scenario less that of the reference; not a number where undefined.

    ``variance_reduction`` is the variance of the difference under independent luck over that under the same
    luck; not a number where the difference has no error, or no pairs.
    """

    value: float
    se: float
    variance_reduction: float

    @property
    def lower(self) -> float:
        """Lower limit of the 95% interval."""
        return self.value - Z95 * self.se

    @property
    def upper(self) -> float:
        """Upper limit of the 95% interval."""
        return self.value + Z95 * self.se


def difference(
    reference: tuple[Floats, Floats], scenario: tuple[Floats, Floats], *, paired: bool = True
) -> Difference:
    """Estimate R_B - R_A, each a ratio of sums over the same replications.

    Parameters
    ----------
    reference, scenario
        Totals y and sizes x of A and of B, one entry a replication.
    paired
        Whether the standard error may use the pairs; else A and B are taken as independent.

    Notes
    -----
    Each ratio is linearised, (y - R x) / mean(x) per replication, so that the error of the difference is that
    of a mean of differences: Cochran WG. Sampling Techniques, 3rd ed, 1977, sections 6.3 and 2.11. Common
    random numbers: Law AM. Simulation Modeling and Analysis, 5th ed, 2015, section 11.2.
    """
    (value_a, part_a), (value_b, part_b) = (_linearised(*arm) for arm in (reference, scenario))
    value = value_b - value_a
    if math.isnan(value):
        return Difference(math.nan, math.nan, math.nan)
    apart = _variance(part_a) + _variance(part_b)
    if not paired:
        return Difference(value, math.sqrt(apart), math.nan)
    together = _variance(part_b - part_a)
    return Difference(value, math.sqrt(together), apart / together if together > 0 else math.nan)


def _linearised(total: Floats, size: Floats) -> tuple[float, Floats]:
    """Return a ratio of sums, and what each replication adds to its error."""
    if not np.sum(size) > 0:
        return math.nan, np.full(size.shape, np.nan)
    ratio = float(np.sum(total) / np.sum(size))
    return ratio, (total - ratio * size) / np.mean(size)


def _variance(parts: Floats) -> float:
    """Return the variance of a mean; unknown from one replication."""
    return float(np.var(parts, ddof=1)) / parts.size if parts.size > 1 else math.nan


def obstacles(reference: Scenario, scenario: Scenario) -> list[str]:
    """Return why the patients of two scenarios can't be paired, one reason a text; none where they can.

    Patients are paired by number, and have the same luck whatever the clinic does. They are not the same
    people where age or sex are drawn from other distributions; nor is there a correspondence between a
    fixed cohort, enrolled in any order, and the first, second, third who walk into an open clinic.
    """
    reasons = []
    for key in ("arrivals.pattern", "cohort.age_years", "cohort.female"):
        one, other = (plain(get_value(each, key)) for each in (reference, scenario))
        if one != other:
            reasons.append(
                f"{key} is {value_text(one)} in the reference and {value_text(other)} in the other"
            )
    return reasons


@dataclass(frozen=True, slots=True)
class Setting:
    """One comparison: a scenario against the reference, where `key` has a value of its range if any."""

    name: str
    reference: Scenario
    scenario: Scenario
    key: str = ""
    value: float = math.nan
    varied: str = ""
    """Whose value is varied: the name of a scenario, or both."""

    @property
    def paired(self) -> bool:
        """Whether the two have the same patients."""
        return not obstacles(self.reference, self.scenario)

    @property
    def address(self) -> dict[str, object]:
        """The columns that say which comparison a row belongs to."""
        return {"scenario": self.name, "varied": self.varied, "key": self.key, "value": self.value}


def settings(reference: tuple[str, Scenario], others: Mapping[str, Scenario]) -> list[Setting]:
    """Return every comparison: each scenario with the reference, then over the ranges of both.

    A range of one is varied there. A range of both is one unknown, so it is varied in both at once, over the
    values of either.
    """
    base_name, base = reference
    found = []
    for name, scenario in others.items():
        found.append(Setting(name, base, scenario))
        ours, theirs = ({shown.key: shown.values for shown in each.range} for each in (scenario, base))
        for key in dict.fromkeys([*ours, *theirs]):
            varied = name if key not in theirs else base_name if key not in ours else "both"
            for value in sorted({*ours.get(key, ()), *theirs.get(key, ())}):
                change = {key: value}
                found.append(
                    Setting(
                        name,
                        with_values(base, change) if key in theirs else base,
                        with_values(scenario, change) if key in ours else scenario,
                        key,
                        value,
                        varied,
                    )
                )
    return found


@dataclass(frozen=True)
class Compared:
    """What a comparison found; shares are fractions.

    Attributes
    ----------
    comparison
        ``scenario``, the columns of ``endpoints.csv``, ``difference, difference_lower, difference_upper,
        variance_reduction``. The reference comes first, without differences.
    ranges
        The same at each value of each scenario's ``[[range]]``, with ``varied, key, value`` after
        ``scenario``; empty without a range.
    averted
        For each comparison, deaths averted per 100 enrolled (negative: caused), and by when.
    changed
        For each comparison that can be paired, the share of patients whose fate changes, and how.
    first_decided
        The first trial, from 1, in which somebody lives or dies instead, by scenario; left out where
        nobody does.
    result_hashes
        Of every replication's figures, by scenario.
    """

    comparison: pd.DataFrame
    ranges: pd.DataFrame
    averted: pd.DataFrame
    changed: pd.DataFrame
    first_decided: dict[str, int]
    result_hashes: dict[str, str]


class _Arms:
    """The scenarios to simulate, each once; one that a range makes equal to itself is not simulated twice."""

    def __init__(self, settings_: Sequence[Setting]) -> None:
        self.scenarios: dict[tuple[str, str], Scenario] = {}
        self.of: list[tuple[tuple[str, str], tuple[str, str]]] = []
        for setting in settings_:
            # The reference compared with itself is simulated twice all the same: that they agree is a result.
            arms = (("", setting.reference), (setting.name, setting.scenario))
            first, second = ((name, scenario_hash(scenario)) for name, scenario in arms)
            self.scenarios.setdefault(first, setting.reference)
            self.scenarios.setdefault(second, setting.scenario)
            self.of.append((first, second))


def compare(
    reference: tuple[str, Scenario],
    others: Mapping[str, Scenario],
    budget: Budget,
    progress: Progress | None = None,
) -> Compared:
    """Compare scenarios with a reference, each endpoint and each patient, under the same luck.

    Parameters
    ----------
    reference
        Its name and the scenario.
    others
        Scenarios by name; names differ.

    Raises
    ------
    RequestError
        There is nothing to compare with, or a value of a range does not fit its scenario.
    """
    if not others:
        raise RequestError("compare: one scenario given; name the reference first and then others")
    wanted = settings(reference, others)
    arms = _Arms(wanted)
    with TemporaryDirectory(prefix="lupus-hsct-") as folder:
        tallies = {}
        for number, (arm, scenario) in enumerate(arms.scenarios.items()):
            place = Path(folder, str(number))
            place.mkdir()
            tallies[arm] = Tally(scenario, place)
        counts = _play(wanted, arms, tallies, budget, progress)
        tables = [
            _against(tallies[one], tallies[other], setting)
            for setting, (one, other) in zip(wanted, arms.of, strict=True)
        ]
        alone = tallies[arms.of[0][0]].endpoints()
    hashes = {
        name: tallies[arm].result_hash
        for setting, (one, other) in zip(wanted, arms.of, strict=True)
        if not setting.key
        for name, arm in ((reference[0], one), (setting.name, other))
    }
    return _compared(reference[0], alone, list(zip(wanted, tables, counts, strict=True)), hashes)


def shared_ranges(scenarios: Sequence[Scenario], replications: range) -> Iterator[range]:
    """Cut replications wherever one of the scenarios would be cut: each piece is one chunk of every one."""
    edges = {piece.start for scenario in scenarios for piece in chunks(scenario, replications)}
    yield from (range(first, last) for first, last in pairwise(sorted({*edges, replications.stop})))


def _play(
    wanted: Sequence[Setting],
    arms: _Arms,
    tallies: Mapping[tuple[str, str], Tally],
    budget: Budget,
    progress: Progress | None,
) -> list[ChangeCounts | None]:
    """Simulate every arm piece by piece; return whose fates change in each comparison that has pairs."""
    counts = [ChangeCounts() if setting.paired else None for setting in wanted]
    everything = range(budget.replications)
    done, total = 0, budget.replications * len(arms.scenarios)
    for piece in shared_ranges(list(arms.scenarios.values()), everything):
        histories = {}
        for arm, scenario in arms.scenarios.items():
            (chunk,) = replicate(
                scenario, piece, budget.seed, simulator=choose_simulator(scenario, budget)[0]
            )
            tallies[arm].add(chunk)
            histories[arm] = chunk.history
            done += len(piece)
            if progress is not None:
                progress(done, total)
        for setting, (one, other), count in zip(wanted, arms.of, counts, strict=True):
            if count is not None:
                sides = ((histories[one], setting.reference), (histories[other], setting.scenario))
                count.add(pair(*sides), piece)
    return counts


def _against(reference: Tally, scenario: Tally, setting: Setting) -> pd.DataFrame:
    """Return a scenario's table of endpoints with the differences from the reference."""
    table = scenario.endpoints()
    common = set(keys(setting.reference.follow_up.horizon_years))
    mine = keys(setting.scenario.follow_up.horizon_years)
    at_once = max(1, _NUMBERS_AT_ONCE // (4 * scenario.rows.length))
    rows = []
    for first in range(0, len(mine), at_once):
        batch = mine[first : first + at_once]
        names = [name for key in batch if key in common for name in _pair_of(key)]
        here, there = (arm.rows.columns(names) if names else {} for arm in (scenario, reference))
        for key in batch:
            y, x = _pair_of(key)
            if key in common:
                sides = ((there[y], there[x]), (here[y], here[x]))
                rows.append(_difference_row(key, setting, *sides))
            else:
                rows.append({**dict.fromkeys(DIFFERENCE_COLUMNS, math.nan), "why": "not_read_in_reference"})
    found = pd.DataFrame(rows)
    table[list(DIFFERENCE_COLUMNS)] = found[list(DIFFERENCE_COLUMNS)]
    table["note"] = [_joined(*both) for both in zip(table["note"], found["why"], strict=True)]
    return table


def _joined(note: str, why: str) -> str:
    """Add to a row's own note why there is no difference; without patients the note says it all."""
    return note if note == NOBODY else "; ".join(filter(None, (note, why)))


def _pair_of(key: Key) -> tuple[str, str]:
    return column(key), f"n_{BY_NAME[key[0]].denominator}"


def _difference_row(
    key: Key, setting: Setting, reference: tuple[Floats, Floats], scenario: tuple[Floats, Floats]
) -> dict[str, object]:
    """Return the difference of one endpoint, and why it is blank or has no error where that is so."""
    found, why = difference(reference, scenario, paired=setting.paired), _incomparable(key[0], setting)
    if math.isnan(found.value):
        why = f"{NOBODY}_in_reference"  # nobody at risk in the scenario is in the note already
    elif why:
        found = Difference(math.nan, math.nan, math.nan)
    elif setting.paired and all(np.array_equal(*both) for both in zip(reference, scenario, strict=True)):
        why = IDENTICAL
    figures = (found.value, found.lower, found.upper, found.variance_reduction)
    return {**dict(zip(DIFFERENCE_COLUMNS, figures, strict=True)), "why": why}


def _incomparable(endpoint: str, setting: Setting) -> str:
    """Say why two figures of one name do not count the same thing; empty where they do."""
    one, other = setting.reference, setting.scenario
    if one.follow_up.horizon_years != other.follow_up.horizon_years and endpoint.startswith(
        _TO_HORIZON + _TO_CUT
    ):
        return "follow_up_differs"
    if one.follow_up.data_cut_days != other.follow_up.data_cut_days and endpoint.startswith(_TO_CUT):
        return "follow_up_differs"
    at_home = [each.cohort.enters_at == "home" for each in (one, other)]
    if any(at_home) and not all(at_home) and endpoint in _OF_TRANSPLANTS:
        return "never_transplanted"
    return ""


def _compared(
    reference: str,
    alone: pd.DataFrame,
    parts: Sequence[tuple[Setting, pd.DataFrame, ChangeCounts | None]],
    hashes: dict[str, str],
) -> Compared:
    """Put the tables of all comparisons together."""
    alone = alone.assign(**dict.fromkeys(DIFFERENCE_COLUMNS, math.nan))
    alone.insert(0, "scenario", reference)
    main, ranges, averted, changed = [alone], [], [], []
    for setting, table, counts in parts:
        for place, (name, value) in enumerate(setting.address.items()):
            table.insert(place, name, value)
        averted.append({**setting.address, **_averted(table, setting)})
        for change, share in counts.shares().items() if counts else ():
            limits = {"mc_se": share.se, "mc_lower": share.lower, "mc_upper": share.upper}
            changed.append({**setting.address, "change": change.value, "share": share.value, **limits})
        if setting.key:
            ranges.append(table)
        else:
            main.append(table.drop(columns=["varied", "key", "value"]))
    addresses = list(parts[0][0].address)
    columns = [*addresses, *main[0].columns[1:]]
    return Compared(
        pd.concat(main, ignore_index=True),
        pd.concat(ranges, ignore_index=True) if ranges else pd.DataFrame(columns=columns),
        pd.DataFrame(averted),
        pd.DataFrame(changed, columns=[*addresses, "change", "share", "mc_se", "mc_lower", "mc_upper"]),
        {
            setting.name: counts.first_decided + 1
            for setting, _, counts in parts
            if not setting.key and counts and counts.first_decided is not None
        },
        hashes,
    )


def _averted(table: pd.DataFrame, setting: Setting) -> dict[str, float]:
    """Return deaths averted per 100 enrolled, by the last time at which both read survival."""
    horizon = min(each.follow_up.horizon_years for each in (setting.reference, setting.scenario))
    at = table[(table["endpoint"] == SURVIVAL) & (table["time_years"] <= horizon)]
    at = at[at["difference"].notna()].tail(1)
    figures = ("time_years", "difference", "difference_lower", "difference_upper")
    time, *deaths = (float(at[name].iloc[0]) if len(at) else math.nan for name in figures)
    names = ("averted_per_100", "averted_lower", "averted_upper")
    return {"time_years": time, **{name: 100 * each for name, each in zip(names, deaths, strict=True)}}


def warn_of_unpaired(reference: tuple[str, Scenario], others: Mapping[str, Scenario]) -> None:
    """Warn of scenarios whose patients are not those of the reference, and say why."""
    for name, scenario in others.items():
        reasons = obstacles(reference[1], scenario)
        if reasons:
            warnings.warn(
                f"{name} and {reference[0]} do not have the same patients: {'; '.join(reasons)}. Their "
                "differences carry the errors of two independent runs (as a rule more than they have), and "
                "no patients are named. Make these keys equal, with --set, to pair them",
                UnpairedWarning,
                stacklevel=2,
            )
