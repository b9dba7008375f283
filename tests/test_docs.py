"""What the documents say is true: every command and snippet runs, and the reference is the code's own."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from drivers import SMALL_CALIBRATION, no_figures
from test_imports import LAYERS

import sim
from sim.cli import run as command_line
from sim.commands import learn
from sim.outcomes.one_trial import Patients, report_trial
from sim.scenario.cohort import Observed, load_cohorts
from sim.scenario.load import load
from sim.scenario.shipped import shipped_names
from sim.scenario.study_file import load_study, plain_tree
from sim.show import learned
from sim.study.budget import Budget
from sim.study.validate import validate

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    no_figures(monkeypatch)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_every_command_of_the_readme_runs_in_its_order(
    small_calibration: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "".join(blocks("console")).splitlines()
    commands = [shlex.split(line.removeprefix("$ ")) for line in lines]
    assert len(commands) >= 10
    monkeypatch.setattr(learn, "DEFAULT_DRAW_REPLICATIONS", 4)
    for program, *arguments in commands:
        assert program == "lupus-hsct"
        if arguments == ["calibrate", "chicago2006"]:  # that is how the small one was made
            assert smaller(arguments) == [*SMALL_CALIBRATION]
            assert (small_calibration / "posterior.csv").is_file()
            continue
        assert command_line([*arguments, *smaller(arguments)]) == 0, capsys.readouterr().err


def smaller(arguments: list[str]) -> list[str]:
    """Return options that make a documented command quick; of an option given twice the last one counts."""
    if arguments[0] == "calibrate":
        few = [*SMALL_CALIBRATION]
        for option, value in (("--simulation", "20000"), ("--coverage", "20")):
            few += [option, value] if option in arguments else []
        return few
    if arguments[:2] == ["study", "run"]:
        return ["--set", "effort.draws=2", "--set", "effort.replications=5"]
    if arguments[0] not in ("run", "sweep", "compare", "validate"):
        return []
    few = ["--replications", "5", *([] if "--workers" in arguments else ["--workers", "1"])]
    few += ["--at-most", "10"] if "--precision" in arguments else []
    return [*few, "--draws", "3"] if "--posterior" in arguments else few


def test_the_commands_about_calibration_run(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "calibration.md").read_text("utf-8")
    lines = "".join(re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL)).splitlines()
    commands = [shlex.split(line.removeprefix("$ lupus-hsct ")) for line in lines]
    assert len(commands) == 5
    for arguments in commands[1:]:  # the first is the README's
        assert command_line([*arguments, *smaller(arguments)]) == 0, capsys.readouterr().err
    written = {path.name for path in Path("results/chicago2006-calibration-1").iterdir()}
    table = text.split("## What it leaves in its folder")[1]
    for names in re.findall(r"^\| (`.*?) \|", table, flags=re.MULTILINE):
        for name in re.findall(r"`([^`]+)`", names):
            absent = name in ("alternatives.csv", "moved.csv")  # left out to be quick
            assert absent != (name.rstrip("/") in written), name


@pytest.mark.filterwarnings("ignore::sim.scenario.problems.FigureWarning")
def test_the_commands_about_own_patients_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learn, "DEFAULT_DRAW_REPLICATIONS", 4)
    text = (ROOT / "docs" / "own-patients.md").read_text("utf-8")
    Path("curve.csv").write_text("time_months,survival\n0,1\n12,0.9\n24,0.8\n36,0.75\n", "utf-8")
    Path("at_risk.csv").write_text("time_months,at_risk\n0,40\n12,33\n24,25\n36,12\n", "utf-8")
    lines = "".join(re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL)).splitlines()
    assert len(lines) >= 7
    for line in lines:
        arguments = shlex.split(line.removeprefix("$ lupus-hsct "))
        few = [] if arguments[0] == "calibrate" else smaller(arguments)
        assert command_line([*arguments, *few]) == 0, capsys.readouterr().err
    answer = re.search(r"survival of all enrolled at 5 years (.*?), (.*?) before\.", text)
    assert answer is not None
    told = learned.found_sentences(sim.read("results/ours"))[0]
    means = re.findall(r"([\d.]+)% \(", told)
    # 4 replications a draw of 50 patients: a mean is known to about a point.
    for shown, found in zip(answer.groups(), means, strict=True):
        assert abs(float(shown.split("%")[0]) - float(found)) < 3


def test_the_commands_and_the_file_about_studies_run(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "studies.md").read_text("utf-8")
    lines = "".join(re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL)).splitlines()
    for line in lines:
        arguments = shlex.split(line.removeprefix("$ lupus-hsct "))
        assert command_line([*arguments, *smaller(arguments)]) == 0, capsys.readouterr().err
    (example,) = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    Path("example.toml").write_text(example, "utf-8")
    assert command_line(["study", "check", "./example.toml"]) == 0
    shipped = re.findall(r"^\| `(\w+)` \|", text.split("## What ships")[1], flags=re.MULTILINE)
    assert sorted(shipped) == sorted(shipped_names("study"))
    files = {path.name for path in Path("results/mine").iterdir()}
    assert {"study.toml", "points.csv", "wide.csv", "draws.csv", "draw_results.parquet"} <= files


@pytest.mark.parametrize("name", shipped_names("study"))
@pytest.mark.filterwarnings("ignore")
def test_every_shipped_study_has_an_answer(name: str) -> None:
    few: dict[str, Any] = {"effort.posterior": ""}
    answers = plain_tree(load_study(name).study).get("answer", [])
    if name == "rooms":  # fewer rooms, for one rate of arrivals, and what solves no point again
        smaller_one = {"low": 5, "high": 6, "over": {"arrivals.per_year": [80]}}
        few = {"effort.replications": 2, "effort.engine": "simpy", "answer": [{**answers[0], **smaller_one}]}
    elif name == "what_matters":
        few["answer"] = [{**answers[0], "versions": ["held"]}]
    elif name == "what_is_unknown":
        few |= {"effort.draws": 64, "answer": [{**answers[0], "points": 64}]}
    elif name == "worth_isolating":
        few["effort.draws"] = 20
    found = sim.study(name, set=few)
    assert len(found.points) > 50
    named = {
        "threshold": "thresholds", "explain": "explained", "sensitivity": "indices",
        "value_of_information": "value",
    }  # fmt: skip
    for answer in found.manifest["study"].get("answer", ()):
        assert len(found.tables[named.get(answer["kind"], answer["kind"])])


@pytest.mark.filterwarnings("ignore")
def test_the_python_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks("python")
    said = said_by(code, capsys)
    assert "overall_survival" in said
    assert said.splitlines()[-1].startswith(("0.84", "0.8399"))


def said_by(code: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run an example, and return what it prints."""
    Path("example.py").write_text(code, "utf-8")
    capsys.readouterr()
    runpy.run_path("example.py")
    return capsys.readouterr().out


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


