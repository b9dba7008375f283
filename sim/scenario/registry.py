"""The flat list of parameters, derived from the schema: one dotted key each, with unit, range and source."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sim.scenario.distributions import Empirical, Exponential, Fixed, Gamma, Lognormal, Table, Weibull
from sim.scenario.schema import LISTED, Scenario

_MODELS: tuple[type[BaseModel], ...] = (Fixed, Exponential, Lognormal, Gamma, Weibull, Empirical)
FAMILIES = {model.__name__.lower(): model for model in _MODELS}
BOUNDS = ("low", "high")
FAMILY_MEMBERS = {
    name: (*(field for field in model.model_fields if field not in ("dist", *BOUNDS)), *BOUNDS)
    for name, model in FAMILIES.items()
}
FAMILY_TEXT = (
    "fixed (value), exponential (mean), lognormal (mean and sd, or median and sigma), gamma (mean and sd), "
    "weibull (shape and scale), empirical (values: a list of what was observed); with low "
    "or high only what lies between is drawn"
)


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers that a key accepts."""

    lower: float
    upper: float
    lower_open: bool
    whole: bool

    def __contains__(self, value: float) -> bool:
        """Say whether a number lies within the limits."""
        return self.lower <= value <= self.upper and not (self.lower_open and value == self.lower)

    @property
    def text(self) -> str:
        """The range in words."""
        noun = "a whole number" if self.whole else "a number"
        if self.upper == float("inf"):
            return (
                f"{noun} {'above' if self.lower_open else 'of at least'} {short(self.lower)}"
                if self.lower > -float("inf")
                else noun
            )
        if self.lower_open:
            return f"{noun} above {short(self.lower)}, at most {short(self.upper)}"
        return f"{noun} from {short(self.lower)} to {short(self.upper)}"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a scenario; a distribution is one parameter.

    ``default`` is a plain value (a table for a distribution) and None when ``required``. ``numbers`` is the
    range of the numbers accepted, ``choices`` the words. ``when`` names the discriminator and the value under
    which the parameter exists, for tables that come in variants. ``plausible`` is a published range: low,
    high, and its source.
    """

    key: str
    unit: str
    meaning: str
    source: str
    default: Any
    required: bool
    numbers: Range | None
    choices: tuple[str, ...]
    distribution: bool
    when: tuple[str, str] | None
    plausible: tuple[float, float, str] | None = None
    also: str = ""
    """What it may be besides."""

    @property
    def type_text(self) -> str:
        """The type in words."""
        kinds = ["word"] if self.choices else []
        if self.numbers is not None:
            kinds.append("whole number" if self.numbers.whole else "number")
        if self.distribution:
            kinds.append("distribution")
        return " or ".join(kinds)

    @property
    def allowed(self) -> str:
        """What the parameter accepts, in words."""
        parts = [quoted_choices(self.choices)] if self.choices else []
        if self.numbers is not None:
            parts.append(self.numbers.text)
        if self.distribution:
            parts.append(f"a number from 0 to 1e9, or a distribution: {FAMILY_TEXT}")
        if self.also:
            parts.append(self.also)
        return " or ".join(parts)

    @property
    def is_number(self) -> bool:
        """Whether it is one continuous number, so that it can be solved for."""
        return self.numbers is not None and not self.numbers.whole and not self.choices


def short(value: float) -> str:
    """Write a limit as people do: 0, 0.5, 10000, 1e9."""
    text = f"{value:g}"
    return text.replace("e+0", "e").replace("e+", "e") if abs(value) >= 1e6 else f"{value:.6g}"


def quoted_choices(choices: tuple[str, ...]) -> str:
    """List words as they are written in a file."""
    words = [f'"{choice}"' for choice in choices]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def plain(value: Any) -> Any:
    """Turn models into plain tables, numbers and words; NumPy's numbers into Python's."""
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_none=True)
    return value.item() if isinstance(value, np.generic) else value


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate most like `word`, or None when none is."""
    names, word = list(candidates), word[:80]
    found = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if found:
        return found[0]
    same_end = [name for name in names if name.rpartition(".")[2] == word.rpartition(".")[2]]
    if len(same_end) == 1:
        return same_end[0]
    lowered = {name.lower(): name for name in names}
    found = difflib.get_close_matches(word.lower(), list(lowered), n=1, cutoff=0.6)
    return lowered[found[0]] if found else None


def _limits(base: type, metadata: Iterable[Any]) -> Range:
    """Read ge, gt and le off the metadata of an annotation."""
    lower, upper, lower_open = float("-inf"), float("inf"), False
    for item in metadata:
        if getattr(item, "ge", None) is not None:
            lower = float(item.ge)
        if getattr(item, "gt", None) is not None:
            lower, lower_open = float(item.gt), True
        if getattr(item, "le", None) is not None:
            upper = float(item.le)
    return Range(lower, upper, lower_open, whole=base is int)


