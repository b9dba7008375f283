"""Kaplan-Meier and competing incidences against textbooks and against the estimators written out."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sim.outcomes import many_trials
from sim.outcomes.many_trials import Incidences, follow_ups

# Weeks in remission of 21 children on 6-mercaptopurine; True is a relapse, False a censoring.
# Freireich EJ et al. Blood 1963;21:699-716, with the product-limit estimates that textbooks print.
REMISSIONS = [
    (6, True), (6, True), (6, True), (6, False), (7, True), (9, False), (10, True), (10, False), (11, False),
    (13, True), (16, True), (17, False), (19, False), (20, False), (22, True), (23, True), (25, False),
    (32, False), (32, False), (34, False), (35, False),
]  # fmt: skip
PRINTED = {5: 1.0, 6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448, 35: 0.448}

Patients = Sequence[tuple[int, int]]
"""Time and cause, -1 for a censoring."""


def incidences(
    followed: NDArray[np.float64], cause: NDArray[np.int64], causes: int, times: Sequence[float]
) -> Incidences:
    """Estimate from times, not a number for who is absent, and causes, -1 for a censoring."""
    present = ~np.isnan(followed)
    events = [present & (cause == number) for number in range(causes)]
    return many_trials.incidences([follow_ups(followed, events, present)], causes, times)


def estimate(patients: Patients, times: Sequence[float], causes: int = 1) -> Incidences:
    followed = np.array([[float(time)] for time, _ in patients])
    return incidences(followed, np.array([[cause] for _, cause in patients]), causes, times)


def literal(patients: Patients, time: float, causes: int) -> list[Fraction] | None:
    """Return survival and incidences at a time by the definitions, in fractions; None where undefined."""
    survival, incidence = Fraction(1), [Fraction(0)] * causes
    for moment in sorted({t for t, _ in patients if t <= time}):
        at_risk = sum(t >= moment for t, _ in patients)
        events = [sum((t, c) == (moment, cause) for t, c in patients) for cause in range(causes)]
        incidence = [i + survival * Fraction(d, at_risk) for i, d in zip(incidence, events, strict=True)]
        survival *= 1 - Fraction(sum(events), at_risk)
    someone_left = any(t >= time for t, _ in patients)
    return [survival, *incidence] if someone_left or (patients and survival == 0) else None


def test_kaplan_meier_is_the_textbooks() -> None:
    patients = [(time, 0 if relapse else -1) for time, relapse in REMISSIONS]
    survival = estimate(patients, list(PRINTED)).survival[:, 0]
    np.testing.assert_allclose(survival, list(PRINTED.values()), atol=0.0005)


patients = st.lists(st.tuples(st.integers(0, 6), st.integers(-1, 2)), min_size=1, max_size=12)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(patients, st.sampled_from([0.5, 1, 2, 3.5, 6, 7]))
def test_estimates_are_the_definitions_written_out(drawn: Patients, time: float) -> None:
    found = estimate(drawn, [time], causes=3)
    values = [float(found.survival[0, 0]), *(float(curve[0, 0]) for curve in found.by_cause)]
    expected = literal(drawn, time, 3)
    if expected is None:
        assert all(isnan(value) for value in values)
    else:
        assert values == pytest.approx([float(value) for value in expected], abs=1e-14)
        assert sum(values) == pytest.approx(1, abs=1e-14)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(st.lists(patients, min_size=2, max_size=4))
def test_trials_side_by_side_do_not_touch(trials: list[Patients]) -> None:
    times, longest = [1.0, 3.0, 5.0], max(len(trial) for trial in trials)
    followed, cause = np.full((longest, len(trials)), np.nan), np.full((longest, len(trials)), -1)
    for column, trial in enumerate(trials):
        # Who is not in the trial may stand anywhere, and with any cause.
        rows = np.random.default_rng(column).permutation(longest)
        cause[rows[len(trial) :], column] = 1
        for row, (time, why) in zip(rows, trial, strict=False):
            followed[row, column], cause[row, column] = time, why
    together = incidences(followed, cause, 3, times)
    for column, trial in enumerate(trials):
        alone = estimate(trial, times, causes=3)
        np.testing.assert_allclose(together.survival[:, column], alone.survival[:, 0], atol=1e-14)
        for many, one in zip(together.by_cause, alone.by_cause, strict=True):
            np.testing.assert_allclose(many[:, column], one[:, 0], atol=1e-14)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(patients)
def test_quantiles_are_when_the_estimate_gets_there(drawn: Patients) -> None:
    followed = np.array([[float(time)] for time, _ in drawn])
    had = np.array([[cause >= 0] for _, cause in drawn])
    found = many_trials.quantiles([follow_ups(followed, [had], had | True)], (0.5, 0.9))[:, 0]
    for share, quantile in zip((Fraction(1, 2), Fraction(9, 10)), found.tolist(), strict=True):
        one_cause = [(time, min(cause, 0)) for time, cause in drawn]
        curve = {time: literal(one_cause, time, 1) for time, cause in drawn if cause >= 0}
        there = [time for time, left in curve.items() if left is not None and left[0] <= 1 - share]
        assert quantile == min(there) if there else isnan(quantile)


def test_events_come_before_censorings_at_the_same_time() -> None:
    assert estimate([(5, -1), (5, 0)], [5]).survival[0, 0] == 0.5


def test_without_anybody_at_risk_the_estimate_is_undefined() -> None:
    assert np.isnan(estimate([(1, 0), (4, -1)], [5]).survival[0, 0])


def test_followed_for_exactly_the_time_is_still_at_risk() -> None:
    assert estimate([(1, 0), (5, -1)], [5]).survival[0, 0] == 0.5


def test_a_rounding_of_day_counts_leaves_nobody_out() -> None:
    followed = np.array([[1.0], [1000.1 - 1000 + 4.9 - 1e-12]])
    assert incidences(followed, np.array([[0], [-1]]), 1, [5.0]).survival[0, 0] == 0.5


def test_an_event_at_exactly_the_time_has_happened_whatever_the_rounding() -> None:
    time = 182.625
    late = (1021.9 + time) - 1021.9
    assert late > time
    together = incidences(np.array([[late], [400.0]]), np.array([[0], [-1]]), 1, [time])
    assert together.survival[0, 0] == 0.5


def test_an_hour_short_of_the_time_is_not_at_risk() -> None:
    five_years = 5 * 365.25
    assert np.isnan(estimate([(1, 0), (five_years - 1 / 24, -1)], [five_years]).survival[0, 0])


def test_when_all_have_had_the_event_survival_is_zero_for_good() -> None:
    assert estimate([(1, 0), (4, 0)], [5, 100]).survival[:, 0].tolist() == [0, 0]


def test_a_trial_without_patients_is_undefined() -> None:
    nobody = incidences(np.full((3, 1), np.nan), np.full((3, 1), -1), 2, [1.0])
    assert np.isnan(nobody.survival).all()
    assert np.isnan(nobody.by_cause).all()
