"""Points of a study by the exact twin, where no queue binds: there is no Monte Carlo error."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from sim.outcomes.occupancy import is_limited
from sim.outcomes.twin.expected import expected_all
from sim.outcomes.twin.observed import beyond_twin
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME, Key
from sim.scenario.schema import Scenario
from sim.study.compare import DIFFERENCE_COLUMNS, DIFFERENCE_ERROR, Side
from sim.study.draws import Draws
from sim.study.estimates import EXACT, POSTERIOR_COLUMNS, over_draws
from sim.study.records import addressed
from sim.study.sweep import Spot, columns_of
from sim.study.tally import targets_of
from sim.work.task import Tell

# Scenarios that are expected at once.
_AT_ONCE = 256
_ESTIMATES = ("estimate", "mc_se", "mc_lower", "mc_upper")


def twin_holds(scenario: Scenario) -> bool:
    """Tell whether the exact twin holds for a scenario."""
    return not is_limited(scenario) and not beyond_twin(scenario)


def expected_spots(
    spots: Sequence[Spot], draws: Draws | None, tell: Tell | None = None
) -> tuple[pd.DataFrame, list[dict[Key, Floats]]]:
    """Return what the twin expects at some spots.

    Returns
    -------
    points : pandas.DataFrame
        As `sim.study.sweep.measure` gives them; the note of each row is `EXACT`, and nothing is known of
        single trials.
    figures : list of dict
        For each spot every endpoint under each draw.
    """
    sides: dict[int, Side] = {}
    for each in spots:
        for side in (each.reference, each.side):
            sides.setdefault(id(side.scenario), side)
    flat = [(key, under) for key, side in sides.items() for under in scenarios_drawn(side, draws)]
    found: dict[int, dict[Key, list[float]]] = {key: {} for key in sides}
    for at in range(0, len(flat), _AT_ONCE):
        part = flat[at : at + _AT_ONCE]
        for endpoint, values in expected_all([scenario for _, scenario in part]).items():
            for (key, _), value in zip(part, values.tolist(), strict=True):
                found[key].setdefault(endpoint, []).append(value)
        if tell is not None:
            tell(min(at + _AT_ONCE, len(flat)), len(flat))
    size = 1 if draws is None else len(draws.values)
    figures = {
        key: {endpoint: np.array(row) for endpoint, row in each.items() if len(row) == size}
        for key, each in found.items()
    }
    tables = []
    for each in spots:
        own, other = figures[id(each.side.scenario)], figures[id(each.reference.scenario)]
        table = _table(each.side.scenario, own, other)
        tables.append(addressed(table, **columns_of(each.values), reference=each.is_reference))
    return pd.concat(tables, ignore_index=True), [figures[id(each.side.scenario)] for each in spots]


def scenarios_drawn(side: Side, draws: Draws | None) -> list[Scenario]:
    """Return a scenario under each draw."""
    if draws is None:
        return [side.scenario]
    if not draws.replaced(side.scenario, side.held):
        return [side.scenario] * len(draws.values)
    return draws.over(side.scenario, side.held)


def _table(scenario: Scenario, own: dict[Key, Floats], other: dict[Key, Floats]) -> pd.DataFrame:
    """Return a spot's rows of all that the twin knows of it."""
    read = [key for key, values in own.items() if not np.isnan(values).all()]
    rows = []
    for key in read:
        share = BY_NAME[key[0]].kind == "share"
        row = {"endpoint": key[0], "time_years": math.nan if key[1] is None else key[1]}
        value, se, lower, upper, *posterior = _over(own[key], share=share)
        row |= dict(zip(_ESTIMATES, (value, se, lower, upper), strict=True))
        row |= dict.fromkeys(("trial_lower", "trial_upper", "trial_undefined"), math.nan)
        row |= dict(zip(POSTERIOR_COLUMNS, posterior, strict=True)) if len(own[key]) > 1 else {}
        row |= dict.fromkeys(DIFFERENCE_COLUMNS, math.nan)
        if key in other:
            change, error, *mc, low, high, _ = _over(own[key] - other[key], share=False)
            ends = (low, high) if len(own[key]) > 1 else mc
            row |= dict(zip(DIFFERENCE_COLUMNS, (change, *ends), strict=False))
            row |= {DIFFERENCE_ERROR: error} if len(own[key]) > 1 else {}
        rows.append(row)
    table = pd.DataFrame(rows)
    aims = pd.DataFrame(targets_of(scenario, read))
    aims["note"] = [f"{note}; {EXACT}".removeprefix("; ") for note in aims["note"]]
    head = [*table.columns[:9], *aims.columns]
    return pd.concat([table, aims], axis=1)[[*head, *table.columns[9:]]]


def _over(values: Floats, *, share: bool) -> tuple[float, ...]:
    """Return a figure with the error of finitely many draws; of one draw there is none."""
    if len(values) == 1:
        value = float(values[0])
        return (value, 0.0, value, value, *(math.nan,) * 3)
    return over_draws(values, np.zeros(len(values)), share=share)


def known_to_twin(key: Key, figures: Sequence[dict[Key, Floats]]) -> bool:
    """Tell whether the twin gives an endpoint at every spot."""
    return all(key in each for each in figures)
