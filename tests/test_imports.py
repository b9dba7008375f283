"""The shape of the package: imports point left, modules and functions stay small, luck has one source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import sim

PACKAGE = Path(sim.__file__).parent
LAYERS = [
    "scenario",
    "patient",
    "clinic",
    "outcomes",
    "work",
    "study",
    "calibrate",
    "show",
    "commands",
    "cli",
]
MODULES = sorted(PACKAGE.rglob("*.py"))
MOST_LINES = 600
MOST_FUNCTION_LINES = 60
LUCK = PACKAGE / "patient" / "luck.py"


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE.parent).as_posix()


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted names that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer_of(name: str) -> str:
    parts = name.split(".")
    return parts[1] if parts[0] == "sim" and len(parts) > 1 else ""


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_left(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0]
    for name in imports(path):
        layer = layer_of(name)
        if own in LAYERS and name.split(".")[0] == "sim":
            assert layer in LAYERS, f"{name}: only layers are imported"
            assert LAYERS.index(layer) <= LAYERS.index(own), f"{name}: points right"
        if own != "cli":
            assert layer != "cli", f"{name}: nothing imports the command line"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_and_functions_are_small(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.count("\n") < MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines < MOST_FUNCTION_LINES, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_luck_has_one_source_and_nothing_is_unpickled_or_evaluated(path: Path) -> None:
    roots = {name.split(".")[0] for name in imports(path)}
    assert not roots & {"random", "secrets", "pickle", "cPickle", "dill", "joblib", "shelve", "marshal"}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Name):
            assert node.id not in ("eval", "exec"), f"line {node.lineno}: {node.id}"
        if isinstance(node, ast.Attribute):
            assert node.attr not in ("read_pickle", "to_pickle"), f"line {node.lineno}: {node.attr}"
        is_random = isinstance(node, ast.Attribute) and ast.unparse(node).startswith("np.random.")
        if is_random and path == LUCK:
            assert ast.unparse(node) in ("np.random.Philox", "np.random.Philox.jumped"), f"line {node.lineno}"
        elif is_random:
            pytest.fail(f"line {node.lineno}: {ast.unparse(node)}: luck comes from patient/luck.py")
    if path != LUCK:
        assert not [name for name in imports(path) if name.startswith("numpy.random")]


def test_public_names_exist() -> None:
    assert sim.__all__ == sorted(sim.__all__)
    for name in sim.__all__:
        assert getattr(sim, name) is not None
    assert set(sim.__all__) <= set(dir(sim))
    with pytest.raises(AttributeError):
        _ = sim.no_such_name  # type: ignore[attr-defined]
