"""Comparisons: every endpoint of some scenarios against a reference, under the same luck.

Replications of two scenarios share their luck, so the difference of an endpoint is estimated from pairs of
replications: what luck does to both drops out, and what is left is the scenario's doing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from sim.scenario.describe import value_text
from sim.scenario.endpoints import NEVER_TRANSPLANTED, OF_TRANSPLANTS
from sim.scenario.load import Loaded, scenario_hash
from sim.scenario.problems import IncomparableWarning, RequestError, UnpairedWarning
from sim.scenario.registry import BOUNDS, plain
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value, with_values
from sim.study.budget import Budget
from sim.study.draws import SAME, number_of
from sim.study.estimates import POSTERIOR_COLUMNS
from sim.study.experiment import Experiment, Pair
from sim.study.montecarlo import choose_simulator, simulate
from sim.study.pairing import FATES_CHANGED
from sim.study.records import addressed
from sim.study.strata import strata_table
from sim.study.tally import NOBODY, ArmTally, PairTally, Tally
from sim.work.store import ChunkStore
from sim.work.task import Tell

SURVIVAL = "overall_survival_enrolled"
"""The endpoint from which deaths averted are counted: everybody enrolled, from enrolment."""

IDENTICAL = "identical"
"""Note of an endpoint that is the same in every replication."""

DIFFERENCE_COLUMNS = ("difference", "difference_lower", "difference_upper", "variance_reduction")
DIFFERENCE_ERROR = "difference_mc_se"
"""Column of the Monte Carlo error of a difference whose limits are a posterior's."""

_CHANGED = ("change", "share", "mc_se", "mc_lower", "mc_upper")
# Endpoints that by definition count up to the data cut, or the end of follow-up.
_TO_CUT = ("deaths_by_data_cut", "early_", "relapses_by_data_cut", "mean_follow_up")


# Who the patients are; and from which day on they are counted: who stays at home and who is mobilised are
# counted from the same decision, who enters at immunoablation has lived to reach it.
_POPULATION = ("cohort.age_years", "cohort.female")
_TIME_ZERO = "cohort.enters_at"


def incomparable(reference: Scenario, scenario: Scenario, solved: Sequence[str] = ()) -> list[str]:
    """Return why two scenarios can't be read as treatment and alternative; no reason where they can.

    Other people, another time zero or another calibration make a difference that no treatment has made.

    Parameters
    ----------
    solved
        What `solved_otherwise` found.
    """
    reasons = _differing(reference, scenario, _POPULATION)
    if (reference.cohort.enters_at == "immunoablation") != (scenario.cohort.enters_at == "immunoablation"):
        reasons += _differing(reference, scenario, (_TIME_ZERO,))
    if solved:
        more = f" and {len(solved) - 1} more" if len(solved) > 1 else ""
        reasons.append(f"each is calibrated to figures of its own (solved otherwise: {solved[0]}{more})")
    return reasons


def obstacles(reference: Scenario, scenario: Scenario, solved: Sequence[str] = ()) -> list[str]:
    """Return why the patients of two scenarios can't be paired, one reason a text; none where they can.

    Patients are paired by number, and have the same luck whatever the clinic does. They are not the same
    people where scenarios are `incomparable`; nor is there a correspondence between a fixed cohort, enrolled
    in any order, and the first, second, third who walk into an open clinic.
    """
    return [
        *_differing(reference, scenario, ("arrivals.pattern",)),
        *incomparable(reference, scenario, solved),
    ]


def _differing(reference: Scenario, scenario: Scenario, keys: Sequence[str]) -> list[str]:
    values = {key: [plain(get_value(each, key)) for each in (reference, scenario)] for key in keys}
    return [
        f"{key} is {_told(one)} in the reference and {_told(other)} in the other"
        for key, (one, other) in values.items()
        if one != other
    ]


