"""The STRESS-DES checklist, filled from the code's registries and a run's manifest.

Monks T, Currie CSM, Onggo BS, Robinson S, Kunc M, Taylor SJE. Strengthening the reporting of empirical
simulation studies: introducing the STRESS guidelines. J Simulation 2019;13:55-67. The items are put in other
words here. What nobody wrote is listed as missing; nothing is made up to fill it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal, TypeAlias

from sim.clinic.states import ENTRANCES, MOVES, RESOURCES, Cause, Place
from sim.outcomes.occupancy import READ_REPLICATIONS, is_limited
from sim.patient.streams import Stream
from sim.scenario.endpoints import ENDPOINTS
from sim.scenario.evidence import all_evidence, ids_in, is_assumed
from sim.scenario.schema import PoissonArrivals, Scenario
from sim.show.kit.formats import format_parameter
from sim.show.kit.scenario_words import replication

REFERENCE = "Monks T et al. J Simulation 2019;13:55-67. doi:10.1080/17477778.2018.1442155"

LEFT_OUT = (
    "Left out of the model: graft failure (the conditioning spares the marrow), response to the mobilising "
    "drug, second remission after relapse, gonadal failure, second cancer, secondary autoimmune disease. "
    "Bleeding, antiphospholipid and cardiac deaths are part of toxicity; viral and mould infections are "
    "part of late infection. Not to be read beyond 10 years."
)

_HAZARD = "\N{MINUS SIGN}ln(1\N{NO-BREAK SPACE}\N{MINUS SIGN}\N{NO-BREAK SPACE}q)"

Status: TypeAlias = Literal["answered", "in part", "unanswered"]


@dataclass(frozen=True, slots=True)
class Said:
    """A paragraph of an answer; ``see`` is the id of a section of the page that holds the rest."""

    text: str
    see: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """What an item asks for and nobody wrote."""

    text: str


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the checklist with its answer."""

    number: str
    title: str
    asks: str
    said: tuple[Said, ...]
    missing: tuple[Missing, ...]

    @property
    def status(self) -> Status:
        """Whether the item is answered."""
        if not self.said:
            return "unanswered"
        return "in part" if self.missing else "answered"


