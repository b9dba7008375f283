"""Scenario files are found in a checkout and in an installed wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sim.scenario.shipped import is_path, locate, scenarios_folder, shipped_names

ROOT = Path(__file__).parents[2]


def test_checkout() -> None:
    assert scenarios_folder() == ROOT / "scenarios"
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


def test_wheel(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "installed")
    code = "import sim; print(sim.load_scenario('chicago2006_reading_b').path); print(sim.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        check=True,
        capture_output=True,
        text=True,
    )
    path, package = found.stdout.split()
    assert Path(package).is_relative_to(tmp_path / "installed")
    assert Path(path).is_relative_to(tmp_path / "installed" / "sim" / "scenario" / "data" / "scenarios")
