"""``calibrate`` as a user types it: what it writes, what it goes on with, and what it refuses."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drivers import SMALL_CALIBRATION, no_figures

from sim.calibrate.virtual_trials import POINTS
from sim.cli import run
from sim.cli.progress import figure_warnings
from sim.scenario.load import load
from sim.show.calibration_words import extrapolation_text
from sim.study.posterior import weighted_summary
from sim.work import workers
from sim.work.spool import read_parquet
from sim.work.store import ChunkStore

SMALL = (*SMALL_CALIBRATION, "--workers", "1")

TRIAL = """
kind = "scenario"
base = "chicago2006"
title = "a small trial"
alternative = []

[cohort]
patients = 50
"""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    no_figures(monkeypatch)


def call(*arguments: str) -> int:
    return run(list(arguments))


@pytest.fixture
def calibrated(small_calibration: Path) -> Path:
    return small_calibration


def test_it_writes_a_scenario_a_posterior_and_their_tables(calibrated: Path) -> None:
    manifest = json.loads((calibrated / "manifest.json").read_text("utf-8"))
    assert manifest["command"] == "calibrate"
    assert manifest["posterior"]["counts"]["reinfused"] == 48
    posterior = pd.read_csv(calibrated / "posterior.csv")
    assert posterior["weight"].iloc[0] == 0
    assert posterior["weight"].sum() == pytest.approx(1, abs=1e-6)
    solved = pd.read_csv(calibrated / "solved.csv").set_index("key")["value"]
    for key in posterior.columns[1:]:
        assert posterior[key].iloc[0] == pytest.approx(solved.get(key, 0.6), rel=1e-8)
    parameters = pd.read_csv(calibrated / "parameters.csv")
    weights = posterior["weight"].to_numpy()
    for row in parameters.itertuples():
        assert row.mean == pytest.approx(float(weights @ posterior[row.key].to_numpy()), rel=1e-5)
        assert row.lower < row.median < row.upper
    predictions = pd.read_csv(calibrated / "predictions.csv").set_index(["endpoint", "time_years"])
    alive = predictions.loc[("overall_survival", 5.0)]
    assert alive["posterior_lower"] < alive["estimate"] < alive["posterior_upper"]
    assert alive["trial_lower"] <= alive["posterior_lower"]


def test_every_table_says_the_same_of_the_trials_own_estimates(calibrated: Path) -> None:
    answers = pd.read_csv(calibrated / "answers.csv").set_index("answer")
    predictions = pd.read_csv(calibrated / "predictions.csv").set_index(["endpoint", "time_years"])
    page = " ".join((calibrated / "report.html").read_text("utf-8").split())
    for name in ("overall_survival", "disease_free_survival"):
        answer = answers.loc[f"{name}_5y", ["lower", "upper"]].to_numpy(dtype=float)
        found = predictions.loc[(name, 5.0), ["posterior_lower", "posterior_upper"]].to_numpy(dtype=float)
        assert found == pytest.approx(answer, rel=1e-9)
        assert f"{100 * answer[0]:.0f} to {100 * answer[1]:.0f}%" in page


SAME_TWICE = """
[cohort]
enters_at = "immunoablation"

[immunoablation]
toxicity_per_day = 0.0

[late_infection]
hazard_per_day = 0.0

[[target]]
endpoint = "treatment_related_mortality"
value = 0.02
source = "x"

[[target]]
endpoint = "transplant_related_mortality"
value = 0.02
source = "x"

