"""``--posterior`` as a user types it: what four commands write and say under draws, and what they refuse."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drivers import no_figures
from estimating import write_posterior

import sim
from sim.cli import run as command_line
from sim.scenario.load import load
from sim.scenario.values import get_value
from sim.show.comparison import Averted
from sim.show.page import make_page, report_study
from sim.show.plots import draw
from sim.study.posterior import Posterior

FATAL, SHAPE, MULTIPLIER = KEYS = (
    "aplasia.infection.case_fatality",
    "relapse.shape",
    "after_relapse.multiplier",
)
POINT = np.array([get_value(load("chicago2006").scenario, key) for key in KEYS])
DRAWN = ("--posterior", "mine.csv", "--draws", "4", "--replications", "64", "--workers", "1")
LIMITS = ["posterior_lower", "posterior_upper"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where there is nothing but a posterior of four draws far apart."""
    monkeypatch.chdir(tmp_path)
    values = POINT * np.array([[0.2, 0.8, 0.4], [0.6, 0.9, 0.8], [1.6, 1.1, 1.3], [4.0, 1.3, 2.0]])
    write_posterior(Posterior(KEYS, values, np.full(4, 0.25)), POINT, Path("mine.csv"))


@pytest.fixture
def no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    no_figures(monkeypatch)


def call(*arguments: str) -> int:
    return command_line(list(arguments))


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "timings.json"
    }


def spoken(text: str) -> str:
    """A text without its line breaks."""
    return " ".join(text.split())


@pytest.mark.usefixtures("no_figure")
def test_run_shows_the_posterior_beside_both_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "chicago2006", *DRAWN, "--out", "ran") == 0
    said = spoken(capsys.readouterr().out)
    assert "256 replications under 4 draws of a posterior, seed 1" in said
    assert "Simulated: the mean over draws of the posterior." in said
    keys = f"{len(KEYS)} parameters ({', '.join(KEYS)})"
    assert f"Posterior 95%: what the calibration leaves open about {keys}, which only" in said
    assert "are held in every draw, " in said
    assert "Its limits rest on 4 draws: others would move them by up to " in said
    assert "With the scenario's own values alone, exactly: treatment-related mortality 2" in said
    assert "Monte Carlo error: the 95% interval of the simulated figure; more draws narrow it." in said
    assert (
        "it holds the posterior too, so that a larger or longer trial narrows it, and more evidence" in said
    )
    table, curves = pd.read_csv("ran/endpoints.csv"), pd.read_csv("ran/curves.csv")
    assert list(table.columns)[-4:] == [*LIMITS, "posterior_se", "at_point"]
    assert list(curves.columns)[-3:] == [*LIMITS, "posterior_se"]
    known = table[table["estimate"].notna()]
    assert ((known[LIMITS[0]] <= known["estimate"]) & (known["estimate"] <= known[LIMITS[1]])).all()
    run = sim.read("ran")
    assert run.replications["draw"].tolist() == np.repeat([1, 2, 3, 4], 64).tolist()
    assert run.replications["replication"].tolist() == list(range(1, 257))
    manifest = json.loads(Path("ran/manifest.json").read_text())
    posterior = manifest["posterior"]
    assert (manifest["draws"], manifest["replications"], manifest["replication_rows"]) == (4, 256, 256)
    assert (posterior["file"], posterior["free"], posterior["held"]) == ("mine.csv", list(KEYS), [])
    assert posterior["sha256"] == hashlib.sha256(Path("mine.csv").read_bytes()).hexdigest()


def test_the_page_of_a_run_names_three_kinds_of_uncertainty(
    capsys: pytest.CaptureFixture[str], no_figure: None
) -> None:
    assert call("run", "chicago2006", *DRAWN, "--set", f"{SHAPE}={POINT[1]}", "--out", "ran") == 0
    assert f"chicago2006: {SHAPE} is given with --set." in capsys.readouterr().err
    page = Path("ran/report.html").read_text()
    assert "Three kinds of uncertainty, never mixed" in page
    assert '<th scope="col" class="n">Posterior<br>95%</th>' in page
    assert "256 virtual trials under 4 draws of a posterior" in page
    assert f"Drawn: <code>{FATAL}</code>, <code>{MULTIPLIER}</code>." in page
    assert f"held at the study's own value: <code>{SHAPE}</code>" in page
    assert "spread over 4 draws of a posterior" in page
    assert "under the first draw of the posterior, read at its data cut" in page
    report_study(Path("ran"))  # made from the folder alone it is the same


