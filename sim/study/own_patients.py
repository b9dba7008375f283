"""Patients of one's own against the model: virtual cohorts of as many, each followed as long as they were.

Virtual patients live to the horizon and are then censored as the real ones were, so that a prediction holds
the luck of so few and their own follow-up; what is unknown about the parameters is in it under draws of a
posterior.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np
import pandas as pd
from scipy import special

from sim.centre.follow_up import PotentialFollowUp
from sim.centre.own_cohort import FEW, read_curve
from sim.centre.patients import OwnPatients
from sim.centre.seen import CURVES, SeenPatients, seen_in, seen_of
from sim.clinic import arrays
from sim.outcomes.binomial import clopper_pearson
from sim.patient.fates import draw_fates
from sim.patient.luck import BLOCK, Luck, independent
from sim.patient.memory import keep_freed_memory
from sim.scenario.cohort import ObservedCohort
from sim.scenario.endpoints import Key
from sim.scenario.problems import RequestError
from sim.scenario.schema import DAYS_PER_YEAR, Scenario
from sim.scenario.values import with_values
from sim.study.budget import Budget
from sim.study.compare import Side
from sim.study.estimates import trial_range
from sim.study.exact import scenarios_drawn
from sim.study.experiment import ROWS
from sim.study.montecarlo import warn_of_few_replications
from sim.study.posterior import derived_seed
from sim.study.validate import CoveredCount, Prediction, covered_count, figures_table
from sim.work.store import ChunkStore, in_order
from sim.work.task import Result, Tell
from sim.work.workers import workers_for

CALIBRATED = ("deaths_seen", "treatment_related_mortality", "relapses_seen")
"""Events of which as many are expected as observed, if the model is calibrated in the large."""
DEATHS = CALIBRATED[:2]
POINTS = 101
_AT_ONCE, _TASK_PATIENTS = 262_144, 1_310_720  # patients simulated at once, and in a task
_SPARE = (1.25, 20)  # virtual patients for each one reinfused, and more
_ALIKE = 1e-9
_UNREAD = 0.2  # share of virtual cohorts that can't read a curve, from which it has no band


@dataclass(frozen=True, slots=True)
class _Unit:
    """Some virtual cohorts of one scenario, which have one block of luck to themselves."""

    number: int
    cohorts: int
    scenario: Scenario


@dataclass(frozen=True)
class _Prediction:
    """What is to be read off virtual cohorts."""

    follow_up: PotentialFollowUp
    from_transplant: bool
    keys: tuple[Key, ...]
    years: tuple[float, ...]
    seed: int

    def cohorts(self, unit: _Unit) -> SeenPatients:
        """Simulate cohorts of a unit and see them to each patient's last contact."""
        size, first = len(self.follow_up.last_seen), unit.number * BLOCK
        dead = int(self.follow_up.dead.sum())
        uniforms = independent(derived_seed(self.seed, f"follow-up {unit.number}"), dead * BLOCK)
        followed = self.follow_up.drawn(uniforms.reshape(dead, BLOCK)[:, : unit.cohorts])
        scenario = unit.scenario
        if self.from_transplant:
            scenario = with_values(scenario, {"cohort.patients": math.ceil(_SPARE[0] * size) + _SPARE[1]})
        fates = draw_fates(scenario, Luck(self.seed), range(first, first + unit.cohorts))
        if not self.from_transplant:
            fates = fates._replace(enrolled=np.ascontiguousarray(self.follow_up.arrivals(followed)))
        return seen_in(arrays.simulate(scenario, fates), followed, from_transplant=self.from_transplant)

    def read(self, seen: SeenPatients) -> Result:
        """Read the figures of the cohorts."""
        alive, free, _ = seen.estimates(self.years)
        return {
            "figures": seen.figures(self.keys),
            "curves": np.stack([alive, free]),
            "events": np.array([seen.number(name) for name in CALIBRATED]),
            "wait": seen.median_wait()[None],
        }


@dataclass(frozen=True)
class _CohortsTask:
    """Units of virtual cohorts to be simulated and read."""

    units: tuple[_Unit, ...]
    wanted: _Prediction

    @property
    def name(self) -> str:
        """First and last unit."""
        return f"{self.units[0].number:012d}-{self.units[-1].number + 1:012d}"

    @property
    def words(self) -> str:
        """The same for people, who count from 1."""
        return f"blocks {self.units[0].number + 1} to {self.units[-1].number + 1} of virtual cohorts"

    def play(self) -> Result:
        """Simulate the cohorts, and return what is read off them."""
        keep_freed_memory()
        parts = [self.wanted.read(self.wanted.cohorts(unit)) for unit in self.units]
        return {name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[0]}


