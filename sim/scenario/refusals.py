"""Words for what is wrong with a scenario: where, which key, which value, what is allowed, what to do."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from sim.scenario.capacities import steps_problem
from sim.scenario.plain import plain_number, printable
from sim.scenario.problems import RequestError
from sim.scenario.registry import (
    FAMILIES,
    FAMILY_MEMBERS,
    FAMILY_TEXT,
    Parameter,
    Range,
    describe_type,
    lookup,
    nearest,
    parameters,
    quoted_choices,
)
from sim.scenario.schema import LISTED, Scenario

_BARE = re.compile(r"[A-Za-z0-9_-]+")
"""A name that TOML takes without quotes."""

MOST_PROBLEMS = 8
WhereOf = Callable[[str], str]
"""Gives the file that holds a key, or an empty text where there is none to name."""


def toml_text(value: Any) -> str:
    """Write a value as it stands in a scenario file, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        escaped = escaped.replace("\n", "\\n").replace("\t", "\\t")
        return f'"{printable(escaped)}"'
    if isinstance(value, Mapping):
        members = ", ".join(f"{_toml_name(name)} = {toml_text(item)}" for name, item in value.items())
        return f"{{ {members} }}" if members else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(toml_text(item) for item in value)}]"
    return str(value)


def _toml_name(name: str) -> str:
    """Write the name of a member of a table: in quotes if it has points in it, as keys of parameters have."""
    return name if _BARE.fullmatch(name) else toml_text(name)


def cut_short(text: str, length: int = 80) -> str:
    """Shorten a text that would drown the message it stands in."""
    return text if len(text) <= length else f"{text[: length - 3]}..."


def sentence(where: str, what: str) -> str:
    """Put the place in front of what is wrong there."""
    return f"{where}: {what}" if where else what


def refuse(problems: Iterable[str]) -> RequestError:
    """Make one error of all that is wrong."""
    unique = list(dict.fromkeys(problems))
    if len(unique) > MOST_PROBLEMS:
        more = len(unique) - MOST_PROBLEMS
        unique = [*unique[:MOST_PROBLEMS], f"... and {more} more"]
    return RequestError("\n".join(unique))


def unknown(what: str, name: str, candidates: Iterable[str], otherwise: str) -> str:
    """Say that a name is unknown, and give those valid ones that end in it, the nearest, or what there is."""
    names = dict.fromkeys(candidates)
    ending = [each for each in names if each.endswith((f".{name}", f"_{name}"))]
    near = " or ".join(ending) or nearest(name, names)
    return f"{what}; did you mean {near}?" if near else f"{what}; {otherwise}"


def unknown_key(key: str, given: str = "") -> str:
    """Say that a parameter does not exist, and name the nearest; `given` is what was written after it."""
    parent = key.rpartition(".")[0]
    siblings = [name for name in parameters() if name.rpartition(".")[0] == parent]
    otherwise = (
        f"[{parent}] has {', '.join(siblings)}" if siblings else "lupus-hsct scenario schema lists them all"
    )
    return unknown(f"{cut_short(key)}{given}: unknown key", key, [*siblings, *parameters()], otherwise)


def hint(value: Any, numbers: Range | None, choices: tuple[str, ...], unit: str = "") -> str:
    """Return the likely remedy for a refused value, as a sentence, or an empty text."""
    if isinstance(value, bool):
        return "true and false are not numbers." if numbers else ""
    if isinstance(value, str):
        near = nearest(value, choices)
        meant = f'Did you mean "{near}"?' if near else ""
        return (plain_number(value, whole=numbers.whole) if numbers else "") or meant
    if isinstance(value, (int, float)) and numbers is not None:
        return _number_hint(value, numbers, choices, unit)
    return ""


def _number_hint(value: float, numbers: Range, choices: tuple[str, ...], unit: str) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN and infinity are not values here."
    if unit in ("rooms", "slots"):
        return _capacity_hint(value, unit, numbers)
    if isinstance(value, float) and numbers.whole:
        return f"Write {int(value)}." if value == int(value) else ""
    if (numbers.lower, numbers.upper) == (0, 1) and 1 < value <= 100:
        return f"A percentage? {toml_text(value)}% is {value / 100:.6g}."
    if value < 0 and unit.startswith("per ") and numbers.lower == 0 and not numbers.lower_open:
        return "A hazard is never negative; 0 switches it off."
    if value > numbers.upper and choices:
        return f"Or write {quoted_choices(choices)}."
    return ""


