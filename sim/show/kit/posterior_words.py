"""What is said of a posterior, wherever figures are shown under draws of one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sim.scenario.registry import short
from sim.show.kit.formats import Row, format_share
from sim.show.kit.prose import sentences
from sim.study.estimates import Z95

FIRST_DRAW = "All of this is under the first draw of the posterior."
AT_RISK_FIRST_DRAW = "The numbers at risk are those under the first draw of the posterior."


def sized(replications: int, draws: int | None) -> str:
    """Say how many replications there were in all, and under how many draws."""
    return f"{replications:,} replications{under_draws(draws)}"


def under_draws(draws: int | None) -> str:
    """Say under how many draws something was simulated, to be put after it; empty without draws."""
    return "" if draws is None else f" under {draws:,} draws of a posterior"


def scope(manifest: Mapping[str, Any]) -> list[str]:
    """Say of what the posterior's 95% is: which parameters are drawn, and what is held.

    Of a validation, whose cohorts hold different ones, nothing.
    """
    if not manifest.get("draws") or "cohorts" in manifest:
        return []
    first = next(iter(manifest.get("scenarios", ())), manifest)
    drawn = first if "free" in first else manifest["posterior"]
    held = [row["status"] for row in first["parameters"] if row["key"] not in drawn["free"]]
    assumed = [each["key"] for each in manifest.get("study", {}).get("uncertain", ())]
    free, unfitted = ([key for key in drawn[of] if key not in assumed] for of in ("free", "unfitted"))
    return sentences("posterior", "scope", free, unfitted, len(held), held.count("assumption"), assumed)


def precision(read: Sequence[Row], draws: int) -> list[str]:
    """Say how well the limits are known, and what figures are at the calibrated values alone."""
    shares = [row for row in read if row.endpoint.kind == "share"]
    known = [row for row in shares if not math.isnan(row.posterior_se)]
    at_point = [
        f"{row.label.lower()} {format_share(row.at_point, row.half_width)}"
        for row in shares
        if not math.isnan(row.at_point)
    ]
    worst = max(known, key=lambda row: row.posterior_se, default=None)
    error = "" if worst is None else short(float(f"{100 * Z95 * worst.posterior_se:.2g}"))
    return sentences("posterior", "precision", draws, worst, error, at_point)
