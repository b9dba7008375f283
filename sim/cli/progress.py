"""Progress on stderr, only where somebody watches; warnings after the work."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click


@contextmanager
def studying(unit: str = "replications") -> Iterator[Callable[[str, int, int], None] | None]:
    """Show the progress of a study, and print its warnings when it is done."""
    with figure_warnings(), progress_parts(unit) as progress:
        yield progress


@contextmanager
def progress_parts(unit: str) -> Iterator[Callable[[str, int, int], None] | None]:
    """Give a callback that shows the part of the work, done, all, and the time left of it.

    None where stderr is no terminal.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich import progress
    from rich.console import Console

    from sim.commands.study import MADE_OF_IT

    unit_column = progress.TextColumn("{task.fields[unit]},")
    done = (progress.BarColumn(), progress.MofNCompleteColumn(), unit_column)
    gone = (progress.TimeElapsedColumn(), progress.TextColumn("gone,"))
    left = (progress.TimeRemainingColumn(), progress.TextColumn("left"))
    columns = (progress.TextColumn("{task.description}"), *done, *gone, *left)
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, progress.TaskID] = {}

        def show(part: str, done: int, total: int) -> None:
            if part not in tasks:
                tasks[part] = bar.add_task(part, total=None, unit="done" if part in MADE_OF_IT else unit)
            for name, task in tasks.items():
                bar.update(task, visible=name == part)
            bar.update(tasks[part], completed=done, total=total)

        yield show


@contextmanager
def figure_warnings() -> Iterator[None]:
    """Print each typed warning once, on stderr, as soon as it comes; leave all others as they are."""
    from sim.scenario.problems import TypedWarning

    said: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        text = f"Warning ({category.__name__}): {message}"
        if "missing from font" in text:
            text = "Warning: the font of the figures lacks letters of a title: they are shown as boxes there"
        elif not issubclass(category, TypedWarning):
            usual(message, category, *where, **more)
            return
        if text not in said:
            said.add(text)
            click.echo(text, err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("always", TypedWarning)
        usual, warnings.showwarning = warnings.showwarning, show
        yield
