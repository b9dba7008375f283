"""How long stages lasted in patients of one's own, as observed values in the place of a distribution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.centre.described import SMALL
from sim.centre.patients import OwnPatients
from sim.scenario.distributions import Floats

FEWEST = SMALL
"""Values of fewer patients tell of single ones."""
APLASIA, DISCHARGE, WAY = (
    "aplasia.duration_days",
    "aplasia.discharge_delay_days",
    "transplant.delay_days",
)


@dataclass(frozen=True)
class ObservedStage:
    """Lengths of one stage.

    Attributes
    ----------
    key
        The parameter that they may stand for.
    values
        Days in ascending order, so that nothing tells whose they are.
    of
        How many patients began the stage.
    died, unknown
        How many of these died before its end, and of how many others the end is not known.
    """

    key: str
    values: Floats
    of: int
    died: int
    unknown: int

    @property
    def few(self) -> bool:
        """Whether they are too few to be told."""
        return self.values.size < FEWEST


def observed_durations(patients: OwnPatients) -> Iterator[ObservedStage]:
    """Yield reinfusion to engraftment, engraftment to discharge, and enrolment to reinfusion where known."""
    yield _lasting(APLASIA, patients, patients.reinfused, patients.transplanted, patients.engrafted)
    engrafted = ~np.isnan(patients.engrafted)
    yield _lasting(DISCHARGE, patients, engrafted, patients.engrafted, patients.discharged)
    if not patients.from_transplant:
        everybody = np.ones(len(patients), dtype=np.bool_)
        yield _lasting(WAY, patients, everybody, np.zeros(len(patients)), patients.transplanted)


def _lasting(
    key: str, patients: OwnPatients, began: NDArray[np.bool_], begin: Floats, end: Floats
) -> ObservedStage:
    over = began & ~np.isnan(end)
    died = int(np.count_nonzero(began & ~over & patients.dead))
    values = np.sort(np.round((end - begin)[over], 6))
    whole = int(np.count_nonzero(began))
    return ObservedStage(key, values, whole, died, whole - values.size - died)
