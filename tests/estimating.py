"""What tests need of a study in a line: a scenario's endpoints, those of histories, a posterior's file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from sim.clinic.history import History
from sim.outcomes.endpoints import EndpointReading, Sums, View
from sim.scenario.endpoints import Key
from sim.scenario.schema import Scenario
from sim.study.budget import DEFAULT_REPLICATIONS, DEFAULT_SEED, Budget, Engine
from sim.study.experiment import Experiment
from sim.study.montecarlo import choose_simulator, simulate
from sim.study.posterior import Posterior, posterior_table


def read_endpoints(history: History, scenario: Scenario) -> dict[Key, EndpointReading]:
    """Read every endpoint off the histories of some replications."""
    sums = Sums()
    for some in history.tiles():
        sums.add(View(some, scenario))
    return sums.readings(scenario)


def write_posterior(posterior: Posterior, point: Sequence[float], path: Path) -> None:
    """Write a posterior by itself, as `lupus-hsct calibrate` does."""
    posterior_table(posterior, point).to_csv(path, index=False, lineterminator="\n", float_format="%.10g")


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
