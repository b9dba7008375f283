"""Patients out of published curves: laws, curves whose patients are known, and what is refused.

The curves of public data sets are read to half a per cent, at 80 times or wherever they fall, with numbers at
risk at six times. What a reconstruction can be off by follows from that reading:

- survival: half of the half per cent, and half of a patient at risk, at a point and at the one before;
- in time: the distance of two points, where these are at times;
- where a number at risk lies between two such points, the events between them, which may be before or after;
- events in all: for each number at risk these events, one, and half of the half per cent of those at risk.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sim.centre.reconstruct import PublishedCurve, Reconstruction, published_curve, reconstruct
from sim.outcomes.survival import KaplanMeier, kaplan_meier
from sim.scenario.problems import RequestError

PUBLIC = Path(__file__).parents[1] / "reference" / "survival" / "public.csv"
POINTS, ROUNDED, TIMES = 80, 0.005, 6
ENOUGH = 10

pytestmark = pytest.mark.filterwarnings("ignore::sim.scenario.problems.FigureWarning")


def at(curve: KaplanMeier, days: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.append(1.0, curve.survival)[curve.counts.passed(days)]


@cache
def known(name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    with PUBLIC.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["trial"] == name]
    return np.array([float(row["time"]) for row in rows]), np.array([int(row["cause"]) >= 0 for row in rows])


@cache
def read_off(name: str, where: str) -> tuple[PublishedCurve, float]:
    """Return a data set's curve as one would read it off a figure, and the distance of its points."""
    days, event = known(name)
    curve = kaplan_meier(days, event)
    end = float(days.max())
    falls = np.append(curve.counts.times[curve.counts.events[0] > 0], end)
    grid = np.linspace(0, end, POINTS) if where == "times" else falls
    survival = np.round(at(curve, grid) / ROUNDED) * ROUNDED
    risk = np.linspace(0, 0.9 * end, TIMES)
    numbers = curve.counts.at_risk_at(risk)
    step = end / (POINTS - 1) if where == "times" else 0.0
    return published_curve(grid, survival, risk, numbers, spread=where == "times"), step


SETS = ("lung", "veteran", "mgus2", "colon")


