from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.scenario.endpoints import BY_NAME
from sim.show.kit.formats import (
    decimals,
    format_difference,
    format_interval,
    format_range,
    format_share,
    format_value,
    rows,
    with_unit,
)

SHARE = BY_NAME["overall_survival"]
DAYS = BY_NAME["length_of_stay_days"]
YEARS = BY_NAME["mean_follow_up"]


@pytest.mark.parametrize(
    ("share", "half", "text"),
    [
        (0.02052, 0.0018, "2.1%"),
        (0.0046, 0.00086, "0.46%"),
        (0.8449, 0.0046, "84.5%"),
        (0.8449, 0.019, "84%"),
        (0.8449, 0.2, "84%"),
        (0.0, 0.00008, "0%"),
        (1.0, 0.0005, "100%"),
        (0.29, math.nan, "29%"),
        (7 / 53, math.nan, "13.2%"),
        (0.005, math.nan, "0.5%"),
        (math.nan, 0.01, ""),
    ],
)
def test_a_share_is_written_in_per_cent_with_the_digits_that_its_error_supports(
    share: float, half: float, text: str
) -> None:
    assert format_share(share, half) == text


@given(st.floats(-1000, 1000), st.floats(1e-3, 9.9))
def test_no_digit_is_finer_than_the_first_digit_of_the_error(value: float, half: float) -> None:
    step = 10.0 ** -decimals(half)
    assert step > half / 10 * (1 - 1e-9)
    shown = float(format_value(DAYS, value, half).split()[0])
    assert abs(shown - value) <= step / 2 * (1 + 1e-9)


def test_a_mean_has_its_unit_and_one_has_it_in_the_singular() -> None:
    assert format_value(DAYS, 17.184, 0.028) == "17.18 days"
    assert format_value(YEARS, 29 / 12) == "2.42 years"
    assert format_value(YEARS, 1.0) == "1 year"
    assert format_value(BY_NAME["infections_per_patient"], 0.3039, 0.006) == "0.304"
    assert format_value(DAYS, math.nan) == ""
    assert format_value(DAYS, 0.0, 0.0) == "0 days"
    assert format_value(DAYS, 12345.6) == "12346 days"


def test_zero_has_no_sign() -> None:
    assert format_value(DAYS, -0.004, 0.1) == "0.0 days"


def test_a_range_is_written_once_with_its_unit_and_one_value_once() -> None:
    assert format_range(SHARE, 0.0188, 0.0224) == "1.9 to 2.2%"
    assert format_range(SHARE, 0.5535, 1.0) == "55 to 100%"
    assert format_range(SHARE, 0.0, 0.00016) == "0 to 0.016%"
    assert format_range(SHARE, 0.0, 0.0) == "0%"
    assert format_range(SHARE, 0.0004, 0.0526) == "0.04 to 5.3%"
    assert format_range(YEARS, 1.822, 2.655) == "1.8 to 2.7"
    assert format_range(SHARE, math.nan, 0.5) == ""


def test_a_difference_has_its_sign_and_at_most_three_digits() -> None:
    assert format_difference(SHARE, 0.0111, 0.0063) == "+1.1"
    assert format_difference(SHARE, -0.0111, 0.0063) == "\N{MINUS SIGN}1.1"
    assert format_difference(SHARE, -0.5, 0.0005) == "\N{MINUS SIGN}50.0"
    assert format_difference(SHARE, 0.0001, 0.0063) == "0.0"


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ((0.0079, 0.0008, 0.0268), "+0.8 (+0.1 to +2.7)"),  # and not +1 (0 to +3)
        ((-0.002, -0.007, 0.0004), "\N{MINUS SIGN}0.20 (\N{MINUS SIGN}0.70 to +0.04)"),
        ((-0.002, -0.007, 0.000004), "\N{MINUS SIGN}0.20 (\N{MINUS SIGN}0.70 to +0.0004)"),
        ((-0.002, -0.007, 0.0), "\N{MINUS SIGN}0.2 (\N{MINUS SIGN}0.7 to 0)"),
        ((0.0111, 0.0048, 0.0174), "+1.1 (+0.5 to +1.7)"),
        ((0.0, 0.0, 0.0), "0 (0 to 0)"),
    ],
)
def test_a_limit_that_is_not_0_is_not_written_as_0(interval: tuple[float, float, float], text: str) -> None:
    half = (interval[2] - interval[1]) / 2
    assert format_interval(SHARE, *interval, half) == text


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 1))
def test_an_interval_excludes_0_in_print_as_it_does(one: float, other: float, part: float) -> None:
    lower, upper = sorted((one, other))
    value = lower + part * (upper - lower)
    text = format_interval(SHARE, value, lower, upper, (upper - lower) / 2)
    shown = [float(each) for each in re.findall(r"-?[0-9.]+", text.replace("\N{MINUS SIGN}", "-"))]
    for limit, read in zip((lower, upper), shown[1:], strict=True):
        assert np.sign(read) == np.sign(limit) or abs(limit) < 1e-11
    if lower * upper > 0 and min(abs(lower), abs(upper)) > 1e-11:
        assert np.sign(shown[0]) == np.sign(lower)


def test_a_table_read_back_from_a_file_says_the_same(
    endpoints: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("formats") / "endpoints.csv"
    endpoints.to_csv(path, index=False)
    before, after = rows(endpoints), rows(pd.read_csv(path))
    assert [row.source for row in after] == [row.source for row in before]
    assert [row.simulated_text for row in after] == [row.simulated_text for row in before]
    assert [row.key for row in after] == [row.key for row in before]


@pytest.mark.parametrize(
    ("text", "unit", "said"),
    [("1", "rooms", "1 room"), ("2", "rooms", "2 rooms"), ("1", "per day", "1 per day"), ("0.5", "", "0.5")],
)
def test_one_of_a_unit_is_no_plural(text: str, unit: str, said: str) -> None:
    assert with_unit(text, unit) == said
