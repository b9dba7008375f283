from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from sim.scenario.schema import Scenario
from sim.show.figures.targets import calibration_figure

Build = Callable[..., Scenario]
Words = Callable[[Figure], str]
# Exact 95% intervals of 1/50 and 2/50, from the tables of the published evidence (0.1-10.6%, 0.5-13.7%).
ONE_OF_50, TWO_OF_50 = (0.000506, 0.106470), (0.004881, 0.137138)


def panels(figure: Figure) -> tuple[Axes, Axes]:
    """Return the axes of the low and of the other shares."""
    low, high = (axes for axes in figure.axes if axes.axison and axes.get_xlim()[0] == 0)
    return low, high


def intervals(axes: Axes) -> list[tuple[float, float]]:
    """Return the intervals drawn as lines in ink: the published ones."""
    lines = [line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_color() == "#1b1b1f"]
    return [tuple(line.get_xdata()) for line in lines]


def test_counts_of_the_enrolled_have_exact_intervals_and_kaplan_meier_figures_none(
    endpoints: pd.DataFrame, scenario: Build, words: Words
) -> None:
    figure = calibration_figure(endpoints, scenario())
    low, high = panels(figure)
    assert np.allclose(sorted(intervals(low)), sorted([ONE_OF_50, TWO_OF_50]), atol=1e-6)
    assert intervals(high) == []
    text = words(figure)
    assert "Overall survival, reinfused, 5 y; Disease-free survival, 5 y: interval not published." in text
    assert "1 of 50 enrolled (B08)" in text
    assert "Kaplan-Meier, 48 patients (B10)" in text


def test_a_count_says_of_whom_it_is(scenario: Build, words: Words, endpoints: pd.DataFrame) -> None:
    remission = {
        "endpoint": "in_remission",
        "time_years": 0.5,
        "value": 0.66,
        "n": 50,
        "source": "J09 (33 of 50)",
    }
    death = {"endpoint": "deaths_by_data_cut", "value": 12 / 53, "n": 53, "source": "J12"}
    table = endpoints.assign(target=np.nan, target_source="")
    for target in (remission, death):
        at = (table["endpoint"] == target["endpoint"]) & (
            table["time_years"].isna() if "time_years" not in target else table["time_years"] == 0.5
        )
        table.loc[at, ["target", "target_source"]] = [target["value"], target["source"]]
    text = words(calibration_figure(table, scenario(target=(remission, death))))
    assert "33 of 50 patients; J09 (33 of 50)" in text  # 53 were reinfused: 50 could be assessed
    assert "12 of 53 enrolled (J12)" in text


def shown_numbers(axes: Axes) -> list[Bbox]:
    """Return where the numbers of the horizontal scale are drawn."""
    low, high = axes.get_xlim()
    ticks = [tick for tick in axes.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    return [tick.label1.get_window_extent() for tick in ticks]


def test_the_numbers_of_neighbouring_scales_keep_apart(endpoints: pd.DataFrame, scenario: Build) -> None:
    figure = calibration_figure(endpoints, scenario())
    FigureCanvasAgg(figure).draw()
    scales = [shown_numbers(axes) for axes in figure.axes if axes.axison]
    labels = [box for boxes in scales for box in boxes]
    assert len(scales) == 4
    assert len(labels) > 12
    for number, one in enumerate(labels):
        for other in labels[number + 1 :]:
            assert not Bbox.intersection(one.padded(4), other)


def test_low_shares_have_their_own_scale(endpoints: pd.DataFrame, scenario: Build) -> None:
    low, high = panels(calibration_figure(endpoints, scenario()))
    assert 0.137 < low.get_xlim()[1] < 0.2
    assert high.get_xlim()[1] == 1.0
    assert (low.get_ylim(), high.get_ylim()) == ((2.5, -0.5), (1.5, -0.5))


def test_an_assumed_target_is_marked_as_assumed(
    endpoints: pd.DataFrame, scenario: Build, words: Words
) -> None:
    figure = calibration_figure(endpoints, scenario())
    assert words(figure).count("assumed, not published") == 1
    low, _ = panels(figure)
    fills = {
        line.get_xdata()[0]: line.get_markerfacecolor() for line in low.lines if line.get_marker() == "D"
    }
    assert fills == {0.02: "#1b1b1f", 0.04: "#1b1b1f", 0.005: "white"}


def test_marks_and_differences_lie_at_the_figures(endpoints: pd.DataFrame, scenario: Build) -> None:
    figure = calibration_figure(endpoints, scenario())
    _, high = panels(figure)
    estimates = [line.get_xdata()[0] for line in high.lines if line.get_marker() == "o"]
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in high.patches]
    assert estimates == [0.8426, 0.5111]
    assert np.allclose(bars, [(0.584, 0.981), (0.21, 0.76)])
    differences = [axes for axes in figure.axes if axes.axison and axes.get_xlim()[0] < 0]
    dots = [line.get_xdata()[0] for axes in differences for line in axes.lines if line.get_marker() == "o"]
    assert np.allclose(dots, [0.00052, -0.0004, -0.0009, 0.0026, 0.0111])
    assert {text.get_text() for axes in differences for text in axes.texts} >= {"+1.1", "\N{MINUS SIGN}0.1"}


