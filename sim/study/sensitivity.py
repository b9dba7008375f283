"""How much of what is not known about a figure hangs on what is not known about each parameter.

Parameters that are drawn independently have Sobol indices, from a design of their own. Those of a posterior
depend on each other: of its draws it is asked what each parameter explains, by regression.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import scipy

from sim.scenario.distributions import Distribution, Empirical, Floats
from sim.scenario.endpoints import Key, column
from sim.scenario.priors import Prior
from sim.scenario.problems import FewDrawsWarning, RequestError, SensitivityWarning
from sim.scenario.refusals import unknown
from sim.scenario.registry import parameters, plain, unit_of
from sim.scenario.schema import Scenario
from sim.scenario.values import with_values
from sim.study.budget import Budget
from sim.study.by_draw import by_draw, drawn_inputs, figures_of, told_by_twin
from sim.study.compare import Side
from sim.study.draws import Draws, number_of
from sim.study.estimates import over_draws, simultaneous
from sim.study.posterior import derived_seed
from sim.study.shapley_effects import shapley_effects
from sim.study.sobol_indices import Indices, Interval, design, indices, matrices
from sim.work.store import ChunkStore
from sim.work.task import Tell

UNEXPLAINED, DUMMY = "not explained", "dummy"
"""Rows that are no parameter's: what regression does not find, and noise."""
BELOW = "not told from noise"
ENOUGH_DRAWS, FEWEST_DRAWS, ENOUGH_POINTS = 200, 50, 256
MUCH_NOISE = 0.2
"""Share of the scatter that is Monte Carlo error, from which on it is warned of."""

Factors: TypeAlias = Mapping[str, Sequence[str]]
"""What is looked at: a parameter by its key, or some that are taken together by the name of the group."""
Answer: TypeAlias = tuple[pd.DataFrame, dict[str, Any]]

_AT_ONCE = 2048  # scenarios in memory
_INDEX = ("first", "total", "shapley")
_COLUMNS = ("parameter", "keys", "unit", "drawn_from",
            *(f"{name}{end}" for name in _INDEX for end in ("", "_lower", "_upper")), "status")  # fmt: skip


@dataclass(frozen=True)
class Input:
    """A parameter that is not known: its values where uniform ones would be, and where that comes from."""

    key: str
    quantile: Callable[[Floats], Floats]
    drawn_from: str


def inputs_of(scenario: Scenario, uncertain: Mapping[str, Distribution], held: Sequence[str]) -> list[Input]:
    """Return what is not known and independent: the scenario's priors, unless held, and what is uncertain.

    Parameters
    ----------
    uncertain
        Distributions by key; each wins over a prior.
    """
    free = [
        prior
        for prior in scenario.prior
        if prior.key not in {*uncertain, *held} and number_of(scenario, prior.key) is not None
    ]
    return [
        *(Input(each.key, _of_prior(each), f"prior: {each.text}") for each in free),
        *(Input(key, each.quantile, told_uncertain(each)) for key, each in uncertain.items()),
    ]


def told_uncertain(value: Distribution) -> str:
    """Say from which distribution a value is drawn."""
    members = plain(value)
    if isinstance(value, Empirical):
        return f"assumed: empirical ({len(value.values)} values)"
    numbers = ", ".join(f"{name} {number:g}" for name, number in members.items() if name != "dist")
    return f"assumed: {members['dist']} ({numbers})"


def _of_prior(prior: Prior) -> Callable[[Floats], Floats]:
    limits = parameters()[prior.key].numbers
    most = np.inf if limits is None else limits.upper
    return lambda u: prior.of_normal(scipy.special.ndtri(u), most)


def factors_of(drawn: Sequence[str], keys: Sequence[str], groups: Factors, why: str) -> Factors:
    """Return what is looked at, groups in the place of their members.

    Parameters
    ----------
    drawn
        All parameters that are drawn.
    keys
        Those that are asked for; empty for all.
    why
        Why no others are drawn, and what to do.

    Raises
    ------
    RequestError
        Nothing is drawn, or a key that is asked for is not.
    """
    if not drawn:
        raise RequestError(f"nothing is drawn: {why}")
    members = [key for each in groups.values() for key in each]
    for key in [*keys, *members]:
        if key not in drawn and {key, key.rpartition(".")[0]} & {*parameters()}:
            raise RequestError(f"{key} is not drawn: {why}")
        if key not in drawn:
            raise RequestError(unknown(f"{key} is no parameter", key, drawn, f"drawn are {', '.join(drawn)}"))
    twice = next((key for key in members if members.count(key) > 1), None)
    if twice is not None:
        raise RequestError(f"groups: {twice} is in two places; keep one")
    wrong = next((name for name, each in groups.items() if not each or name in drawn or not name), None)
    if wrong is not None:
        raise RequestError(f'groups: "{wrong}" needs members, and a name that is no parameter\'s')
    alone = [key for key in keys or drawn if key not in members]
    return {**{key: [key] for key in alone}, **groups}


