"""The tables of a run, and of points of a range or a sweep: published, simulated, and every kind of error."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from sim.outcomes.occupancy import is_limited, tells
from sim.outcomes.one_trial import TrialReport
from sim.outcomes.survival import CurveReading
from sim.scenario.endpoints import BY_NAME, Key, label
from sim.scenario.schema import PoissonArrivals, Scenario
from sim.scenario.values import get_value
from sim.show.kit.formats import Row, by_key, format_difference, format_range, format_share, rows, written
from sim.show.kit.grid import Cells, Column, Grid, Told, named, number, numbers
from sim.show.kit.posterior_words import precision, scope
from sim.show.kit.prose import one_sentence, sentences
from sim.show.kit.scenario_words import replication
from sim.study.estimates import Z95
from sim.study.verification import Check

_HEADLINES = (
    "overall_survival_enrolled",
    "treatment_related_mortality",
    "pre_transplant_mortality",
    "overall_survival",
    "disease_free_survival",
)
_HOME_HEADLINES = ("overall_survival_enrolled", "restricted_mean_survival_enrolled", "death_by_cause_lupus")
_QUEUE_HEADLINES = (
    "waited", "waited_over_30_days", "room_wait_days", "room_wait_median_days", "room_wait_90_percent_days",
    "died_waiting", "died_waiting_of_asked", "slot_waited", "slot_wait_days", "slot_died_waiting",
    "still_waiting", "room_occupancy",
)  # fmt: skip
_SURVIVAL = ("overall_survival", "disease_free_survival", "overall_survival_enrolled")


def published(
    endpoints: pd.DataFrame,
    scenario: Scenario,
    points: pd.DataFrame | None = None,
    *,
    full: bool = False,
    manifest: Mapping[str, Any] = MappingProxyType({}),
) -> Grid:
    """Compare published with simulated figures.

    Parameters
    ----------
    endpoints : DataFrame
        The columns of ``endpoints.csv``.
    scenario : Scenario
        How many patients stand behind a published count.
    points : DataFrame, optional
        The columns of ``range.csv``, where the scenario has a range: what each figure is between its values
        stands beside the figure.
    full : bool
        Whether to go on with every endpoint after the targets. Without `full`, waits are shown, where places
        are scarce; and without targets the main endpoints at the horizon.
    manifest
        The run's.
    """
    read = [row for row in rows(endpoints, scenario) if tells(row.endpoint, scenario)]
    aimed = [row for row in read if row.has_target]
    others = [row for row in read if not row.has_target]
    main = main_rows(read, scenario)
    shown = aimed + (others if full else [row for row in main if row.endpoint.queue or not aimed])
    bands = {} if points is None else range_bands(points)
    drawn = any(row.drawn for row in shown)
    simulated, *errors = _simulated(replication(scenario).what, drawn=drawn)
    columns: list[Told[Row]] = [
        (Column("endpoint", plain=True), row_label),
        *([(number(_aim(aimed)), _published)] if aimed else []),
        simulated,
        *([(number("over the\nrange"), lambda row: _bare(row, bands.get(row.key, "")))] if bands else []),
        *errors,
    ]
    notes = [*_notes(shown, scenario, drawn=drawn), *drawn_notes(shown, manifest)]
    notes += _range_notes(scenario, bands, (manifest.get("posterior") or {}).get("free", ()))
    last_target = {len(aimed) - 1} if 0 < len(aimed) < len(shown) else set()
    title = f"{_aim(aimed).capitalize()} and simulated"
    return Grid.of(title, shown, columns, notes, ends=frozenset(last_target))


def _aim(aimed: Sequence[Row]) -> str:
    """Return what targets are called together: published, unless nobody has published any of them."""
    return "published" if not aimed or any(row.origin == "published" for row in aimed) else "target"


def targets(found: Sequence[tuple[str, pd.DataFrame, Scenario]]) -> Grid:
    """Compare every printed figure of some scenarios, and tell which ones were solved for.

    Parameters
    ----------
    found
        Name, the columns of ``endpoints.csv`` and the scenario, of each; the names stand before the figures
        of several scenarios.
    """
    told: list[Row] = []
    names: dict[Row, str] = {}
    ends = set()
    for name, endpoints, scenario in found:
        every = rows(endpoints, scenario)
        shown = [row for row in every if row.has_target] or main_rows(every, scenario)
        names |= dict.fromkeys(shown[:1], name)
        told += shown
        ends.add(len(told) - 1)
    drawn, several = any(row.drawn for row in told), len(found) > 1
    aim = _aim([row for row in told if row.has_target])
    columns: list[Told[Row]] = [
        *([(Column("scenario"), lambda row: names.get(row, ""))] if several else []),
        (Column("endpoint", plain=True), row_label),
        (number(aim), lambda row: _published(row, use=False)),
        *_simulated("trial" if several else replication(found[0][2]).what, drawn=drawn),
        (Column("use"), _use),
        (Column("source"), lambda row: row.source),
    ]
    notes = sentences("run", "uses", drawn)
    return Grid.of(f"{aim.capitalize()} and simulated", told, columns, notes, ends=frozenset(ends))


def defined(table: pd.DataFrame, scenario: Scenario, *, full: bool = False, waits: bool = False) -> Grid:
    """Return every endpoint, or the main ones or only those of waiting, with the definition of each."""
    read = [row for row in rows(table) if tells(row.endpoint, scenario)]
    shown = read if full else main_rows(read, scenario)
    columns: tuple[Told[Row], ...] = (
        (Column("endpoint"), row_label),
        *_simulated(replication(scenario).what, drawn=any(row.drawn for row in read)),
        (Column("definition"), lambda row: f"{row.endpoint.definition} (of: {row.endpoint.denominator})"),
    )
    title = "All endpoints" if full else "Main figures; the scenario answers to no published one"
    title = "Waiting for scarce places" if waits else title
    return Grid.of(title, [row for row in shown if row.endpoint.queue or not waits], columns)


def _simulated(what: str, *, drawn: bool) -> list[Told[Row]]:
    """Return the columns of what was simulated: the figure, and how far luck moves it and a single trial."""
    return [
        (number("simulated"), lambda row: _bare(row, row.simulated_text)),
        *([(number("posterior\n95%"), lambda row: row.posterior_text)] if drawn else []),
        (number("Monte Carlo\nerror"), lambda row: format_range(row.endpoint, row.mc_lower, row.mc_upper)),
        (number(f"range of\none {what}"), _of_one),
    ]


def _of_one(row: Row) -> str:
    undefined = f"{format_share(row.undefined, 0.005)} undefined" if row.undefined > 0 else ""
    return f"{row.trial_text}\n{undefined}".strip()


def _published(row: Row, *, use: bool = True) -> str:
    """Write a target with the count behind it, and with its use unless a column of its own tells that."""
    origin = f" {row.origin}" if use and row.has_target and row.assumed else ""
    counted = "" if row.count is None else f" ({row.count} of {row.n})"
    unverified = " unverified" if row.has_target and row.unverified else ""
    compared = " *" if use and not row.fitted else ""
    return f"{_bare(row, row.target_text)}{origin}{counted}{unverified}{compared}"


def _use(row: Row) -> str:
    if not row.has_target:
        return "what-if"
    return "compared only" if not row.fitted else row.origin if row.assumed else "solved for"


def main_rows(read: list[Row], scenario: Scenario) -> list[Row]:
    """Return the main endpoints of a scenario, each at its latest time."""
    last = {row.endpoint.name: row for row in read}
    main = _HOME_HEADLINES if scenario.cohort.enters_at == "home" else _HEADLINES
    names = (*main, *(_QUEUE_HEADLINES if is_limited(scenario) else ()))
    return [last[name] for name in names if name in last and tells(last[name].endpoint, scenario)]


def closing(scenario: Scenario) -> list[str]:
    """Say that the last patients wait less than if arrivals went on, where anybody waits for a room."""
    told = tells(BY_NAME["waited"], scenario) and isinstance(scenario.arrivals, PoissonArrivals)
    return sentences("run", "closing") if told else []


def over_range(points: pd.DataFrame, scenario: Scenario) -> Grid:
    """Show the main endpoints at each value of the scenario's range, and between which figures they lie.

    Parameters
    ----------
    points : DataFrame
        The columns of ``range.csv``.
    scenario : Scenario
        Its range.
    """
    keys = [shown.key for shown in scenario.range]
    heads = main_rows(rows(points), scenario)
    drawn = any(row.drawn for row in rows(points))
    found: list[Cells] = []
    for values, at in _by_point(points, keys, "as it is"):
        texts = [_two(_bare(row, at[row.key].simulated_text), at[row.key].posterior_text) for row in heads]
        paired = [at[row.key].difference_text for row in heads]
        found.append((*values, *map(_two, texts, paired)))
    bands, outer = range_bands(points), posterior_bands(points)
    between = [_two(bands.get(row.key, ""), outer.get(row.key, "")) for row in heads]
    found.append(("over the whole range", *[""] * (len(keys) - 1), *between))
    columns = (*named(*keys, number=False), *numbers(*map(row_label, heads)))
    notes = sentences("run", "over_values", drawn)
    return Grid("Over the range", columns, found, notes, frozenset({len(found) - 2}))


def swept(points: pd.DataFrame, keys: Sequence[str], shown: Sequence[Key]) -> Grid:
    """Show some endpoints at each point of a sweep.

    Parameters
    ----------
    points : DataFrame
        The columns of ``points.csv``.
    keys, shown
        What is varied, and the endpoints.
    """
    drawn = any(row.drawn for row in rows(points))
    found: list[Cells] = []
    for values, at in _by_point(points, keys, "the reference"):
        read = (at.get(key) for key in shown)  # another horizon has other times
        told = ("" if row is None else _two(row.estimate_text, row.difference_text) for row in read)
        found.append((*values, *told))
    exact = {row.exact for row in rows(points) if row.key in shown}
    notes = sentences("run", "swept", drawn, exact)
    return Grid("Every point", (*named(*keys, number=False), *numbers(*map(label, shown))), found, notes)


def _by_point(
    points: pd.DataFrame, keys: Sequence[str], reference: str
) -> Iterator[tuple[Cells, dict[Key, Row]]]:
    """Yield the values of each point, a word below those of the reference, and its rows by their keys."""
    for point, of_point in points.groupby(list(keys), sort=False):
        first, *rest = map(written, point)
        below = reference if of_point["reference"].iloc[0] else ""
        yield (_two(first, below), *rest), {row.key: row for row in rows(of_point)}


def range_bands(points: pd.DataFrame) -> dict[Key, str]:
    """Return between which figures each endpoint lies over a range, where there are any."""
    bands = {}
    for key, found in by_key(row for row in rows(points) if not math.isnan(row.estimate)).items():
        low = min(found, key=lambda row: row.estimate).simulated_text
        high = max(found, key=lambda row: row.estimate).simulated_text
        bare = low.removesuffix(found[0].endpoint.unit).rstrip()
        bands[key] = low if low == high else f"between {bare} and {high}"
    return bands


def posterior_bands(points: pd.DataFrame) -> dict[Key, str]:
    """Return from where to where the posterior's limits of each endpoint reach over a range."""
    return {
        key: format_range(
            found[0].endpoint,
            min(row.posterior_lower for row in found),
            max(row.posterior_upper for row in found),
        )
        for key, found in by_key(row for row in rows(points) if row.drawn).items()
    }