def test_several_runs_share_a_table_with_a_column_for_the_posterior(
    capsys: pytest.CaptureFixture[str], no_figure: None
) -> None:
    assert call("run", "chicago2006", "no_isolation", *DRAWN) == 0
    said = capsys.readouterr().out
    assert "posterior" in said.partition("Every printed figure")[2].splitlines()[2]
    assert "Below each figure, its posterior 95%" in spoken(said)


@pytest.mark.usefixtures("no_figure")
def test_a_range_over_a_free_parameter_is_held_and_beside_it_the_parameter_is_drawn(
    capsys: pytest.CaptureFixture[str],
) -> None:
    key = "active_disease.hazard_per_year"
    own = get_value(load("chicago2006").scenario, key)
    values = own * np.array([[0.2], [0.5], [1.0], [3.0]])
    write_posterior(Posterior((key,), values, np.full(4, 0.25)), [own], Path("mine.csv"))
    assert call("run", "no_transplant", *DRAWN, "--out", "ran") == 0
    assert f"The other columns are with {key} drawn from the posterior." in spoken(capsys.readouterr().out)
    points, whole = pd.read_csv("ran/range.csv"), pd.read_csv("ran/endpoints.csv")
    assert own in points[key].tolist()
    widths = [
        (table["posterior_upper"] - table["posterior_lower"])[
            (table["endpoint"] == "overall_survival_enrolled") & (table["time_years"] == 5)
        ]
        for table in (points, whole)
    ]
    assert widths[0].max() < 0.1
    assert widths[1].min() > 0.3


def test_compare_says_that_its_intervals_are_the_posteriors(capsys: pytest.CaptureFixture[str]) -> None:
    two = ("compare", "chicago2006", "no_isolation")
    assert call(*two, *DRAWN, "--out", "drawn", "--trial", "3") == 0
    printed = capsys.readouterr()
    said = spoken(printed.out)
    assert "(95% posterior)" in said
    assert "95% Monte" not in said
    assert "Their intervals are the posterior's 95%" in said
    assert "Their Monte Carlo error (95%) is at most" in said
    assert "In trial 3 under the first draw" in said
    assert "Over all trials under all draws, of 100 patients" in said
    table = pd.read_csv("drawn/comparison.csv")
    assert {*LIMITS, "difference_mc_se"} <= {*table.columns}
    assert {*LIMITS} <= {*pd.read_csv("drawn/changed_fates.csv").columns}
    differs = table[
        (table["scenario"] == "no_isolation") & (table["endpoint"] == "treatment_related_mortality")
    ]
    (row,) = differs.itertuples()
    assert row.difference > 0  # the ward does harm under every draw, of which four are known to so much
    assert row.difference_lower >= -1.96 * row.difference_mc_se - 3 / (4 * 64 * 50)
    svg = Path("drawn/figures/differences.svg").read_text()
    assert "posterior" in svg
    manifest = json.loads(Path("drawn/manifest.json").read_text())
    assert manifest["posterior"]["file"] == "mine.csv"
    assert [each["free"] for each in manifest["scenarios"]] == [list(KEYS)] * 2


