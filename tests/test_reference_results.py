"""The reference results are those of the program as it is: what is made again comes out as it is kept."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drivers import SMALL_CALIBRATION, no_figures

from sim.calibrate import coverage
from sim.cli import run
from sim.outcomes.twin.expected import expected
from sim.scenario.load import load
from sim.scenario.shipped import locate_posterior
from sim.scenario.values import get_value
from sim.study.posterior import read_posterior, weighted_summary
from sim.work.results import read_results
from sim.work.spool import read_parquet

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "results" / "reference"


def kept(name: str) -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "chicago2006" / f"{name}.csv")


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Require equal tables: to the bit on one machine, and in all but the last digits on another."""
    pd.testing.assert_frame_equal(one, other, rtol=1e-6, atol=1e-9, check_dtype=False)


def test_a_small_calibration_comes_out_the_same(small_calibration: Path) -> None:
    made = re.search(
        r"lupus-hsct (calibrate .*) --out \$\(NEW\)/small", (ROOT / "Makefile").read_text("utf-8")
    )
    assert made is not None
    assert shlex.split(made[1]) == ["calibrate", "chicago2006", *SMALL_CALIBRATION]
    for name in ("solved", "parameters", "answers", "predictions", "profiles", "directions"):
        folders = (REFERENCE / "small", small_calibration)
        same(*(pd.read_csv(folder / f"{name}.csv") for folder in folders))


def test_the_trials_at_the_point_come_out_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_figures(monkeypatch)
    solved = str(REFERENCE / "chicago2006" / "solved.toml")
    few = ("--replications", "256", "--engine", "arrays", "--workers", "1")
    assert run(["run", solved, *few, "--out", str(tmp_path / "again")]) == 0
    simulated = kept("at_point").head(256)
    same(read_parquet(tmp_path / "again" / "replications.parquet")[list(simulated.columns)], simulated)


def test_the_solution_meets_the_targets() -> None:
    scenario = load(str(REFERENCE / "chicago2006" / "solved.toml")).scenario
    found = expected(scenario)
    assert len(scenario.fitted_targets) == 6
    for target in scenario.fitted_targets:
        assert found[target.endpoint, target.time_years] == pytest.approx(target.value, abs=1e-8)


def test_the_draws_say_what_the_table_says() -> None:
    posterior, _ = read_posterior(locate_posterior("chicago2006"))
    table = kept("parameters").set_index("key")
    assert tuple(table.index) == posterior.keys
    for key, values in zip(posterior.keys, posterior.values.T, strict=True):
        for name, found in weighted_summary(values, posterior.weights).items():
            # The file has ten digits of each weight, on which a quantile between two draws depends.
            within = 5e-3 if name in ("lower", "median", "upper") else 1e-6
            assert found == pytest.approx(table.loc[key, name], rel=within), (key, name)


def test_the_shipped_posterior_is_of_the_shipped_scenario() -> None:
    posterior, point = read_posterior(locate_posterior("chicago2006"))
    scenario = load("chicago2006").scenario
    assert posterior.keys == tuple(prior.key for prior in scenario.prior)
    assert point == pytest.approx([get_value(scenario, key) for key in posterior.keys], rel=1e-9)
    manifest = json.loads((REFERENCE / "chicago2006" / "manifest.json").read_text("utf-8"))
    assert manifest["posterior"]["effective_size"] == pytest.approx(posterior.effective_size, rel=1e-4)
    assert posterior.effective_size >= 2000


def test_two_ways_to_the_posterior_agree_and_it_keeps_its_word() -> None:
    alone = kept("simulation_alone")
    # Of 2 x 12 comparisons one in 40,000 true ones exceeds this.
    assert np.abs(alone[["z_mean", "z_sd"]].to_numpy()).max() < 4.1
    judged = coverage._table(kept("ranks"))
    same(judged, kept("coverage"))
    simulated = judged[judged["method"] == "simulated"]
    assert (simulated["uniform_p"] > 0.001).all()
    assert (simulated["lower"] <= 0.92).all()
    assert (simulated["upper"] >= 0.88).all()
    control = judged[judged["method"] == "binomial"].set_index("quantity")
    for figure in ("Overall survival, reinfused, 5 y", "Disease-free survival, 5 y"):
        assert not control.loc[figure, "as_said"]
        assert control.loc[figure, "covered"] < 0.8


@pytest.mark.parametrize("name", ["chicago2006", "validation", "small"])
def test_what_is_kept_of_a_study_can_be_read(name: str) -> None:
    assert read_results(REFERENCE / name).manifest["seed"] == 1
