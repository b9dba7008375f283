"""Studies from the command line: one file, one folder, done again to the same bits, shared as one file."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from drivers import seal

import sim
from sim.cli import run as command_line
from sim.scenario.shipped import locate_posterior
from sim.study.estimates import Z95

FATAL, WARD = "aplasia.infection.case_fatality", "aplasia.infection.ward_relative_risk"
DEATHS, ALIVE = "treatment_related_mortality", "overall_survival_enrolled"


ARMS = """
kind = "study"
title = "Isolation or a ward"
base = "chicago2006"
[[arm]]
name = "isolated"
[[arm]]
name = "ward"
"""


def call(*arguments: str) -> int:
    """Run a command."""
    return command_line([*arguments])


MAP = f"""
kind = "study"
title = "Who dies of infections"
question = "How many die?"
base = "chicago2006"
[[factor]]
key = "{FATAL}"
values = [0.05, 0.1]
source = "P25"
[[factor]]
key = "{WARD}"
values = [1, 2]
[measure]
contours = {{ treatment_related_mortality = [0.025] }}
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "asked.toml"
    path.write_text(MAP, "utf-8")
    return path


def test_a_study_is_one_file_one_folder_and_the_same_again(
    asked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("study", "check", "./asked.toml") == 0
    assert "5 points, by the exact twin" in capsys.readouterr().out
    assert not Path("results").exists()
    assert call("study", "run", "./asked.toml", "--out", "done") == 0
    out = capsys.readouterr().out
    assert "nothing is simulated" in out
    assert "Point 3, computed again and alone, is the same to the bit." in out
    found = sim.read("done")
    assert {"study.toml", "design.csv", "points.csv", "wide.csv"} <= {
        path.name for path in Path("done").iterdir()
    }
    assert found.manifest["replications"] == 0
    expected = sim.expected(sim.with_values("chicago2006", {FATAL: 0.1, WARD: 2}))
    assert found.pivot(DEATHS).loc[0.1, 2] == pytest.approx(expected[DEATHS, None], rel=1e-12)
    assert call("study", "again", "done") == 0
    assert "equal" in capsys.readouterr().out
    points = Path("done/points.csv").read_text("utf-8")
    page = Path("done/report.html").read_text("utf-8")
    assert "How many die?" in page
    assert "have no Monte Carlo error" in page
    assert call("pack", "done") == 0
    with zipfile.ZipFile("done.zip") as packed:
        assert {"report.html", "study.toml", "wide.csv", f"map_{DEATHS}.pdf"} <= {*packed.namelist()}
        packed.extractall("elsewhere")
    assert call("study", "again", "elsewhere") == 0
    assert "equal" in capsys.readouterr().out
    assert call("study", "run", "./elsewhere/study.toml", "--out", "again", "--figures", "none") == 0
    assert Path("again/points.csv").read_text("utf-8") == points


def test_what_differs_is_said(asked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("study", "run", f"./{asked.name}", "--out", "done", "--figures", "none") == 0
    text = Path("done/study.toml").read_text("utf-8").replace("0.05, 0.1", "0.05, 0.11")
    Path("done/study.toml").write_text(text, "utf-8")
    seal(Path("done"))
    capsys.readouterr()
    assert call("study", "again", "done") == 1
    assert "points.csv, line" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore::sim.scenario.problems.UndefinedFigureWarning")
def test_exact_and_simulated_agree_and_so_do_workers(asked: Path) -> None:
    exact = sim.study(asked).points
    some = {"effort.engine": "simulated", "effort.replications": 2000}
    simulated = sim.study(asked, set=some)
    two = sim.study(asked, set=some, workers=2)
    pd.testing.assert_frame_equal(simulated.points, two.points, check_exact=True)
    keys = ["point", "endpoint", "time_years"]
    both = exact.merge(simulated.points, on=keys, suffixes=("", "_simulated"))
    assert len(both) > 100
    for name in (DEATHS, ALIVE):
        rows = both[both["endpoint"] == name]
        off = (rows["estimate_simulated"] - rows["estimate"]) / rows["mc_se_simulated"]
        assert (off.abs() < 4).all()  # 35 true comparisons: one in 500 such tests fails
        half = (rows["difference_upper_simulated"] - rows["difference_lower_simulated"]) / 2
        known = half > 0
        assert (
            (rows["difference_simulated"] - rows["difference"]).abs()[known] < 4 / Z95 * half[known]
        ).all()


def test_arms_are_compared_point_by_point(tmp_path: Path) -> None:
    path = tmp_path / "arms.toml"
    path.write_text(
        f'{ARMS}set = {{ "{WARD}" = 2.0 }}\n[[factor]]\nkey = "{FATAL}"\nvalues = [0.05, 0.2]\n', "utf-8",
    )  # fmt: skip
    points = sim.study(path).points
    deaths = points[points["endpoint"] == DEATHS].set_index([FATAL, "arm"])
    for fatality in (0.05, 0.2):
        one, other = deaths.loc[(fatality, "isolated")], deaths.loc[(fatality, "ward")]
        assert one["difference"] == 0
        assert one["reference"]
        assert other["difference"] == pytest.approx(other["estimate"] - one["estimate"], abs=1e-15)
        assert other["difference"] > 0


@pytest.mark.filterwarnings("ignore::sim.scenario.problems.UndefinedFigureWarning")
def test_three_arms_differ_from_the_first_all_at_once_and_an_arm_from_itself_by_nothing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "arms.toml"
    more = f'set = {{ "{WARD}" = 2.0 }}\n[[arm]]\nname = "isolated again"\n'
    path.write_text(ARMS + more, "utf-8")
    effort = {"effort.engine": "simulated", "effort.replications": 250}
    points = sim.study(path, set=effort).points.set_index(["arm", "endpoint"])
    ward, again = (points.loc[(name, DEATHS)] for name in ("ward", "isolated again"))
    assert again["difference"] == 0
    assert points.loc["isolated again", "difference"].fillna(0).eq(0).all()
    alone, both = (ward[f"{kind}_upper"] - ward[f"{kind}_lower"] for kind in ("difference", "all"))
    assert both == pytest.approx(alone * 2.2414027 / Z95, rel=1e-6)  # of two comparisons, 98.75% on each side


def test_what_is_uncertain_in_one_arm_is_drawn_there_alone(tmp_path: Path) -> None:
    path, value = tmp_path / "uncertain.toml", '{ dist = "lognormal", median = 1.13, sigma = 0.35 }'
    more = f'[[uncertain]]\nkey = "{WARD}"\nvalue = {value}\narm = "ward"\n[effort]\ndraws = 64\n'
    path.write_text(ARMS + more, "utf-8")
    found = sim.study(path)
    deaths = found.points[found.points["endpoint"] == DEATHS].set_index("arm")
    assert deaths.loc["isolated", "posterior_lower"] == deaths.loc["isolated", "posterior_upper"]
    assert deaths.loc["ward", "posterior_lower"] < deaths.loc["ward", "posterior_upper"]
    assert found.draws == len(found.tables["draws"]) == 64
    assert found.tables["draws"][WARD].median() == pytest.approx(1.13, rel=0.03)
    rows = found.tables["draw_results"]
    mean = rows[(rows["point"] == 2) & (rows["endpoint"] == DEATHS)]["mean"].mean()
    assert mean == pytest.approx(deaths.loc["ward", "estimate"], rel=1e-12)


def test_where_two_arms_are_alike_is_solved_for_in_every_draw(tmp_path: Path) -> None:
    hazard, path = "aplasia.infection.hazard_per_day", tmp_path / "alike.toml"
    more = (
        f'set = {{ "{WARD}" = 2.0 }}\n[[answer]]\nkind = "threshold"\nendpoint = "{ALIVE}@5"\narm = "ward"\n'
    )
    ends = f'as_in = "isolated"\nby = "{hazard}"\nlow = 0.001\nhigh = 0.1\n'
    path.write_text(f'{ARMS}{more}{ends}[effort]\nposterior = "chicago2006"\ndraws = 8\n', "utf-8")
    (found,) = sim.study(path).thresholds.to_dict("records")
    own = sim.get_value(sim.load_scenario("chicago2006").scenario, hazard)
    for name in ("value", "posterior_lower", "posterior_upper"):  # half the hazard at twice the risk
        assert found[name] == pytest.approx(own / 2, rel=1e-7)
    path.write_text(f'{ARMS}{more}by = "{hazard}"\n', "utf-8")
    with pytest.raises(sim.RequestError, match="give equals, or as_in"):
        sim.study(path)


def test_a_study_that_is_too_large_wants_a_word(asked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    some = ("--set", "effort.engine=simulated", "--set", "effort.replications=10000000")
    assert call("study", "run", "./asked.toml", *some) == 2
    assert "2,500,000,000 histories" in capsys.readouterr().err
    assert not Path("results").exists()
    assert call("study", "run", "./asked.toml", *some, "--dry-run") == 0
    assert "--yes" in capsys.readouterr().out
    assert asked.is_file()


def test_a_new_study_is_a_shipped_one_to_be_changed(asked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("study", "new", "isolation", "mine") == 0
    assert call("study", "check", "./mine.toml") == 0
    assert call("study", "new", "isolation", "mine") == 2
    assert call("study", "new", "isolaton") == 2
    assert "did you mean isolation?" in capsys.readouterr().err
    capsys.readouterr()
    assert call("study", "check", "isolation", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["points"], row["draws"], row["histories"], row["engine"]) == (7, 200, 0, "exact")
    assert asked.is_file()


@pytest.mark.filterwarnings("ignore::sim.scenario.problems.UndefinedFigureWarning")
def test_a_row_alone_is_the_row(asked: Path) -> None:
    some = {"effort.engine": "simulated", "effort.replications": 300}
    whole = sim.study(asked, set=some)
    assert whole.manifest["recomputed"] == {"point": 3, "equal": True}
    alone = sim.run(sim.with_values("chicago2006", {FATAL: 0.1, WARD: 2}), replications=300, engine="arrays")
    row = whole.points[whole.points["point"] == 5].reset_index(drop=True)
    shared = ["endpoint", "time_years", "estimate", "mc_se", "trial_lower", "trial_upper"]
    pd.testing.assert_frame_equal(row[shared], alone.endpoints[shared], check_exact=True)


def test_a_wide_table_has_a_row_a_point_in_per_cent(asked: Path) -> None:
    found = sim.study(asked)
    wide = found.tables["wide"].set_index("point")
    deaths = found.points[found.points["endpoint"] == DEATHS].set_index("point")
    assert wide["Treatment-related mortality (%)"].tolist() == pytest.approx(
        (100 * deaths["estimate"]).tolist()
    )
    assert len(wide) == 5


@pytest.mark.filterwarnings("ignore")
def test_a_folder_holds_all_that_it_takes_whatever_files_it_was_made_of(
    asked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("below.toml").write_text(
        'base = "chicago2006" # mine\ntitle = "below"\n[clinic]\nroom_turnaround_days = 2\n'
    )
    Path("mine.toml").write_text(
        'base = "./below.toml"\ntitle = "mine"\n[aplasia.duration_days]\nmean = 10\n'
    )
    posterior = locate_posterior("chicago2006")
    Path("p.csv").write_bytes(posterior.read_bytes())
    drawn = ("--posterior", "./p.csv", "--draws", "3", "--figures", "none", "--replications", "20")
    some = ("--vary", "relapse.shape=0.5,0.7", "--set", "cohort.patients=20")
    assert call("sweep", "./mine.toml", *some, *drawn, "--out", "elsewhere/swept") == 0
    text = ARMS.replace("chicago2006", "./mine.toml").replace(
        '"ward"\n', '"ward"\nscenario = "./below.toml"\n'
    )
    asked.write_text(text + '[effort]\nposterior = "./p.csv"\ndraws = 3\n', "utf-8")
    assert call("study", "run", "./asked.toml", "--out", "elsewhere/arms", "--figures", "none") == 0
    for name in ("mine.toml", "below.toml", "p.csv"):
        Path(name).unlink()
    for name in ("swept", "arms"):
        capsys.readouterr()
        assert call("study", "again", f"elsewhere/{name}") == 0, capsys.readouterr().out
