"""A Dask cluster as workers: the same results, and one message for whatever is wrong with it."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from drivers import digests, environment, is_running, no_figures, small_chunks, wait_until
from failing import Failing

from sim.cli import run as command_line
from sim.scenario.problems import RequestError
from sim.scenario.schema import Scenario
from sim.study.budget import Budget
from sim.study.chunks import ChunkTask
from sim.study.experiment import Experiment
from sim.study.montecarlo import simulate
from sim.work import cluster, workers
from sim.work.cluster import Cluster, play_alike, what_moves_figures
from sim.work.store import ChunkStore
from sim.work.workers import ChunkCrashError

pytest.importorskip("distributed")

MakeScenario = Callable[..., Scenario]
SMALL = ("run", "chicago2006", "--set", "cohort.patients=10", "--engine", "simpy", "--replications", "1500")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small_chunks(monkeypatch)
    no_figures(monkeypatch)


class DaskProcesses:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"
        )
        self.workers: list[subprocess.Popen[bytes]] = []

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments],
            cwd=self._folder,
            env=environment(DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def set_workers(self, count: int) -> None:
        """Have so many workers, whatever became of those before."""
        wait_until(lambda: self._connected() >= 0, "the scheduler does not come")
        running = [worker for worker in self.workers if worker.poll() is None]
        for worker in running[count:]:
            worker.kill()
            worker.wait()
        self.workers = running[:count]
        while len(self.workers) < count:
            self.workers.append(
                self._start("worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
            )
        wait_until(lambda: self._connected() == count, "workers do not come, or do not go")

    def _connected(self) -> int:
        try:
            return len(asyncio.run(asyncio.wait_for(cluster._greet(self.address), 5))["workers"])
        except OSError:
            return -1

    def stop(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskProcesses]:
    processes = DaskProcesses(tmp_path_factory.mktemp("dask"))
    try:
        yield processes
    finally:
        processes.stop()


def call(*arguments: str) -> int:
    return command_line(list(arguments))


def one_error(capsys: pytest.CaptureFixture[str]) -> str:
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("Error: --cluster: ")
    assert printed.err.count("\n") == 1
    return printed.err


def test_a_cluster_without_workers_is_refused(
    dask: DaskProcesses, capsys: pytest.CaptureFixture[str]
) -> None:
    dask.set_workers(0)
    assert call(*SMALL, "--cluster", dask.address) == 2
    assert "has no workers; start some: dask worker tcp://" in one_error(capsys)
    assert list(Path().iterdir()) == []


def test_two_workers_one_of_which_is_killed_give_the_same_files(
    dask: DaskProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    dask.set_workers(2)
    save, saved = ChunkStore.save, [0]

    def then_kill(store: ChunkStore, *what: object) -> None:
        save(store, *what)  # type: ignore[arg-type]
        saved[0] += 1
        if saved[0] == 2:
            dask.workers[0].send_signal(signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(ChunkStore, "save", then_kill)
        assert call(*SMALL, "--cluster", dask.address, "--out", "cluster") == 0
    assert saved[0] == 6
    dask.workers[0].wait(30)
    assert not is_running(dask.workers[0].pid)
    assert call(*SMALL, "--workers", "1", "--out", "alone") == 0
    assert digests(Path("cluster")) == digests(Path("alone"))


def test_another_version_is_refused(
    dask: DaskProcesses, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dask.set_workers(1)
    here = {**what_moves_figures(), "numpy": "1.0", "source": "changed"}
    monkeypatch.setattr(cluster, "what_moves_figures", lambda: here)
    monkeypatch.setattr(Cluster, "_ask", lambda _: {"tcp://other:1": what_moves_figures.__wrapped__()})
    assert call(*SMALL, "--cluster", dask.address) == 2
    said = one_error(capsys)
    assert "the worker tcp://other:1 has numpy " in said
    assert "and here is numpy 1.0, source changed; install the same versions everywhere" in said


def test_a_worker_that_can_not_run_the_package_is_refused(
    dask: DaskProcesses, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dask.set_workers(1)

    def missing(_: Cluster) -> dict[str, dict[str, str]]:
        raise ModuleNotFoundError("No module named 'sim'")

    monkeypatch.setattr(Cluster, "_ask", missing)
    assert call(*SMALL, "--cluster", dask.address) == 2
    assert "can't run lupus-hsct (No module named 'sim'); install" in one_error(capsys)


def test_a_worker_that_joins_later_is_checked_at_its_chunk(scenario_of: MakeScenario) -> None:
    task = ChunkTask(Experiment((scenario_of(),), 1, "arrays"), range(1))
    assert "0.sums" in play_alike(what_moves_figures(), task)
    with pytest.raises(RequestError, match=r"a worker that joined later has simpy .* here is simpy 9\.9"):
        play_alike({**what_moves_figures(), "simpy": "9.9"}, task)


def test_a_cluster_that_loses_all_its_workers_is_given_up_and_the_chunks_are_kept(
    dask: DaskProcesses, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dask.set_workers(1)
    monkeypatch.setattr(workers, "_LOOK_AFTER", 0.2)
    monkeypatch.setattr(cluster, "_PATIENCE", 0.5)
    save, saved = ChunkStore.save, [0]

    def then_kill(store: ChunkStore, *what: object) -> None:
        save(store, *what)  # type: ignore[arg-type]
        saved[0] += 1
        if saved[0] == 2:
            dask.workers[0].kill()
            dask.workers[0].wait()

    with monkeypatch.context() as patch:
        patch.setattr(ChunkStore, "save", then_kill)
        assert call(*SMALL, "--cluster", dask.address, "--out", "mine") == 1
    said = one_error(capsys)
    assert f"{dask.address} has lost its scheduler or all of its workers" in said
    assert "kept: the same command with --resume goes on from there" in said
    assert call(*SMALL, "--workers", "1", "--out", "mine", "--resume") == 0


def test_a_scheduler_that_is_killed_is_one_message_and_the_chunks_are_kept(
    dask: DaskProcesses, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As Dask's client tells of it, once it has given up: that takes it long."""
    dask.set_workers(1)
    submit, submitted = Cluster.submit, [0]

    def closed(workers: Cluster, task: ChunkTask) -> object:
        submitted[0] += 1
        if submitted[0] == 4:  # with room for two, two are done
            assert workers._client is not None
            workers._client.close()
        return submit(workers, task)

    with monkeypatch.context() as patch:
        patch.setattr(Cluster, "submit", closed)
        assert call(*SMALL, "--cluster", dask.address, "--out", "mine") == 1
    said = one_error(capsys)
    assert f"{dask.address} has lost its scheduler or all of its workers (" in said
    assert "kept: the same command with --resume goes on from there" in said
    assert call(*SMALL, "--workers", "1", "--out", "mine", "--resume") == 0


