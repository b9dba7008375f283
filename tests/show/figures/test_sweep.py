from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from sim.show.figures.sweep import sweep_curve_figure, sweep_map_figure
from sim.show.kit.axis import Axis, written

KEY, OTHER, WORDS = "active_disease.hazard_per_year", "after_relapse.multiplier", "clinic.isolation_rooms"
SURVIVAL = ("overall_survival", 5.0)
DEATH = ("treatment_related_mortality", None)
STAY = ("length_of_stay_days", None)
Words = Callable[[Figure], str]


def vary(
    endpoints: pd.DataFrame, key: str, values: Sequence[Any], estimates: Sequence[float]
) -> pd.DataFrame:
    """Repeat the table at values of a key, with other estimates of overall survival.

    The first is the reference; differences from it are known to half a point.
    """
    points = []
    for value, estimate in zip(values, estimates, strict=True):
        chosen = endpoints["endpoint"] == "overall_survival"
        point = endpoints.copy()
        for column, shift in (("estimate", 0.0), ("mc_lower", -0.004), ("mc_upper", 0.004)):
            point.loc[chosen, column] = estimate + shift
        changed = np.where(chosen, estimate - estimates[0], 0.0)
        for column, shift in (("difference", 0.0), ("difference_lower", -0.005), ("difference_upper", 0.005)):
            point[column] = changed + (shift if value != values[0] else 0.0)
        point.insert(0, key, [value] * len(point))
        points.append(point)
    return pd.concat(points, ignore_index=True)


@pytest.fixture
def line(endpoints: pd.DataFrame) -> pd.DataFrame:
    return vary(endpoints, KEY, [0.4, 0.05, 0.1, 0.2], [0.65, 0.9, 0.85, 0.75])


@pytest.fixture
def grid(endpoints: pd.DataFrame) -> pd.DataFrame:
    """Survival is 0.9 - x/10 - y/100 for x = 1, 2, 3 and y = 10, 20, 30, 40, in no order."""
    points = [
        vary(endpoints, KEY, [2, 1, 3], [0.9 - x / 10 - y / 100 for x in (2, 1, 3)]).assign(**{OTHER: y})
        for y in (40, 10, 20, 30)
    ]
    return pd.concat(points, ignore_index=True)


def curve(panel: Axes) -> tuple[list[float], list[float]]:
    (found,) = [drawn for drawn in panel.lines if drawn.get_marker() == "o"]
    return list(found.get_xdata()), list(found.get_ydata())


def test_a_curve_is_drawn_in_the_order_of_its_values(line: pd.DataFrame) -> None:
    figure = sweep_curve_figure(line, KEY, "per year", [SURVIVAL])
    panel, strip = figure.axes
    assert curve(panel) == ([0.05, 0.1, 0.2, 0.4], [0.9, 0.85, 0.75, 0.65])
    assert panel.get_xscale() == "log"
    assert panel.get_ylim() == (0.0, 1.0)
    assert [text.get_text() for text in strip.get_xticklabels()] == ["0.05", "0.1", "0.2", "0.4"]
    values, differences = curve(strip)
    assert values == [0.05, 0.1, 0.2, 0.4]
    assert differences == pytest.approx([0.25, 0.2, 0.1, 0])
    ((low, *_),) = [band.get_segments() for band in strip.collections]
    assert low[:, 1].tolist() == pytest.approx([0.245, 0.255])
    corners = np.concatenate([path.vertices for band in panel.collections for path in band.get_paths()])
    for corner in [(0.4, 0.584), (0.05, 0.981), (0.1, 0.846), (0.1, 0.854)]:
        assert np.isclose(corners, corner).all(axis=1).any()


def test_a_panel_says_what_its_endpoint_does(
    line: pd.DataFrame, endpoints: pd.DataFrame, words: Words
) -> None:
    figure = sweep_curve_figure(line, KEY, "per year", [SURVIVAL, DEATH, STAY], moved=DEATH)
    text = words(figure)
    assert (
        "Overall survival, reinfused, 5 y falls from 90.0% to 65.0% "
        "(active disease hazard per year from 0.05 to 0.4)" in text
    )
    assert "+25.0 points (+24.5 to +25.5) at 0.05 per year" in text
    above = {drawn.xyann[1]: drawn.get_text() for drawn in figure.axes[2].texts}
    assert above[max(above)] == "Not asked for, but moves too:"
    assert "Treatment-related mortality" in above.values()
    assert "is 2.1% throughout" in text
    assert "no difference found: less than 0.5 points either way" in text
    assert "A trial does not report: Stay in the isolation room." in text
    up_and_down = vary(endpoints, KEY, [1, 2, 3], [0.6, 0.8, 0.7])
    assert "is between 60.0% and 80.0%" in words(sweep_curve_figure(up_and_down, KEY, "", [SURVIVAL]))