@dataclass(frozen=True, slots=True)
class Facts:
    """What answers rest on: the scenario, and the manifest of its run."""

    scenario: Scenario
    manifest: Mapping[str, Any]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row a parameter, as in the manifest."""
        return list(self.manifest["parameters"])

    @property
    def changed(self) -> list[dict[str, Any]]:
        """The parameters that the scenario itself sets."""
        return [row for row in self.rows if sets_it(row)]


def sets_it(row: Mapping[str, Any]) -> bool:
    """Tell whether the scenario itself, or the command line, sets a parameter; others are inherited."""
    origin = str(row["inherited_from"])
    return origin == "" or origin.startswith("overrides ")


Parts: TypeAlias = Iterator[Said | Missing]


def checklist(facts: Facts) -> list[Item]:
    """Return all items with their answers."""
    items = []
    for number, title, asks, answer in _ITEMS:
        parts = list(answer(facts))
        said = tuple(part for part in parts if isinstance(part, Said))
        missing = tuple(part for part in parts if isinstance(part, Missing))
        items.append(Item(number, title, asks, said, missing))
    return items


def _purpose(facts: Facts) -> Parts:
    if facts.scenario.purpose:
        yield Said(facts.scenario.purpose)
    else:
        yield Missing("The scenario file states no purpose.")
    if facts.scenario.caution:
        yield Said(facts.scenario.caution)


def _outputs(facts: Facts) -> Parts:
    words = replication(facts.scenario)
    yield Said(f"{len(ENDPOINTS)} endpoints, each with its definition and denominator.", "endpoints")
    yield Said(
        "Estimates are ratios of sums over replications, from histories without censoring. Their Monte "
        "Carlo error is that of a ratio estimator over replications; shares get Wilson's interval at the "
        f"effective number that it implies. The range of one {words.what} is the 2.5% to 97.5% range of "
        f"what single {words.virtual} report {words.when.replace('its', 'their')}."
    )
    limited = is_limited(facts.scenario)
    if limited:
        yield Said(f"Occupancy is read day by day over the first {READ_REPLICATIONS:,} replications.")


def _aims(facts: Facts) -> Parts:
    scenario, chain = facts.scenario, facts.manifest["chain"]
    base = f", based on {', '.join(chain[1:])}" if len(chain) > 1 else ", which is its own base"
    yield Said(f"Scenario: {facts.manifest['scenario']}{base}. {scenario.title}")
    for shown in scenario.range:
        values = ", ".join(f"{value:g}" for value in shown.values)
        yield Said(f"Shown over a range: {shown.key} = {values} ({shown.source}).")
    if scenario.calibration.solve:
        targets = "; ".join(
            f"{target.endpoint} = {target.value:.4g} ({target.source})" for target in scenario.fitted_targets
        )
        solved = ", ".join(scenario.calibration.solve)
        how = f"by least squares on the exact twin until these targets are met: {targets}"
        yield Said(f"Calibrated: {solved}, {how if targets else 'for its base, not anew'}.")


def _diagram(_facts: Facts) -> Parts:
    yield Said("The diagram is drawn from the registry of places that both simulators use.", "pathway")


def _logic(_facts: Facts) -> Parts:
    moves = "; ".join(
        f"{_words(here)} to {' or '.join(map(_words, there))}" for here, there in MOVES.items() if there
    )
    yield Said(f"Moves between places: {moves}. Death and the end of follow-up can come in any place.")
    causes = ", ".join(cause.name.lower() for cause in Cause)
    yield Said(
        f"Causes of death, in the order that counts at equal times: {causes}. Each is a latent time, and "
        "the earliest wins. Disease is active, then in remission from engraftment in responders, then "
        "relapsed; a hazard is spent from one budget for life, at the rate of the present status."
    )


def _scenario_logic(facts: Facts) -> Parts:
    chain, changed = facts.manifest["chain"], facts.changed
    if len(chain) > 1:
        names = ", ".join(row["key"] for row in changed) or "no parameter"
        yield Said(f"It differs from {chain[1]} in values only, not in logic: {names}.", "scenario")
    else:
        yield Said("This is a base case: it sets what has no default.", "scenario")


def _algorithms(facts: Facts) -> Parts:
    relapse = facts.scenario.relapse
    yield Said(
        "Queues are first come, first served. Harvest goes on, one session a day, until the target before "
        "selection or the most sessions; short of the target marrow is harvested. A patient with an "
        "infection in mobilisation is postponed. Discharge comes at the later of engraftment with its "
        "delay and the end of an infection."
    )
    yield Said(
        f"Relapse: {relapse.dist}, shape {relapse.shape:g}, from day {relapse.start_day:g} after "
        f"reinfusion. Background mortality: {_HAZARD} of the life table at the attained age, times the "
        "standardised mortality ratio."
    )


def _entities(_facts: Facts) -> Parts:
    yield Said(
        "Patients. Each has an age, a sex, a place, a disease status and a fate, everything that is drawn "
        f"for it in advance, from {len(Stream)} named streams: "
        f"{', '.join(stream.value for stream in Stream)}."
    )


def _activities(facts: Facts) -> Parts:
    for place, there in MOVES.items():
        onwards = f"then {' or '.join(map(_words, there))}" if there else "the last place"
        values = "; ".join(
            f"{row['key']}: {format_parameter(row['value'])}"
            for row in facts.rows
            if _is_duration(row, place)
        )
        yield Said(f"{_words(place).capitalize()}: {onwards}{f'. {values}' if values else ''}.")


def _is_duration(row: Mapping[str, Any], place: Place) -> bool:
    table = {
        Place.MOBILISING: "mobilisation.duration",
        Place.HARVESTING: "harvest.",
        Place.RECOVERING: "recovery.",
        Place.IMMUNOABLATION: "immunoablation.duration",
        Place.APLASIA: "aplasia.duration",
        Place.RECOVERING_IN_HOSPITAL: "aplasia.discharge",
    }.get(place)
    return table is not None and str(row["key"]).startswith(table) and row["unit"] == "days"


def _resources(facts: Facts) -> Parts:
    clinic = facts.scenario.clinic
    capacities = {"apheresis slot": clinic.apheresis_slots, "isolation room": clinic.isolation_rooms}
    for resource, places in RESOURCES.items():
        yield Said(
            f"{resource.capitalize()}s: {capacities[resource]}; held in {', '.join(map(_words, places))}."
        )
    turnaround = next(row for row in facts.rows if row["key"] == "clinic.room_turnaround_days")
    yield Said(f"After a stay a room is prepared; days: {format_parameter(turnaround['value'])}.")


def _queues(_facts: Facts) -> Parts:
    yield Said(
        "One queue for apheresis slots and one for isolation rooms, both first come, first served, without "
        "limit. Whoever dies leaves the queue; nobody balks or jumps it. At equal times: death, then the "
        "end of a stay and release, then entry to a queue, then grant, in order of the patients' numbers."
    )


def _entry(facts: Facts) -> Parts:
    scenario = facts.scenario
    arrivals = scenario.arrivals
    if isinstance(arrivals, PoissonArrivals):
        yield Said(f"Arrivals: Poisson, {arrivals.per_year:g} a year, as sums of exponential gaps.")
    else:
        yield Said(
            f"Arrivals: {scenario.cohort.patients} patients, each at window x u^(1/power) with window "
            f"{arrivals.window_days:g} days and power {arrivals.power:.4g}."
        )
    entrance = ENTRANCES[scenario.cohort.enters_at]
    yield Said(f"Entry: {_words(entrance)}. Exits: death, or the end of follow-up.")


def _sources(facts: Facts) -> Parts:
    yield Said(
        "Every published figure in use, with population, number of patients and reference.", "evidence"
    )
    named = _evidence(facts)
    unsure = [name for name in named if all_evidence()[name].status in ("unverified", "not found")]
    if unsure:
        yield Missing(f"Not verified, or not found, in the sources: {', '.join(unsure)}.")


def _preprocessing(facts: Facts) -> Parts:
    derived = [all_evidence()[name] for name in _evidence(facts)]
    found = [each for each in derived if each.status == "derived"]
    for each in found:
        yield Said(f"{each.id}, {each.quantity}, is derived: {each.note or each.reference}")
    yield Missing("Whether other figures were processed before use is not recorded.")


def _inputs(facts: Facts) -> Parts:
    yield Said(f"{len(facts.rows)} parameters with value, distribution, unit and source.", "scenario")
    posterior = facts.manifest["posterior"]
    if posterior is not None:
        held = (
            f"; held at the scenario's own value: {', '.join(posterior['held'])}" if posterior["held"] else ""
        )
        yield Said(
            f"Parameters drawn jointly from the posterior of a calibration ({posterior['file']}, SHA-256 "
            f"{posterior['sha256']}): {', '.join(posterior['free'])}{held}. The posterior's 95% interval of "
            "a figure is that of its estimates under single draws, less their own Monte Carlo error."
        )
    yield Missing("Why each family of distributions was preferred to others is not recorded.")


def _assumptions(facts: Facts) -> Parts:
    assumed = [row for row in facts.rows if row["status"] == "assumption"]
    names = ", ".join(str(row["key"]) for row in assumed)
    if assumed:
        yield Said(f"{len(assumed)} of {len(facts.rows)} values are assumptions: {names}.", "scenario")
    for target in facts.scenario.target:
        if is_assumed(target.source):
            yield Said(f"Assumed target: {target.endpoint} = {target.value:g} ({target.source}).")
    yield Said(LEFT_OUT)


def _initialisation(facts: Facts) -> Parts:
    arrivals = facts.scenario.arrivals
    yield Said(
        "Terminating. The clinic opens empty, and a replication ends when its last patient's follow-up does."
    )
    if isinstance(arrivals, PoissonArrivals) and arrivals.warm_up_days > 0:
        yield Said(f"Warm-up: {arrivals.warm_up_days:g} days; patients who enrol within it are not counted.")
        source = next(row["source"] for row in facts.rows if row["key"] == "arrivals.warm_up_days")
        yield Missing(f"How the warm-up was chosen: its source says only '{source}'.")
    else:
        yield Said("No warm-up: a trial starts with its first patient.")


def _run_length(facts: Facts) -> Parts:
    follow_up = facts.scenario.follow_up
    cut = follow_up.data_cut_days
    until = "no data cut" if cut == "none" else f"data cut on day {cut:g} from study opening"
    yield Said(
        f"Each patient is followed for {follow_up.horizon_years:g} years, or to the cut if later; {until}."
    )
    yield Said("Unit of time: days; a year is 365.25 days.")


def _estimation(facts: Facts) -> Parts:
    manifest = facts.manifest
    under = ""
    if manifest["draws"] is not None:
        under = f", spread over {manifest['draws']:,} draws of a posterior, each with luck of its own"
    yield Said(f"{manifest['replications']:,} independent replications under seed {manifest['seed']}{under}.")
    if manifest["precision"]:
        yield Said(f"Replicated until precise: {manifest['precision']}.")
    else:
        yield Missing(
            "Why this number of replications: none was asked for by precision. See the convergence figure."
        )


def _software(facts: Facts) -> Parts:
    versions = ", ".join(
        f"{name} {version}" for name, version in facts.manifest["software"].items() if version
    )
    yield Said(f"{versions}.")
    yield Said("The operating system is in timings.json, apart from all that is the same in identical runs.")


def _sampling(_facts: Facts) -> Parts:
    yield Said(
        "Philox, a counter-based generator of NumPy, in streams addressed by name: each number is a pure "
        "function of seed, stream, patient, replication and occurrence. Scenarios under one seed share all "
        "luck (common random numbers), patient by patient. Durations come by the inverse distribution "
        "function."
    )


def _execution(facts: Facts) -> Parts:
    engine = facts.manifest["engine"]
    how = {
        "simpy": "SimPy, process interaction: one process a patient",
        "arrays": "arrays, patients in order of arrival at each station, with the same histories to the "
        "bit as SimPy's",
    }
    yield Said(f"Simulator: {how.get(engine, engine)}. Ties are decided as under queues.")
    yield Said(
        "Chunks of replications run in parallel processes; results do not depend on how many there are."
    )


def _system(_facts: Facts) -> Parts:
    yield Said(
        "Run time, processors and machine are in timings.json of the run folder, and not on this page, so "
        "that identical runs give identical pages."
    )
    yield Missing("Memory and model of the processor are not recorded.")


def _code(facts: Facts) -> Parts:
    own = facts.manifest["software"]
    commit = f", commit {own['commit']}" if own.get("commit") else ""
    about = metadata.metadata("lupus-hsct")
    licence = ", ".join(about.get_all("License-Expression") or ["not stated"])
    yield Said(f"lupus-hsct {own['lupus-hsct']}{commit}; licence {licence}.")
    yield Said("To run it again: the resolved scenario, the seed and all versions are in manifest.json.")
    addresses = about.get_all("Project-URL") or []
    if addresses:
        yield Said("; ".join(addresses))
    else:
        yield Missing("Where the code can be obtained: the package names no address.")


def _words(place: Place) -> str:
    return place.value.replace("_", " ")


def _evidence(facts: Facts) -> list[str]:
    return evidence_in_use(facts.rows, facts.scenario)


def evidence_in_use(rows: list[dict[str, Any]], scenario: Scenario) -> list[str]:
    """Return the ids of the evidence that parameters, targets and ranges name, in order, each once."""
    texts = [str(row["source"]) for row in rows]
    texts += [target.source for target in scenario.target] + [shown.source for shown in scenario.range]
    found = dict.fromkeys(name for text in texts for name in ids_in(text))
    return [name for name in sorted(found) if name in all_evidence()]


_ITEMS: tuple[tuple[str, str, str, Callable[[Facts], Parts]], ...] = (
    ("1.1", "Purpose", "What the model is for, and the background to it.", _purpose),
    ("1.2", "Outputs", "Every performance measure, how it is computed, and its error.", _outputs),
    ("1.3", "Aims of experiments", "Scenarios and why; designs; what is optimised, and how.", _aims),
    ("2.1", "Diagram", "A picture of the base model.", _diagram),
    ("2.2", "Logic of the base model", "Enough to understand how it works.", _logic),
    ("2.3", "Logic of scenarios", "How scenarios differ from the base in their logic.", _scenario_logic),
    ("2.4", "Algorithms", "Rules that stand for what people or machines do.", _algorithms),
    ("2.5.1", "Entities", "Who or what moves through the model, with all attributes.", _entities),
    ("2.5.2", "Activities", "What entities do, where they come from, where they go on to.", _activities),
    ("2.5.3", "Resources", "All resources, and which activities use them.", _resources),
    ("2.5.4", "Queues", "Discipline and limits of each queue; who leaves it early.", _queues),
    ("2.5.5", "Entry and exit", "How entities arrive, and all ways out.", _entry),
    ("3.1", "Sources of data", "All of them, with size, dates and use.", _sources),
    ("3.2", "Preprocessing", "What was done to data before use.", _preprocessing),
    ("3.3", "Inputs", "All parameters and distributions, and how these were chosen.", _inputs),
    ("3.4", "Assumptions", "What stands in for data or knowledge that there is not.", _assumptions),
    ("4.1", "Initial state", "Terminating or not; warm-up and how it was chosen.", _initialisation),
    ("4.2", "Run length", "How long a run is, in which unit.", _run_length),
    ("4.3", "Estimation", "Replications or batches, how many, and why.", _estimation),
    ("5.1", "Software", "Operating system, languages, libraries, with versions.", _software),
    ("5.2", "Random numbers", "The generator, and how streams and seeds are shared out.", _sampling),
    ("5.3", "Execution", "How events are processed; priorities; parallel computing.", _execution),
    ("5.4", "System", "Run time and hardware.", _system),
    ("6.1", "Code", "How to get the model and all that is needed to reproduce results.", _code),
)  # fmt: skip
"""Number, title, what it asks for, and the answer."""