def describe_type(annotation: Any, metadata: Iterable[Any]) -> tuple[Range | None, tuple[str, ...], bool]:
    """Return what an annotation accepts: the range of numbers, the words, and whether a distribution."""
    items = list(metadata)
    if get_origin(annotation) is Annotated:
        inner, *extra = get_args(annotation)
        for item in extra:
            items += item.metadata if isinstance(item, FieldInfo) else [item]
        return describe_type(inner, items)
    if get_origin(annotation) is Literal:
        return None, tuple(str(choice) for choice in get_args(annotation)), False
    if annotation in (int, float):
        return _limits(annotation, items), (), False
    if get_origin(annotation) in (Union, types.UnionType):
        numbers: Range | None = None
        choices: tuple[str, ...] = ()
        distribution = False
        for part in get_args(annotation):
            if part is type(None):
                continue
            part_numbers, part_choices, part_distribution = describe_type(part, items)
            numbers = numbers or part_numbers
            choices += part_choices
            distribution = distribution or part_distribution
        return numbers, choices, distribution
    return None, (), annotation in FAMILIES.values()


def _variants(field: FieldInfo) -> list[type[Table]]:
    """Return the tables that may stand in a field: several where a discriminator chooses."""
    candidates = get_args(field.annotation) or (field.annotation,)
    return [item for item in candidates if isinstance(item, type) and issubclass(item, Table)]


def _parameter(
    name: str, key: str, field: FieldInfo, extra: Mapping[str, Any], when: tuple[str, str] | None
) -> Parameter:
    accepted = describe_type(field.annotation, field.metadata)
    unit, source, plausible = str(extra["unit"]), str(extra["source"]), extra.get("plausible")
    required = field.is_required()
    default = None if required else plain(field.default)
    return Parameter(key, unit, field.description or name, source, default, required, *accepted, when,
                     None if plausible is None else tuple(plausible), str(extra.get("also", "")))  # fmt: skip


def _walk(model: type[Table], prefix: str, when: tuple[str, str] | None) -> Iterator[Parameter]:
    """Yield the parameters of a table and of the tables inside it, in the order of the schema."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        extra = field.json_schema_extra
        if isinstance(extra, dict) and "unit" in extra:
            yield _parameter(name, key, field, extra, when)
            continue
        for table in _variants(field):
            if field.discriminator is None:
                yield from _walk(table, f"{key}.", when)
            else:
                tag = str(get_args(table.model_fields[str(field.discriminator)].annotation)[0])
                yield from _walk(table, f"{key}.", (f"{key}.{field.discriminator}", tag))


@cache
def parameters() -> Mapping[str, Parameter]:
    """Return every parameter by its dotted key, in the order of the schema."""
    skipped = {*LISTED, "calibration"}
    found: dict[str, Parameter] = {}
    for parameter in _walk(Scenario, "", None):
        if parameter.key.partition(".")[0] in skipped:
            continue
        before = found.get(parameter.key)
        if before is None:
            is_discriminator = parameter.when is not None and parameter.when[0] == parameter.key
            found[parameter.key] = replace(parameter, when=None) if is_discriminator else parameter
        else:  # the discriminator, met again in the next variant
            found[parameter.key] = replace(before, choices=before.choices + parameter.choices)
    return types.MappingProxyType(found)


def unit_of(key: str) -> str:
    """Return the unit of a parameter, or of a member of a distribution; empty for a share, and for others."""
    stem, _, member = key.rpartition(".")
    if key not in parameters() and member in ("mean", "sd", "median", "scale", "value"):
        key = stem
    return parameters()[key].unit if key in parameters() else ""


def in_use(parameter: Parameter, table: Mapping[str, Any]) -> bool:
    """Whether a parameter exists in a nested table, given the variants chosen there."""
    if parameter.when is None:
        return True
    discriminator, tag = parameter.when
    return bool(lookup(table, discriminator) == tag)


def lookup(table: Mapping[str, Any], key: str) -> Any:
    """Return what stands under a dotted key of a nested table, or None."""
    found: Any = table
    for name in key.split("."):
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    return found


@cache
def tables() -> tuple[str, ...]:
    """Return the dotted names of all tables that hold parameters, in the order of the schema."""
    names: dict[str, None] = {}
    for key in parameters():
        parts = key.split(".")[:-1]
        names.update({".".join(parts[: depth + 1]): None for depth in range(len(parts))})
    return tuple(names)
