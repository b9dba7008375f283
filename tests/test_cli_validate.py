"""``validate`` as a user types it: what it writes and says, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from drivers import no_figures

import sim
from sim.cli import run as command_line
from sim.scenario.shipped import scenarios_folder, shipped_names

SMALL = ("--replications", "200")
MINE = """
kind = "cohort"
base = "chicago2006"
title = "Mine"
source = "me"
[[observed]]
endpoint = "overall_survival"
time_years = 5
value = 0.8
source = "me"
[[observed]]
endpoint = "treatment_related_mortality"
value = 0.04
n = 50
source = "me"
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    no_figures(monkeypatch)


def call(*arguments: str) -> int:
    return command_line(list(arguments))


def test_without_names_every_shipped_cohort_is_validated(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("validate", *SMALL, "--figures", "svg,png,pdf") == 0
    printed = capsys.readouterr()
    assert "Written to results/validation-1" in printed.out
    assert printed.err == ""
    folder = Path("results/validation-1")
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "figures/validation.csv",
        "figures/validation.pdf",
        "figures/validation.png",
        "figures/validation.svg",
        "manifest.json",
        "report.html",
        "timings.json",
        "validation.csv",
    ]
    table = pd.read_csv(folder / "validation.csv")
    assert list(table["cohort"].unique()) == list(shipped_names("cohort"))
    for name in shipped_names("cohort"):
        assert any(line.startswith(name) for line in printed.out.splitlines())
    missed = table[~table["covered"] & (table["role"] != "fitted")]
    assert len(missed) >= 2
    for row in missed.itertuples():
        assert f"\n{row.cohort} misses " in printed.out
        assert f"What differs: {row.differs}." in printed.out
    predicted = table[table["role"] != "fitted"]
    assert f"{predicted['covered'].sum()} of {len(predicted)} figures that were not fitted" in printed.out
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["command"] == "validate"
    assert manifest["tallies"]["predicted"]["covered"] == predicted["covered"].sum()
    assert [each["cohort"] for each in manifest["cohorts"]] == list(shipped_names("cohort"))
    drawn = pd.read_csv(folder / "figures" / "validation.csv")
    pd.testing.assert_frame_equal(drawn, table[drawn.columns])


@pytest.mark.usefixtures("no_figure")
def test_json_has_the_rows_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("validate", "leng2017", "burt2006", *SMALL, "--json", "--out", "mine") == 0
    printed = json.loads(capsys.readouterr().out)
    table = pd.read_csv("mine/validation.csv")
    assert printed["command"] == "validate"
    assert list(printed["rows"][0]) == list(table.columns)
    assert [row["observed"] for row in printed["rows"]] == table["observed"].tolist()
    assert [row["covered"] for row in printed["rows"]] == table["covered"].tolist()
    assert [row["cohort"] for row in printed["rows"]] == ["leng2017"] * 3 + ["burt2006"] * 4


@pytest.mark.usefixtures("no_figure")
def test_a_cohort_by_a_file_and_a_changed_value(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.toml").write_text(MINE)
    figures = {}
    for out, changes in (("a", ()), ("b", ("--set", "after_relapse.multiplier=30"))):
        assert call("validate", "./mine.toml", *SMALL, *changes, "--out", out) == 0
        said = capsys.readouterr().out
        what_if = "A what-if (changed in all: after relapse multiplier 30): it says what other values"
        assert (what_if in " ".join(said.split())) == bool(changes)
        figures[out] = pd.read_csv(f"{out}/validation.csv")
    assert figures["b"]["predicted"][0] < figures["a"]["predicted"][0]
    assert figures["a"]["covered"].tolist() == [True, True]
    assert "MISSED" in said
    assert set(figures["a"]["cohort"]) == {"mine"}


def test_the_same_request_gives_the_same_files_and_resume_reads_them_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ("validate", "leng2017", "berlin2005", *SMALL)
    said = []
    for out in ("a", "b"):
        assert call(*arguments, "--out", out) == 0
        said.append(capsys.readouterr().out.replace(f"Written to {out}", ""))
    assert call(*arguments, "--out", "a", "--resume") == 0
    said.append(capsys.readouterr().out.replace("Written to a", ""))
    assert said[0] == said[1] == said[2]
    for path in Path("a").rglob("*"):
        same = path.name in ("timings.json", "manifest.json")  # which names the folder of the request
        if path.is_file() and not same:
            assert path.read_bytes() == Path("b", path.relative_to("a")).read_bytes(), path
    assert call(*arguments, "--seed", "2", "--out", "a", "--resume") == 2
    assert "seed is 2 here and 1 there" in capsys.readouterr().err
    assert call(*arguments, "--seed", "2", "--out", "a", "--force") == 0


@pytest.mark.usefixtures("no_figure")
def test_from_python() -> None:
    found = sim.validate("leng2017", replications=200, out="mine")
    assert found.folder == Path("mine")
    assert found.manifest["tallies"]["predicted"]["figures"] == 3
    assert found.validation["role"].tolist() == ["held_out"] * 3


def test_the_list_of_scenarios_names_the_cohorts(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("scenario", "list") == 0
    scenarios, _, cohorts = capsys.readouterr().out.partition("Cohorts, for lupus-hsct validate:")
    assert "chicago2006 " in scenarios
    for name in shipped_names("cohort"):
        assert name in cohorts


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("alchi2012",), ["unknown cohort", "alchi2013"]),
        (("ebmt2004",), ["ebmt2004 is a scenario", "lupus-hsct run ebmt2004"]),
        (("alchi2013", "alchi2013"), ["alchi2013", "two cohorts"]),
        (("alchi2013", "--replications", "20000"), ["--replications", "20000", "10,000"]),
        (("alchi2013", "--set", "follow_up.horizon_years=3"), ["time_years = 5", "horizon_years"]),
        (("alchi2013", "--set", "cohort.patients=12"), ["n = 28", "cohort.patients, which is 12"]),
        (("alchi2013", "--workers", "2", "--cluster", "x"), ["--workers and --cluster"]),
        (("nowhere/mine.toml",), ["nowhere/mine.toml", "no such file"]),
    ],
)
def test_a_wrong_request_is_one_message_and_leaves_nothing(
    arguments: tuple[str, ...], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("validate", *arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("Error: ")
    for words in said:
        assert words in printed.err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("command", ["run", "sweep", "compare", "calibrate"])
@pytest.mark.parametrize("named", ["leng2017", str(scenarios_folder() / "cohorts" / "leng2017.toml")])
def test_other_commands_refuse_a_cohort(command: str, named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(command, named) == 2
    error = capsys.readouterr().err
    assert f"lupus-hsct validate {named}" in error
    assert "cohort is" in error.lower() or "is a cohort" in error
    assert list(Path().iterdir()) == []


def test_a_scenario_file_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(scenarios_folder() / "chicago2006.toml")
    assert call("validate", path) == 2
    assert f"A scenario is for lupus-hsct run: lupus-hsct run {path}" in capsys.readouterr().err


def test_words_of_a_file_are_no_formulas_in_its_tables() -> None:
    formula = '=HYPERLINK("http://x")'
    Path("mine.toml").write_text(f"differs = '{formula}'\n{MINE}")
    assert call("validate", "./mine.toml", *SMALL, "--figures", "none", "--out", "mine") == 0
    written = Path("mine/validation.csv").read_text("utf-8")
    assert "\"'=HYPERLINK" in written
    assert ",=" not in written
    assert ',"=' not in written
    assert formula in sim.read(Path("mine")).tables["validation"]["differs"].tolist()
