"""An answer in words: whole people of one denominator first, both framings, the number needed last."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sim.app.answer import DEATHS, SideShown
from sim.app.clinic import Sharpened
from sim.app.fates import LEAST, MANY, died
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import Key
from sim.show.comparison import Averted, number_needed
from sim.show.kit.formats import in_years
from sim.show.kit.prose import sentences
from sim.study.compare import SURVIVAL

_NOTHING = 1e-9


@dataclass(frozen=True, slots=True)
class RateShown:
    """Of how many people something becomes, before and now; `change` is that of the shares."""

    what: str
    before: int
    now: int
    per: int
    change: float

    @property
    def more(self) -> str:
        """The change: as a count where the counts tell it, else of 1,000, or that it is less than that."""
        if abs(self.change) < _NOTHING:
            return "no change"
        way, number = "more" if self.change > 0 else "fewer", self.now - self.before
        if number * self.change > 0 and abs(number - self.per * self.change) <= 1:
            return f"{abs(number):,} {way}"
        of_many = MANY * abs(self.change)
        return f"{of_many:.0f} of {MANY:,} {way}" if of_many >= 1 else f"less than 1 of {MANY:,} {way}"


def rates(base: SideShown, changed: SideShown, per: int) -> Iterator[RateShown]:
    """Yield everybody's deaths, those of each cause that there is, and who is in remission."""
    dead, shares = (
        [died(values) for values in pair] for pair in zip(*map(_both, (base, changed)), strict=True)
    )
    yield RateShown("all", round(dead[0]), round(dead[1]), per, shares[1] - shares[0])
    for fate in (*DEATHS, "remission"):
        one, other = (side.shares.get(fate, 0.0) for side in (base, changed))
        if max(one, other) > _NOTHING:
            counts = [side.counts.get(fate, 0) for side in (base, changed)]
            yield RateShown(fate, counts[0], counts[1], per, other - one)


def _both(side: SideShown) -> tuple[Mapping[str, float], Mapping[str, float]]:
    return side.counts, side.shares


def words_of(
    base: SideShown, changed: SideShown, per: int, years: float, said: Sequence[str], apart: Sequence[str],
    drawn: Floats | None = None, *, known: bool = True,
) -> list[str]:  # fmt: skip
    """Return the sentences.

    Parameters
    ----------
    said
        What is changed, in words.
    apart
        Why the two sides are no treatment and alternative; empty where they are.
    drawn
        By how much the changed share of deaths is higher, under each draw of a posterior.
    known
        False where not enough is simulated yet to tell whether more or fewer die.
    """
    when, told = in_years(years), list(rates(base, changed, per))
    lived = [_lived(side.figures, years) for side in (base, changed)]
    if changed is base:
        return sentences("app", "alone", told, when, per, lived[0], bool(said))
    if apart:
        return sentences("app", "apart", told, when, per, lived, said, apart)
    left = None if drawn is None else np.quantile(drawn, (0.025, 0.975)).tolist()
    ends = None if left is None else [RateShown("all", 0, 0, MANY, end).more for end in left]
    sides = left is not None and left[0] < 0 < left[1]
    needed = _needed(told[0].change, years) if known else ""
    return sentences("app", "words", told, when, per, lived, said, needed, ends, sides)


def simulated(found: Sharpened, years: float) -> list[str]:
    """Return what Monte Carlo error leaves open of everybody's deaths, as whole people of 1,000."""
    key = (SURVIVAL, years)
    if not found.changes:
        most = [f"{MANY * (1 - limit):,.0f}" for limit in reversed(found.limits[0][key])]
        return sentences("app", "simulated", found.trials, in_years(years), most, [], False)
    _, low, high = found.changes[key]
    ends = [RateShown("all", 0, 0, MANY, -end).more for end in (high, low)]
    return sentences("app", "simulated", found.trials, in_years(years), [], ends, low <= 0 <= high)


def _lived(figures: Mapping[Key, float], years: float) -> str:
    return f"{figures['restricted_mean_survival_enrolled', years]:.2f}"


def _needed(more_die: float, years: float) -> str:
    """Return the number needed for one death more or fewer; empty where hardly anybody's death changes."""
    if abs(more_die) < LEAST:
        return ""
    return number_needed(Averted(years, -100 * more_die, math.nan, math.nan)).rpartition(" ")[2]
