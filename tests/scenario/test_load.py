"""Scenario files: bases, ``--set``, origins, sources and hashes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.outcomes.twin.expected import expected
from sim.scenario.describe import show_rows, warnings_about
from sim.scenario.distributions import Exponential, Fixed, Gamma, Lognormal
from sim.scenario.inherit import set_layer
from sim.scenario.load import Loaded, load, scenario_hash
from sim.scenario.problems import RequestError
from sim.scenario.refusals import toml_text
from sim.scenario.registry import lookup, parameters
from sim.scenario.schema import PoissonArrivals, Scenario
from sim.scenario.shipped import shipped_names
from sim.scenario.values import get_value, with_values

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a scenario file and return its path as a user would give it."""

    def _write(text: str, name: str = "mine.toml") -> str:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return str(file)

    return _write


def stated(scenario: Scenario) -> dict[str, Any]:
    """Return a scenario without what it says of its own changes."""
    return scenario.model_dump(exclude={"title", "purpose", "changed", "what_if"})


def row(loaded: Loaded, key: str) -> dict[str, Any]:
    return next(row for row in show_rows(loaded) if row["key"] == key)


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_scenario_loads_from_anywhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = load(name)
    assert loaded.name == loaded.chain[0] == name
    assert loaded.scenario.title
    assert loaded.scenario.purpose
    assert list(warnings_about(loaded)) == []
    assert load(str(loaded.path)).scenario_hash == loaded.scenario_hash


SOLVED = {
    "chicago2006": 6, "chicago2006_reading_b": 6, "ebmt2004": 7, "ebmt2004_split_4_3": 7,
    "ebmt2004_split_0_7": 6,
}  # fmt: skip


@pytest.mark.parametrize(("name", "unknowns"), SOLVED.items())
def test_calibrated_scenario_solves_as_many_numbers_as_it_has_targets(name: str, unknowns: int) -> None:
    loaded = load(name)
    scenario = loaded.scenario
    assert len(scenario.calibration.solve) == len(scenario.fitted_targets) == unknowns
    assert {row["key"] for row in show_rows(loaded) if row["status"] == "solved"} >= set(
        scenario.calibration.solve
    )


@pytest.mark.parametrize("name", SOLVED)
def test_solved_numbers_meet_the_targets_exactly(name: str) -> None:
    scenario = load(name).scenario
    figures = expected(scenario)
    for target in scenario.fitted_targets:
        assert figures[target.endpoint, target.time_years] == pytest.approx(target.value, abs=1e-9)


def test_no_transplant_is_shown_at_both_hazards_of_the_trial() -> None:
    """The band's ends are the active hazard and the identified product; a new calibration moves them too."""
    trial = load("chicago2006").scenario
    (band,) = load("no_transplant").scenario.range
    active = trial.active_disease.hazard_per_year
    assert band.key == "active_disease.hazard_per_year"
    assert band.values == pytest.approx([trial.after_relapse.multiplier * active, active], rel=1e-12)


def test_reading_b_differs_only_in_the_solved_numbers() -> None:
    a, b = load("chicago2006").as_dict(), load("chicago2006_reading_b").as_dict()
    differing = {key for key in parameters() if lookup(a, key) != lookup(b, key)}
    assert differing == set(a["calibration"]["solve"])


def test_tables_merge_key_by_key(write: Write) -> None:
    loaded = load(write('base = "chicago2006"\n[aplasia.infection]\nward_relative_risk = 1.67'))
    base = load("chicago2006").scenario
    assert stated(loaded.scenario) == stated(
        with_values(base, {"aplasia.infection.ward_relative_risk": 1.67})
    )
    assert loaded.chain == ("mine", "chicago2006")


def test_part_of_a_default_distribution(write: Write) -> None:
    scenario = load(write('base = "chicago2006"\n[recovery.duration_days]\nmean = 35')).scenario
    assert scenario.recovery.duration_days == Lognormal(dist="lognormal", mean=35, sd=14)


def test_table_with_dist_replaces_the_whole_table(write: Write) -> None:
    text = 'base = "chicago2006"\n[recovery.duration_days]\ndist = "lognormal"\nmedian = 20\nsigma = 0.5'
    scenario = load(write(text)).scenario
    assert scenario.recovery.duration_days == Lognormal(dist="lognormal", median=20, sigma=0.5)


