"""Sentences from templates."""

from __future__ import annotations

import pytest

from sim.show.kit.prose import sentences


@pytest.mark.parametrize(
    ("years", "said"), [("1", "at 1 year,"), ("0.1", "at 0.1 years,"), ("11", "at 11 years,")]
)
def test_one_year_is_one(years: str, said: str) -> None:
    (sentence,) = sentences("figures", "from_decision_title", years, "80%")
    assert said in sentence
