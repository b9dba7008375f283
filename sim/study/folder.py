"""Run folders: written aside, named only when whole, never overwriting what is not theirs."""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
import subprocess
import time
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Any, Self

from sim.scenario.problems import RequestError

MANIFEST = "manifest.json"
TIMINGS = "timings.json"
RESULTS = Path("results")
_LIBRARIES = ("duckdb", "matplotlib", "numpy", "pandas", "pydantic", "scipy", "simpy")


class NewFolder:
    """A working folder that takes its final name when the ``with`` block ends well, and else vanishes.

    Parameters
    ----------
    out
        The folder that the user named; None for ``results/<name>-<number>`` with the next free number.
    name
        Used for the working folder and for the numbered one.
    force
        Whether `out` may replace a complete folder that this program has written.

    Attributes
    ----------
    path : Path
        The working folder inside the block, the final one after it.

    Raises
    ------
    RequestError
        On construction: `out` exists and may not be replaced. On entry: it can't be made.
    """

    def __init__(self, out: Path | None, name: str, *, force: bool = False) -> None:
        self._target = out
        self._name = name
        self._force = force
        if self._target is not None:
            _check_free(self._target, force=force)
        self.path = self._target or RESULTS
        self._made: list[Path] = []
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        parent = self._target.absolute().parent if self._target else RESULTS
        self._made = [folder for folder in (parent, *parent.parents) if not folder.exists()]
        try:
            parent.mkdir(parents=True, exist_ok=True)
            self.path = Path(mkdtemp(prefix=f".{self._name}.partial-", dir=parent))
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
            raise RequestError(
                f"--out: can't make a folder in {parent}: {error.strerror}; name a folder that can be made"
            ) from error
        self.path.chmod(0o755)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        work = self.path
        try:
            if kind is None:
                self._write_timings()
                self.path = self._named(work)
        finally:
            shutil.rmtree(work, ignore_errors=True)
            for folder in self._made:  # of a failed request nothing stays, not even an empty parent
                with suppress(OSError):
                    folder.rmdir()

    def _write_timings(self) -> None:
        """Write what may differ between identical runs, and nothing else may."""
        write_json(
            self.path / TIMINGS,
            {
                "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                "seconds": round(time.monotonic() - self._started, 3),
                "machine": platform.machine(),
                "system": platform.system(),
                "processors": os.cpu_count(),
            },
        )

    def _named(self, work: Path) -> Path:
        """Give the finished folder its name."""
        if self._target is None:
            return _take_next_number(work, self._name)
        if self._target.exists() and not self._force:  # it was free at the start
            raise RequestError(
                f"--out: another run has made {self._target} in the meantime, and it is left alone; run "
                "again with a folder of its own, or leave --out away to get a numbered one"
            )
        if self._target.exists():  # checked at the start: a folder of ours, which --force replaces
            aside = Path(mkdtemp(prefix=f".{self._name}.old-", dir=work.parent))
            self._target.rename(aside / "old")
            work.rename(self._target)
            shutil.rmtree(aside, ignore_errors=True)
        else:
            work.rename(self._target)
        return self._target


def _take_next_number(work: Path, name: str) -> Path:
    number = 1
    while True:
        path = work.parent / f"{name}-{number}"
        if not path.exists():
            try:
                work.rename(path)
            except OSError:  # another run took the number in between
                if not path.exists():
                    raise
            else:
                return path
        number += 1


def _check_free(target: Path, *, force: bool) -> None:
    """Refuse an --out that exists, unless it may be replaced."""
    try:
        if not target.exists() and not target.is_symlink():
            return
    except OSError as error:  # no name for a folder at all: too long, for one
        raise RequestError(f"--out: {target}: {error.strerror}; name a folder that can be made") from error
    if not target.is_dir():
        raise RequestError(f"--out: {target} is a file; name a folder that does not exist yet")
    if not force:
        raise RequestError(
            f"--out: {target} exists; name a new folder, leave --out away to get a numbered one, "
            f"or replace a complete run folder with --force"
        )
    if not (target / MANIFEST).is_file() or not (target / TIMINGS).is_file():
        raise RequestError(
            f"--out: {target} is no complete run folder (no {MANIFEST} and {TIMINGS} in it), so --force "
            f"does not replace it; name another folder, or remove this one yourself"
        )


def write_json(path: Path, value: Any) -> None:
    """Write JSON for people and programs: sorted as given, UTF-8, no NaN."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")


def software() -> dict[str, Any]:
    """Return what a result rests on: versions and, in a checkout, the commit."""
    return {
        "lupus-hsct": metadata.version("lupus-hsct"),
        "commit": _commit(),
        "python": platform.python_version(),
        **{library: metadata.version(library) for library in _LIBRARIES},
    }


def _commit() -> str | None:
    """Return the checkout's commit; None when installed from a wheel, or without git."""
    root = Path(__file__).parents[2]
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
