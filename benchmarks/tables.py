"""What was measured, and the tables that tell it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from agreement import Comparison, bound
from contestants import BARE, ENDPOINTS, HISTORIES, INSTALL, SIMPY_BY_HAND
from growth import SCENARIO, Measured
from whole_commands import ROUNDS

Agreements = dict[str, dict[str, list[Comparison]]]
Times = dict[str, list[float]]
"""Nanoseconds a patient by contestant, one figure a round."""


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 110, break_on_hyphens=False) + "\n"


@dataclass(slots=True)
class Results:
    """Everything that was measured."""

    machine: list[str]
    rounds: int
    missing: list[str]
    agreement: Agreements = field(default_factory=dict)
    """By scenario and yardstick."""
    races: dict[str, Times] = field(default_factory=dict)
    patients: dict[int, list[Measured]] = field(default_factory=dict)
    replications: dict[int, list[Measured]] = field(default_factory=dict)
    commands: dict[str, list[Measured]] = field(default_factory=dict)


def page(results: Results) -> str:
    """Return the page."""
    parts = [
        "# Benchmarks\n",
        _wrapped(
            "Written by `make bench`, which makes this page again. A figure is the median of "
            f"{results.rounds} rounds unless stated, its range in brackets. Contestants run in turn, round "
            "after round, and a ratio is taken within one round, because timings of shared machines drift. "
            "Everything runs on one core unless stated."
        ),
        *results.machine,
        "\n## Whole commands\n",
        _COMMANDS,
        *commands(results.commands),
        "\n## The race\n",
        _CONTESTANTS,
    ]
    if results.missing:
        parts.append(f"Not installed, so left out: {', '.join(results.missing)} (`{INSTALL}`).\n")
    for scenario, times in results.races.items():
        parts += [f"`{scenario}`:\n", *race(times), ""]
    parts += ["## The yardsticks simulate the same\n", *agreement(results.agreement)]
    parts += ["## Growth\n", *_growth(results)]
    return "\n".join(parts) + "\n"


_COMMANDS = _wrapped(
    f"As a user types them: a process each, with imports, tables, figures and page, {ROUNDS} after a "
    "warm-up. Processor seconds are user and system time together. Figures are SVG where nothing is said. "
    "The last row is a call in a running program, after the first one."
)
_CONTESTANTS = f"""\
- **{SIMPY_BY_HAND}** (`plain_simpy.py`): the pathway as one would write it, one process a patient, which
  draws its own numbers from Python's generator as it goes and counts a few figures. It is the yardstick. The
  **lean** one has no resource where nobody ever waits and a faster equal for everything that has one: as fast
  as we could make it.
- **Ciw**, **salabim**: the same by hand, as lean as these libraries allow.
- **this pathway in SimPy**: `sim.clinic.pathway`, addressed fates and full histories included.
- **arrays**: `sim.clinic.arrays`, fates included: histories alone; with every endpoint read off them, also as
  each trial would report it; and as a study does it beyond its first 10,000 replications, which are no longer
  read as trials, with sums, survival curves and hashes.
- **{BARE}** (`bare_numbers.py`): the random numbers that the scenario consumes, drawn in whole tiles and
  transformed in place by NumPy and SciPy, with no logic around them.
"""


def race(times: Times) -> list[str]:
    """Return the table of one race."""
    rows = [
        (
            name,
            f"{1e9 / median(own):,.0f}",
            spread(own),
            spread(_ratios(times[SIMPY_BY_HAND], own)),
            spread(_ratios(own, times[BARE])),
        )
        for name, own in times.items()
    ]
    head = (
        "",
        "patients a second",
        "ns a patient",
        "times as fast as SimPy by hand",
        "times the bare numbers",
    )
    return table(head, rows)


def agreement(found: Agreements) -> list[str]:
    """Return the table of every yardstick's figures beside the project's."""
    rows = [
        (
            f"`{scenario}`",
            some[0].label,
            f"{some[0].project:.4g}",
            *(f"{one.yardstick:.4g} ({one.z:+.1f})" for one in some),
        )
        for scenario, by_yardstick in found.items()
        for some in zip(*by_yardstick.values(), strict=True)
    ]
    yardsticks = list(next(iter(found.values())))
    comparisons = len(rows) * len(yardsticks)
    return [
        *table(("scenario", "figure", "arrays", *yardsticks), rows),
        "",
        _wrapped(
            "In brackets the difference from the arrays in standard errors. By chance alone one of "
            f"{comparisons} exceeds {bound(comparisons):.1f} once in 10,000 times; where one does, the "
            "benchmark stops."
        ),
    ]


def _growth(results: Results) -> list[str]:
    by_patients = [
        (
            f"{count:,}",
            spread(_column(done, "histories")),
            spread(_column(done, "endpoints")),
            _most(done),
        )
        for count, done in results.patients.items()
    ]
    by_replications = [
        (
            f"{count:,}",
            spread(_column(done, "seconds")),
            spread(_column(done, "nanoseconds")),
            spread(_column(done, "seconds_two")),
            _most(done),
        )
        for count, done in results.replications.items()
        if done
    ]
    rounds = max((len(done) for done in results.patients.values()), default=0)
    return [
        _wrapped(
            f"Each size in a process of its own, {rounds} rounds (the longest study one); peak memory is "
            f"that of the whole process. `{SCENARIO}` over arrays, with more patients a replication:"
        ),
        *table(
            ("patients a replication", f"{HISTORIES}: ns a patient", f"{ENDPOINTS}: ns a patient", "peak MB"),
            by_patients,
        ),
        "\nStudies of 50 patients a replication, endpoints, intervals and curves included:\n",
        *table(
            ("replications", "seconds", "ns a patient", "on two cores: seconds", "peak MB"), by_replications
        ),
        "\nStarting two processes takes about a second and a half.",
    ]


def commands(found: Mapping[str, Sequence[Measured]]) -> list[str]:
    """Return the table of whole commands; of calls in memory only processor time is known."""
    rows = [
        (
            f"`{name}`" if "sim." in name else f"`lupus-hsct {name}`",
            spread(_column(done, "processor")),
            spread(_column(done, "seconds")) if "seconds" in done[0] else "",
        )
        for name, done in found.items()
    ]
    return table(("command", "processor seconds", "seconds"), rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table, all but the first column to the right where they are numbers."""
    body = list(rows)
    numeric = [all(row[k][:1] in "0123456789+-" for row in body) for k in range(len(head))]
    rule = ["---:" if right else "---" for right in numeric]
    return [f"| {' | '.join(row)} |" for row in (head, rule, *body)]


def spread(values: Sequence[float]) -> str:
    """Write median and range, or the one value."""
    middle, low, high = (_three_digits(value) for value in (median(values), min(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({low} to {high})"


def _three_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ratios(over: Sequence[float], under: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(over, under, strict=True)]


def _column(done: Sequence[Measured], name: str) -> list[float]:
    return [one[name] for one in done]


def _most(done: Sequence[Measured]) -> str:
    return f"{max(_column(done, 'peak_mb')):,.0f}"
