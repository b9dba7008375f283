"""Named patients: who lives, who dies instead, whose death moves, and who is in one scenario only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from sim.clinic.history import History
from sim.clinic.states import ALIVE, Cause
from sim.patient.fates import NEVER, Fate
from sim.scenario.schema import Scenario
from sim.study.estimates import estimates
from sim.study.montecarlo import replicate
from sim.study.named_patients import _changed, name_patients
from sim.study.pairing import FATES_CHANGED, Arm, Change, Pairing, count_changes, pair

MakeScenario = Callable[..., Scenario]
MakeFate = Callable[..., "Fate[float, bool]"]
Treat = Callable[[Scenario, "Sequence[Fate[float, bool]]"], History]

SMALL = {"cohort.patients": 20}
RISKY = {**SMALL, "aplasia.infection.ward_relative_risk": 30.0}
HOME = {"cohort.enters_at": "home", "follow_up.data_cut_days": "none"}


def who(pairing: Pairing, change: Change) -> list[int]:
    return [int(number) for number in np.flatnonzero(pairing.changes[change][:, 0])]


@pytest.fixture
def by_hand(
    scenario_of: MakeScenario, still: dict[str, Any], fate_of: MakeFate, treat: Treat
) -> Callable[..., Pairing]:
    """Pair two lists of fates, each given as changes to a patient at home who lives for ever."""

    def build(
        first: Sequence[dict[str, float]],
        second: Sequence[dict[str, float]],
        changes: Sequence[dict[str, Any]] = ({}, {}),
    ) -> Pairing:
        sides = []
        for fates, change in zip((first, second), changes, strict=True):
            scenario = scenario_of(still, HOME, change)
            sides.append((treat(scenario, [fate_of(**each) for each in fates]), scenario))
        return pair(*(Arm.of(*side) for side in sides))

    return build


def test_a_death_is_averted_caused_moved_shifted_or_the_same(by_hand: Callable[..., Pairing]) -> None:
    days = "background_days"
    found = by_hand(
        [{days: 9}, {days: 9}, {}, {days: 9}, {days: 9}, {days: 9}, {days: 99}],
        [{days: 9}, {}, {"lupus_days": 9}, {days: 99}, {"lupus_days": 9}, {days: 98.9}, {days: 97}],
    )
    assert who(found, Change.LIVES) == [1]
    assert who(found, Change.DIES) == [2]
    assert who(found, Change.MOVES) == [3, 4]  # 90 days later; the same day of another cause
    assert who(found, Change.SHIFTS) == [5, 6]  # less, of the same cause
    shifted = _changed(found, 1, Change.SHIFTS)
    assert shifted["patient"].tolist() == [6, 7]
    assert (shifted["death_days"] - shifted["reference_death_days"]).tolist() == pytest.approx([89.9, -2])


def test_deaths_count_as_far_as_both_are_followed(by_hand: Callable[..., Pairing]) -> None:
    late, later = 3 * 365.25, 4 * 365.25
    shorter = ({}, {"follow_up.horizon_years": 3.0})
    found = by_hand([{"background_days": late}, {"background_days": later}], [{}, {}], shorter)
    assert who(found, Change.LIVES) == [
        0
    ]  # at the very end of the shorter follow-up; the other comes after it
    assert who(found, Change.MOVES) == []


def test_days_count_from_enrolment(by_hand: Callable[..., Pairing]) -> None:
    days = {"background_days": 0.1}
    found = by_hand(
        [{"enrolled": 0.3, **days}, {"enrolled": 10.0, **days}],
        [{"enrolled": 2860.7, **days}, {"enrolled": 10.001, "background_days": 0.099}],
    )
    assert found.reference.days[0, 0] != found.scenario.days[0, 0]  # rounding, which moves no death
    assert who(found, Change.SHIFTS) == [1]  # on the same day since opening, but earlier since enrolment


def test_who_is_in_one_scenario_only_is_not_paired(by_hand: Callable[..., Pairing]) -> None:
    found = by_hand([{"background_days": 9}] * 2, [{"background_days": 8}] * 3)
    assert who(found, Change.ONLY_SCENARIO) == [2]
    assert who(found, Change.SHIFTS) == [0, 1]
    back = by_hand([{"background_days": 8}] * 3, [{"background_days": 9}, {"enrolled": NEVER}])
    assert who(back, Change.ONLY_REFERENCE) == [1, 2]
    assert who(back, Change.SHIFTS) == [0]


def test_the_warm_up_is_not_counted(by_hand: Callable[..., Pairing]) -> None:
    opening = {"arrivals.pattern": "poisson", "arrivals.warm_up_days": 100.0}
    deaths = [{"enrolled": 99.0, "background_days": 9}, {"enrolled": 100.0, "background_days": 9}]
    assert who(
        by_hand(deaths, [{"enrolled": 99.0}, {"enrolled": 100.0}], (opening, opening)), Change.LIVES
    ) == [1]
    shorter = {**opening, "arrivals.warm_up_days": 50.0}
    found = by_hand(deaths, [{"enrolled": 99.0}, {"enrolled": 100.0}], (opening, shorter))
    assert who(found, Change.ONLY_SCENARIO) == [0]
    assert who(found, Change.LIVES) == [1]


def test_shares_are_of_the_patients_of_both(by_hand: Callable[..., Pairing]) -> None:
    counted = [
        count_changes(by_hand([{"background_days": 9}], [{"background_days": 99}]), range(6, 7)),
        count_changes(by_hand([{"background_days": 9}, {}, {}, {}], [{}, {}, {}]), range(7, 8)),
        count_changes(by_hand([{}], [{"background_days": 9}]), range(8, 9)),
    ]
    shares = estimates(sum(sums for sums, _ in counted)[None], share=True)
    assert shares.value.tolist() == [1 / 5, 1 / 5, 1 / 5]
    assert shares.se[FATES_CHANGED.index(Change.LIVES)] > 0
    # A death that moves decides over nobody's life.
    assert [first for _, first in counted] == [None, 7, 8]


def test_a_life_lost_decides_as_a_life_saved_does(by_hand: Callable[..., Pairing]) -> None:
    dies = by_hand([{}, {}], [{}, {"background_days": 9}])
    lives = by_hand([{}, {"background_days": 9}], [{}, {}])
    assert [count_changes(each, range(3, 4))[1] for each in (dies, lives)] == [3, 3]


def test_names_are_those_of_the_trial_in_a_long_run(scenario_of: MakeScenario) -> None:
    one, other = scenario_of(SMALL), scenario_of(RISKY)
    sides = [next(iter(replicate(scenario, range(12), 3))) for scenario in (one, other)]
    died = [side.death < NEVER for side in sides]
    # The risk of infection moves no end of follow-up, so that deaths can be read directly.
    dies = [list(np.flatnonzero(~died[0][:, r] & died[1][:, r]) + 1) for r in range(12)]
    assert sum(map(len, dies)) >= 3
    for trial in (1, 5, 12):
        named = name_patients(one, other, trial, 3)
        assert named.of(Change.DIES) == dies[trial - 1]
        assert named.of(Change.LIVES) == []
        for row in named.table.itertuples():
            death, cause = (
                getattr(sides[1], name)[row.patient - 1, trial - 1] for name in ("death", "cause")
            )
            enrolled = sides[1].enrolled[row.patient - 1, trial - 1]
            assert row.trial == trial
            assert row.death_days == pytest.approx(death - enrolled, abs=1e-9)
            assert row.death_cause == Cause(cause).name.lower()


def test_the_luck_of_the_others_is_untouched(scenario_of: MakeScenario) -> None:
    """Who has no infection in aplasia on the riskier ward has the same history to the bit."""
    named = name_patients(scenario_of(SMALL), scenario_of(RISKY), 2, 1)
    first, second = named.histories
    spared = second.aplasia_infection[:, 0] == NEVER
    assert 3 <= spared.sum() < 20
    for field in fields(History):
        mine, yours = (getattr(side, field.name)[spared, 0] for side in (first, second))
        assert np.array_equal(mine, yours, equal_nan=mine.dtype.kind == "f"), field.name


def test_the_same_scenario_names_nobody(scenario_of: MakeScenario) -> None:
    named = name_patients(scenario_of(), scenario_of({"clinic.isolation_rooms": 10_000}), 1, 1)
    assert named.table.empty


def test_histories_end_where_the_shared_follow_up_ends(scenario_of: MakeScenario) -> None:
    one = scenario_of({"follow_up.data_cut_days": "none", "active_disease.hazard_per_year": 0.5})
    two_years = scenario_of(
        {
            "follow_up.data_cut_days": "none",
            "active_disease.hazard_per_year": 0.5,
            "follow_up.horizon_years": 2.0,
        }
    )
    named = name_patients(one, two_years, 1, 1)
    assert named.table.empty
    full = next(iter(replicate(one, range(1), 1)))
    first, second = named.histories
    assert (full.death < NEVER).sum() > (first.death < NEVER).sum() > 5
    assert np.array_equal(first.death, second.death)
    assert np.array_equal(first.cause == ALIVE, first.death == NEVER)
    assert np.array_equal(first.relapse, second.relapse)
    assert (np.where(first.home < NEVER, first.home, 0) <= first.follow_up_end).all()


def test_a_death_after_the_shared_follow_up_is_in_no_row(scenario_of: MakeScenario) -> None:
    """Who dies within two years only on the longer followed side, and later on, lives as far as both tell."""
    common = {"follow_up.data_cut_days": "none", "cohort.enters_at": "home", "cohort.patients": 200}
    deadly = scenario_of(common, {"active_disease.hazard_per_year": 1.0, "follow_up.horizon_years": 2.0})
    milder = scenario_of(common, {"active_disease.hazard_per_year": 0.5})
    table = name_patients(deadly, milder, 1, 1).table
    full = next(iter(replicate(milder, range(1), 1)))
    saved = table[table["change"] == "lives"]
    die_later = full.death[saved["patient"] - 1, 0] < NEVER
    assert die_later.sum() > 20
    assert saved["death_days"].isna().all()
    assert (saved["death_cause"] == "").all()


def test_more_rooms_save_by_name_who_died_in_the_queue(scenario_of: MakeScenario) -> None:
    crowd = {"arrivals.window_days": 100.0, "active_disease.hazard_per_year": 1.0}
    crowded, roomy = (scenario_of(crowd, {"clinic.isolation_rooms": rooms}) for rooms in (1, 4))
    named = name_patients(crowded, roomy, 1, 1)
    saved = np.array(named.of(Change.LIVES)) - 1
    assert len(saved) >= 3
    first, second = named.histories
    assert (first.immunoablation[saved, 0] == NEVER).all()
    assert (second.death[saved, 0] == NEVER).all()
    rows = named.table[named.table["change"] == "lives"]
    assert rows["death_days"].isna().all()
    assert (rows["death_cause"] == "").all()
    assert set(rows["reference_death_cause"]) == {"lupus"}


def test_numbers_lie_between_1_and_the_cohort(scenario_of: MakeScenario) -> None:
    named = name_patients(scenario_of(SMALL), scenario_of({"cohort.patients": 25}), 1, 1)
    assert named.of(Change.ONLY_SCENARIO) == [21, 22, 23, 24, 25]
    assert named.table["shared_days"].isna().all()
