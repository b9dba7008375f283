"""What is another than where a title, a purpose or targets were stated: in words that people read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sim.scenario.capacities import capacity_text
from sim.scenario.merging import used_parameters
from sim.scenario.registry import lookup, parameters

_MOST = 4
"""Changes that a title names; a purpose names all."""
_LONGEST = 40
"""Letters of what a folder's name says of changes."""
_UNITLESS = ("sigma", "shape")
"""Members of distributions that are in no unit."""


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say which values of a nested table are others than before, each in a few words: 2 isolation rooms."""
    told = []
    for parameter in used_parameters(now):
        old, value = (_bare(lookup(tree, parameter.key)) for tree in (before, now))
        if value != (_bare(parameter.default) if old is None else old):
            told.append(_changed(parameter.key, old, value))
    return told


def _bare(value: Any) -> Any:
    """Write what is always the same as the number that it is, and observed values in order."""
    if isinstance(value, Mapping) and value.get("dist") == "empirical":
        return {**value, "values": sorted(value.get("values", ()))}
    is_fixed = isinstance(value, Mapping) and value.get("dist") == "fixed"
    return value.get("value") if is_fixed else value


def _changed(key: str, old: Any, value: Any) -> str:
    """Say what one value is; of a distribution that is of the same family as before, what is another."""
    if isinstance(value, (list, tuple)):
        return f"{in_words(key)} {capacity_text(value)}"
    if not isinstance(value, Mapping):
        return in_words(key, _number(value))
    if "sha256" in value:
        return f"{in_words(key)} {value['name']}"
    same = isinstance(old, Mapping) and old.get("dist") == value.get("dist")
    told = {name: item for name, item in value.items() if not (same and old.get(name) == item)}
    unit = "" if set(told) & {*_UNITLESS, "dist"} else None
    named = {name: "" if name in ("dist", "values") else f"{name} " for name in told}
    parts = [f"{named[name]}{_number(item)}" for name, item in told.items()]
    return in_words(key, " ".join(parts), unit)


def _number(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"of {len(value)} values"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def in_words(key: str, value: str = "", unit: str | None = None) -> str:
    """Write a key as people speak, with a value: 2 isolation rooms, arrivals 30 per year.

    Parameters
    ----------
    unit
        Instead of the parameter's own.
    """
    stem, _, member = key.rpartition(".")
    if value and stem in parameters():
        return in_words(stem, f"{member} {value}", "" if member in _UNITLESS else unit)
    own = parameters()[key].unit if key in parameters() else ""
    text = re.sub(r"^(clinic|cohort)\.", "", key).replace("_", " ").replace(".", " ")
    bare = text.removesuffix(own).rstrip()
    if bare == text or not value:
        return f"{text} {value}".rstrip()
    if value == "none":
        return f"{bare} none"
    if own in ("days", "years") or own.startswith("per "):
        return f"{bare} {value} {own if unit is None else unit}".strip()
    return f"{value} {text.removesuffix('s') if value == '1' else text}"


def retitled(title: str, said: Sequence[str], how: str = "changed", *, whole: bool = False) -> str:
    """Return the title of a scenario of which some values are others: its name, and what they are.

    What stands after a colon describes the values as they were, unless the title is to stay `whole`.
    """
    more = [f"{len(said) - _MOST} more"] if len(said) > _MOST else []
    name = title if whole else title.partition(":")[0]
    return f"{name}, {how}: {', '.join([*said[:_MOST], *more])}" if said else title


def folder_name(name: str, said: Sequence[str]) -> str:
    """Return the name of a scenario with what was changed, such as a folder can be called."""
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(said)).strip("-.")
    slug = slug if len(slug) <= _LONGEST else slug[:_LONGEST].rpartition("-")[0]
    return f"{name}-{slug}" if slug else name
