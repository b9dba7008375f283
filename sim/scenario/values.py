"""Reading and changing single parameters of a scenario by their dotted keys."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

from sim.scenario.merging import DECIDING_KEYS, expand, merge, set_keys
from sim.scenario.problems import RequestError
from sim.scenario.refusals import unknown_key, validate
from sim.scenario.registry import BOUNDS, Parameter, parameters, plain
from sim.scenario.schema import Scenario
from sim.scenario.structure import check_shape

__all__ = ["Parameter", "get_value", "parameters", "with_values"]


def get_value(scenario: Scenario, key: str) -> Any:
    """Return the value under a dotted key: a number, a word, or a distribution.

    The key may reach into a distribution (``recovery.duration_days.mean``), or name a table whose members one
    of them decides about (``relapse``, by ``dist``).

    Raises
    ------
    RequestError
        If there is no such parameter, or not in this scenario.
    """
    found: Any = scenario
    for name in key.split("."):
        if not isinstance(found, BaseModel) or name not in type(found).model_fields:
            raise RequestError(_not_here(key))
        found = getattr(found, name)
    is_choice = any(name in getattr(type(found), "model_fields", ()) for name in DECIDING_KEYS)
    is_table = isinstance(found, BaseModel) and not is_choice and key not in parameters()
    if found is None or is_table or not _is_parameter(key):
        raise RequestError(_not_here(key))
    return found


@cache
def _is_parameter(key: str) -> bool:
    """Tell whether a key is a parameter, reaches into one, or names a table of some; titles are none."""
    return any(f"{each}.".startswith(f"{key}.") or key.startswith(f"{each}.") for each in parameters())


def _not_here(key: str) -> str:
    parameter, (above, _, member) = parameters().get(key), key.rpartition(".")
    if member in BOUNDS and above in parameters() and parameters()[above].distribution:
        return f"{key}: the distribution is not cut off there; state a value first: --set {key}=..."
    if parameter is None or parameter.when is None:
        return unknown_key(key)
    discriminator, tag = parameter.when
    return f'{key}: only holds with {discriminator} = "{tag}"; this scenario has another'


def with_values(scenario: Scenario, changes: Mapping[str, Any]) -> Scenario:
    """Return the scenario with other values under some dotted keys, checked like a scenario file.

    Parameters
    ----------
    scenario : Scenario
        It stays as it is.
    changes : Mapping
        Values by dotted key: numbers, words, distributions or tables that describe one; a key may reach
        into a distribution. A table with ``dist`` or ``pattern`` replaces the one that stands there whole,
        unless the key is ``relapse.dist`` or ``arrivals.pattern`` itself and names what is there already.

    Raises
    ------
    RequestError
        If a key is unknown or a value is wrong.
    """
    tree = expand(
        {key: plain(value) for key, value in changes.items() if not _already_chosen(scenario, key, value)}
    )
    check_shape(tree, "")
    merged = merge(scenario.model_dump(exclude_none=True), tree)
    changed = set(set_keys(tree))
    merged["sources"] = {key: text for key, text in scenario.sources.items() if key not in changed}
    return validate(merged, lambda _key: "")


def _already_chosen(scenario: Scenario, key: str, value: Any) -> bool:
    """Whether a change only restates a table's variant, which must not send the table to its defaults."""
    is_choice = key in parameters() and key.rpartition(".")[2] in DECIDING_KEYS
    return is_choice and bool(get_value(scenario, key) == value)
