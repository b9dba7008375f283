"""How tables of values combine: a file over its base, ``--set`` over the file, changes over a scenario."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from sim.scenario.registry import Parameter, in_use, lookup, parameters, tables

Tree = dict[str, Any]

# A table with one of these keys says what it is, so that nothing of the table below it holds any more.
DECIDING_KEYS = ("dist", "pattern")


def defaults() -> Tree:
    """Return the nested table of all default values; tables are there even if they hold none."""
    tree: Tree = {}
    for table in tables():
        place(tree, table, {})
    for key, parameter in parameters().items():  # what decides on a variant comes before what depends on it
        if not parameter.required and in_use(parameter, tree):
            place(tree, key, deepcopy(parameter.default))
    return tree


def place(tree: Tree, key: str, value: Any) -> None:
    """Put a value under a dotted key, making the tables on the way (a value in the way gives room)."""
    *path, last = key.split(".")
    for name in path:
        if not isinstance(tree.get(name), dict):
            tree[name] = {}
        tree = tree[name]
    tree[last] = value


def expand(flat: Mapping[str, Any]) -> Tree:
    """Turn dotted keys into nested tables: keys of one table come together, in whatever order."""
    tree: Tree = {}
    for key, value in flat.items():
        below = lookup(tree, key)
        is_addition = isinstance(value, Mapping) and not any(name in value for name in DECIDING_KEYS)
        place(tree, key, {**below, **value} if is_addition and isinstance(below, dict) else value)
    return tree


def merge(base: Mapping[str, Any], over: Mapping[str, Any], prefix: str = "") -> Tree:
    """Return `base` with the values of `over`: tables key by key, all else whole.

    A table of `over` that has ``dist`` or ``pattern`` replaces the table below it whole. Where a member of a
    distribution is changed and a bare number stands, the number is read as ``fixed`` first.
    """
    merged = dict(base)
    for name, value in over.items():
        key = f"{prefix}{name}"
        below = merged.get(name)
        if isinstance(below, (int, float)) and not isinstance(below, bool) and _is_distribution(key):
            below = {"dist": "fixed", "value": below}
        replaces = any(decider in value for decider in DECIDING_KEYS) if isinstance(value, Mapping) else True
        if not replaces and isinstance(below, Mapping):
            merged[name] = merge(below, value, f"{key}.")
        else:
            merged[name] = deepcopy(value)
    return merged


def _is_distribution(key: str) -> bool:
    parameter = parameters().get(key)
    return parameter is not None and parameter.distribution


def set_keys(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the parameters that a nested table sets, wholly or in part."""
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if key in parameters():
            yield key
        elif isinstance(value, Mapping):
            yield from set_keys(value, f"{key}.")


def reset_keys(tree: Mapping[str, Any]) -> Iterator[str]:
    """Yield the parameters that a nested table sends back to their defaults, by replacing their table."""
    own = set(set_keys(tree))
    for key in parameters():
        parent = lookup(tree, key.rpartition(".")[0])
        if key not in own and isinstance(parent, Mapping) and any(name in parent for name in DECIDING_KEYS):
            yield key


def used_parameters(tree: Mapping[str, Any]) -> Iterator[Parameter]:
    """Yield the parameters that exist under the variants chosen in a nested table."""
    return (parameter for parameter in parameters().values() if in_use(parameter, tree))
