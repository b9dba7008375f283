"""The library as somebody uses it who has read its page: what goes in, what comes out, and what is said."""

from __future__ import annotations

import copy
import inspect
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sim
from sim.scenario.problems import FewReplicationsWarning

FATAL = "aplasia.infection.case_fatality"
SMALL = {"cohort.patients": 10}

pytestmark = pytest.mark.filterwarnings("ignore::sim.scenario.problems.TypedWarning")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_changed_scenario_is_the_same_however_it_is_changed() -> None:
    changed = sim.with_values("chicago2006", {FATAL: 0.3})
    by_option = sim.load_scenario("chicago2006", [f"{FATAL}=0.3"])
    by_keyword = sim.run("chicago2006", set={FATAL: np.float64(0.3)}, replications=5)
    by_text = sim.load_scenario("chicago2006", f"{FATAL}=0.3")
    for each in (changed, by_option, by_text):
        assert sim.run(each, replications=5).manifest == by_keyword.manifest
    row = next(row for row in by_keyword.manifest["parameters"] if row["key"] == FATAL)
    assert (row["value"], row["source"], row["status"]) == (0.3, "--set", "assumption")
    assert row["inherited_from"].startswith("overrides chicago2006: 0.055")
    assert changed.name == "chicago2006"
    assert changed.scenario_hash != sim.load_scenario("chicago2006").scenario_hash


def test_changes_go_over_changes() -> None:
    once = sim.with_values("chicago2006", {FATAL: 0.3, "cohort.patients": 10})
    twice = sim.with_values(once, {FATAL: 0.1})
    assert twice.scenario_hash == sim.with_values("chicago2006", {**SMALL, FATAL: 0.1}).scenario_hash
    assert sim.get_value(once.scenario, FATAL) == 0.3


def test_the_twin_takes_what_a_study_takes() -> None:
    key = ("overall_survival", 5.0)
    loaded = sim.load_scenario("chicago2006")
    for each in ("chicago2006", loaded, loaded.scenario):
        assert sim.expected(each)[key] == pytest.approx(0.84, abs=1e-8)
    assert sim.expected(sim.with_values(loaded, {FATAL: 0.3}))[key] < 0.83


def test_in_memory_nothing_is_written_and_the_tables_are_those_of_a_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    aside = tmp_path_factory.mktemp("aside")
    monkeypatch.setattr(tempfile, "tempdir", str(aside))
    run = sim.run("chicago2006", set=SMALL, replications=5, events=True)
    assert run.folder is None
    assert [*Path().iterdir(), *aside.iterdir()] == []
    written = sim.run("chicago2006", set=SMALL, replications=5, events=True, out="mine", figures="none")
    assert not list(Path("mine").rglob("*.svg"))
    again = sim.read("mine")
    assert set(run.tables) == set(again.tables)
    for name in ("endpoints", "curves", "replications", "patients", "events"):
        for other in (written, again):
            assert run.tables[name].equals(other.tables[name]), name
    assert again.manifest == written.manifest == run.manifest
    assert again.scenario == sim.with_values("chicago2006", SMALL).scenario


def test_every_kind_is_read_back_and_reported() -> None:
    studies = {
        "run": lambda out: sim.run("no_transplant", set=SMALL, replications=3, out=out, figures="svg"),
        "sweep": lambda out: sim.sweep("chicago2006", {FATAL: [0, 0.1]}, replications=3, out=out),
        "compare": lambda out: sim.compare("chicago2006", "open_clinic", replications=3, out=out),
        "validate": lambda out: sim.validate("leng2017", replications=20, out=out),
        "calibrate": lambda out: sim.calibrate("ebmt2004", point=True, out=out),
    }
    for kind, study in studies.items():
        done, again, told = study(kind), sim.read(kind), {"sweep": "study"}.get(kind, kind)
        assert (again.kind, again.folder) == (done.kind, done.folder) == (told, Path(kind))
        assert sim.report(kind)["report"] == f"{kind}/report.html"  # the page is there, and the same
        assert told in repr(again)
        assert len(repr(again)) < 1000
        assert "<table" in again._repr_html_() or kind == "calibrate"
        assert copy.deepcopy(again).manifest == again.manifest
    assert callable(sim.calibrate)  # though a folder of the package has the name


def test_values_are_varied_as_lists_or_as_text() -> None:
    lists = sim.sweep("chicago2006", {"cohort.patients": np.array([5, 10])}, replications=3).points
    texts = sim.sweep("chicago2006", {"cohort.patients": "5:10:2"}, replications=3).points
    assert lists.equals(texts)
    assert lists["cohort.patients"].unique().tolist() == [50, 5, 10]  # the scenario itself first


