"""The figures of one run, and of a sweep or a range."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from sim.outcomes.one_trial import Patients, report_trial
from sim.scenario.endpoints import Key, column
from sim.scenario.registry import parameters
from sim.scenario.schema import DAYS_PER_YEAR, PoissonArrivals, Scenario, TrialArrivals
from sim.scenario.values import get_value
from sim.show.figures import plots
from sim.show.figures.convergence import convergence_data, shown_keys
from sim.show.figures.mortality import mortality_data
from sim.show.figures.pathway import counted, pathway_data, pathway_stays
from sim.show.figures.trial import trial_data
from sim.show.kit.posterior_words import AT_RISK_FIRST_DRAW, FIRST_DRAW
from sim.show.kit.risk_rows import label_times
from sim.show.kit.scenario_words import replication
from sim.show.trial_data import at_risk, first_trials, one_trial
from sim.study.request import headlines
from sim.study.run import Run, Written

Named = tuple[str, Figure]
"""A figure and the name of its files."""


class RunFigure(NamedTuple):
    """A figure of a run, the name of its files, and its data where no other file of the folder holds them."""

    name: str
    figure: Figure
    data: pd.DataFrame | None = None


def run_figures(written: Written, run: Run, scenario: Scenario) -> Iterator[RunFigure]:
    """Yield the figures of a run; a scenario's caution stands under each.

    Parameters
    ----------
    written
        What the run has found, in memory.
    run
        The same as read back from its folder.
    """
    endpoints, notes = written.endpoints, cautions(scenario)
    drawn = run.manifest["posterior"] is not None
    # What is shown of single patients and trials is of one set of parameters.
    single = [FIRST_DRAW, *notes] if drawn else notes
    patients = first_trials(run.patients, scenario)
    if not endpoints[endpoints["endpoint"] == "overall_survival"]["estimate"].isna().all():
        risk = None if patients is None else at_risk(patients, label_times(scenario.follow_up.horizon_years))
        words = replication(scenario)
        beside = [AT_RISK_FIRST_DRAW, *notes] if drawn and risk is not None else notes
        figure = plots.survival_figure(written.curves, endpoints, scenario.title, beside, risk, words)
        yield RunFigure("survival", figure, risk)
    if scenario.target:
        yield RunFigure("calibration", plots.calibration_figure(endpoints, scenario))
    free = (run.manifest["posterior"] or {}).get("free", ())
    yield RunFigure("swimmer", _swimmer(written, scenario, single, free), _first_rows(run.patients))
    if written.occupancy is not None:
        yield RunFigure("rooms", plots.occupancy_figure(written.occupancy, scenario, single))
    if written.points is not None and written.point_curves is not None:
        keys = [shown.key for shown in scenario.range]
        if scenario.cohort.enters_at == "home":
            whole = written.curves if free and {*keys} <= {*free} else None
            figure = plots.survival_band_figure(written.point_curves, keys, scenario.title, notes, whole)
            yield RunFigure("range", figure)
        else:
            for name, figure in varied_figures(scenario, written.points, keys, headlines(scenario), "range"):
                yield RunFigure(name, figure)
    yield from _counted_figures(written, run, patients, scenario, single)


def _counted_figures(
    written: Written, run: Run, patients: Patients | None, scenario: Scenario, single: Sequence[str]
) -> Iterator[RunFigure]:
    """Yield the figures that count replications and patients.

    Survival of a cohort that is never transplanted is shown over its range alone, never as one curve.
    """
    notes, home = cautions(scenario), scenario.cohort.enters_at == "home"
    drawn = run.manifest["posterior"] is not None
    if not home:
        deaths = mortality_data(run.replications)
        yield RunFigure("mortality", plots.mortality_figure(deaths, scenario, notes), deaths)
        settled = convergence_data(run.replications, shown_keys(scenario, headlines(scenario)))
        yield RunFigure(
            "convergence", plots.convergence_figure(settled, scenario, notes, drawn=drawn), settled
        )
    stays = None if patients is None else pathway_stays(patients)
    told = None if stays is None else pathway_data(stays)
    about = [] if patients is None else [counted(patients)]
    about += [FIRST_DRAW] if drawn else []
    yield RunFigure("pathway", plots.pathway_figure(scenario, stays, about), told)
    shares = written.courses
    if shares is not None:
        figure = plots.incidence_figure(shares, run.endpoints, scenario, notes)
        yield RunFigure("incidence", figure)
        yield RunFigure("places", plots.places_figure(shares, scenario, notes))
    if home:
        return
    first = one_trial(run.patients, scenario)
    if first is not None and isinstance(scenario.arrivals, TrialArrivals):
        report = report_trial(first)
        data = trial_data(report) if report.curves else None
        yield RunFigure("trial", plots.trial_figure(report, scenario, single), data)


def varied_figures(
    scenario: Scenario, points: pd.DataFrame, keys: Sequence[str], shown: Sequence[Key], name: str
) -> Iterator[Named]:
    """Yield what a page can show of points: a curve over one key, maps over two; the table holds the rest."""
    own = [_plain(get_value(scenario, key)) for key in keys]
    notes = [scenario.title, *cautions(scenario)]
    if len(keys) == 1:
        unit = parameters()[keys[0]].unit if keys[0] in parameters() else ""
        yield name, plots.sweep_curve_figure(points, keys[0], unit, shown, own=own[0], notes=notes)
    elif len(keys) == 2:
        for endpoint in shown:
            pair = (keys[0], keys[1])
            figure = plots.sweep_map_figure(points, pair, endpoint, own=(own[0], own[1]), notes=notes)
            yield f"{'map' if name == 'sweep' else name}_{column(endpoint).replace('@', '_')}", figure


def cautions(scenario: Scenario) -> list[str]:
    """Return the scenario's own caution as a note, if it has one."""
    return [scenario.caution] if scenario.caution else []


def _plain(value: Any) -> float | str | None:
    """Return a value that an axis can mark; a distribution has no one place on it."""
    return value if isinstance(value, (int, float, str)) else None


def _first_rows(patients: pd.DataFrame | None) -> pd.DataFrame | None:
    """Return the rows of the first trial, where patients are kept: other programs read CSV more easily."""
    return None if patients is None else patients[patients["replication"] == 1]


def _swimmer(written: Written, scenario: Scenario, notes: Sequence[str], free: Sequence[str]) -> Figure:
    cut, arrivals = scenario.follow_up.data_cut_days, scenario.arrivals
    at = ", ".join(
        f"the first draw of {shown.key}"
        if shown.key in free
        else f"{shown.key} = {get_value(scenario, shown.key):.3g}"
        for shown in scenario.range
    )
    return plots.swimmer_figure(
        written.first,
        0,
        f"{scenario.title}. Virtual trial 1{f', drawn at {at}' if at else ''}",
        scenario.follow_up.horizon_years * DAYS_PER_YEAR,
        None if cut == "none" else cut,
        opened=arrivals.warm_up_days if isinstance(arrivals, PoissonArrivals) else 0.0,
        over_range=written.firsts,
        notes=notes,
    )
