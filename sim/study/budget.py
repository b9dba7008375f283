"""How much to simulate, and what to keep of it; light, because the command line's help reads it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from sim.patient.streams import MAX_SEED
from sim.scenario.endpoints import Key, column
from sim.scenario.problems import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sim.scenario.load import Loaded
    from sim.scenario.schema import Scenario
    from sim.scenario.strata import Stratum
    from sim.study.draws import Draws

Simulator: TypeAlias = Literal["simpy", "arrays"]
Engine: TypeAlias = Literal["auto", "simpy", "arrays"]
MOST_SIMPY_PATIENTS = 20_000
"""Patients up to which ``auto`` simulates with SimPy, in about a second."""

DEFAULT_REPLICATIONS = 2000
MOST_REPLICATIONS = 10**9
"""More would take years, and is a slip of the finger."""
DEFAULT_SEED = 1
DEFAULT_PATIENT_REPLICATIONS = 100
DEFAULT_AT_MOST = 1_000_000
DEFAULT_DRAWS = 200
DEFAULT_EFFECTIVE_SIZE = 2000
DEFAULT_POINTS = 16_384
DEFAULT_DRAW_REPLICATIONS = 256
DEFAULT_FIGURES = "svg"
"""What a page needs; `report FOLDER --figures png` adds others at any time, from the folder alone."""

_ROUND = 256
_GROWTH = 8
_MARGIN = 1.05


@dataclass(frozen=True, slots=True)
class Precision:
    """Replicate until the 95% intervals of some endpoints are narrow enough.

    ``half_width`` is in percentage points, of the endpoint itself or, where scenarios are compared, of the
    paired difference; ``endpoints`` are shares, and at least one; ``at_most`` caps the replications.

    Raises
    ------
    RequestError
        The half-width is not a positive number.
    """

    half_width: float
    endpoints: tuple[Key, ...]
    at_most: int = DEFAULT_AT_MOST

    def __post_init__(self) -> None:
        if not 0 < self.half_width < 100:
            raise RequestError(
                f"--precision: {self.half_width:g} given; allowed: a half-width between 0 and 100 percentage "
                "points, as in --precision 0.1"
            )

    @property
    def text(self) -> str:
        """What is asked for, in words."""
        endpoints = ", ".join(map(column, self.endpoints))
        return f"95% half-width of {self.half_width:g} percentage points: {endpoints}"

    def first(self, fewest: int) -> int:
        """Return with how many replications to begin: whole blocks, from which the next ones go on."""
        return min(math.ceil(fewest / _ROUND) * _ROUND, self.at_most)

    def next(self, replications: int, widest: float) -> int | None:
        """Return how many replications to go on to; None if these are enough, or the cap is reached.

        Parameters
        ----------
        widest
            The widest half-width now, in percentage points; not a number if one is not known yet.
        """
        if widest <= self.half_width or replications >= self.at_most:
            return None
        times = min(widest / self.half_width, _GROWTH)  # before it is squared, which a huge number can't be
        wanted = replications * min(_MARGIN * times**2, _GROWTH)
        return min(max(math.ceil(wanted / _ROUND) * _ROUND, replications + _ROUND), self.at_most)


@dataclass(frozen=True, slots=True)
class Budget:
    """How much to simulate, who does it, and what to keep of it.

    ``patient_replications`` is the number of first replications whose patients are kept, None for all;
    ``events`` says whether their events are kept too; ``engine`` which simulator plays the fates: SimPy
    and arrays give the same histories to the bit. ``precision`` lets ``replications`` be the fewest.
    ``workers`` are processes, None for as many as are worth it; ``cluster`` is a Dask scheduler's address.
    With ``draws`` of a posterior there are as many replications of each. ``by`` are the strata that are told
    beside everybody.

    Raises
    ------
    RequestError
        No such engine, or a number that is not whole or out of range: fewer than one replication or far too
        many, a cap below them, a seed, workers.
    """

    replications: int = DEFAULT_REPLICATIONS
    seed: int = DEFAULT_SEED
    patient_replications: int | None = DEFAULT_PATIENT_REPLICATIONS
    events: bool = False
    engine: Engine = "auto"
    precision: Precision | None = None
    workers: int | None = 1
    cluster: str | None = None
    draws: Draws | None = None
    by: tuple[Stratum, ...] = ()

    def __post_init__(self) -> None:
        if self.draws is not None and self.precision is not None:
            raise RequestError(
                "--precision: with --posterior it is the draws that decide how precise a figure can be; give "
                "--draws and --replications instead"
            )
        default = f" (the default is {DEFAULT_REPLICATIONS})"
        _refuse_other("replications", self.replications, 1, MOST_REPLICATIONS, default)
        _refuse_other("seed", self.seed, 0, MAX_SEED)
        if self.workers is not None:
            _refuse_other("workers", self.workers, 1)
        if self.engine not in get_args(Engine):
            raise RequestError(f"--engine: {self.engine!r} given; allowed: {', '.join(get_args(Engine))}")
        if self.precision is not None and self.precision.at_most < self.replications:
            raise RequestError(
                f"--at-most: {self.precision.at_most} given, which is less than the {self.replications} "
                "replications with which --precision begins; give more, or fewer --replications"
            )

    @property
    def total(self) -> int:
        """Replications of all draws."""
        return self.replications * (1 if self.draws is None else len(self.draws.values))

    def require_draws(self, *loaded: Loaded, swept: Sequence[str] = ()) -> None:
        """Refuse draws that are not about some scenarios, if there are draws; see `Draws.require`."""
        if self.draws is not None:
            for each in loaded:
                self.draws.require(each, swept)

    def held_in(self, loaded: Loaded) -> tuple[str, ...]:
        """Return what draws must not replace in a scenario; nothing without draws."""
        return () if self.draws is None else self.draws.held_in(loaded)

    def first_of(self, scenario: Scenario, held: Sequence[str]) -> Scenario:
        """Return a scenario under the first draw; as it is without draws."""
        return scenario if self.draws is None else self.draws.first(scenario, held)

    def warn_of_held(self, *loaded: Loaded, swept: Sequence[str] = ()) -> None:
        """Warn of what some scenarios hold in every draw, if there are draws; see `Draws.warn_of_held`."""
        if self.draws is not None:
            for each in loaded:
                self.draws.warn_of_held(each, swept)

    def simulator(self, patients: int) -> tuple[Simulator, str]:
        """Choose the simulator for a number of patients in all, and say why in a few words."""
        if self.engine != "auto":
            return self.engine, "as asked"
        if self.draws is not None:
            return "arrays", "because every draw of the posterior has its own replications"
        if self.precision is not None:
            return "arrays", "because it may take many patients to reach a precision"
        if self.events:
            return "simpy", "because events are asked for"
        if patients <= MOST_SIMPY_PATIENTS:
            return "simpy", f"for {patients:,} patients, at most {MOST_SIMPY_PATIENTS:,}"
        return "arrays", f"for {patients:,} patients, more than {MOST_SIMPY_PATIENTS:,}"


def _refuse_other(
    option: str, given: object, lowest: int, highest: int | None = None, note: str = ""
) -> None:
    """Refuse what is no whole number in range, whatever a script may have given for it."""
    if not isinstance(given, Integral) or not lowest <= int(given) <= (highest or MOST_REPLICATIONS):
        limit = "" if highest is None else f" to {highest}"
        allowed = f"a whole number from {lowest}{limit}{note}"
        raise RequestError(f"--{option}: {given!r} given; allowed: {allowed}")
