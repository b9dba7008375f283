"""A comparison in sentences: deaths averted, the number needed to treat, and who lives or dies instead."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sim.scenario.registry import short
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value
from sim.show.kit.axis import written
from sim.show.kit.formats import decimals, format_share
from sim.study.named_patients import NamedPatients
from sim.study.pairing import Change

_MOST_NAMES = 25
_INFINITY = "infinity"
POSTERIOR_95 = "95% posterior"
FIRST_DRAW = "the first draw"


@dataclass(frozen=True, slots=True)
class Averted:
    """Deaths averted per 100 enrolled, by some years, with the interval of their difference."""

    years: float
    value: float
    lower: float
    upper: float
    drawn: bool = False
    """Whether the interval is a posterior's, and not Monte Carlo error."""

    @classmethod
    def of(cls, row: Mapping[Any, Any], *, drawn: bool = False) -> Averted:
        """Read a row of ``deaths_averted.csv``."""
        names = ("time_years", "averted_per_100", "averted_lower", "averted_upper")
        years, value, lower, upper = (float(row[name]) for name in names)
        return cls(years, value, lower, upper, drawn)

    @property
    def undecided(self) -> bool:
        """Whether the interval holds 0: more replications would tell, or with a posterior more evidence."""
        return self.lower <= 0 <= self.upper

    @property
    def digits(self) -> int:
        """The decimals that the interval supports, and one that it half supports."""
        third = (self.upper - self.lower) / 6  # a third of the half width: 0.26 (0.16 to 0.36), and not 0.3
        return decimals(third) if third > 0 else 2

    def number(self, value: float, digits: int | None = None) -> str:
        """Write deaths per 100, with this figure's own decimals unless others are given."""
        text = f"{value:.{self.digits if digits is None else digits}f}"
        return text.removeprefix("-") if float(text) == 0 else text

    @property
    def text(self) -> str:
        """The figure with its interval; negative is deaths caused."""
        if math.isnan(self.value):
            return "unknown"
        shown = self.number(self.value)
        if not math.isnan(self.lower):
            shown += f" ({self.number(self.lower)} to {self.number(self.upper)})"
        return shown.replace("-", "\N{MINUS SIGN}")


def number_needed(averted: Averted) -> str:
    """Return the number needed to treat, or to harm, in words, with its interval.

    It is 100 over the deaths averted per 100, and its limits are the limits inverted. Where the interval of
    the deaths averted holds 0, that of the number needed runs through infinity, and says so.

    Notes
    -----
    Altman DG. Confidence intervals for the number needed to treat. BMJ 1998;317:1309-1312.
    """
    if math.isnan(averted.value):
        return ""
    if averted.value == averted.lower == averted.upper == 0:
        return "nobody's death averted"
    what = "treat" if averted.value >= 0 else "harm"
    text = f"number needed to {what} {_inverse(averted.value)}"
    # Seen from the side of the figure itself: near is its limit far from 0, beyond the one towards 0.
    near, beyond = (averted.upper, averted.lower) if averted.value >= 0 else (-averted.lower, -averted.upper)
    if math.isnan(near):
        return text
    if beyond > 0:
        return f"{text} ({_inverse(near)} to {_inverse(beyond)})"
    if beyond == 0:
        return f"{text} ({_inverse(near)} to {_INFINITY})" if near > 0 else text
    other = "harm" if averted.value >= 0 else "treat"
    return f"{text} ({_inverse(near)} to {_INFINITY}, or {other} {_inverse(beyond)})"


def _inverse(per_100: float) -> str:
    if per_100 == 0:
        return _INFINITY
    patients = abs(100 / per_100)
    return f"{patients:.1f}" if patients < 10 else f"{patients:,.0f}"


def own_values(scenarios: Mapping[str, Scenario], free: Mapping[str, Sequence[str]] | None = None) -> str:
    """Say at which values of their ranges scenarios stand as they are; empty where none has a range.

    Parameters
    ----------
    free
        By scenario, the parameters that are drawn from a posterior.
    """
    return " and ".join(
        f"{shown.key} drawn from the posterior in {name}"
        if free and shown.key in free[name]
        else f"{shown.key} = {written(get_value(scenario, shown.key))} in {name}"
        for name, scenario in scenarios.items()
        for shown in scenario.range
    )


def held_at(sentence: str, held: str) -> str:
    """Put in front of a sentence the values of a range at which alone it holds."""
    return f"With {held}, {sentence[:1].lower()}{sentence[1:]}" if held else sentence


def averted_sentence(averted: Averted, reference: str, name: str) -> str:
    """Say how many deaths a scenario averts or costs compared with the reference."""
    if math.isnan(averted.value):
        return f"Deaths that {name} averts can't be counted: it and {reference} share no time of reading."
    if averted.value == averted.lower == averted.upper == 0:
        return f"By {short(averted.years)} years as many die with {name} as with {reference}."
    start, needed = f"By {short(averted.years)} years", number_needed(averted)
    if averted.undecided:
        who = "the posterior" if averted.drawn else "Monte Carlo error"
        return (
            f"{start} {who} does not tell whether {name} averts or costs lives compared with "
            f"{reference}: {averted.text} deaths averted per 100 enrolled; {needed}."
        )
    verb, noun, sign = ("averts", "deaths", 1) if averted.value >= 0 else ("costs", "lives", -1)
    text = (
        f"{start} {name} {verb} {averted.number(abs(averted.value))} {noun} per 100 enrolled compared with "
    )
    text += reference
    if not math.isnan(averted.lower):
        low, high = sorted((sign * averted.lower, sign * averted.upper))
        kind = f", {POSTERIOR_95}" if averted.drawn else ""
        text += f" ({averted.number(low)} to {averted.number(high)}{kind})"
    return f"{text}; {needed}."


