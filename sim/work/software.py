"""What a result rests on: all versions, and those that alone can move a figure."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGE = "lupus-hsct"
_LIBRARIES = ("duckdb", "jinja2", "matplotlib", "numpy", "pandas", "pydantic", "scipy", "simpy")
_MOVES_FIGURES = (PACKAGE, "numpy", "scipy", "simpy")
_SOURCE = Path(__file__).parents[1]
# What is drawn, told and typed moves no chunk.
_ONLY_SHOWS = ("show", "commands", "cli")


@cache
def what_moves_figures() -> dict[str, str]:
    """Return what must be the same for chunks to be: versions, and the digest of what simulates."""
    digest = sha256()
    for path in sorted(_SOURCE.rglob("*")):
        part = path.relative_to(_SOURCE)
        if path.suffix in (".py", ".csv") and part.parts[0] not in _ONLY_SHOWS:
            digest.update(part.as_posix().encode() + path.read_bytes())
    versions = {package: metadata.version(package) for package in _MOVES_FIGURES}
    return {**versions, "source": digest.hexdigest()[:12]}


def software() -> dict[str, Any]:
    """Return what a result rests on: versions and, in a checkout, the commit."""
    return {
        PACKAGE: metadata.version(PACKAGE),
        "commit": _commit(),
        "python": platform.python_version(),
        **{library: metadata.version(library) for library in _LIBRARIES},
    }


def _commit() -> str | None:
    """Return the checkout's commit; None when installed from a wheel, or without git."""
    root = _SOURCE.parent
    if not (root / ".git").exists():
        return None
    try:
        found = subprocess.run(  # noqa: S603 (fixed words, and the checkout's own path)
            ["git", "-C", str(root), "rev-parse", "HEAD"],  # noqa: S607 (git, wherever it is)
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None
