"""How time and memory grow, each size in a process of its own so that its peak memory can be read.

``python benchmarks/growth.py patients|replications COUNT`` measures one size and prints it as JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from contestants import Work, histories, histories_and_endpoints

from sim.scenario.load import load
from sim.study.budget import Budget
from sim.study.experiment import Experiment
from sim.study.montecarlo import simulate

SCENARIO = "chicago2006"
PATIENTS = (50, 500, 5_000, 50_000)
"""Patients a replication."""
REPLICATIONS = (1_000, 10_000, 100_000, 1_000_000)

_ENOUGH_SECONDS = 1.0

Measured: TypeAlias = dict[str, float]


def time_patients(patients: int) -> Measured:
    """Time the arrays at a number of patients a replication: nanoseconds a patient."""
    scenario = load(SCENARIO, [f"cohort.patients={patients}"]).scenario
    return {
        "histories": _nanoseconds(histories(scenario)),
        "endpoints": _nanoseconds(histories_and_endpoints(scenario)),
    }


def time_replications(replications: int) -> Measured:
    """Time a study of so many replications, on one core and on two: seconds, and nanoseconds a patient."""
    scenario = load(SCENARIO).scenario
    patients = replications * scenario.cohort.patients
    experiment = Experiment((scenario,), 1, "arrays")

    def study(workers: int) -> float:
        return _seconds(lambda: list(simulate([experiment], Budget(replications, workers=workers))))

    one, two = study(1), study(2)
    return {"seconds": one, "nanoseconds": one * 1e9 / patients, "seconds_two": two}


_MEASURES: dict[str, Callable[[int], Measured]] = {
    "patients": time_patients,
    "replications": time_replications,
}


def measured(what: str, count: int) -> Measured:
    """Measure one size in a process of its own; adds the peak memory in MB."""
    command = [sys.executable, "-W", "ignore", __file__, what, str(count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    found: Measured = json.loads(done.stdout)
    return found


def _nanoseconds(work: Work) -> float:
    """Time work for long enough after a warm-up; nanoseconds a patient."""
    start = time.perf_counter()
    work(1)
    units = max(1, round(_ENOUGH_SECONDS / (time.perf_counter() - start)))
    start = time.perf_counter()
    patients = work(units)
    return (time.perf_counter() - start) / patients * 1e9


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _peak_mb() -> float:
    """Return the peak memory of this process.

    On Linux the resource usage of a child starts from its parent's peak, so it is no use here.
    """
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text("utf-8")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Measure one size and print it."""
    parser = argparse.ArgumentParser(description="Measure time and peak memory of one size.")
    parser.add_argument("what", choices=_MEASURES)
    parser.add_argument("count", type=int, help="patients a replication, or replications")
    asked = parser.parse_args()
    found = _MEASURES[asked.what](asked.count)
    print(json.dumps({**found, "peak_mb": _peak_mb()}))


if __name__ == "__main__":
    main()
