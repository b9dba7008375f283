"""Reading scenario files, and the files that they are based on."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from sim.scenario.distributions import MOST_VALUES
from sim.scenario.merging import Tree, expand
from sim.scenario.own_life_table import refuse_unsourced, with_table
from sim.scenario.plain import printable
from sim.scenario.problems import RequestError
from sim.scenario.reading import SCENARIO_FILE, read_text
from sim.scenario.refusals import bad_value, cut_short, sentence, toml_text
from sim.scenario.registry import plain
from sim.scenario.shipped import COMMANDS, Kind, Located, locate
from sim.scenario.structure import check_shape, take_sources

SET = "--set"
Overrides: TypeAlias = Sequence[str] | Mapping[str, Any]
"""Changes of a scenario: ``key=value`` pairs as typed, or values by key."""

DEEPEST = 16
"""Levels of tables and lists that a file may have, and bases under each other; parameters need four."""

MOST_ITEMS = 500
"""Entries that one table or list may have; a curve read off a figure has some dozens."""

_MOST_LINES, _LONGEST_LINE = 5_000, 8_192
# Reading such a name takes the square of its length.
_DEEP_NAME = re.compile(r"""(?<![\w"'-])(?:[\w"'-]++[ \t]*+\.[ \t]*+){32}""")
_TOO_DEEP = (
    f"more than {DEEPEST} deep; no parameter lies that deep (lupus-hsct scenario schema lists them all)"
)
_CELLS = re.compile(r"[^=\[\]#]*[,;\t][^=\[\]#]*")


@dataclass(frozen=True, slots=True)
class ValueLayer:
    """What one file, or ``--set``, states: values and their sources.

    ``own`` is what only a cohort has.
    """

    name: str
    where: str
    tree: Tree
    sources: dict[str, str]
    own: Tree = field(default_factory=dict)


def read_layers(
    reference: str, kind: Kind = "scenario", own_keys: Sequence[str] = ()
) -> tuple[Located, list[ValueLayer]]:
    """Read a scenario file and all its bases.

    Parameters
    ----------
    kind
        What the file must be; its bases are scenarios.
    own_keys
        What such a file has besides what a scenario has.

    Returns
    -------
    tuple of Located and list of ValueLayer
        The file that the reference means; and the layers, the last base first.

    Raises
    ------
    RequestError
        If a file can't be read, is of another kind or has unknown keys, or the bases go in a circle.
    """
    start = file = locate(reference, kind=kind)
    named = ""
    layers: list[ValueLayer] = []
    chain = [file]
    while True:
        tree = read_file(file, kind, named)
        base = tree.pop("base", None)
        own = {name: tree.pop(name) for name in own_keys if name in tree}
        sources = take_sources(tree, file.where)
        check_shape(tree, file.where, own_keys)
        refuse_unsourced(tree, sources, file.where)
        tree = with_table(tree, file.path.parent, file.where)
        layers.insert(0, ValueLayer(file.name, file.where, tree, sources, own))
        if base is None:
            return start, layers
        named = f"{file.where}: base = {toml_text(base)}"
        if len(chain) == DEEPEST:
            raise RequestError(f"{named}: {DEEPEST} files lie on one another already, the most allowed")
        file = _base(base, file)
        kind, own_keys = "scenario", ()
        chain.append(file)
        if any(_same(file.path, before.path) for before in chain[:-1]):
            circle = " → ".join(link.where for link in chain)
            raise RequestError(f"{named}: the bases go in a circle: {circle}")


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _base(base: object, file: Located) -> Located:
    """Find the file that a file names as its base."""
    if not isinstance(base, str):
        raise RequestError(bad_value(file.where, "base", base, "the name of a shipped scenario, or a path"))
    try:
        return locate(base, beside=file.path.parent)
    except RequestError as error:
        raise RequestError(f"{file.where}: base = {toml_text(base)}: {error}") from None


def read_file(file: Located, wanted: Kind, named: str = "") -> Tree:
    """Read one file and check that it is what is wanted; `named` says which file names it as its base."""
    tree = _parse(_text(file, named, wanted), file.where)
    _check_size(tree, file.where)
    if not tree:
        raise RequestError(f'{file.where}: the file is empty; a {wanted} starts with base = "chicago2006"')
    kind = tree.get("kind", "scenario")
    if kind != wanted and "kind" not in tree:
        raise RequestError(f'{file.where}: kind is missing: a {wanted} says kind = "{wanted}"')
    if kind != wanted:
        remedy = ""
        if isinstance(kind, str) and kind in COMMANDS:
            remedy = f"A {kind} is for {COMMANDS[kind]}: {COMMANDS[kind]} {file.where}"
        raise RequestError(bad_value(file.where, "kind", kind, f'"{wanted}" here', remedy))
    return tree


def _text(file: Located, named: str, wanted: Kind) -> str:
    where = sentence(named, file.where)
    beside = sorted(path.name for path in file.path.parent.glob("*.toml"))
    there = f"in its folder there are {', '.join(beside[:8])}" if beside else "its folder has no .toml file"
    missing = f"; {there}; for a shipped {wanted} write its name alone, without .toml"
    text = read_text(file.path, where, SCENARIO_FILE, missing=missing)
    lines = text.splitlines()
    if len(lines) > _MOST_LINES or max(map(len, lines), default=0) > _LONGEST_LINE or _DEEP_NAME.search(text):
        bounds = (
            f"{_MOST_LINES:,} lines, a line of more than {_LONGEST_LINE:,} characters, or a name that lies"
        )
        raise RequestError(f"{where}: has more than {bounds} {_TOO_DEEP}")
    return text


def _parse(text: str, where: str) -> Tree:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise RequestError(f"{where}: not valid TOML: brackets nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        lines = text.splitlines()
        line = lines[int(found[1]) - 1].strip() if found and int(found[1]) <= len(lines) else ""
        shown = f": {cut_short(line)}" if line else ""
        remedy = " (text needs quotes)" if "Invalid value" in str(error) else ""
        if lines and _CELLS.fullmatch(lines[0]):
            remedy += "; a table of numbers, such as CSV? A scenario has lines of key = value instead: "
            remedy += "`lupus-hsct scenario new NAME` writes one to start from"
        raise RequestError(f"{where}: not valid TOML: {error}{shown}{remedy}") from None
    except ValueError:  # Python reads integers of some thousands of digits only
        raise RequestError(f"{where}: not valid TOML: a number of thousands of digits") from None


def _check_size(tree: Tree, where: str) -> None:
    """Refuse tables and lists without end, and text that can't be shown, before anything walks them."""
    level: list[object] = [tree]
    observed: list[object] = []
    for _ in range(DEEPEST):
        for value in level:
            if isinstance(value, str) and printable(value) != value:
                shown = cut_short(toml_text(value))
                raise RequestError(f"{where}: {shown} has a character that can't be seen; take it out")
            most = MOST_VALUES if any(value is each for each in observed) else MOST_ITEMS
            if isinstance(value, (Mapping, list)) and len(value) > most:
                first = cut_short(toml_text(next(iter(value))))
                text = f"a table or list has {len(value):,} entries, the first {first}; allowed: {most:,}"
                raise RequestError(f"{where}: {text}")
        laws = (each for each in level if isinstance(each, Mapping) and each.get("dist") == "empirical")
        observed = [law.get("values") for law in laws]
        level = [item for value in level for item in _items(value)]
    if level:
        raise RequestError(f"{where}: tables or lists lie {_TOO_DEEP}")


def _items(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return [*value, *value.values()]
    return value if isinstance(value, list) else ()


def set_layer(overrides: Overrides, folder: Path | None = None) -> ValueLayer:
    """Return changes as one layer.

    Parameters
    ----------
    folder
        That the path of a life table counts from; None if no file is to be read.

    Raises
    ------
    RequestError
        If a pair has no key or no equals sign, or the key is unknown.
    """
    tree = expand({key: plain(value) for key, value in pairs_of(overrides).items()})
    _check_size(tree, SET)
    check_shape(tree, SET)
    tree = tree if folder is None else with_table(tree, folder, SET)
    return ValueLayer(SET, SET, tree, {})


def pairs_of(overrides: Overrides) -> Tree:
    """Return values by key; of ``key=value`` pairs a value is TOML, else text."""
    if isinstance(overrides, Mapping):
        return dict(overrides)
    if isinstance(overrides, str):  # one pair, and no sequence of letters
        overrides = (overrides,)
    flat: Tree = {}
    for pair in overrides:
        key, equals, text = (part.strip() for part in pair.partition("="))
        if not key or not equals:
            raise RequestError(
                f'{SET} "{cut_short(pair)}": write key=value, such as clinic.isolation_rooms=4'
            )
        if key.partition(".")[0] in ("kind", "base", "sources"):
            raise RequestError(f"{SET} {cut_short(pair)}: {key.partition('.')[0]} belongs in a scenario file")
        flat.pop(key, None)  # the last one counts, and in its own place
        flat[key] = set_value(text)
    return flat


def set_value(text: str) -> object:
    """Read a value as a command line gives it: TOML, else text."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return parsed["value"] if set(parsed) == {"value"} else text
