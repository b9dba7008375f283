"""The shape of the package: imports point left, in no circle, modules are small, luck has one source."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import sim

PACKAGE = Path(sim.__file__).parent
LAYERS = [
    "scenario",
    "patient",
    "clinic",
    "outcomes",
    "centre",
    "work",
    "study",
    "calibrate",
    "show",
    "commands",
    "app",
    "cli",
]
MOST_LINES = 600
MOST_FUNCTION_LINES = 60
LUCK = PACKAGE / "patient" / "luck.py"


@cache
def texts() -> dict[Path, str]:
    return {path: path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def modules() -> dict[Path, ast.Module]:
    """Parse all of the package: in the process that runs these tests, and not in each that collects them."""
    return {path: ast.parse(text) for path, text in texts().items()}


def name_of(path: Path) -> str:
    """Return the name under which a module is imported."""
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted names that a module imports, wherever in it: in functions and for types too."""
    for node in ast.walk(modules()[path]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer_of(name: str) -> str:
    parts = name.split(".")
    return parts[1] if parts[0] == "sim" and len(parts) > 1 else ""


def test_imports_point_left_and_never_in_a_circle() -> None:
    names = {name_of(path) for path in modules()}
    graph: dict[str, set[str]] = {}
    for path in modules():
        module, own = name_of(path), layer_of(name_of(path))
        graph[module] = set()
        for name in imports(path):
            layer = layer_of(name)
            if own in LAYERS and name.split(".")[0] == "sim":
                assert layer in LAYERS, f"{module} imports {name}: only layers are imported"
                assert LAYERS.index(layer) <= LAYERS.index(own), f"{module} imports {name}: points right"
            assert own == "cli" or layer != "cli", f"{module} imports {name}: nobody imports the command line"
            needed = name  # a module, or what is in one
            while needed and needed not in names:
                needed = needed.rpartition(".")[0]
            graph[module] |= {needed} - {"", "sim", module}
    # Whoever imports nobody, or only such, stands in no circle; the rest is circles, and what imports them.
    while done := {module for module, others in graph.items() if not others}:
        graph = {module: others - done for module, others in graph.items() if module not in done}
    assert not graph, f"import circles: {graph}"


def test_modules_and_functions_are_small_and_a_public_class_has_a_name_of_its_own() -> None:
    classes: dict[str, list[str]] = defaultdict(list)
    for path, tree in modules().items():
        module = name_of(path)
        assert texts()[path].count("\n") < MOST_LINES, module
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                assert lines < MOST_FUNCTION_LINES, f"{module}.{node.name} has {lines} lines"
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes[node.name].append(module)
    twice = {name: where for name, where in classes.items() if len(where) > 1}
    assert not twice


def test_luck_has_one_source_and_nothing_is_unpickled_or_evaluated() -> None:
    for path, tree in modules().items():
        module, imported = name_of(path), list(imports(path))
        roots = {name.split(".")[0] for name in imported}
        unwanted = {"random", "secrets", "pickle", "cPickle", "dill", "joblib", "shelve", "marshal"}
        assert not roots & unwanted, module
        assert path == LUCK or not [name for name in imported if name.startswith("numpy.random")], module
        for node in ast.walk(tree):
            where = f"{module}, line {getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Name):
                assert node.id not in ("eval", "exec"), where
            if isinstance(node, ast.Attribute):
                assert node.attr not in ("read_pickle", "to_pickle"), where
                used = ast.unparse(node)
                if used.startswith("np.random."):
                    assert path == LUCK, f"{where}: {used}: luck comes from patient/luck.py"
                    assert used in ("np.random.Philox", "np.random.Philox.jumped"), where


def test_public_names_exist() -> None:
    assert len(sim.__all__) == len(set(sim.__all__)) >= 10
    for name in sim.__all__:
        assert getattr(sim, name) is not None
    assert set(sim.__all__) <= set(dir(sim))
    with pytest.raises(AttributeError):
        _ = sim.no_such_name  # type: ignore[attr-defined]
