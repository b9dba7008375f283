"""A run held against what is known without it: closed forms, the exact twin, and certain extremes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from sim.outcomes.occupancy import is_limited
from sim.outcomes.one_trial import FAILURES, Patients
from sim.outcomes.queue_laws import plain_queue
from sim.outcomes.twin.expected import expected, expected_from_enrolment
from sim.scenario.endpoints import BY_NAME, Key, label
from sim.scenario.schema import PoissonArrivals, Scenario
from sim.scenario.values import with_values
from sim.study.checks import FEWEST_REPLICATIONS, ROUNDING, Check
from sim.study.estimates import Z95
from sim.study.montecarlo import estimate, replicate

_FEWEST_EVENTS = 5
_NEVER_DAYS = 1e6
_EXTREME_REPLICATIONS = 20
_FREE_REPLICATIONS = 256
_RELAXATIONS = 5.0
_MANY_PLACES = 10_000
_SERIES = {
    "slot_queue": "Patients queueing for apheresis",
    "slots_in_use": "Apheresis slots in use",
    "room_queue": "Patients queueing for a room",
    "rooms_in_use": "Isolation rooms in use",
}


def verify(
    scenario: Scenario,
    seed: int,
    endpoints: pd.DataFrame,
    replications: pd.DataFrame,
    patients: pd.DataFrame | None,
    littles_law: pd.DataFrame | None = None,
) -> list[Check]:
    """Check a run's figures.

    Parameters
    ----------
    scenario, seed
        Those of the run.
    endpoints, replications, patients
        Its tables; closed forms about patients are left out without patients.
    littles_law
        The table of ``littles_law.csv``, where places are limited.

    Notes
    -----
    Where few replications or few patients stand behind a figure its error is a guess, and the comparison is
    left out. The error of a share is at least that of the expected share among as many patients, so that a
    rare event which came up too seldom does not make its own error small.
    """
    found = list(_closed_forms(scenario, endpoints, replications, patients))
    if littles_law is not None:
        found += _littles_law(littles_law)
    if len(replications) >= FEWEST_REPLICATIONS:
        found += _queue_laws(scenario, endpoints)
        found += [] if is_limited(scenario) else _twin(scenario, endpoints)
    if is_limited(scenario):
        found += _without_limits(scenario, seed)
    found += _extremes(scenario, seed)
    return found


def _littles_law(table: pd.DataFrame) -> Iterator[Check]:
    """Yield for each queue and station the number counted there, against rate times mean time."""
    for row in table[table["replications"] >= FEWEST_REPLICATIONS].itertuples():
        what = f"{_SERIES[str(row.series)]}, mean number: {row.per_day:.4g} a day, {row.days:.4g} days each"
        yield Check("Little's law", what, float(row.expected), float(row.counted), float(row.mc_se))


def _queue_laws(scenario: Scenario, endpoints: pd.DataFrame) -> Iterator[Check]:
    """Yield what queueing theory knows of a scenario that is a plain queue, open for long enough."""
    queue = plain_queue(scenario)
    if queue is None or not isinstance(scenario.arrivals, PoissonArrivals):
        return
    if scenario.arrivals.warm_up_days < _RELAXATIONS * queue.relaxation_days:
        return
    for name, value in queue.laws().items():
        (row,) = endpoints[endpoints["endpoint"] == name].itertuples()
        what = f"{queue.name}: {label((name, None)).lower()}"
        yield Check("closed form", what, value, float(row.estimate), _error(row, value))


def _without_limits(scenario: Scenario, seed: int) -> Iterator[Check]:
    """Yield the twin's figures of the scenario with places for everybody, from a small run of that."""
    free = with_values(
        _small(scenario), {"clinic.apheresis_slots": "unlimited", "clinic.isolation_rooms": "unlimited"}
    )
    for check in _twin(free, estimate(free, _FREE_REPLICATIONS, seed, "arrays")):
        yield replace(check, what=f"Places for everybody: {check.what}")


