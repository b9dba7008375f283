"""Results of chunks in a folder, so that a study that was broken off goes on where it was.

A chunk is one file, written aside and then named; its name carries the SHA-256 of what it holds, so that a
damaged one is found and simulated again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np

from sim.scenario.problems import DamagedChunkWarning
from sim.work.task import Result, Task, Workers
from sim.work.workers import simulate_chunks

AnyTask = TypeVar("AnyTask", bound=Task)
_DIGITS = 32


class ChunkStore:
    """The chunks of a study in a folder.

    Parameters
    ----------
    folder
        It need not exist, nor the one that it is in.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, experiment: int, task: Task, result: Result) -> None:
        """Store the result of a chunk.

        Raises
        ------
        OSError
            The disk is full, or the study's folder is gone.
        """
        buffer = BytesIO()
        # All are names of arrays: numpy before 2.1 takes allow_pickle for one too.
        np.savez(buffer, **result)  # type: ignore[arg-type]
        content = buffer.getvalue()
        aside = self._folder / f".{_name(experiment, task)}.partial"
        try:
            for folder in (self._folder.parent, self._folder):  # but none above, if that was removed
                if not folder.is_dir():
                    folder.unlink(missing_ok=True)
                    folder.mkdir()
            aside.write_bytes(content)
            aside.replace(self._folder / f"{_name(experiment, task)}-{_digest(content)}.npz")
        except OSError:
            with suppress(OSError):  # a disk that is full needs its space
                aside.unlink()
            raise

    def load(self, experiment: int, task: Task) -> Result | None:
        """Return the result of a chunk; None if it is not there or damaged, and then it is taken away."""
        for path in sorted(self._folder.glob(f"{_name(experiment, task)}-*.npz")):
            content = path.read_bytes() if path.is_file() else b""
            if path.stem.rpartition("-")[2] == _digest(content):
                with np.load(BytesIO(content), allow_pickle=False) as arrays:
                    return dict(arrays)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            DamagedChunkWarning.say(
                f"{path.name} is damaged: {task.words} are simulated again."
                " Nothing is wrong with the result; look after the disk"
            )
        return None


Stores: TypeAlias = Callable[[str], ChunkStore | None]
"""Gives where chunks of a part of a study are kept until it is whole; None where they are not."""


def _name(experiment: int, task: Task) -> str:
    return f"{experiment:05d}-{task.name}"


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()[:_DIGITS]


def in_order(
    workers: Workers,
    tasks: Sequence[tuple[int, AnyTask]],
    store: ChunkStore | None,
    advance: Callable[[AnyTask], None],
) -> Iterator[tuple[tuple[int, AnyTask], Result]]:
    """Yield tasks with their results, in order, whenever the next one is there.

    Parameters
    ----------
    tasks
        With the number of the part of the study that each belongs to.
    store
        Where results are kept; those that are there are not worked out again.
    advance
        Called with each task once its result is there.

    Raises
    ------
    ChunkCrashError
        Some tasks could not be done; the results of all the others are in the store.
    OSError
        A stored result was taken away meanwhile.
    """

    def stored(number: int, task: AnyTask) -> Result | None:
        return None if store is None else store.load(number, task)

    there = {place for place, each in enumerate(tasks) if stored(*each) is not None}
    for place in sorted(there):
        advance(tasks[place][1])
    missing = [place for place in range(len(tasks)) if place not in there]
    early: dict[int, Result | None] = dict.fromkeys(there)
    due = 0

    def ready() -> Iterator[tuple[tuple[int, AnyTask], Result]]:
        nonlocal due
        while due in early:
            result = early.pop(due)
            if result is None:
                result = stored(*tasks[due])
            if result is None:
                raise OSError(
                    f"the chunk of {tasks[due][1].words} was removed or damaged while the study ran"
                )
            yield tasks[due], result
            due += 1

    yield from ready()
    for number, result in simulate_chunks(workers, [tasks[place][1] for place in missing]):
        place = missing[number]
        if store is not None:
            store.save(*tasks[place], result)
        # What comes before its turn waits in the store, if there is one.
        early[place] = result if store is None or place == due else None
        advance(tasks[place][1])
        yield from ready()
