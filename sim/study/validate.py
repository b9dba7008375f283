"""Validation: what was observed in cohorts to which nothing was fitted, against what the model predicts.

A cohort's scenario is simulated many times, and every figure is read off each virtual cohort as its paper
would have read it. The prediction is the range of these readings, so it holds the luck of so few patients
and their censoring; what is unknown about the parameters is in it under draws of a posterior alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from sim.outcomes.binomial import clopper_pearson
from sim.scenario.cohort import ObservedCohort, ObservedFigure
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import TIMES_YEARS, column
from sim.scenario.problems import RequestError, UndefinedFigureWarning
from sim.scenario.schema import Scenario
from sim.scenario.values import with_values
from sim.study.budget import Budget
from sim.study.estimates import trial_range
from sim.study.experiment import ROWS, Experiment
from sim.study.load import warn_of_scenarios
from sim.study.montecarlo import simulate, warn_of_few_replications
from sim.study.tally import NOBODY
from sim.work.store import ChunkStore
from sim.work.task import Tell

COLUMNS = (
    "cohort", "endpoint", "time_years", "observed", "lower", "upper", "covered", "z", "predicted",
    "undefined", "n", "patients", "reading", "role", "base", "observed_lower", "observed_upper",
    "overlaps", "differs", "note", "source",
)  # fmt: skip
"""Columns of ``validation.csv``."""

MUCH_UNDEFINED = 0.2
"""Share of virtual cohorts without a figure from which its prediction is warned of."""

_ROUNDING = 1e-9

Rows: TypeAlias = pd.DataFrame
"""One row a virtual cohort, with the columns of ``replications.parquet``."""


def virtual_cohorts(
    scenarios: Sequence[Scenario],
    budget: Budget,
    progress: Tell | None = None,
    store: ChunkStore | None = None,
    held: Sequence[tuple[str, ...]] = (),
) -> Iterator[tuple[Rows, str]]:
    """Simulate every scenario, all under the same luck, and yield virtual cohorts and their hash.

    Under draws of a posterior those of one draw follow those of another.

    Parameters
    ----------
    held
        For each scenario the parameters that draws must not replace; empty without draws.
    """
    experiments = [
        Experiment((scenario,), budget.seed, "arrays", held=tuple(held[number : number + 1]))
        for number, scenario in enumerate(scenarios)
    ]
    for tally in simulate(experiments, budget, progress=progress, store=store):
        (arm,) = tally.arms
        yield arm.rows(), arm.result_hash


@dataclass(frozen=True)
class Prediction:
    """What virtual cohorts read where the figure was observed; not a number where they can't.

    ``draws`` has shape (replications,).
    """

    figure: ObservedFigure
    draws: Floats

    @cached_property
    def limits(self) -> tuple[float, float]:
        """The 95% predictive interval; both ends are figures that virtual cohorts read."""
        lower, upper, _ = trial_range(self.draws)
        return lower, upper

    @property
    def undefined(self) -> float:
        """Share of the virtual cohorts that can't read it."""
        return float(np.mean(np.isnan(self.draws)))

    @property
    def mean(self) -> float:
        """Mean over the virtual cohorts that read it."""
        return float(np.nanmean(self.draws)) if self.undefined < 1 else math.nan

    @property
    def reach(self) -> float:
        """How far off a figure may lie that would be printed alike."""
        return self.figure.slack + _ROUNDING

    def inside(self, figures: Floats | float) -> NDArray[np.bool_]:
        """Tell which figures, or ones that would be printed alike, lie in the interval or on its ends."""
        lower, upper = self.limits
        return np.asarray((figures >= lower - self.reach) & (figures <= upper + self.reach))

    @property
    def covered(self) -> bool | None:
        """Whether the figure lies inside; None if nothing is predicted."""
        return None if self.undefined == 1 else bool(self.inside(self.figure.value))

    @property
    def z(self) -> float:
        """The figure's place among the virtual ones, as a normal score.

        Its place is its mid-rank: the share of virtual cohorts below it, and half of those that would print
        the same, itself among them, so that the score is finite however far it lies outside.

        Notes
        -----
        Blom G. Statistical Estimates and Transformed Beta-Variables, 1958. Mid-p: Lancaster HO. J Am Stat
        Assoc 1961;56:223-234.
        """
        read = self.draws[~np.isnan(self.draws)]
        if not read.size:
            return math.nan
        below = float(np.sum(read < self.figure.value - self.reach))
        alike = float(np.sum(np.abs(read - self.figure.value) <= self.reach))
        return float(special.ndtri((below + (alike + 1) / 2) / (read.size + 1)))

    @property
    def note(self) -> str:
        """Where the figure lies if it is missed, and why nothing is predicted where nothing is."""
        if self.covered is None:
            return NOBODY
        if self.covered:
            return ""
        return "above" if self.figure.value > self.limits[1] else "below"


