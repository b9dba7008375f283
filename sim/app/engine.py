"""The engine: what the exact twin answers while the hand is still on the mouse.

Nothing is kept but what scenarios have given, the latest some hundred; who asks the same again gets the same.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from threading import Lock

import numpy as np

from sim.app.answer import AnswerShown, SideShown
from sim.app.cautions import cautions_of, changes_of
from sim.app.clinic import InPieces
from sim.app.fates import counts_of, denominator, shares_of
from sim.app.lanes import MOST_PATIENTS, lanes_of
from sim.app.question import Question
from sim.app.table import Uncertainties, rows_of
from sim.app.words import simulated, words_of
from sim.outcomes.twin.expected import AtHorizon, expected_at_horizon
from sim.patient.fates import mean_patients
from sim.scenario.describe import source_and_status
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import Key
from sim.scenario.load import Loaded, scenario_hash
from sim.scenario.schema import PoissonArrivals, Scenario
from sim.scenario.shipped import locate_posterior, shipped_posteriors
from sim.scenario.values import with_values
from sim.show.kit.prose import sentences
from sim.study.budget import DEFAULT_SEED, Budget
from sim.study.compare import Side, incomparable, obstacles, solved_otherwise
from sim.study.draws import Draws, draws_from
from sim.study.exact import scenarios_drawn, twin_holds
from sim.study.experiment import Experiment
from sim.study.montecarlo import simulate

FINE, ROUGH = 1.0, 0.5
"""How many nodes the twin takes, of its own number: rough ones change no figure by 1e-5."""
_KEPT = 256
_DRAWS = 96
_TRIALS = 256
_MOST_SIMULATED = 200_000
"""Patients of all trials whose range is told when the hand rests."""
_MOST_LOST = 0.05
"""Trials that may have no figure, for a range of the others to be shown."""
_HORIZON = "follow_up.horizon_years"
_ALIVE = "overall_survival_enrolled"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question with both scenarios read at one horizon; they are one object where nothing is changed."""

    question: Question
    base: Scenario
    changed: Scenario
    apart: tuple[str, ...]
    """Why the two are no treatment and alternative."""
    unpaired: tuple[str, ...]
    """Why their patients are not the same."""

    @classmethod
    def of(cls, question: Question) -> _Asked:
        """Read the base at the changed horizon: that is when both are looked at, and nobody's treatment."""
        base, changed = question.base.scenario, question.changed.scenario
        years = changed.follow_up.horizon_years
        if base.follow_up.horizon_years != years:
            base = with_values(base, {_HORIZON: years})
        if scenario_hash(base) == scenario_hash(changed):
            return cls(question, changed, changed, (), ())
        solved = solved_otherwise(question.base, question.changed)
        apart, unpaired = (tuple(of(base, changed, solved)) for of in (incomparable, obstacles))
        return cls(question, base, changed, apart, unpaired)

    @property
    def exact(self) -> bool:
        """Whether the twin tells: nobody waits for a room or a slot on either side."""
        return twin_holds(self.base) and twin_holds(self.changed)

    @property
    def years(self) -> float:
        """When both are read."""
        return self.changed.follow_up.horizon_years


