"""Whole commands as a user types them: each a process of its own, with imports, tables, figures and page.

``python benchmarks/whole_commands.py`` measures them and prints the table of ``benchmarks/README.md``.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

COMMAND = Path(sys.executable).with_name("lupus-hsct")
ROUNDS = 5
COMMANDS = (
    "--help",
    "scenario show chicago2006",
    "run chicago2006",
    "run chicago2006 --replications 10",
    "run chicago2006 --figures svg,png",
    "run chicago2006 --figures none",
    "run open_clinic",
    "sweep chicago2006 --vary aplasia.infection.ward_relative_risk=0.72:2:5",
    "compare chicago2006 no_isolation",
    "validate",
)
"""Each in an empty folder; what is written goes there."""
REPORT = "report run"
"""Of the folder of a run of `chicago2006`, which is made first."""
IN_MEMORY = 'sim.run("chicago2006", replications=20)'
"""Not a process of its own: the calls after the first."""

# A script of the library: it prints the processor seconds of each call after the first.
_LIBRARY = f"""
import sim, time, warnings
warnings.simplefilter("ignore")
{IN_MEMORY}
for _ in range({ROUNDS}):
    before = time.process_time()
    {IN_MEMORY}
    print(time.process_time() - before)
"""


def measured(command: str, rounds: int = ROUNDS) -> list[dict[str, float]]:
    """Run a command some times after a warm-up: processor and wall seconds of each."""
    with TemporaryDirectory() as folder:
        if command == REPORT:
            subprocess.run(  # noqa: S603
                [COMMAND, "run", "chicago2006", "--out", "run"], cwd=folder, capture_output=True, check=True
            )
        asked = [*shlex.split(command), *(["--force"] if command == REPORT else [])]
        return [_once([str(COMMAND), *asked], Path(folder)) for _ in range(rounds + 1)][1:]


def in_memory() -> list[dict[str, float]]:
    """Run a scenario without a folder, again and again in one process."""
    done = subprocess.run([sys.executable, "-c", _LIBRARY], capture_output=True, text=True, check=True)  # noqa: S603
    return [{"processor": float(line)} for line in done.stdout.split()]


def _once(command: list[str], folder: Path) -> dict[str, float]:
    """Run one process; the system's own count of what it used."""
    start = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{shlex.join(command)} ends with {process.returncode}")
    return {"processor": used.ru_utime + used.ru_stime, "seconds": time.perf_counter() - start}


def main() -> None:
    """Measure all commands and print the table."""
    import tables

    found = {command: measured(command) for command in (*COMMANDS, REPORT)}
    print("\n".join(tables.commands({**found, IN_MEMORY: in_memory()})))


if __name__ == "__main__":
    main()
