"""The load offered to slots and rooms, against closed forms, and the warning that rests on it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from sim.commands.sweep import sweep
from sim.scenario.load import load
from sim.scenario.problems import (
    AgeWarning,
    CautionWarning,
    CutOffWarning,
    FewReplicationsWarning,
    HorizonWarning,
    IncomparableWarning,
    OverloadWarning,
)
from sim.scenario.refusals import toml_text
from sim.scenario.schema import Scenario
from sim.show.page import make_page, render
from sim.study.load import offered_loads, warn_of_scenarios
from sim.study.sweep import grid

MakeScenario: TypeAlias = Callable[..., Scenario]
CLINIC: dict[str, Any] = {
    "cohort.enters_at": "immunoablation",
    "arrivals.pattern": "poisson",
    "arrivals.per_year": 365.25,
    "arrivals.years": 1,
    "clinic.isolation_rooms": 4,
    "clinic.room_turnaround_days": 1,
    "immunoablation.duration_days": 2,
}
"""One arrival a day."""


@pytest.fixture
def clinic(scenario_of: MakeScenario, still: dict[str, Any]) -> Callable[..., Scenario]:
    return lambda changes=None: scenario_of(still, CLINIC, changes or {})


def rooms(scenario: Scenario) -> float:
    (load,) = offered_loads(scenario, seed=1)
    assert load.key == "clinic.isolation_rooms"
    return load.offered


def test_fixed_stays_offer_arrivals_times_stay_and_turnaround(clinic: Callable[..., Scenario]) -> None:
    assert rooms(clinic()) == pytest.approx(3.0, rel=1e-9)


@pytest.mark.parametrize("capacity", [1, 100])
def test_the_load_does_not_depend_on_the_capacity(clinic: Callable[..., Scenario], capacity: int) -> None:
    deadly = {"active_disease.hazard_per_year": 10}  # in a queue many would die
    assert rooms(clinic({**deadly, "clinic.isolation_rooms": capacity})) == rooms(clinic(deadly))


def test_stays_end_in_death_and_rooms_are_cleaned_then(clinic: Callable[..., Scenario]) -> None:
    hazard, stay = 0.3, 4.0
    scenario = clinic({"immunoablation.toxicity_per_day": hazard, "immunoablation.duration_days": stay})
    mean = -math.expm1(-hazard * stay) / hazard
    second = 2 * (1 - math.exp(-hazard * stay) * (1 + hazard * stay)) / hazard**2
    error = math.sqrt((second - mean**2) / 3200)  # 9 replications of 365 patients
    assert rooms(scenario) == pytest.approx(mean + 1, abs=4 * error)


def test_who_does_not_reach_the_station_offers_nothing(clinic: Callable[..., Scenario]) -> None:
    scenario = clinic(
        {
            "cohort.enters_at": "mobilisation",
            "clinic.apheresis_slots": 3,
            "harvest.duration_days": 2,
            "mobilisation.duration_days": 4,
            "mobilisation.infection.hazard_per_day": 1e6,
            "mobilisation.infection.case_fatality": 0.4,
        }
    )
    slots, room = offered_loads(scenario, seed=1)
    error = math.sqrt(0.4 * 0.6 / 3300)
    assert slots.offered == pytest.approx(2 * 0.6, abs=4 * 2 * error)
    assert room.offered / 3 == pytest.approx(slots.offered / 2, rel=1e-9)


def test_a_stay_beyond_the_end_of_follow_up_counts_whole(clinic: Callable[..., Scenario]) -> None:
    short = {"follow_up.horizon_years": 0.001, "aplasia.discharge_delay_days": 5}
    assert rooms(clinic(short)) == pytest.approx(8.0, rel=1e-9)


@pytest.mark.parametrize(
    "changes", [{"clinic.isolation_rooms": "unlimited"}, {"arrivals.pattern": "trial", "arrivals.power": 1}]
)
def test_nothing_is_offered_to_what_is_unlimited_or_to_a_trial(
    scenario_of: MakeScenario, still: dict[str, Any], changes: dict[str, Any]
) -> None:
    poisson = ("arrivals.per_year", "arrivals.years")
    layer = {**CLINIC, **changes}
    if layer["arrivals.pattern"] == "trial":
        layer = {key: value for key, value in layer.items() if key not in poisson}
    assert offered_loads(scenario_of(still, layer), seed=1) == []


@pytest.mark.parametrize(("capacity", "warned"), [(2, True), (3, True), (4, False)])
def test_a_load_that_reaches_the_capacity_is_warned_of_in_numbers(
    clinic: Callable[..., Scenario], capacity: int, warned: bool
) -> None:
    scenario = clinic({"clinic.isolation_rooms": capacity, "arrivals.per_year": 365.2501})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_scenarios([scenario], seed=1)
    said = [str(warning.message) for warning in caught if warning.category is OverloadWarning]
    assert len(said) == warned
    for text in said:
        assert text.startswith("clinic.isolation_rooms: patients arrive for 3 rooms' worth of work")
        assert f"there are {capacity} rooms" in text
        assert "arrivals.per_year" in text


def test_a_sweep_warns_once_of_its_worst_point(clinic: Callable[..., Scenario]) -> None:
    scenario = clinic({"arrivals.years": 0.05})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        points = grid(scenario, {"clinic.isolation_rooms": (1, 2, 9)})
        warn_of_scenarios((changed for _, changed in points), seed=1)
    overload = [str(warning.message) for warning in caught if warning.category is OverloadWarning]
    assert len(overload) == 1
    assert "there is 1 room:" in overload[0]


def test_a_caution_is_given_once(clinic: Callable[..., Scenario]) -> None:
    scenarios = [clinic({"caution": "Mind the gap."})] * 3
    with pytest.warns(CautionWarning, match=r"Mind the gap\.") as caught:
        warn_of_scenarios(scenarios, seed=1)
    assert len(caught) == 1


def test_a_sweep_gives_the_caution() -> None:
    with (
        pytest.warns(FewReplicationsWarning),
        pytest.warns(CautionWarning, match=r"isolation is disputed"),
    ):
        sweep("no_isolation", {"cohort.patients": (2, 3)}, replications=2)


def warned(scenario: Scenario) -> list[tuple[type[Warning], str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_scenarios([scenario] * 2, seed=1)
    return [(warning.category, str(warning.message)) for warning in caught]


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"follow_up.horizon_years": 15}, HorizonWarning, ["not to be read beyond 10 years", "at most 10"]),
        (
            {"cohort.age_years": {"dist": "lognormal", "median": 45.0, "sigma": 0.3}},
            AgeWarning,
            ["1 in 257 patients is older than 100 years", "cohort.age_years.high"],
        ),
        (
            {"cohort.age_years.median": 45},
            CutOffWarning,
            [
                "31% of the distribution is cut off (low = 9, high = 52)",
                "the median drawn is 39.8 years",
                "cohort.age_years.high",
            ],
        ),
    ],
)
def test_what_is_beyond_the_model_is_warned_of_once(
    changes: dict[str, Any], kind: type[Warning], said: list[str]
) -> None:
    found = warned(load("chicago2006", changes).scenario)
    assert [each for each, _ in found if each is not CautionWarning] == [kind]
    for text in said:
        assert text in found[-1][1]


@pytest.mark.parametrize(
    "changes",
    [
        {"follow_up.horizon_years": 10, "follow_up.data_cut_days": "none"},
        {"cohort.age_years": {"dist": "lognormal", "median": 45.0, "sigma": 0.3, "high": 70.0}},
        {"cohort.age_years": 99},
    ],
)
def test_what_is_within_the_model_is_not_warned_of(changes: dict[str, Any]) -> None:
    assert {kind for kind, _ in warned(load("chicago2006", changes).scenario)} <= {CautionWarning}


EVERYDAY = "Age and sex act through everyday deaths only"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"cohort.age_years.median": 30}, True),
        ({"cohort.age_years": 30}, True),
        ({"cohort.female": 0.5}, True),
        ({"cohort.female": 0.83}, False),  # as it is
        ({"cohort.patients": 40}, False),
    ],
)
def test_an_answer_about_age_or_sex_says_how_they_act(
    changes: dict[str, Any], told: bool, tmp_path: Path
) -> None:
    assert (EVERYDAY in load("chicago2006", changes).scenario.caution) is told
    file = tmp_path / "mine.toml"
    lines = [f"{key} = {toml_text(value)}" for key, value in changes.items()]
    file.write_text("\n".join(["kind = 'scenario'", "base = 'no_isolation'", "title = 'mine'", *lines]))
    caution = load(str(file)).scenario.caution
    assert (EVERYDAY in caution) is told
    assert "isolation is disputed" in caution


def test_a_sweep_over_age_or_sex_says_how_they_act() -> None:
    with (
        pytest.warns(FewReplicationsWarning),
        pytest.warns(IncomparableWarning, match="cohort.female is"),
        pytest.warns(CautionWarning, match=EVERYDAY),
    ):
        swept = sweep("chicago2006", {"cohort.female": (0.2, 0.8)}, replications=2)
    page = render(make_page(swept))
    assert f"<strong>Caution.</strong> {EVERYDAY}" in page
