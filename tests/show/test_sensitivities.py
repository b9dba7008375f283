"""What is told of a sensitivity: on what a figure hangs, below the floor nothing, and what is held."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from matplotlib.text import Text

import sim
from sim.scenario.study_file import checked_study, study_text
from sim.show import sensitivities, studied
from sim.show.figures import indices


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
