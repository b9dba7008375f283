"""``run``, ``sweep`` and ``calibrate`` as a user types them: what they write, and what they refuse."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from drivers import environment, no_figures

import sim
from sim.cli import run as command_line
from sim.scenario.load import load
from sim.study.budget import Budget
from sim.study.montecarlo import choose_simulator
from sim.work.spool import read_csv, read_parquet
from sim.work.store import ChunkStore

FIGURES = sorted(
    [
        *(
            f"figures/{name}.{kind}"
            for name in (
                *(
                    "convergence",
                    "incidence",
                    "mortality",
                    "pathway",
                    "places",
                    "survival",
                    "swimmer",
                    "trial",
                ),
            )
            for kind in ("csv", "svg")
        ),
    ]
)
SMALL = ("--replications", "20", "--set", "cohort.patients=10")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def all_figures() -> None:
    """Let a run draw all its figures."""


@pytest.fixture(autouse=True)
def _no_figures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw none where a test is not about them."""
    if "all_figures" not in request.fixturenames:
        no_figures(monkeypatch)


def call(*arguments: str) -> int:
    return command_line(list(arguments))


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "timings.json"
    }


def test_run_writes_a_whole_folder_and_under_another_hash_seed_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], all_figures: None
) -> None:
    assert call("run", "chicago2006", *SMALL, "--events") == 0
    assert "Written to results/chicago2006-10-patients-1" in capsys.readouterr().out
    assert sorted(digests(Path("results/chicago2006-10-patients-1"))) == [
        "censored_readings.csv",
        "checks.csv",
        "curves.csv",
        "endpoints.csv",
        "events.parquet",
        *FIGURES,
        "manifest.json",
        "patients.parquet",
        "replications.parquet",
        "report.html",
    ]
    another = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    done = subprocess.run(
        [sys.executable, "-m", "sim.cli", "run", "chicago2006", *SMALL, "--events"],
        check=True,
        capture_output=True,
        text=True,
        env=environment(PYTHONHASHSEED=another),
        cwd=tmp_path,
    )
    assert "Written to results/chicago2006-10-patients-2" in done.stdout
    assert digests(Path("results/chicago2006-10-patients-1")) == digests(
        Path("results/chicago2006-10-patients-2")
    )
    assert sorted(path.name for path in Path("results").iterdir()) == [
        "chicago2006-10-patients-1",
        "chicago2006-10-patients-2",
    ]


def test_endpoints_have_the_columns_of_the_contract() -> None:
    assert call("run", "chicago2006", *SMALL, "--out", "mine") == 0
    header = Path("mine/endpoints.csv").read_text().splitlines()[0]
    assert header == (
        "endpoint,time_years,estimate,mc_se,mc_lower,mc_upper,trial_lower,trial_upper,trial_undefined,target,"
        "target_source,note"
    )


def test_patients_and_events_tell_one_story() -> None:
    assert call("run", "chicago2006", *SMALL, "--events", "--patients", "7", "--out", "mine") == 0
    run = sim.read("mine")
    patients, events = run.patients, run.events
    assert patients is not None
    assert events is not None
    assert len(patients) == 70
    assert set(patients["replication"]) == set(range(1, 8))
    exits = events[events["event"].str.startswith("death_from") | (events["event"] == "follow_up_ended")]
    assert len(exits) == len(patients)
    assert (events["event"] == "relapse").sum() == patients["relapse_time"].notna().sum()
    dead = events[events["event"].str.startswith("death_from")]
    assert sorted(dead["time_days"]) == sorted(patients["death_time"].dropna())
    assert set(dead["event"].str.removeprefix("death_from_")) == set(patients["death_cause"].dropna())
    times = events.groupby(["replication", "patient"])["time_days"]
    assert times.is_monotonic_increasing.all()


def test_replications_add_up_to_the_estimates() -> None:
    assert call("run", "chicago2006", *SMALL, "--out", "mine") == 0
    run = sim.read("mine")
    rows = read_parquet(Path("mine/replications.parquet"))
    estimates = run.endpoints.set_index(["endpoint", "time_years"])["estimate"]
    assert rows["overall_survival@5"].sum() / rows["n_reinfused"].sum() == estimates["overall_survival", 5.0]


