"""Scenarios and parameters as rows of a table, for the command line and for reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sim.scenario.aims import unread_targets
from sim.scenario.evidence import cite, is_assumed
from sim.scenario.inherit import SET
from sim.scenario.load import DEFAULT, Loaded, load
from sim.scenario.merging import used_parameters
from sim.scenario.refusals import toml_text
from sim.scenario.registry import BOUNDS, Parameter, lookup, parameters, short
from sim.scenario.schema import Scenario
from sim.scenario.shipped import shipped_names

Row = dict[str, Any]
_MOST_SHOWN = 24
"""Observed values that are shown one by one."""


def value_text(value: Any) -> str:
    """Write a value for people, so that it can be pasted into a scenario file or after ``--set``."""
    if isinstance(value, dict) and value.get("dist") == "fixed":
        return value_text(value.get("value"))
    if short := shortened(value):
        return short
    return value if isinstance(value, str) else toml_text(_tidy(value))


def shortened(value: Any) -> str:
    """Say in a few words what would take lines: many observed values, a life table; empty for all else."""
    if isinstance(value, Mapping) and len(value.get("values", ())) > _MOST_SHOWN:
        least, *_, most = sorted(value["values"])
        return f"empirical: {len(value['values']):,} values from {least:g} to {most:g}"
    if isinstance(value, Mapping) and "sha256" in value:
        return f"{value['name']} (SHA-256 {value['sha256'][:12]})"
    return ""


def _tidy(value: Any) -> Any:
    """Turn whole floats into integers, which files accept in their stead; bounds come last."""
    if isinstance(value, dict):
        return {name: _tidy(value[name]) for name in sorted(value, key=lambda name: name in BOUNDS)}
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def source_and_status(loaded: Loaded, key: str) -> tuple[str, str]:
    """Return where the value of a parameter comes from: evidence, solved or assumption.

    A source that starts with "assumption" is one, whatever evidence it mentions.
    """
    origin = loaded.origins[key]
    if origin == SET:
        return SET, "assumption"
    if key in loaded.solved_from:
        return loaded.solved_from[key], "solved"
    source = parameters()[key].source if origin == DEFAULT else loaded.scenario.sources.get(key)
    if source is None:
        return f"{origin}: no source given", "assumption"
    return source, "assumption" if is_assumed(source) else "evidence"


def _inherited_from(loaded: Loaded, key: str) -> str:
    """Return the file (or the defaults) that a value is inherited from, or which value it overrides."""
    origin = loaded.origins[key]
    if origin not in (loaded.chain[0], SET):
        return origin
    if key not in loaded.replaced:
        return ""
    before, value = loaded.replaced[key]
    return f"overrides {before}: {value_text(value)}"


def show_rows(loaded: Loaded, *, references: bool = False) -> list[Row]:
    """Return one row a parameter: key, value, unit, source, status, inherited_from; and its reference."""
    rows = []
    tree = loaded.as_dict()
    for parameter in used_parameters(tree):
        key = parameter.key
        source, status = source_and_status(loaded, key)
        row = {
            "key": key, "value": lookup(tree, key), "unit": parameter.unit, "source": source,
            "status": status, "inherited_from": _inherited_from(loaded, key),
        }  # fmt: skip
        if references:
            solved_by = " ".join(target.source for target in loaded.scenario.target)
            row["reference"] = cite(solved_by if status == "solved" else source)
        rows.append(row)
    return rows


def schema_rows() -> list[Row]:
    """Return one row a parameter: key, type, allowed, unit, default, source, meaning, plausible range."""
    rows = []
    for parameter in parameters().values():
        only = f', with {parameter.when[0]} = "{parameter.when[1]}"' if parameter.when else ""
        rows.append(
            {
                "key": parameter.key, "type": parameter.type_text, "allowed": f"{parameter.allowed}{only}",
                "unit": parameter.unit, "default": parameter.default, "source": parameter.source,
                "meaning": parameter.meaning, "plausible": plausible_text(parameter),
            }
        )  # fmt: skip
    return rows


def plausible_text(parameter: Parameter) -> str:
    """Write the range in which a parameter may lie as far as was published; empty without one."""
    if parameter.plausible is None:
        return ""
    low, high, source = parameter.plausible
    return f"{short(low)} to {short(high)} ({source})"


def list_rows() -> list[Row]:
    """Return one row a shipped scenario: name, title, purpose."""
    scenarios = ((name, load(name).scenario) for name in shipped_names())
    return [
        {"name": name, "title": scenario.title, "purpose": scenario.purpose} for name, scenario in scenarios
    ]


def warnings_about(loaded: Loaded) -> Iterator[str]:
    """Yield what is allowed in a scenario but weak: values without a source, targets that no run shows."""
    for key, origin in loaded.origins.items():
        if origin == loaded.chain[0] and source_and_status(loaded, key)[0] == f"{origin}: no source given":
            yield f'{key} has no source; name it: [sources] "{key}" = "evidence id, reference or assumption"'
    yield from unread_targets(loaded.scenario)


def file_schema() -> dict[str, Any]:
    """Return a JSON Schema for scenario files, for editors that check while one types.

    It asks for less than a scenario: a file may leave to its base whatever it likes.
    """
    schema = Scenario.model_json_schema()
    for name in ("changed", "what_if"):
        del schema["properties"][name]
    schema["properties"]["base"] = {"type": "string", "description": "scenario that this file changes"}
    schema["properties"]["sources"]["additionalProperties"] = True
    for name, table in (("", schema), *schema["$defs"].items()):
        if name != "Target":
            table.pop("required", None)
        for key in table["properties"].values():
            # A table that leaves its dist or pattern to the base may fit several families.
            key.pop("discriminator", None)
            if "oneOf" in key:
                key["anyOf"] = key.pop("oneOf")
    return schema
