"""What the page shows of one answer: five views of the scenario as it is and as it is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sim.scenario.distributions import Floats
from sim.scenario.endpoints import Key

FATES = ("remission", "active", "treatment", "lupus", "background", "waiting")
"""Exclusive fates of everybody enrolled at one time.

Alive in remission (responded, not relapsed); alive with active lupus, relapsed or not transplanted; dead
of infection or toxicity, whenever that was; of lupus; of other causes; alive and on the way to reinfusion,
which is left out where it is nobody.
"""
DEATHS = ("treatment", "lupus", "background")


@dataclass(frozen=True)
class SideShown:
    """One of the two scenarios.

    Attributes
    ----------
    title
        Its name, and what is changed of it.
    shares
        Each of `FATES` that there is, as a share of the enrolled; they add up to 1.
    counts
        The same of ``per`` patients, whole, adding up (largest remainder).
    years, alive
        The survival curve from the decision.
    figures
        Every endpoint that is known.
    errors
        The half width of each figure's 95% Monte Carlo interval; empty by the twin.
    """

    title: str
    shares: Mapping[str, float]
    counts: Mapping[str, int]
    years: Floats
    alive: Floats
    figures: Mapping[Key, float]
    errors: Mapping[Key, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RowShown:
    """A figure of the table: as it is, as it is changed, the change, and what is known of each, as texts.

    The three uncertainties are kept apart: Monte Carlo, posterior, range of one trial; empty where none.
    """

    label: str
    base: str
    changed: str
    difference: str
    monte_carlo: str = ""
    posterior: str = ""
    trial: str = ""


@dataclass(frozen=True)
class LaneShown:
    """A patient of the virtual trial who lives or dies instead: what happens on both sides, in days.

    ``before`` and ``after`` are stretches of places (as `sim.clinic.states.Place` names them) up to home and
    then of the disease (`sim.outcomes.courses`); a death is a last stretch without length, by its cause.
    """

    patient: int
    before: Sequence[tuple[float, float, str]]
    after: Sequence[tuple[float, float, str]]
    words: str


@dataclass(frozen=True)
class AnswerShown:
    """The whole answer.

    Attributes
    ----------
    years
        When the fates and the headline figures are read.
    per
        Patients of an array: 100, or 1,000 where a rate is under 1%.
    base, changed
        The two sides; the same object where nothing is changed.
    rows
        The table, headline figures first.
    words
        Sentences: both framings, absolute first, number needed last.
    lanes
        Patients who live or die instead in the virtual trial asked for; and its size.
    trial_size
        Patients of that trial.
    changes
        Label, the base's value and the new one, with units.
    cautions
        What the answer rests on: assumed values that are touched, extrapolation, what can't be compared.
    exact
        Whether the twin tells; else it is simulated, and `trials` says how many so far.
    apart
        Whether the sides are no treatment and alternative: then nobody lives or dies instead of anybody.
    more
        ``band``: for ``base`` and ``changed`` years, lower and upper limits of survival under the posterior.
        ``scope``: sentences about what the posterior's 95% leaves out, or why there is none.
    """

    years: float
    per: int
    base: SideShown
    changed: SideShown
    rows: Sequence[RowShown]
    words: Sequence[str]
    lanes: Sequence[LaneShown]
    trial_size: int
    changes: Sequence[tuple[str, str, str]]
    cautions: Sequence[str]
    exact: bool
    trials: int = 0
    apart: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)
