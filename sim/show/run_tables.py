"""The tables of a run, and of points of a range or a sweep: published, simulated, and every kind of error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from sim.outcomes.occupancy import is_limited, tells
from sim.outcomes.one_trial import TrialReport
from sim.outcomes.survival import CurveReading
from sim.scenario.endpoints import BY_NAME, Endpoint, Key, label
from sim.scenario.schema import PoissonArrivals, Scenario
from sim.scenario.values import get_value
from sim.show.kit.formats import Row, format_difference, format_range, format_share, rows, written
from sim.show.kit.grid import Cells, Column, Grid, named, numbers
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
_POSTERIOR = Column("posterior\n95%", number=True)


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
    read = [row for row in rows(endpoints) if tells(row.endpoint, scenario)]
    aimed = [row for row in read if row.has_target]
    others = [row for row in read if not row.has_target]
    main = main_rows(read, scenario)
    shown = aimed + (others if full else [row for row in main if row.endpoint.queue or not aimed])
    bands = {} if points is None else range_bands(points)
    drawn, counts = any(row.drawn for row in shown), _counts(scenario)
    found: list[Cells] = []
    for row in shown:
        target, simulated, *errors = cells(row, counts.get(row.key), drawn=drawn)
        band = (_bare(row, bands.get(row.key, "")),) if bands else ()
        found.append((row_label(row), *([target] if aimed else []), simulated, *band, *errors))
    columns = (
        Column("endpoint", plain=True),
        *numbers(*([_aim(aimed)] if aimed else []), "simulated", *(["over the\nrange"] if bands else [])),
        *_errors(scenario, drawn=drawn),
    )
    notes = [*_notes(shown, scenario, drawn=drawn), *drawn_notes(shown, manifest)]
    notes += _range_notes(scenario, bands, (manifest.get("posterior") or {}).get("free", ()))
    last_target = {len(aimed) - 1} if 0 < len(aimed) < len(shown) else set()
    title = f"{_aim(aimed).capitalize()} and simulated"
    return Grid(title, columns, found, notes, frozenset(last_target))


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
    drawn = any(row.drawn for _, endpoints, _ in found for row in rows(endpoints))
    read: list[Cells] = []
    ends = set()
    for name, endpoints, scenario in found:
        counts = _counts(scenario)
        every = rows(endpoints)
        shown = [row for row in every if row.has_target] or main_rows(every, scenario)
        for at, row in enumerate(shown):
            target, *figures = cells(row, counts.get(row.key), drawn=drawn)
            use = "compared only" if not row.fitted else row.origin if row.assumed else "solved for"
            use = use if row.has_target else "what-if"
            target = target.removesuffix(" *").removesuffix(f" {row.origin}")
            before = ("" if at else name,) if len(found) > 1 else ()
            read.append((*before, row_label(row), target, *figures, use, row.source))
        ends.add(len(read) - 1)
    aim = _aim([row for _, endpoints, _ in found for row in rows(endpoints) if row.has_target])
    columns = (
        *([Column("scenario")] if len(found) > 1 else []),
        Column("endpoint", plain=True),
        *numbers(aim, "simulated"),
        *_errors(None if len(found) > 1 else found[0][2], drawn=drawn),
        Column("use"),
        Column("source"),
    )
    notes = sentences("run", "uses", drawn)
    return Grid(f"{aim.capitalize()} and simulated", columns, read, notes, frozenset(ends))


def defined(table: pd.DataFrame, scenario: Scenario, *, full: bool = False, waits: bool = False) -> Grid:
    """Return every endpoint, or the main ones or only those of waiting, with the definition of each."""
    read = [row for row in rows(table) if tells(row.endpoint, scenario)]
    drawn = any(row.drawn for row in read)
    found: list[Cells] = []
    for row in read if full else main_rows(read, scenario):
        if waits and not row.endpoint.queue:
            continue
        _, *figures = cells(row, None, drawn=drawn)
        definition = f"{row.endpoint.definition} (of: {row.endpoint.denominator})"
        found.append((row_label(row), *figures, definition))
    heads = (*numbers("simulated"), *_errors(scenario, drawn=drawn))
    columns = (Column("endpoint"), *heads, Column("definition"))
    title = "All endpoints" if full else "Main figures; the scenario answers to no published one"
    title = "Waiting for scarce places" if waits else title
    return Grid(title, columns, found)


def _errors(scenario: Scenario | None, *, drawn: bool) -> tuple[Column, ...]:
    what = "trial" if scenario is None else replication(scenario).what
    return (*([_POSTERIOR] if drawn else []), *numbers("Monte Carlo\nerror", f"range of\none {what}"))


def _counts(scenario: Scenario) -> dict[Key, int | None]:
    return {(target.endpoint, target.time_years): target.n for target in scenario.target}


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
    for point, of_point in points.groupby(keys, sort=False):
        at = {row.key: row for row in rows(of_point)}
        texts = [_two(_bare(row, at[row.key].simulated_text), at[row.key].posterior_text) for row in heads]
        paired = [at[row.key].difference_text for row in heads]
        is_own = bool(of_point["reference"].iloc[0])
        first, *rest = map(written, point)
        found.append((_two(first, "as it is" if is_own else ""), *rest, *map(_two, texts, paired)))
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
    for point, of_point in points.groupby(list(keys), sort=False):
        at = {row.key: row for row in rows(of_point)}
        is_reference = bool(of_point["reference"].iloc[0])
        under = "the reference" if is_reference else ""
        read = (at.get(key) for key in shown)  # another horizon has other times
        cells_ = ("" if row is None else _two(row.estimate_text, row.difference_text) for row in read)
        first, *rest = map(written, point)
        found.append((_two(first, under), *rest, *cells_))
    notes = sentences("run", "swept", drawn)
    return Grid("Every point", (*named(*keys, number=False), *numbers(*map(label, shown))), found, notes)


def range_bands(points: pd.DataFrame) -> dict[Key, str]:
    """Return between which figures each endpoint lies over a range, where there are any."""
    by_key: dict[Key, list[Row]] = {}
    for row in rows(points):
        if not math.isnan(row.estimate):
            by_key.setdefault(row.key, []).append(row)
    bands = {}
    for key, found in by_key.items():
        low = min(found, key=lambda row: row.estimate).simulated_text
        high = max(found, key=lambda row: row.estimate).simulated_text
        bare = low.removesuffix(found[0].endpoint.unit).rstrip()
        bands[key] = low if low == high else f"between {bare} and {high}"
    return bands


def posterior_bands(points: pd.DataFrame) -> dict[Key, str]:
    """Return from where to where the posterior's limits of each endpoint reach over a range."""
    limits: dict[Key, tuple[Endpoint, float, float]] = {}
    for row in rows(points):
        if row.drawn:
            _, low, high = limits.get(row.key, (row.endpoint, math.inf, -math.inf))
            limits[row.key] = row.endpoint, min(low, row.posterior_lower), max(high, row.posterior_upper)
    return {key: format_range(*found) for key, found in limits.items()}


