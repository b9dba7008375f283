"""Verification agrees with what is right, and finds what is wrong."""

from __future__ import annotations

import warnings

import pandas as pd
import pytest

from sim.commands.run import run as simulated
from sim.scenario.schema import Scenario
from sim.scenario.values import with_values
from sim.study.verification import CLOSE, Check, verify
from sim.work.results import Results


@pytest.fixture(scope="module")
def made() -> tuple[Scenario, Results]:
    return made_of("chicago2006", replications=300)


def checks(scenario: Scenario, run: Results, endpoints: pd.DataFrame | None = None) -> list[Check]:
    table = run.endpoints if endpoints is None else endpoints
    return verify(scenario, table, run.replications, run.table("patients"), run.table("littles_law"))


def failed(found: list[Check]) -> set[str]:
    return {check.what for check in found if not check.passed}


def test_a_right_run_agrees_with_all_that_is_known(made: tuple[Scenario, Results]) -> None:
    found = checks(*made)
    assert failed(found) == set()
    kinds = [check.kind for check in found]
    assert kinds.count("closed form") == 4
    assert kinds.count("exact twin") == 93
    worst = max(abs(check.z) for check in found if check.mc_se > 0)
    assert 1 < worst < CLOSE


def test_a_figure_that_is_off_by_more_than_its_error_is_found(made: tuple[Scenario, Results]) -> None:
    scenario, run = made
    wrong = run.endpoints.copy()
    at = (wrong["endpoint"] == "overall_survival") & (wrong["time_years"] == 3.0)
    wrong.loc[at, "estimate"] += 8 * wrong.loc[at, "mc_se"]
    assert failed(checks(scenario, run, wrong)) == {"Overall survival, reinfused, 3 y"}


def test_incidences_that_do_not_add_up_are_found(made: tuple[Scenario, Results]) -> None:
    scenario, run = made
    wrong = run.endpoints.copy()
    at = (wrong["endpoint"] == "no_response") & (wrong["time_years"] == 5.0)
    wrong.loc[at, "estimate"] = 1e-6
    assert {what for what in failed(checks(scenario, run, wrong)) if "together" in what}


def test_a_run_of_another_scenario_is_found(made: tuple[Scenario, Results]) -> None:
    scenario, run = made
    other = with_values(scenario, {"relapse.scale_years": 20.0, "cohort.female": 0.7, "arrivals.power": 1.0})
    found = failed(checks(other, run))
    assert {"Relapse, 5 y", "Share of women", "Disease-free survival, 5 y"} <= found
    assert any(what.startswith("Share enrolled in the first half") for what in found)
    assert "Treatment-related mortality" not in found


def made_of(name: str, *changes: str, replications: int) -> tuple[Scenario, Results]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = simulated(name, set=changes, replications=replications)
    return results.scenario, results


@pytest.fixture(scope="module")
def clinic() -> tuple[Scenario, Results]:
    changes = ("arrivals.years=0.5", "clinic.apheresis_slots=1", "clinic.isolation_rooms=3")
    return made_of("open_clinic", *changes, replications=120)


def test_a_queue_is_held_against_littles_law(
    clinic: tuple[Scenario, Results],
) -> None:
    scenario, run = clinic
    found = checks(scenario, run)
    assert failed(found) == set()
    assert {check.kind for check in found} == {"closed form", "Little's law"}
    (arrivals,) = (check for check in found if check.what.startswith("Patients who come"))
    assert arrivals.expected == 40.0
    counted = [check for check in found if check.kind == "Little's law"]
    assert [check.what.split(",")[0] for check in counted] == [
        "Patients queueing for apheresis",
        "Apheresis slots in use",
        "Patients queueing for a room",
        "Isolation rooms in use",
    ]
    for check in counted:  # close enough to see a difference of a tenth
        assert 0 < check.mc_se < 0.025 * check.expected


def test_an_occupancy_that_does_not_fit_its_stays_is_found(clinic: tuple[Scenario, Results]) -> None:
    scenario, run = clinic
    wrong = run.littles_law.copy()
    wrong.loc[wrong["series"] == "room_queue", "counted"] *= 1.15
    found = verify(scenario, run.endpoints, run.replications, run.patients, wrong)
    (what,) = failed(found)
    assert what.startswith("Patients queueing for a room, mean number")


PLAIN = (
    "cohort.enters_at=immunoablation", "clinic.isolation_rooms=2", "clinic.room_turnaround_days=0",
    "arrivals.per_year=547.875", "arrivals.years=0.5", "arrivals.warm_up_days=150",
    "active_disease.hazard_per_year=0", "immunoablation.toxicity_per_day=0",
    'immunoablation.duration_days={dist="exponential", mean=1}', "aplasia.duration_days=0",
    "aplasia.discharge_delay_days=0", "aplasia.infection.hazard_per_day=0",
    "late_infection.hazard_per_day=0", "background.life_table=none",
)  # fmt: skip


def test_a_plain_queue_is_held_against_queueing_theory() -> None:
    scenario, run = made_of("open_clinic", *PLAIN, replications=250)
    found = {check.what: check for check in checks(scenario, run)}
    assert failed(list(found.values())) == set()
    wait = found["M/M/2 (Erlang C): wait for a room"]
    assert wait.expected == pytest.approx(1.2857, abs=5e-5)
    assert 0 < wait.mc_se < 0.06
    assert found["M/M/2 (Erlang C): rooms in use"].expected == 1.5
    # The same run told of one room more would be found out.
    other = with_values(scenario, {"clinic.isolation_rooms": 3})
    assert "M/M/3 (Erlang C): wait for a room" in failed(checks(other, run))
    # Opened too short a time before, it has not settled.
    early = with_values(scenario, {"arrivals.warm_up_days": 10.0})
    assert not [check for check in checks(early, run) if "Erlang" in check.what]


@pytest.mark.parametrize("replications", [1, 3])
@pytest.mark.parametrize(
    "change",
    [
        "cohort.patients=1",
        "active_disease.hazard_per_year=1e6",
        "harvest.marrow.failure=1",
        "aplasia.duration_days=0",
        "harvest.duration_days=0",
    ],
)
def test_too_little_to_judge_by_gives_no_alarm(change: str, replications: int) -> None:
    changes = (change, "harvest.target_million_per_kg=20")
    found = checks(*made_of("chicago2006", *changes, replications=replications))
    assert failed(found) == set()
    assert "exact twin" not in {check.kind for check in found}


def test_a_rare_event_that_came_up_once_does_not_shrink_its_own_error(made: tuple[Scenario, Results]) -> None:
    scenario, run = made
    patients = 300 * 50
    once = run.endpoints.copy()
    at = (once["endpoint"] == "death_by_cause_toxicity") & (once["time_years"] == 5)
    share = 1 / patients
    once.loc[at, ["estimate", "mc_se"]] = share, (share * (1 - share) / patients) ** 0.5
    (check,) = (c for c in checks(scenario, run, once) if c.what == "Death from toxicity, 5 y")
    expected = (check.expected * (1 - check.expected) / patients) ** 0.5
    assert check.mc_se == pytest.approx(expected, rel=1e-6)