def _twin(scenario: Scenario, endpoints: pd.DataFrame) -> Iterator[Check]:
    """Yield every endpoint that the exact twin knows, of a scenario in which no queue may bind."""
    values: dict[Key, float] = {**expected(scenario), **expected_from_enrolment(scenario)}
    for row in endpoints.itertuples():
        key = (str(row.endpoint), None if math.isnan(row.time_years) else float(row.time_years))
        if key in values and not math.isnan(row.estimate):
            error = _error(row, values[key])
            yield Check("exact twin", label(key), values[key], float(row.estimate), error)


def _error(row: Any, chance: float) -> float:
    """Return the standard error of an endpoint, of a share no less than if the expected share were true."""
    error = float(row.mc_se)
    if BY_NAME[str(row.endpoint)].kind != "share":
        return error
    spread = row.estimate * (1 - row.estimate)
    if error > 0 and spread > 0:
        size = spread / error**2
    else:  # nobody or everybody: the width of Wilson's interval is z^2 / (n + z^2)
        size = Z95**2 / (row.mc_upper - row.mc_lower) - Z95**2
    return max(error, math.sqrt(max(chance * (1 - chance), 0.0) / size)) if size > 0 else error


def _closed_forms(
    scenario: Scenario, endpoints: pd.DataFrame, replications: pd.DataFrame, patients: pd.DataFrame | None
) -> Iterator[Check]:
    rows = {(row.endpoint, row.time_years): row.estimate for row in endpoints.itertuples()}
    times = sorted({time for name, time in rows if name == "disease_free_survival"})
    for time in times[-1:]:
        parts = [rows[name, time] for name in ("disease_free_survival", *FAILURES)]
        if not np.isnan(parts).any():
            what = f"Disease-free, relapsed, without response and dead without relapse together, {time:g} y"
            yield Check("closed form", what, 1.0, float(np.sum(parts)), 0.0)
    arrivals = scenario.arrivals
    if isinstance(arrivals, PoissonArrivals):
        mean = arrivals.per_year * arrivals.years
        what = "Patients who come after the warm-up, per replication: rate x time"
        counts = replications["n_enrolled"]
        if mean * len(counts) >= _FEWEST_EVENTS:
            yield Check("closed form", what, mean, float(counts.mean()), math.sqrt(mean / len(counts)))
    if patients is not None and len(patients):
        yield from _about_patients(Patients(patients, scenario))


def _about_patients(patients: Patients) -> Iterator[Check]:
    """Yield shares of independent patients, whose errors are binomial."""
    scenario, size = patients.scenario, len(patients)
    if size == 0:
        return

    def share(what: str, chance: float, got: Any) -> Iterator[Check]:
        rarer = min(chance, 1 - chance)
        if rarer == 0 or rarer * size >= _FEWEST_EVENTS:
            error = math.sqrt(chance * (1 - chance) / size)
            yield Check("closed form", what, chance, float(np.mean(got)), error)

    yield from share("Share of women", scenario.cohort.female, patients.rows["female"])
    ages, middle = scenario.cohort.age_years, np.array([0.5])
    median = ages.quantile(middle)
    chance = float(ages.cdf(median)[0])
    # A share of a continuous law: the median itself is drawn by nobody.
    yield from share(
        f"Share not older than the median age, {median[0]:.3g} years",
        chance,
        patients.rows["age_years"].to_numpy() <= median[0] + ROUNDING,
    )
    arrivals = scenario.arrivals
    if not isinstance(arrivals, PoissonArrivals) and arrivals.window_days > 0:
        half = arrivals.window_days / 2
        what = f"Share enrolled in the first half of the window, {half:.4g} days: 0.5^power"
        yield from share(what, 0.5**arrivals.power, patients.enrolled <= half)