@dataclass(frozen=True)
class OwnValidation:
    """What was found.

    Attributes
    ----------
    table
        The columns of ``validation.csv``.
    covered
        How many figures lie in their intervals.
    together, deaths
        Share of virtual cohorts whose figures lie as far off as the observed ones, taken together; the same
        of `DEATHS` alone, not a number where none of them is told.
    curves
        The columns of ``observed_curves.csv``: estimates with their limits, and the pointwise 95% of
        virtual cohorts.
    calibration
        The columns of ``calibration.csv``: events observed and expected.
    wait
        Median days from enrolment to reinfusion: observed, predicted mean, and 95% of virtual cohorts.
    replications
        How many virtual cohorts the predictions rest on.
    """

    table: pd.DataFrame
    covered: CoveredCount
    together: float
    deaths: float
    curves: pd.DataFrame
    calibration: pd.DataFrame
    wait: tuple[float, float, float, float]
    replications: int
    result_hash: str


def validate_own(
    own: OwnPatients, cohort: ObservedCohort, budget: Budget, tell: Tell | None = None,
    store: ChunkStore | None = None,
) -> OwnValidation:  # fmt: skip
    """Predict what was observed in patients of one's own.

    Parameters
    ----------
    cohort
        Made of them by `sim.centre.own_cohort.own_cohort`.

    Raises
    ------
    RequestError
        More replications than are kept one by one, or draws of a posterior that is not about the base.
    """
    if budget.replications > ROWS:
        raise RequestError(
            f"--replications: {budget.replications} given; allowed: at most {ROWS:,}, because virtual "
            "cohorts are kept one by one, and more would hardly move a range of 95% of them"
        )
    budget.require_draws(cohort.loaded)
    keys = tuple(figure.key for figure in cohort.figures)
    wanted = _Prediction(PotentialFollowUp.of(own), own.from_transplant, keys, _years(own), budget.seed)
    found = _Found(own, wanted, _simulated(cohort, wanted, budget, tell, store))
    predictions = [[Prediction(*both) for both in zip(cohort.figures, found.drawn["figures"], strict=True)]]
    warn_of_few_replications(budget.total)
    draws = 1 if budget.draws is None else len(budget.draws.values)
    covered = covered_count(predictions, ("held_out", "fitted"), draws)
    table = figures_table([cohort], predictions)
    return OwnValidation(
        table,
        covered,
        found.together(keys),
        found.together([key for key in keys if key[0] in DEATHS]),
        found.curves(),
        found.calibration(),
        found.wait,
        budget.total,
        found.digest,
    )


def _years(own: OwnPatients) -> tuple[float, ...]:
    """Return the times of the curves: up to the longest follow-up after reinfusion."""
    since = (own.last_seen - own.transplanted)[own.reinfused]
    longest = float(since.max()) / DAYS_PER_YEAR if since.size else 1.0
    grid = np.linspace(0.0, max(longest, 0.1), POINTS)
    return tuple(np.union1d(grid, np.arange(math.floor(grid[-1]) + 1.0)).tolist())


