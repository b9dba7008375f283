"""Strata: groups of patients told apart by what is known at enrolment, as ``--by`` names them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sim.scenario.distributions import Floats
from sim.scenario.problems import RequestError
from sim.scenario.refusals import cut_short, unknown

MOST_STRATA = 12
"""Every stratum is read as the whole is, which takes as long again."""

# What people may call what patients are told apart by: as here, or as the parameter that it is drawn from.
_FACTORS = {
    "age": "age", "sex": "sex", "cohort.age": "age", "cohort.age_years": "age", "cohort.sex": "sex",
    "cohort.female": "sex", "female": "sex",
}  # fmt: skip
_BAND = re.compile(r"(\d{1,3})(?:-(\d{1,3})|(\+)|)", re.ASCII)
_AS_IN = "as in --by age=12-25,26-40,41+"


@dataclass(frozen=True, slots=True)
class Stratum:
    """Patients of an age or of a sex.

    Attributes
    ----------
    factor, name
        What patients are told apart by, ``age`` or ``sex``, and what the stratum is called.
    low, end
        Years from which and below which its patients are at enrolment, in completed years: ``12-25`` is
        12 <= age < 26. Without an end it is None.
    female
        Whether they are women; None for both.
    """

    factor: str
    name: str
    low: int = 0
    end: int | None = None
    female: bool | None = None

    def holds(self, age: Floats, female: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Tell which patients are in it."""
        if self.female is not None:
            return female if self.female else ~female
        return (age >= self.low) & (age < (math.inf if self.end is None else self.end))


def read_strata(asked: Sequence[str]) -> tuple[Stratum, ...]:
    """Read what patients are told apart by: ``age=12-25,26-40,41+``, ``sex``, or several such texts.

    Raises
    ------
    RequestError
        Nothing is called so, a band is none, is reversed or overlaps another, or there are too many.
    """
    found: list[Stratum] = []
    for text in asked:
        name, _, bands = (part.strip() for part in str(text).partition("="))
        if name not in _FACTORS:
            what, otherwise = f'unknown "{cut_short(name)}"', "patients are told apart by age and by sex"
            raise RequestError(f"--by {cut_short(str(text))}: {unknown(what, name, _FACTORS, otherwise)}")
        factor = _FACTORS[name]
        if any(each.factor == factor for each in found):
            raise RequestError(f"--by {text}: {factor} is named twice; give its strata in one --by")
        found += _ages(text, bands) if factor == "age" else _sexes(text, bands)
    if len(found) > MOST_STRATA:
        raise RequestError(f"--by: {len(found)} strata given; allowed: up to {MOST_STRATA}. Take wider bands")
    return tuple(found)


def _sexes(text: str, bands: str) -> list[Stratum]:
    if bands:
        raise RequestError(f"--by {text}: its strata are female and male; write --by sex")
    return [Stratum("sex", "female", female=True), Stratum("sex", "male", female=False)]


def _ages(text: str, bands: str) -> list[Stratum]:
    found = []
    for band in bands.split(","):
        read = _BAND.fullmatch(band.strip())
        if read is None:
            given = f"{band.strip() or 'no band'} given"
            raise RequestError(f"--by {text}: {given}; allowed: bands of whole years, {_AS_IN}")
        low, last, open_ = read.groups()
        end = None if open_ else int(last or low) + 1
        if end is not None and end <= int(low):
            raise RequestError(f"--by {text}: {band} runs backwards; write {last}-{low}")
        found.append(Stratum("age", band.strip(), int(low), end))
    ordered = sorted(found, key=lambda each: each.low)
    for one, other in pairwise(ordered):
        if other.low < (math.inf if one.end is None else one.end):
            raise RequestError(
                f"--by {text}: {one.name} and {other.name} overlap; every patient is in one band at most, "
                f"{_AS_IN}"
            )
    return found