def of_independent(
    scenario: Scenario, key: Key, inputs: Sequence[Input], factors: Factors, points: int, budget: Budget,
    store: ChunkStore | None = None, tell: Tell | None = None,
) -> Answer:  # fmt: skip
    """Return Sobol's indices of parameters that are drawn independently of each other.

    All points have the same luck where they are simulated: else its noise would look like interactions.

    Raises
    ------
    RequestError
        A point can't be, or has no such figure; or all have the same.
    """
    keys = [each.key for each in inputs]
    columns = [[keys.index(member) for member in each] for each in factors.values()]
    u = design(*matrices(points, len(inputs), derived_seed(budget.seed, "sensitivity")), columns)
    values = np.stack([each.quantile(u[..., at]) for at, each in enumerate(inputs)], axis=-1)
    found, errors = _figures(scenario, key, keys, values.reshape(-1, len(keys)), budget, store, tell)
    outputs = found.reshape(values.shape[:2])
    _refuse_constant(outputs, key)
    told = indices(outputs, budget.seed)
    rows = [
        _row(name, each, inputs, first=_at(told.first, at), total=_at(told.total, at), floor=told.floor)
        for at, (name, each) in enumerate(factors.items())
    ]
    _warn_of_indices(told, list(factors), points)
    if points < ENOUGH_POINTS:
        FewDrawsWarning.say(
            f"{points} points are few for indices of {column(key)}: what has less than {told.floor:.0%} of "
            "the variance is not told from noise, and intervals are rough; take points = 1024"
        )
    rows.append({"parameter": DUMMY, **_cells("first", told.dummy)})
    sample = outputs[:, :2]
    noise = float(np.mean(errors**2) / sample.var())
    spread = dict(zip(("lower", "upper"), np.quantile(sample, (0.025, 0.975)).tolist(), strict=True))
    return _table(rows, "total"), {
        "method": "sobol", "points": points, "evaluations": outputs.size, "floor": told.floor, "noise": noise,
        "trials": 0 if noise == 0 else budget.replications, "mean": float(sample.mean()),
        "sd": float(sample.std()), **spread,
    }  # fmt: skip


def of_draws(
    side: Side, key: Key, draws: Draws, uncertain: Mapping[str, Distribution], factors: Factors,
    budget: Budget, store: ChunkStore | None = None, tell: Tell | None = None,
) -> Answer:  # fmt: skip
    """Return what each parameter explains of a figure over the draws of a posterior.

    Raises
    ------
    RequestError
        A draw has no such figure; or all have the same, but for Monte Carlo error.
    """
    figure = by_draw([side], key, budget, store, tell)
    outcome, errors = figure.values[0], figure.own_errors[0]
    keys, values = drawn_inputs(draws, [side])
    _refuse_undefined(outcome, key, keys, values, "draw")
    if np.mean(errors**2) < outcome.var():
        _refuse_constant(outcome, key)
    else:
        raise RequestError(
            f"{column(key)}: all that draws differ by is Monte Carlo error; raise effort.replications"
        )
    told = shapley_effects(
        [values[:, [keys.index(member) for member in each]] for each in factors.values()],
        outcome, errors, budget.seed,
    )  # fmt: skip
    inputs = [
        Input(each, np.asarray, told_uncertain(uncertain[each]) if each in uncertain else "posterior")
        for each in keys
    ]
    rows = [
        _row(name, each, inputs, first=_at(told.alone, at), shapley=_at(told.shapley, at), floor=told.floor)
        for at, (name, each) in enumerate(factors.items())
    ]
    apart, below, above = (1 - each for each in told.together)
    rows += [
        {"parameter": UNEXPLAINED, **_cells("shapley", Interval(apart, above, below))},
        {"parameter": DUMMY, "first": told.dummy},
    ]
    if len(outcome) < ENOUGH_DRAWS:
        FewDrawsWarning.say(
            f"{len(outcome)} draws are few to tell what explains {column(key)}: intervals are rough; "
            f"raise effort.draws to {ENOUGH_DRAWS} or more"
        )
    if told.noise > MUCH_NOISE:
        SensitivityWarning.say(
            f"{told.noise:.0%} of the scatter of {column(key)} over draws is Monte Carlo error, which is "
            "subtracted and widens every interval; raise effort.replications"
        )
    mean, _, _, _, lower, upper, _ = over_draws(outcome, errors, share=False)
    return _table(rows, "shapley"), {
        "method": "draws", "draws": len(outcome), "evaluations": len(outcome), "floor": told.floor,
        "noise": told.noise, "trials": figure.trials, "mean": mean,
        "sd": float(np.sqrt(outcome.var() - np.mean(errors**2))), "lower": lower, "upper": upper,
    }  # fmt: skip


