"""The STRESS-DES checklist of a run: facts from the code's registries and the manifest; words in a template.

Monks T, Currie CSM, Onggo BS, Robinson S, Kunc M, Taylor SJE. Strengthening the reporting of empirical
simulation studies: introducing the STRESS guidelines. J Simulation 2019;13:55-67. The items are put in other
words here. What nobody wrote is listed as missing; nothing is made up to fill it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from sim.clinic.states import ENTRANCES, MOVES, RESOURCES, Cause, Place
from sim.outcomes.occupancy import READ_REPLICATIONS, is_limited
from sim.patient.streams import Stream
from sim.scenario.capacities import capacity_text
from sim.scenario.endpoints import ENDPOINTS
from sim.scenario.evidence import all_evidence, ids_in, is_assumed
from sim.scenario.schema import PoissonArrivals, Scenario
from sim.show.kit.formats import format_parameter
from sim.show.kit.prose import Item, items
from sim.show.kit.scenario_words import replication

REFERENCE = "Monks T et al. J Simulation 2019;13:55-67. doi:10.1080/17477778.2018.1442155"
_DURATIONS = {
    Place.MOBILISING: "mobilisation.duration",
    Place.HARVESTING: "harvest.",
    Place.RECOVERING: "recovery.",
    Place.IMMUNOABLATION: "immunoablation.duration",
    Place.APLASIA: "aplasia.duration",
    Place.RECOVERING_IN_HOSPITAL: "aplasia.discharge",
}
"""Where parameters that are days spent in a place begin."""


def checklist(scenario: Scenario, manifest: Mapping[str, Any]) -> list[Item]:
    """Return all items with their answers."""
    rows = {str(row["key"]): row for row in manifest["parameters"]}
    named = [all_evidence()[name] for name in evidence_in_use(manifest["parameters"], scenario)]
    clinic, about = scenario.clinic, metadata.metadata("lupus-hsct")
    warm_up = rows.get("arrivals.warm_up_days")
    return items(
        "checklist",
        scenario=scenario,
        manifest=manifest,
        words=replication(scenario),
        endpoints=len(ENDPOINTS),
        limited=is_limited(scenario),
        read_replications=READ_REPLICATIONS,
        based_on=manifest["chain"][1:],
        changed=[key for key, row in rows.items() if sets_it(row)],
        moves={_words(here): [*map(_words, there)] for here, there in MOVES.items()},
        durations={_words(place): _days_in(place, rows) for place in MOVES},
        causes=[cause.name.lower() for cause in Cause],
        streams=[stream.value for stream in Stream],
        resources={name: [*map(_words, places)] for name, places in RESOURCES.items()},
        capacities={
            "apheresis slot": capacity_text(clinic.apheresis_slots),
            "isolation room": capacity_text(clinic.isolation_rooms),
        },
        turnaround=format_parameter(rows["clinic.room_turnaround_days"]["value"]),
        arrivals=scenario.arrivals,
        poisson=isinstance(scenario.arrivals, PoissonArrivals),
        entrance=_words(ENTRANCES[scenario.cohort.enters_at]),
        unsure=[each.id for each in named if each.status in ("unverified", "not found")],
        derived=[each for each in named if each.status == "derived"],
        assumed=[key for key, row in rows.items() if row["status"] == "assumption"],
        tuned=[key for key, row in rows.items() if row["status"] == "solved" or "tuned" in row["source"]],
        in_part=[key for key, row in rows.items() if _is_evidence_in_part(row)],
        assumed_targets=[target for target in scenario.shown_targets if is_assumed(target.source)],
        warm_up_source="" if warm_up is None else warm_up["source"],
        licences=about.get_all("License-Expression") or [],
        addresses=about.get_all("Project-URL") or [],
    )


def _is_evidence_in_part(row: Mapping[str, Any]) -> bool:
    return row["status"] == "evidence" and "assumption" in str(row["source"])


def sets_it(row: Mapping[str, Any]) -> bool:
    """Tell whether the scenario itself, or the command line, sets a parameter; others are inherited."""
    origin = str(row["inherited_from"])
    return origin == "" or origin.startswith("overrides ")


def _days_in(place: Place, rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        f"{key}: {format_parameter(row['value'])}"
        for key, row in rows.items()
        if place in _DURATIONS and key.startswith(_DURATIONS[place]) and row["unit"] == "days"
    ]


def _words(place: Place) -> str:
    return place.value.replace("_", " ")


def evidence_in_use(rows: Sequence[Mapping[str, Any]], scenario: Scenario) -> list[str]:
    """Return the ids of the evidence that parameters, targets and ranges name, in order, each once."""
    texts = [str(row["source"]) for row in rows]
    texts += [target.source for target in scenario.shown_targets] + [shown.source for shown in scenario.range]
    found = dict.fromkeys(name for text in texts for name in ids_in(text))
    return [name for name in sorted(found) if name in all_evidence()]
