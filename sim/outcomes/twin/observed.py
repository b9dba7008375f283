"""Whether the twin can take what was observed value by value: sums of many values are too many to tell."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sim.outcomes.twin.background_survival import ages_by_birthday
from sim.outcomes.twin.quadrature import atoms_of, fixed_value
from sim.scenario.distributions import Distribution, Floats
from sim.scenario.schema import Scenario

MOST_LENGTHS = 60
"""Different lengths of aplasia: each has panels of its own."""
MOST_SUMS = 150
"""Different sums of the observed durations on the way to reinfusion, where others on it vary smoothly."""
_MOST_SINGLE_SUMS = 3000
_MOST_CELLS = 20_000
"""Different sums of yields below the target."""
_MOST_BIRTHDAYS = 12


def beyond_twin(scenario: Scenario) -> str:
    """Say which observed values are too many for the exact twin, and what to do; empty if none are."""
    return next(_too_many(scenario), "")


def _too_many(scenario: Scenario) -> Iterator[str]:
    if len(ages_by_birthday(scenario.cohort.age_years)) > _MOST_BIRTHDAYS:
        yield _said("cohort.age_years", f"{_MOST_BIRTHDAYS} birthdays in a year", "write ages in whole years")
    days, home = "round values to whole days", scenario.cohort.enters_at == "home"
    if home:
        return
    lengths = atoms_of(scenario.aplasia.duration_days)
    if lengths is not None and lengths.values.size > MOST_LENGTHS:
        yield _said("aplasia.duration_days", f"{MOST_LENGTHS} lengths", days)
    stages = _stages(scenario)
    smooth = any(atoms_of(each) is None and fixed_value(each) is None for each in stages.values())
    most = MOST_SUMS if smooth else _MOST_SINGLE_SUMS
    observed = {key: atoms for key, each in stages.items() if (atoms := atoms_of(each)) is not None}
    if _sums([atoms.values for atoms in observed.values()], most) > most:
        yield _said(", ".join(observed), f"{most:,} sums", days)
    harvest = scenario.harvest
    sessions = harvest.duration_days == "by_sessions" and scenario.cohort.enters_at == "mobilisation"
    cells = atoms_of(harvest.yield_million_per_kg) if sessions else None
    target, few = harvest.target_million_per_kg, harvest.max_sessions - 1
    if cells is not None and _sums([cells.values] * few, _MOST_CELLS, below=target) > _MOST_CELLS:
        yield _said("harvest.yield_million_per_kg", f"{_MOST_CELLS:,} sums", "round yields to 0.1")


def _stages(scenario: Scenario) -> dict[str, Distribution]:
    """Return the durations that add up to the time to reinfusion."""
    recovery, harvest = scenario.recovery, scenario.harvest.duration_days
    stages: dict[str, Distribution] = {
        "transplant.delay_days": scenario.transplant.delay_days,
        "immunoablation.duration_days": scenario.immunoablation.duration_days,
    }
    if scenario.cohort.enters_at == "mobilisation":
        stages |= {
            "mobilisation.duration_days": scenario.mobilisation.duration_days,
            "recovery.duration_days": recovery.duration_days,
            "recovery.postponement.duration_days": recovery.postponement.duration_days,
        }
        if harvest != "by_sessions":
            stages["harvest.duration_days"] = harvest
    return stages


def _sums(parts: list[Floats], most: int, below: float = np.inf) -> int:
    """Return how many different sums of one value of each part there are, or a number above `most`."""
    total = np.zeros(1)
    for part in parts:
        if total.size * part.size > 100 * most:
            return most + 1
        total = np.unique(np.add.outer(total, part))
        total = total[total < below]
        if total.size > most:
            break
    return total.size


def _said(keys: str, most: str, remedy: str) -> str:
    known = "of observed values, the most that the exact twin tells one by one"
    return f"{keys}: more than {most} {known}; {remedy}"