@pytest.mark.parametrize(
    "other", [{"vary": {FATAL: [0, 0.2]}}, {"endpoint": "disease_free_survival@5"}], ids=["values", "shown"]
)
def test_a_sweep_of_something_else_is_not_read_back(other: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"vary": {FATAL: [0, 0.1]}, "set": SMALL, "replications": 2, "figures": "none"}
    swept = sim.sweep("chicago2006", **asked, out="mine")
    assert sim.sweep("chicago2006", **asked, out="mine", resume=True).points.equals(swept.points)
    with pytest.raises(sim.RequestError, match="holds a finished study of another request"):
        sim.sweep("chicago2006", **{**asked, **other}, out="mine", resume=True)


def test_messages_speak_of_keywords() -> None:
    Path("there").mkdir()
    wrong = {
        "`out`: there exists": lambda: sim.run("chicago2006", out="there"),
        "leave `out` away to keep everything in memory": lambda: sim.run("chicago2006", out="there"),
        "with `force=True`": lambda: sim.run("chicago2006", out="there"),
        "`resume=True`: it is about a folder": lambda: sim.run("chicago2006", resume=True),
        "`at_most`: it caps `precision`": lambda: sim.run("chicago2006", at_most=3),
        "`vary`: nothing to vary": lambda: sim.sweep("chicago2006", {}),
        "`figures`: 'gif' given; allowed: svg, png, pdf": lambda: sim.run("chicago2006", figures="gif"),
        "`patients`: -1 given": lambda: sim.run("chicago2006", patients=-1),
        "`replications`: '10' given; allowed": lambda: sim.run("chicago2006", replications="10"),
        "`replications`: 2.5 given; allowed": lambda: sim.sweep(
            "chicago2006", {FATAL: [0]}, replications=2.5
        ),
        "`seed`: 'a' given; allowed": lambda: sim.run("chicago2006", seed="a"),
        "`workers`: 0 given; allowed": lambda: sim.compare("chicago2006", "ebmt2004", workers=0),
        "`engine`: 'fast' given; allowed: auto, simpy, arrays": lambda: sim.run("chicago2006", engine="fast"),
        "`folder`: 3 given; allowed: the folder of a study": lambda: sim.report(3),
        "`out`: 5 given; allowed: a folder, NUMBERED, or None": lambda: sim.run("chicago2006", out=5),
        "`title`: 5 given; allowed": lambda: sim.run("chicago2006", title=5),
        "`progress`: True given; allowed: a function": lambda: sim.run("chicago2006", progress=True),
        "`vary`: 5 given; allowed": lambda: sim.sweep("chicago2006", 5),
        "`set`: 5 given; allowed": lambda: sim.run("chicago2006", set=5),
        "`endpoint`: 5 given; allowed": lambda: sim.sweep("chicago2006", {FATAL: [0]}, endpoint=5),
        "a Scenario was given": lambda: sim.run(sim.load_scenario("chicago2006").scenario),
    }
    for text, ask in wrong.items():
        with pytest.raises(sim.RequestError) as refused:
            ask()
        assert text in str(refused.value)
        assert "--" not in str(refused.value)
    with pytest.warns(FewReplicationsWarning, match="`replications=2000` is the default") as said:
        sim.run("chicago2006", set=SMALL, replications=2)
    assert said[0].filename == __file__


def test_what_is_not_there_is_named() -> None:
    run = sim.run("chicago2006", set=SMALL, replications=2, patients=0)
    with pytest.raises(AttributeError, match="this run has no table points; it has endpoints, curves"):
        _ = run.points
    assert run.table("patients") is None
    with pytest.raises(TypeError, match="replication"):
        sim.run("chicago2006", replication=2)


def test_a_signature_names_every_keyword() -> None:
    named = inspect.signature(sim.run).parameters
    assert {"set", "replications", "seed", "posterior", "engine", "out", "figures", "progress"} <= set(named)
    assert (named["seed"].default, named["out"].default, named["workers"].default) == (1, None, 1)
    for name in sim.__all__:
        assert getattr(sim, name) is not None


def test_progress_covers_the_figures() -> None:
    told: dict[str, list[tuple[int, int]]] = {}

    def progress(part: str, done: int, total: int) -> None:
        told.setdefault(part, []).append((done, total))

    sim.run("no_transplant", set=SMALL, replications=2, out="mine", figures="svg", progress=progress)
    assert list(told) == ["no_transplant", "tables", "figures", "page"]
    for part in told.values():
        assert all(done <= total for done, total in part)
        assert part[-1][0] == part[-1][1]
    assert all(told[name][0][0] == 0 < told[name][0][1] for name in ("tables", "figures", "page"))


def test_a_script_without_a_guard_is_told_so_once() -> None:
    Path("script.py").write_text(
        "import sim\n"
        "sim.run('chicago2006', replications=600, engine='simpy', set={'cohort.patients': 100}, workers=2)\n",
        "utf-8",
    )
    environment = {"PYTHONPATH": str(Path(sim.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "script.py"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert done.stderr.count('if __name__ == "__main__":') == 1
    assert "`workers=1`" in done.stderr
    assert "memory" not in done.stderr