def range_sentence(over: pd.DataFrame, reference: str, name: str) -> str:
    """Say between what and what the deaths averted lie over one range.

    Parameters
    ----------
    over
        The rows of ``deaths_averted.csv`` of one scenario and one key of a range.
    """
    found = [Averted.of(row) for row in over.to_dict("records")]
    known = sorted((each for each in found if not math.isnan(each.value)), key=lambda each: each.value)
    if not known:
        return ""
    low, high = known[0], known[-1]
    digits = min(low.digits, high.digits)  # two ends of one range, written alike
    least, most = low.number(abs(low.value), digits), high.number(abs(high.value), digits)
    if low.value >= 0:
        what = f"averts {least} to {most} deaths"
    elif high.value <= 0:
        what = f"costs {most} to {least} lives"
    else:
        what = f"averts up to {most} deaths or costs up to {least} lives"
    values = f"{written(over['value'].min())} to {written(over['value'].max())}"
    return (
        f"By {short(low.years)} years {name} {what} per 100 enrolled compared with {reference}, depending on "
        f"{over['key'].iloc[0]} ({values})."
    )


def named_sentences(
    named: NamedPatients, first_decided: int | None, reference: str, name: str, *, drawn: bool = False
) -> list[str]:
    """Name the patients of a trial who live instead, who die instead and of what, and whose death moves.

    Parameters
    ----------
    first_decided
        Number of the first trial in which anybody lives or dies instead.
    drawn
        Whether these are trials under the first draw of a posterior.
    """
    sentences = []
    under = f" under {FIRST_DRAW}" if drawn else ""
    start = f"In trial {named.trial}{under}"
    for change, dies_with, lives_with in (
        (Change.DIES, name, reference),
        (Change.LIVES, reference, name),
    ):
        numbers = named.of(change)
        if numbers:
            die, live = ("dies", "lives") if len(numbers) == 1 else ("die", "live")
            causes = _causes(named.table, change)
            who = _patients(numbers)
            sentences.append(
                f"{start}, {who} {die} with {dies_with} ({causes}) and {live} with {lives_with}."
            )
    moved = named.of(Change.MOVES)
    if moved:
        move = "dies" if len(moved) == 1 else "die"
        sentences.append(f"{start}, {_patients(moved)} {move} with both, on another day or of another cause.")
    if not sentences:
        sentences.append(f"{start} the same patients die of the same causes on the same days with both.")
    if first_decided is not None and not named.of(Change.DIES) + named.of(Change.LIVES):
        sentences.append(
            f"The first trial{under} in which anybody lives or dies instead is trial {first_decided}."
        )
    for change, where in ((Change.ONLY_REFERENCE, reference), (Change.ONLY_SCENARIO, name)):
        only = named.of(change)
        if only:
            verb = "is" if len(only) == 1 else "are"
            sentences.append(
                f"{start}, {_patients(only)} {verb} counted only with {where}: nobody to pair with."
            )
    return sentences


def _patients(numbers: Sequence[int]) -> str:
    """List patients by number, as many as one can read."""
    words = [str(number) for number in numbers[:_MOST_NAMES]]
    if len(numbers) > _MOST_NAMES:
        words.append(f"{len(numbers) - _MOST_NAMES} more")
    if len(words) == 1:
        return f"patient {words[0]}"
    return f"patients {', '.join(words[:-1])} and {words[-1]}"


def _causes(table: pd.DataFrame, change: Change) -> str:
    """Say what the patients with some change die of, and who of what where that differs."""
    where = "death_cause" if change == Change.DIES else "reference_death_cause"
    by_cause: dict[str, list[int]] = defaultdict(list)
    for row in table[table["change"] == change.value].to_dict("records"):
        by_cause[row[where]].append(int(row["patient"]))
    if len(by_cause) == 1:
        return f"of {next(iter(by_cause))}"
    parts = []
    for cause, numbers in by_cause.items():
        listed = ", ".join(map(str, numbers)) if len(numbers) <= _MOST_NAMES else str(len(numbers))
        parts.append(f"{listed} of {cause}")
    return "; ".join(parts)


def changed_sentence(changed: pd.DataFrame, reference: str, name: str) -> str:
    """Say how many of 100 patients have another fate, on average over all trials.

    Parameters
    ----------
    changed
        The rows of ``changed_fates.csv`` of one comparison.
    """
    shares = {Change(row.change): row for row in changed.itertuples()}
    texts = {
        Change.DIES: f"die only with {name}",
        Change.LIVES: f"die only with {reference}",
        Change.MOVES: "die with both on another day or of another cause",
    }
    parts = [f"{_per_100(shares[change])} {text}" for change, text in texts.items()]
    drawn = "posterior_lower" in changed
    return (
        f"Over all trials{' under all draws' if drawn else ''}, of 100 patients {parts[0]}, {parts[1]} and "
        f"{parts[2]}, by the end of the follow-up that both share{f' ({POSTERIOR_95})' if drawn else ''}."
    )


def _per_100(row: Any) -> str:
    if math.isnan(row.share):
        return "an unknown number"
    limits = (
        (row.posterior_lower, row.posterior_upper)
        if hasattr(row, "posterior_lower")
        else (row.mc_lower, row.mc_upper)
    )
    half = (limits[1] - limits[0]) / 2
    figures = (format_share(value, half).removesuffix("%") for value in (row.share, *limits))
    share, lower, upper = figures
    return f"{share} ({lower} to {upper})"
