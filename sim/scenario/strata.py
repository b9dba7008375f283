"""Strata: groups of patients told apart by what is known at enrolment, as ``--by`` names them."""

from __future__ import annotations

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
_NO_END = 10**9
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
        12 <= age < 26.
    female
        Whether they are women; None for both.
    """

    factor: str
    name: str
    low: int = 0
    end: int = _NO_END
    female: bool | None = None

    def holds(self, age: Floats, female: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Tell which patients are in it."""
        if self.female is None:
            return (age >= self.low) & (age < self.end)
        return female if self.female else ~female


EVERYBODY = Stratum("everybody", "everybody")
"""The first of every table."""
_SEXES = (Stratum("sex", "female", female=True), Stratum("sex", "male", female=False))


def spoken(factor: str, name: str) -> str:
    """Name a stratum among those of several factors."""
    return f"age {name}" if factor == "age" else name


def read_strata(asked: Sequence[str]) -> tuple[Stratum, ...]:
    """Read what patients are told apart by: ``age=12-25,26-40,41+``, ``sex``, or several such texts.

    Raises
    ------
    RequestError
        Nothing is called so, a band is none, is reversed or overlaps another, or there are too many.
    """
    found: list[Stratum] = []
    for text in asked:
        name, _, bands = (part.strip() for part in text.partition("="))
        if name not in _FACTORS:
            what, otherwise = f'unknown "{cut_short(name)}"', "patients are told apart by age and by sex"
            raise RequestError(f"--by {cut_short(text)}: {unknown(what, name, _FACTORS, otherwise)}")
        if _FACTORS[name] == "sex" and bands:
            raise RequestError(f"--by {cut_short(text)}: its strata are female and male; write --by sex")
        found += _SEXES if _FACTORS[name] == "sex" else [_band(each.strip()) for each in bands.split(",")]
    for one, other in pairwise(sorted(found, key=lambda each: (each.factor, each.low, each.name))):
        if one.factor == other.factor and other.low < one.end and one.female == other.female:
            raise RequestError(
                f"--by: {one.name} and {other.name} overlap, and a patient has one band: {_AS_IN}"
            )
    if len(found) > MOST_STRATA:
        raise RequestError(f"--by: {len(found)} strata given; allowed: up to {MOST_STRATA}. Take wider bands")
    return tuple(found)


def _band(text: str) -> Stratum:
    read = _BAND.fullmatch(text)
    if read is None:
        given = f"{cut_short(text) or 'no band'} given"
        raise RequestError(f"--by age: {given}; allowed: bands of whole years, {_AS_IN}")
    low, last, open_ = read.groups()
    end = _NO_END if open_ else int(last or low) + 1
    if end <= int(low):
        raise RequestError(f"--by age: {text} runs backwards; write {last}-{low}")
    return Stratum("age", text, int(low), end)