def test_the_manifest_names_every_value_and_its_source() -> None:
    assert call("run", "chicago2006", *SMALL, "--patients", "7", "--out", "mine") == 0
    manifest = json.loads(Path("mine/manifest.json").read_text())
    counts = [manifest[name] for name in ("replications", "replication_rows", "patient_replications")]
    assert counts == [20, 20, 7]
    by_key = {row["key"]: row for row in manifest["parameters"]}
    assert by_key["cohort.patients"]["value"] == 10
    assert by_key["cohort.patients"]["source"] == "--set"
    assert by_key["active_disease.hazard_per_year"]["status"] == "solved"
    assert by_key["aplasia.duration_days"]["status"] == "evidence"
    assert len(manifest["result_hash"]) == 64


def test_another_seed_gives_another_result_and_the_same_seed_the_same() -> None:
    hashes = []
    for out, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert call("run", "chicago2006", *SMALL, "--seed", seed, "--out", out) == 0
        hashes.append(json.loads(Path(out, "manifest.json").read_text())["result_hash"])
    assert hashes[0] == hashes[1] != hashes[2]


def test_both_engines_write_the_same_files(capsys: pytest.CaptureFixture[str]) -> None:
    for engine in ("simpy", "arrays"):
        assert call("run", "open_clinic", "--replications", "12", "--engine", engine, "--out", engine) == 0
        assert f"simulated with {engine}, as asked" in capsys.readouterr().err
    simpy, arrays = digests(Path("simpy")), digests(Path("arrays"))
    for name in ("manifest.json", "report.html"):  # they name the engine
        assert simpy.pop(name) != arrays.pop(name)
    assert simpy == arrays


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "simpy, for 200 patients, at most 20,000"),
        (("--replications", "2001"), "arrays, for 20,010 patients, more than 20,000"),
        (("--replications", "2001", "--events"), "simpy, because events are asked for"),
    ],
)
def test_the_engine_is_chosen_by_size_and_said(
    more: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run", "chicago2006", *SMALL, *more, "--out", "mine") == 0
    assert said in capsys.readouterr().err


def test_several_scenarios_share_one_table_of_printed_figures(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("chicago2006", "chicago2006_reading_b", "ebmt2004")
    assert call("run", *names, "--replications", "5") == 0
    printed = capsys.readouterr().out
    assert "Every printed figure" in printed
    for words in (*names, "solved", "assumed", "compared", "7 of 53", "J14"):
        assert words in printed
    assert sorted(path.name for path in Path("results").iterdir()) == [f"{name}-1" for name in names]
    assert call("run", *names, "--replications", "5", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["scenario"] for row in rows} == set(names)


def test_the_simulator_is_chosen_by_the_patients_there_are_on_average() -> None:
    _, because = choose_simulator([load("open_clinic").scenario], Budget(2000))
    assert because == "for 560,000 patients, more than 20,000"  # 80 a year over 3.5 years, 2,000 times


def test_json_has_the_rows_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "chicago2006", *SMALL, "--json", "--out", "mine") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["command"] == "run"
    table = read_csv(Path("mine/endpoints.csv"))
    assert [row["estimate"] for row in printed["rows"]] == table["estimate"].tolist()
    assert list(printed["rows"][0]) == list(table.columns)


def test_too_few_replications_are_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "chicago2006", *SMALL) == 0
    assert "FewReplicationsWarning" in capsys.readouterr().err


def test_a_clinic_with_few_rooms_leaves_their_use(all_figures: None) -> None:
    rooms = ("--set", "clinic.isolation_rooms=1")
    assert call("run", "chicago2006", *SMALL, *rooms, "--out", "mine") == 0
    assert Path("mine/figures/rooms.svg").is_file()
    occupancy = sim.read("mine").occupancy
    assert occupancy is not None
    assert list(occupancy.columns) == [
        *("series", "time_days", "mean", "trial_lower", "trial_upper", "first_replication")
    ]
    assert occupancy[occupancy["series"] == "rooms_in_use"]["trial_upper"].max() == 1


def test_an_overloaded_clinic_is_warned_of_in_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    overload = ("--replications", "2", "--set", "arrivals.years=0.2", "--set", "clinic.isolation_rooms=1")
    assert call("run", "open_clinic", *overload) == 0
    said = capsys.readouterr().err
    assert said.count("OverloadWarning") == 1
    assert "there is 1 room:" in said


