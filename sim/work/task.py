"""A piece of work and its result, as far as those who do it need to know."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray

Result: TypeAlias = dict[str, NDArray[Any]]
"""Arrays by name, which can be sent, stored and checked without knowing what they are."""


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
