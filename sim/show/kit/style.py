"""What all figures have in common: fonts, colours, the page around the axes, and how they are saved.

Figures are made with `matplotlib.figure.Figure`, never with pyplot: nothing global is left behind, and
whatever a user's matplotlibrc says, two calls give the same bytes.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache, wraps
from pathlib import Path
from threading import RLock
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
from matplotlib import rc_params_from_file
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from sim.show.kit.plot import HEAD

P = ParamSpec("P")
T = TypeVar("T")

_SETTINGS = rc_params_from_file(Path(__file__).with_name("figures.mplstyle"), use_default_template=False)
INK, GREY, RULE = (str(_SETTINGS[name]) for name in ("text.color", "axes.edgecolor", "grid.color"))
# Told apart by every kind of colour vision, and by their lightness alone when printed in grey.
BLUE = "#12436d"
ORANGE = "#e8710a"

DASHES = (0, (4, 2))
OVER_LINES = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
"""Behind words that lines would cross."""

_WRITTEN = {ORANGE: "#b25400"}
"""Darker shades of what is too pale for letters: a contrast of at least 4.5 to white."""

TEXT_SIZE, TICK_SIZE = float(_SETTINGS["font.size"]), float(_SETTINGS["xtick.labelsize"])
TITLE_SIZE, NOTE_SIZE = 13.0, 8.0
_LEADING = 1.32
_MARGIN = 0.22
_POINTS = 72.0
_PAIRED = 0.2
"""Of a letter's size: more than any two letters move when they are set together."""
_DPI = 150

# Matplotlib's settings are of the whole process: two threads that draw at once would mix theirs.
_DRAWING = RLock()


@contextmanager
def settings() -> Iterator[None]:
    """Apply the figures' settings to Matplotlib's own defaults, and put everything back afterwards.

    Threads draw one after the other.
    """
    with _DRAWING:
        before = _current()
        _put(_styled_settings())
        try:
            yield
        finally:
            _put(before)


@cache
def _styled_settings() -> dict[str, Any]:
    """Return all settings as figures are drawn with; checking them takes as long as a figure."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        return _current()


def _current() -> dict[str, Any]:
    found: dict[Any, Any] = dict(mpl.rcParams.copy())
    del found["backend"]  # to be resolved by whoever needs one
    return found


def _put(values: dict[Any, Any]) -> None:
    """Set values that Matplotlib has checked before."""
    dict.update(mpl.rcParams, values)


def styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Make a function draw under the figures' settings."""

    @wraps(draw)
    def draw_styled(*args: P.args, **kwargs: P.kwargs) -> T:
        with settings():
            return draw(*args, **kwargs)

    return draw_styled