def test_a_scenario_with_a_range_is_shown_at_each_of_its_values(
    capsys: pytest.CaptureFixture[str], all_figures: None
) -> None:
    key = "aplasia.infection.ward_relative_risk"
    assert call("run", "no_isolation", *SMALL, "--out", "ran") == 0
    printed = capsys.readouterr()
    assert "The effect of isolation is disputed" in printed.err
    assert printed.err.count("CautionWarning") == 1
    assert "over the" in printed.out
    assert call("sweep", "no_isolation", *SMALL, "--vary", f"{key}=0.72,1.0,1.67,2.0", "--out", "swept") == 0
    assert capsys.readouterr().err.count("CautionWarning") == 1
    swept = [line.partition(",")[2] for line in Path("swept/points.csv").read_text("utf-8").splitlines()]
    assert Path("ran/range.csv").read_text("utf-8").splitlines() == swept  # but for the number of the point
    points, run = sim.read("ran").range, sim.read("ran")
    assert points is not None
    own = points[points[key] == 1.67].reset_index(drop=True)
    assert own["reference"].all()
    pd.testing.assert_frame_equal(own[run.endpoints.columns], run.endpoints, check_exact=True)
    deaths = points[points["endpoint"] == "treatment_related_mortality"].set_index(key)
    assert "Signed: the paired difference from this scenario as it is" in " ".join(printed.out.split())
    assert deaths.loc[2.0, "difference"] == pytest.approx(
        deaths.loc[2.0, "estimate"] - deaths.loc[1.67, "estimate"]
    )
    assert "The effect of isolation is disputed" in Path("ran/figures/survival.svg").read_text()


def test_no_transplant_is_shown_as_a_band_and_never_as_one_curve(
    capsys: pytest.CaptureFixture[str], all_figures: None
) -> None:
    assert call("run", "no_transplant", *SMALL, "--out", "mine") == 0
    printed = capsys.readouterr()
    assert "rests on one death" in printed.err
    (main,) = (line for line in printed.out.splitlines() if line.startswith("Overall survival, all enrolled"))
    run = sim.read("mine")
    points = run.range
    assert points is not None
    at_end = points[(points["endpoint"] == "overall_survival_enrolled") & (points["time_years"] == 5)]
    low, high = sorted(at_end["estimate"])
    assert low < high
    assert f"between {100 * low:.0f}" in main
    assert f"and {100 * high:.0f}" in main
    assert set(run.curves["endpoint"]) == {"overall_survival_enrolled"}
    assert sorted(path.name for path in Path("mine/figures").iterdir()) == [
        *("pathway.csv", "pathway.svg", "range.svg", "swimmer.csv", "swimmer.svg"),
    ]
    text = Path("mine/figures/range.svg").read_text()
    assert "Between" in text
    assert "rests on one death" in text.replace("\n", " ")


def test_one_key_gives_a_curve_and_two_keys_maps(all_figures: None) -> None:
    vary = "aplasia.infection.case_fatality=0:0.4:3"
    assert call("sweep", "chicago2006", *SMALL, "--vary", vary, "--out", "one") == 0
    points = pd.read_csv("one/points.csv")
    own, *varied = points["aplasia.infection.case_fatality"].unique()
    assert (round(own, 3), varied) == (0.055, [0.0, 0.2, 0.4])
    assert Path("one/figures/sweep.svg").is_file()
    also = ("--vary", "relapse.shape=0.5,1", "--endpoint", "disease_free_survival@5")
    assert call("sweep", "chicago2006", *SMALL, "--vary", vary, *also, "--out", "two") == 0
    assert Path("two/figures/map_disease_free_survival_5.svg").is_file()
    two = pd.read_csv("two/points.csv")
    assert len(two) == 7 * len(points) / 4  # the scenario itself, and its values with 2 x 3 others
    assert len(two[two["reference"]]) == len(points) / 4


