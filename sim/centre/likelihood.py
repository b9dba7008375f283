"""How likely the model finds the histories of single patients: the likelihood of what was seen of each.

It is exact, by the hazards of the twin, and takes every patient's own days. How long somebody was on the way
to reinfusion is taken as given: its law holds none of the parameters that are learned, centres differ in it,
and while somebody waits only hazards act. So a room that was not free costs nothing, and the scenario's own
durations before reinfusion decide about no patient. What a wait would tell of an infection in mobilisation is
left unused. The length of aplasia is not known and is integrated over, and so is a relapse where the table
tells of none.

Days are whole ones. A relapse, and a death of the treatment after reinfusion, has the chance of its day, half
a day to either side, because the density is unbounded where relapse begins; a death of lupus or of another
cause, whose hazards hardly move within a day, has its density per day. The day of a treatment death before
reinfusion is not used: its law holds nothing that is learned. A treatment death later than day 100 counts as
another cause, by the definition of treatment-related mortality.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.centre.patients import OwnPatients
from sim.outcomes.twin.hazards import Hazards, TimePoints
from sim.outcomes.twin.parameter_sets import ParameterSets, batches
from sim.outcomes.twin.quadrature import Law, compress_between, law_of
from sim.outcomes.twin.time_to_reinfusion import Pathway, apheresis, mobilisation_law, request_law
from sim.scenario.distributions import Distribution, Floats
from sim.scenario.life_table import background_hazards
from sim.scenario.problems import RequestError
from sim.scenario.schema import DAYS_PER_YEAR, Scenario

_HALF = 0.5  # of a day
_ORDER = 16  # nodes a panel of a law
_NODES = 12  # of a law between two breaks
_SHOWN = 20


class Chances(NamedTuple):
    """What may be seen of each patient on the last day, shape (sets, patients), the background apart."""

    alive: Floats
    treatment: Floats
    lupus: Floats
    extra: Floats
    """Of the extra mortality that a scenario adds to the background."""
    treatment_that_day: Floats
    """Of the treatment on that very day; `treatment` where its day is not used is of any day."""


class HistoryLikelihood:
    """The likelihood of patients under scenarios that differ in their parameters.

    Parameters
    ----------
    patients
        Of one's own.
    scenario
        Whose definitions hold: where the way begins, and what befalls whom.

    Raises
    ------
    RequestError
        The scenario can't tell of such patients, or the table does not tell who died.
    """

    def __init__(self, patients: OwnPatients, scenario: Scenario) -> None:
        _refuse(scenario)
        if not patients.deaths_recorded:
            raise RequestError(
                "the table tells of relapse or death together and not which: learn from patients whose "
                "deaths are told, or from a reconstructed curve of overall survival"
            )
        late = (patients.cause == "treatment") & patients.past_treatment
        self.patients = patients
        self.causes = np.where(late, "other", patients.cause)
        self._reinfused = np.flatnonzero(patients.reinfused)
        self._waiting = np.flatnonzero(~patients.reinfused)
        self._kept: dict[object, _Pairs] = {}

    def refuse_impossible(self, scenario: Scenario) -> None:
        """Refuse histories that a scenario knows no way to.

        Raises
        ------
        RequestError
            Listing them by row, with the reason of each.
        """
        impossible = ~np.isfinite(self.each([scenario])[0])
        if impossible.any():
            raise RequestError("\n".join(self._reasons(impossible, scenario)))

    def log(self, scenarios: Sequence[Scenario]) -> Floats:
        """Return the log-likelihood of all patients under each scenario, shape (scenarios,)."""
        return np.asarray(self.each(scenarios).sum(axis=1))

    def each(self, scenarios: Sequence[Scenario]) -> Floats:
        """Return the log-likelihood of each patient under each scenario, shape (scenarios, patients)."""
        found = np.empty((len(scenarios), len(self.patients)))
        for numbers, sets in batches(scenarios):
            chances = np.zeros((len(Chances._fields), len(sets), len(self.patients)))
            for places, told in ((self._waiting, self._on_the_way), (self._reinfused, self._after)):
                if places.size:
                    chances[:, :, places] = np.stack(np.broadcast_arrays(*told(sets)))
            with np.errstate(divide="ignore"):
                found[numbers] = np.log(self._chosen(Chances(*chances), sets.shared))
        return found

    def _chosen(self, chances: Chances, scenario: Scenario) -> Floats:
        """Return the chance of what was seen: alive, or dead of the cause."""
        alive, dying = background_of_each(self.patients, scenario)
        other = chances.alive * dying + chances.extra * alive
        by_cause = {
            "": chances.alive * alive,
            "treatment": chances.treatment * alive,
            "lupus": chances.lupus * alive,
            "other": other,
            "unknown": (chances.treatment_that_day + chances.lupus) * alive + other,
        }
        return np.asarray(np.select([self.causes == name for name in by_cause], list(by_cause.values())))

    def _on_the_way(self, sets: ParameterSets) -> Chances:
        """Return the chances of who was not reinfused."""
        way, day = _Way(sets), self.patients.last_seen[self._waiting]
        active = np.exp(-way.hazard * day)
        alive = active * way.escapes_treatment_by(day)
        that_day = way.escapes_treatment_by(day - _HALF) - way.escapes_treatment_by(day + _HALF)
        that_day = that_day + way.toxicity_by(day + _HALF) - way.toxicity_by(day - _HALF)
        treatment = active * way.treatment_death(day)
        return Chances(alive, treatment, way.hazard * alive, np.zeros(1), active * that_day)

    def _after(self, sets: ParameterSets) -> Chances:
        """Return the chances of who was reinfused."""
        way, at, hazards = _Way(sets), self._pairs(sets.shared), Hazards(sets, 1.0)
        day = self.patients.transplanted[self._reinfused]
        reached = np.ones(1) if self.patients.from_transplant else np.exp(-way.hazard * day) * way.spared(day)
        here = hazards.escapes_treatment(at.end, at.aplasia)
        that_day = hazards.escapes_treatment(np.maximum(at.end - _HALF, 0.0), at.aplasia)
        that_day = that_day - hazards.escapes_treatment(at.end + _HALF, at.aplasia)
        alive, lupus, extra = self._ill(hazards, at)
        treatment = at.sum(that_day * alive)
        parts = (at.sum(here * alive), treatment, at.sum(here * lupus), at.sum(here * extra), treatment)
        return Chances(*(reached * part for part in parts))

    def _ill(self, hazards: Hazards, at: _Pairs) -> tuple[Floats, Floats, Floats]:
        """Return the chances to live with what was seen of the disease, and to die a day of it, or extra."""
        told = self._without(hazards, at)
        if not self.patients.relapse_recorded:
            return self._whether_or_not(hazards, at)
        if not at.relapsed.any():
            return told
        seen = _relapsed(hazards, at)
        alive, lupus, extra = (np.where(at.relapsed, b, a) for a, b in zip(told, seen, strict=True))
        return alive, lupus, extra

    def _without(self, hazards: Hazards, at: _Pairs) -> tuple[Floats, Floats, Floats]:
        """Return the chances of who has not relapsed: in remission, or without response."""
        well = hazards.without_relapse(at.end, at.aplasia)
        never = hazards.non_response * np.exp(-hazards.lupus * at.end)
        in_aplasia = at.end < at.aplasia
        lupus = hazards.lupus * (np.where(in_aplasia, well, 0.0) + never)
        return well + never, lupus, hazards.remission * np.where(in_aplasia, 0.0, well)

    def _whether_or_not(self, hazards: Hazards, at: _Pairs) -> tuple[Floats, Floats, Floats]:
        """Return the chances of whom it is not told whether they relapsed."""
        points = TimePoints(at.end, np.arange(at.end.size), at.aplasia)
        alive, lupus = hazards.lupus_deaths(points)
        without, _, extra = self._without(hazards, at)
        return alive, lupus, extra + hazards.extra * (alive - without)

    def _pairs(self, scenario: Scenario) -> _Pairs:
        """Return the patients with each length of aplasia, found once for all sets that share its law."""
        infection = scenario.aplasia.infection.days_to_death
        key = scenario.aplasia.duration_days, infection
        if key not in self._kept:
            own = self.patients.take(self._reinfused)
            end, relapse = own.last_seen - own.transplanted, own.relapsed - own.transplanted
            days = np.stack([end, end - _HALF, end + _HALF, relapse - _HALF, relapse + _HALF], axis=1)
            self._kept[key] = _Pairs.of(end, relapse, _laws(key[0], np.hstack([days, days - infection])))
        return self._kept[key]

    def _reasons(self, impossible: NDArray[np.bool_], scenario: Scenario) -> Iterator[str]:
        """Say why the scenario knows no way to some histories."""
        own = self.patients
        places = np.flatnonzero(impossible)
        yield (
            f"{len(places)} of {len(own)} patients have histories that {scenario.title or 'the scenario'} "
            "knows no way to:"
        )
        for place in places[:_SHOWN]:
            yield f"row {own.rows[place]}: {self._reason(int(place), scenario)}"
        if len(places) > _SHOWN:
            yield f"and {len(places) - _SHOWN} more"

    def _reason(self, place: int, scenario: Scenario) -> str:
        own, cause = self.patients, str(self.causes[place])
        since = own.last_seen[place] - own.transplanted[place]
        relapse = own.relapsed[place] - own.transplanted[place]
        start = scenario.relapse.start_day
        if relapse + _HALF <= start or relapse + _HALF <= scenario.aplasia.duration_days.quantile(
            np.array([1e-9])
        ):
            return (
                f"relapse {relapse:g} days after transplant, and the scenario knows none before day "
                f"{start:g} nor before engraftment: check the day, or write --set relapse.start_day=0"
            )
        if cause == "lupus" and np.isnan(relapse) and since > 0:
            return (
                f"died of lupus {since:g} days after transplant without a relapse, and in the scenario "
                "nobody in remission dies of lupus: write when the disease came back (relapsed), or "
                "another cause"
            )
        if cause == "treatment":
            return (
                f"died of the treatment {since:g} days after transplant, where the scenario's hazards of "
                "infection and toxicity are 0: give such hazards (late_infection.hazard_per_day, "
                "immunoablation.toxicity_per_day), or another cause"
            )
        return (
            f'died of "{cause}", and the scenario has no such hazard then: check cause and day, or its values'
        )


def _refuse(scenario: Scenario) -> None:
    """Refuse scenarios in which own patients' days do not mean what they must."""
    if scenario.cohort.enters_at == "home":
        raise RequestError(
            'cohort.enters_at = "home": nobody is transplanted there, so patients of your own tell '
            'nothing of it; take a scenario with "mobilisation" or "immunoablation"'
        )
    if scenario.transplant.delayed and scenario.transplant.waiting_multiplier != 1:
        raise RequestError(
            "transplant.waiting_multiplier: another hazard holds in the delay, and a table of patients "
            "does not tell when it ends; write --set transplant.waiting_multiplier=1"
        )


