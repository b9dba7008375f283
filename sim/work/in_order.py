"""Tasks done by whoever is there, handed on in their order, and kept until the study is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from sim.work.store import ChunkStore
from sim.work.task import Result, Task
from sim.work.workers import Workers, simulate_chunks

AnyTask = TypeVar("AnyTask", bound=Task)


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
