"""Clinics with queues in pieces: what other studies give of the same trials, each simulated once."""

from __future__ import annotations

from threading import Thread

import numpy as np
import pytest

import sim.app.clinic
from sim.app.answer import AnswerShown
from sim.app.clinic import InPieces, Sharpened, piece
from sim.app.engine import Engine
from sim.app.question import Question, question
from sim.outcomes.endpoints import View
from sim.scenario.load import load
from sim.scenario.problems import RequestError
from sim.scenario.schema import Scenario
from sim.scenario.values import with_values
from sim.study.budget import Budget
from sim.study.capacity import capacity
from sim.study.compare import Side, compare
from sim.study.montecarlo import replicate
from sim.study.run import simulate_run
from sim.work.task import Result

ROOMS, RATE = "clinic.isolation_rooms", "arrivals.per_year"
SHELF = {name: load(name) for name in ("open_clinic", "chicago2006")}
BASE = SHELF["open_clinic"].scenario
FIVE = with_values(BASE, {ROOMS: 5})
YEARS = np.linspace(0.0, 5.0, 11)
SEED = 3
ALIVE = ("overall_survival_enrolled", 5.0)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int | str, range]]:
    """Of what was simulated the rooms and the trials."""
    calls: list[tuple[int | str, range]] = []
    own = sim.app.clinic.play

    def play(experiment: sim.app.clinic.Experiment, chunk: range) -> Result:
        calls.append((experiment.scenarios[0].clinic.isolation_rooms, chunk))
        return own(experiment, chunk)

    monkeypatch.setattr(sim.app.clinic, "play", play)
    return calls


def of(*scenarios: Scenario, trials: int) -> Sharpened:
    return InPieces(SEED).found(scenarios, YEARS, trials=trials)


def asked(*pairs: tuple[str, str]) -> Question:
    return question([("of", "open_clinic"), *pairs], SHELF)


def test_pieces_follow_each_other_and_the_first_are_short() -> None:
    pieces = [piece(number) for number in range(6)]
    assert [each.stop for each in pieces] == [32, 128, 256, 512, 768, 1024]
    assert [each.start for each in pieces] == [0, *(each.stop for each in pieces[:-1])]


def test_equal_to_a_run_and_to_a_comparison_of_the_same_trials(tmp_path) -> None:  # type: ignore[no-untyped-def]
    found, budget = (
        of(BASE, FIVE, trials=128),
        Budget(replications=128, seed=SEED, engine="arrays", workers=1),
    )
    table = compare({"base": Side(BASE), "five": Side(FIVE)}, budget).comparison
    rows = {
        (side, row.endpoint, None if np.isnan(row.time_years) else row.time_years): row
        for side, part in table.groupby("scenario") for row in part.itertuples()
    }  # fmt: skip
    for number, name in enumerate(("base", "five")):
        for key, value in found.sides[number].figures.items():
            row = rows[(name, *key)]
            ends = (*found.limits[number][key], value[0])
            assert ends == pytest.approx((row.mc_lower, row.mc_upper, row.estimate), rel=1e-12, nan_ok=True)
    for key, change in found.changes.items():
        row = rows[("five", *key)]
        told = (row.difference, row.difference_lower, row.difference_upper)
        assert change == pytest.approx(told, rel=1e-9, abs=1e-12, nan_ok=True)
        assert found.trial[key] == pytest.approx((row.trial_lower, row.trial_upper), nan_ok=True)
    run = simulate_run(SHELF["open_clinic"], budget, tmp_path)
    occupancy = run.tables["occupancy"]
    assert occupancy is not None
    for each in found.clinics[0]:
        own = occupancy[occupancy["series"] == each.what]
        np.testing.assert_array_equal(each.mean, own["mean"])
        np.testing.assert_array_equal(each.high, own["trial_upper"])


def test_fates_are_those_of_every_patient_and_add_up() -> None:
    """The first 32 trials, patient by patient and by other means."""
    slow = with_values(BASE, {RATE: 150, ROOMS: 1, "follow_up.horizon_years": 2.0})
    found = InPieces(SEED).found([slow], np.array([0.0, 1.0, 2.0]), trials=32).sides[0]
    enrolled = alive = waiting = remission = 0
    for history in replicate(slow, range(32), SEED, "arrays"):
        view, day = View(history, slow), history.enrolled + 2 * 365.25
        living = view.enrolled & (history.death > day)
        enrolled, alive = enrolled + view.enrolled.sum(), alive + living.sum()
        waiting += np.sum(living & (history.aplasia > day) & (history.withdrawn > day))
        well = history.responds & (history.recovering_in_hospital <= day) & (history.relapse > day)
        remission += np.sum(living & well)
    assert found.waiting[0] == waiting / enrolled > 0.1
    assert found.remission[0] == remission / enrolled
    assert (
        found.alive[0, -1]
        == alive / enrolled
        == pytest.approx(found.figures["overall_survival_enrolled", 2.0][0])
    )
    answer = Engine(SEED).answer(asked((RATE, "150"), (ROOMS, "1"), ("follow_up.horizon_years", "2")))
    for side in (answer.base, answer.changed):
        assert sum(side.counts.values()) == answer.per
        assert sum(side.shares.values()) == pytest.approx(1)
    assert answer.changed.shares["waiting"] > 0.1
    assert answer.changed.counts["waiting"] > 10


