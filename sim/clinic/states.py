"""The one registry of places, disease statuses, exits and causes of death."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType


class Place(StrEnum):
    """Where a patient is; in the order of the pathway."""

    MOBILISING = "mobilising"
    HARVESTING = "harvesting"
    RECOVERING = "recovering"
    WAITING = "waiting"
    IMMUNOABLATION = "immunoablation"
    APLASIA = "aplasia"
    RECOVERING_IN_HOSPITAL = "recovering_in_hospital"
    HOME = "home"


ENTRANCES: Mapping[str, Place] = MappingProxyType(
    {"mobilisation": Place.MOBILISING, "immunoablation": Place.WAITING, "home": Place.HOME}
)
"""Where patients enter, by the value of ``cohort.enters_at``."""

MOVES: Mapping[Place, tuple[Place, ...]] = MappingProxyType(
    {
        Place.MOBILISING: (Place.HARVESTING,),
        # Home: the harvest failed, the patient is withdrawn.
        Place.HARVESTING: (Place.RECOVERING, Place.HOME),
        Place.RECOVERING: (Place.WAITING,),
        Place.WAITING: (Place.IMMUNOABLATION,),
        Place.IMMUNOABLATION: (Place.APLASIA,),  # reinfusion is this moment
        Place.APLASIA: (Place.RECOVERING_IN_HOSPITAL,),
        Place.RECOVERING_IN_HOSPITAL: (Place.HOME,),
        Place.HOME: (),
    }
)
"""Where a patient can go from each place. Death and the end of follow-up can come in any."""

RESOURCES: Mapping[str, tuple[Place, ...]] = MappingProxyType(
    {
        "apheresis slot": (Place.HARVESTING,),
        "isolation room": (Place.IMMUNOABLATION, Place.APLASIA, Place.RECOVERING_IN_HOSPITAL),
    }
)
"""In which places a patient holds what there may be too few of."""


class Cause(IntEnum):
    """What a patient dies of; at equal times the first of these counts."""

    INFECTION = 0
    TOXICITY = 1
    LUPUS = 2
    BACKGROUND = 3


ALIVE = -1
"""Stands for a cause of death where there is none."""

TREATMENT_CAUSES = (Cause.INFECTION, Cause.TOXICITY)
