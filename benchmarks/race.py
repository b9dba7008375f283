"""The benchmarks, ``make bench``: race the simulators, let them grow, and write ``benchmarks/README.md``.

Contestants run in turn, round after round, because timings of shared machines drift. A ratio is taken within
one round; what is shown is its median over the rounds and its range.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import growth
import machine
import tables
import whole_commands
from agreement import bound, check
from contestants import HISTORIES, INSTALL, SIMPY_BY_HAND, Contestant, contestants, libraries, missing
from plain_simpy import Trial
from tables import Agreements, Results, Times

from sim.scenario.load import load

SCENARIOS = ("chicago2006", "open_clinic")
README = Path(__file__).with_name("README.md")

# Replications for the check: the slower, the fewer.
_CHECKED = {
    "chicago2006": {HISTORIES: 20_000, SIMPY_BY_HAND: 4000, "Ciw": 1000, "salabim": 600},
    "open_clinic": {HISTORIES: 3000, SIMPY_BY_HAND: 300, "Ciw": 100, "salabim": 60},
}


def agreement() -> Agreements:
    """Compare every yardstick with the project; ends the program where they disagree."""
    found = {}
    trials: dict[str, Any] = {SIMPY_BY_HAND: Trial, **libraries()}
    for name in SCENARIOS:
        say(f"checking the yardsticks on {name}")
        replications = _CHECKED[name]
        yardsticks = {label: (trial, replications[label]) for label, trial in trials.items()}
        found[name] = check(load(name).scenario, replications[HISTORIES], yardsticks)
    everything = [one for by_name in found.values() for some in by_name.values() for one in some]
    worst = max(everything, key=lambda one: abs(one.z))
    if abs(worst.z) > bound(len(everything)):
        print("\n".join(tables.agreement(found)))
        sys.exit(f"a yardstick does not simulate what the project does: z = {worst.z:.1f} of {worst.label}")
    return found


def race(entrants: list[Contestant], rounds: int, seconds: float) -> Times:
    """Race some rounds; each turn takes about so many seconds. Returns nanoseconds a patient by round."""
    units = {entrant.name: _units(entrant.work, seconds) for entrant in entrants}
    times: Times = {entrant.name: [] for entrant in entrants}
    for _ in range(rounds):
        for entrant in entrants:
            start = time.perf_counter()
            patients = entrant.work(units[entrant.name])
            times[entrant.name].append((time.perf_counter() - start) / patients * 1e9)
    return times


def _units(work: Callable[[int], int], seconds: float) -> int:
    """Warm up, and return how many units take so long."""
    work(1)
    start = time.perf_counter()
    work(1)
    return max(1, round(seconds / (time.perf_counter() - start)))


def grow(results: Results, rounds: int, most: int) -> None:
    """Measure growth in patients a replication and in replications, up to so many."""
    for _ in range(rounds):
        for patients in growth.PATIENTS:
            say(f"{patients:,} patients a replication")
            results.patients.setdefault(patients, []).append(growth.measured("patients", patients))
        for replications in growth.REPLICATIONS:
            done = results.replications.setdefault(replications, [])
            if replications > most or (done and replications == max(growth.REPLICATIONS)):
                continue  # the longest once
            say(f"{replications:,} replications")
            done.append(growth.measured("replications", replications))


def whole_commands_of(results: Results) -> None:
    """Time whole commands, and calls in memory."""
    for command in (*whole_commands.COMMANDS, whole_commands.REPORT):
        say(f"lupus-hsct {command}")
        results.commands[command] = whole_commands.measured(command)
    results.commands[whole_commands.IN_MEMORY] = whole_commands.in_memory()


def say(what: str) -> None:
    """Tell progress."""
    print(what, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure speed and write it to benchmarks/README.md.")
    parser.add_argument("--check", action="store_true", help="only compare the yardsticks with the project")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of the race (7)")
    parser.add_argument("--seconds", type=float, default=0.6, help="length of a turn (0.6)")
    parser.add_argument("--no-growth", action="store_true", help="only race, print, and write nothing")
    parser.add_argument("--most", type=int, default=max(growth.REPLICATIONS), help="replications to grow to")
    parser.add_argument("--out", type=Path, default=README, help="file to write (benchmarks/README.md)")
    return parser.parse_args()


def main() -> None:
    """Measure everything and write the tables."""
    asked = arguments()
    if missing():
        say(f"not installed, so left out: {', '.join(missing())}; to have them: {INSTALL}")
    results = Results(machine.describe(), asked.rounds, missing())
    if asked.check:
        print("\n".join(tables.agreement(agreement())))
        return
    if not asked.no_growth:
        results.agreement = agreement()
    for name in SCENARIOS:
        say(f"racing on {name}")
        results.races[name] = race(contestants(load(name).scenario), asked.rounds, asked.seconds)
        say("\n".join(tables.race(results.races[name])))
    if asked.no_growth:
        return
    whole_commands_of(results)
    grow(results, min(asked.rounds, 3), asked.most)
    asked.out.write_text(tables.page(results), "utf-8")
    say(f"written to {asked.out}")


if __name__ == "__main__":
    main()
