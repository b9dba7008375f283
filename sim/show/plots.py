"""The registry of figures: which there are of each kind of study, what each is called, who draws it.

A new figure is a function of `sim.show.figures` and a row here. Nothing is drawn, and Matplotlib is not
imported, before a figure is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from sim.show.kit.plot import Plot, at
from sim.work.results import Results

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_RUN = (
    Plot(
        "survival",
        "Survival from reinfusion",
        "Two curves fall over the years since reinfusion: overall survival above, disease-free survival "
        "below. Narrow bands are Monte Carlo error, wide bands the range of single trials, diamonds "
        "published figures; under the axis, how many patients of a trial are at risk.",
        ("curves.csv", "endpoints.csv", "figures/survival.csv"),
        ("curves", "endpoints"),
        at("survival.of_run"),
        "Bands with dashed edges are the posterior's 95%.",
        at("survival.risk_table"),
    ),
    Plot(
        "range",
        "Over the range",
        "The answer at each value of the range over which the scenario must be read.",
        ("range.csv", "range_curves.csv"),
        ("range", "range_curves"),
        at("range.of_run"),
        "The posterior's 95% is drawn at each value.",
    ),
    Plot(
        "rooms",
        "Rooms, slots and queues",
        "Curves over the years since opening, one panel for each limited place and each queue: the mean, "
        "the range of virtual clinics, and the course of one of them.",
        ("occupancy.csv",),
        ("occupancy", "rooms"),
        at("occupancy.of_run"),
    ),
    Plot(
        "calibration",
        "Published and simulated",
        "One row for each published figure: a diamond where it was published, a point with its Monte "
        "Carlo error where the simulation lies, and a bar for the range of single trials.",
        ("endpoints.csv",),
        ("endpoints",),
        at("targets.of_run"),
        "Darker bars are the posterior's 95%.",
    ),
    Plot(
        "mortality",
        "Deaths in single trials",
        "Bars show in what share of virtual trials so many patients die, of the treatment and before "
        "reinfusion; the published count is marked.",
        ("figures/mortality.csv", "replications.parquet"),
        ("replications",),
        at("mortality.of_run"),
        table=at("mortality.run_table"),
    ),
    Plot(
        "incidence",
        "What ends remission, and what kills",
        "Stacked areas over the years: above, relapse, no response and death without relapse since "
        "reinfusion; below, deaths by cause since enrolment.",
        ("figures/incidence.csv",),
        ("incidence", "endpoints"),
        at("areas.incidence"),
    ),
    Plot(
        "places",
        "Where the patients are",
        "Stacked areas of the shares of patients in each place: day by day along the treatment, and then "
        "year by year at home in remission, relapsed, with active disease, or dead.",
        ("figures/places.csv",),
        ("places",),
        at("areas.places"),
    ),
    Plot(
        "trial",
        "What virtual trial 1 would have printed",
        "Step curves of overall and disease-free survival of one trial with their 95% intervals, ticks "
        "where patients are censored, and the numbers at risk under the axis.",
        ("figures/trial.csv", "patients.parquet"),
        ("patients",),
        at("trial.of_run"),
        table=at("trial.run_table"),
    ),
    Plot(
        "swimmer",
        "The patients of virtual trial 1",
        "One lane for each patient: on the left day by day through the treatment, on the right year by "
        "year through remission, relapse and death.",
        ("figures/swimmer.csv", "patients.parquet"),
        ("swimmer",),
        at("swimmer.of_run"),
    ),
    Plot(
        "convergence",
        "How the estimates settled",
        "For each main figure, its running estimate over the replications with a 95% band that narrows, "
        "and a line where the target is.",
        ("figures/convergence.csv", "replications.parquet"),
        ("replications",),
        at("convergence.of_run"),
        table=at("convergence.run_table"),
    ),
    Plot(
        "pathway",
        "The pathway",
        "Boxes for the places of a patient joined by arrows in the order of the treatment, each with the "
        "share of the enrolled who reach it and their mean stay; a frame around the places that hold an "
        "isolation room, and the exits by death and at the end of follow-up.",
        ("figures/pathway.csv", "patients.parquet"),
        (),
        at("pathway.of_run"),
        table=at("pathway.run_table"),
    ),
)

_SWEEP = (
    Plot(
        "sweep",
        "Along the parameter",
        "One panel for each endpoint: a curve over the values of the parameter with its Monte Carlo error, "
        "and a light band for the range of single trials.",
        ("points.csv",),
        ("points",),
        at("sweep.curve"),
        "Bands with dashed edges are the posterior's 95%.",
    ),
    Plot(
        "map",
        "Over both parameters",
        "A map over the values of two parameters, coloured by the endpoint, with numbers or contours on it.",
        ("points.csv",),
        ("points",),
        at("sweep.maps"),
    ),
)

_COMPARE = (
    Plot(
        "differences",
        "Differences",
        "One row for each main endpoint: both figures, the difference with its interval on a line around 0, "
        "and the difference in numbers.",
        ("comparison.csv", "range.csv"),
        ("comparison",),
        at("differences.of_comparison"),
    ),
    Plot(
        "swimmer",
        "The patients whose fates differ",
        "Two lanes for each patient of one virtual trial whose fate differs, one a scenario: day by day "
        "through the treatment, and year by year through remission, relapse and death.",
        ("named_patients.csv", "figures/swimmer.csv"),
        ("swimmer", "named_patients"),
        at("swimmer.of_comparison"),
    ),
)

_VALIDATE = (
    Plot(
        "validation",
        "Observed and predicted",
        "One row for each observed share, cohort by cohort: a mark where it was observed, with its interval, "
        "and a bar for what virtual cohorts report; a ring where it lies outside.",
        ("validation.csv", "figures/validation.csv"),
        ("validation",),
        at("validation.of_validation"),
        table=at("validation.shares_table"),
    ),
)

_CALIBRATE = (
    Plot(
        "targets",
        "Published and predicted",
        "One row for each target: a diamond where it was published, with its exact interval where it is "
        "a count; below it the posterior's mean and 95% on a bar for the range of single trials.",
        ("predictions.csv",),
        ("predictions",),
        at("targets.of_calibration"),
    ),
    Plot(
        "survival",
        "Survival from reinfusion",
        "Two curves fall over the years since reinfusion: overall survival above, disease-free survival "
        "below. Dark bands are what the posterior leaves open, light bands single trials, diamonds "
        "published figures.",
        ("curves.csv", "predictions.csv"),
        ("curves", "predictions"),
        at("survival.of_calibration"),
    ),
    Plot(
        "parameters",
        "Posterior against prior",
        "One panel for each free parameter: bars for its posterior with their Monte Carlo error, a "
        "dashed line for its prior, and an upright line at the point.",
        ("parameters.csv", "posterior.csv", "figures/priors.csv"),
        ("parameters",),
        at("parameters.parameters"),
    ),
    Plot(
        "pairs",
        "Parameters in pairs",
        "A triangle of panels, one for each pair of free parameters, with the densest parts of their "
        "posterior shaded, the point marked, free directions dotted, and a line of equal product of "
        "both lupus hazards.",
        ("posterior.csv", "directions.csv", "figures/ridge.csv"),
        ("directions",),
        at("pairs.pairs"),
    ),
    Plot(
        "profiles",
        "Profile likelihoods",
        "One panel for each free parameter: how far the log-likelihood falls along it, with the cut-off "
        "of a 95% interval as a dashed line.",
        ("profiles.csv",),
        ("profiles",),
        at("parameters.profiles"),
    ),
    Plot(
        "alternatives",
        "Other ways to see the trial",
        "One row for each way to see the trial: a bar for its posterior weight, and for each answer a "
        "dot that shows by how many posterior SDs it moves.",
        ("alternatives.csv", "moved.csv"),
        ("alternatives", "moved"),
        at("alternatives.alternatives"),
    ),
    Plot(
        "repeats",
        "What a repeat would report",
        "One panel for each target: bars for what virtual trials report over the posterior, an outline "
        "for those at the point, and a dashed line where the published figure lies.",
        ("repeats.parquet", "at_point.csv"),
        ("at_point",),
        at("repeats.repeats"),
    ),
    Plot(
        "search",
        "How the search settled",
        "Above, the effective sample size grows with the points looked at; below, the running mean of every "
        "parameter, whose error bars shrink.",
        ("search.csv",),
        ("search",),
        at("posterior_checks.search"),
    ),
    Plot(
        "simulation_alone",
        "By simulation alone",
        "One row for each parameter and answer: mean and SD by importance sampling beside those by "
        "simulation alone, each with its Monte Carlo error.",
        ("simulation_alone.csv",),
        ("simulation_alone",),
        at("posterior_checks.alone"),
    ),
    Plot(
        "coverage",
        "Coverage",
        "One row for each parameter and survival figure: histograms of ranks of this method and of the "
        "negative control against the band of uniform ranks, and how often 90% intervals hold the truth.",
        ("coverage.csv", "ranks.csv"),
        ("coverage", "ranks"),
        at("posterior_checks.coverage"),
    ),
    Plot(
        "no_transplant",
        "Without a transplant",
        "A wide band falls over the years since enrolment: what the posterior leaves open of survival "
        "without a transplant, under the hazard when active and under that after relapse, hatched one "
        "way and the other.",
        ("answers.csv", "figures/no_transplant.csv"),
        ("answers",),
        at("survival.no_transplant"),
    ),
)

PLOTS: Mapping[str, tuple[Plot, ...]] = {
    "run": _RUN,
    "sweep": _SWEEP,
    "compare": _COMPARE,
    "validate": _VALIDATE,
    "calibrate": _CALIBRATE,
}
"""By kind of study, each in the order of its page."""


class Drawn(NamedTuple):
    """A figure, the name of its files, and what it draws where no other file holds that."""

    name: str
    figure: Figure
    table: pd.DataFrame | None = None


def draw(results: Results, only: str | None = None) -> Iterator[Drawn]:
    """Draw all figures of a study, of any kind, that there is something to draw for.

    Parameters
    ----------
    only
        Name of a figure: the others of its row are drawn too, those of other rows are not.
    """
    row = None if only is None else row_of(results.kind, only)
    for plot in PLOTS[results.kind] if only is None else filter(None, [row]):
        if not plot.is_of(results):
            continue
        table = None if plot.table is None else plot.table(results)
        found = plot.draw(results) if plot.table is None else plot.draw(results, table)
        if found is None:
            continue
        if not isinstance(found, Mapping):
            yield Drawn(plot.name, found, table)
            continue
        for ending, figure in found.items():
            yield Drawn(f"{plot.name}_{ending}" if ending else plot.name, figure, table)


def row_of(kind: str, name: str) -> Plot | None:
    """Return the row of a figure by the name of its files, with or without an ending; None for another's."""
    rows = [plot for plot in PLOTS[kind] if name == plot.name or name.startswith(f"{plot.name}_")]
    return max(rows, key=lambda plot: len(plot.name), default=None)
