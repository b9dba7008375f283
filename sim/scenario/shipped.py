"""Where scenario files are: those that ship with the package, and those that a user names by a path."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from sim.scenario.plain import printable
from sim.scenario.problems import RequestError
from sim.scenario.registry import nearest

SUFFIX = ".toml"

Kind: TypeAlias = Literal["scenario", "cohort", "study"]
COMMANDS = {"scenario": "lupus-hsct run", "study": "lupus-hsct study run", "cohort": "lupus-hsct validate"}
"""What to do with each kind of file."""

_FOLDERS: dict[Kind, str] = {"scenario": "", "cohort": "cohorts", "study": "studies"}


@dataclass(frozen=True, slots=True)
class Located:
    """A scenario, cohort or study file: its name, how messages call it, and where it is."""

    name: str
    where: str
    path: Path


def scenarios_folder() -> Path:
    """Return the folder of the shipped scenarios: inside an installed package, else beside it."""
    packaged = Path(__file__).parent / "data" / "scenarios"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "scenarios"


def shipped_names(kind: Kind = "scenario") -> tuple[str, ...]:
    """Return the names of the shipped scenarios, cohorts or studies, sorted."""
    folder = scenarios_folder() / _FOLDERS[kind]
    return tuple(sorted(path.stem for path in folder.glob(f"*{SUFFIX}")))


def is_path(reference: str) -> bool:
    """Whether a reference is a path, because it has a slash or ends in .toml; else it is a shipped name."""
    return "/" in reference or os.sep in reference or reference.endswith(SUFFIX)


def locate(reference: str, beside: Path | None = None, kind: Kind = "scenario") -> Located:
    """Find the file that a reference means.

    Parameters
    ----------
    reference : str
        A path if it has a slash or ends in .toml, else the name of a shipped scenario.
    beside : Path, optional
        Folder from which relative paths start; the current one by default.
    kind : {"scenario", "cohort", "study"}
        Which of the shipped ones a name is of.

    Raises
    ------
    RequestError
        If none of that name is shipped. Whether a path exists is found out on reading it.
    """
    if is_path(reference):
        path = Path(os.path.normpath((beside or Path()) / reference))
        if printable(reference) != reference or {*"\n\t"} & {*reference}:
            raise RequestError(f"{printable(reference)}: the file's name can't be shown; give it another one")
        return Located(path.stem, str(path), path)
    if reference in shipped_names(kind):
        path = scenarios_folder() / _FOLDERS[kind] / f"{reference}{SUFFIX}"
        return Located(reference, f"{reference}{SUFFIX}", path)
    for other in _FOLDERS:
        if other != kind and reference in shipped_names(other):
            command = COMMANDS[other]
            raise RequestError(f"{reference} is a {other}, which is for {command}: {command} {reference}")
    near = nearest(reference, shipped_names(kind))
    meant = f"; did you mean {near}?" if near else ";"
    for candidate in (reference, f"{reference}{SUFFIX}"):
        if ((beside or Path()) / candidate).is_file():
            meant = f"; for the file here write ./{candidate};"
    raise RequestError(f'unknown {kind} "{reference}"{meant} shipped are {", ".join(shipped_names(kind))}')


def shipped_posteriors() -> dict[str, Path]:
    """Return the shipped posteriors by the name of the scenario that each is of."""
    packaged = Path(__file__).parent / "data" / "posteriors"
    if packaged.is_dir():
        return {path.stem: path for path in sorted(packaged.glob("*.csv"))}
    reference = Path(__file__).parents[2] / "results" / "reference"
    return {path.parent.name: path for path in sorted(reference.glob("*/posterior.csv"))}


def locate_posterior(reference: str) -> Path:
    """Find the posterior that a reference means: a path with a slash or that ends in .csv, or a shipped one.

    Raises
    ------
    RequestError
        None of that name is shipped. Whether a path exists is found out on reading it.
    """
    if "/" in reference or os.sep in reference or reference.endswith(".csv"):
        return Path(reference)
    shipped = shipped_posteriors()
    if reference in shipped:
        return shipped[reference]
    near = nearest(reference, tuple(shipped))
    meant = f"; did you mean {near}?" if near else ";"
    raise RequestError(
        f'--posterior "{reference}": no such posterior{meant} shipped are {", ".join(shipped) or "none"}; '
        "a path has a slash or ends in .csv"
    )