@pytest.mark.usefixtures("no_figure")
def test_title_bar_and_words_are_the_posteriors(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("compare", "chicago2006", "no_transplant", *DRAWN, "--out", "drawn") == 0
    results = sim.read("drawn")
    (main,) = results.deaths_averted.query("key == ''").to_dict("records")
    said = Averted.of(main, drawn=True)
    assert said.limits is not None
    finding = make_page(results).finding
    assert f"costs {said.size} lives" in finding
    assert f"({' to '.join(said.limits)}, 95% posterior)" in finding
    assert finding in spoken(capsys.readouterr().out)
    ((_, figure, _),) = draw(results, only="differences")
    assert " ".join(figure.get_suptitle().split()) == finding.partition(";")[0]
    dots = [float(line.get_xdata()[0]) for line in figure.axes[1].lines if line.get_marker() == "o"]
    assert dots[-1] == pytest.approx(said.value / 100)


@pytest.mark.usefixtures("no_figure")
def test_who_is_named_is_simulated_under_the_first_draw(capsys: pytest.CaptureFixture[str]) -> None:
    # A ward so deadly that somebody dies instead; under the calibrated values it would be another table.
    Path("deadly.toml").write_text(
        'base = "chicago2006"\ntitle = "Deadly"\ntarget = []\n[aplasia.infection]\nward_relative_risk = 40\n'
    )
    for fatality, name in ((0.0, "harmless"), (1.0, "fatal")):
        values = np.array([[fatality, *POINT[1:]]] * 2)
        write_posterior(Posterior(KEYS, values, np.full(2, 0.5)), POINT, Path("mine.csv"))
        assert call("compare", "chicago2006", "deadly.toml", *DRAWN, "--out", name) == 0
        capsys.readouterr()
    harmless, fatal = (pd.read_csv(f"{name}/named_patients.csv") for name in ("harmless", "fatal"))
    assert not (harmless["change"] == "dies").any()
    assert (fatal["change"] == "dies").sum() > 5
    changed = pd.read_csv("harmless/changed_fates.csv")
    assert changed.loc[changed["change"] == "dies", "share"].tolist() == [0.0]


def test_sweep_shows_the_posterior_at_every_point(capsys: pytest.CaptureFixture[str]) -> None:
    vary = ("--vary", f"{SHAPE}=0.5,0.6,0.7", "--set", f"{MULTIPLIER}={POINT[2]}")
    assert call("sweep", "chicago2006", *vary, *DRAWN, "--out", "swept") == 0
    printed = capsys.readouterr()
    assert "its Monte Carlo interval and the posterior's 95%" in spoken(printed.out)
    assert "the paired difference from the reference, with its posterior's 95%" in spoken(printed.out)
    assert printed.err.count("HeldValueWarning") == 1
    assert f"Warning (HeldValueWarning): chicago2006: {MULTIPLIER} is given with --set." in printed.err
    points = pd.read_csv("swept/points.csv")
    assert [*points.columns][[*points.columns].index(LIMITS[0]) :][:2] == LIMITS
    own = points[points["reference"]]  # shape 0.6, whose parameters are drawn alike
    assert (own.loc[own["estimate"].notna(), "difference_upper"] == 0).all()
    assert "posterior" in Path("swept/figures/sweep.svg").read_text()
    posterior = json.loads(Path("swept/manifest.json").read_text())["posterior"]
    assert (posterior["free"], posterior["held"]) == ([FATAL], [SHAPE, MULTIPLIER])


@pytest.mark.usefixtures("no_figure")
def test_validate_says_what_the_intervals_hold_and_which_cohorts_keep_their_values(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call("validate", "leng2017", "alchi2013", "jayne2004", *DRAWN, "--out", "held") == 0
    printed = capsys.readouterr()
    said = spoken(printed.out)
    assert "256 virtual cohorts each under 4 draws of a posterior" in said
    assert "what the calibration leaves open about the parameters (64 virtual cohorts under each of 4" in said
    assert "they are too narrow" not in said
    assert "alchi2013 rests on another calibration and keeps its values in every draw" in said
    assert f"Held at a cohort's own value in every draw: jayne2004 ({FATAL})." in said
    assert printed.err.count("HeldValueWarning") == 2
    manifest = json.loads(Path("held/manifest.json").read_text())
    assert manifest["replications"] == 256
    free = {each["cohort"]: each["free"] for each in manifest["cohorts"]}
    assert free == {"leng2017": list(KEYS), "alchi2013": [], "jayne2004": [SHAPE, MULTIPLIER]}
    # Read back, it says the same.
    assert call("validate", "leng2017", "alchi2013", "jayne2004", *DRAWN, "--out", "held", "--resume") == 0
    assert spoken(capsys.readouterr().out) == said


@pytest.mark.usefixtures("no_figure")
def test_the_number_of_workers_changes_no_byte() -> None:
    vary = ("--vary", "relapse.shape=0.5,0.6")
    for workers in ("1", "2"):
        assert call("sweep", "chicago2006", *vary, *DRAWN[:-1], workers, "--out", workers) == 0
    assert digests(Path("1")) == digests(Path("2"))


@pytest.mark.usefixtures("no_figure")
def test_a_study_of_other_draws_is_another_study(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("validate", "leng2017", *DRAWN, "--out", "mine") == 0
    fewer = [each if each != "4" else "3" for each in DRAWN]
    assert call("validate", "leng2017", *fewer, "--out", "mine", "--resume") == 2
    assert "draws" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--precision", "1"), "--precision: with --posterior it is the draws that decide"),
        (("--posterior", "none.csv"), "none.csv: there is no such file; name the posterior.csv"),
        (("--posterior", "."), "is a folder, not a file"),
        (("--draws", "1"), "allowed: a whole number from 2"),
    ],
)
def test_what_is_asked_for_wrongly_is_refused(
    options: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--posterior", "mine.csv", *options)
    if options[0] == "--posterior" and options[1] == ".":
        given = ("--posterior", "./")
    refused(capsys, said, *given)


def refused(capsys: pytest.CaptureFixture[str], said: str, *options: str) -> None:
    """One message, exit 2, and nothing written."""
    before = sorted(Path().rglob("*"))
    assert call("run", "chicago2006", "--replications", "4", *options, "--out", "never") == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert len(printed.err.splitlines()) == 1
    assert "Traceback" not in printed.err
    assert sorted(Path().rglob("*")) == before


HEAD = "weight,relapse.shape\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("relapse.shape\n0.6\n0.7\n", "is no posterior: its first line must be weight"),
        ("weight\n0\n1\n", "is no posterior"),
        (HEAD, "needs a line with the calibrated values and then draws"),
        (HEAD + "0,0.6\n", "needs a line with the calibrated values and then draws"),
        ("weight,relapse.shap\n0,0.6\n1,0.7\n", "relapse.shape"),
        ("weight,relapse.shape,relapse.shape\n0,0.6,0.6\n1,0.7,0.7\n", "has two columns"),
        ("weight,clinic.isolation_rooms\n0,3\n1,4\n", "one continuous number each"),
        ("weight,relapse.dist\n0,1\n1,1\n", "one continuous number each"),
        (HEAD + "0,0.6\n1,high\n", "line 3: relapse.shape = high: allowed: a finite number"),
        (HEAD + "0,0.6\n1,nan\n", "line 3: relapse.shape = nan: allowed: a finite number"),
        (HEAD + "0,0.6\n1,inf\n", "allowed: a finite number"),
        (HEAD + "0,0.6\n,0.7\n", "line 3: weight = : allowed: a finite number"),
        (HEAD + "0,0.6\n1,-0.7\n", "line 3: relapse.shape = -0.7: allowed: a number"),
        (HEAD + "0,0.6\n1\n", "line 3: has 1 values; allowed: 2"),
        (HEAD + "0,0.6\n1,0.7,0.8\n", "line 3: has 3 values; allowed: 2"),
        (HEAD + "0,0.6\n1,0.7\n-1,0.8\n", "weights must not be negative"),
        (HEAD + "0,0.6\n0,0.7\n", "weights must not be negative, one at least above 0"),
        (HEAD + "1,0.6\n1,0.7\n", "that of the first line"),
        (HEAD + "0,0.65\n1,0.7\n", "the posterior is not about it"),
        ("\x00\x01", "posterior"),
    ],
)
def test_a_broken_posterior_is_refused_in_one_message(
    text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("broken.csv").write_text(text)
    refused(capsys, said, "--posterior", "broken.csv")


def test_a_posterior_that_is_no_text_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("broken.csv").write_bytes(b"\xff\xfe\x00weight")
    refused(capsys, "is not text but binary data", "--posterior", "broken.csv")