def test_part_over_a_bare_number(write: Write) -> None:
    write('base = "chicago2006"\n[recovery]\nduration_days = 20', "below.toml")
    scenario = load(write('base = "below.toml"\n[recovery.duration_days]\nvalue = 21')).scenario
    assert scenario.recovery.duration_days == Fixed(value=21)


def test_table_with_pattern_replaces_the_whole_table(write: Write) -> None:
    loaded = load(write('base = "chicago2006"\n[arrivals]\npattern = "poisson"\nper_year = 40'))
    assert loaded.scenario.arrivals == PoissonArrivals(per_year=40)
    assert loaded.origins["arrivals.per_year"] == "mine"
    assert loaded.origins["arrivals.years"] == "default"
    assert "arrivals.power" not in loaded.origins


def test_same_pattern_starts_anew_too(write: Write) -> None:
    loaded = load(write('base = "chicago2006"\n[arrivals]\npattern = "trial"\nwindow_days = 1000'))
    assert row(loaded, "arrivals.power")["value"] == 1
    assert row(loaded, "arrivals.power")["inherited_from"] == "default"
    assert row(loaded, "arrivals.power")["status"] == "evidence"


def test_targets_replace_whole(write: Write) -> None:
    text = 'base = "chicago2006"\n[[target]]\nendpoint = "harvest_failure"\nvalue = 0.01\nsource = "P05"'
    targets = load(write(text)).scenario.target
    assert [target.endpoint for target in targets] == ["harvest_failure"]


def test_targets_beyond_the_horizon_are_warned_of() -> None:
    loaded = load("chicago2006", ["follow_up.horizon_years=3"])
    assert len(list(warnings_about(loaded))) == 2


def test_base_path_counts_from_the_file(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write('base = "chicago2006"\n[cohort]\npatients = 7', "inner/below.toml")
    above = write('base = "./below.toml"', "inner/above.toml")
    monkeypatch.chdir(tmp_path.parent)
    loaded = load(above)
    assert loaded.scenario.cohort.patients == 7
    assert loaded.chain == ("above", "below", "chicago2006")
    assert loaded.origins["cohort.patients"] == "below"


def test_file_with_the_name_of_its_base(write: Write) -> None:
    path = write('base = "chicago2006"\n[cohort]\npatients = 7', "chicago2006.toml")
    loaded = load(path)
    assert loaded.name == "chicago2006"
    assert loaded.chain == (path, "chicago2006.toml")
    assert loaded.origins["cohort.patients"] == path
    assert row(loaded, "relapse.scale_years")["inherited_from"] == "chicago2006.toml"


def test_byte_order_mark(write: Write) -> None:
    assert load(write('\ufeffbase = "chicago2006"')).scenario == load("chicago2006").scenario


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (["clinic.isolation_rooms=4"], {"clinic.isolation_rooms": 4}),
        (["clinic.isolation_rooms = 4 "], {"clinic.isolation_rooms": 4}),
        (["clinic.isolation_rooms=unlimited"], {"clinic.isolation_rooms": "unlimited"}),
        (['clinic.isolation_rooms="unlimited"'], {"clinic.isolation_rooms": "unlimited"}),
        (["clinic.isolation_rooms=4", "clinic.isolation_rooms=5"], {"clinic.isolation_rooms": 5}),
        (["cohort.enters_at=home"], {"cohort.enters_at": "home"}),
        (["recovery.duration_days=20"], {"recovery.duration_days": Fixed(value=20)}),
        (
            ["recovery.duration_days.mean=35"],
            {"recovery.duration_days": {"dist": "lognormal", "mean": 35, "sd": 14}},
        ),
        (
            ["recovery.duration_days={dist='gamma', mean=3, sd=2}"],
            {"recovery.duration_days": Gamma(dist="gamma", mean=3, sd=2)},
        ),
        (
            ["recovery.duration_days.mean=3", "recovery.duration_days.dist=exponential"],
            {"recovery.duration_days": Exponential(dist="exponential", mean=3)},
        ),
        (
            ["recovery.duration_days={dist='gamma', mean=3, sd=2}", "recovery.duration_days.sd=1"],
            {"recovery.duration_days": Gamma(dist="gamma", mean=3, sd=1)},
        ),
        (["harvest.duration_days=by_sessions"], {}),
        (["follow_up.data_cut_days=none"], {"follow_up.data_cut_days": "none"}),
    ],
)
def test_set(pairs: list[str], expected: dict[str, Any]) -> None:
    changed = with_values(load("chicago2006").scenario, expected)
    assert stated(load("chicago2006", pairs).scenario) == stated(changed)


