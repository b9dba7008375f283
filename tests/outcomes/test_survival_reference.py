"""The survival estimators against R's package survival and against statsmodels, on 34 trials.

R's numbers are committed, with how they were made, in tests/reference/survival. A difference is relative to
numbers above 1 and absolute below; a number where the other has none is an infinite difference. Where one of
the programs differs by intention or by fault, the test that meets it names it.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from math import inf, isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from statsmodels.duration.survfunc import CumIncidenceRight, SurvfuncRight, survdiff

from sim.outcomes.log_rank import LogRank, log_rank
from sim.outcomes.survival import CumulativeIncidences, KaplanMeier, aalen_johansen, counts_of, kaplan_meier

FOLDER = Path(__file__).parents[1] / "reference" / "survival"
WORST = 1e-10

# Weak figures are read on purpose here; that they warn is tested elsewhere.
pytestmark = pytest.mark.filterwarnings("ignore::sim.scenario.problems.FigureWarning")

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Trial:
    time: NDArray[np.float64]
    cause: NDArray[np.int_]
    group: NDArray[np.str_]
    stratum: NDArray[np.str_]

    @property
    def event(self) -> NDArray[np.bool_]:
        return self.cause >= 0

    @property
    def causes(self) -> int:
        return max(1, int(self.cause.max()) + 1)


@dataclass(slots=True)
class Differences:
    """The largest difference so far, how many numbers were compared, and where they were furthest apart."""

    worst: float = 0.0
    compared: int = 0
    where: str = ""
    trials: set[str] = field(default_factory=set)

    def add(self, found: float, reference: float, trial: str, what: str) -> None:
        self.compared += 1
        self.trials.add(trial)
        if isnan(found) and isnan(reference):
            return
        difference = abs(found - reference) / max(1.0, abs(reference))
        if isnan(difference):
            difference = inf
        if difference > self.worst:
            self.worst, self.where = difference, f"{trial}: {what}: {found!r} against {reference!r}"

    def report(self, what: str, record: Callable[[str, object], None]) -> None:
        where = f", at {self.where}" if self.where else ""
        record(
            "worst difference",
            f"{what}: {self.worst:.1e} in {self.compared} numbers of {len(self.trials)} trials{where}",
        )
        assert self.worst < WORST, self.where


def rows(file: str) -> list[Row]:
    with (FOLDER / file).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def number(text: str) -> float:
    return nan if text == "NA" else float(text)


@cache
def trials() -> dict[str, Trial]:
    by_name: dict[str, list[Row]] = {}
    for row in rows("data.csv"):
        by_name.setdefault(row["trial"], []).append(row)
    return {
        name: Trial(
            np.array([float(row["time"]) for row in own]),
            np.array([int(row["cause"]) for row in own]),
            np.array([row["group"] for row in own]),
            np.array([row["stratum"] for row in own]),
        )
        for name, own in by_name.items()
    }


@cache
def curve(name: str) -> KaplanMeier:
    return kaplan_meier(trials()[name].time, trials()[name].event)


@cache
def incidences(name: str) -> CumulativeIncidences:
    trial = trials()[name]
    return aalen_johansen(trial.time, trial.cause, trial.causes)


def place(times: NDArray[np.float64], time: float) -> int:
    (found,) = np.flatnonzero(times == time)
    return int(found)


def limits_of(row: Row) -> tuple[float, float]:
    return number(row["log_log_lower"]), number(row["log_log_upper"])


def test_there_are_thirty_four_trials_and_every_table_covers_them() -> None:
    assert len(trials()) == 34
    for file in ("kaplan_meier.csv", "readings.csv", "medians.csv", "incidences.csv", "follow_up.csv"):
        assert {row["trial"] for row in rows(file)} == set(trials()), file
    grouped = {name for name, trial in trials().items() if trial.group[0]}
    assert {row["trial"] for row in rows("log_rank.csv")} == grouped


def test_kaplan_meier_is_rs(record_property: Callable[[str, object], None]) -> None:
    differences = Differences()
    for row in rows("kaplan_meier.csv"):
        name, found = row["trial"], curve(row["trial"])
        at = place(found.counts.times, float(row["time"]))
        values = {
            "at_risk": found.counts.at_risk[at],
            "events": found.counts.events[0, at],
            "survival": found.survival[at],
            "std_error": found.std_error[at],
        }
        for what, value in values.items():
            differences.add(float(value), number(row[what]), name, f"{what} at {row['time']}")
        for side, limits, other in zip(("lower", "upper"), found.intervals(), limits_of(row), strict=True):
            differences.add(float(limits[at]), other, name, f"{side} at {row['time']}")
    differences.report("Kaplan-Meier against R", record_property)


def test_readings_are_rs(record_property: Callable[[str, object], None]) -> None:
    """R carries the last estimate forward beyond follow-up; here it is undefined unless it is 0."""
    differences, beyond = Differences(), 0
    for row in rows("readings.csv"):
        name, time = row["trial"], float(row["time"])
        defined = row["followed"] == "TRUE" or number(row["survival"]) == 0
        beyond += not defined
        read = curve(name).read(time)
        expected = (number(row["survival"]), number(row["std_error"]), *limits_of(row))
        found = (read.estimate[0], read.std_error[0], read.lower[0], read.upper[0])
        for value, reference in zip(found, expected, strict=True):
            differences.add(float(value), reference if defined else nan, name, f"reading at {time}")
        differences.add(float(read.at_risk[0]), number(row["at_risk"]), name, f"at risk at {time}")
    assert beyond >= 10
    differences.report("Readings against R", record_property)


def test_medians_are_rs(record_property: Callable[[str, object], None]) -> None:
    """The rule is that of R's print; R's quantile differs from it where survival ends at exactly a half."""
    differences = Differences()
    for row in rows("medians.csv"):
        if row["conf_type"] != "log-log":
            continue
        name, median = row["trial"], curve(row["trial"]).median()
        found = {"median": median.estimate, "lower": median.lower, "upper": median.upper}
        for what, value in found.items():
            differences.add(value, number(row[what]), name, what)
            other = number(row[f"quantile_{what}" if what != "median" else "quantile"])
            if name == "a half to the end" and what == "median":
                assert (value, other) == (2, 3)
            else:
                differences.add(value, other, name, f"{what} by quantile")
    differences.report("Medians against R", record_property)


def test_follow_up_by_reverse_kaplan_meier_is_rs(record_property: Callable[[str, object], None]) -> None:
    differences = Differences()
    for row in rows("follow_up.csv"):
        trial = trials()[row["trial"]]
        median = kaplan_meier(trial.time, ~trial.event).median()
        for what in ("lower", "upper"):
            differences.add(getattr(median, what), number(row[what]), row["trial"], what)
        differences.add(median.estimate, number(row["median"]), row["trial"], "median")
    differences.report("Reverse Kaplan-Meier against R", record_property)


def test_aalen_johansen_is_rs(record_property: Callable[[str, object], None]) -> None:
    differences = Differences()
    for row in rows("incidences.csv"):
        name, cause, found = row["trial"], int(row["cause"]), incidences(row["trial"])
        at = place(found.counts.times, float(row["time"]))
        values = {
            "survival": found.survival[at],
            "incidence": found.incidence[cause, at],
            "std_error": found.std_error[cause, at],
        }
        for what, value in values.items():
            differences.add(float(value), number(row[what]), name, f"{what} of {cause} at {row['time']}")
        both = zip(("lower", "upper"), found.intervals(cause), limits_of(row), strict=True)
        for side, limits, other in both:
            differences.add(float(limits[at]), other, name, f"{side} of {cause} at {row['time']}")
    differences.report("Aalen-Johansen against R", record_property)


def log_rank_of(name: str, stratified: bool) -> LogRank:
    trial = trials()[name]
    return log_rank(trial.time, trial.event, trial.group, trial.stratum if stratified else None)


def test_log_rank_is_rs(record_property: Callable[[str, object], None]) -> None:
    """Where nothing can be compared, R stops (NA in its table) or says 0; here the test is undefined."""
    differences = Differences()
    for row in rows("log_rank.csv"):
        name, stratified = row["trial"], row["stratified"] == "TRUE"
        found = log_rank_of(name, stratified)
        at = found.groups.tolist().index(row["group"])
        if name == "two patients at once":
            assert row["chisq"] == "NA"
            assert isnan(found.statistic)
            continue
        differences.add(float(found.observed[at]), number(row["observed"]), name, "observed")
        differences.add(float(found.expected[at]), number(row["expected"]), name, "expected")
        differences.add(found.degrees_of_freedom, number(row["df"]), name, "degrees of freedom")
        if name == "a group gone before events":
            assert (number(row["chisq"]), number(row["p"])) == (0, 1)
            assert isnan(found.statistic)
            assert isnan(found.p)
            continue
        differences.add(found.statistic, number(row["chisq"]), name, "statistic")
        differences.add(found.p, number(row["p"]), name, "p")
    differences.report("Log-rank against R", record_property)


def with_ties(trial: Trial) -> NDArray[np.float64]:
    """Return the times as they are counted here: statsmodels does not tie nearly equal times."""
    distinct = counts_of(trial.time, trial.cause, trial.causes)
    return distinct.times[distinct.passed(trial.time) - 1]


def quietly(make: Callable[..., Any], *args: Any) -> Any:
    """Call statsmodels, which divides by zero where nobody is left."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(*args)


