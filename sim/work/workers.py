"""Who simulates the chunks: this process, processes of this machine, or a cluster; the results are the same.

A worker that dies takes its chunk with it. Whatever was under way then is tried again alone, so that a chunk
which kills its worker is told from one that stood beside it; after three times it is given up and named.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sim.scenario.problems import RequestError
from sim.work.task import Result, Task, Workers, do
from sim.work.threads import ONE_THREAD

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing.process import BaseProcess

MOST_TRIES = 3

# Marks a worker process, and how one ends that was about to begin a study.
_WORKER, _UNGUARDED = "LUPUS_HSCT_WORKER", 77
# Below this many chunks for each, starting more processes costs more than it gains.
_CHUNKS_A_PROCESS = 8
# More processes than this for each processor only cost memory.
_PROCESSES_A_PROCESSOR = 8
# After so many chunks that failed, it is not about single chunks.
_MOST_CRASHED = 10
# Seconds without a result after which workers are looked after.
_LOOK_AFTER = 5.0


class ChunkCrashError(RuntimeError):
    """Some chunks could not be simulated; everything else was."""

    def __init__(self, crashed: Sequence[tuple[Task, str]]) -> None:
        named = "; ".join(f"{task.words}: {why}" for task, why in crashed)
        self.crashed = crashed
        super().__init__(f"a chunk was tried {MOST_TRIES} times and failed each time: {named}")


class InProcess(Workers):
    """Simulate in this process, one chunk after another."""

    def submit(self, task: Task) -> Future[Result]:
        """Simulate a chunk at once."""
        future: Future[Result] = Future()
        try:
            future.set_result(do(task))
        except Exception as error:  # noqa: BLE001 (whatever it is, it is told as the chunk's failure)
            future.set_exception(error)
        return future


class Processes(Workers):
    """Processes of this machine; none of them outlives this one.

    Parameters
    ----------
    count
        How many.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self.size = count + 1  # so that none waits for the next chunk
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, task: Task) -> Future[Result]:
        """Hand a chunk to the next free process."""
        if self._pool is None:
            from concurrent.futures import ProcessPoolExecutor

            self._pool = ProcessPoolExecutor(
                self._count, mp_context=multiprocessing.get_context("spawn"), initializer=begin_worker
            )
        # Processes are started when the first chunks come.
        with starting():
            return self._pool.submit(do, task)

    def look_after(self) -> None:
        """Give all up where a process has died and nobody was told.

        The system tells of its death, unless it died while it sent a result: then the rest of it is waited
        for without end, and by the others for their turn to send.
        """
        if self._pool is None:
            return
        processes = list((self._pool._processes or {}).values())
        if all(process.exitcode is None for process in processes):
            return
        for process in processes:
            process.kill()
        # The last one who could still send is this process itself.
        self._pool._result_queue._writer.close()  # type: ignore[attr-defined]

    def renew(self) -> None:
        """Start new processes; but not if each would begin the whole study again."""
        if any(process.exitcode == _UNGUARDED for process in self._stop()):
            raise RequestError(
                "--workers: every worker imports the script that began this study, and the script begins it "
                'again; put what the script does under if __name__ == "__main__": or give --workers 1'
            )

    def _stop(self) -> Sequence[BaseProcess]:
        pool, self._pool = self._pool, None
        if pool is None:
            return []
        processes = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()
        for process in processes:
            process.join()
        return processes

    def __exit__(self, *failure: object) -> None:
        if failure[0] is None and self._pool is not None:
            self._pool.shutdown()
        self._stop()


