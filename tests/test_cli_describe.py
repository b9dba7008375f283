"""``patients describe`` and ``reconstruct`` as a user types them: what is written, said and refused."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections import defaultdict
from pathlib import Path

import pandas as pd
import pytest
from drivers import no_figures
from made_tables import EXAMPLE

import sim
from sim.cli import run as command_line
from sim.scenario.problems import RequestError
from sim.show.described import finding
from sim.show.figures import described
from sim.show.kit.prose import sentences

TABLE = Path(__file__).parent / "reference" / "survival" / "own_patients.csv"
CURVE = "time_months,survival\n3,0.98\n6,0.95\n12,0.9\n24,0.9\n36,0.8\n50,0.75\n60,0.75\n"
pytestmark = pytest.mark.filterwarnings("ignore::sim.scenario.problems.FigureWarning")

AT_RISK = "time_months,at_risk\n0,50\n12,44\n24,38\n36,25\n48,12\n"


@pytest.fixture(autouse=True)
def _in_a_folder_with_patients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = list(csv.reader(TABLE.read_text("utf-8").splitlines()))
    with Path("own.csv").open("w", encoding="utf-8", newline="") as file:
        head = ["Name", "enrolled", "age", *rows[0]]
        more = ([f"Testperson{at}", "0", f"{31 + at}.4159", *row] for at, row in enumerate(rows[1:]))
        csv.writer(file).writerows([head, *more])
    Path("curve.csv").write_text(CURVE, "utf-8")
    Path("at_risk.csv").write_text(AT_RISK, "utf-8")


def call(*arguments: str) -> int:
    return command_line(list(arguments))


def test_a_folder_has_tables_figures_and_a_page_and_nothing_of_a_row(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call("patients", "describe", "own.csv", "--out", "found", "--figures", "svg") == 0
    said = capsys.readouterr()
    assert (
        "23 patients enrolled, 20 reinfused; treatment deaths from enrolment to day 100 after reinfusion: "
        "3 to 4 of 21 (3 to 42%; cause of 1 not known; 2 not followed to day 100 left out); 66% (41 to 82%) "
        "of all enrolled alive 3 years after enrolment, 10 then at risk; of the reinfused 72% (45 to 87%) 3 y"
    ) in said.out
    assert "Warning (FewAtRiskWarning): overall survival from 4 years (4 at risk)" in said.err
    names = {path.relative_to("found").as_posix() for path in Path("found").rglob("*") if path.is_file()}
    figures = {f"figures/{name}.svg" for name in ("survival", "incidences", "waits", "survival_enrolled")}
    assert names == figures | {
        "figures.csv", "curves.csv", "at_risk.csv", "manifest.json", "timings.json", "report.html",
    }  # fmt: skip
    manifest = json.loads(Path("found/manifest.json").read_text("utf-8"))
    about = manifest["patients"]
    assert about["sha256"] == hashlib.sha256(Path("own.csv").read_bytes()).hexdigest()
    assert about["columns"]["died"] == "died"
    assert (about["patients"], manifest["relapse_recorded"], manifest["reconstructed"]) == (23, True, False)
    for path in Path("found").rglob("*"):
        text = path.read_bytes().decode() if path.is_file() else ""
        assert not re.search(r"Testperson|own\.csv|4159", text), path
    page = Path("found/report.html").read_text("utf-8")
    for words in ("Clopper-Pearson", "small cell", about["sha256"], "--every 30", "reverse Kaplan-Meier"):
        assert words in page, words
    assert "Seed" not in page
    again = sim.describe_patients("own.csv").figures
    pd.testing.assert_frame_equal(sim.read("found").figures, again, check_dtype=False)
    assert call("report", "found") == 0
    assert call("runs", "list", ".") == 0
    assert "23 patients enrolled, 20 reinfused" in capsys.readouterr().out


HEAD = "enrolled,transplanted,relapsed,died,cause,last_seen\n"
EARLY, LONG = "0,,,30,treatment,\n", "0,60,,,,2000\n"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            HEAD + 2 * EARLY + 29 * LONG,
            "31 patients enrolled, 29 reinfused; treatment deaths from enrolment to day 100 after "
            "reinfusion: 2 of 31\N{DAGGER} (6%, 1 to 21%); 94% (77 to 98%) of all enrolled alive 5 years "
            "after enrolment, 29 then at risk; of the reinfused 100% (88 to 100%; exact, of the 29 followed",
        ),
        (
            HEAD + "0,60,,,,300\n",
            "1 patient enrolled, 1 reinfused; treatment deaths from enrolment to day 100 after reinfusion: "
            "0 of 1\N{DAGGER} (0%, 0 to 98%); nobody died; fewer than 5 are at risk after half a year, too",
        ),
        (
            HEAD + 7 * "0,60,,100,treatment,\n",
            "day 100 after reinfusion: 7 of 7 (100%, 59 to 100%); 7 died; fewer than 5 are at risk",
        ),
        (
            HEAD + 6 * "0,60,,,,90\n",
            "after reinfusion: nobody was followed so long; nobody died; fewer than 5",
        ),
        (
            "transplanted,died,cause,last_seen\n" + 20 * "0,,,800\n" + "0,400,other,\n",
            "21 patients reinfused; treatment deaths to day 100 after reinfusion: 0 of 21 (0%, 0 to 16%); "
            "95% (71 to 99%) alive 2 years after reinfusion, 20 then at risk.",
        ),
    ],
)
def test_the_dead_come_first_and_no_interval_is_without_width(table: str, said: str) -> None:
    Path("t.csv").write_text(table, "utf-8")
    done = sim.describe_patients("t.csv")
    assert said in f"{finding(done)}."
    read = done.figures[done.figures["time_years"].notna()]
    assert ((read["lower"] < read["upper"]) | (read["note"].str.contains("no interval"))).all()


def test_one_patient_is_no_patients(capsys: pytest.CaptureFixture[str]) -> None:
    Path("t.csv").write_text(HEAD + "0,60,,,,300\n", "utf-8")
    assert call("patients", "check", "t.csv") == 0
    assert "t.csv: 1 patient\n" in capsys.readouterr().out
    assert call("patients", "describe", "t.csv", "--out", "found", "--figures", "none") == 0
    assert not re.search(
        r"\b1 patients", capsys.readouterr().out + Path("found/report.html").read_text("utf-8")
    )
    own = defaultdict(int, patients=1, reconstructed=True, from_transplant=True)
    (told, *_) = sentences("learned", "seen", own, defaultdict(int), None, {}, None, False, 4)
    assert told.startswith("1 patient, reconstructed from a published curve: relapses were not")


def test_the_documents_tell_what_is_said_of_the_example() -> None:
    text = (Path(__file__).parents[1] / "docs" / "own-patients.md").read_text("utf-8")
    quoted = " ".join(re.findall(r"^> (.*)$", text, flags=re.MULTILINE))
    assert quoted == f"{finding(sim.describe_patients(EXAMPLE))}."


def test_curves_of_others_are_written_every_so_many_days() -> None:
    done = sim.describe_patients("own.csv", every=30)
    assert (done.curves["time_days"] % 30 == 0).all()
    exact = sim.describe_patients("own.csv").curves
    deaths = [44, 92, 97]  # days after reinfusion of the three who died first
    first = exact[exact["curve"] == "overall_survival"]["time_days"]
    assert set(deaths) <= set(first)
    with pytest.raises(RequestError, match="every`: 0 given; allowed: whole days from 1"):
        sim.describe_patients("own.csv", every=0)


def test_small_cells_are_marked_in_every_table() -> None:
    done = sim.describe_patients("own.csv")
    for name in ("at_risk", "curves"):
        table = done.tables[name]
        assert (table["small_cell"] == table["at_risk"].between(1, 4)).all()
        assert table["small_cell"].any()
    figures = done.figures
    few = figures["count"].between(1, 4) | (figures["n"] - figures["count"]).between(1, 4)
    assert figures.loc[few, "small_cell"].all()


def test_reconstructed_patients_say_so_wherever_they_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("patients", "reconstruct", "curve.csv", "--at-risk", "at_risk.csv", "--out", "made.csv") == 0
    assert "Written to made.csv, marked as reconstructed" in capsys.readouterr().out
    table = pd.read_csv("made.csv")
    assert list(table.columns) == ["transplanted", "died", "last_seen", "reconstructed"]
    assert (len(table), set(table["reconstructed"]), set(table["transplanted"])) == (50, {"yes"}, {0})
    assert call("patients", "check", "made.csv") == 0
    assert "reconstructed from a published curve" in capsys.readouterr().out
    assert call("patients", "describe", "made.csv", "--out", "found", "--figures", "svg") == 0
    said = capsys.readouterr()
    assert "Patients reconstructed from a published curve: what was seen" in said.out
    assert "Warning (ReconstructedWarning)" in said.err
    for file in ("report.html", "figures/survival.svg"):
        text = re.sub(r"\s+", " ", Path("found", file).read_text("utf-8"))
        assert "econstructed from a published curve" in text, file
    assert json.loads(Path("found/manifest.json").read_text("utf-8"))["reconstructed"] is True


def test_a_disease_free_curve_is_described_and_is_no_table_of_deaths(
    capsys: pytest.CaptureFixture[str],
) -> None:
    how = ("--at-risk", "at_risk.csv", "--out", "made.csv", "--endpoint", "disease_free_survival")
    assert call("patients", "reconstruct", "curve.csv", *how) == 0
    done = sim.describe_patients("made.csv")
    assert set(done.curves["curve"]) == {"disease_free_survival"}
    missing = done.figures.set_index("figure").loc["overall_survival"]
    assert pd.isna(missing["estimate"])
    assert missing["note"] == "deaths were not told apart from relapses"
    capsys.readouterr()
    with pytest.raises(RequestError, match="none of deaths"):
        sim.patients_from("made.csv")
    with Path("made.csv").open("a", encoding="utf-8") as file:
        file.write("0,200,100,maybe\n")
    assert call("patients", "check", "made.csv") == 2
    assert "reconstructed = maybe" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("curve", "at_risk", "more", "said"),
    [
        ("time,survival\n3,0.9\n", AT_RISK, (), "columns are time, survival; allowed: one of time_days"),
        ("x;y\n3;0,9\n", AT_RISK, (), "columns are x, y; allowed"),
        ("time_months,survival\n3,95\n", AT_RISK, (), "line 2, survival: 95 given; allowed: 0 to 1; a perc"),
        ("time_months,survival\n3,high\n", AT_RISK, (), "line 2, survival: high given; allowed: a number"),
        ("time_months,survival\n-3,0.9\n", AT_RISK, (), "line 2, time_months: -3 given; allowed: a time fr"),
        ("time_months,survival\n3\n60,0.5\n", AT_RISK, (), "line 2, survival: nothing given"),
        (CURVE, "time_months,at_risk\n6,50\n", (), "the first is at 6; allowed: the first at time 0"),
        (
            CURVE,
            "time_months,at_risk\n0,50\n70,3\n",
            ("--points", "times"),
            "go to 70, and the curve was read off to 60",
        ),
        (CURVE, AT_RISK, ("--events", "51"), "--events: 51 given; allowed: 0 to 50"),
        (CURVE, AT_RISK, ("--out", "curve.csv"), "--out: curve.csv exists"),
        (CURVE, AT_RISK, ("--out", "no/where.csv"), "there is no folder no"),
        ("", AT_RISK, (), "its columns are none"),
    ],
)
def test_what_is_wrong_with_a_curve_is_told_and_nothing_is_written(
    curve: str, at_risk: str, more: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("curve.csv").write_text(curve, "utf-8")
    Path("at_risk.csv").write_text(at_risk, "utf-8")
    before = sorted(Path().iterdir())
    out = () if "--out" in more else ("--out", "made.csv")
    assert call("patients", "reconstruct", "curve.csv", "--at-risk", "at_risk.csv", *out, *more) == 2
    assert said in capsys.readouterr().err
    assert sorted(Path().iterdir()) == before


def test_both_files_are_told_of_in_one_list(capsys: pytest.CaptureFixture[str]) -> None:
    Path("curve.csv").write_text("time_months,survival\n3,none\n6,2\n", "utf-8")
    Path("at_risk.csv").write_text("time_months,at_risk\n0,many\n", "utf-8")
    assert call("patients", "reconstruct", "curve.csv", "--at-risk", "at_risk.csv", "--out", "made.csv") == 2
    assert len(capsys.readouterr().err.splitlines()) == 3


@pytest.mark.parametrize("unit", ["days", "months", "years"])
def test_units_and_decimal_commas_are_read_as_they_are_told(unit: str) -> None:
    Path("curve.csv").write_text("time;survival_percent\n1;97,5\n2;90\n3;90\n".replace(".", ","), "utf-8-sig")
    Path("at_risk.csv").write_text("time;at_risk\n0;40\n2;38\n", "utf-8")
    made = sim.reconstruct_patients("curve.csv", "at_risk.csv", out="made.csv", unit=unit)
    assert (made["patients"], made["events"]) == (40, 4)
    days = {"days": 1, "months": 365.25 / 12, "years": 365.25}[unit]
    assert pd.read_csv("made.csv")["last_seen"].max() == pytest.approx(3 * days, abs=0.005)


def test_points_evenly_apart_are_asked_about(capsys: pytest.CaptureFixture[str]) -> None:
    points = "".join(f"{month},{1 - month / 100:.3g}\n" for month in range(1, 25))
    Path("curve.csv").write_text(f"time_months,survival\n{points}", "utf-8")
    Path("at_risk.csv").write_text("time_months,at_risk\n0,100\n12,80\n", "utf-8")
    how = ("patients", "reconstruct", "curve.csv", "--at-risk", "at_risk.csv", "--force", "--out", "made.csv")
    assert call(*how) == 0
    assert "add --points times" in capsys.readouterr().out
    assert call(*how, "--points", "times") == 0
    assert "evenly apart" not in capsys.readouterr().out


def test_nothing_is_drawn_of_what_was_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    no_figures(monkeypatch)
    Path("few.csv").write_text("enrolled,transplanted,died,last_seen\n0,,,90\n0,,40,\n", "utf-8")
    done = sim.describe_patients("few.csv")
    assert described.survival(done) is None
    assert described.incidences(done) is None
    waits = described.waits(done)
    assert waits is not None
    title = "None of 2 was reinfused; 1 of 2 enrolled died before; 1 was neither reinfused nor dead at last"
    assert title in " ".join(waits.get_suptitle().split())
    every = described.survival_enrolled(done)
    assert every is not None
    assert "fewer than 5 are at risk after half a year" in " ".join(every.get_suptitle().split())
