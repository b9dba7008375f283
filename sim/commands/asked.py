"""What was asked for, read from keywords: scenarios, how much to simulate, and endpoints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from sim.commands.study import Work
from sim.scenario.describe import show_rows
from sim.scenario.endpoints import BY_NAME, Key, column, label, read_times
from sim.scenario.inherit import Overrides
from sim.scenario.load import Loaded, changed, load
from sim.scenario.problems import RequestError
from sim.scenario.refusals import cut_short, unknown
from sim.scenario.schema import Scenario
from sim.scenario.shipped import locate_posterior
from sim.scenario.strata import read_strata
from sim.show.kit.scenario_words import headlines
from sim.study import budget as budgets
from sim.study.budget import Budget, Engine, Precision
from sim.study.draws import Draws, draws_from

AnyScenario: TypeAlias = str | Path | Loaded
"""A shipped name, a path, or what `load_scenario` and `with_values` return."""


class Trials(Work, total=False):
    """How a study is done that simulates virtual trials.

    ``replications`` are those of each draw where there is a ``posterior``: the file of a calibration, or the
    name of a shipped one.
    """

    replications: int | None
    posterior: str | Path | None
    draws: int | None


class Effort(Trials, total=False):
    """How a study is done that may choose its simulator, and may go on until figures are precise enough.

    ``precision`` is a half-width in percentage points, ``endpoint`` one or several ``NAME[@YEARS]``. ``by``
    tells every figure by strata too: ``"age=12-25,26-40,41+"``, ``"sex"``, or both in a list.
    """

    engine: Engine
    precision: float | None
    at_most: int | None
    endpoint: str | Sequence[str]
    by: str | Sequence[str]


def loaded_from(scenario: AnyScenario, overrides: Overrides = ()) -> Loaded:
    """Return a scenario with its name, its changes and the source of each value.

    Raises
    ------
    RequestError
        There is no such scenario, something in it is wrong, or it does not know where it comes from.
    """
    if isinstance(scenario, Loaded):
        return changed(scenario, overrides, Path())
    if not isinstance(scenario, (str, Path)):
        raise RequestError(
            f"a {type(scenario).__name__} was given as scenario; allowed: a name, a path, or what "
            "load_scenario and with_values return, which know where each value comes from"
        )
    return load(str(scenario), overrides)


def named_apart(loaded: Sequence[Loaded]) -> dict[str, Loaded]:
    """Name scenarios; of one name the second is told by what was changed, or by a number."""
    named: dict[str, Loaded] = {}
    for each in loaded:
        name, number, changed = each.name, 1, each.scenario.changed
        if name in named and changed and changed != named[name].scenario.changed:
            name = f"{name} ({', '.join(changed)})"
        while name in named:
            number += 1
            name = f"{each.name} ({number})"
        named[name] = each
    return named


def refuse_both(how: Work) -> None:
    """Refuse workers of this machine and a cluster at once."""
    if how.get("workers") is not None and how.get("cluster") is not None:
        raise RequestError("--workers and --cluster: give one of them; a cluster has its own workers")


def budget_of(how: Trials, **kept: Any) -> Budget:
    """Return how much to simulate, without a precision.

    Parameters
    ----------
    kept
        What the kind of study adds to the budget.

    Raises
    ------
    RequestError
        Keywords that contradict each other, ask for nothing, or are out of range.
    """
    refuse_both(how)
    posterior, seed = how.get("posterior"), how.get("seed", budgets.DEFAULT_SEED)
    usual = budgets.DEFAULT_REPLICATIONS if posterior is None else budgets.DEFAULT_DRAW_REPLICATIONS
    asked = how.get("replications")
    return Budget(
        replications=usual if asked is None else asked,
        seed=seed,
        workers=how.get("workers", 1),
        cluster=how.get("cluster"),
        draws=_drawn(posterior, how.get("draws"), seed),
        **kept,
    )


def effort_of(
    how: Effort,
    scenario: Scenario,
    patients: int | None = budgets.DEFAULT_PATIENT_REPLICATIONS,
    *,
    events: bool = False,
    shown: bool = False,
) -> Budget:
    """Return the budget for a scenario, whose endpoints are those whose precision is asked for.

    Parameters
    ----------
    shown
        Whether endpoints are for a figure too.

    Raises
    ------
    RequestError
        As `budget_of`.
    """
    refuse_both(how)
    endpoints, half_width, at_most = texts_of(how), how.get("precision"), how.get("at_most")
    precision = None
    if half_width is not None:
        asked = precise_endpoints(endpoints, scenario)
        precision = Precision(half_width, asked, at_most or budgets.DEFAULT_AT_MOST)
    elif at_most is not None:
        raise RequestError("--at-most: it caps --precision, which is missing; give both, or neither")
    elif endpoints and not shown:
        raise RequestError("--endpoint: it says what --precision is about; give both, or neither")
    kept = {
        "engine": how.get("engine", "auto"),
        "precision": precision,
        "by": read_strata(texts_of(how, "by")),
    }
    return budget_of(how, patient_replications=patients, events=events, **kept)


def texts_of(how: Effort, name: Literal["endpoint", "by"] = "endpoint") -> list[str]:
    """Return what one keyword asks for, as it is written: one text, or several."""
    given = how.get(name, ())
    return [given] if isinstance(given, str) else list(map(str, given))


def _drawn(posterior: str | Path | None, draws: int | None, seed: int) -> Draws | None:
    """Return draws of a posterior; None without one."""
    if posterior is None:
        if draws is not None:
            raise RequestError("--draws: they are draws of --posterior, which is missing; give both")
        return None
    return draws_from(locate_posterior(str(posterior)), draws or budgets.DEFAULT_DRAWS, seed)


def parse_endpoint(text: str, scenario: Scenario) -> Key:
    """Read ``NAME`` or ``NAME@YEARS``.

    Raises
    ------
    RequestError
        There is no such endpoint, or it is not read at that time.
    """
    name, at, years = text.partition("@")
    if name not in BY_NAME:
        what, otherwise = f'unknown endpoint "{cut_short(name)}"', f"endpoints are {', '.join(BY_NAME)}"
        raise RequestError(f"--endpoint {cut_short(text)}: {unknown(what, name, BY_NAME, otherwise)}")
    times = read_times(BY_NAME[name], scenario.follow_up.horizon_years)
    try:
        time = float(years) if at else None
    except ValueError:
        time = math.nan
    if time not in times:
        allowed = ", ".join(column((name, choice)) for choice in times)
        raise RequestError(f"--endpoint {text}: {BY_NAME[name].label} is read as {allowed}")
    return name, time


def refuse_percent(key: Key, values: Sequence[float], where: str) -> None:
    """Refuse what no figure can be: of a share a value above 1, likely a percentage.

    Raises
    ------
    RequestError
        The message begins with `where`.
    """
    over = next((each for each in values if not 0 <= each <= 1), None)
    if over is not None and BY_NAME[key[0]].kind == "share":
        allowed = f"allowed: 0 to 1, and {over:g}% is {over / 100:g}"
        raise RequestError(f"{where} = {over:g}: {label(key)} is a share; {allowed}")


def precise_endpoints(texts: Sequence[str], scenario: Scenario) -> tuple[Key, ...]:
    """Read the endpoints whose precision is asked for; left out, the shares that the scenario aims at.

    Raises
    ------
    RequestError
        An endpoint is unknown, or no share, of which percentage points mean nothing.
    """
    asked = [parse_endpoint(text, scenario) for text in texts]
    for key in asked:
        if BY_NAME[key[0]].kind != "share":
            raise RequestError(
                f"--endpoint {column(key)}: --precision is in percentage points, and {label(key)} is no "
                "share; name a share, as in --endpoint overall_survival@5"
            )
    aimed = [(target.endpoint, target.time_years) for target in scenario.fitted_targets]
    shares = [key for key in [*aimed, *headlines(scenario)] if BY_NAME[key[0]].kind == "share"]
    horizon = scenario.follow_up.horizon_years
    readable = [key for key in shares if key[1] in read_times(BY_NAME[key[0]], horizon)]
    return tuple(dict.fromkeys(asked or readable))


def facts_of(
    budget: Budget, replications: int, loaded: Loaded | None = None, swept: Sequence[str] = ()
) -> dict[str, Any]:
    """Return what the manifest of every simulated study says of its budget.

    Parameters
    ----------
    replications
        How many there were in all.
    loaded, swept
        The one scenario, if it is one, and what is varied: then it is said which parameters are drawn.
    """
    draws, precision = budget.draws, budget.precision
    found: dict[str, Any] = {
        "seed": budget.seed,
        "replications": replications,
        "precision": None if precision is None else precision.text,
        "engine": budget.engine,
        "draws": None if draws is None else len(draws.values),
        "posterior": None,
    }
    if draws is not None:
        found["posterior"] = {**draws.record(), **(draws.record_of(loaded, swept) if loaded else {})}
    return found


def about(loaded: Loaded, draws: Draws | None = None) -> dict[str, Any]:
    """Return what a manifest says of a scenario: all its values, with the source of each.

    Parameters
    ----------
    draws
        Of a posterior, if it is one of several scenarios: then it is said which parameters are drawn in it.
    """
    return {
        "scenario": loaded.name,
        "chain": list(loaded.chain),
        "scenario_hash": loaded.scenario_hash,
        **(draws.record_of(loaded) if draws else {}),
        "resolved": loaded.as_dict(),
        "parameters": show_rows(loaded),
    }