RESULTS = (ROOT / "docs" / "results.md").read_text("utf-8")


def examples(language: str) -> dict[str, str]:
    """Return the examples of docs/results.md in a language by their headings."""
    found = {}
    for section in RESULTS.split("\n## ")[1:]:
        for block in re.findall(rf"```{language}\n(.*?)```", section, flags=re.DOTALL):
            found[section.splitlines()[0]] = block
    return found


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run what the examples read, smaller, and return the folder in which they run."""
    folder = tmp_path_factory.mktemp("examples")
    (command,) = re.findall(r"\$ lupus-hsct (.*)", RESULTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        no_figures(patch)
        assert command_line([*shlex.split(command), "--replications", "10"]) == 0
    return folder


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("which", "said"), [("pandas", "of trials,"), ("DuckDB", "lupus"), ("vidigi", "")])
def test_the_examples_for_results_run_and_are_about_ten_lines(
    which: str, said: str, mine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = examples("python")[which]
    assert len([line for line in code.splitlines() if line.strip()]) <= 14
    monkeypatch.chdir(mine)
    assert said in said_by(code, capsys)
    if which == "vidigi":
        check_the_log_for_vidigi(mine)


@pytest.mark.filterwarnings("ignore")
def test_the_examples_for_the_library_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "library.md").read_text("utf-8")
    for code in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL):
        assert said_by(code, capsys)


def check_the_log_for_vidigi(mine: Path) -> None:
    log = pd.read_csv(mine / "results" / "vidigi.csv")
    assert list(log.columns) == ["entity_id", "pathway", "event_type", "event", "time", "resource_id"]
    assert set(log["event_type"]) == {"arrival_departure", "queue", "resource_use", "resource_use_end"}
    ends = log[log["event_type"] == "arrival_departure"]
    assert sorted(ends["event"].unique()) == ["arrival", "depart"]
    assert (ends["entity_id"].value_counts() == 2).all()
    used = log[log["event_type"] == "resource_use"]
    assert used["resource_id"].isin([1, 2, 3]).all()
    assert log[log["event_type"] == "queue"]["resource_id"].isna().all()
    assert log.groupby("entity_id")["time"].is_monotonic_increasing.all()


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="needs R")
def test_r_gets_what_the_report_says(mine: Path) -> None:
    if subprocess.run(["Rscript", "-e", "library(survival)"], capture_output=True, check=False).returncode:
        pytest.skip("needs R with its package survival")
    run = sim.read(mine / "results" / "mine")
    assert run.patients is not None
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["Rscript", "-e", examples("r")["R"]],
        cwd=mine,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": path},
    )
    said = re.findall(r"^ *5 .*", done.stdout, flags=re.MULTILINE)[0].split()
    report = report_trial(
        Patients(run.patients[run.patients["replication"] == 1], load("chicago2006").scenario)
    )
    readings = report.curves[0].readings
    expected = (readings.at_risk[-1], readings.estimate[-1], readings.lower[-1], readings.upper[-1])
    got = [float(said[place]) for place in (1, 3, 5, 6)]
    assert got == pytest.approx(expected, abs=6e-4)


def test_longer_follow_up_narrows_the_posterior_as_the_documents_say(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = (ROOT / "docs" / "calibration.md").read_text("utf-8")
    (scenario,) = re.findall(r"```toml\n(kind.*?)```", text, flags=re.DOTALL)
    Path("followed.toml").write_text(scenario, "utf-8")
    few = ["--effective-size", "60", "--points", "256", "--no-alternatives", "--out", "followed"]
    assert command_line(["calibrate", "followed.toml", *few]) == 0, capsys.readouterr().err
    longer = pd.read_csv("followed/estimates.csv")
    short = pd.read_csv(ROOT / "results/reference/chicago2006/estimates.csv")
    assert (longer["undefined"] == 0).all()
    # Shares of the 48.3 reinfused on average; the spread of their number adds a hundredth of it.
    share = (longer["target"] * (1 - longer["target"]) / 48.3) ** 0.5
    assert ((longer["trial_sd"] - share).abs() < 4 * longer["trial_sd_mc_se"] + 0.01 * share).all()
    gap = short["posterior_sd"] - longer["posterior_sd"]
    error = (short["posterior_sd_mc_se"] ** 2 + longer["posterior_sd_mc_se"] ** 2) ** 0.5
    assert (gap > 3 * error).all()


COHORTS = (ROOT / "docs" / "cohorts.md").read_text("utf-8")


def test_a_user_adds_a_cohort_by_the_file_of_the_documents(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", COHORTS, flags=re.DOTALL)
    Path("my_centre.toml").write_text(text, "utf-8")
    block, what_if = re.findall(r"```console\n(.*?)```", COHORTS, flags=re.DOTALL)
    assert command_line(shlex.split(what_if.removeprefix("$ lupus-hsct "))) == 0, capsys.readouterr().err
    commands = [shlex.split(line.removeprefix("$ lupus-hsct ")) for line in block.splitlines()]
    assert len(commands) == 3
    for arguments in commands:
        assert command_line([*arguments, "--replications", "50"]) == 0, capsys.readouterr().err
    mine = pd.read_csv("results/my-centre/validation.csv")
    assert mine["observed"].tolist() == [0.9, 1 / 31]
    assert mine["role"].tolist() == ["held_out", "held_out"]


def test_the_documents_name_every_cohort_and_what_is_found() -> None:
    for name in shipped_names("cohort"):
        assert f"`{name}`" in COHORTS
    for key in Observed.model_fields:
        assert f"`{key}`" in COHORTS
    found = validate(load_cohorts(()), Budget(2000, 1, 0, engine="arrays")).predicted
    low, high = found.binomial
    claim = f"{found.covered} of the {found.figures} figures that were not fitted are covered"
    assert f"{claim} ({found.expected:.3g} would be, {low} to {high} by the binomial law)" in COHORTS
    assert claim in " ".join(README.split())


def test_the_reference_is_up_to_date() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_reference.py"))["reference"]()
    assert (ROOT / "docs" / "reference.md").read_text("utf-8") == made, "run python docs/make_reference.py"


def test_the_glossary_is_that_of_the_pages_and_explains_every_word_they_use() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_reference.py"))["glossary"]()
    assert (ROOT / "docs" / "glossary.md").read_text("utf-8") == made, "run python docs/make_reference.py"
    assert "docs/glossary.md" in README
    for words in ("exact twin", "reading A", "B08", "transplant-related", "first kind", "second", "third"):
        assert words in made


def test_the_architecture_names_files_that_exist_and_every_folder_in_its_order() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = re.findall(r"`((?:sim|tests|docs)/[\w/.]*)`", page)
    assert [name for name in named if not (ROOT / name).exists()] == []
    rows = re.findall(r"^\| `sim/(\w+)/`", page, flags=re.MULTILINE)
    assert rows == LAYERS
    picture = (ROOT / "docs" / "architecture.svg").read_text("utf-8")
    assert re.findall(r">(\w+)/<", picture) == LAYERS
