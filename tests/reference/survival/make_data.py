"""Write data.csv, the trials on which the estimators are compared: ``python make_data.py``.

Times are decimals with few digits, so that every program reads the same numbers. Most trials are drawn with a
fixed seed, the others are written out because they are corners.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

FILE = Path(__file__).with_name("data.csv")
PUBLIC = Path(__file__).with_name("public.csv")
"""The columns needed of R's public data sets; public.R writes them."""

Row: TypeAlias = tuple[float, int, str, str]
"""Time, cause (-1 for a censoring), group and stratum (empty where there are none)."""

# Weeks in remission of children with leukaemia on 6-mercaptopurine and on placebo, minus for a censoring.
# Freireich EJ et al. Blood 1963;21:699-716.
MERCAPTOPURINE = [6, 6, 6, -6, 7, -9, 10, -10, -11, 13, 16, -17, -19, -20, 22, 23, -25, -32, -32, -34, -35]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


def one_cause(times: Iterable[float], group: str = "") -> list[Row]:
    """Return a trial written as times, with a minus for a censoring."""
    return [(abs(time), -1 if time < 0 else 0, group, "") for time in times]


def by_cause(causes: Sequence[Sequence[float]], censored: Sequence[float]) -> list[Row]:
    """Return a trial written as the event times of each cause and the censorings."""
    rows = [(time, cause, "", "") for cause, times in enumerate(causes) for time in times]
    return rows + [(time, -1, "", "") for time in censored]


def drawn(
    patients: int,
    hazards: Sequence[float],
    longest: float,
    step: float,
    *,
    groups: Sequence[float] = (),
    strata: int = 0,
) -> list[Row]:
    """Return a drawn trial: exponential times by cause, uniform censoring, rounded up to a step.

    Parameters
    ----------
    hazards
        Of each cause.
    longest
        Censoring is uniform between 0 and this.
    groups
        Relative hazard in each group; patients take turns.
    """
    luck = np.random.default_rng([patients, len(hazards), int(1000 * longest), len(groups), strata])
    relative = np.array(groups or [1.0])[np.arange(patients) % max(len(groups), 1)]
    latent = luck.exponential(size=(len(hazards), patients)) / (np.array(hazards)[:, None] * relative)
    censoring = luck.uniform(0, longest, patients)
    first = np.minimum(latent.min(axis=0), censoring)
    cause = np.where(latent.min(axis=0) <= censoring, latent.argmin(axis=0), -1)
    time = np.round(np.ceil(first / step) * step, 6)
    layer = luck.integers(0, strata, patients) if strata else None
    return [
        (
            float(time[p]),
            int(cause[p]),
            "abc"[p % len(groups)] if groups else "",
            "" if layer is None else f"s{layer[p]}",
        )
        for p in range(patients)
    ]


def in_turns(rows: Sequence[Row], names: str) -> list[Row]:
    """Return the rows with groups given in turns."""
    return [(time, cause, names[i % len(names)], stratum) for i, (time, cause, _, stratum) in enumerate(rows)]


def public() -> dict[str, list[Row]]:
    """Return the public data sets by name."""
    found: dict[str, list[Row]] = {}
    with PUBLIC.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["trial"], []).append((float(row["time"]), int(row["cause"]), "", ""))
    return found


def trials() -> dict[str, list[Row]]:
    """Return all trials by name."""
    return {
        "freireich": one_cause(MERCAPTOPURINE, "6-mp") + one_cause(PLACEBO, "placebo"),
        "one patient with event": one_cause([2]),
        "one patient censored": one_cause([-2]),
        "two patients at once": one_cause([3], "a") + one_cause([3], "b"),
        "all censored": one_cause([-1, -2, -2, -3.5]),
        "none censored": drawn(25, [0.3], 1e6, 0.001),
        "none censored with ties": drawn(40, [0.3], 1e6, 1),
        "last one censored": one_cause([1, -2, 3, 4, -5, 6, -7]),
        "last one an event": one_cause([1, -2, 3, 4, -5, -6, 7]),
        "event and censoring at once": one_cause([2, -2, -2, 4, 4, -4, 5, -5]),
        "all at once": one_cause([4, 4, 4]),
        "all at once and some censored": one_cause([4, 4, -4, 4, -4]),
        "heavy ties": drawn(200, [0.25], 12, 1),
        "median exactly a half": one_cause([1, 2, 3, 4]),
        "a half to the end": one_cause([1, 2, -3, -4]),
        "median without upper limit": one_cause([1, 2, 3, -4, 5, -6, 7, -8, -9, 10, -11]),
        "nearly equal times": one_cause([1, 2.000000001, -2, 2.000000003, 3, -3.00000001, 4, 5.0000001, 5]),
        "nearly equal days": one_cause([1000, 2000.00001, -2000, 3000, 3000.00002, -3500, 3600.0001, 3600]),
        "event at time zero": one_cause([0, -0.0, 1, -1, 2, 3, -4]),
        "causes at once": by_cause([[2, 2, 5], [2, 5, 7], [7]], [2, 3, 5, 8]),
        "causes with heavy ties": drawn(150, [0.1, 0.2, 0.05], 10, 1),
        "a cause that never strikes": by_cause([[1, 3], [], [3, 4]], [2, 5]),
        "causes at once at the end": by_cause([[1, 6], [3, 6]], [2, 4]),
        "trial of 50": drawn(50, [0.06, 0.09, 0.02], 7.5, 0.001),
        "two groups": drawn(80, [0.2], 8, 0.01, groups=(1, 0.5)),
        "three groups with ties": drawn(120, [0.2], 8, 0.5, groups=(1, 1.6, 0.7)),
        "a group without events": in_turns(one_cause([1, -2, 3, -4, 5, -6, 7, -8]), "ab"),
        "a group gone before events": in_turns(one_cause([4, -1, 5, -2, -6, -3, 7, -3]), "ab"),
        "groups in strata": drawn(200, [0.3], 6, 0.25, groups=(1, 0.6, 0.8), strata=4),
        "large": drawn(2000, [0.1, 0.15, 0.02], 12, 0.0001, groups=(1, 0.9)),
        **public(),
    }


def main() -> None:
    """Write the file."""
    with FILE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["trial", "time", "cause", "group", "stratum"])
        for name, rows in trials().items():
            writer.writerows([name, repr(float(time)), *rest] for time, *rest in rows)


if __name__ == "__main__":
    main()
