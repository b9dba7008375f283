"""A lock on a working folder, which the system lets go of when its holder dies, however it dies."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

try:
    import fcntl
except ImportError:  # a system without such locks: two resumed runs at once would do the same work twice
    fcntl = None  # type: ignore[assignment]

LOCK = "lock"


def lock(folder: Path) -> TextIO | None:
    """Lock a folder until the returned file is closed; None if somebody else has."""
    held = (folder / LOCK).open("w")
    if fcntl is not None:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            held.close()
            return None
    return held
