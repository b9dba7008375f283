"""Survival over the years: of a run, over a range, under a posterior, and without a transplant."""

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
from sim.show.figures.sweep import varied
from sim.show.kit import curves as kit
from sim.show.kit import style
from sim.show.kit.formats import Row, format_difference, format_share, rows
from sim.show.kit.plot import Pictures
from sim.show.kit.posterior_words import AT_RISK_FIRST_DRAW
from sim.show.kit.prose import one_sentence, sentences
from sim.show.kit.scenario_words import TRIAL, Replication, cautions, headlines, in_sentence, replication
from sim.show.swept import meaning, with_units
from sim.show.trial_data import at_risk as numbers_at_risk
from sim.show.trial_data import first_trials
from sim.work.results import Results

_ENROLLED = "overall_survival_enrolled"
_BAND_TALL = 3.5
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
    for name in kit.CURVES:
        kit.draw_trial_range(axis, read, name, 0.13)
    for colour, curve in _each(drawn):
        if "posterior_lower" in curve:
            kit.draw_band(axis, curve, "posterior", colour, 0.2)
            for edge in ("posterior_lower", "posterior_upper"):
                axis.plot(curve["time_years"], curve[edge], color=colour, lw=1.1, ls=kit.DASHED)
        kit.draw_band(axis, curve, "mc", colour, 0.45)
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
    read = [row for row in rows(table) if row.endpoint.name in kit.CURVES]
    return read, curves[curves["endpoint"].isin(list(kit.CURVES)) & curves["estimate"].notna()]


