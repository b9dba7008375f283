"""Survival over the years: of a run, under a posterior, and without a transplant."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.scenario.endpoints import BY_NAME
from sim.scenario.schema import Scenario
from sim.show.kit import style
from sim.show.kit.curves import (
    CURVES,
    DASHED,
    FOOT,
    JOINED,
    TALL,
    WIDTH,
    Name,
    draw_band,
    draw_trial_range,
    dress,
    mark_published,
    sources_note,
    write_beside,
)
from sim.show.kit.formats import Row, format_difference, rows, undefined_note
from sim.show.kit.posterior_words import AT_RISK_FIRST_DRAW
from sim.show.kit.prose import sentences
from sim.show.kit.risk_rows import RISK_ROW, draw_at_risk, label_times
from sim.show.kit.scenario_words import TRIAL, Replication, cautions, replication
from sim.show.trial_data import at_risk as numbers_at_risk
from sim.show.trial_data import first_trials
from sim.work.results import Results

_HAZARDS = {
    "no_transplant": (style.BLUE, "hazard when active", "//"),
    "no_transplant_relapsed": (style.ORANGE, "hazard after relapse", "\\\\"),
}


def draw_survival(axis: Axes, curves: pd.DataFrame, endpoints: pd.DataFrame) -> None:
    """Draw overall and disease-free survival of a run into axes, with all their bands.

    Parameters
    ----------
    curves, endpoints : DataFrame
        The columns of ``curves.csv``, with the posterior's limits over draws, and of ``endpoints.csv``.
    """
    read, drawn = _of_reinfused(endpoints, curves)
    for name in CURVES:
        draw_trial_range(axis, read, name, 0.13)
    for colour, curve in _each(drawn):
        if "posterior_lower" in curve:
            draw_band(axis, curve, "posterior", colour, 0.2)
            for edge in ("posterior_lower", "posterior_upper"):
                axis.plot(curve["time_years"], curve[edge], color=colour, lw=1.1, ls=DASHED)
        draw_band(axis, curve, "mc", colour, 0.45)
        axis.plot(curve["time_years"], curve["estimate"], color=colour, lw=2.2)

    def figures(name: str, time: float) -> list[str]:
        last = _last(read, name)
        if last is None or last.time != time:
            return []
        posterior = [f"posterior {last.posterior_text}"] if last.drawn else []
        aim = [f"{last.target_text} {last.origin}"] if last.has_target else []
        return [f"{last.simulated_text} simulated", *posterior, *aim]

    _finish(axis, drawn, read, figures, 4.4 if any(row.drawn for row in read) else 3.4, 1.2)


def _of_reinfused(table: pd.DataFrame, curves: pd.DataFrame) -> tuple[list[Row], pd.DataFrame]:
    """Return what is drawn of a table of endpoints and of curves."""
    read = [row for row in rows(table) if row.endpoint.name in CURVES]
    return read, curves[curves["endpoint"].isin(list(CURVES)) & curves["estimate"].notna()]


def _each(drawn: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each curve after its colour."""
    for name, (colour, _) in CURVES.items():
        yield colour, drawn[drawn["endpoint"] == name]


def _finish(
    axis: Axes, drawn: pd.DataFrame, read: list[Row], figures: Callable[[str, float], list[str]],
    apart: float, foot: float,
) -> None:  # fmt: skip
    """Mark what was published, dress the axes, and name each curve at its end with the figures read there."""
    mark_published(axis, read)
    dress(axis, float(drawn["time_years"].max()), "Years since reinfusion", "Patients reinfused")
    ends = [(colour, curve.iloc[-1]) for colour, curve in _each(drawn) if not curve.empty]
    names = [
        Name(BY_NAME[end["endpoint"]].label, "\n".join(figures(end["endpoint"], float(end["time_years"]))),
             colour, float(end["estimate"]))
        for colour, end in ends
    ]  # fmt: skip
    write_beside(axis, names, apart, foot)


