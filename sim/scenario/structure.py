"""Whether a file has the right shape: known keys, tables where tables belong, sources for what it sets."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sim.scenario.merging import Tree, set_keys
from sim.scenario.refusals import bad_value, cut_short, refuse, sentence, toml_text, unknown, unknown_key
from sim.scenario.registry import FAMILY_MEMBERS, parameters, tables
from sim.scenario.schema import LISTED, Calibration, LifeTable

ABOUT = ("kind", "base", "title", "purpose", "caution", "sources", *LISTED, "calibration")
MEMBERS = frozenset(name for members in FAMILY_MEMBERS.values() for name in members) | {"dist"}


def check_shape(tree: Mapping[str, Any], where: str, others: Sequence[str] = ()) -> None:
    """Refuse unknown keys and tables, and values where tables belong; the values themselves come later.

    Parameters
    ----------
    others
        What the file may have besides, which is looked at elsewhere.

    Raises
    ------
    RequestError
        Naming each key, and the nearest valid one.
    """
    problems = [*_parameter_problems(tree, "", others), *_aim_problems(tree)]
    if problems:
        raise refuse(sentence(where, problem) for problem in problems)


def _parameter_problems(tree: Mapping[str, Any], prefix: str, others: Sequence[str] = ()) -> Iterator[str]:
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if not prefix and name in ABOUT:
            continue
        given = f" = {cut_short(toml_text(value))}"
        if "." in name:
            yield f'"{cut_short(name)}"{given}: a key in quotes is one name; write it without the quotes'
        elif key in parameters():
            yield from _member_problems(key, value)
        elif key in tables():
            if isinstance(value, Mapping):
                yield from _parameter_problems(value, f"{key}.")
            elif isinstance(value, list):
                yield f"[[{key}]]: there is one such table; write it in single brackets: [{key}]"
            else:
                yield f"{key}{given}: is a table; write [{key}], with {', '.join(_inside(key))}"
        elif isinstance(value, Mapping):
            yield _unknown_table(key, others)
        elif prefix:
            yield unknown_key(key, given)
        else:
            yield _unknown_top(key, given, others)


def _inside(table: str) -> list[str]:
    """Return the names in a table."""
    depth = table.count(".") + 1 if table else 0
    start = f"{table}." if table else ""
    return list(dict.fromkeys(key.split(".")[depth] for key in parameters() if key.startswith(start)))


def _unknown_table(key: str, others: Sequence[str]) -> str:
    parent = key.rpartition(".")[0]
    near = [*tables(), *ABOUT, *others] if not parent else [*tables(), *parameters()]
    there = f"[{parent}] has" if parent else "there are"
    return unknown(f"[{cut_short(key)}]: unknown table", key, near, f"{there} {', '.join(_inside(parent))}")


def _unknown_top(key: str, given: str, others: Sequence[str]) -> str:
    otherwise = f"outside the tables there are {', '.join([*ABOUT[:5], *others])}"
    return unknown(
        f"{cut_short(key)}{given}: unknown key", key, [*ABOUT, *others, *tables(), *parameters()], otherwise
    )


def _member_problems(key: str, value: Any) -> Iterator[str]:
    """Yield what is wrong with the shape of one parameter's value."""
    if not isinstance(value, Mapping):
        return
    if key == "background.life_table" and {*value} == {*LifeTable.model_fields}:
        return
    if not parameters()[key].distribution:
        yield bad_value("", key, dict(value), f"{parameters()[key].allowed}, not a table")
        return
    otherwise = f"a distribution has dist and {', '.join(sorted(MEMBERS - {'dist'}))}"
    yield from _unknown_members(f"{key}.", value, sorted(MEMBERS), otherwise)


def _unknown_members(
    where: str, table: Mapping[str, Any], known: Collection[str], otherwise: str
) -> Iterator[str]:
    for name, value in table.items():
        if name not in known:
            given = f"{where}{cut_short(name)} = {cut_short(toml_text(value))}: unknown key"
            yield unknown(given, name, known, otherwise)


def listed_problems(kind: str, items: Any, known: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with the shape of a list of tables; `known` are the keys that one may have."""
    if isinstance(items, Mapping):
        yield f"[{kind}]: there may be several; write each in double brackets: [[{kind}]]"
    elif not isinstance(items, list) or any(not isinstance(item, Mapping) for item in items):
        yield f"{kind} = {cut_short(toml_text(items))}: write each {kind} as a table: [[{kind}]]"
    else:
        for number, item in enumerate(items, start=1):
            where, otherwise = f"[[{kind}]] number {number}: ", f"it has {', '.join(known)}"
            yield from _unknown_members(where, item, known, otherwise)


def _aim_problems(tree: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the shape of the targets, the ranges and the calibration."""
    for kind in LISTED:
        yield from listed_problems(kind, tree.get(kind, []), LISTED[kind].model_fields)
    calibration = tree.get("calibration", {})
    known = tuple(Calibration.model_fields)
    if isinstance(calibration, Mapping):
        otherwise = f"[calibration] has {' and '.join(known)}"
        yield from _unknown_members("calibration.", calibration, known, otherwise)
    else:
        yield f"calibration = {cut_short(toml_text(calibration))}: write a table: [calibration], with solve"


def take_sources(tree: Tree, where: str) -> dict[str, str]:
    """Take the ``[sources]`` table out of a file's values and return it by dotted key.

    Raises
    ------
    RequestError
        If a key is unknown or not set by the file, or a source is not a text.
    """
    raw = tree.pop("sources", {})
    if not isinstance(raw, Mapping):
        text = f"sources = {cut_short(toml_text(raw))}: is a table; write [sources], with key = text"
        raise refuse([sentence(where, text)])
    sources = dict(_flatten(raw, ""))
    own = set(set_keys(tree))
    problems = []
    for key, text in sources.items():
        if key not in parameters():
            problems.append(sentence(where, f"[sources]: {unknown_key(key)}"))
        elif not isinstance(text, str):
            problems.append(bad_value(where, f"[sources]: {key}", text, "text in quotes"))
        elif key not in own:
            problems.append(
                sentence(
                    where, f"[sources]: {key}: this file does not set it; set it too, or drop its source"
                )
            )
    if problems:
        raise refuse(problems)
    return sources


def _flatten(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and key not in parameters():
            yield from _flatten(value, f"{key}.")
        else:
            yield key, value
