"""What is wrong with a scenario file is said once, in words, with file, key, value and what is allowed."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.cli import run
from sim.scenario.refusals import toml_text
from sim.scenario.registry import parameters, tables
from sim.scenario.structure import ABOUT

BASE = 'base = "chicago2006"\n'

# What the file says, and what the message must name besides the file.
BAD_FILES = {
    "unknown key": (
        BASE + "[aplasia.infection]\ncase_fatalty = 0.1",
        ["aplasia.infection.case_fatalty = 0.1", "did you mean aplasia.infection.case_fatality"],
    ),
    "unknown table": (BASE + "[aplsia]\nx = 1", ["[aplsia]", "did you mean aplasia"]),
    "unknown inner table": (BASE + "[recovery.postponment]\nx = 1", ["did you mean recovery.postponement"]),
    "unknown key, none near": (
        BASE + "[clinic]\nzzz = 3",
        ["clinic.zzz = 3", "isolation_rooms", "apheresis_slots"],
    ),
    "key in the wrong place": (
        BASE + "isolation_rooms = 3",
        ["isolation_rooms = 3", "clinic.isolation_rooms"],
    ),
    "key in quotes": (BASE + '"clinic.isolation_rooms" = 3', ["without the quotes"]),
    "true for a number": (
        BASE + "[active_disease]\nhazard_per_year = true",
        ["active_disease.hazard_per_year = true", "a number from 0 to 1e9", "true and false"],
    ),
    "text for a number": (
        BASE + '[active_disease]\nhazard_per_year = "0.1"',
        ['active_disease.hazard_per_year = "0.1"', "Write the number plainly: 0.1"],
    ),
    "nan": (BASE + "[active_disease]\nhazard_per_year = nan", ["hazard_per_year = nan", "NaN and infinity"]),
    "inf": (BASE + "[active_disease]\nhazard_per_year = inf", ["hazard_per_year = inf", "NaN and infinity"]),
    "date": (BASE + "[active_disease]\nhazard_per_year = 2006-02-01", ["2006-02-01", "a number from 0"]),
    "huge integer": (BASE + f"[active_disease]\nhazard_per_year = 1{'0' * 400}", ["a number from 0 to 1e9"]),
    "integer beyond Python": (BASE + f"[clinic]\nisolation_rooms = 1{'0' * 5000}", ["not valid TOML"]),
    "nan in a distribution": (
        BASE + '[recovery]\nduration_days = { dist = "lognormal", mean = nan, sd = 1 }',
        ["recovery.duration_days.mean = nan", "a number above 0"],
    ),
    "true for a distribution": (
        BASE + "[recovery]\nduration_days = true",
        ["recovery.duration_days = true", "or a distribution", "true and false"],
    ),
    "negative hazard": (
        BASE + "[aplasia.infection]\nhazard_per_day = -0.01",
        ["aplasia.infection.hazard_per_day = -0.01", "a number from 0", "never negative"],
    ),
    "probability above 1": (
        BASE + "[cohort]\nfemale = 83",
        ["cohort.female = 83", "a number from 0 to 1", "83% is 0.83"],
    ),
    "mean without sd": (
        BASE + '[recovery]\nduration_days = { dist = "lognormal", mean = 28 }',
        ["recovery.duration_days", "mean = 28", "mean and sd, or median and sigma (given: mean)"],
    ),
    "gamma without sd": (
        BASE + '[recovery]\nduration_days = { dist = "gamma", mean = 28 }',
        ["recovery.duration_days.sd is missing", "a gamma distribution needs it"],
    ),
    "negative duration": (BASE + "[recovery]\nduration_days = -3", ["recovery.duration_days", "-3"]),
    "unknown family": (
        BASE + '[recovery]\nduration_days = { dist = "lognormale", mean = 28 }',
        ['recovery.duration_days.dist = "lognormale"', 'Did you mean "lognormal"'],
    ),
    "no family": (BASE + "[harvest]\nduration_days = { mean = 2 }", ["harvest.duration_days", "needs dist"]),
    "member of another family": (
        BASE + "[recovery]\nduration_days = { shape = 2 }",
        ["recovery.duration_days.shape = 2", "a lognormal distribution has no shape"],
    ),
    "unknown member": (
        BASE + "[recovery]\nduration_days = { averge = 2 }",
        ["recovery.duration_days.averge = 2", "unknown key"],
    ),
    "table for a number": (BASE + "[cohort]\nfemale = { x = 1 }", ["cohort.female", "not a table"]),
    "number for a table": (BASE + "cohort = 5", ["cohort = 5", "write [cohort]"]),
    "array for a table": (BASE + "[[cohort]]\nfemale = 0.5", ["[[cohort]]", "single brackets"]),
    "unknown word": (
        BASE + '[cohort]\nenters_at = "hom"',
        ['cohort.enters_at = "hom"', '"mobilisation"', 'Did you mean "home"'],
    ),
    "no rooms": (
        BASE + "[clinic]\nisolation_rooms = 0",
        ["clinic.isolation_rooms = 0", '"unlimited" or a whole number from 1 to 10000', "nobody is treated"],
    ),
    "half a room": (
        BASE + "[clinic]\nisolation_rooms = 2.5",
        ["isolation_rooms = 2.5", "Rooms come whole: 2 or 3"],
    ),
    "too many rooms": (BASE + "[clinic]\nisolation_rooms = 10001", ["= 10001", 'write "unlimited"']),
    "a slot too few": (BASE + "[clinic]\napheresis_slots = -1", ["apheresis_slots = -1", "Without slots"]),
    "patients with a point": (BASE + "[cohort]\npatients = 50.0", ["cohort.patients = 50.0", "Write 50."]),
    "unknown pattern": (
        BASE + '[arrivals]\npattern = "poison"',
        ['arrivals.pattern = "poison"', 'Did you mean "poisson"'],
    ),
    "key of another pattern": (
        BASE + "[arrivals]\nper_year = 80",
        ["arrivals.per_year = 80", 'arrivals.pattern = "poisson"', '"trial" here'],
    ),
    "relapse starts anew": (
        BASE + '[relapse]\ndist = "log_logistic"',
        ["relapse.scale_years is missing", "starts anew"],
    ),
    "missing solved parameter": (
        'title = "x"\n[relapse]\nscale_years = 9',
        ["aplasia.infection.case_fatality is missing", 'base = "chicago2006"', "a number from 0 to 1"],
    ),
    "no title": ("[relapse]\nscale_years = 9", ["title is missing"]),
    "title no text": (BASE + "title = 3", ["title = 3", "text in quotes"]),
    "cut before enrolment ends": (
        BASE + "[follow_up]\ndata_cut_days = 100",
        ["follow_up.data_cut_days is 100", "arrivals.window_days"],
    ),
    "empty": ("# nothing\n", ["the file is empty", 'base = "chicago2006"']),
    "not TOML": (BASE + "title = hello\n", ["not valid TOML", "line 2", "title = hello"]),
    "twice the same table": (BASE + "[cohort]\n[cohort]\n", ["not valid TOML", "line 3"]),
    "brackets without end": (BASE + "x = " + "[" * 5000, ["not valid TOML"]),
    "a study": ('kind = "study"', ['kind = "study"', "lupus-hsct study run"]),
    "a cohort": ('kind = "cohort"', ['kind = "cohort"', "lupus-hsct validate"]),
    "unknown kind": ('kind = "thing"', ['kind = "thing"', '"scenario" here']),
    "unknown base": ('base = "chicgo2006"', ['base = "chicgo2006"', "did you mean chicago2006"]),
    "base no text": ("base = 5", ["base = 5", "a shipped scenario, or a path"]),
    "missing base": ('base = "gone/away.toml"', ["gone/away.toml", "there is no such file"]),
    "base is itself": ('base = "./bad.toml"', ["circle", "bad.toml → "]),
    "unknown source": (
        BASE + '[sources]\n"aplasia.duration_dys" = "B31"',
        ["[sources]: aplasia.duration_dys", "did you mean aplasia.duration_days"],
    ),
    "source for nothing": (BASE + '[sources]\n"cohort.female" = "J02"', ["cohort.female", "does not set it"]),
    "source no text": (
        BASE + '[cohort]\nfemale = 0.9\n[sources]\n"cohort.female" = 2',
        ["[sources]: cohort.female = 2", "text in quotes"],
    ),
    "sources no table": (BASE + 'sources = "B08"', ['sources = "B08"', "write [sources]"]),
    "unknown endpoint": (
        BASE + '[[target]]\nendpoint = "overal_survival"\nvalue = 0.5\nsource = "B10"',
        ["[[target]] number 1", '"overal_survival"', "did you mean overall_survival"],
    ),
    "target without time": (
        BASE + '[[target]]\nendpoint = "overall_survival"\nvalue = 0.5\nsource = "B10"',
        ["time_years is missing", "5 years"],
    ),
    "target at another time": (
        BASE + '[[target]]\nendpoint = "overall_survival"\ntime_years = 2.5\nvalue = 0.5\nsource = "B10"',
        ["time_years = 2.5", "0.5, 1, 2, 3, 4, 5 years"],
    ),
    "target with a needless time": (
        BASE + '[[target]]\nendpoint = "mean_follow_up"\ntime_years = 2\nvalue = 0.5\nsource = "B10"',
        ["time_years = 2", "has no time"],
    ),
    "target above 1": (
        BASE + '[[target]]\nendpoint = "pre_transplant_mortality"\nvalue = 4\nsource = "B03"',
        ["value = 4", "a share"],
    ),
    "target without source": (
        BASE + '[[target]]\nendpoint = "pre_transplant_mortality"\nvalue = 0.04',
        ["[[target]] number 1: source is missing"],
    ),
    "target value true": (
        BASE + '[[target]]\nendpoint = "pre_transplant_mortality"\nvalue = true\nsource = "B03"',
        ["value = true", "a number of at least 0"],
    ),
    "target with an unknown key": (
        BASE + '[[target]]\nendpoint = "pre_transplant_mortality"\nvalu = 0.04\nsource = "B03"',
        ["valu = 0.04", "did you mean value"],
    ),
    "the same target twice": (
        BASE + '[[target]]\nendpoint = "pre_transplant_mortality"\nvalue = 0.04\nsource = "B03"\n' * 2,
        ["[[target]] number 2", "another target"],
    ),
    "one bracket for a target": (BASE + "[target]\nvalue = 1", ["[target]", "double brackets"]),
    "target no table": (BASE + "target = [3]", ["target = [3]", "[[target]]"]),
    "unknown solve key": (
        BASE + '[calibration]\nsolve = ["relapse.scal_years"]',
        ['calibration.solve has "relapse.scal_years"', "did you mean relapse.scale_years"],
    ),
    "solve key no number": (
        BASE + '[calibration]\nsolve = ["recovery.duration_days"]',
        ['calibration.solve has "recovery.duration_days"', "only numbers"],
    ),
    "solve key a count": (BASE + '[calibration]\nsolve = ["cohort.patients"]', ["only numbers"]),
    "solve key twice": (BASE + '[calibration]\nsolve = ["cohort.female", "cohort.female"]', ["twice"]),
    "wider than can be drawn": (
        BASE + 'recovery.duration_days = { dist = "lognormal", mean = 1e-300, sd = 1 }',
        ["recovery.duration_days", "sd is more than 1e+06 times the mean"],
    ),
    "bounds the wrong way round": (
        BASE + "[cohort.age_years]\nlow = 60",
        ["cohort.age_years = { ", "low is 60 and high 52: low must lie below high"],
    ),
    "bounds with nothing between": (
        BASE + "[cohort.age_years]\nlow = 1000\nhigh = 2000",
        ["cohort.age_years = { ", "none of the distribution lies between low and high"],
    ),
    "gamma wider than can be drawn": (
        BASE + 'recovery.duration_days = { dist = "gamma", mean = 1e-300, sd = 1 }',
        ["recovery.duration_days", "sd is more than 1000 times the mean"],
    ),
    "gamma narrower than can be drawn": (
        BASE + 'recovery.duration_days = { dist = "gamma", mean = 1, sd = 1e-300 }',
        ["recovery.duration_days", "write the mean as a number"],
    ),
    "sigma beyond what can be drawn": (
        BASE + 'recovery.duration_days = { dist = "lognormal", median = 1, sigma = 1e9 }',
        ["recovery.duration_days.sigma = 1000000000.0", "a number from 0 to 10"],
    ),
    "Weibull shape near 0": (
        BASE + 'recovery.duration_days = { dist = "weibull", shape = 1e-6, scale = 1 }',
        ["recovery.duration_days.shape = 1e-06", "a number from 0.01 to 1000"],
    ),
    "solve no list": (
        BASE + '[calibration]\nsolve = "cohort.female"',
        ['calibration.solve = "cohort.female"'],
    ),
    "unknown calibration key": (
        BASE + '[calibration]\nsolv = ["x"]',
        ["calibration.solv", "did you mean solve"],
    ),
    "calibration no table": (BASE + "calibration = 3", ["calibration = 3", "[calibration]"]),
}
# Words of the machinery that must not reach a user.
NOISE = [
    "Traceback",
    "pydantic",
    "lognormal.mean",
    "literal[",
    "function-before",
    "tagged-union",
    "input_value",
]


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must be refused and return its one message."""
    status = run(list(arguments))
    out, err = capsys.readouterr()
    assert status == 2
    assert out == ""
    assert err.startswith("Error: ")
    assert err.count("Error") == 1
    assert not [word for word in NOISE if word in err]
    return err


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_file(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, fragments = BAD_FILES[case]
    file = tmp_path / "bad.toml"
    file.write_text(text)
    message = refused(capsys, "scenario", "check", str(file))
    assert str(file) in message
    assert not [fragment for fragment in fragments if fragment not in message], message


DEEP = ".a" * 3000


@pytest.mark.parametrize(
    "text", [f"[clinic{DEEP}]\nx = 1", f'[sources{DEEP}]\nx = "1"', f"relapse{DEEP} = 1"]
)
def test_tables_in_tables_without_end(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "deep.toml"
    file.write_text(f'base = "chicago2006"\n{text}\n')
    said = refused(capsys, "scenario", "check", str(file))
    assert f"{file}: " in said
    assert "more than 16 deep" in said
    key = f"recovery.duration_days{DEEP}=1"
    assert "--set: tables" in refused(capsys, "scenario", "check", "chicago2006", "--set", key)


@pytest.mark.parametrize(
    ("data", "fragment"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\xff", "binary"),
        (b'title = "a\x00b"', "binary"),
        (b"\xff\xfeb\x00a\x00", "binary"),
        (b"", "empty"),
    ],
)
def test_not_text(data: bytes, fragment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bad.toml"
    file.write_bytes(data)
    assert fragment in refused(capsys, "scenario", "check", str(file))


def test_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, "scenario", "check", f"{tmp_path}/")
    assert "is a folder" in message


def test_no_such_file_lists_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.toml").write_text(BASE)
    message = refused(capsys, "scenario", "check", str(tmp_path / "mien.toml"))
    assert "mien.toml" in message
    assert "mine.toml" in message


def test_unknown_scenario_names_the_nearest_and_all(capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, "scenario", "check", "chicago206")
    assert 'unknown scenario "chicago206"' in message
    assert "did you mean chicago2006?" in message
    assert "chicago2006_reading_b" in message


def test_unknown_scenario_sees_the_file_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(BASE)
    assert "./mine.toml" in refused(capsys, "scenario", "check", "mine")


def test_circle_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.toml").write_text('base = "b.toml"')
    (tmp_path / "b.toml").write_text('base = "./a.toml"')
    message = refused(capsys, "scenario", "check", str(tmp_path / "a.toml"))
    a, b = tmp_path / "a.toml", tmp_path / "b.toml"
    assert f"{a} → {b} → {a}" in message


def test_error_in_the_base_names_the_base(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "below.toml").write_text(BASE + "[cohort]\nfemale = 7")
    (tmp_path / "above.toml").write_text('base = "below.toml"\n[cohort]\npatients = 20')
    message = refused(capsys, "scenario", "check", str(tmp_path / "above.toml"))
    assert f"{tmp_path / 'below.toml'}: cohort.female = 7" in message
    assert "above.toml" not in message


def test_all_problems_in_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(BASE + "[cohort]\nfemale = 7\n[clinic]\nisolation_rooms = 0")
    message = refused(capsys, "scenario", "check", str(file))
    assert "cohort.female = 7" in message
    assert "clinic.isolation_rooms = 0" in message


@pytest.mark.parametrize(
    ("pair", "fragments"),
    [
        ("clinic.isolation_rooms=0", ["--set: clinic.isolation_rooms = 0", "from 1 to 10000"]),
        (
            "infection.case_fatality=0.2",
            ["did you mean mobilisation.infection or aplasia.infection or late_infection?"],
        ),
        ("clinic.isolaton_rooms=4", ["clinic.isolaton_rooms = 4", "did you mean clinic.isolation_rooms"]),
        ("active_disease.hazard_per_year=nan", ["= nan", "NaN and infinity"]),
        ("active_disease.hazard_per_year=-inf", ["= -inf", "NaN and infinity"]),
        ("active_disease.hazard_per_year=true", ["= true", "a number from 0"]),
        ('active_disease.hazard_per_year="0.1"', ["Write the number plainly: 0.1"]),
        ("active_disease.hazard_per_year=0,1", ["Write the number plainly: 0.1"]),
        ("active_disease.hazard_per_year=", ['hazard_per_year = ""']),
        ("recovery.duration_days.mean=-1", ["recovery.duration_days.mean = -1", "above 0"]),
        ("recovery.duration_days.sd=x", ['recovery.duration_days.sd = "x"']),
        ("cohort=3", ["cohort = 3", "write [cohort]"]),
        ("nonsense", ['--set "nonsense"', "key=value"]),
        ("=3", ["key=value"]),
        ("base=chicago2006", ["belongs in a scenario file"]),
        ("kind=study", ["belongs in a scenario file"]),
        ("sources.x=y", ["belongs in a scenario file"]),
        ("relapse.dist=log_logistic", ["--set: relapse.scale_years is missing"]),
        ("a..b=1", ["unknown"]),
        ("target=3", ["target = 3", "[[target]]"]),
    ],
)
def test_bad_set(pair: str, fragments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, "scenario", "check", "chicago2006", "--set", pair)
    assert not [fragment for fragment in fragments if fragment not in message], message
    assert "--set" in message


SCALARS = st.one_of(
    st.none().map(lambda _: []),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(codec="ascii"), max_size=8),
    st.sampled_from(["unlimited", "poisson", "lognormal", "none", "relapse.shape", "overall_survival"]),
)
WORDS = st.sampled_from(
    ["dist", "pattern", "mean", "sd", "value", "endpoint", "source", "solve", "x", "a.b", ""]
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [*parameters(), *tables(), *ABOUT, "target", "calibration.solve", "unknown", "cohort.x"]
)


@settings(deadline=None)
@given(tree=st.dictionaries(KEYS, ANYTHING, max_size=3), based=st.booleans())
def test_whatever_a_file_says_is_taken_or_refused_in_words(
    tree: dict[str, Any], based: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines = [f"{key} = {quoted_keys(value)}" for key, value in tree.items()]
    file = tmp_path_factory.mktemp("any") / "any.toml"
    file.write_text((BASE if based and "base" not in tree else "") + "\n".join(lines), encoding="utf-8")
    with contextlib.redirect_stderr(io.StringIO()) as err, contextlib.redirect_stdout(io.StringIO()):
        status = run(["scenario", "check", str(file)])
    message = err.getvalue()
    assert status in (0, 2)
    assert status == 0 or message.startswith(f"Error: {file}: ")
    assert not [word for word in NOISE if word in message]


def quoted_keys(value: Any) -> str:
    """Write a value as TOML whose keys may be any text."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{toml_text(key)} = {quoted_keys(item)}' for key, item in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(quoted_keys(item) for item in value)}]"
    return toml_text(value)