@style.styled
def survival_figure(
    curves: pd.DataFrame, endpoints: pd.DataFrame, title: str, notes: Sequence[str] = (),
    at_risk: pd.DataFrame | None = None, words: Replication = TRIAL,
) -> Figure:  # fmt: skip
    """Draw overall and disease-free survival from reinfusion.

    Parameters
    ----------
    curves : DataFrame
        Columns ``endpoint, time_years, estimate, mc_lower, mc_upper``, and the posterior's limits over draws.
    endpoints : DataFrame
        The columns of ``endpoints.csv``: the published points, and the range of one trial.
    title : str
        The scenario's title; the figure's own title states the finding.
    notes : sequence of str
        Further paragraphs at the bottom.
    at_risk : DataFrame, optional
        Numbers at risk in a trial, from `sim.show.trial_data.at_risk`; they stand under the axis.
    words : Replication
        What a replication is called.
    """
    read, drawn = _of_reinfused(endpoints, curves)
    if drawn.empty:
        return style.empty_figure("No survival curves to show: nobody was reinfused", title)
    left, across = (0.8, 4.95) if at_risk is None else (1.5, 4.25)
    ranges = at_risk is not None and _ranges_fit(at_risk, across)
    said = [*_notes(read), *_risk_notes(at_risk, words, ranges=ranges), *notes]
    rows_below = 0.0 if at_risk is None else RISK_ROW * (1 + len(CURVES))
    page = style.sheet(_finding(read), _lines(read, title, words), said, WIDTH, 4.15 + rows_below)
    axis = page.axes(left, FOOT + rows_below, across, TALL)
    draw_survival(axis, curves, endpoints)
    if at_risk is not None:
        _write_at_risk(axis, at_risk, ranges=ranges)
    return page.figure


def _write_at_risk(axis: Axes, at_risk: pd.DataFrame, *, ranges: bool) -> None:
    times = sorted(set(at_risk["time_years"]))
    numbers = []
    for name, (_, word) in CURVES.items():
        of_curve = at_risk[at_risk["endpoint"] == name].sort_values("time_years")
        texts = [_risk_text(row, ranges=ranges) for row in of_curve.itertuples()]
        numbers.append((word.capitalize(), texts))
    draw_at_risk(axis, times, "At risk", numbers, [colour for colour, _ in CURVES.values()])


def _risk_text(row: Any, *, ranges: bool) -> str:
    return f"{row.median} ({row.lower}-{row.upper})" if ranges else f"{row.median}"


def _ranges_fit(at_risk: pd.DataFrame, width: float) -> bool:
    """Tell whether ranges beside the medians leave a gap between the columns."""
    times = len(set(at_risk["time_years"]))
    widest = max(
        style.text_width(_risk_text(row, ranges=True), style.NOTE_SIZE) for row in at_risk.itertuples()
    )
    return widest < 0.97 * width / max(times - 1, 1)


def _risk_notes(at_risk: pd.DataFrame | None, words: Replication, *, ranges: bool) -> list[str]:
    if at_risk is None:
        return []
    return sentences("figures", "at_risk", words, int(at_risk["trials"].iloc[0]), ranges)


def _last(read: list[Row], name: str) -> Row | None:
    """Return the latest reading of an endpoint, of those with a target where there are any."""
    mine = [row for row in read if row.endpoint.name == name and not math.isnan(row.estimate)]
    aimed = [row for row in mine if row.has_target]
    return max(aimed or mine, key=lambda row: row.time or 0.0, default=None)


def _finding(read: list[Row]) -> str:
    """Say what the figure shows, from its figures."""
    last = [row for row in (_last(read, name) for name in CURVES) if row is not None]
    if not last:
        return "Survival from reinfusion"
    same_time = len({row.time for row in last}) == 1
    verdicts = {_verdict(row) for row in last}
    if verdicts == {"equal", "agrees"}:
        verdicts = {"agrees"}
    if same_time and len(verdicts) == 1:
        return _clause(last, verdicts.pop(), timed=True)
    return "; ".join(_clause([row], _verdict(row), timed=not same_time or row is last[-1]) for row in last)


def _origin(read: list[Row]) -> str:
    origins = {row.origin for row in read}
    return origins.pop() if len(origins) == 1 else "targeted"


def _verdict(row: Row) -> str:
    """Tell whether an estimate is its target, agrees within Monte Carlo error, or differs from it."""
    if not row.has_target:
        return "none"
    if not row.agrees:
        return "differs"
    return "equal" if row.simulated_text == row.target_text else "agrees"


