"""What is told of trials of two arms: in words that a physician can act on, and in pictures."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from matplotlib.text import Text

import sim
from sim.commands.study_tools import again, check
from sim.show import powers, trial_worth
from sim.show.figures import power as figures
from sim.show.figures import value_of_trial
from sim.work.results import Results

STUDY = """
kind = "study"
title = "Would anybody have noticed?"
base = "chicago2006"
[[arm]]
name = "ward"
[[arm]]
name = "isolation"
{changed}
[[answer]]
kind = "power"
trials = 500
patients = [400, 50, 50]
"""
WORSE = 'set = { "mobilisation.infection.case_fatality" = 0.6 }'
DRAWN = """
[[uncertain]]
key = "mobilisation.infection.case_fatality"
value = { dist = "lognormal", median = 0.06, sigma = 0.5, high = 1.0 }
arm = "isolation"
source = "made up"
[effort]
draws = 50
"""


def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str = "", more: str = "") -> Results:
    monkeypatch.chdir(tmp_path)
    Path("s.toml").write_text(STUDY.format(changed=changed) + more, "utf-8")
    return sim.study("./s.toml", out="found", figures="none")


@pytest.mark.filterwarnings("ignore")
def test_arms_that_do_not_differ_have_no_wrong_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = told(tmp_path, monkeypatch)
    said = " ".join(powers.found_sentences(results))
    assert "about as often as by chance alone (5%)" in said
    assert "In the model, isolation and ward do not differ: no way is the wrong one." in said
    assert "would have pointed" not in said
    assert "are needed" not in said
    assert [row[4] for row in powers.table(results).rows] == [""] * 6  # two sizes, each once
    assert again("found") == []
    assert check("./s.toml")["of_answers"] == 500 * 2 * 400


@pytest.mark.filterwarnings("ignore")
def test_a_large_difference_is_noticed_from_a_size_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = told(tmp_path, monkeypatch, WORSE)
    said = " ".join(powers.found_sentences(results))
    first = powers.found_sentences(results)[0]
    assert first.startswith("Had isolation been tested against ward in a trial of 400 patients in each arm, ")
    assert "chance alone" not in said
    assert "in treatment-related deaths (Fisher's exact test) from 400 on" in said
    assert "By the normal approximation it takes about" in said
    assert "by the exact twin. That is the right way." in said
    assert "Nothing is drawn" in said
    figure = figures.of_study(results)
    assert figure is not None
    words = [text.get_text() for text in figure.findobj(Text)]
    assert "isolation against ward" in words
    assert "trials that point the wrong way" in words


@pytest.mark.filterwarnings("ignore")
def test_under_draws_it_is_an_average_over_what_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = told(tmp_path, monkeypatch, more=DRAWN)
    said = " ".join(powers.found_sentences(results))
    assert "Each trial is under one of 50 draws: these are averages over what is drawn (assurance)" in said
    assert "The right way is that of each draw" in said
    assert "would have pointed the wrong way" in said


@pytest.mark.parametrize(
    ("lower", "begins"),
    [
        (0.2, "gains 0.4 (0.2 to 0.6) lives per 100 enrolled, 50% of"),
        (0.0, "gains less than 0.6 lives per 100 enrolled, and perhaps"),
    ],
)
def test_what_a_further_trial_is_worth_is_told_beside_knowing_all(lower: float, begins: str) -> None:
    rows = [("evpi", None, 0.8, 0.7, 0.9), ("trial", 100.0, 0.4, lower, 0.6), ("trial", 50.0, 0.1, 0.0, 0.3)]
    table = pd.DataFrame(rows, columns=["what", "patients", "value", "lower", "upper"])
    asked = {"endpoint": "overall_survival_enrolled@5", "unit": "per 100"}
    resolved = sim.load_scenario("chicago2006").scenario.model_dump(exclude_none=True)
    results = Results(
        {"value_of_information": asked, "resolved": resolved, "scenario": "chicago2006"}, {"value": table}
    )
    (said,) = trial_worth.found_sentences(results)
    assert f"To decide after a further trial of 100 patients in each arm {begins}" in said
    assert ("50% of what it is worth to know all that is drawn" in said) is (lower > 0)
    figure = value_of_trial.of_study(results)
    assert figure is not None
    assert figure.axes[0].get_ylabel() == "worth, lives per 100 enrolled"
    one = Results(results.manifest, {"value": table.iloc[:2]})
    assert value_of_trial.of_study(one) is None  # one size is no line
