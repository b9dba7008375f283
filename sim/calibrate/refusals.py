"""Refusals of calibrations that could tell nothing."""

from __future__ import annotations

import numpy as np

from sim.calibrate.published import Published
from sim.calibrate.search import Free
from sim.calibrate.virtual_trials import Points, whole_trials
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import label
from sim.scenario.problems import RequestError
from sim.scenario.schema import DAYS_PER_YEAR, Scenario

_SCORE = 1.6  # from the 5% to the 95% point of a prior


def refuse_late_targets(scenario: Scenario) -> None:
    """Refuse targets at times that no patient of the trial can be followed to.

    Raises
    ------
    RequestError
        Naming each such target and the longest follow-up.
    """
    horizon, cut = scenario.follow_up.horizon_years, scenario.follow_up.data_cut_days
    for target in scenario.fitted_targets:
        key, time = (target.endpoint, target.time_years), target.time_years
        if time is None:
            continue
        if time > horizon:
            raise RequestError(
                f"[[target]] {label(key)}: lies beyond follow_up.horizon_years = {horizon:g}, so nothing is "
                f"simulated up to it; write follow_up.horizon_years = {time:g}, or an earlier time_years"
            )
        if cut != "none" and time * DAYS_PER_YEAR > cut:
            raise RequestError(
                f"[[target]] {label(key)}: nobody is followed so long: the first patient can be followed to "
                f"follow_up.data_cut_days = {cut:g}, {cut / DAYS_PER_YEAR:.1f} years; take an earlier "
                "time_years or a later data cut"
            )


def refuse_untouched(scenario: Scenario, seed: int) -> None:
    """Refuse free parameters that move nothing of what the trial reported.

    A block of virtual trials is read at both ends of each prior, under the same luck: where a parameter has
    any part in a figure, some trial of the block reports another.

    Raises
    ------
    RequestError
        Naming each, and the targets.
    """
    free, published = Free.of(scenario), Published.of(scenario)
    untouched = []
    for at, key in enumerate(free.keys):
        scores = np.zeros((2, len(free.keys)))
        scores[:, at] = -_SCORE, _SCORE
        low, high = (_read(scenario, free, row, published, seed) for row in free.values(scores))
        if np.array_equal(low, high, equal_nan=True):
            untouched.append(key)
    if untouched:
        targets = ", ".join(label(key) for key in published.keys)
        raise RequestError(
            f"[[prior]] {', '.join(untouched)}: no target touches it: the counts by reinfusion and {targets} "
            "are the same at both ends of its prior, so its posterior would be its prior. Take its [[prior]] "
            "away, or add a target that it moves"
        )


def _read(scenario: Scenario, free: Free, values: Floats, published: Published, seed: int) -> Floats:
    read, counts = whole_trials(Points(scenario, free.keys, values[None, :], seed, 0), 0, published)
    return np.array([*counts, *read.estimates.values()])
