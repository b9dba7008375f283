"""Monte Carlo: chunks, and that nothing shown depends on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from estimating import estimate, read_endpoints
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.clinic import pathway
from sim.clinic.history import columns_of
from sim.scenario.endpoints import BY_NAME, keys
from sim.scenario.load import load
from sim.scenario.problems import RequestError
from sim.scenario.schema import Scenario
from sim.study import chunks, experiment, montecarlo
from sim.study.budget import Budget
from sim.study.experiment import Experiment, units
from sim.study.montecarlo import replicate, simulate
from sim.study.named_patients import name_patients
from sim.study.run import simulate_run
from sim.study.tally import ArmTally

MakeScenario = Callable[..., Scenario]


@settings(deadline=None, max_examples=100, derandomize=True)
@given(
    st.integers(0, 20).map(lambda n: 256 * n),
    st.integers(1, 1000),
    st.sampled_from([1, 50, 400, 7000, 30_000, 10_000_000]),
    st.sampled_from(["simpy", "arrays"]),
)
def test_chunks_pieces_and_units_cover_every_replication_once(
    scenario_of: MakeScenario, first: int, count: int, patients: int, simulator: Any
) -> None:
    wanted = range(first, first + count)
    scenario = scenario_of({"cohort.patients": patients})
    plan = Experiment((scenario,), 1, simulator)
    chunks = plan.chunks(wanted)
    assert [number for chunk in chunks for number in chunk] == list(wanted)
    blocks = 1024 if simulator == "arrays" else 256  # queues are served in several blocks of luck at once
    for whole, most, within in ((True, 524_288, blocks), (False, 6_553_600, 256)):
        pieces = [piece for chunk in chunks for piece in plan.pieces(scenario, chunk, whole=whole)]
        assert [number for piece in pieces for number in piece] == list(wanted)
        assert all(piece.start // within == (piece.stop - 1) // within for piece in pieces)
        assert all(len(piece) == 1 or len(piece) * patients <= most for piece in pieces)
    # A unit lies within one chunk, and chunks begin where they would in a longer run.
    cut = [one for chunk in chunks for one in units(scenario, chunk)]
    assert cut == units(scenario, wanted)
    longer = {chunk.start for chunk in plan.chunks(range(first + 5000))}
    assert {chunk.start for chunk in chunks[1:]} <= longer


def tally_of(scenario: Scenario, replications: int, seed: int = 1, simulator: Any = "simpy") -> ArmTally:
    (tally,) = simulate([Experiment((scenario,), seed, simulator)], Budget(replications, seed))
    return tally.arms[0]


@pytest.mark.parametrize("arrivals", ["trial", "poisson"])
def test_nothing_depends_on_how_a_study_was_cut_up(
    scenario_of: MakeScenario, monkeypatch: pytest.MonkeyPatch, arrivals: str
) -> None:
    scenario = scenario_of(
        {"arrivals.pattern": arrivals, "clinic.isolation_rooms": 1},
        {"arrivals.years": 0.3, "arrivals.warm_up_days": 30}
        if arrivals == "poisson"
        else {"cohort.patients": 20},
    )
    tallies = [tally_of(scenario, 520, simulator=simulator) for simulator in ("simpy", "arrays")]
    for whole, chunk in ((700, 1), (1, 10**7)):
        monkeypatch.setattr(experiment, "_WHOLE_PATIENTS", {"simpy": whole, "arrays": whole})
        monkeypatch.setattr(experiment, "CHUNK_PATIENTS", {"simpy": chunk, "arrays": chunk})
        tallies.append(tally_of(scenario, 520, simulator="arrays"))
    assert len({tally.result_hash for tally in tallies}) == 1
    for tally in tallies[1:]:
        pd.testing.assert_frame_equal(tally.endpoints(), tallies[0].endpoints(), check_exact=True)
        pd.testing.assert_frame_equal(tally.curves(), tallies[0].curves(), check_exact=True)


def test_the_result_hash_knows_what_was_simulated(scenario_of: MakeScenario) -> None:
    plain, riskier = scenario_of(), scenario_of({"active_disease.hazard_per_year": 0.16})
    runs = [(plain, 20, 1), (plain, 20, 1), (plain, 20, 2), (plain, 19, 1), (riskier, 20, 1)]
    first, again, *others = (tally_of(*run).result_hash for run in runs)
    assert first == again
    assert len({first, *others}) == 4


def test_the_table_holds_every_endpoint_as_ratio_of_sums(scenario_of: MakeScenario) -> None:
    scenario = scenario_of()
    tally = tally_of(scenario, 270)
    np.testing.assert_array_equal(tally.rows()["replication"], np.arange(270) + 1)
    table = tally.endpoints()
    found = [
        (name, None if np.isnan(time) else time)
        for name, time in table[["endpoint", "time_years"]].to_numpy()
    ]
    assert found == keys(5.0)
    readings = [read_endpoints(each, scenario) for each in replicate(scenario, range(270), 1)]
    for key, (_, row) in zip(keys(5.0), table.iterrows(), strict=True):
        total = sum(chunk[key].total.sum() for chunk in readings)
        size = sum(chunk[key].size.sum() for chunk in readings)
        assert row["estimate"] == pytest.approx(total / size, rel=1e-12), key
        assert row["mc_lower"] <= row["estimate"] <= row["mc_upper"], key
        trial = np.concatenate([chunk[key].trial for chunk in readings])
        if BY_NAME[key[0]].trial == "none":
            assert np.isnan(row["trial_lower"])
        else:
            assert row["trial_undefined"] == pytest.approx(np.isnan(trial).mean()), key
            assert row["trial_lower"] in trial
            assert row["trial_upper"] in trial


def test_an_endpoint_without_patients_is_blank_and_says_why(scenario_of: MakeScenario) -> None:
    table = estimate(scenario_of({"cohort.enters_at": "home", "follow_up.data_cut_days": "none"}), 200)
    empty = table[table["endpoint"].isin(["overall_survival", "length_of_stay_days", "cd34_infused"])]
    assert empty["estimate"].isna().all()
    assert (empty["note"] == "nobody_at_risk").all()
    (early,) = table[table["endpoint"] == "pre_transplant_mortality"].to_dict("records")
    assert np.isnan([early["estimate"], early["mc_lower"], early["trial_upper"]]).all()
    assert early["note"] == "never_transplanted"  # they die, but nobody awaits a reinfusion
    free = table[table["endpoint"] == "disease_free_survival_enrolled"]
    assert (free["note"] == "never_transplanted").all()
    full = table[table["endpoint"] == "overall_survival_enrolled"]
    assert full["estimate"].notna().all()
    assert (full["note"] == "").all()


def test_the_curves_start_at_everybody_and_pass_through_the_table(
    scenario_of: MakeScenario,
) -> None:
    tally = tally_of(scenario_of(), 100)
    curves, table = tally.curves().set_index(["endpoint", "time_years"]), tally.endpoints()
    for name in ("overall_survival", "disease_free_survival"):
        assert curves.loc[(name, 0.0), "estimate"] == 1
        row = table[(table["endpoint"] == name) & (table["time_years"] == 5)].iloc[0]
        assert curves.loc[(name, 5.0)].tolist() == [row["estimate"], row["mc_lower"], row["mc_upper"]]
        assert (np.diff(curves.loc[name, "estimate"]) <= 0).all()


def test_progress_counts_up_to_the_end(scenario_of: MakeScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "_UNIT_PATIENTS", 200)
    monkeypatch.setattr(experiment, "CHUNK_PATIENTS", {"simpy": 200})
    seen: list[tuple[int, int]] = []
    plan = Experiment((scenario_of(),), 1, "simpy")
    list(simulate([plan], Budget(10), progress=lambda *at: seen.append(at)))
    assert seen == [(4, 10), (8, 10), (10, 10)]


def test_only_the_first_replications_keep_their_rows(
    scenario_of: MakeScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_rows = tally_of(scenario_of(), 600, simulator="arrays")
    monkeypatch.setattr(chunks, "ROWS", 300)
    first_rows = tally_of(scenario_of(), 600, simulator="arrays")
    pd.testing.assert_frame_equal(first_rows.rows(), all_rows.rows().head(300))
    few, many = first_rows.endpoints(), all_rows.endpoints()
    assert few["estimate"].equals(many["estimate"])
    assert few["mc_se"].equals(many["mc_se"])
    assert not few["trial_lower"].equals(many["trial_lower"])


@pytest.mark.parametrize(("replications", "seed"), [(0, 1), (-5, 1), (10, -1), (10, 2**64)])
def test_impossible_requests_are_refused(scenario_of: MakeScenario, replications: int, seed: int) -> None:
    with pytest.raises(RequestError, match="allowed: a whole number"):
        estimate(scenario_of(), replications, seed)


@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_the_outermost_seeds_work(scenario_of: MakeScenario, seed: int) -> None:
    (history,) = replicate(scenario_of(), range(2), seed)
    assert read_endpoints(history, scenario_of())["overall_survival_enrolled", 5.0].size.tolist() == [50, 50]


def test_a_huge_replication_is_played_by_the_simulator_asked_for_and_told_of_its_first_patients(
    monkeypatch: pytest.MonkeyPatch, scenario_of: MakeScenario, tmp_path: Path
) -> None:
    monkeypatch.setattr(montecarlo, "MOST_COURSES", 300)
    monkeypatch.setattr(chunks, "MOST_PATIENTS", 300)
    scenario = scenario_of({"cohort.patients": 2_000})
    one, other = (montecarlo.first_replication(scenario, 3, each) for each in ("simpy", "arrays"))
    assert 300 <= len(one.death) < 600
    for name in columns_of(one):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))

    def forbidden(*_: object) -> None:
        raise AssertionError("SimPy was not asked for")

    monkeypatch.setattr(pathway, "simulate", forbidden)
    loaded = load("chicago2006", ["cohort.patients=2000"])
    found = simulate_run(loaded, Budget(replications=1, patient_replications=0, engine="arrays"), tmp_path)
    assert found.courses is not None
    assert 300 <= found.courses.patients < 600
    assert found.lines["swimmer"]["patient"].nunique() == len(one.death)
    name_patients(loaded.scenario, scenario, 1, 1, "arrays")
