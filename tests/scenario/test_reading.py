"""What is read: regular files of a bounded size, quickly refused if not, and words that can be shown."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from sim.cli import run as command_line
from sim.scenario.inherit import DEEPEST, MOST_ITEMS
from sim.scenario.load import load
from sim.scenario.plain import plain_number, printable
from sim.scenario.problems import RequestError

HEAD = 'kind = "scenario"\nbase = "chicago2006"\ntitle = "t"\n'

BAD: dict[str, tuple[bytes, str]] = {
    "megabytes": (HEAD.encode() + b"# \n" * 2**19, "has more than 1 MiB"),
    "lines": (HEAD.encode() + b"#\n" * 6000, "has more than 5,000 lines"),
    "a long line": (HEAD.encode() + b"# " + b"x" * 9000, "a line of more than 8,192 characters"),
    "a deep name": (HEAD.encode() + b"a." * 2000 + b"b = 1", "more than 16 deep"),
    "many targets": (HEAD.encode() + b"[[target]]\n" * 2000, "2,000 entries"),
    "a long list": (HEAD.encode() + b"[calibration]\nsolve = [" + b"1," * 4000 + b"]", "4,000 entries"),
    "a bidi override": (HEAD.encode() + b'purpose = "a\\u202eb"', "can't be seen"),
    "an escape": (HEAD.replace('"t"', '"\\u001b[2J"').encode(), "can't be seen"),
    "a spreadsheet": (b"PK\x03\x04\x14\x00\x06\x00\x08", "a spreadsheet"),
    "a table": (b"time;status\n1;0\n2;1\n", "such as CSV"),
    "a table with tabs": (b"time\tstatus\n1\t0\n", "such as CSV"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_file_without_bound_or_of_another_kind_is_refused_at_once(case: str, tmp_path: Path) -> None:
    data, said = BAD[case]
    path = tmp_path / "mine.toml"
    path.write_bytes(data)
    began = time.process_time()
    with pytest.raises(RequestError) as refused:
        load(str(path))
    assert time.process_time() - began < 3
    assert said in str(refused.value)
    assert str(refused.value).startswith(str(path))
    assert printable(str(refused.value)) == str(refused.value)
    assert len(str(refused.value)) < 2000


@pytest.mark.parametrize("kind", ["device", "pipe", "folder"])
@pytest.mark.parametrize("handed", ["scenario", "base", "cohort", "posterior"])
def test_what_is_no_file_is_refused_before_it_is_read(
    kind: str,
    handed: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("folder").mkdir()
    named = {"device": "/dev/zero", "pipe": "./pipe", "folder": "./folder/"}[kind]
    Path("based.toml").write_text(HEAD.replace('"chicago2006"', f'"{named}"'))
    there = sorted(tmp_path.rglob("*"))
    asked = {
        "scenario": ["run", named],
        "base": ["run", "./based.toml"],
        "cohort": ["validate", named],
        "posterior": ["run", "chicago2006", "--posterior", named],
    }[handed]
    assert command_line(asked) == 2
    said = capsys.readouterr().err
    assert "folder, not a file" in said if kind == "folder" else "device or pipe, not a file" in said
    assert sorted(tmp_path.rglob("*")) == there


def test_a_chain_of_bases_ends(tmp_path: Path) -> None:
    for number in range(40):
        base = "chicago2006" if number == 39 else f"./s{number + 1}.toml"
        (tmp_path / f"s{number}.toml").write_text(HEAD.replace('"chicago2006"', f'"{base}"'))
    with pytest.raises(RequestError, match=f"{DEEPEST} files lie on one another"):
        load(str(tmp_path / "s0.toml"))
    assert len(load(str(tmp_path / f"s{40 - DEEPEST + 1}.toml")).chain) == DEEPEST


def test_a_curve_of_a_whole_figure_is_read(tmp_path: Path) -> None:
    rows = "".join(
        f'[[target]]\nendpoint = "overall_survival"\ntime_years = {year}\nvalue = {1 - year / 40}\n'
        f'source = "read off, {number}"\n'
        for number, year in enumerate((6 + n / 100 for n in range(MOST_ITEMS)), start=1)
    )
    path = tmp_path / "curve.toml"
    path.write_text(f"{HEAD}alternative = []\n{rows}")
    assert len(load(str(path)).scenario.target) == MOST_ITEMS


def test_a_name_that_steers_the_terminal_is_refused_and_not_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a\x1b[2J.toml").write_text(HEAD)
    for asked in (
        ["run", "./a\x1b[2J.toml"],
        ["run", "a\u202eb"],
        ["run", "chicago2006", "--seed", "\x1b[2J"],
        ["run", "chicago2006", "--set", "a\u202eb=1"],
        ["run", "chicago2006", "--set", "title=\x9b2J"],
        ["run", "chicago2006", "--endpoint", "\x1b[2J"],
        ["\x1b[2J"],
    ):
        assert command_line(asked) == 2
        said = capsys.readouterr().err
        assert said.startswith("Error: ")
        assert printable(said) == said


@pytest.mark.parametrize(
    ("text", "whole", "meant"),
    [
        ("2,000", True, "2000"), ("1.000.000", True, "1000000"), ("2 000", True, "2000"),
        ("30,5", False, "30.5"), ("=3", True, "3"), ("1'000", True, "1000"),
    ],
)  # fmt: skip
def test_a_number_as_others_write_it_is_told_plainly(text: str, whole: bool, meant: str) -> None:
    assert plain_number(text, whole=whole) == f"Write the number plainly: {meant}"


def test_a_comma_may_part_thousands_or_decimals() -> None:
    said = plain_number("2,000")
    assert said == "Write the number plainly: 2.000, or 2000 if the comma parts thousands"


def test_a_fraction_is_not_told_again_where_a_whole_number_is_asked_for() -> None:
    assert plain_number("1.5", whole=True) == ""
    assert plain_number("4", whole=False) == "Write the number plainly: 4"  # from "4", in quotes


@pytest.mark.parametrize("text", ["=3x", "3x", "x2", "*1.5", "2×"])
def test_a_factor_is_told_to_be_none(text: str) -> None:
    assert plain_number(text).startswith("A factor?")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--replications", "2,000"), "Write the number plainly: 2000 ("),
        (("--precision", "0,5"), "Write the number plainly: 0.5 ("),
        (("--seed", "=3x"), "A factor? Write the value itself"),
        (("--set", "follow_up.horizon_years=30,5"), "Write the number plainly: 30.5"),
        (("--set", "aplasia.infection.hazard_per_day==3x"), "A factor? Write the value itself"),
    ],
)
def test_options_tell_it_too(
    asked: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert command_line(["run", "chicago2006", *asked]) == 2
    assert said in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]
