"""The figures, each a function from tables or histories to a `matplotlib.figure.Figure`."""

from __future__ import annotations

from sim.show.calibration_plot import calibration_figure
from sim.show.occupancy_plot import occupancy_figure
from sim.show.range_plot import survival_band_figure
from sim.show.survival_plot import survival_figure
from sim.show.sweep_plots import sweep_curve_figure, sweep_map_figure
from sim.show.swimmer_plot import paired_swimmer_figure, swimmer_figure

__all__ = [
    "calibration_figure",
    "occupancy_figure",
    "paired_swimmer_figure",
    "survival_band_figure",
    "survival_figure",
    "sweep_curve_figure",
    "sweep_map_figure",
    "swimmer_figure",
]
