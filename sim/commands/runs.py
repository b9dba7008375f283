"""Studies that are there: listed, looked for, and removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sim.show.shelf_rows import shelf_row
from sim.work.shelf import shelf


def runs(parent: Path, text: str = "") -> list[dict[str, Any]]:
    """Return a row for each study in a folder that has a text somewhere in it, the oldest first.

    Raises
    ------
    RequestError
        There is no such folder.
    """
    told = [shelf_row(*each) for each in shelf(parent)]
    return [row for row in told if text.casefold() in " ".join(row.values()).casefold()]