def test_only_the_paired_difference_says_whether_points_differ(endpoints: pd.DataFrame, words: Words) -> None:
    """Marginal intervals of 60 and 60.6% overlap, and the difference is known to half a point."""
    text = words(sweep_curve_figure(vary(endpoints, KEY, [1, 2], [0.6, 0.606]), KEY, "", [SURVIVAL]))
    assert "rises from 60.0% to 60.6%" in text
    assert "+0.6 points (+0.1 to +1.1) at 2" in text
    noise = words(sweep_curve_figure(vary(endpoints, KEY, [1, 2], [0.6, 0.604]), KEY, "", [SURVIVAL]))
    assert "no difference found: less than 0.9 points either way" in noise
    assert "overlap" not in text + noise
    assert "paired" in text


def test_the_target_is_a_dashed_line_and_the_scenario_a_dotted_one(line: pd.DataFrame, words: Words) -> None:
    figure = sweep_curve_figure(line, KEY, "per year", [SURVIVAL, STAY], own=0.11)
    first, _, second, _ = figure.axes
    straight = [drawn for drawn in first.lines if drawn.get_marker() != "o"]
    assert [list(drawn.get_ydata()) for drawn in straight if drawn.get_color() == "#1b1b1f"] == [[0.84, 0.84]]
    assert [list(drawn.get_xdata()) for drawn in straight if drawn.get_color() != "#1b1b1f"] == [[0.11, 0.11]]
    assert "published 84%" in words(figure)
    assert [text.get_text() for text in second.texts].count("this scenario: 0.11") == 1
    assert len(second.lines) == 2  # no target for the stay


@pytest.mark.parametrize(
    ("values", "log"),
    [
        ([0.05, 0.1, 0.2, 0.4], True),
        ([1, 2, 3, 4], False),
        ([0.0, 0.1, 1.0], False),
        ([0.03, 0.1, 0.3, 1.0], True),
        ([0.1, 0.2], False),
        ([7.0], False),
    ],
)
def test_log_spaced_values_get_a_log_axis(values: list[float], log: bool) -> None:
    assert Axis.of(pd.DataFrame({KEY: values}), KEY).log is log


def test_numbers_stand_in_order_before_words() -> None:
    """A sweep's first point is the reference, wherever its value lies."""
    assert Axis.of(pd.DataFrame({KEY: [4, 1, "unlimited", 2]}), KEY).values == (1, 2, 4, "unlimited")


def test_values_are_written_for_people() -> None:
    values = [0.1513079, 0.30000000000000004, 3, 2861.0, 1e9, "unlimited"]
    assert [written(value) for value in values] == ["0.151", "0.3", "3", "2861", "1e9", "unlimited"]


def test_words_stand_in_their_order_without_a_line(
    endpoints: pd.DataFrame, fits: Callable[[Figure], bool]
) -> None:
    values = [2, 4, "unlimited", "immunoablation"]
    points = vary(endpoints, WORDS, values, [0.6, 0.7, 0.8, 0.9])
    figure = sweep_curve_figure(points, WORDS, "rooms", [SURVIVAL, DEATH], own="unlimited")
    panel = figure.axes[0]
    assert curve(panel) == ([0, 1, 2, 3], [0.6, 0.7, 0.8, 0.9])
    assert [tick.get_text() for tick in figure.axes[1].get_xticklabels()] == [str(value) for value in values]
    dotted = [drawn for drawn in panel.lines if list(drawn.get_xdata()) == [2.0, 2.0]]
    assert len(dotted) == 1
    assert fits(figure)


def test_points_without_an_estimate_are_left_out(
    line: pd.DataFrame, blank: Callable[[pd.DataFrame], pd.DataFrame], words: Words
) -> None:
    partly = pd.concat([line[line[KEY] < 0.3], blank(line[line[KEY] > 0.3])])
    assert curve(sweep_curve_figure(partly, KEY, "", [SURVIVAL]).axes[0])[0] == [0.05, 0.1, 0.2]
    nothing = sweep_curve_figure(blank(line), KEY, "", [SURVIVAL])
    assert "nobody is at risk at any of the points" in words(nothing)
    assert not nothing.axes


