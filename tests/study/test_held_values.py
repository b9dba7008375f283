"""Which parameters draws of a posterior replace, and which are held; what is estimated over draws."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from estimating import write_posterior
from scipy import stats

from sim.scenario.cohort import load_cohort
from sim.scenario.endpoints import BY_NAME
from sim.scenario.load import load
from sim.scenario.problems import HeldValueWarning, RequestError, UnfittedDrawWarning
from sim.scenario.values import get_value, with_values
from sim.study.budget import Budget
from sim.study.compare import Side, compare, settings
from sim.study.draws import Draws, draws_from
from sim.study.estimates import POSTERIOR_COLUMNS, over_draws
from sim.study.experiment import Experiment, Keep
from sim.study.montecarlo import simulate
from sim.study.posterior import Posterior
from sim.study.sweep import grid, measure_points
from sim.study.validate import Prediction, covered_count, validate

CHICAGO = load("chicago2006")
FATAL, HAZARD, SHAPE, MULTIPLIER = KEYS = (
    "aplasia.infection.case_fatality", "active_disease.hazard_per_year", "relapse.shape",
    "after_relapse.multiplier",
)  # fmt: skip
POINT = tuple(float(get_value(CHICAGO.scenario, key)) for key in KEYS)
BLOCK = 256


def draws_of(*rows: Sequence[float], keys: tuple[str, ...] = KEYS) -> Draws:
    """Draws of some keys; without rows, two that differ from the point."""
    point = tuple(float(get_value(CHICAGO.scenario, key)) for key in keys)
    given = rows or (tuple(0.5 * value for value in point), tuple(1.5 * value for value in point))
    return Draws(keys, point, tuple(map(tuple, given)), "mine.csv", "0")


def budget(draws: Draws | None, replications: int = 128, workers: int | None = 1) -> Budget:
    return Budget(replications, 1, 0, engine="arrays", draws=draws, workers=workers)


def warned(draws: Draws, name: str, *overrides: str, swept: Sequence[str] = ()) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        draws.warn_of_held(load(name, overrides), swept)
    assert all(each.category is HeldValueWarning for each in caught)
    return [str(each.message) for each in caught]


def test_every_calibrated_value_is_drawn() -> None:
    draws = draws_of()
    assert draws.held_in(CHICAGO) == ()
    assert draws.replaced(CHICAGO.scenario) == KEYS
    for scenario, row in zip(draws.over(CHICAGO.scenario), draws.values, strict=True):
        assert tuple(get_value(scenario, key) for key in KEYS) == row
    assert warned(draws, "chicago2006") == []
    assert draws.record_of(CHICAGO) == {"free": list(KEYS), "held": [], "unfitted": []}


@pytest.mark.parametrize("value", [POINT[2], 0.8])
def test_what_is_set_is_held_whatever_its_value(value: float) -> None:
    draws, loaded = draws_of(), load("chicago2006", [f"{SHAPE}={value!r}"])
    held = draws.held_in(loaded)
    assert SHAPE in held
    assert draws.kept(loaded.scenario, held) == (SHAPE,)
    assert {get_value(each, SHAPE) for each in draws.over(loaded.scenario, held)} == {value}
    (said,) = warned(draws, "chicago2006", f"{SHAPE}={value!r}")
    assert said.startswith(f"chicago2006: {SHAPE} is ")
    assert ("given with --set" in said) == (value == POINT[2])
    assert warned(draws, "chicago2006", f"{SHAPE}={value!r}", swept=[SHAPE]) == []


def test_a_parameter_that_the_scenario_has_not_is_held() -> None:
    draws = draws_of(keys=(SHAPE, "arrivals.power"))
    (said,) = warned(draws, "open_clinic")
    assert said.startswith("open_clinic: it has no arrivals.power. ")
    assert draws.replaced(load("open_clinic").scenario) == (SHAPE,)


def test_a_scenario_that_rests_on_another_calibration_keeps_all_of_its_values() -> None:
    draws = draws_of()
    for name in ("ebmt2004", "chicago2006_reading_b"):
        loaded = load(name)
        # Some values are the same by inheritance, or by assumption.
        assert draws.replaced(loaded.scenario)
        assert draws.held_in(loaded) == KEYS
        assert draws.record_of(loaded) == {"free": [], "held": list(KEYS), "unfitted": []}
        assert draws.first(loaded.scenario, draws.held_in(loaded)) is loaded.scenario
        (said,) = warned(draws, name)
        assert said.startswith(f"{name}: it rests on another calibration and keeps all of its values.")
        with pytest.raises(RequestError, match=f"{name} rests on another calibration"):
            draws.require(loaded)
    cohort = load_cohort("jayne2004").loaded  # whose relapses are said to be as in Chicago
    assert draws.record_of(cohort) == {"free": [HAZARD, SHAPE, MULTIPLIER], "held": [FATAL], "unfitted": []}


def test_a_column_that_the_calibration_did_not_fit_is_called_an_assumption() -> None:
    ward = "aplasia.infection.ward_relative_risk"
    draws = Draws((*KEYS, ward), (*POINT, 1.0), ((*POINT, 0.8), (*POINT, 1.3)), "mine.csv")
    assert draws.record_of(CHICAGO)["unfitted"] == [ward]
    with pytest.warns(UnfittedDrawWarning, match=f"mine.csv: {ward}: drawn, but chicago2006 states no"):
        draws.warn_of_held(CHICAGO)


def test_a_scenario_of_which_nothing_is_drawn_is_refused() -> None:
    alone = draws_of(keys=(SHAPE,))
    alone.require(CHICAGO)
    for wrong in (
        lambda: alone.require(CHICAGO, [SHAPE]),
        lambda: alone.require(load("chicago2006", [f"{SHAPE}=0.6"])),
        lambda: alone.over(with_values(CHICAGO.scenario, {SHAPE: 0.7})),
    ):
        with pytest.raises(RequestError, match="the posterior is not about it"):
            wrong()


def test_a_draw_that_does_not_fit_is_refused_with_the_name_of_its_file() -> None:
    with pytest.raises(RequestError, match=r"--posterior mine\.csv: .*case_fatality"):
        draws_of((2.0, *POINT[1:]), (2.0, *POINT[1:])).over(CHICAGO.scenario)


def test_a_swept_value_equal_to_the_calibrated_one_is_held() -> None:
    low, high = (POINT[0], 0.0, *POINT[2:]), (POINT[0], 1.0, *POINT[2:])
    points = [POINT[1], 2 * POINT[1]]
    swept = grid(CHICAGO.scenario, {HAZARD: points})
    found, curves = measure_points(swept, CHICAGO.scenario, budget(draws_of(low, high)))
    alive = found[(found["endpoint"] == "overall_survival_enrolled") & (found["time_years"] == 5)]
    # Were the first point replaced, survival under its two draws would lie 50 points apart.
    width = alive["posterior_upper"] - alive["posterior_lower"]
    assert (width < 0.1).all()
    assert alive["estimate"].is_monotonic_decreasing
    assert (curves["posterior_upper"] - curves["posterior_lower"] < 0.1).all()


def test_a_value_of_a_range_is_held_where_it_is_varied_and_only_there() -> None:
    at_home = load("no_transplant")
    base = Side(CHICAGO.scenario)
    for each in settings({"chicago2006": base, "no_transplant": Side(at_home.scenario, (SHAPE,))}):
        assert (each.reference.held, each.other.held) == ((), (SHAPE, HAZARD) if each.key else (SHAPE,))
    values = at_home.scenario.range[0].values
    assert POINT[1] in values  # the trap: the range holds the calibrated value itself
    drawn = budget(draws_of((POINT[0], 0.01, *POINT[2:]), (POINT[0], 2, *POINT[2:])))
    found = compare({"chicago2006": base, "no_transplant": Side(at_home.scenario)}, drawn)

    def survival(table: pd.DataFrame) -> pd.DataFrame:
        at = (table["endpoint"] == "overall_survival_enrolled") & (table["time_years"] == 5)
        return table[at & (table["scenario"] == "no_transplant")]

    drawn, held = survival(found.comparison), survival(found.ranges)
    assert (drawn["posterior_upper"] - drawn["posterior_lower"] > 0.5).all()
    assert (held["posterior_upper"] - held["posterior_lower"] < 0.1).all()


def test_posterior_limits_leave_out_the_monte_carlo_error_of_single_draws() -> None:
    rng = np.random.default_rng(1)
    size, spread, noise = 20_000, 1.0, 2.0
    truth = spread * rng.standard_normal(size)
    values = truth + noise * rng.standard_normal(size)
    _, se, _, _, low, high, _ = over_draws(values, np.full(size, noise), share=False)
    assert se == pytest.approx(math.hypot(spread, noise) / math.sqrt(size), rel=0.02)
    # The variance is that of the sum less that of the noise: its error is that of a variance of 5.
    error = 1.96 * (spread**2 + noise**2) * math.sqrt(2 / size) / (2 * spread)
    assert high - low == pytest.approx(2 * 1.96 * spread, abs=4 * error)
    value, _, _, _, *limits, _ = over_draws(truth, np.zeros(size), share=False)
    assert limits == pytest.approx(np.quantile(truth, (0.025, 0.975)).tolist())
    assert value == truth.mean()


def test_figures_that_some_draws_leave_undefined() -> None:
    nan = math.nan
    value, _, _, _, *limits, _ = over_draws(np.array([nan, 0.2, 0.4]), np.array([nan, nan, nan]), share=True)
    assert value == pytest.approx(0.3)
    assert limits == pytest.approx([0.205, 0.395])
    assert np.isnan(over_draws(np.array([nan, nan]), np.array([nan, nan]), share=True)).all()
    value, se, _, _, *limits, _ = over_draws(np.array([nan, 0.2]), np.array([nan, 0.0]), share=True)
    assert value == 0.2
    assert math.isnan(se)
    assert limits == pytest.approx([0.2, 0.2])


def test_one_draw_repeated_at_the_calibrated_point_is_a_plain_run() -> None:
    count = 12
    draws = draws_of(*[POINT] * count)
    experiment = Experiment((CHICAGO.scenario,), 1, "arrays")
    (drawn,) = simulate([experiment], budget(draws, BLOCK))
    (plain,) = simulate([experiment], budget(None, count * BLOCK))
    assert drawn.replications == plain.replications
    rows = drawn.arms[0].rows()
    assert rows["draw"].tolist() == np.repeat(np.arange(count) + 1, BLOCK).tolist()
    pd.testing.assert_frame_equal(rows.drop(columns="draw"), plain.arms[0].rows(), check_exact=True)
    one, other = drawn.arms[0].endpoints(), plain.arms[0].endpoints()
    assert list(one.columns) == [*other.columns, *POSTERIOR_COLUMNS]
    for name in ("trial_lower", "trial_upper", "trial_undefined"):
        pd.testing.assert_series_equal(one[name], other[name], check_exact=True)
    pd.testing.assert_frame_equal(
        one[["target", "target_source", "note"]], other[["target", "target_source", "note"]]
    )
    enrolled = one["endpoint"].map(lambda name: BY_NAME[name].denominator == "enrolled")
    assert enrolled.sum() > 10
    np.testing.assert_allclose(one["estimate"][enrolled], other["estimate"][enrolled], rtol=1e-12)
    # The mean of ratios is not the ratio of means: it differs by far less than its error.
    apart = (one["estimate"] - other["estimate"]).abs() / other["mc_se"]
    assert apart[other["mc_se"] > 0].max() < 0.1
    # Nothing is open: what is left of the scatter is less than a variance over so few draws may be off by.
    scatter = one["mc_se"] * math.sqrt(count)
    left = math.sqrt(1 - 1 / (stats.chi2.ppf(0.999, count - 1) / (count - 1)))
    wide = one["posterior_upper"] - one["posterior_lower"]
    assert (wide <= 4 * left * scatter + 1e-12).all()
    assert wide[scatter > 0].eq(0).any()


def test_every_draw_has_blocks_of_luck_of_its_own_however_few_replications_it_has() -> None:
    draws, few = draws_of(POINT, POINT, POINT), 5
    experiment = Experiment((CHICAGO.scenario,), 1, "arrays")
    (drawn,) = simulate([experiment], budget(draws, few))
    (plain,) = simulate([experiment], budget(None, 2 * BLOCK + few))
    own, whole = (tally.arms[0].rows().drop(columns="replication") for tally in (drawn, plain))
    for draw in range(3):
        first = draw * BLOCK
        pd.testing.assert_frame_equal(
            own[own["draw"] == draw + 1].drop(columns="draw").reset_index(drop=True),
            whole[first : first + few].reset_index(drop=True),
            check_exact=True,
        )


def test_over_draws_the_curves_pass_through_the_table() -> None:
    (tally,) = simulate([Experiment((CHICAGO.scenario,), 1, "arrays")], budget(draws_of()))
    shown = ["estimate", "mc_lower", "mc_upper", *POSTERIOR_COLUMNS]
    curves, table = (
        each.set_index(["endpoint", "time_years"])[shown]
        for each in (tally.arms[0].curves(), tally.arms[0].endpoints())
    )
    for key in (("overall_survival", 5.0), ("disease_free_survival", 5.0)):
        assert curves.loc[key].tolist() == table.loc[key].tolist()
        assert table.loc[key, "posterior_lower"] < table.loc[key, "posterior_upper"]


def test_courses_are_those_of_some_replications_of_every_draw() -> None:
    experiment = Experiment((CHICAGO.scenario,), 1, "arrays", keep=Keep(courses=9))
    (tally,) = simulate([experiment], budget(draws_of()))
    assert [each.replications for each in tally.courses] == [5, 5]


def test_all_cohorts_of_all_draws_are_read_and_cohorts_share_the_draw() -> None:
    names = ("alchi2013", "burt2018", "leng2017")
    cohorts = [load_cohort(name) for name in names]
    draws = draws_of(POINT, (POINT[0], 2.0, *POINT[2:]))  # under the second nearly everybody dies
    found = validate(cohorts, budget(draws, BLOCK))
    plain = validate(cohorts, budget(None, 2 * BLOCK))
    assert found.replications == plain.replications == 2 * BLOCK
    assert found.result_hashes["burt2018"] != plain.result_hashes["burt2018"]
    same = [
        table[table["cohort"] == "alchi2013"].reset_index(drop=True) for table in (found.table, plain.table)
    ]
    pd.testing.assert_frame_equal(
        *same, check_exact=True
    )  # another calibration: its own values in every draw
    survival = found.table[
        (found.table["cohort"] == "leng2017") & (found.table["endpoint"] == "overall_survival")
    ]
    # Half of the virtual cohorts are of each draw: the interval reaches from one to the other.
    assert survival["lower"].iloc[0] < 0.2
    assert survival["upper"].iloc[0] > 0.8
    only = [replace(cohort, loaded=load_cohort("alchi2013").loaded) for cohort in cohorts[:1]]
    with pytest.raises(RequestError, match="is about none of alchi2013"):
        validate(only, budget(draws, 10))


def test_cohorts_rise_and_fall_together_with_the_draw() -> None:
    (figure,) = load_cohort("burt2018_all").figures
    read = np.full((50, 10), 0.5)
    read[0], read[1] = 0.1, 0.9  # under two draws of fifty the figure lies outside, in both cohorts
    alike = [[Prediction(replace(figure, value=0.5), read.ravel())] for _ in range(2)]
    together, apart = (covered_count(alike, (figure.role,), draws) for draws in (50, 1))
    assert together.virtual_mean == pytest.approx(2 * 0.96)
    assert apart.virtual_mean == pytest.approx(2 * 0.96)
    assert together.virtual == (0, 2)  # both at once in 4%
    assert apart.virtual == (1, 2)  # were they independent, in 0.16%


def test_draws_are_read_with_the_name_and_the_hash_of_their_file(tmp_path: Path) -> None:
    values = np.array([[0.5 * value for value in POINT], POINT, [1.5 * value for value in POINT]])
    path = tmp_path / "mine.csv"
    write_posterior(Posterior(KEYS, values, np.array([0.25, 0.75, 0.0])), POINT, path)
    draws = draws_from(path, 40, 1)
    assert (draws.keys, draws.file) == (KEYS, "mine.csv")
    assert draws.point == pytest.approx(POINT, rel=1e-9)
    drawn = np.array(draws.values)[:, 0] / POINT[0]
    assert np.sort(drawn) == pytest.approx([0.5] * 10 + [1.0] * 30, rel=1e-9)
    assert draws.hash == draws_from(path, 40, 1).hash != draws_from(path, 40, 2).hash
    path.write_text(path.read_text() + "\n")  # an empty line says nothing, and makes another file
    again = draws_from(path, 40, 1)
    assert again.hash == draws.hash
    assert again.digest != draws.digest