def test_a_chunk_that_kills_its_workers_is_named_and_the_rest_is_kept(
    dask: DaskProcesses, scenario_of: MakeScenario, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    dask.set_workers(3)
    scenario = scenario_of({"cohort.patients": 10})
    broken = Failing((scenario,), 1, "arrays", bad=300, how="exit", marks=str(marks))
    store = ChunkStore(tmp_path / "chunks" / "run")
    with pytest.raises(ChunkCrashError, match="replications 257 to 512: ") as caught:
        list(simulate([broken], Budget(1200, cluster=dask.address), store=store))
    assert len(caught.value.crashed) == 1
    assert len(list(marks.iterdir())) == 3
    assert len(list((tmp_path / "chunks" / "run").glob("*.npz"))) == 4


@pytest.mark.parametrize(
    "address",
    ["", "nonsense", "tcp://", "tcp://host:port", "http://localhost:1", "foo://bar:1", "inproc://x"],
)
def test_a_nonsense_address_is_one_message(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*SMALL, "--cluster", address) == 2
    said = one_error(capsys)
    assert "can't be reached" in said
    assert "as in tcp://host:8786" in said
    assert list(Path().iterdir()) == []


def test_nobody_there_and_somebody_else_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cluster, "_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        assert call(*SMALL, "--cluster", f"tcp://127.0.0.1:{port}") == 2
        assert f"tcp://127.0.0.1:{port} can't be reached (no answer)" in one_error(capsys)
    assert call(*SMALL, "--cluster", f"tcp://127.0.0.1:{port}") == 2
    assert "can't be reached" in one_error(capsys)


def test_without_dask_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert call(*SMALL, "--cluster", "tcp://host:8786") == 2
    assert 'Dask is not installed; pip install "lupus-hsct[cluster]"' in one_error(capsys)


def test_dask_is_imported_for_a_cluster_only() -> None:
    code = (
        "import sys, drivers\ntry: drivers.main()\n"
        "finally: print('MODULES', *{name.partition('.')[0] for name in sys.modules})"
    )
    command = [sys.executable, "-c", code, *SMALL[:-1], "300", "--workers", "2"]
    found = subprocess.run(command, check=True, capture_output=True, text=True, env=environment())
    modules = set(found.stdout.rpartition("MODULES")[2].split())
    assert "sim" in modules
    assert not {"dask", "distributed"} & modules
