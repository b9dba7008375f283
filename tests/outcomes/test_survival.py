"""Laws that survival estimates obey, agreement with the estimates of many trials, warnings and refusals."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from math import exp, isnan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.outcomes.log_rank import log_rank
from sim.outcomes.many_trials import follow_ups, incidences
from sim.outcomes.survival import CumulativeIncidences, KaplanMeier, aalen_johansen, counts_of, kaplan_meier
from sim.scenario.problems import BeyondFollowUpWarning, FewAtRiskWarning, FigureWarning

Patients = Sequence[tuple[float, int]]
"""Time and cause, -1 for a censoring."""

weak = pytest.mark.filterwarnings("ignore::sim.scenario.problems.FigureWarning")
several = settings(deadline=None, max_examples=200, derandomize=True)

tied = st.tuples(st.integers(0, 6).map(float), st.integers(-1, 2))
spread = st.tuples(st.floats(0, 10).map(lambda t: round(t, 3)), st.integers(-1, 2))
trials = st.one_of(st.lists(tied, min_size=1, max_size=15), st.lists(spread, min_size=1, max_size=15))


def survival_of(patients: Patients) -> KaplanMeier:
    return kaplan_meier([time for time, _ in patients], [cause >= 0 for _, cause in patients])


def incidences_of(patients: Patients, causes: int = 3) -> CumulativeIncidences:
    return aalen_johansen([time for time, _ in patients], [cause for _, cause in patients], causes)


@weak
@several
@given(trials, st.lists(st.sampled_from([0, 0.5, 1, 2, 3.5, 6, 7, 11]), min_size=1, unique=True))
def test_one_trial_is_what_many_trials_say(patients: Patients, times: list[float]) -> None:
    followed = np.array([[float(time)] for time, _ in patients])
    causes = np.array([[cause] for _, cause in patients])
    keys = follow_ups(followed, [causes == number for number in range(3)], causes >= -1)
    many = incidences([keys], 3, times)
    np.testing.assert_allclose(survival_of(patients).read(times).estimate, many.survival[:, 0], atol=1e-13)
    for cause, curve in enumerate(many.by_cause):
        read = incidences_of(patients).read(cause, times)
        np.testing.assert_allclose(read.estimate, curve[:, 0], atol=1e-13)


@several
@given(trials)
def test_survival_never_rises_and_adds_to_1_with_the_incidences(patients: Patients) -> None:
    curve, competing = survival_of(patients), incidences_of(patients)
    assert (np.diff(curve.survival, prepend=1.0) <= 0).all()
    assert (curve.survival >= 0).all()
    assert (np.diff(competing.incidence, prepend=0.0, axis=1) >= 0).all()
    assert competing.survival.tolist() == curve.survival.tolist()
    np.testing.assert_allclose(competing.survival + competing.incidence.sum(axis=0), 1, atol=1e-14)


@several
@given(trials)
def test_with_one_cause_the_incidence_is_the_rest_of_survival(patients: Patients) -> None:
    curve, one = survival_of(patients), incidences_of([(time, min(cause, 0)) for time, cause in patients], 1)
    np.testing.assert_allclose(one.incidence[0], 1 - curve.survival, atol=1e-14)
    alive = curve.survival > 0
    np.testing.assert_allclose(one.std_error[0][alive], curve.std_error[alive], atol=1e-12)


@several
@given(trials)
def test_error_of_an_incidence_is_the_influence_of_each_patient(patients: Patients) -> None:
    """The infinitesimal jackknife written out: the estimate's derivative in each patient's weight."""
    found = incidences_of(patients)
    times, why = np.array([time for time, _ in patients]), np.array([cause for _, cause in patients])
    survival, on_survival = 1.0, np.zeros(len(patients))
    incidence, on_incidence = np.zeros(3), np.zeros((3, len(patients)))
    for place, moment in enumerate(np.unique(times)):
        at_risk = times >= moment
        strikes = np.array([(times == moment) & (why == cause) for cause in range(3)])
        hazard = strikes.sum(axis=1) / at_risk.sum()
        on_hazard = (strikes - at_risk * hazard[:, None]) / at_risk.sum()
        on_incidence += on_survival * hazard[:, None] + survival * on_hazard
        on_survival = on_survival * (1 - hazard.sum()) - survival * on_hazard.sum(axis=0)
        incidence += survival * hazard
        survival *= 1 - hazard.sum()
        np.testing.assert_allclose(found.incidence[:, place], incidence, atol=1e-14)
        errors = np.sqrt((on_incidence**2).sum(axis=1))
        np.testing.assert_allclose(found.std_error[:, place], errors, atol=1e-12)


@weak
@several
@given(trials, st.sampled_from([0.5, 1, 2.75, 6, 20]))
def test_without_censoring_survival_is_a_share_of_patients(patients: Patients, horizon: float) -> None:
    patients = [(time, max(cause, 0)) for time, cause in patients]
    times, curve = np.array([time for time, _ in patients]), survival_of(patients)
    share = (times > horizon).mean()
    read = curve.read(horizon)
    assert read.estimate[0] == pytest.approx(share, abs=1e-12)
    if share > 0:
        assert read.std_error[0] == pytest.approx(sqrt(share * (1 - share) / len(times)), abs=1e-12)
    assert np.nan_to_num(read.at_risk[0]) == (times >= horizon).sum()


@several
@given(trials, st.integers(2, 20))
def test_order_of_patients_and_unit_of_time_change_nothing(patients: Patients, unit: int) -> None:
    curve = incidences_of(patients)
    other = incidences_of([(time * unit, cause) for time, cause in reversed(patients)])
    assert other.incidence.tolist() == curve.incidence.tolist()
    assert other.std_error.tolist() == curve.std_error.tolist()


@several
@given(st.lists(st.tuples(tied, st.sampled_from("abc")), min_size=2, max_size=25))
def test_log_rank_expects_as_many_events_as_happened(drawn: list[tuple[tuple[float, int], str]]) -> None:
    group = [name for _, name in drawn]
    if len(set(group)) < 2:
        return
    time, event = [time for (time, _), _ in drawn], [cause >= 0 for (_, cause), _ in drawn]
    found = log_rank(time, event, group)
    assert found.observed.sum() == sum(event)
    assert found.expected.sum() == pytest.approx(sum(event), abs=1e-12)
    renamed = log_rank(time, event, [{"a": "z"}.get(name, name) for name in group])
    assert renamed.statistic == pytest.approx(found.statistic, abs=1e-9, nan_ok=True)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """At least for many patients: 95% of 1,000 drawn trials, within four standard errors of a share."""
    luck, holds = np.random.default_rng(5), 0
    for _ in range(1000):
        latent, cut = luck.exponential(size=200), luck.uniform(0, 4, 200)
        curve = kaplan_meier(np.minimum(latent, cut), latent <= cut)
        read = curve.read(1.0)
        holds += bool(read.lower[0] <= exp(-1) <= read.upper[0])
    assert holds / 1000 == pytest.approx(0.95, abs=4 * sqrt(0.95 * 0.05 / 1000))


def test_error_of_a_long_curve_does_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    luck = np.random.default_rng(6)
    time, cause = luck.exponential(size=300), luck.integers(-1, 2, 300)
    whole = aalen_johansen(time, cause, 2)
    monkeypatch.setattr("sim.outcomes.survival._CELLS", 1000)
    np.testing.assert_allclose(aalen_johansen(time, cause, 2).std_error, whole.std_error, atol=1e-15)


def test_events_come_before_censorings_at_one_time() -> None:
    assert kaplan_meier([5, 5], [False, True]).survival.tolist() == [0.5]


@weak
def test_nearly_equal_times_are_one_time_also_when_read() -> None:
    late = 1000.1 - 1000 + 4.9
    assert late != 5
    curve = kaplan_meier([late, 5.0, 6.0], [True, True, False])
    assert len(curve.counts.times) == 2
    read = curve.read([np.nextafter(late, 0) - 1e-12, 5 - 1e-6])
    assert read.at_risk.tolist() == [3, 3]
    assert read.estimate.tolist() == pytest.approx([1 / 3, 1])
    assert curve.read(6 + 1e-10).at_risk[0] == 1


def test_far_apart_is_what_the_mean_time_says() -> None:
    assert len(counts_of([1.0, 1.0 + 1e-6], [0, 0], 1).times) == 2
    assert len(counts_of([1000.0, 1000.0 + 1e-6], [0, 0], 1).times) == 1


@weak
def test_median_in_the_flat_is_in_the_middle_or_at_the_beginning_of_the_last() -> None:
    assert kaplan_meier([1, 2, 3, 4], [1, 1, 1, 1]).median().estimate == 2.5
    assert kaplan_meier([1, 2, 3, 4], [1, 1, 0, 0]).median().estimate == 2
    assert isnan(kaplan_meier([1, 2, 3, 4], [1, 0, 0, 0]).median().estimate)


@weak
def test_after_the_last_event_of_all_survival_is_0_for_good() -> None:
    curve = kaplan_meier([1, 4], [1, 1])
    assert curve.read([5, 100]).estimate.tolist() == [0, 0]


MANY = 40
FOLLOWED = np.arange(1.0, MANY + 1)
RELAPSED = np.arange(MANY) % 4 == 0
CAUSE = np.where(RELAPSED, 0, -1)

Read = Callable[[float], object]
READS: dict[str, Read] = {
    "survival": lambda time: kaplan_meier(FOLLOWED, RELAPSED).read(time),
    "the incidence of cause 0": lambda time: aalen_johansen(FOLLOWED, CAUSE, 1).read(0, time),
}


@pytest.mark.parametrize("what", READS)
def test_weak_figures_warn_with_a_remedy(what: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        READS[what](31)
    with pytest.warns(
        FewAtRiskWarning, match=rf"^{what} is read at 32 with 9 patients .* at 31 or earlier"
    ) as few:
        READS[what](32)
    with pytest.warns(
        BeyondFollowUpWarning, match=rf"^{what} .* at 41, .* is 40: .* Read it at 40 or"
    ) as late:
        READS[what](41)
    for caught in (*few, *late):
        assert issubclass(caught.category, FigureWarning)
        assert caught.filename == __file__


def test_a_median_with_few_at_risk_warns_and_one_never_reached_does_not() -> None:
    with pytest.warns(FewAtRiskWarning, match="the median is read at 2 with 2 patients .* Enrol more"):
        kaplan_meier([1, 2, 3], [1, 1, 0]).median()
    assert isnan(kaplan_meier(FOLLOWED, np.zeros(MANY)).median().estimate)


REFUSALS: dict[str, tuple[Callable[[], object], str]] = {
    "nobody": (lambda: kaplan_meier([], []), r"time has shape \(0,\)"),
    "a table of times": (lambda: kaplan_meier([[1.0]], [[1]]), r"time has shape \(1, 1\)"),
    "a negative time": (
        lambda: kaplan_meier([1, -2, -3], [1, 1, 1]),
        r"time\[1\] = -2.0 \(and 1 more\) is neg",
    ),
    "no number": (lambda: kaplan_meier([1, np.nan], [1, 1]), r"time\[1\] = nan is not a finite number"),
    "for ever": (lambda: kaplan_meier([np.inf], [1]), r"time\[0\] = inf is not a finite number"),
    "too few events": (lambda: kaplan_meier([1, 2], [1]), r"shape \(1,\), time \(2,\)"),
    "an unknown cause": (
        lambda: aalen_johansen([1, 2], [0, 2], 2),
        r"cause\[1\] = 2 is no cause: give -1 for",
    ),
    "one group": (lambda: log_rank([1, 2], [1, 1], ["a", "a"]), "group has one label, a"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_means_nothing_is_refused(case: str) -> None:
    act, message = REFUSALS[case]
    with pytest.raises(ValueError, match=message):
        act()


@pytest.mark.parametrize(
    ("last", "said"),
    [(4.02403, "4.02"), (3.999, "3.99"), (40.0, "40"), (3105.9, "3105"), (0.012345, "0.0123")],
)
def test_the_time_up_to_which_to_read_has_few_digits_and_is_still_followed(last: float, said: str) -> None:
    curve = kaplan_meier([0.001, last], [True, False])
    with pytest.warns(BeyondFollowUpWarning, match=rf"longest follow-up is {said}: .* Read it at {said} or"):
        curve.read([2 * last])
    with warnings.catch_warnings():
        warnings.simplefilter("error", BeyondFollowUpWarning)
        warnings.simplefilter("ignore", FewAtRiskWarning)
        curve.read([float(said)])
