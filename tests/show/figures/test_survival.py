from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from sim.show.figures.survival import survival_figure

Change = dict[str, float | str]


def at(endpoints: pd.DataFrame, name: str, **values: float | str) -> pd.DataFrame:
    """Change the row of an endpoint at 5 years."""
    changed = endpoints.copy()
    chosen = (changed["endpoint"] == name) & (changed["time_years"] == 5.0)
    for column, value in values.items():
        changed.loc[chosen, column] = value
    return changed


OF = "% of the reinfused"
OF_ALL = "90.0% of all enrolled alive 5 years after enrolment; "


def finding(figure: Figure) -> str:
    return " ".join(figure.get_suptitle().split())


def test_the_title_says_which_figure_agrees_and_which_does_not(
    curves: pd.DataFrame, endpoints: pd.DataFrame, words: Callable[[Figure], str]
) -> None:
    figure = survival_figure(curves, endpoints, "Chicago 2006")
    assert finding(figure) == (
        f"{OF_ALL}84.3% of the reinfused alive, solved to equal the published 84%; "
        f"51.1{OF} disease-free at 5 years, missing the published 50%"
    )
    assert "disease-free survival +1.11 ± 0.63" in words(figure)
    assert "Chicago 2006" in words(figure)
    assert "Overall survival, reinfused, 5 y in 1.6%; Disease-free survival, 5 y in 8.2%" in words(figure)
    assert "(B10, B11)" in words(figure)


@pytest.mark.parametrize(
    ("survival", "disease_free", "expected"),
    [
        (
            {},
            {"target": 0.51},
            f"84.3{OF} alive and 51.1% disease-free at 5 years, solved to equal the published 84% and 51%",
        ),
        (
            {"estimate": 0.84, "mc_lower": 0.82, "mc_upper": 0.86},
            {"estimate": 0.502, "mc_lower": 0.48, "mc_upper": 0.52},
            f"84{OF} alive and 50% disease-free at 5 years, solved to equal the published 84% and 50%",
        ),
        (
            {"target": 0.9},
            {},
            f"84.3{OF} alive and 51.1% disease-free at 5 years, missing the published 90% and 50%",
        ),
        (
            {"target": np.nan},
            {"target": np.nan},
            f"84.3{OF} alive and 51.1% disease-free at 5 years",
        ),
        (
            {"target": np.nan},
            {},
            f"84.3{OF} alive; 51.1{OF} disease-free at 5 years, missing the published 50%",
        ),
        (
            {"target_source": "assumption", "target": 0.9},
            {},
            f"84.3{OF} alive and 51.1% disease-free at 5 years, missing the targeted 90% and 50%",
        ),
    ],
)
def test_the_title_is_computed_from_the_figures(
    curves: pd.DataFrame, endpoints: pd.DataFrame, survival: Change, disease_free: Change, expected: str
) -> None:
    changed = at(at(endpoints, "overall_survival", **survival), "disease_free_survival", **disease_free)
    assert finding(survival_figure(curves, changed, "")) == f"{OF_ALL}{expected}"


def test_a_figure_never_fitted_is_not_called_solved(curves: pd.DataFrame, endpoints: pd.DataFrame) -> None:
    compared = at(endpoints, "overall_survival", note="not_fitted")
    assert f"84.3{OF} alive, in agreement with the published 84%" in finding(
        survival_figure(curves, compared, "")
    )


def test_what_would_be_printed_as_published_is_no_miss(curves: pd.DataFrame, endpoints: pd.DataFrame) -> None:
    exact = {"note": "not_fitted", "mc_lower": 0.8387, "mc_upper": 0.8389}
    rounded = at(endpoints, "overall_survival", estimate=0.8388, **exact)
    assert "alive, in agreement with the published 84%" in finding(survival_figure(curves, rounded, ""))
    missed = at(endpoints, "overall_survival", estimate=0.8341, **exact)
    assert "missing the published 84%" in finding(survival_figure(curves, missed, ""))


