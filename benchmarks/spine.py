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

from sim.clinic import arrays, pathway
from sim.patient.fates import draw_fates
from sim.patient.luck import BLOCK, Luck
from sim.scenario.load import load

ROUNDS = 7
_BLOCKS = 20
COMMAND = Path(sys.executable).with_name("lupus-hsct")


def seconds(work: object) -> float:
    """Time one call."""
    start = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - start


def race() -> dict[str, object]:
    """Race both simulators, fates included, against SimPy written by hand."""
    scenario = load("chicago2006").scenario
    patients = scenario.cohort.patients

    def by_hand() -> None:
        counts: Counter[str] = Counter()
        for seed in range(BLOCK):
            counts += Trial(scenario, seed).run(patients)

    def with_simpy() -> None:
        pathway.simulate(scenario, draw_fates(scenario, Luck(1), range(BLOCK)))

    def with_arrays() -> None:
        for block in range(_BLOCKS):
            arrays.simulate(
                scenario, draw_fates(scenario, Luck(1), range(BLOCK * block, BLOCK * (block + 1)))
            )

    by_hand(), with_simpy(), with_arrays()  # warm up
    rounds = [(seconds(by_hand), seconds(with_simpy), seconds(with_arrays) / _BLOCKS) for _ in range(ROUNDS)]
    people = BLOCK * patients
    return {
        "patients a second, SimPy by hand": round(people / median(hand for hand, _, _ in rounds)),
        "patients a second, this pathway in SimPy": round(people / median(simpy for _, simpy, _ in rounds)),
        "patients a second, over arrays": round(people / median(array for _, _, array in rounds)),
        "SimPy by hand / this pathway in SimPy": spread([hand / simpy for hand, simpy, _ in rounds]),
        "SimPy by hand / arrays": spread([hand / array for hand, _, array in rounds]),
    }


def spread(ratios: list[float]) -> str:
    """Write median and range."""
    return f"{median(ratios):.3g} ({min(ratios):.3g} to {max(ratios):.3g})"


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
    found = {**race(), **help_time(), **memory(), "python": platform.python_version()}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
