"""Writing scenario files: the start of one, solved values, and copies that stand by themselves."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from sim.scenario.inherit import SET, read_layers
from sim.scenario.load import Loaded
from sim.scenario.own_life_table import KEY as LIFE_TABLE
from sim.scenario.own_life_table import is_file, text_with_table
from sim.scenario.problems import RequestError
from sim.scenario.refusals import toml_text
from sim.scenario.registry import lookup, plain
from sim.scenario.shipped import SUFFIX, is_path, locate, scenarios_folder, shipped_names
from sim.scenario.values import get_value

_BASE = re.compile(r"^base\s*=.*$", re.MULTILINE)
_TEMPLATE = Path(__file__).parent / "data" / "new_scenario.txt"


def write_new(name: str, base: str, *, force: bool = False) -> Path:
    """Write a short commented scenario file.

    Parameters
    ----------
    name : str
        A path if it has a slash or ends in .toml, else the file is ``name.toml`` in the current folder.
    base : str
        The scenario that it changes; a path counts from the current folder.
    force : bool, optional
        Write over an existing file.

    Returns
    -------
    Path
        The file, such that a command takes it as a path.

    Raises
    ------
    RequestError
        If the base is not a valid scenario, the file exists or its folder does not.
    """
    path = file_to_write(name, force=force)
    read_layers(base)
    reference = base_from(base, path.parent)
    text = _TEMPLATE.read_text("utf-8").format(base=toml_text(reference), title=toml_text(path.stem))
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def base_from(base: str, folder: Path) -> str:
    """Return how a file in a folder names a base, which counts from here if it is a path."""
    if not is_path(base):
        return base
    reference = Path(os.path.relpath(base, folder)).as_posix()
    return reference if is_path(reference) else f"./{reference}"


def file_to_write(name: str, *, force: bool) -> Path:
    """Return where a new file goes: a path if it has a slash or ends in .toml, else here, with that ending.

    Raises
    ------
    RequestError
        That is no name of a file, it exists, or its folder does not.
    """
    path = Path(name if is_path(name) else f"{name}{SUFFIX}")
    if not path.name.removesuffix(SUFFIX).strip(". ") or name.endswith("/"):
        raise RequestError(f'"{name}" is no file name; write a name or a path that ends in {SUFFIX}')
    if path.is_dir():
        raise RequestError(f"{path}: is a folder; name a file in it: {path / 'my_scenario'}{SUFFIX}")
    if not path.parent.is_dir():
        raise RequestError(f"{path}: there is no folder {path.parent}; make it first")
    if path.exists() and not force:
        raise RequestError(f"{path}: exists; choose another name, or --force to write over it")
    return path


def solved_text(loaded: Loaded, values: Mapping[str, float], folder: Path) -> str:
    """Return a scenario file that holds solved values, to stand in a folder.

    Parameters
    ----------
    loaded : Loaded
        What was solved; values given with ``--set`` go into the file, everything else is inherited.
    values : Mapping
        Solved values by key, written with all their digits.
    folder : Path
        Where the file will stand; a base that is not shipped is named by its path from there.
    """
    if loaded.name in shipped_names() and loaded.path.parent == scenarios_folder():
        base = loaded.name
    else:
        base = Path(os.path.relpath(loaded.path, folder)).as_posix()
        base = base if is_path(base) else f"./{base}"
    by_hand = {
        key: get_value(loaded.scenario, key) for key, origin in loaded.origins.items() if origin == SET
    }
    lines = [
        'kind = "scenario"',
        f"base = {toml_text(base)}",
        f"title = {toml_text(loaded.scenario.title)}",
        "",
        *(f"{key} = {toml_text(plain(value))}" for key, value in {**by_hand, **values}.items()),
        "",
        "[calibration]",
        f"solve = {toml_text(list(values))}",
    ]
    return "\n".join(lines) + "\n"


def copied(loaded: Loaded, name: str) -> tuple[str, dict[str, str]]:
    """Return how a copy of a scenario is called, and the files that it takes: none if it ships.

    Parameters
    ----------
    name
        Of its file, without ending; its bases are numbered after it.
    """
    path, texts = loaded.path, dict[str, str]()
    while path.parent != scenarios_folder():
        text = path.read_text("utf-8-sig")
        tree = tomllib.loads(text)
        base, table = tree.get("base"), lookup(tree, LIFE_TABLE)
        if is_file(table):  # the copy stands by itself
            text = text_with_table(text, table, path.parent, str(path))
        own = f"{name}{f'-{len(texts) + 1}' if texts else ''}{SUFFIX}"
        texts[own] = text
        if base is None:
            break
        below = locate(base, beside=path.parent)
        path = below.path
        under = below.name if path.parent == scenarios_folder() else f"./{name}-{len(texts) + 1}{SUFFIX}"
        texts[own] = _BASE.sub(f"base = {toml_text(under)}", text, count=1)
    return (f"./{name}{SUFFIX}" if texts else loaded.name), texts