def _two(text: str, below: str) -> str:
    return f"{text}\n{below}" if below else text


def _range_notes(scenario: Scenario, bands: Mapping[Key, str], free: Sequence[str]) -> list[str]:
    """Say over which values a range goes, and at which the other columns hold."""
    if not bands:
        return []
    shown = [
        {
            "key": each.key,
            "first": written(each.values[0]),
            "last": written(each.values[-1]),
            "source": each.source,
            "own": written(get_value(scenario, each.key)),
            "drawn": each.key in free,
        }
        for each in scenario.range
    ]
    return sentences("run", "range", shown, any(each["drawn"] for each in shown))


def cells(row: Row, n: int | None, *, drawn: bool = False) -> Cells:
    """Write target, estimate, the posterior's limits if `drawn`, Monte Carlo error and range of one trial."""
    target = _bare(row, row.target_text)
    if row.has_target and row.assumed:
        target += f" {row.origin}"
    elif row.count(n) is not None:
        target += f" ({row.count(n)} of {n})"
    if row.has_target and row.unverified:
        target += " unverified"
    if not row.fitted:
        target += " *"
    trial = format_range(row.endpoint, row.trial_lower, row.trial_upper)
    if row.undefined > 0:
        trial = f"{trial}\n{format_share(row.undefined, 0.005)} undefined".strip()
    simulated = (_bare(row, row.simulated_text), *([row.posterior_text] if drawn else []))
    return target, *simulated, format_range(row.endpoint, row.mc_lower, row.mc_upper), trial


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
    found: list[Cells] = []
    for row in table[table["mc_se"] > 0].itertuples():
        name, cannot = label((str(row.endpoint), float(row.time_years))), float(row.undefined)
        mean = f"{100 * row.mean:.2f}% \N{PLUS-MINUS SIGN} {100 * row.mc_se:.2f}"
        difference = f"{_points(row)} ({abs(row.z):.1f} SE)"
        found.append((name, f"{100 * row.twin:.2f}%", mean, format_share(cannot, 0.0005), difference))
    heads = numbers("exact twin", "mean over trials", "trials that can't report", "difference, points")
    title = "Uncensored expectation, and the mean over trials of the reading at the data cut"
    return Grid(title, (Column("endpoint"), *heads), found)


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
    read: list[Cells] = []
    for check in found:
        figures = (f"{check.expected:#.5g}", f"{check.got:#.5g}", _difference(check))
        error = f"{check.mc_se:.2g}" if check.mc_se > 0 else "none"
        read.append((check.what, check.kind, *figures, error, "agrees" if check.passed else "DIFFERS"))
    heads = numbers("expected", "got", "difference", "Monte Carlo error")
    verdict = Column("verdict", marks={"agrees": "yes", "DIFFERS": "no"})
    columns = (Column("figure"), Column("against"), *heads, verdict)
    return Grid("Expected, got, and the difference beside its Monte Carlo error", columns, read)


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
