"""The posterior by simulation alone: of virtual trials under the priors, those that report it all are kept.

It needs no exact twin, so it holds where queues bind too, and it is a check of the posterior that does.
"""

from __future__ import annotations

import numpy as np

from sim.calibrate.importance import PriorProposal, Sample
from sim.calibrate.published import Published
from sim.calibrate.search import Free, Search, Tell, no_mass, warn_of_size
from sim.calibrate.virtual_trials import Points, read_points, read_whole_trials
from sim.patient.luck import BLOCK
from sim.scenario.schema import Scenario
from sim.work.store import ChunkStore
from sim.work.workers import Workers

_APART = 1 << 40  # numbers of points, so that no other search has the same luck


def simulate_posterior(
    scenario: Scenario,
    trials: int,
    seed: int,
    workers: Workers,
    store: ChunkStore | None = None,
    tell: Tell | None = None,
) -> tuple[Search, int]:
    """Keep the virtual trials that report all that the trial reported.

    A block of trials shares a parameter point, so draws are points, each with the weight of the trials kept
    of it over those whose estimates are defined.

    Parameters
    ----------
    trials
        Virtual trials to simulate, rounded up to whole blocks.

    Returns
    -------
    Search, int
        Its sample's weights are 0 where no trial was kept; and how many trials were kept.

    Raises
    ------
    RequestError
        None was kept.
    """
    free, published = Free.of(scenario), Published.of(scenario)
    count = -(-trials // BLOCK)
    z = PriorProposal(len(free.keys)).draw(count, seed)
    points = Points(scenario, free.keys, free.values(z), seed, _APART)
    told = None if tell is None else lambda done: tell(done, count)
    found = read_points(read_whole_trials, points, (published,), workers, store, told)
    alike, defined = found["alike"], np.maximum(found["defined"], 1)
    kept = int(alike.sum())
    if not kept:
        raise no_mass(free, published, found["survival"], found["defined"])
    weights = alike / defined
    mean = float(weights.mean())
    error = float(weights.std()) / mean / np.sqrt(count)
    sample = Sample(z, weights / weights.sum(), (count,), float(np.log(mean)), error)
    warn_of_size(sample)
    none = np.full(count, np.nan)
    return Search(free, published, sample, count * BLOCK, found["survival"], none, alike / BLOCK), kept
