"""What the documents say is true: every command and snippet runs, and the reference is the code's own."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sim.cli import run as command_line
from sim.scenario.load import load

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_every_command_of_the_readme_runs_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = "".join(blocks("console")).splitlines()
    commands = [shlex.split(line.removeprefix("$ ")) for line in lines]
    assert len(commands) >= 10
    for program, *arguments in commands:
        assert program == "lupus-hsct"
        smaller = ["--replications", "5"] if arguments[0] in ("run", "sweep", "compare") else []
        assert command_line([*arguments, *smaller]) == 0, capsys.readouterr().err


def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    (code,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "overall_survival" in done.stdout
    assert "0.84" in done.stdout.splitlines()[-1] or "0.8399" in done.stdout.splitlines()[-1]


def test_the_scenario_file_of_the_readme_loads(tmp_path: Path) -> None:
    (text,) = blocks("toml")
    path = tmp_path / "mine.toml"
    path.write_text(text, "utf-8")
    assert load(str(path)).scenario.clinic.isolation_rooms == 4


def test_every_file_that_the_readme_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(links) >= 3
    for link in links:
        assert (ROOT / link).is_file(), link


def test_the_reference_is_up_to_date() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_reference.py"))["reference"]()
    assert (ROOT / "docs" / "reference.md").read_text("utf-8") == made, "run python docs/make_reference.py"


def test_the_wheel_carries_the_scenarios(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    program = (
        f"import sys; sys.path.insert(0, {str(wheel)!r}.replace('.whl', '')); import sim; "
        "print(sim.__file__); from sim.cli import run; sys.exit(run(['scenario', 'list']))"
    )
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), str(wheel)[:-4]], check=True)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert str(tmp_path) in done.stdout.splitlines()[0]
    for scenario in (ROOT / "scenarios").glob("*.toml"):
        assert scenario.stem in done.stdout
