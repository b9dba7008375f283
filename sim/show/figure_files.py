"""The files of a study's figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sim.show.kit.style import save
from sim.show.plots import PLOTS, draw
from sim.work.results import Results
from sim.work.spool import write_csv


def write_figures(
    results: Results, formats: Sequence[str], tell: Callable[[int, int], None] | None = None
) -> list[str]:
    """Draw a study's figures into ``figures/`` of its folder, with the tables that only they need.

    Parameters
    ----------
    formats
        Some of svg, png and pdf.
    tell
        Called with the number of figures drawn, and how many there are at most.

    Returns
    -------
    list[str]
        Their names.
    """
    if results.folder is None:
        return []
    folder = results.folder / "figures"
    names = []
    for name, figure, table in draw(results):
        folder.mkdir(exist_ok=True)
        save(figure, folder, name, formats)
        if table is not None:
            write_csv(table, folder / f"{name}.csv")
        names.append(name)
        if tell is not None:
            tell(len(names), max(len(names), len(PLOTS[results.kind])))
    return names