def _extremes(scenario: Scenario, seed: int) -> Iterator[Check]:
    """Yield small runs of the scenario with one thing pushed so far that the answer is certain."""
    scenario = _small(scenario)
    horizon = scenario.follow_up.horizon_years
    first = min(0.5, horizon)
    safe = {
        "active_disease.hazard_per_year": 0.0,
        "mobilisation.infection.case_fatality": 0.0,
        "aplasia.infection.case_fatality": 0.0,
        "immunoablation.toxicity_per_day": 0.0,
        "background.life_table": "none",
        "background.extra_per_year.remission": 0.0,
        "background.extra_per_year.relapsed": 0.0,
    }
    # Aplasia takes its time, so that what acts in it acts.
    deadly = {"active_disease.hazard_per_year": 1e9, "aplasia.duration_days": 30.0}
    cases: list[tuple[str, dict[str, Any], Key, float]] = [
        ("No hazard of death", safe, ("overall_survival_enrolled", horizon), 1.0),
        ("Lupus kills at once", deadly, ("overall_survival_enrolled", first), 0.0),
    ]
    if scenario.cohort.enters_at != "home":
        infected = {
            **safe,
            "aplasia.infection.hazard_per_day": 1e6,
            "aplasia.infection.case_fatality": 1.0,
            "aplasia.infection.days_to_death": 0.0,
            "aplasia.duration_days": 30.0,
        }
        late = {"relapse.start_day": _NEVER_DAYS}
        cases += [
            ("Every transplant ends in a fatal infection", infected, ("overall_survival", first), 0.0),
            ("No relapse before the horizon", late, ("relapse_incidence", horizon), 0.0),
        ]
        cases += _without_queues(scenario)
    if scenario.cohort.enters_at == "mobilisation":
        failing = {
            **safe,
            "harvest.duration_days": "by_sessions",
            "harvest.target_million_per_kg": 1e6,
            "harvest.marrow.failure": 1.0,
        }
        cases.append(("Every harvest fails", failing, ("harvest_failure", None), 1.0))
    if is_limited(scenario):
        yield from _enough_places(scenario, seed)
    for what, changes, key, certain in cases:
        got = _in_memory(with_values(scenario, changes), seed, key)
        if not math.isnan(got):  # else nobody gets there in this scenario
            yield Check("extreme", f"{what}: {label(key)}", certain, got, 0.0)


def _without_queues(scenario: Scenario) -> Iterator[tuple[str, dict[str, Any], Key, float]]:
    wait: Key = ("room_wait_days", None)
    yield "Rooms without limit", {"clinic.isolation_rooms": "unlimited"}, wait, 0.0
    if not is_limited(scenario):
        return
    at_once = {
        "immunoablation.duration_days": 0.0,
        "aplasia.duration_days": 0.0,
        "aplasia.discharge_delay_days": 0.0,
        "aplasia.infection.hazard_per_day": 0.0,
        "clinic.room_turnaround_days": 0.0,
    }
    yield "Stays that take no time", at_once, wait, 0.0


def _enough_places(scenario: Scenario, seed: int) -> Iterator[Check]:
    """Yield a figure with very many places against the same without any limit: patient by patient equal."""
    key: Key = ("restricted_mean_survival_enrolled", None)
    without, many = (
        _in_memory(
            with_values(scenario, {"clinic.apheresis_slots": size, "clinic.isolation_rooms": size}), seed, key
        )
        for size in ("unlimited", _MANY_PLACES)
    )
    yield Check("extreme", f"{_MANY_PLACES:,} places against no limit: {label(key)}", without, many, 0.0)


def _in_memory(scenario: Scenario, seed: int, key: Key) -> float:
    """Estimate one endpoint from a few replications."""
    total = size = 0.0
    for chunk in replicate(scenario, range(_EXTREME_REPLICATIONS), seed):
        reading = chunk.readings[key]
        total, size = total + float(np.sum(reading.total)), size + float(np.sum(reading.size))
    return total / size if size > 0 else math.nan


def _small(scenario: Scenario) -> Scenario:
    """Return the scenario with few patients, which is all that a certain answer needs."""
    if isinstance(scenario.arrivals, PoissonArrivals):
        years = min(scenario.arrivals.years, 50 / scenario.arrivals.per_year)
        return with_values(scenario, {"arrivals.years": years, "arrivals.warm_up_days": 0.0})
    return with_values(scenario, {"cohort.patients": min(scenario.cohort.patients, 50)})