@pytest.mark.parametrize(
    ("name", "pairs", "title"),
    [
        (
            "open_clinic",
            ["arrivals.per_year=30", "clinic.isolation_rooms=2"],
            "Open clinic, changed: arrivals 30 per year, 2 isolation rooms",
        ),
        ("chicago2006", ["cohort.age_years.median=45"], "Chicago 2006, changed: age median 45 years"),
        ("chicago2006", ["recovery.duration_days=28"], "Chicago 2006, changed: recovery duration 28 days"),
        ("chicago2006", ["cohort.patients=1"], "Chicago 2006, changed: 1 patient"),
        ("chicago2006", ["follow_up.data_cut_days=none"], "Chicago 2006, changed: follow up data cut none"),
        ("chicago2006", ["arrivals.pattern=poisson"], "Chicago 2006, changed: arrivals pattern poisson"),
        (
            "no_transplant",
            [f"{key}=0" for key in ("late_infection.hazard_per_day", "response.assessed_at_days")],
            "No transplant, changed: late infection hazard 0 per day, response assessed at 0 days",
        ),
    ],
)
def test_a_title_says_what_was_changed(name: str, pairs: list[str], title: str) -> None:
    loaded = load(name, pairs)
    scenario = loaded.scenario
    assert scenario.title == title
    assert scenario.purpose.startswith("A what-if, with ")
    assert "Reproduces" not in scenario.purpose
    assert scenario.shown_targets == []
    assert scenario.target == load(name).scenario.target  # a calibration still answers to them
    assert loaded.folder_name.startswith(f"{name}-")


def test_a_range_ends_where_its_key_gets_a_value(write: Write) -> None:
    key = "active_disease.hazard_per_year"
    own = load("no_transplant").scenario
    assert [each.key for each in own.range] == [key]
    assert load("no_transplant", ["cohort.patients=30"]).scenario.range == own.range
    assert (
        load("no_transplant", [f"{key}={own.active_disease.hazard_per_year!r}"]).scenario.range == own.range
    )
    assert load("no_transplant", [f"{key}=0.3"]).scenario.range == []
    based = 'base = "no_transplant"\ntitle = "Mine"\n[active_disease]\nhazard_per_year = 0.3\n'
    assert load(write(based)).scenario.range == []
    anew = f'[[range]]\nkey = "{key}"\nvalues = [0.2, 0.4]\nsource = "assumption"\n'
    assert len(load(write(based + anew, "anew.toml")).scenario.range) == 1


def test_what_is_set_as_it_was_changes_nothing() -> None:
    same = load("chicago2006", ["cohort.patients=50", "recovery.duration_days.mean=28"])
    assert same.scenario.title == load("chicago2006").scenario.title
    assert same.scenario.shown_targets
    assert same.folder_name == "chicago2006"


def test_a_file_that_changes_its_base_answers_to_none_of_its_figures(write: Write) -> None:
    named = load(
        write('base = "chicago2006"\ntitle = "Mine"\npurpose = "Why"\n[clinic]\nisolation_rooms = 4')
    )
    assert (named.scenario.title, named.scenario.purpose) == ("Mine", "Why")
    assert named.scenario.what_if
    unnamed = load(write('base = "chicago2006"\n[clinic]\nisolation_rooms = 4', "other.toml"))
    assert unnamed.scenario.title == "Chicago 2006, changed: 4 isolation rooms"
    solve = '[calibration]\nsolve = ["active_disease.hazard_per_year"]'
    solved = load(write(f'base = "chicago2006"\n[clinic]\nisolation_rooms = 4\n{solve}', "solved.toml"))
    assert len(solved.scenario.shown_targets) == 8
    assert solved.scenario.purpose == load("chicago2006").scenario.purpose
    own = load(
        write('base = "./other.toml"\n[[target]]\nendpoint = "cd34_infused"\nvalue = 5\nsource = "P03"')
    )
    assert len(own.scenario.shown_targets) == 1
    assert load(str(own.path), ["clinic.isolation_rooms=5"]).scenario.shown_targets == []