def test_kaplan_meier_is_statsmodels(record_property: Callable[[str, object], None]) -> None:
    """Trials without events have no row in statsmodels' table."""
    differences = Differences()
    for name, trial in trials().items():
        other = quietly(SurvfuncRight, with_ties(trial), trial.event.astype(int))
        found = curve(name)
        events = found.counts.events[0] > 0
        assert other.surv_times.tolist() == found.counts.times[events].tolist()
        columns = {
            "survival": (found.survival, other.surv_prob),
            "std_error": (found.std_error, other.surv_prob_se),
            "at_risk": (found.counts.at_risk, other.n_risk),
        }
        for what, (own, others) in columns.items():
            for value, reference in zip(own[events], others, strict=True):
                differences.add(float(value), float(reference), name, what)
    differences.report("Kaplan-Meier against statsmodels", record_property)


def test_aalen_johansen_is_statsmodels(record_property: Callable[[str, object], None]) -> None:
    """Incidences agree everywhere; statsmodels has no error where all at risk have the event at once."""
    differences, missing = Differences(), set()
    for name, trial in trials().items():
        if not trial.event.any():
            continue
        other = quietly(CumIncidenceRight, with_ties(trial), trial.cause + 1)
        found = incidences(name)
        assert other.times.tolist() == found.counts.times.tolist()
        for cause in range(trial.causes):
            for at in range(len(found.counts.times)):
                value, reference = float(found.incidence[cause, at]), float(other.cinc[cause][at])
                differences.add(value, reference, name, f"incidence of {cause}")
                value, reference = float(found.std_error[cause, at]), float(other.cinc_se[cause][at])
                if found.counts.events[:, at].sum() == found.counts.at_risk[at]:
                    assert isnan(reference)
                    missing.add(name)
                    continue
                differences.add(value, reference, name, f"error of {cause} at {found.counts.times[at]}")
    assert "causes at once at the end" in missing
    differences.report("Aalen-Johansen against statsmodels", record_property)


def test_log_rank_is_statsmodels(record_property: Callable[[str, object], None]) -> None:
    """Where nothing can be compared, statsmodels stops at a singular matrix; here the test is undefined."""
    differences = Differences()
    for name, stratified in sorted({(row["trial"], row["stratified"]) for row in rows("log_rank.csv")}):
        trial, found = trials()[name], log_rank_of(name, stratified == "TRUE")
        strata = trial.stratum if stratified == "TRUE" else None
        given = (with_ties(trial), trial.event.astype(int), trial.group, None, strata)
        if name in ("two patients at once", "a group gone before events"):
            with pytest.raises(np.linalg.LinAlgError):
                quietly(survdiff, *given)
            continue
        statistic, p = quietly(survdiff, *given)
        differences.add(found.statistic, float(statistic), name, "statistic")
        differences.add(found.p, float(p), name, "p")
    differences.report("Log-rank against statsmodels", record_property)