class Engine:
    """Answers questions, for many threads: by the exact twin, or simulated where patients wait for places.

    Parameters
    ----------
    seed
        Of the luck of virtual trials.
    posterior
        Draws to answer under, in the place of those that ship with the scenario.
    """

    def __init__(self, seed: int = DEFAULT_SEED, posterior: Draws | None = None) -> None:
        self._seed, self._clinic, self._own = seed, InPieces(seed), posterior
        self._kept: OrderedDict[tuple[str, float], AtHorizon] = OrderedDict()
        self._lock = Lock()

    def answer(self, question: Question, *, fine: bool = True) -> AnswerShown:
        """Return the answer; a simulated one is sharper whenever it is asked for again.

        Parameters
        ----------
        fine
            False while the hand is moving: exact figures are known to 1e-5, simulated ones as they stand, and
            large trials are not told.
        """
        asked = _Asked.of(question)
        if not asked.exact:
            return self._simulated(asked, fine=fine)
        found = [self._expected(each, FINE if fine else ROUGH) for each in (asked.base, asked.changed)]
        return self._shown(asked, *found, fine=fine)

    def posterior(self, question: Question) -> AnswerShown:
        """Return the answer with what takes longer: under draws of the posterior, and single trials."""
        asked = _Asked.of(question)
        if not asked.exact:
            answer = self._simulated(asked, fine=False)
            said = sentences("app", "no_posterior", "a clinic with queues")
            return replace(answer, more={**answer.more, "scope": said})
        answer = self.answer(question)
        trials = _of_trials(asked.changed, self._seed)
        draws = _draws_about(question.base, self._own)
        if draws is None:
            said = sentences("app", "no_posterior", question.base.name)
            rows = rows_of(answer.base, answer.changed, asked.years, Uncertainties(trials=trials))
            return replace(answer, rows=rows, more={"scope": said})
        grid, sides = _grid(asked.years), {"base": (asked.base, question.base)}
        if asked.changed is not asked.base:
            sides["changed"] = (asked.changed, question.changed)
        drawn, band = [], {}
        for which, (scenario, loaded) in sides.items():
            side = Side(scenario, draws.held_in(loaded))
            under = expected_at_horizon(scenarios_drawn(side, draws), grid, ROUGH)
            drawn.append(under.figures)
            low, high = np.quantile(under.alive, (0.025, 0.975), axis=0)
            band[which] = (grid, low, high)
        known = Uncertainties((drawn[0], drawn[-1]), trials, means=self._own is not None)
        more_die = drawn[0][_ALIVE, asked.years] - drawn[-1][_ALIVE, asked.years]
        said = question.changed.scenario.changed or []
        return replace(
            answer,
            rows=rows_of(answer.base, answer.changed, asked.years, known),
            words=words_of(answer.base, answer.changed, answer.per, asked.years, said, asked.apart, more_die),
            more={"band": band, "scope": [*self._said_of_own(question), *_scope(question.changed, draws)]},
        )

    def _said_of_own(self, question: Question) -> Sequence[str]:
        """Say of which posterior the 95% is, where it is no shipped one."""
        name = question.base.name
        return [] if self._own is None else sentences("app", "own_posterior", self._own.file, name)

    def rooms(self, question: Question, target: float) -> AnswerShown:
        """Return the answer with how few rooms would do for at most a share of patients to wait long.

        Raises
        ------
        RequestError
            It is no open clinic, or nobody would wait for it.
        """
        self._clinic.rooms(question.changed.scenario, target)
        return self.answer(question, fine=False)

    def _simulated(self, asked: _Asked, *, fine: bool) -> AnswerShown:
        """Return what is simulated so far, and of a hand that rests a piece more."""
        scenarios = [asked.base] if asked.changed is asked.base else [asked.base, asked.changed]
        found = self._clinic.found(scenarios, _grid(asked.years), paired=not asked.unpaired, more=fine)
        answer = self._shown(asked, found.sides[0], found.sides[-1], fine=fine)
        base = replace(answer.base, errors=found.errors(0))
        changed = base if len(scenarios) == 1 else replace(answer.changed, errors=found.errors(1))
        uncertain = Uncertainties(trials=found.trial, simulated=found.limits, changes=found.changes)
        _, low, high = found.changes.get((_ALIVE, asked.years), (0.0, -1.0, -1.0))
        said = asked.question.changed.scenario.changed or []
        words = words_of(
            base, changed, answer.per, asked.years, said, asked.apart, known=not low <= 0 <= high
        )
        return replace(
            answer,
            base=base,
            changed=changed,
            rows=rows_of(base, changed, asked.years, uncertain),
            words=[*words, *([] if asked.apart else simulated(found, asked.years))],
            cautions=[
                *answer.cautions,
                *self._clinic.overloads(asked.changed, look=fine and found.trials > 32),
            ],
            exact=False,
            trials=found.trials,
            more={
                "unfinished": found.unfinished,
                "clinics": found.clinics,
                "rooms": self._clinic.rooms(asked.changed),
                "open": isinstance(asked.changed.arrivals, PoissonArrivals),
            },
        )

    def _expected(self, scenario: Scenario, refinement: float) -> AtHorizon:
        """Return what the twin says of a scenario, from memory if that was asked for before."""
        key = (scenario_hash(scenario), refinement)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        grid = _grid(scenario.follow_up.horizon_years)
        found = expected_at_horizon([scenario], grid, refinement)
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found

    def _shown(self, asked: _Asked, before: AtHorizon, now: AtHorizon, *, fine: bool) -> AnswerShown:
        question, years, same = asked.question, asked.years, asked.changed is asked.base
        shares = [shares_of(each, years) for each in (before, now)]
        per = denominator(*shares)
        base = _side(question.base.scenario.title, years, before, shares[0], per)
        changed = base
        if not same:
            changed = _side(question.changed.scenario.title, years, now, shares[1], per, base)
        patients = round(mean_patients(asked.changed))
        told = not (same or asked.unpaired) and patients <= (MOST_PATIENTS if fine else MOST_PATIENTS // 10)
        said = question.changed.scenario.changed or []
        return AnswerShown(
            years=years,
            per=per,
            base=base,
            changed=changed,
            rows=rows_of(base, changed, years, Uncertainties()),
            words=words_of(base, changed, per, years, said, asked.apart),
            lanes=lanes_of(asked.base, asked.changed, question.trial, self._seed) if told else [],
            trial_size=patients,
            changes=changes_of(question),
            cautions=cautions_of(
                question, asked.apart, asked.unpaired, patients if patients > MOST_PATIENTS else 0
            ),
            exact=True,
            apart=bool(asked.apart),
        )


def _grid(years: float) -> Floats:
    """Return the years at which a curve is read: close together while patients are treated."""
    soon = min(0.5, years)
    return np.unique([*np.linspace(0.0, soon, 14), *np.linspace(soon, years, 28)])


def _side(
    title: str,
    years: float,
    found: AtHorizon,
    shares: dict[str, float],
    per: int,
    base: SideShown | None = None,
) -> SideShown:
    counts = counts_of(shares, per, base)
    figures = {key: float(value[0]) for key, value in found.figures.items() if not np.isnan(value[0])}
    return SideShown(title, shares, counts, _grid(years), np.clip(found.alive[0], 0.0, 1.0), figures)


def _of_trials(scenario: Scenario, seed: int) -> dict[Key, tuple[float, float]]:
    """Return the range of one trial of each figure, where most trials have one; none of very large ones."""
    if mean_patients(scenario) * _TRIALS > _MOST_SIMULATED:
        return {}
    experiment, budget = Experiment((scenario,), seed, "arrays"), Budget(replications=_TRIALS, seed=seed)
    (tally,) = simulate([experiment], budget)
    table = tally.arms[0].endpoints()
    told = table[table["trial_undefined"] <= _MOST_LOST]
    return {
        (str(row.endpoint), None if np.isnan(row.time_years) else float(row.time_years)): (
            float(row.trial_lower), float(row.trial_upper)
        )
        for row in told.itertuples()
    }  # fmt: skip


def own_draws(posterior: str) -> Draws:
    """Return as many draws of a posterior as an answer takes: the file of a calibration, or a shipped name.

    Raises
    ------
    RequestError
        It can't be read, or is no posterior.
    """
    return draws_from(locate_posterior(posterior), _DRAWS, DEFAULT_SEED)


@lru_cache(maxsize=8)
def _drawn(name: str) -> Draws:
    return own_draws(name)


def _draws_about(base: Loaded, own: Draws | None) -> Draws | None:
    """Return the user's draws, or those of the shipped posterior of a scenario or its base; None without."""
    name = next((each for each in base.chain if each in shipped_posteriors()), None)
    draws = own or (None if name is None else _drawn(name))
    return draws if draws is not None and draws.replaced(base.scenario, draws.held_in(base)) else None


def _scope(changed: Loaded, draws: Draws) -> Sequence[str]:
    """Say of what the posterior's 95% is."""
    free = draws.replaced(changed.scenario, draws.held_in(changed))
    if not free:
        return []
    held = [source_and_status(changed, key)[1] for key in changed.origins if key not in free]
    return sentences("posterior", "scope", free, (), len(held), held.count("assumption"), ())
