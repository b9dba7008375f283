"""Potential follow-up: what is observed stays, what is not is drawn from its law given the day of death."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sim.centre.follow_up import PotentialFollowUp, would_be_at_risk
from sim.centre.patients import OwnPatients
from sim.patient.luck import independent

NAN = math.nan
MOST = 4.0
"""Standard errors."""


def uniforms(dead: int, cohorts: int) -> np.ndarray:
    return independent(7, dead * cohorts).reshape(dead, cohorts)


def test_the_living_keep_theirs_and_the_dead_get_one_of_those_that_were_followed_longer() -> None:
    own = OwnPatients.of([10, 15, 20, 30], died=[NAN, 15, NAN, NAN])
    drawn = PotentialFollowUp.of(own).drawn(uniforms(1, 4000))
    assert np.all(drawn[[0, 2, 3]] == np.array([[10], [20], [30]]))
    # By hand: of the two at risk after the death at 15 one is censored at 20 and the other at 30.
    assert set(drawn[1]) == {20.0, 30.0}
    assert abs(np.mean(drawn[1] == 20) - 0.5) < MOST * 0.5 / math.sqrt(4000)


def test_a_death_after_everybody_else_was_last_seen_ends_the_follow_up_unless_it_is_dated() -> None:
    own = OwnPatients.of([10, 40], died=[NAN, 40])
    assert np.all(PotentialFollowUp.of(own).drawn(uniforms(1, 50))[1] == 40)
    dated = OwnPatients.of([10, 40], died=[NAN, 40], arrived=[100, 0])
    assert PotentialFollowUp.of(dated).data_cut == 110
    assert np.all(PotentialFollowUp.of(dated).drawn(uniforms(1, 50))[1] == 110)


def test_with_dates_it_reaches_to_the_cut_less_a_delay_of_the_living() -> None:
    # The cut is day 1000; the living were last seen 0, 30 and 600 days before it.
    own = OwnPatients.of(
        [1000, 870, 300, 50, 500],
        died=[NAN, NAN, NAN, 50, 500],
        arrived=[0, 100, 100, 200, 300],
    )
    follow_up = PotentialFollowUp.of(own)
    drawn = follow_up.drawn(uniforms(2, 3000))
    assert set(drawn[3]) == {800.0, 770.0, 200.0}
    assert set(drawn[4]) == {700.0, 670.0}  # with a delay of 600 days the death on day 500 were not known
    assert abs(np.mean(drawn[3] == 200) - 1 / 3) < MOST * math.sqrt(2 / 9 / 3000)
    assert follow_up.longest == 1000
    assert np.all(follow_up.arrivals(drawn) == own.arrived[:, None])


def test_without_dates_who_was_followed_longer_came_earlier() -> None:
    follow_up = PotentialFollowUp.of(OwnPatients.of([10, 25, 40]))
    drawn = follow_up.drawn(uniforms(0, 2))
    assert follow_up.arrivals(drawn)[:, 0].tolist() == [30, 15, 0]


@pytest.mark.parametrize(("days", "expected"), [(0, 4.0), (50, 4.0), (100, 3.0), (200, 1.5), (250, 0.0)])
def test_who_would_be_at_risk_does_not_depend_on_who_died(days: float, expected: float) -> None:
    # Followed from reinfusion for 50, 100 (to death), 150 and 200 days; one was not reinfused. By hand: after
    # 50 days 3 of 4 are followed, after the death 2 are at risk and after 150 days half of them.
    own = OwnPatients.of(
        [60, 110, 160, 210, 999], transplanted=[10, 10, 10, 10, NAN], died=[NAN, 110, NAN, NAN, NAN]
    )
    assert would_be_at_risk(own, days) == pytest.approx(expected)
