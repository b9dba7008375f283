"""Scenarios to be simulated under the same luck, what to keep of them, and how to cut the work into chunks.

Chunks are fixed by the experiment alone, never by who does the work; and what is shown does not depend on
them: sums over replications are made within units, which are fixed by the scenario, and then unit after unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sim.patient.fates import cut, expected_patients
from sim.patient.luck import BLOCK
from sim.scenario.schema import Scenario
from sim.scenario.strata import Stratum
from sim.study.budget import Simulator

ROWS = 10_000
"""First replications of which every figure is kept, for replications.parquet and the ranges of one trial."""

# Patients of a unit at most, unless one replication has more.
_UNIT_PATIENTS = 20_480
# Patients of a chunk, by simulator: about a second's work.
CHUNK_PATIENTS = {"simpy": 20_480, "arrays": 1_310_720}
# Patients in memory at once: where a whole history is needed, and where it passes tile by tile.
_WHOLE_PATIENTS = {"simpy": 20_480, "arrays": 524_288}
_WHOLE_BLOCKS = 4
_TILED_PATIENTS = 6_553_600
# Patients of a chunk at most whose deaths are kept until they are paired.
_PAIRED_PATIENTS = 2_621_440


@dataclass(frozen=True, slots=True)
class Pair:
    """Two scenarios, by number, whose difference is wanted.

    ``paired`` if its error may be that of pairs of replications, ``fates`` if also the fates of patients are
    compared.
    """

    reference: int
    scenario: int
    paired: bool
    fates: bool


@dataclass(frozen=True, slots=True)
class Keep:
    """What is kept of the first scenario: patients of the first replications, events, occupancy, courses.

    ``patients`` and ``courses`` are numbers of first replications; ``alive`` are the years from enrolment
    at which everybody is counted, the last of them also by what has become of the living.
    """

    patients: int = 0
    events: bool = False
    occupancy: bool = False
    courses: int = 0
    alive: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Experiment:
    """Scenarios to be simulated under the same luck.

    Its replications have the luck of as many replications from ``luck_from`` on, a multiple of `BLOCK`: so
    experiments of one study can have luck of their own. ``held`` are, for each scenario, the parameters that
    draws of a posterior must not replace; empty if there are none. ``strata`` are read of every scenario
    beside the whole, and change nothing of it.
    """

    scenarios: tuple[Scenario, ...]
    seed: int
    simulator: Simulator
    pairs: tuple[Pair, ...] = ()
    keep: Keep = Keep()
    luck_from: int = 0
    held: tuple[tuple[str, ...], ...] = ()
    strata: tuple[Stratum, ...] = ()

    def chunks(self, replications: range) -> list[range]:
        """Cut replications into chunks of work; one that starts where a chunk would start gives the same."""
        read = 1 + len(self.strata)
        patients = read * sum(expected_patients(scenario) for scenario in self.scenarios)
        size = _power_of_two(CHUNK_PATIENTS[self.simulator] // patients)
        if self.simulator == "arrays":  # a block of luck costs the same, however little of it is used
            most = _PAIRED_PATIENTS if any(two.fates for two in self.pairs) else 4 * _TILED_PATIENTS
            size = max(size, min(BLOCK, _power_of_two(most // patients)))
        return list(cut(replications, max(size, *(unit(scenario) for scenario in self.scenarios))))

    def reads_trials(self, scenario: Scenario) -> bool:
        """Tell whether single trials are read by stratum too: their follow-up must have room in memory."""
        return len(self.strata) * expected_patients(scenario) * BLOCK <= _TILED_PATIENTS

    def pieces(self, scenario: Scenario, chunk: range, *, whole: bool) -> Iterator[range]:
        """Cut a chunk into what is simulated at once: blocks of luck, or a part of one, that fit in memory.

        Parameters
        ----------
        whole
            Whether the history of everybody is needed at once.
        """
        most = _WHOLE_PATIENTS[self.simulator] if whole else _TILED_PATIENTS
        # A queue is served in all replications at once: the more there are, the less each costs.
        blocks = _WHOLE_BLOCKS if whole and self.simulator == "arrays" else 1
        return cut(chunk, min(blocks * BLOCK, _power_of_two(most // expected_patients(scenario))))


def unit(scenario: Scenario) -> int:
    """Return how many replications are summed up at once, a power of two up to 256."""
    return min(BLOCK, _power_of_two(_UNIT_PATIENTS // expected_patients(scenario)))


def units(scenario: Scenario, replications: range) -> list[range]:
    """Cut replications into units."""
    return list(cut(replications, unit(scenario)))


def _power_of_two(number: int) -> int:
    """Return the largest power of two that is not above a number, at least 1."""
    return 1 << (max(number, 1).bit_length() - 1)
