"""One figure of a study: its name, its words, what it is drawn from, and who draws it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from sim.work.results import Results

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

HEAD: ContextVar[str] = ContextVar("head", default="")
"""What stands below the finding of every figure that is being drawn, if it does not stand there anyway."""

Pictures: TypeAlias = "Figure | Mapping[str, Figure] | None"


@dataclass(frozen=True, slots=True)
class Plot:
    """A row of the registry of figures.

    Attributes
    ----------
    name
        Of its files.
    heading, description
        Its words on the page; the description stands for the picture, after its title.
    data
        Files of the folder that hold what is drawn.
    needs
        The tables without which there is no figure.
    draw
        Draws it, from its `table` too if it has one. None where there is nothing to draw; several figures by
        the endings of their names where one is drawn for each of something.
    drawn
        What is added to the description under draws of a posterior.
    table
        Gives what is drawn as a table, ``figures/<name>.csv``, where no other file holds it.
    """

    name: str
    heading: str
    description: str
    data: Sequence[str]
    needs: Sequence[str]
    draw: Callable[..., Pictures]
    drawn: str = ""
    table: Callable[[Results], pd.DataFrame | None] | None = None

    def is_of(self, results: Results) -> bool:
        """Tell whether a study has what the figure is drawn from."""
        tables = (results.table(name) for name in self.needs)
        return all(table is not None and not table.empty for table in tables)


@dataclass(frozen=True, slots=True)
class DrawnAt:
    """A function of `sim.show.figures`, imported when it is first called: pages need words alone.

    Attributes
    ----------
    where
        Module and name, as in ``survival.of_run``.
    """

    where: str

    def __call__(self, *given: Any) -> Any:
        """Call it."""
        module, name = self.where.split(".")
        return getattr(import_module(f"sim.show.figures.{module}"), name)(*given)
