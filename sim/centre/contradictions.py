"""What can't be true of a patient: events out of their order, a cause without a death, no last contact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.scenario.distributions import Floats

EVENTS = ("transplanted", "relapsed", "died", "last_seen", "engrafted", "discharged", "relapsed_or_died")
"""Times of a patient, none of them before enrolment and none after what was last known."""
OLDEST_YEARS = 110
AGES = f"above 0 and at most {OLDEST_YEARS} years"
_AFTER_TRANSPLANT = {
    "relapsed": "relapse", "engrafted": "engraftment", "discharged": "discharge",
    "relapsed_or_died": "relapse or death",
}  # fmt: skip
_MOST_DAYS = 36_525


class Contradiction(NamedTuple):
    """What is wrong, of whom, and in which columns."""

    problem: str
    of: NDArray[np.bool_]
    columns: tuple[str, ...]


def contradictions(
    days: Mapping[str, Floats], cause: NDArray[np.str_], age: Floats, origin: str
) -> Iterator[Contradiction]:
    """Yield what contradicts itself.

    Parameters
    ----------
    days
        Of every event, from the patient's origin.
    origin
        The column from which days count: enrolled or transplanted.
    """
    died, seen = days["died"], days["last_seen"]
    dead = ~np.isnan(died)
    start = "enrolment" if origin == "enrolled" else "the transplantation"
    for name in EVENTS:
        if not (origin == "transplanted" and name in _AFTER_TRANSPLANT):
            yield Contradiction(f"is before {start}", days[name] < 0, (name, origin))
        late = days[name] > _MOST_DAYS
        yield Contradiction(f"is more than 100 years after {start}", late, (name, origin))
    remedy = "of the dead leave last_seen empty, or write the day of death"
    yield Contradiction(f"death after last seen; {remedy}", died > seen, ("died", "last_seen"))
    yield Contradiction(f"seen after death; {remedy}", seen > died, ("last_seen", "died"))
    yield Contradiction("is needed: the patient lives", ~dead & np.isnan(seen), ("last_seen",))
    for name in ("transplanted", *_AFTER_TRANSPLANT):
        yield Contradiction("is after death", days[name] > died, (name, "died"))
        yield Contradiction("is after last seen", ~dead & (days[name] > seen), (name, "last_seen"))
    for name, noun in _AFTER_TRANSPLANT.items():
        untreated = ~np.isnan(days[name]) & np.isnan(days["transplanted"])
        yield Contradiction(f"{noun} without a transplantation", untreated, (name, "transplanted"))
        early = (days[name] < days["transplanted"]) & ((days[name] >= 0) | (origin == "transplanted"))
        yield Contradiction(f"{noun} before the transplantation", early, (name, "transplanted"))
    yield Contradiction("cause without a death", (cause != "") & ~dead, ("cause", "died"))
    unlikely = (age <= 0) | (age > OLDEST_YEARS)
    yield Contradiction(f"age is not {AGES}", unlikely, ("born", origin))
