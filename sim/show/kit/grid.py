"""A table for people: one description, from which the terminal and the pages make theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from rich.table import Table

T = TypeVar("T")
Cells: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """What stands over a column.

    Attributes
    ----------
    heading
        With line ends where it may be long.
    number
        Whether its cells are figures, set to the right.
    plain
        Whether its cells say enough: the terminal leaves the heading away.
    code
        Whether its cells are keys, which a page writes as such.
    name
        Whether the heading is a name, which a page does not begin with a capital.
    marks
        The class that a page gives to a cell, by what the cell says: ``yes`` and ``no`` have colours.
    """

    heading: str
    number: bool = False
    plain: bool = False
    code: bool = False
    name: bool = False
    marks: Mapping[str, str] = field(default_factory=dict)

    @property
    def lines(self) -> list[str]:
        """The heading as a page has it, line by line."""
        first = self.heading if self.name else self.heading[:1].upper() + self.heading[1:]
        return first.splitlines()


Told: TypeAlias = tuple[Column, str | Callable[[T], str]]
"""A column with what its cells say of a record: the member of that name, or what a function makes of it."""


@dataclass(frozen=True)
class Grid:
    """A table: its rows hold text alone.

    Attributes
    ----------
    title
        What it is; empty on the terminal where something else says it.
    columns, rows
        The first column names the rows. A line end in a cell is a semicolon on a page.
    notes
        Sentences below it.
    ends
        Rows under which the terminal draws a line, counted from 0.
    wide
        Whether a page gives it room to scroll sideways.
    shaded
        Rows that a page sets off from the others, counted from 0.
    """

    title: str
    columns: tuple[Column, ...]
    rows: Sequence[Cells]
    notes: Sequence[str] = ()
    ends: frozenset[int] = field(default=frozenset())
    wide: bool = True
    shaded: frozenset[int] = field(default=frozenset())

    @classmethod
    def of(
        cls, title: str, rows: Iterable[T], told: Sequence[Told[T]],
        notes: Sequence[str] = (), **how: Any,
    ) -> Grid:  # fmt: skip
        """Lay out records column by column.

        Parameters
        ----------
        how
            Further attributes.
        """
        columns, cells = zip(*told, strict=True)
        making = [_member(cell) if isinstance(cell, str) else cell for cell in cells]
        return cls(title, columns, [tuple(make(row) for make in making) for row in rows], notes, **how)

    def terminal(self) -> Table:
        """Return the table for a terminal; no cell is ever cut short: on a narrow one its words wrap."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(
            caption=Text("\n".join(["", *self.notes])) if self.notes else None,
            caption_justify="left",
            box=box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        for column in self.columns:
            justify = "right" if column.number else "left"
            heading = Text("" if column.plain else column.heading)
            keep = column.code  # a key that is broken can't be copied
            table.add_column(heading, justify=justify, overflow="fold", no_wrap=keep)  # type: ignore[arg-type]
        for at, row in enumerate(self.rows):
            table.add_row(*map(Text, row), end_section=at in self.ends)
        return table


def _member(name: str) -> Callable[[Any], str]:
    return lambda row: str(row[name])


def number(heading: str) -> Column:
    """Return a column of figures."""
    return Column(heading, number=True)


def numbers(*headings: str) -> tuple[Column, ...]:
    """Return columns of figures."""
    return tuple(map(number, headings))


def named(*headings: str, number: bool = True) -> tuple[Column, ...]:
    """Return columns that are headed by the names of scenarios or the keys of parameters."""
    return tuple(Column(heading, number=number, name=True) for heading in headings)
