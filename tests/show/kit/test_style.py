from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import matplotlib as mpl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from sim.scenario.schema import Scenario
from sim.show.figures.survival import survival_figure
from sim.show.figures.sweep import sweep_curve_figure, sweep_map_figure
from sim.show.figures.targets import calibration_figure
from sim.show.kit.style import fits, percent_axis, save, settings, sheet, spread, text_width, wrap

KEY, OTHER = "active_disease.hazard_per_year", "after_relapse.multiplier"


@pytest.fixture
def draw(
    endpoints: pd.DataFrame, curves: pd.DataFrame, scenario: Callable[..., Scenario]
) -> dict[str, Callable[[], Figure]]:
    """Return every figure, ready to be drawn."""
    line = pd.concat([endpoints.assign(**{KEY: value}) for value in (0.1, 0.2)])
    grid = pd.concat([line.assign(**{OTHER: value}) for value in (1.0, 2.0)])
    survival = ("overall_survival", 5.0)
    return {
        "survival": lambda: survival_figure(curves, endpoints, "Chicago 2006"),
        "calibration": lambda: calibration_figure(endpoints, scenario()),
        "curve": lambda: sweep_curve_figure(line, KEY, "per year", [survival], own=0.11),
        "map": lambda: sweep_map_figure(grid, (KEY, OTHER), survival, own={KEY: 0.11, OTHER: 1.0}),
    }


@pytest.mark.parametrize("name", ["survival", "calibration", "curve", "map"])
def test_two_calls_give_the_same_bytes_whatever_the_settings_of_the_user(
    draw: dict[str, Callable[[], Figure]], name: str, tmp_path: Path
) -> None:
    first = [path.read_bytes() for path in save(draw[name](), tmp_path, "first")]
    odd = {"axes.facecolor": "red", "font.size": 20, "svg.fonttype": "path", "savefig.dpi": 30}
    with mpl.rc_context(odd):
        second = [path.read_bytes() for path in save(draw[name](), tmp_path, "second")]
        assert mpl.rcParams["font.size"] == 20
    assert first == second


def test_threads_draw_one_after_the_other_and_leave_the_settings_of_the_host_alone() -> None:
    inside, size = Event(), mpl.rcParams["font.size"]

    def enter() -> None:
        with settings():
            inside.set()

    other = Thread(target=enter)
    with mpl.rc_context({"font.size": 17.0}):
        with settings():
            other.start()
            assert not inside.wait(0.1)
            assert mpl.rcParams["font.size"] == 9.5
        other.join()
        assert inside.is_set()
        assert mpl.rcParams["font.size"] == 17.0
    assert mpl.rcParams["font.size"] == size


def test_files_carry_no_date_and_no_version(draw: dict[str, Callable[[], Figure]], tmp_path: Path) -> None:
    svg, png = save(draw["survival"](), tmp_path, "figure")
    assert (svg.name, png.name) == ("figure.svg", "figure.png")
    text = svg.read_text("utf-8")
    assert "<dc:date>" not in text
    assert "matplotlib.org/" not in text
    assert b"Software" not in png.read_bytes()
    assert png.read_bytes().startswith(b"\x89PNG")


def test_words_are_text_in_the_svg_and_name_it(draw: dict[str, Callable[[], Figure]], tmp_path: Path) -> None:
    svg, _ = save(draw["calibration"](), tmp_path, "figure")
    text = svg.read_text("utf-8")
    assert ">Treatment-related mortality</text>" in text
    assert "DejaVu Sans" in text
    assert "<title>5 of 6 figures solved for come out as printed; farthest" in text


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "Zs"]), max_size=80), st.floats(0.5, 5.0))
def test_wrapped_lines_fit_and_lose_nothing(text: str, width: float) -> None:
    with settings():
        lines = wrap(text, 9.0, width)
        assert all(text_width(line, 9.0) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@given(st.text(st.characters(codec="latin-1", categories=["L", "N", "P", "Zs"]), min_size=1, max_size=60))
def test_what_fits_is_told_as_if_it_were_measured(line: str) -> None:
    with settings():
        wide = text_width(line, 9.0, "bold")
        for part in (0.9, 0.95, 1.0, 1.05, 1.1):
            assert fits(line, 9.0, part * wide, "bold") == (wide <= part * wide)


def test_a_no_break_space_holds_words_together() -> None:
    with settings():
        assert wrap("at 5\N{NO-BREAK SPACE}years", 9.0, text_width("at 5", 9.0))[0] == "at"


def test_the_page_grows_with_its_words(fits: Callable[[Figure], bool]) -> None:
    long = "A long title with $dollars$ and <tags> & " + "averylongword" * 20 + " and the rest of it " * 20
    with settings():
        short_page, long_page = sheet("Title", ["line"], [], 6.0, 2.0), sheet(long, [long], [long], 6.0, 2.0)
    assert fits(long_page.figure)
    assert long_page.figure.get_figheight() > short_page.figure.get_figheight() + 2


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=6), st.floats(0.01, 3.0))
def test_spread_labels_keep_their_order_and_their_distance(places: list[float], gap: float) -> None:
    order = sorted(range(len(places)), key=lambda index: places[index])
    moved = spread(places, gap, -100.0, 100.0)
    assert sum(moved) == pytest.approx(sum(places), abs=1e-6)
    room = gap * len(places)
    for low, high in ((-100.0, 100.0), (-1.0, room), (5.0, 5.0 + room), (0.0, room - gap)):
        moved = spread(places, gap, low, high)
        for before, after in itertools.pairwise(order):
            assert moved[after] - moved[before] >= gap * (1 - 1e-9) - 1e-9
        assert low - 1e-9 <= min(moved) <= max(moved) <= high + 1e-9


@pytest.mark.parametrize("which", ["x", "y"])
def test_an_axis_of_fractions_is_written_in_per_cent(which: str) -> None:
    axes = Figure().add_subplot()
    percent_axis(axes, which)
    written = (axes.xaxis if which == "x" else axes.yaxis).get_major_formatter()
    assert [written(share, None) for share in (0.0, 0.005, 0.29, 1.0)] == ["0%", "0.5%", "29%", "100%"]


def test_labels_far_enough_apart_stay() -> None:
    assert spread([0.84, 0.5], 0.2, 0.0, 1.0) == [0.84, 0.5]
