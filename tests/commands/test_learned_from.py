"""The tables behind a posterior, as its folder tells them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sim.commands.learned_from import learned_from


@pytest.mark.parametrize(
    ("manifest", "tables"),
    [
        ({"command": "learn", "patients": {"sha256": "a"}, "posterior": {"free": []}}, {"a"}),
        ({"command": "learn", "patients": {"sha256": "a"}, "posterior": {"learned_from": ["b"]}}, {"a", "b"}),
        ({"command": "calibrate", "patients": {"sha256": "a"}}, set()),
        ({"command": "learn", "patients": None, "posterior": {"learned_from": 3}}, set()),
        ([], set()),
    ],
)  # fmt: skip
def test_a_manifest_names_its_own_table_and_those_before(
    manifest: object, tables: set[str], tmp_path: Path
) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert learned_from(tmp_path / "posterior.csv") == tables


def test_nothing_is_known_of_a_posterior_that_stands_alone(tmp_path: Path) -> None:
    assert learned_from(tmp_path / "posterior.csv") == frozenset()
