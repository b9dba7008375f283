"""Sensitivity of a scenario's figures: what is drawn, exact and simulated, what is refused and warned of."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.commands import sensitivity as asked
from sim.commands.answers import answered, evaluations_of, histories_of, with_answers
from sim.commands.plan import StudyPlan, plan_of
from sim.scenario.problems import FewDrawsWarning, RequestError, SensitivityWarning, SlowStudyWarning
from sim.scenario.study_file import LoadedStudy, checked_study
from sim.study.sensitivity import BELOW, DUMMY, UNEXPLAINED, _warn_of_indices
from sim.study.shapley_effects import PERMUTED
from sim.study.sobol_indices import Indices, Interval

ACTIVE, LATER, FATAL, SHAPE, WARD = (
    "active_disease.hazard_per_year", "after_relapse.multiplier", "mobilisation.infection.case_fatality",
    "relapse.shape", "aplasia.infection.ward_relative_risk",
)  # fmt: skip
ALIVE = "overall_survival_enrolled@5"
WIDE = {"dist": "lognormal", "median": 1.05, "sigma": 0.33}
FREE = {"posterior": "chicago2006", "draws": 200}


pytestmark = pytest.mark.filterwarnings("ignore::sim.scenario.problems.FewDrawsWarning")


def planned(answer: dict[str, Any], **tables: Any) -> StudyPlan:
    own = {"kind": "sensitivity", "endpoint": ALIVE, "points": 64, **answer}
    if "posterior" in tables.get("effort", {}) and "points" not in answer:
        del own["points"]
    study = checked_study({"title": "t", "base": "chicago2006", "answer": [own], **tables})
    return with_answers(plan_of(LoadedStudy(study, "t", "asked.toml", Path()), {}))


def done(answer: dict[str, Any], **tables: Any) -> tuple[Any, Any]:
    plan = planned(answer, **tables)
    found, told = answered(plan.study.answer[0], plan, lambda _part: None, None)
    return found["indices"].set_index("parameter"), told["sensitivity"]


def test_exact_and_simulated_agree() -> None:
    keys = {"keys": [ACTIVE, LATER, FATAL]}
    exact, told = done(keys)
    drawn, also = done(keys, effort={"engine": "simulated", "replications": 64})
    assert (told["trials"], also["trials"]) == (0, 64)
    assert 0 == told["noise"] < also["noise"] < 0.01
    # At the same points: what is left is Monte Carlo error, below 1% of the variance. In a mean of 64
    # products with the figure its SD is 2 sqrt(0.01 / 64) = 0.025 at most, and most of it is luck in common.
    for column in ("first", "total"):
        apart = (exact[column] - drawn[column]).drop(DUMMY).abs()
        assert (apart < 0.025).all()
    assert exact.index[0] == ACTIVE
    assert exact.loc[FATAL, "status"] == BELOW


@pytest.mark.filterwarnings("ignore")
def test_of_draws_exact_and_simulated_agree() -> None:
    groups = {"groups": {"relapse": [SHAPE, "relapse.scale_years"]}, "keys": [ACTIVE, LATER]}
    exact, _ = done(groups, effort=FREE)
    drawn, told = done(groups, effort={**FREE, "engine": "simulated", "replications": 64})
    assert 0.002 < told["noise"] < 0.05
    assert exact.index.tolist()[:2] == drawn.index.tolist()[:2] == [ACTIVE, LATER]
    # Error of a tenth of the SD, of each draw apart: 2 x 0.1 / sqrt(200) on a share, four times that.
    assert ((exact["shapley"] - drawn["shapley"]).drop(DUMMY).abs() < 0.06).all()
    assert exact["shapley"].sum() == pytest.approx(1.0, abs=1e-12)
    assert UNEXPLAINED in exact.index


def test_what_is_uncertain_wins_over_a_prior_and_what_is_set_is_held() -> None:
    plan = planned({}, uncertain=[{"key": ACTIVE, "value": {"dist": "gamma", "mean": 0.1, "sd": 0.01}}],
                   set={SHAPE: 0.5})  # fmt: skip
    found = {each.key: each.drawn_from for each in asked._Asked.of(plan.study.answer[0], plan).inputs}
    assert found[ACTIVE] == "assumed: gamma (mean 0.1, sd 0.01)"
    assert found[LATER].startswith("prior: lognormal")
    assert SHAPE not in found


def test_what_is_uncertain_in_another_arm_is_no_input_of_this_one() -> None:
    tables = {
        "arm": [{"name": "a"}, {"name": "b"}], "uncertain": [{"key": WARD, "value": WIDE, "arm": "b"}],
    }  # fmt: skip
    for effort in ({}, FREE):
        drawn = {}
        for arm in ("a", "b"):
            plan = planned({"arm": arm}, effort=effort, **tables)
            drawn[arm] = asked._Asked.of(plan.study.answer[0], plan).keys
        assert {*drawn["b"]} - {*drawn["a"]} == {WARD}
        assert len(drawn["a"]) == 6


def test_of_a_design_of_draws_it_may_be_asked_too() -> None:
    plan = planned({}, effort=FREE, design={"kind": "posterior"})
    assert len(asked._Asked.of(plan.study.answer[0], plan).keys) == 6


def test_its_cost_is_known_beforehand() -> None:
    exact = planned({})
    assert histories_of(exact) == 0
    assert evaluations_of(exact) == round(asked._BATCHED * 64 * (6 + 2))
    simulated = planned({"keys": [ACTIVE]}, effort={"engine": "simulated", "replications": 10})
    assert (histories_of(simulated), evaluations_of(simulated)) == (64 * 3 * 10 * 50, 0)
    fits = (2**6 + PERMUTED) * 200 / asked._FITTED
    assert evaluations_of(planned({}, effort=FREE)) == round(asked._BATCHED * 200 + fits)
    stays = [{"key": "recovery.duration_days.mean", "value": {"dist": "gamma", "mean": 28, "sd": 5}}]
    with pytest.warns(SlowStudyWarning, match=r"8,192|9,216.*recovery\.duration_days\.mean"):
        slow = planned({"points": 1024}, uncertain=stays)
    assert evaluations_of(slow) == 1024 * 9


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "points": ({"points": 100}, {}, ["points = 100", "64 or 128"]),
    "no prior": ({"keys": [WARD]}, {}, [f"{WARD} is not drawn", "[[uncertain]]"]),
    "spelling": ({"keys": ["relapse.shap"]}, {}, ["did you mean relapse.shape"]),
    "set": ({"keys": [SHAPE]}, {"set": {SHAPE: 0.5}}, [f"{SHAPE} is not drawn", "sets or varies"]),
    "varied": (
        {"keys": [SHAPE]}, {"factor": [{"key": SHAPE, "values": [0.5]}]},
        [f"{SHAPE} is not drawn", "sets or varies"],
    ),
    "two groups": ({"groups": {"a": [SHAPE], "b": [SHAPE, LATER]}}, {}, ["two places"]),
    "empty group": ({"groups": {"a": []}}, {}, ['"a" needs members']),
    "name of a group": ({"groups": {LATER: [SHAPE]}}, {}, ["no parameter's"]),
    "endpoint": ({"endpoint": "survival"}, {}, ["unknown endpoint"]),
    "draws and points": ({"points": 64}, {"effort": FREE}, ["leave it out", "effort.draws"]),
    "few draws": ({}, {"effort": {**FREE, "draws": 20}}, ["effort.draws = 20", "50 or more"]),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "tables", "words"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_refused_before_anything_is_computed(
    answer: dict[str, Any], tables: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(RequestError) as refused:
        planned(answer, **tables)
    assert "asked.toml: [[answer]] sensitivity: " in str(refused.value)
    assert all(word in str(refused.value) for word in words), str(refused.value)


def test_too_many_groups_are_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "MOST_GROUPS", 5)
    with pytest.raises(RequestError, match=r"6 parameters have 64 subsets; allowed: 5, .* groups = "):
        planned({}, effort=FREE)
    planned({"groups": {"relapse": [SHAPE, "relapse.scale_years"]}}, effort=FREE)


def test_a_figure_that_is_no_number_is_refused_with_the_values_it_has_there() -> None:
    """Of the reinfused nothing is known where everybody dies before."""
    with pytest.raises(RequestError, match=r"no number at 192 of 192 rows, first row 1 \(.*fatality = 1\)"):
        done({"endpoint": "overall_survival@5", "keys": [FATAL]}, uncertain=[{"key": FATAL, "value": 1.0}],
             set={"mobilisation.infection.hazard_per_day": 1000.0},
             effort={"engine": "simulated", "replications": 1})  # fmt: skip


def test_what_nothing_moves_is_refused() -> None:
    with pytest.raises(RequestError, match="whatever is drawn: nothing of it hangs on these"):
        done({"endpoint": "pre_transplant_mortality", "keys": [SHAPE]})


def test_few_draws_and_few_points_are_warned_of() -> None:
    with pytest.warns(FewDrawsWarning, match=r"64 draws are few .* raise effort\.draws to 200"):
        done({"keys": [ACTIVE]}, effort={**FREE, "draws": 64})
    with pytest.warns(FewDrawsWarning, match="64 points are few .* take points = 1024"):
        done({"keys": [ACTIVE]})


@pytest.mark.parametrize(
    ("first", "excess", "together", "said"),
    [
        ((0.5, 0.4, 0.6), (-0.1, -0.2, 0.1), (0.9, 0.8, 1.1), ""),
        ((0.5, 0.4, 0.6), (-0.1, -0.2, 0.1), (1.2, 1.1, 1.3), "add up to 1.2, more than 1"),
        ((0.5, 0.4, 0.6), (0.2, 0.1, 0.3), (0.9, 0.8, 1.1), "first-order index of a exceeds its total"),
        ((-0.3, -0.4, -0.2), (-0.4, -0.5, -0.3), (0.9, 0.8, 1.1), "index of a is negative"),
    ],
)
def test_indices_that_can_not_be_are_warned_of(
    first: tuple[float, ...], excess: tuple[float, ...], together: tuple[float, ...], said: str
) -> None:
    def each(values: tuple[float, ...]) -> Interval:
        return Interval(*(np.array([value]) for value in values))

    told = Indices(each(first), each(first), each(first), 0.05, Interval(*map(np.float64, together)),
                   each(excess))  # fmt: skip
    if said:
        with pytest.warns(SensitivityWarning, match=f"{said}.*take points = 256"):
            _warn_of_indices(told, ["a"], 64)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            _warn_of_indices(told, ["a"], 64)
