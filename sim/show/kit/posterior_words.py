"""What is said of a posterior, wherever figures are shown under draws of one."""

from __future__ import annotations

POSTERIOR = (
    "Posterior 95%: what the calibrated trial leaves open about the parameters, which only more evidence "
    "narrows."
)
SIMULATED = "Simulated: the mean over draws of the posterior."
FIRST_DRAW = "All of this is under the first draw of the posterior."
AT_RISK_FIRST_DRAW = "The numbers at risk are those under the first draw of the posterior."
MONTE_CARLO = "Monte Carlo error: the 95% interval of the simulated figure; more draws narrow it."


def sized(replications: int, draws: int | None) -> str:
    """Say how many replications there were in all, and under how many draws."""
    return f"{replications:,} replications{under_draws(draws)}"


def under_draws(draws: int | None) -> str:
    """Say under how many draws something was simulated, to be put after it; empty without draws."""
    return "" if draws is None else f" under {draws:,} draws of a posterior"
