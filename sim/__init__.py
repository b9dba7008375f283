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
    from sim.commands.calibrate import calibrate as calibrate
    from sim.commands.compare import compare as compare
    from sim.commands.describe import describe_patients as describe_patients
    from sim.commands.durations import patient_durations as patient_durations
    from sim.commands.library import differences as differences
    from sim.commands.library import expected as expected
    from sim.commands.library import load_scenario as load_scenario
    from sim.commands.library import read as read
    from sim.commands.library import with_values as with_values
    from sim.commands.own_patients import write_cohort as write_cohort
    from sim.commands.patients import patients_from as patients_from
    from sim.commands.reconstruct import reconstruct_patients as reconstruct_patients
    from sim.commands.report import report as report
    from sim.commands.run import run as run
    from sim.commands.solve import solve as solve
    from sim.commands.studies import study as study
    from sim.commands.study import NUMBERED as NUMBERED
    from sim.commands.sweep import sweep as sweep
    from sim.commands.validate import validate as validate
    from sim.scenario.load import Loaded as Loaded
    from sim.scenario.problems import RequestError as RequestError
    from sim.scenario.registry import parameters as parameters
    from sim.scenario.schema import Scenario as Scenario
    from sim.scenario.values import get_value as get_value
    from sim.show import notebook as notebook
    from sim.work.results import Results as Results

    plot = notebook
    __version__: str

_NAMES = {
    "sim.commands.calibrate": ("calibrate",),
    "sim.commands.compare": ("compare",),
    "sim.commands.describe": ("describe_patients",),
    "sim.commands.durations": ("patient_durations",),
    "sim.commands.library": ("differences", "expected", "load_scenario", "read", "with_values"),
    "sim.commands.own_patients": ("write_cohort",),
    "sim.commands.patients": ("patients_from",),
    "sim.commands.reconstruct": ("reconstruct_patients",),
    "sim.commands.report": ("report",),
    "sim.commands.run": ("run",),
    "sim.commands.solve": ("solve",),
    "sim.commands.studies": ("study",),
    "sim.commands.study": ("NUMBERED",),
    "sim.commands.sweep": ("sweep",),
    "sim.commands.validate": ("validate",),
    "sim.scenario.load": ("Loaded",),
    "sim.scenario.problems": ("RequestError",),
    "sim.scenario.registry": ("parameters",),
    "sim.scenario.schema": ("Scenario",),
    "sim.scenario.values": ("get_value",),
    "sim.work.results": ("Results",),
}
_PLACES = {name: place for place, names in _NAMES.items() for name in names}
__all__ = sorted([*_PLACES, "plot"])  # noqa: PLE0605 (the checker wants every name written out)


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
