"""Run folders: written aside, named only when whole, never overwriting what is not theirs."""

from __future__ import annotations

import errno
import glob
import json
import os
import platform
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Self, TextIO

from sim.scenario.problems import LeftBehindWarning, RequestError
from sim.work import files
from sim.work.store import ChunkStore

_YOUNG_SECONDS = 60.0


class NewFolder:
    """A working folder that takes its final name when the ``with`` block ends well.

    When it ends badly the folder vanishes, unless chunks of the study are in it: then it stays, and the same
    request can be resumed.

    Parameters
    ----------
    out
        The folder that the user named; None for ``results/<name>-<number>`` with the next free number.
    name
        Used for the working folder and for the numbered one.
    request
        What decides about the results; a study can be resumed only by the same request.
    force
        Whether `out` may replace a complete folder that this program has written.
    resume
        Whether to go on with an unfinished study of the same request, if there is one.

    Attributes
    ----------
    path : Path
        The working folder inside the block, the final one after it.
    complete : bool
        Whether the study to resume is finished already, in `out` or in a numbered folder, so that there is
        nothing to do.
    resumed : int
        How many chunks were there.
    simulated : bool
        Whether manifest and tables were there too, so that only what is made of them is missing.

    Raises
    ------
    RequestError
        On construction: `out` exists and may not be replaced. On entry: it can't be made.
    """

    def __init__(
        self,
        out: Path | None,
        name: str,
        request: Mapping[str, Any],
        *,
        force: bool = False,
        resume: bool = False,
    ) -> None:
        self._target, self._name, self._request = out, name, request
        self._force, self._resume = force, resume
        found = None
        if resume and out is None:
            found = _finished(name, request)
        elif resume and out is not None and _is_complete(out, request):
            found = out
        self.complete = found is not None
        if out is not None and not self.complete:
            _check_free(out, force=force)
        self.path = found or out or files.RESULTS
        self.resumed, self.simulated = 0, False
        self._made: list[Path] = []
        self._lock: TextIO | None = None
        self._started = time.monotonic()

    def store(self, name: str) -> ChunkStore:
        """Return where chunks of a part of the study are kept."""
        return ChunkStore(self.path / files.CHUNKS / name)

    def __enter__(self) -> Self:
        parent = self._target.absolute().parent if self._target else files.RESULTS
        self._made = [folder for folder in (parent, *parent.parents) if not folder.exists()]
        try:
            parent.mkdir(parents=True, exist_ok=True)
            _clear_abandoned(parent, self._prefix)
            found = self._unfinished(parent) if self._resume else None
            self.path = found or Path(mkdtemp(prefix=self._prefix, dir=parent))
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
            raise RequestError(
                f"--out: can't make a folder in {parent}: {error.strerror}; name a folder that can be made"
            ) from error
        if found is None:
            try:
                self._begin()
            except BaseException as error:  # the disk is full, for one
                self.__exit__(type(error), error, error.__traceback__)
                raise
        return self

    def _begin(self) -> None:
        """Lock a new working folder, and only then say whose it is."""
        self.path.chmod(0o755)
        self._lock = files.lock(self.path, new=True)
        files.write_json(self.path / files.REQUEST, self._asked)

    @property
    def _prefix(self) -> str:
        return f".{self._name}.partial-"

    @property
    def _asked(self) -> dict[str, Any]:
        return {**self._request, "out": None if self._target is None else self._target.name}

    def _unfinished(self, parent: Path) -> Path | None:
        """Take an unfinished study of the same request, and clear away all but its chunks and tables."""
        busy, others = False, []
        for path in sorted(path for path in parent.iterdir() if path.name.startswith(self._prefix)):
            asked = files.read_json(path / files.REQUEST)
            if asked != self._asked:
                if asked is not None and asked.get("out") == self._asked["out"]:
                    others.append((list(differences(self._asked, asked)), path))
                continue
            try:
                held = files.lock(path, new=False)
            except FileNotFoundError:  # finished, and named, in this moment
                continue
            if held is None:
                busy = True
                continue
            if files.read_json(path / files.REQUEST) != self._asked:  # the same, a moment later
                held.close()
                continue
            self._lock = held
            manifest = files.read_json(path / files.MANIFEST) or {}
            self.simulated = bool(manifest) and files.altered(manifest, path) is None
            tables = {files.MANIFEST, *files.sealed_files(manifest)} if self.simulated else ()
            for name in files.written_in(path):
                if name not in tables:
                    (path / name).unlink()
            self.resumed = _chunks_in(path)
            return path
        if busy:
            raise RequestError(
                "--resume: another process is at work on this study; wait for it, or leave --resume away to "
                "begin another one"
            )
        if others:
            why, path = min(others, key=lambda other: len(other[0]))
            LeftBehindWarning.say(
                f"--resume: the unfinished study in {path} is of another request ({'; '.join(why)}); it is "
                "left alone, and this one begins anew. lupus-hsct runs remove takes it away"
            )
        return None

    def __exit__(self, kind: object, error: BaseException | None, _trace: object) -> None:
        work, kept, gone = self.path, "", not self.path.exists()
        try:
            if kind is None:
                self._finish()
            else:
                # A request that turns out to be wrong would be as wrong the next time; what an earlier one
                # has done is kept whatever this one is.
                kept = kept_in(work, refused=isinstance(error, RequestError) and not self.resumed)
        except BaseException as failure:
            error, kept = failure, kept_in(work)
            raise
        finally:
            if self._lock is not None:
                self._lock.close()
            if not kept:
                shutil.rmtree(work, ignore_errors=True)
                for folder in self._made:  # of a failed request nothing stays, not even an empty parent
                    with suppress(OSError):
                        folder.rmdir()
            if gone and isinstance(error, OSError):
                lost = "the working folder was removed while the study ran, and what was done with it"
                raise OSError(errno.ENOENT, f"{lost}; run it again", str(work)) from error
            if kept and error is not None:
                error.add_note(f"{kept} kept: the same command with --resume goes on from there")

    def _finish(self) -> None:
        """Give the folder its name, and only then remove what a study at work needs."""
        self._write_timings()
        self.path = self._named(self.path)
        shutil.rmtree(self.path / files.CHUNKS, ignore_errors=True)
        for name in (files.REQUEST, files.LOCK):
            with suppress(OSError):
                (self.path / name).unlink()

    def _write_timings(self) -> None:
        """Write what may differ between identical runs, and nothing else may."""
        files.write_json(
            self.path / files.TIMINGS,
            {
                "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                "seconds": round(time.monotonic() - self._started, 3),
                "machine": platform.machine(),
                "system": platform.system(),
                "processors": os.cpu_count(),
                "files": sorted({*files.written_in(self.path), files.TIMINGS}),
            },
        )

    def _named(self, work: Path) -> Path:
        """Give the finished folder its name."""
        if self._target is None:
            return _take_next_number(work, self._name)
        if not self._target.exists():
            return work.rename(self._target)
        if not self._force:  # it was free at the start
            raise RequestError(
                f"--out: another run has made {self._target} in the meantime, and it is left alone; move it "
                "away, and the same command with --resume puts this study there"
            )
        _refuse_foreign(self._target)
        aside = Path(mkdtemp(prefix=f".{self._name}.old-", dir=work.parent)) / "old"
        self._target.rename(aside)
        try:
            work.rename(self._target)
        except OSError:
            aside.rename(self._target)
            raise
        finally:
            if self._target.exists():
                shutil.rmtree(aside.parent, ignore_errors=True)
        return self._target