def save(
    figure: Figure, folder: Path, name: str, formats: Sequence[str] = ("svg", "png")
) -> tuple[Path, ...]:
    """Write a figure without dates or versions.

    Parameters
    ----------
    figure : Figure
        As the functions of `sim.show.figures` return it.
    folder : Path
        It exists.
    name : str
        File name without ending.
    formats : Sequence[str]
        Some of svg, png and pdf.

    Returns
    -------
    tuple[Path, ...]
        A file for each format.
    """
    title = " ".join(figure.get_suptitle().split())
    nameless: dict[str, dict[str, str | None]] = {
        "svg": {"Date": None, "Creator": None},
        "png": {"Software": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }
    paths = tuple(folder / f"{name}.{each}" for each in formats)
    with settings():
        for path, each in zip(paths, formats, strict=True):
            dpi = _DPI if each == "png" else "figure"
            figure.savefig(path, format=each, dpi=dpi, metadata={"Title": title, **nameless[each]})
    return paths


@dataclass(frozen=True, slots=True)
class Sheet:
    """A figure with its words in place and room for axes between them; lengths are inches."""

    figure: Figure
    bottom: float
    width: float
    height: float

    def axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Add axes; the origin is the lower left corner of the room between the words."""
        across, up = self.figure.get_size_inches()
        box = (left / across, (self.bottom + bottom) / up, width / across, height / up)
        return self.figure.add_axes(box)


def sheet(title: str, lines: Sequence[str], notes: Sequence[str], width: float, height: float) -> Sheet:
    """Lay out a page: the finding, what is drawn, room for the axes, and notes.

    The page grows with its words, so that nothing is clipped however long they are.

    Parameters
    ----------
    title : str
        The finding.
    lines : Sequence[str]
        Paragraphs below it.
    notes : Sequence[str]
        Paragraphs at the bottom.
    width, height : float
        Width of the page and height of the room for axes, in inches.
    """
    head = HEAD.get()
    lines = [f"{head[0].upper()}{head[1:]}", *lines] if head and head not in lines else lines
    room = 0.97 * (width - 2 * _MARGIN)  # on a screen hinting widens small text by up to 3%
    blocks = [
        (_balanced(title, room), TITLE_SIZE),
        ([piece for line in lines for piece in wrap(line, TEXT_SIZE, room)], TEXT_SIZE),
        ([piece for note in notes for piece in wrap(note, NOTE_SIZE, room)], NOTE_SIZE),
    ]
    heights = [len(block) * size * _LEADING / _POINTS for block, size in blocks]
    gap = 0.1
    total = sum(heights) + height + 2 * _MARGIN + 2 * gap
    figure = Figure(figsize=(width, total), facecolor="white")
    left, top = _MARGIN / width, total - _MARGIN
    figure.suptitle(
        "\n".join(blocks[0][0]), x=left, y=top / total, ha="left", va="top", size=TITLE_SIZE, weight="bold"
    )
    lines_top = (top - heights[0] - gap) / total
    notes_top = (_MARGIN + heights[2]) / total
    for (block, size), y in zip(blocks[1:], (lines_top, notes_top), strict=True):
        figure.text(left, y, "\n".join(block), size=size, color=GREY, va="top", linespacing=_LEADING)
    return Sheet(figure, _MARGIN + heights[2] + gap, width, height)


def _balanced(title: str, width: float) -> list[str]:
    """Break a title into lines of much the same length: no last line of one word."""
    lines = wrap(title, TITLE_SIZE, width, weight="bold")
    while len(lines) > 1:
        width *= 0.97
        narrower = wrap(title, TITLE_SIZE, width, weight="bold")
        if len(narrower) > len(lines):
            break
        lines = narrower
    return lines


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Return the width of a line in inches, as measured in the font itself."""
    font = FontProperties(family="sans-serif", size=size, weight=weight)
    across, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(across) / _POINTS


def fits(line: str, size: float, width: float, weight: str) -> bool:
    """Tell whether a line is no wider than `width` inches; whole only where its words leave that open."""
    words = line.split(" ")
    gap = text_width("n n", 10.0, weight) - text_width("nn", 10.0, weight)
    about = size / 10.0 * (sum(text_width(word, 10.0, weight) for word in words) + gap * (len(words) - 1))
    if abs(about - width) > _PAIRED * size / _POINTS * 2 * len(words):
        return about < width
    return text_width(line, size, weight) <= width


def wrap(text: str, size: float, width: float, weight: str = "normal") -> list[str]:
    """Break a text into lines no wider than `width` inches."""

    def fitting(line: str) -> bool:
        return fits(line, size, width, weight)

    lines = [""]
    for word in re.findall(r"[^ \t\r\n]+", text):  # a no-break space does not end a word
        longer = f"{lines[-1]} {word}".strip()
        if fitting(longer):
            lines[-1] = longer
            continue
        rest = word
        while not fitting(rest):  # a word longer than the line, which has to be cut somewhere
            cut = max(1, bisect_left(range(1, len(rest) + 1), True, key=lambda n: not fitting(rest[:n])))
            lines.append(rest[:cut])
            rest = rest[cut:]
        lines.append(rest)
    return [line for line in lines if line]


def empty_figure(reason: str, *lines: str) -> Figure:
    """Return a figure that says in words why there is nothing to draw, and what there is to say instead."""
    return sheet(reason, lines, [], width=7.0, height=0.1).figure


def written_in(colour: str) -> str:
    """Return the shade of a colour in which words are written."""
    return _WRITTEN.get(colour, colour)


def aside(
    axis: Axes, text: str, at: tuple[float, float], points: tuple[float, float], where: Any = "axes fraction",
    **how: Any,
) -> None:  # fmt: skip
    """Write some points away from a place, which counts in what `where` says; outside the axes too."""
    away = {"xycoords": where, "textcoords": "offset points", "annotation_clip": False}
    axis.annotate(text, at, points, **away, **how)


def dot(axis: Axes, x: float, y: float, shape: str, size: float, fill: str, edge: str, **how: Any) -> None:
    """Draw one mark; `size` is points."""
    axis.plot(x, y, marker=shape, ms=size, mfc=fill, mec=edge, **how)


def percent_axis(axis: Axes, which: str) -> None:
    """Write an axis of fractions in per cent."""
    target = axis.xaxis if which == "x" else axis.yaxis
    target.set_major_formatter(lambda value, _: f"{round(100 * value, 6):g}%")


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move positions apart until neighbours are at least `gap` apart, around where they were.

    All end up between `low` and `high`; without room for all, the uppermost is at `high`.
    """
    order = sorted(range(len(positions)), key=lambda index: positions[index])
    groups: list[tuple[float, list[int]]] = []
    for index in order:
        centre, members = positions[index], [index]
        while groups and centre - groups[-1][0] < gap * (len(members) + len(groups[-1][1])) / 2:
            before, earlier = groups.pop()
            both = len(earlier) + len(members)
            centre = (before * len(earlier) + centre * len(members)) / both
            members = earlier + members
        groups.append((centre, members))
    moved = list(positions)
    for centre, members in groups:
        for place, index in enumerate(members):
            moved[index] = centre + gap * (place - (len(members) - 1) / 2)
    for place, index in enumerate(order):  # with room for those below and above
        moved[index] = min(max(moved[index], low + gap * place), high - gap * (len(order) - 1 - place))
    return moved