def _two(text: str, below: str) -> str:
    return f"{text}\n{below}" if below else text


def _range_notes(scenario: Scenario, bands: Mapping[Key, str], free: Sequence[str]) -> list[str]:
    """Say over which values a range goes, and at which the other columns hold."""
    if not bands:
        return []
    own = {each.key: get_value(scenario, each.key) for each in scenario.range}
    return sentences("run", "range", scenario.range, own, [key for key in own if key in free])


def row_label(row: Row) -> str:
    """Name an endpoint, with its unit unless the name says it or it is per cent."""
    named = row.endpoint.unit.lower() in row.label.lower()
    return row.label if named else f"{row.label} ({row.endpoint.unit})"


def _bare(row: Row, text: str) -> str:
    """Leave the unit to the first column, so that the table fits 80 columns."""
    return text.removesuffix(row.endpoint.unit).rstrip()


def _notes(shown: list[Row], scenario: Scenario, *, drawn: bool) -> list[str]:
    words = replication(scenario)
    return [
        *sentences("run", "errors", drawn, words),
        *closing(scenario),
        *sentences(
            "run",
            "marks",
            compared=any(row.has_target and not row.fitted for row in shown),
            unverified=any(row.has_target and row.unverified for row in shown),
            undefined=any(row.undefined > 0 for row in shown),
            kaplan_meier=any(
                row.has_target and row.endpoint.trial == "kaplan_meier" and not row.assumed for row in shown
            ),
            transplant=any(row.endpoint.name == "transplant_related_mortality" for row in shown),
            nobody=all(math.isnan(row.estimate) for row in shown),
        ),
    ]


