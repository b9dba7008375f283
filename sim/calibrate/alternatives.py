"""Other ways to see the same trial: how probable its figures make each, how far each moves the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sim.calibrate.importance import StudentProposal
from sim.calibrate.published import Published
from sim.calibrate.search import ENOUGH, Free, Search, Tell, find_posterior
from sim.outcomes.twin.expected import expected_before_reinfusion
from sim.scenario.load import load
from sim.scenario.priors import AS_IT_IS, Alternative
from sim.scenario.problems import RequestError
from sim.scenario.schema import Scenario
from sim.scenario.values import with_values
from sim.work.store import ChunkStore
from sim.work.task import Workers

MOST_POINTS = 4096


@dataclass(frozen=True)
class Seen:
    """The trial seen in one way."""

    name: str
    title: str
    scenario: Scenario
    search: Search


def seen_as(scenario: Scenario, alternative: Alternative) -> Scenario:
    """Return the scenario as an alternative sees it.

    Raises
    ------
    RequestError
        A value does not fit, or its targets' scenario is unknown.
    """
    try:
        seen = with_values(scenario, alternative.values)
        if alternative.scenario is None:
            return seen
        return seen.model_copy(update={"target": load(alternative.scenario).scenario.target})
    except RequestError as error:
        raise RequestError(f"[[alternative]] {alternative.name}: {error}") from None


def check_alternatives(scenario: Scenario) -> None:
    """Refuse alternatives that can't be looked at, before there is any work to lose.

    Raises
    ------
    RequestError
        A value does not fit, or its targets are not those of such a trial.
    """
    for alternative in scenario.alternative:
        seen = seen_as(scenario, alternative)
        try:
            Free.of(seen, alternative.fixed)
            Published.of(seen)
            expected_before_reinfusion(seen)
        except RequestError as error:
            raise RequestError(
                f"[[alternative]] {alternative.name}: {error} (in a file that inherits alternatives "
                "alternative = [] takes them all away)"
            ) from None


def find_alternatives(
    scenario: Scenario,
    main: Search,
    seed: int,
    workers: Workers,
    stores: Callable[[str], ChunkStore | None],
    tell: Tell | None = None,
) -> Iterator[Seen]:
    """Yield the trial as it is, and as every alternative sees it, each with its posterior.

    Alternatives are looked for where the trial as it is has its posterior, so that few points are enough.
    """
    yield Seen(AS_IT_IS, "as it is", scenario, main)
    for alternative in scenario.alternative:
        seen = seen_as(scenario, alternative)
        kept = [at for at, key in enumerate(main.free.keys) if key not in alternative.fixed]
        start = StudentProposal.fitted(main.sample.z[:, kept], main.sample.weights)
        search = find_posterior(
            seen,
            seed,
            workers,
            wanted_size=ENOUGH,
            most_points=MOST_POINTS,
            fixed=alternative.fixed,
            start=start,
            store=stores(f"alternative-{alternative.name}"),
            tell=tell,
        )
        yield Seen(alternative.name, alternative.title, seen, search)
