"""What can befall a patient after reinfusion, given the length of aplasia: chances at a time.

All functions are elementwise in t, days since reinfusion, and a, the length of aplasia; background
mortality is left out. Latent causes are independent, so survival is a product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sim.outcomes.twin.quadrature import double_exponential, on_panels
from sim.scenario.distributions import Floats
from sim.scenario.schema import DAYS_PER_YEAR, Scenario

_RELAPSE_CERTAIN = 40.0  # cumulative hazard after which 4e-18 are left without relapse
_INNER_ORDER = 61
_STEEP = 0.5  # per day


@dataclass(frozen=True)
class RelapseTime:
    """The latent time of relapse: cumulative hazard H and its inverse; days since reinfusion."""

    dist: Literal["weibull", "log_logistic"]
    shape: float
    scale: float
    start: float

    def hazard(self, t: Floats) -> Floats:
        """Return H: ``x^shape`` (Weibull) or ``log(1 + x^shape)`` (log-logistic), x = (t - start) / scale."""
        with np.errstate(over="ignore"):
            power = (np.maximum(t - self.start, 0.0) / self.scale) ** self.shape
            return np.minimum(power if self.dist == "weibull" else np.log1p(power), _RELAPSE_CERTAIN)

    def time(self, hazard: Floats) -> Floats:
        """Return the time at which the cumulative hazard is reached."""
        power = hazard if self.dist == "weibull" else np.expm1(hazard)
        with np.errstate(over="ignore"):
            return self.start + self.scale * power ** (1 / self.shape)


@dataclass(frozen=True)
class Hazards:
    """Hazards per day from reinfusion on.

    ``lupus`` is the hazard when active, ``relapsed`` the hazard of lupus and extra mortality after relapse,
    ``remission`` the extra mortality in remission.
    """

    lupus: float
    toxicity: float
    aplasia_infection: float
    late_infection: float
    late_until: float
    case_fatality: float
    days_to_death: float
    non_response: float
    remission: float
    relapsed: float
    relapse: RelapseTime
    refinement: int

    @classmethod
    def of(cls, scenario: Scenario, refinement: int) -> Hazards:
        """Read the hazards from a scenario."""
        infection, relapse = scenario.aplasia.infection, scenario.relapse
        extra = scenario.background.extra_per_year
        lupus = scenario.active_disease.hazard_per_year
        return cls(
            lupus=lupus / DAYS_PER_YEAR,
            toxicity=scenario.immunoablation.toxicity_per_day,
            aplasia_infection=infection.hazard_per_day * infection.ward_relative_risk,
            late_infection=scenario.late_infection.hazard_per_day,
            late_until=scenario.late_infection.until_day,
            case_fatality=infection.case_fatality,
            days_to_death=infection.days_to_death,
            non_response=scenario.response.non_response,
            remission=extra.remission / DAYS_PER_YEAR,
            relapsed=(scenario.after_relapse.multiplier * lupus + extra.relapsed) / DAYS_PER_YEAR,
            relapse=RelapseTime(
                relapse.dist, relapse.shape, relapse.scale_years * DAYS_PER_YEAR, relapse.start_day
            ),
            refinement=refinement,
        )

    def layers(self) -> list[float]:
        """Return in how many days a hazard has done its work, for each that is too great for a panel."""
        hazards = (self.aplasia_infection, self.late_infection, self.toxicity, self.lupus, self.remission)
        return [waits / hazard for hazard in hazards if hazard > _STEEP for waits in (4.0, 40.0)]

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

    def escapes_lupus(self, t: Floats, a: Floats) -> Floats:
        """Return the chance of no death by t from lupus or its extra mortality."""
        active = np.exp(-self.lupus * t)
        answered = np.exp(-self.lupus * np.minimum(t, a))
        responding = (1 - self.non_response) * answered * self._after_engraftment(t, a)
        return self.non_response * active + responding

    def without_relapse(self, t: Floats, a: Floats) -> Floats:
        """Return the chance of a response, and of neither relapse nor death from lupus by t."""
        free = np.where(t < a, 1.0, np.exp(-self.relapse.hazard(t)))
        lupus = np.exp(-self.lupus * np.minimum(t, a) - self.remission * np.maximum(t - a, 0.0))
        return (1 - self.non_response) * lupus * free

    def _after_engraftment(self, t: Floats, a: Floats) -> Floats:
        """Return a responder's chance to live from engraftment at a to t (1 before)."""
        first = np.maximum(a, self.relapse.start)  # no relapse shows before
        quiet = np.exp(-self.remission * np.maximum(np.minimum(t, first) - a, 0.0))
        t, a, first, quiet = np.broadcast_arrays(t, a, first, quiet)
        result = np.array(quiet)
        late = t > first
        usual = late & (first == self.relapse.start)
        if usual.any():  # relapse does not depend on aplasia, and few times differ
            times, back = np.unique(t[usual], return_inverse=True)
            result[usual] *= self._after_first(times, np.full(times.shape, self.relapse.start))[back]
        unusual = late & ~usual
        if unusual.any():
            result[unusual] *= self._after_first(t[unusual], first[unusual])
        return result

    def _after_first(self, t: Floats, first: Floats) -> Floats:
        """Return the chance to live from `first`, when relapse can show, to t.

        Sum of three: no relapse by t, relapse at once, and relapse between, integrated over the
        cumulative hazard z because the density in time is unbounded for shapes below one.
        """
        begin, end = self.relapse.hazard(first), self.relapse.hazard(t)
        lived = t - first
        z, weights = on_panels(
            np.stack([begin, end], axis=-1), double_exponential(_INNER_ORDER * self.refinement)
        )
        relapse = np.clip(self.relapse.time(z), first[:, None], t[:, None])
        exponent = z + self.remission * (relapse - first[:, None]) + self.relapsed * (t[:, None] - relapse)
        between = (weights * np.exp(-exponent)).sum(axis=-1)
        never = np.exp(-end - self.remission * lived)
        at_once = -np.expm1(-begin) * np.exp(-self.relapsed * lived)
        alive: Floats = never + at_once + between
        return alive
