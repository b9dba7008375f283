"""The figures, each a function from tables or histories to a `matplotlib.figure.Figure`."""

from __future__ import annotations

from sim.show.calibration_plot import calibration_figure
from sim.show.convergence_plot import convergence_figure
from sim.show.incidence_plot import incidence_figure
from sim.show.mortality_plot import mortality_figure
from sim.show.occupancy_plot import occupancy_figure
from sim.show.pathway_plot import pathway_figure
from sim.show.places_plot import places_figure
from sim.show.range_plot import survival_band_figure
from sim.show.survival_plot import survival_figure
from sim.show.sweep_plots import sweep_curve_figure, sweep_map_figure
from sim.show.swimmer_plot import paired_swimmer_figure, swimmer_figure
from sim.show.trial_plot import trial_figure
from sim.show.validation_plot import validation_figure

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
