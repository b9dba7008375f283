"""The registry of figures: every row can be drawn, and its words cost no Matplotlib."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from sim.show.kit.plot import DrawnAt, Plot
from sim.show.plots import PLOTS, row_of

ROWS = [(kind, plot) for kind, plots in PLOTS.items() for plot in plots]


@pytest.mark.parametrize(("kind", "plot"), ROWS, ids=[f"{kind}-{plot.name}" for kind, plot in ROWS])
def test_every_row_names_functions_that_are_there(kind: str, plot: Plot) -> None:
    for call in filter(None, (plot.draw, plot.table)):
        assert isinstance(call, DrawnAt), kind
        module, name = call.where.split(".")
        assert callable(getattr(import_module(f"sim.show.figures.{module}"), name))


def test_names_are_told_apart_by_their_rows() -> None:
    for kind, plots in PLOTS.items():
        names = [plot.name for plot in plots]
        assert len(set(names)) == len(names), kind
    found = row_of("run", "range_overall_survival_5")
    assert found is not None
    assert found.name == "range"
    found = row_of("calibrate", "simulation_alone")
    assert found is not None
    assert found.name == "simulation_alone"
    assert row_of("run", "ranges") is None


def test_words_cost_no_matplotlib() -> None:
    code = "import sys, sim.show.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_figures_of_a_run_are_drawn_without_a_calibration_and_without_statistics() -> None:
    modules = {call.where.split(".")[0] for plot in PLOTS["run"] if isinstance(call := plot.draw, DrawnAt)}
    imports = ", ".join(f"sim.show.figures.{module}" for module in sorted(modules))
    code = f"import sys, {imports}; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = done.stdout.split()
    assert "matplotlib.figure" in loaded
    assert [name for name in loaded if name.startswith(("sim.calibrate", "scipy.stats"))] == []
