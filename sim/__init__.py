"""Discrete-event simulation of treating severe lupus with the patient's own stem cells.

The names below are imported when they are first used, so that ``import sim`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.calibrate.point import solve_point as calibrate
    from sim.commands.compare import compare
    from sim.commands.run import run
    from sim.commands.validate import validate
    from sim.outcomes.twin.expected import expected
    from sim.scenario.load import load as load_scenario
    from sim.scenario.problems import RequestError
    from sim.scenario.schema import Scenario
    from sim.scenario.values import get_value, parameters, with_values
    from sim.study.run import read_run
    from sim.study.sweep import sweep

    __version__: str

__all__ = [
    "RequestError",
    "Scenario",
    "calibrate",
    "compare",
    "expected",
    "get_value",
    "load_scenario",
    "parameters",
    "read_run",
    "run",
    "sweep",
    "validate",
    "with_values",
]

_PLACES = {
    "RequestError": "sim.scenario.problems:RequestError",
    "Scenario": "sim.scenario.schema:Scenario",
    "calibrate": "sim.calibrate.point:solve_point",
    "compare": "sim.commands.compare:compare",
    "expected": "sim.outcomes.twin.expected:expected",
    "get_value": "sim.scenario.values:get_value",
    "load_scenario": "sim.scenario.load:load",
    "parameters": "sim.scenario.values:parameters",
    "read_run": "sim.study.run:read_run",
    "run": "sim.commands.run:run",
    "sweep": "sim.study.sweep:sweep",
    "validate": "sim.commands.validate:validate",
    "with_values": "sim.scenario.values:with_values",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name == "__version__":
        return _version()
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _PLACES[name].partition(":")
    value = getattr(import_module(module), attribute)
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