def test_published_points_and_trial_range_lie_where_the_table_has_them(
    curves: pd.DataFrame, endpoints: pd.DataFrame
) -> None:
    changed = at(endpoints, "disease_free_survival", target_source="assumption: none")
    axes = survival_figure(curves, changed, "").axes[0]
    points = {
        (line.get_xdata()[0], line.get_ydata()[0]): line.get_markerfacecolor()
        for line in axes.lines
        if line.get_marker() == "D"
    }
    assert set(points) == {(5.0, 0.84), (5.0, 0.5)}
    assert points[(5.0, 0.5)] == "white" != points[(5.0, 0.84)]
    corners = np.concatenate([path.vertices for band in axes.collections for path in band.get_paths()])
    for corner in [(5.0, 0.584), (5.0, 0.981), (5.0, 0.21), (5.0, 0.76), (0.0, 1.0)]:
        assert np.isclose(corners, corner).all(axis=1).any()


def test_the_posteriors_band_reaches_to_the_posteriors_limits(
    curves: pd.DataFrame, endpoints: pd.DataFrame
) -> None:
    ends = curves["time_years"] == 5.0
    drawn = curves.assign(posterior_lower=curves["mc_lower"], posterior_upper=curves["mc_upper"])
    drawn.loc[ends, "posterior_lower"], drawn.loc[ends, "posterior_upper"] = [0.71, 0.32], [0.91, 0.63]
    axes = survival_figure(drawn, endpoints, "").axes[0]
    corners = np.concatenate([path.vertices for band in axes.collections for path in band.get_paths()])
    for limit in (0.71, 0.91, 0.32, 0.63):
        assert np.isclose(corners, (5.0, limit)).all(axis=1).any()


def test_readings_that_are_missing_leave_a_figure_with_the_rest(
    curves: pd.DataFrame,
    endpoints: pd.DataFrame,
    blank: Callable[[pd.DataFrame], pd.DataFrame],
    words: Callable[[Figure], str],
) -> None:
    is_disease_free = endpoints["endpoint"] == "disease_free_survival"
    partly = pd.concat([endpoints[~is_disease_free], blank(endpoints[is_disease_free])])
    text = words(survival_figure(curves[curves["endpoint"] == "overall_survival"], partly, ""))
    assert f"84.3{OF} alive at 5 years, solved to equal the published 84%" in text
    assert "disease-free at" not in text
    assert "nan" not in text.lower().split()


def test_nothing_to_show_is_said_in_words(
    curves: pd.DataFrame,
    endpoints: pd.DataFrame,
    blank: Callable[[pd.DataFrame], pd.DataFrame],
    words: Callable[[Figure], str],
) -> None:
    figure = survival_figure(blank(curves), blank(endpoints), "Never transplanted")
    assert words(figure) == "No survival curves to show: nobody was reinfused\nNever transplanted"
    assert not figure.axes


@pytest.mark.parametrize("shift", [0.0, 0.3, -0.84])
def test_no_word_is_clipped_and_labels_keep_apart(
    curves: pd.DataFrame, endpoints: pd.DataFrame, fits: Callable[[Figure], bool], shift: float
) -> None:
    """Curves in the middle, one upon the other, and at the bottom."""
    moved = curves.copy()
    disease_free = moved["endpoint"] == "disease_free_survival"
    for column in ("estimate", "mc_lower", "mc_upper"):
        moved.loc[disease_free, column] = np.clip(moved.loc[disease_free, column] + shift, 0, 1)
    figure = survival_figure(moved, endpoints, "A scenario's long title, " * 20)
    assert fits(figure)
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 4
    for number, box in enumerate(boxes):
        assert not any(box.shrunk(0.9, 0.9).overlaps(other) for other in boxes[:number])


def test_numbers_at_risk_lose_their_ranges_where_these_would_touch(
    curves: pd.DataFrame, endpoints: pd.DataFrame, words: Callable[[Figure], str]
) -> None:
    names = ("overall_survival", "disease_free_survival")
    for size, shown in ((20, True), (20_000, False)):
        table = pd.DataFrame(
            [
                {
                    "endpoint": name,
                    "time_years": float(year),
                    "median": size,
                    "lower": size,
                    "upper": size,
                    "trials": 9,
                }
                for name in names
                for year in range(6)
            ]
        )
        said = words(survival_figure(curves, endpoints, "", at_risk=table))
        assert (f"{size} ({size}-{size})" in said) is shown
        assert ("9 virtual trials (95% of them)" in said) is shown
