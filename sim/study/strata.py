"""Tables by stratum: everybody first, and then each stratum, with how many patients it has."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from sim.scenario.endpoints import BY_NAME
from sim.scenario.problems import StratumWarning
from sim.scenario.strata import Stratum
from sim.study.estimates import MOMENTS
from sim.study.records import addressed
from sim.study.tally import ArmTally, PairTally

EVERYBODY = "everybody"
"""Factor and stratum of all patients, the first of every table."""

ENOUGH_PATIENTS = 400
"""Below this the 95% interval of a share may reach 5 points to either side."""


def strata_table(
    strata: Sequence[Stratum],
    arm: ArmTally,
    table: Callable[[ArmTally, PairTally | None], pd.DataFrame],
    two: PairTally | None = None,
    address: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Return the table of ``strata.csv`` of one scenario; empty without strata.

    Parameters
    ----------
    table
        Makes the rows of everybody and of each stratum.
    two
        The scenario against the reference, if it has one.
    address
        The first columns, which say what the scenario is.
    """
    if not strata:
        return pd.DataFrame()
    names = [(EVERYBODY, EVERYBODY), *((each.factor, each.name) for each in strata)]
    tallies = [arm, *arm.strata]
    pairs = [None] * len(tallies) if two is None else [two, *two.strata]
    enrolled = next(at for at, key in enumerate(arm.keys) if BY_NAME[key[0]].denominator == "enrolled")
    found = []
    for (factor, name), tally, pair in zip(names, tallies, pairs, strict=True):
        sums = tally.sums[:, enrolled].sum(axis=0)
        patients, replications = (float(sums[MOMENTS.index(each)]) for each in ("x", "n"))
        own = {"patients_per_trial": patients / replications, "patients": int(patients)}
        found.append(addressed(table(tally, pair), **(address or {}), factor=factor, stratum=name, **own))
    return pd.concat(found, ignore_index=True)


def warn_of_small_strata(table: pd.DataFrame | None) -> None:
    """Warn of strata that have nobody, or too few for their figures to bear their weight, with the remedy."""
    if table is None:
        return
    # The same patients stand in every scenario of a study, but for those of other arrivals.
    patients = table.groupby(["factor", "stratum"], sort=False)["patients"].min()
    for (factor, stratum), count in patients[patients < ENOUGH_PATIENTS].items():
        who = stratum if factor in (EVERYBODY, "sex") else f"{factor} {stratum}"
        if not count:
            StratumWarning.say(
                f"{who}: nobody of this stratum is enrolled; leave it out of --by, or widen it"
            )
            continue
        StratumWarning.say(
            f"{who}: {count} patients in all replications are too few for the figures of a stratum; simulate "
            f"at least {ENOUGH_PATIENTS} of them, with {math.ceil(ENOUGH_PATIENTS / count)} times as many "
            "--replications, or take a wider band"
        )