def _capacity_hint(value: float, unit: str, numbers: Range) -> str:
    if value > numbers.upper:
        return 'So many never fill: write "unlimited".'
    if value < 1:
        return f'Without {unit} nobody is treated; for {unit} that never fill write "unlimited".'
    if value == math.floor(value):
        return f"Write {math.floor(value)}."
    return f"{unit.capitalize()} come whole: {math.floor(value)} or {math.floor(value) + 1}."


def bad_value(where: str, key: str, value: Any, allowed: str, remedy: str = "") -> str:
    """Say which value a key can't have, and which it can."""
    text = f"{key} = {cut_short(toml_text(value))}: must be {allowed}"
    return sentence(where, f"{text}. {remedy}" if remedy else text)


def _bad_parameter(where: str, parameter: Parameter, value: Any) -> str:
    bare = Range(0.0, math.inf, lower_open=False, whole=False) if parameter.distribution else None
    remedy = hint(value, parameter.numbers or bare, parameter.choices, parameter.unit)
    if isinstance(value, list) and parameter.unit in ("rooms", "slots"):
        remedy = steps_problem(value)
    if parameter.key == "background.life_table" and isinstance(value, str) and value.lower().endswith(".csv"):
        remedy = "A file is read where a scenario file, a study's set or --set names it; not here."
    return bad_value(where, parameter.key, value, parameter.allowed, remedy)


