"""``calibrate --patients`` as a user types it: what is written, said, refused, and never written."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drivers import no_figures

import sim
from sim.app.engine import Engine, own_draws
from sim.app.question import question
from sim.calibrate.histories import learned_of
from sim.cli import run as command_line
from sim.commands import learn
from sim.scenario.problems import UnlikeModelWarning
from sim.scenario.shipped import scenarios_folder, shipped_posteriors

EXAMPLE = scenarios_folder() / "patients" / "own_centre.csv"
SMALL = ("--effective-size", "50", "--points", "512")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(learn, "DEFAULT_DRAW_REPLICATIONS", 4)


def call(*arguments: str) -> int:
    return command_line(list(arguments))


@pytest.mark.filterwarnings("ignore::sim.scenario.problems.FigureWarning")
def test_a_table_to_a_posterior_that_other_commands_take(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    no_figures(monkeypatch)
    assert call("calibrate", "chicago2006", "--patients", str(EXAMPLE), *SMALL, "--out", "mine") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "23 patients: 22 reinfused, 1* dead before" in told
    assert "With its posterior: add --posterior mine/posterior.csv" in told
    assert "What your patients add" in Path("mine/report.html").read_text("utf-8")

    found = sim.calibrate("chicago2006", patients=EXAMPLE, effective_size=50, points=512, out=None)
    written = sim.read("mine").tables["posterior"]  # the library learns word for word the same
    pd.testing.assert_frame_equal(found.tables["posterior"], written, check_exact=False, rtol=1e-12)

    drawn = ("--posterior", "mine/posterior.csv", "--draws", "4", "--replications", "8", "--figures", "none")
    assert call("run", "chicago2006", *drawn, "--out", "run") == 0
    limits = pd.read_csv("run/endpoints.csv").set_index(["endpoint", "time_years"])
    row = limits.loc[("overall_survival", 5.0)]
    assert row["posterior_lower"] < row["posterior_upper"]

    known = sim.load_scenario("chicago2006")
    asked = question([("of", "chicago2006")], {"chicago2006": known})
    answer = Engine(posterior=own_draws("mine/posterior.csv")).posterior(asked)
    shipped = Engine().posterior(asked)
    assert all(row.posterior.startswith("mean ") for row in answer.rows if row.posterior)
    assert "posterior.csv, which you gave" in answer.more["scope"][0]
    assert not any(row.posterior.startswith("mean ") for row in shipped.rows)
    assert repr(answer.more["band"]) != repr(shipped.more["band"])


@pytest.mark.filterwarnings("ignore::sim.scenario.problems.FigureWarning")
def test_no_date_and_no_row_of_the_table_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file of the folder is searched for each date of the table, in five ways to write it."""
    no_figures(monkeypatch)
    table = pd.read_csv(EXAMPLE, dtype=str).rename(columns={"patient no": "surname"})
    table["surname"] = [f"Zyx{number}wvu" for number in range(len(table))]
    table.to_csv("patients.csv", index=False)
    posterior = ("--prior-posterior", "chicago2006")
    assert call("calibrate", "chicago2006", "--patients", "patients.csv", *posterior, "--out", "mine") == 0
    dates = {
        pd.Timestamp(cell).strftime(written)
        for name in table.columns if name.startswith(("date", "engraftment", "discharge", "last"))
        for cell in table[name].dropna()
        for written in ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y%m%d")
    }  # fmt: skip
    assert len(dates) > 300
    for path in Path("mine").rglob("*"):
        if path.is_file():
            held = path.read_bytes().decode("utf-8", "replace")
            assert "wvu" not in held, path
            assert not [each for each in dates if each in held], path
    record = json.loads(Path("mine/manifest.json").read_text("utf-8"))["patients"]
    assert len(record["sha256"]) == 64
    assert record["columns"]["enrolled"] == "date of enrolment"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--dates", "day-first"), "--dates: it is about --patients, which is missing"),
        (("--prior-posterior", "chicago2006"), "--prior-posterior: it is about --patients"),
        (("--patients", "TABLE", "--coverage", "200"), "--coverage: about the figures of a trial"),
        (("--patients", "TABLE", "--point"), "--point: about the figures of a trial"),
        (("--patients", "TABLE", "--prior-posterior", "chicago2005"), "did you mean chicago2006?"),
        (("--patients", "none.csv"), "none.csv"),
        (("--patients", "TABLE", "--set", "cohort.enters_at=home"), 'cohort.enters_at = "home"'),
        (("--patients", "TABLE", "--set", "relapse.start_day=365"), "row "),
        (("--patients", "TABLE", "--prior-posterior", "before/posterior.csv"), "would count twice"),
    ],
)
def test_what_is_wrong_is_one_message_and_nothing_is_written(
    arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(EXAMPLE) if each == "TABLE" else each for each in arguments]
    if "before/posterior.csv" in given:  # as learning from the same table leaves it
        Path("before").mkdir()
        shutil.copy(shipped_posteriors()["chicago2006"], "before/posterior.csv")
        table = {"sha256": hashlib.sha256(EXAMPLE.read_bytes()).hexdigest()}
        Path("before/manifest.json").write_text(json.dumps({"command": "learn", "patients": table}), "utf-8")
    before = sorted(Path().glob("*"))
    assert call("calibrate", "chicago2006", *given, "--out", "mine") == 2
    assert told in " ".join(capsys.readouterr().err.split())
    assert sorted(Path().glob("*")) == before


@pytest.mark.filterwarnings("ignore::sim.scenario.problems.EffectiveSizeWarning")
@pytest.mark.filterwarnings("ignore::sim.scenario.problems.OverlapWarning")
def test_patients_whom_the_model_does_not_bring_forth_are_told_of() -> None:
    """Thirty reinfused, all dead of another cause within a year: no draw of the priors does that."""
    rows = ["enrolled,transplanted,died,cause,last_seen,relapsed,age,sex"]
    rows += [f"0,60,{100 + 9 * k},other,{100 + 9 * k},,30,f" for k in range(30)]
    Path("dead.csv").write_text("\n".join(rows) + "\n", "utf-8")
    with pytest.warns(UnlikeModelWarning, match="0% .*does not bring"):
        sim.calibrate("chicago2006", patients="dead.csv", effective_size=50, points=512, out=None)


def test_a_shift_without_less_spread_is_learned_too() -> None:
    """Half an SD further, as wide as before: an eighth of a nat, and no variance less."""
    z = np.random.default_rng(1).normal(size=20_000)
    even = np.full(z.size, 1 / z.size)
    left, moved, gain = learned_of(np.exp(z), np.exp(z + 0.5), (even, even))
    assert (left, moved, gain) == pytest.approx((1.0, 0.5, 0.125), rel=0.02)  # SD of z known to 0.5%
