"""Patients of one's own, in days since each enrolment: reading ends in them, all else begins with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sim.scenario.distributions import Floats
from sim.scenario.endpoints import TREATMENT_DAYS

Cause: TypeAlias = Literal["treatment", "lupus", "other", "unknown", ""]
"""Of death: treatment is infection or toxicity; unknown is not told; empty of the living."""

CAUSES: tuple[Cause, ...] = ("treatment", "lupus", "other", "unknown")


@dataclass(frozen=True)
class OwnPatients:
    """Patients in the order of their table; arrays have one value each, not a number where there is none.

    Times are days since the patient's own enrolment, and no date is kept.

    Attributes
    ----------
    transplanted, relapsed, died
        Days of reinfusion, of relapse and of death.
    last_seen
        Day until which all of it is known; of the dead the day of death.
    cause
        Of death, one of `Cause`.
    age
        Years at enrolment.
    female
        1 for a woman, 0 for a man.
    engrafted, discharged
        Days of engraftment and of discharge after reinfusion; they serve durations alone.
    arrived
        Days from the first enrolment of the table to the patient's; not numbers if enrolments are not dated.
    rows
        Line of each in the table, for messages.
    relapse_recorded
        Whether the table tells of relapses at all; if not, nobody is known to be free of one.
    relapsed_or_died
        Days of relapse or death, whichever came first, where the table does not tell which.
    deaths_recorded
        Whether the table tells of deaths; if not, it tells of `relapsed_or_died` alone.
    from_transplant
        Whether times count from reinfusion, because enrolment was not recorded: `transplanted` is 0 then.
    reconstructed
        Whether they were made to reproduce a published curve.
    """

    transplanted: Floats
    relapsed: Floats
    died: Floats
    last_seen: Floats
    cause: NDArray[np.str_]
    age: Floats
    female: Floats
    engrafted: Floats
    discharged: Floats
    arrived: Floats
    relapsed_or_died: Floats
    rows: tuple[int, ...]
    relapse_recorded: bool = True
    deaths_recorded: bool = True
    from_transplant: bool = False
    reconstructed: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def of(cls, last_seen: Sequence[float] | Floats, **known: Any) -> Self:
        """Return patients of whom some columns are known; the dead have the cause unknown if none is given.

        Parameters
        ----------
        known
            Other columns by name, and flags.
        """
        size = len(last_seen)
        columns: dict[str, Any] = {
            each.name: np.asarray(known.pop(each.name, np.full(size, np.nan)), dtype=np.float64)
            for each in fields(cls) if each.name not in (*_NO_NUMBERS, "last_seen")
        }  # fmt: skip
        dead = np.where(np.isnan(columns["died"]), "", "unknown")
        cause = np.asarray(known.pop("cause", dead), dtype=np.str_)
        rows = known.pop("rows", tuple(range(2, size + 2)))
        return cls(
            last_seen=np.asarray(last_seen, dtype=np.float64), cause=cause, rows=rows, **columns, **known
        )

    def take(self, chosen: NDArray[Any]) -> Self:
        """Return some of the patients, by a mask or by places."""
        places = np.arange(len(self))[chosen]
        taken = {
            each.name: getattr(self, each.name)[chosen]
            for each in fields(self)
            if isinstance(getattr(self, each.name), np.ndarray)
        }
        return replace(self, **taken, rows=tuple(self.rows[place] for place in places))

    def since(self, start: Floats) -> Self:
        """Return them with times that count from a day of each."""
        moved = {name: getattr(self, name) - start for name in _TIMES}
        return replace(self, **moved)

    @cached_property
    def dead(self) -> NDArray[np.bool_]:
        """Who died."""
        return ~np.isnan(self.died)

    @cached_property
    def reinfused(self) -> NDArray[np.bool_]:
        """Who got the cells back."""
        return ~np.isnan(self.transplanted)

    @cached_property
    def past_treatment(self) -> NDArray[np.bool_]:
        """Who died after day 100 from reinfusion, up to which deaths of the treatment count as such."""
        return self.died - self.transplanted > TREATMENT_DAYS

    @cached_property
    def has_relapsed(self) -> NDArray[np.bool_]:
        """Who relapsed."""
        return ~np.isnan(self.relapsed)


_NO_NUMBERS = ("cause", "rows", "relapse_recorded", "deaths_recorded", "from_transplant", "reconstructed")
_TIMES = ("transplanted", "relapsed", "died", "last_seen", "engrafted", "discharged", "relapsed_or_died")
