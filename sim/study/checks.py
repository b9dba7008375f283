"""One comparison of a simulated figure with what is known without simulation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

import pandas as pd

Kind: TypeAlias = Literal["closed form", "Little's law", "exact twin"]

CLOSE = 4.0
"""Standard errors that one of a hundred true comparisons exceeds once in 160 reports."""

FEWEST_REPLICATIONS = 100
"""With fewer the Monte Carlo error is not known well enough to judge by it."""

ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison; ``mc_se`` is 0 where nothing is left to chance."""

    kind: Kind
    what: str
    expected: float
    got: float
    mc_se: float

    @property
    def difference(self) -> float:
        """What was got, less what was expected."""
        return self.got - self.expected

    @property
    def z(self) -> float:
        """The difference in standard errors; not a number where there is none."""
        return self.difference / self.mc_se if self.mc_se > 0 else math.nan

    @property
    def passed(self) -> bool:
        """Whether the difference is rounding, or within `CLOSE` standard errors."""
        return abs(self.difference) < ROUNDING or abs(self.difference) <= CLOSE * self.mc_se


def check_table(checks: Sequence[Check]) -> pd.DataFrame:
    """Return ``checks.csv``: ``kind, what, expected, got, mc_se``, and whether each ``passed``."""
    rows = [{**asdict(check), "passed": check.passed} for check in checks]
    return pd.DataFrame(rows, columns=["kind", "what", "expected", "got", "mc_se", "passed"])


def read_checks(table: pd.DataFrame) -> list[Check]:
    """Return the comparisons of ``checks.csv``."""
    rows = table[["kind", "what", "expected", "got", "mc_se"]].itertuples(index=False)
    return [Check(*row) for row in rows]