@pytest.mark.parametrize("where", ["times", "falls"])
@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("told", [True, False])
def test_known_patients_come_out_within_what_reading_leaves_open(
    name: str, where: str, told: bool, record_property: Callable[[str, object], None]
) -> None:
    days, event = known(name)
    (published, step), truth = read_off(name, where), kaplan_meier(days, event)
    made = reconstruct(published, int(event.sum()) if told else None)
    found = made.estimate
    assert len(made.days) == len(days)
    np.testing.assert_array_equal(found.counts.at_risk_at(published.risk_days), published.at_risk)

    fine = np.linspace(0, float(days.max()), 4001)
    fine = fine[(truth.counts.at_risk_at(fine) >= ENOUGH) & (found.counts.at_risk_at(fine) >= ENOUGH)]
    risk = published.risk_days[1:]
    gaps = [(risk, risk)] if not step else [(risk // step * step, -(-risk // step) * step)]
    (between,) = (at(truth, first) - at(truth, last) for first, last in gaps)
    own, least = at(found, fine), found.counts.at_risk_at(fine)
    open_ = ROUNDED + 1 / least + between.max()
    assert (own <= at(truth, np.maximum(fine - step, 0)) + open_).all()
    assert (own >= at(truth, fine + step) - open_).all()

    events, true_events = int(made.event.sum()), int(event.sum())
    one = published.at_risk / at(truth, published.risk_days)  # patients that a survival of 1 is
    allowed = TIMES + ROUNDED / 2 * one.sum() + (between * one[1:]).sum()
    assert abs(events - true_events) <= allowed
    hazard, true_hazard = events / made.days.sum(), true_events / days.sum()
    assert abs(hazard / true_hazard - 1) < allowed / true_events + step / days.mean()
    median, true_median = found.median().estimate, truth.median().estimate
    low, high = (_first_below(truth, 0.5 + sign * (ROUNDED + 1 / ENOUGH)) for sign in (1, -1))
    assert low - step <= median <= high + step
    record_property(
        "worst difference",
        f"{name}, {len(days)} patients, read where it {'falls' if where == 'falls' else 'is at 80 times'}"
        f"{', events told' if told else ''}: curve {np.abs(own - at(truth, fine)).max():.3f}, "
        f"events {events} for {true_events} (allowed: {allowed:.0f}), median {median:.4g} for "
        f"{true_median:.4g}, hazard {100 * (hazard / true_hazard - 1):+.1f}%",
    )


@pytest.mark.parametrize("name", SETS)
def test_points_at_times_that_are_taken_for_falls_lose_events(name: str) -> None:
    """Why the two are told apart: an event after the last point before a number at risk seems censored."""
    days, event = known(name)
    published, _ = read_off(name, "times")
    apart = reconstruct(published).event.sum() / reconstruct(published).days.sum()
    fallen = reconstruct(replace(published, spread=False))
    true_hazard = event.sum() / days.sum()
    assert fallen.event.sum() / fallen.days.sum() < 0.99 * true_hazard
    assert apart > 0.99 * true_hazard


def _first_below(curve: KaplanMeier, level: float) -> float:
    below = curve.counts.times[curve.survival <= level]
    return float(below[0]) if len(below) else float(curve.counts.times[-1])


patients = st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=2, max_size=40)


def exact(drawn: Sequence[tuple[int, bool]]) -> tuple[KaplanMeier, Reconstruction]:
    """Return the curve of some patients, and their reconstruction from all of it."""
    days, event = (np.array(column, dtype=float) for column in zip(*drawn, strict=True))
    curve = kaplan_meier(days, event)
    times = np.append(0.0, curve.counts.times)
    published = published_curve(
        times, np.append(1.0, curve.survival), times, np.append(len(days), curve.counts.at_risk)
    )
    return curve, reconstruct(published)


@settings(deadline=None, max_examples=120, derandomize=True)
@given(patients)
def test_a_curve_given_exactly_gives_its_events_exactly(drawn: list[tuple[int, bool]]) -> None:
    curve, made = exact(drawn)
    found = made.estimate
    happened = curve.counts.events[0] > 0
    again = found.counts.events[0] > 0
    assert found.counts.times[again].tolist() == curve.counts.times[happened].tolist()
    assert found.counts.events[0][again].tolist() == curve.counts.events[0][happened].tolist()
    np.testing.assert_allclose(found.survival[again], curve.survival[happened], atol=1e-12)
    at_risk = found.counts.at_risk_at(curve.counts.times)
    assert at_risk.tolist() == curve.counts.at_risk.tolist()


@st.composite
def curves(draw: st.DrawFn) -> PublishedCurve:
    """Draw curves as somebody would misread them, with numbers at risk that can belong to them."""
    falls = draw(st.lists(st.floats(0, 0.15), min_size=3, max_size=30))
    survival = np.round(np.cumprod(1 - np.array(falls)), 3)
    survival = np.clip(survival + draw(st.sampled_from([0.0, 0.004])) * np.resize([1, -1], len(falls)), 0, 1)
    days = np.arange(1, len(falls) + 1) * 10.0
    size = draw(st.integers(20, 300))
    places = [0, *sorted(draw(st.sets(st.integers(1, len(falls)), max_size=5)))]
    lost = draw(st.floats(0.3, 1))
    least = np.append(1.0, survival)[places]
    numbers = np.maximum(np.floor(size * least * lost ** (np.array(places) / len(falls))), 1)
    risk = np.array(places) * 10.0 - draw(st.sampled_from([0.0, 4.0])) * (np.array(places) > 0)
    try:
        return published_curve(
            days, survival, risk, np.minimum.accumulate([size, *numbers[1:]]), spread=draw(st.booleans())
        )
    except RequestError:
        assume(False)
        raise


@settings(deadline=None, max_examples=120, derandomize=True)
@given(curves(), st.none() | st.integers(0, 20))
def test_numbers_at_risk_come_out_as_they_were_given_and_survival_never_rises(
    published: PublishedCurve, events: int | None
) -> None:
    made = reconstruct(published, events)
    found = made.estimate
    assert len(made.days) == published.at_risk[0]
    np.testing.assert_array_equal(found.counts.at_risk_at(published.risk_days), published.at_risk)
    assert (np.diff(found.survival, prepend=1.0) <= 0).all()
    assert (np.diff(published.survival) <= 0).all()
    assert made.days.max() <= published.days[-1]
    assert published.spread or set(made.days[made.event]) <= set(published.days)


def test_events_that_are_told_settle_what_was_censored_after_the_last_number_at_risk() -> None:
    days, survival = [10.0, 20, 30, 40], [0.9, 0.8, 0.7, 0.6]
    alone = published_curve(days, survival, [0.0], [100.0])
    assert reconstruct(alone).event.sum() == 40  # nobody is censored before the end
    for events in (25, 30, 38):
        made = reconstruct(alone, events)
        assert made.event.sum() == events
        left = 100 - (~made.event & (made.days < 40)).sum() - (made.days[made.event] < 40).sum()
        assert made.largest_difference <= 0.7 / 2 / left  # half a patient of those at risk at the last point


def test_of_a_curve_by_hand_the_censored_are_found() -> None:
    """10 patients; 1 of 10 dies at day 10; 6 at risk at day 20: 3 were censored between; 1 of 6 dies."""
    made = reconstruct(published_curve([10.0, 20.0], [0.9, 0.75], [0.0, 20.0], [10.0, 6.0]))
    assert made.days[made.event].tolist() == [10.0, 20.0]
    assert made.days[~made.event].tolist() == [5.0, 10.0, 15.0, 20, 20, 20, 20, 20]


def test_repairs_are_told_with_their_size() -> None:
    made = published_curve([0.0, 20, 10, 30, 30], [0.99, 0.82, 0.8, 0.7, 0.71], [0.0], [50.0])
    assert made.days.tolist() == [0, 10, 20, 30]
    assert made.survival.tolist() == pytest.approx([1, 0.81, 0.81, 0.7])
    assert made.repairs == (
        "points were not in the order of their times, and were sorted",
        "survival rose between points: 2 moved, by 0.01 at most",
        "survival at time 0 was 0.99, and is 1 there: moved by 0.01",
    )
    assert published_curve([10.0, 20], [0.9, 0.8], [0.0], [50.0]).repairs == ()


def test_a_curve_read_to_its_last_fall_is_flat_to_the_last_number_at_risk() -> None:
    given_ = ([10.0, 30, 47], [0.95, 0.9, 0.85], [0.0, 24, 48, 60], [40.0, 36, 24, 3])
    made = published_curve(*given_)
    assert (made.days[-1], made.survival[-1]) == (60, 0.85)
    assert made.repairs[0].startswith("the curve was read off to 47 and is taken to be flat from there to 60")
    found = reconstruct(made)
    assert found.estimate.counts.at_risk_at(np.array(given_[2])).tolist() == given_[3]
    assert found.days[found.event].max() == 47
    with pytest.raises(RequestError, match="go to 60, and the curve was read off to 47; read it off to its"):
        published_curve(*given_, spread=True)  # points at times end where the reader stopped


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        (([10.0], [0.9], [5.0], [50.0]), "the first is at 5; allowed: the first at time 0"),
        (([10.0], [0.9], [], []), "numbers at risk: there is none"),
        (([0.0, 10], [0.8, 0.7], [0.0], [50.0]), "survival at time 0 is 0.8"),
        (([10.0, 20], [0.6, 0.7], [0.0], [50.0]), "survival rises to 0.7 at 20 after 0.6"),
        (([10.0], [0.9], [0.0, 5], [50.0, 60]), "at_risk rises from 50 at 0 to 60 at 5"),
        (([10.0], [0.9], [0.0, 5, 5], [50.0, 40, 40]), "5 follows 5; allowed: rising times"),
        (([10.0], [0.9], [0.0, 5], [50.0, 40.5]), "at_risk 40.5 at 5; allowed: a whole number"),
        (([10.0, 20], [0.9, 0.0], [0.0, 30], [50.0, 1]), "go to 30, and the curve was read off to 20"),
        (
            ([10.0, 20], [0.5, 0.4], [0.0, 20], [50.0, 48]),
            "at 10 the curve falls from 1 to 0.5, which takes 25 events or more of 50 at risk at 0, and "
            "at 20 only 2 have left",
        ),
        (
            ([12.0, 24, 30], [0.1, 0.09, 0.09], [0.0, 12, 24], [20.0, 20, 18]),
            "^at 12 the curve falls from 1 to 0.1, which takes 18 events or more of 20 at risk at 12, and "
            "at 24 only 2 have left",
        ),
        (([0.0], [1.0], [0.0], [50.0]), "no points after time 0"),
    ],
)
def test_what_no_curve_can_be_is_refused(
    given_: tuple[list[float], list[float], list[float], list[float]], said: str
) -> None:
    with pytest.raises(RequestError, match=said.replace(".", r"\.")):
        published_curve(*given_)