def test_a_sweep_point_equals_a_run_with_the_same_value() -> None:
    key = "aplasia.infection.ward_relative_risk"
    assert call("sweep", "chicago2006", *SMALL, "--vary", f"{key}=1,30", "--out", "swept") == 0
    assert call("run", "chicago2006", *SMALL, "--set", f"{key}=30", "--out", "ran") == 0
    swept = pd.read_csv("swept/points.csv")
    at, ran = swept[swept[key] == 30].reset_index(drop=True), pd.read_csv("ran/endpoints.csv")
    at_note, ran_note = (table["note"].astype(object).fillna("").astype(str) for table in (at, ran))
    assert at_note.str.removesuffix("identical").str.strip("; ").equals(ran_note)
    columns = ran.columns.drop("note")
    pd.testing.assert_frame_equal(at[columns], ran[columns], check_exact=True)


def test_under_the_same_luck_a_higher_risk_never_saves_lives() -> None:
    vary = "aplasia.infection.ward_relative_risk=1:30:4"
    assert call("sweep", "chicago2006", *SMALL, "--vary", vary, "--out", "swept") == 0
    points = pd.read_csv("swept/points.csv")
    mortality = points[points["endpoint"] == "transplant_related_mortality"]["estimate"]
    assert mortality.is_monotonic_increasing
    assert mortality.iloc[-1] > mortality.iloc[0]


