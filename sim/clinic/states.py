"""The one registry of places, disease statuses, exits and causes of death."""

from __future__ import annotations

from enum import IntEnum, StrEnum


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


class Cause(IntEnum):
    """What a patient dies of; at equal times the first of these counts."""

    INFECTION = 0
    TOXICITY = 1
    LUPUS = 2
    BACKGROUND = 3


ALIVE = -1
"""Stands for a cause of death where there is none."""

TREATMENT_CAUSES = (Cause.INFECTION, Cause.TOXICITY)
