"""Figures in a notebook: whole pages, and single pictures drawn into axes that one is given.

``sim.plot.survival(results)`` returns the page that a folder holds; with ``ax`` the picture alone is drawn
into these axes, so that several can be composed. Everything is drawn from a study's tables: of `sim.run` in
memory and of `sim.read` alike.
"""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.scenario.problems import RequestError
from sim.show.figures.areas import draw_deaths, draw_disease, draw_failures, draw_treatment, over_time
from sim.show.figures.survival import draw_survival
from sim.show.kit.style import settings
from sim.show.plots import PLOTS, draw
from sim.work.results import Results


def figures(results: Results) -> dict[str, Figure]:
    """Draw all figures of a study of any kind, by the names of their files."""
    return {name: figure for name, figure, _ in draw(results)}


def figure(results: Results, name: str) -> Figure:
    """Draw one figure of a study.

    Raises
    ------
    RequestError
        A study of this kind has no such figure, or this one has nothing to draw in it.
    """
    for found, drawn, _ in draw(results, name):
        if found == name:
            return drawn
    raise _no_such_figure(results, name)


def _no_such_figure(results: Results, name: str) -> RequestError:
    return RequestError(
        f"name: this {results.kind} has no figure {name!r}; it may have {', '.join(_names(results))}"
    )


def _names(results: Results) -> list[str]:
    """Return the names of the figures that a study may have."""
    return [plot.name for plot in PLOTS[results.kind] if plot.is_of(results)]


def survival(results: Results, ax: Axes | None = None) -> Axes | Figure:
    """Draw survival from reinfusion, of a run or as a calibration predicts it."""

    def draw_into(axes: Axes) -> None:
        read = "predictions" if results.kind in ("calibrate", "learn") else "endpoints"
        draw_survival(axes, results.tables["curves"], results.tables[read])

    return _into(results, "survival", ax, draw_into)


def deaths(results: Results, ax: Axes | None = None) -> Axes | Figure:
    """Draw deaths by cause since enrolment, of a run."""
    return _into(results, "incidence", ax, lambda axes: draw_deaths(axes, over_time(results, "incidence")))


def remission(results: Results, ax: Axes | None = None) -> Axes | Figure:
    """Draw how remission ends since reinfusion, of a run."""

    def draw_into(axes: Axes) -> None:
        draw_failures(axes, over_time(results, "incidence"), results.tables["endpoints"])

    return _into(results, "incidence", ax, draw_into)


def disease(results: Results, ax: Axes | None = None) -> Axes | Figure:
    """Draw the disease of a run's patients year by year."""
    return _into(results, "places", ax, lambda axes: draw_disease(axes, over_time(results, "places")))


def treatment(results: Results, ax: Axes | None = None) -> Axes | Figure:
    """Draw where a run's patients are, day by day along the treatment."""
    return _into(results, "places", ax, lambda axes: draw_treatment(axes, over_time(results, "places")))


def _into(results: Results, name: str, ax: Axes | None, draw_into: Callable[[Axes], None]) -> Axes | Figure:
    """Return the page of a name, or draw into axes and return these."""
    if ax is None:
        return figure(results, name)
    if name not in _names(results):
        raise _no_such_figure(results, name)
    if results.kind not in ("run", "calibrate"):
        raise RequestError(f"ax: survival of a {results.kind} is a page of its own; leave ax out")
    with settings():
        draw_into(ax)
    return ax
