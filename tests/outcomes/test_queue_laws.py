"""Queueing theory in closed form, against textbook values, simple sums and numerical moments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sim.outcomes.queue_laws import PlainQueue, erlang_c, mean_and_variance, plain_queue
from sim.scenario.distributions import Exponential, Fixed, Gamma, Lognormal, Weibull
from sim.scenario.load import load
from sim.scenario.schema import Scenario
from sim.scenario.values import with_values

PLAIN: dict[str, Any] = {
    "cohort.enters_at": "immunoablation",
    "clinic.room_turnaround_days": 0.0,
    "active_disease.hazard_per_year": 0.0,
    "immunoablation.duration_days": {"dist": "exponential", "mean": 2.0},
    "immunoablation.toxicity_per_day": 0.0,
    "aplasia.duration_days": 0.0,
    "aplasia.discharge_delay_days": 0.0,
    "aplasia.infection.hazard_per_day": 0.0,
    "late_infection.hazard_per_day": 0.0,
    "background.life_table": "none",
}


def plain(**changes: Any) -> Scenario:
    scenario = load("open_clinic", ["arrivals.per_year=365.25", "clinic.isolation_rooms=3"]).scenario
    return with_values(scenario, {**PLAIN, **{key.replace("__", "."): v for key, v in changes.items()}})


@pytest.mark.parametrize(
    ("rooms", "load_", "chance"),
    [(1, 0.7, 0.7), (2, 1.0, 1 / 3), (3, 2.0, 4 / 9), (5, 4.0, 0.5541), (100, 80.0, 0.0196)],
)
def test_erlang_c_is_the_textbooks(rooms: int, load_: float, chance: float) -> None:
    assert erlang_c(rooms, load_) == pytest.approx(chance, abs=6e-5)


@pytest.mark.parametrize(
    "law",
    [
        Fixed(value=3.0),
        Exponential(dist="exponential", mean=2.0),
        Lognormal(dist="lognormal", mean=5.0, sd=2.0),
        Lognormal(dist="lognormal", median=5.0, sigma=0.3),
        Gamma(dist="gamma", mean=4.0, sd=1.5),
        Weibull(dist="weibull", shape=1.7, scale=3.0),
        Gamma(dist="gamma", mean=4.0, sd=5.0, low=1.0, high=6.0),
        Exponential(dist="exponential", mean=3.0, high=2.0),
    ],
)
def test_means_and_variances_are_those_of_the_quantiles(law: Any) -> None:
    u = (np.arange(400_000) + 0.5) / 400_000
    values = law.quantile(u)
    mean, variance = mean_and_variance(law)
    assert mean == pytest.approx(values.mean(), rel=2e-4)
    assert variance == pytest.approx(values.var(), rel=3e-3, abs=1e-12)


def test_a_plain_queue_is_recognised_and_solved() -> None:
    queue = plain_queue(plain())
    assert queue == PlainQueue(3, 1.0, 2.0, 4.0, exponential=True, hazard=0.0)
    assert queue.name == "M/M/3 (Erlang C)"
    assert queue.laws() == pytest.approx(
        {"room_occupancy": 2.0, "room_wait_days": 4 / 9 * 2.0, "waited": 4 / 9,
         "waited_over_30_days": 4 / 9 * np.exp(-15)}
    )  # fmt: skip


def test_one_room_is_pollaczek_and_khinchines() -> None:
    stay = {"dist": "gamma", "mean": 0.5, "sd": 0.3}
    scenario = plain(
        clinic__isolation_rooms=1, immunoablation__duration_days=stay, clinic__room_turnaround_days=0.2
    )
    queue = plain_queue(scenario)
    assert queue is not None
    assert queue.name == "M/G/1 (Pollaczek and Khinchine)"
    assert (queue.stay, queue.variance) == pytest.approx((0.7, 0.09))
    assert queue.laws()["room_wait_days"] == pytest.approx((0.09 + 0.49) / 2 / 0.3)
    several = plain_queue(with_values(scenario, {"clinic.isolation_rooms": 2}))
    assert several is not None
    assert list(several.laws()) == ["room_occupancy"]  # no closed form for the wait


def test_without_deaths_erlang_a_is_erlang_c() -> None:
    """As the hazard vanishes; and flows balance whatever it is."""
    nearly = PlainQueue(2, 1.5, 1.0, 1.0, exponential=True, hazard=1e-9).laws()
    exactly = PlainQueue(2, 1.5, 1.0, 1.0, exponential=True, hazard=0.0).laws()
    for name, value in exactly.items():
        if name == "waited_over_30_days":
            continue  # who waits for how long is told by Erlang C alone
        assert nearly[name] == pytest.approx(value, rel=1e-6)
    assert nearly["pre_transplant_mortality"] == pytest.approx(0.0, abs=1e-7)
    # One room, nobody else: a wait for one stay or a death, whichever comes first.
    crowded = PlainQueue(1, 1e-6, 1.0, 1.0, exponential=True, hazard=0.25).laws()
    assert crowded["pre_transplant_mortality"] == pytest.approx(0.25 / 1.25, rel=1e-5)
    assert crowded["room_occupancy"] == pytest.approx(1e-6 / 1.25, rel=1e-5)


def test_erlang_a_is_the_table_of_the_documents() -> None:
    """Dies waiting 0.1535: of those who come; the others die inside at 0.2 against 1."""
    found = PlainQueue(1, 0.9, 1.0, 1.0, exponential=True, hazard=0.2).laws()
    dies_waiting = 0.1535
    inside = (1 - dies_waiting) * 0.2 / 1.2
    assert found["pre_transplant_mortality"] == pytest.approx(dies_waiting + inside, abs=5e-5)
    assert found["died_waiting"] == pytest.approx(dies_waiting, abs=5e-5)


@pytest.mark.parametrize(
    "change",
    [
        {"clinic.isolation_rooms": "unlimited"},
        {"cohort.enters_at": "mobilisation"},
        {"immunoablation.toxicity_per_day": 0.01},
        {"background.life_table": "us_2013"},
        {"aplasia.infection.hazard_per_day": 0.01},
        {"immunoablation.duration_days": 0.0},
        {"active_disease.hazard_per_year": 0.1, "immunoablation.duration_days": 2.0},
    ],
)
def test_what_is_more_than_a_queue_is_not_one(change: dict[str, Any]) -> None:
    assert plain_queue(with_values(plain(), change)) is None


def test_no_steady_state_no_law() -> None:
    assert PlainQueue(1, 1.0, 1.0, 1.0, exponential=True, hazard=0.0).laws() == {}