def test_errors_shrink_as_the_root_of_the_trials() -> None:
    """Of 16 times as many trials a quarter as wide; within a third, for errors have errors."""
    wide, narrow = (of(BASE, trials=trials).limits[0] for trials in (128, 2048))
    for key in (ALIVE, ("died_waiting", None), ("waited_over_30_days", None)):
        halves = [(high - low) / 2 for low, high in (wide[key], narrow[key])]
        assert halves[0] / halves[1] == pytest.approx(4, rel=0.33)


def test_nothing_is_simulated_twice_and_each_asking_is_sharper(played: list[tuple[int | str, range]]) -> None:
    engine = Engine(SEED)
    first = engine.answer(asked((ROOMS, "5")), fine=False)
    assert first.trials == 32
    assert not first.exact
    assert played == [(4, range(32)), (5, range(32))]
    assert engine.answer(asked((ROOMS, "5")), fine=False).rows == first.rows
    assert len(played) == 2
    answers = [engine.answer(asked((ROOMS, "5"))) for _ in range(2)]
    assert 32 < answers[0].trials < answers[1].trials
    assert first.base.errors[ALIVE] > answers[0].base.errors[ALIVE] > answers[1].base.errors[ALIVE]
    engine.answer(asked((ROOMS, "6")), fine=False)
    engine.answer(asked(), fine=False)
    assert len(played) == len(set(played)) == 1 + 2 * len({chunk for _, chunk in played})


def test_two_tabs_share_what_is_simulated(played: list[tuple[int | str, range]]) -> None:
    engine, answers = Engine(SEED), list[AnswerShown]()

    def tab() -> None:
        answers.extend(engine.answer(asked((ROOMS, "5"))) for _ in range(3))

    tabs = [Thread(target=tab) for _ in range(2)]
    for each in tabs:
        each.start()
    for each in tabs:
        each.join()
    assert len(answers) == 6
    assert len(played) == len(set(played))
    alone = InPieces(SEED).found([BASE, FIVE], YEARS, trials=max(each.trials for each in answers))
    last = max(answers, key=lambda each: each.trials)
    assert last.changed.figures[ALIVE] == alone.sides[1].figures[ALIVE][0]


def test_done_at_the_error_asked_for_or_when_time_is_up() -> None:
    precise = InPieces(SEED, precision=0.08)
    found = precise.found([BASE, FIVE], YEARS)
    while found.unfinished:
        found = precise.found([BASE, FIVE], YEARS)
    assert found.half_width <= 0.08
    assert found.trials < 1024
    assert precise.found([BASE, FIVE], YEARS).trials == found.trials
    assert not InPieces(SEED, seconds=0).found([BASE, FIVE], YEARS).unfinished


def test_little_is_kept(monkeypatch: pytest.MonkeyPatch, played: list[tuple[int | str, range]]) -> None:
    monkeypatch.setattr(sim.app.clinic, "_KEPT", 70)
    own = InPieces(SEED)
    for rooms in (4, 5, 6, 4):
        own.found([with_values(BASE, {ROOMS: rooms})], YEARS, more=False)
    assert [rooms for rooms, _ in played] == [4, 5, 6, 4]


def test_how_few_rooms_would_do_is_what_a_study_of_capacity_finds() -> None:
    engine = Engine(SEED)
    said = engine.rooms(asked((ROOMS, "4")), 0.05).more["rooms"]
    budget = Budget(replications=128, seed=SEED, engine="arrays", workers=1)
    _, smallest = capacity(BASE, ("waited_over_30_days", None), 0.05, ROOMS, range(3, 7), budget, {})
    statuses = [each.partition(":")[0] for each in smallest["status"]]
    assert said[0].startswith(
        "So that at most 5% of who asks for a room waits over 30 days for it: "
        f"{statuses[0]} rooms as the clinic opens, and {statuses[1]}"
    )
    assert "3.8 rooms" in said[-1]
    assert engine.answer(asked((ROOMS, "4")), fine=False).more["rooms"] == said
    with pytest.raises(RequestError, match="needs an open clinic"):
        engine.rooms(question([("of", "chicago2006"), (ROOMS, "2")], SHELF), 0.05)


def test_what_nobody_would_wait_for_is_refused() -> None:
    with pytest.raises(RequestError, match=r"lupus-hsct run simulates more"):
        Engine(SEED).answer(asked((RATE, "20000")), fine=False)
    large = Engine(SEED).answer(asked((RATE, "1400")))
    assert large.trials == 32


def test_the_answer_says_what_is_not_known_yet() -> None:
    engine = Engine(SEED)
    same = engine.answer(question([("of", "chicago2006"), (ROOMS, "2")], SHELF), fine=False)
    assert "Whether more or fewer die is not known yet, so that no number needed is told." in same.words
    assert not any("number needed, over" in each for each in same.words)
    assert same.rows[0].difference == "none seen"
    busy = [engine.answer(asked((RATE, "120"))) for _ in range(2)][1]
    assert any("without deaths the queue would grow without end" in each for each in busy.cautions)
    assert [row.label for row in busy.rows[2:4]] == [
        "Died waiting for a room",
        "Waited over 30 days for a room",
    ]
    assert all(row.monte_carlo for row in busy.rows)
    assert "change" in busy.rows[0].monte_carlo
    assert "virtual clinics leave an error" in " ".join(busy.words)
    assert engine.posterior(asked()).more["scope"][0].startswith("No posterior is shown")
