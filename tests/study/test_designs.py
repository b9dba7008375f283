"""Designs of studies: which rows there are, and what stops a study before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.commands.plan import plan_of
from sim.commands.studies import study
from sim.scenario.problems import RequestError
from sim.scenario.refusals import toml_text
from sim.scenario.study_file import checked_study, load_study, plain_tree, study_text
from sim.work.results import Results

HAZARD, FATAL, ROOMS = (
    "aplasia.infection.hazard_per_day", "aplasia.infection.case_fatality", "clinic.isolation_rooms",
)  # fmt: skip
BASE: dict[str, Any] = {"kind": "study", "title": "a study", "base": "chicago2006"}
HAZARDS = {"key": HAZARD, "low": 0.002, "high": 0.2, "points": 3, "scale": "log"}
FATALITIES = {"key": FATAL, "values": [0.05, 0.1]}


def written(folder: Path, **tables: Any) -> Path:
    path = folder / "asked.toml"
    lines = [f"{name} = {toml_text(value)}" for name, value in {**BASE, **tables}.items()]
    path.write_text("\n".join(lines), "utf-8")
    return path


def rows(folder: Path, **tables: Any) -> list[dict[str, Any]]:
    return list(plan_of(load_study(written(folder, **tables)), {}).rows)


def answer(folder: Path, **tables: Any) -> Results:
    return study(written(folder, **tables))


def test_a_grid_holds_every_combination_and_the_scenario_itself(tmp_path: Path) -> None:
    found = rows(tmp_path, factor=[HAZARDS, FATALITIES])
    assert found[0] == {HAZARD: 0.0087, FATAL: pytest.approx(0.0526, abs=0.05)}
    assert [row[HAZARD] for row in found[1::2]] == [0.002, 0.02, 0.2]
    assert [row[FATAL] for row in found[1:]] == [0.05, 0.1] * 3


def test_the_scenario_beside_a_grid_is_no_value_of_it(tmp_path: Path) -> None:
    plan = plan_of(load_study(written(tmp_path, factor=[HAZARDS, FATALITIES])), {})
    assert plan.varied == {HAZARD: [0.002, 0.02, 0.2], FATAL: [0.05, 0.1]}  # else maps have empty rows


def test_a_union_of_grids_holds_each_point_once(tmp_path: Path) -> None:
    parts = [{FATAL: [0.05]}, {HAZARD: [0.002], FATAL: [0.05, 0.2]}]
    found = rows(tmp_path, factor=[HAZARDS, FATALITIES], design={"kind": "grid", "union": parts})
    assert len(found) == 1 + 3 + 1
    assert found[-1] == {HAZARD: 0.002, FATAL: 0.2}


def test_one_at_a_time_moves_one(tmp_path: Path) -> None:
    own, *others = rows(tmp_path, factor=[HAZARDS, FATALITIES], design={"kind": "one_at_a_time"})
    assert len(others) == 5
    assert all(sum(row[key] != own[key] for key in own) == 1 for row in others)


@pytest.mark.parametrize("kind", ["latin_hypercube", "sobol"])
def test_drawn_points_fill_the_range_evenly(tmp_path: Path, kind: str) -> None:
    found = rows(tmp_path, factor=[HAZARDS, {"key": FATAL, "value": {"dist": "exponential", "mean": 0.05}}],
                 design={"kind": kind, "points": 64})  # fmt: skip
    u = [np.log(row[HAZARD] / 0.002) / np.log(100) for row in found]
    v = [1 - np.exp(-row[FATAL] / 0.05) for row in found]
    for drawn in (u, v):
        assert sorted(int(64 * each) for each in drawn) == list(range(64))  # one in each sixty-fourth
    again = rows(tmp_path, factor=[HAZARDS, FATALITIES], design={"kind": kind, "points": 64})
    assert [row[HAZARD] for row in again] == [row[HAZARD] for row in found]  # whatever the others are


def test_a_posterior_and_a_list_bring_their_own_rows(tmp_path: Path) -> None:
    effort = {"posterior": "chicago2006", "draws": 5}
    found = rows(tmp_path, design={"kind": "posterior"}, effort=effort)
    assert len(found) == 5
    assert "relapse.scale_years" in found[0]
    (tmp_path / "points.csv").write_text(
        f"{HAZARD},background.life_table\n0.01,us_2013\n0.02,none\n", "utf-8"
    )
    found = rows(tmp_path, design={"kind": "list", "file": "points.csv"})
    assert found == [
        {HAZARD: 0.01, "background.life_table": "us_2013"},
        {HAZARD: 0.02, "background.life_table": "none"},
    ]


def test_keys_move_together_as_multiples_of_their_own(tmp_path: Path) -> None:
    keys = ["recovery.duration_days.mean", "aplasia.duration_days.mean"]
    asked = written(tmp_path, factor=[{"keys": keys, "multiply": True, "values": [0.5, 1, 2]}])
    spots = plan_of(load_study(asked), {}).spots
    means = [(s.side.scenario.recovery.duration_days, s.side.scenario.aplasia.duration_days) for s in spots]
    assert [(a.mean, b.mean) for a, b in means] == [(14, 4.5), (28, 9), (56, 18)]  # type: ignore[union-attr]
    assert [(a.sd, b.sd) for a, b in means] == [(7, 0.55), (14, 1.1), (28, 2.2)]  # type: ignore[union-attr]
    assert [spot.is_reference for spot in spots] == [False, True, False]


WIDE = {"dist": "exponential", "mean": 2}
REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown key": ({"factor": [{"key": "aplasia.infection.hazard", "values": [1]}]}, ["hazard_per_day"]),
    "base outside": ({"factor": [{**HAZARDS, "low": 0.01}]}, [HAZARD, "0.0087", "0.01 to 0.2", "widen"]),
    "one point": ({}, ["one point", "[[arm]]", "[[factor]]"]),
    "a distribution's range": (
        {"factor": [{"key": "aplasia.duration_days", "low": 7, "high": 21}]},
        ["name aplasia.duration_days.mean", "give values"],
    ),
    "infinite": (
        {"factor": [{"key": FATAL, "low": 0.0, "high": float("inf")}]}, ["high = inf: must be a number. NaN"],
    ),
    "a distribution's member": (
        {"uncertain": [{"key": FATAL, "value": {"dist": "lognormal", "median": 0.1, "sigma": -1.0}}]},
        ["value.sigma = -1.0: must be a number from 0 to 10"],
    ),
    "no base": (
        {"base": "", "arm": [{"name": "A", "scenario": "chicago2006"}, {"name": "B"}]}, ["base is missing"],
    ),
    "about arms": (
        {"answer": [{"kind": "power"}]}, ["[[answer]] power: is about arms; state two [[arm]] or more"],
    ),
    "a number within a list": (
        {"arm": [{"name": "A"}, {"name": "B"}], "answer": [{"kind": "power", "patients": [50, 1]}]},
        ["patients = 1: must be a number of at least 2"],
    ),
    "against itself": (
        {"arm": [{"name": "A"}, {"name": "B"}],
         "answer": [{"kind": "explain", "endpoint": "overall_survival@5", "arm": "A"}]},
        ['explain: arm = "A": is the first'],
    ),
    "no power of two": (
        {"factor": [HAZARDS], "design": {"kind": "sobol", "points": 100}}, ["100", "64 or 128"],
    ),
    "infeasible corner": (
        {"factor": [{"key": "cohort.age_years.low", "values": [9, 60]}, FATALITIES]},
        ["row 4", "cohort.age_years.low = 60", "low must lie below high"],
    ),
    "whole in a hypercube": (
        {"factor": [{"key": "harvest.max_sessions", "low": 1, "high": 9}],
         "design": {"kind": "sobol", "points": 4}}, ["harvest.max_sessions", "sessions", "values = ["],
    ),
    "unlike arms": (
        {"arm": [{"name": "trial"}, {"name": "clinic", "scenario": "open_clinic"}]},
        ["clinic can't be compared with trial", "arrivals.pattern", "poisson"],
    ),
    "two values": ({"factor": [{**FATALITIES, "low": 0.1, "high": 0.2}]}, ["one of values, low and high"]),
    "named twice": (
        {"factor": [{**FATALITIES, "name": "x"}, {"key": HAZARD, "values": [0.1, 0.2], "name": "x"}]},
        ["x", "twice"],
    ),
    "points of a grid": (
        {"factor": [HAZARDS], "design": {"points": 8}}, ["design.points", "latin_hypercube"],
    ),
    "no such arm": (
        {"arm": [{"name": "a"}, {"name": "b", "set": {FATAL: 0.1}}],
         "uncertain": [{"key": FATAL, "value": 0.1, "arm": "bb"}]}, ["bb", "did you mean b"],
    ),
    "no arm like it": (
        {"arm": [{"name": "now"}, {"name": "later", "set": {FATAL: 0.1}}],
         "uncertain": [{"key": FATAL, "value": 0.1, "arm": "soon"}]}, ["soon", "there are now, later"],
    ),
    "an endpoint": ({"factor": [FATALITIES], "measure": {"endpoints": ["mortality"]}},
                    ["measure.endpoints", "mortality", "treatment_related_mortality"]),
    "a queue": (
        {"base": "open_clinic", "factor": [FATALITIES], "effort": {"engine": "exact"}},
        ["effort.engine", "queue"],
    ),
    "single brackets": ({"factor": FATALITIES}, ["[[factor]]"]),
    "varied twice": ({"factor": [FATALITIES, {**FATALITIES, "name": "again"}]}, [FATAL, "two factors"]),
    "arm over factor": (
        {"factor": [FATALITIES], "arm": [{"name": "a"}, {"name": "b", "set": {FATAL: 0.3}}]}, ["b", FATAL],
    ),
    "value twice": ({"factor": [{"key": FATAL, "values": [0.1, 0.1]}]}, ["twice"]),
    "column's name": ({"factor": [{**FATALITIES, "name": "estimate"}]}, ["estimate", "another"]),
    "draws": (
        {"factor": [FATALITIES], "effort": {"posterior": "chicago2006", "draws": 10**8}}, ["2 to 10000"],
    ),
    "uncertain distribution": (
        {"factor": [FATALITIES], "uncertain": [{"key": "recovery.duration_days", "value": 3}]}, [".mean"],
    ),
    "uncertain beyond": (
        {"factor": [FATALITIES], "uncertain": [{"key": "cohort.female", "value": WIDE}]},
        ["cohort.female", "0 to 1", "low and high"],
    ),
    "contours": ({"factor": [FATALITIES], "measure": {"contours": {"deaths": [0.1]}}}, ["measure.contours"]),
    "contours in per cent": (
        {"factor": [FATALITIES], "measure": {"contours": {"treatment_related_mortality": [0.02, 13]}}},
        ["measure.contours", "13", "0 to 1", "0.13"],
    ),
    "capacity in per cent": (
        {"base": "open_clinic",
         "answer": [{"kind": "capacity", "endpoint": "died_waiting", "at_most": 2}]},
        ["[[answer]] capacity", "at_most = 2", "0.02"],
    ),
    "a trial's rooms": (
        {"answer": [{"kind": "capacity", "endpoint": "waited", "at_most": 0.1}]}, ["open_clinic"],
    ),
    "no range": (
        {"answer": [{"kind": "tornado", "endpoint": "treatment_related_mortality", "keys": [ROOMS]}]},
        ["no range is stated"],
    ),
    "multiples": (
        {"factor": [{"key": FATAL, "multiply": True, "values": ["twice", 2]}]}, ["twice", "multiples"],
    ),
    "apart": ({"factor": [{"keys": [FATAL, HAZARD], "values": [0.1]}]}, ["multiply = true", FATAL, HAZARD]),
}  # fmt: skip


@pytest.mark.parametrize(("tables", "words"), REFUSED.values(), ids=REFUSED)
def test_bad_input_gets_one_message(tmp_path: Path, tables: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(RequestError) as refused:
        answer(tmp_path, **tables)
    assert all(word in str(refused.value) for word in words), str(refused.value)
    assert str(refused.value).count("\n") == 0
    assert "asked.toml" in str(refused.value)


def test_a_written_study_says_the_same() -> None:
    asked = checked_study(
        {**BASE, "arm": [{"name": "a"}, {"name": "b", "set": {FATAL: 0.1}}], "factor": [HAZARDS],
         "uncertain": [{"key": ROOMS, "value": {"dist": "gamma", "mean": 3, "sd": 1}, "arm": "b"}],
         "measure": {"contours": {"treatment_related_mortality": [0.02]}},
         "answer": [{"kind": "threshold", "endpoint": "died", "equals": 0.1, "by": FATAL}]}
    )  # fmt: skip
    import tomllib

    assert checked_study(tomllib.loads(study_text(asked))) == asked
    assert checked_study(plain_tree(asked)) == asked
