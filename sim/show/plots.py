"""The figures, each a function from tables to a `matplotlib.figure.Figure`."""

from __future__ import annotations

from sim.show.calibration_plot import calibration_figure
from sim.show.survival_plot import survival_figure
from sim.show.sweep_plots import sweep_curve_figure, sweep_map_figure

__all__ = ["calibration_figure", "survival_figure", "sweep_curve_figure", "sweep_map_figure"]
