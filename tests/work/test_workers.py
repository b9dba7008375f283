"""Who simulates the chunks: whoever does it and whatever befalls them, the results are the same."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from failing import Failing

from sim.scenario.schema import Scenario
from sim.study import experiment, montecarlo
from sim.study.budget import Budget
from sim.study.chunks import ChunkTask, play
from sim.study.experiment import Experiment, Pair
from sim.study.montecarlo import simulate
from sim.study.tally import Tally
from sim.work import store as stores
from sim.work import workers
from sim.work.store import ChunkStore
from sim.work.task import Result
from sim.work.workers import ChunkCrashError, InProcess, Processes, simulate_chunks, workers_for

MakeScenario = Callable[..., Scenario]
REPLICATIONS = 1200
CHUNK = 256


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "CHUNK_PATIENTS", {"simpy": 1, "arrays": 1})


@pytest.fixture
def scenario(scenario_of: MakeScenario) -> Scenario:
    return scenario_of({"cohort.patients": 10})


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    path = tmp_path / "marks"
    path.mkdir()
    return path


def tally_of(plan: Experiment, count: int = 1, store: ChunkStore | None = None) -> Tally:
    (tally,) = simulate([plan], Budget(REPLICATIONS, workers=count), store=store)
    return tally


def assert_same(one: Tally, other: Tally) -> None:
    for ours, theirs in zip(one.arms, other.arms, strict=True):
        assert ours.result_hash == theirs.result_hash
        assert ours.endpoints().equals(theirs.endpoints())
        assert ours.curves().equals(theirs.curves())
        assert ours.rows().equals(theirs.rows())
    for two, twins in zip(one.pairs, other.pairs, strict=True):
        np.testing.assert_array_equal(two.differences(), twins.differences())
        np.testing.assert_array_equal(two.identical(), twins.identical())
        assert two.first_decided == twins.first_decided
        ours, theirs = two.changes(), twins.changes()
        assert ours is not None
        assert theirs is not None
        assert ours.value.max() > 0
        np.testing.assert_array_equal(ours[:4], theirs[:4])


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class Backwards(InProcess):
    """Takes many chunks at once and simulates the last one first."""

    size = 100

    def __init__(self) -> None:
        self.taken: list[tuple[Future[Result], ChunkTask]] = []

    def submit(self, task: ChunkTask) -> Future[Result]:
        future: Future[Result] = Future()
        self.taken.append((future, task))
        if task.chunk.stop == REPLICATIONS:
            threading.Thread(target=self._play, daemon=True).start()
        return future

    def _play(self) -> None:
        for future, task in reversed(self.taken):
            future.set_result(play(*task))


def test_two_processes_and_another_order_give_the_same(
    scenario: Scenario, scenario_of: MakeScenario, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = scenario_of({"cohort.patients": 10, "active_disease.hazard_per_year": 0.3})
    plan = Experiment((scenario, other), 5, "arrays", (Pair(0, 1, paired=True, fates=True),))
    alone = tally_of(plan)
    assert_same(tally_of(plan, 2), alone)
    assert not multiprocessing.active_children()
    backwards = Backwards()
    monkeypatch.setattr(montecarlo, "workers_for", lambda *_: backwards)
    assert_same(tally_of(plan), alone)
    assert len(backwards.taken) == len(plan.chunks(range(REPLICATIONS))) == 5
    backwards.taken.clear()
    assert_same(tally_of(plan, store=ChunkStore(tmp_path / "chunks")), alone)


def test_a_chunk_whose_worker_dies_once_is_simulated_again(scenario: Scenario, marks: Path) -> None:
    broken = Failing((scenario,), 1, "arrays", bad=300, how="kill", times=1, marks=str(marks))
    assert_same(tally_of(broken, 2), tally_of(Experiment((scenario,), 1, "arrays")))
    assert len(list(marks.iterdir())) == 2


def test_a_chunk_that_always_kills_its_worker_is_named_and_the_rest_is_kept(
    scenario: Scenario, marks: Path, tmp_path: Path
) -> None:
    store = ChunkStore(tmp_path / "chunks")
    broken = Failing((scenario,), 1, "arrays", bad=300, how="exit", marks=str(marks))
    with pytest.raises(ChunkCrashError, match=r"tried 3 times.*: replications 257 to 512: its worker died"):
        tally_of(broken, 2, store)
    assert len(list(marks.iterdir())) == 3
    assert len(list((tmp_path / "chunks").glob("*.npz"))) == 4
    plan = Experiment((scenario,), 1, "arrays")
    assert_same(tally_of(plan, store=store), tally_of(plan))


@pytest.mark.parametrize("count", [1, 2])
def test_a_chunk_with_an_error_is_named_with_it(
    scenario: Scenario, marks: Path, tmp_path: Path, count: int
) -> None:
    store = ChunkStore(tmp_path / "chunks")
    broken = Failing((scenario,), 1, "arrays", bad=0, marks=str(marks))
    with pytest.raises(ChunkCrashError) as caught:
        tally_of(broken, count, store)
    assert "replications 1 to 256: ZeroDivisionError: on purpose" in str(caught.value)
    assert [task.chunk for task, _ in caught.value.crashed] == [range(256)]
    assert len(list(marks.iterdir())) == 3
    assert len(list((tmp_path / "chunks").glob("*.npz"))) == 4


class Scripted(InProcess):
    """Workers that follow a script: what each attempt at a chunk comes to; without one, a result."""

    def __init__(self, size: int, script: dict[int, list[BaseException]]) -> None:
        self.size, self._script = size, script
        self.attempts: list[list[int]] = [[]]
        self._pending: list[tuple[Future[Result], int]] = []

    def submit(self, task: ChunkTask) -> Future[Result]:
        future: Future[Result] = Future()
        self.attempts[-1].append(task.chunk.start)
        self._pending.append((future, task.chunk.start))
        if len(self._pending) == self.size or len(self.attempts) > 1:
            self._answer()
        return future

    def _answer(self) -> None:
        for future, start in self._pending:
            failures = self._script.get(start)
            if failures:
                future.set_exception(failures.pop(0))
            else:
                future.set_result({"start": np.array(start)})
        self._pending.clear()

    def renew(self) -> None:
        self.attempts.append([])


def tasks_of(scenario: Scenario, count: int) -> list[ChunkTask]:
    plan = Experiment((scenario,), 1, "arrays")
    return [ChunkTask(plan, range(number, number + 1)) for number in range(count)]


def test_who_stood_beside_a_crash_is_not_blamed_and_what_came_back_is_kept(scenario: Scenario) -> None:
    died = BrokenProcessPool()
    pool = Scripted(3, {0: [died] * 3, 1: [died]})  # 1 was lost with 0; 2 came back just before
    found: list[int] = []
    with pytest.raises(ChunkCrashError) as caught:
        found.extend(number for number, _ in simulate_chunks(pool, tasks_of(scenario, 3)))
    assert [task.chunk.start for task, _ in caught.value.crashed] == [0]
    attempts = [start for round_ in pool.attempts for start in round_]
    assert attempts.count(0) == 3
    assert attempts.count(1) == 2
    assert attempts.count(2) == 1
    assert pool.attempts[0] == [0, 1, 2]
    assert sorted(found) == [1, 2]


def test_when_every_chunk_fails_there_is_an_end_and_a_short_message(scenario: Scenario) -> None:
    failed: dict[int, list[BaseException]] = {number: [ValueError("no")] * 3 for number in range(1000)}
    pool = Scripted(1, failed)
    with pytest.raises(ChunkCrashError) as caught:
        list(simulate_chunks(pool, tasks_of(scenario, 1000)))
    assert len(pool.attempts[0]) == 30
    assert len(str(caught.value)) < 800


def test_who_brings_nothing_back_is_looked_after(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(InProcess):
        def submit(self, _task: ChunkTask) -> Future[Result]:
            return Future()

        def look_after(self) -> None:
            raise ConnectionError("nobody there")

    monkeypatch.setattr(workers, "_LOOK_AFTER", 0.01)
    with pytest.raises(ConnectionError, match="nobody there"):
        list(simulate_chunks(Gone(), tasks_of(scenario, 2)))


def test_who_stops_in_the_middle_leaves_no_process_behind(scenario: Scenario) -> None:
    pids: list[int] = []

    def stopping() -> None:
        with Processes(2) as pool:
            for _ in simulate_chunks(pool, tasks_of(scenario, 6)):
                assert pool._pool is not None
                pids.extend(pool._pool._processes)
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopping()
    assert pids
    assert not any(map(is_there, pids))


def test_processes_have_one_thread_and_hear_no_interrupt(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with Processes(1) as pool:
        pool.submit(tasks_of(scenario, 1)[0]).result()
        assert pool._pool is not None
        assert pool._pool.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"
        blocked = pool._pool.submit(signal.pthread_sigmask, signal.SIG_BLOCK, ()).result()
        assert signal.SIGINT in blocked
    assert "OMP_NUM_THREADS" not in os.environ
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


@pytest.mark.parametrize(
    ("count", "chunks", "processors", "wanted"),
    [
        (None, 7, 4, None),
        (None, 17, 4, 2),
        (None, 1000, 4, 4),
        (1, 1000, 4, None),
        (3, 1000, 1, 3),
        (1024, 1000, 2, 16),
        (1024, 3, 64, 3),
        (5, 1, 64, None),
    ],
)
def test_there_are_no_more_processes_than_make_sense(
    monkeypatch: pytest.MonkeyPatch, count: int | None, chunks: int, processors: int, wanted: int | None
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    found = workers_for(count, None, chunks)
    if wanted is None:
        assert isinstance(found, InProcess)
    else:
        assert isinstance(found, Processes)
        assert found._count == wanted


def test_results_that_come_early_wait_in_the_store_and_not_in_memory(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is due is held: a result is an object that counts how many of its kind there are."""
    alive = [0]

    class Counted(dict[str, Any]):
        def __init__(self, content: Result) -> None:
            super().__init__(content)
            alive[0] += 1

        def __del__(self) -> None:
            alive[0] -= 1

    most = [0]
    plan = Experiment((scenario,), 1, "arrays")

    def backwards(_: object, tasks: Sequence[ChunkTask]) -> Any:
        for number in reversed(range(len(tasks))):
            result = Counted(play(*tasks[number]))
            most[0] = max(most[0], alive[0])
            yield number, result
            del result

    expected = tally_of(plan)
    monkeypatch.setattr(stores, "simulate_chunks", backwards)
    assert_same(tally_of(plan, store=ChunkStore(tmp_path / "chunks" / "run")), expected)
    assert most[0] <= 2
    most[0] = 0
    assert_same(tally_of(plan), expected)
    assert most[0] == 5  # without a store there is no other place


def test_a_process_that_dies_while_it_sends_a_result_is_not_waited_for(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_LOOK_AFTER", 0.3)
    tasks = tasks_of(scenario, 4)
    done = []
    with Processes(2) as pool:
        for number, _ in simulate_chunks(pool, tasks):
            done.append(number)
            if len(done) == 1:
                assert pool._pool is not None
                # The beginning of a long result, as of one who died in the middle of it.
                pool._pool._result_queue._writer._send((1_000_000).to_bytes(4, "big"))
                processes = list(pool._pool._processes.values())
                os.kill(processes[0].pid, signal.SIGKILL)
    assert sorted(done) == [0, 1, 2, 3]