def _each(drawn: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each curve after its colour."""
    for name, (colour, _) in kit.CURVES.items():
        yield colour, drawn[drawn["endpoint"] == name]


def _finish(
    axis: Axes, drawn: pd.DataFrame, read: list[Row], figures: Callable[[str, float], list[str]],
    apart: float, foot: float,
) -> None:  # fmt: skip
    """Mark what was published, dress the axes, and name each curve at its end with the figures read there."""
    kit.mark_published(axis, read)
    kit.dress(axis, float(drawn["time_years"].max()), "Years since reinfusion", "Patients reinfused")
    names = []
    for colour, curve in _each(drawn):
        if not curve.empty:
            name, time, height = curve.iloc[-1][["endpoint", "time_years", "estimate"]]
            label = BY_NAME[name].label.partition(",")[0]
            names.append(kit.Name(label, "\n".join(figures(name, time)), colour, height))
    kit.write_beside(axis, names, apart, foot)


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
    enrolled = _last(rows(endpoints), _ENROLLED)
    left, across = (0.8, 4.95) if at_risk is None else (1.5, 4.25)
    ranges = at_risk is not None and _ranges_fit(at_risk, across)
    said = [*_notes(read), *_risk_notes(at_risk, words, ranges=ranges), *notes]
    rows_below = 0.0 if at_risk is None else kit.RISK_ROW * (1 + len(kit.CURVES))
    lines = _lines(read, title, words)
    page = style.sheet(_finding(read, enrolled), lines, said, kit.WIDTH, 4.15 + rows_below)
    axis = page.axes(left, kit.FOOT + rows_below, across, kit.TALL)
    draw_survival(axis, curves, endpoints)
    if at_risk is not None:
        _write_at_risk(axis, at_risk, ranges=ranges)
    return page.figure


def _write_at_risk(axis: Axes, at_risk: pd.DataFrame, *, ranges: bool) -> None:
    times = sorted(set(at_risk["time_years"]))
    numbers = []
    for name, (_, word) in kit.CURVES.items():
        of_curve = at_risk[at_risk["endpoint"] == name].sort_values("time_years")
        texts = [_risk_text(row, ranges=ranges) for row in of_curve.itertuples()]
        numbers.append((word.capitalize(), texts))
    kit.draw_at_risk(axis, times, "At risk", numbers, [colour for colour, _ in kit.CURVES.values()])


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


def _finding(read: list[Row], enrolled: Row | None) -> str:
    """Say what the figure shows: of all enrolled first, then of the reinfused, whose curves are drawn."""
    words = {name: word for name, (_, word) in kit.CURVES.items()}
    return one_sentence("figures", "survival_found", enrolled, _latest(read), words)


def _latest(read: list[Row]) -> list[Row]:
    """Return the latest reading of each curve."""
    return [row for row in (_last(read, name) for name in kit.CURVES) if row is not None]


def _lines(read: list[Row], title: str, words: Replication) -> list[str]:
    differing = [row for row in read if row.verdict == "differs"]
    off = sentences("figures", "off_target", differing, [*map(_difference, differing)])
    drawn, targets = (any(map(attrgetter(name), read)) for name in ("drawn", "has_target"))
    return [title, *off, *sentences("figures", "survival", drawn, words, targets)]


def _difference(row: Row) -> str:
    """Write a difference beside its error, with digits enough to compare the two."""
    difference = format_difference(row.endpoint, row.estimate - row.target, row.half_width / 10)
    return f"{in_sentence((row.endpoint.name, None))} {difference} ± {100 * row.half_width:.2g}"


def _notes(read: list[Row]) -> list[str]:
    return [*kit.undefined_note(_latest(read), "band"), *kit.sources_note(read)]


def risk_table(results: Results) -> pd.DataFrame | None:
    """Return the numbers at risk in the first trials of a run; None where no patients were kept."""
    scenario = results.scenario
    patients = first_trials(results.table("patients"), scenario)
    if patients is None or _is_blank(results):
        return None
    return numbers_at_risk(patients, kit.label_times(scenario.follow_up.horizon_years))


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
    said = [scenario.title, *sentences("figures", "survival", True, replication(scenario), True)]
    page = style.sheet(_predicted_finding(read), said, _predicted_notes(read), kit.WIDTH, 4.25)
    draw_survival(page.axes(0.8, kit.FOOT, 4.95, kit.TALL), curves, predictions)
    return page.figure


def _predicted_finding(read: list[Row]) -> str:
    """Say what the posterior leaves open at the last time read, as the table of answers does."""
    known = [row for row in read if row.drawn and row.time is not None]
    years = max((row.time for row in known if row.time is not None), default=0.0)
    parts = [f"{_left_open(row)} {kit.CURVES[row.endpoint.name][1]}" for row in known if row.time == years]
    return one_sentence("figures", "predicted_found", parts, f"{years:g}")


def _between(lower: float, upper: float) -> str:
    low, high = (f"{100 * each:.0f}" for each in (lower, upper))
    return f"{low}% " if low == high else f"{low} to {high}%"


def _left_open(row: Row) -> str:
    return _between(row.posterior_lower, row.posterior_upper)


def _predicted_notes(read: list[Row]) -> list[str]:
    aimed = [row for row in read if row.has_target]
    return [*kit.undefined_note(aimed, "light band"), *kit.sources_note(aimed)]


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
        _band_finding(band), [scenario.title, warning], sentences("figures", "no_transplant"), kit.WIDTH, 4.25
    )
    axis = page.axes(0.8, kit.FOOT, 4.95, kit.TALL)
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
        names.append(kit.Name(words.capitalize(), figures, colour, float(last["median"])))
    kit.dress(axis, years[-1], "Years since enrolment", "Alive, never transplanted")
    kit.write_beside(axis, names, 3.6, 1.4)
    return page.figure


def _band_finding(band: pd.DataFrame) -> str:
    last = band[band["time_years"] == band["time_years"].max()]
    low, high = 100 * last["lower"].min(), 100 * last["upper"].max()
    years = float(last["time_years"].iloc[0])
    return one_sentence("figures", "no_transplant_found", low, high, f"{years:g}")


def no_transplant(results: Results) -> Figure:
    """Draw survival without a transplant as a calibration leaves it open."""
    # A run, which has survival too, does without the calibration.
    from sim.show.calibration_words import extrapolation_text

    scenario = results.scenario
    return no_transplant_figure(results.tables["no_transplant"], scenario, extrapolation_text(scenario))


@style.styled
def survival_band_figure(
    curves: pd.DataFrame, keys: Sequence[str], title: str, notes: Sequence[str] = (),
    free: pd.DataFrame | None = None,
) -> Figure:  # fmt: skip
    """Draw survival from enrolment over a range as a band.

    Parameters
    ----------
    curves : DataFrame
        The keys of the range, then the columns of ``curves.csv``.
    keys : sequence of str
        The keys varied.
    title : str
        The scenario's title; the figure's own title states the finding.
    notes : sequence of str
        Paragraphs at the bottom.
    free : DataFrame, optional
        The columns of ``curves.csv``, of draws of a posterior in which no key of the range is held.
    """
    drawn = curves[(curves["endpoint"] == _ENROLLED) & curves["estimate"].notna()]
    if drawn.empty:
        return style.empty_figure("No survival to show: nobody enrolled", title)
    by_time = drawn.groupby("time_years")
    years = by_time["estimate"].min().index.to_numpy()
    posterior = "posterior_lower" in drawn
    page = style.sheet(
        _range_finding(drawn), [title, *_range_lines(keys, drawn, free)], notes, kit.WIDTH, 4.15
    )
    axis = page.axes(0.8, kit.FOOT, 5.4, _BAND_TALL)
    inner = by_time["estimate"].min(), by_time["estimate"].max()
    axis.fill_between(years, *inner, color=style.BLUE, alpha=0.3, lw=0)
    kind = "posterior" if posterior else "mc"
    outer = by_time[f"{kind}_lower"].min(), by_time[f"{kind}_upper"].max()
    axis.fill_between(years, *outer, color=style.BLUE, alpha=0.14, lw=0)
    if free is not None:
        whole = free[free["endpoint"] == _ENROLLED]
        for edge in ("posterior_lower", "posterior_upper"):
            axis.plot(whole["time_years"], whole[edge], color=style.BLUE, lw=1.1, ls=kit.DASHED)
    for _, curve in drawn.groupby(list(keys), sort=False):
        axis.plot(curve["time_years"], curve["estimate"], color=style.BLUE, lw=1.3)
    kit.dress(axis, float(years[-1]), "Years since enrolment", "Alive, of all patients")
    _label_ends(axis, keys, drawn[drawn["time_years"] == years[-1]])
    return page.figure


def _range_finding(drawn: pd.DataFrame) -> str:
    """Say between which shares the answer lies."""
    years = drawn["time_years"].max()
    last = drawn[drawn["time_years"] == years]
    low, high = _share(last.loc[last["estimate"].idxmin()]), _share(last.loc[last["estimate"].idxmax()])
    shares = low if low == high else f"Between {low} and {high}"
    return f"{shares} of all enrolled alive at {years:g}\N{NO-BREAK SPACE}years, over the range"


def _share(row: pd.Series[Any]) -> str:
    return format_share(row["estimate"], (row["mc_upper"] - row["mc_lower"]) / 2)


def _range_lines(keys: Sequence[str], drawn: pd.DataFrame, free: pd.DataFrame | None) -> list[str]:
    error = None
    if "posterior_lower" in drawn:
        error = f"{50 * float((drawn['mc_upper'] - drawn['mc_lower']).max()):.2g}"
    return [*map(meaning, keys), *sentences("figures", "over_range", keys, error, free is not None)]


def _label_ends(axis: Axes, keys: Sequence[str], last: pd.DataFrame) -> None:
    """Write beside each line's end the share alive, and the values under which it holds."""
    line = kit.line_of(_BAND_TALL)
    heights = style.spread(last["estimate"].tolist(), 2.3 * line, 1.1 * line, 1 - 1.1 * line)
    for (_, row), y in zip(last.iterrows(), heights, strict=True):
        kit.name_end(axis, y, _share(row), f"at {with_units(row[list(keys)])}", style.BLUE)


def over_range(results: Results) -> Pictures:
    """Draw what a run finds over its range: survival as a band, else its main endpoints."""
    scenario = results.scenario
    keys = [shown.key for shown in scenario.range]
    if scenario.cohort.enters_at != "home":
        return varied(scenario, results.tables["range"], keys, headlines(scenario))
    free = (results.manifest["posterior"] or {}).get("free", ())
    whole = results.tables["curves"] if free and {*keys} <= {*free} else None
    return survival_band_figure(
        results.tables["range_curves"], keys, scenario.title, cautions(scenario), whole
    )