def bad_distribution(where: str, key: str, value: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with a distribution, in the words of its own family."""
    family = value.get("dist")
    if not isinstance(family, str) or family not in FAMILIES:
        if family is None:
            shown = cut_short(toml_text(value))
            return [sentence(where, f"{key} = {shown}: needs dist, the family: {FAMILY_TEXT}")]
        remedy = hint(family, None, tuple(FAMILIES)) if isinstance(family, str) else ""
        return [bad_value(where, f"{key}.dist", family, quoted_choices(tuple(FAMILIES)), remedy)]
    try:
        FAMILIES[family].model_validate(dict(value))
    except ValidationError as error:
        return [_bad_member(where, key, family, item, value) for item in error.errors(include_url=False)]
    return []


def _bad_member(where: str, key: str, family: str, item: Any, value: Mapping[str, Any]) -> str:
    if not item["loc"]:
        return sentence(where, f"{key} = {cut_short(toml_text(value))}: {item['ctx']['error']}")
    member = str(item["loc"][0])
    fields = FAMILIES[family].model_fields
    noun = f"{'an' if family[0] == 'e' else 'a'} {family} distribution"
    if item["type"] == "extra_forbidden":
        what = f"{key}.{member} = {cut_short(toml_text(value[member]))}: {noun} has no {member}"
        known = ", ".join(FAMILY_MEMBERS[family])
        return sentence(where, f"{what}, but {known}; for another family name it: dist = ...")
    if item["type"] == "missing":
        given = ", ".join(name for name in value if name != "dist") or "nothing"
        return sentence(where, f"{key}.{member} is missing: {noun} needs it (given: {given})")
    if item["type"] == "value_error":
        return sentence(
            where, f"{key}.{member} = {cut_short(toml_text(value[member]))}: {item['ctx']['error']}"
        )
    return bad_value(where, f"{key}.{member}", value[member], *allowed_in(fields[member], value[member]))


def _missing(where: str, parameter: Parameter) -> str:
    what = f"{parameter.key} is missing ({parameter.allowed}): it has no default, only calibration gives it"
    parent = parameter.key.rpartition(".")[0]
    restart = f"; a [{parent}] that names dist starts anew" if f"{parent}.dist" in parameters() else ""
    return sentence(where, f'{what}; inherit it (base = "chicago2006") or state it{restart}')


def _of_parameter(parameter: Parameter, tree: Mapping[str, Any], where_of: WhereOf) -> list[str]:
    where, value = where_of(parameter.key), lookup(tree, parameter.key)
    if value is None:
        return [_missing(where, parameter)]
    if parameter.distribution and isinstance(value, Mapping):
        return bad_distribution(where, parameter.key, value)
    return [_bad_parameter(where, parameter, value)]


def _parameter_at(location: tuple[Any, ...]) -> Parameter | None:
    """Return the parameter at a place that pydantic names; some of its parts are names of types."""
    known = {name for key in parameters() for name in key.split(".")}
    names: list[str] = []
    for part in location:
        if part in known:
            names.append(str(part))
        if ".".join(names) in parameters():
            return parameters()[".".join(names)]
    return None


ALLOWED: Mapping[Any, str] = {
    bool: "true or false",
    str: "text in quotes",
    str | None: "text in quotes",
    list[str]: "a list of keys in quotes",
    list[float]: "a list of at least two numbers",
    dict[str, Any]: 'a table of values: { "key" = value }',
}
"""What a member of a table may be that is neither a number nor one of some words."""


def allowed_in(field: FieldInfo, value: Any, words: Mapping[Any, str] = ALLOWED) -> tuple[str, str]:
    """Return what a member of a table may be, and the likely fix of what was written."""
    numbers, choices, _ = describe_type(field.annotation, field.metadata)
    if numbers or choices:
        return (numbers.text if numbers else quoted_choices(choices)), hint(value, numbers, choices)
    return words.get(field.annotation, f"as this: {field.description}"), ""


def bad_member(location: tuple[Any, ...], tree: Mapping[str, Any], where: str, table: type[BaseModel]) -> str:
    """Say what is wrong with one value in a list of tables, at a place that pydantic names."""
    kind, at, name = location[:3]
    item, field = tree[kind][at], table.model_fields[name]
    what = f"[[{kind}]] number {at + 1}: {name}"
    if name not in item:
        return sentence(where, f"{what} is missing: {field.description}")
    return bad_value(where, what, item[name], *allowed_in(field, item[name]))


def _of_error(error: Any, tree: Mapping[str, Any], where_of: WhereOf) -> list[str]:
    """Translate one error of pydantic."""
    location: tuple[Any, ...] = error["loc"]
    if not location:
        return [sentence(where_of(""), str(error["ctx"]["error"]))]
    if location[0] in LISTED and len(location) > 2:
        kind = str(location[0])
        return [bad_member(location, tree, where_of(kind), LISTED[kind])]
    if location[0] in LISTED:  # a table whose numbers do not go together
        what = f"[[{location[0]}]] number {int(location[1]) + 1}"
        return [sentence(where_of(str(location[0])), f"{what}: {error['ctx']['error']}")]
    if location == ("calibration", "tolerance"):
        where, value = where_of("calibration.tolerance"), lookup(tree, "calibration.tolerance")
        allowed = "a number above 0 and below 0.5: 0.02 is 2 percentage points"
        return [bad_value(where, "calibration.tolerance", value, allowed)]
    if location[0] == "calibration":
        where, value = where_of("calibration.solve"), lookup(tree, "calibration.solve")
        return [bad_value(where, "calibration.solve", value, 'a list of keys: ["relapse.scale_years", ...]')]
    parameter = _parameter_at(location)
    if parameter is None and location[0] == "arrivals":
        parameter = parameters()["arrivals.pattern"]
    if parameter is not None and error["type"] == "extra_forbidden" and parameter.when is not None:
        discriminator, tag = parameter.when
        here = toml_text(lookup(tree, discriminator))
        what = f"{parameter.key} = {cut_short(toml_text(lookup(tree, parameter.key)))}: only holds with"
        text = f'{what} {discriminator} = "{tag}", which is {here} here; state both, or neither'
        return [sentence(where_of(parameter.key), text)]
    if parameter is not None:
        return _of_parameter(parameter, tree, where_of)
    name = str(location[0])
    if name not in tree:
        return [sentence(where_of(""), f'{name} is missing: {name} = "..." in one line')]
    return [bad_value(where_of(name), name, tree[name], "text in quotes")]


def validate(tree: Mapping[str, Any], where_of: WhereOf) -> Scenario:
    """Make the scenario that a nested table describes.

    Parameters
    ----------
    tree : Mapping
        All values, the defaults included.
    where_of : callable
        Gives the file that holds a key; asked with an empty text for the scenario as a whole.

    Raises
    ------
    RequestError
        If a value is wrong or missing; the message names each.
    """
    try:
        return Scenario.model_validate(dict(tree))
    except ValidationError as error:
        errors = error.errors(include_url=False)
    raise refuse(text for item in errors for text in _of_error(item, tree, where_of))
