"""What is said of a posterior, wherever figures are shown under draws of one."""

from __future__ import annotations

POSTERIOR = (
    "Posterior 95%: what the calibrated trial leaves open about the parameters, which only more evidence "
    "narrows."
)
SIMULATED = "Simulated: the mean over draws of the posterior."
FIRST_DRAW = "Patients and trials shown one by one are those under the first draw of the posterior."


def sized(replications: int, draws: int | None) -> str:
    """Say how many replications there were in all, and under how many draws."""
    return f"{replications:,} replications{under_draws(draws)}"


def under_draws(draws: int | None) -> str:
    """Say under how many draws something was simulated, to be put after it; empty without draws."""
    return "" if draws is None else f" under {draws:,} draws of a posterior"
