"""Tables by stratum: everybody first, and then each stratum, with how many patients it has."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd

from sim.scenario.problems import StratumWarning
from sim.scenario.strata import EVERYBODY, spoken
from sim.study.estimates import MOMENTS
from sim.study.records import addressed
from sim.study.tally import ArmTally, PairTally

ENOUGH_PATIENTS = 400
"""Below this the 95% interval of a share may reach 5 points to either side."""


def strata_table(
    arm: ArmTally,
    table: Callable[[ArmTally, PairTally | None], pd.DataFrame],
    two: PairTally | None = None,
) -> pd.DataFrame:
    """Return the table of ``strata.csv`` of one scenario; empty where no strata are told.

    Parameters
    ----------
    table
        Makes the rows of everybody and of each stratum.
    two
        The scenario against the reference, if it has one.
    """
    found = [pd.DataFrame()]
    of_all_enrolled = arm.keys.index(("treatment_related_mortality", None))
    pairs = {} if two is None else {EVERYBODY: two, **two.strata}
    for stratum, tally in {EVERYBODY: arm, **arm.strata}.items() if arm.strata else ():
        sums = dict(zip(MOMENTS, tally.sums[:, of_all_enrolled].sum(axis=0).tolist(), strict=True))
        sizes = {"patients_per_trial": sums["x"] / sums["n"], "patients": int(sums["x"])}
        rows = table(tally, pairs.get(stratum))
        found.append(addressed(rows, factor=stratum.factor, stratum=stratum.name, **sizes))
    return pd.concat(found[1:] or found, ignore_index=True)


def warn_of_small_strata(table: pd.DataFrame | None) -> None:
    """Warn of strata that have nobody, or too few for their figures to bear their weight, with the remedy."""
    if table is None:
        return
    # The same patients stand in every scenario of a study, but for those of other arrivals.
    patients = table.groupby(["factor", "stratum"], sort=False)["patients"].min()
    for whose, count in patients[patients < ENOUGH_PATIENTS].items():
        more = f"simulate {math.ceil(ENOUGH_PATIENTS / max(count, 1))} times as many --replications"
        StratumWarning.say(
            f"{spoken(*whose)}: {count or 'nobody'} of all patients simulated, and the figures of a stratum "
            f"need {ENOUGH_PATIENTS}; {more if count else 'leave it out of --by'}, or take a wider band"
        )
