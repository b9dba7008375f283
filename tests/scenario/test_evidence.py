"""The shipped evidence: everything that is named is there, and has a reference."""

from __future__ import annotations

import pytest

from sim.scenario.evidence import all_evidence, cite, ids_in
from sim.scenario.load import load
from sim.scenario.registry import parameters
from sim.scenario.shipped import scenarios_folder, shipped_names


@pytest.mark.parametrize("key", parameters())
def test_sources_of_defaults_are_shipped(key: str) -> None:
    assert set(ids_in(parameters()[key].source)) <= set(all_evidence())


@pytest.mark.parametrize("name", shipped_names())
def test_ids_in_shipped_scenarios_are_shipped(name: str) -> None:
    scenario = load(name).scenario
    named = [*scenario.sources.values(), *(target.source for target in scenario.target)]
    text = (scenarios_folder() / f"{name}.toml").read_text("utf-8")
    assert set(ids_in(" ".join(named))) | set(ids_in(text)) <= set(all_evidence())
    assert all(target.source for target in scenario.target)


@pytest.mark.parametrize("name", shipped_names("cohort"))
def test_ids_in_shipped_cohorts_are_shipped(name: str) -> None:
    text = (scenarios_folder() / "cohorts" / f"{name}.toml").read_text("utf-8")
    assert ids_in(text)
    assert set(ids_in(text)) <= set(all_evidence())


def test_every_row_has_a_reference_and_no_address() -> None:
    for row in all_evidence().values():
        assert row.quantity
        assert row.reference
        assert row.status in ("reported", "derived", "unverified", "not found")
        assert "http" not in f"{row.note}{row.reference}"
        assert set(ids_in(row.note)) <= set(all_evidence())


def test_evidence_by_id() -> None:
    row = all_evidence()["B08"]
    assert (row.value, row.unit, row.n, row.status) == ("2", "%", "50", "reported")
    assert "JAMA 2006;295(5):527-535" in row.reference
    assert all_evidence()["B17"].status == "unverified"


def test_ids_in_text() -> None:
    assert ids_in("assumption (B37 J10, V30-V33); not DOI 10.1/X12345 or B1") == (
        "B37",
        "J10",
        "V30",
        "V31",
        "V32",
        "V33",
    )


def test_cite_names_each_reference_once() -> None:
    assert cite("B01 B03 B08") == all_evidence()["B01"].reference
    assert cite("B08 B09").count(";") >= 1
    assert cite("assumption") == ""