def test_no_file_says_that_it_was_changed(write: Write) -> None:
    for line in ("changed = []", "what_if = false"):
        with pytest.raises(RequestError, match=line.partition(" ")[0]):
            load(write(f'base = "chicago2006"\n{line}'))


def test_many_changes_are_counted_in_the_title_and_named_in_the_purpose() -> None:
    keys = ("cohort.female", "response.non_response", "relapse.shape", "after_relapse.multiplier",
            "harvest.max_sessions")  # fmt: skip
    scenario = load("chicago2006", [f"{key}=1" for key in keys]).scenario
    assert scenario.title.endswith(", 1 more")
    assert scenario.changed is not None
    assert all(change in scenario.purpose for change in scenario.changed)
    assert len(scenario.changed) == 5


def test_set_can_start_relapse_anew() -> None:
    scenario = load("chicago2006", ["relapse.scale_years=4", "relapse.dist=log_logistic"]).scenario
    assert scenario.relapse.dist == "log_logistic"
    assert scenario.relapse.scale_years == 4


def test_set_value_never_smuggles_a_second_key() -> None:
    assert set_layer(["title=1\nother = 2"]).tree == {"title": "1\nother = 2"}


def test_status_and_source(write: Write) -> None:
    text = """
        base = "chicago2006"
        [aplasia.infection]
        ward_relative_risk = 1.67
        case_fatality = 0.2
        hazard_per_day = 0.01
        [cohort]
        female = 0.9
        [sources]
        "aplasia.infection.ward_relative_risk" = "I01"
        cohort.female = "Assumption: like the neighbours"
    """
    loaded = load(write(text), ["recovery.duration_days.mean=35"])

    def status(key: str) -> tuple[str, str, str]:
        found = row(loaded, key)
        return found["status"], found["source"], found["inherited_from"]

    assert status("aplasia.infection.ward_relative_risk") == ("evidence", "I01", "overrides default: 1")
    assert status("cohort.female") == (
        "assumption",
        "Assumption: like the neighbours",
        "overrides default: 0.83",
    )
    assert status("recovery.duration_days")[:2] == ("assumption", "--set")
    assert "overrides default" in status("recovery.duration_days")[2]
    found = status("aplasia.infection.case_fatality")
    assert found[:2] == ("assumption", "mine: no source given")
    assert found[2].startswith("overrides chicago2006: 0.0")
    assert status("mobilisation.duration_days") == ("evidence", "P09; sd: assumption", "default")
    assert status("cohort.age_years")[0] == "assumption"
    solved = status("relapse.scale_years")
    assert solved[0] == "solved"
    assert solved[1].startswith("solved from treatment_related_mortality, ")
    assert "overall_survival@5" in solved[1]
    assert solved[1].endswith("(in chicago2006)")
    assert solved[2] == "chicago2006"
    warned = " ".join(warnings_about(loaded))
    assert "aplasia.infection.case_fatality has no source" in warned
    assert "aplasia.infection.hazard_per_day has no source" in warned
    assert "cohort.female" not in warned


def test_set_over_a_solved_value_is_an_assumption() -> None:
    found = row(load("chicago2006", ["relapse.scale_years=4"]), "relapse.scale_years")
    assert (found["status"], found["source"]) == ("assumption", "--set")
    assert found["inherited_from"].startswith("overrides chicago2006: 9.")


def test_sources_of_the_base_hold_only_for_its_values(write: Write) -> None:
    below = """
        base = "chicago2006"
        cohort.female = 0.9
        cohort.patients = 20
        sources.cohort = { female = "J02", patients = "B01" }
    """
    write(below, "below.toml")
    loaded = load(write('base = "below.toml"\ncohort.female = 0.8'))
    assert loaded.scenario.sources == {"cohort.patients": "B01"}
    assert row(loaded, "cohort.female")["source"] == "mine: no source given"
    assert row(loaded, "cohort.patients")["inherited_from"] == "below"


def test_references_on_demand() -> None:
    rows = {row["key"]: row for row in show_rows(load("chicago2006"), references=True)}
    assert "JAMA 2006" in rows["relapse.scale_years"]["reference"]
    assert "Lancet 2000" in rows["aplasia.duration_days"]["reference"]


