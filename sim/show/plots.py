"""The registry of figures: which there are of each kind of study, what each is called, who draws it.

A new figure is a function of `sim.show.figures` and a row of ``templates/figures.toml``. Nothing is
drawn, and Matplotlib is not imported, before a figure is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from sim.show.kit.plot import HEAD, DrawnAt, Plot
from sim.show.kit.prose import declared
from sim.show.kit.scenario_words import head
from sim.work.results import Results

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def _plot(row: Mapping[str, Any]) -> Plot:
    """Return a row whose functions are looked up when they are called."""
    called: dict[str, Any] = {name: DrawnAt(row[name]) for name in ("draw", "table") if name in row}
    return Plot(**{**row, **called})


PLOTS: Mapping[str, tuple[Plot, ...]] = {
    kind: tuple(map(_plot, rows)) for kind, rows in declared("figures").items()
}
"""By kind of study, each in the order of its page."""


class Drawn(NamedTuple):
    """A figure, the name of its files, and what it draws where no other file holds that."""

    name: str
    figure: Figure
    table: pd.DataFrame | None = None


def draw(results: Results, only: str | None = None) -> Iterator[Drawn]:
    """Draw all figures of a study, of any kind, that there is something to draw for.

    Parameters
    ----------
    only
        Name of a figure: the others of its row are drawn too, those of other rows are not.
    """
    row = None if only is None else row_of(results.kind, only)
    for plot in PLOTS[results.kind] if only is None else filter(None, [row]):
        if not plot.is_of(results):
            continue
        table = None if plot.table is None else plot.table(results)
        token = HEAD.set(head(results))
        try:
            found = plot.draw(results) if plot.table is None else plot.draw(results, table)
        finally:
            HEAD.reset(token)
        if found is None:
            continue
        if not isinstance(found, Mapping):
            yield Drawn(plot.name, found, table)
            continue
        for ending, figure in found.items():
            yield Drawn(f"{plot.name}_{ending}" if ending else plot.name, figure, table)


def row_of(kind: str, name: str) -> Plot | None:
    """Return the row of a figure by the name of its files, with or without an ending; None for another's."""
    rows = [plot for plot in PLOTS[kind] if name == plot.name or name.startswith(f"{plot.name}_")]
    return max(rows, key=lambda plot: len(plot.name), default=None)
