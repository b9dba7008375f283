"""What a study tells of trials of two arms: how many would notice, and how many point the wrong way."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd

from sim.scenario.endpoints import BY_NAME, Key, key_of
from sim.show.kit.formats import format_interval, format_range, format_share
from sim.show.kit.grid import Column, Grid, numbers
from sim.show.kit.prose import sentences
from sim.show.kit.scenario_words import in_sentence
from sim.study.estimates import Z95
from sim.study.power import ALPHA, DEATHS, LOG_RANK, TREATMENT_DEATHS, WANTED
from sim.work.results import Results

TESTS = (LOG_RANK, DEATHS, TREATMENT_DEATHS)
"""In the order in which they are told."""
_MANY = 1e6
_SHARE = BY_NAME["treatment_related_mortality"]


class ToldTest(NamedTuple):
    """One test of one arm: its rows by size, and what the largest trials find, in words."""

    name: str
    words: str
    rows: pd.DataFrame
    power: str
    wrong: str
    tied: str
    chance: str
    """Whether that is about what chance alone finds, or below it; empty if above."""
    enough: str
    """From how many patients of each arm on 80% of trials find it; empty if from none looked at."""


class Truth(NamedTuple):
    """By how much an arm differs from the first, in words."""

    name: str
    text: str
    differs: bool
    known: bool
    """Whether it is known which way."""
    needed: str


def test_words(results: Results) -> dict[str, str]:
    """Return what each test looks at, by its name."""
    asked = results.manifest["power"]
    cut = asked["cut_days"] != "none"
    by_then = "by the data cut" if cut else f"by {asked['horizon_years']:g}\N{NO-BREAK SPACE}years"
    return {
        LOG_RANK: "survival of all enrolled (log-rank test)",
        DEATHS: f"deaths {by_then} (Fisher's exact test)",
        TREATMENT_DEATHS: "treatment-related deaths (Fisher's exact test)",
    }


def by_arm(results: Results) -> Iterator[tuple[str, str, list[ToldTest]]]:
    """Yield each arm, what it is held against, and its tests."""
    table, words = results.tables["power"], test_words(results)
    for (arm, reference), own in table.groupby(["arm", "reference"], sort=False):
        by_test = dict(list(own.groupby("test", sort=False)))
        yield str(arm), str(reference), [_told(n, words[n], by_test[n]) for n in TESTS if n in by_test]


def _told(name: str, words: str, rows: pd.DataFrame) -> ToldTest:
    last = rows.iloc[-1]
    enough = rows[rows["power_lower"] >= WANTED]["patients"]
    chance = "" if last["power_lower"] > ALPHA else "below" if last["power_upper"] < ALPHA else "about"
    return ToldTest(
        name, words, rows, share_text(last, "power"), share_text(last, "wrong_sign"),
        share_text(last, "tied") if last["tied"] > 0 else "", chance,
        f"{enough.iloc[0]:,}" if len(enough) else "",
    )  # fmt: skip


def share_text(row: Any, name: str) -> str:
    """Write a share of trials with its 95% Monte Carlo interval; empty where there is none."""
    value, lower, upper = (float(row[f"{name}{end}"]) for end in ("", "_lower", "_upper"))
    if math.isnan(value):
        return ""
    return f"{format_share(value, (upper - lower) / 2)} ({format_range(_SHARE, lower, upper)})"


def _truths(tests: Sequence[ToldTest]) -> list[Truth]:
    """Return what an arm truly changes, each endpoint once."""
    first = {str(each.rows["endpoint"].iloc[0]): each.rows.iloc[-1] for each in tests}
    return [_truth(key_of(name), row) for name, row in first.items()]


def _truth(key: Key, row: Any) -> Truth:
    value, error = float(row["true_difference"]), float(row["true_error"])
    lower, upper = (float(row.get(f"true_{end}", math.nan)) for end in ("lower", "upper"))
    if math.isnan(lower):
        lower, upper = value - Z95 * error, value + Z95 * error
    half = (upper - lower) / 2 or max(abs(value) / 20, 1e-5)
    text = format_interval(BY_NAME[key[0]], value, lower, upper, half)
    needed = float(row["needed"])
    return Truth(
        in_sentence(key),
        text.partition(" (")[0] if lower == upper else text,
        value != 0 or upper > lower,
        bool(row["exact"]) or abs(value) > Z95 * error,
        _rounded(needed) if math.isfinite(needed) else "",
    )


def _rounded(patients: float) -> str:
    """Write with two digits how many it takes; of more than anybody could enrol only that."""
    return "more than a million" if patients > _MANY else f"about {float(f'{patients:.2g}'):,.0f}"


def found_sentences(results: Results) -> list[str]:
    """Say for each arm whether the largest trials would have noticed, the log-rank test first."""
    shown, drawn, said = results.tables["power"], results.manifest["draws"], list[str]()
    largest, why = f"{shown['patients'].max():,}", results.manifest["power"]["apart"]
    for arm, reference, tests in by_arm(results):
        true = _truths(tests)
        said += sentences("power", "found", arm, reference, largest, tests)
        said += sentences("power", "apart", arm, reference, why.get(arm, ""))
        said += sentences("power", "enough", tests, largest, true, drawn)
        said += sentences("power", "truth", arm, reference, true, drawn, bool(shown["exact"].all()))
    return [*said, *sentences("power", "how", f"{shown['trials'].iloc[0]:,}", drawn)]


def table(results: Results) -> Grid:
    """Return every arm, test and size."""
    found = [
        (arm, each.words, f"{row['patients']:,}", share_text(row, "power"), share_text(row, "wrong_sign"),
         share_text(row, "tied"), share_text(row, "wrong_significant"))
        for arm, _, tests in by_arm(results)
        for each in tests
        for _, row in each.rows.iterrows()
    ]  # fmt: skip
    blank = bool(results.tables["power"]["wrong_sign"].isna().any())
    heads = (
        Column("arm"), Column("looked at"),
        *numbers("patients\nin each arm", "difference\nfound", "points\nthe wrong way",
                 "no difference\nat all", "difference found,\nthe wrong way"),
    )  # fmt: skip
    return Grid("Would a trial have noticed?", heads, found, sentences("power", "notes", blank))
