"""``lupus-hsct solve`` as a user types it: the table, the sentence, the picture and the page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import sim
from sim.cli import run as command_line

ASKED = ("solve", "chicago2006", "--for", "treatment_related_mortality=0.13", "--target-count", "7/53")
BY = "aplasia.infection.hazard_per_day"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_one_threshold_is_said_drawn_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line([*ASKED, "--by", "mobilisation.infection.case_fatality", "--out", "mine"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Treatment-related mortality is 13% at mobilisation infection case fatality 0.568." in said
    assert "for the sampling error of 7 of 53, 0.226 or more." in said
    assert "there is no Monte Carlo error" in said
    assert Path("mine/figures/threshold.svg").is_file()
    page = Path("mine/report.html").read_text("utf-8")
    assert "Treatment-related mortality is 13% at mobilisation infection case fatality 0.568" in page
    assert command_line(["report", "mine", "--force"]) == 0
    assert Path("mine/report.html").read_text("utf-8") == page
    assert sim.read("mine").thresholds["value"].tolist() == pytest.approx([0.5681], abs=1e-3)


def test_over_another_parameter_it_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    over = "aplasia.infection.case_fatality=0.05,0.2,0.36"
    assert command_line([*ASKED, "--by", f"{BY}=0.001:1", "--over", over, "--out", "mine"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "is 13% at aplasia infection hazard per day 0.1 with aplasia infection case fatality 0.2, " in said
    assert "out of reach at 1 of 3 points" in said
    assert "With aplasia infection case fatality 0.05: " in said
    assert "hazard per day out of reach: at most 6.3%" in said
    assert Path("mine/figures/threshold.svg").is_file()


def test_rows_are_printed_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line([*ASKED, "--by", f"{BY}=0.001:1", "--figures", "none", "--out", "x", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["value"], row["status"]) == (None, "out of reach")
    assert row["attainable"] == pytest.approx(0.069, abs=0.001)


def test_what_a_queue_does_is_simulated_and_luck_may_leave_it_open(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And two workers find what one finds."""
    asked = ("solve", "open_clinic", "--for", "died_waiting=0.009", "--by", "clinic.isolation_rooms=3:6")
    effort = ("--replications", "256", "--set", "arrivals.years=1")
    assert command_line([*asked, *effort, "--out", "mine"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Died waiting for a room first passes 0.9% at isolation rooms" in said
    assert "Simulated, under the same luck at every value" in said
    assert "there is no Monte Carlo error" not in said
    assert command_line([*asked, *effort, "--workers", "2", "--figures", "none", "--out", "two"]) == 0
    for name in ("thresholds.csv", "line.csv"):
        assert Path("mine", name).read_bytes() == Path("two", name).read_bytes()


def test_published_values_are_listed_and_marked(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line([*ASKED, "--by", f"{BY}=0.001:1", "--out", "mine"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Published: 0.0087 (P24, infections of the blood after autologous transplantation)" in said
    assert "Published: 0.0087 (P24" in Path("mine/report.html").read_text("utf-8")
    assert "P24" in Path("mine/figures/threshold.svg").read_text("utf-8")


STUDY = """
kind = "study"
title = "How many infections?"
base = "chicago2006"
[[factor]]
key = "aplasia.infection.case_fatality"
values = [0.2, 0.36]
[[answer]]
kind = "threshold"
endpoint = "treatment_related_mortality"
equals = 0.13
by = "aplasia.infection.hazard_per_day"
low = 0.001
high = 1.0
over = { "aplasia.infection.case_fatality" = [0.2, 0.36] }
count = "7/53"
"""


def test_in_a_study_it_is_the_same() -> None:
    Path("mine.toml").write_text(STUDY, "utf-8")
    found = sim.study("mine.toml", out="mine", figures="svg")
    over = {"aplasia.infection.case_fatality": [0.2, 0.36]}
    alone = sim.solve(
        "chicago2006", {"treatment_related_mortality": 0.13}, f"{BY}=0.001:1", over=over, count="7/53"
    )
    assert found.thresholds.equals(alone.thresholds)
    assert "is 13% at aplasia infection hazard per day 0.1 with" in Path("mine/report.html").read_text(
        "utf-8"
    )
    assert Path("mine/figures/threshold.svg").is_file()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('by = "aplasia.infection.hazard_per_day"', 'by = "aplasia.infection.hazrd"', "hazard_per_day"),
        ("equals = 0.13", "equals = 13", "a share above 0 and below 1"),
        ("low = 0.001", "low = 2", "low below high"),
        ('endpoint = "treatment', 'endpoint = "treatments', "unknown endpoint"),
    ],
)
def test_a_study_that_asks_wrongly_is_refused_before_anything_runs(old: str, new: str, said: str) -> None:
    Path("mine.toml").write_text(STUDY.replace(old, new), "utf-8")
    with pytest.raises(sim.RequestError, match=said):
        sim.study("mine.toml", out="mine")
    assert not Path("mine").exists()
