"""The figures, each a function from tables or histories to a `matplotlib.figure.Figure`."""

from __future__ import annotations

from sim.show.figures.convergence import convergence_figure
from sim.show.figures.incidence import incidence_figure
from sim.show.figures.mortality import mortality_figure
from sim.show.figures.occupancy import occupancy_figure
from sim.show.figures.pathway import pathway_figure
from sim.show.figures.places import places_figure
from sim.show.figures.range import survival_band_figure
from sim.show.figures.survival import survival_figure
from sim.show.figures.sweep import sweep_curve_figure, sweep_map_figure
from sim.show.figures.swimmer import paired_swimmer_figure, swimmer_figure
from sim.show.figures.targets import calibration_figure
from sim.show.figures.trial import trial_figure
from sim.show.figures.validation import validation_figure

__all__ = [
    "calibration_figure",
    "convergence_figure",
    "incidence_figure",
    "mortality_figure",
    "occupancy_figure",
    "paired_swimmer_figure",
    "pathway_figure",
    "places_figure",
    "survival_band_figure",
    "survival_figure",
    "sweep_curve_figure",
    "sweep_map_figure",
    "swimmer_figure",
    "trial_figure",
    "validation_figure",
]
