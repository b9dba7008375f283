"""Whether what a scenario aims at makes sense: its targets and the parameters to solve for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sim.scenario.contradictions import contradictions
from sim.scenario.endpoints import BY_NAME, TIMES_YEARS, read_times
from sim.scenario.priors import AS_IT_IS
from sim.scenario.refusals import WhereOf, refuse, sentence, unknown, unknown_key
from sim.scenario.registry import parameters, short
from sim.scenario.schema import Scenario, Target

_NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")


def check_aims(scenario: Scenario, where_of: WhereOf) -> None:
    """Refuse targets for endpoints or times that do not exist, and keys that can't be solved for.

    Raises
    ------
    RequestError
        Naming each, and the nearest valid one.
    """
    aims = [*_target_problems(scenario), *contradictions("target", scenario.target)]
    problems = [sentence(where_of("target"), text) for text in aims]
    problems += [sentence(where_of("range"), text) for text in _range_problems(scenario)]
    problems += [sentence(where_of("calibration.solve"), text) for text in _solve_problems(scenario)]
    problems += [sentence(where_of("prior"), text) for text in _prior_problems(scenario)]
    problems += [sentence(where_of("alternative"), text) for text in _alternative_problems(scenario)]
    if problems:
        raise refuse(problems)


def _target_problems(scenario: Scenario) -> Iterator[str]:
    seen = set()
    for number, target in enumerate(scenario.target, start=1):
        what = f"[[target]] number {number}"
        if target.endpoint not in BY_NAME:
            given = f'{what}: endpoint = "{target.endpoint}": unknown endpoint'
            yield unknown(given, target.endpoint, BY_NAME, f"endpoints are {', '.join(BY_NAME)}")
            continue
        yield from (f"{what}: {text}" for text in _time_problems(target, scenario.follow_up.horizon_years))
        if BY_NAME[target.endpoint].kind == "share" and target.value > 1:
            yield f"{what}: value = {target.value:g}: {target.endpoint} is a share, a number from 0 to 1"
        if target.observed is not None and (target.n is None or target.observed > target.n):
            yield (
                f"{what}: observed = {target.observed}: is counted in n patients; "
                + ("state n too" if target.n is None else f"it can't be more than n = {target.n}")
            )
        if (target.endpoint, target.time_years) in seen:
            yield f"{what}: {target.endpoint}: there is another target for the same figure; keep one"
        seen.add((target.endpoint, target.time_years))


def _time_problems(target: Target, horizon_years: float) -> Iterator[str]:
    endpoint = BY_NAME[target.endpoint]
    if endpoint.timed and target.time_years is None:
        times = ", ".join(short(time) for time in TIMES_YEARS)
        yield f"time_years is missing: {endpoint.name} is read at {times} years"
    elif not endpoint.timed and target.time_years is not None:
        yield f"time_years = {target.time_years:g}: {endpoint.name} has no time; leave it out"
    elif target.time_years is not None and target.time_years <= horizon_years:
        read = read_times(endpoint, horizon_years)
        if target.time_years not in read:
            allowed = ", ".join(short(time) for time in read if time is not None)
            yield f"time_years = {target.time_years:g}: {endpoint.name} is read at {allowed} years"


def _range_problems(scenario: Scenario) -> Iterator[str]:
    keys = [shown.key for shown in scenario.range]
    for number, shown in enumerate(scenario.range, start=1):
        what = f"[[range]] number {number}: {shown.key}"
        parameter = parameters().get(shown.key)
        if parameter is None:
            yield f"{what}: {unknown_key(shown.key)}"
            continue
        limits = parameter.numbers
        if limits is None or parameter.choices or limits.whole:
            yield f"{what}: a range needs a parameter that is a number; it is a {parameter.type_text}"
        elif not all(value in limits for value in shown.values):
            yield f"{what}: values = {shown.values}: each must be {parameter.allowed}"
        elif sorted(set(shown.values)) != shown.values:
            yield f"{what}: values = {shown.values}: write them in rising order, each once"
        if keys.count(shown.key) > 1:
            yield f"{what}: has another range; keep one"


def _solve_problems(scenario: Scenario) -> Iterator[str]:
    solve = scenario.calibration.solve
    for key in solve:
        what = f'calibration.solve has "{key}"'
        parameter = parameters().get(key)
        if parameter is None:
            yield f"{what}: {unknown_key(key)}"
        elif not parameter.is_number:
            yield f"{what}: only numbers can be solved for; {key} is a {parameter.type_text}"
        elif solve.count(key) > 1:
            yield f"{what} twice"


def _prior_problems(scenario: Scenario) -> Iterator[str]:
    keys = [prior.key for prior in scenario.prior]
    for number, prior in enumerate(scenario.prior, start=1):
        what = f"[[prior]] number {number}: {prior.key}"
        parameter = parameters().get(prior.key)
        whole = parameters().get(prior.key.rpartition(".")[0])
        if parameter is None and whole is not None:
            yield f"{what}: is part of a {whole.type_text}; a prior needs a parameter that is one number"
        elif parameter is None:
            yield f"[[prior]] number {number}: {unknown_key(prior.key)}"
        elif not parameter.is_number:
            yield f"{what}: a prior needs a parameter that is a number; it is a {parameter.type_text}"
        elif keys.count(prior.key) > 1:
            yield f"{what}: has another prior; keep one"


def _alternative_problems(scenario: Scenario) -> Iterator[str]:
    keys = [prior.key for prior in scenario.prior]
    names = [alternative.name for alternative in scenario.alternative]
    for number, alternative in enumerate(scenario.alternative, start=1):
        what = f"[[alternative]] number {number}: {alternative.name}"
        if names.count(alternative.name) > 1:
            yield f"{what}: there is another of this name; names must differ"
        if alternative.name == AS_IT_IS or not _NAME.fullmatch(alternative.name):
            yield (
                f"{what}: name: must be one word of letters, digits, _ and -, and not {AS_IT_IS}, which is "
                "the scenario itself"
            )
        for key in alternative.fixed:
            if key not in keys:
                yield unknown(
                    f'{what}: fixed has "{key}", which has no prior',
                    key, keys,
                    f"priors are for {', '.join(keys)}; a file with priors of its own needs alternatives of "
                    "its own too, or alternative = []",
                )  # fmt: skip


def unread_targets(scenario: Scenario) -> Iterator[str]:
    """Yield a warning for each target beyond the horizon, which no run can show."""
    for target in scenario.target:
        if target.time_years is not None and target.time_years > scenario.follow_up.horizon_years:
            horizon = short(scenario.follow_up.horizon_years)
            yield f"the target {target.endpoint} at {target.time_years:g} years lies beyond {horizon} years"
