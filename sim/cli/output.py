"""Printing rows: a table for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pandas as pd

    from sim.show.terminal import Block
    from sim.work.results import Results

Row = dict[str, Any]
INTERRUPTED, TERMINATED = 130, 143
"""Exit codes after Ctrl-C and SIGTERM."""


def print_rows(command: str, rows: Sequence[Row], *, as_json: bool, title: str = "") -> None:
    """Print rows that share their columns.

    Parameters
    ----------
    command : str
        The command, as JSON names it.
    rows : sequence of dict
        One dict a row.
    as_json : bool
        Print ``{"command": ..., "rows": [...]}`` instead of a table.
    title : str, optional
        A line over the table.
    """
    if as_json:
        click.echo(
            json.dumps({"command": command, "rows": rows}, ensure_ascii=False, allow_nan=False, indent=1)
        )
        return
    if title:
        click.echo(f"{title}\n")
    if not rows:
        return
    from sim.scenario.describe import value_text

    columns = list(rows[0])
    cells = [["" if row[name] is None else value_text(row[name]) for name in columns] for row in rows]
    if sys.stdout.isatty():
        _print_rich(columns, cells)
    else:
        _print_plain(columns, cells)


def _print_plain(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    """Print aligned columns of any width: nothing is cut or wrapped."""
    lines = [list(columns), *(list(row) for row in cells)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    for line in lines:
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo(text.rstrip())


def _print_rich(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    """Print a table as wide as the terminal; long cells go on in the next line."""
    from rich.console import Console

    from sim.show.kit.grid import Column, Grid

    heads = tuple(Column(name, code=name == "key") for name in columns)
    grid = Grid("", heads, [tuple(row) for row in cells])
    Console().print(grid.terminal())


def print_frame(command: str, frame: pd.DataFrame) -> None:
    """Print a data frame as JSON rows; what is missing is null."""
    rows = [
        {str(name): None if value != value else value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]
    print_rows(command, rows, as_json=True)


def print_frames(command: str, frames: Mapping[str, pd.DataFrame]) -> None:
    """Print one data frame as `print_frame`; several with the scenario's name as first column."""
    import pandas as pd

    from sim.study.records import addressed

    several = len(frames) > 1
    tables = [addressed(frame, scenario=name) if several else frame for name, frame in frames.items()]
    print_frame(command, pd.concat(tables, ignore_index=True))


def print_told(blocks: Iterable[Block]) -> None:
    """Print tables and lines, each block set apart; as wide as they need where no terminal limits them."""
    from rich.console import Console

    console = Console() if sys.stdout.isatty() else Console(width=200)
    for block in blocks:
        if isinstance(block, list):
            for line in block:
                click.echo(line)
        else:
            click.echo(f"{block.title}\n")
            console.print(block.terminal())
        click.echo()


def print_results(results: Results, main: str, *, as_json: bool) -> None:
    """Print what a study has found and where it is; as JSON the rows of its main table."""
    if as_json:
        print_frame(results.kind, results.tables[main])
        return
    from sim.show.terminal import told

    print_told(told(results))
    say_where(results)


def say_where(results: Results) -> None:
    """Say which folder a study is in."""
    if results.folder is not None:
        click.echo(f"Written to {results.folder.as_posix()}")
