"""The exact twin against a plain Monte Carlo of one patient's course, written anew from the definitions.

The Monte Carlo shares no code with the simulators or the twin but the quantile functions and the life table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sim.outcomes.twin.expected import expected, expected_from_enrolment
from sim.scenario.distributions import Distribution
from sim.scenario.endpoints import TIMES_YEARS
from sim.scenario.life_table import background_hazards
from sim.scenario.schema import Scenario, TrialArrivals
from sim.scenario.values import with_values

YEAR = 365.25
Floats = NDArray[np.float64]


class Patients:
    """Many patients of a scenario without queues; times in days since enrolment, infinite if never."""

    def __init__(self, scenario: Scenario, n: int, seed: int) -> None:
        self.scenario, self.n, self.rng = scenario, n, np.random.default_rng(seed)
        self.before_reinfusion()
        self.after_reinfusion()
        self.earliest_wins()

    def draw(self, distribution: Distribution) -> Floats:
        return distribution.quantile(self.rng.uniform(1e-16, 1, self.n))

    def chance(self, probability: float | Floats) -> NDArray[np.bool_]:
        return self.rng.random(self.n) < probability

    def wait(self, hazard: float) -> Floats:
        budget = self.rng.exponential(size=self.n)
        return budget / hazard if hazard > 0 else np.full(self.n, np.inf)

    def before_reinfusion(self) -> None:
        s = self.scenario
        mobilised = s.cohort.enters_at == "mobilisation"
        mobilisation = self.draw(s.mobilisation.duration_days) * mobilised
        infection = s.mobilisation.infection
        window = np.minimum(infection.window_days, mobilisation)
        wait = self.wait(infection.hazard_per_day)
        self.mobilisation_infection = np.where(wait < window, mobilisation - window + wait, np.inf)
        infected = wait < window
        fatal = infected & self.chance(infection.case_fatality)
        self.mobilisation_death = np.where(
            fatal, self.mobilisation_infection + infection.days_to_death, np.inf
        )
        harvest = self.harvest() * mobilised
        failed = self.failed & mobilised
        after, before = s.recovery.postponement.after_infection, s.recovery.postponement.probability
        put_off = self.chance(np.where(infected, after, before))
        recovery = self.draw(s.recovery.duration_days)
        recovery = recovery + put_off * self.draw(s.recovery.postponement.duration_days)
        self.harvested = np.where(fatal, np.inf, mobilisation + harvest)
        self.withdrawn = np.where(failed, self.harvested, np.inf)
        self.request = np.where(failed, np.inf, self.harvested + recovery * mobilised)
        self.reinfusion = self.request + self.draw(s.immunoablation.duration_days)

    def harvest(self) -> Floats:
        h = self.scenario.harvest
        self.failed = np.zeros(self.n, dtype=bool)
        self.sessions, self.cells = np.zeros(self.n), np.zeros(self.n)
        if h.duration_days != "by_sessions":
            return self.draw(h.duration_days)
        going = np.ones(self.n, dtype=bool)
        for _ in range(h.max_sessions):
            self.sessions += going
            self.cells += going * self.draw(h.yield_million_per_kg)
            going &= self.cells < h.target_million_per_kg
        self.failed = going & self.chance(h.marrow.failure)
        return self.sessions + going * h.marrow.days

    def after_reinfusion(self) -> None:
        s = self.scenario
        aplasia, infection = self.draw(s.aplasia.duration_days), s.aplasia.infection
        self.engraftment = self.reinfusion + aplasia
        early = self.wait(infection.hazard_per_day * infection.ward_relative_risk)
        self.aplasia_infection = np.where(early < aplasia, self.reinfusion + early, np.inf)
        late = aplasia + self.wait(s.late_infection.hazard_per_day)
        self.late_infection = np.where(late < s.late_infection.until_day, self.reinfusion + late, np.inf)
        self.infection_death = self.mobilisation_death
        for onset in (self.aplasia_infection, self.late_infection):
            death = np.where(self.chance(infection.case_fatality), onset + infection.days_to_death, np.inf)
            self.infection_death = np.minimum(self.infection_death, death)
        toxicity = self.request + self.wait(s.immunoablation.toxicity_per_day)
        self.toxicity_death = np.where(toxicity < self.engraftment, toxicity, np.inf)
        self.responds = ~self.chance(s.response.non_response)
        budget, r = self.rng.exponential(size=self.n), s.relapse
        power = budget if r.dist == "weibull" else np.expm1(budget)
        latent = r.start_day + r.scale_years * YEAR * power ** (1 / r.shape)
        self.relapse = np.where(self.responds, np.maximum(self.reinfusion + latent, self.engraftment), np.inf)

    def earliest_wins(self) -> None:
        s, extra = self.scenario, self.scenario.background.extra_per_year
        active = s.active_disease.hazard_per_year / YEAR
        ends = np.where(self.responds, self.engraftment, np.inf)
        relapsed = np.where(self.responds, self.relapse, np.inf)
        lupus = self.two_phases(active, ends, 0.0, relapsed, active * s.after_relapse.multiplier)
        more = self.two_phases(0.0, ends, extra.remission / YEAR, relapsed, extra.relapsed / YEAR)
        other = np.minimum(self.background_death(), more)
        treatment = np.minimum(self.infection_death, self.toxicity_death)
        self.death = np.minimum(np.minimum(treatment, lupus), other)
        self.of_treatment = treatment == self.death

    def two_phases(self, first: float, then: Floats, second: float, last: Floats, third: float) -> Floats:
        """Return when a unit budget is spent at a hazard that changes at `then` and at `last`."""
        budget = self.rng.exponential(size=self.n)
        result = np.full(self.n, np.inf)
        for hazard, begin, end in (
            (first, np.zeros(self.n), then),
            (second, then, last),
            (third, last, None),
        ):
            here = np.isfinite(begin) & np.isinf(result)
            length = np.full(self.n, np.inf)
            if end is not None:
                length[here] = end[here] - begin[here]
            spent = here & (hazard > 0) & (budget < hazard * length) if hazard > 0 else np.zeros(self.n, bool)
            result[spent] = begin[spent] + budget[spent] / hazard if hazard > 0 else np.inf
            if hazard > 0:
                budget = np.where(here & ~spent, budget - hazard * length, budget)
        return result

    def background_death(self) -> Floats:
        cohort = self.scenario.cohort
        age = self.draw(cohort.age_years)
        hazards = background_hazards(self.scenario.background)[self.chance(cohort.female).astype(int)]
        last = hazards.shape[1] - 1
        budget, death = self.rng.exponential(size=self.n), np.full(self.n, np.inf)
        reached, birthday = age.copy(), np.floor(age)
        for _ in range(45):
            hazard = hazards[np.arange(self.n), np.minimum(birthday, last).astype(int)]
            cost = hazard * (birthday + 1 - reached)
            dies = np.isinf(death) & (budget < cost)
            death[dies] = (reached[dies] - age[dies] + budget[dies] / hazard[dies]) * YEAR
            budget, birthday = budget - cost, birthday + 1
            reached = birthday.copy()
        return death


Estimate = tuple[float, float]


def estimates(p: Patients) -> dict[tuple[str, float | None], Estimate]:
    """Return mean and standard error of each endpoint."""
    s, found = p.scenario, {}
    reinfused = p.reinfusion < p.death
    everybody = np.ones(p.n, dtype=bool)
    treated = p.of_treatment & (p.death <= p.reinfusion + 100) & np.isfinite(p.death)
    withdrawn = p.withdrawn < p.death

    def put(
        name: str, value: Floats | NDArray[np.bool_], among: NDArray[np.bool_], at: float | None = None
    ) -> None:
        if among.any():
            x = value[among].astype(float)
            found[name, at] = (float(x.mean()), float(x.std() / np.sqrt(x.size)))

    put("treatment_related_mortality", treated, everybody)
    put("transplant_related_mortality", treated & reinfused, everybody)
    put("pre_transplant_mortality", ~reinfused & ~withdrawn, everybody)
    put("harvest_failure", withdrawn, everybody)
    onsets = (p.mobilisation_infection, p.aplasia_infection, p.late_infection)
    put("infections_per_patient", sum(onset < p.death for onset in onsets), everybody)
    if s.cohort.enters_at == "mobilisation" and s.harvest.duration_days == "by_sessions":
        put("apheresis_sessions", p.sessions, p.harvested < p.death)
        put("cd34_infused", p.cells * s.harvest.selection_recovery, reinfused)
    horizon = s.follow_up.horizon_years
    with np.errstate(invalid="ignore"):
        since = np.where(reinfused, p.death - p.reinfusion, 0.0)
    for time in sorted({*(t for t in TIMES_YEARS if t <= horizon), horizon}):
        for name, event in at_time(p, time * YEAR).items():
            put(name, event, reinfused, time)
        for name, event in from_enrolment(p, time * YEAR).items():
            put(name, event, everybody, time)
        put("restricted_mean_survival", np.minimum(since / YEAR, time), reinfused, time)
        put("restricted_mean_survival_enrolled", np.minimum(p.death / YEAR, time), everybody, time)
    if isinstance(s.arrivals, TrialArrivals) and s.follow_up.data_cut_days != "none":
        arrival = s.arrivals.window_days * p.rng.random(p.n) ** (1 / s.arrivals.power)
        cut = s.follow_up.data_cut_days - arrival
        seen = reinfused & (p.reinfusion < cut)
        with np.errstate(invalid="ignore"):
            put("mean_follow_up", (np.minimum(p.death, cut) - p.reinfusion) / YEAR, seen)
    return found


def at_time(p: Patients, days: float) -> dict[str, NDArray[np.bool_]]:
    """Return who is in which state some days after reinfusion."""
    now, assessed = p.reinfusion + days, p.reinfusion + p.scenario.response.assessed_at_days
    alive = p.death > now
    relapsed = (p.relapse <= now) & (p.relapse < p.death)
    unanswered = ~p.responds & (p.death > assessed) & (days >= p.scenario.response.assessed_at_days)
    free = alive & ~relapsed & ~unanswered
    return {
        "overall_survival": alive,
        "disease_free_survival": free,
        "relapse_incidence": relapsed,
        "no_response": unanswered,
        "death_without_relapse": ~free & ~relapsed & ~unanswered,
        "in_remission": free & p.responds & (p.engraftment <= now),
    }


def from_enrolment(p: Patients, days: float) -> dict[str, NDArray[np.bool_]]:
    """Return who is alive and disease-free some days after enrolment."""
    assessed = np.where(p.responds, np.inf, p.reinfusion + p.scenario.response.assessed_at_days)
    event = np.minimum(np.minimum(p.death, p.withdrawn), np.minimum(p.relapse, assessed))
    return {"overall_survival_enrolled": p.death > days, "disease_free_survival_enrolled": event > days}


CHICAGO = Scenario.model_validate(
    {
        "title": "the Chicago trial, roughly",
        "mobilisation": {"infection": {"case_fatality": 0.067}},
        "active_disease": {"hazard_per_year": 0.15},
        "aplasia": {"infection": {"case_fatality": 0.055}},
        "relapse": {"scale_years": 9.5},
        "after_relapse": {"multiplier": 0.7},
        "arrivals": {"pattern": "trial", "power": 2.8},
    }
)
# Large risks, so that an error shows against the Monte Carlo error.
LETHAL = {
    "mobilisation.infection.case_fatality": 0.4,
    "active_disease.hazard_per_year": 0.5,
    "aplasia.infection": {"case_fatality": 0.5, "hazard_per_day": 0.03},
    "late_infection.hazard_per_day": 0.002,
    "immunoablation.toxicity_per_day": 0.002,
}
NO_RESPONSE = {
    **LETHAL,
    "response": {"non_response": 0.3, "assessed_at_days": 120.0},
    "background.extra_per_year": {"remission": 0.1, "relapsed": 0.3},
    "relapse": {"dist": "log_logistic", "scale_years": 2.0, "shape": 1.5, "start_day": 0.0},
}
LONG_STAGES = {
    **LETHAL,
    "mobilisation.duration_days": {"dist": "exponential", "mean": 5},
    "harvest.duration_days": {"dist": "exponential", "mean": 20},
    "recovery.duration_days": {"dist": "gamma", "mean": 30, "sd": 40},
    "recovery.postponement": {"probability": 0.4, "after_infection": 0.8, "duration_days": 90},
    "immunoablation.duration_days": {"dist": "weibull", "shape": 0.8, "scale": 20},
    "aplasia.duration_days": {"dist": "gamma", "mean": 60, "sd": 50},
    "response.non_response": 0.2,
}
REGISTRY_OF_THE_OLD = {
    "cohort": {"enters_at": "immunoablation", "age_years": 80.3, "female": 0.3},
    "aplasia.duration_days": 0,
    "aplasia.infection.case_fatality": 0.5,
    "follow_up.horizon_years": 3.7,
}
FEW_CELLS = {
    "cohort.age_years": {"dist": "gamma", "mean": 60, "sd": 25},
    "background": {"standardised_mortality_ratio": 3.0},
    "background.extra_per_year.remission": 0.2,
    "harvest": {"yield_million_per_kg": {"dist": "exponential", "mean": 2}, "max_sessions": 3},
    "harvest.marrow": {"failure": 0.5, "days": 10.0},
    "aplasia.duration_days": {"dist": "exponential", "mean": 30},
    "relapse": {"scale_years": 0.4, "shape": 2.5, "start_day": 20.0},
    "arrivals": {"window_days": 1500.0, "power": 0.5},
    "follow_up.data_cut_days": 1600.0,
}


@pytest.mark.parametrize(
    "changes",
    [{}, LETHAL, NO_RESPONSE, LONG_STAGES, REGISTRY_OF_THE_OLD, FEW_CELLS],
    ids=["chicago", "lethal", "no response", "long stages", "registry of the old", "few cells"],
)
def test_agrees_with_plain_monte_carlo(changes: Mapping[str, Any]) -> None:
    scenario = with_values(CHICAGO, changes)
    exact = expected(scenario) | expected_from_enrolment(scenario)
    simulated = estimates(Patients(scenario, n=400_000, seed=20060202))
    assert simulated.keys() <= exact.keys()
    for key, (mean, error) in simulated.items():
        # Where nobody was seen, a share up to 20 / n is as good.
        assert exact[key] == pytest.approx(mean, abs=4.5 * error + 5e-5), key
