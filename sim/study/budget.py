"""How much to simulate, and what to keep of it; light, because the command line's help reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from sim.patient.streams import MAX_SEED
from sim.scenario.problems import RequestError

Simulator: TypeAlias = Literal["simpy", "arrays"]
Engine: TypeAlias = Literal["auto", "simpy", "arrays"]
MOST_SIMPY_PATIENTS = 20_000
"""Patients up to which ``auto`` simulates with SimPy, in about a second."""

DEFAULT_REPLICATIONS = 2000
MOST_REPLICATIONS = 10**9
"""More would take years, and is a slip of the finger."""
DEFAULT_SEED = 1
DEFAULT_PATIENT_REPLICATIONS = 100


@dataclass(frozen=True, slots=True)
class Budget:
    """How much to simulate and what to keep of it.

    ``patient_replications`` is the number of first replications whose patients are kept, None for all;
    ``events`` says whether their events are kept too; ``engine`` which simulator plays the fates: SimPy
    and arrays give the same histories to the bit.

    Raises
    ------
    RequestError
        Fewer than one replication or far too many, or a seed out of range.
    """

    replications: int = DEFAULT_REPLICATIONS
    seed: int = DEFAULT_SEED
    patient_replications: int | None = DEFAULT_PATIENT_REPLICATIONS
    events: bool = False
    engine: Engine = "auto"

    def __post_init__(self) -> None:
        if not 1 <= self.replications <= MOST_REPLICATIONS:
            raise RequestError(
                f"--replications: {self.replications} given; allowed: a whole number from 1 to "
                f"{MOST_REPLICATIONS} (the default is {DEFAULT_REPLICATIONS})"
            )
        if not 0 <= self.seed <= MAX_SEED:
            raise RequestError(f"--seed: {self.seed} given; allowed: a whole number from 0 to {MAX_SEED}")

    def simulator(self, patients: int) -> tuple[Simulator, str]:
        """Choose the simulator for a number of patients in all, and say why in a few words."""
        if self.engine != "auto":
            return self.engine, "as asked"
        if self.events:
            return "simpy", "because events are asked for"
        if patients <= MOST_SIMPY_PATIENTS:
            return "simpy", f"for {patients:,} patients, at most {MOST_SIMPY_PATIENTS:,}"
        return "arrays", f"for {patients:,} patients, more than {MOST_SIMPY_PATIENTS:,}"
