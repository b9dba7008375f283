"""``lupus-hsct scenario`` and what all commands share: help, exit codes, JSON, plain output."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from sim.cli import cli, run
from sim.scenario.load import load
from sim.scenario.problems import RequestError

HEAVY = {
    "numpy",
    "pandas",
    "scipy",
    "matplotlib",
    "pydantic",
    "simpy",
    "duckdb",
    "rich",
    "dask",
    "distributed",
    "jinja2",
}
SCRIPT = Path(sys.executable).with_name("lupus-hsct")


def rows(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    """Run a command with --json and return its rows."""
    assert run([*arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    answer = json.loads(out)
    assert answer["command"] == " ".join(arguments[:2])
    found: list[dict[str, Any]] = answer["rows"]
    return found


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    found = {row["name"]: row for row in rows(capsys, "scenario", "list")}
    assert {"chicago2006", "chicago2006_reading_b"} <= set(found)
    assert list(found["chicago2006"]) == ["name", "title", "purpose"]


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys, "scenario", "show", "chicago2006", "--set", "clinic.isolation_rooms=4")
    assert list(found[0]) == ["key", "value", "unit", "source", "status", "inherited_from"]
    values = {row["key"]: row["value"] for row in found}
    assert values["clinic.isolation_rooms"] == 4
    assert values["recovery.duration_days"] == {"dist": "lognormal", "mean": 28.0, "sd": 14.0}
    assert {row["status"] for row in found} == {"evidence", "solved", "assumption"}


def test_show_references(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys, "scenario", "show", "chicago2006", "--references")
    assert list(found[0])[-1] == "reference"
    assert "doi:10.1001/jama.295.5.527" in found[0]["reference"]


def test_show_cuts_nothing_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scenario", "show", "chicago2006"]) == 0
    out, _ = capsys.readouterr()
    assert "…" not in out
    scale = load("chicago2006").scenario.relapse.scale_years
    assert repr(scale) in out
    line = next(line for line in out.splitlines() if line.startswith("relapse.scale_years"))
    assert "disease_free_survival@5, mean_follow_up  solved" in line


def test_show_on_a_terminal_wraps_and_cuts_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    assert run(["scenario", "show", "chicago2006"]) == 0
    out, _ = capsys.readouterr()
    assert "…" not in out
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out)
    assert max(map(len, plain.splitlines()[2:])) <= 100
    assert set(load("chicago2006").origins) <= set(plain.split())  # no key is broken


def test_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scenario", "check", "chicago2006_reading_b"]) == 0
    assert capsys.readouterr() == ("chicago2006_reading_b (based on chicago2006): valid\n", "")


def test_check_warns_of_values_without_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('base = "chicago2006"\n[cohort]\npatients = 20')
    assert run(["scenario", "check", str(file)]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert err.startswith("Warning: cohort.patients has no source")
    [row] = rows(capsys, "scenario", "check", str(file))
    assert row["valid"] is True
    assert len(row["warnings"]) == 1


def test_new_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["scenario", "new", "mine"]) == 0
    assert "mine.toml" in capsys.readouterr().out
    assert load("mine.toml").scenario_hash == load("chicago2006").scenario_hash
    assert load("mine.toml").scenario.title == "mine"
    assert run(["scenario", "check", "mine.toml"]) == 0
    assert capsys.readouterr().err == ""


def test_new_file_is_valid_with_its_marks_taken_away(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    assert run(["scenario", "new", str(file), "--base", "chicago2006_reading_b"]) == 0
    head, mark, body = file.read_text().partition("# [clinic]")
    prose = "# Where the values"
    lines = [
        line if line.startswith(prose) else line.removeprefix("# ") for line in (mark + body).splitlines()
    ]
    file.write_text(head + "\n".join(lines))
    loaded = load(str(file))
    assert loaded.scenario.clinic.isolation_rooms == 4
    assert loaded.chain == ("mine", "chicago2006_reading_b", "chicago2006")


def test_new_with_a_base_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("inner").mkdir()
    assert run(["scenario", "new", "first"]) == 0
    assert run(["scenario", "new", "inner/second.toml", "--base", "first.toml"]) == 0
    assert load("inner/second.toml").chain == ("second", "first", "chicago2006")


def test_new_refuses_to_write_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("precious")
    assert run(["scenario", "new", str(file)]) == 2
    assert "exists" in capsys.readouterr().err
    assert file.read_text() == "precious"
    assert run(["scenario", "new", str(file), "--force"]) == 0
    assert "base" in file.read_text()


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["gone/mine.toml"], "there is no folder gone"),
        (["inner.toml"], "is a folder"),
        (["inner.toml/"], "no file name"),
        (["mine", "--base", "chicgo2006"], "did you mean chicago2006"),
        (["mine", "--base", "gone.toml"], "there is no such file"),
        ([""], "is no file name"),
        ([".toml"], "is no file name"),
    ],
)
def test_new_refuses(
    arguments: list[str],
    fragment: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("inner.toml").mkdir()
    assert run(["scenario", "new", *arguments]) == 2
    assert fragment in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["inner.toml"]


def test_title_in_a_new_file_is_quoted(tmp_path: Path) -> None:
    file = tmp_path / 'a "quoted" \\ name.toml'
    assert run(["scenario", "new", str(file)]) == 0
    assert load(str(file)).scenario.title == 'a "quoted" \\ name'


def test_schema(capsys: pytest.CaptureFixture[str]) -> None:
    found = {row["key"]: row for row in rows(capsys, "scenario", "schema")}
    names = ["key", "type", "allowed", "unit", "default", "source", "meaning", "plausible"]
    assert list(found["cohort.female"]) == names
    assert found["clinic.isolation_rooms"]["allowed"].startswith(
        '"unlimited" or a whole number from 1 to 10000 or '
    )
    assert 'arrivals.pattern = "poisson"' in found["arrivals.per_year"]["allowed"]
    assert run(["scenario", "schema"]) == 0
    assert "…" not in capsys.readouterr().out


def test_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scenario", "schema", "--json-schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert "base" in schema["properties"]
    assert "required" not in schema
    duration = schema["$defs"]["Recovery"]["properties"]["duration_days"]
    assert {"type": "number"} in duration["anyOf"]


@pytest.mark.parametrize(
    "arguments", [["scenario", "show"], ["scenario", "shw"], ["--nonsense"], ["scenario", "list", "x"]]
)
def test_usage_errors_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: ")
    assert "--help" in err
    assert err.count("\n") == 1


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("lupus-hsct, version 0.")


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (RequestError("a.toml: wrong"), 2, "Error: a.toml: wrong\n"),
        (OSError(28, "No space left on device", "x.csv"), 1, "Error: No space left on device: x.csv\n"),
        (PermissionError(13, "Permission denied"), 1, "Error: Permission denied\n"),
        (KeyboardInterrupt(), 130, "\nInterrupted\n"),
    ],
)
def test_exit_codes(
    error: BaseException,
    status: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @click.command("fail")
    def fail() -> None:
        raise error

    monkeypatch.setitem(cli.commands, "fail", fail)
    assert run(["fail"]) == status
    assert capsys.readouterr() == ("", message)


@pytest.mark.parametrize("arguments", [["--help"], ["scenario", "--help"], ["scenario", "show", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom sim.cli import run\n"
        f"assert run({arguments!r}) == 0\n"
        "print('MODULES', *{name.partition('.')[0] for name in sys.modules})"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    modules = set(found.stdout.rpartition("MODULES")[2].split())
    assert modules
    assert modules & HEAVY == set()


def test_import_sim_is_lazy() -> None:
    code = "import sys, sim; print(*{name.partition('.')[0] for name in sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert set(found.stdout.split()) & HEAVY == set()


def test_reader_that_goes_away_is_no_error() -> None:
    with subprocess.Popen(
        [SCRIPT, "scenario", "schema", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, err = process.communicate()
    assert err == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["scenario", "list"], ["scenario", "schema", "--json"], ["--help"]])
def test_full_disk_is_one_line(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        found = subprocess.run(
            [SCRIPT, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert found.returncode == 1
    assert found.stderr == "Error: No space left on device\n"


def test_terminal_that_knows_ascii_only(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('base = "./a.toml"')
    found = subprocess.run(
        [SCRIPT, "scenario", "check", "./a.toml"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 2
    assert "circle" in found.stderr
    assert "Traceback" not in found.stderr