[calibration]
solve = ["aplasia.infection.hazard_per_day", "{other}"]
"""


@pytest.mark.parametrize(
    ("other", "said"),
    [
        # How often infections come and how often they kill: only the product shows.
        ("aplasia.infection.case_fatality", "x aplasia.infection.hazard_per_day +1 x aplasia.infection.case"),
        ("harvest.selection_recovery", "along +1 x harvest.selection_recovery and"),
    ],
)
def test_what_the_targets_leave_free_is_named(
    other: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    head = 'kind = "scenario"\nbase = "chicago2006"\ntitle = "x"\nprior = []\nalternative = []\n'
    Path("mine.toml").write_text(head + SAME_TWICE.format(other=other), "utf-8")
    assert call("calibrate", "mine.toml", "--out", "fit") == 2
    error = capsys.readouterr().err
    assert said in error
    assert "do not determine" in error
    assert not Path("fit").exists()


def test_its_posterior_goes_into_the_other_commands(calibrated: Path) -> None:
    few = ("--posterior", str(calibrated / "posterior.csv"), "--draws", "5", "--replications", "20")
    assert call("run", "no_transplant", *few, "--out", "home") == 0
    alive = pd.read_csv("home/endpoints.csv").set_index(["endpoint", "time_years"])
    row = alive.loc[("overall_survival_enrolled", 5.0)]
    assert row["posterior_lower"] < row["estimate"] < row["posterior_upper"]
    assert call("run", str(calibrated / "solved.toml"), *few, "--out", "solved") == 0


def test_what_a_killed_calibration_has_done_is_done_once_and_two_processes_find_the_same(
    calibrated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done, saved = [0], [0]
    real, save = workers.do, ChunkStore.save

    def dying(task: workers.Task) -> object:
        done[0] += 1
        if done[0] == 5:
            raise KeyboardInterrupt
        return real(task)

    def counted(store: ChunkStore, *what: object) -> None:
        saved[0] += 1
        save(store, *what)  # type: ignore[arg-type]

    monkeypatch.setattr(workers, "do", dying)
    monkeypatch.setattr(ChunkStore, "save", counted)
    arguments = ("calibrate", "chicago2006", *SMALL, "--out", "again")
    assert call(*arguments) == 130
    assert "--resume" in capsys.readouterr().err
    assert saved[0] == 4
    monkeypatch.setattr(workers, "do", real)
    assert call(*arguments, "--workers", "2", "--resume") == 0
    repeats = read_parquet(calibrated / "repeats.parquet")
    points, draws, point = 256 // POINTS, repeats["draw"].nunique(), 1
    assert saved[0] == points + draws + point  # each task once
    for name in ("posterior.csv", "parameters.csv", "predictions.csv", "answers.csv"):
        assert (Path("again") / name).read_bytes() == (calibrated / name).read_bytes()


def test_simulation_alone_where_a_queue_may_bind(capsys: pytest.CaptureFixture[str]) -> None:
    rooms = ("--set", "clinic.isolation_rooms=2")
    assert call("calibrate", "chicago2006", *rooms, "--simulation", "20000", "--out", "rooms") == 0
    assert not Path("rooms/solved.toml").exists()
    parameters = pd.read_csv("rooms/parameters.csv").set_index("key")
    assert np.isfinite(parameters[["mean", "sd"]].to_numpy()).all()
    assert "effective sample size" in capsys.readouterr().out


ALIVE = "[[target]]\nendpoint='overall_survival'\ntime_years=5\nn=48\nsource='x'\n"
OTHERWISE = "[[alternative]]\ntitle='x'\n"


@pytest.mark.parametrize(
    ("changes", "arguments", "said"),
    [
        (f"{ALIVE}value=1.2", (), ["1.2", "0 to 1"]),
        (
            f"{ALIVE}value=1.0",
            (),
            ["overall_survival", "strictly between 0 and 1"],
        ),
        ("[calibration]\ntolerance = 0.0", (), ["calibration.tolerance", "above 0"]),
        (
            "[[prior]]\nkey='relapse.scale_years'\ndist='lognormal'\nmedian=9.0\nsource='x'",
            (),
            ["[[prior]] number 1", "sigma", "given: median"],
        ),
        (
            "[[prior]]\nkey='relapse.scale'\ndist='lognormal'\nmedian=9.0\nsigma=1.0\nsource='x'",
            (),
            ["[[prior]] number 1: relapse.scale: unknown key", "relapse.shape"],
        ),
        (
            "[[prior]]\nkey='background.standardised_mortality_ratio'\ndist='uniform'\nlow=3.0\nhigh=2.0\nsource='x'",
            (),
            ["low = 3", "high = 2"],
        ),
        (
            "[[prior]]\nkey='harvest.selection_recovery'\ndist='uniform'\nlow=0.5\nhigh=0.7\nsource='x'",
            (),
            ["harvest.selection_recovery", "no target touches it"],
        ),
        (
            "[[prior]]\nkey='relapse.scale_years'\ndist='lognormal'\nmedian=1e5\nsigma=0.1\nsource='x'",
            ("--points", "256"),
            ["disease_free_survival", "0.5", "relapse.scale_years", "widen"],
        ),
        ("[follow_up]\nhorizon_years = 4", (), ["Overall survival, reinfused, 5 y", "horizon_years = 4"]),
        ("[follow_up]\nhorizon_years = 5", ("--set", "arrivals.window_days=1000", "--set",
                                           "follow_up.data_cut_days=1500"), ["5 y", "1500", "4.1 years"]),
        ("[clinic]\nisolation_rooms = 2", (), ["--simulation", "queue"]),
        (f"{ALIVE}value=0.84\n" + ALIVE.replace("overall", "disease_free") + "value=0.84\n[calibration]\n"
         "solve = ['active_disease.hazard_per_year', 'after_relapse.multiplier']", (),
         ["no values of active_disease.hazard_per_year", "disease_free_survival@5"]),
        ("[[prior]]\nkey='recovery.duration_days.mean'\ndist='uniform'\nlow=20.0\nhigh=60.0\nsource='x'", (),
         ["recovery.duration_days.mean: is part of a distribution"]),
        ("", ("--point", "--coverage", "20"), ["--coverage", "--point"]),
        ("", ("--set", "clinic.isolation_rooms=2", "--simulation", "300", "--coverage", "20"),
         ["--coverage", "queue"]),
        ("target = []", ("--point",), ["there is no [[target]]", "mine.toml"]),
        (f"{OTHERWISE}name='../up'", (), ["[[alternative]] number 1: ../up: name", "one word"]),
        (f"{OTHERWISE}name='as_it_is'", (), ["[[alternative]] number 1: as_it_is: name"]),
        (f"{OTHERWISE}name='odd'\nvalues={{'relapse.shape'=-0.7}}", (),
         ["[[alternative]] odd: relapse.shape = -0.7", "above 0"]),
        (f"{OTHERWISE}name='odd'\nscenario='chicago2007'", (), ["[[alternative]] odd", "chicago2006"]),
        (f"{OTHERWISE}name='odd'\nscenario='ebmt2004'", (), ["[[alternative]] odd", "alternative = []"]),
        ("[calibration]\nsolve = ['harvest.selection_recovery']\n" +
         f"{ALIVE}value=0.84", (),
         ["harvest.selection_recovery"]),
    ],
)  # fmt: skip
def test_one_message_for_each_wrong_request(
    changes: str, arguments: tuple[str, ...], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    trial = TRIAL.replace("alternative = []\n", "") if "[[alternative]]" in changes else TRIAL
    if changes == "target = []":  # stands before the tables
        trial, changes = trial.replace("\n[cohort]", f"{changes}\n\n[cohort]"), ""
    Path("mine.toml").write_text(trial + changes, "utf-8")
    assert call("calibrate", "mine.toml", *arguments, "--out", "fit") == 2
    error = capsys.readouterr().err
    for word in said:
        assert word in error
    assert "Traceback" not in error
    assert sorted(path.name for path in Path().iterdir()) == ["mine.toml"]


def test_disease_free_above_overall_survival_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    text = (TRIAL + "".join(
        f"[[target]]\nendpoint='{name}'\ntime_years=5\nvalue={value}\nn=48\nsource='x'\n"
        for name, value in (("overall_survival", 0.5), ("disease_free_survival", 0.6))
    ) + "[calibration]\nsolve=['relapse.scale_years','active_disease.hazard_per_year']\n")  # fmt: skip
    Path("mine.toml").write_text(text, "utf-8")
    assert call("calibrate", "mine.toml") == 2
    assert "the first are among the second" in capsys.readouterr().err


@pytest.mark.filterwarnings("default:Glyph")
def test_letters_that_no_figure_can_show_are_warned_of_once(capsys: pytest.CaptureFixture[str]) -> None:
    with figure_warnings():
        for letter in (26085, 26412):
            warnings.warn(f"Glyph {letter} missing from font(s) DejaVu Sans.", UserWarning, stacklevel=1)
    assert capsys.readouterr().err.count("boxes") == 1


def test_what_is_fixed_has_no_error() -> None:
    told = weighted_summary(np.full(7, 0.1438), np.full(7, 1 / 7))
    assert (told["mean"], told["mc_se"], told["sd"]) == (0.1438, 0.0, 0.0)


def test_only_chicago_is_warned_of_with_what_chicago_reported() -> None:
    chicago = load("chicago2006").scenario
    assert "B03" in extrapolation_text(chicago)
    assert "(" not in extrapolation_text(chicago.model_copy(update={"target": []}))
