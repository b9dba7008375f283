"""Rooms and arrivals that make no queue are refused as a user types them: one message, nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.cli import run

ROOMS = 'must be "unlimited" or a whole number from 1 to 10000 or numbers from days on, [[0, 4], [365, 6]]'
ARRIVALS = "must be a number above 0, at most 1e6"
NOBODY = 'Without rooms nobody is treated; for rooms that never fill write "unlimited".'

# The key and its value as in a scenario file, and what the message says after them.
REFUSED = [
    ("clinic.isolation_rooms", "0", f"{ROOMS}. {NOBODY}"),
    ("clinic.isolation_rooms", "-1", f"{ROOMS}. {NOBODY}"),
    ("clinic.isolation_rooms", "2.5", f"{ROOMS}. Rooms come whole: 2 or 3."),
    ("clinic.isolation_rooms", "4.0", f"{ROOMS}. Write 4."),
    ("clinic.isolation_rooms", "10001", f'{ROOMS}. So many never fill: write "unlimited".'),
    ("clinic.isolation_rooms", "true", f"{ROOMS}. true and false are not numbers."),
    ("clinic.isolation_rooms", '"four"', ROOMS),
    ("clinic.isolation_rooms", '"4"', f"{ROOMS}. Write the number plainly: 4"),
    ("clinic.isolation_rooms", '"unlimted"', f'{ROOMS}. Did you mean "unlimited"?'),
    ("clinic.apheresis_slots", "0", f"{ROOMS}. {NOBODY}".replace("rooms", "slots")),
    ("arrivals.per_year", "0", ARRIVALS),
    ("arrivals.per_year", "-80", ARRIVALS),
    ("arrivals.per_year", "inf", f"{ARRIVALS}. NaN and infinity are not values here."),
    ("arrivals.per_year", '"many"', ARRIVALS),
    ("arrivals.years", "0", "must be a number above 0, at most 100"),
    ("arrivals.warm_up_days", "-1", "must be a number from 0 to 1e6"),
]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("key", "value", "message"), REFUSED)
def test_set_refuses_it(key: str, value: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "open_clinic", "--set", f"{key}={value}"]) == 2
    assert capsys.readouterr() == ("", f"Error: --set: {key} = {value}: {message}\n")
    assert not list(Path().iterdir())


@pytest.mark.parametrize(("key", "value", "message"), REFUSED)
def test_a_file_refuses_it(key: str, value: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = Path("bad.toml")
    file.write_text(f'kind = "scenario"\nbase = "open_clinic"\n{key} = {value}\n')
    assert run(["run", "bad.toml"]) == 2
    assert capsys.readouterr() == ("", f"Error: bad.toml: {key} = {value}: {message}\n")
    assert list(Path().iterdir()) == [file]


def test_a_range_that_touches_an_excluded_limit_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.toml").write_text(
        'kind = "scenario"\nbase = "open_clinic"\n[[range]]\nkey = "arrivals.per_year"\nvalues = [0, 80]\n'
        'source = "assumption"\n'
    )
    assert run(["scenario", "check", "bad.toml"]) == 2
    assert "arrivals.per_year: values = [0.0, 80.0]: each must be a number above 0" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["1", "10000", '"unlimited"'])
def test_the_limits_themselves_are_allowed(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scenario", "show", "open_clinic", "--set", f"clinic.isolation_rooms={value}"]) == 0
    assert capsys.readouterr().err == ""
