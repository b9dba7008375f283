"""What was seen in patients of one's own: counts, survival, competing incidences, waits, follow-up.

Conventions are those of `sim.outcomes.survival`: log-log limits, and nothing is carried beyond follow-up.
Where nobody has had an event these limits do not exist, and an exact one of those followed so long is given.
What the table does not tell is not a number, and a note says why.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sim.centre.patients import CAUSES, OwnPatients
from sim.outcomes.binomial import clopper_pearson
from sim.outcomes.survival import (
    FEW_AT_RISK,
    Counts,
    CumulativeIncidences,
    CurveReading,
    KaplanMeier,
    Median,
    aalen_johansen,
    kaplan_meier,
)
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import TIMES_YEARS, TREATMENT_DAYS
from sim.scenario.problems import FigureWarning
from sim.scenario.schema import DAYS_PER_YEAR

Of: TypeAlias = Literal["enrolled", "reinfused"]

SMALL = 5
"""Counts of 1 to 4 are small cells: who knows a patient may recognise him in them."""

READ_YEARS = (*TIMES_YEARS, 7.0, 10.0, 15.0, 20.0)
WAITS = ("reinfused_incidence", "death_before_reinfusion")
"""What ends the way from enrolment."""
WAIT_YEARS = (0.25, 0.5, 1.0)
MONTH = 30.0
_STEPS = (MONTH, 60.0, 90.0, *(years * DAYS_PER_YEAR for years in (0.5, 1, 2, 5, 10)))
_MOST_COLUMNS = 8

NO_RELAPSES = "relapse was not recorded"
ONE_EVENT = "deaths were not told apart from relapses"
NO_ENROLMENT = "enrolment was not recorded"
NOBODY = "nobody was reinfused"


@dataclass(frozen=True, slots=True)
class SeenFigure:
    """One row of ``figures.csv``; not a number where there is none."""

    figure: str
    of: Of
    time_years: float = np.nan
    estimate: float = np.nan
    lower: float = np.nan
    upper: float = np.nan
    unit: str = ""
    count: float = np.nan
    n: float = np.nan
    at_risk: float = np.nan
    interval: str = ""
    note: str = ""

    @property
    def small_cell(self) -> bool:
        """Whether it tells of 1 to 4 patients, or of all but so many."""
        told = (self.count, self.n - self.count, self.n, self.at_risk)
        return any(0 < each < SMALL for each in told)


@dataclass(frozen=True, slots=True)
class SeenCurve:
    """One curve: survival that falls from 1, or the incidence of one of several causes, which rises from 0.

    Attributes
    ----------
    cause
        Of an incidence; None of survival.
    """

    name: str
    of: Of
    estimate: KaplanMeier | CumulativeIncidences
    cause: int | None = None

    @property
    def counts(self) -> Counts:
        """Numbers at risk and events."""
        return self.estimate.counts

    def read(self, days: Sequence[float] | Floats) -> CurveReading:
        """Read the curve at some days; that few are at risk is told by who shows the figure."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FigureWarning)
            if isinstance(self.estimate, KaplanMeier):
                return self.estimate.read(days)
            return self.estimate.read(self.cause or 0, days)

    def median(self) -> Median:
        """Return the median of a survival curve."""
        if not isinstance(self.estimate, KaplanMeier):
            raise TypeError(f"{self.name} is an incidence, which may end below a half")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FigureWarning)
            return self.estimate.median()

    def fate_known(self, day: float) -> int:
        """Return of how many it is known whether they have had the event by a day, if none has had it.

        They are at risk, or another event that competes has kept them from it.
        """
        others = self.counts.events.sum(axis=0)[self.counts.times < day - self.counts.tolerance].sum()
        return int(self.counts.at_risk_at(np.array([day]))[0] + others)

    def days(self, every: float | None) -> Floats:
        """Return the days at which the curve is written: those of events, or every so many.

        Days of last contact are not among them: whole months tell from when on few are at risk, and until
        when anybody was followed, if not a later event.
        """
        last = float(self.counts.times[-1])
        if every is not None:
            return np.arange(0.0, last + 1e-9, every)
        events = self.counts.times[self.counts.events.sum(axis=0) > 0]
        end = max(last // MONTH * MONTH, *events, 0.0)
        few = self.counts.times[self.counts.at_risk >= FEW_AT_RISK][-1:] // MONTH * MONTH + MONTH
        return np.unique([0.0, *events, *few[few < end], end])


@dataclass(frozen=True)
class Described:
    """Patients of one's own, described.

    Attributes
    ----------
    every
        Days between those at which curves are written; times of events are told to the next of them. None
        for the days themselves.
    """

    patients: OwnPatients
    every: float | None = None

    @cached_property
    def since_transplant(self) -> OwnPatients:
        """Who was reinfused, with days from then."""
        own = self.patients.take(self.patients.reinfused)
        return own.since(own.transplanted)

    @cached_property
    def curves(self) -> dict[str, SeenCurve]:
        """Every curve that can be estimated, by name."""
        return {curve.name: curve for curve in (*self._of_reinfused(), *self._of_enrolled())}

    def _of_reinfused(self) -> Iterator[SeenCurve]:
        own = self.since_transplant
        if not len(own):
            return
        if own.deaths_recorded:
            yield SeenCurve("overall_survival", "reinfused", kaplan_meier(own.last_seen, own.dead))
            ends = own.dead
        else:
            ends = ~np.isnan(own.relapsed_or_died)
            free = np.where(ends, own.relapsed_or_died, own.last_seen)
            yield SeenCurve("disease_free_survival", "reinfused", kaplan_meier(free, ends))
        # Schemper M, Smith TL. Control Clin Trials 1996;17:343-346: who dies censors the follow-up.
        seen = own.last_seen if own.deaths_recorded else np.where(ends, own.relapsed_or_died, own.last_seen)
        yield SeenCurve("follow_up", "reinfused", kaplan_meier(seen, ~ends))
        if own.relapse_recorded and own.deaths_recorded:
            free = np.where(own.has_relapsed, own.relapsed, own.last_seen)
            cause = np.where(own.has_relapsed, 0, np.where(own.dead, 1, -1))
            yield SeenCurve("disease_free_survival", "reinfused", kaplan_meier(free, cause >= 0))
            both = aalen_johansen(free, cause, 2)
            yield SeenCurve("relapse_incidence", "reinfused", both, 0)
            yield SeenCurve("death_without_relapse", "reinfused", both, 1)

    def _of_enrolled(self) -> Iterator[SeenCurve]:
        own = self.patients
        if own.from_transplant or not own.deaths_recorded:
            return
        alive = kaplan_meier(own.last_seen, own.dead)
        yield SeenCurve("overall_survival_enrolled", "enrolled", alive)
        yield SeenCurve("follow_up_enrolled", "enrolled", kaplan_meier(own.last_seen, ~own.dead))
        waited = np.where(own.reinfused, own.transplanted, own.last_seen)
        ends = np.where(own.reinfused, 0, np.where(own.dead, 1, -1))
        both = aalen_johansen(waited, ends, 2)
        yield SeenCurve("reinfused_incidence", "enrolled", both, 0)
        yield SeenCurve("death_before_reinfusion", "enrolled", both, 1)

    @cached_property
    def figures(self) -> list[SeenFigure]:
        """Every figure, in the order in which they are told."""
        return [*self._counts(), *self._treatment(), *self._survival(), *self._waits(), *self._follow_up()]

    def _counts(self) -> Iterator[SeenFigure]:
        own, n = self.patients, len(self.patients)
        if own.from_transplant:
            yield _missing("enrolled", "enrolled", NO_ENROLMENT)
            yield SeenFigure("reinfused", "reinfused", estimate=n, unit="patients", count=n, n=n)
        else:
            yield SeenFigure("enrolled", "enrolled", estimate=n, unit="patients", count=n, n=n)
            yield _share("reinfused", "enrolled", own.reinfused.sum(), n)
            before = own.dead & ~own.reinfused
            yield _share("pre_transplant_mortality", "enrolled", before.sum(), n)
            for cause in CAUSES if before.any() else ():
                yield _share(f"dead_before_{cause}", "enrolled", (before & (own.cause == cause)).sum(), n)
            yield _share("waiting_at_last_contact", "enrolled", (~own.reinfused & ~own.dead).sum(), n)
        after = self.since_transplant
        for name, who, known in (
            ("died_reinfused", after.dead, "" if own.deaths_recorded else ONE_EVENT),
            ("relapsed", after.has_relapsed, "" if own.relapse_recorded else NO_RELAPSES),
        ):
            yield (
                _missing(name, "reinfused", known)
                if known
                else _share(name, "reinfused", who.sum(), len(after))
            )

    def _treatment(self) -> Iterator[SeenFigure]:
        """Yield deaths of the treatment to day 100 after reinfusion, of all whose fate is known."""
        own, after = self.patients, self.since_transplant
        if not own.deaths_recorded:
            yield _missing("treatment_deaths_day_100", "reinfused", ONE_EVENT)
            return
        early = after.dead & (after.died <= TREATMENT_DAYS)
        known = early | (after.last_seen >= TREATMENT_DAYS)
        if own.from_transplant:
            yield _missing("treatment_related_mortality", "enrolled", NO_ENROLMENT)
        else:
            before = own.dead & ~own.reinfused
            of_all = before.copy()
            of_all[own.reinfused] = early
            told = before.copy()
            told[own.reinfused] = known
            yield _treatment("treatment_related_mortality", "enrolled", own.cause[of_all], told)
        yield _treatment("treatment_deaths_day_100", "reinfused", after.cause[early], known)
        late = ((after.cause == "treatment") & after.past_treatment).sum()
        if late:
            note = "the model counts them as deaths of another cause"
            yield _share("treatment_deaths_later", "reinfused", late, len(after), note)
        left = len(after) - int(known.sum())
        note = f"{left} not followed to day 100 left out" if left else ""
        yield _share("deaths_day_100", "reinfused", early.sum(), known.sum(), note)

    def _survival(self) -> Iterator[SeenFigure]:
        for name in (
            "overall_survival", "disease_free_survival", "relapse_incidence", "death_without_relapse",
            "overall_survival_enrolled",
        ):  # fmt: skip
            curve = self.curves.get(name)
            of: Of = "enrolled" if name.endswith("_enrolled") else "reinfused"
            if curve is None:
                yield _missing(name, of, self._why_not(name))
                continue
            yield from self._read(curve, READ_YEARS)
            if curve.cause is None:
                yield self._median(curve, f"{name}_median")

    def _why_not(self, name: str) -> str:
        own = self.patients
        if name.endswith("_enrolled") and own.from_transplant:
            return NO_ENROLMENT
        if not own.deaths_recorded:
            return ONE_EVENT
        return NO_RELAPSES if own.reinfused.any() else NOBODY

    def _read(self, curve: SeenCurve, years: Sequence[float]) -> Iterator[SeenFigure]:
        """Yield a curve at some years: up to the last that anybody is followed, or all have had the event."""
        read = curve.read([each * DAYS_PER_YEAR for each in years])
        over = [at for at, day in enumerate(read.times) if day > curve.counts.times[-1]]
        for at, time in enumerate(years[: over[0] + 1] if over else years):
            estimate, lower, upper = (float(each[at]) for each in (read.estimate, read.lower, read.upper))
            kind, note = "log-log", ""
            if estimate in (0.0, 1.0):
                lower, upper, kind, note = _limits_at_end(curve, float(read.times[at]), estimate)
            if not np.isnan(estimate):
                yield SeenFigure(
                    curve.name, curve.of, time, estimate, lower, upper, n=curve.counts.at_risk[0],
                    at_risk=read.at_risk[at], interval=kind, note=note,
                )  # fmt: skip
        if np.isnan(read.estimate[0]):
            yield _missing(curve.name, curve.of, "nobody was followed so long")

    def _median(self, curve: SeenCurve, name: str, note: str = "not reached") -> SeenFigure:
        found, counts = curve.median(), curve.counts
        median, lower, upper = (self._told(each) for each in (found.estimate, found.lower, found.upper))
        reached = not np.isnan(found.estimate)
        return SeenFigure(
            name, curve.of, estimate=median, lower=lower, upper=upper, unit="days", n=counts.at_risk[0],
            at_risk=counts.at_risk_at(np.array([found.estimate]))[0] if reached else np.nan,
            interval="log-log", note="" if reached else note,
        )  # fmt: skip

    def _told(self, day: float) -> float:
        """Return the day that is told of an event."""
        return day if self.every is None else float(np.ceil(day / self.every - 1e-9) * self.every)

    def _waits(self) -> Iterator[SeenFigure]:
        if "reinfused_incidence" not in self.curves:
            yield _missing("wait_median", "reinfused", NO_ENROLMENT)
            return
        for name in WAITS:
            yield from self._read(self.curves[name], WAIT_YEARS)
        waits = self.patients.transplanted[self.patients.reinfused]
        if not len(waits):
            yield _missing("wait_median", "reinfused", NOBODY)
            return
        all_seen = kaplan_meier(waits, np.ones(len(waits)))
        yield self._median(SeenCurve("wait", "reinfused", all_seen), "wait_median")
        for name, level in (("wait_lower_quartile", 0.25), ("wait_upper_quartile", 0.75)):
            day = self._told(float(np.quantile(waits, level, method="inverted_cdf")))
            told = "none: it describes those seen"
            yield SeenFigure(name, "reinfused", estimate=day, unit="days", n=len(waits), interval=told)

    def _follow_up(self) -> Iterator[SeenFigure]:
        for name in ("follow_up", "follow_up_enrolled"):
            if name in self.curves:
                yield self._median(self.curves[name], f"{name}_median", "not reached: most have died")


def risk_days(last: float) -> Floats:
    """Return the days under which numbers at risk stand: whole months or years, at most about eight."""
    step = next((each for each in _STEPS if last / each < _MOST_COLUMNS), _STEPS[-1])
    return np.arange(0.0, last + 1e-9, step)


def _missing(figure: str, of: Of, why: str) -> SeenFigure:
    return SeenFigure(figure, of, note=why)


def _limits_at_end(curve: SeenCurve, day: float, estimate: float) -> tuple[float, float, str, str]:
    """Return limits, their kind and a note where nobody has had the event, or everybody has.

    Greenwood's variance is 0 there and log-log limits do not exist. Of n whose fate is known none has had
    the event: its chance is at most 1 - 0.025^(1/n) (Clopper and Pearson).
    """
    nobody = 1.0 if curve.cause is None else 0.0
    known = curve.fate_known(day)
    if estimate != nobody or not known:
        return np.nan, np.nan, "", "nobody is left, and no interval can be told"
    events = known if nobody else 0
    return *clopper_pearson(events, known), "exact, no event", f"exact, of the {known} followed so long"


def _share(figure: str, of: Of, count: int, n: int, note: str = "") -> SeenFigure:
    """Return a count as a share with its exact interval; of nobody there is none."""
    if not n:
        return SeenFigure(figure, of, count=0, n=0, note=note or "nobody")
    lower, upper = clopper_pearson(int(count), int(n))
    return SeenFigure(
        figure, of, estimate=count / n, lower=lower, upper=upper, count=int(count), n=int(n),
        interval="Clopper-Pearson", note=note,
    )  # fmt: skip


def _treatment(figure: str, of: Of, causes: NDArray[np.str_], known: NDArray[np.bool_]) -> SeenFigure:
    """Return treatment deaths out of all whose outcome is known; causes not told leave a range of counts.

    The interval then goes from the lower limit if none of these deaths was of the treatment to the upper one
    if all were.
    """
    sure, open_, n = int((causes == "treatment").sum()), int((causes == "unknown").sum()), int(known.sum())
    left = len(known) - n
    notes = [f"{left} not followed to day 100 left out"] if left else []
    found = _share(figure, of, sure, n, "; ".join(notes))
    if not open_ or not n:
        return found
    notes.insert(0, f"{sure} to {sure + open_} of {n}: cause of {open_} not known")
    most = _share(figure, of, sure + open_, n)
    return SeenFigure(
        figure, of, lower=found.lower, upper=most.upper, n=n, interval=f"{found.interval}, of both counts",
        note="; ".join(notes),
    )  # fmt: skip
