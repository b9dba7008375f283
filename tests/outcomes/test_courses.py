"""Counted courses against the run's own endpoints, and against counting patients one by one."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from sim.clinic.states import Cause, Place
from sim.outcomes.courses import DEAD, FREE, QUEUE, WHAT, Courses, Of, days_of, read_replications
from sim.outcomes.endpoints import FAILURES
from sim.scenario.distributions import Floats
from sim.scenario.load import load
from sim.scenario.schema import DAYS_PER_YEAR, Scenario
from sim.study import experiment
from sim.study.budget import Budget
from sim.study.montecarlo import first_replication
from sim.study.records import Shares, shares
from sim.study.run import simulate_run
from sim.work.results import Results, Tables

REPLICATIONS = 60
CASES = {
    "chicago2006": (),
    "ebmt2004": (),
    # One slot, so that patients queue for apheresis.
    "open_clinic": ("arrivals.years=0.5", "clinic.apheresis_slots=1"),
}


@pytest.fixture(scope="module", params=CASES)
def found(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Scenario, Results, Shares]:
    loaded, folder = load(request.param, list(CASES[request.param])), tmp_path_factory.mktemp("run")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        written = simulate_run(loaded, Budget(REPLICATIONS, 1, events=True), folder)
    assert written.courses is not None
    told = {name: table for name, table in written.tables.items() if table is not None}
    run = Results({}, {**told, "replications": written.rows, **Tables(folder)}, folder)
    return loaded.scenario, run, written.courses


def estimate(run: Results, name: str, time: float) -> pd.Series:
    rows = run.endpoints[(run.endpoints["endpoint"] == name) & (run.endpoints["time_years"] == time)]
    return pd.Series(rows.iloc[0])


def test_incidences_are_the_endpoints_with_their_error(found: tuple[Scenario, Results, Shares]) -> None:
    _, run, counted = found
    assert counted.replications == REPLICATIONS
    for name in (*FAILURES, FREE):
        rows = counted.of("reinfused").query("what == @name")
        for time in (0.5, 1.0, 5.0):
            row = rows[np.isclose(rows["time_days"], time * DAYS_PER_YEAR)].iloc[0]
            expected = estimate(run, name, time)
            assert row["share"] == pytest.approx(expected["estimate"], abs=1e-12), (name, time)
            assert row["mc_lower"] == pytest.approx(expected["mc_lower"], abs=1e-12)
            assert row["mc_upper"] == pytest.approx(expected["mc_upper"], abs=1e-12)


def by_name(shares: Shares, of: Of) -> dict[str, Floats]:
    """Return the shares of one denominator over time."""
    rows = shares.of(of).groupby("what", sort=False)
    return {str(what): each["share"].to_numpy() for what, each in rows}


def test_what_is_counted_adds_up(found: tuple[Scenario, Results, Shares]) -> None:
    _, run, counted = found
    for of in ("reinfused", "disease", "place"):
        total = np.sum(list(by_name(counted, of).values()), axis=0)
        assert total == pytest.approx(1.0, abs=1e-12)
        assert min(np.min(share) for share in by_name(counted, of).values()) >= 0
    dead = np.sum(list(by_name(counted, "enrolled").values()), axis=0)
    assert by_name(counted, "disease")[DEAD] == pytest.approx(dead, abs=1e-12)
    assert 1 - dead[-1] == pytest.approx(
        estimate(run, "overall_survival_enrolled", 5.0)["estimate"], abs=1e-12
    )
    assert list(by_name(counted, "enrolled")) == [cause.name.lower() for cause in Cause]


def by_hand(scenario: Scenario, run: Results, day: float) -> dict[str, float]:
    """Return the share of patients at each place on a day since enrolment, patient by patient."""
    assert run.patients is not None
    assert run.events is not None
    queues = run.events[run.events["event"] == "queues_for_apheresis"]
    queued = {(row.replication, row.patient): row.time_days for row in queues.itertuples()}
    opened = getattr(scenario.arrivals, "warm_up_days", 0.0)
    counted: dict[str, int] = {}
    size = 0
    for row in run.patients.to_dict("records"):
        entered = [(row[f"{place.value}_time"], place.value) for place in Place]
        enrolled = min(time for time, _ in entered if time == time)
        if enrolled < opened:
            continue
        size += 1
        mobilised, *others = entered
        entered = [mobilised, (queued.get((row["replication"], row["patient"]), np.nan), QUEUE), *others]
        at = enrolled + day
        where = [name for time, name in entered if time <= at][-1]
        where = DEAD if row["death_time"] <= at else where
        counted[where] = counted.get(where, 0) + 1
    return {name: number / size for name, number in counted.items()}


@pytest.mark.parametrize("day", [0.5, 12.0, 13.5, 40.5, 180.0])
def test_places_are_what_counting_gives(found: tuple[Scenario, Results, Shares], day: float) -> None:
    scenario, run, counted = found
    expected, shown = by_hand(scenario, run, day), by_name(counted, "place")
    assert set(expected) <= set(shown)
    for name, share in shown.items():
        assert share[round(2 * day)] == pytest.approx(expected.get(name, 0.0), abs=1e-12), name
    if day == 12 and scenario.clinic.apheresis_slots == 1:
        assert expected[QUEUE] > 0.05


def test_joined_parts_are_the_whole() -> None:
    scenario = load("chicago2006").scenario
    history = first_replication(scenario, 1)
    parts, whole = [Courses(scenario) for _ in range(2)], Courses(scenario)
    for part in (*parts, whole, whole):
        part.add(history)
    parts[0].join(parts[1].arrays())
    assert parts[0].replications == whole.replications == 2
    for of in WHAT:
        np.testing.assert_array_equal(parts[0].sums[of], whole.sums[of])
        assert whole.sums[of].shape[1] == days_of(of, scenario).size


def test_draws_count_as_replications_of_their_own() -> None:
    """Two draws that agree in all have no error between them; the share is that of each."""
    scenario = load("chicago2006").scenario
    one = Courses(scenario)
    one.add(first_replication(scenario, 1))
    both = shares([one, one], scenario)
    assert both.replications == 2
    row, alone = both.table.iloc[200], shares([one], scenario).table.iloc[200]
    assert row["share"] == alone["share"]


def test_no_more_are_read_than_fit_into_memory() -> None:
    small = load("chicago2006").scenario
    large = load("chicago2006", ["cohort.patients=100000"]).scenario
    assert read_replications(small) == 1000
    assert read_replications(large) == 5
    assert read_replications(load("chicago2006", ["cohort.patients=2000000"]).scenario) == 1


def test_chunks_change_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tables = []
    for size in (1_310_720, 1):
        monkeypatch.setattr(experiment, "CHUNK_PATIENTS", {"simpy": size, "arrays": size})
        loaded = load("chicago2006", ["cohort.patients=5"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            written = simulate_run(loaded, Budget(600, 1, engine="arrays"), tmp_path_factory.mktemp("run"))
        assert written.courses is not None
        tables.append(written.courses.table)
    pd.testing.assert_frame_equal(*tables, check_exact=True)
