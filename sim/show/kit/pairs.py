"""What the figures of a comparison have in common."""

from __future__ import annotations

from sim.scenario.schema import Scenario
from sim.show.kit.posterior_words import FIRST_DRAW
from sim.work.results import Results


def scenarios_of(results: Results) -> dict[str, Scenario]:
    """Return the scenarios of a comparison by name, the reference first."""
    return {
        str(each["scenario"]): Scenario.model_validate(each["resolved"])
        for each in results.manifest["scenarios"]
    }


def endings(results: Results) -> dict[str, str]:
    """Return how the names of figures end, by the scenario compared; of a single one they have no ending."""
    names = [str(each["scenario"]) for each in results.manifest["scenarios"]][1:]
    plain = str.maketrans({" ": "_", "(": "", ")": ""})
    return {name: "" if len(names) == 1 else name.translate(plain) for name in names}


def pair_notes(results: Results, name: str, *, single: bool = False) -> list[str]:
    """Return what is noted under a figure of the reference and a scenario: cautions, and the draw."""
    scenarios, reference = scenarios_of(results), str(results.manifest["reference"])
    said = [*dict.fromkeys(filter(None, (scenarios[each].caution for each in (reference, name))))]
    return [FIRST_DRAW, *said] if single and results.draws else said