def test_calibrate_solves_again_from_another_start(capsys: pytest.CaptureFixture[str]) -> None:
    start = ("--set", "active_disease.hazard_per_year=0.05", "--set", "relapse.scale_years=3")
    assert call("calibrate", "chicago2006", "--point", *start, "--out", "fit") == 0
    assert "lupus-hsct run fit/solved.toml" in capsys.readouterr().out
    shipped, again = (sim.load_scenario(name).scenario for name in ("chicago2006", "fit/solved.toml"))
    for key in shipped.calibration.solve:
        assert sim.get_value(again, key) == pytest.approx(sim.get_value(shipped, key), rel=1e-8)
    residuals = pd.read_csv("fit/residuals.csv")["residual"]
    assert residuals.abs().max() < 1e-8


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run",), ["SCENARIO", "--help"]),
        (("run", "chicago2007"), ["chicago2007", "chicago2006"]),
        (("run", "chicago2006", "ebmt2004", "--out", "mine"), ["--out", "one SCENARIO"]),
        (("run", "chicago2006", "--engine", "fast"), ["fast", "simpy", "arrays"]),
        (("run", "chicago2006", "--replications", "0"), ["--replications", "0", "whole number from 1"]),
        (("run", "chicago2006", "--replications", "1.5"), ["1.5", "whole number"]),
        (("run", "chicago2006", "--replications", "9" * 20), ["9999", "whole number from 1 to 1000000000"]),
        (("run", "chicago2006", "--seed", "-1"), ["--seed", "-1", "18446744073709551615"]),
        (("run", "chicago2006", "--patients", "few"), ["few", "all"]),
        (("run", "chicago2006", "--patients", "9" * 5000), ["all", "whole number"]),
        (("run", "chicago2006", "--set", "clinic.rooms=4"), ["clinic.rooms", "isolation_rooms"]),
        (("run", "chicago2006", "--set", "cohort.female=1.5"), ["cohort.female", "1.5", "0 to 1"]),
        (("sweep", "chicago2006"), ["--vary", "low:high:points"]),
        (("sweep", "chicago2006", "--vary", "relapse.shape"), ["relapse.shape", "low:high:points"]),
        (("sweep", "chicago2006", "--vary", "relapse.shape="), ["relapse.shape", "low:high:points"]),
        (("sweep", "chicago2006", "--vary", "relapse.shape=1:1:3"), ["empty"]),
        (("sweep", "chicago2006", "--vary", "relapse.shape=2:1:3"), ["backwards"]),
        (("sweep", "chicago2006", "--vary", "relapse.shape=1:2:1"), ["1 points", "2 to"]),
        (("sweep", "chicago2006", "--vary", "relapse.shape=1:2:2.5"), ["whole number"]),
        (("sweep", "chicago2006", "--vary", "relapse.shape=1:inf:3"), ["low:high:points"]),
        (("sweep", "chicago2006", "--vary", "relapse.shape=log:0:1:3"), ["above 0"]),
        (("sweep", "chicago2006", "--vary", "relapse.shpe=1:2:3"), ["relapse.shpe", "relapse.shape"]),
        (("sweep", "chicago2006", "--vary", "cohort.female=0.5:1.5:3"), ["cohort.female", "1.5", "0 to 1"]),
        (("sweep", "chicago2006", "--vary", "cohort.female=0.5,0.5"), ["twice"]),
        (
            ("sweep", "chicago2006", "--vary", "cohort.female=0.5,0.6", "--vary", "cohort.female=0.1,0.2"),
            ["cohort.female", "twice"],
        ),
        (
            ("sweep", "chicago2006", "--vary", "cohort.female=0.5,0.6", "--endpoint", "overall_survivl@5"),
            ["overall_survivl", "overall_survival"],
        ),
        (
            ("sweep", "chicago2006", "--vary", "cohort.female=0.5,0.6", "--endpoint", "foo"),
            ['--endpoint foo: unknown endpoint "foo"', "endpoints are treatment_related_mortality"],
        ),
        (
            ("sweep", "chicago2006", "--vary", "cohort.female=0.5,0.6", "--endpoint", "overall_survival@4.5"),
            ["overall_survival@4.5", "overall_survival@5"],
        ),
        (("run", "chicago2006", "--out", "n" * 300), ["--out", "nnn", "folder that can be made"]),
        (("calibrate", "chicago2006", "--set", "clinic.isolation_rooms=2"), ["isolation_rooms", "unlimited"]),
    ],
)
def test_a_wrong_request_is_one_message_and_leaves_nothing(
    arguments: tuple[str, ...], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("Error: ")
    assert "Traceback" not in printed.err
    for words in said:
        assert words in printed.err
    assert list(Path().iterdir()) == []


def test_an_existing_folder_is_refused_and_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("keep")
    for extra in ((), ("--force",)):
        assert call("run", "chicago2006", *SMALL, "--out", "mine", *extra) == 2
        assert "mine" in capsys.readouterr().err
    assert [path.name for path in Path("mine").iterdir()] == ["notes.txt"]
    Path("file").write_text("keep")
    assert call("run", "chicago2006", *SMALL, "--out", "file", "--force") == 2
    assert Path("file").read_text() == "keep"


def test_who_dies_at_the_moment_of_enrolment_is_drawn_too(all_figures: None) -> None:
    aged = ("--set", "cohort.age_years=1e9", "--set", "background.standardised_mortality_ratio=1e6")
    assert call("run", "chicago2006", *SMALL, *aged, "--out", "mine") == 0
    text = Path("mine/figures/swimmer.svg").read_text()
    assert "10 of the 10 patients die" in text


def test_a_folder_that_another_run_made_in_the_meantime_is_left_alone_and_the_study_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def meanwhile(*_: object) -> None:
        Path("mine").mkdir(exist_ok=True)
        Path("mine/endpoints.csv").write_text("of the other run")

    monkeypatch.setattr("sim.show.page.write_page", meanwhile)
    assert call("run", "chicago2006", *SMALL, "--out", "mine") == 2
    assert "another run has made mine in the meantime" in capsys.readouterr().err
    assert [path.name for path in Path("mine").iterdir()] == ["endpoints.csv"]
    assert Path("mine/endpoints.csv").read_text() == "of the other run"
    shutil.rmtree("mine")
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert call("run", "chicago2006", *SMALL, "--out", "mine", "--resume", "--figures", "none") == 0
    assert [path.name for path in Path().iterdir()] == ["mine"]
    assert len(sim.read("mine").endpoints)


@pytest.mark.parametrize("closed", ["1>&-", "2>&-"])
def test_a_closed_stream_is_no_failure(closed: str) -> None:
    command = f'"{sys.executable}" -m sim.cli scenario check chicago2006 {closed}'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_force_replaces_a_complete_run_folder() -> None:
    assert call("run", "chicago2006", *SMALL, "--out", "mine") == 0
    before = digests(Path("mine"))
    assert call("run", "chicago2006", *SMALL, "--seed", "2", "--out", "mine", "--force") == 0
    assert digests(Path("mine")) != before
    assert [path.name for path in Path().iterdir()] == ["mine"]


def test_a_clinic_to_which_nobody_comes_is_told_as_such(
    capsys: pytest.CaptureFixture[str], all_figures: None
) -> None:
    rare = ("--set", "arrivals.per_year=1", "--set", "arrivals.years=0.5", "--set", "arrivals.warm_up_days=0")
    request = ("run", "open_clinic", *rare, "--replications", "1", "--seed", "3", "--out", "empty")
    assert call(*request) == 0
    assert "nobody at risk" in capsys.readouterr().out
    assert sim.read("empty").patients.empty
    assert "nobody" in Path("empty/report.html").read_text("utf-8")
    before = digests(Path("empty"))
    assert call(*request, "--resume") == 0
    assert digests(Path("empty")) == before
    assert not [*Path().glob(".*partial*")]
    with pytest.raises(sim.RequestError, match="places"):
        sim.plot.disease(sim.read("empty"))


def test_a_run_that_fails_keeps_its_chunks_and_resumes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    request = ("run", "chicago2006", *SMALL, "--out", "mine")
    assert call("run", "chicago2006", *SMALL, "--out", "whole") == 0
    with monkeypatch.context() as broken:
        broken.setattr("sim.show.page.write_page", full)
        assert call(*request) == 1
    (work,) = Path().glob(".*")
    said = f"Error: No space left on device. All that was simulated is in {work.absolute()}, and is kept: the"
    assert said in capsys.readouterr().err
    assert not Path("mine").exists()
    monkeypatch.setattr(ChunkStore, "save", full)  # nothing is simulated again
    assert call(*request, "--resume") == 0
    assert not work.exists()
    assert contents(Path("mine")) == contents(Path("whole"))


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a run, but for what says when, and for what was asked."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "timings.json"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_full_disk_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class FullDisk:
        """A DuckDB that can't write."""

        def __enter__(self) -> FullDisk:
            return self

        def __exit__(self, *_: object) -> None: ...

        def register(self, *_: object) -> None: ...

        def execute(self, _: str) -> None:
            raise duckdb.IOException("IO Error: No space left on device")

    monkeypatch.setattr("sim.work.spool.connect", FullDisk)
    monkeypatch.setattr("sim.work.spool._LITTLE_SPACE", 2**70)
    assert call("run", "chicago2006", *SMALL, "--out", "mine") == 1
    assert capsys.readouterr().err.startswith("Error: No space left on device")
    assert not Path("mine").exists()


def test_a_disk_that_is_full_from_the_start_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ChunkStore, "save", full)
    assert call("run", "chicago2006", *SMALL, "--out", "mine") == 1
    assert list(Path().iterdir()) == []


