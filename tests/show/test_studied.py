"""What is told of a study beside its figures: above all, what its intervals leave out."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.text import Text

import sim
from sim.scenario.endpoints import BY_NAME
from sim.scenario.study_file import checked_study, study_text
from sim.show import capacities, studied, swept, swings
from sim.show.figures import sampled
from sim.show.kit import posterior_words
from sim.work.results import Results

LEFT_OUT = "What is not known about the values that are not varied is in none of these figures"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("draws", "held"),
    [
        ({"effort.posterior": ""}, None),
        ({"effort.draws": 2}, {"mobilisation.infection.case_fatality", "aplasia.infection.case_fatality"}),
    ],
    ids=["calibrated values alone", "draws"],
)
def test_what_the_intervals_leave_out_is_told(
    draws: dict[str, object], held: set[str] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = studied.how(sim.study("centre_experience", set=draws))
    never = [each for each in said if each.startswith("Never drawn")]
    assert any(LEFT_OUT in each for each in said) is (held is None)
    assert len(never) == (held is not None)
    assert all(key in never[0] for key in held or ())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "apart", "exact"),
    [("europe_or_chicago", True, True), ("now_or_later", False, False)],
    ids=["other people, exact", "the same people, drawn"],
)
def test_a_figure_of_arms_tells_what_its_differences_are(
    name: str, apart: bool, exact: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    few = {} if exact else {"effort.draws": 2, "answer": []}
    figure = sampled.arms(sim.study(name, set=few))
    assert figure is not None
    words = " ".join(" ".join(text.get_text().split()) for text in figure.findobj(Text))
    assert ("Not every point is an alternative to the reference" in words) is apart
    assert ("told by the exact twin" in words) is exact
    assert ("with its paired 95%" in words) is not exact


@pytest.mark.filterwarnings("ignore")
def test_every_arm_is_told_and_what_goes_most_with_a_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    keys = ("aplasia.infection.case_fatality", "active_disease.hazard_per_year")
    arms = [{"name": f"hazard {each}", "set": {keys[1]: each}} for each in (0.15, 0.2, 0.3)]
    drawn = {
        "design": {"kind": "latin_hypercube", "points": 32},
        "factor": [
            {"key": keys[0], "low": 0.0, "high": 0.2},
            {"key": keys[1], "low": 0.01, "high": 0.4},
        ],
    }
    said = []
    for name, tables in (("arms", {"arm": arms}), ("drawn", drawn)):
        study = checked_study({"title": "t", "base": "chicago2006", **tables})
        Path(f"{name}.toml").write_text(study_text(study), "utf-8")
        found = sim.study(f"./{name}.toml")
        said.append(swept.found_sentences(found, [("overall_survival_enrolled", 5.0)])[0])
    assert "hazard 0.2 \N{MINUS SIGN}" in said[0]
    assert "hazard 0.3 \N{MINUS SIGN}" in said[0]
    assert "active disease hazard" in said[1]
    assert "(rank correlation \N{MINUS SIGN}" in said[1]


def test_where_ranks_say_little_there_is_no_correlation() -> None:
    table = pd.DataFrame({"a": [1, 2, 3, 4], "b": ["x", "y", "x", "y"], "estimate": [8.0, 4.0, 2.0, 1.0]})
    assert swept.rank_correlation(table, "a") == -1.0
    assert math.isnan(swept.rank_correlation(table, "b"))
    assert swept.rank_correlation(table.assign(a=[1, 2, 4, 3]), "a") == pytest.approx(-0.8)  # 1 - 6 x 2 / 60


@pytest.mark.parametrize(
    ("changes", "still"),
    [((4e-5, -4e-5), True), ((0.0, 0.0), True), ((6e-5, 0.0), False), ((math.nan, math.nan), False)],
)
def test_a_share_that_moves_by_no_digit_is_said_not_to_move(
    changes: tuple[float, float], still: bool
) -> None:
    low, high = ((each, each, each) for each in changes)
    swing = swings.Swing("relapse.shape", "held", "", "", 0.3, 0.9, "", 0.0, (low, high))
    assert swings.is_still(BY_NAME["treatment_related_mortality"], swing) is still
    simulated = swing._replace(changes=(low, (0.0, -1e-3, 1e-3)))  # an interval is something to tell
    assert not swings.is_still(BY_NAME["treatment_related_mortality"], simulated)


@pytest.mark.filterwarnings("ignore")
def test_what_is_drawn_as_assumed_alone_is_called_no_posterior(tmp_path: Path) -> None:
    risk = "aplasia.infection.ward_relative_risk"
    drawn = {"dist": "lognormal", "median": 1.13, "sigma": 0.35}
    asked = {
        "kind": "study", "title": "Ward", "base": "chicago2006",
        "arm": [{"name": "isolation"}, {"name": "ward"}],
        "uncertain": [{"key": risk, "value": drawn, "arm": "ward"}],
        "effort": {"draws": 64},
    }  # fmt: skip
    path = tmp_path / "ward.toml"
    path.write_text(study_text(checked_study(asked)), "utf-8")
    results = sim.study(path, out=tmp_path / "out", figures="none")
    (said,) = posterior_words.scope(results.manifest)
    assert said.startswith('No posterior of a calibration is drawn: "posterior 95%" is here what')
    assert f"the study assumes about {risk}, and nothing else" in said
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "joint posterior" not in page
    assert "Reproduces Burt" not in page  # of a question, and of a ward that Chicago had not
    assert "more or less for all that is known" in page


@pytest.mark.filterwarnings("ignore")
def test_arms_that_name_their_scenarios_need_no_base(tmp_path: Path) -> None:
    path = tmp_path / "two.toml"
    arms = [{"name": "Chicago", "scenario": "chicago2006"}, {"name": "Europe", "scenario": "ebmt2004"}]
    path.write_text(study_text(checked_study({"kind": "study", "title": "Two", "arm": arms})), "utf-8")
    found = sim.study(path, out=None).points
    mortality = found[found["endpoint"] == "treatment_related_mortality"]["estimate"]
    assert mortality.tolist() == pytest.approx([0.02, 7 / 53], abs=1e-6)


def test_a_capacity_that_is_decided_everywhere_is_told_from_its_files(tmp_path: Path) -> None:
    """Where every status is a number, a file gives numbers back."""
    fewest = pd.DataFrame({
        "phase": ["as it opens"] * 2 + ["settled"] * 2,
        "criterion": ["on average", "in nine of ten clinics"] * 2,
        "smallest": [5.0] * 4, "status": [5, 5, 5, 6],
    })  # fmt: skip
    looked = pd.DataFrame({"phase": ["as it opens"], "places": [5], "averted": [math.nan]})
    ask = {"endpoint": "waited_over_30_days", "at_most": 0.05, "by": "clinic.isolation_rooms", "over": {}}
    results = Results({"capacity": ask}, {"smallest": fewest, "capacity": looked})
    (said,) = capacities.found_sentences(results)
    assert "takes 5 rooms" in said
    assert "6 in nine of ten clinics" in said