@dataclass(frozen=True, slots=True)
class CoveredCount:
    """How many of some predicted figures are covered, and how many would be if the model were right.

    ``lower`` and ``upper`` are the 95% range of the number covered: ``binomial`` if figures were independent,
    each covered with 95%; ``virtual`` among virtual cohorts, whose figures rise and fall together and whose
    counts are discrete (not a number if it is not known). ``virtual_mean`` is the mean of the latter.
    """

    figures: int
    covered: int
    binomial: tuple[int, int]
    virtual_mean: float
    virtual: tuple[float, float]

    @property
    def expected(self) -> float:
        """95% of the figures."""
        return 0.95 * self.figures


@dataclass(frozen=True)
class Validation:
    """What was found.

    Attributes
    ----------
    table
        The columns of ``validation.csv``.
    predicted, apart
        The tallies of all figures that were not fitted, and of those that share nothing with what was.
    result_hashes
        Of the figures of every virtual cohort, by cohort.
    replications
        How many virtual cohorts the predictions rest on.
    """

    table: pd.DataFrame
    predicted: CoveredCount
    apart: CoveredCount
    result_hashes: dict[str, str]
    replications: int


def validate(
    cohorts: Sequence[ObservedCohort],
    budget: Budget,
    progress: Tell | None = None,
    store: ChunkStore | None = None,
) -> Validation:
    """Predict every figure of some cohorts, and hold the observed ones against it.

    Raises
    ------
    RequestError
        More replications than are kept one by one, or draws of a posterior that is about none of the cohorts.
    """
    if budget.replications > ROWS:
        raise RequestError(
            f"--replications: {budget.replications} given; allowed: at most {ROWS:,}, because virtual "
            "cohorts are kept one by one, and more would hardly move a range of 95% of them"
        )
    held = _held(cohorts, budget)
    parts = [(number, *part) for number, cohort in enumerate(cohorts) for part in _parts(cohort)]
    drawn: list[dict[int, Floats]] = [{} for _ in cohorts]
    hashes: dict[str, str] = {}
    scenarios, own = [scenario for _, scenario, _ in parts], [held[number] for number, _, _ in parts]
    found = virtual_cohorts(scenarios, budget, progress, store, own)
    for (number, _, places), (rows, digest) in zip(parts, found, strict=True):
        hashes.setdefault(cohorts[number].name, digest)
        drawn[number].update({place: _read(rows, cohorts[number].figures[place]) for place in places})
    predictions = [
        [Prediction(figure, draws[place]) for place, figure in enumerate(cohort.figures)]
        for cohort, draws in zip(cohorts, drawn, strict=True)
    ]
    _warn(cohorts, predictions, budget)
    draws = 1 if budget.draws is None else len(budget.draws.values)
    predicted = covered_count(predictions, ("overlaps", "held_out"), draws)
    apart = covered_count(predictions, ("held_out",), draws)
    return Validation(figures_table(cohorts, predictions), predicted, apart, hashes, budget.total)


def figures_table(
    cohorts: Sequence[ObservedCohort], predictions: Sequence[Sequence[Prediction]]
) -> pd.DataFrame:
    """Return the table of ``validation.csv``."""
    both = zip(cohorts, predictions, strict=True)
    table = pd.DataFrame([_row(cohort, one) for cohort, own in both for one in own], columns=COLUMNS)
    table["covered"] = table["covered"].astype("boolean")
    table["n"] = table["n"].astype("Int64")
    return table


def _held(cohorts: Sequence[ObservedCohort], budget: Budget) -> list[tuple[str, ...]]:
    """Return what draws of a posterior must not replace in each cohort; they must be about one at least."""
    draws, held = budget.draws, [budget.held_in(cohort.loaded) for cohort in cohorts]
    both = zip(cohorts, held, strict=True)
    if draws is not None and not any(draws.replaced(cohort.scenario, own) for cohort, own in both):
        raise RequestError(
            f"--posterior: is about none of {', '.join(cohort.name for cohort in cohorts)}: none "
            f"has calibrated values of {', '.join(draws.keys)} that --set leaves open; name cohorts that are "
            "based on the calibrated scenario"
        )
    return held


def _parts(cohort: ObservedCohort) -> Iterator[tuple[Scenario, list[int]]]:
    """Yield the scenarios to simulate, and which figures to read off each.

    Endpoints are read at certain times and at the horizon: a figure of another time has a horizon of its own,
    and the patients are the same under it.
    """
    scenario, horizon = cohort.scenario, cohort.scenario.follow_up.horizon_years
    by_horizon: dict[float, list[int]] = {horizon: []}
    for place, figure in enumerate(cohort.figures):
        time = figure.key[1]
        usual = time is None or time in TIMES_YEARS or time == horizon
        by_horizon.setdefault(horizon if usual or time is None else time, []).append(place)
    for years, places in by_horizon.items():
        if places:
            yield with_values(scenario, {"follow_up.horizon_years": years}), places


