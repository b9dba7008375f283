"""A life table of one's own: the formats that are read, what is refused, and that it stands by itself."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from sim.app.controls import controls
from sim.app.question import Question
from sim.outcomes.twin.expected import expected
from sim.scenario.describe import show_rows, value_text
from sim.scenario.evidence import data_rows
from sim.scenario.life_table import background_hazards
from sim.scenario.load import changed, load, recalled
from sim.scenario.problems import RequestError
from sim.scenario.study_file import load_study
from sim.scenario.values import get_value
from sim.scenario.write import copied

KEY = "background.life_table"
NAMED = re.escape(KEY)
ROWS = data_rows("us_life_table_2013")
WIDE = "".join(f"{row['age']},{row['male']},{row['female']}\n" for row in ROWS)
LAST = ROWS[-1]["age"]


DECIMAL_COMMA = "\ufeffFemale;age;Male\r\n" + "".join(
    f"{row['female']};{row['age']};{row['male']}\r\n".replace(".", ",") for row in ROWS
)


def table(tmp_path: Path, text: str, name: str = "own.csv") -> str:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return str(tmp_path / name)


def scenario_file(tmp_path: Path, life_table: str = "own.csv", source: str = "Own office, 2020") -> str:
    stated = f'[sources]\nbackground.life_table = "{source}"\n' if source else ""
    path = tmp_path / "own.toml"
    path.write_text(
        f'kind = "scenario"\nbase = "chicago2006"\ntitle = "Own"\n[background]\nlife_table = "{life_table}"\n'
        + stated
    )
    return str(path)


def long_rows(separator: str, point: str, sexes: tuple[str, str]) -> str:
    lines = [
        separator.join([row["age"] + "+" * (row["age"] == LAST), word, row[sex].replace(".", point)])
        for row in reversed(ROWS)
        for sex, word in zip(("male", "female"), sexes, strict=True)
    ]
    return separator.join(["Age", "Sex", "q"]) + "\n" + "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        f"age,male,female\n{WIDE}",
        DECIMAL_COMMA,
        long_rows(",", ".", ("male", "female")),
        long_rows(";", ",", ("M", "F")),
        long_rows("\t", ".", ('"m"', '"f"')),
    ],
)
def test_the_shipped_table_as_a_file_is_the_shipped_table(tmp_path: Path, text: str) -> None:
    own, shipped = load("chicago2006", {KEY: table(tmp_path, text)}), load("chicago2006")
    np.testing.assert_array_equal(
        background_hazards(own.scenario.background), background_hazards(shipped.scenario.background)
    )
    assert expected(own.scenario) == expected(shipped.scenario)


def changed_line(number: int, line: str) -> str:
    lines = f"age,male,female\n{WIDE}".splitlines()
    lines[number - 1] = line
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "line 1 is"),
        ("age;qx\n0;0.1", 'line 1 is "age;qx" and has no column male, female: give the columns these names'),
        ("Alter;männlich;weiblich\n0;0,1;0,1", "and has no column age, male, female: give the columns"),
        ("age,male,female,both\n0,0.1,0.1,0.1", "and has more columns than age, male, female"),
        ("age,male,female\n", "no row of male"),
        (changed_line(5, "3,0.0002,x"), 'line 5: female is "x"'),
        (changed_line(5, "3,1.5,0.001"), 'line 5: male is "1.5"; a probability lies from 0 to 1'),
        (changed_line(5, "3,-0.1,0.001"), "line 5: male"),
        (changed_line(5, "3,0.1"), "line 5: has 2 cells"),
        (changed_line(5, "2,0.1,0.1"), "line 5: age 2 of male stands there twice"),
        (changed_line(5, ""), "age 3 of male is missing"),
        (changed_line(5, "3-4,0.1,0.1"), 'line 5: age is "3-4"'),
        ("age,male,female\n0,0.1,0.1\n1,0.1,0.1", "the last age"),
        ("age,sex,q\n" + "".join(f"{age},male,0.01\n" for age in range(111)), "no row of female"),
        ("age,male,female\n" + "".join(f"{age},0,0\n" for age in range(111)), "no male ever dies"),
        ("age,male,female\n" + "1,2,3\n" * 700, "more than 600 lines"),
        ("age,male,female\n" + "1" * 200_000, "CSV"),
        ("age\0,male", "not text"),
    ],
)
def test_one_message_says_what_is_wrong(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(RequestError, match=NAMED) as error:
        load("chicago2006", {KEY: table(tmp_path, text)})
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_mutated_tables_are_read_or_refused(tmp_path: Path) -> None:
    luck, good = np.random.default_rng(5), f"age,male,female\n{WIDE}"
    letters = list('0123456789.,;"\n\r\t+-eE x\u2028\ufeff')
    refused: list[str] = []
    for _ in range(300):
        text = list(good)
        for at in luck.integers(len(text), size=luck.integers(1, 5)):
            text[at] = str(luck.choice(letters))
        try:
            load("chicago2006", {KEY: table(tmp_path, "".join(text))})
        except RequestError as error:
            refused.append(str(error))
    assert not any("\n" in each for each in refused)
    assert len(refused) > 100


@pytest.mark.parametrize("value", ["us_2012", "own", "./nothing.csv", ".", "/dev/null", "C:\\x.csv"])
def test_what_is_no_table_is_refused(value: str) -> None:
    with pytest.raises(RequestError, match=NAMED):
        load("chicago2006", [f"{KEY}={value}"])


def test_a_table_needs_its_source(tmp_path: Path) -> None:
    table(tmp_path, f"age,male,female\n{WIDE}")
    with pytest.raises(RequestError, match=r"\[sources\] \"background.life_table\" = "):
        load(scenario_file(tmp_path, source=""))
    row = next(row for row in show_rows(load(scenario_file(tmp_path))) if row["key"] == KEY)
    assert (row["source"], row["status"]) == ("Own office, 2020", "evidence")
    sha256 = hashlib.sha256((tmp_path / "own.csv").read_bytes()).hexdigest()
    assert value_text(row["value"]) == f"own.csv (SHA-256 {sha256[:12]})"


def test_another_content_is_another_scenario_and_another_name_is_not(tmp_path: Path) -> None:
    one = load("chicago2006", {KEY: table(tmp_path, f"age,male,female\n{WIDE}")})
    same = load("chicago2006", {KEY: table(tmp_path, f"age;male;female\n{WIDE.replace(',', ';')}", "b.csv")})
    other = load("chicago2006", {KEY: table(tmp_path, changed_line(40, f"38,{ROWS[38]['male']},0.5"))})
    assert one.scenario_hash == same.scenario_hash != other.scenario_hash
    assert one.scenario.changed == ["background life table own.csv"]


def test_a_copy_needs_no_file(tmp_path: Path) -> None:
    table(tmp_path, changed_line(40, "38,0.5,0.5"))
    loaded = load(scenario_file(tmp_path))
    name, texts = copied(loaded, "base")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for file, text in texts.items():
        (elsewhere / file).write_text(text)
    (tmp_path / "own.csv").unlink()
    again = load(str(elsewhere / name))
    assert again.scenario_hash == loaded.scenario_hash
    assert again.scenario.background == loaded.scenario.background
    manifest = {"scenario": "own", "chain": ["own"], "resolved": loaded.as_dict(), "parameters": [
        {**row, "value": None} for row in show_rows(loaded)]}  # fmt: skip
    assert recalled(loaded.located, manifest).scenario.background == loaded.scenario.background


def test_the_paths_of_a_study_count_from_its_file(tmp_path: Path) -> None:
    table(tmp_path, f"age,male,female\n{WIDE}")
    (tmp_path / "study.toml").write_text(
        'kind = "study"\ntitle = "t"\nbase = "chicago2006"\n[[arm]]\nname = "a"\n[[arm]]\nname = "b"\n'
        f'set = {{ "{KEY}" = "own.csv" }}\n'
    )
    study = load_study(tmp_path / "study.toml").study
    assert study.arm[1].set[KEY]["name"] == "own.csv"


def test_the_app_reads_no_file(tmp_path: Path) -> None:
    path, base = table(tmp_path, f"age,male,female\n{WIDE}"), load("chicago2006")
    with pytest.raises(RequestError, match="not here"):
        changed(base, {KEY: path})
    with pytest.raises(RequestError, match="not here"):
        _ = Question("chicago2006", base, {KEY: path}).changed


def test_the_app_asks_about_other_things_than_a_table_steps_and_observations(tmp_path: Path) -> None:
    path = table(tmp_path, f"age,male,female\n{WIDE}")
    unusual = {KEY: path, "clinic.isolation_rooms": [[0, 4], [365, 6]],
               "recovery.duration_days": {"dist": "empirical", "values": [20, 30]}}  # fmt: skip
    base = load("open_clinic", unusual)
    keys = {each.key for _, stage in controls(Question("own", base, {})).stages for each in stage}
    assert "clinic.apheresis_slots" in keys
    assert not {each for each in keys if each.startswith(tuple(unusual))}
    assert get_value(base.scenario, KEY).name == "own.csv"


def test_certain_death_comes_within_the_year(tmp_path: Path) -> None:
    lines = [f"{age},{1 if age == 110 else 0.01},0.01" for age in range(111)]
    own = load("chicago2006", {KEY: table(tmp_path, "age,male,female\n" + "\n".join(lines))}).scenario
    hazards = background_hazards(own.background) / own.background.standardised_mortality_ratio
    assert np.exp(-hazards[0, -1]) == pytest.approx(1e-9)
    assert np.isfinite(hazards).all()
