"""A run held against what is known without simulation: closed forms, laws of queues, the exact twin."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from sim.outcomes.endpoints import FAILURES
from sim.outcomes.occupancy import is_limited
from sim.outcomes.one_trial import Patients
from sim.outcomes.queue_laws import plain_queue
from sim.outcomes.twin.expected import expected, expected_from_enrolment
from sim.outcomes.twin.observed import beyond_twin
from sim.scenario.endpoints import BY_NAME, Key, column, label
from sim.scenario.schema import PoissonArrivals, Scenario
from sim.study.estimates import Z95

Kind: TypeAlias = Literal["closed form", "Little's law", "exact twin"]

CLOSE = 4.0
"""Standard errors that one of a hundred true comparisons exceeds once in 160 reports."""

FEWEST_REPLICATIONS = 100
"""With fewer the Monte Carlo error is not known well enough to judge by it."""

ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison; ``mc_se`` is 0 where nothing is left to chance."""

    kind: Kind
    what: str
    expected: float
    got: float
    mc_se: float

    @property
    def difference(self) -> float:
        """What was got, less what was expected."""
        return self.got - self.expected

    @property
    def z(self) -> float:
        """The difference in standard errors; not a number where there is none."""
        return self.difference / self.mc_se if self.mc_se > 0 else math.nan

    @property
    def passed(self) -> bool:
        """Whether the difference is rounding, or within `CLOSE` standard errors."""
        return abs(self.difference) < ROUNDING or abs(self.difference) <= CLOSE * self.mc_se


def check_table(checks: Sequence[Check]) -> pd.DataFrame:
    """Return ``checks.csv``: ``kind, what, expected, got, mc_se``, and whether each ``passed``."""
    rows = [{**asdict(check), "passed": check.passed} for check in checks]
    return pd.DataFrame(rows, columns=["kind", "what", "expected", "got", "mc_se", "passed"])


def read_checks(table: pd.DataFrame) -> list[Check]:
    """Return the comparisons of ``checks.csv``."""
    rows = table[["kind", "what", "expected", "got", "mc_se"]].itertuples(index=False)
    return [Check(*row) for row in rows]


_FEWEST_EVENTS = 5
_RELAXATIONS = 5.0
_SERIES = {
    "slot_queue": "Patients queueing for apheresis",
    "slots_in_use": "Apheresis slots in use",
    "room_queue": "Patients queueing for a room",
    "rooms_in_use": "Isolation rooms in use",
}


def verify(
    scenario: Scenario,
    endpoints: pd.DataFrame,
    replications: pd.DataFrame,
    patients: pd.DataFrame | None,
    littles_law: pd.DataFrame | None = None,
) -> list[Check]:
    """Check a run's figures.

    Parameters
    ----------
    scenario
        That of the run.
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
        found += [] if is_limited(scenario) or beyond_twin(scenario) else _twin(scenario, endpoints)
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


def _expectations(scenario: Scenario) -> dict[Key, float]:
    return {**expected(scenario), **expected_from_enrolment(scenario)}


def _twin(scenario: Scenario, endpoints: pd.DataFrame) -> Iterator[Check]:
    """Yield every endpoint that the exact twin knows, of a scenario in which no queue may bind."""
    values = _expectations(scenario)
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


COLUMNS = (
    "endpoint", "time_years", "twin", "trials", "undefined", "mean", "mc_se", "difference", "z",
)  # fmt: skip


def censored_readings(scenario: Scenario, replications: pd.DataFrame) -> pd.DataFrame | None:
    """Return the mean over trials of every estimate on censored data, against the twin.

    Parameters
    ----------
    replications
        The rows of ``replications.parquet``.

    Returns
    -------
    DataFrame or None
        ``undefined`` is the share of trials with nobody at risk at that time, which are left out of ``mean``;
        ``mc_se`` is the standard error of the mean over the others. None where nobody is censored, or a queue
        may bind so that there is no twin.

    Notes
    -----
    Where every trial reports, the mean is unbiased but for Kaplan-Meier's own bias, which is far smaller than
    one standard error here. Where some can't, the mean is over the others: those with patients left at risk,
    in which fewer have had the event, and those in which the last at risk had it, who read 0. Which of the
    two weighs more depends on follow-up. It is the choice of trials that is biased, not the estimator:
    S-hat / S, stopped at the last follow-up, has mean 1.

    Gill RD. Censoring and Stochastic Integrals. Amsterdam, 1980.
    """
    if scenario.follow_up.data_cut_days == "none" or is_limited(scenario):
        return None
    return pd.DataFrame(list(_rows(scenario, replications)), columns=list(COLUMNS))


def _rows(scenario: Scenario, replications: pd.DataFrame) -> Iterator[tuple[str | float, ...]]:
    twin = _expectations(scenario)
    for key, value in twin.items():
        name, time = key
        if BY_NAME[name].trial not in ("kaplan_meier", "incidence") or time is None:
            continue
        read = replications[f"trial_{column(key)}"].to_numpy(dtype=np.float64)
        known = read[~np.isnan(read)]
        mean = float(known.mean()) if known.size else math.nan
        se = float(known.std(ddof=1)) / math.sqrt(known.size) if known.size > 1 else math.nan
        z = (mean - value) / se if se > 0 else math.nan
        yield name, time, value, read.size, 1 - known.size / read.size, mean, se, mean - value, z
