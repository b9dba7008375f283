"""A scenario's endpoints in a line, for tests that need nothing else of a run."""

from __future__ import annotations

import pandas as pd

from sim.scenario.schema import Scenario
from sim.study.budget import DEFAULT_REPLICATIONS, DEFAULT_SEED, Budget, Engine
from sim.study.experiment import Experiment
from sim.study.montecarlo import choose_simulator, simulate


def estimate(
    scenario: Scenario,
    replications: int = DEFAULT_REPLICATIONS,
    seed: int = DEFAULT_SEED,
    engine: Engine = "auto",
) -> pd.DataFrame:
    """Run a scenario in memory and return its endpoints, with the columns of ``endpoints.csv``.

    Whether the figures can bear their weight is for `warn_of_weak_figures` to say.

    Raises
    ------
    RequestError
        Fewer than one replication, or a seed out of range.
    """
    budget = Budget(replications, seed, engine=engine)
    simulator, _ = choose_simulator([scenario], budget)
    (tally,) = simulate([Experiment((scenario,), seed, simulator)], budget)
    return tally.arms[0].endpoints()
