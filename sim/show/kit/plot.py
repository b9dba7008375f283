"""One figure of a study: its name, its words, what it is drawn from, and who draws it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.work.results import Results

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


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
        Draws it; None where there is nothing to draw.
    drawn
        What is added to the description under draws of a posterior.
    table
        Gives what is drawn as a table, ``figures/<name>.csv``, where no other file holds it.
    """

    name: str
    heading: str
    description: str
    data: tuple[str, ...]
    needs: tuple[str, ...]
    draw: Callable[[Results], Figure | None]
    drawn: str = ""
    table: Callable[[Results], pd.DataFrame | None] | None = None

    def is_of(self, results: Results) -> bool:
        """Tell whether a study has what the figure is drawn from."""
        tables = (results.table(name) for name in self.needs)
        return all(table is not None and not table.empty for table in tables)
