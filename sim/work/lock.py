"""A lock on a working folder, which the system lets go of when its holder dies, however it dies."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

try:
    import fcntl
except ImportError:  # a system without such locks: two resumed runs at once would do the same work twice
    fcntl = None  # type: ignore[assignment]

LOCK = "lock"


def lock(folder: Path, *, new: bool) -> TextIO | None:
    """Lock a folder until the returned file is closed; None if somebody else has.

    Parameters
    ----------
    new
        Whether nobody has locked it before; a lock that is gone is not made again, for its study is finished.

    Raises
    ------
    OSError
        The folder, or its lock, is not there any more, or can't be written.
    """
    held = (folder / LOCK).open("w" if new else "r+")
    if fcntl is not None:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.close()
            return None
        except OSError:  # a disk that knows no locks
            pass
    return held
