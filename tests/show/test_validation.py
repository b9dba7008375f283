"""A validation for people: what the forest plot draws and marks, and the words of misses and tallies."""

from __future__ import annotations

import math
from copy import copy
from typing import Any

import pandas as pd
import pytest
from matplotlib.axes import Axes

from sim.scenario.cohort import load_cohorts
from sim.show.figures.validation import figure_data, validation_figure
from sim.show.validation import Line, curve_sentences, finding, lines, misses, tally_sentences
from sim.study.budget import Budget
from sim.study.validate import CoveredCount, Validation, validate

NAN = math.nan


def replace(line: Line, **changes: Any) -> Line:
    """Return a line with other members."""
    changed = copy(line)
    vars(changed).update(changes)
    return changed


@pytest.fixture(scope="module")
def found() -> Validation:
    cohorts = load_cohorts(["leng2017", "burt2006", "cibmtr2012"])
    return validate(cohorts, Budget(300, 1, 0, engine="arrays"))


TITLES = {"leng2017": "Leng: ten years", "burt2006": "Burt: fitted", "cibmtr2012": "CIBMTR: all"}


def texts(axes: list[Axes]) -> list[str]:
    return [text.get_text() for axis in axes for text in axis.texts]


def test_the_forest_plot_draws_every_row_and_marks_what_is_missed(found: Validation) -> None:
    figure = validation_figure(found.table, found.predicted, found.apart, TITLES)
    words, forest = figure.axes[2:4]
    assert len(forest.patches) == len(found.table)
    bars = sorted((bar.get_x(), bar.get_x() + bar.get_width()) for bar in forest.patches)
    expected = sorted(zip(found.table["lower"], found.table["upper"], strict=True))
    assert [each for bar in bars for each in bar] == pytest.approx([e for each in expected for e in each])
    missed = found.table[~found.table["covered"] & (found.table["role"] != "fitted")]
    assert len(missed) >= 2
    assert sum("MISSED" in text for text in texts([words])) == len(missed)
    rings = [line for line in forest.lines if line.get_marker() == "o" and line.get_markersize() > 10]
    assert sorted(ring.get_xdata()[0] for ring in rings) == sorted(missed["observed"])
    # Told apart by shape and filling, in black: no colour is needed.
    kinds = {(line.get_marker(), line.get_markerfacecolor()) for line in forest.lines}
    assert {marker for marker, _ in kinds} >= {"D", "s", "o"}
    assert len({fill for marker, fill in kinds if marker == "D"}) == 2


def test_the_title_is_the_finding_and_names_what_is_missed(found: Validation) -> None:
    figure = validation_figure(found.table, found.predicted, found.apart, TITLES)
    title = " ".join(figure.get_suptitle().split())
    predicted = found.predicted
    assert title.startswith(f"{predicted.covered} of {predicted.figures} figures that were not fitted lie in")
    assert title.endswith("; missed: Leng, CIBMTR")
    said = " ".join(" ".join(text.get_text().split()) for text in figure.texts)
    assert "too narrow" in said
    for sentence in misses(lines(found.table)):
        assert sentence in said


def test_what_is_drawn_is_in_its_table(found: Validation) -> None:
    data = figure_data(found.table)
    assert len(data) == len(found.table)
    for name in data.columns:
        assert data[name].equals(found.table[name]), name
    table = found.table.copy()
    table.loc[0, "endpoint"], table.loc[0, "time_years"] = "mean_follow_up", NAN
    assert len(figure_data(table)) == len(table) - 1


def test_a_mean_is_told_and_not_drawn(found: Validation) -> None:
    table = found.table.head(1).copy()
    table["endpoint"], table["time_years"] = "mean_follow_up", NAN
    figure = validation_figure(table, found.predicted, found.apart, TITLES)
    assert not figure.axes
    assert any("Mean follow-up" in text.get_text() for text in figure.texts)


def test_a_miss_says_by_what_and_what_differs(found: Validation) -> None:
    row = replace(lines(found.table)[1], base="chicago2006", observed=0.86, interval=(0.42, 0.83))
    row = replace(row, covered=False, note="above", differs="the city")
    assert row.miss == (
        "leng2017 misses overall survival, reinfused, 10 y: observed 86%, above the 42 to 83% that 95% of "
        "such cohorts would report with chicago2006. What differs: the city."
    )
    assert replace(row, differs="").miss.endswith("What differs is not stated in its file.")
    assert misses([row, replace(row, covered=True), replace(row, role="fitted")]) == [row.miss]
    assert replace(row, covered=None).verdict == "nobody at risk"
    assert replace(row, role="fitted").verdict == "no"


def test_the_tally_in_words() -> None:
    tally = CoveredCount(23, 20, (19, 23), 22.3, (20.0, 23.0))
    apart = CoveredCount(4, 2, (3, 4), NAN, (NAN, NAN))
    first, second = tally_sentences(tally, apart)
    assert first.startswith(
        "20 of 23 figures that were not fitted lie in their 95% predictive interval; "
        "of the 4 that share nothing with the fit, 2."
    )
    assert "21.8 would (95%), and 19 to 23" in first
    assert "it is 22.3 and 20 to 23" in first
    assert second.startswith("Of these figures 4 share nothing with the data")
    assert "3.8 would" in second
    assert "virtual" not in second
    nothing = CoveredCount(0, 0, (0, 0), 0.0, (0.0, 0.0))
    assert tally_sentences(nothing, nothing) == [
        "Nothing is predicted here: every figure was fitted, or nobody is at risk."
    ]
    assert tally_sentences(tally, nothing)[1].startswith("Each of these figures shares something")
    assert finding(CoveredCount(1, 0, (0, 1), 1.0, (1.0, 1.0)), apart).endswith(
        "lies outside its 95% predictive interval"
    )


def test_rows_read_back_from_the_file_say_the_same(
    found: Validation, tmp_path: pytest.TempPathFactory
) -> None:
    path = f"{tmp_path}/table.csv"
    found.table.to_csv(path, index=False)
    kinds = {"covered": "boolean", "n": "Int64"}
    again = pd.read_csv(path, dtype=kinds, keep_default_na=False, na_values={"n": "", "time_years": "",
                        "observed_lower": "", "observed_upper": ""})  # fmt: skip
    assert [line.observed_text for line in lines(again)] == [
        line.observed_text for line in lines(found.table)
    ]
    assert [line.miss for line in lines(again)] == [line.miss for line in lines(found.table)]


def test_points_of_one_curve_are_said_to_be_one_curve(found: Validation) -> None:
    row = lines(found.table)[0]
    years = (0.5, 1.0, 2.0)
    curve = [
        replace(row, cohort="one", key=("in_remission", t), covered=True, role="overlaps") for t in years
    ]
    other = replace(row, cohort="two", key=("overall_survival", 5.0), covered=True, role="overlaps")
    (said,) = curve_sentences(
        [*curve, other, replace(curve[0], role="fitted"), replace(other, covered=False)]
    )
    assert said.startswith("3 of the 4 covered are one curve, in remission in one at 3 times")
    assert curve_sentences([curve[0], other]) == []
