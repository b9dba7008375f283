"""Finished studies and what was left behind: what the list says of them, and what may be removed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from drivers import interrupt_after, no_figures, seal, small_chunks

from sim.cli import run as command_line
from sim.work.files import lock
from sim.work.results import Results

RUN = ("run", "chicago2006", "--set", "cohort.patients=10", "--engine", "simpy", "--workers", "1")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small_chunks(monkeypatch)
    no_figures(monkeypatch)


def listed(capsys: pytest.CaptureFixture[str], *asked: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert command_line(["runs", *asked, "--json"]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["rows"]
    return rows


def test_the_list_says_what_is_there_and_what_it_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = ("sweep", "chicago2006", "--vary", "relapse.shape=0.5,1", "--replications", "20")
    assert command_line([*RUN, "--replications", "30"]) == 0
    assert command_line([*sweep, "--workers", "1"]) == 0
    with monkeypatch.context() as patch:
        interrupt_after(2, patch)
        assert command_line([*RUN, "--replications", "600"]) == 130
    (Path("results") / ".chicago2006.partial-empty").mkdir()
    (Path("results") / ".chicago2006.partial-busy").mkdir()
    (Path("results") / "mine").mkdir()
    (Path("results") / "mine" / "manifest.json").write_text("{}", "utf-8")
    held = lock(Path("results") / ".chicago2006.partial-busy", new=True)
    assert held is not None
    with held:
        rows = listed(capsys, "list")
    by_state = {row["state"]: row for row in rows}
    assert sorted(row["state"] for row in rows) == ["at work", "broken", "finished", "finished", "unfinished"]
    assert (by_state["unfinished"]["found"], by_state["broken"]["found"]) == (
        "2 chunks are kept",
        "nothing is kept",
    )
    (run,) = (row for row in rows if row["folder"] == "results/chicago2006-10-patients-1")
    assert "Survival of all enrolled" in run["found"]
    (sweep,) = (row for row in rows if row["study"] == "study" and row["state"] == "finished")
    assert sweep["found"].startswith("Overall survival, all enrolled, 5 y: ")
    assert (
        run["finished"]
        == json.loads(Path("results/chicago2006-10-patients-1/timings.json").read_text())["finished"]
    )
    assert [row["changed"] for row in listed(capsys, "find", "RELAPSE.shape")] == ["relapse.shape"]
    assert listed(capsys, "find", "no such thing") == []
    endpoints = Path("results/chicago2006-10-patients-1/endpoints.csv")
    endpoints.write_text(endpoints.read_text("utf-8").replace("0.", "0.9"), "utf-8")
    (altered,) = listed(capsys, "find", "endpoints.csv is missing, or not as the study wrote it")
    assert altered["state"] == "unreadable"
    manifest = Path("results/chicago2006-10-patients-1/manifest.json")
    told = json.loads(manifest.read_text("utf-8"))
    manifest.write_text(json.dumps({**told, "resolved": 3}), "utf-8")
    seal(manifest.parent)
    assert len(listed(capsys, "find", "unreadable")) == 1


def test_only_what_runs_wrote_is_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.svg").write_text("precious", "utf-8")
    assert command_line([*RUN, "--replications", "5", "--out", "whole"]) == 0
    shutil.copytree("whole", "shared")
    timings = Path("shared/timings.json")
    told = json.loads(timings.read_text("utf-8"))
    assert "endpoints.csv" in told["files"]
    told["files"] += ["../outside/precious.svg", "figures/precious.svg", str(outside / "precious.svg")]
    timings.write_text(json.dumps(told), "utf-8")
    Path("shared/notes.md").write_text("mine", "utf-8")
    shutil.rmtree("shared/figures")
    Path("shared/figures").symlink_to(outside)
    assert command_line(["runs", "remove", "whole", "shared"]) == 0
    said = capsys.readouterr().out
    assert "Removed whole\n" in said
    assert "Removed shared but for what no run wrote: figures, notes.md\n" in said
    assert sorted(path.name for path in Path().iterdir()) == ["outside", "shared"]
    assert sorted(path.name for path in Path("shared").iterdir()) == ["figures", "notes.md"]
    assert (outside / "precious.svg").read_text("utf-8") == "precious"
    for folder in ("shared", "outside", "nowhere"):
        assert command_line(["runs", "remove", folder]) == 2
        assert f"{folder} is no folder of a study" in capsys.readouterr().err


def test_what_was_left_behind_is_removed_but_not_from_under_a_study_at_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(1, patch)
        assert command_line([*RUN, "--replications", "600", "--out", "mine"]) == 130
    (work,) = Path().glob(".*partial*")
    held = lock(work, new=False)
    assert held is not None
    with held:
        assert command_line(["runs", "remove", str(work)]) == 2
        assert "is of a study at work" in capsys.readouterr().err
    assert command_line(["runs", "remove", str(work)]) == 0
    assert list(Path().iterdir()) == []
    assert command_line(["runs", "list", "nowhere"]) == 2
    assert "name a folder that studies are in" in capsys.readouterr().err


def test_force_removes_no_file_of_the_user(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sim.commands.report.formats_of", lambda _: ("svg",))

    def draw(results: Results, *_: object) -> None:
        assert results.folder is not None
        (results.folder / "figures" / "drawn.svg").write_text("<svg/>", "utf-8")

    monkeypatch.setattr("sim.show.figure_files.write_figures", draw)
    request = (*RUN, "--replications", "5", "--out", "mine")
    assert command_line([*request]) == 0
    assert command_line(["report", "mine"]) == 0
    assert Path("mine/figures/drawn.svg").exists()
    assert command_line([*request, "--force"]) == 0  # figures of `report` are a run's, too
    own = Path("mine/figures/deep/mine.csv")
    own.parent.mkdir(parents=True)
    own.write_text("mine", "utf-8")
    before = Path("mine/manifest.json").read_bytes()
    capsys.readouterr()
    assert command_line([*request, "--seed", "2", "--force"]) == 2
    assert "mine holds figures/deep/mine.csv, which no run has written" in capsys.readouterr().err
    assert own.read_text("utf-8") == "mine"
    assert Path("mine/manifest.json").read_bytes() == before
