"""In what scenarios differ: every parameter, by stage, with both sources."""

from __future__ import annotations

import json

import pytest

from sim.cli import run
from sim.scenario.differences import (
    COUNTED_FROM,
    STAGES,
    TIME_ZERO,
    TRANSPLANTED,
    diff_rows,
    differing_keys,
    stage_of,
)
from sim.scenario.load import load
from sim.scenario.registry import parameters


def test_every_parameter_has_one_stage() -> None:
    for key in parameters():
        hits = [
            name
            for name, starts in STAGES.items()
            if any(key == each or key.startswith(f"{each}.") for each in starts)
        ]
        assert hits == [stage_of(key)]


def test_who_is_never_transplanted_is_not_counted_from_another_day() -> None:
    assert stage_of(TIME_ZERO, ["mobilisation", "immunoablation"]) == COUNTED_FROM
    assert stage_of(TIME_ZERO, ["mobilisation", "home"]) == TRANSPLANTED
    assert stage_of(TIME_ZERO, ["home", "immunoablation"]) == f"{TRANSPLANTED}, and {COUNTED_FROM}"
    (row,) = diff_rows(load("chicago2006"), load("no_transplant"))
    assert (row["stage"], row["value_b"]) == (TRANSPLANTED, "home")


def test_all_that_differs_is_listed_with_both_values_and_sources() -> None:
    one, other = load("chicago2006"), load("ebmt2004")
    rows = {row["key"]: row for row in diff_rows(one, other)}
    assert list(rows) == differing_keys(one.scenario, other.scenario)
    row = rows["aplasia.infection.case_fatality"]
    assert (row["value_b"], row["status_a"], row["status_b"]) == (0.25, "solved", "assumption")
    assert "P25" in row["source_b"]
    assert "background.life_table" not in rows


def test_what_one_alone_has_differs_too() -> None:
    rows = {row["key"]: row for row in diff_rows(load("chicago2006"), load("open_clinic"))}
    assert rows["arrivals.power"]["value_b"] is None
    assert rows["arrivals.per_year"]["value_a"] is None


def test_the_command_shows_them_or_says_that_there_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scenario", "diff", "chicago2006", "no_isolation"]) == 0
    assert "aplasia.infection.ward_relative_risk" in capsys.readouterr().out
    assert run(["scenario", "diff", "chicago2006", "chicago2006"]) == 0
    assert "no difference" in capsys.readouterr().out
    same = ["scenario", "diff", "chicago2006", "no_isolation"]
    assert run([*same, "--set", "aplasia.infection.ward_relative_risk=1.2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == []
    assert run(["scenario", "diff", "chicago2006", "chicago"]) == 2