def at_values(scenario: Scenario, keys: Sequence[str], row: Floats, where: str) -> Scenario:
    """Return a scenario under one row of values.

    Raises
    ------
    RequestError
        It can't have them; the message names them.
    """
    try:
        return with_values(scenario, dict(zip(keys, row.tolist(), strict=True)))
    except RequestError as error:
        raise RequestError(
            f"{where} ({_in_full(keys, row)}): {error}. Cut its distribution off with low and high"
        ) from None


def _figures(
    scenario: Scenario, key: Key, keys: Sequence[str], rows: Floats, budget: Budget,
    store: ChunkStore | None, tell: Tell | None,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Return a figure at every row and its Monte Carlo error."""
    exact = told_by_twin([scenario], key, budget)
    size = _AT_ONCE if exact else len(rows)
    parts = []
    for at in range(0, len(rows), size):
        block = rows[at : at + size]
        made = [at_values(scenario, keys, row, f"row {number}") for number, row in enumerate(block, at + 1)]
        parts.append(figures_of(made, key, budget, store, None if exact else tell))
        if exact and tell is not None:
            tell(at + len(block), len(rows))
    found, errors = (np.concatenate(each) for each in zip(*parts, strict=True))
    _refuse_undefined(found, key, keys, rows, "row")
    return found, errors


def _refuse_undefined(found: Floats, key: Key, keys: Sequence[str], rows: Floats, what: str) -> None:
    """Refuse figures that are no numbers: an index of them would be nothing, silently."""
    wrong = np.flatnonzero(~np.isfinite(found))
    if wrong.size:
        raise RequestError(
            f"{column(key)} is no number at {wrong.size:,} of {len(found):,} {what}s, first {what} "
            f"{wrong[0] + 1} ({_in_full(keys, rows[wrong[0]])}): nobody is left there of whom it tells. "
            "Cut the distributions off with low and high, or name another endpoint"
        )


def _refuse_constant(found: Floats, key: Key) -> None:
    if np.ptp(found) <= 1e-12 * np.abs(found).max():
        raise RequestError(
            f"{column(key)} is {found.flat[0]:.6g} whatever is drawn: nothing of it hangs on these "
            "parameters; name others, or another endpoint"
        )


def _in_full(keys: Sequence[str], row: Floats) -> str:
    return ", ".join(f"{key} = {value:.6g}" for key, value in zip(keys, row.tolist(), strict=True))


def _at(whole: Interval, at: int) -> Interval:
    return Interval(*(each[at] for each in whole))


def _row(
    name: str, members: Sequence[str], inputs: Sequence[Input], floor: float, **found: Interval
) -> dict[str, Any]:
    """Return the row of one parameter, or of a group."""
    leading = found.get("shapley", found["first"])
    row: dict[str, Any] = {
        "parameter": name, "keys": " ".join(members),
        "unit": unit_of(name) if [name] == [*members] else "",
        "drawn_from": "; ".join(each.drawn_from for each in inputs if each.key in members),
        "status": BELOW if leading.value < floor else "",
    }  # fmt: skip
    for index, each in found.items():
        row |= _cells(index, each)
    return row


def _cells(name: str, found: Interval) -> dict[str, float]:
    return {f"{name}{end}": float(each) for end, each in zip(("", "_lower", "_upper"), found, strict=True)}


def _table(rows: Sequence[Mapping[str, Any]], by: str) -> pd.DataFrame:
    """Return parameters, the one that matters most first, and below them what is no parameter's."""
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    texts = ["parameter", "keys", "unit", "drawn_from", "status"]
    table[texts] = table[texts].fillna("")
    own = table["keys"] != ""
    ordered = table[own].sort_values(by, ascending=False, kind="stable")
    return pd.concat([ordered, table[~own]], ignore_index=True)


def _warn_of_indices(told: Indices, names: Sequence[str], points: int) -> None:
    """Warn of indices that can't be, by more than their error, of all of them at once."""
    together, excess, first = (
        simultaneous(*each, 2 * len(names) + 1) for each in (told.together, told.excess, told.first)
    )
    wrong = []
    if together[0] > 1:
        wrong.append(f"first-order indices add up to {told.together.value:.3g}, more than 1")
    for at, name in enumerate(names):
        if excess[0][at] > 0:
            wrong.append(f"the first-order index of {name} exceeds its total one")
        if first[1][at] < 0:
            wrong.append(f"the first-order index of {name} is negative")
    if wrong:
        SensitivityWarning.say(
            f"{'; '.join(wrong)}, by more than their error: too few points for a figure with so long a tail; "
            f"take points = {4 * points}, or cut the distributions off with low and high"
        )
