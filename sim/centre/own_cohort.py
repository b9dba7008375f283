"""Patients of one's own as a cohort: the scenario that predicts them, and the figures observed in them.

The scenario is its base with their number, ages, women, accrual and follow-up. What is simulated beyond that
is the model's.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sim.centre.follow_up import PotentialFollowUp, would_be_at_risk
from sim.centre.patients import OwnPatients
from sim.centre.seen import COUNTED, ENROLLED, ESTIMATED, seen_of, unknown_treatment_deaths
from sim.outcomes.survival import CurveReading, aalen_johansen, kaplan_meier
from sim.scenario.cohort import ObservedCohort, ObservedFigure
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import Key, endpoint_of
from sim.scenario.inherit import Overrides, ValueLayer, read_layers
from sim.scenario.load import load, load_layers
from sim.scenario.problems import RequestError, TypedWarning
from sim.scenario.schema import DAYS_PER_YEAR, LISTED, Scenario, TrialArrivals
from sim.scenario.shipped import Located

NAME = "your patients"
SOURCE = "your table"
SMALL = "your table; a small cell: fewer than 5 patients"
YEARS = (1.0, 2.0, 3.0, 5.0)
FEW = 5
"""Patients below whom a count is a small cell, and a curve is not read."""
_ROUND_AGES, _ROUND_DAYS = 5.0, 10.0  # what is first or last must be nobody's own
_RELAPSES = ("disease_free_survival", "relapse_incidence", "relapses_seen")
_ON_THE_WAY = ("reinfused", "death_on_the_way", ENROLLED)
_FROM_ENROLMENT = (*_ON_THE_WAY, "treatment_related_mortality", "deaths_seen")


class OwnAccrual(NamedTuple):
    """How patients came: the window, the power of its share by which one has come, and the data cut."""

    window_days: float
    power: float
    data_cut_days: float


def own_cohort(own: OwnPatients, base: str, overrides: Overrides = ()) -> ObservedCohort:
    """Return patients of one's own as a cohort that a base predicts.

    Parameters
    ----------
    base
        A shipped scenario, or a path.
    overrides
        What goes over the parameters, as `sim.scenario.load.load` takes it.

    Raises
    ------
    RequestError
        The base is none, predicts no such patients, or changes contradict it.
    """
    _refuse(base, load(base).scenario)
    _, layers = read_layers(base)
    tree = own_values(own)
    longest = PotentialFollowUp.of(own).longest / DAYS_PER_YEAR
    tree["follow_up"] = {"data_cut_days": "none", "horizon_years": float(max(math.ceil(longest + 1e-9), 1))}
    about = {
        "title": "Your patients",
        "purpose": "",
        **{name: [] for name in LISTED},
        "calibration": {"solve": []},
    }
    sources = {f"{table}.{name}": SOURCE for table, values in tree.items() for name in values}
    layer = ValueLayer(NAME, NAME, {**about, **tree}, sources)
    loaded = load_layers(Located(NAME, NAME, Path(NAME)), [*layers, layer], overrides)
    _refuse(base, loaded.scenario)
    return ObservedCohort(loaded, layers[-1].name, SOURCE, tuple(observed_figures(own, loaded.scenario)))


def _refuse(base: str, scenario: Scenario) -> None:
    """Refuse a base that can't predict a cohort of transplanted patients."""
    if not isinstance(scenario.arrivals, TrialArrivals):
        raise RequestError(
            f'--base {base}: arrivals.pattern = "poisson", a clinic without a number of patients; your table '
            "is a cohort: name a base that is a trial, such as chicago2006"
        )
    if scenario.cohort.enters_at == "home":
        raise RequestError(
            f"--base {base}: its patients are never transplanted, and yours are; name a base with a "
            "transplant, such as chicago2006"
        )


def own_values(own: OwnPatients) -> dict[str, dict[str, Any]]:
    """Return the parameters that a table decides, as far as it tells: number, ages, women, accrual."""
    ages, sexes = (each[~np.isnan(each)] for each in (own.age, own.female))
    cohort: dict[str, Any] = {"patients": len(own)}
    if sexes.size:
        cohort["female"] = round(float(np.mean(sexes)), 3)
    if ages.size > 2:
        logs = np.log(np.maximum(ages, 1.0))
        low = _ROUND_AGES * math.floor(float(ages.min()) / _ROUND_AGES)
        high = _ROUND_AGES * (math.floor(float(ages.max()) / _ROUND_AGES) + 1)
        cohort["age_years"] = {
            "dist": "lognormal", "median": round(float(np.exp(np.mean(logs))), 1),
            "sigma": max(round(float(np.std(logs, ddof=1)), 3), 0.01), "low": low, "high": high,
        }  # fmt: skip
    came = accrual(own)
    return {"cohort": cohort, "arrivals": {"window_days": came.window_days, "power": came.power}}