def test_a_run_interrupted_before_its_first_chunk_leaves_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sim.work.workers.do", interrupt)
    assert call("run", "chicago2006", *SMALL, "--out", "mine") == 130
    assert list(Path().iterdir()) == []


def test_a_terminated_run_leaves_no_folder(tmp_path: Path) -> None:
    many = ("--replications", "1000000", "--engine", "simpy")
    command = [sys.executable, "-m", "sim.cli", "run", "chicago2006", *many]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as started:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("results/.*partial*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert list(tmp_path.glob("results/.*partial*"))
        started.terminate()
        assert started.wait(60) == 143
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_run_folder_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(sim.RequestError, match="no folder of a study"):
        sim.read(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": 99}')
    with pytest.raises(sim.RequestError, match="format"):
        sim.read(tmp_path)


def test_patients_say_who_counts_so_that_their_mean_wait_is_the_endpoint() -> None:
    """Who came in the warm-up is simulated, and found shorter queues."""
    smaller = ("--set", "arrivals.years=0.5", "--replications", "6", "--figures", "none")
    assert call("run", "open_clinic", *smaller, "--out", "mine") == 0
    run = sim.read("mine")
    patients = run.patients
    assert patients is not None
    waits = patients["immunoablation_time"] - patients["waiting_time"]
    told = run.endpoints.set_index("endpoint").loc["room_wait_days"]
    assert waits[patients["counted"]].mean() == pytest.approx(told["estimate"], rel=1e-9)
    assert waits.mean() < 0.9 * told["estimate"]
    enrolled = run.replications["n_enrolled"]
    assert patients.groupby("replication")["counted"].sum().tolist() == enrolled.tolist()
    one_clinic = waits[patients["counted"]].groupby(patients["replication"]).mean()
    limits = (told["trial_lower"], told["trial_upper"])
    assert limits == pytest.approx((one_clinic.min(), one_clinic.max()))
