"""How every place, disease status, way to fail and cause of death is drawn and called: in all figures, once.

A new place or cause needs a row here and nothing else in this package. What has none is refused: no figure
leaves it out in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from sim.clinic.states import Cause, Place
from sim.outcomes.courses import ACTIVE, DEAD, DELAY, FREE, QUEUE, RELAPSED, REMISSION
from sim.show.kit.lanes import QUEUEING
from sim.show.kit.style import BLUE, INK, ORANGE

T = TypeVar("T")

_PALE = "#c9ccd1"


@dataclass(frozen=True, slots=True)
class Look:
    """How a stretch or an area is drawn: neighbours differ in lightness, hatch or height: grey suffices."""

    label: str
    colour: str
    height: float = 1.0
    """Of a lane."""
    hatch: str = ""


@dataclass(frozen=True, slots=True)
class CauseLook:
    """How a cause of death is called, and drawn as an area and as the end of a lane."""

    words: str
    area: Look
    marker: str


CAUSES = {
    Cause.INFECTION.name.lower(): CauseLook("infection", Look("Infection", BLUE), "X"),
    Cause.TOXICITY.name.lower(): CauseLook("toxicity", Look("Toxicity", _PALE, hatch="////"), "s"),
    Cause.LUPUS.name.lower(): CauseLook("lupus", Look("Lupus", ORANGE), "o"),
    Cause.BACKGROUND.name.lower(): CauseLook("other causes", Look("Other causes", "#9dbfdf"), "D"),
}
PLACES = {
    DELAY: Look("waiting for the day decided on", "#f1eee6", 0.3),
    Place.MOBILISING.value: Look("mobilisation", "#86b6dd", 0.74),
    Place.HARVESTING.value: Look("harvest", "#12436d", 0.74),
    Place.RECOVERING.value: Look("recovery at home", "#c3d3e0", 0.3),
    QUEUEING: Look("queueing", "white", 0.74, "//////"),
    Place.IMMUNOABLATION.value: Look("immunoablation", "#4a1259", 0.74),
    Place.APLASIA.value: Look("aplasia", "#b073b8", 0.74),
    Place.RECOVERING_IN_HOSPITAL.value: Look("recovery in hospital", "#e3c9e6", 0.74),
    Place.HOME.value: Look("home", "#9a9da1", 0.1),
}
"""Of a lane, where every queue looks alike."""
STATUSES = {
    ACTIVE: Look("active", ORANGE, 0.74),
    REMISSION: Look("remission", "#c9dcec", 0.74),
    RELAPSED: Look("relapsed", "#2c6da4", 0.74),
}
_AREAS = {
    Place.WAITING.value: Look("Waiting for a room", "white", hatch="//////"),
    Place.HOME.value: Look("Home", "#dfe1e4"),
    QUEUE: Look("Waiting for apheresis", "white", hatch="...."),
    DEAD: Look("Dead", INK),
    REMISSION: Look("In remission", STATUSES[REMISSION].colour),
}
AREAS = {
    **{name: Look(look.label.capitalize(), look.colour, hatch=look.hatch)
       for name, look in (*PLACES.items(), *STATUSES.items()) if name != QUEUEING},
    **_AREAS,
}  # fmt: skip
"""Of shares of patients, by place and by disease status."""
FAILURES = {
    "relapse_incidence": Look("Relapse", ORANGE),
    "no_response": Look("No response", _PALE, hatch="////"),
    "death_without_relapse": Look("Death without relapse", BLUE),
    FREE: Look("Alive, disease-free", "#e3ecf5"),
}


def look_of(looks: Mapping[str, T], name: str) -> T:
    """Return how something is drawn.

    Raises
    ------
    LookupError
        Nobody has said.
    """
    if name not in looks:
        raise LookupError(f"{name}: nothing says how it is drawn; add it to sim/show/kit/looks.py")
    return looks[name]
