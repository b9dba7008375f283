"""What a sweep answers: from what differences are taken, who must not be hidden, and what can be varied."""

from __future__ import annotations

import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import sim
from sim.scenario.load import load
from sim.scenario.problems import IncomparableWarning, RequestError, TypedWarning
from sim.scenario.registry import plain
from sim.scenario.values import get_value
from sim.show.kit.formats import rows
from sim.show.swept import changes, found_sentences, placed
from sim.show.terminal import shown_in
from sim.study.sweep import grid, spread_keys, vary_from

RECOVERY, ROOMS, WARD = (
    "recovery.duration_days", "clinic.isolation_rooms", "aplasia.infection.ward_relative_risk",
)  # fmt: skip
SHORT = {"arrivals.years": 2, "arrivals.warm_up_days": 365}
CHICAGO = load("chicago2006").scenario
pytestmark = [
    pytest.mark.filterwarnings("ignore::sim.scenario.problems.TypedWarning"), pytest.mark.usefixtures("here"),
]  # fmt: skip
DEATHS, BEFORE = "treatment_related_mortality", "pre_transplant_mortality"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def clinic() -> sim.Results:
    """Return a small open clinic with few rooms, its own number of which is not among those varied."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TypedWarning)
        return sim.sweep("open_clinic", {ROOMS: [2, 3, 6]}, set=SHORT, replications=40, engine="arrays")


def of(points: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return an endpoint at its last time, a row a point."""
    chosen = points[points["endpoint"] == name]
    return chosen[chosen["time_years"].isna() | (chosen["time_years"] == chosen["time_years"].max())]


def test_fewer_rooms_do_not_hide_who_dies_waiting(clinic: sim.Results) -> None:
    shown = shown_in(clinic.manifest)
    assert shown[:2] == [("overall_survival_enrolled", 5.0), (DEATHS, None)]
    assert shown[2:] == [("room_wait_days", None), (BEFORE, None)]
    survival = found_sentences(clinic, shown)
    assert survival[0].startswith("Overall survival, all enrolled, 5 y: ")
    assert " at 2 isolation rooms, against this scenario." in survival[0]
    assert survival[2].startswith("Wait for a room: +")
    assert survival[3].startswith("Not asked for, but moves too: death before reinfusion: +")


def test_the_scenario_itself_is_a_point_and_the_reference(clinic: sim.Results) -> None:
    points = of(clinic.points, BEFORE).set_index(ROOMS)
    assert points.index.tolist() == [4, 2, 3, 6]
    assert points["reference"].tolist() == [True, False, False, False]
    assert points.loc[4, ["difference", "difference_lower", "difference_upper"]].tolist() == [0, 0, 0]
    assert (points["difference"] - (points["estimate"] - points.loc[4, "estimate"])).abs().max() < 1e-12
    assert points["difference_lower"].lt(points["difference_upper"]).tolist() == [False, True, True, True]
    assert clinic.manifest["reference"] == {"which": "scenario", "point": {ROOMS: 4}}
    alone = sim.run("open_clinic", set=SHORT, replications=40, engine="arrays")
    assert of(alone.endpoints, BEFORE)["estimate"].item() == points.loc[4, "estimate"]


def test_the_first_point_can_be_the_reference() -> None:
    found = sim.sweep("chicago2006", {WARD: [20, 2]}, reference="first", replications=20)
    points = of(found.points, DEATHS)
    assert points["reference"].tolist() == [True, False]
    assert points["difference"].iloc[1] == points["estimate"].iloc[1] - points["estimate"].iloc[0]
    assert "against the first point" in found_sentences(found, shown_in(found.manifest))[0]
    with pytest.raises(RequestError, match="`reference`: 'last' given; allowed: scenario or first"):
        sim.sweep("chicago2006", {WARD: [20, 2]}, reference="last", replications=20)  # type: ignore[arg-type]