def mesh(figure: Figure) -> QuadMesh:
    (found,) = [drawn for drawn in figure.axes[0].collections if isinstance(drawn, QuadMesh)]
    return found


def test_every_cell_of_a_map_has_its_own_point_at_its_centre(grid: pd.DataFrame) -> None:
    figure = sweep_map_figure(grid, (KEY, OTHER), SURVIVAL)
    colours = mesh(figure).get_array()
    expected = [[0.9 - x / 10 - y / 100 for x in (1, 2, 3)] for y in (10, 20, 30, 40)]
    assert np.allclose(np.asarray(colours).reshape(4, 3), expected)
    corners = np.asarray(mesh(figure).get_coordinates())
    assert np.allclose(corners[0, :, 0], [-0.5, 0.5, 1.5, 2.5])
    assert np.allclose(corners[:, 0, 1], [-0.5, 0.5, 1.5, 2.5, 3.5])
    written = {text.xy: text.get_text() for text in figure.axes[0].texts}
    assert written[(2, 0)] == "50.0%"
    assert written[(0, 3)] == "40.0%"
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["1", "2", "3"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["10", "20", "30", "40"]
    assert "per year" in figure.axes[0].get_xlabel()


def test_ticks_of_a_map_are_the_values_varied_and_do_not_collide(endpoints: pd.DataFrame) -> None:
    values = [0.00203, 0.0207, 0.031, 0.21, 2.2, 2.31, 2.42, 7.5, 8.1, 9.25, 10.15, 11.5]
    points = pd.concat(
        [vary(endpoints, KEY, values, [0.5 + x / 40 for x in range(12)]).assign(**{OTHER: y}) for y in (2, 3)]
    )
    panel = sweep_map_figure(points, (KEY, OTHER), SURVIVAL).axes[0]
    shown = [text.get_text() for text in panel.get_xticklabels()]
    assert set(shown) <= set(map(written, values))
    assert len(shown) >= 5
    ends = [text.get_window_extent() for text in panel.get_xticklabels()]
    assert all(one.x1 < other.x0 for one, other in pairwise(ends))
    assert [text.get_text() for text in panel.get_yticklabels()] == ["2", "3"]  # no 2.5 of whole numbers


def test_levels_can_be_chosen_and_have_the_band_in_which_they_may_lie(
    grid: pd.DataFrame, words: Words
) -> None:
    figure = sweep_map_figure(grid, (KEY, OTHER), SURVIVAL, contours=(0.55, 0.99))
    assert "Lines: 55%." in words(figure)  # 99% is met nowhere
    assert "two standard errors" in words(figure)
    band, line = [each for each in figure.axes[0].collections if not isinstance(each, QuadMesh)]
    # Along the row y = 10 survival is 0.8 - x/10, so that the line is at x = 2.5, or 1.5 cells; a half width
    # of 0.004, which is 1.96 standard errors, makes the band 0.04 x 2 / 1.96 cells wide to either side.
    at = [vertex[0] for path in line.get_paths() for vertex in path.vertices if abs(vertex[1]) < 1e-9]
    assert at == pytest.approx([1.5])
    edges = [vertex[0] for path in band.get_paths() for vertex in path.vertices if abs(vertex[1]) < 1e-9]
    assert min(edges) == pytest.approx(1.5 - 0.08 / 1.959964, abs=1e-6)
    assert max(edges) == pytest.approx(1.5 + 0.08 / 1.959964, abs=1e-6)


def test_colours_tell_rare_values_apart_beside_common_ones(endpoints: pd.DataFrame) -> None:
    points = pd.concat(
        [vary(endpoints, KEY, [1, 2, 3], [0.02, 0.05, x]).assign(**{OTHER: x}) for x in (0.03, 0.4)]
    )
    drawn = mesh(sweep_map_figure(points, (KEY, OTHER), SURVIVAL))
    two, five = (float(drawn.norm(share)) for share in (0.02, 0.05))
    assert five - two > 0.2  # of all colours; evenly they would have 8%
    alike = pd.concat([vary(endpoints, KEY, [1, 2], [0.16, 0.17]).assign(**{OTHER: x}) for x in (0.03, 0.4)])
    even = mesh(sweep_map_figure(alike, (KEY, OTHER), SURVIVAL))
    assert float(even.norm(0.165)) == pytest.approx(0.5)


def test_further_keys_make_small_multiples(
    grid: pd.DataFrame, words: Words, fits: Callable[[Figure], bool]
) -> None:
    points = pd.concat([grid.assign(**{WORDS: rooms}) for rooms in (2, 3, 4, 6)])
    own = {KEY: 2, OTHER: 20, WORDS: 3}
    figure = sweep_map_figure(points, (KEY, OTHER, WORDS), SURVIVAL, own)
    *panels, _bar = figure.axes
    assert [panel.get_title(loc="left") for panel in panels] == [f"{n} isolation rooms" for n in (2, 3, 4, 6)]
    rings = [len([line for line in panel.lines if line.get_marker() == "o"]) for panel in panels]
    assert rings == [0, 1, 0, 0]
    assert fits(figure)
    many = pd.concat([grid.assign(**{WORDS: rooms}) for rooms in range(20)])
    assert "8 more maps: points.csv has them." in words(sweep_map_figure(many, (KEY, OTHER, WORDS), SURVIVAL))


def test_a_fine_map_has_labelled_contours(endpoints: pd.DataFrame, words: Words) -> None:
    points = pd.concat(
        [
            vary(endpoints, KEY, range(12), [0.9 - x / 30 - y / 40 for x in range(12)]).assign(**{OTHER: y})
            for y in range(8)
        ]
    )
    figure = sweep_map_figure(points, (KEY, OTHER), SURVIVAL, own={KEY: 2, OTHER: 3})
    text = words(figure)
    labels = {drawn.get_text() for drawn in figure.axes[0].texts}
    assert labels <= {f"{level}%" for level in range(40, 91, 10)}
    assert len(labels) >= 3
    assert "Dashed: the published 84%." in text
    assert "Ring: this scenario." in text
    rings = [drawn for drawn in figure.axes[0].lines if drawn.get_marker() == "o"]
    assert [(ring.get_xdata()[0], ring.get_ydata()[0]) for ring in rings] == [(2, 3)]


def test_a_map_over_words_with_a_hole_says_so(
    grid: pd.DataFrame,
    blank: Callable[[pd.DataFrame], pd.DataFrame],
    words: Words,
    fits: Callable[[Figure], bool],
) -> None:
    names = {40: "immunoablation", 10: "mobilisation", 20: "home", 30: "log_logistic"}
    named = grid.assign(**{OTHER: grid[OTHER].map(names)})
    hole = (named[KEY] == 2) & (named[OTHER] == "home")
    holed = pd.concat([named[~hole], blank(named[hole])])
    for keys in ((KEY, OTHER), (OTHER, KEY)):
        figure = sweep_map_figure(holed, keys, SURVIVAL, own={KEY: 2.5, OTHER: "home"})
        assert "Grey: no estimate." in words(figure)
        assert "Dashed" not in words(figure)
        assert int(np.isnan(np.ma.filled(mesh(figure).get_array(), np.nan)).sum()) == 1
        assert fits(figure)
    text = words(sweep_map_figure(blank(grid), (KEY, OTHER), SURVIVAL))
    assert "Overall survival, reinfused, 5 y: nobody is at risk at any point" in text


def test_the_scenario_beyond_the_map_is_still_on_the_page(grid: pd.DataFrame) -> None:
    inside = sweep_map_figure(grid, (KEY, OTHER), SURVIVAL, own={KEY: 2.2, OTHER: 22}).axes[0]
    beyond = sweep_map_figure(grid, (KEY, OTHER), SURVIVAL, own={KEY: 9, OTHER: 1}).axes[0]
    (ring,) = [line for line in inside.lines if line.get_marker() == "o"]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == pytest.approx((1.2, 1.2))
    assert inside.get_xlim() == (-0.5, 2.5)
    assert beyond.get_xlim()[1] > 2.9
    assert beyond.get_ylim()[0] < -0.9


@pytest.mark.parametrize("rows_of", [4, 14])
def test_a_ring_stands_on_no_figure(endpoints: pd.DataFrame, rows_of: int) -> None:
    points = pd.concat(
        [vary(endpoints, KEY, [1, 2], [0.16, 0.17]).assign(**{OTHER: x}) for x in range(rows_of)]
    )
    panel = sweep_map_figure(points, (KEY, OTHER), SURVIVAL, own={KEY: 2, OTHER: 1}).axes[0]
    (ring,) = [line for line in panel.lines if line.get_marker() == "o"]
    around = ring.get_window_extent()
    texts = [text.get_window_extent() for text in panel.texts]
    assert not any(around.overlaps(text) for text in texts)
    assert not any(one.overlaps(other) for at, one in enumerate(texts) for other in texts[:at])
