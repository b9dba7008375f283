"""A validation for people: every figure as it is written, what is missed and what differs, and the tally."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pandas as pd

from sim.centre.own_cohort import SMALL, SOURCE
from sim.scenario.endpoints import Endpoint, Key, endpoint_of, label
from sim.show.kit.formats import format_range, format_share, format_value
from sim.show.kit.grid import Column, Grid, number
from sim.show.kit.prose import one_sentence, sentences
from sim.show.kit.scenario_words import head
from sim.study.validate import CoveredCount
from sim.work.results import Results

_ROLES = {"fitted": "fitted", "overlaps": "overlaps", "held_out": "held out"}
_CURVE = 3
"""Covered figures of one curve from which the tally says that they are one curve."""
_SURE = 10
"""A predicted mean is written to a tenth of its interval."""


class Line:
    """One row of ``validation.csv``, with its figures as they are written for people.

    Parameters
    ----------
    row
        As `DataFrame.itertuples` gives it.
    """

    def __init__(self, row: Any) -> None:
        self.key: Key = (str(row.endpoint), None if math.isnan(row.time_years) else float(row.time_years))
        self.observed, self.limits = (
            float(row.observed),
            (float(row.observed_lower), float(row.observed_upper)),
        )
        self.predicted, self.interval = float(row.predicted), (float(row.lower), float(row.upper))
        self.covered = None if pd.isna(row.covered) else bool(row.covered)
        self.z, self.undefined = float(row.z), float(row.undefined)
        self.n = None if pd.isna(row.n) else int(row.n)
        self.patients = int(row.patients)
        texts = (row.cohort, row.reading, row.role, row.base)
        self.cohort, self.reading, self.role, self.base = map(str, texts)
        known = (row.overlaps, row.differs, row.note, row.source)
        self.overlaps, self.differs, self.note, self.source = map(str, known)

    @property
    def endpoint(self) -> Endpoint:
        """Its endpoint."""
        return endpoint_of(self.key[0])

    @property
    def label(self) -> str:
        """The endpoint and its time in words."""
        return label(self.key)

    @property
    def missed(self) -> bool:
        """Whether a prediction failed: a figure that was fitted is none, but of patients learned from one."""
        return self.covered is False and (self.own or self.role != "fitted")

    @property
    def own(self) -> bool:
        """Whether it is of patients of one's own."""
        return self.source in (SOURCE, SMALL)

    @property
    def small(self) -> bool:
        """Whether it is a count of so few of one's own patients that one could be recognised."""
        return self.source == SMALL

    @property
    def observed_text(self) -> str:
        """The figure, and the count behind it."""
        text = format_value(self.endpoint, self.observed, 0.05 if self.own else math.nan)
        if self.reading == "count" and self.n is not None and self.endpoint.kind == "share":
            count = f"{round(self.observed * self.n)}{'*' if self.small else ''}"
            text = f"{format_share(self.observed, 0.05)} ({count} of {self.n})"
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
        outside = "no" if not self.missed else self.note if self.own else "MISSED"
        return "yes" if self.covered else outside

    @property
    def spoken(self) -> str:
        """The label within a sentence."""
        return f"{self.label[0].lower()}{self.label[1:]}"

    @property
    def miss(self) -> str:
        """What is said of a prediction that failed."""
        return one_sentence("validation", "miss", self)


@dataclass(frozen=True, slots=True)
class UnderDraws:
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
    def each(self) -> int:
        """Virtual cohorts under each draw."""
        return self.replications // self.draws


def draws_of(manifest: Mapping[str, Any]) -> UnderDraws | None:
    """Read off a manifest of which posterior the predictions are; None without one."""
    if manifest.get("posterior") is None:
        return None
    held = {each["cohort"]: each["held"] for each in manifest["cohorts"] if each["held"] and each["free"]}
    own = tuple(each["cohort"] for each in manifest["cohorts"] if not each["free"])
    return UnderDraws(manifest["draws"], manifest["replications"], own, held)


