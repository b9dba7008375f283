"""The command line in a process of its own, with small chunks, to be killed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PROGRAM = (
    "from sim.study import experiment; experiment.CHUNK_PATIENTS.update(simpy=1, arrays=1); "
    "from sim.cli import main; main()"
)


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the command line in a folder."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder,
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
    return sorted(folder.glob(".*partial*/chunks/*/*.npz"))


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


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file of a run, but for the one that says when."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "timings.json"
    }
