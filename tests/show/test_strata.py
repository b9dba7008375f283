"""What is said and drawn of strata: everybody first, what acts on strata at all, and who is in none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from matplotlib.figure import Figure

import sim
from sim.show.plots import draw
from sim.show.strata import grid, sentences_of
from sim.work.results import Results

Words = Callable[[Figure], str]
HOW: dict[str, Any] = {"replications": 200, "out": None, "set": {"cohort.patients": 20}}

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def ran() -> Results:
    """Return a run with bands of age that leave somebody out."""
    return sim.run("chicago2006", by=["age=20-30,41+", "sex"], **HOW)


@pytest.fixture(scope="module")
def compared() -> Results:
    """Return a comparison of three scenarios by sex."""
    return sim.compare("chicago2006", "no_isolation", "no_transplant", by="sex", **HOW)


def test_the_table_begins_with_everybody_and_tells_how_many_there_are(ran: Results) -> None:
    told = grid(ran)
    assert [row[0] for row in told.rows] == ["everybody", "age 20-30", "age 41+", "female", "male"]
    assert told.rows[0][1:3] == ("20.0", "4,000")
    assert int(told.rows[3][2].replace(",", "")) + int(told.rows[4][2].replace(",", "")) == 4000
    assert all("%" in cell for row in told.rows for cell in row[3:])


def test_who_is_in_no_band_is_told_and_what_acts_on_strata(ran: Results) -> None:
    table = ran.tables["strata"].drop_duplicates("stratum").set_index("stratum")["patients"]
    share = 1 - (table["20-30"] + table["41+"]) / table["everybody"]
    text = " ".join(sentences_of(ran))
    assert f" {100 * share:.0f}% of patients are in no band" in text
    assert "Age and sex act through everyday deaths only" in text
    assert text.startswith("Overall survival of all enrolled at 5\N{NO-BREAK SPACE}years is ")
    still = sim.run("chicago2006", by="age=0+", **{**HOW, "set": {"background.life_table": "none"}})
    text = " ".join(sentences_of(still))
    assert "all differences between strata are chance" in text
    assert "in no band" not in text


def test_a_comparison_tells_the_difference_of_each_stratum_of_each_scenario(compared: Results) -> None:
    told = grid(compared)
    assert [row[:2] for row in told.rows] == [
        (name, stratum)
        for name in ("chicago2006", "no_isolation", "no_transplant")
        for stratum in ("everybody", "female", "male")
    ]
    assert not any(
        "\n" in cell for row in told.rows[:3] for cell in row
    )  # the reference differs from nothing
    assert all("\n" in row[4] for row in told.rows[3:])
    text = sentences_of(compared)
    assert text[0].startswith("With aplasia.infection.ward_relative_risk = 1.67 in no_isolation, overall ")
    assert "differs with no_transplant by" in text[1]


def test_forest_plots_have_everybody_first(ran: Results, compared: Results, words: Words) -> None:
    ((_, figure, _),) = draw(ran, "strata")
    axes = figure.axes[1]
    values = [float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() == "o"]  # type: ignore[index, arg-type]
    table = ran.tables["strata"]
    at = table[(table["endpoint"] == "overall_survival_enrolled") & (table["time_years"] == 5.0)]
    assert values == at["estimate"].tolist()
    assert "what 95% of single trials would report of so few patients" in words(figure)
    drawn = {each.name: each.figure for each in draw(compared, "strata")}
    assert list(drawn) == ["strata_no_isolation", "strata_no_transplant"]
    assert "paired difference of each stratum" in words(drawn["strata_no_transplant"])
