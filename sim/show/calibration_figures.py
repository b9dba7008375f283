"""The figures of a calibration: which there are, what each is called, and where its data are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from matplotlib.figure import Figure

from sim.show.calibration_shown import Shown
from sim.show.calibration_words import extrapolation_text
from sim.show.figures.alternatives import alternatives_figure
from sim.show.figures.pairs import pairs_figure
from sim.show.figures.parameters import parameters_figure, profiles_figure
from sim.show.figures.posterior_checks import alone_figure, coverage_figure, search_figure
from sim.show.figures.posterior_curves import no_transplant_figure, survival_figure
from sim.show.figures.repeats import repeats_figure, targets_figure
from sim.show.kit.style import save

_Manifest: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Plot:
    """One figure.

    Attributes
    ----------
    name
        Of its files.
    heading, description
        Its words on the page; the description stands for the picture, after its title.
    data
        Files of the folder that hold what is drawn.
    needs
        The tables without which there is no figure; all need a posterior.
    draw
        Draws it.
    """

    name: str
    heading: str
    description: str
    data: tuple[str, ...]
    needs: tuple[str, ...]
    draw: Callable[[Shown, _Manifest], Figure]


PLOTS: tuple[Plot, ...] = (
    Plot(
        "targets",
        "Published and predicted",
        "One row for each target: a diamond where it was published, with its exact interval where it is "
        "a count; below it the posterior's mean and 95% on a bar for the range of single trials.",
        ("predictions.csv",),
        ("predictions",),
        lambda shown, _: targets_figure(shown.tables["predictions"], shown.scenario),
    ),
    Plot(
        "survival",
        "Survival from reinfusion",
        "Two curves fall over the years since reinfusion: overall survival above, disease-free survival "
        "below. Dark bands are what the posterior leaves open, light bands single trials, diamonds "
        "published figures.",
        ("curves.csv", "predictions.csv"),
        ("curves", "predictions"),
        lambda shown, _: survival_figure(shown.tables["curves"], shown.tables["predictions"], shown.scenario),
    ),
    Plot(
        "parameters",
        "Posterior against prior",
        "One panel for each free parameter: bars for its posterior with their Monte Carlo error, a "
        "dashed line for its prior, and an upright line at the point.",
        ("parameters.csv", "posterior.csv", "figures/priors.csv"),
        ("parameters",),
        lambda shown, _: parameters_figure(shown),
    ),
    Plot(
        "pairs",
        "Parameters in pairs",
        "A triangle of panels, one for each pair of free parameters, with the densest parts of their "
        "posterior shaded, the point marked, free directions dotted, and a line of equal product of "
        "both lupus hazards.",
        ("posterior.csv", "directions.csv", "figures/ridge.csv"),
        ("directions",),
        lambda shown, _: pairs_figure(shown),
    ),
    Plot(
        "profiles",
        "Profile likelihoods",
        "One panel for each free parameter: how far the log-likelihood falls along it, with the cut-off "
        "of a 95% interval as a dashed line.",
        ("profiles.csv",),
        ("profiles",),
        lambda shown, _: profiles_figure(shown),
    ),
    Plot(
        "alternatives",
        "Other ways to see the trial",
        "One row for each way to see the trial: a bar for its posterior weight, and for each answer a "
        "dot that shows by how many posterior SDs it moves.",
        ("alternatives.csv", "moved.csv"),
        ("alternatives", "moved"),
        lambda shown, _: alternatives_figure(
            shown.tables["alternatives"], shown.tables["moved"], shown.scenario
        ),
    ),
    Plot(
        "repeats",
        "What a repeat would report",
        "One panel for each target: bars for what virtual trials report over the posterior, an outline "
        "for those at the point, and a dashed line where the published figure lies.",
        ("repeats.parquet", "at_point.csv"),
        ("at_point",),
        lambda shown, _: repeats_figure(
            shown.reported, shown.tables["at_point"], shown.scenario, solved=shown.solved
        ),
    ),
    Plot(
        "search",
        "How the search settled",
        "Above, the effective sample size grows with the points looked at; below, the running mean of every "
        "parameter, whose error bars shrink.",
        ("search.csv",),
        ("search",),
        lambda shown, manifest: search_figure(shown.tables["search"], shown, float(manifest["plan"]["size"])),
    ),
    Plot(
        "simulation_alone",
        "By simulation alone",
        "One row for each parameter and answer: mean and SD by importance sampling beside those by "
        "simulation alone, each with its Monte Carlo error.",
        ("simulation_alone.csv",),
        ("simulation_alone",),
        lambda shown, _: alone_figure(shown.tables["simulation_alone"], shown),
    ),
    Plot(
        "coverage",
        "Coverage",
        "One row for each parameter and survival figure: histograms of ranks of this method and of the "
        "negative control against the band of uniform ranks, and how often 90% intervals hold the truth.",
        ("coverage.csv", "ranks.csv"),
        ("coverage", "ranks"),
        lambda shown, _: coverage_figure(shown.tables["coverage"], shown.tables["ranks"], shown),
    ),
    Plot(
        "no_transplant",
        "Without a transplant",
        "A wide band falls over the years since enrolment: what the posterior leaves open of survival "
        "without a transplant, under the hazard when active and under that after relapse, hatched one "
        "way and the other.",
        ("answers.csv", "figures/no_transplant.csv"),
        ("answers",),
        lambda shown, _: no_transplant_figure(
            shown.own["no_transplant"], shown.scenario, extrapolation_text(shown.scenario)
        ),
    ),
)  # fmt: skip
"""In the order of the page."""


def write_figures(shown: Shown, manifest: _Manifest, folder: Path) -> list[Plot]:
    """Write all figures that there is something to draw for, with the tables that only they need.

    Returns
    -------
    list[Plot]
        Those written, in the order of the page; none without a posterior.
    """
    if shown.draws is None:
        return []
    figures = folder / "figures"
    figures.mkdir(exist_ok=True)
    for name, table in shown.own.items():
        table.to_csv(figures / f"{name}.csv", index=False, lineterminator="\n", float_format="%.10g")
    written = []
    for plot in PLOTS:
        if all(name in shown.tables and not shown.tables[name].empty for name in plot.needs):
            save(plot.draw(shown, manifest), figures, plot.name)
            written.append(plot)
    return written
