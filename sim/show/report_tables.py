"""The tables of the report: rows of text, as the templates print them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sim.outcomes.one_trial import TrialReport
from sim.outcomes.survival import CurveReading
from sim.scenario.endpoints import BY_NAME, label
from sim.scenario.evidence import all_evidence
from sim.scenario.schema import Scenario
from sim.show.checklist import sets_it
from sim.show.kit.formats import Row, format_difference, format_parameter, format_share, rows
from sim.show.kit.table import cells, main_rows, row_label
from sim.study.checks import Check
from sim.study.estimates import Z95
from sim.work.folder import TIMINGS

Cells = tuple[str, ...]

_DRAWN_FILES = {
    "endpoints.csv": "every endpoint: mean over draws, the three kinds of uncertainty, target",
    "curves.csv": "survival curves with their Monte Carlo error and the posterior's 95%",
    "replications.parquet": "one row a virtual trial, of all draws",
    "patients.parquet": "one row a patient of the first virtual trials under the first draw",
}
_SURVIVAL = ("overall_survival", "disease_free_survival", "overall_survival_enrolled")

_FILES = {
    "endpoints.csv": "every endpoint: estimate, both kinds of uncertainty, target",
    "curves.csv": "survival curves with their Monte Carlo error",
    "range.csv": "every endpoint at each value of the range",
    "range_curves.csv": "survival curves at each value of the range",
    "occupancy.csv": "rooms and slots in use, and both queues, day by day",
    "censored_readings.csv": "what trials read at their data cut, on average, against the exact twin",
    "littles_law.csv": "mean numbers in use and in queues, against rate times mean time",
    "replications.parquet": "one row a virtual trial",
    "patients.parquet": "one row a patient of the first virtual trials",
    "events.parquet": "one row an event of these patients",
    "manifest.json": "every value with its source, seed, versions, and a hash of the results",
    TIMINGS: "all that may differ between identical runs",
}


def targets(endpoints: pd.DataFrame, scenario: Scenario) -> list[Cells]:
    """Return published and simulated figures: label, use, published, simulated, the errors, source."""
    counts = {(target.endpoint, target.time_years): target.n for target in scenario.target}
    found, read = [], rows(endpoints)
    for row in read:
        if not row.has_target:
            continue
        published, *figures = _figures(row, read, counts.get(row.key))
        use = "compared only" if not row.fitted else "assumed" if row.assumed else "solved for"
        published = published.removesuffix(" *").removesuffix(" assumed")
        found.append((row_label(row), use, published, *figures, row.source))
    return found


def _figures(row: Row, read: Sequence[Row], n: int | None) -> Cells:
    """Write target, estimate, the posterior's interval where the page has any, and both errors."""
    published, simulated, *errors = (each.replace("\n", "; ") for each in cells(row, n))
    posterior = (row.posterior_text,) if any(each.drawn for each in read) else ()
    return published, simulated, *posterior, *errors


def headlines(table: pd.DataFrame, scenario: Scenario) -> list[Cells]:
    """Return the main endpoints, as on the terminal, with the columns of `endpoints`."""
    return _defined(main_rows(rows(table), scenario))


def endpoints(table: pd.DataFrame) -> list[Cells]:
    """Return every endpoint: label, simulated, the errors, definition."""
    return _defined(rows(table))


def _defined(read: Sequence[Row]) -> list[Cells]:
    found = []
    for row in read:
        _, *figures = _figures(row, read, None)
        definition = f"{row.endpoint.definition} (of: {row.endpoint.denominator})"
        found.append((row_label(row), *figures, definition))
    return found


def censored(table: pd.DataFrame) -> list[Cells]:
    """Return what trials read on average against the twin: label, both, share undefined, difference."""
    found: list[Cells] = []
    for row in table[table["mc_se"] > 0].itertuples():
        half = Z95 * float(row.mc_se)
        key = (str(row.endpoint), float(row.time_years))
        difference = format_difference(BY_NAME[key[0]], float(row.difference), half)
        found.append(
            (
                label(key),
                f"{100 * row.twin:.2f}%",
                f"{100 * row.mean:.2f}% \N{PLUS-MINUS SIGN} {100 * row.mc_se:.2f}",
                format_share(float(row.undefined), 0.0005),
                f"{difference} ({abs(row.z):.1f} SE)",
            )
        )
    return found


def censored_finding(table: pd.DataFrame) -> str:
    """Say in words how far the trials' readings lie from the truth, and why."""
    read = table[table["mc_se"] > 0]
    whole, partly = read[read["undefined"] == 0], read[read["undefined"] > 0]
    said = []
    if len(whole):
        said.append(
            "Where every trial can report, the mean over trials is the uncensored expectation: the largest "
            f"of {len(whole)} differences is {whole['z'].abs().max():.1f} standard errors."
        )
    survival = partly[partly["endpoint"].isin(_SURVIVAL)]
    if len(survival):
        row = survival.loc[survival["undefined"].idxmax()]
        key = (str(row["endpoint"]), float(row["time_years"]))
        share = format_share(float(row["undefined"]), 0.005)
        difference = format_difference(BY_NAME[key[0]], float(row["difference"]), Z95 * float(row["mc_se"]))
        said.append(
            f"{label(key)} is undefined in {share} of trials, and the mean of the others lies {difference} "
            f"points from the truth (standard error {100 * row['mc_se']:.2f}). These others are no random "
            "choice: they have patients left at risk, so that fewer have had the event, or nobody left "
            "because the last one at risk had it (a reading of 0). It is the choice that is biased, not the "
            "estimator."
        )
    return " ".join(said)


