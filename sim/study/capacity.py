"""How many rooms, or slots, a clinic needs: on average and in nine of ten clinics, as it opens and settled.

All numbers of places have the same luck, so that what one more place does is the difference of the same
clinics. Clinics are replications; what one clinic may have in store is their spread, and no error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sim.patient.fates import mean_patients
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME, Key, column
from sim.scenario.problems import RequestError
from sim.scenario.schema import PoissonArrivals, Scenario
from sim.scenario.values import with_values
from sim.study.budget import Budget
from sim.study.compare import SURVIVAL, Setting, Side, against
from sim.study.estimates import simultaneous, wilson
from sim.study.experiment import Experiment, Pair
from sim.study.load import offered_loads
from sim.study.montecarlo import choose_simulator, simulate
from sim.study.records import of_endpoint
from sim.study.sweep import combinations
from sim.study.tally import ArmTally, Tally
from sim.work.store import ChunkStore
from sim.work.task import Tell

OPENING, SETTLED = "as it opens", "settled"
"""The clinic with its own warm-up; and after a long one."""
WARM_UPS_YEARS = (4.0, 8.0)
"""Two of them: where the figure is the same after both, the clinic has settled."""
MEAN, NINE = "on average", "in nine of ten clinics"
_NINE = 0.9


class Demand(NamedTuple):
    """A clinic at one rate of arrivals, in one phase of its life."""

    values: dict[str, Any]
    phase: str
    places: tuple[int, ...]
    scenarios: tuple[Scenario, ...]
    loads: tuple[float, ...]


def capacity(
    scenario: Scenario,
    key: Key,
    at_most: float,
    by: str,
    places: Sequence[int],
    budget: Budget,
    over: Mapping[str, Sequence[Any]],
    store: ChunkStore | None = None,
    tell: Tell | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Find the smallest number of places at which a figure does not exceed a target.

    Parameters
    ----------
    by, places
        Rooms or slots, and the numbers of them that are looked at, one after the other.
    over
        Values of other parameters, such as arrivals a year.

    Returns
    -------
    capacity, smallest : pandas.DataFrame
        One row a number of places in each phase; and one row a phase and criterion.

    Raises
    ------
    RequestError
        The scenario is no open clinic.
    """
    refuse_no_clinic(scenario)
    demands = [
        each for values in combinations(over) for each in _demands(scenario, values, by, places, budget.seed)
    ]
    simulator, _ = choose_simulator([own for each in demands for own in each.scenarios], budget)
    experiments = [Experiment(each.scenarios, budget.seed, simulator, _pairs(each)) for each in demands]
    tables = [
        _table(demand, tally, key, at_most)
        for demand, tally in zip(
            demands, simulate(experiments, budget, progress=tell, store=store), strict=True
        )
    ]
    whole = _settling(pd.concat(tables, ignore_index=True), list(over))
    return whole, _smallest(whole, list(over), at_most)


def patients_in(
    scenario: Scenario, by: str, places: Sequence[int], over: Mapping[str, Sequence[Any]], seed: int
) -> float:
    """Return how many patients one replication of all clinics has on average."""
    return sum(
        mean_patients(own)
        for values in combinations(over)
        for demand in _demands(scenario, values, by, places, seed)
        for own in demand.scenarios
    )


def _pairs(demand: Demand) -> tuple[Pair, ...]:
    """Pair each number of places with the next one."""
    return tuple(Pair(at, at + 1, paired=True, fates=False) for at in range(len(demand.places) - 1))


def refuse_no_clinic(scenario: Scenario) -> None:
    """Refuse a trial, whose patients are all there is to them."""
    if not isinstance(scenario.arrivals, PoissonArrivals):
        raise RequestError(
            'capacity: needs an open clinic (arrivals.pattern = "poisson"); take base = "open_clinic"'
        )


def _demands(
    scenario: Scenario, values: dict[str, Any], by: str, places: Sequence[int], seed: int
) -> list[Demand]:
    """Return a clinic as it opens, and after two long warm-ups where its places can keep up."""
    own = with_values(scenario, values)
    offered = next((each.offered for each in offered_loads(with_values(own, {by: places[0]}), seed)
                    if each.key == by), math.nan)  # fmt: skip
    found = []
    for phase, warm_up in ((OPENING, None), *((SETTLED, years) for years in WARM_UPS_YEARS)):
        more = {} if warm_up is None else {"arrivals.warm_up_days": 365.25 * warm_up}
        kept = tuple(number for number in places if warm_up is None or offered < number)
        scenarios = tuple(with_values(own, {**more, by: number}) for number in kept)
        loads = tuple(offered / number for number in kept)
        named = {**values, "warm_up_years": math.nan if warm_up is None else warm_up}
        if kept:
            found.append(Demand(named, phase, kept, scenarios, loads))
    return found


