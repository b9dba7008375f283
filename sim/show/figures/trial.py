"""One virtual trial's survival as its paper would print it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.outcomes.one_trial import Curve, TrialReport
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME
from sim.scenario.schema import Scenario
from sim.show.kit import style
from sim.show.kit.curves import FOOT, RISK_ROW, WIDTH, draw_at_risk, dress, label_times, line_of, name_end
from sim.show.kit.formats import format_share
from sim.show.kit.prose import one_sentence, sentences
from sim.show.kit.scenario_words import replication, single_notes
from sim.show.trial_data import first_report
from sim.work.results import Results

_LEFT, _RIGHT = 1.25, 1.95
_COLOURS = (style.BLUE, style.ORANGE)
_TALL = 3.1
_WORDS = {
    "overall_survival": "alive",
    "overall_survival_enrolled": "alive",
    "disease_free_survival": "disease-free",
}


def trial_data(report: TrialReport) -> pd.DataFrame:
    """Return the curves: ``endpoint, time_years, at_risk, events, survival, std_error, lower, upper``."""
    tables = []
    for curve in report.curves:
        estimate, counts = curve.estimate, curve.estimate.counts
        lower, upper = estimate.intervals()
        columns = {
            "time_years": counts.times, "at_risk": counts.at_risk.astype(np.int64),
            "events": counts.events.sum(axis=0).astype(np.int64), "survival": estimate.survival,
            "std_error": estimate.std_error, "lower": lower, "upper": upper,
        }  # fmt: skip
        tables.append(pd.DataFrame({"endpoint": curve.name, **columns}))
    return pd.concat(tables, ignore_index=True)


@style.styled
def trial_figure(report: TrialReport, scenario: Scenario, notes: Sequence[str] = ()) -> Figure:
    """Draw the Kaplan-Meier curves of one trial with log-log intervals and numbers at risk.

    Parameters
    ----------
    report : TrialReport
        The first virtual trial.
    scenario : Scenario
        Its horizon and title.
    notes : sequence of str
        Further paragraphs at the bottom.
    """
    if not report.curves:
        return style.empty_figure("Virtual trial 1 has no survival to report by its data cut", scenario.title)
    horizon = scenario.follow_up.horizon_years
    rows = RISK_ROW * (len(report.curves) + 1)
    patients, when = report.reinfused or report.enrolled, replication(scenario).when
    said = sentences("figures", "trial", patients, when)
    page = style.sheet(
        _finding(report.curves), [scenario.title], [*said, *notes], WIDTH,
        _TALL + FOOT + rows + 0.12,
    )  # fmt: skip
    axis = page.axes(_LEFT, FOOT + rows, WIDTH - _LEFT - _RIGHT, _TALL)
    home = scenario.cohort.enters_at == "home"
    dress(axis, horizon, f"Years since {'enrolment' if home else 'reinfusion'}", "Kaplan-Meier estimate")
    times = label_times(horizon)
    for curve, colour in zip(report.curves, _COLOURS, strict=False):
        _draw(axis, curve, colour, horizon)
    _name(axis, report.curves, horizon)
    at_risk = [curve.estimate.counts.at_risk_at(np.array(times)) for curve in report.curves]
    names = [_WORDS[curve.name].capitalize() for curve in report.curves]
    numbers = [(name, [f"{n:.0f}" for n in own]) for name, own in zip(names, at_risk, strict=True)]
    draw_at_risk(axis, times, "At risk", numbers, _COLOURS)
    return page.figure


def _draw(axis: Axes, curve: Curve, colour: str, horizon: float) -> None:
    """Draw one curve up to its last patient, its interval, and a tick for each censoring."""
    counts = curve.estimate.counts
    times = np.append(0.0, counts.times)
    survival = np.append(1.0, curve.estimate.survival)
    lower, upper = (np.append(1.0, _known(limit)) for limit in curve.estimate.intervals())
    inside = times <= horizon
    times, survival, lower, upper = (each[inside] for each in (times, survival, lower, upper))
    if counts.times[-1] > horizon:
        times = np.append(times, horizon)
        survival, lower, upper = (np.append(each, each[-1]) for each in (survival, lower, upper))
    axis.fill_between(times, lower, upper, step="post", color=colour, alpha=0.16, lw=0)
    axis.step(times, survival, where="post", color=colour, lw=2.0)
    leaving = counts.at_risk - np.append(counts.at_risk[1:], 0.0)
    censored = (leaving > counts.events.sum(axis=0)) & (counts.times <= horizon)
    at = counts.times[censored]
    axis.plot(at, curve.estimate.survival[censored], "|", color=colour, ms=6, mew=0.9)


def _known(limit: Floats) -> Floats:
    """Return a limit where it is defined, and before that 1: nobody has had the event."""
    found = pd.Series(limit)
    return np.asarray(found.ffill().fillna(1.0), dtype=np.float64)


def _name(axis: Axes, curves: Sequence[Curve], horizon: float) -> None:
    """Name each curve at the right, with what the trial reports at the horizon."""
    line = line_of(_TALL)
    ends = [float(curve.estimate.survival[-1]) for curve in curves]
    heights = style.spread(ends, 3.2 * line, 1.5 * line, 1 - 1.5 * line)
    for curve, colour, y in zip(curves, _COLOURS, heights, strict=False):
        name = BY_NAME[curve.name].label.partition(",")[0]
        name_end(axis, y, name, f"{_estimate(curve)} at {horizon:g} y", colour)


def _estimate(curve: Curve) -> str:
    readings = curve.readings
    value, low, high = (float(each[-1]) for each in (readings.estimate, readings.lower, readings.upper))
    if math.isnan(value):
        return "undefined"
    interval = "" if math.isnan(low) or math.isnan(high) else f" ({100 * low:.0f} to {100 * high:.0f}%)"
    return f"{format_share(value, 0.005)}{interval}"


def _finding(curves: Sequence[Curve]) -> str:
    parts = []
    for curve in curves:
        defined = np.flatnonzero(~np.isnan(curve.readings.estimate))
        if not defined.size:
            continue
        last = defined[-1]
        share = format_share(float(curve.readings.estimate[last]), 0.005)
        parts.append((f"{share} {_WORDS[curve.name]}", f"{curve.readings.times[last]:g}"))
    whom = "enrolled" if curves[0].name.endswith("_enrolled") else "reinfused"
    return one_sentence("figures", "trial_found", parts, whom)


def run_table(results: Results) -> pd.DataFrame | None:
    """Return the curves of a run's first trial, where there are any."""
    report = first_report(results)
    return None if report is None or not report.curves else trial_data(report)


def of_run(results: Results, _data: pd.DataFrame | None) -> Figure | None:
    """Draw what the first trial of a run would have printed."""
    report, scenario = first_report(results), results.scenario
    notes = single_notes(scenario, drawn=bool(results.draws))
    return None if report is None else trial_figure(report, scenario, notes)
