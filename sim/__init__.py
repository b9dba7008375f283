"""Discrete-event simulation of treating severe lupus with the patient's own stem cells.

The names below are imported when they are first used, so that ``import sim`` costs nothing. They are the
library: what the command line can do, keyword for keyword.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.commands.calibrate import calibrate
    from sim.commands.compare import compare
    from sim.commands.library import expected, load_scenario, read, with_values
    from sim.commands.report import report
    from sim.commands.run import run
    from sim.commands.study import NUMBERED
    from sim.commands.sweep import sweep
    from sim.commands.validate import validate
    from sim.scenario.load import Loaded
    from sim.scenario.problems import RequestError
    from sim.scenario.registry import parameters
    from sim.scenario.schema import Scenario
    from sim.scenario.values import get_value
    from sim.show import notebook as plot
    from sim.work.results import Results

    __version__: str

__all__ = [
    "NUMBERED",
    "Loaded",
    "RequestError",
    "Results",
    "Scenario",
    "calibrate",
    "compare",
    "expected",
    "get_value",
    "load_scenario",
    "parameters",
    "plot",
    "read",
    "report",
    "run",
    "sweep",
    "validate",
    "with_values",
]

_PLACES = {
    "NUMBERED": "sim.commands.study",
    "Loaded": "sim.scenario.load",
    "RequestError": "sim.scenario.problems",
    "Results": "sim.work.results",
    "Scenario": "sim.scenario.schema",
    "calibrate": "sim.commands.calibrate",
    "compare": "sim.commands.compare",
    "expected": "sim.commands.library",
    "get_value": "sim.scenario.values",
    "load_scenario": "sim.commands.library",
    "parameters": "sim.scenario.registry",
    "read": "sim.commands.library",
    "report": "sim.commands.report",
    "run": "sim.commands.run",
    "sweep": "sim.commands.sweep",
    "validate": "sim.commands.validate",
    "with_values": "sim.commands.library",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use; a function that does a study speaks of keywords, not of options."""
    if name == "plot":
        return import_module("sim.show.notebook")
    if name == "__version__":
        return _version()
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_PLACES[name]), name)
    if _PLACES[name].startswith("sim.commands.") and callable(value):
        value = import_module("sim.commands.library").spoken(value)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])


def _version() -> str:
    """Return the version of what is installed; of a checkout that is not, the one that it would have."""
    from importlib.metadata import PackageNotFoundError, version
    from pathlib import Path

    try:
        return version("lupus-hsct")
    except PackageNotFoundError:
        import tomllib

        project = Path(__file__).parents[1] / "pyproject.toml"
        return str(tomllib.loads(project.read_text("utf-8"))["project"]["version"])


class _Library(ModuleType):
    """A module in which no folder of the package stands where a function of the same name does."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _PLACES and isinstance(value, ModuleType)):  # sim.calibrate is both
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Library
