"""What is told of a study beside its figures: above all, what its intervals leave out."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.text import Text

import sim
from sim.show import studied
from sim.show.figures import sampled

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
