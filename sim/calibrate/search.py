"""What a trial's figures leave open: the joint posterior of a scenario's free parameters.

The likelihood of a parameter point is the probability that a trial reports the figures: a multinomial for
what became of the enrolled by reinfusion, from the exact twin, times the chance of the survival estimates and
of the treatment deaths among the reinfused, from virtual trials with the trial's own accrual and data cut.
Estimates that are undefined are never printed, so the likelihood is that of a trial whose estimates are
defined. And it is that of a trial which finds nobody still on the way to reinfusion at its data cut, as 97%
do with the Chicago trial's accrual: the twin knows what becomes of everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from sim.calibrate.importance import NoLikelihoodError, PriorProposal, Proposal, Sample, sample
from sim.calibrate.published import Published
from sim.calibrate.virtual_trials import Bench, Points, at_point, read_chances, read_points, read_whole_trials
from sim.outcomes.twin.expected import expected_before_reinfusion
from sim.patient.luck import BLOCK
from sim.scenario.distributions import Floats
from sim.scenario.priors import Prior
from sim.scenario.problems import EffectiveSizeWarning, RequestError
from sim.scenario.registry import parameters
from sim.scenario.schema import Scenario
from sim.study.posterior import Posterior
from sim.work.task import Result

ENOUGH = 400.0
"""Effective size below which a posterior's 95% limits rest on fewer than ten draws on either side."""

FEWEST = 10.0
"""Effective draws below which there is no posterior to speak of."""

_NO_MASS = 1e-12
_FEW_DEFINED = 0.5
_FAR = 8.0
"""Standard normal scores in which a prior ends, near enough."""


@dataclass(frozen=True)
class Free:
    """A scenario's free parameters: those that have a prior."""

    priors: tuple[Prior, ...]

    @classmethod
    def of(cls, scenario: Scenario, fixed: Sequence[str] = ()) -> Free:
        """Return the free parameters, without some that are fixed.

        Raises
        ------
        RequestError
            There are none, one has no prior mass within its parameter's limits, or one reaches values that
            the scenario can't have.
        """
        free = cls(tuple(prior for prior in scenario.prior if prior.key not in fixed))
        if not free.priors:
            raise RequestError(
                "[[prior]]: there is none, so there is nothing to be uncertain about; state one for each "
                'free parameter, as in [[prior]] key = "relapse.scale_years", dist = "lognormal", '
                'median = 9.0, sigma = 0.6, source = "assumption"'
            )
        for prior, most in zip(free.priors, free._limits, strict=True):
            if prior.share_below(most) < _NO_MASS:
                raise RequestError(
                    f"[[prior]] {prior.key}: {prior.text} has no mass within the parameter's limits, "
                    f"{parameters()[prior.key].allowed}"
                )
        free._refuse_impossible(scenario)
        return free

    def _refuse_impossible(self, scenario: Scenario) -> None:
        """Try the ends of every prior, so that no task meets a value that the scenario refuses."""
        for z in (-_FAR, _FAR):
            for key, value in zip(self.keys, self.values(np.full((1, len(self.keys)), z))[0], strict=True):
                try:
                    at_point(scenario, (key,), np.array([value]))
                except RequestError as error:
                    raise RequestError(
                        f"[[prior]] {key}: reaches {value:.6g}, which this scenario can't have; choose "
                        f"another prior, or change the scenario: {error}"
                    ) from None

    @property
    def keys(self) -> tuple[str, ...]:
        """Their keys."""
        return tuple(prior.key for prior in self.priors)

    @property
    def _limits(self) -> tuple[float, ...]:
        limits = (parameters()[key].numbers for key in self.keys)
        return tuple(np.inf if limit is None else limit.upper for limit in limits)

    def values(self, z: Floats) -> Floats:
        """Return the parameters' values at standard normal scores, shape (points, keys)."""
        pairs = zip(self.priors, self._limits, strict=True)
        return np.column_stack([prior.of_normal(z[:, i], most) for i, (prior, most) in enumerate(pairs)])

    def posterior(self, sample: Sample) -> Posterior:
        """Return the draws of a sample that have any weight."""
        kept = sample.weights > 0
        return Posterior(self.keys, self.values(sample.z[kept]), sample.weights[kept])

    def scores(self, values: Floats) -> Floats:
        """Return the standard normal scores of values: the inverse of `values`."""
        pairs = zip(self.priors, self._limits, strict=True)
        return np.column_stack([prior.to_normal(values[:, i], most) for i, (prior, most) in enumerate(pairs)])


@dataclass(frozen=True)
class Search:
    """How a posterior was found."""

    free: Free
    published: Published
    sample: Sample
    trials: int
    """Virtual trials simulated."""
    survival: Floats
    """Share event-free at each estimate's time, in the whole course, shape (points, estimates)."""
    shares: Floats
    """Of the enrolled by reinfusion (see `Before`), and the reinfused dead of the treatment; (points, 5)."""
    alike: Floats
    """Chance to report the same after reinfusion, given the counts and defined estimates; shape (points,)."""

    @property
    def posterior(self) -> Posterior:
        """The draws that have any weight."""
        return self.free.posterior(self.sample)


class Evaluation:
    """The log-likelihood of points, by simulation; every point has luck of its own."""

    def __init__(
        self, scenario: Scenario, free: Free, published: Published, bench: Bench, most_points: int = 0
    ) -> None:
        self._scenario, self._free, self._published = scenario, free, published
        self._bench, self._most = bench, most_points
        self.found: list[Result] = []
        self.points = 0

    def __call__(self, z: Floats) -> Floats:
        """Return the log-likelihood, shape (points,); minus infinity where no virtual trial is alike."""
        points = Points(self._scenario, self._free.keys, self._free.values(z), self._bench.seed, self.points)
        told = self.points, self._most
        found = read_points(read_chances, points, (self._published,), self._bench, *told)
        self.points += len(z)
        self.found.append({**found, "chance": log_chance(found)})
        return log_likelihood(found)[:, 0]

    def all(self, name: str) -> Floats:
        """Return what was found of all points so far."""
        return np.concatenate([found[name] for found in self.found])


