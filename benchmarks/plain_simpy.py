"""The pathway of `chicago2006` as one would write it by hand in SimPy: it draws its own numbers as it goes.

A yardstick for speed, not a part of the project: no addressed luck, no scenario files, no records beyond the
five figures of the trial. It is lean on purpose; the numbers come from Python's own generator, which is the
fastest way to draw one at a time.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Generator
from typing import Any

import simpy

from sim.scenario.life_table import background_hazards
from sim.scenario.schema import DAYS_PER_YEAR, Scenario

HORIZON = 5 * DAYS_PER_YEAR


def lognormal(mean: float, sd: float) -> tuple[float, float]:
    """Return mu and sigma of a lognormal with this mean and sd."""
    variance = math.log1p((sd / mean) ** 2)
    return math.log(mean) - variance / 2, math.sqrt(variance)


MOBILISATION, YIELD = lognormal(11, 1.5), lognormal(3.93, 4.48)
RECOVERY, POSTPONEMENT = lognormal(28, 14), lognormal(60, 60)
APLASIA, DISCHARGE, ILLNESS = lognormal(9, 1.1), lognormal(3, 1), lognormal(10, 5)


class Trial:
    """One trial: a clock, unlimited slots and rooms, and the counts of its figures."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.env = simpy.Environment()
        self.slots = simpy.Resource(self.env, capacity=10**9)
        self.rooms = simpy.Resource(self.env, capacity=10**9)
        self.random = random.Random(seed)  # noqa: S311 (a simulation, no secret)
        self.hazards = [row.tolist() for row in background_hazards(scenario.background)]
        self.power = scenario.arrivals.power
        self.mobilisation_fatality = scenario.mobilisation.infection.case_fatality
        self.aplasia_fatality = scenario.aplasia.infection.case_fatality
        self.lupus = scenario.active_disease.hazard_per_year / DAYS_PER_YEAR
        self.scale = scenario.relapse.scale_years * DAYS_PER_YEAR
        self.multiplier = scenario.after_relapse.multiplier
        self.counts: Counter[str] = Counter()

    def background(self, age: float, sex: int) -> float:
        """Draw the days until death from other causes."""
        left, hazards, now = self.random.expovariate(1.0), self.hazards[sex], age
        while True:
            year = min(int(now), len(hazards) - 1)
            span = int(now) + 1 - now
            if left < hazards[year] * span or now > 150:
                return (now + left / hazards[year] - age) * DAYS_PER_YEAR
            left -= hazards[year] * span
            now = int(now) + 1

    def patient(self) -> Generator[simpy.Event, Any, None]:
        """Follow one patient."""
        env, draw = self.env, self.random
        yield env.timeout(2861 * draw.random() ** (1 / self.power))
        enrolled = env.now
        age, sex = 29 * math.exp(0.30 * draw.gauss(0, 1)), int(draw.random() < 0.83)
        other = enrolled + self.background(age, sex)
        lupus = enrolled + draw.expovariate(self.lupus)
        death, cause = (lupus, "lupus") if lupus < other else (other, "background")

        days = draw.lognormvariate(*MOBILISATION)
        onset = days - min(4.0, days) + draw.expovariate(0.0628286)
        infected = onset < days
        if infected and draw.random() < self.mobilisation_fatality:
            if enrolled + onset + 7 < death:
                death, cause = enrolled + onset + 7, "infection"
            yield env.timeout(death - env.now)
            self.counts.update(before=1, treatment=cause == "infection")
            return
        yield env.timeout(min(days, death - env.now))
        if env.now >= death:
            self.counts["before"] += 1
            return

        with self.slots.request() as slot:
            yield slot
            collected, sessions = 0.0, 0
            while collected < 5.59 and sessions < 4:
                collected += draw.lognormvariate(*YIELD)
                sessions += 1
            yield env.timeout(min(float(sessions), death - env.now))
        if collected < 5.59 and env.now < death:
            yield env.timeout(min(1.0, death - env.now))
            if draw.random() < 0.2 and env.now < death:
                return
        if env.now >= death:
            self.counts["before"] += 1
            return
        days = draw.lognormvariate(*RECOVERY)
        if infected or draw.random() < 0.05:
            days += draw.lognormvariate(*POSTPONEMENT)
        yield env.timeout(min(days, death - env.now))
        if env.now >= death:
            self.counts["before"] += 1
            return
        yield from self.transplant(death, cause, other)

    def transplant(self, death: float, cause: str, other: float) -> Generator[simpy.Event, Any, None]:
        """Follow one patient from the isolation room on."""
        env, draw = self.env, self.random
        with self.rooms.request() as room:
            yield room
            aplasia = draw.lognormvariate(*APLASIA)
            toxicity = draw.expovariate(3.571e-5)
            if toxicity < 5 + aplasia and env.now + toxicity < death:
                death, cause = env.now + toxicity, "toxicity"
            yield env.timeout(min(5.0, death - env.now))
            if env.now >= death:
                self.counts.update(before=1, treatment=cause == "toxicity")
                return
            reinfused = env.now
            self.counts["reinfused"] += 1
            onset, stay = draw.expovariate(0.0087), aplasia + draw.lognormvariate(*DISCHARGE)
            if onset < aplasia:
                if draw.random() < self.aplasia_fatality:
                    if reinfused + onset + 7 < death:
                        death, cause = reinfused + onset + 7, "infection"
                    stay = max(stay, onset + 7)
                else:
                    stay = max(stay, onset + draw.lognormvariate(*ILLNESS))
            late = aplasia + draw.expovariate(0.00017)
            late_death = math.inf
            if late < 93 and draw.random() < self.aplasia_fatality:
                late_death = reinfused + late + 7
            relapse = math.inf
            if cause != "lupus" or death > reinfused + aplasia:
                # In remission lupus does not kill; after relapse it does, at its own hazard.
                if cause == "lupus":
                    death, cause = other, "background"
                relapse = reinfused + 60 + self.scale * draw.expovariate(1.0) ** (1 / 0.6)
                after = relapse + draw.expovariate(self.lupus * self.multiplier)
                if after < death:
                    death, cause = after, "lupus"
            if late_death < death:
                death, cause = late_death, "infection"
            yield env.timeout(min(stay, death - env.now))
            yield env.timeout(1.0)
        if env.now < relapse < min(death, reinfused + HORIZON):
            yield env.timeout(relapse - env.now)
        if env.now < min(death, reinfused + HORIZON):
            yield env.timeout(min(death, reinfused + HORIZON) - env.now)
        self.counts.update(
            treatment=cause in ("infection", "toxicity") and death <= reinfused + 100,
            alive=death > reinfused + HORIZON,
            disease_free=min(death, relapse) > reinfused + HORIZON,
        )

    def run(self, patients: int) -> Counter[str]:
        """Treat everybody and return the counts."""
        for _ in range(patients):
            self.env.process(self.patient())
        self.env.run()
        return self.counts
