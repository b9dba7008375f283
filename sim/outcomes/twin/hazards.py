"""What can befall a patient after reinfusion, given the length of aplasia: chances at a time.

All functions are elementwise in t, days since reinfusion, and a, the length of aplasia, and are taken for
several sets of hazards at once: results have shape (sets, times). Background mortality is left out. Latent
causes are independent, so survival is a product.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sim.outcomes.twin.parameter_sets import ParameterSets
from sim.outcomes.twin.quadrature import double_exponential, on_panels, refined
from sim.scenario.distributions import Floats
from sim.scenario.schema import DAYS_PER_YEAR

_RELAPSE_CERTAIN = 40.0  # cumulative hazard after which 4e-18 are left without relapse
_INNER_ORDER = 61
_TIMES = 64  # at once, that what is held of them stays in the processor's cache


@dataclass(frozen=True)
class TimePoints:
    """Pairs of a time since reinfusion and a length of aplasia; few of the times differ.

    Pair number i is the time ``distinct[number[i]]`` with the length ``aplasia[i]``; ``distinct`` has shape
    (times,), or (sets, times) where each set has its own, which only `AfterReinfusion` makes.
    """

    distinct: Floats
    number: NDArray[np.intp]
    aplasia: Floats

    @classmethod
    def of(cls, times: Floats, aplasia: Floats) -> TimePoints:
        """Pair each of some times with each of some lengths, time by time."""
        number = np.repeat(np.arange(times.shape[-1]), aplasia.size)
        return cls(times, number, np.tile(aplasia, times.shape[-1]))

    @cached_property
    def times(self) -> Floats:
        """The time of each pair."""
        return self.spread(self.distinct)

    def spread(self, values: Floats) -> Floats:
        """Return for each pair the value at its time."""
        return np.take(values, self.number, axis=-1)


class RelapseTime:
    """The latent time of relapse: cumulative hazard H and its inverse; days since reinfusion."""

    def __init__(self, sets: ParameterSets) -> None:
        self.dist, self.start = sets.shared.relapse.dist, sets.shared.relapse.start_day
        self.shape = sets.column("relapse.shape")
        self.scale = sets.column("relapse.scale_years") * DAYS_PER_YEAR

    def hazard(self, t: Floats) -> Floats:
        """Return H: ``x^shape`` (Weibull) or ``log(1 + x^shape)`` (log-logistic), x = (t - start) / scale."""
        with np.errstate(over="ignore"):
            power = (np.maximum(t - self.start, 0.0) / self.scale) ** self.shape
            return np.minimum(power if self.dist == "weibull" else np.log1p(power), _RELAPSE_CERTAIN)

    def time(self, hazard: Floats) -> Floats:
        """Return the time at which the cumulative hazard is reached."""
        power = hazard if self.dist == "weibull" else np.expm1(hazard)
        with np.errstate(over="ignore"):
            time = power ** (1 / self.shape)
            time *= self.scale
            time += self.start
            return time


class Hazards:
    """Hazards per day from reinfusion on; arrays have shape (sets, 1), numbers are common to the sets.

    ``lupus`` is the hazard when active, ``relapsed`` the hazard of lupus and extra mortality after relapse,
    ``extra`` the latter alone, ``regained`` the rate of lasting remission then, ``remission`` the extra
    mortality in remission.
    """

    def __init__(self, sets: ParameterSets, refinement: float) -> None:
        column, shared, infection = sets.column, sets.shared, "aplasia.infection"
        lupus = column("active_disease.hazard_per_year")
        after_relapse = column("after_relapse.multiplier") * lupus
        extra = column("background.extra_per_year.relapsed")
        self.lupus = lupus / DAYS_PER_YEAR
        self.remission = column("background.extra_per_year.remission") / DAYS_PER_YEAR
        self.relapsed = (after_relapse + extra) / DAYS_PER_YEAR
        self.regained = column("after_relapse.remission_per_year") / DAYS_PER_YEAR
        self.extra = extra / DAYS_PER_YEAR
        self.toxicity = shared.immunoablation.toxicity_per_day
        on_ward = column(f"{infection}.ward_relative_risk")
        self.aplasia_infection = column(f"{infection}.hazard_per_day") * on_ward
        self.late_infection = column("late_infection.hazard_per_day")
        self.late_until = shared.late_infection.until_day
        self.case_fatality = column(f"{infection}.case_fatality")
        self.days_to_death = shared.aplasia.infection.days_to_death
        self.non_response = column("response.non_response")
        self.relapse, self.refinement = RelapseTime(sets), refinement

    def escapes_aplasia_infection(self, t: Floats, a: Floats) -> Floats:
        """Return the chance of no death by t from an infection caught in aplasia."""
        exposed = np.minimum(np.maximum(t - self.days_to_death, 0.0), a)
        return 1 + self.case_fatality * np.expm1(-self.aplasia_infection * exposed)

    def escapes_late_infection(self, t: Floats, a: Floats) -> Floats:
        """Return the chance of no death by t from an infection caught after engraftment."""
        exposed = np.maximum(np.minimum(t - self.days_to_death, self.late_until) - a, 0.0)
        return 1 + self.case_fatality * np.expm1(-self.late_infection * exposed)

    def escapes_treatment(self, t: Floats, a: Floats) -> Floats:
        """Return the chance of no death by t from infection or toxicity."""
        toxicity = np.exp(-self.toxicity * np.minimum(t, a))
        return self.escapes_aplasia_infection(t, a) * self.escapes_late_infection(t, a) * toxicity

    def infection_death_density(self, t: Floats, a: Floats) -> Floats:
        """Return the density of the first death from infection, per day, toxicity survived."""
        onset = t - self.days_to_death
        early = self.aplasia_infection * np.exp(-self.aplasia_infection * np.clip(onset, 0.0, a))
        early *= (onset > 0) & (onset < a)
        late = self.late_infection * np.exp(-self.late_infection * np.maximum(onset - a, 0.0))
        late *= (onset > a) & (onset < self.late_until)
        density = early * self.escapes_late_infection(t, a) + late * self.escapes_aplasia_infection(t, a)
        return self.case_fatality * density * np.exp(-self.toxicity * np.minimum(t, a))

    def escapes_lupus(self, at: TimePoints) -> Floats:
        """Return the chance of no death from lupus or its extra mortality; times are common to the sets."""
        return self._with_lupus(at, self._after_engraftment(at, 1)[0])

    def lupus_deaths(self, at: TimePoints) -> tuple[Floats, Floats]:
        """Return what `escapes_lupus` does, and the density of deaths from lupus, per day."""
        alive, ill = self._after_engraftment(at, 2)
        active = self._with_lupus(at, np.where(at.times < at.aplasia, 1.0, 0.0))
        ill = self._with_lupus(at, ill, responding=True)
        return self._with_lupus(at, alive), self.lupus * active + (self.relapsed - self.extra) * ill

    def _with_lupus(self, at: TimePoints, chance: Floats, *, responding: bool = False) -> Floats:
        """Return the chance to live to engraftment, times a chance from then on, or with no response."""
        answered = np.exp(-self.lupus * np.minimum(at.times, at.aplasia))
        chances: Floats = (1 - self.non_response) * answered * chance
        if responding or not self.non_response.any():
            return chances
        return self.non_response * at.spread(np.exp(-self.lupus * at.distinct)) + chances

    def without_relapse(self, t: Floats, a: Floats) -> Floats:
        """Return the chance of a response, and of neither relapse nor death from lupus by t."""
        free = np.where(t < a, 1.0, np.exp(-self.relapse.hazard(t)))
        lupus = np.exp(-self.lupus * np.minimum(t, a) - self.remission * np.maximum(t - a, 0.0))
        return (1 - self.non_response) * lupus * free

    def _after_engraftment(self, at: TimePoints, parts: int) -> Floats:
        """Return a responder's chance to live from engraftment (1 before), and to be ill again; by parts.

        Of the two parts the first, or both; shape (parts, sets, pairs).
        """
        start, t, a = self.relapse.start, at.times, at.aplasia
        first = np.maximum(a, start)  # no relapse shows before
        chances = _at_some(np.zeros(t.shape[-1], dtype=np.bool_), np.zeros((parts, 1, 0)))
        usual = a <= start  # relapse does not depend on aplasia, and few times differ
        late = at.distinct > start
        if late.any() and usual.any():
            times = at.distinct[late]
            since_start = _at_some(late, self._after_first(times, np.full_like(times, start))[:parts])
            chances = np.where(usual, at.spread(since_start), chances)
        unusual = ~usual & (t > a)
        if unusual.any():
            later = _at_some(unusual, self._after_first(t[unusual], a[unusual])[:parts])
            chances = np.where(unusual, later, chances)
        return np.asarray(chances * np.exp(-self.remission * np.maximum(np.minimum(t, first) - a, 0.0)))

    def _after_first(self, t: Floats, first: Floats) -> Floats:
        """Return the chances to live from `first`, when relapse can show, to t, and to be ill then.

        Sum of three: no relapse by t, relapse at once, and relapse between, integrated over the
        cumulative hazard z because the density in time is unbounded for shapes below one.
        """
        if t.size > _TIMES:
            pieces = (slice(i, i + _TIMES) for i in range(0, t.size, _TIMES))
            parts = [self._after_first(t[some], first[some]) for some in pieces]
            return np.concatenate(parts, axis=-1)
        begin, end = self.relapse.hazard(first), self.relapse.hazard(t)
        rule = double_exponential(refined(_INNER_ORDER, self.refinement))
        z, weights = on_panels(np.stack([begin, end], axis=-1), rule)
        by_time, z = z.shape[1:], z.reshape(len(z), -1)
        since, until = (np.repeat(time, rule.nodes.size) for time in (first, t))
        relapse = np.clip(self.relapse.time(z), since, until)
        remission = self.remission * (relapse - since) if self.remission.any() else 0.0
        lived = t - first
        never = np.exp(-end - self.remission * lived)
        both = []
        for alive, soon, well in zip(
            self.relapsed_alive(until - relapse, z + remission),
            self.relapsed_alive(lived),
            (never, np.zeros(1)),
            strict=True,
        ):
            between = (weights * alive.reshape(len(alive), *by_time)).sum(axis=-1)
            both.append(well - np.expm1(-begin) * soon + between)
        return np.stack(both)

    def relapsed_alive(self, since: Floats, before: Floats | float = 0.0) -> tuple[Floats, Floats]:
        """Return the chances to live some days after relapse, and to be ill then, times ``exp(-before)``.

        With death from lupus at m and lasting remission at r it is
        ``exp(-(m + r) u) + r / (m + r) (1 - exp(-(m + r) u))`` after u days, but for extra mortality, which
        remission does not end.
        """
        active = np.exp(-(before + (self.relapsed + self.regained) * since))
        if not self.regained.any():
            return active, active
        lupus = self.relapsed - self.extra
        share = self.regained / np.maximum(lupus + self.regained, np.finfo(np.float64).tiny)
        return active + share * (np.exp(-(before + self.extra * since)) - active), active


def _at_some(chosen: NDArray[np.bool_], chances: Floats) -> Floats:
    """Return chances to live, and to be ill, at the chosen moments; 1 and 0 at the others."""
    everywhere = np.zeros((*chances.shape[:-1], chosen.size))
    everywhere[0] = 1.0
    everywhere[..., chosen] = chances
    return everywhere
