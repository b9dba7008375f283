"""The library: small functions of its own, and messages that speak of keywords and not of options."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from types import NoneType
from typing import Any, ParamSpec, TypeVar, Unpack, get_args, get_origin, get_type_hints

import pandas as pd

from sim.commands.asked import AnyScenario, loaded_from
from sim.commands.study import Numbered
from sim.scenario.differences import diff_rows
from sim.scenario.endpoints import Key
from sim.scenario.inherit import Overrides
from sim.scenario.load import Loaded
from sim.scenario.problems import RequestError, TypedWarning
from sim.scenario.refusals import cut_short
from sim.scenario.schema import Scenario
from sim.study.budget import DEFAULT_FIGURES, DEFAULT_SEED
from sim.work.results import Results, read_results

Given = ParamSpec("Given")
Returned = TypeVar("Returned")

_DEFAULTS = {
    **dict.fromkeys(("force", "resume"), False), "seed": DEFAULT_SEED, "workers": 1, "engine": "auto",
    "endpoint": (), "figures": DEFAULT_FIGURES,
}  # fmt: skip
"""Of the keywords that several functions share, where they are not None."""
_OPTION = re.compile(r"--([a-z]+(?:-[a-z]+)*)(?: (\d+)\b)?")
_FLAGS = {name: f"{name}=True" for name in ("force", "resume", "events", "point")}
_KINDS: dict[str, tuple[Any, str]] = {
    "folder": ((str, Path), "the folder of a study, as text or a path; results know theirs as `folder`"),
    "out": ((str, Path, Numbered, NoneType), "a folder, NUMBERED, or None to keep everything in memory"),
    "title": ((str, NoneType), "a line of text"),
    "progress": ((Callable, NoneType), "a function of what is done, how much of it, and of how much"),
    "file": ((str, Path), "a file, as text or a path"),
    "column": ((str, Mapping, Sequence), "a dictionary of headers by what they are, or texts NAME=HEADER"),
    **dict.fromkeys(("dates", "sheet"), ((str, NoneType), "a text")),
    "vary": ((Mapping, Sequence), "a dictionary of values by dotted key, or texts of keys and values"),
    **dict.fromkeys(("set", "endpoint", "figures"), ((str, Mapping, Sequence), "a text or several")),
}
"""What a keyword may be, where a wrong kind would be found out only deep inside, and in other words."""
_PHRASES = {"leave --out away to get a numbered one": "leave `out` away to keep everything in memory"}


def load_scenario(scenario: AnyScenario, set: Overrides = ()) -> Loaded:  # noqa: A002 (the option's name)
    """Load a scenario: it knows its name, its changes and the source of each value.

    Parameters
    ----------
    scenario
        A shipped name, a path, or what this function or `with_values` returned.
    set
        Changes: values by key, or texts as after ``--set``.

    Raises
    ------
    RequestError
        Something in it is wrong; the message names file, key, value, what is allowed and what to do.
    """
    return loaded_from(scenario, set)


def with_values(scenario: AnyScenario, changes: Mapping[str, Any]) -> Loaded:
    """Return a scenario with other values under some dotted keys, marked as changed.

    Parameters
    ----------
    scenario
        A shipped name, a path, or what `load_scenario` and this function return; it stays as it is.
    changes
        Values by dotted key: numbers, words, distributions or tables that describe one; a key may reach
        into a distribution.

    Raises
    ------
    RequestError
        A key is unknown or a value is wrong.
    """
    return loaded_from(scenario, changes)


def differences(one: AnyScenario, other: AnyScenario) -> pd.DataFrame:
    """Return in what two scenarios, a and b, differ: both values of every parameter, and their sources.

    Parameters
    ----------
    one, other
        Shipped names, paths, or what `load_scenario` and `with_values` return.

    Raises
    ------
    RequestError
        There is no such scenario, or something in it is wrong.
    """
    return pd.DataFrame(diff_rows(loaded_from(one), loaded_from(other)))


def expected(scenario: AnyScenario | Scenario) -> dict[Key, float]:
    """Return what the exact twin expects of every endpoint: no luck, and no queue.

    Parameters
    ----------
    scenario
        A shipped name, a path, what `load_scenario` and `with_values` return, or the ``scenario`` of results.

    Raises
    ------
    RequestError
        There is no such scenario, or the clinic limits a place, so that a queue may bind.
    """
    from sim.outcomes.twin.expected import expected as of_twin

    return of_twin(scenario if isinstance(scenario, Scenario) else loaded_from(scenario).scenario)


def read(folder: str | Path) -> Results:
    """Read the folder of a finished study of any kind.

    Raises
    ------
    RequestError
        It is missing, is no folder of a study, is incomplete, or was written in another format.
    """
    return read_results(Path(folder))


def spoken(function: Callable[Given, Returned]) -> Callable[Given, Returned]:
    """Return a function whose messages speak of keywords, and whose signature names all of them."""
    signature = _whole_signature(function)

    @wraps(function)
    def speaking(*given: Given.args, **named: Given.kwargs) -> Returned:
        for name, value in signature.bind(*given, **named).arguments.items():
            kinds, allowed = _KINDS.get(name, ((object,), ""))
            if not isinstance(value, kinds):
                raise RequestError(f"`{name}`: {cut_short(repr(value))} given; allowed: {allowed}")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", TypedWarning)
            try:
                found = function(*given, **named)
            except RequestError as error:
                told = RequestError(_in_keywords(str(error)))
                for note in getattr(error, "__notes__", ()):
                    told.add_note(_in_keywords(note))
                raise told from error.__cause__
        for warning in caught:
            if isinstance(warning.message, TypedWarning):
                warnings.warn(_in_keywords(str(warning.message)), warning.category, stacklevel=2)
            else:
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        return found

    speaking.__signature__ = signature  # type: ignore[attr-defined]
    return speaking


def _whole_signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return a signature in which the keywords of a typed dictionary stand one by one."""
    signature = inspect.signature(function)
    parameters = []
    for parameter in signature.parameters.values():
        hint = get_type_hints(function).get(parameter.name)
        if get_origin(hint) is not Unpack:
            parameters.append(parameter)
            continue
        for name, kind in get_type_hints(get_args(hint)[0]).items():
            parameters.append(
                inspect.Parameter(
                    name, inspect.Parameter.KEYWORD_ONLY, default=_DEFAULTS.get(name), annotation=kind
                )
            )
    return signature.replace(parameters=parameters)


def _in_keywords(text: str) -> str:
    """Put keywords in the place of options: ``--at-most`` is `at_most`, ``--force`` is `force=True`."""
    for phrase, instead in _PHRASES.items():
        text = text.replace(phrase, instead)
    return _OPTION.sub(_keyword, text)


def _keyword(found: re.Match[str]) -> str:
    option, number = found[1].replace("-", "_"), found[2]
    if option == "no_alternatives":
        return "`alternatives=False`"
    return f"`{option}={number}`" if number else f"`{_FLAGS.get(option, option)}`"