def _simulated(
    cohort: ObservedCohort, wanted: _Prediction, budget: Budget, tell: Tell | None, store: ChunkStore | None
) -> Result:
    """Simulate virtual cohorts, those of one draw of a posterior after those of another."""
    scenarios = scenarios_drawn(Side(cohort.scenario, budget.held_in(cohort.loaded)), budget.draws)
    size = len(wanted.follow_up.last_seen)
    most = min(max(_AT_ONCE // size, 1), BLOCK)
    parts = [
        (scenario, min(most, budget.replications - at))
        for scenario in scenarios
        for at in range(0, budget.replications, most)
    ]
    units = [_Unit(number, cohorts, scenario) for number, (scenario, cohorts) in enumerate(parts)]
    together = max(_TASK_PATIENTS // (most * size), 1)
    tasks = [
        (0, _CohortsTask(tuple(units[at : at + together]), wanted)) for at in range(0, len(units), together)
    ]
    done = 0

    def advance(task: _CohortsTask) -> None:
        nonlocal done
        done += sum(unit.cohorts for unit in task.units)
        if tell is not None:
            tell(done, budget.total)

    with workers_for(budget.workers, budget.cluster, len(tasks)) as workers:
        results = [result for _, result in in_order(workers, tasks, store, advance)]
    return {name: np.concatenate([each[name] for each in results], axis=-1) for name in results[0]}


@dataclass(frozen=True)
class _Found:
    """What was seen of the real patients, and what was read off virtual ones."""

    own: OwnPatients
    wanted: _Prediction
    drawn: Result

    @cached_property
    def seen(self) -> SeenPatients:
        """The real ones."""
        return seen_of(self.own)

    def curves(self) -> pd.DataFrame:
        """Return the observed curves and the pointwise bands of what such cohorts show."""
        tables = []
        for name, virtual in zip(CURVES, self.drawn["curves"], strict=True):
            if not self.own.reinfused.any() or (name == CURVES[1] and not self.own.relapse_recorded):
                continue
            reading = read_curve(self.own, name, np.array(self.wanted.years))
            ranges = np.array([trial_range(row) for row in virtual])
            ranges[ranges[:, 2] > _UNREAD] = math.nan
            read = np.where(np.isnan(ranges[:, :1]), np.nan, virtual)
            # Numbers at risk at every point would tell when whose follow-up ended.
            whole = reading.times % 1 == 0
            at_risk = pd.array(np.where(whole, reading.at_risk, -1).astype(np.int64), dtype="Int64")
            at_risk[~whole] = pd.NA
            columns = {
                "time_years": reading.times, "observed": reading.estimate, "observed_lower": reading.lower,
                "observed_upper": reading.upper, "at_risk": at_risk,
                "small": whole & (reading.at_risk > 0) & (reading.at_risk < FEW),
                "predicted": np.array([np.nanmean(row) if (row == row).any() else math.nan for row in read]),
                "lower": ranges[:, 0], "upper": ranges[:, 1],
            }  # fmt: skip
            tables.append(pd.DataFrame({"endpoint": name, **columns}))
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def calibration(self) -> pd.DataFrame:
        """Return events observed and expected, and their ratio.

        The limits of the ratio are those of the share of patients who had the event, over the expected share:
        exact for a binomial count and an expectation that is known, and somewhat wide where patients' chances
        differ (Hoeffding W. Ann Math Stat 1956;27:713-721). What is left open is in the predictive interval.
        """
        told = {key[0] for key in self.wanted.keys}
        rows = []
        for name, virtual in zip(CALIBRATED, self.drawn["events"], strict=True):
            if name not in told:
                continue
            observed, expected = int(self.seen.number(name)[0]), float(np.mean(virtual))
            lower, upper, _ = trial_range(virtual)
            size = int(self.seen.out_of(name)[0])
            limits = [size * limit for limit in clopper_pearson(observed, size)]
            ratios = [each / expected if expected > 0 else math.nan for each in (observed, *limits)]
            rows.append((name, observed, size, 0 < observed < FEW, expected, lower, upper, *ratios))
        columns = (
            "endpoint",
            "observed",
            "n",
            "small",
            "expected",
            "lower",
            "upper",
            "ratio",
            "ratio_lower",
            "ratio_upper",
        )
        return pd.DataFrame(rows, columns=columns)

    def together(self, keys: Sequence[Key]) -> float:
        """Return the share of cohorts, the observed one among them, that lie as far off or farther.

        How far is the sum of the squared normal scores of some figures; whoever can't read one has 0 there.
        Figures hang together in virtual cohorts as they do in the real one (Barnard GA. J R Stat Soc B
        1963;25:294: the Monte Carlo test).
        """
        figures = self.drawn["figures"][[self.wanted.keys.index(key) for key in keys]]
        every = np.concatenate([figures, self.seen.figures(keys)], axis=1)
        far = np.zeros(every.shape[1])
        for row in every:
            known = np.sort(row[~np.isnan(row)])
            ends = (np.searchsorted(known, row - _ALIKE), np.searchsorted(known, row + _ALIKE, side="right"))
            far += (
                np.where(np.isnan(row), 0.0, special.ndtri((ends[0] + ends[1]) / 2 / max(known.size, 1))) ** 2
            )
        return float(np.mean(far >= far[-1] - _ALIKE)) if len(every) else math.nan

    @property
    def digest(self) -> str:
        """SHA-256 of all that was read off virtual cohorts."""
        digest = sha256()
        for name in sorted(self.drawn):
            values = np.where(np.isnan(self.drawn[name]), np.nan, self.drawn[name])  # one kind of it
            digest.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
        return digest.hexdigest()

    @property
    def wait(self) -> tuple[float, float, float, float]:
        """Median days from enrolment to reinfusion: observed, predicted, and 95% of virtual cohorts."""
        (virtual,) = self.drawn["wait"]
        lower, upper, undefined = trial_range(virtual)
        mean = float(np.nanmean(virtual)) if undefined < 1 else math.nan
        return float(self.seen.median_wait()[0]), mean, lower, upper
