"""The exact interval of a count."""

from __future__ import annotations

from scipy import special


def clopper_pearson(events: int, n: int) -> tuple[float, float]:
    """Return the exact 95% interval of a published count: events of n.

    Notes
    -----
    Clopper CJ, Pearson ES. Biometrika 1934;26:404-413.
    """
    lower = float(special.betaincinv(events, n - events + 1, 0.025)) if events > 0 else 0.0
    upper = float(special.betaincinv(events + 1, n - events, 0.975)) if events < n else 1.0
    return lower, upper
