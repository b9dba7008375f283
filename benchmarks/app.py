"""How fast the app's page answers, in Chromium: ``PYTHONPATH=tests python benchmarks/app.py``."""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from browsing import Tabs, browsing

_SCRIPT = Path(__file__).with_name("app.js").read_text("utf-8")
_LOADED = (
    "const it = performance.getEntriesByType('navigation')[0]; return it.loadEventEnd && it.loadEventEnd"
)


@contextmanager
def served() -> Iterator[tuple[int, str, float]]:
    """Serve the app in a process of its own; its number, its address and how long it took to start."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "sim.cli", "app", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        found = re.search(r"http://\S+[0-9]", process.stdout.readline() if process.stdout else "")
        if found is None:
            sys.exit("lupus-hsct app does not start")
        try:
            yield process.pid, found.group(), time.perf_counter() - began
        finally:
            process.terminate()


def resident(process: int) -> float:
    """Return the memory of a process in MB."""
    text = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024  # type: ignore[index]


def first_page(tabs: Tabs) -> float:
    """Return the milliseconds until a page has loaded."""
    tabs.open()
    return float(tabs.wait(_LOADED))


def moved(tabs: Tabs, movements: int, offset: int = 0, rest: int = 0) -> list[tuple[float, str]]:
    """Return the milliseconds from release to changed picture of some movements, and of which slider.

    Between them the hand rests for some milliseconds.
    """
    tabs.driver.set_script_timeout(60 + 4 * movements)
    times = tabs.driver.execute_async_script(_SCRIPT, movements, offset, rest)
    if isinstance(times, str):
        sys.exit(times)
    return [(float(time), str(key)) for time, key in times]


def said(name: str, times: list[float]) -> None:
    ordered = sorted(times)
    late = ordered[min(int(0.95 * len(ordered)), len(ordered) - 1)]
    print(
        f"{name:<44}{statistics.median(ordered):8.0f}{late:8.0f}{ordered[-1]:8.0f}   of {len(ordered)}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--movements", type=int, default=200)
    parser.add_argument("--long", type=int, default=2000, help="movements over which memory is watched")
    asked = parser.parse_args()
    print(f"{os.cpu_count()} processors; milliseconds{'median':>27}{'95%':>8}{'most':>8}")
    with tempfile.TemporaryDirectory() as folder, served() as (process, own, started):
        with browsing(own, Path(folder) / "one") as tabs:
            said("first page ever", [first_page(tabs)])
            said("page again", [first_page(tabs) for _ in range(10)])
            times = moved(tabs, asked.movements)
            said("release to changed picture", [time for time, _ in times])
            by_key = defaultdict(list)
            for took, key in times:
                by_key[key].append(took)
            for key, own_times in sorted(by_key.items(), key=lambda each: -statistics.median(each[1])):
                said(f"  {key}", own_times)
            rested = moved(tabs, asked.movements // 4, 50, 900)
            said("  by a hand that rests 0.9 s in between", [time for time, _ in rested])
            memory, step = [resident(process)], max(asked.long // 8, 1)
            for part in range(8):
                moved(tabs, step, part + 1)
                memory.append(resident(process))
            print(f"server's MB over {8 * step:,} movements: {' '.join(f'{each:.0f}' for each in memory)}")
        with ExitStack() as stack:
            three = [stack.enter_context(browsing(own, Path(folder) / str(number))) for number in range(3)]
            for tabs in three:
                tabs.open()
            with ThreadPoolExecutor(3) as pool:
                parts = pool.map(
                    lambda each: moved(each[1], asked.movements // 3, 100 * each[0]), enumerate(three)
                )
            said("release to changed picture, three at once", [took for part in parts for took, _ in part])
        print(f"the command takes {started:.1f} s until it listens")


if __name__ == "__main__":
    main()
