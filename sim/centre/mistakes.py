"""All that is wrong with a table, told by row and column in one message."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sim.scenario.problems import RequestError
from sim.scenario.refusals import cut_short

MOST_LINES = 20
_OF_ONE_KIND = 3
_ROWS_NAMED = 10


def plain(cell: str | float) -> str:
    """Write a cell on one line, what can't be seen by its code."""
    text = f"{cell:.15g}" if isinstance(cell, float) else " ".join(cell.split())
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)


def shown(cell: str | float) -> str:
    """Write a cell as it stands in a message: not too long."""
    return cut_short(plain(cell), 40) or "(empty)"


class Mistakes:
    """Mistakes of one table, grouped by what is wrong.

    Parameters
    ----------
    where
        The file, as messages name it.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._whole: dict[str, int] = {}
        self._found: dict[str, list[tuple[int, str]]] = {}
        self.rows: set[int] = set()
        """Rows with a mistake in them."""

    @property
    def whole(self) -> bool:
        """Whether something is wrong with the table as a whole."""
        return bool(self._whole)

    def add(self, problem: str, count: int = 1) -> None:
        """Note what is wrong with the table as a whole, or with so many of its cells; of none, a remark."""
        self._whole.setdefault(problem, count)

    def at(self, problem: str, rows: Iterable[int], cells: Iterable[str]) -> None:
        """Note what is wrong in some rows; the cells are told as column and value."""
        places = list(zip(rows, cells, strict=True))
        if places:
            self._found.setdefault(problem, []).extend(places)
            self.rows.update(row for row, _ in places)

    def refuse(self) -> None:
        """Raise what was noted, if anything was.

        Raises
        ------
        RequestError
            The number of mistakes, and each of them by row and column as far as they can be shown.
        """
        count = sum(self._whole.values()) + sum(map(len, self._found.values()))
        if not count:
            return
        lines = list(self._whole)
        by_row: list[tuple[int, str]] = []
        for problem, places in self._found.items():
            places.sort()
            by_row += [(row, f"row {row}, {cell}: {problem}") for row, cell in places[:_OF_ONE_KIND]]
            if more := places[_OF_ONE_KIND:]:
                by_row.append((more[0][0], f"the same in {len(more)} more rows ({_some(more)}): {problem}"))
        lines += [line for _, line in sorted(by_row)]
        if len(lines) > MOST_LINES:
            lines = [*lines[:MOST_LINES], f"... and {len(lines) - MOST_LINES} more lines like these"]
        noun = "1 mistake" if count == 1 else f"{count:,} mistakes"
        raise RequestError("\n".join([f"{noun} in {self._where}; nothing was read", *lines]))


def _some(places: Sequence[tuple[int, str]]) -> str:
    rows = ", ".join(str(row) for row, _ in places[:_ROWS_NAMED])
    return rows if len(places) <= _ROWS_NAMED else f"{rows} ..."
