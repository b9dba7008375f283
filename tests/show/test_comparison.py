"""What a comparison says and draws: numbers needed, names in sentences, and the forest plot."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from sim.scenario.schema import Scenario
from sim.show.comparison import (
    Averted,
    averted_sentence,
    changed_sentence,
    held_at,
    number_needed,
    own_values,
    range_sentence,
)
from sim.show.figures.differences import differences_figure
from sim.show.kit.pairs import pairs
from sim.show.kit.prose import sentences
from sim.study.pairing import Change

Words = Callable[[Figure], str]
MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("averted", "text"),
    [
        # Altman 1998: the limits inverted; where they have two signs, through infinity.
        ((5.0, 2.5, 10.0), "number needed to treat 20 (10 to 40)"),
        ((5.0, -2.0, 12.5), "number needed to treat 20 (8.0 to infinity, or harm 50)"),
        ((-5.0, -12.5, 2.0), "number needed to harm 20 (8.0 to infinity, or treat 50)"),
        ((-5.0, -10.0, -2.5), "number needed to harm 20 (10 to 40)"),
        ((5.0, 0.0, 10.0), "number needed to treat 20 (10 to infinity)"),
        ((-5.0, -10.0, 0.0), "number needed to harm 20 (10 to infinity)"),
        ((0.0, -4.0, 4.0), "nobody's death averted; at least 25 to treat or to harm"),
        ((0.05, 0.04, 0.0625), "number needed to treat 2,000 (1,600 to 2,500)"),
        ((5.0, 0.0034, 10.0), "number needed to treat 20 (10 to more than 10,000)"),
        ((0.26, 0.16, 0.36), "number needed to treat 380 (280 to 620)"),
        ((5.0, math.nan, math.nan), "number needed to treat 20"),
        ((0.0, 0.0, 0.0), "nobody's death averted"),
        ((math.nan, math.nan, math.nan), ""),
    ],
)
def test_the_number_needed_never_looks_finite_when_it_is_not(
    averted: tuple[float, float, float], text: str
) -> None:
    assert number_needed(Averted(5.0, *averted)) == text


@pytest.mark.parametrize(
    ("averted", "text"),
    [
        ((5.0, 2.5, 10.0), "By 5 years b averts 5 deaths per 100 enrolled compared with a (2 to 10);"),
        ((-0.211, -0.24, -0.182), "b costs 0.211 lives per 100 enrolled compared with a (0.182 to 0.240);"),
        (
            (0.1, -0.2, 0.4),
            "does not tell whether b averts or costs lives compared with a: 0.1 (−0.2 to 0.4)",
        ),
        ((0.79, 0.08, 2.68), "b averts 0.8 deaths per 100 enrolled compared with a (0.1 to 2.7);"),
        ((0.0, 0.0, 0.0), "By 5 years as many die with b as with a."),
        ((0.0, -0.3, 0.3), "as many die with b as with a: 0 (−0.3 to 0.3) deaths averted per 100 enrolled."),
        (
            (-2.0, math.nan, math.nan),
            "b costs 2.00 lives per 100 enrolled compared with a; number needed to harm",
        ),
        ((math.nan, math.nan, math.nan), "can't be counted"),
    ],
)
def test_who_averts_and_who_costs(averted: tuple[float, float, float], text: str) -> None:
    assert text in averted_sentence(Averted(5.0, *averted), "a", "b")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((-3.0, 2.0), "averts up to 2.0 deaths or costs up to 3.0 lives"),
        ((-3.0, -1.0), "costs 1.0 to 3.0 lives"),
        ((1.0, 3.0), "averts 1.0 to 3.0 deaths"),
    ],
)
def test_a_range_is_told_from_end_to_end(values: tuple[float, float], text: str) -> None:
    rows = pd.DataFrame(
        {
            "key": "relapse.shape",
            "value": [0.5, 0.7],
            "time_years": 5.0,
            "averted_per_100": values,
            "averted_lower": np.array(values) - 0.5,
            "averted_upper": np.array(values) + 0.5,
        }
    )
    said = range_sentence(rows, "a", "b")
    assert text in said
    assert "depending on relapse.shape (0.5 to 0.7)" in said


def test_the_ends_of_a_range_have_the_same_decimals() -> None:
    rows = pd.DataFrame(
        {
            "key": "relapse.shape",
            "value": [0.5, 0.7],
            "time_years": 5.0,
            "averted_per_100": [-23.01, -34.9],
            "averted_lower": [-23.29, -35.2],
            "averted_upper": [-22.74, -34.6],
        }
    )
    assert "costs 23.0 to 34.9 lives" in range_sentence(rows, "a", "b")


def test_a_figure_inside_a_range_says_where_it_holds(scenario_of: Callable[..., Scenario]) -> None:
    ranged = {"range": [{"key": "relapse.shape", "values": [0.5, 0.7], "source": "assumption"}]}
    held = own_values({"a": scenario_of(), "b": scenario_of(ranged, {"relapse.shape": 0.65})})
    assert held == "relapse.shape = 0.65 in b"
    assert held_at("By 5 years as many die.", held) == f"With {held}, by 5 years as many die."
    assert held_at("By 5 years as many die.", own_values({"a": scenario_of()})) == "By 5 years as many die."


def test_changed_fates_are_told_of_100_patients() -> None:
    shares = {"lives": 0.02, "dies": 0.1, "death_moves": 0.0}
    rows = [
        {"change": change, "share": share, "mc_lower": max(share - 0.005, 0), "mc_upper": share + 0.005}
        for change, share in shares.items()
    ]
    said = changed_sentence(pd.DataFrame(rows), "a", "b")
    assert "10.0 (9.5 to 10.5) die only with b, 2.0 (1.5 to 2.5) die only with a and 0 (0 to 0.5)" in said


@pytest.fixture
def comparison(endpoints: pd.DataFrame) -> pd.DataFrame:
    """Return two scenarios; of the second treatment-related mortality is 1 point up, survival 2 down."""
    blank = dict.fromkeys(
        ("difference", "difference_lower", "difference_upper", "variance_reduction"), np.nan
    )
    one, other = endpoints.assign(scenario="a", **blank), endpoints.assign(scenario="b", **blank)
    for name, value, time in (
        ("treatment_related_mortality", 0.01, None),
        ("overall_survival", -0.02, 5.0),
        ("length_of_stay_days", 1.5, None),
    ):
        at = (other["endpoint"] == name) & (
            other["time_years"].isna() if time is None else other["time_years"] == time
        )
        other.loc[at, "difference"] = value
        other.loc[at, "difference_lower"], other.loc[at, "difference_upper"] = value - 0.004, value + 0.004
    other.loc[other["difference"].isna(), "note"] = "nobody_at_risk"
    return pd.concat([one, other], ignore_index=True)


def test_differences_are_drawn_where_they_are(
    comparison: pd.DataFrame, words: Words, fits: Callable[[Figure], bool]
) -> None:
    ranges = comparison[comparison["scenario"] == "b"].assign(varied="b", key="relapse.shape", value=0.5)
    wider = ranges.assign(value=0.7, difference=ranges["difference"] * 3)
    figure = differences_figure(
        comparison,
        pd.concat([ranges, wider]),
        ("a", "b"),
        "The finding",
        ["Be careful."],
        held="k = 0.6 in b",
    )
    forest = figure.axes[1]
    dots = [drawn for drawn in forest.lines if drawn.get_marker() == "o"]
    assert sorted(float(dot.get_xdata()[0]) for dot in dots) == [-0.02, 0.01]
    lines = [tuple(drawn.get_xdata()) for drawn in forest.lines if drawn.get_linewidth() == 2.4]
    assert sorted(lines) == [(-0.024, -0.016), (0.006, 0.014)]
    bars = sorted((bar.get_x(), bar.get_x() + bar.get_width()) for bar in forest.patches)
    assert np.allclose(bars, [(-0.06, -0.02), (0.01, 0.03)])
    text = words(figure)
    for part in (
        "The finding",
        "+1.0 (+0.6 to +1.4)",
        f"{MINUS}2.0",
        "Be careful.",
        "0.5, 0.7",
        "All else: with k = 0.6 in b.",
    ):
        assert part in text
    assert "Stay in the isolation room" in text
    assert "Not compared (nobody at risk):" in text
    assert fits(figure)


def test_nothing_to_draw_is_said_in_words(comparison: pd.DataFrame, words: Words) -> None:
    empty = comparison.assign(difference=np.nan)
    figure = differences_figure(
        empty, comparison.head(0).assign(varied="", key="", value=0.0), ("a", "b"), ""
    )
    assert "No share of patients can be compared" in words(figure)
    assert not figure.axes


def shifts(*days: float) -> list[dict[str, Any]]:
    """Return rows of patients who die some days later than in the reference."""
    return [{"patient": n, "reference_death_days": 500.0, "death_days": 500 + d} for n, d in enumerate(days)]


@pytest.mark.parametrize(
    ("days", "text"),
    [
        ((-20.0, -2.0, 7.0), "In trial 1, 3 patients die of the same cause less than 90 days apart: "
         "they live 15 days shorter with b."),
        ((8.0,), "In trial 1, 1 patient dies of the same cause less than 90 days apart: "
         "they live 8 days longer with b."),
    ],
)  # fmt: skip
def test_deaths_that_hardly_move_are_told_in_sum(days: tuple[float, ...], text: str) -> None:
    who = {change.name: [] for change in Change} | {"SHIFTS": shifts(*days)}
    assert sentences("comparison", "named", "In trial 1", "", who, None, "a", "b", 90.0) == [text]


def test_a_pair_says_in_how_far_it_differs(comparison: pd.DataFrame) -> None:
    found = {pair.scenario.key: pair for pair in pairs(comparison, "a", "b")}
    assert found["treatment_related_mortality", None].text == "+1.0 (+0.6 to +1.4)"
    same = comparison["endpoint"] == "treatment_related_mortality"
    zero = comparison.assign(note=comparison["note"].where(~same, "not_fitted; identical"))
    zero.loc[same, ["difference", "difference_lower", "difference_upper"]] = 0.0, -0.0006, 0.0006
    minus = "\N{MINUS SIGN}"
    assert pairs(zero, "a", "b")[0].text == f"0 in every trial ({minus}0.06 to +0.06)"
