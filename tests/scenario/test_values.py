"""Single parameters by their dotted keys, and the registry that is derived from the schema."""

from __future__ import annotations

import pytest

from sim.scenario.distributions import Fixed, Lognormal
from sim.scenario.load import load
from sim.scenario.merging import defaults, used_parameters
from sim.scenario.problems import RequestError
from sim.scenario.registry import lookup
from sim.scenario.schema import LISTED, Scenario
from sim.scenario.values import get_value, parameters, with_values


@pytest.fixture(scope="module")
def chicago() -> Scenario:
    return load("chicago2006").scenario


def test_registry_holds_every_value_of_a_scenario(chicago: Scenario) -> None:
    tree = chicago.model_dump(exclude_none=True)
    used = {parameter.key for parameter in used_parameters(tree)}

    def leaves(table: dict[str, object], prefix: str) -> set[str]:
        found = set()
        for name, value in table.items():
            key = f"{prefix}{name}"
            if isinstance(value, dict) and key not in parameters():
                found |= leaves(value, f"{key}.")
            else:
                found.add(key)
        return found

    about = {"kind", "title", "purpose", "caution", "sources", "calibration", *LISTED}
    assert leaves({name: value for name, value in tree.items() if name not in about}, "") == used


def test_every_parameter_says_all_about_itself() -> None:
    for parameter in parameters().values():
        assert parameter.meaning
        assert parameter.source
        assert parameter.type_text
        assert parameter.allowed
        assert (parameter.default is None) == parameter.required


def test_solved_parameters_have_no_default() -> None:
    assert {key for key, parameter in parameters().items() if parameter.required} == {
        "mobilisation.infection.case_fatality",
        "active_disease.hazard_per_year",
        "aplasia.infection.case_fatality",
        "relapse.scale_years",
        "after_relapse.multiplier",
    }


def test_ranges() -> None:
    share = parameters()["cohort.female"]
    assert share.is_number
    assert share.numbers is not None
    assert (share.numbers.lower, share.numbers.upper, share.numbers.lower_open) == (0, 1, False)
    rooms = parameters()["clinic.isolation_rooms"]
    assert rooms.choices == ("unlimited",)
    assert rooms.allowed.startswith('"unlimited" or a whole number from 1 to 10000 or numbers from days on')
    assert not rooms.is_number
    assert parameters()["arrivals.pattern"].choices == ("trial", "poisson")
    assert parameters()["arrivals.per_year"].when == ("arrivals.pattern", "poisson")
    assert parameters()["harvest.duration_days"].distribution


def test_defaults_are_the_registry(chicago: Scenario) -> None:
    tree = defaults()
    assert lookup(tree, "recovery.duration_days") == {"dist": "lognormal", "mean": 28, "sd": 14}
    assert lookup(tree, "relapse.scale_years") is None
    assert "per_year" not in tree["arrivals"]
    assert chicago.harvest.model_dump(exclude_none=True) == tree["harvest"]


def test_every_value_can_be_put_back(chicago: Scenario) -> None:
    for parameter in used_parameters(chicago.model_dump()):
        assert with_values(chicago, {parameter.key: get_value(chicago, parameter.key)}) == chicago


def test_get_value_reaches_into_distributions(chicago: Scenario) -> None:
    assert get_value(chicago, "recovery.duration_days") == Lognormal(dist="lognormal", mean=28, sd=14)
    assert get_value(chicago, "recovery.duration_days.sd") == 14


@pytest.mark.parametrize(
    ("key", "fragment"),
    [
        ("recovery.duration_dys", "did you mean recovery.duration_days"),
        ("recovery.duration_days.median", "unknown key"),
        (
            "recovery.duration_days.high",
            "not cut off there; state a value first",
        ),
        ("recovery", "unknown key"),
        ("arrivals.per_year", 'arrivals.pattern = "poisson"'),
        ("", "unknown key"),
    ],
)
def test_get_value_of_nothing(chicago: Scenario, key: str, fragment: str) -> None:
    with pytest.raises(RequestError) as refusal:
        get_value(chicago, key)
    assert fragment in str(refusal.value)


def test_with_values_leaves_the_scenario_alone(chicago: Scenario) -> None:
    before = chicago.model_dump()
    changed = with_values(
        chicago, {"relapse.scale_years": 3.0, "immunoablation.duration_days": Fixed(value=6)}
    )
    assert chicago.model_dump() == before
    assert changed.relapse.scale_years == 3
    assert changed.immunoablation.duration_days == Fixed(value=6)


def test_with_values_drops_the_source_of_what_it_changes(chicago: Scenario) -> None:
    sourced = chicago.model_copy(update={"sources": {"cohort.female": "J02", "cohort.patients": "B01"}})
    assert with_values(sourced, {"cohort.female": 0.5}).sources == {"cohort.patients": "B01"}


def test_with_values_speaks_like_a_file(chicago: Scenario) -> None:
    with pytest.raises(RequestError, match=r"^cohort\.female = 2: must be a number from 0 to 1\."):
        with_values(chicago, {"cohort.female": 2})
    with pytest.raises(RequestError, match=r"did you mean cohort\.female"):
        with_values(chicago, {"cohort.femal": 0.5})