def _clause(read: list[Row], verdict: str, *, timed: bool) -> str:
    text = " and ".join(f"{row.simulated_text} {CURVES[row.endpoint.name][1]}" for row in read)
    when = f" at {read[0].time:g}{JOINED}years" if timed else ""
    origin, targets = _origin(read), " and ".join(row.target_text for row in read)
    beside = {
        "equal": f", as {origin}",
        "agrees": f", in agreement with the {origin} {targets}",
        "differs": f", missing the {origin} {targets}",
        "none": "",
    }
    return f"{text}{when}{beside[verdict]}"


def _lines(read: list[Row], title: str, words: Replication) -> list[str]:
    lines = [title]
    differing = [row for row in read if _verdict(row) == "differs"]
    if differing:
        parts = "; ".join(map(_difference, differing))
        lines.append(f"Simulated minus {_origin(differing)}, points with Monte Carlo error: {parts}.")
    drawn, targets = (any(map(attrgetter(name), read)) for name in ("drawn", "has_target"))
    return [*lines, *sentences("figures", "survival", drawn, words, targets)]


def _difference(row: Row) -> str:
    """Write a difference beside its error, with digits enough to compare the two."""
    difference = format_difference(row.endpoint, row.estimate - row.target, row.half_width / 10)
    return f"{row.endpoint.label.lower()} {difference} ± {100 * row.half_width:.2g}"


def _notes(read: list[Row]) -> list[str]:
    last = [row for row in (_last(read, name) for name in CURVES) if row is not None]
    return [*undefined_note(last, "band"), *sources_note(read)]


def risk_table(results: Results) -> pd.DataFrame | None:
    """Return the numbers at risk in the first trials of a run; None where no patients were kept."""
    scenario = results.scenario
    patients = first_trials(results.table("patients"), scenario)
    if patients is None or _is_blank(results):
        return None
    return numbers_at_risk(patients, label_times(scenario.follow_up.horizon_years))


def of_run(results: Results, at_risk: pd.DataFrame | None) -> Figure | None:
    """Draw survival of a run; None where nobody is reinfused."""
    if _is_blank(results):
        return None
    scenario, tables = results.scenario, results.tables
    notes = cautions(scenario)
    if results.draws and at_risk is not None:
        notes = [AT_RISK_FIRST_DRAW, *notes]
    words = replication(scenario)
    return survival_figure(tables["curves"], tables["endpoints"], scenario.title, notes, at_risk, words)


def _is_blank(results: Results) -> bool:
    endpoints = results.tables["endpoints"]
    return bool(endpoints.loc[endpoints["endpoint"] == "overall_survival", "estimate"].isna().all())


def draw_predicted(axis: Axes, curves: pd.DataFrame, predictions: pd.DataFrame) -> None:
    """Draw predicted survival into axes; parameters as in `predicted_figure`."""
    read, drawn = _of_reinfused(predictions, curves)
    for name, (colour, curve) in zip(CURVES, _each(drawn), strict=True):
        draw_trial_range(axis, read, name, 0.12)
        draw_band(axis, curve, "posterior", colour, 0.32)
        axis.plot(curve["time_years"], curve["estimate"], color=colour, lw=2.2)

    def figures(name: str, time: float) -> list[str]:
        ends = [row for row in read if row.key == (name, time)]
        aims = [f"{row.target_text} {row.origin}" for row in ends if row.has_target]
        return [f"{100 * row.estimate:.0f}% ({_left_open(row).strip()})" for row in ends] + aims

    _finish(axis, drawn, read, figures, 3.6, 1.4)


@style.styled
def predicted_figure(curves: pd.DataFrame, predictions: pd.DataFrame, scenario: Scenario) -> Figure:
    """Draw predicted survival from reinfusion: posterior mean and band, and the band of single trials.

    Parameters
    ----------
    curves
        ``curves.csv``: with ``posterior_lower`` and ``posterior_upper``.
    predictions
        ``predictions.csv``: the published points, and the range of one trial at the times read.
    """
    read, drawn = _of_reinfused(predictions, curves)
    if drawn.empty:
        return style.empty_figure("No survival curves to show: nobody was reinfused", scenario.title)
    said = [scenario.title, *sentences("figures", "predicted")]
    page = style.sheet(_predicted_finding(read), said, _predicted_notes(read), WIDTH, 4.25)
    draw_predicted(page.axes(0.8, FOOT, 4.95, TALL), curves, predictions)
    return page.figure