def test_differences_are_those_of_a_comparison() -> None:
    compared = sim.compare("chicago2006", "no_isolation", replications=60).comparison
    swept = sim.sweep("chicago2006", {WARD: [0.8, 1.67]}, replications=60).points
    one = compared[compared["scenario"] == "no_isolation"].reset_index(drop=True)
    other = swept[swept[WARD] == 1.67].reset_index(drop=True)
    columns = ["endpoint", "time_years", "estimate", "difference", "difference_lower", "difference_upper"]
    pd.testing.assert_frame_equal(one[columns], other[columns], check_exact=True)


def test_however_many_points_the_same_are_found() -> None:
    values = [round(0.5 + 0.1 * step, 1) for step in range(12)]
    together = sim.sweep("chicago2006", {WARD: values}, replications=10).points
    last = sim.sweep("chicago2006", {WARD: values[-2:]}, replications=10).points
    again = together[together[WARD].isin([1.0, *values[-2:]])].sort_values(WARD, kind="stable")
    again, last = (each.drop(columns="point").reset_index(drop=True) for each in (again, last))
    pd.testing.assert_frame_equal(again, last, check_exact=True)


def test_no_difference_is_said_with_its_limit() -> None:
    found = sim.sweep("chicago2006", {ROOMS: [50, 60]}, replications=30)
    said = changes(placed(found.points, [ROOMS], (DEATHS, None)))
    assert said == ["no difference found: less than 0.2 points either way"]  # 3 of 1,500
    assert found.manifest["moves_most"] is None


def test_a_mean_takes_its_sd_with_it_unless_that_is_varied() -> None:
    own = plain(get_value(CHICAGO, RECOVERY))
    for values, scenario in grid(CHICAGO, {f"{RECOVERY}.mean": [28, 758]}):
        law = get_value(scenario, RECOVERY)
        assert law.mean == values[f"{RECOVERY}.mean"]
        assert law.sd / law.mean == pytest.approx(own["sd"] / own["mean"])
    held = grid(CHICAGO, {f"{RECOVERY}.mean": [28, 758], f"{RECOVERY}.sd": [14]})
    assert {get_value(scenario, RECOVERY).sd for _, scenario in held} == {14}
    assert spread_keys(CHICAGO, [f"{RECOVERY}.mean"]) == {f"{RECOVERY}.sd": f"{RECOVERY}.mean"}
    found = sim.sweep("chicago2006", {f"{RECOVERY}.mean": [28, 200]}, replications=5)
    said = found_sentences(found, [])
    assert said[-1].startswith(f"{RECOVERY}.sd goes with the mean: the coefficient of variation stays 50%")


INLINE = '{dist="fixed",value=28},{dist="lognormal",mean=28,sd=14}, {dist="gamma",mean=56,sd=7}'


def test_whole_distributions_are_varied() -> None:
    (values,) = vary_from([f"{RECOVERY}={INLINE}"]).values()
    assert [value["dist"] for value in values] == ["fixed", "lognormal", "gamma"]
    found = sim.sweep("chicago2006", [f"{RECOVERY}={INLINE}"], replications=5).points
    assert found[RECOVERY].unique().tolist() == [
        '{ dist = "fixed", value = 28 }',
        '{ dist = "lognormal", mean = 28, sd = 14 }',
        '{ dist = "gamma", mean = 56, sd = 7 }',
    ]
    assert set(found.loc[found["reference"], RECOVERY]) == {'{ dist = "lognormal", mean = 28, sd = 14 }'}
    families = 'relapse={dist="weibull",shape=0.6,scale_years=3},{dist="log_logistic",shape=1,scale_years=2}'
    relapsed = of(sim.sweep("chicago2006", [families], replications=20).points, "relapse_incidence")
    assert relapsed["reference"].tolist() == [True, False, False]
    assert relapsed["estimate"].nunique() == 3


