"""``compare`` as a user types it: what it writes and says, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from drivers import no_figures, seal

import sim
from sim.cli import run as command_line
from sim.scenario.problems import TypedWarning, UnpairedWarning
from sim.show.plots import draw
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
    assert "Written to results/chicago2006-10-patients-compare-1" in capsys.readouterr().out
    folder = Path("results/chicago2006-10-patients-compare-1")
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "changed_fates.csv",
        "comparison.csv",
        "deaths_averted.csv",
        "figures/differences.svg",
        "figures/survival.svg",
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
    assert "as many die with chicago2006 (2) as with chicago2006: 0 (−1.5 to 1.5) deaths averted" in printed
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


@pytest.mark.usefixtures("no_figure")
def test_chicago_against_europe_opens_with_what_can_be_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("compare", "chicago2006", "ebmt2004", "--replications", "20", "--out", "mine") == 0
    printed = capsys.readouterr()
    assert "IncomparableWarning" in printed.err
    assert "a scenario that has it as its base and changes only the treatment" in printed.err
    first, *rest = printed.out.splitlines()
    assert "published as 1 of 50 (2%) for chicago2006 and 7 of 53 (13%) for ebmt2004" in first
    assert "in 6 of 100 pairs (Fisher's exact p 0.061)" in first
    said = "\n".join(rest)
    for words in ("0.1 to 10.6%", "5.5 to 25.3%", "procedure-related mortality, Jayne 2004",
                  "ebmt2004 counts only who lives to enter at immunoablation"):  # fmt: skip
        assert words in said
    averted = pd.read_csv("mine/deaths_averted.csv")
    assert averted[["averted_per_100", "number_needed"]].isna().all(axis=None)
    assert not Path("mine/named_patients.csv").exists()
    page = Path("mine/report.html").read_text()
    assert page.index("What can and what can&#39;t be said") < page.index(
        "ebmt2004 compared with chicago2006</h2>"
    )
    for text in (printed.out, page):
        assert not re.search(r"lives per 100|number needed to (treat|harm) [0-9]|In trial \d|die with", text)


@pytest.mark.usefixtures("no_figure")
def test_several_scenarios_end_in_one_table_and_one_figure(capsys: pytest.CaptureFixture[str]) -> None:
    several = ("no_isolation", "no_transplant", "ebmt2004")
    assert call("compare", "chicago2006", *several, *SMALL, "--out", "mine") == 0
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) < 25
    table = printed[printed.index("3 scenarios compared with chicago2006") :].splitlines()
    first = [line.split()[0] for line in table if line.strip()]
    ranked = [name for name in first if name in ("chicago2006", *several)]
    averted = pd.read_csv("mine/deaths_averted.csv")
    own = averted[averted["key"].isna()].set_index("scenario")["averted_per_100"]
    own = pd.concat([pd.Series({"chicago2006": 0.0}), own]).dropna()
    assert ranked[:4] == [*own.sort_values(ascending=False, kind="stable").index, "ebmt2004"]
    results = sim.read("mine")
    ((_, figure, _),) = draw(results, only="averted")
    dots = [drawn for drawn in figure.axes[1].lines if drawn.get_marker() == "o"]
    drawn = own.drop("chicago2006").sort_values(ascending=False)
    assert [float(dot.get_xdata()[0]) for dot in dots] == pytest.approx((drawn / 100).tolist())
    ((_, figure, _),) = draw(results, only="survival")
    curves = {round(float(line.get_ydata()[-1]), 9) for line in figure.axes[0].lines}
    table = results.comparison
    at_end = (table["endpoint"] == "overall_survival_enrolled") & (table["time_years"] == 5)
    alive = table[at_end].set_index("scenario")["estimate"].round(9)
    assert alive["chicago2006"] in curves
    assert alive["ebmt2004"] not in curves
    over = results.range[results.range["scenario"] == "no_transplant"]
    ends = over[(over["endpoint"] == "overall_survival_enrolled") & (over["time_years"] == 5)]["estimate"]
    assert {*ends.round(9)} <= curves  # the band's edges
    assert "ebmt2004 is no alternative to chicago2006 and not ranked" in " ".join(printed.split())


@pytest.fixture(scope="module")
def runs_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs of the same luck, one of them with a change, and one of another luck."""
    folder = tmp_path_factory.mktemp("runs")
    how = ("--replications", "20", "--patients", "0", "--figures", "none", "--out")
    assert call("run", "no_isolation", "--seed", "3", *how, f"{folder}/one") == 0
    assert call("run", "no_isolation", "--seed", "3", "--set", f"{RISK}=30", *how, f"{folder}/two") == 0
    assert call("run", "chicago2006", "--seed", "4", *how, f"{folder}/other") == 0
    return folder