def _predicted_finding(read: list[Row]) -> str:
    """Say what the posterior leaves open at the last time read, as the table of answers does."""
    known = [row for row in read if row.drawn and row.time is not None]
    years = max((row.time for row in known if row.time is not None), default=0.0)
    parts = [f"{_left_open(row)} {CURVES[row.endpoint.name][1]}" for row in known if row.time == years]
    return f"The posterior leaves {' and '.join(parts)} at {years:g}{JOINED}years"


def _between(lower: float, upper: float) -> str:
    low, high = (f"{100 * each:.0f}" for each in (lower, upper))
    return f"{low}% " if low == high else f"{low} to {high}%"


def _left_open(row: Row) -> str:
    return _between(row.posterior_lower, row.posterior_upper)


def _predicted_notes(read: list[Row]) -> list[str]:
    aimed = [row for row in read if row.has_target]
    notes = [*undefined_note(aimed, "light band"), *sources_note(aimed)]
    widths = [row.half_width for row in aimed if row.half_width > 0]
    if widths:
        notes += sentences("figures", "mean_error", f"{100 * max(widths):.1g}")
    return notes


def of_calibration(results: Results) -> Figure:
    """Draw survival as a calibration predicts it."""
    tables = results.tables
    return predicted_figure(tables["curves"], tables["predictions"], results.scenario)


@style.styled
def no_transplant_figure(band: pd.DataFrame, scenario: Scenario, warning: str) -> Figure:
    """Draw survival without a transplant as a band that holds what either hazard leaves open.

    Parameters
    ----------
    band
        ``answer, time_years, mean, lower, median, upper``.
    warning
        What the figures rest on; it stands below the title, not among the notes.
    """
    if band.empty:
        return style.empty_figure("Survival without a transplant can't be told", scenario.title)
    years = [0.0, *sorted(set(band["time_years"]))]
    page = style.sheet(
        _band_finding(band), [scenario.title, warning], sentences("figures", "no_transplant"), WIDTH, 4.25
    )
    axis = page.axes(0.8, FOOT, 4.95, TALL)
    ends = band.groupby("time_years")
    outer = [1.0, *ends["lower"].min()], [1.0, *ends["upper"].max()]
    axis.fill_between(years, *outer, color=style.BLUE, alpha=0.14, lw=0)
    names = []
    for name, (colour, words, hatch) in _HAZARDS.items():
        own = band[band["answer"] == name].sort_values("time_years")
        edges = [1.0, *own["lower"]], [1.0, *own["upper"]]
        axis.fill_between(years, *edges, facecolor="none", edgecolor=colour, hatch=hatch, alpha=0.35, lw=0)
        for edge in edges:
            axis.plot(years, edge, color=colour, lw=1.2)
        last = own.iloc[-1]
        figures = f"{_between(last['lower'], last['upper']).strip()}\nhatched {hatch[0]}"
        names.append(Name(words.capitalize(), figures, colour, float(last["median"])))
    dress(axis, years[-1], "Years since enrolment", "Alive, never transplanted")
    write_beside(axis, names, 3.6, 1.4)
    return page.figure


def _band_finding(band: pd.DataFrame) -> str:
    last = band[band["time_years"] == band["time_years"].max()]
    low, high = 100 * last["lower"].min(), 100 * last["upper"].max()
    years = float(last["time_years"].iloc[0])
    return (
        f"Without a transplant the trial leaves anything from {low:.0f} to {high:.0f}% alive at "
        f"{years:g}{JOINED}years: an extrapolation"
    )


def no_transplant(results: Results) -> Figure:
    """Draw survival without a transplant as a calibration leaves it open."""
    # A run, which has survival too, does without the calibration.
    from sim.show.calibration_words import extrapolation_text

    scenario = results.scenario
    return no_transplant_figure(results.tables["no_transplant"], scenario, extrapolation_text(scenario))