def _clear_abandoned(parent: Path, prefix: str) -> None:
    """Remove working folders whose process was killed before it wrote for which request they are.

    Nobody can go on with such a folder. One that is locked, or so young that it may not be locked yet, is of
    a process at work.
    """
    for path in parent.iterdir():
        with suppress(OSError):  # it takes its final name in this moment, or is not ours to remove
            if not path.name.startswith(prefix) or files.read_json(path / files.REQUEST) is not None:
                continue
            if time.time() - path.stat().st_mtime < _YOUNG_SECONDS:
                continue
            held = files.lock(path, new=not (path / files.LOCK).exists())
            if held is not None:
                with held:
                    shutil.rmtree(path, ignore_errors=True)


def _finished(name: str, request: Mapping[str, Any]) -> Path | None:
    """Return the latest numbered folder that holds the finished study of a request, if there is one."""
    numbered = [
        (int(number), path)
        for path in files.RESULTS.glob(f"{glob.escape(name)}-*")
        if (number := path.name.removeprefix(f"{name}-")).isascii() and number.isdecimal()
    ]
    for _, path in sorted(numbered, reverse=True):
        manifest = files.read_json(path / files.MANIFEST)
        if manifest and manifest.get("request") == request and files.is_finished(path):
            return path
    return None


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
    if not files.is_finished(target):
        raise RequestError(
            f"--out: {target} is no complete run folder (no {files.MANIFEST} and {files.TIMINGS} in it), so "
            "--force does not replace it; name another folder, or remove this one yourself"
        )
    _refuse_foreign(target)


def _refuse_foreign(target: Path) -> None:
    """Refuse to replace a folder with files in it that are somebody's own."""
    for name in files.foreign_in(target):
        raise RequestError(
            f"--out: {target} holds {name}, which no run has written as far as its {files.TIMINGS} tells, "
            "and --force removes only what runs wrote; move that file, or name another folder"
        )


def _is_complete(target: Path, request: Mapping[str, Any]) -> bool:
    """Tell whether a folder holds the finished study of a request; refuse one of another request."""
    manifest = files.read_json(target / files.MANIFEST)
    if manifest is None or not files.is_finished(target):
        return False
    made_by = manifest.get("request")
    if made_by == request:
        return True
    why = "; ".join(differences(request, made_by)) if isinstance(made_by, dict) else "it can't be told"
    raise RequestError(
        f"--resume: {target} holds a finished study of another request ({why}); name another folder, or "
        "replace it with --force instead of --resume"
    )


def _chunks_in(work: Path) -> int:
    return len(list((work / files.CHUNKS).glob("*/*.npz")))


def kept_in(work: Path, *, refused: bool = False) -> str:
    """Say what of a study outlives its failure; nothing of one that was refused before it was simulated."""
    if (work / files.MANIFEST).is_file():
        return f"All that was simulated is in {work}, and is"
    count = 0 if refused else _chunks_in(work)
    return f"{count} chunk{' is' if count == 1 else 's are'}" if count else ""


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    """Yield in what two requests differ, first this one's value and then the other's."""
    for name in dict.fromkeys([*one, *other]):
        here, there = one.get(name), other.get(name)
        if isinstance(here, dict) and isinstance(there, dict):
            yield from (f"{name} {text}" for text in differences(here, there))
        elif here != there:
            yield f"{name} is {json.dumps(here)} here and {json.dumps(there)} there"
