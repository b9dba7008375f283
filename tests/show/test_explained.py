"""What people are told of a gap: its parts, what is assumed, what chance leaves open, and who dies."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from matplotlib.text import Text

import sim
from sim.cli import run
from sim.scenario.problems import RequestError
from sim.show import explained, studied
from sim.show.figures.explained import of_results
from sim.work.results import Results

WORSE = {"aplasia.infection.case_fatality": 0.4, "aplasia.infection.ward_relative_risk": 3.0}


@pytest.fixture(scope="module")
def europe(tmp_path_factory: pytest.TempPathFactory) -> Results:
    with pytest.warns(sim.scenario.problems.TypedWarning):
        return sim.study("europe_or_chicago", out=tmp_path_factory.mktemp("explained") / "europe")


@pytest.fixture(scope="module")
def worse() -> Results:
    other = sim.with_values("chicago2006", {**WORSE, "immunoablation.toxicity_per_day": 0.004})
    return sim.compare("chicago2006", other, explain=True, replications=200)


def numbers(sentence: str) -> list[float]:
    return [float(each.replace("\N{MINUS SIGN}", "-")) for each in re.findall(r"[+\u2212]\d+\.\d", sentence)]


def test_the_parts_that_are_told_add_up_to_the_gap(europe: Results) -> None:
    said = [each for each in explained.found_sentences(europe) if each.startswith("Treatment-related")]
    assert len(said) == 3
    for sentence in said:
        gap, *parts = numbers(sentence)
        assert gap == 11.2
        assert sum(parts) == pytest.approx(gap, abs=0.11)  # four figures, each rounded to 0.1


def test_what_is_assumed_and_what_chance_leaves_open_is_said(europe: Results) -> None:
    text = " ".join(explained.found_sentences(europe))
    for words in (
        "explains the files and not the hospitals",
        "late_infection.hazard_per_day",
        "(assumption: 2 of the 7 procedure-related deaths)",
        "how patients are counted, and no treatment",
        "1 of 50 (0.1 to 10.6%)",
        "7 of 53 (5.5 to 25.3%)",
        "+11.2 (+0.4 to +23.0) points (95%, Newcombe)",
    ):
        assert words in text
    assert "significant" not in text


def test_the_figure_tells_all_three_splits(europe: Results) -> None:
    figure = of_results(europe)
    assert figure is not None
    texts = [" ".join(each.get_text().split()) for each in figure.findobj(Text)]
    for words in ("+8.1", "+4.5", "+11.6", "under 0.1", "13.2% 7 of 53", "2.0% 1 of 50"):
        assert words in texts
    assert any("+0.4 to +23.0" in each for each in texts)
    assert len(figure.axes) == 4


def test_the_page_has_the_differences_and_the_terminal_too(europe: Results) -> None:
    assert europe.folder is not None
    page = (europe.folder / "report.html").read_text("utf-8")
    order = [page.index(words) for words in ("In what the files differ", "What the gap comes with</caption>")]
    assert order == sorted(order)
    (answer,) = studied.answers(europe)
    assert [grid.title for grid in answer.before] == ["In what the files differ"]
    stages = [row[0] for row in answer.before[0].rows]
    assert stages == sorted(stages, key=stages.index)
    assert stages.count("accrual and follow-up") == 4
    assert not [row for row in answer.grids[0].rows if row[2] in ("0.0", "-0.0", "\N{MINUS SIGN}0.0")]


def test_a_comparison_tells_why_and_who(worse: Results) -> None:
    table, named = worse.tables["explained"], worse.tables["explained_patients"]
    assert list(table["group"]) == ["immunoablation", "aplasia and its infections"]
    text = " ".join(explained.found_sentences(worse))
    assert "In virtual trial 1, with chicago2006 (" in text
    for who, rows in named.groupby("patient"):
        assert abs(rows["part"].sum()) == pytest.approx(1, abs=1e-15)
        assert str(who) in text
    assert "all of it aplasia and its infections" in text
    assert of_results(worse) is not None


def test_two_alike_explain_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = sim.compare("chicago2006", "chicago2006", explain="overall_survival_enrolled@5", replications=200)
    assert "there is nothing to explain" in explained.finding(found)
    assert of_results(found) is None


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--explain=mortality"], ["--explain", "mortality", "unknown endpoint"]),
        (["--explain=overall_survival_enrolled@50"], ["--explain", "is read as"]),
    ],
)
def test_what_can_not_be_explained_is_refused(
    more: list[str], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compare", "chicago2006", "no_isolation", *more]) == 2
    error = capsys.readouterr().err
    assert all(words in error for words in said)


def test_a_scenario_after_explain_is_told_where_to_write_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", "--explain", "chicago2006", "no_isolation"]) == 2
    assert "Write --explain last" in capsys.readouterr().err


def test_groups_of_a_file_are_checked_before_anything_is_simulated() -> None:
    asked = [
        {"kind": "explain", "endpoint": "treatment_related_mortality", "groups": {"a": ["relapse.shap"]}}
    ]
    with pytest.raises(RequestError, match=r"\[\[answer\]\] explain: .*did you mean relapse\.shape"):
        sim.study("europe_or_chicago", set={"answer": asked})
