"""Numbers of places that change on stated days: ``[[0, 4], [365, 6]]`` is 4 places, and 6 from day 365."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Self

MAX_PLACES = 10_000
MOST_CHANGES = 100
LAST_DAY = 1e6


class Timetable(NamedTuple):
    """How many places there are from each of some days on; the first day is 0."""

    days: tuple[float, ...]
    counts: tuple[float, ...]

    @classmethod
    def of(cls, capacity: Any) -> Self:
        """Read what a scenario states: "unlimited", a number, or numbers from days on."""
        if isinstance(capacity, (list, tuple)):
            days, counts = zip(*capacity, strict=True)
            return cls(tuple(map(float, days)), tuple(map(float, counts)))
        return cls((0.0,), (math.inf if capacity == "unlimited" else float(capacity),))

    @property
    def most(self) -> float:
        """The greatest number of places that there ever are."""
        return max(self.counts)

    @property
    def changes(self) -> bool:
        """Whether the number is stated for more than one day."""
        return len(self.days) > 1

    @property
    def text(self) -> str:
        """How many there are, at least and at most."""
        least, most = min(self.counts), self.most
        return f"{most:.0f}" if least == most else f"{least:.0f} to {most:.0f}"

    def mean(self, first: float, last: float) -> float:
        """Return the mean number of places between two days, or that on the day if both are one."""
        steps = list(zip(self.days, self.counts, strict=True))
        held = next(count for day, count in reversed(steps) if day <= first)
        inside = [(first, held), *((day, count) for day, count in steps if first < day < last)]
        ends = [*(day for day, _ in inside[1:]), last]
        total = sum((end - day) * count for (day, count), end in zip(inside, ends, strict=True))
        return total / (last - first) if last > first else held


def capacity_text(capacity: Any) -> str:
    """Say a number of places in words: 4; 4, 6 from day 365; unlimited."""
    if not isinstance(capacity, (list, tuple)):
        return str(capacity)
    first, *later = capacity
    return ", ".join([str(first[1]), *(f"{count} from day {day:g}" for day, count in later)])


def steps_problem(steps: Sequence[Any]) -> str:
    """Say what is wrong with numbers from days on, and what to write; empty if nothing is."""
    if not 1 <= len(steps) <= MOST_CHANGES:
        return f"There are {len(steps)} pairs; allowed are 1 to {MOST_CHANGES}."
    for number, step in enumerate(steps, start=1):
        if not isinstance(step, (list, tuple)) or len(step) != 2:
            return f"Number {number} is no pair; write each as [day, number of places]."
        day, count = step
        if isinstance(day, bool) or not isinstance(day, (int, float)) or not 0 <= day <= LAST_DAY:
            return f"The day of number {number} must be a number from 0 to 1e6: days from study opening."
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= MAX_PLACES:
            return f"The places of number {number} must be a whole number from 0 to {MAX_PLACES}."
    days = [step[0] for step in steps]
    if days[0] != 0:
        return f"The first pair must be of day 0, the opening: [[0, {steps[0][1]}], ...]."
    if any(later <= earlier for earlier, later in pairwise(days)):
        return "The days must rise, each once."
    if steps[-1][1] == 0:
        return "The last number must be 1 or more: who comes later would never be treated."
    return ""