class _Way:
    """What befalls whom on the way to reinfusion, by days since enrolment; shape (sets, patients)."""

    def __init__(self, sets: ParameterSets) -> None:
        self.scenario = sets.shared
        self.hazard = sets.column("active_disease.hazard_per_year") / DAYS_PER_YEAR
        self.fatal = sets.column("mobilisation.infection.case_fatality")
        self.path = Pathway.of(self.scenario, 1.0)
        self.mobilised = self.scenario.cohort.enters_at == "mobilisation"

    def escapes_treatment_by(self, day: Floats) -> Floats:
        """Return the chance of no death of the treatment by a day, not yet reinfused."""
        day = np.maximum(day, 0.0)
        if not self.mobilised:
            return np.exp(-self.path.toxicity * day)[None]
        law, infection = mobilisation_law(self.path), self.scenario.mobilisation.infection
        window = np.minimum(law.times, infection.window_days)
        exposed = day[:, None] - infection.days_to_death - (law.times - window)
        caught = -np.expm1(-infection.hazard_per_day * np.clip(exposed, 0.0, window))
        return np.asarray(1 - self.fatal * (caught @ (law.clean + law.infected)))

    def spared(self, day: Floats) -> Floats:
        """Return the chance of a harvest that gives enough, and of no treatment death before reinfusion.

        Who enters at immunoablation has been in it for all of the days.
        """
        if not self.mobilised:
            return self.escapes_treatment_by(day)
        return np.asarray(self._infection_spares * self._harvested * self._harmless)

    def toxicity_by(self, day: Floats) -> Floats:
        """Return the chance to die of toxicity in immunoablation by a day, at the scenario's times to it."""
        if not self.mobilised or self.path.toxicity == 0:
            return np.zeros(1)
        stay = law_of(self.path.immunoablation, _ORDER)
        typical = float(stay.values @ stay.weights)
        breaks = {float(each) for end in day if end > 0 for each in (end, end - typical) if each > 0}
        law = request_law(self.path, tuple(sorted(breaks)))
        inside = np.clip(day[:, None, None] - law.times[:, None], 0.0, stay.values)
        dead = -np.expm1(-self.path.toxicity * inside) @ stay.weights
        return np.asarray(law.weights(self.fatal) @ dead.T)

    def treatment_death(self, day: Floats) -> Floats:
        """Return the chance to die of the treatment before reinfusion, whenever it is."""
        if not self.mobilised:
            return np.asarray(1 - self.escapes_treatment_by(np.maximum(day, _HALF)))
        spares = self._infection_spares
        return np.asarray(1 - spares + spares * self._harvested * (1 - self._harmless))

    @property
    def _infection_spares(self) -> Floats:
        """The chance of no fatal infection in mobilisation."""
        return np.asarray(1 - self.fatal * mobilisation_law(self.path).infected.sum())

    @property
    def _harvested(self) -> float:
        """The chance of a harvest that gives enough."""
        sessions = apheresis(self.path)
        return 1.0 - (0.0 if sessions is None else sessions.short * self.scenario.harvest.marrow.failure)

    @property
    def _harmless(self) -> float:
        """The chance of no toxicity in immunoablation that kills."""
        stay = law_of(self.path.immunoablation, _ORDER)
        return float(np.exp(-self.path.toxicity * stay.values) @ stay.weights)


