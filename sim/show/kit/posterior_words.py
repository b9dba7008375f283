"""What is said of a posterior, wherever figures are shown under draws of one."""

from __future__ import annotations

FIRST_DRAW = "All of this is under the first draw of the posterior."
AT_RISK_FIRST_DRAW = "The numbers at risk are those under the first draw of the posterior."


def sized(replications: int, draws: int | None) -> str:
    """Say how many replications there were in all, and under how many draws."""
    return f"{replications:,} replications{under_draws(draws)}"


def under_draws(draws: int | None) -> str:
    """Say under how many draws something was simulated, to be put after it; empty without draws."""
    return "" if draws is None else f" under {draws:,} draws of a posterior"
