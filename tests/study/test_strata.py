"""Strata: read beside the whole under the same luck, and held against the exact twin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from drivers import no_figures, small_chunks
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from sim.outcomes.twin.expected import expected_all
from sim.scenario.endpoints import BY_NAME, Key
from sim.scenario.problems import RequestError, StratumWarning
from sim.scenario.schema import Scenario
from sim.scenario.strata import EVERYBODY, read_strata
from sim.scenario.values import with_values
from sim.study.budget import Budget, Engine
from sim.study.compare import Side, compare
from sim.study.experiment import Experiment
from sim.study.montecarlo import simulate
from sim.study.tally import Tally

MakeScenario = Callable[..., Scenario]

BY = ("age=12-25,26-40,41+", "sex")
# Old enough, and dying enough of everyday causes, for strata to differ much.
MIXED: dict[str, Any] = {
    "cohort.patients": 40,
    "cohort.age_years": {"dist": "lognormal", "median": 45, "sigma": 0.4, "low": 12, "high": 90},
    "cohort.female": 0.6,
    "background.standardised_mortality_ratio": 4.0,
}
BUSY: dict[str, Any] = {
    "arrivals.pattern": "poisson", "arrivals.per_year": 40, "arrivals.years": 1.0,
    "arrivals.warm_up_days": 100.0, "clinic.isolation_rooms": 3, "follow_up.data_cut_days": "none",
}  # fmt: skip
# The scenario that a stratum is by itself.
TRUNCATED = {
    "26-40": {"cohort.age_years.low": 26, "cohort.age_years.high": 41},
    "41+": {"cohort.age_years.low": 41},
    "female": {"cohort.female": 1.0},
    "male": {"cohort.female": 0.0},
}
# Sums over strata are not sums of the whole where a clinic's own quantile is averaged.
OF_CLINICS = ("room_wait_median_days", "room_wait_90_percent_days", "slot_wait_median_days",
              "slot_wait_90_percent_days")  # fmt: skip


def tallied(scenario: Scenario, by: tuple[str, ...], replications: int, engine: Engine = "arrays") -> Tally:
    experiment = Experiment((scenario,), 1, engine, strata=read_strata(by))  # type: ignore[arg-type]
    (tally,) = simulate([experiment], Budget(replications, engine=engine))
    return tally


@pytest.fixture(scope="module")
def mixed(scenario_of: MakeScenario) -> Scenario:
    return scenario_of(MIXED)


@pytest.fixture(scope="module")
def busy(scenario_of: MakeScenario) -> Scenario:
    return scenario_of({key: value for key, value in MIXED.items() if key != "cohort.patients"}, BUSY)


@pytest.mark.parametrize("case", ["mixed", "busy"])
def test_a_stratum_of_everybody_is_the_whole_to_the_bit(case: str, request: pytest.FixtureRequest) -> None:
    scenario = request.getfixturevalue(case)
    arm = tallied(scenario, ("age=0+",), 40).arms[0]
    (everybody,) = arm.strata.values()
    assert everybody.sums.tobytes() == arm.sums.tobytes()
    of_whole = ["target", "target_source", "note"]
    whole = arm.endpoints().drop(columns=of_whole)
    pd.testing.assert_frame_equal(everybody.endpoints().drop(columns=of_whole), whole, check_exact=True)
    assert whole["trial_lower"].notna().sum() > 5


@pytest.mark.parametrize("case", ["mixed", "busy"])
@settings(max_examples=4, deadline=None, derandomize=True)
@given(cuts=st.sets(st.integers(20, 80), min_size=1, max_size=3))
def test_strata_that_part_everybody_add_up_to_the_whole(
    case: str, request: pytest.FixtureRequest, cuts: set[int]
) -> None:
    scenario = request.getfixturevalue(case)
    edges = [0, *sorted(cuts)]
    bands = [f"{one}-{other - 1}" for one, other in pairwise(edges)]
    by = (f"age={','.join([*bands, f'{edges[-1]}+'])}", "sex")
    (arm,) = tallied(scenario, by, 20).arms
    names = [name for name, _ in arm.keys]
    counted = np.array([BY_NAME[name].kind == "share" for name in names])
    added = ~np.isin(names, OF_CLINICS)
    strata = list(arm.strata.values())
    for parts in (strata[: len(edges)], strata[len(edges) :]):
        totals = sum(each.sums[0, :, 1] for each in parts)
        np.testing.assert_array_equal(totals[counted], arm.sums[0, counted, 1])
        np.testing.assert_allclose(totals[added], arm.sums[0, added, 1], rtol=1e-12)


@pytest.mark.parametrize("case", ["mixed", "busy"])
def test_strata_are_the_same_whoever_simulates_them_and_in_whatever_chunks(
    case: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = request.getfixturevalue(case)
    once = tallied(scenario, BY, 300).arms[0]
    small_chunks(monkeypatch)
    for again in (tallied(scenario, BY, 300), tallied(scenario, BY, 300, "simpy")):
        assert len(again.experiment.chunks(range(300))) > 1
        for one, other in zip(once.strata.values(), again.arms[0].strata.values(), strict=True):
            assert one.sums.tobytes() == other.sums.tobytes()
            pd.testing.assert_frame_equal(one.endpoints(), other.endpoints(), check_exact=True)


def test_a_stratum_is_what_the_exact_twin_says_of_its_patients_alone(mixed: Scenario) -> None:
    arm = tallied(mixed, BY, 2000).arms[0]
    own = [with_values(mixed, values) for values in TRUNCATED.values()]
    known, whole = expected_all(own), expected_all([mixed])
    strata = {each.name: own for each, own in arm.strata.items()}
    found = pd.concat(strata[name].endpoints().assign(at=at) for at, name in enumerate(TRUNCATED))
    z: dict[tuple[int, Key], tuple[float, float]] = {}
    for row in found[found["mc_se"] > 0].itertuples():
        key = row.endpoint, None if np.isnan(row.time_years) else row.time_years
        if key in known:
            exact = known[key][row.at], whole[key][0]
            z[row.at, key] = tuple((row.estimate - each) / row.mc_se for each in exact)  # type: ignore[assignment]
    own_z, whole_z = np.abs(np.array([*z.values()])).T
    assert len(own_z) > 60
    assert own_z.max() < 4.5
    assert whole_z.max() > 12  # everybody's figures are not those of a stratum


def test_a_difference_within_a_stratum_is_the_exact_twins(mixed: Scenario) -> None:
    scenario = with_values(mixed, {"aplasia.infection.ward_relative_risk": 6.0})
    budget = Budget(1500, by=read_strata(BY))
    table = compare({"a": Side(mixed), "b": Side(scenario)}, budget).strata
    for name, values in TRUNCATED.items():
        one, other = (with_values(each, values) for each in (mixed, scenario))
        known = expected_all([one, other])
        rows = table[(table["scenario"] == "b") & (table["stratum"] == name)]
        for key in (("treatment_related_mortality", None), ("overall_survival_enrolled", 5.0)):
            same_time = rows["time_years"].isna() if key[1] is None else rows["time_years"] == key[1]
            (row,) = rows[(rows["endpoint"] == key[0]) & same_time].itertuples()
            half = (row.difference_upper - row.difference_lower) / 2
            assert abs(row.difference - (known[key][1] - known[key][0])) < 2.2 * half
            assert abs(row.difference) > 2 * half


def test_a_scenario_compared_with_itself_differs_in_no_stratum(mixed: Scenario) -> None:
    table = compare({"a": Side(mixed), "b": Side(mixed)}, Budget(50, by=read_strata(BY))).strata
    rows = table[(table["scenario"] == "b") & table["difference"].notna()]
    assert set(rows["stratum"]) == {EVERYBODY.name, "12-25", *TRUNCATED}
    assert (rows["difference"] == 0).all()
    shares = rows[[BY_NAME[name].kind == "share" and BY_NAME[name].denominator == "enrolled"
                   for name in rows["endpoint"]]]  # fmt: skip
    np.testing.assert_allclose(shares["difference_upper"], 3 / shares["patients"])  # the rule of three


@pytest.fixture
def _no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    no_figures(monkeypatch)


@pytest.mark.usefixtures("_no_figures")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("command", ["run", "compare", "sweep"])
def test_strata_change_no_other_file_of_a_folder(command: str, tmp_path: Path) -> None:
    small: dict[str, Any] = {"set": {"cohort.patients": 12}, "replications": 12}
    asked: dict[str, tuple[Any, ...]] = {
        "run": ("no_isolation",), "compare": ("chicago2006", "no_isolation"),
        "sweep": ("chicago2006", {"aplasia.infection.case_fatality": [0.1, 0.3]}),
    }  # fmt: skip
    for name, how in (("without", {}), ("with", {"by": BY})):
        getattr(sim, command)(*asked[command], out=tmp_path / name, **small, **how)
    one, other = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("without", "with")
    )
    assert {str(path) for path in other.keys() - one.keys()} == {"strata.csv"}
    moved = {str(path) for path in one if one[path] != other[path]}
    assert moved <= {"manifest.json", "timings.json", "report.html", "study.toml"}
    assert "By stratum" in other[Path("report.html")].decode()
    assert "By stratum" not in one[Path("report.html")].decode()


@pytest.mark.filterwarnings("ignore")
def test_the_strata_of_a_point_are_those_of_its_run() -> None:
    key, more = "aplasia.infection.case_fatality", {"replications": 20, "by": ["sex"]}
    swept = sim.sweep("chicago2006", {key: [0.1, 0.3]}, out=None, **more).tables["strata"]  # type: ignore[arg-type]
    alone = sim.run("chicago2006", set={key: 0.3}, out=None, **more).tables["strata"]  # type: ignore[arg-type]
    point = swept[swept[key] == 0.3].reset_index(drop=True)
    shared = [name for name in alone if not name.startswith(("target", "note"))]
    assert len(point) == len(alone)
    pd.testing.assert_frame_equal(point[shared], alone[shared], check_exact=True)


@pytest.mark.filterwarnings("ignore")
def test_draws_of_a_posterior_leave_open_what_they_do_in_every_stratum() -> None:
    how: dict[str, Any] = {"posterior": "chicago2006", "draws": 4, "replications": 32, "out": None}
    result = sim.run("chicago2006", by="sex", **how)
    table, rows = result.tables["strata"], result.endpoints
    everybody = table[table["factor"] == EVERYBODY.factor].reset_index(drop=True)
    same = [name for name in everybody if name in rows and name != "at_point"]
    pd.testing.assert_frame_equal(everybody[same], rows[same], check_exact=True)
    women = table[table["stratum"] == "female"]
    assert women["posterior_lower"].notna().sum() > 20
    assert women["patients"].iloc[0] == pytest.approx(0.83 * 4 * 32 * 50, rel=0.05)


@pytest.mark.parametrize(
    ("by", "told"),
    [
        (("smoking",), 'unknown "smoking"; patients are told apart by age and by sex'),
        (("cohort.aeg=1-2",), "did you mean cohort.age?"),
        (("age",), "no band given; allowed: bands of whole years, as in --by age=12-25,26-40,41+"),
        (("age=12-25,20-40",), "12-25 and 20-40 overlap"),
        (("age=30+,20-30",), "20-30 and 30\\+ overlap"),
        (("age=40-12",), "runs backwards; write 12-40"),
        (("age=1.5-3",), "1.5-3 given; allowed: bands of whole years"),
        (("sex=female",), "its strata are female and male; write --by sex"),
        (("sex", "cohort.female"), "female and female overlap"),
        ((f"age={','.join(str(year) for year in range(20, 33))}",), "13 strata given; allowed: up to 12"),
    ],
)
def test_what_is_no_stratum_is_refused(by: tuple[str, ...], told: str) -> None:
    with pytest.raises(RequestError, match=told):
        read_strata(by)


def test_a_band_holds_completed_years() -> None:
    young, one, old = read_strata(["cohort.age_years=12-25,30,41+"])
    age, nobody = np.array([11.99, 12.0, 25.99, 26.0, 30.99, 31.0, 41.0, 90.0]), np.zeros(8, dtype=np.bool_)
    for stratum, held in ((young, [1, 2]), (one, [4]), (old, [6, 7])):
        assert np.flatnonzero(stratum.holds(age, nobody)).tolist() == held
    female, male = read_strata(["cohort.female"])
    assert (female.name, male.name) == ("female", "male")
    assert male.holds(age, nobody).all()
    assert not female.holds(age, nobody).any()


@pytest.mark.filterwarnings("ignore")
def test_strata_of_nobody_or_of_few_are_warned_of_with_the_remedy() -> None:
    with pytest.warns(StratumWarning) as warned:
        table = sim.run("chicago2006", by="age=0-5,41+", replications=20, out=None).tables["strata"]
    nobody, few = (str(each.message) for each in warned if each.category is StratumWarning)
    assert nobody.startswith("age 0-5: nobody of all patients")
    assert few.startswith("age 41+: ")
    assert "4 times as many `replications`" in few
    empty = table[table["stratum"] == "0-5"]
    assert (empty["patients"] == 0).all()
    assert (empty.loc[empty["time_years"].notna(), "note"] == "nobody_at_risk").all()


def test_trials_of_strata_are_read_where_they_have_room(mixed: Scenario) -> None:
    experiment = Experiment((mixed,), 1, "arrays", strata=read_strata(BY))
    assert experiment.reads_trials(mixed)
    crowd = with_values(mixed, {"cohort.patients": 6000})
    assert not experiment.reads_trials(crowd)
    assert replace(experiment, strata=()).reads_trials(crowd)
    arm = tallied(crowd, BY, 1).arms[0]
    assert arm.endpoints()["trial_lower"].notna().any()
    young = next(iter(arm.strata.values()))
    assert young.endpoints()["trial_lower"].isna().all()
    assert young.endpoints()["estimate"].notna().any()