class _Pairs(NamedTuple):
    """Patients and lengths of aplasia: one value a pair, those of a patient side by side."""

    end: Floats
    """Reinfusion to the last day."""
    relapse: Floats
    """Reinfusion to relapse; not a number without one."""
    aplasia: Floats
    weights: Floats
    first: NDArray[np.intp]
    """Where each patient begins."""

    @classmethod
    def of(cls, end: Floats, relapse: Floats, laws: Sequence[Law]) -> _Pairs:
        sizes = [law.values.size for law in laws]
        return cls(
            np.repeat(end, sizes),
            np.repeat(relapse, sizes),
            np.concatenate([law.values for law in laws]),
            np.concatenate([law.weights for law in laws]),
            np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp),
        )

    @property
    def relapsed(self) -> NDArray[np.bool_]:
        """Whose patient has relapsed."""
        return ~np.isnan(self.relapse)

    def sum(self, values: Floats) -> Floats:
        """Integrate over the length of aplasia; shape (sets, patients)."""
        return np.add.reduceat(values * self.weights, self.first, axis=-1)


def _laws(aplasia: Distribution, kinks: Floats) -> list[Law]:
    """Return the law of the length of aplasia for each patient, on few values between the own kinks.

    Most have none, because they live for longer than anybody's aplasia lasts, and share one law.
    """
    whole = law_of(aplasia, _ORDER)
    inside = (kinks > whole.values.min()) & (kinks < whole.values.max())
    found: dict[tuple[float, ...], Law] = {}
    laws = []
    for row, within in zip(kinks, inside, strict=True):
        own = tuple(sorted(row[within].tolist()))
        if own not in found:
            found[own] = compress_between(law_of(aplasia, _ORDER, own), own, _NODES)
        laws.append(found[own])
    return laws