def tallies(manifest: Mapping[str, Any]) -> tuple[CoveredCount, CoveredCount]:
    """Read off a manifest the tallies of all that was predicted, and of what shares nothing with the fit."""
    stored = manifest["tallies"]
    return _tally(stored["predicted"]), _tally(stored["apart"])


def _tally(stored: Mapping[str, Any]) -> CoveredCount:
    low, high = stored["binomial"]
    mean, (least, most) = stored["virtual_mean"], stored["virtual"] or (math.nan, math.nan)
    known = math.nan if mean is None else mean
    return CoveredCount(stored["figures"], stored["covered"], (low, high), known, (least, most))


def scope(drawn: UnderDraws | None) -> list[str]:
    """Say what the intervals hold and what they do not."""
    return sentences("validation", "scope", drawn)


def lines(table: pd.DataFrame) -> list[Line]:
    """Read the rows of ``validation.csv``."""
    return [Line(row) for row in table.itertuples(index=False)]


def misses(read: Sequence[Line]) -> list[str]:
    """Say of every prediction that failed by what, and what differs."""
    return [line.miss for line in read if line.missed and not line.own]


def finding(predicted: CoveredCount, apart: CoveredCount) -> str:
    """Say in one sentence how many predictions hold, and how many of what shares nothing with the fit."""
    return one_sentence("validation", "finding", predicted, apart)


def tally_sentences(predicted: CoveredCount, apart: CoveredCount) -> list[str]:
    """Say how many predictions hold, and how many would if the model were right."""
    known = (not math.isnan(tally.virtual_mean) for tally in (predicted, apart))
    return sentences("validation", "tally", predicted, apart, *known)


def found_sentences(results: Results) -> list[str]:
    """Say what was found: what is missed and why it may be, and the tally."""
    read, both = lines(results.tables["validation"]), tallies(results.manifest)
    what_if = sentences("validation", "what_if", head(results)) if head(results) else []
    return [*what_if, *misses(read), *tally_sentences(*both), *curve_sentences(read)]


def curve_sentences(read: Sequence[Line]) -> list[str]:
    """Name the curves of which several points are covered: points of one are not independent."""
    covered = [line for line in read if line.covered and line.role != "fitted"]
    counts = Counter((line.cohort, line.key[0]) for line in covered)
    first = {(line.cohort, line.key[0]): line for line in reversed(covered)}
    several = [(first[curve], count) for curve, count in counts.items() if count >= _CURVE]
    return sentences("validation", "curves", len(covered), several)


def predictions(results: Results) -> Grid:
    """Return every figure beside its prediction, cohort by cohort."""
    read = lines(results.tables["validation"])
    first = {*read[:1], *(line for before, line in pairwise(read) if before.cohort != line.cohort)}
    ends = frozenset(at for at, following in enumerate(read[1:]) if following in first)
    columns = (
        (Column("cohort"), lambda line: line.cohort if line in first else ""),
        (Column("figure", plain=True), lambda line: line.label),
        (number("observed"), lambda line: line.observed_text),
        (number("predicted"), lambda line: line.predicted_text),
        (number("predictive\ninterval"), interval_cell),
        (Column("covered", number=True, marks={"yes": "yes", "MISSED": "no"}), lambda line: line.verdict),
        (number("z"), lambda line: line.z_text),
        (number("use"), lambda line: _ROLES[line.role]),
    )
    columns_note, use_note = (sentences("validation", macro) for macro in ("columns", "use"))
    notes = [*columns_note, *scope(draws_of(results.manifest)), *use_note]
    return Grid.of("Observed and predicted", read, columns, notes, ends=ends)


def interval_cell(line: Line) -> str:
    """Write the predictive interval, and how many virtual cohorts are not in it."""
    undefined = f"{line.undefined:.0%} undefined" if line.undefined >= 0.005 else ""
    return f"{line.interval_text}\n{undefined}".strip()
