"""A piece of work, its result, and who does it, as far as they need to know of each other."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray

Result: TypeAlias = dict[str, NDArray[Any]]
"""Arrays by name, which can be sent, stored and checked without knowing what they are."""


Tell: TypeAlias = Callable[[int, int], None]
"""Called with how much of something is done, and how much it is in all."""
Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much it is in all."""


def part(what: str, progress: Progress | None) -> Tell | None:
    """Return whom to tell of one part of the work: how much of it is done, and how much it is."""
    return None if progress is None else lambda done, total: progress(what, done, total)


class Task(Protocol):
    """A piece of work whose result is a set of arrays, the same whoever does it."""

    @property
    def name(self) -> str:
        """What tells it from the other tasks of its part of the study, as part of a file's name."""

    @property
    def words(self) -> str:
        """The same for people."""

    def play(self) -> Result:
        """Do it."""


def do(task: Task) -> Result:
    """Do a task, in whatever process this is."""
    return task.play()


class Workers(AbstractContextManager["Workers"]):
    """Somebody who simulates chunks."""

    size = 1
    """How many chunks to give at once."""

    @abstractmethod
    def submit(self, task: Task) -> Future[Result]:
        """Take a chunk on."""

    def look_after(self) -> None:
        """Do what is to be done when nothing has come back for a while."""

    def renew(self) -> None:
        """Begin again after a worker was lost, with everything that was under way given up."""

    def __exit__(self, *failure: object) -> None:
        """Let all go."""