@contextmanager
def starting() -> Iterator[None]:
    """Let processes that are started in a moment have one thread each, and never hear of Ctrl-C."""
    with _environment({**ONE_THREAD, _WORKER: "1"}), _undisturbed(), _deaf():
        yield


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    """Set environment variables, which new processes inherit, for a moment."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back for a moment: a process that is half started would complain of it."""
    if threading.current_thread() is not threading.main_thread():  # which hears of no signals
        yield
        return
    came: list[int] = []
    held = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    for one in held:
        signal.signal(one, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for one, handler in held.items():
            signal.signal(one, signal.SIG_DFL if handler is None else handler)
        for number in came[:1]:
            signal.raise_signal(number)


@contextmanager
def _deaf() -> Iterator[None]:
    """Let processes that are started in a moment never hear of Ctrl-C, not even before they can ignore it."""
    if not hasattr(signal, "pthread_sigmask"):  # a system without signal masks
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # or it is started with them, and takes the mask away
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_if_unguarded() -> None:
    """End a worker process that begins a study while it is still starting: its script has no guard.

    A new process imports the script that began the study before it takes any work.
    """
    starting = getattr(multiprocessing.current_process(), "_inheriting", False)
    if starting and _WORKER in os.environ:
        os._exit(_UNGUARDED)


def begin_worker() -> None:
    """Prepare a worker process: an interrupt is its parent's business, and it goes when its parent goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def workers_for(count: int | None, cluster: str | None, chunks: int) -> Workers:
    """Return who simulates a number of chunks.

    Parameters
    ----------
    count
        Processes, no more than chunks, and at most 8 a processor; None for as many as this machine has
        processors, and fewer for few chunks.
    chunks
        How many there may be.
    cluster
        Address of a Dask scheduler, which goes first.
    """
    if cluster is not None:
        from sim.work.cluster import Cluster

        return Cluster(cluster)
    processors = os.cpu_count() or 1
    if count is None:
        count = min(processors, chunks // _CHUNKS_A_PROCESS)
    count = min(count, chunks, _PROCESSES_A_PROCESSOR * processors)
    return Processes(count) if count > 1 else InProcess()


def simulate_chunks(workers: Workers, tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
    """Yield the number and the result of each task, in the order in which they are done.

    Raises
    ------
    ChunkCrashError
        At the end, if some could not be done; before, if so many could not that none will.
    """
    waiting = deque(range(len(tasks)))
    suspects: deque[int] = deque()
    running: dict[Future[Result], int] = {}
    tries: Counter[int] = Counter()
    crashed: list[tuple[Task, str]] = []

    def again(number: int, why: str) -> None:
        tries[number] += 1
        if tries[number] < MOST_TRIES:
            suspects.append(number)
        else:
            crashed.append((tasks[number], why))

    while waiting or suspects or running:
        # A suspect runs alone, the others as many at once as there is room for.
        queue, room = (suspects, 1) if suspects else (waiting, workers.size)
        while queue and len(running) < room and (queue is waiting or not running):
            number = queue.popleft()
            try:
                running[workers.submit(tasks[number])] = number
            except BrokenExecutor:  # a worker died while nobody looked; what it did tells so below
                queue.appendleft(number)
                if not running:
                    workers.renew()
                break
        if not running:
            continue
        done, _ = wait(running, _LOOK_AFTER, return_when=FIRST_COMPLETED)
        if not done:
            workers.look_after()
        for future in done:
            if future not in running:  # lost with another one
                continue
            number = running.pop(future)
            try:
                result = future.result()
            except BrokenExecutor:
                lost = [number, *_take_lost(running)]
                workers.renew()
                for which in lost:
                    again(which, "its worker died, perhaps for lack of memory")
            except Exception as error:  # noqa: BLE001 (told to the user with the chunk's name)
                again(number, f"{type(error).__name__}: {error}")
            else:
                yield number, result
        if len(crashed) >= _MOST_CRASHED:
            break
    if crashed:
        raise ChunkCrashError(crashed)


def _take_lost(running: dict[Future[Result], int]) -> list[int]:
    """Take away, and return, what was lost with a worker: all that is not back."""
    lost = [future for future in running if not _is_back(future)]
    return [running.pop(future) for future in lost]


def _is_back(future: Future[Result]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None