@pytest.fixture
def two_runs(runs_once: Path) -> tuple[str, str]:
    """The names of the two, in the empty folder."""
    for each in runs_once.iterdir():
        shutil.copytree(each, each.name)
    return "one", "two"


@pytest.mark.usefixtures("no_figure")
def test_finished_runs_are_compared_patient_by_patient(
    capsys: pytest.CaptureFixture[str], two_runs: tuple[str, str]
) -> None:
    capsys.readouterr()
    assert call("compare", *two_runs, "--out", "mine") == 0
    printed = capsys.readouterr()
    assert "the figures of one, two came out the same" in " ".join(printed.out.split())
    assert "OtherFiguresWarning" not in printed.err
    assert (pd.read_csv("mine/named_patients.csv")["change"] == "dies").any()
    table = read_csv(Path("mine/comparison.csv"))
    for name in two_runs:
        own = table.loc[table["scenario"] == name, "estimate"].reset_index(drop=True)
        pd.testing.assert_series_equal(own, read_csv(Path(name, "endpoints.csv"))["estimate"])
    with pytest.warns(TypedWarning):
        again = sim.compare(*map(sim.read, two_runs))
    pd.testing.assert_frame_equal(again.deaths_averted, sim.read("mine").deaths_averted)
    how = ("--replications", "20", "--seed", "3", "--figures", "none", "--out", "scenarios")
    Path("riskier.toml").write_text(
        'base = "no_isolation"\ntitle = "r"\n[aplasia.infection]\nward_relative_risk = 30'
    )
    assert call("compare", "no_isolation", "riskier.toml", *how) == 0
    again = read_csv(Path("scenarios/comparison.csv"))
    assert again["difference"].equals(table["difference"])
    hashes = [each["parameters"] for each in json.loads(Path("mine/manifest.json").read_text())["scenarios"]]
    sources = {row["key"]: row["source"] for row in hashes[1]}
    assert sources[RISK] == "--set"
    assert sources["relapse.scale_years"].startswith("solved from")


@pytest.mark.usefixtures("no_figure")
def test_runs_that_cannot_be_compared_are_refused(
    capsys: pytest.CaptureFixture[str], two_runs: tuple[str, str]
) -> None:
    one, two = two_runs
    assert call("compare", one, two, "--figures", "none", "--out", "mine") == 0
    Path("solved").mkdir()
    told = json.loads(Path(one, "manifest.json").read_text())
    calibration = {name: told[name] for name in ("format", "software")} | {
        "command": "calibrate",
        "hashes": {},
    }
    Path("solved/manifest.json").write_text(json.dumps(calibration))  # without seed or replications
    seal(Path("solved"))
    for arguments, said in (
        ((one, "solved"), ["solved: is of lupus-hsct calibrate"]),
        ((one, "other"), ["seed 3, 20 replications", "seed 4"]),
        ((one, two, "--replications", "30"), ["--replications", "with seed 3 and 20 replications"]),
        ((one, two, "--seed", "4"), ["--seed", "leave it out"]),
        ((one, two, "--set", "cohort.patients=10"), ["--set"]),
        ((one, "mine"), ["mine: is of lupus-hsct compare", "allowed: scenarios, and folders"]),
    ):
        capsys.readouterr()
        assert call("compare", *arguments, "--out", "refused") == 2
        printed = capsys.readouterr().err
        assert printed.startswith("Error: ")
        for words in said:
            assert words in printed
        assert not Path("refused").exists()


@pytest.mark.usefixtures("no_figure")
def test_a_run_that_comes_out_otherwise_is_said_to(
    capsys: pytest.CaptureFixture[str], two_runs: tuple[str, str]
) -> None:
    manifest = Path("two/manifest.json")
    told = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**told, "result_hash": "0" * 64}))
    seal(Path("two"))
    capsys.readouterr()
    assert call("compare", *two_runs, "--out", "mine") == 0
    printed = capsys.readouterr()
    assert "OtherFiguresWarning" in printed.err
    assert "the figures of one came out the same" in " ".join(printed.out.split())