def drawn_notes(read: Sequence[Row], manifest: Mapping[str, Any]) -> list[str]:
    """Say of what the posterior's limits are and how well they are known; empty without a posterior."""
    draws = manifest.get("draws")
    return [*scope(manifest), *precision(read, draws)] if draws else []


def censored(table: pd.DataFrame) -> Grid:
    """Return what trials read on average against the twin."""
    return Grid.of(
        "Uncensored expectation, and the mean over trials of the reading at the data cut",
        table[table["mc_se"] > 0].itertuples(),
        (
            (Column("endpoint"), lambda row: label((str(row.endpoint), float(row.time_years)))),
            (number("exact twin"), lambda row: f"{100 * row.twin:.2f}%"),
            (number("mean over trials"), lambda row: f"{100 * row.mean:.2f}% ± {100 * row.mc_se:.2f}"),
            (number("trials that can't report"), lambda row: format_share(float(row.undefined), 0.0005)),
            (number("difference, points"), lambda row: f"{_points(row)} ({abs(row.z):.1f} SE)"),
        ),
    )


def censored_finding(table: pd.DataFrame) -> str:
    """Say in words how far the trials' readings lie from the truth, and why."""
    read = table[table["mc_se"] > 0]
    whole, partly = read[read["undefined"] == 0], read[read["undefined"] > 0]
    survival, late = partly[partly["endpoint"].isin(_SURVIVAL)], None
    if len(survival):
        row = survival.loc[survival["undefined"].idxmax()]
        late = {
            "label": label((str(row["endpoint"]), float(row["time_years"]))),
            "undefined": format_share(float(row["undefined"]), 0.005),
            "difference": _points(row),
            "error": f"{100 * row['mc_se']:.2f}",
        }
    return one_sentence("run", "censored", len(whole), whole["z"].abs().max(), late)