def _relapsed(hazards: Hazards, at: _Pairs) -> tuple[Floats, Floats, Floats]:
    """Return the chances of who has relapsed on a day: alive since, and dying of lupus or extra a day."""
    relapse = np.where(at.relapsed, at.relapse, at.end)
    free = [
        np.where(day < at.aplasia, 1.0, np.exp(-hazards.relapse.hazard(day)))
        for day in (relapse - _HALF, relapse + _HALF)
    ]
    before = hazards.lupus * np.minimum(relapse, at.aplasia)
    before = before + hazards.remission * np.maximum(relapse - at.aplasia, 0.0)
    that_day = (1 - hazards.non_response) * np.exp(-before) * (free[0] - free[1])
    alive, ill = hazards.relapsed_alive(at.end - relapse)
    alive, ill = that_day * alive, that_day * ill
    return alive, (hazards.relapsed - hazards.extra) * ill, hazards.extra * alive


def background_of_each(patients: OwnPatients, scenario: Scenario) -> tuple[Floats, Floats]:
    """Return each patient's chance to live to the last day, and to die then, of the background alone.

    Ages and sexes that are not known are averaged over the scenario's.
    """
    hazards = background_hazards(scenario.background)
    reached = np.concatenate([np.zeros((2, 1)), np.cumsum(hazards, axis=1)], axis=1)
    last = hazards.shape[1] - 1
    unknown = np.isnan(patients.age)
    rule = law_of(scenario.cohort.age_years, _ORDER) if unknown.any() else Law(np.zeros(1), np.ones(1))
    ages = np.where(unknown[:, None], rule.values, patients.age[:, None])
    weights = np.where(unknown[:, None], rule.weights, np.full(rule.values.size, 1 / rule.values.size))
    female = np.where(np.isnan(patients.female), scenario.cohort.female, patients.female)
    years = patients.last_seen[:, None] / DAYS_PER_YEAR
    alive, dying = np.zeros(len(patients)), np.zeros(len(patients))
    for sex, share in ((0, 1 - female), (1, female)):
        now, then = (np.minimum(age.astype(np.intp), last) for age in (ages, ages + years))
        spent = reached[sex, then] + hazards[sex, then] * (ages + years - then)
        spent -= reached[sex, now] + hazards[sex, now] * (ages - now)
        lives = np.exp(-spent) * weights
        alive += share * lives.sum(axis=1)
        dying += share * (lives * hazards[sex, then]).sum(axis=1) / DAYS_PER_YEAR
    return alive, dying
