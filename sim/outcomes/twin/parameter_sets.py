"""Scenarios that the twin takes together: they differ only in numbers that its formulas take as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np

from sim.outcomes.endpoints import reading_years
from sim.outcomes.twin.time_to_reinfusion import delay_tilt
from sim.scenario.distributions import Floats
from sim.scenario.schema import DAYS_PER_YEAR, Scenario, TrialArrivals

AS_ARRAYS = (
    "mobilisation.infection.case_fatality",
    "harvest.selection_recovery",
    "active_disease.hazard_per_year",
    "transplant.waiting_multiplier",
    "aplasia.infection.hazard_per_day",
    "aplasia.infection.ward_relative_risk",
    "aplasia.infection.case_fatality",
    "late_infection.hazard_per_day",
    "response.non_response",
    "relapse.shape",
    "relapse.scale_years",
    "after_relapse.multiplier",
    "after_relapse.remission_per_year",
    "background.extra_per_year.remission",
    "background.extra_per_year.relapsed",
    "arrivals.power",
)
"""Parameters that move no node of any quadrature; all others the sets of a batch have in common."""

_SAID = (
    "title", "purpose", "caution", "changed", "what_if", "sources", "target", "range", "prior", "alternative",
    "calibration",
)  # fmt: skip
_BLOCK = 32  # sets at a time: enough to share what is common, few enough for the processor's cache
_STEEP = 0.5  # per day


def _without(keys: Sequence[str]) -> dict[str, Any]:
    """Return dotted keys as pydantic's nested mapping of what to exclude."""
    tree: dict[str, Any] = {}
    for key in keys:
        *tables, name = key.split(".")
        reduce(lambda table, part: table.setdefault(part, {}), tables, tree)[name] = True
    return tree


_APART = _without((*AS_ARRAYS, *_SAID))


class ParameterSets:
    """Some scenarios alike but for `AS_ARRAYS`; what they have in common is read off any of them.

    Parameters
    ----------
    at_horizon
        Whether figures are read at the horizon alone, which is several times as fast.
    """

    def __init__(self, scenarios: Sequence[Scenario], *, at_horizon: bool = False) -> None:
        self.scenarios, self.shared = scenarios, scenarios[0]
        self.years = reading_years(self.shared, "overall_survival")[-1 if at_horizon else 0 :]

    def __len__(self) -> int:
        return len(self.scenarios)

    def column(self, key: str) -> Floats:
        """Return a parameter of `AS_ARRAYS`, shape (sets, 1), or (1, 1) where all sets agree."""
        if key not in AS_ARRAYS:
            raise KeyError(f"{key} is shared by the sets of a batch")
        path = key.split(".")
        values = np.array([[reduce(getattr, path, one)] for one in self.scenarios], dtype=np.float64)
        return values[:1] if (values == values[0]).all() else values

    @property
    def layers(self) -> list[float]:
        """In how many days a hazard has done its work, for each that is too great for a panel."""
        return [waits / hazard for hazard in _steep(self.shared) for waits in (4.0, 40.0)]


def sets_of(*arrays: Floats) -> Iterator[tuple[Floats, ...]]:
    """Yield the rows of each set; an array of one row is common to all sets."""
    sets = max(map(len, arrays))
    return zip(*(np.broadcast_to(array, (sets, *array.shape[1:])) for array in arrays), strict=True)


def _steep(scenario: Scenario) -> tuple[float, ...]:
    """Return the hazards per day that need panels of their own."""
    infection = scenario.aplasia.infection
    hazards = (
        infection.hazard_per_day * infection.ward_relative_risk,
        scenario.late_infection.hazard_per_day,
        scenario.immunoablation.toxicity_per_day,
        scenario.active_disease.hazard_per_year / DAYS_PER_YEAR,
        scenario.active_disease.hazard_per_year * scenario.transplant.waiting_multiplier / DAYS_PER_YEAR,
        scenario.background.extra_per_year.remission / DAYS_PER_YEAR,
        scenario.active_disease.hazard_per_year * scenario.after_relapse.multiplier / DAYS_PER_YEAR,
    )
    return tuple(hazard for hazard in hazards if hazard > _STEEP)


def _accrual_of_a_registry(scenario: Scenario) -> float | None:
    """Return how patients arrive where their days of follow-up at the data cut are nodes."""
    registry = scenario.cohort.enters_at == "immunoablation"
    return scenario.arrivals.power if registry and isinstance(scenario.arrivals, TrialArrivals) else None


def batches(
    scenarios: Sequence[Scenario], *, at_horizon: bool = False
) -> Iterator[tuple[list[int], ParameterSets]]:
    """Yield which scenarios can be taken together, by number, and as sets of parameters."""
    alike: dict[tuple[object, ...], list[int]] = {}
    for number, scenario in enumerate(scenarios):
        moving = *_steep(scenario), _accrual_of_a_registry(scenario), delay_tilt(scenario)
        key = (scenario.model_dump_json(exclude=_APART), *moving)
        alike.setdefault(key, []).append(number)
    for numbers in alike.values():
        for begin in range(0, len(numbers), _BLOCK):
            block = numbers[begin : begin + _BLOCK]
            yield block, ParameterSets([scenarios[number] for number in block], at_horizon=at_horizon)