def parameters(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return every parameter, and whether the scenario itself sets it."""
    return [
        {
            **row,
            "value": format_parameter(row["value"]),
            "own": sets_it(row),
            "from": _origin(str(row["inherited_from"])),
        }
        for row in manifest["parameters"]
    ]


def _origin(inherited_from: str) -> str:
    return "set here" if inherited_from == "" else inherited_from


def evidence(names: Sequence[str]) -> list[Cells]:
    """Return published figures: id, quantity, population, value, n, status, reference."""
    found: list[Cells] = []
    for name in names:
        row = all_evidence()[name]
        limits = f" ({row.lower} to {row.upper})" if row.lower and row.upper else ""
        value = f"{row.value}{limits} {row.unit}".strip()
        at = f"{row.population}{f', {row.time}' if row.time else ''}"
        found.append((row.id, row.quantity, at, value, row.n, row.status, row.reference))
    return found


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One comparison as text."""

    kind: str
    what: str
    expected: str
    got: str
    difference: str
    error: str
    passed: bool


def checks(found: Sequence[Check]) -> list[CheckRow]:
    """Return the comparisons as text; the difference has the digits of its error."""
    return [
        CheckRow(
            check.kind,
            check.what,
            f"{check.expected:#.5g}",
            f"{check.got:#.5g}",
            _difference(check),
            f"{check.mc_se:.2g}" if check.mc_se > 0 else "none",
            check.passed,
        )
        for check in found
    ]


def _difference(check: Check) -> str:
    if abs(check.difference) < 1e-12:
        return "0"
    text = f"{check.difference:+.2g}".replace("-", "\N{MINUS SIGN}", 1)
    return f"{text} ({abs(check.z):.1f} SE)" if check.mc_se > 0 else text


@dataclass(frozen=True, slots=True)
class TrialTable:
    """One trial's figures as text."""

    counts: list[Cells]
    times: Cells
    curves: list[tuple[str, list[tuple[str, Cells]]]]
    """For each curve its rows: what, and the figure at each time."""
    medians: list[Cells]
    notes: tuple[tuple[str, str], ...]


def trial(report: TrialReport) -> TrialTable:
    """Return what one trial reports as text."""
    counts: list[Cells] = [("Patients enrolled", str(report.enrolled))]
    if report.reinfused or "enrolled" not in (report.curves[0].name if report.curves else ""):
        counts += [
            ("Patients reinfused", str(report.reinfused)),
            ("Deaths due to treatment", _of(report.treatment_deaths, report.enrolled)),
            ("Deaths before reinfusion", _of(report.early_deaths, report.enrolled)),
        ]
    counts.append(("Deaths by the data cut", _of(report.deaths, report.enrolled)))
    curves: list[tuple[str, list[tuple[str, Cells]]]] = []
    medians: list[Cells] = []
    for curve in report.curves:
        label = BY_NAME[curve.name].label
        curves.append((label, _readings(curve.readings, at_risk=True)))
        median = curve.median
        medians.append(
            (label, _years(median.estimate), _between(median.lower, median.upper), f"{curve.last_years:.1f}")
        )
    curves += [
        (BY_NAME[name].label, _readings(reading, at_risk=False))
        for name, reading in report.incidence_readings.items()
    ]
    times = tuple(f"{time:g}" for time in report.curves[0].readings.times) if report.curves else ()
    return TrialTable(counts, times, curves, medians, report.notes)


def _readings(reading: CurveReading, *, at_risk: bool) -> list[tuple[str, Cells]]:
    estimates = tuple(
        "undefined" if math.isnan(value) else format_share(value, 0.005) for value in reading.estimate
    )
    intervals = tuple(
        "" if np.isnan([low, high]).any() else f"{100 * low:.0f} to {100 * high:.0f}%"
        for low, high in zip(reading.lower, reading.upper, strict=True)
    )
    found = [("estimate", estimates), ("95% interval", intervals)]
    if at_risk:
        found.append(("at risk", tuple(f"{number:.0f}" for number in reading.at_risk)))
    return found


def _of(number: int, size: int) -> str:
    return f"{number} of {size}"


def _years(value: float) -> str:
    return "not reached" if math.isnan(value) else f"{value:.1f} years"


def _between(lower: float, upper: float) -> str:
    low, high = ("not reached" if math.isnan(limit) else f"{limit:.1f}" for limit in (lower, upper))
    return f"{low} to {high}"


def files(folder: Path, *, drawn: bool = False) -> list[Cells]:
    """Return the files of the run folder and what they hold; some more under draws of a posterior."""
    held = {**_FILES, **(_DRAWN_FILES if drawn else {})}
    return [(name, what) for name, what in held.items() if name == TIMINGS or (folder / name).is_file()]
