"""Do the yardsticks simulate the same pathway? Their figures against the project's own, in standard errors.

``python benchmarks/race.py --check`` prints them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from yardstick import Figures, Numbers

from sim.outcomes.endpoints import Sums, View
from sim.scenario.endpoints import Key
from sim.scenario.schema import Scenario
from sim.study.montecarlo import replicate

FAMILY_ERROR = 1e-4
_SEED = 20_240  # not the seed of any other run

# Label, the yardstick's total and size, the project's endpoint.
_SHARES: tuple[tuple[str, str, str, Key], ...] = (
    ("treatment-related mortality", "treatment", "enrolled", ("treatment_related_mortality", None)),
    ("death before reinfusion", "before", "enrolled", ("pre_transplant_mortality", None)),
    ("alive at 5 years", "alive", "reinfused", ("overall_survival", 5.0)),
    ("alive without relapse at 5 years", "disease_free", "reinfused", ("disease_free_survival", 5.0)),
    ("wait for a room, days", "waited", "granted", ("room_wait_days", None)),
)
_REINFUSED = "reinfused"
_REINFUSED_OF_ENROLLED: tuple[Key, Key] = (("overall_survival", 5.0), ("treatment_related_mortality", None))
"""Endpoints whose denominators these are."""


class Trial(Protocol):
    """One replication of a yardstick."""

    def run(self) -> Figures:
        """Simulate it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of a yardstick and of the project."""

    label: str
    yardstick: float
    project: float
    z: float


def reference(scenario: Scenario, replications: int) -> dict[str, tuple[float, float]]:
    """Simulate the scenario and return each figure with its standard error."""
    columns: dict[str, list[NDArray[np.float64]]] = {}
    for history in replicate(scenario, range(replications), _SEED, simulator="arrays"):
        sums = Sums()
        for some in history.tiles():
            sums.add(View(some, scenario))
        readings = sums.readings(scenario)
        for label, _, _, key in _SHARES:
            reading = readings[key]
            columns.setdefault(label, []).append(np.array([reading.total, reading.size]))
        reinfused, enrolled = (readings[key].size for key in _REINFUSED_OF_ENROLLED)
        columns.setdefault(_REINFUSED, []).append(np.array([reinfused, enrolled]))
    return {label: _ratio(*np.concatenate(parts, axis=1)) for label, parts in columns.items()}


def compare(
    figures: list[Figures], expected: dict[str, tuple[float, float]], *, queues: bool
) -> Iterator[Comparison]:
    """Yield every figure of a yardstick's replications beside the project's."""
    pairs = [(label, total, size) for label, total, size, _ in _SHARES if queues or size != "granted"]
    for label, total, size in (*pairs, (_REINFUSED, "reinfused", "enrolled")):
        totals, sizes = (np.array([getattr(f, name) for f in figures], float) for name in (total, size))
        (value, se), (truth, its_se) = _ratio(totals, sizes), expected[label]
        yield Comparison(label, value, truth, (value - truth) / np.hypot(se, its_se))


def bound(comparisons: int) -> float:
    """Return the largest |z| that so many true comparisons exceed once in 10,000 times (Bonferroni)."""
    return float(stats.norm.isf(FAMILY_ERROR / comparisons / 2))


def check(
    scenario: Scenario, replications: int, yardsticks: dict[str, tuple[Callable[[Numbers, int], Trial], int]]
) -> dict[str, list[Comparison]]:
    """Compare each yardstick (its trial and how many of them) with so many of the project's replications."""
    numbers = Numbers(scenario)
    expected = reference(scenario, replications)
    found = {}
    for yardstick, (trial, trials) in yardsticks.items():
        figures = [trial(numbers, seed).run() for seed in range(trials)]
        found[yardstick] = list(compare(figures, expected, queues=numbers.rooms is not None))
    return found


def _ratio(total: NDArray[np.float64], size: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ratio of sums over replications and its standard error."""
    value = total.sum() / size.sum()
    residual = total - value * size
    return float(value), float(np.std(residual, ddof=1) * np.sqrt(len(size)) / size.sum())