def accrual(own: OwnPatients) -> OwnAccrual:
    """Fit the accrual of a trial: by moments, from dated arrivals, else from follow-up to one common cut.

    The data cut gives the mean potential follow-up, by the reverse Kaplan-Meier estimate.
    """
    follow_up = PotentialFollowUp.of(own)
    reverse = kaplan_meier(own.last_seen, ~own.dead)
    ends, left = reverse.counts.times, np.append(1.0, reverse.survival[:-1])
    mean = float(np.sum(left * np.diff(ends, prepend=0.0)))
    if follow_up.arrived is None:
        seen = own.last_seen[~own.dead]
        window = float(ends[-1] - (seen.min() if seen.size else ends[-1]))
        share, cut = (ends[-1] - mean) / max(window, 1.0), float(ends[-1])
    else:
        window = float(follow_up.arrived.max())
        between = np.sort(follow_up.arrived)[1:-1]  # the first and the last one make the window
        share = float(np.mean(between)) / max(window, 1.0) if between.size else 0.5
        cut = float(np.mean(follow_up.arrived)) + mean
    share = min(max(share, 0.05), 0.95) if window > _ROUND_DAYS else 0.5
    window, cut = (_ROUND_DAYS * max(math.ceil(days / _ROUND_DAYS), 1) for days in (window, cut))
    return OwnAccrual(window, round(share / (1 - share), 3), max(cut, window + _ROUND_DAYS))


def begins_later(own: OwnPatients, scenario: Scenario) -> bool:
    """Whether a scenario begins when the room is entered, and the table at enrolment.

    Of what is counted from enrolment mobilisation and its deaths are in the one and not in the other.
    """
    return scenario.cohort.enters_at == "immunoablation" and not own.from_transplant


def observed_figures(own: OwnPatients, scenario: Scenario) -> Iterator[ObservedFigure]:
    """Yield the figures that a table tells and a scenario predicts, with their limits.

    They are counts, and estimates as far as patients were followed.
    """
    seen, later = seen_of(own), begins_later(own, scenario)
    untold = _ON_THE_WAY if own.from_transplant else _FROM_ENROLMENT if later else ()
    for name in COUNTED:
        if name not in untold and _is_told(own, name):
            number, size = (int(each[0]) for each in (seen.number(name), seen.out_of(name)))
            if size:
                yield _figure((name, None), number / size, None, size, number)
    for name in (ENROLLED, *ESTIMATED):
        all_of_them = name == ENROLLED
        size = len(own) if all_of_them else int(own.reinfused.sum())
        years = [
            time for time in YEARS if would_be_at_risk(own, time * DAYS_PER_YEAR, enrolled=all_of_them) >= FEW
        ]
        if years and name not in untold and _is_told(own, name):
            reading = read_curve(own, name, np.array(years))
            for at, time in enumerate(years):
                value, *limits = (
                    float(each[at]) for each in (reading.estimate, reading.lower, reading.upper)
                )
                if not math.isnan(value):
                    known = None if math.isnan(limits[0]) else (limits[0], limits[1])
                    yield _figure((name, time), value, known, size, None)


def _is_told(own: OwnPatients, name: str) -> bool:
    if name == "treatment_related_mortality":
        return not unknown_treatment_deaths(own)
    return own.relapse_recorded or name not in _RELAPSES


def _figure(
    key: Key, value: float, limits: tuple[float, float] | None, n: int, events: int | None
) -> ObservedFigure:
    trial = endpoint_of(key[0]).trial
    source = SMALL if events is not None and 0 < events < FEW else SOURCE
    return ObservedFigure(key, value, limits, n, events, trial, 0.0, "held_out", "", "", source)  # type: ignore[arg-type]


def read_curve(own: OwnPatients, name: str, years: Floats) -> CurveReading:
    """Read survival since enrolment, or what `ESTIMATED` names since reinfusion, and its limits."""
    who = own if name == ENROLLED else own.take(own.reinfused)
    relapsed = who.has_relapsed & (name not in (ENROLLED, "overall_survival"))
    start = 0.0 if name == ENROLLED else who.transplanted
    end = np.where(relapsed, who.relapsed, who.last_seen) - start
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TypedWarning)  # its intervals and numbers at risk stand beside it
        if name == "relapse_incidence":
            cause = np.where(relapsed, 0, np.where(who.dead, 1, -1))
            return aalen_johansen(end / DAYS_PER_YEAR, cause, 2).read(0, years)
        return kaplan_meier(end / DAYS_PER_YEAR, relapsed | who.dead).read(years)
