"""The bare cost of the numbers: draw and transform what a scenario consumes, with no logic around it.

``python benchmarks/bare_numbers.py [SCENARIO ...]`` prints nanoseconds a patient. Words are drawn in whole
tiles of 128 patients by 256 replications, as addressed luck gives them, and transformed in place by NumPy and
SciPy. Of a number that only some need, every word is drawn and only their share is transformed.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sim.patient.luck import BLOCK, Luck
from sim.patient.quantiles import uniforms
from sim.patient.streams import Stream
from sim.scenario.distributions import Distribution, Floats
from sim.scenario.load import load
from sim.scenario.schema import DAYS_PER_YEAR, Scenario, TrialArrivals

PATIENTS = 128
Transform: TypeAlias = Callable[[NDArray[np.uint32], Floats, NDArray[np.bool_]], object]
"""What is done with words: into preallocated numbers or yes/nos of the same length."""


@dataclass(frozen=True, slots=True)
class Number:
    """One number a patient: its address, its transformation, and the share of patients who need it."""

    stream: Stream
    transform: Transform
    share: float = 1.0
    occurrence: int = 0


class Bare:
    """The numbers of a scenario, and the arrays that they are made in."""

    def __init__(self, scenario: Scenario) -> None:
        self.numbers = list(numbers(scenario))
        self._luck = Luck(1)
        self._made = np.empty(PATIENTS * BLOCK)
        self._yes = np.empty(PATIENTS * BLOCK, dtype=np.bool_)

    def tiles(self, count: int) -> int:
        """Draw and transform so many tiles and return the patients in them."""
        return self._run(count, transform=True)

    def words(self, count: int) -> int:
        """Draw the words of so many tiles alone."""
        return self._run(count, transform=False)

    def _run(self, count: int, *, transform: bool) -> int:
        for tile in range(count):
            patients = range(PATIENTS * tile, PATIENTS * (tile + 1))
            for number in self.numbers:
                words = self._luck.words(number.stream, patients, 0, number.occurrence)
                if transform:
                    needed = round(number.share * words.size)
                    number.transform(words.ravel()[:needed], self._made[:needed], self._yes[:needed])
        return count * PATIENTS * BLOCK


def numbers(scenario: Scenario) -> Iterator[Number]:
    """Yield the numbers that a scenario consumes."""
    arrivals = scenario.arrivals
    if isinstance(arrivals, TrialArrivals):
        yield Number(Stream.ARRIVAL, _power(1 / arrivals.power, arrivals.window_days))
    else:
        yield Number(Stream.ARRIVAL, _exponential(DAYS_PER_YEAR / arrivals.per_year))
    yield from _value(Stream.AGE, scenario.cohort.age_years)
    yield from _yes(Stream.SEX, scenario.cohort.female)
    if scenario.background.life_table != "none":
        yield Number(Stream.BACKGROUND, _exponential(1.0))
    extra = scenario.background.extra_per_year
    yield from _hazard(Stream.BACKGROUND_EXTRA, extra.remission + extra.relapsed)
    yield from _hazard(Stream.LUPUS, scenario.active_disease.hazard_per_year / DAYS_PER_YEAR)
    if scenario.cohort.enters_at == "mobilisation":
        yield from _before_the_room(scenario)
    if scenario.cohort.enters_at != "home":
        yield from _in_the_room(scenario)


def _before_the_room(scenario: Scenario) -> Iterator[Number]:
    mobilisation, harvest, recovery = scenario.mobilisation, scenario.harvest, scenario.recovery
    days, infection = mobilisation.duration_days, mobilisation.infection
    yield from _value(Stream.MOBILISATION_DURATION, days)
    yield from _hazard(Stream.MOBILISATION_INFECTION, infection.hazard_per_day)
    yield from _yes(Stream.MOBILISATION_INFECTION_FATAL, infection.case_fatality)
    if harvest.duration_days != "by_sessions":
        yield from _value(Stream.HARVEST_DURATION, harvest.duration_days)
    else:
        shares = _short_after(scenario)
        for session in range(harvest.max_sessions):
            yield from _value(
                Stream.HARVEST_YIELD, harvest.yield_million_per_kg, shares[session], occurrence=session
            )
        yield from _yes(Stream.MARROW_FAILURE, harvest.marrow.failure)
    yield from _value(Stream.RECOVERY_DURATION, recovery.duration_days)
    chance = recovery.postponement
    at_risk = np.minimum(_typical(days), infection.window_days)
    infected = float(np.mean(-np.expm1(-infection.hazard_per_day * at_risk)))
    postponed = infected * chance.after_infection + (1 - infected) * chance.probability
    if postponed > 0:
        yield from _yes(Stream.POSTPONEMENT, chance.probability, always=True)
        yield from _value(Stream.POSTPONEMENT_DURATION, chance.duration_days, postponed)


def _in_the_room(scenario: Scenario) -> Iterator[Number]:
    aplasia, late = scenario.aplasia, scenario.late_infection
    infection = aplasia.infection
    yield from _value(Stream.IMMUNOABLATION_DURATION, scenario.immunoablation.duration_days)
    yield from _hazard(Stream.TOXICITY, scenario.immunoablation.toxicity_per_day)
    yield from _value(Stream.APLASIA_DURATION, aplasia.duration_days)
    hazard = infection.hazard_per_day * infection.ward_relative_risk
    yield from _hazard(Stream.APLASIA_INFECTION, hazard)
    yield from _yes(Stream.APLASIA_INFECTION_FATAL, infection.case_fatality)
    ill = float(np.mean(-np.expm1(-hazard * _typical(aplasia.duration_days)))) * (1 - infection.case_fatality)
    yield from _value(Stream.APLASIA_INFECTION_DURATION, infection.duration_days, ill)
    yield from _value(Stream.DISCHARGE_DELAY, aplasia.discharge_delay_days)
    yield from _value(Stream.ROOM_TURNAROUND, scenario.clinic.room_turnaround_days)
    yield from _hazard(Stream.LATE_INFECTION, late.hazard_per_day)
    yield from _yes(Stream.LATE_INFECTION_FATAL, infection.case_fatality)
    yield from _yes(Stream.RESPONSE, scenario.response.non_response)
    relapse = scenario.relapse
    yield Number(Stream.RELAPSE, _weibull(1 / relapse.shape, relapse.scale_years * DAYS_PER_YEAR))


def _short_after(scenario: Scenario) -> list[float]:
    """Return the share of patients still short of the target after 0, 1, 2 ... sessions."""
    harvest, luck = scenario.harvest, Luck(1)
    cells, shares = np.zeros((PATIENTS, BLOCK)), [1.0]
    for session in range(harvest.max_sessions - 1):
        u = uniforms(luck.lanes(Stream.HARVEST_YIELD, range(PATIENTS), range(BLOCK), session))
        cells += harvest.yield_million_per_kg.quantile(u)
        shares.append(float(np.mean(cells < harvest.target_million_per_kg)))
    return shares


def _typical(distribution: Distribution) -> Floats:
    return distribution.quantile((np.arange(1000) + 0.5) / 1000)


def _value(
    stream: Stream, distribution: Distribution, share: float = 1.0, occurrence: int = 0
) -> Iterator[Number]:
    """Yield a number unless it is fixed or nobody needs it."""
    if distribution.dist == "fixed" or share == 0:
        return
    if distribution.dist == "lognormal":
        transform = _lognormal(*distribution.log_mean_and_sigma)
    elif distribution.dist == "exponential":
        transform = _exponential(distribution.mean)
    elif distribution.dist == "weibull":
        transform = _weibull(1 / distribution.shape, distribution.scale)
    else:
        raise ValueError(f"the bare cost of a {distribution.dist} number is not defined here")
    yield Number(stream, transform, share, occurrence)


def _hazard(stream: Stream, hazard: float) -> Iterator[Number]:
    if hazard > 0:
        yield Number(stream, _exponential(1 / hazard))


def _yes(stream: Stream, probability: float, *, always: bool = False) -> Iterator[Number]:
    if probability > 0 or always:
        threshold = np.uint32(min(math.ceil(probability * 2**32), 2**32 - 1))
        yield Number(stream, lambda words, _, yes: np.less(words, threshold, out=yes))


def _uniform(words: NDArray[np.uint32], made: Floats) -> None:
    np.add(words, 0.5, out=made)
    np.multiply(made, 2.0**-32, out=made)


def _lognormal(mu: float, sigma: float) -> Transform:
    def transform(words: NDArray[np.uint32], made: Floats, _: NDArray[np.bool_]) -> None:
        _uniform(words, made)
        special.ndtri(made, out=made)
        np.multiply(made, sigma, out=made)
        np.add(made, mu, out=made)
        np.exp(made, out=made)

    return transform


def _exponential(mean: float) -> Transform:
    def transform(words: NDArray[np.uint32], made: Floats, _: NDArray[np.bool_]) -> None:
        _uniform(words, made)
        np.negative(made, out=made)
        np.log1p(made, out=made)
        np.multiply(made, -mean, out=made)

    return transform


def _power(exponent: float, scale: float) -> Transform:
    def transform(words: NDArray[np.uint32], made: Floats, _: NDArray[np.bool_]) -> None:
        _uniform(words, made)
        np.power(made, exponent, out=made)
        np.multiply(made, scale, out=made)

    return transform


def _weibull(exponent: float, scale: float) -> Transform:
    budget = _exponential(1.0)

    def transform(words: NDArray[np.uint32], made: Floats, yes: NDArray[np.bool_]) -> None:
        budget(words, made, yes)
        np.power(made, exponent, out=made)
        np.multiply(made, scale, out=made)

    return transform


def nanoseconds(work: Callable[[int], int], tiles: int = 8, rounds: int = 5) -> str:
    """Time some tiles and return nanoseconds a patient: median and range."""
    work(1)
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        patients = work(tiles)
        times.append((time.perf_counter() - start) / patients * 1e9)
    return f"{median(times):.0f} ({min(times):.0f} to {max(times):.0f})"


def main(names: list[str]) -> None:
    """Print the bare cost of the numbers of some scenarios."""
    for name in names:
        bare = Bare(load(name).scenario)
        transformed = sum(number.share for number in bare.numbers)
        print(f"{name}: {len(bare.numbers)} numbers drawn a patient, {transformed:.1f} transformed")
        print(f"  nanoseconds a patient: words {nanoseconds(bare.words)}, all {nanoseconds(bare.tiles)}")


if __name__ == "__main__":
    main(sys.argv[1:] or ["chicago2006", "open_clinic"])
