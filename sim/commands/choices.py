"""Answers about a choice between arms under what is not known: probability, and value of information."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from sim.commands.asked import parse_endpoint, refuse_percent
from sim.commands.plan import StudyPlan
from sim.commands.trial_answers import arms_at_own_values, check_trials
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME, Key, column, read_times
from sim.scenario.problems import FewDrawsWarning, NoisyDrawsWarning, RequestError
from sim.scenario.refusals import unknown
from sim.scenario.schema import DAYS_PER_YEAR
from sim.scenario.study_answers import Probability, ValueOfInformation
from sim.study.budget import MOST_REPLICATIONS
from sim.study.by_draw import ByDraw, by_draw, drawn_inputs
from sim.study.compare import Side, incomparable
from sim.study.estimates import Z95
from sim.study.posterior import derived_seed
from sim.study.probability import FEW_DRAWS, NOISY, Scatter, margins_between, probabilities
from sim.study.trial_value import trial_value
from sim.study.two_arm_trials import histories_of_trials
from sim.study.value_of_information import Choice, value_of_information
from sim.work.store import Stores
from sim.work.task import Progress, part

_WIDEST = 0.5
"""Margin of a share that anybody means, and no percentage."""
_Found: TypeAlias = tuple[dict[str, pd.DataFrame | None], dict[str, Any]]


@dataclass(frozen=True)
class _Asked:
    """The arms, what is drawn in them, and the figure."""

    sides: Mapping[str, Side]
    drawn: list[str]
    inputs: Floats
    key: Key
    sign: int
    """1 where patients want more of it, -1 where less."""

    @classmethod
    def of(cls, plan: StudyPlan, text: str) -> _Asked:
        """Read what is asked.

        Raises
        ------
        RequestError
            Nothing is drawn, or nobody knows what is better.
        """
        key = parse_endpoint(_at_horizon(text, plan), plan.loaded.scenario)
        better = BY_NAME[key[0]].better
        if not better:
            raise RequestError(
                f"endpoint = {column(key)}: more of it is neither good nor bad, so that nothing is better; "
                "name one that patients want more of, or less, such as overall_survival_enrolled@5"
            )
        sides, draws = arms_at_own_values(plan), plan.budget.draws
        drawn, inputs = ([], np.empty((0, 0))) if draws is None else drawn_inputs(draws, [*sides.values()])
        if not drawn:
            raise RequestError(
                "there is nothing unknown in this study: state effort.posterior or [[uncertain]]"
            )
        return cls(sides, drawn, inputs, key, 1 if better == "more" else -1)

    def figures(self, plan: StudyPlan, name: str, stores: Stores, progress: Progress | None) -> ByDraw:
        """Return the figure of every arm under each draw."""
        found = by_draw([*self.sides.values()], self.key, plan.budget, stores(name), part(name, progress))
        unread = int(np.isnan(found.changes).any(axis=0).sum())
        if unread:
            raise RequestError(
                f"{column(self.key)} can't be read in {unread} of {found.changes.shape[1]} draws, where "
                "nobody is at risk; raise effort.replications"
            )
        return found

    def told(self, plan: StudyPlan, found: ByDraw) -> dict[str, Any]:
        """Return what a manifest says of it."""
        draws = plan.budget.draws
        return {
            "endpoint": column(self.key), "better": BY_NAME[self.key[0]].better, "arms": list(self.sides),
            "draws": found.changes.shape[1], "trials": found.trials, "drawn": self.drawn,
            "uncertain": [key for key in self.drawn if draws and key in draws.uncertain],
        }  # fmt: skip


def _at_horizon(text: str, plan: StudyPlan) -> str:
    """Read a timed endpoint without a time at the end of follow-up."""
    endpoint, horizon = BY_NAME.get(text), plan.loaded.scenario.follow_up.horizon_years
    return text if endpoint is None else column((text, read_times(endpoint, horizon)[-1]))


def check_probability(answer: Probability, plan: StudyPlan) -> None:
    """Refuse what has no probability.

    Raises
    ------
    RequestError
        As `_Asked.of`; or a margin is no share.
    """
    asked = _Asked.of(plan, answer.endpoint)
    refuse_percent(asked.key, answer.margins, "margins")
    if BY_NAME[asked.key[0]].kind == "share" and max(answer.margins) > _WIDEST:
        raise RequestError(
            f"margins: {max(answer.margins):g} is {100 * max(answer.margins):g} points; allowed: 0 to "
            f"{_WIDEST:g}, and one point, a death of 100, is 0.01"
        )


def give_probability(
    answer: Probability, plan: StudyPlan, stores: Stores, progress: Progress | None
) -> _Found:
    """Return how probable it is that arms are better than the first; the curve over margins beside it."""
    asked = _Asked.of(plan, answer.endpoint)
    found = asked.figures(plan, "probability", stores, progress)
    names = list(asked.sides)
    tables, curves, scatters = [], [], {}
    chosen = [at for at, name in enumerate(asked.sides) if at and answer.arm in ("", name)]
    margins = margins_between(asked.sign * found.changes[chosen], answer.margins)
    for at in chosen:
        name, changes = names[at], asked.sign * found.changes[at]
        noise = 0.0 if found.noise is None else float(found.noise[at, at])
        scatters[name] = scatter = Scatter.of(changes, noise, found.trials)
        seed = derived_seed(plan.budget.seed, f"probability {name}")
        about = {"arm": name, "reference": names[0], "endpoint": column(asked.key)}
        curve = probabilities(changes, noise, asked.inputs, margins, seed)
        curves.append(curve.assign(**about)[[*about, *curve.columns]])
        table = curves[-1][curve["margin"].isin(answer.margins)]
        tables.append(table.assign(between=scatter.between, within=noise, reliability=scatter.reliability))
    _warn_of_few(found, scatters)
    base = asked.sides[names[0]].scenario
    apart = [name for name, side in asked.sides.items() if incomparable(base, side.scenario, side.solved)]
    told = {**asked.told(plan, found), "margins": answer.margins, "apart": apart}
    table, curve = pd.concat(tables, ignore_index=True), pd.concat(curves, ignore_index=True)
    return {"probability": table, "probability_curve": curve}, {"probability": told}


def _warn_of_few(found: ByDraw, scatters: Mapping[str, Scatter]) -> None:
    """Warn of few draws, and of draws that are mostly Monte Carlo error; the remedy is in numbers."""
    draws = found.changes.shape[1]
    if draws < FEW_DRAWS:
        FewDrawsWarning.say(
            f"A probability from {draws} draws is known to within about {98 / draws**0.5:.0f} points: set "
            f"effort.draws to {FEW_DRAWS} or more"
        )
    for name, scatter in scatters.items():
        if scatter.reliability < NOISY:
            needed = scatter.trials_needed
            remedy = (
                f"raise effort.replications from {found.trials:,} to {needed:,.0f}"
                if needed <= MOST_REPLICATIONS
                else "raise effort.replications many times"
            )
            NoisyDrawsWarning.say(
                f"{name}: of what single draws differ by, {100 * (1 - scatter.reliability):.0f}% is Monte "
                f"Carlo error of {found.trials:,} trials each, and the probability rests on what is assumed "
                f"about its distribution: {remedy}, and not only the draws"
            )


def check_value(answer: ValueOfInformation, plan: StudyPlan) -> None:
    """Refuse what can't be worth anything.

    Raises
    ------
    RequestError
        As `_Asked.of`; or a key is not drawn, or nobody chooses between such arms.
    """
    if plan.apart:
        raise RequestError(
            f"the arms are no treatment and alternative, and nobody chooses between them: {plan.apart[0]}; "
            "take the answer out, or state arms that differ in treatment alone"
        )
    asked = _Asked.of(plan, answer.endpoint)
    _groups(answer, asked.drawn)
    if answer.trial:
        check_trials(_of_trial(asked.sides), answer.trial, plan.draws)


def histories_of_further_trials(answer: ValueOfInformation, plan: StudyPlan) -> int:
    """Return how many histories further trials take, one of each size under each draw."""
    arms = [side.scenario for side in _of_trial(arms_at_own_values(plan)).values()]
    return histories_of_trials(arms, answer.trial, plan.draws) if answer.trial else 0


def _of_trial(sides: Mapping[str, Side]) -> dict[str, Side]:
    """Return the two arms that a further trial has."""
    return dict(list(sides.items())[:2])


def _groups(answer: ValueOfInformation, drawn: list[str]) -> dict[str, list[int]]:
    """Return the columns of what might be known together, by the name of a key or group."""
    named = [("keys", answer.keys), *((f"groups.{name}", keys) for name, keys in answer.groups.items())]
    for place, keys in named:
        for key in keys:
            if key not in drawn:
                raise RequestError(
                    unknown(f"{place}: {key}: is not drawn", key, drawn, f"drawn are {', '.join(drawn)}")
                )
    groups = {key: [key] for key in answer.keys or drawn} | answer.groups
    empty = next((name for name, keys in groups.items() if not keys), None)
    if empty is not None:
        raise RequestError(f"groups.{empty}: is empty; name parameters that are drawn: {', '.join(drawn)}")
    return {name: [drawn.index(key) for key in dict.fromkeys(keys)] for name, keys in groups.items()}


def give_value(
    answer: ValueOfInformation, plan: StudyPlan, stores: Stores, progress: Progress | None
) -> _Found:
    """Return what it is worth to know all that is drawn, and each part of it, before an arm is chosen."""
    asked = _Asked.of(plan, answer.endpoint)
    found = asked.figures(plan, "value_of_information", stores, progress)
    unit, scale = benefit_of(asked.key)
    noise = None if found.noise is None else scale**2 * found.noise
    choice = Choice.of(asked.sign * scale * found.changes, noise)
    seed = derived_seed(plan.budget.seed, "value of information")
    groups = _groups(answer, asked.drawn)
    table, agreed = value_of_information(choice, asked.inputs, groups, asked.drawn, seed)
    if answer.trial:
        # Where all draws agree no limit is known, and no trial changes the choice.
        whole = [float(each) for each in np.nan_to_num(table[["value", "upper"]].iloc[0])]
        worth = trial_value(
            [*_of_trial(asked.sides).values()], choice.gains, (whole[0], whole[1]), answer.trial, plan.budget,
            stores("further-trial"), part("further trial", progress),
        )  # fmt: skip
        table = pd.concat([table, worth], ignore_index=True)
    told = {
        **asked.told(plan, found), "unit": unit, "best": list(asked.sides)[choice.best], "agreed": agreed,
        "lead": _lead(choice),
    }  # fmt: skip
    return {"value": table}, {"value_of_information": told}


def _lead(choice: Choice) -> list[float]:
    """Return by how much the best arm leads the next on average, with the 95% interval of finite draws."""
    leads = -choice.gains[choice.gains.mean(axis=1).argmax()]
    mean, error = float(leads.mean()), Z95 * float(leads.std(ddof=1)) / math.sqrt(len(leads))
    return [mean, mean - error, mean + error]


def benefit_of(key: Key) -> tuple[str, float]:
    """Return the unit of net benefit, and how many of it a figure's own unit is."""
    endpoint = BY_NAME[key[0]]
    if endpoint.kind == "share":
        return "per 100", 100.0
    return ("days", DAYS_PER_YEAR) if endpoint.unit == "years" else (endpoint.unit, 1.0)
