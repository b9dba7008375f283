"""The reference results are those of the program as it is: a small calibration comes out as it is kept."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sim.cli import run
from sim.scenario.load import load
from sim.scenario.shipped import locate_posterior
from sim.scenario.values import get_value
from sim.show import plots
from sim.study.posterior import read_posterior

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "results" / "reference"


def test_a_small_calibration_comes_out_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "PLOTS", {kind: rows[:1] for kind, rows in plots.PLOTS.items()})
    makefile = (ROOT / "Makefile").read_text("utf-8")
    made = re.search(r"lupus-hsct (calibrate .*) --out \$\(NEW\)/small", makefile)
    assert made is not None
    assert run([*shlex.split(made[1]), "--out", str(tmp_path / "small")]) == 0
    for name in ("solved", "parameters", "answers", "predictions", "profiles", "directions"):
        folders = (REFERENCE / "small", tmp_path / "small")
        kept, again = (pd.read_csv(folder / f"{name}.csv") for folder in folders)
        # Equal to the bit on one machine; another processor may differ in the last digits.
        pd.testing.assert_frame_equal(kept, again, rtol=1e-6, atol=1e-9)


def test_the_shipped_posterior_is_of_the_shipped_scenario() -> None:
    posterior, point = read_posterior(locate_posterior("chicago2006"))
    scenario = load("chicago2006").scenario
    assert posterior.keys == tuple(prior.key for prior in scenario.prior)
    assert point == pytest.approx([get_value(scenario, key) for key in posterior.keys], rel=1e-9)
    manifest = json.loads((REFERENCE / "chicago2006" / "manifest.json").read_text("utf-8"))
    assert manifest["posterior"]["effective_size"] == pytest.approx(posterior.effective_size, rel=1e-4)
    assert posterior.effective_size >= 2000


def test_two_ways_to_the_posterior_agree_and_it_keeps_its_word() -> None:
    alone = pd.read_csv(REFERENCE / "chicago2006" / "simulation_alone.csv")
    # Of 2 x 12 comparisons one in 40,000 true ones exceeds this.
    assert np.abs(alone[["z_mean", "z_sd"]].to_numpy()).max() < 4.1
    coverage = pd.read_csv(REFERENCE / "chicago2006" / "coverage.csv")
    kept = coverage[coverage["method"] == "simulated"]
    assert (kept["uniform_p"] > 0.001).all()
    assert (kept["lower"] <= 0.92).all()
    assert (kept["upper"] >= 0.88).all()
    control = coverage[coverage["method"] == "binomial"].set_index("quantity")
    for figure in ("Overall survival, 5 y", "Disease-free survival, 5 y"):
        assert not control.loc[figure, "as_said"]
        assert control.loc[figure, "covered"] < 0.8
