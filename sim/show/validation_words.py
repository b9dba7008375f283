"""A validation in words: every figure as it is written, what is missed and what differs, and the tally."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sim.scenario.endpoints import BY_NAME, Endpoint, Key, label
from sim.show.kit.formats import format_range, format_share, format_value
from sim.study.validate import CoveredCount

ROLES = {"fitted": "fitted", "overlaps": "overlaps", "held_out": "held out"}
NARROW = (
    "The intervals hold the luck of so few patients and their censoring; what is not known about the "
    "parameters is not in them, so they are too narrow."
)
_WIDE = (
    "The intervals hold the luck of so few patients, their censoring, and what the calibrated trial leaves "
    "open about the parameters"
)
_SURE = 10
"""A predicted mean is written to a tenth of its interval."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row of ``validation.csv``, with its figures as they are written for people."""

    cohort: str
    key: Key
    observed: float
    limits: tuple[float, float]
    predicted: float
    interval: tuple[float, float]
    covered: bool | None
    z: float
    undefined: float
    n: int | None
    patients: int
    reading: str
    role: str
    base: str
    overlaps: str
    differs: str
    note: str
    source: str

    @classmethod
    def of(cls, row: Any) -> Line:
        """Read a row as `DataFrame.itertuples` gives it."""
        return cls(
            cohort=str(row.cohort),
            key=(str(row.endpoint), None if math.isnan(row.time_years) else float(row.time_years)),
            observed=float(row.observed),
            limits=(float(row.observed_lower), float(row.observed_upper)),
            predicted=float(row.predicted),
            interval=(float(row.lower), float(row.upper)),
            covered=None if pd.isna(row.covered) else bool(row.covered),
            z=float(row.z),
            undefined=float(row.undefined),
            n=None if pd.isna(row.n) else int(row.n),
            patients=int(row.patients),
            **{name: str(getattr(row, name)) for name in _TEXTS},
        )

    @property
    def endpoint(self) -> Endpoint:
        """Its endpoint."""
        return BY_NAME[self.key[0]]

    @property
    def label(self) -> str:
        """The endpoint and its time in words."""
        return label(self.key)

    @property
    def missed(self) -> bool:
        """Whether a prediction failed: a figure that was fitted is none."""
        return self.covered is False and self.role != "fitted"

    @property
    def observed_text(self) -> str:
        """The figure, and the count behind it."""
        text = format_value(self.endpoint, self.observed)
        if self.reading == "count" and self.n is not None and self.endpoint.kind == "share":
            text = f"{format_share(self.observed, 0.05)} ({round(self.observed * self.n)} of {self.n})"
        return text

    @property
    def predicted_text(self) -> str:
        """The mean of the virtual cohorts."""
        lower, upper = self.interval
        return format_value(self.endpoint, self.predicted, (upper - lower) / _SURE)

    @property
    def interval_text(self) -> str:
        """The predictive interval."""
        return format_range(self.endpoint, *self.interval)

    @property
    def z_text(self) -> str:
        """The normal score, with its sign."""
        return "" if math.isnan(self.z) else f"{self.z:+.1f}".replace("-", "\N{MINUS SIGN}")

    @property
    def verdict(self) -> str:
        """Whether the figure lies in its interval."""
        if self.covered is None:
            return "nobody at risk"
        return "yes" if self.covered else "MISSED" if self.missed else "no"

    @property
    def miss(self) -> str:
        """What is said of a prediction that failed."""
        text = (
            f"{self.cohort} misses {self.label[0].lower()}{self.label[1:]}: observed {self.observed_text}, "
            f"{self.note} the {self.interval_text} that 95% of such cohorts would report with "
            f"{self.base or 'its own scenario'}."
        )
        if self.differs:
            text += f" What differs: {self.differs}."
        else:
            text += " What differs is not stated in its file."
        return text


_TEXTS = ("reading", "role", "base", "overlaps", "differs", "note", "source")


@dataclass(frozen=True, slots=True)
class Drawn:
    """What is said of a validation under draws of a posterior.

    Attributes
    ----------
    draws, replications
        Draws, and virtual cohorts under all of them together.
    own
        Cohorts that keep all of their values.
    held
        By cohort, parameters of the posterior that others keep.
    """

    draws: int
    replications: int
    own: tuple[str, ...]
    held: Mapping[str, Sequence[str]]

    @property
    def sentences(self) -> list[str]:
        """What the intervals hold, and where they hold less."""
        each = self.replications // self.draws
        said = [
            f"{_WIDE} ({each:,} virtual cohorts under each of {self.draws:,} draws of its posterior). What "
            "was assumed and never fitted is not in them."
        ]
        if self.own:
            rest, keep = ("rests", "keeps") if len(self.own) == 1 else ("rest", "keep")
            said.append(
                f"{' and '.join(self.own)} {rest} on another calibration and {keep} its values in every "
                "draw: what is not known about these is not in the intervals, which are too narrow there."
            )
        if self.held:
            parts = "; ".join(f"{name} ({', '.join(keys)})" for name, keys in self.held.items())
            said.append(f"Held at a cohort's own value in every draw: {parts}.")
        return said


def scope(drawn: Drawn | None) -> list[str]:
    """Say what the intervals hold and what they do not."""
    return [NARROW] if drawn is None else drawn.sentences


def lines(table: pd.DataFrame) -> list[Line]:
    """Read the rows of ``validation.csv``."""
    return [Line.of(row) for row in table.itertuples(index=False)]


def misses(read: Sequence[Line]) -> list[str]:
    """Say of every prediction that failed by what, and what differs."""
    return [line.miss for line in read if line.missed]


def finding(predicted: CoveredCount) -> str:
    """Say in one sentence how many predictions hold."""
    if not predicted.figures:
        return "Nothing is predicted here: every figure was fitted, or nobody is at risk"
    if predicted.figures == 1:
        verb = "lies in its" if predicted.covered else "lies outside its"
        return f"The one figure that was not fitted {verb} 95% predictive interval"
    return (
        f"{predicted.covered} of {predicted.figures} figures that were not fitted lie in their 95% "
        "predictive interval"
    )


def tally_sentences(predicted: CoveredCount, apart: CoveredCount) -> list[str]:
    """Say how many predictions hold, and how many would if the model were right."""
    said = [f"{finding(predicted)}."]
    if predicted.figures:
        said[0] += f" {_expected(predicted)}"
    if apart.figures and apart.figures < predicted.figures:
        are = "1 shares" if apart.figures == 1 else f"{apart.figures} share"
        said.append(
            f"Of these figures {are} nothing with the data that the model was fitted to: {apart.covered} of "
            f"{apart.figures} covered. {_expected(apart)}"
        )
    elif predicted.figures and not apart.figures:
        said.append("Each of these figures shares something with the data that the model was fitted to.")
    return said


def _expected(tally: CoveredCount) -> str:
    """Write how many figures would be covered."""
    text = (
        f"Were the model right, {tally.expected:.3g} would (95%), and {_span(*tally.binomial)} in 95 of 100 "
        "such comparisons, if figures were independent (binomial)"
    )
    if not math.isnan(tally.virtual_mean):
        text += (
            f"; figures of one cohort hang together, and among virtual cohorts it is "
            f"{tally.virtual_mean:.3g} and {_span(*map(int, tally.virtual))}"
        )
    return f"{text}."


def _span(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low} to {high}"