@pytest.mark.parametrize(
    ("vary", "says"),
    [
        (
            f"{RECOVERY}=28,56",
            ["a number alone makes a constant of it", f"vary {RECOVERY}.mean", 'dist="fixed",value=28'],
        ),
        ("relapse.dist=weibull,log_logistic", ["relapse.dist", "another family", "relapse={dist="]),
        ("relapse.dist=weibul", ['must be "weibull" or "log_logistic"']),
        ("relapse.shape=1,nan", ["relapse.shape = nan", "above 0", "NaN and infinity"]),
        ("relapse.shape=1,inf", ["relapse.shape = inf", "NaN and infinity"]),
        (f"{ROOMS}=2,nan", [ROOMS, "nan", "whole number"]),
        ("relapse.shape=log:1:nan:3", ["low:high:points"]),
    ],
)
def test_what_can_not_be_varied_is_refused_with_what_can(vary: str, says: list[str]) -> None:
    with pytest.raises(RequestError) as refused:
        sim.sweep("chicago2006", [vary], replications=2)
    for text in says:
        assert text in str(refused.value)


@pytest.mark.parametrize("contour", ["a", [0.1, float("inf")], "0.1,nan", "2,13", [-0.1]])
def test_levels_that_are_no_numbers_are_refused(contour: Any) -> None:
    with pytest.raises(RequestError, match=r"`contour`: .* given; allowed: numbers, shares as fractions"):
        sim.sweep("chicago2006", {WARD: [1, 2], "relapse.shape": [0.5, 0.7]}, contour=contour, replications=2)


def test_a_line_on_no_map_is_refused() -> None:
    with pytest.raises(RequestError, match="needs two keys"):
        sim.sweep("chicago2006", {WARD: [1, 2]}, contour=[0.02], replications=2)


def test_three_keys_have_figures_too_and_the_page_leads_with_all_enrolled() -> None:
    vary = {WARD: [2, 4], "relapse.shape": [0.5, 0.7], ROOMS: [3, 5]}
    found = sim.sweep("chicago2006", vary, replications=8, out="three", contour="0.5")
    drawn = sorted(path.name for path in Path("three/figures").glob("*.svg"))
    assert "map_overall_survival_enrolled_5.svg" in drawn
    assert "map_treatment_related_mortality.svg" in drawn
    assert all(levels == [0.5] for levels in found.manifest["contours"].values())
    page = Path("three/report.html").read_text()
    assert page.index("Overall survival, all enrolled") < page.index("Treatment-related mortality")
    assert len(found.points[[*vary]].drop_duplicates()) == 9  # the scenario beside the grid


def test_another_horizon_leaves_blank_what_it_has_not(capsys: pytest.CaptureFixture[str]) -> None:
    found = sim.sweep("chicago2006", {"follow_up.horizon_years": [2, 5]}, replications=5, out="years")
    deaths = found.points[found.points["endpoint"] == "deaths_by_data_cut"]
    later = found.points[(found.points["endpoint"] == "overall_survival") & (found.points["time_years"] == 5)]
    assert later["follow_up.horizon_years"].tolist() == [5]  # after two years nobody is watched any more
    unread = deaths[deaths["difference"].isna()]
    assert unread["follow_up.horizon_years"].tolist() == [2]
    assert all(row.note != "" for row in rows(unread))
    assert all(one != other for one, other in pairwise(found.points["follow_up.horizon_years"].unique()))


@pytest.mark.parametrize(
    "vary", ["cohort.age_years.median=29,45", "cohort.enters_at=mobilisation,immunoablation"]
)
def test_other_people_or_another_time_zero_are_no_alternatives(vary: str) -> None:
    key = vary.partition("=")[0].removesuffix(".median")
    with pytest.warns(
        IncomparableWarning, match=f"not every point is an alternative to the reference: {key} is"
    ):
        sim.sweep("chicago2006", [vary], replications=2)


@pytest.mark.parametrize("key", ["sources", "title", "target"])
def test_what_is_no_parameter_can_not_be_varied(key: str) -> None:
    with pytest.raises(sim.RequestError, match=key):
        sim.sweep("chicago2006", {key: [0, 1]}, replications=2)
