"""Tornadoes: over stated ranges only, held and re-solved, by the exact twin and under common luck."""

from __future__ import annotations

import pytest

import sim
from sim.calibrate.point import TOLERANCE, solve_point
from sim.outcomes.twin.expected import expected, expected_figure
from sim.scenario.endpoints import Key
from sim.scenario.problems import RequestError
from sim.scenario.schema import Scenario
from sim.scenario.values import with_values
from sim.study.budget import Budget
from sim.study.estimates import Z95
from sim.study.tornado import Stated, _bends, stated_ranges, tornado

ALIVE: Key = ("overall_survival_enrolled", 5.0)
SMR, WARD, SHAPE = (
    "background.standardised_mortality_ratio", "aplasia.infection.ward_relative_risk", "relapse.shape",
)  # fmt: skip
WIDE = [Stated(WARD, 0.5, 20.0, "made up"), Stated(SHAPE, 0.4, 0.9, "made up")]


def chicago() -> Scenario:
    return sim.load_scenario("chicago2006").scenario


def solved(scenario: Scenario) -> Scenario:
    return solve_point(scenario).scenario


def test_every_parameter_has_a_stated_range_or_is_listed_as_left_out() -> None:
    found, left = stated_ranges(chicago())
    keys = [each.key for each in found]
    assert sorted([*keys, *left["key"]]) == sorted(sim.load_scenario("chicago2006").origins)
    assert {SMR, WARD, "relapse.scale_years"} <= {*keys}  # two published, one of the prior
    assert "clinic.isolation_rooms" in {*left["key"]}
    assert left["why"].str.len().min() > 0


def test_a_range_that_does_not_hold_the_value_is_refused() -> None:
    with pytest.raises(RequestError, match=r"standardised_mortality_ratio is 3, outside .* 2.3 to 2.5 \(M01"):
        stated_ranges(with_values(chicago(), {SMR: 3.0}), keys=[SMR])
    _, left = stated_ranges(with_values(chicago(), {SMR: 3.0}))  # unasked it is left out, and told
    assert "outside of its stated range 2.3 to 2.5" in left.set_index("key").loc[SMR, "why"]
    with pytest.raises(RequestError, match=r"did you mean relapse\.shape"):
        stated_ranges(chicago(), keys=["relapse.shap"])


def test_exact_and_under_common_luck_it_is_the_same() -> None:
    scenario = chicago()
    exact = tornado(scenario, ALIVE, WIDE, Budget()).set_index("parameter")
    values = [scenario, *(with_values(scenario, {WARD: end}) for end in (0.5, 20.0))]
    own, low, high = expected_figure(values, ALIVE)
    assert exact.loc[WARD, "difference_at_low"] == low - own
    assert exact.loc[WARD, "swing"] == pytest.approx(low - high, abs=1e-15)
    assert exact["exact"].all()
    # A room for everybody who asks, but a number of them: only simulation may tell.
    limited = with_values(scenario, {"clinic.isolation_rooms": 500})
    drawn = tornado(limited, ALIVE, WIDE, Budget(1000, engine="arrays")).set_index("parameter")
    assert not drawn["exact"].any()
    for key in (WARD, SHAPE):
        for end in ("low", "high"):
            ends = (drawn.loc[key, f"difference_{limit}_at_{end}"] for limit in ("upper", "lower"))
            upper, lower = ends
            off = drawn.loc[key, f"difference_at_{end}"] - exact.loc[key, f"difference_at_{end}"]
            assert abs(off) < 4 * (upper - lower) / 2 / Z95


def test_re_solved_the_published_figures_hold_at_both_ends() -> None:
    scenario = chicago()
    found = tornado(
        scenario, ALIVE, [*WIDE, Stated("relapse.scale_years", 5, 15, "made up")], Budget(), solved
    )
    rows = found.set_index("parameter")
    for end in (0.4, 0.9):
        again = expected(solved(with_values(scenario, {SHAPE: end})))
        for target in scenario.fitted_targets:
            assert again[target.endpoint, target.time_years] == pytest.approx(target.value, abs=TOLERANCE)
    assert abs(rows.loc[SHAPE, "swing"]) < 0.01 < tornado(scenario, ALIVE, WIDE, Budget())["swing"].max()
    assert "solved back" in rows.loc["relapse.scale_years", "status"]
    assert (found["version"] == "re-solved").all()


def test_an_end_that_no_values_can_meet_is_marked() -> None:
    lethal = [Stated("immunoablation.toxicity_per_day", 0.0, 0.01, "made up")]
    found = tornado(chicago(), ALIVE, lethal, Budget(), solved)
    assert found["status"].str.startswith("infeasible: ").all()
    assert found["difference_at_low"].notna().all()
    assert found["swing"].isna().all()


def test_what_turns_between_the_ends_is_marked() -> None:
    def at(*changes: float, error: float = 0.0) -> list[tuple[float, ...] | None]:
        return [(0.8 + each, each, each - error, each + error) for each in changes]

    assert _bends(at(0.0, 0.02, 0.01))
    assert not _bends(at(0.0, 0.01, 0.02))
    assert not _bends(at(0.0, 0.02, 0.01, error=0.02))  # of that Monte Carlo error says nothing
    key: Key = ("mean_follow_up", None)
    rises = [Stated("follow_up.data_cut_days", 2900, 3600, "made up")]
    assert tornado(chicago(), key, rises, Budget())["status"].tolist() == [""]