def _read(rows: Rows, figure: ObservedFigure) -> Floats:
    """Read a figure off every virtual cohort, as it was read in the real one."""
    name = column(figure.key)
    if figure.reading == figure.endpoint.trial:
        return np.asarray(rows[f"trial_{name}"], dtype=np.float64)
    size = np.asarray(rows[f"n_{figure.endpoint.denominator}"], dtype=np.float64)
    number = np.asarray(rows[name], dtype=np.float64)
    return np.asarray(np.divide(number, size, out=np.full(size.shape, np.nan), where=size > 0))


def _row(cohort: ObservedCohort, prediction: Prediction) -> tuple[object, ...]:
    """Return a row with `COLUMNS`."""
    figure = prediction.figure
    endpoint, time = figure.key
    observed = figure.limits or (math.nan, math.nan)
    if figure.limits is None and figure.events is not None and figure.n is not None:
        observed = clopper_pearson(figure.events, figure.n)
    return (
        cohort.name, endpoint, math.nan if time is None else time, figure.value, *prediction.limits,
        prediction.covered, prediction.z, prediction.mean, prediction.undefined, figure.n,
        cohort.scenario.cohort.patients, figure.reading, figure.role, cohort.base, *observed,
        figure.overlaps, figure.differs, prediction.note, figure.source,
    )  # fmt: skip


def covered_count(
    predictions: Sequence[Sequence[Prediction]], roles: Sequence[str], draws: int
) -> CoveredCount:
    """Count the figures of some roles that are covered; cohorts are independent, figures of one are not.

    Under draws of a posterior cohorts are independent under each draw, and the mean is over draws.
    """
    chosen = [
        [each for each in own if each.figure.role in roles and each.covered is not None]
        for own in predictions
    ]
    figures = sum(len(own) for own in chosen)
    covered = sum(bool(each.covered) for own in chosen for each in own)
    chances = special.bdtr(np.arange(figures + 1), figures, 0.95)
    low, high = (int(np.searchsorted(chances, chance)) for chance in (0.025, 0.975))
    laws = [_covered_at_once(own, draws) for own in chosen if own]
    together = np.array([reduce(np.convolve, of_draw, np.ones(1)) for of_draw in zip(*laws, strict=True)])
    known = together[~np.isnan(together).any(axis=1)] if laws else np.ones((1, 1))
    law = np.mean(known, axis=0) if len(known) else np.full(figures + 1, np.nan)
    mean, limits = math.nan, [math.nan, math.nan]
    if len(known):
        mean = float(np.arange(law.size) @ law)
        limits = [float(np.searchsorted(np.cumsum(law), chance - _ROUNDING)) for chance in (0.025, 0.975)]
    return CoveredCount(figures, covered, (low, high), mean, (limits[0], limits[1]))


def _covered_at_once(own: Sequence[Prediction], draws: int) -> list[Floats]:
    """Return how many figures of one virtual cohort lie in their intervals: the law of 0 to all, by draw.

    It rests on the virtual cohorts that can read all of them; not numbers if none can.

    Parameters
    ----------
    draws
        Of a posterior, in equal parts of the virtual cohorts; 1 without a posterior.
    """
    whole = ~np.isnan([each.draws for each in own]).any(axis=0)
    inside = np.sum([each.inside(each.draws) for each in own], axis=0)
    laws: list[Floats] = []
    for some, kept in zip(np.split(inside, draws), np.split(whole, draws), strict=True):
        counted = np.bincount(some[kept], minlength=len(own) + 1)
        laws.append(counted / counted.sum() if kept.any() else np.full(len(own) + 1, np.nan))
    return laws


def _warn(
    cohorts: Sequence[ObservedCohort], predictions: Sequence[Sequence[Prediction]], budget: Budget
) -> None:
    """Warn of predictions that can't bear their weight, with the remedy."""
    warn_of_few_replications(budget.total)
    both = zip(cohorts, predictions, strict=True)
    for cohort, each in ((cohort, each) for cohort, own in both for each in own):
        if each.undefined >= MUCH_UNDEFINED:
            UndefinedFigureWarning.say(
                f"{cohort.name}, {each.figure.label}: {each.undefined:.0%} of the virtual cohorts can't "
                "read it, because nobody is at risk any more; the prediction is of the others. Check "
                f"arrivals and follow_up.data_cut_days of {cohort.name} against its follow-up"
            )
    warn_of_scenarios((cohort.scenario for cohort in cohorts), budget.seed)