def _points(row: Any) -> str:
    half = Z95 * float(row.mc_se)
    return format_difference(BY_NAME[str(row.endpoint)], float(row.difference), half)


def checks(found: Sequence[Check]) -> Grid:
    """Return the comparisons with what is known; the difference has the digits of its error."""
    return Grid.of("Expected, got, and the difference beside its Monte Carlo error", found, (
        (Column("figure"), lambda check: check.what),
        (Column("against"), lambda check: check.kind),
        (number("expected"), lambda check: f"{check.expected:#.5g}"),
        (number("got"), lambda check: f"{check.got:#.5g}"),
        (number("difference"), _difference),
        (number("Monte Carlo error"), lambda check: f"{check.mc_se:.2g}" if check.mc_se > 0 else "none"),
        (Column("verdict", marks={"agrees": "yes", "DIFFERS": "no"}),
         lambda check: "agrees" if check.passed else "DIFFERS"),
    ))  # fmt: skip


def _difference(check: Check) -> str:
    if abs(check.difference) < 1e-12:
        return "0"
    text = f"{check.difference:+.2g}".replace("-", "\N{MINUS SIGN}", 1)
    return f"{text} ({abs(check.z):.1f} SE)" if check.mc_se > 0 else text


def trial(report: TrialReport, scenario: Scenario) -> list[Grid]:
    """Return what one trial reports: patients and deaths, figures over the years, and medians."""
    counts: list[Cells] = [("Patients enrolled", str(report.enrolled))]
    if report.reinfused or "enrolled" not in (report.curves[0].name if report.curves else ""):
        counts += [
            ("Patients reinfused", str(report.reinfused)),
            ("Deaths due to treatment", _of(report.treatment_deaths, report.enrolled)),
            ("Deaths before reinfusion", _of(report.early_deaths, report.enrolled)),
        ]
    uncut = scenario.follow_up.data_cut_days == "none"
    end = f"within {scenario.follow_up.horizon_years:g} years of enrolment" if uncut else "by the data cut"
    counts.append((f"Deaths {end}", _of(report.deaths, report.enrolled)))
    counted = Grid("Patients and deaths", (Column("count"), *numbers("number")), counts, wide=False)
    if not report.curves:
        return [counted]
    lines: list[Cells] = []
    medians: list[Cells] = []
    for curve in report.curves:
        name, median = BY_NAME[curve.name].label, curve.median
        lines += _readings(name, curve.readings, at_risk=True)
        between = _between(median.lower, median.upper)
        medians.append((name, _years(median.estimate), between, f"{curve.last_years:.1f}"))
    for name, reading in report.incidence_readings.items():
        lines += _readings(BY_NAME[name].label, reading, at_risk=False)
    here = " (here: since enrolment)" if scenario.cohort.enters_at == "home" else ""
    times = numbers(*(f"{time:g} y" for time in report.curves[0].readings.times))
    heads = numbers("median", "95% interval, years", "longest follow-up, years")
    by_years = (Column("endpoint"), Column("figure"), *times)
    return [
        counted,
        Grid(f"Figures by years since reinfusion{here}", by_years, lines),
        Grid("Median time to the event", (Column("endpoint"), *heads), medians, wide=False),
    ]


def _readings(name: str, reading: CurveReading, *, at_risk: bool) -> list[Cells]:
    shares = reading.estimate
    estimates = ("undefined" if math.isnan(share) else format_share(share, 0.005) for share in shares)
    intervals = (
        "" if np.isnan([low, high]).any() else f"{100 * low:.0f} to {100 * high:.0f}%"
        for low, high in zip(reading.lower, reading.upper, strict=True)
    )
    found = [(name, "estimate", *estimates), (name, "95% interval", *intervals)]
    if at_risk:
        found.append((name, "at risk", *(f"{number:.0f}" for number in reading.at_risk)))
    return found


def _of(number: int, size: int) -> str:
    return f"{number} of {size}"


def _years(value: float) -> str:
    return "not reached" if math.isnan(value) else f"{value:.1f} years"


def _between(lower: float, upper: float) -> str:
    low, high = ("not reached" if math.isnan(limit) else f"{limit:.1f}" for limit in (lower, upper))
    return f"{low} to {high}"
