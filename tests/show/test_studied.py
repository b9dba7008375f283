"""What is told of a study beside its figures: above all, what its intervals leave out."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.text import Text

import sim
from sim.scenario.endpoints import BY_NAME
from sim.scenario.study_file import checked_study, study_text
from sim.show import sensitivities, studied, swept, swings
from sim.show.figures import indices, sampled

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
@pytest.mark.parametrize("drawn", [False, True], ids=["independent", "posterior"])
def test_on_what_it_hangs_is_told_with_what_is_held(
    drawn: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer: dict[str, object] = {"kind": "sensitivity", "endpoint": "overall_survival_enrolled@5"}
    own = {"effort": {"posterior": "chicago2006", "draws": 64}} if drawn else {}
    tree = {
        "title": "t",
        "base": "chicago2006",
        "answer": [answer if drawn else {**answer, "points": 64}],
        **own,
    }
    Path("s.toml").write_text(study_text(checked_study(tree)), "utf-8")
    found = sim.study("./s.toml")
    (told,) = studied.answers(found)
    text = " ".join(told.sentences)
    assert text.startswith("Of what is not known about overall survival, all enrolled at 5")
    assert re.search(r"\d+% \(\d+ to \d+%\) hangs on active disease hazard per year", text)
    assert ("jointly from the posterior" in text) is drawn
    assert f"in none of these shares: {len(told.folded[0].rows)} values" in text
    cells = {row[0]: row[1] for row in told.grids[0].rows}
    assert cells["dummy"].startswith("< ")
    # What 1 in 250 dies of is not told from noise by so few.
    assert cells["aplasia.infection.case_fatality"] == cells["dummy"]
    figure = indices.of_study(found)
    assert figure is not None
    words = [" ".join(each.get_text().split()) for each in figure.findobj(Text)]
    assert " ".join(told.sentences[0].split()) in words


@pytest.mark.parametrize(
    ("share", "floor", "text"),
    [
        ((0.59, 0.53, 0.65), 0.06, "59% (53 to 65%)"),
        ((0.03, -0.01, 0.07), 0.0601, "< 7%"),
        ((0.03, -0.01, 0.07), 0.02, "3% (0 to 7%)"),
        ((0.003, 0.0004, 0.006), 0.0, "0.30% (0.04 to 0.60%)"),
        ((0.0004, 0.0, 0.001), 0.00214, "< 0.3%"),
        ((math.nan,) * 3, 0.06, ""),
    ],
)
def test_a_share_is_written_with_its_interval_or_as_below_the_floor(
    share: tuple[float, float, float], floor: float, text: str
) -> None:
    assert sensitivities.share_text(share, floor) == text