def _table(demand: Demand, tally: Tally, key: Key, at_most: float) -> pd.DataFrame:
    """Return one row a number of places."""
    rows = []
    for at, (number, arm) in enumerate(zip(demand.places, tally.arms, strict=True)):
        found = arm.estimate(key)
        clinics = _clinics(arm, key)
        meets = float(np.mean(clinics <= at_most))
        low, high = wilson(meets, len(clinics))
        row = {
            **demand.values, "phase": demand.phase, "places": number, "load": demand.loads[at],
            "estimate": float(found.value), "mc_lower": float(found.lower), "mc_upper": float(found.upper),
            "clinics_lower": float(np.quantile(clinics, 1 - _NINE)),
            "clinics_upper": float(np.quantile(clinics, _NINE)),
            "meets": meets, "meets_lower": float(low), "meets_upper": float(high),
        }  # fmt: skip
        rows.append({**row, **_next_place(demand, tally, at)})
    return pd.DataFrame(rows)


def _clinics(arm: ArmTally, key: Key) -> Floats:
    """Return a figure of every clinic that has it."""
    rows = arm.rows()
    size = rows[f"n_{BY_NAME[key[0]].denominator}"]
    known = size > 0
    return np.asarray((rows[column(key)] / size)[known], dtype=np.float64)


def _next_place(demand: Demand, tally: Tally, at: int) -> dict[str, float]:
    """Return how many deaths a year the next place averts, alone and with all of them at once."""
    names = ("averted", "averted_lower", "averted_upper", "all_lower", "all_upper")
    if at == len(tally.pairs):
        return dict.fromkeys(names, math.nan)
    one, other = (Side(demand.scenarios[each]) for each in (at, at + 1))
    table = against(tally.arms[at + 1], tally.pairs[at], Setting("", one, other))
    horizon = demand.scenarios[at].follow_up.horizon_years
    row = of_endpoint(table, (SURVIVAL, horizon)).iloc[0]
    arrivals = demand.scenarios[at].arrivals
    per_year = arrivals.per_year if isinstance(arrivals, PoissonArrivals) else math.nan
    alone = [float(row[f"difference{end}"]) for end in ("", "_lower", "_upper")]
    both = simultaneous(alone[0], alone[1], alone[2], len(tally.pairs))
    return dict(zip(names, (per_year * each for each in (*alone, *both)), strict=True))


def _settling(table: pd.DataFrame, over: Sequence[str]) -> pd.DataFrame:
    """Keep the longer warm-up, with what the shorter one gave beside it."""
    shorter = table[table["warm_up_years"] == WARM_UPS_YEARS[0]]
    longer = table[table["warm_up_years"] != WARM_UPS_YEARS[0]].copy()
    earlier = shorter.set_index([*over, "places"])["estimate"]
    half = (longer["mc_upper"] - longer["mc_lower"]) / 2
    own = longer[[*over, "places"]].itertuples(index=False, name=None)
    before = np.array([earlier.get(each if over else each[0], math.nan) for each in own])
    longer["after_shorter_warm_up"] = np.where(longer["phase"] == SETTLED, before, math.nan)
    # The two have much of their luck apart: an error of both.
    moved = (longer["estimate"] - before).abs() > math.sqrt(2) * half
    longer["settled"] = np.where(longer["phase"] == SETTLED, ~moved, True)
    return longer.drop(columns="warm_up_years").reset_index(drop=True)


def _smallest(table: pd.DataFrame, over: Sequence[str], at_most: float) -> pd.DataFrame:
    """Return the smallest number of places by each criterion; too few for the load never settle."""
    rows, fewest = [], int(table["places"].min())
    for address, own in table.groupby([*over, "phase"], sort=False):
        values = dict(zip([*over, "phase"], address, strict=True))
        mean = own["mc_upper"] <= at_most, own["mc_lower"] > at_most
        nine = own["meets_lower"] >= _NINE, own["meets_upper"] < _NINE
        for criterion, (yes, no) in ((MEAN, mean), (NINE, nine)):
            places = own["places"].tolist()
            too_few = [] if places[0] == fewest else [places[0] - 1]
            smallest, status = decided(
                [*too_few, *places], [*(False for _ in too_few), *yes], [*(True for _ in too_few), *no]
            )
            at = own[own["places"] == smallest]
            if not at.empty and not bool(at["settled"].iloc[0]):
                status = f"{status}, and not settled: waits still rise after {WARM_UPS_YEARS[1]:g} years"
            rows.append({**values, "criterion": criterion, "smallest": smallest, "status": status})
    return pd.DataFrame(rows)


def decided(places: Sequence[int], yes: Sequence[bool], no: Sequence[bool]) -> tuple[float, str]:
    """Return the smallest number that meets a target while the one before it does not, and in words.

    Parameters
    ----------
    yes, no
        Whether each is known to meet the target, and known not to.
    """
    first = next((at for at in range(len(places)) if all(yes[at:])), None)
    open_ = [place for place, is_no in zip(places, no, strict=True) if not is_no]
    if first is None:
        return math.nan, f"more than {places[-1]}" if not open_ else f"{open_[0]} or more: not decided"
    possible = [place for place in open_ if place <= places[first]]
    if len(possible) == 1:
        own = f"{places[first]}"
        return float(places[first]), f"{own} or fewer" if first == 0 else own
    return math.nan, f"{possible[0]} {'or' if len(possible) == 2 else 'to'} {possible[-1]}: not decided"
