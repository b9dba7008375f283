from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from sim.show.figures.survival import survival_band_figure

KEY = "active_disease.hazard_per_year"


@pytest.fixture
def bands() -> pd.DataFrame:
    """Return survival from enrolment that falls to 60%, 50% and 55% in 5 years."""
    years = np.linspace(0.0, 5.0, 6)
    parts = []
    for value, end in ((0.1, 0.6), (0.15, 0.5), (0.12, 0.55)):
        estimate = 1 - (1 - end) * years / 5
        columns = {KEY: value, "endpoint": "overall_survival_enrolled", "time_years": years}
        parts.append(pd.DataFrame({**columns, "estimate": estimate}))
    both = pd.concat(parts, ignore_index=True)
    return both.assign(mc_lower=both["estimate"] - 0.01, mc_upper=both["estimate"] + 0.01)


def finding(figure: Figure) -> str:
    return " ".join(figure.get_suptitle().split())


def test_the_band_reaches_from_the_lowest_to_the_highest_curve(
    bands: pd.DataFrame, words: Callable[[Figure], str], fits: Callable[[Figure], bool]
) -> None:
    figure = survival_band_figure(bands, [KEY], "A scenario", ["A caution."])
    assert finding(figure) == "Between 50% and 60% of all enrolled alive at 5 years, over the range"
    inner = np.concatenate([path.vertices for path in figure.axes[0].collections[0].get_paths()])
    for corner in [(5.0, 0.5), (5.0, 0.6), (2.0, 0.8), (2.0, 0.84)]:
        assert np.isclose(inner, corner).all(axis=1).any()
    for said in ("A scenario", "A caution.", "at 0.1 per year", "at 0.15 per year", "50%", "60%"):
        assert said in words(figure)
    assert fits(figure)


def test_two_keys_are_both_named(bands: pd.DataFrame, words: Callable[[Figure], str]) -> None:
    figure = survival_band_figure(bands.assign(other=2.0), [KEY, "other"], "")
    assert "at 0.1 per year, 2" in words(figure)


def test_no_survival_is_said_in_words(bands: pd.DataFrame) -> None:
    figure = survival_band_figure(bands.assign(estimate=np.nan), [KEY], "")
    assert finding(figure) == "No survival to show: nobody enrolled"
