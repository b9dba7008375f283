"""How many trials would notice, and how many point the wrong way, against the patients in each arm."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sim.show.kit import style
from sim.show.kit.axis import Axis
from sim.show.kit.forest import draw_key
from sim.show.kit.prose import sentences
from sim.show.kit.scenario_words import cautions
from sim.show.powers import TESTS, by_arm, found_sentences, test_words
from sim.study.power import ALPHA, WANTED
from sim.work.results import Results

_WIDE, _TALL, _LEFT, _BETWEEN, _HEAD, _FOOT = 3.2, 2.5, 0.75, 0.7, 0.5, 0.55
_KEY = 0.22
_LOOKS = dict(zip(TESTS, ((style.BLUE, "o"), (style.ORANGE, "s"), ("#86b6dd", "^")), strict=True))


@style.styled
def of_study(results: Results) -> Figure | None:
    """Draw power and errors of sign of a study; None without them."""
    if "power" not in results.tables:
        return None
    arms, (finding, *_) = list(by_arm(results)), found_sentences(results)
    tall, words = _HEAD + _TALL + _FOOT, test_words(results)
    *_, how = sentences("power", "how", "", results.manifest["draws"])
    apart = results.manifest["power"]["apart"]
    reasons = [each for arm, reference, _ in arms
               for each in sentences("power", "apart", arm, reference, apart.get(arm, ""))]  # fmt: skip
    notes = [*reasons, how, results.scenario.title, *cautions(results.scenario)]
    tests = {each.name: None for _, _, some in arms for each in some}
    page = style.sheet(
        finding, sentences("power", "lines"), notes,
        _LEFT + 2 * _WIDE + _BETWEEN + 0.35, len(arms) * tall + _KEY * len(tests) + 0.1,
    )  # fmt: skip
    for row, (arm, reference, some) in enumerate(arms):
        bottom = (len(arms) - 1 - row) * tall + _FOOT + _KEY * len(tests) + 0.1
        left, right = (page.axes(_LEFT + at * (_WIDE + _BETWEEN), bottom, _WIDE, _TALL) for at in (0, 1))
        for each in some:
            _line(left, each.rows, "power", each.name)
            _line(right, each.rows, "wrong_sign", each.name)
        _dress(left, some[0].rows, "trials that find a difference", 1.0)
        _dress(right, some[0].rows, "trials that point the wrong way", 0.6)
        left.axhline(WANTED, color=style.INK, lw=1, ls=style.DASHES)
        left.axhline(ALPHA, color=style.INK, lw=1, ls=":")
        right.axhline(0.5, color=style.INK, lw=1, ls=":")
        if all(each.rows["wrong_sign"].isna().all() for each in some):
            style.aside(right, "in the model they do not differ", (0.5, 0.4), (0, 0), ha="center")
        style.aside(left, f"{arm} against {reference}", (0, 1), (0, 10), weight="bold")
    for number, name in enumerate(tests):
        colour, marker = _LOOKS[name]
        handle = Line2D([], [], color=colour, marker=marker, ms=5, mec="white", mew=0.6, label=words[name])
        draw_key(page, [handle], _LEFT, _KEY * (len(tests) - 1 - number), 2 * _WIDE, _KEY)
    return page.figure


def _line(panel: Axes, rows: pd.DataFrame, name: str, test: str) -> None:
    """Draw one share over the sizes, with its interval."""
    colour, marker = _LOOKS[test]
    band: dict[str, Any] = {"color": colour, "alpha": 0.2, "lw": 0}
    panel.fill_between(rows["patients"], rows[f"{name}_lower"], rows[f"{name}_upper"], **band)
    look: dict[str, Any] = {"ms": 5, "mec": "white", "mew": 0.6, "lw": 1.8, "clip_on": False}
    panel.plot(rows["patients"], rows[name], color=colour, marker=marker, **look)


def _dress(panel: Axes, rows: pd.DataFrame, words: str, top: float) -> None:
    """Name the axes and scale them; ticks stand at the sizes, as have room."""
    along = Axis.of(rows, "patients")
    along.dress(panel, "")
    panel.set_xlim(*along.span(None, 0.06))
    panel.set_xlabel("patients in each arm")
    panel.set_ylabel(words)
    panel.set_ylim(0, top)
    style.percent_axis(panel, "y")
    panel.grid(axis="y")
