"""What is in a study's folder: names, locks, JSON, whose files they are, and whether they are as written."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, TextIO

try:
    import fcntl
except ImportError:  # a system without such locks: two resumed runs at once would do the same work twice
    fcntl = None  # type: ignore[assignment]

MANIFEST = "manifest.json"
TIMINGS = "timings.json"
REQUEST = "request.json"
CHUNKS = "chunks"
LOCK = "lock"
RESULTS = Path("results")
SEALS = _HASHES, _SEAL = "hashes", "manifest_hash"


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


def is_finished(folder: Path) -> bool:
    """Tell whether a study was written to its end."""
    return (folder / MANIFEST).is_file() and (folder / TIMINGS).is_file()


def written_in(folder: Path) -> list[str]:
    """Return the files in a folder, and the links, but for those that only a study at work needs."""
    found = []
    for where, folders, files in os.walk(folder):
        links = [name for name in folders if Path(where, name).is_symlink()]
        found += [Path(where, name).relative_to(folder) for name in [*files, *links]]
    return sorted(path.as_posix() for path in found if path.parts[0] not in (CHUNKS, REQUEST, LOCK))


def foreign_in(folder: Path) -> list[str]:
    """Return the files in a finished study's folder that no run has written."""
    own = (read_json(folder / TIMINGS) or {}).get("files")
    return [name for name in written_in(folder) if not isinstance(own, list) or name not in own]


def add_files(folder: Path, before: Collection[str]) -> None:
    """Note that what was not there before is a run's, too."""
    timings = read_json(folder / TIMINGS) or {}
    new = set(written_in(folder)) - set(before)
    if new:
        write_json(folder / TIMINGS, {**timings, "files": sorted(new.union(timings.get("files", ())))})


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON object; None if there is none."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write_json(path: Path, value: Any) -> None:
    """Write JSON for people and programs, whole or not at all: sorted as given, UTF-8, no NaN."""
    aside = path.with_name(f".{path.name}.partial")
    aside.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
    aside.replace(path)


def sealed(manifest: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return a manifest that knows what is in its folder, and what it says itself."""
    whole = {**manifest, _HASHES: {name: _digest(folder / name) for name in written_in(folder)}}
    plain: dict[str, Any] = json.loads(json.dumps(whole))
    return {**plain, _SEAL: _seal_of(plain)}


def sealed_files(manifest: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the hashes of files by their names."""
    found = manifest.get(_HASHES)
    return found if isinstance(found, dict) else {}


def altered(manifest: Mapping[str, Any], folder: Path) -> str | None:
    """Return the first file of a finished study that is not as it was written; None if all are."""
    if manifest.get(_SEAL) != _seal_of({name: manifest[name] for name in manifest if name != _SEAL}):
        return MANIFEST
    hashes = sealed_files(manifest).items()
    return next((name for name, found in hashes if _digest(folder / name) != found), None)


def _digest(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _seal_of(manifest: Mapping[str, Any]) -> str:
    return sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
