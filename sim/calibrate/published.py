"""What a trial printed, in the form in which a posterior is conditioned on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from sim.outcomes.first_reinfused import CURVES
from sim.outcomes.twin.expected import Before
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import Key, column
from sim.scenario.problems import RequestError
from sim.scenario.schema import Scenario, Target, TrialArrivals

_COUNTED = ("treatment_related_mortality", "transplant_related_mortality", "pre_transplant_mortality")


@dataclass(frozen=True)
class Published:
    """Counts of a trial's enrolled patients, and its estimates of survival.

    Attributes
    ----------
    enrolled, reinfused
        Patients.
    treatment_before, others_before, withdrawn
        Those who were not reinfused: dead of the treatment, dead of something else, gone home.
    treatment_after
        Dead of the treatment after reinfusion.
    estimates
        Kaplan-Meier estimates from reinfusion at the data cut.
    tolerance
        How near a virtual trial's estimate must come.
    """

    enrolled: int
    treatment_before: int
    others_before: int
    withdrawn: int
    reinfused: int
    treatment_after: int
    estimates: tuple[tuple[Key, float], ...]
    tolerance: float

    @property
    def keys(self) -> tuple[Key, ...]:
        """The estimates' endpoints."""
        return tuple(key for key, _ in self.estimates)

    @property
    def cells(self) -> tuple[int, int, int, int]:
        """The counts by reinfusion, in the order of `Before`."""
        return self.treatment_before, self.others_before, self.withdrawn, self.reinfused

    def log_counts(self, shares: Before | Floats) -> Floats:
        """Return the logarithm of the multinomial probability of the counts by reinfusion.

        Parameters
        ----------
        shares
            Shape (..., 4), in the order of `Before`.
        """
        return _log_multinomial(self.cells, np.asarray(shares))

    def log_treated(self, share: Floats) -> Floats:
        """Return the logarithm of the chance of the treatment deaths among the reinfused, one by one."""
        counts = self.treatment_after, self.reinfused - self.treatment_after
        return _log_multinomial(counts, np.stack([share, 1 - share], axis=-1))

    @classmethod
    def of(cls, scenario: Scenario) -> Published:
        """Read the fitted targets that say of how many patients they are.

        Raises
        ------
        RequestError
            The scenario is no trial, or its targets are not the three counts of its enrolled and at least one
            estimate.
        """
        _refuse_what_is_no_trial(scenario)
        targets = [target for target in scenario.fitted_targets if target.n is not None]
        counted = {target.endpoint: _count(target) for target in targets if target.endpoint in _COUNTED}
        missing = [name for name in _COUNTED if name not in counted]
        if missing:
            raise RequestError(
                f"[[target]] {', '.join(missing)}: needed for a posterior, with n and a count; the posterior "
                f"rests on {', '.join(_COUNTED)} and on {' or '.join(CURVES)}"
            )
        estimates = tuple(
            ((target.endpoint, target.time_years), target.value) for target in targets
            if target.endpoint in CURVES
        )  # fmt: skip
        if not estimates:
            raise RequestError(
                f"[[target]] {' or '.join(CURVES)} with n: needed for a posterior, and missing"
            )
        for problem in _problems_of_n(targets, scenario):
            raise RequestError(problem)
        enrolled = scenario.cohort.patients
        after = counted["transplant_related_mortality"]
        before = counted["treatment_related_mortality"] - after
        died = counted["pre_transplant_mortality"]
        reinfused = next(target.n or 0 for target in targets if target.endpoint in CURVES)
        problems = {
            "treatment_related_mortality": before < 0,
            "pre_transplant_mortality": before > died,
            "overall_survival": reinfused + died > enrolled,
            "transplant_related_mortality": after > reinfused,
        }
        for name, wrong in problems.items():
            if wrong:
                raise RequestError(
                    f"[[target]] {name}: of {enrolled} enrolled, {died} died before reinfusion, {before} of "
                    f"them of the treatment, {reinfused} were reinfused and {after} of these died of the "
                    "treatment: these counts contradict each other; correct value, n or observed"
                )
        return cls(
            enrolled, before, died - before, enrolled - died - reinfused, reinfused, after, estimates,
            scenario.calibration.tolerance,
        )  # fmt: skip


def _log_multinomial(counts: Sequence[int], shares: Floats) -> Floats:
    """Return the logarithms of the probabilities of counts under shares, the last axis."""
    n = np.array(counts)
    ways = special.gammaln(n.sum() + 1) - special.gammaln(n + 1).sum()
    with np.errstate(divide="ignore"):
        return np.asarray(ways + special.xlogy(n, np.maximum(shares, 0.0)).sum(axis=-1))


def _refuse_what_is_no_trial(scenario: Scenario) -> None:
    if not isinstance(scenario.arrivals, TrialArrivals):
        raise RequestError(
            'arrivals.pattern = "poisson": a posterior needs a trial with a fixed number of patients; '
            'write arrivals.pattern = "trial", or take a scenario that is one (chicago2006)'
        )
    if scenario.cohort.enters_at == "home":
        raise RequestError(
            'cohort.enters_at = "home": a posterior rests on what became of reinfused patients, and nobody '
            'is reinfused here; write "mobilisation" or "immunoablation"'
        )


def _problems_of_n(targets: Sequence[Target], scenario: Scenario) -> Iterator[str]:
    """Yield what is wrong with whom the figures are of, and with the time at which they are read."""
    curves = [target for target in targets if target.endpoint in CURVES]
    for target in targets:
        what = f"[[target]] {column((target.endpoint, target.time_years))}"
        if target.endpoint in _COUNTED and target.n != scenario.cohort.patients:
            yield (
                f"{what}: n = {target.n}, but cohort.patients = {scenario.cohort.patients}: a posterior "
                "needs counts of all who enrolled; correct one of the two"
            )
        if target.endpoint in CURVES and target.n != curves[0].n:
            yield (
                f"{what}: n = {target.n}, but {column((curves[0].endpoint, curves[0].time_years))} has "
                f"n = {curves[0].n}: a posterior needs estimates of all who were reinfused; correct n"
            )
        if target.endpoint in CURVES and (target.time_years or 0) > scenario.follow_up.horizon_years:
            yield (
                f"{what}: lies beyond follow_up.horizon_years = {scenario.follow_up.horizon_years:g}: "
                "write a longer horizon, or set the target's fitted = false"
            )


def _count(target: Target) -> int:
    if target.observed is not None:
        return target.observed
    n = target.n or 0
    number = target.value * n
    # Published shares are rounded, to whole per cent as a rule.
    if abs(number - round(number)) > 0.005 * n + 1e-9:
        raise RequestError(
            f"[[target]] {column((target.endpoint, target.time_years))}: value = {target.value:g} of "
            f"n = {target.n} is {number:g} patients, not a whole number; write observed = {round(number)}"
        )
    return round(number)
