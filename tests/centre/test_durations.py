"""Stays of one's own patients as observed values of a scenario."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sim.centre.durations import APLASIA, DISCHARGE, WAY, observed_durations
from sim.centre.patients import OwnPatients
from sim.cli import run as command_line
from sim.commands.durations import patient_durations
from sim.scenario.distributions import Empirical
from sim.scenario.load import load
from sim.scenario.problems import RequestError
from sim.scenario.shipped import scenarios_folder
from sim.scenario.values import get_value

NONE = np.nan
EXAMPLE = scenarios_folder() / "patients" / "own_centre.csv"


def test_stays_are_differences_and_who_did_not_end_one_is_counted() -> None:
    patients = OwnPatients.of(
        [900, 40, 35, 900, 20, 900],
        transplanted=[30, 31, 30, 25, NONE, 40],
        engrafted=[41, NONE, NONE, 34, NONE, 49],
        discharged=[44, NONE, NONE, NONE, NONE, 55],
        died=[NONE, 40, NONE, NONE, 20, NONE],
    )
    found = {each.key: each for each in observed_durations(patients)}
    told = {key: (each.values.tolist(), each.of, each.died, each.unknown) for key, each in found.items()}
    assert told == {
        APLASIA: ([9, 9, 11], 5, 1, 1),
        DISCHARGE: ([3, 6], 3, 0, 1),
        WAY: ([25, 30, 30, 31, 40], 6, 1, 0),
    }
    assert [each.few for each in found.values()] == [True, True, False]


def test_the_example_becomes_a_scenario(tmp_path: Path) -> None:
    text = patient_durations(EXAMPLE, way=True, out=tmp_path / "own.toml")
    loaded = load(str(tmp_path / "own.toml"))
    scenario = loaded.scenario
    assert scenario.cohort.enters_at == "immunoablation"
    sizes = {}
    for key in (APLASIA, DISCHARGE, WAY):
        law = get_value(scenario, key)
        assert isinstance(law, Empirical)
        sizes[key] = len(law.values)
        assert "own patients" in scenario.sources[key]
    assert sizes == {APLASIA: 21, DISCHARGE: 21, WAY: 22}
    # Nothing of the table but days: no date of it, and no name.
    rows = [row.split(",") for row in EXAMPLE.read_text("utf-8").splitlines()[1:]]
    dates = {cell for row in rows for cell in row if cell.count("-") == 2}
    assert dates
    assert not any(date in text for date in dates)
    assert patient_durations(EXAMPLE).count("empirical") == 2


def test_the_order_of_the_rows_is_not_told(tmp_path: Path) -> None:
    header, *rows = EXAMPLE.read_text("utf-8").splitlines()
    other = tmp_path / "other.csv"
    other.write_text("\n".join([header, *reversed(rows)]), encoding="utf-8")
    one, two = (patient_durations(each).partition("[sources]")[0] for each in (EXAMPLE, other))
    assert one == two


@pytest.mark.parametrize(
    ("rows", "asked", "told"),
    [
        (4, {}, "fewer would tell of single ones"),
        (23, {"way": True, "base": "open_clinic_of_nowhere"}, "open_clinic_of_nowhere"),
        (23, {"way": True, "out": "nowhere/own.toml"}, "there is no folder"),
    ],
)
def test_refusals(tmp_path: Path, rows: int, asked: dict[str, str], told: str) -> None:
    lines = EXAMPLE.read_text("utf-8").splitlines()[: rows + 1]
    table = tmp_path / "few.csv"
    table.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(RequestError, match=told):
        patient_durations(table, **asked)  # type: ignore[arg-type]


def test_a_room_that_is_entered_sooner_than_the_way_allows(tmp_path: Path) -> None:
    (tmp_path / "long.toml").write_text(
        'kind = "scenario"\nbase = "chicago2006"\ntitle = "t"\nimmunoablation.duration_days = 40\n'
    )
    with pytest.raises(RequestError, match="takes 40"):
        patient_durations(EXAMPLE, base=str(tmp_path / "long.toml"), way=True)


def test_the_command_writes_what_it_would_print(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["patients", "durations", str(EXAMPLE)]) == 0
    printed = capsys.readouterr().out
    assert command_line(["patients", "durations", str(EXAMPLE), "--out", str(tmp_path / "own.toml")]) == 0
    assert (tmp_path / "own.toml").read_text("utf-8") == printed
