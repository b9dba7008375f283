"""Scenario files are found in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sim
from sim.scenario.cautions import doubts
from sim.scenario.load import load
from sim.scenario.shipped import is_path, locate, scenarios_folder, shipped_names

ROOT = Path(__file__).parents[2]


def test_they_lie_beside_the_package_or_in_it() -> None:
    package = Path(sim.__file__).parent
    installed = package / "scenario" / "data" / "scenarios"
    assert scenarios_folder() == (ROOT / "scenarios" if package.parent == ROOT else installed)
    assert "chicago2006" in shipped_names()


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("chicago2006", False),
        ("mine.toml", True),
        ("./mine", True),
        ("folder/mine.toml", True),
        ("mine", False),
    ],
)
def test_reference_rule(reference: str, expected: bool) -> None:
    assert is_path(reference) is expected


def test_path_without_ending(tmp_path: Path) -> None:
    assert locate("./plain", beside=tmp_path).path == tmp_path / "plain"
    assert locate("./plain", beside=tmp_path).name == "plain"


@pytest.mark.parametrize("name", shipped_names())
def test_nobody_is_younger_or_older_than_those_who_were_treated(name: str) -> None:
    scenario = load(name).scenario
    low, high = scenario.cohort.age_years.quantile(np.array([2.0**-33, 1 - 2.0**-33]))
    assert (low, high) == (pytest.approx(9, abs=0.01), pytest.approx(52, abs=0.01))
    assert not [*doubts(scenario)]
    assert "Age and sex" not in scenario.caution