def log_likelihood(found: Result) -> Floats:
    """Return the log-likelihood of trials at each point, shape (points, trials), from `read_chances`."""
    return np.asarray(found["log_counts"] + log_chance(found))


def log_chance(found: Result) -> Floats:
    """Return its part after reinfusion: of the same treatment deaths and estimates, if these are defined."""
    alike, enough = found["alike"], found["enough"]
    # Some may be alike though none of the trials with its own number of enrolled is defined.
    defined = np.maximum(found["defined"], 1)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = np.log(alike / enough) - np.log(defined / BLOCK)
    return np.asarray(np.where(alike > 0, chance, -np.inf))


def find_posterior(
    scenario: Scenario,
    bench: Bench,
    *,
    wanted_size: float,
    most_points: int,
    fixed: Sequence[str] = (),
    start: Proposal | None = None,
) -> Search:
    """Find the joint posterior of a scenario's free parameters.

    Parameters
    ----------
    scenario
        A trial without a queue, with targets and priors.
    wanted_size, most_points
        The effective sample size at which to stop, and the most points to look at.
    fixed
        Parameters that stay as they are though they have a prior.
    start
        Where to look first; at the prior if left out.

    Raises
    ------
    RequestError
        The targets are no trial's, a queue may bind, or no point of the prior can give the targets.
    """
    free, published = Free.of(scenario, fixed), Published.of(scenario)
    expected_before_reinfusion(scenario)  # refuses a queue before anything is simulated
    evaluate = Evaluation(scenario, free, published, bench, most_points)
    found: Sample | None = None
    with suppress(NoLikelihoodError):
        found = sample(
            evaluate,
            len(free.keys),
            bench.seed,
            wanted_size=wanted_size,
            most_points=most_points,
            start=start,
        )
    if found is None or found.effective_size < FEWEST:
        raise no_mass(free, published, evaluate.all("survival"), evaluate.all("defined"))
    warn_of_size(found, min(ENOUGH, wanted_size))
    shares = np.column_stack([evaluate.all("shares"), evaluate.all("treated")])
    chance = np.exp(evaluate.all("chance")[:, 0])
    return Search(free, published, found, evaluate.points * BLOCK, evaluate.all("survival"), shares, chance)


def warn_of_size(found: Sample, enough: float = ENOUGH) -> None:
    """Warn of a posterior that rests on too few effective draws, with the remedy."""
    size = found.effective_size
    if size < enough:
        EffectiveSizeWarning.say(
            f"the posterior rests on an effective sample size of {size:.0f}, the largest weight is "
            f"{found.largest_weight:.1%}: its limits are rough. Allow more --points (by simulation alone: "
            "more trials), or look whether a prior and the targets contradict each other"
        )


def no_mass(free: Free, published: Published, survival: Floats, defined: Floats) -> RequestError:
    """Say that the priors can't give what the trial reported, and what they give instead.

    ``survival`` and ``defined`` are those of `read_chances`, of every point.
    """
    lines, reached = [], True
    for column, (key, value) in enumerate(published.estimates):
        low, high = np.quantile(survival[:, column], (0.005, 0.995))
        reached &= bool(low <= value <= high)
        lines.append(f"{key[0]} at {key[1]:g} years is {value:g}, under the priors {low:.2f} to {high:.2f}")
    share = float(defined.mean()) / BLOCK
    if share < _FEW_DEFINED:
        lines.append(
            f"and only {share:.1%} of virtual trials follow anybody for so long: look at "
            "follow_up.data_cut_days and arrivals too"
        )
    remedy = "allow more --points (by simulation alone: more trials), " if reached else ""
    return RequestError(
        f"[[prior]]: of {len(survival):,} points of the priors too few give a trial that reports what this "
        f"one did ({'; '.join(lines)}): {remedy}widen or move the prior of "
        f"{', '.join(free.keys)}, or correct the target"
    )


_APART = 1 << 40  # numbers of points, so that no other search has the same luck


def simulate_posterior(scenario: Scenario, trials: int, bench: Bench) -> tuple[Search, int]:
    """Keep the virtual trials that report all that the trial reported.

    A block of trials shares a parameter point, so draws are points, each with the weight of the trials kept
    of it over those whose estimates are defined.

    Parameters
    ----------
    trials
        Virtual trials to simulate, rounded up to whole blocks.

    Returns
    -------
    Search, int
        Its sample's weights are 0 where no trial was kept; and how many trials were kept.

    Raises
    ------
    RequestError
        None was kept.
    """
    free, published = Free.of(scenario), Published.of(scenario)
    count = -(-trials // BLOCK)
    z = PriorProposal(len(free.keys)).draw(count, bench.seed)
    points = Points(scenario, free.keys, free.values(z), bench.seed, _APART)
    found = read_points(read_whole_trials, points, (published,), bench, total=count)
    alike, defined = found["alike"], np.maximum(found["defined"], 1)
    kept = int(alike.sum())
    if not kept:
        raise no_mass(free, published, found["survival"], found["defined"])
    weights = alike / defined
    mean = float(weights.mean())
    error = float(weights.std()) / mean / np.sqrt(count)
    sample = Sample(z, weights / weights.sum(), (count,), float(np.log(mean)), error)
    warn_of_size(sample)
    none = np.full((count, 5), np.nan)
    return Search(free, published, sample, count * BLOCK, found["survival"], none, alike / BLOCK), kept
