"""What studies are called: by names that tell them apart, what was changed, and as asked with ``--title``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from drivers import no_figures

from sim.cli import run as command_line
from sim.work.spool import read_csv


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def call(*arguments: str) -> int:
    return command_line(list(arguments))


def test_files_of_one_name_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    no_figures(monkeypatch)
    paths = []
    for number in (20, 30):
        path = tmp_path / f"v{number}" / "clinic.toml"
        path.parent.mkdir()
        path.write_text(
            f'kind = "scenario"\nbase = "chicago2006"\ntitle = "V"\n[cohort]\npatients = {number}\n', "utf-8"
        )
        paths.append(str(path))
    assert call("run", *paths, "--replications", "2", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    counts = {name: sum(row["scenario"] == name for row in rows) for name in ("clinic", "clinic (2)")}
    assert 2 * counts["clinic"] == 2 * counts["clinic (2)"] == len(rows)


def test_everything_says_what_was_changed_and_nothing_is_met_or_missed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    older = "Chicago 2006, changed: age median 45 years"
    assert call("run", "chicago2006", "--set", "cohort.age_years.median=45", "--replications", "4") == 0
    assert capsys.readouterr().out.startswith(f"{older}: 4 replications")
    (folder,) = Path("results").iterdir()
    assert folder.name == "chicago2006-age-median-45-years-1"
    page = (folder / "report.html").read_text("utf-8")
    assert f"<h1>{older}</h1>" in page
    for figure in folder.glob("figures/*.svg"):
        assert "changed: age median 45 years" in " ".join(figure.read_text("utf-8").split()), figure.name
    for said in ("Reproduces", "missing the published", "solved to equal", ", as published"):
        assert said not in page
    assert read_csv(folder / "endpoints.csv")["target"].isna().all()


def test_a_sweep_says_what_is_varied_and_what_was_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    no_figures(monkeypatch)
    vary = ("--vary", "clinic.isolation_rooms=2,4", "--replications", "2")
    assert call("sweep", "open_clinic", *vary, "--out", "varied") == 0
    assert "<h1>Open clinic, varied: isolation rooms</h1>" in Path("varied/report.html").read_text("utf-8")
    assert call("sweep", "open_clinic", *vary, "--set", "arrivals.per_year=9", "--out", "both") == 0
    both = "Open clinic, changed: arrivals 9 per year, varied: isolation rooms"
    assert f"<h1>{both}</h1>" in Path("both/report.html").read_text("utf-8")


def test_a_title_that_is_asked_for_stands_over_page_and_figures(capsys: pytest.CaptureFixture[str]) -> None:
    two = ("compare", "chicago2006", "no_isolation")
    for command in (("run", "chicago2006"), two):
        assert call(*command, "--replications", "4", "--title", "Our <own> clinic", "--out", command[0]) == 0
        assert "<h1>Our &lt;own&gt; clinic</h1>" in Path(command[0], "report.html").read_text("utf-8")
        for figure in Path(command[0]).glob("figures/*.svg"):
            assert "Our &lt;own&gt; clinic" in figure.read_text("utf-8"), figure.name
    capsys.readouterr()
    for title in ("", "two\nlines", "x" * 201):
        assert call(*two, "--title", title, "--out", "none") == 2
        assert "--title: " in capsys.readouterr().err
    assert not Path("none").exists()