def test_the_title_counts_the_targets_met(endpoints: pd.DataFrame, scenario: Build) -> None:
    def title(table: pd.DataFrame) -> str:
        return " ".join(calibration_figure(table, scenario()).get_suptitle().split())

    disease_free = (endpoints["endpoint"] == "disease_free_survival") & endpoints["target"].notna()
    met = endpoints.assign(target=endpoints["target"].mask(disease_free, 0.51))
    assert title(endpoints) == (
        "5 of 6 figures solved for come out as printed; "
        "farthest off: disease-free survival at 5 years, +1.1 points"
    )
    assert title(met) == "All 6 figures solved for come out as printed"
    follow_up = met.assign(target=met["target"].mask(met["endpoint"] == "mean_follow_up", 3.0))
    assert title(follow_up) == ("5 of 6 figures solved for come out as printed; not met: Mean follow-up")
    assert title(met[met["endpoint"] == "treatment_related_mortality"]) == (
        "1 of 1 figures solved for come out as printed"
    )


def test_what_was_never_fitted_is_counted_apart(
    endpoints: pd.DataFrame, scenario: Build, words: Words
) -> None:
    follow_up = endpoints["endpoint"] == "mean_follow_up"
    told = endpoints.assign(
        target=endpoints["target"].mask(follow_up, 3.0), note=endpoints["note"].mask(follow_up, "not_fitted")
    )
    text = words(calibration_figure(told, scenario()))
    assert "4 of 5 figures solved for" in " ".join(text.split())
    assert "Mean follow-up: published 3 years, simulated 2.43 years, never fitted" in text


def test_a_question_is_never_called_published(endpoints: pd.DataFrame, scenario: Build, words: Words) -> None:
    mortality = endpoints["endpoint"] == "treatment_related_mortality"
    asked = endpoints.assign(
        target=endpoints["target"].mask(mortality, 0.13),
        target_source=endpoints["target_source"].mask(mortality, "question"),
    )
    target = {"endpoint": "treatment_related_mortality", "value": 0.13, "n": 50, "source": "question"}
    text = words(calibration_figure(asked, scenario(target=(target,))))
    assert "targeted, not published" in text
    assert "targeted" in text.replace("targeted, not published", "")  # in the key
    assert "6 of 50" not in text  # which is 12%


def test_a_target_that_is_no_share_is_written_below(
    endpoints: pd.DataFrame, scenario: Build, words: Words
) -> None:
    line = (
        "Mean follow-up: published 2.42 years, simulated 2.43 years "
        "(Monte Carlo 2.41 to 2.45; one trial 2.0 to 2.9)."
    )
    assert line in words(calibration_figure(endpoints, scenario()))
    alone = calibration_figure(endpoints[endpoints["endpoint"] == "mean_follow_up"], scenario())
    assert line in words(alone).replace("\n", " ")
    assert not alone.axes


def test_without_targets_the_figure_says_so(endpoints: pd.DataFrame, scenario: Build, words: Words) -> None:
    figure = calibration_figure(endpoints.assign(target=np.nan, target_source=""), scenario(target=()))
    assert words(figure) == "No targets to compare with\nChicago 2006"


def test_nobody_at_risk_shows_the_targets_alone(
    endpoints: pd.DataFrame,
    scenario: Build,
    words: Words,
    blank: Callable[[pd.DataFrame], pd.DataFrame],
    fits: Callable[[Figure], bool],
) -> None:
    figure = calibration_figure(blank(endpoints), scenario())
    assert "No target can be compared: nobody is at risk" in words(figure)
    assert "nan" not in words(figure).lower().split()
    low, high = panels(figure)
    assert sum(line.get_marker() == "D" for axes in (low, high) for line in axes.lines) == 5
    assert not low.patches
    assert fits(figure)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_nobody_and_everybody_fit_on_the_page(
    endpoints: pd.DataFrame, scenario: Build, fits: Callable[[Figure], bool], share: float
) -> None:
    columns = ("estimate", "mc_lower", "mc_upper", "trial_lower", "trial_upper")
    extreme = endpoints.assign(**dict.fromkeys(columns, share))
    assert fits(calibration_figure(extreme, scenario(title="A long title of a scenario, " * 20)))
