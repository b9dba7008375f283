"""The command line as tests call it: quickly, with small chunks, and in a process of its own to be killed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import sim
from sim.study import experiment
from sim.work.files import MANIFEST, SEALS, fcntl, sealed, write_json
from sim.work.store import ChunkStore

PROGRAM = "from drivers import main; main()"
SMALL_CALIBRATION = ("--effective-size", "20", "--points", "256", "--no-alternatives")


def environment(**changes: str) -> dict[str, str]:
    """Return variables under which another process imports what this one does, however it is installed."""
    path = os.pathsep.join(map(str, (Path(sim.__file__).parents[1], Path(__file__).parent)))
    return {**os.environ, "PYTHONPATH": path, **changes}


def small_chunks(patch: pytest.MonkeyPatch) -> None:
    """Let a chunk be as small as it may, so that a small study has several."""
    patch.setattr(experiment, "CHUNK_PATIENTS", {"simpy": 1, "arrays": 1})


def interrupt_after(count: int, patch: pytest.MonkeyPatch, error: BaseException | None = None) -> None:
    """Let a study end once some chunks are stored, as by Ctrl-C."""
    saved, save = [0], ChunkStore.save

    def counted(store: ChunkStore, *what: object) -> None:
        if saved[0] == count:
            raise error or KeyboardInterrupt
        saved[0] += 1
        save(store, *what)  # type: ignore[arg-type]

    patch.setattr(ChunkStore, "save", counted)


def no_figures(patch: pytest.MonkeyPatch) -> None:
    """Let every study be one with ``--figures none``: they take seconds, and have tests of their own."""
    patch.setattr("sim.commands.study.formats_of", lambda _: ())


def one_figure(patch: pytest.MonkeyPatch) -> None:
    """Let a study draw the first of its figures."""
    from sim.show import page, plots

    assert page.PLOTS is plots.PLOTS  # imported before it is replaced, as it would keep the substitute
    patch.setattr(plots, "PLOTS", {kind: rows[:1] for kind, rows in plots.PLOTS.items()})


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that is made once in a session of tests, however many processes share in it."""
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    parent = base / f"{name}-once"
    parent.mkdir(exist_ok=True)
    with (parent / "lock").open("w") as held:
        if fcntl is not None:
            fcntl.flock(held, fcntl.LOCK_EX)
        if not (parent / name).exists():
            make(parent / name)
    return parent / name


def main() -> None:
    """Run the command line with small chunks and without figures."""
    from sim.cli import main as command_line

    # A shell that starts the tests in the background lets everything they start ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.MonkeyPatch.context() as patch:
        small_chunks(patch)
        no_figures(patch)
        command_line()


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the command line in a folder, with small chunks and without figures."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until(there: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Look again and again until something is so."""
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def chunks(folder: Path) -> list[Path]:
    """The stored chunks of unfinished studies in a folder."""
    return sorted(folder.glob("**/.*partial*/chunks/*/*.npz"))


def wait_for_chunks(process: subprocess.Popen[str], folder: Path, count: int) -> None:
    """Wait until a study has stored some chunks."""
    wait_until(lambda: len(chunks(folder)) >= count or process.poll() is not None, f"no {count} chunks")
    assert process.poll() is None, process.communicate()


def workers_of(pid: int) -> list[int]:
    """The worker processes of a process."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def is_running(pid: int) -> bool:
    """Tell whether a process is there and no zombie."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def seal(folder: Path) -> None:
    """Let a finished study that was altered on purpose look as if it had been written so."""
    told = json.loads((folder / MANIFEST).read_text("utf-8"))
    plain = {name: told[name] for name in told if name not in SEALS}
    with tempfile.TemporaryDirectory() as aside:
        for name in told["hashes"]:
            (Path(aside) / name).parent.mkdir(exist_ok=True)
            if (folder / name).exists():
                shutil.copy(folder / name, Path(aside) / name)
        write_json(folder / MANIFEST, sealed(plain, Path(aside)))


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file of a run, but for the one that says when."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "timings.json"
    }
