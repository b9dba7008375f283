"""How much to simulate, and what to keep of it; light, because the command line's help reads it."""

from __future__ import annotations

from dataclasses import dataclass

from sim.patient.streams import MAX_SEED
from sim.scenario.problems import RequestError

DEFAULT_REPLICATIONS = 2000
DEFAULT_SEED = 1
DEFAULT_PATIENT_REPLICATIONS = 100


@dataclass(frozen=True, slots=True)
class Budget:
    """How much to simulate and what to keep of it.

    ``patient_replications`` is the number of first replications whose patients are kept, None for all;
    ``events`` says whether their events are kept too.

    Raises
    ------
    RequestError
        Fewer than one replication, or a seed out of range.
    """

    replications: int = DEFAULT_REPLICATIONS
    seed: int = DEFAULT_SEED
    patient_replications: int | None = DEFAULT_PATIENT_REPLICATIONS
    events: bool = False

    def __post_init__(self) -> None:
        if self.replications < 1:
            raise RequestError(
                f"--replications: {self.replications} given; allowed: a whole number of at least 1 "
                f"(the default is {DEFAULT_REPLICATIONS})"
            )
        if not 0 <= self.seed <= MAX_SEED:
            raise RequestError(f"--seed: {self.seed} given; allowed: a whole number from 0 to {MAX_SEED}")
