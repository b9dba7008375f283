"""Speed of the spine: ``python benchmarks/spine.py`` (about a minute).

Ratios are taken within one run, in turn, because timings of shared machines drift.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from statistics import median

from plain_simpy import Trial

from sim.clinic.pathway import simulate
from sim.patient.fates import draw_fates
from sim.patient.luck import BLOCK, Luck
from sim.scenario.load import load

ROUNDS = 7
COMMAND = Path(sys.executable).with_name("lupus-hsct")


def seconds(work: object) -> float:
    """Time one call."""
    start = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - start


def pathway() -> dict[str, object]:
    """Race this pathway, fates included, against SimPy written by hand."""
    scenario = load("chicago2006").scenario
    patients = scenario.cohort.patients

    def by_hand() -> None:
        counts: Counter[str] = Counter()
        for seed in range(BLOCK):
            counts += Trial(scenario, seed).run(patients)

    def ours() -> None:
        simulate(scenario, draw_fates(scenario, Luck(1), range(BLOCK)))

    by_hand(), ours()  # warm up
    pairs = [(seconds(by_hand), seconds(ours)) for _ in range(ROUNDS)]
    ratios = [hand / our for hand, our in pairs]
    people = BLOCK * patients
    return {
        "patients a second, SimPy by hand": round(people / median(hand for hand, _ in pairs)),
        "patients a second, this pathway": round(people / median(our for _, our in pairs)),
        "ratio": f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
    }


def help_time() -> dict[str, object]:
    """Time the command's help as a whole process."""
    times = [
        seconds(lambda: subprocess.run([COMMAND, "--help"], capture_output=True, check=True))  # noqa: S603
        for _ in range(ROUNDS)
    ]
    return {"help, seconds": f"{median(times):.3f} ({min(times):.3f} to {max(times):.3f})"}


def memory() -> dict[str, object]:
    """Measure the peak memory of a whole run at 2,000 and at 16,000 replications."""
    program = (
        "import sys, tempfile, resource, pathlib\n"
        "from sim.scenario.load import load\n"
        "from sim.study.run import Budget, write_run\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    write_run(load('chicago2006'), Budget(int(sys.argv[1]), 1), pathlib.Path(folder))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    peaks = {}
    for replications in (2000, 16000):
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-W", "ignore", "-c", program, str(replications)],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks[f"peak MB, {replications} replications"] = round(int(done.stdout) / 1024)
    return peaks


def main() -> None:
    """Print everything as JSON."""
    found = {**pathway(), **help_time(), **memory(), "python": platform.python_version()}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
