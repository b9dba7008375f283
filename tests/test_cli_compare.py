"""``compare`` as a user types it: what it writes and says, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from drivers import no_figures

import sim
from sim.cli import run as command_line
from sim.scenario.problems import UnpairedWarning
from sim.work.spool import read_csv

SMALL = ("--replications", "20", "--set", "cohort.patients=10")
RISK = "aplasia.infection.ward_relative_risk"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    no_figures(monkeypatch)


@pytest.fixture
def deadly() -> str:
    """A scenario file in which infections in aplasia kill many."""
    lines = ('base = "chicago2006"', 'title = "Deadly"', "target = []", "[aplasia.infection]",
             "ward_relative_risk = 40", "case_fatality = 0.5")  # fmt: skip
    Path("deadly.toml").write_text("\n".join(lines))
    return "deadly.toml"


def call(*arguments: str) -> int:
    return command_line(list(arguments))


def test_compare_writes_a_whole_folder(capsys: pytest.CaptureFixture[str], deadly: str) -> None:
    assert call("compare", "chicago2006", deadly, *SMALL) == 0
    assert "Written to results/chicago2006-compare-1" in capsys.readouterr().out
    folder = Path("results/chicago2006-compare-1")
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "changed_fates.csv",
        "comparison.csv",
        "deaths_averted.csv",
        "figures/differences.svg",
        "figures/swimmer.csv",
        "figures/swimmer.svg",
        "manifest.json",
        "named_patients.csv",
        "report.html",
        "timings.json",
    ]


@pytest.mark.usefixtures("no_figure")
def test_the_table_has_the_columns_of_the_contract(deadly: str) -> None:
    assert call("compare", "chicago2006", deadly, *SMALL, "--out", "mine") == 0
    assert call("run", deadly, *SMALL, "--out", "ran") == 0
    table, ran = pd.read_csv("mine/comparison.csv"), pd.read_csv("ran/endpoints.csv")
    added = ["difference", "difference_lower", "difference_upper", "variance_reduction"]
    assert list(table.columns) == ["scenario", *ran.columns, *added]
    own = table[table["scenario"] == "deadly"].reset_index(drop=True)
    pd.testing.assert_series_equal(own["estimate"], ran["estimate"], check_exact=True)
    assert table.loc[table["scenario"] == "chicago2006", added].isna().all(axis=None)


@pytest.mark.usefixtures("no_figure")
def test_the_names_on_the_terminal_are_those_of_the_file(
    capsys: pytest.CaptureFixture[str], deadly: str
) -> None:
    assert call("compare", "chicago2006", deadly, *SMALL, "--trial", "3", "--out", "mine") == 0
    printed = capsys.readouterr().out
    named = pd.read_csv("mine/named_patients.csv")
    assert set(named["trial"]) == {3}
    dies = named[named["change"] == "dies"]
    assert len(dies) >= 2
    *first, last = dies["patient"].astype(str)
    assert f"In trial 3, patients {', '.join(first)} and {last} die with deadly (of infection)" in printed
    assert "and live with chicago2006." in printed
    for row in dies.itertuples():
        assert f"dies of infection, day {row.death_days:.0f}" in printed


@pytest.mark.usefixtures("no_figure")
def test_one_trial_named_is_the_same_however_many_are_run(deadly: str) -> None:
    arguments = ("compare", "chicago2006", deadly, "--trial", "5", "--set", "cohort.patients=10")
    for replications in ("5", "9"):
        assert call(*arguments, "--replications", replications, "--out", replications) == 0
    texts = [Path(folder, "named_patients.csv").read_text() for folder in "59"]
    assert texts[0] == texts[1]


def test_a_scenario_compared_with_itself_differs_for_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("compare", "chicago2006", "chicago2006", *SMALL, "--out", "mine") == 0
    printed = capsys.readouterr().out
    assert "as many die with chicago2006 (2) as with chicago2006." in printed
    assert "the same patients die of the same causes on the same days" in printed
    assert pd.read_csv("mine/named_patients.csv").empty
    table = pd.read_csv("mine/comparison.csv")
    assert set(table["difference"].dropna()) == {0.0}
    assert not Path("mine/figures/swimmer.svg").exists()


@pytest.mark.usefixtures("no_figure")
def test_isolation_is_shown_over_its_range_with_its_caution(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("compare", "chicago2006", "no_isolation", *SMALL, "--out", "mine") == 0
    printed = capsys.readouterr()
    assert "CautionWarning" in printed.err
    values = pd.read_csv("mine/range.csv")
    assert set(values["key"]) == {RISK}
    assert values["value"].unique().tolist() == [0.72, 1.0, 1.67, 2.0]
    for value in ("0.72", "1 ", "1.67", "2 "):
        assert any(line.startswith(value) for line in printed.out.splitlines())
    averted = pd.read_csv("mine/deaths_averted.csv")
    assert averted["value"].tolist()[1:] == [0.72, 1.0, 1.67, 2.0]


@pytest.mark.usefixtures("no_figure")
def test_no_transplant_is_a_band_over_both_hazards(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("compare", "chicago2006", "no_transplant", *SMALL, "--out", "mine") == 0
    printed = capsys.readouterr()
    averted = pd.read_csv("mine/deaths_averted.csv")
    band = averted.loc[averted["key"].notna(), "averted_per_100"]
    assert len(band) == 2
    assert band.iloc[1] < band.iloc[0] < 0
    assert "depending on active_disease.hazard_per_year (0.107 to 0.152)" in printed.out
    assert "one death" in printed.err


@pytest.mark.usefixtures("no_figure")
def test_an_open_clinic_is_not_paired_with_a_trial(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("compare", "chicago2006", "open_clinic", "--replications", "3", "--out", "mine")
    assert call(*arguments) == 0
    printed = capsys.readouterr()
    assert f"Warning ({UnpairedWarning.__name__}): open_clinic and chicago2006" in printed.err
    assert "arrivals.pattern is trial in the reference and poisson in the other" in printed.err
    assert "In trial" not in printed.out
    assert not Path("mine/named_patients.csv").exists()
    manifest = json.loads(Path("mine/manifest.json").read_text())
    assert manifest["scenarios"][1]["unpaired_because"]


def test_several_scenarios_have_a_figure_each(deadly: str) -> None:
    assert call("compare", "chicago2006", deadly, "chicago2006_reading_b", *SMALL, "--out", "mine") == 0
    names = {path.name for path in Path("mine/figures").glob("differences*.svg")}
    assert names == {"differences_deadly.svg", "differences_chicago2006_reading_b.svg"}
    manifest = json.loads(Path("mine/manifest.json").read_text())
    assert [each["scenario"] for each in manifest["scenarios"]] == [
        "chicago2006",
        "deadly",
        "chicago2006_reading_b",
    ]


@pytest.mark.usefixtures("no_figure")
def test_json_has_the_rows_of_the_table(capsys: pytest.CaptureFixture[str], deadly: str) -> None:
    assert call("compare", "chicago2006", deadly, *SMALL, "--json", "--out", "mine") == 0
    printed = json.loads(capsys.readouterr().out)
    table = read_csv(Path("mine/comparison.csv"))
    assert printed["command"] == "compare"
    assert list(printed["rows"][0]) == list(table.columns)
    differences = pd.Series([row["difference"] for row in printed["rows"]], dtype=float)
    pd.testing.assert_series_equal(differences, table["difference"], check_names=False, check_exact=True)


@pytest.mark.usefixtures("no_figure")
def test_the_same_request_gives_the_same_files(deadly: str) -> None:
    for out in ("a", "b"):
        assert call("compare", "chicago2006", deadly, *SMALL, "--out", out) == 0
    for path in Path("a").rglob("*"):
        if path.is_file() and path.name != "timings.json":
            assert path.read_bytes() == Path("b", path.relative_to("a")).read_bytes(), path


def test_compare_from_python(deadly: str) -> None:
    small = sim.load_scenario("chicago2006", ["cohort.patients=10"])
    with pytest.warns(UserWarning, match="replications are too few"):
        found = sim.compare(
            small, sim.load_scenario(deadly, ["cohort.patients=10"]), replications=20, out="mine"
        )
    assert found.folder == Path("mine")
    assert list(found.scenarios) == ["chicago2006", "deadly"]
    assert found.deaths_averted["averted_per_100"].iloc[0] < 0
    assert len(found.named_patients) > 0


def test_a_finished_comparison_is_read_back_and_told_alike(
    capsys: pytest.CaptureFixture[str], deadly: str
) -> None:
    told = []
    for more in ((), ("--resume",), ("--resume", "--json")):
        assert call("compare", "chicago2006", deadly, *SMALL, "--out", "mine", *more) == 0
        told.append(capsys.readouterr())
    assert told[0].out == told[1].out
    assert json.loads(told[2].out)["rows"][0]["scenario"] == "chicago2006"
    assert call("compare", "chicago2006", deadly, *SMALL, "--seed", "2", "--out", "mine", "--resume") == 2
    assert "seed is 2 here and 1 there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), ["SCENARIO", "--help"]),
        (("chicago2006",), ["one scenario given"]),
        (("chicago2006", "no_isolaton"), ["no_isolaton", "no_isolation"]),
        (("chicago2006", "no_isolation", "--trial", "0"), ["--trial", "0", "whole number from 1"]),
        (
            ("chicago2006", "no_isolation", "--trial", "21", "--replications", "20"),
            ["--trial", "21", "20 replications"],
        ),
        (("chicago2006", "no_isolation", "--set", "cohort.female=2"), ["cohort.female", "2", "0 to 1"]),
    ],
)
def test_a_wrong_request_is_one_message_and_leaves_nothing(
    arguments: tuple[str, ...], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("compare", *arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("Error: ")
    for words in said:
        assert words in printed.err
    assert list(Path().iterdir()) == []


def test_a_point_inside_a_range_is_never_shown_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("compare", "chicago2006", "no_transplant", *SMALL, "--out", "band") == 0
    said = " ".join(capsys.readouterr().out.split())
    at = "active_disease.hazard_per_year = 0.152 in no_transplant"
    assert f"All here holds with {at}: read it over the range, below." in said
    assert f"With {at}, by 5 years no_transplant costs" in said
    assert f"All else: with {at}." in Path("band/figures/differences.svg").read_text()
