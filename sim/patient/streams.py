"""The one registry of the streams of luck.

Every random decision has a named stream. A stream's name is its address: adding or removing one changes no
other, and renaming one changes its numbers, so names are never changed once results are published. A
yes/no and its how-long are separate streams, because one number for both would rescale the lengths
whenever the probability changes.
"""

from __future__ import annotations

from enum import StrEnum

MAX_SEED = 2**64 - 1


class Stream(StrEnum):
    """The named streams; each is consumed at occurrence 0 unless its comment says otherwise."""

    ARRIVAL = "arrival"
    AGE = "age"
    SEX = "sex"
    MOBILISATION_DURATION = "mobilisation.duration"
    MOBILISATION_INFECTION = "mobilisation.infection"
    MOBILISATION_INFECTION_FATAL = "mobilisation.infection.fatal"
    HARVEST_YIELD = "harvest.yield"  # occurrence: the session, from 0
    HARVEST_DURATION = "harvest.duration"
    MARROW_FAILURE = "harvest.marrow.failure"
    RECOVERY_DURATION = "recovery.duration"
    POSTPONEMENT = "recovery.postponement"
    POSTPONEMENT_DURATION = "recovery.postponement.duration"
    IMMUNOABLATION_DURATION = "immunoablation.duration"
    TOXICITY = "toxicity"
    APLASIA_DURATION = "aplasia.duration"
    APLASIA_INFECTION = "aplasia.infection"
    APLASIA_INFECTION_FATAL = "aplasia.infection.fatal"
    APLASIA_INFECTION_DURATION = "aplasia.infection.duration"
    DISCHARGE_DELAY = "aplasia.discharge_delay"
    ROOM_TURNAROUND = "clinic.room_turnaround"
    LATE_INFECTION = "late_infection"
    LATE_INFECTION_FATAL = "late_infection.fatal"
    RESPONSE = "response"
    RELAPSE = "relapse"
    REMISSION_AGAIN = "after_relapse.remission"
    LUPUS = "lupus"
    BACKGROUND = "background"
    BACKGROUND_EXTRA = "background.extra"
    TRANSPLANT_DELAY = "transplant.delay"
