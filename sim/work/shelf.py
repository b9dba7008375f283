"""The studies in a folder: finished, at work, or left behind; and how each is taken away."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeAlias

from sim.scenario.problems import RequestError
from sim.work import files

State: TypeAlias = Literal["finished", "at work", "unfinished", "broken"]
_WORKING = re.compile(r"\..+\.partial-.+")
_ASIDE = re.compile(r"\..+\.old-.+")


def shelf(parent: Path) -> Iterator[tuple[Path, State]]:
    """Yield the studies in a folder, the oldest first; one that --force put aside when it was killed, too.

    Raises
    ------
    RequestError
        There is no such folder, or it can't be read.
    """
    try:
        there = sorted(parent.iterdir(), key=lambda path: (path.lstat().st_mtime, path.name))
    except OSError as error:
        raise RequestError(f"{parent}: {error.strerror}; name a folder that studies are in") from error
    for path in there:
        place = path / "old" if _ASIDE.fullmatch(path.name) else path
        state = state_of(place)
        if state is not None:
            yield place, state


def state_of(folder: Path) -> State | None:
    """Return how far the study in a folder is; None if the folder is of no study, or a link."""
    if folder.is_symlink() or not folder.is_dir():
        return None
    if not _WORKING.fullmatch(folder.name):
        return "finished" if files.is_finished(folder) else None
    with suppress(OSError):  # it was killed before it locked its folder
        held = files.lock(folder, new=False)
        if held is None:
            return "at work"
        held.close()
    return "broken" if files.read_json(folder / files.REQUEST) is None else "unfinished"


def remove(folder: Path) -> list[str]:
    """Remove what runs have written into a folder, and the folder if nothing else is there; say what is.

    Raises
    ------
    RequestError
        It is of no study, or somebody is at work there.
    """
    state = state_of(folder)
    if state is None or state == "at work":
        why = "is no folder of a study" if state is None else "is of a study at work"
        raise RequestError(f"{folder} {why}; lupus-hsct runs list names those that can be removed")
    if state != "finished":  # hidden, and all of it ours
        shutil.rmtree(folder)
        return []
    foreign = files.foreign_in(folder)
    if (folder / files.LOCK).exists():  # it was killed when it had just got its name
        shutil.rmtree(folder / files.CHUNKS, ignore_errors=True)
    for name in {*files.written_in(folder), files.REQUEST, files.LOCK}.difference(foreign):
        (folder / name).unlink(missing_ok=True)
    for empty in (folder / "figures", folder):
        with suppress(OSError):  # somebody else has something there
            empty.rmdir()
    return foreign
