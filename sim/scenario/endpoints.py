"""The dictionary of endpoints: name, label, unit and definition of each, once, in ``data/endpoints.csv``.

How they are computed is in `sim.outcomes`; here they are named, so that scenario files can aim at them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sim.scenario.evidence import data_rows

Key: TypeAlias = tuple[str, float | None]
"""An endpoint's name, and the time in years at which it is read."""

Trial: TypeAlias = Literal["count", "kaplan_meier", "incidence", "mean", "clinic", "none"]
"""How a trial would report an endpoint; ``clinic`` is what a clinic knows of itself and no trial reports."""

UNREPORTED: tuple[Trial, ...] = ("clinic", "none")
"""What no paper on a trial tells."""

TREATMENT_DAYS = 100.0
"""Days after reinfusion up to which a death counts as treatment-related."""

WAY_YEARS = 100.0
"""Years from enrolment up to which the way through the clinic is followed, whatever horizon and data cut are.

A lifetime: who is still waiting then never gets through, and the exact twin has the same limit.
"""

LONG_WAIT_DAYS = 30.0

TIMES_YEARS = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint.

    ``kind`` is ``share`` for a fraction of patients and ``mean`` for an average; ``timed`` ones are read at
    `read_times`. ``trial`` says how a trial would report it: counted by the data cut, estimated by
    Kaplan-Meier or as a competing incidence, or not at all. ``queue`` is the place without whose scarcity
    an endpoint has nothing to tell: one of `QUEUES`, or empty. ``better`` says whether patients would
    want more of it or less; of what is neither good nor bad nothing.
    """

    name: str
    label: str
    unit: str
    kind: Literal["share", "mean"]
    timed: bool
    denominator: str
    trial: Trial
    queue: str
    better: Literal["more", "less", ""]
    definition: str


QUEUES = {"room": "", "slot": "slot_"}
"""How the names of what is told of each queue start; rooms are what patients wait for."""


def _declared(file: str) -> tuple[Endpoint, ...]:
    """Return the rows of a file of endpoints, in which days and years stand by name."""
    lengths = {
        "treatment_days": f"{TREATMENT_DAYS:g}", "way_years": f"{WAY_YEARS:g}",
        "long_wait_days": f"{LONG_WAIT_DAYS:g}",
    }  # fmt: skip
    cells: list[dict[str, Any]] = [
        {name: text.format(**lengths) for name, text in row.items()} for row in data_rows(file)
    ]
    return tuple(Endpoint(**{**row, "timed": row["timed"] == "yes"}) for row in cells)


ENDPOINTS = _declared("endpoints")
"""Every endpoint; who did not have to wait in a queue is counted there with a wait of none."""

BY_NAME = {endpoint.name: endpoint for endpoint in ENDPOINTS}

_OF_OWN_PATIENTS = {endpoint.name: endpoint for endpoint in _declared("own_endpoints")}

NEVER_TRANSPLANTED = "never_transplanted"
"""Why a figure says nothing about patients who are never to be transplanted."""

OF_TRANSPLANTS = (
    "pre_transplant_mortality", "still_waiting", "died_waiting", "slot_died_waiting",
    "disease_free_survival_enrolled",
)  # fmt: skip
"""What says nothing of a cohort at home: nobody there awaits a reinfusion, and who has never been in
remission is not free of disease, however long he lives."""

DENOMINATORS = tuple(dict.fromkeys(endpoint.denominator for endpoint in ENDPOINTS))
"""What endpoints are out of, each once."""


def read_times(endpoint: Endpoint, horizon_years: float) -> tuple[float | None, ...]:
    """Return the times in years at which an endpoint is read: those up to the horizon, and the horizon."""
    if not endpoint.timed:
        return (None,)
    times = [time for time in TIMES_YEARS if time <= horizon_years]
    return tuple(times) if horizon_years in times else (*times, horizon_years)


def keys(horizon_years: float) -> list[Key]:
    """Return every endpoint with every time at which it is read."""
    return [(endpoint.name, time) for endpoint in ENDPOINTS for time in read_times(endpoint, horizon_years)]


def endpoint_of(name: str) -> Endpoint:
    """Return an endpoint, or what is told of patients of one's own alone, who each have a last contact."""
    return BY_NAME.get(name) or _OF_OWN_PATIENTS[name]


def column(key: Key) -> str:
    """Return how a key is written in one word: ``name`` or ``name@years``."""
    name, time = key
    return name if time is None else f"{name}@{time:g}"


def key_of(text: str) -> Key:
    """Return the key that `column` wrote."""
    name, at, years = text.partition("@")
    return name, float(years) if at else None


def label(key: Key) -> str:
    """Return how a key is written for people."""
    name, time = key
    text = endpoint_of(name).label
    return text if time is None else f"{text}, {time:g} y"