def test_hash_sees_values_and_nothing_else(write: Write) -> None:
    plain = load("chicago2006").scenario_hash
    text = """
        base = "chicago2006"
        title = "another"
        [immunoablation]
        duration_days = { dist = "fixed", value = 5.0 }
        [follow_up]
        horizon_years = 5
        [sources]
        "follow_up.horizon_years" = "B10"
        [[target]]
        endpoint = "harvest_failure"
        value = 0.01
        source = "P05"
    """
    assert load(write(text)).scenario_hash == plain
    assert load("chicago2006", ["cohort.patients=51"]).scenario_hash != plain
    assert load("chicago2006", ["arrivals.pattern=poisson"]).scenario_hash != plain


def test_hash_sees_every_parameter() -> None:
    scenario = load("chicago2006").scenario
    hashes = {scenario_hash(scenario)}
    changed = 0
    for key, parameter in parameters().items():
        if key == "relapse.dist":  # a [relapse] that names dist starts anew
            continue
        if parameter.when is not None and parameter.when[1] != get_value(scenario, parameter.when[0]):
            continue
        here = get_value(scenario, key)
        if parameter.distribution:
            other: object = 7.25
        elif isinstance(here, int):
            other = here + 1
        elif isinstance(here, float):
            other = here * 0.99 or 0.01
        else:
            other = next(value for value in (*parameter.choices, 4) if value != here)
        hashes.add(scenario_hash(with_values(scenario, {key: other})))
        changed += 1
    assert changed > 40
    assert len(hashes) == changed + 1


def test_resolved_scenario_makes_itself_again() -> None:
    loaded = load("chicago2006_reading_b", ["recovery.duration_days=3"])
    assert Scenario.model_validate(loaded.as_dict()) == loaded.scenario


def distributions() -> st.SearchStrategy[dict[str, Any] | float]:
    positive = st.floats(1e-6, 1e6)
    spread = st.floats(1e-6, 1000)
    families = st.sampled_from(["gamma", "lognormal"])
    two = st.builds(lambda f, m, s: {"dist": f, "mean": m, "sd": m * s}, families, positive, spread)
    weibull = st.builds(
        lambda a, b: {"dist": "weibull", "shape": a, "scale": b}, st.floats(0.01, 1000), positive
    )
    log = st.builds(lambda m, s: {"dist": "lognormal", "median": m, "sigma": s}, positive, st.floats(0, 3))
    one = st.builds(lambda m: {"dist": "exponential", "mean": m}, positive)
    return st.one_of(two, weibull, log, one, st.floats(0, 1e6))


def values(key: str) -> st.SearchStrategy[Any]:
    """Return valid values of a parameter, out of its own declaration."""
    parameter = parameters()[key]
    kinds: list[st.SearchStrategy[Any]] = []
    if parameter.choices:
        kinds.append(st.sampled_from(parameter.choices))
    if parameter.distribution:
        kinds.append(distributions())
    if parameter.numbers is not None:
        low, high = parameter.numbers.lower, parameter.numbers.upper
        if parameter.numbers.whole:
            kinds.append(st.integers(int(low), int(high)))
        else:
            kinds.append(st.floats(low, high, exclude_min=parameter.numbers.lower_open))
    return st.one_of(kinds)


# A delay goes with everybody but those at home, and so on: these depend on others.
BOUND = ("relapse.dist", "arrivals.pattern", "follow_up.data_cut_days", "transplant.delay_days")
FREE = [key for key, parameter in parameters().items() if parameter.when is None and key not in BOUND]


@settings(deadline=None)
@given(
    data=st.data(),
    keys=st.lists(st.sampled_from(FREE), min_size=1, max_size=5, unique=True).filter(
        lambda keys: not {"cohort.enters_at", "transplant.delay_days"} <= {*keys}  # no delay at home
    ),
)
def test_any_valid_values_survive_a_file(
    data: st.DataObject, keys: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    changes = {key: data.draw(values(key), label=key) for key in keys}
    scenario = with_values(load("chicago2006").scenario, changes)
    lines = ['base = "chicago2006"', *(f"{key} = {toml_text(value)}" for key, value in changes.items())]
    file = tmp_path_factory.mktemp("scenario") / "any.toml"
    file.write_text("\n".join(lines), encoding="utf-8")
    loaded = load(str(file))
    assert loaded.scenario_hash == scenario_hash(scenario)
    pairs = [f"{key}={toml_text(value)}" for key, value in changes.items()]
    assert load("chicago2006", pairs).scenario_hash == scenario_hash(scenario)
    assert {key for key, origin in loaded.origins.items() if origin == "any"} == set(keys)
