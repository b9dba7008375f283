"""Where everything of the app's pictures stands: paths and places, which templates put into SVG.

Nothing here has a colour or a word: these are classes of the style sheet, and the templates'.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sim.app.answer import AnswerShown, SideShown
from sim.scenario.distributions import Floats
from sim.scenario.schema import DAYS_PER_YEAR

ORDER = ("remission", "active", "waiting", "treatment", "lupus", "background")
"""Fates in the order in which icons stand, the living first: a change moves icons at the end alone."""
ALIVE = ORDER[:3]
CELL = 10
"""Side of the square that an icon has, in the array's own units."""

_GLYPHS = {"treatment": "m-3-3l6 6m0-6l-6 6", "background": "m-3.6 0l3.6-3.6l3.6 3.6l-3.6 3.6z"}
_DOT = "h0"
"""A line without length: its cap, round or square, is the icon."""
_CURVE_POINTS = 81
_SCALE = 1000
_APART = 17.0
"""Of a chart's height, in per cent: what a line of letters takes."""
_STEPS = (1, 2, 5, 10)
_NEAR = 1e-9
MOST_LANES = 12


def columns(per: int) -> int:
    """Return how many icons stand in a row: arrays of 100 are square, larger ones broad."""
    return 10 if per <= 100 else 40


@dataclass(frozen=True, slots=True)
class Icons:
    """The icons of one fate in an array; `more` is how many more there are than on the side as it is."""

    fate: str
    count: int
    more: int
    share: float
    path: str


def icons(side: SideShown, base: SideShown, per: int) -> list[Icons]:
    """Return an array of icons, fate by fate: one path each, one `M` a patient."""
    found, begin, across = [], 0, columns(per)
    for fate in ORDER:
        if fate not in side.counts:
            continue
        count = side.counts[fate]
        places = (divmod(number, across) for number in range(begin, begin + count))
        glyph = _GLYPHS.get(fate, _DOT)
        path = "".join(
            f"M{CELL * column + CELL // 2} {CELL * row + CELL // 2}{glyph}" for row, column in places
        )
        more = count - base.counts.get(fate, 0)
        found.append(Icons(fate, count, more, side.shares[fate], path))
        begin += count
    return found


def alive(values: Mapping[str, float]) -> float:
    """Return how many, or what share, are alive."""
    return sum(values.get(fate, 0) for fate in ALIVE)


@dataclass(frozen=True, slots=True)
class Traced:
    """A curve of a chart: its paths in a square of 1,000, and what stands beside its end, how far down."""

    side: str
    path: str
    band: str
    name: str
    value: str
    place: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart: what its axes name and where, in per cent from the left and from the top."""

    levels: Sequence[tuple[str, float]]
    marks: Sequence[tuple[str, float]]
    lines: Sequence[Traced]


class Plotted(NamedTuple):
    """A curve to be drawn: which side, its points and its limits, its name and how its end is written."""

    side: str
    years: Floats
    values: Floats
    limits: tuple[Floats, Floats] | None
    name: str
    text: str


def chart(lines: Sequence[Plotted], end: float, top: float, *, share: bool) -> Chart:
    """Lay out curves over `end` years, of shares, or of numbers up to `top`.

    Parameters
    ----------
    share
        Whether the numbers are shares, to be written in per cent.
    """
    levels = [top * part / 4 for part in range(5)] if share or top >= 4 else range(int(top) + 1)
    texts = [f"{100 * each:g}%" if share else f"{each:g}" for each in levels]
    lasts = [float(line.values[line.years <= end + _NEAR][-1]) for line in lines]
    places = label_places([last / top for last in lasts])
    return Chart(
        [(text, 100 - 100 * level / top) for text, level in zip(texts, levels, strict=True)],
        [(f"{year:g}", 100 * year / end) for year in ticks(end)],
        [
            Traced(
                line.side,
                "M" + "L".join(_points(line.years, line.values / top, end)),
                "" if line.limits is None else _band(line.years, line.limits, end, top),
                line.name,
                line.text,
                place,
            )
            for line, place in zip(lines, places, strict=True)
        ],
    )


def _band(years: Floats, limits: tuple[Floats, Floats], end: float, top: float) -> str:
    lower, upper = ([*_points(years, limit / top, end)] for limit in limits)
    return f"M{'L'.join([*upper, *reversed(lower)])}Z"


def _points(years: Floats, values: Floats, end: float) -> Iterator[str]:
    """Yield the points of a curve up to its end, thinned to what can be seen."""
    kept = np.flatnonzero(years <= end + _NEAR)
    kept = kept[np.unique(np.linspace(0, len(kept) - 1, min(len(kept), _CURVE_POINTS)).round().astype(int))]
    for year, value in zip(years[kept], values[kept], strict=True):
        yield f"{_SCALE * year / end:.0f} {_SCALE * (1 - value):.1f}".replace(".0", "")


def round_top(most: float) -> float:
    """Return where an axis of numbers ends: four round steps, or as many whole ones as there are."""
    if most < len(_STEPS):
        return math.ceil(most)
    power: float = 10.0 ** math.floor(math.log10(most / 4))
    return next(4.0 * step * power for step in _STEPS if 4 * step * power >= most)


def label_places(ends: Sequence[float]) -> list[float]:
    """Return where the names of curves stand beside their ends, in per cent from the top: apart."""
    places = [100 * (1 - end) for end in ends]
    if len(places) == 2 and abs(places[0] - places[1]) < _APART:
        middle = min(max(sum(places) / 2, _APART / 2), 100 - _APART / 2)
        upper = 0 if places[0] <= places[1] else 1
        places[upper], places[1 - upper] = middle - _APART / 2, middle + _APART / 2
    return places


def ticks(years: float) -> list[float]:
    """Return the years that an axis names: whole ones, some six of them; parts of one below two years."""
    step = 1.0 if years <= 7 else math.ceil(years / 6)
    if years < 2:
        step = 0.5 if years >= 1 else 0.1
    return [round(step * number, 6) for number in range(int(years / step + _NEAR) + 1)]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A bar of a lane, or the death that ends it; places in per cent of the width."""

    what: str
    begin: float
    width: float


@dataclass(frozen=True, slots=True)
class LanePair:
    """One patient's course, as it is and as it is changed."""

    patient: int
    words: str
    sides: tuple[tuple[Stretch, ...], tuple[Stretch, ...]]


def lanes(answer: AnswerShown) -> list[LanePair]:
    """Return the first lanes that a page has room for."""
    return [
        LanePair(lane.patient, lane.words, (_side(lane.before, span), _side(lane.after, span)))
        for span in (lanes_end(answer) * DAYS_PER_YEAR,)
        for lane in answer.lanes[:MOST_LANES]
    ]


def lanes_end(answer: AnswerShown) -> float:
    """Return the years that all lanes have room for."""
    ends = (end for lane in answer.lanes for _, end, _ in (*lane.before, *lane.after))
    return max([answer.years, *(end / DAYS_PER_YEAR for end in ends)])


def _side(stretches: Sequence[tuple[float, float, str]], span: float) -> tuple[Stretch, ...]:
    return tuple(
        Stretch(what, round(100 * begin / span, 2), round(100 * (end - begin) / span, 2))
        for begin, end, what in stretches
    )


def kinds(answer: AnswerShown) -> list[str]:
    """Return what occurs in the lanes that are shown, each once, as they come."""
    sides = (side for lane in answer.lanes[:MOST_LANES] for side in (lane.before, lane.after))
    return list(dict.fromkeys(what for side in sides for _, _, what in side))