def _told(value: Any) -> str:
    """Write a value for a sentence: a distribution by its family and, in brackets, its numbers."""
    if not isinstance(value, Mapping) or value.get("dist") in ("fixed", "empirical") or "dist" not in value:
        return value_text(value)
    names = sorted(value.keys() - {"dist"}, key=lambda name: (name in BOUNDS, [*value].index(name)))
    numbers = ", ".join(f"{name} {value[name]:g}" for name in names)
    return f"{value['dist']} ({numbers})"


def solved_otherwise(reference: Loaded, other: Loaded) -> tuple[str, ...]:
    """Return the parameters that calibrations of two scenarios have solved to other values.

    A solved value that a what-if writes over is no other calibration; one that only one of them solves is.
    """
    return tuple(
        key
        for key in dict.fromkeys((*reference.solved_from, *other.solved_from))
        for one, two in [[number_of(each.scenario, key) for each in (reference, other)]]
        if one is not None and two is not None and not math.isclose(one, two, rel_tol=SAME)
        if all(key in each.solved_from or key not in each.scenario.calibration.solve
               for each in (reference, other))
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Side:
    """One of the scenarios that are compared."""

    scenario: Scenario
    held: tuple[str, ...] = ()
    """Parameters that draws of a posterior must not replace."""
    solved: tuple[str, ...] = ()
    """What its calibration has solved to other values than that of the reference."""

    def at(self, key: str, value: float) -> Side:
        """Return it with a value that is asked for, and therefore held in every draw."""
        return replace(self, scenario=with_values(self.scenario, {key: value}), held=(*self.held, key))


Sides: TypeAlias = Mapping[str, Side]
"""What is compared, by names that differ: the reference first, and then the others."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One comparison: a scenario against the reference, where `key` has a value of its range if any."""

    name: str
    reference: Side
    other: Side
    key: str = ""
    value: float = math.nan
    varied: str = ""
    """Whose value is varied: the name of a scenario, or both."""

    @property
    def paired(self) -> bool:
        """Whether the two have the same patients."""
        return not obstacles(self.reference.scenario, self.other.scenario, self.other.solved)

    @property
    def address(self) -> dict[str, object]:
        """The columns that say which comparison a row belongs to."""
        return {"scenario": self.name, "varied": self.varied, "key": self.key, "value": self.value}


def settings(sides: Sides) -> list[Setting]:
    """Return every comparison: each scenario with the reference, then over the ranges of both.

    A range of one is varied there. A range of both is one unknown, so it is varied in both at once, over the
    values of either.
    """
    (base_name, base), *others = sides.items()
    found = []
    for name, side in others:
        found.append(Setting(name, base, side))
        ours, theirs = ({shown.key: shown.values for shown in each.scenario.range} for each in (side, base))
        for key in dict.fromkeys([*ours, *theirs]):
            varied = name if key not in theirs else base_name if key not in ours else "both"
            for value in sorted({*ours.get(key, ()), *theirs.get(key, ())}):
                one = base.at(key, value) if key in theirs else base
                other = side.at(key, value) if key in ours else side
                found.append(Setting(name, one, other, key, value, varied))
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
        For each comparison, deaths averted per 100 enrolled (negative: caused), and by when; not numbers
        where the two are `incomparable`.
    changed
        For each comparison that can be paired, the share of patients whose fate changes, and how.
    first_decided
        The first trial, from 1, in which somebody lives or dies instead, by scenario; left out where
        nobody does.
    result_hashes
        Of every replication's figures, by scenario.
    replications
        How many were simulated.
    strata
        As `comparison`, of everybody and of each stratum; empty where none is asked for.
    """

    comparison: pd.DataFrame
    ranges: pd.DataFrame
    averted: pd.DataFrame
    changed: pd.DataFrame
    first_decided: dict[str, int]
    result_hashes: dict[str, str]
    replications: int
    strata: pd.DataFrame


class _Arms:
    """The scenarios to simulate, each once; one that a range makes equal to itself is not simulated twice.

    Parameters
    ----------
    drawn
        Parameters of which a posterior has draws: one that is held makes another scenario.
    """

    def __init__(self, settings_: Sequence[Setting], drawn: Sequence[str]) -> None:
        self._numbers: dict[tuple[str, str, tuple[str, ...]], int] = {}
        self._drawn = drawn
        self.sides: list[Side] = []
        self.pairs: list[Pair] = []
        for setting in settings_:
            # The reference compared with itself is simulated twice all the same: that they agree is a result.
            first, second = self._number("", setting.reference), self._number(setting.name, setting.other)
            self.pairs.append(Pair(first, second, paired=setting.paired, fates=setting.paired))

    def _number(self, name: str, side: Side) -> int:
        arm = (name, scenario_hash(side.scenario), tuple(key for key in side.held if key in self._drawn))
        if arm not in self._numbers:
            self._numbers[arm] = len(self.sides)
            self.sides.append(side)
        return self._numbers[arm]


def compare(
    sides: Sides, budget: Budget, progress: Tell | None = None, store: ChunkStore | None = None
) -> Compared:
    """Compare scenarios with a reference, each endpoint and each patient, under the same luck.

    Raises
    ------
    RequestError
        There is nothing to compare with, or a value of a range does not fit its scenario.
    """
    if len(sides) < 2:
        raise RequestError("compare: one scenario given; name the reference first and then others")
    wanted = settings(sides)
    arms = _Arms(wanted, () if budget.draws is None else budget.draws.keys)
    scenarios, held = (tuple(getattr(side, name) for side in arms.sides) for name in ("scenario", "held"))
    simulator, _ = choose_simulator(scenarios, budget)
    experiment = Experiment(scenarios, budget.seed, simulator, tuple(arms.pairs), held=held, strata=budget.by)
    (tally,) = simulate([experiment], budget, progress=progress, store=store)
    return _compared(next(iter(sides)), wanted, arms, tally)


def _compared(reference: str, wanted: Sequence[Setting], arms: _Arms, tally: Tally) -> Compared:
    """Make the tables of all comparisons."""
    base = arms.pairs[0].reference
    hashes = {reference: tally.arms[base].result_hash}
    first_decided = {}

    def alone(arm: ArmTally, _two: object) -> pd.DataFrame:
        return arm.endpoints().assign(**dict.fromkeys(DIFFERENCE_COLUMNS, math.nan))

    main = [addressed(alone(tally.arms[base], None), scenario=reference)]
    strata = [addressed(strata_table(tally.arms[base], alone), scenario=reference)]
    ranges, averted, changed = [], [], []
    for setting, two, found in zip(wanted, arms.pairs, tally.pairs, strict=True):
        arm = tally.arms[two.scenario]
        table = against(arm, found, setting)
        averted.append({**setting.address, **_averted(table, setting)})
        if (shares := found.changes()) is not None:
            changes = {"change": [each.value for each in FATES_CHANGED], **shares.columns("share")}
            changed.append(addressed(pd.DataFrame(changes), **setting.address))
        if setting.key:
            ranges.append(addressed(table, **setting.address))
            continue
        main.append(addressed(table, scenario=setting.name))
        tables = partial(against, setting=setting)
        strata.append(addressed(strata_table(arm, tables, found), scenario=setting.name))
        hashes[setting.name] = arm.result_hash
        if found.first_decided is not None:
            first_decided[setting.name] = found.first_decided + 1
    addresses = list(wanted[0].address)
    return Compared(
        pd.concat(main, ignore_index=True),
        _joined(ranges, [*addresses, *main[0].columns[1:]]),
        pd.DataFrame(averted),
        _joined(changed, [*addresses, *_CHANGED]),
        first_decided,
        hashes,
        tally.replications,
        pd.concat(strata, ignore_index=True),
    )


def _joined(tables: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def against(scenario: ArmTally, two: PairTally, setting: Setting) -> pd.DataFrame:
    """Return a scenario's table of endpoints with the differences from the reference.

    A difference that is blank, or has no error, has a note that says why.
    """
    table, found = scenario.endpoints(), two.differences()
    figures = (found.value, found.lower, found.upper, found.variance_reduction)
    columns = dict(zip(DIFFERENCE_COLUMNS, figures, strict=True))
    if POSTERIOR_COLUMNS[0] in table:
        columns[DIFFERENCE_ERROR] = found.se
    apart = np.array([_incomparable(name, setting) for name, _ in scenario.keys])
    why = np.select(
        [~two.read_in_both(), np.isnan(found.value), apart != "", two.identical() & setting.paired],
        ["not_read_in_reference", f"{NOBODY}_in_reference", apart, IDENTICAL],
        "",
    )
    for name, column in columns.items():
        table[name] = np.where(apart != "", math.nan, column)
    table["note"] = [_noted(*both) for both in zip(table["note"], why.tolist(), strict=True)]
    return table


def _noted(note: str, why: str) -> str:
    """Add to a row's own note why there is no difference; without patients the note says it all."""
    return note if note == NOBODY else "; ".join(dict.fromkeys(filter(None, (note, why))))


def _incomparable(endpoint: str, setting: Setting) -> str:
    """Say why two figures of one name do not count the same thing; empty where they do."""
    one, other = setting.reference.scenario, setting.other.scenario
    if one.follow_up.horizon_years != other.follow_up.horizon_years and endpoint.startswith(_TO_CUT):
        return "follow_up_differs"
    if one.follow_up.data_cut_days != other.follow_up.data_cut_days and endpoint.startswith(_TO_CUT):
        return "follow_up_differs"
    if "home" in (one.cohort.enters_at, other.cohort.enters_at) and endpoint in OF_TRANSPLANTS:
        return NEVER_TRANSPLANTED
    return ""


def _averted(table: pd.DataFrame, setting: Setting) -> dict[str, float]:
    """Return deaths averted per 100 enrolled, by the last time at which both read survival.

    Times 100 leaves digits of no meaning, so that they are rounded.
    """
    one, other = setting.reference.scenario, setting.other.scenario
    horizon = min(one.follow_up.horizon_years, other.follow_up.horizon_years)
    at = table[(table["endpoint"] == SURVIVAL) & (table["time_years"] <= horizon)]
    if incomparable(one, other, setting.other.solved):
        at = at.head(0)
    at = at[at["difference"].notna()].tail(1)
    figures = ("time_years", "difference", "difference_lower", "difference_upper")
    time, *deaths = (float(at[name].iloc[0]) if len(at) else math.nan for name in figures)
    names = ("averted_per_100", "averted_lower", "averted_upper")
    return {
        "time_years": time,
        **{name: round(100 * each, 9) for name, each in zip(names, deaths, strict=True)},
    }


def warn_of_unpaired(sides: Sides) -> None:
    """Warn of scenarios that are no alternatives, or whose patients are not the reference's; say why."""
    (reference, base), *others = sides.items()
    for name, side in others:
        apart = incomparable(base.scenario, side.scenario, side.solved)
        reasons = apart or obstacles(base.scenario, side.scenario)
        if apart:
            IncomparableWarning.say(
                f"{name} and {reference} can't be compared as treatment and alternative: "
                f"{'; '.join(apart)}. Their difference is no effect of treatment: it has the error of two "
                "independent runs, and no lives, number needed or names come with it. Compare each with a "
                "scenario that has it as its base and changes only the treatment"
            )
        elif reasons:
            UnpairedWarning.say(
                f"{name} and {reference} do not have the same patients: {'; '.join(reasons)}. Their "
                "differences carry the errors of two independent runs (as a rule more than they have), and "
                "no patients are named. Make these keys equal, with --set, to pair them"
            )
