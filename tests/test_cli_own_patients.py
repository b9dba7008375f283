"""A table of one's own patients as a user types it: held against the model, and written as a cohort file."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest
from drivers import no_figures

import sim
from sim.cli import run as command_line
from sim.scenario.problems import FittedTwiceWarning, RequestError
from sim.scenario.shipped import locate_posterior, scenarios_folder
from sim.show.figures.own_curves import own_curves_figure
from sim.show.kit.prose import sentences

SMALL = ("--replications", "200")
EXAMPLE = scenarios_folder() / "patients" / "own_centre.csv"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ours.csv").write_bytes(EXAMPLE.read_bytes())


@pytest.fixture
def no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    no_figures(monkeypatch)


def call(*arguments: str) -> int:
    return command_line(list(arguments))


def test_a_table_is_held_against_the_model_and_nothing_of_a_row_is_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call("validate", "ours.csv", *SMALL, "--out", "found") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "Are your patients like those of chicago2006?" in printed
    table = pd.read_csv("found/validation.csv")
    inside = int(table["covered"].sum())
    assert f"{inside} of {len(table)} figures" in printed or f"All {len(table)} figures" in printed
    counts = re.findall(
        r"(\d+)\*? observed, ([\d.]+) expected [^;]*; observed over expected ([\d.]+)", printed
    )
    assert len(counts) == 3
    for observed, expected, ratio in counts:  # as they are printed
        assert float(ratio) == pytest.approx(int(observed) / float(expected), rel=0.04)
    assert "Poisson" not in printed
    for row in table[~table["covered"]].itertuples():
        assert f"({row.note})" in printed
    names = sorted(
        path.relative_to("found").as_posix() for path in Path("found").rglob("*") if path.is_file()
    )
    assert names == [
        "calibration.csv", "figures/own_curves.svg", "figures/validation.csv", "figures/validation.svg",
        "manifest.json", "observed_curves.csv", "report.html", "timings.json", "validation.csv",
    ]  # fmt: skip
    manifest = json.loads(Path("found/manifest.json").read_text())
    assert manifest["table"]["sha256"] == sha256(EXAMPLE.read_bytes()).hexdigest()
    assert "last seen" in manifest["table"]["columns"].values()
    cells = {cell for row in EXAMPLE.read_text().splitlines()[1:] for cell in row.split(",")}
    dates = {cell for cell in cells if re.fullmatch(r"\d{4}-\d\d-\d\d", cell)}
    assert len(dates) > 50
    for path in Path("found").rglob("*"):
        if path.is_file() and path.name != "timings.json":
            assert not any(date in path.read_text() for date in dates), path
    assert "ours.csv" not in Path("found/manifest.json").read_text()
    page = Path("found/report.html").read_text()
    assert "Your patients against chicago2006" in page
    assert manifest["table"]["sha256"] in page
    assert "fewer than 5 patients" in page


def test_long_waits_and_patients_lost_are_told_as_what_may_differ(capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["enrolled,transplanted,died,last_seen,cause"]
    rows += [f"{at},{at + 400},,{at + 500 + 40 * at}," for at in range(0, 60, 3)]
    rows += [f"{at},,{at + 60},,lupus" for at in range(6)]
    Path("late.csv").write_text("\n".join(rows))
    assert call("validate", "late.csv", *SMALL, "--out", "found", "--figures", "none") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "your patients waited longer, a median of 400 days" in printed
    assert "mobilisation and its deaths are replaced with them" in printed
    assert "Half of your living patients were last seen more than 1" in printed
    assert "died before reinfusion (above)" in printed
    assert "active_disease.hazard_per_year" in printed
    assert "Your table tells of no relapses" in printed
    assert "Luck alone seldom does that" in printed


def test_the_library_gives_the_same_and_read_brings_it_back() -> None:
    done = sim.validate("ours.csv", replications=200, out="found", figures="none")
    alone = sim.validate("ours.csv", base="chicago2006", replications=200, out=None)
    pd.testing.assert_frame_equal(done.validation, alone.validation)
    pd.testing.assert_frame_equal(sim.read("found").calibration, alone.calibration)
    again = sim.validate("ours.csv", replications=200, out="found", figures="none", resume=True)
    pd.testing.assert_frame_equal(again.observed_curves, done.observed_curves)
    other = sim.validate("ours.csv", base="ebmt2004", replications=200, out=None)
    assert other.manifest["cohorts"][0]["base"] == "ebmt2004"
    assert not other.validation["predicted"].equals(alone.validation["predicted"])


@pytest.mark.usefixtures("no_figure")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("leng2017", "--base", "chicago2006"), "--base: it is about a table of patients"),
        (("leng2017", "--dates", "day-first"), "--dates: it is about a table of patients"),
        (("ours.csv", "leng2017"), "name nothing else"),
        (("ours.csv", "--base", "no_transplant"), "never transplanted"),
        (("ours.csv", "--cluster", "tcp://far:8786"), "nothing of a table leaves this machine"),
        (("ours.csv", "--replications", "20000"), "at most 10,000"),
        (("ours.xls",), "ours.xls"),
        (("ours.csv", "--column", "died"), "NAME=HEADER"),
        (("ours.csv", "--posterior", "chicago2006", "--base", "ebmt2004"), "ebmt2004 rests on another"),
    ],
)  # fmt: skip
def test_what_can_not_be_is_refused_and_nothing_is_written(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("validate", *arguments, "--out", "found") == 2
    assert says in " ".join(capsys.readouterr().err.split())
    assert not Path("found").exists()


@pytest.mark.usefixtures("no_figure")
def test_a_cohort_file_of_the_table_is_validated_like_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("patients", "cohort", "ours.csv", "--out", "ours.toml") == 0
    assert "lupus-hsct validate ours.toml" in capsys.readouterr().out
    text = Path("ours.toml").read_text()
    assert not re.search(r"20\d\d-\d\d-\d\d", text)
    of_file = sim.validate("ours.toml", replications=2000, out=None).validation
    of_table = sim.validate("ours.csv", replications=2000, out=None).validation
    both = of_file.merge(of_table, on=["endpoint", "time_years"])
    assert len(both) == 13  # what is counted by the last contact has other names
    # Accrual is fitted there, and censoring with it: predicted means differ by little.
    assert (both["observed_x"] - both["observed_y"]).abs().max() < 0.006
    assert (both["predicted_x"] - both["predicted_y"]).abs().max() < 0.03
    assert call("patients", "cohort", "ours.csv", "--out", "ours.toml") == 2
    assert "exists" in capsys.readouterr().err
    with pytest.raises(RequestError, match="without a number of patients"):
        sim.write_cohort("ours.csv", "other.toml", base="open_clinic")
    assert not Path("other.toml").exists()


def learned_from_ours() -> None:
    """Leave a posterior that says that it was learned from the table."""
    Path("learned").mkdir()
    Path("learned/posterior.csv").write_bytes(locate_posterior("chicago2006").read_bytes())
    record = {"sha256": sha256(EXAMPLE.read_bytes()).hexdigest()}
    Path("learned/manifest.json").write_text(json.dumps({"command": "learn", "patients": record}))


def test_patients_who_were_learned_from_are_no_test(capsys: pytest.CaptureFixture[str]) -> None:
    learned_from_ours()
    few = ("--draws", "10", "--replications", "40", "--figures", "none", "--posterior")
    assert call("validate", "ours.csv", *few, "learned/posterior.csv", "--out", "found") == 0
    printed, warned = (" ".join(text.split()) for text in capsys.readouterr())
    assert "FittedTwiceWarning" in warned
    for text in (printed, Path("found/report.html").read_text()):
        assert "These patients were learned from: this is no test." in text
        assert "tells your patients from" not in text
    assert set(pd.read_csv("found/validation.csv")["role"]) == {"fitted"}
    sim.write_cohort("ours.csv", "cohort.toml")
    with pytest.warns(FittedTwiceWarning, match="learned from cohort"):
        again = sim.validate(
            "./cohort.toml", posterior="learned/posterior.csv", draws=10, replications=40, out=None
        )
    assert set(again.validation["role"]) == {"fitted"}
    assert call("validate", "ours.csv", *few, "chicago2006", "--out", "other") == 0
    printed, warned = (" ".join(text.split()) for text in capsys.readouterr())
    assert "FittedTwiceWarning" not in warned
    assert "Luck, and what is not known of the parameters, " in printed
    assert set(pd.read_csv("other/validation.csv")["role"]) == {"held_out"}


def test_a_way_of_ones_own_leaves_out_what_counts_from_enrolment(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("patients", "durations", "ours.csv", "--way", "--out", "own_way.toml") == 0
    base = ("--base", "./own_way.toml")
    assert call("validate", "ours.csv", *base, *SMALL, "--out", "found", "--figures", "none") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "would compare different starts and is left out" in printed
    assert "Treatment deaths:" not in printed
    assert "Deaths by the last contact:" not in printed
    assert "durations" not in printed
    assert "lupus-hsct calibrate own_way.toml --patients FILE" in printed
    assert not {"death_on_the_way", "deaths_seen"} & set(pd.read_csv("found/validation.csv")["endpoint"])


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ("", "Ages and the share of women are those of chicago2006, because your table tells neither."),
        ("sex", "Their share of women is yours; their ages are those of chicago2006, because your table tells none."),
        ("age", "Their ages have the median and spread of yours; the share of women is that of chicago2006"),
        ("age,sex", "Their ages have the median and spread of yours, and their share of women is yours."),
    ],
)  # fmt: skip
def test_whose_ages_and_sexes_are_simulated_is_one_clear_sentence(columns: str, says: str) -> None:
    told = {"ages": 9 * ("age" in columns), "sexes": 9 * ("sex" in columns), "patients": 9}
    own = {
        **dict.fromkeys(("dead", "from_transplant", "reconstructed", "unknown_treatment_deaths"), 0),
        **told,
    }
    (first, *_) = sentences("own", "made", {**own, "relapse_recorded": True, "reinfused": 9}, "chicago2006")
    assert says in first


def test_the_figure_says_where_a_curve_leaves_its_band_and_marks_small_cells() -> None:
    times = [0.0, 1.0, 2.0, 3.0]
    curve = {
        "endpoint": "overall_survival", "time_years": times, "observed": [1.0, 0.9, 0.6, 0.6],
        "at_risk": pd.array([20, 9, 4, 0], dtype="Int64"), "small": [False, False, True, False],
        "predicted": [1.0, 0.95, 0.9, 0.88], "lower": [1.0, 0.85, 0.7, 0.5], "upper": [1.0] * 4,
    }  # fmt: skip
    figure = own_curves_figure(pd.DataFrame(curve), "12 of 14", "chicago2006", drawn=False)
    assert (
        figure.get_suptitle().replace("\n", " ") == "Overall survival lies below its 95% band at 2\xa0years"
    )
    texts = [text.get_text() for axis in figure.axes for text in axis.texts]
    assert "4*" in texts
    assert any("fewer than 5" in text.get_text() for text in figure.texts)
