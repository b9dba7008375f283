"""Special functions of SciPy, imported when one is first called: that takes longer than a whole scenario."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    from scipy import special

    globals()[name] = getattr(special, name)
    return globals()[name]
